//! Folder events -> noticed files.
//!
//! In: the inboxes and what the operating system says of them. Out: [`NoticedFile`]s, and requests for a sweep
//! wherever an event may be missing. Never: a decision that rests on an event alone, and never a callback that
//! blocks (the kernel's queue would overflow behind it).

mod meaning;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_channel::{Sender, TrySendError};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::watch;

use meaning::{Meaning, meaning};

use super::inbox::{FolderId, Inboxes, RootLook};
use super::settle::{Hint, NoticedFile};
use super::sweep::{SweepRequests, missed_in_bare_inbox};
use crate::config::{WatchConfig, WatchMode};
use crate::status::{FolderState, Station, StatusBoard};
use crate::store::Reader;

/// How often an inbox is checked for being still the folder that is watched, and for lying there bare; a look at its
/// first entry.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Where events go; cloned into each watcher's callback.
#[derive(Clone)]
pub struct EventSink {
    /// What is ours.
    pub inboxes: Arc<Inboxes>,
    /// To the waiting room.
    pub noticed_tx: Sender<NoticedFile>,
    /// To the sweep.
    pub sweeps: SweepRequests,
    /// The station's own line.
    pub station: Station,
}

/// One watcher's callback: the events of one inbox.
struct RootEvents {
    root: PathBuf,
    sink: EventSink,
    news: Arc<Mutex<WatchNews>>,
}

/// What the events say of the watch itself. Owner: the watcher's callback writes, the station takes; each watcher has
/// its own, so that the last words of an old one say nothing of the next.
#[derive(Debug, Default)]
struct WatchNews {
    /// The folder was removed or renamed: the watch is silent for good, even if a folder with its name, and with its
    /// inode, is there again by the next look.
    is_lost: bool,
    /// A new folder is not watched, and why: from now on events tell only a part.
    is_partial: Option<String>,
}

impl RootEvents {
    /// Takes one event, or the news that events were lost.
    fn take(&self, event: Result<Event, notify::Error>) {
        let sweeps = &self.sink.sweeps;
        match event {
            Ok(event) if event.need_rescan() => {
                tracing::warn!("the operating system dropped file events; looking through the inboxes");
                sweeps.request_all();
            }
            Ok(event) => self.files_of(&event),
            Err(error) => {
                tracing::warn!("file events: {error}; looking through the inboxes");
                if matches!(error.kind, notify::ErrorKind::MaxFilesWatch) {
                    self.news().is_partial = Some(not_to_be_had(&error));
                }
                sweeps.request_all();
            }
        }
    }

    fn files_of(&self, event: &Event) {
        let inboxes = &self.sink.inboxes;
        let meaning = meaning(&event.kind);
        for path in &event.paths {
            // Uploads rename files away from temporary names, many a second: not even a sweep is to be asked for.
            let is_ours = || inboxes.root_of(path).is_some() && inboxes.passed_over(path).is_none();
            match meaning {
                Meaning::Nothing => {}
                _ if !is_ours() => {}
                Meaning::Folder => self.sink.sweeps.request_now_and_later(path),
                Meaning::Gone if *path == self.root => self.news().is_lost = true,
                Meaning::Gone => {
                    self.notice(path, Hint::MovedAway);
                    self.sink.sweeps.request_now_and_later(path);
                }
                Meaning::File(hint) => self.notice(path, hint),
                // The pair of a rename: its two halves come as events of their own, too.
                Meaning::Renamed => {}
            }
        }
    }

    fn notice(&self, path: &Path, hint: Hint) {
        let sink = &self.sink;
        sink.station.did(|| format!("noticed {}", path.display()));
        match sink.noticed_tx.try_send(NoticedFile {
            path: path.to_owned(),
            hint,
        }) {
            Ok(()) | Err(TrySendError::Closed(_)) => {}
            Err(TrySendError::Full(_)) => sink.sweeps.request_all(),
        }
    }

    fn news(&self) -> MutexGuard<'_, WatchNews> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One inbox and the watcher on it.
struct WatchedRoot {
    path: PathBuf,
    /// The folder when it was last seen; `None` while it is away.
    identity: Option<FolderId>,
    /// Whether it was said that it is away.
    is_away: bool,
    /// Dropped when the folder goes: it would be silent for good.
    watcher: Option<RecommendedWatcher>,
    /// Of that watcher.
    news: Arc<Mutex<WatchNews>>,
    polled: bool,
    next_poll: Instant,
    /// When a watch that could not be had is tried for again: the limit may have been raised.
    next_attempt: Option<Instant>,
}

/// What the station works with.
pub struct NoticeParts {
    /// Where events go.
    pub sink: EventSink,
    /// How the inboxes are watched.
    pub config: WatchConfig,
    /// To ask whether files are missed in an inbox that lies there bare.
    pub reader: Reader,
    /// Where the state of the inboxes is shown.
    pub board: StatusBoard,
}

impl NoticeParts {
    /// Which folder the inbox is, or how it counts as away.
    fn look_at_blocking(&self, root: &Path) -> Result<FolderId, FolderState> {
        match self.sink.inboxes.look_at_root_blocking(root) {
            RootLook::There(folder) => Ok(folder),
            RootLook::Missing(why) => Err(FolderState::Missing(why)),
            RootLook::Bare(folder) => match missed_in_bare_inbox(root, &self.reader) {
                Ok(None) => Ok(folder),
                Ok(Some(why)) => Err(FolderState::Bare(why)),
                Err(error) => Err(FolderState::Bare(format!(
                    "is empty, and whether files were there is not to be had: {error}"
                ))),
            },
        }
    }
}

/// Watches the inboxes until `stop`; a folder that goes is reported and watched again when it returns.
pub async fn notice(parts: NoticeParts, mut stop: watch::Receiver<bool>) {
    let roots = parts.sink.inboxes.roots().iter();
    let mut watch = Watch {
        roots: roots.map(|root| WatchedRoot::new(root)).collect(),
        next_sweep: Instant::now() + parts.config.sweep_interval,
        parts,
    };
    let pause = CHECK_INTERVAL.min(watch.parts.config.poll_interval);
    let working = async {
        loop {
            // In a thread that may block: a tree of folders is walked, and a network file system may not answer.
            let checking = tokio::task::spawn_blocking(move || {
                watch.check_blocking();
                watch
            });
            match checking.await {
                Ok(checked) => watch = checked,
                // It panicked, which the supervisor takes from this end, or the runtime is shutting down.
                Err(_) => return,
            }
            tokio::time::sleep(pause).await;
        }
    };
    tokio::select! {
        _ = stop.wait_for(|stopped| *stopped) => {}
        () = working => {}
    }
}

/// All inboxes, and when all of them are looked through next.
struct Watch {
    roots: Vec<WatchedRoot>,
    next_sweep: Instant,
    parts: NoticeParts,
}

impl Watch {
    fn check_blocking(&mut self) {
        for root in &mut self.roots {
            root.check(&self.parts);
        }
        let sweeps = &self.parts.sink.sweeps;
        sweep_again(&mut self.roots, sweeps);
        if Instant::now() >= self.next_sweep {
            sweeps.request_all();
            self.next_sweep = Instant::now() + self.parts.config.sweep_interval;
        }
    }
}

impl WatchedRoot {
    fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            identity: None,
            is_away: false,
            watcher: None,
            news: Arc::default(),
            polled: false,
            next_poll: Instant::now(),
            next_attempt: None,
        }
    }

    fn check(&mut self, parts: &NoticeParts) {
        let news = std::mem::take(&mut *self.news.lock().unwrap_or_else(PoisonError::into_inner));
        let NoticeParts { config, board, .. } = parts;
        match parts.look_at_blocking(&self.path) {
            Err(state) => {
                if !std::mem::replace(&mut self.is_away, true) {
                    tracing::error!("inbox {}: {}", self.path.display(), described(&state));
                }
                self.identity = None;
                self.watcher = None;
                board.folder(&self.path, state);
            }
            Ok(identity) if self.identity != Some(identity) || news.is_lost => self.take_up(identity, parts),
            Ok(identity) => {
                if let Some(why) = news.is_partial.filter(|_| !self.polled) {
                    let state = FolderState::Polled(why);
                    tracing::warn!("inbox {}: {}", self.path.display(), described(&state));
                    self.polled = true;
                    self.next_attempt = Some(Instant::now() + config.sweep_interval);
                    board.folder(&self.path, state);
                } else if self.next_attempt.is_some_and(|at| Instant::now() >= at) {
                    self.take_up(identity, parts);
                }
                if self.polled && Instant::now() >= self.next_poll {
                    parts.sink.sweeps.request(&self.path);
                    self.next_poll = Instant::now() + config.poll_interval;
                }
            }
        }
    }

    /// Watches the folder as well as that can be done, and has it looked through.
    fn take_up(&mut self, identity: FolderId, parts: &NoticeParts) {
        let state = self.watch(&parts.sink, &parts.config);
        tracing::info!("inbox {}: {}", self.path.display(), described(&state));
        self.polled = matches!(state, FolderState::Polled(_));
        self.identity = Some(identity);
        self.is_away = false;
        parts.board.folder(&self.path, state);
        // After the watcher is in place, so that nothing falls between the two.
        parts.sink.sweeps.request(&self.path);
        self.next_poll = Instant::now() + parts.config.poll_interval;
    }

    /// Puts a watcher on the folder, or says why it is looked through at intervals instead.
    fn watch(&mut self, sink: &EventSink, config: &WatchConfig) -> FolderState {
        self.watcher = None;
        self.news = Arc::default();
        self.next_attempt = None;
        match config.mode {
            WatchMode::Poll => return FolderState::Polled("watch.mode = \"poll\"".into()),
            WatchMode::Auto => {
                if let Some(kind) = network_file_system(&self.path) {
                    return FolderState::Polled(format!("{kind} sends no file events"));
                }
            }
            WatchMode::Events => {}
        }
        let callback = RootEvents {
            root: self.path.clone(),
            sink: sink.clone(),
            news: Arc::clone(&self.news),
        };
        let watcher = RecommendedWatcher::new(move |event| callback.take(event), watcher_config()).and_then(
            |mut watcher| {
                watcher.watch(&self.path, RecursiveMode::Recursive)?;
                Ok(watcher)
            },
        );
        match watcher {
            Ok(watcher) => {
                self.watcher = Some(watcher);
                FolderState::Watched
            }
            Err(error) => {
                let why = not_to_be_had(&error);
                tracing::warn!("inbox {}: {why}", self.path.display());
                self.next_attempt = Some(Instant::now() + config.sweep_interval);
                FolderState::Polled(why)
            }
        }
    }
}

fn watcher_config() -> notify::Config {
    notify::Config::default().with_follow_symlinks(false)
}

/// Has what came or went since the last time looked through once more, now that new folders are watched.
fn sweep_again(roots: &mut [WatchedRoot], sweeps: &SweepRequests) {
    let later = sweeps.take_later();
    if later.is_empty() {
        return;
    }
    // A watcher announces a folder before it watches it, and answers this question, which changes nothing, only when
    // it is done with all that it has announced. One that cannot answer has ended, which the next check finds.
    for watcher in roots.iter_mut().filter_map(|root| root.watcher.as_mut()) {
        let _ = watcher.configure(watcher_config());
    }
    later.iter().for_each(|path| sweeps.request(path));
}

fn not_to_be_had(error: &notify::Error) -> String {
    let remedy = match error.kind {
        notify::ErrorKind::MaxFilesWatch => "; raise fs.inotify.max_user_watches",
        _ => "",
    };
    format!("file events cannot be had: {error}{remedy}")
}

fn described(state: &FolderState) -> String {
    match state {
        FolderState::Watched => "watched".into(),
        FolderState::Polled(why) => format!("looked through at intervals ({why})"),
        FolderState::Bare(why) | FolderState::Missing(why) => why.clone(),
    }
}

/// The kind of file system where changes made by other machines raise no events here.
#[cfg(target_os = "linux")]
fn network_file_system(path: &Path) -> Option<&'static str> {
    // Magic numbers of statfs(2).
    const KINDS: [(i64, &str); 8] = [
        (0x6969, "NFS"),
        (0xFF53_4D42, "CIFS"),
        (0xFE53_4D42, "SMB2"),
        (0x517B, "SMB"),
        (0x6573_5546, "FUSE"),
        (0x0102_1997, "9P"),
        (0x5346_414F, "AFS"),
        (0x00C3_6400, "Ceph"),
    ];
    let kind = rustix::fs::statfs(path).ok()?.f_type as i64 & 0xFFFF_FFFF;
    KINDS
        .iter()
        .find(|(magic, _)| *magic == kind)
        .map(|(_, name)| *name)
}

#[cfg(not(target_os = "linux"))]
fn network_file_system(_path: &Path) -> Option<&'static str> {
    None
}

#[cfg(test)]
mod tests;
