//! What the tests of the stations share: a shop on the disk with its store, and made-up answers.
//!
//! In: nothing. Out: folders, files, changes. Never: anything outside of tests.

use std::path::{Path, PathBuf};
use std::time::Duration;

use globset::GlobSet;

use super::inbox::{Inboxes, stamp_of};
use super::prepare::PreparedImage;
use super::serving::{InService, ServiceChange, Serving};
use super::settle::SettledFile;
use crate::config::{Config, SettleConfig, Sources};
use crate::domain::{
    ContentHash, Device, FileStamp, INPUT_LEN, INPUT_SIDE, InventoryPath, LABEL_COUNT, ModelId, Prediction,
    PreprocessingVersion, Scores, Timestamp,
};
use crate::model::{Classifier, ClassifyError};
use crate::preprocess::InputTensor;
use crate::store::{Change, ContentFacts, Durability, FileSighting, NewModel, Reader, Store, TagRecord};

/// The preprocessing of every made-up model.
pub(crate) const VERSION: PreprocessingVersion = crate::preprocess::VERSION;

/// Waits that a test survives.
pub(crate) const SETTLE: SettleConfig = SettleConfig {
    quiet: Duration::from_millis(1),
    quiet_unclosed: Duration::from_millis(2),
    give_up: Duration::from_secs(3_600),
};

/// A temporary folder with an inbox, and a store in which the models `a` and `b` are registered.
pub(crate) struct Shop {
    folder: tempfile::TempDir,
}

impl Shop {
    pub(crate) fn new() -> Self {
        let shop = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        std::fs::create_dir(shop.inbox()).unwrap();
        let mut store = shop.store();
        for digit in ["a", "b"] {
            let entry = NewModel::new(&digit.repeat(64), VERSION, Timestamp::from_millis(0));
            store.register_model(&entry.unwrap()).unwrap();
        }
        shop
    }

    /// The folder around it all, as a real path.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap()
    }

    pub(crate) fn inbox(&self) -> PathBuf {
        self.path().join("inbox")
    }

    /// The inbox, and nothing to pass over.
    pub(crate) fn inboxes(&self) -> Inboxes {
        Inboxes::new(vec![self.inbox()], GlobSet::empty())
    }

    pub(crate) fn store(&self) -> Store {
        Store::open(&self.path().join("hangtag.db"), Durability::Normal).unwrap()
    }

    pub(crate) fn reader(&self) -> Reader {
        Reader::open(&self.path().join("hangtag.db")).unwrap()
    }

    /// Settings for the folders here.
    pub(crate) fn config(&self) -> Config {
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        let flags = vec![
            ("inbox".to_owned(), text(self.inbox())),
            ("data_dir".to_owned(), text(self.path())),
        ];
        let sources = Sources {
            flags,
            ..Sources::default()
        };
        Config::from_sources(&sources).unwrap()
    }

    /// A file in the inbox.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.inbox().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

/// The model of which the SHA-256 is this digit, 64 times.
pub(crate) fn model(digit: &str) -> ModelId {
    ModelId::from_sha256(&digit.repeat(64)).unwrap()
}

/// That model, serving for good.
pub(crate) fn in_service(digit: &str) -> InService {
    let serving = Serving {
        model: model(digit),
        preprocessing: VERSION,
    };
    ServiceChange::starting_with(serving).in_service()
}

/// A model that always says the same, for pictures of any kind.
pub(crate) struct Fake {
    pub(crate) id: ModelId,
    /// What it says.
    pub(crate) label: usize,
    /// What it claims of its inputs.
    pub(crate) preprocessing: PreprocessingVersion,
    /// Goes when the model does.
    pub(crate) _memory: Option<std::sync::mpsc::Sender<()>>,
}

impl Fake {
    /// Model `digit` says label `label`.
    pub(crate) fn new(digit: &str, label: usize) -> Self {
        Self {
            id: model(digit),
            label,
            preprocessing: VERSION,
            _memory: None,
        }
    }

    /// So many copies.
    pub(crate) fn copies(digit: &str, label: usize, count: usize) -> Vec<Box<dyn Classifier>> {
        (0..count)
            .map(|_| Box::new(Self::new(digit, label)) as _)
            .collect()
    }
}

impl Classifier for Fake {
    fn id(&self) -> &ModelId {
        &self.id
    }

    fn device(&self) -> Device {
        Device::Cpu
    }

    fn preprocessing(&self) -> PreprocessingVersion {
        self.preprocessing
    }

    fn warm_up(&mut self) -> Result<(), ClassifyError> {
        Ok(())
    }

    fn classify(&mut self, inputs: &[&InputTensor]) -> Result<Vec<Prediction>, ClassifyError> {
        let mut scores = [0.0; LABEL_COUNT];
        scores[self.label] = 1.0;
        Ok(vec![Scores::new(scores).unwrap().into(); inputs.len()])
    }
}

/// A picture on its way to the model; each number another one.
pub(crate) fn prepared(number: u32) -> PreparedImage {
    PreparedImage {
        file: sighting(Path::new(&format!("/in/{number}.png"))),
        content: content(&number.to_le_bytes()),
        input: crate::preprocess::from_idx(&[0; INPUT_LEN]),
        preprocessing: VERSION,
    }
}

/// What is known of a content.
pub(crate) fn content(bytes: &[u8]) -> ContentFacts {
    ContentFacts {
        hash: ContentHash::of(bytes),
        bytes: bytes.len() as u64,
        format: None,
        size_px: None,
    }
}

/// A file as it lies there, or as it might have been where nothing lies.
pub(crate) fn sighting(path: &Path) -> FileSighting {
    let stamp = path.metadata().map_or(
        FileStamp {
            size: 1,
            mtime_ns: 1,
            inode: 1,
        },
        |metadata| stamp_of(&metadata),
    );
    FileSighting {
        path: InventoryPath::of(path),
        stamp,
    }
}

/// A file that may be read.
pub(crate) fn settled(path: &Path) -> SettledFile {
    SettledFile {
        path: path.to_owned(),
        stamp: sighting(path).stamp,
        rested: Duration::ZERO,
    }
}

/// A model's answer for a file.
pub(crate) fn tagged(path: &Path, bytes: &[u8], digit: &str) -> Change {
    let mut scores = [0.0; LABEL_COUNT];
    scores[3] = 1.0;
    Change::Tagged {
        file: sighting(path),
        content: content(bytes),
        tag: TagRecord {
            prediction: Scores::new(scores).unwrap().into(),
            model: model(digit),
            device: Device::Cpu,
            preprocessing: VERSION,
            tagged_at: Timestamp::from_millis(1_000),
        },
    }
}

/// A small picture; each shade another one.
pub(crate) fn png(shade: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    image::GrayImage::from_pixel(INPUT_SIDE as u32, INPUT_SIDE as u32, image::Luma([shade]))
        .write_to(&mut std::io::Cursor::new(&mut bytes), image::ImageFormat::Png)
        .unwrap();
    bytes
}
