//! `hangtag backup`.
//!
//! In: a path that does not exist yet. Out: a whole copy of the store, also while the daemon writes, and what else a backup
//! needs. Never: an existing file touched.

use std::path::PathBuf;

use clap::Args;

use super::{Ended, output};
use crate::config::Config;
use crate::store::Reader;

/// Copy the store, also while the daemon runs.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hangtag backup /backup/hangtag-2026-11-23.db

A backup is whole with the folders <data_dir>/models and <data_dir>/corrections: copy them after the store, which names
what must lie in them.
To go back: stop the daemon, put the copy in the place of <data_dir>/hangtag.db, remove hangtag.db-wal and hangtag.db-shm
beside it, put both folders back, let all of it belong to the user of the daemon, start the daemon.")]
pub struct BackupArguments {
    /// The copy; must not exist yet
    file: PathBuf,
}

/// Copies.
pub fn run(arguments: &BackupArguments, config: &Config) -> anyhow::Result<Ended> {
    Reader::open(&config.store_path())?.backup_blocking(&arguments.file)?;
    let beside = [config.models_dir(), config.corrections_dir()];
    let beside = beside.iter().filter(|folder| folder.exists());
    let beside: Vec<_> = beside.map(|folder| folder.display().to_string()).collect();
    let left_out = match beside.as_slice() {
        [] => String::new(),
        folders => format!(
            "; a backup needs these folders, too, copied from now on: {}",
            folders.join(", ")
        ),
    };
    let copy = arguments.file.display();
    output::note(&format!("the store was copied to {copy}{left_out}"));
    Ok(Ended::Well)
}
