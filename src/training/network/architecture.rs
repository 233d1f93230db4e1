//! Which network: its kind and its sizes.
//!
//! In: a choice. Out: how many numbers it has, and fresh ones. Never: training.

use serde::{Deserialize, Serialize};

use super::plain::{self, Plain};
use super::residual::{self, Channels};

/// A network's kind and sizes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// Three blocks and two dense layers.
    Plain(Plain),
    /// Residual blocks with batch normalisation.
    Residual(Channels),
}

impl Architecture {
    /// The reference network: 241,546 parameters.
    pub const REFERENCE: Architecture = Architecture::Plain(Plain::REFERENCE);
    /// The network that ships.
    pub const RESIDUAL: Architecture = Architecture::Residual(Channels::DEFAULT);
    /// The network that is best on Fashion-MNIST itself.
    pub const CATALOGUE: Architecture = Architecture::Residual(Channels::CATALOGUE);

    /// How many numbers training finds.
    pub fn parameter_count(&self) -> usize {
        match self {
            Architecture::Plain(shape) => shape.parameter_count(),
            Architecture::Residual(channels) => channels.places().len,
        }
    }

    /// How many numbers are measured besides: means and variances of the normalisations.
    pub fn statistics_count(&self) -> usize {
        match self {
            Architecture::Plain(_) => 0,
            Architecture::Residual(channels) => channels.statistics_len(),
        }
    }

    /// Fresh numbers for a seed, statistics included.
    pub(super) fn fresh(&self, seed: u64) -> Vec<f32> {
        match self {
            Architecture::Plain(shape) => plain::fresh(shape, seed),
            Architecture::Residual(channels) => {
                let mut numbers = residual::fresh(channels, seed);
                numbers.resize(numbers.len() + channels.statistics_len(), 1.0);
                numbers
            }
        }
    }
}
