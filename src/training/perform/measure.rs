//! Candidate and model in service asked the same pictures.
//!
//! In: bundles, test pictures, corrections. Out: answers and costs for the gate. Never: a verdict; an answer for a photo
//! from a network that has learned it.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::BoxedError;
use crate::domain::{ContentHash, Label, Prediction, Truth};
use crate::model::ModelBundle;
use crate::training::corrections::{Correction, Material, kept_of_blocking, prepare_blocking};
use crate::training::dataset::{DataSet, Images};
use crate::training::evaluate::Judged;
use crate::training::gate::{Answer, Cost, Measured};
use crate::training::manifest::{in_short, learned_by};
use crate::training::network::Architecture;
use crate::training::rebuild::OpenBundle;
use crate::training::scoring::{score_images, score_photos};
use crate::training::summary;

/// Asks models the same pictures.
pub(super) struct Measuring<'a> {
    pub data: &'a DataSet,
    /// All corrections.
    pub photos: &'a Material,
    /// Where the copies of photos are kept, also of those whose corrections were undone.
    pub corrections_dir: &'a Path,
    /// Content hashes of those that were drawn at random.
    pub audited: &'a HashSet<ContentHash>,
    pub open: OpenBundle<'a>,
}

/// What networks said of corrections that they had not seen, on behalf of a model that has learned them.
pub(super) type OutOfFoldAnswers = HashMap<ContentHash, Prediction>;

/// A model's answers and its cost.
pub(super) struct ModelAnswers {
    pub test: Vec<Prediction>,
    /// For each correction, an answer that was given without having seen it; `None` where there is none.
    pub photos: Vec<Option<Prediction>>,
    cost: Cost,
}

impl Measuring<'_> {
    /// Asks a model. For corrections that it has learned, the answers out of fold stand in.
    pub fn ask(
        &self,
        bundle: &ModelBundle,
        out_of_fold: &OutOfFoldAnswers,
    ) -> Result<ModelAnswers, BoxedError> {
        let mut classifier = (self.open)(bundle)?;
        let test = score_images(classifier.as_mut(), &self.data.test)?;
        let asked = score_photos(classifier.as_mut(), &self.photos.photos)?;
        let learned = learned_by(bundle);
        let mut undone = kept_of_blocking(self.corrections_dir, &learned);
        undone.retain(|hash| !self.photos.hashes.contains(hash));
        // What they show plays no part.
        let truth = Truth::Unknown;
        let undone: Vec<_> = undone
            .into_iter()
            .map(|hash| Correction { hash, truth })
            .collect();
        let pictures = self
            .photos
            .followed_by(prepare_blocking(self.corrections_dir, &undone));
        let known = pictures.known(|hash| learned.contains(in_short(hash).as_str()));
        let photos = self.photos.hashes.iter().zip(asked).zip(known);
        let photos = photos.map(|((hash, asked), is_known)| match is_known {
            true => out_of_fold.get(hash).copied(),
            false => Some(asked),
        });
        Ok(ModelAnswers {
            test,
            photos: photos.collect(),
            cost: Cost {
                multiply_adds: multiply_adds(bundle),
                file_bytes: bundle.onnx().len() as u64,
            },
        })
    }

    /// Both models on the test set, and on the photos that both have answered: each picture once, but for the random draw, which
    /// is one of photos.
    pub fn compare(&self, candidate: &ModelAnswers, in_service: &ModelAnswers) -> [Measured; 2] {
        let answered =
            |number: &usize| candidate.photos[*number].is_some() && in_service.photos[*number].is_some();
        let numbers: Vec<usize> = (0..self.photos.hashes.len()).filter(answered).collect();
        let is_audited = |number: &usize| self.audited.contains(&self.photos.hashes[*number]);
        let audited: Vec<usize> = numbers.iter().copied().filter(is_audited).collect();
        let (places, mut seen) = (self.photos.photos.places(), HashSet::new());
        let mut pictures = numbers;
        pictures.retain(|&number| seen.insert(places[number]));
        [candidate, in_service].map(|model| {
            let answers_for = |numbers: &[usize]| {
                let answers = numbers.iter().filter_map(|&number| {
                    let truth = self.photos.photos.truths[number].label()?;
                    Some(answer(truth, &model.photos[number]?))
                });
                answers.collect()
            };
            Measured {
                test: answers(&self.data.test, &model.test),
                photos: answers_for(&pictures),
                audited: answers_for(&audited),
                cost: model.cost,
            }
        })
    }

    /// What was said of each photo on a model's behalf by a network that had not seen it: by a fold, or by itself.
    pub fn unseeing<'a>(
        &'a self,
        model: &'a ModelAnswers,
    ) -> impl Iterator<Item = (ContentHash, Prediction)> + 'a {
        let pairs = self.photos.hashes.iter().zip(&model.photos);
        pairs.filter_map(|(hash, prediction)| Some((*hash, (*prediction)?)))
    }

    /// The photos that a model has answered.
    pub fn judged(&self, model: &ModelAnswers) -> Vec<Judged> {
        let truths = self.photos.photos.truths.iter();
        let pairs = truths.zip(&model.photos).filter_map(|(truth, prediction)| {
            Some(Judged {
                truth: truth.label(),
                prediction: (*prediction)?,
            })
        });
        pairs.collect()
    }
}

/// Multiplications with additions of one picture through a bundle's network, which its number of parameters tells; of sizes
/// that this hangtag does not train, those of the network that ships.
fn multiply_adds(bundle: &ModelBundle) -> u64 {
    let networks = [
        Architecture::RESIDUAL,
        Architecture::CATALOGUE,
        Architecture::REFERENCE,
    ];
    let own = |network: &Architecture| network.parameter_count() as u64 == bundle.manifest().parameters;
    summary::multiply_adds(&networks.into_iter().find(own).unwrap_or(Architecture::RESIDUAL))
}

fn answers(images: &Images, predictions: &[Prediction]) -> Vec<Answer> {
    let pairs = images.labels.iter().zip(predictions);
    pairs
        .map(|(&truth, prediction)| answer(truth, prediction))
        .collect()
}

fn answer(truth: Label, prediction: &Prediction) -> Answer {
    Answer {
        truth,
        given: prediction.scores.top().0,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::{DecodedImage, ImageFormat, LABEL_COUNT, Scores};
    use crate::preprocess;
    use crate::tagging::testing::Fake;
    use crate::training::corrections::keep_blocking;
    use crate::training::sketch::Sketch;
    use crate::training::synthetic;

    fn says(label: usize) -> Prediction {
        let mut scores = [0.0; LABEL_COUNT];
        scores[label] = 1.0;
        Scores::new(scores).unwrap().into()
    }

    /// Three photos of the first class.
    fn material() -> Material {
        let mut material = Material::default();
        for grey in [10, 20, 30] {
            let truth = Truth::Label(Label::from_index(0).unwrap());
            let hash = ContentHash::of(&[grey]);
            let picture = preprocess::from_idx(&[grey; crate::domain::INPUT_LEN]);
            material.push(
                Correction { hash, truth },
                &picture,
                Sketch::numbered(grey.into()),
            );
        }
        material
    }

    /// The model that ships, which says that it has learned these.
    fn bundle(learned: &[ContentHash]) -> ModelBundle {
        let shipped = ModelBundle::embedded();
        let mut manifest = shipped.manifest().clone();
        let learned: Vec<String> = learned.iter().map(in_short).collect();
        manifest.training = json!({ "learned_corrections": learned });
        ModelBundle::from_bytes(shipped.onnx().to_vec(), manifest).unwrap()
    }

    /// A photo whose file was changed and whose picture was not has another hash, and is known by heart all the same.
    #[test]
    fn a_photo_that_was_learned_under_another_hash_is_known() {
        let data = DataSet {
            train: Images::default(),
            test: synthetic::images(10, 2),
            files: Vec::new(),
        };
        let mut material = material();
        let picture = preprocess::from_idx(&[20; crate::domain::INPUT_LEN]);
        for again in [b"a", b"b"] {
            let (hash, truth) = (ContentHash::of(again), material.photos.truths[1]);
            material.push(Correction { hash, truth }, &picture, Sketch::numbered(20));
        }
        let hashes = &material.hashes;
        let measuring = Measuring {
            data: &data,
            photos: &material,
            corrections_dir: Path::new("no/copies"),
            audited: &HashSet::new(),
            open: &|_| Ok(Box::new(Fake::new("a", 0))),
        };
        let folds = OutOfFoldAnswers::from([(hashes[1], says(1)), (hashes[3], says(3))]);
        let asked = measuring.ask(&bundle(&hashes[1..2]), &folds).unwrap();
        let own = Some(says(0));
        assert_eq!(asked.photos, [own, Some(says(1)), own, Some(says(3)), None]);
        // It counted as often as there were hashes.
        let [measured, _] = measuring.compare(&asked, &asked);
        let given = measured.photos.iter().map(|answer| answer.given.index());
        assert_eq!(given.collect::<Vec<_>>(), [0, 1, 0]);
    }

    /// Once the correction was undone, nobody knew any more that the picture had been learned.
    #[test]
    fn a_learned_picture_whose_correction_was_undone_is_known_under_another_hash() {
        let folder = tempfile::tempdir().unwrap();
        let (undone, again, other) = (
            ContentHash::of(b"0"),
            ContentHash::of(b"1"),
            ContentHash::of(b"2"),
        );
        for (hash, half) in [(undone, 14), (again, 14), (other, 6)] {
            let is_garment = |at: usize| (at % 48).abs_diff(24) < half && (6..42).contains(&(at / 48));
            let luma = (0..48 * 48).map(|at| if is_garment(at) { 40 } else { 255 });
            let copy = DecodedImage {
                luma: luma.collect(),
                width: 48,
                height: 48,
                format: ImageFormat::Jpeg,
                photo_size: (48, 48),
            };
            keep_blocking(folder.path(), &hash, &copy).unwrap();
        }
        let truth = Truth::Label(Label::from_index(0).unwrap());
        let standing = [again, other].map(|hash| Correction { hash, truth });
        let material = prepare_blocking(folder.path(), &standing);
        let data = DataSet {
            train: Images::default(),
            test: synthetic::images(10, 2),
            files: Vec::new(),
        };
        let measuring = Measuring {
            data: &data,
            photos: &material,
            corrections_dir: folder.path(),
            audited: &HashSet::new(),
            open: &|_| Ok(Box::new(Fake::new("a", 0))),
        };
        let asked = measuring
            .ask(&bundle(&[undone]), &OutOfFoldAnswers::new())
            .unwrap();
        let own: HashMap<_, _> = measuring.unseeing(&asked).collect();
        assert_eq!(own, HashMap::from([(other, says(0))]));
    }

    /// What a model says of a photo that it knows by heart counted for it.
    #[test]
    fn no_model_is_judged_by_its_own_answer_for_a_photo_that_it_has_learned() {
        let data = DataSet {
            train: synthetic::images(10, 1),
            test: synthetic::images(10, 2),
            files: Vec::new(),
        };
        let material = material();
        let hashes = &material.hashes;
        let audited = HashSet::from([hashes[1], ContentHash::of(b"undone since")]);
        let measuring = Measuring {
            data: &data,
            photos: &material,
            corrections_dir: Path::new("no/copies"),
            audited: &audited,
            open: &|_| Ok(Box::new(Fake::new("a", 0))),
        };
        // The first was learned by both; the second by the candidate alone; the third by the one in service, of which
        // nobody has asked a fold.
        let folds = |said: &[(ContentHash, Prediction)]| said.iter().copied().collect();
        let candidate = measuring
            .ask(
                &bundle(&hashes[..2]),
                &folds(&[(hashes[0], says(1)), (hashes[1], says(2))]),
            )
            .unwrap();
        let in_service = measuring
            .ask(&bundle(&[hashes[0], hashes[2]]), &folds(&[(hashes[0], says(3))]))
            .unwrap();
        assert_eq!(candidate.photos, [Some(says(1)), Some(says(2)), Some(says(0))]);
        assert_eq!(in_service.photos, [Some(says(3)), Some(says(0)), None]);
        assert_eq!(measuring.judged(&candidate).len(), 3);
        let unseeing: Vec<_> = measuring.unseeing(&in_service).collect();
        assert_eq!(unseeing, [(hashes[0], says(3)), (hashes[1], says(0))]);

        let [new, old] = measuring.compare(&candidate, &in_service);
        let given = |measured: &Measured| -> Vec<usize> {
            let answers = measured.photos.iter();
            answers.map(|answer| answer.given.index()).collect()
        };
        assert_eq!((given(&new), given(&old)), (vec![1, 2], vec![3, 0]));
        assert_eq!(
            (new.audited, old.audited),
            (new.photos[1..].to_vec(), old.photos[1..].to_vec())
        );
        assert_eq!((new.test.len(), old.test.len()), (10, 10));
    }
}
