//! `hangtag stats`.
//!
//! In: nothing. Out: counts by status, label, reason and model. Never: a write.

use clap::Args;

use super::{Ended, Format, output};
use crate::config::Config;
use crate::store::{PageAccess, Reader, Stats};

/// Count photos by status, label, reason and model.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hangtag stats
  hangtag stats --format json | jq .tagged")]
pub struct StatsArguments {
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Counts and prints.
pub fn run(arguments: &StatsArguments, config: &Config) -> anyhow::Result<Ended> {
    let stats = Reader::open_with(&config.store_path(), PageAccess::Mapped)?.stats()?;
    match arguments.format {
        Format::Json => output::print_json(&stats)?,
        Format::Text => output::print(&in_words(&stats))?,
    }
    Ok(Ended::Well)
}

fn in_words(stats: &Stats) -> String {
    let mut words = format!(
        "{} files ({} of them gone), {} different contents: {} tagged, {} corrected, {} rejected\n",
        stats.files_present + stats.files_absent,
        stats.files_absent,
        stats.contents,
        stats.tagged,
        stats.corrected,
        stats.rejected,
    );
    if let Some(last) = stats.last_tagged_at {
        words += &format!("last answer {last}; {} training runs\n", stats.runs);
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
