//! ONNX Runtime behind the classifier: the only file that names `ort`.
//!
//! In: the path of a library that was checked, a bundle, options. Out: the loaded library, and a classifier on the
//! device that was asked for, or on the CPU with the reason. Never: a silent change of device; a path that was not
//! checked (a cut-off library kills the process while it is loaded).

use std::error::Error as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};

use ort::ep::cuda::ConvAlgorithmSearch;
use ort::ep::{self, ArenaExtendStrategy, ExecutionProvider, ExecutionProviderDispatch};
use ort::logging::LogLevel;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::session::{Session, SessionOutputs};
use ort::value::{Outlet, TensorElementType, TensorRef};

use super::answer::{Output, Outputs};
use super::bundle::{ModelBundle, TensorSpec};
use super::classifier::{Classifier, ClassifyError, DeviceReport, InferenceOptions, OpenError};
use super::runtime::Runtime;
use crate::domain::{Device, DevicePolicy, INPUT_LEN, INPUT_SIDE, ModelId, Prediction, PreprocessingVersion};
use crate::preprocess::InputTensor;

/// Least minor version of ONNX Runtime 1.x whose interface hangtag is built against.
pub const LEAST_MINOR_VERSION: u32 = ort::MINOR_VERSION;

/// A library that could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The dynamic loader refused it.
    #[error("the system's loader refused {path}: {cause}")]
    Refused {
        /// The library.
        path: PathBuf,
        /// What the loader said.
        cause: String,
    },
    /// It is some other library.
    #[error("{path} is not ONNX Runtime: {cause}")]
    NotOnnxRuntime {
        /// The library.
        path: PathBuf,
        /// What is missing.
        cause: String,
    },
    /// It is older than the interface that hangtag speaks.
    #[error("{path} is ONNX Runtime {found}, hangtag needs 1.{LEAST_MINOR_VERSION} or newer")]
    TooOld {
        /// The library.
        path: PathBuf,
        /// Its version.
        found: String,
    },
    /// It was loaded and then refused to start.
    #[error("ONNX Runtime from {path} could not be started: {cause}")]
    Start {
        /// The library.
        path: PathBuf,
        /// What it said.
        cause: String,
    },
}

/// The variable that keeps ONNX Runtime from reporting to its makers, if it is set before the library is loaded.
///
/// Newer builds for Linux and macOS write an identifier of the machine and a queue of reports into the user's cache
/// and send one as soon as the environment is made; switching telemetry off afterwards comes too late for that.
const NO_TELEMETRY: &str = "ORT_DISABLE_TELEMETRY";

/// Keeps ONNX Runtime from reporting anything to its makers, unless the operator has decided that otherwise.
///
/// # Safety
/// Changes the process's environment: to be called before there is a second thread, first thing in `main`.
pub unsafe fn refuse_telemetry() {
    if std::env::var_os(NO_TELEMETRY).is_none() {
        // SAFETY: the caller promises that no other thread reads the environment meanwhile.
        unsafe { std::env::set_var(NO_TELEMETRY, "1") };
    }
}

/// The environment of the loaded library. There is one a process, and it must outlive every session.
#[derive(Debug, Clone)]
pub(super) struct Environment(ort::environment::Environment);

impl Environment {
    /// Loads the library at `path` and starts it, without telemetry, its messages going to the log.
    ///
    /// To be called once a process: a second library is not loaded, the first one stays.
    pub(super) fn load(path: &Path) -> Result<Self, LoadError> {
        if std::env::var_os(NO_TELEMETRY).is_none() {
            tracing::warn!(
                "{NO_TELEMETRY} is not set: ONNX Runtime may report to its makers that it was started"
            );
        }
        let builder = ort::init_from(path).map_err(|error| load_error(path, &error))?;
        let environment = builder
            .with_name("hangtag")
            .with_telemetry(false)
            .with_logger(Arc::new(log_message))
            .build()
            .map_err(|error| LoadError::Start {
                path: path.to_owned(),
                cause: error.to_string(),
            })?;
        environment.set_log_level(LogLevel::Warning);
        Ok(Self(environment))
    }

    /// Names of the execution providers that are compiled into the library, of those that hangtag can use. Whether
    /// CUDA can be had on this machine shows only when a session is opened.
    pub(super) fn providers(&self) -> Vec<&'static str> {
        let mut providers = vec![ep::CPU::NAME];
        if ep::CUDA::is_available().unwrap_or(false) {
            providers.push(ep::CUDA::NAME);
        }
        providers
    }
}

fn load_error(path: &Path, error: &ort::LoadDynamicError) -> LoadError {
    use ort::LoadDynamicError::{BadVersion, Dlopen, InvalidVersionString, MissingApi};
    let path = path.to_owned();
    match error {
        // The loader's own words stand in the source, not always in the error.
        Dlopen { error, .. } => LoadError::Refused {
            path,
            cause: error
                .source()
                .map_or_else(|| error.to_string(), ToString::to_string),
        },
        BadVersion { version_str, .. } => LoadError::TooOld {
            path,
            found: version_str.clone(),
        },
        MissingApi { .. } | InvalidVersionString => LoadError::NotOnnxRuntime {
            path,
            cause: error.to_string(),
        },
    }
}

/// What goes wrong comes back as an error as well, with the same words; so the library's own lines rank lower.
fn log_message(level: LogLevel, category: &str, _id: &str, _location: &str, message: &str) {
    match level {
        LogLevel::Fatal | LogLevel::Error => tracing::info!(target: "onnxruntime", category, "{message}"),
        LogLevel::Warning => tracing::debug!(target: "onnxruntime", category, "{message}"),
        LogLevel::Info | LogLevel::Verbose => {
            tracing::trace!(target: "onnxruntime", category, "{message}");
        }
    }
}

/// A bundle's network in an ONNX Runtime session.
pub struct OnnxClassifier {
    session: Session,
    id: ModelId,
    device: Device,
    preprocessing: PreprocessingVersion,
    max_batch: usize,
    /// Name of the output for the ten probabilities.
    output: String,
    /// Name of the output for the model's estimate of `unknown`, if it makes one.
    unknown_output: Option<String>,
    /// The inputs of one run side by side; kept, so that a run allocates nothing for them.
    staged: Vec<f32>,
}

impl OnnxClassifier {
    /// Opens `bundle` on the device that `options` ask for.
    ///
    /// CUDA counts as had only when the provider registers, the session is created and a first run succeeds. If one
    /// of them fails, `cuda` is an error and `auto` opens a fresh session on the CPU, tells why in the report, and
    /// warns once a process.
    pub fn open(
        runtime: &Runtime,
        bundle: &ModelBundle,
        options: &InferenceOptions,
    ) -> Result<(Self, DeviceReport), OpenError> {
        let on = |device| Self::open_on(device, runtime, bundle, options);
        let (classifier, why) = match options.device {
            DevicePolicy::Cpu => (on(Device::Cpu)?, None),
            DevicePolicy::Cuda => (on(Device::Cuda)?, None),
            DevicePolicy::Auto => match on(Device::Cuda) {
                Ok(classifier) => (classifier, None),
                Err(OpenError::Cuda { cause, .. }) => {
                    warn_of_fallback_once(&cause);
                    (on(Device::Cpu)?, Some(cause))
                }
                Err(other) => return Err(other),
            },
        };
        let report = DeviceReport {
            asked: options.device,
            got: classifier.device,
            why,
        };
        Ok((classifier, report))
    }

    fn open_on(
        device: Device,
        runtime: &Runtime,
        bundle: &ModelBundle,
        options: &InferenceOptions,
    ) -> Result<Self, OpenError> {
        let failed = |cause: String| match device {
            Device::Cpu => OpenError::Session {
                model: bundle.id().clone(),
                cause,
            },
            Device::Cuda => OpenError::Cuda {
                model: bundle.id().clone(),
                cause,
            },
        };
        let session =
            session(device, runtime, bundle, options).map_err(|error| failed(plain(&error.to_string())))?;
        check_graph(&session, bundle)?;
        let mut classifier = Self {
            session,
            id: bundle.id().clone(),
            device,
            preprocessing: bundle.manifest().preprocessing_version,
            max_batch: match device {
                Device::Cpu => options.max_batch.clamp(1, CPU_RUN),
                Device::Cuda => options.max_batch.max(1),
            },
            output: bundle.manifest().output.name.clone(),
            unknown_output: bundle
                .manifest()
                .unknown_output
                .as_ref()
                .map(|spec| spec.name.clone()),
            staged: Vec::new(),
        };
        if device == Device::Cuda {
            // A driver that is there but unusable shows only now.
            classifier
                .warm_up()
                .map_err(|error| failed(plain(&error.to_string())))?;
        }
        Ok(classifier)
    }

    /// One run over what is staged; at most `max_batch` pictures.
    fn run_staged(&mut self) -> Result<Vec<Prediction>, ClassifyError> {
        let pictures = self.staged.len() / INPUT_LEN;
        let failed = |error: ort::Error| ClassifyError::Run {
            model: self.id.clone(),
            device: self.device,
            pictures,
            cause: plain(&error.to_string()),
        };
        let shape = [pictures, 1, INPUT_SIDE, INPUT_SIDE];
        let input = TensorRef::from_array_view((shape, self.staged.as_slice())).map_err(failed)?;
        let run = self.session.run(ort::inputs![input]).map_err(failed)?;
        // That the graph has these outputs was checked when it was opened.
        let output = |name| read_output(&run, name);
        let unknown = self.unknown_output.as_deref().map(output);
        Outputs {
            model: &self.id,
            pictures,
            probabilities: output(&self.output).map_err(failed)?,
            unknown: unknown.transpose().map_err(failed)?,
        }
        .predictions()
    }
}

impl Classifier for OnnxClassifier {
    fn id(&self) -> &ModelId {
        &self.id
    }

    fn device(&self) -> Device {
        self.device
    }

    fn preprocessing(&self) -> PreprocessingVersion {
        self.preprocessing
    }

    fn warm_up(&mut self) -> Result<(), ClassifyError> {
        self.staged.clear();
        self.staged.resize(INPUT_LEN, 0.0);
        self.run_staged().map(drop)
    }

    fn classify(&mut self, inputs: &[&InputTensor]) -> Result<Vec<Prediction>, ClassifyError> {
        let mut all = Vec::with_capacity(inputs.len());
        for run in inputs.chunks(self.max_batch) {
            self.staged.clear();
            for input in run {
                self.staged.extend_from_slice(input.values());
            }
            all.append(&mut self.run_staged()?);
        }
        Ok(all)
    }
}

fn read_output<'a>(run: &'a SessionOutputs<'_>, name: &'a str) -> ort::Result<Output<'a>> {
    let (_, values) = run[name].try_extract_tensor::<f32>()?;
    Ok(Output { name, values })
}

fn session(
    device: Device,
    runtime: &Runtime,
    bundle: &ModelBundle,
    options: &InferenceOptions,
) -> ort::Result<Session> {
    let provider = match device {
        Device::Cpu => cpu_provider(),
        Device::Cuda => cuda_provider(options.cuda_device_id),
    };
    let builder: SessionBuilder = Session::builder(&runtime.environment().0)?
        .with_log_level(LogLevel::Warning)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(options.intra_op_threads.max(1))?
        .with_inter_threads(1)?
        // A spinning thread takes the core from the decoders.
        .with_intra_op_spinning(false)?
        .with_execution_providers([provider])?;
    let mut builder = builder;
    builder.commit_from_memory(bundle.onnx())
}

/// Most pictures in one run on the CPU: what a layer leaves of so many lies in a core's cache when the next one asks for it.
/// More gain no speed and cost memory (a `scan` takes 73 MB at most, 98 MB with 64).
const CPU_RUN: usize = 8;

/// With the arena: it keeps the most that one run ever needed, and is a little faster. Without it the C library's heap held
/// more, differing from run to run.
fn cpu_provider() -> ExecutionProviderDispatch {
    ep::CPU::default().with_arena_allocator(true).build()
}

/// Heuristic choice of the convolution: the exhaustive one measures anew for every size of a batch.
fn cuda_provider(device_id: u32) -> ExecutionProviderDispatch {
    ep::CUDA::default()
        .with_device_id(i32::try_from(device_id).unwrap_or(i32::MAX))
        .with_arena_extend_strategy(ArenaExtendStrategy::SameAsRequested)
        .with_conv_algorithm_search(ConvAlgorithmSearch::Heuristic)
        .build()
        .error_on_failure()
}

fn check_graph(session: &Session, bundle: &ModelBundle) -> Result<(), OpenError> {
    let manifest = bundle.manifest();
    let outputs: Vec<_> = [Some(&manifest.output), manifest.unknown_output.as_ref()]
        .into_iter()
        .flatten()
        .collect();
    let sides = [
        ("input", session.inputs(), vec![&manifest.input]),
        ("output", session.outputs(), outputs),
    ];
    for (what, outlets, expected) in sides {
        let fits = outlets.len() == expected.len()
            && outlets
                .iter()
                .zip(&expected)
                .all(|(outlet, spec)| is_as_stated(outlet, spec));
        if !fits {
            let found = outlets
                .iter()
                .map(|outlet| format!("{}: {}", outlet.name(), outlet.dtype()));
            let expected = expected
                .iter()
                .map(|spec| format!("{}: 32-bit floats of shape {:?}", spec.name, spec.shape));
            return Err(OpenError::Shape {
                model: bundle.id().clone(),
                what,
                found: found.collect::<Vec<_>>().join(", "),
                expected: expected.collect::<Vec<_>>().join(", "),
            });
        }
    }
    Ok(())
}

fn is_as_stated(outlet: &Outlet, spec: &TensorSpec) -> bool {
    outlet.name() == spec.name
        && outlet.dtype().tensor_type() == Some(TensorElementType::Float32)
        && outlet
            .dtype()
            .tensor_shape()
            .is_some_and(|shape| shape[..] == spec.shape[..])
}

fn warn_of_fallback_once(cause: &str) {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        tracing::warn!("CUDA cannot be had, the CPU is used instead (inference.device = \"auto\"): {cause}");
    });
}

/// A message of ONNX Runtime on one line, without the places in its source that some are wrapped in.
fn plain(text: &str) -> String {
    const MARK: &str = "[ONNXRuntimeError] : ";
    const OF_CUDA: &str = "CUDA failure ";
    let words = if let Some(at) = text.find(OF_CUDA) {
        // After the words come device, host and place, each behind a semicolon.
        text[at..].split(" ; ").next().unwrap_or(text)
    } else {
        // After the mark come a number and a kind, then the words.
        text.rsplit_once(MARK)
            .and_then(|(_, rest)| rest.splitn(3, " : ").nth(2))
            .unwrap_or(text)
    };
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
