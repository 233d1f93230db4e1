//! Builds the stations, supervises them, drains them: `hangtag run`.
//!
//! In: the settings, and a future that resolves when the service is to end. Out: a service that tags whatever
//! lands in the inboxes; an error when a station ended early. Never: two services on one store.
//!
//! The end, step by step: only the sources (notice, sweep, retag, serve, retrain) hear the stop signal; they drop
//! their senders. Settle ends when its events end, the readers when their files end, then batch, infer and record,
//! each drained. A grace period bounds it; a second signal cuts it short. Unfinished files need no saving: the next
//! sweep finds them.

mod inboxes;
mod lock;
mod open;
mod pages;
mod prune;
mod rebuild_run;
mod report;
mod retrain;
mod serve;
mod sweeping;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_channel::bounded;
use sd_notify::NotifyState;
use tokio::sync::watch;
use tokio::task::JoinSet;

use inboxes::open_inboxes;
use pages::{PagesParts, start_pages};
use report::{Reporter, StoreFile};
use serve::{Server, serve};
use sweeping::Sweeper;

pub use lock::{LockError, LockHolder, Purpose, StoreLock};
pub use open::{
    OpenedModel, OpeningError, decode_limits, load_runtime_blocking, open_bundle_blocking, runtime_settings,
};
pub use retrain::{Beginning, RetrainError, Retrainer, RunSummary, close_dead_trainings_blocking, rules};
pub use serve::{
    Opener, ServingError, bundle_in_service_blocking, load_published_blocking, open_serving_blocking,
};

use crate::config::{self, Config};
use crate::status::{Identity, StatusBoard};
use crate::store::{Reader, Store, StoreError};
use crate::tagging::inbox::Inboxes;
use crate::tagging::line::{Drained, Haste, Line, LineError, LineInputs, LineParts, Queues};
use crate::tagging::notice::{EventSink, NoticeParts, notice};
use crate::tagging::record::OnTrouble;
use crate::tagging::retag::{RetagEnds, RetagPolicy, RetagSettings, Retagger, retag};
use crate::tagging::settle::{Rooms, SettleEnds, settle};
use crate::tagging::sweep::{InboxRequests, SweepRequests};
use crate::web::Web;

/// Events that wait for the settler: a burst of some thousand files; more, and the sweep finds them.
const NOTICED_CAPACITY: usize = 8_192;

/// A start that is called off waits so long for what is being opened: a library is better loaded than half loaded when
/// the process ends. A download or a dead disk takes longer, and is left.
const OPENING_GRACE: Duration = Duration::from_secs(2);

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
    #[error(
        "{inner} really lies in the inbox {outer}; name only one of two inboxes that are the same place, and keep data_dir out of them"
    )]
    Overlap { inner: PathBuf, outer: PathBuf },
    #[error("could not look at {path}: {source}; name a file or a folder that is there")]
    ScanPath { path: PathBuf, source: std::io::Error },
    #[error(
        "{path} lies within hangtag's data folder {data_dir}, which is passed over; name files or folders outside of it, or another data_dir"
    )]
    OwnFile { path: PathBuf, data_dir: PathBuf },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Serving(#[from] ServingError),
    #[error("could not find hangtag's own program, which trains: {0}")]
    Program(std::io::Error),
    #[error(transparent)]
    Line(#[from] LineError),
    #[error("the station {0} ended early; this is a bug, please report the messages before this line")]
    EndedEarly(&'static str),
    #[error(
        "the store {0} was moved, removed or replaced while the service ran, and nobody sees what it writes to the file that was there; stop the service before, and start it again on what lies there now"
    )]
    StoreMoved(PathBuf),
    #[error("what was under way did not end within {0:?} (shutdown.grace); the next start takes it up again")]
    Grace(Duration),
}

/// Runs the service until `shutdown` resolves, then drains it; the caller ends the process on a second signal.
///
/// Where `shutdown` resolves during the start, what is being opened is left to a thread, which the caller must not
/// wait for.
pub async fn run(config: Arc<Config>, shutdown: impl Future<Output = ()>) -> Result<(), DaemonError> {
    tokio::pin!(shutdown);
    let lock = Arc::new(StoreLock::take(&config.lock_path(), Purpose::Service)?);
    // The report of a daemon that was killed would say that this one is ready.
    let _ = std::fs::remove_file(config.status_path());
    let inboxes = tokio::select! {
        biased;
        () = &mut shutdown => {
            tell_systemd(NotifyState::Stopping);
            return Ok(());
        }
        inboxes = open_inboxes(&config) => Arc::new(inboxes?),
    };
    let mut store = Store::open(&config.store_path(), config.durability.into())?;
    let store_file = StoreFile::of_open(config.store_path());
    // The thread that opens may outlive a start that is called off: it uses the store, and so holds the lock.
    let (opening, held) = (Arc::clone(&config), Arc::clone(&lock));
    let mut opened = tokio::task::spawn_blocking(move || {
        let _held = held;
        let opened = open_serving_blocking(&opening, &mut store, Opener::Owner)?;
        Ok::<_, ServingError>((store, opened))
    });
    let opened = tokio::select! {
        biased;
        () = &mut shutdown => {
            tell_systemd(NotifyState::Stopping);
            // The outcome is of no use any more.
            let _ = tokio::time::timeout(OPENING_GRACE, opened).await;
            return Ok(());
        }
        opened = &mut opened => opened,
    };
    let (store, opened) = opened.map_err(|error| LineError::Panicked(error.to_string()))??;
    let board = StatusBoard::default();
    let (identity_tx, identity) = watch::channel(opened.identity(&config));
    let watched = ready(board.clone(), inboxes.roots().len(), identity.clone());
    let parts = ServiceParts {
        inboxes,
        store,
        opened,
        board: board.clone(),
        identity_tx,
        identity: identity.clone(),
    };
    let mut service = Service::start(&config, parts)?;
    let announcer = tokio::spawn(watched);
    let reporter = Reporter {
        path: config.status_path(),
        store: store_file,
        board,
        identity,
        queues: service.queues.clone(),
    };
    let mut reporter = tokio::spawn(reporter.run());
    let ends = async {
        tokio::select! {
            () = shutdown => Ok(()),
            Ok(()) = &mut reporter => Err(DaemonError::StoreMoved(config.store_path())),
        }
    };
    let ended = service.run_until(ends, config.shutdown_grace).await;
    announcer.abort();
    reporter.abort();
    // A leftover is removed by the next start.
    let _ = std::fs::remove_file(config.status_path());
    drop(lock);
    ended
}

impl DaemonError {
    /// Whether the settings or the arguments have to be worded differently.
    pub fn is_mistake_of_usage(&self) -> bool {
        matches!(self, DaemonError::Overlap { .. } | DaemonError::OwnFile { .. })
    }
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
    /// Beside the stations: whatever becomes of the pages, photos are tagged.
    web: Option<Web>,
}

/// What the stations are built from.
struct ServiceParts {
    inboxes: Arc<Inboxes>,
    store: Store,
    opened: OpenedModel,
    board: StatusBoard,
    identity_tx: watch::Sender<Identity>,
    identity: watch::Receiver<Identity>,
}

impl Service {
    /// Straight-line: every station with its ends, in the order of the data's way.
    fn start(config: &Arc<Config>, parts: ServiceParts) -> Result<Self, DaemonError> {
        let ServiceParts {
            inboxes,
            store,
            opened,
            board,
            identity_tx,
            identity,
        } = parts;
        let reader = || Reader::open(&config.store_path());
        let stopped = Arc::new(AtomicBool::new(false));
        let line = Line::start(
            config,
            LineParts {
                classifiers: opened.classifiers,
                store,
                inboxes: Arc::clone(&inboxes),
                on_trouble: OnTrouble::KeepTryingUntil(Arc::clone(&stopped)),
                haste: Haste::EachPhoto,
                board: board.clone(),
            },
        )?;
        let queues = line.queues.clone();
        let (in_service, stragglers) = (line.swapper.in_service(), Arc::clone(&line.stragglers));
        let (inputs, swapper, line) = line.into_parts();
        let LineInputs {
            settled_tx,
            recordable_tx,
            relook_rx,
            expected: _, // More always comes.
        } = inputs;
        let (noticed_tx, noticed_rx) = bounded(NOTICED_CAPACITY);
        let (stop_tx, stop_rx) = watch::channel(false);
        let sweeps = SweepRequests::new(inboxes.roots().to_vec());
        let (mut sources, mut settling) = (JoinSet::new(), JoinSet::new());

        let sink = EventSink {
            inboxes: Arc::clone(&inboxes),
            noticed_tx: noticed_tx.clone(),
            sweeps: sweeps.clone(),
            station: board.station("notice"),
        };
        let parts = NoticeParts {
            sink,
            config: config.watch.clone(),
            reader: Mutex::new(reader()?),
            board: board.clone(),
        };
        let noticing = notice(parts, stop_rx.clone());
        sources.spawn(async move {
            noticing.await;
            "notice"
        });

        let station = board.station("sweep");
        let sweeper = |asked: &Arc<InboxRequests>| {
            Ok::<_, StoreError>(Sweeper {
                asked: Arc::clone(asked),
                inboxes: Arc::clone(&inboxes),
                reader: reader()?,
                quiet: config.settle.quiet_unclosed,
                stop: Arc::clone(&stopped),
                settled_tx: settled_tx.clone(),
                noticed_tx: noticed_tx.clone(),
                recordable_tx: recordable_tx.clone(),
                board: board.clone(),
                station: station.clone(),
            })
        };
        let sweepers = sweeps.inboxes().iter().map(sweeper).collect::<Result<_, _>>()?;
        let sweeping = sweeping::sweep(sweepers, stop_rx.clone());
        sources.spawn(async move {
            sweeping.await;
            "sweep"
        });

        let retagger = Retagger {
            reader: reader()?,
            in_service,
            settings: retag_settings(config),
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

        let pages = PagesParts {
            inboxes: Arc::clone(&inboxes),
            board: board.clone(),
            identity,
            queues: queues.clone(),
            sweeps: sweeps.clone(),
        };
        let web = start_pages(config, pages, stop_rx.clone());

        // A model that the settings name is served whatever the registry says.
        if config.inference.model.is_none() {
            let server = Server {
                config: Arc::clone(config),
                reader: Arc::new(Mutex::new(reader()?)),
                swapper,
                identity_tx,
                board: board.clone(),
                station: board.station("serve"),
            };
            let serving = serve(server, stop_rx);
            sources.spawn(async move {
                serving.await;
                "serve"
            });
        }

        let program = std::env::current_exe().map_err(DaemonError::Program)?;
        let retrainer = Retrainer::open(Arc::clone(config), program, Arc::clone(&stopped))?;
        let (station, trouble) = (board.station("retrain"), board.clone());
        sources.spawn_blocking(move || {
            retrainer.run_blocking(&station, &trouble);
            "retrain"
        });

        let ends = SettleEnds {
            noticed_rx,
            relook_rx,
            settled_tx,
            recordable_tx,
        };
        let rooms = Rooms::new(config.settle, inboxes);
        let station = board.station("settle");
        settling.spawn(async move {
            settle(ends, rooms, sweeps, station).await;
            "settle"
        });
        Ok(Self {
            stop_tx,
            stopped,
            sources,
            settling,
            line,
            queues,
            web,
        })
    }

    /// Supervises until `end` says that it is to end, and why if nobody wanted it, then drains.
    async fn run_until(
        &mut self,
        end: impl Future<Output = Result<(), DaemonError>>,
        grace: Duration,
    ) -> Result<(), DaemonError> {
        let early = tokio::select! {
            ended = end => ended,
            Some((name, ended)) = self.line.next() => Err(ended.map_or_else(DaemonError::from, |()| DaemonError::EndedEarly(name))),
            Some(name) = self.sources.join_next() => Err(DaemonError::EndedEarly(name.unwrap_or("source"))),
            Some(name) = self.settling.join_next() => Err(DaemonError::EndedEarly(name.unwrap_or("settle"))),
        };
        if let Err(error) = &early {
            tracing::error!("{error}; draining what is under way");
        }
        tell_systemd(NotifyState::Stopping);
        // The receivers are stations that have not ended, or have and need no word.
        let _ = self.stop_tx.send(true);
        self.stopped.store(true, Ordering::Relaxed);
        let drained = tokio::time::timeout(grace, async {
            while self.sources.join_next().await.is_some() {}
            while self.settling.join_next().await.is_some() {}
            let drained = self.line.all().await;
            if let Some(web) = self.web.take() {
                web.ended().await;
            }
            drained
        });
        match drained.await {
            Ok(drained) => early.and(drained.map_err(DaemonError::from)),
            Err(_elapsed) => early.and(Err(DaemonError::Grace(grace))),
        }
    }
}

/// Says that the service is ready once its inboxes are watched: what lands in them from then on is noticed at once.
async fn ready(board: StatusBoard, inboxes: usize, identity: watch::Receiver<Identity>) {
    board.until_watched(inboxes).await;
    board.ready();
    tracing::info!("ready: {}", identity.borrow().in_words());
    tell_systemd(NotifyState::Ready);
}

/// Where systemd started the service (`Type=notify`), it hears how that goes; elsewhere nobody listens.
fn tell_systemd(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!("could not tell systemd: {error}");
    }
}

fn retag_settings(config: &Config) -> RetagSettings {
    RetagSettings {
        policy: match config.retag.policy {
            config::RetagPolicy::All => RetagPolicy::All,
            config::RetagPolicy::BelowConfidence => {
                RetagPolicy::BelowConfidence(config.retag.below_confidence)
            }
            config::RetagPolicy::None => RetagPolicy::None,
        },
        images_per_second: config.retag.images_per_second,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tagging::testing::Shop;

    fn run_on_one_worker(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), DaemonError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let ended = runtime.block_on(async {
            let running = run(Arc::new(config), shutdown);
            tokio::time::timeout(Duration::from_secs(60), running).await
        });
        // A thread that waits is left, as the command leaves it.
        runtime.shutdown_background();
        ended.expect("it ends")
    }

    /// SIGTERM was heard only once the model was open: never, where its disk does not answer.
    #[test]
    fn a_start_that_hangs_ends_at_a_signal() {
        let shop = Shop::new();
        let bundle = shop.path().join("bundle");
        std::fs::create_dir(&bundle).unwrap();
        let pipe = bundle.join("manifest.json");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let mut config = shop.config();
        config.inference.model = Some(bundle);
        let (read_tx, read_rx) = tokio::sync::oneshot::channel();
        // The pipe opens when its other end does; nothing is ever written.
        std::thread::spawn(move || read_tx.send(std::fs::File::options().write(true).open(&pipe)));
        let mut held = None;
        let ended = run_on_one_worker(config, async { held = Some(read_rx.await) });
        assert!(matches!(ended, Ok(())), "{ended:?}");
        assert!(matches!(held, Some(Ok(Ok(_)))), "{held:?}");
    }

    /// It was heard only once every inbox had answered.
    #[test]
    fn a_start_that_waits_for_an_inbox_ends_at_a_signal() {
        let shop = Shop::new();
        let mut config = shop.config();
        let never_made = shop.path().join("inbox-of-the-start");
        config.inboxes = vec![never_made.clone()];
        let ended = run_on_one_worker(config, std::future::ready(()));
        assert!(matches!(ended, Ok(())), "{ended:?}");
        assert!(!never_made.exists(), "the signal came first");
    }
}
