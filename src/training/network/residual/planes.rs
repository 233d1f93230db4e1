//! Activations as planes, and the convolution over them.
//!
//! In: planes and weights. Out: planes, gradients. Never: allocation, threads.
//!
//! A tensor is `[channel][place]`: a channel's images lie behind one another, row after row, with one zero column behind
//! each row and one zero row between images. So each of the nine taps of a 3x3 window is the same plane, shifted, and a
//! convolution is nine matrix products that read it in place: no patch is ever gathered. What the products leave on the
//! zeros between rows means nothing and is cleared by the mask when the next layer is written.

use multiversion::multiversion;

use super::shape::{TAPS, Unit};
use crate::training::network::matmul::{Matrix, Onto, multiply_into};

/// Where the pixels of some images lie in a plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Rows and columns of an image.
    pub side: usize,
    /// How many images there are.
    pub images: usize,
}

/// Values that loops take at a time; planes are a multiple of it long.
pub const LANES: usize = 16;
/// Places that a convolution does at a time: what it reads and writes then stays in the second-level cache.
const CHUNK: usize = 1024;

impl Grid {
    /// From one row to the next.
    pub fn row_stride(self) -> usize {
        self.side + 1
    }

    /// From one image to the next.
    pub fn image_stride(self) -> usize {
        (self.side + 1) * self.row_stride()
    }

    /// Place of the first pixel: a zero row and a zero column stand before it.
    pub fn first(self) -> usize {
        self.row_stride() + 1
    }

    /// Place of the first pixel of a row.
    pub fn row(self, image: usize, row: usize) -> usize {
        self.first() + image * self.image_stride() + row * self.row_stride()
    }

    /// Values of one plane.
    pub fn plane_len(self) -> usize {
        (2 * self.first() + self.images * self.image_stride()).next_multiple_of(LANES)
    }

    /// How many of them are pixels.
    pub fn pixels(self) -> usize {
        self.images * self.side * self.side
    }

    /// 1 where a pixel is, 0 elsewhere.
    pub fn mask(self) -> Vec<f32> {
        let mut mask = vec![0.0; self.plane_len()];
        for image in 0..self.images {
            for row in 0..self.side {
                mask[self.row(image, row)..][..self.side].fill(1.0);
            }
        }
        mask
    }

    /// The places that hold pixels or the zeros between them, in chunks.
    fn chunks(self) -> impl Iterator<Item = (usize, usize)> {
        let (first, end) = (self.first(), self.first() + self.images * self.image_stride());
        (first..end)
            .step_by(CHUNK)
            .map(move |from| (from, (from + CHUNK).min(end)))
    }

    /// The place that tap `tap` reads for `place`.
    fn tapped(self, place: usize, tap: usize) -> usize {
        place + (tap / 3) * self.row_stride() + tap % 3 - self.first()
    }

    /// The place from which tap `tap` reads `place`.
    fn untapped(self, place: usize, tap: usize) -> usize {
        place + self.first() - (tap / 3) * self.row_stride() - tap % 3
    }
}

/// Sums of a convolution; `weights` are `[tap][output][input]`.
pub fn forward(grid: Grid, unit: Unit, weights: &[f32], input: &[f32], sums: &mut [f32]) {
    let (plane, size) = (grid.plane_len(), unit.inputs * unit.outputs);
    for (from, to) in grid.chunks() {
        for tap in 0..TAPS {
            multiply_into(
                Matrix::new(&weights[tap * size..][..size], unit.outputs, unit.inputs),
                Matrix::with_stride(&input[grid.tapped(from, tap)..], unit.inputs, to - from, plane),
                (&mut sums[from..], plane),
                onto(tap),
            );
        }
    }
}

/// Gradient of the input, from that of the sums, whose borders must be zero.
pub fn input_gradient(grid: Grid, unit: Unit, weights: &[f32], sums_gradient: &[f32], gradient: &mut [f32]) {
    let (plane, size) = (grid.plane_len(), unit.inputs * unit.outputs);
    for (from, to) in grid.chunks() {
        for tap in 0..TAPS {
            let place = grid.untapped(from, tap);
            multiply_into(
                Matrix::new(&weights[tap * size..][..size], unit.outputs, unit.inputs).transposed(),
                Matrix::with_stride(&sums_gradient[place..], unit.outputs, to - from, plane),
                (&mut gradient[from..], plane),
                onto(tap),
            );
        }
    }
}

/// Adds to the weights' gradient, `[tap][output][input]`; the borders of `sums_gradient` must be zero.
pub fn add_weight_gradient(
    grid: Grid,
    unit: Unit,
    input: &[f32],
    sums_gradient: &[f32],
    gradient: &mut [f32],
) {
    let (plane, size) = (grid.plane_len(), unit.inputs * unit.outputs);
    for (from, to) in grid.chunks() {
        let sums_gradient = Matrix::with_stride(&sums_gradient[from..], unit.outputs, to - from, plane);
        for tap in 0..TAPS {
            let input = &input[grid.tapped(from, tap)..];
            multiply_into(
                sums_gradient,
                Matrix::with_stride(input, unit.inputs, to - from, plane).transposed(),
                (&mut gradient[tap * size..][..size], unit.inputs),
                Onto::Itself,
            );
        }
    }
}

fn onto(tap: usize) -> Onto {
    if tap == 0 { Onto::Nothing } else { Onto::Itself }
}

/// Pools 2x2, channel by channel; `winners` are 0..4, `[channel][image][row][column]`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
pub fn pool(from: Grid, to: Grid, values: &[f32], pooled: &mut [f32], winners: &mut [u8]) {
    let side = to.side;
    for ((values, pooled), winners) in values
        .chunks_exact(from.plane_len())
        .zip(pooled.chunks_exact_mut(to.plane_len()))
        .zip(winners.chunks_exact_mut(to.pixels()))
    {
        for (index, winners) in winners.chunks_exact_mut(side).enumerate() {
            let (image, row) = (index / side, index % side);
            let upper = &values[from.row(image, 2 * row)..][..2 * side];
            let lower = &values[from.row(image, 2 * row + 1)..][..2 * side];
            let pooled = &mut pooled[to.row(image, row)..][..side];
            for column in 0..side {
                let four = [
                    upper[2 * column],
                    upper[2 * column + 1],
                    lower[2 * column],
                    lower[2 * column + 1],
                ];
                let (mut greatest, mut winner) = (four[0], 0u8);
                for (number, &value) in four.iter().enumerate().skip(1) {
                    if value > greatest {
                        (greatest, winner) = (value, number as u8);
                    }
                }
                pooled[column] = greatest;
                winners[column] = winner;
            }
        }
    }
}

/// The gradient of what was pooled: all zero but at the winners.
pub fn unpool(from: Grid, to: Grid, pooled: &[f32], winners: &[u8], gradient: &mut [f32]) {
    let side = to.side;
    gradient.fill(0.0);
    for ((gradient, pooled), winners) in gradient
        .chunks_exact_mut(from.plane_len())
        .zip(pooled.chunks_exact(to.plane_len()))
        .zip(winners.chunks_exact(to.pixels()))
    {
        for (index, winners) in winners.chunks_exact(side).enumerate() {
            let (image, row) = (index / side, index % side);
            let pooled = &pooled[to.row(image, row)..][..side];
            let first = from.row(image, 2 * row);
            for (column, (&winner, &value)) in winners.iter().zip(pooled).enumerate() {
                let winner = usize::from(winner);
                gradient[first + (winner / 2) * from.row_stride() + 2 * column + winner % 2] = value;
            }
        }
    }
}
