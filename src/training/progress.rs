//! What is told of a training under way, and how it is ended early.
//!
//! In: an epoch's figures. Out: whether to go on. Never: the training itself.

use serde::{Deserialize, Serialize};

/// What one epoch came to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// From 1.
    pub epoch: u32,
    /// Wall time, validation included.
    pub seconds: f64,
    /// Mean cross-entropy over the epoch's training pictures, as they were seen: with dropout and changing weights.
    pub loss: f64,
    /// Share of right answers among them, 0..=1.
    pub accuracy: f64,
    /// Mean cross-entropy of the validation pictures after the epoch.
    pub val_loss: f64,
    /// Share of right answers among them, 0..=1.
    pub val_accuracy: f64,
}

/// Where a running epoch stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// From 1.
    pub epoch: u32,
    /// How many there will be.
    pub epochs: u32,
    /// Training pictures seen in this epoch.
    pub images_done: usize,
    /// Training pictures an epoch.
    pub images_total: usize,
    /// Mean cross-entropy so far in this epoch.
    pub loss: f64,
    /// Share of right answers so far in this epoch.
    pub accuracy: f64,
    /// Wall time since the epoch began.
    pub seconds: f64,
}

/// What an observer wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// End now; the last whole epoch's checkpoint stays.
    Stop,
}

/// Hears how training goes, and may stop it.
pub trait Observer: Send {
    /// Once, before the first batch: the epochs of the checkpoint that it goes on from, if there is one.
    fn resumed(&mut self, history: &[EpochRecord]) {
        let _ = history;
    }

    /// After every batch.
    fn progress(&mut self, progress: &Progress) -> Flow {
        let _ = progress;
        Flow::Continue
    }

    /// After every epoch, its checkpoint written.
    fn epoch_done(&mut self, record: &EpochRecord) -> Flow {
        let _ = record;
        Flow::Continue
    }
}

/// Hears and stops nothing.
impl Observer for () {}
