//! Data set -> trained network -> exported file -> figures -> bundle: the whole of journey 2 but for the gate.
//!
//! In: pictures, parameters, and somebody who can open an exported bundle. Out: a [`Rebuilt`] bundle whose figures
//! were measured on the exported file. Never: a figure taken from the trainer's own network, or the test set looked
//! at before the epoch was chosen.

use serde_json::json;

use super::calibrate;
use super::dataset::{DataSet, Images};
use super::evaluate::Evaluation;
use super::export::{Tempering, to_onnx};
use super::lessons::Photos;
use super::manifest::manifest;
use super::network::Network;
use super::samples::worth_drawing;
use super::scoring::{
    calibration_error, evaluate_images, log_scores, parity_difference, score_images, score_photos, tempered,
};
use super::thresholds::{self, FitOptions, Sample};
use super::train::{
    self, Checkpointing, EpochRecord, Observer, TrainError, TrainParameters, TrainingJob, train_blocking,
};
use super::tune::{Tuned, Tuning};
use crate::domain::{Basis, ContentHash, INPUT_LEN, ParseError, Prediction, Thresholds};
use crate::model::bundle::{Calibration, Manifest, ModelBundle};
use crate::model::{BundleError, Classifier, ClassifyError};
use crate::preprocess;

/// What a rebuild needs.
#[derive(Debug, Clone, Copy)]
pub struct Rebuild<'a> {
    /// Pictures to learn from and to be judged by.
    pub data: &'a DataSet,
    /// How to train.
    pub parameters: &'a TrainParameters,
    /// Anew or from a checkpoint, and where the state after each epoch is kept.
    pub checkpoint: Checkpointing<'a>,
    /// A trained network that learns corrected photos, in the place of a training from the first weight on.
    pub start: Option<&'a Network>,
    /// Corrected photos.
    pub shop: Shop<'a>,
    /// Stands for all that decides the bytes that come of it; kept in the manifest.
    pub fingerprint: Option<&'a str>,
}

/// A shop's own photos in a rebuild.
#[derive(Debug, Clone, Copy)]
pub struct Shop<'a> {
    /// To learn from.
    pub photos: &'a Photos,
    /// Content hashes of all corrections that are learned, be it from `photos` or among the data set's rows.
    pub hashes: &'a [ContentHash],
    /// Share of the pictures of their lessons that they are, 0..1.
    pub photo_share: f64,
    /// Not learned: these judge, too.
    pub held_out: &'a Photos,
    /// Accepted tags shall be right at least so often, 0..1.
    pub target_precision: f64,
}

impl Shop<'static> {
    /// Of a rebuild by Fashion-MNIST alone.
    pub fn none(target_precision: f64) -> Self {
        static NO_PHOTOS: Photos = Photos {
            pixels: Vec::new(),
            sketches: Vec::new(),
            truths: Vec::new(),
        };
        Self {
            photos: &NO_PHOTOS,
            hashes: &[],
            photo_share: 0.0,
            held_out: &NO_PHOTOS,
            target_precision,
        }
    }
}

/// What came of it.
pub struct Rebuilt {
    /// Every epoch.
    pub history: Vec<EpochRecord>,
    /// Which epoch is in the bundle.
    pub chosen_epoch: u32,
    /// The exported model with its manifest.
    pub bundle: ModelBundle,
    /// The exported file on the test set.
    pub evaluation: Evaluation,
    /// Largest difference of a probability between the trainer's network and the exported file, over the first
    /// test pictures.
    pub parity_difference: f64,
    /// For each of the shop's photos that were learned, the answer of a network that has not seen it.
    pub out_of_fold: Vec<Prediction>,
}

/// How a rebuild ended.
pub enum Outcome {
    /// With a bundle.
    Rebuilt(Box<Rebuilt>),
    /// The observer stopped it; the checkpoint is there to be resumed. Holds the epochs that are done.
    Stopped(Vec<EpochRecord>),
}

/// A rebuild that failed.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum RebuildError {
    #[error(transparent)]
    Train(#[from] TrainError),
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error("the exported model cannot be opened: {0}")]
    Open(Box<dyn std::error::Error + Send + Sync>),
    #[error("the exported model does not answer: {0}")]
    Classify(#[from] ClassifyError),
    #[error("the trained network gives what is no probability: {0}")]
    Answer(#[from] ParseError),
}

/// Opens an exported bundle as the service would.
pub type OpenBundle<'a> =
    &'a dyn Fn(&ModelBundle) -> Result<Box<dyn Classifier>, Box<dyn std::error::Error + Send + Sync>>;

/// Trains, lets the network learn corrected photos, tempers its confidence, exports, evaluates.
pub fn rebuild_blocking(
    rebuild: &Rebuild<'_>,
    observer: &mut dyn Observer,
    open: OpenBundle<'_>,
) -> Result<Outcome, RebuildError> {
    let base = match rebuild.start {
        Some(start) => Base::from_start(start),
        None => match Base::trained(rebuild, observer)? {
            Ok(base) => base,
            Err(history) => return Ok(Outcome::Stopped(history)),
        },
    };
    let Some(learned) = learn_photos(rebuild, &base.network, observer)? else {
        return Ok(Outcome::Stopped(base.history));
    };
    let network = &learned.network;
    let exporting = Exporting {
        rebuild,
        open,
        chosen_epoch: base.chosen_epoch,
        network,
    };
    let validation = rebuild.validation_images();
    let (_, mut untempered) = exporting.bundle(1.0)?;
    let answers = score_images(untempered.as_mut(), &validation)?;
    let temperature = calibrate::fit_temperature(&log_scores(&answers), &validation.labels).unwrap_or(1.0);
    let (bundle, mut classifier) = exporting.bundle(temperature)?;
    let answers = score_images(classifier.as_mut(), &validation)?;
    let out_of_fold = tempered(&learned.out_of_fold, temperature)?;
    let evaluation = evaluate_images(classifier.as_mut(), &rebuild.data.test)?;
    let parity_difference = parity_difference(network, temperature, classifier.as_mut(), &rebuild.data.test)?;
    let held_out = score_photos(classifier.as_mut(), rebuild.shop.held_out)?;
    let calibration = Calibration {
        temperature,
        basis: Basis::Validation,
        samples: validation.len() as u64,
        expected_calibration_error: calibration_error(&answers, &validation.labels),
        thresholds: thresholds(rebuild, (&answers, &validation), (&out_of_fold, &held_out)),
    };
    let last = base
        .history
        .iter()
        .find(|record| record.epoch == base.chosen_epoch);
    let figures = json!({
        "test_images": evaluation.images,
        "test_accuracy": evaluation.accuracy,
        "test_loss": evaluation.loss,
        "validation_accuracy": last.map(|record| record.val_accuracy),
        "validation_loss": last.map(|record| record.val_loss),
    });
    let manifest = Manifest {
        figures,
        calibration: Some(calibration),
        ..bundle.manifest().clone()
    };
    Ok(Outcome::Rebuilt(Box::new(Rebuilt {
        bundle: ModelBundle::from_bytes(bundle.onnx().to_vec(), manifest)?,
        history: base.history,
        chosen_epoch: base.chosen_epoch,
        evaluation,
        parity_difference,
        out_of_fold,
    })))
}

/// What corrected photos are learned on top of.
struct Base {
    history: Vec<EpochRecord>,
    chosen_epoch: u32,
    network: Network,
}

impl Base {
    /// From Fashion-MNIST, from the first weight on; `Err` holds the epochs that were done when the observer stopped it.
    fn trained(
        rebuild: &Rebuild<'_>,
        observer: &mut dyn Observer,
    ) -> Result<Result<Self, Vec<EpochRecord>>, TrainError> {
        let job = TrainingJob {
            architecture: rebuild.parameters.network(),
            parameters: rebuild.parameters,
            images: &rebuild.data.train,
            photos: &Photos::default(),
            files: &rebuild.data.files,
            checkpoint: rebuild.checkpoint,
        };
        let trained = train_blocking(&job, observer)?;
        let (train::Ended::Finished, Some(best)) = (trained.ended, trained.best) else {
            return Ok(Err(trained.history));
        };
        Ok(Ok(Self {
            history: trained.history,
            chosen_epoch: best.epoch,
            network: best.network,
        }))
    }

    fn from_start(start: &Network) -> Self {
        Self {
            history: Vec::new(),
            chosen_epoch: 0,
            network: start.clone(),
        }
    }
}

/// What corrected photos make of a network; `None` if the observer stopped it.
fn learn_photos(
    rebuild: &Rebuild<'_>,
    start: &Network,
    observer: &mut dyn Observer,
) -> Result<Option<Tuned>, RebuildError> {
    if rebuild.shop.photos.is_empty() {
        return Ok(Some(Tuned {
            network: start.clone(),
            out_of_fold: Vec::new(),
        }));
    }
    let tuning = Tuning {
        start,
        images: &rebuild.data.train,
        photos: rebuild.shop.photos,
        parameters: rebuild.parameters,
        photo_share: rebuild.shop.photo_share,
    };
    Ok(tuning.tune_blocking(observer)?)
}

/// Thresholds from the shop's photos where there are enough of them, else from the validation pictures.
fn thresholds(
    rebuild: &Rebuild<'_>,
    (answers, validation): (&[Prediction], &Images),
    (out_of_fold, held_out): (&[Prediction], &[Prediction]),
) -> Thresholds {
    // Nothing is held out of which the picture was learned.
    let learned = samples_of(rebuild.shop.photos, out_of_fold);
    let photos: Vec<Sample> = learned
        .chain(samples_of(rebuild.shop.held_out, held_out))
        .collect();
    let known = photos.iter().filter(|sample| sample.truth.is_some()).count() as u64;
    let target = rebuild.shop.target_precision;
    let options = FitOptions::of(Basis::Corrections);
    if known >= thresholds::least_samples(target, thresholds::LEVEL) {
        let fitted = thresholds::fit(&photos, target, options);
        if fitted.accepted == 0 {
            tracing::warn!(
                "no tag of the rebuilt model will be accepted: it is not right in {:.1} % of any large part of the {known} corrections; \
                 `hangtag review --audit {}` draws photos that may show more",
                target * 100.0,
                worth_drawing(target)
            );
        }
        return fitted;
    }
    let pairs = validation.labels.iter().zip(answers);
    let samples: Vec<Sample> = pairs
        .map(|(&label, &prediction)| Sample {
            truth: Some(label),
            prediction,
        })
        .collect();
    thresholds::fit(&samples, target, FitOptions::of(Basis::Validation))
}

/// Each picture once, with what was said of it.
fn samples_of(photos: &Photos, answers: &[Prediction]) -> impl Iterator<Item = Sample> {
    let truths = photos.truths.iter().zip(answers).zip(photos.firsts());
    truths.filter_map(|((truth, &prediction), is_first)| {
        is_first.then_some(Sample {
            truth: truth.label(),
            prediction,
        })
    })
}

/// Makes bundles of one network.
struct Exporting<'a> {
    rebuild: &'a Rebuild<'a>,
    open: OpenBundle<'a>,
    chosen_epoch: u32,
    network: &'a Network,
}

impl Exporting<'_> {
    /// The bundle at this temperature, and somebody to ask.
    fn bundle(&self, temperature: f64) -> Result<(ModelBundle, Box<dyn Classifier>), RebuildError> {
        let tempering = Tempering {
            temperature,
            knows_unknown: self.rebuild.parameters.knows_unknown(),
        };
        let onnx = to_onnx(self.network, tempering, preprocess::VERSION);
        let manifest = manifest(self.rebuild, &onnx, self.chosen_epoch);
        let bundle = ModelBundle::from_bytes(onnx, manifest)?;
        let classifier = (self.open)(&bundle).map_err(RebuildError::Open)?;
        Ok((bundle, classifier))
    }
}

impl Rebuild<'_> {
    /// The rows that no epoch trained on.
    fn validation_images(&self) -> Images {
        let rows = self
            .parameters
            .check(self.data.train.len())
            .map_or(0..0, |split| split.train..split.train + split.validation);
        Images {
            pixels: self.data.train.pixels[rows.start * INPUT_LEN..rows.end * INPUT_LEN].to_vec(),
            labels: self.data.train.labels[rows].to_vec(),
        }
    }
}

#[cfg(test)]
mod tests;
