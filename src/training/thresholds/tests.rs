//! The promise, by counting by hand and by drawing many times.

use super::*;
use crate::domain::{Prediction, Scores};
use crate::training::network::random::{Purpose, Stream};

fn sample(truth: Option<usize>, answer: usize, top: f64, unknown: Option<f64>) -> Sample {
    let mut values = [(1.0 - top as f32) / 9.0; LABEL_COUNT];
    values[answer] = top as f32;
    Sample {
        truth: truth.and_then(Label::from_index),
        prediction: Prediction {
            scores: Scores::new(values).unwrap(),
            unknown: unknown.map(|score| Confidence::new(score as f32).unwrap()),
        },
    }
}

fn of(count: usize, one: Sample) -> impl Iterator<Item = Sample> {
    std::iter::repeat_n(one, count)
}

fn fitted(samples: &[Sample]) -> Thresholds {
    fit(samples, 0.95, FitOptions::of(Basis::Audit))
}

fn accept(thresholds: &Thresholds, label: usize) -> Option<f32> {
    thresholds.accept[label].map(Confidence::get)
}

#[test]
fn the_walk_ends_where_the_proof_does() {
    // At level 0.9 and target 0.95, 45 of 45 and 76 of 77 prove it.
    let right = |count| of(count, sample(Some(0), 0, 0.9, None));
    let wrong = |count, top| of(count, sample(Some(1), 0, top, None));
    let cases: [(&str, Vec<Sample>, Option<f32>); 7] = [
        ("no sample proves anything", vec![], None),
        ("one too few", right(44).collect(), None),
        ("just enough", right(45).collect(), Some(0.9)),
        (
            "one wrong among them",
            right(45).chain(wrong(1, 0.95)).collect(),
            None,
        ),
        (
            "one wrong among enough",
            right(76).chain(wrong(1, 0.95)).collect(),
            Some(0.9),
        ),
        (
            "those below do not count",
            right(45).chain(wrong(15, 0.5)).collect(),
            Some(0.9),
        ),
        (
            "one wrong is let in, two are not",
            right(76).chain(wrong(1, 0.7)).chain(wrong(1, 0.6)).collect(),
            Some(0.7),
        ),
    ];
    for (name, samples, expected) in cases {
        let found = fitted(&samples);
        // Pooled: it holds for a class without a sample of its own, too.
        for label in [0, 5] {
            assert_eq!(accept(&found, label), expected, "{name}");
        }
        assert_eq!(found.own, [], "{name}");
        assert_eq!(found.level, Some(0.9));
    }
}

#[test]
fn what_was_accepted_of_the_samples_is_on_record() {
    let samples: Vec<_> = of(100, sample(Some(0), 0, 0.9, None))
        .chain(of(1, sample(None, 0, 0.8, None)))
        .chain(of(20, sample(Some(0), 3, 0.3, None)))
        .collect();
    let found = fitted(&samples);
    assert_eq!((found.samples, found.unknown_samples), (121, 1));
    assert_eq!((found.accepted, found.accepted_right), (101, 100));
    assert_eq!((found.target_precision, found.basis), (0.95, Basis::Audit));
}

#[test]
fn an_accepted_picture_of_none_of_the_classes_is_wrong() {
    let known = || of(45, sample(Some(0), 0, 0.9, None));
    let with_unknown: Vec<_> = known().chain(of(1, sample(None, 0, 0.9, None))).collect();
    assert_eq!(accept(&fitted(&known().collect::<Vec<_>>()), 0), Some(0.9));
    assert_eq!(accept(&fitted(&with_unknown), 0), None);
}

/// People chose them: how many show none of the classes says nothing about the inventory.
#[test]
fn of_corrections_those_of_no_class_only_set_the_unknown_threshold() {
    let known = of(45, sample(Some(0), 0, 0.9, Some(0.0)));
    let unknown = of(30, sample(None, 0, 1.0, Some(0.05))).chain(of(10, sample(None, 0, 1.0, Some(0.0))));
    let samples: Vec<_> = known.chain(unknown).collect();
    let found = fit(&samples, 0.95, FitOptions::of(Basis::Corrections));
    assert_eq!(found.unknown.get(), 0.01);
    assert_eq!(accept(&found, 0), Some(0.9));
    assert_eq!((found.samples, found.unknown_samples), (85, 40));
    assert_eq!(
        (found.accepted, found.accepted_right, found.accepted_unknown),
        (45, 45, Some(10))
    );
    let audited = fitted(&samples);
    assert_eq!((accept(&audited, 0), audited.accepted_unknown), (None, Some(0)));
}

/// Three thousand validation pictures are three hundred of each class: each stands by itself.
#[test]
fn of_validation_pictures_each_class_has_its_own_threshold() {
    let samples: Vec<_> = of(300, sample(Some(0), 0, 0.9, None))
        .chain(of(250, sample(Some(1), 1, 0.95, None)))
        .chain(of(50, sample(Some(0), 1, 0.8, None)))
        .chain(of(300, sample(Some(2), 2, 0.4, None)))
        .collect();
    let found = fit(&samples, 0.95, FitOptions::of(Basis::Validation));
    assert_eq!(
        [0, 1, 2].map(|label| accept(&found, label)),
        [Some(0.9), Some(0.95), Some(0.4)]
    );
    assert_eq!(found.own.len(), 3);
}

#[test]
fn a_class_with_enough_samples_stands_by_itself() {
    // Class 0 is right at 0.6, class 1 wrong at it; pooled, class 0 would carry class 1.
    let samples: Vec<_> = of(600, sample(Some(0), 0, 0.6, None))
        .chain(of(500, sample(Some(1), 1, 0.9, None)))
        .chain(of(80, sample(Some(0), 1, 0.6, None)))
        .chain(of(100, sample(Some(2), 2, 0.8, None)))
        .collect();
    let found = fitted(&samples);
    let names: Vec<_> = found.own.iter().map(|label| label.index()).collect();
    assert_eq!(names, [0, 1]);
    assert_eq!(
        [0, 1, 2, 9].map(|label| accept(&found, label)),
        [Some(0.6), Some(0.9), Some(0.8), Some(0.8)]
    );
    let pooled = fit(
        &samples,
        0.9,
        FitOptions {
            own_from: usize::MAX,
            ..FitOptions::of(Basis::Audit)
        },
    );
    assert_eq!([0, 1, 2].map(|label| accept(&pooled, label)), [Some(0.6); 3]);
}

#[test]
fn groups_share_the_risk() {
    // 58 right ones prove it at 0.95, that is half of the risk, not 57.
    let of_two_groups = |shared: usize| -> Vec<Sample> {
        let own = of(500, sample(Some(0), 0, 0.9, None));
        own.chain(of(shared, sample(Some(1), 1, 0.9, None))).collect()
    };
    assert_eq!(accept(&fitted(&of_two_groups(58)), 1), None);
    assert_eq!(accept(&fitted(&of_two_groups(59)), 1), Some(0.9));
    assert_eq!(least_samples(0.95, 0.95), 59);
    assert_eq!(least_samples(0.95, 0.9), 45);
    assert_eq!(least_samples(1.0, 0.9), u64::MAX);
}

#[test]
fn the_unknown_score_is_cut_where_few_known_ones_are() {
    // Known ones at 0.01, 0.02 … 1.00.
    let known = || (1..=100).map(|score| sample(Some(0), 0, 1.0, Some(f64::from(score) / 100.0)));
    let unknown = |count| of(count, sample(None, 0, 1.0, Some(0.9)));
    let threshold = |samples: &[Sample]| fitted(samples).unknown.get();
    let with = |count| known().chain(unknown(count)).collect::<Vec<_>>();
    assert_eq!(threshold(&with(20)), 0.96, "five known ones are at 0.96 or above");
    assert_eq!(threshold(&with(19)), 1.0, "too few: one known one, at 1.0");
    let low: Vec<_> = of(100, sample(Some(0), 0, 1.0, Some(0.03))).collect();
    assert_eq!(threshold(&low), 0.5, "without unknown ones no less than one half");
    let low: Vec<_> = low.into_iter().chain(unknown(20)).collect();
    assert_eq!(threshold(&low), 0.04);
    let all_sure: Vec<_> = of(100, sample(Some(0), 0, 1.0, Some(1.0)))
        .chain(unknown(20))
        .collect();
    assert_eq!(threshold(&all_sure), 1.0);
    assert_eq!(threshold(&[]), 0.5);
}

/// Pictures of which `share` show none of the classes; the model's confidence is true of the others.
fn drawn(count: usize, random: &mut Stream) -> Vec<Sample> {
    let mut one = || {
        let mut unit = || f64::from(random.next_unit());
        let is_unknown = unit() < 100.0 / 640.0;
        if is_unknown {
            let top = 0.3 + 0.6 * unit();
            return sample(None, (unit() * 10.0) as usize, top, Some(0.2 + 0.7 * unit()));
        }
        // Mean 0.82.
        let top = 1.0 - 0.9 * unit().powi(4);
        let answer = (unit() * 10.0) as usize;
        let truth = if unit() < top { answer } else { (answer + 1) % 10 };
        sample(Some(truth), answer, top, Some(0.2 * unit() * unit()))
    };
    (0..count).map(|_| one()).collect()
}

/// Of many fits on 640 samples each, how many break the promise on pictures that they have not seen, and the shares of
/// the known ones that they accept, least first.
fn fits(basis: Basis, count: usize) -> (usize, Vec<f64>) {
    let mut random = Stream::new(5, Purpose::Corrections);
    let counted = |samples: Vec<Sample>| -> Vec<Sample> {
        let counts = samples.into_iter().filter(|sample| basis.counts(sample.truth));
        counts.collect()
    };
    let unseen = counted(drawn(40_000, &mut random));
    let known = unseen.iter().filter(|sample| sample.truth.is_some()).count() as f64;
    let (mut broken, mut shares) = (0, Vec::new());
    for _ in 0..count {
        let thresholds = fit(&drawn(640, &mut random), 0.95, FitOptions::of(basis));
        let accepted: Vec<_> = unseen
            .iter()
            .filter(|sample| decide(&sample.prediction, &thresholds) == Certainty::Accepted)
            .collect();
        let right = accepted.iter().filter(|sample| sample.is_right()).count();
        broken += usize::from((right as f64) < 0.95 * accepted.len() as f64);
        let of_classes = accepted.iter().filter(|sample| sample.truth.is_some()).count();
        shares.push(of_classes as f64 / known);
    }
    shares.sort_by(f64::total_cmp);
    (broken, shares)
}

/// The promise itself: no more than 1 - level break it.
#[test]
fn few_fits_break_the_promise_and_most_accept_much() {
    const FITS: usize = 200;
    for basis in [Basis::Audit, Basis::Corrections] {
        let (broken, shares) = fits(basis, FITS);
        // Three standard errors more are chance.
        let risk = 1.0 - FitOptions::of(basis).level;
        let most = FITS as f64 * risk + 3.0 * (FITS as f64 * risk * (1.0 - risk)).sqrt();
        assert!(
            broken as f64 <= most,
            "{basis}: {broken} of {FITS} broke the promise"
        );
        let half = shares[FITS / 2];
        assert!(half > 0.4, "{basis}: half accept less than {half}");
    }
}

/// Photos that people chose are no random draw: what the stricter level costs would buy nothing.
#[test]
fn corrections_are_taken_at_an_even_chance() {
    let samples = |wrong: usize| -> Vec<_> {
        of(100 - wrong, sample(Some(0), 0, 0.9, None))
            .chain(of(wrong, sample(Some(1), 0, 0.9, None)))
            .collect()
    };
    let accepts = |wrong, basis| accept(&fit(&samples(wrong), 0.95, FitOptions::of(basis)), 0).is_some();
    for (wrong, by_audit, by_corrections) in [
        (1, true, true),
        (2, false, true),
        (4, false, true),
        (5, false, false),
    ] {
        assert_eq!(accepts(wrong, Basis::Audit), by_audit, "{wrong}");
        assert_eq!(accepts(wrong, Basis::Corrections), by_corrections, "{wrong}");
    }
}

/// The walk on corrections began where 45 of them were accepted, as one on audited photos must: of 60 corrections that was
/// most of the way down, past the errors, and nothing at all was accepted.
#[test]
fn of_corrections_the_walk_begins_where_an_even_chance_can_be_proved() {
    let right = |count, top| of(count, sample(Some(0), 0, top, None));
    let wrong = |count, top| of(count, sample(Some(1), 0, top, None));
    let first = |samples: Vec<Sample>, basis| accept(&fit(&samples, 0.95, FitOptions::of(basis)), 0);
    assert_eq!(least_samples(0.95, EVEN), 14);
    for (name, samples, expected) in [
        ("just enough", right(14, 0.9).collect::<Vec<_>>(), Some(0.9)),
        ("one too few", right(13, 0.9).collect(), None),
        (
            "those that are sure are right, those that are not often are not",
            right(20, 0.9)
                .chain(right(30, 0.6))
                .chain(wrong(10, 0.6))
                .collect(),
            Some(0.9),
        ),
    ] {
        assert_eq!(first(samples.clone(), Basis::Corrections), expected, "{name}");
        assert_eq!(first(samples, Basis::Audit), None, "{name}, by an audit");
    }
}
