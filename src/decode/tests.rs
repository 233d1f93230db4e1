//! Decoding end to end: every kind of file, every kind of damage.
//!
//! The JPEG fixtures are one 46x30 picture: red grows by 5 to the right, green by 8 downwards, blue falls by 3
//! and 2. Expected values are libjpeg's.

use std::io::Cursor;

use image::{DynamicImage, ImageBuffer, ImageFormat as F, Luma, LumaA, Rgb, Rgba};
use proptest::prelude::*;

use super::*;

const LIMITS: DecodeLimits = DecodeLimits {
    max_pixels: 1_000_000,
    max_decode_bytes: 16_000_000,
};

const JPEGS: [(&str, &[u8]); 11] = [
    ("ycbcr-444", include_bytes!("fixtures/ycbcr-444.jpg")),
    ("ycbcr-420", include_bytes!("fixtures/ycbcr-420.jpg")),
    ("ycbcr-440", include_bytes!("fixtures/ycbcr-440.jpg")),
    (
        "ycbcr-422-restart",
        include_bytes!("fixtures/ycbcr-422-restart.jpg"),
    ),
    ("progressive", include_bytes!("fixtures/progressive.jpg")),
    ("rgb", include_bytes!("fixtures/rgb.jpg")),
    ("grey", include_bytes!("fixtures/grey.jpg")),
    ("cmyk-adobe", include_bytes!("fixtures/cmyk-adobe.jpg")),
    ("cmyk-plain", include_bytes!("fixtures/cmyk-plain.jpg")),
    ("ycck-adobe", include_bytes!("fixtures/ycck-adobe.jpg")),
    ("turned", include_bytes!("fixtures/turned.jpg")),
];

fn jpeg_named(name: &str) -> &'static [u8] {
    JPEGS.iter().find(|(known, _)| *known == name).unwrap().1
}

fn at(image: &DecodedImage, x: u32, y: u32) -> i32 {
    i32::from(image.luma[(y * image.width + x) as usize])
}

fn encoded(image: impl Into<DynamicImage>, format: F) -> Vec<u8> {
    let mut bytes = Vec::new();
    image
        .into()
        .write_to(&mut Cursor::new(&mut bytes), format)
        .unwrap();
    bytes
}

fn of_size(width: u32, height: u32) -> DynamicImage {
    DynamicImage::ImageLuma8(ImageBuffer::from_fn(width, height, |x, y| {
        Luma([(x * 3 + y * 7) as u8])
    }))
}

#[test]
fn every_kind_of_jpeg_gives_the_luma_that_libjpeg_gives() {
    let expected = [
        ("ycbcr-444", 119, [29, 123, 210]),
        ("ycbcr-420", 119, [29, 123, 210]),
        ("ycbcr-440", 119, [29, 123, 210]),
        ("ycbcr-422-restart", 119, [29, 123, 210]),
        ("progressive", 119, [29, 123, 210]),
        ("rgb", 119, [29, 123, 210]),
        ("grey", 119, [29, 123, 210]),
        ("cmyk-adobe", 87, [29, 94, 115]),
        ("cmyk-plain", 87, [29, 94, 115]),
        ("ycck-adobe", 105, [202, 107, 26]),
    ];
    for (name, mean, corners) in expected {
        let image = decode(jpeg_named(name), &LIMITS).unwrap();
        assert_eq!(
            (image.width, image.height, image.format),
            (46, 30, ImageFormat::Jpeg),
            "{name}"
        );
        let found = image.luma.iter().map(|&luma| i32::from(luma)).sum::<i32>() / image.luma.len() as i32;
        assert!((found - mean).abs() <= 1, "{name}: mean {found}");
        for ((x, y), value) in [(0, 0), (23, 15), (45, 29)].into_iter().zip(corners) {
            assert!(
                (at(&image, x, y) - value).abs() <= 1,
                "{name} at {x},{y}: {}",
                at(&image, x, y)
            );
        }
    }
}

#[test]
fn a_jpeg_turned_by_exif_stands_upright() {
    let (plain, turned) = (
        decode(jpeg_named("ycbcr-444"), &LIMITS),
        decode(jpeg_named("turned"), &LIMITS),
    );
    let (plain, turned) = (plain.unwrap(), turned.unwrap());
    assert_eq!((turned.width, turned.height), (30, 46));
    assert_eq!((turned.photo_size, plain.photo_size), ((30, 46), (46, 30)));
    assert_eq!(at(&turned, 0, 0), at(&plain, 0, 29));
    assert_eq!(at(&turned, 29, 45), at(&plain, 45, 0));
}

#[test]
fn every_other_format_keeps_its_pixels() {
    let picture = of_size(37, 23);
    for (format, own) in [
        (F::Png, ImageFormat::Png),
        (F::WebP, ImageFormat::Webp),
        (F::Bmp, ImageFormat::Bmp),
        (F::Tiff, ImageFormat::Tiff),
        (F::Gif, ImageFormat::Gif),
    ] {
        let stored = match format {
            F::WebP | F::Gif => DynamicImage::ImageRgb8(picture.to_rgb8()),
            _ => picture.clone(),
        };
        let image = decode(&encoded(stored, format), &LIMITS).unwrap();
        assert_eq!((image.width, image.height, image.format), (37, 23, own));
        let tolerance = if format == F::Gif { 8 } else { 0 };
        for (found, expected) in image.luma.iter().zip(picture.as_bytes()) {
            assert!(
                found.abs_diff(*expected) <= tolerance,
                "{format:?}: {found} for {expected}"
            );
        }
    }
}

#[test]
fn deep_and_transparent_pictures_become_8_bits_over_white() {
    let rgb16 = ImageBuffer::from_pixel(2, 2, Rgb([65_535u16, 0, 0]));
    let rgba8 = ImageBuffer::from_pixel(2, 2, Rgba([0u8, 0, 0, 0]));
    let rgba16 = ImageBuffer::from_pixel(2, 2, Rgba([0u16, 0, 65_535, 65_535]));
    let half = ImageBuffer::from_pixel(2, 2, LumaA([0u8, 128]));
    let grey16 = ImageBuffer::from_pixel(2, 2, Luma([32_896u16]));
    let float = DynamicImage::ImageRgb32F(ImageBuffer::from_pixel(2, 2, Rgb([0.5f32, 0.5, 0.5])));
    for (bytes, luma) in [
        (encoded(DynamicImage::ImageRgb16(rgb16.clone()), F::Png), 76),
        (encoded(DynamicImage::ImageRgb16(rgb16), F::Tiff), 76),
        (encoded(rgba8, F::Png), 255),
        (encoded(DynamicImage::ImageRgba16(rgba16), F::Png), 29),
        (encoded(half, F::Png), 127),
        (encoded(DynamicImage::ImageLuma16(grey16), F::Png), 128),
        (encoded(float, F::Tiff), 128),
    ] {
        assert_eq!(decode(&bytes, &LIMITS).unwrap().luma, [luma; 4]);
    }
}

/// Bytes of a JPEG with an EXIF segment that asks for a quarter turn.
fn asking_to_be_turned(jpeg: &[u8]) -> Vec<u8> {
    let turned = jpeg_named("turned");
    let begin = turned.windows(6).position(|w| w == b"Exif\0\0").unwrap() - 4;
    let length = usize::from(u16::from_be_bytes([turned[begin + 2], turned[begin + 3]]));
    [&jpeg[..2], &turned[begin..begin + 2 + length], &jpeg[2..]].concat()
}

/// What is too long for one segment goes on in others, which are no EXIF by themselves.
#[test]
fn the_first_exif_that_can_be_read_turns_the_picture() {
    let segment = |exif: &[u8]| {
        let length = (8 + exif.len() as u16).to_be_bytes();
        [&[0xFF, 0xE1], &length[..], b"Exif\0\0", exif].concat()
    };
    let once = asking_to_be_turned(jpeg_named("ycbcr-444"));
    for more in [segment(b"goes on"), segment(b"MM\0\x2A\0\0\0\x08\0\0")] {
        let end = once.windows(2).position(|w| w == [0xFF, 0xDB]).unwrap();
        let twice = [&once[..end], &more, &once[end..]].concat();
        assert_eq!(decode(&twice, &LIMITS).unwrap(), decode(&once, &LIMITS).unwrap());
    }
    let first = [&once[..2], &segment(b"is none"), &once[2..]].concat();
    assert_eq!(decode(&first, &LIMITS).unwrap(), decode(&once, &LIMITS).unwrap());
}

#[test]
fn a_height_that_only_follows_is_not_read() {
    let mut bytes = jpeg_named("ycbcr-444").to_vec();
    let frame = bytes.windows(2).position(|w| w == [0xFF, 0xC0]).unwrap();
    bytes[frame + 5..frame + 7].fill(0);
    let error = decode(&bytes, &LIMITS).unwrap_err();
    assert_eq!(error.reason(), RejectionReason::Unsupported, "{error}");
}

#[test]
fn a_large_jpeg_is_read_at_a_part_of_its_size_and_knows_the_whole() {
    for (size, reduced) in [
        ((500, 90), (250, 45)),
        ((901, 60), (225, 15)),
        ((40, 2000), (5, 250)),
    ] {
        let picture = DynamicImage::ImageLuma8(ImageBuffer::from_fn(size.0, size.1, |x, y| {
            Luma([(40 + x * 150 / size.0 + y * 50 / size.1) as u8])
        }));
        let bytes = encoded(picture, F::Jpeg);
        let image = decode(&bytes, &LIMITS).unwrap();
        assert_eq!(((image.width, image.height), image.photo_size), (reduced, size));
        assert_eq!(image.luma.len() as u32, reduced.0 * reduced.1);
        for (x, y) in [
            (0, 0),
            (reduced.0 - 1, 0),
            (reduced.0 / 2, reduced.1 / 2),
            (0, reduced.1 - 1),
        ] {
            let middle = |at: u32, part: u32, whole: u32| (2 * at + 1) * whole / part / 2;
            let (x_full, y_full) = (middle(x, reduced.0, size.0), middle(y, reduced.1, size.1));
            let expected = 40 + x_full * 150 / size.0 + y_full * 50 / size.1;
            let found = at(&image, x, y);
            assert!(
                (found - expected as i32).abs() <= 2,
                "{size:?} at {x},{y}: {found}, not {expected}"
            );
        }
        let turned = decode(&asking_to_be_turned(&bytes), &LIMITS).unwrap();
        assert_eq!((turned.width, turned.height), (reduced.1, reduced.0));
        assert_eq!(turned.photo_size, (size.1, size.0));
        assert_eq!(at(&turned, 0, 0), at(&image, 0, reduced.1 - 1));
    }
}

#[test]
fn a_large_jpeg_cut_anywhere_is_truncated() {
    let bytes = encoded(of_size(500, 40), F::Jpeg);
    let pixels = 14 + bytes.windows(2).position(|w| w == [0xFF, 0xDA]).unwrap();
    // Behind what makes it a JPEG.
    for length in 3..bytes.len() {
        let error = decode(&bytes[..length], &LIMITS).unwrap_err();
        assert!(error.is_truncated(), "cut at {length}: {error}");
        if length < pixels {
            continue;
        }
        let mut zeros = bytes.clone();
        zeros[length..].fill(0);
        let error = decode(&zeros, &LIMITS).unwrap_err();
        assert!(error.is_truncated(), "zeros from {length}: {error}");
    }
}

#[test]
fn tiff_is_turned_by_its_orientation_tag() {
    let mut bytes = encoded(of_size(5, 3), F::Tiff);
    // The directory's entries are sorted by tag; PhotometricInterpretation (262) stands just before Orientation
    // (274) would, and the writer gives ResolutionUnit (296) last: put Orientation in its place.
    let entry = bytes.windows(4).position(|w| w == [0x28, 0x01, 3, 0]).unwrap();
    bytes[entry..entry + 2].copy_from_slice(&274u16.to_le_bytes());
    bytes[entry + 8] = 8;
    let image = decode(&bytes, &LIMITS).unwrap();
    assert_eq!((image.width, image.height, image.photo_size), (3, 5, (3, 5)));
}

#[test]
fn one_pixel_is_a_picture() {
    for format in [F::Png, F::Bmp, F::Tiff] {
        assert_eq!(
            decode(&encoded(of_size(1, 1), format), &LIMITS).unwrap().luma,
            [0]
        );
    }
}

#[test]
fn a_png_that_declares_60000_by_60000_is_refused_by_its_header() {
    let mut bytes = encoded(of_size(4, 4), F::Png);
    bytes[16..20].copy_from_slice(&60_000u32.to_be_bytes());
    bytes[20..24].copy_from_slice(&60_000u32.to_be_bytes());
    for bytes in [&bytes[..], &bytes[..33]] {
        let rejection = Rejection::from(decode(bytes, &LIMITS).unwrap_err());
        assert_eq!(rejection.reason, RejectionReason::TooManyPixels);
        assert!(rejection.detail.contains("60000x60000"), "{}", rejection.detail);
        assert!(rejection.detail.contains("1000000"), "{}", rejection.detail);
    }
}

#[test]
fn limits_hold_for_every_format() {
    let few_pixels = DecodeLimits {
        max_pixels: 800,
        ..LIMITS
    };
    let little_memory = DecodeLimits {
        max_decode_bytes: 2_000,
        ..LIMITS
    };
    let picture = of_size(46, 30);
    let mut files: Vec<Vec<u8>> = [F::Png, F::Bmp, F::Tiff]
        .map(|f| encoded(picture.clone(), f))
        .into();
    files.push(encoded(picture.to_rgb8(), F::WebP));
    files.push(encoded(picture.to_rgb8(), F::Gif));
    files.extend(JPEGS.iter().map(|(_, bytes)| bytes.to_vec()));
    for bytes in files {
        let error = decode(&bytes, &few_pixels).unwrap_err();
        assert_eq!(error.reason(), RejectionReason::TooManyPixels, "{error}");
        let error = decode(&bytes, &little_memory).unwrap_err();
        assert_eq!(error.reason(), RejectionReason::TooMuchMemory, "{error}");
        assert!(error.to_string().contains("2000"), "{error}");
    }
}

#[test]
fn a_jpeg_cut_anywhere_is_truncated() {
    for (name, bytes) in JPEGS {
        for length in 1..bytes.len() {
            match decode(&bytes[..length], &LIMITS) {
                Err(error) => assert!(error.is_truncated(), "{name} cut at {length}: {error}"),
                Ok(_) => panic!("{name} cut at {length} is taken for whole"),
            }
        }
    }
}

#[test]
fn a_png_or_webp_cut_anywhere_is_truncated() {
    let picture = DynamicImage::ImageRgb8(of_size(23, 9).to_rgb8());
    for format in [F::Png, F::WebP] {
        let bytes = encoded(picture.clone(), format);
        for length in 1..bytes.len() {
            let error = decode(&bytes[..length], &LIMITS).unwrap_err();
            assert!(error.is_truncated(), "{format:?} cut at {length}: {error}");
        }
    }
}

#[test]
fn a_bmp_gif_or_tiff_without_its_pixels_is_truncated() {
    let picture = DynamicImage::ImageRgb8(of_size(40, 40).to_rgb8());
    for format in [F::Bmp, F::Gif, F::Tiff] {
        let bytes = encoded(picture.clone(), format);
        let error = decode(&bytes[..bytes.len() / 2], &LIMITS).unwrap_err();
        assert!(error.is_truncated(), "{format:?}: {error}");
    }
}

/// The first frame being whole, a GIF that was still being written was tagged, and tagged again when it was whole.
#[test]
fn a_gif_cut_within_a_later_frame_is_truncated() {
    let frames = [of_size(19, 13), of_size(13, 13)].map(|frame| image::Frame::new(frame.to_rgba8()));
    let mut bytes = Vec::new();
    let mut encoder = image::codecs::gif::GifEncoder::new(&mut bytes);
    encoder.encode_frames(frames).unwrap();
    drop(encoder);
    let whole = decode(&bytes, &LIMITS).unwrap();
    let mut taken = Vec::new();
    for length in 1..bytes.len() {
        match decode(&bytes[..length], &LIMITS) {
            Err(error) => assert!(error.is_truncated(), "cut at {length}: {error}"),
            Ok(image) => {
                assert_eq!(image, whole, "cut at {length}");
                taken.push(length);
            }
        }
    }
    // Behind the first frame, behind the second one's extension, and without the trailer.
    assert_eq!(taken.len(), 3, "{taken:?} of {}", bytes.len());
    assert_eq!(taken[2], bytes.len() - 1);
}

#[test]
fn what_follows_the_end_of_a_jpeg_is_ignored() {
    let whole = decode(jpeg_named("ycbcr-420"), &LIMITS).unwrap();
    let zeros = [0u8; 512];
    for tail in [
        &zeros[..],
        b"\n",
        b"maker's data \xFF\xC0\xFF",
        jpeg_named("grey"),
        &jpeg_named("grey")[..200],
    ] {
        let bytes = [jpeg_named("ycbcr-420"), tail].concat();
        assert_eq!(decode(&bytes, &LIMITS).unwrap(), whole);
    }
}

#[test]
fn a_jpeg_whose_end_still_reads_as_zeros_is_truncated() {
    for (name, bytes) in JPEGS {
        let mut bytes = bytes.to_vec();
        let written = bytes.len() - bytes.len() / 5;
        bytes[written..].fill(0);
        let error = decode(&bytes, &LIMITS).unwrap_err();
        assert!(error.is_truncated(), "{name}: {error}");
    }
}

#[test]
fn reused_memory_shows_nothing_of_the_picture_before() {
    let first = decode(jpeg_named("cmyk-adobe"), &LIMITS).unwrap();
    let second = decode_reusing(jpeg_named("grey"), &LIMITS, first.luma).unwrap();
    assert_eq!(second, decode(jpeg_named("grey"), &LIMITS).unwrap());
}

/// Whole files of every format, small.
fn samples() -> Vec<Vec<u8>> {
    let picture = DynamicImage::ImageRgb8(of_size(19, 13).to_rgb8());
    let mut files: Vec<Vec<u8>> = [F::Png, F::WebP, F::Bmp, F::Gif, F::Tiff]
        .map(|format| encoded(picture.clone(), format))
        .into();
    files.extend(JPEGS.iter().map(|(_, bytes)| bytes.to_vec()));
    files
}

/// What must hold for any bytes at all.
fn check_sanity(bytes: &[u8]) {
    match decode(bytes, &LIMITS) {
        Ok(image) => {
            assert_eq!(
                image.luma.len() as u64,
                u64::from(image.width) * u64::from(image.height)
            );
            assert!(image.width > 0 && image.height > 0 && image.luma.len() as u64 <= LIMITS.max_pixels);
        }
        Err(error) => assert!(!Rejection::from(error).detail.is_empty()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        check_sanity(&bytes);
    }

    #[test]
    fn arbitrary_bytes_after_a_signature_never_panic(
        kind in 0usize..5,
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let begin: &[u8] = [&b"\xFF\xD8\xFF"[..], b"\x89PNG\r\n\x1A\n", b"RIFF\xFF\0\0\0WEBP", b"GIF89a", b"II*\0"][kind];
        check_sanity(&[begin, &bytes].concat());
    }

    #[test]
    fn damaged_and_cut_files_never_panic(
        which in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let files = samples();
        let mut bytes = which.get(&files).clone();
        for (place, value) in damage {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        check_sanity(&bytes);
    }
}
