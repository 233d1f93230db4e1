//! Fills a batch by count or age: prepared images -> batches.
//!
//! In: [`PreparedImage`]s one by one. Out: batches of at most `batch_max_images`, none older than
//! `batch_max_wait` when it leaves. Never: an order changed or an image held back for ever.

use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};

use super::prepare::PreparedImage;

/// Images that go to the model together; never empty.
pub type Batch = Vec<PreparedImage>;

/// The batch that is being filled. Pure; time comes from outside.
#[derive(Debug)]
pub struct Filling<T> {
    max_images: usize,
    max_wait: Duration,
    images: Vec<T>,
    /// When the first image came in.
    since: Option<Instant>,
}

impl<T> Filling<T> {
    /// An empty batch that is full at `max_images` (at least 1) or `max_wait` after its first image.
    pub fn new(max_images: usize, max_wait: Duration) -> Self {
        Self {
            max_images,
            max_wait,
            images: Vec::with_capacity(max_images),
            since: None,
        }
    }

    /// Takes an image in; a batch comes out when that made it full.
    pub fn push(&mut self, now: Instant, image: T) -> Option<Vec<T>> {
        self.since.get_or_insert(now);
        self.images.push(image);
        (self.images.len() >= self.max_images).then(|| self.take())
    }

    /// When the batch leaves although it is not full.
    pub fn due(&self) -> Option<Instant> {
        self.since.map(|since| since + self.max_wait)
    }

    /// What there is, however little.
    pub fn take(&mut self) -> Vec<T> {
        self.since = None;
        std::mem::replace(&mut self.images, Vec::with_capacity(self.max_images))
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }
}

/// Runs until the images end; sends what is left, then closes the batches.
pub async fn batch(
    prepared_rx: Receiver<PreparedImage>,
    batch_tx: Sender<Batch>,
    mut filling: Filling<PreparedImage>,
) {
    loop {
        let next = match filling.due() {
            None => prepared_rx.recv().await.ok(),
            Some(due) => match tokio::time::timeout_at(due.into(), prepared_rx.recv()).await {
                Ok(next) => next.ok(),
                Err(_elapsed) => {
                    if batch_tx.send(filling.take()).await.is_err() {
                        return;
                    }
                    continue;
                }
            },
        };
        let full = match next {
            Some(image) => filling.push(Instant::now(), image),
            None => break,
        };
        if let Some(full) = full
            && batch_tx.send(full).await.is_err()
        {
            return;
        }
    }
    if !filling.is_empty() {
        // The receiver is gone only when inference has failed, which it reports itself.
        let _ = batch_tx.send(filling.take()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_leaves_when_it_is_full_or_old() {
        let start = Instant::now();
        let wait = Duration::from_millis(2);
        let mut filling = Filling::new(3, wait);
        assert_eq!(filling.due(), None);
        assert_eq!(filling.push(start, 1), None);
        assert_eq!(filling.push(start + wait / 2, 2), None);
        assert_eq!(filling.due(), Some(start + wait), "the first image's age counts");
        assert_eq!(filling.push(start + wait / 2, 3), Some(vec![1, 2, 3]));
        assert!(filling.is_empty() && filling.due().is_none());
        filling.push(start + wait, 4);
        assert_eq!(filling.take(), [4]);
        assert_eq!(filling.due(), None);
    }
}
