//! Adam (Kingma and Ba 2015), with the constants and the order of operations of Keras.
//!
//! In: gradients. Out: changed parameters. Never: allocation after `new`.

use multiversion::multiversion;

const BETA_1: f32 = 0.9;
const BETA_2: f32 = 0.999;
const EPSILON: f32 = 1e-7;

/// What Adam remembers between steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Adam {
    /// Running mean of each gradient.
    pub means: Vec<f32>,
    /// Running mean of each gradient's square.
    pub squares: Vec<f32>,
    /// `BETA_1` to the power of the steps taken.
    pub beta_1_power: f64,
    /// `BETA_2` to the power of the steps taken.
    pub beta_2_power: f64,
}

impl Adam {
    /// Before the first step, for so many parameters.
    pub fn new(parameters: usize) -> Self {
        Self {
            means: vec![0.0; parameters],
            squares: vec![0.0; parameters],
            beta_1_power: 1.0,
            beta_2_power: 1.0,
        }
    }

    /// Begins a step: the rate to give to `update` for every part of the parameters.
    pub fn begin_step(&mut self, learning_rate: f32) -> f32 {
        self.beta_1_power *= f64::from(BETA_1);
        self.beta_2_power *= f64::from(BETA_2);
        (f64::from(learning_rate) * (1.0 - self.beta_2_power).sqrt() / (1.0 - self.beta_1_power)) as f32
    }
}

/// One part of the parameters with what belongs to it.
#[derive(Debug)]
pub struct AdamPart<'a> {
    /// Parameters.
    pub parameters: &'a mut [f32],
    /// Their gradients.
    pub gradients: &'a [f32],
    /// Running means.
    pub means: &'a mut [f32],
    /// Running means of squares.
    pub squares: &'a mut [f32],
}

/// Takes the step for one part, with the rate that `begin_step` gave.
pub fn update(part: AdamPart, rate: f32) {
    update_vectorised(part.parameters, part.gradients, (part.means, part.squares), rate);
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn update_vectorised(
    parameters: &mut [f32],
    gradients: &[f32],
    (means, squares): (&mut [f32], &mut [f32]),
    rate: f32,
) {
    let moments = means.iter_mut().zip(squares);
    for ((parameter, &gradient), (mean, square)) in parameters.iter_mut().zip(gradients).zip(moments) {
        *mean += (gradient - *mean) * (1.0 - BETA_1);
        *square += (gradient * gradient - *square) * (1.0 - BETA_2);
        *parameter -= *mean * rate / (square.sqrt() + EPSILON);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_those_of_the_paper() {
        let rate = 0.01f64;
        let (mut x, mut mean, mut square) = (1.0f64, 0.0f64, 0.0f64);
        let mut parameters = [1.0f32];
        let mut adam = Adam::new(1);
        for step in 1..=50 {
            let gradient = 2.0 * x;
            mean = 0.9 * mean + 0.1 * gradient;
            square = 0.999 * square + 0.001 * gradient * gradient;
            let (unbiased, variance) = (
                mean / (1.0 - 0.9f64.powi(step)),
                square / (1.0 - 0.999f64.powi(step)),
            );
            x -= rate * unbiased / (variance.sqrt() + 1e-7);

            let rate = adam.begin_step(rate as f32);
            let gradients = [2.0 * parameters[0]];
            let (means, squares) = (&mut adam.means, &mut adam.squares);
            update(
                AdamPart {
                    parameters: &mut parameters,
                    gradients: &gradients,
                    means,
                    squares,
                },
                rate,
            );
            assert!(
                (f64::from(parameters[0]) - x).abs() < 1e-4,
                "step {step}: {} and {x}",
                parameters[0]
            );
        }
        assert!(x < 0.7);
    }
}
