//! Pictures drawn here, prepared, and looked at.

use super::*;
use crate::domain::{INPUT_SIDE, ImageFormat};

pub(super) fn image(width: u32, height: u32, luma: impl Fn(u32, u32) -> u8) -> DecodedImage {
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    DecodedImage {
        luma: pixels.map(|(x, y)| luma(x, y)).collect(),
        width,
        height,
        format: ImageFormat::Png,
        photo_size: (width, height),
    }
}

/// Whether a point of a 100x100 field lies on a shirt: a trunk and two sleeves.
pub(super) fn on_shirt(x: u32, y: u32) -> bool {
    let trunk = (35..65).contains(&x) && (10..90).contains(&y);
    let sleeves = (15..85).contains(&x) && (10..35).contains(&y);
    trunk || sleeves
}

fn shirt(garment: u8, background: u8) -> DecodedImage {
    image(100, 100, |x, y| if on_shirt(x, y) { garment } else { background })
}

fn at(tensor: &InputTensor, x: usize, y: usize) -> f32 {
    tensor.values()[y * INPUT_SIDE + x]
}

/// First and last column and row with something brighter than a tenth.
fn extent(tensor: &InputTensor) -> [usize; 4] {
    let seen: Vec<_> = (0..INPUT_LEN).filter(|&i| tensor.values()[i] > 0.1).collect();
    let columns = seen.iter().map(|i| i % INPUT_SIDE);
    let rows = seen.iter().map(|i| i / INPUT_SIDE);
    [
        columns.clone().min().unwrap(),
        columns.max().unwrap(),
        rows.clone().min().unwrap(),
        rows.max().unwrap(),
    ]
}

fn largest_difference(a: &InputTensor, b: &InputTensor) -> f32 {
    a.values()
        .iter()
        .zip(b.values())
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max)
}

/// Noise without chance: the same everywhere.
pub(super) fn noise(x: u32, y: u32, reach: u32) -> i32 {
    let mixed = (x.wrapping_mul(0x9E37_79B1) ^ y.wrapping_mul(0x85EB_CA77)).wrapping_mul(0xC2B2_AE3D);
    ((mixed >> 16) % (2 * reach + 1)) as i32 - reach as i32
}

#[test]
fn a_dark_shirt_on_white_and_a_light_one_on_black_look_alike() {
    let on_white = prepare(&shirt(0, 255));
    let on_black = prepare(&shirt(255, 0));
    assert!(largest_difference(&on_white, &on_black) < 0.02);
    assert!(at(&on_white, 14, 20) > 0.95, "the trunk is bright");
    assert_eq!(at(&on_white, 2, 26), 0.0, "the background is black");
}

#[test]
fn the_garment_fills_the_longest_edge_and_is_centred() {
    let wide = prepare(&image(200, 100, |x, y| {
        if (20..140).contains(&x) && (60..90).contains(&y) {
            40
        } else {
            250
        }
    }));
    assert_eq!(extent(&wide), [0, 27, 10, 16], "120x30 becomes 28x7, centred");
    let tall = prepare(&image(100, 200, |x, y| {
        if (60..90).contains(&x) && (20..140).contains(&y) {
            40
        } else {
            250
        }
    }));
    assert_eq!(extent(&tall), [10, 16, 0, 27]);
}

#[test]
fn noise_and_specks_on_grey_change_next_to_nothing() {
    let clean = prepare(&shirt(30, 200));
    let noisy = image(100, 100, |x, y| {
        let speck = (x, y) == (3, 95) || (x, y) == (97, 2);
        let luma = if on_shirt(x, y) || speck { 30 } else { 200 };
        (luma + noise(x, y, 6)).clamp(0, 255) as u8
    });
    let noisy = prepare(&noisy);
    assert_eq!(extent(&noisy), extent(&clean));
    let difference = largest_difference(&noisy, &clean);
    assert!(difference < 0.08, "{difference}");
}

#[test]
fn a_soft_shadow_is_no_background_but_does_not_turn_the_picture_over() {
    let shadowed = image(100, 100, |x, y| match (x, y) {
        _ if on_shirt(x, y) => 20,
        (30..80, 90..96) => 235,
        _ => 255,
    });
    let tensor = prepare(&shadowed);
    assert!(at(&tensor, 14, 15) > 0.9);
    assert!(at(&tensor, 14, 27) < 0.12);
}

#[test]
fn before_a_busy_background_the_middle_is_found() {
    let busy = image(60, 60, |x, y| {
        if (20..40).contains(&x) && (20..40).contains(&y) {
            255
        } else {
            (noise(x, y, 100) + 100) as u8
        }
    });
    let tensor = prepare(&busy);
    let middle: f32 = (10..18)
        .flat_map(|y| (10..18).map(move |x| (x, y)))
        .map(|(x, y)| at(&tensor, x, y))
        .sum();
    assert!(middle / 64.0 > 0.5);
    assert!(tensor.values().iter().all(|v| (0.0..=1.0).contains(v)));
}

#[test]
fn a_picture_of_fashion_mnist_stays_as_it_is() {
    let drawn = image(28, 28, |x, y| {
        if (6..22).contains(&x) && (y < 9 || (9..19).contains(&x)) {
            200 + 2 * (y as u8) + u8::from(y == 27)
        } else {
            0
        }
    });
    let pixels: &[u8; INPUT_LEN] = drawn.luma.as_slice().try_into().unwrap();
    assert_eq!(prepare(&drawn), from_idx(pixels));
    assert_eq!(from_idx(pixels).values()[10], 200.0 / 255.0);
}

#[test]
fn every_shape_and_every_plain_picture_has_a_defined_tensor() {
    for (width, height) in [(1, 1), (1, 5000), (5000, 1), (2, 3), (28, 28), (27, 29), (640, 3)] {
        for level in [0, 1, 127, 128, 255] {
            let plain = prepare(&image(width, height, |_, _| level));
            assert!(
                plain.values().iter().all(|&v| v == 0.0),
                "{width}x{height} of {level}"
            );
        }
        let striped = prepare(&image(
            width,
            height,
            |x, y| if (x + y) % 7 < 2 { 10 } else { 240 },
        ));
        assert!(
            striped.values().iter().all(|v| (0.0..=1.0).contains(v)),
            "{width}x{height}"
        );
    }
}

#[test]
fn a_large_photo_looks_like_the_same_photo_small() {
    let drawn = |scale: u32| {
        image(100 * scale, 100 * scale, |x, y| {
            if on_shirt(x / scale, y / scale) { 20 } else { 245 }
        })
    };
    let small = prepare(&drawn(2));
    for scale in [5, 13, 40] {
        let large = prepare(&drawn(scale));
        let extents = extent(&large).into_iter().zip(extent(&small));
        assert!(extents.into_iter().all(|(a, b)| a.abs_diff(b) <= 1), "{scale}");
        // The cut is found to a pixel of a smaller copy, so that edges may differ, but not more than edges.
        let differences = large
            .values()
            .iter()
            .zip(small.values())
            .map(|(a, b)| (a - b).abs());
        let mean = differences.sum::<f32>() / INPUT_LEN as f32;
        assert!(
            mean < 0.02 && largest_difference(&large, &small) < 0.25,
            "{scale}: {mean}"
        );
    }
}

#[test]
fn used_memory_changes_nothing() {
    let mut preprocessor = Preprocessor::new();
    let pictures = [
        shirt(0, 255),
        image(300, 200, |x, y| noise(x, y, 90) as u8),
        shirt(120, 10),
    ];
    let first: Vec<_> = pictures.iter().map(|p| preprocessor.prepare(p)).collect();
    for (picture, first) in pictures.iter().zip(&first).rev() {
        assert_eq!(&preprocessor.prepare(picture), first);
        assert_eq!(&prepare(picture), first);
    }
}
