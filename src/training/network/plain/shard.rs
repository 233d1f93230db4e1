//! A fixed part of a batch: its buffers, its forward pass and its gradient.
//!
//! In: a few images and the network's weights. Out: probabilities, and the gradient of all parameters but the first
//! dense layer's weights (found for the whole batch by `engine`). Never: threads, allocation after `new`.

use std::ops::Range;

use super::conv::{self, Active, ConvShape, PooledGradient};
use super::dense::{self, DenseShape};
use super::engine::BatchPlace;
use super::first_conv;
use super::pool::{self, PooledTarget};
use super::shape::{BLOCKS, Places, Plain};
use crate::domain::{INPUT_LEN, INPUT_SIDE, LABEL_COUNT};
use crate::training::network::Pictures;
use crate::training::network::loss::{self, Tally};
use crate::training::network::random::{DropoutKey, Purpose, drop_out};

/// Images that go through a convolution together: more make longer matrix products, fewer keep the patches in cache.
/// The first convolution takes one at a time.
const FORWARD_GROUPS: [usize; BLOCKS] = [1, 1, 4];
/// Images whose gradients go back through a convolution together.
const BACKWARD_GROUPS: [usize; BLOCKS] = [1, 1, 4];

/// The network as a shard reads it.
#[derive(Debug, Clone, Copy)]
pub struct Weights<'a> {
    /// All parameters.
    pub parameters: &'a [f32],
    /// Where each layer's lie.
    pub places: &'a Places,
    /// The convolutions' weights, `[patch][output channel]`.
    pub by_patch: &'a [Vec<f32>; BLOCKS],
}

/// One block's buffers.
#[derive(Debug)]
struct Block {
    shape: ConvShape,
    /// Bordered input of every image.
    input: Vec<f32>,
    /// Gradient of that; empty in the first block, whose input is the picture.
    input_gradient: Vec<f32>,
    winners: Vec<u8>,
    active: Active,
}

/// Where the images of a block's output lie.
#[derive(Debug, Clone, Copy)]
struct Grid {
    image_len: usize,
    first: usize,
    row_stride: usize,
}

/// A fixed part of a batch.
#[derive(Debug)]
pub struct Shard {
    architecture: Plain,
    images: usize,
    blocks: [Block; BLOCKS],
    patches: Vec<f32>,
    sums: Vec<f32>,
    hidden: Vec<f32>,
    outputs: Vec<f32>,
    output_gradient: Vec<f32>,
    flat_gradient: Vec<f32>,
    gradient: Vec<f32>,
    first_image: usize,
    tally: Tally,
}

impl Shard {
    /// Buffers for up to `capacity` images.
    pub fn new(architecture: &Plain, capacity: usize) -> Self {
        let shapes = architecture.convolutions();
        let group = |block: usize| FORWARD_GROUPS[block].min(capacity);
        let widest = |len: fn(ConvShape) -> usize| {
            (0..BLOCKS)
                .map(|block| group(block) * len(shapes[block]))
                .max()
                .unwrap_or(0)
        };
        let mut number = 0;
        let blocks = shapes.map(|shape| {
            let block = Block {
                shape,
                input: vec![0.0; capacity * shape.padded_len()],
                input_gradient: vec![
                    0.0;
                    if number == 0 {
                        0
                    } else {
                        capacity * shape.padded_len()
                    }
                ],
                winners: vec![0; capacity * shape.pooled_len()],
                active: Active::new(shape, BACKWARD_GROUPS[number].min(capacity)),
            };
            number += 1;
            block
        });
        Self {
            architecture: *architecture,
            images: 0,
            blocks,
            patches: vec![0.0; widest(ConvShape::patches_len)],
            sums: vec![0.0; widest(ConvShape::sums_len)],
            hidden: vec![0.0; capacity * architecture.hidden],
            outputs: vec![0.0; capacity * LABEL_COUNT],
            output_gradient: vec![0.0; capacity * LABEL_COUNT],
            flat_gradient: vec![0.0; capacity * architecture.flat_len()],
            gradient: vec![0.0; architecture.parameter_count() - architecture.places().hidden.weights.len()],
            first_image: 0,
            tally: Tally::default(),
        }
    }

    /// Takes the images `range` of a batch.
    pub fn load(&mut self, pictures: Pictures, range: Range<usize>) {
        self.images = range.len();
        self.first_image = range.start;
        let input = &mut self.blocks[0].input;
        let shape = self.blocks[0].shape;
        let mut values = [0.0; INPUT_LEN];
        for (position, image) in range.zip(input.chunks_exact_mut(shape.padded_len())) {
            pictures(position, &mut values);
            let rows = image[shape.padded_side() + 1..].chunks_mut(shape.padded_side());
            for (to, from) in rows.zip(values.chunks_exact(INPUT_SIDE)) {
                to[..INPUT_SIDE].copy_from_slice(from);
            }
        }
    }

    /// Probabilities of the images; with a `place`, dropout is at work. `flat` receives the last block's output.
    pub fn forward(&mut self, weights: Weights, place: Option<BatchPlace>, flat: &mut [f32]) {
        for number in 0..BLOCKS {
            self.block_forward(number, weights, place, flat);
        }
        let places = weights.places;
        let (images, hidden_len) = (self.images, self.architecture.hidden);
        let hidden = &mut self.hidden[..images * hidden_len];
        let shape = DenseShape {
            inputs: self.architecture.flat_len(),
            outputs: hidden_len,
        };
        let parameters = weights.parameters;
        let of = |layer: &super::shape::LayerPlaces| {
            (
                &parameters[layer.weights.clone()],
                &parameters[layer.biases.clone()],
            )
        };
        dense::forward(shape, &flat[..images * shape.inputs], of(&places.hidden), hidden);
        dense::relu(hidden);
        if let Some(place) = place {
            for (image, values) in hidden.chunks_exact_mut(hidden_len).enumerate() {
                let key = dropout_key(place, self.first_image + image, BLOCKS);
                drop_out(values, 0, key, self.architecture.hidden_dropout);
            }
        }
        let outputs = &mut self.outputs[..images * LABEL_COUNT];
        dense::forward(
            DenseShape {
                inputs: hidden_len,
                outputs: LABEL_COUNT,
            },
            hidden,
            of(&places.output),
            outputs,
        );
        outputs.chunks_exact_mut(LABEL_COUNT).for_each(loss::softmax);
    }

    /// Gradient of `scale` times the summed loss; `flat` is what `forward` left there, and `hidden_gradient` receives
    /// the gradient of the first dense layer's sums.
    pub fn backward(
        &mut self,
        weights: Weights,
        labels: &[u8],
        scale: f32,
        (flat, hidden_gradient): (&[f32], &mut [f32]),
    ) {
        self.tally = loss::tally(self.probabilities(), labels);
        self.gradient.fill(0.0);
        self.dense_backward(weights, labels, scale, hidden_gradient);
        for number in (0..BLOCKS).rev() {
            self.block_backward(number, weights, flat);
        }
    }

    /// What `forward` found, `[image][label]`.
    pub fn probabilities(&self) -> &[f32] {
        &self.outputs[..self.images * LABEL_COUNT]
    }

    /// Loss and right answers that the last `backward` saw.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Gradient of all parameters behind the first dense layer's weights.
    pub fn gradient(&self) -> &[f32] {
        &self.gradient
    }

    fn block_forward(
        &mut self,
        number: usize,
        weights: Weights,
        place: Option<BatchPlace>,
        flat: &mut [f32],
    ) {
        let shape = self.blocks[number].shape;
        let grid = self.output_grid(number);
        let layer = &weights.places.blocks[number];
        let biases = &weights.parameters[layer.biases.clone()];
        let by_patch = &weights.by_patch[number];
        let (before, after) = self.blocks.split_at_mut(number + 1);
        let block = &mut before[number];
        let output = match after.first_mut() {
            Some(next) => next.input.as_mut_slice(),
            None => flat,
        };
        let group = FORWARD_GROUPS[number];
        for from in (0..self.images).step_by(group) {
            let to = (from + group).min(self.images);
            let input = &block.input[from * shape.padded_len()..to * shape.padded_len()];
            let sums = &mut self.sums[..(to - from) * shape.sums_len()];
            if number == 0 {
                first_conv::forward(shape, input, by_patch, sums);
            } else {
                conv::forward(shape, input, by_patch, &mut self.patches, sums);
            }
            for (image, sums) in (from..to).zip(sums.chunks_exact(shape.sums_len())) {
                let values = &mut output[image * grid.image_len + grid.first..(image + 1) * grid.image_len];
                let target = PooledTarget {
                    values: &mut *values,
                    row_stride: grid.row_stride,
                    winners: &mut block.winners[image * shape.pooled_len()..][..shape.pooled_len()],
                };
                pool::forward(shape.pooled_side(), sums, biases, target);
                if let Some(place) = place {
                    let key = dropout_key(place, self.first_image + image, number);
                    let row_len = shape.pooled_side() * shape.outputs;
                    let rows = values.chunks_mut(grid.row_stride).take(shape.pooled_side());
                    for (row, values) in rows.enumerate() {
                        let rate = self.architecture.block_dropout;
                        drop_out(&mut values[..row_len], row * row_len, key, rate);
                    }
                }
            }
        }
    }

    fn dense_backward(&mut self, weights: Weights, labels: &[u8], scale: f32, hidden_gradient: &mut [f32]) {
        let (images, hidden_len) = (self.images, self.architecture.hidden);
        let (places, parameters) = (weights.places, weights.parameters);
        let skipped = places.hidden.weights.len();
        let hidden = &self.hidden[..images * hidden_len];
        let output_gradient = &mut self.output_gradient[..images * LABEL_COUNT];
        loss::gradient(
            &self.outputs[..images * LABEL_COUNT],
            labels,
            scale,
            output_gradient,
        );

        let shape = DenseShape {
            inputs: hidden_len,
            outputs: LABEL_COUNT,
        };
        let part = |place: &Range<usize>| place.start - skipped..place.end - skipped;
        dense::weight_gradient(
            shape,
            hidden,
            0,
            output_gradient,
            &mut self.gradient[part(&places.output.weights)],
        );
        dense::bias_gradient(output_gradient, &mut self.gradient[part(&places.output.biases)]);
        let hidden_gradient = &mut hidden_gradient[..images * hidden_len];
        dense::input_gradient(
            shape,
            output_gradient,
            &parameters[places.output.weights.clone()],
            hidden_gradient,
        );
        let kept = 1.0 / (1.0 - self.architecture.hidden_dropout);
        dense::through_relu_and_dropout(hidden, kept, hidden_gradient);

        let shape = DenseShape {
            inputs: self.architecture.flat_len(),
            outputs: hidden_len,
        };
        dense::bias_gradient(hidden_gradient, &mut self.gradient[part(&places.hidden.biases)]);
        let flat_gradient = &mut self.flat_gradient[..images * shape.inputs];
        dense::input_gradient(
            shape,
            hidden_gradient,
            &parameters[places.hidden.weights.clone()],
            flat_gradient,
        );
    }

    fn block_backward(&mut self, number: usize, weights: Weights, flat: &[f32]) {
        let shape = self.blocks[number].shape;
        let grid = self.output_grid(number);
        let layer = &weights.places.blocks[number];
        let skipped = weights.places.hidden.weights.len();
        let (before, after) = self.blocks.split_at_mut(number + 1);
        let block = &mut before[number];
        let (values, gradient) = match after.first() {
            Some(next) => (next.input.as_slice(), next.input_gradient.as_slice()),
            None => (flat, self.flat_gradient.as_slice()),
        };
        // The biases of a layer stand right behind its weights.
        let own = &mut self.gradient[layer.weights.start - skipped..layer.biases.end - skipped];
        let (own_weights, own_biases) = own.split_at_mut(layer.weights.len());
        let group = BACKWARD_GROUPS[number];
        for from in (0..self.images).step_by(group) {
            let to = (from + group).min(self.images);
            block.active.clear();
            for image in from..to {
                let pooled = PooledGradient {
                    values: &values[image * grid.image_len + grid.first..(image + 1) * grid.image_len],
                    gradient: &gradient[image * grid.image_len + grid.first..(image + 1) * grid.image_len],
                    row_stride: grid.row_stride,
                    winners: &block.winners[image * shape.pooled_len()..][..shape.pooled_len()],
                    scale: 1.0 / (1.0 - self.architecture.block_dropout),
                };
                conv::list_active(
                    shape,
                    pooled,
                    (image - from) * shape.padded_len(),
                    &mut block.active,
                );
            }
            let range = from * shape.padded_len()..to * shape.padded_len();
            let input = &block.input[range.clone()];
            conv::add_weight_gradient(shape, input, &block.active, (&mut *own_weights, &mut *own_biases));
            if number > 0 {
                let input_gradient = &mut block.input_gradient[range];
                input_gradient.fill(0.0);
                let weights = &weights.parameters[layer.weights.clone()];
                conv::add_input_gradient(shape, weights, &block.active, input_gradient);
            }
        }
    }

    /// Where block `number` writes: into the next block's bordered input, or flat behind the last one.
    fn output_grid(&self, number: usize) -> Grid {
        let shape = self.blocks[number].shape;
        match self.blocks.get(number + 1) {
            Some(next) => {
                let row_stride = next.shape.padded_side() * next.shape.inputs;
                Grid {
                    image_len: next.shape.padded_len(),
                    first: row_stride + next.shape.inputs,
                    row_stride,
                }
            }
            None => Grid {
                image_len: shape.pooled_len(),
                first: 0,
                row_stride: shape.pooled_side() * shape.outputs,
            },
        }
    }
}

fn dropout_key(place: BatchPlace, image: usize, layer: usize) -> DropoutKey {
    let purpose = Purpose::Dropout {
        epoch: place.epoch,
        image: place.first + image as u32,
        layer: layer as u32,
    };
    DropoutKey::new(place.seed, purpose)
}
