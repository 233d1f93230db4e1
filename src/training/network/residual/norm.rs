//! Batch normalisation and ReLU over planes, forward and backward.
//!
//! In: a convolution's sums. Out: what the next layer sees, zero where no image is; gradients. Never: a mean that was
//! kept from another batch (statistics are found in the batch at hand or given by the caller).
//!
//! The batch that is normalised is the part of it that one shard holds ("ghost batch", Hoffer, Hubara, Soudry 2017):
//! shards then need not wait for one another, and small batches regularise.

use multiversion::multiversion;

use super::planes::LANES;

/// Keeps the variance away from zero.
pub const EPSILON: f32 = 1e-5;

/// Mean and variance of one channel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Statistics {
    /// Mean of the sums.
    pub mean: f32,
    /// Their variance, divided by their number.
    pub variance: f32,
}

impl Statistics {
    /// One over the standard deviation.
    pub fn inverse_deviation(self) -> f32 {
        1.0 / (self.variance + EPSILON).sqrt()
    }

    /// Factor and summand that normalise, scale and shift at once.
    pub fn affine(self, scale: f32, shift: f32) -> (f32, f32) {
        let factor = scale * self.inverse_deviation();
        (factor, shift - factor * self.mean)
    }
}

/// Mean and variance of one plane's pixels; `mask` is 1 for each slot that holds an image.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
pub fn measure(plane: &[f32], mask: &[f32], pixels: usize) -> Statistics {
    let mut sums = [0.0; LANES];
    for slots in plane.chunks_exact(mask.len()) {
        let slots = slots.as_chunks::<LANES>().0.iter();
        for (values, mask) in slots.zip(mask.as_chunks::<LANES>().0) {
            for lane in 0..LANES {
                sums[lane] += values[lane] * mask[lane];
            }
        }
    }
    let mean = sums.iter().sum::<f32>() / pixels as f32;
    let mut squares = [0.0; LANES];
    for slots in plane.chunks_exact(mask.len()) {
        let slots = slots.as_chunks::<LANES>().0.iter();
        for (values, mask) in slots.zip(mask.as_chunks::<LANES>().0) {
            for lane in 0..LANES {
                let difference = (values[lane] - mean) * mask[lane];
                squares[lane] += difference * difference;
            }
        }
    }
    Statistics {
        mean,
        variance: squares.iter().sum::<f32>() / pixels as f32,
    }
}

/// `output = relu(factor * sums + summand [+ added])`, zero where no image is.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
pub fn normalise(
    sums: &[f32],
    (factor, summand): (f32, f32),
    added: Option<&[f32]>,
    mask: &[f32],
    output: &mut [f32],
) {
    let slots = mask.len();
    let pixels = sums.chunks_exact(slots).zip(output.chunks_exact_mut(slots));
    match added {
        None => {
            for (sums, output) in pixels {
                for ((output, &sum), &mask) in output.iter_mut().zip(sums).zip(mask) {
                    *output = (sum * factor + summand).max(0.0) * mask;
                }
            }
        }
        Some(added) => {
            for ((sums, output), added) in pixels.zip(added.chunks_exact(slots)) {
                for (((output, &sum), &added), &mask) in output.iter_mut().zip(sums).zip(added).zip(mask) {
                    *output = (sum * factor + summand + added).max(0.0) * mask;
                }
            }
        }
    }
}

/// What `through` needs to know of one channel.
#[derive(Debug, Clone, Copy)]
pub struct Backward<'a> {
    /// The sums.
    pub sums: &'a [f32],
    /// Their statistics in this batch.
    pub statistics: Statistics,
    /// Scale of the normalisation.
    pub scale: f32,
    /// 1 for each slot that holds an image.
    pub mask: &'a [f32],
    /// How many pixels there are.
    pub pixels: usize,
}

/// Takes a gradient back through ReLU: `passed` becomes that of what it saw (so that of what was added, too), from its output
/// and the output's gradient.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
pub fn through_relu(output: &[f32], gradient: &[f32], passed: &mut [f32]) {
    for ((passed, &gradient), &output) in passed.iter_mut().zip(gradient).zip(output) {
        // The output is zero where no image is, too.
        *passed = if output > 0.0 { gradient } else { 0.0 };
    }
}

/// Takes a gradient back through the normalisation: from `gradient`, that of what ReLU saw, to that of the sums. Gives the
/// gradients of scale and shift.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
pub fn through(channel: Backward, gradient: &[f32], sums_gradient: &mut [f32]) -> (f32, f32) {
    let Statistics { mean, .. } = channel.statistics;
    let inverse = channel.statistics.inverse_deviation();
    let (mut shift_sums, mut scale_sums) = ([0.0; LANES], [0.0; LANES]);
    let gradients = gradient.as_chunks::<LANES>().0.iter();
    for (gradient, sums) in gradients.zip(channel.sums.as_chunks::<LANES>().0) {
        for lane in 0..LANES {
            shift_sums[lane] += gradient[lane];
            scale_sums[lane] += gradient[lane] * ((sums[lane] - mean) * inverse);
        }
    }
    let shift_gradient: f32 = shift_sums.iter().sum();
    let scale_gradient: f32 = scale_sums.iter().sum();
    let factor = channel.scale * inverse;
    let (shift_mean, scale_mean) = (
        shift_gradient / channel.pixels as f32,
        scale_gradient / channel.pixels as f32,
    );
    let slots = channel.mask.len();
    let pixels = sums_gradient
        .chunks_exact_mut(slots)
        .zip(gradient.chunks_exact(slots))
        .zip(channel.sums.chunks_exact(slots));
    for ((out, gradient), sums) in pixels {
        for (((out, &gradient), &sum), &mask) in out.iter_mut().zip(gradient).zip(sums).zip(channel.mask) {
            let normal = (sum - mean) * inverse;
            *out = factor * (gradient - shift_mean - normal * scale_mean) * mask;
        }
    }
    (scale_gradient, shift_gradient)
}
