//! What people ask a running daemon for, through the store: no port is needed.
//!
//! In: a request for a rebuild. Out: the one that is open, until a run takes it. Never: a run of its own.

use rusqlite::params;
use serde::Serialize;

use super::error::StoreError;
use super::lookup::Reader;
use super::runs::RunId;
use super::write::Store;
use crate::domain::Timestamp;

/// A request that no run has taken yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RebuildRequest {
    /// Its number.
    pub id: i64,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// Who asked.
    pub by: String,
}

impl Store {
    /// Asks for a rebuild; returns the request's number.
    pub fn ask_for_rebuild(&mut self, at: Timestamp, by: &str) -> Result<i64, StoreError> {
        self.write("ask for a rebuild", |batch| {
            batch.transaction.execute(
                "INSERT INTO rebuild_requests (asked_at_ms, asked_by) VALUES (?1, ?2)",
                params![at.as_millis(), by],
            )?;
            Ok(batch.transaction.last_insert_rowid())
        })
    }

    /// Answers the open requests up to this one by one run; returns how many there were.
    pub fn take_rebuild_requests(
        &mut self,
        run: RunId,
        up_to: i64,
        at: Timestamp,
    ) -> Result<u64, StoreError> {
        self.write("take the requests for a rebuild", |batch| {
            let taken = batch.transaction.execute(
                "UPDATE rebuild_requests SET taken_at_ms = ?2, run_id = ?1 WHERE taken_at_ms IS NULL AND id <= ?3",
                params![run.0, at.as_millis(), up_to],
            )?;
            Ok(taken as u64)
        })
    }
}

impl Reader {
    /// The oldest request that no run has taken.
    pub fn open_rebuild_request(&self) -> Result<Option<RebuildRequest>, StoreError> {
        self.row(
            "look for a request for a rebuild",
            "SELECT id, asked_at_ms, asked_by FROM rebuild_requests INDEXED BY rebuild_requests_open
             WHERE taken_at_ms IS NULL ORDER BY id LIMIT 1",
            [],
            |row| {
                Ok(RebuildRequest {
                    id: row.get(0)?,
                    asked_at: Timestamp::from_millis(row.get(1)?),
                    by: row.get(2)?,
                })
            },
        )
    }

    /// The number of the latest request, whether a run has taken it or not; 0 where nobody has asked.
    pub fn latest_rebuild_request(&self) -> Result<i64, StoreError> {
        let latest: Option<Option<i64>> = self.row(
            "look for the latest request for a rebuild",
            "SELECT max(id) FROM rebuild_requests",
            [],
            |row| row.get(0),
        )?;
        Ok(latest.flatten().unwrap_or(0))
    }

    /// The run that took a request; `None` while none has.
    pub fn run_of_request(&self, request: i64) -> Result<Option<RunId>, StoreError> {
        let run: Option<Option<i64>> = self.row(
            "look up which run took a request",
            "SELECT run_id FROM rebuild_requests WHERE id = ?1",
            [request],
            |row| row.get(0),
        )?;
        Ok(run.flatten().map(RunId))
    }
}
