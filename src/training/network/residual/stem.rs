//! The stem: a 3x3 convolution of the picture.
//!
//! In: pictures of 28x28 values. Out: planes of sums; the weights' gradient. Never: a gradient of the picture, which
//! nothing asks for.

use multiversion::multiversion;

use super::planes::Grid;
use super::shape::TAPS;
use crate::domain::INPUT_SIDE;

/// Images that are looked at together: a wide register's worth.
const REGISTER: usize = 16;
/// Rows and columns of a picture with zeros around it.
const BORDERED: usize = INPUT_SIDE + 2;

const _: () = assert!(super::planes::LANES.is_multiple_of(REGISTER));

type Lanes = [f32; REGISTER];

/// Pictures with zeros around them.
#[derive(Debug)]
pub struct Stem {
    channels: usize,
    grid: Grid,
    /// `[row][column][image]`.
    pictures: Vec<f32>,
}

impl Stem {
    /// Room for the images of `grid`.
    pub fn new(channels: usize, grid: Grid) -> Self {
        Self {
            channels,
            grid,
            pictures: vec![0.0; BORDERED * BORDERED * grid.slots()],
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

    /// Sums of all images; `weights` are `[tap][channel]`.
    pub fn forward(&self, weights: &[f32], sums: &mut [f32]) {
        convolve(self.grid, (self.channels, &self.pictures), weights, sums);
    }

    /// Adds to the weights' gradient, `[tap][channel]`, from that of the sums.
    pub fn add_weight_gradient(&self, sums_gradient: &[f32], gradient: &mut [f32]) {
        let planes = sums_gradient.chunks_exact(self.grid.plane_len());
        for (channel, plane) in planes.take(self.channels).enumerate() {
            let sums = products(self.grid, &self.pictures, plane);
            for (tap, sum) in sums.iter().enumerate() {
                gradient[tap * self.channels + channel] += sum;
            }
        }
    }
}

/// What the window around a pixel sees of some images, row by row.
#[inline(always)]
fn window(pictures: &[f32], grid: Grid, pixel: usize, first: usize) -> [&Lanes; TAPS] {
    let (row, column) = (pixel / grid.side, pixel % grid.side);
    std::array::from_fn(|tap| {
        let place = (row + tap / 3) * BORDERED + column + tap % 3;
        pictures[place * grid.slots() + first..]
            .first_chunk()
            .expect("slots are a multiple of a register's; this is a bug")
    })
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2+fma"))]
fn convolve(grid: Grid, (channels, pictures): (usize, &[f32]), weights: &[f32], output: &mut [f32]) {
    let slots = grid.slots();
    for pixel in 0..grid.side * grid.side {
        for first in (0..slots).step_by(REGISTER) {
            let window = window(pictures, grid, pixel, first).map(|lanes| *lanes);
            for channel in 0..channels {
                let mut sums = [0.0; REGISTER];
                for (tap, seen) in window.iter().enumerate() {
                    let weight = weights[tap * channels + channel];
                    for lane in 0..REGISTER {
                        sums[lane] += weight * seen[lane];
                    }
                }
                let place = channel * grid.plane_len() + pixel * slots + first;
                output[place..][..REGISTER].copy_from_slice(&sums);
            }
        }
    }
}

/// Gradient of one channel's nine weights.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2+fma"))]
fn products(grid: Grid, pictures: &[f32], plane: &[f32]) -> [f32; TAPS] {
    let (slots, mut sums) = (grid.slots(), [[0.0; REGISTER]; TAPS]);
    for pixel in 0..grid.side * grid.side {
        for first in (0..slots).step_by(REGISTER) {
            let window = window(pictures, grid, pixel, first);
            let gradient = &plane[pixel * slots + first..][..REGISTER];
            for (sums, seen) in sums.iter_mut().zip(window) {
                for lane in 0..REGISTER {
                    sums[lane] += gradient[lane] * seen[lane];
                }
            }
        }
    }
    sums.map(|sums| sums.iter().sum())
}
