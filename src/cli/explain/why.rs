//! A tag in a sentence.
//!
//! In: what stands on record. Out: a sentence. Never: a decision.

use crate::domain::{Confidence, Label, Status};

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
