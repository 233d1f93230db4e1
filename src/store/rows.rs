//! Rows as the world sees them, and how stored values become types again.
//!
//! In: SQLite rows. Out: `FileRow`s and typed values. Never: a stored value that fits no type passed on silently.

use rusqlite::Row;
use rusqlite::types::Type;
use serde::{Serialize, Serializer};

use super::error::BadValue;
use crate::domain::{
    Certainty, Confidence, ContentHash, Device, FileStamp, InventoryPath, LABEL_COUNT, Label, ModelId,
    PreprocessingVersion, RejectionReason, Scores, Status, Timestamp,
};

/// One file with its current answer. In JSON: `path`, `content_hash`, `status`, `label`, `confidence`, `scores`
/// (an object label -> probability), `model`, `device`, `preprocessing`, `tagged_at`, `reason`, `detail`, `present`,
/// `bytes`, `width`, `height`, `format`, `corrected_at`, `unknown`; what there is not is `null`.
///
/// Where a person has corrected it, `label` is what the person said and there is no confidence; scores, model,
/// device, preprocessing and `unknown` are those of the answer underneath. Where the status is `unknown`, `label` is
/// the likeliest one all the same.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FileRow {
    /// Absolute path.
    pub path: InventoryPath,
    /// Identity of the content; `None` where the file could not be read.
    pub content_hash: Option<ContentHash>,
    /// Accepted, for review, unknown, corrected or rejected.
    #[serde(serialize_with = "as_text")]
    pub status: Status,
    /// The likeliest label, or what a person said; `None` for a rejected file and for "none of the ten".
    pub label: Option<Label>,
    /// Its probability; `None` where no model gave the label.
    pub confidence: Option<Confidence>,
    /// All ten probabilities.
    #[serde(serialize_with = "as_label_map")]
    pub scores: Option<Scores>,
    /// The model whose answer this is.
    pub model: Option<ModelId>,
    /// Where inference ran.
    pub device: Option<Device>,
    /// How the pixels were prepared.
    pub preprocessing: Option<PreprocessingVersion>,
    /// When the answer was given: tagged, corrected, or found to be without a tag.
    pub tagged_at: Timestamp,
    /// Why there is no tag.
    #[serde(serialize_with = "as_optional_text")]
    pub reason: Option<RejectionReason>,
    /// The particulars of that.
    pub detail: Option<String>,
    /// Whether the file was there when it was last looked for.
    pub present: bool,
    /// Length, where it is known.
    pub bytes: Option<u64>,
    /// Pixels after orientation.
    pub width: Option<u32>,
    /// Pixels after orientation.
    pub height: Option<u32>,
    /// Format told from the content.
    pub format: Option<String>,
    /// When a person said what it is.
    pub corrected_at: Option<Timestamp>,
    /// The model's estimate that it shows none of the ten; `None` where it makes none.
    pub unknown: Option<Confidence>,
}

/// The columns that `file_from_row` reads, from the tables that `FILE_TABLES` joins.
pub(super) const FILE_COLUMNS: &str = "f.path, i.content_hash, f.label_id, f.confidence, o.scores, m.model, o.device, \
     o.preprocessing_version, f.tagged_at_ms, f.reason, f.detail, f.is_present, coalesce(i.bytes, f.size), i.width, \
     i.height, i.format, f.corrected_at_ms, f.certainty, o.unknown";
/// `files` with all that belongs to a file's current answer.
pub(super) const FILE_TABLES: &str = "files f LEFT JOIN images i ON i.id = f.image_id \
     LEFT JOIN models m ON m.id = f.model_id \
     LEFT JOIN outcomes o ON o.image_id = f.image_id AND o.model_id = f.model_id";

pub(super) fn file_from_row(row: &Row<'_>) -> rusqlite::Result<FileRow> {
    let corrected_at_ms: Option<i64> = row.get(16)?;
    Ok(FileRow {
        path: InventoryPath::from_stored(row.get(0)?),
        content_hash: content_hash(row, 1)?,
        status: status(certainty(row, 17)?, corrected_at_ms),
        label: label(row, 2)?,
        confidence: confidence(row, 3)?,
        scores: scores(row, 4)?,
        model: model(row, 5)?,
        device: device(row, 6)?,
        preprocessing: row.get::<_, Option<u32>>(7)?.map(PreprocessingVersion),
        tagged_at: Timestamp::from_millis(row.get(8)?),
        reason: reason(row, 9)?,
        detail: row.get(10)?,
        present: row.get(11)?,
        bytes: row.get::<_, Option<i64>>(12)?.map(i64::cast_unsigned),
        width: row.get(13)?,
        height: row.get(14)?,
        format: row.get(15)?,
        corrected_at: corrected_at_ms.map(Timestamp::from_millis),
        unknown: confidence(row, 18)?,
    })
}

/// A file that nobody corrected has a certainty or a reason, never both: the table's constraint.
pub(super) fn status(certainty: Option<Certainty>, corrected_at_ms: Option<i64>) -> Status {
    match (corrected_at_ms, certainty) {
        (Some(_), _) => Status::Corrected,
        (None, Some(certainty)) => certainty.into(),
        (None, None) => Status::Rejected,
    }
}

/// How a certainty stands in the database.
pub(super) fn code(certainty: Certainty) -> i64 {
    match certainty {
        Certainty::Accepted => 0,
        Certainty::Review => 1,
        Certainty::Unknown => 2,
    }
}

pub(super) fn certainty(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Certainty>> {
    let Some(stored) = row.get::<_, Option<i64>>(column)? else {
        return Ok(None);
    };
    let certainty = Certainty::ALL
        .into_iter()
        .find(|certainty| code(*certainty) == stored);
    certainty
        .map(Some)
        .ok_or_else(|| bad_value(column, stored.to_string(), "a certainty from 0 to 2"))
}

pub(super) fn label(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Label>> {
    let Some(index) = row.get::<_, Option<i64>>(column)? else {
        return Ok(None);
    };
    let label = usize::try_from(index).ok().and_then(Label::from_index);
    label
        .map(Some)
        .ok_or_else(|| bad_value(column, index.to_string(), "a label's position from 0 to 9"))
}

pub(super) fn confidence(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Confidence>> {
    let Some(value) = row.get::<_, Option<f64>>(column)? else {
        return Ok(None);
    };
    Confidence::new(value as f32)
        .map(Some)
        .map_err(|_| bad_value(column, value.to_string(), "a confidence from 0 to 1"))
}

/// Reads the JSON array that the writer made; each number straight into f32, so that it is the same one again.
pub(super) fn scores(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Scores>> {
    let Some(text) = row.get_ref(column)?.as_str_or_null()? else {
        return Ok(None);
    };
    let mut values = [0.0f32; LABEL_COUNT];
    let mut numbers = text.trim_matches(['[', ']']).split(',');
    let is_complete = values.iter_mut().all(|value| {
        let number = numbers.next().and_then(|number| number.trim().parse().ok());
        number.map(|number| *value = number).is_some()
    });
    match Scores::new(values) {
        Ok(scores) if is_complete && numbers.next().is_none() => Ok(Some(scores)),
        _ => Err(bad_value(
            column,
            text.to_owned(),
            "an array of ten probabilities",
        )),
    }
}

pub(super) fn content_hash(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<ContentHash>> {
    let Some(bytes) = row.get_ref(column)?.as_blob_or_null()? else {
        return Ok(None);
    };
    let hash = <[u8; 32]>::try_from(bytes).map(ContentHash::from_bytes);
    hash.map(Some)
        .map_err(|_| bad_value(column, crate::domain::hex(bytes), "a hash of 32 bytes"))
}

pub(super) fn model(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<ModelId>> {
    let Some(text) = row.get::<_, Option<String>>(column)? else {
        return Ok(None);
    };
    let model = ModelId::from_sha256(&text);
    model
        .map(Some)
        .map_err(|_| bad_value(column, text, "a model's 16 hexadecimal digits"))
}

pub(super) fn device(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Device>> {
    let Some(text) = row.get::<_, Option<String>>(column)? else {
        return Ok(None);
    };
    text.parse()
        .map(Some)
        .map_err(|_| bad_value(column, text, "a device (cpu, cuda)"))
}

pub(super) fn reason(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<RejectionReason>> {
    let Some(text) = row.get::<_, Option<String>>(column)? else {
        return Ok(None);
    };
    let reason = RejectionReason::ALL
        .into_iter()
        .find(|reason| reason.code() == text);
    reason
        .map(Some)
        .ok_or_else(|| bad_value(column, text, "a reason for a rejection that this hangtag knows"))
}

/// Size, modification time and inode, from three columns in this order.
pub(super) fn stamp(row: &Row<'_>, first_column: usize) -> rusqlite::Result<Option<FileStamp>> {
    let Some(size) = row.get::<_, Option<i64>>(first_column)? else {
        return Ok(None);
    };
    Ok(Some(FileStamp {
        size: size.cast_unsigned(),
        mtime_ns: row.get(first_column + 1)?,
        inode: row.get::<_, i64>(first_column + 2)?.cast_unsigned(),
    }))
}

pub(super) fn json(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<serde_json::Value>> {
    let Some(text) = row.get::<_, Option<String>>(column)? else {
        return Ok(None);
    };
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|_| bad_value(column, text, "JSON"))
}

/// One of the values of an enum, by its word.
pub(super) fn word<T: Copy>(row: &Row<'_>, column: usize, words: Words<T>) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    let found = words
        .all
        .iter()
        .copied()
        .find(|value| (words.name)(*value) == text);
    found.ok_or_else(|| bad_value(column, text, words.expected))
}

/// The values of an enum and their words in the database.
pub(super) struct Words<T: 'static> {
    pub(super) all: &'static [T],
    pub(super) name: fn(T) -> &'static str,
    /// Worded to follow "is not".
    pub(super) expected: &'static str,
}

/// A value that a constraint of the table promises.
pub(super) fn present<T>(value: Option<T>, column: usize, expected: &'static str) -> rusqlite::Result<T> {
    value.ok_or_else(|| bad_value(column, "NULL".into(), expected))
}

pub(super) fn bad_value(column: usize, value: String, expected: &'static str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Null, Box::new(BadValue { value, expected }))
}

/// Serialises by `Display`.
pub(super) fn as_text<T: std::fmt::Display, S: Serializer>(
    value: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

pub(super) fn as_optional_text<T: std::fmt::Display, S: Serializer>(
    value: &Option<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}

/// Serialises scores as an object label -> probability, in label order.
pub(super) fn as_label_map<S: Serializer>(scores: &Option<Scores>, serializer: S) -> Result<S::Ok, S::Error> {
    match scores {
        Some(scores) => serializer.collect_map(Label::all().zip(scores.values())),
        None => serializer.serialize_none(),
    }
}
