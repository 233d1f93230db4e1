//! Files that are either whole or not there: written aside, synced, renamed, and the folder synced. What is no truth
//! goes without the syncs.
//!
//! In: bytes and the path they shall have. Out: that file, or an error and no trace. Never: a half-written file
//! under its final name, whatever happens to the process or the power.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file that could not be put in its place.
#[derive(Debug, thiserror::Error)]
#[error("could not write {path}: {source}")]
pub struct WriteError {
    /// The file that was to be.
    pub path: PathBuf,
    /// What the operating system said.
    pub source: io::Error,
}

/// Puts `bytes` at `path`, replacing what was there; the folder is made if absent.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    write_file_with(path, |file| file.write_all(bytes))
}

/// As [`write_file`], but without waiting for the disk: for what is no truth and is soon written again. Readers see the
/// old or the new file as a whole; after a power failure it may be either of them, or empty.
pub fn write_passing_file(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    let attempt = || -> io::Result<()> {
        let folder = folder_of(path);
        std::fs::create_dir_all(folder)?;
        let mut aside = tempfile::Builder::new().prefix(".aside-").tempfile_in(folder)?;
        aside.write_all(bytes)?;
        readable_by_all(aside.as_file())?;
        aside.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    attempt().map_err(|source| WriteError {
        path: path.to_owned(),
        source,
    })
}

/// Puts what `fill` writes at `path`, replacing what was there; the folder is made if absent.
pub fn write_file_with(
    path: &Path,
    fill: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), WriteError> {
    let attempt = || -> io::Result<()> {
        let folder = folder_of(path);
        std::fs::create_dir_all(folder)?;
        let mut aside = tempfile::Builder::new().prefix(".aside-").tempfile_in(folder)?;
        fill(aside.as_file_mut())?;
        aside.as_file().sync_all()?;
        readable_by_all(aside.as_file())?;
        aside.persist(path).map_err(|error| error.error)?;
        sync_folder(folder)
    };
    attempt().map_err(|source| WriteError {
        path: path.to_owned(),
        source,
    })
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

/// Temporary files are made private; what is left here is meant to be read by others, as any file a program writes.
fn readable_by_all(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a").join("file");
        write_file(&path, b"old").unwrap();
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
    fn a_passing_file_replaces_the_former_one_and_can_be_read_by_others() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a").join("file");
        write_passing_file(&path, b"old").unwrap();
        write_passing_file(&path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
