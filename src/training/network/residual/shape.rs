//! The residual network's units and where the numbers of each lie.
//!
//! In: how many channels each unit has. Out: the list of units, and the places of their numbers in the one vector that
//! holds them all. Never: the numbers themselves.
//!
//! A unit is a 3x3 convolution ('same', no bias), batch normalisation (Ioffe and Szegedy 2015) and ReLU. Two of them are
//! a residual block (He, Zhang, Ren, Sun 2016): what goes into it is added before its last ReLU. The stem sees the picture;
//! residual blocks look at it at its full size, because what tells a shirt from a coat is a pixel wide; then, each time
//! pooled, come a unit at 14x14, a unit and perhaps residual blocks at 7x7, and a unit at 3x3. The greatest value of each
//! channel over the 3x3 positions goes into one dense layer: ten sums for the labels and one for "none of them".

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::domain::{INPUT_SIDE, LABEL_COUNT};

/// Sums of the last layer: one a label, then the one for "none of them".
pub const OUTPUTS: usize = LABEL_COUNT + 1;
/// Taps of a 3x3 window.
pub const TAPS: usize = 9;

/// Channels of the residual network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channels {
    /// Of the stem and of the blocks at 28x28.
    pub stem: usize,
    /// Residual blocks at 28x28.
    pub blocks: usize,
    /// Of the unit at 14x14.
    pub upper: usize,
    /// Of the units at 7x7.
    pub middle: usize,
    /// Residual blocks at 7x7.
    pub middle_blocks: usize,
    /// Of the unit at 3x3.
    pub deep: usize,
}

/// One convolution with its normalisation and ReLU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// Rows and columns of its input and its output.
    pub side: usize,
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// Whether what went into the unit before it is added before its ReLU.
    pub closes_block: bool,
    /// Whether its output is pooled, 2x2.
    pub is_pooled: bool,
}

/// Where the numbers of one unit lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitPlaces {
    /// Weights, `[tap][output channel][input channel]`; taps row by row.
    pub weights: Range<usize>,
    /// Scale and shift of the normalisation, a channel each.
    pub scales: Range<usize>,
    /// See `scales`.
    pub shifts: Range<usize>,
}

/// Where each layer's numbers lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The stem (weights `[tap][output channel]`), then the units.
    pub units: Vec<UnitPlaces>,
    /// Dense layer's weights `[output][channel]`.
    pub dense_weights: Range<usize>,
    /// Dense layer's biases.
    pub dense_biases: Range<usize>,
    /// How many numbers there are.
    pub len: usize,
}

impl Channels {
    /// Those of the network that ships.
    pub const DEFAULT: Channels = Channels {
        stem: 16,
        blocks: 1,
        upper: 32,
        middle: 64,
        middle_blocks: 0,
        deep: 128,
    };

    /// Those of the network that is best on Fashion-MNIST itself.
    pub const CATALOGUE: Channels = Channels {
        blocks: 2,
        middle_blocks: 1,
        ..Channels::DEFAULT
    };

    /// Stem first.
    pub fn units(&self) -> Vec<Unit> {
        let unit = |side, inputs, outputs| Unit {
            side,
            inputs,
            outputs,
            closes_block: false,
            is_pooled: false,
        };
        let block = |side, channels| {
            let closing = Unit {
                closes_block: true,
                ..unit(side, channels, channels)
            };
            [unit(side, channels, channels), closing]
        };
        let [whole, half, quarter, eighth] = [1, 2, 4, 8].map(|part| INPUT_SIDE / part);
        let mut stages = [
            vec![unit(whole, 1, self.stem)],
            vec![unit(half, self.stem, self.upper)],
            vec![unit(quarter, self.upper, self.middle)],
            vec![unit(eighth, self.middle, self.deep)],
        ];
        stages[0].extend((0..self.blocks).flat_map(|_| block(whole, self.stem)));
        stages[2].extend((0..self.middle_blocks).flat_map(|_| block(quarter, self.middle)));
        let behind_all = stages.len() - 1;
        for stage in &mut stages[..behind_all] {
            stage
                .last_mut()
                .expect("no stage is empty; this is a bug")
                .is_pooled = true;
        }
        stages.concat()
    }

    /// Where each layer's numbers lie.
    pub fn places(&self) -> Places {
        let mut next = 0;
        let mut take = |len: usize| {
            let from = next;
            next += len;
            from..next
        };
        let units = self
            .units()
            .iter()
            .map(|unit| UnitPlaces {
                weights: take(TAPS * unit.inputs * unit.outputs),
                scales: take(unit.outputs),
                shifts: take(unit.outputs),
            })
            .collect();
        let (dense_weights, dense_biases) = (take(OUTPUTS * self.deep), take(OUTPUTS));
        Places {
            units,
            dense_weights,
            dense_biases,
            len: next,
        }
    }

    /// How many numbers describe the batches' means and variances: two a channel, unit by unit, means first.
    pub fn statistics_len(&self) -> usize {
        self.units().iter().map(|unit| 2 * unit.outputs).sum()
    }
}
