//! What is read, and what is taken for a move.

use globset::GlobSet;

use super::moved::is_other_spelling_of;
use super::*;
use crate::tagging::testing::{SETTLE, Shop, in_service, png, settled, tagged};

fn preparer(shop: &Shop, inboxes: Inboxes) -> Preparer {
    Preparer {
        reader: shop.reader(),
        in_service: in_service("a"),
        inboxes: Arc::new(inboxes),
        limits: LimitsConfig {
            max_file_bytes: 1 << 20,
            max_pixels: 1 << 20,
            max_decode_bytes: 1 << 24,
        },
        settle: SETTLE,
        in_flight: Arc::default(),
    }
}

/// A copy of a photo that came while the stick with the original was not plugged in took the original's row.
#[test]
fn files_of_an_inbox_that_is_not_there_have_not_moved() {
    let shop = Shop::new();
    let stick = shop.path().join("stick");
    let (original, copy) = (stick.join("a.png"), shop.file("copy.png", &png(7)));
    shop.store().apply(&[tagged(&original, &png(7), "a")]).unwrap();
    let prepared = || {
        let inboxes = Inboxes::new(vec![shop.inbox(), stick.clone()], GlobSet::empty());
        let step = preparer(&shop, inboxes).prepare_blocking(&settled(&copy), &mut Scratch::default());
        match step.unwrap() {
            Step::Record(recordable) => recordable.changes,
            other => panic!("{other:?}"),
        }
    };
    assert!(matches!(&prepared()[..], [Change::Known { .. }]));
    std::fs::create_dir(&stick).unwrap();
    assert!(
        matches!(&prepared()[..], [Change::Known { .. }]),
        "nothing but the folder it is plugged in at"
    );
    std::fs::write(stick.join("b.png"), png(8)).unwrap();
    assert!(matches!(&prepared()[..], [Change::Moved { from, .. }] if from.to_path() == original));
}

fn changes(step: Step) -> Vec<Change> {
    match step {
        Step::Record(recordable) => recordable.changes,
        other => panic!("{other:?}"),
    }
}

/// A stick outside of all inboxes was unplugged, its mount point stayed, and a copy of a photo took the original's row.
#[test]
fn files_of_a_folder_in_which_nothing_lies_have_not_moved() {
    let shop = Shop::new();
    let stick = shop.path().join("stick");
    std::fs::create_dir(&stick).unwrap();
    let (original, copy) = (stick.join("a.png"), shop.file("copy.png", &png(7)));
    shop.store().apply(&[tagged(&original, &png(7), "a")]).unwrap();
    let prepared = || {
        let preparer = preparer(&shop, shop.inboxes());
        changes(
            preparer
                .prepare_blocking(&settled(&copy), &mut Scratch::default())
                .unwrap(),
        )
    };
    assert!(matches!(&prepared()[..], [Change::Known { .. }]));
    std::fs::write(stick.join("b.png"), png(8)).unwrap();
    assert!(matches!(&prepared()[..], [Change::Moved { from, .. }] if from.to_path() == original));
}

/// Photos that were scanned elsewhere and then moved into the inbox, all of them: they counted twice until somebody put another
/// file into their former folder and scanned that.
#[test]
fn a_file_that_lies_here_has_moved_whatever_became_of_its_former_folder() {
    let shop = Shop::new();
    let photos = shop.path().join("photos");
    std::fs::create_dir(&photos).unwrap();
    let former = photos.join("a.png");
    std::fs::write(&former, png(7)).unwrap();
    shop.store().apply(&[tagged(&former, &png(7), "a")]).unwrap();
    let here = shop.inbox().join("a.png");
    std::fs::rename(&former, &here).unwrap();
    let preparer = preparer(&shop, shop.inboxes());
    let step = preparer.prepare_blocking(&settled(&here), &mut Scratch::default());
    assert!(matches!(&changes(step.unwrap())[..], [Change::Moved { from, .. }] if from.to_path() == former));
}

/// Of a folder that was renamed, in which some photos lie twice, the second of each stayed behind as gone: it waited for the
/// answer of the first, and took it as a copy.
#[test]
fn copies_that_are_renamed_together_have_each_their_own_row() {
    let shop = Shop::new();
    let (before, after) = (shop.inbox().join("before"), shop.inbox().join("after"));
    std::fs::create_dir(&before).unwrap();
    let names = ["a.png", "b.png", "c.png"];
    for name in names {
        std::fs::write(before.join(name), png(7)).unwrap();
        let answer = tagged(&before.join(name), &png(7), "a");
        shop.store().apply(&[answer]).unwrap();
    }
    std::fs::rename(&before, &after).unwrap();
    let (preparer, mut scratch) = (preparer(&shop, shop.inboxes()), Scratch::default());
    // Each while the first is on its way to the record.
    for name in ["b.png", "c.png", "a.png"] {
        let step = preparer.prepare_blocking(&settled(&after.join(name)), &mut scratch);
        let changes = changes(step.unwrap());
        assert!(
            matches!(&changes[..], [Change::Moved { from, .. }] if from.to_path() == before.join(name)),
            "{changes:?}"
        );
    }
}

/// A private file was tagged, and shown on the pages, under the name of a photo whose folder a link had replaced.
#[test]
fn a_file_is_not_read_through_a_link_that_has_taken_the_place_of_its_folder() {
    let shop = Shop::new();
    let outside = shop.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("a.png"), png(7)).unwrap();
    std::os::unix::fs::symlink(&outside, shop.inbox().join("new")).unwrap();
    let file = settled(&shop.inbox().join("new/a.png"));
    let preparer = preparer(&shop, shop.inboxes());
    let step = preparer.prepare_blocking(&file, &mut Scratch::default());
    assert!(matches!(
        &changes(step.unwrap())[..],
        [Change::Unread { rejection, .. }] if rejection.reason == RejectionReason::Vanished
    ));
}

/// While the service was stopped, the inbox was moved to a larger disk and a link left in its place: its photos counted
/// twice ever after.
#[test]
fn files_of_an_inbox_of_which_the_former_name_is_a_link_have_moved() {
    let shop = Shop::new();
    let former = shop.path().join("former");
    std::os::unix::fs::symlink(shop.inbox(), &former).unwrap();
    let (link, path) = (shop.inbox().join("link.png"), shop.file("a.png", &png(7)));
    std::os::unix::fs::symlink("a.png", &link).unwrap();
    let prepared = || {
        let preparer = preparer(&shop, shop.inboxes());
        changes(
            preparer
                .prepare_blocking(&settled(&path), &mut Scratch::default())
                .unwrap(),
        )
    };
    shop.store().apply(&[tagged(&link, &png(7), "a")]).unwrap();
    assert!(
        matches!(&prepared()[..], [Change::Known { .. }]),
        "a link to a file is a file of its own"
    );
    let before = former.join("a.png");
    shop.store().apply(&[tagged(&before, &png(7), "a")]).unwrap();
    assert!(matches!(&prepared()[..], [Change::Moved { from, .. }] if from.to_path() == before));
}

/// The former content's answer could come after that of the content which had replaced it.
#[test]
fn a_file_that_was_replaced_while_it_was_decoded_is_looked_at_again() {
    let shop = Shop::new();
    let (path, copy) = (shop.file("a.png", &png(1)), shop.file("copy.png", &png(1)));
    let (preparer, mut scratch) = (preparer(&shop, shop.inboxes()), Scratch::default());
    let file = settled(&path);
    let mut claim = |file: &SettledFile| preparer.claim_blocking(file, &mut scratch).unwrap();
    let Ok(claimed) = claim(&file) else {
        panic!("new content")
    };
    assert!(matches!(claim(&settled(&copy)), Err(Step::Parked)));
    let aside = shop.path().join("aside");
    std::fs::write(&aside, png(2)).unwrap();
    std::fs::rename(&aside, &path).unwrap();
    let step = preparer.decode_blocking(&file, claimed, &mut scratch);
    assert!(matches!(step, Step::Relook(Hint::Unclosed, paths) if paths == [copy.clone(), path.clone()]));
    let again = preparer.claim_blocking(&settled(&copy), &mut scratch);
    assert!(again.unwrap().is_ok(), "nobody has the content any more");
}

/// A file that was written to again while it waited for a reader was read in the middle of that.
#[test]
fn a_file_that_changed_after_it_had_settled_is_looked_at_again() {
    let shop = Shop::new();
    let path = shop.file("a.png", &png(1));
    let file = settled(&path);
    let mut longer = png(1);
    longer.push(0);
    std::fs::write(&path, longer).unwrap();
    let step = |file| {
        let preparer = preparer(&shop, shop.inboxes());
        preparer.prepare_blocking(file, &mut Scratch::default()).unwrap()
    };
    assert!(matches!(step(&file), Step::Relook(Hint::Unclosed, paths) if paths == [path.clone()]));
    assert!(matches!(step(&settled(&path)), Step::Infer(_)));
}

/// Photos that waited for a reader when their disk was unmounted were marked as gone.
#[test]
fn a_file_that_is_missing_with_its_whole_inbox_is_not_gone() {
    let shop = Shop::new();
    let file = settled(&shop.inbox().join("missing.png"));
    let step = || {
        let preparer = preparer(&shop, shop.inboxes());
        preparer.prepare_blocking(&file, &mut Scratch::default()).unwrap()
    };
    let again = step();
    assert!(
        matches!(&again, Step::Relook(_, paths) if *paths == [file.path.clone()]),
        "{again:?}"
    );
    shop.file("other.png", b"another");
    assert!(matches!(&changes(step())[..], [Change::Unread { .. }]));
}

/// On a share that does not tell the case of letters both names stayed for good, and the photo counted twice.
#[test]
fn a_file_of_which_only_the_case_of_letters_has_changed_has_moved() {
    let shop = Shop::new();
    let (former, here) = (shop.inbox().join("IMG_1.JPG"), shop.file("img_1.jpg", &png(7)));
    let on_a_share = |path: &Path| {
        let name = path.file_name().unwrap().to_str().unwrap().to_lowercase();
        path.with_file_name(name).symlink_metadata()
    };
    assert!(is_other_spelling_of(&former, &here, on_a_share));
    let copy = shop.file("copy.jpg", &png(7));
    assert!(!is_other_spelling_of(&copy, &here, on_a_share));
    std::fs::hard_link(&here, &former).unwrap();
    assert!(
        !is_other_spelling_of(&former, &here, Path::symlink_metadata),
        "two names of one file"
    );
    std::fs::remove_file(&former).unwrap();
    std::fs::copy(&here, &former).unwrap();
    assert!(!is_other_spelling_of(&former, &here, Path::symlink_metadata));
}
