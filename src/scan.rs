//! Tags all that lies at some paths, once, and ends: `hangtag scan`.
//!
//! In: folders and files, inside or outside the inboxes. Out: a row for each file, and a [`ScanSummary`]. Never: a
//! file left without an answer; one that is still being written is waited for, up to `settle.give_up`.

mod again;
mod feed;
mod left;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;

use again::forget_rejections_blocking;
use feed::{Ground, feed};
use left::{left_names, mark_left_blocking, names_of};

use crate::config::Config;
use crate::daemon::{DaemonError, Opener, open_serving_blocking};
use crate::domain::ModelId;
use crate::status::StatusBoard;
use crate::store::{BUSY_TIMEOUT, Reader, Store};
use crate::tagging::inbox::{Inboxes, is_gone};
use crate::tagging::line::{Haste, Line, LineParts};
use crate::tagging::own_folder::OwnFolder;
use crate::tagging::record::OnTrouble;

/// Somebody waits for this command: a disk that is full, or a store that is locked, ends it after this long. One write
/// that others kept waiting is tried again several times.
const TROUBLE_LIMIT: Duration = BUSY_TIMEOUT.saturating_mul(5);

/// What a scan did, as `scan` prints it in its last line.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct ScanSummary {
    /// Files that were met.
    pub seen: u64,
    /// Files whose answer, found in this scan, is a tag.
    pub tagged: u64,
    /// Files whose answer, found in this scan, is a reason.
    pub rejected: u64,
    /// Files that the store knew as they are.
    pub unchanged: u64,
    /// From the first look into a folder to the last commit, that folder's walk included. To open store, ONNX Runtime
    /// and model comes before, some tenth of a second whatever the number of files; to fold the store's log in, some
    /// hundredths, behind.
    pub seconds: f64,
    /// Files met a second, of those same seconds.
    pub images_per_second: f64,
}

/// What is counted while a scan runs; for a progress bar.
#[derive(Debug, Default)]
pub struct ScanProgress {
    seen: std::sync::atomic::AtomicU64,
    unchanged: std::sync::atomic::AtomicU64,
    /// Set to end the scan early; what is under way is still recorded.
    pub stop: AtomicBool,
}

impl ScanProgress {
    /// Files met so far.
    pub fn seen(&self) -> u64 {
        self.seen.load(Ordering::Relaxed)
    }
}

/// What becomes of files that were rejected and have not changed since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectedFiles {
    /// They stay rejected.
    Stay,
    /// They are read again: the limits may be others now.
    ReadAgain,
}

/// Scans `paths`; `progress` is shared with whoever shows it and may stop the scan.
pub async fn scan(
    config: &Arc<Config>,
    paths: &[PathBuf],
    rejected: RejectedFiles,
    progress: &Arc<ScanProgress>,
) -> Result<ScanSummary, DaemonError> {
    let named = paths;
    let (missing, there): (Vec<_>, Vec<_>) = named.iter().cloned().partition(|path| is_gone(path));
    if !config.store_path().exists() {
        real_paths(&missing)?; // Nothing is known of what is not there, and no store is begun for it.
    }
    let paths = real_paths(&there)?;
    refuse_own_files(&paths, config)?;
    let mut store = Store::open(&config.store_path(), config.durability.into())?;
    let inboxes = Arc::new(grounds(&paths, config));
    let registry = Reader::open(&config.store_path())?;
    let left = left_names(named, &registry, &grounds(&[], config))?;
    mark_left_blocking((&registry, &mut store), &left, &progress.stop)?;
    let served_before = registry.model_in_service_id()?;
    let opened = open_serving_blocking(config, &mut store, Opener::Guest)?;
    let model = opened.entry.id().clone();
    if rejected == RejectedFiles::ReadAgain {
        forget_rejections_blocking((&registry, &mut store), &inboxes, &paths, &progress.stop)?;
    }
    let parts = LineParts {
        classifiers: opened.classifiers,
        store,
        inboxes: Arc::clone(&inboxes),
        on_trouble: OnTrouble::GiveUpAfter(TROUBLE_LIMIT),
        haste: Haste::LastPhoto,
        board: StatusBoard::default(),
    };
    let line = Line::start(config, parts)?;
    let tally = Arc::clone(&line.tally);
    let ground = Ground {
        reader: Reader::open(&config.store_path())?,
        inboxes,
        model: model.clone(),
        quiet: config.settle.quiet,
        progress: Arc::clone(progress),
    };
    let started = Instant::now();
    let answered = feed(line, ground, config.settle, paths).await?;
    // What the settings name is asked whatever the registry says.
    let serves_now = match config.inference.model {
        None => registry.model_in_service_id()?,
        Some(_) => None,
    };
    if let Some(next) = overtaken_by(serves_now, &model, served_before.as_ref()) {
        tracing::warn!(
            "model {next} came into service while this scan asked model {model}: a running daemon lets what was tagged here \
             follow it within minutes; without one, scan once more"
        );
    }
    let seconds = answered.duration_since(started).as_secs_f64();
    let seen = progress.seen();
    Ok(ScanSummary {
        seen,
        tagged: tally.tagged(),
        rejected: tally.rejected(),
        unchanged: progress.unchanged.load(Ordering::Relaxed),
        seconds,
        images_per_second: seen as f64 / seconds.max(1e-9),
    })
}

/// The model that took the place of the one that was asked, if one did: not where the registry names the same as at the
/// beginning, in place of which a newer program asks the model that it ships.
fn overtaken_by(now: Option<ModelId>, asked: &ModelId, before: Option<&ModelId>) -> Option<ModelId> {
    now.filter(|now| now != asked && Some(now) != before)
}

/// The outermost of the paths, as real paths; one that cannot be looked at is an error before anything is tagged.
fn real_paths(paths: &[PathBuf]) -> Result<Vec<PathBuf>, DaemonError> {
    let mut real = Vec::new();
    for path in paths {
        real.push(real_path(path).map_err(|source| DaemonError::ScanPath {
            path: path.clone(),
            source,
        })?);
    }
    real.sort();
    real.dedup();
    let all = real.clone();
    real.retain(|path| !all.iter().any(|outer| outer != path && path.starts_with(outer)));
    Ok(real)
}

/// What lies around hangtag's own folder is scanned without it; of what lies within it nothing would be left.
fn refuse_own_files(paths: &[PathBuf], config: &Config) -> Result<(), DaemonError> {
    let own = OwnFolder::of(config);
    match paths.iter().find(|path| own.holds(path)) {
        None => Ok(()),
        Some(path) => Err(DaemonError::OwnFile {
            path: path.clone(),
            data_dir: own.data_dir().to_owned(),
        }),
    }
}

/// A link that was named by hand is meant; its own name is kept for the record when it is a file.
fn real_path(path: &Path) -> std::io::Result<PathBuf> {
    if path.is_dir() {
        path.canonicalize()
    } else {
        beside_real_folder(path)
    }
}

fn beside_real_folder(path: &Path) -> std::io::Result<PathBuf> {
    std::fs::symlink_metadata(path)?;
    let folder = crate::durable::folder_of(path).canonicalize()?;
    Ok(path.file_name().map_or(folder.clone(), |name| folder.join(name)))
}

/// What counts as ours: the paths that were named, by hand, so that no name above them is passed over, and where those of
/// them lead that are links; and the inboxes, so that a link from one place of the inventory to another is followed as the
/// service follows it. One that is not there is known by its files' name, too.
fn grounds(paths: &[PathBuf], config: &Config) -> Inboxes {
    let inboxes = config.inboxes.iter();
    let inboxes = inboxes.flat_map(|inbox| match inbox.canonicalize() {
        Ok(real) => vec![real],
        Err(_) => names_of(inbox),
    });
    let meant = paths.iter().filter(|path| path.is_symlink());
    let meant = meant.filter_map(|path| path.canonicalize().ok());
    Inboxes::of(
        config,
        paths.iter().cloned().chain(meant).chain(inboxes).collect(),
    )
}

#[cfg(test)]
mod tests;
