//! Which photos a size takes, what is said when it cannot, and what the figures come to.

use super::*;
use crate::domain::{Basis, Confidence, INPUT_LEN, LABEL_COUNT, Scores};
use crate::preprocess;

fn hash(number: usize) -> ContentHash {
    ContentHash::of(&number.to_le_bytes())
}

fn label(index: usize) -> Truth {
    Truth::Label(Label::from_index(index).unwrap())
}

/// `of_classes` photos in three classes in turn, then `unknown` others.
fn photos(of_classes: usize, unknown: usize) -> (Vec<ContentHash>, Vec<Truth>) {
    let truths = (0..of_classes).map(|number| label(number % 3));
    let truths: Vec<Truth> = truths
        .chain(std::iter::repeat_n(Truth::Unknown, unknown))
        .collect();
    ((0..truths.len()).map(hash).collect(), truths)
}

fn size(per_class: usize) -> Size {
    Size {
        per_class,
        unknown: None,
    }
}

/// What was taken, by hash.
fn taken(hashes: &[ContentHash], portion: &Portion) -> Vec<ContentHash> {
    portion.learned.iter().map(|&number| hashes[number]).collect()
}

#[test]
fn a_size_takes_so_many_of_each_and_every_photo_has_one_side() {
    let (hashes, truths) = photos(120, 90);
    let queues = Queues::of(&hashes, &truths, 1);
    for (per_class, unknown, expected_unknown) in [
        (0, None, 0),
        (0, Some(50), 0),
        (1, None, 5),
        (5, None, 25),
        (10, None, 30), // a third of those there are
        (39, None, 30),
        (5, Some(0), 0),
        (5, Some(90), 90),
    ] {
        let portion = queues.take(Size { per_class, unknown }).unwrap();
        let taken = portion.learned;
        for class in 0..3 {
            let of_class = taken.iter().filter(|&&number| truths[number] == label(class));
            assert_eq!(of_class.count(), per_class);
        }
        let counts = Counts::of(&taken, &truths);
        assert_eq!(counts.unknown, expected_unknown, "{per_class}, {unknown:?}");
        let mut all = [taken, portion.unseen].concat();
        all.sort();
        assert_eq!(all, (0..210).collect::<Vec<_>>(), "each once");
    }
}

#[test]
fn smaller_sizes_are_part_of_larger_ones() {
    let (hashes, truths) = photos(120, 90);
    let queues = Queues::of(&hashes, &truths, 1);
    let mut smaller: Vec<ContentHash> = Vec::new();
    for per_class in [0, 1, 5, 10, 20, 39] {
        let larger = taken(&hashes, &queues.take(size(per_class)).unwrap());
        assert!(smaller.iter().all(|hash| larger.contains(hash)), "{per_class}");
        smaller = larger;
    }
}

#[test]
fn seed_and_content_decide_who_is_taken_and_no_order_does() {
    let (mut hashes, mut truths) = photos(120, 90);
    let sample = |hashes: &[ContentHash], truths: &[Truth], seed| {
        let portion = Queues::of(hashes, truths, seed).take(size(5)).unwrap();
        let mut taken = taken(hashes, &portion);
        taken.sort();
        taken
    };
    let first = sample(&hashes, &truths, 1);
    assert_ne!(sample(&hashes, &truths, 2), first);
    hashes.reverse();
    truths.reverse();
    assert_eq!(sample(&hashes, &truths, 1), first);
    let (hashes, truths) = photos(120, 90);
    let taken = sample(&hashes, &truths, 1);
    let is_left = |number| !taken.contains(&hash(number));
    assert!((0..15).any(is_left), "not the first of the list");
}

#[test]
fn what_cannot_be_taken_is_named_with_what_to_do() {
    let (hashes, truths) = photos(8, 6); // 3, 3 and 2 of a class
    let queues = Queues::of(&hashes, &truths, 1);
    let asked = |per_class, unknown| queues.take(Size { per_class, unknown });
    assert!(asked(1, None).is_ok());
    for (per_class, unknown, words) in [
        (
            2,
            None,
            "2 photos of each class cannot be learned: of Pullover only 2 can be used",
        ),
        (2, None, "ask for at most 1"),
        (
            5,
            None,
            "of T-shirt/top only 3, of Trouser only 3, of Pullover only 2",
        ),
        (
            1,
            Some(7),
            "7 photos of none of the classes cannot be learned: there are 6",
        ),
    ] {
        let message = asked(per_class, unknown).unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
    }
    let unlabelled = Queues::of(&hashes, &[Truth::Unknown; 14], 1).take(size(0));
    assert_eq!(unlabelled, Err(TooFew::NoClasses));
}

#[test]
fn a_content_counts_once_and_not_with_two_labels() {
    let inputs = [10, 20, 30].map(|grey| preprocess::from_idx(&[grey; INPUT_LEN]));
    let [a, b, c] = &inputs;
    let rows = [
        (hash(1), label(0), a, Sketch::numbered(1)),
        (hash(2), label(1), b, Sketch::numbered(2)),
        (hash(1), label(0), a, Sketch::numbered(1)),
        (hash(3), Truth::Unknown, c, Sketch::numbered(3)),
    ];
    let collection = Collection::of(&rows).unwrap();
    assert_eq!(collection.photos.len(), 3);
    assert!(collection.hashes.is_sorted());
    for (place, found) in collection.hashes.iter().enumerate() {
        let (_, truth, input, _) = rows.iter().find(|(hash, ..)| hash == found).unwrap();
        assert_eq!(collection.photos.truths[place], *truth);
        let pixel = collection.photos.pixels[place * INPUT_LEN];
        assert_eq!(pixel, (input.values()[0] * 255.0).round() as u8);
    }
    let mut reversed = rows;
    reversed.reverse();
    assert_eq!(Collection::of(&reversed).unwrap(), collection);

    let mut contradiction = rows;
    contradiction[2].1 = Truth::Unknown;
    let found = Collection::of(&contradiction);
    assert_eq!(found, Err(Contradiction { rows: [0, 2] }));
}

/// One side learned the picture, and the other judged by it.
#[test]
fn a_picture_under_two_hashes_counts_once() {
    let inputs = [10, 20, 11].map(|grey| preprocess::from_idx(&[grey; INPUT_LEN]));
    let [a, b, again] = &inputs;
    let rows = [
        (hash(1), label(0), a, Sketch::numbered(1)),
        (hash(2), label(1), b, Sketch::numbered(2)),
        (hash(3), label(0), again, Sketch::numbered(1)),
    ];
    let collection = Collection::of(&rows).unwrap();
    assert_eq!(collection.photos.len(), 2);
    assert!(collection.hashes.is_sorted() && collection.hashes.contains(&hash(2)));
    let contradiction = [rows[0], rows[1], (hash(3), label(1), again, Sketch::numbered(1))];
    let mut found = Collection::of(&contradiction).unwrap_err().rows;
    found.sort();
    assert_eq!(found, [0, 2]);
}

fn prediction(top: usize, confidence: f32) -> Prediction {
    let mut values = [(1.0 - confidence) / 9.0; LABEL_COUNT];
    values[top] = confidence;
    Scores::new(values).unwrap().into()
}

/// Five unseen photos, of which the thresholds accept three of a class and one of none.
fn point(per_class: usize) -> Point {
    let truths = [label(0), label(0), label(1), label(1), Truth::Unknown, label(2)];
    let portion = Portion {
        per_class,
        learned: vec![5],
        unseen: vec![0, 1, 2, 3, 4],
    };
    let predictions = [(0, 0.9), (1, 0.8), (1, 0.9), (1, 0.3), (2, 0.8)];
    let mut thresholds = Thresholds {
        basis: Basis::Audit,
        ..Thresholds::unfounded()
    };
    thresholds.accept = [Some(Confidence::HALF); LABEL_COUNT];
    let model = ModelId::from_sha256("0123456789abcdef").unwrap();
    let answers = Answers {
        model: &model,
        predictions: &predictions.map(|(top, confidence)| prediction(top, confidence)),
        thresholds: &thresholds,
        seconds: 1.5,
    };
    Point::of(&portion, &truths, &answers)
}

#[test]
fn a_point_judges_what_was_not_taken() {
    let point = point(1);
    let counts = |of_classes, unknown| Counts { of_classes, unknown };
    assert_eq!((point.learned, point.unseen), (counts(1, 0), counts(4, 1)));
    assert_eq!(point.mean_recall, Some(0.75));
    assert_eq!(point.accuracy, Some(0.75));
    assert_eq!(point.thresholds_basis, Basis::Audit);
    assert_eq!(point.accepted_share, Some(0.75));
    // One has the wrong label, one none at all.
    assert_eq!(point.accepted_precision, Some(0.5));
    assert_eq!(point.accepted_precision_known, Some(2.0 / 3.0));
    // Of the four, two are surer than the unlabelled one, one as sure and one less.
    assert_eq!(point.known_unknown_auroc, Some(0.625));
}

#[test]
fn every_curve_can_be_drawn() {
    let unmeasured = Point {
        mean_recall: None,
        accepted_share: None,
        ..point(7)
    };
    for (points, dots) in [
        (vec![], 0),
        (vec![point(0)], 2),
        (vec![unmeasured.clone()], 0),
        (vec![point(0), unmeasured, point(20)], 4),
    ] {
        let svg = to_svg(&points);
        assert!(
            svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"),
            "{svg}"
        );
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert!(svg.contains("mean recall") && svg.contains("accepted share"));
        assert_eq!(svg.matches("<circle").count(), dots, "{svg}");
    }
}
