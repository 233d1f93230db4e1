//! What is exported against who was trained, and which pictures thresholds come from.

use super::*;
use crate::domain::{ArchitectureName, Augmentation, Confidence, LABEL_COUNT, Label, Scores, Truth};
use crate::model::testing::runtime;
use crate::model::{InferenceOptions, OnnxClassifier};
use crate::training::lessons::{picture, plain};
use crate::training::network::Architecture;
use crate::training::network::familiarity::{Familiarity, Sigmoid};
use crate::training::network::learner::Scorer;
use crate::training::network::residual::Channels;
use crate::training::scoring::temper;
use crate::training::sketch::Sketch;
use crate::training::synthetic;

fn data(train: usize, test: usize) -> DataSet {
    DataSet {
        train: synthetic::images(train, 1),
        test: synthetic::images(test, 2),
        files: Vec::new(),
    }
}

fn rebuild<'a>(data: &'a DataSet, parameters: &'a TrainParameters) -> Rebuild<'a> {
    Rebuild {
        data,
        parameters,
        checkpoint: Checkpointing::Off,
        start: None,
        shop: Shop::none(0.95),
        fingerprint: None,
    }
}

fn open(bundle: &ModelBundle) -> Result<Box<dyn Classifier>, Box<dyn std::error::Error + Send + Sync>> {
    let (classifier, _) = OnnxClassifier::open(runtime(), bundle, &InferenceOptions::default())?;
    Ok(Box::new(classifier))
}

/// A small residual network that has seen a few batches, so that nothing in it is as it was made.
fn trained(augmentation: Augmentation, data: &DataSet) -> (Network, TrainParameters) {
    let parameters = TrainParameters {
        augmentation,
        epochs: 1,
        batch_size: 16,
        threads: Some(2),
        ..TrainParameters::recipe(ArchitectureName::Residual)
    };
    let channels = Channels {
        stem: 4,
        blocks: 1,
        upper: 6,
        middle: 6,
        middle_blocks: 1,
        deep: 8,
    };
    let job = TrainingJob {
        architecture: Architecture::Residual(channels),
        parameters: &parameters,
        images: &data.train,
        photos: &Photos::default(),
        files: &data.files,
        checkpoint: Checkpointing::Off,
    };
    let best = train_blocking(&job, &mut ()).unwrap().best.unwrap();
    (best.network, parameters)
}

/// The network, which takes every third class for none of them by familiarity.
fn familiar(network: &Network, images: &Images) -> Network {
    let draw = |position: usize, values: &mut [f32; INPUT_LEN]| {
        plain(picture(&images.pixels, position), values);
    };
    let features = Scorer::new(network, images.len()).features(images.len(), &draw);
    let is_unknown: Vec<bool> = images.labels.iter().map(|label| label.index() % 3 == 0).collect();
    let familiarity = Familiarity::fit(&features.unwrap(), &is_unknown).unwrap();
    let familiarity = familiarity.tilted(network.unknown_plane().unwrap());
    network.clone().with_familiarity(familiarity.as_log_odds(Sigmoid {
        slope: 5.0,
        offset: -1.0,
    }))
}

/// The trainer's own answers and those of the exported file, through ONNX Runtime, on the same pictures.
#[test]
fn the_exported_file_answers_as_the_trainer_does() {
    let data = data(200, 80);
    let reference = (
        Network::new(Architecture::REFERENCE, 7),
        TrainParameters::default(),
    );
    let by_itself = trained(Augmentation::Photo, &data);
    let by_familiarity = (familiar(&by_itself.0, &data.train), by_itself.1.clone());
    for ((network, parameters), knows_unknown) in [
        (reference, false),
        (by_itself, true),
        (by_familiarity, true),
        (trained(Augmentation::Catalogue, &data), false),
    ] {
        let rebuild = rebuild(&data, &parameters);
        let exporting = Exporting {
            rebuild: &rebuild,
            open: &open,
            chosen_epoch: 1,
            network: &network,
        };
        for temperature in [1.0, 0.6, 2.5] {
            let (bundle, mut classifier) = exporting.bundle(temperature).unwrap();
            let difference =
                parity_difference(&network, temperature, classifier.as_mut(), &data.test).unwrap();
            assert!(
                difference > 0.0 && difference < 1e-4,
                "{parameters:?}: {difference}"
            );
            // Held against another temperature, it would not do.
            let other = parity_difference(&network, 1.5, classifier.as_mut(), &data.test).unwrap();
            assert!(other > 1e-3, "{parameters:?}: {other}");

            let answers = score_images(classifier.as_mut(), &data.test).unwrap();
            assert!(
                answers
                    .iter()
                    .all(|answer| answer.unknown.is_some() == knows_unknown)
            );
            let manifest = bundle.manifest();
            assert_eq!(manifest.unknown_output.is_some(), knows_unknown);
            assert_eq!(manifest.architecture, parameters.architecture.to_string());
        }
    }
}

/// It was said to come of a `hangtag train`, which knows no corrections and makes another one.
#[test]
fn a_model_that_has_learned_corrections_says_that_a_rebuild_made_it() {
    let (data, parameters) = (data(20, 10), TrainParameters::default());
    let hashes = [ContentHash::of(b"a photo")];
    for (hashes, words) in [
        (&[][..], "hangtag train --set train.architecture=reference "),
        (&hashes[..], "hangtag retrain now --set retrain.seed="),
    ] {
        let rebuild = Rebuild {
            shop: Shop {
                hashes,
                ..Shop::none(0.95)
            },
            ..rebuild(&data, &parameters)
        };
        let command = manifest(&rebuild, b"a network", 1).command;
        assert!(command.starts_with(words), "{command}");
        assert_eq!(command.ends_with("learned: 1"), !hashes.is_empty(), "{command}");
    }
}

/// Parity holds for `unknown`, too: a network whose answer to that is another one is told apart.
#[test]
fn another_answer_to_whether_it_is_any_of_them_counts_as_a_difference() {
    let data = data(200, 20);
    let (network, parameters) = trained(Augmentation::Photo, &data);
    let rebuild = rebuild(&data, &parameters);
    let mut numbers = network.numbers().to_vec();
    // The last parameter is the bias of that output.
    numbers[network.parameters().len() - 1] += 0.1;
    let moved = Network::from_numbers(*network.architecture(), numbers).unwrap();
    let exporting = Exporting {
        rebuild: &rebuild,
        open: &open,
        chosen_epoch: 1,
        network: &network,
    };
    let (_, mut classifier) = exporting.bundle(1.0).unwrap();
    let familiar = familiar(&network, &data.train);
    for other in [moved, familiar] {
        let difference = parity_difference(&other, 1.0, classifier.as_mut(), &data.test).unwrap();
        assert!(difference > 1e-3, "{difference}");
    }
}

#[test]
fn tempering_changes_confidences_and_no_order() {
    let scores = [0.5, 0.2, 0.1, 0.05, 0.05, 0.04, 0.03, 0.02, 0.01, 0.0];
    for temperature in [0.5, 1.0, 3.0] {
        let found = temper(&scores, temperature);
        assert!((found.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!(found.is_sorted_by(|a, b| a >= b));
        let by_hand = (0.5f64 / 0.2).powf(1.0 / temperature);
        assert!((f64::from(found[0] / found[1]) - by_hand).abs() < 1e-4 * by_hand);
    }
    let same = temper(&scores, 1.0);
    assert!(
        same.iter()
            .zip(scores)
            .all(|(found, score)| (found - score).abs() < 1e-6)
    );
}

/// Answers of which all are right, and as sure as can be.
fn right(truths: &[Truth]) -> Vec<Prediction> {
    let answer = |truth: &Truth| {
        let mut scores = [0.01; LABEL_COUNT];
        scores[truth.label().map_or(0, Label::index)] = 0.91;
        Prediction {
            scores: Scores::new(scores).unwrap(),
            unknown: Some(Confidence::new(if truth.label().is_none() { 0.99 } else { 0.01 }).unwrap()),
        }
    };
    truths.iter().map(answer).collect()
}

#[test]
fn thresholds_come_from_the_shops_own_photos_once_there_are_enough_of_them() {
    let (data, parameters) = (data(200, 0), TrainParameters::default());
    let least = thresholds::least_samples(0.95, thresholds::LEVEL) as usize;
    for (known, unknown, held, expected) in [
        (1, 0, 0, Basis::Validation),
        (least - 1, 0, 0, Basis::Validation),
        // What shows none of the classes proves nothing about labels.
        (least - 1, 50, 0, Basis::Validation),
        (least, 0, 0, Basis::Corrections),
        // What was held out is evidence as well.
        (least - 1, 5, 1, Basis::Corrections),
    ] {
        let of = |known: usize, unknown: usize| -> Photos {
            let labels =
                (0..known).filter_map(|number| Label::from_index(number % LABEL_COUNT).map(Truth::Label));
            let truths: Vec<Truth> = labels
                .chain(std::iter::repeat_n(Truth::Unknown, unknown))
                .collect();
            Photos {
                pixels: vec![0; truths.len() * INPUT_LEN],
                sketches: (0..truths.len()).map(Sketch::numbered).collect(),
                truths,
            }
        };
        let (mut photos, held_out) = (of(known, unknown), of(held, 0));
        // A picture that is there twice proves as much as one.
        photos.extend(photos.pick(&[0]));
        let rebuild = Rebuild {
            shop: Shop {
                photos: &photos,
                held_out: &held_out,
                ..Shop::none(0.95)
            },
            ..rebuild(&data, &parameters)
        };
        let validation = rebuild.validation_images();
        assert_eq!(validation.labels, data.train.labels[180..]);
        assert_eq!(validation.pixels, data.train.pixels[180 * INPUT_LEN..]);
        let truths: Vec<Truth> = validation
            .labels
            .iter()
            .map(|&label| Truth::Label(label))
            .collect();
        let found = thresholds(
            &rebuild,
            (&right(&truths), &validation),
            (&right(&photos.truths), &right(&held_out.truths)),
        );
        assert_eq!(
            found.basis, expected,
            "{known} known, {unknown} unknown, {held} held out"
        );
        let samples = match expected {
            Basis::Corrections => known + unknown + held,
            _ => validation.len(),
        };
        assert_eq!(found.samples, samples as u64);
    }
}
