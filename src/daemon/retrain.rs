//! The rebuild as a service: is a run due, carried out, judged, and what becomes of its model.
//!
//! In: the schedule, the store, requests in the store. Out: runs on record, each ended with a reason or a verdict; a
//! model in service that proved itself. Never: two runs at once, a model judged by pictures it was trained on, a run
//! left "running" that no process carries out. The registry is all that is changed: who serves obeys it. Where the settings
//! name the model that is served, no rebuild is made or judged: what others left is put in order, but for a run that is
//! through, which stays "running" until it can be judged.
//!
//! Its writes are a few rows a run, and old answers thinned out in small steps, over a connection of its own, as those
//! of a command would be; tags are written by the record station alone.

mod conclude;
mod dead;
mod due;
mod end;
mod meanwhile;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use serde_json::json;

use conclude::in_a_line;
pub use dead::close_dead_trainings_blocking;
pub use due::rules;
use due::{passed_over, recorded};

use super::prune::prune_blocking;
use super::rebuild_run::{Carried, RunProcess};
use crate::config::{Config, SeedPolicy};
use crate::domain::{ArchitectureName, ModelId, Timestamp};
use crate::durable;
use crate::model::BundleError;
use crate::status::{Station, StatusBoard};
use crate::store::{EpochRow, NewRun, Reader, RunEnd, RunId, RunState, RunTrigger, Store, StoreError};
use crate::training::gate::{GateError, Verdict};
use crate::training::job::{Job, RunFolder, RunFolderError};
use crate::training::parameters::TrainParameters;
use crate::training::perform::Conclusion;
use crate::training::publish::{PublishError, clear_leftovers_blocking};
use crate::training::report::{EpochFigures, ReportError};
use crate::training::schedule::{Decision, Trigger, decide};

/// How often it looks whether something is due, asked for, or ended. Cron's grain is a minute; a person who asks for
/// a run should not wait.
pub(super) const TICK: Duration = Duration::from_millis(500);
/// How often it looks for trainings by command whose process was killed.
const LOOK_FOR_DEAD: Duration = Duration::from_secs(10);
/// Who ends the service may tell its training first.
const TOLD_TOGETHER: Duration = Duration::from_secs(2);
/// After trouble with the store or the disk.
const TROUBLE_PAUSE: Duration = Duration::from_secs(10);

/// A rebuild that could not be begun, followed or ended; the run itself may go on record as failed besides.
#[derive(Debug, thiserror::Error)]
pub enum RetrainError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The run's folder.
    #[error(transparent)]
    Folder(#[from] RunFolderError),
    /// The process that trains could not be started.
    #[error("could not start {program} to train: {source}")]
    Start {
        /// The program.
        program: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The figures cannot be judged.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// The bundle cannot be read.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The bundle cannot be published.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The report cannot be written.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// Nothing serves, so that nothing can be stood up to.
    #[error("no model is in service, which is a bug: every start puts one there")]
    NoneInService,
    /// The manifest does not fit the registry.
    #[error("the model's manifest does not fit the store: {0}")]
    Entry(#[from] crate::domain::ParseError),
}

/// Decides, carries out, judges. Owns its connection to the store.
pub struct Retrainer {
    config: Arc<Config>,
    store: Store,
    reader: Reader,
    /// hangtag itself, which trains as a process of its own.
    program: PathBuf,
    up_since: Timestamp,
    looked_for_dead: Instant,
    /// While a run is under way, the store is not written before then: it was in trouble.
    not_before: Instant,
    /// How a run ended whose end could not be written; the next turn writes it.
    unwritten: Option<(RunId, RunEnd)>,
    stop: Arc<AtomicBool>,
}

/// What became of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSummary {
    /// Its number.
    pub run: RunId,
    /// How it ended.
    pub state: RunState,
    /// Why, where it did not simply finish; or what it had to do without.
    pub reason: Option<String>,
    /// The gate's verdict, where there was one.
    pub verdict: Option<Verdict>,
}

impl Retrainer {
    /// With a connection to the store of its own; `stop` ends a run that is under way. `program` is hangtag itself.
    pub fn open(config: Arc<Config>, program: PathBuf, stop: Arc<AtomicBool>) -> Result<Self, StoreError> {
        Ok(Self {
            store: Store::open(&config.store_path(), config.durability.into())?,
            reader: Reader::open(&config.store_path())?,
            config,
            program,
            up_since: SystemTime::now().into(),
            looked_for_dead: Instant::now(),
            not_before: Instant::now(),
            unwritten: None,
            stop,
        })
    }

    /// The station: runs until it is to stop.
    pub fn run_blocking(mut self, station: &Station, board: &StatusBoard) {
        let mut pause = Duration::ZERO;
        clear_leftovers_blocking(&self.config.models_dir());
        let mut taken_up = false;
        while !self.waited_to_stop(pause) {
            let turn = if taken_up {
                self.turn_blocking(station)
            } else {
                self.take_up_blocking().inspect(|()| taken_up = true)
            };
            pause = match turn {
                Ok(()) => {
                    board.solved("retrain");
                    TICK
                }
                Err(error) => {
                    tracing::error!("rebuild: {error}");
                    board.problem("retrain", error.to_string());
                    // A run may have been left on record as running: it is judged, or its end is written.
                    taken_up = false;
                    TROUBLE_PAUSE
                }
            };
        }
    }

    /// Ends what a service that was killed left running; a run that was through and only not judged yet, is judged. What the store
    /// has kept from the record before is written first.
    pub fn take_up_blocking(&mut self) -> Result<(), RetrainError> {
        self.write_kept_end()?;
        self.close_dead_blocking()?;
        for run in self.reader.running_runs()? {
            if run.trigger == RunTrigger::Command {
                continue; // A person's `hangtag train`, which may be alive.
            }
            match self.take_up_one_blocking(run.id) {
                Ok(()) => {}
                // It may work again in a moment.
                Err(error @ RetrainError::Store(_)) => return Err(error),
                // What it left does not get better, and must not keep all later runs from beginning.
                Err(error) => drop(self.end(run.id, RunState::Failed, &error.to_string())?),
            }
        }
        Ok(())
    }

    fn take_up_one_blocking(&mut self, run: RunId) -> Result<(), RetrainError> {
        let folder = RunFolder::of(&self.config.runs_dir(), run.0);
        let Some(conclusion) = folder.read_conclusion_blocking::<Conclusion>()? else {
            return self
                .end(run, RunState::Stopped, folder.service_ended_blocking())
                .map(drop);
        };
        if self.is_pinned() {
            return Ok(()); // Its verdict would change the registry, and waits until that counts again.
        }
        let in_service = self.in_service()?;
        // The candidate itself serves where the service was killed between registry and record.
        let is_up_to_date =
            |against| [Some(against), conclusion.candidate()].contains(&Some(in_service.as_str()));
        if let Some(against) = conclusion
            .was_measured_against()
            .filter(|against| !is_up_to_date(against))
        {
            // A quick rebuild has no checkpoint, and begins anew in two minutes.
            let measures = match folder.checkpoint_path().is_file() {
                true => "`hangtag retrain now --resume` measures it anew, with the daemon stopped",
                false => "`hangtag retrain now` begins anew",
            };
            let reason =
                format!("it was measured against {against}, which is no longer in service; {measures}");
            return self.end(run, RunState::Failed, &reason).map(drop);
        }
        self.conclude_blocking(run, &folder, conclusion).map(drop)
    }

    fn turn_blocking(&mut self, station: &Station) -> Result<(), RetrainError> {
        self.put_in_order_blocking()?;
        let now = SystemTime::now().into();
        if self.is_pinned() {
            // Puts on record that no schedule is in force meanwhile: settings with a pinned model have none.
            self.in_force_since(now)?;
            return Ok(());
        }
        match decide(now, &rules(&self.config), &self.record(now)?) {
            Decision::Wait { .. } => Ok(()),
            Decision::Skip { due_at, reason } => {
                let new = passed_over(now, RunTrigger::Schedule, Some(due_at));
                let end = RunEnd::without_result(RunState::Skipped, now, reason.to_string());
                self.store.record_run(&new, &end)?;
                station.did(|| format!("skipped the rebuild due at {due_at}: {reason}"));
                Ok(())
            }
            Decision::Run { trigger, due_at } => {
                let due_at = matches!(trigger, Trigger::Schedule | Trigger::CatchUp).then_some(due_at);
                let summary = self.rebuild_blocking(recorded(trigger), due_at, Beginning::Fresh)?;
                tracing::info!("rebuild {}: {}", summary.run.0, summary.in_words());
                station.did(|| format!("run {}: {}", summary.run.0, summary.in_words()));
                self.tidy_blocking()?;
                Ok(())
            }
        }
    }

    /// Removes what older runs left, whatever became of them; closes those of people whose process was killed.
    pub fn tidy_blocking(&mut self) -> Result<(), StoreError> {
        prune_blocking(&self.config, (&self.reader, &mut self.store), &self.stop);
        self.close_dead_blocking()
    }

    fn close_dead_blocking(&mut self) -> Result<(), StoreError> {
        self.looked_for_dead = Instant::now();
        close_dead_trainings_blocking(&self.config, (&self.reader, &mut self.store))
    }

    /// One run from beginning to end, whoever asked for it; `due_at` is the moment of the schedule that it answers, if any.
    pub fn rebuild_blocking(
        &mut self,
        trigger: RunTrigger,
        due_at: Option<Timestamp>,
        beginning: Beginning,
    ) -> Result<RunSummary, RetrainError> {
        let now: Timestamp = SystemTime::now().into();
        // Who asks from here on may have corrected what this run has read already, and gets a run that knows it.
        let asked = self.reader.latest_rebuild_request()?;
        let job = self.job(&beginning, now)?;
        let print = self.fingerprint_of_blocking(&job);
        let is_resumed = matches!(beginning, Beginning::Resumed { .. });
        if !is_resumed
            && let Some(print) = &print
            && let Some(reason) = self.known_outcome(print, trigger)?
        {
            return self.unchanged((trigger, due_at, now), asked, print, &reason);
        }
        let run = self.store.start_run(&NewRun {
            started_at: now,
            parameters: json!(job.parameters),
            trigger,
            due_at,
            fingerprint: print,
            corrections_read_at: job.corrections_read_at,
        })?;
        let taken = self.store.take_rebuild_requests(run, asked, now);
        let carried = match taken {
            Ok(_) => self.carry_out_blocking(run, job, &beginning),
            Err(error) => Err(error.into()),
        };
        carried.or_else(|error| match error {
            // What cannot be written now cannot end the run either: the next turn does, or judges what is through.
            RetrainError::Store(_) => {
                self.end_later(run, &error);
                Err(error)
            }
            // The run must not stay "running" because of what went wrong around it.
            error => self.end(run, RunState::Failed, &error.to_string()),
        })
    }

    /// What is to be done, but for the run's number and the model in service. What decides the bytes is the settings', or, as
    /// far as its checkpoint fits nothing else, that of the run that is gone on from: a residual network learns corrections
    /// behind it, and so those that stand now; a plain one has found them among its rows.
    fn job(&self, beginning: &Beginning, now: Timestamp) -> Result<Job, RetrainError> {
        let rules = &self.config.retrain;
        let mut parameters = TrainParameters::from(&self.config.train);
        match rules.seed {
            // Any number will do that is another one each time; it is on record.
            SeedPolicy::PerRun => parameters.seed = now.as_millis().cast_unsigned(),
            SeedPolicy::Fixed(seed) => parameters.seed = seed,
        }
        let job = Job {
            run: 0,
            parameters,
            started_by_pid: std::process::id(),
            nice: rules.nice,
            in_service: PathBuf::new(),
            in_service_out_of_fold: Vec::new(),
            audited: Vec::new(),
            corrections: Vec::new(),
            corrections_read_at: Some(now),
            corrections_dir: self.config.corrections_dir(),
            correction_weight: rules.correction_weight,
            warm_start: rules.warm_start,
            target_precision: self.config.tagging.target_precision,
        };
        let mut job = match beginning {
            Beginning::Fresh => Job {
                corrections: self.corrections()?,
                ..job
            },
            Beginning::Resumed { parameters, .. }
                if parameters.architecture == ArchitectureName::Residual =>
            {
                Job {
                    parameters: parameters.clone(),
                    corrections: self.corrections()?,
                    // It begins with its checkpoint, and with no other network.
                    warm_start: false,
                    ..job
                }
            }
            Beginning::Resumed {
                checkpoint,
                parameters,
            } => {
                let old = RunFolder::at(durable::folder_of(checkpoint)).read_job_blocking()?;
                Job {
                    parameters: parameters.clone(),
                    corrections: old.corrections,
                    corrections_read_at: old.corrections_read_at,
                    correction_weight: old.correction_weight,
                    ..job
                }
            }
        };
        job.parameters.threads = Some(rules.threads);
        Ok(job)
    }

    fn carry_out_blocking(
        &mut self,
        run: RunId,
        mut job: Job,
        beginning: &Beginning,
    ) -> Result<RunSummary, RetrainError> {
        let folder = RunFolder::of(&self.config.runs_dir(), run.0);
        job.run = run.0;
        folder.begin_blocking()?;
        if let Beginning::Resumed { checkpoint, .. } = beginning {
            folder.take_checkpoint_blocking(checkpoint)?;
        }
        loop {
            let in_service = self.in_service()?;
            job.in_service = self.config.models_dir().join(in_service.as_str());
            (job.in_service_out_of_fold, job.audited) = self.evidence(&in_service)?;
            folder.write_job_blocking(&job, &self.config.to_string())?;
            let (program, stop) = (self.program.clone(), Arc::clone(&self.stop));
            let process = RunProcess {
                program: &program,
                folder: &folder,
                max_duration: self.config.retrain.max_duration,
                stop: &stop,
            };
            let carried = process.carry_out_blocking(&mut |epochs| self.meanwhile_blocking(run, epochs))?;
            let conclusion = match carried {
                // On record as stopped it would be begun again, against the will of whoever ended it.
                Carried::Concluded(Conclusion::Stopped { reason }) if !self.waited_to_stop(TOLD_TOGETHER) => {
                    let reason = format!("its process was told to end while the service went on: {reason}");
                    return self.end(run, RunState::Failed, &reason);
                }
                Carried::Concluded(conclusion) => conclusion,
                Carried::Stopped => return self.end(run, RunState::Stopped, "the service was stopped"),
                Carried::Failed(reason) => return self.end(run, RunState::Failed, &reason),
            };
            // A person may have put another model in service meanwhile: then it is that one which is to be stood up to.
            // A training from the first weight on is not repeated, since its checkpoint is there; a quick one is.
            if conclusion.was_measured_against().is_none() || self.in_service()? == in_service {
                return self.conclude_blocking(run, &folder, conclusion);
            }
            folder.forget_conclusion_blocking()?;
        }
    }

    /// Whether the settings name the model that is served, whatever is rebuilt.
    fn is_pinned(&self) -> bool {
        self.config.inference.model.is_some()
    }

    fn in_service(&self) -> Result<ModelId, RetrainError> {
        self.reader
            .model_in_service_id()?
            .ok_or(RetrainError::NoneInService)
    }

    /// Waits, and says whether to stop.
    fn waited_to_stop(&self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        while Instant::now() < until && !self.stop.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(100).min(pause));
        }
        self.stop.load(Ordering::Relaxed)
    }
}

/// Where a run begins.
#[derive(Debug, Clone, PartialEq)]
pub enum Beginning {
    /// With fresh weights.
    Fresh,
    /// From another run's last whole epoch, by the same data and parameters.
    Resumed {
        /// That run's checkpoint.
        checkpoint: PathBuf,
        /// That run's parameters.
        parameters: TrainParameters,
    },
}

impl RunSummary {
    /// In a sentence.
    pub fn in_words(&self) -> String {
        match (&self.verdict, &self.reason) {
            (Some(verdict), None) => in_a_line(verdict),
            (Some(verdict), Some(reason)) => format!("{}; {reason}", in_a_line(verdict)),
            (None, Some(reason)) => format!("{}: {reason}", self.state.name()),
            (None, None) => self.state.name().to_owned(),
        }
    }
}

fn row_of(epoch: &EpochFigures) -> EpochRow {
    EpochRow {
        epoch: epoch.epoch,
        seconds: epoch.seconds,
        loss: epoch.loss.unwrap_or(f64::NAN),
        accuracy: epoch.accuracy,
        val_loss: epoch.val_loss.unwrap_or(f64::NAN),
        val_accuracy: epoch.val_accuracy,
    }
}
