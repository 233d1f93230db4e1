//! `hangtag retrain`: how the scheduled rebuild stands, or one now.
//!
//! In: the settings, the store. Out: the latest runs and the next due time; or a run, by the daemon where one is
//! running, else by this process. Never: two runs at once: a daemon is asked through the store.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};
use indicatif::ProgressBar;
use serde_json::json;

use super::models::refuse_pinned;
use super::signals::listen_for_signals;
use super::store::open_to_change;
use super::train::last_interrupted;
use super::{Ended, Format, INTERRUPTED, UsageError, output, person};
use crate::config::Config;
use crate::daemon::{self, Beginning, LockHolder, Opener, Purpose, Retrainer, StoreLock};
use crate::domain::Timestamp;
use crate::store::{Reader, RunRow, RunState, RunTrigger};

/// The scheduled rebuild: how it stands, or one now.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hangtag retrain                               the latest runs, and when the next one is due
  hangtag retrain now                           asks the running daemon, or does it here if there is none
  hangtag retrain now --resume                  goes on where the last run was stopped
  hangtag report                                what the latest run left to look at

The schedule stands in the settings: [retrain] enabled, schedule, timezone.")]
pub struct RetrainArguments {
    #[command(subcommand)]
    command: Option<RetrainCommand>,
    /// How the answer is printed
    #[arg(long, value_enum, default_value_t, global = true)]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum RetrainCommand {
    /// The latest runs, and when the next one is due (the default)
    #[command(after_help = "Example:\n  hangtag retrain status --limit 3 --format json")]
    Status {
        /// So many runs
        #[arg(long, value_name = "N", default_value_t = 10)]
        limit: u32,
    },
    /// Rebuild now; it goes live only if it proves itself
    #[command(after_help = "\
Examples:
  hangtag retrain now                           asks the running daemon, or does it here if there is none
  hangtag retrain now --resume                  goes on where the last run was stopped; no daemon may be running")]
    Now {
        /// Go on from the last whole epoch of the last run that did not finish
        #[arg(long)]
        resume: bool,
    },
}

/// Answers or rebuilds.
pub fn run(arguments: &RetrainArguments, config: Config) -> anyhow::Result<Ended> {
    match arguments.command {
        None => status(10, &config, arguments.format),
        Some(RetrainCommand::Status { limit }) => status(limit, &config, arguments.format),
        Some(RetrainCommand::Now { resume }) => now(resume, config, arguments.format),
    }
}

fn status(limit: u32, config: &Config, format: Format) -> anyhow::Result<Ended> {
    let reader = Reader::open(&config.store_path())?;
    let runs = reader.runs(limit)?;
    let now: Timestamp = SystemTime::now().into();
    let new_corrections = reader.count_new_corrections(now)?;
    let running = StoreLock::has_daemon(&config.lock_path())?;
    let schedule = config.retrain.schedule.as_ref();
    let next = schedule.and_then(|schedule| {
        schedule
            .next_after(now)
            .map(|next| (next, schedule.local_time(next)))
    });
    if let Format::Json = format {
        output::print_json(&json!({
            "enabled": schedule.is_some(),
            "daemon_running": running,
            "next": next.as_ref().map(|(next, local)| json!({ "utc": next, "local": local })),
            "new_corrections": new_corrections,
            "after_corrections": config.retrain.after_corrections,
            "runs": runs,
        }))?;
        return Ok(Ended::Well);
    }
    let early = match config.retrain.after_corrections {
        0 => String::new(),
        enough => format!("{new_corrections} of the {enough} new corrections that start one early\n"),
    };
    let cells: Vec<_> = runs.iter().map(cells_of).collect();
    let table = output::table(
        &[
            "run",
            "state",
            "began",
            "by",
            "epochs",
            "test accuracy",
            "what came of it",
        ],
        &cells,
    );
    output::print(&(next_in_words(next, running) + &early + &table))?;
    Ok(Ended::Well)
}

/// The next due time and how the clock of its zone shows it, for people.
fn next_in_words(next: Option<(Timestamp, String)>, is_daemon_running: bool) -> String {
    match (next, is_daemon_running) {
        (Some((next, local)), true) => format!("next rebuild: {local} ({next})\n"),
        (Some((next, local)), false) => {
            format!("next rebuild: {local} ({next}), if a daemon is running then; now none is\n")
        }
        // The daemon may have been started with other settings than this command.
        (None, _) => "no rebuild is scheduled by these settings (retrain.enabled = false)\n".to_owned(),
    }
}

fn cells_of(run: &RunRow) -> Vec<String> {
    let accuracy = run
        .figures
        .as_ref()
        .and_then(|figures| figures["test_accuracy"].as_f64());
    let verdict = run
        .verdict
        .as_ref()
        .and_then(|verdict| verdict["verdict"].as_str());
    let model = match (verdict, &run.model) {
        (Some("promote"), Some(model)) => Some(format!("{model} went into service")),
        (Some(_), Some(model)) => Some(format!(
            "{model} was not let into service; see `hangtag models show {model}`"
        )),
        (None, Some(model)) => Some(model.to_string()),
        (_, None) => None,
    };
    let reason = run.reason.as_deref().map(output::shown);
    let outcome: Vec<String> = model.into_iter().chain(reason).collect();
    vec![
        run.id.0.to_string(),
        run.state.name().to_owned(),
        run.started_at.to_string(),
        run.trigger.name().to_owned(),
        run.epochs.len().to_string(),
        accuracy
            .map(|accuracy| format!("{:.2} %", accuracy * 100.0))
            .unwrap_or_default(),
        outcome.join("; "),
    ]
}

fn now(resume: bool, config: Config, format: Format) -> anyhow::Result<Ended> {
    refuse_pinned(&config)?;
    let holder = StoreLock::holder(&config.lock_path())?;
    match holder.filter(LockHolder::is_daemon) {
        Some(_) if resume => Err(UsageError(
            "a daemon is running; --resume works without one: stop it first, or let it begin anew".into(),
        )
        .into()),
        Some(holder) => ask(&config, &holder.to_string(), format),
        // Where a rebuild is at work here, the lock says so.
        None => here(resume, config, format),
    }
}

/// Leaves a request in the store and waits until the daemon has taken it.
fn ask(config: &Config, holder: &str, format: Format) -> anyhow::Result<Ended> {
    /// A daemon looks twice a second, unless a run is under way.
    const PATIENCE: Duration = Duration::from_secs(10);
    let mut store = open_to_change(config)?;
    let reader = Reader::open(&config.store_path())?;
    let busy = reader
        .running_runs()?
        .into_iter()
        .find(|run| run.trigger != RunTrigger::Command);
    let request = store.ask_for_rebuild(SystemTime::now().into(), &person())?;
    let since = std::time::Instant::now();
    let taken = loop {
        let run = reader.run_of_request(request)?;
        if run.is_some() || busy.is_some() || since.elapsed() > PATIENCE {
            break run;
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    let text = match (taken, busy) {
        (Some(run), _) => format!("run {} has begun; `hangtag retrain` shows how it stands\n", run.0),
        (None, Some(run)) => format!("asked; it begins when run {} has ended\n", run.id.0),
        (None, None) => {
            format!("asked, but {holder} has not begun yet; `hangtag status` tells whether it is well\n")
        }
    };
    match format {
        Format::Json => output::print_json(&json!({ "request": request, "run": taken }))?,
        Format::Text => output::print(&text)?,
    }
    Ok(Ended::Well)
}

/// Does what the daemon would do; no daemon can start meanwhile.
fn here(resume: bool, config: Config, format: Format) -> anyhow::Result<Ended> {
    // Before the lock, which would make the folder.
    let mut store = open_to_change(&config)?;
    let lock = StoreLock::take(&config.lock_path(), Purpose::Rebuild)?;
    let stop = Arc::new(AtomicBool::new(false));
    listen_for_signals(Arc::clone(&stop))?;
    // What a rebuild stands up to must be on record, also before the first daemon ever ran.
    daemon::open_serving_blocking(&config.on_cpu(), &mut store, Opener::Owner)?;
    drop(store);
    let (config, program) = (Arc::new(config), std::env::current_exe()?);
    let mut retrainer = Retrainer::open(Arc::clone(&config), program, stop)?;
    // First: a run that was through is judged, and nothing that is to be gone on with.
    retrainer.take_up_blocking()?;
    let (beginning, due_at) = if resume {
        let (run, checkpoint) = last_interrupted(&config, |run| run.trigger != RunTrigger::Command)?;
        let parameters = serde_json::from_value(run.parameters)?;
        let beginning = Beginning::Resumed {
            checkpoint,
            parameters,
        };
        // What it was due for is not to be made up for once more.
        (beginning, run.due_at)
    } else {
        (Beginning::Fresh, None)
    };
    let spinner = ProgressBar::new_spinner().with_message("training; the run's folder tells how it goes");
    output::keep_below(&spinner);
    spinner.enable_steady_tick(Duration::from_millis(200));
    let summary = retrainer.rebuild_blocking(RunTrigger::Person, due_at, beginning)?;
    spinner.finish_and_clear();
    retrainer.tidy_blocking()?;
    drop(lock);
    match format {
        Format::Json => output::print_json(&json!({
            "run": summary.run, "state": summary.state, "reason": summary.reason, "verdict": summary.verdict,
        }))?,
        Format::Text => output::print(&format!("run {}: {}\n", summary.run.0, summary.in_words()))?,
    }
    Ok(match summary.state {
        RunState::Stopped => INTERRUPTED,
        RunState::Failed => Ended::With(1),
        // A model that the gate refused is no failure of the command.
        RunState::Finished | RunState::Unchanged | RunState::Skipped | RunState::Running => Ended::Well,
    })
}
