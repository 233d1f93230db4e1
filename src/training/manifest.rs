//! What a trained model says about itself.
//!
//! In: how it was trained. Out: its manifest, but for the figures. Never: a figure made up.

use std::collections::HashSet;
use std::time::SystemTime;

use serde_json::{Value, json};

use super::export::{INPUT_NAME, OUTPUT_NAME, UNKNOWN_NAME};
use super::rebuild::Rebuild;
use crate::domain::{ContentHash, INPUT_SIDE, LABEL_COUNT, Label, Timestamp};
use crate::model::bundle::{self, FORMAT, Manifest, ModelBundle, TensorSpec};
use crate::preprocess;

/// The manifest of a network that was exported as `onnx`, as it was after `epoch`.
pub(super) fn manifest(rebuild: &Rebuild<'_>, onnx: &[u8], epoch: u32) -> Manifest {
    let now: Timestamp = SystemTime::now().into();
    let parameters = rebuild.parameters;
    Manifest {
        format: FORMAT,
        hangtag_version: env!("CARGO_PKG_VERSION").into(),
        model_sha256: bundle::model_sha256(onnx),
        labels: Label::NAMES.map(String::from).to_vec(),
        input: TensorSpec {
            name: INPUT_NAME.into(),
            shape: vec![-1, 1, INPUT_SIDE as i64, INPUT_SIDE as i64],
        },
        output: TensorSpec {
            name: OUTPUT_NAME.into(),
            shape: vec![-1, LABEL_COUNT as i64],
        },
        unknown_output: parameters.knows_unknown().then(|| TensorSpec {
            name: UNKNOWN_NAME.into(),
            shape: vec![-1, 1],
        }),
        preprocessing_version: preprocess::VERSION,
        architecture: parameters.architecture.to_string(),
        parameters: parameters.network().parameter_count() as u64,
        command: command(rebuild),
        training: json!({
            "augmentation": parameters.augmentation,
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
            LEARNED_KEY: rebuild.shop.hashes.iter().map(in_short).collect::<Vec<_>>(),
        }),
        figures: Value::Null,
        calibration: None,
        created_at: now.to_string(),
    }
}

/// Under what a manifest lists the corrections that the model has learned, so that nobody takes its answers for them for
/// evidence.
const LEARNED_KEY: &str = "learned_corrections";

/// The corrections that a model has learned, as [`in_short`] names them.
pub fn learned_by(bundle: &ModelBundle) -> HashSet<&str> {
    learned_in(&bundle.manifest().training)
}

/// The same, by what its manifest says of its training.
pub fn learned_in(training: &Value) -> HashSet<&str> {
    let learned = training[LEARNED_KEY].as_array();
    learned.into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Enough of a content hash to tell a shop's photos apart: 16 hexadecimal digits.
pub fn in_short(hash: &ContentHash) -> String {
    hash.to_string().chars().take(16).collect()
}

/// The command that trains the same bytes again; where it has learned corrections, with the same ones and by the settings of its
/// run.
fn command(rebuild: &Rebuild<'_>) -> String {
    let parameters = rebuild.parameters;
    let learned = rebuild.shop.hashes.len();
    if learned > 0 {
        return format!(
            "hangtag retrain now --set retrain.seed={} # corrections learned: {learned}",
            parameters.seed
        );
    }
    let mut command = format!(
        "hangtag train --set train.architecture={} --set train.augmentation={} --epochs {} --seed {} --set train.batch_size={} --set train.learning_rate={} --set train.schedule={} --set train.validation_share={}",
        parameters.architecture,
        parameters.augmentation,
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
