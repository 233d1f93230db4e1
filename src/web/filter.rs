//! Which photos are wanted: one state, in the address, so that it can be shared and gone back to.
//!
//! In: the query part of an address. Out: a [`Filter`], the same text again, and a question to the store. Never: a
//! parameter that is not known passed over in silence.

use std::time::SystemTime;

use crate::domain::{Confidence, Label, Status, Timestamp};
use crate::store::{Cursor, FileQuery, Presence, Sort};

/// What is left out does not restrict.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// Any of these.
    pub labels: Vec<Label>,
    /// Any of these.
    pub statuses: Vec<Status>,
    /// Part of a path, or a pattern as `hangtag query --path` takes it.
    pub path: Option<String>,
    /// At least this sure.
    pub min_confidence: Option<Confidence>,
    /// At most this sure.
    pub max_confidence: Option<Confidence>,
    /// Answered since, as it was written: what [`Timestamp::meant`] takes.
    pub since: Option<String>,
    /// Answered before, likewise.
    pub until: Option<String>,
    /// The model's id begins so.
    pub model: Option<String>,
    /// Also files that are gone.
    pub with_absent: bool,
    /// In which order.
    pub order: Order,
}

/// What `since` and `until` mean at a moment.
pub type Window = [Option<Timestamp>; 2];

/// The orders there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// Newest answer first.
    #[default]
    Newest,
    /// Oldest answer first.
    Oldest,
    /// Least sure first; only photos with a confidence.
    LeastSure,
    /// Surest first; only photos with a confidence.
    Surest,
    /// By path.
    Path,
}

impl Order {
    /// All of them.
    pub const ALL: [Order; 5] = [
        Order::Newest,
        Order::Oldest,
        Order::LeastSure,
        Order::Surest,
        Order::Path,
    ];

    /// The word in addresses.
    pub fn name(self) -> &'static str {
        match self {
            Order::Newest => "newest",
            Order::Oldest => "oldest",
            Order::LeastSure => "least_sure",
            Order::Surest => "surest",
            Order::Path => "path",
        }
    }

    /// For people.
    pub fn in_words(self) -> &'static str {
        match self {
            Order::Newest => "Newest first",
            Order::Oldest => "Oldest first",
            Order::LeastSure => "Least sure first",
            Order::Surest => "Surest first",
            Order::Path => "By path",
        }
    }

    fn sort(self) -> Sort {
        match self {
            Order::Newest => Sort::TaggedAtDescending,
            Order::Oldest => Sort::TaggedAt,
            Order::LeastSure => Sort::Confidence,
            Order::Surest => Sort::ConfidenceDescending,
            Order::Path => Sort::Path,
        }
    }
}

/// A filter, and where in its list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Asked {
    /// Which photos.
    pub filter: Filter,
    /// From past here on.
    pub cursor: Option<Cursor>,
    /// At most so many.
    pub limit: Option<u32>,
}

/// The names of parameters that [`Asked::parse`] knows.
pub const PARAMETERS: [&str; 12] = [
    "label",
    "status",
    "path",
    "min_confidence",
    "max_confidence",
    "since",
    "until",
    "model",
    "absent",
    "sort",
    "cursor",
    "limit",
];

/// Linux takes no longer path, and SQLite no pattern of more than twelve times as many.
const MAX_PATH_BYTES: usize = 4_096;
/// Rows of one page at most.
pub const MAX_LIMIT: u32 = 1_000;

impl Asked {
    /// Reads the query part of an address; empty values count as left out, as forms send them.
    pub fn parse(query: &str) -> Result<Asked, String> {
        let mut asked = Asked::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            // A cursor may hold a path, and a path may end in a blank.
            let value = if name == "cursor" { &value } else { value.trim() };
            if value.is_empty() {
                continue;
            }
            asked.take(&name, value)?;
        }
        asked.filter.labels.sort();
        asked.filter.labels.dedup();
        let is_asked = |status: &Status| asked.filter.statuses.contains(status);
        asked.filter.statuses = Status::ALL.into_iter().filter(is_asked).collect();
        Ok(asked)
    }

    /// As [`Asked::parse`] reads it, of a list of photos: a cursor must be one of the order that is asked for.
    pub fn parse_list(query: &str) -> Result<Asked, String> {
        let asked = Asked::parse(query)?;
        let order = asked.filter.order;
        match &asked.cursor {
            Some(cursor) if !cursor.is_of_files(order.sort()) => Err(format!(
                "cursor: it comes from another list than this one by sort={}; without it the list begins at its beginning",
                order.name()
            )),
            _ => Ok(asked),
        }
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), String> {
        let filter = &mut self.filter;
        let wrong = |error: crate::domain::ParseError| format!("{name}: {error}");
        match name {
            "label" => filter.labels.push(value.parse().map_err(wrong)?),
            "status" => filter.statuses.push(value.parse().map_err(wrong)?),
            "path" if value.len() > MAX_PATH_BYTES => {
                return Err(format!(
                    "path: it has more than {MAX_PATH_BYTES} bytes, as no path has"
                ));
            }
            "path" => filter.path = Some(value.to_owned()),
            "min_confidence" => filter.min_confidence = Some(value.parse().map_err(wrong)?),
            "max_confidence" => filter.max_confidence = Some(value.parse().map_err(wrong)?),
            "since" | "until" => {
                Timestamp::meant(value, SystemTime::now().into()).map_err(wrong)?;
                let slot = if name == "since" {
                    &mut filter.since
                } else {
                    &mut filter.until
                };
                *slot = Some(value.to_owned());
            }
            "model" => filter.model = Some(value.to_lowercase()),
            "absent" => {
                filter.with_absent = match value {
                    "1" => true,
                    "0" => false,
                    _ => return Err(format!("absent: {value:?} is neither 1 nor 0")),
                }
            }
            "sort" => {
                let found = Order::ALL.into_iter().find(|order| order.name() == value);
                filter.order = found.ok_or_else(|| {
                    let names: Vec<_> = Order::ALL.iter().map(|order| order.name()).collect();
                    format!("sort: {value:?} is not one of {}", names.join(", "))
                })?;
            }
            "cursor" => self.cursor = Some(value.parse().map_err(wrong)?),
            "limit" => match value.parse() {
                Ok(limit) if (1..=MAX_LIMIT).contains(&limit) => self.limit = Some(limit),
                _ => return Err(format!("limit: {value:?} is not a number from 1 to {MAX_LIMIT}")),
            },
            _ => {
                return Err(format!(
                    "{name:?} is not a parameter here; there are {}",
                    PARAMETERS.join(", ")
                ));
            }
        }
        Ok(())
    }
}

impl Filter {
    /// As the query part of an address, in one fixed order; nothing for a filter that lets all through.
    pub fn to_query(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for label in &self.labels {
            query.append_pair("label", label.name());
        }
        for status in &self.statuses {
            query.append_pair("status", status.name());
        }
        let texts = [
            ("path", self.path.clone()),
            ("min_confidence", self.min_confidence.map(|c| c.get().to_string())),
            ("max_confidence", self.max_confidence.map(|c| c.get().to_string())),
            ("since", self.since.clone()),
            ("until", self.until.clone()),
            ("model", self.model.clone()),
            ("absent", self.with_absent.then(|| "1".to_owned())),
            (
                "sort",
                (self.order != Order::Newest).then(|| self.order.name().to_owned()),
            ),
        ];
        for (name, value) in texts {
            if let Some(value) = value {
                query.append_pair(name, &value);
            }
        }
        query.finish()
    }

    /// The address of the page of photos with this filter.
    pub fn to_href(&self) -> String {
        match self.to_query() {
            query if query.is_empty() => "/".into(),
            query => format!("/?{query}"),
        }
    }

    /// Whether anything is restricted.
    pub fn is_empty(&self) -> bool {
        let order = self.order;
        *self
            == Filter {
                order,
                ..Filter::default()
            }
    }

    /// Whether its order leaves out photos that it lets through: what a person has said has no confidence, nor has a file
    /// without a tag.
    pub fn omits_some(&self) -> bool {
        let is_by_confidence = matches!(self.order, Order::LeastSure | Order::Surest);
        let lets_through = |status| self.statuses.is_empty() || self.statuses.contains(&status);
        let is_bounded = self.min_confidence.is_some() || self.max_confidence.is_some();
        is_by_confidence
            && !is_bounded
            && [Status::Corrected, Status::Rejected]
                .into_iter()
                .any(lets_through)
    }

    /// Asked of the store now.
    pub fn to_file_query(&self, limit: Option<u32>) -> FileQuery {
        self.to_file_query_at(limit, SystemTime::now())
    }

    /// What is asked of the store at a moment: spans are those before it.
    pub fn to_file_query_at(&self, limit: Option<u32>, now: SystemTime) -> FileQuery {
        let [since, until] = self.window(now);
        let (path_glob, path_part) = match self.path.clone() {
            Some(text) if is_pattern(&text) => (Some(text), None),
            text => (None, text),
        };
        FileQuery {
            labels: self.labels.clone(),
            min_confidence: self.min_confidence,
            max_confidence: self.max_confidence,
            statuses: self.statuses.clone(),
            path_glob,
            path_part,
            since,
            until,
            model: self.model.clone(),
            presence: if self.with_absent {
                Presence::Any
            } else {
                Presence::Present
            },
            sort: self.order.sort(),
            limit,
        }
    }

    /// What `since` and `until` mean at a moment, rounded down to a minute: the same from one minute to the next only if
    /// neither is a span.
    pub fn window_to_the_minute(&self, now: SystemTime) -> Window {
        let rounded = |at: Timestamp| Timestamp::from_millis(at.as_millis().div_euclid(60_000) * 60_000);
        self.window(now).map(|bound| bound.map(rounded))
    }

    fn window(&self, now: SystemTime) -> Window {
        let at = |text: &Option<String>| Timestamp::meant(text.as_deref()?, now.into()).ok();
        [at(&self.since), at(&self.until)]
    }
}

/// Whether it is a pattern; what is none is looked for anywhere in the path, in capitals or not: keyboards of phones begin a
/// word with one.
fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_comes_back_from_its_address() {
        for query in [
            "",
            "label=Dress",
            "label=T-shirt%2Ftop&label=Bag&status=rejected&path=summer%2F*&min_confidence=0.5&max_confidence=0.9",
            "since=24h&until=2026-11-23T18%3A31%3A00Z&model=381bd3a5&absent=1&sort=least_sure",
            "path=%3Cimg+onerror%3D1%3E%26",
        ] {
            let asked = Asked::parse(query).unwrap();
            assert_eq!(asked.filter.to_query(), query);
        }
    }

    #[test]
    fn what_forms_leave_empty_does_not_restrict() {
        let asked = Asked::parse("path=&label=&min_confidence=&sort=newest&limit=&absent=0").unwrap();
        assert_eq!(asked, Asked::default());
        assert!(asked.filter.is_empty());
    }

    #[test]
    fn mistakes_name_the_parameter() {
        for (query, part) in [
            ("label=hat", "label: \"hat\""),
            ("status=odd", "status:"),
            ("min_confidence=2", "min_confidence:"),
            ("since=yesterday", "since:"),
            ("absent=true", "absent: \"true\" is neither 1 nor 0"),
            ("sort=random", "newest, oldest"),
            ("limit=0", "1 to 1000"),
            ("limit=5000", "1 to 1000"),
            ("cursor=x", "cursor"),
            ("cursor=+", "cursor"),
            ("colour=red", "\"colour\" is not a parameter"),
            (
                &format!("path={}", "x".repeat(5_000)),
                "path: it has more than 4096 bytes",
            ),
        ] {
            let message = Asked::parse(query).unwrap_err();
            assert!(message.contains(part), "{query}: {message}");
        }
    }

    /// A program that asked for another order half-way went round the first page for ever.
    #[test]
    fn a_cursor_of_another_list_is_refused() {
        for (cursor, orders) in [
            ("t.100.1.7", [true, true, false, false, false]),
            ("c.4599075939470750515.3.1.9", [false, false, true, true, false]),
            ("p./shop/a.jpg", [false, false, false, false, true]),
            ("r.100.7", [false; 5]),
        ] {
            for (order, is_taken) in Order::ALL.into_iter().zip(orders) {
                let query = format!("cursor={cursor}&sort={}", order.name());
                assert_eq!(Asked::parse_list(&query).is_ok(), is_taken, "{query}");
            }
        }
        assert!(Asked::parse_list("sort=path").is_ok());
    }

    #[test]
    fn what_is_no_pattern_is_a_part_of_the_path() {
        let asked = |path: &str| {
            let asked = Asked::parse(&format!("path={path}")).unwrap();
            let query = asked.filter.to_file_query_at(None, SystemTime::UNIX_EPOCH);
            (query.path_glob, query.path_part)
        };
        assert_eq!(asked("4711/"), (None, Some("4711/".into())));
        assert_eq!(asked("summer/*.jpg"), (Some("summer/*.jpg".into()), None));
    }

    /// `query` took `2h30m`, and a date was another one there.
    #[test]
    fn times_are_those_of_the_command() {
        let now = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
        let asked = Asked::parse("since=2h30m&until=1970-01-12T12:00").unwrap();
        let query = asked.filter.to_file_query_at(None, now);
        let millis = |bound: Option<Timestamp>| bound.map(Timestamp::as_millis);
        assert_eq!(millis(query.since), Some(991_000_000));
        assert_eq!(millis(query.until), Some(993_600_000));
    }
}
