//! Whether two trainings would make the same model.
//!
//! In: everything that decides the bytes that come of a training. Out: a hash of it. Never: the training.

use sha2::{Digest, Sha256};

use crate::domain::hex;
use crate::training::dataset::FileRecord;
use crate::training::job::CorrectionNote;
use crate::training::parameters::TrainParameters;

/// What decides the bytes that come of a training: the data set's files, parameters (but for threads), corrections with
/// their weight, and whether it begins with the network in service.
pub fn fingerprint(
    files: &[FileRecord],
    parameters: &TrainParameters,
    (corrections, weight, warm_start): (&[CorrectionNote], f64, bool),
) -> String {
    let parameters = TrainParameters {
        threads: None,
        ..parameters.clone()
    };
    // Without corrections neither has an effect.
    let (weight, warm_start) = match corrections {
        [] => (0.0, false),
        _ => (weight, warm_start),
    };
    // A newer hangtag may make another model of the same.
    let version = env!("CARGO_PKG_VERSION");
    let digests: Vec<_> = files.iter().map(|file| &file.sha256).collect();
    let json = serde_json::to_vec(&(version, digests, parameters, corrections, weight, warm_start))
        .expect("plain values have a JSON form; this is a bug");
    hex(&Sha256::digest(&json))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_tells_what_would_make_another_model_and_nothing_else() {
        let parameters = TrainParameters::default();
        let of = |parameters: &TrainParameters, rest: (&[CorrectionNote], f64, bool)| {
            fingerprint(&[], parameters, rest)
        };
        let plain = of(&parameters, (&[], 0.1, false));
        let on_two = TrainParameters {
            threads: Some(2),
            ..parameters.clone()
        };
        assert_eq!(of(&on_two, (&[], 0.1, false)), plain);
        assert_eq!(
            of(&parameters, (&[], 0.2, true)),
            plain,
            "without corrections neither has an effect"
        );

        let corrections = [CorrectionNote {
            content_hash: "5f".repeat(32),
            label: None,
        }];
        let seeded = TrainParameters {
            seed: parameters.seed + 1,
            ..parameters.clone()
        };
        let mut all = vec![
            plain,
            of(&seeded, (&[], 0.1, false)),
            of(&parameters, (&corrections, 0.1, false)),
            of(&parameters, (&corrections, 0.2, false)),
            of(&parameters, (&corrections, 0.1, true)),
        ];
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 5);
    }
}
