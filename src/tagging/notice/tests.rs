//! What the events of an inbox mean, and what becomes of its watch.

use notify::event::{
    AccessKind, AccessMode, CreateKind, DataChange, EventKind, MetadataKind, ModifyKind, RemoveKind,
    RenameMode,
};

use super::*;
use crate::tagging::testing::{Shop, tagged};

fn parts(shop: &Shop) -> NoticeParts {
    let board = StatusBoard::default();
    let part = globset::Glob::new("*.part").unwrap();
    let ignore = globset::GlobSetBuilder::new().add(part).build().unwrap();
    NoticeParts {
        sink: EventSink {
            inboxes: Arc::new(Inboxes::new(vec![shop.inbox()], ignore.clone())),
            noticed_tx: async_channel::bounded(64).0,
            sweeps: SweepRequests::new(vec![shop.inbox()]),
            station: board.station("notice"),
        },
        config: WatchConfig {
            mode: WatchMode::Events,
            poll_interval: Duration::ZERO,
            sweep_interval: Duration::from_secs(3_600),
            ignore,
        },
        reader: shop.reader(),
        board,
    }
}

/// A root that is watched, and what it works with.
fn watched(shop: &Shop) -> (WatchedRoot, NoticeParts) {
    let parts = parts(shop);
    let mut root = WatchedRoot::new(&shop.inbox());
    root.check(&parts);
    assert_eq!(parts.sink.sweeps.take().len(), 1, "after the watch stands");
    (root, parts)
}

fn events_of(root: &WatchedRoot, parts: &NoticeParts) -> RootEvents {
    RootEvents {
        root: root.path.clone(),
        sink: parts.sink.clone(),
        news: Arc::clone(&root.news),
    }
}

/// File systems give a folder that is made anew the inode of the one that was removed: seen once a second it looks
/// the same, and its watch is dead.
#[test]
fn a_root_that_was_removed_and_made_again_at_once_is_watched_again() {
    let shop = Shop::new();
    let (mut root, parts) = watched(&shop);
    let news = Arc::clone(&root.news);
    let removed = Event::new(EventKind::Remove(RemoveKind::Folder)).add_path(shop.inbox());
    events_of(&root, &parts).take(Ok(removed));
    root.check(&parts);
    assert!(!Arc::ptr_eq(&news, &root.news), "another watcher");
    assert_eq!(parts.sink.sweeps.take().len(), 1);
    root.check(&parts);
    assert!(parts.sink.sweeps.take().is_empty(), "only once");
}

#[test]
fn an_inbox_with_more_folders_than_can_be_watched_is_polled_from_then_on() {
    let shop = Shop::new();
    let (mut root, mut parts) = watched(&shop);
    let refused = notify::Error::new(notify::ErrorKind::MaxFilesWatch);
    events_of(&root, &parts).take(Err(refused));
    parts.sink.sweeps.take();
    for _ in 0..2 {
        root.check(&parts);
        assert_eq!(parts.sink.sweeps.take().len(), 1);
    }
    assert!(root.polled);

    // Until the limit is raised, which nobody announces: once a sweep's interval it is tried.
    parts.config.sweep_interval = Duration::ZERO;
    root.next_attempt = Some(Instant::now());
    root.check(&parts);
    assert!(!root.polled && root.watcher.is_some());
    assert_eq!(parts.sink.sweeps.take().len(), 1, "what came before the watch");
    root.check(&parts);
    assert!(parts.sink.sweeps.take().is_empty());
}

/// An inbox that was not mounted at the start, or any more, was watched as if it had been emptied.
#[test]
fn a_bare_inbox_in_which_files_are_missed_is_away_until_anything_lies_in_it() {
    let shop = Shop::new();
    let photo = shop.inbox().join("a.png");
    let states = |parts: &NoticeParts| format!("{:?}", parts.board);
    let (mut root, parts) = watched(&shop);
    assert!(root.watcher.is_some(), "nothing is missed in a new inbox");
    shop.store().apply(&[tagged(&photo, b"photo", "a")]).unwrap();
    root.check(&parts);
    assert!(root.watcher.is_none() && parts.sink.sweeps.take().is_empty());
    assert!(
        states(&parts).contains("Bare(\"is empty, though a file was there"),
        "{}",
        states(&parts)
    );

    // The disk is mounted, or something is dropped; a name to be passed over is enough.
    shop.file("upload.part", b"");
    root.check(&parts);
    assert!(root.watcher.is_some() && !states(&parts).contains("is empty"));
    assert_eq!(parts.sink.sweeps.take().len(), 1);

    // Emptied before the eyes of this process.
    std::fs::remove_file(shop.inbox().join("upload.part")).unwrap();
    root.check(&parts);
    assert!(root.watcher.is_some() && !states(&parts).contains("is empty"));
}

/// Each rename away from a temporary name asked for a sweep, twice; more than 64 a second for sweeps of everything.
#[test]
fn names_that_are_passed_over_ask_for_no_sweep() {
    let shop = Shop::new();
    let (root, parts) = watched(&shop);
    let events = events_of(&root, &parts);
    for path in [
        shop.inbox().join("upload.part"),
        shop.path().join("elsewhere.png"),
    ] {
        for kind in [
            EventKind::Modify(ModifyKind::Name(RenameMode::From)),
            EventKind::Remove(RemoveKind::File),
            EventKind::Create(CreateKind::Folder),
        ] {
            events.take(Ok(Event::new(kind).add_path(path.clone())));
        }
    }
    let sweeps = &parts.sink.sweeps;
    assert!(sweeps.take().is_empty() && sweeps.take_later().is_empty());
}

/// Its watch is set after its event: what is made in it between a sweep at the event and the watch was seen by
/// neither.
#[test]
fn a_new_folder_is_swept_again_once_its_watch_stands() {
    let shop = Shop::new();
    let (root, parts) = watched(&shop);
    let folder = shop.inbox().join("new");
    std::fs::create_dir(&folder).unwrap();
    let created = Event::new(EventKind::Create(CreateKind::Folder)).add_path(folder.clone());
    events_of(&root, &parts).take(Ok(created));
    let sweeps = &parts.sink.sweeps;
    assert!(sweeps.take().contains(&folder), "at once");
    sweep_again(&mut [root], sweeps);
    assert!(sweeps.take().contains(&folder), "and again");
}

/// Removed between its reading and its record, it was marked as gone first and as there afterwards.
#[test]
fn a_removed_file_is_looked_for_again_when_its_answer_is_recorded() {
    let shop = Shop::new();
    let (root, parts) = watched(&shop);
    let path = shop.inbox().join("a.png");
    let removed = Event::new(EventKind::Remove(RemoveKind::File)).add_path(path.clone());
    events_of(&root, &parts).take(Ok(removed));
    let sweeps = &parts.sink.sweeps;
    assert!(sweeps.take().contains(&path), "at once");
    sweep_again(&mut [root], sweeps);
    assert!(sweeps.take().contains(&path), "and again");
}

#[test]
fn events_mean_what_the_kernel_sends_them_for() {
    for (kind, expected) in [
        (
            EventKind::Access(AccessKind::Close(AccessMode::Write)),
            Meaning::File(Hint::Closed),
        ),
        (
            EventKind::Access(AccessKind::Close(AccessMode::Read)),
            Meaning::Nothing,
        ),
        (
            EventKind::Access(AccessKind::Open(AccessMode::Any)),
            Meaning::Nothing,
        ),
        (EventKind::Create(CreateKind::File), Meaning::File(Hint::Unclosed)),
        (EventKind::Create(CreateKind::Folder), Meaning::Folder),
        (
            EventKind::Modify(ModifyKind::Data(DataChange::Any)),
            Meaning::File(Hint::Unclosed),
        ),
        (
            EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any)),
            Meaning::Nothing,
        ),
        (
            EventKind::Modify(ModifyKind::Name(RenameMode::To)),
            Meaning::File(Hint::Closed),
        ),
        (
            EventKind::Modify(ModifyKind::Name(RenameMode::From)),
            Meaning::Gone,
        ),
        (EventKind::Remove(RemoveKind::File), Meaning::Gone),
    ] {
        assert_eq!(meaning(&kind), expected, "{kind:?}");
    }
}
