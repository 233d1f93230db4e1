//! What was said on each day: how many photos a model was asked about, what it took them for, how sure it was.
//!
//! In: each new outcome as it is recorded. Out: sums by day, and how often corrections agree with a model. Never: a
//! walk over the outcomes; a judgement about the sums.
//!
//! A day is one of UTC, by when the model answered. Each content counts once a model, and once more where that model's answer was
//! thinned out (`thin_history`) and it answers anew: the sums outlast the answers, and what was said was said. The sums of answers
//! that are gone stay as the thresholds had it by then.

use rusqlite::params;
use serde::Serialize;

use super::error::StoreError;
use super::lookup::Reader;
use super::rows;
use super::write::Batch;
use crate::domain::{Certainty, LABEL_COUNT, ModelId, Timestamp};

/// Milliseconds of a day without leap seconds.
pub(super) const DAY_MS: i64 = 86_400_000;

/// The day of a moment, since 1970-01-01.
pub(super) fn day_of(moment_ms: i64) -> i64 {
    moment_ms.div_euclid(DAY_MS)
}

/// One sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DailyCell {
    pub(super) day: i64,
    pub(super) model_id: i64,
    pub(super) label_id: i64,
    pub(super) certainty: Certainty,
}

/// What a transaction adds to the sums: a photo's outcome changes one of a few, so they are written once, at its end.
#[derive(Debug, Default)]
pub(super) struct DailyChanges(Vec<(DailyCell, i64, f64)>);

/// What a model said within some days.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct DailyTally {
    /// Contents by likeliest label, in label order.
    pub by_label: [u64; LABEL_COUNT],
    /// Contents whose tag counts by itself.
    pub accepted: u64,
    /// Contents that somebody should look at.
    pub review: u64,
    /// Contents that it takes for none of the ten.
    pub unknown: u64,
    /// Sum of the top confidences.
    pub confidence_sum: f64,
}

impl DailyTally {
    /// All contents.
    pub fn contents(&self) -> u64 {
        self.by_label.iter().sum()
    }

    /// Mean top confidence; `None` without contents.
    pub fn mean_confidence(&self) -> Option<f64> {
        let contents = self.contents();
        (contents > 0).then(|| self.confidence_sum / contents as f64)
    }
}

/// How often a model had said what people say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Agreement {
    /// Contents that people named, and that the model had tagged.
    pub corrections: u64,
    /// Of these, those that the model had named the same.
    pub agreeing: u64,
}

impl Batch<'_> {
    /// Adds to a sum, from the end of the transaction on.
    pub(super) fn count_daily(&self, cell: DailyCell, contents: i64, confidence: f64) {
        let mut changes = self.daily.borrow_mut();
        match changes.0.iter_mut().find(|(known, ..)| *known == cell) {
            Some((_, counted, sum)) => {
                *counted += contents;
                *sum += confidence;
            }
            None => changes.0.push((cell, contents, confidence)),
        }
    }

    /// Writes what was counted.
    pub(super) fn write_daily(&self) -> rusqlite::Result<()> {
        for (cell, contents, confidence) in self.daily.take().0 {
            self.transaction
                .prepare_cached(
                    "INSERT INTO daily_tags (day, model_id, label_id, certainty, contents, confidence_sum)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                     ON CONFLICT DO UPDATE SET contents = contents + excluded.contents,
                         confidence_sum = confidence_sum + excluded.confidence_sum",
                )?
                .execute(params![
                    cell.day,
                    cell.model_id,
                    cell.label_id,
                    rows::code(cell.certainty),
                    contents,
                    confidence
                ])?;
        }
        Ok(())
    }
}

impl Reader {
    /// What a model said from the day of one moment up to the day before that of another.
    pub fn daily_tally(
        &self,
        model: &ModelId,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<DailyTally, StoreError> {
        let cells = self.rows(
            "sum up what a model said on some days",
            "SELECT label_id, certainty, sum(contents), sum(confidence_sum) FROM daily_tags
             WHERE model_id = (SELECT id FROM models WHERE model = ?1) AND day >= ?2 AND day < ?3
             GROUP BY label_id, certainty",
            params![
                model.as_str(),
                day_of(from.as_millis()),
                day_of(until.as_millis())
            ],
            |row| {
                let label = rows::present(rows::label(row, 0)?, 0, "a label")?;
                let certainty = rows::present(rows::certainty(row, 1)?, 1, "a certainty")?;
                let contents = row.get::<_, i64>(2)?.max(0).cast_unsigned();
                Ok((label, certainty, contents, row.get::<_, f64>(3)?))
            },
        )?;
        let mut tally = DailyTally::default();
        for (label, certainty, contents, confidence) in cells {
            tally.by_label[label.index()] += contents;
            tally.confidence_sum += confidence;
            *match certainty {
                Certainty::Accepted => &mut tally.accepted,
                Certainty::Review => &mut tally.review,
                Certainty::Unknown => &mut tally.unknown,
            } += contents;
        }
        Ok(tally)
    }

    /// How often the corrections of a time that stand agree with what a model had said: `unknown` agrees with none of
    /// the ten.
    pub fn agreement(
        &self,
        model: &ModelId,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Agreement, StoreError> {
        let found = self.row(
            "compare corrections with a model's answers",
            "SELECT count(*), coalesce(sum(iif(o.certainty = 2, t.label_id IS NULL, t.label_id IS o.label_id)), 0)
             FROM truths t INDEXED BY truths_by_time
             JOIN images i ON i.content_hash = t.content_hash
             JOIN outcomes o ON o.image_id = i.id AND o.model_id = (SELECT id FROM models WHERE model = ?1)
             WHERE t.undone_at_ms IS NULL AND t.corrected_at_ms >= ?2 AND t.corrected_at_ms < ?3
               AND o.label_id IS NOT NULL",
            params![model.as_str(), from.as_millis(), until.as_millis()],
            |row| {
                Ok(Agreement {
                    corrections: row.get::<_, i64>(0)?.cast_unsigned(),
                    agreeing: row.get::<_, i64>(1)?.cast_unsigned(),
                })
            },
        )?;
        Ok(found.unwrap_or_default())
    }

    /// When a model went into service for the first time.
    pub fn first_served(&self, model: &ModelId) -> Result<Option<Timestamp>, StoreError> {
        let since: Option<Option<i64>> = self.row(
            "look up when a model first served",
            "SELECT min(since_ms) FROM service_history WHERE model_id = (SELECT id FROM models WHERE model = ?1)",
            [model.as_str()],
            |row| row.get(0),
        )?;
        Ok(since.flatten().map(Timestamp::from_millis))
    }

    /// The beginning of the day on which a model first answered.
    pub fn first_answered(&self, model: &ModelId) -> Result<Option<Timestamp>, StoreError> {
        let day: Option<Option<i64>> = self.row(
            "look up when a model first answered",
            "SELECT min(day) FROM daily_tags WHERE model_id = (SELECT id FROM models WHERE model = ?1)",
            [model.as_str()],
            |row| row.get(0),
        )?;
        Ok(day.flatten().map(|day| Timestamp::from_millis(day * DAY_MS)))
    }
}
