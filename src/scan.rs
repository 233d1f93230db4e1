//! Tags all that lies at some paths, once, and ends: `hangtag scan`.
//!
//! In: folders and files, inside or outside the inboxes. Out: a row for each file, and a [`ScanSummary`]. Never: a
//! file left without an answer; one that is still being written is waited for, up to `settle.give_up`.

mod again;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_channel::TrySendError;
use serde::Serialize;

use again::forget_rejections_blocking;

use crate::config::{Config, SettleConfig};
use crate::daemon::{DaemonError, Opener, open_serving_blocking};
use crate::domain::{ModelId, Rejection, RejectionReason};
use crate::status::StatusBoard;
use crate::store::{BUSY_TIMEOUT, Change, Reader, Store, StoreError};
use crate::tagging::inbox::{Inboxes, Look, RootLook};
use crate::tagging::line::{Haste, Line, LineInputs, LineParts, Tally};
use crate::tagging::own_folder::OwnFolder;
use crate::tagging::record::{OnTrouble, Recordable};
use crate::tagging::settle::{Hint, NoticedFile, SettledFile, Settler, Verdict};
use crate::tagging::sweep::{Counted, Found, NoMore, Sweep, missed_in_bare_inbox};

/// Somebody waits for this command: a disk that is full, or a store that is locked, ends it after this long. One write
/// that others kept waiting is tried again several times.
const TROUBLE_LIMIT: Duration = BUSY_TIMEOUT.saturating_mul(5);
/// Between two looks at a full queue (which holds some 20 ms of work) or at what is still under way.
const PAUSE: Duration = Duration::from_millis(1);

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
    /// and model comes before, some tenth of a second whatever the number of files.
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
    let paths = real_paths(paths)?;
    refuse_own_files(&paths, config)?;
    let mut store = Store::open(&config.store_path(), config.durability.into())?;
    let inboxes = Arc::new(grounds(&paths, config));
    let registry = Reader::open(&config.store_path())?;
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
    let (inputs, _, mut drained) = line.into_parts();
    let ground = Ground {
        reader: Reader::open(&config.store_path())?,
        inboxes,
        model: model.clone(),
        quiet: config.settle.quiet,
        progress: Arc::clone(progress),
    };
    let started = Instant::now();
    let feeder = Feeder::new(config.settle, inputs, Arc::clone(&tally), Arc::clone(progress));
    let feeding = tokio::task::spawn_blocking(move || feeder.run_blocking(&ground, &paths));
    let ended = drained.all().await;
    let fed = feeding
        .await
        .map_err(|error| crate::tagging::line::LineError::Panicked(error.to_string()))?;
    ended?;
    fed?;
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
    let seconds = started.elapsed().as_secs_f64();
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

/// The outermost of the paths, as real paths; one that is not there is an error before anything is tagged.
fn real_paths(paths: &[PathBuf]) -> Result<Vec<PathBuf>, DaemonError> {
    let mut real = Vec::new();
    for path in paths {
        // A link that was named by hand is meant; its own name is kept for the record when it is a file.
        let found = if path.is_dir() {
            path.canonicalize()
        } else {
            beside_real_folder(path)
        };
        real.push(found.map_err(|source| DaemonError::ScanPath {
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

fn beside_real_folder(path: &Path) -> std::io::Result<PathBuf> {
    std::fs::symlink_metadata(path)?;
    let folder = crate::durable::folder_of(path).canonicalize()?;
    Ok(path.file_name().map_or(folder.clone(), |name| folder.join(name)))
}

/// What counts as ours: the paths that were named, by hand, so that no name above them is passed over, and where those of
/// them lead that are links; and the inboxes, so that a link from one place of the inventory to another is followed as the
/// service follows it.
fn grounds(paths: &[PathBuf], config: &Config) -> Inboxes {
    let inboxes = config.inboxes.iter();
    let inboxes = inboxes.map(|inbox| inbox.canonicalize().unwrap_or_else(|_| inbox.clone()));
    let meant = paths.iter().filter(|path| path.is_symlink());
    let meant = meant.filter_map(|path| path.canonicalize().ok());
    Inboxes::of(
        config,
        paths.iter().cloned().chain(meant).chain(inboxes).collect(),
    )
}

/// What the folders are held against.
struct Ground {
    reader: Reader,
    inboxes: Arc<Inboxes>,
    model: ModelId,
    quiet: Duration,
    progress: Arc<ScanProgress>,
}

impl Ground {
    fn sweep(&self) -> Sweep<'_> {
        Sweep {
            inboxes: &self.inboxes,
            reader: &self.reader,
            counted: Counted::AnswersOf(&self.model),
            quiet: self.quiet,
            stop: &self.progress.stop,
        }
    }

    /// Says where nothing is met, and nothing counts as gone either. Looked at before the walk, a folder that is emptied
    /// during the scan is known to have been one with files.
    fn look_at_root_blocking(&self, path: &Path) -> Result<(), StoreError> {
        if let Some(root) = self.inboxes.outermost_root_of(path)
            && let RootLook::Bare(_) = self.inboxes.look_at_root_blocking(root)
            && let Some(why) = missed_in_bare_inbox(root, &self.reader)?
        {
            tracing::warn!("{} {why}", root.display());
        }
        Ok(())
    }
}

/// Walks the paths, waits for what is restless, and ends when every file has its answer.
struct Feeder {
    settle: SettleConfig,
    settler: Settler,
    inputs: LineInputs,
    tally: Arc<Tally>,
    progress: Arc<ScanProgress>,
    /// Files handed to the line and not come back.
    sent: u64,
    /// When files that still change are given up; set once nothing but waiting is left to do.
    patience_ends: Option<Instant>,
}

impl Feeder {
    fn new(settle: SettleConfig, inputs: LineInputs, tally: Arc<Tally>, progress: Arc<ScanProgress>) -> Self {
        Self {
            settle,
            settler: Settler::new(settle),
            inputs,
            tally,
            progress,
            sent: 0,
            patience_ends: None,
        }
    }

    fn run_blocking(mut self, ground: &Ground, paths: &[PathBuf]) -> Result<(), DaemonError> {
        for path in paths {
            ground.look_at_root_blocking(path)?;
            let walked = ground
                .sweep()
                .walk(path, &mut |found| self.take_blocking(found, ground));
            walked?;
        }
        self.patience_ends = Some(Instant::now() + 2 * self.settle.give_up);
        self.wait_for_answers_blocking(ground);
        // Only now: the answer for a file that went meanwhile would bring it back.
        for path in paths {
            let looked = ground.sweep().look_for_removed(path, &mut |found| match found {
                // Not met, but missed: it counts neither as seen nor as answered.
                Found::Change(change) => self.record_blocking(change),
                _ => Ok(()),
            });
            looked?;
        }
        Ok(())
    }

    /// Until nothing waits and nothing is under way: a file under way may come back as truncated.
    fn wait_for_answers_blocking(&mut self, ground: &Ground) {
        while !self.progress.stop.load(Ordering::Relaxed) {
            self.take_back();
            let all_committed = self.tally.through() >= self.sent;
            if self.settler.is_empty() && all_committed || self.inputs.settled_tx.is_closed() {
                break; // A closed line has failed, and says so itself.
            }
            if self.look_at_due_blocking(ground).is_err() {
                break;
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn take_blocking(&mut self, found: Found, ground: &Ground) -> Result<(), NoMore> {
        match found {
            // A folder under the name of a file that was known: the file is missed, and the folder no file.
            Found::Change(change @ Change::Absent { .. }) => return self.record_blocking(change),
            Found::Unchanged => {
                self.progress.unchanged.fetch_add(1, Ordering::Relaxed);
            }
            Found::AtRest(file) => {
                self.make_room_blocking(ground)?;
                self.send_file_blocking(file)?;
            }
            Found::Restless(noticed) => {
                self.make_room_blocking(ground)?;
                let hint = Hint::Closed;
                // There is room.
                self.settler
                    .notice(Instant::now(), NoticedFile { hint, ..noticed });
            }
            Found::Change(change) => self.send_change_blocking(change)?,
        }
        self.progress.seen.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Files that were read too early wait again.
    fn take_back(&mut self) {
        while let Ok(noticed) = self.inputs.relook_rx.try_recv() {
            self.sent -= 1;
            self.settler.take_back(Instant::now(), noticed);
        }
    }

    /// Deals with the files that wait until one more can.
    fn make_room_blocking(&mut self, ground: &Ground) -> Result<(), NoMore> {
        while !self.settler.has_room() {
            if self.progress.stop.load(Ordering::Relaxed) {
                return Err(NoMore);
            }
            let patience = 2 * self.settle.give_up;
            self.patience_ends
                .get_or_insert_with(|| Instant::now() + patience);
            self.look_at_due_blocking(ground)?;
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Waits for a place in the queue without ceasing to take files back: the readers may wait for that.
    fn send_file_blocking(&mut self, file: SettledFile) -> Result<(), NoMore> {
        let mut file = file;
        loop {
            match self.inputs.settled_tx.try_send(file) {
                Ok(()) => {
                    self.sent += 1;
                    return Ok(());
                }
                Err(TrySendError::Closed(_)) => return Err(NoMore),
                Err(TrySendError::Full(back)) => {
                    self.take_back();
                    std::thread::sleep(PAUSE);
                    file = back;
                }
            }
        }
    }

    fn send_change_blocking(&mut self, change: Change) -> Result<(), NoMore> {
        self.record_blocking(change)?;
        self.sent += 1;
        Ok(())
    }

    fn record_blocking(&self, change: Change) -> Result<(), NoMore> {
        let recordable = Recordable::change(change);
        let sent = self.inputs.recordable_tx.send_blocking(recordable);
        sent.map_err(|_| NoMore)
    }

    fn look_at_due_blocking(&mut self, ground: &Ground) -> Result<(), NoMore> {
        for path in self.settler.due(Instant::now(), usize::MAX) {
            let now = Instant::now();
            let change = match ground.inboxes.look_blocking(&path) {
                Look::File(seen) => match self.settler.judge(now, &path, seen) {
                    Verdict::Settled(file) => {
                        self.send_file_blocking(file)?;
                        continue;
                    }
                    // It still changes; a scan has to end.
                    Verdict::Wait if self.patience_ends.is_some_and(|end| now > end) => {
                        let detail = "it was still changing when the scan had to end".to_owned();
                        let rejection = Rejection {
                            reason: RejectionReason::NeverSettled,
                            detail,
                        };
                        Change::unread(&path, Some(seen.stamp), rejection)
                    }
                    Verdict::Wait => continue,
                },
                Look::Refused(rejection, stamp) => Change::unread(&path, stamp, rejection),
                Look::Missing | Look::Folder => Change::vanished(&path),
            };
            self.settler.drop_file(&path);
            self.send_change_blocking(change)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
