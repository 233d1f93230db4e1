//! Gradients against numerical ones, layer by layer and for the whole network.

use super::conv::{self, Active, ConvShape, PooledGradient};
use super::dense::{self, DenseShape};
use super::engine::BatchPlace;
use super::first_conv;
use super::pool::{self, PooledTarget};
use super::shape::Plain;
use super::shard::{Shard, Weights};
use crate::domain::{INPUT_LEN, LABEL_COUNT};
use crate::training::network::numerical::{check, dot, random};
use crate::training::network::random::{Purpose, Stream};
use crate::training::network::{Architecture, Network, loss};

/// A convolution with pooling and ReLU behind it.
struct Block {
    shape: ConvShape,
    biases: Vec<f32>,
    output: Vec<f32>,
    winners: Vec<u8>,
}

impl Block {
    fn forward(&mut self, input: &[f32], weights: &[f32]) {
        let shape = self.shape;
        let mut by_patch = vec![0.0; weights.len()];
        conv::weights_by_patch(shape, weights, 0, &mut by_patch);
        let mut sums = vec![f32::NAN; shape.sums_len()];
        if shape.inputs == 1 {
            first_conv::forward(shape, input, &by_patch, &mut sums);
        } else {
            let mut patches = vec![f32::NAN; shape.patches_len()];
            conv::forward(shape, input, &by_patch, &mut patches, &mut sums);
        }
        self.output = vec![f32::NAN; shape.pooled_len()];
        self.winners = vec![9; shape.pooled_len()];
        let target = PooledTarget {
            values: &mut self.output,
            row_stride: shape.pooled_side() * shape.outputs,
            winners: &mut self.winners,
        };
        pool::forward(shape.pooled_side(), &sums, &self.biases, target);
    }
}

fn bordered(shape: ConvShape, stream: &mut Stream) -> Vec<f32> {
    let mut input = vec![0.0; shape.padded_len()];
    let row_len = shape.padded_side() * shape.inputs;
    for row in 1..=shape.side {
        let inner = row * row_len + shape.inputs;
        for value in &mut input[inner..inner + shape.side * shape.inputs] {
            *value = stream.next_unit() * 2.0 - 1.0;
        }
    }
    input
}

#[test]
fn convolutions_are_those_of_the_definition() {
    for (side, inputs, outputs) in [(7, 2, 3), (6, 1, 8), (5, 1, 3), (4, 32, 8), (5, 64, 3)] {
        let shape = ConvShape {
            side,
            inputs,
            outputs,
        };
        let mut stream = Stream::new(12, Purpose::Shuffle { epoch: 1 });
        let input = bordered(shape, &mut stream);
        let weights = random(shape.weights_len(), &mut stream);
        let biases = random(outputs, &mut stream);
        let mut block = Block {
            shape,
            biases,
            output: vec![],
            winners: vec![],
        };
        block.forward(&input, &weights);
        let sum = |row: usize, column: usize, output: usize| -> f64 {
            let tap = |at: usize| {
                let (y, x, channel) = (at / inputs / 3, at / inputs % 3, at % inputs);
                let place = (row + y) * shape.padded_side() + column + x;
                f64::from(input[place * inputs + channel]) * f64::from(weights[output * 9 * inputs + at])
            };
            (0..9 * inputs).map(tap).sum::<f64>() + f64::from(block.biases[output])
        };
        for (at, value) in block.output.iter().enumerate() {
            let (row, column) = (
                at / outputs / shape.pooled_side(),
                at / outputs % shape.pooled_side(),
            );
            let four = [0, 1, 2, 3].map(|n| sum(2 * row + n / 2, 2 * column + n % 2, at % outputs));
            let greatest = four.into_iter().fold(f64::NEG_INFINITY, f64::max);
            assert!(
                (f64::from(*value) - greatest.max(0.0)).abs() < 1e-4,
                "{value}, not {greatest}"
            );
            assert_eq!(four[usize::from(block.winners[at])], greatest);
        }
    }
}

#[test]
fn convolution_pooling_and_relu() {
    for (side, inputs, outputs) in [(7, 2, 3), (6, 1, 8), (5, 1, 3), (4, 32, 8), (5, 64, 3), (2, 4, 5)] {
        let shape = ConvShape {
            side,
            inputs,
            outputs,
        };
        let mut stream = Stream::new(11, Purpose::Shuffle { epoch: 1 });
        let input = bordered(shape, &mut stream);
        let weights = random(shape.weights_len(), &mut stream);
        let biases = random(outputs, &mut stream);
        let asked = random(shape.pooled_len(), &mut stream);
        let mut block = Block {
            shape,
            biases: biases.clone(),
            output: vec![],
            winners: vec![],
        };
        block.forward(&input, &weights);

        let mut active = Active::new(shape, 1);
        let pooled = PooledGradient {
            values: &block.output,
            gradient: &asked,
            row_stride: shape.pooled_side() * outputs,
            winners: &block.winners,
            scale: 1.0,
        };
        conv::list_active(shape, pooled, 0, &mut active);
        let (mut by_weight, mut by_bias) = (vec![0.0; weights.len()], vec![0.0; outputs]);
        conv::add_weight_gradient(shape, &input, &active, (&mut by_weight, &mut by_bias));
        let mut by_input = vec![0.0; input.len()];
        conv::add_input_gradient(shape, &weights, &active, &mut by_input);

        check(&weights, &by_weight, 1e-3, &mut |weights| {
            block.forward(&input, weights);
            dot(&block.output, &asked)
        });
        check(&input, &by_input, 1e-3, &mut |input| {
            block.forward(input, &weights);
            dot(&block.output, &asked)
        });
        check(&biases, &by_bias, 1e-3, &mut |biases| {
            block.biases = biases.to_vec();
            block.forward(&input, &weights);
            dot(&block.output, &asked)
        });
    }
}

#[test]
fn dense_layer() {
    let shape = DenseShape {
        inputs: 9,
        outputs: 5,
    };
    let images = 3;
    let mut stream = Stream::new(5, Purpose::Shuffle { epoch: 1 });
    let inputs = random(images * 9, &mut stream);
    let weights = random(9 * 5, &mut stream);
    let biases = random(5, &mut stream);
    let asked = random(images * 5, &mut stream);
    let mut outputs = vec![0.0; images * 5];
    let mut run = |inputs: &[f32], weights: &[f32], biases: &[f32]| {
        dense::forward(shape, inputs, (weights, biases), &mut outputs);
        dot(&outputs, &asked)
    };

    let mut by_input = vec![f32::NAN; inputs.len()];
    dense::input_gradient(shape, &asked, &weights, &mut by_input);
    check(&inputs, &by_input, 1e-2, &mut |inputs| {
        run(inputs, &weights, &biases)
    });
    let mut by_weight = vec![f32::NAN; weights.len()];
    let (first, second) = by_weight.split_at_mut(4 * 5);
    dense::weight_gradient(shape, &inputs, 0, &asked, first);
    dense::weight_gradient(shape, &inputs, 4, &asked, second);
    check(&weights, &by_weight, 1e-2, &mut |weights| {
        run(&inputs, weights, &biases)
    });
    let mut by_bias = vec![f32::NAN; 5];
    dense::bias_gradient(&asked, &mut by_bias);
    check(&biases, &by_bias, 1e-2, &mut |biases| {
        run(&inputs, &weights, biases)
    });
}

#[test]
fn relu_and_dropout() {
    let outputs = [0.0, 2.0, 0.5, 0.0];
    let mut gradient = [1.0, -3.0, 0.25, 9.0];
    dense::through_relu_and_dropout(&outputs, 2.0, &mut gradient);
    assert_eq!(gradient, [0.0, -6.0, 0.5, 0.0]);
    let mut values = [-1.0, 3.0, -0.0];
    dense::relu(&mut values);
    assert_eq!(values, [0.0, 3.0, 0.0]);
}

#[test]
fn softmax_and_cross_entropy() {
    let mut stream = Stream::new(3, Purpose::Shuffle { epoch: 1 });
    let sums = random(2 * LABEL_COUNT, &mut stream);
    let labels = [3, 9];
    let probabilities = |sums: &[f32]| {
        let mut values = sums.to_vec();
        values.chunks_exact_mut(LABEL_COUNT).for_each(loss::softmax);
        values
    };
    let mut gradient = vec![f32::NAN; sums.len()];
    loss::gradient(&probabilities(&sums), &labels, 0.5, &mut gradient);
    check(&sums, &gradient, 1e-2, &mut |sums| {
        0.5 * loss::tally(&probabilities(sums), &labels).loss_sum
    });
}

/// Dropout included: its choice depends on the place of the image alone, so that it is the same in every run.
#[test]
fn whole_network() {
    let architecture = Plain {
        filters: [4, 8, 8],
        hidden: 12,
        ..Plain::REFERENCE
    };
    let places = architecture.places();
    let network = Network::new(Architecture::Plain(architecture), 2);
    let mut stream = Stream::new(8, Purpose::Shuffle { epoch: 1 });
    let mut parameters = network.parameters().to_vec();
    // Biases begin at zero, where everything black is a bend.
    for layer in places.blocks.iter().chain([&places.hidden, &places.output]) {
        for bias in &mut parameters[layer.biases.clone()] {
            *bias = stream.next_unit() * 0.2 + 0.05;
        }
    }
    let images = 5;
    let pictures: Vec<f32> = (0..images * INPUT_LEN).map(|_| stream.next_unit()).collect();
    let labels = [1, 0, 9, 4, 4];
    let place = BatchPlace {
        seed: 4,
        epoch: 3,
        first: 64,
    };
    let mut shard = Shard::new(&architecture, images);
    let mut flat = vec![0.0; images * architecture.flat_len()];
    let mut hidden_gradient = vec![0.0; images * architecture.hidden];
    let mut run = |parameters: &[f32], gradient: Option<&mut Vec<f32>>| {
        let mut by_patch = architecture
            .convolutions()
            .map(|shape| vec![0.0; shape.weights_len()]);
        for ((shape, layer), by_patch) in architecture
            .convolutions()
            .into_iter()
            .zip(&places.blocks)
            .zip(&mut by_patch)
        {
            conv::weights_by_patch(shape, &parameters[layer.weights.clone()], 0, by_patch);
        }
        let weights = Weights {
            parameters,
            places: &places,
            by_patch: &by_patch,
        };
        shard.load(
            &|position, values| values.copy_from_slice(&pictures[position * INPUT_LEN..][..INPUT_LEN]),
            0..images,
        );
        shard.forward(weights, Some(place), &mut flat);
        let loss = loss::tally(shard.probabilities(), &labels).loss_sum;
        if let Some(gradient) = gradient {
            shard.backward(weights, &labels, 1.0, (&flat, &mut hidden_gradient));
            gradient.resize(places.hidden.weights.len(), 0.0);
            let shape = DenseShape {
                inputs: architecture.flat_len(),
                outputs: architecture.hidden,
            };
            dense::weight_gradient(shape, &flat, 0, &hidden_gradient, gradient);
            gradient.extend_from_slice(shard.gradient());
        }
        loss
    };
    let mut gradient = Vec::new();
    run(&parameters, Some(&mut gradient));
    for layer in places.blocks.iter().chain([&places.hidden, &places.output]) {
        for part in [layer.weights.clone(), layer.biases.clone()] {
            let mut all = parameters.clone();
            check(
                &parameters[part.clone()],
                &gradient[part.clone()],
                5e-4,
                &mut |values| {
                    all[part.clone()].copy_from_slice(values);
                    run(&all, None)
                },
            );
        }
    }
}
