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

/// The network in a bundle that has learned no correction; or what is against that.
fn unspoilt(bundle: &ModelBundle, parameters: &TrainParameters) -> Result<Network, String> {
    match learned_by(bundle).len() {
        0 => start_from(bundle, parameters),
        learned => Err(format!("it has learned {learned} corrections already")),
    }
}

/// The network in a bundle, for a training with these parameters that goes on from it; or what is against that.
pub fn start_from(bundle: &ModelBundle, parameters: &TrainParameters) -> Result<Network, String> {
    let Architecture::Residual(channels) = parameters.network() else {
        return Err(format!("the architecture {} cannot", parameters.architecture));
    };
    let calibration = bundle.manifest().calibration.as_ref();
    let calibration = calibration.ok_or("its manifest states no temperature")?;
    network_from(bundle.onnx(), channels, calibration.temperature)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::ArchitectureName;
    use crate::model::bundle::Manifest;

    /// The model that ships with its manifest changed.
    fn shipped(change: impl FnOnce(&mut Manifest)) -> ModelBundle {
        let shipped = ModelBundle::embedded();
        let mut manifest = shipped.manifest().clone();
        change(&mut manifest);
        ModelBundle::from_bytes(shipped.onnx().to_vec(), manifest).unwrap()
    }

    /// Answers of a network that began with one that knew the photos counted as those of one that had not seen them.
    #[test]
    fn only_a_network_that_has_learned_no_correction_is_one_to_begin_with() {
        let residual = TrainParameters::recipe(ArchitectureName::Residual);
        let unchanged = shipped(|_| ());
        let found = unspoilt(&unchanged, &residual).unwrap();
        assert_eq!(*found.architecture(), residual.network());

        let learned =
            shipped(|manifest| manifest.training = json!({ "learned_corrections": ["0123456789abcdef"] }));
        let untempered = shipped(|manifest| manifest.calibration = None);
        let reference = TrainParameters::default();
        for (bundle, parameters, words) in [
            (&learned, &residual, "it has learned 1 corrections"),
            (&untempered, &residual, "no temperature"),
            (&unchanged, &reference, "the architecture reference cannot"),
        ] {
            let why = unspoilt(bundle, parameters).unwrap_err();
            assert!(why.contains(words), "{why}");
        }
        assert!(
            start_from(&learned, &residual).is_ok(),
            "for who leaves out what it has learned"
        );
    }
}
