//! Swaps that succeed, and those that are refused.

use std::sync::mpsc;

use super::*;
use crate::domain::PreprocessingVersion;
use crate::tagging::testing::{Fake, VERSION, model};

/// A thread that answers nothing and swaps.
fn sitting(mut seat: Seat) -> std::thread::JoinHandle<ModelId> {
    std::thread::spawn(move || {
        while let Ok(order) = seat.order_rx.recv_blocking() {
            seat.take(order);
        }
        seat.classifier.id().clone()
    })
}

#[tokio::test]
async fn a_swap_resolves_when_every_thread_has_its_copy() {
    let (mut swapper, seats) = Swapper::seat(Fake::copies("a", 0, 3));
    let mut in_service = swapper.in_service();
    assert_eq!((seats.len(), &in_service.now().model), (3, &model("a")));
    let sitting: Vec<_> = seats.into_iter().map(sitting).collect();
    // One more than there are seats: perhaps the settings were for more.
    let swapped = swapper.swap(Fake::copies("b", 1, 4)).await;
    assert_eq!(swapped.unwrap(), model("b"));
    in_service.changed().await;
    assert_eq!(in_service.now().model, model("b"));
    drop(swapper);
    for thread in sitting {
        assert_eq!(thread.join().unwrap(), model("b"));
    }
}

#[tokio::test]
async fn the_former_model_is_freed() {
    let (memory, freed_rx) = mpsc::channel();
    let former = Fake {
        _memory: Some(memory),
        ..Fake::new("a", 0)
    };
    let (mut swapper, seats) = Swapper::seat(vec![Box::new(former)]);
    let sitting: Vec<_> = seats.into_iter().map(sitting).collect();
    swapper.swap(Fake::copies("b", 1, 1)).await.unwrap();
    // Ends when the other end goes with the model.
    let freed = tokio::task::spawn_blocking(move || freed_rx.recv()).await;
    assert!(freed.unwrap().is_err());
    drop(swapper);
    sitting
        .into_iter()
        .for_each(|thread| drop(thread.join().unwrap()));
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_the_former_model_goes_on() {
    let (mut swapper, seats) = Swapper::seat(Fake::copies("a", 0, 2));
    let few = swapper.swap(Fake::copies("b", 1, 1)).await;
    assert!(matches!(
        few,
        Err(SwapError::TooFew {
            offered: 1,
            threads: 2
        })
    ));
    let mixed = [Fake::copies("b", 1, 1), Fake::copies("c", 1, 1)];
    let mixed = swapper.swap(mixed.into_iter().flatten().collect()).await;
    assert!(matches!(mixed, Err(SwapError::Mixed { .. })));
    let serving = VERSION.0;
    let other_inputs = || Fake {
        preprocessing: PreprocessingVersion(serving + 1),
        ..Fake::new("b", 1)
    };
    let refused = swapper
        .swap(vec![Box::new(other_inputs()), Box::new(other_inputs())])
        .await;
    let message = refused.unwrap_err().to_string();
    assert!(
        message.contains(&format!("(version {serving})"))
            && message.contains(&format!("(version {})", serving + 1)),
        "{message}"
    );
    assert_eq!(swapper.in_service().now().model, model("a"));
    assert!(seats.iter().all(|seat| seat.order_rx.is_empty()));
}

#[tokio::test]
async fn a_line_that_has_ended_is_said() {
    let (mut swapper, seats) = Swapper::seat(Fake::copies("a", 0, 1));
    drop(seats);
    let ended = swapper.swap(Fake::copies("b", 1, 1)).await;
    assert!(matches!(ended, Err(SwapError::Ended(id)) if id == model("b")));
    assert_eq!(swapper.in_service().now().model, model("a"));
}
