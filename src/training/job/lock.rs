//! Whether somebody works in a run's folder.
//!
//! In: the folder. Out: a lock on a file of it, which goes with its process however that ends. Never: anything about the run.

use std::fs::{File, TryLockError};
use std::io;
use std::path::PathBuf;

use super::{RunFolder, RunFolderError};
use crate::durable::WriteError;

/// Held by the process that works in a run's folder.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

impl RunFolder {
    /// Says that a process works in the folder, for as long as the lock lives, however the process ends.
    pub fn lock_blocking(&self) -> Result<RunLock, RunFolderError> {
        let path = self.lock_path();
        let lock = || {
            let file = File::create(&path)?;
            // Who asks whether it is locked has it for a moment.
            file.lock()?;
            Ok(RunLock { _file: file })
        };
        Ok(lock().map_err(|source| WriteError {
            path: path.clone(),
            source,
        })?)
    }

    /// Whether a process works in the folder.
    pub fn is_locked_blocking(&self) -> Result<bool, RunFolderError> {
        let path = self.lock_path();
        let fail = |source| RunFolderError::Read {
            path: path.clone(),
            source,
        };
        match File::open(&path) {
            Ok(file) => match file.try_lock_shared() {
                Ok(()) => Ok(false),
                Err(TryLockError::WouldBlock) => Ok(true),
                Err(TryLockError::Error(source)) => Err(fail(source)),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(fail(source)),
        }
    }

    fn lock_path(&self) -> PathBuf {
        self.0.join("lock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_locked_for_as_long_as_somebody_works_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::at(folder.path());
        assert!(!run.is_locked_blocking().unwrap());
        let lock = run.lock_blocking().unwrap();
        assert!(run.is_locked_blocking().unwrap());
        drop(lock);
        assert!(!run.is_locked_blocking().unwrap());
    }
}
