//! A training's state in a file, so that it can go on after a stop, a crash or a power failure.
//!
//! In: network, optimiser, history, best epoch. Out: a file that is whole or absent, and from it the same bits again.
//! Never: a state of other data, other parameters or another recipe than those it is asked for.
//!
//! The file: a line of magic and version; the length of a JSON header (u64); the header; numbers, little-endian
//! (history as f64, then the network's numbers, the optimiser's two, losses, the best epoch's network, if there, as f32); the SHA-256 of all that.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::dataset::FileRecord;
use super::network::learner::OptimiserState;
use super::network::{Architecture, Network};
use super::parameters::TrainParameters;
use super::train::{BestEpoch, EpochRecord, RECIPE};
use crate::domain::{ArchitectureName, RateSchedule};
use crate::durable::{self, WriteError};

/// What a checkpoint must be of.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    /// The network's sizes.
    pub architecture: Architecture,
    /// How it is trained; threads may differ, and under a constant rate epochs of the reference network.
    pub parameters: &'a TrainParameters,
    /// What it is trained on.
    pub files: &'a [FileRecord],
}

/// State to be written.
#[derive(Debug, Clone, Copy)]
pub struct Checkpoint<'a> {
    /// The network in training and its optimiser.
    pub state: &'a OptimiserState,
    /// Each training row's loss when it was last seen, or none.
    pub losses: &'a [f32],
    /// Every epoch so far.
    pub history: &'a [EpochRecord],
    /// The best epoch's network, if there is one.
    pub best: Option<&'a BestEpoch>,
}

/// State that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Restored {
    /// The network in training and its optimiser.
    pub state: OptimiserState,
    /// Each training row's loss when it was last seen, or none.
    pub losses: Vec<f32>,
    /// Every epoch so far.
    pub history: Vec<EpochRecord>,
    /// The best epoch's network, if there was one.
    pub best: Option<BestEpoch>,
}

/// A checkpoint that could not be written, read or used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// Not written.
    #[error("could not keep the checkpoint: {0}")]
    Write(#[from] WriteError),
    /// Not read.
    #[error(
        "cannot resume: checkpoint {path} cannot be read: {source}; without --resume training begins anew"
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Not a checkpoint, or a damaged one.
    #[error("cannot resume: {path} is no usable checkpoint: {what}; without --resume training begins anew")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Of a hangtag that trains otherwise.
    #[error(
        "cannot resume: checkpoint {path} was made by a hangtag that trains by recipe {found}, and this one trains by recipe {RECIPE}; train anew without --resume"
    )]
    OtherRecipe {
        /// The file.
        path: PathBuf,
        /// Its recipe; 0 where it names none.
        found: u32,
    },
    /// Of another training.
    #[error(
        "cannot resume: checkpoint {path} was made with {what} {found}, asked for is {asked}; make them the same, or train anew without --resume"
    )]
    Other {
        /// The file.
        path: PathBuf,
        /// What differs.
        what: &'static str,
        /// As it stands in the checkpoint.
        found: String,
        /// As it was asked for.
        asked: String,
    },
}

/// Writes a checkpoint, replacing the one before.
pub fn write_blocking(path: &Path, identity: &Identity, state: &Checkpoint) -> Result<(), CheckpointError> {
    Ok(durable::write_file(path, &encode(identity, state))?)
}

/// Reads a checkpoint and refuses one of other data, parameters or recipe.
pub fn read_blocking(path: &Path, identity: &Identity) -> Result<Restored, CheckpointError> {
    let bytes = std::fs::read(path).map_err(|source| CheckpointError::Read {
        path: path.to_owned(),
        source,
    })?;
    let damaged = |what: String| CheckpointError::Damaged {
        path: path.to_owned(),
        what,
    };
    let (header, numbers) = open(&bytes).map_err(damaged)?;
    let unreadable = |error: serde_json::Error| damaged(format!("its header cannot be read: {error}"));
    // First: what else a header says is its recipe's affair.
    let MadeBy { recipe } = serde_json::from_slice(header).map_err(unreadable)?;
    if recipe != RECIPE {
        return Err(CheckpointError::OtherRecipe {
            path: path.to_owned(),
            found: recipe,
        });
    }
    let header: Header = serde_json::from_slice(header).map_err(unreadable)?;
    header
        .compare(identity)
        .map_err(|(what, found, asked)| CheckpointError::Other {
            path: path.to_owned(),
            what,
            found,
            asked,
        })?;
    header
        .restore(numbers)
        .ok_or_else(|| damaged("its numbers do not fit its header".into()))
}

const MAGIC: &[u8] = b"hangtag checkpoint 3\n";
const DIGEST_LEN: usize = 32;
/// Numbers of an epoch in the history.
const EPOCH_NUMBERS: usize = 5;

/// What every header says, whatever its recipe.
#[derive(Debug, Deserialize)]
struct MadeBy {
    /// Absent in those that were made before it was asked for.
    #[serde(default)]
    recipe: u32,
}

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    recipe: u32,
    architecture: Architecture,
    parameters: TrainParameters,
    files: Vec<FileRecord>,
    epochs_done: u32,
    best_epoch: Option<u32>,
    losses: usize,
    /// Bits of Adam's two running powers: JSON's decimal numbers might lose the last one.
    power_bits: [u64; 2],
}

fn encode(identity: &Identity, state: &Checkpoint) -> Vec<u8> {
    let header = Header {
        recipe: RECIPE,
        architecture: identity.architecture,
        parameters: identity.parameters.clone(),
        files: identity.files.to_vec(),
        epochs_done: state.history.len() as u32,
        best_epoch: state.best.map(|best| best.epoch),
        losses: state.losses.len(),
        power_bits: state.state.powers.map(f64::to_bits),
    };
    let header = serde_json::to_vec(&header)
        .expect("a header of plain values always has a JSON form; else this is a bug");
    let mut bytes = MAGIC.to_vec();
    bytes.extend((header.len() as u64).to_le_bytes());
    bytes.extend(header);
    for epoch in state.history {
        let numbers = [
            epoch.seconds,
            epoch.loss,
            epoch.accuracy,
            epoch.val_loss,
            epoch.val_accuracy,
        ];
        bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    }
    let best = state.best.map_or(&[][..], |best| best.network.numbers());
    let OptimiserState {
        numbers,
        first,
        second,
        powers: _,
    } = state.state;
    for numbers in [numbers, first, second, state.losses, best] {
        bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    }
    let digest = Sha256::digest(&bytes);
    bytes.extend_from_slice(&digest);
    bytes
}

/// Checks magic and digest; gives the header's JSON and the numbers behind it.
fn open(bytes: &[u8]) -> Result<(&[u8], &[u8]), String> {
    let rest = bytes
        .strip_prefix(MAGIC)
        .ok_or("it does not begin as one (or one of another version)")?;
    let (content, digest) = bytes
        .split_at_checked(bytes.len().saturating_sub(DIGEST_LEN))
        .filter(|(content, _)| content.len() >= MAGIC.len())
        .ok_or("it is cut off")?;
    if Sha256::digest(content).as_slice() != digest {
        return Err("its checksum is wrong".into());
    }
    let rest = &rest[..rest.len() - DIGEST_LEN];
    let (len, rest) = rest.split_first_chunk::<8>().ok_or("it is cut off")?;
    let len = usize::try_from(u64::from_le_bytes(*len)).map_err(|_| "its header is too long")?;
    Ok(rest.split_at_checked(len).ok_or("its header is cut off")?)
}

impl Header {
    /// `Err` names what differs, as found and as asked for.
    fn compare(&self, identity: &Identity) -> Result<(), (&'static str, String, String)> {
        let differs = |what, found: String, asked: String| Err((what, found, asked));
        if self.architecture != identity.architecture {
            let (found, asked) = (
                format!("{:?}", self.architecture),
                format!("{:?}", identity.architecture),
            );
            return differs("network", found, asked);
        }
        let (found, asked) = (comparable(&self.parameters), comparable(identity.parameters));
        if let Some(((key, found), (_, asked))) =
            found.iter().zip(&asked).find(|(found, asked)| found != asked)
        {
            return differs(key, found.clone(), asked.clone());
        }
        if self.epochs_done > identity.parameters.epochs {
            return differs(
                "epochs done:",
                self.epochs_done.to_string(),
                identity.parameters.epochs.to_string(),
            );
        }
        let (found, asked) = (digests(&self.files), digests(identity.files));
        if found != asked {
            return differs("the data files", found, asked);
        }
        Ok(())
    }

    fn restore(self, numbers: &[u8]) -> Option<Restored> {
        let count = self.architecture.parameter_count();
        let (history, rest) = numbers.split_at_checked(self.epochs_done as usize * EPOCH_NUMBERS * 8)?;
        let history = history
            .as_chunks::<8>()
            .0
            .as_chunks::<EPOCH_NUMBERS>()
            .0
            .iter()
            .zip(1..)
            .map(|(epoch, number)| {
                let [seconds, loss, accuracy, val_loss, val_accuracy] = epoch.map(f64::from_le_bytes);
                EpochRecord {
                    epoch: number,
                    seconds,
                    loss,
                    accuracy,
                    val_loss,
                    val_accuracy,
                }
            })
            .collect();
        let mut values = rest
            .as_chunks::<4>()
            .0
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes));
        let mut take = |count| values.by_ref().take(count).collect::<Vec<f32>>();
        let (numbers, first, second) = (take(count), take(count), take(count));
        let losses = take(self.losses);
        let statistics = self.architecture.statistics_count();
        let best = self.best_epoch.map(|epoch| (epoch, take(count + statistics)));
        if second.len() != count || losses.len() != self.losses {
            return None;
        }
        let best = match best {
            Some((epoch, numbers)) => Some(BestEpoch {
                epoch,
                network: Network::from_numbers(self.architecture, numbers)?,
            }),
            None => None,
        };
        Some(Restored {
            state: OptimiserState {
                numbers,
                first,
                second,
                powers: self.power_bits.map(f64::from_bits),
            },
            losses,
            history,
            best,
        })
    }
}

/// The parameters that must be the same, by name; numbers as their bits where decimals might lose some.
fn comparable(parameters: &TrainParameters) -> [(&'static str, String); 9] {
    let TrainParameters {
        architecture,
        augmentation,
        epochs,
        batch_size,
        learning_rate,
        schedule,
        validation_share,
        seed,
        limit_images,
        threads: _,
    } = parameters;
    // With a falling rate, or easy pictures left out in all epochs but the last, more epochs would have been other steps
    // from the first on.
    let epochs_of_schedule = match (architecture, schedule) {
        (ArchitectureName::Reference, RateSchedule::Constant) => "any".into(),
        _ => epochs.to_string(),
    };
    [
        ("train.architecture", architecture.to_string()),
        ("train.augmentation", augmentation.to_string()),
        ("train.schedule", schedule.to_string()),
        ("train.epochs (which every step depends on)", epochs_of_schedule),
        ("train.batch_size", batch_size.to_string()),
        // Six digits: what is written as JSON and read again may differ in the last of seventeen.
        ("train.learning_rate", format!("{learning_rate:.6e}")),
        ("train.validation_share", format!("{validation_share:.6e}")),
        ("train.seed", seed.to_string()),
        (
            "--limit-images",
            limit_images.map_or("all".into(), |limit| limit.to_string()),
        ),
    ]
}

fn digests(files: &[FileRecord]) -> String {
    let each: Vec<String> = files
        .iter()
        .map(|file| {
            format!(
                "{} ({})",
                file.name,
                file.sha256.get(..16).unwrap_or(&file.sha256)
            )
        })
        .collect();
    each.join(", ")
}
