//! Figures counted by hand, and the ROC area against plain counting.

use proptest::prelude::*;

use super::*;

/// A picture of class `truth` that is taken for `answer` with probability `top`, the rest spread evenly.
fn judged(truth: Option<usize>, answer: usize, top: f32) -> Judged {
    let mut values = [(1.0 - top) / 9.0; LABEL_COUNT];
    values[answer] = top;
    Judged {
        truth: truth.map(|index| Label::from_index(index).unwrap()),
        prediction: Scores::new(values).unwrap().into(),
    }
}

fn close(found: Option<f64>, expected: f64) -> bool {
    found.is_some_and(|found| (found - expected).abs() < 1e-6)
}

#[test]
fn figures_are_those_counted_by_hand() {
    // Class 0: 3 pictures, 2 hits, 1 taken for 1. Class 1: 1 picture, hit. Class 2 absent but predicted once by
    // a picture of no class, which must not count.
    let set = [
        judged(Some(0), 0, 0.9),
        judged(Some(0), 0, 0.5),
        judged(Some(0), 1, 0.4),
        judged(Some(1), 1, 0.8),
        judged(None, 2, 0.45),
    ];
    let found = Evaluation::of(&set);
    assert_eq!((found.images, found.unlabelled), (4, 1));
    assert!(close(found.accuracy, 0.75));
    assert!(close(found.balanced_accuracy, (2.0 / 3.0 + 1.0) / 2.0));
    let losses: f64 = [0.9f64, 0.5, 0.6 / 9.0, 0.8].map(|p| -p.ln()).iter().sum();
    assert!(close(found.loss, losses / 4.0), "{:?}", found.loss);
    assert_eq!(
        (
            found.confusion[0][0],
            found.confusion[0][1],
            found.confusion[1][1]
        ),
        (2, 1, 1)
    );
    assert_eq!(found.confusion.as_flattened().iter().sum::<u64>(), 4);
    assert!(close(found.per_class[0].precision, 1.0) && close(found.per_class[0].recall, 2.0 / 3.0));
    assert!(close(found.per_class[0].f1, 0.8));
    assert!(close(found.per_class[1].precision, 0.5) && close(found.per_class[1].f1, 2.0 / 3.0));
    let absent = &found.per_class[2];
    assert_eq!(
        (absent.support, absent.precision, absent.recall, absent.f1),
        (0, None, None, None)
    );
    // 0.9, 0.5 and 0.8 lie above 0.45, 0.4 below.
    assert!(close(found.known_unknown_auroc, 0.75));
}

#[test]
fn a_class_that_is_only_predicted_has_precision_0_and_no_recall() {
    let found = Evaluation::of(&[judged(Some(3), 4, 0.9)]);
    let (dress, coat) = (&found.per_class[3], &found.per_class[4]);
    assert_eq!(
        (dress.precision, dress.recall, dress.f1),
        (None, Some(0.0), Some(0.0))
    );
    assert_eq!(
        (coat.precision, coat.recall, coat.f1),
        (Some(0.0), None, Some(0.0))
    );
    assert_eq!(found.balanced_accuracy, Some(0.0));
}

#[test]
fn nothing_to_judge_gives_no_figures() {
    let found = Evaluation::of(&[]);
    assert_eq!(
        (found.accuracy, found.loss, found.balanced_accuracy),
        (None, None, None)
    );
    let only_unknown = Evaluation::of(&[judged(None, 0, 0.9)]);
    assert_eq!(
        (only_unknown.accuracy, only_unknown.known_unknown_auroc),
        (None, None)
    );
    assert_eq!(
        Evaluation::of(&[judged(Some(0), 0, 0.9)]).known_unknown_auroc,
        None
    );
}

#[test]
fn the_loss_is_clipped_as_keras_clips_it() {
    let mut values = [0.0; LABEL_COUNT];
    values[1] = 1.0;
    let prediction = Scores::new(values).unwrap().into();
    let of = |truth| {
        let truth = Label::from_index(truth);
        Evaluation::of(&[Judged { truth, prediction }]).loss
    };
    assert!(close(of(0), -(1e-7f64.ln())));
    assert!(close(of(1), 1e-7));
}

#[test]
fn json_has_the_promised_keys_and_reads_back() {
    let found = Evaluation::of(&[
        judged(Some(0), 0, 0.75),
        judged(Some(9), 9, 0.5),
        judged(None, 1, 0.5),
    ]);
    let json = serde_json::to_value(&found).unwrap();
    for key in [
        "accuracy",
        "balanced_accuracy",
        "per_class",
        "confusion",
        "known_unknown_auroc",
        "loss",
        "images",
    ] {
        assert!(!json[key].is_null(), "{key}");
    }
    assert_eq!(json["per_class"][0]["label"], "T-shirt/top");
    assert!(json["per_class"][1]["recall"].is_null());
    assert_eq!(json["confusion"][9][9], 1);
    assert_eq!(serde_json::from_value::<Evaluation>(json).unwrap(), found);
}

#[test]
fn tables_are_aligned() {
    let set: Vec<_> = (0..1200)
        .map(|i| judged(Some(i % 10), (i / 7) % 10, 0.5))
        .collect();
    let found = Evaluation::of(&set);
    for table in [found.per_class_table(), found.confusion_table()] {
        let widths: Vec<_> = table.lines().map(|line| line.chars().count()).collect();
        assert_eq!(widths.len(), 11, "{table}");
        assert!(
            widths.iter().all(|width| width == &widths[0] && *width <= 110),
            "{table}"
        );
    }
    let text = found.to_string();
    assert!(text.starts_with("images             1200\naccuracy"), "{text}");
    assert!(
        !text.contains("ROC"),
        "no figure about pictures of no class without any: {text}"
    );
}

#[test]
fn drawings_show_bright_and_dark_at_their_places() {
    let mut values = [0.0; INPUT_LEN];
    values[0] = 1.0;
    values[INPUT_SIDE + 1] = 0.5;
    let text = draw_as_text(&values);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), INPUT_SIDE);
    assert!(lines[0].starts_with("██  ") && lines[1].starts_with("  ▒▒"));
    let colour = draw_in_colour(&values);
    assert_eq!(colour.lines().count(), INPUT_SIDE / 2);
    assert!(
        colour.starts_with("\x1b[38;2;255;255;255m\x1b[48;2;0;0;0m▀\x1b[38;2;0;0;0m\x1b[48;2;128;128;128m▀")
    );
}

#[test]
fn the_roc_area_of_clear_cases() {
    for (positives, negatives, area) in [
        (&[0.9f32, 0.8][..], &[0.1f32, 0.2][..], Some(1.0)),
        (&[0.1], &[0.2, 0.3], Some(0.0)),
        (&[0.5, 0.5], &[0.5], Some(0.5)),
        (&[0.0], &[-0.0], Some(0.5)),
        (&[], &[0.5], None),
        (&[0.5], &[], None),
    ] {
        assert_eq!(auroc(positives, negatives), area, "{positives:?} {negatives:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_roc_area_is_what_counting_all_pairs_gives(
        positives in prop::collection::vec(0u8..12, 1..60),
        negatives in prop::collection::vec(0u8..12, 1..60),
    ) {
        let values = |v: &[u8]| v.iter().map(|&x| f32::from(x) / 11.0).collect::<Vec<_>>();
        let (positives, negatives) = (values(&positives), values(&negatives));
        let mut wins = 0.0;
        for p in &positives {
            for n in &negatives {
                wins += if p > n { 1.0 } else if p == n { 0.5 } else { 0.0 };
            }
        }
        let expected = wins / (positives.len() * negatives.len()) as f64;
        prop_assert!((auroc(&positives, &negatives).unwrap() - expected).abs() < 1e-12);
    }

    #[test]
    fn any_answers_give_figures_between_0_and_1(rows in prop::collection::vec((0usize..11, 0usize..10, 0.11f32..1.0), 0..50)) {
        let set: Vec<_> = rows.iter().map(|&(t, a, p)| judged((t < 10).then_some(t), a, p)).collect();
        let found = Evaluation::of(&set);
        let figures = [found.accuracy, found.balanced_accuracy, found.known_unknown_auroc];
        let classes = found.per_class.iter().flat_map(|row| [row.precision, row.recall, row.f1]);
        for figure in figures.into_iter().chain(classes).flatten() {
            prop_assert!((0.0..=1.0).contains(&figure));
        }
        prop_assert_eq!(found.confusion.as_flattened().iter().sum::<u64>(), found.images);
        prop_assert_eq!(found.images + found.unlabelled, set.len() as u64);
    }
}

#[test]
fn the_three_answers_are_counted_by_hand() {
    let mut thresholds = Thresholds::unfounded();
    thresholds.accept = [Some(crate::domain::Confidence::HALF); LABEL_COUNT];
    let with = |truth, answer, top, unknown: f32| {
        let mut one = judged(truth, answer, top);
        one.prediction.unknown = Some(crate::domain::Confidence::new(unknown).unwrap());
        one
    };
    let set = [
        with(Some(0), 0, 0.9, 0.0),
        with(Some(0), 0, 0.8, 0.1),
        with(Some(0), 1, 0.9, 0.1), // accepted and wrong
        with(Some(0), 0, 0.4, 0.0), // for review
        with(Some(1), 1, 0.9, 0.9), // known, answered with unknown
        with(None, 0, 0.9, 0.2),    // of no class, and accepted
        with(None, 0, 0.9, 0.8),
        with(None, 0, 0.4, 0.1),
    ];
    let found = Evaluation::with_thresholds(&set, &thresholds);
    let decisions = found.decisions.unwrap();
    assert_eq!(decisions.accepted_share, Some(3.0 / 5.0));
    assert_eq!(decisions.accepted_precision, Some(2.0 / 4.0));
    assert_eq!(decisions.accepted_precision_known, Some(2.0 / 3.0));
    assert_eq!(decisions.unknown_recall, Some(1.0 / 3.0));
    assert_eq!(decisions.known_as_unknown, Some(1.0 / 5.0));
    assert_eq!(decisions.review_share, Some(2.0 / 8.0));
    // 1 - unknown of known 1, .9, .9, 1, .1 against .8, .2, .9: 11 of 15 pairs, two of them ties.
    assert!(
        close(found.known_unknown_auroc, 11.0 / 15.0),
        "{:?}",
        found.known_unknown_auroc
    );

    let json = serde_json::to_value(&found).unwrap();
    for key in [
        "accepted_share",
        "accepted_precision",
        "accepted_precision_known",
        "unknown_recall",
        "review_share",
        "expected_calibration_error",
    ] {
        assert!(json[key].is_f64(), "{key}");
    }
    assert_eq!(serde_json::from_value::<Evaluation>(json).unwrap(), found);
    let none = Evaluation::with_thresholds(&[], &thresholds).decisions.unwrap();
    assert_eq!((none.accepted_share, none.accepted_precision), (None, None));
}

#[test]
fn a_report_of_before_the_three_answers_reads_back() {
    let found = Evaluation::of(&[judged(Some(0), 0, 0.75)]);
    assert!(close(found.expected_calibration_error, 0.25));
    let mut json = serde_json::to_value(&found).unwrap();
    json.as_object_mut().unwrap().remove("expected_calibration_error");
    let read = serde_json::from_value::<Evaluation>(json).unwrap();
    assert_eq!((read.expected_calibration_error, read.decisions), (None, None));
    assert_eq!(read.accuracy, found.accuracy);
}
