//! Lists page by page, and what a filter would leave: what pages and programs walk through.
//!
//! In: a `FileQuery`, the cursor of the page before. Out: one page and the cursor of the next; counts by label and
//! status. Never: an offset; a page is found by the values of the last row before it, so that the thousandth costs what
//! the first one does and a file that comes or goes meanwhile shifts nothing.

use std::fmt;
use std::str::FromStr;

use rusqlite::types::Value;
use rusqlite::{Row, params_from_iter};
use serde::Serialize;

use super::conditions::Conditions;
use super::error::StoreError;
use super::list::ListQuestion;
use super::lookup::Reader;
use super::plan::{self, Column};
use super::query::{FileQuery, Sort};
use super::rows::{self, FileRow};
use crate::domain::{LABEL_COUNT, Label, ParseError, Status};

/// A page of files.
#[derive(Debug, Clone, PartialEq)]
pub struct FilePage {
    /// In order.
    pub files: Vec<FileRowWithId>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<Cursor>,
}

/// A file and its number in the store, which stays the same when it is renamed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FileRowWithId {
    /// Its number.
    pub id: i64,
    /// The file.
    #[serde(flatten)]
    pub file: FileRow,
}

/// The place after a row, in one order. As text it can be handed out and comes back as it was.
#[derive(Debug, Clone, PartialEq)]
pub struct Cursor(pub(super) Place);

/// The values that an order goes by.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Place {
    Time {
        at_ms: i64,
        present: i64,
        id: i64,
    },
    /// The confidence's bits, since its digits would have to come back to the last one.
    Confidence {
        bits: u64,
        label: i64,
        present: i64,
        id: i64,
    },
    Path(String),
    /// Of a list of corrections.
    Correction {
        at_ms: i64,
        id: i64,
    },
}

impl Cursor {
    /// Whether it is a place in a list of files in this order.
    pub fn is_of_files(&self, sort: Sort) -> bool {
        match sort {
            Sort::Path => matches!(self.0, Place::Path(_)),
            Sort::Confidence | Sort::ConfidenceDescending => matches!(self.0, Place::Confidence { .. }),
            Sort::TaggedAt | Sort::TaggedAtDescending | Sort::Natural => matches!(self.0, Place::Time { .. }),
        }
    }

    /// Whether it is a place in the list of corrections.
    pub fn is_of_corrections(&self) -> bool {
        matches!(self.0, Place::Correction { .. })
    }
}

/// How many files a filter leaves, and how many it would leave with one more or one other label or status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FacetCounts {
    /// Files that match all of the filter.
    pub total: u64,
    /// By label, in label order: files that match all of the filter but its labels.
    pub by_label: [u64; LABEL_COUNT],
    /// In the order of `Status::ALL`: files that match all of the filter but its statuses.
    pub by_status: [u64; Status::ALL.len()],
}

impl Reader {
    /// One page of the files that match: at most `query.limit` (100 where there is none), from past `after` on. Orders by
    /// confidence leave out files that have none. A cursor of another order than the query's begins at the beginning.
    pub fn page_of_files(&self, query: &FileQuery, after: Option<&Cursor>) -> Result<FilePage, StoreError> {
        const OPERATION: &str = "list a page of files";
        const DEFAULT_LIMIT: u32 = 100;
        let of = |source| StoreError::of(OPERATION, &self.path, source);
        let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
        let sort = query.natural_sort();
        self.at_one_moment(OPERATION, || {
            let Some(mut conditions) = self.conditions(query)? else {
                return Ok(FilePage {
                    files: Vec::new(),
                    next: None,
                });
            };
            conditions.add_place(sort, after);
            let question = ListQuestion {
                connection: &self.connection,
                conditions: &conditions,
                sort,
                limit: Some(limit.saturating_add(1)), // One more tells whether there is a next page.
            };
            let mut ids = question.ids().map_err(of)?;
            let has_more = ids.len() > limit as usize;
            ids.truncate(limit as usize);
            let mut files = Vec::with_capacity(ids.len());
            for id in &ids {
                files.extend(self.file_by_id(*id)?);
            }
            let next = match (has_more, ids.last()) {
                (true, Some(last)) => self.place_of(*last, sort)?,
                _ => None,
            };
            Ok(FilePage { files, next })
        })
    }

    /// The file of that number.
    pub fn file_by_id(&self, id: i64) -> Result<Option<FileRowWithId>, StoreError> {
        let sql = format!(
            "SELECT {} FROM {} WHERE f.id = ?1",
            rows::FILE_COLUMNS,
            rows::FILE_TABLES
        );
        self.row("look up a file by its number", &sql, [id], |row| {
            let file = rows::file_from_row(row)?;
            Ok(FileRowWithId { id, file })
        })
    }

    fn place_of(&self, id: i64, sort: Sort) -> Result<Option<Cursor>, StoreError> {
        self.row(
            "look up where a page ends",
            "SELECT tagged_at_ms, is_present, confidence, label_id, path FROM files WHERE id = ?1",
            [id],
            |row| Ok(Cursor(place_from_row(row, id, sort)?)),
        )
    }

    /// How many files match, by label and status; a walk over what the rest of the filter leaves.
    pub fn facet_counts(&self, query: &FileQuery) -> Result<FacetCounts, StoreError> {
        const OPERATION: &str = "count files by label and status";
        let of = |source| StoreError::of(OPERATION, &self.path, source);
        let mut counts = FacetCounts {
            total: 0,
            by_label: [0; LABEL_COUNT],
            by_status: [0; Status::ALL.len()],
        };
        let rest = FileQuery {
            labels: Vec::new(),
            statuses: Vec::new(),
            ..query.clone()
        };
        self.at_one_moment(OPERATION, || {
            let Some(conditions) = self.conditions(&rest)? else {
                return Ok(counts.clone());
            };
            let is_present_only = conditions
                .iter()
                .all(|condition| condition.column == Column::Present);
            let walks = if is_present_only {
                whole_walks(conditions.has(Column::Present))
            } else {
                let plan = plan::for_rows(&self.connection, &conditions).map_err(of)?;
                let columns = "label_id, certainty, corrected_at_ms";
                let condition = conditions.sql();
                vec![format!("SELECT {columns} FROM files {plan} WHERE {condition}")]
            };
            let mut walk = |sql: &str| -> rusqlite::Result<()> {
                let mut statement = self.connection.prepare_cached(sql)?;
                let mut files = statement.query(params_from_iter(conditions.values()))?;
                while let Some(file) = files.next()? {
                    let label = rows::label(file, 0)?;
                    let status = rows::status(rows::certainty(file, 1)?, file.get(2)?);
                    counts.add(label, status, query);
                }
                Ok(())
            };
            for sql in walks {
                walk(&sql).map_err(of)?;
            }
            Ok(counts.clone())
        })
    }

    /// Files that are there and have no tag, by reason; from an index that holds only those.
    pub fn rejected_by_reason(&self) -> Result<Vec<(String, u64)>, StoreError> {
        self.rows(
            "count the rejected files by reason",
            "SELECT reason, count(*) FROM files INDEXED BY files_rejected_by_path
             WHERE reason IS NOT NULL AND is_present = 1 GROUP BY reason",
            [],
            |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())),
        )
    }

    /// At least as many as there are files, in microseconds.
    pub fn files_ever(&self) -> Result<u64, StoreError> {
        let ever = plan::files_ever(&self.connection);
        let of = |source| StoreError::of("look up how many files there are", &self.path, source);
        Ok(ever.map_err(of)?.cast_unsigned())
    }

    /// Changes whenever another connection has committed: whether it is worth looking again, in microseconds.
    pub fn data_version(&self) -> Result<i64, StoreError> {
        let version = self.row("ask whether anything changed", "PRAGMA data_version", [], |row| {
            row.get(0)
        })?;
        Ok(version.unwrap_or(0))
    }
}

impl FacetCounts {
    fn add(&mut self, label: Option<Label>, status: Status, query: &FileQuery) {
        let has_label = query.labels.is_empty() || label.is_some_and(|label| query.labels.contains(&label));
        let has_status = query.statuses.is_empty() || query.statuses.contains(&status);
        if let Some(label) = label.filter(|_| has_status) {
            self.by_label[label.index()] += 1;
        }
        let place = Status::ALL.iter().position(|other| *other == status);
        if let Some(place) = place.filter(|_| has_label) {
            self.by_status[place] += 1;
        }
        self.total += u64::from(has_label && has_status);
    }
}

impl Conditions {
    /// Restricts to what follows the place, beside a bound that the leading column of an index can be walked from.
    fn add_place(&mut self, sort: Sort, after: Option<&Cursor>) {
        let is_by_confidence = matches!(sort, Sort::Confidence | Sort::ConfidenceDescending);
        if is_by_confidence {
            self.add(Column::Confidence, "confidence IS NOT NULL", []);
        }
        let Some(Cursor(place)) = after else { return };
        match (place, sort) {
            (Place::Path(path), Sort::Path) => self.add(Column::PathRange, "path > ?", [path.clone().into()]),
            (Place::Time { at_ms, present, id }, _) if !is_by_confidence && sort != Sort::Path => {
                let sql = match sort {
                    Sort::TaggedAt => "tagged_at_ms >= ? AND (tagged_at_ms, is_present, id) > (?, ?, ?)",
                    _ => "tagged_at_ms <= ? AND (tagged_at_ms, is_present, id) < (?, ?, ?)",
                };
                let values = [*at_ms, *at_ms, *present, *id];
                self.add(Column::Time, sql, values.map(Value::from));
            }
            (
                Place::Confidence {
                    bits,
                    label,
                    present,
                    id,
                },
                _,
            ) if is_by_confidence => {
                let sql = match sort {
                    Sort::Confidence => {
                        "confidence >= ? AND (confidence, label_id, is_present, id) > (?, ?, ?, ?)"
                    }
                    _ => "confidence <= ? AND (confidence, label_id, is_present, id) < (?, ?, ?, ?)",
                };
                let confidence = Value::from(f64::from_bits(*bits));
                let place = [*label, *present, *id].map(Value::from);
                self.add(
                    Column::Confidence,
                    sql,
                    [confidence.clone(), confidence].into_iter().chain(place),
                );
            }
            _ => {}
        }
    }
}

/// Label, certainty, and when a person spoke, of all files: each kind of them along an index that holds little else.
fn whole_walks(only_present: bool) -> Vec<String> {
    let presence = if only_present { "is_present = 1" } else { "1" };
    [
        (
            "label_id, certainty, NULL",
            "files_by_certainty_and_confidence",
            "certainty IS NOT NULL",
        ),
        (
            "label_id, NULL, tagged_at_ms",
            "files_corrected",
            "corrected_at_ms IS NOT NULL",
        ),
        ("NULL, NULL, NULL", "files_rejected", "reason IS NOT NULL"),
    ]
    .map(|(columns, index, kind)| {
        format!("SELECT {columns} FROM files INDEXED BY {index} WHERE {kind} AND {presence}")
    })
    .into()
}

fn place_from_row(row: &Row<'_>, id: i64, sort: Sort) -> rusqlite::Result<Place> {
    Ok(match sort {
        Sort::Path => Place::Path(row.get(4)?),
        Sort::Confidence | Sort::ConfidenceDescending => Place::Confidence {
            bits: row.get::<_, f64>(2)?.to_bits(),
            label: row.get(3)?,
            present: row.get(1)?,
            id,
        },
        Sort::TaggedAt | Sort::TaggedAtDescending | Sort::Natural => Place::Time {
            at_ms: row.get(0)?,
            present: row.get(1)?,
            id,
        },
    })
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Time { at_ms, present, id } => write!(f, "t.{at_ms}.{present}.{id}"),
            Place::Confidence {
                bits,
                label,
                present,
                id,
            } => write!(f, "c.{bits}.{label}.{present}.{id}"),
            Place::Path(path) => write!(f, "p.{path}"),
            Place::Correction { at_ms, id } => write!(f, "r.{at_ms}.{id}"),
        }
    }
}

impl FromStr for Cursor {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let bad = || ParseError {
            value: text.into(),
            expected: "a cursor that an earlier page gave".into(),
        };
        let (kind, rest) = text.split_once('.').ok_or_else(bad)?;
        if kind == "p" {
            return Ok(Cursor(Place::Path(rest.into())));
        }
        let mut numbers = rest.split('.');
        let mut next = || numbers.next().and_then(|number| number.parse::<i64>().ok());
        let place = match kind {
            "t" => (|| {
                Some(Place::Time {
                    at_ms: next()?,
                    present: next()?,
                    id: next()?,
                })
            })(),
            "c" => (|| {
                Some(Place::Confidence {
                    // The bits of a confidence are positive as a signed number, too.
                    bits: u64::try_from(next()?).ok()?,
                    label: next()?,
                    present: next()?,
                    id: next()?,
                })
            })(),
            "r" => (|| {
                Some(Place::Correction {
                    at_ms: next()?,
                    id: next()?,
                })
            })(),
            _ => None,
        };
        place.map(Cursor).ok_or_else(bad)
    }
}
