//! The graph of a residual network, and the network again from such a file.
//!
//! In: its channels and numbers; or a file. Out: nodes and weights; or the network. Never: the file around them.
//!
//! Normalisations stand in the file as nodes of their own, with everything that was trained: ONNX Runtime folds them into
//! the convolutions when it opens the file, and a quick rebuild can go on from the model in service, of which nothing
//! but the file is needed.

use onnx_rs::ast::{Node, OpType, TensorProto};

use super::{
    Body, INPUT_NAME, OUTPUT_NAME, Tempering, UNKNOWN_NAME, integer, integers, node, tensor, value_info,
};
use crate::domain::LABEL_COUNT;
use crate::training::network::familiarity::Familiarity;
use crate::training::network::residual::norm::EPSILON;
use crate::training::network::residual::shape::{Channels, OUTPUTS, TAPS, Unit};
use crate::training::network::{Architecture, Network};

/// Names of one unit's values and weights.
struct UnitNames {
    weights: String,
    scales: String,
    shifts: String,
    means: String,
    variances: String,
    sums: String,
    normal: String,
    added: String,
    output: String,
    pooled: String,
}

/// Names of everything in the graph.
pub(super) struct Names(Vec<UnitNames>);

impl Names {
    /// Those of the units of such a network.
    pub(super) fn of(channels: &Channels) -> Self {
        let names = |number: usize| {
            let name = |what: &str| format!("unit{number}_{what}");
            UnitNames {
                weights: name("weights"),
                scales: name("scales"),
                shifts: name("shifts"),
                means: name("means"),
                variances: name("variances"),
                sums: name("sums"),
                normal: name("normal"),
                added: name("added"),
                output: name("output"),
                pooled: name("pooled"),
            }
        };
        Self((0..channels.units().len()).map(names).collect())
    }
}

const FEATURES: &str = "features";
const FLAT: &str = "flat";
const LABEL_SUMS: &str = "label_sums";
const UNKNOWN_SUM: &str = "unknown_sum";
const LABEL_WEIGHTS: &str = "label_weights";
const LABEL_BIASES: &str = "label_biases";
const UNKNOWN_WEIGHTS: &str = "unknown_weights";
const UNKNOWN_BIASES: &str = "unknown_biases";

/// Names of what tells "none of them" by familiarity.
mod familiar {
    pub const MEANS: &str = "feature_means";
    pub const DEVIATIONS: &str = "feature_deviations";
    pub const CENTRED: &str = "features_centred";
    pub const STANDARD: &str = "features_standard";
    pub const LENGTHS: &str = "features_squared";
    pub const EXAMPLES: &str = "examples";
    pub const EXAMPLE_LENGTHS: &str = "examples_squared_negative";
    pub const PRODUCTS: &str = "products";
    pub const CLOSENESS: &str = "distances_squared_negative";
    pub const BREADTH: &str = "breadth";
    pub const EXPONENTS: &str = "exponents";
    pub const LIKENESS: &str = "likeness";
    pub const WEIGHTS: &str = "familiarity_weights";
    pub const PLANE: &str = "familiarity_plane";
    pub const OFFSET: &str = "familiarity_offset";
    pub const OWN: &str = "own_sum";
    pub const TEMPERATURE: &str = "temperature";
    pub const UNTEMPERED: &str = "label_sums_untempered";
    pub const UNTEMPERED_LABELS: &str = "probabilities_untempered";
    pub const CERTAINTY: &str = "certainty";
    pub const CERTAINTY_WEIGHT: &str = "certainty_weight";
    pub const DOUBTED: &str = "own_sum_with_doubt";
}

/// All of it.
pub(super) fn body<'a>(
    channels: &Channels,
    network: &Network,
    tempering: Tempering,
    names: &'a Names,
) -> Body<'a> {
    let labels = value_info(OUTPUT_NAME, &[LABEL_COUNT as i64]);
    Body {
        nodes: nodes(
            &channels.units(),
            (tempering, network.familiarity().is_some()),
            names,
        ),
        weights: weights(channels, network, tempering, names),
        outputs: match tempering.knows_unknown {
            true => vec![labels, value_info(UNKNOWN_NAME, &[1])],
            false => vec![labels],
        },
    }
}

fn nodes<'a>(
    units: &[Unit],
    (tempering, by_familiarity): (Tempering, bool),
    Names(names): &'a Names,
) -> Vec<Node<'a>> {
    let pool = || vec![integers("kernel_shape", &[2, 2]), integers("strides", &[2, 2])];
    let mut nodes = Vec::new();
    let mut passed_on: Vec<&str> = vec![INPUT_NAME];
    for (number, (unit, names)) in units.iter().zip(names).enumerate() {
        let input = passed_on[number];
        let window = vec![integers("kernel_shape", &[3, 3]), integers("pads", &[1, 1, 1, 1])];
        nodes.push(node(OpType::Conv, &[input, &names.weights], &names.sums, window));
        let statistics = [
            names.sums.as_str(),
            &names.scales,
            &names.shifts,
            &names.means,
            &names.variances,
        ];
        nodes.push(node(
            OpType::BatchNormalization,
            &statistics,
            &names.normal,
            vec![super::float("epsilon", EPSILON)],
        ));
        let mut normal = names.normal.as_str();
        if unit.closes_block {
            // What went into the unit before this one.
            let added = [normal, passed_on[number - 1]];
            nodes.push(node(OpType::Add, &added, &names.added, vec![]));
            normal = &names.added;
        }
        nodes.push(node(OpType::Relu, &[normal], &names.output, vec![]));
        let mut output = names.output.as_str();
        if unit.is_pooled {
            nodes.push(node(OpType::MaxPool, &[output], &names.pooled, pool()));
            output = &names.pooled;
        }
        passed_on.push(output);
    }
    let last = passed_on[units.len()];
    let dense = || vec![integer("transB", 1)];
    nodes.push(node(OpType::GlobalMaxPool, &[last], FEATURES, vec![]));
    nodes.push(node(OpType::Flatten, &[FEATURES], FLAT, vec![integer("axis", 1)]));
    let labels = [FLAT, LABEL_WEIGHTS, LABEL_BIASES];
    nodes.push(node(OpType::Gemm, &labels, LABEL_SUMS, dense()));
    nodes.push(node(
        OpType::Softmax,
        &[LABEL_SUMS],
        OUTPUT_NAME,
        vec![integer("axis", 1)],
    ));
    if tempering.knows_unknown {
        if by_familiarity {
            nodes.extend(familiarity_nodes());
        } else {
            let unknown = [FLAT, UNKNOWN_WEIGHTS, UNKNOWN_BIASES];
            nodes.push(node(OpType::Gemm, &unknown, UNKNOWN_SUM, dense()));
        }
        nodes.push(node(OpType::Sigmoid, &[UNKNOWN_SUM], UNKNOWN_NAME, vec![]));
    }
    nodes
}

/// As `Familiarity::values` has it; of distances, `-|a - b|^2 = 2 a b - |b|^2 - |a|^2`. Doubt is about labels as they are before
/// the temperature, since that is fitted later.
fn familiarity_nodes<'a>() -> Vec<Node<'a>> {
    use familiar::*;
    let of_rows = || vec![integers("axes", &[1]), integer("keepdims", 1)];
    let twice = vec![super::float("alpha", 2.0), integer("transB", 1)];
    let products = [STANDARD, EXAMPLES, EXAMPLE_LENGTHS];
    let sum = || vec![integer("transB", 1)];
    vec![
        node(OpType::Sub, &[FLAT, MEANS], CENTRED, vec![]),
        node(OpType::Div, &[CENTRED, DEVIATIONS], STANDARD, vec![]),
        node(OpType::ReduceSumSquare, &[STANDARD], LENGTHS, of_rows()),
        node(OpType::Gemm, &products, PRODUCTS, twice),
        node(OpType::Sub, &[PRODUCTS, LENGTHS], CLOSENESS, vec![]),
        node(OpType::Div, &[CLOSENESS, BREADTH], EXPONENTS, vec![]),
        node(OpType::Exp, &[EXPONENTS], LIKENESS, vec![]),
        node(OpType::Gemm, &[FLAT, PLANE, OFFSET], OWN, sum()),
        node(OpType::Mul, &[LABEL_SUMS, TEMPERATURE], UNTEMPERED, vec![]),
        node(
            OpType::Softmax,
            &[UNTEMPERED],
            UNTEMPERED_LABELS,
            vec![integer("axis", 1)],
        ),
        node(OpType::ReduceMax, &[UNTEMPERED_LABELS], CERTAINTY, of_rows()),
        node(OpType::Gemm, &[CERTAINTY, CERTAINTY_WEIGHT, OWN], DOUBTED, sum()),
        node(OpType::Gemm, &[LIKENESS, WEIGHTS, DOUBTED], UNKNOWN_SUM, sum()),
    ]
}

fn familiarity_weights<'a>(familiarity: &Familiarity, temperature: f64) -> Vec<TensorProto<'a>> {
    use familiar::*;
    let width = familiarity.width();
    let count = familiarity.weights.len();
    let lengths = familiarity.examples.chunks_exact(width);
    let lengths = lengths.map(|example| -example.iter().map(|value| value * value).sum::<f32>());
    vec![
        tensor(MEANS, &[width], familiarity.means.clone()),
        tensor(DEVIATIONS, &[width], familiarity.deviations.clone()),
        tensor(EXAMPLES, &[count, width], familiarity.examples.clone()),
        tensor(EXAMPLE_LENGTHS, &[count], lengths.collect()),
        tensor(BREADTH, &[1], vec![familiarity.breadth()]),
        tensor(WEIGHTS, &[1, count], familiarity.weights.clone()),
        tensor(PLANE, &[1, width], familiarity.plane.clone()),
        tensor(TEMPERATURE, &[1], vec![temperature as f32]),
        // One less the certainty is the doubt.
        tensor(CERTAINTY_WEIGHT, &[1, 1], vec![-familiarity.doubt]),
        tensor(OFFSET, &[1], vec![familiarity.offset + familiarity.doubt]),
    ]
}

fn weights<'a>(
    channels: &Channels,
    network: &Network,
    Tempering {
        temperature,
        knows_unknown,
    }: Tempering,
    Names(names): &'a Names,
) -> Vec<TensorProto<'a>> {
    let (places, all) = (channels.places(), network.parameters());
    let mut statistics = network.numbers()[places.len..].as_chunks::<2>().0.iter();
    let mut tensors = Vec::new();
    for ((unit, names), places) in channels.units().iter().zip(names).zip(&places.units) {
        let taps = &all[places.weights.clone()];
        let shape = [unit.outputs, unit.inputs, 3, 3];
        tensors.push(tensor(&names.weights, &shape, taps_last(*unit, taps)));
        let of_channels = [unit.outputs];
        let (means, variances): (Vec<f32>, Vec<f32>) = statistics
            .by_ref()
            .take(unit.outputs)
            .map(|&[mean, variance]| (mean, variance))
            .unzip();
        tensors.push(tensor(
            &names.scales,
            &of_channels,
            all[places.scales.clone()].to_vec(),
        ));
        tensors.push(tensor(
            &names.shifts,
            &of_channels,
            all[places.shifts.clone()].to_vec(),
        ));
        tensors.push(tensor(&names.means, &of_channels, means));
        tensors.push(tensor(&names.variances, &of_channels, variances));
    }
    let (dense, biases) = (&all[places.dense_weights], &all[places.dense_biases]);
    let labels = LABEL_COUNT * channels.deep;
    let temper = |numbers: &[f32]| -> Vec<f32> {
        numbers
            .iter()
            .map(|&number| (f64::from(number) / temperature) as f32)
            .collect()
    };
    tensors.push(tensor(
        LABEL_WEIGHTS,
        &[LABEL_COUNT, channels.deep],
        temper(&dense[..labels]),
    ));
    tensors.push(tensor(
        LABEL_BIASES,
        &[LABEL_COUNT],
        temper(&biases[..LABEL_COUNT]),
    ));
    if let (true, Some(familiarity)) = (knows_unknown, network.familiarity()) {
        tensors.extend(familiarity_weights(familiarity, temperature));
    } else if knows_unknown {
        let rest = OUTPUTS - LABEL_COUNT;
        tensors.push(tensor(
            UNKNOWN_WEIGHTS,
            &[rest, channels.deep],
            dense[labels..].to_vec(),
        ));
        tensors.push(tensor(UNKNOWN_BIASES, &[rest], biases[LABEL_COUNT..].to_vec()));
    }
    tensors
}

/// The network in such a file, or what is wrong with it; `temperature` is what it was exported with. The file must know of
/// "none of them", by the network's own output.
pub fn network_from(onnx: &[u8], channels: Channels, temperature: f64) -> Result<Network, String> {
    let model = onnx_rs::parse(onnx).map_err(|error| format!("it cannot be parsed: {error}"))?;
    let graph = model.graph.ok_or("it has no graph")?;
    let values = |name: &str, count: usize| -> Result<Vec<f32>, String> {
        let found = graph.initializer.iter().find(|tensor| tensor.name() == name);
        let values = found
            .and_then(|tensor| tensor.as_f32())
            .map(|values| values.into_owned());
        values
            .filter(|values| values.len() == count)
            .ok_or_else(|| format!("it has no {name} of {count} numbers"))
    };
    let places = channels.places();
    let mut numbers = vec![0.0; places.len];
    for ((unit, names), places) in channels
        .units()
        .iter()
        .zip(&Names::of(&channels).0)
        .zip(&places.units)
    {
        let weights = values(&names.weights, places.weights.len())?;
        numbers[places.weights.clone()].copy_from_slice(&taps_first(*unit, &weights));
        numbers[places.scales.clone()].copy_from_slice(&values(&names.scales, unit.outputs)?);
        numbers[places.shifts.clone()].copy_from_slice(&values(&names.shifts, unit.outputs)?);
        let means = values(&names.means, unit.outputs)?;
        let variances = values(&names.variances, unit.outputs)?;
        numbers.extend(
            means
                .into_iter()
                .zip(variances)
                .flat_map(|(mean, variance)| [mean, variance]),
        );
    }
    let mut fill = |place: std::ops::Range<usize>, values: Vec<f32>, factor: f64| {
        let pairs = numbers[place].iter_mut().zip(values);
        pairs.for_each(|(number, value)| *number = (f64::from(value) * factor) as f32);
    };
    let (dense, biases) = (places.dense_weights, places.dense_biases);
    let (labels, all) = (LABEL_COUNT * channels.deep, OUTPUTS * channels.deep);
    let at = |from: usize, to: usize| dense.start + from..dense.start + to;
    fill(at(0, labels), values(LABEL_WEIGHTS, labels)?, temperature);
    fill(at(labels, all), values(UNKNOWN_WEIGHTS, all - labels)?, 1.0);
    let split = biases.start + LABEL_COUNT;
    fill(
        biases.start..split,
        values(LABEL_BIASES, LABEL_COUNT)?,
        temperature,
    );
    fill(
        split..biases.end,
        values(UNKNOWN_BIASES, OUTPUTS - LABEL_COUNT)?,
        1.0,
    );
    Network::from_numbers(Architecture::Residual(channels), numbers).ok_or("it has too few numbers".into())
}

/// `[tap][output][input]` -> `[output][input][tap]`.
fn taps_last(unit: Unit, weights: &[f32]) -> Vec<f32> {
    let size = unit.outputs * unit.inputs;
    (0..size)
        .flat_map(|pair| (0..TAPS).map(move |tap| tap * size + pair))
        .map(|place| weights[place])
        .collect()
}

/// The way back.
fn taps_first(unit: Unit, weights: &[f32]) -> Vec<f32> {
    let size = unit.outputs * unit.inputs;
    (0..TAPS)
        .flat_map(|tap| (0..size).map(move |pair| pair * TAPS + tap))
        .map(|place| weights[place])
        .collect()
}

#[cfg(test)]
mod tests;
