//! The stem: a 3x3 convolution of the picture, pooled 2x2 before anything else is done.
//!
//! In: pictures of 28x28 values. Out: the greatest of each four sums, and where it was; the weights' gradient. Never: sums
//! that pooling drops, kept.

use multiversion::multiversion;

use super::planes::Grid;
use super::shape::TAPS;
use crate::domain::INPUT_SIDE;

/// Images that are looked at together: a wide register's worth.
const REGISTER: usize = 16;
/// Rows and columns of a picture with zeros around it.
const BORDERED: usize = INPUT_SIDE + 2;
/// Rows and columns of pixels that four neighbouring windows see.
const PATCH: usize = 4;

const _: () = assert!(super::planes::LANES.is_multiple_of(REGISTER));

type Lanes = [f32; REGISTER];

/// Pictures with zeros around them, and where their sums were greatest.
#[derive(Debug)]
pub struct Stem {
    channels: usize,
    /// Of what the stem leaves.
    grid: Grid,
    /// `[row][column][image]`.
    pictures: Vec<f32>,
    /// Which of four sums was the greatest, `[channel][row][column][image]`.
    winners: Vec<u8>,
}

impl Stem {
    /// Room for the images of `grid`, which is that of what the stem leaves.
    pub fn new(channels: usize, grid: Grid) -> Self {
        Self {
            channels,
            grid,
            pictures: vec![0.0; BORDERED * BORDERED * grid.slots()],
            winners: vec![0; channels * grid.plane_len()],
        }
    }

    /// Takes a picture.
    pub fn load(&mut self, image: usize, values: &[f32]) {
        let slots = self.grid.slots();
        for (row, values) in values.chunks_exact(INPUT_SIDE).enumerate() {
            let places = self.pictures[((row + 1) * BORDERED + 1) * slots..].chunks_exact_mut(slots);
            places
                .zip(values)
                .for_each(|(place, &value)| place[image] = value);
        }
    }

    /// Pooled sums of all images; `weights` are `[tap][channel]`.
    pub fn forward(&mut self, weights: &[f32], output: &mut [f32]) {
        convolve(
            self.grid,
            (self.channels, &self.pictures),
            weights,
            (output, &mut self.winners),
        );
    }

    /// Adds to the weights' gradient, `[tap][channel]`, from that of the pooled sums.
    pub fn add_weight_gradient(&self, pooled_gradient: &[f32], gradient: &mut [f32]) {
        let planes = pooled_gradient.chunks_exact(self.grid.plane_len());
        let winners = self.winners.chunks_exact(self.grid.plane_len());
        for (channel, (plane, winners)) in planes.zip(winners).enumerate() {
            let sums = winners_gradient(self.grid, &self.pictures, winners, plane);
            for (tap, sum) in sums.iter().enumerate() {
                gradient[tap * self.channels + channel] += sum;
            }
        }
    }
}

/// What the four windows that are pooled into one pixel see of some images, row by row.
#[inline(always)]
fn patch(
    pictures: &[f32],
    slots: usize,
    (row, column): (usize, usize),
    first: usize,
) -> [&Lanes; PATCH * PATCH] {
    std::array::from_fn(|number| {
        let (row, column) = (2 * row + number / PATCH, 2 * column + number % PATCH);
        pictures[(row * BORDERED + column) * slots + first..]
            .first_chunk()
            .expect("slots are a multiple of a register's; this is a bug")
    })
}

/// Which pixel of the patch one of four windows sees under a tap.
const fn seen(window: usize, tap: usize) -> usize {
    (window / 2 + tap / 3) * PATCH + window % 2 + tap % 3
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2+fma"))]
fn convolve(
    grid: Grid,
    (channels, pictures): (usize, &[f32]),
    weights: &[f32],
    (output, winners): (&mut [f32], &mut [u8]),
) {
    let slots = grid.slots();
    for pixel in 0..grid.side * grid.side {
        for first in (0..slots).step_by(REGISTER) {
            let at = (pixel / grid.side, pixel % grid.side);
            let patch = patch(pictures, slots, at, first).map(|lanes| *lanes);
            for channel in 0..channels {
                let (mut greatest, mut winner): (Lanes, [u8; REGISTER]) = ([0.0; REGISTER], [0; REGISTER]);
                for window in 0..4 {
                    let mut sums = [0.0; REGISTER];
                    for tap in 0..TAPS {
                        let (weight, seen) = (weights[tap * channels + channel], &patch[seen(window, tap)]);
                        for lane in 0..REGISTER {
                            sums[lane] += weight * seen[lane];
                        }
                    }
                    for lane in 0..REGISTER {
                        let is_greater = window == 0 || sums[lane] > greatest[lane];
                        greatest[lane] = if is_greater { sums[lane] } else { greatest[lane] };
                        winner[lane] = if is_greater { window as u8 } else { winner[lane] };
                    }
                }
                let place = channel * grid.plane_len() + pixel * slots + first;
                output[place..][..REGISTER].copy_from_slice(&greatest);
                winners[place..][..REGISTER].copy_from_slice(&winner);
            }
        }
    }
}

/// Gradient of one channel's nine weights.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2+fma"))]
fn winners_gradient(grid: Grid, pictures: &[f32], winners: &[u8], plane: &[f32]) -> [f32; TAPS] {
    let (slots, mut sums) = (grid.slots(), [[0.0; REGISTER]; TAPS]);
    for pixel in 0..grid.side * grid.side {
        for first in (0..slots).step_by(REGISTER) {
            let at = (pixel / grid.side, pixel % grid.side);
            let patch = patch(pictures, slots, at, first);
            let gradient = &plane[pixel * slots + first..][..REGISTER];
            let winners = &winners[pixel * slots + first..][..REGISTER];
            for window in 0..4 {
                let mut own = [0.0; REGISTER];
                for lane in 0..REGISTER {
                    let is_winner = winners[lane] == window as u8;
                    own[lane] = if is_winner { gradient[lane] } else { 0.0 };
                }
                for (tap, sums) in sums.iter_mut().enumerate() {
                    let seen = patch[seen(window, tap)];
                    for lane in 0..REGISTER {
                        sums[lane] += own[lane] * seen[lane];
                    }
                }
            }
        }
    }
    sums.map(|sums| sums.iter().sum())
}
