//! What a question restricts, as SQL.
//!
//! In: labels, statuses, bounds, patterns. Out: conditions with bound values, each with the column that it restricts.
//! Never: text from outside inside SQL.

use rusqlite::types::Value;

use super::plan::Column;
use super::rows;
use crate::domain::{Certainty, Label, Status};

/// SQL conditions with their values, each with the column it restricts.
#[derive(Debug, Clone, Default)]
pub(super) struct Conditions {
    parts: Vec<Condition>,
}

#[derive(Debug, Clone)]
pub(super) struct Condition {
    pub(super) column: Column,
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
    /// Whether it fixes its column to one value, so that an index continues in the order of its next column.
    pub(super) is_equality: bool,
    /// The column's name, if the condition is that it has one of several values.
    one_of: Option<&'static str>,
}

impl Conditions {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Condition> {
        self.parts.iter()
    }

    /// Whether one restricts this column.
    pub(super) fn has(&self, column: Column) -> bool {
        self.parts.iter().any(|part| part.column == column)
    }

    /// All of them, joined by AND.
    pub(super) fn sql(&self) -> String {
        if self.parts.is_empty() {
            return "1".into();
        }
        let parts: Vec<&str> = self.parts.iter().map(|part| part.sql.as_str()).collect();
        parts.join(" AND ")
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Value> {
        self.parts.iter().flat_map(|part| &part.values)
    }

    pub(super) fn add(
        &mut self,
        column: Column,
        sql: impl Into<String>,
        values: impl IntoIterator<Item = Value>,
    ) {
        let sql = sql.into();
        let values = values.into_iter().collect();
        self.parts.push(Condition {
            column,
            sql,
            values,
            is_equality: false,
            one_of: None,
        });
    }

    fn add_equality(&mut self, column: Column, sql: impl Into<String>, value: Option<Value>) {
        let values = value.into_iter().collect();
        self.parts.push(Condition {
            column,
            sql: sql.into(),
            values,
            is_equality: true,
            one_of: None,
        });
    }

    /// For each condition that allows several values: the same conditions once for each of the values. No file matches two
    /// of these.
    pub(super) fn by_value(&self) -> impl Iterator<Item = Vec<Conditions>> {
        let parts = self.parts.iter().enumerate();
        let several = parts.filter_map(|(place, part)| part.one_of.map(|name| (place, part, name)));
        several.map(|(place, part, name)| {
            let of_value = |value: &Value| {
                let mut one = self.clone();
                one.parts.remove(place);
                one.add_equality(part.column, format!("{name} = ?"), Some(value.clone()));
                one
            };
            part.values.iter().map(of_value).collect()
        })
    }

    pub(super) fn add_bound(&mut self, column: Column, sql: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.add(column, sql, [value.into()]);
        }
    }

    pub(super) fn add_one_of(&mut self, column: Column, name: &'static str, ids: Vec<i64>) {
        match ids.as_slice() {
            [only] => self.add_equality(column, format!("{name} = ?"), Some((*only).into())),
            _ => {
                let marks = vec!["?"; ids.len()].join(", ");
                self.parts.push(Condition {
                    column,
                    sql: format!("{name} IN ({marks})"),
                    values: ids.into_iter().map(Value::from).collect(),
                    is_equality: false,
                    one_of: Some(name),
                });
            }
        }
    }

    pub(super) fn add_labels(&mut self, labels: &[Label]) {
        let mut ids: Vec<i64> = labels.iter().map(|label| label.index() as i64).collect();
        ids.sort_unstable();
        ids.dedup();
        if !ids.is_empty() {
            self.add_one_of(Column::Label, "label_id", ids);
        }
    }

    /// The columns that tell statuses apart, as the table's constraint has it: confidence and certainty stand beside a
    /// model's tag, a reason beside a rejection, a time beside a correction, and nothing else has them.
    pub(super) fn add_statuses(&mut self, statuses: &[Status]) {
        let is_wanted = |status: &Status| statuses.contains(status);
        let certainties: Vec<i64> = Certainty::ALL
            .into_iter()
            .filter(|certainty| is_wanted(&(*certainty).into()))
            .map(rows::code)
            .collect();
        let others = (is_wanted(&Status::Corrected), is_wanted(&Status::Rejected));
        match (certainties.len(), others) {
            (0, (false, false)) | (3, (true, true)) => {}
            (0, (true, false)) => self.add(Column::Corrected, "corrected_at_ms IS NOT NULL", []),
            (0, (false, true)) => self.add(Column::Rejected, "reason IS NOT NULL", []),
            (0, (true, true)) => self.add_equality(Column::Confidence, "confidence IS NULL", None),
            (3, (false, false)) => self.add(Column::Confidence, "confidence IS NOT NULL", []),
            (3, (false, true)) => self.add(Column::Status, "corrected_at_ms IS NULL", []),
            (3, (true, false)) => self.add(Column::Status, "reason IS NULL", []),
            (_, (false, false)) => self.add_one_of(Column::Certainty, "certainty", certainties),
            (_, others) => {
                let marks = vec!["?"; certainties.len()].join(", ");
                let or = match others {
                    (true, true) => "certainty IS NULL",
                    (true, false) => "corrected_at_ms IS NOT NULL",
                    (false, _) => "reason IS NOT NULL",
                };
                let sql = format!("(certainty IN ({marks}) OR {or})");
                self.add(Column::Status, sql, certainties.into_iter().map(Value::from));
            }
        }
    }

    /// `pattern` covers the whole path; the part before its first wildcard narrows the index on paths.
    pub(super) fn add_glob(&mut self, pattern: &str) {
        let literal = pattern.split(['*', '?', '[']).next().unwrap_or_default();
        if literal.len() == pattern.len() {
            self.add_equality(Column::PathRange, "path = ?", Some(pattern.to_owned().into()));
            return;
        }
        if !literal.is_empty() {
            self.add(Column::PathRange, "path >= ?", [literal.to_owned().into()]);
            self.add(Column::PathRange, "path < ?", [end_of_prefix(literal).into()]);
        }
        if pattern.strip_prefix(literal) != Some("*") {
            self.add(Column::Path, "path GLOB ?", [pattern.to_owned().into()]);
        }
    }

    /// Plain text anywhere in the path, in capitals or not. LIKE knows that of the letters of ASCII alone, but takes a tenth of
    /// the time of GLOB with both of each.
    pub(super) fn add_path_part(&mut self, text: &str) {
        if text.is_ascii() {
            let escaped = text.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_");
            let pattern = format!("%{escaped}%");
            self.add(Column::Path, r"path LIKE ? ESCAPE '\'", [pattern.into()]);
        } else {
            let letters: String = text.chars().map(in_either_case).collect();
            self.add(Column::Path, "path GLOB ?", [format!("*{letters}*").into()]);
        }
    }
}

/// A pattern for a letter and the same one in the other case, where that is one letter, too.
fn in_either_case(letter: char) -> String {
    let (lower, upper) = (letter.to_lowercase(), letter.to_uppercase());
    match (lower.len(), upper.len()) {
        (1, 1) if lower.clone().ne(upper.clone()) => format!("[{lower}{upper}]"),
        _ if matches!(letter, '*' | '?' | '[') => format!("[{letter}]"),
        _ => letter.to_string(),
    }
}

/// A pattern for the whole path from one that may mean only its tail.
pub(super) fn whole_path_pattern(pattern: &str) -> String {
    match pattern.chars().next() {
        Some('/' | '*') => pattern.to_owned(),
        _ => format!("*/{pattern}"),
    }
}

/// The first text past all that begin with `prefix`, in byte order.
pub(super) fn end_of_prefix(prefix: &str) -> String {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        // The next character; past the surrogates, which are no characters.
        let next = match last {
            '\u{D7FF}' => Some('\u{E000}'),
            _ => char::from_u32(u32::from(last) + 1),
        };
        if let Some(next) = next {
            end.push(next);
            return end;
        }
    }
    // Only for a prefix of nothing but U+10FFFF: no path begins so, paths begin with '/'.
    prefix.to_owned()
}
