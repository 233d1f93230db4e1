//! What people put right: the truth about a content, above whatever models say of it.
//!
//! In: a content's hash, what it shows, who says so and when. Out: files that show the truth at once, and the record
//! of every word ever given. Never: a model's outcome changed; it goes on underneath and comes back when the
//! correction is undone.

use rusqlite::{OptionalExtension, Row, params};
use serde::Serialize;

use super::error::StoreError;
use super::lookup::Reader;
use super::page::{Cursor, Place};
use super::rows;
use super::write::{Batch, Store};
use crate::domain::{ContentHash, InventoryPath, Timestamp, Truth};

/// A person's word about a content, which the store may have seen or not.
#[derive(Debug, Clone, PartialEq)]
pub struct NewCorrection {
    /// Which content.
    pub hash: ContentHash,
    /// What it shows.
    pub truth: Truth,
    /// Who says so.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// A correction that stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CorrectionRow {
    /// Which content.
    #[serde(rename = "content_hash")]
    pub hash: ContentHash,
    /// What it shows.
    pub truth: Truth,
    /// Who says so.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Its files, those that are there before those that are gone, each in path order; none where the content was
    /// never seen.
    pub paths: Vec<InventoryPath>,
}

/// A page of corrections.
#[derive(Debug, Clone, PartialEq)]
pub struct CorrectionPage {
    /// In order.
    pub corrections: Vec<CorrectionRow>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<Cursor>,
}

impl Store {
    /// Puts down what people say, in one transaction; files of these contents show it from then on. A new word
    /// replaces the standing one, which stays on record as closed; the same word again changes nothing. Returns how
    /// many contents have a truth that they did not have.
    pub fn correct(&mut self, corrections: &[NewCorrection]) -> Result<u64, StoreError> {
        self.write("record corrections", |batch| {
            let mut changed = 0;
            for correction in corrections {
                changed += u64::from(batch.correct_one(correction)? != Some(correction.truth));
            }
            Ok(changed)
        })
    }

    /// As [`Store::correct`] does, of one content; returns the word that held before, so that whoever takes theirs back
    /// can have that one hold again. With `instead_of` nothing is changed unless that word held.
    pub fn correct_in_place_of(
        &mut self,
        correction: &NewCorrection,
        instead_of: Option<Truth>,
    ) -> Result<Option<Truth>, StoreError> {
        self.write("record a correction", |batch| {
            let standing = batch.standing_truth(&correction.hash)?;
            if instead_of.is_none() || instead_of == standing {
                batch.correct_one(correction)?;
            }
            Ok(standing)
        })
    }

    /// As [`Store::undo_corrections`] does, of one content; returns the word that held before. With `instead_of` nothing
    /// is changed unless that one did.
    pub fn undo_correction(
        &mut self,
        hash: &ContentHash,
        instead_of: Option<Truth>,
        (by, at): (&str, Timestamp),
    ) -> Result<Option<Truth>, StoreError> {
        self.write("undo a correction", |batch| {
            let standing = batch.standing_truth(hash)?;
            if instead_of.is_none() || instead_of == standing {
                batch.undo_one(hash, by, at)?;
            }
            Ok(standing)
        })
    }

    /// Takes corrections back: files of these contents show again what their model said. Returns how many contents
    /// had one.
    pub fn undo_corrections(
        &mut self,
        hashes: &[ContentHash],
        by: &str,
        at: Timestamp,
    ) -> Result<u64, StoreError> {
        self.write("undo corrections", |batch| {
            let mut undone = 0;
            for hash in hashes {
                undone += u64::from(batch.undo_one(hash, by, at)?);
            }
            Ok(undone)
        })
    }
}

impl Batch<'_> {
    /// The word that held before; where it is the same, nothing is written.
    fn correct_one(&self, correction: &NewCorrection) -> rusqlite::Result<Option<Truth>> {
        let label_id = correction.truth.label().map(|label| label.index() as i64);
        let hash = correction.hash.as_bytes().as_slice();
        let standing = self.standing_truth(&correction.hash)?;
        if standing == Some(correction.truth) {
            return Ok(standing);
        }
        if standing.is_some() {
            self.close_truth(&correction.hash, &correction.by, correction.at)?;
        }
        let at_ms = correction.at.as_millis();
        self.transaction
            .prepare_cached(
                "INSERT INTO truths (content_hash, label_id, corrected_by, corrected_at_ms) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![hash, label_id, correction.by, at_ms])?;
        self.transaction
            .prepare_cached(
                "UPDATE files SET label_id = ?2, confidence = NULL, certainty = NULL, reason = NULL, detail = NULL, tagged_at_ms = ?3,
                     corrected_at_ms = ?3
                 WHERE image_id = (SELECT id FROM images WHERE content_hash = ?1)",
            )?
            .execute(params![hash, label_id, at_ms])?;
        Ok(standing)
    }

    fn standing_truth(&self, hash: &ContentHash) -> rusqlite::Result<Option<Truth>> {
        self.transaction
            .prepare_cached("SELECT label_id FROM truths WHERE content_hash = ?1 AND undone_at_ms IS NULL")?
            .query_row(
                [hash.as_bytes().as_slice()],
                |row| Ok(rows::label(row, 0)?.into()),
            )
            .optional()
    }

    /// `true` where one stood.
    fn undo_one(&self, hash: &ContentHash, by: &str, at: Timestamp) -> rusqlite::Result<bool> {
        let has_stood = self.close_truth(hash, by, at)?;
        if has_stood {
            self.show_the_answer_underneath(hash)?;
        }
        Ok(has_stood)
    }

    /// `true` where one stood.
    fn close_truth(&self, hash: &ContentHash, by: &str, at: Timestamp) -> rusqlite::Result<bool> {
        let closed = self
            .transaction
            .prepare_cached(
                "UPDATE truths SET undone_at_ms = ?2, undone_by = ?3
                 WHERE content_hash = ?1 AND undone_at_ms IS NULL",
            )?
            .execute(params![hash.as_bytes().as_slice(), at.as_millis(), by])?;
        Ok(closed > 0)
    }

    fn show_the_answer_underneath(&self, hash: &ContentHash) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached(
                "UPDATE files SET (label_id, confidence, certainty, reason, detail, tagged_at_ms) =
                         (SELECT o.label_id, o.confidence, o.certainty, o.reason, o.detail, o.tagged_at_ms
                          FROM outcomes o
                          WHERE o.image_id = files.image_id AND o.model_id = files.model_id),
                     corrected_at_ms = NULL
                 WHERE image_id = (SELECT id FROM images WHERE content_hash = ?1)",
            )?
            .execute([hash.as_bytes().as_slice()])?;
        Ok(())
    }
}

impl Reader {
    /// Every correction that stands, oldest first.
    pub fn corrections(&self) -> Result<Vec<CorrectionRow>, StoreError> {
        const OPERATION: &str = "list the corrections";
        self.at_one_moment(OPERATION, || {
            let mut corrections = self.rows(
                OPERATION,
                "SELECT content_hash, label_id, corrected_by, corrected_at_ms FROM truths
                 WHERE undone_at_ms IS NULL ORDER BY corrected_at_ms, id",
                [],
                correction_from_row,
            )?;
            for correction in &mut corrections {
                correction.paths = self.paths_of(&correction.hash)?;
            }
            Ok(corrections)
        })
    }

    /// One page of the corrections that stand, oldest first: at most `limit`, from past `after` on. A cursor of another
    /// list begins at the beginning.
    pub fn page_of_corrections(
        &self,
        after: Option<&Cursor>,
        limit: u32,
    ) -> Result<CorrectionPage, StoreError> {
        const OPERATION: &str = "list a page of corrections";
        let (after_ms, after_id) = match after {
            Some(Cursor(Place::Correction { at_ms, id })) => (*at_ms, *id),
            _ => (i64::MIN, 0),
        };
        self.at_one_moment(OPERATION, || {
            let mut rows = self.rows(
                OPERATION,
                "SELECT content_hash, label_id, corrected_by, corrected_at_ms, id FROM truths INDEXED BY truths_by_time
                 WHERE undone_at_ms IS NULL AND corrected_at_ms >= ?1 AND (corrected_at_ms, id) > (?1, ?2)
                 ORDER BY corrected_at_ms, id LIMIT ?3",
                // One more tells whether there is a next page.
                params![after_ms, after_id, i64::from(limit) + 1],
                |row| Ok((correction_from_row(row)?, row.get::<_, i64>(4)?)),
            )?;
            let has_more = rows.len() > limit as usize;
            rows.truncate(limit as usize);
            for (correction, _) in &mut rows {
                correction.paths = self.paths_of(&correction.hash)?;
            }
            let place = |(last, id): &(CorrectionRow, i64)| {
                Cursor(Place::Correction {
                    at_ms: last.at.as_millis(),
                    id: *id,
                })
            };
            Ok(CorrectionPage {
                next: rows.last().filter(|_| has_more).map(place),
                corrections: rows.into_iter().map(|(correction, _)| correction).collect(),
            })
        })
    }

    /// The correction of a content that stands.
    pub fn correction_of(&self, hash: &ContentHash) -> Result<Option<CorrectionRow>, StoreError> {
        let found = self.row(
            "look up the correction of a content",
            "SELECT content_hash, label_id, corrected_by, corrected_at_ms FROM truths
             WHERE content_hash = ?1 AND undone_at_ms IS NULL",
            [hash.as_bytes().as_slice()],
            correction_from_row,
        )?;
        match found {
            None => Ok(None),
            Some(correction) => Ok(Some(CorrectionRow {
                paths: self.paths_of(hash)?,
                ..correction
            })),
        }
    }

    fn paths_of(&self, hash: &ContentHash) -> Result<Vec<InventoryPath>, StoreError> {
        self.rows(
            "list the files of a corrected content",
            "SELECT path FROM files INDEXED BY files_by_image
             WHERE image_id = (SELECT id FROM images WHERE content_hash = ?1) ORDER BY is_present DESC, path",
            [hash.as_bytes().as_slice()],
            |row| Ok(InventoryPath::from_stored(row.get(0)?)),
        )
    }
}

fn correction_from_row(row: &Row<'_>) -> rusqlite::Result<CorrectionRow> {
    Ok(CorrectionRow {
        hash: rows::present(rows::content_hash(row, 0)?, 0, "a hash of 32 bytes")?,
        truth: rows::label(row, 1)?.into(),
        by: row.get(2)?,
        at: Timestamp::from_millis(row.get(3)?),
        paths: Vec::new(),
    })
}
