//! `hangtag review`.
//!
//! In: how many photos somebody has time for. Out: those that are most worth a look, or a random sample, which is put on
//! record. Never: a correction; `hangtag correct` gives one.

use std::time::SystemTime;

use anyhow::bail;
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::serving::{model_that_tags, need_model_that_tags};
use super::store::open_to_change;
use super::{Ended, output, person};
use crate::config::Config;
use crate::domain::{Confidence, ContentHash, InventoryPath, Label, Status, Timestamp};
use crate::store::{NewAudit, PageAccess, Reader};
use crate::training::looks::most_useful_looks;

/// As many as somebody has time for between two other things. Of a draw all are listed: who is through with the list is through with
/// the draw.
const USUAL_LIMIT: usize = 20;

/// Which photos are most worth a look.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hangtag review                                what is most worth correcting next
  hangtag review --limit 50 --format csv > look.csv
  hangtag review --audit 220                    draw 220 photos at random, so that `thresholds fit` can promise something
  hangtag review --open                         those that were drawn and nobody has looked at, in their order

A photo that was drawn counts as audited once somebody has said what it shows, be it what the model said:
`hangtag correct PATH --label LABEL`; and what comes before it in its draw, too. Look at them in the order of the list.")]
pub struct ReviewArguments {
    /// At most so many; without it 20, and with --open all of them
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Draw so many tagged photos at random, and put that on record
    #[arg(long, value_name = "N", conflicts_with_all = ["limit", "open"], value_parser = clap::value_parser!(u32).range(1..))]
    audit: Option<u32>,
    /// Decides the draw; without it, the moment
    #[arg(long, value_name = "N", requires = "audit")]
    seed: Option<u32>,
    /// List what was drawn and nobody has looked at, in the order to look at it
    #[arg(long)]
    open: bool,
    /// How the answer is printed
    #[arg(long, value_enum, default_value_t)]
    format: ReviewFormat,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum ReviewFormat {
    #[default]
    Table,
    Json,
    Csv,
}

/// A photo to look at.
#[derive(Debug, Serialize)]
struct Line {
    path: InventoryPath,
    content_hash: ContentHash,
    /// What the model takes it for.
    label: Option<Label>,
    confidence: Option<Confidence>,
    #[serde(serialize_with = "as_text")]
    status: Status,
    reason: String,
}

/// Picks or draws, and prints.
pub fn run(arguments: &ReviewArguments, config: &Config) -> anyhow::Result<Ended> {
    let reader = Reader::open_with(&config.store_path(), PageAccess::Mapped)?;
    let lines = match (arguments.audit, arguments.open) {
        (Some(count), _) => drawn(count, arguments.seed, &reader, config)?,
        (None, true) => to_audit(&reader, arguments.limit.unwrap_or(usize::MAX))?,
        (None, false) => worth_a_look(arguments.limit.unwrap_or(USUAL_LIMIT), &reader, config)?,
    };
    match arguments.format {
        ReviewFormat::Json => output::print_json(&lines)?,
        ReviewFormat::Csv => output::print(&as_csv(&lines)?)?,
        ReviewFormat::Table => output::print(&as_table(&lines))?,
    }
    Ok(Ended::Well)
}

fn worth_a_look(limit: usize, reader: &Reader, config: &Config) -> anyhow::Result<Vec<Line>> {
    let Some(model) = model_that_tags(config, reader)? else {
        return Ok(Vec::new());
    };
    let looks = most_useful_looks(reader, &model, limit)?;
    let lines = looks.into_iter().map(|(candidate, reason)| {
        let top = candidate.prediction.top();
        Line {
            path: candidate.path,
            content_hash: candidate.hash,
            label: Some(top.label),
            confidence: Some(top.confidence),
            status: candidate.certainty.into(),
            reason: reason.to_string(),
        }
    });
    Ok(lines.collect())
}

fn drawn(count: u32, seed: Option<u32>, reader: &Reader, config: &Config) -> anyhow::Result<Vec<Line>> {
    let model = need_model_that_tags(config, reader)?;
    let at: Timestamp = SystemTime::now().into();
    // The low bits of the moment: any seed is as good as any other.
    let seed = seed.unwrap_or(at.as_millis() as u32);
    let drawn = reader.draw_contents(seed, count as usize)?;
    if drawn.contents.is_empty() {
        bail!("there is no photo with a tag");
    }
    let photos = drawn.photos;
    let mut store = open_to_change(config)?;
    let audit = store.record_audit(&NewAudit {
        model,
        seed,
        drawn,
        by: person(),
        at,
    })?;
    let lines = to_audit(reader, usize::MAX)?;
    output::note(&format!(
        "audit {}: drawn from {photos} photos with seed {seed}; {} photos are to be looked at",
        audit.0,
        lines.len()
    ));
    Ok(lines)
}

fn to_audit(reader: &Reader, limit: usize) -> anyhow::Result<Vec<Line>> {
    let progress = reader.audit_progress()?;
    if progress.out_of_order() > 0 {
        output::note(&format!(
            "{} photos were looked at before their turn: they count once those listed before them are looked at",
            progress.out_of_order()
        ));
    }
    let mut lines = Vec::new();
    for path in progress.open.into_iter().take(limit) {
        let Some(history) = reader.file_history(&path)? else {
            continue;
        };
        let file = history.file;
        let Some(content_hash) = file.content_hash else {
            continue;
        };
        lines.push(Line {
            path,
            content_hash,
            label: file.label,
            confidence: file.confidence,
            status: file.status,
            reason: "drawn at random".to_owned(),
        });
    }
    Ok(lines)
}

fn as_table(lines: &[Line]) -> String {
    let cells = lines.iter().map(|line| {
        vec![
            line.status.to_string(),
            text(line.label),
            line.confidence
                .map(|confidence| format!("{:.4}", confidence.get()))
                .unwrap_or_default(),
            line.reason.clone(),
            output::shown(line.path.as_str()),
        ]
    });
    output::table(
        &["status", "label", "confidence", "why", "path"],
        &cells.collect::<Vec<_>>(),
    )
}

fn as_csv(lines: &[Line]) -> anyhow::Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["path", "content_hash", "status", "label", "confidence", "reason"])?;
    for line in lines {
        writer.write_record([
            line.path.to_string(),
            line.content_hash.to_string(),
            line.status.to_string(),
            text(line.label),
            text(line.confidence.map(Confidence::get)),
            line.reason.clone(),
        ])?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

fn text(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn as_text<S: serde::Serializer>(status: &Status, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(status)
}
