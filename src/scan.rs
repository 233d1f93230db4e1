//! Tags all that lies at some paths, once, and ends: `hangtag scan`.
//!
//! In: folders and files, inside or outside the inboxes. Out: a row for each file, and a [`ScanSummary`]. Never: a
//! file left without an answer; one that is still being written is waited for, up to `settle.give_up`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_channel::TrySendError;
use serde::Serialize;

use crate::config::Config;
use crate::daemon::{DaemonError, open_model_blocking};
use crate::domain::{ModelId, Rejection, RejectionReason};
use crate::status::StatusBoard;
use crate::store::{Change, Reader, Store};
use crate::tagging::inbox::{Inboxes, Look};
use crate::tagging::line::{Line, LineInputs, LineParts, Tally};
use crate::tagging::record::{OnTrouble, Recordable};
use crate::tagging::settle::{Hint, NoticedFile, SettledFile, Settler, Verdict};
use crate::tagging::sweep::{Found, NoMore, Sweep};

/// Somebody waits for this command: a disk that is full, or a store that is locked, ends it after this long.
const TROUBLE_LIMIT: Duration = Duration::from_secs(10);
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
    /// From start to the last commit.
    pub seconds: f64,
    /// Files met a second.
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

/// Scans `paths`; `progress` is shared with whoever shows it and may stop the scan.
pub async fn scan(
    config: &Arc<Config>,
    paths: &[PathBuf],
    progress: &Arc<ScanProgress>,
) -> Result<ScanSummary, DaemonError> {
    let started = Instant::now();
    let paths = real_paths(paths)?;
    let inboxes = Arc::new(Inboxes::new(paths.clone(), config.watch.ignore.clone()));
    let mut store = Store::open(&config.store_path(), config.durability.into())?;
    let opened = open_model_blocking(config)?;
    store.register_model(&opened.entry)?;
    let model = opened.entry.id().clone();
    let parts = LineParts {
        classifiers: opened.classifiers,
        store,
        inboxes: Arc::clone(&inboxes),
        on_trouble: OnTrouble::GiveUpAfter(TROUBLE_LIMIT),
        board: StatusBoard::default(),
    };
    let line = Line::start(config, parts)?;
    let tally = Arc::clone(&line.tally);
    let (inputs, mut drained) = line.into_parts();
    let feeder = Feeder {
        reader: Some(Reader::open(&config.store_path())?),
        config: Arc::clone(config),
        inboxes,
        model,
        inputs,
        tally: Arc::clone(&tally),
        progress: Arc::clone(progress),
        sent: 0,
    };
    let feeding = tokio::task::spawn_blocking(move || feeder.run_blocking(&paths));
    let ended = drained.all().await;
    let fed = feeding
        .await
        .map_err(|error| crate::tagging::line::LineError::Panicked(error.to_string()))?;
    ended?;
    fed?;
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

fn beside_real_folder(path: &Path) -> std::io::Result<PathBuf> {
    std::fs::symlink_metadata(path)?;
    let folder = crate::durable::folder_of(path).canonicalize()?;
    Ok(path.file_name().map_or(folder.clone(), |name| folder.join(name)))
}

/// Walks the paths, waits for what is restless, and ends when every file has its answer.
struct Feeder {
    /// Taken out while a sweep borrows it.
    reader: Option<Reader>,
    config: Arc<Config>,
    inboxes: Arc<Inboxes>,
    model: ModelId,
    inputs: LineInputs,
    tally: Arc<Tally>,
    progress: Arc<ScanProgress>,
    /// Files handed to the line and not come back.
    sent: u64,
}

impl Feeder {
    fn run_blocking(mut self, paths: &[PathBuf]) -> Result<(), DaemonError> {
        let mut settler = Settler::new(self.config.settle);
        let started = Instant::now();
        for path in paths {
            self.walk_blocking(path, &mut settler)?;
        }
        // Until nothing waits and nothing is under way: a file under way may come back as truncated.
        while !self.progress.stop.load(Ordering::Relaxed) {
            self.take_back(&mut settler);
            let all_committed = self.tally.through() >= self.sent;
            if settler.is_empty() && all_committed || self.inputs.settled_tx.is_closed() {
                break; // A closed line has failed, and says so itself.
            }
            self.look_at_due_blocking(&mut settler, started);
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    fn walk_blocking(&mut self, path: &Path, settler: &mut Settler) -> Result<(), DaemonError> {
        let (reader, inboxes, model) = (self.reader.take(), Arc::clone(&self.inboxes), self.model.clone());
        let Some(reader) = reader else { return Ok(()) };
        let progress = Arc::clone(&self.progress);
        let quiet = self.config.settle.quiet;
        let sweep = Sweep {
            inboxes: &inboxes,
            reader: &reader,
            model: &model,
            quiet,
            stop: &progress.stop,
        };
        let swept = sweep.run_blocking(path, &mut |found| {
            match found {
                // Not met, but missed: it counts neither as seen nor as answered.
                Found::Change(change @ Change::Absent { .. }) => {
                    let recordable = Recordable::change(change);
                    return self
                        .inputs
                        .recordable_tx
                        .send_blocking(recordable)
                        .map_err(|_| NoMore);
                }
                Found::Unchanged => {
                    progress.unchanged.fetch_add(1, Ordering::Relaxed);
                }
                Found::AtRest(file) => self.send_file_blocking(file, settler)?,
                Found::Restless(noticed) => {
                    settler.notice(
                        Instant::now(),
                        NoticedFile {
                            hint: Hint::Closed,
                            ..noticed
                        },
                    );
                }
                Found::Change(change) => self.send_change_blocking(change)?,
            }
            progress.seen.fetch_add(1, Ordering::Relaxed);
            Ok(())
        });
        self.reader = Some(reader);
        swept?;
        Ok(())
    }

    /// Files that were read too early wait again.
    fn take_back(&mut self, settler: &mut Settler) {
        while let Ok(noticed) = self.inputs.relook_rx.try_recv() {
            self.sent -= 1;
            settler.notice(Instant::now(), noticed);
        }
    }

    /// Waits for room without ceasing to take files back: the readers may wait for that.
    fn send_file_blocking(&mut self, file: SettledFile, settler: &mut Settler) -> Result<(), NoMore> {
        let mut file = file;
        loop {
            match self.inputs.settled_tx.try_send(file) {
                Ok(()) => {
                    self.sent += 1;
                    return Ok(());
                }
                Err(TrySendError::Closed(_)) => return Err(NoMore),
                Err(TrySendError::Full(back)) => {
                    self.take_back(settler);
                    std::thread::sleep(PAUSE);
                    file = back;
                }
            }
        }
    }

    fn send_change_blocking(&mut self, change: Change) -> Result<(), NoMore> {
        self.inputs
            .recordable_tx
            .send_blocking(Recordable::change(change))
            .map_err(|_| NoMore)?;
        self.sent += 1;
        Ok(())
    }

    fn look_at_due_blocking(&mut self, settler: &mut Settler, started: Instant) {
        for path in settler.due(Instant::now(), usize::MAX) {
            let change = match self.inboxes.look_blocking(&path) {
                Look::File(seen) => match settler.judge(Instant::now(), &path, seen) {
                    Verdict::Settled(file) => {
                        // A closed line is noticed by the loop around this.
                        let _ = self.send_file_blocking(file, settler);
                        continue;
                    }
                    // It still changes; a scan has to end.
                    Verdict::Wait if started.elapsed() > 2 * self.config.settle.give_up => {
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
            settler.drop_file(&path);
            let _ = self.send_change_blocking(change);
        }
    }
}
