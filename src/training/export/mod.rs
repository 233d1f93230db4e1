//! A network as an ONNX file.
//!
//! In: a network, how its confidences are tempered, and what its file shall say about itself. Out: the bytes of an ONNX
//! model: input `image` float32 `[N, 1, 28, 28]` with values 0..1, bright garment on black; output `probabilities`
//! float32 `[N, 10]`; from a network that knows of them, output `unknown` float32 `[N, 1]`, the probability that the
//! picture shows none of the ten. The same network gives the same bytes. Never: files, training.

mod plain;
pub mod residual;

use onnx_rs::ast::{
    Attribute, AttributeType, DataType, Dimension, Graph, Model, Node, OpType, OperatorSetId,
    StringStringEntry, TensorProto, TensorShape, TensorShapeDimension, TensorTypeProto, TypeProto, TypeValue,
    ValueInfo,
};

use super::network::{Architecture, Network};
use crate::domain::{INPUT_SIDE, Label, PreprocessingVersion};

/// Name of the input.
pub const INPUT_NAME: &str = "image";
/// Name of the output.
pub const OUTPUT_NAME: &str = "probabilities";
/// Name of the second output, of networks that have one.
pub const UNKNOWN_NAME: &str = "unknown";
/// Key of the labels in the file's metadata: a JSON array in the order of the outputs.
pub const LABELS_KEY: &str = "labels";
/// Key of the preprocessing version in the file's metadata.
pub const PREPROCESSING_KEY: &str = "preprocessing_version";

/// Operator set 17 with IR version 8 (ONNX 1.12): every later ONNX Runtime reads it, and nothing newer is needed.
const OPERATOR_SET: i64 = 17;
const IR_VERSION: i64 = 8;

/// A network's graph: what differs from kind to kind.
struct Body<'a> {
    nodes: Vec<Node<'a>>,
    weights: Vec<TensorProto<'a>>,
    outputs: Vec<ValueInfo<'a>>,
}

/// What the trained numbers leave open.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tempering {
    /// The sums before softmax are divided by this (Guo, Pleiss, Sun, Weinberger 2017), which changes confidences and no
    /// label; above 0.
    pub temperature: f64,
    /// Whether the file has the second output; of a plain network it never has.
    pub knows_unknown: bool,
}

impl Tempering {
    /// As trained.
    pub const NONE: Tempering = Tempering {
        temperature: 1.0,
        knows_unknown: false,
    };
}

/// The network's ONNX file.
pub fn to_onnx(network: &Network, tempering: Tempering, preprocessing: PreprocessingVersion) -> Vec<u8> {
    let labels = serde_json::to_string(&Label::NAMES)
        .expect("a list of names always has a JSON form; else this is a bug");
    let preprocessing = preprocessing.0.to_string();
    let names;
    let body = match network.architecture() {
        Architecture::Plain(shape) => plain::body(shape, network.parameters(), tempering.temperature),
        Architecture::Residual(channels) => {
            names = residual::Names::of(channels);
            residual::body(channels, network, tempering, &names)
        }
    };
    let graph = Graph {
        name: "hangtag",
        node: body.nodes,
        initializer: body.weights,
        input: vec![value_info(INPUT_NAME, &[1, INPUT_SIDE as i64, INPUT_SIDE as i64])],
        output: body.outputs,
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

/// A node that is called as its only output.
fn node<'a>(
    op_type: OpType<'a>,
    input: &[&'a str],
    output: &'a str,
    attribute: Vec<Attribute<'a>>,
) -> Node<'a> {
    Node {
        name: output,
        op_type,
        input: input.to_vec(),
        output: vec![output],
        attribute,
        ..Node::default()
    }
}

fn tensor<'a>(name: &'a str, dims: &[usize], values: Vec<f32>) -> TensorProto<'a> {
    TensorProto::from_f32(name, dims.iter().map(|&dim| dim as i64).collect(), values)
}

fn integers(name: &'static str, values: &[i64]) -> Attribute<'static> {
    Attribute {
        name,
        r#type: AttributeType::Ints,
        ints: values.to_vec(),
        ..Attribute::default()
    }
}

fn float(name: &'static str, value: f32) -> Attribute<'static> {
    Attribute {
        name,
        r#type: AttributeType::Float,
        f: value,
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

    #[test]
    fn the_file_says_what_it_is_and_is_always_the_same() {
        let network = Network::new(Architecture::REFERENCE, 3);
        let bytes = to_onnx(&network, Tempering::NONE, PreprocessingVersion(4));
        assert_eq!(bytes, to_onnx(&network, Tempering::NONE, PreprocessingVersion(4)));
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
}
