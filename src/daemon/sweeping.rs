//! The sweep as a station: looks through folders whenever somebody asks for it.
//!
//! In: requests. Out: what the [sweep](crate::tagging::sweep) finds, handed to the settler, the readers or the record.
//! Never: two sweeps at once; a folder that has come waiting for the end of a sweep of everything, which takes as long as
//! all photos take to be tagged.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use async_channel::Sender;
use tokio::sync::watch;

use crate::status::{Station, StatusBoard};
use crate::store::Reader;
use crate::tagging::inbox::Inboxes;
use crate::tagging::record::Recordable;
use crate::tagging::settle::{NoticedFile, SettledFile};
use crate::tagging::sweep::{Counted, Found, NoMore, Sweep, SweepRequests};

/// What the sweep needs of the line.
pub(super) struct Sweeper {
    pub inboxes: Arc<Inboxes>,
    pub reader: Reader,
    pub quiet: Duration,
    pub stop: Arc<AtomicBool>,
    pub settled_tx: Sender<SettledFile>,
    pub noticed_tx: Sender<NoticedFile>,
    pub recordable_tx: Sender<Recordable>,
}

/// Runs until `stop`; a sweep that is under way hears it by the sweeper's own flag.
pub(super) async fn sweep(
    sweeper: Sweeper,
    requests: SweepRequests,
    board: StatusBoard,
    mut stop: watch::Receiver<bool>,
) {
    let station = board.station("sweep");
    let mut sweeper = Some(sweeper);
    // Absent after a sweep that panicked: then the station ends, which ends the service.
    while let Some(working) = sweeper.take() {
        let folders = tokio::select! {
            _ = stop.wait_for(|stopped| *stopped) => return,
            folders = requests.next() => folders,
        };
        let (station, board, requests) = (station.clone(), board.clone(), requests.clone());
        let work = tokio::task::spawn_blocking(move || {
            // What lies within another one comes after it in order, and shall not wait for it.
            for folder in folders.into_iter().rev() {
                working.sweep_blocking(&folder, Some(&requests), (&station, &board));
            }
            working
        });
        sweeper = work.await.ok();
    }
}

impl Sweeper {
    /// Looks through one folder, and between two finds through those below it that are asked for meanwhile.
    fn sweep_blocking(
        &self,
        folder: &Path,
        requests: Option<&SweepRequests>,
        (station, board): (&Station, &StatusBoard),
    ) {
        let sweep = Sweep {
            inboxes: &self.inboxes,
            reader: &self.reader,
            counted: Counted::AnyAnswer,
            quiet: self.quiet,
            stop: &self.stop,
        };
        let swept = sweep.run_blocking(folder, &mut |found| {
            let below = requests.map(|requests| requests.take_below(folder));
            for asked in below.into_iter().flatten() {
                self.sweep_blocking(&asked, None, (station, board));
            }
            self.hand_on_blocking(found)
        });
        station.did(|| format!("looked through {}", folder.display()));
        match swept {
            Ok(_) => board.solved("sweep"),
            Err(error) => {
                tracing::error!("sweep of {}: {error}", folder.display());
                board.problem("sweep", error.to_string());
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
    use async_channel::unbounded;

    use super::*;
    use crate::tagging::testing::Shop;

    /// Somebody moves a folder in while thousands of photos are still to be found.
    #[test]
    fn a_folder_that_comes_does_not_wait_for_all_others() {
        let shop = Shop::new();
        for folder in ["old", "new"] {
            std::fs::create_dir(shop.inbox().join(folder)).unwrap();
        }
        for name in ["old/1.png", "old/2.png", "new/3.png"] {
            shop.file(name, b"photo");
        }
        let (settled_tx, settled_rx) = unbounded();
        let sweeper = Sweeper {
            inboxes: Arc::new(shop.inboxes()),
            reader: shop.reader(),
            quiet: Duration::ZERO,
            stop: Arc::default(),
            settled_tx,
            noticed_tx: unbounded().0,
            recordable_tx: unbounded().0,
        };
        let requests = SweepRequests::new(vec![shop.inbox()]);
        let new = shop.inbox().join("new");
        // Everything is asked for once more already: the channel was full, say.
        requests.request_all();
        requests.request(&new);
        let board = StatusBoard::default();
        let station = board.station("sweep");
        sweeper.sweep_blocking(&shop.inbox(), Some(&requests), (&station, &board));
        let first = settled_rx.try_recv().unwrap();
        assert_eq!(first.path, new.join("3.png"));
        assert_eq!(settled_rx.len(), 3, "the sweep of everything meets it as well");
        assert_eq!(requests.take(), [shop.inbox()].into());
    }
}
