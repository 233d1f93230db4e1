//! Copies of corrected photos: kept, read back, prepared, and what happens to those that are not as they should be.

use super::*;
use crate::domain::{INPUT_LEN, ImageFormat};

/// A photo of a dark garment on white, `width` by `height`.
fn photo(width: u32, height: u32) -> DecodedImage {
    let inside = |x: u32, y: u32| x > width / 4 && x < width * 3 / 4 && y > height / 8 && y < height * 7 / 8;
    let luma = (0..height)
        .flat_map(|y| {
            (0..width).map(move |x| {
                if inside(x, y) {
                    40 + (x * 60 / width) as u8
                } else {
                    255
                }
            })
        })
        .collect();
    DecodedImage {
        luma,
        width,
        height,
        format: ImageFormat::Jpeg,
        photo_size: (width, height),
    }
}

fn hashes(count: u32) -> Vec<ContentHash> {
    (0..count)
        .map(|number| ContentHash::of(&number.to_le_bytes()))
        .collect()
}

fn corrected(hash: ContentHash, label: &str) -> Correction {
    Correction {
        hash,
        truth: label.parse().unwrap(),
    }
}

#[test]
fn a_copy_is_small_and_a_small_photo_is_kept_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    for (photo, size) in [
        (photo(400, 533), (200, 267)),
        (photo(4000, 10), (250, 1)),
        (photo(447, 20), (447, 20)),
        (photo(1, 1), (1, 1)),
    ] {
        let hash = ContentHash::of(&photo.luma);
        keep_blocking(folder.path(), &hash, &photo).unwrap();
        let copy = read_blocking(folder.path(), &hash).unwrap();
        assert_eq!((copy.width, copy.height), size);
        if photo.width <= MAX_SIDE && photo.height <= MAX_SIDE {
            assert_eq!(copy.luma, photo.luma);
        }
    }
}

/// The copy was shrunk further, so that models learned and were judged by other pictures than those that they tag.
#[test]
fn a_copy_comes_out_of_preprocessing_exactly_as_the_photo_does() {
    let folder = tempfile::tempdir().unwrap();
    for (width, height) in [(60, 80), (400, 533), (448, 447), (800, 1066), (901, 1803)] {
        let mut photo = photo(width, height);
        for (place, value) in photo.luma.iter_mut().enumerate() {
            *value -= (place * place % 31) as u8;
        }
        let hash = ContentHash::of(&photo.luma);
        keep_blocking(folder.path(), &hash, &photo).unwrap();
        let material = prepare_blocking(folder.path(), &[corrected(hash, "Dress")]);
        let of_photo = crate::preprocess::prepare(&photo);
        let values = material.photos.pixels.iter().map(|&byte| f32::from(byte) / 255.0);
        assert!(values.eq(*of_photo.values()), "{width}x{height}");
    }
}

#[test]
fn material_is_the_same_in_any_order_and_a_part_of_it_keeps_truths_with_hashes() {
    let folder = tempfile::tempdir().unwrap();
    let hashes = hashes(5);
    for (place, hash) in hashes.iter().enumerate() {
        keep_blocking(folder.path(), hash, &photo(100 + place as u32, 100)).unwrap();
    }
    let said = ["Coat", "Shirt", "unknown", "Bag", "unknown"];
    let pairs = hashes.iter().zip(said);
    let mut corrections: Vec<_> = pairs.map(|(&hash, label)| corrected(hash, label)).collect();
    let material = prepare_blocking(folder.path(), &corrections);
    assert!(material.unusable.is_empty());
    let mut sorted = corrections.clone();
    sorted.sort_by_key(|correction| correction.hash);
    let of = |corrections: &[Correction]| -> (Vec<ContentHash>, Vec<Truth>) {
        let pairs = corrections.iter();
        pairs
            .map(|correction| (correction.hash, correction.truth))
            .unzip()
    };
    assert_eq!(
        (material.hashes.clone(), material.photos.truths.clone()),
        of(&sorted)
    );
    corrections.reverse();
    assert_eq!(prepare_blocking(folder.path(), &corrections), material);

    let some = material.only(|hash, truth| truth.label().is_some() && *hash != hashes[0]);
    sorted.retain(|correction| [hashes[1], hashes[3]].contains(&correction.hash));
    assert_eq!((some.hashes, some.photos.truths.clone()), of(&sorted));
    assert_eq!(some.photos.pixels.len(), 2 * INPUT_LEN);
    let summary = MaterialSummary::of(&material, 3, (40, 0.25));
    assert_eq!((summary.trained_on, summary.held_out, summary.unknown), (3, 2, 2));
    assert_eq!((summary.repetitions, summary.share), (40, 0.25));
}

#[test]
fn missing_and_broken_copies_are_named_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let hashes = hashes(5);
    let whole = copy_path(folder.path(), &hashes[0]);
    keep_blocking(folder.path(), &hashes[0], &photo(300, 300)).unwrap();
    let png = std::fs::read(&whole).unwrap();
    // Missing is the second; the third is cut, the fourth is no picture, the fifth is far too long.
    std::fs::write(copy_path(folder.path(), &hashes[2]), &png[..png.len() / 2]).unwrap();
    std::fs::write(copy_path(folder.path(), &hashes[3]), "no picture").unwrap();
    std::fs::write(
        copy_path(folder.path(), &hashes[4]),
        vec![0; (MAX_FILE_BYTES + 1) as usize],
    )
    .unwrap();
    let corrections: Vec<_> = hashes.iter().map(|&hash| corrected(hash, "Bag")).collect();
    let material = prepare_blocking(folder.path(), &corrections);
    assert_eq!(material.photos.len(), 1);
    assert_eq!(material.unusable.len(), 4);
    for unusable in &material.unusable {
        let path = folder.path().join(format!("{}.png", unusable.hash));
        assert!(
            unusable.error.contains(&path.display().to_string()),
            "{}",
            unusable.error
        );
        assert!(
            unusable.error.contains("correct the photo again"),
            "{}",
            unusable.error
        );
    }
}

#[test]
fn a_copy_larger_than_copies_are_is_refused_before_it_is_decoded() {
    let folder = tempfile::tempdir().unwrap();
    let (hash, side) = (hashes(1)[0], MAX_SIDE + 1);
    let mut png = Vec::new();
    PngEncoder::new(&mut png)
        .write_image(
            &vec![9; (side * side) as usize],
            side,
            side,
            ExtendedColorType::L8,
        )
        .unwrap();
    std::fs::write(copy_path(folder.path(), &hash), png).unwrap();
    let error = read_blocking(folder.path(), &hash).unwrap_err();
    assert!(error.to_string().contains("448x448"), "{error}");
}
