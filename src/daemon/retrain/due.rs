//! Whether a run is due, and whether anything new would come of it.
//!
//! In: the settings, what is on record. Out: what the [schedule](crate::training::schedule) decides by; runs that are
//! recorded without being made. Never: a run of its own.

use std::num::NonZeroU64;

use super::{RetrainError, Retrainer, RunSummary};
use crate::config::Config;
use crate::domain::{ModelId, Timestamp};
use crate::model::ModelBundle;
use crate::store::{NewRun, RunEnd, RunRow, RunState, RunTrigger, ScheduleInForce, StoreError};
use crate::training::dataset::{Provenance, file_records_blocking};
use crate::training::drift::{Drift, Window, Windows};
use crate::training::job::{CorrectionNote, Job};
use crate::training::out_of_fold::OutOfFold;
use crate::training::perform::{begins_with, fingerprint, usable_blocking, wants_base};
use crate::training::schedule::{ScheduleRecord, ScheduleRules, Trigger, latest_credible_due};

impl Retrainer {
    /// What stands for all that decides the bytes of the job's model. `None` where the data set is not there yet, which the run then
    /// fetches, or the model in service cannot be read, which the run then says.
    pub(super) fn fingerprint_of_blocking(&self, job: &Job) -> Option<String> {
        let files = file_records_blocking(&self.config.dataset_dir(), Provenance::Any).ok()?;
        let base = match wants_base(job) {
            true => {
                let in_service = self.in_service().ok()?;
                let bundle = self.config.models_dir().join(in_service.as_str());
                begins_with(job, &ModelBundle::load(&bundle).ok()?, &files)
            }
            false => None,
        };
        let usable = usable_blocking(job).ok()?;
        let learned = (usable.as_slice(), job.correction_weight, base.as_ref());
        Some(fingerprint(&files, &job.parameters, learned))
    }

    pub(super) fn unchanged(
        &mut self,
        (trigger, due_at, now): (RunTrigger, Option<Timestamp>, Timestamp),
        asked: i64,
        print: &str,
        reason: &str,
    ) -> Result<RunSummary, RetrainError> {
        let new = NewRun {
            fingerprint: Some(print.to_owned()),
            ..passed_over(now, trigger, due_at)
        };
        let end = RunEnd::without_result(RunState::Unchanged, now, reason);
        let run = self.store.record_run(&new, &end)?;
        self.store.take_rebuild_requests(run, asked, now)?;
        Ok(RunSummary {
            run,
            state: RunState::Unchanged,
            reason: Some(reason.to_owned()),
            verdict: None,
        })
    }

    /// Why nothing new would come of a run, if its very data, corrections, parameters and seed were trained on before. Where
    /// the gate has let another model into service since, its verdict would be about that one, and is open: a model with a
    /// correction that was withdrawn would serve on for ever.
    pub(super) fn known_outcome(
        &self,
        print: &str,
        trigger: RunTrigger,
    ) -> Result<Option<String>, StoreError> {
        const SAME: &str = "data, corrections, parameters and seed are those of";
        let in_service = self.reader.model_in_service()?;
        let made = in_service
            .as_ref()
            .and_then(|model| model.manifest["training"]["fingerprint"].as_str());
        if made == Some(print) {
            return Ok(Some(format!(
                "{SAME} the model in service, so that the same model would come of it"
            )));
        }
        if trigger == RunTrigger::Person {
            return Ok(None); // Who asks after a refusal may have changed the gate's rules.
        }
        let runs = self.reader.trained_runs(1_000)?;
        let is_same =
            |run: &&RunRow| run.state == RunState::Finished && run.fingerprint.as_deref() == Some(print);
        let was_let_in = |run: &RunRow| {
            let verdict = run.verdict.as_ref();
            verdict.is_some_and(|verdict| verdict["verdict"] == "promote")
        };
        let decisive = runs.iter().find(|run| is_same(run) || was_let_in(run));
        Ok(decisive.filter(is_same).map(|run| {
            let model = run.model.as_ref().map(ToString::to_string).unwrap_or_default();
            format!(
                "{SAME} run {}, of which {model} came: refused or rolled back since, or yet to be promoted (`hangtag models show {model}`)",
                run.id.0
            )
        }))
    }

    pub(super) fn record(&mut self, now: Timestamp) -> Result<ScheduleRecord, StoreError> {
        let in_force_since = self.in_force_since(now)?;
        let (last_start, state) = self.reader.last_rebuild_start()?.unzip();
        Ok(ScheduleRecord {
            up_since: self.up_since,
            in_force_since,
            last_due: self.reader.last_due(latest_credible_due(now))?,
            last_start,
            was_stopped: state == Some(RunState::Stopped),
            requested_at: self
                .reader
                .open_rebuild_request()?
                .map(|request| request.asked_at),
            new_corrections: self.reader.count_new_corrections(now)?,
            failures: self.reader.failures_for_corrections()?,
            has_drifted: self.has_drifted(now)?,
        })
    }

    /// Since when a service has gone by the schedule of the settings; one that was not on record yet is from now on.
    pub(super) fn in_force_since(&mut self, now: Timestamp) -> Result<Timestamp, StoreError> {
        let schedule = self.config.retrain.schedule.as_ref();
        let schedule = schedule.map(|schedule| ScheduleInForce {
            expression: schedule.expression().to_owned(),
            timezone: schedule.timezone().to_owned(),
            since: now,
        });
        let held = self.reader.schedule_in_force()?;
        match (held, schedule) {
            // A moment that is yet to come was written under a wrong clock.
            (Some(held), Some(schedule)) if held.is_of(&schedule) && held.since <= now => Ok(held.since),
            (None, None) => Ok(now),
            (_, schedule) => {
                self.store.put_schedule_in_force(schedule.as_ref())?;
                Ok(now)
            }
        }
    }

    fn has_drifted(&self, now: Timestamp) -> Result<bool, StoreError> {
        let enough = self.config.retrain.on_drift;
        if enough == 0.0 {
            return Ok(false);
        }
        let Some(model) = self.reader.model_in_service_id()? else {
            return Ok(false);
        };
        let windows = self
            .reader
            .first_served(&model)?
            .and_then(|since| Windows::of(since, now));
        let last_drift_start = self.reader.last_start_for_drift(now)?;
        let Some(windows) = windows.filter(|windows| !windows.are_answered_by(last_drift_start)) else {
            return Ok(false);
        };
        let tally = |window: Window| self.reader.daily_tally(&model, window.from, window.until);
        let both = || Ok((tally(windows.reference)?, tally(windows.recent)?));
        let (reference, recent) = self
            .reader
            .at_one_moment("compare the days of the model in service", both)?;
        let drift = Drift::between(&reference, &recent);
        Ok(drift.is_some_and(|drift| drift.greatest() >= enough))
    }

    pub(super) fn corrections(&self) -> Result<Vec<CorrectionNote>, StoreError> {
        let mut notes: Vec<_> = self
            .reader
            .corrections()?
            .into_iter()
            .map(|row| CorrectionNote {
                content_hash: row.hash.to_string(),
                label: row.truth.label().map(|label| label.name().to_owned()),
            })
            .collect();
        notes.sort();
        Ok(notes)
    }

    /// What networks said of corrections that they had not seen, on behalf of a model that has learned them; and which
    /// corrections are of photos drawn at random.
    pub(super) fn evidence(&self, model: &ModelId) -> Result<(Vec<OutOfFold>, Vec<String>), StoreError> {
        let samples = self.reader.samples(model)?;
        let audited = samples.iter().filter(|sample| sample.is_audited);
        let mut audited: Vec<_> = audited.map(|sample| sample.hash.to_string()).collect();
        audited.sort();
        let mut answers: Vec<_> = samples
            .iter()
            .filter_map(|sample| Some(OutOfFold::new(&sample.hash, &sample.out_of_fold?)))
            .collect();
        answers.sort_by(|one, other| one.content_hash.cmp(&other.content_hash));
        Ok((answers, audited))
    }
}

/// What a person has set, as the schedule takes it.
pub fn rules(config: &Config) -> ScheduleRules {
    ScheduleRules {
        schedule: config.retrain.schedule.clone(),
        catch_up: config.retrain.catch_up,
        min_interval: config.retrain.min_interval,
        after_corrections: NonZeroU64::new(config.retrain.after_corrections),
    }
}

pub(super) fn passed_over(started_at: Timestamp, trigger: RunTrigger, due_at: Option<Timestamp>) -> NewRun {
    NewRun {
        started_at,
        parameters: serde_json::Value::Null,
        trigger,
        due_at,
        fingerprint: None,
        corrections_read_at: None,
    }
}

pub(super) fn recorded(trigger: Trigger) -> RunTrigger {
    match trigger {
        Trigger::Schedule => RunTrigger::Schedule,
        Trigger::CatchUp => RunTrigger::CatchUp,
        Trigger::Person => RunTrigger::Person,
        Trigger::Corrections => RunTrigger::Corrections,
        Trigger::Drift => RunTrigger::Drift,
    }
}
