//! Tests of the store over real database files.

use std::path::{Path, PathBuf};

use super::*;
use crate::domain::*;

mod audits;
mod backup;
mod changes;
mod corrections;
mod failures;
mod migrations;
mod pages;
mod promotion;
mod queries;
mod records;
mod registry;
mod renames;
mod retag;
mod trust;

/// A store in a temporary folder.
struct Fixture {
    folder: tempfile::TempDir,
    store: Store,
}

impl Fixture {
    fn new() -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(&database(folder.path()), Durability::Normal).unwrap();
        for digit in ["a", "b"] {
            store.register_model(&new_model(digit)).unwrap();
        }
        Fixture { folder, store }
    }

    fn path(&self) -> PathBuf {
        database(self.folder.path())
    }

    fn reader(&self) -> Reader {
        Reader::open(&self.path()).unwrap()
    }

    fn apply(&mut self, change: Change) -> Applied {
        self.store.apply(&[change]).unwrap()
    }

    fn file(&self, name: &str) -> Option<FileRow> {
        self.reader()
            .file_history(&path(name))
            .unwrap()
            .map(|history| history.file)
    }

    /// What SQLite finds wrong with the file: nothing.
    fn findings(&self) -> Vec<String> {
        super::backup::findings(&self.store.connection).unwrap()
    }

    /// One number out of the database.
    fn number(&self, sql: &str) -> i64 {
        let row = self.store.connection.query_row(sql, [], |row| row.get(0));
        row.unwrap()
    }

    /// Every row that tells what is known, as text: equal dumps are equal stores.
    fn dump(&self) -> Vec<String> {
        let tables = [
            "SELECT * FROM images",
            "SELECT * FROM outcomes",
            "SELECT * FROM files ORDER BY path",
            "SELECT * FROM models",
            "SELECT * FROM truths",
            "SELECT * FROM daily_tags",
        ];
        let mut lines = Vec::new();
        for sql in tables {
            let mut statement = self.store.connection.prepare(sql).unwrap();
            let columns = statement.column_count();
            let mut rows = statement.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                let values: Vec<_> = (0..columns)
                    .map(|column| format!("{:?}", row.get_ref(column).unwrap()))
                    .collect();
                lines.push(values.join(" | "));
            }
        }
        lines
    }
}

fn database(folder: &Path) -> PathBuf {
    folder.join("data").join("hangtag.db")
}

fn new_model(digit: &str) -> NewModel {
    NewModel::new(&digit.repeat(64), PreprocessingVersion(1), at(0)).unwrap()
}

fn model(digit: &str) -> ModelId {
    new_model(digit).id().clone()
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

/// The path of a file in the test's shop.
fn path(name: &str) -> InventoryPath {
    InventoryPath::from_stored(format!("/shop/{name}"))
}

fn sighting(name: &str) -> FileSighting {
    FileSighting {
        path: path(name),
        stamp: FileStamp {
            size: 9,
            mtime_ns: 5,
            inode: u64::MAX,
        },
    }
}

fn content(text: &str) -> ContentFacts {
    ContentFacts {
        hash: ContentHash::of(text.as_bytes()),
        bytes: 9,
        format: Some(ImageFormat::Png),
        size_px: Some((3, 4)),
    }
}

fn label_of(fixture: &Fixture, name: &str) -> Option<usize> {
    fixture.file(name).unwrap().label.map(Label::index)
}

/// Scores whose top is `label` with `confidence`.
fn scores(label: usize, confidence: f32) -> Scores {
    let mut values = [0.0; LABEL_COUNT];
    values[label] = confidence;
    Scores::new(values).unwrap()
}

/// Thresholds that accept every label from this trust on.
fn accepting_from(digit: &str, trust: f32) -> NewThresholds {
    NewThresholds {
        model: model(digit),
        thresholds: Thresholds {
            accept: [Confidence::new(trust).ok(); LABEL_COUNT],
            basis: Basis::Set,
            ..Thresholds::unfounded()
        },
        by: "anna".into(),
        at: at(4_000),
    }
}

fn tagged(name: &str, text: &str, digit: &str, label: usize) -> Change {
    Change::Tagged {
        file: sighting(name),
        content: content(text),
        tag: TagRecord {
            prediction: scores(label, 0.9).into(),
            model: model(digit),
            device: Device::Cpu,
            preprocessing: PreprocessingVersion(1),
            tagged_at: at(1_000),
        },
    }
}

fn rejected(name: &str, text: &str, digit: &str) -> Change {
    Change::Rejected {
        file: sighting(name),
        content: content(text),
        rejection: RejectionRecord {
            rejection: Rejection {
                reason: RejectionReason::Corrupt,
                detail: "broken".into(),
            },
            model: model(digit),
            preprocessing: PreprocessingVersion(1),
            at: at(2_000),
        },
    }
}

fn unread(name: &str, reason: RejectionReason) -> Change {
    Change::Unread {
        path: path(name),
        stamp: None,
        rejection: Rejection {
            reason,
            detail: "permission denied".into(),
        },
        at: at(3_000),
    }
}

fn known(name: &str, text: &str, digit: &str) -> Change {
    Change::Known {
        file: sighting(name),
        hash: content(text).hash,
        model: model(digit),
    }
}

fn moved(from: &str, to: &str, text: &str, digit: &str) -> Change {
    Change::Moved {
        from: path(from),
        to: sighting(to),
        hash: content(text).hash,
        model: model(digit),
    }
}

/// A correction at 5 s; `label` `None` for none of the ten.
fn correction(text: &str, label: Option<usize>) -> NewCorrection {
    NewCorrection {
        hash: content(text).hash,
        truth: label.and_then(Label::from_index).into(),
        by: "anna".into(),
        at: at(5_000),
    }
}

/// A tag of a certain confidence and unknown score.
fn certain(name: &str, digit: &str, label: usize, confidence: f32, unknown: f32) -> Change {
    let mut change = tagged(name, name, digit, label);
    if let Change::Tagged { tag, .. } = &mut change {
        tag.prediction = scores(label, confidence).into();
        tag.prediction.unknown = Confidence::new(unknown).ok();
    }
    change
}

fn absent(name: &str) -> Change {
    Change::Absent {
        path: path(name),
        at: at(4_000),
    }
}
