//! The models on record: every one that ever answered stays, so that each tag can be explained.
//!
//! In: what a bundle's manifest says. Out: rows. Never: the model files themselves.

use rusqlite::{Row, params};
use serde::Serialize;

use super::error::StoreError;
use super::lookup::Reader;
use super::rows;
use super::service::ModelState;
use super::write::Store;
use crate::domain::{ModelId, ParseError, PreprocessingVersion, Timestamp};

/// A model that is about to answer.
#[derive(Debug, Clone, PartialEq)]
pub struct NewModel {
    id: ModelId,
    sha256: String,
    /// The way from pixels to tensor it was trained with.
    pub preprocessing: PreprocessingVersion,
    /// Its labels in output order.
    pub labels: Vec<String>,
    /// The bundle's whole manifest.
    pub manifest: serde_json::Value,
    /// When it came to this store.
    pub registered_at: Timestamp,
}

impl NewModel {
    /// A model by the SHA-256 of its ONNX file (64 lower-case hexadecimal digits), without labels and manifest yet.
    pub fn new(
        sha256: &str,
        preprocessing: PreprocessingVersion,
        registered_at: Timestamp,
    ) -> Result<NewModel, ParseError> {
        let is_hex = |text: &str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if sha256.len() != 64 || !is_hex(sha256) {
            return Err(ParseError {
                value: sha256.into(),
                expected: "a SHA-256 of 64 lower-case hexadecimal digits".into(),
            });
        }
        Ok(NewModel {
            id: ModelId::from_sha256(sha256)?,
            sha256: sha256.to_owned(),
            preprocessing,
            labels: crate::domain::Label::NAMES.map(String::from).to_vec(),
            manifest: serde_json::Value::Object(serde_json::Map::new()),
            registered_at,
        })
    }

    /// The first 16 digits of its SHA-256.
    pub fn id(&self) -> &ModelId {
        &self.id
    }
}

/// A registered model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelRow {
    /// The first 16 digits of its SHA-256.
    pub model: ModelId,
    /// SHA-256 of its ONNX file.
    pub sha256: String,
    /// The way from pixels to tensor it was trained with.
    pub preprocessing: PreprocessingVersion,
    /// Its labels in output order.
    pub labels: serde_json::Value,
    /// The bundle's whole manifest.
    pub manifest: serde_json::Value,
    /// When it came to this store for the first time.
    pub registered_at: Timestamp,
    /// Where it stands.
    pub state: ModelState,
    /// Why it stands there, in words; `None` for a candidate.
    pub state_reason: Option<String>,
    /// Since when it stands there.
    pub state_since: Timestamp,
}

impl Store {
    /// Puts a model on record before its first answer, as a candidate, with the thresholds of its manifest; one that is
    /// on record already stays as it is, and gets those thresholds only where it has none.
    pub fn register_model(&mut self, model: &NewModel) -> Result<(), StoreError> {
        self.write("register a model", |batch| {
            batch.transaction.execute(
                "INSERT INTO models (model, sha256, preprocessing_version, labels, manifest, registered_at_ms,
                     state, state_since_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'candidate', ?6) ON CONFLICT (model) DO NOTHING",
                params![
                    model.id.as_str(),
                    model.sha256,
                    model.preprocessing.0,
                    serde_json::json!(model.labels).to_string(),
                    model.manifest.to_string(),
                    model.registered_at.as_millis(),
                ],
            )?;
            batch.take_thresholds_of_manifest(model)
        })
    }
}

impl Reader {
    /// Every model on record, oldest first.
    pub fn models(&self) -> Result<Vec<ModelRow>, StoreError> {
        self.rows(
            "list the models",
            &format!("SELECT {MODEL_COLUMNS} FROM models ORDER BY id"),
            [],
            model_from_row,
        )
    }

    /// One model; `None` where it is not on record.
    pub fn model(&self, model: &ModelId) -> Result<Option<ModelRow>, StoreError> {
        self.row(
            "look up a model",
            &format!("SELECT {MODEL_COLUMNS} FROM models WHERE model = ?1"),
            [model.as_str()],
            model_from_row,
        )
    }
}

/// The columns that `model_from_row` reads.
pub(super) const MODEL_COLUMNS: &str = "model, sha256, preprocessing_version, labels, manifest, registered_at_ms, \
     state, state_reason, state_since_ms";

pub(super) fn model_from_row(row: &Row<'_>) -> rusqlite::Result<ModelRow> {
    Ok(ModelRow {
        model: rows::present(rows::model(row, 0)?, 0, "a model's id")?,
        sha256: row.get(1)?,
        preprocessing: PreprocessingVersion(row.get(2)?),
        labels: rows::json(row, 3)?.unwrap_or_default(),
        manifest: rows::json(row, 4)?.unwrap_or_default(),
        registered_at: Timestamp::from_millis(row.get(5)?),
        state: rows::word(row, 6, ModelState::WORDS)?,
        state_reason: row.get(7)?,
        state_since: Timestamp::from_millis(row.get(8)?),
    })
}
