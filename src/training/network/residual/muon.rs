//! Muon: momentum whose steps are made orthogonal.
//!
//! In: a convolution's gradient. Out: changed weights. Never: the weights of the stem, the normalisation or the dense
//! layer, which take plain steps (see `optimiser`).
//!
//! Source: K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024). The update of a matrix
//! `[output][tap and input]` is replaced by the nearest matrix whose singular values are about one, found by Newton and
//! Schulz's iteration, so that no direction dominates. Since normalisation makes a convolution's output independent of
//! its weights' length, that length is kept fixed: the rate alone then says how far a step turns.

use super::shape::{TAPS, Unit};
use crate::training::network::matmul::{Matrix, multiply};

/// Steps of the iteration.
const ITERATIONS: usize = 3;
/// Its coefficients, chosen by its authors for the steepest start.
const COEFFICIENTS: [f32; 3] = [3.4445, -4.7750, 2.0315];

/// Room to work in, for one unit.
#[derive(Debug)]
pub struct Workspace {
    rows: usize,
    columns: usize,
    matrix: Vec<f32>,
    square: Vec<f32>,
    fourth: Vec<f32>,
    next: Vec<f32>,
}

impl Workspace {
    /// For the weights of this unit.
    pub fn new(unit: Unit) -> Self {
        let (rows, columns) = (unit.outputs, TAPS * unit.inputs);
        Self {
            rows,
            columns,
            matrix: vec![0.0; rows * columns],
            square: vec![0.0; rows * rows],
            fourth: vec![0.0; rows * rows],
            next: vec![0.0; rows * columns],
        }
    }

    /// One step: `weights`, `gradient` and `momentum` are `[tap][output][input]`.
    pub fn step(
        &mut self,
        weights: &mut [f32],
        gradient: &[f32],
        momentum: &mut [f32],
        (rate, keep): (f32, f32),
    ) {
        let target = (self.rows as f32).sqrt();
        let length = weights.iter().map(|w| w * w).sum::<f32>().sqrt().max(1e-12);
        let inputs = self.columns / TAPS;
        let numbers = momentum
            .chunks_exact_mut(inputs)
            .zip(gradient.chunks_exact(inputs));
        for (row, (momentum, gradient)) in numbers.enumerate() {
            let place = self.place(row);
            let matrix = &mut self.matrix[place..][..inputs];
            for ((momentum, &gradient), matrix) in momentum.iter_mut().zip(gradient).zip(matrix) {
                *momentum = keep * *momentum + gradient;
                // Nesterov's look ahead.
                *matrix = gradient + keep * *momentum;
            }
        }
        self.orthogonalise();
        for (row, weights) in weights.chunks_exact_mut(inputs).enumerate() {
            let step = &self.matrix[self.place(row)..][..inputs];
            for (weight, step) in weights.iter_mut().zip(step) {
                *weight = *weight * (target / length) - rate * step;
            }
        }
    }

    /// Where the matrix has a row of inputs of the weights, of which there is one for each tap and output.
    fn place(&self, row: usize) -> usize {
        let (tap, output) = (row / self.rows, row % self.rows);
        output * self.columns + tap * (self.columns / TAPS)
    }

    fn orthogonalise(&mut self) {
        let (rows, columns) = (self.rows, self.columns);
        let length = self.matrix.iter().map(|v| v * v).sum::<f32>().sqrt() + 1e-7;
        self.matrix.iter_mut().for_each(|value| *value /= length);
        let [a, b, c] = COEFFICIENTS;
        for _ in 0..ITERATIONS {
            let matrix = Matrix::new(&self.matrix, rows, columns);
            multiply(matrix, matrix.transposed(), &mut self.square);
            let square = Matrix::new(&self.square, rows, rows);
            multiply(square, square, &mut self.fourth);
            for (fourth, square) in self.fourth.iter_mut().zip(&self.square) {
                *fourth = b * square + c * *fourth;
            }
            let factor = Matrix::new(&self.fourth, rows, rows);
            multiply(factor, matrix, &mut self.next);
            for (value, next) in self.matrix.iter_mut().zip(&self.next) {
                *value = a * *value + next;
            }
        }
    }
}
