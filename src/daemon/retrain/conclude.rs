//! What becomes of a run that is through: judged, published, registered, on record.
//!
//! In: a run's conclusion. Out: its report, its bundle in the place that models are loaded from, a changed registry if
//! the gate says so. Never: a registry changed against a model that took the place of the one it was judged by; a way back
//! closed, because the gate would not let in once more what has served. All of it may be done twice: after a crash it is.

use std::time::SystemTime;

use serde_json::json;

use super::{RetrainError, Retrainer, RunSummary, row_of};
use crate::config::Config;
use crate::daemon::open::entry_of;
use crate::domain::{ModelId, ParseError, Timestamp};
use crate::durable;
use crate::model::ModelBundle;
use crate::store::{
    Actor, Forced, ModelState, OutOfFold, RunEnd, RunId, RunState, RunTrigger, ServiceChange,
};
use crate::training::gate::{GateRules, Verdict, judge};
use crate::training::job::RunFolder;
use crate::training::newcomer::{Aim, fit_on_audit, thresholds_in_words};
use crate::training::perform::Conclusion;
use crate::training::publish::publish_blocking;
use crate::training::report::Report;
use crate::training::schedule::Trigger;

/// Exported and trainer's probabilities may differ by so much.
const MAX_PARITY_DIFFERENCE: f64 = 1e-4;

impl Retrainer {
    /// Judges, publishes, registers, and ends the run. Everything in it may be done twice.
    pub(super) fn conclude_blocking(
        &mut self,
        run: RunId,
        folder: &RunFolder,
        conclusion: Conclusion,
    ) -> Result<RunSummary, RetrainError> {
        let findings = match conclusion {
            Conclusion::Finished(findings) => *findings,
            Conclusion::Stopped { reason } => return self.end(run, RunState::Stopped, &reason),
            Conclusion::Failed { reason } => return self.end(run, RunState::Failed, &reason),
        };
        let verdict = judge(
            &findings.candidate,
            Some(&findings.in_service),
            &gate_rules(&self.config),
        )?;
        let bundle = ModelBundle::load(&folder.bundle_path())?;
        let trigger = self.reader.run(run)?.and_then(|run| asked_by(run.trigger));
        findings.write_report_blocking(folder.path(), trigger, &verdict)?;
        // A service that was killed may not have heard of the last ones.
        for epoch in &findings.report.epochs {
            self.store.add_epoch(run, &row_of(epoch))?;
        }
        publish_blocking(&self.config.models_dir(), &bundle)?;
        let against = ModelId::from_sha256(&findings.in_service_model)?;
        self.store.register_model(&entry_of(&bundle)?)?;
        let out_of_fold = findings.out_of_fold.iter().map(|answer| {
            let (hash, prediction) = answer.parse()?;
            Ok(OutOfFold { hash, prediction })
        });
        let out_of_fold = out_of_fold.collect::<Result<Vec<_>, ParseError>>()?;
        self.store.store_out_of_fold(bundle.id(), &out_of_fold)?;
        // Whatever the verdict: a person may let it into service all the same.
        let corrections_dir = self.config.corrections_dir();
        let aim = Aim {
            target_precision: self.config.tagging.target_precision,
            at: SystemTime::now().into(),
            corrections_dir: &corrections_dir,
        };
        fit_on_audit((&mut self.store, &self.reader), bundle.id(), aim)?;
        if !self.register((&bundle, &against), &verdict, run)? {
            let reason = format!(
                "it was measured against {against}, in the place of which another model was put while it was judged; `hangtag retrain now` begins anew"
            );
            return self.end(run, RunState::Failed, &reason);
        }
        durable::crash_point("publish.registered");
        let reason = left_out(&findings.report);
        if let Some(reason) = &reason {
            tracing::warn!("run {}: {reason}", run.0);
        }
        let end = RunEnd {
            ended_at: SystemTime::now().into(),
            state: RunState::Finished,
            figures: Some(bundle.manifest().figures.clone()),
            reason: reason.clone(),
            bundle: Some(self.config.models_dir().join(bundle.id().as_str())),
            model: Some(bundle.id().clone()),
            verdict: Some(json!(verdict)),
        };
        self.store.finish_run(run, &end)?;
        Ok(RunSummary {
            run,
            state: RunState::Finished,
            reason,
            verdict: Some(verdict),
        })
    }

    /// `false`: another model than the one it was measured against is in service by now, and stays.
    fn register(
        &mut self,
        (bundle, against): (&ModelBundle, &ModelId),
        verdict: &Verdict,
        run: RunId,
    ) -> Result<bool, RetrainError> {
        let at: Timestamp = SystemTime::now().into();
        durable::crash_point("register.candidate");
        let reason = format!("run {} {}", run.0, in_a_line(verdict));
        if !verdict.is_promote() {
            // One that has served is one to go back to, also where a later run has made it again: the refusal stands with that run.
            let standing = self.reader.model(bundle.id())?.map(|row| row.state);
            if !matches!(standing, Some(ModelState::InService | ModelState::Retired)) {
                self.store.reject_model(bundle.id(), &reason, at)?;
            }
            return Ok(true);
        }
        // Judged a second time after a crash: it may have served, and been rolled back, before its run was ended.
        let history = self.reader.service_history(1_000)?;
        if history
            .iter()
            .any(|served| served.model == *bundle.id() && served.reason == reason)
        {
            return Ok(true);
        }
        let is_in_service = self.store.put_in_service(&ServiceChange {
            model: bundle.id().clone(),
            at,
            by: Actor::Gate,
            reason,
            forced: Forced::No,
            verdict: Some(json!(verdict)),
            instead_of: Some(against.clone()),
        })?;
        if is_in_service {
            let thresholds = thresholds_in_words(&self.reader, bundle.id())?;
            tracing::info!("model {} goes into service; it {thresholds}", bundle.id());
        }
        Ok(is_in_service)
    }
}

/// What decided, in a sentence; all that was looked at stands in the verdict itself and in the report.
pub(super) fn in_a_line(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Promote { .. } => "passed the gate".to_owned(),
        Verdict::Keep { reasons, .. } => {
            let reasons: Vec<_> = reasons.iter().map(ToString::to_string).collect();
            format!("did not pass the gate: {}", reasons.join("; "))
        }
    }
}

/// What a run had to do without, though it went through.
fn left_out(report: &Report) -> Option<String> {
    let unusable = report.corrections.as_ref()?.unusable.len();
    (unusable > 0).then(|| {
        format!(
            "{unusable} of the corrections were not learned, since their pictures cannot be read; the run's report names them and what to do"
        )
    })
}

/// What a person has set, as the gate takes it.
fn gate_rules(config: &Config) -> GateRules {
    GateRules {
        min_accuracy: config.gate.min_accuracy,
        margin: config.gate.margin,
        max_class_drop: config.gate.max_class_drop,
        max_parity_difference: MAX_PARITY_DIFFERENCE,
        max_cost: config.gate.max_cost,
        min_photos: config.gate.min_photos as u64,
    }
}

fn asked_by(trigger: RunTrigger) -> Option<Trigger> {
    match trigger {
        RunTrigger::Schedule => Some(Trigger::Schedule),
        RunTrigger::CatchUp => Some(Trigger::CatchUp),
        RunTrigger::Person => Some(Trigger::Person),
        RunTrigger::Corrections => Some(Trigger::Corrections),
        RunTrigger::Drift => Some(Trigger::Drift),
        RunTrigger::Command => None,
    }
}
