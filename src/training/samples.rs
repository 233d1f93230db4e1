//! Which photos of known truth may judge a model, and by which of its answers.
//!
//! In: corrected and audited photos with what a model said of them. Out: samples with answers that the model gave without
//! having seen the truth. Never: the store, a fit.
//!
//! A model that was trained on a correction knows it by heart: its answer there tells nothing about other photos. For
//! those the answer of a fold that had not seen it stands in; where there is none, the photo is left out.

use super::evaluate::Judged;
use crate::domain::{Basis, Timestamp, held_out};
use crate::store::SampleRow;

/// So many audited photos are preferred to any number of corrections.
pub const ENOUGH_AUDITED: usize = 200;

/// Photos that may judge a model.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Samples {
    /// Those that were drawn at random.
    pub audited: Vec<Judged>,
    /// Those that people chose.
    pub chosen: Vec<Judged>,
    /// Photos of known truth without an answer that the model gave unseeing.
    pub left_out: u64,
}

impl Samples {
    /// Takes what can be used. `trained_at` is when the training of the model began that knew corrections; `None` where it
    /// knew none.
    pub fn of(rows: &[SampleRow], trained_at: Option<Timestamp>) -> Samples {
        let mut samples = Samples::default();
        for row in rows {
            let was_seen = trained_at.is_some_and(|at| row.corrected_at <= at) && !held_out(&row.hash);
            let unseeing = row.out_of_fold.or(row.recorded.filter(|_| !was_seen));
            let Some(prediction) = unseeing else {
                samples.left_out += 1;
                continue;
            };
            let sample = Judged {
                truth: row.truth.label(),
                prediction,
            };
            if row.is_audited {
                samples.audited.push(sample);
            } else {
                samples.chosen.push(sample);
            }
        }
        samples
    }

    /// The random ones alone where there are enough of them, else all: more of them, but biased.
    pub fn best(&self) -> (Basis, Vec<Judged>) {
        if self.audited.len() >= ENOUGH_AUDITED {
            return (Basis::Audit, self.audited.clone());
        }
        let all = self.audited.iter().chain(&self.chosen);
        (Basis::Corrections, all.copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ContentHash, LABEL_COUNT, Prediction, Scores, Truth};

    fn prediction(top: f32) -> Prediction {
        let mut values = [0.0; LABEL_COUNT];
        values[0] = top;
        Scores::new(values).unwrap().into()
    }

    /// A photo corrected at this time; one in five hashes is held out.
    fn row(is_held_out: bool, at_ms: i64, recorded: Option<f32>, out_of_fold: Option<f32>) -> SampleRow {
        let mut hashes = (0..u8::MAX).map(|byte| ContentHash::of(&[byte]));
        SampleRow {
            hash: hashes.find(|hash| held_out(hash) == is_held_out).unwrap(),
            truth: Truth::Unknown,
            corrected_at: Timestamp::from_millis(at_ms),
            is_audited: false,
            recorded: recorded.map(prediction),
            out_of_fold: out_of_fold.map(prediction),
        }
    }

    #[test]
    fn no_photo_is_judged_by_an_answer_that_knew_its_truth() {
        let trained_at = Some(Timestamp::from_millis(100));
        let cases = [
            (
                "a fold's answer",
                row(false, 50, Some(0.9), Some(0.6)),
                trained_at,
                Some(0.6),
            ),
            (
                "trained on, no fold",
                row(false, 50, Some(0.9), None),
                trained_at,
                None,
            ),
            (
                "at the very moment",
                row(false, 100, Some(0.9), None),
                trained_at,
                None,
            ),
            (
                "corrected since",
                row(false, 101, Some(0.9), None),
                trained_at,
                Some(0.9),
            ),
            ("held out", row(true, 50, Some(0.9), None), trained_at, Some(0.9)),
            (
                "trained on none",
                row(false, 50, Some(0.9), None),
                None,
                Some(0.9),
            ),
            ("never asked", row(false, 101, None, None), trained_at, None),
        ];
        for (name, row, trained_at, expected) in cases {
            let found = Samples::of(&[row], trained_at);
            let tops: Vec<_> = found
                .chosen
                .iter()
                .map(|one| one.prediction.scores.values()[0])
                .collect();
            assert_eq!(tops, expected.into_iter().collect::<Vec<_>>(), "{name}");
            assert_eq!(found.left_out, u64::from(expected.is_none()), "{name}");
        }
    }

    #[test]
    fn random_ones_are_preferred_once_there_are_enough() {
        let rows = |audited: usize, chosen: usize| -> Vec<SampleRow> {
            (0..audited + chosen)
                .map(|index| SampleRow {
                    is_audited: index < audited,
                    ..row(false, 1, Some(0.5), None)
                })
                .collect()
        };
        for (audited, chosen, expected) in [
            (ENOUGH_AUDITED, 500, (Basis::Audit, ENOUGH_AUDITED)),
            (
                ENOUGH_AUDITED - 1,
                500,
                (Basis::Corrections, ENOUGH_AUDITED + 499),
            ),
            (0, 3, (Basis::Corrections, 3)),
        ] {
            let (basis, samples) = Samples::of(&rows(audited, chosen), None).best();
            assert_eq!((basis, samples.len()), expected);
        }
    }
}
