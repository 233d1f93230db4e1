//! `hangtag stats`.
//!
//! In: nothing. Out: counts by status, label, reason and model; whether the photos have changed. Never: a write.

mod drift;

use clap::Args;
use serde::Serialize;

use super::serving::model_that_tags;
use super::{Ended, Format, output};
use crate::config::Config;
use crate::domain::ModelId;
use crate::store::{PageAccess, Reader, RetagProgress, Stats};

/// Count photos by status, label, reason and model.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hangtag stats
  hangtag stats --format json | jq .accepted
  hangtag stats --drift                         have the photos changed since the model went into service?")]
pub struct StatsArguments {
    /// Compare the last seven days with the model's first seven in service
    #[arg(long)]
    drift: bool,
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Counts and prints.
pub fn run(arguments: &StatsArguments, config: &Config) -> anyhow::Result<Ended> {
    let reader = Reader::open_with(&config.store_path(), PageAccess::Mapped)?;
    if arguments.drift {
        return drift::run(&reader, config, arguments.format);
    }
    let answer = StatsAnswer {
        stats: reader.stats()?,
        in_service: match model_that_tags(config, &reader)? {
            Some(model) => Some(Following {
                progress: reader.retag_progress(&model)?,
                model,
                standing: match config.inference.model {
                    Some(_) => "is pinned (inference.model)",
                    None => "is in service",
                },
            }),
            None => None,
        },
    };
    match arguments.format {
        Format::Json => output::print_json(&answer)?,
        Format::Text => output::print(&in_words(&answer))?,
    }
    Ok(Ended::Well)
}

/// The answer.
#[derive(Debug, Serialize)]
struct StatsAnswer {
    #[serde(flatten)]
    stats: Stats,
    in_service: Option<Following>,
}

/// The model in service, or the one that the settings pin, and how far the inventory has followed it.
#[derive(Debug, Serialize)]
struct Following {
    model: ModelId,
    #[serde(skip)]
    standing: &'static str,
    #[serde(flatten)]
    progress: RetagProgress,
}

fn in_words(answer: &StatsAnswer) -> String {
    let stats = &answer.stats;
    let mut words = format!(
        "{} there: {} tagged ({} accepted, {} for review, {} unknown), {} corrected, {} rejected\n",
        files(stats.files_present),
        stats.tagged,
        stats.accepted,
        stats.review,
        stats.unknown,
        stats.corrected,
        stats.rejected,
    );
    words += &format!(
        "{} gone, left out of the counts; {} different contents ever seen\n",
        files(stats.files_absent),
        stats.contents,
    );
    if let Some(last) = stats.last_tagged_at {
        words += &format!("last answer {last}; {} training runs\n", stats.runs);
    }
    if let Some(following) = &answer.in_service {
        words += &format!(
            "model {} {}: {} files show its answer, {} another model's\n",
            following.model, following.standing, following.progress.done, following.progress.left
        );
    }
    let labels = stats
        .by_label
        .iter()
        .filter(|label| label.files > 0)
        .map(|label| {
            let mean = label
                .mean_confidence
                .map(|mean| format!("{mean:.4}"))
                .unwrap_or_default();
            vec![label.label.to_string(), label.files.to_string(), mean]
        });
    let labels: Vec<_> = labels.collect();
    if !labels.is_empty() {
        words += &format!(
            "\n{}",
            output::table(&["label", "files", "mean confidence"], &labels)
        );
    }
    let reasons: Vec<_> = stats
        .by_reason
        .iter()
        .map(|(reason, files)| vec![reason.clone(), files.to_string()])
        .collect();
    if !reasons.is_empty() {
        words += &format!(
            "\n{}",
            output::table(&["reason without a tag", "files"], &reasons)
        );
    }
    let models: Vec<_> = stats
        .by_model
        .iter()
        .map(|model| vec![model.model.clone(), model.files.to_string()])
        .collect();
    if !models.is_empty() {
        words += &format!("\n{}", output::table(&["model", "files"], &models));
    }
    words
}

fn files(count: u64) -> String {
    let files = if count == 1 { "file" } else { "files" };
    format!("{count} {files}")
}
