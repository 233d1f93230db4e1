//! The network that hangtag trains: layers, forward, backward.
//!
//! In: pictures of 28x28 values 0..1, bright garment on black. Out: ten probabilities; gradients; weights. Never: files,
//! epochs, the choice of images.

use std::fmt;

use crate::domain::{INPUT_LEN, LABEL_COUNT};

pub mod adam;
pub mod architecture;
pub mod conv;
pub mod dense;
pub mod engine;
pub mod first_conv;
pub mod loss;
pub mod matmul;
pub mod pool;
pub mod random;
pub mod residual;
mod shard;

pub use architecture::{Architecture, Places};
use engine::{Batch, Engine};
use random::{Purpose, Stream};

/// A network's sizes and numbers.
#[derive(Clone, PartialEq)]
pub struct Network {
    architecture: Architecture,
    parameters: Vec<f32>,
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
    /// Fresh weights for a seed: Glorot-uniform (Glorot and Bengio 2010), biases zero, as Keras begins.
    pub fn new(architecture: Architecture, seed: u64) -> Self {
        let places = architecture.places();
        let mut parameters = vec![0.0; places.len];
        let mut fans: Vec<(&architecture::LayerPlaces, usize)> = places
            .blocks
            .iter()
            .zip(architecture.convolutions())
            .map(|(layer, shape)| (layer, 9 * (shape.inputs + shape.outputs)))
            .collect();
        fans.push((&places.hidden, architecture.flat_len() + architecture.hidden));
        fans.push((&places.output, architecture.hidden + LABEL_COUNT));
        for (number, (layer, fans)) in fans.into_iter().enumerate() {
            let limit = (6.0 / fans as f32).sqrt();
            let mut stream = Stream::new(seed, Purpose::Initial { layer: number as u32 });
            for value in &mut parameters[layer.weights.clone()] {
                *value = (stream.next_unit() * 2.0 - 1.0) * limit;
            }
        }
        Self {
            architecture,
            parameters,
        }
    }

    /// A network with these numbers, `None` if there are too many or too few.
    pub fn from_parameters(architecture: Architecture, parameters: Vec<f32>) -> Option<Self> {
        (parameters.len() == architecture.parameter_count()).then_some(Self {
            architecture,
            parameters,
        })
    }

    /// Its sizes.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// All numbers; `Architecture::places` tells which is which.
    pub fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    /// All numbers, to change them.
    pub fn parameters_mut(&mut self) -> &mut [f32] {
        &mut self.parameters
    }

    /// Ten probabilities an image, for `images` of 784 values 0..1 each (a last incomplete one is left out).
    pub fn probabilities(&self, images: &[f32]) -> Vec<[f32; LABEL_COUNT]> {
        /// Images at once: enough to keep the cores busy, few enough to stay in cache.
        const BATCH: usize = 64;
        let mut engine = Engine::new(self.architecture, BATCH);
        engine.load(self);
        let mut all = Vec::with_capacity(images.len() / INPUT_LEN);
        let mut some = vec![0.0; BATCH * LABEL_COUNT];
        for batch in images[..images.len() / INPUT_LEN * INPUT_LEN].chunks(BATCH * INPUT_LEN) {
            let some = &mut some[..batch.len() / INPUT_LEN * LABEL_COUNT];
            engine.score(self, Batch::Values(batch), some);
            all.extend_from_slice(some.as_chunks::<LABEL_COUNT>().0);
        }
        all
    }
}

#[cfg(test)]
mod gradient_tests;
