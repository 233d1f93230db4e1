//! The sweep as a station: looks through folders whenever somebody asks for it.
//!
//! In: requests. Out: what the [sweep](crate::tagging::sweep) finds, handed to the settler, the readers or the record.
//! Never: two sweeps at once.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use async_channel::Sender;
use tokio::sync::watch;

use crate::status::StatusBoard;
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
        let (station, board) = (station.clone(), board.clone());
        let work = tokio::task::spawn_blocking(move || {
            for folder in folders {
                working.sweep_blocking(&folder, &board);
                station.did(|| format!("looked through {}", folder.display()));
            }
            working
        });
        sweeper = work.await.ok();
    }
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
