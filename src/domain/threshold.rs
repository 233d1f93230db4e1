//! When a tag counts by itself, when somebody should look, and when it is none of the classes.
//!
//! In: a model's answer and thresholds. Out: one of three answers. Never: I/O, a threshold made up here.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use super::{Confidence, LABEL_COUNT, Label, Prediction, Timestamp, Top};

/// How often accepted tags shall be right, unless the settings say otherwise (`tagging.target_precision`).
pub const DEFAULT_TARGET_PRECISION: f64 = 0.95;

/// What hangtag makes of a model's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// Trust reaches the threshold of its class: the tag counts by itself.
    Accepted,
    /// It does not: a person should look.
    Review,
    /// It looks like none of the ten classes.
    Unknown,
}

impl Certainty {
    /// Every answer there is.
    pub const ALL: [Certainty; 3] = [Certainty::Accepted, Certainty::Review, Certainty::Unknown];
}

/// Where thresholds come from, and so what they can promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Nowhere: nothing is known about the model, so that nothing is accepted.
    None,
    /// The training's validation pictures: catalogue cut-outs, not the shop's photos.
    Validation,
    /// The shop's corrections, which people chose: mostly of what was uncertain or wrong.
    Corrections,
    /// A random sample of the shop's photos that people looked at.
    Audit,
    /// A person's choice.
    Set,
}

impl Basis {
    /// Every basis there is.
    pub const ALL: [Basis; 5] = [
        Basis::None,
        Basis::Validation,
        Basis::Corrections,
        Basis::Audit,
        Basis::Set,
    ];

    /// The word in records.
    pub fn name(self) -> &'static str {
        match self {
            Basis::None => "none",
            Basis::Validation => "validation",
            Basis::Corrections => "corrections",
            Basis::Audit => "audit",
            Basis::Set => "set",
        }
    }

    /// Whether an accepted picture of none of the classes is a wrong one. Not among corrections: how many of those show none
    /// of the classes is people's choice, and says nothing about the inventory.
    pub fn counts_unknown(self) -> bool {
        self != Basis::Corrections
    }

    /// Whether a sample of this truth (`None`: none of the classes) is one of those that the promise is about.
    pub fn counts(self, truth: Option<Label>) -> bool {
        truth.is_some() || self.counts_unknown()
    }

    /// Which pictures its promise is about.
    pub fn promised_for(self) -> &'static str {
        match self.counts_unknown() {
            true => "pictures like the samples",
            false => "pictures of the ten classes like the samples",
        }
    }

    /// What a person should know about tags that were accepted by thresholds from here.
    pub fn caveat(self) -> Option<&'static str> {
        match self {
            Basis::None => Some("the model says nothing about its confidence: nothing is accepted"),
            Basis::Validation => Some("not yet audited on your photos"),
            Basis::Corrections => Some(
                "photos that people chose, not a random draw: a biased sample, which says nothing of photos of no class",
            ),
            Basis::Set => Some("set by hand: no statement about how many are right"),
            Basis::Audit => None,
        }
    }
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// From where on a model's tags are accepted, and what stands behind that. Keys that a later hangtag adds are passed
/// over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Thresholds {
    /// Least [trust](Prediction::trust) of an accepted tag, by label in their order; `None`: no tag of it is accepted.
    pub accept: [Option<Confidence>; LABEL_COUNT],
    /// From this `unknown` score on, a picture shows none of the classes.
    pub unknown: Confidence,
    /// Accepted tags shall be right at least so often, 0..=1.
    #[serde(deserialize_with = "share")]
    pub target_precision: f64,
    /// What they were fitted on.
    pub basis: Basis,
    /// Pictures of known truth that they were fitted on.
    #[serde(default)]
    pub samples: u64,
    /// How many of them show none of the classes.
    #[serde(default)]
    pub unknown_samples: u64,
    /// How many of them are accepted; of those that show one of the classes, where the promise is about these alone
    /// (corrections).
    #[serde(default)]
    pub accepted: u64,
    /// How many of those are right.
    #[serde(default)]
    pub accepted_right: u64,
    /// How many of those that show none of the classes are accepted; `None` of thresholds of an older hangtag.
    #[serde(default)]
    pub accepted_unknown: Option<u64>,
    /// The certainty, 0..=1, with which `target_precision` is kept on pictures like the samples; `None` where nothing is
    /// promised.
    #[serde(default)]
    pub level: Option<f64>,
    /// The classes whose threshold was fitted on their own samples alone; the others share theirs.
    #[serde(default)]
    pub own: Vec<Label>,
    /// Which of them a person chose; `None` where nobody did, and of an older hangtag, which did not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<Chosen>,
}

/// Which thresholds are a person's choice; the others are what held before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chosen {
    /// Those of these classes.
    pub labels: Vec<Label>,
    /// Whether that for `unknown`, too.
    pub unknown: bool,
    /// Where that was said of a former model and carried over from it: when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carried_since: Option<Timestamp>,
}

impl Chosen {
    /// Every one.
    fn all() -> Self {
        Self {
            labels: Label::all().collect(),
            unknown: true,
            carried_since: None,
        }
    }
}

impl Thresholds {
    /// Those of a model about whose confidence nothing is known: all its tags are for review.
    pub fn uncertified(target_precision: f64) -> Self {
        Self {
            accept: [None; LABEL_COUNT],
            unknown: Confidence::HALF,
            target_precision,
            basis: Basis::None,
            samples: 0,
            unknown_samples: 0,
            accepted: 0,
            accepted_right: 0,
            accepted_unknown: None,
            level: None,
            own: Vec::new(),
            chosen: None,
        }
    }

    /// The same for whoever has no target in mind: the usual one is 0.95.
    pub fn unfounded() -> Self {
        Self::uncertified(DEFAULT_TARGET_PRECISION)
    }

    /// What a person chose of these; `None` where nobody did. An older hangtag kept no account of it: there all counts.
    pub fn choice(&self) -> Option<Chosen> {
        (self.basis == Basis::Set).then(|| self.chosen.clone().unwrap_or_else(Chosen::all))
    }

    /// What a person chose of `set`, and these for the rest, with what was chosen of them before. Nothing is promised by it.
    pub fn overlaid(&self, set: &Thresholds) -> Thresholds {
        let Some(choice) = set.choice() else {
            return self.clone();
        };
        let mut result = Thresholds {
            accept: self.accept,
            unknown: if choice.unknown { set.unknown } else { self.unknown },
            basis: Basis::Set,
            ..Self::uncertified(self.target_precision)
        };
        for label in &choice.labels {
            result.accept[label.index()] = set.accept[label.index()];
        }
        let before = self.choice();
        let is_chosen = |label: &Label| {
            let mut choices = before.iter().chain([&choice]);
            choices.any(|choice| choice.labels.contains(label))
        };
        result.chosen = Some(Chosen {
            labels: Label::all().filter(is_chosen).collect(),
            unknown: choice.unknown || before.as_ref().is_some_and(|before| before.unknown),
            carried_since: choice.carried_since,
        });
        result
    }

    /// The least trust with which a tag of this class is accepted; `None`: never.
    pub fn accept_from(&self, label: Label) -> Option<Confidence> {
        self.accept[label.index()]
    }
}

/// What to make of an answer: `unknown` from `thresholds.unknown` on, else accepted where its trust reaches its class's
/// threshold, else for review.
pub fn decide(prediction: &Prediction, thresholds: &Thresholds) -> Certainty {
    decide_top(&prediction.top(), thresholds)
}

/// The same of as much of an answer as it takes.
pub fn decide_top(top: &Top, thresholds: &Thresholds) -> Certainty {
    if top.unknown.is_some_and(|score| score >= thresholds.unknown) {
        return Certainty::Unknown;
    }
    match thresholds.accept_from(top.label) {
        Some(least) if top.trust() >= f64::from(least.get()) => Certainty::Accepted,
        _ => Certainty::Review,
    }
}

fn share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let value = f64::deserialize(deserializer)?;
    if (0.0..=1.0).contains(&value) {
        Ok(value)
    } else {
        Err(serde::de::Error::custom(format!(
            "{value} is not a share from 0 to 1"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Scores;

    fn prediction(label: usize, top: f32, unknown: Option<f32>) -> Prediction {
        let mut values = [(1.0 - top) / 9.0; LABEL_COUNT];
        values[label] = top;
        Prediction {
            scores: Scores::new(values).unwrap(),
            unknown: unknown.map(|score| Confidence::new(score).unwrap()),
        }
    }

    fn thresholds() -> Thresholds {
        let mut thresholds = Thresholds {
            unknown: Confidence::new(0.6).unwrap(),
            ..Thresholds::uncertified(0.95)
        };
        thresholds.accept[3] = Some(Confidence::new(0.5).unwrap());
        thresholds.accept[4] = Some(Confidence::new(0.0).unwrap());
        thresholds
    }

    #[test]
    fn three_answers_by_trust_and_by_the_unknown_score() {
        use Certainty::{Accepted, Review, Unknown};
        let cases = [
            // label, top, unknown -> what
            (3, 0.5, None, Accepted, "at its threshold"),
            (3, 0.49, None, Review, "below it"),
            (3, 0.5, Some(0.0), Accepted, "surely known"),
            (3, 0.9, Some(0.5), Review, "trust 0.45: the top alone would do"),
            (3, 1.0, Some(0.5), Accepted, "trust 0.5"),
            (3, 1.0, Some(0.6), Unknown, "at the threshold for unknown"),
            (
                4,
                0.2,
                Some(0.59),
                Accepted,
                "everything of this class is accepted …",
            ),
            (4, 1.0, Some(1.0), Unknown, "… that is one of the classes"),
            (5, 1.0, None, Review, "no threshold: never accepted"),
            (5, 1.0, Some(0.7), Unknown, "no threshold, and unknown"),
        ];
        for (label, top, unknown, expected, why) in cases {
            let found = decide(&prediction(label, top, unknown), &thresholds());
            assert_eq!(found, expected, "{label}, {top}, {unknown:?}: {why}");
        }
    }

    /// A choice for one class made all ten thresholds a person's.
    #[test]
    fn what_was_chosen_lies_over_what_holds_and_the_rest_stays() {
        let [chosen, fitted] = [0.2, 0.7].map(|trust| Confidence::new(trust).ok());
        let own = Thresholds {
            accept: [fitted; LABEL_COUNT],
            basis: Basis::Audit,
            level: Some(0.9),
            samples: 300,
            ..thresholds()
        };
        let bag = Label::from_index(8).unwrap();
        let mut set = Thresholds {
            accept: [chosen; LABEL_COUNT],
            basis: Basis::Set,
            chosen: Some(Chosen {
                labels: vec![bag],
                unknown: false,
                carried_since: None,
            }),
            ..Thresholds::unfounded()
        };
        let found = own.overlaid(&set);
        for label in Label::all() {
            let expected = if label == bag { chosen } else { fitted };
            assert_eq!(found.accept_from(label), expected, "{label}");
        }
        assert_eq!(found.unknown, own.unknown);
        assert_eq!((found.basis, found.level, found.samples), (Basis::Set, None, 0));
        assert_eq!(found.chosen, set.chosen);
        // Another choice leaves the first one standing.
        set.accept = [None; LABEL_COUNT];
        set.chosen = Some(Chosen {
            labels: Vec::new(),
            unknown: true,
            carried_since: None,
        });
        let both = found.overlaid(&set);
        assert_eq!((both.accept, both.unknown), (found.accept, set.unknown));
        let choice = both.choice().unwrap();
        assert_eq!((choice.labels, choice.unknown), (vec![bag], true));
        // Of an older hangtag, all counts; what was fitted is nobody's choice.
        set.chosen = None;
        assert_eq!(own.overlaid(&set).accept, set.accept);
        assert_eq!(set.overlaid(&own), set);
        let written = serde_json::to_string(&both).unwrap();
        assert_eq!(serde_json::from_str::<Thresholds>(&written).unwrap(), both);
    }

    #[test]
    fn of_a_model_about_which_nothing_is_known_nothing_is_accepted() {
        for label in 0..LABEL_COUNT {
            let found = decide(&prediction(label, 1.0, None), &Thresholds::uncertified(0.95));
            assert_eq!(found, Certainty::Review);
        }
    }

    #[test]
    fn thresholds_survive_json_which_may_hold_more_or_less_and_nothing_wrong() {
        let whole = Thresholds {
            own: vec![Label::from_index(3).unwrap()],
            level: Some(0.9),
            samples: 640,
            ..thresholds()
        };
        let mut json = serde_json::to_value(&whole).unwrap();
        json["of a later hangtag"] = 1.into();
        assert_eq!(serde_json::from_value::<Thresholds>(json.clone()).unwrap(), whole);
        assert_eq!(json["accept"][5], serde_json::Value::Null);
        for (key, wrong) in [
            ("unknown", serde_json::json!(1.5)),
            ("target_precision", serde_json::json!(95)),
            ("accept", serde_json::json!([0.5])),
            ("basis", serde_json::json!("hope")),
        ] {
            let mut json = json.clone();
            json[key] = wrong;
            assert!(serde_json::from_value::<Thresholds>(json).is_err(), "{key}");
        }
    }
}
