//! One way to train and to ask every kind of network.
//!
//! In: pictures, what they show, a rate. Out: tallies, a network, probabilities. Never: epochs, the choice of pictures,
//! files.

use super::familiarity::Sigmoid;
use super::loss::{self, Tally};
use super::plain::{self, BatchPlace, adam::Adam};
use super::residual::{self, LossShape, NONE, State, Statistics, StepShape};
use super::{Architecture, Network, Pictures};
use crate::domain::LABEL_COUNT;

/// What of a training is not the network's: how the loss of a residual network is made up. Plain networks know one
/// loss, cross-entropy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Learning {
    /// See `LossShape`.
    pub loss: LossShape,
    /// Share of the running mean of the numbers that a step keeps, 0..1; what is exported is that mean.
    pub averaging: f32,
}

impl Default for Learning {
    fn default() -> Self {
        Self {
            loss: LossShape {
                smoothing: 0.05,
                unknown_weight: 0.0,
                uniform_weight: 0.0,
            },
            averaging: 0.998,
        }
    }
}

/// A network in training, with all that changes. Owns its buffers.
pub struct Learner {
    kind: Kind,
}

enum Kind {
    Plain {
        engine: Box<plain::Engine>,
        network: Network,
        adam: Adam,
    },
    Residual {
        engine: Box<residual::Engine>,
        learning: Learning,
        numbers: Vec<f32>,
        state: State,
        steps: u64,
        /// The running mean with its statistics, as of the last `settle`.
        settled: Network,
    },
}

/// What an optimiser keeps: two numbers for each of the network's, and two for itself.
#[derive(Debug, Clone, PartialEq)]
pub struct OptimiserState {
    /// The network's numbers as they stand in training (those of `Learner::network` may be a mean).
    pub numbers: Vec<f32>,
    /// Adam's means, or momentum.
    pub first: Vec<f32>,
    /// Adam's squares, or the running mean of the numbers.
    pub second: Vec<f32>,
    /// Adam's powers; steps taken, as a number, and zero.
    pub powers: [f64; 2],
}

impl Learner {
    /// Goes on from `network`, for batches of `batch_size`.
    pub fn new(network: Network, batch_size: usize, learning: Learning) -> Self {
        let kind = match network.architecture {
            Architecture::Plain(shape) => {
                let mut engine = Box::new(plain::Engine::new(shape, batch_size));
                engine.load(network.parameters());
                Kind::Plain {
                    engine,
                    adam: Adam::new(shape.parameter_count()),
                    network,
                }
            }
            Architecture::Residual(channels) => Kind::Residual {
                engine: Box::new(residual::Engine::new(channels, batch_size)),
                learning,
                numbers: network.parameters().to_vec(),
                state: State {
                    momentum: vec![0.0; network.parameters().len()],
                    mean: network.parameters().to_vec(),
                },
                steps: 0,
                settled: network,
            },
        };
        Self { kind }
    }

    /// Goes on from where another one stood; `None` if the numbers are not as many.
    pub fn restore(&mut self, found: OptimiserState) -> Option<()> {
        let OptimiserState {
            numbers: found_numbers,
            first,
            second,
            powers,
        } = found;
        match &mut self.kind {
            Kind::Plain {
                engine,
                network,
                adam,
            } => {
                *network = Network::from_numbers(network.architecture, found_numbers)?;
                engine.load(network.parameters());
                let fits = first.len() == adam.means.len() && second.len() == adam.squares.len();
                *adam = Adam {
                    means: first,
                    squares: second,
                    beta_1_power: powers[0],
                    beta_2_power: powers[1],
                };
                fits.then_some(())
            }
            Kind::Residual {
                numbers,
                state,
                steps,
                ..
            } => {
                let fits = [&found_numbers, &first, &second]
                    .iter()
                    .all(|found| found.len() == numbers.len());
                *numbers = found_numbers;
                *state = State {
                    momentum: first,
                    mean: second,
                };
                *steps = powers[0] as u64;
                fits.then_some(())
            }
        }
    }

    /// What `restore` takes.
    pub fn state(&self) -> OptimiserState {
        match &self.kind {
            Kind::Plain { network, adam, .. } => OptimiserState {
                numbers: network.parameters().to_vec(),
                first: adam.means.clone(),
                second: adam.squares.clone(),
                powers: [adam.beta_1_power, adam.beta_2_power],
            },
            Kind::Residual {
                numbers,
                state,
                steps,
                ..
            } => OptimiserState {
                numbers: numbers.clone(),
                first: state.momentum.clone(),
                second: state.mean.clone(),
                powers: [*steps as f64, 0.0],
            },
        }
    }

    /// Pictures that every batch must have, `None` if any number up to the batch size will do: a normalisation by batch
    /// wants full ones.
    pub fn full_batch(&self) -> Option<usize> {
        match &self.kind {
            Kind::Plain { .. } => None,
            Kind::Residual { engine, .. } => Some(engine.capacity()),
        }
    }

    /// One step; plain networks know no `NONE` among labels, and to them every picture counts alike.
    pub fn train(
        &mut self,
        (pictures, labels, weights): (Pictures, &[u8], &[f32]),
        place: BatchPlace,
        rate: f32,
    ) -> Tally {
        match &mut self.kind {
            Kind::Plain {
                engine,
                network,
                adam,
            } => {
                debug_assert!(labels.iter().all(|&label| label != NONE));
                let numbers = &mut network.numbers;
                engine.train((numbers, adam), (pictures, labels), place, rate)
            }
            Kind::Residual {
                engine,
                learning,
                numbers,
                state,
                steps,
                ..
            } => {
                // The mean forgets its beginning quickly at first: what it was then is of no use.
                let ramp = (1.0 + *steps as f32) / (10.0 + *steps as f32);
                let shape = StepShape {
                    averaging: learning.averaging.min(ramp),
                    ..StepShape::DEFAULT
                };
                *steps += 1;
                engine.train(
                    (numbers, state),
                    (pictures, labels, weights),
                    learning.loss,
                    (shape, rate),
                )
            }
        }
    }

    /// Each picture's loss in the last step, in the batch's order; of a residual network alone.
    pub fn losses(&self) -> Option<impl Iterator<Item = f32>> {
        match &self.kind {
            Kind::Plain { .. } => None,
            Kind::Residual { engine, .. } => Some(engine.losses()),
        }
    }

    /// Makes `network` of what was learned, so that it can be asked: a residual network's running mean is normalised by
    /// what is measured on `batches` full batches of `pictures` (position counted through).
    pub fn settle(&mut self, batches: usize, pictures: Pictures) {
        if let Kind::Residual {
            engine,
            state,
            settled,
            ..
        } = &mut self.kind
        {
            let statistics = measure(engine, &state.mean, batches, pictures);
            let count = state.mean.len();
            settled.numbers[..count].copy_from_slice(&state.mean);
            for (pair, statistics) in settled.numbers[count..]
                .as_chunks_mut::<2>()
                .0
                .iter_mut()
                .zip(statistics)
            {
                *pair = [statistics.mean, statistics.variance];
            }
        }
    }

    /// The network as of the last `settle`; a plain one as it stands.
    pub fn network(&self) -> &Network {
        match &self.kind {
            Kind::Plain { network, .. } => network,
            Kind::Residual { settled, .. } => settled,
        }
    }

    /// Loss and right answers of `network` on pictures, in batches.
    pub fn validate(&mut self, labels: &[u8], pictures: Pictures) -> Tally {
        let mut tally = Tally::default();
        let batch = match &self.kind {
            Kind::Plain { engine, .. } => engine.capacity(),
            Kind::Residual { engine, .. } => engine.capacity(),
        };
        let mut some = vec![[0.0; LABEL_COUNT]; batch];
        for (index, labels) in labels.chunks(batch).enumerate() {
            let picture = |position: usize, values: &mut _| pictures(index * batch + position, values);
            let some = &mut some[..labels.len()];
            match &mut self.kind {
                Kind::Plain { engine, network, .. } => score_plain(engine, network, &picture, some),
                Kind::Residual { engine, settled, .. } => {
                    score_residual(engine, settled, &picture, some, None)
                }
            }
            tally.add(loss::tally(some.as_flattened(), labels));
        }
        tally
    }
}

/// Asks a network.
pub struct Scorer<'a> {
    network: &'a Network,
    engine: ScoringEngine,
}

enum ScoringEngine {
    Plain(Box<plain::Engine>),
    Residual(Box<residual::Engine>),
}

impl<'a> Scorer<'a> {
    /// For up to `batch` pictures at once.
    pub fn new(network: &'a Network, batch: usize) -> Self {
        let engine = match network.architecture {
            Architecture::Plain(shape) => {
                let mut engine = Box::new(plain::Engine::new(shape, batch));
                engine.load(network.parameters());
                ScoringEngine::Plain(engine)
            }
            Architecture::Residual(channels) => {
                ScoringEngine::Residual(Box::new(residual::Engine::new(channels, batch)))
            }
        };
        Self { network, engine }
    }

    /// Probabilities of `count` pictures, at most as many as said: ten labels, and "none of them" if the network knows.
    pub fn score(&mut self, count: usize, pictures: Pictures) -> Vec<([f32; LABEL_COUNT], Option<f32>)> {
        let mut labels = vec![[0.0; LABEL_COUNT]; count];
        match &mut self.engine {
            ScoringEngine::Plain(engine) => {
                score_plain(engine, self.network, pictures, &mut labels);
                labels.into_iter().map(|labels| (labels, None)).collect()
            }
            ScoringEngine::Residual(engine) => {
                let mut unknown = vec![0.0; count];
                score_residual(engine, self.network, pictures, &mut labels, Some(&mut unknown));
                if let Some(familiarity) = self.network.familiarity() {
                    let values = familiarity.values(&features_of(engine, count), &labels);
                    for (unknown, log_odds) in unknown.iter_mut().zip(values) {
                        *unknown = Sigmoid::ONE.chance(log_odds) as f32;
                    }
                }
                labels
                    .into_iter()
                    .zip(unknown)
                    .map(|(labels, unknown)| (labels, Some(unknown)))
                    .collect()
            }
        }
    }

    /// What the last layer sees of `count` pictures, at most as many as said, `[picture][feature]`; of a residual network
    /// alone.
    pub fn features(&mut self, count: usize, pictures: Pictures) -> Option<Vec<f32>> {
        let ScoringEngine::Residual(engine) = &mut self.engine else {
            return None;
        };
        let mut labels = vec![[0.0; LABEL_COUNT]; count];
        score_residual(engine, self.network, pictures, &mut labels, None);
        Some(features_of(engine, count))
    }
}

/// Of the first pictures last scored, `[picture][feature]`.
fn features_of(engine: &residual::Engine, count: usize) -> Vec<f32> {
    engine.features().take(count).flatten().copied().collect()
}

fn score_plain(
    engine: &mut plain::Engine,
    network: &Network,
    pictures: Pictures,
    some: &mut [[f32; LABEL_COUNT]],
) {
    engine.score(
        network.parameters(),
        (some.len(), pictures),
        some.as_flattened_mut(),
    );
}

fn score_residual(
    engine: &mut residual::Engine,
    network: &Network,
    pictures: Pictures,
    labels: &mut [[f32; LABEL_COUNT]],
    mut unknown: Option<&mut [f32]>,
) {
    let statistics: Vec<Statistics> = network.numbers[network.parameters().len()..]
        .as_chunks::<2>()
        .0
        .iter()
        .map(|&[mean, variance]| Statistics { mean, variance })
        .collect();
    let count = labels.len();
    let mut outputs = vec![0.0; count * residual::OUTPUTS];
    engine.score(network.parameters(), &statistics, (count, pictures), &mut outputs);
    for (index, row) in outputs.chunks_exact(residual::OUTPUTS).enumerate() {
        labels[index].copy_from_slice(&row[..LABEL_COUNT]);
        if let Some(unknown) = &mut unknown {
            unknown[index] = row[LABEL_COUNT];
        }
    }
}

/// Means and variances over all batches; variances are of the whole, not means of the batches' own.
fn measure(
    engine: &mut residual::Engine,
    numbers: &[f32],
    batches: usize,
    pictures: Pictures,
) -> Vec<Statistics> {
    let capacity = engine.capacity();
    let mut sums: Vec<[f64; 2]> = Vec::new();
    for batch in 0..batches {
        let picture = |position: usize, values: &mut _| pictures(batch * capacity + position, values);
        let found = engine.measure(numbers, &picture);
        sums.resize(found.len(), [0.0; 2]);
        for (sum, statistics) in sums.iter_mut().zip(found) {
            let mean = f64::from(statistics.mean);
            sum[0] += mean;
            sum[1] += f64::from(statistics.variance) + mean * mean;
        }
    }
    let count = batches.max(1) as f64;
    sums.into_iter()
        .map(|[mean, square]| {
            let mean = mean / count;
            Statistics {
                mean: mean as f32,
                variance: (square / count - mean * mean).max(0.0) as f32,
            }
        })
        .collect()
}
