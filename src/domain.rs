//! Values that every module speaks: identities, labels, confidences, outcomes.
//!
//! In: raw bytes, numbers and text. Out: types that cannot be wrong. Never: I/O, clocks, other modules.

mod decision;
mod file;
mod identity;
mod label;
mod moment;
mod outcome;
mod picture;
mod score;
mod setting;
mod threshold;

pub use decision::Decision;
pub use file::{FileStamp, InventoryPath};
pub use identity::{ContentHash, ModelId, PreprocessingVersion, held_out, hex};
pub use label::{LABEL_COUNT, Label, Truth};
pub use moment::Timestamp;
pub use outcome::{Rejection, RejectionReason, Status};
pub use picture::{DecodedImage, INPUT_LEN, INPUT_SIDE, ImageFormat, LOOKED_AT_BELOW};
pub use score::{Confidence, Prediction, Scores, Top};
pub use setting::{ArchitectureName, Augmentation, Device, DevicePolicy, RateSchedule};
pub use threshold::{Basis, Certainty, Chosen, DEFAULT_TARGET_PRECISION, Thresholds, decide, decide_top};

/// A value from outside that does not fit its type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not {expected}")]
pub struct ParseError {
    /// What was given.
    pub value: String,
    /// What would have been right, worded to follow "is not".
    pub expected: String,
}

impl ParseError {
    fn new(value: impl Into<String>, expected: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            expected: expected.into(),
        }
    }
}

/// What a failure means for whoever could do the same once more: the record, inference, a page. Other errors need none: they
/// end what was asked for, or concern one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Back off and try again.
    Retry,
    /// Drain and end with a non-zero exit code.
    Fatal,
}

#[cfg(test)]
mod tests;
