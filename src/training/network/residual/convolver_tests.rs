//! Every kernel against the one without registers.
//!
//! In: drawn planes and weights. Out: the same sums and gradients, whatever the width of a machine's registers. Never: a
//! kernel held against itself alone.

use super::super::planes_tests::{CASES, case, random_planes, stream};
use super::*;
use crate::training::network::numerical::random;
use pulp::Scalar;

/// What a kernel found, of sums and of weights' gradient.
type Found = [Vec<f32>; 2];

/// Sums and weights' gradient of a case, as the registers named by `run` find them.
fn found(convolver: &mut Convolver, (grid, unit): (Grid, Unit), run: impl Fn(Kernel)) -> Found {
    let mut stream = stream();
    let input = random_planes(grid, unit.inputs, &mut stream);
    let asked = random_planes(grid, unit.outputs, &mut stream);
    let weights = random(TAPS * unit.inputs * unit.outputs, &mut stream);
    let mut sums = vec![0.0; unit.outputs * grid.plane_len()];
    let weight = |tap: usize, output: usize, input: usize| {
        weights[(tap * unit.outputs + output) * unit.inputs + input]
    };
    let channels = (unit.inputs, unit.outputs);
    run(Kernel::Sums(convolver.sums_of(
        grid,
        channels,
        &weight,
        (&input, &mut sums),
    )));
    let mut gradient = vec![0.0; weights.len()];
    run(Kernel::WeightGradient(WeightGradient {
        grid,
        unit,
        turned: &mut convolver.turned,
        input: &input,
        sums_gradient: &asked,
        gradient: &mut gradient,
    }));
    [sums, gradient]
}

enum Kernel<'a> {
    Sums(Sums<'a, &'a dyn Fn(usize, usize, usize) -> f32>),
    WeightGradient(WeightGradient<'a>),
}

impl Kernel<'_> {
    fn run_with(self, simd: impl Simd) {
        match self {
            Kernel::Sums(sums) => simd.vectorize(sums),
            Kernel::WeightGradient(gradient) => simd.vectorize(gradient),
        }
    }
}

fn assert_near(wide: &Found, narrow: &Found, what: &str) {
    for (wide, narrow) in wide.iter().zip(narrow) {
        let mut pairs = wide.iter().zip(narrow);
        assert!(pairs.all(|(a, b)| (a - b).abs() < 1e-3), "{what}");
    }
}

/// A machine has one width; the others must not be found out by who has another machine. One convolver for all, the
/// largest first: what a unit left behind never reaches the next one.
#[test]
fn registers_of_every_width_find_the_same() {
    let mut cases = CASES.map(case);
    cases.sort_by_key(|(grid, unit)| std::cmp::Reverse(grid.pixels() * unit.inputs * unit.outputs));
    let most = cases.iter().map(|(grid, _)| grid.images).max().unwrap();
    let mut convolver = Convolver::new(&cases.map(|(_, unit)| unit), most);
    for case in cases {
        let what = format!("{case:?}");
        let usual = found(&mut convolver, case, |kernel| match kernel {
            Kernel::Sums(sums) => Arch::new().dispatch(sums),
            Kernel::WeightGradient(gradient) => Arch::new().dispatch(gradient),
        });
        let single = found(&mut convolver, case, |kernel| kernel.run_with(Scalar));
        assert_near(&usual, &single, &what);
        #[cfg(target_arch = "x86_64")]
        if let Some(eight) = pulp::x86::V3::try_new() {
            let eight = found(&mut convolver, case, |kernel| kernel.run_with(eight));
            // No width changes the order in which a sum is added.
            let bits = |found: &Found| {
                found
                    .each_ref()
                    .map(|values| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>())
            };
            assert_eq!(bits(&usual), bits(&eight), "{what}");
        }
    }
}
