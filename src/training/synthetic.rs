//! Pictures for tests that a network can learn in seconds: a bright square whose place tells the class, on noise.

use super::dataset::{FileRecord, Images};
use super::network::random::{Purpose, Stream};
use crate::domain::{INPUT_SIDE, LABEL_COUNT, Label};

/// `count` pictures, the classes in turn.
pub fn images(count: usize, seed: u64) -> Images {
    let mut stream = Stream::new(seed, Purpose::Sample { class: 99 });
    let mut images = Images::default();
    for index in 0..count {
        let class = index % LABEL_COUNT;
        let (top, left) = (class / 5 * 12 + 4, class % 5 * 5 + 1);
        for y in 0..INPUT_SIDE {
            for x in 0..INPUT_SIDE {
                let inside = (top..top + 8).contains(&y) && (left..left + 5).contains(&x);
                let noise = stream.next_below(60) as u8;
                images.pixels.push(if inside { 180 + noise } else { noise });
            }
        }
        images.labels.extend(Label::from_index(class));
    }
    images
}

/// Records of files that are not there.
pub fn files(mark: &str) -> Vec<FileRecord> {
    vec![FileRecord {
        name: "train".into(),
        sha256: mark.repeat(64),
        official: false,
    }]
}
