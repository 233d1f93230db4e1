//! A dense layer and its gradients.
//!
//! In: inputs `[image][input]`, weights `[input][output]`, biases `[output]`. Out: outputs `[image][output]`, gradients. Never:
//! allocation, threads.

use crate::training::network::matmul::{Matrix, multiply};

/// Sizes of a dense layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DenseShape {
    /// Values in.
    pub inputs: usize,
    /// Values out.
    pub outputs: usize,
}

/// `outputs = inputs * weights + biases`, for `images` images.
pub fn forward(shape: DenseShape, inputs: &[f32], (weights, biases): (&[f32], &[f32]), outputs: &mut [f32]) {
    let images = outputs.len() / shape.outputs;
    multiply(
        Matrix::new(inputs, images, shape.inputs),
        Matrix::new(weights, shape.inputs, shape.outputs),
        outputs,
    );
    for row in outputs.chunks_exact_mut(shape.outputs) {
        for (value, bias) in row.iter_mut().zip(biases) {
            *value += bias;
        }
    }
}

/// Gradient of the inputs, from that of the outputs.
pub fn input_gradient(shape: DenseShape, gradient: &[f32], weights: &[f32], inputs: &mut [f32]) {
    let images = gradient.len() / shape.outputs;
    multiply(
        Matrix::new(gradient, images, shape.outputs),
        Matrix::new(weights, shape.inputs, shape.outputs).transposed(),
        inputs,
    );
}

/// Gradient of the weights between the inputs `from..` and all outputs, as many inputs as `weights` has rows for.
pub fn weight_gradient(
    shape: DenseShape,
    inputs: &[f32],
    from: usize,
    gradient: &[f32],
    weights: &mut [f32],
) {
    let images = gradient.len() / shape.outputs;
    let rows = weights.len() / shape.outputs;
    multiply(
        Matrix::new(inputs, images, shape.inputs)
            .columns(from, from + rows)
            .transposed(),
        Matrix::new(gradient, images, shape.outputs),
        weights,
    );
}

/// Gradient of the biases.
pub fn bias_gradient(gradient: &[f32], biases: &mut [f32]) {
    biases.fill(0.0);
    for row in gradient.chunks_exact(biases.len()) {
        for (bias, value) in biases.iter_mut().zip(row) {
            *bias += value;
        }
    }
}

/// Zero where the value is negative.
pub fn relu(values: &mut [f32]) {
    for value in values {
        *value = if *value > 0.0 { *value } else { 0.0 };
    }
}

/// Takes the gradient back through dropout and ReLU: what they let pass is what `outputs` has above zero.
pub fn through_relu_and_dropout(outputs: &[f32], scale: f32, gradient: &mut [f32]) {
    for (gradient, output) in gradient.iter_mut().zip(outputs) {
        *gradient = if *output > 0.0 { *gradient * scale } else { 0.0 };
    }
}
