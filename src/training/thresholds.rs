//! From where on tags are accepted, so that they are right as often as was promised.
//!
//! In: pictures of known truth with the model's answers, none of which it was trained on. Out: [`Thresholds`] with a
//! stated certainty. Never: inference, the store, a promise that the number of samples does not bear.
//!
//! # What is promised
//! On pictures drawn like the samples, accepted tags are right at least `target_precision` of the time; the chance that
//! chance in the samples has misled the fit is at most 1 - `level`. A picture of none of the classes whose tag is
//! accepted counts as wrong where the samples are a random draw of the photos. Where people chose them, how many show none
//! of the classes says nothing about the inventory: such samples then only set the threshold of the unknown score, the
//! promise is about pictures of the classes, and how many of the others are accepted is on record beside it.
//!
//! # How
//! Thresholds of trust are tried on a fixed grid from the strictest down. Of n accepted samples w are wrong, which is
//! binomial with the true error rate; the next lower threshold is tried only while the exact (Clopper-Pearson) lower
//! bound of the precision at the level reaches the target, and the last one that did is taken. Because the order is
//! fixed before the truth is looked at, and the first threshold that breaks the promise ends the walk unless a test at
//! the level errs, no correction for many tests is due: fixed-sequence testing, as in A. Angelopoulos, S. Bates, E.
//! Candès, M. Jordan and L. Lei, 'Learn then Test: calibrating predictive algorithms to achieve risk control', 2021
//! (arXiv 2110.01052); of precision at a threshold in particular, Y. Geifman and R. El-Yaniv, 'Selective
//! classification for deep neural networks', NeurIPS 2017.
//!
//! The level is [9 in 10](LEVEL), but [as likely as not](EVEN) where people chose the samples. Those are no random draw, so
//! that no level makes them say how often tags of the inventory are right; and the little that the bound is stricter at the
//! higher level is paid by every photo of it: of 180 corrections, nothing at all is accepted.
//!
//! The walk begins at the first threshold that accepts [a fifth](FIRST_SHARE) of the samples, and as many as could prove
//! the promise at the level if all were right (of 95 %, 45 at 9 in 10 and 14 as likely as not): fewer would end it before its
//! first step. That beginning depends on how many samples reach a threshold, not on whether they are right; it keeps the promise
//! if the error rate does not rise with trust.
//!
//! # Classes
//! A class that [enough](FitOptions::own_from) samples were taken for is a group by itself, the others share one. Each
//! group walks by itself with an equal part of the risk 1 - `level`, so that with certainty `level` the promise holds in
//! every group at once, and so for all accepted tags together. Of validation pictures each group has the whole risk, and
//! the promise by itself.
//!
//! # Unknown
//! The threshold of the unknown score is set first: the least at which at most [5 %](FitOptions::known_as_unknown) of
//! the samples of the ten classes count as unknown. It can only take from what is accepted. Where it is at least 1 less
//! the least accepted trust it takes nothing (trust is at most 1 less the score), and the promise is exact; else it
//! holds for this threshold as if it had been given.

use crate::domain::{Basis, Certainty, Confidence, LABEL_COUNT, Label, Thresholds, decide};

use super::binomial::at_most;
pub use super::evaluate::Judged as Sample;

/// The certainty of the promise unless another is asked for: at 90 %, 640 samples of which the model takes 85 % of those
/// of the classes right lose about a tenth of what could be accepted; at 95 %, a fifth.
pub const LEVEL: f64 = 0.9;
/// The same of samples that people chose: the target is as likely to be exceeded as to be missed.
pub const EVEN: f64 = 0.5;
/// Share of the samples that the strictest threshold accepts: less, and chance ends the walk more often; more, and a
/// model that is right only where it is very sure gets nothing accepted.
pub const FIRST_SHARE: f64 = 0.2;
/// Without as many samples of none of the classes, nothing is known about their scores.
const LEAST_UNKNOWN: usize = 20;
/// Without them: share of the known samples that may count as unknown …
const KNOWN_AS_UNKNOWN_UNSEEN: f64 = 0.01;
/// The grid, in hundredths: from almost sure down to what a guess among ten has.
const STRICTEST: u8 = 99;
const LOOSEST: u8 = 10;

/// How to fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FitOptions {
    /// What the samples are.
    pub basis: Basis,
    /// The certainty of the promise, 0..1.
    pub level: f64,
    /// So many samples must have been taken for a class before it has a threshold of its own.
    pub own_from: usize,
    /// Greatest share of known samples that may count as unknown, 0..=1.
    pub known_as_unknown: f64,
}

impl FitOptions {
    /// The usual ones: level 0.9 (of corrections 0.5), 5 % of the known may count as unknown, an own threshold from 500 samples on; of validation
    /// pictures from 150 on, since all of them are labelled, and classes differ in them more than in anything else.
    pub fn of(basis: Basis) -> Self {
        Self {
            basis,
            level: if basis == Basis::Corrections { EVEN } else { LEVEL },
            own_from: if basis == Basis::Validation { 150 } else { 500 },
            known_as_unknown: 0.05,
        }
    }
}

/// The loosest thresholds of which the samples prove that accepted tags are right at least `target_precision` (0..=1) of
/// the time. Where they prove it of none, nothing is accepted.
pub fn fit(samples: &[Sample], target_precision: f64, options: FitOptions) -> Thresholds {
    let mut thresholds = Thresholds {
        unknown: unknown_threshold(samples, options.known_as_unknown),
        basis: options.basis,
        samples: samples.len() as u64,
        unknown_samples: samples.iter().filter(|sample| sample.truth.is_none()).count() as u64,
        level: Some(options.level),
        ..Thresholds::uncertified(target_precision)
    };
    // Where nothing is accepted yet, what is not unknown is for review.
    let candidates: Vec<&Sample> = samples
        .iter()
        .filter(|sample| options.basis.counts(sample.truth))
        .filter(|sample| decide(&sample.prediction, &thresholds) == Certainty::Review)
        .collect();
    let groups = groups(&candidates, options.own_from);
    let promises_at_once = match options.basis {
        // About catalogue pictures each class has its promise by itself; one for all at once would be worth nothing about
        // a shop's photos, and with some three hundred pictures a class leave some of them without any threshold.
        Basis::Validation => 1,
        _ => groups.len(),
    };
    let risk = (1.0 - options.level) / promises_at_once as f64;
    for group in &groups {
        let least = group.loosest(target_precision, risk);
        for label in &group.labels {
            thresholds.accept[label.index()] = least;
        }
        if group.is_own {
            thresholds.own.extend(&group.labels);
        }
    }
    let accepted = samples
        .iter()
        .filter(|sample| decide(&sample.prediction, &thresholds) == Certainty::Accepted);
    let mut counts = [0, 0, 0];
    for sample in accepted {
        counts[0] += u64::from(options.basis.counts(sample.truth));
        counts[1] += u64::from(sample.is_right());
        counts[2] += u64::from(sample.truth.is_none());
    }
    let [accepted, accepted_right, accepted_unknown] = counts;
    Thresholds {
        accepted,
        accepted_right,
        accepted_unknown: Some(accepted_unknown),
        ..thresholds
    }
}

/// How many samples prove the promise at a level if all of them are right: fewer never do.
pub fn least_samples(target_precision: f64, level: f64) -> u64 {
    let proof = (1.0 - level).ln() / target_precision.ln();
    // Nothing proves perfection.
    if proof.is_finite() {
        proof.ceil() as u64
    } else {
        u64::MAX
    }
}

/// Classes that share a threshold, and the samples that were taken for them.
struct Group {
    labels: Vec<Label>,
    is_own: bool,
    /// Trust, and whether the tag is right.
    samples: Vec<(f64, bool)>,
}

fn groups(candidates: &[&Sample], own_from: usize) -> Vec<Group> {
    let mut by_label: [Vec<(f64, bool)>; LABEL_COUNT] = Default::default();
    for sample in candidates {
        let (label, _) = sample.prediction.scores.top();
        by_label[label.index()].push((sample.prediction.trust(), sample.is_right()));
    }
    let mut shared = Group {
        labels: Vec::new(),
        is_own: false,
        samples: Vec::new(),
    };
    let mut groups = Vec::new();
    for (label, samples) in Label::all().zip(by_label) {
        if samples.len() >= own_from {
            groups.push(Group {
                labels: vec![label],
                is_own: true,
                samples,
            });
        } else {
            shared.labels.push(label);
            shared.samples.extend(samples);
        }
    }
    if !shared.labels.is_empty() {
        groups.push(shared);
    }
    groups
}

impl Group {
    /// The walk down the grid; `risk` is the chance with which it may err.
    fn loosest(&self, target_precision: f64, risk: f64) -> Option<Confidence> {
        let least = least_samples(target_precision, 1.0 - risk) as f64;
        let first = least.max(FIRST_SHARE * self.samples.len() as f64);
        let (mut found, mut accepted_before) = (None, 0);
        for hundredths in (LOOSEST..=STRICTEST).rev() {
            let threshold = in_hundredths(hundredths);
            let accepted = || {
                self.samples
                    .iter()
                    .filter(|(trust, _)| *trust >= f64::from(threshold.get()))
            };
            let count = accepted().count();
            // No looser than a sample needs it: below the last one nothing was seen.
            if (count as f64) < first || count == accepted_before {
                continue;
            }
            let wrong = accepted().filter(|(_, right)| !right).count();
            if at_most(wrong as u64, count as u64, 1.0 - target_precision) > risk {
                break;
            }
            (found, accepted_before) = (Some(threshold), count);
        }
        found
    }
}

/// The least threshold, in hundredths and at least 0.01, at which few enough of the known samples count as unknown; at
/// least 0.5 where there are no unknown ones to learn from.
fn unknown_threshold(samples: &[Sample], known_as_unknown: f64) -> Confidence {
    let scores = |of_known: bool| {
        samples.iter().filter_map(move |sample| {
            (sample.truth.is_some() == of_known)
                .then_some(sample.prediction.unknown)
                .flatten()
        })
    };
    let (share, least) = if scores(false).count() >= LEAST_UNKNOWN {
        (known_as_unknown, in_hundredths(1))
    } else {
        (KNOWN_AS_UNKNOWN_UNSEEN, Confidence::HALF)
    };
    let allowed = share * scores(true).count() as f64;
    let at_or_above = |threshold| scores(true).filter(|score| *score >= threshold).count() as f64;
    let mut all = (1..=100)
        .map(in_hundredths)
        .filter(|threshold| *threshold >= least);
    all.find(|&threshold| at_or_above(threshold) <= allowed)
        .unwrap_or(in_hundredths(100))
}

fn in_hundredths(hundredths: u8) -> Confidence {
    Confidence::new(f32::from(hundredths) / 100.0).expect("0 to 100 hundredths are a share; this is a bug")
}

#[cfg(test)]
mod tests;
