//! Whether the photos have changed since the model went into service.
//!
//! In: what one model said in two windows of days. Out: by how much its answers are spread differently. Never: a clock,
//! the store (which `answer.rs` reads), a comparison of two models: the same model answers in both windows, so that what differs is the photos.
//!
//! The reference is the first seven days of the model's first time in service: mostly the inventory, tagged anew. The
//! recent window is the last seven days, today included, once it begins after those. The distance is the population
//! stability index, the sum of (q - p) ln(q / p) over the shares p and q of each bin, which is Jeffreys' divergence; it
//! is read as in scoring (N. Siddiqi, Credit Risk Scorecards, 2006): below 0.1 nothing to speak of, from 0.1 a little,
//! from 0.25 much. Half a photo is added to each bin, so that an empty one gives no infinity.

pub mod answer;

use std::fmt;

use serde::Serialize;

use crate::domain::Timestamp;
use crate::store::DailyTally;

/// Days of either window.
pub const WINDOW_DAYS: i64 = 7;
/// With fewer photos in either window the index is mostly chance: bins over photos, about 10/200.
pub const LEAST_PHOTOS: u64 = 200;
const DAY_MS: i64 = 86_400_000;

/// Whole days of UTC, from the beginning of one up to that of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Window {
    /// Its first moment.
    pub from: Timestamp,
    /// The first moment past it.
    pub until: Timestamp,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Windows {
    /// The model's first days in service.
    pub reference: Window,
    /// The last days.
    pub recent: Window,
}

impl Windows {
    /// The windows of a model that first served at `since`, or `None` as long as they would overlap.
    pub fn of(since: Timestamp, now: Timestamp) -> Option<Windows> {
        let day = |moment: Timestamp| moment.as_millis().div_euclid(DAY_MS);
        let window = |first: i64| Window {
            from: Timestamp::from_millis(first * DAY_MS),
            until: Timestamp::from_millis((first + WINDOW_DAYS) * DAY_MS),
        };
        let reference = window(day(since));
        let recent = window(day(now) + 1 - WINDOW_DAYS);
        (recent.from >= reference.until).then_some(Windows { reference, recent })
    }

    /// Whether a run that drift started then has had its chance to answer what is seen now: it starts no other one until
    /// those photos are past. Runs that began for other reasons tell nothing of that: a model may have been kept by each.
    pub fn are_answered_by(&self, last_drift_start: Option<Timestamp>) -> bool {
        last_drift_start.is_some_and(|start| start >= self.recent.from)
    }
}

/// How differently a model's answers are spread.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Drift {
    /// Index over the ten likeliest labels.
    pub labels: f64,
    /// Index over accepted, review and unknown.
    pub answers: f64,
}

impl Drift {
    /// From the first to the second; `None` where either has too few photos to tell.
    pub fn between(reference: &DailyTally, recent: &DailyTally) -> Option<Drift> {
        if reference.contents().min(recent.contents()) < LEAST_PHOTOS {
            return None;
        }
        let answers = |tally: &DailyTally| [tally.accepted, tally.review, tally.unknown];
        Some(Drift {
            labels: stability_index(&reference.by_label, &recent.by_label),
            answers: stability_index(&answers(reference), &answers(recent)),
        })
    }

    /// The greater of the two.
    pub fn greatest(&self) -> f64 {
        self.labels.max(self.answers)
    }
}

/// How an index is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// Below 0.1.
    Steady,
    /// Below 0.25.
    Shifting,
    /// From there on.
    Changed,
}

impl Reading {
    /// Of an index.
    pub fn of(index: f64) -> Reading {
        match index {
            index if index < 0.1 => Reading::Steady,
            index if index < 0.25 => Reading::Shifting,
            _ => Reading::Changed,
        }
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Reading::Steady => "as it was",
            Reading::Shifting => "changed a little",
            Reading::Changed => "much changed",
        })
    }
}

/// The population stability index of two sets of counts over the same bins; 0 where their shares are equal.
pub fn stability_index<const BINS: usize>(reference: &[u64; BINS], recent: &[u64; BINS]) -> f64 {
    let shares = |counts: &[u64; BINS]| {
        let all = counts.iter().sum::<u64>() as f64 + 0.5 * BINS as f64;
        counts.map(|count| (count as f64 + 0.5) / all)
    };
    let pairs = shares(reference).into_iter().zip(shares(recent));
    pairs
        .map(|(before, now)| (now - before) * (now / before).ln())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(number: i64) -> Timestamp {
        // Some hours into it.
        Timestamp::from_millis(number * DAY_MS + 5_000_000)
    }

    #[test]
    fn windows_are_whole_days_and_do_not_overlap() {
        let of = |since, now| {
            Windows::of(day(since), day(now)).map(|windows| {
                let days = |window: Window| {
                    (
                        window.from.as_millis() / DAY_MS,
                        window.until.as_millis() / DAY_MS,
                    )
                };
                (days(windows.reference), days(windows.recent))
            })
        };
        assert_eq!(of(100, 100), None);
        assert_eq!(of(100, 112), None, "day 106 would be in both");
        assert_eq!(of(100, 113), Some(((100, 107), (107, 114))));
        assert_eq!(of(100, 200), Some(((100, 107), (194, 201))));
        assert_eq!(of(200, 100), None, "a clock set back");
    }

    #[test]
    fn a_drift_starts_one_run_in_seven_days() {
        let windows = Windows::of(day(100), day(200)).unwrap();
        assert!(!windows.are_answered_by(None));
        assert!(!windows.are_answered_by(Some(day(193))));
        assert!(windows.are_answered_by(Some(day(194))));
        assert!(windows.are_answered_by(Some(day(200))));
    }

    #[test]
    fn the_index_is_that_counted_by_hand() {
        // Shares 0.5, 0.5 and 0.75, 0.25, with half a photo more in each of two bins.
        let found = stability_index(&[5_000, 5_000], &[7_500, 2_500]);
        let expected = 0.25 * (0.75f64 / 0.5).ln() - 0.25 * (0.25f64 / 0.5).ln();
        assert!((found - expected).abs() < 1e-3, "{found} for {expected}");
        assert_eq!(stability_index(&[10, 20, 30], &[10, 20, 30]), 0.0);
        assert!(stability_index(&[10, 0], &[0, 10]).is_finite());
        let there = stability_index(&[10, 20, 30], &[30, 20, 10]);
        let back = stability_index(&[30, 20, 10], &[10, 20, 30]);
        assert!((there - back).abs() < 1e-12);
    }

    #[test]
    fn drift_is_told_from_enough_photos_by_labels_and_by_answers() {
        let tally = |dresses: u64, accepted: u64| {
            let mut tally = DailyTally {
                accepted,
                review: 400 - accepted,
                ..DailyTally::default()
            };
            tally.by_label[3] = dresses;
            tally.by_label[8] = 400 - dresses;
            tally
        };
        let same = Drift::between(&tally(200, 300), &tally(200, 300)).unwrap();
        assert_eq!(
            (same.greatest(), Reading::of(same.greatest())),
            (0.0, Reading::Steady)
        );
        let labels = Drift::between(&tally(200, 300), &tally(300, 300)).unwrap();
        assert!(labels.labels > 0.25 && labels.answers == 0.0, "{labels:?}");
        assert_eq!(Reading::of(labels.greatest()), Reading::Changed);
        let answers = Drift::between(&tally(200, 300), &tally(200, 240)).unwrap();
        assert!(
            answers.labels == 0.0 && (0.1..0.25).contains(&answers.answers),
            "{answers:?}"
        );
        assert_eq!(Reading::of(answers.answers), Reading::Shifting);
        let few = DailyTally {
            by_label: [19; 10],
            ..DailyTally::default()
        };
        assert_eq!(Drift::between(&few, &tally(200, 300)), None);
        assert_eq!(Drift::between(&tally(200, 300), &few), None);
    }
}
