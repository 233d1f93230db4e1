//! What an epoch is made of, and that a place of it always shows the same.

use std::collections::BTreeMap;

use super::*;
use crate::training::synthetic;

const SEED: u64 = 5;

/// Pictures of which row `i` is filled with `i`.
fn numbered(count: usize) -> Images {
    Images {
        pixels: (0..count).flat_map(|row| [row as u8; INPUT_LEN]).collect(),
        ..synthetic::images(count, 1)
    }
}

/// Photos of three kinds in turn: two labels, and none.
fn photos(count: usize) -> Photos {
    let truths = ["Dress", "unknown", "Bag"].map(|truth| truth.parse().unwrap());
    Photos {
        pixels: synthetic::images(count, 2).pixels,
        sketches: (0..count).map(Sketch::numbered).collect(),
        truths: (0..count).map(|number| truths[number % 3]).collect(),
    }
}

fn mix(augmentation: Augmentation, fashion: usize, photos: usize) -> Mix {
    Mix {
        augmentation,
        fashion,
        photos,
    }
}

/// How often each lesson is in an epoch.
fn counted(epoch: &Epoch) -> BTreeMap<String, usize> {
    let mut often = BTreeMap::new();
    for lesson in &epoch.order {
        *often.entry(format!("{lesson:?}")).or_default() += 1;
    }
    often
}

fn drawn(epoch: &Epoch, place: usize) -> Picture {
    let mut values = [f32::NAN; INPUT_LEN];
    epoch.draw(place, &mut values);
    values
}

#[test]
fn rows_behind_those_trained_on_never_appear() {
    let (images, none) = (numbered(100), Photos::default());
    let lessons = Lessons::new((&images, 80), &none, mix(Augmentation::None, 80, 0), SEED);
    for number in 0..4 {
        let epoch = lessons.epoch(number);
        let mut seen: Vec<usize> = (0..epoch.len())
            .map(|place| {
                let fill = (drawn(&epoch, place)[0] * 255.0).round() as usize;
                assert_eq!(epoch.row(place), Some(fill));
                assert_eq!(
                    usize::from(epoch.truth(place)),
                    fill % 10,
                    "labels stay with pictures"
                );
                fill
            })
            .collect();
        assert_ne!(seen, (0..80).collect::<Vec<_>>(), "in another order each time");
        seen.sort_unstable();
        assert_eq!(seen, (0..80).collect::<Vec<_>>());
    }
}

/// With pictures in which others are drawn, too: nothing that validation looks at changes any of them.
#[test]
fn no_lesson_depends_on_a_row_behind_those_trained_on() {
    let (images, photos) = (synthetic::images(100, 1), photos(4));
    let mut others = images.clone();
    others.pixels[80 * INPUT_LEN..].fill(77);
    others.labels[80..].reverse();
    for augmentation in [Augmentation::None, Augmentation::Catalogue, Augmentation::Photo] {
        let mix = mix(augmentation, 60, 10);
        let lessons = Lessons::new((&images, 80), &photos, mix, SEED);
        let with_others = Lessons::new((&others, 80), &photos, mix, SEED);
        let (epoch, with_others) = (lessons.epoch(3), with_others.epoch(3));
        for place in 0..epoch.len() {
            assert_eq!(epoch.truth(place), with_others.truth(place));
            assert!(
                drawn(&epoch, place) == drawn(&with_others, place),
                "{augmentation}, {place}"
            );
        }
    }
}

#[test]
fn a_place_always_shows_the_same_and_past_the_end_the_same_things_changed() {
    let (images, photos) = (synthetic::images(50, 1), photos(5));
    let make = |seed| Lessons::new((&images, 40), &photos, mix(Augmentation::Photo, 40, 12), seed);
    let (one, two, other_seed) = (make(SEED), make(SEED), make(SEED + 1));
    let (epoch, again) = (one.epoch(2), two.epoch(2));
    let all: Vec<Picture> = (0..epoch.len()).map(|place| drawn(&epoch, place)).collect();
    for place in (0..epoch.len()).rev() {
        assert!(drawn(&again, place) == all[place]);
        assert!(all[place].iter().all(|value| (0.0..=1.0).contains(value)));
    }
    let mut changed = 0;
    for (place, picture) in all.iter().enumerate().take(10) {
        let behind = place + epoch.len();
        assert_eq!(epoch.truth(behind), epoch.truth(place));
        assert_eq!(epoch.row(behind), epoch.row(place));
        changed += usize::from(drawn(&epoch, behind) != *picture);
    }
    // A catalogue picture may stay as it is both times.
    assert!(changed > 5, "{changed} of 10 are shown in another way");
    assert_ne!(counted(&one.epoch(3)), BTreeMap::new());
    assert!(one.epoch(3).order != epoch.order && other_seed.epoch(2).order != epoch.order);
}

#[test]
fn every_kind_has_its_share() {
    let images = synthetic::images(250, 1);
    for (augmentation, fashion, photo_views, expected) in [
        (Augmentation::None, 200, 0, [200, 0, 0]),
        (Augmentation::Catalogue, 200, 0, [200, 0, 0]),
        (Augmentation::Photo, 200, 0, [200, 16, 0]),
        // No more of a row than one.
        (Augmentation::Photo, 1000, 0, [225, 18, 0]),
        (Augmentation::Photo, 100, 50, [100, 8, 50]),
        (Augmentation::Catalogue, 100, 50, [100, 0, 50]),
        (Augmentation::Photo, 0, 50, [0, 0, 50]),
    ] {
        let photos = photos(7);
        let lessons = Lessons::new(
            (&images, 225),
            &photos,
            mix(augmentation, fashion, photo_views),
            SEED,
        );
        let epoch = lessons.epoch(1);
        let often = counted(&epoch);
        let of = |kind: &str| -> Vec<usize> {
            let kinds = often.iter().filter(|(lesson, _)| lesson.starts_with(kind));
            kinds.map(|(_, &times)| times).collect()
        };
        let sum = |kind| of(kind).iter().sum::<usize>();
        assert_eq!([sum("Fashion"), sum("Outlier"), sum("Photo")], expected);
        assert_eq!(epoch.len(), expected.iter().sum::<usize>());
        assert!(of("Fashion").iter().all(|&times| times == 1));
        // Photos appear equally often, up to one.
        let (least, most) = (photo_views / 7, photo_views.div_ceil(7));
        assert!(
            of("Photo").iter().all(|times| (least..=most).contains(times)),
            "{often:?}"
        );
        let unknown = (0..epoch.len())
            .filter(|&place| epoch.truth(place) == NONE)
            .count();
        let of_photos = (0..epoch.len())
            .filter(|&place| matches!(epoch.order[place], Lesson::Photo(number) if number % 3 == 1))
            .count();
        assert_eq!(
            unknown,
            expected[1] + of_photos,
            "an outlier, or a photo of nothing known"
        );
    }
}

#[test]
fn as_many_pictures_as_said_are_as_a_shop_would_have_photographed_them() {
    // Rows of one grey each: changed as in a catalogue, they have only that and black.
    let images = Images {
        pixels: vec![200; 400 * INPUT_LEN],
        ..synthetic::images(400, 1)
    };
    let none = Photos::default();
    let lessons = Lessons::new((&images, 400), &none, mix(Augmentation::Photo, 400, 0), SEED);
    let epoch = lessons.epoch(1);
    let greys = [0.0, 200.0 / 255.0];
    let is_catalogue = |place: &usize| {
        let values = drawn(&epoch, *place);
        let known = |value: &&f32| greys.iter().any(|grey| (*value - grey).abs() < 1e-6);
        values.iter().filter(known).count() > INPUT_LEN / 2
    };
    let rows = (0..epoch.len()).filter(|&place| epoch.row(place).is_some());
    let share = 1.0 - rows.filter(is_catalogue).count() as f32 / 400.0;
    assert!((share - PHOTO_LIKE).abs() < 0.07, "{share}");
}

#[test]
fn of_easy_pictures_half_are_left_out_and_the_others_count_twice() {
    let (images, none) = (synthetic::images(600, 1), Photos::default());
    let lessons = Lessons::new((&images, 500), &none, mix(Augmentation::None, 500, 0), SEED);
    // Every fifth row is hard.
    let losses: Vec<f32> = (0..500).map(|row| if row % 5 == 0 { 3.0 } else { 0.1 }).collect();
    let epoch = lessons.thinned_epoch(2, &losses);
    let mut easy = 0;
    let mut hard = Vec::new();
    for place in 0..epoch.len() {
        let row = epoch.row(place).unwrap();
        match row % 5 {
            0 => hard.push(row),
            _ => easy += 1,
        }
        assert_eq!(epoch.weight(place), if row.is_multiple_of(5) { 1.0 } else { 2.0 });
        assert_eq!(epoch.truth(place), images.labels[row].index() as u8);
    }
    hard.sort_unstable();
    assert_eq!(
        hard,
        (0..500).step_by(5).collect::<Vec<_>>(),
        "none that is hard is left out"
    );
    assert!((160..240).contains(&easy), "{easy} of 400");
    assert!(lessons.thinned_epoch(3, &losses).order != epoch.order);

    // Before anything is known of them, and where all are alike, all are there.
    for losses in [&[][..], &[0.7; 500]] {
        let whole = lessons.thinned_epoch(2, losses);
        assert!(whole.order == lessons.epoch(2).order);
        assert!((0..500).all(|place| whole.weight(place) == 1.0));
    }
}

#[test]
fn photos_are_kept_as_bytes_and_sorted_by_truth() {
    let mut kept = Photos::default();
    assert!(kept.is_empty());
    let images = synthetic::images(3, 4);
    let truths: [Truth; 3] = ["Coat", "unknown", "Sandal"].map(|truth| truth.parse().unwrap());
    for (number, truth) in truths.iter().enumerate() {
        kept.push(
            &crate::preprocess::from_idx(picture(&images.pixels, number)),
            Sketch::numbered(number),
            *truth,
        );
    }
    assert_eq!(
        kept.pixels, images.pixels,
        "the very bytes that the tensors were made of"
    );
    assert_eq!((kept.len(), kept.unknown()), (3, 1));
    let labelled = kept.labelled();
    assert_eq!(
        labelled.labels,
        [truths[0].label().unwrap(), truths[2].label().unwrap()]
    );
    assert_eq!(labelled.pixels_of(1), Some(&picture(&images.pixels, 2)[..]));
    let some = kept.only(|number| number != 1);
    assert_eq!(some.truths, [truths[0], truths[2]]);
    assert_eq!(some.pixels, labelled.pixels);
    assert_eq!(some.sketches, [Sketch::numbered(0), Sketch::numbered(2)]);
}
