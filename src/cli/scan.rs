//! `hangtag scan`.
//!
//! In: paths. Out: what was done, in words or as one line of JSON, last on standard output. Never: a photo touched.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::paths::path_meant;
use super::run::LeftRuntime;
use super::signals::Signals;
use super::{Ended, Format, INTERRUPTED, output};
use crate::config::Config;
use crate::daemon::DaemonError;
use crate::scan::{RejectedFiles, ScanProgress, scan};

/// Tag all that lies there, once.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hangtag scan                                  the inbox
  hangtag scan ~/photos old/4711.jpg            folders and files, in the inbox or not
  hangtag scan --format json | tail -n 1        {\"seen\":…,\"tagged\":…,\"rejected\":…,…}
  hangtag scan --retry-rejected                 reads rejected files again, by the limits that hold now

It may be used while `hangtag run` is running; a photo that both read at the same moment may be inferred twice,
and one answer is kept.")]
pub struct ScanArguments {
    /// Folders and files; without any, the inbox
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Read again what was rejected there, although it has not changed: the limits have, or the program
    #[arg(long)]
    retry_rejected: bool,
    /// How the summary is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Scans and prints the summary.
pub fn run(arguments: ScanArguments, config: Config) -> anyhow::Result<Ended> {
    let paths = if arguments.paths.is_empty() {
        for path in &config.inboxes {
            std::fs::create_dir_all(path).map_err(|source| DaemonError::Inbox {
                path: path.clone(),
                source,
            })?;
        }
        config.inboxes.clone()
    } else {
        arguments.paths.iter().map(|path| path_meant(path)).collect()
    };
    let rejected = match arguments.retry_rejected {
        true => RejectedFiles::ReadAgain,
        false => RejectedFiles::Stay,
    };
    let config = Arc::new(config);
    let progress = Arc::new(ScanProgress::default());
    let bar = ProgressBar::new_spinner();
    bar.set_style(ProgressStyle::with_template(
        "{spinner} {pos} files, {per_sec}, {elapsed}",
    )?);
    output::keep_below(&bar);
    let runtime = LeftRuntime::with_workers(1)?;
    let summary = runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let stopping = Arc::clone(&progress);
        tokio::spawn(async move {
            signals.next().await;
            stopping.stop.store(true, Ordering::Relaxed);
            signals.next().await;
            std::process::exit(130);
        });
        let showing = tokio::spawn(show(bar.clone(), Arc::clone(&progress)));
        let summary = scan(&config, &paths, rejected, &progress).await;
        showing.abort();
        // It may be about to draw; that it was cancelled is no news.
        let _ = showing.await;
        bar.finish_and_clear();
        Ok::<_, anyhow::Error>(summary?)
    })?;
    match arguments.format {
        Format::Json => output::print(&(serde_json::to_string(&summary)? + "\n"))?,
        Format::Text => output::print(&format!(
            "{} files seen: {} tagged, {} rejected, {} unchanged, in {:.2} s ({:.0} a second)\n",
            summary.seen,
            summary.tagged,
            summary.rejected,
            summary.unchanged,
            summary.seconds,
            summary.images_per_second,
        ))?,
    }
    Ok(if progress.stop.load(Ordering::Relaxed) {
        INTERRUPTED
    } else {
        Ended::Well
    })
}

/// A line on the terminal, if standard error is one.
async fn show(bar: ProgressBar, progress: Arc<ScanProgress>) {
    loop {
        bar.set_position(progress.seen());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
