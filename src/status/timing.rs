//! How long things take, as a histogram.
//!
//! In: durations, from any thread. Out: counts by upper bound. Never: a lock, or a single duration kept.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the histogram's classes in seconds; what takes longer counts beyond the last one.
pub const TIMING_BOUNDS: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// One count a class, the last one for what is beyond all bounds.
const CLASSES: usize = TIMING_BOUNDS.len() + 1;

/// Owner: its station; anybody may add to it.
#[derive(Debug, Default)]
pub(super) struct Timing {
    counts: [AtomicU64; CLASSES],
    micros: AtomicU64,
}

/// A histogram at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TimingReport {
    /// How many took no longer than the bound of the same place, those below included; the last one counts all.
    pub at_most: [u64; CLASSES],
    /// All of them together, in seconds.
    pub sum_seconds: f64,
}

impl Timing {
    pub(super) fn add(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let class = TIMING_BOUNDS.iter().take_while(|bound| seconds > **bound).count();
        self.counts[class].fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    pub(super) fn report(&self) -> TimingReport {
        let mut at_most = [0; CLASSES];
        let mut sum = 0;
        for (total, count) in at_most.iter_mut().zip(&self.counts) {
            sum += count.load(Ordering::Relaxed);
            *total = sum;
        }
        TimingReport {
            at_most,
            sum_seconds: self.micros.load(Ordering::Relaxed) as f64 / 1e6,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_cumulative_and_bounds_are_included() {
        let timing = Timing::default();
        for millis in [1, 2, 100, 60_000] {
            timing.add(Duration::from_millis(millis));
        }
        let report = timing.report();
        assert_eq!(report.at_most[..3], [1, 2, 2]);
        assert_eq!(report.at_most[6], 3, "100 ms are at most 0.1 s");
        assert_eq!(report.at_most[CLASSES - 2..], [3, 4]);
        assert!((report.sum_seconds - 60.103).abs() < 1e-9);
    }
}
