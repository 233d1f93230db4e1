//! May a rebuilt model take the place of the one in service?
//!
//! In: how both answered the same held-out pictures, and the rules. Out: a [`Verdict`] with every figure it rests on.
//! Never: I/O, a model, chance, a picture that a model was trained on or chosen by.
//!
//! What is asked of a candidate: it warms up with finite numbers, answers as its trainer did, reaches an absolute
//! floor of accuracy, and, where a model is in service, costs not much more, is proved to be no worse, and lost no
//! class. "Proved to be no worse" is a test of non-inferiority: the upper bound of how much more often it errs lies
//! below the margin, so that a difference that too few pictures could show does not count as none.
//! The proof is made on photos of the shop once there are enough of them, and on Fashion-MNIST until then; a class of which
//! there are few photos keeps its test pictures. And it has not forgotten what people taught the model in service.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::Label;

mod paired;
mod tally;
mod words;

pub use paired::PairedDifference;
use tally::Tally;

/// With so few photos of a class that two in five of them could be lost by chance, its test pictures guard it besides. Not with
/// more: models that have learned a shop are worse at some class of test pictures, by up to four points, and shall not be refused
/// for it.
const FOUND_LOSS: [u64; 2] = [2, 5];

/// What is asked of a candidate (`[gate]`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GateRules {
    /// Least accuracy on Fashion-MNIST's test set, 0..=1.
    pub min_accuracy: f64,
    /// By how much more often the candidate may err than the model in service, as a share of the pictures; the upper
    /// one-sided 95 % bound must lie below it.
    pub margin: f64,
    /// By how much a class's recall may fall, as a share; only what the lower one-sided bound exceeds it by counts, 95 % for
    /// all classes of the same pictures at once, since classes are small and some loss is chance.
    pub max_class_drop: f64,
    /// By how much a probability of the exported file may differ from the trainer's own.
    pub max_parity_difference: f64,
    /// How many times the multiply-adds and the file size of the model in service.
    pub max_cost: f64,
    /// From so many photos on, they decide and Fashion-MNIST is only the floor.
    pub min_photos: u64,
}

/// One held-out picture and a model's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What it is. Pictures of none of the classes are left out: the networks have no output for them.
    pub truth: Label,
    /// What the model takes it for.
    pub given: Label,
}

/// How a model did, always through its exported file and ONNX Runtime.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// On Fashion-MNIST's test set, in the data set's order.
    pub test: Vec<Answer>,
    /// On corrections, each answered by a network that has not learned it, in an order that is the same for both models;
    /// may be empty.
    pub photos: Vec<Answer>,
    /// Those of them that were drawn at random, likewise.
    #[serde(default)]
    pub audited: Vec<Answer>,
    /// What it takes.
    pub cost: Cost,
}

/// What a model takes to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Multiplications with additions for one picture.
    pub multiply_adds: u64,
    /// Bytes of `model.onnx`.
    pub file_bytes: u64,
}

/// A rebuilt model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// How it did; with empty answers if it did not warm up.
    pub measured: Measured,
    /// Largest difference of a probability between the trainer's network and the exported file on the same pictures.
    pub parity_difference: f64,
    /// How its first answers went.
    pub warm_up: WarmUp,
    /// Corrections that the model in service has learned and this one has not, since their pictures cannot be read any more; not those
    /// that the settings leave out.
    #[serde(default)]
    pub forgotten: u64,
}

/// How the first answers of an exported file went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "result")]
pub enum WarmUp {
    /// With finite numbers.
    Finite,
    /// With a number that is none.
    NotFinite,
    /// Not at all.
    Failed {
        /// Why.
        error: String,
    },
}

/// Which pictures a proof rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeldOut {
    /// Fashion-MNIST's test set.
    Test,
    /// Corrected photos of the shop, each answered by a network that was not trained on it.
    Photos,
    /// Those of them that were drawn at random: people chose the others, mostly where the model in service erred.
    Audited,
}

/// What was decided, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub enum Verdict {
    /// The candidate may go into service.
    Promote {
        /// All that was found; all of it speaks for the candidate.
        reasons: Vec<Finding>,
    },
    /// The model in service stays.
    Keep {
        /// All that speaks against the candidate; never empty.
        reasons: Vec<Finding>,
        /// All that speaks for it.
        passed: Vec<Finding>,
    },
}

/// One thing that was looked at, with the figures that decide it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "check")]
pub enum Finding {
    /// The first answers.
    WarmUp {
        /// How they went.
        warm_up: WarmUp,
    },
    /// The exported file against the trainer.
    Parity {
        /// Largest difference of a probability; `None` if that was no number.
        largest_difference: Option<f64>,
        /// What it may be.
        max_parity_difference: f64,
    },
    /// The floor.
    Accuracy {
        /// Test pictures.
        images: u64,
        /// Share of right answers.
        accuracy: f64,
        /// What it must be at least.
        min_accuracy: f64,
    },
    /// Against what the model in service knows; found only where something is amiss.
    Forgotten {
        /// Corrections that the model in service has learned and that cannot be learned any more.
        photos: u64,
    },
    /// No other model serves, so that there is nothing to be worse than.
    FirstModel,
    /// Against what the model in service takes.
    Cost {
        /// The candidate's.
        candidate: Cost,
        /// That of the model in service.
        in_service: Cost,
        /// How many times as much it may be.
        max_cost: f64,
    },
    /// How often it errs, against the model in service.
    Errors {
        /// On which pictures.
        on: HeldOut,
        /// How both did.
        paired: PairedDifference,
        /// What the upper bound must lie below.
        margin: f64,
    },
    /// Class by class, against the model in service.
    Classes {
        /// On which pictures.
        on: HeldOut,
        /// The classes that are present, in label order.
        classes: Vec<ClassDifference>,
        /// What a class's lower bound must not exceed.
        max_class_drop: f64,
    },
}

/// One class under both models; `paired.difference` is the recall that the candidate lost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ClassDifference {
    /// The class.
    pub label: Label,
    /// How both did on its pictures.
    pub paired: PairedDifference,
}

/// Figures that cannot be judged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GateError {
    /// There is nothing to judge by.
    #[error("the gate cannot judge a model without held-out test pictures; see `hangtag dataset show`")]
    NoTestPictures,
    /// The two models did not answer the same pictures.
    #[error(
        "the gate cannot compare two models on different {on}: {candidate} and {in_service} pictures, or other labels; this is a bug"
    )]
    NotPaired {
        /// Which pictures.
        on: HeldOut,
        /// How many the candidate answered.
        candidate: usize,
        /// How many the model in service answered.
        in_service: usize,
    },
}

/// Judges a candidate against the model in service, or alone if there is none.
pub fn judge(
    candidate: &Candidate,
    in_service: Option<&Measured>,
    rules: &GateRules,
) -> Result<Verdict, GateError> {
    let mut findings = vec![Finding::WarmUp {
        warm_up: candidate.warm_up.clone(),
    }];
    if candidate.warm_up == WarmUp::Finite {
        findings.extend(found_alone(candidate, rules)?);
        match in_service {
            None => findings.push(Finding::FirstModel),
            Some(in_service) => findings.extend(found_against(candidate, in_service, rules)?),
        }
    }
    let (passed, reasons): (Vec<_>, Vec<_>) = findings.into_iter().partition(Finding::speaks_for);
    Ok(if reasons.is_empty() {
        Verdict::Promote { reasons: passed }
    } else {
        Verdict::Keep { reasons, passed }
    })
}

fn found_alone(candidate: &Candidate, rules: &GateRules) -> Result<[Finding; 2], GateError> {
    let test = &candidate.measured.test;
    if test.is_empty() {
        return Err(GateError::NoTestPictures);
    }
    let right = test.iter().filter(|answer| answer.is_right()).count();
    let parity = candidate.parity_difference;
    Ok([
        Finding::Parity {
            largest_difference: parity.is_finite().then_some(parity),
            max_parity_difference: rules.max_parity_difference,
        },
        Finding::Accuracy {
            images: test.len() as u64,
            accuracy: right as f64 / test.len() as f64,
            min_accuracy: rules.min_accuracy,
        },
    ])
}

fn found_against(
    candidate: &Candidate,
    in_service: &Measured,
    rules: &GateRules,
) -> Result<Vec<Finding>, GateError> {
    let measured = &candidate.measured;
    let are_enough = |on: &HeldOut| measured.on(*on).len() as u64 >= rules.min_photos.max(1);
    let evidence = |wanted: &[HeldOut]| wanted.iter().copied().find(are_enough).unwrap_or(HeldOut::Test);
    let tally = |on| Tally::of(on, measured.on(on), in_service.on(on));
    // By fewer audited ones no two models that answer alike could pass; then the chosen ones have to do besides.
    let audited = PairedDifference::of(measured.audited.len() as u64, 0, 0);
    let could_pass = audited.is_some_and(|alike| alike.upper_bound < rules.margin);
    let on = match could_pass {
        true => evidence(&[HeldOut::Audited, HeldOut::Photos]),
        false => evidence(&[HeldOut::Photos]),
    };
    let mut findings = vec![
        Finding::Cost {
            candidate: measured.cost,
            in_service: in_service.cost,
            max_cost: rules.max_cost,
        },
        Finding::Errors {
            on,
            paired: tally(on)?.all().ok_or(GateError::NoTestPictures)?,
            margin: rules.margin,
        },
    ];
    // Drawn at random or chosen: what is lost among the photos of one class is lost.
    let on = evidence(&[HeldOut::Photos]);
    let max_class_drop = rules.max_class_drop;
    let classes = tally(on)?.classes();
    let mut unguarded = Vec::new();
    if on != HeldOut::Test {
        unguarded = tally(HeldOut::Test)?.classes();
        unguarded.retain(|of_test| {
            let photos = classes.iter().find(|class| class.label == of_test.label);
            !photos.is_some_and(|photos| photos.could_show_a_loss(classes.len(), max_class_drop))
        });
    }
    findings.push(Finding::Classes {
        on,
        classes,
        max_class_drop,
    });
    if !unguarded.is_empty() {
        findings.push(Finding::Classes {
            on: HeldOut::Test,
            classes: unguarded,
            max_class_drop,
        });
    }
    if candidate.forgotten > 0 {
        let photos = candidate.forgotten;
        findings.push(Finding::Forgotten { photos });
    }
    Ok(findings)
}

impl Verdict {
    /// Whether the candidate may go into service.
    pub fn is_promote(&self) -> bool {
        matches!(self, Verdict::Promote { .. })
    }

    /// Everything that was found, what decided first.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        let (reasons, passed): (&[Finding], &[Finding]) = match self {
            Verdict::Promote { reasons } => (reasons, &[]),
            Verdict::Keep { reasons, passed } => (reasons, passed),
        };
        reasons.iter().chain(passed)
    }
}

impl fmt::Display for Verdict {
    /// The decision and what decided it, a line each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, reasons) = match self {
            Verdict::Promote { reasons } => ("promote", reasons),
            Verdict::Keep { reasons, .. } => ("keep the model in service", reasons),
        };
        f.write_str(word)?;
        reasons.iter().try_for_each(|reason| write!(f, "\n- {reason}"))
    }
}

impl Finding {
    /// Whether it speaks for the candidate. What is exactly at a limit passes, but for the margin of errors, which
    /// the bound must lie below.
    pub fn speaks_for(&self) -> bool {
        match self {
            Finding::WarmUp { warm_up } => *warm_up == WarmUp::Finite,
            Finding::Parity {
                largest_difference,
                max_parity_difference,
            } => largest_difference.is_some_and(|largest| largest <= *max_parity_difference),
            Finding::Accuracy {
                accuracy,
                min_accuracy,
                ..
            } => accuracy >= min_accuracy,
            Finding::FirstModel => true,
            Finding::Forgotten { photos } => *photos == 0,
            Finding::Cost {
                candidate,
                in_service,
                max_cost,
            } => {
                let fits = |cost: u64, limit: u64| cost as f64 <= max_cost * limit as f64;
                fits(candidate.multiply_adds, in_service.multiply_adds)
                    && fits(candidate.file_bytes, in_service.file_bytes)
            }
            Finding::Errors { paired, margin, .. } => paired.upper_bound < *margin,
            Finding::Classes {
                classes,
                max_class_drop,
                ..
            } => classes.iter().all(|class| !class.has_lost(*max_class_drop)),
        }
    }
}

impl ClassDifference {
    /// Whether its recall fell by more than `max_class_drop`, beyond what chance explains.
    pub fn has_lost(&self, max_class_drop: f64) -> bool {
        self.paired.lower_bound > max_class_drop
    }

    /// Whether it, one of so many classes, has so many pictures that the loss of the share [`FOUND_LOSS`] of them, and nothing
    /// won, would count as one.
    fn could_show_a_loss(&self, classes: usize, max_class_drop: f64) -> bool {
        let ([share, of], images) = (FOUND_LOSS, self.paired.images);
        PairedDifference::among(classes, images, images * share / of, 0)
            .is_some_and(|paired| paired.lower_bound > max_class_drop)
    }
}

impl Answer {
    fn is_right(&self) -> bool {
        self.truth == self.given
    }
}

impl Measured {
    fn on(&self, on: HeldOut) -> &[Answer] {
        match on {
            HeldOut::Test => &self.test,
            HeldOut::Photos => &self.photos,
            HeldOut::Audited => &self.audited,
        }
    }
}

#[cfg(test)]
mod tests;
