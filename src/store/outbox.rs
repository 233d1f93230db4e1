//! New tags that somebody else is still to be told of.
//!
//! In: who is to be told, what became of an attempt. Out: the next batch. Never: a tag that was told of as news twice, unless
//! the answer to the first time was lost, and then not in another batch; more than a bounded number of rows.

use rusqlite::params;
use serde::Serialize;

use super::error::StoreError;
use super::lookup::Reader;
use super::rows;
use super::write::Store;
use crate::domain::{Confidence, ContentHash, InventoryPath, Label, ModelId, Timestamp};

/// Tags that wait at most behind a batch: some days of a large shop without its receiver. The oldest give way.
const MAX_WAITING: i64 = 1_000_000;

/// A batch of new tags.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TagNews {
    /// Grows from batch to batch; the same one again is the same batch.
    pub delivery: i64,
    /// In the order in which they were committed.
    pub tags: Vec<NewTag>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NewTag {
    /// Which content.
    pub content_hash: ContentHash,
    /// Its files that are there.
    pub paths: Vec<InventoryPath>,
    /// What the model says.
    pub label: Label,
    /// How sure it is.
    pub confidence: Confidence,
    /// Who says so.
    pub model: ModelId,
    /// When.
    pub tagged_at: Timestamp,
}

/// How deliveries go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outbox {
    /// Attempts in a row that failed.
    pub failures: u32,
    /// Not before then.
    pub next_attempt: Timestamp,
}

impl Store {
    /// From now on new tags are collected for this address; `None`: no more, and what waits is forgotten.
    pub fn collect_news_for(&mut self, url: Option<&str>) -> Result<(), StoreError> {
        self.write("set who is told of new tags", |batch| {
            let transaction = &batch.transaction;
            match url {
                Some(url) => transaction.execute(
                    "INSERT INTO webhook_target (id, url) VALUES (1, ?1)
                     ON CONFLICT (id) DO UPDATE SET url = ?1, failures = 0, next_attempt_ms = 0",
                    [url],
                )?,
                None => {
                    transaction.execute("DELETE FROM webhook_target", [])?;
                    transaction.execute("DELETE FROM webhook_outbox", [])?
                }
            };
            Ok(())
        })
    }

    /// A batch is about to be told of: until it has arrived, it is the next one, whatever else comes meanwhile.
    pub fn news_attempted(&mut self, delivery: i64) -> Result<(), StoreError> {
        self.write("record which new tags are told of", |batch| {
            batch
                .transaction
                .execute("UPDATE webhook_target SET attempted = ?1", [delivery])?;
            Ok(())
        })
    }

    /// A batch has arrived.
    pub fn news_arrived(&mut self, delivery: i64) -> Result<(), StoreError> {
        self.write("record a delivery of new tags", |batch| {
            batch
                .transaction
                .execute("DELETE FROM webhook_outbox WHERE id <= ?1", [delivery])?;
            batch.transaction.execute(
                "UPDATE webhook_target SET failures = 0, last_error = NULL, next_attempt_ms = 0, attempted = NULL",
                [],
            )?;
            Ok(())
        })
    }

    /// A batch has not arrived; when it is to be tried again.
    pub fn news_failed(&mut self, error: &str, next_attempt: Timestamp) -> Result<(), StoreError> {
        self.write("record a failed delivery of new tags", |batch| {
            batch.transaction.execute(
                "UPDATE webhook_target SET failures = failures + 1, last_error = ?1, next_attempt_ms = ?2",
                params![error, next_attempt.as_millis()],
            )?;
            Ok(())
        })
    }

    /// Gives up the oldest tags where more wait than there is room for; how many.
    pub fn give_up_old_news(&mut self) -> Result<u64, StoreError> {
        self.give_up_news_beyond(MAX_WAITING)
    }

    /// With room for another number of tags behind the batch, for tests.
    pub(super) fn give_up_news_beyond(&mut self, max_waiting: i64) -> Result<u64, StoreError> {
        self.write("give up new tags that nobody was told of", |batch| {
            // The open batch stays whole: it may have arrived, and comes again as it was.
            let given_up = batch.transaction.execute(
                "DELETE FROM webhook_outbox WHERE id <= (SELECT max(id) FROM webhook_outbox) - ?1
                     AND id > (SELECT coalesce(max(attempted), 0) FROM webhook_target)",
                [max_waiting],
            )?;
            Ok(given_up as u64)
        })
    }
}

impl Reader {
    /// How deliveries go; `None` where nobody is told.
    pub fn outbox(&self) -> Result<Option<Outbox>, StoreError> {
        self.row(
            "look up how deliveries go",
            "SELECT failures, next_attempt_ms FROM webhook_target",
            [],
            |row| {
                Ok(Outbox {
                    failures: row.get(0)?,
                    next_attempt: Timestamp::from_millis(row.get(1)?),
                })
            },
        )
    }

    /// The batch whose answer is missing, as it was; else the oldest tags that nobody was told of, at most so many. `None`
    /// where there are none.
    pub fn next_news(&self, limit: u32) -> Result<Option<TagNews>, StoreError> {
        const OPERATION: &str = "list new tags to be told of";
        self.at_one_moment(OPERATION, || {
            let delivery: Option<i64> = self
                .row(
                    OPERATION,
                    "SELECT coalesce(
                         (SELECT attempted FROM webhook_target),
                         (SELECT max(id) FROM (SELECT id FROM webhook_outbox ORDER BY id LIMIT ?1)))",
                    [limit],
                    |row| row.get(0),
                )?
                .flatten();
            let Some(delivery) = delivery else { return Ok(None) };
            // What was thinned out or forgotten meanwhile is no news any more.
            let found = self.rows(
                OPERATION,
                "SELECT i.content_hash, o.label_id, o.confidence, m.model, o.tagged_at_ms, o.image_id
                 FROM webhook_outbox w
                 JOIN outcomes o ON o.image_id = w.image_id AND o.model_id = w.model_id
                 JOIN images i ON i.id = o.image_id
                 JOIN models m ON m.id = o.model_id
                 WHERE w.id <= ?1 AND o.label_id IS NOT NULL ORDER BY w.id",
                [delivery],
                |row| {
                    let tag = NewTag {
                        content_hash: rows::present(rows::content_hash(row, 0)?, 0, "a hash of 32 bytes")?,
                        paths: Vec::new(),
                        label: rows::present(rows::label(row, 1)?, 1, "a label")?,
                        confidence: rows::present(rows::confidence(row, 2)?, 2, "a confidence")?,
                        model: rows::present(rows::model(row, 3)?, 3, "a model's id")?,
                        tagged_at: Timestamp::from_millis(row.get(4)?),
                    };
                    Ok((tag, row.get::<_, i64>(5)?))
                },
            )?;
            let mut tags = Vec::with_capacity(found.len());
            for (mut tag, image_id) in found {
                tag.paths = self.rows(
                    OPERATION,
                    "SELECT path FROM files INDEXED BY files_by_image WHERE image_id = ?1 AND is_present = 1 ORDER BY path",
                    [image_id],
                    |row| Ok(InventoryPath::from_stored(row.get(0)?)),
                )?;
                tags.push(tag);
            }
            Ok(Some(TagNews { delivery, tags }))
        })
    }
}
