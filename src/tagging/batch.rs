//! Fills a batch by count or age: prepared images -> batches.
//!
//! In: [`PreparedImage`]s one by one. Out: batches of at most `max_images`, none older than `max_wait` when it leaves.
//! Never: an order changed, an image held back for ever, or a thread woken for each image of a busy line.

use std::time::{Duration, Instant};

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
    fill_batch(first, prepared_rx, limits, &mut std::thread::sleep)
}

fn fill_batch<T>(
    first: T,
    prepared_rx: &Receiver<T>,
    limits: BatchLimits,
    sleep: &mut dyn FnMut(Duration),
) -> Vec<T> {
    let mut batch = Vec::with_capacity(limits.max_images);
    batch.push(first);
    take_ready(prepared_rx, limits, &mut batch);
    let (begun, slice) = (Instant::now(), slice_of(limits.max_wait));
    while batch.len() < limits.max_images && !prepared_rx.is_closed() {
        let left = limits.max_wait.saturating_sub(begun.elapsed());
        if left.is_zero() {
            break;
        }
        sleep(left.min(slice));
        take_ready(prepared_rx, limits, &mut batch);
    }
    batch
}

/// How long to sleep between two looks: short against the wait, so that a batch that has become full leaves soon; but
/// not for each image of a busy line, and not for ever where the wait is long.
fn slice_of(max_wait: Duration) -> Duration {
    (max_wait / 16).clamp(Duration::from_micros(500), Duration::from_millis(10))
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

    /// It slept through the whole wait.
    #[test]
    fn a_batch_that_becomes_full_during_a_long_wait_leaves_at_once() {
        let (prepared_tx, prepared_rx) = async_channel::bounded(8);
        let limits = BatchLimits {
            max_images: 3,
            max_wait: Duration::from_secs(3_600),
        };
        let mut slept = Vec::new();
        let batch = fill_batch(1, &prepared_rx, limits, &mut |slice| {
            slept.push(slice);
            prepared_tx.send_blocking(1 + slept.len()).unwrap();
        });
        assert_eq!(batch, [1, 2, 3]);
        assert_eq!(slept, [Duration::from_millis(10); 2]);
    }
}
