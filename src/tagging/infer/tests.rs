//! Images answered while models are swapped.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use async_channel::bounded;

use super::*;
use crate::domain::ContentHash;
use crate::status::StatusBoard;
use crate::tagging::swap::Swapper;
use crate::tagging::testing::{Fake, VERSION, model, prepared};

const SWAPS: usize = 50;
const LIMITS: BatchLimits = BatchLimits {
    max_images: 8,
    max_wait: Duration::from_millis(1),
};

/// Collects who answered for which content, and holds what must be so for each batch.
fn collect(recordable_rx: &Receiver<Recordable>) -> HashMap<ContentHash, ModelId> {
    let mut answers = HashMap::new();
    while let Ok(recordable) = recordable_rx.recv_blocking() {
        let batch_model = recordable.claims[0].model.clone();
        assert_eq!(recordable.changes.len(), recordable.claims.len());
        for (change, answered) in recordable.changes.iter().zip(&recordable.claims) {
            let Change::Tagged { content, tag, .. } = change else {
                panic!("{change:?}");
            };
            assert_eq!(tag.model, batch_model, "one model a batch");
            assert_eq!((&answered.hash, &answered.model), (&content.hash, &tag.model));
            // Model a says label 0, model b label 1: the name belongs to the answer.
            let said = tag.prediction.scores.top().0.index();
            assert_eq!(model(["a", "b"][said]), tag.model);
            let twice = answers.insert(content.hash, tag.model.clone());
            assert_eq!(twice, None, "answered once");
        }
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_swaps_lose_nothing_double_nothing_and_mix_nothing() {
    let (prepared_tx, prepared_rx) = bounded(16);
    let (recordable_tx, recordable_rx) = bounded(4);
    let (mut swapper, seats) = Swapper::seat(Fake::copies("a", 0, 2));
    let ends = InferEnds {
        prepared_rx,
        recordable_tx,
        runtime: Handle::current(),
    };
    let station = StatusBoard::default().station("infer");
    let inferring: Vec<_> = seats
        .into_iter()
        .map(|seat| {
            let (ends, station) = (ends.clone(), station.clone());
            std::thread::spawn(move || infer_blocking(seat, LIMITS, &ends, &station))
        })
        .collect();
    drop(ends);
    let collecting = std::thread::spawn(move || collect(&recordable_rx));
    let (is_over, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let feeding = std::thread::spawn({
        let (is_over, sent) = (Arc::clone(&is_over), Arc::clone(&sent));
        move || {
            while !is_over.load(Ordering::Relaxed) {
                let number = sent.fetch_add(1, Ordering::Relaxed);
                prepared_tx.send_blocking(prepared(number)).unwrap();
            }
        }
    });
    for swap in 0..SWAPS {
        // The line is never at rest: some more photos came since the last swap.
        let goal = sent.load(Ordering::Relaxed) + 20;
        while sent.load(Ordering::Relaxed) < goal {
            tokio::task::yield_now().await;
        }
        let next = (swap + 1) % 2;
        let swapped = swapper.swap(Fake::copies(["a", "b"][next], next, 2)).await;
        assert_eq!(swapped.unwrap(), model(["a", "b"][next]));
    }
    is_over.store(true, Ordering::Relaxed);
    feeding.join().unwrap();
    for thread in inferring {
        thread.join().unwrap().unwrap();
    }
    let answers = collecting.join().unwrap();
    let sent = sent.load(Ordering::Relaxed);
    assert_eq!(answers.len(), sent as usize);
    for number in 0..sent {
        assert!(answers.contains_key(&ContentHash::of(&number.to_le_bytes())));
    }
    for digit in ["a", "b"] {
        assert!(answers.values().any(|answered| *answered == model(digit)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_at_rest_swaps_at_once_and_ends_when_the_images_do() {
    let (prepared_tx, prepared_rx) = bounded(1);
    let (recordable_tx, recordable_rx) = bounded(1);
    let (mut swapper, seats) = Swapper::seat(Fake::copies("a", 0, 1));
    let ends = InferEnds {
        prepared_rx,
        recordable_tx,
        runtime: Handle::current(),
    };
    let station = StatusBoard::default().station("infer");
    let seat = seats.into_iter().next().unwrap();
    let inferring = std::thread::spawn(move || infer_blocking(seat, LIMITS, &ends, &station));
    // Waits for ever where the thread hears images only.
    swapper.swap(Fake::copies("b", 1, 1)).await.unwrap();
    drop(swapper);
    prepared_tx.send(prepared(1)).await.unwrap();
    drop(prepared_tx);
    let recordable = recordable_rx.recv().await.unwrap();
    assert_eq!(recordable.claims[0].model, model("b"));
    inferring.join().unwrap().unwrap();
}

#[test]
fn an_image_prepared_in_another_way_is_not_answered() {
    let other = PreprocessingVersion(VERSION.0 + 1);
    let image = PreparedImage {
        preprocessing: other,
        ..prepared(1)
    };
    let answered = answer(&mut Fake::new("a", 0), vec![prepared(0), image], 8);
    assert!(matches!(answered, Err(InferError::Preprocessing { prepared, .. }) if prepared == other));
}
