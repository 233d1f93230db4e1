//! Which photos of known truth may judge a model, and by which of its answers.
//!
//! In: corrected and audited photos with what a model said of them. Out: samples with answers that the model gave without
//! having seen the truth. Never: the store, a fit.
//!
//! A model that was trained on a correction knows it by heart: its answer there tells nothing about other photos. For
//! those the answer of a fold that had not seen it stands in; where there is none, the photo is left out.

use std::collections::HashSet;

use super::evaluate::Judged;
use super::manifest::in_short;
use crate::domain::Basis;
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
    /// Takes what can be used; `learned` are the photos that the model was trained on, [`in_short`].
    pub fn of(rows: &[SampleRow], learned: &HashSet<&str>) -> Samples {
        let mut samples = Samples::default();
        for row in rows {
            let was_seen = learned.contains(in_short(&row.hash).as_str());
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
    use crate::domain::{ContentHash, LABEL_COUNT, Prediction, Scores, Timestamp, Truth};

    fn prediction(top: f32) -> Prediction {
        let mut values = [0.0; LABEL_COUNT];
        values[0] = top;
        Scores::new(values).unwrap().into()
    }

    fn row(recorded: Option<f32>, out_of_fold: Option<f32>) -> SampleRow {
        SampleRow {
            hash: ContentHash::of(b"photo"),
            truth: Truth::Unknown,
            corrected_at: Timestamp::from_millis(50),
            is_audited: false,
            recorded: recorded.map(prediction),
            out_of_fold: out_of_fold.map(prediction),
        }
    }

    #[test]
    fn no_photo_is_judged_by_an_answer_that_knew_its_truth() {
        let it = in_short(&ContentHash::of(b"photo"));
        let (learned, others) = (HashSet::from([it.as_str()]), HashSet::from(["0123456789abcdef"]));
        let cases = [
            ("a fold's answer", row(Some(0.9), Some(0.6)), &learned, Some(0.6)),
            ("trained on, no fold", row(Some(0.9), None), &learned, None),
            ("trained on others", row(Some(0.9), None), &others, Some(0.9)),
            ("never asked", row(None, None), &others, None),
        ];
        for (name, row, learned, expected) in cases {
            let found = Samples::of(&[row], learned);
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
                    ..row(Some(0.5), None)
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
            let (basis, samples) = Samples::of(&rows(audited, chosen), &HashSet::new()).best();
            assert_eq!((basis, samples.len()), expected);
        }
    }
}
