//! Trainings by command whose process was killed.
//!
//! In: the runs on record as running, the locks of their folders. Out: those ended that no process works at any more.
//! Never: a run of the service (that is taken up), a training that is alive.

use std::time::{Duration, SystemTime};

use crate::config::Config;
use crate::domain::Timestamp;
use crate::store::{Reader, RunEnd, RunState, RunTrigger, Store, StoreError};
use crate::training::job::RunFolder;

/// A run is on record a moment before its folder can be locked.
const YOUNG: Duration = Duration::from_secs(60);

/// Ends the runs of `hangtag train` that are on record as running and are not.
pub fn close_dead_trainings_blocking(
    config: &Config,
    (reader, store): (&Reader, &mut Store),
) -> Result<(), StoreError> {
    let now: Timestamp = SystemTime::now().into();
    let running = reader.running_runs()?.into_iter();
    for run in running.filter(|run| run.trigger == RunTrigger::Command) {
        // One that began in the future, under a clock that was ahead, would be young until then.
        let age = u64::try_from(now.as_millis() - run.started_at.as_millis());
        let is_young = age.is_ok_and(|age| Duration::from_millis(age) < YOUNG);
        let folder = RunFolder::of(&config.runs_dir(), run.id.0);
        match folder.is_locked_blocking() {
            _ if is_young => {}
            Ok(true) => {}
            Ok(false) => {
                // It lets go of its lock after it has ended its run, which may have been just now.
                let is_running = reader
                    .run(run.id)?
                    .is_some_and(|run| run.state == RunState::Running);
                if is_running {
                    let end = RunEnd::without_result(RunState::Failed, now, why(&folder));
                    store.finish_run(run.id, &end)?;
                }
            }
            Err(error) => tracing::warn!("whether run {} is alive cannot be told: {error}", run.id.0),
        }
    }
    Ok(())
}

fn why(folder: &RunFolder) -> &'static str {
    match folder.checkpoint_path().is_file() {
        true => "its process was killed; `hangtag train --resume` goes on from its last whole epoch",
        false => "its process was killed before its first whole epoch; `hangtag train` begins anew",
    }
}
