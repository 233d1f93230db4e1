//! The networks that hangtag trains: layers, forward, backward.
//!
//! In: pictures of 28x28 values 0..1, bright garment on black. Out: ten probabilities; gradients; weights. Never: files,
//! epochs, the choice of images.

use std::fmt;

use crate::domain::{INPUT_LEN, LABEL_COUNT};

pub mod architecture;
pub mod familiarity;
pub mod learner;
pub mod loss;
pub mod matmul;
#[cfg(test)]
mod numerical;
pub mod plain;
pub mod random;
pub mod residual;

pub use architecture::Architecture;
use familiarity::Familiarity;
use learner::Scorer;

/// Fills in a picture of a batch: its position there, and its 784 values, 0..=1.
pub type Pictures<'a> = &'a (dyn Fn(usize, &mut [f32; INPUT_LEN]) + Sync);

/// A network's sizes and numbers.
#[derive(Clone, PartialEq)]
pub struct Network {
    architecture: Architecture,
    numbers: Vec<f32>,
    familiarity: Option<Familiarity>,
}

impl fmt::Debug for Network {
    /// Its sizes; hundreds of thousands of numbers would help nobody.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("architecture", &self.architecture)
            .finish_non_exhaustive()
    }
}

impl Network {
    /// Fresh weights for a seed.
    pub fn new(architecture: Architecture, seed: u64) -> Self {
        Self {
            architecture,
            numbers: architecture.fresh(seed),
            familiarity: None,
        }
    }

    /// A network with these numbers, `None` if there are too many or too few.
    pub fn from_numbers(architecture: Architecture, numbers: Vec<f32>) -> Option<Self> {
        let count = architecture.parameter_count() + architecture.statistics_count();
        (numbers.len() == count).then_some(Self {
            architecture,
            numbers,
            familiarity: None,
        })
    }

    /// The same network, which tells "none of them" by familiarity, in the place of its own output for that.
    pub fn with_familiarity(self, familiarity: Familiarity) -> Self {
        Self {
            familiarity: Some(familiarity),
            ..self
        }
    }

    /// Its own output for "none of them": slopes along the features of its last layer, and what is added; the sum is the
    /// log-odds. `None` of a plain network.
    pub fn unknown_plane(&self) -> Option<(&[f32], f32)> {
        let Architecture::Residual(channels) = &self.architecture else {
            return None;
        };
        let places = channels.places();
        let slopes = &self.numbers[places.dense_weights][LABEL_COUNT * channels.deep..];
        Some((slopes, self.numbers[places.dense_biases.end - 1]))
    }

    /// By what it tells "none of them", if not by its own output for that.
    pub fn familiarity(&self) -> Option<&Familiarity> {
        self.familiarity.as_ref()
    }

    /// Its kind and sizes.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The numbers that training finds; the `Places` of the architecture's kind tell which is which.
    pub fn parameters(&self) -> &[f32] {
        &self.numbers[..self.architecture.parameter_count()]
    }

    /// All numbers: parameters, then what was measured for normalisation (mean and variance, channel by channel).
    pub fn numbers(&self) -> &[f32] {
        &self.numbers
    }

    /// Ten probabilities an image, and the one for "none of them" if the network knows of that, for `images` of 784
    /// values 0..1 each (a last incomplete one is left out).
    pub fn probabilities(&self, images: &[f32]) -> Vec<([f32; LABEL_COUNT], Option<f32>)> {
        /// Images at once: enough to keep the cores busy, few enough to stay in cache.
        const BATCH: usize = 128;
        let mut scorer = Scorer::new(self, BATCH);
        let mut all = Vec::with_capacity(images.len() / INPUT_LEN);
        for batch in images[..images.len() / INPUT_LEN * INPUT_LEN].chunks(BATCH * INPUT_LEN) {
            let picture = |position: usize, values: &mut [f32; INPUT_LEN]| {
                values.copy_from_slice(&batch[position * INPUT_LEN..][..INPUT_LEN]);
            };
            all.extend(scorer.score(batch.len() / INPUT_LEN, &picture));
        }
        all
    }
}
