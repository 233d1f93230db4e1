//! What each station last did: kept in memory while hangtag runs, written to `status.json` for others to read.
//!
//! In: what the stations, the watched folders and the queues say of themselves. Out: [`StatusReport`]s. Never:
//! a truth that anything depends on; the store and the folder alone say what is done and what is not.

mod timing;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use serde::Serialize;
use tokio::sync::Notify;

pub use timing::{TIMING_BOUNDS, TimingReport};

use timing::Timing;

use crate::domain::{Device, DevicePolicy, ModelId, Timestamp};
use crate::durable::{self, WriteError};

/// A running daemon writes its report at least this often; one that is three times as old means that it hangs.
pub const REPORT_INTERVAL: Duration = Duration::from_secs(2);

/// Everything that is said of one running process; cheap to clone, shared by all stations.
#[derive(Debug, Clone, Default)]
pub struct StatusBoard {
    shared: Arc<Mutex<Shared>>,
    /// Rung when an inbox is said to be watched, or why not; one waits.
    looked: Arc<Notify>,
    /// Rung when the service is ready; one waits.
    became_ready: Arc<Notify>,
}

/// Owner: the board; stations write their own entry only.
#[derive(Debug, Default)]
struct Shared {
    ready: bool,
    stations: Vec<Arc<StationEntry>>,
    folders: BTreeMap<PathBuf, FolderState>,
    problems: BTreeMap<&'static str, String>,
    web: Option<String>,
}

/// One station's own line on the board.
#[derive(Debug, Clone)]
pub struct Station(Arc<StationEntry>);

#[derive(Debug)]
struct StationEntry {
    name: &'static str,
    done: AtomicU64,
    last_at_millis: AtomicI64,
    last: Mutex<String>,
    timing: Timing,
}

/// How an inbox is watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state", content = "why")]
pub enum FolderState {
    /// The operating system says what changes.
    Watched,
    /// It is looked through at intervals; why.
    Polled(String),
    /// It is empty, and files were there: perhaps its disk is not mounted; why. What is dropped into it is tagged.
    Bare(String),
    /// It is not there, or cannot be looked into; why.
    Missing(String),
}

/// What was asked for, what was got, and why they differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct DeviceStatus {
    pub asked: DevicePolicy,
    pub used: Device,
    pub why: Option<String>,
}

/// What does not change while the process runs.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs)]
pub struct Identity {
    pub version: &'static str,
    pub pid: u32,
    pub started_at: Timestamp,
    pub model: ModelId,
    pub device: DeviceStatus,
    pub onnxruntime: String,
    pub store: String,
}

impl Identity {
    /// Model and device in a sentence.
    pub fn in_words(&self) -> String {
        format!("model {} on {}", self.model, self.device.used)
    }
}

/// How full a queue is.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs)]
pub struct QueueStatus {
    pub name: &'static str,
    pub length: usize,
    pub capacity: usize,
}

/// All of it at one moment.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs)]
pub struct StatusReport {
    pub healthy: bool,
    pub ready: bool,
    #[serde(flatten)]
    pub identity: Identity,
    pub written_at: Timestamp,
    pub folders: Vec<FolderStatus>,
    pub stations: Vec<StationStatus>,
    pub queues: Vec<QueueStatus>,
    /// Where the pages are served; `None` where they are not.
    pub web: Option<String>,
    /// What is wrong and what is done about it; empty when healthy.
    pub problems: Vec<String>,
}

/// One inbox.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs)]
pub struct FolderStatus {
    /// As text, also where the name is not UTF-8.
    pub path: String,
    #[serde(flatten)]
    pub state: FolderState,
}

/// One station.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs)]
pub struct StationStatus {
    pub name: &'static str,
    /// How many files, batches or changes it has done.
    pub done: u64,
    pub last: Option<String>,
    pub last_at: Option<Timestamp>,
    /// How long its work takes; for metrics only.
    #[serde(skip)]
    pub timing: TimingReport,
}

impl StatusBoard {
    /// A new line on the board.
    pub fn station(&self, name: &'static str) -> Station {
        let entry = Arc::new(StationEntry {
            name,
            done: AtomicU64::new(0),
            last_at_millis: AtomicI64::new(0),
            last: Mutex::new(String::new()),
            timing: Timing::default(),
        });
        self.lock().stations.push(Arc::clone(&entry));
        Station(entry)
    }

    /// Says how an inbox is watched from now on.
    pub fn folder(&self, path: &Path, state: FolderState) {
        self.lock().folders.insert(path.to_owned(), state);
        self.looked.notify_one();
    }

    /// Says where the pages are served from now on.
    pub fn serves_pages_at(&self, address: String) {
        self.lock().web = Some(address);
    }

    /// Waits until it is known of so many inboxes how they are watched; for one waiter.
    pub async fn until_watched(&self, inboxes: usize) {
        while self.lock().folders.len() < inboxes {
            self.looked.notified().await;
        }
    }

    /// Says that what lands in the inboxes is noticed from now on.
    pub fn ready(&self) {
        self.lock().ready = true;
        self.became_ready.notify_one();
    }

    /// Waits for the next report to be due: after [`REPORT_INTERVAL`], or at once when the service becomes ready, so that
    /// nobody who starts it has to wait for the truth; for one waiter.
    pub async fn until_report_is_due(&self) {
        // Whichever comes first, there is something to report.
        let _ = tokio::time::timeout(REPORT_INTERVAL, self.became_ready.notified()).await;
    }

    /// Says what is wrong with `subject` until [`solved`](Self::solved).
    pub fn problem(&self, subject: &'static str, what: String) {
        self.lock().problems.insert(subject, what);
    }

    /// `subject` works again.
    pub fn solved(&self, subject: &'static str) {
        self.lock().problems.remove(subject);
    }

    /// What holds right now.
    pub fn report(&self, identity: &Identity, queues: Vec<QueueStatus>) -> StatusReport {
        let shared = self.lock();
        let amiss = shared.folders.iter().filter_map(|(path, state)| match state {
            FolderState::Bare(why) | FolderState::Missing(why) => {
                Some(format!("inbox {}: {why}", path.display()))
            }
            FolderState::Watched | FolderState::Polled(_) => None,
        });
        let problems: Vec<_> = shared
            .problems
            .iter()
            .map(|(subject, what)| format!("{subject}: {what}"))
            .chain(amiss)
            .collect();
        StatusReport {
            healthy: problems.is_empty(),
            ready: shared.ready,
            identity: identity.clone(),
            written_at: SystemTime::now().into(),
            folders: shared
                .folders
                .iter()
                .map(|(path, state)| FolderStatus {
                    path: path.display().to_string(),
                    state: state.clone(),
                })
                .collect(),
            stations: shared.stations.iter().map(|entry| entry.status()).collect(),
            queues,
            web: shared.web.clone(),
            problems,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StatusReport {
    /// Writes the report where `hangtag status` reads it.
    pub fn write_blocking(&self, path: &Path) -> Result<(), WriteError> {
        let text = serde_json::to_vec_pretty(self).expect("a status report is plain JSON; this is a bug");
        // A sync every two seconds would compete with the record's commits.
        durable::write_passing_file(path, &text)
    }
}

impl Station {
    /// One more thing done.
    pub fn did(&self, what: impl FnOnce() -> String) {
        self.did_many(1, what);
    }

    /// `count` more things done at once.
    pub fn did_many(&self, count: u64, what: impl FnOnce() -> String) {
        self.0.done.fetch_add(count, Ordering::Relaxed);
        let now: Timestamp = SystemTime::now().into();
        self.0.last_at_millis.store(now.as_millis(), Ordering::Relaxed);
        *self.0.last.lock().unwrap_or_else(PoisonError::into_inner) = what();
    }
}

impl Station {
    /// How long one piece of work took, or one file waited.
    pub fn took(&self, duration: Duration) {
        self.0.timing.add(duration);
    }
}

impl StationEntry {
    fn status(&self) -> StationStatus {
        let last_at = self.last_at_millis.load(Ordering::Relaxed);
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        StationStatus {
            name: self.name,
            done: self.done.load(Ordering::Relaxed),
            last: (!last.is_empty()).then_some(last),
            last_at: (last_at != 0).then(|| Timestamp::from_millis(last_at)),
            timing: self.timing.report(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    /// "Ready" was said before anything was watched.
    #[tokio::test]
    async fn all_inboxes_are_waited_for() {
        let board = StatusBoard::default();
        board.folder(Path::new("/a"), FolderState::Watched);
        let mut waiting = std::pin::pin!(board.until_watched(2));
        tokio::select! {
            biased;
            () = &mut waiting => panic!("one of two is not all"),
            () = tokio::task::yield_now() => {}
        }
        board.folder(Path::new("/b"), FolderState::Missing("gone".into()));
        waiting.await;
    }

    /// For two seconds after "ready" a report said "starting", with no inboxes.
    #[tokio::test]
    async fn a_report_is_due_at_once_when_the_service_is_ready() {
        let board = StatusBoard::default();
        board.ready();
        let due = tokio::time::timeout(REPORT_INTERVAL / 2, board.until_report_is_due());
        assert!(due.await.is_ok());
    }

    #[test]
    fn a_problem_makes_the_report_unhealthy_until_it_is_solved() {
        let board = StatusBoard::default();
        let station = board.station("record");
        station.did_many(3, || "3 changes".into());
        let identity = Identity {
            version: "0",
            pid: 1,
            started_at: Timestamp::from_millis(0),
            model: ModelId::from_sha256(&"a".repeat(64)).unwrap(),
            device: DeviceStatus {
                asked: DevicePolicy::Auto,
                used: Device::Cpu,
                why: None,
            },
            onnxruntime: "1".into(),
            store: "/s".into(),
        };
        let report = || board.report(&identity, Vec::new());
        assert!(report().healthy && !report().ready);
        board.folder(Path::new("/in"), FolderState::Missing("gone".into()));
        board.problem("store", "the disk is full".into());
        assert_eq!(report().problems, ["store: the disk is full", "inbox /in: gone"]);
        let unprintable = PathBuf::from(std::ffi::OsString::from_vec(vec![b'/', 0xff]));
        board.folder(&unprintable, FolderState::Watched);
        board.folder(Path::new("/in"), FolderState::Watched);
        board.solved("store");
        assert!(report().healthy && !report().ready);
        board.ready();
        assert!(report().healthy && report().ready);
        let json = serde_json::to_value(report()).unwrap();
        assert_eq!(json["folders"][0]["state"], "watched");
        assert_eq!(json["stations"][0]["done"], 3);
        assert_eq!(json["model"], "aaaaaaaaaaaaaaaa");
    }
}
