//! Folder events -> noticed files.
//!
//! In: the inboxes and what the operating system says of them. Out: [`NoticedFile`]s, and requests for a sweep
//! wherever an event may be missing. Never: a decision that rests on an event alone, and never a callback that
//! blocks (the kernel's queue would overflow behind it).

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_channel::{Sender, TrySendError};
use notify::event::{AccessKind, AccessMode, CreateKind, EventKind, ModifyKind, RemoveKind, RenameMode};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::watch;

use super::inbox::Inboxes;
use super::settle::{Hint, NoticedFile};
use super::sweep::SweepRequests;
use crate::config::{WatchConfig, WatchMode};
use crate::status::{FolderState, Station, StatusBoard};

/// How often an inbox is checked for being still the folder that is watched; a stat each.
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

impl EventSink {
    /// Takes one event, or the news that events were lost.
    fn take(&self, event: Result<Event, notify::Error>) {
        match event {
            Ok(event) if event.need_rescan() => {
                tracing::warn!("the operating system dropped file events; looking through the inboxes");
                self.sweeps.request_all();
            }
            Ok(event) => self.files_of(&event),
            Err(error) => {
                tracing::warn!("file events: {error}; looking through the inboxes");
                self.sweeps.request_all();
            }
        }
    }

    fn files_of(&self, event: &Event) {
        match meaning(&event.kind) {
            Meaning::Nothing => {}
            Meaning::Folder => event.paths.iter().for_each(|path| self.sweeps.request(path)),
            Meaning::Gone => event.paths.iter().for_each(|path| {
                self.notice(path, Hint::MovedAway);
                self.sweeps.request(path);
            }),
            Meaning::File(hint) => event.paths.iter().for_each(|path| self.notice(path, hint)),
            // The pair of a rename: its two halves come as events of their own, too.
            Meaning::Renamed => {}
        }
    }

    fn notice(&self, path: &Path, hint: Hint) {
        if self.inboxes.root_of(path).is_none() || self.inboxes.ignored_name(path).is_some() {
            return;
        }
        self.station.did(|| format!("noticed {}", path.display()));
        match self.noticed_tx.try_send(NoticedFile {
            path: path.to_owned(),
            hint,
        }) {
            Ok(()) | Err(TrySendError::Closed(_)) => {}
            Err(TrySendError::Full(_)) => self.sweeps.request_all(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Nothing,
    /// A folder came: its files have no events of their own.
    Folder,
    /// A file or folder left this name.
    Gone,
    Renamed,
    File(Hint),
}

fn meaning(kind: &EventKind) -> Meaning {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Meaning::File(Hint::Closed),
        EventKind::Access(_) => Meaning::Nothing,
        EventKind::Create(CreateKind::Folder) => Meaning::Folder,
        EventKind::Create(_) => Meaning::File(Hint::Unclosed),
        // A folder moved in has the same event as a file: the look at it tells.
        EventKind::Modify(ModifyKind::Name(RenameMode::To)) => Meaning::File(Hint::Closed),
        EventKind::Modify(ModifyKind::Name(RenameMode::From)) => Meaning::Gone,
        EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => Meaning::Renamed,
        EventKind::Modify(ModifyKind::Metadata(_)) => Meaning::Nothing,
        EventKind::Modify(_) => Meaning::File(Hint::Unclosed),
        EventKind::Remove(RemoveKind::Folder | RemoveKind::File | RemoveKind::Any | RemoveKind::Other) => {
            Meaning::Gone
        }
        EventKind::Any | EventKind::Other => Meaning::File(Hint::Unclosed),
    }
}

/// One inbox and the watcher on it.
struct WatchedRoot {
    path: PathBuf,
    /// Device and inode of the folder when it was last seen; `None` while it is not there.
    identity: Option<(u64, u64)>,
    /// Dropped when the folder goes: it would be silent for good.
    watcher: Option<RecommendedWatcher>,
    polled: bool,
    next_poll: Instant,
}

/// Watches the inboxes until `stop`; a folder that goes is reported and watched again when it returns.
pub async fn notice(
    sink: EventSink,
    config: WatchConfig,
    board: StatusBoard,
    mut stop: watch::Receiver<bool>,
) {
    let mut roots: Vec<_> = sink
        .inboxes
        .roots()
        .iter()
        .map(|root| WatchedRoot::new(root))
        .collect();
    let mut next_sweep = Instant::now() + config.sweep_interval;
    loop {
        for root in &mut roots {
            root.check(&sink, &config, &board);
        }
        if Instant::now() >= next_sweep {
            sink.sweeps.request_all();
            next_sweep = Instant::now() + config.sweep_interval;
        }
        let pause = CHECK_INTERVAL.min(config.poll_interval);
        tokio::select! {
            _ = stop.wait_for(|stopped| *stopped) => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

impl WatchedRoot {
    fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            identity: None,
            watcher: None,
            polled: false,
            next_poll: Instant::now(),
        }
    }

    fn check(&mut self, sink: &EventSink, config: &WatchConfig, board: &StatusBoard) {
        match identity(&self.path) {
            Err(why) => {
                if self.identity.take().is_some() || self.watcher.take().is_some() {
                    tracing::error!(
                        "inbox {}: {why}; it is watched again when it returns",
                        self.path.display()
                    );
                }
                self.watcher = None;
                board.folder(&self.path, FolderState::Missing(why));
            }
            Ok(identity) if self.identity != Some(identity) => {
                let state = self.watch(sink, config.mode);
                tracing::info!("inbox {}: {}", self.path.display(), described(&state));
                self.polled = matches!(state, FolderState::Polled(_));
                self.identity = Some(identity);
                board.folder(&self.path, state);
                // After the watcher is in place, so that nothing falls between the two.
                sink.sweeps.request(&self.path);
                self.next_poll = Instant::now() + config.poll_interval;
            }
            Ok(_) if self.polled && Instant::now() >= self.next_poll => {
                sink.sweeps.request(&self.path);
                self.next_poll = Instant::now() + config.poll_interval;
            }
            Ok(_) => {}
        }
    }

    /// Puts a watcher on the folder, or says why it is looked through at intervals instead.
    fn watch(&mut self, sink: &EventSink, mode: WatchMode) -> FolderState {
        self.watcher = None;
        match mode {
            WatchMode::Poll => return FolderState::Polled("watch.mode = \"poll\"".into()),
            WatchMode::Auto => {
                if let Some(kind) = network_file_system(&self.path) {
                    return FolderState::Polled(format!("{kind} sends no file events"));
                }
            }
            WatchMode::Events => {}
        }
        let callback = sink.clone();
        let config = notify::Config::default().with_follow_symlinks(false);
        let watcher =
            RecommendedWatcher::new(move |event| callback.take(event), config).and_then(|mut watcher| {
                watcher.watch(&self.path, RecursiveMode::Recursive)?;
                Ok(watcher)
            });
        match watcher {
            Ok(watcher) => {
                self.watcher = Some(watcher);
                FolderState::Watched
            }
            Err(error) => {
                let why = format!("file events cannot be had: {error}{}", remedy(&error));
                tracing::warn!("inbox {}: {why}", self.path.display());
                FolderState::Polled(why)
            }
        }
    }
}

fn remedy(error: &notify::Error) -> &'static str {
    match error.kind {
        notify::ErrorKind::MaxFilesWatch => "; raise fs.inotify.max_user_watches",
        _ => "",
    }
}

fn described(state: &FolderState) -> String {
    match state {
        FolderState::Watched => "watched".into(),
        FolderState::Polled(why) => format!("looked through at intervals ({why})"),
        FolderState::Missing(why) => why.clone(),
    }
}

fn identity(path: &Path) -> Result<(u64, u64), String> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Ok((metadata.dev(), metadata.ino())),
        Ok(_) => Err("is no folder any more".into()),
        Err(error) => Err(format!("cannot be looked into: {error}")),
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
mod tests {
    use notify::event::{DataChange, MetadataKind};

    use super::*;

    #[test]
    fn events_mean_what_the_kernel_sends_them_for() {
        for (kind, expected) in [
            (
                EventKind::Access(AccessKind::Close(AccessMode::Write)),
                Meaning::File(Hint::Closed),
            ),
            (
                EventKind::Access(AccessKind::Close(AccessMode::Read)),
                Meaning::Nothing,
            ),
            (
                EventKind::Access(AccessKind::Open(AccessMode::Any)),
                Meaning::Nothing,
            ),
            (EventKind::Create(CreateKind::File), Meaning::File(Hint::Unclosed)),
            (EventKind::Create(CreateKind::Folder), Meaning::Folder),
            (
                EventKind::Modify(ModifyKind::Data(DataChange::Any)),
                Meaning::File(Hint::Unclosed),
            ),
            (
                EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any)),
                Meaning::Nothing,
            ),
            (
                EventKind::Modify(ModifyKind::Name(RenameMode::To)),
                Meaning::File(Hint::Closed),
            ),
            (
                EventKind::Modify(ModifyKind::Name(RenameMode::From)),
                Meaning::Gone,
            ),
            (EventKind::Remove(RemoveKind::File), Meaning::Gone),
        ] {
            assert_eq!(meaning(&kind), expected, "{kind:?}");
        }
    }
}
