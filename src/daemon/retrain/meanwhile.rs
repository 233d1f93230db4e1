//! What is put in order between runs, and while one is under way.
//!
//! In: what the store says is left, the epochs of a run. Out: stored answers that follow changed thresholds, in short
//! transactions; trainings that were killed closed; epochs on record. Never: inference. The command that sets thresholds
//! lets answers follow by itself; here is finished what it was kept from, what came with a model's manifest, and what was carried
//! over to a model that went into service.

use std::sync::atomic::Ordering;
use std::time::Instant;

use super::{LOOK_FOR_DEAD, Retrainer, TROUBLE_PAUSE, row_of};
use crate::store::{PAUSE_FOR_OTHERS, RunId, StoreError};
use crate::training::report::EpochFigures;

/// Contents a transaction: tens of milliseconds, so that tags hardly wait.
const CONTENTS: u32 = 1_000;

impl Retrainer {
    /// What others left: answers follow thresholds, trainings of people that were killed are closed.
    pub(super) fn put_in_order_blocking(&mut self) -> Result<(), StoreError> {
        self.decide_anew_blocking()?;
        if self.looked_for_dead.elapsed() > LOOK_FOR_DEAD {
            self.close_dead_blocking()?;
        }
        Ok(())
    }

    /// While a run is under way, which may take hours: what is done between runs waits for none, and its epochs go on record.
    pub(super) fn meanwhile_blocking(&mut self, run: RunId, epochs: &[EpochFigures]) {
        for epoch in epochs {
            // The figures are in the folder, too: training goes on without their rows.
            if let Err(error) = self.store.add_epoch(run, &row_of(epoch)) {
                tracing::warn!("{error}");
            }
        }
        if Instant::now() >= self.not_before
            && let Err(error) = self.put_in_order_blocking()
        {
            tracing::warn!("{error}");
            self.not_before = Instant::now() + TROUBLE_PAUSE;
        }
    }

    /// Until all follow, or it is to stop.
    fn decide_anew_blocking(&mut self) -> Result<(), StoreError> {
        // Asked without the writer's lock: mostly there is nothing.
        while self.reader.has_undecided()? && !self.stop.load(Ordering::Relaxed) {
            self.store.decide_anew(CONTENTS)?;
            std::thread::sleep(PAUSE_FOR_OTHERS);
        }
        Ok(())
    }
}
