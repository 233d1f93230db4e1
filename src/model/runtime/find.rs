//! Looks for ONNX Runtime and checks what it finds, without loading anything.
//!
//! In: settings, environment variables, the cache, the loader's folders. Out: the first library that is fit, in the
//! order config, `ORT_DYLIB_PATH`, cache, system. Never: a library that was named and is unfit passed over for
//! another one; a cached library whose SHA-256 is not the pinned one.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::pins::{self, Build};
use super::{ElfError, Flavour, Located, Origin, RuntimeError, RuntimeSettings, elf};
use crate::domain::DevicePolicy;
use crate::fetch::file_sha256;
use crate::model::onnx::LEAST_MINOR_VERSION;

/// Folders that the loader searches by itself, and those where packages put libraries.
const STANDARD_FOLDERS: [&str; 9] = [
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
    "/usr/local/lib",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/opt/homebrew/lib",
    "/opt/onnxruntime/lib",
];

/// What is said of a cached build that is not as pinned.
pub const DAMAGED: &str = "is damaged";

/// Why there is no cache.
pub const NO_CACHE: &str = "no cache: neither XDG_CACHE_HOME nor HOME is set";

/// The first fit library; `looked_at` gets a line for each place that had none.
pub fn find(
    settings: &RuntimeSettings,
    looked_at: &mut Vec<String>,
) -> Result<Option<Located>, RuntimeError> {
    if let Some(path) = &settings.library {
        return named(path, Origin::Config).map(Some);
    }
    if let Some(path) = set_variable("ORT_DYLIB_PATH") {
        return named(Path::new(&path), Origin::Environment).map(Some);
    }
    looked_at.push("runtime.library and ORT_DYLIB_PATH are not set".into());
    let cache = cache_folder(settings);
    if cache.is_none() {
        looked_at.push(NO_CACHE.into());
    }
    let flavours: &[Flavour] = match settings.device {
        DevicePolicy::Cpu => &[Flavour::Cpu, Flavour::Cuda],
        DevicePolicy::Cuda => &[Flavour::Cuda],
        DevicePolicy::Auto => &[Flavour::Cuda, Flavour::Cpu],
    };
    for &flavour in flavours {
        let located = cache
            .as_deref()
            .and_then(|cache| in_cache(cache, flavour, looked_at));
        if located.is_some() {
            return Ok(located);
        }
    }
    Ok(in_system(settings.device, looked_at))
}

/// hangtag's folder for ONNX Runtime, one folder in it a build; `None` where neither `cache_dir`,
/// `XDG_CACHE_HOME` nor `HOME` tells one. A folder that everyone can write to would be no place for it.
pub fn cache_folder(settings: &RuntimeSettings) -> Option<PathBuf> {
    let in_home = || Some(Path::new(&set_variable("HOME")?).join(".cache"));
    // The convention has it that a relative path there counts as none.
    let of_user = || {
        set_variable("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .or_else(in_home)
            .map(|cache| cache.join("hangtag"))
    };
    let hangtag = settings.cache_dir.clone().or_else(of_user)?;
    Some(hangtag.join("onnxruntime"))
}

/// The cached build of `flavour`, all of its libraries with the pinned SHA-256.
pub fn in_cache(cache: &Path, flavour: Flavour, looked_at: &mut Vec<String>) -> Option<Located> {
    for build in pins::builds(flavour) {
        let folder = cache.join(build.folder());
        match check_build(build, &folder) {
            Ok(located) => return Some(located),
            Err(why) => looked_at.push(format!("{}: {why}", folder.display())),
        }
    }
    None
}

/// Checks the build that lies in `folder` and names the library to load.
pub fn check_build(build: &'static Build, folder: &Path) -> Result<Located, String> {
    if !folder.is_dir() {
        return Err("not there".into());
    }
    for library in build.libraries {
        let path = folder.join(library.file);
        let damaged = |why: String| format!("{} {DAMAGED}: {why}", library.file);
        let found = file_sha256(&path).map_err(|error| damaged(error.to_string()))?;
        if found != library.sha256 {
            return Err(damaged(format!(
                "its SHA-256 is {found}, expected {}",
                library.sha256
            )));
        }
    }
    Ok(Located {
        path: folder.join(build.libraries[0].file),
        origin: Origin::Cache,
        version: Some(build.version.to_owned()),
    })
}

fn named(path: &Path, origin: Origin) -> Result<Located, RuntimeError> {
    check_other(path, origin).map_err(|source| RuntimeError::Named { origin, source })
}

/// A library that is not hangtag's own: whole, as far as its header tells.
fn check_other(path: &Path, origin: Origin) -> Result<Located, ElfError> {
    // A relative path would be tried beside the executable first.
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let version = if cfg!(target_os = "linux") {
        elf::inspect(&path)?.onnxruntime_version
    } else {
        version_in_name(&path)
    };
    Ok(Located {
        path,
        origin,
        version,
    })
}

/// The newest fit library in the loader's folders. The CUDA provider must lie beside it where CUDA is a must.
fn in_system(device: DevicePolicy, looked_at: &mut Vec<String>) -> Option<Located> {
    let mut paths = SystemLibraries::read().named_like("libonnxruntime");
    paths.retain(|path| is_main_library(path));
    let mut fit = Vec::new();
    for path in paths {
        match check_other(&path, Origin::System) {
            Ok(located) => match minor_version(located.version.as_deref()) {
                None => looked_at.push(format!("{}: no version in it", path.display())),
                Some(minor) if minor < LEAST_MINOR_VERSION => {
                    looked_at.push(format!("{}: 1.{minor} is too old", path.display()));
                }
                Some(_) if device == DevicePolicy::Cuda && !has_cuda_beside(&path) => {
                    looked_at.push(format!("{}: without CUDA", path.display()));
                }
                Some(minor) => fit.push((minor, located)),
            },
            Err(error) => looked_at.push(error.to_string()),
        }
    }
    if fit.is_empty() {
        looked_at.push("the system's libraries: none that is fit".into());
    }
    fit.sort_by_key(|(minor, _)| std::cmp::Reverse(*minor));
    fit.into_iter().next().map(|(_, located)| located)
}

/// `libonnxruntime.so`, `libonnxruntime.so.1.31.1`, `libonnxruntime.1.31.1.dylib`, but no provider.
fn is_main_library(path: &Path) -> bool {
    path.file_name()
        .and_then(|name| name.to_str())
        .and_then(|name| name.strip_prefix("libonnxruntime."))
        .is_some_and(|rest| rest.starts_with("so") || rest.ends_with("dylib"))
}

fn has_cuda_beside(library: &Path) -> bool {
    let real = library.canonicalize().unwrap_or_else(|_| library.to_owned());
    real.with_file_name(super::report::CUDA_PROVIDER).is_file()
}

fn minor_version(version: Option<&str>) -> Option<u32> {
    let mut parts = version?.split('.');
    match (parts.next(), parts.next()) {
        (Some("1"), Some(minor)) => minor.parse().ok(),
        _ => None,
    }
}

fn version_in_name(path: &Path) -> Option<String> {
    let real = path.canonicalize().ok()?;
    let name = real.file_name()?.to_str()?;
    let version = name
        .trim_start_matches("libonnxruntime.")
        .trim_end_matches(".dylib");
    version
        .starts_with(|c: char| c.is_ascii_digit())
        .then(|| version.to_owned())
}

/// An environment variable that is set and not empty.
fn set_variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Where the loader would look for a library by its name.
pub struct SystemLibraries {
    folders: Vec<PathBuf>,
    cached: Vec<PathBuf>,
}

impl SystemLibraries {
    /// Reads `LD_LIBRARY_PATH` and the loader's cache, and adds the standard folders.
    pub fn read() -> Self {
        let mut folders: Vec<PathBuf> = set_variable("LD_LIBRARY_PATH")
            .map(|paths| {
                std::env::split_paths(&paths)
                    .filter(|path| path.is_absolute())
                    .collect()
            })
            .unwrap_or_default();
        folders.extend(STANDARD_FOLDERS.iter().map(PathBuf::from));
        Self {
            folders,
            cached: loader_cache(),
        }
    }

    /// The library of exactly this name.
    pub fn by_name(&self, name: &str) -> Option<PathBuf> {
        let in_folder = self
            .folders
            .iter()
            .map(|folder| folder.join(name))
            .find(|path| path.exists());
        let in_cache = || {
            self.cached
                .iter()
                .find(|path| path.file_name().is_some_and(|file| file == name) && path.exists())
                .cloned()
        };
        in_folder.or_else(in_cache)
    }

    /// All libraries whose name begins so; each real file once.
    fn named_like(&self, start: &str) -> Vec<PathBuf> {
        let begins = |path: &Path| {
            path.file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| name.starts_with(start))
        };
        let in_folders = self
            .folders
            .iter()
            .filter_map(|folder| std::fs::read_dir(folder).ok())
            .flat_map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())));
        let mut seen = std::collections::HashSet::new();
        in_folders
            .chain(self.cached.iter().cloned())
            .filter(|path| begins(path))
            .filter(|path| path.canonicalize().is_ok_and(|real| seen.insert(real)))
            .collect()
    }
}

/// Every path in the cache of the system's loader; empty where there is no `ldconfig`.
fn loader_cache() -> Vec<PathBuf> {
    let ask = |program: &str| {
        Command::new(program)
            .arg("-p")
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .ok()
            .filter(|output| output.status.success())
    };
    let Some(output) = ask("ldconfig").or_else(|| ask("/sbin/ldconfig")) else {
        return Vec::new();
    };
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| Some(PathBuf::from(line.split_once(" => ")?.1)))
        .collect()
}
