//! Builds the stations, supervises them, drains them: `hangtag run`.
//!
//! In: the settings, and a future that resolves when the service is to end. Out: a service that tags whatever
//! lands in the inboxes; an error when a station ended early. Never: two services on one store.
//!
//! The end, step by step: only the sources (notice, sweep) hear the stop signal; they drop their senders. Settle
//! ends when its events end, the readers when their files end, then batch, infer and record, each drained. A grace
//! period bounds it; a second signal cuts it short. Unfinished files need no saving: the next sweep finds them.

mod lock;
mod open;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use async_channel::{Sender, bounded};
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use lock::{LockError, LockHolder, StoreLock};
pub use open::{
    OpenedModel, OpeningError, load_bundle_blocking, load_runtime_blocking, open_bundle_blocking,
    open_model_blocking, runtime_settings,
};

use crate::config::Config;
use crate::status::{DeviceStatus, Identity, REPORT_INTERVAL, StatusBoard};
use crate::store::{Reader, Store, StoreError};
use crate::tagging::inbox::Inboxes;
use crate::tagging::line::{Drained, Line, LineError, LineInputs, LineParts, Queues};
use crate::tagging::notice::{EventSink, notice};
use crate::tagging::record::{OnTrouble, Recordable};
use crate::tagging::retag::{RetagEnds, RetagSettings, Retagger, retag};
use crate::tagging::settle::{NoticedFile, SettleEnds, SettledFile, Settler, settle};
use crate::tagging::sweep::{Counted, Found, NoMore, Sweep, SweepRequests};

/// Events that wait for the settler: a burst of some thousand files; more, and the sweep finds them.
const NOTICED_CAPACITY: usize = 8_192;

/// Why the service could not start, or ended early.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum DaemonError {
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(
        "could not make the inbox {path}: {source}; make it by hand, or set inbox to a folder that can be made"
    )]
    Inbox { path: PathBuf, source: std::io::Error },
    #[error("could not look at {path}: {source}; name a file or a folder that is there")]
    ScanPath { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Opening(#[from] OpeningError),
    #[error(transparent)]
    Line(#[from] LineError),
    #[error("the station {0} ended early; this is a bug, please report the messages before this line")]
    EndedEarly(&'static str),
    #[error("what was under way did not end within {0:?} (shutdown.grace); the next start takes it up again")]
    Grace(Duration),
}

/// Runs the service until `shutdown` resolves, then drains it; the caller ends the process on a second signal.
pub async fn run(config: Arc<Config>, shutdown: impl Future<Output = ()>) -> Result<(), DaemonError> {
    let lock = StoreLock::take(&config.lock_path())?;
    let inboxes = Arc::new(open_inboxes(&config)?);
    let mut store = Store::open(&config.store_path(), config.durability.into())?;
    let opening = Arc::clone(&config);
    let opened = tokio::task::spawn_blocking(move || open_model_blocking(&opening)).await;
    let opened = opened.map_err(|error| LineError::Panicked(error.to_string()))??;
    store.register_model(&opened.entry)?;
    let board = StatusBoard::default();
    let identity = opened.identity(&config);
    let mut service = Service::start(&config, inboxes, store, opened, board.clone())?;
    tracing::info!("ready: model {} on {}", identity.model, identity.device.used);
    let reporter = tokio::spawn(report(
        config.status_path(),
        board,
        identity,
        service.queues.clone(),
    ));
    let ended = service.run_until(shutdown, config.shutdown_grace).await;
    reporter.abort();
    // An old report would say "running"; the lock is what counts, so a leftover does no harm.
    let _ = std::fs::remove_file(config.status_path());
    drop(lock);
    ended
}

/// Makes the inboxes if they are absent; their real paths.
pub fn open_inboxes(config: &Config) -> Result<Inboxes, DaemonError> {
    let open = |path: &PathBuf| {
        let opened = std::fs::create_dir_all(path).and_then(|()| path.canonicalize());
        opened.map_err(|source| DaemonError::Inbox {
            path: path.clone(),
            source,
        })
    };
    let roots = config.inboxes.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    Ok(Inboxes::new(roots, config.watch.ignore.clone()))
}

/// The running stations.
struct Service {
    stop_tx: watch::Sender<bool>,
    /// Told to whoever works in a thread: the sweep, and the record that waits for room on a disk.
    stopped: Arc<AtomicBool>,
    sources: JoinSet<&'static str>,
    settling: JoinSet<&'static str>,
    line: Drained,
    queues: Queues,
}

impl Service {
    fn start(
        config: &Arc<Config>,
        inboxes: Arc<Inboxes>,
        store: Store,
        opened: OpenedModel,
        board: StatusBoard,
    ) -> Result<Self, DaemonError> {
        let stopped = Arc::new(AtomicBool::new(false));
        let on_trouble = OnTrouble::KeepTryingUntil(Arc::clone(&stopped));
        let parts = LineParts {
            classifiers: opened.classifiers,
            store,
            inboxes: Arc::clone(&inboxes),
            on_trouble,
            board: board.clone(),
        };
        let line = Line::start(config, parts)?;
        let queues = line.queues.clone();
        let (in_service, stragglers) = (line.swapper.in_service(), Arc::clone(&line.stragglers));
        let (inputs, _swapper, line) = line.into_parts();
        let LineInputs {
            settled_tx,
            recordable_tx,
            relook_rx,
        } = inputs;
        let (noticed_tx, noticed_rx) = bounded(NOTICED_CAPACITY);
        let (stop_tx, stop_rx) = watch::channel(false);
        let sweeps = SweepRequests::new(inboxes.roots().to_vec());
        let mut sources = JoinSet::new();
        let mut settling = JoinSet::new();

        let sink = EventSink {
            inboxes: Arc::clone(&inboxes),
            noticed_tx: noticed_tx.clone(),
            sweeps: sweeps.clone(),
            station: board.station("notice"),
        };
        let noticing = notice(sink, config.watch.clone(), board.clone(), stop_rx.clone());
        sources.spawn(async move {
            noticing.await;
            "notice"
        });

        let sweeper = Sweeper {
            inboxes: Arc::clone(&inboxes),
            reader: Reader::open(&config.store_path())?,
            quiet: config.settle.quiet_unclosed,
            stop: Arc::clone(&stopped),
            settled_tx: settled_tx.clone(),
            noticed_tx,
            recordable_tx: recordable_tx.clone(),
        };
        let retagger = Retagger {
            reader: Reader::open(&config.store_path())?,
            in_service,
            settings: RetagSettings::default(),
            inboxes: Arc::clone(&inboxes),
            ends: RetagEnds {
                settled_tx: settled_tx.clone(),
                recordable_tx: recordable_tx.clone(),
                queues: queues.clone(),
                stragglers,
            },
            board: board.clone(),
            station: board.station("retag"),
        };
        let retagging = retag(retagger, stop_rx.clone());
        sources.spawn(async move {
            retagging.await;
            "retag"
        });

        let (requests, station, trouble) = (sweeps.clone(), board.station("sweep"), board.clone());
        let mut stop = stop_rx;
        sources.spawn(async move {
            let mut sweeper = Some(sweeper);
            loop {
                let folders = tokio::select! {
                    _ = stop.wait_for(|stopped| *stopped) => return "sweep",
                    folders = requests.next() => folders,
                };
                let Some(working) = sweeper.take() else {
                    return "sweep";
                };
                let (station, trouble) = (station.clone(), trouble.clone());
                let work = tokio::task::spawn_blocking(move || {
                    for folder in folders {
                        working.sweep_blocking(&folder, &trouble);
                        station.did(|| format!("looked through {}", folder.display()));
                    }
                    working
                });
                sweeper = work.await.ok();
            }
        });

        let ends = SettleEnds {
            noticed_rx,
            relook_rx,
            settled_tx,
            recordable_tx,
        };
        let settler = Settler::new(config.settle);
        let station = board.station("settle");
        settling.spawn(async move {
            settle(ends, settler, inboxes, sweeps, station).await;
            "settle"
        });
        Ok(Self {
            stop_tx,
            stopped,
            sources,
            settling,
            line,
            queues,
        })
    }

    /// Supervises until `shutdown`, then drains.
    async fn run_until(
        &mut self,
        shutdown: impl Future<Output = ()>,
        grace: Duration,
    ) -> Result<(), DaemonError> {
        let early = tokio::select! {
            () = shutdown => Ok(()),
            Some((name, ended)) = self.line.next() => Err(ended.map_or_else(DaemonError::from, |()| DaemonError::EndedEarly(name))),
            Some(name) = self.sources.join_next() => Err(DaemonError::EndedEarly(name.unwrap_or("source"))),
            Some(name) = self.settling.join_next() => Err(DaemonError::EndedEarly(name.unwrap_or("settle"))),
        };
        if let Err(error) = &early {
            tracing::error!("{error}; draining what is under way");
        }
        // The receivers are stations that have not ended, or have and need no word.
        let _ = self.stop_tx.send(true);
        self.stopped.store(true, Ordering::Relaxed);
        let drained = tokio::time::timeout(grace, async {
            while self.sources.join_next().await.is_some() {}
            while self.settling.join_next().await.is_some() {}
            self.line.all().await
        });
        match drained.await {
            Ok(drained) => early.and(drained.map_err(DaemonError::from)),
            Err(_elapsed) => early.and(Err(DaemonError::Grace(grace))),
        }
    }
}

/// What the sweep needs of the line.
struct Sweeper {
    inboxes: Arc<Inboxes>,
    reader: Reader,
    quiet: Duration,
    stop: Arc<AtomicBool>,
    settled_tx: Sender<SettledFile>,
    noticed_tx: Sender<NoticedFile>,
    recordable_tx: Sender<Recordable>,
}

impl Sweeper {
    fn sweep_blocking(&self, folder: &Path, board: &StatusBoard) {
        let sweep = Sweep {
            inboxes: &self.inboxes,
            reader: &self.reader,
            counted: Counted::AnyAnswer,
            quiet: self.quiet,
            stop: &self.stop,
        };
        let swept = sweep.run_blocking(folder, &mut |found| match found {
            Found::Unchanged => Ok(()),
            Found::AtRest(file) => self.settled_tx.send_blocking(file).map_err(|_| NoMore),
            Found::Restless(noticed) => self.noticed_tx.send_blocking(noticed).map_err(|_| NoMore),
            Found::Change(change) => self
                .recordable_tx
                .send_blocking(Recordable::change(change))
                .map_err(|_| NoMore),
        });
        match swept {
            Ok(_) => board.solved("sweep"),
            Err(error) => {
                tracing::error!("sweep of {}: {error}", folder.display());
                board.problem("sweep", error.to_string());
            }
        }
    }
}

/// Keeps the status file fresh; one that cannot be written is said once and tried again.
async fn report(path: PathBuf, board: StatusBoard, identity: Identity, queues: Queues) {
    let mut complained = false;
    loop {
        let report = board.report(&identity, queues.status());
        let file = path.clone();
        let written = tokio::task::spawn_blocking(move || report.write_blocking(&file)).await;
        if let Ok(Err(error)) = written
            && !std::mem::replace(&mut complained, true)
        {
            tracing::error!("status: {error}");
        }
        tokio::time::sleep(REPORT_INTERVAL).await;
    }
}

impl OpenedModel {
    /// What `hangtag status` says of this process.
    fn identity(&self, config: &Config) -> Identity {
        Identity {
            version: env!("CARGO_PKG_VERSION"),
            pid: std::process::id(),
            started_at: SystemTime::now().into(),
            model: self.entry.id().clone(),
            device: DeviceStatus {
                asked: self.device.asked,
                used: self.device.got,
                why: self.device.why.clone(),
            },
            onnxruntime: self.runtime.clone(),
            store: config.store_path(),
        }
    }
}
