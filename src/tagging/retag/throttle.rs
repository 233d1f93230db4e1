//! The pace at which files are sent to be tagged anew.
//!
//! In: files a second, and the time. Out: how long the next file waits. Never: a look at a clock.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// Spreads files evenly over time. Pure; the time comes from outside.
#[derive(Debug)]
pub(super) struct Throttle {
    step: Duration,
    next: Option<Instant>,
}

impl Throttle {
    pub(super) fn new(per_second: NonZeroU32) -> Self {
        Self {
            step: Duration::from_secs(1) / per_second.get(),
            next: None,
        }
    }

    /// How long the next file has to wait. What was not used is not saved up.
    pub(super) fn reserve(&mut self, now: Instant) -> Duration {
        let turn = self.next.map_or(now, |next| next.max(now));
        self.next = Some(turn + self.step);
        turn.saturating_duration_since(now)
    }
}
