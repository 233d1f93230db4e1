//! Plain networks: three blocks of convolution, ReLU, pooling and dropout, then two dense layers.
//!
//! In: how many filters and hidden values. Out: shapes, and where each layer's numbers lie in the one vector that
//! holds them all. Never: the numbers themselves.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::conv::ConvShape;
use crate::domain::{INPUT_SIDE, LABEL_COUNT};

/// How many blocks of convolution, ReLU, pooling and dropout there are.
pub const BLOCKS: usize = 3;

/// Sizes of a network and how much of it dropout silences.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Plain {
    /// Output channels of the three convolutions.
    pub filters: [usize; BLOCKS],
    /// Values of the first dense layer.
    pub hidden: usize,
    /// Share of a block's outputs that dropout silences, 0..1.
    pub block_dropout: f32,
    /// Share of the hidden values that dropout silences, 0..1.
    pub hidden_dropout: f32,
}

impl Plain {
    /// The reference network: 241,546 parameters.
    pub const REFERENCE: Plain = Plain {
        filters: [32, 64, 128],
        hidden: 128,
        block_dropout: 0.25,
        hidden_dropout: 0.3,
    };

    /// The three convolutions.
    pub fn convolutions(&self) -> [ConvShape; BLOCKS] {
        let mut side = INPUT_SIDE;
        let mut inputs = 1;
        self.filters.map(|outputs| {
            let shape = ConvShape {
                side,
                inputs,
                outputs,
            };
            side = shape.pooled_side();
            inputs = outputs;
            shape
        })
    }

    /// Values that the first dense layer sees: the last block's output, `[row][column][channel]`.
    pub fn flat_len(&self) -> usize {
        self.convolutions()[BLOCKS - 1].pooled_len()
    }

    /// Where each layer's numbers lie.
    pub fn places(&self) -> Places {
        let mut next = 0;
        let mut take = |len: usize| {
            let from = next;
            next += len;
            from..next
        };
        let hidden_weights = take(self.flat_len() * self.hidden);
        let blocks = self.convolutions().map(|shape| LayerPlaces {
            weights: take(shape.weights_len()),
            biases: take(shape.outputs),
        });
        let hidden = LayerPlaces {
            weights: hidden_weights,
            biases: take(self.hidden),
        };
        let output = LayerPlaces {
            weights: take(self.hidden * LABEL_COUNT),
            biases: take(LABEL_COUNT),
        };
        Places {
            blocks,
            hidden,
            output,
            len: next,
        }
    }

    /// How many numbers training finds.
    pub fn parameter_count(&self) -> usize {
        self.places().len
    }
}

/// Where the numbers of one layer lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerPlaces {
    /// Weights.
    pub weights: Range<usize>,
    /// Biases.
    pub biases: Range<usize>,
}

/// Where each layer's numbers lie in the vector of all parameters.
///
/// The first dense layer's weights come first, because their gradient alone is found for the whole batch at once
/// (see `engine`): what follows them is what every shard keeps a gradient of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// Convolutions; weights `[output channel][row][column][input channel]`.
    pub blocks: [LayerPlaces; BLOCKS],
    /// First dense layer; weights `[input: row, column, channel][hidden]`.
    pub hidden: LayerPlaces,
    /// Second dense layer; weights `[hidden][label]`.
    pub output: LayerPlaces,
    /// How many numbers there are.
    pub len: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_network_has_241546_parameters() {
        let places = Plain::REFERENCE.places();
        assert_eq!(places.len, 241_546);
        let sizes: Vec<usize> = places
            .blocks
            .iter()
            .chain([&places.hidden, &places.output])
            .map(|layer| layer.weights.len() + layer.biases.len())
            .collect();
        assert_eq!(sizes, [320, 18_496, 73_856, 147_584, 1_290]);
    }
}
