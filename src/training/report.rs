//! What a training run leaves for people to look at: `report.html`, and the same as `report.json`.
//!
//! In: what the run was, how it went and what came of it. Out: two files, each whole or absent, that need no network
//! and no other file; the JSON is read again, so that the gate's verdict can be added by who judges later. Never: a
//! figure that the run did not measure itself, a script.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::calibrate::ReliabilityBin;
use super::corrections::MaterialSummary;
use super::dataset::{FileRecord, Images};
use super::evaluate::Evaluation;
use super::gate::Verdict;
use super::parameters::TrainParameters;
use super::schedule::Trigger;
use super::summary::LayerRow;
use super::train::EpochRecord;
use crate::domain::{Confidence, Label, ModelId, Prediction, Timestamp};
use crate::durable;
use crate::model::bundle::Calibration;

mod charts;
mod page;
mod picture;
mod reliability;

/// Name of the page in a run's folder.
pub const HTML_FILE: &str = "report.html";
/// Name of the same as JSON.
pub const JSON_FILE: &str = "report.json";

/// A training run, told to the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The run's number; `None` if it is not on record.
    pub run: Option<i64>,
    /// Why it was made; `None`: by `hangtag train`.
    pub trigger: Option<Trigger>,
    /// The hangtag that trained.
    pub hangtag_version: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When all but the gate was done.
    pub ended_at: Timestamp,
    /// Most memory that the process ever held, in bytes.
    pub peak_memory_bytes: Option<u64>,
    /// How it was trained.
    pub parameters: TrainParameters,
    /// The data set's files.
    pub data: Vec<FileRecord>,
    /// What corrections were mixed in; `None` if none were looked for.
    pub corrections: Option<MaterialSummary>,
    /// The network.
    pub layers: Vec<LayerRow>,
    /// Every epoch, in order.
    pub epochs: Vec<EpochFigures>,
    /// Which of them was exported.
    pub chosen_epoch: u32,
    /// The exported model.
    pub model: ModelId,
    /// Bytes of its `model.onnx`.
    pub model_bytes: u64,
    /// The exported file on the test set.
    pub evaluation: Evaluation,
    /// Its confidences on the test set and how often they were right, in bins; none in reports of older runs.
    #[serde(default)]
    pub reliability: Vec<ReliabilityBin>,
    /// What was made of its confidence.
    #[serde(default)]
    pub calibration: Option<Calibration>,
    /// On corrections, each answered by a network that has not learned it; `None` without any.
    pub photos: Option<Evaluation>,
    /// Test pictures to look at.
    pub samples: Samples,
    /// What the gate decided; `None` while or where it did not.
    pub verdict: Option<Verdict>,
}

/// What one epoch came to; a loss is `None` where it was no number.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EpochFigures {
    /// From 1.
    pub epoch: u32,
    /// Wall time, validation included.
    pub seconds: f64,
    /// Mean cross-entropy over the training pictures.
    pub loss: Option<f64>,
    /// Share of right answers among them, 0..=1.
    pub accuracy: f64,
    /// Mean cross-entropy of the validation pictures.
    pub val_loss: Option<f64>,
    /// Share of right answers among them, 0..=1.
    pub val_accuracy: f64,
}

/// Pictures with what they are and what they were taken for.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Samples {
    /// Right ones, some of each class.
    pub right: Vec<Sample>,
    /// Wrong ones, the most confident first.
    pub wrong: Vec<Sample>,
}

/// One picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Its place in the test set, from 0.
    pub index: usize,
    /// What it is.
    pub truth: Label,
    /// What it was taken for.
    pub answer: Label,
    /// How sure the model was.
    pub confidence: Confidence,
    /// A PNG of 28x28 grey pixels; in JSON a `data:` URI.
    #[serde(with = "picture::data_uri")]
    pub png: Vec<u8>,
}

/// A report that could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// Not written.
    #[error("the report of a training run is missing: {0}")]
    Write(#[from] durable::WriteError),
    /// Not read.
    #[error("could not read the report {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Read, but it is no report.
    #[error("{path} is no report of this hangtag: {source}")]
    Content {
        /// The file.
        path: PathBuf,
        /// Line, column and cause.
        source: serde_json::Error,
    },
}

impl Report {
    /// Puts both files into `folder`, replacing what was there; the page comes last.
    pub fn write_blocking(&self, folder: &Path) -> Result<(), ReportError> {
        let mut json = serde_json::to_vec_pretty(self).expect("a report has only string keys; this is a bug");
        json.push(b'\n');
        durable::write_file(&folder.join(JSON_FILE), &json)?;
        durable::write_file(&folder.join(HTML_FILE), self.to_html().as_bytes())?;
        Ok(())
    }

    /// Reads the JSON in `folder`.
    pub fn read_blocking(folder: &Path) -> Result<Self, ReportError> {
        let path = folder.join(JSON_FILE);
        let json = std::fs::read(&path).map_err(|source| ReportError::Read {
            path: path.clone(),
            source,
        })?;
        serde_json::from_slice(&json).map_err(|source| ReportError::Content { path, source })
    }

    /// The page: one file that fetches nothing and runs nothing.
    pub fn to_html(&self) -> String {
        page::render(self)
    }
}

impl Samples {
    /// Two right answers of each class, and the twenty wrong ones that the model was surest of.
    ///
    /// `answers` are those for `images`, in their order.
    pub fn of(images: &Images, answers: &[Prediction]) -> Self {
        /// Right ones of each class.
        const RIGHT_PER_CLASS: usize = 2;
        /// Wrong ones in all.
        const WRONG: usize = 20;
        let answered = || {
            images
                .labels
                .iter()
                .copied()
                .zip(answers.iter().map(|answer| answer.scores.top()))
                .enumerate()
        };
        let right = Label::all().flat_map(|label| {
            answered()
                .filter(move |(_, (truth, (answer, _)))| *truth == label && answer == truth)
                .take(RIGHT_PER_CLASS)
        });
        let mut wrong: Vec<_> = answered()
            .filter(|(_, (truth, (answer, _)))| answer != truth)
            .collect();
        wrong.sort_by(|(_, (_, (_, one))), (_, (_, (_, other)))| other.get().total_cmp(&one.get()));
        wrong.truncate(WRONG);
        let sample = |(index, (truth, (answer, confidence)))| {
            let pixels = images.pixels_of(index)?;
            Some(Sample {
                index,
                truth,
                answer,
                confidence,
                png: picture::png(pixels),
            })
        };
        Self {
            right: right.filter_map(sample).collect(),
            wrong: wrong.into_iter().filter_map(sample).collect(),
        }
    }
}

impl From<&EpochRecord> for EpochFigures {
    fn from(record: &EpochRecord) -> Self {
        let finite = |loss: f64| loss.is_finite().then_some(loss);
        Self {
            epoch: record.epoch,
            seconds: record.seconds,
            loss: finite(record.loss),
            accuracy: record.accuracy,
            val_loss: finite(record.val_loss),
            val_accuracy: record.val_accuracy,
        }
    }
}

/// Most memory that this process ever held, in bytes, as Linux counts it; `None` elsewhere.
pub fn peak_memory_bytes_blocking() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests;
