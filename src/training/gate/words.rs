//! What the gate found, in plain words.
//!
//! In: a finding. Out: one sentence with its figures. Never: a decision of its own.

use std::fmt;

use super::{ClassDifference, Finding, HeldOut, PairedDifference, WarmUp};

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
                "accuracy on the {images} test pictures is {}, {} the floor of {}",
                percent(*accuracy),
                verb("not below", "below"),
                percent(*min_accuracy)
            ),
            Finding::FirstModel => f.write_str("no other model is in service"),
            Finding::Cost {
                candidate,
                in_service,
                max_cost,
            } => write!(
                f,
                "it takes {} multiply-adds a picture and {} bytes, the model in service {} and {}: {} {max_cost} times as much",
                candidate.multiply_adds,
                candidate.file_bytes,
                in_service.multiply_adds,
                in_service.file_bytes,
                verb("not more than", "more than")
            ),
            Finding::Errors { on, paired, margin } => write!(
                f,
                "on {} {on} it {} no worse than the model in service: {}; with 95 % confidence at most {} more errors, and less than {} must be shown",
                paired.images,
                verb("is proved to be", "is not proved to be"),
                balance(paired),
                points(paired.upper_bound),
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
            HeldOut::Photos => "held-out photos of the shop",
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
        .map(|class| {
            let (paired, least) = (&class.paired, points(class.paired.lower_bound));
            format!("{} ({}, at least {least})", class.label, balance(paired))
        })
        .collect();
    let allowed = points(max_class_drop);
    if lost.is_empty() {
        let count = classes.len();
        return write!(
            f,
            "none of the {count} classes among the {on} lost more than {allowed} of recall beyond chance"
        );
    }
    write!(
        f,
        "classes among the {on} that lost more than {allowed} of recall beyond chance: {}",
        lost.join(", ")
    )
}

/// `12 right answers lost, 9 won, 0.30 points more errors`.
fn balance(paired: &PairedDifference) -> String {
    let (lost, won) = (paired.only_candidate_wrong, paired.only_in_service_wrong);
    let direction = if paired.difference > 0.0 { "more" } else { "fewer" };
    let difference = points(paired.difference.abs());
    format!("{lost} right answers lost, {won} won, {difference} {direction} errors")
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

/// Percentage points.
fn points(share: f64) -> String {
    format!("{:.2} points", share * 100.0)
}
