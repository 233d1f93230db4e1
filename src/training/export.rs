//! A network as an ONNX file.
//!
//! In: a network, and what its file shall say about itself. Out: the bytes of an ONNX model: input `image` float32
//! `[N, 1, 28, 28]` with values 0..1, bright garment on black; output `probabilities` float32 `[N, 10]`. The same network
//! gives the same bytes. Never: files, training.

use onnx_rs::ast::{
    Attribute, AttributeType, DataType, Dimension, Graph, Model, Node, OpType, OperatorSetId,
    StringStringEntry, TensorProto, TensorShape, TensorShapeDimension, TensorTypeProto, TypeProto, TypeValue,
    ValueInfo,
};

use super::network::Network;
use super::network::architecture::{BLOCKS, LayerPlaces};
use super::network::conv::ConvShape;
use crate::domain::{INPUT_SIDE, LABEL_COUNT, Label, PreprocessingVersion};

/// Name of the input.
pub const INPUT_NAME: &str = "image";
/// Name of the output.
pub const OUTPUT_NAME: &str = "probabilities";
/// Key of the labels in the file's metadata: a JSON array in the order of the outputs.
pub const LABELS_KEY: &str = "labels";
/// Key of the preprocessing version in the file's metadata.
pub const PREPROCESSING_KEY: &str = "preprocessing_version";

/// Operator set 17 with IR version 8 (ONNX 1.12): every later ONNX Runtime reads it, and nothing newer is needed.
const OPERATOR_SET: i64 = 17;
const IR_VERSION: i64 = 8;

/// The network's ONNX file.
pub fn to_onnx(network: &Network, preprocessing: PreprocessingVersion) -> Vec<u8> {
    let labels = serde_json::to_string(&Label::NAMES)
        .expect("a list of names always has a JSON form; else this is a bug");
    let preprocessing = preprocessing.0.to_string();
    let graph = Graph {
        name: "hangtag",
        node: nodes(),
        initializer: weights(network),
        input: vec![value_info(INPUT_NAME, &[1, INPUT_SIDE as i64, INPUT_SIDE as i64])],
        output: vec![value_info(OUTPUT_NAME, &[LABEL_COUNT as i64])],
        ..Graph::default()
    };
    onnx_rs::encode(&Model {
        ir_version: IR_VERSION,
        opset_import: vec![OperatorSetId {
            domain: "",
            version: OPERATOR_SET,
        }],
        producer_name: env!("CARGO_PKG_NAME"),
        producer_version: env!("CARGO_PKG_VERSION"),
        graph: Some(graph),
        metadata_props: vec![
            StringStringEntry {
                key: LABELS_KEY,
                value: &labels,
            },
            StringStringEntry {
                key: PREPROCESSING_KEY,
                value: &preprocessing,
            },
        ],
        ..Model::default()
    })
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
    let node = |op_type, input: &[&'static str], output, attribute| Node {
        name: output,
        op_type,
        input: input.to_vec(),
        output: vec![output],
        attribute,
        ..Node::default()
    };
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

fn weights(network: &Network) -> Vec<TensorProto<'static>> {
    let architecture = network.architecture();
    let places = architecture.places();
    let all = network.parameters();
    let tensor = |name, dims: &[usize], values: Vec<f32>| {
        TensorProto::from_f32(name, dims.iter().map(|&dim| dim as i64).collect(), values)
    };
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
    let output = all[places.output.weights.clone()].to_vec();
    tensors.push(tensor(
        "output_weights",
        &[architecture.hidden, LABEL_COUNT],
        output,
    ));
    tensors.push(biases("output_biases", &places.output));
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

fn value_info(name: &'static str, dims: &[i64]) -> ValueInfo<'static> {
    let dimension = |value| TensorShapeDimension {
        value,
        denotation: "",
    };
    let mut dim = vec![dimension(Dimension::Param("N"))];
    dim.extend(dims.iter().map(|&value| dimension(Dimension::Value(value))));
    ValueInfo {
        name,
        r#type: Some(TypeProto {
            value: Some(TypeValue::Tensor(TensorTypeProto {
                elem_type: DataType::Float,
                shape: Some(TensorShape { dim }),
            })),
            denotation: "",
        }),
        ..ValueInfo::default()
    }
}

fn integers(name: &'static str, values: &[i64]) -> Attribute<'static> {
    Attribute {
        name,
        r#type: AttributeType::Ints,
        ints: values.to_vec(),
        ..Attribute::default()
    }
}

fn integer(name: &'static str, value: i64) -> Attribute<'static> {
    Attribute {
        name,
        r#type: AttributeType::Int,
        i: value,
        ..Attribute::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::network::Architecture;

    #[test]
    fn the_file_says_what_it_is_and_is_always_the_same() {
        let network = Network::new(Architecture::REFERENCE, 3);
        let bytes = to_onnx(&network, PreprocessingVersion(4));
        assert_eq!(bytes, to_onnx(&network, PreprocessingVersion(4)));
        let model = onnx_rs::parse(&bytes).unwrap();
        assert_eq!((model.ir_version, model.opset_import[0].version), (8, 17));
        assert_eq!(model.producer_name, "hangtag");
        let metadata = |key| {
            model
                .metadata_props
                .iter()
                .find(|entry| entry.key == key)
                .unwrap()
                .value
        };
        assert_eq!(metadata(PREPROCESSING_KEY), "4");
        let labels: Vec<String> = serde_json::from_str(metadata(LABELS_KEY)).unwrap();
        assert_eq!(labels, Label::NAMES);
        let graph = model.graph.unwrap();
        assert_eq!(
            (graph.input[0].name, graph.output[0].name),
            (INPUT_NAME, OUTPUT_NAME)
        );
        let numbers: i64 = graph
            .initializer
            .iter()
            .map(|tensor| tensor.dims().iter().product::<i64>())
            .sum();
        assert_eq!(numbers, 241_546);
    }

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
