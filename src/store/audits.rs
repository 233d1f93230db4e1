//! Random samples of the photos, drawn for people to look at.
//!
//! In: a seed and how many. Out: contents that a model tagged, each as likely as any other, and the record of the draw.
//! Never: a choice by what the model said; a truth (a correction is one).

use std::collections::{BTreeSet, BinaryHeap};

use rusqlite::{OptionalExtension, params};
use serde::Serialize;

use super::error::StoreError;
use super::lookup::Reader;
use super::rows;
use super::write::{Store, WriteError};
use crate::domain::{ContentHash, InventoryPath, ModelId, Timestamp};

/// Number of an audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct AuditId(pub i64);

/// What was drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawn {
    /// From how many.
    pub photos: u64,
    /// Which, in an order that means nothing.
    pub contents: Vec<ContentHash>,
}

/// A draw to be recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct NewAudit {
    /// Whose tags are looked at.
    pub model: ModelId,
    /// What decided the draw.
    pub seed: u32,
    /// What was drawn.
    pub drawn: Drawn,
    /// Who drew.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// A recorded draw.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AuditRow {
    /// Its number.
    pub id: AuditId,
    /// Whose tags were looked at.
    pub model: ModelId,
    /// What decided the draw.
    pub seed: u32,
    /// From how many photos it was drawn.
    pub photos: u64,
    /// Who drew.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// How many photos were drawn.
    pub drawn: u64,
    /// Of how many of them somebody has said what they show.
    pub audited: u64,
}

impl Reader {
    /// Draws up to `count` of the contents that are there and that show this model's tag (or would, if nobody had
    /// corrected them), each as likely as any other. The same seed draws the same ones, as far as they are still there:
    /// a content's place in the draw depends on the seed and its bytes alone.
    pub fn draw_contents(&self, model: &ModelId, seed: u32, count: usize) -> Result<Drawn, StoreError> {
        const OPERATION: &str = "draw photos at random";
        let draw = || -> rusqlite::Result<Drawn> {
            let candidates = self.tagged_contents(model)?;
            let mut statement = self
                .connection
                .prepare("SELECT id, content_hash FROM images INDEXED BY images_by_hash")?;
            let mut contents = statement.query([])?;
            // The greatest of the `count` least places is on top.
            let mut drawn: BinaryHeap<(ContentHash, ContentHash)> = BinaryHeap::with_capacity(count + 1);
            while let Some(row) = contents.next()? {
                if !candidates.contains(&row.get(0)?) {
                    continue;
                }
                let hash = rows::present(rows::content_hash(row, 1)?, 1, "a hash of 32 bytes")?;
                drawn.push((place(seed, &hash), hash));
                if drawn.len() > count {
                    drawn.pop();
                }
            }
            Ok(Drawn {
                photos: candidates.len() as u64,
                contents: drawn
                    .into_sorted_vec()
                    .into_iter()
                    .map(|(_, hash)| hash)
                    .collect(),
            })
        };
        self.at_one_moment(OPERATION, || {
            draw().map_err(|source| StoreError::of(OPERATION, &self.path, source))
        })
    }

    /// Rows of the contents that are there and have this model's tag.
    fn tagged_contents(&self, model: &ModelId) -> rusqlite::Result<BTreeSet<i64>> {
        let model_id: Option<i64> = self
            .connection
            .query_row(
                "SELECT id FROM models WHERE model = ?1",
                [model.as_str()],
                |row| row.get(0),
            )
            .optional()?;
        let mut statement = self.connection.prepare(
            "SELECT f.image_id FROM files f INDEXED BY files_by_image
             WHERE f.image_id IS NOT NULL AND f.model_id = ?1 AND f.is_present = 1
               AND (SELECT o.label_id FROM outcomes o WHERE o.image_id = f.image_id AND o.model_id = ?1) IS NOT NULL",
        )?;
        statement.query_map([model_id], |row| row.get(0))?.collect()
    }

    /// The draws on record, newest first.
    pub fn audits(&self) -> Result<Vec<AuditRow>, StoreError> {
        self.rows(
            "list the audits",
            "SELECT a.id, m.model, a.seed, a.photos, a.drawn_by, a.drawn_at_ms, count(c.content_hash),
                 count(t.id)
             FROM audits a JOIN models m ON m.id = a.model_id
             LEFT JOIN audited_contents c ON c.audit_id = a.id
             LEFT JOIN truths t ON t.content_hash = c.content_hash AND t.undone_at_ms IS NULL
             GROUP BY a.id ORDER BY a.id DESC",
            [],
            |row| {
                Ok(AuditRow {
                    id: AuditId(row.get(0)?),
                    model: rows::present(rows::model(row, 1)?, 1, "a model's id")?,
                    seed: row.get(2)?,
                    photos: row.get::<_, i64>(3)?.cast_unsigned(),
                    by: row.get(4)?,
                    at: Timestamp::from_millis(row.get(5)?),
                    drawn: row.get::<_, i64>(6)?.cast_unsigned(),
                    audited: row.get::<_, i64>(7)?.cast_unsigned(),
                })
            },
        )
    }

    /// A file that is there of each drawn content of which nobody has said what it shows, in path order.
    pub fn files_to_audit(&self) -> Result<Vec<InventoryPath>, StoreError> {
        self.rows(
            "list the drawn photos that nobody has looked at",
            "SELECT min(f.path) FROM (SELECT DISTINCT content_hash FROM audited_contents) c
             JOIN images i ON i.content_hash = c.content_hash
             JOIN files f INDEXED BY files_by_image ON f.image_id = i.id AND f.is_present = 1
             WHERE NOT EXISTS (SELECT 1 FROM truths t
                               WHERE t.content_hash = c.content_hash AND t.undone_at_ms IS NULL)
             GROUP BY i.id ORDER BY 1",
            [],
            |row| Ok(InventoryPath::from_stored(row.get(0)?)),
        )
    }
}

/// A content's place in a draw: a hash of both, so that it looks like chance and is the same one everywhere.
fn place(seed: u32, hash: &ContentHash) -> ContentHash {
    let mut bytes = [0; 36];
    bytes[..4].copy_from_slice(&seed.to_le_bytes());
    bytes[4..].copy_from_slice(hash.as_bytes());
    ContentHash::of(&bytes)
}

impl Store {
    /// Records a draw. A model that was never registered is `NoSuchModel`.
    pub fn record_audit(&mut self, audit: &NewAudit) -> Result<AuditId, StoreError> {
        self.write("record an audit", |batch| {
            let model_id = batch
                .row_of_model(&audit.model)?
                .ok_or_else(|| WriteError::NoSuchModel(audit.model.clone()))?;
            batch.transaction.execute(
                "INSERT INTO audits (model_id, seed, photos, drawn_by, drawn_at_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    model_id,
                    audit.seed,
                    audit.drawn.photos as i64,
                    audit.by,
                    audit.at.as_millis()
                ],
            )?;
            let id = batch.transaction.last_insert_rowid();
            for hash in &audit.drawn.contents {
                batch
                    .transaction
                    .prepare_cached("INSERT INTO audited_contents (audit_id, content_hash) VALUES (?1, ?2)")?
                    .execute(params![id, hash.as_bytes().as_slice()])?;
            }
            Ok(AuditId(id))
        })
    }
}
