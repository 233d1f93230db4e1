//! The one way to ask a model, whatever runs it.
//!
//! In: input tensors, in any number. Out: a prediction for each, in the same order. Never: a guess in place of
//! an answer; pictures, files, the store.

use crate::domain::{Device, DevicePolicy, ModelId, ParseError, Prediction, PreprocessingVersion, Severity};
use crate::preprocess::InputTensor;

/// Something that labels pictures. One thread owns it; a swap is a new value in its place between two batches.
pub trait Classifier: Send {
    /// Which model answers.
    fn id(&self) -> &ModelId;

    /// Where it really runs.
    fn device(&self) -> Device;

    /// The preprocessing its inputs must have gone through.
    fn preprocessing(&self) -> PreprocessingVersion;

    /// Does once what makes the first answer slow, so that the first photo does not wait for it.
    fn warm_up(&mut self) -> Result<(), ClassifyError>;

    /// Answers for `inputs`, one `Prediction` each, in the same order. An empty slice gets an empty answer.
    ///
    /// # Errors
    /// All or nothing: no answer is given when one of them is not to be had.
    fn classify(&mut self, inputs: &[&InputTensor]) -> Result<Vec<Prediction>, ClassifyError>;
}

/// How a model shall be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InferenceOptions {
    /// CPU, CUDA, or CUDA where it can be had.
    pub device: DevicePolicy,
    /// Which GPU, counted from 0; without effect on the CPU.
    pub cuda_device_id: u32,
    /// Threads within one operation, at least 1. More than one pays only on an otherwise idle machine.
    pub intra_op_threads: usize,
    /// Most pictures in one run, at least 1; a longer slice is cut. Bounds the memory that a run takes; on the CPU, runs are no
    /// longer than is worth their memory.
    pub max_batch: usize,
}

impl Default for InferenceOptions {
    /// One CPU thread, 64 pictures a run on a GPU.
    fn default() -> Self {
        Self {
            device: DevicePolicy::Cpu,
            cuda_device_id: 0,
            intra_op_threads: 1,
            max_batch: 64,
        }
    }
}

/// Which device was asked for, which one was got, and why it is not the fast one.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct DeviceReport {
    /// What was asked for.
    pub asked: DevicePolicy,
    /// What is used.
    pub got: Device,
    /// Why `auto` fell back to the CPU; `None` where nothing went wrong.
    pub why: Option<String>,
}

/// A model that cannot be made ready to answer.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// `inference.device` is `cuda`, and CUDA cannot be had.
    #[error(
        "CUDA cannot be had for model {model} (inference.device = \"cuda\"): {cause}; `hangtag runtime` says what is missing, or set inference.device to \"auto\" or \"cpu\""
    )]
    Cuda {
        /// The model.
        model: ModelId,
        /// What ONNX Runtime said.
        cause: String,
    },
    /// ONNX Runtime refused the network.
    #[error(
        "ONNX Runtime cannot open model {model} on the CPU: {cause}; use another model or build this one anew"
    )]
    Session {
        /// The model.
        model: ModelId,
        /// What ONNX Runtime said.
        cause: String,
    },
    /// The network's inputs and outputs are not those that its manifest states.
    #[error("model {model} is not as its manifest says: the graph's {what} is {found}, expected {expected}")]
    Shape {
        /// The model.
        model: ModelId,
        /// Input or output.
        what: &'static str,
        /// Name, type and shape in the graph.
        found: String,
        /// Name, type and shape in the manifest.
        expected: String,
    },
}

/// A model that gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClassifyError {
    /// The run itself failed.
    #[error("model {model} failed on {device} for {pictures} pictures: {cause}")]
    Run {
        /// The model.
        model: ModelId,
        /// Where it ran.
        device: Device,
        /// How many pictures were in the run.
        pictures: usize,
        /// What the library said.
        cause: String,
    },
    /// The answer has another shape than so many values a picture.
    #[error(
        "model {model} answered {pictures} pictures with {values} values in {output}, expected {expected} each"
    )]
    Shape {
        /// The model.
        model: ModelId,
        /// How many pictures were in the run.
        pictures: usize,
        /// How many values came back.
        values: usize,
        /// In which of the network's outputs.
        output: String,
        /// How many a picture there should be.
        expected: usize,
    },
    /// An answer holds something that is no probability.
    #[error("model {model} answered picture {position} of {pictures} with no probability: {source}")]
    NotAProbability {
        /// The model.
        model: ModelId,
        /// Which picture of the run, counted from 1.
        position: usize,
        /// How many pictures were in the run.
        pictures: usize,
        /// The value.
        source: ParseError,
    },
}

impl ClassifyError {
    /// A failed run may pass (memory, a busy device). A wrong answer comes from the model itself: inputs are checked
    /// before, so every further answer is in doubt.
    pub fn severity(&self) -> Severity {
        match self {
            ClassifyError::Run { .. } => Severity::Retry,
            ClassifyError::Shape { .. } | ClassifyError::NotAProbability { .. } => Severity::Fatal,
        }
    }
}
