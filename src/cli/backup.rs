//! `hangtag backup`.
//!
//! In: a path that does not exist yet. Out: a whole copy of the store, also while the daemon writes. Never: an
//! existing file touched.

use std::path::PathBuf;

use clap::Args;

use super::Ended;
use crate::config::Config;
use crate::store::Reader;

/// Copy the store, also while the daemon runs.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hangtag backup /backup/hangtag-2026-11-23.db

To go back: stop the daemon, put the copy in the place of <data_dir>/hangtag.db, remove hangtag.db-wal and hangtag.db-shm
beside it, start the daemon. Models (<data_dir>/models) and pictures of corrections (<data_dir>/corrections) are plain files.")]
pub struct BackupArguments {
    /// The copy; must not exist yet
    file: PathBuf,
}

/// Copies.
pub fn run(arguments: &BackupArguments, config: &Config) -> anyhow::Result<Ended> {
    Reader::open(&config.store_path())?.backup_blocking(&arguments.file)?;
    tracing::info!("the store was copied to {}", arguments.file.display());
    Ok(Ended::Well)
}
