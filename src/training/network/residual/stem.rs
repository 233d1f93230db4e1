//! The stem: a 3x3 convolution of the picture, pooled 2x2 before anything else is done.
//!
//! In: pictures of 28x28 values. Out: the greatest of each four sums, and where it was; the weights' gradient. Never: a
//! matrix product (nine values are too few for one).

use multiversion::multiversion;

use super::planes::{Grid, pool};
use super::shape::TAPS;
use crate::domain::INPUT_SIDE;

/// A picture with zeros around it, and room for one image's sums.
#[derive(Debug)]
pub struct Stem {
    channels: usize,
    /// Every image, bordered, as a plane of its own.
    pictures: Vec<f32>,
    sums: Vec<f32>,
    pooled: Vec<f32>,
    /// Which of four sums was the greatest, `[image][channel][row][column]`.
    winners: Vec<u8>,
}

const PICTURE: Grid = Grid {
    side: INPUT_SIDE,
    images: 1,
};
const POOLED: Grid = Grid {
    side: INPUT_SIDE / 2,
    images: 1,
};

impl Stem {
    /// Room for so many images.
    pub fn new(channels: usize, images: usize) -> Self {
        Self {
            channels,
            pictures: vec![0.0; images * PICTURE.plane_len()],
            sums: vec![0.0; channels * PICTURE.plane_len()],
            pooled: vec![0.0; channels * POOLED.plane_len()],
            winners: vec![0; images * channels * POOLED.pixels()],
        }
    }

    /// Takes a picture.
    pub fn load(&mut self, image: usize, values: &[f32]) {
        let plane = &mut self.pictures[image * PICTURE.plane_len()..][..PICTURE.plane_len()];
        for (row, values) in values.chunks_exact(INPUT_SIDE).enumerate() {
            plane[PICTURE.row(0, row)..][..INPUT_SIDE].copy_from_slice(values);
        }
    }

    /// Pooled sums of all images of `grid`, whose channels are planes; `weights` are `[tap][channel]`.
    pub fn forward(&mut self, grid: Grid, weights: &[f32], output: &mut [f32]) {
        let per_image = self.channels * POOLED.pixels();
        for image in 0..grid.images {
            let picture = &self.pictures[image * PICTURE.plane_len()..][..PICTURE.plane_len()];
            convolve(picture, weights, self.channels, &mut self.sums);
            let winners = &mut self.winners[image * per_image..][..per_image];
            pool(PICTURE, POOLED, &self.sums, &mut self.pooled, winners);
            let planes = self.pooled.chunks_exact(POOLED.plane_len());
            for (from, to) in planes.zip(output.chunks_exact_mut(grid.plane_len())) {
                let len = POOLED.side * POOLED.row_stride();
                to[grid.row(image, 0)..][..len].copy_from_slice(&from[POOLED.first()..][..len]);
            }
        }
    }

    /// Adds to the weights' gradient, `[tap][channel]`, from that of the pooled sums.
    pub fn add_weight_gradient(&self, grid: Grid, pooled_gradient: &[f32], gradient: &mut [f32]) {
        for image in 0..grid.images {
            let picture = &self.pictures[image * PICTURE.plane_len()..][..PICTURE.plane_len()];
            for channel in 0..self.channels {
                let index = (image * self.channels + channel) * POOLED.pixels();
                let winners = &self.winners[index..][..POOLED.pixels()];
                let plane = &pooled_gradient[channel * grid.plane_len()..][..grid.plane_len()];
                let sums = winners_gradient(grid, image, picture, winners, plane);
                for (tap, sum) in sums.iter().enumerate() {
                    gradient[tap * self.channels + channel] += sum;
                }
            }
        }
    }
}

/// Sums of one picture, a plane a channel.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2+fma"))]
fn convolve(picture: &[f32], weights: &[f32], channels: usize, sums: &mut [f32]) {
    let len = PICTURE.side * PICTURE.row_stride();
    for (channel, plane) in sums.chunks_exact_mut(PICTURE.plane_len()).enumerate() {
        let weight = |tap: usize| weights[tap * channels + channel];
        let shifted = |tap: usize| &picture[(tap / 3) * PICTURE.row_stride() + tap % 3..][..len];
        let plane = &mut plane[PICTURE.first()..][..len];
        for row in 0..3 {
            let (a, b, c) = (shifted(3 * row), shifted(3 * row + 1), shifted(3 * row + 2));
            let (wa, wb, wc) = (weight(3 * row), weight(3 * row + 1), weight(3 * row + 2));
            if row == 0 {
                for (((sum, a), b), c) in plane.iter_mut().zip(a).zip(b).zip(c) {
                    *sum = a * wa + b * wb + c * wc;
                }
            } else {
                for (((sum, a), b), c) in plane.iter_mut().zip(a).zip(b).zip(c) {
                    *sum += a * wa + b * wb + c * wc;
                }
            }
        }
    }
}

/// Gradient of one channel's nine weights from one image.
fn winners_gradient(grid: Grid, image: usize, picture: &[f32], winners: &[u8], plane: &[f32]) -> [f32; TAPS] {
    let mut sums = [0.0; TAPS];
    let stride = PICTURE.row_stride();
    for (row, winners) in winners.chunks_exact(POOLED.side).enumerate() {
        let gradient = &plane[grid.row(image, row)..][..POOLED.side];
        for (column, (&winner, &gradient)) in winners.iter().zip(gradient).enumerate() {
            let winner = usize::from(winner);
            let corner = (2 * row + winner / 2) * stride + 2 * column + winner % 2;
            for window_row in 0..3 {
                let values = &picture[corner + window_row * stride..][..3];
                for (sum, value) in sums[3 * window_row..][..3].iter_mut().zip(values) {
                    *sum += gradient * value;
                }
            }
        }
    }
    sums
}
