//! Settings -> a model that is ready to answer, and its entry in the store.
//!
//! In: the settings. Out: ONNX Runtime loaded, the bundle checked, the device chosen, the model warm. Never: a
//! model whose bundle does not fit, or a device other than the one that is reported.

use std::path::Path;

use crate::config::{Config, Durability, RuntimeConfig};
use crate::domain::{DevicePolicy, ParseError};
use crate::model::{
    AutoInstall, BundleError, Classifier, ClassifyError, DeviceReport, InferenceOptions, ModelBundle,
    OnnxClassifier, OpenError, Runtime, RuntimeError, RuntimeSettings, runtime,
};
use crate::store::{self, NewModel};

/// A model that is ready to answer.
pub struct OpenedModel {
    /// Who answers.
    pub classifier: Box<dyn Classifier>,
    /// Device asked for and got.
    pub device: DeviceReport,
    /// Version and path of ONNX Runtime.
    pub runtime: String,
    /// What the store keeps of the model.
    pub entry: NewModel,
}

/// Why no model is ready.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum OpeningError {
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("the model's first answer failed: {0}")]
    WarmUp(#[from] ClassifyError),
    #[error("the model's manifest does not fit the store: {0}")]
    Entry(#[from] ParseError),
}

/// Opens the model of the settings: `inference.model`, else the one that ships.
pub fn open_model_blocking(config: &Config) -> Result<OpenedModel, OpeningError> {
    let runtime = load_runtime_blocking(&config.runtime, config.inference.device)?;
    let bundle = load_bundle_blocking(config.inference.model.as_deref())?;
    open_bundle_blocking(config, &runtime, &bundle)
}

/// Opens `bundle` on the device of the settings and lets it answer once.
pub fn open_bundle_blocking(
    config: &Config,
    runtime: &Runtime,
    bundle: &ModelBundle,
) -> Result<OpenedModel, OpeningError> {
    let options = InferenceOptions {
        device: config.inference.device,
        cuda_device_id: config.inference.cuda_device_id,
        intra_op_threads: config.inference.intra_op_threads,
        max_batch: config.tagging.batch_max_images,
    };
    let (mut classifier, device) = OnnxClassifier::open(runtime, bundle, &options)?;
    classifier.warm_up()?;
    Ok(OpenedModel {
        classifier: Box::new(classifier),
        device,
        runtime: format!(
            "{} ({})",
            runtime.version().unwrap_or("unknown version"),
            runtime.path().display()
        ),
        entry: entry_of(bundle)?,
    })
}

/// The bundle in a folder, or the one that ships.
pub fn load_bundle_blocking(folder: Option<&Path>) -> Result<ModelBundle, BundleError> {
    folder.map_or_else(|| Ok(ModelBundle::embedded()), ModelBundle::load)
}

/// Finds (and, where allowed, installs) ONNX Runtime; what takes long is said on the log.
pub fn load_runtime_blocking(config: &RuntimeConfig, device: DevicePolicy) -> Result<Runtime, RuntimeError> {
    runtime::ensure_blocking(&runtime_settings(config, device), &mut |line| {
        tracing::info!("{line}")
    })
}

/// `[runtime]` as the model module takes it.
pub fn runtime_settings(config: &RuntimeConfig, device: DevicePolicy) -> RuntimeSettings {
    RuntimeSettings {
        library: config.library.clone(),
        auto_install: if config.auto_install {
            AutoInstall::OnFirstNeed
        } else {
            AutoInstall::Never
        },
        device,
        cache_dir: None,
    }
}

fn entry_of(bundle: &ModelBundle) -> Result<NewModel, ParseError> {
    let manifest = bundle.manifest();
    let json = serde_json::to_value(manifest).expect("a manifest that was read is plain JSON; this is a bug");
    let now = std::time::SystemTime::now().into();
    let mut entry = NewModel::new(&manifest.model_sha256, manifest.preprocessing_version, now)?;
    entry.labels = manifest.labels.clone();
    entry.manifest = json;
    Ok(entry)
}

impl From<Durability> for store::Durability {
    fn from(durability: Durability) -> Self {
        match durability {
            Durability::Full => store::Durability::Full,
            Durability::Normal => store::Durability::Normal,
        }
    }
}
