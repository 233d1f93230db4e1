//! Plain networks: three blocks of convolution, ReLU, pooling and dropout, then two dense layers; among them the
//! reference network. Forward, backward, Adam.
//!
//! In: pictures of 28x28 values 0..1, bright garment on black. Out: ten probabilities; gradients; weights. Never: files,
//! epochs, the choice of images.

pub mod adam;
pub mod conv;
pub mod dense;
pub mod engine;
pub mod first_conv;
pub mod pool;
pub mod shape;
mod shard;

pub use engine::{BatchPlace, Engine, SHARDS};
pub use shape::{Places, Plain};

use super::random::{Purpose, Stream};
use crate::domain::LABEL_COUNT;

/// Fresh numbers for a seed: weights Glorot-uniform (Glorot and Bengio 2010), biases zero, as Keras begins.
pub fn fresh(shape: &Plain, seed: u64) -> Vec<f32> {
    let places = shape.places();
    let mut parameters = vec![0.0; places.len];
    let mut fans: Vec<(&shape::LayerPlaces, usize)> = places
        .blocks
        .iter()
        .zip(shape.convolutions())
        .map(|(layer, shape)| (layer, 9 * (shape.inputs + shape.outputs)))
        .collect();
    fans.push((&places.hidden, shape.flat_len() + shape.hidden));
    fans.push((&places.output, shape.hidden + LABEL_COUNT));
    for (number, (layer, fans)) in fans.into_iter().enumerate() {
        let limit = (6.0 / fans as f32).sqrt();
        let mut stream = Stream::new(seed, Purpose::Initial { layer: number as u32 });
        for value in &mut parameters[layer.weights.clone()] {
            *value = (stream.next_unit() * 2.0 - 1.0) * limit;
        }
    }
    parameters
}

#[cfg(test)]
mod gradient_tests;
