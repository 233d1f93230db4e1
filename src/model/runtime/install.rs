//! Puts a pinned build of ONNX Runtime into hangtag's cache.
//!
//! In: the cache's folder, a flavour. Out: a folder with exactly the pinned libraries, each with its pinned SHA-256.
//! Never: a name or a length that an archive dictates; a half-filled folder under its final name, also when two
//! processes install at once; what an installation that was ended has left, once another begins; pip, or Python, after
//! the installation or the process.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::pins::{self, Build, LibraryPin, PLATFORM, Source};
use super::{Flavour, Located, find};
use crate::durable;
use crate::fetch::{self, Download, FetchError, file_sha256};

/// A build that could not be installed.
#[derive(Debug, thiserror::Error)]
#[error(
    "could not install ONNX Runtime ({flavour}) into {cache}: {causes}. To install it by hand, put a libonnxruntime of 1.{least} or newer anywhere and set runtime.library to its path", flavour = flavour.name(), cache = cache.display(), least = crate::model::onnx::LEAST_MINOR_VERSION
)]
pub struct InstallError {
    flavour: Flavour,
    cache: PathBuf,
    causes: String,
}

/// One way that did not lead there.
#[derive(Debug, thiserror::Error)]
enum WayError {
    #[error("no pip was found (tried python3 -m pip, pip3, pip)")]
    NoPip,
    #[error("{program} ended with {status}: {said}")]
    Pip {
        program: String,
        status: std::process::ExitStatus,
        said: String,
    },
    #[error("{0}")]
    Fetch(#[from] FetchError),
    #[error("{package} does not hold {member} as pinned: {found}")]
    Package {
        package: PathBuf,
        member: &'static str,
        found: String,
    },
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
}

/// Installs the best build of `flavour` for this platform; the next one where the first cannot be had.
pub fn install_blocking(
    cache: &Path,
    flavour: Flavour,
    say: &mut dyn FnMut(&str),
) -> Result<Located, InstallError> {
    let mut causes = Vec::new();
    for build in pins::builds(flavour) {
        say(&announcement(build, cache));
        match install_build(build, cache) {
            Ok(located) => {
                say(&format!(
                    "ONNX Runtime {} is in {}",
                    build.version,
                    located.path.display()
                ));
                return Ok(located);
            }
            Err(error) => {
                say(&format!("that did not work: {error}"));
                causes.push(format!("{} {}: {error}", build.version, build.source.describe()));
            }
        }
    }
    if causes.is_empty() {
        causes.push(format!(
            "hangtag has no pinned build for {PLATFORM} and {}",
            flavour.name()
        ));
    }
    Err(InstallError {
        flavour,
        cache: cache.to_owned(),
        causes: causes.join("; "),
    })
}

fn announcement(build: &Build, cache: &Path) -> String {
    let untried = if build.tried {
        ""
    } else {
        " (this build is pinned, but was not tried on such a machine)"
    };
    format!(
        "installing ONNX Runtime {} for {} into {} {}{untried}",
        build.version,
        build.flavour.name(),
        cache.display(),
        build.source.describe(),
    )
}

impl Source {
    fn describe(&self) -> String {
        match self {
            Source::Wheel { project, .. } => format!("by pip download of {project}"),
            Source::Archive { url, .. } => format!("from {url}"),
        }
    }
}

fn install_build(build: &'static Build, cache: &Path) -> Result<Located, WayError> {
    std::fs::create_dir_all(cache).map_err(|source| at(cache, source))?;
    let _at_work = begin(cache).map_err(|source| at(cache, source))?;
    // Aside, but on the same file system, so that the last step is a rename.
    let aside = tempfile::Builder::new()
        .prefix(ASIDE)
        .tempdir_in(cache)
        .map_err(|source| at(cache, source))?;
    let package = aside.path().join("package");
    let libraries = aside.path().join("libraries");
    for folder in [&package, &libraries] {
        std::fs::create_dir(folder).map_err(|source| at(folder, source))?;
    }
    match &build.source {
        Source::Wheel {
            project,
            platform,
            sha256,
        } => {
            let requirement = format!("{project}=={} --hash=sha256:{sha256}\n", build.version);
            let wheel = pip_download(&package, platform, &requirement)?;
            take_from_zip(&wheel, build.libraries, &libraries)?;
        }
        Source::Archive { url, bytes, sha256 } => {
            // Not aside: what has arrived shall be there at the next attempt, and whoever puts it there by hand
            // needs a name that stays.
            let archive = cache.join(url.rsplit('/').next().unwrap_or(url));
            let download = Download {
                what: "ONNX Runtime",
                mirrors: &[(*url).to_owned()],
                sha256,
                bytes: *bytes,
                to: &archive,
            };
            fetch::download_blocking(&download, &mut |_, _| {})?;
            take_from_tgz(&archive, build.libraries, &libraries)?;
            std::fs::remove_file(&archive).map_err(|source| at(&archive, source))?;
        }
    }
    publish(build, &libraries, &cache.join(build.folder()))
}

/// How the folders begin that are filled aside.
const ASIDE: &str = ".aside-";

/// Says that an installation is under way for as long as the file is open, however the process ends; whoever is alone with
/// that removes what those left who were ended.
fn begin(cache: &Path) -> io::Result<File> {
    let at_work = File::open(cache)?;
    // A file system without locks tells of nobody, and there nothing is removed.
    if at_work.try_lock().is_ok() {
        for entry in std::fs::read_dir(cache)?.flatten() {
            if entry.file_name().as_encoded_bytes().starts_with(ASIDE.as_bytes()) {
                // What cannot be removed harms nobody, but for its room.
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
        at_work.unlock()?;
    }
    let _ = at_work.lock_shared();
    Ok(at_work)
}

/// Renames the filled folder to its final name. Whoever comes second finds a sound folder there and uses that one; a
/// damaged one is moved out of the way.
fn publish(build: &'static Build, filled: &Path, target: &Path) -> Result<Located, WayError> {
    let damaged = || WayError::Package {
        package: target.to_owned(),
        member: build.libraries[0].member,
        found: "another process put something else there".into(),
    };
    durable::sync_folder(filled).map_err(|source| at(filled, source))?;
    for _ in 0..2 {
        if std::fs::rename(filled, target).is_ok() {
            let folder = durable::folder_of(target);
            durable::sync_folder(folder).map_err(|source| at(folder, source))?;
            return find::check_build(build, target).map_err(|_| damaged());
        }
        if let Ok(located) = find::check_build(build, target) {
            return Ok(located);
        }
        let grave = filled.with_file_name("damaged");
        std::fs::rename(target, &grave).map_err(|source| at(target, source))?;
    }
    Err(damaged())
}

/// Runs pip in whatever form is there and returns the only wheel that it left in `folder`.
///
/// `--platform` and `--python-version` make it independent of the Python that runs it; `--require-hashes` makes pip
/// refuse any other file.
fn pip_download(folder: &Path, platform: &str, requirement: &str) -> Result<PathBuf, WayError> {
    const PIPS: [&[&str]; 4] = [
        &["python3", "-m", "pip"],
        &["pip3"],
        &["pip"],
        &["python", "-m", "pip"],
    ];
    let requirements = folder.join("requirements.txt");
    std::fs::write(&requirements, requirement).map_err(|source| at(&requirements, source))?;
    let Some(pip) = PIPS.into_iter().find(|pip| runs(pip)) else {
        return Err(WayError::NoPip);
    };
    let mut command = Command::new(pip[0]);
    end_with_hangtag(&mut command);
    let output = command
        .args(&pip[1..])
        .args([
            "download",
            "--no-deps",
            "--only-binary",
            ":all:",
            "--require-hashes",
        ])
        .args(["--implementation", "cp", "--python-version", "3.12"])
        .args(["--disable-pip-version-check", "--no-input", "--quiet"])
        .args(["--platform", platform])
        .arg("--requirement")
        .arg(&requirements)
        .arg("--dest")
        .arg(folder)
        // What it leaves if it is ended is removed with the rest.
        .env("TMPDIR", folder)
        .stdin(Stdio::null())
        .output()
        .map_err(|source| at(Path::new(pip[0]), source))?;
    if !output.status.success() {
        return Err(WayError::Pip {
            program: pip.join(" "),
            status: output.status,
            said: last_lines(&output.stderr),
        });
    }
    let entries = std::fs::read_dir(folder).map_err(|source| at(folder, source))?;
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .ok_or_else(|| at(folder, io::Error::other("pip left no wheel here")))
}

/// Lets a program hear nothing of the terminal, whose Ctrl-C is for hangtag to answer, and end with hangtag, however that
/// ends: it would go on fetching for nobody.
fn end_with_hangtag(program: &mut Command) {
    program.process_group(0);
    // Elsewhere there is no such signal.
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Signal, set_parent_process_death_signal};
        // SAFETY: it is one system call, and takes no lock and no memory, as must be between fork and exec.
        unsafe {
            program.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::TERM))?));
        }
    }
}

fn runs(pip: &[&str]) -> bool {
    Command::new(pip[0])
        .args(&pip[1..])
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The end of what a program said, on one line; its start is progress.
fn last_lines(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    lines[lines.len().saturating_sub(4)..].join(" | ")
}

fn take_from_zip(package: &Path, pins: &[LibraryPin], folder: &Path) -> Result<(), WayError> {
    let file = File::open(package).map_err(|source| at(package, source))?;
    let bad = |member, found: String| WayError::Package {
        package: package.to_owned(),
        member,
        found,
    };
    let mut zip = zip::ZipArchive::new(file).map_err(|error| bad(pins[0].member, error.to_string()))?;
    for pin in pins {
        let mut member = zip
            .by_name(pin.member)
            .map_err(|error| bad(pin.member, error.to_string()))?;
        put(&mut member, package, pin, folder)?;
    }
    Ok(())
}

fn take_from_tgz(package: &Path, pins: &[LibraryPin], folder: &Path) -> Result<(), WayError> {
    let file = File::open(package).map_err(|source| at(package, source))?;
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let mut missing: Vec<&LibraryPin> = pins.iter().collect();
    for entry in archive.entries().map_err(|source| at(package, source))? {
        let mut entry = entry.map_err(|source| at(package, source))?;
        let wanted = entry.path().ok().and_then(|path| {
            let path = path.strip_prefix("./").unwrap_or(&path).to_owned();
            missing.iter().position(|pin| Path::new(pin.member) == path)
        });
        // A link of the same name would be an empty file here; the pinned sum would refuse it.
        if let Some(index) = wanted {
            put(&mut entry, package, missing.swap_remove(index), folder)?;
        }
    }
    match missing.first() {
        None => Ok(()),
        Some(pin) => Err(WayError::Package {
            package: package.to_owned(),
            member: pin.member,
            found: "not in it".into(),
        }),
    }
}

/// Writes one member under its pinned name, no more than its pinned length, and checks its sum.
fn put(member: &mut dyn Read, package: &Path, pin: &LibraryPin, folder: &Path) -> Result<(), WayError> {
    let path = folder.join(pin.file);
    let mut write = || -> io::Result<()> {
        let mut file = File::create_new(&path)?;
        io::copy(&mut member.take(pin.bytes + 1), &mut file)?;
        file.set_permissions(std::fs::Permissions::from_mode(0o644))?;
        file.sync_all()
    };
    write().map_err(|source| at(&path, source))?;
    let found = file_sha256(&path).map_err(|source| at(&path, source))?;
    if found != pin.sha256 {
        return Err(WayError::Package {
            package: package.to_owned(),
            member: pin.member,
            found: format!("SHA-256 {found}, expected {}", pin.sha256),
        });
    }
    Ok(())
}

fn at(path: &Path, source: io::Error) -> WayError {
    WayError::Io {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests;
