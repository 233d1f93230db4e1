//! The threads that own the classifiers, one each: batches -> predictions.
//!
//! In: prepared images, which it takes in [batches](super::batch). Out: a [`Recordable`] a batch, every image in it tagged. Never: a batch
//! answered by two models, or an answer made up where the model gave none: then the service ends, and the images
//! are found again by the next start.

use std::time::SystemTime;

use async_channel::{Receiver, Sender};

use super::batch::{Batch, BatchLimits, next_batch_blocking};
use super::prepare::PreparedImage;
use super::record::{Pace, Recordable};
use crate::domain::{Scores, Severity};
use crate::model::{Classifier, ClassifyError};
use crate::preprocess::InputTensor;
use crate::status::Station;
use crate::store::{Change, TagRecord};

/// The station's ends.
#[derive(Clone)]
pub struct InferEnds {
    /// What to answer; the station ends when this closes.
    pub prepared_rx: Receiver<PreparedImage>,
    /// To the record.
    pub recordable_tx: Sender<Recordable>,
}

/// Runs until the images end; a model that does not answer is an error.
pub fn infer_blocking(
    mut classifier: Box<dyn Classifier>,
    limits: BatchLimits,
    ends: &InferEnds,
    station: &Station,
) -> Result<(), ClassifyError> {
    let InferEnds {
        prepared_rx,
        recordable_tx,
    } = ends;
    while let Some(batch) = next_batch_blocking(prepared_rx, limits) {
        let size = batch.len();
        let recordable = answer(classifier.as_mut(), batch, limits.max_images)?;
        station.did_many(size as u64, || format!("batch of {size}"));
        if recordable_tx.send_blocking(recordable).is_err() {
            break; // The record has failed and says so itself.
        }
    }
    Ok(())
}

fn answer(
    classifier: &mut dyn Classifier,
    batch: Batch,
    full_batch: usize,
) -> Result<Recordable, ClassifyError> {
    let pace = if batch.len() >= full_batch {
        Pace::Busy
    } else {
        Pace::Calm
    };
    let inputs: Vec<&InputTensor> = batch.iter().map(|image| &image.input).collect();
    let scores = match classifier.classify(&inputs) {
        Err(error) if error.severity() == Severity::Retry => {
            tracing::warn!(
                "a batch of {} failed, asking image by image: {error}",
                inputs.len()
            );
            one_by_one(classifier, &inputs)?
        }
        answered => answered?,
    };
    let (device, preprocessing) = (classifier.device(), classifier.preprocessing());
    let tagged_at = SystemTime::now().into();
    let claims = batch.iter().map(|image| image.content.hash).collect();
    let tagged = batch
        .into_iter()
        .zip(scores)
        .map(|(image, scores)| Change::Tagged {
            file: image.file,
            content: image.content,
            tag: TagRecord {
                scores,
                model: classifier.id().clone(),
                device,
                preprocessing,
                tagged_at,
            },
        });
    Ok(Recordable {
        changes: tagged.collect(),
        claims,
        pace,
    })
}

/// Needs the least memory of the device; what fails even so will not pass by waiting.
fn one_by_one(
    classifier: &mut dyn Classifier,
    inputs: &[&InputTensor],
) -> Result<Vec<Scores>, ClassifyError> {
    let mut scores = Vec::with_capacity(inputs.len());
    for input in inputs {
        scores.extend(classifier.classify(&[input])?);
    }
    Ok(scores)
}
