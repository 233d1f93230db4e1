//! Data set -> trained network -> exported file -> figures -> bundle: the whole of journey 2 but for the gate.
//!
//! In: pictures, parameters, and somebody who can open an exported bundle. Out: a [`Rebuilt`] bundle whose figures
//! were measured on the exported file. Never: a figure taken from the trainer's own network, or the test set looked
//! at before the epoch was chosen.

use std::time::SystemTime;

use serde_json::{Value, json};

use super::dataset::{DataSet, Images};
use super::evaluate::{Evaluation, Judged};
use super::export::to_onnx;
use super::network::{Architecture, Network};
use super::train::{
    self, Checkpointing, EpochRecord, Observer, TrainError, TrainParameters, TrainingJob, train_blocking,
};
use crate::domain::{INPUT_LEN, INPUT_SIDE, LABEL_COUNT, Label, Prediction, Timestamp};
use crate::model::bundle::{self, FORMAT, Manifest, ModelBundle, TensorSpec};
use crate::model::{BundleError, Classifier, ClassifyError};
use crate::preprocess::{self, InputTensor};

/// Pictures scored at once: the classifier cuts them into runs of its own.
const SCORED_AT_ONCE: usize = 256;
/// Pictures on which trainer and exported file are compared: each way through the layers is taken many times over.
const COMPARED_PICTURES: usize = 1_000;

/// What a rebuild needs.
#[derive(Debug, Clone, Copy)]
pub struct Rebuild<'a> {
    /// Pictures to learn from and to be judged by.
    pub data: &'a DataSet,
    /// How to train.
    pub parameters: &'a TrainParameters,
    /// Anew or from a checkpoint, and where the state after each epoch is kept.
    pub checkpoint: Checkpointing<'a>,
    /// Stands for all that decides the bytes that come of it; kept in the manifest.
    pub fingerprint: Option<&'a str>,
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
}

/// Opens an exported bundle as the service would.
pub type OpenBundle<'a> =
    &'a dyn Fn(&ModelBundle) -> Result<Box<dyn Classifier>, Box<dyn std::error::Error + Send + Sync>>;

/// Trains, exports, evaluates.
pub fn rebuild_blocking(
    rebuild: &Rebuild<'_>,
    observer: &mut dyn Observer,
    open: OpenBundle<'_>,
) -> Result<Outcome, RebuildError> {
    let architecture = Architecture::REFERENCE;
    let job = TrainingJob {
        architecture,
        parameters: rebuild.parameters,
        images: &rebuild.data.train,
        files: &rebuild.data.files,
        checkpoint: rebuild.checkpoint,
    };
    let trained = train_blocking(&job, observer)?;
    let (train::Ended::Finished, Some(best)) = (trained.ended, trained.best) else {
        return Ok(Outcome::Stopped(trained.history));
    };
    let onnx = to_onnx(&best.network, preprocess::VERSION);
    let manifest = manifest(rebuild, &onnx, best.epoch);
    let unmeasured = ModelBundle::from_bytes(onnx.clone(), manifest.clone())?;
    let mut classifier = open(&unmeasured).map_err(RebuildError::Open)?;
    let evaluation = evaluate_images(classifier.as_mut(), &rebuild.data.test)?;
    let parity_difference = parity_difference(&best.network, classifier.as_mut(), &rebuild.data.test)?;
    let validation = trained.history.iter().find(|record| record.epoch == best.epoch);
    let figures = json!({
        "test_images": evaluation.images,
        "test_accuracy": evaluation.accuracy,
        "test_loss": evaluation.loss,
        "validation_accuracy": validation.map(|record| record.val_accuracy),
        "validation_loss": validation.map(|record| record.val_loss),
    });
    let bundle = ModelBundle::from_bytes(onnx, Manifest { figures, ..manifest })?;
    let (history, chosen_epoch) = (trained.history, best.epoch);
    Ok(Outcome::Rebuilt(Box::new(Rebuilt {
        history,
        chosen_epoch,
        bundle,
        evaluation,
        parity_difference,
    })))
}

fn parity_difference(
    network: &Network,
    classifier: &mut dyn Classifier,
    images: &Images,
) -> Result<f64, ClassifyError> {
    let (pictures, _) = images.pixels.as_chunks::<INPUT_LEN>();
    let some = &pictures[..pictures.len().min(COMPARED_PICTURES)];
    let inputs: Vec<InputTensor> = some.iter().map(preprocess::from_idx).collect();
    let exported = classifier.classify(&inputs.iter().collect::<Vec<_>>())?;
    let values: Vec<f32> = inputs.iter().flat_map(|input| *input.values()).collect();
    let own = network.probabilities(&values);
    let differences = own.iter().zip(&exported).flat_map(|(own, exported)| {
        let pairs = own.iter().zip(exported.scores.values());
        pairs.map(|(own, exported)| f64::from((own - exported).abs()))
    });
    // `max` would pass over what is no number.
    Ok(differences.fold(0.0, |greatest: f64, difference| {
        if difference.is_nan() {
            difference
        } else {
            greatest.max(difference)
        }
    }))
}

/// Scores a model on labelled pictures of the data set.
pub fn evaluate_images(
    classifier: &mut dyn Classifier,
    images: &Images,
) -> Result<Evaluation, ClassifyError> {
    let answers = score_images(classifier, images)?;
    let judged = images
        .labels
        .iter()
        .zip(answers)
        .map(|(label, prediction)| Judged {
            truth: Some(*label),
            prediction,
        });
    Ok(Evaluation::of(&judged.collect::<Vec<_>>()))
}

/// The model's answers for pictures of the data set, in their order.
pub fn score_images(
    classifier: &mut dyn Classifier,
    images: &Images,
) -> Result<Vec<Prediction>, ClassifyError> {
    let mut answers = Vec::with_capacity(images.len());
    for pixels in images.pixels.chunks(SCORED_AT_ONCE * INPUT_LEN) {
        let (pictures, _) = pixels.as_chunks::<INPUT_LEN>();
        let inputs: Vec<InputTensor> = pictures.iter().map(preprocess::from_idx).collect();
        answers.extend(classifier.classify(&inputs.iter().collect::<Vec<_>>())?);
    }
    Ok(answers)
}

fn manifest(rebuild: &Rebuild<'_>, onnx: &[u8], epoch: u32) -> Manifest {
    let now: Timestamp = SystemTime::now().into();
    let parameters = rebuild.parameters;
    Manifest {
        format: FORMAT,
        hangtag_version: env!("CARGO_PKG_VERSION").into(),
        model_sha256: bundle::model_sha256(onnx),
        labels: Label::NAMES.map(String::from).to_vec(),
        input: TensorSpec {
            name: super::export::INPUT_NAME.into(),
            shape: vec![-1, 1, INPUT_SIDE as i64, INPUT_SIDE as i64],
        },
        output: TensorSpec {
            name: super::export::OUTPUT_NAME.into(),
            shape: vec![-1, LABEL_COUNT as i64],
        },
        unknown_output: None,
        preprocessing_version: preprocess::VERSION,
        architecture: "reference".into(),
        parameters: Architecture::REFERENCE.parameter_count() as u64,
        command: command(parameters),
        training: json!({
            "epochs": parameters.epochs,
            "chosen_epoch": epoch,
            "batch_size": parameters.batch_size,
            "learning_rate": shortest(parameters.learning_rate),
            "schedule": parameters.schedule,
            "validation_share": parameters.validation_share,
            "seed": parameters.seed,
            "limit_images": parameters.limit_images,
            "data": rebuild.data.files,
            "fingerprint": rebuild.fingerprint,
        }),
        figures: Value::Null,
        calibration: None,
        created_at: now.to_string(),
    }
}

/// The command that trains the same bytes again.
fn command(parameters: &TrainParameters) -> String {
    let mut command = format!(
        "hangtag train --epochs {} --seed {} --set train.batch_size={} --set train.learning_rate={} --set train.schedule={} --set train.validation_share={}",
        parameters.epochs,
        parameters.seed,
        parameters.batch_size,
        parameters.learning_rate,
        parameters.schedule,
        parameters.validation_share,
    );
    if let Some(limit) = parameters.limit_images {
        command += &format!(" --limit-images {limit}");
    }
    command
}

/// 0.001 as it was written, not as the nearest binary number of half the width.
fn shortest(value: f32) -> Value {
    value.to_string().parse::<f64>().map_or(Value::Null, Value::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::runtime;
    use crate::model::{InferenceOptions, OnnxClassifier};
    use crate::training::network::Network;

    /// The trainer's own answers and those of the exported file, through ONNX Runtime, on the same pictures.
    #[test]
    fn the_exported_file_answers_as_the_trainer_does() {
        let network = Network::new(Architecture::REFERENCE, 7);
        let data = DataSet {
            train: Images::default(),
            test: Images::default(),
            files: Vec::new(),
        };
        let rebuild = Rebuild {
            data: &data,
            parameters: &TrainParameters::default(),
            checkpoint: Checkpointing::Off,
            fingerprint: None,
        };
        let onnx = to_onnx(&network, preprocess::VERSION);
        let manifest = manifest(&rebuild, &onnx, 1);
        let bundle = ModelBundle::from_bytes(onnx, manifest).unwrap();
        let (mut classifier, _) =
            OnnxClassifier::open(runtime(), &bundle, &InferenceOptions::default()).unwrap();
        let pixel = |at: u32| (at.wrapping_mul(2_654_435_761) >> 24) as u8;
        let pictures = 50;
        let images = Images {
            pixels: (0..(pictures * INPUT_LEN) as u32).map(pixel).collect(),
            labels: vec![Label::from_index(0).unwrap(); pictures],
        };
        let difference = parity_difference(&network, &mut classifier, &images).unwrap();
        assert!(difference > 0.0 && difference < 1e-4, "{difference}");
    }
}
