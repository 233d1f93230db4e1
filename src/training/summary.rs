//! The layers of a network as a table.
//!
//! In: a network's sizes. Out: a row a layer, and the text of the table. Never: weights.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::network::Architecture;
use super::network::plain::Plain;
use super::network::residual::shape::{Channels, OUTPUTS, TAPS};
use crate::domain::{INPUT_SIDE, LABEL_COUNT};

/// One layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerRow {
    /// What it does.
    pub layer: String,
    /// Sizes of what comes out, for one picture: channels x rows x columns, or values.
    pub output: Vec<usize>,
    /// Numbers that training finds.
    pub parameters: usize,
    /// Multiplications with additions for one picture, forward.
    pub multiply_adds: usize,
}

/// Every layer in order.
pub fn layers(architecture: &Architecture) -> Vec<LayerRow> {
    match architecture {
        Architecture::Plain(shape) => plain_layers(shape),
        Architecture::Residual(channels) => residual_layers(channels),
    }
}

fn row(layer: String, output: &[usize], parameters: usize, multiply_adds: usize) -> LayerRow {
    LayerRow {
        layer,
        output: output.to_vec(),
        parameters,
        multiply_adds,
    }
}

fn residual_layers(channels: &Channels) -> Vec<LayerRow> {
    let mut rows = vec![row("image".into(), &[1, INPUT_SIDE, INPUT_SIDE], 0, 0)];
    for unit in channels.units() {
        let weights = TAPS * unit.inputs * unit.outputs;
        let convolution = format!("convolution 3x3, {} -> {}", unit.inputs, unit.outputs);
        let shape = [unit.outputs, unit.side, unit.side];
        let pixels = unit.side * unit.side;
        rows.push(row(convolution, &shape, weights, weights * pixels));
        let behind = match unit.closes_block {
            true => "normalisation, + input of block, ReLU",
            false => "normalisation, ReLU",
        };
        rows.push(row(behind.into(), &shape, 2 * unit.outputs, 0));
        if unit.is_pooled {
            let half = unit.side / 2;
            rows.push(row("max-pool 2x2".into(), &[unit.outputs, half, half], 0, 0));
        }
    }
    let deep = channels.deep;
    rows.push(row("greatest of each channel".into(), &[deep], 0, 0));
    rows.push(row(
        format!("dense {deep} -> {LABEL_COUNT}, softmax; -> 1, sigmoid"),
        &[OUTPUTS],
        (deep + 1) * OUTPUTS,
        deep * OUTPUTS,
    ));
    rows
}

fn plain_layers(architecture: &Plain) -> Vec<LayerRow> {
    let mut rows = vec![row("image".into(), &[1, INPUT_SIDE, INPUT_SIDE], 0, 0)];
    for shape in architecture.convolutions() {
        let (side, pooled) = (shape.side, shape.pooled_side());
        rows.push(row(
            format!("convolution 3x3, {} -> {}, ReLU", shape.inputs, shape.outputs),
            &[shape.outputs, side, side],
            shape.weights_len() + shape.outputs,
            shape.weights_len() * side * side,
        ));
        rows.push(row("max-pool 2x2".into(), &[shape.outputs, pooled, pooled], 0, 0));
        let dropout = format!("dropout {:.2}", architecture.block_dropout);
        rows.push(row(dropout, &[shape.outputs, pooled, pooled], 0, 0));
    }
    let (flat, hidden) = (architecture.flat_len(), architecture.hidden);
    rows.push(row("flatten".into(), &[flat], 0, 0));
    rows.push(row(
        format!("dense {flat} -> {hidden}, ReLU"),
        &[hidden],
        (flat + 1) * hidden,
        flat * hidden,
    ));
    rows.push(row(
        format!("dropout {:.2}", architecture.hidden_dropout),
        &[hidden],
        0,
        0,
    ));
    rows.push(row(
        format!("dense {hidden} -> {LABEL_COUNT}, softmax"),
        &[LABEL_COUNT],
        (hidden + 1) * LABEL_COUNT,
        hidden * LABEL_COUNT,
    ));
    rows
}

/// Multiplications with additions of the whole network for one picture, forward.
pub fn multiply_adds(architecture: &Architecture) -> u64 {
    layers(architecture)
        .iter()
        .map(|row| row.multiply_adds as u64)
        .sum()
}

/// The table as text, with its totals in the last line.
pub fn table(rows: &[LayerRow]) -> String {
    let shape = |row: &LayerRow| {
        row.output
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" x ")
    };
    let mut text = format!(
        "{:<38} {:>14} {:>12} {:>15}\n",
        "layer", "output", "parameters", "multiply-adds"
    );
    let mut line = |layer: &str, output: &str, parameters: usize, multiply_adds: usize| {
        let (parameters, multiply_adds) = (grouped(parameters), grouped(multiply_adds));
        writeln!(
            text,
            "{layer:<38} {output:>14} {parameters:>12} {multiply_adds:>15}"
        )
        .expect("writing to a String never fails; if it does, this is a bug");
    };
    for row in rows {
        line(&row.layer, &shape(row), row.parameters, row.multiply_adds);
    }
    let total = |of: fn(&LayerRow) -> usize| rows.iter().map(of).sum();
    line(
        "total",
        "",
        total(|row| row.parameters),
        total(|row| row.multiply_adds),
    );
    text
}

/// Digits in groups of three: 241,546.
pub(super) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_network_sums_up_to_241546_parameters() {
        let rows = layers(&Architecture::REFERENCE);
        assert_eq!(rows.iter().map(|row| row.parameters).sum::<usize>(), 241_546);
        let text = table(&rows);
        assert!(
            text.lines().last().is_some_and(|line| line.contains("241,546")),
            "{text}"
        );
        assert!(text.contains("128 x 3 x 3") && text.contains("147,584"), "{text}");
    }

    #[test]
    fn residual_networks_are_as_large_as_the_documents_say() {
        for (network, parameters, multiplied) in [
            (Architecture::RESIDUAL, 103_483, 6_196_864),
            (Architecture::CATALOGUE, 182_139, 13_422_208),
        ] {
            let rows = layers(&network);
            assert_eq!(rows.iter().map(|row| row.parameters).sum::<usize>(), parameters);
            assert_eq!(network.parameter_count(), parameters);
            assert_eq!(multiply_adds(&network), multiplied);
        }
    }
}
