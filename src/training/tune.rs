//! A trained network learns a shop's own photos.
//!
//! In: a network, Fashion-MNIST, photos of which a person said the truth. Out: the network that has seen them, too; for
//! each photo, the answer of one that has not. Never: a held-out, validation or test picture; a change of the start.
//!
//! A short training in which a good share of the pictures are such photos, each many times and never twice alike. What a
//! network says of photos that it was trained on is worth nothing as evidence, so the same is done once more for each
//! part of them without that part (cross-validation), and the answers of those networks are kept.

use rayon::ThreadPoolBuilder;

use super::dataset::Images;
use super::lessons::{Lessons, Mix, Photos, picture, plain};
use super::network::Network;
use super::network::learner::{Learner, Scorer};
use super::parameters::{Split, TrainParameters};
use super::train::{Flow, MEASURING_BATCHES, Observer, Progress, TrainError, learning, settle, step_through};
use crate::domain::{INPUT_LEN, LABEL_COUNT, RateSchedule};

/// Parts that photos are split into for `out_of_fold`.
pub const FOLDS: usize = 4;
/// Pictures of a tuning.
const PICTURES: usize = 30_000;
/// Share of Fashion-MNIST's pictures that are drawn as photos: more than in a training, because a shop's photos are what it
/// is for.
const PHOTO_LIKE: f32 = 0.2;
/// No photo is shown more often than this: a handful shall not be learned by heart.
const MAX_VIEWS: usize = 120;
/// The greatest rate, as a share of that of the training before.
const RATE_SHARE: f32 = 0.35;

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

impl Tuning<'_> {
    /// The network that has learned all photos; `None` if the observer stopped it.
    pub fn tune_blocking(&self, observer: &mut dyn Observer) -> Result<Option<Network>, TrainError> {
        self.in_pool(|split| self.tune(self.photos, split, observer))
    }

    /// For each photo, the answer of a network tuned without its part of the photos; `None` if the observer stopped it.
    pub fn out_of_fold_blocking(
        &self,
        observer: &mut dyn Observer,
    ) -> Result<Option<Vec<RawAnswer>>, TrainError> {
        self.in_pool(|split| {
            let mut answers = vec![([0.0; LABEL_COUNT], None); self.photos.len()];
            for fold in 0..FOLDS.min(self.photos.len()) {
                let is_left_out = |number: usize| number % FOLDS == fold;
                let seen = self.photos.only(|number| !is_left_out(number));
                let Some(network) = self.tune(&seen, split, observer)? else {
                    return Ok(None);
                };
                let left_out = self.photos.only(is_left_out);
                let numbers = (0..self.photos.len()).filter(|&number| is_left_out(number));
                for (number, answer) in numbers.zip(ask(&network, &left_out)) {
                    answers[number] = answer;
                }
            }
            Ok(Some(answers))
        })
    }

    fn in_pool<T: Send>(
        &self,
        work: impl FnOnce(Split) -> Result<T, TrainError> + Send,
    ) -> Result<T, TrainError> {
        let split = self.parameters.check(self.images.len())?;
        let threads = super::train::threads(self.parameters);
        let pool = ThreadPoolBuilder::new().num_threads(threads).build()?;
        pool.install(|| work(split))
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
            photo_like: PHOTO_LIKE,
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
    /// As many as keep the cores busy.
    const BATCH: usize = 128;
    let mut scorer = Scorer::new(network, BATCH);
    let mut answers = Vec::with_capacity(photos.len());
    for first in (0..photos.len()).step_by(BATCH) {
        let count = BATCH.min(photos.len() - first);
        let draw = |position: usize, values: &mut [f32; INPUT_LEN]| {
            plain(picture(&photos.pixels, first + position), values);
        };
        answers.extend(scorer.score(count, &draw));
    }
    answers
}

#[cfg(test)]
mod tests;
