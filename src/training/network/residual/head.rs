//! The last layer and the loss: ten labels, and whether the picture shows any of them.
//!
//! In: the greatest value of each channel, and what each picture shows. Out: probabilities, loss, gradients. Never:
//! a label for a picture of nothing known.
//!
//! The ten sums are trained by cross-entropy against smoothed labels (Szegedy et al. 2016) on pictures that show one of
//! the ten; the eleventh by binary cross-entropy on all pictures.

use super::shape::OUTPUTS;
use crate::domain::LABEL_COUNT;
use crate::training::network::loss::{self, Tally};

/// Stands among labels for "none of the ten".
pub const NONE: u8 = LABEL_COUNT as u8;

/// How the loss is made up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LossShape {
    /// Share of each label's probability that is spread over all ten, 0..1.
    pub smoothing: f32,
    /// Weight of "none of them" beside the labels; 0 leaves that output untrained.
    pub unknown_weight: f32,
    /// Weight of the demand that a picture of none of the ten gets ten equal probabilities.
    pub uniform_weight: f32,
}

/// Turns sums `[image][output]` into probabilities in place: ten that add up to one, and the one for "none of them".
pub fn probabilities(outputs: &mut [f32]) {
    for row in outputs.chunks_exact_mut(OUTPUTS) {
        let (labels, unknown) = row.split_at_mut(LABEL_COUNT);
        loss::softmax(labels);
        unknown[0] = 1.0 / (1.0 + (-unknown[0]).exp());
    }
}

/// Loss (of the labels, not smoothed) and right answers among the pictures that show something known; `losses` receives
/// each picture's own, zero for one that shows nothing known.
pub fn tally(probabilities: &[f32], labels: &[u8], losses: &mut [f32]) -> Tally {
    let mut sums = Tally::default();
    for ((row, &label), own) in probabilities.chunks_exact(OUTPUTS).zip(labels).zip(losses) {
        *own = 0.0;
        if label != NONE {
            let one = loss::tally(&row[..LABEL_COUNT], &[label]);
            *own = one.loss_sum as f32;
            sums.add(one);
        }
    }
    sums
}

/// Gradient of the summed loss, each picture's times its weight, by the sums, from the probabilities.
pub fn gradient(
    shape: LossShape,
    probabilities: &[f32],
    (labels, weights): (&[u8], &[f32]),
    gradient: &mut [f32],
) {
    let rows = probabilities
        .chunks_exact(OUTPUTS)
        .zip(gradient.chunks_exact_mut(OUTPUTS));
    for (((row, gradient), &label), &scale) in rows.zip(labels).zip(weights) {
        let even = 1.0 / LABEL_COUNT as f32;
        for (index, (gradient, &probability)) in gradient.iter_mut().zip(row).take(LABEL_COUNT).enumerate() {
            *gradient = if label == NONE {
                scale * shape.uniform_weight * (probability - even)
            } else {
                let own = if index == usize::from(label) {
                    1.0 - shape.smoothing
                } else {
                    0.0
                };
                scale * (probability - own - shape.smoothing * even)
            };
        }
        let is_none = if label == NONE { 1.0 } else { 0.0 };
        gradient[LABEL_COUNT] = scale * shape.unknown_weight * (row[LABEL_COUNT] - is_none);
    }
}

/// Greatest value of each channel over an image's pixels, `[image][channel]`, and where it was.
pub fn greatest(grid: super::planes::Grid, values: &[f32], features: &mut [f32], places: &mut [u32]) {
    let channels = values.len() / grid.plane_len();
    for (channel, plane) in values.chunks_exact(grid.plane_len()).enumerate() {
        for (pixel, slots) in plane.chunks_exact(grid.slots()).enumerate() {
            for (image, &value) in slots.iter().enumerate().take(grid.images) {
                let index = image * channels + channel;
                if pixel == 0 || value > features[index] {
                    features[index] = value;
                    places[index] = (pixel * grid.slots() + image) as u32;
                }
            }
        }
    }
}
