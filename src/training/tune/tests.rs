//! A network learns photos, and what is said of each without it is not its own doing.

use super::*;
use crate::domain::{ArchitectureName, Label, Truth};
use crate::training::network::Architecture;
use crate::training::network::residual::Channels;
use crate::training::sketch::Sketch;
use crate::training::synthetic;
use crate::training::train::EpochRecord;

fn parameters() -> TrainParameters {
    TrainParameters {
        batch_size: 16,
        learning_rate: 0.02,
        threads: Some(2),
        seed: 3,
        ..TrainParameters::recipe(ArchitectureName::Residual)
    }
}

fn start() -> Network {
    let channels = Channels {
        stem: 4,
        blocks: 1,
        upper: 6,
        middle: 6,
        middle_blocks: 1,
        deep: 8,
    };
    Network::new(Architecture::Residual(channels), 3)
}

/// Photos of one bright bar on black: across is a dress, down is a bag, and a lattice is nothing known.
fn photos(count: usize) -> Photos {
    let truths: [Truth; 3] = ["Dress", "Bag", "unknown"].map(|truth| truth.parse().unwrap());
    let mut photos = Photos::default();
    for number in 0..count {
        let (kind, middle) = (number % 3, 10 + number % 7);
        let is_lit = |place: usize| {
            let (row, column) = (place / 28, place % 28);
            match kind {
                0 => row.abs_diff(middle) < 4 && (3..25).contains(&column),
                1 => column.abs_diff(middle) < 4 && (3..25).contains(&row),
                _ => row % 6 < 2 || column % 6 < 2,
            }
        };
        // No two are the same picture: they differ in a corner.
        photos.pixels.push(number as u8);
        photos
            .pixels
            .extend((1..INPUT_LEN).map(|place| if is_lit(place) { 220 } else { 0 }));
        photos.sketches.push(Sketch::numbered(number));
        photos.truths.push(truths[kind]);
    }
    photos
}

fn is_right((answer, truth): (&RawAnswer, &Truth)) -> bool {
    let (scores, unknown) = answer;
    let unknown = unknown.expect("a residual network always tells");
    match truth.label() {
        Some(label) => unknown < 0.5 && scores.iter().all(|&other| other <= scores[label.index()]),
        None => unknown > 0.5,
    }
}

#[test]
fn photos_that_were_learned_are_known_and_others_like_them_are() {
    let (images, all, parameters, start) = (synthetic::images(20, 1), photos(21), parameters(), start());
    let photos = all.only(|number| number < 12);
    let tuning = Tuning {
        start: &start,
        images: &images,
        photos: &photos,
        parameters: &parameters,
        photo_share: 0.02,
    };
    let network = tuning.tune_blocking(&mut ()).unwrap().unwrap().network;
    assert_eq!(network.familiarity(), None, "with so few it would be a guess");
    let right = |network: &Network| {
        let answers = ask(network, &all);
        answers
            .iter()
            .zip(&all.truths)
            .map(is_right)
            .collect::<Vec<bool>>()
    };
    assert!(right(&start).iter().filter(|right| **right).count() < 14);
    let after = right(&network);
    assert!(after[..12].iter().all(|right| *right), "{after:?}");
    assert!(
        after[12..].iter().filter(|right| **right).count() >= 7,
        "{after:?}"
    );
}

/// From enough photos on, familiarity tells what is none of the classes, and evidence comes from folds that have their own.
#[test]
fn many_photos_tell_what_is_none_of_the_classes_by_likeness() {
    let (images, start) = (synthetic::images(200, 1), start());
    let parameters = TrainParameters {
        batch_size: 8,
        ..parameters()
    };
    let all = photos(FEWEST_EXAMPLES * 6);
    let photos = all.only(|number| number < FEWEST_EXAMPLES * 4);
    let tuning = Tuning {
        start: &start,
        images: &images,
        photos: &photos,
        parameters: &parameters,
        photo_share: 0.02,
    };
    let Tuned { network, out_of_fold } = tuning.tune_blocking(&mut ()).unwrap().unwrap();
    let familiarity = network.familiarity().expect("there are enough");
    assert_eq!(familiarity.weights.len(), photos.len());
    // One in three of these is unknown, where one in twenty is expected.
    let odds = 2.0 * UNKNOWN_SHARE / (1.0 - UNKNOWN_SHARE);
    let even = odds / (1.0 + odds);
    let is_told = |answers: &[RawAnswer], photos: &Photos| {
        let pairs = answers.iter().zip(&photos.truths);
        let is_right = |unknown: f32, truth: &Truth| (f64::from(unknown) > even) == truth.label().is_none();
        let told = pairs.filter(|((_, unknown), truth)| is_right(unknown.unwrap(), truth));
        told.count() as f64 / photos.len() as f64
    };
    assert!(is_told(&out_of_fold, &photos) > 0.9);
    let unseen = all.only(|number| number >= photos.len());
    assert!(is_told(&ask(&network, &unseen), &unseen) > 0.9);
}

/// Which out-of-fold answers stay as they are where a person says something else of one photo.
fn unmoved_by_another_word_on(number: usize, photos: &Photos) -> Vec<bool> {
    let (images, start) = (synthetic::images(10, 1), start());
    let parameters = TrainParameters {
        batch_size: 8,
        ..parameters()
    };
    let answers = |photos: &Photos| {
        let tuning = Tuning {
            start: &start,
            images: &images,
            photos,
            parameters: &parameters,
            photo_share: 0.001,
        };
        tuning.tune_blocking(&mut ()).unwrap().unwrap().out_of_fold
    };
    let mut corrected = photos.clone();
    corrected.truths[number] = Truth::Label(Label::from_index(1).unwrap());
    let (before, after) = (answers(photos), answers(&corrected));
    assert_eq!((before.len(), after.len()), (photos.len(), photos.len()));
    let pairs = before.iter().zip(&after);
    pairs.map(|(before, after)| before == after).collect()
}

#[test]
fn what_a_person_says_of_a_photo_has_no_part_in_the_evidence_about_it() {
    for (number, is_unmoved) in unmoved_by_another_word_on(5, &photos(10)).iter().enumerate() {
        assert_eq!(*is_unmoved, number % FOLDS == 5 % FOLDS, "photo {number}");
    }
}

/// The same picture under another hash was learned, and its answer taken for that of a network that had not seen it.
#[test]
fn the_same_picture_is_in_one_fold() {
    // The first again as the last but one, which would be in the next fold.
    let photos = photos(5).pick(&[0, 1, 2, 3, 0, 4]);
    assert_eq!(photos.places(), [0, 1, 2, 3, 0, 4]);
    assert_eq!(photos.firsts(), [true, true, true, true, false, true]);
    assert_eq!(
        unmoved_by_another_word_on(0, &photos),
        [true, false, false, false, true, false]
    );
}

/// Counts steps and stops at one.
struct StopAfter(usize);

impl Observer for StopAfter {
    fn progress(&mut self, progress: &Progress) -> Flow {
        assert!(progress.images_done <= progress.images_total);
        self.0 -= 1;
        if self.0 == 0 { Flow::Stop } else { Flow::Continue }
    }

    fn epoch_done(&mut self, _record: &EpochRecord) -> Flow {
        panic!("lessons at the end are no epoch of the training");
    }
}

#[test]
fn it_ends_when_it_is_told_to() {
    let (images, photos, parameters, start) = (synthetic::images(20, 1), photos(2), parameters(), start());
    let tuning = Tuning {
        start: &start,
        images: &images,
        photos: &photos,
        parameters: &parameters,
        photo_share: 0.3,
    };
    // In the midst of the first lessons, and of those of a fold.
    let mut steps = StopAfter(usize::MAX);
    tuning.tune_blocking(&mut steps).unwrap().unwrap();
    let all = usize::MAX - steps.0;
    for step in [2, all - 1] {
        assert!(tuning.tune_blocking(&mut StopAfter(step)).unwrap().is_none());
    }
    let wild = TrainParameters {
        learning_rate: 1e30,
        ..parameters.clone()
    };
    let tuning = Tuning {
        parameters: &wild,
        ..tuning
    };
    let error = tuning.tune_blocking(&mut ()).unwrap_err();
    assert!(matches!(error, TrainError::Diverged { .. }), "{error}");
}

#[test]
fn photos_have_their_share_but_none_is_shown_without_end() {
    for (photos, share, expected) in [
        (0, 0.3, (0, 0.0)),
        (100, 0.0, (0, 0.0)),
        // 10 photos 120 times each.
        (10, 0.3, (120, 0.04)),
        (1000, 0.3, (9, 0.3)),
        // More photos than there is room for: some are not shown.
        (100_000, 0.5, (0, 0.5)),
        (1000, 1.0, (30, 1.0)),
    ] {
        assert_eq!(seen(photos, share), expected, "{photos} photos, share {share}");
    }
}

#[test]
fn fashion_mnist_fills_what_photos_leave() {
    let (images, start, parameters, photos) = (Images::default(), start(), parameters(), Photos::default());
    let tuning = |photo_share| Tuning {
        start: &start,
        images: &images,
        photos: &photos,
        parameters: &parameters,
        photo_share,
    };
    for (photos, share, available, expected) in [
        (1000, 0.3, 54_000, (21_000, 9_000)),
        (10, 0.3, 54_000, (28_800, 1_200)),
        (10, 0.3, 100, (100, 1_200)),
        (1000, 1.0, 54_000, (0, 30_000)),
    ] {
        let mix = tuning(share).mix(photos, available);
        assert_eq!((mix.fashion, mix.photos), expected);
        assert_eq!(mix.augmentation, parameters.augmentation);
    }
}
