//! What the service says of itself, in the data folder, for as long as that folder holds the store that it has open.
//!
//! In: the board, the store's path. Out: `status.json`, fresh; an end where the store is not at its path any more. Never: a
//! folder made anew, or a report beside another store; a store that may not be looked at taken for one that was moved.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;

use crate::status::{Identity, StatusBoard};
use crate::tagging::inbox::says_gone;
use crate::tagging::line::Queues;

/// The file that is open as the store. Another one at its path (a backup that was put back), or none (the data folder was
/// moved), leaves the service writing where nobody looks, and a second service free to start beside it.
#[derive(Debug)]
pub(super) struct StoreFile {
    path: PathBuf,
    /// Device and inode; `None` where they could not be had.
    opened: Option<(u64, u64)>,
}

impl StoreFile {
    /// That of a store which has just been opened.
    pub(super) fn of_open(path: PathBuf) -> Self {
        let opened = file_id(&path).ok();
        Self { path, opened }
    }

    /// Whether it still lies there, as far as can be told.
    fn is_there_blocking(&self) -> bool {
        match file_id(&self.path) {
            Ok(now) => self.opened.is_none_or(|opened| opened == now),
            Err(error) => !says_gone(&error),
        }
    }
}

fn file_id(path: &Path) -> io::Result<(u64, u64)> {
    std::fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

/// What is reported, and where.
pub(super) struct Reporter {
    /// The status file.
    pub path: PathBuf,
    /// Looked at before each report.
    pub store: StoreFile,
    pub board: StatusBoard,
    pub identity: watch::Receiver<Identity>,
    pub queues: Queues,
}

impl Reporter {
    /// Keeps the status file fresh until the store is not there any more; one that cannot be written is said once and tried
    /// again.
    pub(super) async fn run(self) {
        let Self {
            path,
            store,
            board,
            identity,
            queues,
        } = self;
        let (store, mut complained) = (Arc::new(store), false);
        loop {
            let report = board.report(&identity.borrow(), queues.status());
            let (file, store) = (path.clone(), Arc::clone(&store));
            let write = move || store.is_there_blocking().then(|| report.write_blocking(&file));
            let trouble = match tokio::task::spawn_blocking(write).await {
                Ok(None) => return,
                Ok(Some(Ok(()))) => None,
                Ok(Some(Err(error))) => Some(error.to_string()),
                Err(panicked) => Some(panicked.to_string()),
            };
            if let Some(trouble) = trouble
                && !std::mem::replace(&mut complained, true)
            {
                tracing::error!("status: {trouble}");
            }
            board.until_report_is_due().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_there_until_another_file_or_none_is() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let path = data.join("hangtag.db");
        std::fs::create_dir(&data).unwrap();
        std::fs::write(&path, "open").unwrap();
        let backup = folder.path().join("backup.db");
        std::fs::write(&backup, "another").unwrap();
        let store = StoreFile::of_open(path.clone());
        std::fs::write(&path, "written to").unwrap();
        assert!(store.is_there_blocking());
        let moved = folder.path().join("moved");
        std::fs::rename(&data, &moved).unwrap();
        assert!(!store.is_there_blocking(), "none");
        std::fs::write(&data, "no folder").unwrap();
        assert!(!store.is_there_blocking(), "none, and nothing for it to lie in");
        std::fs::remove_file(&data).unwrap();
        std::fs::rename(&moved, &data).unwrap();
        assert!(store.is_there_blocking());
        std::fs::rename(&backup, &path).unwrap();
        assert!(!store.is_there_blocking(), "another");
    }
}
