//! What is known about the loaded ONNX Runtime and about CUDA on this machine.
//!
//! In: the loaded runtime, the device that a classifier got, the loader's folders. Out: a `RuntimeReport`.
//! Never: loading a CUDA library; a claim that CUDA works (only an opened session knows).

use std::path::PathBuf;

use serde::Serialize;

use super::find::SystemLibraries;
use super::{Origin, Runtime, elf};
use crate::domain::{Device, DevicePolicy};
use crate::model::classifier::DeviceReport;

/// The part of ONNX Runtime that talks to CUDA; it lies beside the main library.
pub const CUDA_PROVIDER: &str = "libonnxruntime_providers_cuda.so";
/// What the pinned CUDA build needs from NVIDIA, for machines on which that build is not installed yet.
const CUDA_LIBRARIES: [&str; 5] = [
    "libcuda.so.1",
    "libcudart.so.13",
    "libcublas.so.13",
    "libcublasLt.so.13",
    "libcurand.so.10",
];
/// Opened only when the first convolution runs, so that no header names it.
const CUDNN: &str = "libcudnn.so.9";

/// One of NVIDIA's libraries, and whether the loader would find it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CudaLibrary {
    /// Its name, with the version that is needed.
    pub name: String,
    /// Where it is; `None` means missing.
    pub path: Option<PathBuf>,
}

/// Everything that `hangtag runtime` prints.
#[derive(Debug, Clone, Serialize)]
pub struct RuntimeReport {
    /// Version of ONNX Runtime, where the file tells it.
    pub version: Option<String>,
    /// The loaded library.
    pub path: PathBuf,
    /// Where it was found.
    pub found_in: Origin,
    /// Execution providers that it was built with, of those that hangtag can use.
    pub providers: Vec<&'static str>,
    /// The device that was asked for and the one in use; `None` before a model was opened.
    pub device: Option<DeviceReport>,
    /// NVIDIA's libraries that its CUDA provider needs, found or missing.
    pub cuda_libraries: Vec<CudaLibrary>,
    /// What the operator can do so that CUDA can be had; `None` where it is in use already.
    pub cuda_advice: Option<String>,
}

impl Runtime {
    /// What is known about this runtime; `device` is what the last opened classifier got.
    pub fn report(&self, device: Option<&DeviceReport>) -> RuntimeReport {
        let cuda_libraries = cuda_libraries(Some(self));
        let cuda_advice = match device {
            Some(report) if report.got == Device::Cuda => None,
            _ => Some(advice(&self.providers(), &cuda_libraries, device)),
        };
        RuntimeReport {
            version: self.version().map(str::to_owned),
            path: self.path().to_owned(),
            found_in: self.origin(),
            providers: self.providers(),
            device: device.cloned(),
            cuda_libraries,
            cuda_advice,
        }
    }
}

/// Whether the loader would find every library of NVIDIA's that the pinned CUDA build needs.
pub fn has_all_cuda_libraries() -> bool {
    cuda_libraries(None).iter().all(|library| library.path.is_some())
}

fn cuda_libraries(runtime: Option<&Runtime>) -> Vec<CudaLibrary> {
    let system = SystemLibraries::read();
    let from_provider = runtime.and_then(needed_by_provider);
    let mut names = from_provider.unwrap_or_else(|| CUDA_LIBRARIES.map(str::to_owned).to_vec());
    names.push(CUDNN.to_owned());
    names
        .into_iter()
        .map(|name| CudaLibrary {
            path: system.by_name(&name),
            name,
        })
        .collect()
}

/// NVIDIA's libraries that the CUDA provider beside the loaded library names in its header.
fn needed_by_provider(runtime: &Runtime) -> Option<Vec<String>> {
    let real = runtime.path().canonicalize().ok()?;
    let facts = elf::inspect(&real.with_file_name(CUDA_PROVIDER)).ok()?;
    let nvidia = |name: &String| ["libcu", "libnv"].iter().any(|start| name.starts_with(start));
    Some(facts.needed.into_iter().filter(nvidia).collect())
}

/// What to do so that CUDA can be had, by what the library was built with, what of NVIDIA's is there, and what the last
/// opened classifier asked for; one that could not be opened had asked for CUDA.
pub fn advice(providers: &[&str], libraries: &[CudaLibrary], device: Option<&DeviceReport>) -> String {
    let missing: Vec<&str> = libraries
        .iter()
        .filter(|library| library.path.is_none())
        .map(|library| library.name.as_str())
        .collect();
    let has_provider = providers.iter().any(|name| name.starts_with("CUDA"));
    let is_asked_for = device.is_none_or(|device| device.asked != DevicePolicy::Cpu);
    let mut steps = Vec::new();
    if !is_asked_for {
        steps.push("set inference.device to \"auto\" or \"cuda\"".to_owned());
    }
    if !has_provider {
        // For the CPU the other build is taken, also where this one is there.
        let unless_installed = if is_asked_for {
            ""
        } else {
            ", unless that was done"
        };
        steps.push(format!(
            "this library is built without CUDA: run `hangtag runtime install --cuda` (Linux x86-64){unless_installed}"
        ));
    }
    if !missing.is_empty() {
        steps.push(format!(
            "not found by the loader: {}; they come with NVIDIA's driver, CUDA 13 and cuDNN 9, and their folders must be known to ldconfig or stand in LD_LIBRARY_PATH",
            missing.join(", ")
        ));
    }
    if steps.is_empty() {
        steps.push(
            "nothing is missing, so that the driver or one of the libraries does not work; the cause is told with the device"
                .to_owned(),
        );
    }
    steps.join("; ")
}
