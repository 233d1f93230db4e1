//! From where on a model's tags are accepted, and how stored answers follow when that changes.
//!
//! In: thresholds from a manifest, a fit or a person. Out: the word that holds for each model, all former ones, and
//! outcomes and files that follow it in bounded steps, without inference. Never: a score changed, a person's word
//! touched, a transaction over the whole inventory.
//!
//! What is made of an answer is stored beside it (`outcomes.certainty`, and `files.certainty` with an index), not worked
//! out by each question: a list by status must not look at files of another one. The price is that new thresholds
//! have to walk through the outcomes once; how far that came is kept with them, so that it can be broken off.

use rusqlite::{OptionalExtension, Row, params};
use serde::Serialize;

use super::daily::{DailyCell, day_of};
use super::error::StoreError;
use super::lookup::Reader;
use super::models::NewModel;
use super::rows;
use super::write::{Batch, Store, WriteError};
use crate::domain::{Certainty, Chosen, ModelId, Thresholds, Timestamp, Top, decide_top};

/// Who set thresholds that came with a model.
const BY_MANIFEST: &str = "manifest";
/// Who set thresholds that were fitted for a model before it served.
pub const BY_REBUILD: &str = "rebuild";

/// Thresholds that shall hold from now on.
#[derive(Debug, Clone, PartialEq)]
pub struct NewThresholds {
    /// Of which model; registered before.
    pub model: ModelId,
    /// Which.
    pub thresholds: Thresholds,
    /// Who says so.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// Thresholds that hold, or held.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ThresholdsRow {
    /// Of which model.
    pub model: ModelId,
    /// Which.
    pub thresholds: Thresholds,
    /// Who set them: a person (of [carried](Self::is_carried) ones, for a former model), `manifest`, or [`BY_REBUILD`].
    pub by: String,
    /// From then on.
    pub since: Timestamp,
    /// Until then; `None` for those that hold.
    pub until: Option<Timestamp>,
    /// Whether all stored answers follow them.
    pub is_applied: bool,
}

impl ThresholdsRow {
    /// Whether a person set or fitted them, for this very model.
    pub fn is_a_persons(&self) -> bool {
        ![BY_MANIFEST, BY_REBUILD].contains(&self.by.as_str()) && !self.is_carried()
    }

    /// Whether a person chose them for a former model, from which they were carried over.
    pub fn is_carried(&self) -> bool {
        let chosen = self.thresholds.chosen.as_ref();
        chosen.is_some_and(|chosen| chosen.carried_since.is_some())
    }
}

/// What a step of deciding anew did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decided {
    /// Outcomes of which something else is made now.
    pub changed: u64,
    /// Whether anything is left to do.
    pub is_done: bool,
}

impl Store {
    /// Lets thresholds hold in place of the model's former ones, which stay on record. New answers are decided by them at
    /// once; for those on record, call [`Store::decide_anew`] until it is done.
    pub fn set_thresholds(&mut self, new: &NewThresholds) -> Result<(), StoreError> {
        self.write("set thresholds", |batch| {
            let model_id = batch
                .row_of_model(&new.model)?
                .ok_or_else(|| WriteError::NoSuchModel(new.model.clone()))?;
            Ok(batch.hold_thresholds(model_id, new)?)
        })
    }

    /// Decides the next `contents` anew, of a model whose thresholds changed: a transaction of tens of milliseconds for a
    /// thousand. Where nothing is left it changes nothing.
    pub fn decide_anew(&mut self, contents: u32) -> Result<Decided, StoreError> {
        self.write("decide anew by other thresholds", |batch| {
            Ok(batch.decide_portion(contents)?)
        })
    }
}

impl Batch<'_> {
    /// What this model's thresholds make of an answer.
    pub(super) fn certainty_of(&self, top: &Top, model_id: i64) -> rusqlite::Result<Certainty> {
        let mut known = self.thresholds.borrow_mut();
        if let Some((_, thresholds)) = known.iter().find(|(id, _)| *id == model_id) {
            return Ok(decide_top(top, thresholds));
        }
        let thresholds = self.holding_thresholds(model_id)?;
        let certainty = decide_top(top, &thresholds);
        known.push((model_id, thresholds));
        Ok(certainty)
    }

    fn holding_thresholds(&self, model_id: i64) -> rusqlite::Result<Thresholds> {
        let found = self.holding(model_id)?;
        Ok(found.map_or_else(Thresholds::unfounded, |row| row.thresholds))
    }

    fn holding(&self, model_id: i64) -> rusqlite::Result<Option<ThresholdsRow>> {
        self.transaction
            .prepare_cached(&format!(
                "SELECT {COLUMNS} WHERE t.model_id = ?1 AND t.replaced_at_ms IS NULL"
            ))?
            .query_row([model_id], thresholds_row)
            .optional()
    }

    /// What a person chose of the thresholds of the model that gives way holds for the one that takes its place, laid over that
    /// one's own, unless a person has spoken about that one since. Fitted thresholds are about one model alone.
    /// One that `has_served` keeps its own, but for what was only carried over to it: in the place of that comes what holds now.
    pub(super) fn carry_over_set(
        &self,
        (from, to): (i64, i64),
        has_served: bool,
        at: Timestamp,
    ) -> rusqlite::Result<()> {
        let (Some(set), before) = (self.holding(from)?, self.holding(to)?) else {
            return Ok(());
        };
        let Some(choice) = set.thresholds.choice() else {
            return Ok(());
        };
        let said_at = choice.carried_since.unwrap_or(set.since);
        let is_carried = before.as_ref().is_some_and(ThresholdsRow::is_carried);
        let has_own_word = |row: &ThresholdsRow| row.is_a_persons() && row.since >= said_at;
        if before.as_ref().is_some_and(has_own_word) || (has_served && !is_carried) {
            return Ok(());
        }
        let own = match is_carried {
            true => self.own_before_carried(to)?,
            false => before.clone(),
        };
        let own = own.map_or_else(Thresholds::unfounded, |row| row.thresholds);
        let mut thresholds = own.overlaid(&set.thresholds);
        thresholds.chosen = thresholds.chosen.map(|chosen| Chosen {
            carried_since: Some(said_at),
            ..chosen
        });
        if before.is_some_and(|before| before.thresholds == thresholds) {
            return Ok(());
        }
        let carried = NewThresholds {
            model: set.model,
            thresholds,
            by: set.by,
            at,
        };
        self.hold_thresholds(to, &carried)
    }

    /// What held for a model last that was its own.
    fn own_before_carried(&self, model_id: i64) -> rusqlite::Result<Option<ThresholdsRow>> {
        let mut statement = self.transaction.prepare_cached(&format!(
            "SELECT {COLUMNS} WHERE t.model_id = ?1 ORDER BY t.id DESC"
        ))?;
        let rows = statement.query_map([model_id], thresholds_row)?;
        let mut rows = rows.filter(|row| !row.as_ref().is_ok_and(ThresholdsRow::is_carried));
        rows.next().transpose()
    }

    fn hold_thresholds(&self, model_id: i64, new: &NewThresholds) -> rusqlite::Result<()> {
        let json = serde_json::to_string(&new.thresholds)
            .expect("thresholds are numbers, words and lists; this is a bug");
        self.transaction.execute(
            "UPDATE thresholds SET replaced_at_ms = ?2, decided_up_to = NULL
             WHERE model_id = ?1 AND replaced_at_ms IS NULL",
            params![model_id, new.at.as_millis()],
        )?;
        self.transaction.execute(
            // A model that has not answered yet has nothing to be decided anew.
            "INSERT INTO thresholds (model_id, thresholds, set_by, set_at_ms, decided_up_to)
             VALUES (?1, ?2, ?3, ?4, iif(EXISTS (SELECT 1 FROM daily_tags WHERE model_id = ?1), 0, NULL))",
            params![model_id, json, new.by, new.at.as_millis()],
        )?;
        self.thresholds.borrow_mut().clear();
        Ok(())
    }

    /// A manifest without any, or one with thresholds that this hangtag cannot read, has none.
    pub(super) fn take_thresholds_of_manifest(&self, model: &NewModel) -> Result<(), WriteError> {
        let stated = &model.manifest["calibration"]["thresholds"];
        let Ok(thresholds) = serde_json::from_value::<Thresholds>(stated.clone()) else {
            return Ok(());
        };
        let model_id = self
            .row_of_model(model.id())?
            .ok_or_else(|| WriteError::NoSuchModel(model.id().clone()))?;
        let has_some: bool = self.transaction.query_row(
            "SELECT EXISTS (SELECT 1 FROM thresholds WHERE model_id = ?1)",
            [model_id],
            |row| row.get(0),
        )?;
        if has_some {
            return Ok(());
        }
        let new = NewThresholds {
            model: model.id().clone(),
            thresholds,
            by: BY_MANIFEST.to_owned(),
            at: model.registered_at,
        };
        Ok(self.hold_thresholds(model_id, &new)?)
    }

    fn decide_portion(&self, contents: u32) -> rusqlite::Result<Decided> {
        let undecided: Option<(i64, i64, i64)> = self
            .transaction
            .prepare_cached(
                "SELECT id, model_id, decided_up_to FROM thresholds INDEXED BY thresholds_undecided
                 WHERE decided_up_to IS NOT NULL LIMIT 1",
            )?
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        let Some((id, model_id, after)) = undecided else {
            return Ok(Decided {
                changed: 0,
                is_done: true,
            });
        };
        let last: Option<i64> = self
            .transaction
            .prepare_cached("SELECT max(id) FROM (SELECT id FROM images WHERE id > ?1 ORDER BY id LIMIT ?2)")?
            .query_row(params![after, contents], |row| row.get(0))?;
        let changed = match last {
            Some(last) => self.decide_between((after, last), model_id)?,
            None => 0,
        };
        self.transaction
            .prepare_cached("UPDATE thresholds SET decided_up_to = ?2 WHERE id = ?1")?
            .execute(params![id, last])?;
        let left: bool = self
            .transaction
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM thresholds WHERE decided_up_to IS NOT NULL)")?
            .query_row([], |row| row.get(0))?;
        Ok(Decided {
            changed,
            is_done: !left,
        })
    }

    /// Decides a model's outcomes of the contents past the first one up to the second.
    fn decide_between(&self, (after, last): (i64, i64), model_id: i64) -> rusqlite::Result<u64> {
        let mut changed = Vec::new();
        {
            let mut statement = self.transaction.prepare_cached(
                "SELECT label_id, confidence, unknown, certainty, image_id, tagged_at_ms FROM outcomes
                 WHERE image_id > ?1 AND image_id <= ?2 AND model_id = ?3 AND label_id IS NOT NULL",
            )?;
            let mut outcomes = statement.query([after, last, model_id])?;
            while let Some(row) = outcomes.next()? {
                let top = Top {
                    label: rows::present(rows::label(row, 0)?, 0, "a label")?,
                    confidence: rows::present(rows::confidence(row, 1)?, 1, "a confidence")?,
                    unknown: rows::confidence(row, 2)?,
                };
                let before = rows::present(rows::certainty(row, 3)?, 3, "a certainty")?;
                let now = self.certainty_of(&top, model_id)?;
                if now != before {
                    let day = day_of(row.get(5)?);
                    changed.push((row.get::<_, i64>(4)?, top, day, (before, now)));
                }
            }
        }
        for (image_id, top, day, (before, now)) in &changed {
            let cell = |certainty| DailyCell {
                day: *day,
                model_id,
                label_id: top.label.index() as i64,
                certainty,
            };
            let confidence = f64::from(top.confidence.get());
            self.count_daily(cell(*before), -1, -confidence);
            self.count_daily(cell(*now), 1, confidence);
            let values = params![image_id, model_id, rows::code(*now)];
            self.transaction
                .prepare_cached("UPDATE outcomes SET certainty = ?3 WHERE image_id = ?1 AND model_id = ?2")?
                .execute(values)?;
            self.transaction
                .prepare_cached(
                    "UPDATE files INDEXED BY files_by_image SET certainty = ?3
                     WHERE image_id = ?1 AND model_id = ?2 AND corrected_at_ms IS NULL",
                )?
                .execute(values)?;
        }
        Ok(changed.len() as u64)
    }
}

impl Reader {
    /// The thresholds that hold for a model; `None` where nobody ever set any: then nothing is accepted.
    pub fn thresholds_of(&self, model: &ModelId) -> Result<Option<ThresholdsRow>, StoreError> {
        Ok(self.threshold_history(model, 1)?.pop())
    }

    /// Whether stored answers of some model do not follow its thresholds yet.
    pub fn has_undecided(&self) -> Result<bool, StoreError> {
        let found = self.row(
            "look for answers that are to be decided anew",
            "SELECT EXISTS (SELECT 1 FROM thresholds INDEXED BY thresholds_undecided WHERE decided_up_to IS NOT NULL)",
            [],
            |row| row.get(0),
        )?;
        Ok(found.unwrap_or(false))
    }

    /// The latest `limit` thresholds of a model, newest first.
    pub fn threshold_history(&self, model: &ModelId, limit: u32) -> Result<Vec<ThresholdsRow>, StoreError> {
        self.rows(
            "list the thresholds of a model",
            &format!("SELECT {COLUMNS} WHERE m.model = ?1 ORDER BY t.id DESC LIMIT ?2"),
            params![model.as_str(), limit],
            thresholds_row,
        )
    }
}

/// What `thresholds_row` reads.
const COLUMNS: &str = "m.model, t.thresholds, t.set_by, t.set_at_ms, t.replaced_at_ms, t.decided_up_to IS NULL \
     FROM thresholds t JOIN models m ON m.id = t.model_id";

fn thresholds_row(row: &Row<'_>) -> rusqlite::Result<ThresholdsRow> {
    Ok(ThresholdsRow {
        model: rows::present(rows::model(row, 0)?, 0, "a model's id")?,
        thresholds: thresholds(row, 1)?,
        by: row.get(2)?,
        since: Timestamp::from_millis(row.get(3)?),
        until: row.get::<_, Option<i64>>(4)?.map(Timestamp::from_millis),
        is_applied: row.get(5)?,
    })
}

fn thresholds(row: &Row<'_>, column: usize) -> rusqlite::Result<Thresholds> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text)
        .map_err(|_| rows::bad_value(column, text, "thresholds that this hangtag knows"))
}
