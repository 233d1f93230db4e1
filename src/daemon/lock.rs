//! One daemon a store, or one rebuild in its place: a lock that the operating system lets go of when the process ends,
//! however it ends.
//!
//! In: the lock file's path. Out: the lock, or who holds it. Never: a lock left behind by a killed process.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use crate::domain::Timestamp;
use crate::durable;

/// Why the lock could not be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error(
        "{holder} is at work in {path} already; let it end or stop it first, or give this one another data_dir"
    )]
    Held {
        /// Who.
        holder: LockHolder,
        /// The data folder.
        path: PathBuf,
    },
    /// The lock file cannot be made or read.
    #[error("could not lock {path}: {source}; check that data_dir is a folder that this user may write to")]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// What the store is locked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// `hangtag run`: it watches, tags, and takes what is asked of it.
    Service,
    /// `hangtag retrain now` where no daemon runs: it hears nobody, and ends with its run.
    Rebuild,
}

impl Purpose {
    /// Who has the lock for that, as the holder writes it down.
    fn holder(self) -> &'static str {
        match self {
            Purpose::Service => "the hangtag daemon",
            Purpose::Rebuild => "`hangtag retrain now`",
        }
    }
}

/// Who holds a lock, as they wrote it down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockHolder(String);

impl LockHolder {
    /// Whether it watches and can be asked for something.
    pub fn is_daemon(&self) -> bool {
        !self.0.starts_with(Purpose::Rebuild.holder())
    }
}

impl std::fmt::Display for LockHolder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.trim() {
            "" => f.write_str("a hangtag daemon that is just starting"),
            holder => f.write_str(holder),
        }
    }
}

/// Held for as long as this value lives.
#[derive(Debug)]
pub struct StoreLock {
    _file: File,
}

impl StoreLock {
    /// Takes the lock and writes down who has it; the folder is made if absent.
    pub fn take(path: &Path, purpose: Purpose) -> Result<Self, LockError> {
        let fail = |source| LockError::Io {
            path: path.to_owned(),
            source,
        };
        std::fs::create_dir_all(durable::folder_of(path)).map_err(fail)?;
        let mut file = open(path).map_err(fail)?;
        match lock_patiently(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = read_holder(&mut file).map_err(fail)?;
                return Err(LockError::Held {
                    holder,
                    path: durable::folder_of(path).to_owned(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(fail(source)),
        }
        let now: Timestamp = SystemTime::now().into();
        let who = format!(
            "{} with process id {}, running since {now},",
            purpose.holder(),
            std::process::id()
        );
        file.set_len(0)
            .and_then(|()| file.write_all(who.as_bytes()))
            .map_err(fail)?;
        Ok(Self { _file: file })
    }

    /// Whether a daemon holds the lock now.
    pub fn has_daemon(path: &Path) -> Result<bool, LockError> {
        Ok(Self::holder(path)?.is_some_and(|holder| holder.is_daemon()))
    }

    /// Who holds the lock now, if anyone does.
    pub fn holder(path: &Path) -> Result<Option<LockHolder>, LockError> {
        let fail = |source| LockError::Io {
            path: path.to_owned(),
            source,
        };
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(fail(source)),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => read_holder(&mut file).map(Some).map_err(fail),
            Err(TryLockError::Error(source)) => Err(fail(source)),
        }
    }
}

/// Who asks for the holder has a shared lock for a moment; a service must not fail to start because of that.
const PATIENCE: Duration = Duration::from_millis(200);

fn lock_patiently(file: &File) -> Result<(), TryLockError> {
    let since = Instant::now();
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if since.elapsed() < PATIENCE => {
                std::thread::sleep(PATIENCE / 20);
            }
            tried => return tried,
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
}

fn read_holder(file: &mut File) -> io::Result<LockHolder> {
    let mut text = String::new();
    file.rewind()?;
    file.read_to_string(&mut text)?;
    Ok(LockHolder(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_daemon_hears_who_holds_the_store() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data").join("daemon.lock");
        assert_eq!(StoreLock::holder(&path).unwrap(), None);
        let lock = StoreLock::take(&path, Purpose::Service).unwrap();
        let error = StoreLock::take(&path, Purpose::Service).unwrap_err().to_string();
        assert!(
            error.contains(&std::process::id().to_string()) && error.contains("data"),
            "{error}"
        );
        assert!(StoreLock::holder(&path).unwrap().unwrap().is_daemon());
        drop(lock);
        assert_eq!(StoreLock::holder(&path).unwrap(), None);
        assert!(!StoreLock::has_daemon(&path).unwrap());
        let _rebuild = StoreLock::take(&path, Purpose::Rebuild).unwrap();
        assert!(!StoreLock::has_daemon(&path).unwrap());
        let error = StoreLock::take(&path, Purpose::Service).unwrap_err().to_string();
        assert!(
            error.starts_with("`hangtag retrain now` with process id "),
            "{error}"
        );
    }

    #[test]
    fn a_question_for_the_holder_does_not_keep_a_daemon_from_starting() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("daemon.lock");
        std::fs::write(&path, "").unwrap();
        let asking = File::open(&path).unwrap();
        asking.try_lock_shared().unwrap();
        std::thread::scope(|scope| {
            let starting = scope.spawn(|| StoreLock::take(&path, Purpose::Service));
            drop(asking);
            starting.join().unwrap().unwrap();
        });
    }
}
