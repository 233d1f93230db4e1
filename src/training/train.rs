//! The training loop.
//!
//! In: training pictures, parameters, perhaps a checkpoint. Out: the network of the epoch that did best on the
//! validation pictures, and the history. Never: the test pictures, what is shown to a person, the exported file.

use std::path::Path;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::checkpoint::{self, Checkpoint, CheckpointError};
use super::dataset::{FileRecord, Images};
use super::network::adam::Adam;
use super::network::engine::{Batch, BatchPlace, Engine, SHARDS};
use super::network::loss::{self, Tally};
use super::network::random::{Purpose, Stream};
use super::network::{Architecture, Network};
use super::parameters::Split;
pub use super::parameters::{ParameterError, TrainParameters};
use crate::domain::LABEL_COUNT;

/// What one epoch came to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// From 1.
    pub epoch: u32,
    /// Wall time, validation included.
    pub seconds: f64,
    /// Mean cross-entropy over the epoch's training pictures, as they were seen: with dropout and changing weights.
    pub loss: f64,
    /// Share of right answers among them, 0..=1.
    pub accuracy: f64,
    /// Mean cross-entropy of the validation pictures after the epoch.
    pub val_loss: f64,
    /// Share of right answers among them, 0..=1.
    pub val_accuracy: f64,
}

/// Where a running epoch stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// From 1.
    pub epoch: u32,
    /// How many there will be.
    pub epochs: u32,
    /// Training pictures seen in this epoch.
    pub images_done: usize,
    /// Training pictures an epoch.
    pub images_total: usize,
    /// Mean cross-entropy so far in this epoch.
    pub loss: f64,
    /// Share of right answers so far in this epoch.
    pub accuracy: f64,
    /// Wall time since the epoch began.
    pub seconds: f64,
}

/// What an observer wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// End now; the last whole epoch's checkpoint stays.
    Stop,
}

/// Hears how training goes, and may stop it.
pub trait Observer: Send {
    /// After every batch.
    fn progress(&mut self, progress: &Progress) -> Flow {
        let _ = progress;
        Flow::Continue
    }

    /// After every epoch, its checkpoint written.
    fn epoch_done(&mut self, record: &EpochRecord) -> Flow {
        let _ = record;
        Flow::Continue
    }
}

/// Hears and stops nothing.
impl Observer for () {}

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
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let threads = job.parameters.threads.unwrap_or_else(cores).min(MAX_THREADS);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("train-{index}"))
        .build()?;
    pool.install(|| Run::begin(job, split)?.finish(observer))
}

/// More threads than shards would only wait, but for the update, which has about twice as many parts.
const MAX_THREADS: usize = SHARDS * 2;

/// A training under way. Owns everything that changes.
struct Run<'a> {
    job: &'a TrainingJob<'a>,
    split: Split,
    engine: Engine,
    network: Network,
    adam: Adam,
    history: Vec<EpochRecord>,
    best: Option<BestEpoch>,
    /// Rows in this epoch's order.
    order: Vec<u32>,
    labels: Vec<u8>,
    probabilities: Vec<f32>,
}

impl<'a> Run<'a> {
    fn begin(job: &'a TrainingJob<'a>, split: Split) -> Result<Self, TrainError> {
        let architecture = job.architecture;
        let batch_size = job.parameters.batch_size;
        let mut run = Self {
            job,
            split,
            engine: Engine::new(architecture, batch_size),
            network: Network::new(architecture, job.parameters.seed),
            adam: Adam::new(architecture.parameter_count()),
            history: Vec::new(),
            best: None,
            order: Vec::with_capacity(split.train),
            labels: Vec::with_capacity(batch_size),
            probabilities: vec![0.0; batch_size * LABEL_COUNT],
        };
        if let Checkpointing::Resume(path) = job.checkpoint {
            let found = checkpoint::read_blocking(path, &identity(job))?;
            run.network = found.network;
            run.adam = found.adam;
            run.history = found.history;
            run.best = found.best;
        }
        run.engine.load(&run.network);
        Ok(run)
    }

    fn finish(mut self, observer: &mut dyn Observer) -> Result<Trained, TrainError> {
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
    fn epoch(&mut self, epoch: u32, observer: &mut dyn Observer) -> Result<Option<EpochRecord>, TrainError> {
        let begun = Instant::now();
        let parameters = self.job.parameters;
        self.order.clear();
        self.order.extend(0..self.split.train as u32);
        Stream::new(parameters.seed, Purpose::Shuffle { epoch }).shuffle(&mut self.order);
        let mut tally = Tally::default();
        let epoch_steps = self.order.len().div_ceil(parameters.batch_size) as u64;
        for (index, rows) in self.order.chunks(parameters.batch_size).enumerate() {
            fill_labels(
                &mut self.labels,
                self.job.images,
                rows.iter().map(|&row| row as usize),
            );
            let batch = Batch::Rows {
                pixels: &self.job.images.pixels,
                rows,
            };
            let place = BatchPlace {
                seed: parameters.seed,
                epoch,
                first: (index * parameters.batch_size) as u32,
            };
            let step = u64::from(epoch - 1) * epoch_steps + index as u64;
            let steps = u64::from(parameters.epochs) * epoch_steps;
            tally.add(self.engine.train(
                (&mut self.network, &mut self.adam),
                (batch, &self.labels),
                place,
                parameters.schedule.rate(parameters.learning_rate, step, steps),
            ));
            let progress = Progress {
                epoch,
                epochs: parameters.epochs,
                images_done: tally.images as usize,
                images_total: self.order.len(),
                loss: tally.loss(),
                accuracy: tally.accuracy(),
                seconds: begun.elapsed().as_secs_f64(),
            };
            if !tally.loss_sum.is_finite() {
                let learning_rate = parameters.learning_rate;
                return Err(TrainError::Diverged { epoch, learning_rate });
            }
            if observer.progress(&progress) == Flow::Stop {
                return Ok(None);
            }
        }
        let validation = self.validate();
        Ok(Some(EpochRecord {
            epoch,
            seconds: begun.elapsed().as_secs_f64(),
            loss: tally.loss(),
            accuracy: tally.accuracy(),
            val_loss: validation.loss(),
            val_accuracy: validation.accuracy(),
        }))
    }

    fn validate(&mut self) -> Tally {
        let mut tally = Tally::default();
        self.order.clear();
        let first = self.split.train;
        self.order
            .extend(first as u32..(first + self.split.validation) as u32);
        for rows in self.order.chunks(self.job.parameters.batch_size) {
            fill_labels(
                &mut self.labels,
                self.job.images,
                rows.iter().map(|&row| row as usize),
            );
            let batch = Batch::Rows {
                pixels: &self.job.images.pixels,
                rows,
            };
            let probabilities = &mut self.probabilities[..rows.len() * LABEL_COUNT];
            self.engine.score(&self.network, batch, probabilities);
            tally.add(loss::tally(probabilities, &self.labels));
        }
        tally
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
                network: self.network.clone(),
            });
        }
        self.history.push(record);
        if let Some(path) = self.job.checkpoint.path() {
            let checkpoint = Checkpoint {
                network: &self.network,
                adam: &self.adam,
                history: &self.history,
                best: self.best.as_ref(),
            };
            checkpoint::write_blocking(path, &identity(self.job), &checkpoint)?;
        }
        Ok(())
    }
}

fn fill_labels(labels: &mut Vec<u8>, images: &Images, rows: impl Iterator<Item = usize>) {
    labels.clear();
    labels.extend(rows.map(|row| images.labels[row].index() as u8));
}

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
