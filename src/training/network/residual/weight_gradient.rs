//! Gradient of a convolution's weights.
//!
//! In: planes of the input and of the sums' gradient. Out: what is added to the weights' gradient. Never: allocation after
//! `new`, threads.
//!
//! A tile, a few output channels by a block of input channels, is kept in registers over a row of all images. For that,
//! channels are laid side by side first. A tile's size depends on how wide the registers are; the order in which a sum
//! is added does not.

use pulp::{Simd, WithSimd};

use super::planes::Grid;
use super::shape::{TAPS, Unit};

/// The most input channels of a tile.
const WIDEST_BLOCK: usize = 32;
/// The most output channels of a tile.
const WIDEST_TILE: usize = 8;
/// Places that are turned at a time: a cache line's worth of a plane.
const TURNED: usize = 16;

/// Planes with their channels side by side, with room for the largest.
#[derive(Debug)]
pub struct Turned {
    /// The input, `[block][place][channel in the block]`.
    inputs: Vec<f32>,
    /// A row of the sums' gradient, `[tile][place][channel in the tile]`.
    outputs: Vec<f32>,
}

impl Turned {
    /// Room for any of these units, on grids of so many images.
    pub fn new(units: &[Unit], images: usize) -> Self {
        let grid = |unit: &Unit| Grid {
            side: unit.side,
            images,
        };
        let inputs = |unit: &Unit| unit.inputs.next_multiple_of(WIDEST_BLOCK) * grid(unit).plane_len();
        let outputs = |unit: &Unit| (unit.outputs + WIDEST_TILE) * grid(unit).row_len();
        Self {
            inputs: vec![0.0; units.iter().map(inputs).max().unwrap_or(0)],
            outputs: vec![0.0; units.iter().map(outputs).max().unwrap_or(0)],
        }
    }
}

/// Adds to the gradient of a convolution's weights.
pub struct WeightGradient<'a> {
    /// Of input and sums.
    pub grid: Grid,
    /// The convolution.
    pub unit: Unit,
    /// Room.
    pub turned: &'a mut Turned,
    /// Planes of the input.
    pub input: &'a [f32],
    /// Planes of the sums' gradient.
    pub sums_gradient: &'a [f32],
    /// What is added to, `[tap][output][input]`.
    pub gradient: &'a mut [f32],
}

impl WeightGradient<'_> {
    /// A tile is `OUTPUTS` channels of the sums by `VECTORS` registers of the input's channels.
    #[inline(always)]
    fn add_with<S: Simd, const VECTORS: usize, const OUTPUTS: usize>(mut self, simd: S) {
        const { assert!(S::F32_LANES * VECTORS <= WIDEST_BLOCK && OUTPUTS <= WIDEST_TILE) };
        for row in 0..self.grid.side {
            let (width, row_len) = (S::F32_LANES * VECTORS, self.grid.row_len());
            let outputs = self.unit.outputs;
            let room = &mut self.turned.outputs[..outputs.next_multiple_of(OUTPUTS) * row_len];
            turn_row(
                (self.sums_gradient, self.grid, row),
                (room, row_len),
                0,
                outputs,
                OUTPUTS,
            );
            // Rows of the input are turned when the first window sees them.
            for row in if row == 0 { 0 } else { row + 1 }..self.grid.side.min(row + 2) {
                let (plane, inputs) = (self.grid.plane_len(), self.unit.inputs);
                let room = &mut self.turned.inputs[..inputs.next_multiple_of(width) * plane];
                turn_row(
                    (self.input, self.grid, row),
                    (room, plane),
                    row * row_len,
                    inputs,
                    width,
                );
            }
            for tap in 0..TAPS {
                self.add_row::<S, VECTORS, OUTPUTS>(simd, row, tap);
            }
        }
    }

    /// What one tap of the windows around a row adds.
    #[inline(always)]
    fn add_row<S: Simd, const VECTORS: usize, const OUTPUTS: usize>(
        &mut self,
        simd: S,
        row: usize,
        tap: usize,
    ) {
        let (grid, unit, side, slots) = (self.grid, self.unit, self.grid.side, self.grid.slots());
        let (width, row_len) = (S::F32_LANES * VECTORS, self.grid.row_len());
        // Of a row's windows, those in which this tap sees a pixel; then the first pixel that it sees.
        let (below, right) = (row + tap / 3, tap % 3);
        let columns = usize::from(right == 0)..side - usize::from(right == 2);
        if !(1..=side).contains(&below) || columns.is_empty() {
            return;
        }
        let seen = grid.place(below - 1, columns.start + right - 1);
        let places = columns.len() * slots;
        let inputs = &self.turned.inputs[..unit.inputs.next_multiple_of(width) * grid.plane_len()];
        let outputs = &self.turned.outputs[..unit.outputs.next_multiple_of(OUTPUTS) * row_len];
        for (block, values) in inputs.chunks_exact(grid.plane_len() * width).enumerate() {
            let (channel, values) = (block * width, &values[seen * width..][..places * width]);
            for (tile, factors) in outputs.chunks_exact(row_len * OUTPUTS).enumerate() {
                let factors = &factors[columns.start * slots * OUTPUTS..][..places * OUTPUTS];
                let sums = products::<S, VECTORS, OUTPUTS>(simd, values, factors);
                for (output, sums) in (tile * OUTPUTS..unit.outputs).zip(&sums) {
                    let place = (tap * unit.outputs + output) * unit.inputs + channel;
                    let count = width.min(unit.inputs - channel);
                    add::<S>(sums, &mut self.gradient[place..][..count]);
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
            // Sixteen registers of eight lanes: twelve sums, two values, a factor. One lane does the same, so that tests
            // see this tile on any machine.
            1 | 8 => self.add_with::<S, 2, 6>(simd),
            // A second register would hold no inputs.
            lanes if self.unit.inputs <= lanes => self.add_with::<S, 1, WIDEST_TILE>(simd),
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

/// Lays a row's channels side by side, `width` of them in each part of `turned`; a part has so many places, and the row
/// begins at `first` of them.
#[inline(always)]
fn turn_row(
    (planes, grid, row): (&[f32], Grid, usize),
    (turned, places): (&mut [f32], usize),
    first: usize,
    channels: usize,
    width: usize,
) {
    let (plane, row_len) = (grid.plane_len(), grid.row_len());
    for (part, turned) in turned.chunks_exact_mut(places * width).enumerate() {
        let planes = &planes[part * width * plane + row * row_len..];
        let turned = &mut turned[first * width..][..row_len * width];
        turn((planes, plane, width.min(channels - part * width)), turned, width);
    }
}

/// `turned[place][channel] = planes[channel][place]`; what lies behind the last channel stays as it is.
#[inline(always)]
fn turn((planes, plane, channels): (&[f32], usize, usize), turned: &mut [f32], width: usize) {
    for (part, turned) in turned.chunks_mut(TURNED * width).enumerate() {
        let places = turned.len() / width;
        for channel in 0..channels {
            let values = &planes[channel * plane + part * TURNED..][..places];
            for (place, &value) in turned.chunks_exact_mut(width).zip(values) {
                place[channel] = value;
            }
        }
    }
}
