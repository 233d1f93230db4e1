//! A model's answer.
//!
//! In: numbers from a model or a person. Out: probabilities. Never: a value that is not finite or lies outside 0..=1.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use super::{LABEL_COUNT, Label, ParseError};

/// How sure the model is: finite, 0 to 1 inclusive.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Confidence(f32);

impl Confidence {
    /// One half.
    pub const HALF: Confidence = Confidence(0.5);

    /// Refuses what is not finite or lies outside 0..=1.
    pub fn new(value: f32) -> Result<Self, ParseError> {
        if (0.0..=1.0).contains(&value) {
            Ok(Self(value))
        } else {
            Err(ParseError::new(value.to_string(), "a confidence from 0 to 1"))
        }
    }

    /// The number, 0..=1.
    pub fn get(self) -> f32 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Confidence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(f32::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl FromStr for Confidence {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        text.parse::<f32>()
            .ok()
            .and_then(|value| Self::new(value).ok())
            .ok_or_else(|| ParseError::new(text, "a confidence from 0 to 1"))
    }
}

/// A model's full answer for one picture: ten probabilities in label order, each 0..=1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Scores([f32; LABEL_COUNT]);

impl Scores {
    /// Refuses an answer that holds a value outside 0..=1 or none at all (NaN); the sum is the model's affair.
    pub fn new(values: [f32; LABEL_COUNT]) -> Result<Self, ParseError> {
        for value in values {
            Confidence::new(value)?;
        }
        Ok(Self(values))
    }

    /// The ten probabilities, in label order.
    pub fn values(&self) -> &[f32; LABEL_COUNT] {
        &self.0
    }

    /// The likeliest label and its confidence; the first one where several are equal.
    pub fn top(&self) -> (Label, Confidence) {
        let mut best = 0;
        for index in 1..LABEL_COUNT {
            if self.0[index] > self.0[best] {
                best = index;
            }
        }
        let label = Label::from_index(best).expect("there are as many scores as labels; this is a bug");
        (label, Confidence(self.0[best]))
    }
}

/// What a model says of one picture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Prediction {
    /// The ten probabilities, as the model calibrated them.
    pub scores: Scores,
    /// The model's own estimate that the picture shows none of the ten classes; `None` where it makes none.
    pub unknown: Option<Confidence>,
}

impl Prediction {
    /// The likeliest label, with what is known of it.
    pub fn top(&self) -> Top {
        let (label, confidence) = self.scores.top();
        Top {
            label,
            confidence,
            unknown: self.unknown,
        }
    }

    /// How likely the top label is right, 0..=1.
    pub fn trust(&self) -> f64 {
        self.top().trust()
    }

    /// By how much it looks like one of the classes, 0..=1: what tells known pictures from unknown ones. The top
    /// confidence where the model has no estimate of its own.
    pub fn knownness(&self) -> f32 {
        match self.unknown {
            Some(unknown) => 1.0 - unknown.get(),
            None => self.scores.top().1.get(),
        }
    }
}

/// The part of a model's answer that decides what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Top {
    /// The likeliest label.
    pub label: Label,
    /// Its probability.
    pub confidence: Confidence,
    /// As in [`Prediction`].
    pub unknown: Option<Confidence>,
}

impl Top {
    /// How likely the label is right, 0..=1: that the picture shows one of the classes at all, and then this one.
    pub fn trust(&self) -> f64 {
        let confidence = f64::from(self.confidence.get());
        match self.unknown {
            Some(unknown) => confidence * (1.0 - f64::from(unknown.get())),
            None => confidence,
        }
    }
}

impl From<Scores> for Prediction {
    /// Of a model without an estimate for `unknown`.
    fn from(scores: Scores) -> Self {
        Self {
            scores,
            unknown: None,
        }
    }
}
