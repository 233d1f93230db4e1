//! Which model's outcomes count, as every station sees it.
//!
//! In: a change of model, from the [swap](super::swap) alone. Out: the model in service now, and the news that it is
//! another one. Never: the model itself, or a decision about which one serves.

use std::sync::Arc;

use tokio::sync::watch;

use crate::domain::{ModelId, PreprocessingVersion};

/// The model whose outcomes count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serving {
    /// Which one.
    pub model: ModelId,
    /// How its inputs are prepared.
    pub preprocessing: PreprocessingVersion,
}

/// A look at the model in service; cheap to clone, one for each station. A station looks once for each file, so that
/// one file is never dealt with under two models; what was begun under the former one is recorded as that one's.
#[derive(Debug, Clone)]
pub struct InService(watch::Receiver<Arc<Serving>>);

/// The one who may say that another model serves.
#[derive(Debug)]
pub struct ServiceChange(watch::Sender<Arc<Serving>>);

impl ServiceChange {
    /// `first` serves from the start.
    pub fn starting_with(first: Serving) -> Self {
        Self(watch::Sender::new(Arc::new(first)))
    }

    /// From now on `next` serves.
    pub fn to(&self, next: Serving) {
        self.0.send_replace(Arc::new(next));
    }

    /// A look at it.
    pub fn in_service(&self) -> InService {
        InService(self.0.subscribe())
    }
}

impl InService {
    /// The model in service.
    pub fn now(&self) -> Arc<Serving> {
        Arc::clone(&self.0.borrow())
    }

    /// Resolves when another model has come into service since the last call; never where none can any more.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending().await
        }
    }
}
