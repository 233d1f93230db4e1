//! Exported models asked: pictures of the data set, photos, and whether the exported file says what the trainer says.
//!
//! In: somebody who can be asked, and pictures. Out: answers, figures, differences. Never: training, files.

use super::calibrate;
use super::dataset::Images;
use super::evaluate::{Evaluation, Judged};
use super::lessons::Photos;
use super::network::Network;
use super::tune::RawAnswer;
use crate::domain::{Confidence, INPUT_LEN, LABEL_COUNT, Label, ParseError, Prediction, Scores};
use crate::model::{Classifier, ClassifyError};
use crate::preprocess::{self, InputTensor};

/// Pictures scored at once: the classifier cuts them into runs of its own.
const SCORED_AT_ONCE: usize = 256;
/// Pictures on which trainer and exported file are compared: each way through the layers is taken many times over.
const COMPARED_PICTURES: usize = 1_000;

/// Scores a model on labelled pictures of the data set.
pub fn evaluate_images(
    classifier: &mut dyn Classifier,
    images: &Images,
) -> Result<Evaluation, ClassifyError> {
    let answers = score_images(classifier, images)?;
    let judged = images
        .labels
        .iter()
        .zip(answers)
        .map(|(label, prediction)| Judged {
            truth: Some(*label),
            prediction,
        });
    Ok(Evaluation::of(&judged.collect::<Vec<_>>()))
}

/// The model's answers for pictures of the data set, in their order.
pub fn score_images(
    classifier: &mut dyn Classifier,
    images: &Images,
) -> Result<Vec<Prediction>, ClassifyError> {
    score_pixels(classifier, &images.pixels)
}

fn score_pixels(classifier: &mut dyn Classifier, pixels: &[u8]) -> Result<Vec<Prediction>, ClassifyError> {
    let mut answers = Vec::with_capacity(pixels.len() / INPUT_LEN);
    for pixels in pixels.chunks(SCORED_AT_ONCE * INPUT_LEN) {
        let (pictures, _) = pixels.as_chunks::<INPUT_LEN>();
        let inputs: Vec<InputTensor> = pictures.iter().map(preprocess::from_idx).collect();
        answers.extend(classifier.classify(&inputs.iter().collect::<Vec<_>>())?);
    }
    Ok(answers)
}

/// The model's answers for photos, in their order.
pub fn score_photos(
    classifier: &mut dyn Classifier,
    photos: &Photos,
) -> Result<Vec<Prediction>, ClassifyError> {
    score_pixels(classifier, &photos.pixels)
}

/// Largest difference of a probability between the trainer's network and the exported file, over the first pictures.
pub(super) fn parity_difference(
    network: &Network,
    temperature: f64,
    classifier: &mut dyn Classifier,
    images: &Images,
) -> Result<f64, ClassifyError> {
    let (pictures, _) = images.pixels.as_chunks::<INPUT_LEN>();
    let some = &pictures[..pictures.len().min(COMPARED_PICTURES)];
    let inputs: Vec<InputTensor> = some.iter().map(preprocess::from_idx).collect();
    let exported = classifier.classify(&inputs.iter().collect::<Vec<_>>())?;
    let values: Vec<f32> = inputs.iter().flat_map(|input| *input.values()).collect();
    let own = network.probabilities(&values);
    let differences = own.iter().zip(&exported).flat_map(|(own, exported)| {
        let (own, unknown) = own;
        let mut differences: Vec<f64> = temper(own, temperature)
            .iter()
            .zip(exported.scores.values())
            .map(|(own, exported)| f64::from((own - exported).abs()))
            .collect();
        if let (Some(own), Some(exported)) = (unknown, exported.unknown) {
            differences.push(f64::from((own - exported.get()).abs()));
        }
        differences
    });
    // `max` would pass over what is no number.
    Ok(differences.fold(0.0, |greatest: f64, difference| {
        if difference.is_nan() {
            difference
        } else {
            greatest.max(difference)
        }
    }))
}

/// What softmax saw, but for a summand that it does not see.
pub(super) fn log_scores(answers: &[Prediction]) -> Vec<[f32; LABEL_COUNT]> {
    let log = |score: &f32| score.max(f32::MIN_POSITIVE).ln();
    answers
        .iter()
        .map(|answer| answer.scores.values().each_ref().map(log))
        .collect()
}

/// Answers of the trainer as the exported graph would give them.
pub(super) fn tempered(answers: &[RawAnswer], temperature: f64) -> Result<Vec<Prediction>, ParseError> {
    let answer = |(scores, unknown): &RawAnswer| {
        Ok(Prediction {
            scores: Scores::new(temper(scores, temperature))?,
            unknown: unknown.map(Confidence::new).transpose()?,
        })
    };
    answers.iter().map(answer).collect()
}

/// Probabilities as they are when the sums before softmax are divided by `temperature`.
pub(super) fn temper(scores: &[f32; LABEL_COUNT], temperature: f64) -> [f32; LABEL_COUNT] {
    let logs = scores.map(|score| f64::from(score.max(f32::MIN_POSITIVE)).ln() / temperature);
    let greatest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights = logs.map(|log| (log - greatest).exp());
    let total: f64 = weights.iter().sum();
    weights.map(|weight| (weight / total) as f32)
}

pub(super) fn calibration_error(answers: &[Prediction], labels: &[Label]) -> Option<f64> {
    let tops: Vec<(Label, Confidence)> = answers.iter().map(|answer| answer.scores.top()).collect();
    let confidences: Vec<f32> = tops.iter().map(|(_, confidence)| confidence.get()).collect();
    let correct: Vec<bool> = tops
        .iter()
        .zip(labels)
        .map(|((top, _), label)| top == label)
        .collect();
    calibrate::expected_calibration_error(&confidences, &correct)
}
