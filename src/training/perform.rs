//! Carries out a [`Job`]: the rebuild in a process of its own, from its job to its conclusion.
//!
//! In: the job, the data set, somebody who can open bundles. Out: the files of the run's folder, the [`Conclusion`]
//! last. Never: the store, a verdict (who asked for the run judges), a test picture looked at before the epoch was
//! chosen.

use std::collections::HashSet;
use std::path::Path;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::calibrate::{ReliabilityBin, reliability_bins};
use super::corrections::{CorrectionWeight, Material, MaterialSummary, mix, prepare_blocking};
use super::dataset::{DataSet, Images};
use super::evaluate::{Evaluation, Judged};
use super::gate::{Candidate, Measured, Verdict, WarmUp};
use super::job::{CorrectionNote, Job, RunFolder, RunFolderError};
use super::lessons::Photos;
use super::manifest::{in_short, learned_by};
use super::out_of_fold::OutOfFold;
use super::parameters::{ParameterError, TrainParameters};
use super::rebuild::{OpenBundle, Outcome, Rebuild, RebuildError, Rebuilt, Shop, rebuild_blocking};
use super::report::{self, Report, ReportError, Samples};
use super::schedule::Trigger;
use super::summary;
use super::train::{Checkpointing, EpochRecord, Flow, Observer, Progress};
use super::tune;
use crate::domain::{ArchitectureName, ContentHash, ParseError, Prediction, Timestamp, held_out};
use crate::model::{BundleError, ModelBundle};

mod fingerprint;
mod measure;
mod start;

pub use fingerprint::fingerprint;
use measure::{Measuring, OutOfFoldAnswers};
pub use start::{base_of, begins_with, wants_base};

/// How a run's process ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "ended")]
pub enum Conclusion {
    /// With a bundle, and what was measured of it.
    Finished(Box<Findings>),
    /// It was told to end; the checkpoint of the last whole epoch is there.
    Stopped {
        /// How far it came.
        reason: String,
    },
    /// By an error.
    Failed {
        /// Which.
        reason: String,
    },
}

/// What was measured, for the gate and for people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Findings {
    /// The exported model, through ONNX Runtime.
    pub candidate: Candidate,
    /// Id of the model in service that was asked the same.
    pub in_service_model: String,
    /// How that one did.
    pub in_service: Measured,
    /// Everything else about the run; its verdict and trigger are filled in by who judges.
    pub report: Report,
    /// For each correction that was learned at the end, the answer of a network that has not seen it; for those that were not
    /// learned, the candidate's own.
    #[serde(default)]
    pub out_of_fold: Vec<OutOfFold>,
}

/// A job that could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum PerformError {
    /// A file of the run's folder.
    #[error(transparent)]
    Folder(#[from] RunFolderError),
    /// Training, exporting or measuring.
    #[error(transparent)]
    Rebuild(#[from] RebuildError),
    /// A parameter cannot be.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// The bundle could not be written, or the one in service not be read.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The exported model does not open or answer.
    #[error("the exported model cannot be asked: {0}")]
    Candidate(BoxedError),
    /// The model in service does not open or answer.
    #[error("the model in service cannot be asked, so that the new one cannot be compared with it: {0}")]
    InService(BoxedError),
    /// A hash or label of the job is none.
    #[error("the job of this run is unusable: {0}")]
    Job(#[from] ParseError),
}

type BoxedError = Box<dyn std::error::Error + Send + Sync>;

/// Whether the process that carries the job out is to end.
pub type IsStopped<'a> = &'a (dyn Fn() -> bool + Sync);

/// Carries out `job`; goes on from the folder's checkpoint if there is one.
pub fn perform_blocking(
    (job, folder): (&Job, &RunFolder),
    data: DataSet,
    open: OpenBundle<'_>,
    is_stopped: IsStopped<'_>,
) -> Result<Conclusion, PerformError> {
    let started_at: Timestamp = SystemTime::now().into();
    let corrections = job
        .corrections
        .iter()
        .map(CorrectionNote::parse)
        .collect::<Result<Vec<_>, _>>()?;
    let material = prepare_blocking(&job.corrections_dir, &corrections);
    let weight = CorrectionWeight::new(job.correction_weight)?;
    let in_service = ModelBundle::load(&job.in_service)?;
    let (base, start) = start::of(job, &in_service, (&material, &data.files)).unzip();
    let usable = usable(job, &material);
    let learned = (usable.as_slice(), job.correction_weight, base.as_ref());
    let print = fingerprint(&data.files, &job.parameters, learned);
    let prepared = prepare(job, data, (&material, weight))?;
    let (data, lessons) = (prepared.data, &prepared.lessons);
    let known = material.known(|hash| prepared.learned.contains(hash));
    let held_out = material.photos.only(|number| !known[number]);
    let summary = (!corrections.is_empty())
        .then(|| MaterialSummary::of(&material, prepared.learned.len(), prepared.seen));
    let checkpoint = folder.checkpoint_path();
    let rebuild = Rebuild {
        data: &data,
        parameters: &prepared.parameters,
        checkpoint: if checkpoint.is_file() {
            Checkpointing::Resume(&checkpoint)
        } else {
            Checkpointing::Fresh(&checkpoint)
        },
        start: start.as_ref(),
        shop: Shop {
            photos: lessons,
            hashes: &prepared.learned,
            photo_share: weight.get(),
            held_out: &held_out,
            target_precision: job.target_precision,
        },
        fingerprint: Some(&print),
    };
    let mut telling = Telling {
        folder,
        is_stopped,
        trouble: None,
    };
    let rebuilt = match rebuild_blocking(&rebuild, &mut telling, open)? {
        Outcome::Rebuilt(rebuilt) => rebuilt,
        Outcome::Stopped(history) => {
            return Ok(match telling.trouble {
                Some(reason) => Conclusion::Failed { reason },
                None => Conclusion::Stopped {
                    reason: format!("stopped after {} whole epochs", history.len()),
                },
            });
        }
    };
    rebuilt.bundle.write(&folder.bundle_path())?;
    // A network that finds corrections among its rows has no such answers.
    let learned = prepared.learned.iter().copied();
    let out_of_fold: Vec<_> = learned.zip(rebuilt.out_of_fold.iter().copied()).collect();
    let by_service = job.in_service_out_of_fold.iter().map(OutOfFold::parse);
    let by_service = by_service.collect::<Result<OutOfFoldAnswers, _>>()?;
    let audited = job.audited.iter().map(|hash| hash.parse());
    let measuring = Measuring {
        data: &data,
        photos: &material,
        corrections_dir: &job.corrections_dir,
        audited: &audited.collect::<Result<_, _>>()?,
        open,
    };
    let candidate = measuring
        .ask(&rebuilt.bundle, &out_of_fold.iter().copied().collect())
        .map_err(PerformError::Candidate)?;
    let against = measuring
        .ask(&in_service, &by_service)
        .map_err(PerformError::InService)?;
    let [measured, in_service_measured] = measuring.compare(&candidate, &against);
    let photos = measuring.judged(&candidate);
    let report = report_of(
        job,
        (&data, started_at),
        &rebuilt,
        (&candidate.test, &photos, summary),
    );
    let out_of_fold = measuring
        .unseeing(&candidate)
        .filter(|(hash, _)| is_evidence(job, hash))
        .map(|(hash, prediction)| OutOfFold::new(&hash, &prediction));
    Ok(Conclusion::Finished(Box::new(Findings {
        candidate: Candidate {
            measured,
            parity_difference: rebuilt.parity_difference,
            // Every score was read as a probability, which no number outside 0..=1 is.
            warm_up: WarmUp::Finite,
            forgotten: forgotten(&material, &in_service),
        },
        in_service_model: in_service.id().to_string(),
        in_service: in_service_measured,
        report,
        out_of_fold: out_of_fold.collect(),
    })))
}

/// The corrections of a job that can be learned: those whose pictures can be read.
pub fn usable_blocking(job: &Job) -> Result<Vec<CorrectionNote>, ParseError> {
    let corrections = job.corrections.iter().map(CorrectionNote::parse);
    let material = prepare_blocking(&job.corrections_dir, &corrections.collect::<Result<Vec<_>, _>>()?);
    Ok(usable(job, &material))
}

fn usable(job: &Job, material: &Material) -> Vec<CorrectionNote> {
    let unusable: HashSet<&str> = material.unusable.iter().map(|one| one.hash.as_str()).collect();
    let is_usable = |note: &&CorrectionNote| !unusable.contains(note.content_hash.as_str());
    job.corrections.iter().filter(is_usable).cloned().collect()
}

/// Whether an answer for a photo that was not learned may stand for the model on record. A plain network learns four in five
/// photos of the classes and none of the others: with all of those, a random draw would be one of mostly watches.
fn is_evidence(job: &Job, hash: &ContentHash) -> bool {
    job.parameters.architecture == ArchitectureName::Residual || held_out(hash)
}

/// How many corrections a model has learned that cannot be learned any more. What the settings of a run leave out is left to them.
fn forgotten(material: &Material, in_service: &ModelBundle) -> u64 {
    let learned = learned_by(in_service);
    let unusable = material.unusable.iter().filter_map(|one| one.hash.parse().ok());
    unusable
        .filter(|hash| learned.contains(in_short(hash).as_str()))
        .count() as u64
}

/// A data set as a network wants it, and the photos that it learns besides.
struct Prepared {
    data: DataSet,
    parameters: TrainParameters,
    /// What is learned at the end.
    lessons: Photos,
    /// The corrections that are learned, at the end or among the rows.
    learned: Vec<ContentHash>,
    /// How often each correction is seen, and their share of what is seen.
    seen: (usize, f64),
}

/// A residual network learns all corrections at the end, and is judged by networks that have not seen this one or that
/// one. A plain network finds corrections among its training rows, which nothing is without afterwards: one in five is held
/// out; and it cannot learn what shows none of the classes.
fn prepare(
    job: &Job,
    data: DataSet,
    (material, weight): (&Material, CorrectionWeight),
) -> Result<Prepared, ParameterError> {
    if job.parameters.architecture == ArchitectureName::Residual {
        let knows = job.parameters.knows_unknown();
        let learned = material.only(|_, truth| weight.get() > 0.0 && (knows || truth.label().is_some()));
        return Ok(Prepared {
            seen: tune::seen(learned.photos.len(), weight.get()),
            parameters: job.parameters.clone(),
            data,
            lessons: learned.photos,
            learned: learned.hashes,
        });
    }
    let for_rows = material.only(|hash, truth| truth.label().is_some() && !held_out(hash));
    let mixed = mix(data.train, &for_rows.photos.labelled(), weight, &job.parameters)?;
    let mut files = data.files;
    files.extend(mixed.record.clone());
    Ok(Prepared {
        data: DataSet {
            train: mixed.images,
            test: data.test,
            files,
        },
        parameters: mixed.parameters,
        lessons: Photos::default(),
        learned: match mixed.share > 0.0 {
            true => for_rows.hashes,
            false => Vec::new(),
        },
        seen: (mixed.repetitions, mixed.share),
    })
}

impl Conclusion {
    /// Which model the candidate was measured against, if it came to that.
    pub fn was_measured_against(&self) -> Option<&str> {
        match self {
            Conclusion::Finished(findings) => Some(&findings.in_service_model),
            Conclusion::Stopped { .. } | Conclusion::Failed { .. } => None,
        }
    }

    /// The id of the model that came of it, if it came to that.
    pub fn candidate(&self) -> Option<&str> {
        match self {
            Conclusion::Finished(findings) => Some(findings.report.model.as_str()),
            Conclusion::Stopped { .. } | Conclusion::Failed { .. } => None,
        }
    }
}

impl Findings {
    /// Writes `report.html` and `report.json`, with what was decided.
    pub fn write_report_blocking(
        &self,
        folder: &Path,
        trigger: Option<Trigger>,
        verdict: &Verdict,
    ) -> Result<(), ReportError> {
        let report = Report {
            trigger,
            verdict: Some(verdict.clone()),
            ..self.report.clone()
        };
        report.write_blocking(folder)
    }
}

fn reliability(images: &Images, predictions: &[Prediction]) -> Vec<ReliabilityBin> {
    let tops = || predictions.iter().map(|prediction| prediction.scores.top());
    let confidences: Vec<f32> = tops().map(|(_, confidence)| confidence.get()).collect();
    let correct: Vec<bool> = tops()
        .zip(&images.labels)
        .map(|((top, _), label)| top == *label)
        .collect();
    reliability_bins(&confidences, &correct).to_vec()
}

fn report_of(
    job: &Job,
    (data, started_at): (&DataSet, Timestamp),
    rebuilt: &Rebuilt,
    (test, photos, corrections): (&[Prediction], &[Judged], Option<MaterialSummary>),
) -> Report {
    Report {
        run: Some(job.run),
        trigger: None,
        hangtag_version: env!("CARGO_PKG_VERSION").into(),
        started_at,
        ended_at: SystemTime::now().into(),
        peak_memory_bytes: report::peak_memory_bytes_blocking(),
        parameters: job.parameters.clone(),
        data: data.files.clone(),
        corrections,
        layers: summary::layers(&job.parameters.network()),
        epochs: rebuilt.history.iter().map(Into::into).collect(),
        chosen_epoch: rebuilt.chosen_epoch,
        model: rebuilt.bundle.id().clone(),
        model_bytes: rebuilt.bundle.onnx().len() as u64,
        evaluation: rebuilt.evaluation.clone(),
        reliability: reliability(&data.test, test),
        calibration: rebuilt.bundle.manifest().calibration.clone(),
        photos: (!photos.is_empty()).then(|| Evaluation::of(photos)),
        samples: Samples::of(&data.test, test),
        verdict: None,
    }
}

/// Writes a line for each epoch, and hears when it is to end.
struct Telling<'a> {
    folder: &'a RunFolder,
    is_stopped: IsStopped<'a>,
    trouble: Option<String>,
}

impl Telling<'_> {
    fn tell(&mut self, epoch: &EpochRecord) {
        if let Err(error) = self.folder.add_progress_blocking(&epoch.into()) {
            // Hours on a full disk would be for nothing: the bundle could not be written either.
            self.trouble = Some(error.to_string());
        }
    }

    fn flow(&self) -> Flow {
        if self.trouble.is_some() || (self.is_stopped)() {
            Flow::Stop
        } else {
            Flow::Continue
        }
    }
}

impl Observer for Telling<'_> {
    fn resumed(&mut self, history: &[EpochRecord]) {
        history.iter().for_each(|epoch| self.tell(epoch));
    }

    fn progress(&mut self, _progress: &Progress) -> Flow {
        self.flow()
    }

    fn epoch_done(&mut self, record: &EpochRecord) -> Flow {
        self.tell(record);
        self.flow()
    }
}
