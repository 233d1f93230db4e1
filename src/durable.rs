//! Files that are either whole or not there: written aside, synced, renamed, and the folder synced. What is no truth
//! goes without the syncs. What a person names may be a link, a device or a pipe as well.
//!
//! In: bytes and the path they shall have. Out: that file, or an error and no trace. Never: a half-written file
//! under its final name, whatever happens to the process or the power.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// A file that could not be put in its place.
#[derive(Debug, thiserror::Error)]
#[error("could not write {path}: {source}")]
pub struct WriteError {
    /// The file that was to be.
    pub path: PathBuf,
    /// What the operating system said.
    pub source: io::Error,
}

/// Puts `bytes` at `path`, replacing what was there; the folder is made if absent. All may read it, whatever the umask: what
/// one user's command puts into the data folder is for a service that runs as another.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    write_file_with(path, |file| {
        file.write_all(bytes)?;
        file.set_permissions(Permissions::from_mode(0o644))
    })
}

/// As [`write_file`], but without waiting for the disk: for what is no truth and is soon written again. Readers see the
/// old or the new file as a whole; after a power failure it may be either of them, or empty.
pub fn write_passing_file(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    let attempt = || -> io::Result<()> {
        let folder = folder_of(path);
        std::fs::create_dir_all(folder)?;
        let mut aside = aside_in(folder)?;
        aside.write_all(bytes)?;
        aside.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    attempt().map_err(|source| WriteError {
        path: path.to_owned(),
        source,
    })
}

/// Puts what `fill` writes at `path`, replacing what was there; the folder is made if absent.
fn write_file_with(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), WriteError> {
    let attempt = || -> io::Result<()> {
        let folder = folder_of(path);
        std::fs::create_dir_all(folder)?;
        let mut aside = aside_in(folder)?;
        fill(aside.as_file_mut())?;
        aside.as_file().sync_all()?;
        aside.persist(path).map_err(|error| error.error)?;
        sync_folder(folder)
    };
    attempt().map_err(|source| WriteError {
        path: path.to_owned(),
        source,
    })
}

/// As [`write_file`], for a path that a person named: the file that a link leads to is replaced, not the link, and what
/// is no regular file (a device, a pipe) gets the bytes as they come. Who may read it is what the umask says.
pub fn write_named_file(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    let failed = |source| WriteError {
        path: path.to_owned(),
        source,
    };
    match named_file(path).map_err(failed)? {
        Some(file) => write_file_with(&file, |file| file.write_all(bytes)),
        None => {
            // A file behind /dev/stdout keeps what it has.
            let opened = OpenOptions::new().append(true).open(path);
            opened
                .and_then(|mut stream| stream.write_all(bytes))
                .map_err(failed)
        }
    }
}

/// The regular file that a path leads to, past all links, or where it would be made; `None` where the path leads to what
/// can only be written into.
pub fn named_file(path: &Path) -> io::Result<Option<PathBuf>> {
    // Links there stand for what this process has open; the name behind them may be any other file by now.
    let is_open_already = ["/dev/stdout", "/dev/stderr", "/dev/fd", "/proc"]
        .iter()
        .any(|of_process| path.starts_with(of_process));
    match path.metadata() {
        Ok(found) if found.is_file() && !is_open_already => path.canonicalize().map(Some),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => match path.read_link() {
            Ok(target) => named_file(&folder_of(path).join(target)),
            Err(_) => Ok(Some(path.to_owned())),
        },
        Err(error) => Err(error),
    }
}

/// Makes renames and new names inside `folder` survive a power failure.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// A named place where a test may kill the process: it aborts there, as if by kill -9, if `HANGTAG_CRASH_AT` names it.
/// Builds for use have no such places.
pub fn crash_point(name: &str) {
    if cfg!(debug_assertions) && std::env::var_os("HANGTAG_CRASH_AT").is_some_and(|at| at == name) {
        std::process::abort();
    }
}

/// The folder a path lies in; `.` for a bare name.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Temporary files are private by default; these stay, and may be read as the umask says, like any file a program
/// writes.
fn aside_in(folder: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new()
        .prefix(".aside-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a").join("file");
        write_file(&path, b"old").unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o644);
        let error = write_file_with(&path, |file| {
            file.write_all(b"half")?;
            Err(io::Error::other("disk full"))
        })
        .unwrap_err();
        assert!(
            error.to_string().contains("disk full") && error.to_string().contains("file"),
            "{error}"
        );
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_passing_file_replaces_the_former_one_and_can_be_read_as_the_umask_says() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a").join("file");
        write_passing_file(&path, b"old").unwrap();
        write_passing_file(&path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        let plain = folder.path().join("plain");
        File::create(&plain).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode();
        assert_eq!(mode(&path), mode(&plain));
    }

    #[test]
    fn a_link_that_a_person_names_stays_and_leads_to_the_new_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("there")).unwrap();
        std::fs::write(path("there/old"), "old").unwrap();
        for (link, target) in [
            ("to-old", "there/old"),
            ("to-new", "there/new"),
            ("to-link", "to-new"),
        ] {
            std::os::unix::fs::symlink(target, path(link)).unwrap();
            write_named_file(&path(link), link.as_bytes()).unwrap();
            assert!(path(link).is_symlink(), "{link}");
            assert_eq!(std::fs::read_to_string(path(link)).unwrap(), link);
        }
        assert!(!path("there/old").is_symlink() && !path("there/new").is_symlink());
        write_named_file(&path("made/file"), b"new").unwrap();
        assert_eq!(std::fs::read(path("made/file")).unwrap(), b"new");
        let error = write_named_file(&path("there"), b"new").unwrap_err();
        assert!(error.to_string().contains("there: Is a directory"), "{error}");
    }

    #[test]
    fn a_pipe_that_a_person_names_gets_the_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let reader = {
            let pipe = pipe.clone();
            std::thread::spawn(move || std::fs::read(pipe).unwrap())
        };
        write_named_file(&pipe, b"bytes").unwrap();
        assert!(!pipe.metadata().unwrap().is_file());
        assert_eq!(reader.join().unwrap(), b"bytes");
    }
}
