//! Which index answers a question.
//!
//! In: conditions, order, limit. Out: an `INDEXED BY` clause, or for a list that is found at once the answer itself.
//! Never: a guess that can turn a limited list into a look at every file while a narrow index is at hand.
//!
//! SQLite's own planner has no figures about the values (and figures would age as the inventory grows), so it is
//! told. There are two ways to a limited list: walk the index of the order and skip what does not match, or take all
//! that matches one condition and sort it. How far the walk would lead cannot be known beforehand (a folder's photos
//! may all be old), so it is begun: it often is the answer, and else its yield says what going on would cost. That is
//! held against what the other ways cost, which is counted, no further than it matters, in their indexes.

use std::fmt;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::query::{Condition, Conditions, Sort};

/// Files that a walk in order looks at before other ways are considered: some milliseconds. A way that has to look at
/// no more than these is taken without a walk.
const FIRST_STEPS: i64 = 1_000;
/// How many entries of an index can be looked at in the time of one look at the table.
const ENTRIES_A_ROW: i64 = 16;

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
    /// By path, with the time beside it: a folder's newest files without a look at the table.
    PathAndTime,
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
    const INDEXES: [Plan; 10] = [
        Plan::Path,
        Plan::PathAndTime,
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
            Plan::Path | Plan::PathAndTime => Some(Column::PathRange),
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
            Plan::PathAndTime => &[Path, PathRange, Time, Present, Absent],
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
            Plan::PathAndTime => "INDEXED BY files_by_path_and_time",
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

/// A list to be made.
pub(super) struct ListQuestion<'a> {
    pub(super) connection: &'a Connection,
    pub(super) conditions: &'a Conditions,
    pub(super) sort: Sort,
    pub(super) limit: Option<u32>,
}

/// How a list is made.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// It is made already: the files' ids, in order.
    Found(Vec<i64>),
    /// By this index.
    By(Plan),
}

impl ListQuestion<'_> {
    /// The cheapest way, as far as can be told cheaply.
    pub(super) fn way(&self) -> rusqlite::Result<Way> {
        let in_order = index_in_order(self.conditions, self.sort);
        let is_its_own = |condition: &Condition| Some(condition.column) == in_order.leading();
        if self.conditions.iter().all(is_its_own) {
            return Ok(Way::By(in_order)); // Nothing is skipped on the way.
        }
        let total = files_ever(self.connection)?;
        let Some(limit) = self.limit else {
            // Everything is wanted: the walk looks at all files.
            let walk = self.cost(in_order, total);
            return Ok(Way::By(self.cheapest((walk, in_order))?));
        };
        let few = self.cheapest((FIRST_STEPS, in_order))?;
        if few != in_order {
            return Ok(Way::By(few));
        }
        let steps = FIRST_STEPS.max(4 * i64::from(limit));
        let found = self.first_steps(in_order, steps)?;
        if found.len() as u64 >= u64::from(limit) {
            return Ok(Way::Found(found));
        }
        // Where none of the first ones matched, all may have to be looked at.
        let matching = found.len() as i64;
        let to_go = (i64::from(limit) * steps).checked_div(matching);
        let walk = self.cost(in_order, to_go.unwrap_or(total).min(total));
        let mut best = (walk, in_order);
        if self.conditions.has(Column::Path) && !self.conditions.has(Column::PathRange) {
            // Every path is held against the pattern; what fits is looked at.
            let scan = Plan::PathAndTime;
            let fitting = if self.knows_all(scan) {
                0
            } else {
                total * matching / steps
            };
            let cost = total / ENTRIES_A_ROW + fitting;
            if cost < best.0 {
                best = (cost, scan);
            }
        }
        Ok(Way::By(self.cheapest(best)?))
    }

    /// The first files in order that match, among so many.
    fn first_steps(&self, in_order: Plan, steps: i64) -> rusqlite::Result<Vec<i64>> {
        let (own, other): (Vec<_>, Vec<_>) = self
            .conditions
            .iter()
            .partition(|condition| Some(condition.column) == in_order.leading());
        let all_of = |conditions: &[&Condition]| -> String {
            let parts: Vec<&str> = conditions
                .iter()
                .map(|condition| condition.sql.as_str())
                .collect();
            if parts.is_empty() {
                "1".into()
            } else {
                parts.join(" AND ")
            }
        };
        let order = self.sort.columns();
        let sql = format!(
            "SELECT id FROM (SELECT id, path, label_id, confidence, reason, model_id, tagged_at_ms, corrected_at_ms,
                                 is_present
                             FROM files {in_order} WHERE {} ORDER BY {order} LIMIT ?)
             WHERE {} ORDER BY {order} LIMIT ?",
            all_of(&own),
            all_of(&other)
        );
        let (steps, limit) = (Value::from(steps), Value::from(self.limit.map_or(-1, i64::from)));
        let values = own
            .iter()
            .flat_map(|condition| &condition.values)
            .chain([&steps])
            .chain(other.iter().flat_map(|condition| &condition.values))
            .chain([&limit]);
        self.connection
            .prepare_cached(&sql)?
            .query_map(params_from_iter(values), |row| row.get(0))?
            .collect()
    }

    /// The index that takes less than the best way so far by narrowing, or that way. One that narrows by the same
    /// condition as that way looks at no less, and sorts on top.
    fn cheapest(&self, best: (i64, Plan)) -> rusqlite::Result<Plan> {
        let (mut cost, mut plan) = best;
        let leading = plan.leading();
        let mut counted: Vec<(Option<Column>, i64)> = Vec::new();
        for index in narrowing(self.conditions).filter(|index| index.leading() != leading) {
            // The best cost only falls, so that a count that stopped here once stops here again.
            let most = cost.saturating_mul(ENTRIES_A_ROW);
            let before = counted.iter().find(|(column, _)| *column == index.leading());
            let count = match before {
                Some((_, count)) => *count,
                None => count_up_to(self.connection, self.conditions, index, most)?,
            };
            counted.push((index.leading(), count));
            if self.cost(index, count) < cost {
                (cost, plan) = (self.cost(index, count), index);
            }
        }
        Ok(plan)
    }

    /// In looks at the table.
    fn cost(&self, index: Plan, entries: i64) -> i64 {
        if self.knows_all(index) {
            entries / ENTRIES_A_ROW
        } else {
            entries
        }
    }

    /// Whether the index alone tells what matches and in which order.
    fn knows_all(&self, index: Plan) -> bool {
        let knows_order = match self.sort {
            Sort::Path => index.covers(Column::Path),
            Sort::Confidence | Sort::ConfidenceDescending => index.covers(Column::Confidence),
            Sort::TaggedAt | Sort::TaggedAtDescending | Sort::Natural => {
                index.covers(Column::Time) && index.covers(Column::Present)
            }
        };
        knows_order
            && self
                .conditions
                .iter()
                .all(|condition| index.covers(condition.column))
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
