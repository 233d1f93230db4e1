//! Another model in the place of the one that answers, while photos go on coming.
//!
//! In: copies of a model that is opened and warm. Out: every [`Seat`] holds one of them, then the [service](super::serving)
//! changes. Never: a batch answered by two models, a photo lost, a pause longer than a batch, or an input that was
//! prepared for another model.

use async_channel::{Receiver, Sender, bounded};
use tokio::sync::oneshot;

use super::serving::{InService, ServiceChange, Serving};
use crate::domain::{ModelId, PreprocessingVersion};
use crate::model::Classifier;

/// Why the model in service was not replaced.
#[derive(Debug, thiserror::Error)]
pub enum SwapError {
    /// Not one copy a thread.
    #[error(
        "could not swap in the model: {offered} copies of it were opened for {threads} threads that answer; this is \
         a bug: one copy is opened for each thread"
    )]
    TooFew {
        /// Copies that were opened.
        offered: usize,
        /// Threads that answer.
        threads: usize,
    },
    /// The copies are not of one model.
    #[error(
        "could not swap in the model: a copy of {first} came with one of {other}; this is a bug: all copies are \
         opened from one bundle"
    )]
    Mixed {
        /// The first copy's model.
        first: ModelId,
        /// Another copy's.
        other: ModelId,
    },
    /// Photos on their way are prepared for the model in service.
    #[error(
        "could not swap in model {model}: its inputs are prepared in another way (version {}) than those of \
         the model in service (version {}); restart hangtag to change to it",
        .offered.0, .serving.0
    )]
    Preprocessing {
        /// The model that was offered.
        model: ModelId,
        /// How its inputs have to be prepared.
        offered: PreprocessingVersion,
        /// How those on their way are.
        serving: PreprocessingVersion,
    },
    /// A thread that answers has ended; the line says why.
    #[error("could not swap in model {0}: the line is ending, the next start takes the model up")]
    Ended(ModelId),
}

/// A place from which a model answers; one thread owns it.
pub struct Seat {
    /// Who answers now.
    pub classifier: Box<dyn Classifier>,
    /// Who shall answer next.
    pub order_rx: Receiver<SwapOrder>,
}

/// A model on its way to a seat.
pub struct SwapOrder {
    classifier: Box<dyn Classifier>,
    former_tx: oneshot::Sender<Box<dyn Classifier>>,
}

impl Seat {
    /// Lets the ordered model answer from now on. The former goes back to whoever ordered the swap: to free its memory
    /// may take longer than a photo should wait.
    pub fn take(&mut self, order: SwapOrder) {
        let former = std::mem::replace(&mut self.classifier, order.classifier);
        // Nobody waits for it any more: then it is freed here.
        drop(order.former_tx.send(former));
    }
}

/// Replaces the model in service.
pub struct Swapper {
    order_txs: Vec<Sender<SwapOrder>>,
    change: ServiceChange,
}

impl Swapper {
    /// A seat for each of `classifiers`: copies of one model, never empty.
    pub fn seat(classifiers: Vec<Box<dyn Classifier>>) -> (Self, Vec<Seat>) {
        let first = classifiers
            .first()
            .expect("a line is built from at least one copy of the model; this is a bug");
        let change = ServiceChange::starting_with(serving_of(first.as_ref()));
        let (mut order_txs, mut seats) = (Vec::new(), Vec::new());
        for classifier in classifiers {
            // One swap at a time, one order a seat.
            let (order_tx, order_rx) = bounded(1);
            order_txs.push(order_tx);
            seats.push(Seat { classifier, order_rx });
        }
        (Self { order_txs, change }, seats)
    }

    /// The model in service.
    pub fn in_service(&self) -> InService {
        self.change.in_service()
    }

    /// Seats `classifiers`, warmed up copies of one model that the store has on record; more than there are seats are freed. Resolves when every
    /// thread answers with its copy; only then does the service change, so that what is prepared for the new model is
    /// not answered by the former one. While a thread finishes its batch, others answer with the new model already:
    /// each answer names the model that gave it. To be cancelled only when the service ends: the seats would be left
    /// with two models, whose answers are still told apart.
    ///
    /// # Errors
    /// The former model goes on serving, unless the line is ending.
    pub async fn swap(&mut self, classifiers: Vec<Box<dyn Classifier>>) -> Result<ModelId, SwapError> {
        let next = self.acceptable(&classifiers)?;
        let model = next.model.clone();
        let mut taken = Vec::with_capacity(self.order_txs.len());
        for (order_tx, classifier) in self.order_txs.iter().zip(classifiers) {
            let (former_tx, former_rx) = oneshot::channel();
            let order = SwapOrder {
                classifier,
                former_tx,
            };
            let sent = order_tx.send(order).await;
            sent.map_err(|_| SwapError::Ended(model.clone()))?;
            taken.push(former_rx);
        }
        let mut former = Vec::with_capacity(taken.len());
        for former_rx in taken {
            former.push(former_rx.await.map_err(|_| SwapError::Ended(model.clone()))?);
        }
        self.change.to(next);
        // Freed beside the line and beside whoever waits for the swap.
        tokio::task::spawn_blocking(move || drop(former));
        Ok(model)
    }

    fn acceptable(&self, classifiers: &[Box<dyn Classifier>]) -> Result<Serving, SwapError> {
        let (offered, threads) = (classifiers.len(), self.order_txs.len());
        let first = match classifiers.first() {
            Some(first) if offered >= threads => first,
            _ => return Err(SwapError::TooFew { offered, threads }),
        };
        if let Some(other) = classifiers.iter().find(|other| other.id() != first.id()) {
            let (first, other) = (first.id().clone(), other.id().clone());
            return Err(SwapError::Mixed { first, other });
        }
        let serving = self.change.in_service().now().preprocessing;
        if first.preprocessing() != serving {
            return Err(SwapError::Preprocessing {
                model: first.id().clone(),
                offered: first.preprocessing(),
                serving,
            });
        }
        Ok(serving_of(first.as_ref()))
    }
}

fn serving_of(classifier: &dyn Classifier) -> Serving {
    Serving {
        model: classifier.id().clone(),
        preprocessing: classifier.preprocessing(),
    }
}

#[cfg(test)]
mod tests;
