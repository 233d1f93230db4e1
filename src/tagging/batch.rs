//! Fills a batch by count or age: prepared images -> batches.
//!
//! In: [`PreparedImage`]s one by one. Out: batches of at most `max_images`, none older than `max_wait` when it leaves.
//! Never: an order changed, an image held back for ever, or a thread woken for each image of a busy line.

use std::time::Duration;

use async_channel::Receiver;

use super::prepare::PreparedImage;

/// Images that go to the model together; never empty.
pub type Batch = Vec<PreparedImage>;

/// When a batch leaves.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    /// It is full at so many images; at least 1.
    pub max_images: usize,
    /// It waits so long for more.
    pub max_wait: Duration,
}

/// Waits for an image and takes what follows within the limits; `None` once the images have ended.
///
/// Called by the thread that owns the model, between two batches: on a busy line a full batch has piled up by then
/// and nothing is waited for.
pub fn next_batch_blocking<T>(prepared_rx: &Receiver<T>, limits: BatchLimits) -> Option<Vec<T>> {
    let mut batch = Vec::with_capacity(limits.max_images);
    batch.push(prepared_rx.recv_blocking().ok()?);
    take_ready(prepared_rx, limits, &mut batch);
    if batch.len() < limits.max_images && !prepared_rx.is_closed() {
        std::thread::sleep(limits.max_wait);
        take_ready(prepared_rx, limits, &mut batch);
    }
    Some(batch)
}

fn take_ready<T>(prepared_rx: &Receiver<T>, limits: BatchLimits, batch: &mut Vec<T>) {
    while batch.len() < limits.max_images
        && let Ok(image) = prepared_rx.try_recv()
    {
        batch.push(image);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: BatchLimits = BatchLimits {
        max_images: 3,
        max_wait: Duration::from_millis(1),
    };

    #[test]
    fn a_batch_leaves_when_it_is_full_or_old_and_the_last_one_when_the_images_end() {
        let (prepared_tx, prepared_rx) = async_channel::bounded(8);
        (1..=5).for_each(|number| prepared_tx.send_blocking(number).unwrap());
        assert_eq!(next_batch_blocking(&prepared_rx, LIMITS), Some(vec![1, 2, 3]));
        assert_eq!(
            next_batch_blocking(&prepared_rx, LIMITS),
            Some(vec![4, 5]),
            "not full, but old"
        );
        prepared_tx.send_blocking(6).unwrap();
        drop(prepared_tx);
        assert_eq!(next_batch_blocking(&prepared_rx, LIMITS), Some(vec![6]));
        assert_eq!(next_batch_blocking(&prepared_rx, LIMITS), None);
    }
}
