//! The ten classes, and what a person says that a photo shows.
//!
//! In: names in any usual spelling. Out: a label, or that it is none of them. Never: an eleventh class.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ParseError;

/// How many classes there are.
pub const LABEL_COUNT: usize = 10;

/// One of the ten Fashion-MNIST classes; the index is the model's output position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(u8);

impl Label {
    /// The names, in the order of the model's outputs.
    pub const NAMES: [&'static str; LABEL_COUNT] = [
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ];

    /// All ten, in order.
    pub fn all() -> impl ExactSizeIterator<Item = Label> {
        (0..LABEL_COUNT as u8).map(Label)
    }

    /// The label at a model's output position, `None` past the ninth.
    pub fn from_index(index: usize) -> Option<Label> {
        (index < LABEL_COUNT).then_some(Label(index as u8))
    }

    /// Output position, 0..10.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// The name as Fashion-MNIST writes it.
    pub fn name(self) -> &'static str {
        Self::NAMES[self.index()]
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Label {
    type Err = ParseError;

    /// Reads a name without regard to case, `-`, `_` and spaces; `t-shirt` and `top` stand for `T-shirt/top`.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let plain = |s: &str| s.to_lowercase().replace(['-', '_', ' '], "");
        let wanted = plain(text);
        Label::all()
            .find(|label| {
                let name = plain(label.name());
                name == wanted || name.split('/').any(|part| part == wanted)
            })
            .ok_or_else(|| {
                ParseError::new(
                    text,
                    format!("a label; the labels are {}", Label::NAMES.join(", ")),
                )
            })
    }
}

impl Serialize for Label {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// What a person says that a photo shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Truth {
    /// One of the ten.
    Label(Label),
    /// None of the ten.
    Unknown,
}

impl Truth {
    /// The label, `None` where it is none of the ten.
    pub fn label(self) -> Option<Label> {
        match self {
            Truth::Label(label) => Some(label),
            Truth::Unknown => None,
        }
    }
}

impl From<Option<Label>> for Truth {
    fn from(label: Option<Label>) -> Self {
        label.map_or(Truth::Unknown, Truth::Label)
    }
}

impl fmt::Display for Truth {
    /// The label's name, or `unknown`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.label().map_or("unknown", Label::name))
    }
}

impl FromStr for Truth {
    type Err = ParseError;

    /// `unknown`, or a label in any spelling that `Label` takes.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text.to_lowercase().as_str() {
            "unknown" => Ok(Truth::Unknown),
            _ => text.parse().map(Truth::Label),
        }
    }
}

impl Serialize for Truth {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
