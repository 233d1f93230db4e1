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
