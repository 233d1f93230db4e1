//! Why a model's answer counts by itself, or does not.
//!
//! In: what a model said of a content, and its thresholds. Out: the numbers that decided, and a sentence. Never: a
//! decision of its own: what is on record was decided by the same rule.

use std::fmt;

use serde::Serialize;

use crate::domain::{Basis, Certainty, Confidence, Label, ModelId, Status, Thresholds, Top, decide_top};
use crate::store::{ContentHistory, Reader, StoreError};

/// What was made of one model's answer, and by which numbers.
#[derive(Debug, PartialEq, Serialize)]
pub struct Decision {
    /// Whose answer.
    pub model: ModelId,
    decided: Certainty,
    label: Label,
    /// How likely the label is right, by the model: confidence times 1 less the unknown score.
    trust: f64,
    /// The least trust with which it is accepted; `None`: never.
    accepted_from: Option<Confidence>,
    unknown: Option<Confidence>,
    unknown_from: Confidence,
    /// Where the thresholds come from.
    basis: Basis,
    caveat: Option<&'static str>,
}

impl Decision {
    fn of(model: ModelId, top: &Top, thresholds: &Thresholds) -> Self {
        Self {
            model,
            decided: decide_top(top, thresholds),
            label: top.label,
            trust: top.trust(),
            accepted_from: thresholds.accept_from(top.label),
            unknown: top.unknown,
            unknown_from: thresholds.unknown,
            basis: thresholds.basis,
            caveat: thresholds.basis.caveat(),
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (label, trust) = (self.label, self.trust);
        match (self.decided, self.accepted_from) {
            (Certainty::Unknown, _) => write!(
                f,
                "unknown: its score for none of the classes, {:.4}, reaches {:.2}",
                self.unknown.map(Confidence::get).unwrap_or_default(),
                self.unknown_from.get()
            )?,
            (Certainty::Accepted, Some(from)) => {
                write!(
                    f,
                    "accepted: trust {trust:.4} reaches {:.2}, the threshold of {label}",
                    from.get()
                )?;
            }
            (_, Some(from)) => {
                write!(
                    f,
                    "for review: trust {trust:.4} is below {:.2}, the threshold of {label}",
                    from.get()
                )?;
            }
            (_, None) => write!(f, "for review: no tag of {label} is accepted, whatever its trust")?,
        }
        write!(f, " (thresholds from {}", self.basis)?;
        if let Some(caveat) = self.caveat {
            write!(f, ": {caveat}")?;
        }
        write!(f, ")")
    }
}

/// Why each tag of a content counts, or does not, in the order of its outcomes.
pub fn decisions(content: Option<&ContentHistory>, reader: &Reader) -> Result<Vec<Decision>, StoreError> {
    let mut decisions = Vec::new();
    for outcome in content
        .map(|content| content.outcomes.as_slice())
        .unwrap_or_default()
    {
        let (Some(model), Some(label), Some(confidence)) =
            (&outcome.model, outcome.label, outcome.confidence)
        else {
            continue;
        };
        let top = Top {
            label,
            confidence,
            unknown: outcome.unknown,
        };
        let thresholds = reader.thresholds_of(model)?.map(|row| row.thresholds);
        let thresholds = thresholds.unwrap_or_else(Thresholds::unfounded);
        decisions.push(Decision::of(model.clone(), &top, &thresholds));
    }
    Ok(decisions)
}

/// A tag in a sentence.
pub fn tag(status: Status, label: Label, confidence: Confidence) -> String {
    let confidence = confidence.get();
    match status {
        Status::Unknown => {
            format!(
                "looks like none of the ten classes (the likeliest is {label}, with confidence {confidence:.4})"
            )
        }
        Status::Review => format!("tagged {label} with confidence {confidence:.4}, for review"),
        Status::Accepted | Status::Corrected | Status::Rejected => {
            format!("tagged {label} with confidence {confidence:.4}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_names_the_numbers_that_decided() {
        let confidence = |value: f32| Confidence::new(value).unwrap();
        let mut thresholds = Thresholds {
            basis: Basis::Validation,
            ..Thresholds::unfounded()
        };
        thresholds.accept[3] = Some(confidence(0.75));
        let said = |label: usize, top: f32, unknown: Option<f32>| {
            let top = Top {
                label: Label::from_index(label).unwrap(),
                confidence: confidence(top),
                unknown: unknown.map(confidence),
            };
            let model = ModelId::from_sha256(&"a".repeat(64)).unwrap();
            Decision::of(model, &top, &thresholds).to_string()
        };
        for (said, parts) in [
            (
                said(3, 0.9, None),
                ["accepted", "0.9000", "0.75", "not yet audited"],
            ),
            (
                said(3, 0.9, Some(0.25)),
                ["for review", "0.6750", "0.75", "Dress"],
            ),
            (
                said(3, 0.9, Some(0.5)),
                ["unknown", "0.5000", "0.50", "validation"],
            ),
            (
                said(4, 1.0, None),
                ["for review", "no tag of", "Coat", "validation"],
            ),
        ] {
            for part in parts {
                assert!(said.contains(part), "{part:?} is missing in: {said}");
            }
        }
    }
}
