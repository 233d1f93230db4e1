//! The indexes of `files`: what each knows, and which one answers a count.
//!
//! In: conditions. Out: an `INDEXED BY` clause. Never: SQLite's own guess: it has no figures about the values, and
//! figures would age as the inventory grows, so it is told (for lists see `list.rs`).

use std::fmt;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::conditions::Conditions;
use super::query::Sort;

/// A column that a condition restricts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    /// The path, by a pattern that no range stands for.
    Path,
    /// The path, between two texts.
    PathRange,
    Label,
    Confidence,
    Time,
    Model,
    /// Must be present: nearly all are.
    Present,
    /// Must be absent: few are.
    Absent,
    /// Must be rejected: few are.
    Rejected,
    /// Must be corrected: few are.
    Corrected,
    /// Of one or two of the three certainties.
    Certainty,
    /// Must not be rejected, or not be corrected: nearly all are not; or some statuses of both kinds.
    Status,
}

/// An index of `files`, or the table itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plan {
    /// With the time beside the path: a folder's newest files without a look at the table.
    PathAndTime,
    Path,
    Time,
    Label,
    Confidence,
    Model,
    Certainty,
    CertaintyAndConfidence,
    Absent,
    Rejected,
    RejectedByPath,
    Corrected,
    Table,
}

impl Plan {
    const INDEXES: [Plan; 12] = [
        Plan::PathAndTime,
        Plan::Path,
        Plan::Label,
        Plan::Model,
        Plan::Confidence,
        Plan::CertaintyAndConfidence,
        Plan::Certainty,
        Plan::Time,
        Plan::Absent,
        Plan::Rejected,
        Plan::RejectedByPath,
        Plan::Corrected,
    ];

    /// The column whose conditions narrow the walk through this index.
    pub(super) fn leading(self) -> Option<Column> {
        match self {
            Plan::Path | Plan::PathAndTime => Some(Column::PathRange),
            Plan::Time => Some(Column::Time),
            Plan::Label => Some(Column::Label),
            Plan::Confidence => Some(Column::Confidence),
            Plan::Model => Some(Column::Model),
            Plan::Certainty | Plan::CertaintyAndConfidence => Some(Column::Certainty),
            Plan::Absent => Some(Column::Absent),
            Plan::Rejected | Plan::RejectedByPath => Some(Column::Rejected),
            Plan::Corrected => Some(Column::Corrected),
            Plan::Table => None,
        }
    }

    /// The columns it knows, to be selected.
    pub(super) fn columns(self) -> &'static str {
        match self {
            Plan::PathAndTime => "path, tagged_at_ms, is_present",
            Plan::Path => "path",
            Plan::Time | Plan::Rejected | Plan::Corrected => "tagged_at_ms, is_present",
            Plan::Label => "label_id, tagged_at_ms, is_present",
            Plan::Confidence => "confidence, label_id, is_present",
            Plan::Model => "model_id, tagged_at_ms, is_present",
            Plan::Certainty => "certainty, tagged_at_ms, is_present",
            Plan::CertaintyAndConfidence => "certainty, confidence, label_id, is_present",
            Plan::Absent => "tagged_at_ms, 0 AS is_present",
            Plan::RejectedByPath => "path, is_present, reason",
            Plan::Table => "*",
        }
    }

    /// Whether it holds only the files of which its leading condition is true.
    fn is_partial(self) -> bool {
        matches!(
            self,
            Plan::Absent | Plan::Rejected | Plan::RejectedByPath | Plan::Corrected
        )
    }

    /// Whether the index alone can tell if the condition holds.
    pub(super) fn covers(self, column: Column) -> bool {
        use Column::*;
        let covered: &[Column] = match self {
            Plan::Path => &[Path, PathRange],
            Plan::PathAndTime => &[Path, PathRange, Time, Present, Absent],
            Plan::Time => &[Time, Present, Absent],
            Plan::Label => &[Label, Time, Present, Absent],
            Plan::Confidence => &[Confidence, Label, Present, Absent],
            Plan::Model => &[Model, Time, Present, Absent],
            Plan::Certainty => &[Certainty, Time, Present, Absent],
            Plan::CertaintyAndConfidence => &[Certainty, Confidence, Label, Present, Absent],
            Plan::Absent => &[Absent, Time],
            Plan::Rejected => &[Rejected, Time, Present, Absent],
            Plan::RejectedByPath => &[Rejected, Path, PathRange, Present, Absent],
            Plan::Corrected => &[Corrected, Time, Present, Absent],
            Plan::Table => &[],
        };
        covered.contains(&column)
    }
}

impl fmt::Display for Plan {
    /// The clause that follows `FROM files`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Plan::Path => "INDEXED BY files_by_path",
            Plan::PathAndTime => "INDEXED BY files_by_path_and_time",
            Plan::Time => "INDEXED BY files_by_time",
            Plan::Label => "INDEXED BY files_by_label",
            Plan::Confidence => "INDEXED BY files_by_confidence",
            Plan::Model => "INDEXED BY files_by_model",
            Plan::Certainty => "INDEXED BY files_by_certainty",
            Plan::CertaintyAndConfidence => "INDEXED BY files_by_certainty_and_confidence",
            Plan::Absent => "INDEXED BY files_absent",
            Plan::Rejected => "INDEXED BY files_rejected",
            Plan::RejectedByPath => "INDEXED BY files_rejected_by_path",
            Plan::Corrected => "INDEXED BY files_corrected",
            Plan::Table => "NOT INDEXED",
        })
    }
}

/// For a count: an index that knows all columns asked about and narrows, else a narrow one, else one that knows all
/// columns, else the table.
pub(super) fn for_count(connection: &Connection, conditions: &Conditions) -> rusqlite::Result<Plan> {
    let knows_all = |index: &Plan| conditions.iter().all(|condition| index.covers(condition.column));
    if let Some(index) = narrowing(conditions).find(knows_all) {
        return Ok(index);
    }
    // A look at a row through an index costs about ten times a row of a scan.
    let mut best = (files_ever(connection)? / 10, Plan::Table);
    if let Some(index) = Plan::INDEXES
        .into_iter()
        .find(|index| !index.is_partial() && knows_all(index))
    {
        best.1 = index;
    }
    for index in narrowing(conditions) {
        let count = count_up_to(connection, conditions, index, best.0 + 1)?;
        if count <= best.0 {
            best = (count, index);
        }
    }
    Ok(best.1)
}

/// For a look at the row of every file that matches: the narrowest index, or the table where all of them are wide. A look
/// at a row through an index costs about ten times a row of a scan.
pub(super) fn for_rows(connection: &Connection, conditions: &Conditions) -> rusqlite::Result<Plan> {
    let mut best = (files_ever(connection)? / 10, Plan::Table);
    for index in narrowing(conditions) {
        let count = count_up_to(connection, conditions, index, best.0 + 1)?;
        if count <= best.0 {
            best = (count, index);
        }
    }
    Ok(best.1)
}

/// The index that can be walked in the wanted order, the one that skips most where there are several.
pub(super) fn index_in_order(conditions: &Conditions, sort: Sort) -> Plan {
    let is_asked = |column| conditions.iter().any(|condition| condition.column == column);
    let is_fixed = |column| {
        conditions
            .iter()
            .any(|condition| condition.column == column && condition.is_equality)
    };
    match sort {
        Sort::Path if is_asked(Column::Rejected) => Plan::RejectedByPath,
        Sort::Path => Plan::Path,
        Sort::Confidence | Sort::ConfidenceDescending if is_fixed(Column::Certainty) => {
            Plan::CertaintyAndConfidence
        }
        Sort::Confidence | Sort::ConfidenceDescending => Plan::Confidence,
        Sort::TaggedAt | Sort::TaggedAtDescending | Sort::Natural => {
            if is_asked(Column::Corrected) {
                Plan::Corrected
            } else if is_asked(Column::Rejected) {
                Plan::Rejected
            } else if is_asked(Column::Absent) {
                Plan::Absent
            } else if is_fixed(Column::Label) {
                Plan::Label
            } else if is_fixed(Column::Certainty) {
                Plan::Certainty
            } else if is_fixed(Column::Model) {
                Plan::Model
            } else {
                Plan::Time
            }
        }
    }
}

/// Indexes whose leading column is restricted.
pub(super) fn narrowing(conditions: &Conditions) -> impl Iterator<Item = Plan> {
    Plan::INDEXES.into_iter().filter(|index| {
        conditions
            .iter()
            .any(|condition| Some(condition.column) == index.leading())
    })
}

/// How many files match the conditions on the index's leading column, counted no further than `most`.
pub(super) fn count_up_to(
    connection: &Connection,
    conditions: &Conditions,
    index: Plan,
    most: i64,
) -> rusqlite::Result<i64> {
    let leading: Vec<_> = conditions
        .iter()
        .filter(|condition| Some(condition.column) == index.leading())
        .collect();
    let sql: Vec<&str> = leading.iter().map(|condition| condition.sql.as_str()).collect();
    let most = Value::from(most);
    let values = leading
        .iter()
        .flat_map(|condition| &condition.values)
        .chain([&most]);
    connection
        .prepare_cached(&format!(
            "SELECT count(*) FROM (SELECT 1 FROM files {index} WHERE {} LIMIT ?)",
            sql.join(" AND ")
        ))?
        .query_row(params_from_iter(values), |row| row.get(0))
}

/// At least as many as there are files: rows are hardly ever deleted.
pub(super) fn files_ever(connection: &Connection) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("SELECT coalesce(max(id), 0) FROM files")?
        .query_row([], |row| row.get(0))
}
