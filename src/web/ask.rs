//! What would this picture be? Answered, and forgotten.
//!
//! In: the bytes of an uploaded picture. Out: what the model in service says of it. Never: a file, a row, or a moment of
//! those who tag: a copy of the model of its own answers, opened by the first question.

use std::sync::Arc;

use serde::Serialize;

use super::Hands;
use super::failure::Failure;
use crate::decode::{DecodeLimits, decode};
use crate::domain::{
    Confidence, ContentHash, Decision, Device, Label, ModelId, PreprocessingVersion, Scores, Thresholds,
};
use crate::model::Classifier;
use crate::preprocess::Preprocessor;

/// What the asking thread works with.
pub struct Asker {
    hands: Arc<Hands>,
    limits: DecodeLimits,
    preprocessor: Preprocessor,
    classifier: Option<Box<dyn Classifier>>,
}

/// The answer for one picture.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    content_hash: ContentHash,
    label: Label,
    confidence: Confidence,
    #[serde(serialize_with = "label_map")]
    scores: Scores,
    unknown: Option<Confidence>,
    /// What the thresholds in force make of that.
    decision: Decision,
    model: ModelId,
    device: Device,
    preprocessing: PreprocessingVersion,
    format: &'static str,
    width: u32,
    height: u32,
}

impl Asker {
    /// Without a model yet.
    pub fn new(hands: Arc<Hands>, limits: DecodeLimits) -> Asker {
        Asker {
            hands,
            limits,
            preprocessor: Preprocessor::new(),
            classifier: None,
        }
    }

    /// What `model` says of a picture, and what `thresholds` make of it.
    pub fn ask_blocking(
        &mut self,
        bytes: &[u8],
        model: &ModelId,
        thresholds: &Thresholds,
    ) -> Result<Answer, Failure> {
        let image = decode(bytes, &self.limits).map_err(|error| Failure::Unprocessable(error.to_string()))?;
        let input = self.preprocessor.prepare(&image);
        if self
            .classifier
            .as_ref()
            .is_none_or(|classifier| classifier.id() != model)
        {
            // The old copy goes first: there is room for one.
            self.classifier = None;
            self.classifier = Some((self.hands.open_model)(model).map_err(Failure::Internal)?);
        }
        let classifier = self.classifier.as_mut();
        let classifier = classifier.ok_or_else(|| Failure::Internal("no model answers".into()))?;
        let answers = classifier
            .classify(&[&input])
            .map_err(|error| Failure::Internal(error.to_string()))?;
        let prediction = *answers
            .first()
            .ok_or_else(|| Failure::Internal("the model gave no answer".into()))?;
        let top = prediction.top();
        Ok(Answer {
            content_hash: ContentHash::of(bytes),
            label: top.label,
            confidence: top.confidence,
            scores: prediction.scores,
            unknown: prediction.unknown,
            decision: Decision::of(model.clone(), &top, thresholds),
            model: classifier.id().clone(),
            device: classifier.device(),
            preprocessing: classifier.preprocessing(),
            format: image.format.name(),
            width: image.photo_size.0,
            height: image.photo_size.1,
        })
    }
}

fn label_map<S: serde::Serializer>(scores: &Scores, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(Label::all().zip(scores.values()))
}
