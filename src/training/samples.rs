//! Which photos of known truth may judge a model, and by which of its answers.
//!
//! In: corrected and audited photos with what a model said of them, and the copies that are kept of them. Out: samples with
//! answers that the model gave without having seen the truth. Never: the store, a fit.
//!
//! A model that was trained on a correction knows it by heart: its answer there tells nothing about other photos. For
//! those the answer of a fold that had not seen it stands in; where there is none, the photo is left out. It knows the
//! picture, under whatever content hash: a file that was exported once more is not another one to it. So, too, one picture
//! that people chose under many hashes proves as much as one. Of a random draw each photo counts: the draw is of photos.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::corrections::{Correction, prepare_blocking};
use super::evaluate::Judged;
use super::manifest::in_short;
use crate::domain::{Basis, ContentHash, Prediction};
use crate::store::SampleRow;

/// So many audited photos are preferred to any number of corrections.
pub const ENOUGH_AUDITED: usize = 200;

/// Photos that may judge a model.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Samples {
    /// Those that were drawn at random.
    pub audited: Vec<Judged>,
    /// Those that people chose, each picture once, and none that was drawn.
    pub chosen: Vec<Judged>,
    /// Photos of known truth that do not count: without an answer that the model gave unseeing, or chosen and the same picture
    /// as one that counts.
    pub left_out: u64,
}

/// Which photos are one picture to a network.
#[derive(Debug, Clone, Default)]
pub struct Pictures(HashMap<ContentHash, usize>);

/// The picture of a photo, as far as it can be told from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Picture {
    /// One of those that were read.
    Read(usize),
    /// There is no copy that can be read: it is taken for one by itself.
    Unread(ContentHash),
}

impl Pictures {
    /// By the copies of corrected photos in `folder`.
    pub fn of_blocking(folder: &Path, rows: &[SampleRow]) -> Pictures {
        let corrections = rows.iter().map(|row| Correction {
            hash: row.hash,
            truth: row.truth,
        });
        let material = prepare_blocking(folder, &corrections.collect::<Vec<_>>());
        let places = material.photos.places();
        Pictures(material.hashes.into_iter().zip(places).collect())
    }

    fn of(&self, row: &SampleRow) -> Picture {
        let place = self.0.get(&row.hash);
        place.map_or(Picture::Unread(row.hash), |&place| Picture::Read(place))
    }
}

impl Samples {
    /// Takes what can be used; `learned` are the photos that the model was trained on, [`in_short`].
    pub fn of(rows: &[SampleRow], learned: &HashSet<&str>, pictures: &Pictures) -> Samples {
        let was_learned = |row: &&SampleRow| learned.contains(in_short(&row.hash).as_str());
        let seen: HashSet<Picture> = rows
            .iter()
            .filter(was_learned)
            .map(|row| pictures.of(row))
            .collect();
        let by_folds: HashMap<Picture, Prediction> = rows
            .iter()
            .filter_map(|row| Some((pictures.of(row), row.out_of_fold?)))
            .collect();
        let unseeing = |row: &SampleRow, picture: Picture| match seen.contains(&picture) {
            true => row.out_of_fold.or(by_folds.get(&picture).copied()),
            false => row.out_of_fold.or(row.recorded),
        };
        let (mut samples, mut counted) = (Samples::default(), HashSet::new());
        let (audited, chosen): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.is_audited);
        for row in audited.into_iter().chain(chosen) {
            let picture = pictures.of(row);
            let is_another = row.is_audited || !counted.contains(&picture);
            let Some(prediction) = unseeing(row, picture).filter(|_| is_another) else {
                samples.left_out += 1;
                continue;
            };
            counted.insert(picture);
            let sample = Judged {
                truth: row.truth.label(),
                prediction,
            };
            match row.is_audited {
                true => samples.audited.push(sample),
                false => samples.chosen.push(sample),
            }
        }
        samples
    }

    /// The random ones alone where there are enough of them, else all: more of them, but biased.
    pub fn best(&self) -> (Basis, Vec<Judged>) {
        if self.audited.len() >= ENOUGH_AUDITED {
            return (Basis::Audit, self.audited.clone());
        }
        let all = self.audited.iter().chain(&self.chosen);
        (Basis::Corrections, all.copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{DecodedImage, ImageFormat, LABEL_COUNT, Scores, Timestamp, Truth};
    use crate::training::corrections::keep_blocking;

    fn prediction(top: f32) -> Prediction {
        let mut values = [0.0; LABEL_COUNT];
        values[0] = top;
        Scores::new(values).unwrap().into()
    }

    fn row(recorded: Option<f32>, out_of_fold: Option<f32>) -> SampleRow {
        SampleRow {
            hash: ContentHash::of(b"photo"),
            truth: Truth::Unknown,
            corrected_at: Timestamp::from_millis(50),
            is_audited: false,
            recorded: recorded.map(prediction),
            out_of_fold: out_of_fold.map(prediction),
        }
    }

    #[test]
    fn no_photo_is_judged_by_an_answer_that_knew_its_truth() {
        let it = in_short(&ContentHash::of(b"photo"));
        let (learned, others) = (HashSet::from([it.as_str()]), HashSet::from(["0123456789abcdef"]));
        let cases = [
            ("a fold's answer", row(Some(0.9), Some(0.6)), &learned, Some(0.6)),
            ("trained on, no fold", row(Some(0.9), None), &learned, None),
            ("trained on others", row(Some(0.9), None), &others, Some(0.9)),
            ("never asked", row(None, None), &others, None),
        ];
        for (name, row, learned, expected) in cases {
            let found = Samples::of(&[row], learned, &Pictures::default());
            let tops: Vec<_> = found
                .chosen
                .iter()
                .map(|one| one.prediction.scores.values()[0])
                .collect();
            assert_eq!(tops, expected.into_iter().collect::<Vec<_>>(), "{name}");
            assert_eq!(found.left_out, u64::from(expected.is_none()), "{name}");
        }
    }

    #[test]
    fn random_ones_are_preferred_once_there_are_enough() {
        let rows = |audited: usize, chosen: usize| -> Vec<SampleRow> {
            (0..audited + chosen)
                .map(|index| SampleRow {
                    hash: ContentHash::of(&index.to_le_bytes()),
                    is_audited: index < audited,
                    ..row(Some(0.5), None)
                })
                .collect()
        };
        for (audited, chosen, expected) in [
            (ENOUGH_AUDITED, 500, (Basis::Audit, ENOUGH_AUDITED)),
            (
                ENOUGH_AUDITED - 1,
                500,
                (Basis::Corrections, ENOUGH_AUDITED + 499),
            ),
            (0, 3, (Basis::Corrections, 3)),
        ] {
            let (basis, samples) =
                Samples::of(&rows(audited, chosen), &HashSet::new(), &Pictures::default()).best();
            assert_eq!((basis, samples.len()), expected);
        }
    }

    /// Photos with a copy each: of a garment so many eights of pixels wide.
    fn photos(folder: &Path, widths: &[usize]) -> Vec<SampleRow> {
        let mut rows = Vec::new();
        for (number, width) in widths.iter().enumerate() {
            // A file of another content each time.
            let hash = ContentHash::of(&number.to_le_bytes());
            let is_garment = |at: usize| (at % 48).abs_diff(24) < 4 * width && (6..42).contains(&(at / 48));
            let copy = DecodedImage {
                luma: (0..48 * 48)
                    .map(|at| if is_garment(at) { 40 } else { 255 })
                    .collect(),
                width: 48,
                height: 48,
                format: ImageFormat::Jpeg,
                photo_size: (48, 48),
            };
            keep_blocking(folder, &hash, &copy).unwrap();
            rows.push(SampleRow {
                hash,
                ..row(Some(0.9), None)
            });
        }
        rows
    }

    fn tops(judged: &[Judged]) -> Vec<f32> {
        let scores = judged.iter().map(|one| one.prediction.scores.values()[0]);
        scores.collect()
    }

    /// Sixty exports of one photo proved as much as sixty photos.
    #[test]
    fn of_chosen_photos_each_picture_counts_once_and_of_drawn_ones_each_photo() {
        let folder = tempfile::tempdir().unwrap();
        let mut rows = photos(folder.path(), &[1, 1, 1, 2, 3, 3]);
        let none = HashSet::new();
        let count = |rows: &[SampleRow]| {
            let found = Samples::of(rows, &none, &Pictures::of_blocking(folder.path(), rows));
            (found.audited.len(), found.chosen.len(), found.left_out)
        };
        assert_eq!(count(&rows), (0, 3, 3));
        rows[0].recorded = None;
        assert_eq!(count(&rows), (0, 3, 3), "the next one of it was asked");
        rows[4].is_audited = true;
        rows[5].is_audited = true;
        assert_eq!(count(&rows), (2, 2, 2));
        rows[5].is_audited = false;
        assert_eq!(count(&rows), (1, 2, 3), "drawn once, and not chosen besides");
    }

    /// A learned photo that was exported once more counted as one that the model had never seen.
    #[test]
    fn a_picture_that_was_learned_under_another_hash_is_known_by_heart() {
        let folder = tempfile::tempdir().unwrap();
        let mut rows = photos(folder.path(), &[1, 1, 2, 2]);
        let learned = [&rows[0], &rows[2]].map(|row| in_short(&row.hash));
        let learned = learned.iter().map(String::as_str).collect();
        rows[2].out_of_fold = Some(prediction(0.6));
        for row in &mut rows {
            row.is_audited = true;
        }
        let pictures = Pictures::of_blocking(folder.path(), &rows);
        let found = Samples::of(&rows, &learned, &pictures);
        assert_eq!(
            tops(&found.audited),
            [0.6, 0.6],
            "what the fold said of the picture"
        );
        assert_eq!(found.left_out, 2, "nobody who had not seen the first was asked");
        for row in &mut rows {
            row.is_audited = false;
        }
        let found = Samples::of(&rows, &learned, &pictures);
        assert_eq!((tops(&found.chosen), found.left_out), (vec![0.6], 3));
    }
}
