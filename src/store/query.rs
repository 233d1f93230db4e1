//! What can be asked about files, and how it becomes SQL conditions.
//!
//! In: a `FileQuery`. Out: the matching files, or how many there are. Never: text from outside inside SQL; every
//! value is bound.

use rusqlite::params_from_iter;

use super::conditions::{Conditions, whole_path_pattern};
use super::error::StoreError;
use super::list::ListQuestion;
use super::lookup::Reader;
use super::plan::{self, Column};
use super::rows::{self, FileRow};
use crate::domain::{Confidence, Label, Status, Timestamp};

/// A question about files. What is left empty does not restrict; everything given must hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FileQuery {
    /// Any of these labels, given by a model or a person.
    pub labels: Vec<Label>,
    /// At least this sure; files without a tag, and corrected ones, have no confidence and do not match.
    pub min_confidence: Option<Confidence>,
    /// At most this sure; files without a tag, and corrected ones, have no confidence and do not match.
    pub max_confidence: Option<Confidence>,
    /// Any of these.
    pub statuses: Vec<Status>,
    /// SQLite's GLOB, case matters: `*` any characters (also `/`), `?` one, `[a-c]` one of, `[^a-c]` none of. A
    /// pattern that begins with `/` is matched against the whole absolute path, any other one against its tail from
    /// a `/` on; one that begins with `*` against anything.
    pub path_glob: Option<String>,
    /// Plain text that stands anywhere in the path, in capitals or not.
    pub path_part: Option<String>,
    /// Answered at this moment or later.
    pub since: Option<Timestamp>,
    /// Answered before this moment.
    pub until: Option<Timestamp>,
    /// The model's id begins so.
    pub model: Option<String>,
    /// Whether the file must be there still.
    pub presence: Presence,
    /// In which order.
    pub sort: Sort,
    /// At most so many; does not bind a count.
    pub limit: Option<u32>,
}

/// Whether a file must be there still.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Presence {
    /// No matter.
    #[default]
    Any,
    /// It was there when it was last looked for.
    Present,
    /// It is gone; its tags stay.
    Absent,
}

/// Order of the answer; files that are equal in it follow in the order in which they came to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sort {
    /// The natural one for the question: by path where the pattern begins with a folder, least sure first where a
    /// confidence is asked for, else the newest answer first.
    #[default]
    Natural,
    /// By path, byte by byte.
    Path,
    /// Least sure first; files without a tag, and corrected ones, have no confidence and come last.
    Confidence,
    /// Surest first; files without a tag, and corrected ones, come last.
    ConfidenceDescending,
    /// Oldest answer first.
    TaggedAt,
    /// Newest answer first.
    TaggedAtDescending,
}

impl Reader {
    /// The files that match.
    pub fn files_matching(&self, query: &FileQuery) -> Result<Vec<FileRow>, StoreError> {
        let mut files = Vec::new();
        self.visit_files_matching(query, |file| {
            files.push(file);
            Ok::<_, StoreError>(())
        })?;
        Ok(files)
    }

    /// Hands over the files that match one by one: for answers that need not be in memory at once. An error of the visit
    /// ends it. The moment that is read is held as long as the visit takes.
    pub fn visit_files_matching<E: From<StoreError>>(
        &self,
        query: &FileQuery,
        mut visit: impl FnMut(FileRow) -> Result<(), E>,
    ) -> Result<(), E> {
        const OPERATION: &str = "list the files that match";
        let of = |source| StoreError::of(OPERATION, &self.path, source);
        self.at_one_moment(OPERATION, || {
            let mut ids = Vec::new();
            for part in query.parts_in_order() {
                let Some(conditions) = self.conditions(&part)? else {
                    continue;
                };
                let question = ListQuestion {
                    connection: &self.connection,
                    conditions: &conditions,
                    sort: part.natural_sort(),
                    limit: part.limit.map(|limit| limit.saturating_sub(ids.len() as u32)),
                };
                // Only ids are sorted; the wide rows are read for those that are left.
                ids.extend(question.ids().map_err(of)?);
            }
            let mut file_by_id = self
                .connection
                .prepare_cached(&format!(
                    "SELECT {} FROM {} WHERE f.id = ?1",
                    rows::FILE_COLUMNS,
                    rows::FILE_TABLES
                ))
                .map_err(of)?;
            for id in ids {
                let visited = visit(file_by_id.query_row([id], rows::file_from_row).map_err(of)?);
                if visited.is_err() {
                    return Ok(visited);
                }
            }
            Ok(Ok(()))
        })?
    }

    /// How many files match, whatever the limit.
    pub fn count_files_matching(&self, query: &FileQuery) -> Result<u64, StoreError> {
        const OPERATION: &str = "count the files that match";
        let of = |source| StoreError::of(OPERATION, &self.path, source);
        self.at_one_moment(OPERATION, || {
            let Some(conditions) = self.conditions(query)? else {
                return Ok(0);
            };
            let plan = plan::for_count(&self.connection, &conditions).map_err(of)?;
            let sql = format!("SELECT count(*) FROM files {plan} WHERE {}", conditions.sql());
            let count: Option<i64> =
                self.row(OPERATION, &sql, params_from_iter(conditions.values()), |row| {
                    row.get(0)
                })?;
            Ok(count.unwrap_or(0).cast_unsigned())
        })
    }

    /// `None` where nothing can match: no model's id begins so.
    pub(super) fn conditions(&self, query: &FileQuery) -> Result<Option<Conditions>, StoreError> {
        let mut conditions = Conditions::default();
        conditions.add_labels(&query.labels);
        conditions.add_statuses(&query.statuses);
        let bound = |confidence: Confidence| f64::from(confidence.get());
        conditions.add_bound(
            Column::Confidence,
            "confidence >= ?",
            query.min_confidence.map(bound),
        );
        conditions.add_bound(
            Column::Confidence,
            "confidence <= ?",
            query.max_confidence.map(bound),
        );
        conditions.add_bound(
            Column::Time,
            "tagged_at_ms >= ?",
            query.since.map(Timestamp::as_millis),
        );
        conditions.add_bound(
            Column::Time,
            "tagged_at_ms < ?",
            query.until.map(Timestamp::as_millis),
        );
        if let Some(pattern) = &query.path_glob {
            conditions.add_glob(&whole_path_pattern(pattern));
        }
        if let Some(part) = &query.path_part {
            conditions.add_path_part(part);
        }
        if let Some(start) = &query.model {
            let ids: Vec<i64> = self.rows(
                "look up a model by the start of its id",
                "SELECT id FROM models WHERE substr(model, 1, length(?1)) = ?1",
                [start],
                |row| row.get(0),
            )?;
            if ids.is_empty() {
                return Ok(None);
            }
            conditions.add_one_of(Column::Model, "model_id", ids);
        }
        match query.presence {
            Presence::Any => {}
            // Literals, not parameters: only so can the planner see that the partial index applies.
            Presence::Present => conditions.add(Column::Present, "is_present = 1", []),
            Presence::Absent => conditions.add(Column::Absent, "is_present = 0", []),
        }
        Ok(Some(conditions))
    }
}

impl FileQuery {
    /// What `Sort::Natural` stands for here.
    pub(super) fn natural_sort(&self) -> Sort {
        let begins_with_folder = |pattern: &String| pattern.starts_with('/');
        match self.sort {
            Sort::Natural if self.path_glob.as_ref().is_some_and(begins_with_folder) => Sort::Path,
            Sort::Natural if self.min_confidence.is_some() || self.max_confidence.is_some() => {
                Sort::Confidence
            }
            Sort::Natural => Sort::TaggedAtDescending,
            given => given,
        }
    }

    /// The questions whose answers, one behind the other, are the answer. Where the least sure come first, what has no
    /// confidence is asked for apart: the indexes have it before all.
    fn parts_in_order(&self) -> Vec<FileQuery> {
        let has_bound = self.min_confidence.is_some() || self.max_confidence.is_some();
        let asked = match self.statuses.as_slice() {
            [] => &Status::ALL[..],
            asked => asked,
        };
        let (sure, without): (Vec<Status>, Vec<Status>) =
            asked.iter().partition(|status| Status::TAGGED.contains(status));
        let is_whole = has_bound || sure.is_empty() || without.is_empty();
        if self.natural_sort() != Sort::Confidence || is_whole {
            return vec![self.clone()];
        }
        let sure = FileQuery {
            min_confidence: Confidence::new(0.0).ok(),
            ..self.clone()
        };
        let without = FileQuery {
            statuses: without,
            ..self.clone()
        };
        vec![sure, without]
    }
}

impl Sort {
    /// The order by columns, exactly as an index has them, so that it can be walked instead of sorted.
    pub(super) fn columns(self) -> &'static str {
        match self {
            Sort::Path => "path",
            Sort::Confidence => "confidence, label_id, is_present, id",
            Sort::ConfidenceDescending => "confidence DESC, label_id DESC, is_present DESC, id DESC",
            Sort::TaggedAt => "tagged_at_ms, is_present, id",
            Sort::TaggedAtDescending | Sort::Natural => "tagged_at_ms DESC, is_present DESC, id DESC",
        }
    }
}
