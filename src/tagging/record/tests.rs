use super::*;
use crate::tagging::testing::{Shop, tagged};

fn recorder(store: Store, on_trouble: OnTrouble) -> Recorder {
    let board = StatusBoard::default();
    Recorder {
        store,
        serving: Serving {
            model: crate::tagging::testing::model("a"),
            preprocessing: crate::tagging::testing::VERSION,
        },
        in_flight: Arc::default(),
        tally: Arc::default(),
        on_trouble,
        station: board.station("record"),
        board,
    }
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
