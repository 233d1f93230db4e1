//! Photos of known truth with a model's answers: what thresholds are fitted on.
//!
//! In: answers of folds that had not seen a correction; corrections and audits on record. Out: each photo with its
//! truth and the answers there are. Never: a choice among the answers.

use rusqlite::{Row, params};

use super::apply::scores_text;
use super::error::StoreError;
use super::lookup::Reader;
use super::rows;
use super::write::{Store, WriteError};
use crate::domain::{ContentHash, ModelId, Prediction, Timestamp, Truth};

/// What a network that had not seen a correction says of it: a fold, or the model itself where it was not trained on it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OutOfFold {
    /// The corrected content.
    pub hash: ContentHash,
    /// What it is taken for.
    pub prediction: Prediction,
}

/// A photo of which somebody has said what it shows.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleRow {
    /// Which content.
    pub hash: ContentHash,
    /// What it shows.
    pub truth: Truth,
    /// When that was said.
    pub corrected_at: Timestamp,
    /// Whether that had been said when the corrections were read for the rebuild that made the model.
    pub was_there: bool,
    /// Whether it was drawn at random, and [its turn](super::AuditProgress::audited) has come.
    pub is_audited: bool,
    /// What the model said of it; `None` where it has not been asked, or could not answer.
    pub recorded: Option<Prediction>,
    /// What a network without it said when the model was made: a fold, where the model was trained on it.
    pub out_of_fold: Option<Prediction>,
}

impl Store {
    /// Puts down what networks said of corrections that they had not seen, on behalf of a model; a second word replaces the first. A model
    /// that was never registered is `NoSuchModel`.
    pub fn store_out_of_fold(&mut self, model: &ModelId, answers: &[OutOfFold]) -> Result<(), StoreError> {
        self.write("record answers of folds", |batch| {
            let model_id = batch
                .row_of_model(model)?
                .ok_or_else(|| WriteError::NoSuchModel(model.clone()))?;
            for answer in answers {
                batch
                    .transaction
                    .prepare_cached(
                        "INSERT OR REPLACE INTO out_of_fold (model_id, content_hash, scores, unknown)
                         VALUES (?1, ?2, ?3, ?4)",
                    )?
                    .execute(params![
                        model_id,
                        answer.hash.as_bytes().as_slice(),
                        scores_text(&answer.prediction.scores),
                        answer.prediction.unknown.map(|score| f64::from(score.get())),
                    ])?;
            }
            Ok(())
        })
    }
}

impl Reader {
    /// Every photo whose correction stands, with what a model said of it, oldest correction first.
    pub fn samples(&self, model: &ModelId) -> Result<Vec<SampleRow>, StoreError> {
        const OPERATION: &str = "list the photos of known truth";
        self.at_one_moment(OPERATION, || {
            let audited = self.audit_progress()?.audited;
            self.rows(
                OPERATION,
                "SELECT t.content_hash, t.label_id, t.corrected_at_ms, o.scores, o.unknown, x.scores, x.unknown,
                     coalesce(t.corrected_at_ms < (
                         SELECT coalesce(r.corrections_read_at_ms, r.started_at_ms) FROM runs r
                         WHERE r.model = ?1 AND r.state = 'finished' AND r.cause <> 'command'
                         ORDER BY r.id DESC LIMIT 1), 0)
                 FROM truths t INDEXED BY truths_by_time
                 CROSS JOIN models m ON m.model = ?1
                 LEFT JOIN images i ON i.content_hash = t.content_hash
                 LEFT JOIN outcomes o ON o.image_id = i.id AND o.model_id = m.id
                 LEFT JOIN out_of_fold x ON x.model_id = m.id AND x.content_hash = t.content_hash
                 WHERE t.undone_at_ms IS NULL ORDER BY t.corrected_at_ms, t.id",
                [model.as_str()],
                |row| {
                    let hash = rows::present(rows::content_hash(row, 0)?, 0, "a hash of 32 bytes")?;
                    Ok(SampleRow {
                        hash,
                        truth: rows::label(row, 1)?.into(),
                        corrected_at: Timestamp::from_millis(row.get(2)?),
                        was_there: row.get(7)?,
                        is_audited: audited.contains(&hash),
                        recorded: prediction(row, 3)?,
                        out_of_fold: prediction(row, 5)?,
                    })
                },
            )
        })
    }
}

/// Scores, and the estimate for `unknown` in the column behind them.
pub(super) fn prediction(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Prediction>> {
    let Some(scores) = rows::scores(row, column)? else {
        return Ok(None);
    };
    Ok(Some(Prediction {
        scores,
        unknown: rows::confidence(row, column + 1)?,
    }))
}
