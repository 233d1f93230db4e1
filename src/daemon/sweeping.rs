//! The sweep as a station: looks through folders whenever somebody asks for it.
//!
//! In: requests. Out: what the [sweep](crate::tagging::sweep) finds, handed to the settler, the readers or the record.
//! Never: an inbox that waits for the sweep of another, or has two threads; a folder that has come waiting for the end of a
//! sweep of everything, or of another folder, which takes as long as all photos of it take to be tagged.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use async_channel::Sender;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::status::{Station, StatusBoard};
use crate::store::Reader;
use crate::tagging::inbox::Inboxes;
use crate::tagging::record::Recordable;
use crate::tagging::settle::{NoticedFile, SettledFile};
use crate::tagging::sweep::{Counted, Found, InboxRequests, NoMore, Sweep};

/// Folders of one inbox that are looked through within each other; more wait for the end of the last one. Each holds up to
/// ten folders open, of the 1,024 files that a process may have.
const MOST_UNDER_WAY: usize = 16;

/// Who sweeps one inbox, and what that needs of the line.
pub(super) struct Sweeper {
    pub asked: Arc<InboxRequests>,
    pub inboxes: Arc<Inboxes>,
    pub reader: Reader,
    pub quiet: Duration,
    pub stop: Arc<AtomicBool>,
    pub settled_tx: Sender<SettledFile>,
    pub noticed_tx: Sender<NoticedFile>,
    pub recordable_tx: Sender<Recordable>,
    pub board: StatusBoard,
    pub station: Station,
}

/// Runs until `stop`; a sweep that is under way hears it by the sweeper's own flag.
pub(super) async fn sweep(sweepers: Vec<Sweeper>, stop: watch::Receiver<bool>) {
    let mut sweeping = JoinSet::new();
    for sweeper in sweepers {
        sweeping.spawn(sweep_inbox(sweeper, stop.clone()));
    }
    // It was told to stop, as all are; or a sweep panicked, which the supervisor takes from this end.
    let _ = sweeping.join_next().await;
}

/// Sweeps one inbox, in a task of its own: one that does not answer holds up no other.
async fn sweep_inbox(sweeper: Sweeper, mut stop: watch::Receiver<bool>) {
    let mut sweeper = Some(sweeper);
    // Absent after a sweep that panicked.
    while let Some(working) = sweeper.take() {
        let folder = tokio::select! {
            _ = stop.wait_for(|stopped| *stopped) => return,
            folder = working.asked.next() => folder,
        };
        let work = tokio::task::spawn_blocking(move || {
            working.sweep_blocking(&folder, &mut Vec::new());
            working
        });
        sweeper = work.await.ok();
    }
}

impl Sweeper {
    /// Looks through one folder, and between two finds through another one that is asked for meanwhile: what came last goes
    /// first, and what is `under_way` goes on after it.
    fn sweep_blocking(&self, folder: &Path, under_way: &mut Vec<PathBuf>) {
        let sweep = Sweep {
            inboxes: &self.inboxes,
            reader: &self.reader,
            counted: Counted::AnyAnswer,
            quiet: self.quiet,
            stop: &self.stop,
        };
        under_way.push(folder.to_owned());
        let swept = sweep.run_blocking(folder, &mut |found| {
            // First: what was seen of the file would be old when the other folder is done.
            self.hand_on_blocking(found)?;
            if under_way.len() < MOST_UNDER_WAY
                && let Some(asked) = self.asked.take_beside(under_way)
            {
                self.sweep_blocking(&asked, under_way);
            }
            Ok(())
        });
        under_way.pop();
        self.station
            .did(|| format!("looked through {}", folder.display()));
        match swept {
            Ok(_) => self.board.solved("sweep"),
            Err(error) => {
                tracing::error!("sweep of {}: {error}", folder.display());
                self.board.problem("sweep", error.to_string());
            }
        }
    }

    fn hand_on_blocking(&self, found: Found) -> Result<(), NoMore> {
        match found {
            Found::Unchanged => Ok(()),
            Found::AtRest(file) => self.settled_tx.send_blocking(file).map_err(|_| NoMore),
            Found::Restless(noticed) => self.noticed_tx.send_blocking(noticed).map_err(|_| NoMore),
            Found::Change(change) => self
                .recordable_tx
                .send_blocking(Recordable::change(change))
                .map_err(|_| NoMore),
        }
    }
}

#[cfg(test)]
mod tests {
    use async_channel::{Receiver, bounded, unbounded};
    use globset::GlobSet;

    use super::*;
    use crate::tagging::sweep::SweepRequests;
    use crate::tagging::testing::Shop;

    /// The sweepers of these inboxes, and what they hand on.
    struct Swept {
        requests: SweepRequests,
        sweepers: Vec<Sweeper>,
        settled_rx: Receiver<SettledFile>,
        recordable_rx: Receiver<Recordable>,
    }

    fn swept(shop: &Shop, roots: Vec<PathBuf>) -> Swept {
        let requests = SweepRequests::new(roots.clone());
        let inboxes = Arc::new(Inboxes::new(roots, GlobSet::empty()));
        let (settled_tx, settled_rx) = unbounded();
        let (recordable_tx, recordable_rx) = bounded(1);
        let board = StatusBoard::default();
        let sweeper = |asked: &Arc<InboxRequests>| Sweeper {
            asked: Arc::clone(asked),
            inboxes: Arc::clone(&inboxes),
            reader: shop.reader(),
            quiet: Duration::ZERO,
            stop: Arc::default(),
            settled_tx: settled_tx.clone(),
            noticed_tx: unbounded().0,
            recordable_tx: recordable_tx.clone(),
            board: board.clone(),
            station: board.station("sweep"),
        };
        Swept {
            sweepers: requests.inboxes().iter().map(sweeper).collect(),
            requests,
            settled_rx,
            recordable_rx,
        }
    }

    /// A shop with a photo in each of these folders.
    fn shop_with(folders: &[&str]) -> Shop {
        let shop = Shop::new();
        for folder in folders {
            std::fs::create_dir(shop.inbox().join(folder)).unwrap();
            shop.file(&format!("{folder}/photo.png"), folder.as_bytes());
        }
        shop
    }

    fn folders_of(settled_rx: &Receiver<SettledFile>) -> Vec<String> {
        let folder = |file: SettledFile| {
            let folder = file.path.parent().and_then(Path::file_name);
            folder.unwrap().to_str().unwrap().to_owned()
        };
        std::iter::from_fn(|| settled_rx.try_recv().ok())
            .map(folder)
            .collect()
    }

    /// Somebody moves a folder in while thousands of photos are still to be found.
    #[test]
    fn a_folder_that_comes_does_not_wait_for_all_others() {
        let shop = shop_with(&["new", "old"]);
        let swept = swept(&shop, vec![shop.inbox()]);
        // Everything is asked for once more already: the channel was full, say.
        swept.requests.request(&shop.inbox());
        swept.requests.request(&shop.inbox().join("new"));
        swept.sweepers[0].sweep_blocking(&shop.inbox(), &mut Vec::new());
        let found = folders_of(&swept.settled_rx);
        assert_eq!(found[1], "new", "after the find that was in hand: {found:?}");
        assert_eq!(found.len(), 3, "the sweep of everything meets it as well");
        assert_eq!(swept.requests.take(), [shop.inbox()].into());
    }

    /// Of two folders that came together, the second was tagged when all 6,000 photos of the first were.
    #[test]
    fn folders_that_come_do_not_wait_for_each_other() {
        let shop = shop_with(&["large", "next", "other"]);
        let swept = swept(&shop, vec![shop.inbox()]);
        let folder = |name: &str| shop.inbox().join(name);
        for name in ["large", "next", "other"] {
            swept.requests.request(&folder(name));
        }
        swept.sweepers[0].sweep_blocking(&folder("large"), &mut Vec::new());
        assert_eq!(folders_of(&swept.settled_rx), ["large", "other", "next"]);
        let again = [folder("large")].into();
        assert_eq!(
            swept.requests.take(),
            again,
            "what is under way is not begun twice"
        );
    }

    /// Each that is under way holds folders open, and a part of the stack.
    #[test]
    fn of_many_folders_that_come_some_wait() {
        let names: Vec<_> = (10..10 + 2 * MOST_UNDER_WAY)
            .map(|name| name.to_string())
            .collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let shop = shop_with(&names);
        let swept = swept(&shop, vec![shop.inbox()]);
        for name in &names[1..] {
            swept.requests.request(&shop.inbox().join(name));
        }
        swept.sweepers[0].sweep_blocking(&shop.inbox().join(names[0]), &mut Vec::new());
        let found = folders_of(&swept.settled_rx);
        assert_eq!(found.len(), MOST_UNDER_WAY);
        assert_eq!(found[0], names[0], "a find does not wait for the others");
        assert_eq!(swept.requests.take().len(), names.len() - MOST_UNDER_WAY);
    }

    /// While thousands of photos of one inbox waited to be read, or one inbox did not answer, no other was looked through.
    #[tokio::test]
    async fn an_inbox_does_not_wait_for_the_sweep_of_another() {
        let shop = shop_with(&["new"]);
        let other = shop.path().join("other");
        std::fs::create_dir(&other).unwrap();
        for link in ["a.png", "b.png"] {
            std::os::unix::fs::symlink(shop.path(), other.join(link)).unwrap();
        }
        let swept = swept(&shop, vec![other.clone(), shop.inbox()]);
        let (stop_tx, stop_rx) = watch::channel(false);
        let sweeping = tokio::spawn(sweep(swept.sweepers, stop_rx));
        swept.requests.request(&other);
        while !swept.recordable_rx.is_full() {
            tokio::task::yield_now().await;
        }
        // For its second rejection there is no room, so that this sweep goes no further.
        swept.requests.request(&shop.inbox());
        let found = tokio::time::timeout(Duration::from_secs(60), swept.settled_rx.recv()).await;
        assert_eq!(found.unwrap().unwrap().path, shop.inbox().join("new/photo.png"));
        drop(swept.recordable_rx);
        stop_tx.send(true).unwrap();
        sweeping.await.unwrap();
    }
}
