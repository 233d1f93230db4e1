//! ONNX Runtime on this machine: looked for, installed on first need, checked, loaded once.
//!
//! In: settings, the environment variable `ORT_DYLIB_PATH`, hangtag's cache, the system's libraries. Out: the loaded
//! `Runtime`, or an error that says where it was looked for and what the operator can do. Never: a library that was
//! not checked; a download without a pinned sum; a second library in one process.

mod elf;
mod find;
mod install;
pub mod pins;
mod report;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

pub use self::elf::ElfError;
pub use self::install::InstallError;
pub use self::report::{CudaLibrary, RuntimeReport};
use super::onnx::{Environment, LoadError};
use crate::domain::DevicePolicy;

/// Whether a missing library is installed into hangtag's cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AutoInstall {
    /// On first need, with a line that says so.
    OnFirstNeed,
    /// Not at all: `hangtag runtime install` does it by hand.
    Never,
}

/// Which build of ONNX Runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Flavour {
    /// For the CPU alone: 29 MB.
    Cpu,
    /// For CUDA 13 and the CPU: 314 MB, and NVIDIA's own libraries beside it.
    Cuda,
}

impl Flavour {
    /// `cpu` or `cuda`, as the folder in the cache is named.
    pub fn name(self) -> &'static str {
        match self {
            Flavour::Cpu => "cpu",
            Flavour::Cuda => "cuda",
        }
    }
}

/// Where ONNX Runtime is looked for and whether it may be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeSettings {
    /// `runtime.library`: the library itself; nothing else is looked at.
    pub library: Option<PathBuf>,
    /// `runtime.auto_install`.
    pub auto_install: AutoInstall,
    /// `inference.device`: `cpu` is served by either flavour, `cuda` wants the CUDA one, `auto` takes the CUDA one
    /// if it is there or if NVIDIA's libraries are, else the CPU one.
    pub device: DevicePolicy,
    /// Folder of hangtag's cache; `None` means `$XDG_CACHE_HOME/hangtag`, else `~/.cache/hangtag`.
    pub cache_dir: Option<PathBuf>,
}

impl Default for RuntimeSettings {
    fn default() -> Self {
        Self {
            library: None,
            auto_install: AutoInstall::OnFirstNeed,
            device: DevicePolicy::Cpu,
            cache_dir: None,
        }
    }
}

/// Where the library was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// `runtime.library`.
    Config,
    /// `ORT_DYLIB_PATH`.
    Environment,
    /// hangtag's own cache.
    Cache,
    /// The loader's folders.
    System,
}

impl Origin {
    /// In words.
    pub fn describe(self) -> &'static str {
        match self {
            Origin::Config => "runtime.library",
            Origin::Environment => "ORT_DYLIB_PATH",
            Origin::Cache => "hangtag's cache",
            Origin::System => "the system's libraries",
        }
    }
}

/// A library that was checked and may be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Located {
    path: PathBuf,
    origin: Origin,
    version: Option<String>,
}

/// ONNX Runtime that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The library that was named cannot be used.
    #[error("{origin} names a library that cannot be used: {source}; name another one, or none, so that hangtag looks for it itself", origin = origin.describe())]
    Named {
        /// Who named it.
        origin: Origin,
        /// What is wrong with it.
        source: ElfError,
    },
    /// It is nowhere.
    #[error(
        "ONNX Runtime 1.{least} or newer for {device} was not found. Looked at: {looked_at}. Run `hangtag runtime install{cuda}`, or set runtime.library or ORT_DYLIB_PATH to a libonnxruntime",
        least = super::onnx::LEAST_MINOR_VERSION,
        cuda = if *device == "cuda" { " --cuda" } else { "" }
    )]
    NotFound {
        /// What it was wanted for.
        device: &'static str,
        /// Every place, with what was found there.
        looked_at: String,
    },
    /// There is no folder to install it into.
    #[error("ONNX Runtime cannot be installed: {}; set one of them", find::NO_CACHE)]
    NoCache,
    /// It could not be installed.
    #[error(transparent)]
    Install(#[from] InstallError),
    /// It was found and could not be loaded.
    #[error("ONNX Runtime cannot be used: {0}; it came from {origin}", origin = .1.describe())]
    Load(#[source] LoadError, Origin),
    /// Another one is loaded already.
    #[error(
        "{wanted} cannot be loaded: this process has loaded {loaded} already, and there is one a process"
    )]
    OtherLoaded {
        /// The one in use.
        loaded: PathBuf,
        /// The one that was asked for.
        wanted: PathBuf,
    },
}

/// ONNX Runtime, loaded; cheap to clone. It stays loaded until the process ends.
#[derive(Debug, Clone)]
pub struct Runtime(Arc<Loaded>);

#[derive(Debug)]
struct Loaded {
    environment: Environment,
    located: Located,
}

impl Runtime {
    /// The library's path.
    pub fn path(&self) -> &Path {
        &self.0.located.path
    }

    /// Where it was found.
    pub fn origin(&self) -> Origin {
        self.0.located.origin
    }

    /// Its version, where the file tells it.
    pub fn version(&self) -> Option<&str> {
        self.0.located.version.as_deref()
    }

    /// Names of the execution providers that it was built with, of those that hangtag can use.
    pub fn providers(&self) -> Vec<&'static str> {
        self.0.environment.providers()
    }

    pub(super) fn environment(&self) -> &Environment {
        &self.0.environment
    }
}

/// The one loaded library. Its owner is this module; the lock is held while the library is looked for and loaded, so
/// that two threads never load two.
static LOADED: Mutex<Option<Runtime>> = Mutex::new(None);

/// The loaded runtime: the one in use, else found and loaded now, else installed first where that is allowed.
///
/// `say` gets a line for the operator before something slow is done. Reads the environment variables
/// `ORT_DYLIB_PATH`, `XDG_CACHE_HOME`, `HOME` and `LD_LIBRARY_PATH`.
pub fn ensure_blocking(
    settings: &RuntimeSettings,
    say: &mut dyn FnMut(&str),
) -> Result<Runtime, RuntimeError> {
    // A panic while it was held left nothing half done: the value is set last.
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = loaded.as_ref() {
        return match &settings.library {
            Some(wanted) if std::path::absolute(wanted).ok().as_deref() != Some(runtime.path()) => {
                Err(RuntimeError::OtherLoaded {
                    loaded: runtime.path().to_owned(),
                    wanted: wanted.clone(),
                })
            }
            _ => Ok(runtime.clone()),
        };
    }
    let located = locate_blocking(settings, say)?;
    let environment =
        Environment::load(&located.path).map_err(|error| RuntimeError::Load(error, located.origin))?;
    let runtime = Runtime(Arc::new(Loaded { environment, located }));
    *loaded = Some(runtime.clone());
    Ok(runtime)
}

/// Puts the pinned build of `flavour` into hangtag's cache, unless a sound one is there, and returns its path.
pub fn install_blocking(
    settings: &RuntimeSettings,
    flavour: Flavour,
    say: &mut dyn FnMut(&str),
) -> Result<PathBuf, RuntimeError> {
    let cache = find::cache_folder(settings).ok_or(RuntimeError::NoCache)?;
    if let Some(located) = find::in_cache(&cache, flavour, &mut Vec::new()) {
        return Ok(located.path);
    }
    Ok(install::install_blocking(&cache, flavour, say)?.path)
}

fn locate_blocking(settings: &RuntimeSettings, say: &mut dyn FnMut(&str)) -> Result<Located, RuntimeError> {
    let mut looked_at = Vec::new();
    let found = find::find(settings, &mut looked_at)?;
    // Also where another one serves: it may be without CUDA.
    for line in looked_at.iter().filter(|line| line.contains(find::DAMAGED)) {
        say(&format!("passed over {line}"));
    }
    if let Some(located) = found {
        return Ok(located);
    }
    let flavour = match settings.device {
        DevicePolicy::Cpu => Flavour::Cpu,
        DevicePolicy::Cuda => Flavour::Cuda,
        DevicePolicy::Auto if report::has_all_cuda_libraries() => Flavour::Cuda,
        DevicePolicy::Auto => Flavour::Cpu,
    };
    match settings.auto_install {
        AutoInstall::OnFirstNeed => {
            let cache = find::cache_folder(settings).ok_or(RuntimeError::NoCache)?;
            Ok(install_for(settings.device, flavour, say, |flavour, say| {
                install::install_blocking(&cache, flavour, say)
            })?)
        }
        AutoInstall::Never => {
            looked_at.push("runtime.auto_install is false".to_owned());
            Err(RuntimeError::NotFound {
                device: flavour.name(),
                looked_at: looked_at.join("; "),
            })
        }
    }
}

/// Installs `flavour`; the one for the CPU where `auto` chose CUDA and that cannot be had.
fn install_for<T, E: std::fmt::Display>(
    device: DevicePolicy,
    flavour: Flavour,
    say: &mut dyn FnMut(&str),
    mut install: impl FnMut(Flavour, &mut dyn FnMut(&str)) -> Result<T, E>,
) -> Result<T, E> {
    match install(flavour, say) {
        Err(error) if device == DevicePolicy::Auto && flavour == Flavour::Cuda => {
            say(&format!(
                "{error}; going on with the CPU (inference.device = \"auto\")"
            ));
            install(Flavour::Cpu, say)
        }
        installed => installed,
    }
}

#[cfg(test)]
mod tests;
