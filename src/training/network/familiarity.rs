//! Is it one of the classes at all? Told by how much a picture is like those of which somebody has said so.
//!
//! In: what a network makes of pictures before its last layer (features) and behind it (labels), and which of them show none of
//! the classes. Out: a function of both: the log-odds that a picture shows none. Never: pictures, a network, chance.
//!
//! Things of no class are of many kinds, and no plane in the space of features has all of them on one side; the network's
//! own eleventh output is such a plane. Kernel ridge regression (C. Saunders, A. Gammerman and V. Vovk, ICML 1998) puts a
//! bump around every example, and leaves to the plane, and to doubt about the label (D. Hendrycks and K. Gimpel, ICLR 2017), what
//! is like none of them. The sum is made a probability by a sigmoid that is fitted on examples that the bumps were not
//! fitted on (J. Platt, 1999).

use crate::domain::LABEL_COUNT;

/// What holds the fit back: the greater, the smoother. Targets are 1 and -1, and no likeness is greater than 1.
const RIDGE: f64 = 6.0;
/// How broad a bump is: its breadth, for each feature. The narrower, the better what was corrected is told apart, and what is
/// like none of it is left to the network's own output; at 0.08, bumps are too lonely to say anything (docs/training.md).
const BREADTH: f32 = 0.3;
/// How much the network's own log-odds count beside the bumps, which lie between -1 and 1. With less, and more so with
/// none, what shows a class that nobody has corrected is taken for unknown more often; with more, likeness has less to say.
const OWN_SHARE: f32 = 0.05;
/// How much doubt about the label counts beside the bumps: doubt is 0 where one label is sure.
const DOUBT_SHARE: f32 = 0.2;
/// Steps of the iteration that solves for the weights, at most.
const STEPS: usize = 500;
/// Square of the remainder, of the target's, at which a solution will do.
const TOLERANCE: f64 = 1e-16;
/// Steps of Newton's method for two numbers, at most.
const NEWTON_STEPS: usize = 100;
/// Halvings of one such step, at most.
const HALVINGS: usize = 30;

/// Probabilities of the ten labels, as a network gives them before any temperature.
pub type Labels = [f32; LABEL_COUNT];

/// A function of features and labels: a plane, doubt about the label, and a bump for each example. For the bumps, features are
/// measured in deviations from the mean of the examples; the likeness to an example is `exp(-d^2 / breadth)` at distance `d`,
/// with a [breadth](Familiarity::breadth) in proportion to the number of features.
#[derive(Debug, Clone, PartialEq)]
pub struct Familiarity {
    /// Of each feature over the examples.
    pub means: Vec<f32>,
    /// Of each feature over the examples; above 0.
    pub deviations: Vec<f32>,
    /// The examples, `[example][feature]`, as deviations from the mean.
    pub examples: Vec<f32>,
    /// How much likeness to each example counts.
    pub weights: Vec<f32>,
    /// The plane's slopes, along features as they are.
    pub plane: Vec<f32>,
    /// How much doubt counts: what the greatest of the labels' probabilities lacks of 1.
    pub doubt: f32,
    /// What is added.
    pub offset: f32,
}

impl Familiarity {
    /// Bumps fitted to examples, `[example][feature]`: 1 where `is_unknown`, else -1; the plane is level, and doubt does not count.
    /// `None` without examples of both.
    pub fn fit(features: &[f32], is_unknown: &[bool]) -> Option<Self> {
        let count = is_unknown.len();
        if features.is_empty() || !is_unknown.contains(&false) || !is_unknown.contains(&true) {
            return None;
        }
        let width = features.len() / count;
        let (means, deviations) = moments(features, width);
        let mut familiarity = Self {
            means,
            deviations,
            examples: Vec::new(),
            weights: vec![0.0; count],
            plane: vec![0.0; width],
            doubt: 0.0,
            offset: 0.0,
        };
        familiarity.examples = features
            .chunks_exact(width)
            .flat_map(|row| familiarity.standard(row))
            .collect();
        let rows = || familiarity.examples.chunks_exact(width);
        let likenesses: Vec<f64> = rows()
            .flat_map(|one| rows().map(move |other| likeness(one, other)))
            .collect();
        let targets: Vec<f64> = is_unknown.iter().map(|&is| if is { 1.0 } else { -1.0 }).collect();
        let weights = solve(&likenesses, &targets);
        familiarity.weights = weights.iter().map(|&weight| weight as f32).collect();
        Some(familiarity)
    }

    /// How many features it wants.
    pub fn width(&self) -> usize {
        self.means.len()
    }

    /// The square of the distance at which likeness has fallen to one over e.
    pub fn breadth(&self) -> f32 {
        breadth(self.width())
    }

    /// The value for features, `[picture][feature]`, and labels of each picture.
    pub fn values(&self, features: &[f32], labels: &[Labels]) -> Vec<f64> {
        let pictures = features.chunks_exact(self.width()).zip(labels);
        pictures.map(|(row, labels)| self.value(row, labels)).collect()
    }

    fn value(&self, row: &[f32], labels: &Labels) -> f64 {
        let plane: f32 = row
            .iter()
            .zip(&self.plane)
            .map(|(value, slope)| value * slope)
            .sum();
        let doubt = 1.0 - labels.iter().copied().fold(0.0, f32::max);
        let row: Vec<f32> = self.standard(row).collect();
        let examples = self.examples.chunks_exact(self.width()).zip(&self.weights);
        let bumps: f64 = examples
            .map(|(example, &weight)| likeness(example, &row) * f64::from(weight))
            .sum();
        bumps + f64::from(plane + self.doubt * doubt + self.offset)
    }

    /// The same, tilted by a network's own output for "none of them" and by its doubt: what is like no example is left to these.
    pub fn tilted(mut self, (slopes, bias): (&[f32], f32)) -> Self {
        self.plane = slopes.iter().map(|slope| slope * OWN_SHARE).collect();
        self.doubt = DOUBT_SHARE;
        self.offset += bias * OWN_SHARE;
        self
    }

    /// The same, passed through a sigmoid's two numbers: its values are log-odds then.
    pub fn as_log_odds(mut self, sigmoid: Sigmoid) -> Self {
        let lists = self.weights.iter_mut().chain(&mut self.plane);
        let numbers = lists.chain([&mut self.doubt]);
        numbers.for_each(|number| *number *= sigmoid.slope as f32);
        self.offset = (f64::from(self.offset) * sigmoid.slope + sigmoid.offset) as f32;
        self
    }

    fn standard<'a>(&'a self, row: &'a [f32]) -> impl Iterator<Item = f32> + 'a {
        let moments = self.means.iter().zip(&self.deviations);
        row.iter()
            .zip(moments)
            .map(|(value, (mean, deviation))| (value - mean) / deviation)
    }
}

fn likeness(one: &[f32], other: &[f32]) -> f64 {
    let distance: f32 = one.iter().zip(other).map(|(a, b)| (a - b) * (a - b)).sum();
    f64::from(-distance / breadth(one.len())).exp()
}

fn breadth(width: usize) -> f32 {
    BREADTH * width as f32
}

/// Mean and deviation of each feature; a feature that never changes is measured in ones.
fn moments(features: &[f32], width: usize) -> (Vec<f32>, Vec<f32>) {
    let count = (features.len() / width) as f64;
    let over = |place: usize| {
        features
            .iter()
            .skip(place)
            .step_by(width)
            .map(|&value| f64::from(value))
    };
    (0..width)
        .map(|place| {
            let mean = over(place).sum::<f64>() / count;
            let variance = over(place).map(|value| (value - mean).powi(2)).sum::<f64>() / count;
            let deviation = if variance > 0.0 { variance.sqrt() } else { 1.0 };
            (mean as f32, deviation as f32)
        })
        .unzip()
}

/// Weights `w` with `(likenesses + RIDGE) w = targets`, by conjugate gradients (Hestenes and Stiefel 1952): the matrix is
/// symmetric and, by the ridge, far from singular.
fn solve(likenesses: &[f64], targets: &[f64]) -> Vec<f64> {
    let dot = |one: &[f64], other: &[f64]| -> f64 { one.iter().zip(other).map(|(a, b)| a * b).sum() };
    let mut weights = vec![0.0; targets.len()];
    let mut remainder = targets.to_vec();
    let mut direction = targets.to_vec();
    let mut size = dot(&remainder, &remainder);
    let enough = size * TOLERANCE;
    for _ in 0..STEPS {
        if size <= enough {
            break;
        }
        let rows = likenesses.chunks_exact(targets.len()).zip(&direction);
        let image: Vec<f64> = rows
            .map(|(row, own)| dot(row, &direction) + RIDGE * own)
            .collect();
        let step = size / dot(&direction, &image);
        for (place, value) in image.iter().enumerate() {
            weights[place] += step * direction[place];
            remainder[place] -= step * value;
        }
        let size_before = std::mem::replace(&mut size, dot(&remainder, &remainder));
        for (own, left) in direction.iter_mut().zip(&remainder) {
            *own = left + size / size_before * *own;
        }
    }
    weights
}

/// Makes log-odds of a value: `slope * value + offset`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sigmoid {
    /// Above 0 where greater values speak for unknown.
    pub slope: f64,
    /// The log-odds at 0.
    pub offset: f64,
}

impl Sigmoid {
    /// Of values that are log-odds already.
    pub const ONE: Sigmoid = Sigmoid {
        slope: 1.0,
        offset: 0.0,
    };

    /// Of the greatest likelihood, by Newton's method with steps halved until they lead up (H.-T. Lin, C.-J. Lin and R. Weng,
    /// Machine Learning 68, 2007); targets are drawn in a little (Platt 1999), so that the two numbers stay finite where the
    /// values tell both kinds apart without a mistake. `None` if greater values do not speak for unknown.
    pub fn fit(values: &[f64], is_unknown: &[bool]) -> Option<Self> {
        let unknown = is_unknown.iter().filter(|&&is| is).count() as f64;
        let known = is_unknown.len() as f64 - unknown;
        let target = |is: bool| match is {
            true => (unknown + 1.0) / (unknown + 2.0),
            false => 1.0 / (known + 2.0),
        };
        let mut sigmoid = Self {
            slope: 0.0,
            offset: ((unknown + 1.0) / (known + 1.0)).ln(),
        };
        // The logarithm of the likelihood, negative; written so that nothing overflows.
        let loss = |sigmoid: Sigmoid| -> f64 {
            let pairs = values.iter().zip(is_unknown);
            let of = |(&value, &is): (&f64, &bool)| {
                let log_odds = sigmoid.slope * value + sigmoid.offset;
                log_odds.max(0.0) + (-log_odds.abs()).exp().ln_1p() - target(is) * log_odds
            };
            pairs.map(of).sum()
        };
        let mut reached = loss(sigmoid);
        for _ in 0..NEWTON_STEPS {
            let (mut by_slope, mut by_offset) = (0.0, 0.0);
            // A touch of damping: the curvature of values that are all alike is that of a line.
            let (mut slopes, mut both, mut offsets) = (1e-9, 0.0, 1e-9);
            for (&value, &is) in values.iter().zip(is_unknown) {
                let chance = sigmoid.chance(value);
                let (error, weight) = (target(is) - chance, chance * (1.0 - chance));
                by_slope += error * value;
                by_offset += error;
                slopes += weight * value * value;
                both += weight * value;
                offsets += weight;
            }
            let determinant = slopes * offsets - both * both;
            let slope = (by_slope * offsets - by_offset * both) / determinant;
            let offset = (by_offset * slopes - by_slope * both) / determinant;
            let step = |share: f64| Self {
                slope: sigmoid.slope + share * slope,
                offset: sigmoid.offset + share * offset,
            };
            let better = (0..HALVINGS)
                .map(|halvings| step(0.5f64.powi(halvings as i32)))
                .map(|next| (next, loss(next)))
                .find(|(_, lost)| *lost < reached);
            let Some((next, lost)) = better else {
                break;
            };
            (sigmoid, reached) = (next, lost);
        }
        (sigmoid.slope > 0.0 && sigmoid.slope.is_finite() && sigmoid.offset.is_finite()).then_some(sigmoid)
    }

    /// The same evidence where another share of all is unknown: `fitted_on` of the examples were, `of_all` of what is asked
    /// are expected to be; both between 0 and 1 (Saerens, Latinne and Decaestecker, Neural Computation 14, 2002).
    pub fn where_unknown_are(self, fitted_on: f64, of_all: f64) -> Self {
        let log_odds = |share: f64| (share / (1.0 - share)).ln();
        Self {
            offset: self.offset + log_odds(of_all) - log_odds(fitted_on),
            ..self
        }
    }

    /// The probability that it says, 0..=1.
    pub fn chance(self, value: f64) -> f64 {
        1.0 / (1.0 + (-(self.slope * value + self.offset)).exp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::network::random::{Purpose, Stream};

    /// Unknown ones lie on a ring around the known: no plane tells them apart.
    fn ring(count: usize, layer: u32) -> (Vec<f32>, Vec<bool>) {
        let mut draw = Stream::new(1, Purpose::Initial { layer });
        let mut features = Vec::new();
        let mut is_unknown = Vec::new();
        for number in 0..count {
            let (angle, unknown) = (draw.next_unit() * std::f32::consts::TAU, number % 3 == 0);
            let radius = draw.next_unit() + if unknown { 2.0 } else { 0.0 };
            features.extend([5.0 + 100.0 * radius * angle.cos(), radius * angle.sin(), 7.0]);
            is_unknown.push(unknown);
        }
        (features, is_unknown)
    }

    /// Labels of which one is sure, for so many pictures.
    fn sure(count: usize) -> Vec<Labels> {
        let mut labels = [0.0; LABEL_COUNT];
        labels[3] = 1.0;
        vec![labels; count]
    }

    #[test]
    fn what_no_plane_tells_apart_is_told_by_likeness() {
        let (features, is_unknown) = ring(150, 1);
        let familiarity = Familiarity::fit(&features, &is_unknown).unwrap();
        let (others, truths) = ring(90, 2);
        for (value, unknown) in familiarity
            .values(&others, &sure(truths.len()))
            .into_iter()
            .zip(truths)
        {
            assert_eq!(value > 0.0, unknown, "{value}");
        }
        // Like nothing that it has seen: it has nothing to say, and leaves it to the plane.
        let far = [1e6, 1e6, 7.0];
        assert!(familiarity.values(&far, &sure(1))[0].abs() < 1e-9);
        let tilted = familiarity.tilted((&[2e-6, 0.0, 1.0], 3.0));
        let told = 12.0 * f64::from(OWN_SHARE);
        assert!((tilted.values(&far, &sure(1))[0] - told).abs() < 1e-5);
        let even = [[1.0 / LABEL_COUNT as f32; LABEL_COUNT]];
        let doubted = told + 0.9 * f64::from(DOUBT_SHARE);
        assert!((tilted.values(&far, &even)[0] - doubted).abs() < 1e-5);
    }

    #[test]
    fn the_weights_solve_the_ridge_equation() {
        let (features, is_unknown) = ring(60, 3);
        let familiarity = Familiarity::fit(&features, &is_unknown).unwrap();
        let values = familiarity.values(&features, &sure(is_unknown.len()));
        for ((value, &unknown), &weight) in values.iter().zip(&is_unknown).zip(&familiarity.weights) {
            let target = if unknown { 1.0 } else { -1.0 };
            assert!((value + RIDGE * f64::from(weight) - target).abs() < 1e-4);
        }
    }

    #[test]
    fn examples_of_one_kind_say_nothing() {
        assert_eq!(Familiarity::fit(&[1.0, 2.0], &[true, true]), None);
        assert_eq!(Familiarity::fit(&[1.0, 2.0], &[false, false]), None);
        assert_eq!(Familiarity::fit(&[], &[]), None);
    }

    /// At the greatest likelihood, mean and slope of what is left are none.
    #[test]
    fn the_sigmoid_is_the_likeliest_and_its_log_odds_are_those_of_the_function() {
        let (features, is_unknown) = ring(90, 4);
        let familiarity = Familiarity::fit(&features, &is_unknown).unwrap();
        let values: Vec<f64> = familiarity
            .values(&features, &sure(90))
            .iter()
            .map(|value| value.sin())
            .collect();
        let noisy: Vec<bool> = is_unknown
            .iter()
            .enumerate()
            .map(|(number, &is)| is != (number % 10 == 0))
            .collect();
        let sigmoid = Sigmoid::fit(&values, &noisy).unwrap();
        let unknown = noisy.iter().filter(|&&is| is).count() as f64;
        let known = noisy.len() as f64 - unknown;
        let (mut sum, mut tilt) = (0.0, 0.0);
        for (&value, &is) in values.iter().zip(&noisy) {
            let target = if is {
                (unknown + 1.0) / (unknown + 2.0)
            } else {
                1.0 / (known + 2.0)
            };
            sum += target - sigmoid.chance(value);
            tilt += (target - sigmoid.chance(value)) * value;
        }
        assert!(sum.abs() < 1e-6 && tilt.abs() < 1e-6, "{sum} {tilt}");
        let apart = Sigmoid::fit(&[-1.0, -0.5, 0.5, 1.0], &[false, false, true, true]).unwrap();
        assert!(apart.chance(1.0) > 0.7 && apart.chance(-1.0) < 0.3);
        assert_eq!(
            Sigmoid::fit(&[1.0, 0.5, -0.5, -1.0], &[false, false, true, true]),
            None
        );
        // Few of one kind, well apart: whole steps ran away.
        let values: Vec<f64> = (0..2_020)
            .map(|number| f64::from(number % 7) * 1e-3 + if number < 20 { 0.9 } else { -0.9 })
            .collect();
        let is_unknown: Vec<bool> = (0..2_020).map(|number| number < 20).collect();
        let rare = Sigmoid::fit(&values, &is_unknown).unwrap();
        assert!((1.0..20.0).contains(&rare.slope), "{rare:?}");
        assert!(rare.chance(0.9) > 0.9 && rare.chance(-0.9) < 0.01);

        let odds = |sigmoid: Sigmoid, value| sigmoid.chance(value) / (1.0 - sigmoid.chance(value));
        let rarer = sigmoid.where_unknown_are(0.5, 0.2);
        assert!((odds(rarer, 0.3) * 4.0 - odds(sigmoid, 0.3)).abs() < 1e-9);

        let familiarity = familiarity.tilted((&[0.01, -0.1, 0.2], 3.0));
        let labels = [[0.06; LABEL_COUNT]; 90];
        let raw = familiarity.values(&features, &labels);
        let log_odds = familiarity.as_log_odds(sigmoid).values(&features, &labels);
        for (raw, log_odds) in raw.iter().zip(log_odds) {
            assert!((sigmoid.slope * raw + sigmoid.offset - log_odds).abs() < 1e-4);
        }
    }
}
