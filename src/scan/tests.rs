//! How a scan feeds a line, which is the test itself.

use async_channel::{Receiver, bounded};

use super::*;
use crate::domain::InventoryPath;
use crate::store::Applied;
use crate::tagging::testing::{SETTLE, Shop, model, tagged};

/// A feeder whose line is this test.
struct Fed {
    feeder: Feeder,
    settled_rx: Receiver<SettledFile>,
    recordable_rx: Receiver<Recordable>,
    tally: Arc<Tally>,
}

impl Fed {
    fn new() -> Self {
        let (settled_tx, settled_rx) = bounded(1);
        let (recordable_tx, recordable_rx) = bounded(16);
        let (_, relook_rx) = bounded(1);
        let inputs = LineInputs {
            settled_tx,
            recordable_tx,
            relook_rx,
        };
        let tally = Arc::new(Tally::default());
        let feeder = Feeder::new(SETTLE, inputs, Arc::clone(&tally), Arc::default());
        Self {
            feeder,
            settled_rx,
            recordable_rx,
            tally,
        }
    }

    /// As the record does for a file that came to its end.
    fn answered(tally: &Tally, file: &SettledFile) {
        tally.recorded(&[tagged(&file.path, b"", "a")], &Applied::default());
    }
}

fn ground(shop: &Shop, quiet: Duration) -> Ground {
    Ground {
        reader: shop.reader(),
        inboxes: Arc::new(shop.inboxes()),
        model: model("a"),
        quiet,
        progress: Arc::default(),
    }
}

/// A folder with more young files than the waiting room holds lost all that came after.
#[test]
fn more_restless_files_than_there_is_room_for_are_all_read() {
    let shop = Shop::new();
    for number in 0..5 {
        shop.file(&format!("{number}.png"), b"young");
    }
    let mut fed = Fed::new();
    fed.feeder.settler = Settler::with_room_for(1, SETTLE);
    // All of them are young.
    let ground = ground(&shop, Duration::from_secs(3_600));
    let (feeder, paths) = (fed.feeder, vec![shop.inbox()]);
    let feeding = std::thread::spawn(move || feeder.run_blocking(&ground, &paths));
    let mut read = 0;
    while let Ok(file) = fed.settled_rx.recv_blocking() {
        read += 1;
        Fed::answered(&fed.tally, &file);
    }
    feeding.join().unwrap().unwrap();
    assert_eq!(read, 5);
}

/// An answer that is recorded after its file was found to be gone brings the file back, and no sweep follows a scan.
#[test]
fn removed_files_are_looked_for_when_all_answers_are_recorded() {
    let shop = Shop::new();
    let (first, second) = (shop.inbox().join("1"), shop.inbox().join("2"));
    std::fs::create_dir(&first).unwrap();
    std::fs::create_dir(&second).unwrap();
    shop.store()
        .apply(&[tagged(&first.join("gone.png"), b"gone", "a")])
        .unwrap();
    std::fs::write(second.join("new.png"), b"new").unwrap();
    let fed = Fed::new();
    let ground = ground(&shop, Duration::ZERO);
    let (feeder, paths) = (fed.feeder, vec![first, second]);
    let feeding = std::thread::spawn(move || feeder.run_blocking(&ground, &paths));
    let file = fed.settled_rx.recv_blocking().unwrap();
    assert!(fed.recordable_rx.is_empty(), "one answer is still on its way");
    Fed::answered(&fed.tally, &file);
    feeding.join().unwrap().unwrap();
    let recorded = fed.recordable_rx.try_recv().unwrap();
    assert!(
        matches!(&recorded.changes[..], [Change::Absent { path, .. }] if path.as_str().ends_with("gone.png"))
    );
}

/// Counted from the start of the scan, the patience with files that still change was over before the walk was.
#[test]
fn a_long_walk_does_not_use_up_the_patience() {
    let shop = Shop::new();
    let young = shop.file("young.png", b"young");
    let mut fed = Fed::new();
    let ground = ground(&shop, Duration::from_secs(3_600));
    let noticed = NoticedFile {
        path: young,
        hint: Hint::Found,
    };
    let taken = fed.feeder.take_blocking(Found::Restless(noticed), &ground);
    assert!(taken.is_ok());
    assert_eq!(fed.feeder.patience_ends, None, "while it walks");
    assert_eq!(fed.feeder.settler.len(), 1);
}

/// It was rejected as a link out of the inbox, with the advice to scan it by hand.
#[test]
fn a_link_that_is_named_is_followed() {
    let shop = Shop::new();
    // The shop's own folder holds its data.
    let folder = tempfile::tempdir().unwrap();
    let outside = folder.path().join("outside.png");
    std::fs::write(&outside, b"photo").unwrap();
    let link = folder.path().join("by_hand.png");
    std::os::unix::fs::symlink(&outside, &link).unwrap();
    let named = real_paths(std::slice::from_ref(&link)).unwrap();
    let look = grounds(&named, &shop.config()).look_blocking(&named[0]);
    assert!(matches!(look, Look::File(_)), "{look:?}");
    let unnamed = grounds(&[], &shop.config()).look_blocking(&link);
    assert!(matches!(unnamed, Look::Refused(..)), "{unnamed:?}");
}

#[test]
fn a_scan_tells_that_another_model_took_the_place_of_the_one_it_asked() {
    let (a, b) = (model("a"), model("b"));
    assert_eq!(overtaken_by(Some(b.clone()), &a, Some(&a)), Some(b.clone()));
    assert_eq!(
        overtaken_by(Some(a.clone()), &a, None),
        None,
        "the first one ever"
    );
    assert_eq!(
        overtaken_by(Some(b.clone()), &a, Some(&b)),
        None,
        "a newer program's own model"
    );
    assert_eq!(overtaken_by(None, &a, Some(&b)), None, "the settings name one");
}

#[test]
fn rejections_are_forgotten_of_what_the_scan_will_meet() {
    let shop = Shop::new();
    std::fs::create_dir(shop.inbox().join("part")).unwrap();
    let (met, other) = (shop.file("part/met.png", b"1"), shop.file("other.png", b"2"));
    let gone = shop.inbox().join("part/gone.png");
    let tagged_file = shop.file("part/tagged.png", b"3");
    let detail = "3 bytes".to_owned();
    let rejection = || Rejection {
        reason: RejectionReason::TooManyBytes,
        detail: detail.clone(),
    };
    for path in [&met, &other, &gone] {
        shop.store()
            .apply(&[Change::unread(path, None, rejection())])
            .unwrap();
    }
    shop.store().apply(&[tagged(&tagged_file, b"3", "a")]).unwrap();
    let (reader, inboxes) = (shop.reader(), shop.inboxes());
    let forget = |path: &Path| {
        let parts = (&reader, &mut shop.store());
        forget_rejections_blocking(parts, &inboxes, &[path.to_owned()], &AtomicBool::new(false)).unwrap();
    };
    let is_known = |path: &Path| reader.known_file(&InventoryPath::of(path)).unwrap().is_some();
    forget(&shop.inbox().join("part"));
    assert_eq!(
        [&met, &other, &gone, &tagged_file].map(|path| is_known(path)),
        [false, true, true, true]
    );
    forget(&other);
    assert!(!is_known(&other), "a file that is named alone");
}
