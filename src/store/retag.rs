//! What follows a change of model: contents to be tagged anew, answers that are on record already, history that
//! nobody needs any more.
//!
//! In: the model that shall answer. Out: contents, counts, and rows that follow it in bounded steps. Never: an
//! outcome that a file shows deleted, a person's word touched, or a transaction over the whole inventory.

use std::collections::BTreeMap;

use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Row, params, params_from_iter};
use serde::Serialize;

use super::error::StoreError;
use super::lookup::Reader;
use super::rows;
use super::write::{Batch, Store, WriteError};
use crate::domain::{Confidence, ContentHash, FileStamp, InventoryPath, Label, ModelId};

/// Which contents shall be tagged anew.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetagQuery<'a> {
    /// By this model; nothing is found for one that is not on record.
    pub model: &'a ModelId,
    /// Only those of which the current model's answer is a tag less sure than this (also underneath a correction).
    pub below: Option<Confidence>,
    /// From the content past this one on; 0 for the first.
    pub after: i64,
    /// At most so many.
    pub limit: u32,
}

/// A content to be tagged anew, and where it can be read.
#[derive(Debug, Clone, PartialEq)]
pub struct RetagRow {
    /// Where to go on.
    pub image_id: i64,
    /// Which content.
    pub hash: ContentHash,
    /// One of its files that are there.
    pub path: InventoryPath,
    /// What that looked like when it was read.
    pub stamp: FileStamp,
}

/// How far the inventory has followed a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RetagProgress {
    /// Files that are there and show its answer (or would, if nobody had corrected them).
    pub done: u64,
    /// Files that are there and show another model's.
    pub left: u64,
}

/// A bounded part of a walk over all contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Portion {
    /// From the content past this one on; 0 for the first.
    pub after: i64,
    /// At most so many contents; thousands take tens of milliseconds.
    pub limit: u32,
}

/// What a part of a walk did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Walked {
    /// Rows that were changed or deleted.
    pub changed: u64,
    /// Where to go on; `None` at the end.
    pub next: Option<i64>,
}

/// How many contents two models give this pair of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LabelChange {
    /// The first model's label; `None` where it rejected the content.
    pub from: Option<Label>,
    /// The second model's.
    pub to: Option<Label>,
    /// Contents.
    pub count: u64,
}

impl Reader {
    /// Contents with a file that is there, that show another model's answer and have none of this one, in the order
    /// in which they came; the last row's `image_id` leads to the next page.
    pub fn images_to_retag(&self, query: &RetagQuery<'_>) -> Result<Vec<RetagRow>, StoreError> {
        const OPERATION: &str = "list the photos to tag anew";
        let Some(model_id) = self.row_of_model(OPERATION, query.model)? else {
            return Ok(Vec::new());
        };
        let below = match query.below {
            Some(_) => {
                "AND (SELECT o.confidence FROM outcomes o WHERE o.image_id = f.image_id AND o.model_id = f.model_id)
                     < ?4"
            }
            None => "AND ?4 IS NULL",
        };
        // The inner walk stays on the index and the key of outcomes; wide rows are read for what is left.
        let sql = format!(
            "SELECT found.image_id, i.content_hash, f.path, f.size, f.mtime_ns, f.inode
             FROM (SELECT f.image_id AS image_id, min(f.id) AS file_id FROM files f INDEXED BY files_by_image
                   WHERE f.image_id > ?1 AND f.is_present = 1 AND f.model_id <> ?2
                     AND NOT EXISTS (SELECT 1 FROM outcomes o WHERE o.image_id = f.image_id AND o.model_id = ?2)
                     {below}
                   GROUP BY f.image_id ORDER BY f.image_id LIMIT ?3) found
             CROSS JOIN files f ON f.id = found.file_id
             CROSS JOIN images i ON i.id = found.image_id
             ORDER BY found.image_id"
        );
        let below = query.below.map(|confidence| f64::from(confidence.get()));
        self.rows(
            OPERATION,
            &sql,
            params![query.after, model_id, query.limit, below],
            retag_from_row,
        )
    }

    /// Other files of a content that are there, as they were when they were read; at most `limit`.
    pub fn copies_that_are_there(&self, of: &RetagRow, limit: u32) -> Result<Vec<RetagRow>, StoreError> {
        self.rows(
            "list the copies of a photo to tag anew",
            "SELECT f.image_id, i.content_hash, f.path, f.size, f.mtime_ns, f.inode
             FROM files f INDEXED BY files_by_image CROSS JOIN images i ON i.id = f.image_id
             WHERE f.image_id = ?1 AND f.is_present = 1 AND f.path <> ?2 LIMIT ?3",
            params![of.image_id, of.path.as_str(), limit],
            retag_from_row,
        )
    }

    /// Whether an answer of this model is on record that its files do not show. Walks through an index of all files,
    /// some tenths of a second for a million that have none.
    pub fn has_answers_to_bring_back(&self, model: &ModelId) -> Result<bool, StoreError> {
        const OPERATION: &str = "look for answers to bring back";
        let Some(model_id) = self.row_of_model(OPERATION, model)? else {
            return Ok(false);
        };
        let found = self.row(
            OPERATION,
            "SELECT EXISTS (SELECT 1 FROM files f INDEXED BY files_by_image
                            WHERE f.image_id > 0 AND f.model_id <> ?1
                              AND EXISTS (SELECT 1 FROM outcomes o WHERE o.image_id = f.image_id AND o.model_id = ?1))",
            [model_id],
            |row| row.get(0),
        )?;
        Ok(found.unwrap_or(false))
    }

    /// How far the inventory has followed a model: counted in an index, a tenth of a second for a million files.
    pub fn retag_progress(&self, model: &ModelId) -> Result<RetagProgress, StoreError> {
        const OPERATION: &str = "count the photos to tag anew";
        // No row has this id: then all are left.
        let model_id = self.row_of_model(OPERATION, model)?.unwrap_or(0);
        let count = |condition: &str| -> Result<u64, StoreError> {
            let sql = format!(
                "SELECT count(*) FROM files INDEXED BY files_by_model WHERE model_id {condition} ?1 AND is_present = 1"
            );
            let count: Option<i64> = self.row(OPERATION, &sql, [model_id], |row| row.get(0))?;
            Ok(count.unwrap_or(0).cast_unsigned())
        };
        self.at_one_moment(OPERATION, || {
            Ok(RetagProgress {
                done: count("=")?,
                left: count("<")? + count(">")?,
            })
        })
    }

    /// How two models answer the contents that both have answered and one of them at least has tagged, equal answers
    /// included; the most frequent pairs first. Reads all of the history.
    pub fn tag_changes(&self, from: &ModelId, to: &ModelId) -> Result<Vec<LabelChange>, StoreError> {
        const OPERATION: &str = "compare the answers of two models";
        let (Some(from), Some(to)) = (
            self.row_of_model(OPERATION, from)?,
            self.row_of_model(OPERATION, to)?,
        ) else {
            return Ok(Vec::new());
        };
        // Counted here: GROUP BY would sort a million rows first.
        let mut counts: BTreeMap<(Option<Label>, Option<Label>), u64> = BTreeMap::new();
        let mut count = || -> rusqlite::Result<()> {
            let mut statement = self.connection.prepare_cached(
                "SELECT a.label_id, b.label_id FROM outcomes a
                 JOIN outcomes b ON b.image_id = a.image_id AND b.model_id = ?2
                 WHERE a.model_id = ?1 AND (a.label_id IS NOT NULL OR b.label_id IS NOT NULL)",
            )?;
            let mut pairs = statement.query([from, to])?;
            while let Some(pair) = pairs.next()? {
                *counts
                    .entry((rows::label(pair, 0)?, rows::label(pair, 1)?))
                    .or_default() += 1;
            }
            Ok(())
        };
        count().map_err(|source| StoreError::of(OPERATION, &self.path, source))?;
        let mut changes: Vec<_> = counts
            .into_iter()
            .map(|((from, to), count)| LabelChange { from, to, count })
            .collect();
        changes.sort_by_key(|change| std::cmp::Reverse(change.count));
        Ok(changes)
    }

    fn row_of_model(&self, operation: &'static str, model: &ModelId) -> Result<Option<i64>, StoreError> {
        self.row(
            operation,
            "SELECT id FROM models WHERE model = ?1",
            [model.as_str()],
            |row| row.get(0),
        )
    }
}

impl Store {
    /// Lets the files of a portion of contents show what this model said of them, where that is on record and they
    /// show another one's: a rollback without inference. One transaction.
    pub fn take_known_outcomes(&mut self, model: &ModelId, portion: Portion) -> Result<Walked, StoreError> {
        self.write("bring back the answers of a model", |batch| {
            let model_id = batch
                .row_of_model(model)?
                .ok_or_else(|| WriteError::NoSuchModel(model.clone()))?;
            let Some((last, walked)) = batch.last_of_another_model(model_id, portion)? else {
                return Ok(Walked {
                    changed: 0,
                    next: None,
                });
            };
            // A corrected file goes on showing the truth; only the answer underneath is another one.
            let changed = batch
                .transaction
                .prepare_cached(
                    "UPDATE files INDEXED BY files_by_image SET model_id = o.model_id,
                         label_id = iif(corrected_at_ms IS NULL, o.label_id, files.label_id),
                         confidence = iif(corrected_at_ms IS NULL, o.confidence, NULL),
                         certainty = iif(corrected_at_ms IS NULL, o.certainty, NULL),
                         reason = iif(corrected_at_ms IS NULL, o.reason, NULL),
                         detail = iif(corrected_at_ms IS NULL, o.detail, NULL),
                         tagged_at_ms = coalesce(corrected_at_ms, o.tagged_at_ms)
                     FROM outcomes o
                     WHERE files.image_id > ?1 AND files.image_id <= ?2 AND files.model_id <> ?3
                       AND o.image_id = files.image_id AND o.model_id = ?3",
                )?
                .execute([portion.after, last, model_id])?;
            Ok(Walked {
                changed: changed as u64,
                next: (walked == i64::from(portion.limit)).then_some(last),
            })
        })
    }

    /// Deletes what models other than these said of a portion of contents, except where files still show it. One
    /// transaction.
    pub fn thin_history(&mut self, keep: &[ModelId], portion: Portion) -> Result<Walked, StoreError> {
        self.write("thin the history of answers", |batch| {
            let mut kept = Vec::with_capacity(keep.len());
            for model in keep {
                let id = batch.row_of_model(model)?;
                kept.push(id.ok_or_else(|| WriteError::NoSuchModel(model.clone()))?);
            }
            let (last, walked): (Option<i64>, i64) = batch
                .transaction
                .prepare_cached(
                    "SELECT max(id), count(*) FROM (SELECT id FROM images WHERE id > ?1 ORDER BY id LIMIT ?2)",
                )?
                .query_row(params![portion.after, portion.limit], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?;
            let Some(last) = last else {
                return Ok(Walked {
                    changed: 0,
                    next: None,
                });
            };
            let marks = vec!["?"; kept.len()].join(", ");
            let values = [portion.after, last].into_iter().chain(kept).map(Value::from);
            let changed = batch
                .transaction
                .prepare_cached(&format!(
                    "DELETE FROM outcomes WHERE image_id > ? AND image_id <= ? AND model_id NOT IN ({marks})
                       AND NOT EXISTS (SELECT 1 FROM files f INDEXED BY files_by_image
                                       WHERE f.image_id = outcomes.image_id AND f.model_id = outcomes.model_id)"
                ))?
                .execute(params_from_iter(values))?;
            Ok(Walked {
                changed: changed as u64,
                next: (walked == i64::from(portion.limit)).then_some(last),
            })
        })
    }
}

impl Batch<'_> {
    /// The last content of a portion of those that show another model's answer, and how many these are; `None` past
    /// the end.
    fn last_of_another_model(&self, model_id: i64, portion: Portion) -> rusqlite::Result<Option<(i64, i64)>> {
        let found: Option<(Option<i64>, i64)> = self
            .transaction
            .prepare_cached(
                "SELECT max(image_id), count(*)
                 FROM (SELECT image_id FROM files INDEXED BY files_by_image
                       WHERE image_id > ?1 AND model_id <> ?2 GROUP BY image_id ORDER BY image_id LIMIT ?3)",
            )?
            .query_row(params![portion.after, model_id, portion.limit], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?;
        Ok(found.and_then(|(last, count)| last.map(|last| (last, count))))
    }
}

fn retag_from_row(row: &Row<'_>) -> rusqlite::Result<RetagRow> {
    Ok(RetagRow {
        image_id: row.get(0)?,
        hash: rows::present(rows::content_hash(row, 1)?, 1, "a hash of 32 bytes")?,
        path: InventoryPath::from_stored(row.get(2)?),
        stamp: rows::present(rows::stamp(row, 3)?, 3, "the size of a file that was read")?,
    })
}
