//! Whether a model's confidence means what it says, and the one number that mends most of it.
//!
//! In: a network's sums before the softmax with true labels, or confidences with whether they were right. Out: a
//! temperature; bins of a reliability diagram; the expected calibration error. Never: a model, thresholds.
//!
//! After C. Guo, G. Pleiss, Y. Sun and K. Weinberger, 'On calibration of modern neural networks', ICML 2017.

use serde::{Deserialize, Serialize};

use crate::domain::{LABEL_COUNT, Label};

/// Bins of a reliability diagram, of equal width over 0..=1.
pub const BINS: usize = 15;
/// No temperature beyond these is looked for: at 0.02 the likeliest label takes everything, at 50 all are as likely.
const TEMPERATURES: (f64, f64) = (0.02, 50.0);
/// Halvings of the logarithm of that range: beyond what a double can tell apart.
const HALVINGS: usize = 60;

/// The temperature T > 0 by which `logits` (a network's sums, ten a picture in label order) are to be divided before
/// the softmax, so that the cross-entropy with `labels` is least; within 0.02 to 50. `None` without pictures.
///
/// The cross-entropy is convex in 1/T, so that its slope has one zero, which is found by halving.
///
/// # Panics
/// If there are not as many labels as rows of sums.
pub fn fit_temperature(logits: &[[f32; LABEL_COUNT]], labels: &[Label]) -> Option<f64> {
    assert_eq!(
        logits.len(),
        labels.len(),
        "every row of sums has a label; this is a bug"
    );
    if logits.is_empty() {
        return None;
    }
    let (mut low, mut high) = (TEMPERATURES.0.ln(), TEMPERATURES.1.ln());
    for _ in 0..HALVINGS {
        let middle = 0.5 * (low + high);
        if slope(logits, labels, (-middle).exp()) > 0.0 {
            // Sharper is worse: the temperature is higher.
            low = middle;
        } else {
            high = middle;
        }
    }
    Some((0.5 * (low + high)).exp())
}

/// Slope of the summed cross-entropy in the inverse temperature: the mean sum under the model less the true one's.
fn slope(logits: &[[f32; LABEL_COUNT]], labels: &[Label], inverse: f64) -> f64 {
    let of_picture = |(sums, label): (&[f32; LABEL_COUNT], &Label)| {
        let sums = sums.map(f64::from);
        let greatest = sums.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights = sums.map(|sum| ((sum - greatest) * inverse).exp());
        let weighted: f64 = weights.iter().zip(&sums).map(|(weight, sum)| weight * sum).sum();
        weighted / weights.iter().sum::<f64>() - sums[label.index()]
    };
    logits.iter().zip(labels).map(of_picture).sum()
}

/// One bin of a reliability diagram.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// Confidences above this are in it (from 0 in the first bin) …
    pub from: f64,
    /// … up to and with this.
    pub to: f64,
    /// Pictures in it.
    pub count: u64,
    /// Their mean confidence; `None` in an empty bin.
    pub confidence: Option<f64>,
    /// The share of them that were right; `None` in an empty bin.
    pub accuracy: Option<f64>,
}

/// Confidences, and whether each was right, in [`BINS`] bins of equal width.
///
/// # Panics
/// If there are not as many of the one as of the other.
pub fn reliability_bins(confidences: &[f32], correct: &[bool]) -> [ReliabilityBin; BINS] {
    assert_eq!(
        confidences.len(),
        correct.len(),
        "every confidence was right or wrong; this is a bug"
    );
    let mut tallies = [(0u64, 0.0, 0u64); BINS];
    for (&confidence, &correct) in confidences.iter().zip(correct) {
        let confidence = f64::from(confidence);
        // Closed above, as in the paper; 0 itself is in the first.
        let bin = ((confidence * BINS as f64).ceil() as usize).clamp(1, BINS) - 1;
        let (count, sum, right) = &mut tallies[bin];
        *count += 1;
        *sum += confidence;
        *right += u64::from(correct);
    }
    std::array::from_fn(|bin| {
        let (count, sum, right) = tallies[bin];
        let mean = |total: f64| (count > 0).then(|| total / count as f64);
        ReliabilityBin {
            from: bin as f64 / BINS as f64,
            to: (bin + 1) as f64 / BINS as f64,
            count,
            confidence: mean(sum),
            accuracy: mean(right as f64),
        }
    })
}

/// Mean difference between confidence and share of right answers, 0..=1, over the bins, each by its share of the
/// pictures. `None` without pictures.
pub fn expected_calibration_error(confidences: &[f32], correct: &[bool]) -> Option<f64> {
    let bins = reliability_bins(confidences, correct);
    let pictures = confidences.len() as f64;
    let weighted = bins.iter().filter_map(|bin| {
        let gap = (bin.confidence? - bin.accuracy?).abs();
        Some(gap * bin.count as f64 / pictures)
    });
    (!confidences.is_empty()).then(|| weighted.sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::network::random::{Purpose, Stream};

    /// Pictures whose labels are drawn from the softmax of `logits / temperature`.
    fn drawn(count: usize, temperature: f64) -> (Vec<[f32; LABEL_COUNT]>, Vec<Label>) {
        let mut random = Stream::new(3, Purpose::Corrections);
        let mut uniform = || f64::from(random.next_unit());
        let pictures = (0..count).map(|_| {
            let logits: [f32; LABEL_COUNT] = std::array::from_fn(|_| (uniform() * 8.0) as f32);
            let weights = logits.map(|logit| (f64::from(logit) / temperature).exp());
            let mut left = uniform() * weights.iter().sum::<f64>();
            let label = weights.iter().position(|weight| {
                left -= weight;
                left <= 0.0
            });
            (
                logits,
                Label::from_index(label.unwrap_or(LABEL_COUNT - 1)).unwrap(),
            )
        });
        pictures.unzip()
    }

    #[test]
    fn the_temperature_that_made_the_labels_is_found() {
        for temperature in [0.5, 1.0, 2.5] {
            let (logits, labels) = drawn(20_000, temperature);
            let found = fit_temperature(&logits, &labels).unwrap();
            assert!((found / temperature - 1.0).abs() < 0.05, "{temperature}: {found}");
        }
    }

    #[test]
    fn no_other_temperature_fits_better() {
        let (logits, labels) = drawn(500, 1.7);
        let loss = |temperature: f64| -> f64 {
            let of_picture = |(sums, label): (&[f32; LABEL_COUNT], &Label)| {
                let scaled = sums.map(|sum| f64::from(sum) / temperature);
                scaled.iter().map(|sum| sum.exp()).sum::<f64>().ln() - scaled[label.index()]
            };
            logits.iter().zip(&labels).map(of_picture).sum()
        };
        let best = fit_temperature(&logits, &labels).unwrap();
        for other in [best * 0.99, best * 1.01] {
            assert!(loss(other) > loss(best), "{other} against {best}");
        }
    }

    #[test]
    fn a_temperature_stays_within_its_range_where_none_is_best() {
        let first = Label::from_index(0).unwrap();
        let mut sure = [0.0; LABEL_COUNT];
        sure[0] = 9.0;
        let always_right = fit_temperature(&[sure; 5], &[first; 5]).unwrap();
        assert!((always_right - 0.02).abs() < 1e-6, "{always_right}");
        let always_wrong = fit_temperature(&[sure; 5], &[Label::from_index(1).unwrap(); 5]).unwrap();
        assert!((always_wrong - 50.0).abs() < 1e-6, "{always_wrong}");
        assert_eq!(fit_temperature(&[], &[]), None);
    }

    #[test]
    fn bins_and_error_are_those_counted_by_hand() {
        // Two in (0.6, 0.667], one right: gap |0.65 - 0.5|; one at 1, right: gap 0; one at 0, wrong: gap 0.
        let confidences = [0.64, 0.66, 1.0, 0.0];
        let correct = [true, false, true, false];
        let bins = reliability_bins(&confidences, &correct);
        let counts: Vec<_> = bins.iter().map(|bin| bin.count).collect();
        assert_eq!(counts, [1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1]);
        assert!((bins[9].confidence.unwrap() - 0.65).abs() < 1e-6);
        assert_eq!(bins[9].accuracy, Some(0.5));
        assert_eq!((bins[1].confidence, bins[1].accuracy), (None, None));
        let found = expected_calibration_error(&confidences, &correct).unwrap();
        assert!((found - 0.15 * 2.0 / 4.0).abs() < 1e-6, "{found}");
        assert_eq!(expected_calibration_error(&[], &[]), None);
    }
}
