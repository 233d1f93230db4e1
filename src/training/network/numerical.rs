//! Gradients by differences, to hold those of the layers against.
//!
//! In: a function, a place and a gradient. Out: nothing, or a panic. Never: anything outside tests.
//!
//! Nearly every function here is piecewise smooth in each single number, so that a central difference is exact but for
//! rounding, unless the step crosses a bend, which few do.

use super::random::Stream;

/// Numbers from -1 to 1.
pub fn random(len: usize, stream: &mut Stream) -> Vec<f32> {
    (0..len).map(|_| stream.next_unit() * 2.0 - 1.0).collect()
}

/// Summed products, in double precision.
pub fn dot(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// Compares `gradient` with central differences of `function` at some of the places, as vectors: the distance between
/// the two may be a fiftieth of their length.
pub fn check(values: &[f32], gradient: &[f32], step: f32, function: &mut dyn FnMut(&[f32]) -> f64) {
    let share = distance(values, gradient, step, function);
    assert!(
        share < 0.02,
        "{} numbers: the gradient is off by {share} of its length",
        values.len()
    );
}

/// How far `gradient` is from central differences of `function` at some of the places, in lengths of the latter.
pub fn distance(values: &[f32], gradient: &[f32], step: f32, function: &mut dyn FnMut(&[f32]) -> f64) -> f64 {
    assert_eq!(values.len(), gradient.len());
    // Odd, so that the places looked at are of every image.
    let stride = (values.len() / 97) | 1;
    let mut moved = values.to_vec();
    let (mut distance, mut length) = (0.0, 0.0);
    for at in (0..values.len()).step_by(stride) {
        moved[at] = values[at] + step;
        let above = function(&moved);
        moved[at] = values[at] - step;
        let below = function(&moved);
        moved[at] = values[at];
        let numerical = (above - below) / (2.0 * f64::from(step));
        distance += (numerical - f64::from(gradient[at])).powi(2);
        length += numerical.powi(2);
    }
    assert!(length > 1e-4, "nothing but zeros was compared");
    (distance / length).sqrt()
}
