//! The end of a run of which nothing came.
//!
//! In: why it ended. Out: a record of that, at once or as soon as the store can be written. Never: a reason lost. A run that
//! failed since the disk was full would else stand as stopped with a service that never stopped, and be made up for.

use std::time::SystemTime;

use super::{RetrainError, Retrainer, RunSummary};
use crate::store::{RunEnd, RunId, RunState, StoreError};
use crate::training::job::RunFolder;
use crate::training::perform::Conclusion;

impl Retrainer {
    /// Ends a run of which nothing came.
    pub(super) fn end(
        &mut self,
        run: RunId,
        state: RunState,
        reason: &str,
    ) -> Result<RunSummary, RetrainError> {
        let end = RunEnd::without_result(state, SystemTime::now().into(), reason);
        if let Err(error) = self.store.finish_run(run, &end) {
            self.unwritten = Some((run, end));
            return Err(error.into());
        }
        Ok(RunSummary {
            run,
            state,
            reason: Some(reason.to_owned()),
            verdict: None,
        })
    }

    /// Keeps why a run has ended that the store was in the way of, unless that is known better, or the run is through and is to
    /// be judged.
    pub(super) fn end_later(&mut self, run: RunId, error: &RetrainError) {
        let folder = RunFolder::of(&self.config.runs_dir(), run.0);
        let is_through = matches!(folder.read_conclusion_blocking::<Conclusion>(), Ok(Some(_)));
        if self.unwritten.is_none() && !is_through {
            let now = SystemTime::now().into();
            let end = RunEnd::without_result(RunState::Failed, now, error.to_string());
            self.unwritten = Some((run, end));
        }
    }

    /// Writes the end that could not be written before, if there is one.
    pub(super) fn write_kept_end(&mut self) -> Result<(), StoreError> {
        let Some((run, end)) = &self.unwritten else {
            return Ok(());
        };
        match self.store.finish_run(*run, end) {
            // It was written after all, or another store lies there by now.
            Ok(()) | Err(StoreError::NoSuchRun { .. }) => self.unwritten = None,
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
