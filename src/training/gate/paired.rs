//! Two models on the same pictures: by how much does one err more often, at least and at most?
//!
//! In: on how many pictures only the one and only the other was wrong. Out: the difference of their error rates with
//! one-sided 95 % bounds, of several comparisons for all of them at once. Never: a single picture, a judgement.
//!
//! The bounds are the score bounds for the difference of paired proportions (T. Tango, Statistics in Medicine 17,
//! 1998, pp. 891-908): the differences that McNemar's test, turned into a test of that very difference, would not
//! refuse. The textbook way (difference plus 1.645 standard errors) would be nearly as good on ten thousand pictures,
//! but two models that never disagree have no standard error at all, so that it would call ten photos proof enough;
//! the score bounds stay honest there and with the few pictures of one class.

use serde::{Deserialize, Serialize};

use crate::domain::LABEL_COUNT;

/// The normal distribution's points below which all but a part of 5 % lie: the whole of it, half, a third, and so on, for as
/// many comparisons as there are classes (Bonferroni).
const Z_95: [f64; LABEL_COUNT] = [
    1.644_853_626_951_472_2,
    1.959_963_984_540_054_3,
    2.128_045_234_184_985,
    2.241_402_727_604_945_5,
    2.326_347_874_040_841,
    2.393_979_799_818_509_5,
    2.449_997_660_602_728_7,
    2.497_705_474_412_373,
    2.539_184_813_651_312,
    2.575_829_303_548_901,
];
/// Halvings of an interval no longer than 2: beyond what a double can tell apart.
const HALVINGS: usize = 60;

/// How two models did on the same pictures. All shares are of `images`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PairedDifference {
    /// How many pictures both answered.
    pub images: u64,
    /// On how many only the candidate was wrong.
    pub only_candidate_wrong: u64,
    /// On how many only the model in service was wrong.
    pub only_in_service_wrong: u64,
    /// The candidate's share of errors less that of the model in service; below 0 the candidate is better.
    pub difference: f64,
    /// With 95 % confidence the true difference is no less; as one of several comparisons, with those of the others.
    pub lower_bound: f64,
    /// With 95 % confidence the true difference is no more; as one of several comparisons, with those of the others.
    pub upper_bound: f64,
}

impl PairedDifference {
    /// From the counts; `None` without pictures.
    ///
    /// # Panics
    /// If more pictures were answered wrongly than there are: the counts are not of the same pictures.
    pub fn of(images: u64, only_candidate_wrong: u64, only_in_service_wrong: u64) -> Option<Self> {
        Self::among(1, images, only_candidate_wrong, only_in_service_wrong)
    }

    /// As [`of`](Self::of), but one of so many comparisons, 1 to as many as there are classes, whose bounds hold with 95 %
    /// confidence for all of them at once: among several classes, one that was unlucky is nothing rare.
    ///
    /// # Panics
    /// As `of`, and for another number of comparisons.
    pub fn among(
        comparisons: usize,
        images: u64,
        only_candidate_wrong: u64,
        only_in_service_wrong: u64,
    ) -> Option<Self> {
        assert!(
            only_candidate_wrong.saturating_add(only_in_service_wrong) <= images,
            "no more pictures are answered differently than there are; this is a bug"
        );
        if images == 0 {
            return None;
        }
        let counts = Counts {
            images: images as f64,
            only_first: only_candidate_wrong as f64,
            only_second: only_in_service_wrong as f64,
        };
        let z = Z_95[comparisons - 1];
        let mirrored = Counts {
            only_first: counts.only_second,
            only_second: counts.only_first,
            ..counts
        };
        Some(Self {
            images,
            only_candidate_wrong,
            only_in_service_wrong,
            difference: counts.difference(),
            lower_bound: -mirrored.upper_bound(z),
            upper_bound: counts.upper_bound(z),
        })
    }
}

#[derive(Clone, Copy)]
struct Counts {
    images: f64,
    only_first: f64,
    only_second: f64,
}

impl Counts {
    fn difference(self) -> f64 {
        (self.only_first - self.only_second) / self.images
    }

    /// The greatest difference that lies `z` standard errors or less above what was counted.
    fn upper_bound(self, z: f64) -> f64 {
        let (mut not_refused, mut refused) = (self.difference(), 1.0);
        for _ in 0..HALVINGS {
            let middle = 0.5 * (not_refused + refused);
            if self.score(middle) < -z {
                refused = middle;
            } else {
                not_refused = middle;
            }
        }
        not_refused
    }

    /// How many standard errors what was counted lies above a true difference of `delta`, the standard error being
    /// that of the likeliest proportions with this difference; it falls as `delta` grows.
    fn score(self, delta: f64) -> f64 {
        let Counts {
            images,
            only_first,
            only_second,
        } = self;
        // The likeliest share of "only the second" is the greater root of a q^2 + b q + c.
        let a = 2.0 * images;
        let b = (2.0 * images - only_first + only_second) * delta - only_first - only_second;
        let c = -only_second * delta * (1.0 - delta);
        let share = ((b * b - 4.0 * a * c).max(0.0).sqrt() - b) / (2.0 * a);
        let variance = images * (2.0 * share + delta * (1.0 - delta));
        let above = only_first - only_second - images * delta;
        if variance > 0.0 {
            above / variance.sqrt()
        } else if above < 0.0 {
            f64::NEG_INFINITY
        } else {
            0.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the definition: what the normal density leaves beyond each point, by Simpson's rule.
    #[test]
    fn beyond_each_point_lies_its_part_of_five_percent() {
        for (place, z) in Z_95.into_iter().enumerate() {
            let steps = 1_000;
            let width = z / f64::from(steps);
            let density = |step: i32| (-0.5 * (f64::from(step) * width).powi(2)).exp();
            let weight = |step: i32| match step {
                0 => 1.0,
                _ if step == steps => 1.0,
                _ if step % 2 == 1 => 4.0,
                _ => 2.0,
            };
            let sum: f64 = (0..=steps).map(|step| weight(step) * density(step)).sum();
            let beyond = 0.5 - sum * width / 3.0 / std::f64::consts::TAU.sqrt();
            let part = 0.05 / (place + 1) as f64;
            assert!((beyond - part).abs() < 1e-12, "{z}: {beyond}, not {part}");
        }
    }
}
