//! What each change does to the rows.
//!
//! In: a `Change`, inside an open transaction. Out: rows, and what they add to `Applied`. Never: an outcome
//! overwritten, a file whose answer differs from that of another file with the same content, a person's word undone.

use rusqlite::{OptionalExtension, params};

use super::answer::{Answer, Novelty, TagColumns};
use super::change::{Applied, Change, ContentFacts, FileSighting, RejectionRecord, TagRecord};
use super::write::{Batch, WriteError};
use crate::domain::{
    ContentHash, FileStamp, InventoryPath, ModelId, Rejection, RejectionReason, Scores, Timestamp,
};

impl Applied {
    fn took_over(&mut self, answer: &Answer) {
        match answer.reason {
            None => self.known_tagged += 1,
            Some(_) => self.known_rejected += 1,
        }
    }
}

/// A file that was renamed, and whose answer it shall have.
struct Rename<'a> {
    from: &'a InventoryPath,
    to: &'a FileSighting,
    hash: &'a ContentHash,
    model: &'a ModelId,
}

impl Batch<'_> {
    pub(super) fn apply_one(&self, change: &Change, applied: &mut Applied) -> Result<(), WriteError> {
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
            Change::Moved {
                from,
                to,
                hash,
                model,
            } => {
                let rename = Rename {
                    from,
                    to,
                    hash,
                    model,
                };
                self.moved(&rename, applied)
            }
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
        let model_id = self.answering_model(&tag.model)?;
        let (image_id, image) = self.image(content, tag.tagged_at)?;
        let top = tag.prediction.top();
        let answer = Answer {
            image_id: Some(image_id),
            model_id: Some(model_id),
            label_id: Some(top.label.index() as i64),
            confidence: Some(f64::from(top.confidence.get())),
            reason: None,
            detail: None,
            tagged_at_ms: tag.tagged_at.as_millis(),
            corrected_at_ms: None,
            certainty: Some(self.certainty_of(&top, model_id)?),
        };
        let scores = scores_text(&tag.prediction.scores);
        let columns = TagColumns {
            scores: &scores,
            device: tag.device.name(),
            unknown: top.unknown.map(|score| f64::from(score.get())),
        };
        let outcome = self.outcome(&answer, Some(columns), tag.preprocessing)?;
        applied.new_images += u64::from(image == Novelty::New);
        applied.new_outcomes += u64::from(outcome == Novelty::New);
        self.settle(file, &content.hash, answer, (image, outcome))
    }

    fn rejected(
        &self,
        file: &FileSighting,
        content: &ContentFacts,
        record: &RejectionRecord,
        applied: &mut Applied,
    ) -> Result<(), WriteError> {
        let model_id = self.answering_model(&record.model)?;
        let (image_id, image) = self.image(content, record.at)?;
        let answer = Answer {
            image_id: Some(image_id),
            model_id: Some(model_id),
            label_id: None,
            confidence: None,
            reason: Some(record.rejection.reason.code().to_owned()),
            detail: Some(record.rejection.detail.clone()),
            tagged_at_ms: record.at.as_millis(),
            corrected_at_ms: None,
            certainty: None,
        };
        let outcome = self.outcome(&answer, None, record.preprocessing)?;
        applied.new_images += u64::from(image == Novelty::New);
        applied.new_outcomes += u64::from(outcome == Novelty::New);
        self.settle(file, &content.hash, answer, (image, outcome))
    }

    /// Gives the file, and the content's other files, the outcome that is stored, or what a person said.
    fn settle(
        &self,
        file: &FileSighting,
        hash: &ContentHash,
        ours: Answer,
        (image, outcome): (Novelty, Novelty),
    ) -> Result<(), WriteError> {
        let stored = match (outcome, ours.image_id, ours.model_id) {
            (Novelty::Old, Some(image_id), Some(model_id)) => self.stored_answer(image_id, model_id)?,
            _ => None,
        };
        let answer = self.as_corrected(hash, stored.unwrap_or(ours))?;
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
        if self.is_on_record(path, stamp, rejection)? {
            return Ok(()); // Each sweep says so again; the first time stays, and nobody is told of news.
        }
        let answer = Answer {
            image_id: None,
            model_id: None,
            label_id: None,
            confidence: None,
            reason: Some(rejection.reason.code().to_owned()),
            detail: Some(rejection.detail.clone()),
            tagged_at_ms: at.as_millis(),
            corrected_at_ms: None,
            certainty: None,
        };
        Ok(self.write_file(path, stamp, absent_at, &answer)?)
    }

    /// Whether a file that is there was rejected for just that, unread, as it lies.
    fn is_on_record(
        &self,
        path: &InventoryPath,
        stamp: Option<FileStamp>,
        rejection: &Rejection,
    ) -> rusqlite::Result<bool> {
        self.transaction
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM files WHERE path = ?1 AND is_present = 1 AND image_id IS NULL
                     AND reason = ?2 AND detail = ?3 AND (size, mtime_ns, inode) IS (?4, ?5, ?6))",
            )?
            .query_row(
                params![
                    path.as_str(),
                    rejection.reason.code(),
                    rejection.detail,
                    stamp.map(|stamp| stamp.size as i64),
                    stamp.map(|stamp| stamp.mtime_ns),
                    stamp.map(|stamp| stamp.inode.cast_signed()),
                ],
                |row| row.get(0),
            )
    }

    fn known(
        &self,
        file: &FileSighting,
        hash: &ContentHash,
        model: &ModelId,
        applied: &mut Applied,
    ) -> Result<(), WriteError> {
        let model_id = self.answering_model(model)?;
        let answer = match self.row_of_image(hash)? {
            Some(image_id) => self.stored_answer(image_id, model_id)?,
            None => None,
        };
        let Some(answer) = answer else {
            applied.unknown.push(file.path.clone());
            return Ok(());
        };
        applied.took_over(&answer);
        let answer = self.as_corrected(hash, answer)?;
        self.write_file(&file.path, Some(file.stamp), None, &answer)?;
        Ok(self.other_files_follow(&file.path, &answer)?)
    }

    fn moved(&self, rename: &Rename<'_>, applied: &mut Applied) -> Result<(), WriteError> {
        let &Rename {
            from,
            to,
            hash,
            model,
        } = rename;
        let model_id = self.answering_model(model)?;
        let answer = match self.row_of_image(hash)? {
            // Without an answer of that model, another one's is better than none: a rename keeps its tag.
            Some(image_id) => match self.stored_answer(image_id, model_id)? {
                None => self.current_answer(image_id)?,
                answer => answer,
            },
            None => None,
        };
        let Some(answer) = answer else {
            applied.unknown.push(to.path.clone());
            return Ok(());
        };
        if *from != to.path {
            self.rename_row(from, &to.path, answer.image_id)?;
        }
        applied.took_over(&answer);
        let answer = self.as_corrected(hash, answer)?;
        self.write_file(&to.path, Some(to.stamp), None, &answer)?;
        Ok(self.other_files_follow(&to.path, &answer)?)
    }

    /// Gives the row of a content's file its new path, in place of a row that has it; none where there is no such file.
    fn rename_row(
        &self,
        from: &InventoryPath,
        to: &InventoryPath,
        image_id: Option<i64>,
    ) -> rusqlite::Result<()> {
        let row_that_moves: Option<i64> = self
            .transaction
            .prepare_cached("SELECT id FROM files WHERE path = ?1 AND image_id = ?2")?
            .query_row(params![from.as_str(), image_id], |row| row.get(0))
            .optional()?;
        if let Some(id) = row_that_moves {
            self.transaction
                .prepare_cached("DELETE FROM files WHERE path = ?1")?
                .execute([to.as_str()])?;
            self.transaction
                .prepare_cached("UPDATE files SET path = ?1 WHERE id = ?2")?
                .execute(params![to.as_str(), id])?;
        }
        Ok(())
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

    fn answering_model(&self, model: &ModelId) -> Result<i64, WriteError> {
        let mut known = self.answering.borrow_mut();
        if let Some((_, id)) = known.iter().find(|(known, _)| known == model) {
            return Ok(*id);
        }
        let row = self.row_of_model(model)?;
        let id = row.ok_or_else(|| WriteError::UnknownModel(model.clone()))?;
        known.push((model.clone(), id));
        Ok(id)
    }
}

/// A JSON array of the ten probabilities, each in as many digits as lead back to the same f32.
pub(super) fn scores_text(scores: &Scores) -> String {
    serde_json::to_string(scores.values()).expect("numbers become JSON; this is a bug")
}
