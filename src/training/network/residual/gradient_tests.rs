//! Gradients of normalisation, stem and head against numerical ones, and those of the whole network.

use super::head::{self, LossShape, NONE};
use super::norm::{self, Backward, Statistics};
use super::planes::Grid;
use super::planes_tests::assert_rest_is_zero;
use super::shape::{Channels, OUTPUTS, TAPS};
use super::shard::{Normalising, Shard, Weights};
use super::stem::Stem;
use crate::domain::{INPUT_LEN, INPUT_SIDE, LABEL_COUNT};
use crate::training::network::numerical::{check, distance, dot, random};
use crate::training::network::random::{Purpose, Stream};

const LOSS: LossShape = LossShape {
    smoothing: 0.1,
    unknown_weight: 0.7,
    uniform_weight: 0.4,
};

fn stream() -> Stream {
    Stream::new(31, Purpose::Shuffle { epoch: 1 })
}

/// Normalisation of a few channels by what they are themselves, with something added before ReLU.
struct Normalised {
    grid: Grid,
    mask: Vec<f32>,
    added: Vec<f32>,
}

impl Normalised {
    fn channels<'a>(&self, values: &'a [f32]) -> impl Iterator<Item = &'a [f32]> {
        values.chunks_exact(self.grid.plane_len())
    }

    fn statistics(&self, sums: &[f32]) -> Vec<Statistics> {
        let pixels = self.grid.pixels();
        self.channels(sums)
            .map(|plane| norm::measure(plane, &self.mask, pixels))
            .collect()
    }

    fn forward(&self, sums: &[f32], added: &[f32], (scales, shifts): (&[f32], &[f32])) -> Vec<f32> {
        let mut output = vec![f32::NAN; sums.len()];
        let statistics = self.statistics(sums);
        for (channel, output) in output.chunks_exact_mut(self.grid.plane_len()).enumerate() {
            let plane = |values| self.channels(values).nth(channel);
            norm::normalise(
                plane(sums).unwrap(),
                statistics[channel].affine(scales[channel], shifts[channel]),
                plane(added),
                &self.mask,
                output,
            );
        }
        output
    }
}

#[test]
fn normalisation_by_the_batch_itself() {
    let grid = Grid { side: 5, images: 40 };
    let (mut stream, channels) = (stream(), 3);
    let len = channels * grid.plane_len();
    let normalised = Normalised {
        grid,
        mask: grid.mask(),
        added: random(len, &mut stream),
    };
    let sums: Vec<f32> = random(len, &mut stream)
        .iter()
        .map(|value| 3.0 * value + 1.0)
        .collect();
    let (scales, shifts) = (vec![1.2, 0.7, -0.9], vec![0.1, -0.2, 0.3]);
    for added in [&normalised.added[..], &[]] {
        let run = |sums: &[f32], added: &[f32], scales: &[f32], shifts: &[f32]| {
            normalised.forward(sums, added, (scales, shifts))
        };
        let output = run(&sums, added, &scales, &shifts);
        assert_rest_is_zero(grid, &output);
        let asked = random(len, &mut stream);
        let statistics = normalised.statistics(&sums);
        let (mut gradient, mut by_sum) = (vec![f32::NAN; len], vec![f32::NAN; len]);
        norm::through_relu(&output, &asked, &mut gradient);
        let (mut by_scale, mut by_shift) = (Vec::new(), Vec::new());
        for channel in 0..channels {
            let plane = channel * grid.plane_len()..(channel + 1) * grid.plane_len();
            let (scale, shift) = norm::through(
                Backward {
                    sums: &sums[plane.clone()],
                    statistics: statistics[channel],
                    scale: scales[channel],
                    mask: &normalised.mask,
                    pixels: grid.pixels(),
                },
                &gradient[plane.clone()],
                &mut by_sum[plane],
            );
            by_scale.push(scale);
            by_shift.push(shift);
        }
        assert_rest_is_zero(grid, &by_sum);
        assert_rest_is_zero(grid, &gradient);
        check(&sums, &by_sum, 1e-3, &mut |sums| {
            dot(&run(sums, added, &scales, &shifts), &asked)
        });
        check(&scales, &by_scale, 1e-3, &mut |scales| {
            dot(&run(&sums, added, scales, &shifts), &asked)
        });
        check(&shifts, &by_shift, 1e-3, &mut |shifts| {
            dot(&run(&sums, added, &scales, shifts), &asked)
        });
        if !added.is_empty() {
            check(added, &gradient, 1e-3, &mut |added| {
                dot(&run(&sums, added, &scales, &shifts), &asked)
            });
        }
    }
}

#[test]
fn what_is_measured_is_mean_and_variance_of_the_pixels() {
    let grid = Grid { side: 3, images: 40 };
    let mask = grid.mask();
    let mut plane = vec![1e6; grid.plane_len()];
    let pixels: Vec<f64> = (0..grid.pixels())
        .map(|number| (number * number % 11) as f64 + 5.0)
        .collect();
    let places = plane.iter_mut().zip(mask.iter().cycle());
    let places = places.filter(|(_, mask)| **mask > 0.0).map(|(place, _)| place);
    places
        .zip(&pixels)
        .for_each(|(place, &value)| *place = value as f32);
    let found = norm::measure(&plane, &mask, grid.pixels());
    let mean = pixels.iter().sum::<f64>() / pixels.len() as f64;
    let variance = pixels.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / pixels.len() as f64;
    assert!(
        (f64::from(found.mean) - mean).abs() < 1e-5,
        "{found:?}, not {mean}"
    );
    assert!(
        (f64::from(found.variance) - variance).abs() < 1e-4,
        "{found:?}, not {variance}"
    );
    let (factor, summand) = found.affine(2.0, 0.5);
    let normal = |value: f64| (value - mean) / (variance + f64::from(norm::EPSILON)).sqrt();
    for value in pixels {
        let expected = 2.0 * normal(value) + 0.5;
        assert!((f64::from(factor) * value + f64::from(summand) - expected).abs() < 1e-4);
    }
}

#[test]
fn stem() {
    let (images, channels) = (20, 5);
    let grid = Grid {
        side: INPUT_SIDE,
        images,
    };
    let mut stream = stream();
    let pictures = random(images * INPUT_LEN, &mut stream);
    let weights = random(TAPS * channels, &mut stream);
    let mut asked = random(channels * grid.plane_len(), &mut stream);
    for (value, mask) in asked.iter_mut().zip(grid.mask().iter().cycle()) {
        *value *= mask;
    }
    let mut stem = Stem::new(channels, grid);
    for (image, picture) in pictures.chunks_exact(INPUT_LEN).enumerate() {
        stem.load(image, picture);
    }
    let mut output = vec![0.0; asked.len()];
    stem.forward(&weights, &mut output);
    assert_rest_is_zero(grid, &output);

    let sum = |image: usize, channel: usize, row: usize, column: usize| -> f64 {
        let product = |tap: usize| {
            let (row, column) = (
                (row + tap / 3).wrapping_sub(1),
                (column + tap % 3).wrapping_sub(1),
            );
            let inside = row < INPUT_SIDE && column < INPUT_SIDE;
            let value = if inside {
                pictures[image * INPUT_LEN + row * INPUT_SIDE + column]
            } else {
                0.0
            };
            f64::from(value) * f64::from(weights[tap * channels + channel])
        };
        (0..TAPS).map(product).sum()
    };
    for number in 0..channels * grid.pixels() {
        let (column, row) = (number % grid.side, number / grid.side % grid.side);
        let (image, channel) = (number / (grid.side * grid.side) % images, number / grid.pixels());
        let expected = sum(image, channel, row, column);
        let found = output[channel * grid.plane_len() + grid.place(row, column) + image];
        assert!(
            (f64::from(found) - expected).abs() < 1e-5,
            "{found}, not {expected}"
        );
    }

    let mut gradient = vec![0.0; weights.len()];
    stem.add_weight_gradient(&asked, &mut gradient);
    check(&weights, &gradient, 1e-3, &mut |weights| {
        stem.forward(weights, &mut output);
        dot(&output, &asked)
    });
}

/// The loss as it is described, each picture's times its weight.
fn loss(shape: LossShape, probabilities: &[f32], labels: &[u8], weights: &[f32]) -> f64 {
    let rows = probabilities.chunks_exact(OUTPUTS).zip(labels).zip(weights);
    rows.map(|((row, &label), &weight)| {
        let (row, unknown) = row.split_at(LABEL_COUNT);
        let logs: Vec<f64> = row
            .iter()
            .map(|&probability| f64::from(probability).ln())
            .collect();
        let even = -logs.iter().sum::<f64>() / LABEL_COUNT as f64;
        let unknown = f64::from(unknown[0]);
        let (smoothing, is_known) = (f64::from(shape.smoothing), label != NONE);
        let of_labels = match is_known {
            true => -(1.0 - smoothing) * logs[usize::from(label)] + smoothing * even,
            false => f64::from(shape.uniform_weight) * even,
        };
        let of_unknown = -(if is_known { 1.0 - unknown } else { unknown }).ln();
        f64::from(weight) * (of_labels + f64::from(shape.unknown_weight) * of_unknown)
    })
    .sum()
}

#[test]
fn head_with_smoothing_unknown_and_even_answers() {
    let labels = [3, NONE, 9, 0, NONE];
    let weights = [0.2, 0.4, 0.1, 0.2, 0.3];
    let sums = random(labels.len() * OUTPUTS, &mut stream());
    let probabilities = |sums: &[f32]| {
        let mut values = sums.to_vec();
        head::probabilities(&mut values);
        values
    };
    for shape in [
        LOSS,
        LossShape {
            smoothing: 0.0,
            ..LOSS
        },
        LossShape {
            unknown_weight: 0.0,
            ..LOSS
        },
        LossShape {
            uniform_weight: 0.0,
            ..LOSS
        },
    ] {
        let mut gradient = vec![f32::NAN; sums.len()];
        head::gradient(shape, &probabilities(&sums), (&labels, &weights), &mut gradient);
        check(&sums, &gradient, 1e-2, &mut |sums| {
            loss(shape, &probabilities(sums), &labels, &weights)
        });
    }
    let mut losses = [f32::NAN; 5];
    let found = probabilities(&sums);
    let tally = head::tally(&found, &labels, &mut losses);
    assert_eq!(
        tally.images, 3,
        "what shows nothing known has no label to be right about"
    );
    assert_eq!((losses[1], losses[4]), (0.0, 0.0));
    let expected = -f64::from(found[3]).ln();
    assert!((f64::from(losses[0]) - expected).abs() < 1e-6);
    assert!((losses.iter().map(|&loss| f64::from(loss)).sum::<f64>() - tally.loss_sum).abs() < 1e-6);
}

/// All layers behind one another, in the mode of training.
struct Whole {
    channels: Channels,
    labels: Vec<u8>,
    shares: Vec<f32>,
    shard: Shard,
}

impl Whole {
    fn new(blocks: usize) -> Self {
        let channels = Channels {
            stem: 3,
            blocks,
            upper: 4,
            middle: 4,
            middle_blocks: 1,
            deep: 5,
        };
        let labels = vec![1, NONE, 9, 4];
        let mut shard = Shard::new(&channels, labels.len());
        let mut stream = stream();
        for position in 0..labels.len() {
            shard.load(position, &random(INPUT_LEN, &mut stream));
        }
        Self {
            channels,
            labels,
            shares: vec![0.3, 0.2, 0.4, 0.1],
            shard,
        }
    }

    fn loss(&mut self, parameters: &[f32], normalising: Normalising) -> f64 {
        let places = self.channels.places();
        let weights = Weights {
            parameters,
            places: &places,
        };
        self.shard.forward(weights, normalising);
        loss(LOSS, self.shard.probabilities(), &self.labels, &self.shares)
    }

    fn gradient(&mut self, parameters: &[f32]) -> Vec<f32> {
        let places = self.channels.places();
        let weights = Weights {
            parameters,
            places: &places,
        };
        self.shard.forward(weights, Normalising::ByBatch);
        self.shard.backward(weights, (&self.labels, &self.shares), LOSS);
        self.shard.gradient().to_vec()
    }
}

/// Numbers of every kind, none at its beginning, where shifts of zero make bends frequent.
fn parameters(channels: &Channels) -> Vec<f32> {
    let mut stream = stream();
    let mut parameters = super::fresh(channels, 3);
    for unit in channels.places().units {
        for (scale, shift) in unit.scales.zip(unit.shifts) {
            parameters[scale] = stream.next_unit() + 0.5;
            parameters[shift] = stream.next_unit() * 0.4 - 0.1;
        }
    }
    for bias in channels.places().dense_biases {
        parameters[bias] = stream.next_unit() - 0.5;
    }
    parameters
}

#[test]
fn whole_network() {
    check_whole(1);
}

#[test]
fn whole_network_with_one_block_behind_another() {
    check_whole(2);
}

fn check_whole(blocks: usize) {
    let mut whole = Whole::new(blocks);
    let parameters = parameters(&whole.channels);
    let gradient = whole.gradient(&parameters);
    let places = whole.channels.places();
    let mut parts = vec![places.dense_weights, places.dense_biases];
    for unit in places.units {
        parts.extend([unit.weights, unit.scales, unit.shifts]);
    }
    assert_eq!(parts.iter().map(|part| part.len()).sum::<usize>(), places.len);
    for part in parts {
        let mut all = parameters.clone();
        let share = distance(
            &parameters[part.clone()],
            &gradient[part.clone()],
            2e-4,
            &mut |values| {
                all[part.clone()].copy_from_slice(values);
                whole.loss(&all, Normalising::ByBatch)
            },
        );
        // What the stem changes goes over more bends than one layer has.
        assert!(
            share < 0.03,
            "{part:?}: the gradient is off by {share} of its length"
        );
    }
}

#[test]
fn given_statistics_take_the_place_of_the_batchs_own() {
    let mut whole = Whole::new(1);
    let parameters = parameters(&whole.channels);
    let by_batch = whole.loss(&parameters, Normalising::ByBatch);
    let own: Vec<Statistics> = whole.shard.statistics().collect();
    assert_eq!(2 * own.len(), whole.channels.statistics_len());
    assert_eq!(whole.loss(&parameters, Normalising::By(&own)), by_batch);

    // Then a picture's answer is its own affair.
    let answers = |whole: &Whole| whole.shard.probabilities().to_vec();
    let before = answers(&whole);
    whole.shard.load(1, &[1.0; INPUT_LEN]);
    whole.loss(&parameters, Normalising::By(&own));
    let after = answers(&whole);
    for (image, (before, after)) in before.chunks(OUTPUTS).zip(after.chunks(OUTPUTS)).enumerate() {
        assert_eq!(before == after, image != 1, "image {image}");
    }
    whole.loss(&parameters, Normalising::ByBatch);
    assert_ne!(
        answers(&whole)[..OUTPUTS],
        before[..OUTPUTS],
        "and in a batch it is not"
    );
}
