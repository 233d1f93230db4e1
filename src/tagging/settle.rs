//! Waits until a file stops changing: noticed file -> settled file.
//!
//! In: paths with a hint of what happened to them. Out: [`SettledFile`]s whose size, time and inode rest.
//! Never: a file's content, and never a file given up while it still changes; the next event or sweep brings
//! back whatever was forgotten at a stop.

mod rooms;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};

pub use rooms::Rooms;

use rooms::Looked;

use super::inbox::{Look, Seen};
use super::record::Recordable;
use super::sweep::SweepRequests;
use crate::config::SettleConfig;
use crate::domain::FileStamp;
use crate::status::Station;
use crate::store::Change;

/// Something happened at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticedFile {
    /// Absolute, by the inbox's real path.
    pub path: PathBuf,
    /// What is known of it.
    pub hint: Hint,
}

/// How a file was noticed, which says how long it has to rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// Closed after writing, or renamed into place: probably complete.
    Closed,
    /// Created or modified: somebody may still be writing.
    Unclosed,
    /// Found by a look through the folder, which is no news of it: a wait that has begun goes on.
    Found,
    /// It was read and ends too early: complete only when it rests for `settle.give_up`. A wait that has begun since
    /// goes on: it was begun by newer news.
    Truncated,
    /// Renamed to another name, under which it will be noticed: nothing to wait for here.
    MovedAway,
}

/// A file that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettledFile {
    /// Absolute, by the inbox's real path.
    pub path: PathBuf,
    /// How it looked when it was found at rest.
    pub stamp: FileStamp,
    /// For how long it is known not to have changed.
    pub rested: Duration,
}

/// Files that may be pending at once: at some 300 bytes each, 20 MB. More are left to the sweep.
const MAX_PENDING: usize = 65_536;

/// The waiting room: which file is to be looked at when. Pure; time and looks come from outside.
#[derive(Debug)]
pub struct Settler {
    config: SettleConfig,
    pending: HashMap<PathBuf, Pending>,
    due: BTreeSet<(Instant, PathBuf)>,
    most_pending: usize,
}

#[derive(Debug, Clone, Copy)]
struct Pending {
    /// When it is to be looked at; `None` while it is.
    due: Option<Instant>,
    /// How long the file has to rest.
    quiet: Duration,
    /// The last look, and since when it has been like that.
    last: Option<(FileStamp, Instant)>,
}

/// What a look at a due file means.
#[derive(Debug)]
pub enum Verdict {
    /// It changed, or is too young: it stays in the waiting room.
    Wait,
    /// It can be read.
    Settled(SettledFile),
}

impl Settler {
    /// An empty waiting room.
    pub fn new(config: SettleConfig) -> Self {
        Self::with_room_for(MAX_PENDING, config)
    }

    /// As [`new`](Self::new), for at most so many files.
    pub fn with_room_for(most_pending: usize, config: SettleConfig) -> Self {
        Self {
            config,
            pending: HashMap::new(),
            due: BTreeSet::new(),
            most_pending,
        }
    }

    /// Whether a file that does not wait yet would be taken.
    pub fn has_room(&self) -> bool {
        self.pending.len() < self.most_pending
    }

    /// How many files wait.
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Takes a file in, or starts its wait anew where the hint is news; `false` when the room is full and the file was
    /// not taken.
    pub fn notice(&mut self, now: Instant, noticed: NoticedFile) -> bool {
        let is_taken =
            self.has_room() || noticed.hint == Hint::MovedAway || self.pending.contains_key(&noticed.path);
        if is_taken {
            self.take_back(now, noticed);
        }
        is_taken
    }

    /// As [`notice`](Self::notice), for a file that was here before and came back from reading: it is taken even when
    /// the room is full. No more can come back than the line holds.
    pub fn take_back(&mut self, now: Instant, noticed: NoticedFile) {
        let quiet = match noticed.hint {
            Hint::Found | Hint::Truncated if self.pending.contains_key(&noticed.path) => return,
            Hint::Closed => self.config.quiet,
            Hint::Unclosed | Hint::Found => self.config.quiet_unclosed,
            Hint::Truncated => self.config.give_up,
            Hint::MovedAway => {
                self.forget(&noticed.path);
                return;
            }
        };
        let last = self.forget(&noticed.path).and_then(|pending| pending.last);
        self.wait(noticed.path, now + quiet, quiet, last);
    }

    /// When the next file is to be looked at.
    pub fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Takes up to `most` files that are to be looked at now; each waits for what comes of that.
    pub fn take_due(&mut self, now: Instant, most: usize) -> Vec<PathBuf> {
        let mut taken = Vec::new();
        while taken.len() < most
            && self.next_due().is_some_and(|due| due <= now)
            && let Some((_, path)) = self.due.pop_first()
        {
            if let Some(pending) = self.pending.get_mut(&path) {
                pending.due = None;
            }
            taken.push(path);
        }
        taken
    }

    /// Whether a look at a file that was [taken](Self::take_due) still counts: it may have been noticed anew since, or
    /// have moved away.
    pub fn waits_for_look(&self, path: &Path) -> bool {
        self.pending
            .get(path)
            .is_some_and(|pending| pending.due.is_none())
    }

    /// Decides on a due file that lies there: it rests if it is old enough, or looks as it did one wait ago.
    pub fn judge(&mut self, now: Instant, path: &Path, seen: Seen) -> Verdict {
        let Some(pending) = self.forget(path) else {
            return Verdict::Wait;
        };
        let since = match pending.last {
            Some((stamp, since)) if stamp == seen.stamp => since,
            _ => now,
        };
        let rested = seen.age.max(now.saturating_duration_since(since));
        if rested >= pending.quiet {
            return Verdict::Settled(SettledFile {
                path: path.to_owned(),
                stamp: seen.stamp,
                rested,
            });
        }
        // A clock that lags behind never lets a file grow old enough; then two equal looks a full wait apart decide.
        let left = pending.quiet - rested;
        let last = Some((seen.stamp, since));
        self.wait(path.to_owned(), now + left, pending.quiet, last);
        Verdict::Wait
    }

    /// Lets go of a file that is not to be waited for any more.
    pub fn drop_file(&mut self, path: &Path) {
        self.forget(path);
    }

    fn wait(&mut self, path: PathBuf, due: Instant, quiet: Duration, last: Option<(FileStamp, Instant)>) {
        self.due.insert((due, path.clone()));
        let due = Some(due);
        self.pending.insert(path, Pending { due, quiet, last });
    }

    fn forget(&mut self, path: &Path) -> Option<Pending> {
        let pending = self.pending.remove(path)?;
        if let Some(due) = pending.due {
            self.due.remove(&(due, path.to_owned()));
        }
        Some(pending)
    }
}

/// The station's ends.
pub struct SettleEnds {
    /// From the file events; the station ends when this closes.
    pub noticed_rx: Receiver<NoticedFile>,
    /// Back from reading: truncated, or changed meanwhile.
    pub relook_rx: Receiver<NoticedFile>,
    /// To the readers.
    pub settled_tx: Sender<SettledFile>,
    /// To the record: what can never be read.
    pub recordable_tx: Sender<Recordable>,
}

/// Runs until the events end.
pub async fn settle(ends: SettleEnds, mut rooms: Rooms, sweeps: SweepRequests, station: Station) {
    loop {
        rooms.begin_looks(Instant::now());
        let next_due = rooms.next_due();
        tokio::select! {
            noticed = ends.noticed_rx.recv() => match noticed {
                Ok(noticed) => take_in(&mut rooms, noticed, &ends, &sweeps),
                Err(_) => return,
            },
            Ok(noticed) = ends.relook_rx.recv() => take_in(&mut rooms, noticed, &ends, &sweeps),
            () = sleep_until(next_due), if next_due.is_some() => {}
            Some(looked) = rooms.next_look() => {
                // A look that panicked ends the station, which ends the service.
                let Ok(looked) = looked else { return };
                if act_on(looked, &mut rooms, &ends, &sweeps, &station).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Takes in one file and all that wait behind it, so that a burst costs one wake-up.
fn take_in(rooms: &mut Rooms, noticed: NoticedFile, ends: &SettleEnds, sweeps: &SweepRequests) {
    let now = Instant::now();
    let mut next = Some(noticed);
    while let Some(noticed) = next {
        rooms.notice(now, noticed, sweeps);
        next = ends.noticed_rx.try_recv().ok();
    }
}

async fn sleep_until(due: Option<Instant>) {
    if let Some(due) = due {
        tokio::time::sleep_until(due.into()).await;
    }
}

/// The line behind has closed: nothing more can be done here.
struct Closed;

async fn act_on(
    looked: Looked,
    rooms: &mut Rooms,
    ends: &SettleEnds,
    sweeps: &SweepRequests,
    station: &Station,
) -> Result<(), Closed> {
    let Looked {
        room,
        looks,
        is_inbox_away,
    } = looked;
    for (path, look) in looks {
        let settler = rooms.settler(room);
        if !settler.waits_for_look(&path) {
            continue;
        }
        match look {
            Look::File(seen) => {
                if let Verdict::Settled(file) = settler.judge(Instant::now(), &path, seen) {
                    station.did(|| format!("{} rests", path.display()));
                    station.took(file.rested);
                    send_settled(rooms, ends, sweeps, file).await?;
                }
            }
            Look::Folder => {
                settler.drop_file(&path);
                sweeps.request_now_and_later(&path);
            }
            // It may be there all the same; if so, the sweep finds it when the inbox is back.
            Look::Missing if is_inbox_away => settler.drop_file(&path),
            Look::Missing => {
                settler.drop_file(&path);
                send(ends, Change::vanished(&path)).await?;
            }
            Look::Refused(rejection, stamp) => {
                settler.drop_file(&path);
                send(ends, Change::unread(&path, stamp, rejection)).await?;
            }
        }
    }
    Ok(())
}

/// Waits for room without ceasing to take files back: the readers that make room may wait for that.
async fn send_settled(
    rooms: &mut Rooms,
    ends: &SettleEnds,
    sweeps: &SweepRequests,
    file: SettledFile,
) -> Result<(), Closed> {
    let sending = ends.settled_tx.send(file);
    tokio::pin!(sending);
    loop {
        tokio::select! {
            sent = &mut sending => return sent.map_err(|_| Closed),
            Ok(noticed) = ends.relook_rx.recv() => rooms.notice(Instant::now(), noticed, sweeps),
        }
    }
}

async fn send(ends: &SettleEnds, change: Change) -> Result<(), Closed> {
    ends.recordable_tx
        .send(Recordable::change(change))
        .await
        .map_err(|_| Closed)
}

#[cfg(test)]
mod tests;
