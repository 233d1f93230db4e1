//! One part of a batch through the residual network, forward and backward.
//!
//! In: pictures, weights. Out: probabilities, the gradient of all weights, the statistics of each normalisation. Never:
//! another shard's buffers, an update; allocation after `new`.

use std::ops::Range;

use super::convolver::Convolver;
use super::head::{self, LossShape};
use super::memory::Memory;
use super::norm::{self, Backward, Statistics};
use super::planes::{self, Grid};
use super::shape::{Channels, OUTPUTS, Places, Unit};
use super::stem::Stem;
use crate::domain::INPUT_SIDE;
use crate::training::network::loss::Tally;
use crate::training::network::matmul::{Matrix, multiply};

/// The network as a shard reads it.
#[derive(Debug, Clone, Copy)]
pub struct Weights<'a> {
    /// All numbers.
    pub parameters: &'a [f32],
    /// Where each layer's lie.
    pub places: &'a Places,
}

/// Which mean and variance normalise.
#[derive(Debug, Clone, Copy)]
pub enum Normalising<'a> {
    /// Those of the pictures at hand.
    ByBatch,
    /// Those given, unit by unit, channel by channel.
    By(&'a [Statistics]),
}

/// One unit's buffers.
#[derive(Debug)]
struct UnitBuffers {
    unit: Unit,
    grid: Grid,
    sums: Memory,
    /// Empty where it is pooled: nothing else is asked of it.
    output: Memory,
    statistics: Vec<Statistics>,
    pooled: Option<Pooled>,
}

#[derive(Debug)]
struct Pooled {
    grid: Grid,
    values: Memory,
    winners: Vec<u8>,
}

impl Pooled {
    /// Where a channel's values lie.
    fn plane(&self, channel: usize) -> Range<usize> {
        let len = self.grid.plane_len();
        channel * len..(channel + 1) * len
    }
}

impl UnitBuffers {
    fn new(unit: Unit, images: usize) -> Self {
        let grid = Grid {
            side: unit.side,
            images,
        };
        let planes = |grid: Grid| Memory::zeros(unit.outputs * grid.plane_len());
        Self {
            unit,
            grid,
            sums: planes(grid),
            output: if unit.is_pooled {
                Memory::zeros(0)
            } else {
                planes(grid)
            },
            statistics: vec![
                Statistics {
                    mean: 0.0,
                    variance: 0.0
                };
                unit.outputs
            ],
            pooled: unit.is_pooled.then(|| {
                let grid = Grid {
                    side: unit.side / 2,
                    images,
                };
                Pooled {
                    grid,
                    values: planes(grid),
                    winners: vec![0; unit.outputs * grid.plane_len()],
                }
            }),
        }
    }

    /// What the next unit sees.
    fn passed_on(&self) -> &[f32] {
        self.pooled.as_ref().map_or(&self.output, |pooled| &pooled.values)
    }
}

/// A fixed part of a batch.
#[derive(Debug)]
pub struct Shard {
    images: usize,
    stem: Stem,
    convolver: Convolver,
    units: Vec<UnitBuffers>,
    /// 1 for each slot that holds an image.
    mask: Vec<f32>,
    features: Vec<f32>,
    feature_places: Vec<u32>,
    outputs: Vec<f32>,
    output_gradient: Vec<f32>,
    feature_gradient: Vec<f32>,
    /// Gradient of what a unit passes on; of its sums; of what a block adds.
    passing: Memory,
    sums_gradient: Memory,
    added: Memory,
    /// One plane that nobody asks for again: it stays in the processor's cache.
    plane: Vec<f32>,
    gradient: Vec<f32>,
    losses: Vec<f32>,
    tally: Tally,
}

impl Shard {
    /// Buffers for exactly `images` pictures.
    pub fn new(channels: &Channels, images: usize) -> Self {
        let units: Vec<_> = channels
            .units()
            .iter()
            .map(|&unit| UnitBuffers::new(unit, images))
            .collect();
        let last = units.last().expect("a network has units; this is a bug");
        assert!(
            last.pooled.is_none(),
            "the last layer sees what the last unit leaves; this is a bug"
        );
        let widest = units
            .iter()
            .map(|buffers| buffers.unit.outputs.max(buffers.unit.inputs) * buffers.grid.plane_len())
            .max()
            .unwrap_or(0);
        let stem = Grid {
            side: INPUT_SIDE,
            images,
        };
        Self {
            images,
            stem: Stem::new(channels.stem, stem),
            // The stem does its own.
            convolver: Convolver::new(&channels.units()[1..], images),
            mask: stem.mask(),
            features: vec![0.0; images * channels.deep],
            feature_places: vec![0; images * channels.deep],
            outputs: vec![0.0; images * OUTPUTS],
            output_gradient: vec![0.0; images * OUTPUTS],
            feature_gradient: vec![0.0; images * channels.deep],
            passing: Memory::zeros(widest),
            sums_gradient: Memory::zeros(widest),
            added: Memory::zeros(widest),
            plane: vec![0.0; stem.plane_len()],
            gradient: vec![0.0; channels.places().len],
            units,
            losses: vec![0.0; images],
            tally: Tally::default(),
        }
    }

    /// Takes the picture at `position`.
    pub fn load(&mut self, position: usize, values: &[f32]) {
        self.stem.load(position, values);
    }

    /// Probabilities of all pictures.
    pub fn forward(&mut self, weights: Weights, normalising: Normalising) {
        let mut given = match normalising {
            Normalising::ByBatch => &[][..],
            Normalising::By(statistics) => statistics,
        };
        for number in 0..self.units.len() {
            let (before, rest) = self.units.split_at_mut(number);
            let buffers = &mut rest[0];
            let (unit, grid) = (buffers.unit, buffers.grid);
            let places = &weights.places.units[number];
            let convolution = &weights.parameters[places.weights.clone()];
            match before.last() {
                None => self.stem.forward(convolution, &mut buffers.sums),
                Some(last) => {
                    let input = last.passed_on();
                    self.convolver
                        .forward(grid, unit, convolution, input, &mut buffers.sums);
                }
            }
            let own;
            (own, given) = given.split_at(given.len().min(unit.outputs));
            let scales = &weights.parameters[places.scales.clone()];
            let shifts = &weights.parameters[places.shifts.clone()];
            let added = match unit.closes_block {
                true => Some(before[number - 2].passed_on()),
                false => None,
            };
            let len = grid.plane_len();
            for channel in 0..unit.outputs {
                let plane = channel * len..(channel + 1) * len;
                let sums = &buffers.sums[plane.clone()];
                let statistics = match own.get(channel) {
                    Some(statistics) => *statistics,
                    None => norm::measure(sums, &self.mask, grid.pixels()),
                };
                buffers.statistics[channel] = statistics;
                let output = match unit.is_pooled {
                    true => &mut self.plane[..len],
                    false => &mut buffers.output[plane.clone()],
                };
                norm::normalise(
                    sums,
                    statistics.affine(scales[channel], shifts[channel]),
                    added.map(|added| &added[plane]),
                    &self.mask,
                    output,
                );
                if let Some(pooled) = &mut buffers.pooled {
                    let plane = pooled.plane(channel);
                    planes::pool(
                        grid,
                        pooled.grid,
                        output,
                        &mut pooled.values[plane.clone()],
                        &mut pooled.winners[plane],
                    );
                }
            }
        }
        self.last_layer(weights);
    }

    fn last_layer(&mut self, weights: Weights) {
        let Some(last) = self.units.last() else { return };
        head::greatest(
            last.grid,
            &last.output,
            &mut self.features,
            &mut self.feature_places,
        );
        let deep = last.unit.outputs;
        multiply(
            Matrix::new(&self.features, self.images, deep),
            Matrix::new(
                &weights.parameters[weights.places.dense_weights.clone()],
                OUTPUTS,
                deep,
            )
            .transposed(),
            &mut self.outputs,
        );
        let biases = &weights.parameters[weights.places.dense_biases.clone()];
        for row in self.outputs.chunks_exact_mut(OUTPUTS) {
            row.iter_mut().zip(biases).for_each(|(sum, bias)| *sum += bias);
        }
        head::probabilities(&mut self.outputs);
    }

    /// Gradient of the summed loss, each picture's times its share, after `forward` by batch.
    pub fn backward(&mut self, weights: Weights, (labels, shares): (&[u8], &[f32]), loss: LossShape) {
        self.tally = head::tally(&self.outputs, labels, &mut self.losses);
        self.gradient.fill(0.0);
        head::gradient(loss, &self.outputs, (labels, shares), &mut self.output_gradient);
        self.last_layer_backward(weights);
        for number in (0..self.units.len()).rev() {
            self.unit_backward(number, weights);
        }
    }

    fn last_layer_backward(&mut self, weights: Weights) {
        let Some(last) = self.units.last() else { return };
        let deep = last.unit.outputs;
        let places = weights.places;
        multiply(
            Matrix::new(&self.output_gradient, self.images, OUTPUTS).transposed(),
            Matrix::new(&self.features, self.images, deep),
            &mut self.gradient[places.dense_weights.clone()],
        );
        let biases = &mut self.gradient[places.dense_biases.clone()];
        for row in self.output_gradient.chunks_exact(OUTPUTS) {
            biases.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        multiply(
            Matrix::new(&self.output_gradient, self.images, OUTPUTS),
            Matrix::new(&weights.parameters[places.dense_weights.clone()], OUTPUTS, deep),
            &mut self.feature_gradient,
        );
        let len = last.grid.plane_len();
        self.passing[..deep * len].fill(0.0);
        for (index, (&place, &value)) in self.feature_places.iter().zip(&self.feature_gradient).enumerate() {
            self.passing[(index % deep) * len + place as usize] = value;
        }
    }

    fn unit_backward(&mut self, number: usize, weights: Weights) {
        let closes_next = self
            .units
            .get(number + 1)
            .is_some_and(|next| next.unit.closes_block);
        let buffers = &self.units[number];
        let (unit, grid) = (buffers.unit, buffers.grid);
        let (places, len) = (&weights.places.units[number], grid.plane_len());
        let scales = &weights.parameters[places.scales.clone()];
        for (channel, &scale) in scales.iter().enumerate() {
            let plane = channel * len..(channel + 1) * len;
            let passed = match unit.closes_block {
                true => &mut self.added[plane.clone()],
                false => &mut self.plane[..len],
            };
            match &buffers.pooled {
                Some(pooled) => {
                    let plane = pooled.plane(channel);
                    let (values, winners) = (&pooled.values[plane.clone()], &pooled.winners[plane.clone()]);
                    planes::unpool(grid, pooled.grid, &self.passing[plane], (values, winners), passed);
                }
                None => norm::through_relu(
                    &buffers.output[plane.clone()],
                    &self.passing[plane.clone()],
                    passed,
                ),
            }
            let backward = Backward {
                sums: &buffers.sums[plane.clone()],
                statistics: buffers.statistics[channel],
                scale,
                mask: &self.mask,
                pixels: grid.pixels(),
            };
            let (scale, shift) = norm::through(backward, passed, &mut self.sums_gradient[plane]);
            self.gradient[places.scales.start + channel] = scale;
            self.gradient[places.shifts.start + channel] = shift;
        }
        let own = &mut self.gradient[places.weights.clone()];
        let Some(before) = number.checked_sub(1) else {
            self.stem.add_weight_gradient(&self.sums_gradient, own);
            return;
        };
        let input = self.units[before].passed_on();
        self.convolver
            .add_weight_gradient(grid, unit, input, &self.sums_gradient, own);
        let convolution = &weights.parameters[places.weights.clone()];
        self.convolver
            .input_gradient(grid, unit, convolution, &self.sums_gradient, &mut self.passing);
        if closes_next {
            let pairs = self.passing[..unit.inputs * len].iter_mut().zip(&*self.added);
            pairs.for_each(|(passing, added)| *passing += added);
        }
    }

    /// What `forward` found, `[image][output]`.
    pub fn probabilities(&self) -> &[f32] {
        &self.outputs
    }

    /// What the last layer saw of each picture, channel by channel.
    pub fn features(&self) -> impl Iterator<Item = &[f32]> {
        self.features.chunks_exact(self.features.len() / self.images)
    }

    /// The statistics that the last `forward` normalised by, unit by unit.
    pub fn statistics(&self) -> impl Iterator<Item = Statistics> {
        self.units
            .iter()
            .flat_map(|buffers| buffers.statistics.iter().copied())
    }

    /// Loss and right answers that the last `backward` saw.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Each picture's loss in the last `backward`.
    pub fn losses(&self) -> &[f32] {
        &self.losses
    }

    /// Gradient of all numbers.
    pub fn gradient(&self) -> &[f32] {
        &self.gradient
    }
}
