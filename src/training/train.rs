//! The training loop.
//!
//! In: training pictures, parameters, perhaps a checkpoint. Out: the network of the epoch that did best on the
//! validation pictures, and the history. Never: the test pictures, what is shown to a person, the exported file.

use std::path::Path;
use std::time::Instant;

use super::checkpoint::{self, Checkpoint, CheckpointError};
use super::dataset::{FileRecord, Images};
use super::lessons::{Epoch, Lessons, MEASURING_EPOCH, Mix, Photos, picture, plain};
use super::network::learner::{Learner, Learning};
use super::network::loss::Tally;
use super::network::plain::{BatchPlace, SHARDS};
use super::network::{Architecture, Network};
use super::parameters::Split;
pub use super::parameters::{ParameterError, TrainParameters};
pub use super::progress::{EpochRecord, Flow, Observer, Progress};
use crate::domain::Augmentation;

/// Goes up with every change of what a training makes of the same data, parameters and corrections, between releases too.
pub const RECIPE: u32 = 6;

/// Whether and where a training's state is kept, and whether it begins from what lies there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checkpointing<'a> {
    /// Fresh weights, nothing kept.
    Off,
    /// Fresh weights; what lies there is replaced after the first epoch.
    Fresh(&'a Path),
    /// Goes on from what lies there, which must be of the same data and parameters (but for more epochs).
    Resume(&'a Path),
}

impl<'a> Checkpointing<'a> {
    /// Where the state is kept.
    fn path(self) -> Option<&'a Path> {
        match self {
            Checkpointing::Off => None,
            Checkpointing::Fresh(path) | Checkpointing::Resume(path) => Some(path),
        }
    }
}

/// All that a training needs.
#[derive(Debug, Clone, Copy)]
pub struct TrainingJob<'a> {
    /// The network's sizes.
    pub architecture: Architecture,
    /// How to train.
    pub parameters: &'a TrainParameters,
    /// Pictures for training and validation.
    pub images: &'a Images,
    /// Corrected photos.
    pub photos: &'a Photos,
    /// Where they came from; a checkpoint fits only the same.
    pub files: &'a [FileRecord],
    /// Whether and where the state is kept.
    pub checkpoint: Checkpointing<'a>,
}

/// The epoch that did best on the validation pictures.
#[derive(Debug, Clone, PartialEq)]
pub struct BestEpoch {
    /// From 1.
    pub epoch: u32,
    /// The network as it was after that epoch.
    pub network: Network,
}

/// How training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// All epochs are done.
    Finished,
    /// The observer stopped it.
    Stopped,
}

/// What training left.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// Every whole epoch, the resumed ones included.
    pub history: Vec<EpochRecord>,
    /// Absent only if training was stopped within its first epoch.
    pub best: Option<BestEpoch>,
    /// Whether it ran to its end.
    pub ended: Ended,
}

/// A training that could not be done.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A parameter cannot be.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// The checkpoint could not be read, does not fit, or could not be written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The threads could not be started.
    #[error("could not start the threads to train on: {0}; fewer may do (train.threads)")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// The numbers ran away.
    #[error(
        "training went astray in epoch {epoch}: the loss is no longer a number; a lower learning rate helps (train.learning_rate is {learning_rate})"
    )]
    Diverged {
        /// In which epoch.
        epoch: u32,
        /// The rate.
        learning_rate: f32,
    },
}

/// Trains on all cores (or `parameters.threads`) until all epochs are done or the observer stops it.
pub fn train_blocking(job: &TrainingJob, observer: &mut dyn Observer) -> Result<Trained, TrainError> {
    let split = job.parameters.check(job.images.len())?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads(job.parameters))
        .thread_name(|index| format!("train-{index}"))
        .build()?;
    pool.install(|| Run::begin(job, split)?.finish(observer))
}

/// How many threads to train on.
pub(super) fn threads(parameters: &TrainParameters) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    parameters.threads.unwrap_or_else(cores).min(MAX_THREADS)
}

/// More threads than shards would only wait, but for the update, which has about twice as many parts.
const MAX_THREADS: usize = SHARDS * 2;

/// Full batches on which a network with normalisation is measured before it is asked.
pub(super) const MEASURING_BATCHES: usize = 16;

/// A training under way. Owns everything that changes.
struct Run<'a> {
    job: &'a TrainingJob<'a>,
    split: Split,
    lessons: Lessons<'a>,
    learner: Learner,
    /// Each training row's loss when it was last seen; empty while not all have been, and in plain networks.
    losses: Vec<f32>,
    history: Vec<EpochRecord>,
    best: Option<BestEpoch>,
}

impl<'a> Run<'a> {
    fn begin(job: &'a TrainingJob<'a>, split: Split) -> Result<Self, TrainError> {
        let parameters = job.parameters;
        let mix = Mix {
            augmentation: parameters.augmentation,
            fashion: split.train,
            photos: 0,
        };
        let network = Network::new(job.architecture, parameters.seed);
        let mut run = Self {
            job,
            split,
            lessons: Lessons::new((job.images, split.train), job.photos, mix, parameters.seed),
            learner: Learner::new(network, parameters.batch_size, learning(parameters)),
            losses: Vec::new(),
            history: Vec::new(),
            best: None,
        };
        if let Checkpointing::Resume(path) = job.checkpoint {
            let found = checkpoint::read_blocking(path, &identity(job))?;
            run.learner
                .restore(found.state)
                .expect("a checkpoint of this architecture has as many numbers; this is a bug");
            run.losses = found.losses;
            run.history = found.history;
            run.best = found.best;
        }
        Ok(run)
    }

    fn finish(mut self, observer: &mut dyn Observer) -> Result<Trained, TrainError> {
        observer.resumed(&self.history);
        let mut ended = Ended::Finished;
        for epoch in self.history.len() as u32 + 1..=self.job.parameters.epochs {
            let Some(record) = self.epoch(epoch, observer)? else {
                ended = Ended::Stopped;
                break;
            };
            self.keep(record)?;
            let last = epoch == self.job.parameters.epochs;
            if observer.epoch_done(&record) == Flow::Stop && !last {
                ended = Ended::Stopped;
                break;
            }
        }
        Ok(Trained {
            history: self.history,
            best: self.best,
            ended,
        })
    }

    /// One epoch; `None` if the observer stopped it.
    fn epoch(&mut self, number: u32, observer: &mut dyn Observer) -> Result<Option<EpochRecord>, TrainError> {
        let begun = Instant::now();
        let parameters = self.job.parameters;
        let is_thinned = number <= parameters.epochs - whole_epochs(parameters.epochs);
        let epoch = match is_thinned {
            true => self.lessons.thinned_epoch(number, &self.losses),
            false => self.lessons.epoch(number),
        };
        let mut tally = Tally::default();
        let batch = self.learner.full_batch().unwrap_or(parameters.batch_size);
        let epoch_steps = epoch.len().div_ceil(batch);
        for index in 0..epoch_steps {
            // Counted in epochs: they need not have the same number of steps.
            let step = u64::from(number - 1) * epoch_steps as u64 + index as u64;
            let steps = u64::from(parameters.epochs) * epoch_steps as u64;
            let rate = parameters.schedule.rate(parameters.learning_rate, step, steps);
            let place = (batch, index * batch, number);
            let seen = step_through(&mut self.learner, &epoch, place, (parameters.seed, rate));
            tally.add(seen);
            remember(
                &mut self.losses,
                self.split.train,
                (&epoch, index * batch),
                &self.learner,
            );
            let progress = Progress {
                epoch: number,
                epochs: parameters.epochs,
                images_done: ((index + 1) * batch).min(epoch.len()),
                images_total: epoch.len(),
                loss: tally.loss(),
                accuracy: tally.accuracy(),
                seconds: begun.elapsed().as_secs_f64(),
            };
            if !tally.loss_sum.is_finite() {
                let learning_rate = parameters.learning_rate;
                return Err(TrainError::Diverged {
                    epoch: number,
                    learning_rate,
                });
            }
            if observer.progress(&progress) == Flow::Stop {
                return Ok(None);
            }
        }
        let validation = self.validate();
        Ok(Some(EpochRecord {
            epoch: number,
            seconds: begun.elapsed().as_secs_f64(),
            loss: tally.loss(),
            accuracy: tally.accuracy(),
            val_loss: validation.loss(),
            val_accuracy: validation.accuracy(),
        }))
    }

    fn validate(&mut self) -> Tally {
        settle(&mut self.learner, &self.lessons, MEASURING_BATCHES);
        let first = self.split.train;
        let labels = &self.job.images.labels[first..first + self.split.validation];
        let labels: Vec<u8> = labels.iter().map(|label| label.index() as u8).collect();
        let pixels = &self.job.images.pixels;
        self.learner.validate(&labels, &|place, values| {
            plain(picture(pixels, first + place), values)
        })
    }

    /// Takes the epoch into the history, the network if it is the best so far, and writes the checkpoint.
    ///
    /// The best is the one with the highest validation accuracy, the earliest of equals. Not the lowest loss: the loss
    /// turns up again when the network grows too sure of itself, long before it stops getting better at the labels, and
    /// confidences are calibrated afterwards anyway; a wrong label cannot be.
    fn keep(&mut self, record: EpochRecord) -> Result<(), TrainError> {
        let best_so_far = self
            .history
            .iter()
            .map(|epoch| epoch.val_accuracy)
            .fold(f64::NEG_INFINITY, f64::max);
        if record.val_accuracy > best_so_far {
            self.best = Some(BestEpoch {
                epoch: record.epoch,
                network: self.learner.network().clone(),
            });
        }
        self.history.push(record);
        if let Some(path) = self.job.checkpoint.path() {
            let checkpoint = Checkpoint {
                state: &self.learner.state(),
                losses: &self.losses,
                history: &self.history,
                best: self.best.as_ref(),
            };
            checkpoint::write_blocking(path, &identity(self.job), &checkpoint)?;
        }
        Ok(())
    }
}

/// At the end so many epochs show every picture, so that what the network last saw is not thinned.
fn whole_epochs(epochs: u32) -> u32 {
    epochs.div_ceil(8)
}

/// Takes down the losses of the training rows among the lessons from `first` on.
fn remember(losses: &mut Vec<f32>, rows: usize, (epoch, first): (&Epoch, usize), learner: &Learner) {
    let Some(found) = learner.losses() else { return };
    // Before a row was seen, it is as hard as can be.
    losses.resize(rows, f32::MAX);
    for (position, loss) in found.enumerate() {
        if let Some(row) = epoch.row(first + position) {
            losses[row] = loss;
        }
    }
}

/// One step on the `batch` lessons from `first` on of the epoch `number`; a learner that wants full batches gets the
/// epoch's first pictures once more behind its last.
pub(super) fn step_through(
    learner: &mut Learner,
    epoch: &Epoch,
    (batch, first, number): (usize, usize, u32),
    (seed, rate): (u64, f32),
) -> Tally {
    let place = BatchPlace {
        seed,
        epoch: number,
        first: first as u32,
    };
    let count = learner.full_batch().unwrap_or(batch.min(epoch.len() - first));
    let labels: Vec<u8> = (first..first + count).map(|place| epoch.truth(place)).collect();
    let weights: Vec<f32> = (first..first + count).map(|place| epoch.weight(place)).collect();
    let picture = |position: usize, values: &mut _| epoch.draw(first + position, values);
    learner.train((&picture, &labels, &weights), place, rate)
}

/// Makes a network of what was learned, normalised by pictures such as those it was trained on.
pub(super) fn settle(learner: &mut Learner, lessons: &Lessons, batches: usize) {
    let epoch = lessons.epoch(MEASURING_EPOCH);
    learner.settle(batches, &|place, values| epoch.draw(place, values));
}

/// How the loss is made up, and how long the mean of the numbers remembers.
pub(super) fn learning(parameters: &TrainParameters) -> Learning {
    let mut learning = Learning::default();
    if parameters.augmentation == Augmentation::Photo {
        learning.loss.unknown_weight = UNKNOWN_WEIGHT;
        // Smoothed labels teach a network to be as unsure of what is easy as of what is not, which one temperature cannot
        // mend (G. Xia, O. Laurent, G. Franchi and C.-S. Bouganis, 'Towards understanding why label smoothing degrades
        // selective classification and how to fix it', 2024). A shop lives by knowing which tags are sure.
        learning.loss.smoothing = 0.0;
    }
    learning
}

/// Weight of "is it any of the ten" beside "which one": enough to be learned, too little to disturb.
const UNKNOWN_WEIGHT: f32 = 0.5;

fn identity<'a>(job: &TrainingJob<'a>) -> checkpoint::Identity<'a> {
    checkpoint::Identity {
        architecture: job.architecture,
        parameters: job.parameters,
        files: job.files,
    }
}

#[cfg(test)]
#[path = "train_tests.rs"]
mod tests;
