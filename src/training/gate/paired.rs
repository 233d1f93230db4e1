//! Two models on the same pictures: by how much does one err more often, at least and at most?
//!
//! In: on how many pictures only the one and only the other was wrong. Out: the difference of their error rates with
//! one-sided 95 % bounds. Never: a single picture, a judgement.
//!
//! The bounds are the score bounds for the difference of paired proportions (T. Tango, Statistics in Medicine 17,
//! 1998, pp. 891-908): the differences that McNemar's test, turned into a test of that very difference, would not
//! refuse. The textbook way (difference plus 1.645 standard errors) would be nearly as good on ten thousand pictures,
//! but two models that never disagree have no standard error at all, so that it would call ten photos proof enough;
//! the score bounds stay honest there and with the few pictures of one class.

use serde::{Deserialize, Serialize};

/// The normal distribution's point below which 95 % of it lie.
const Z_95: f64 = 1.644_853_626_951_472_2;
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
    /// With 95 % confidence the true difference is no less.
    pub lower_bound: f64,
    /// With 95 % confidence the true difference is no more.
    pub upper_bound: f64,
}

impl PairedDifference {
    /// From the counts; `None` without pictures.
    ///
    /// # Panics
    /// If more pictures were answered wrongly than there are: the counts are not of the same pictures.
    pub fn of(images: u64, only_candidate_wrong: u64, only_in_service_wrong: u64) -> Option<Self> {
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
            lower_bound: -mirrored.upper_bound(),
            upper_bound: counts.upper_bound(),
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

    /// The greatest difference that the score test does not refuse at one-sided 5 %.
    fn upper_bound(self) -> f64 {
        let (mut not_refused, mut refused) = (self.difference(), 1.0);
        for _ in 0..HALVINGS {
            let middle = 0.5 * (not_refused + refused);
            if self.score(middle) < -Z_95 {
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
