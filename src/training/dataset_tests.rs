//! Data sets drawn here: whole, cut off, mislabelled; and a loopback server in the place of a mirror.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;
use crate::training::idx::{parse_images, parse_labels};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn idx(numbers: &[u32], content: &[u8]) -> Vec<u8> {
    let mut bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
    bytes.extend_from_slice(content);
    gzip(&bytes)
}

/// A small data set in a folder, with one file replaced.
fn folder_with(replaced: Option<(usize, Vec<u8>)>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let images = idx(&[0x0803, 3, 28, 28], &[100; 3 * INPUT_LEN]);
    let labels = idx(&[0x0801, 3], &[0, 9, 4]);
    for (index, file) in OFFICIAL_FILES.iter().enumerate() {
        let usual = if index % 2 == 0 { &images } else { &labels };
        let bytes = match &replaced {
            Some((at, bytes)) if *at == index => bytes,
            _ => usual,
        };
        std::fs::write(folder.path().join(file.name), bytes).unwrap();
    }
    folder
}

#[test]
fn a_small_data_set_is_read_and_recorded_as_not_official() {
    let folder = folder_with(None);
    let data = DataSet::load_blocking(folder.path(), Provenance::Any).unwrap();
    assert_eq!((data.train.len(), data.test.len()), (3, 3));
    assert_eq!(data.train.labels[1].name(), "Ankle boot");
    assert_eq!(data.train.pixels_of(2), Some([100; INPUT_LEN].as_slice()));
    assert_eq!(data.train.pixels_of(3), None);
    assert!(!data.is_official());
    assert_eq!(data.files[1].sha256.len(), 64);

    let error = DataSet::load_blocking(folder.path(), Provenance::Official)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("its length is") && error.contains("expected 26421880 bytes"),
        "{error}"
    );
}

#[test]
fn every_fault_is_named_with_file_value_and_remedy() {
    let pixels = [0; 3 * INPUT_LEN];
    for (at, bytes, words) in [
        (
            0,
            idx(&[0x0801, 3, 28, 28], &pixels),
            "its magic number is 0x00000801, expected 0x00000803",
        ),
        (
            0,
            idx(&[0x0803, 3, 28, 27], &pixels),
            "the number of columns is 27, expected 28",
        ),
        (
            2,
            idx(&[0x0803, 3, 32, 28], &pixels),
            "the number of rows is 32, expected 28",
        ),
        (0, idx(&[0x0803, 0, 28, 28], &[]), "the number of entries is 0"),
        (
            0,
            idx(&[0x0803, u32::MAX, 28, 28], &[]),
            "the number of entries is 4294967295",
        ),
        (
            0,
            idx(&[0x0803, 3, 28, 28], &pixels[1..]),
            "behind the header is 2351, expected 2352",
        ),
        (
            0,
            idx(&[0x0803, 2, 28, 28], &pixels),
            "behind the header is more, expected 1568",
        ),
        (
            1,
            idx(&[0x0801, 2], &[1, 2]),
            "the number of labels is 2, expected 3, one a picture",
        ),
        (
            3,
            idx(&[0x0801, 3], &[1, 10, 2]),
            "a label is 10 (number 1), expected 0 to 9",
        ),
        (1, b"no gzip at all".to_vec(), "its header is"),
        (3, Vec::new(), "its header is"),
        (2, gzip(&[0, 0]), "its header is"),
    ] {
        let folder = folder_with(Some((at, bytes)));
        let error = DataSet::load_blocking(folder.path(), Provenance::Any)
            .unwrap_err()
            .to_string();
        assert!(error.contains(words), "{error}");
        assert!(
            error.contains(OFFICIAL_FILES[at].name) && error.contains("hangtag dataset fetch"),
            "{error}"
        );
    }
}

#[test]
fn a_cut_off_or_damaged_gzip_is_refused() {
    let whole = idx(&[0x0801, 3], &[1, 2, 3]);
    let mut wrong_checksum = whole.clone();
    let at = whole.len() - 6;
    wrong_checksum[at] ^= 1;
    for bytes in [whole[..whole.len() - 4].to_vec(), wrong_checksum] {
        let folder = folder_with(Some((1, bytes)));
        let error = DataSet::load_blocking(folder.path(), Provenance::Any)
            .unwrap_err()
            .to_string();
        assert!(error.contains("its content is"), "{error}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = DataSet::load_blocking(folder.path(), Provenance::Any)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("train-images-idx3-ubyte.gz") && error.contains("dataset.dir"),
        "{error}"
    );
}

#[test]
fn statistics_are_those_of_the_definition() {
    let images = Images {
        pixels: [vec![0; INPUT_LEN], vec![255; INPUT_LEN]].concat(),
        labels: vec![Label::from_index(2).unwrap(); 2],
    };
    let statistics = images.statistics();
    assert_eq!(
        (
            statistics.images,
            statistics.per_class[2],
            statistics.per_class[0]
        ),
        (2, 2, 0)
    );
    assert!((statistics.mean - 0.5).abs() < 1e-9 && (statistics.deviation - 0.5).abs() < 1e-9);
    assert_eq!(Images::default().statistics().mean, 0.0);
}

#[test]
fn samples_are_a_picture_with_a_row_a_class() {
    let images = crate::training::synthetic::images(35, 1);
    let show = |index: usize| images.pixels.as_chunks().0[index];
    let png = draw_samples(&images, 1, show).unwrap();
    let sheet = image::load_from_memory(&png).unwrap().to_luma8();
    assert_eq!(sheet.dimensions(), (604, 604));
    let dark = |column: u32, row: u32| sheet.get_pixel(4 + column * 60 + 55, 4 + row * 60 + 1).0[0] < 255;
    assert!(
        dark(0, 0) && dark(3, 4),
        "the first five classes have four pictures"
    );
    assert!(
        !dark(4, 4) && dark(2, 9) && !dark(3, 9),
        "the last five have three"
    );
    assert_eq!(png, draw_samples(&images, 1, show).unwrap());
    assert_ne!(png, draw_samples(&images, 1, |_| [7; INPUT_LEN]).unwrap());
    draw_samples(&Images::default(), 1, show).unwrap();
}

#[test]
fn fetching_skips_what_is_there_and_names_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let mut heard = Vec::new();
    let result = fetch_blocking(folder.path(), &[], &mut |name, _, _| heard.push(name.to_owned()));
    assert!(matches!(result, Err(DatasetError::Fetch(_))));
    assert!(heard.is_empty());
    if let Some(shared) = shared() {
        fetch_blocking(&shared, &[], &mut |name, have, of| {
            heard.push(format!("{name} {have}/{of}"))
        })
        .unwrap();
        assert_eq!(heard[3], "t10k-labels-idx1-ubyte.gz 5148/5148");
    }
}

#[test]
fn the_official_files_have_the_published_figures() {
    let Some(folder) = shared() else { return };
    let data = DataSet::load_blocking(&folder, Provenance::Official).unwrap();
    assert!(data.is_official());
    let (train, test) = (data.train.statistics(), data.test.statistics());
    assert_eq!((train.per_class, test.per_class), ([6000; 10], [1000; 10]));
    assert!(
        (train.mean - 0.2860).abs() < 5e-5 && (train.deviation - 0.3530).abs() < 5e-5,
        "{train:?}"
    );
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse_images(&bytes);
        let _ = parse_labels(&bytes);
        let _ = parse_images(&gzip(&bytes));
        let _ = parse_labels(&gzip(&bytes));
    }

    #[test]
    fn arbitrary_content_behind_a_right_header_never_panics(
        count in any::<u32>(),
        content in proptest::collection::vec(any::<u8>(), 0..2000),
    ) {
        for count in [count, count % 4] {
            let _ = parse_images(&idx(&[0x0803, count, 28, 28], &content));
            let _ = parse_labels(&idx(&[0x0801, count], &content));
        }
    }
}

/// The official files, where they are at hand.
fn shared() -> Option<PathBuf> {
    let shared = std::env::var_os("HANGTAG_SHARED").map(PathBuf::from);
    let shared = shared.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"));
    let folder = shared.join("fashion-mnist");
    if folder.is_dir() {
        return Some(folder);
    }
    assert_ne!(
        std::env::var("CI").as_deref(),
        Ok("true"),
        "{} is not there",
        folder.display()
    );
    println!("skipped: {} is not there", folder.display());
    None
}
