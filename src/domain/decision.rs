//! Why a model's answer counts by itself, or does not.
//!
//! In: an answer, and thresholds. Out: the numbers that decided, and a sentence. Never: another rule than
//! [`decide_top`]'s.

use std::fmt;

use serde::Serialize;

use super::{Basis, Certainty, Confidence, Label, ModelId, Thresholds, Top, decide_top};

/// What was made of one model's answer, and by which numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Decision {
    /// Whose answer.
    pub model: ModelId,
    /// What was decided.
    pub decided: Certainty,
    /// The likeliest label.
    pub label: Label,
    /// How likely the label is right, by the model: confidence times 1 less the unknown score.
    pub trust: f64,
    /// The least trust with which it is accepted; `None`: never.
    pub accepted_from: Option<Confidence>,
    /// Its estimate that none of the classes is shown.
    pub unknown: Option<Confidence>,
    /// From there on it counts as none of them.
    pub unknown_from: Confidence,
    /// Where the thresholds come from.
    pub basis: Basis,
    /// What a person should know about such thresholds.
    pub caveat: Option<&'static str>,
}

impl Decision {
    /// By the thresholds that hold for the model.
    pub fn of(model: ModelId, top: &Top, thresholds: &Thresholds) -> Self {
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
