//! Gradient of a convolution's weights.
//!
//! In: planes of the input and of the sums' gradient. Out: what is added to the weights' gradient. Never: allocation after
//! `new`, threads.
//!
//! A tile, the three taps of a window's row by a few output channels by a register of input channels, is kept in registers
//! over a row of all images. For that, input channels are laid side by side first. A tile's size depends on how wide the
//! registers are; the order in which a sum is added does not.

use pulp::{Simd, WithSimd, bytemuck};

use super::memory::Memory;
use super::planes::Grid;
use super::shape::{TAPS, Unit};

/// The most input channels side by side: those of the widest registers.
const WIDEST_BLOCK: usize = 16;
/// Places that are turned at a time: a cache line's worth of a plane.
const TURNED: usize = 16;
/// Taps of a window's row.
const ROW_TAPS: usize = 3;

/// Planes with their channels side by side, `[block][place][channel in the block]`, with room for the largest.
#[derive(Debug)]
pub struct Turned(Memory);

impl Turned {
    /// Room for any of these units, on grids of so many images.
    pub fn new(units: &[Unit], images: usize) -> Self {
        let len = |unit: &Unit| {
            let side = unit.side;
            unit.inputs.next_multiple_of(WIDEST_BLOCK) * Grid { side, images }.plane_len()
        };
        Self(Memory::zeros(units.iter().map(len).max().unwrap_or(0)))
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

/// Sums of one tap, `[output]`, each a register of input channels.
type Sums<S, const OUTPUTS: usize> = [<S as Simd>::f32s; OUTPUTS];

impl WeightGradient<'_> {
    /// A tile has `OUTPUTS` channels of the sums.
    #[inline(always)]
    fn add_with<S: Simd, const OUTPUTS: usize>(mut self, simd: S) {
        const { assert!(S::F32_LANES <= WIDEST_BLOCK) };
        for row in 0..self.grid.side {
            // Rows of the input are turned when the first window sees them.
            for row in if row == 0 { 0 } else { row + 1 }..self.grid.side.min(row + 2) {
                self.turn_row(row, S::F32_LANES);
            }
            for below in 0..TAPS / ROW_TAPS {
                if (1..=self.grid.side).contains(&(row + below)) {
                    self.add_row::<S, OUTPUTS>(simd, row, below);
                }
            }
        }
    }

    /// What the windows around a row add by one row of their taps.
    #[inline(always)]
    fn add_row<S: Simd, const OUTPUTS: usize>(&mut self, simd: S, row: usize, below: usize) {
        let (grid, unit) = (self.grid, self.unit);
        let (plane, row_len) = (grid.plane_len(), grid.row_len());
        let (own, seen) = (grid.place(row, 0), grid.place(row + below - 1, 0));
        let blocks = S::as_simd_f32s(&self.turned.0).0.chunks_exact(plane);
        for (channel, values) in (0..unit.inputs).step_by(S::F32_LANES).zip(blocks) {
            for first in (0..unit.outputs).step_by(OUTPUTS) {
                // The last tile takes the last channel more than once where there are no more; those sums are not added.
                let factors = std::array::from_fn(|output| {
                    let output = (first + output).min(unit.outputs - 1);
                    &self.sums_gradient[output * plane + own..][..row_len]
                });
                let sums = products::<S, OUTPUTS>(simd, grid, &values[seen..][..row_len], factors);
                for (tap, sums) in (below * ROW_TAPS..).zip(&sums) {
                    for (output, sums) in (first..unit.outputs).zip(sums) {
                        let place = (tap * unit.outputs + output) * unit.inputs + channel;
                        let count = S::F32_LANES.min(unit.inputs - channel);
                        let lanes = bytemuck::cast_slice::<_, f32>(std::slice::from_ref(sums));
                        let places = self.gradient[place..][..count].iter_mut();
                        places.zip(lanes).for_each(|(place, value)| *place += value);
                    }
                }
            }
        }
    }

    /// Lays a row's channels side by side, `width` of them in each block; what lies behind the last channel stays as it is.
    #[inline(always)]
    fn turn_row(&mut self, row: usize, width: usize) {
        let (plane, first, row_len) = (
            self.grid.plane_len(),
            self.grid.place(row, 0),
            self.grid.row_len(),
        );
        let blocks = self.turned.0.chunks_exact_mut(plane * width);
        for (turned, planes) in blocks.zip(self.input[..self.unit.inputs * plane].chunks(plane * width)) {
            let parts = turned[first * width..][..row_len * width].chunks_mut(TURNED * width);
            for (part, turned) in parts.enumerate() {
                for (channel, plane) in planes.chunks_exact(plane).enumerate() {
                    let values = &plane[first + part * TURNED..];
                    let places = turned.chunks_exact_mut(width).zip(values);
                    places.for_each(|(place, &value)| place[channel] = value);
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
            // Sixteen registers: twelve sums, three values, a factor. One lane does the same, so that tests see this
            // tile on any machine.
            1 | 8 => self.add_with::<S, 4>(simd),
            // Thirty-two: twenty-four sums.
            _ => self.add_with::<S, 8>(simd),
        }
    }
}

/// Sums over a row, `[tap][output][input]`, of `factors[output][place] * values[place that the tap sees][input]`.
#[inline(always)]
fn products<S: Simd, const OUTPUTS: usize>(
    simd: S,
    grid: Grid,
    values: &[S::f32s],
    factors: [&[f32]; OUTPUTS],
) -> [Sums<S, OUTPUTS>; ROW_TAPS] {
    let (last, slots) = (grid.side - 1, grid.slots());
    let own = |from: usize, to: usize| factors.map(|factors| &factors[from * slots..to * slots]);
    let seen =
        |from: usize, to: usize| move |tap: usize| &values[(from + tap - 1) * slots..(to + tap - 1) * slots];
    let mut sums = [[simd.splat_f32s(0.0); OUTPUTS]; ROW_TAPS];
    if last == 0 {
        let [_, middle, _] = &mut sums;
        add_places(simd, std::array::from_mut(middle), [1].map(seen(0, 1)), own(0, 1));
        return sums;
    }
    // At either end of the row a tap sees nothing.
    let [_, right @ ..] = &mut sums;
    add_places(simd, right, [1, 2].map(seen(0, 1)), own(0, 1));
    add_places(simd, &mut sums, [0, 1, 2].map(seen(1, last)), own(1, last));
    let [left @ .., _] = &mut sums;
    add_places(simd, left, [0, 1].map(seen(last, last + 1)), own(last, last + 1));
    sums
}

/// Adds the products of some places, as many of each slice.
#[inline(always)]
fn add_places<S: Simd, const OUTPUTS: usize, const SEEN: usize>(
    simd: S,
    sums: &mut [Sums<S, OUTPUTS>; SEEN],
    values: [&[S::f32s]; SEEN],
    factors: [&[f32]; OUTPUTS],
) {
    let mut tile = *sums;
    let count = values[0].len();
    let (values, factors) = (
        values.map(|values| &values[..count]),
        factors.map(|factors| &factors[..count]),
    );
    for place in 0..count {
        let values: [S::f32s; SEEN] = std::array::from_fn(|tap| values[tap][place]);
        for output in 0..OUTPUTS {
            let factor = simd.splat_f32s(factors[output][place]);
            for tap in 0..SEEN {
                tile[tap][output] = simd.mul_add_e_f32s(factor, values[tap], tile[tap][output]);
            }
        }
    }
    *sums = tile;
}
