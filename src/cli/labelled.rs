//! A shop's labelled photos: the list, and each photo as the network sees it.
//!
//! In: a CSV with the columns file and label, and the photos it names. Out: each photo's content hash, truth and tensor,
//! and what could not be used, with the reason. Never: a look at a photo's name to learn what it shows, a write.

use std::fmt;
use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::bail;
use serde::Serialize;

use super::output;
use super::sheet::{NamedBy, Sheet, SheetRow};
use crate::config::Config;
use crate::daemon;
use crate::decode::decode;
use crate::domain::{ContentHash, Label, Rejection, RejectionReason, Truth};
use crate::preprocess::{InputTensor, Preprocessor};
use crate::tagging::inbox::unreadable;
use crate::training::sketch::Sketch;

/// One row of a list: where the photo lies, and what it shows (`None`: none of the classes).
pub type Row = (PathBuf, Option<Label>);

/// A photo as the network sees it, and what it really shows.
#[derive(Debug, Clone)]
pub struct LabelledPhoto {
    /// Where it lies; for messages.
    pub path: PathBuf,
    /// What it is known by.
    pub hash: ContentHash,
    /// What the list says of it.
    pub truth: Truth,
    /// What the network sees.
    pub input: InputTensor,
    /// By what it is told from others.
    pub sketch: Sketch,
}

/// A photo that cannot be used.
#[derive(Debug, Serialize)]
pub struct RejectedPhoto {
    file: String,
    reason: String,
    detail: String,
}

impl fmt::Display for RejectedPhoto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = output::shown(&self.file);
        write!(f, "{file}: {} ({})", self.reason, self.detail)
    }
}

/// Paths and true labels; every wrong line is named.
pub fn read_labels(csv: &Path) -> anyhow::Result<Vec<Row>> {
    let sheet = Sheet::open(csv, NamedBy::File)?;
    let (mut rows, mut problems) = (Vec::new(), Vec::new());
    for (place, row) in sheet.rows() {
        match row {
            Ok(SheetRow { file, truth, .. }) => rows.extend(file.map(|file| (file, truth.label()))),
            Err(problem) => problems.push((place, problem)),
        }
    }
    if !problems.is_empty() {
        bail!("there are wrong lines in the list:{}", sheet.listed(&problems));
    }
    if rows.is_empty() {
        bail!("{}: there are no rows below its first line", csv.display());
    }
    Ok(rows)
}

/// Reads and prepares the photos of some rows, in their order; one that cannot be used does not stop the others.
pub fn prepare_blocking(rows: &[Row], config: &Config) -> (Vec<LabelledPhoto>, Vec<RejectedPhoto>) {
    let limits = daemon::decode_limits(config);
    let (mut photos, mut rejected, mut preprocessor) = (Vec::new(), Vec::new(), Preprocessor::new());
    for (path, label) in rows {
        let found = read_photo(path, config.limits.max_file_bytes).and_then(|bytes| {
            let image = decode(&bytes, &limits)?;
            Ok((ContentHash::of(&bytes), image))
        });
        match found {
            Ok((hash, image)) => photos.push(LabelledPhoto {
                path: path.clone(),
                hash,
                truth: (*label).into(),
                input: preprocessor.prepare(&image),
                sketch: Sketch::of(&image),
            }),
            Err(rejection) => rejected.push(RejectedPhoto {
                file: path.display().to_string(),
                reason: rejection.reason.to_string(),
                detail: rejection.detail,
            }),
        }
    }
    (photos, rejected)
}

/// A photo's bytes; neither a pipe nor a file without end holds the command.
pub(super) fn read_photo(path: &Path, max_bytes: u64) -> Result<Vec<u8>, Rejection> {
    let refused = |reason, detail: String| Err(Rejection { reason, detail });
    let unreadable = |error: std::io::Error| unreadable(path, &error);
    // Non-blocking: the opening of a pipe would wait for a writer. It changes nothing for files.
    let flags = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = opened.map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return refused(RejectionReason::NotAFile, "not a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    file.take(max_bytes.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > max_bytes {
        let detail = format!(
            "{} bytes; at most {max_bytes} are read (limits.max_file_bytes)",
            metadata.len()
        );
        return refused(RejectionReason::TooManyBytes, detail);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One missing photo ended the whole evaluation, and a pipe held it for ever.
    #[test]
    fn what_is_no_readable_file_is_refused_with_a_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("large.png"), b"12345").unwrap();
        let made = std::process::Command::new("mkfifo")
            .arg(path("pipe.png"))
            .status();
        assert!(made.unwrap().success());
        let reason = |name: &str| read_photo(&path(name), 4).unwrap_err().reason;
        assert_eq!(reason("large.png"), RejectionReason::TooManyBytes);
        assert_eq!(reason("pipe.png"), RejectionReason::NotAFile);
        assert_eq!(reason("none.png"), RejectionReason::Unreadable);
        assert_eq!(read_photo(&path("large.png"), 5).unwrap(), b"12345");
    }
}
