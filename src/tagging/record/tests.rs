//! A store without room, and answers that come late.

use std::path::Path;

use super::*;
use crate::tagging::testing::{Shop, in_service, model, settled, tagged};

fn recorder(store: Store, on_trouble: OnTrouble) -> Recorder {
    let board = StatusBoard::default();
    Recorder {
        store,
        in_service: in_service("a"),
        stragglers: Arc::default(),
        in_flight: Arc::default(),
        tally: Arc::default(),
        on_trouble,
        haste: Haste::EachPhoto,
        expected: Arc::default(),
        station: board.station("record"),
        board,
    }
}

/// A scan's last transaction was held open for photos that could not come any more; and before it, each few photos made one
/// of their own.
#[test]
fn the_last_transaction_holds_the_rest_and_waits_for_nothing_else() {
    let (recordable_tx, recordable_rx) = async_channel::bounded(2);
    let one = || Recordable::change(Change::vanished(Path::new("/in/a.jpg")));
    let (expected, tally) = (Expected::default(), Tally::default());
    recordable_tx.send_blocking(one()).unwrap();
    let mut pauses = 0;
    let rest = || expected.rest(&tally);
    let group = gather(&recordable_rx, Haste::LastPhoto, &rest, &mut |_| {
        pauses += 1;
        recordable_tx.send_blocking(one()).unwrap();
        if pauses == 2 {
            expected.are(4);
        }
    });
    assert_eq!(pauses, 3, "more may come until it is said how many there are");
    assert_eq!(group.unwrap().changes.len(), 4);
}

/// While the disk is full the channel never closes: the readers before it hold its sender and wait for room.
#[test]
fn a_full_disk_does_not_hold_up_the_end() {
    let shop = Shop::new();
    let mut store = shop.store();
    store.limit_growth(Some(0));
    let (recordable_tx, recordable_rx) = async_channel::bounded(1);
    let changes = (0..500)
        .map(|number| {
            let path = shop.inbox().join(format!("{number}.png"));
            tagged(&path, path.as_os_str().as_encoded_bytes(), "a")
        })
        .collect();
    let recordable = Recordable {
        changes,
        ..Recordable::default()
    };
    recordable_tx.send_blocking(recordable).unwrap();
    let stopped = Arc::new(AtomicBool::new(true));
    let ended = recorder(store, OnTrouble::KeepTryingUntil(stopped)).run_blocking(&recordable_rx);
    assert!(matches!(ended, Err(StoreError::DiskFull { .. })), "{ended:?}");
    drop(recordable_tx);
}

/// A full disk wrote two lines a second into the log, most often onto that very disk.
#[test]
fn a_trouble_that_lasts_is_said_once_a_minute() {
    let (mut complaints, start) = (Complaints::default(), Instant::now());
    for (second, what, is_news) in [
        (0, "full", true),
        (1, "full", false),
        (2, "locked", true),
        (3, "full", true),
        (62, "full", false),
        (63, "full", true),
        (64, "full", false),
    ] {
        let now = start + Duration::from_secs(second);
        assert_eq!(complaints.is_news(what, now), is_news, "{what} after {second} s");
    }
}

#[test]
fn a_checkpoint_that_finds_no_room_does_not_end_the_service() {
    let (operation, path) = ("checkpoint the write-ahead log", "/data/hangtag.db".into());
    let full = StoreError::DiskFull { operation, path };
    assert!(unless_fatal(Err(full)).is_ok());
    let failed = StoreError::Io {
        operation,
        path: "/data/hangtag.db".into(),
        detail: "disk I/O error".into(),
    };
    assert!(unless_fatal(Err(failed)).is_err());
}

/// It was looked for under the model that serves by then, not found, and left without a row.
#[tokio::test]
async fn a_file_that_waited_takes_the_answer_that_was_given() {
    let shop = Shop::new();
    let (first, second) = (shop.file("1.png", b"same"), shop.file("2.png", b"same"));
    let hash = ContentHash::of(b"same");
    let recorder = recorder(shop.store(), OnTrouble::GiveUpAfter(Duration::ZERO));
    let recorder = Recorder {
        in_service: in_service("b"),
        ..recorder
    };
    assert!(recorder.in_flight.claim(hash));
    assert!(recorder.in_flight.park(&hash, &settled(&second)));
    let stragglers = Arc::clone(&recorder.stragglers);
    let (recordable_tx, recordable_rx) = async_channel::bounded(1);
    let answered = Answered {
        hash,
        model: model("a"),
    };
    let recordable = Recordable::answer(tagged(&first, b"same", "a"), answered);
    recordable_tx.send(recordable).await.unwrap();
    drop(recordable_tx);
    recorder.run_blocking(&recordable_rx).unwrap();
    for path in [first, second] {
        let known = shop.reader().known_file(&InventoryPath::of(&path)).unwrap();
        assert_eq!(known.unwrap().model, Some(model("a")));
    }
    // Another model serves by now: whoever tags anew is told. This waits for ever where nobody rang.
    stragglers.notified().await;
}
