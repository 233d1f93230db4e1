//! Photos that may be worth a look: a bounded choice from which the most useful are picked.
//!
//! In: nothing but the store. Out: photos for review and unknown ones, from both ends of the confidences, some of each
//! label; how many there are, where that is few. Never: a walk over all of them, a ranking.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::params;

use super::error::StoreError;
use super::lookup::Reader;
use super::rows;
use super::samples::prediction;
use crate::domain::{Certainty, ContentHash, InventoryPath, Prediction};

/// Entries of the index that are looked at from either end: milliseconds.
const ENTRIES: u32 = 20_000;
/// Photos of one label that are taken from either end; each costs a look at its scores.
const OF_A_LABEL: usize = 100;

/// A photo that may be worth a look.
#[derive(Debug, Clone, PartialEq)]
pub struct ReviewCandidate {
    /// One of its files that are there.
    pub path: InventoryPath,
    /// Which content.
    pub hash: ContentHash,
    /// What the model said.
    pub prediction: Prediction,
    /// What its thresholds make of that.
    pub certainty: Certainty,
}

impl Reader {
    /// Photos that are there and that are for review or unknown: of each of the two, and of each label that it has among
    /// the 20,000 least sure and the 20,000 surest, the hundred at that end. At most 4,000, each content once.
    pub fn review_candidates(&self) -> Result<Vec<ReviewCandidate>, StoreError> {
        const OPERATION: &str = "look for photos that are worth a look";
        self.at_one_moment(OPERATION, || {
            let mut ids = BTreeSet::new();
            for certainty in [Certainty::Review, Certainty::Unknown] {
                for direction in ["ASC", "DESC"] {
                    ids.extend(self.end_of(certainty, direction, OPERATION)?);
                }
            }
            let mut candidates = BTreeMap::new();
            for id in ids {
                if let Some(candidate) = self.candidate(id, OPERATION)? {
                    candidates.entry(candidate.hash).or_insert(candidate);
                }
            }
            Ok(candidates.into_values().collect())
        })
    }

    /// How many contents are there and for review or unknown; `None` where more files than `most` hold them, each of which
    /// costs a look at its row.
    pub fn contents_for_review(&self, most: u32) -> Result<Option<u64>, StoreError> {
        let counted: Option<(i64, i64)> = self.row(
            "count the contents that are for review",
            "SELECT count(*), count(DISTINCT image_id) FROM (
                 SELECT image_id FROM files INDEXED BY files_by_certainty
                 WHERE certainty IN (?1, ?2) AND is_present = 1 LIMIT ?3 + 1)",
            params![
                rows::code(Certainty::Review),
                rows::code(Certainty::Unknown),
                most
            ],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        Ok(counted
            .filter(|(files, _)| *files <= i64::from(most))
            .map(|(_, contents)| contents.cast_unsigned()))
    }

    fn end_of(
        &self,
        certainty: Certainty,
        direction: &str,
        operation: &'static str,
    ) -> Result<Vec<i64>, StoreError> {
        let entries: Vec<(i64, Option<crate::domain::Label>)> = self.rows(
            operation,
            &format!(
                "SELECT id, label_id FROM files INDEXED BY files_by_certainty_and_confidence
                 WHERE certainty = ?1 AND is_present = 1 ORDER BY confidence {direction} LIMIT ?2"
            ),
            params![rows::code(certainty), ENTRIES],
            |row| Ok((row.get(0)?, rows::label(row, 1)?)),
        )?;
        let mut of_label = BTreeMap::new();
        let taken = entries.into_iter().filter(|(_, label)| {
            let count = of_label.entry(*label).or_insert(0);
            *count += 1;
            *count <= OF_A_LABEL
        });
        Ok(taken.map(|(id, _)| id).collect())
    }

    fn candidate(&self, id: i64, operation: &'static str) -> Result<Option<ReviewCandidate>, StoreError> {
        self.row(
            operation,
            "SELECT f.path, i.content_hash, o.scores, o.unknown, f.certainty FROM files f
             JOIN images i ON i.id = f.image_id
             JOIN outcomes o ON o.image_id = f.image_id AND o.model_id = f.model_id WHERE f.id = ?1",
            [id],
            |row| {
                Ok(ReviewCandidate {
                    path: InventoryPath::from_stored(row.get(0)?),
                    hash: rows::present(rows::content_hash(row, 1)?, 1, "a hash of 32 bytes")?,
                    prediction: rows::present(prediction(row, 2)?, 2, "an array of ten probabilities")?,
                    certainty: rows::present(rows::certainty(row, 4)?, 4, "a certainty")?,
                })
            },
        )
    }
}
