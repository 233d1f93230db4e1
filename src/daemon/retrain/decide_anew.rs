//! Stored answers follow changed thresholds.
//!
//! In: what the store says is left. Out: nothing left, in short transactions. Never: inference. The command that sets
//! thresholds does this itself; here is finished what it was kept from, and what came with a model's manifest.

use std::sync::atomic::Ordering;

use super::Retrainer;
use crate::store::{PAUSE_FOR_OTHERS, StoreError};

/// Contents a transaction: tens of milliseconds, so that tags hardly wait.
const CONTENTS: u32 = 1_000;

impl Retrainer {
    /// Until all follow, or it is to stop.
    pub(super) fn decide_anew_blocking(&mut self) -> Result<(), StoreError> {
        // Asked without the writer's lock: mostly there is nothing.
        while self.reader.has_undecided()? && !self.stop.load(Ordering::Relaxed) {
            self.store.decide_anew(CONTENTS)?;
            std::thread::sleep(PAUSE_FOR_OTHERS);
        }
        Ok(())
    }
}
