//! What a look through the inboxes finds after files, folders and models have changed.

use super::*;
use crate::tagging::inbox::unreadable;
use crate::tagging::testing::{Shop, model, tagged};

fn found(shop: &Shop) -> Vec<Found> {
    found_where(shop, Counted::AnyAnswer)
}

fn found_where(shop: &Shop, counted: Counted<'_>) -> Vec<Found> {
    found_in(shop, &shop.inbox(), counted)
}

fn found_in(shop: &Shop, folder: &Path, counted: Counted<'_>) -> Vec<Found> {
    found_by(&shop.inboxes(), shop, folder, counted)
}

/// As one process finds it, which remembers the inboxes it looked at.
fn found_by(inboxes: &Inboxes, shop: &Shop, folder: &Path, counted: Counted<'_>) -> Vec<Found> {
    let (mut found, stop) = (Vec::new(), AtomicBool::new(false));
    let sweep = Sweep {
        inboxes,
        reader: &shop.reader(),
        counted,
        quiet: Duration::ZERO,
        stop: &stop,
    };
    let swept = sweep.run_blocking(folder, &mut |find| {
        found.push(find);
        Ok(())
    });
    assert_eq!(swept.unwrap(), Swept::Whole);
    found
}

fn are_all_gone(found: &[Found]) -> bool {
    matches!(found, [Found::Change(Change::Absent { .. })])
}

/// A start before the mount finds an empty folder: all photos of the disk were marked as gone.
#[test]
fn files_of_an_inbox_that_is_not_mounted_are_not_gone() {
    let shop = Shop::new();
    let path = shop.file("a.png", b"photo");
    shop.store().apply(&[tagged(&path, b"photo", "a")]).unwrap();
    let look = |inboxes: &Inboxes| found_by(inboxes, &shop, &shop.inbox(), Counted::AnyAnswer);
    let aside = shop.path().join("disk");
    std::fs::rename(shop.inbox(), &aside).unwrap();
    std::fs::create_dir(shop.inbox()).unwrap();
    let process = shop.inboxes();
    assert!(look(&process).is_empty());
    let within = found_by(&process, &shop, &path, Counted::AnyAnswer);
    assert!(within.is_empty(), "an event that names the file");

    let entry = shop.inbox().join("folder");
    std::fs::create_dir(&entry).unwrap();
    assert!(are_all_gone(&look(&process)), "as soon as anything lies in it");

    std::fs::remove_dir(entry).unwrap();
    std::fs::remove_dir(shop.inbox()).unwrap();
    std::fs::rename(&aside, shop.inbox()).unwrap();
    assert!(matches!(&look(&process)[..], [Found::Unchanged]), "mounted again");
}

/// `mv inbox archive/2026-11-28 && mkdir inbox` counted as unmounted.
#[test]
fn files_of_an_inbox_that_was_moved_away_and_made_anew_are_gone() {
    let shop = Shop::new();
    let path = shop.file("a.png", b"photo");
    shop.store().apply(&[tagged(&path, b"photo", "a")]).unwrap();
    let process = shop.inboxes();
    let look = || found_by(&process, &shop, &shop.inbox(), Counted::AnyAnswer);
    assert!(matches!(&look()[..], [Found::Unchanged]));
    std::fs::rename(shop.inbox(), shop.path().join("archive")).unwrap();
    assert!(look().is_empty(), "between the two");
    std::fs::create_dir(shop.inbox()).unwrap();
    assert!(are_all_gone(&look()));
}

#[test]
fn files_of_an_inbox_that_was_emptied_are_gone() {
    let shop = Shop::new();
    let path = shop.file("a.png", b"photo");
    shop.store().apply(&[tagged(&path, b"photo", "a")]).unwrap();
    let process = shop.inboxes();
    // A reader has met the file, before anybody looked at the inbox itself.
    process.saw_something_at_blocking(&path);
    std::fs::remove_file(&path).unwrap();
    let found = found_by(&process, &shop, &shop.inbox(), Counted::AnyAnswer);
    assert!(are_all_gone(&found), "{found:?}");
}

/// A service that was to end went on asking a disk about thousands of files.
#[test]
fn a_look_for_removed_files_ends_when_it_is_told_to() {
    let shop = Shop::new();
    let path = shop.file("a.png", b"photo");
    shop.store().apply(&[tagged(&path, b"photo", "a")]).unwrap();
    let (inboxes, reader, stop) = (shop.inboxes(), shop.reader(), AtomicBool::new(true));
    let sweep = Sweep {
        inboxes: &inboxes,
        reader: &reader,
        counted: Counted::AnyAnswer,
        quiet: Duration::ZERO,
        stop: &stop,
    };
    let looked = sweep.look_for_removed(&shop.inbox(), &mut |_| Ok(()));
    assert_eq!(looked.unwrap(), Swept::Stopped);
}

/// Between two finds another folder is swept, which takes minutes: a photo that was put back meanwhile was marked as gone.
#[test]
fn a_file_that_is_put_back_before_it_is_said_to_be_gone_is_not() {
    let shop = Shop::new();
    shop.file("stays.png", b"photo");
    let missing = ["a.png", "b.png"].map(|name| shop.inbox().join(name));
    for path in &missing {
        shop.store().apply(&[tagged(path, b"photo", "a")]).unwrap();
    }
    let sweep = Sweep {
        inboxes: &shop.inboxes(),
        reader: &shop.reader(),
        counted: Counted::AnyAnswer,
        quiet: Duration::ZERO,
        stop: &AtomicBool::new(false),
    };
    let mut gone = 0;
    let looked = sweep.look_for_removed(&shop.inbox(), &mut |found| {
        assert!(matches!(found, Found::Change(Change::Absent { .. })), "{found:?}");
        gone += 1;
        missing
            .iter()
            .for_each(|path| std::fs::write(path, b"photo").unwrap());
        Ok(())
    });
    assert_eq!((looked.unwrap(), gone), (Swept::Whole, 1));
}

/// Photos far outside of the inbox were tagged as if they lay in it.
#[test]
fn a_name_that_was_a_folder_and_is_a_link_out_of_the_inbox_is_not_walked() {
    let shop = Shop::new();
    let outside = shop.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("private.png"), b"photo").unwrap();
    let name = shop.inbox().join("new");
    std::os::unix::fs::symlink(&outside, &name).unwrap();
    let found = found_in(&shop, &name, Counted::AnyAnswer);
    let [Found::Change(Change::Unread { path, rejection, .. })] = &found[..] else {
        panic!("{found:?}")
    };
    assert_eq!(path.to_path(), name);
    assert_eq!(rejection.reason, RejectionReason::LinkOutsideInbox);
}

/// Each file that is removed is looked for by its name, at once and a second later: files of anybody were tagged as if they lay
/// in the inbox, where a link to their folder had come in the place of the folder that was removed.
#[test]
fn a_file_of_a_folder_that_is_a_link_now_is_gone() {
    let shop = Shop::new();
    let (folder, outside) = (shop.inbox().join("new"), shop.path().join("outside"));
    std::fs::create_dir_all(outside.join("deep")).unwrap();
    for name in ["a.png", "deep/b.png"] {
        std::fs::write(outside.join(name), b"private").unwrap();
    }
    std::os::unix::fs::symlink(&outside, &folder).unwrap();
    let path = folder.join("a.png");
    shop.store().apply(&[tagged(&path, b"photo", "a")]).unwrap();
    let look = |name: &str| found_in(&shop, &folder.join(name), Counted::AnyAnswer);
    assert!(are_all_gone(&look("a.png")));
    for unknown in ["deep", "deep/b.png"] {
        let found = look(unknown);
        assert!(found.is_empty(), "{found:?}");
    }
}

/// Its photos lost their tags to a rejection: they could not be read, "Not a directory".
#[test]
fn files_of_a_folder_that_is_a_file_now_are_gone() {
    let shop = Shop::new();
    let path = shop.file("4711", b"a file").join("a.png");
    shop.store().apply(&[tagged(&path, b"photo", "a")]).unwrap();
    let found = found_in(&shop, &path, Counted::AnyAnswer);
    assert!(are_all_gone(&found), "{found:?}");
}

/// A folder was moved to a larger disk and a link left in its place: its files stayed there for ever, under names by which
/// nothing is tagged.
#[test]
fn files_of_a_folder_that_is_a_link_now_are_gone() {
    let shop = Shop::new();
    let folder = shop.inbox().join("2023");
    std::fs::create_dir(&folder).unwrap();
    let path = folder.join("a.png");
    std::fs::write(&path, b"photo").unwrap();
    shop.store().apply(&[tagged(&path, b"photo", "a")]).unwrap();
    shop.file("b.png", b"another");
    let larger = shop.path().join("larger");
    std::fs::rename(&folder, &larger).unwrap();
    std::os::unix::fs::symlink(&larger, &folder).unwrap();
    let gone = found(&shop).into_iter().filter_map(|found| match found {
        Found::Change(Change::Absent { path, .. }) => Some(path.to_path()),
        _ => None,
    });
    assert_eq!(gone.collect::<Vec<_>>(), [path]);
}

/// While the service ran, an inbox (or a folder above it) was moved to a larger disk and a link left in its place: all its
/// files were gone and there again with every sweep, and the link itself was rejected.
#[test]
fn files_of_an_inbox_that_is_reached_by_a_link_now_stay() {
    let shop = Shop::new();
    let (above, larger) = (shop.path().join("above"), shop.path().join("larger"));
    let inbox = above.join("inbox");
    std::fs::create_dir_all(inbox.join("2023")).unwrap();
    let (path, link) = (inbox.join("2023/a.png"), inbox.join("link.png"));
    std::fs::write(&path, b"photo").unwrap();
    std::os::unix::fs::symlink("2023/a.png", &link).unwrap();
    let answers = [tagged(&path, b"photo", "a"), tagged(&link, b"photo", "a")];
    shop.store().apply(&answers).unwrap();
    let process = Inboxes::new(vec![inbox.clone()], globset::GlobSet::empty());
    let look = || found_by(&process, &shop, &inbox, Counted::AnyAnswer);
    let is_as_known = |found: &[Found]| matches!(found, [Found::Unchanged, Found::Unchanged]);
    assert!(is_as_known(&look()));
    for moved in [&inbox, &above] {
        std::fs::rename(moved, &larger).unwrap();
        std::os::unix::fs::symlink(&larger, moved).unwrap();
        let found = look();
        assert!(is_as_known(&found), "{found:?}");
        std::fs::remove_file(moved).unwrap();
        std::fs::rename(&larger, moved).unwrap();
    }
}

/// A file that came to rest just as a scan gave up on it looked answered ever after.
#[test]
fn what_was_given_up_on_while_it_changed_is_found_again() {
    let shop = Shop::new();
    let path = shop.file("late.png", b"photo");
    let Look::File(seen) = shop.inboxes().look_blocking(&path) else {
        panic!("a file")
    };
    let rejection = |reason| Rejection {
        reason,
        detail: "by the end of the scan".into(),
    };
    let known = |reason| Change::unread(&path, Some(seen.stamp), rejection(reason));
    for counted in [Counted::AnyAnswer, Counted::AnswersOf(&model("a"))] {
        shop.store()
            .apply(&[known(RejectionReason::NeverSettled)])
            .unwrap();
        assert!(matches!(
            &found_where(&shop, counted)[..],
            [Found::AtRest(file)] if file.path == path
        ));
        shop.store()
            .apply(&[known(RejectionReason::TooManyBytes)])
            .unwrap();
        assert!(matches!(&found_where(&shop, counted)[..], [Found::Unchanged]));
    }
}

/// The file's row said for ever that it is there, for a look at its name finds something.
#[test]
fn a_folder_ends_the_file_that_had_its_name() {
    let shop = Shop::new();
    let path = shop.inbox().join("dress");
    std::fs::create_dir(&path).unwrap();
    shop.store().apply(&[tagged(&path, b"photo", "a")]).unwrap();
    let ended = found(&shop);
    assert!(
        matches!(&ended[..], [Found::Change(Change::Absent { path: gone, .. })] if gone.to_path() == path),
        "{ended:?}"
    );
    let Some(Found::Change(change)) = ended.into_iter().next() else {
        return;
    };
    shop.store().apply(&[change]).unwrap();
    assert!(found(&shop).is_empty(), "said once");
}

#[test]
fn a_folder_that_can_be_read_again_is_no_rejected_file_any_more() {
    let shop = Shop::new();
    let path = shop.inbox().join("private");
    std::fs::create_dir(&path).unwrap();
    let error = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
    let refused = Change::unread(&path, None, unreadable(&path, &error));
    shop.store().apply(&[refused]).unwrap();
    assert!(matches!(
        &found(&shop)[..],
        [Found::Change(Change::Absent { .. })]
    ));
}

#[test]
fn after_a_change_of_model_a_scan_finds_everything_and_the_service_nothing() {
    let shop = Shop::new();
    let path = shop.file("a.png", b"photo");
    shop.store().apply(&[tagged(&path, b"photo", "a")]).unwrap();
    let (former, next) = (model("a"), model("b"));
    for (counted, is_known) in [
        (Counted::AnyAnswer, true),
        (Counted::AnswersOf(&former), true),
        (Counted::AnswersOf(&next), false),
        (Counted::None, false),
    ] {
        let found = found_where(&shop, counted);
        assert_eq!(
            matches!(&found[..], [Found::Unchanged]),
            is_known,
            "{counted:?}: {found:?}"
        );
    }
}
