//! The answer of a content, and the rows that carry it: images, outcomes, files.
//!
//! In: what a model said, or what is stored; what a person said stands above both. Out: rows. Never: an outcome
//! overwritten, or a person's word lost to a model's.

use rusqlite::{OptionalExtension, Row, params};

use super::change::ContentFacts;
use super::daily::{DailyCell, day_of};
use super::rows;
use super::write::Batch;
use crate::domain::{Certainty, ContentHash, FileStamp, InventoryPath, PreprocessingVersion, Timestamp};

/// What a content's files say: the part of a `files` row that comes from an outcome or a correction.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub(super) image_id: Option<i64>,
    pub(super) model_id: Option<i64>,
    pub(super) label_id: Option<i64>,
    pub(super) confidence: Option<f64>,
    pub(super) reason: Option<String>,
    pub(super) detail: Option<String>,
    pub(super) tagged_at_ms: i64,
    pub(super) corrected_at_ms: Option<i64>,
    pub(super) certainty: Option<Certainty>,
}

/// What an outcome keeps of a tag besides its answer.
pub(super) struct TagColumns<'a> {
    /// A JSON array.
    pub(super) scores: &'a str,
    pub(super) device: &'a str,
    pub(super) unknown: Option<f64>,
}

/// Whether a row was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Novelty {
    New,
    Old,
}

impl Batch<'_> {
    /// The model's answer, or in its place what a person said of the content; the model stays named underneath.
    pub(super) fn as_corrected(&self, hash: &ContentHash, answer: Answer) -> rusqlite::Result<Answer> {
        let standing: Option<(Option<i64>, i64)> = self
            .transaction
            .prepare_cached(
                "SELECT label_id, corrected_at_ms FROM truths WHERE content_hash = ?1 AND undone_at_ms IS NULL",
            )?
            .query_row([hash.as_bytes().as_slice()], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        Ok(match standing {
            None => answer,
            Some((label_id, corrected_at_ms)) => Answer {
                label_id,
                confidence: None,
                reason: None,
                detail: None,
                certainty: None,
                tagged_at_ms: corrected_at_ms,
                corrected_at_ms: Some(corrected_at_ms),
                ..answer
            },
        })
    }

    /// What a model said of a content.
    pub(super) fn stored_answer(&self, image_id: i64, model_id: i64) -> rusqlite::Result<Option<Answer>> {
        self.transaction
            .prepare_cached(
                "SELECT image_id, model_id, label_id, confidence, reason, detail, tagged_at_ms, certainty
                 FROM outcomes WHERE image_id = ?1 AND model_id = ?2",
            )?
            .query_row([image_id, model_id], answer_from_row)
            .optional()
    }

    /// What the model said that the content's files name; where it has none (any more), its latest outcome.
    pub(super) fn current_answer(&self, image_id: i64) -> rusqlite::Result<Option<Answer>> {
        let named_by_its_files: Option<i64> = self
            .transaction
            .prepare_cached(
                "SELECT model_id FROM files INDEXED BY files_by_image WHERE image_id = ?1 LIMIT 1",
            )?
            .query_row([image_id], |row| row.get(0))
            .optional()?;
        if let Some(model_id) = named_by_its_files {
            return self.stored_answer(image_id, model_id);
        }
        self.transaction
            .prepare_cached(
                "SELECT image_id, model_id, label_id, confidence, reason, detail, tagged_at_ms, certainty
                 FROM outcomes WHERE image_id = ?1 ORDER BY tagged_at_ms DESC, model_id DESC LIMIT 1",
            )?
            .query_row([image_id], answer_from_row)
            .optional()
    }

    /// The row of a content, made if absent.
    pub(super) fn image(&self, content: &ContentFacts, at: Timestamp) -> rusqlite::Result<(i64, Novelty)> {
        let inserted = self
            .transaction
            .prepare_cached(
                "INSERT INTO images (content_hash, bytes, format, width, height, first_seen_at_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (content_hash) DO NOTHING",
            )?
            .execute(params![
                content.hash.as_bytes().as_slice(),
                content.bytes as i64,
                content.format.map(|format| format.name()),
                content.size_px.map(|(width, _)| width),
                content.size_px.map(|(_, height)| height),
                at.as_millis(),
            ])?;
        match inserted {
            1 => Ok((self.transaction.last_insert_rowid(), Novelty::New)),
            _ => {
                let id = self.row_of_image(&content.hash)?;
                let id = id.expect("a hash that conflicts is in the table; this is a bug");
                self.learn_format(id, content)?;
                Ok((id, Novelty::Old))
            }
        }
    }

    /// What was not known of a content while it could not be decoded: it was too large then, or is decoded by now.
    fn learn_format(&self, image_id: i64, content: &ContentFacts) -> rusqlite::Result<()> {
        let (Some(format), Some((width, height))) = (content.format, content.size_px) else {
            return Ok(());
        };
        self.transaction
            .prepare_cached(
                "UPDATE images SET format = ?2, width = ?3, height = ?4 WHERE id = ?1 AND width IS NULL",
            )?
            .execute(params![image_id, format.name(), width, height])?;
        Ok(())
    }

    /// Adds an outcome unless the (content, model) has one, and counts it among the tags of its day.
    pub(super) fn outcome(
        &self,
        answer: &Answer,
        tag: Option<TagColumns<'_>>,
        preprocessing: PreprocessingVersion,
    ) -> rusqlite::Result<Novelty> {
        let inserted = self
            .transaction
            .prepare_cached(
                "INSERT INTO outcomes (image_id, model_id, label_id, confidence, scores, device, reason, detail,
                     preprocessing_version, tagged_at_ms, unknown, certainty)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) ON CONFLICT (image_id, model_id) DO NOTHING",
            )?
            .execute(params![
                answer.image_id,
                answer.model_id,
                answer.label_id,
                answer.confidence,
                tag.as_ref().map(|tag| tag.scores),
                tag.as_ref().map(|tag| tag.device),
                answer.reason,
                answer.detail,
                preprocessing.0,
                answer.tagged_at_ms,
                tag.as_ref().and_then(|tag| tag.unknown),
                answer.certainty.map(rows::code),
            ])?;
        if inserted == 0 {
            return Ok(Novelty::Old);
        }
        if let (Some(model_id), Some(label_id), Some(confidence), Some(certainty)) = (
            answer.model_id,
            answer.label_id,
            answer.confidence,
            answer.certainty,
        ) {
            let cell = DailyCell {
                day: day_of(answer.tagged_at_ms),
                model_id,
                label_id,
                certainty,
            };
            self.count_daily(cell, 1, confidence);
        }
        Ok(Novelty::New)
    }

    /// Writes the row of a path; `absent_at` is set for a file that vanished before it was ever read.
    ///
    /// Two statements, not one with `DO UPDATE`: for that one SQLite keeps a copy of each page that it changes, as it might
    /// have to take back half of it (a third of what a new photo costs here).
    pub(super) fn write_file(
        &self,
        path: &InventoryPath,
        stamp: Option<FileStamp>,
        absent_at: Option<Timestamp>,
        answer: &Answer,
    ) -> rusqlite::Result<()> {
        let values = params![
            path.as_str(),
            stamp.map(|stamp| stamp.size as i64),
            stamp.map(|stamp| stamp.mtime_ns),
            stamp.map(|stamp| stamp.inode.cast_signed()),
            absent_at.map(Timestamp::as_millis),
            answer.image_id,
            answer.model_id,
            answer.label_id,
            answer.confidence,
            answer.reason,
            answer.detail,
            answer.tagged_at_ms,
            answer.corrected_at_ms,
            answer.certainty.map(rows::code),
        ];
        let inserted = self
            .transaction
            .prepare_cached(
                "INSERT INTO files (path, size, mtime_ns, inode, is_present, absent_at_ms, image_id, model_id,
                     label_id, confidence, reason, detail, tagged_at_ms, corrected_at_ms, certainty)
                 VALUES (?1, ?2, ?3, ?4, ?5 IS NULL, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
                 ON CONFLICT (path) DO NOTHING",
            )?
            .execute(values)?;
        if inserted == 0 {
            self.transaction
                .prepare_cached(
                    "UPDATE files SET size = ?2, mtime_ns = ?3, inode = ?4, is_present = ?5 IS NULL, absent_at_ms = ?5,
                         image_id = ?6, model_id = ?7, label_id = ?8, confidence = ?9, reason = ?10, detail = ?11,
                         tagged_at_ms = ?12, corrected_at_ms = ?13, certainty = ?14
                     WHERE path = ?1",
                )?
                .execute(values)?;
        }
        Ok(())
    }

    /// One content has one answer: its files at other paths take it over. As they all have the same one, a look at one of
    /// them tells whether there is anything to do: thousands of copies of a picture cost no more than two.
    pub(super) fn other_files_follow(&self, path: &InventoryPath, answer: &Answer) -> rusqlite::Result<()> {
        let values = params![
            answer.image_id,
            path.as_str(),
            answer.model_id,
            answer.label_id,
            answer.confidence,
            answer.reason,
            answer.detail,
            answer.tagged_at_ms,
            answer.corrected_at_ms,
            answer.certainty.map(rows::code),
        ];
        let differs: Option<bool> = self
            .transaction
            .prepare_cached(
                "SELECT (model_id, label_id, confidence, reason, detail, tagged_at_ms, corrected_at_ms, certainty)
                     IS NOT (?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
                 FROM files INDEXED BY files_by_image WHERE image_id = ?1 AND path <> ?2 LIMIT 1",
            )?
            .query_row(values, |row| row.get(0))
            .optional()?;
        if differs == Some(true) {
            self.transaction
                .prepare_cached(
                    "UPDATE files SET model_id = ?3, label_id = ?4, confidence = ?5, reason = ?6, detail = ?7,
                         tagged_at_ms = ?8, corrected_at_ms = ?9, certainty = ?10
                     WHERE image_id = ?1 AND path <> ?2",
                )?
                .execute(values)?;
        }
        Ok(())
    }
}

fn answer_from_row(row: &Row<'_>) -> rusqlite::Result<Answer> {
    Ok(Answer {
        image_id: row.get(0)?,
        model_id: row.get(1)?,
        label_id: row.get(2)?,
        confidence: row.get(3)?,
        reason: row.get(4)?,
        detail: row.get(5)?,
        tagged_at_ms: row.get(6)?,
        corrected_at_ms: None,
        certainty: rows::certainty(row, 7)?,
    })
}
