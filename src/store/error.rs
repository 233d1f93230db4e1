//! What can go wrong with the store, and what the operator can do about it.
//!
//! In: what SQLite or a migration said, the operation and the database's path. Out: `StoreError` with a severity.
//! Never: a bare SQLite code without the operation it belongs to.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::domain::Severity;

/// A store operation that did not succeed; a write that failed has left nothing behind.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No room for the write; it was rolled back and can be repeated once there is room.
    #[error(
        "the disk is full: could not {operation} in {path}; nothing of this write was kept, everything before it \
         is safe: make room on that disk; the service repeats its own writes, a command has to be given again"
    )]
    DiskFull {
        /// What was being done, worded to follow "could not".
        operation: &'static str,
        /// The database.
        path: PathBuf,
    },
    /// The lock was not to be had within the busy timeout: somebody held it all the time, or others always came first.
    #[error(
        "could not {operation}: the lock of {path} was not to be had within {waited:?}, because of other processes that \
         hold it or write without a pause (fuser {path} names those that have it open); try again, and end one that is \
         stuck"
    )]
    Busy {
        /// What was being done.
        operation: &'static str,
        /// The database.
        path: PathBuf,
        /// How long was waited for the lock.
        waited: std::time::Duration,
    },
    /// There is no database to read or to change.
    #[error(
        "there is no tag database at {path}: start `hangtag run` or `hangtag scan` once, or point data_dir at \
         the folder that holds it (--config FILE or --data-dir DIR, as the service has it)"
    )]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The file is something else, or damaged.
    #[error(
        "could not {operation}: {path} is not a database or is damaged ({detail}); move it away together with its \
         -wal and -shm files and restore a backup, or start anew without it"
    )]
    NotADatabase {
        /// What was being done.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        detail: String,
    },
    /// A database, but of another program.
    #[error(
        "{path} is a database of another program (application id {application_id}): point data_dir at a folder of \
         hangtag's own"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What stands in its header.
        application_id: i64,
    },
    /// Made by a newer hangtag.
    #[error(
        "{path} was made by a newer hangtag (schema {found}, this one knows up to {known}): install that version \
         or a newer one, or restore the backup from before the upgrade"
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Schema version in the file.
        found: i64,
        /// Newest schema version this program knows.
        known: i64,
    },
    /// Made by an older hangtag, and a reader may not change it.
    #[error(
        "{path} has schema {found}, this hangtag reads schema {known}: start `hangtag run` or `hangtag scan` once, \
         which brings it up to date"
    )]
    Outdated {
        /// The database.
        path: PathBuf,
        /// Schema version in the file.
        found: i64,
        /// The schema version that is needed.
        known: i64,
    },
    /// The file or its folder may not be written.
    #[error(
        "could not {operation}: {path} or its folder cannot be written ({detail}); give the user that runs hangtag \
         the right to write there, or choose another data_dir"
    )]
    ReadOnly {
        /// What was being done.
        operation: &'static str,
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        detail: String,
    },
    /// The file could not be opened at all.
    #[error(
        "could not {operation}: {path} cannot be opened ({detail}); check that it exists and that this user may \
         enter its folder and write there too: SQLite keeps a -wal and a -shm file beside it even for reading"
    )]
    CannotOpen {
        /// What was being done.
        operation: &'static str,
        /// The database.
        path: PathBuf,
        /// What SQLite or the system said.
        detail: String,
    },
    /// The disk failed.
    #[error(
        "could not {operation}: reading or writing {path} failed ({detail}); check the disk and the system log"
    )]
    Io {
        /// What was being done.
        operation: &'static str,
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        detail: String,
    },
    /// An outcome names a model that was never registered.
    #[error(
        "could not {operation} in {path}: model {model} is not registered; this is a bug: a model is registered \
         before it answers"
    )]
    UnknownModel {
        /// What was being done.
        operation: &'static str,
        /// The database.
        path: PathBuf,
        /// The model's id.
        model: String,
    },
    /// A model that the store does not know.
    #[error(
        "could not {operation} in {path}: there is no model {model} on record; `hangtag models list` names those \
         there are"
    )]
    NoSuchModel {
        /// What was being done.
        operation: &'static str,
        /// The database.
        path: PathBuf,
        /// The model's id.
        model: String,
    },
    /// There is something already where a backup was to be.
    #[error(
        "could not back up {path}: {to} exists already and is left as it is; name a file that does not exist"
    )]
    BackupExists {
        /// The database.
        path: PathBuf,
        /// Where the copy was to be.
        to: PathBuf,
    },
    /// A backup that was not made, or is not whole; there is no trace of it.
    #[error(
        "could not back up {path} to {to}: {detail}; nothing was left there: check room and rights in that folder"
    )]
    Backup {
        /// The database.
        path: PathBuf,
        /// Where the copy was to be.
        to: PathBuf,
        /// What SQLite or the system said.
        detail: String,
    },
    /// A training run that the store does not know, or that has ended already.
    #[error(
        "could not {operation} in {path}: there is no running training run {run}; `hangtag retrain` lists them"
    )]
    NoSuchRun {
        /// What was being done.
        operation: &'static str,
        /// The database.
        path: PathBuf,
        /// The run's number.
        run: i64,
    },
    /// A value in the database that this program cannot read.
    #[error(
        "could not {operation}: {path} holds {value:?}, which is not {expected}; it was changed by hand or by a \
         newer hangtag: run `pragma integrity_check` on it, restore a backup"
    )]
    BadValue {
        /// What was being done.
        operation: &'static str,
        /// The database.
        path: PathBuf,
        /// What stands there.
        value: String,
        /// What should stand there.
        expected: &'static str,
    },
    /// The embedded migrations could not be applied.
    #[error("could not bring {path} up to date: {source}; restore a backup if it was changed by hand")]
    Migration {
        /// The database.
        path: PathBuf,
        /// What the migration said.
        source: rusqlite_migration::Error,
    },
    /// Anything else that SQLite says.
    #[error("could not {operation} in {path}: {source}")]
    Sqlite {
        /// What was being done.
        operation: &'static str,
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
}

impl StoreError {
    /// What the failure means for the pipeline.
    pub fn severity(&self) -> Severity {
        match self {
            StoreError::DiskFull { .. } | StoreError::Busy { .. } => Severity::Retry,
            StoreError::Missing { .. }
            | StoreError::NotADatabase { .. }
            | StoreError::Foreign { .. }
            | StoreError::Newer { .. }
            | StoreError::Outdated { .. }
            | StoreError::ReadOnly { .. }
            | StoreError::CannotOpen { .. }
            | StoreError::Io { .. }
            | StoreError::UnknownModel { .. }
            | StoreError::NoSuchModel { .. }
            | StoreError::NoSuchRun { .. }
            | StoreError::BackupExists { .. }
            | StoreError::Backup { .. }
            | StoreError::BadValue { .. }
            | StoreError::Migration { .. }
            | StoreError::Sqlite { .. } => Severity::Fatal,
        }
    }

    /// Gives what SQLite said its operation and its path.
    pub(super) fn of(operation: &'static str, path: &Path, source: rusqlite::Error) -> StoreError {
        let path = path.to_owned();
        let detail = source.to_string();
        if let rusqlite::Error::FromSqlConversionFailure(_, _, cause) = &source
            && let Some(bad) = cause.downcast_ref::<BadValue>()
        {
            return StoreError::BadValue {
                operation,
                path,
                value: bad.value.clone(),
                expected: bad.expected,
            };
        }
        match source.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => StoreError::DiskFull { operation, path },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy {
                operation,
                path,
                waited: super::open::BUSY_TIMEOUT,
            },
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => StoreError::NotADatabase {
                operation,
                path,
                detail,
            },
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => StoreError::ReadOnly {
                operation,
                path,
                detail,
            },
            Some(ErrorCode::CannotOpen) => StoreError::CannotOpen {
                operation,
                path,
                detail,
            },
            Some(ErrorCode::SystemIoFailure) => StoreError::Io {
                operation,
                path,
                detail,
            },
            _ => StoreError::Sqlite {
                operation,
                path,
                source,
            },
        }
    }
}

/// A stored value that fits no type of ours; travels inside rusqlite's conversion error.
#[derive(Debug, thiserror::Error)]
#[error("{value:?} is not {expected}")]
pub(super) struct BadValue {
    pub(super) value: String,
    pub(super) expected: &'static str,
}
