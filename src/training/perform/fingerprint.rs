//! Whether two trainings would make the same model.
//!
//! In: everything that decides the bytes that come of a training. Out: a hash of it. Never: the training.

use sha2::{Digest, Sha256};

use crate::domain::{ModelId, hex};
use crate::training::dataset::FileRecord;
use crate::training::job::CorrectionNote;
use crate::training::parameters::TrainParameters;
use crate::training::train::RECIPE;
use crate::training::tune::LESSONS;

/// What decides the bytes that come of a training: the data set's files, parameters (but for threads), those corrections
/// whose pictures can be read with their weight, and the model whose network it begins with, if any
/// ([`begins_with`](super::begins_with)).
pub fn fingerprint(
    files: &[FileRecord],
    parameters: &TrainParameters,
    (corrections, weight, base): (&[CorrectionNote], f64, Option<&ModelId>),
) -> String {
    let parameters = TrainParameters {
        threads: None,
        ..parameters.clone()
    };
    // Without corrections they have no effect.
    let (weight, base) = match corrections.is_empty() {
        true => (0.0, None),
        false => (weight, base),
    };
    // A newer hangtag may make another model of the same, or another one of the same corrections alone.
    let version = (env!("CARGO_PKG_VERSION"), RECIPE);
    let digests: Vec<_> = files.iter().map(|file| &file.sha256).collect();
    let json = serde_json::to_vec(&(version, digests, parameters, corrections, weight, base))
        .expect("plain values have a JSON form; this is a bug");
    let mut hasher = Sha256::new_with_prefix(&json);
    if !corrections.is_empty() {
        hasher.update(LESSONS.to_le_bytes());
    }
    hex(&hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ArchitectureName;
    use crate::model::ModelBundle;

    #[test]
    fn the_model_that_ships_is_what_the_recipe_makes() {
        let shipped = ModelBundle::embedded();
        let training = &shipped.manifest().training;
        let files: Vec<FileRecord> = serde_json::from_value(training["data"].clone()).unwrap();
        let parameters = TrainParameters::recipe(ArchitectureName::Residual);
        assert_eq!(
            training["fingerprint"],
            fingerprint(&files, &parameters, (&[], 0.0, None))
        );
    }

    #[test]
    fn a_fingerprint_tells_what_would_make_another_model_and_nothing_else() {
        let parameters = TrainParameters::default();
        type Rest<'a> = (&'a [CorrectionNote], f64, Option<&'a ModelId>);
        let of = |parameters: &TrainParameters, rest: Rest| fingerprint(&[], parameters, rest);
        let plain = of(&parameters, (&[], 0.1, None));
        let on_two = TrainParameters {
            threads: Some(2),
            ..parameters.clone()
        };
        assert_eq!(of(&on_two, (&[], 0.1, None)), plain);
        assert_eq!(
            of(&parameters, (&[], 0.2, None)),
            plain,
            "there is nothing to weigh"
        );

        let corrections = [CorrectionNote {
            content_hash: "5f".repeat(32),
            label: None,
        }];
        let bases = ["0123456789abcdef", "fedcba9876543210"].map(|id| ModelId::from_sha256(id).unwrap());
        let seeded = TrainParameters {
            seed: parameters.seed + 1,
            ..parameters.clone()
        };
        let mut all = vec![
            plain,
            of(&seeded, (&[], 0.1, None)),
            of(&parameters, (&corrections, 0.1, None)),
            of(&parameters, (&corrections, 0.2, None)),
            of(&parameters, (&corrections, 0.1, Some(&bases[0]))),
            of(&parameters, (&corrections, 0.1, Some(&bases[1]))),
        ];
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 6);
    }
}
