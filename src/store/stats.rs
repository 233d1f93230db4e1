//! Figures about the whole inventory.
//!
//! In: nothing but the store. Out: counts and means. Never: sorts; every figure comes from one walk along an index.

use std::collections::BTreeMap;

use serde::Serialize;

use super::error::StoreError;
use super::lookup::Reader;
use super::rows;
use crate::domain::{LABEL_COUNT, Label, Timestamp};

/// Figures about the inventory. All but `files_absent`, `contents` and `runs` count files that are there.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stats {
    /// Different contents ever seen.
    pub contents: u64,
    /// Files that are there.
    pub files_present: u64,
    /// Files that are gone; their tags stay.
    pub files_absent: u64,
    /// Files with a model's tag: accepted, for review, or unknown.
    pub tagged: u64,
    /// Files whose tag counts by itself.
    pub accepted: u64,
    /// Files whose tag somebody should look at.
    pub review: u64,
    /// Files that the model takes for none of the ten.
    pub unknown: u64,
    /// Files of which a person said what they are.
    pub corrected: u64,
    /// Files without a tag.
    pub rejected: u64,
    /// Tagged and corrected files by label, in label order, all ten.
    pub by_label: Vec<LabelStats>,
    /// Rejected files by reason.
    pub by_reason: BTreeMap<String, u64>,
    /// Files by the model whose answer counts, or would if nobody had corrected it, oldest model first.
    pub by_model: Vec<ModelStats>,
    /// The latest answer.
    pub last_tagged_at: Option<Timestamp>,
    /// Training runs on record.
    pub runs: u64,
}

/// One label's files.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LabelStats {
    /// The label.
    pub label: Label,
    /// How many files have it.
    pub files: u64,
    /// How many of them by a person's word.
    pub corrected: u64,
    /// Mean confidence of the others; `None` where there are none.
    pub mean_confidence: Option<f64>,
}

/// One model's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelStats {
    /// The model's id.
    pub model: String,
    /// How many files answer by it.
    pub files: u64,
}

impl Reader {
    /// Figures about the inventory, all of one moment.
    pub fn stats(&self) -> Result<Stats, StoreError> {
        self.at_one_moment("gather figures", || {
            let tally = self.tally_by_label()?;
            let by_label: Vec<LabelStats> = Label::all()
                .map(|label| {
                    let (tagged, sum) = tally.tagged[label.index()];
                    let corrected = tally.corrected[label.index()];
                    let mean_confidence = (tagged > 0).then(|| sum / tagged as f64);
                    LabelStats {
                        label,
                        files: tagged + corrected,
                        corrected,
                        mean_confidence,
                    }
                })
                .collect();
            let tagged = tally.tagged.iter().map(|(files, _)| files).sum();
            let corrected_to_a_label: u64 = tally.corrected.iter().sum();
            let corrected = self
                .number(
                    "SELECT count(*) FROM files INDEXED BY files_corrected
                     WHERE corrected_at_ms IS NOT NULL AND is_present = 1",
                )?
                .unwrap_or(0)
                .cast_unsigned();
            let rejected = tally.unlabelled - (corrected - corrected_to_a_label);
            let last_ms = self.number("SELECT max(tagged_at_ms) FROM files")?;
            Ok(Stats {
                contents: self
                    .number("SELECT count(*) FROM images")?
                    .unwrap_or(0)
                    .cast_unsigned(),
                files_present: tagged + corrected + rejected,
                files_absent: tally.absent,
                tagged,
                accepted: tally.certainties[0],
                review: tally.certainties[1],
                unknown: tally.certainties[2],
                corrected,
                rejected,
                by_label,
                by_reason: self.tally_by_reason()?,
                by_model: self.tally_by_model()?,
                last_tagged_at: last_ms.map(Timestamp::from_millis),
                runs: self
                    .number("SELECT count(*) FROM runs")?
                    .unwrap_or(0)
                    .cast_unsigned(),
            })
        })
    }

    fn number(&self, sql: &str) -> Result<Option<i64>, StoreError> {
        Ok(self.row("gather figures", sql, [], |row| row.get(0))?.flatten())
    }

    /// One walk along an index; a GROUP BY would sort a million rows first.
    fn tally_by_label(&self) -> Result<Tally, StoreError> {
        let mut tally = Tally::default();
        let mut walk = || -> rusqlite::Result<()> {
            let mut statement = self.connection.prepare_cached(
                "SELECT label_id, confidence, is_present, certainty
                 FROM files INDEXED BY files_by_certainty_and_confidence",
            )?;
            let mut files = statement.query([])?;
            while let Some(file) = files.next()? {
                match (file.get::<_, bool>(2)?, rows::label(file, 0)?) {
                    (false, _) => tally.absent += 1,
                    (true, None) => tally.unlabelled += 1,
                    (true, Some(label)) => match file.get::<_, Option<f64>>(1)? {
                        // Only a person gives a label without a confidence: the table's constraint.
                        None => tally.corrected[label.index()] += 1,
                        Some(confidence) => {
                            let (count, sum) = &mut tally.tagged[label.index()];
                            *count += 1;
                            *sum += confidence;
                            let certainty = rows::present(rows::certainty(file, 3)?, 3, "a certainty")?;
                            tally.certainties[rows::code(certainty) as usize] += 1;
                        }
                    },
                }
            }
            Ok(())
        };
        walk().map_err(|source| StoreError::of("gather figures by label", &self.path, source))?;
        Ok(tally)
    }

    fn tally_by_reason(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        let rows: Vec<(String, i64)> = self.rows(
            "gather figures by reason",
            "SELECT reason, count(*) FROM files INDEXED BY files_rejected_by_path
             WHERE reason IS NOT NULL AND is_present = 1 GROUP BY reason",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        Ok(rows
            .into_iter()
            .map(|(reason, files)| (reason, files.cast_unsigned()))
            .collect())
    }

    fn tally_by_model(&self) -> Result<Vec<ModelStats>, StoreError> {
        self.rows(
            "gather figures by model",
            "SELECT m.model, (SELECT count(*) FROM files f INDEXED BY files_by_model
                              WHERE f.model_id = m.id AND f.is_present = 1)
             FROM models m ORDER BY m.id",
            [],
            |row| {
                Ok(ModelStats {
                    model: row.get(0)?,
                    files: row.get::<_, i64>(1)?.cast_unsigned(),
                })
            },
        )
    }
}

#[derive(Default)]
struct Tally {
    /// Files and the sum of their confidences, by label.
    tagged: [(u64, f64); LABEL_COUNT],
    /// Accepted, for review, unknown.
    certainties: [u64; 3],
    /// By the label that a person gave.
    corrected: [u64; LABEL_COUNT],
    /// Rejected, or corrected to none of the ten.
    unlabelled: u64,
    absent: u64,
}
