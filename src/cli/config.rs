//! `hangtag config check|print`.
//!
//! In: the settings. Out: every mistake at once, or the settings that hold with where each was set. Never: a file
//! or folder made.

use clap::{Args, Subcommand};

use super::settings::SettingsArguments;
use super::{Ended, output};

/// Check or print the settings.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hangtag config check --config shop.toml       every mistake with its line; exit code 2 if there is one
  HANGTAG__TRAIN__EPOCHS=3 hangtag config print what holds, and where it was set")]
pub struct ConfigArguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Say what is wrong, if anything is
    #[command(
        after_help = "Example:\n  hangtag config check --config shop.toml    every mistake with its line"
    )]
    Check,
    /// Print the settings that hold, as TOML, with the place where each was set
    #[command(after_help = "Example:\n  hangtag config print --config shop.toml --set train.epochs=3")]
    Print,
}

/// Checks, and prints if asked to.
pub fn run(arguments: &ConfigArguments, settings: &SettingsArguments) -> anyhow::Result<Ended> {
    let config = settings.load()?;
    match arguments.action {
        Action::Check => output::print("the settings are fine\n")?,
        Action::Print => output::print(&config.to_string())?,
    }
    Ok(Ended::Well)
}
