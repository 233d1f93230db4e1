//! What a rebuild in a process of its own is told, and what it leaves: the files of a run's folder.
//!
//! In: the daemon's [`Job`]. Out: a line for each epoch, then a [`Conclusion`](super::perform::Conclusion). Never: the
//! store; the process that trains reads its job and writes into its folder, and that is all the two processes share.
//!
//! ```text
//! runs/000007/job.json         what to do, written before the process starts
//!             settings.toml    the settings it runs under
//!             progress.jsonl   one line an epoch, as they end
//!             checkpoint       the state after the last whole epoch
//!             conclusion.json  how it ended; absent while it runs, and when it was killed
//!             bundle/          the exported model
//!             log.txt          what the process said
//!             lock             locked by a `hangtag train` for as long as it lives
//! ```

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::corrections::Correction;
use super::out_of_fold::OutOfFold;
use super::parameters::TrainParameters;
use super::report::EpochFigures;
use crate::domain::{ParseError, Timestamp};
use crate::durable::{self, WriteError};

mod lock;

pub use lock::RunLock;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// The run's number.
    pub run: i64,
    /// How to train.
    pub parameters: TrainParameters,
    /// The process that waits for it. A training that is not its child (any more) is nobody's, and ends.
    pub started_by_pid: u32,
    /// How far to step back behind other processes, 0..=19.
    pub nice: u32,
    /// The bundle that the new model has to stand up to.
    pub in_service: PathBuf,
    /// What was said of corrections that the model in service has learned, by networks that had not: its own answers for
    /// them prove nothing.
    #[serde(default)]
    pub in_service_out_of_fold: Vec<OutOfFold>,
    /// Those corrections that are of photos drawn at random, by content hash.
    #[serde(default)]
    pub audited: Vec<String>,
    /// What people have put right, in the order of their hashes.
    pub corrections: Vec<CorrectionNote>,
    /// When they were read; absent in what an older hangtag left.
    #[serde(default)]
    pub corrections_read_at: Option<Timestamp>,
    /// Where the pictures of corrected photos lie.
    pub corrections_dir: PathBuf,
    /// Share of the pictures shown that are corrections, where corrections are learned.
    pub correction_weight: f64,
    /// Whether it may go on from the model in service, in the place of training from the first weight on.
    #[serde(default)]
    pub warm_start: bool,
    /// Accepted tags shall be right at least so often, 0..1.
    #[serde(default = "usual_precision")]
    pub target_precision: f64,
}

/// A correction, as a job notes it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CorrectionNote {
    /// Content hash, 64 hexadecimal digits.
    pub content_hash: String,
    /// The right label; absent where it is none of the ten.
    pub label: Option<String>,
}

impl CorrectionNote {
    /// The correction that it stands for.
    pub fn parse(&self) -> Result<Correction, ParseError> {
        let label = self.label.as_ref().map(|label| label.parse()).transpose()?;
        Ok(Correction {
            hash: self.content_hash.parse()?,
            truth: label.into(),
        })
    }
}

/// The folder of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolder(PathBuf);

/// A file of a run's folder that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RunFolderError {
    /// Not read.
    #[error("could not read {path} of a training run: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Not what it should be.
    #[error("{path} of a training run is unusable: {source}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// Not written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl RunFolder {
    /// The folder of run `number` below `runs`.
    pub fn of(runs: &Path, number: i64) -> Self {
        Self(runs.join(format!("{number:06}")))
    }

    /// A folder by its path.
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Makes the folder for a run that begins. What lies there is another run's: after a store was restored, its
    /// numbers are given out again.
    pub fn begin_blocking(&self) -> Result<(), RunFolderError> {
        let begin = || {
            match std::fs::remove_dir_all(&self.0) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            std::fs::create_dir_all(&self.0)
        };
        Ok(begin().map_err(|source| WriteError {
            path: self.0.clone(),
            source,
        })?)
    }

    /// The settings the process runs under.
    pub fn settings_path(&self) -> PathBuf {
        self.0.join("settings.toml")
    }

    /// The state after the last whole epoch.
    pub fn checkpoint_path(&self) -> PathBuf {
        self.0.join("checkpoint")
    }

    /// Why the run was stopped, if its service did not live to end it; with what can be made of the epochs that are done.
    pub fn service_ended_blocking(&self) -> &'static str {
        if self.checkpoint_path().is_file() {
            "the service ended while it ran; with the daemon stopped, `hangtag retrain now --resume` goes on from its last whole epoch"
        } else {
            "the service ended before its first whole epoch, so nothing of it is left; `hangtag retrain now` begins anew"
        }
    }

    /// The exported model.
    pub fn bundle_path(&self) -> PathBuf {
        self.0.join("bundle")
    }

    /// What the process said.
    pub fn log_path(&self) -> PathBuf {
        self.0.join("log.txt")
    }

    /// Writes the job and the settings it runs under; the folder is made if absent.
    pub fn write_job_blocking(&self, job: &Job, settings: &str) -> Result<(), RunFolderError> {
        durable::write_file(&self.settings_path(), settings.as_bytes())?;
        self.write("job.json", job)
    }

    /// The job.
    pub fn read_job_blocking(&self) -> Result<Job, RunFolderError> {
        self.read("job.json")
    }

    /// Adds a line for an epoch.
    pub fn add_progress_blocking(&self, epoch: &EpochFigures) -> Result<(), WriteError> {
        let path = self.progress_path();
        let add = || {
            let mut line = serde_json::to_vec(epoch)?;
            line.push(b'\n');
            let mut file = File::options().create(true).append(true).open(&path)?;
            file.write_all(&line)
        };
        add().map_err(|source| WriteError {
            path: path.clone(),
            source,
        })
    }

    /// The epochs whose lines begin at `from` bytes or later, and where the next line will begin. A line that is not
    /// whole yet is left for the next call.
    pub fn read_progress_blocking(&self, from: u64) -> Result<(Vec<EpochFigures>, u64), RunFolderError> {
        let path = self.progress_path();
        let fail = |source| RunFolderError::Read {
            path: path.clone(),
            source,
        };
        let mut file = match File::open(&path) {
            Ok(file) => BufReader::new(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), from)),
            Err(source) => return Err(fail(source)),
        };
        file.seek(SeekFrom::Start(from)).map_err(fail)?;
        let (mut epochs, mut next, mut line) = (Vec::new(), from, Vec::new());
        while file.read_until(b'\n', &mut line).map_err(fail)? > 0 && line.ends_with(b"\n") {
            epochs.push(
                serde_json::from_slice(&line).map_err(|source| RunFolderError::Content {
                    path: path.clone(),
                    source,
                })?,
            );
            next += line.len() as u64;
            line.clear();
        }
        Ok((epochs, next))
    }

    /// Writes how the run ended; the last thing its process does.
    pub fn write_conclusion_blocking<C: Serialize>(&self, conclusion: &C) -> Result<(), RunFolderError> {
        self.write(CONCLUSION, conclusion)
    }

    /// How the run ended; `None` if its process did not live to say it.
    pub fn read_conclusion_blocking<C: DeserializeOwned>(&self) -> Result<Option<C>, RunFolderError> {
        match self.read(CONCLUSION) {
            Ok(conclusion) => Ok(Some(conclusion)),
            Err(RunFolderError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes the conclusion, for a run whose last part is to be done again.
    pub fn forget_conclusion_blocking(&self) -> Result<(), RunFolderError> {
        let path = self.0.join(CONCLUSION);
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(WriteError { path, source }.into())
            }
            _ => Ok(()),
        }
    }

    /// Takes over the checkpoint of another run.
    pub fn take_checkpoint_blocking(&self, from: &Path) -> Result<(), RunFolderError> {
        let bytes = std::fs::read(from).map_err(|source| RunFolderError::Read {
            path: from.to_owned(),
            source,
        })?;
        Ok(durable::write_file(&self.checkpoint_path(), &bytes)?)
    }

    fn progress_path(&self) -> PathBuf {
        self.0.join("progress.jsonl")
    }

    fn write<T: Serialize>(&self, name: &str, value: &T) -> Result<(), RunFolderError> {
        let json =
            serde_json::to_vec_pretty(value).expect("a value of plain types has a JSON form; this is a bug");
        Ok(durable::write_file(&self.0.join(name), &json)?)
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<T, RunFolderError> {
        let path = self.0.join(name);
        let bytes = std::fs::read(&path).map_err(|source| RunFolderError::Read {
            path: path.clone(),
            source,
        })?;
        serde_json::from_slice(&bytes).map_err(|source| RunFolderError::Content { path, source })
    }
}

/// Of jobs that were written before it was asked for.
fn usual_precision() -> f64 {
    0.95
}

const CONCLUSION: &str = "conclusion.json";

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(epoch: u32) -> EpochFigures {
        EpochFigures {
            epoch,
            seconds: 1.5,
            loss: Some(0.25),
            accuracy: 0.5,
            // Ran away: no number.
            val_loss: None,
            val_accuracy: 0.125,
        }
    }

    #[test]
    fn progress_is_read_line_by_line_and_never_twice() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::at(folder.path());
        assert_eq!(run.read_progress_blocking(0).unwrap(), (vec![], 0));
        run.add_progress_blocking(&epoch(1)).unwrap();
        run.add_progress_blocking(&epoch(2)).unwrap();
        let (epochs, next) = run.read_progress_blocking(0).unwrap();
        assert_eq!(epochs, [epoch(1), epoch(2)]);
        let mut file = File::options().append(true).open(run.progress_path()).unwrap();
        file.write_all(br#"{"epoch": 3, "sec"#).unwrap();
        assert_eq!(
            run.read_progress_blocking(next).unwrap(),
            (vec![], next),
            "half a line"
        );
        file.write_all(b"onds\": 1.5}\n").unwrap();
        let error = run.read_progress_blocking(next).unwrap_err().to_string();
        assert!(error.contains("progress.jsonl"), "{error}");
    }

    #[test]
    fn a_run_that_was_killed_has_no_conclusion() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::of(folder.path(), 7);
        assert!(run.path().ends_with("000007"));
        assert_eq!(run.read_conclusion_blocking::<u32>().unwrap(), None);
        run.write_conclusion_blocking(&5).unwrap();
        assert_eq!(run.read_conclusion_blocking::<u32>().unwrap(), Some(5));
    }

    /// A stale checkpoint, progress and conclusion of another run were taken for the new one's own.
    #[test]
    fn a_run_begins_with_an_empty_folder() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::of(folder.path(), 7);
        run.begin_blocking().unwrap();
        run.add_progress_blocking(&epoch(1)).unwrap();
        run.begin_blocking().unwrap();
        assert_eq!(std::fs::read_dir(run.path()).unwrap().count(), 0);
    }

    /// People were sent to `--resume`, which then found no checkpoint.
    #[test]
    fn only_a_run_with_a_checkpoint_can_be_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::at(folder.path());
        let without = run.service_ended_blocking();
        assert!(!without.contains("--resume"), "{without}");
        std::fs::write(run.checkpoint_path(), b"").unwrap();
        let with = run.service_ended_blocking();
        assert!(with.contains("--resume"), "{with}");
    }
}
