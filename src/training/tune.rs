//! A trained network learns a shop's own photos.
//!
//! In: a network, Fashion-MNIST, photos of which a person said the truth. Out: the network that has seen them, too; for
//! each photo, the answer of one that has not. Never: a validation or test picture; a change of the start.
//!
//! A short training in which a good share of the pictures are such photos, each many times and never twice alike. What a
//! network says of photos that it was trained on is worth nothing as evidence, so the same is done once more for each
//! part of them without that part (cross-validation), and the answers of those networks are kept.
//!
//! From enough photos on, what shows none of the classes is told by likeness to them, in the space of the network's features.

use rayon::ThreadPoolBuilder;

use super::dataset::Images;
use super::lessons::{Lessons, Mix, Photos, picture, plain};
use super::network::familiarity::{Familiarity, Sigmoid};
use super::network::learner::{Learner, Scorer};
use super::network::{Network, Pictures};
use super::parameters::{Split, TrainParameters};
use super::train::{Flow, MEASURING_BATCHES, Observer, Progress, TrainError, learning, settle, step_through};
use crate::domain::{INPUT_LEN, LABEL_COUNT, RateSchedule};

/// By what rules photos are learned; raised whenever another network, or other answers, may come of the same ones.
pub const LESSONS: u32 = 1;
/// Parts that photos are split into for `out_of_fold`.
pub const FOLDS: usize = 5;
/// Pictures of a tuning.
const PICTURES: usize = 30_000;
/// No photo is shown more often than this: a handful shall not be learned by heart.
const MAX_VIEWS: usize = 120;
/// The greatest rate, as a share of that of the training before.
const RATE_SHARE: f32 = 0.35;

/// With fewer photos of the classes, or of none of them, familiarity would have too little to go by.
const FEWEST_EXAMPLES: usize = 20;
/// Photos that familiarity goes by at most, spread over all: each costs an answer some 130 multiplications, and makes the
/// file half a kilobyte longer.
const MOST_EXAMPLES: usize = 2_000;

/// Share of an inventory's photos that are taken to show none of the classes. That of the corrections is people's choice: a
/// hundred watches, because they were asked for, would make everything else suspect, and trust in right tags small.
const UNKNOWN_SHARE: f64 = 0.05;

/// What is needed to tune.
#[derive(Debug, Clone, Copy)]
pub struct Tuning<'a> {
    /// Where it begins.
    pub start: &'a Network,
    /// Fashion-MNIST's pictures for training and validation.
    pub images: &'a Images,
    /// Corrected photos to learn.
    pub photos: &'a Photos,
    /// Those of the training before: seed, batch, rate, what is done to pictures.
    pub parameters: &'a TrainParameters,
    /// Share of a tuning's pictures that are corrected photos, 0..1.
    pub photo_share: f64,
}

/// An answer: ten probabilities, and the one for "none of them".
pub type RawAnswer = ([f32; LABEL_COUNT], Option<f32>);

/// What photos made of a network.
#[derive(Debug)]
pub struct Tuned {
    /// It has learned all of them.
    pub network: Network,
    /// For each photo, the answer of a network that was tuned without its part of the photos. The two numbers that make a
    /// probability of familiarity are fitted on all of these answers at once.
    pub out_of_fold: Vec<RawAnswer>,
}

/// What networks say of the photos that each was tuned without.
struct Unseen {
    answers: Vec<RawAnswer>,
    /// Their familiarities' values, if they have any.
    values: Option<Vec<f64>>,
}

impl Tuning<'_> {
    /// Tunes a network, and those that answer for it; `None` if the observer stopped it.
    pub fn tune_blocking(&self, observer: &mut dyn Observer) -> Result<Option<Tuned>, TrainError> {
        let split = self.parameters.check(self.images.len())?;
        let threads = super::train::threads(self.parameters);
        let pool = ThreadPoolBuilder::new().num_threads(threads).build()?;
        pool.install(|| {
            let Some(mut network) = self.tune(self.photos, split, observer)? else {
                return Ok(None);
            };
            let Some(Unseen { mut answers, values }) = self.unseen(split, observer)? else {
                return Ok(None);
            };
            let familiarity = self.familiarity(&network, self.photos);
            let sigmoid = values
                .as_ref()
                .and_then(|values| Sigmoid::fit(values, &is_unknown(self.photos)));
            if let ((Some(familiarity), Some(values)), Some(sigmoid)) = ((familiarity, values), sigmoid) {
                let corrected = self.photos.unknown() as f64 / self.photos.len() as f64;
                let sigmoid = sigmoid.where_unknown_are(corrected, UNKNOWN_SHARE);
                for ((_, unknown), value) in answers.iter_mut().zip(values) {
                    *unknown = Some(sigmoid.chance(value) as f32);
                }
                network = network.with_familiarity(familiarity.as_log_odds(sigmoid));
            }
            Ok(Some(Tuned {
                network,
                out_of_fold: answers,
            }))
        })
    }

    fn unseen(&self, split: Split, observer: &mut dyn Observer) -> Result<Option<Unseen>, TrainError> {
        let mut answers = vec![([0.0; LABEL_COUNT], None); self.photos.len()];
        let mut values = vec![None; self.photos.len()];
        // One picture is in one fold, however often it is there: a network that has seen it answers for none of them.
        let places = self.photos.places();
        let different = places.iter().max().map_or(0, |last| last + 1);
        for fold in 0..FOLDS.min(different) {
            let is_left_out = |number: usize| places[number] % FOLDS == fold;
            let (seen, left_out) = (
                self.photos.only(|number| !is_left_out(number)),
                self.photos.only(is_left_out),
            );
            let Some(network) = self.tune(&seen, split, observer)? else {
                return Ok(None);
            };
            let numbers = || (0..self.photos.len()).filter(|&number| is_left_out(number));
            let said = ask(&network, &left_out);
            for (number, &(scores, unknown)) in numbers().zip(&said) {
                // What the exported file does not tell is no evidence either.
                answers[number] = (scores, unknown.filter(|_| self.parameters.knows_unknown()));
            }
            if let Some(familiarity) = self.familiarity(&network, &seen) {
                let labels: Vec<_> = said.into_iter().map(|(scores, _)| scores).collect();
                let found = familiarity.values(&features(&network, &left_out.pixels), &labels);
                for (number, value) in numbers().zip(found) {
                    values[number] = Some(value);
                }
            }
        }
        Ok(Some(Unseen {
            answers,
            values: values.into_iter().collect(),
        }))
    }

    /// Who tells photos of none of the classes apart, among the features that this network has of `photos`. `None` if there
    /// are too few photos altogether.
    fn familiarity(&self, network: &Network, photos: &Photos) -> Option<Familiarity> {
        let unknown = self.photos.unknown();
        if !self.parameters.knows_unknown() || unknown.min(self.photos.len() - unknown) < FEWEST_EXAMPLES {
            return None;
        }
        // So many of all, evenly spread; where all may stand, all do.
        let share = |number: usize| number * MOST_EXAMPLES.min(self.photos.len()) / self.photos.len();
        let photos = photos.only(|number| share(number + 1) > share(number));
        let familiarity = Familiarity::fit(&features(network, &photos.pixels), &is_unknown(&photos))?;
        Some(familiarity.tilted(network.unknown_plane()?))
    }

    fn tune(
        &self,
        photos: &Photos,
        split: Split,
        observer: &mut dyn Observer,
    ) -> Result<Option<Network>, TrainError> {
        let parameters = self.parameters;
        let mix = self.mix(photos.len(), split.train);
        let lessons = Lessons::new((self.images, split.train), photos, mix, parameters.seed);
        let mut learner = Learner::new(self.start.clone(), parameters.batch_size, learning(parameters));
        // Numbers that no epoch of the training before had.
        let number = parameters.epochs + 1;
        let epoch = lessons.epoch(number);
        let batch = learner.full_batch().unwrap_or(parameters.batch_size);
        let steps = epoch.len().div_ceil(batch) as u64;
        let begun = std::time::Instant::now();
        for step in 0..steps {
            let peak = parameters.learning_rate * RATE_SHARE;
            let rate = RateSchedule::OneCycle.rate(peak, step, steps);
            let first = step as usize * batch;
            let tally = step_through(
                &mut learner,
                &epoch,
                (batch, first, number),
                (parameters.seed, rate),
            );
            if !tally.loss_sum.is_finite() {
                return Err(TrainError::Diverged {
                    epoch: number,
                    learning_rate: peak,
                });
            }
            let progress = Progress {
                epoch: number,
                epochs: parameters.epochs,
                images_done: (first + batch).min(epoch.len()),
                images_total: epoch.len(),
                loss: tally.loss(),
                accuracy: tally.accuracy(),
                seconds: begun.elapsed().as_secs_f64(),
            };
            if observer.progress(&progress) == Flow::Stop {
                return Ok(None);
            }
        }
        settle(&mut learner, &lessons, MEASURING_BATCHES);
        Ok(Some(learner.network().clone()))
    }

    fn mix(&self, photos: usize, fashion: usize) -> Mix {
        let views = views(photos, self.photo_share);
        Mix {
            augmentation: self.parameters.augmentation,
            fashion: (PICTURES - views).min(fashion),
            photos: views,
        }
    }
}

/// How often so many photos are shown in a tuning, all together.
fn views(photos: usize, share: f64) -> usize {
    let wanted = (PICTURES as f64 * share) as usize;
    wanted.min(photos * MAX_VIEWS).min(PICTURES)
}

/// How often each of so many photos is shown in a tuning, rounded down, and their share of its pictures.
pub fn seen(photos: usize, share: f64) -> (usize, f64) {
    let views = views(photos, share);
    (views / photos.max(1), views as f64 / PICTURES as f64)
}

/// What a network says of photos.
pub fn ask(network: &Network, photos: &Photos) -> Vec<RawAnswer> {
    let mut answers = Vec::with_capacity(photos.len());
    in_batches(network, &photos.pixels, |scorer, count, draw| {
        answers.extend(scorer.score(count, draw));
    });
    answers
}

/// What the last layer of a network sees of pictures, `[picture][feature]`; nothing of a plain one.
fn features(network: &Network, pixels: &[u8]) -> Vec<f32> {
    let mut all = Vec::new();
    in_batches(network, pixels, |scorer, count, draw| {
        all.extend(scorer.features(count, draw).into_iter().flatten());
    });
    all
}

fn in_batches(network: &Network, pixels: &[u8], mut work: impl FnMut(&mut Scorer, usize, Pictures)) {
    /// As many as keep the cores busy.
    const BATCH: usize = 128;
    let mut scorer = Scorer::new(network, BATCH);
    let all = pixels.len() / INPUT_LEN;
    for first in (0..all).step_by(BATCH) {
        let draw = |position: usize, values: &mut [f32; INPUT_LEN]| {
            plain(picture(pixels, first + position), values);
        };
        work(&mut scorer, BATCH.min(all - first), &draw);
    }
}

fn is_unknown(photos: &Photos) -> Vec<bool> {
    let truths = photos.truths.iter();
    truths.map(|truth| truth.label().is_none()).collect()
}

#[cfg(test)]
mod tests;
