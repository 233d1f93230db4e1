//! Corrections as material for training, and for the gate.
//!
//! In: what people said of photos, and a small grey copy of each that is kept in the data folder. Out: pictures and
//! what they show, and what could not be used. Never: a photo of the inbox (it may be gone by then), a correction in the
//! validation rows, chance.
//!
//! The copy is what preprocessing looks at: grey, upright, halved until it is less than 448 pixels wide and high, at some seventy
//! kilobytes. What comes of it is what comes of the photo in service, to the bit: were it shrunk further, one answer in seven
//! for large photos would be another one, and thresholds and gate would be about pictures that nobody tags.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};
use serde::{Deserialize, Serialize};

use super::lessons::Photos;
use super::manifest::in_short;
use super::sketch::Sketch;
use crate::decode::{self, DecodeError, DecodeLimits};
use crate::domain::{ContentHash, DecodedImage, LOOKED_AT_BELOW, Truth};
use crate::durable;
use crate::preprocess::{InputTensor, Preprocessor, looked_at};

mod mix;

pub use mix::{CorrectionWeight, Mixed, mix};

/// Longest edge of a kept copy, in pixels.
const MAX_SIDE: u32 = LOOKED_AT_BELOW - 1;
/// More than any copy that is written here has; keeps a wrong file from filling the memory.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// What a copy may ask for: its pixels, and the decoder's buffers for them.
const LIMITS: DecodeLimits = DecodeLimits {
    max_pixels: (MAX_SIDE * MAX_SIDE) as u64,
    max_decode_bytes: 4 << 20,
};

/// What a person said of a photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Correction {
    /// Which photo.
    pub hash: ContentHash,
    /// What it shows.
    pub truth: Truth,
}

/// All corrections of a rebuild, read and prepared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Material {
    /// In the order of their hashes.
    pub photos: Photos,
    /// The hashes of those.
    pub hashes: Vec<ContentHash>,
    /// What could not be used.
    pub unusable: Vec<Unusable>,
}

impl Material {
    /// For each photo, whether a network that has learned some of them knows it: one picture may be there under several
    /// hashes.
    pub fn known(&self, is_learned: impl Fn(&ContentHash) -> bool) -> Vec<bool> {
        let places = self.photos.places();
        let learned = self.hashes.iter().zip(&places);
        let learned: HashSet<usize> = learned
            .filter_map(|(hash, &place)| is_learned(hash).then_some(place))
            .collect();
        places.iter().map(|place| learned.contains(place)).collect()
    }

    /// One more, as preprocessing left it.
    pub fn push(&mut self, Correction { hash, truth }: Correction, input: &InputTensor, sketch: Sketch) {
        self.photos.push(input, sketch, truth);
        self.hashes.push(hash);
    }

    /// These, and others behind them.
    pub fn followed_by(&self, others: Material) -> Material {
        let mut all = self.clone();
        all.photos.extend(others.photos);
        all.hashes.extend(others.hashes);
        all.unusable.extend(others.unusable);
        all
    }

    /// Those that fulfil a condition, in their order.
    pub fn only(&self, is_wanted: impl Fn(&ContentHash, Truth) -> bool) -> Material {
        let numbers = (0..self.hashes.len())
            .filter(|&number| is_wanted(&self.hashes[number], self.photos.truths[number]));
        let numbers: Vec<usize> = numbers.collect();
        Material {
            photos: self.photos.pick(&numbers),
            hashes: numbers.iter().map(|&number| self.hashes[number]).collect(),
            unusable: Vec::new(),
        }
    }
}

/// A correction that a rebuild has to do without.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unusable {
    /// The photo's content hash.
    pub hash: String,
    /// Why, with the file's name.
    pub error: String,
}

/// What corrections came to in a rebuild.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MaterialSummary {
    /// Corrections that were trained on.
    pub trained_on: usize,
    /// How often each is seen in an epoch (of a residual network: in the lessons at the end), rounded down; some are seen
    /// once more.
    pub repetitions: usize,
    /// Their share of all pictures that are trained on there, 0..=1.
    pub share: f64,
    /// Corrections that were not trained on.
    pub held_out: usize,
    /// Corrections to "none of the classes".
    pub unknown: usize,
    /// Corrections that could not be used.
    pub unusable: Vec<Unusable>,
}

/// A copy that could not be kept or used.
#[derive(Debug, thiserror::Error)]
pub enum CorrectionError {
    /// Not written.
    #[error("the corrected picture is not kept for training: {0}")]
    Write(#[from] durable::WriteError),
    /// Not read.
    #[error(
        "could not read the corrected picture {path}: {source}; correct the photo again to have it copied anew, or undo the correction"
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Read, but it is not the copy it should be.
    #[error(
        "the corrected picture {path} cannot be used: {source}; correct the photo again to have it copied anew, or undo the correction"
    )]
    Decode {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: DecodeError,
    },
}

/// Where the copy of a photo lies in the folder of all copies (`<data_dir>/corrections`).
pub fn copy_path(folder: &Path, hash: &ContentHash) -> PathBuf {
    folder.join(format!("{hash}.png"))
}

/// Keeps a copy of a corrected photo, replacing an earlier one.
pub fn keep_blocking(folder: &Path, hash: &ContentHash, image: &DecodedImage) -> Result<(), CorrectionError> {
    let kept = looked_at(image);
    let mut png = Vec::new();
    PngEncoder::new(&mut png)
        .write_image(&kept.luma, kept.width, kept.height, ExtendedColorType::L8)
        .expect("grey values of the right number are written to memory; this is a bug");
    durable::write_file(&copy_path(folder, hash), &png)?;
    Ok(())
}

/// The contents of which a copy is kept, whether their corrections stand or were undone; none where there is no folder.
pub fn kept_blocking(folder: &Path) -> io::Result<Vec<ContentHash>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut hashes = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_stem().and_then(OsStr::to_str);
        hashes.extend(name.and_then(|name| name.parse::<ContentHash>().ok()));
    }
    Ok(hashes)
}

/// The contents that a model has learned and of which a copy is kept, also where their corrections were undone since: the model
/// knows their pictures all the same. Of a folder that cannot be listed no copy can be told apart, and each is known by its hash.
pub fn kept_of_blocking(folder: &Path, learned: &HashSet<&str>) -> Vec<ContentHash> {
    let kept = kept_blocking(folder).unwrap_or_default().into_iter();
    kept.filter(|hash| learned.contains(in_short(hash).as_str()))
        .collect()
}

/// Reads the copy of a corrected photo.
pub fn read_blocking(folder: &Path, hash: &ContentHash) -> Result<DecodedImage, CorrectionError> {
    let path = copy_path(folder, hash);
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(&path)?
            .take(MAX_FILE_BYTES + 1)
            .read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(io::Error::other(format!(
                "it has more than {MAX_FILE_BYTES} bytes"
            )));
        }
        Ok(bytes)
    };
    match read() {
        Ok(bytes) => {
            decode::decode(&bytes, &LIMITS).map_err(|source| CorrectionError::Decode { path, source })
        }
        Err(source) => Err(CorrectionError::Read { path, source }),
    }
}

/// Reads and prepares the copies of all corrections; what cannot be used is left out and said.
///
/// The same corrections give the same material in whatever order they come.
pub fn prepare_blocking(folder: &Path, corrections: &[Correction]) -> Material {
    let mut sorted = corrections.to_vec();
    sorted.sort_by_key(|correction| correction.hash);
    let (mut material, mut preprocessor) = (Material::default(), Preprocessor::new());
    for correction in sorted {
        match read_blocking(folder, &correction.hash) {
            Ok(image) => material.push(correction, &preprocessor.prepare(&image), Sketch::of(&image)),
            Err(error) => material.unusable.push(Unusable {
                hash: correction.hash.to_string(),
                error: error.to_string(),
            }),
        }
    }
    material
}

impl MaterialSummary {
    /// What is to be told of this material, of how many it was learned, how often and with what share it was seen.
    pub fn of(material: &Material, trained_on: usize, (repetitions, share): (usize, f64)) -> Self {
        Self {
            trained_on,
            repetitions,
            share,
            held_out: material.hashes.len() - trained_on,
            unknown: material.photos.unknown(),
            unusable: material.unusable.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
