//! Pictures, and the means of pictures, against those that the library decodes.

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ExtendedColorType, GrayImage, Luma, RgbImage};
use proptest::prelude::*;

use super::huffman::Class;
use super::*;
use crate::decode::jpeg::{Colours, read};

const REDUCED: [(Scale, usize); 3] = [(Scale::Half, 2), (Scale::Quarter, 4), (Scale::Eighth, 8)];
const SCALES: [Scale; 4] = [Scale::Whole, Scale::Half, Scale::Quarter, Scale::Eighth];

/// Pictures of 46x30: how libjpeg writes them.
const WRITTEN: [(&str, &[u8]); 5] = [
    ("ycbcr-444", include_bytes!("../../fixtures/ycbcr-444.jpg")),
    ("ycbcr-420", include_bytes!("../../fixtures/ycbcr-420.jpg")),
    (
        "ycbcr-422-restart",
        include_bytes!("../../fixtures/ycbcr-422-restart.jpg"),
    ),
    ("grey", include_bytes!("../../fixtures/grey.jpg")),
    ("ycbcr-440", include_bytes!("../../fixtures/ycbcr-440.jpg")),
];

/// Detail of all frequencies, far enough from black and white that no pixel is cut off there.
fn detail(width: u32, height: u32) -> GrayImage {
    GrayImage::from_fn(width, height, |x, y| {
        let mixed = (x.wrapping_mul(0x9E37_79B1) ^ y.wrapping_mul(0x85EB_CA77)).wrapping_mul(0xC2B2_AE3D);
        Luma([(90 + (x * 2 + y) % 60 + (mixed >> 16) % 40) as u8])
    })
}

fn encoded(picture: &GrayImage, quality: u8, in_colour: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, quality);
    if in_colour {
        let picture: RgbImage = DynamicImage::ImageLuma8(picture.clone()).into_rgb8();
        encoder.encode_image(&picture).unwrap();
    } else {
        let (width, height) = picture.dimensions();
        encoder
            .encode(picture, width, height, ExtendedColorType::L8)
            .unwrap();
    }
    bytes
}

fn scaled(bytes: &[u8], scale: Scale) -> Option<(Vec<u8>, (u32, u32))> {
    let layout = Layout::read(bytes).ok()?;
    let mut luma = vec![7; 3];
    decode(bytes, &layout, scale, &mut luma)?;
    Some((luma, scale.of((layout.width, layout.height))))
}

/// The library's pixels.
fn whole(bytes: &[u8], layout: &Layout) -> Vec<u8> {
    let mut whole = Vec::new();
    let space = Colours::Luma.to_ask_for(layout);
    read(bytes, layout, space, &mut whole).unwrap();
    Colours::Luma.fold_to_luma(space, &mut whole);
    whole
}

/// The largest difference from the means of the library's pixels, of all squares that lie within the picture.
fn largest_difference(bytes: &[u8], scale: Scale, divisor: usize) -> u8 {
    let layout = Layout::read(bytes).unwrap();
    let whole = whole(bytes, &layout);
    let (luma, (width, height)) = scaled(bytes, scale).expect("an ordinary JPEG");
    assert_eq!(luma.len(), (width * height) as usize);
    let (full_width, full_height) = (layout.width as usize, layout.height as usize);
    let mut largest = 0;
    for y in 0..full_height / divisor {
        for x in 0..full_width / divisor {
            let rows = y * divisor..(y + 1) * divisor;
            let sum: usize = rows
                .flat_map(|row| &whole[row * full_width + x * divisor..][..divisor])
                .map(|&value| usize::from(value))
                .sum();
            let mean = (sum + divisor * divisor / 2) / (divisor * divisor);
            largest = largest.max(luma[y * width as usize + x].abs_diff(mean as u8));
        }
    }
    largest
}

#[test]
fn what_libjpeg_writes_becomes_the_means_of_its_pixels() {
    for (name, bytes) in WRITTEN {
        for (scale, divisor) in REDUCED {
            let largest = largest_difference(bytes, scale, divisor);
            assert!(largest <= 1, "{name}, {scale:?}: {largest}");
        }
    }
}

#[test]
fn what_libjpeg_writes_has_the_pixels_that_the_library_gives() {
    for (name, bytes) in WRITTEN {
        let (luma, _) = scaled(bytes, Scale::Whole).expect("an ordinary JPEG");
        assert_eq!(luma, whole(bytes, &Layout::read(bytes).unwrap()), "{name}");
    }
}

/// From black to white and back, so that values are cut off at both ends: all coefficients are large.
#[test]
fn any_picture_has_the_pixels_that_the_library_gives() {
    for (width, height) in [(64, 48), (61, 83), (8, 8), (1, 1), (200, 7), (20, 300)] {
        let noise = GrayImage::from_fn(width, height, |x, y| {
            let mixed = (x.wrapping_mul(0x9E37_79B1) ^ y.wrapping_mul(0x85EB_CA77)).wrapping_mul(0xC2B2_AE3D);
            Luma([(mixed >> 24) as u8])
        });
        for picture in [detail(width, height), noise] {
            for quality in [1, 20, 75, 100] {
                for in_colour in [false, true] {
                    let bytes = encoded(&picture, quality, in_colour);
                    let (luma, size) = scaled(&bytes, Scale::Whole).expect("an ordinary JPEG");
                    assert_eq!(size, (width, height));
                    let expected = whole(&bytes, &Layout::read(&bytes).unwrap());
                    assert_eq!(luma, expected, "{width}x{height}, quality {quality}");
                }
            }
        }
    }
}

#[test]
fn detail_of_all_frequencies_becomes_the_means_of_its_pixels() {
    for (width, height) in [(64, 48), (61, 83), (8, 8), (1, 1), (200, 7)] {
        let picture = detail(width, height);
        for quality in [20, 75, 100] {
            for in_colour in [false, true] {
                let bytes = encoded(&picture, quality, in_colour);
                for (scale, divisor) in REDUCED {
                    let largest = largest_difference(&bytes, scale, divisor);
                    assert!(
                        largest <= 1,
                        "{width}x{height}, quality {quality}, {scale:?}: {largest}"
                    );
                }
            }
        }
    }
}

/// What encoders fill the last blocks with is theirs: black, here, around a grey photo.
#[test]
fn what_lies_beyond_the_edge_is_in_no_mean() {
    let filled = GrayImage::from_fn(64, 88, |x, y| Luma([if x < 61 && y < 83 { 130 } else { 0 }]));
    let mut bytes = encoded(&filled, 100, true);
    let frame = bytes.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
    bytes[frame + 5..frame + 9].copy_from_slice(&[0, 83, 0, 61]);
    for (scale, size) in [
        (Scale::Half, (30, 41)),
        (Scale::Quarter, (15, 20)),
        (Scale::Eighth, (7, 10)),
    ] {
        let (luma, found) = scaled(&bytes, scale).unwrap();
        assert_eq!(found, size);
        assert!(
            luma.iter().all(|value| value.abs_diff(130) <= 2),
            "{scale:?}: {luma:?}"
        );
    }
}

#[test]
fn pictures_are_reduced_as_far_as_enough_is_left() {
    for (size, expected) in [
        ((447, 300), Scale::Whole),
        ((448, 300), Scale::Half),
        ((20, 896), Scale::Quarter),
        ((895, 20), Scale::Half),
        ((4000, 3000), Scale::Eighth),
        ((1, 65_535), Scale::Eighth),
    ] {
        assert_eq!(Scale::to_below(448, size), expected, "{size:?}");
        let (width, height) = expected.of(size);
        assert!(
            expected == Scale::Whole || 2 * width.max(height) + 1 >= 448,
            "{size:?}"
        );
    }
}

#[test]
fn what_is_cut_off_is_left_to_the_library() {
    for (name, bytes) in WRITTEN {
        for length in 0..bytes.len() {
            for scale in SCALES {
                let found = scaled(&bytes[..length], scale);
                assert_eq!(found, None, "{name} cut at {length}, {scale:?}");
            }
        }
    }
}

#[test]
fn what_is_missing_or_left_over_is_left_to_the_library() {
    let (_, restarting) = WRITTEN[2];
    let restart = restarting
        .windows(2)
        .rposition(|pair| pair == [0xFF, 0xD0])
        .unwrap();
    let without = [&restarting[..restart], &restarting[restart + 2..]].concat();
    let mut another = restarting.to_vec();
    another[restart + 1] = 0xD1;
    let end = restarting.len() - 2;
    let longer = [&restarting[..end], &[0x55, 0x55], &restarting[end..]].concat();
    let (_, plain) = WRITTEN[0];
    let begin = plain.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
    let frame = plain[begin..begin + 19].to_vec();
    let with = |segment: &[u8]| [&plain[..begin], segment, &plain[begin..]].concat();
    assert!(
        scaled(&with(&[0xFF, 0xFE, 0, 3, 7]), Scale::Half).is_some(),
        "a comment"
    );
    for (name, bytes) in [
        ("without a restart", without),
        ("another restart", another),
        ("bytes too many", longer),
        ("two frames", with(&frame)),
        ("arithmetic conditioning", with(&[0xFF, 0xCC, 0, 2])),
        (
            "a restart interval of three bytes",
            with(&[0xFF, 0xDD, 0, 5, 0, 4, 0]),
        ),
        (
            "progressive",
            include_bytes!("../../fixtures/progressive.jpg").to_vec(),
        ),
    ] {
        for scale in SCALES {
            assert_eq!(scaled(&bytes, scale), None, "{name}, {scale:?}");
        }
    }
}

#[test]
fn codes_that_cannot_be_are_refused() {
    let mut counts = [0; 16];
    counts[0] = 2;
    let ones_alone = Table::new(Class::Ac, &counts, &[1, 2]);
    counts[0] = 3;
    let too_many = Table::new(Class::Ac, &counts, &[1, 2, 3]);
    counts[0] = 2;
    counts[15] = 1;
    let no_room = Table::new(Class::Ac, &counts, &[1, 2, 3]);
    counts = [0; 16];
    counts[15] = 200;
    let too_few_symbols = Table::new(Class::Ac, &counts, &[1; 199]);
    counts = [0; 16];
    counts[1] = 1;
    let of_a_progressive = Table::new(Class::Ac, &counts, &[0x10]);
    let of_12_bits = Table::new(Class::Dc, &counts, &[15]);
    for table in [
        ones_alone,
        too_many,
        no_room,
        too_few_symbols,
        of_a_progressive,
        of_12_bits,
    ] {
        assert!(table.is_none(), "{table:?}");
    }
    assert!(Table::new(Class::Dc, &counts, &[11]).is_some());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damage_never_panics(
        which in 0..WRITTEN.len(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        scale in 0..SCALES.len(),
    ) {
        let mut bytes = WRITTEN[which].1.to_vec();
        for (place, value) in damage {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        if let Ok(layout) = Layout::read(&bytes) && layout.width * layout.height < 1_000_000 {
            let found = scaled(&bytes, SCALES[scale]);
            if let Some((luma, (width, height))) = found {
                prop_assert_eq!(luma.len(), (width * height) as usize);
            }
        }
    }
}
