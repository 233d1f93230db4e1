//! Walks the paths of a scan and feeds the line: files -> answers on record.
//!
//! In: paths, a line. Out: every file that was met answered, unless it went with its whole inbox, then those that are gone
//! marked. Never: a wait for a line of which a station has failed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_channel::TrySendError;

use super::ScanProgress;
use crate::config::SettleConfig;
use crate::daemon::DaemonError;
use crate::domain::{InventoryPath, ModelId, Rejection, RejectionReason};
use crate::store::{Change, Reader, StoreError};
use crate::tagging::inbox::{Inboxes, Look, RootLook};
use crate::tagging::line::{Line, LineError, LineInputs, Tally};
use crate::tagging::record::Recordable;
use crate::tagging::settle::{Hint, NoticedFile, SettledFile, Settler, Verdict};
use crate::tagging::sweep::{Counted, Found, NoMore, Sweep, missed_in_bare_inbox};

/// Between two looks at what is still under way.
const PAUSE: Duration = Duration::from_millis(1);
/// Between two looks for room in a full queue, which holds some 20 ms of work.
const FULL_PAUSE: Duration = Duration::from_millis(5);

/// Feeds the line until every file has its answer, or a station of it has failed; gives the moment of the last answer, behind
/// which the store is only tidied up.
pub(super) async fn feed(
    line: Line,
    ground: Ground,
    settle: SettleConfig,
    paths: Vec<PathBuf>,
) -> Result<Instant, DaemonError> {
    let (tally, has_failed) = (Arc::clone(&line.tally), Arc::<AtomicBool>::default());
    let (inputs, _, mut drained) = line.into_parts();
    let feeder = Feeder {
        settle,
        settler: Settler::new(settle),
        inputs,
        tally,
        progress: Arc::clone(&ground.progress),
        has_failed: Arc::clone(&has_failed),
        sent: 0,
        patience_ends: None,
    };
    let feeding = tokio::task::spawn_blocking(move || feeder.run_blocking(&ground, &paths));
    let mut drain = Ok(());
    while let Some((_, ended)) = drained.next().await {
        // The others may have nothing to do, so that they do not notice, and the feeder would wait for them for ever.
        has_failed.fetch_or(ended.is_err(), Ordering::Relaxed);
        drain = drain.and(ended);
    }
    let fed = feeding
        .await
        .map_err(|error| LineError::Panicked(error.to_string()))?;
    drain?;
    fed
}

/// What the folders are held against.
pub(super) struct Ground {
    pub(super) reader: Reader,
    pub(super) inboxes: Arc<Inboxes>,
    pub(super) model: ModelId,
    pub(super) quiet: Duration,
    pub(super) progress: Arc<ScanProgress>,
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

    /// Whether files that were at or below a path can be missed there: if none was known, all that are on record after the
    /// walk were met in it.
    fn knows_a_file_at(&self, path: &Path) -> Result<bool, StoreError> {
        let known = self
            .reader
            .present_files_under(&InventoryPath::of(path), None, 1)?;
        Ok(!known.is_empty())
    }

    /// Says where nothing is met, and nothing counts as gone either. Looked at before the walk, a folder that is emptied
    /// during the scan is known to have been one with files.
    fn look_at_root_blocking(&self, path: &Path) -> Result<(), StoreError> {
        if let Some(root) = self.inboxes.outermost_root_of(path)
            && let RootLook::Bare(_) = self.inboxes.look_at_root_blocking(root)
            && let Some(why) = missed_in_bare_inbox(root, &self.reader)?
        {
            tracing::warn!(
                "{} {why} If it was emptied, put anything into it and scan it once more: files that are missing count as gone then",
                root.display()
            );
        }
        Ok(())
    }
}

/// Walks the paths, waits for what is restless, and ends when every file has its answer.
pub(super) struct Feeder {
    settle: SettleConfig,
    settler: Settler,
    inputs: LineInputs,
    tally: Arc<Tally>,
    progress: Arc<ScanProgress>,
    /// Set by whoever hears of it when a station of the line has failed: nothing more comes of it.
    has_failed: Arc<AtomicBool>,
    /// Files handed to the line and not come back.
    sent: u64,
    /// When files that still change are given up; set once nothing but waiting is left to do.
    patience_ends: Option<Instant>,
}

impl Feeder {
    fn run_blocking(mut self, ground: &Ground, paths: &[PathBuf]) -> Result<Instant, DaemonError> {
        let mut may_be_missed = Vec::new();
        for path in paths {
            ground.look_at_root_blocking(path)?;
            let mut sweep = ground.sweep();
            match ground.knows_a_file_at(path)? {
                true => may_be_missed.push(path),
                false => sweep.counted = Counted::None,
            }
            sweep.walk(path, &mut |found| self.take_blocking(found, ground))?;
        }
        self.patience_ends = Some(Instant::now() + 2 * self.settle.give_up);
        self.wait_for_answers_blocking(ground);
        if self.line_has_failed() {
            return Ok(Instant::now()); // The line says so itself.
        }
        // Only now: the answer for a file that went meanwhile would bring it back.
        for path in may_be_missed {
            let looked = ground.sweep().look_for_removed(path, &mut |found| match found {
                // Not met, but missed: it counts neither as seen nor as answered.
                Found::Change(change) => self.record_blocking(change),
                _ => Ok(()),
            });
            looked?;
        }
        Ok(Instant::now())
    }

    /// Until nothing waits and nothing is under way: a file under way may come back as truncated.
    fn wait_for_answers_blocking(&mut self, ground: &Ground) {
        while !self.is_over() {
            self.take_back();
            let all_committed = self.tally.through() >= self.sent;
            if self.settler.is_empty() && all_committed {
                break;
            }
            if self.look_at_due_blocking(ground).is_err() {
                break;
            }
            self.inputs.expected.are(self.sent);
            std::thread::sleep(PAUSE);
        }
    }

    fn line_has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Relaxed)
    }

    /// Whether nobody wants more of it.
    fn is_over(&self) -> bool {
        self.progress.stop.load(Ordering::Relaxed) || self.line_has_failed()
    }

    fn take_blocking(&mut self, found: Found, ground: &Ground) -> Result<(), NoMore> {
        if self.line_has_failed() {
            return Err(NoMore);
        }
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
            if self.is_over() {
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
                Err(TrySendError::Full(_)) if self.line_has_failed() => return Err(NoMore),
                Err(TrySendError::Full(back)) => {
                    self.take_back();
                    std::thread::sleep(FULL_PAUSE);
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
        for path in self.settler.take_due(Instant::now(), usize::MAX) {
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
                Look::Missing if ground.inboxes.has_gone_with_its_inbox_blocking(&path) => {
                    self.settler.drop_file(&path);
                    continue;
                }
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
