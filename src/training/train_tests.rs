//! Training on drawn pictures: the same bits on any number of threads, after any interruption.

use super::*;
use crate::domain::{ArchitectureName, RateSchedule};
use crate::training::network::plain::Plain;
use crate::training::network::residual::Channels;
use crate::training::synthetic;

const SMALL: Architecture = Architecture::Plain(Plain {
    filters: [8, 16, 16],
    hidden: 16,
    block_dropout: 0.25,
    hidden_dropout: 0.3,
});
const SMALL_RESIDUAL: Architecture = Architecture::Residual(Channels {
    stem: 4,
    blocks: 1,
    upper: 6,
    middle: 6,
    middle_blocks: 1,
    deep: 8,
});

static NO_PHOTOS: Photos = Photos {
    pixels: Vec::new(),
    sketches: Vec::new(),
    truths: Vec::new(),
};

fn parameters(epochs: u32) -> TrainParameters {
    TrainParameters {
        epochs,
        batch_size: 32,
        schedule: RateSchedule::Constant,
        seed: 7,
        ..TrainParameters::default()
    }
}

/// Those of a residual network, with everything that is done to pictures.
fn residual_parameters(epochs: u32) -> TrainParameters {
    TrainParameters {
        epochs,
        batch_size: 8,
        seed: 7,
        ..TrainParameters::recipe(ArchitectureName::Residual)
    }
}

fn job<'a>(parameters: &'a TrainParameters, images: &'a Images) -> TrainingJob<'a> {
    TrainingJob {
        architecture: match parameters.architecture {
            ArchitectureName::Reference => SMALL,
            ArchitectureName::Residual => SMALL_RESIDUAL,
        },
        parameters,
        images,
        photos: &NO_PHOTOS,
        files: &[],
        checkpoint: Checkpointing::Off,
    }
}

fn train(job: &TrainingJob) -> Trained {
    train_blocking(job, &mut ()).unwrap()
}

/// A history without its wall times, which alone may differ between equal runs.
fn timeless(history: &[EpochRecord]) -> Vec<EpochRecord> {
    history
        .iter()
        .map(|epoch| EpochRecord {
            seconds: 0.0,
            ..*epoch
        })
        .collect()
}

/// Stops when the given epoch is done, or within it.
struct StopAt {
    epoch: u32,
    within: bool,
}

impl Observer for StopAt {
    fn progress(&mut self, progress: &Progress) -> Flow {
        if self.within && progress.epoch == self.epoch && progress.images_done > 64 {
            return Flow::Stop;
        }
        Flow::Continue
    }

    fn epoch_done(&mut self, record: &EpochRecord) -> Flow {
        if !self.within && record.epoch == self.epoch {
            Flow::Stop
        } else {
            Flow::Continue
        }
    }
}

#[test]
fn it_learns() {
    let images = synthetic::images(400, 1);
    let quick = TrainParameters {
        batch_size: 16,
        learning_rate: 3e-3,
        ..parameters(5)
    };
    let trained = train(&job(&quick, &images));
    let best = trained.best.unwrap();
    let record = trained.history[best.epoch as usize - 1];
    assert!(record.val_accuracy > 0.9, "{:?}", trained.history);
    assert!(
        trained
            .history
            .iter()
            .all(|epoch| epoch.val_accuracy <= record.val_accuracy)
    );
    assert_eq!(trained.ended, Ended::Finished);

    let fresh = synthetic::images(100, 2);
    let values: Vec<f32> = fresh
        .pixels
        .iter()
        .map(|&pixel| f32::from(pixel) / 255.0)
        .collect();
    let answers = best.network.probabilities(&values);
    let right = answers
        .iter()
        .zip(&fresh.labels)
        .filter(|((scores, _), label)| scores.iter().all(|&other| other <= scores[label.index()]));
    assert!(right.count() > 90);
    for (scores, unknown) in answers {
        assert!((scores.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        assert_eq!(unknown, None, "a plain network knows nothing of it");
    }
}

#[test]
fn a_seed_gives_the_same_bits_on_one_two_and_three_threads() {
    let images = synthetic::images(100, 1);
    for (parameters, architecture) in [
        (parameters(2), SMALL),
        (parameters(1), Architecture::REFERENCE),
        // The second of three epochs leaves out easy pictures.
        (residual_parameters(3), SMALL_RESIDUAL),
    ] {
        let on = |threads| {
            let parameters = TrainParameters {
                threads: Some(threads),
                ..parameters.clone()
            };
            train(&TrainingJob {
                architecture,
                ..job(&parameters, &images)
            })
        };
        let one = on(1);
        for threads in [2, 3] {
            let other = on(threads);
            assert!(one.best == other.best, "{parameters:?} on {threads} threads");
            assert_eq!(timeless(&one.history), timeless(&other.history));
        }
    }
}

#[test]
fn another_seed_gives_another_network() {
    let images = synthetic::images(40, 1);
    for parameters in [parameters(1), residual_parameters(1)] {
        let other_seed = TrainParameters {
            seed: 8,
            ..parameters.clone()
        };
        let (one, other) = (
            train(&job(&parameters, &images)),
            train(&job(&other_seed, &images)),
        );
        assert!(one.best != other.best, "{parameters:?}");
    }
}

#[test]
fn a_resumed_training_gives_the_same_bits_as_an_uninterrupted_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let images = synthetic::images(120, 1);
    for four in [
        parameters(4),
        TrainParameters {
            schedule: RateSchedule::Constant,
            ..parameters(4)
        },
        residual_parameters(4),
    ] {
        let whole = train(&job(&four, &images));
        let fresh = TrainingJob {
            checkpoint: Checkpointing::Fresh(&path),
            ..job(&four, &images)
        };
        let resumed = TrainingJob {
            checkpoint: Checkpointing::Resume(&path),
            ..fresh
        };
        let stop = |epoch, within| StopAt { epoch, within };
        let first = train_blocking(&fresh, &mut stop(1, false)).unwrap();
        assert_eq!((first.history.len(), first.ended), (1, Ended::Stopped));
        let second = train_blocking(&resumed, &mut stop(3, true)).unwrap();
        assert_eq!((second.history.len(), second.ended), (2, Ended::Stopped));
        // More threads than the checkpoint was begun with are no other training.
        let last = TrainParameters {
            threads: Some(3),
            ..four.clone()
        };
        let third = train(&TrainingJob {
            parameters: &last,
            ..resumed
        });
        assert_eq!(third.ended, Ended::Finished);
        assert!(third.best == whole.best, "{four:?}");
        assert_eq!(timeless(&third.history), timeless(&whole.history));
        assert_eq!(third.history[..2], second.history[..]);

        let again = train(&resumed);
        assert!(again.best == third.best && again.history == third.history);
    }
}

/// Under a constant rate a reference training may be made longer; a residual one leaves out easy pictures in all epochs
/// but its last, so that a longer one would have been another from the first on.
#[test]
fn only_where_epochs_do_not_depend_on_their_number_may_there_be_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let images = synthetic::images(40, 1);
    let constant = |parameters: TrainParameters, epochs| TrainParameters {
        schedule: RateSchedule::Constant,
        epochs,
        ..parameters
    };
    let longer = |parameters: TrainParameters| {
        let (one, two) = (constant(parameters.clone(), 1), constant(parameters, 2));
        train(&TrainingJob {
            checkpoint: Checkpointing::Fresh(&path),
            ..job(&one, &images)
        });
        let resumed = TrainingJob {
            checkpoint: Checkpointing::Resume(&path),
            ..job(&two, &images)
        };
        let found = train_blocking(&resumed, &mut ());
        found.map(|trained| (trained, train(&job(&two, &images))))
    };
    let (resumed, whole) = longer(parameters(1)).unwrap();
    assert!(resumed.best == whole.best);
    let message = longer(residual_parameters(1)).unwrap_err().to_string();
    assert!(
        message.contains("train.epochs") && message.contains("asked for is 2"),
        "{message}"
    );
}

#[test]
fn stopped_within_the_first_epoch_nothing_is_left() {
    let images = synthetic::images(300, 1);
    let trained = train_blocking(
        &job(&parameters(2), &images),
        &mut StopAt {
            epoch: 1,
            within: true,
        },
    )
    .unwrap();
    assert_eq!(
        (trained.best, trained.ended, trained.history.len()),
        (None, Ended::Stopped, 0)
    );
}

#[test]
fn a_checkpoint_of_other_data_or_parameters_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let images = synthetic::images(60, 1);
    let (own, other_files) = (synthetic::files("a"), synthetic::files("b"));
    let two = TrainParameters {
        schedule: RateSchedule::Constant,
        ..parameters(2)
    };
    let fresh = TrainingJob {
        checkpoint: Checkpointing::Fresh(&path),
        files: &own,
        ..job(&two, &images)
    };
    let resumed = TrainingJob {
        checkpoint: Checkpointing::Resume(&path),
        ..fresh
    };
    let refused = |job: &TrainingJob| train_blocking(job, &mut ()).unwrap_err().to_string();

    assert!(refused(&resumed).contains("cannot be read"), "there is none yet");
    train_blocking(&fresh, &mut ()).unwrap();
    for (changed, words) in [
        (
            TrainParameters {
                seed: 8,
                ..two.clone()
            },
            "train.seed 7, asked for is 8",
        ),
        (
            TrainParameters {
                batch_size: 16,
                ..two.clone()
            },
            "train.batch_size 32, asked for is 16",
        ),
        (
            TrainParameters {
                learning_rate: 2e-3,
                ..two.clone()
            },
            "train.learning_rate",
        ),
        (
            TrainParameters {
                schedule: RateSchedule::Cosine,
                ..two.clone()
            },
            "train.schedule constant, asked for is cosine",
        ),
        (
            TrainParameters {
                validation_share: 0.2,
                ..two.clone()
            },
            "train.validation_share",
        ),
        (
            TrainParameters {
                limit_images: Some(50),
                ..two.clone()
            },
            "--limit-images all, asked for is 50",
        ),
        (
            TrainParameters {
                augmentation: Augmentation::Catalogue,
                ..two.clone()
            },
            "train.augmentation none, asked for is catalogue",
        ),
        (
            TrainParameters {
                epochs: 1,
                ..two.clone()
            },
            "epochs done: 2, asked for is 1",
        ),
    ] {
        let message = refused(&TrainingJob {
            parameters: &changed,
            ..resumed
        });
        assert!(message.contains(words), "{message}");
    }
    let message = refused(&TrainingJob {
        files: &other_files,
        ..resumed
    });
    assert!(
        message.contains("the data files train (aaaaaaaaaaaaaaaa)"),
        "{message}"
    );
    for other in [Architecture::REFERENCE, SMALL_RESIDUAL] {
        let message = refused(&TrainingJob {
            architecture: other,
            ..resumed
        });
        let words = format!("made with network {SMALL:?}, asked for is {other:?}");
        assert!(message.contains(&words), "{message}");
    }

    let whole = std::fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for damaged in [
        &whole[..whole.len() - 1],
        &whole[..40],
        &whole[..10],
        &[],
        flipped.as_slice(),
    ] {
        std::fs::write(&path, damaged).unwrap();
        let message = refused(&resumed);
        assert!(message.contains("no usable checkpoint"), "{message}");
    }
}

/// A newer hangtag went on with what an older one had begun otherwise, and told a recipe that neither of them had.
#[test]
fn a_checkpoint_of_another_recipe_is_refused() {
    use sha2::{Digest, Sha256};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let (images, parameters) = (synthetic::images(60, 1), parameters(1));
    let fresh = TrainingJob {
        checkpoint: Checkpointing::Fresh(&path),
        ..job(&parameters, &images)
    };
    train_blocking(&fresh, &mut ()).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let named = format!("\"recipe\":{RECIPE},");
    let place = bytes
        .windows(named.len())
        .position(|part| part == named.as_bytes());
    let place = place.unwrap() + named.len() - 2;
    bytes[place] -= 1;
    // An older recipe need not know all that this one's headers say.
    let known = b"\"epochs_done\"";
    let place = bytes.windows(known.len()).position(|part| part == known);
    bytes[place.unwrap() + 1] = b'E';
    let content = bytes.len() - 32;
    let digest = Sha256::digest(&bytes[..content]);
    bytes[content..].copy_from_slice(&digest);
    std::fs::write(&path, bytes).unwrap();
    let resumed = TrainingJob {
        checkpoint: Checkpointing::Resume(&path),
        ..fresh
    };
    let message = train_blocking(&resumed, &mut ()).unwrap_err().to_string();
    let words = format!(
        "by recipe {}, and this one trains by recipe {RECIPE}; train anew",
        RECIPE - 1
    );
    assert!(message.contains(&words), "{message}");
}

#[test]
fn a_loss_that_is_no_number_ends_the_training() {
    let images = synthetic::images(20, 1);
    let wild = TrainParameters {
        learning_rate: 1e30,
        ..parameters(5)
    };
    let error = train_blocking(&job(&wild, &images), &mut ()).unwrap_err();
    assert!(matches!(error, TrainError::Diverged { .. }), "{error}");
    let nothing = train_blocking(&job(&parameters(0), &images), &mut ()).unwrap_err();
    assert!(nothing.to_string().contains("train.epochs = 0"), "{nothing}");
}
