//! Random samples of the photos, drawn for people to look at.
//!
//! In: a seed and how many. Out: contents that have a tag, each as likely as any other, the record of the draw, and how
//! far people have come with it. Never: a choice by what a model said, or which one said it: while the inventory follows a new
//! one, its tags are those of the photos that came first; a truth (a correction is one).
//!
//! Seed and content give each drawn photo its place, and the places are the order in which people look. What counts of a
//! draw are the photos before the first place that is still open: wherever people stop, those are a random sample, which
//! the photos that somebody happens to have looked at are not. A photo that is gone waits for nobody, unless it was still there
//! when the next one was looked at, or may have been: then that one was picked, and what is there behind it tells only what was
//! picked. Who looked before the draw picked nothing of it: the order of the rows tells, since a clock that was ahead at the draw would
//! make all that was picked later look earlier. When somebody looked first counts, not when a word was changed.
//!
//! A seed that is drawn by once more gives the same places: to the later draw belongs what the earlier ones drew, since they were
//! drawn when that was, and looked at in its order. Of what is left of them alone, a photo that was passed over would be missing.

use std::collections::{BTreeSet, BinaryHeap};
use std::time::SystemTime;

use rusqlite::params;
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
    /// Which, by their places: the order in which they are to be looked at.
    pub contents: Vec<ContentHash>,
}

/// A draw to be recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct NewAudit {
    /// The model that tags when it is drawn.
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

/// How far people have come with what was drawn; each content counts once, however often it was drawn.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditProgress {
    /// How many were drawn.
    pub drawn: u64,
    /// Of how many of them somebody has said what they show.
    pub looked_at: u64,
    /// Those of them that count: of each draw, the ones before the first that is open, or [was left](Self::left_behind).
    pub audited: BTreeSet<ContentHash>,
    /// How many of them do not count and cannot any more: a photo before them was passed over, and is gone.
    pub left_behind: u64,
    /// A file of each content that is open (it is there, has no reason to be without a tag, nobody has looked at it, and it would
    /// count): the oldest draw first, each by its places.
    pub open: Vec<InventoryPath>,
}

impl AuditProgress {
    /// How many were looked at before their turn: they count once those before them are looked at.
    pub fn out_of_order(&self) -> u64 {
        self.looked_at - self.audited.len() as u64 - self.left_behind
    }

    /// `contents` by draw and place.
    fn of(contents: &[DrawnContent], now: Timestamp) -> Self {
        let mut progress = Self::default();
        let (mut drawn, mut named, mut waiting) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let mut early = BTreeSet::new();
        for draw in contents.chunk_by(|one, other| one.audit == other.audit) {
            drawn.extend(draw.iter().map(|content| content.hash));
            let looked_at = draw.iter().filter(|content| content.named.is_some());
            named.extend(looked_at.map(|content| content.hash));
            let mut is_gone_through = true;
            for (place, content) in draw.iter().enumerate() {
                if content.named.is_some() {
                    let these = if is_gone_through {
                        &mut progress.audited
                    } else {
                        &mut early
                    };
                    these.insert(content.hash);
                } else if let Some(file) = &content.file {
                    is_gone_through = false;
                    if waiting.insert(content.hash) {
                        progress.open.push(file.clone());
                    }
                } else if content.was_passed_over(&draw[place + 1..], now) {
                    break;
                }
            }
        }
        let count = progress.audited.union(&early).count();
        progress.left_behind = (named.len() - count) as u64;
        progress.drawn = drawn.len() as u64;
        progress.looked_at = named.len() as u64;
        progress
    }
}

/// A content in a draw, or in an earlier one by the same seed.
struct DrawnContent {
    audit: i64,
    place: ContentHash,
    hash: ContentHash,
    /// What somebody said of it: first since it was drawn (the first time by this seed), or before, where that word still stands.
    /// `None` where none stands.
    named: Option<Named>,
    /// A file of it that can be looked at.
    file: Option<InventoryPath>,
    /// When the last of its files was missed or rejected; `None` where another picture took its place, which may have been at
    /// any time.
    gone_at: Option<Timestamp>,
}

/// A person's word on a drawn content.
struct Named {
    at: Timestamp,
    /// Given after the draw.
    is_picked: bool,
}

impl DrawnContent {
    /// Whether this one, which is gone and which nobody has looked at, was, or may have been, still there when the next one was
    /// looked at. Moments that are yet to come were written under a wrong clock, and tell nothing.
    fn was_passed_over(&self, behind: &[DrawnContent], now: Timestamp) -> bool {
        let mut words = behind.iter().filter_map(|content| content.named.as_ref());
        let was_gone_at = |named_at: Timestamp| {
            let gone_at = self.gone_at.filter(|gone_at| *gone_at <= now && named_at <= now);
            gone_at.is_some_and(|gone_at| gone_at <= named_at)
        };
        words
            .find(|word| word.is_picked)
            .is_some_and(|word| !was_gone_at(word.at))
    }
}

impl Reader {
    /// Draws up to `count` of the contents that are there and that show a tag (or would, if nobody had corrected them), each
    /// as likely as any other. The same seed draws the same ones, as far as they are still there: a content's place in the
    /// draw depends on the seed and its bytes alone.
    pub fn draw_contents(&self, seed: u32, count: usize) -> Result<Drawn, StoreError> {
        const OPERATION: &str = "draw photos at random";
        let draw = || -> rusqlite::Result<Drawn> {
            let candidates = self.tagged_contents()?;
            let mut statement = self
                .connection
                .prepare("SELECT id, content_hash FROM images INDEXED BY images_by_hash")?;
            let mut contents = statement.query([])?;
            // The greatest of the `count` least places is on top.
            let mut drawn: BinaryHeap<(ContentHash, ContentHash)> = BinaryHeap::new();
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

    /// Rows of the contents that are there and have a tag.
    fn tagged_contents(&self) -> rusqlite::Result<BTreeSet<i64>> {
        let mut statement = self.connection.prepare(
            "SELECT f.image_id FROM files f INDEXED BY files_by_image
             WHERE f.image_id IS NOT NULL AND f.is_present = 1
               AND (SELECT o.label_id FROM outcomes o
                    WHERE o.image_id = f.image_id AND o.model_id = f.model_id) IS NOT NULL",
        )?;
        statement.query_map([], |row| row.get(0))?.collect()
    }

    /// How far people have come with all draws on record. A walk over what was drawn, some microseconds a photo.
    pub fn audit_progress(&self) -> Result<AuditProgress, StoreError> {
        let now = SystemTime::now().into();
        let contents = self.drawn_contents(now)?;
        Ok(AuditProgress::of(&contents, now))
    }

    /// What was drawn, by draw and place. Of a draw of which the order of words is not on record, and that lies in the future, each
    /// word was given later.
    fn drawn_contents(&self, now: Timestamp) -> Result<Vec<DrawnContent>, StoreError> {
        let mut contents = self.rows(
            "look how far the audits have come",
            "WITH drawn AS (
                 SELECT a.id AS audit_id, a.seed, c.content_hash, min(e.id) AS first_id
                 FROM audits a JOIN audits e ON e.seed = a.seed AND e.id <= a.id
                 JOIN audited_contents c ON c.audit_id = e.id
                 GROUP BY a.id, c.content_hash),
             words AS (
                 SELECT d.*, t.id AS word_id, t.corrected_at_ms, t.undone_at_ms,
                     coalesce(t.id > e.truths_before, e.drawn_at_ms > ?1 OR t.corrected_at_ms > e.drawn_at_ms) AS is_picked
                 FROM drawn d JOIN audits e ON e.id = d.first_id
                 LEFT JOIN truths t ON t.content_hash = d.content_hash)
             SELECT d.audit_id, d.seed, d.content_hash,
                 CASE WHEN count(d.word_id) > count(d.undone_at_ms)
                      THEN min(d.corrected_at_ms) FILTER (WHERE d.is_picked OR d.undone_at_ms IS NULL) END,
                 max(d.is_picked),
                 (SELECT min(f.path) FROM images i
                  JOIN files f INDEXED BY files_by_image ON f.image_id = i.id AND f.is_present = 1
                  WHERE i.content_hash = d.content_hash AND f.reason IS NULL),
                 (SELECT max(coalesce(f.absent_at_ms, f.tagged_at_ms)) FROM images i
                  JOIN files f INDEXED BY files_by_image ON f.image_id = i.id
                  WHERE i.content_hash = d.content_hash)
             FROM words d GROUP BY d.audit_id, d.content_hash",
            [now.as_millis()],
            |row| {
                let hash = rows::present(rows::content_hash(row, 2)?, 2, "a hash of 32 bytes")?;
                let named_at = row.get::<_, Option<i64>>(3)?.map(Timestamp::from_millis);
                // A word from before the draw that still stands is the only one that stands, and none came after it.
                let is_picked = row.get::<_, Option<bool>>(4)?.unwrap_or(false);
                Ok(DrawnContent {
                    audit: row.get(0)?,
                    place: place(row.get(1)?, &hash),
                    hash,
                    named: named_at.map(|at| Named { at, is_picked }),
                    file: row.get::<_, Option<String>>(5)?.map(InventoryPath::from_stored),
                    gone_at: row.get::<_, Option<i64>>(6)?.map(Timestamp::from_millis),
                })
            },
        )?;
        contents.sort_by_key(|content| (content.audit, content.place));
        Ok(contents)
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
                "INSERT INTO audits (model_id, seed, photos, drawn_by, drawn_at_ms, truths_before)
                 VALUES (?1, ?2, ?3, ?4, ?5, (SELECT coalesce(max(id), 0) FROM truths))",
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
