//! The residual network: one batch through it, forward and backward, on up to `SHARDS` cores.
//!
//! In: a network, pictures, what they show. Out: probabilities and tallies; a changed network. Never: the order of the
//! pictures, epochs, files.
//!
//! A batch is split into `SHARDS` parts whatever the number of threads, each normalised by itself; their gradients are
//! added in order. So a seed gives the same bits on any number of cores of one kind of CPU.

use rayon::prelude::*;

pub mod convolver;
#[cfg(test)]
mod gradient_tests;
pub mod head;
mod memory;
mod muon;
#[cfg(test)]
mod muon_tests;
pub mod norm;
pub mod optimiser;
pub mod planes;
#[cfg(test)]
mod planes_tests;
pub mod shape;
mod shard;
mod stem;
mod weight_gradient;

pub use head::{LossShape, NONE};
pub use norm::Statistics;
pub use optimiser::{State, StepShape};
pub use shape::{Channels, OUTPUTS, Places};

use super::Pictures;
use super::loss::Tally;
use super::random::{Purpose, Stream};
use crate::domain::INPUT_LEN;
use optimiser::Optimiser;
use shard::{Normalising, Shard, Weights};

/// Parts of a batch. Few: the more pictures are normalised together, the less their statistics blur what is learned (parts
/// of 64 instead of 32 pictures gave 0.3 % more accuracy after four epochs). More cores than parts wait.
pub const SHARDS: usize = 4;

/// Buffers for batches of one size.
pub struct Engine {
    places: Places,
    per_shard: usize,
    shards: Vec<Shard>,
    gradient: Vec<f32>,
    optimiser: Optimiser,
}

impl Engine {
    /// Buffers for batches of `batch_size` pictures, rounded up to a multiple of `SHARDS`.
    pub fn new(channels: Channels, batch_size: usize) -> Self {
        let per_shard = batch_size.div_ceil(SHARDS).max(1);
        let places = channels.places();
        Self {
            per_shard,
            shards: (0..SHARDS).map(|_| Shard::new(&channels, per_shard)).collect(),
            gradient: vec![0.0; places.len],
            optimiser: Optimiser::new(&channels),
            places,
        }
    }

    /// Pictures a batch.
    pub fn capacity(&self) -> usize {
        self.per_shard * SHARDS
    }

    /// One step of training on a full batch; `labels` may be `NONE`, `weights` say how much each picture counts.
    pub fn train(
        &mut self,
        (parameters, state): (&mut [f32], &mut State),
        (pictures, labels, weights): (Pictures, &[u8], &[f32]),
        loss: LossShape,
        step: (StepShape, f32),
    ) -> Tally {
        let all = weights.iter().sum::<f32>().max(f32::MIN_POSITIVE);
        let shares: Vec<f32> = weights.iter().map(|weight| weight / all).collect();
        self.run(parameters, pictures, |shard, weights, range| {
            shard.forward(weights, Normalising::ByBatch);
            shard.backward(weights, (&labels[range.clone()], &shares[range]), loss);
        });
        let mut tally = Tally::default();
        self.shards.iter().for_each(|shard| tally.add(shard.tally()));
        const PART: usize = 16 * 1024;
        self.gradient
            .par_chunks_mut(PART)
            .enumerate()
            .for_each(|(part, sum)| {
                for (index, shard) in self.shards.iter().enumerate() {
                    let gradient = &shard.gradient()[part * PART..][..sum.len()];
                    if index == 0 {
                        sum.copy_from_slice(gradient);
                    } else {
                        sum.iter_mut()
                            .zip(gradient)
                            .for_each(|(sum, value)| *sum += value);
                    }
                }
            });
        self.optimiser
            .step(&self.places, (parameters, state), &self.gradient, step);
        tally
    }

    /// Each picture's loss in the last step, in the batch's order.
    pub fn losses(&self) -> impl Iterator<Item = f32> {
        self.shards
            .iter()
            .flat_map(|shard| shard.losses().iter().copied())
    }

    /// What normalises a full batch under these numbers: mean and variance of each channel over all shards.
    pub fn measure(&mut self, parameters: &[f32], pictures: Pictures) -> Vec<Statistics> {
        self.run(parameters, pictures, |shard, weights, _| {
            shard.forward(weights, Normalising::ByBatch)
        });
        let mut sums: Vec<[f64; 2]> = Vec::new();
        for shard in &self.shards {
            for (index, statistics) in shard.statistics().enumerate() {
                if sums.len() <= index {
                    sums.push([0.0; 2]);
                }
                let mean = f64::from(statistics.mean);
                sums[index][0] += mean / SHARDS as f64;
                sums[index][1] += (f64::from(statistics.variance) + mean * mean) / SHARDS as f64;
            }
        }
        sums.into_iter()
            .map(|[mean, square]| Statistics {
                mean: mean as f32,
                variance: (square - mean * mean).max(0.0) as f32,
            })
            .collect()
    }

    /// Probabilities `[picture][output]` of `count` pictures, at most `capacity`.
    pub fn score(
        &mut self,
        parameters: &[f32],
        statistics: &[Statistics],
        (count, pictures): (usize, Pictures),
        probabilities: &mut [f32],
    ) {
        let blank = |position: usize, values: &mut [f32; INPUT_LEN]| {
            if position < count {
                pictures(position, values);
            } else {
                values.fill(0.0);
            }
        };
        self.run(parameters, &blank, |shard, weights, _| {
            shard.forward(weights, Normalising::By(statistics));
        });
        for (shard, out) in self
            .shards
            .iter()
            .zip(probabilities.chunks_mut(self.per_shard * OUTPUTS))
        {
            out.copy_from_slice(&shard.probabilities()[..out.len()]);
        }
    }

    /// What the last layer saw of the pictures last scored, channel by channel.
    pub fn features(&self) -> impl Iterator<Item = &[f32]> {
        self.shards.iter().flat_map(Shard::features)
    }

    fn run<F>(&mut self, parameters: &[f32], pictures: Pictures, work: F)
    where
        F: Fn(&mut Shard, Weights, std::ops::Range<usize>) + Sync,
    {
        let per_shard = self.per_shard;
        let weights = Weights {
            parameters,
            places: &self.places,
        };
        self.shards
            .par_iter_mut()
            .with_max_len(1)
            .enumerate()
            .for_each(|(index, shard)| {
                let range = index * per_shard..(index + 1) * per_shard;
                let mut values = [0.0; INPUT_LEN];
                for (number, position) in range.clone().enumerate() {
                    pictures(position, &mut values);
                    shard.load(number, &values);
                }
                work(shard, weights, range);
            });
    }
}

/// Fresh numbers for a seed: He-normal-like uniform weights (He, Zhang, Ren, Sun 2015), scales one, shifts zero.
pub fn fresh(channels: &Channels, seed: u64) -> Vec<f32> {
    let places = channels.places();
    let mut parameters = vec![0.0; places.len];
    let mut fill = |place: std::ops::Range<usize>, layer: usize, limit: f32| {
        let mut stream = Stream::new(seed, Purpose::Initial { layer: layer as u32 });
        for value in &mut parameters[place] {
            *value = (stream.next_unit() * 2.0 - 1.0) * limit;
        }
    };
    for (number, (unit, places)) in channels.units().iter().zip(&places.units).enumerate() {
        fill(
            places.weights.clone(),
            number,
            (6.0 / (9 * unit.inputs) as f32).sqrt(),
        );
    }
    fill(
        places.dense_weights.clone(),
        places.units.len(),
        (1.0 / channels.deep as f32).sqrt(),
    );
    for unit in &places.units {
        parameters[unit.scales.clone()].fill(1.0);
    }
    parameters
}
