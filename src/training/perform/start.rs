//! Where a quick rebuild begins: with a trained network, in the place of fresh weights.
//!
//! In: a job, the model in service, the one that ships. Out: the first network of them that will do. Never: a network
//! that has learned corrections. Nothing that begins with it could be asked about these as if it had not seen them, and
//! thresholds and gate would take its answers for evidence.

use crate::model::ModelBundle;
use crate::training::corrections::Material;
use crate::training::export::residual::network_from;
use crate::training::job::Job;
use crate::training::manifest::learned_by;
use crate::training::network::{Architecture, Network};
use crate::training::parameters::TrainParameters;

/// The network to begin with, if the job wants one, there are photos to learn, and one will do.
pub(super) fn of(job: &Job, in_service: &ModelBundle, material: &Material) -> Option<Network> {
    if !job.warm_start || material.train.is_empty() || !job.parameters.knows_unknown() {
        return None;
    }
    for bundle in [in_service, &ModelBundle::embedded()] {
        match unspoilt(bundle, &job.parameters) {
            Ok(network) => return Some(network),
            Err(why) => tracing::info!("this run does not begin with the model {}: {why}", bundle.id()),
        }
    }
    tracing::warn!("training begins anew: there is no model to go on from");
    None
}

/// A model's network if it has learned no corrections; or why it is none to go on from.
fn unspoilt(bundle: &ModelBundle, parameters: &TrainParameters) -> Result<Network, String> {
    match learned_by(bundle).len() {
        0 => start_from(bundle, parameters),
        learned => Err(format!("it has learned {learned} corrections already")),
    }
}

/// The network in a bundle, for a rebuild with these parameters that goes on from it; or what is against that.
pub fn start_from(bundle: &ModelBundle, parameters: &TrainParameters) -> Result<Network, String> {
    let Architecture::Residual(channels) = parameters.network() else {
        return Err(format!("the architecture {} cannot", parameters.architecture));
    };
    let calibration = bundle.manifest().calibration.as_ref();
    let calibration = calibration.ok_or("its manifest states no temperature")?;
    network_from(bundle.onnx(), channels, calibration.temperature)
}
