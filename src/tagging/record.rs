//! The thread that owns the store's writer: outcomes -> rows, one transaction for all that wait.
//!
//! In: [`Recordable`]s. Out: committed rows, released claims, the tally. Never: half an outcome, an outcome
//! forgotten because the disk was full (it is tried again until the service is told to end), or a second writer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_channel::{Receiver, RecvError};
use tokio::sync::{Notify, oneshot};

use super::line::{Expected, Haste, Tally};
use super::prepare::InFlight;
use super::serving::InService;
use super::settle::SettledFile;
use crate::domain::{ContentHash, InventoryPath, ModelId, Severity};
use crate::status::{Station, StatusBoard};
use crate::store::{Change, FileSighting, Portion, Store, StoreError, Walked};

/// What belongs together: changes for one transaction, and the claims that end with its commit.
#[derive(Debug, Default)]
pub struct Recordable {
    /// In the order they were found.
    pub changes: Vec<Change>,
    /// Content that is answered by them.
    pub claims: Vec<Answered>,
    /// Whether more is sure to follow at once.
    pub pace: Pace,
    /// What the writer shall do besides, after the changes.
    pub take_known: Vec<TakeKnown>,
}

/// A portion of contents whose files shall show what a model said of them, where that is on record.
#[derive(Debug)]
pub struct TakeKnown {
    /// The model in service.
    pub model: ModelId,
    /// Which contents.
    pub portion: Portion,
    /// How far it came, once that is committed.
    pub walked_tx: oneshot::Sender<Walked>,
}

/// Content of which the answer is found, and whose answer that is: perhaps no longer that of the model in service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// Which content.
    pub hash: ContentHash,
    /// Who answers for it.
    pub model: ModelId,
}

/// How busy the line is, as far as the sender can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pace {
    /// Nothing is known to follow: somebody may be waiting for this very answer.
    #[default]
    Calm,
    /// A full batch: more come, and fewer, larger transactions write each page of the store less often.
    Busy,
}

impl Recordable {
    /// Answers that are on record already.
    pub fn take_known(known: TakeKnown) -> Self {
        Self {
            take_known: vec![known],
            ..Self::default()
        }
    }

    /// A change about a file of which the content plays no part.
    pub fn change(change: Change) -> Self {
        Self {
            changes: vec![change],
            ..Self::default()
        }
    }

    /// The answer for claimed content.
    pub fn answer(change: Change, answered: Answered) -> Self {
        Self {
            changes: vec![change],
            claims: vec![answered],
            ..Self::default()
        }
    }
}

/// Changes a transaction: more gain little, and hold others' writes up longer.
const MAX_CHANGES: usize = 2_048;
/// How long a transaction of a busy line is held open for more; nobody waits for a single photo then.
const MAX_GATHERING: Duration = Duration::from_millis(200);
/// How long one is held open where the rest is awaited: what is in it by then is written, and what is still under way makes
/// another one.
const LAST_GATHERING: Duration = Duration::from_millis(20);
/// Between two looks for more.
const GATHER_PAUSE: Duration = Duration::from_millis(3);
/// Between two attempts after the disk was full or another process held the lock.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// Between two lines of the log about the same trouble; the status has it all the while.
const COMPLAINT_PAUSE: Duration = Duration::from_secs(60);
/// The write-ahead log is folded into the database after so many transactions, so that it does not grow.
const CHECKPOINT_EVERY: u32 = 64;

/// What happens when a write fails for a reason that may pass.
#[derive(Debug, Clone)]
pub enum OnTrouble {
    /// Say so and try again until this is set: the daemon, which sets it when it is to end. That the inputs have ended
    /// would be no sign: while the store is stuck, those before it are stuck with what they hold.
    KeepTryingUntil(Arc<AtomicBool>),
    /// Give up after this long: a command that somebody waits for.
    GiveUpAfter(Duration),
}

impl OnTrouble {
    /// Whether another attempt is worth it: a service that ends does not wait for room on a disk.
    fn goes_on(&self, since: Instant) -> bool {
        match self {
            OnTrouble::KeepTryingUntil(stopped) => !stopped.load(Ordering::Relaxed),
            OnTrouble::GiveUpAfter(limit) => since.elapsed() < *limit,
        }
    }
}

/// What the record needs.
pub struct Recorder {
    /// The one writer.
    pub store: Store,
    /// Whose outcomes count.
    pub in_service: InService,
    /// Rung when an outcome was committed that does not count any more: its content has to be tagged anew.
    pub stragglers: Arc<Notify>,
    /// Claims that end here.
    pub in_flight: Arc<InFlight>,
    /// Counts what was committed.
    pub tally: Arc<Tally>,
    /// What to do about a full disk.
    pub on_trouble: OnTrouble,
    /// Whether a transaction may be held open for more although somebody waits for a photo in it.
    pub haste: Haste,
    /// How many files come through the line in all, once that is known: the last transaction is not held open for more.
    pub expected: Arc<Expected>,
    /// Where trouble is shown.
    pub board: StatusBoard,
    /// The station's own line.
    pub station: Station,
}

impl Recorder {
    /// Runs until the outcomes end, then leaves the log folded in.
    pub fn run_blocking(mut self, recordable_rx: &Receiver<Recordable>) -> Result<(), StoreError> {
        let mut transactions = 0;
        loop {
            let rest = || self.expected.rest(&self.tally);
            let Ok(group) = gather(recordable_rx, self.haste, &rest, &mut std::thread::sleep) else {
                break;
            };
            if !group.changes.is_empty() {
                self.commit(group.changes)?;
            }
            let known = self.release(&group.claims);
            if !known.is_empty() {
                self.commit(known)?;
            }
            for known in group.take_known {
                self.bring_back(known)?;
            }
            transactions += 1;
            if transactions % CHECKPOINT_EVERY == 0 {
                // Never one that waits: a reader in the middle of a long answer must not hold the line up.
                unless_fatal(self.store.checkpoint_beside_others())?;
            }
        }
        unless_fatal(self.store.checkpoint())
    }

    fn commit(&mut self, changes: Vec<Change>) -> Result<(), StoreError> {
        let since = Instant::now();
        let applied = self.write(|store| store.apply(&changes))?;
        self.station.took(since.elapsed());
        self.tally.recorded(&changes, &applied);
        self.ring_for_stragglers(&changes);
        self.station.did_many(changes.len() as u64, || {
            format!("committed {} changes", changes.len())
        });
        Ok(())
    }

    fn bring_back(&mut self, known: TakeKnown) -> Result<(), StoreError> {
        let walked = self.write(|store| store.take_known_outcomes(&known.model, known.portion))?;
        // Whoever asked may have ended with the service.
        let _ = known.walked_tx.send(walked);
        Ok(())
    }

    /// One transaction, tried until it succeeds or trying makes no sense any more.
    fn write<T>(
        &mut self,
        mut transaction: impl FnMut(&mut Store) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let since = Instant::now();
        let mut complaints = Complaints::default();
        loop {
            match transaction(&mut self.store) {
                Ok(written) => {
                    self.board.solved("store");
                    return Ok(written);
                }
                Err(error) if error.severity() == Severity::Retry && self.on_trouble.goes_on(since) => {
                    let complaint = error.to_string();
                    if complaints.is_news(&complaint, Instant::now()) {
                        tracing::error!("{complaint}");
                    }
                    self.board.problem("store", complaint);
                    std::thread::sleep(RETRY_PAUSE);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// After the commit, so that whoever comes finds them; a change of service rings by itself, also for those before.
    fn ring_for_stragglers(&self, changes: &[Change]) {
        let serving = self.in_service.now();
        let is_straggler = |change| model_of(change).is_some_and(|model| *model != serving.model);
        if changes.iter().any(is_straggler) {
            self.stragglers.notify_one();
        }
    }

    /// Ends the claims; other names of the same content take the outcome that was just committed.
    fn release(&self, claims: &[Answered]) -> Vec<Change> {
        let mut known_files = Vec::new();
        for answered in claims {
            let waiting = self.in_flight.release(&answered.hash);
            known_files.extend(waiting.iter().map(|file| known(answered, file)));
        }
        known_files
    }
}

/// What was last said of a trouble that lasts, and when.
#[derive(Debug, Default)]
struct Complaints {
    last: Option<(String, Instant)>,
}

impl Complaints {
    /// Whether this is to be said: it is another trouble, or has lasted for a while.
    fn is_news(&mut self, what: &str, now: Instant) -> bool {
        let is_said = |(said, at): &(String, Instant)| {
            said == what && now.saturating_duration_since(*at) < COMPLAINT_PAUSE
        };
        if self.last.as_ref().is_some_and(is_said) {
            return false;
        }
        self.last = Some((what.to_owned(), now));
        true
    }
}

fn known(answered: &Answered, file: &SettledFile) -> Change {
    let file = FileSighting {
        path: InventoryPath::of(&file.path),
        stamp: file.stamp,
    };
    Change::Known {
        file,
        hash: answered.hash,
        model: answered.model.clone(),
    }
}

/// Whose answer a change is; `None` where no model plays a part.
fn model_of(change: &Change) -> Option<&ModelId> {
    match change {
        Change::Tagged { tag, .. } => Some(&tag.model),
        Change::Rejected { rejection, .. } => Some(&rejection.model),
        Change::Known { model, .. } | Change::Moved { model, .. } => Some(model),
        Change::Unread { .. } | Change::Absent { .. } => None,
    }
}

/// The log grows until the next checkpoint and loses nothing meanwhile: only what will never pass ends the record.
fn unless_fatal(checkpoint: Result<(), StoreError>) -> Result<(), StoreError> {
    match checkpoint {
        Err(error) if error.severity() != Severity::Fatal => {
            tracing::warn!("{error}");
            Ok(())
        }
        outcome => outcome,
    }
}

/// Waits for one recordable and takes what else is there, up to a transaction's worth.
fn gather(
    recordable_rx: &Receiver<Recordable>,
    haste: Haste,
    rest: &dyn Fn() -> Option<u64>,
    sleep: &mut dyn FnMut(Duration),
) -> Result<Recordable, RecvError> {
    let mut group = recordable_rx.recv_blocking()?;
    let since = Instant::now();
    loop {
        while group.changes.len() < MAX_CHANGES
            && let Ok(more) = recordable_rx.try_recv()
        {
            group.changes.extend(more.changes);
            group.claims.extend(more.claims);
            group.take_known.extend(more.take_known);
            group.pace = more.pace;
        }
        let rest = rest();
        let patience = rest.map_or(MAX_GATHERING, |_| LAST_GATHERING);
        let is_full = group.changes.len() >= MAX_CHANGES || since.elapsed() >= patience;
        let is_awaited = haste == Haste::EachPhoto && group.pace == Pace::Calm
            || rest.is_some_and(|rest| group.changes.len() as u64 >= rest);
        if is_full || is_awaited || recordable_rx.is_closed() {
            return Ok(group);
        }
        sleep(GATHER_PAUSE);
    }
}

#[cfg(test)]
mod tests;
