//! What corrections buy: some of a shop's labelled photos are taken as corrections, the others judge.
//!
//! In: photos by content with their truth, a seed, how many of each class are to be taken. Out: which photos are learned
//! and which nobody has seen; the figures of each size. Never: a look at a photo's name or its place in a list, a photo on
//! two sides, training.
//!
//! The photos of each class stand in a queue whose order is a hash of seed and content, and every size takes the first
//! ones: whoever has the same photos takes the same, and smaller sizes are part of larger ones.

use std::fmt;

use serde::Serialize;

use super::evaluate::{Decisions, Evaluation, Judged};
use super::lessons::Photos;
use super::sketch::Sketch;
use crate::domain::{Basis, ContentHash, Label, ModelId, Prediction, Thresholds, Truth};
use crate::preprocess::InputTensor;

mod plot;

pub use plot::to_svg;

/// Photos of none of the classes that are taken for each photo of a class, unless a number is given …
const UNKNOWN_FOR_EACH: usize = 5;
/// … but no more than one of so many: the others judge.
const UNKNOWN_AT_MOST_ONE_OF: usize = 3;

/// Labelled photos, each picture once, in the order of their hashes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collection {
    /// As the network sees them.
    pub photos: Photos,
    /// The hashes of those.
    pub hashes: Vec<ContentHash>,
}

/// Two rows of a list that are the same picture and say different things of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("two rows with the same photo have different labels")]
pub struct Contradiction {
    /// Their numbers, from 0.
    pub rows: [usize; 2],
}

impl Collection {
    /// Of rows in any order; what comes more than once counts once, whatever files it was saved in.
    pub fn of(rows: &[(ContentHash, Truth, &InputTensor, Sketch)]) -> Result<Self, Contradiction> {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by_key(|&row| rows[row].0);
        let mut all = Photos::default();
        for &row in &order {
            let (_, truth, input, sketch) = rows[row];
            all.push(input, sketch, truth);
        }
        let (mut firsts, mut collection) = (Vec::new(), Self::default());
        for (&row, place) in order.iter().zip(all.places()) {
            let (hash, truth, input, sketch) = rows[row];
            if place == firsts.len() {
                firsts.push(row);
                collection.photos.push(input, sketch, truth);
                collection.hashes.push(hash);
            } else if collection.photos.truths[place] != truth {
                return Err(Contradiction {
                    rows: [firsts[place], row],
                });
            }
        }
        Ok(collection)
    }
}

/// How many photos a size takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Of each class.
    pub per_class: usize,
    /// Of none of the classes; `None`: five for each photo of a class, but at most a third of those there are.
    pub unknown: Option<usize>,
}

/// The photos of each class, and those of none, in the order in which they are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queues<'a> {
    hashes: &'a [ContentHash],
    /// Classes that occur, in label order, with the numbers of their photos.
    classes: Vec<(Label, Vec<usize>)>,
    unknown: Vec<usize>,
}

/// What a size takes and leaves: numbers of photos, ascending. No photo stands in two of the lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Portion {
    /// How many of each class were asked for.
    pub per_class: usize,
    /// Taken, to learn from.
    pub learned: Vec<usize>,
    /// Not taken: the network is judged by them.
    pub unseen: Vec<usize>,
}

/// A size that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TooFew {
    /// Nothing to learn or to judge by.
    #[error(
        "none of the photos has a label; give them one, such as Dress (an empty label: none of the classes)"
    )]
    NoClasses,
    /// At least one photo of each class must be left to judge by.
    #[error(
        "{asked} photos of each class cannot be learned: of {} can be used, and one must be left to judge by; label more of them or ask for at most {}",
        Counted(short),
        short.iter().map(|(_, found)| found.saturating_sub(1)).min().unwrap_or_default()
    )]
    Classes {
        /// How many were to be taken.
        asked: usize,
        /// The classes that have too few, and how many these have.
        short: Vec<(Label, usize)>,
    },
    /// Of none of the classes.
    #[error(
        "{asked} photos of none of the classes cannot be learned: there are {found}; label more of them (with an empty label) or ask for at most {found}"
    )]
    Unknown {
        /// How many were to be taken.
        asked: usize,
        /// How many there are.
        found: usize,
    },
}

struct Counted<'a>(&'a [(Label, usize)]);

impl fmt::Display for Counted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (label, count)) in self.0.iter().enumerate() {
            let between = if place == 0 { "" } else { ", of " };
            write!(f, "{between}{label} only {count}")?;
        }
        Ok(())
    }
}

impl<'a> Queues<'a> {
    /// Lines up photos that all differ in content.
    pub fn of(hashes: &'a [ContentHash], truths: &[Truth], seed: u64) -> Self {
        let place = |&number: &usize| {
            let bytes = [&seed.to_le_bytes()[..], hashes[number].as_bytes()].concat();
            ContentHash::of(&bytes)
        };
        let queue = |truth: Truth| {
            let mut numbers: Vec<usize> = (0..truths.len())
                .filter(|&number| truths[number] == truth)
                .collect();
            numbers.sort_by_cached_key(place);
            numbers
        };
        Self {
            hashes,
            classes: Label::all()
                .map(|label| (label, queue(Truth::Label(label))))
                .filter(|(_, numbers)| !numbers.is_empty())
                .collect(),
            unknown: queue(Truth::Unknown),
        }
    }

    /// Takes the first ones of each queue. Taking none leaves everything unseen.
    pub fn take(&self, size: Size) -> Result<Portion, TooFew> {
        let Size { per_class, .. } = size;
        if self.classes.is_empty() {
            return Err(TooFew::NoClasses);
        }
        let counts = self
            .classes
            .iter()
            .map(|(label, numbers)| (*label, numbers.len()));
        let short: Vec<_> = counts.filter(|(_, count)| *count <= per_class).collect();
        if !short.is_empty() {
            return Err(TooFew::Classes {
                asked: per_class,
                short,
            });
        }
        let unknown = self.unknown_of(size)?;
        let labelled = self.classes.iter().flat_map(|(_, numbers)| &numbers[..per_class]);
        let taken = labelled.chain(&self.unknown[..unknown]);
        let mut is_taken = vec![false; self.hashes.len()];
        taken.for_each(|&number| is_taken[number] = true);
        let of = |wanted: &dyn Fn(usize) -> bool| (0..self.hashes.len()).filter(|&n| wanted(n)).collect();
        Ok(Portion {
            per_class,
            learned: of(&|number| is_taken[number]),
            unseen: of(&|number| !is_taken[number]),
        })
    }

    fn unknown_of(&self, Size { per_class, unknown }: Size) -> Result<usize, TooFew> {
        let found = self.unknown.len();
        match unknown {
            // Where nothing is learned, all of them judge.
            _ if per_class == 0 => Ok(0),
            None => Ok(per_class
                .saturating_mul(UNKNOWN_FOR_EACH)
                .min(found / UNKNOWN_AT_MOST_ONE_OF)),
            Some(asked) if asked > found => Err(TooFew::Unknown { asked, found }),
            Some(asked) => Ok(asked),
        }
    }
}

/// Photos of the classes, and of none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Of one of the ten.
    pub of_classes: usize,
    /// Of none.
    pub unknown: usize,
}

impl Counts {
    fn of(numbers: &[usize], truths: &[Truth]) -> Self {
        let unknown = |&&number: &&usize| truths[number] == Truth::Unknown;
        let unknown = numbers.iter().filter(unknown).count();
        Self {
            of_classes: numbers.len() - unknown,
            unknown,
        }
    }
}

/// One size of the experiment, measured. Shares are 0..=1, `None` where there is nothing to take one of.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Point {
    /// Photos of each class that were taken as corrections.
    pub per_class: usize,
    /// Which model they made.
    pub model: ModelId,
    /// Photos that it learned.
    pub learned: Counts,
    /// Photos that it was judged by.
    pub unseen: Counts,
    /// Mean recall over the classes.
    pub mean_recall: Option<f64>,
    /// Share of the photos of the classes that got the right label.
    pub accuracy: Option<f64>,
    /// How well photos of the classes are told from others: the area under the ROC curve.
    pub known_unknown_auroc: Option<f64>,
    /// What its thresholds were fitted on: what is accepted hangs on that.
    pub thresholds_basis: Basis,
    /// Share of the photos of the classes whose tag is accepted.
    pub accepted_share: Option<f64>,
    /// Share of all accepted tags that are right; one of a photo of none of the classes is wrong.
    pub accepted_precision: Option<f64>,
    /// Share of the accepted tags of photos of the classes that are right: what thresholds from corrections are about.
    pub accepted_precision_known: Option<f64>,
    /// What the model and its thresholds took to make and to ask, seconds.
    pub seconds: f64,
}

/// What a model said of the photos that it had not seen.
#[derive(Debug, Clone, Copy)]
pub struct Answers<'a> {
    /// Who answers.
    pub model: &'a ModelId,
    /// In the order of [`Portion::unseen`].
    pub predictions: &'a [Prediction],
    /// What it accepts.
    pub thresholds: &'a Thresholds,
    /// What it took, seconds.
    pub seconds: f64,
}

impl Point {
    /// Judges the answers for what `portion` left; `truths` are those of all photos.
    pub fn of(portion: &Portion, truths: &[Truth], answers: &Answers<'_>) -> Self {
        let pairs = portion.unseen.iter().zip(answers.predictions);
        let judged: Vec<Judged> = pairs
            .map(|(&number, &prediction)| Judged {
                truth: truths[number].label(),
                prediction,
            })
            .collect();
        let evaluation = Evaluation::of(&judged);
        let decisions = Decisions::of(&judged, answers.thresholds);
        let count = |numbers: &[usize]| Counts::of(numbers, truths);
        Self {
            per_class: portion.per_class,
            model: answers.model.clone(),
            learned: count(&portion.learned),
            unseen: count(&portion.unseen),
            mean_recall: evaluation.balanced_accuracy,
            accuracy: evaluation.accuracy,
            known_unknown_auroc: evaluation.known_unknown_auroc,
            thresholds_basis: answers.thresholds.basis,
            accepted_share: decisions.accepted_share,
            accepted_precision: decisions.accepted_precision,
            accepted_precision_known: decisions.accepted_precision_known,
            seconds: answers.seconds,
        }
    }
}

#[cfg(test)]
mod tests;
