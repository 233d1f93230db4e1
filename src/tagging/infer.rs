//! The threads that own the classifiers, one each: batches -> predictions; the swap point.
//!
//! In: prepared images, which it takes in [batches](super::batch), and models to [swap](super::swap) in. Out: a
//! [`Recordable`] a batch, every image in it tagged. Never: a batch answered by two models, an input answered that was
//! prepared for another model, or an answer made up where the model gave none: then the service ends, and the images
//! are found again by the next start.

use std::time::{Instant, SystemTime};

use async_channel::{Receiver, Sender};
use tokio::runtime::Handle;

use super::batch::{Batch, BatchLimits, fill_batch_blocking};
use super::prepare::PreparedImage;
use super::record::{Answered, Pace, Recordable};
use super::swap::{Seat, SwapOrder};
use crate::domain::{ModelId, Prediction, PreprocessingVersion, Severity};
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
    /// On which a thread waits for an image and an order at once.
    pub runtime: Handle,
}

/// Why no answers come any more.
#[derive(Debug, thiserror::Error)]
pub enum InferError {
    /// The model does not answer.
    #[error(transparent)]
    Classify(#[from] ClassifyError),
    /// A swap let a model in whose inputs are prepared in another way.
    #[error(
        "an image prepared by version {} reached model {model}, which takes version {}; this is a bug",
        .prepared.0, .expected.0
    )]
    Preprocessing {
        /// The model.
        model: ModelId,
        /// How the image was prepared.
        prepared: PreprocessingVersion,
        /// How it should have been.
        expected: PreprocessingVersion,
    },
}

/// Runs until the images end; a model that does not answer is an error.
pub fn infer_blocking(
    mut seat: Seat,
    limits: BatchLimits,
    ends: &InferEnds,
    station: &Station,
) -> Result<(), InferError> {
    while let Some(first) = next_image_blocking(&mut seat, ends, station) {
        let batch = fill_batch_blocking(first, &ends.prepared_rx, limits);
        let size = batch.len();
        let since = Instant::now();
        let recordable = answer(seat.classifier.as_mut(), batch, limits.max_images)?;
        station.took(since.elapsed());
        station.did_many(size as u64, || format!("batch of {size}"));
        if ends.recordable_tx.send_blocking(recordable).is_err() {
            break; // The record has failed and says so itself.
        }
    }
    Ok(())
}

enum Next {
    Image(PreparedImage),
    Swap(SwapOrder),
    End,
}

/// Waits for the next image, and meanwhile carries out swaps: they come first, so that a busy line cannot put one off.
fn next_image_blocking(seat: &mut Seat, ends: &InferEnds, station: &Station) -> Option<PreparedImage> {
    loop {
        let next = ends.runtime.block_on(async {
            tokio::select! {
                biased;
                // Closed where nobody will swap: then only images are waited for.
                Ok(order) = seat.order_rx.recv() => Next::Swap(order),
                image = ends.prepared_rx.recv() => image.map_or(Next::End, Next::Image),
            }
        });
        match next {
            Next::Image(image) => return Some(image),
            Next::Swap(order) => {
                seat.take(order);
                station.did_many(0, || format!("model {} answers", seat.classifier.id()));
            }
            Next::End => return None,
        }
    }
}

fn answer(
    classifier: &mut dyn Classifier,
    batch: Batch,
    full_batch: usize,
) -> Result<Recordable, InferError> {
    let expected = classifier.preprocessing();
    if let Some(image) = batch.iter().find(|image| image.preprocessing != expected) {
        return Err(InferError::Preprocessing {
            model: classifier.id().clone(),
            prepared: image.preprocessing,
            expected,
        });
    }
    let pace = if batch.len() >= full_batch {
        Pace::Busy
    } else {
        Pace::Calm
    };
    let inputs: Vec<&InputTensor> = batch.iter().map(|image| &image.input).collect();
    let predictions = match classifier.classify(&inputs) {
        Err(error) if error.severity() == Severity::Retry => {
            tracing::warn!(
                "a batch of {} failed, asking image by image: {error}",
                inputs.len()
            );
            one_by_one(classifier, &inputs)?
        }
        answered => answered?,
    };
    let (model, device) = (classifier.id().clone(), classifier.device());
    let tagged_at = SystemTime::now().into();
    let claims = batch.iter().map(|image| Answered {
        hash: image.content.hash,
        model: model.clone(),
    });
    let claims = claims.collect();
    let tagged = batch
        .into_iter()
        .zip(predictions)
        .map(|(image, prediction)| Change::Tagged {
            file: image.file,
            content: image.content,
            tag: TagRecord {
                prediction,
                model: model.clone(),
                device,
                preprocessing: image.preprocessing,
                tagged_at,
            },
        });
    Ok(Recordable {
        changes: tagged.collect(),
        claims,
        pace,
        ..Recordable::default()
    })
}

/// Needs the least memory of the device; what fails even so will not pass by waiting.
fn one_by_one(
    classifier: &mut dyn Classifier,
    inputs: &[&InputTensor],
) -> Result<Vec<Prediction>, ClassifyError> {
    let mut predictions = Vec::with_capacity(inputs.len());
    for input in inputs {
        predictions.extend(classifier.classify(&[input])?);
    }
    Ok(predictions)
}

#[cfg(test)]
mod tests;
