//! The model that answers: its files, the library that runs it, and the one way to ask it.
//!
//! In: a bundle (ONNX file and manifest), settings, input tensors. Out: a prediction a picture, and what is
//! known about the library and the device that gave them. Never: pictures, files of the inbox, the store.
//!
//! ```text
//! RuntimeSettings -> runtime::ensure_blocking -> Runtime ─┐
//! folder or binary -> ModelBundle ────────────────────────┴> OnnxClassifier (a Classifier)
//! ```

mod answer;
pub mod bundle;
pub mod classifier;
pub mod onnx;
pub mod runtime;

#[cfg(test)]
pub(crate) mod testing;

pub use bundle::{BundleError, Calibration, Manifest, ModelBundle, TensorSpec};
pub use classifier::{Classifier, ClassifyError, DeviceReport, InferenceOptions, OpenError};
pub use onnx::{OnnxClassifier, refuse_telemetry};
pub use runtime::{AutoInstall, Flavour, Runtime, RuntimeError, RuntimeSettings};
