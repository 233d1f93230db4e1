//! What the gate found, in plain words.
//!
//! In: a finding. Out: one sentence with its figures. Never: a decision of its own.

use std::fmt;

use super::{ClassDifference, Finding, HeldOut, PairedDifference, WarmUp};
use crate::training::summary;

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = |yes, no| if self.speaks_for() { yes } else { no };
        match self {
            Finding::WarmUp { warm_up } => warm_up.fmt(f),
            Finding::Parity {
                largest_difference,
                max_parity_difference,
            } => {
                let largest =
                    largest_difference.map_or("no number".into(), |largest| format!("{largest:.1e}"));
                write!(
                    f,
                    "the exported file {} as its trainer does: the largest difference of a probability is {largest}, allowed is {max_parity_difference:.1e}",
                    verb("answers", "does not answer")
                )
            }
            Finding::Accuracy {
                images,
                accuracy,
                min_accuracy,
            } => write!(
                f,
                "accuracy on the {} test pictures is {}, {} the floor of {}",
                grouped(*images),
                percent(*accuracy),
                verb("not below", "below"),
                percent(*min_accuracy)
            ),
            Finding::FirstModel => f.write_str("no other model is in service"),
            Finding::Forgotten { photos } => write!(
                f,
                "{} corrected photos that the model in service has learned cannot be read any more, so that this one has not learned them: correct them again to have them copied anew (`hangtag correct`), or undo the corrections; the run's report names them",
                grouped(*photos)
            ),
            Finding::Cost {
                candidate,
                in_service,
                max_cost,
            } => write!(
                f,
                "it takes {} multiply-adds a picture and {} bytes, the model in service {} and {}: {} {max_cost} times as much",
                grouped(candidate.multiply_adds),
                grouped(candidate.file_bytes),
                grouped(in_service.multiply_adds),
                grouped(in_service.file_bytes),
                verb("not more than", "more than")
            ),
            Finding::Errors { on, paired, margin } => write!(
                f,
                "on {} {on} it {} no worse than the model in service: {} ({}), with 95 % confidence {}, where less than {} more are asked",
                grouped(paired.images),
                verb("is proved to be", "is not proved to be"),
                errors(paired.difference),
                exchange(paired),
                errors_at_most(paired.upper_bound),
                points(*margin)
            ),
            Finding::Classes {
                on,
                classes,
                max_class_drop,
            } => write_classes(f, *on, classes, *max_class_drop),
        }
    }
}

impl fmt::Display for WarmUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WarmUp::Finite => f.write_str("its first answers are finite numbers"),
            WarmUp::NotFinite => f.write_str("its first answers hold a value that is no probability"),
            WarmUp::Failed { error } => write!(f, "it does not answer at all: {error}"),
        }
    }
}

impl fmt::Display for HeldOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HeldOut::Test => "test pictures",
            HeldOut::Photos => "corrected photos of the shop",
            HeldOut::Audited => "audited photos of the shop",
        })
    }
}

fn write_classes(
    f: &mut fmt::Formatter<'_>,
    on: HeldOut,
    classes: &[ClassDifference],
    max_class_drop: f64,
) -> fmt::Result {
    let lost: Vec<String> = classes
        .iter()
        .filter(|class| class.has_lost(max_class_drop))
        .map(|ClassDifference { label, paired }| {
            let (drop, least) = (points(paired.difference), points(paired.lower_bound));
            format!("{label} by {drop}, at least {least} ({})", exchange(paired))
        })
        .collect();
    let allowed = points(max_class_drop);
    if lost.is_empty() {
        let count = classes.len();
        return write!(
            f,
            "among the {on}, none of {count} classes lost more than {allowed} of recall beyond chance"
        );
    }
    write!(
        f,
        "among the {on}, recall fell by more than {allowed} beyond chance: {}",
        lost.join(", ")
    )
}

/// `12 right answers lost, 9 won`.
fn exchange(paired: &PairedDifference) -> String {
    let (lost, won) = (paired.only_candidate_wrong, paired.only_in_service_wrong);
    format!("{} right answers lost, {} won", grouped(lost), grouped(won))
}

/// `0.30 points more errors`, `1.20 points fewer errors`.
fn errors(difference: f64) -> String {
    let direction = if difference < 0.0 { "fewer" } else { "more" };
    format!("{} {direction} errors", points(difference.abs()))
}

/// `at most 0.63 points more errors`, `at least 0.70 points fewer errors`.
fn errors_at_most(upper_bound: f64) -> String {
    let limit = if upper_bound < 0.0 { "least" } else { "most" };
    format!("at {limit} {}", errors(upper_bound))
}

fn grouped(number: u64) -> String {
    usize::try_from(number).map_or_else(|_| number.to_string(), summary::grouped)
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

/// Percentage points.
fn points(share: f64) -> String {
    format!("{:.2} points", share * 100.0)
}
