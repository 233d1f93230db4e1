//! One batch through the network, forward and backward, on all cores.
//!
//! In: a network's numbers, images, their labels. Out: probabilities and tallies; changed numbers. Never: the order of the
//! images, epochs, files; allocation after `new`.
//!
//! A batch is split into `SHARDS` parts whatever the number of threads, each with its own buffers and its own
//! gradient; the gradients are added in the order of the shards. So a seed gives the same bits on any number of cores of
//! one kind of CPU (on another kind, `gemm` may sum in other pieces).

use rayon::prelude::*;

use super::adam::{self, Adam, AdamPart};
use super::conv::{self, ConvShape};
use super::dense;
use super::shape::{BLOCKS, Places, Plain};
use super::shard::{Shard, Weights};
use crate::domain::LABEL_COUNT;
use crate::training::network::Pictures;
use crate::training::network::loss::Tally;

/// How many parts a batch is split into: enough to keep eight cores busy, few enough that adding up their gradients
/// stays cheap.
pub const SHARDS: usize = 8;

/// Names the dropout of a batch.
#[derive(Debug, Clone, Copy)]
pub struct BatchPlace {
    /// Seed of the run.
    pub seed: u64,
    /// Epoch, from 1.
    pub epoch: u32,
    /// Place of the batch's first image in the epoch's order.
    pub first: u32,
}

/// Buffers for batches of one size.
#[derive(Debug)]
pub struct Engine {
    architecture: Plain,
    places: Places,
    per_shard: usize,
    shards: Vec<Shard>,
    /// Weights of the convolutions as the forward pass wants them: `[patch][output channel]`.
    by_patch: [Vec<f32>; BLOCKS],
    /// Last block's outputs of the whole batch.
    flat: Vec<f32>,
    /// Gradient of the hidden sums of the whole batch.
    hidden_gradient: Vec<f32>,
    /// Gradient of all parameters.
    gradient: Vec<f32>,
}

impl Engine {
    /// Buffers for batches of up to `batch_size` images.
    pub fn new(architecture: Plain, batch_size: usize) -> Self {
        let places = architecture.places();
        let per_shard = batch_size.div_ceil(SHARDS).max(1);
        Self {
            architecture,
            per_shard,
            shards: (0..SHARDS)
                .map(|_| Shard::new(&architecture, per_shard))
                .collect(),
            by_patch: architecture
                .convolutions()
                .map(|shape| vec![0.0; shape.weights_len()]),
            flat: vec![0.0; SHARDS * per_shard * architecture.flat_len()],
            hidden_gradient: vec![0.0; SHARDS * per_shard * architecture.hidden],
            gradient: vec![0.0; places.len],
            places,
        }
    }

    /// The greatest number of images that one call takes.
    pub fn capacity(&self) -> usize {
        self.per_shard * SHARDS
    }

    /// Takes over a network's weights; must be called before `score` when they were changed elsewhere.
    pub fn load(&mut self, parameters: &[f32]) {
        let shapes = self.architecture.convolutions();
        for ((by_patch, shape), layer) in self.by_patch.iter_mut().zip(shapes).zip(&self.places.blocks) {
            arrange(shape, &parameters[layer.weights.clone()], by_patch);
        }
    }

    /// Probabilities of up to `capacity` images, `[image][label]`, without dropout.
    pub fn score(
        &mut self,
        parameters: &[f32],
        (count, pictures): (usize, Pictures),
        probabilities: &mut [f32],
    ) {
        self.run(parameters, count, |shard, weights, range, flat, _| {
            shard.load(pictures, range.clone());
            shard.forward(weights, None, flat);
        });
        for (shard, out) in self
            .shards
            .iter()
            .zip(probabilities.chunks_mut(self.per_shard * LABEL_COUNT))
        {
            out.copy_from_slice(&shard.probabilities()[..out.len()]);
        }
    }

    /// One step of training on a batch; `labels` belong to its images in order.
    pub fn train(
        &mut self,
        (parameters, adam): (&mut [f32], &mut Adam),
        (pictures, labels): (Pictures, &[u8]),
        place: BatchPlace,
        learning_rate: f32,
    ) -> Tally {
        let count = labels.len();
        self.run(
            parameters,
            count,
            |shard, weights, range, flat, hidden_gradient| {
                shard.load(pictures, range.clone());
                shard.forward(weights, Some(place), flat);
                shard.backward(
                    weights,
                    &labels[range],
                    1.0 / count as f32,
                    (flat, hidden_gradient),
                );
            },
        );
        let mut tally = Tally::default();
        for shard in &self.shards[..count.div_ceil(self.per_shard)] {
            tally.add(shard.tally());
        }
        self.update(parameters, adam, count, learning_rate);
        tally
    }

    /// Runs `work` for every shard that has images.
    fn run<F>(&mut self, parameters: &[f32], count: usize, work: F)
    where
        F: Fn(&mut Shard, Weights, std::ops::Range<usize>, &mut [f32], &mut [f32]) + Sync,
    {
        assert!(
            count <= self.capacity(),
            "{count} images do not fit: this is a bug"
        );
        let per_shard = self.per_shard;
        let weights = Weights {
            parameters,
            places: &self.places,
            by_patch: &self.by_patch,
        };
        self.shards
            .par_iter_mut()
            .zip(self.flat.par_chunks_mut(per_shard * self.architecture.flat_len()))
            .zip(
                self.hidden_gradient
                    .par_chunks_mut(per_shard * self.architecture.hidden),
            )
            .with_max_len(1)
            .enumerate()
            .for_each(|(index, ((shard, flat), hidden_gradient))| {
                let range = (index * per_shard).min(count)..((index + 1) * per_shard).min(count);
                if !range.is_empty() {
                    work(shard, weights, range, flat, hidden_gradient);
                }
            });
    }

    /// Adds up the gradients and takes Adam's step, in parts that do not depend on the number of threads.
    fn update(&mut self, parameters: &mut [f32], adam: &mut Adam, count: usize, learning_rate: f32) {
        let (flat_len, hidden) = (self.architecture.flat_len(), self.architecture.hidden);
        // A part is a block of whole rows of the first dense layer, whose weights come first.
        let part_len = self.architecture.filters[BLOCKS - 1] * hidden;
        let hidden_parts = flat_len * hidden / part_len;
        let hidden_shape = dense::DenseShape {
            inputs: flat_len,
            outputs: hidden,
        };
        let flat = &self.flat[..count * flat_len];
        let hidden_gradient = &self.hidden_gradient[..count * hidden];
        let shards = &self.shards[..count.div_ceil(self.per_shard)];
        let rate = adam.begin_step(learning_rate);
        parameters
            .par_chunks_mut(part_len)
            .zip(self.gradient.par_chunks_mut(part_len))
            .zip(adam.means.par_chunks_mut(part_len))
            .zip(adam.squares.par_chunks_mut(part_len))
            .with_max_len(1)
            .enumerate()
            .for_each(|(part, (((parameters, gradients), means), squares))| {
                if part < hidden_parts {
                    let row = part * part_len / hidden;
                    dense::weight_gradient(hidden_shape, flat, row, hidden_gradient, gradients);
                } else {
                    add_up(shards, (part - hidden_parts) * part_len, gradients);
                }
                adam::update(
                    AdamPart {
                        parameters,
                        gradients,
                        means,
                        squares,
                    },
                    rate,
                );
            });
        self.load(parameters);
    }
}

/// Sum of the shards' gradients from `from` on, in their order.
fn add_up(shards: &[Shard], from: usize, sum: &mut [f32]) {
    for (index, shard) in shards.iter().enumerate() {
        let part = &shard.gradient()[from..][..sum.len()];
        if index == 0 {
            sum.copy_from_slice(part);
        } else {
            for (sum, value) in sum.iter_mut().zip(part) {
                *sum += value;
            }
        }
    }
}

/// `conv::weights_by_patch` on all cores.
fn arrange(shape: ConvShape, weights: &[f32], by_patch: &mut [f32]) {
    /// Rows done by one thread at a time: a few microseconds of work.
    const ROWS: usize = 72;
    by_patch
        .par_chunks_mut(ROWS * shape.outputs)
        .enumerate()
        .for_each(|(part, rows)| conv::weights_by_patch(shape, weights, part * ROWS, rows));
}
