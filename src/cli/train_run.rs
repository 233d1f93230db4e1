//! `hangtag train --run FOLDER`: a rebuild as the process of its own that the service starts.
//!
//! In: the folder with its job. Out: the files of the folder, the conclusion last. Never: the store; a life longer than
//! that of the service which started it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::dataset::load_or_fetch_blocking;
use super::signals::listen_for_signals;
use super::train::opener;
use super::{Ended, INTERRUPTED};
use crate::config::Config;
use crate::daemon;
use crate::domain::DevicePolicy;
use crate::training::job::{Job, RunFolder};
use crate::training::perform::{Conclusion, perform_blocking};

/// Carries the folder's job out; whatever happens, a conclusion says so.
pub fn run(folder: &Path, config: &Config) -> anyhow::Result<Ended> {
    let folder = RunFolder::at(folder);
    let job = folder.read_job_blocking()?;
    let stop = Arc::new(AtomicBool::new(false));
    listen_for_signals(Arc::clone(&stop))?;
    // Who asked for politeness and does not get it trains all the same.
    if let Err(error) = rustix::process::nice(job.nice as i32) {
        tracing::warn!("could not step back behind other processes (retrain.nice): {error}");
    }
    // A service that was killed cannot end its run: the run notices that it is another's child, if need be from its
    // first moment on.
    let is_orphan = || std::os::unix::process::parent_id() != job.started_by_pid;
    let is_stopped = || stop.load(Ordering::Relaxed) || is_orphan();
    let carried = carry_out(&job, &folder, config, &is_stopped);
    let conclusion = match carried.unwrap_or_else(|error| Conclusion::Failed {
        reason: format!("{error:#}"),
    }) {
        Conclusion::Stopped { .. } if is_orphan() => Conclusion::Stopped {
            reason: folder.service_ended_blocking().into(),
        },
        conclusion => conclusion,
    };
    folder.write_conclusion_blocking(&conclusion)?;
    match conclusion {
        Conclusion::Finished(_) => Ok(Ended::Well),
        Conclusion::Stopped { .. } => Ok(INTERRUPTED),
        Conclusion::Failed { reason } => Err(anyhow::anyhow!(reason)),
    }
}

fn carry_out(
    job: &Job,
    folder: &RunFolder,
    config: &Config,
    is_stopped: &(dyn Fn() -> bool + Sync),
) -> anyhow::Result<Conclusion> {
    let data = load_or_fetch_blocking(config)?;
    let runtime = daemon::load_runtime_blocking(&config.runtime, DevicePolicy::Cpu)?;
    let on_cpu = config.on_cpu();
    Ok(perform_blocking(
        (job, folder),
        data,
        &opener(&on_cpu, &runtime),
        is_stopped,
    )?)
}
