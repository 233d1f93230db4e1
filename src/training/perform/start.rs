//! Where a quick rebuild begins: with a trained network, in the place of fresh weights.
//!
//! In: a job, the model in service, the one that ships. Out: the first network of them that will do. Never: a network
//! that has learned corrections. Nothing that begins with it could be asked about these as if it had not seen them, and
//! thresholds and gate would take its answers for evidence.

use crate::domain::ModelId;
use crate::model::ModelBundle;
use crate::training::corrections::Material;
use crate::training::dataset::{FileRecord, OFFICIAL_FILES};
use crate::training::export::residual::network_from;
use crate::training::job::Job;
use crate::training::manifest::learned_by;
use crate::training::network::{Architecture, Network};
use crate::training::parameters::TrainParameters;

/// Whether the job wants to begin with a network, and could learn something then.
pub fn wants_base(job: &Job) -> bool {
    let learns = !job.corrections.is_empty() && job.correction_weight > 0.0;
    job.warm_start && job.parameters.knows_unknown() && learns
}

/// The model whose network the job begins with; `None`: with fresh weights.
pub fn begins_with(job: &Job, in_service: &ModelBundle, files: &[FileRecord]) -> Option<ModelId> {
    let base = wants_base(job).then(|| base_of(in_service, &job.parameters, files));
    base?.ok().map(|(bundle, _)| bundle.id().clone())
}

/// The network to begin with and whose it is, if the job wants one, there are photos to learn, and one will do.
pub(super) fn of(
    job: &Job,
    in_service: &ModelBundle,
    (material, files): (&Material, &[FileRecord]),
) -> Option<(ModelId, Network)> {
    if !wants_base(job) || material.photos.is_empty() {
        return None;
    }
    match base_of(in_service, &job.parameters, files) {
        Ok((bundle, network)) => Some((bundle.id().clone(), network)),
        Err(why) => {
            tracing::warn!("training begins anew: {why}");
            None
        }
    }
}

/// The model that a quick rebuild by these files goes on from, and its network: the one in service, else the one that ships. Or
/// what is against both.
pub fn base_of(
    in_service: &ModelBundle,
    parameters: &TrainParameters,
    files: &[FileRecord],
) -> Result<(ModelBundle, Network), String> {
    let mut against = Vec::new();
    for bundle in [in_service.clone(), ModelBundle::embedded()] {
        match unspoilt(&bundle, parameters, files) {
            Ok(network) => {
                against
                    .iter()
                    .for_each(|why| tracing::info!("not gone on from {why}"));
                return Ok((bundle, network));
            }
            Err(why) => against.push(format!("{}: {why}", bundle.id())),
        }
    }
    against.dedup();
    Err(format!(
        "there is no model to go on from ({})",
        against.join("; ")
    ))
}

/// The network in a bundle that has learned no correction; or what is against that.
fn unspoilt(
    bundle: &ModelBundle,
    parameters: &TrainParameters,
    files: &[FileRecord],
) -> Result<Network, String> {
    let Architecture::Residual(channels) = parameters.network() else {
        return Err(format!("the architecture {} cannot", parameters.architecture));
    };
    let learned = learned_by(bundle).len();
    if learned > 0 {
        return Err(format!("it has learned {learned} corrections already"));
    }
    // Rows that it was trained on would be taken for validation pictures, and its temperature fitted on what it knows.
    let training = &bundle.manifest().training;
    let own: Vec<FileRecord> = serde_json::from_value(training["data"].clone()).unwrap_or_default();
    if sums_of_training_files(&own) != sums_of_training_files(files) {
        return Err("it was trained on another data set".to_owned());
    }
    if let Some(limit) = parameters.limit_images
        && training["limit_images"]
            .as_u64()
            .is_none_or(|own| own > limit as u64)
    {
        return Err(format!(
            "it was trained on more pictures than train.limit_images = {limit} lets in"
        ));
    }
    let share = training["validation_share"].as_f64();
    if share.is_none_or(|share| share < parameters.validation_share - 1e-6) {
        return Err(format!(
            "it was trained on pictures that train.validation_share = {} keeps for validation",
            parameters.validation_share
        ));
    }
    let (own, asked) = (
        bundle.manifest().parameters,
        parameters.network().parameter_count() as u64,
    );
    if own != asked {
        return Err(format!(
            "its network has {own} parameters, and those that are trained here {asked}"
        ));
    }
    let calibration = bundle.manifest().calibration.as_ref();
    let calibration = calibration.ok_or("its manifest states no temperature")?;
    network_from(bundle.onnx(), channels, calibration.temperature)
}

/// Of test pictures nothing is learned.
fn sums_of_training_files(files: &[FileRecord]) -> Vec<&str> {
    let [images, labels, ..] = &OFFICIAL_FILES;
    let training = files
        .iter()
        .filter(|file| [images.name, labels.name].contains(&file.name.as_str()));
    training.map(|file| file.sha256.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::ArchitectureName;
    use crate::model::bundle::Manifest;
    use crate::training::job::CorrectionNote;

    /// The model that ships with its manifest changed.
    fn shipped(change: impl FnOnce(&mut Manifest)) -> ModelBundle {
        let shipped = ModelBundle::embedded();
        let mut manifest = shipped.manifest().clone();
        change(&mut manifest);
        ModelBundle::from_bytes(shipped.onnx().to_vec(), manifest).unwrap()
    }

    /// The data set that the model that ships was trained on.
    fn official() -> Vec<FileRecord> {
        let records = OFFICIAL_FILES.iter().map(|file| FileRecord {
            name: file.name.into(),
            sha256: file.sha256.into(),
            official: true,
        });
        records.collect()
    }

    #[test]
    fn a_job_begins_with_a_network_only_if_it_learns_something() {
        let job = |corrections: &[&str], warm_start| Job {
            run: 1,
            parameters: TrainParameters::recipe(ArchitectureName::Residual),
            started_by_pid: 1,
            nice: 0,
            in_service: "model".into(),
            in_service_out_of_fold: Vec::new(),
            audited: Vec::new(),
            corrections: corrections
                .iter()
                .map(|digit| CorrectionNote {
                    content_hash: digit.repeat(64),
                    label: None,
                })
                .collect(),
            corrections_read_at: None,
            corrections_dir: "corrections".into(),
            correction_weight: 0.3,
            warm_start,
            target_precision: 0.95,
        };
        let shipped = shipped(|_| ());
        let (id, files) = (Some(shipped.id().clone()), official());
        assert_eq!(begins_with(&job(&["7"], true), &shipped, &files), id);
        assert_eq!(begins_with(&job(&["7"], false), &shipped, &files), None);
        assert_eq!(begins_with(&job(&[], true), &shipped, &files), None);
        let weightless = Job {
            correction_weight: 0.0,
            ..job(&["7"], true)
        };
        assert_eq!(begins_with(&weightless, &shipped, &files), None);
    }

    /// Answers of a network that began with one that knew the photos counted as those of one that had not seen them.
    #[test]
    fn only_a_network_that_has_learned_no_correction_is_one_to_begin_with() {
        let residual = TrainParameters::recipe(ArchitectureName::Residual);
        let unchanged = shipped(|_| ());
        let files = official();
        let found = unspoilt(&unchanged, &residual, &files).unwrap();
        assert_eq!(*found.architecture(), residual.network());

        let learned =
            shipped(|manifest| manifest.training = json!({ "learned_corrections": ["0123456789abcdef"] }));
        let larger = shipped(|manifest| manifest.parameters = 486_779);
        let untempered = shipped(|manifest| manifest.calibration = None);
        let reference = TrainParameters::default();
        let more_for_validation = TrainParameters {
            validation_share: 0.3,
            ..residual.clone()
        };
        for (bundle, parameters, words) in [
            (&learned, &residual, "it has learned 1 corrections"),
            (&untempered, &residual, "no temperature"),
            (&larger, &residual, "its network has 486779 parameters"),
            (&unchanged, &reference, "the architecture reference cannot"),
            (&unchanged, &more_for_validation, "train.validation_share = 0.3"),
        ] {
            let why = unspoilt(bundle, parameters, &files).unwrap_err();
            assert!(why.contains(words), "{why}");
        }
        let (base, _) = base_of(&learned, &residual, &files).unwrap();
        assert!(learned_by(&base).is_empty(), "the one that ships, in its place");
        let why = base_of(&untempered, &reference, &files).unwrap_err();
        assert!(
            why.starts_with("there is no model to go on from (") && why.contains("reference"),
            "{why}"
        );
    }

    /// Of its validation rows it knew all by heart, and its thresholds were fitted on them: 94 of 94 right.
    #[test]
    fn a_network_that_was_trained_on_what_is_to_validate_is_not_gone_on_with() {
        let residual = TrainParameters::recipe(ArchitectureName::Residual);
        let (shipped, files) = (shipped(|_| ()), official());
        let with_another = |place: usize| {
            let mut files = files.clone();
            files[place].sha256 = "5f".repeat(32);
            files
        };
        for place in [0, 1] {
            let why = unspoilt(&shipped, &residual, &with_another(place)).unwrap_err();
            assert!(why.contains("another data set"), "{why}");
        }
        assert!(
            unspoilt(&shipped, &residual, &with_another(2)).is_ok(),
            "test pictures"
        );
        let a_part = TrainParameters {
            limit_images: Some(2_000),
            ..residual
        };
        let why = unspoilt(&shipped, &a_part, &files).unwrap_err();
        assert!(why.contains("train.limit_images = 2000"), "{why}");
    }
}
