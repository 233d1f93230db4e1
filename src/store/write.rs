//! Connections that write: batches of changes, one transaction each. Whoever writes has its own (the record, which alone writes
//! tags, the rebuilds, the pages, a command), and each transaction waits its turn.
//!
//! In: `Change`s, and work of the neighbouring files. Out: committed rows, or an error and nothing written. Never: a
//! transaction that begins by reading and turns to writing later.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Transaction};

use super::change::{Applied, Change};
use super::daily::DailyChanges;
use super::error::StoreError;
use super::open::{self, Durability, IfAbsent};
use crate::domain::{ContentHash, ModelId, Thresholds};

/// Between two transactions of a long walk: other writers wait for their turn without a queue, looking for it at most
/// 100 ms apart, and get their chance here.
pub const PAUSE_FOR_OTHERS: Duration = Duration::from_millis(20);

/// A read-write connection. Owned by one thread; other threads and processes have theirs, each transaction waits its turn.
#[derive(Debug)]
pub struct Store {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
}

impl Store {
    /// Opens the database, makes it and its folder if absent, and brings an older schema up to date: for what begins a
    /// store (`run`, `scan`, `train`), and what works within it.
    pub fn open(path: &Path, durability: Durability) -> Result<Store, StoreError> {
        Self::open_or(IfAbsent::Make, path, durability)
    }

    /// As [`open`](Self::open), but one that is not there is [`StoreError::Missing`], and nothing is made: for commands
    /// that change what is on record. In the wrong folder they would succeed in a store that nobody reads.
    pub fn open_existing(path: &Path, durability: Durability) -> Result<Store, StoreError> {
        Self::open_or(IfAbsent::Refuse, path, durability)
    }

    fn open_or(if_absent: IfAbsent, path: &Path, durability: Durability) -> Result<Store, StoreError> {
        Ok(Store {
            connection: open::writer(path, durability, if_absent)?,
            path: path.to_owned(),
        })
    }

    /// Writes all changes in one transaction, in order: after `Ok` they are committed (and, with
    /// `Durability::Full`, on the disk), after `Err` none of them is.
    pub fn apply(&mut self, changes: &[Change]) -> Result<Applied, StoreError> {
        self.write("record a batch of outcomes", |batch| {
            let mut applied = Applied::default();
            for change in changes {
                batch.apply_one(change, &mut applied)?;
            }
            Ok(applied)
        })
    }

    /// Copies the write-ahead log into the database and empties it, as far as readers allow: it waits for nobody. To be
    /// called when the writer ends; commits do it by themselves when the log grows.
    pub fn checkpoint(&mut self) -> Result<(), StoreError> {
        self.wait_for_locks(Duration::ZERO)?;
        let emptied = self.run_checkpoint("PRAGMA wal_checkpoint(TRUNCATE)");
        self.wait_for_locks(open::BUSY_TIMEOUT)?;
        emptied
    }

    /// Copies into the database what no reader needs in the log any more; neither readers nor writers wait for it.
    pub fn checkpoint_beside_others(&mut self) -> Result<(), StoreError> {
        self.run_checkpoint("PRAGMA wal_checkpoint(PASSIVE)")
    }

    fn run_checkpoint(&self, sql: &str) -> Result<(), StoreError> {
        self.connection
            .query_row(sql, [], |_| Ok(()))
            .map_err(|source| StoreError::of("checkpoint the write-ahead log", &self.path, source))
    }

    fn wait_for_locks(&self, at_most: Duration) -> Result<(), StoreError> {
        self.connection
            .busy_timeout(at_most)
            .map_err(|source| StoreError::of("set how long locks are waited for", &self.path, source))
    }

    /// Runs `work` in one immediate transaction and commits it; an error rolls back and leaves the store usable.
    pub(super) fn write<T>(
        &mut self,
        operation: &'static str,
        work: impl FnOnce(&Batch<'_>) -> Result<T, WriteError>,
    ) -> Result<T, StoreError> {
        let path = &self.path;
        let named = |error: WriteError| match error {
            WriteError::Sqlite(source) => StoreError::of(operation, path, source),
            WriteError::UnknownModel(model) => StoreError::UnknownModel {
                operation,
                path: path.clone(),
                model: model.to_string(),
            },
            WriteError::NoSuchModel(model) => StoreError::NoSuchModel {
                operation,
                path: path.clone(),
                model: model.to_string(),
            },
            WriteError::NoSuchRun(run) => StoreError::NoSuchRun {
                operation,
                path: path.clone(),
                run,
            },
        };
        // The connection's default behaviour is IMMEDIATE (see open.rs).
        let transaction = self
            .connection
            .transaction()
            .map_err(|source| named(source.into()))?;
        let batch = Batch {
            transaction,
            thresholds: RefCell::default(),
            answering: RefCell::default(),
            daily: RefCell::default(),
        };
        let result = work(&batch).map_err(named)?;
        batch.write_daily().map_err(|source| named(source.into()))?;
        batch
            .transaction
            .commit()
            .map_err(|source| named(source.into()))?;
        Ok(result)
    }

    /// For tests: the database may not grow past what it has plus `pages` of 4 KiB; `None` lifts the limit.
    #[cfg(test)]
    pub(crate) fn limit_growth(&mut self, pages: Option<i64>) {
        let used: i64 = self
            .connection
            .pragma_query_value(None, "page_count", |row| row.get(0))
            .unwrap();
        let limit = pages.map_or(i64::from(u32::MAX) - 1, |pages| used + pages);
        self.connection
            .pragma_update_and_check(None, "max_page_count", limit, |_| Ok(()))
            .unwrap();
    }
}

/// What can go wrong inside a transaction, before it has its operation's name.
#[derive(Debug)]
pub(super) enum WriteError {
    Sqlite(rusqlite::Error),
    /// An outcome names it.
    UnknownModel(ModelId),
    /// A person or a gate names it.
    NoSuchModel(ModelId),
    NoSuchRun(i64),
}

impl From<rusqlite::Error> for WriteError {
    fn from(source: rusqlite::Error) -> Self {
        WriteError::Sqlite(source)
    }
}

/// An open transaction.
pub(super) struct Batch<'store> {
    pub(super) transaction: Transaction<'store>,
    /// Those of models that were asked for, by the model's row: they are read once a transaction, which no other process
    /// can change them in.
    pub(super) thresholds: RefCell<Vec<(i64, Thresholds)>>,
    /// The rows of models that answered: read once a transaction, too.
    pub(super) answering: RefCell<Vec<(ModelId, i64)>>,
    /// What is added to the sums of days.
    pub(super) daily: RefCell<DailyChanges>,
}

impl Batch<'_> {
    /// The row of a registered model.
    pub(super) fn row_of_model(&self, model: &ModelId) -> rusqlite::Result<Option<i64>> {
        self.transaction
            .prepare_cached("SELECT id FROM models WHERE model = ?1")?
            .query_row([model.as_str()], |row| row.get(0))
            .optional()
    }

    /// The row of a content that was seen.
    pub(super) fn row_of_image(&self, hash: &ContentHash) -> rusqlite::Result<Option<i64>> {
        self.transaction
            .prepare_cached("SELECT id FROM images WHERE content_hash = ?1")?
            .query_row([hash.as_bytes().as_slice()], |row| row.get(0))
            .optional()
    }
}
