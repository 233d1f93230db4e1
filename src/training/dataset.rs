//! Fashion-MNIST: the four files, checked, as bytes and labels.
//!
//! In: a folder with the four gzipped IDX files, or leave to fetch them. Out: pictures of 28x28 bytes with labels, and
//! where they came from. Never: a picture without a label, floating-point copies (`train` makes them batch by batch),
//! splits.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::idx::{self, Fault};
use crate::domain::{INPUT_LEN, INPUT_SIDE, LABEL_COUNT, Label, hex};
use crate::fetch::{self, Download, FetchError};

/// One of the data set's files, as its authors publish it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OfficialFile {
    /// Name, the same everywhere.
    pub name: &'static str,
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256 in hexadecimal digits.
    pub sha256: &'static str,
}

/// The four files: training pictures, training labels, test pictures, test labels.
pub const OFFICIAL_FILES: [OfficialFile; 4] = [
    OfficialFile {
        name: "train-images-idx3-ubyte.gz",
        bytes: 26_421_880,
        sha256: "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    },
    OfficialFile {
        name: "train-labels-idx1-ubyte.gz",
        bytes: 29_515,
        sha256: "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    },
    OfficialFile {
        name: "t10k-images-idx3-ubyte.gz",
        bytes: 4_422_102,
        sha256: "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    },
    OfficialFile {
        name: "t10k-labels-idx1-ubyte.gz",
        bytes: 5_148,
        sha256: "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    },
];

/// A data set that could not be had.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// The file is not there or cannot be read.
    #[error(
        "cannot read {path} of the data set: {source}; `hangtag dataset fetch` gets the files, `dataset.dir` names the folder"
    )]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The file's content is not what it should be.
    #[error(
        "{path} of the data set is unusable: {what} is {found}, expected {expected}; remove the file and run `hangtag dataset fetch`"
    )]
    Content {
        /// Which file.
        path: PathBuf,
        /// Which part of it.
        what: &'static str,
        /// What stands there.
        found: String,
        /// What should.
        expected: String,
    },
    /// No mirror gave the file.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The samples could not be drawn.
    #[error("could not draw samples of the data set: {0}")]
    Draw(#[from] image::ImageError),
}

/// Pictures with their labels.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Images {
    /// 784 bytes a picture, row after row; 0 black, garments bright.
    pub pixels: Vec<u8>,
    /// One label a picture.
    pub labels: Vec<Label>,
}

/// What one file was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Name.
    pub name: String,
    /// SHA-256 in hexadecimal digits.
    pub sha256: String,
    /// Whether it is, byte for byte, what the data set's authors publish.
    pub official: bool,
}

/// Pictures to learn from and pictures to be judged by, and where they came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataSet {
    /// To learn from.
    pub train: Images,
    /// To be judged by; never looked at while training.
    pub test: Images,
    /// The four files, in the order of `OFFICIAL_FILES`.
    pub files: Vec<FileRecord>,
}

/// Figures about some pictures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Statistics {
    /// How many there are.
    pub images: usize,
    /// How many of each class, in label order.
    pub per_class: [usize; LABEL_COUNT],
    /// Mean of all pixels, black 0, white 1.
    pub mean: f64,
    /// Standard deviation of all pixels.
    pub deviation: f64,
}

/// Whether files other than the official ones will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provenance {
    /// Only the official files, told by their SHA-256: for what was fetched.
    Official,
    /// Any well-formed files: for a folder that the operator names. What they are is recorded.
    Any,
}

impl DataSet {
    /// Reads the four files in `folder`.
    pub fn load_blocking(folder: &Path, provenance: Provenance) -> Result<DataSet, DatasetError> {
        let mut files = Vec::with_capacity(OFFICIAL_FILES.len());
        let mut read = |index: usize| -> Result<(PathBuf, Vec<u8>), DatasetError> {
            let (record, path, bytes) = read_file_blocking(folder, &OFFICIAL_FILES[index], provenance)?;
            files.push(record);
            Ok((path, bytes))
        };
        let train = Images::parse(read(0)?, read(1)?)?;
        let test = Images::parse(read(2)?, read(3)?)?;
        Ok(DataSet { train, test, files })
    }

    /// Whether all four files are the official ones.
    pub fn is_official(&self) -> bool {
        self.files.iter().all(|file| file.official)
    }
}

/// What the four files in `folder` are, without reading what is in them.
pub fn file_records_blocking(folder: &Path, provenance: Provenance) -> Result<Vec<FileRecord>, DatasetError> {
    let record = |file| Ok(read_file_blocking(folder, file, provenance)?.0);
    OFFICIAL_FILES.iter().map(record).collect()
}

impl Images {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The 784 bytes of one picture, `None` past the last.
    pub fn pixels_of(&self, index: usize) -> Option<&[u8]> {
        self.pixels.get(index * INPUT_LEN..(index + 1) * INPUT_LEN)
    }

    /// Keeps the first `count`.
    pub fn truncate(&mut self, count: usize) {
        self.pixels.truncate(count * INPUT_LEN);
        self.labels.truncate(count);
    }

    /// Counts, mean and deviation.
    pub fn statistics(&self) -> Statistics {
        let mut per_class = [0; LABEL_COUNT];
        for label in &self.labels {
            per_class[label.index()] += 1;
        }
        let (mut sum, mut squares) = (0u64, 0u64);
        for &pixel in &self.pixels {
            sum += u64::from(pixel);
            squares += u64::from(pixel) * u64::from(pixel);
        }
        let count = self.pixels.len().max(1) as f64;
        let mean = sum as f64 / count;
        let variance = (squares as f64 / count - mean * mean).max(0.0);
        Statistics {
            images: self.len(),
            per_class,
            mean: mean / 255.0,
            deviation: variance.sqrt() / 255.0,
        }
    }

    /// From the contents of an images file and its labels file, each gzipped, with their paths for the errors.
    fn parse(
        (images_path, images): (PathBuf, Vec<u8>),
        (labels_path, labels): (PathBuf, Vec<u8>),
    ) -> Result<Images, DatasetError> {
        let pixels = idx::parse_images(&images).map_err(|fault| in_file(fault, &images_path))?;
        let labels = idx::parse_labels(&labels).map_err(|fault| in_file(fault, &labels_path))?;
        let count = pixels.len() / INPUT_LEN;
        if labels.len() != count {
            let fault = Fault::new(
                "the number of labels",
                labels.len(),
                format!("{count}, one a picture"),
            );
            return Err(in_file(fault, &labels_path));
        }
        Ok(Images { pixels, labels })
    }
}

/// Puts the official files into `folder`, those that are not there already; `progress` hears the file's name, the
/// bytes that are there and how many there will be.
pub fn fetch_blocking(
    folder: &Path,
    mirrors: &[String],
    progress: &mut dyn FnMut(&str, u64, u64),
) -> Result<(), DatasetError> {
    for file in &OFFICIAL_FILES {
        let to = folder.join(file.name);
        if std::fs::read(&to).is_ok_and(|bytes| sha256(&bytes) == file.sha256) {
            progress(file.name, file.bytes, file.bytes);
            continue;
        }
        let addresses: Vec<String> = mirrors
            .iter()
            .map(|mirror| format!("{mirror}{}", file.name))
            .collect();
        let download = Download {
            what: file.name,
            mirrors: &addresses,
            sha256: file.sha256,
            bytes: file.bytes,
            to: &to,
        };
        fetch::download_blocking(&download, &mut |have, of| progress(file.name, have, of))?;
    }
    Ok(())
}

/// A PNG of ten pictures a class, a row each; which ones depends on the seed. Fewer where a class has fewer.
///
/// `show` gives the 784 bytes that are drawn for a picture, by its number: the picture's own, or what training makes of it.
pub fn draw_samples(
    images: &Images,
    seed: u64,
    mut show: impl FnMut(usize) -> [u8; INPUT_LEN],
) -> Result<Vec<u8>, DatasetError> {
    /// Samples of a class.
    const PER_CLASS: usize = 10;
    /// Pixels between samples and around them.
    const GAP: usize = 4;
    /// A picture's pixel becomes a square of this side, so that a person sees something.
    const ZOOM: usize = 2;
    let cell = INPUT_SIDE * ZOOM + GAP;
    let side = |cells: usize| (cells * cell + GAP) as u32;
    let mut sheet = image::GrayImage::from_pixel(side(PER_CLASS), side(LABEL_COUNT), image::Luma([255]));
    for label in Label::all() {
        let mut of_class: Vec<usize> = (0..images.len()).filter(|&i| images.labels[i] == label).collect();
        let purpose = super::network::random::Purpose::Sample {
            class: label.index() as u32,
        };
        super::network::random::Stream::new(seed, purpose).shuffle(&mut of_class);
        for (column, &index) in of_class.iter().take(PER_CLASS).enumerate() {
            let (left, top) = (GAP + column * cell, GAP + label.index() * cell);
            let picture = show(index);
            for y in 0..INPUT_SIDE * ZOOM {
                for x in 0..INPUT_SIDE * ZOOM {
                    let value = picture[y / ZOOM * INPUT_SIDE + x / ZOOM];
                    sheet.put_pixel((left + x) as u32, (top + y) as u32, image::Luma([value]));
                }
            }
        }
    }
    let mut png = std::io::Cursor::new(Vec::new());
    sheet.write_to(&mut png, image::ImageFormat::Png)?;
    Ok(png.into_inner())
}

fn read_file_blocking(
    folder: &Path,
    official: &OfficialFile,
    provenance: Provenance,
) -> Result<(FileRecord, PathBuf, Vec<u8>), DatasetError> {
    let path = folder.join(official.name);
    let bytes = std::fs::read(&path).map_err(|source| DatasetError::Read {
        path: path.clone(),
        source,
    })?;
    let record = FileRecord {
        name: official.name.into(),
        sha256: sha256(&bytes),
        official: sha256(&bytes) == official.sha256,
    };
    if provenance == Provenance::Official && !record.official {
        let fault = if bytes.len() as u64 != official.bytes {
            Fault::new("its length", bytes.len(), format!("{} bytes", official.bytes))
        } else {
            Fault::new("its SHA-256", record.sha256, official.sha256)
        };
        return Err(in_file(fault, &path));
    }
    Ok((record, path, bytes))
}

fn in_file(fault: Fault, path: &Path) -> DatasetError {
    DatasetError::Content {
        path: path.to_owned(),
        what: fault.what,
        found: fault.found,
        expected: fault.expected,
    }
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

#[cfg(test)]
#[path = "dataset_tests.rs"]
mod tests;
