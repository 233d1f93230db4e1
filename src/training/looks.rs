//! The photos on record that are most worth a look.
//!
//! In: the store, and whose answers. Out: the most useful ones, each with its reason. Never: a write; the choice itself,
//! which `review.rs` makes.

use super::review::{Named, Reason, pick};
use crate::domain::{ModelId, Prediction, Thresholds};
use crate::store::{Reader, ReviewCandidate, StoreError};

/// Named photos whose likes are not asked for again: the latest ones.
const REMEMBERED: usize = 500;

/// At most `limit` photos for review or unknown, the most useful first, by the thresholds of `model` and what people have
/// named already. Looks at no more than some thousand photos, whatever the size of the inventory.
pub fn most_useful_looks(
    reader: &Reader,
    model: &ModelId,
    limit: usize,
) -> Result<Vec<(ReviewCandidate, Reason)>, StoreError> {
    let thresholds = reader.thresholds_of(model)?.map(|row| row.thresholds);
    let thresholds = thresholds.unwrap_or_else(Thresholds::unfounded);
    let mut named = Named::default();
    let samples = reader.samples(model)?;
    for (place, sample) in samples.iter().rev().enumerate() {
        named.add(sample.truth, sample.recorded.filter(|_| place < REMEMBERED));
    }
    let candidates = reader.review_candidates()?;
    let predictions: Vec<Prediction> = candidates.iter().map(|one| one.prediction).collect();
    let picks = pick(&predictions, &thresholds, &named, limit);
    let chosen = picks
        .into_iter()
        .map(|pick| (candidates[pick.index].clone(), pick.reason));
    Ok(chosen.collect())
}
