//! Where the settings come from: arguments that every command takes.
//!
//! In: words of the command line, `HANGTAG_CONFIG`. Out: settings that hold, or what is wrong with them. Never: one that was
//! given left out because of where it stands.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use crate::config::{Config, ConfigError};

/// Where the settings come from; for every command.
#[derive(Debug, Clone, Args)]
pub struct SettingsArguments {
    /// Settings file (TOML); without it the one that HANGTAG_CONFIG names, and without that the built-in defaults hold
    #[arg(long, global = true, help_heading = "Settings", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Sets one key, over file and environment; may be repeated, before and behind the command
    #[arg(long, global = true, help_heading = "Settings", value_name = "KEY=VALUE", value_parser = key_and_value)]
    set: Vec<(String, String)>,
    /// Folder to watch; short for --set inbox=DIR
    #[arg(long, global = true, help_heading = "Settings", value_name = "DIR")]
    inbox: Option<String>,
    /// Folder for the store, the models and the runs; short for --set data_dir=DIR
    #[arg(long, global = true, help_heading = "Settings", value_name = "DIR")]
    data_dir: Option<String>,
}

impl SettingsArguments {
    /// The settings as they hold.
    pub fn load(&self) -> Result<Config, ConfigError> {
        let mut flags = self.set.clone();
        flags.extend(self.inbox.iter().map(|inbox| ("inbox".to_owned(), inbox.clone())));
        flags.extend(
            self.data_dir
                .iter()
                .map(|folder| ("data_dir".to_owned(), folder.clone())),
        );
        Config::load(self.file().as_deref(), flags)
    }

    /// An empty variable is one that is not set, as those leave it who pass on what they have not.
    pub fn file(&self) -> Option<PathBuf> {
        let named = || std::env::var_os("HANGTAG_CONFIG").filter(|name| !name.is_empty());
        self.config.clone().or_else(|| named().map(PathBuf::from))
    }
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or("write it as section.key=value, for example train.epochs=3")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

/// All words, with each `--set` and its value before the others: of an argument that stands on both sides of a command,
/// the parser would keep the ones behind it alone.
pub fn with_settings_first(words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut words = words.peekable();
    let mut first: Vec<_> = words.next().into_iter().collect();
    let mut others = Vec::new();
    while let Some(word) = words.next() {
        let value = match word == "--set" {
            true => words.next_if(|next| !next.as_encoded_bytes().starts_with(b"-")),
            false => None,
        };
        let is_pair = value.is_some() || word.as_encoded_bytes().starts_with(b"--set=");
        let is_last = word == "--";
        let place = if is_pair { &mut first } else { &mut others };
        place.push(word);
        place.extend(value);
        if is_last {
            others.extend(words.by_ref());
        }
    }
    first.extend(others);
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_first_and_nothing_else_moves() {
        for (typed, read) in [
            ("hangtag query --count", "hangtag query --count"),
            (
                "hangtag --set a=1 query --set b=2 --count --set=c=3",
                "hangtag --set a=1 --set b=2 --set=c=3 query --count",
            ),
            ("hangtag query --set", "hangtag query --set"),
            ("hangtag query --set --count", "hangtag query --set --count"),
            ("hangtag scan -- --set a=1", "hangtag scan -- --set a=1"),
            ("hangtag", "hangtag"),
        ] {
            let words = with_settings_first(typed.split(' ').map(OsString::from));
            assert_eq!(words, read.split(' ').collect::<Vec<_>>(), "{typed}");
        }
        assert!(with_settings_first(std::iter::empty()).is_empty());
    }
}
