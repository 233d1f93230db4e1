//! hangtag's own folder, which holds no photo of the shop's.
//!
//! In: the settings, a real path. Out: whether what lies there is hangtag's own. Never: an inbox that lies in the data
//! folder taken for a part of it.

use std::path::{Path, PathBuf};

use crate::config::Config;

/// The data folder: a scan of the folder around it would tag the store, the models and the pictures of corrections.
#[derive(Debug, Clone)]
pub struct OwnFolder {
    data_dir: PathBuf,
    /// Inboxes that lie in it.
    inboxes: Vec<PathBuf>,
}

impl OwnFolder {
    /// By the real paths of what is there; a folder that has not been made yet is known as the settings name it.
    pub fn of(config: &Config) -> Self {
        let real = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
        Self::new(real(&config.data_dir), config.inboxes.iter().map(real))
    }

    fn new(data_dir: PathBuf, inboxes: impl Iterator<Item = PathBuf>) -> Self {
        Self {
            inboxes: inboxes.filter(|inbox| inbox.starts_with(&data_dir)).collect(),
            data_dir,
        }
    }

    /// Where it lies.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Whether `path`, which must be a real one, is this folder or lies within it.
    pub fn holds(&self, path: &Path) -> bool {
        path.starts_with(&self.data_dir) && !self.inboxes.iter().any(|inbox| path.starts_with(inbox))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inbox_within_the_data_folder_is_not_hangtags_own() {
        let inboxes = ["/srv/hangtag/inbox", "/home/photos"].map(PathBuf::from);
        let own = OwnFolder::new("/srv/hangtag".into(), inboxes.into_iter());
        for (path, is_own) in [
            ("/srv/hangtag", true),
            ("/srv/hangtag/hangtag.db", true),
            ("/srv/hangtag/corrections/5f2c.png", true),
            ("/srv/hangtag/inbox", false),
            ("/srv/hangtag/inbox/4711.jpg", false),
            ("/srv/hangtag-old/4711.jpg", false),
            ("/home/photos/4711.jpg", false),
        ] {
            assert_eq!(own.holds(Path::new(path)), is_own, "{path}");
        }
    }
}
