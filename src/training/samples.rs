//! Which photos of known truth may judge a model, and by which of its answers.
//!
//! In: corrected and audited photos with what a model said of them, and the copies that are kept of them. Out: samples with
//! answers that the model gave without having seen the truth. Never: the store, a fit.
//!
//! A model that was trained on a correction knows it by heart: its answer there tells nothing about other photos. For
//! those the answer of a fold that had not seen it stands in; where there is none, the photo is left out. It knows the
//! picture, under whatever content hash: a file at another size or quality is not another one to it. So, too, one picture
//! that people chose under many hashes proves as much as one. Of a random draw each photo counts: the draw is of photos.
//!
//! A reference network learns four in five photos of the classes and none of the others: with all of those that were there, a
//! random draw would be one of mostly watches. Of both kinds the fifth counts that it holds out.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;

use serde_json::Value;

use super::corrections::{Correction, kept_of_blocking, prepare_blocking};
use super::evaluate::Judged;
use super::manifest::{in_short, learned_in};
use super::thresholds::{LEVEL, least_samples};
use crate::domain::{ArchitectureName, Basis, ContentHash, Prediction, Truth, held_out};
use crate::store::SampleRow;

/// So many audited photos are preferred to any number of corrections, where they can prove what is aimed at.
const ENOUGH_AUDITED: u64 = 200;

/// From so many audited photos on, they decide alone: with fewer than could prove that accepted tags are right so often, 0..=1, nothing
/// would ever be accepted.
pub fn enough_audited(target_precision: f64) -> u64 {
    ENOUGH_AUDITED.max(least_samples(target_precision, LEVEL))
}

/// So many are to be drawn for that: some will be gone.
pub fn worth_drawing(target_precision: f64) -> u64 {
    let enough = enough_audited(target_precision);
    enough.saturating_add(enough / 10)
}

/// Photos that may judge a model.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Samples {
    /// Those that were drawn at random.
    pub audited: Vec<Judged>,
    /// Those that people chose, each picture once, and none that was drawn.
    pub chosen: Vec<Judged>,
    /// Photos of known truth that do not count: without an answer that the model gave unseeing, chosen and the same picture as
    /// one that counts, or such as would make a draw one of mostly those that show none of the classes.
    pub left_out: u64,
    /// Those of them that were drawn and that the model was not asked about, or not yet.
    pub unasked: u64,
}

/// Which photos are one picture.
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
    /// By the copies of corrected photos in `folder`; along with those that the model with this manifest has learned, whose
    /// corrections may have been undone since.
    pub fn of_blocking(folder: &Path, rows: &[SampleRow], manifest: &Value) -> Pictures {
        let mut hashes: BTreeSet<ContentHash> = rows.iter().map(|row| row.hash).collect();
        hashes.extend(kept_of_blocking(folder, &learned_in(&manifest["training"])));
        // What they show plays no part.
        let truth = Truth::Unknown;
        let corrections = hashes.into_iter().map(|hash| Correction { hash, truth });
        let material = prepare_blocking(folder, &corrections.collect::<Vec<_>>());
        let places = material.photos.places();
        Pictures(material.hashes.into_iter().zip(places).collect())
    }

    fn of(&self, hash: &ContentHash) -> Picture {
        let place = self.0.get(hash);
        place.map_or(Picture::Unread(*hash), |&place| Picture::Read(place))
    }
}

impl Samples {
    /// Takes what can be used by a model with this manifest.
    pub fn of(rows: &[SampleRow], manifest: &Value, pictures: &Pictures) -> Samples {
        let learned = learned_in(&manifest["training"]);
        let holds_out = !learned.is_empty()
            && manifest["architecture"] == ArchitectureName::Reference.to_string().as_str();
        let is_one_of_too_many = |row: &SampleRow| {
            holds_out && row.was_there && row.truth.label().is_none() && !held_out(&row.hash)
        };
        let was_learned = |hash: &&ContentHash| learned.contains(in_short(hash).as_str());
        let seen: HashSet<Picture> = rows
            .iter()
            .map(|row| &row.hash)
            .chain(pictures.0.keys())
            .filter(was_learned)
            .map(|hash| pictures.of(hash))
            .collect();
        let by_folds: HashMap<Picture, Prediction> = rows
            .iter()
            .filter_map(|row| Some((pictures.of(&row.hash), row.out_of_fold?)))
            .collect();
        let unseeing = |row: &SampleRow, picture: Picture| match seen.contains(&picture) {
            true => row.out_of_fold.or(by_folds.get(&picture).copied()),
            false => row.out_of_fold.or(row.recorded),
        };
        let (mut samples, mut counted) = (Samples::default(), HashSet::new());
        let (audited, chosen): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.is_audited);
        for row in audited.into_iter().chain(chosen) {
            let picture = pictures.of(&row.hash);
            let may_count = match row.is_audited {
                true => !is_one_of_too_many(row),
                false => !counted.contains(&picture),
            };
            let answer = unseeing(row, picture);
            let Some(prediction) = answer.filter(|_| may_count) else {
                samples.left_out += 1;
                let is_unasked = answer.is_none() && !seen.contains(&picture);
                samples.unasked += u64::from(row.is_audited && may_count && is_unasked);
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

    /// The random ones alone where there are enough of them for this target, else all: more of them, but biased.
    pub fn best(&self, target_precision: f64) -> (Basis, Vec<Judged>) {
        if self.audited.len() as u64 >= enough_audited(target_precision) {
            return (Basis::Audit, self.audited.clone());
        }
        let all = self.audited.iter().chain(&self.chosen);
        (Basis::Corrections, all.copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::{DecodedImage, ImageFormat, LABEL_COUNT, Scores, Timestamp};
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
            was_there: false,
            is_audited: false,
            recorded: recorded.map(prediction),
            out_of_fold: out_of_fold.map(prediction),
        }
    }

    fn manifest(learned: &[String]) -> Value {
        json!({ "architecture": "reference", "training": { "learned_corrections": learned } })
    }

    #[test]
    fn no_photo_is_judged_by_an_answer_that_knew_its_truth() {
        let learned = manifest(&[in_short(&ContentHash::of(b"photo"))]);
        let others = manifest(&["0123456789abcdef".to_owned()]);
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

    /// Four in five photos of the classes were missing, since they had been learned, and none of the others.
    #[test]
    fn of_a_draw_that_a_reference_network_has_learned_the_held_out_fifth_counts() {
        let sample = |number: usize, truth: Truth, was_there| SampleRow {
            hash: ContentHash::of(&number.to_le_bytes()),
            truth,
            was_there,
            is_audited: true,
            ..row(Some(0.9), None)
        };
        let dress: Truth = "dress".parse().unwrap();
        let truth = |number: usize| {
            if number.is_multiple_of(2) {
                dress
            } else {
                Truth::Unknown
            }
        };
        let rows: Vec<_> = (0..600)
            .map(|number| sample(number, truth(number), number < 500))
            .collect();
        let was_learned = |row: &&SampleRow| row.was_there && row.truth == dress && !held_out(&row.hash);
        let learned: Vec<_> = rows
            .iter()
            .filter(was_learned)
            .map(|row| in_short(&row.hash))
            .collect();
        let found = Samples::of(&rows, &manifest(&learned), &Pictures::default());
        let expected: Vec<_> = rows
            .iter()
            .filter(|row| !row.was_there || held_out(&row.hash))
            .map(|row| row.truth.label())
            .collect();
        assert!((160..240).contains(&expected.len()), "{}", expected.len());
        let counted: Vec<_> = found.audited.iter().map(|one| one.truth).collect();
        assert_eq!(counted, expected);
        assert_eq!(
            (found.left_out, found.unasked),
            ((600 - expected.len()) as u64, 0)
        );

        // A residual network has an answer for each, and one that has learned nothing has missed nothing.
        let residual = json!({ "architecture": "residual", "training": { "learned_corrections": learned } });
        for (manifest, missing) in [(&residual, learned.len()), (&manifest(&[]), 0)] {
            let found = Samples::of(&rows, manifest, &Pictures::default());
            assert_eq!(found.audited.len(), 600 - missing);
        }
    }

    /// While the inventory follows a new model, nobody was told that those of an audit that count came first.
    #[test]
    fn drawn_photos_that_were_not_asked_about_are_told_apart() {
        let rows = [(None, true), (None, false), (Some(0.9), true)];
        let rows: Vec<_> = rows
            .into_iter()
            .enumerate()
            .map(|(number, (recorded, is_audited))| SampleRow {
                hash: ContentHash::of(&number.to_le_bytes()),
                is_audited,
                ..row(recorded, None)
            })
            .collect();
        let found = Samples::of(&rows, &Value::Null, &Pictures::default());
        assert_eq!((found.audited.len(), found.left_out, found.unasked), (1, 2, 1));
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
        for (target, audited, chosen, expected) in [
            (0.95, 200, 500, (Basis::Audit, 200)),
            (0.95, 199, 500, (Basis::Corrections, 699)),
            (0.95, 0, 3, (Basis::Corrections, 3)),
            // Two hundred could prove nothing, and kept those out that could.
            (0.99, 229, 500, (Basis::Corrections, 729)),
            (0.99, 230, 500, (Basis::Audit, 230)),
        ] {
            let (basis, samples) =
                Samples::of(&rows(audited, chosen), &Value::Null, &Pictures::default()).best(target);
            assert_eq!((basis, samples.len()), expected);
        }
        assert_eq!([0.95, 0.99].map(worth_drawing), [220, 253]);
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
        let none = Value::Null;
        let count = |rows: &[SampleRow]| {
            let found = Samples::of(rows, &none, &Pictures::of_blocking(folder.path(), rows, &none));
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
        let learned = manifest(&[&rows[0], &rows[2]].map(|row| in_short(&row.hash)));
        rows[2].out_of_fold = Some(prediction(0.6));
        for row in &mut rows {
            row.is_audited = true;
        }
        let pictures = Pictures::of_blocking(folder.path(), &rows, &learned);
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

    /// Once the correction was undone, nobody knew any more that the picture had been learned.
    #[test]
    fn a_learned_picture_whose_correction_was_undone_is_known_by_heart_under_another_hash() {
        let folder = tempfile::tempdir().unwrap();
        let mut rows = photos(folder.path(), &[1, 1, 2]);
        let undone = rows.remove(0);
        let learned = manifest(&[in_short(&undone.hash)]);
        let pictures = Pictures::of_blocking(folder.path(), &rows, &learned);
        let found = Samples::of(&rows, &learned, &pictures);
        assert_eq!((tops(&found.chosen), found.left_out), (vec![0.9], 1));
    }
}
