//! What the events of an inbox mean, and what becomes of its watch.

use notify::event::{DataChange, MetadataKind};

use super::*;
use crate::tagging::testing::Shop;

/// A root that is watched, what it notices, and its settings.
fn watched(shop: &Shop) -> (WatchedRoot, EventSink, WatchConfig) {
    let sink = EventSink {
        inboxes: Arc::new(shop.inboxes()),
        noticed_tx: async_channel::bounded(64).0,
        sweeps: SweepRequests::new(vec![shop.inbox()]),
        station: StatusBoard::default().station("notice"),
    };
    let config = WatchConfig {
        mode: WatchMode::Events,
        poll_interval: Duration::ZERO,
        sweep_interval: Duration::from_secs(3_600),
        ignore: globset::GlobSet::empty(),
    };
    let mut root = WatchedRoot::new(&shop.inbox());
    root.check(&sink, &config, &StatusBoard::default());
    assert_eq!(sink.sweeps.take().len(), 1, "after the watch stands");
    (root, sink, config)
}

fn events_of(root: &WatchedRoot, sink: &EventSink) -> RootEvents {
    RootEvents {
        root: root.path.clone(),
        sink: sink.clone(),
        news: Arc::clone(&root.news),
    }
}

/// File systems give a folder that is made anew the inode of the one that was removed: seen once a second it looks
/// the same, and its watch is dead.
#[test]
fn a_root_that_was_removed_and_made_again_at_once_is_watched_again() {
    let shop = Shop::new();
    let (mut root, sink, config) = watched(&shop);
    let news = Arc::clone(&root.news);
    let removed = Event::new(EventKind::Remove(RemoveKind::Folder)).add_path(shop.inbox());
    events_of(&root, &sink).take(Ok(removed));
    root.check(&sink, &config, &StatusBoard::default());
    assert!(!Arc::ptr_eq(&news, &root.news), "another watcher");
    assert_eq!(sink.sweeps.take().len(), 1);
    root.check(&sink, &config, &StatusBoard::default());
    assert!(sink.sweeps.take().is_empty(), "only once");
}

#[test]
fn an_inbox_with_more_folders_than_can_be_watched_is_polled_from_then_on() {
    let shop = Shop::new();
    let (mut root, sink, config) = watched(&shop);
    let refused = notify::Error::new(notify::ErrorKind::MaxFilesWatch);
    events_of(&root, &sink).take(Err(refused));
    sink.sweeps.take();
    for _ in 0..2 {
        root.check(&sink, &config, &StatusBoard::default());
        assert_eq!(sink.sweeps.take().len(), 1);
    }
    assert!(root.polled);
}

/// Its watch is set after its event: what is made in it between a sweep at the event and the watch was seen by
/// neither.
#[test]
fn a_new_folder_is_swept_again_once_its_watch_stands() {
    let shop = Shop::new();
    let (root, sink, _) = watched(&shop);
    let folder = shop.inbox().join("new");
    std::fs::create_dir(&folder).unwrap();
    let created = Event::new(EventKind::Create(CreateKind::Folder)).add_path(folder.clone());
    events_of(&root, &sink).take(Ok(created));
    assert!(sink.sweeps.take().contains(&folder), "at once");
    sweep_again(&mut [root], &sink.sweeps);
    assert!(sink.sweeps.take().contains(&folder), "and again");
}

/// Removed between its reading and its record, it was marked as gone first and as there afterwards.
#[test]
fn a_removed_file_is_looked_for_again_when_its_answer_is_recorded() {
    let shop = Shop::new();
    let (root, sink, _) = watched(&shop);
    let path = shop.inbox().join("a.png");
    let removed = Event::new(EventKind::Remove(RemoveKind::File)).add_path(path.clone());
    events_of(&root, &sink).take(Ok(removed));
    assert!(sink.sweeps.take().contains(&path), "at once");
    sweep_again(&mut [root], &sink.sweeps);
    assert!(sink.sweeps.take().contains(&path), "and again");
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
