//! All that is known about one file or one content.
//!
//! In: a path or a hash. Out: its row, its content, its other names, every outcome it
//! ever had, what a person said. Never: judges.

use std::path::PathBuf;

use serde::Serialize;

use super::corrections::CorrectionRow;
use super::error::StoreError;
use super::lookup::Reader;
use super::rows::{self, FileRow};
use crate::domain::{
    Confidence, ContentHash, Decision, Device, InventoryPath, Label, ModelId, PreprocessingVersion,
    RejectionReason, Scores, Status, Thresholds, Timestamp, Top,
};

/// Everything about a file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FileHistory {
    /// Its current answer.
    pub file: FileRow,
    /// When it was noticed to be gone.
    pub absent_at: Option<Timestamp>,
    /// What is in it; `None` where it could not be read.
    pub content: Option<ContentHistory>,
}

/// Everything about a content.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ContentHistory {
    /// Identity.
    pub content_hash: ContentHash,
    /// Length.
    pub bytes: u64,
    /// Format, where one was recognised.
    pub format: Option<String>,
    /// Pixels after orientation.
    pub width: Option<u32>,
    /// Pixels after orientation.
    pub height: Option<u32>,
    /// When it first had an outcome.
    pub first_seen_at: Timestamp,
    /// Its files that are there, in path order.
    pub present_paths: Vec<InventoryPath>,
    /// Its files that are gone, in path order.
    pub absent_paths: Vec<InventoryPath>,
    /// What each model said, oldest first.
    pub outcomes: Vec<OutcomeRow>,
    /// What a person said, where that stands.
    pub correction: Option<CorrectionRow>,
}

impl ContentHistory {
    /// The files that hold it now.
    pub fn present_files(&self) -> Vec<PathBuf> {
        self.present_paths.iter().map(InventoryPath::to_path).collect()
    }
}

/// What one model said about a content.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OutcomeRow {
    /// What its model's thresholds make of it, or rejected.
    #[serde(serialize_with = "rows::as_text")]
    pub status: Status,
    /// The likeliest label.
    pub label: Option<Label>,
    /// Its probability.
    pub confidence: Option<Confidence>,
    /// All ten probabilities.
    #[serde(serialize_with = "rows::as_label_map")]
    pub scores: Option<Scores>,
    /// The model's estimate that it shows none of the ten; `None` where it makes none.
    pub unknown: Option<Confidence>,
    /// Who says so.
    pub model: Option<ModelId>,
    /// Where inference ran.
    pub device: Option<Device>,
    /// How the pixels were prepared.
    pub preprocessing: PreprocessingVersion,
    /// When.
    pub tagged_at: Timestamp,
    /// Why there is no tag.
    #[serde(serialize_with = "rows::as_optional_text")]
    pub reason: Option<RejectionReason>,
    /// The particulars of that.
    pub detail: Option<String>,
}

impl Reader {
    /// Why each tag of a content counts, or does not, by the thresholds that hold; in the order of its outcomes.
    pub fn decisions_on(&self, content: &ContentHistory) -> Result<Vec<Decision>, StoreError> {
        let mut decisions = Vec::new();
        for outcome in &content.outcomes {
            let (Some(model), Some(label), Some(confidence)) =
                (&outcome.model, outcome.label, outcome.confidence)
            else {
                continue;
            };
            let top = Top {
                label,
                confidence,
                unknown: outcome.unknown,
            };
            let thresholds = self.thresholds_of(model)?.map(|row| row.thresholds);
            let thresholds = thresholds.unwrap_or_else(Thresholds::unfounded);
            decisions.push(Decision::of(model.clone(), &top, &thresholds));
        }
        Ok(decisions)
    }

    /// Everything about the file at a path; `None` where the store never heard of it.
    pub fn file_history(&self, path: &InventoryPath) -> Result<Option<FileHistory>, StoreError> {
        const OPERATION: &str = "look up all about a file";
        self.at_one_moment(OPERATION, || {
            let found = self.row(
                OPERATION,
                &format!(
                    "SELECT {}, f.absent_at_ms FROM {} WHERE f.path = ?1",
                    rows::FILE_COLUMNS,
                    rows::FILE_TABLES
                ),
                [path.as_str()],
                |row| {
                    Ok((
                        rows::file_from_row(row)?,
                        row.get::<_, Option<i64>>("absent_at_ms")?,
                    ))
                },
            )?;
            let Some((file, absent_at_ms)) = found else {
                return Ok(None);
            };
            let content = match &file.content_hash {
                Some(hash) => self.content(hash)?,
                None => None,
            };
            Ok(Some(FileHistory {
                file,
                absent_at: absent_at_ms.map(Timestamp::from_millis),
                content,
            }))
        })
    }

    /// Everything about a content; `None` where the store never heard of it.
    pub fn history_of_content(&self, hash: &ContentHash) -> Result<Option<ContentHistory>, StoreError> {
        self.at_one_moment("look up all about a content", || self.content(hash))
    }

    fn content(&self, hash: &ContentHash) -> Result<Option<ContentHistory>, StoreError> {
        let found = self.row(
            "look up a content",
            "SELECT id, bytes, format, width, height, first_seen_at_ms FROM images WHERE content_hash = ?1",
            [hash.as_bytes().as_slice()],
            |row| {
                let content = ContentHistory {
                    content_hash: *hash,
                    bytes: row.get::<_, i64>(1)?.cast_unsigned(),
                    format: row.get(2)?,
                    width: row.get(3)?,
                    height: row.get(4)?,
                    first_seen_at: Timestamp::from_millis(row.get(5)?),
                    present_paths: Vec::new(),
                    absent_paths: Vec::new(),
                    outcomes: Vec::new(),
                    correction: None,
                };
                Ok((row.get::<_, i64>(0)?, content))
            },
        )?;
        let Some((image_id, mut content)) = found else {
            return Ok(None);
        };
        let paths: Vec<(InventoryPath, bool)> = self.rows(
            "list the files of a content",
            "SELECT path, is_present FROM files INDEXED BY files_by_image WHERE image_id = ?1 ORDER BY path",
            [image_id],
            |row| Ok((InventoryPath::from_stored(row.get(0)?), row.get(1)?)),
        )?;
        for (path, is_present) in paths {
            if is_present {
                content.present_paths.push(path);
            } else {
                content.absent_paths.push(path);
            }
        }
        content.outcomes = self.outcomes_of(image_id)?;
        content.correction = self.correction_of(hash)?;
        Ok(Some(content))
    }

    fn outcomes_of(&self, image_id: i64) -> Result<Vec<OutcomeRow>, StoreError> {
        self.rows(
            "list the outcomes of a content",
            "SELECT o.label_id, o.confidence, o.scores, m.model, o.device, o.preprocessing_version, o.tagged_at_ms,
                 o.reason, o.detail, o.certainty, o.unknown
             FROM outcomes o JOIN models m ON m.id = o.model_id
             WHERE o.image_id = ?1 ORDER BY o.tagged_at_ms, o.model_id",
            [image_id],
            |row| {
                Ok(OutcomeRow {
                    status: rows::status(rows::certainty(row, 9)?, None),
                    label: rows::label(row, 0)?,
                    confidence: rows::confidence(row, 1)?,
                    scores: rows::scores(row, 2)?,
                    unknown: rows::confidence(row, 10)?,
                    model: rows::model(row, 3)?,
                    device: rows::device(row, 4)?,
                    preprocessing: PreprocessingVersion(row.get(5)?),
                    tagged_at: Timestamp::from_millis(row.get(6)?),
                    reason: rows::reason(row, 7)?,
                    detail: row.get(8)?,
                })
            },
        )
    }
}
