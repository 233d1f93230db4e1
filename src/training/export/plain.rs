//! The graph of a plain network.
//!
//! In: its sizes and numbers. Out: nodes and weights. Never: the file around them.

use std::ops::Range;

use onnx_rs::ast::{Node, OpType, TensorProto};

use super::{Body, INPUT_NAME, OUTPUT_NAME, integer, integers, node, tensor, value_info};
use crate::domain::{INPUT_SIDE, LABEL_COUNT};
use crate::training::network::plain::Plain;
use crate::training::network::plain::conv::ConvShape;
use crate::training::network::plain::shape::{BLOCKS, LayerPlaces};

/// All of it.
pub(super) fn body(shape: &Plain, parameters: &[f32], temperature: f64) -> Body<'static> {
    Body {
        nodes: nodes(),
        weights: weights(shape, parameters, temperature),
        outputs: vec![value_info(OUTPUT_NAME, &[LABEL_COUNT as i64])],
    }
}

/// Names within one block: input, weights, biases, sums, after ReLU, output.
const BLOCK_NAMES: [[&str; 6]; BLOCKS] = [
    [
        INPUT_NAME,
        "conv1_weights",
        "conv1_biases",
        "conv1_sums",
        "conv1_relu",
        "conv1_pooled",
    ],
    [
        "conv1_pooled",
        "conv2_weights",
        "conv2_biases",
        "conv2_sums",
        "conv2_relu",
        "conv2_pooled",
    ],
    [
        "conv2_pooled",
        "conv3_weights",
        "conv3_biases",
        "conv3_sums",
        "conv3_relu",
        "conv3_pooled",
    ],
];

/// The graph; dropout does nothing outside training and is left out.
fn nodes() -> Vec<Node<'static>> {
    let mut nodes = Vec::new();
    let mut side = INPUT_SIDE;
    for [input, weights, biases, sums, positive, pooled] in BLOCK_NAMES {
        // Pooling leaves out the last row and column of an odd side: what is not computed is not missed, and a
        // quarter of the third convolution's work is saved.
        let end = if side.is_multiple_of(2) { 1 } else { 0 };
        side /= 2;
        let window = vec![
            integers("kernel_shape", &[3, 3]),
            integers("pads", &[1, 1, end, end]),
        ];
        nodes.push(node(OpType::Conv, &[input, weights, biases], sums, window));
        nodes.push(node(OpType::Relu, &[sums], positive, vec![]));
        let window = vec![integers("kernel_shape", &[2, 2]), integers("strides", &[2, 2])];
        nodes.push(node(OpType::MaxPool, &[positive], pooled, window));
    }
    let [.., pooled] = BLOCK_NAMES[BLOCKS - 1];
    nodes.push(node(OpType::Flatten, &[pooled], "flat", vec![integer("axis", 1)]));
    nodes.push(node(
        OpType::Gemm,
        &["flat", "hidden_weights", "hidden_biases"],
        "hidden_sums",
        vec![],
    ));
    nodes.push(node(OpType::Relu, &["hidden_sums"], "hidden", vec![]));
    nodes.push(node(
        OpType::Gemm,
        &["hidden", "output_weights", "output_biases"],
        "sums",
        vec![],
    ));
    nodes.push(node(
        OpType::Softmax,
        &["sums"],
        OUTPUT_NAME,
        vec![integer("axis", 1)],
    ));
    nodes
}

fn weights(architecture: &Plain, all: &[f32], temperature: f64) -> Vec<TensorProto<'static>> {
    let places = architecture.places();
    let biases =
        |name, layer: &LayerPlaces| tensor(name, &[layer.biases.len()], all[layer.biases.clone()].to_vec());
    let mut tensors = Vec::new();
    let shapes = architecture.convolutions();
    for (([_, weights_name, biases_name, ..], shape), layer) in
        BLOCK_NAMES.iter().zip(shapes).zip(&places.blocks)
    {
        let values = channels_before_window(shape, &all[layer.weights.clone()]);
        tensors.push(tensor(weights_name, &[shape.outputs, shape.inputs, 3, 3], values));
        tensors.push(biases(biases_name, layer));
    }
    let hidden = channels_before_places(shapes[BLOCKS - 1], &all[places.hidden.weights.clone()]);
    tensors.push(tensor(
        "hidden_weights",
        &[architecture.flat_len(), architecture.hidden],
        hidden,
    ));
    tensors.push(biases("hidden_biases", &places.hidden));
    let tempered = |place: Range<usize>| -> Vec<f32> {
        let numbers = all[place].iter();
        numbers
            .map(|&number| (f64::from(number) / temperature) as f32)
            .collect()
    };
    tensors.push(tensor(
        "output_weights",
        &[architecture.hidden, LABEL_COUNT],
        tempered(places.output.weights.clone()),
    ));
    tensors.push(tensor(
        "output_biases",
        &[LABEL_COUNT],
        tempered(places.output.biases.clone()),
    ));
    tensors
}

/// `[output][row][column][input]` -> `[output][input][row][column]`.
fn channels_before_window(shape: ConvShape, weights: &[f32]) -> Vec<f32> {
    weights
        .chunks_exact(shape.patch_len())
        .flat_map(|patch| {
            (0..shape.inputs).flat_map(move |input| patch.iter().skip(input).step_by(shape.inputs).copied())
        })
        .collect()
}

/// Rows of the first dense layer from `[row][column][channel]` to `[channel][row][column]`, the order in which ONNX
/// flattens the last block's output.
fn channels_before_places(shape: ConvShape, weights: &[f32]) -> Vec<f32> {
    let pixels = shape.pooled_side() * shape.pooled_side();
    let width = weights.len() / (pixels * shape.outputs);
    (0..shape.outputs)
        .flat_map(|channel| (0..pixels).map(move |pixel| pixel * shape.outputs + channel))
        .flat_map(|row| weights[row * width..][..width].iter().copied())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_change_their_order_and_nothing_else() {
        let shape = ConvShape {
            side: 2,
            inputs: 2,
            outputs: 1,
        };
        let weights: Vec<f32> = (0..18).map(|number| number as f32).collect();
        let expected: Vec<f32> = (0..9)
            .map(|n| n as f32 * 2.0)
            .chain((0..9).map(|n| n as f32 * 2.0 + 1.0))
            .collect();
        assert_eq!(channels_before_window(shape, &weights), expected);

        let shape = ConvShape {
            side: 4,
            inputs: 1,
            outputs: 3,
        };
        let rows: Vec<f32> = (0..12).flat_map(|row| [row as f32, row as f32 + 0.5]).collect();
        let turned = channels_before_places(shape, &rows);
        assert_eq!(turned[..10], [0.0, 0.5, 3.0, 3.5, 6.0, 6.5, 9.0, 9.5, 1.0, 1.5]);
    }
}
