//! The record of training runs: what was asked for, how each epoch went, what came of it.
//!
//! In: a run's start, epochs and end as the daemon reads them from the run's folder. Out: rows. Never: decides
//! whether a run was good.

use std::path::PathBuf;

use rusqlite::{OptionalExtension, Params, Row, params};
use serde::Serialize;

use super::error::StoreError;
use super::lookup::Reader;
use super::rows::{self, Words};
use super::write::{Batch, Store, WriteError};
use crate::domain::{InventoryPath, ModelId, Timestamp};

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
    /// Due, and not trained: data, corrections, parameters and seed are those of the model in service, or of a run of which
    /// nothing new would come.
    Unchanged,
    /// Due, and passed over: the reason says why.
    Skipped,
    /// Ended by an error.
    Failed,
    /// Ended with the service, whether that was stopped or killed; or by the person who had begun it in a terminal.
    Stopped,
}

impl RunState {
    const WORDS: Words<RunState> = Words {
        all: &[
            RunState::Running,
            RunState::Finished,
            RunState::Unchanged,
            RunState::Skipped,
            RunState::Failed,
            RunState::Stopped,
        ],
        name: RunState::name,
        expected: "a state of a run",
    };

    /// The word in records.
    pub fn name(self) -> &'static str {
        match self {
            RunState::Running => "running",
            RunState::Finished => "finished",
            RunState::Unchanged => "unchanged",
            RunState::Skipped => "skipped",
            RunState::Failed => "failed",
            RunState::Stopped => "stopped",
        }
    }
}

/// Why a run was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunTrigger {
    /// Somebody ran `hangtag train`.
    Command,
    /// A moment of the schedule came.
    Schedule,
    /// Moments of the schedule had passed while nobody was there.
    CatchUp,
    /// Somebody asked a running daemon.
    Person,
    /// Enough corrections had come in.
    Corrections,
    /// The photos had changed too much.
    Drift,
}

impl RunTrigger {
    /// All of them.
    pub const ALL: [RunTrigger; 6] = [
        RunTrigger::Command,
        RunTrigger::Schedule,
        RunTrigger::CatchUp,
        RunTrigger::Person,
        RunTrigger::Corrections,
        RunTrigger::Drift,
    ];

    const WORDS: Words<RunTrigger> = Words {
        all: &RunTrigger::ALL,
        name: RunTrigger::name,
        expected: "a reason to begin a run",
    };

    /// The word in records.
    pub fn name(self) -> &'static str {
        match self {
            RunTrigger::Command => "command",
            RunTrigger::Schedule => "schedule",
            RunTrigger::CatchUp => "catch_up",
            RunTrigger::Person => "person",
            RunTrigger::Corrections => "corrections",
            RunTrigger::Drift => "drift",
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
    /// Why.
    pub trigger: RunTrigger,
    /// The moment of the schedule that it answers, where there is one.
    pub due_at: Option<Timestamp>,
    /// A hash of all that decides what comes out: data, corrections, parameters, seed.
    pub fingerprint: Option<String>,
    /// When the corrections were read that it knows; `None`: as it begins, or it knows none.
    pub corrections_read_at: Option<Timestamp>,
}

impl NewRun {
    /// A run that somebody begins by a command, without a fingerprint.
    pub fn by_command(started_at: Timestamp, parameters: serde_json::Value) -> NewRun {
        NewRun {
            started_at,
            parameters,
            trigger: RunTrigger::Command,
            due_at: None,
            fingerprint: None,
            corrections_read_at: None,
        }
    }
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
    /// Why it ended so, in words, where it did not simply finish; or what it had to do without.
    pub reason: Option<String>,
    /// Where its bundle lies.
    pub bundle: Option<PathBuf>,
    /// The model that came of it, registered or not.
    pub model: Option<ModelId>,
    /// What the gate said of that model.
    pub verdict: Option<serde_json::Value>,
}

impl RunEnd {
    /// An end of which nothing came, and why.
    pub fn without_result(state: RunState, ended_at: Timestamp, reason: impl Into<String>) -> RunEnd {
        RunEnd {
            ended_at,
            state,
            figures: None,
            reason: Some(reason.into()),
            bundle: None,
            model: None,
            verdict: None,
        }
    }
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
    /// Why it was begun.
    pub trigger: RunTrigger,
    /// The moment of the schedule that it answers.
    pub due_at: Option<Timestamp>,
    /// A hash of all that decides what comes out.
    pub fingerprint: Option<String>,
    /// The model that came of it.
    pub model: Option<ModelId>,
    /// What the gate said of that model.
    pub verdict: Option<serde_json::Value>,
    /// Its epochs, in order.
    pub epochs: Vec<EpochRow>,
}

impl Store {
    /// Puts a run on record that begins.
    pub fn start_run(&mut self, run: &NewRun) -> Result<RunId, StoreError> {
        self.write("record the start of a training run", |batch| {
            Ok(batch.start_run(run)?)
        })
    }

    /// Puts a run on record that ended as it began: nothing had changed, or it was passed over. One transaction, so
    /// that none is left running.
    pub fn record_run(&mut self, run: &NewRun, end: &RunEnd) -> Result<RunId, StoreError> {
        self.write("record a training run", |batch| {
            let id = batch.start_run(run)?;
            batch.finish_run(id, end)?;
            Ok(id)
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
            batch.finish_run(run, end)
        })
    }
}

impl Batch<'_> {
    fn start_run(&self, run: &NewRun) -> rusqlite::Result<RunId> {
        self.transaction.execute(
            "INSERT INTO runs (state, cause, due_at_ms, fingerprint, started_at_ms, parameters, corrections_read_at_ms)
             VALUES ('running', ?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                run.trigger.name(),
                run.due_at.map(Timestamp::as_millis),
                run.fingerprint,
                run.started_at.as_millis(),
                run.parameters.to_string(),
                run.corrections_read_at.map(Timestamp::as_millis),
            ],
        )?;
        Ok(RunId(self.transaction.last_insert_rowid()))
    }

    fn finish_run(&self, run: RunId, end: &RunEnd) -> Result<(), WriteError> {
        let text = |json: &Option<serde_json::Value>| json.as_ref().map(|json| json.to_string());
        let bundle = end.bundle.as_deref().map(InventoryPath::of);
        let rows = self.transaction.execute(
            "UPDATE runs SET state = ?2, ended_at_ms = ?3, figures = ?4, reason = ?5, bundle = ?6, model = ?7,
                 verdict = ?8
             WHERE id = ?1 AND state = 'running'",
            params![
                run.0,
                end.state.name(),
                end.ended_at.as_millis(),
                text(&end.figures),
                end.reason,
                bundle.as_ref().map(InventoryPath::as_str),
                end.model.as_ref().map(ModelId::as_str),
                text(&end.verdict),
            ],
        )?;
        match rows {
            1 => Ok(()),
            _ => Err(WriteError::NoSuchRun(run.0)),
        }
    }
}

/// In the order of the index, so that the first moment that is dealt with ends the walk.
pub(super) const LAST_DUE: &str = "
    SELECT coalesce(
        (SELECT due_at_ms FROM runs INDEXED BY runs_by_due WHERE due_at_ms <= ?1
         GROUP BY due_at_ms HAVING count(*) > 1 OR max(state <> 'stopped') ORDER BY due_at_ms DESC LIMIT 1),
        (SELECT min(due_at_ms) - 1 FROM runs INDEXED BY runs_by_due WHERE due_at_ms <= ?1))";

impl Reader {
    /// The latest `limit` runs with their epochs, newest first.
    pub fn runs(&self, limit: u32) -> Result<Vec<RunRow>, StoreError> {
        self.runs_where("1 ORDER BY id DESC LIMIT ?1", [limit])
    }

    /// The latest `limit` of those that were begun. Due times that were passed over, or that found nothing new, may be so many
    /// that none of these is among the latest runs.
    pub fn trained_runs(&self, limit: u32) -> Result<Vec<RunRow>, StoreError> {
        let condition = "state NOT IN ('skipped', 'unchanged') ORDER BY id DESC LIMIT ?1";
        self.runs_where(condition, [limit])
    }

    /// One run with its epochs.
    pub fn run(&self, run: RunId) -> Result<Option<RunRow>, StoreError> {
        Ok(self.runs_where("id = ?1", [run.0])?.pop())
    }

    /// The runs that have not ended, oldest first: at a start, those whose process died.
    pub fn running_runs(&self) -> Result<Vec<RunRow>, StoreError> {
        self.runs_where("state = 'running' ORDER BY id", [])
    }

    /// The latest finished run of which this model came: its fingerprint tells whether another would differ.
    pub fn run_that_made(&self, model: &ModelId) -> Result<Option<RunRow>, StoreError> {
        let condition = "model = ?1 AND state = 'finished' ORDER BY id DESC LIMIT 1";
        Ok(self.runs_where(condition, [model.as_str()])?.pop())
    }

    /// The latest moment of the schedule that is dealt with, by a run or by being passed over. A run that was stopped, which
    /// the service's end does, has not dealt with its moment; a second one has, since it may be the run that ends the service.
    /// Where there are none but such, all before them are dealt with. A moment later than `no_later_than` plays no part: it was
    /// written under a wrong clock. A look at the newest moments, however many were passed over: it is asked twice a second.
    pub fn last_due(&self, no_later_than: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let last: Option<Option<i64>> = self.row(
            "look up the last moment of the schedule that was answered",
            LAST_DUE,
            [no_later_than.as_millis()],
            |row| row.get(0),
        )?;
        Ok(last.flatten().map(Timestamp::from_millis))
    }

    /// When the latest rebuild began that was not merely passed over, and where it stands. A training by hand is none: it
    /// knows no corrections, and goes into service by no gate.
    pub fn last_rebuild_start(&self) -> Result<Option<(Timestamp, RunState)>, StoreError> {
        self.row(
            "look up when the last rebuild began",
            "SELECT started_at_ms, state FROM runs WHERE state <> 'skipped' AND cause <> 'command'
             ORDER BY id DESC LIMIT 1",
            [],
            |row| {
                let began = Timestamp::from_millis(row.get(0)?);
                Ok((began, rows::word(row, 1, RunState::WORDS)?))
            },
        )
    }

    /// When the latest run began that drift started, whatever became of it. One that began after `now` tells of a clock that
    /// was ahead, and of nothing else.
    pub fn last_start_for_drift(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let last: Option<i64> = self.row(
            "look up when the last run began that drift started",
            "SELECT started_at_ms FROM runs WHERE cause = 'drift' AND started_at_ms <= ?1 ORDER BY id DESC LIMIT 1",
            [now.as_millis()],
            |row| row.get(0),
        )?;
        Ok(last.map(Timestamp::from_millis))
    }

    /// How many runs that corrections started have failed, or were stopped, since a rebuild last went through.
    pub fn failures_for_corrections(&self) -> Result<u32, StoreError> {
        let failures: Option<u32> = self.row(
            "count the runs that corrections started and of which nothing came",
            "SELECT count(*) FROM runs WHERE cause = 'corrections' AND state IN ('failed', 'stopped') AND id >
                 (SELECT coalesce(max(id), 0) FROM runs
                  WHERE state IN ('finished', 'unchanged') AND cause <> 'command')",
            [],
            |row| row.get(0),
        )?;
        Ok(failures.unwrap_or(0))
    }

    /// How many corrections stand that were given since those were read that the latest rebuild took into account, or found
    /// nothing new in. A training by hand knows none, and one that failed has learned nothing. One that began after `now`, under
    /// a clock that was ahead, would hide all corrections until then; nothing new comes of a run with those that it had. A
    /// correction that was given later than `now` would be new after every rebuild: it counts when that time comes, and is
    /// learned with the others.
    pub fn count_new_corrections(&self, now: Timestamp) -> Result<u64, StoreError> {
        let count: Option<i64> = self.row(
            "count the corrections since the last rebuild",
            "SELECT count(*) FROM truths WHERE undone_at_ms IS NULL AND corrected_at_ms <= ?1 AND corrected_at_ms >= coalesce(
                 (SELECT coalesce(corrections_read_at_ms, started_at_ms) FROM runs
                  WHERE state IN ('finished', 'unchanged') AND cause <> 'command' AND started_at_ms <= ?1
                  ORDER BY id DESC LIMIT 1), 0)",
            [now.as_millis()],
            |row| row.get(0),
        )?;
        Ok(count.unwrap_or(0).cast_unsigned())
    }

    fn runs_where(&self, condition: &str, params: impl Params) -> Result<Vec<RunRow>, StoreError> {
        const OPERATION: &str = "list the training runs";
        let sql = format!(
            "SELECT id, state, started_at_ms, ended_at_ms, parameters, figures, reason, bundle, cause, due_at_ms,
                 fingerprint, model, verdict
             FROM runs WHERE {condition}"
        );
        self.at_one_moment(OPERATION, || {
            let mut runs = self.rows(OPERATION, &sql, params, run_from_row)?;
            for run in &mut runs {
                run.epochs = self.epochs_of(run.id)?;
            }
            Ok(runs)
        })
    }

    fn epochs_of(&self, run: RunId) -> Result<Vec<EpochRow>, StoreError> {
        self.rows(
            "list the epochs of a training run",
            "SELECT epoch, seconds, loss, accuracy, val_loss, val_accuracy FROM run_epochs
             WHERE run_id = ?1 ORDER BY epoch",
            [run.0],
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
        )
    }
}

fn run_from_row(row: &Row<'_>) -> rusqlite::Result<RunRow> {
    Ok(RunRow {
        id: RunId(row.get(0)?),
        state: rows::word(row, 1, RunState::WORDS)?,
        started_at: Timestamp::from_millis(row.get(2)?),
        ended_at: row.get::<_, Option<i64>>(3)?.map(Timestamp::from_millis),
        parameters: rows::json(row, 4)?.unwrap_or_default(),
        figures: rows::json(row, 5)?,
        reason: row.get(6)?,
        bundle: row.get(7)?,
        trigger: rows::word(row, 8, RunTrigger::WORDS)?,
        due_at: row.get::<_, Option<i64>>(9)?.map(Timestamp::from_millis),
        fingerprint: row.get(10)?,
        model: rows::model(row, 11)?,
        verdict: rows::json(row, 12)?,
        epochs: Vec::new(),
    })
}
