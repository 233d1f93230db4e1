//! The optimiser of the residual network.
//!
//! In: a gradient and a rate. Out: changed numbers, and their running mean. Never: allocation after `new`.
//!
//! Convolutions behind the stem take Muon's steps, all else Nesterov's momentum with decoupled weight decay.

use rayon::prelude::*;

use super::muon::Workspace;
use super::shape::{Channels, Places};

/// How steps are taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepShape {
    /// Share of the momentum that is kept.
    pub momentum: f32,
    /// Decay of the weights of stem and dense layer.
    pub decay: f32,
    /// Rate of Muon's steps for each unit of rate.
    pub muon_factor: f32,
    /// Share of the running mean that a step keeps.
    pub averaging: f32,
}

impl StepShape {
    /// What was found to work; the mean's share is the learner's.
    pub const DEFAULT: StepShape = StepShape {
        momentum: 0.8,
        decay: 5e-4,
        muon_factor: 4.0,
        averaging: 0.998,
    };
}

/// What the optimiser keeps between steps, one number for each of the network's.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// Momentum.
    pub momentum: Vec<f32>,
    /// Running mean of the network's numbers.
    pub mean: Vec<f32>,
}

/// Takes steps.
#[derive(Debug)]
pub struct Optimiser {
    workspaces: Vec<Workspace>,
}

impl Optimiser {
    /// For networks of this shape.
    pub fn new(channels: &Channels) -> Self {
        Self {
            workspaces: channels
                .units()
                .iter()
                .skip(1)
                .map(|&unit| Workspace::new(unit))
                .collect(),
        }
    }

    /// One step.
    pub fn step(
        &mut self,
        places: &Places,
        (parameters, state): (&mut [f32], &mut State),
        gradient: &[f32],
        (shape, rate): (StepShape, f32),
    ) {
        // Convolutions first, each on a thread of its own.
        let mut parts = Vec::with_capacity(self.workspaces.len());
        let (mut rest, mut rest_momentum, mut at) = (&mut *parameters, &mut *state.momentum, 0);
        for (unit, workspace) in places.units.iter().skip(1).zip(&mut self.workspaces) {
            let (_, tail) = std::mem::take(&mut rest).split_at_mut(unit.weights.start - at);
            let (weights, tail) = tail.split_at_mut(unit.weights.len());
            let (_, momentum_tail) = std::mem::take(&mut rest_momentum).split_at_mut(unit.weights.start - at);
            let (momentum, momentum_tail) = momentum_tail.split_at_mut(unit.weights.len());
            (rest, rest_momentum, at) = (tail, momentum_tail, unit.weights.end);
            parts.push((workspace, weights, momentum, &gradient[unit.weights.clone()]));
        }
        parts
            .into_par_iter()
            .with_max_len(1)
            .for_each(|(workspace, weights, momentum, gradient)| {
                workspace.step(
                    weights,
                    gradient,
                    momentum,
                    (rate * shape.muon_factor, shape.momentum),
                );
            });
        let stem = &places.units[0];
        let mut plain = vec![(stem.weights.clone(), shape.decay)];
        for unit in &places.units {
            plain.push((unit.scales.clone(), 0.0));
            plain.push((unit.shifts.clone(), 0.0));
        }
        plain.push((places.dense_weights.clone(), shape.decay));
        plain.push((places.dense_biases.clone(), 0.0));
        for (place, decay) in plain {
            let numbers = parameters[place.clone()]
                .iter_mut()
                .zip(&mut state.momentum[place.clone()]);
            for ((value, momentum), &gradient) in numbers.zip(&gradient[place]) {
                let gradient = gradient + decay * *value;
                *momentum = shape.momentum * *momentum + gradient;
                *value -= rate * (gradient + shape.momentum * *momentum);
            }
        }
        for (mean, &value) in state.mean.iter_mut().zip(parameters.iter()) {
            *mean += (1.0 - shape.averaging) * (value - *mean);
        }
    }
}
