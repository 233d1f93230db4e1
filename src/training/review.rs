//! Which photos are most worth a person's look: those that teach most, not just the least sure.
//!
//! In: photos that are not accepted, with the model's answers, and the answers for photos that people have named already.
//! Out: some of them, the most useful first, each with its reason. Never: the store, a look at a picture.
//!
//! Usefulness is uncertainty: between the two likeliest labels (the margin, T. Scheffer, C. Decomain and S. Wrobel, 2001),
//! about a threshold, or about whether it shows one of the classes at all. Taken by that alone, twenty photos would be
//! twenty pictures of the same dress. So each next one is the most useful times its distance, in the space of the scores,
//! from all that were chosen or named before: the greedy k-centre choice that O. Sener and S. Savarese ('Active learning
//! for convolutional neural networks: a core-set approach', ICLR 2018) use for cover, weighted by uncertainty. Labels of
//! which nobody has corrected any count up to double.

use std::fmt;

use crate::domain::{LABEL_COUNT, Label, Prediction, Thresholds, Truth};

/// Further than this from a threshold, a photo says little about it.
const NEAR: f64 = 0.25;
/// What a photo is worth that equals one chosen before: little, and more than nothing.
const LEAST_DISTANCE: f64 = 0.02;

/// Why a photo is worth a look.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reason {
    /// The model wavers between two labels.
    Between {
        /// The likeliest, and how likely.
        first: (Label, f32),
        /// The next.
        second: (Label, f32),
    },
    /// Its trust is near the threshold of its label.
    AtThreshold {
        /// The trust.
        trust: f64,
        /// The threshold.
        accept: f32,
    },
    /// It may show none of the classes.
    PerhapsUnknown {
        /// The model's estimate of that.
        unknown: f32,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Between { first, second } => write!(
                f,
                "between {} ({:.2}) and {} ({:.2})",
                first.0, first.1, second.0, second.1
            ),
            Reason::AtThreshold { trust, accept } => {
                write!(f, "trust {trust:.2}, near its threshold of {accept:.2}")
            }
            Reason::PerhapsUnknown { unknown } => {
                write!(f, "perhaps none of the classes ({unknown:.2})")
            }
        }
    }
}

/// One chosen photo.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pick {
    /// Its place among the candidates.
    pub index: usize,
    /// Why.
    pub reason: Reason,
}

/// What people have named already.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Named {
    /// What the model says of those photos, as far as it was asked.
    pub predictions: Vec<Prediction>,
    /// How many of each label, in label order.
    pub by_label: [u64; LABEL_COUNT],
}

impl Named {
    /// Adds a photo.
    pub fn add(&mut self, truth: Truth, prediction: Option<Prediction>) {
        if let Some(label) = truth.label() {
            self.by_label[label.index()] += 1;
        }
        self.predictions.extend(prediction);
    }
}

/// Chooses up to `count` of the candidates, the most useful first. Time goes with their number times that of chosen and
/// named ones: milliseconds for thousands times hundreds.
pub fn pick(candidates: &[Prediction], thresholds: &Thresholds, named: &Named, count: usize) -> Vec<Pick> {
    let worth: Vec<(f64, Reason)> = candidates
        .iter()
        .map(|prediction| {
            let (uncertainty, reason) = uncertainty(prediction, thresholds);
            let known = named.by_label[prediction.top().label.index()] as f64;
            (uncertainty * (1.0 + 1.0 / (1.0 + known)), reason)
        })
        .collect();
    let mut distances: Vec<f64> = candidates
        .iter()
        .map(|candidate| {
            let to_named = named.predictions.iter().map(|other| distance(candidate, other));
            to_named.fold(1.0, f64::min)
        })
        .collect();
    let mut picks: Vec<Pick> = Vec::new();
    let mut is_chosen = vec![false; candidates.len()];
    while picks.len() < count.min(candidates.len()) {
        let value = |index: &usize| worth[*index].0 * distances[*index].max(LEAST_DISTANCE);
        let best = (0..candidates.len())
            .filter(|index| !is_chosen[*index])
            .max_by(|a, b| value(a).total_cmp(&value(b)));
        let Some(index) = best else { break };
        is_chosen[index] = true;
        picks.push(Pick {
            index,
            reason: worth[index].1,
        });
        for (distance_to_any, candidate) in distances.iter_mut().zip(candidates) {
            *distance_to_any = distance_to_any.min(distance(candidate, &candidates[index]));
        }
    }
    picks
}

/// 0..=1, and what it is about.
fn uncertainty(prediction: &Prediction, thresholds: &Thresholds) -> (f64, Reason) {
    let mut ranked: Vec<(Label, f32)> = Label::all().zip(*prediction.scores.values()).collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    let (first, second) = (ranked[0], ranked[1]);
    let near = |value: f64, threshold: f64| (1.0 - (value - threshold).abs() / NEAR).max(0.0);
    let mut found = (
        1.0 - f64::from(first.1 - second.1),
        Reason::Between { first, second },
    );
    let mut at_least = |value: f64, reason| {
        if value > found.0 {
            found = (value, reason);
        }
    };
    if let Some(accept) = thresholds.accept_from(first.0) {
        let (trust, accept) = (prediction.trust(), accept.get());
        at_least(
            near(trust, f64::from(accept)),
            Reason::AtThreshold { trust, accept },
        );
    }
    if let Some(unknown) = prediction.unknown {
        let (unknown, threshold) = (unknown.get(), thresholds.unknown.get());
        let value = near(f64::from(unknown), f64::from(threshold));
        at_least(value, Reason::PerhapsUnknown { unknown });
    }
    found
}

/// 0 for equal answers, 1 for two that are sure of different labels.
fn distance(one: &Prediction, other: &Prediction) -> f64 {
    let unknown = |prediction: &Prediction| prediction.unknown.map_or(0.0, |score| f64::from(score.get()));
    let pairs = one.scores.values().iter().zip(other.scores.values());
    let of_scores: f64 = pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum();
    ((of_scores + (unknown(one) - unknown(other)).powi(2)) / 2.0)
        .sqrt()
        .min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Confidence, Scores};

    /// Two labels that share all of the probability.
    fn between(first: usize, second: usize, top: f32) -> Prediction {
        let mut values = [0.0; LABEL_COUNT];
        values[first] = top;
        values[second] = 1.0 - top;
        Scores::new(values).unwrap().into()
    }

    fn chosen(candidates: &[Prediction], named: &Named, count: usize) -> Vec<usize> {
        let picks = pick(candidates, &Thresholds::unfounded(), named, count);
        picks.iter().map(|pick| pick.index).collect()
    }

    #[test]
    fn the_uncertain_come_first_but_not_all_of_one_kind() {
        let candidates = [
            between(3, 4, 0.9),
            between(3, 4, 0.51),
            between(3, 4, 0.52),
            between(3, 4, 0.53),
            between(8, 0, 0.7),
        ];
        assert_eq!(chosen(&candidates, &Named::default(), 2), [1, 4]);
        // By the margin alone it would have been 1, 2, 3.
        let all = chosen(&candidates, &Named::default(), 9);
        assert_eq!(all.len(), candidates.len(), "each once: {all:?}");
        assert!(chosen(&[], &Named::default(), 5).is_empty());
    }

    #[test]
    fn what_has_been_named_is_not_asked_again_and_new_labels_count_more() {
        let candidates = [between(3, 4, 0.51), between(8, 0, 0.6)];
        let mut named = Named::default();
        named.add(Truth::Unknown, Some(between(3, 4, 0.51)));
        assert_eq!(chosen(&candidates, &named, 1), [1]);

        let mut named = Named::default();
        (0..50).for_each(|_| named.add(Truth::Label(Label::from_index(3).unwrap()), None));
        assert_eq!(chosen(&candidates, &named, 1), [1], "no bag has been corrected");
        assert_eq!(chosen(&candidates, &Named::default(), 1), [0]);
    }

    #[test]
    fn the_reason_is_what_it_is_most_uncertain_about() {
        let mut thresholds = Thresholds::unfounded();
        thresholds.accept[3] = Some(Confidence::new(0.9).unwrap());
        let reason = |prediction| pick(&[prediction], &thresholds, &Named::default(), 1)[0].reason;
        assert!(matches!(reason(between(3, 4, 0.55)), Reason::Between { .. }));
        assert!(matches!(reason(between(3, 4, 0.88)), Reason::AtThreshold { .. }));
        let unknown = Prediction {
            unknown: Some(Confidence::new(0.48).unwrap()),
            ..between(5, 4, 0.95)
        };
        assert!(matches!(reason(unknown), Reason::PerhapsUnknown { .. }));
        assert_eq!(
            reason(between(3, 4, 0.55)).to_string(),
            "between Dress (0.55) and Coat (0.45)"
        );
    }
}
