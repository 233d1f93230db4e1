//! One rebuild in a process of its own: started, followed, ended.
//!
//! In: a run's folder with its job. Out: each epoch as it ends, then how the process ended. Never: a process that
//! outlives its run; it is asked to end first (SIGTERM), and ended by force after a while.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::retrain::RetrainError;
use crate::config::ENVIRONMENT_PREFIX;
use crate::store::StoreError;
use crate::training::job::RunFolder;
use crate::training::perform::Conclusion;
use crate::training::report::EpochFigures;

/// How often the process and its folder are looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// From SIGTERM to SIGKILL: a batch and a checkpoint take a fraction of it.
const KILL_AFTER: Duration = Duration::from_secs(5);
/// Of what a process said that failed without a conclusion, so many bytes are told.
const TOLD_LOG_BYTES: usize = 400;

/// What is needed to carry a run out.
pub(super) struct RunProcess<'a> {
    /// hangtag itself.
    pub program: &'a Path,
    /// Job and settings are in it already.
    pub folder: &'a RunFolder,
    /// Longer, and it is ended.
    pub max_duration: Duration,
    /// Set when the service ends.
    pub stop: &'a AtomicBool,
}

/// How it ended.
pub(super) enum Carried {
    /// The process said so itself.
    Concluded(Conclusion),
    /// The service is ending.
    Stopped,
    /// It took too long, or died; why.
    Failed(String),
}

impl RunProcess<'_> {
    /// Runs the process to its end; `record` gets every epoch once it is done.
    pub(super) fn carry_out_blocking(
        &self,
        record: &mut dyn FnMut(&EpochFigures) -> Result<(), StoreError>,
    ) -> Result<Carried, RetrainError> {
        let mut child = self.start()?;
        let (begun, mut read_to) = (Instant::now(), 0);
        let status = loop {
            let ended = child.0.try_wait();
            let (epochs, next) = self.folder.read_progress_blocking(read_to)?;
            read_to = next;
            for epoch in &epochs {
                // The figures are in the folder, too: training goes on without their rows.
                if let Err(error) = record(epoch) {
                    tracing::warn!("{error}");
                }
            }
            match ended {
                Ok(Some(status)) => break status,
                Ok(None) => {}
                Err(source) => return Err(self.cannot_start(source)),
            }
            if self.stop.load(Ordering::Relaxed) {
                child.end();
                return Ok(Carried::Stopped);
            }
            if begun.elapsed() >= self.max_duration {
                child.end();
                return Ok(Carried::Failed(format!(
                    "it took longer than retrain.max_duration ({:?})",
                    self.max_duration
                )));
            }
            std::thread::sleep(LOOK_INTERVAL);
        };
        Ok(match self.folder.read_conclusion_blocking()? {
            Some(conclusion) => Carried::Concluded(conclusion),
            // Who stops a service often tells all of its processes at once.
            None if self.stop.load(Ordering::Relaxed) => Carried::Stopped,
            None => Carried::Failed(self.death(status)),
        })
    }

    fn start(&self) -> Result<Training, RetrainError> {
        let log = File::create(self.folder.log_path()).map_err(|source| self.cannot_start(source))?;
        let mut command = Command::new(self.program);
        // The settings file holds what holds here; the environment would outrank it.
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(ENVIRONMENT_PREFIX.as_bytes()) {
                command.env_remove(name);
            }
        }
        let child = command
            .args(["train", "--run"])
            .arg(self.folder.path())
            .arg("--config")
            .arg(self.folder.settings_path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        child.map(Training).map_err(|source| self.cannot_start(source))
    }

    fn cannot_start(&self, source: std::io::Error) -> RetrainError {
        RetrainError::Start {
            program: self.program.to_owned(),
            source,
        }
    }

    fn death(&self, status: ExitStatus) -> String {
        let log = std::fs::read(self.folder.log_path()).unwrap_or_default();
        let last = String::from_utf8_lossy(&log[log.len().saturating_sub(TOLD_LOG_BYTES)..]).into_owned();
        let last = last.trim();
        let said = if last.is_empty() {
            String::new()
        } else {
            format!("; it last said: {last}")
        };
        format!("its process ended without a conclusion ({status}){said}")
    }
}

/// The process; ended with whoever follows it.
struct Training(Child);

impl Training {
    fn end(&mut self) {
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        // It may have ended by itself meanwhile.
        let _ = pid.map(|pid| kill_process(pid, Signal::TERM));
        let since = Instant::now();
        while since.elapsed() < KILL_AFTER {
            if let Ok(Some(_)) = self.0.try_wait() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Training {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            self.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program that takes the arguments of a training and does not end. A shell writes it: were it open for writing in
    /// this process while another test starts one, it could not be started ("text file busy").
    fn trains_for_ever(path: &Path) {
        let write =
            "printf '#!/bin/sh\\necho $$ > \"$3/pid\"\\nexec sleep 600\\n' > \"$0\" && chmod +x \"$0\"";
        let written = Command::new("sh").args(["-c", write]).arg(path).status();
        assert!(written.unwrap().success());
    }

    #[test]
    fn a_run_that_takes_longer_than_it_may_is_ended_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let (program, run) = (folder.path().join("program"), RunFolder::of(folder.path(), 1));
        trains_for_ever(&program);
        std::fs::create_dir_all(run.path()).unwrap();
        let process = RunProcess {
            program: &program,
            folder: &run,
            max_duration: Duration::from_millis(500),
            stop: &AtomicBool::new(false),
        };
        let carried = process.carry_out_blocking(&mut |_| Ok(())).unwrap();
        let Carried::Failed(reason) = carried else {
            panic!("it cannot have ended by itself")
        };
        assert!(
            reason.contains("retrain.max_duration") && reason.contains("500ms"),
            "{reason}"
        );
        let pid = std::fs::read_to_string(run.path().join("pid")).unwrap();
        assert!(
            !Path::new("/proc").join(pid.trim()).exists(),
            "process {pid} is gone"
        );
    }
}
