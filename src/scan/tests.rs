//! What the paths of a scan stand for, and what it says at its end.

use globset::GlobSet;

use super::*;
use crate::domain::{InventoryPath, Rejection, RejectionReason, Timestamp};
use crate::store::{Change, RejectionRecord};
use crate::tagging::inbox::Look;
use crate::tagging::sweep::{Counted, Found, Sweep};
use crate::tagging::testing::{Shop, VERSION, content, model, sighting, tagged};

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
        let stamp = Some(sighting(path).stamp);
        shop.store()
            .apply(&[Change::unread(path, stamp, rejection())])
            .unwrap();
    }
    shop.store().apply(&[tagged(&tagged_file, b"3", "a")]).unwrap();
    let (reader, inboxes) = (shop.reader(), shop.inboxes());
    let forget = |path: &Path| {
        let parts = (&reader, &mut shop.store());
        forget_rejections_blocking(parts, &inboxes, &[path.to_owned()], &AtomicBool::new(false)).unwrap();
    };
    let is_known_as_it_lies = |path: &Path| {
        let known = reader.known_file(&InventoryPath::of(path)).unwrap();
        known.unwrap().stamp.is_some()
    };
    forget(&shop.inbox().join("part"));
    assert_eq!(
        [&met, &other, &gone, &tagged_file].map(|path| is_known_as_it_lies(path)),
        [false, true, true, true]
    );
    forget(&other);
    assert!(!is_known_as_it_lies(&other), "a file that is named alone");
}

/// Ended before it came to them, a scan left nothing of what had been on record: neither reason nor time.
#[test]
fn what_a_scan_does_not_come_to_stays_rejected_and_is_read_by_the_next() {
    let shop = Shop::new();
    let (file, copy) = (
        shop.file("a.jpg", b"no picture"),
        shop.file("b.jpg", b"no picture"),
    );
    let rejection = Rejection {
        reason: RejectionReason::TooManyPixels,
        detail: "too many".into(),
    };
    for path in [&file, &copy] {
        let record = RejectionRecord {
            rejection: rejection.clone(),
            model: model("a"),
            preprocessing: VERSION,
            at: Timestamp::from_millis(7),
        };
        let rejected = Change::Rejected {
            file: sighting(path),
            content: content(b"no picture"),
            rejection: record,
        };
        shop.store().apply(&[rejected]).unwrap();
    }
    let (reader, inboxes) = (shop.reader(), shop.inboxes());
    let parts = (&reader, &mut shop.store());
    forget_rejections_blocking(parts, &inboxes, &[shop.inbox()], &AtomicBool::new(false)).unwrap();
    for path in [&file, &copy] {
        let row = reader
            .file_history(&InventoryPath::of(path))
            .unwrap()
            .unwrap()
            .file;
        assert_eq!(row.reason, Some(rejection.reason));
        assert_eq!(row.tagged_at, Timestamp::from_millis(7));
    }
    let sweep = Sweep {
        inboxes: &inboxes,
        reader: &reader,
        counted: Counted::AnyAnswer,
        quiet: Duration::ZERO,
        stop: &AtomicBool::new(false),
    };
    let mut read = 0;
    let swept = sweep.run_blocking(&shop.inbox(), &mut |found| {
        read += u32::from(matches!(found, Found::AtRest(_)));
        Ok(())
    });
    swept.unwrap();
    assert_eq!(read, 2);
    assert!(
        !reader
            .is_answered(&content(b"no picture").hash, &model("a"))
            .unwrap()
    );
}

/// The disk with the inbox was not mounted, and a scan of the folder on it in which the inbox lies marked all its files.
#[test]
fn files_of_an_inbox_that_is_not_there_are_not_gone_when_a_folder_around_it_is_named() {
    let shop = Shop::new();
    let folder = shop.path().join("disk/shop");
    let (inbox, beside) = (folder.join("inventory"), folder.join("archive/b.png"));
    let left = |inboxes: &Inboxes| left_names(std::slice::from_ref(&folder), &shop.reader(), inboxes);
    shop.store()
        .apply(&[
            tagged(&inbox.join("a.png"), b"1", "a"),
            tagged(&beside, b"2", "a"),
        ])
        .unwrap();
    let inboxes = Inboxes::new(vec![shop.inbox(), inbox.clone()], GlobSet::empty());
    assert!(matches!(left(&inboxes), Err(DaemonError::ScanPath { .. })));
    let no_inbox = left(&shop.inboxes()).unwrap();
    assert_eq!(no_inbox, std::slice::from_ref(&folder));
}

/// The settings name the inbox by a link, which leads to its real path as long as it is there.
#[test]
fn an_inbox_that_is_not_there_is_known_by_the_name_that_its_files_have() {
    let shop = Shop::new();
    let (disk, link) = (shop.path().join("disk"), shop.path().join("link"));
    std::fs::create_dir(&disk).unwrap();
    std::os::unix::fs::symlink(&disk, &link).unwrap();
    let mut config = shop.config();
    config.inboxes = vec![link.join("inventory")];
    shop.store()
        .apply(&[tagged(&disk.join("inventory/a.png"), b"1", "a")])
        .unwrap();
    for named in [&link, &disk] {
        let named = [named.join("inventory")];
        let left = left_names(&named, &shop.reader(), &grounds(&[], &config));
        assert!(matches!(left, Err(DaemonError::ScanPath { .. })), "{left:?}");
    }
}
