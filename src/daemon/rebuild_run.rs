//! One rebuild in a process of its own: started, followed, ended.
//!
//! In: a run's folder with its job. Out: each epoch as it ends, time for other work between, then how the process ended. Never: a
//! process that outlives its run; it is asked to end first (SIGTERM), and ended by force after a while.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::retrain::RetrainError;
use crate::config::ENVIRONMENT_PREFIX;
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
    /// The service is ending, and the run was not through.
    Stopped,
    /// It took too long, or died; why.
    Failed(String),
}

impl RunProcess<'_> {
    /// Runs the process to its end; at every look at it `meanwhile` gets the epochs that are done since the last one, if any.
    pub(super) fn carry_out_blocking(
        &self,
        meanwhile: &mut dyn FnMut(&[EpochFigures]),
    ) -> Result<Carried, RetrainError> {
        let mut child = self.start()?;
        let (begun, mut read_to) = (Instant::now(), 0);
        let status = loop {
            let ended = child.0.try_wait();
            let (epochs, next) = self.folder.read_progress_blocking(read_to)?;
            read_to = next;
            meanwhile(&epochs);
            match ended {
                Ok(Some(status)) => break status,
                Ok(None) => {}
                Err(source) => return Err(self.cannot_start(source)),
            }
            if self.stop.load(Ordering::Relaxed) {
                child.end();
                // It may have been through before it heard of that: it is judged, as that of a service that was killed is.
                return Ok(match self.folder.read_conclusion_blocking()? {
                    Some(conclusion @ Conclusion::Finished(_)) => Carried::Concluded(conclusion),
                    _ => Carried::Stopped,
                });
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
pub(super) mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::tagging::testing::model;
    use crate::training::evaluate::Evaluation;
    use crate::training::gate::{Candidate, Cost, Measured, WarmUp};
    use crate::training::parameters::TrainParameters;
    use crate::training::perform::Findings;
    use crate::training::report::{Report, Samples};

    /// A program in the place of a training; its third argument is the run's folder. A shell writes it: were it open for writing
    /// in this process while another test starts one, it could not be started ("text file busy").
    pub(in crate::daemon) fn write_program(path: &Path, script: &str) {
        let write = "printf '#!/bin/sh\\n%s' \"$1\" > \"$0\" && chmod +x \"$0\"";
        let written = Command::new("sh")
            .args(["-c", write])
            .arg(path)
            .arg(script)
            .status();
        assert!(written.unwrap().success());
    }

    #[test]
    fn a_run_that_takes_longer_than_it_may_is_ended_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let (program, run) = (folder.path().join("program"), RunFolder::of(folder.path(), 1));
        write_program(&program, "echo $$ > \"$3/pid\"\nexec sleep 600\n");
        std::fs::create_dir_all(run.path()).unwrap();
        let process = RunProcess {
            program: &program,
            folder: &run,
            max_duration: Duration::from_millis(500),
            stop: &AtomicBool::new(false),
        };
        let carried = process.carry_out_blocking(&mut |_| ()).unwrap();
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

    /// How a run ends of which all is measured.
    fn through() -> Conclusion {
        let measured = Measured {
            test: Vec::new(),
            photos: Vec::new(),
            audited: Vec::new(),
            cost: Cost {
                multiply_adds: 1,
                file_bytes: 1,
            },
        };
        let now = SystemTime::now().into();
        let report = Report {
            run: Some(1),
            trigger: None,
            hangtag_version: "0".into(),
            started_at: now,
            ended_at: now,
            peak_memory_bytes: None,
            parameters: TrainParameters::default(),
            data: Vec::new(),
            corrections: None,
            layers: Vec::new(),
            epochs: Vec::new(),
            chosen_epoch: 1,
            model: model("b"),
            model_bytes: 1,
            evaluation: Evaluation::of(&[]),
            reliability: Vec::new(),
            calibration: None,
            photos: None,
            samples: Samples::default(),
            verdict: None,
        };
        Conclusion::Finished(Box::new(Findings {
            candidate: Candidate {
                measured: measured.clone(),
                parity_difference: 0.0,
                warm_up: WarmUp::Finite,
                forgotten: 0,
            },
            in_service_model: model("a").as_str().to_owned(),
            in_service: measured,
            report,
            out_of_fold: Vec::new(),
        }))
    }

    /// It counted as stopped, and was made again, where one whose service was killed is judged.
    #[test]
    fn a_run_that_is_through_as_it_is_told_to_end_is_not_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        // The line of an epoch tells that it would hear a signal by now.
        let script = "trap 'mv \"$3/last\" \"$3/conclusion.json\"; exit 0' TERM\n\
                      mv \"$3/epoch\" \"$3/progress.jsonl\"\n\
                      while :; do sleep 0.1; done\n";
        write_program(&program, script);
        let epoch =
            r#"{"epoch":1,"seconds":1.0,"loss":1.0,"accuracy":0.5,"val_loss":1.0,"val_accuracy":0.5}"#;
        let stopped = Conclusion::Stopped {
            reason: "stopped after 1 whole epochs".into(),
        };
        for (number, last, is_through) in [(1, through(), true), (2, stopped, false)] {
            let run = RunFolder::of(folder.path(), number);
            std::fs::create_dir_all(run.path()).unwrap();
            std::fs::write(run.path().join("epoch"), format!("{epoch}\n")).unwrap();
            std::fs::write(run.path().join("last"), serde_json::to_vec(&last).unwrap()).unwrap();
            let stop = AtomicBool::new(false);
            let process = RunProcess {
                program: &program,
                folder: &run,
                max_duration: Duration::from_secs(600),
                stop: &stop,
            };
            let carried = process.carry_out_blocking(&mut |epochs| {
                stop.fetch_or(!epochs.is_empty(), Ordering::Relaxed);
            });
            match carried.unwrap() {
                Carried::Concluded(conclusion) => assert!(is_through && conclusion == last),
                Carried::Stopped => assert!(!is_through),
                Carried::Failed(reason) => panic!("{reason}"),
            }
        }
    }
}
