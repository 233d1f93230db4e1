use std::collections::HashSet;

use super::outlier::Thing;
use super::worn::Hands;
use super::*;
use crate::domain::{INPUT_SIDE, LABEL_COUNT};
use crate::training::dataset::Images;
use crate::training::network::random::Purpose;

/// A garment of a class, drawn in its outline as Fashion-MNIST has it; `inside` gives its values.
fn sketch(class: usize, inside: impl Fn(usize, usize) -> u8) -> [u8; INPUT_LEN] {
    let is_in = |x: usize, y: usize| {
        let aside = (x as f32 + 0.5 - 14.0).abs();
        match class {
            kind::T_SHIRT => aside < 7.5 || (y < 9 && aside < 12.0),
            kind::PULLOVER | kind::COAT | kind::SHIRT => {
                aside < 7.0 || (y < 24 && (8.0..12.5).contains(&aside)) || (y < 5 && aside < 12.0)
            }
            kind::TROUSER => aside < 6.0 && (y < 8 || aside > 1.0),
            kind::DRESS => aside < 4.0 + y as f32 / 10.0,
            kind::BAG => (9..25).contains(&y),
            kind::SANDAL => (18..21).contains(&y) || (y > 8 && x % 9 < 3 && y < 20),
            _ => (10..22).contains(&y) && (x > 12 || y > 15),
        }
    };
    std::array::from_fn(|index| {
        let (x, y) = (index % INPUT_SIDE, index / INPUT_SIDE);
        if is_in(x, y) { inside(x, y) } else { 0 }
    })
}

fn checks(phase: usize) -> impl Fn(usize, usize) -> u8 {
    move |x, y| if (x / 3 + y / 3) % 2 == phase { 60 } else { 240 }
}

fn wardrobe() -> Wardrobe {
    let mut images = Images::default();
    for class in 0..LABEL_COUNT {
        images.pixels.extend(sketch(class, checks(0)));
        images.labels.extend(Label::from_index(class));
    }
    Wardrobe::new(&images, LABEL_COUNT)
}

fn stream(image: u32) -> Stream {
    Stream::new(11, Purpose::Augment { epoch: 1, image })
}

/// All four ways, on a picture of the class.
fn all_ways(class: usize, pixels: &[u8; INPUT_LEN], image: u32) -> [Picture; 4] {
    let wardrobe = wardrobe();
    let label = Label::from_index(class).unwrap();
    let mut out = [[0.5; INPUT_LEN]; 4];
    catalogue(pixels, &mut stream(image), &mut out[0]);
    photo(&wardrobe, pixels, label, &mut stream(image), &mut out[1]);
    corrected(pixels, &mut stream(image), &mut out[2]);
    outlier(&wardrobe, &mut stream(image), &mut out[3]);
    out
}

#[test]
fn pictures_are_finite_within_range_never_empty_and_a_function_of_their_stream() {
    for class in 0..LABEL_COUNT {
        let pixels = sketch(class, checks(0));
        for image in 0..60 {
            let ways = all_ways(class, &pixels, image);
            for (way, picture) in ways.iter().enumerate() {
                let place = format!("class {class}, way {way}, stream {image}");
                assert!(picture.iter().all(|value| (0.0..=1.0).contains(value)), "{place}");
                let seen = picture.iter().filter(|&&value| value > 0.2).count();
                assert!(seen > 12, "{place}: {seen} pixels are not black");
            }
            assert_eq!(ways, all_ways(class, &pixels, image));
            let others = all_ways(class, &pixels, image + 1000);
            // Of catalogue pictures many stay as they are.
            assert!(ways.iter().zip(&others).skip(1).all(|(one, other)| one != other));
        }
    }
}

#[test]
fn no_picture_is_empty_whatever_it_was_made_from() {
    for pixels in [[0; INPUT_LEN], [255; INPUT_LEN], sketch(0, |_, _| 1)] {
        for class in 0..LABEL_COUNT {
            for image in 0..20 {
                for picture in all_ways(class, &pixels, image) {
                    assert!(picture.iter().all(|value| (0.0..=1.0).contains(value)));
                }
            }
        }
    }
    let mut out = [0.0; INPUT_LEN];
    for image in 0..300 {
        outlier(
            &Wardrobe::new(&Images::default(), 0),
            &mut stream(image),
            &mut out,
        );
        assert!(
            out.iter().all(|value| (0.0..=1.0).contains(value)),
            "stream {image}"
        );
    }
}

/// The garment itself must be what is seen: two garments of one outline, one with the other's pattern reversed, must
/// come out different wherever they are not hidden.
#[test]
fn the_garment_stays_visible() {
    let wardrobe = wardrobe();
    for class in 0..LABEL_COUNT {
        let label = Label::from_index(class).unwrap();
        let [one, other] = [0, 1].map(|phase| sketch(class, checks(phase)));
        let mut hidden = 0;
        for image in 0..200 {
            let [a, b] = [one, other].map(|pixels| {
                let mut out = [0.0; INPUT_LEN];
                photo(&wardrobe, &pixels, label, &mut stream(image), &mut out);
                out
            });
            let seen = a.iter().zip(&b).filter(|(a, b)| a.max(**b) > 0.04).count();
            let own = a.iter().zip(&b).filter(|(a, b)| (*a - *b).abs() > 0.02).count();
            hidden += usize::from(own * 5 < seen);
        }
        assert!(
            hidden <= 10,
            "class {class}: in {hidden} of 200 photos less than a fifth of what is seen is the garment"
        );
    }
}

#[test]
fn a_wardrobe_never_holds_what_is_not_trained_on() {
    let mut images = Images::default();
    for row in 0..100u8 {
        images.pixels.extend([row; INPUT_LEN]);
        images
            .labels
            .extend(Label::from_index(usize::from(row) % LABEL_COUNT));
    }
    let wardrobe = Wardrobe::new(&images, 90);
    assert!(Label::all().all(|label| wardrobe.count(label) == 9));
    for class in 0..LABEL_COUNT {
        let mut stream = stream(class as u32);
        let rows: HashSet<u8> = (0..300)
            .map(|_| wardrobe.take(class, &mut stream).unwrap()[0])
            .collect();
        assert_eq!(rows.len(), 9, "every picture's turn comes");
        assert!(
            rows.iter()
                .all(|&row| row < 90 && usize::from(row) % LABEL_COUNT == class)
        );
    }
    assert!(Wardrobe::new(&images, 0).take(0, &mut stream(0)).is_none());
    let many = Images {
        pixels: vec![1; 1500 * INPUT_LEN],
        labels: vec![Label::from_index(0).unwrap(); 1500],
    };
    assert_eq!(
        Wardrobe::new(&many, 1500).count(Label::from_index(0).unwrap()),
        1000
    );
}

#[test]
fn every_choice_is_made_now_and_then() {
    let mut stream = stream(0);
    let (mut dyes, mut hands, mut things) = (Vec::new(), Vec::new(), Vec::new());
    let (mut patterns, mut trims) = (Vec::new(), Vec::new());
    for round in 0..3000 {
        let pattern = pattern(round % LABEL_COUNT, &mut stream);
        for (list, item) in [
            (&mut dyes, format!("{:?}", Dye::any(&mut stream))),
            (&mut hands, format!("{:?}", Hands::any(&mut stream))),
            (&mut things, format!("{:?}", stream.choose(&Thing::ALL))),
            (&mut patterns, format!("{pattern:?}")),
            (
                &mut trims,
                format!("{:?}", Trim::any(round % LABEL_COUNT, &mut stream)),
            ),
        ] {
            if !list.contains(&item) {
                list.push(item);
            }
        }
    }
    assert_eq!(
        [&dyes, &hands, &things, &patterns, &trims].map(Vec::len),
        [
            Dye::COUNT,
            Hands::COUNT,
            Thing::ALL.len(),
            Pattern::COUNT,
            Trim::COUNT
        ]
    );
}

#[test]
fn each_thing_is_painted_and_none_like_another() {
    let wardrobe = wardrobe();
    let mut seen = HashSet::new();
    for (_, thing) in Thing::ALL {
        for image in 0..20 {
            let mut canvas = Canvas::new(Linear::new(at(1.0, 1.0), 0.0, 0.0));
            outlier::paint_thing(&mut canvas, &wardrobe, thing, &mut stream(image));
            let mut out = [0.0; INPUT_LEN];
            canvas.fit(&mut out);
            let bits: Vec<u32> = out.iter().map(|value| value.to_bits()).collect();
            assert!(
                out.iter().any(|&value| value > 0.04),
                "{thing:?} is not to be seen"
            );
            assert!(seen.insert(bits), "{thing:?} looks like another");
        }
    }
}

#[test]
fn catalogue_pictures_keep_their_garment() {
    let pixels = sketch(kind::T_SHIRT, |_, _| 200);
    let area = |picture: &Picture| {
        picture
            .iter()
            .filter(|&&value| value == 200.0 * (1.0 / 255.0))
            .count()
    };
    let whole = pixels.iter().filter(|&&value| value > 0).count();
    let mut changed = 0;
    for image in 0..200 {
        let mut out = [0.0; INPUT_LEN];
        catalogue(&pixels, &mut stream(image), &mut out);
        assert!(
            area(&out) * 2 > whole,
            "stream {image}: {} of {whole} pixels are left",
            area(&out)
        );
        changed += usize::from(out != values(&pixels));
    }
    assert!((80..180).contains(&changed), "{changed} of 200 are changed");
}

/// What training sees decides the weights: the bits may not change unnoticed, nor differ between machines.
#[test]
fn the_bits_are_the_same_everywhere() {
    let mut hash = 0xCBF2_9CE4_8422_2325u64;
    for class in 0..LABEL_COUNT {
        let pixels = sketch(class, checks(0));
        for image in 0..30 {
            for value in all_ways(class, &pixels, image).as_flattened() {
                hash = (hash ^ u64::from(value.to_bits())).wrapping_mul(0x0100_0000_01B3);
            }
        }
    }
    assert_eq!(hash, BITS, "{hash:#x}");
}

const BITS: u64 = 0x78d8_fcc3_c312_8966;
