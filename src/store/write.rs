//! The one writer of a process: batches of changes, one transaction each.
//!
//! In: `Change`s. Out: committed rows, or an error and nothing written. Never: an outcome overwritten, a file whose
//! answer differs from that of another file with the same content.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::change::{Applied, Change, ContentFacts, FileSighting, RejectionRecord, TagRecord};
use super::error::StoreError;
use super::open::{self, Durability};
use crate::domain::{
    ContentHash, FileStamp, InventoryPath, ModelId, PreprocessingVersion, Rejection, RejectionReason,
    Timestamp,
};

/// The read-write connection. Owned by one thread; other processes may write too, each transaction waits its turn.
#[derive(Debug)]
pub struct Store {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
}

impl Store {
    /// Opens the database, makes it and its folder if absent, and brings an older schema up to date.
    pub fn open(path: &Path, durability: Durability) -> Result<Store, StoreError> {
        Ok(Store {
            connection: open::writer(path, durability)?,
            path: path.to_owned(),
        })
    }

    /// Writes all changes in one transaction, in order: after `Ok` they are committed (and, with
    /// `Durability::Full`, on the disk), after `Err` none of them is.
    pub fn apply(&mut self, changes: &[Change]) -> Result<Applied, StoreError> {
        self.write("record a batch of outcomes", |batch| {
            let mut applied = Applied::default();
            for change in changes {
                batch.apply_one(change, &mut applied)?;
            }
            Ok(applied)
        })
    }

    /// Copies the write-ahead log into the database and empties it, as far as readers allow: it waits for nobody. To be
    /// called when the writer ends; commits do it by themselves when the log grows.
    pub fn checkpoint(&mut self) -> Result<(), StoreError> {
        self.wait_for_locks(Duration::ZERO)?;
        let emptied = self.run_checkpoint("PRAGMA wal_checkpoint(TRUNCATE)");
        self.wait_for_locks(Duration::from_millis(open::BUSY_TIMEOUT_MS))?;
        emptied
    }

    /// Copies into the database what no reader needs in the log any more; neither readers nor writers wait for it.
    pub fn checkpoint_beside_others(&mut self) -> Result<(), StoreError> {
        self.run_checkpoint("PRAGMA wal_checkpoint(PASSIVE)")
    }

    fn run_checkpoint(&self, sql: &str) -> Result<(), StoreError> {
        self.connection
            .query_row(sql, [], |_| Ok(()))
            .map_err(|source| StoreError::of("checkpoint the write-ahead log", &self.path, source))
    }

    fn wait_for_locks(&self, at_most: Duration) -> Result<(), StoreError> {
        self.connection
            .busy_timeout(at_most)
            .map_err(|source| StoreError::of("set how long locks are waited for", &self.path, source))
    }

    /// What SQLite's `integrity_check` and `foreign_key_check` find: nothing, when all is well.
    pub fn integrity_check(&self) -> Result<Vec<String>, StoreError> {
        let read = || -> rusqlite::Result<Vec<String>> {
            let mut lines: Vec<String> = self
                .connection
                .prepare("PRAGMA integrity_check")?
                .query_map([], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            lines.retain(|line| line != "ok");
            let mut statement = self.connection.prepare("PRAGMA foreign_key_check")?;
            let broken = statement.query_map([], |row| {
                Ok(format!(
                    "row {:?} of {} refers to a missing row of {}",
                    row.get::<_, Option<i64>>(1)?,
                    row.get::<_, String>(0)?,
                    row.get::<_, String>(2)?
                ))
            })?;
            for line in broken {
                lines.push(line?);
            }
            Ok(lines)
        };
        read().map_err(|source| StoreError::of("check the integrity of the tag database", &self.path, source))
    }

    /// Runs `work` in one immediate transaction and commits it; an error rolls back and leaves the store usable.
    pub(super) fn write<T>(
        &mut self,
        operation: &'static str,
        work: impl FnOnce(&Batch<'_>) -> Result<T, WriteError>,
    ) -> Result<T, StoreError> {
        let path = &self.path;
        let named = |error: WriteError| match error {
            WriteError::Sqlite(source) => StoreError::of(operation, path, source),
            WriteError::UnknownModel(model) => StoreError::UnknownModel {
                operation,
                path: path.clone(),
                model: model.to_string(),
            },
            WriteError::NoSuchRun(run) => StoreError::NoSuchRun {
                operation,
                path: path.clone(),
                run,
            },
        };
        // The connection's default behaviour is IMMEDIATE (see open.rs).
        let transaction = self
            .connection
            .transaction()
            .map_err(|source| named(source.into()))?;
        let batch = Batch { transaction };
        let result = work(&batch).map_err(named)?;
        batch
            .transaction
            .commit()
            .map_err(|source| named(source.into()))?;
        Ok(result)
    }

    /// For tests: the database may not grow past what it has plus `pages` of 4 KiB; `None` lifts the limit.
    #[cfg(test)]
    pub(crate) fn limit_growth(&mut self, pages: Option<i64>) {
        let used: i64 = self
            .connection
            .pragma_query_value(None, "page_count", |row| row.get(0))
            .unwrap();
        let limit = pages.map_or(i64::from(u32::MAX) - 1, |pages| used + pages);
        self.connection
            .pragma_update_and_check(None, "max_page_count", limit, |_| Ok(()))
            .unwrap();
    }
}

/// What can go wrong inside a transaction, before it has its operation's name.
#[derive(Debug)]
pub(super) enum WriteError {
    Sqlite(rusqlite::Error),
    UnknownModel(ModelId),
    NoSuchRun(i64),
}

impl From<rusqlite::Error> for WriteError {
    fn from(source: rusqlite::Error) -> Self {
        WriteError::Sqlite(source)
    }
}

/// An open transaction.
pub(super) struct Batch<'store> {
    pub(super) transaction: Transaction<'store>,
}

/// What an image's files say: the part of a `files` row that comes from an outcome.
#[derive(Debug, Clone, PartialEq)]
struct Answer {
    image_id: Option<i64>,
    model_id: Option<i64>,
    label_id: Option<i64>,
    confidence: Option<f64>,
    reason: Option<String>,
    detail: Option<String>,
    tagged_at_ms: i64,
}

impl Applied {
    fn took_over(&mut self, answer: &Answer) {
        match answer.reason {
            None => self.known_tagged += 1,
            Some(_) => self.known_rejected += 1,
        }
    }
}

/// Whether a row was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Novelty {
    New,
    Old,
}

impl Batch<'_> {
    fn apply_one(&self, change: &Change, applied: &mut Applied) -> Result<(), WriteError> {
        match change {
            Change::Tagged { file, content, tag } => self.tagged(file, content, tag, applied),
            Change::Rejected {
                file,
                content,
                rejection,
            } => self.rejected(file, content, rejection, applied),
            Change::Unread {
                path,
                stamp,
                rejection,
                at,
            } => self.unread(path, *stamp, rejection, *at),
            Change::Known { file, hash, model } => self.known(file, hash, model, applied),
            Change::Moved { from, to, hash } => self.moved(from, to, hash, applied),
            Change::Absent { path, at } => self.absent(path, *at).map(|_| ()),
        }
    }

    fn tagged(
        &self,
        file: &FileSighting,
        content: &ContentFacts,
        tag: &TagRecord,
        applied: &mut Applied,
    ) -> Result<(), WriteError> {
        let model_id = self.model_id(&tag.model)?;
        let (image_id, image) = self.image(content, tag.tagged_at)?;
        let (label, confidence) = tag.scores.top();
        let answer = Answer {
            image_id: Some(image_id),
            model_id: Some(model_id),
            label_id: Some(label.index() as i64),
            confidence: Some(f64::from(confidence.get())),
            reason: None,
            detail: None,
            tagged_at_ms: tag.tagged_at.as_millis(),
        };
        let scores = scores_text(tag.scores.values());
        let outcome = self.outcome(&answer, Some((&scores, tag.device.name())), tag.preprocessing)?;
        self.settle(file, answer, image, outcome, applied)
    }

    fn rejected(
        &self,
        file: &FileSighting,
        content: &ContentFacts,
        record: &RejectionRecord,
        applied: &mut Applied,
    ) -> Result<(), WriteError> {
        let model_id = self.model_id(&record.model)?;
        let (image_id, image) = self.image(content, record.at)?;
        let answer = Answer {
            image_id: Some(image_id),
            model_id: Some(model_id),
            label_id: None,
            confidence: None,
            reason: Some(record.rejection.reason.code().to_owned()),
            detail: Some(record.rejection.detail.clone()),
            tagged_at_ms: record.at.as_millis(),
        };
        let outcome = self.outcome(&answer, None, record.preprocessing)?;
        self.settle(file, answer, image, outcome, applied)
    }

    /// Gives the file, and the content's other files, the outcome that is stored.
    fn settle(
        &self,
        file: &FileSighting,
        ours: Answer,
        image: Novelty,
        outcome: Novelty,
        applied: &mut Applied,
    ) -> Result<(), WriteError> {
        applied.new_images += u64::from(image == Novelty::New);
        applied.new_outcomes += u64::from(outcome == Novelty::New);
        let stored = match (outcome, ours.image_id, ours.model_id) {
            (Novelty::Old, Some(image_id), Some(model_id)) => self.stored_answer(image_id, model_id)?,
            _ => None,
        };
        let answer = stored.unwrap_or(ours);
        self.write_file(&file.path, Some(file.stamp), None, &answer)?;
        if image == Novelty::Old {
            self.other_files_follow(&file.path, &answer)?;
        }
        Ok(())
    }

    fn unread(
        &self,
        path: &InventoryPath,
        stamp: Option<FileStamp>,
        rejection: &Rejection,
        at: Timestamp,
    ) -> Result<(), WriteError> {
        let absent_at = (rejection.reason == RejectionReason::Vanished).then_some(at);
        if absent_at.is_some() && self.absent(path, at)? {
            return Ok(());
        }
        let answer = Answer {
            image_id: None,
            model_id: None,
            label_id: None,
            confidence: None,
            reason: Some(rejection.reason.code().to_owned()),
            detail: Some(rejection.detail.clone()),
            tagged_at_ms: at.as_millis(),
        };
        Ok(self.write_file(path, stamp, absent_at, &answer)?)
    }

    fn known(
        &self,
        file: &FileSighting,
        hash: &ContentHash,
        model: &ModelId,
        applied: &mut Applied,
    ) -> Result<(), WriteError> {
        let model_id = self.model_id(model)?;
        let answer = match self.image_id(hash)? {
            Some(image_id) => self.stored_answer(image_id, model_id)?,
            None => None,
        };
        let Some(answer) = answer else {
            applied.unknown.push(file.path.clone());
            return Ok(());
        };
        applied.took_over(&answer);
        self.write_file(&file.path, Some(file.stamp), None, &answer)?;
        self.other_files_follow(&file.path, &answer)?;
        Ok(())
    }

    fn moved(
        &self,
        from: &InventoryPath,
        to: &FileSighting,
        hash: &ContentHash,
        applied: &mut Applied,
    ) -> Result<(), WriteError> {
        let Some(image_id) = self.image_id(hash)? else {
            applied.unknown.push(to.path.clone());
            return Ok(());
        };
        let Some(answer) = self.current_answer(image_id)? else {
            applied.unknown.push(to.path.clone());
            return Ok(());
        };
        let row_that_moves: Option<i64> = self
            .transaction
            .prepare_cached("SELECT id FROM files WHERE path = ?1 AND image_id = ?2")?
            .query_row(params![from.as_str(), image_id], |row| row.get(0))
            .optional()?;
        if let Some(id) = row_that_moves.filter(|_| *from != to.path) {
            self.transaction
                .prepare_cached("DELETE FROM files WHERE path = ?1")?
                .execute([to.path.as_str()])?;
            self.transaction
                .prepare_cached("UPDATE files SET path = ?1 WHERE id = ?2")?
                .execute(params![to.path.as_str(), id])?;
        }
        applied.took_over(&answer);
        Ok(self.write_file(&to.path, Some(to.stamp), None, &answer)?)
    }

    /// Marks a file absent; `true` where the path is known. The first time it was missed is kept.
    fn absent(&self, path: &InventoryPath, at: Timestamp) -> Result<bool, WriteError> {
        let rows = self
            .transaction
            .prepare_cached(
                "UPDATE files SET is_present = 0, absent_at_ms = coalesce(absent_at_ms, ?2) WHERE path = ?1",
            )?
            .execute(params![path.as_str(), at.as_millis()])?;
        Ok(rows > 0)
    }

    fn model_id(&self, model: &ModelId) -> Result<i64, WriteError> {
        self.transaction
            .prepare_cached("SELECT id FROM models WHERE model = ?1")?
            .query_row([model.as_str()], |row| row.get(0))
            .optional()?
            .ok_or_else(|| WriteError::UnknownModel(model.clone()))
    }

    fn image_id(&self, hash: &ContentHash) -> rusqlite::Result<Option<i64>> {
        self.transaction
            .prepare_cached("SELECT id FROM images WHERE content_hash = ?1")?
            .query_row([hash.as_bytes().as_slice()], |row| row.get(0))
            .optional()
    }

    /// The row of a content, made if absent.
    fn image(&self, content: &ContentFacts, at: Timestamp) -> rusqlite::Result<(i64, Novelty)> {
        let inserted = self
            .transaction
            .prepare_cached(
                "INSERT INTO images (content_hash, bytes, format, width, height, first_seen_at_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (content_hash) DO NOTHING",
            )?
            .execute(params![
                content.hash.as_bytes().as_slice(),
                content.bytes as i64,
                content.format.map(|format| format.name()),
                content.size_px.map(|(width, _)| width),
                content.size_px.map(|(_, height)| height),
                at.as_millis(),
            ])?;
        match inserted {
            1 => Ok((self.transaction.last_insert_rowid(), Novelty::New)),
            _ => {
                let id = self.image_id(&content.hash)?;
                Ok((
                    id.expect("a hash that conflicts is in the table; this is a bug"),
                    Novelty::Old,
                ))
            }
        }
    }

    /// Adds an outcome unless the (content, model) has one; `tag` is scores and device.
    fn outcome(
        &self,
        answer: &Answer,
        tag: Option<(&str, &str)>,
        preprocessing: PreprocessingVersion,
    ) -> rusqlite::Result<Novelty> {
        let inserted = self
            .transaction
            .prepare_cached(
                "INSERT INTO outcomes (image_id, model_id, label_id, confidence, scores, device, reason, detail,
                     preprocessing_version, tagged_at_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (image_id, model_id) DO NOTHING",
            )?
            .execute(params![
                answer.image_id,
                answer.model_id,
                answer.label_id,
                answer.confidence,
                tag.map(|(scores, _)| scores),
                tag.map(|(_, device)| device),
                answer.reason,
                answer.detail,
                preprocessing.0,
                answer.tagged_at_ms,
            ])?;
        Ok(if inserted == 1 { Novelty::New } else { Novelty::Old })
    }

    fn stored_answer(&self, image_id: i64, model_id: i64) -> rusqlite::Result<Option<Answer>> {
        self.transaction
            .prepare_cached(
                "SELECT image_id, model_id, label_id, confidence, reason, detail, tagged_at_ms
                 FROM outcomes WHERE image_id = ?1 AND model_id = ?2",
            )?
            .query_row([image_id, model_id], answer_from_row)
            .optional()
    }

    /// What the content's files say now; where it has none (any more), its latest outcome.
    fn current_answer(&self, image_id: i64) -> rusqlite::Result<Option<Answer>> {
        let of_its_files = self
            .transaction
            .prepare_cached(
                "SELECT image_id, model_id, label_id, confidence, reason, detail, tagged_at_ms
                 FROM files WHERE image_id = ?1 LIMIT 1",
            )?
            .query_row([image_id], answer_from_row)
            .optional()?;
        if of_its_files.is_some() {
            return Ok(of_its_files);
        }
        self.transaction
            .prepare_cached(
                "SELECT image_id, model_id, label_id, confidence, reason, detail, tagged_at_ms
                 FROM outcomes WHERE image_id = ?1 ORDER BY tagged_at_ms DESC, model_id DESC LIMIT 1",
            )?
            .query_row([image_id], answer_from_row)
            .optional()
    }

    /// Writes the row of a path; `absent_at` is set for a file that vanished before it was ever read.
    fn write_file(
        &self,
        path: &InventoryPath,
        stamp: Option<FileStamp>,
        absent_at: Option<Timestamp>,
        answer: &Answer,
    ) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached(
                "INSERT INTO files (path, size, mtime_ns, inode, is_present, absent_at_ms, image_id, model_id,
                     label_id, confidence, reason, detail, tagged_at_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5 IS NULL, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
                 ON CONFLICT (path) DO UPDATE SET size = excluded.size, mtime_ns = excluded.mtime_ns,
                     inode = excluded.inode, is_present = excluded.is_present,
                     absent_at_ms = excluded.absent_at_ms, image_id = excluded.image_id,
                     model_id = excluded.model_id, label_id = excluded.label_id,
                     confidence = excluded.confidence, reason = excluded.reason, detail = excluded.detail,
                     tagged_at_ms = excluded.tagged_at_ms",
            )?
            .execute(params![
                path.as_str(),
                stamp.map(|stamp| stamp.size as i64),
                stamp.map(|stamp| stamp.mtime_ns),
                stamp.map(|stamp| stamp.inode.cast_signed()),
                absent_at.map(Timestamp::as_millis),
                answer.image_id,
                answer.model_id,
                answer.label_id,
                answer.confidence,
                answer.reason,
                answer.detail,
                answer.tagged_at_ms,
            ])?;
        Ok(())
    }

    /// One content has one answer: its files at other paths take it over.
    fn other_files_follow(&self, path: &InventoryPath, answer: &Answer) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached(
                "UPDATE files SET model_id = ?3, label_id = ?4, confidence = ?5, reason = ?6, detail = ?7,
                     tagged_at_ms = ?8
                 WHERE image_id = ?1 AND path <> ?2",
            )?
            .execute(params![
                answer.image_id,
                path.as_str(),
                answer.model_id,
                answer.label_id,
                answer.confidence,
                answer.reason,
                answer.detail,
                answer.tagged_at_ms,
            ])?;
        Ok(())
    }
}

fn answer_from_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Answer> {
    Ok(Answer {
        image_id: row.get(0)?,
        model_id: row.get(1)?,
        label_id: row.get(2)?,
        confidence: row.get(3)?,
        reason: row.get(4)?,
        detail: row.get(5)?,
        tagged_at_ms: row.get(6)?,
    })
}

/// A JSON array of the ten probabilities, each in as many digits as lead back to the same f32.
fn scores_text(values: &[f32]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(16 * values.len());
    for (index, value) in values.iter().enumerate() {
        let separator = if index == 0 { '[' } else { ',' };
        write!(text, "{separator}{value:?}").expect("writing to a String does not fail; this is a bug");
    }
    text.push(']');
    text
}
