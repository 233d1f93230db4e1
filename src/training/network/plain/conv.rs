//! A 3x3 convolution ('same', stride 1) and its gradients.
//!
//! In: activations with a border of one zero pixel, `[image][row][column][channel]`; weights
//! `[output channel][row][column][input channel]`. Out: sums before bias for the positions that pooling looks at, and
//! gradients. Never: bias, ReLU, pooling (see `pool`), allocation.
//!
//! Forward is one matrix product over patches; thanks to the border a patch is three contiguous runs. Backward makes
//! use of what stands behind every convolution here: of the four positions of a pool one alone was its maximum, and ReLU
//! and dropout silence many of those, so that well over three in four gradients of the sums are zero. The others are
//! listed by output channel (`Active`) and each adds a multiple of a patch to the weights' gradient and a multiple of the
//! weights to the input's; nothing is multiplied by zero, and no patch matrix is built a second time.

use multiversion::multiversion;

use crate::training::network::matmul::{Matrix, multiply};

/// Sizes of one convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvShape {
    /// Rows and columns of input and output.
    pub side: usize,
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
}

impl ConvShape {
    /// Rows and columns with the border.
    pub fn padded_side(self) -> usize {
        self.side + 2
    }

    /// Rows and columns after pooling; an odd last row or column is dropped.
    pub fn pooled_side(self) -> usize {
        self.side / 2
    }

    /// Rows and columns of the output that pooling looks at: the sums of an odd last row or column are never needed.
    pub fn used_side(self) -> usize {
        self.pooled_side() * 2
    }

    /// Values in one bordered input image.
    pub fn padded_len(self) -> usize {
        self.padded_side() * self.padded_side() * self.inputs
    }

    /// Values in the sums of one image.
    pub fn sums_len(self) -> usize {
        self.used_side() * self.used_side() * self.outputs
    }

    /// Values in one pooled image.
    pub fn pooled_len(self) -> usize {
        self.pooled_side() * self.pooled_side() * self.outputs
    }

    /// Values under the 3x3 window.
    pub fn patch_len(self) -> usize {
        9 * self.inputs
    }

    /// How many weights there are, without biases.
    pub fn weights_len(self) -> usize {
        self.patch_len() * self.outputs
    }

    /// Values in the patch matrix of one image.
    pub fn patches_len(self) -> usize {
        self.used_side() * self.used_side() * self.patch_len()
    }

    /// Values of one window row.
    fn run_len(self) -> usize {
        3 * self.inputs
    }
}

/// Sums of whole images: `input` holds n bordered images, `by_patch` the weights as `[patch][output channel]`,
/// `patches` is scratch of n patch matrices, `sums` becomes `[image][row][column][output channel]`.
pub fn forward(shape: ConvShape, input: &[f32], by_patch: &[f32], patches: &mut [f32], sums: &mut [f32]) {
    let images = input.len() / shape.padded_len();
    let patches = &mut patches[..images * shape.patches_len()];
    gather_patches(shape, input, patches);
    let rows = images * shape.used_side() * shape.used_side();
    multiply(
        Matrix::new(patches, rows, shape.patch_len()),
        Matrix::new(by_patch, shape.patch_len(), shape.outputs),
        sums,
    );
}

/// The sums whose gradient is not zero, listed by output channel.
#[derive(Debug)]
pub struct Active {
    capacity: usize,
    /// Where the patch of the sum begins in the input, `[channel][entry]`.
    places: Vec<u32>,
    /// Gradient of the sum, `[channel][entry]`.
    gradients: Vec<f32>,
    counts: Vec<u32>,
}

impl Active {
    /// Room for the sums of `images` images.
    pub fn new(shape: ConvShape, images: usize) -> Self {
        let capacity = shape.pooled_side() * shape.pooled_side() * images;
        Self {
            capacity,
            places: vec![0; capacity * shape.outputs],
            gradients: vec![0.0; capacity * shape.outputs],
            counts: vec![0; shape.outputs],
        }
    }

    /// Empties all lists.
    pub fn clear(&mut self) {
        self.counts.fill(0);
    }

    fn of(&self, channel: usize) -> (&[u32], &[f32]) {
        let from = channel * self.capacity;
        let to = from + self.counts[channel] as usize;
        (&self.places[from..to], &self.gradients[from..to])
    }
}

/// What is known of one image's pooled output when its gradient comes back.
#[derive(Debug, Clone, Copy)]
pub struct PooledGradient<'a> {
    /// Output of the block (after ReLU and dropout), from its first value on.
    pub values: &'a [f32],
    /// Gradient of that output, laid out likewise.
    pub gradient: &'a [f32],
    /// Distance between two rows of both.
    pub row_stride: usize,
    /// Which of the four positions was the maximum, `[row][column][channel]`.
    pub winners: &'a [u8],
    /// What dropout multiplied the kept values with.
    pub scale: f32,
}

/// Adds to the gradients of biases `[channel]` and weights `[channel][patch]`.
pub fn add_weight_gradient(
    shape: ConvShape,
    input: &[f32],
    active: &Active,
    (weights, biases): (&mut [f32], &mut [f32]),
) {
    for (channel, bias) in biases.iter_mut().enumerate() {
        *bias += active.of(channel).1.iter().sum::<f32>();
    }
    add_weight_gradient_vectorised(shape, input, active, weights);
}

/// Turns `[output channel][patch]` into `[patch][output channel]`, the layout `forward` wants; `by_patch` receives the
/// rows from `first` on, as many as it holds.
pub fn weights_by_patch(shape: ConvShape, weights: &[f32], first: usize, by_patch: &mut [f32]) {
    for (index, row) in by_patch.chunks_exact_mut(shape.outputs).enumerate() {
        let column = weights[first + index..].iter().step_by(shape.patch_len());
        for (value, from) in row.iter_mut().zip(column) {
            *value = *from;
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn gather_patches(shape: ConvShape, input: &[f32], patches: &mut [f32]) {
    match shape.run_len() {
        96 => gather_runs::<96>(shape, input, patches),
        192 => gather_runs::<192>(shape, input, patches),
        _ => gather_runs::<3>(shape, input, patches),
    }
}

/// Copies runs in pieces of `PIECE` values, a divisor of the run's length.
#[inline(always)]
fn gather_runs<const PIECE: usize>(shape: ConvShape, input: &[f32], patches: &mut [f32]) {
    let (row_len, run_len, used) = (
        shape.padded_side() * shape.inputs,
        shape.run_len(),
        shape.used_side(),
    );
    let mut runs = patches.chunks_exact_mut(run_len);
    for image in input.chunks_exact(shape.padded_len()) {
        for row in 0..used {
            for column in 0..used {
                for window_row in 0..3 {
                    let from = (row + window_row) * row_len + column * shape.inputs;
                    let Some(run) = runs.next() else { return };
                    let source = &image[from..from + run_len];
                    for (to, from) in run.chunks_exact_mut(PIECE).zip(source.chunks_exact(PIECE)) {
                        to.copy_from_slice(from);
                    }
                }
            }
        }
    }
}

/// Adds one image's sums to the lists; `first` is where its bordered input begins.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
pub fn list_active(shape: ConvShape, pooled: PooledGradient, first: usize, active: &mut Active) {
    let (side, channels, capacity) = (shape.pooled_side(), shape.outputs, active.capacity);
    let (step, row_step) = (shape.inputs as u32, (shape.padded_side() * shape.inputs) as u32);
    let counts = &mut active.counts[..channels];
    for row in 0..side {
        let from = row * pooled.row_stride;
        for column in 0..side {
            let corner = first as u32 + 2 * (row as u32 * row_step + column as u32 * step);
            let at = from + column * channels;
            let values = &pooled.values[at..at + channels];
            let gradient = &pooled.gradient[at..at + channels];
            let at = (row * side + column) * channels;
            let winners = &pooled.winners[at..at + channels];
            for channel in 0..channels {
                let winner = u32::from(winners[channel]);
                // Written in any case and counted only if active: cheaper than a jump that cannot be foreseen.
                let slot = channel * capacity + counts[channel] as usize;
                active.places[slot] = corner + (winner >> 1) * row_step + (winner & 1) * step;
                active.gradients[slot] = gradient[channel] * pooled.scale;
                counts[channel] += u32::from(values[channel] > 0.0);
            }
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn add_weight_gradient_vectorised(shape: ConvShape, input: &[f32], active: &Active, weights: &mut [f32]) {
    let (row_len, run_len) = (shape.padded_side() * shape.inputs, shape.run_len());
    for (channel, patch) in weights.chunks_exact_mut(shape.patch_len()).enumerate() {
        let entries = active.of(channel);
        for (window_row, run) in patch.chunks_exact_mut(run_len).enumerate() {
            let input = &input[window_row * row_len..];
            match run_len {
                3 => add_patches::<3>(run, input, entries),
                _ if run_len.is_multiple_of(96) => add_patches::<96>(run, input, entries),
                _ => add_patches::<1>(run, input, entries),
            }
        }
    }
}

/// `run += gradient * input[place..]` over all entries, in pieces that stay in registers meanwhile.
#[inline(always)]
fn add_patches<const PIECE: usize>(run: &mut [f32], input: &[f32], (places, gradients): (&[u32], &[f32])) {
    for (index, piece) in run.as_chunks_mut::<PIECE>().0.iter_mut().enumerate() {
        let input = &input[index * PIECE..];
        let mut sums = *piece;
        for (&place, &gradient) in places.iter().zip(gradients) {
            let (values, _) = input[place as usize..].as_chunks::<PIECE>();
            let values = &values[0];
            for lane in 0..PIECE {
                sums[lane] += gradient * values[lane];
            }
        }
        *piece = sums;
    }
}

/// Adds to the gradient of the bordered input; what lands on the border means nothing.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
pub fn add_input_gradient(shape: ConvShape, weights: &[f32], active: &Active, input_gradient: &mut [f32]) {
    let (row_len, run_len) = (shape.padded_side() * shape.inputs, shape.run_len());
    for (channel, patch) in weights.chunks_exact(shape.patch_len()).enumerate() {
        let entries = active.of(channel);
        for (window_row, run) in patch.chunks_exact(run_len).enumerate() {
            let gradient = &mut input_gradient[window_row * row_len..];
            if run_len.is_multiple_of(96) {
                add_weights::<96>(run, gradient, entries);
            } else {
                add_weights::<1>(run, gradient, entries);
            }
        }
    }
}

/// `input_gradient[place..] += gradient * run` over all entries, in pieces that stay in registers meanwhile.
#[inline(always)]
fn add_weights<const PIECE: usize>(
    run: &[f32],
    input_gradient: &mut [f32],
    (places, gradients): (&[u32], &[f32]),
) {
    for (index, piece) in run.as_chunks::<PIECE>().0.iter().enumerate() {
        let input_gradient = &mut input_gradient[index * PIECE..];
        let weights = *piece;
        for (&place, &gradient) in places.iter().zip(gradients) {
            let (values, _) = input_gradient[place as usize..].as_chunks_mut::<PIECE>();
            let values = &mut values[0];
            for lane in 0..PIECE {
                values[lane] += gradient * weights[lane];
            }
        }
    }
}
