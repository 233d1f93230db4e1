//! Changes by a person, up to their rows in the store, and those that are refused.

use std::sync::mpsc;

use serde_json::json;

use super::super::DriftShown;
use super::super::pictures::Size;
use super::super::shelf::Shelf;
use super::*;
use crate::config::Sources;
use crate::domain::{
    FileStamp, InventoryPath, Label, PreprocessingVersion, Rejection, RejectionReason, Thresholds, Timestamp,
};
use crate::store::{Change, ContentFacts, FileSighting, Forced, NewModel, NewThresholds, RejectionRecord};
use crate::tagging::testing::Fake;

fn handless() -> Hands {
    Hands {
        queues: Box::new(Vec::new),
        look_again: Box::new(|_| {}),
        is_watched: Box::new(|_| true),
        open_model: Box::new(|_| Err("not here".into())),
        fit_on_audit: Box::new(|_, _| Ok(())),
        keep_picture: Box::new(|_, _| Ok(())),
        is_picture_kept: Box::new(|_| false),
        worth_a_look: Box::new(|_, _, _| Ok(Vec::new())),
        findings: Box::new(|_| Vec::new()),
        drift: Box::new(|_| {
            Ok(DriftShown {
                answer: json!(null),
                reading: None,
                conclusion: String::new(),
                table: None,
            })
        }),
    }
}

/// A photo at `path` that is on record; a store needs no tag for a correction.
fn on_record(store: &mut Store, hash: ContentHash, path: &std::path::Path) {
    let model = NewModel::new(
        &"a".repeat(64),
        PreprocessingVersion(1),
        Timestamp::from_millis(0),
    )
    .unwrap();
    store.register_model(&model).unwrap();
    let change = Change::Rejected {
        file: FileSighting {
            path: InventoryPath::from_stored(path.display().to_string()),
            stamp: FileStamp {
                size: 9,
                mtime_ns: 5,
                inode: 7,
            },
        },
        content: ContentFacts {
            hash,
            bytes: 9,
            format: None,
            size_px: None,
        },
        rejection: RejectionRecord {
            rejection: Rejection {
                reason: RejectionReason::Corrupt,
                detail: "broken".into(),
            },
            model: model.id().clone(),
            preprocessing: PreprocessingVersion(1),
            at: Timestamp::from_millis(1),
        },
    };
    store.apply(&[change]).unwrap();
}

/// The settings of a shop, and its store.
fn shop(folder: &std::path::Path) -> (Arc<Config>, Store) {
    let (inbox, data) = (folder.join("inbox"), folder.join("data"));
    let settings = format!("inbox = {inbox:?}\ndata_dir = {data:?}");
    let config = Config::from_sources(&Sources {
        file: Some(("shop.toml".into(), settings)),
        ..Sources::default()
    });
    let config = config.unwrap();
    let store = Store::open(&config.store_path(), config.durability.into()).unwrap();
    (Arc::new(config), store)
}

fn gallery(config: &Config) -> Arc<Gallery> {
    let shelf = Shelf::new(config.thumbnails_dir(), 1);
    Arc::new(Gallery::start(config, &config.inboxes, shelf).unwrap())
}

/// The photo was read before the correction was written, by the one thread that writes: a dead disk held up all.
#[test]
fn a_correction_waits_for_no_photo() {
    let folder = tempfile::tempdir().unwrap();
    let (config, mut store) = shop(folder.path());
    let hash = ContentHash::of(b"a photo");
    on_record(&mut store, hash, &folder.path().join("inbox/a.jpg"));
    let gallery = gallery(&config);
    let (_answers_tx, answers_rx) = mpsc::channel();
    gallery.let_hang(0, answers_rx);
    let mut desk = Desk::new(config, Arc::new(handless()), gallery).unwrap();
    let first = Truth::from(Label::all().next());
    for (truth, before) in [(first, None), (first, Some(first)), (Truth::Unknown, Some(first))] {
        let replaced = desk.correct_blocking(hash, truth, None, "Ada".into());
        assert_eq!(replaced.unwrap().before, before);
    }
}

/// Of 480 words within a second, 199 counted and were lost to rebuilds, with a line in the log each.
#[tokio::test]
async fn a_word_whose_picture_finds_no_place_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let (config, mut store) = shop(folder.path());
    let (hash, paths) = (ContentHash::of(b"a photo"), [folder.path().join("inbox/a.jpg")]);
    on_record(&mut store, hash, &paths[0]);
    let gallery = gallery(&config);
    let reader = Reader::open(&config.store_path()).unwrap();
    let mut desk = Desk::new(config, Arc::new(handless()), Arc::clone(&gallery)).unwrap();
    let word = |label: usize| Truth::from(Label::all().nth(label));
    let mut say = |label| desk.correct_blocking(hash, word(label), None, "Ada".into());
    let standing = || reader.page_of_corrections(None, 9).unwrap().corrections.len();

    let all_places = || std::iter::from_fn(|| gallery.place(&paths).ok()).collect::<Vec<_>>();
    let taken = all_places();
    assert!(matches!(say(1), Err(Failure::Busy)));
    assert_eq!(standing(), 0);
    drop(taken);
    say(1).unwrap();
    assert_eq!(standing(), 1);

    // What waits for a dead disk holds up nobody.
    let (_answers_tx, answers_rx) = mpsc::channel();
    gallery.let_hang(0, answers_rx);
    while !matches!(
        gallery.picture(hash, Size::Thumb, &paths).await,
        Err(Failure::TimedOut)
    ) {}
    let _taken = all_places();
    let counted = Corrected {
        before: Some(word(1)),
        can_be_learned: false,
    };
    assert_eq!(say(2).unwrap(), counted);
}

/// That a rebuild would learn from a photo that was gone was told nobody but the log.
#[test]
fn it_is_told_where_no_rebuild_can_learn_from_a_word() {
    let folder = tempfile::tempdir().unwrap();
    let (config, mut store) = shop(folder.path());
    let (here, gone) = (ContentHash::of(b"here"), ContentHash::of(b"gone"));
    on_record(&mut store, here, &folder.path().join("inbox/here.jpg"));
    on_record(&mut store, gone, &folder.path().join("inbox/file.jpg"));
    // Another content in its place: no file holds that one any more.
    on_record(
        &mut store,
        ContentHash::of(b"other"),
        &folder.path().join("inbox/file.jpg"),
    );
    let gallery = gallery(&config);
    for (hash, was_kept, expected) in [(here, false, true), (gone, false, false), (gone, true, true)] {
        let hands = Hands {
            is_picture_kept: Box::new(move |_| was_kept),
            ..handless()
        };
        let mut desk = Desk::new(Arc::clone(&config), Arc::new(hands), Arc::clone(&gallery)).unwrap();
        let corrected = desk.correct_blocking(hash, Truth::Unknown, None, "Ada".into());
        assert_eq!(
            corrected.unwrap().can_be_learned,
            expected,
            "{hash}, kept before: {was_kept}"
        );
        if hash == gone {
            let unlearned = desk.unlearned().load(Ordering::Relaxed);
            assert_eq!(unlearned, u64::from(!was_kept), "kept before: {was_kept}");
        }
    }
    // It is found only when it is read that this is no picture any more.
    let mut desk = Desk::new(config, Arc::new(handless()), gallery).unwrap();
    desk.correct_blocking(here, Truth::Unknown, None, "Ada".into())
        .unwrap();
    let since = std::time::Instant::now();
    while desk.unlearned().load(Ordering::Relaxed) == 0 {
        assert!(since.elapsed().as_secs() < 60, "it is not counted");
        std::thread::yield_now();
    }
}

/// An audit held for a model that was promoted by command, and not for one that was promoted by the page.
#[test]
fn what_is_fitted_on_an_audit_holds_from_the_first_moment_in_service_on() {
    let folder = tempfile::tempdir().unwrap();
    let (config, mut store) = shop(folder.path());
    let at = Timestamp::from_millis(1);
    let new = NewModel::new(&"b".repeat(64), PreprocessingVersion(1), at).unwrap();
    store.register_model(&new).unwrap();
    let gallery = gallery(&config);
    let hands = Hands {
        open_model: Box::new(|_| Ok(Box::new(Fake::new("b", 0)))),
        fit_on_audit: Box::new(move |store, model| {
            store.set_thresholds(&NewThresholds {
                model: model.clone(),
                thresholds: Thresholds::unfounded(),
                by: "a fit".into(),
                at,
            })
        }),
        ..handless()
    };
    let reader = Reader::open(&config.store_path()).unwrap();
    let mut desk = Desk::new(config, Arc::new(hands), gallery).unwrap();
    let wish = Wish {
        model: Some(new.id().clone()),
        forced: Forced::Yes,
        reason: None,
        instead_of: None,
        by: "Ada".into(),
    };
    desk.put_in_service_blocking(wish).unwrap();
    assert_eq!(reader.model_in_service_id().unwrap().as_ref(), Some(new.id()));
    let holding = reader.thresholds_of(new.id()).unwrap().unwrap();
    assert_eq!(holding.by, "a fit");
}
