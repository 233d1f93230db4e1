//! `hangtag backup`.
//!
//! In: a path that does not exist yet. Out: a whole copy of the store, also while the daemon writes, and what else a backup
//! needs. Never: an existing file touched, or half a copy left behind by a signal.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use clap::Args;

use super::signals::end_at_a_signal_after;
use super::{Ended, INTERRUPTED, output};
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
    let aside = Arc::new(OnceLock::<PathBuf>::new());
    let is_ended = Arc::new(AtomicBool::new(false));
    let (half_made, ended) = (Arc::clone(&aside), Arc::clone(&is_ended));
    end_at_a_signal_after(move || {
        ended.store(true, Ordering::Relaxed);
        let Some(folder) = half_made.get() else { return };
        // The copy may have got its journal just now; nobody is there to be told of what else may be wrong.
        let is_refilled = |error: io::Error| error.kind() == io::ErrorKind::DirectoryNotEmpty;
        while std::fs::remove_dir_all(folder).is_err_and(is_refilled) {}
    })?;
    let reader = Reader::open(&config.store_path())?;
    match reader.backup_blocking(&arguments.file, |path| _ = aside.set(path.to_owned())) {
        // It failed because the copy was taken away.
        Err(_) if is_ended.load(Ordering::Relaxed) => return Ok(INTERRUPTED),
        copied => copied?,
    }
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
