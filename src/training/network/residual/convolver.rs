//! The convolution over planes: its sums, and the gradients of its input and its weights.
//!
//! In: planes and weights. Out: planes, gradients. Never: allocation after `new`, threads, a patch gathered from a picture.
//!
//! A tile of sums, a few output channels by the same pixel of some images, is kept in registers over all taps of some input
//! channels, so that what limits it is the processor's multiplications and nothing else. A tile's size depends on how
//! wide the registers are; the order in which a sum is added does not. (`weight_gradient` does the same for weights.)

use pulp::{Arch, Simd, WithSimd};

use super::planes::Grid;
use super::shape::{TAPS, Unit};
use super::weight_gradient::{Turned, WeightGradient};
use crate::domain::INPUT_SIDE;

/// The most output channels of which sums are found at a time.
const WIDEST_TILE: usize = 8;
/// Input channels that are added to sums at a time: what a window sees of so many stays in the first-level cache while
/// it moves along a row.
const GROUP: usize = 8;
/// The longest row.
const WIDEST_SIDE: usize = INPUT_SIDE;

/// Does convolutions one after the other, with room for the largest.
#[derive(Debug)]
pub struct Convolver {
    /// Weights as `pack` lays them.
    packed: Vec<f32>,
    turned: Turned,
}

impl Convolver {
    /// Room for any of these units, on grids of so many images.
    pub fn new(units: &[Unit], images: usize) -> Self {
        assert!(
            units.iter().all(|unit| unit.side <= WIDEST_SIDE),
            "rows of at most {WIDEST_SIDE}: this is a bug"
        );
        let both_ways = |unit: &Unit| {
            let to = |outputs: usize, inputs: usize| (outputs + WIDEST_TILE) * inputs * TAPS;
            to(unit.outputs, unit.inputs).max(to(unit.inputs, unit.outputs))
        };
        Self {
            packed: vec![0.0; units.iter().map(both_ways).max().unwrap_or(0)],
            turned: Turned::new(units, images),
        }
    }

    /// Sums of a convolution; `weights` are `[tap][output][input]`.
    pub fn forward(&mut self, grid: Grid, unit: Unit, weights: &[f32], input: &[f32], sums: &mut [f32]) {
        let weight = |tap, output, input| weights[(tap * unit.outputs + output) * unit.inputs + input];
        Arch::new().dispatch(self.sums_of(grid, (unit.inputs, unit.outputs), weight, (input, sums)));
    }

    /// Gradient of the input, from that of the sums: the convolution with its window turned round and its channels
    /// exchanged.
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
        let channels = (unit.outputs, unit.inputs);
        Arch::new().dispatch(self.sums_of(grid, channels, weight, (sums_gradient, gradient)));
    }

    /// Adds to the weights' gradient, `[tap][output][input]`.
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
            turned: &mut self.turned,
            input,
            sums_gradient,
            gradient,
        });
    }

    /// The work of a convolution of so many input and output channels; `weight` knows tap, output and input.
    fn sums_of<'a, W: Fn(usize, usize, usize) -> f32>(
        &'a mut self,
        grid: Grid,
        channels: (usize, usize),
        weight: W,
        (input, sums): (&'a [f32], &'a mut [f32]),
    ) -> Sums<'a, W> {
        Sums {
            grid,
            channels,
            weight,
            packed: &mut self.packed,
            input,
            sums,
        }
    }
}

/// Weights in the order in which they are used, `[tile][input][tap][output in the tile]`, for tiles of at most `widest`
/// channels; a tile that is wider than what is left is filled up with zeros.
fn pack(
    (inputs, outputs): (usize, usize),
    widest: usize,
    packed: &mut [f32],
    weight: impl Fn(usize, usize, usize) -> f32,
) {
    let (mut places, mut first) = (packed.iter_mut(), 0);
    while first < outputs {
        let width = tile_width(outputs - first, widest);
        for input in 0..inputs {
            for tap in 0..TAPS {
                for (output, place) in (first..).zip(places.by_ref().take(width)) {
                    *place = if output < outputs {
                        weight(tap, output, input)
                    } else {
                        0.0
                    };
                }
            }
        }
        first += width;
    }
}

/// Output channels of the next tile, where so many are left: the most, or four or two where these do.
fn tile_width(left: usize, widest: usize) -> usize {
    [2, 4].into_iter().find(|&width| left <= width).unwrap_or(widest)
}

/// All sums of a convolution.
struct Sums<'a, W> {
    grid: Grid,
    /// Inputs and outputs.
    channels: (usize, usize),
    weight: W,
    packed: &'a mut [f32],
    input: &'a [f32],
    sums: &'a mut [f32],
}

impl<W: Fn(usize, usize, usize) -> f32> Sums<'_, W> {
    /// A tile is at most `WIDEST` channels by `VECTORS` registers of images.
    #[inline(always)]
    fn find_with<S: Simd, const VECTORS: usize, const WIDEST: usize>(self, simd: S) {
        const { assert!(WIDEST <= WIDEST_TILE) };
        let (grid, (inputs, outputs)) = (self.grid, self.channels);
        let (plane, block) = (grid.plane_len(), S::F32_LANES * VECTORS);
        assert!(
            grid.slots().is_multiple_of(block),
            "tiles end where slots do; this is a bug"
        );
        pack(self.channels, WIDEST, self.packed, self.weight);
        for row in 0..grid.side {
            let windows: [Window; WIDEST_SIDE] =
                std::array::from_fn(|column| Window::of(grid, (row, column)));
            for first in (0..grid.slots()).step_by(block) {
                let (mut output, mut packed) = (0, &*self.packed);
                while output < outputs {
                    let width = tile_width(outputs - output, WIDEST);
                    let (weights, rest) = packed.split_at(width * TAPS * inputs);
                    let row = Row {
                        windows: &windows[..grid.side],
                        slots: grid.slots(),
                        plane,
                        input: &self.input[first..],
                        weights,
                        count: outputs - output,
                        sums: &mut self.sums[output * plane + grid.place(row, 0) + first..],
                    };
                    match width {
                        2 => row.find::<S, VECTORS, 2>(simd),
                        4 => row.find::<S, VECTORS, 4>(simd),
                        _ => row.find::<S, VECTORS, WIDEST>(simd),
                    }
                    (output, packed) = (output + width, rest);
                }
            }
        }
    }
}

/// A row of sums of one tile.
struct Row<'a> {
    windows: &'a [Window],
    slots: usize,
    plane: usize,
    /// From the tile's first image on.
    input: &'a [f32],
    weights: &'a [f32],
    /// Output channels from the tile's first on; a tile may be wider.
    count: usize,
    /// From the row's first pixel of the tile's first channel and image on.
    sums: &'a mut [f32],
}

impl Row<'_> {
    /// The tile moves along the row with some input channels, then with the next ones.
    #[inline(always)]
    fn find<S: Simd, const VECTORS: usize, const TILE: usize>(self, simd: S) {
        let plane = self.plane;
        for (number, weights) in self.weights.chunks(TILE * TAPS * GROUP).enumerate() {
            let input = &self.input[number * GROUP * plane..];
            for (column, window) in self.windows.iter().enumerate() {
                let sums = &mut self.sums[column * self.slots..];
                let mut tile = [[simd.splat_f32s(0.0); VECTORS]; TILE];
                if number > 0 {
                    load::<S, VECTORS, TILE>(&mut tile, (sums, plane), self.count);
                }
                let tile = add_tile::<S, VECTORS, TILE>(simd, tile, (input, plane), window.seen(), weights);
                store::<S, VECTORS, TILE>(&tile, (sums, plane), self.count);
            }
        }
    }
}

/// The first `count` channels of a tile, from their planes.
#[inline(always)]
fn load<S: Simd, const VECTORS: usize, const TILE: usize>(
    tile: &mut [[S::f32s; VECTORS]; TILE],
    (planes, plane): (&[f32], usize),
    count: usize,
) {
    for (channel, tile) in tile.iter_mut().enumerate().take(count) {
        *tile = *vectors::<S, VECTORS>(&planes[channel * plane..][..S::F32_LANES * VECTORS]);
    }
}

/// The first `count` channels of a tile, to their planes.
#[inline(always)]
fn store<S: Simd, const VECTORS: usize, const TILE: usize>(
    tile: &[[S::f32s; VECTORS]; TILE],
    (planes, plane): (&mut [f32], usize),
    count: usize,
) {
    for (channel, tile) in tile.iter().enumerate().take(count) {
        let places = &mut planes[channel * plane..][..S::F32_LANES * VECTORS];
        S::as_mut_simd_f32s(places).0.copy_from_slice(tile);
    }
}

impl<W: Fn(usize, usize, usize) -> f32> WithSimd for Sums<'_, W> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match S::F32_LANES {
            // Sixteen registers of eight lanes: twelve sums, two values, a weight. One lane does the same, so that tests see this
            // tile on any machine.
            1 | 8 => self.find_with::<S, 2, 6>(simd),
            // Thirty-two registers: twenty-four sums, four values, a weight.
            lanes if self.grid.slots().is_multiple_of(4 * lanes) => self.find_with::<S, 4, 6>(simd),
            _ => self.find_with::<S, 2, 8>(simd),
        }
    }
}

/// A tap that sees a pixel, and that pixel's place.
type Seen = (usize, usize);

/// What the window around a pixel sees of the image.
#[derive(Debug)]
struct Window {
    taps: [Seen; TAPS],
    count: usize,
}

impl Window {
    fn of(grid: Grid, (row, column): (usize, usize)) -> Self {
        let (mut taps, mut count) = ([(0, 0); TAPS], 0);
        for tap in 0..TAPS {
            let (below, right) = (row + tap / 3, column + tap % 3);
            let inside = 1..=grid.side;
            if inside.contains(&below) && inside.contains(&right) {
                taps[count] = (tap, grid.place(below - 1, right - 1));
                count += 1;
            }
        }
        Self { taps, count }
    }

    fn seen(&self) -> &[Seen] {
        &self.taps[..self.count]
    }
}

/// A tile of sums and what a window sees in some planes of the input; weights are `[input][tap][output]`.
#[allow(
    clippy::needless_range_loop,
    reason = "sums stay in registers only where fixed numbers index them"
)]
#[inline(always)]
fn add_tile<S: Simd, const VECTORS: usize, const TILE: usize>(
    simd: S,
    mut tile: [[S::f32s; VECTORS]; TILE],
    (input, plane): (&[f32], usize),
    window: &[Seen],
    weights: &[f32],
) -> [[S::f32s; VECTORS]; TILE] {
    let channels = weights.as_chunks::<TILE>().0.as_chunks::<TAPS>().0;
    for (channel, weights) in channels.iter().enumerate() {
        let input = &input[channel * plane..];
        for &(tap, place) in window {
            let values = vectors::<S, VECTORS>(&input[place..][..S::F32_LANES * VECTORS]);
            let weights = &weights[tap];
            for within in 0..TILE {
                let weight = simd.splat_f32s(weights[within]);
                for vector in 0..VECTORS {
                    tile[within][vector] = simd.mul_add_e_f32s(weight, values[vector], tile[within][vector]);
                }
            }
        }
    }
    tile
}

/// `VECTORS` registers from the beginning of a slice.
#[inline(always)]
fn vectors<S: Simd, const VECTORS: usize>(values: &[f32]) -> &[S::f32s; VECTORS] {
    S::as_simd_f32s(values)
        .0
        .first_chunk()
        .expect("the slice is as long as that many registers; this is a bug")
}

#[cfg(test)]
#[path = "convolver_tests.rs"]
mod tests;
