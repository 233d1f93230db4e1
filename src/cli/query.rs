//! `hangtag query`.
//!
//! In: filters. Out: the photos that match, as a table, JSON or CSV, or how many there are. Never: a write (it works while
//! the daemon runs), or more than a row of JSON or CSV in memory.

use std::io::{self, Write};
use std::time::SystemTime;

use clap::{Args, ValueEnum};
use serde::Serializer;
use serde::ser::SerializeSeq;

use super::patterns::pattern_meant;
use super::{Ended, UsageError, output};
use crate::config::Config;
use crate::domain::{Confidence, Label, ParseError, Status, Timestamp, Truth};
use crate::store::{FileQuery, FileRow, PageAccess, Presence, Reader, Sort};

/// Ask which photos have which tags.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hangtag query --tag dress --min-confidence 0.9
  hangtag query --max-confidence 0.5 --sort confidence --limit 20    what the model is least sure of
  hangtag query --status accepted --tag dress                        tags that count by themselves
  hangtag query --status review --status unknown                     what somebody should look at
  hangtag query --status rejected --format json                      what has no tag, and why
  hangtag query --path ./inventory/summer                            all below that folder
  hangtag query --path '/srv/photos/summer/*' --since 2h --count
  hangtag query --path '*.png' --tag bag --tag sandal --format csv > tags.csv

A pattern that begins with / is held against the whole path, any other against its end; * also matches /. One that
begins with ./ or ../, or leads over a link, is about what lies there from here. A folder is all below it, also one
that is gone, if a / stands in its path; an existing file whose name looks like a pattern is that file.
Files that have been removed keep their tags; --presence present leaves them out.")]
pub struct QueryArguments {
    /// Label; may be repeated, any of them matches
    #[arg(long = "tag", value_name = "LABEL")]
    labels: Vec<Label>,
    /// At least this sure, 0 to 1
    #[arg(long, value_name = "X")]
    min_confidence: Option<Confidence>,
    /// At most this sure, 0 to 1
    #[arg(long, value_name = "X")]
    max_confidence: Option<Confidence>,
    /// accepted, review, unknown, corrected or rejected, or tagged for the first three; may be repeated
    #[arg(long = "status", value_name = "STATUS", value_parser = statuses)]
    statuses: Vec<Statuses>,
    /// Folder, or pattern for the path: * ? [a-z]
    #[arg(long, value_name = "GLOB")]
    path: Option<String>,
    /// Answered since then: 2026-11-23, 2026-11-23T18:00 (both in UTC, as times are printed; +01:00 behind it is another zone)
    /// or how long ago (90m, 2h, 3d)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Answered before then, written likewise
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
    /// Beginning of the model's id
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// Files that are there, or gone
    #[arg(long, value_enum, default_value_t)]
    presence: PresenceArgument,
    /// Order; by default by path for a folder, least sure first for a confidence, else newest first
    #[arg(long, value_enum)]
    sort: Option<SortArgument>,
    /// At most so many
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
    /// Only say how many
    #[arg(long, conflicts_with = "limit")]
    count: bool,
    /// How the answer is printed
    #[arg(long, value_enum, default_value_t)]
    format: QueryFormat,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum PresenceArgument {
    #[default]
    Any,
    Present,
    Absent,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SortArgument {
    Path,
    /// Least sure first
    Confidence,
    /// Surest first
    ConfidenceDesc,
    /// Oldest first
    Time,
    /// Newest first
    TimeDesc,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum QueryFormat {
    #[default]
    Table,
    Json,
    Csv,
}

/// Asks and prints.
pub fn run(arguments: QueryArguments, config: &Config) -> anyhow::Result<Ended> {
    if let (Some(least), Some(most)) = (arguments.min_confidence, arguments.max_confidence)
        && least > most
    {
        let message = format!(
            "--min-confidence {} is above --max-confidence {}",
            least.get(),
            most.get()
        );
        return Err(UsageError(message).into());
    }
    let (count, format) = (arguments.count, arguments.format);
    let reader = Reader::open_with(&config.store_path(), PageAccess::Mapped)?;
    let query = arguments.into_query(&reader)?;
    // A program sees it in the rows.
    let tells_gone = query.presence == Presence::Any && matches!(format, QueryFormat::Table);
    if count {
        let count = reader.count_files_matching(&query)?;
        match format {
            QueryFormat::Json => output::print_json(&serde_json::json!({ "count": count }))?,
            QueryFormat::Table | QueryFormat::Csv => output::print(&format!("{count}\n"))?,
        }
        if tells_gone {
            let gone = FileQuery {
                presence: Presence::Absent,
                ..query
            };
            tell_gone(reader.count_files_matching(&gone)?);
        }
        return Ok(Ended::Well);
    }
    match format {
        QueryFormat::Table => {
            let rows = reader.files_matching(&query)?;
            output::print(&as_table(&rows))?;
            if tells_gone {
                tell_gone(rows.iter().filter(|row| !row.present).count() as u64);
            }
        }
        QueryFormat::Json => output::print_as_it_comes(|out| write_json(out, &reader, &query))?,
        QueryFormat::Csv => output::print_as_it_comes(|out| write_csv(out, &reader, &query))?,
    }
    Ok(Ended::Well)
}

/// `stats` and the pages leave them out.
fn tell_gone(gone: u64) {
    let are = if gone == 1 { "is" } else { "are" };
    if gone > 0 {
        output::note(&format!(
            "{gone} of them {are} gone; --presence present leaves those out"
        ));
    }
}

impl QueryArguments {
    fn into_query(self, reader: &Reader) -> anyhow::Result<FileQuery> {
        let pattern = self.path.map(|typed| pattern_meant(&typed, reader)).transpose()?;
        let model = self.model.map(|start| model_meant(&start, reader)).transpose()?;
        Ok(FileQuery {
            labels: self.labels,
            min_confidence: self.min_confidence,
            max_confidence: self.max_confidence,
            statuses: self.statuses.into_iter().flat_map(|asked| asked.0).collect(),
            path_glob: pattern,
            path_part: None,
            since: self.since,
            until: self.until,
            model,
            presence: match self.presence {
                PresenceArgument::Any => Presence::Any,
                PresenceArgument::Present => Presence::Present,
                PresenceArgument::Absent => Presence::Absent,
            },
            sort: match self.sort {
                None => Sort::Natural,
                Some(SortArgument::Path) => Sort::Path,
                Some(SortArgument::Confidence) => Sort::Confidence,
                Some(SortArgument::ConfidenceDesc) => Sort::ConfidenceDescending,
                Some(SortArgument::Time) => Sort::TaggedAt,
                Some(SortArgument::TimeDesc) => Sort::TaggedAtDescending,
            },
            limit: self.limit,
        })
    }
}

/// How the ids of some models on record begin; a wrong one would find nothing, and look as if there were nothing.
fn model_meant(start: &str, reader: &Reader) -> anyhow::Result<String> {
    let start = start.to_lowercase();
    let models = reader.models()?;
    if models.iter().any(|row| row.model.as_str().starts_with(&start)) {
        return Ok(start);
    }
    Err(UsageError(format!(
        "no model's id begins with {start:?}; `hangtag models` lists them"
    ))
    .into())
}

/// One status, or several by one word.
#[derive(Debug, Clone)]
struct Statuses(Vec<Status>);

/// A status, or `tagged` for whatever a model answered.
fn statuses(text: &str) -> Result<Statuses, String> {
    match text {
        "tagged" => Ok(Statuses(Status::TAGGED.to_vec())),
        _ => match text.parse() {
            Ok(status) => Ok(Statuses(vec![status])),
            Err(error) => Err(format!("{error}, or tagged: accepted, review or unknown")),
        },
    }
}

fn moment(text: &str) -> Result<Timestamp, ParseError> {
    Timestamp::meant(text, SystemTime::now().into())
}

fn as_table(rows: &[FileRow]) -> String {
    let cells = rows.iter().map(|row| {
        let answer = match (row.label, row.reason) {
            // The likeliest of ten that it does not look like.
            (Some(label), _) if row.status == Status::Unknown => format!("({label})"),
            (Some(label), _) => label.to_string(),
            (None, Some(reason)) => reason.to_string(),
            (None, None) => Truth::Unknown.to_string(),
        };
        let gone = if row.present { "" } else { "  (gone)" };
        vec![
            row.status.to_string(),
            answer,
            row.confidence
                .map(|confidence| format!("{:.4}", confidence.get()))
                .unwrap_or_default(),
            row.tagged_at.to_string(),
            format!("{}{gone}", row.path),
        ]
    });
    output::table(
        &["status", "label or reason", "confidence", "at", "path"],
        &cells.collect::<Vec<_>>(),
    )
}

fn write_json(out: &mut dyn Write, reader: &Reader, query: &FileQuery) -> anyhow::Result<()> {
    let mut json = serde_json::Serializer::pretty(&mut *out);
    let mut rows = json.serialize_seq(None).map_err(io::Error::from)?;
    reader.visit_files_matching(query, |file| -> anyhow::Result<()> {
        Ok(rows.serialize_element(&file).map_err(io::Error::from)?)
    })?;
    rows.end().map_err(io::Error::from)?;
    Ok(out.write_all(b"\n")?)
}

fn write_csv(out: &mut dyn Write, reader: &Reader, query: &FileQuery) -> anyhow::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    let head = [
        "path",
        "content_hash",
        "status",
        "label",
        "confidence",
        "model",
        "device",
        "preprocessing",
        "tagged_at",
        "reason",
        "detail",
        "present",
        "unknown",
    ];
    writer.write_record(head).map_err(of_output)?;
    reader.visit_files_matching(query, |row| -> anyhow::Result<()> {
        let text = |value: Option<String>| value.unwrap_or_default();
        let cells = [
            row.path.to_string(),
            text(row.content_hash.map(|hash| hash.to_string())),
            row.status.to_string(),
            text(row.label.map(|label| label.to_string())),
            text(row.confidence.map(|confidence| confidence.get().to_string())),
            text(row.model.as_ref().map(ToString::to_string)),
            text(row.device.map(|device| device.to_string())),
            text(row.preprocessing.map(|version| version.0.to_string())),
            row.tagged_at.to_string(),
            text(row.reason.map(|reason| reason.to_string())),
            text(row.detail),
            row.present.to_string(),
            text(row.unknown.map(|score| score.get().to_string())),
        ];
        Ok(writer.write_record(cells).map_err(of_output)?)
    })?;
    Ok(writer.flush()?)
}

/// Of all that can go wrong with CSV, what can where it is written.
fn of_output(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tagged_stands_for_whatever_a_model_answered() {
        assert_eq!(statuses("tagged").unwrap().0, Status::TAGGED);
        assert_eq!(statuses("review").unwrap().0, [Status::Review]);
        let error = statuses("sure").unwrap_err();
        assert!(error.contains("accepted") && error.contains("tagged"), "{error}");
    }
}
