//! The commands: one file each. Data goes to standard output, messages to standard error.
//!
//! In: arguments. Out: an answer in text, JSON or CSV, and how the process ends. Never: a rule that the service goes by, too:
//! what may serve, what counts, what is learned stands in the layers below, and a command asks there.
//!
//! Exit codes: 0 done; 1 it failed, the message says why; 2 wrong usage or settings; 130 ended by a signal before
//! it was done, or 143 where SIGTERM ended a command that has nothing to finish. `hangtag status` has its own: 0 healthy,
//! 1 degraded, 2 not running, 3 it could not tell.

mod backup;
mod config;
mod correct;
mod dataset;
mod drawn;
mod evaluate;
mod explain;
mod labelled;
mod learn_curve;
mod models;
mod output;
mod paths;
mod patterns;
mod query;
mod report;
mod retrain;
mod review;
mod run;
mod runtime;
mod scan;
mod serving;
mod settings;
mod sheet;
mod signals;
mod stats;
mod status;
mod store;
mod thresholds;
mod train;
mod train_run;

use std::ffi::OsString;
use std::io::Write;

use clap::{Parser, Subcommand, ValueEnum};

use crate::config::{Config, ConfigError, LogFormat, LogLevel};
use crate::daemon::DaemonError;
use settings::{SettingsArguments, with_settings_first};

/// Tags the photos in an inventory folder, and rebuilds its own model.
#[derive(Debug, Parser)]
#[command(name = "hangtag", version, max_term_width = 110, after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    settings: SettingsArguments,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  hangtag run                                   tag what lands in ./inventory, until ended
  hangtag scan ~/photos                         tag what lies there, once
  hangtag query --tag dress --min-confidence 0.9
  hangtag explain inventory/4711.jpg            everything known about one file
  hangtag correct inventory/4711.jpg --label dress
  hangtag review                                what is most worth correcting next
  hangtag retrain now                           rebuild the model; it goes live only if it proves itself
  hangtag models rollback                       back to the former one

Exit codes: 0 done, 1 failed, 2 wrong usage or settings, 130 or 143 ended by a signal.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Watch the inbox and tag what lands in it, until SIGTERM or SIGINT
    Run(run::RunArguments),
    /// Tag all that lies there, once, and end
    Scan(scan::ScanArguments),
    /// Ask which photos have which tags
    Query(query::QueryArguments),
    /// Count photos by status, label, reason and model
    Stats(stats::StatsArguments),
    /// Is a daemon running, and is all well? (exit 0 healthy, 1 degraded, 2 not running, 3 cannot tell)
    Status(status::StatusArguments),
    /// Everything known about a file, or why it has no tag
    Explain(explain::ExplainArguments),
    /// Say what photos really show
    Correct(correct::CorrectArguments),
    /// List, import or export what was put right
    Corrections(correct::CorrectionsArguments),
    /// Which photos are most worth a look; or a random sample of them
    Review(review::ReviewArguments),
    /// From where on tags are accepted, and what that promises
    Thresholds(thresholds::ThresholdsArguments),
    /// Which models there are; promote one, roll back
    Models(models::ModelsArguments),
    /// The scheduled rebuild: how it stands, or one now
    Retrain(retrain::RetrainArguments),
    /// Where the report of a rebuild lies
    Report(report::ReportArguments),
    /// Copy the store, also while the daemon runs
    Backup(backup::BackupArguments),
    /// Train a model on Fashion-MNIST
    Train(train::TrainArguments),
    /// Score a model on Fashion-MNIST's test set, or on labelled photos
    Evaluate(evaluate::EvaluateArguments),
    /// What corrections buy: rebuilds with more and more of a shop's labelled photos, scored on the others
    LearnCurve(learn_curve::LearnCurveArguments),
    /// Check or print the settings
    Config(config::ConfigArguments),
    /// ONNX Runtime: which one is used, and install it
    Runtime(runtime::RuntimeArguments),
    /// Fashion-MNIST: fetch it, look at it
    Dataset(dataset::DatasetArguments),
}

/// How a command ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Exit code 0.
    Well,
    /// This exit code.
    With(u8),
}

/// Ended by a signal before it was done; 128 + SIGINT, as shells have it.
pub const INTERRUPTED: Ended = Ended::With(130);

/// Text for people or JSON for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

impl Arguments {
    /// Of a command line, whose first word is the program. Where it is wrong, or asks for help, that is said and the process
    /// ends.
    pub fn of(words: impl Iterator<Item = OsString>) -> Self {
        Self::parse_from(with_settings_first(words))
    }
}

/// Runs the command.
pub fn run(arguments: Arguments) -> anyhow::Result<Ended> {
    let Arguments { settings, command } = arguments;
    if let Command::Config(arguments) = &command {
        return config::run(arguments, &settings);
    }
    if let Command::Status(arguments) = &command {
        return status::run(arguments, &settings);
    }
    let config = settings.load()?;
    start_log(&config);
    match command {
        Command::Run(arguments) => run::run(&arguments, config),
        Command::Scan(arguments) => scan::run(arguments, config),
        Command::Query(arguments) => query::run(arguments, &config),
        Command::Stats(arguments) => stats::run(&arguments, &config),
        Command::Explain(arguments) => explain::run(&arguments, &config),
        Command::Correct(arguments) => correct::correct(arguments, &config),
        Command::Corrections(arguments) => correct::corrections(arguments, &config),
        Command::Review(arguments) => review::run(&arguments, &config),
        Command::Thresholds(arguments) => thresholds::run(arguments, &config),
        Command::Models(arguments) => models::run(arguments, &config),
        Command::Retrain(arguments) => retrain::run(&arguments, config),
        Command::Report(arguments) => report::run(&arguments, &config),
        Command::Backup(arguments) => backup::run(&arguments, &config),
        Command::Train(arguments) => train::run(&arguments, &config),
        Command::Evaluate(arguments) => evaluate::run(&arguments, &config),
        Command::LearnCurve(arguments) => learn_curve::run(&arguments, &config),
        Command::Runtime(arguments) => runtime::run(&arguments, &config),
        Command::Dataset(arguments) => dataset::run(&arguments, &config),
        // Answered above: they have something to say also where the settings are wrong.
        Command::Config(_) | Command::Status(_) => Ok(Ended::Well),
    }
}

/// 2 for what the caller has to word differently, 1 for what failed; 3 where `hangtag status` could not tell, for which 1
/// and 2 are answers.
pub fn exit_code_of(error: &anyhow::Error) -> u8 {
    if error.downcast_ref::<status::CannotTell>().is_some() {
        return 3;
    }
    let is_usage = error.is::<ConfigError>()
        || error.is::<UsageError>()
        || error
            .downcast_ref::<DaemonError>()
            .is_some_and(DaemonError::is_mistake_of_usage);
    if is_usage { 2 } else { 1 }
}

/// The error and its causes in a line, each said once: many messages name their cause themselves, because they stand in
/// logs and in the store as well.
pub fn in_words(error: &anyhow::Error) -> String {
    let mut words = String::new();
    for message in error.chain().map(ToString::to_string) {
        if words.is_empty() {
            words = message;
        } else if !words.contains(&message) {
            words += ": ";
            words += &message;
        }
    }
    words
}

/// Says on standard error why the command failed. Whoever closed it, or filled its disk, is told by the exit code alone.
pub fn tell_failure(error: &anyhow::Error) {
    let line = format!("hangtag: {}\n", in_words(error));
    let _ = output::StandardError.write_all(line.as_bytes());
}

/// Who gives the command, for records: the name that the session goes by, else the user's number.
fn person() -> String {
    ["USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|name| !name.is_empty()))
        .unwrap_or_else(|| format!("user {}", rustix::process::getuid().as_raw()))
}

/// Arguments that each make sense, but not together or not here.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(String);

/// What a service or a long work has to tell, on standard error; what a command promises to say is said by
/// [`output::note`]. What `RUST_LOG` says of other parts than hangtag's own is added to the settings.
fn start_log(config: &Config) {
    use tracing_subscriber::EnvFilter;
    let level = match config.log.level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    let usual = format!("warn,hangtag={level},onnxruntime=error");
    let more = std::env::var("RUST_LOG").unwrap_or_default();
    let filter = EnvFilter::try_new(format!("{usual},{more}")).unwrap_or_else(|_| EnvFilter::new(&usual));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| output::StandardError)
        // A line that cannot be written (the pipe is closed, the disk full) is lost. To tell of it there would panic.
        .log_internal_errors(false)
        .with_target(false);
    // A second start (several commands in one test process) keeps the first log.
    let _ = match config.log.format {
        LogFormat::Json => builder.json().try_init().is_ok(),
        LogFormat::Text => {
            let is_coloured = output::wants_colour(&std::io::stderr());
            builder.with_ansi(is_coloured).try_init().is_ok()
        }
    };
}

#[cfg(test)]
mod tests {
    use anyhow::Context;
    use clap::CommandFactory;

    use super::*;

    /// `hangtag retrain now --help` and its like had none.
    #[test]
    fn every_help_has_an_example() {
        let mut root = Arguments::command();
        root.build();
        let mut seen = 0;
        let mut left: Vec<_> = vec![(&root, root.get_name().to_owned())];
        while let Some((command, called)) = left.pop() {
            let below = command
                .get_subcommands()
                .filter(|below| below.get_name() != "help");
            left.extend(below.map(|below| (below, format!("{called} {}", below.get_name()))));
            let help = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(help.starts_with("Example"), "{called}");
            assert!(help.contains(&called), "{called}: {help}");
            seen += 1;
        }
        assert!(seen > 30, "the test must see the commands, it saw {seen}");
    }

    #[derive(Debug, thiserror::Error)]
    #[error("could not read /shop: {source}; check the path")]
    struct Unreadable {
        source: std::io::Error,
    }

    /// "could not read /shop: No such file; check the path: No such file".
    #[test]
    fn a_cause_that_the_message_names_itself_is_not_said_twice() {
        let source = std::io::Error::other("No such file");
        let error = anyhow::Error::new(Unreadable { source });
        assert_eq!(
            in_words(&error),
            "could not read /shop: No such file; check the path"
        );
        let told: anyhow::Result<()> = Err(error).context("nothing was changed");
        assert_eq!(
            in_words(&told.unwrap_err()),
            "nothing was changed: could not read /shop: No such file; check the path"
        );
    }
}
