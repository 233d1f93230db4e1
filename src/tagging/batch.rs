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

/// Takes what follows an image within the limits.
///
/// Called by the thread that owns the model, between two batches: on a busy line a full batch has piled up by then
/// and nothing is waited for.
pub fn fill_batch_blocking<T>(first: T, prepared_rx: &Receiver<T>, limits: BatchLimits) -> Vec<T> {
    let mut batch = Vec::with_capacity(limits.max_images);
    batch.push(first);
    take_ready(prepared_rx, limits, &mut batch);
    if batch.len() < limits.max_images && !prepared_rx.is_closed() {
        std::thread::sleep(limits.max_wait);
        take_ready(prepared_rx, limits, &mut batch);
    }
    batch
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
        (2..=5).for_each(|number| prepared_tx.send_blocking(number).unwrap());
        assert_eq!(fill_batch_blocking(1, &prepared_rx, LIMITS), [1, 2, 3]);
        assert_eq!(
            fill_batch_blocking(0, &prepared_rx, LIMITS),
            [0, 4, 5],
            "nothing is left behind"
        );
        prepared_tx.send_blocking(7).unwrap();
        assert_eq!(
            fill_batch_blocking(6, &prepared_rx, LIMITS),
            [6, 7],
            "not full, but old"
        );
        drop(prepared_tx);
        assert_eq!(fill_batch_blocking(8, &prepared_rx, LIMITS), [8]);
    }
}
