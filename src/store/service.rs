//! Which model serves, and which ones did: the registry that promotion, rollback and first start change, and that
//! the daemon and `scan` obey.
//!
//! In: a decision that was made elsewhere. Out: registry and history, changed together. Never: two models in
//! service, a change without who and why, or a judgement of its own.

use rusqlite::{OptionalExtension, params};
use serde::Serialize;

use super::error::StoreError;
use super::lookup::Reader;
use super::models::{MODEL_COLUMNS, ModelRow, model_from_row};
use super::rows::{self, Words};
use super::write::{Batch, Store, WriteError};
use crate::domain::{ModelId, Timestamp};

/// Where a model stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelState {
    /// On record, and not judged yet.
    Candidate,
    /// It answers; at most one does.
    InService,
    /// It answered once.
    Retired,
    /// The gate, or a person, refused it.
    Rejected,
}

impl ModelState {
    /// Every state there is.
    pub const ALL: [ModelState; 4] = [
        ModelState::Candidate,
        ModelState::InService,
        ModelState::Retired,
        ModelState::Rejected,
    ];

    pub(super) const WORDS: Words<ModelState> = Words {
        all: &Self::ALL,
        name: ModelState::name,
        expected: "a state of a model",
    };

    /// The word in records.
    pub fn name(self) -> &'static str {
        match self {
            ModelState::Candidate => "candidate",
            ModelState::InService => "in_service",
            ModelState::Retired => "retired",
            ModelState::Rejected => "rejected",
        }
    }
}

impl std::fmt::Display for ModelState {
    /// The word in records.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// Who put a model in service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// The gate, after a rebuild.
    Gate,
    /// Somebody by a command: promotion or rollback.
    Person,
    /// A start that found no model in service, or another one pinned in the config.
    Start,
}

impl Actor {
    const WORDS: Words<Actor> = Words {
        all: &[Actor::Gate, Actor::Person, Actor::Start],
        name: Actor::name,
        expected: "who puts models in service",
    };

    /// The word in records.
    pub fn name(self) -> &'static str {
        match self {
            Actor::Gate => "gate",
            Actor::Person => "person",
            Actor::Start => "start",
        }
    }
}

impl std::fmt::Display for Actor {
    /// The word in records.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// Whether a model went into service although the gate would not have let it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Forced {
    /// It passed, or nobody asked the gate.
    No,
    /// Against the gate.
    Yes,
}

/// A decision that a model shall serve.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceChange {
    /// Which one; registered before.
    pub model: ModelId,
    /// When.
    pub at: Timestamp,
    /// Who decided.
    pub by: Actor,
    /// Why, in words.
    pub reason: String,
    /// Whether against the gate.
    pub forced: Forced,
    /// The gate's verdict, where there is one.
    pub verdict: Option<serde_json::Value>,
    /// Only if this one is in service then: who decided by comparison with it must not overrule who decided since.
    pub instead_of: Option<ModelId>,
}

/// One time in service.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServiceRow {
    /// Its number; later ones are greater.
    pub id: i64,
    /// Which model.
    pub model: ModelId,
    /// From then on.
    pub since: Timestamp,
    /// Until then; `None` for the one in service.
    pub until: Option<Timestamp>,
    /// Who decided.
    pub by: Actor,
    /// Whether against the gate.
    pub forced: bool,
    /// Why, in words.
    pub reason: String,
    /// The gate's verdict, where there is one.
    pub verdict: Option<serde_json::Value>,
}

impl Store {
    /// Puts a model in service, in one transaction: the former one is retired and its time closed, the new one's
    /// begins. Nothing changes where it is in service already. One that never served takes over what a person set of the former
    /// one's thresholds. A model that was never registered is `NoSuchModel`.
    /// `false`: nothing changed, because not `instead_of` but another one is in service by now.
    pub fn put_in_service(&mut self, change: &ServiceChange) -> Result<bool, StoreError> {
        self.write("put a model in service", |batch| {
            let (id, state) = batch.model_and_state(&change.model)?;
            if state == ModelState::InService.name() {
                return Ok(true);
            }
            if let Some(expected) = &change.instead_of
                && batch.model_and_state(expected)?.1 != ModelState::InService.name()
            {
                return Ok(false);
            }
            if let Some(former) = batch.row_in_service()? {
                let has_served = state == ModelState::Retired.name();
                batch.carry_over_set((former, id), has_served, change.at)?;
            }
            let at_ms = change.at.as_millis();
            batch.transaction.execute(
                "UPDATE models SET state = 'retired', state_reason = ?1, state_since_ms = ?2
                 WHERE state = 'in_service'",
                params![format!("{} took its place", change.model), at_ms],
            )?;
            batch.transaction.execute(
                "UPDATE service_history SET until_ms = ?1 WHERE until_ms IS NULL",
                [at_ms],
            )?;
            batch.transaction.execute(
                "UPDATE models SET state = 'in_service', state_reason = ?2, state_since_ms = ?3 WHERE id = ?1",
                params![id, change.reason, at_ms],
            )?;
            batch.transaction.execute(
                "INSERT INTO service_history (model_id, since_ms, put_by, forced, reason, verdict)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    id,
                    at_ms,
                    change.by.name(),
                    change.forced == Forced::Yes,
                    change.reason,
                    change.verdict.as_ref().map(|verdict| verdict.to_string()),
                ],
            )?;
            Ok(true)
        })
    }

    /// Puts on record that a model was refused, and why. The one in service stays there (a rebuild may give the very
    /// same file again): `false` says so. A model that was never registered is `NoSuchModel`.
    pub fn reject_model(&mut self, model: &ModelId, reason: &str, at: Timestamp) -> Result<bool, StoreError> {
        self.write("reject a model", |batch| {
            let (id, state) = batch.model_and_state(model)?;
            if state == ModelState::InService.name() {
                return Ok(false);
            }
            batch.transaction.execute(
                "UPDATE models SET state = 'rejected', state_reason = ?2, state_since_ms = ?3 WHERE id = ?1",
                params![id, reason, at.as_millis()],
            )?;
            Ok(true)
        })
    }
}

impl Batch<'_> {
    fn row_in_service(&self) -> rusqlite::Result<Option<i64>> {
        self.transaction
            .query_row(
                "SELECT id FROM models INDEXED BY models_in_service WHERE state = 'in_service'",
                [],
                |row| row.get(0),
            )
            .optional()
    }

    fn model_and_state(&self, model: &ModelId) -> Result<(i64, String), WriteError> {
        let id = self
            .row_of_model(model)?
            .ok_or_else(|| WriteError::NoSuchModel(model.clone()))?;
        let state = self
            .transaction
            .query_row("SELECT state FROM models WHERE id = ?1", [id], |row| row.get(0))?;
        Ok((id, state))
    }
}

impl Reader {
    /// The model in service, `None` before the first start.
    pub fn model_in_service(&self) -> Result<Option<ModelRow>, StoreError> {
        self.row(
            "look up the model in service",
            &format!(
                "SELECT {MODEL_COLUMNS} FROM models INDEXED BY models_in_service WHERE state = 'in_service'"
            ),
            [],
            model_from_row,
        )
    }

    /// The id alone, in microseconds: the daemon asks again and again whether it has changed.
    pub fn model_in_service_id(&self) -> Result<Option<ModelId>, StoreError> {
        let id = self.row(
            "look up which model is in service",
            "SELECT model FROM models INDEXED BY models_in_service WHERE state = 'in_service'",
            [],
            |row| rows::model(row, 0),
        )?;
        Ok(id.flatten())
    }

    /// The latest `limit` times in service, newest first.
    pub fn service_history(&self, limit: u32) -> Result<Vec<ServiceRow>, StoreError> {
        self.rows(
            "list which models served",
            "SELECT s.id, m.model, s.since_ms, s.until_ms, s.put_by, s.forced, s.reason, s.verdict
             FROM service_history s JOIN models m ON m.id = s.model_id ORDER BY s.id DESC LIMIT ?1",
            [limit],
            |row| {
                Ok(ServiceRow {
                    id: row.get(0)?,
                    model: rows::present(rows::model(row, 1)?, 1, "a model's id")?,
                    since: Timestamp::from_millis(row.get(2)?),
                    until: row.get::<_, Option<i64>>(3)?.map(Timestamp::from_millis),
                    by: rows::word(row, 4, Actor::WORDS)?,
                    forced: row.get(5)?,
                    reason: row.get(6)?,
                    verdict: rows::json(row, 7)?,
                })
            },
        )
    }

    /// The model that served before the one in service: what a rollback brings back. One that was refused since (it did
    /// not load, say) is passed over.
    pub fn former_model(&self) -> Result<Option<ModelId>, StoreError> {
        let id = self.row(
            "look up the model that served before",
            "SELECT m.model FROM service_history s JOIN models m ON m.id = s.model_id
             WHERE m.state = 'retired' ORDER BY s.id DESC LIMIT 1",
            [],
            |row| rows::model(row, 0),
        )?;
        Ok(id.flatten())
    }
}
