//! The convolution over planes: its sums, and the gradients of its input and its weights.
//!
//! In: planes and weights. Out: planes, gradients. Never: allocation after `new`, threads, a patch gathered from a picture.
//!
//! Both kernels keep a tile of sums in registers over all that is added to it, so that what limits them is the processor's
//! multiplications and nothing else: for sums and the input's gradient a few output channels by a block of places, for
//! the weights' gradient a few output channels by a block of input channels. A tile's size depends on how wide the
//! registers are; the order in which a sum is added does not depend on anything but that.

use pulp::{Arch, Scalar, Simd, WithSimd};

use super::planes::Grid;
use super::shape::{TAPS, Unit};

/// Output channels of which sums are found at a time.
const TILE: usize = 6;
/// The most places that are found at a time; grids of fewer, over all images, are done place by place.
const LONGEST_BLOCK: usize = 64;
/// Places whose channels are laid side by side at a time: few enough for the second-level cache.
const CHUNK: usize = 512;
/// The most input channels whose weights' gradients are found at a time.
const WIDEST_BLOCK: usize = 32;
/// The most output channels whose weights' gradients are found at a time.
const WIDEST_TILE: usize = 8;
/// Places that are turned at a time.
const TURNED: usize = 16;

/// Does convolutions one after the other, with room for the largest.
#[derive(Debug)]
pub struct Convolver {
    /// Weights, `[tile][input][tap][output in the tile]`.
    packed: Vec<f32>,
    /// A chunk of the input, `[place][channel]`.
    inputs: Vec<f32>,
    /// A chunk of the sums' gradient, `[tile][place][channel in the tile]`.
    outputs: Vec<f32>,
}

impl Convolver {
    /// Room for any of these units.
    pub fn new(units: &[Unit]) -> Self {
        let most = |of: &dyn Fn(&Unit) -> usize| units.iter().map(of).max().unwrap_or(0);
        let border = |unit: &Unit| {
            let side = unit.side;
            2 * Grid { side, images: 1 }.first()
        };
        Self {
            packed: vec![
                0.0;
                most(
                    &|unit| packed_len(unit.inputs, unit.outputs).max(packed_len(unit.outputs, unit.inputs))
                )
            ],
            inputs: vec![0.0; most(&|unit| CHUNK + border(unit)) * WIDEST_BLOCK],
            outputs: vec![0.0; most(&|unit| unit.outputs + WIDEST_TILE) * CHUNK],
        }
    }

    /// Sums of a convolution; `weights` are `[tap][output][input]`.
    pub fn forward(&mut self, grid: Grid, unit: Unit, weights: &[f32], input: &[f32], sums: &mut [f32]) {
        let weight = |tap, output, input| weights[(tap * unit.outputs + output) * unit.inputs + input];
        self.sums_of(grid, (unit.inputs, unit.outputs), weight, (input, sums))
            .find();
    }

    /// Gradient of the input, from that of the sums, whose borders must be zero: the convolution with its window turned
    /// round and its channels exchanged.
    pub fn input_gradient(
        &mut self,
        grid: Grid,
        unit: Unit,
        weights: &[f32],
        sums_gradient: &[f32],
        gradient: &mut [f32],
    ) {
        let weight =
            |tap, output, input| weights[((TAPS - 1 - tap) * unit.outputs + input) * unit.inputs + output];
        self.sums_of(
            grid,
            (unit.outputs, unit.inputs),
            weight,
            (sums_gradient, gradient),
        )
        .find();
    }

    /// Adds to the weights' gradient, `[tap][output][input]`; the borders of `sums_gradient` must be zero.
    pub fn add_weight_gradient(
        &mut self,
        grid: Grid,
        unit: Unit,
        input: &[f32],
        sums_gradient: &[f32],
        gradient: &mut [f32],
    ) {
        Arch::new().dispatch(WeightGradient {
            grid,
            unit,
            convolver: self,
            input,
            sums_gradient,
            gradient,
        });
    }

    /// The work of a convolution of so many input and output channels; `weight` knows tap, output and input.
    fn sums_of<'a>(
        &'a mut self,
        grid: Grid,
        channels: (usize, usize),
        weight: impl Fn(usize, usize, usize) -> f32,
        (input, sums): (&'a [f32], &'a mut [f32]),
    ) -> Sums<'a> {
        let packed = &mut self.packed[..packed_len(channels.0, channels.1)];
        pack(channels, packed, weight);
        Sums {
            grid,
            channels,
            packed,
            input,
            sums,
        }
    }
}

fn packed_len(inputs: usize, outputs: usize) -> usize {
    outputs.next_multiple_of(TILE) * inputs * TAPS
}

/// Weights in the order in which they are used; the last tile is filled up with zeros.
fn pack((inputs, outputs): (usize, usize), packed: &mut [f32], weight: impl Fn(usize, usize, usize) -> f32) {
    let mut places = packed.iter_mut();
    for first in (0..outputs).step_by(TILE) {
        for input in 0..inputs {
            for tap in 0..TAPS {
                for (output, place) in (first..).zip(places.by_ref().take(TILE)) {
                    *place = if output < outputs {
                        weight(tap, output, input)
                    } else {
                        0.0
                    };
                }
            }
        }
    }
}

/// All sums of a convolution.
struct Sums<'a> {
    grid: Grid,
    /// Inputs and outputs.
    channels: (usize, usize),
    packed: &'a [f32],
    input: &'a [f32],
    sums: &'a mut [f32],
}

impl Sums<'_> {
    fn find(self) {
        if self.grid.images * self.grid.image_stride() < LONGEST_BLOCK {
            self.with_simd(Scalar);
        } else {
            Arch::new().dispatch(self);
        }
    }

    /// A tile is `TILE` channels by `VECTORS` registers of places.
    #[allow(
        clippy::needless_range_loop,
        reason = "sums stay in registers only where fixed numbers index them"
    )]
    #[inline(always)]
    fn find_with<S: Simd, const VECTORS: usize>(self, simd: S) {
        const { assert!(S::F32_LANES * VECTORS <= LONGEST_BLOCK) };
        let (grid, (inputs, outputs)) = (self.grid, self.channels);
        let (first, plane, stride) = (grid.first(), grid.plane_len(), grid.row_stride());
        let (end, block) = (first + grid.images * grid.image_stride(), S::F32_LANES * VECTORS);
        for from in (first..end).step_by(block) {
            // The last block begins earlier, and finds some sums once more.
            let from = from.min(end - block);
            for (tile, weights) in self.packed.chunks_exact(TILE * TAPS * inputs).enumerate() {
                let input = &self.input[from - first..];
                let sums = tile_of::<S, VECTORS>(simd, (input, plane, stride), weights);
                for within in 0..TILE {
                    let output = tile * TILE + within;
                    if output < outputs {
                        let place = &mut self.sums[output * plane + from..][..block];
                        S::as_mut_simd_f32s(place).0.copy_from_slice(&sums[within]);
                    }
                }
            }
        }
    }
}

impl WithSimd for Sums<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match S::F32_LANES {
            1 => self.find_with::<S, 1>(simd),
            // Sixteen registers of eight lanes: twelve sums, two values, a weight.
            8 => self.find_with::<S, 2>(simd),
            // Thirty-two registers: twenty-four sums, four values, a weight.
            _ => self.find_with::<S, 4>(simd),
        }
    }
}

/// A tile of sums, from the planes of the input and a tile's weights `[input][tap][output]`.
#[allow(
    clippy::needless_range_loop,
    reason = "sums stay in registers only where fixed numbers index them"
)]
#[inline(always)]
fn tile_of<S: Simd, const VECTORS: usize>(
    simd: S,
    (input, plane, stride): (&[f32], usize, usize),
    weights: &[f32],
) -> [[S::f32s; VECTORS]; TILE] {
    let block = S::F32_LANES * VECTORS;
    let mut sums = [[simd.splat_f32s(0.0); VECTORS]; TILE];
    for (channel, weights) in weights.as_chunks::<{ TILE * TAPS }>().0.iter().enumerate() {
        let window = &input[channel * plane..][..2 * stride + 2 + block];
        for (tap, weights) in weights.as_chunks::<TILE>().0.iter().enumerate() {
            let values = vectors::<S, VECTORS>(&window[(tap / 3) * stride + tap % 3..][..block]);
            for within in 0..TILE {
                let weight = simd.splat_f32s(weights[within]);
                for vector in 0..VECTORS {
                    sums[within][vector] = simd.mul_add_e_f32s(weight, values[vector], sums[within][vector]);
                }
            }
        }
    }
    sums
}

/// Gradient of a convolution's weights.
struct WeightGradient<'a> {
    grid: Grid,
    unit: Unit,
    convolver: &'a mut Convolver,
    input: &'a [f32],
    sums_gradient: &'a [f32],
    gradient: &'a mut [f32],
}

impl WeightGradient<'_> {
    /// A tile is `OUTPUTS` channels of the sums by `VECTORS` registers of the input's channels.
    #[inline(always)]
    fn add_with<S: Simd, const VECTORS: usize, const OUTPUTS: usize>(self, simd: S) {
        const { assert!(S::F32_LANES * VECTORS <= WIDEST_BLOCK && OUTPUTS <= WIDEST_TILE) };
        let (grid, unit) = (self.grid, self.unit);
        let (first, plane, stride) = (grid.first(), grid.plane_len(), grid.row_stride());
        let (end, width) = (first + grid.images * grid.image_stride(), S::F32_LANES * VECTORS);
        let tiles = (0..unit.outputs).step_by(OUTPUTS);
        for from in (first..end).step_by(CHUNK) {
            let places = CHUNK.min(end - from);
            let turned = self.convolver.outputs.chunks_exact_mut(places * OUTPUTS);
            for (output, turned) in tiles.clone().zip(turned) {
                let planes = &self.sums_gradient[output * plane + from..];
                turn(
                    (planes, plane, OUTPUTS.min(unit.outputs - output)),
                    turned,
                    OUTPUTS,
                );
            }
            for channel in (0..unit.inputs).step_by(width) {
                let count = width.min(unit.inputs - channel);
                let inputs = &mut self.convolver.inputs[..(places + 2 * first) * width];
                turn(
                    (&self.input[channel * plane + from - first..], plane, count),
                    inputs,
                    width,
                );
                let turned = self.convolver.outputs.chunks_exact(places * OUTPUTS);
                for (output, factors) in tiles.clone().zip(turned) {
                    for tap in 0..TAPS {
                        let values = &inputs[((tap / 3) * stride + tap % 3) * width..][..places * width];
                        let sums = products::<S, VECTORS, OUTPUTS>(simd, values, factors);
                        for (output, sums) in (output..unit.outputs).zip(&sums) {
                            let place = (tap * unit.outputs + output) * unit.inputs + channel;
                            add::<S>(sums, &mut self.gradient[place..][..count]);
                        }
                    }
                }
            }
        }
    }
}

impl WithSimd for WeightGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match S::F32_LANES {
            // Sixteen registers of eight lanes: twelve sums, two values, a factor.
            8 => self.add_with::<S, 2, 6>(simd),
            _ => self.add_with::<S, 2, WIDEST_TILE>(simd),
        }
    }
}

/// Sums over places: `[output][input]` of `factors[place][output] * values[place][input]`.
#[inline(always)]
fn products<S: Simd, const VECTORS: usize, const OUTPUTS: usize>(
    simd: S,
    values: &[f32],
    factors: &[f32],
) -> [[S::f32s; VECTORS]; OUTPUTS] {
    let mut sums = [[simd.splat_f32s(0.0); VECTORS]; OUTPUTS];
    let values = S::as_simd_f32s(values).0.as_chunks::<VECTORS>().0;
    for (values, factors) in values.iter().zip(factors.as_chunks::<OUTPUTS>().0) {
        for (sums, &factor) in sums.iter_mut().zip(factors) {
            let factor = simd.splat_f32s(factor);
            for (sum, &value) in sums.iter_mut().zip(values) {
                *sum = simd.mul_add_e_f32s(factor, value, *sum);
            }
        }
    }
    sums
}

/// Adds the first of some lanes.
#[inline(always)]
fn add<S: Simd>(lanes: &[S::f32s], to: &mut [f32]) {
    let mut values = [0.0; WIDEST_BLOCK];
    S::as_mut_simd_f32s(&mut values).0[..lanes.len()].copy_from_slice(lanes);
    to.iter_mut().zip(&values).for_each(|(to, value)| *to += value);
}

/// `VECTORS` registers from the beginning of a slice.
#[inline(always)]
fn vectors<S: Simd, const VECTORS: usize>(values: &[f32]) -> &[S::f32s; VECTORS] {
    S::as_simd_f32s(values)
        .0
        .first_chunk()
        .expect("the slice is as long as that many registers; this is a bug")
}

/// `turned[place][channel] = planes[channel][place]`; what lies behind the last channel stays as it is.
#[inline(always)]
fn turn((planes, plane, channels): (&[f32], usize, usize), turned: &mut [f32], width: usize) {
    for (part, turned) in turned.chunks_mut(TURNED * width).enumerate() {
        let places = turned.len() / width;
        for channel in 0..channels {
            let values = &planes[channel * plane + part * TURNED..][..places];
            for (row, &value) in turned.chunks_exact_mut(width).zip(values) {
                row[channel] = value;
            }
        }
    }
}

#[cfg(test)]
#[path = "convolver_tests.rs"]
mod tests;
