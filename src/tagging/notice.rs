//! Folder events -> noticed files.
//!
//! In: the inboxes and what the operating system says of them. Out: `NoticedFile`s, and requests for a sweep
//! wherever an event may be missing. Never: a decision that rests on an event alone, and never a callback that
//! blocks (the kernel's queue would overflow behind it).

mod events;
mod meaning;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::watch;
use tokio::task::JoinSet;
use walkdir::WalkDir;

pub use events::EventSink;

use events::{RootEvents, WatchNews, is_real_folder};

use super::inbox::{FolderId, Inboxes, RootLook, says_gone};
use super::sweep::{SweepRequests, missed_in_bare_inbox};
use crate::config::{WatchConfig, WatchMode};
use crate::domain::Timestamp;
use crate::status::{FolderState, StatusBoard};
use crate::store::Reader;

/// How often an inbox is checked for being still the folder that is watched, and for lying there bare; a look at its
/// first entry.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// An inbox that has not answered for so long counts as away: far longer than a busy disk takes, and soon enough for those
/// who wait for their photos.
pub const PATIENCE: Duration = Duration::from_secs(10);

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
    /// A folder in it that could not be watched when it came; the first one of that watcher.
    closed: Option<PathBuf>,
    polled: bool,
    next_poll: Instant,
    /// When it is held against the store, should an event have been lost.
    next_sweep: Instant,
    /// When a watch that could not be had is tried for again: the limit may have been raised.
    next_attempt: Option<Instant>,
}

/// What the station works with.
pub struct NoticeParts {
    /// Where events go.
    pub sink: EventSink,
    /// How the inboxes are watched.
    pub config: WatchConfig,
    /// To ask whether files are missed in an inbox that lies there bare; one at a time.
    pub reader: Mutex<Reader>,
    /// Where the state of the inboxes is shown.
    pub board: StatusBoard,
}

impl NoticeParts {
    /// Which folder the inbox is, or how it counts as away.
    fn look_at_blocking(&self, root: &Path) -> Result<FolderId, FolderState> {
        match self.sink.inboxes.look_at_root_blocking(root) {
            RootLook::There(folder) => Ok(folder),
            RootLook::Missing(why) => Err(FolderState::Missing(why)),
            RootLook::Bare(folder) => {
                let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
                match missed_in_bare_inbox(root, &reader) {
                    Ok(None) => Ok(folder),
                    Ok(Some(why)) => Err(FolderState::Bare(format!(
                        "{why} As soon as anything lies in it, files that are missing count as gone"
                    ))),
                    Err(error) => Err(FolderState::Bare(format!(
                        "is empty, and whether files were there is not to be had: {error}"
                    ))),
                }
            }
        }
    }
}

/// Watches the inboxes until `stop`; a folder that goes is reported and watched again when it returns.
pub async fn notice(parts: NoticeParts, mut stop: watch::Receiver<bool>) {
    let parts = Arc::new(parts);
    let mut watching = JoinSet::new();
    for root in parts.sink.inboxes.roots() {
        let root = WatchedRoot::new(root, &parts.config);
        watching.spawn(watch_over(root, Arc::clone(&parts)));
    }
    tokio::select! {
        _ = stop.wait_for(|stopped| *stopped) => {}
        // It panicked, which the supervisor takes from this end, or the runtime is shutting down.
        Some(_) = watching.join_next() => {}
    }
}

/// Watches one inbox, in a task of its own: one that does not answer holds up no other.
async fn watch_over(mut root: WatchedRoot, parts: Arc<NoticeParts>) {
    let pause = CHECK_INTERVAL.min(parts.config.poll_interval);
    loop {
        // In threads that may block: a network file system may not answer, and a tree of folders is walked.
        let (asked, path) = (Arc::clone(&parts), root.path.clone());
        let looking = tokio::task::spawn_blocking(move || asked.look_at_blocking(&path));
        let Ok(look) = root.wait_for_look(looking, PATIENCE, &parts.board).await else {
            return;
        };
        let asked = Arc::clone(&parts);
        let checking = tokio::task::spawn_blocking(move || {
            root.check(look, &asked);
            root.sweep_again(&asked.sink);
            root
        });
        match checking.await {
            Ok(checked) => root = checked,
            Err(_) => return,
        }
        tokio::time::sleep(pause).await;
    }
}

impl WatchedRoot {
    fn new(path: &Path, config: &WatchConfig) -> Self {
        Self {
            path: path.to_owned(),
            identity: None,
            is_away: false,
            watcher: None,
            news: Arc::default(),
            closed: None,
            polled: false,
            next_poll: Instant::now(),
            next_sweep: Instant::now() + config.sweep_interval,
            next_attempt: None,
        }
    }

    /// Waits for a look at the inbox to end; that it takes longer than `patience` is said, and the inbox taken up anew then.
    async fn wait_for_look<T>(
        &mut self,
        look: impl Future<Output = T>,
        patience: Duration,
        board: &StatusBoard,
    ) -> T {
        let since: Timestamp = SystemTime::now().into();
        tokio::pin!(look);
        match tokio::time::timeout(patience, &mut look).await {
            Ok(looked) => looked,
            Err(_elapsed) => {
                self.goes_away(
                    FolderState::Missing(format!("does not answer since {since}")),
                    board,
                );
                look.await
            }
        }
    }

    fn goes_away(&mut self, state: FolderState, board: &StatusBoard) {
        if !std::mem::replace(&mut self.is_away, true) {
            tracing::error!("inbox {}: {}", self.path.display(), described(&state));
        }
        self.identity = None;
        self.watcher = None;
        board.folder(&self.path, state);
    }

    /// Acts on what a look at the inbox said.
    fn check(&mut self, look: Result<FolderId, FolderState>, parts: &NoticeParts) {
        let news = std::mem::take(&mut *self.news.lock().unwrap_or_else(PoisonError::into_inner));
        let NoticeParts { config, board, .. } = parts;
        match look {
            Err(state) => self.goes_away(state, board),
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
                if Instant::now() >= self.next_sweep {
                    parts.sink.sweeps.request(&self.path);
                    self.next_sweep = Instant::now() + config.sweep_interval;
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
        self.closed = None;
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
        // The watcher would pass over the link, and with it all that lies directly in the inbox.
        if self.path.is_symlink() {
            return FolderState::Polled("a link has taken its place, until the next start".into());
        }
        let callback = RootEvents {
            root: self.path.clone(),
            sink: sink.clone(),
            news: Arc::clone(&self.news),
        };
        let watcher = RecommendedWatcher::new(move |event| callback.take(event), watcher_config()).and_then(
            |mut watcher| {
                watch_all(&mut watcher, &self.path, &sink.inboxes)?;
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

    /// Has what came or went since the last time looked through once more, now that new folders are watched.
    fn sweep_again(&mut self, EventSink { inboxes, sweeps, .. }: &EventSink) {
        let later = sweeps.take_later(&self.path);
        if later.is_empty() {
            return;
        }
        // A watcher announces a folder before it watches it, and answers this question, which changes nothing, only when
        // it is done with all that it has announced. One that cannot answer has ended, which the next check finds.
        let watcher = self.watcher.as_mut();
        let answers = watcher.is_some_and(|watcher| watcher.configure(watcher_config()).is_ok());
        for path in &later {
            if answers {
                self.watch_too(path, inboxes, sweeps);
            }
            sweeps.request(path);
        }
    }

    /// Watches what came once more: the watcher says nothing of a folder that it could not look into when it came, nor of
    /// those that it left out after it.
    fn watch_too(&mut self, path: &Path, inboxes: &Inboxes, sweeps: &SweepRequests) {
        let is_folder = path == self.path || is_real_folder(path);
        let watched = match self.watcher.as_mut().filter(|_| is_folder) {
            Some(watcher) => watch_all(watcher, path, inboxes),
            None => Ok(()),
        };
        match watched {
            // It is open now, or has gone.
            Ok(()) if self.closed.as_deref() == Some(path) => self.next_attempt = Some(Instant::now()),
            Ok(()) => {}
            // Of the folders within it, one went meanwhile: those after it are left out.
            Err(error) if is_of_nothing(&error) => sweeps.request_now_and_later(path),
            Err(error) => {
                let closed = error.paths.first().cloned();
                self.closed = self.closed.take().or(closed);
                let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
                news.is_partial = Some(not_to_be_had(&error));
            }
        }
    }
}

/// Watches a folder and all that is below it.
fn watch_all(watcher: &mut impl Watcher, folder: &Path, inboxes: &Inboxes) -> notify::Result<()> {
    let is_passed_over = |path: &Path| inboxes.passed_over(path).is_some();
    match watcher.watch(folder, RecursiveMode::Recursive) {
        // It ends at the first folder that may not be looked into, and that is one that nobody looks into.
        Err(error) if error.paths.iter().any(|path| is_passed_over(path)) => {}
        watched => return watched,
    }
    // One by one, then. The watcher does not watch what comes in these by itself: that waits for the second sweep.
    let entries = WalkDir::new(folder).into_iter();
    let folders = entries.filter_entry(|entry| entry.file_type().is_dir() && !is_passed_over(entry.path()));
    // What cannot be listed is refused by the watch before that.
    for entry in folders.filter_map(Result::ok) {
        match watcher.watch(entry.path(), RecursiveMode::NonRecursive) {
            Err(error) if is_of_nothing(&error) => {} // Gone meanwhile.
            watched => watched?,
        }
    }
    Ok(())
}

fn watcher_config() -> notify::Config {
    notify::Config::default().with_follow_symlinks(false)
}

fn is_of_nothing(error: &notify::Error) -> bool {
    match &error.kind {
        notify::ErrorKind::PathNotFound => true,
        notify::ErrorKind::Io(error) => says_gone(error),
        _ => false,
    }
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
