//! `hangtag report`.
//!
//! In: a run's number. Out: the path of the page it left. Never: the page itself; a browser shows it.

use clap::Args;
use serde_json::json;

use super::{Ended, Format, UsageError, output};
use crate::config::Config;
use crate::store::{Reader, RunRow};
use crate::training::job::RunFolder;
use crate::training::report::{HTML_FILE, JSON_FILE};

/// Where the report of a rebuild lies.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hangtag report                                path of the latest report
  xdg-open \"$(hangtag report 12)\"")]
pub struct ReportArguments {
    /// The run's number; the latest that left a report if absent
    run: Option<i64>,
    /// How the answer is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Prints where it is.
pub fn run(arguments: &ReportArguments, config: &Config) -> anyhow::Result<Ended> {
    let folder_of = |run: &RunRow| RunFolder::of(&config.runs_dir(), run.id.0);
    let has_report = |run: &RunRow| folder_of(run).path().join(HTML_FILE).is_file();
    let runs = Reader::open(&config.store_path())?.trained_runs(10_000)?;
    let asked = |run: &&RunRow| arguments.run.is_none_or(|number| number == run.id.0);
    let Some(run) = runs.iter().filter(asked).find(|run| has_report(run)) else {
        return Err(UsageError(match arguments.run {
            Some(number) => {
                format!("run {number} left no report (any more); `hangtag retrain` lists the runs")
            }
            None => "no run has left a report yet; `hangtag retrain now` makes one".into(),
        })
        .into());
    };
    let folder = folder_of(run);
    let (page, data) = (folder.path().join(HTML_FILE), folder.path().join(JSON_FILE));
    match arguments.format {
        Format::Json => output::print_json(&json!({
            "run": run.id, "html": page.display().to_string(), "json": data.display().to_string(),
        }))?,
        Format::Text => output::print(&format!("{}\n", page.display()))?,
    }
    Ok(Ended::Well)
}
