//! One watcher's callback: file events -> noticed files and requests for a sweep.
//!
//! In: what the operating system says of one inbox. Out: hints for the [settler](crate::tagging::settle), requests for the
//! sweep, and what the events say of the watch itself. Never: a wait for anybody (the kernel's queue would overflow
//! behind it).

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_channel::{Sender, TrySendError};
use notify::Event;

use super::meaning::{Meaning, meaning};
use super::not_to_be_had;
use crate::status::Station;
use crate::tagging::inbox::Inboxes;
use crate::tagging::settle::{Hint, NoticedFile};
use crate::tagging::sweep::SweepRequests;

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

/// The callback's own: the events of one inbox.
pub(super) struct RootEvents {
    pub(super) root: PathBuf,
    pub(super) sink: EventSink,
    pub(super) news: Arc<Mutex<WatchNews>>,
}

/// What the events say of the watch itself. Owner: the watcher's callback writes, the station takes; each watcher has
/// its own, so that the last words of an old one say nothing of the next.
#[derive(Debug, Default)]
pub(super) struct WatchNews {
    /// The watch cannot be relied on and has to be set anew. The folder was removed or renamed: it is silent for good, even if
    /// a folder with its name, and with its inode, is there again by the next look. Or events were lost: folders that came
    /// meanwhile are not watched, and those that were renamed are watched under their former names.
    pub(super) is_lost: bool,
    /// A new folder is not watched, and why: from now on events tell only a part.
    pub(super) is_partial: Option<String>,
}

impl RootEvents {
    /// Takes one event, or the news that events were lost.
    pub(super) fn take(&self, event: Result<Event, notify::Error>) {
        let sweeps = &self.sink.sweeps;
        match event {
            Ok(event) if event.need_rescan() => {
                tracing::warn!(
                    "the operating system dropped file events; looking through inbox {}",
                    self.root.display()
                );
                self.news().is_lost = true;
                sweeps.request(&self.root);
            }
            Ok(event) => self.files_of(&event),
            Err(error) => {
                tracing::warn!(
                    "file events: {error}; looking through inbox {}",
                    self.root.display()
                );
                match error.kind {
                    notify::ErrorKind::MaxFilesWatch => self.news().is_partial = Some(not_to_be_had(&error)),
                    _ => self.news().is_lost = true,
                }
                sweeps.request(&self.root);
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
                // Perhaps it may be looked into only now. A look that the kernel answers from memory: it has just been there.
                Meaning::Touched if is_real_folder(path) => self.sink.sweeps.request_now_and_later(path),
                Meaning::Touched => {}
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
            Err(TrySendError::Full(_)) => sink.sweeps.request(&self.root),
        }
    }

    fn news(&self) -> MutexGuard<'_, WatchNews> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a folder lies at `path`, and not a link to one.
pub(super) fn is_real_folder(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir())
}
