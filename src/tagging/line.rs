//! The line from settled file to committed row: its channels and threads, for the daemon and for `scan` alike.
//!
//! In: an opened model, a store, the settings. Out: a running [`Line`] that takes settled files and ends, drained,
//! when its inputs are dropped. Never: a channel without a bound.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_channel::{Receiver, Sender, WeakReceiver, bounded};
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;

use super::batch::BatchLimits;
use super::inbox::Inboxes;
use super::infer::{InferEnds, InferError, infer_blocking};
use super::prepare::{InFlight, PrepareEnds, PreparedImage, Preparer};
use super::record::{OnTrouble, Recordable, Recorder};
use super::settle::{NoticedFile, SettledFile};
use super::swap::Swapper;
use crate::config::Config;
use crate::model::Classifier;
use crate::status::{QueueStatus, StatusBoard};
use crate::store::{Applied, Change, Reader, Store, StoreError};

/// A file waits here with its path only; enough that readers never wait for a sweep's next folder.
const SETTLED_CAPACITY: usize = 256;
/// Answers that wait for the store; while it commits (a sync, some milliseconds) the model goes on.
const RECORDABLE_CAPACITY: usize = 64;
/// Files that go back to wait, for example truncated ones; rare.
const RELOOK_CAPACITY: usize = 1_024;

/// Why the line ended before its inputs did.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// The store can be neither read nor written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The model does not answer.
    #[error(transparent)]
    Infer(#[from] InferError),
    /// A thread could not be started.
    #[error(
        "could not start the thread {name}: {source}; raise the limit of threads for this user (ulimit -u)"
    )]
    Thread {
        /// Its name.
        name: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A station panicked.
    #[error("the station {0} ended in a panic; this is a bug, please report the message before this line")]
    Panicked(String),
}

/// Counts of what was committed; written by the record alone.
#[derive(Debug, Default)]
pub struct Tally {
    tagged: AtomicU64,
    rejected: AtomicU64,
    unanswered: AtomicU64,
}

impl Tally {
    /// Files of which the answer is a tag.
    pub fn tagged(&self) -> u64 {
        self.tagged.load(Ordering::Relaxed)
    }

    /// Files of which the answer is a reason.
    pub fn rejected(&self) -> u64 {
        self.rejected.load(Ordering::Relaxed)
    }

    /// Files that came through the line to its end, whatever their answer.
    pub fn through(&self) -> u64 {
        self.tagged() + self.rejected() + self.unanswered.load(Ordering::Relaxed)
    }

    /// Adds a committed transaction.
    pub fn recorded(&self, changes: &[Change], applied: &Applied) {
        for change in changes {
            match change {
                Change::Tagged { .. } => self.tagged.fetch_add(1, Ordering::Relaxed),
                Change::Rejected { .. } | Change::Unread { .. } => {
                    self.rejected.fetch_add(1, Ordering::Relaxed)
                }
                Change::Known { .. } | Change::Moved { .. } | Change::Absent { .. } => 0,
            };
        }
        // The store had forgotten what it knew a moment before; the next sweep finds these files without an answer.
        for path in &applied.unknown {
            tracing::warn!("{path}: its content was known and is not any more; the next sweep tags it");
        }
        self.unanswered
            .fetch_add(applied.unknown.len() as u64, Ordering::Relaxed);
        self.tagged.fetch_add(applied.known_tagged, Ordering::Relaxed);
        self.rejected.fetch_add(applied.known_rejected, Ordering::Relaxed);
    }
}

/// What somebody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Haste {
    /// Each photo, from the moment it was dropped: the service.
    EachPhoto,
    /// The last photo: a scan, where fuller batches and fewer transactions are less work.
    LastPhoto,
}

/// How long a scan's batch waits to be filled: a fraction of a second's photos, and not so long that the queue
/// before it, of two batches, fills up and holds back the readers.
const SCAN_BATCH_WAIT: Duration = Duration::from_millis(20);

/// What a line is built from.
pub struct LineParts {
    /// Who answers: copies of one model, never empty; each gets a thread of its own.
    pub classifiers: Vec<Box<dyn Classifier>>,
    /// Who writes.
    pub store: Store,
    /// What is ours.
    pub inboxes: Arc<Inboxes>,
    /// What happens when the disk is full.
    pub on_trouble: OnTrouble,
    /// What somebody waits for.
    pub haste: Haste,
    /// Where the stations show themselves.
    pub board: StatusBoard,
}

/// How many files come through the line in all.
#[derive(Debug)]
pub struct Expected(AtomicU64);

impl Default for Expected {
    /// Not known: more may always come.
    fn default() -> Self {
        Self(AtomicU64::new(u64::MAX))
    }
}

impl Expected {
    /// So many, those that are through among them.
    pub fn are(&self, files: u64) {
        self.0.store(files, Ordering::Relaxed);
    }

    /// How many are still under way; `None` while more may come.
    pub fn rest(&self, tally: &Tally) -> Option<u64> {
        match self.0.load(Ordering::Relaxed) {
            u64::MAX => None,
            files => Some(files.saturating_sub(tally.through())),
        }
    }
}

/// The running line.
pub struct Line {
    /// Files to read.
    pub settled_tx: Sender<SettledFile>,
    /// Changes that need no reading.
    pub recordable_tx: Sender<Recordable>,
    /// Files to be looked at again.
    pub relook_rx: Receiver<NoticedFile>,
    /// See [`LineInputs`].
    pub expected: Arc<Expected>,
    /// What was committed.
    pub tally: Arc<Tally>,
    /// How full the queues are.
    pub queues: Queues,
    /// Puts another model in the place of the one that answers.
    pub swapper: Swapper,
    /// Rung when an outcome was committed that did not count any more.
    pub stragglers: Arc<Notify>,
    stations: JoinSet<(&'static str, Result<(), LineError>)>,
}

/// A look at the queues that keeps none of them open.
#[derive(Clone)]
pub struct Queues {
    settled: WeakReceiver<SettledFile>,
    prepared: WeakReceiver<PreparedImage>,
    recordable: WeakReceiver<Recordable>,
}

impl Queues {
    /// How full each is now.
    pub fn status(&self) -> Vec<QueueStatus> {
        fn one<T>(name: &'static str, queue: &WeakReceiver<T>) -> Option<QueueStatus> {
            let queue = queue.upgrade()?;
            Some(QueueStatus {
                name,
                length: queue.len(),
                capacity: queue.capacity().unwrap_or_default(),
            })
        }
        [
            one("settled", &self.settled),
            one("prepared", &self.prepared),
            one("recordable", &self.recordable),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// Files that may wait to be read, or images to be answered, while the line still counts as having nothing else to do:
/// enough that readers and model need not pause, too few for a new drop to notice.
const NEARLY_EMPTY: usize = 4;

impl Queues {
    /// Whether a file that is not urgent holds nobody up.
    pub fn are_nearly_empty(&self) -> bool {
        fn few<T>(queue: &WeakReceiver<T>) -> bool {
            queue.upgrade().is_none_or(|queue| queue.len() < NEARLY_EMPTY)
        }
        few(&self.settled) && few(&self.prepared) && few(&self.recordable)
    }
}

impl Line {
    /// Starts every station; must be called within a tokio runtime.
    pub fn start(config: &Config, parts: LineParts) -> Result<Self, LineError> {
        let (settled_tx, settled_rx) = bounded(SETTLED_CAPACITY);
        // Inputs of 3 kB each: a batch that piles up while another is answered, and one in reserve.
        let (prepared_tx, prepared_rx) = bounded(2 * config.tagging.batch_max_images);
        let (recordable_tx, recordable_rx) = bounded(RECORDABLE_CAPACITY);
        let (relook_tx, relook_rx) = bounded(RELOOK_CAPACITY);
        let LineParts {
            classifiers,
            store,
            inboxes,
            on_trouble,
            haste,
            board,
        } = parts;
        let (swapper, seats) = Swapper::seat(classifiers);
        let stragglers = Arc::new(Notify::new());
        let in_flight = Arc::new(InFlight::default());
        let tally = Arc::new(Tally::default());
        let queues = Queues {
            settled: settled_rx.downgrade(),
            prepared: prepared_rx.downgrade(),
            recordable: recordable_rx.downgrade(),
        };
        let mut stations = JoinSet::new();

        let ends = PrepareEnds {
            settled_rx,
            prepared_tx,
            recordable_tx: recordable_tx.clone(),
            relook_tx,
        };
        let station = board.station("prepare");
        for _ in 0..config.tagging.decode_workers {
            let preparer = Preparer {
                reader: Reader::open(&config.store_path())?,
                in_service: swapper.in_service(),
                inboxes: Arc::clone(&inboxes),
                limits: config.limits,
                settle: config.settle,
                in_flight: Arc::clone(&in_flight),
            };
            let (ends, station) = (ends.clone(), station.clone());
            let work = move || preparer.run_blocking(&ends, &station).map_err(LineError::from);
            start_thread(&mut stations, "prepare", work)?;
        }
        drop(ends);

        let station = board.station("infer");
        let limits = BatchLimits {
            max_images: config.tagging.batch_max_images,
            max_wait: match haste {
                Haste::EachPhoto => config.tagging.batch_max_wait,
                Haste::LastPhoto => config.tagging.batch_max_wait.max(SCAN_BATCH_WAIT),
            },
        };
        let ends = InferEnds {
            prepared_rx,
            recordable_tx: recordable_tx.clone(),
            runtime: Handle::current(),
        };
        for seat in seats {
            let (ends, station) = (ends.clone(), station.clone());
            let work = move || infer_blocking(seat, limits, &ends, &station).map_err(LineError::from);
            start_thread(&mut stations, "infer", work)?;
        }
        drop(ends);

        let station = board.station("record");
        let expected = Arc::<Expected>::default();
        let recorder = Recorder {
            store,
            in_service: swapper.in_service(),
            stragglers: Arc::clone(&stragglers),
            in_flight,
            tally: Arc::clone(&tally),
            on_trouble,
            haste,
            expected: Arc::clone(&expected),
            board,
            station,
        };
        let work = move || recorder.run_blocking(&recordable_rx).map_err(LineError::from);
        start_thread(&mut stations, "record", work)?;

        Ok(Self {
            settled_tx,
            recordable_tx,
            relook_rx,
            expected,
            tally,
            queues,
            swapper,
            stragglers,
            stations,
        })
    }

    /// Splits the line into its inputs, what swaps its model, and its end.
    pub fn into_parts(self) -> (LineInputs, Swapper, Drained) {
        let Self {
            settled_tx,
            recordable_tx,
            relook_rx,
            expected,
            swapper,
            stations,
            ..
        } = self;
        (
            LineInputs {
                settled_tx,
                recordable_tx,
                relook_rx,
                expected,
            },
            swapper,
            Drained(stations),
        )
    }
}

/// What feeds a line; it drains when all clones are dropped.
pub struct LineInputs {
    /// Files to read.
    pub settled_tx: Sender<SettledFile>,
    /// Changes that need no reading.
    pub recordable_tx: Sender<Recordable>,
    /// Files to be looked at again.
    pub relook_rx: Receiver<NoticedFile>,
    /// Told by who has given all and waits for what is still under way: it is not held back for more to come.
    pub expected: Arc<Expected>,
}

/// The stations of a line.
pub struct Drained(JoinSet<(&'static str, Result<(), LineError>)>);

impl Drained {
    /// The next station that ends, or `None` when all have.
    pub async fn next(&mut self) -> Option<(&'static str, Result<(), LineError>)> {
        match self.0.join_next().await? {
            Ok(ended) => Some(ended),
            Err(error) => Some(("station", Err(LineError::Panicked(error.to_string())))),
        }
    }

    /// Waits for all to end; the first failure is what counts.
    pub async fn all(&mut self) -> Result<(), LineError> {
        let mut outcome = Ok(());
        while let Some((_, ended)) = self.next().await {
            outcome = outcome.and(ended);
        }
        outcome
    }
}

/// Starts a named thread and lets the supervisor hear when it ends, also by a panic.
fn start_thread(
    stations: &mut JoinSet<(&'static str, Result<(), LineError>)>,
    name: &'static str,
    work: impl FnOnce() -> Result<(), LineError> + Send + 'static,
) -> Result<(), LineError> {
    let (ended_tx, ended_rx) = oneshot::channel();
    std::thread::Builder::new()
        .name(name.to_owned())
        // The supervisor listens until every station has ended.
        .spawn(move || drop(ended_tx.send(work())))
        .map_err(|source| LineError::Thread {
            name: name.to_owned(),
            source,
        })?;
    stations.spawn(async move {
        // A panic drops the sender unsent.
        let ended = ended_rx
            .await
            .unwrap_or_else(|_| Err(LineError::Panicked(name.to_owned())));
        (name, ended)
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tagging::testing::settled;

    #[test]
    fn a_line_with_drops_to_read_has_no_time_for_anything_else() {
        let (settled_tx, settled_rx) = bounded(8);
        let queues = Queues {
            settled: settled_rx.downgrade(),
            prepared: bounded(1).1.downgrade(),
            recordable: bounded(1).1.downgrade(),
        };
        for _ in 0..NEARLY_EMPTY {
            assert!(queues.are_nearly_empty());
            settled_tx
                .send_blocking(settled(std::path::Path::new("/in/a.jpg")))
                .unwrap();
        }
        assert!(!queues.are_nearly_empty());
        settled_rx.try_recv().unwrap();
        assert!(queues.are_nearly_empty());
    }
}
