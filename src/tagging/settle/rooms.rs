//! A waiting room for each inbox: files of one that does not answer hold up no others.
//!
//! In: noticed files of all inboxes. Out: looks at those that are due, each made in a thread that may block. Never: two looks
//! at one inbox at once, so that one that does not answer holds one thread; a room filled by the files of another inbox.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use tokio::task::{JoinError, JoinSet};

use super::{MAX_PENDING, NoticedFile, Settler};
use crate::config::SettleConfig;
use crate::tagging::inbox::{Inboxes, Look};
use crate::tagging::sweep::SweepRequests;

/// Files of a room looked at in one go, so that a flood of due files does not hold up the queue of events.
const MAX_LOOKS: usize = 256;

/// The waiting rooms. Owner: the station.
#[derive(Debug)]
pub struct Rooms {
    inboxes: Arc<Inboxes>,
    /// One for each inbox, in their order; the last one is for files elsewhere, which come to be tagged anew.
    rooms: Vec<Room>,
    looking: JoinSet<Looked>,
}

#[derive(Debug)]
struct Room {
    settler: Settler,
    /// Whether a look at files of it has not ended.
    is_looked_at: bool,
}

/// What came of a look at due files of one room.
#[derive(Debug)]
pub(super) struct Looked {
    pub(super) room: usize,
    pub(super) looks: Vec<(PathBuf, Look)>,
    /// Whether those that are missing are so with their whole inbox.
    pub(super) is_inbox_away: bool,
}

impl Rooms {
    /// Empty ones, which share the room there is.
    pub fn new(config: SettleConfig, inboxes: Arc<Inboxes>) -> Self {
        let share = MAX_PENDING / inboxes.roots().len().max(1);
        Self::with_room_for(share, config, inboxes)
    }

    /// The same, each for at most so many files.
    pub(super) fn with_room_for(share: usize, config: SettleConfig, inboxes: Arc<Inboxes>) -> Self {
        let empty = |_| Room {
            settler: Settler::with_room_for(share, config),
            is_looked_at: false,
        };
        Self {
            rooms: (0..=inboxes.roots().len()).map(empty).collect(),
            inboxes,
            looking: JoinSet::new(),
        }
    }

    /// Takes a file in; one for which there is no room is left to a sweep.
    pub(super) fn notice(&mut self, now: Instant, noticed: NoticedFile, sweeps: &SweepRequests) {
        let room = self.room_of(&noticed.path);
        // Files elsewhere come from the store, which says as before that they are to be tagged anew.
        let root = self.inboxes.roots().get(room);
        if !self.rooms[room].settler.notice(now, noticed)
            && let Some(root) = root
        {
            sweeps.request(root);
        }
    }

    /// When the next look is to begin; a room that is looked at waits for the end of that.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let free = self.rooms.iter().filter(|room| !room.is_looked_at);
        free.filter_map(|room| room.settler.next_due()).min()
    }

    /// Begins to look at what is due.
    pub(super) fn begin_looks(&mut self, now: Instant) {
        for (index, room) in self.rooms.iter_mut().enumerate() {
            if room.is_looked_at {
                continue;
            }
            let paths = room.settler.take_due(now, MAX_LOOKS);
            if paths.is_empty() {
                continue;
            }
            room.is_looked_at = true;
            let inboxes = Arc::clone(&self.inboxes);
            self.looking.spawn_blocking(move || {
                let look = |path: PathBuf| {
                    let look = match inboxes.is_behind_link_blocking(&path) {
                        true => Look::Missing,
                        false => inboxes.look_blocking(&path),
                    };
                    (path, look)
                };
                let looks: Vec<_> = paths.into_iter().map(look).collect();
                let missing = looks.iter().find(|(_, look)| matches!(look, Look::Missing));
                Looked {
                    room: index,
                    is_inbox_away: missing
                        .is_some_and(|(path, _)| inboxes.has_gone_with_its_inbox_blocking(path)),
                    looks,
                }
            });
        }
    }

    /// The next look that ends; `None` while there is none. Nothing is lost where this is not waited for to its end.
    pub(super) async fn next_look(&mut self) -> Option<Result<Looked, JoinError>> {
        let looked = self.looking.join_next().await?;
        if let Ok(looked) = &looked {
            self.rooms[looked.room].is_looked_at = false;
        }
        Some(looked)
    }

    /// The waiting files of a room.
    pub(super) fn settler(&mut self, room: usize) -> &mut Settler {
        &mut self.rooms[room].settler
    }

    fn room_of(&self, path: &Path) -> usize {
        let roots = self.inboxes.roots();
        let own = roots.iter().position(|root| path.starts_with(root));
        own.unwrap_or(roots.len())
    }
}

#[cfg(test)]
mod tests {
    use globset::GlobSet;

    use super::*;
    use crate::tagging::settle::Hint;
    use crate::tagging::testing::{SETTLE, Shop};

    fn noticed(path: &Path) -> NoticedFile {
        NoticedFile {
            path: path.to_owned(),
            hint: Hint::Closed,
        }
    }

    /// A network file system that did not answer held the one look at all due files, and nothing was tagged anywhere.
    #[tokio::test]
    async fn files_of_an_inbox_that_does_not_answer_hold_up_no_others() {
        let shop = Shop::new();
        let silent = shop.path().join("silent");
        let inboxes = Inboxes::new(vec![silent.clone(), shop.inbox()], GlobSet::empty());
        let sweeps = SweepRequests::new(inboxes.roots().to_vec());
        let mut rooms = Rooms::new(SETTLE, Arc::new(inboxes));
        let (start, paths) = (
            Instant::now(),
            [silent.join("a.png"), shop.file("b.png", b"photo")],
        );
        let due = start + SETTLE.quiet;
        // As a look that has not ended leaves it.
        rooms.rooms[0].is_looked_at = true;
        for path in &paths {
            rooms.notice(start, noticed(path), &sweeps);
        }
        assert_eq!(rooms.next_due(), Some(due));
        rooms.begin_looks(due);
        assert_eq!(
            rooms.next_due(),
            None,
            "what is silent is not asked again and again"
        );
        let looked = rooms.next_look().await.unwrap().unwrap();
        assert!(matches!(&looked.looks[..], [(path, Look::File(_))] if *path == paths[1]));
        assert!(rooms.looking.is_empty());
        rooms.rooms[0].is_looked_at = false;
        assert_eq!(rooms.next_due(), Some(due), "as soon as it answers");
    }

    /// It would have been read, as a file of the inbox.
    #[tokio::test]
    async fn a_file_of_a_folder_that_is_a_link_by_now_is_missing() {
        let shop = Shop::new();
        let outside = shop.path().join("outside");
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("a.png"), b"private").unwrap();
        std::os::unix::fs::symlink(&outside, shop.inbox().join("new")).unwrap();
        let inboxes = shop.inboxes();
        let sweeps = SweepRequests::new(inboxes.roots().to_vec());
        let mut rooms = Rooms::new(SETTLE, Arc::new(inboxes));
        let start = Instant::now();
        rooms.notice(start, noticed(&shop.inbox().join("new/a.png")), &sweeps);
        rooms.begin_looks(start + SETTLE.quiet);
        let looked = rooms.next_look().await.unwrap().unwrap();
        assert!(
            matches!(&looked.looks[..], [(_, Look::Missing)]),
            "{:?}",
            looked.looks
        );
        assert!(!looked.is_inbox_away);
    }

    /// Files of an inbox that did not answer would have filled the room of all, and those of others been left to sweeps.
    #[test]
    fn a_full_room_is_that_of_one_inbox() {
        let inboxes = Inboxes::new(vec!["/full".into(), "/other".into()], GlobSet::empty());
        let sweeps = SweepRequests::new(inboxes.roots().to_vec());
        let mut rooms = Rooms::with_room_for(1, SETTLE, Arc::new(inboxes));
        for path in ["/full/1", "/full/2", "/other/3", "/elsewhere/4"] {
            rooms.notice(Instant::now(), noticed(Path::new(path)), &sweeps);
        }
        assert!(rooms.rooms.iter().all(|room| room.settler.len() == 1));
        assert_eq!(sweeps.take(), ["/full".into()].into());
    }
}
