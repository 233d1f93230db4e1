//! Softmax and cross-entropy.
//!
//! In: the last layer's sums. Out: probabilities, the loss, and its gradient. Never: allocation.

use crate::domain::LABEL_COUNT;

/// Loss and right answers of some images, as sums.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Tally {
    /// Sum of the images' cross-entropies, in nats.
    pub loss_sum: f64,
    /// How many images had their own label as the likeliest.
    pub correct: u64,
    /// How many images there were.
    pub images: u64,
}

impl Tally {
    /// Adds another's sums.
    pub fn add(&mut self, other: Tally) {
        self.loss_sum += other.loss_sum;
        self.correct += other.correct;
        self.images += other.images;
    }

    /// Mean cross-entropy; 0 of no images.
    pub fn loss(&self) -> f64 {
        self.loss_sum / self.images.max(1) as f64
    }

    /// Share of right answers; 0 of no images.
    pub fn accuracy(&self) -> f64 {
        self.correct as f64 / self.images.max(1) as f64
    }
}

/// Turns one image's sums into probabilities.
pub fn softmax(values: &mut [f32]) {
    let greatest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut total = 0.0;
    for value in values.iter_mut() {
        *value = (*value - greatest).exp();
        total += *value;
    }
    for value in values {
        *value /= total;
    }
}

/// Tallies probabilities `[image][label]` against the true labels.
pub fn tally(probabilities: &[f32], labels: &[u8]) -> Tally {
    let mut sums = Tally::default();
    for (row, &label) in probabilities.chunks_exact(LABEL_COUNT).zip(labels) {
        let own = row[usize::from(label)];
        // Keras's guard against the logarithm of zero; NaN stays NaN, so that a network gone astray is noticed.
        sums.loss_sum -= f64::from(if own < 1e-7 { 1e-7 } else { own }).ln();
        let beaten =
            |(index, &other): (usize, &f32)| other > own || (other == own && index < usize::from(label));
        sums.correct += u64::from(!row.iter().enumerate().any(beaten));
        sums.images += 1;
    }
    sums
}

/// Gradient of `scale` times the summed loss by the sums before softmax.
pub fn gradient(probabilities: &[f32], labels: &[u8], scale: f32, gradient: &mut [f32]) {
    let rows = probabilities
        .chunks_exact(LABEL_COUNT)
        .zip(gradient.chunks_exact_mut(LABEL_COUNT));
    for ((row, out), &label) in rows.zip(labels) {
        for (index, (value, probability)) in out.iter_mut().zip(row).enumerate() {
            let target = if index == usize::from(label) { 1.0 } else { 0.0 };
            *value = (probability - target) * scale;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softmax_stands_great_sums_and_the_first_of_equals_is_the_answer() {
        let mut values = [1000.0, 1000.0, -1000.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        softmax(&mut values);
        assert_eq!(values[..3], [0.5, 0.5, 0.0]);
        assert_eq!(tally(&values, &[0]).correct, 1);
        assert_eq!(tally(&values, &[1]).correct, 0);
        let sure_and_wrong = tally(&values, &[2]);
        assert!(sure_and_wrong.loss_sum.is_finite() && sure_and_wrong.loss() > 16.0);
        assert_eq!(Tally::default().accuracy(), 0.0);
    }
}
