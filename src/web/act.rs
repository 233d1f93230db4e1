//! What changes something: corrections, the model in service, a rebuild, another attempt.
//!
//! In: a person's decision, checked against how things stand now. Out: rows in the store, which the daemon obeys as if a
//! command had written them. Never: a model put in service that does not open and answer, a decision made by looking at a
//! page that was overtaken, or two changes at once: one thread makes them all.

use std::sync::Arc;
use std::time::SystemTime;

use super::failure::Failure;
use super::pictures::Easel;
use super::shelf::Shelf;
use super::{Hands, PictureParts};
use crate::config::Config;
use crate::decode::decode;
use crate::domain::{ContentHash, ModelId, Truth};
use crate::model::ModelBundle;
use crate::store::{
    Actor, Forced, Forgotten, ModelRow, ModelState, NewCorrection, Reader, ServiceChange, Store, StoreError,
};

/// Who signs a change of which nobody said who made it.
pub const ANONYMOUS: &str = "web";

/// What the writing thread works with.
pub struct Desk {
    config: Arc<Config>,
    hands: Arc<Hands>,
    /// Opened by the first change; most days see none.
    store: Option<Store>,
    reader: Reader,
    easel: Easel,
}

/// What a person says of a photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// It shows this.
    Truth(Truth),
    /// The model's answer shall count again.
    Undo,
}

/// A person's decision which model shall serve.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// Which one; `None`: the one that served before.
    pub model: Option<ModelId>,
    /// Also one that the gate has not let pass.
    pub forced: Forced,
    /// Why, in words.
    pub reason: Option<String>,
    /// Which model was in service when the person decided.
    pub instead_of: Option<ModelId>,
    /// Who.
    pub by: String,
}

impl Desk {
    /// Nothing is opened for writing yet.
    pub fn new(
        config: Arc<Config>,
        hands: Arc<Hands>,
        parts: &PictureParts,
        shelf: Arc<Shelf>,
    ) -> Result<Desk, StoreError> {
        Ok(Desk {
            reader: Reader::open(&config.store_path())?,
            easel: Easel::open(parts, shelf)?,
            store: None,
            config,
            hands,
        })
    }

    fn store(&mut self) -> Result<&mut Store, Failure> {
        if self.store.is_none() {
            let durability = self.config.durability.into();
            self.store = Some(Store::open(&self.config.store_path(), durability)?);
        }
        let store = self.store.as_mut();
        store.ok_or_else(|| Failure::Internal("the store was opened a line ago; this is a bug".into()))
    }

    /// Puts down what a person says of a content that is on record; whether that is news.
    pub fn correct_blocking(&mut self, hash: ContentHash, word: Word, by: String) -> Result<bool, Failure> {
        if self.reader.history_of_content(&hash)?.is_none() {
            return Err(Failure::NotFound(
                "no photo with that content is on record".into(),
            ));
        }
        let at = SystemTime::now().into();
        let changed = match word {
            Word::Undo => self.store()?.undo_corrections(&[hash], &by, at)?,
            Word::Truth(truth) => {
                self.keep_picture_blocking(&hash);
                self.store()?.correct(&[NewCorrection { hash, truth, by, at }])?
            }
        };
        Ok(changed > 0)
    }

    /// A picture that cannot be had costs a rebuild its lesson, not the correction.
    fn keep_picture_blocking(&self, hash: &ContentHash) {
        let photo = self
            .easel
            .photo_blocking(hash)
            .map_err(|failure| failure.to_string());
        let limits = super::decode_limits(&self.config);
        let kept = photo
            .and_then(|bytes| decode(&bytes, &limits).map_err(|error| error.to_string()))
            .and_then(|image| (self.hands.keep_picture)(hash, &image));
        if let Err(error) = kept {
            tracing::warn!("a corrected photo counts, but no rebuild can learn from it: {error}");
        }
    }

    /// Asks for a rebuild; the request's number.
    pub fn ask_for_rebuild_blocking(&mut self, by: &str) -> Result<i64, Failure> {
        self.refuse_pinned()?;
        Ok(self.store()?.ask_for_rebuild(SystemTime::now().into(), by)?)
    }

    /// Puts a model in service; which one.
    pub fn put_in_service_blocking(&mut self, decision: Decision) -> Result<ModelId, Failure> {
        self.refuse_pinned()?;
        let in_service = self.reader.model_in_service_id()?;
        if decision.instead_of.is_some() && decision.instead_of != in_service {
            return Err(overtaken());
        }
        let model = match &decision.model {
            Some(model) => model.clone(),
            None => self.reader.former_model()?.ok_or_else(|| {
                Failure::Conflict("no other model has served before, so there is none to go back to".into())
            })?,
        };
        let row = self.reader.model(&model)?;
        let row = row.ok_or_else(|| Failure::NotFound(format!("no model {model} is on record")))?;
        if row.state == ModelState::InService {
            return Err(Failure::Conflict(format!("{model} is in service already")));
        }
        let verdict = self.verdict_on(&model)?;
        let forced = judge(&row, verdict.as_ref(), decision.forced)?;
        (self.hands.open_model)(&model).map_err(|why| {
            Failure::Conflict(format!("the model does not work, so nothing was changed: {why}"))
        })?;
        let why = decision.reason.unwrap_or_else(|| match decision.model {
            Some(_) => "promoted".into(),
            None => "rolled back".into(),
        });
        let change = ServiceChange {
            model: model.clone(),
            at: SystemTime::now().into(),
            by: Actor::Person,
            reason: format!("{why}, by {}", decision.by),
            forced,
            verdict: decision.model.and(verdict),
            instead_of: in_service,
        };
        match self.store()?.put_in_service(&change)? {
            true => Ok(model),
            false => Err(overtaken()),
        }
    }

    /// What the gate said of a model, if one of the latest runs made it.
    fn verdict_on(&self, model: &ModelId) -> Result<Option<serde_json::Value>, Failure> {
        let run = self.reader.run_that_made(model)?;
        Ok(run.and_then(|run| run.verdict))
    }

    /// Forgets that files were rejected, and asks for another look; how many are looked at.
    pub fn try_again_blocking(&mut self, files: &[i64]) -> Result<u64, Failure> {
        let hands = Arc::clone(&self.hands);
        let (mut paths, mut out_of_reach) = (Vec::new(), None);
        for file in files {
            match self.store()?.forget_rejection(*file, &hands.is_watched)? {
                Forgotten::NotRejected => {}
                Forgotten::OutOfReach(path) => out_of_reach = Some(path),
                Forgotten::Again(again) => paths.extend(again),
            }
        }
        for path in &paths {
            (hands.look_again)(path);
        }
        match (paths.len() as u64, out_of_reach) {
            (0, Some(path)) => Err(Failure::Conflict(format!(
                "{} is gone or lies in no inbox, so that nothing would look at it again; `hangtag scan` with its path does",
                path.display()
            ))),
            (count, _) => Ok(count),
        }
    }

    fn refuse_pinned(&self) -> Result<(), Failure> {
        match &self.config.inference.model {
            Some(_) => Err(Failure::Conflict(
                "the settings name a model (inference.model), which is served whatever the registry says; unset it to change models here".into(),
            )),
            None => Ok(()),
        }
    }
}

fn overtaken() -> Failure {
    Failure::Conflict("another model went into service meanwhile; look again, and decide again".into())
}

/// Whether a person may put a model in service, and whether that is against the gate.
fn judge(row: &ModelRow, verdict: Option<&serde_json::Value>, forced: Forced) -> Result<Forced, Failure> {
    let has_served = row.state == ModelState::Retired;
    let has_passed = verdict.is_some_and(|verdict| verdict["verdict"] == "promote");
    let is_shipped = row.model == *ModelBundle::embedded().id();
    match (has_served || has_passed || is_shipped, forced) {
        (true, _) => Ok(Forced::No),
        (false, Forced::Yes) => Ok(Forced::Yes),
        (false, Forced::No) => {
            let why = row
                .state_reason
                .as_deref()
                .unwrap_or("the gate has not judged it");
            Err(Failure::Conflict(format!(
                "{} has not passed the gate: {why}; it can be forced, which is recorded",
                row.model
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::{PreprocessingVersion, Timestamp};

    #[test]
    fn what_has_not_passed_must_be_forced() {
        let now = Timestamp::from_millis(0);
        let row = |state| ModelRow {
            model: ModelId::from_sha256(&"a".repeat(64)).unwrap(),
            sha256: "a".repeat(64),
            preprocessing: PreprocessingVersion(1),
            labels: json!([]),
            manifest: json!({}),
            registered_at: now,
            state,
            state_reason: Some("it is worse".into()),
            state_since: now,
        };
        let (promote, keep) = (json!({ "verdict": "promote" }), json!({ "verdict": "keep" }));
        for (state, verdict, forced, expected) in [
            (ModelState::Retired, None, Forced::No, Some(Forced::No)),
            (ModelState::Rejected, Some(&keep), Forced::No, None),
            (ModelState::Rejected, Some(&keep), Forced::Yes, Some(Forced::Yes)),
            (
                ModelState::Rejected,
                Some(&promote),
                Forced::Yes,
                Some(Forced::No),
            ),
            (ModelState::Candidate, None, Forced::No, None),
        ] {
            let got = judge(&row(state), verdict, forced).ok();
            assert_eq!(got, expected, "{state} {verdict:?} {forced:?}");
        }
    }
}
