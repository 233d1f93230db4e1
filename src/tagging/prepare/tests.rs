//! What is read, and what is taken for a move.

use globset::GlobSet;

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
