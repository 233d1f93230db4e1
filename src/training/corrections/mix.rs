//! Fashion-MNIST and corrections in one training set.
//!
//! In: both, and the share that corrections shall have. Out: one set whose rows are split by the trainer as it always
//! splits them: the last `validation_share` of the rows for validation. Never: a correction in those rows, another
//! order of Fashion-MNIST's rows, chance.
//!
//! Each correction stands in the set several times, which is what "a share of the pictures of an epoch" means to a
//! trainer that sees every row once an epoch. Their rows lie between Fashion-MNIST's: before the rows for validation,
//! because a correction there would be a copy of one that is trained on. The set grows by them, and the rows for
//! validation with it, so that some of Fashion-MNIST's training rows move to validation.

use sha2::{Digest, Sha256};

use crate::domain::{INPUT_LEN, hex};
use crate::training::dataset::{FileRecord, Images};
use crate::training::network::random::{Purpose, Stream};
use crate::training::parameters::{ParameterError, TrainParameters};

/// How often a correction stands in the set at most: with more, few corrections would be learned by heart.
const MAX_REPETITIONS: usize = 50;

/// Share of the pictures trained on in an epoch that shall be corrections (`retrain.correction_weight`): 0..=1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CorrectionWeight(f64);

impl CorrectionWeight {
    /// Refuses what is no share.
    pub fn new(weight: f64) -> Result<Self, ParameterError> {
        if (0.0..=1.0).contains(&weight) {
            return Ok(Self(weight));
        }
        Err(ParameterError {
            key: "retrain.correction_weight",
            value: weight.to_string(),
            expected: "it must lie between 0 (corrections are not trained on) and 1 (0.3 is usual)".into(),
        })
    }

    /// The share.
    pub fn get(self) -> f64 {
        self.0
    }
}

/// A training set with corrections in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Mixed {
    /// What the trainer gets.
    pub images: Images,
    /// How the trainer is to use it: as asked, but without `limit_images`, which was applied to Fashion-MNIST.
    pub parameters: TrainParameters,
    /// How often each correction stands in the set, rounded down; some stand in it once more.
    pub repetitions: usize,
    /// Share of the pictures trained on that are corrections, 0..=1; less than the weight where corrections are few.
    pub share: f64,
    /// What the corrections' rows were, to stand beside the data set's files in manifest and checkpoint; `None`
    /// without any.
    pub record: Option<FileRecord>,
}

/// Mixes corrections into Fashion-MNIST's training pictures.
///
/// Of `c` corrections, each stands in the set `n` or `n + 1` times, so that their rows make up `weight` of the rows
/// that are trained on, but at most 50 times; which ones stand in it once more depends on the seed. Fails where the
/// parameters do not fit Fashion-MNIST alone.
pub fn mix(
    mut fashion: Images,
    corrections: &Images,
    weight: CorrectionWeight,
    parameters: &TrainParameters,
) -> Result<Mixed, ParameterError> {
    parameters.check(fashion.len())?;
    fashion.truncate(parameters.limit_images.unwrap_or(usize::MAX).min(fashion.len()));
    let parameters = TrainParameters {
        limit_images: None,
        ..parameters.clone()
    };
    let rows = rows_wanted(fashion.len(), corrections.len(), weight, &parameters);
    let split = parameters.check(fashion.len() + rows)?;
    // Fashion-MNIST's rows before the corrections; those behind them are exactly the rows for validation. Rounding
    // may make one row of corrections too many for that, which then is left out.
    let rows = rows.min(split.train);
    if rows == 0 {
        return Ok(Mixed {
            images: fashion,
            parameters,
            repetitions: 0,
            share: 0.0,
            record: None,
        });
    }
    let block = repeat(corrections, rows, parameters.seed);
    let (share, record) = (rows as f64 / split.train as f64, record(&block));
    Ok(Mixed {
        images: insert(fashion, block, split.train - rows),
        parameters,
        repetitions: rows / corrections.len(),
        share,
        record: Some(record),
    })
}

/// How many rows of corrections make up `weight` of the rows that are trained on.
fn rows_wanted(
    fashion: usize,
    corrections: usize,
    weight: CorrectionWeight,
    parameters: &TrainParameters,
) -> usize {
    // Of n + r rows, t = 1 - validation_share are trained on, and r = weight * t * (n + r).
    let part = weight.get() * (1.0 - parameters.validation_share);
    let wanted = fashion as f64 * part / (1.0 - part);
    (wanted.round() as usize).min(corrections.saturating_mul(MAX_REPETITIONS))
}

/// `rows` rows in which all pictures stand equally often, up to one.
fn repeat(images: &Images, rows: usize, seed: u64) -> Images {
    let mut once_more: Vec<usize> = (0..images.len()).collect();
    Stream::new(seed, Purpose::Corrections).shuffle(&mut once_more);
    once_more.truncate(rows % images.len());
    let all = (0..rows / images.len()).flat_map(|_| 0..images.len());
    let mut block = Images::default();
    for index in all.chain(once_more) {
        let pixels = images
            .pixels_of(index)
            .expect("an index below the number of pictures; this is a bug");
        block.pixels.extend_from_slice(pixels);
        block.labels.push(images.labels[index]);
    }
    block
}

/// `block` before the row `at` of `images`.
fn insert(mut images: Images, block: Images, at: usize) -> Images {
    let place = at * INPUT_LEN;
    images.pixels.splice(place..place, block.pixels);
    images.labels.splice(at..at, block.labels);
    images
}

fn record(block: &Images) -> FileRecord {
    let mut hasher = Sha256::new();
    hasher.update(&block.pixels);
    let labels: Vec<u8> = block.labels.iter().map(|label| label.index() as u8).collect();
    hasher.update(&labels);
    FileRecord {
        name: "corrections".into(),
        sha256: hex(&hasher.finalize()),
        official: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Label;

    /// Pictures that can be told apart: picture `i` is filled with `first + i`.
    fn pictures(count: usize, first: u8) -> Images {
        let fill = |i: usize| first.wrapping_add(i as u8);
        Images {
            pixels: (0..count).flat_map(|i| [fill(i); INPUT_LEN]).collect(),
            labels: (0..count).filter_map(|i| Label::from_index(i % 10)).collect(),
        }
    }

    fn weight(weight: f64) -> CorrectionWeight {
        CorrectionWeight::new(weight).unwrap()
    }

    /// Rows of each kind among those trained on and those for validation: corrections are filled with 200 and more.
    fn rows(mixed: &Mixed) -> [usize; 3] {
        let split = mixed.parameters.check(mixed.images.len()).unwrap();
        let is_correction = |row: usize| mixed.images.pixels[row * INPUT_LEN] >= 200;
        let corrections = (0..split.train).filter(|&row| is_correction(row)).count();
        assert!((split.train..mixed.images.len()).all(|row| !is_correction(row)));
        assert_eq!(mixed.images.pixels.len(), mixed.images.len() * INPUT_LEN);
        [split.train - corrections, corrections, split.validation]
    }

    #[test]
    fn corrections_have_their_share_of_what_is_trained_on_and_none_of_validation() {
        for (count, share, expected) in [
            // 200 pictures, 10 % for validation: of 200 + r rows, r = 0.9 w (200 + r).
            (20, 0.0, [180, 0, 20]),
            (20, 0.3, [172, 74, 28]),
            (20, 0.5, [163, 164, 37]),
            // Two corrections are repeated 50 times at most.
            (2, 0.5, [170, 100, 30]),
            (0, 0.5, [180, 0, 20]),
            // Nothing but corrections is trained on; Fashion-MNIST alone validates.
            (50, 1.0, [0, 1800, 200]),
        ] {
            let (fashion, corrections) = (pictures(200, 0), pictures(count, 200));
            let mixed = mix(fashion, &corrections, weight(share), &TrainParameters::default()).unwrap();
            assert_eq!(rows(&mixed), expected, "{count} corrections, weight {share}");
            let [others, corrected, _] = expected;
            assert_eq!(mixed.share, corrected as f64 / (others + corrected) as f64);
            assert_eq!(mixed.record.is_some(), corrected > 0);
        }
    }

    #[test]
    fn every_correction_stands_in_the_set_equally_often_up_to_one() {
        let corrections = pictures(20, 200);
        let mixed = mix(
            pictures(200, 0),
            &corrections,
            weight(0.3),
            &TrainParameters::default(),
        )
        .unwrap();
        assert_eq!(mixed.repetitions, 3);
        let firsts = mixed.images.pixels.iter().step_by(INPUT_LEN);
        let mut often = [0; 20];
        firsts
            .filter(|&&fill| fill >= 200)
            .for_each(|&fill| often[usize::from(fill - 200)] += 1);
        assert!(often.iter().all(|&times| times == 3 || times == 4), "{often:?}");
        assert_eq!(often.iter().sum::<usize>(), 74);
    }

    #[test]
    fn labels_stay_with_their_pictures_and_fashion_mnist_keeps_its_order() {
        let mixed = mix(
            pictures(200, 0),
            &pictures(20, 200),
            weight(0.3),
            &TrainParameters::default(),
        )
        .unwrap();
        let mut fashion = Vec::new();
        for (row, label) in mixed.images.labels.iter().enumerate() {
            let fill = mixed.images.pixels[row * INPUT_LEN];
            let index = if fill >= 200 { fill - 200 } else { fill };
            assert_eq!(label.index(), usize::from(index) % 10);
            if fill < 200 {
                fashion.push(fill);
            }
        }
        assert_eq!(fashion, (0..200).collect::<Vec<u8>>());
    }

    #[test]
    fn the_seed_alone_decides_who_stands_in_it_once_more() {
        let mixed = |seed| {
            let parameters = TrainParameters {
                seed,
                ..TrainParameters::default()
            };
            mix(pictures(200, 0), &pictures(20, 200), weight(0.3), &parameters).unwrap()
        };
        assert_eq!(mixed(1), mixed(1));
        assert_ne!(mixed(1).record, mixed(2).record);
    }

    #[test]
    fn a_limit_counts_fashion_mnist_before_the_corrections_come() {
        let parameters = TrainParameters {
            limit_images: Some(100),
            ..TrainParameters::default()
        };
        let mixed = mix(pictures(200, 0), &pictures(20, 200), weight(0.3), &parameters).unwrap();
        assert_eq!(rows(&mixed), [86, 37, 14]);
        assert_eq!(mixed.parameters.limit_images, None);
        let too_few = TrainParameters {
            limit_images: Some(1),
            ..TrainParameters::default()
        };
        assert!(mix(pictures(200, 0), &pictures(20, 200), weight(0.3), &too_few).is_err());
    }

    #[test]
    fn a_weight_is_a_share() {
        for bad in [-0.1, 1.1, f64::NAN] {
            let message = CorrectionWeight::new(bad).unwrap_err().to_string();
            assert!(message.contains("retrain.correction_weight"), "{message}");
        }
    }
}
