//! What Muon's steps are: turns of one size in every direction, whatever the gradient's.

use super::muon::Workspace;
use super::optimiser::{Optimiser, State, StepShape};
use super::shape::{Channels, TAPS, Unit};
use crate::training::network::numerical::random;
use crate::training::network::random::{Purpose, Stream};

fn unit(inputs: usize, outputs: usize) -> Unit {
    Unit {
        side: 7,
        inputs,
        outputs,
        closes_block: false,
        is_pooled: false,
    }
}

fn stream() -> Stream {
    Stream::new(41, Purpose::Shuffle { epoch: 1 })
}

fn length(values: &[f32]) -> f64 {
    values
        .iter()
        .map(|&value| f64::from(value).powi(2))
        .sum::<f64>()
        .sqrt()
}

/// Numbers `[tap][output][input]` as a matrix `[output][tap and input]`.
fn rows(unit: Unit, values: &[f32]) -> Vec<Vec<f64>> {
    let row = |output: usize| {
        let numbers = (0..TAPS * unit.inputs).map(move |column| {
            let (tap, input) = (column / unit.inputs, column % unit.inputs);
            f64::from(values[(tap * unit.outputs + output) * unit.inputs + input])
        });
        numbers.collect()
    };
    (0..unit.outputs).map(row).collect()
}

/// Least and greatest singular value, by powers of the rows' products with one another.
fn singular_values(rows: &[Vec<f64>]) -> (f64, f64) {
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let gram: Vec<Vec<f64>> = rows
        .iter()
        .map(|row| rows.iter().map(|other| product(row, other)).collect())
        .collect();
    // Of `less - gram` if less is given: its greatest belongs to the least of `gram`.
    let greatest = |less: Option<f64>| {
        let mut vector: Vec<f64> = (0..rows.len()).map(|index| 1.0 + index as f64).collect();
        let mut value = 0.0;
        for _ in 0..2000 {
            let mut next: Vec<f64> = gram.iter().map(|row| product(row, &vector)).collect();
            if let Some(less) = less {
                next.iter_mut()
                    .zip(&vector)
                    .for_each(|(next, own)| *next = less * own - *next);
            }
            value = product(&next, &next).sqrt();
            vector = next.iter().map(|next| next / value).collect();
        }
        value
    };
    let most = greatest(None);
    ((most - greatest(Some(most))).max(0.0).sqrt(), most.sqrt())
}

/// What a step at rate 1 takes from the weights besides stretching them to their length.
fn update(unit: Unit, gradient: &[f32]) -> Vec<f32> {
    let mut weights = random(gradient.len(), &mut stream());
    let stretch = (unit.outputs as f64).sqrt() / length(&weights);
    let before = weights.clone();
    let mut momentum = vec![0.0; gradient.len()];
    Workspace::new(unit).step(&mut weights, gradient, &mut momentum, (1.0, 0.0));
    let pairs = before.iter().zip(&weights);
    pairs
        .map(|(before, after)| (f64::from(*before) * stretch) as f32 - after)
        .collect()
}

#[test]
fn a_steps_singular_values_are_about_one_whatever_the_gradients_are() {
    for (inputs, outputs, size) in [(1, 2, 1.0), (2, 4, 1e-4), (4, 8, 1e5)] {
        let unit = unit(inputs, outputs);
        // One direction that all outputs share is much stronger than the others.
        let mut stream = stream();
        let common = random(TAPS * inputs, &mut stream);
        let mut gradient = random(TAPS * inputs * outputs, &mut stream);
        for (index, value) in gradient.iter_mut().enumerate() {
            let column = index / (outputs * inputs) * inputs + index % inputs;
            *value = size * (common[column] + 0.4 * *value);
        }
        let (low, high) = singular_values(&rows(unit, &gradient));
        assert!(high / low > 2.0, "{low} to {high}: nothing is left to do");
        let found = update(unit, &gradient);
        let (low, high) = singular_values(&rows(unit, &found));
        assert!(low > 0.6 && high < 1.3, "{outputs} outputs: {low} to {high}");
        let along: f32 = found
            .iter()
            .zip(&gradient)
            .map(|(step, slope)| step * slope)
            .sum();
        assert!(along > 0.0, "it goes downhill");
    }
}

#[test]
fn a_gradient_of_one_direction_makes_a_step_in_that_direction_alone() {
    let unit = unit(2, 4);
    let mut gradient = vec![0.0; TAPS * 2 * 4];
    for (index, value) in gradient.iter_mut().enumerate() {
        *value = if index / 2 % 4 == 1 {
            0.1 + (index % 5) as f32
        } else {
            0.0
        };
    }
    let found = rows(unit, &update(unit, &gradient));
    for (output, row) in found.iter().enumerate() {
        let length = row.iter().map(|value| value * value).sum::<f64>().sqrt();
        let expected = if output == 1 { 0.6..1.3 } else { 0.0..1e-5 };
        assert!(expected.contains(&length), "row {output} is {length} long");
    }
}

#[test]
fn weights_keep_their_length_over_many_steps() {
    let (unit, rate) = (unit(3, 6), 0.05);
    let mut stream = stream();
    let mut weights = random(TAPS * 3 * 6, &mut stream);
    let mut momentum = vec![0.0; weights.len()];
    let mut workspace = Workspace::new(unit);
    let target = 6f64.sqrt();
    for step in 0..200 {
        let gradient = random(weights.len(), &mut stream);
        workspace.step(&mut weights, &gradient, &mut momentum, (rate, 0.8));
        // A step is at most about `rate` times the length long.
        let share = length(&weights) / target;
        assert!(
            (share - 1.0).abs() < 1.3 * f64::from(rate),
            "{share} after step {step}"
        );
    }
}

#[test]
fn a_gradient_of_zero_changes_no_direction_and_harms_nothing() {
    let unit = unit(3, 6);
    let nothing = vec![0.0; TAPS * 3 * 6];
    let before = random(nothing.len(), &mut stream());
    let (mut weights, mut momentum) = (before.clone(), nothing.clone());
    let mut workspace = Workspace::new(unit);
    workspace.step(&mut weights, &nothing, &mut momentum, (0.1, 0.8));
    assert_eq!(momentum, nothing);
    let stretch = (length(&weights) / length(&before)) as f32;
    let pairs = weights.iter().zip(&before);
    assert!(
        pairs
            .clone()
            .all(|(after, before)| (after - before * stretch).abs() < 1e-6)
    );

    // Weights of zero stay so, and the room to work in is fit for the next gradient.
    weights.fill(0.0);
    workspace.step(&mut weights, &nothing, &mut momentum, (0.1, 0.8));
    assert_eq!(weights, nothing);
    workspace.step(&mut weights, &before, &mut momentum, (0.1, 0.8));
    assert!(weights.iter().all(|weight| weight.is_finite()) && length(&weights) > 0.1);
}

#[test]
fn what_is_no_convolution_takes_plain_steps_and_the_mean_follows() {
    let channels = Channels {
        stem: 2,
        blocks: 1,
        upper: 3,
        middle: 3,
        middle_blocks: 1,
        deep: 4,
    };
    let places = channels.places();
    let before = vec![1.0; places.len];
    let mut parameters = before.clone();
    let mut state = State {
        momentum: vec![0.0; places.len],
        mean: before.clone(),
    };
    let mut gradient = vec![0.0; places.len];
    gradient[places.dense_weights.start] = 2.0;
    gradient[places.units[3].shifts.start] = 1.0;
    let shape = StepShape {
        momentum: 0.5,
        decay: 0.1,
        muon_factor: 3.0,
        averaging: 0.75,
    };
    let mut optimiser = Optimiser::new(&channels);
    optimiser.step(&places, (&mut parameters, &mut state), &gradient, (shape, 0.01));
    // Nesterov: the first step is (1 + momentum) times the gradient, decay included.
    for (place, expected) in [
        (places.dense_weights.start, 1.0 - 0.01 * 1.5 * 2.1),
        (places.dense_weights.start + 1, 1.0 - 0.01 * 1.5 * 0.1),
        (places.units[0].weights.start, 1.0 - 0.01 * 1.5 * 0.1),
        (places.dense_biases.start, 1.0),
        (places.units[0].scales.start, 1.0),
        (places.units[3].shifts.start, 1.0 - 0.01 * 1.5),
        (places.units[3].shifts.start + 1, 1.0),
    ] {
        assert!(
            (parameters[place] - expected).abs() < 1e-6,
            "{place}: {}",
            parameters[place]
        );
    }
    for unit in &places.units[1..] {
        let found = length(&parameters[unit.weights.clone()]);
        assert!(
            (found - (unit.scales.len() as f64).sqrt()).abs() < 1e-4,
            "{found}"
        );
    }
    for (mean, value) in state.mean.iter().zip(&parameters) {
        assert!((mean - (0.75 + 0.25 * value)).abs() < 1e-6);
    }
}
