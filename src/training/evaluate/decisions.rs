//! What thresholds would make of a set of pictures, and how right that would be.
//!
//! In: judged pictures and thresholds. Out: shares of accepted, review and unknown, and the precision of what is
//! accepted. Never: thresholds fitted to what they are judged on.

use serde::{Deserialize, Deserializer, Serialize};

use super::{Judged, percent, share};
use crate::domain::{Certainty, Thresholds, decide};

/// Figures about the three answers; each `None` where there is nothing to take a share of.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Decisions {
    /// Share of the pictures of the classes whose tag is accepted.
    #[serde(deserialize_with = "given")]
    pub accepted_share: Option<f64>,
    /// Share of all accepted pictures whose tag is right; one of none of the classes is wrong.
    pub accepted_precision: Option<f64>,
    /// The same over the accepted pictures of the classes alone.
    pub accepted_precision_known: Option<f64>,
    /// Share of the pictures of none of the classes that are answered with `unknown`.
    pub unknown_recall: Option<f64>,
    /// Share of the pictures of the classes that are answered with `unknown`.
    pub known_as_unknown: Option<f64>,
    /// Share of all pictures that somebody is to look at.
    pub review_share: Option<f64>,
}

/// A key that must be there, though it may be `null`: without it there are no decisions at all.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    Option::deserialize(deserializer)
}

impl Decisions {
    /// Decides every picture.
    pub fn of(judged: &[Judged], thresholds: &Thresholds) -> Self {
        let decided: Vec<_> = judged
            .iter()
            .map(|one| (one, decide(&one.prediction, thresholds)))
            .collect();
        let count = |is_wanted: &dyn Fn(&Judged, Certainty) -> bool| {
            decided
                .iter()
                .filter(|(one, answer)| is_wanted(one, *answer))
                .count() as u64
        };
        let known = count(&|one, _| one.truth.is_some());
        let accepted = count(&|_, answer| answer == Certainty::Accepted);
        let accepted_known = count(&|one, answer| answer == Certainty::Accepted && one.truth.is_some());
        let right = count(&|one, answer| answer == Certainty::Accepted && one.is_right());
        let unknown = |of_known: bool| {
            count(&|one, answer| answer == Certainty::Unknown && one.truth.is_some() == of_known)
        };
        let review = count(&|_, answer| answer == Certainty::Review);
        let all = judged.len() as u64;
        Self {
            accepted_share: share(accepted_known, known),
            accepted_precision: share(right, accepted),
            accepted_precision_known: share(right, accepted_known),
            unknown_recall: share(unknown(false), all - known),
            known_as_unknown: share(unknown(true), known),
            review_share: share(review, all),
        }
    }

    /// A line each.
    pub(super) fn in_words(&self) -> String {
        [
            (
                "accepted          ",
                self.accepted_share,
                "of those of the classes",
            ),
            (
                "right of accepted ",
                self.accepted_precision,
                "those of no class counted as wrong",
            ),
            ("  of known ones   ", self.accepted_precision_known, ""),
            ("for review        ", self.review_share, "of all"),
            ("unknown           ", self.unknown_recall, "of those of no class"),
            (
                "  wrongly         ",
                self.known_as_unknown,
                "of those of the classes",
            ),
        ]
        .map(|(name, value, of)| format!("{name} {} {of}", percent(value)).trim_end().to_owned() + "\n")
        .concat()
    }
}
