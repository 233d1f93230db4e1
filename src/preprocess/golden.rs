//! Golden pictures: scenes as shops shoot them, drawn here, and what the model must see of each.
//!
//! What is expected lies in `golden/NAME.txt`: the backdrop, the cut, and 28 rows of 28 values in hexadecimal digits,
//! `..` for 0, so that the garment can be seen in it. A change there is a change of [`VERSION`]: look at the new
//! picture (`hangtag explain PATH --picture out.png` shows any), raise the version, and write the files anew with
//! `HANGTAG_GOLDEN=write cargo test golden`.

use std::fmt::Write;
use std::path::Path;

use super::tests::{image, noise, on_shirt};
use super::*;
use crate::domain::INPUT_SIDE;

/// A name, and the grey of each point of a 60x80 photo before noise and compression.
type Scene = (&'static str, fn(i32, i32) -> i32);

/// Width and height of the scenes.
const SIZE: (u32, u32) = (60, 80);

const SCENES: [Scene; 15] = [
    (
        "dark_on_light",
        |x, y| if shirt(x, y) { stripes(x, y, 50) } else { 250 },
    ),
    (
        "light_on_dark",
        |x, y| if shirt(x, y) { stripes(x, y, 200) } else { 15 },
    ),
    ("light_on_grey", |x, y| {
        if shirt(x, y) { stripes(x, y, 225) } else { 130 }
    }),
    ("graded_backdrop", |x, y| {
        if shirt(x, y) {
            stripes(x, y, 60)
        } else {
            235 - y - x / 3
        }
    }),
    ("vignette", |x, y| {
        let away = (x - 30) * (x - 30) + (y - 40) * (y - 40);
        if shirt(x, y) {
            stripes(x, y, 70)
        } else {
            230 - away / 28
        }
    }),
    ("soft_shadow", |x, y| {
        let ground = 252 - (54 - 6 * (y - 51).abs() - 4 * ((x - 28).abs() - 16).max(0)).clamp(0, 40);
        if shoe(x, y) { 60 + (x * 3) % 40 } else { ground }
    }),
    ("white_on_white", |x, y| {
        if shirt(x, y) { stripes(x, y, 230) } else { 255 }
    }),
    ("pattern_across_the_backdrop", |x, y| {
        let cells = if (x / 3 + y / 3) % 2 == 0 { 60 } else { 215 };
        if shirt(x, y) { cells } else { 140 }
    }),
    ("off_centre_with_watermark", |x, y| match (x, y) {
        (38..=54, 8..=20) => stripes(x, y, 90),
        (42..=50, 3..=7) if !(44..=48).contains(&x) || y < 5 => 80,
        (5..=16, 74..=76) if (x + y) % 3 != 0 => 170,
        _ => 245,
    }),
    ("two_shoes", |x, y| {
        let is_shoe = shoe(x, y + 14) || shoe(x - 4, y - 12);
        if is_shoe { 70 + (x * 5) % 50 } else { 240 }
    }),
    ("leaves_the_picture", |x, y| {
        let leg = (14..27).contains(&x) || (33..46).contains(&x);
        if (y >= 12 && (14..46).contains(&x)) && (y < 30 || leg) {
            stripes(x, y, 60)
        } else {
            250
        }
    }),
    ("white_frame", |x, y| match (x, y) {
        _ if !(4..56).contains(&x) || !(4..76).contains(&y) => 255,
        _ if shirt(x, y) => stripes(x, y, 60),
        _ => 165 + y / 8,
    }),
    ("planks", |x, y| match (x, y) {
        _ if shirt(x, y) => stripes(x, y, 45),
        _ if x % 12 == 0 => 90,
        _ => 165 + (x / 12 * 37) % 40 + noise(x as u32 / 2, y as u32 / 6, 14),
    }),
    ("lit_floor", |x, y| {
        let is_lit = (8..50).contains(&x) && (30..72).contains(&y);
        match (x, y) {
            (12..48, 14..34) => stripes(x, y, 50),
            _ => 150 + noise(x as u32 / 2, y as u32 / 6, 10) + if is_lit { 12 } else { 0 },
        }
    }),
    ("carpet", |x, y| match (x, y) {
        _ if shirt(x, y) => 205 + noise(x as u32 / 3, y as u32 / 9, 10),
        _ => 100 + noise(x as u32 / 2, y as u32 / 2, 70),
    }),
];

/// The shirt of the other tests on a scene's scale.
fn shirt(x: i32, y: i32) -> bool {
    let scaled = |at: i32, length: u32| (at.max(0) as u32 * 100 + 50) / length;
    on_shirt(scaled(x, SIZE.0), scaled(y, SIZE.1))
}

/// A low shoe with its toe to the right.
fn shoe(x: i32, y: i32) -> bool {
    let sole = (8..48).contains(&x) && (47..51).contains(&y);
    let heel = (8..22).contains(&x) && (32..47).contains(&y);
    let upper = (22..48).contains(&x) && y < 47 && 2 * (y - 36) > x - 26;
    sole || heel || (upper && y >= 34)
}

fn stripes(x: i32, y: i32, grey: i32) -> i32 {
    grey + if (y / 4) % 3 == 0 { 14 } else { 0 } - x % 2
}

/// A scene with the little noise that cameras leave.
fn photo(grey: fn(i32, i32) -> i32, scale: u32) -> DecodedImage {
    image(SIZE.0 * scale, SIZE.1 * scale, |x, y| {
        let grey = grey((x / scale) as i32, (y / scale) as i32);
        // Paper that is blown out has no noise.
        let noise = if grey >= 250 { 0 } else { noise(x, y, 2) };
        (grey + noise).clamp(0, 255) as u8
    })
}

fn described(seen: &Seen) -> String {
    let mut text = format!("{:?}, cut", seen.backdrop);
    for share in seen.cut {
        write!(text, " {share:.3}").unwrap();
    }
    for line in seen.input.values().chunks_exact(INPUT_SIDE) {
        text.push('\n');
        for value in line {
            match (value * 255.0).round() as u8 {
                0 => text.push_str(".."),
                value => write!(text, "{value:02x}").unwrap(),
            }
        }
    }
    text + "\n"
}

#[test]
fn what_the_model_sees_of_golden_pictures_stays_as_it_is() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/preprocess/golden"));
    let is_writing = std::env::var_os("HANGTAG_GOLDEN").is_some_and(|what| what == "write");
    let mut preprocessor = Preprocessor::new();
    for (name, grey) in SCENES {
        // Large once, as phones make them, so that the ways over smaller copies are covered.
        for (suffix, scale) in [("", 1), ("_large", 8)]
            .into_iter()
            .take(if name == "planks" { 2 } else { 1 })
        {
            let path = folder.join(format!("{name}{suffix}.txt"));
            let seen = described(&preprocessor.look(&photo(grey, scale)));
            if is_writing {
                std::fs::write(&path, &seen).unwrap();
            }
            let expected = std::fs::read_to_string(&path).unwrap();
            assert_eq!(
                seen,
                expected,
                "{} (preprocessing version {})",
                path.display(),
                VERSION.0
            );
        }
    }
}

/// Whatever the backdrop, the same shirt is cut out of the same place, and what is around it is black.
#[test]
fn the_shirt_is_found_before_every_backdrop() {
    for (name, grey) in SCENES {
        if ![
            "dark", "light", "graded", "vignette", "white", "pattern", "planks", "carpet",
        ]
        .iter()
        .any(|begin| name.starts_with(begin))
        {
            continue;
        }
        let seen = Preprocessor::new().look(&photo(grey, 2));
        for (edge, expected) in seen.cut.iter().zip([0.15, 0.1, 0.85, 0.9]) {
            assert!((edge - expected).abs() < 0.03, "{name}: {}", described(&seen));
        }
        let at = |x: usize, y: usize| seen.input.values()[y * INPUT_SIDE + x];
        let around = [(4, 16), (5, 26), (23, 16), (22, 26), (0, 2), (27, 20)];
        assert!(
            around.iter().all(|&(x, y)| at(x, y) < 0.1),
            "{name}\n{}",
            described(&seen)
        );
        let on_it = [(8, 4), (13, 14), (14, 24), (19, 5), (12, 20), (15, 9)];
        let bright: f32 = on_it.iter().map(|&(x, y)| at(x, y)).sum();
        assert!(bright > 0.3 * on_it.len() as f32, "{name}\n{}", described(&seen));
    }
}

#[test]
fn neither_shadow_nor_watermark_nor_floor_enlarges_the_cut() {
    let cut = |wanted: &str| {
        let (_, grey) = SCENES.into_iter().find(|(name, _)| *name == wanted).unwrap();
        Preprocessor::new().look(&photo(grey, 1)).cut
    };
    for (name, expected) in [
        ("soft_shadow", [8.0 / 60.0, 32.0 / 80.0, 48.0 / 60.0, 51.0 / 80.0]),
        (
            "off_centre_with_watermark",
            [38.0 / 60.0, 3.0 / 80.0, 55.0 / 60.0, 21.0 / 80.0],
        ),
        ("two_shoes", [8.0 / 60.0, 18.0 / 80.0, 52.0 / 60.0, 63.0 / 80.0]),
        ("lit_floor", [12.0 / 60.0, 14.0 / 80.0, 48.0 / 60.0, 34.0 / 80.0]),
        ("leaves_the_picture", [14.0 / 60.0, 12.0 / 80.0, 46.0 / 60.0, 1.0]),
    ] {
        for (found, expected) in cut(name).into_iter().zip(expected) {
            assert!((found - expected).abs() < 0.03, "{name}: {:?}", cut(name));
        }
    }
}
