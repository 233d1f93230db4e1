//! Two models' answers for the same pictures -> on how many they differ, by class.
//!
//! In: the answers of both, in the same order. Out: counts. Never: pictures that only one of them answered.

use super::{Answer, ClassDifference, GateError, HeldOut, PairedDifference};
use crate::domain::{LABEL_COUNT, Label};

/// For each class: pictures, only the candidate wrong, only the model in service wrong.
pub(super) struct Tally([[u64; 3]; LABEL_COUNT]);

impl Tally {
    /// Counts the pictures that both answered; they must be the same ones.
    pub fn of(on: HeldOut, candidate: &[Answer], in_service: &[Answer]) -> Result<Self, GateError> {
        let same = |(one, other): (&Answer, &Answer)| one.truth == other.truth;
        let paired = candidate.iter().zip(in_service);
        if candidate.len() != in_service.len() || !paired.clone().all(same) {
            return Err(GateError::NotPaired {
                on,
                candidate: candidate.len(),
                in_service: in_service.len(),
            });
        }
        let mut counts = [[0; 3]; LABEL_COUNT];
        for (new, old) in paired {
            let [images, only_candidate_wrong, only_in_service_wrong] = &mut counts[new.truth.index()];
            *images += 1;
            *only_candidate_wrong += u64::from(!new.is_right() && old.is_right());
            *only_in_service_wrong += u64::from(new.is_right() && !old.is_right());
        }
        Ok(Self(counts))
    }

    /// All classes together; `None` without pictures.
    pub fn all(&self) -> Option<PairedDifference> {
        let sum = |place: usize| self.0.iter().map(|counts| counts[place]).sum();
        PairedDifference::of(sum(0), sum(1), sum(2))
    }

    /// The classes that are present, in label order; their bounds hold for all of them at once.
    pub fn classes(&self) -> Vec<ClassDifference> {
        let present = self.0.iter().filter(|[images, ..]| *images > 0).count();
        Label::all()
            .zip(self.0)
            .filter_map(|(label, [images, new, old])| {
                let paired = PairedDifference::among(present, images, new, old)?;
                Some(ClassDifference { label, paired })
            })
            .collect()
    }
}
