//! A model as it is kept and handed on: `model.onnx` and `manifest.json` in one folder.
//!
//! In: such a folder, or the bytes of both files. Out: a `ModelBundle` whose hash, labels, shapes and preprocessing
//! version all fit this hangtag, or an error that names the file, what was found and what was expected.
//! Never: a bundle that only fits in part; ONNX Runtime (the graph itself is checked when a session is opened).

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::domain::{Basis, INPUT_SIDE, LABEL_COUNT, Label, ModelId, PreprocessingVersion, Thresholds, hex};
use crate::{durable, preprocess};

/// Name of the network's file in a bundle.
pub const ONNX_FILE: &str = "model.onnx";
/// Name of the description's file in a bundle.
pub const MANIFEST_FILE: &str = "manifest.json";
/// The manifest's format that this hangtag writes and reads.
pub const FORMAT: u32 = 1;
/// Stands for "as many as there are pictures in the batch" in a shape.
pub const BATCH: i64 = -1;
/// Shape of a model's input: pictures, channels, rows, columns.
pub const INPUT_SHAPE: [i64; 4] = [BATCH, 1, INPUT_SIDE as i64, INPUT_SIDE as i64];
/// Shape of a model's output: pictures, probabilities in label order.
pub const OUTPUT_SHAPE: [i64; 2] = [BATCH, LABEL_COUNT as i64];
/// Shape of the second output, where there is one: pictures, how likely it is that none of the classes is shown.
pub const UNKNOWN_SHAPE: [i64; 2] = [BATCH, 1];
/// More than any network over 28 x 28 pixels needs; keeps a wrong path from filling the memory.
const MAX_FILE_BYTES: u64 = 256 << 20;

/// A model that cannot be used, or not be written.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// A file of the bundle could not be read.
    #[error(
        "could not read the model file {path}: {source}; a bundle is a folder with {ONNX_FILE} and {MANIFEST_FILE}"
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The manifest is not the JSON it should be.
    #[error("{file} is not a model's manifest: {source}; build the model anew with `hangtag train`")]
    Manifest {
        /// The manifest's file.
        file: String,
        /// Line, column and cause.
        source: serde_json::Error,
    },
    /// The bundle is whole, but not for this hangtag.
    #[error(
        "{file} cannot be used: {what} is {found}, expected {expected}; use another model or build this one anew"
    )]
    Mismatch {
        /// The file that says so.
        file: String,
        /// Which of its statements.
        what: &'static str,
        /// What it says.
        found: String,
        /// What would fit.
        expected: String,
    },
    /// The bundle could not be put in its folder.
    #[error(transparent)]
    Write(#[from] durable::WriteError),
}

/// Name and shape of a network's input or output; `-1` stands for the batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TensorSpec {
    /// Name in the ONNX graph.
    pub name: String,
    /// Extent of each dimension.
    pub shape: Vec<i64>,
}

/// What `manifest.json` says about the network beside it. Keys that a later hangtag adds are passed over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Format of this file: `FORMAT`.
    pub format: u32,
    /// The hangtag that wrote it.
    pub hangtag_version: String,
    /// SHA-256 of `model.onnx`, 64 lower-case hexadecimal digits.
    pub model_sha256: String,
    /// What the outputs mean, in order.
    pub labels: Vec<String>,
    /// The network's only input.
    pub input: TensorSpec,
    /// The network's first output: probabilities.
    pub output: TensorSpec,
    /// Its second one, if it has one: its estimate that the picture shows none of the classes, 0..=1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_output: Option<TensorSpec>,
    /// The way from pixels to tensor that it was trained with.
    pub preprocessing_version: PreprocessingVersion,
    /// Name of the network's design.
    pub architecture: String,
    /// How many numbers were trained.
    pub parameters: u64,
    /// The command that trained it.
    pub command: String,
    /// Epochs, batch, learning rate, seed, checksums of the data and whatever else it takes to train it again.
    #[serde(default)]
    pub training: serde_json::Value,
    /// What it reached: test accuracy, loss and so on.
    #[serde(default)]
    pub figures: serde_json::Value,
    /// What its confidence means; `None`: nobody has measured it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
    /// When it was made, ISO 8601 in UTC.
    pub created_at: String,
}

/// What a model's confidence means. Keys that a later hangtag adds are passed over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// By what the network's sums are divided before they become probabilities; part of the exported graph.
    pub temperature: f64,
    /// What it was fitted on.
    pub basis: Basis,
    /// How many pictures that were.
    pub samples: u64,
    /// Mean difference between confidence and share of right answers over those pictures, afterwards, 0..=1.
    #[serde(default)]
    pub expected_calibration_error: Option<f64>,
    /// When its tags count by themselves.
    pub thresholds: Thresholds,
}

impl Manifest {
    /// Reads the manifest's text; `file` is its name in messages.
    fn parse(file: &str, json: &[u8]) -> Result<Self, BundleError> {
        #[derive(Deserialize)]
        struct OnlyFormat {
            format: u32,
        }
        let bad = |source| BundleError::Manifest {
            file: file.into(),
            source,
        };
        // The format comes first: in another one the other keys may mean something else.
        let OnlyFormat { format } = serde_json::from_slice(json).map_err(bad)?;
        fits(file, "format", &format, &FORMAT)?;
        serde_json::from_slice(json).map_err(bad)
    }

    fn check(&self, file: &str) -> Result<(), BundleError> {
        let labels: Vec<&str> = self.labels.iter().map(String::as_str).collect();
        fits(file, "labels", &labels, &Label::NAMES.to_vec())?;
        fits(file, "input.shape", &self.input.shape, &INPUT_SHAPE.to_vec())?;
        fits(file, "output.shape", &self.output.shape, &OUTPUT_SHAPE.to_vec())?;
        if let Some(unknown) = &self.unknown_output {
            fits(
                file,
                "unknown_output.shape",
                &unknown.shape,
                &UNKNOWN_SHAPE.to_vec(),
            )?;
        }
        let (found, expected) = (self.preprocessing_version.0, preprocess::VERSION.0);
        fits(file, "preprocessing_version", &found, &expected)
    }
}

/// A network and its manifest, known to belong together and to fit this hangtag.
#[derive(Clone)]
pub struct ModelBundle {
    onnx: Cow<'static, [u8]>,
    manifest: Manifest,
    id: ModelId,
}

impl ModelBundle {
    /// Reads the bundle in `folder`.
    pub fn load(folder: &Path) -> Result<Self, BundleError> {
        let manifest_path = folder.join(MANIFEST_FILE);
        let manifest = read(&manifest_path)?;
        let manifest = Manifest::parse(&manifest_path.display().to_string(), &manifest)?;
        let onnx = read(&folder.join(ONNX_FILE))?;
        Self::fitting(onnx.into(), manifest, &|name| {
            folder.join(name).display().to_string()
        })
    }

    /// From a network's bytes and the manifest that describes them.
    pub fn from_bytes(onnx: Vec<u8>, manifest: Manifest) -> Result<Self, BundleError> {
        Self::fitting(onnx.into(), manifest, &str::to_owned)
    }

    /// The model that hangtag ships with.
    ///
    /// # Panics
    /// Never in a build whose tests pass: the files are part of the source.
    pub fn embedded() -> Self {
        const ONNX: &[u8] = include_bytes!("../../models/fashion-mnist-residual/model.onnx");
        const MANIFEST: &[u8] = include_bytes!("../../models/fashion-mnist-residual/manifest.json");
        Manifest::parse("the embedded manifest.json", MANIFEST)
            .and_then(|manifest| Self::fitting(ONNX.into(), manifest, &|name| format!("the embedded {name}")))
            .expect("the embedded model fits this hangtag; this is a bug")
    }

    fn fitting(
        onnx: Cow<'static, [u8]>,
        manifest: Manifest,
        file: &dyn Fn(&str) -> String,
    ) -> Result<Self, BundleError> {
        fits(&file(MANIFEST_FILE), "format", &manifest.format, &FORMAT)?;
        manifest.check(&file(MANIFEST_FILE))?;
        let sha256 = model_sha256(&onnx);
        fits(&file(ONNX_FILE), "its SHA-256", &sha256, &manifest.model_sha256)?;
        let id = ModelId::from_sha256(&sha256).expect("a digest in hexadecimal digits is one; this is a bug");
        Ok(Self { onnx, manifest, id })
    }

    /// Puts the bundle in `folder`, made if absent. The manifest comes last: a folder without it is no bundle.
    pub fn write(&self, folder: &Path) -> Result<(), BundleError> {
        durable::write_file(&folder.join(ONNX_FILE), &self.onnx)?;
        let mut json = serde_json::to_vec_pretty(&self.manifest)
            .expect("a manifest has only string keys; this is a bug");
        json.push(b'\n');
        durable::write_file(&folder.join(MANIFEST_FILE), &json)?;
        Ok(())
    }

    /// The model's identity, from the hash of its ONNX file.
    pub fn id(&self) -> &ModelId {
        &self.id
    }

    /// What is known about the network.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The ONNX file's bytes.
    pub fn onnx(&self) -> &[u8] {
        &self.onnx
    }
}

impl fmt::Debug for ModelBundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelBundle")
            .field("id", &self.id)
            .field("onnx_bytes", &self.onnx.len())
            .field("manifest", &self.manifest)
            .finish()
    }
}

/// SHA-256 of a network's bytes as a manifest states it.
pub fn model_sha256(onnx: &[u8]) -> String {
    hex(&Sha256::digest(onnx))
}

fn fits<T: PartialEq + fmt::Debug>(
    file: &str,
    what: &'static str,
    found: &T,
    expected: &T,
) -> Result<(), BundleError> {
    if found == expected {
        return Ok(());
    }
    Err(BundleError::Mismatch {
        file: file.into(),
        what,
        found: format!("{found:?}"),
        expected: format!("{expected:?}"),
    })
}

fn read(path: &Path) -> Result<Vec<u8>, BundleError> {
    let attempt = || -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?
            .take(MAX_FILE_BYTES + 1)
            .read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(std::io::Error::other(format!(
                "it has more than {MAX_FILE_BYTES} bytes"
            )));
        }
        Ok(bytes)
    };
    attempt().map_err(|source| BundleError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests;
