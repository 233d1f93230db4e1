//! What belongs to the inboxes, and what lies at a path.
//!
//! In: the watched folders, and what to pass over: names, hangtag's own folder. Out: whether a path is ours, and a [`Look`]
//! at it; whether an inbox itself is there. Never: a byte of a file's content; a link followed out of the inboxes; an inbox
//! that may merely not be mounted taken for an emptied one.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use globset::GlobSet;

use super::own_folder::OwnFolder;
use crate::config::Config;
use crate::domain::{FileStamp, Rejection, RejectionReason};

/// The watched folders, as real paths, and what is never looked at.
#[derive(Debug)]
pub struct Inboxes {
    roots: Vec<PathBuf>,
    ignore: GlobSet,
    own: Option<OwnFolder>,
    /// Which folder each root was when something was last seen in it. Owner: the looks at a root.
    filled: Mutex<BTreeMap<PathBuf, FolderId>>,
}

/// Which folder it is, whatever lies at its path by now: device and inode.
pub type FolderId = (u64, u64);

/// Why a path is passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PassedOver<'a> {
    /// This name on its way is one that `watch.ignore` names.
    Name(&'a Path),
    /// It lies within hangtag's own folder, this one.
    Own(&'a Path),
}

impl fmt::Display for PassedOver<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PassedOver::Name(name) => write!(
                f,
                "the name {:?} is passed over (watch.ignore)",
                name.display().to_string()
            ),
            PassedOver::Own(data_dir) => write!(
                f,
                "it lies within hangtag's data folder {} (data_dir), which is passed over",
                data_dir.display()
            ),
        }
    }
}

/// How an inbox itself lies there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootLook {
    /// Something lies in it, or did when this process looked before, on the same device: what is missing from it is
    /// gone.
    There(FolderId),
    /// Nothing lies in it, and this process saw nothing here either, or on another device only: perhaps it is the mount
    /// point of a disk that is not mounted, which says nothing of the disk's files.
    Bare(FolderId),
    /// It is not there, no folder, or one that may not be read; why.
    Missing(String),
}

/// What lies at a path right now.
#[derive(Debug)]
pub enum Look {
    /// A regular file, or a link to one within the inboxes.
    File(Seen),
    /// A folder.
    Folder,
    /// Nothing.
    Missing,
    /// Something that can never be read as a photo, or not now; with the stamp of what lies there.
    Refused(Rejection, Option<FileStamp>),
}

/// A regular file as it looked from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Size, time and inode.
    pub stamp: FileStamp,
    /// How long ago it was last modified; zero when that lies in the future (another machine's clock).
    pub age: Duration,
}

impl Inboxes {
    /// `roots` must be real paths: events name real paths, and a second spelling would count a file twice.
    pub fn new(roots: Vec<PathBuf>, ignore: GlobSet) -> Self {
        Self {
            roots,
            ignore,
            own: None,
            filled: Mutex::default(),
        }
    }

    /// The same, with all that the settings pass over. The data folder should have been made: of one that was not, no
    /// links are known.
    pub fn of(config: &Config, roots: Vec<PathBuf>) -> Self {
        Self {
            own: Some(OwnFolder::of(config)),
            ..Self::new(roots, config.watch.ignore.clone())
        }
    }

    /// The watched folders.
    pub fn roots(&self) -> &[PathBuf] {
        &self.roots
    }

    /// The inbox a path lies in.
    pub fn root_of(&self, path: &Path) -> Option<&Path> {
        self.roots
            .iter()
            .find(|root| path.starts_with(root))
            .map(PathBuf::as_path)
    }

    /// The root that tells whether a path is away: the outermost one around it. A scan of one folder of an inbox has both
    /// as roots, and an empty folder in an inbox that is there was emptied.
    pub fn outermost_root_of(&self, path: &Path) -> Option<&Path> {
        let around = self.roots.iter().filter(|root| path.starts_with(root));
        around
            .min_by_key(|root| root.as_os_str().len())
            .map(PathBuf::as_path)
    }

    /// Why a path is passed over, if it is: hangtag's own folder, or the first name between the inbox and the path (the
    /// inbox excluded, the path included).
    pub fn passed_over<'a>(&'a self, path: &'a Path) -> Option<PassedOver<'a>> {
        if let Some(own) = self.own.as_ref().filter(|own| own.holds(path)) {
            return Some(PassedOver::Own(own.data_dir()));
        }
        let within = self
            .root_of(path)
            .and_then(|root| path.strip_prefix(root).ok())
            .unwrap_or(path);
        within
            .components()
            .map(|part| Path::new(part.as_os_str()))
            .find(|name| self.ignore.is_match(name))
            .map(PassedOver::Name)
    }

    /// Whether a path lies within hangtag's own folder.
    pub fn is_own(&self, path: &Path) -> bool {
        self.own.as_ref().is_some_and(|own| own.holds(path))
    }

    /// Looks at an inbox, and remembers it where something lies in it, if only a name to be passed over.
    pub fn look_at_root_blocking(&self, root: &Path) -> RootLook {
        let folder = match folder_id(root) {
            Ok(folder) => folder,
            Err(why) => return RootLook::Missing(why),
        };
        let is_empty = match is_empty(root) {
            Ok(is_empty) => is_empty,
            Err(error) => return RootLook::Missing(not_to_be_read(&error)),
        };
        // The disk may have come or gone between the two.
        if folder_id(root) != Ok(folder) {
            return RootLook::Missing("another folder has just taken its place".into());
        }
        let mut filled = self.filled.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_empty {
            filled.insert(root.to_owned(), folder);
        }
        if is_empty && !was_filled(filled.get(root).copied(), folder) {
            RootLook::Bare(folder)
        } else {
            RootLook::There(folder)
        }
    }

    /// Whether nothing can be said of what is missing at this path: its inbox is not there, or may be a bare mount point.
    pub fn is_away_blocking(&self, path: &Path) -> bool {
        self.outermost_root_of(path)
            .is_none_or(|root| !matches!(self.look_at_root_blocking(root), RootLook::There(_)))
    }

    /// Whether nothing lies at this path because the inbox that it lies in is away: its file may be there all the same. A scan
    /// of one file has it as a root, which is no inbox.
    pub fn has_gone_with_its_inbox_blocking(&self, path: &Path) -> bool {
        self.outermost_root_of(path)
            .is_some_and(|root| root != path && self.is_away_blocking(root))
    }

    /// Remembers the inbox of a file that was just seen, in case nobody looks at the inbox before all its files are taken
    /// out again. Later looks are left to those who look at inboxes.
    pub fn saw_something_at_blocking(&self, path: &Path) {
        let Some(root) = self.outermost_root_of(path) else {
            return;
        };
        let filled = self.filled.lock().unwrap_or_else(PoisonError::into_inner);
        let is_remembered = filled.contains_key(root);
        drop(filled);
        if !is_remembered {
            self.look_at_root_blocking(root);
        }
    }

    /// Looks at a path without opening it.
    pub fn look_blocking(&self, path: &Path) -> Look {
        match std::fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_symlink() => self.look_through_link(path, &metadata),
            Ok(metadata) => look_at(&metadata),
            Err(error) => not_there(path, &error),
        }
    }

    /// Whether a real path lies in an inbox, or in the folder to which a link leads that has taken an inbox's place.
    fn holds_real(&self, path: &Path) -> bool {
        self.root_of(path).is_some()
            || self
                .roots
                .iter()
                .any(|root| root.canonicalize().is_ok_and(|real| path.starts_with(real)))
    }

    /// Whether a folder on the way from the inbox to a path, that was one when the path became known, is a symbolic link by now:
    /// what lies there is somewhere else, and links to folders are not followed. A link in the place of the inbox itself, or
    /// above it, is. One look for each of these folders, and none where the path lies in the inbox itself.
    pub fn is_behind_link_blocking(&self, path: &Path) -> bool {
        self.outermost_root_of(path).is_some_and(|root| {
            let above = path.ancestors().skip(1);
            let mut within = above.take_while(|folder| *folder != root && folder.starts_with(root));
            within.any(Path::is_symlink)
        })
    }

    fn look_through_link(&self, path: &Path, link: &Metadata) -> Look {
        let refuse =
            |reason, detail: String| Look::Refused(Rejection { reason, detail }, Some(stamp_of(link)));
        match path.canonicalize() {
            // An inbox that was moved away while hangtag runs, and a link left in its place, is the folder it was.
            Ok(target) if self.roots.iter().any(|root| root == path) && target.is_dir() => Look::Folder,
            Ok(target) if !self.holds_real(&target) => refuse(
                RejectionReason::LinkOutsideInbox,
                format!("a symbolic link to {}, which lies in no inbox", target.display()),
            ),
            Ok(target) if self.is_own(&target) => refuse(
                RejectionReason::LinkOutsideInbox,
                format!(
                    "a symbolic link to {}, which lies within hangtag's data folder",
                    target.display()
                ),
            ),
            Ok(target) => match std::fs::metadata(&target) {
                // A link to a folder would show the folder's photos a second time.
                Ok(metadata) if metadata.is_dir() => refuse(
                    RejectionReason::NotAFile,
                    format!("a symbolic link to the folder {}", target.display()),
                ),
                Ok(metadata) => look_at(&metadata),
                Err(error) => not_there(path, &error),
            },
            Err(error) => refuse(
                RejectionReason::Unreadable,
                format!("a symbolic link that leads nowhere: {error}"),
            ),
        }
    }
}

/// Whether a root in which nothing lies now is what was `seen` filled before. Another inode on the same device is a folder
/// that was made anew, as by those who move the whole inbox away each night; what appears under a disk that is
/// unmounted lies on another device.
fn was_filled(seen: Option<FolderId>, now: FolderId) -> bool {
    seen.is_some_and(|(device, _)| device == now.0)
}

fn folder_id(path: &Path) -> Result<FolderId, String> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Ok((metadata.dev(), metadata.ino())),
        Ok(_) => Err("is no folder any more".into()),
        Err(error) => Err(not_to_be_read(&error)),
    }
}

/// Whether nothing lies in a folder.
pub fn is_empty(folder: &Path) -> io::Result<bool> {
    Ok(std::fs::read_dir(folder)?.next().transpose()?.is_none())
}

fn not_to_be_read(error: &io::Error) -> String {
    let remedy = match error.kind() {
        io::ErrorKind::PermissionDenied => "; give the user that runs hangtag the right to read it",
        _ => "",
    };
    format!("cannot be looked into: {error}{remedy}")
}

fn look_at(metadata: &Metadata) -> Look {
    let kind = metadata.file_type();
    let what = if kind.is_file() {
        let stamp = stamp_of(metadata);
        let age = metadata
            .modified()
            .ok()
            .and_then(|time| SystemTime::now().duration_since(time).ok());
        return Look::File(Seen {
            stamp,
            age: age.unwrap_or_default(),
        });
    } else if kind.is_dir() {
        return Look::Folder;
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    let detail = format!("{what}, not a file");
    Look::Refused(
        Rejection {
            reason: RejectionReason::NotAFile,
            detail,
        },
        Some(stamp_of(metadata)),
    )
}

fn not_there(path: &Path, error: &io::Error) -> Look {
    match says_gone(error) {
        true => Look::Missing,
        false => Look::Refused(unreadable(path, error), None),
    }
}

/// Whether nothing lies at `path`; a path that cannot be looked at is not gone.
pub fn is_gone(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_err_and(|error| says_gone(&error))
}

/// Whether an error says that nothing lies at the path: its name is gone, or a folder above it, be it that a file has taken
/// the place of that one.
pub fn says_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// The rejection of a file that the operating system will not let us read.
pub fn unreadable(path: &Path, error: &io::Error) -> Rejection {
    let detail = format!("could not read {}: {error}", path.display());
    Rejection {
        reason: RejectionReason::Unreadable,
        detail,
    }
}

/// The rejection of a folder whose name says that it is a photo.
pub fn folder_named_like_a_photo(path: &Path) -> Option<Rejection> {
    const EXTENSIONS: [&str; 9] = ["jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "jfif"];
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    EXTENSIONS.contains(&extension.as_str()).then(|| Rejection {
        reason: RejectionReason::NotAFile,
        detail: "a folder with the name of a photo; what lies in it is tagged on its own".into(),
    })
}

/// The stamp of what `metadata` describes.
pub fn stamp_of(metadata: &Metadata) -> FileStamp {
    FileStamp {
        size: metadata.len(),
        mtime_ns: metadata
            .mtime()
            .saturating_mul(1_000_000_000)
            .saturating_add(metadata.mtime_nsec()),
        inode: metadata.ino(),
    }
}

#[cfg(test)]
mod tests;
