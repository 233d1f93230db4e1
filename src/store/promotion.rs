//! Whether a person may put a model in service, and what is changed then: one rule for the command and for the page.
//!
//! In: what a person wants, and the registry as it stands. Out: the change to make, or why not. Never: a model opened: that it
//! works is for whoever asks to prove, between the decision and the change.

use super::error::StoreError;
use super::lookup::Reader;
use super::service::{Actor, Forced, ModelState, ServiceChange};
use super::write::Store;
use crate::domain::{ModelId, Timestamp};

/// Which model a person wants to serve.
#[derive(Debug, Clone, PartialEq)]
pub struct Wish {
    /// Which one; `None`: the one that served before.
    pub model: Option<ModelId>,
    /// Also one that the gate has not let pass.
    pub forced: Forced,
    /// Why, in words.
    pub reason: Option<String>,
    /// Which model was in service when the person decided, if they looked.
    pub instead_of: Option<ModelId>,
    /// Who.
    pub by: String,
}

/// Why a wish is not granted.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// There is none to go back to.
    #[error("no other model has served before, so there is none to go back to")]
    NoFormer,
    /// Nothing is to be changed.
    #[error("{0} is in service already")]
    InService(ModelId),
    /// Nobody but a person vouches for it.
    #[error("{model} has not passed the gate: {why}; it can be forced, which is recorded")]
    NotPassed {
        /// Which one.
        model: ModelId,
        /// What the gate said, if anything.
        why: String,
    },
    /// The gate, or somebody else, decided since.
    #[error("another model went into service meanwhile; look again, and decide again")]
    Overtaken,
    /// The store could not be asked, or not changed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Wish {
    /// The change that grants it, in the place of the model that is in service now. `shipped` serves unjudged.
    pub fn decided(
        self,
        reader: &Reader,
        shipped: &ModelId,
        at: Timestamp,
    ) -> Result<ServiceChange, Refusal> {
        let in_service = reader.model_in_service_id()?;
        if self.instead_of.is_some() && self.instead_of != in_service {
            return Err(Refusal::Overtaken);
        }
        let model = match &self.model {
            Some(model) => model.clone(),
            None => reader.former_model()?.ok_or(Refusal::NoFormer)?,
        };
        if in_service.as_ref() == Some(&model) {
            return Err(Refusal::InService(model));
        }
        let row = reader.model(&model)?;
        let verdict = reader.run_that_made(&model)?.and_then(|run| run.verdict);
        let has_served = row.as_ref().is_some_and(|row| row.state == ModelState::Retired);
        let has_passed = verdict
            .as_ref()
            .is_some_and(|verdict| verdict["verdict"] == "promote");
        let forced = match (has_served || has_passed || model == *shipped, self.forced) {
            (true, _) => Forced::No,
            (false, Forced::Yes) => Forced::Yes,
            (false, Forced::No) => {
                let why = row.and_then(|row| row.state_reason);
                return Err(Refusal::NotPassed {
                    model,
                    why: why.unwrap_or("the gate has not judged it".into()),
                });
            }
        };
        let usual = if self.model.is_some() {
            "promoted"
        } else {
            "rolled back"
        };
        let reason = self.reason.as_deref().unwrap_or(usual);
        Ok(ServiceChange {
            model,
            at,
            by: Actor::Person,
            reason: format!("{reason}, by {}", self.by),
            forced,
            verdict: self.model.and(verdict),
            instead_of: in_service,
        })
    }
}

impl Store {
    /// Makes a change that was decided upon, unless that was overtaken.
    pub fn grant(&mut self, change: &ServiceChange) -> Result<(), Refusal> {
        match self.put_in_service(change)? {
            true => Ok(()),
            false => Err(Refusal::Overtaken),
        }
    }
}
