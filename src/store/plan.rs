//! Which index answers a question.
//!
//! In: conditions, order, limit. Out: an `INDEXED BY` clause. Never: a guess that can turn a limited list into a
//! look at every file while a narrow index is at hand.
//!
//! SQLite's own planner has no figures about the values (and figures would age as the inventory grows), so it is
//! told. There are two ways to a limited list: walk the index of the order and skip what does not match, or take all
//! that matches one condition and sort it. With n of N files matching, walking looks at about limit * N / n of them
//! and taking looks at n: taking is better up to n = sqrt(limit * N), which is counted, no further, in the index.

use std::fmt;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::query::{Conditions, Sort};

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
    /// Must not be rejected, or not be corrected: nearly all are not.
    Status,
}

/// An index of `files`, or the table itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plan {
    Path,
    Time,
    Label,
    Confidence,
    Model,
    Absent,
    Rejected,
    RejectedByPath,
    Corrected,
    Table,
}

impl Plan {
    const INDEXES: [Plan; 9] = [
        Plan::Path,
        Plan::Label,
        Plan::Model,
        Plan::Confidence,
        Plan::Time,
        Plan::Absent,
        Plan::Rejected,
        Plan::RejectedByPath,
        Plan::Corrected,
    ];

    /// The column whose conditions narrow the walk through this index.
    fn leading(self) -> Option<Column> {
        match self {
            Plan::Path => Some(Column::PathRange),
            Plan::Time => Some(Column::Time),
            Plan::Label => Some(Column::Label),
            Plan::Confidence => Some(Column::Confidence),
            Plan::Model => Some(Column::Model),
            Plan::Absent => Some(Column::Absent),
            Plan::Rejected | Plan::RejectedByPath => Some(Column::Rejected),
            Plan::Corrected => Some(Column::Corrected),
            Plan::Table => None,
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
    fn covers(self, column: Column) -> bool {
        use Column::*;
        let covered: &[Column] = match self {
            Plan::Path => &[Path, PathRange],
            Plan::Time => &[Time, Present, Absent],
            Plan::Label => &[Label, Time, Present, Absent],
            Plan::Confidence => &[Confidence, Label, Present, Absent],
            Plan::Model => &[Model, Time, Present, Absent],
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
            Plan::Time => "INDEXED BY files_by_time",
            Plan::Label => "INDEXED BY files_by_label",
            Plan::Confidence => "INDEXED BY files_by_confidence",
            Plan::Model => "INDEXED BY files_by_model",
            Plan::Absent => "INDEXED BY files_absent",
            Plan::Rejected => "INDEXED BY files_rejected",
            Plan::RejectedByPath => "INDEXED BY files_rejected_by_path",
            Plan::Corrected => "INDEXED BY files_corrected",
            Plan::Table => "NOT INDEXED",
        })
    }
}

/// For a list: the narrowest index if it is narrow enough, else the one that has the files in order.
pub(super) fn for_list(
    connection: &Connection,
    conditions: &Conditions,
    sort: Sort,
    limit: Option<u32>,
) -> rusqlite::Result<Plan> {
    let in_order = index_in_order(conditions, sort);
    if conditions
        .iter()
        .all(|condition| Some(condition.column) == in_order.leading())
    {
        return Ok(in_order); // Nothing is skipped on the way.
    }
    let total = files_ever(connection)?;
    let wanted = limit.map_or(total, i64::from).min(total);
    let few = ((wanted as f64) * (total as f64)).sqrt() as i64;
    let mut best = (few, in_order);
    // One that narrows by the same condition looks at no less, and sorts on top.
    for index in narrowing(conditions).filter(|index| index.leading() != in_order.leading()) {
        let count = count_up_to(connection, conditions, index, best.0 + 1)?;
        if count <= best.0 {
            best = (count, index);
        }
    }
    Ok(best.1)
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

/// The index that can be walked in the wanted order, the one that skips most where there are several.
fn index_in_order(conditions: &Conditions, sort: Sort) -> Plan {
    let is_asked = |column| conditions.iter().any(|condition| condition.column == column);
    let is_fixed = |column| {
        conditions
            .iter()
            .any(|condition| condition.column == column && condition.is_equality)
    };
    match sort {
        Sort::Path if is_asked(Column::Rejected) => Plan::RejectedByPath,
        Sort::Path => Plan::Path,
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
            } else if is_fixed(Column::Model) {
                Plan::Model
            } else {
                Plan::Time
            }
        }
    }
}

/// Indexes whose leading column is restricted.
fn narrowing(conditions: &Conditions) -> impl Iterator<Item = Plan> {
    Plan::INDEXES.into_iter().filter(|index| {
        conditions
            .iter()
            .any(|condition| Some(condition.column) == index.leading())
    })
}

/// How many files match the conditions on the index's leading column, counted no further than `most`.
fn count_up_to(
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
fn files_ever(connection: &Connection) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("SELECT coalesce(max(id), 0) FROM files")?
        .query_row([], |row| row.get(0))
}
