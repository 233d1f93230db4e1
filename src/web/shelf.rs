//! Small copies of photos on the disk, within a limit.
//!
//! In: names and bytes. Out: bytes again, or nothing. Never: more bytes than allowed for longer than it takes to clear up,
//! and never anything that could not be made again.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use walkdir::WalkDir;

use crate::durable;

/// Cleared down to this share of the limit, so that it is not done for each new copy.
const KEPT_SHARE: f64 = 0.9;

/// The folder. Owner: the threads that make pictures, which share it.
#[derive(Debug)]
pub struct Shelf {
    folder: PathBuf,
    max_bytes: u64,
    /// What lies there; `None` until it was counted.
    used_bytes: Mutex<Option<u64>>,
}

impl Shelf {
    /// Nothing is looked at before the first copy.
    pub fn new(folder: PathBuf, max_bytes: u64) -> Shelf {
        Shelf {
            folder,
            max_bytes,
            used_bytes: Mutex::new(None),
        }
    }

    /// What was put there under this name.
    pub fn get_blocking(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.path_of(name))
            .ok()
            .filter(|bytes| !bytes.is_empty())
    }

    /// Puts a copy there; a disk that does not take it costs only time.
    pub fn put_blocking(&self, name: &str, bytes: &[u8]) {
        let path = self.path_of(name);
        let written = std::fs::create_dir_all(durable::folder_of(&path))
            .map_err(|error| error.to_string())
            .and_then(|()| durable::write_passing_file(&path, bytes).map_err(|error| error.to_string()));
        if let Err(error) = written {
            tracing::debug!("web: a small copy is not kept: {error}");
            return;
        }
        let mut used = self.used_bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let total = match *used {
            Some(before) => before + bytes.len() as u64,
            None => self.files().iter().map(|file| file.bytes).sum(),
        };
        *used = Some(if total > self.max_bytes {
            self.clear_up_blocking()
        } else {
            total
        });
    }

    /// Removes the oldest; returns what is left.
    fn clear_up_blocking(&self) -> u64 {
        let mut files = self.files();
        files.sort_by_key(|file| file.modified);
        let mut total: u64 = files.iter().map(|file| file.bytes).sum();
        let kept = (self.max_bytes as f64 * KEPT_SHARE) as u64;
        for file in files {
            if total <= kept {
                break;
            }
            if std::fs::remove_file(&file.path).is_ok() {
                total -= file.bytes;
            }
        }
        total
    }

    fn files(&self) -> Vec<Copied> {
        let entries = WalkDir::new(&self.folder)
            .min_depth(2)
            .max_depth(2)
            .into_iter()
            .flatten();
        let copied = entries.filter_map(|entry| {
            let meta = entry.metadata().ok().filter(std::fs::Metadata::is_file)?;
            Some(Copied {
                path: entry.into_path(),
                bytes: meta.len(),
                modified: meta.modified().unwrap_or(SystemTime::UNIX_EPOCH),
            })
        });
        copied.collect()
    }

    /// Names begin with a content hash; 256 folders keep each of them short.
    fn path_of(&self, name: &str) -> PathBuf {
        let (first, _) = name.split_at(2.min(name.len()));
        self.folder.join(first).join(name)
    }
}

struct Copied {
    path: PathBuf,
    bytes: u64,
    modified: SystemTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_copies_give_way() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(folder.path().join("thumbnails"), 1_000);
        for number in 0..10u8 {
            let name = format!("{number:02}-thumb.jpg");
            shelf.put_blocking(&name, &[number; 100]);
            let file = std::fs::File::open(shelf.path_of(&name)).unwrap();
            let age = std::time::Duration::from_secs(100 - u64::from(number));
            file.set_modified(SystemTime::now() - age).unwrap();
        }
        assert!(shelf.get_blocking("00-thumb.jpg").is_some());
        shelf.put_blocking("10-thumb.jpg", &[10; 100]);
        assert_eq!(shelf.get_blocking("00-thumb.jpg"), None);
        assert_eq!(shelf.get_blocking("10-thumb.jpg"), Some(vec![10; 100]));
        let left: u64 = shelf.files().iter().map(|file| file.bytes).sum();
        assert_eq!(left, 900);
        // Another process's copies are counted, too.
        let again = Shelf::new(folder.path().join("thumbnails"), 300);
        again.put_blocking("11-thumb.jpg", &[11; 100]);
        assert_eq!(again.files().len(), 2);
    }
}
