//! The thread that owns the classifier: batches -> predictions.
//!
//! In: batches of prepared images. Out: a [`Recordable`] a batch, every image in it tagged. Never: a batch
//! answered by two models, or an answer made up where the model gave none: then the service ends, and the images
//! are found again by the next start.

use std::time::SystemTime;

use async_channel::{Receiver, Sender};

use super::batch::Batch;
use super::record::Recordable;
use crate::domain::{Scores, Severity};
use crate::model::{Classifier, ClassifyError};
use crate::preprocess::InputTensor;
use crate::status::Station;
use crate::store::{Change, TagRecord};

/// Runs until the batches end; a model that does not answer is an error.
pub fn infer_blocking(
    mut classifier: Box<dyn Classifier>,
    batch_rx: &Receiver<Batch>,
    recordable_tx: &Sender<Recordable>,
    station: &Station,
) -> Result<(), ClassifyError> {
    while let Ok(batch) = batch_rx.recv_blocking() {
        let size = batch.len();
        let recordable = answer(classifier.as_mut(), batch)?;
        station.did_many(size as u64, || format!("batch of {size}"));
        if recordable_tx.send_blocking(recordable).is_err() {
            break; // The record has failed and says so itself.
        }
    }
    Ok(())
}

fn answer(classifier: &mut dyn Classifier, batch: Batch) -> Result<Recordable, ClassifyError> {
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
