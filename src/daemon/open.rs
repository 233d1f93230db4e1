//! Settings -> a model that is ready to answer, and its entry in the store.
//!
//! In: the settings. Out: ONNX Runtime loaded, the bundle checked, the device chosen, the model warm. Never: a
//! model whose bundle does not fit, or a device other than the one that is reported.

use std::time::SystemTime;

use crate::config::{Config, Durability, RuntimeConfig};
use crate::decode::DecodeLimits;
use crate::domain::{Device, DevicePolicy, ParseError};
use crate::model::{
    AutoInstall, BundleError, Classifier, ClassifyError, DeviceReport, InferenceOptions, ModelBundle,
    OnnxClassifier, OpenError, Runtime, RuntimeError, RuntimeSettings, runtime,
};
use crate::status::{DeviceStatus, Identity};
use crate::store::{self, NewModel};

/// A model that is ready to answer.
pub struct OpenedModel {
    /// Who answers: copies of one model, one a thread; never empty.
    pub classifiers: Vec<Box<dyn Classifier>>,
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

impl OpenedModel {
    /// What `hangtag status` says of this process.
    pub(super) fn identity(&self, config: &Config) -> Identity {
        Identity {
            version: env!("CARGO_PKG_VERSION"),
            pid: std::process::id(),
            started_at: SystemTime::now().into(),
            model: self.entry.id().clone(),
            device: DeviceStatus::from(&self.device),
            onnxruntime: self.runtime.clone(),
            store: config.store_path().display().to_string(),
        }
    }

    /// The first copy; the others are closed.
    pub fn into_one(self) -> Box<dyn Classifier> {
        let first = self.classifiers.into_iter().next();
        first.expect("an opened model has at least one copy; this is a bug")
    }
}

impl From<&DeviceReport> for DeviceStatus {
    fn from(report: &DeviceReport) -> Self {
        Self {
            asked: report.asked,
            used: report.got,
            why: report.why.clone(),
        }
    }
}

/// Opens `bundle` on the device of the settings and lets each copy answer once.
pub fn open_bundle_blocking(
    config: &Config,
    runtime: &Runtime,
    bundle: &ModelBundle,
) -> Result<OpenedModel, OpeningError> {
    let mut options = InferenceOptions {
        device: config.inference.device,
        cuda_device_id: config.inference.cuda_device_id,
        intra_op_threads: config.inference.intra_op_threads,
        max_batch: config.tagging.batch_max_images,
    };
    let (mut first, device) = OnnxClassifier::open(runtime, bundle, &options)?;
    first.warm_up()?;
    let mut classifiers: Vec<Box<dyn Classifier>> = vec![Box::new(first)];
    if device.got == Device::Cpu {
        // What was found out about CUDA is not tried, and said, once more.
        options.device = DevicePolicy::Cpu;
        for _ in 1..config.inference.workers {
            let (mut copy, _) = OnnxClassifier::open(runtime, bundle, &options)?;
            copy.warm_up()?;
            classifiers.push(Box::new(copy));
        }
    }
    Ok(OpenedModel {
        classifiers,
        device,
        runtime: format!(
            "{} ({})",
            runtime.version().unwrap_or("unknown version"),
            runtime.path().display()
        ),
        entry: entry_of(bundle)?,
    })
}

/// `[limits]` as the decoders take them.
pub fn decode_limits(config: &Config) -> DecodeLimits {
    DecodeLimits {
        max_pixels: config.limits.max_pixels,
        max_decode_bytes: config.limits.max_decode_bytes,
    }
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

/// What the store keeps of a bundle's model.
pub(super) fn entry_of(bundle: &ModelBundle) -> Result<NewModel, ParseError> {
    let manifest = bundle.manifest();
    let json = serde_json::to_value(manifest).expect("a manifest that was read is plain JSON; this is a bug");
    let now = SystemTime::now().into();
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
