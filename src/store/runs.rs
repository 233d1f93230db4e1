//! The record of training runs: what was asked for, how each epoch went, what came of it.
//!
//! In: a run's start, epochs and end as the daemon reads them from the run's folder. Out: rows. Never: decides
//! whether a run was good.

use std::path::PathBuf;

use rusqlite::{OptionalExtension, params};
use serde::Serialize;

use super::error::StoreError;
use super::lookup::Reader;
use super::rows;
use super::write::{Store, WriteError};
use crate::domain::{InventoryPath, Timestamp};

/// Number of a training run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct RunId(pub i64);

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// Not ended yet (or its process died before it could say so).
    Running,
    /// Went through to its end.
    Finished,
    /// Ended by an error.
    Failed,
    /// Ended by a person or a shutdown.
    Stopped,
}

impl RunState {
    const ALL: [RunState; 4] = [
        RunState::Running,
        RunState::Finished,
        RunState::Failed,
        RunState::Stopped,
    ];

    /// The word in records.
    pub fn name(self) -> &'static str {
        match self {
            RunState::Running => "running",
            RunState::Finished => "finished",
            RunState::Failed => "failed",
            RunState::Stopped => "stopped",
        }
    }
}

/// A run that begins.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRun {
    /// When.
    pub started_at: Timestamp,
    /// What was asked for: epochs, seed, data, ….
    pub parameters: serde_json::Value,
}

/// How one epoch went.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct EpochRow {
    /// From 1.
    pub epoch: u32,
    /// Wall time.
    pub seconds: f64,
    /// Mean training loss; NaN where it diverged.
    pub loss: f64,
    /// Training accuracy, 0..=1.
    pub accuracy: f64,
    /// Mean validation loss; NaN where it diverged.
    pub val_loss: f64,
    /// Validation accuracy, 0..=1.
    pub val_accuracy: f64,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct RunEnd {
    /// When.
    pub ended_at: Timestamp,
    /// Anything but `Running`.
    pub state: RunState,
    /// What was measured: test accuracy, confusion, …; `None` where nothing was.
    pub figures: Option<serde_json::Value>,
    /// Why it ended so, in words, where it did not simply finish.
    pub reason: Option<String>,
    /// Where its bundle lies.
    pub bundle: Option<PathBuf>,
}

/// A training run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunRow {
    /// Its number.
    pub id: RunId,
    /// Where it stands.
    pub state: RunState,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// What was asked for.
    pub parameters: serde_json::Value,
    /// What was measured at its end.
    pub figures: Option<serde_json::Value>,
    /// Why it ended so.
    pub reason: Option<String>,
    /// Where its bundle lies.
    pub bundle: Option<String>,
    /// Its epochs, in order.
    pub epochs: Vec<EpochRow>,
}

impl Store {
    /// Puts a run on record that begins.
    pub fn start_run(&mut self, run: &NewRun) -> Result<RunId, StoreError> {
        self.write("record the start of a training run", |batch| {
            batch.transaction.execute(
                "INSERT INTO runs (state, started_at_ms, parameters) VALUES ('running', ?1, ?2)",
                params![run.started_at.as_millis(), run.parameters.to_string()],
            )?;
            Ok(RunId(batch.transaction.last_insert_rowid()))
        })
    }

    /// Adds an epoch to a running run; the same epoch again replaces it (a resumed run repeats its last one).
    pub fn add_epoch(&mut self, run: RunId, epoch: &EpochRow) -> Result<(), StoreError> {
        self.write("record an epoch of a training run", |batch| {
            let is_running = batch
                .transaction
                .query_row("SELECT 1 FROM runs WHERE id = ?1 AND state = 'running'", [run.0], |_| Ok(()))
                .optional()?;
            is_running.ok_or(WriteError::NoSuchRun(run.0))?;
            batch.transaction.execute(
                "INSERT OR REPLACE INTO run_epochs (run_id, epoch, seconds, loss, accuracy, val_loss, val_accuracy)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![
                    run.0,
                    epoch.epoch,
                    epoch.seconds,
                    epoch.loss,
                    epoch.accuracy,
                    epoch.val_loss,
                    epoch.val_accuracy
                ],
            )?;
            Ok(())
        })
    }

    /// Ends a running run.
    pub fn finish_run(&mut self, run: RunId, end: &RunEnd) -> Result<(), StoreError> {
        self.write("record the end of a training run", |batch| {
            let rows = batch.transaction.execute(
                "UPDATE runs SET state = ?2, ended_at_ms = ?3, figures = ?4, reason = ?5, bundle = ?6
                 WHERE id = ?1 AND state = 'running'",
                params![
                    run.0,
                    end.state.name(),
                    end.ended_at.as_millis(),
                    end.figures.as_ref().map(|figures| figures.to_string()),
                    end.reason,
                    end.bundle
                        .as_deref()
                        .map(|path| InventoryPath::of(path).as_str().to_owned()),
                ],
            )?;
            if rows == 1 {
                Ok(())
            } else {
                Err(WriteError::NoSuchRun(run.0))
            }
        })
    }
}

impl Reader {
    /// The latest `limit` runs with their epochs, newest first.
    pub fn runs(&self, limit: u32) -> Result<Vec<RunRow>, StoreError> {
        let mut runs = self.rows(
            "list the training runs",
            "SELECT id, state, started_at_ms, ended_at_ms, parameters, figures, reason, bundle FROM runs
             ORDER BY id DESC LIMIT ?1",
            [limit],
            run_from_row,
        )?;
        for run in &mut runs {
            run.epochs = self.rows(
                "list the epochs of a training run",
                "SELECT epoch, seconds, loss, accuracy, val_loss, val_accuracy FROM run_epochs
                 WHERE run_id = ?1 ORDER BY epoch",
                [run.id.0],
                |row| {
                    Ok(EpochRow {
                        epoch: row.get(0)?,
                        seconds: row.get(1)?,
                        loss: row.get::<_, Option<f64>>(2)?.unwrap_or(f64::NAN),
                        accuracy: row.get(3)?,
                        val_loss: row.get::<_, Option<f64>>(4)?.unwrap_or(f64::NAN),
                        val_accuracy: row.get(5)?,
                    })
                },
            )?;
        }
        Ok(runs)
    }
}

fn run_from_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<RunRow> {
    let word: String = row.get(1)?;
    let state = RunState::ALL
        .into_iter()
        .find(|state| state.name() == word)
        .ok_or_else(|| rows::bad_value(1, word, "a state of a run"))?;
    Ok(RunRow {
        id: RunId(row.get(0)?),
        state,
        started_at: Timestamp::from_millis(row.get(2)?),
        ended_at: row.get::<_, Option<i64>>(3)?.map(Timestamp::from_millis),
        parameters: rows::json(row, 4)?.unwrap_or_default(),
        figures: rows::json(row, 5)?,
        reason: row.get(6)?,
        bundle: row.get(7)?,
        epochs: Vec::new(),
    })
}
