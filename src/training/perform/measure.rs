//! Candidate and model in service asked the same pictures.
//!
//! In: bundles, held-out pictures, corrections. Out: answers and costs for the gate. Never: a verdict.

use super::BoxedError;
use crate::domain::{ArchitectureName, Prediction};
use crate::model::ModelBundle;
use crate::training::corrections::Material;
use crate::training::dataset::{DataSet, Images};
use crate::training::gate::{Answer, Cost, Measured};
use crate::training::manifest::{in_short, learned};
use crate::training::network::Architecture;
use crate::training::rebuild::OpenBundle;
use crate::training::scoring::score_images;
use crate::training::summary;

/// Asks models the held-out pictures.
pub(super) struct Measuring<'a> {
    pub data: &'a DataSet,
    pub held_out: &'a Images,
    pub open: OpenBundle<'a>,
}

impl Measuring<'_> {
    /// Answers and cost, and the scores of the held-out photos.
    pub fn measure(&self, bundle: &ModelBundle) -> Result<(Measured, MeasuredScores), BoxedError> {
        let mut classifier = (self.open)(bundle)?;
        let mut scores = |images: &Images| score_images(classifier.as_mut(), images);
        let (test, photos) = (scores(&self.data.test)?, scores(self.held_out)?);
        let measured = Measured {
            test: answers(&self.data.test, &test),
            photos: answers(self.held_out, &photos),
            cost: Cost {
                multiply_adds: multiply_adds(bundle),
                file_bytes: bundle.onnx().len() as u64,
            },
        };
        Ok((measured, MeasuredScores { test, photos }))
    }

    /// Answers for other pictures.
    pub fn ask(&self, bundle: &ModelBundle, images: &Images) -> Result<Vec<Answer>, BoxedError> {
        let mut classifier = (self.open)(bundle)?;
        Ok(answers(images, &score_images(classifier.as_mut(), images)?))
    }
}

/// Corrections that the candidate learned and the model in service did not, with the answers of networks that had not
/// learned them either: as good as held out, and many more.
pub(super) struct Unseen {
    /// Those that show one of the classes.
    pub photos: Images,
    /// The answers for them.
    pub out_of_fold: Vec<Answer>,
}

impl Unseen {
    /// Told by what the manifest of the model in service lists.
    pub fn by(in_service: &ModelBundle, material: &Material, out_of_fold: &[Prediction]) -> Self {
        let learned = learned(in_service.manifest());
        let numbers: Vec<usize> = (0..out_of_fold.len())
            .filter(|&number| !learned.contains(in_short(&material.train_hashes[number]).as_str()))
            .collect();
        let photos = material.train.only(|number| numbers.contains(&number));
        let answers = photos.truths.iter().zip(&numbers).filter_map(|(truth, &number)| {
            Some(Answer {
                truth: truth.label()?,
                given: out_of_fold[number].scores.top().0,
            })
        });
        Self {
            out_of_fold: answers.collect(),
            photos: photos.labelled(),
        }
    }
}

/// The answers in full.
pub(super) struct MeasuredScores {
    pub test: Vec<Prediction>,
    pub photos: Vec<Prediction>,
}

/// Multiplications with additions of one picture through a bundle's network.
fn multiply_adds(bundle: &ModelBundle) -> u64 {
    let residual = ArchitectureName::Residual.to_string();
    summary::multiply_adds(&match bundle.manifest().architecture == residual {
        true => Architecture::RESIDUAL,
        false => Architecture::REFERENCE,
    })
}

fn answers(images: &Images, predictions: &[Prediction]) -> Vec<Answer> {
    let pairs = images.labels.iter().zip(predictions);
    pairs
        .map(|(&truth, prediction)| Answer {
            truth,
            given: prediction.scores.top().0,
        })
        .collect()
}
