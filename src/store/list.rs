//! How a list of files is made, so that a short one takes milliseconds whatever the size of the inventory.
//!
//! In: conditions, order, limit. Out: the files' ids. Never: a guess that can turn a short list into a look at every
//! file while a narrow index is at hand.
//!
//! There are two ways to a short list: walk the index of the order and skip what does not match, or take all that
//! matches one condition and sort it. How far the walk would lead cannot be known beforehand (a folder's photos may
//! all be old), so it is begun: it often is the answer, and else its yield says what going on would cost. That is
//! held against what the other ways cost, which is counted, no further than it matters, in their indexes.
//!
//! Where a condition allows several values and an index has the order within each of them, the question is asked once for
//! each value, and the first files of all answers are taken.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::conditions::{Condition, Conditions};
use super::plan::{self, Column, Plan};
use super::query::Sort;

/// A way that has to look at no more files than these is taken without a walk: a few milliseconds.
const FEW: i64 = 1_000;
/// Files of all parts of a question that are sorted together, at most: some milliseconds.
const MERGED: i64 = 1_000;
/// Entries of an index that the beginning of a walk looks at.
const FIRST_ENTRIES: i64 = 4_000;
/// How many entries of an index can be looked at in the time of one look at the table.
const ENTRIES_A_ROW: i64 = 16;
/// Entries looked at from either end of a range, for each file wanted, to learn what cannot be among them.
const SAMPLE_A_FILE: i64 = 10;

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
    /// The ids of the files that match, in order.
    pub(super) fn ids(&self) -> rusqlite::Result<Vec<i64>> {
        match self.by_value() {
            Some(parts) => self.merged(&parts),
            None => self.ids_of_one_way(),
        }
    }

    /// The same question for each value of a condition that allows several, where an index has the order within one value
    /// and none has it over all of them.
    pub(super) fn by_value(&self) -> Option<Vec<Conditions>> {
        // A pattern that few paths fit would be held against all of them once for each part.
        if self.conditions.has(Column::Path) {
            return None;
        }
        let in_order = plan::index_in_order(self.conditions, self.sort);
        let has_own = |part: &Conditions| plan::index_in_order(part, self.sort) != in_order;
        let limit = i64::from(self.limit?);
        let is_short = |parts: &Vec<Conditions>| limit.saturating_mul(parts.len() as i64) <= MERGED;
        self.conditions
            .by_value()
            .find(|parts| is_short(parts) && parts.iter().all(has_own))
    }

    /// The first files of all parts together.
    fn merged(&self, parts: &[Conditions]) -> rusqlite::Result<Vec<i64>> {
        let mut ids = Vec::new();
        for conditions in parts {
            let part = ListQuestion { conditions, ..*self };
            ids.extend(part.ids_of_one_way()?.into_iter().map(Value::from));
        }
        let sql = format!(
            "SELECT id FROM files WHERE id IN ({}) ORDER BY {} LIMIT ?",
            vec!["?"; ids.len()].join(", "),
            self.sort.columns()
        );
        let limit = Value::from(self.limit.map_or(-1, i64::from));
        self.ids_of(&sql, ids.iter().chain([&limit]))
    }

    fn ids_of_one_way(&self) -> rusqlite::Result<Vec<i64>> {
        let plan = match self.way()? {
            Way::Found(ids) => return Ok(ids),
            Way::By(plan) => plan,
        };
        let (bound, value) = match self.bound_on_time(plan)? {
            Some((sql, value)) => (sql, vec![Value::from(value)]),
            None => ("1", Vec::new()),
        };
        let sql = format!(
            "SELECT id FROM files {plan} WHERE {} AND {bound} ORDER BY {} LIMIT ?",
            self.conditions.sql(),
            self.sort.columns()
        );
        let limit = Value::from(self.limit.map_or(-1, i64::from));
        self.ids_of(&sql, self.conditions.values().chain(&value).chain([&limit]))
    }

    /// The cheapest way, as far as can be told cheaply.
    pub(super) fn way(&self) -> rusqlite::Result<Way> {
        let in_order = plan::index_in_order(self.conditions, self.sort);
        if self.conditions.iter().all(|condition| leads(in_order, condition)) {
            return Ok(Way::By(in_order)); // Nothing is skipped on the way.
        }
        let total = plan::files_ever(self.connection)?;
        let Some(limit) = self.limit else {
            // Everything is wanted: the walk looks at all files.
            let walk = (self.cost(in_order, total), in_order);
            return Ok(Way::By(self.cheapest(walk)?));
        };
        let few = self.cheapest((FEW, in_order))?;
        if few != in_order {
            return Ok(Way::By(few));
        }
        let entries = FIRST_ENTRIES.max(4 * i64::from(limit)) * if self.knows_all(in_order) { 4 } else { 1 };
        let found = self.begin_to_walk(in_order, entries)?;
        if found.len() as u64 >= u64::from(limit) {
            return Ok(Way::Found(found));
        }
        // Where none of the first ones matched, all may have to be looked at.
        let matching = found.len() as i64;
        let to_go = i64::from(limit).saturating_mul(entries).checked_div(matching);
        let walk = self.cost(in_order, to_go.unwrap_or(total).min(total));
        let mut best = (walk, in_order);
        if self.conditions.has(Column::Path) && !self.conditions.has(Column::PathRange) {
            // Every path is held against the pattern; what fits is looked at.
            let scan = Plan::PathAndTime;
            let fitting = total.saturating_mul(matching) / entries;
            let looks = if self.knows_all(scan) { 0 } else { fitting };
            best = cheaper(best, (total / ENTRIES_A_ROW + looks, scan));
        }
        Ok(Way::By(self.cheapest(best)?))
    }

    /// The files that match among the first entries of the index in order. What the index knows is asked before the
    /// table is looked at.
    fn begin_to_walk(&self, in_order: Plan, entries: i64) -> rusqlite::Result<Vec<i64>> {
        let (own, other): (Vec<&Condition>, Vec<&Condition>) = self
            .conditions
            .iter()
            .partition(|condition| leads(in_order, condition));
        let (known, unknown): (Vec<&Condition>, Vec<&Condition>) = other
            .into_iter()
            .partition(|condition| in_order.covers(condition.column));
        let order = self.sort.columns();
        let sql = format!(
            "SELECT id FROM (SELECT id, {} FROM files {in_order} WHERE {} ORDER BY {order} LIMIT ?) AS entry
             WHERE {} AND {} ORDER BY {order} LIMIT ?",
            in_order.columns(),
            all_of(&own),
            all_of(&known),
            if unknown.is_empty() {
                "1".to_owned()
            } else {
                let unknown = all_of(&unknown);
                format!("EXISTS (SELECT 1 FROM files AS file WHERE file.id = entry.id AND {unknown})")
            },
        );
        let entries = Value::from(entries);
        let limit = Value::from(self.limit.map_or(-1, i64::from));
        let values = values_of(&own)
            .chain([&entries])
            .chain(values_of(&known))
            .chain(values_of(&unknown))
            .chain([&limit]);
        self.ids_of(&sql, values)
    }

    /// For the newest (or oldest) files of a range of paths: a time that all of them reach, so that only those are
    /// sorted. Both ends of the range are looked at, because names often follow time, one way or the other.
    fn bound_on_time(&self, plan: Plan) -> rusqlite::Result<Option<(&'static str, i64)>> {
        let (true, Some(limit)) = (plan == Plan::PathAndTime && self.knows_all(plan), self.limit) else {
            return Ok(None);
        };
        let (own, other): (Vec<&Condition>, Vec<&Condition>) = self
            .conditions
            .iter()
            .partition(|condition| leads(plan, condition));
        let end = |direction: &str| {
            format!(
                "SELECT id, tagged_at_ms FROM (SELECT id, {} FROM files {plan} WHERE {} ORDER BY path {direction}
                                               LIMIT ?) WHERE {}",
                plan.columns(),
                all_of(&own),
                all_of(&other)
            )
        };
        // UNION: where the ends overlap, a file counts once.
        let sql = format!("SELECT tagged_at_ms FROM ({} UNION {})", end("ASC"), end("DESC"));
        let sample = Value::from(SAMPLE_A_FILE * i64::from(limit));
        let one_end = || values_of(&own).chain([&sample]).chain(values_of(&other));
        let mut times_ms = self.ids_of(&sql, one_end().chain(one_end()))?;
        times_ms.sort_unstable();
        let is_oldest_first = self.sort == Sort::TaggedAt;
        if !is_oldest_first {
            times_ms.reverse();
        }
        let last = (limit as usize)
            .checked_sub(1)
            .and_then(|last| times_ms.get(last));
        Ok(last.map(|time_ms| match is_oldest_first {
            true => ("tagged_at_ms <= ?", *time_ms),
            false => ("tagged_at_ms >= ?", *time_ms),
        }))
    }

    /// The index that costs less than the best way so far by narrowing, or that way. One that narrows by the same
    /// condition as that way looks at no less, and sorts on top.
    fn cheapest(&self, best: (i64, Plan)) -> rusqlite::Result<Plan> {
        let leading = best.1.leading();
        let others = || plan::narrowing(self.conditions).filter(|index| index.leading() != leading);
        if let Some(index) = others().next()
            && others().all(|other| other.leading() == index.leading())
            && self.cost(index, plan::files_ever(self.connection)?) < best.0
        {
            return Ok(index); // Even a walk through all of it costs less, and there is no third way.
        }
        let mut best = best;
        let mut counted: Vec<(Option<Column>, i64)> = Vec::new();
        for index in others() {
            // Counted no further than it matters. Of two indexes with one leading column the one that knows more
            // comes first, so that its count serves both.
            let most = if self.knows_all(index) {
                best.0.saturating_mul(ENTRIES_A_ROW)
            } else {
                best.0
            };
            let before = counted.iter().find(|(column, _)| *column == index.leading());
            let count = match before {
                Some((_, count)) => *count,
                None => plan::count_up_to(self.connection, self.conditions, index, most)?,
            };
            counted.push((index.leading(), count));
            best = cheaper(best, (self.cost(index, count), index));
        }
        Ok(best.1)
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
        let mut conditions = self.conditions.iter();
        knows_order && conditions.all(|condition| index.covers(condition.column))
    }

    /// One column of whole numbers.
    fn ids_of<'v>(&self, sql: &str, values: impl Iterator<Item = &'v Value>) -> rusqlite::Result<Vec<i64>> {
        self.connection
            .prepare_cached(sql)?
            .query_map(params_from_iter(values), |row| row.get(0))?
            .collect()
    }
}

/// The cheaper of two ways with their costs; the first where they are equal.
fn cheaper(one: (i64, Plan), other: (i64, Plan)) -> (i64, Plan) {
    if other.0 < one.0 { other } else { one }
}

/// Whether the condition narrows the walk through the index.
fn leads(index: Plan, condition: &Condition) -> bool {
    Some(condition.column) == index.leading()
}

/// Conditions joined by AND.
fn all_of(conditions: &[&Condition]) -> String {
    let parts: Vec<&str> = conditions
        .iter()
        .map(|condition| condition.sql.as_str())
        .collect();
    if parts.is_empty() {
        "1".into()
    } else {
        parts.join(" AND ")
    }
}

fn values_of<'c>(conditions: &'c [&Condition]) -> impl Iterator<Item = &'c Value> + Clone {
    conditions.iter().flat_map(|condition| &condition.values)
}
