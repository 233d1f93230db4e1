//! Have the photos changed? The whole answer, for the command line and for the pages.
//!
//! In: the daily sums of the model that tags. Out: its first days in service beside the last ones, and how they differ.
//! Never: a write; a word about why.

use serde::Serialize;

use super::{Drift, LEAST_PHOTOS, Reading, WINDOW_DAYS, Window, Windows};
use crate::domain::{Label, ModelId, Timestamp};
use crate::store::{Agreement, DailyTally, Reader, StoreError};

/// What is known about the model that tags.
#[derive(Debug, Serialize)]
pub struct DriftAnswer {
    model: Option<ModelId>,
    /// `None` as long as the two windows would overlap.
    windows: Option<Windows>,
    reference: Option<Side>,
    recent: Option<Side>,
    /// `None` where one of them has too few photos.
    drift: Option<Drift>,
    reading: Option<Reading>,
    /// A rebuild starts from there on; 0: it does not.
    on_drift: f64,
}

/// One window.
#[derive(Debug, Clone, Copy, Serialize)]
struct Side {
    #[serde(flatten)]
    tally: DailyTally,
    mean_confidence: Option<f64>,
    agreement: Agreement,
}

/// The two windows side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriftTable {
    /// Days of the reference, and of the recent window.
    pub spans: [String; 2],
    /// What is counted, then its figure in either window.
    pub rows: Vec<[String; 3]>,
}

impl DriftAnswer {
    /// Of the model that tags, as of `now`; `on_drift` is that of the settings. A walk over some hundred sums and the
    /// corrections of two weeks, all as they are at one moment.
    pub fn of(
        reader: &Reader,
        model: Option<ModelId>,
        on_drift: f64,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        reader.at_one_moment("compare the days of the model that tags", || {
            Self::read(reader, model, on_drift, now)
        })
    }

    fn read(
        reader: &Reader,
        model: Option<ModelId>,
        on_drift: f64,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let mut answer = Self {
            model,
            windows: None,
            reference: None,
            recent: None,
            drift: None,
            reading: None,
            on_drift,
        };
        let Some(model) = &answer.model else {
            return Ok(answer);
        };
        // A model that the settings pin is never put in service: it began with its first answer.
        let since = match reader.first_served(model)? {
            Some(since) => Some(since),
            None => reader.first_answered(model)?,
        };
        let windows = since.and_then(|since| Windows::of(since, now));
        let Some(windows) = windows else {
            return Ok(answer);
        };
        let side = |window: Window| -> Result<Side, StoreError> {
            let tally = reader.daily_tally(model, window.from, window.until)?;
            Ok(Side {
                mean_confidence: tally.mean_confidence(),
                tally,
                agreement: reader.agreement(model, window.from, window.until)?,
            })
        };
        let (reference, recent) = (side(windows.reference)?, side(windows.recent)?);
        answer.windows = Some(windows);
        answer.drift = Drift::between(&reference.tally, &recent.tally);
        answer.reading = answer.drift.map(|drift| Reading::of(drift.greatest()));
        answer.reference = Some(reference);
        answer.recent = Some(recent);
        Ok(answer)
    }

    /// Whose answers are compared.
    pub fn model(&self) -> Option<&ModelId> {
        self.model.as_ref()
    }

    /// How the greater index is read; `None` where there is none.
    pub fn reading(&self) -> Option<Reading> {
        self.reading
    }

    /// `None` as long as the two windows would overlap.
    pub fn table(&self) -> Option<DriftTable> {
        let (windows, sides) = (self.windows?, [self.reference?, self.recent?]);
        let day = |moment: Timestamp| moment.to_string()[..10].to_owned();
        let span = |window: Window| {
            let last = Timestamp::from_millis(window.until.as_millis() - 1);
            format!("{} to {}", day(window.from), day(last))
        };
        Some(DriftTable {
            spans: [span(windows.reference), span(windows.recent)],
            rows: rows_of(&sides),
        })
    }

    /// What follows from it, in sentences, one a line.
    pub fn conclusion(&self) -> String {
        let Some(model) = &self.model else {
            return "no model is in service yet".to_owned();
        };
        if self.windows.is_none() {
            return format!(
                "model {model} has not served for twice {WINDOW_DAYS} days yet: its first {WINDOW_DAYS} days and the last ones would overlap"
            );
        }
        let mut words = match (self.drift, self.reading) {
            (Some(drift), Some(reading)) => format!(
                "population stability index: {:.3} by label, {:.3} by status: {reading} (0.1 is a little, 0.25 much)",
                drift.labels, drift.answers
            ),
            _ => format!("no index: at least {LEAST_PHOTOS} photos are needed on either side"),
        };
        if self.on_drift > 0.0 {
            words += &format!("\na rebuild starts from {} on (retrain.on_drift)", self.on_drift);
        }
        words
    }
}

fn rows_of(sides: &[Side; 2]) -> Vec<[String; 3]> {
    let row = |name: &str, of: &dyn Fn(&Side) -> String| {
        let [reference, recent] = sides;
        [name.to_owned(), of(reference), of(recent)]
    };
    let share = |part: u64, side: &Side| match side.tally.contents() {
        0 => "-".to_owned(),
        all => format!("{:.1} %", part as f64 / all as f64 * 100.0),
    };
    let mut rows = vec![
        row("photos", &|side| side.tally.contents().to_string()),
        row("accepted", &|side| share(side.tally.accepted, side)),
        row("for review", &|side| share(side.tally.review, side)),
        row("unknown", &|side| share(side.tally.unknown, side)),
        row("mean confidence", &|side| {
            side.mean_confidence
                .map_or("-".into(), |mean| format!("{mean:.4}"))
        }),
        row("corrections", &|side| side.agreement.corrections.to_string()),
        row("  as the model said", &|side| side.agreement.agreeing.to_string()),
    ];
    for label in Label::all() {
        rows.push(row(label.name(), &|side| {
            share(side.tally.by_label[label.index()], side)
        }));
    }
    rows
}
