//! The convolution over planes and its gradients against their definitions, and that images keep to themselves.

use super::convolver::Convolver;
use super::head;
use super::planes::{self, Grid};
use super::shape::{TAPS, Unit};
use crate::training::network::numerical::{check, dot, random};
use crate::training::network::random::{Purpose, Stream};

/// Sides, images, input and output channels: odd sides; images, channels and both beyond what is done at a time, and no
/// multiple of it.
pub(super) const CASES: [(usize, usize, usize, usize); 14] = [
    (1, 2, 1, 1),
    (2, 3, 3, 5),
    (5, 1, 4, 2),
    (7, 3, 2, 3),
    (14, 6, 2, 3),
    (7, 20, 1, 17),
    (7, 3, 48, 9),
    (3, 40, 50, 13),
    (14, 3, 33, 8),
    (7, 64, 17, 9),
    (5, 64, 9, 8),
    (3, 70, 2, 10),
    (3, 100, 2, 10),
    (28, 3, 16, 9),
];

pub(super) fn stream() -> Stream {
    Stream::new(21, Purpose::Shuffle { epoch: 1 })
}

pub(super) fn case((side, images, inputs, outputs): (usize, usize, usize, usize)) -> (Grid, Unit) {
    let unit = Unit {
        side,
        inputs,
        outputs,
        closes_block: false,
        is_pooled: false,
    };
    (Grid { side, images }, unit)
}

/// Planes of random pixels, zero where no image is.
pub(super) fn random_planes(grid: Grid, channels: usize, stream: &mut Stream) -> Vec<f32> {
    let mut values = random(channels * grid.plane_len(), stream);
    for (value, mask) in values.iter_mut().zip(grid.mask().iter().cycle()) {
        *value *= mask;
    }
    values
}

/// What holds no image holds nothing.
pub(super) fn assert_rest_is_zero(grid: Grid, planes: &[f32]) {
    for slots in planes.chunks_exact(grid.slots()) {
        assert!(slots[grid.images..].iter().all(|value| *value == 0.0));
    }
}

/// Every channel, image, row and column, with the pixel's place.
fn pixels(grid: Grid, channels: usize) -> impl Iterator<Item = ([usize; 4], usize)> {
    (0..channels * grid.pixels()).map(move |number| {
        let (column, rest) = (number % grid.side, number / grid.side);
        let (row, rest) = (rest % grid.side, rest / grid.side);
        let (image, channel) = (rest % grid.images, rest / grid.images);
        let place = channel * grid.plane_len() + grid.place(row, column) + image;
        ([channel, image, row, column], place)
    })
}

/// A pixel's neighbour under a tap of the window, 0 outside the image; with `way` -1, under the tap across from it.
fn neighbour(
    grid: Grid,
    planes: &[f32],
    [channel, image, row, column]: [usize; 4],
    tap: usize,
    way: isize,
) -> f64 {
    let shifted = |place: usize, by: usize| place as isize + way * (by as isize - 1);
    let (row, column) = (shifted(row, tap / 3), shifted(column, tap % 3));
    let inside = 0..grid.side as isize;
    if !inside.contains(&row) || !inside.contains(&column) {
        return 0.0;
    }
    let place = channel * grid.plane_len() + grid.place(row as usize, column as usize) + image;
    f64::from(planes[place])
}

#[test]
fn a_convolution_is_that_of_the_definition() {
    for numbers in CASES {
        let ((grid, unit), mut stream) = (case(numbers), stream());
        let input = random_planes(grid, unit.inputs, &mut stream);
        let weights = random(TAPS * unit.inputs * unit.outputs, &mut stream);
        let mut sums = vec![f32::NAN; unit.outputs * grid.plane_len()];
        Convolver::new(&[unit], grid.images).forward(grid, unit, &weights, &input, &mut sums);
        assert_rest_is_zero(grid, &sums);
        for ([output, image, row, column], place) in pixels(grid, unit.outputs) {
            let product = |number: usize| {
                let (tap, channel) = (number / unit.inputs, number % unit.inputs);
                let weight = weights[(tap * unit.outputs + output) * unit.inputs + channel];
                f64::from(weight) * neighbour(grid, &input, [channel, image, row, column], tap, 1)
            };
            let expected: f64 = (0..TAPS * unit.inputs).map(product).sum();
            let found = f64::from(sums[place]);
            assert!(
                (found - expected).abs() < 1e-4,
                "{numbers:?}: {found}, not {expected}"
            );
        }
    }
}

#[test]
fn gradients_of_a_convolution_are_those_of_the_definition() {
    for numbers in CASES {
        let ((grid, unit), mut stream) = (case(numbers), stream());
        let input = random_planes(grid, unit.inputs, &mut stream);
        let asked = random_planes(grid, unit.outputs, &mut stream);
        let weights = random(TAPS * unit.inputs * unit.outputs, &mut stream);
        let weight_at =
            |tap: usize, output: usize, input: usize| (tap * unit.outputs + output) * unit.inputs + input;

        let mut by_input = vec![f32::NAN; unit.inputs * grid.plane_len()];
        Convolver::new(&[unit], grid.images).input_gradient(grid, unit, &weights, &asked, &mut by_input);
        assert_rest_is_zero(grid, &by_input);
        for ([channel, image, row, column], place) in pixels(grid, unit.inputs) {
            let product = |number: usize| {
                let (tap, output) = (number / unit.outputs, number % unit.outputs);
                f64::from(weights[weight_at(tap, output, channel)])
                    * neighbour(grid, &asked, [output, image, row, column], tap, -1)
            };
            let expected: f64 = (0..TAPS * unit.outputs).map(product).sum();
            let found = f64::from(by_input[place]);
            assert!(
                (found - expected).abs() < 1e-4,
                "{numbers:?}: {found}, not {expected}"
            );
        }

        // It is added to what is there.
        let mut by_weight = vec![0.5; weights.len()];
        Convolver::new(&[unit], grid.images).add_weight_gradient(grid, unit, &input, &asked, &mut by_weight);
        let mut expected = vec![0.5; weights.len()];
        for ([output, image, row, column], place) in pixels(grid, unit.outputs) {
            for number in 0..TAPS * unit.inputs {
                let (tap, channel) = (number / unit.inputs, number % unit.inputs);
                expected[weight_at(tap, output, channel)] +=
                    f64::from(asked[place]) * neighbour(grid, &input, [channel, image, row, column], tap, 1);
            }
        }
        for (found, expected) in by_weight.iter().zip(expected) {
            assert!(
                (f64::from(*found) - expected).abs() < 1e-3,
                "{numbers:?}: {found}, not {expected}"
            );
        }

        // A convolution is linear in its input and in its weights: all three ways to the same sum agree.
        let mut sums = vec![0.0; asked.len()];
        Convolver::new(&[unit], grid.images).forward(grid, unit, &weights, &input, &mut sums);
        let plain: Vec<f32> = by_weight.iter().map(|value| value - 0.5).collect();
        let ways = [dot(&sums, &asked), dot(&by_input, &input), dot(&plain, &weights)];
        assert!(
            ways.iter()
                .all(|way| (way - ways[0]).abs() < 1e-3 * ways[0].abs().max(1.0)),
            "{numbers:?}: {ways:?}"
        );
    }
}

#[test]
fn images_do_not_see_one_another() {
    for side in [2, 7, 14] {
        let ((grid, unit), mut stream) = (case((side, 3, 2, 2)), stream());
        let weights = random(TAPS * unit.inputs * unit.outputs, &mut stream);
        let pooled_grid = Grid {
            side: side / 2,
            ..grid
        };
        let pass = |input: &[f32]| {
            let (mut sums, mut gradient) = (vec![0.0; input.len()], vec![0.0; input.len()]);
            Convolver::new(&[unit], grid.images).forward(grid, unit, &weights, input, &mut sums);
            Convolver::new(&[unit], grid.images).input_gradient(grid, unit, &weights, input, &mut gradient);
            let mut pooled = vec![0.0; unit.outputs * pooled_grid.plane_len()];
            let mut winners = vec![0; unit.outputs * pooled_grid.plane_len()];
            planes::pool(grid, pooled_grid, &sums, &mut pooled, &mut winners);
            sums.iter_mut().for_each(|value| *value = value.max(0.0));
            let mut features = vec![0.0; grid.images * unit.outputs];
            head::greatest(
                grid,
                &sums,
                &mut features,
                &mut vec![0; grid.images * unit.outputs],
            );
            [sums, gradient, pooled, features]
        };
        let quiet = random_planes(grid, unit.inputs, &mut stream);
        let mut loud = quiet.clone();
        for ([_, image, ..], place) in pixels(grid, unit.inputs) {
            if image == 1 {
                loud[place] += 1e6;
            }
        }
        let (quiet, loud) = (pass(&quiet), pass(&loud));
        for (grid, [before, after]) in [
            (grid, [&quiet[0], &loud[0]]),
            (grid, [&quiet[1], &loud[1]]),
            (pooled_grid, [&quiet[2], &loud[2]]),
        ] {
            for ([_, image, ..], place) in pixels(grid, 2) {
                let is_same = before[place].to_bits() == after[place].to_bits();
                assert!(is_same || image == 1, "side {side}: image {image} has changed");
            }
        }
        assert_ne!(quiet[2], loud[2]);
        for image in [0, 2] {
            let of_image = |features: &[f32]| features[2 * image..][..2].to_vec();
            assert_eq!(of_image(&quiet[3]), of_image(&loud[3]));
        }
        assert_ne!(quiet[3][2..4], loud[3][2..4]);
    }
}

#[test]
fn pooling_takes_the_greatest_of_four_and_gives_its_gradient_back_to_what_relu_saw_of_it() {
    for side in [2, 6, 7, 14] {
        let (from, to) = (
            Grid { side, images: 40 },
            Grid {
                side: side / 2,
                images: 40,
            },
        );
        let (mut stream, channels) = (stream(), 2);
        let values = random_planes(from, channels, &mut stream);
        let asked = random_planes(to, channels, &mut stream);
        let mut winners = vec![9; channels * to.plane_len()];
        let mut pooled = vec![0.0; channels * to.plane_len()];
        planes::pool(from, to, &values, &mut pooled, &mut winners);
        assert_rest_is_zero(to, &pooled);
        for ([channel, image, row, column], place) in pixels(to, channels) {
            let at = |number: usize| {
                let place = from.place(2 * row + number / 2, 2 * column + number % 2);
                values[channel * from.plane_len() + place + image]
            };
            let greatest = (0..4).map(at).fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(pooled[place], greatest);
        }
        let mut gradient = vec![f32::NAN; values.len()];
        planes::unpool(from, to, &asked, (&pooled, &winners), &mut gradient);
        assert_rest_is_zero(from, &gradient);
        check(&values, &gradient, 1e-3, &mut |values| {
            let seen: Vec<f32> = values.iter().map(|value| value.max(0.0)).collect();
            planes::pool(from, to, &seen, &mut pooled, &mut winners);
            dot(&pooled, &asked)
        });
    }
}

#[test]
fn the_greatest_value_of_an_image_is_found_with_its_place() {
    let (grid, channels) = (Grid { side: 7, images: 3 }, 4);
    let mut values = random_planes(grid, channels, &mut stream());
    // As ReLU leaves them; one image has nothing at all in one channel.
    values.iter_mut().for_each(|value| *value = value.max(0.0));
    for ([channel, image, ..], place) in pixels(grid, channels) {
        if (channel, image) == (2, 1) {
            values[place] = 0.0;
        }
    }
    let (mut features, mut places) = (vec![f32::NAN; 12], vec![u32::MAX; 12]);
    head::greatest(grid, &values, &mut features, &mut places);
    let mut expected = vec![0.0f32; 12];
    for ([channel, image, ..], place) in pixels(grid, channels) {
        let greatest = &mut expected[image * channels + channel];
        *greatest = greatest.max(values[place]);
    }
    assert_eq!(features, expected);
    assert_eq!(features[channels + 2], 0.0);
    for (index, place) in places.iter().enumerate() {
        let plane = &values[index % channels * grid.plane_len()..];
        assert_eq!(plane[*place as usize], features[index]);
        assert_eq!(
            *place as usize % grid.slots(),
            index / channels,
            "it is the image's own"
        );
    }
}
