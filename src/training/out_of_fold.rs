//! What a network says of a photo that it has not seen, on behalf of one that has learned it.
//!
//! In: content hash and prediction. Out: the same as a run's files keep it, and read back with care. Never: training.

use serde::{Deserialize, Serialize};

use crate::domain::{Confidence, ContentHash, LABEL_COUNT, ParseError, Prediction, Scores};

/// The answer of a network that was made without the photo, as evidence of what the model is worth on such photos.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutOfFold {
    /// The photo.
    pub content_hash: String,
    /// The answer: ten probabilities, in label order.
    pub scores: Vec<f32>,
    /// The probability that it shows none of them, from a network that knows.
    pub unknown: Option<f32>,
}

impl OutOfFold {
    /// As a file keeps it.
    pub fn new(hash: &ContentHash, prediction: &Prediction) -> Self {
        Self {
            content_hash: hash.to_string(),
            scores: prediction.scores.values().to_vec(),
            unknown: prediction.unknown.map(Confidence::get),
        }
    }

    /// As values that cannot be wrong.
    pub fn parse(&self) -> Result<(ContentHash, Prediction), ParseError> {
        let scores: [f32; LABEL_COUNT] = self.scores.as_slice().try_into().map_err(|_| ParseError {
            value: format!("{} probabilities", self.scores.len()),
            expected: format!("an answer, which has {LABEL_COUNT}"),
        })?;
        let prediction = Prediction {
            scores: Scores::new(scores)?,
            unknown: self.unknown.map(Confidence::new).transpose()?,
        };
        Ok((self.content_hash.parse()?, prediction))
    }
}
