//! What the events of an inbox mean, and what becomes of its watch.

use std::collections::BTreeSet;

use notify::event::{
    AccessKind, AccessMode, CreateKind, DataChange, EventKind, Flag, MetadataKind, ModifyKind, RemoveKind,
    RenameMode,
};

use async_channel::{Receiver, bounded};
use notify::Event;
use tokio::sync::oneshot;

use super::meaning::{Meaning, meaning};
use super::*;
use crate::tagging::inbox::Inboxes;
use crate::tagging::settle::{Hint, NoticedFile};
use crate::tagging::testing::{Shop, tagged};

fn parts(shop: &Shop) -> (NoticeParts, Receiver<NoticedFile>) {
    let (noticed_tx, noticed_rx) = bounded(64);
    let board = StatusBoard::default();
    let part = globset::Glob::new("*.part").unwrap();
    let ignore = globset::GlobSetBuilder::new().add(part).build().unwrap();
    let parts = NoticeParts {
        sink: EventSink {
            inboxes: Arc::new(Inboxes::new(vec![shop.inbox()], ignore.clone())),
            noticed_tx,
            sweeps: SweepRequests::new(vec![shop.inbox()]),
            station: board.station("notice"),
        },
        config: WatchConfig {
            mode: WatchMode::Events,
            poll_interval: Duration::ZERO,
            sweep_interval: Duration::from_secs(3_600),
            ignore,
        },
        reader: Mutex::new(shop.reader()),
        board,
    };
    (parts, noticed_rx)
}

/// A root that is watched, and what it works with.
fn watched(shop: &Shop) -> (WatchedRoot, NoticeParts) {
    let (root, parts, _) = watched_and_heard(shop);
    (root, parts)
}

/// The same, and what it notices.
fn watched_and_heard(shop: &Shop) -> (WatchedRoot, NoticeParts, Receiver<NoticedFile>) {
    let (parts, noticed_rx) = parts(shop);
    let mut root = WatchedRoot::new(&shop.inbox(), &parts.config);
    check(&mut root, &parts);
    assert_eq!(parts.sink.sweeps.take().len(), 1, "after the watch stands");
    (root, parts, noticed_rx)
}

fn check(root: &mut WatchedRoot, parts: &NoticeParts) {
    let look = parts.look_at_blocking(&root.path);
    root.check(look, parts);
}

fn states(parts: &NoticeParts) -> String {
    format!("{:?}", parts.board)
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
    check(&mut root, &parts);
    assert!(!Arc::ptr_eq(&news, &root.news), "another watcher");
    assert_eq!(parts.sink.sweeps.take().len(), 1);
    check(&mut root, &parts);
    assert!(parts.sink.sweeps.take().is_empty(), "only once");
}

/// Folders that were made or renamed while the kernel's queue was full were never watched again, and the status said that
/// all was well.
#[test]
fn an_inbox_of_which_events_were_lost_is_watched_anew() {
    let lost = [
        Ok(Event::new(EventKind::Other).set_flag(Flag::Rescan)),
        Err(notify::Error::io(std::io::ErrorKind::Other.into())),
    ];
    for event in lost {
        let shop = Shop::new();
        let (mut root, parts) = watched(&shop);
        let news = Arc::clone(&root.news);
        events_of(&root, &parts).take(event);
        assert_eq!(parts.sink.sweeps.take().len(), 1, "at once");
        check(&mut root, &parts);
        assert!(!Arc::ptr_eq(&news, &root.news), "another watcher");
        assert_eq!(parts.sink.sweeps.take().len(), 1, "what came before it stood");
        check(&mut root, &parts);
        assert!(parts.sink.sweeps.take().is_empty(), "only once");
    }
}

#[test]
fn an_inbox_with_more_folders_than_can_be_watched_is_polled_from_then_on() {
    let shop = Shop::new();
    let (mut root, mut parts) = watched(&shop);
    let refused = notify::Error::new(notify::ErrorKind::MaxFilesWatch);
    events_of(&root, &parts).take(Err(refused));
    parts.sink.sweeps.take();
    for _ in 0..2 {
        check(&mut root, &parts);
        assert_eq!(parts.sink.sweeps.take().len(), 1);
    }
    assert!(root.polled);

    // Until the limit is raised, which nobody announces: once a sweep's interval it is tried.
    parts.config.sweep_interval = Duration::ZERO;
    root.next_attempt = Some(Instant::now());
    check(&mut root, &parts);
    assert!(!root.polled && root.watcher.is_some());
    assert_eq!(parts.sink.sweeps.take().len(), 1, "what came before the watch");
    check(&mut root, &parts);
    assert!(parts.sink.sweeps.take().is_empty());
}

/// An inbox that was not mounted at the start, or any more, was watched as if it had been emptied.
#[test]
fn a_bare_inbox_in_which_files_are_missed_is_away_until_anything_lies_in_it() {
    let shop = Shop::new();
    let photo = shop.inbox().join("a.png");
    let (mut root, parts) = watched(&shop);
    assert!(root.watcher.is_some(), "nothing is missed in a new inbox");
    shop.store().apply(&[tagged(&photo, b"photo", "a")]).unwrap();
    check(&mut root, &parts);
    assert!(root.watcher.is_none() && parts.sink.sweeps.take().is_empty());
    assert!(
        states(&parts).contains("Bare(\"is empty, though a file was there"),
        "{}",
        states(&parts)
    );

    // The disk is mounted, or something is dropped; a name to be passed over is enough.
    shop.file("upload.part", b"");
    check(&mut root, &parts);
    assert!(root.watcher.is_some() && !states(&parts).contains("is empty"));
    assert_eq!(parts.sink.sweeps.take().len(), 1);

    // Emptied before the eyes of this process.
    std::fs::remove_file(shop.inbox().join("upload.part")).unwrap();
    check(&mut root, &parts);
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
    assert!(sweeps.take().is_empty() && sweeps.take_later(&shop.inbox()).is_empty());
}

/// Its watch is set after its event: what is made in it between a sweep at the event and the watch was seen by
/// neither.
#[test]
fn a_new_folder_is_swept_again_once_its_watch_stands() {
    let shop = Shop::new();
    let (mut root, parts) = watched(&shop);
    let folder = shop.inbox().join("new");
    std::fs::create_dir(&folder).unwrap();
    let created = Event::new(EventKind::Create(CreateKind::Folder)).add_path(folder.clone());
    events_of(&root, &parts).take(Ok(created));
    let sweeps = &parts.sink.sweeps;
    assert!(sweeps.take().contains(&folder), "at once");
    root.sweep_again(&parts.sink);
    assert!(sweeps.take().contains(&folder), "and again");
}

/// Removed between its reading and its record, it was marked as gone first and as there afterwards.
#[test]
fn a_removed_file_is_looked_for_again_when_its_answer_is_recorded() {
    let shop = Shop::new();
    let (mut root, parts) = watched(&shop);
    let path = shop.inbox().join("a.png");
    let removed = Event::new(EventKind::Remove(RemoveKind::File)).add_path(path.clone());
    events_of(&root, &parts).take(Ok(removed));
    let sweeps = &parts.sink.sweeps;
    assert!(sweeps.take().contains(&path), "at once");
    root.sweep_again(&parts.sink);
    assert!(sweeps.take().contains(&path), "and again");
}

/// Folders that `tar` had closed until it was done were watched never: a watcher says nothing of a folder that it could not
/// look into when it came, nor does it try again.
#[tokio::test]
async fn a_folder_that_was_not_watched_when_it_came_is_watched_when_its_rights_change() {
    let shop = Shop::new();
    let folder = shop.inbox().join("late");
    std::fs::create_dir(&folder).unwrap();
    let file = shop.file("late/a.png", b"photo");
    let (mut root, parts, noticed_rx) = watched_and_heard(&shop);
    root.watcher.as_mut().unwrap().unwatch(&folder).unwrap();
    let (events, sweeps) = (events_of(&root, &parts), &parts.sink.sweeps);
    let touched = |path: &Path| {
        let kind = EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any));
        events.take(Ok(Event::new(kind).add_path(path.to_owned())));
    };
    touched(&file);
    assert!(sweeps.take().is_empty(), "of a file that says nothing");
    touched(&folder);
    assert!(sweeps.take().contains(&folder), "at once");
    root.sweep_again(&parts.sink);
    assert!(sweeps.take().contains(&folder), "and when it is watched");
    let new = shop.file("late/b.png", b"another");
    let noticed = tokio::time::timeout(Duration::from_secs(60), noticed_rx.recv()).await;
    assert_eq!(noticed.unwrap().unwrap().path, new);
}

#[test]
fn an_inbox_is_watched_again_as_soon_as_its_closed_folder_is_open() {
    let shop = Shop::new();
    let folder = shop.inbox().join("late");
    std::fs::create_dir(&folder).unwrap();
    let (mut root, parts) = watched(&shop);
    // As a watcher that could not look into the folder leaves it.
    root.closed = Some(folder.clone());
    root.news.lock().unwrap().is_partial = Some("permission denied".into());
    check(&mut root, &parts);
    assert!(root.polled && states(&parts).contains("permission denied"));
    let other = shop.inbox().join("other");
    parts.sink.sweeps.request_now_and_later(&other);
    root.sweep_again(&parts.sink);
    check(&mut root, &parts);
    assert!(root.polled, "another one says nothing of it");
    parts.sink.sweeps.request_now_and_later(&folder);
    root.sweep_again(&parts.sink);
    check(&mut root, &parts);
    assert!(
        !root.polled && states(&parts).contains("Watched"),
        "{}",
        states(&parts)
    );
}

/// A watcher that may not look into one folder.
struct Refused {
    closed: PathBuf,
    watched: BTreeSet<PathBuf>,
}

impl Watcher for Refused {
    fn new<F: notify::EventHandler>(_: F, _: notify::Config) -> notify::Result<Self> {
        unreachable!("it is made by its fields; this is a bug")
    }

    fn watch(&mut self, path: &Path, mode: RecursiveMode) -> notify::Result<()> {
        let meets_closed = match mode {
            RecursiveMode::Recursive => self.closed.starts_with(path),
            RecursiveMode::NonRecursive => self.closed == path,
        };
        if meets_closed {
            let error = notify::Error::io(std::io::ErrorKind::PermissionDenied.into());
            return Err(error.add_path(self.closed.clone()));
        }
        self.watched.insert(path.to_owned());
        Ok(())
    }

    fn unwatch(&mut self, _: &Path) -> notify::Result<()> {
        Ok(())
    }

    fn kind() -> notify::WatcherKind {
        notify::WatcherKind::NullWatcher
    }
}

/// The waste basket of another user, or `lost+found`, had the whole inbox polled for good.
#[test]
fn a_closed_folder_that_is_passed_over_has_no_inbox_polled() {
    let shop = Shop::new();
    for name in ["closed.part/within", "new/part", "private"] {
        std::fs::create_dir_all(shop.inbox().join(name)).unwrap();
    }
    shop.file("new/a.png", b"photo");
    let inboxes = parts(&shop).0.sink.inboxes;
    let watched = |closed: &str| {
        let closed = shop.inbox().join(closed);
        let mut watcher = Refused {
            closed,
            watched: BTreeSet::new(),
        };
        watch_all(&mut watcher, &shop.inbox(), &inboxes).map(|()| watcher.watched)
    };
    let names = ["", "new", "new/part", "private"];
    let all = names.map(|name| shop.inbox().join(name).components().collect());
    assert_eq!(watched("closed.part").unwrap(), BTreeSet::from(all));
    let refused = watched("private").unwrap_err();
    assert_eq!(refused.paths, [shop.inbox().join("private")]);
}

/// One network file system that did not answer stopped the looks at all inboxes, and each of them stayed healthy.
#[tokio::test]
async fn an_inbox_that_does_not_answer_is_away_until_it_does() {
    let shop = Shop::new();
    let (mut root, parts) = watched(&shop);
    let (look_tx, look_rx) = oneshot::channel();
    let answering = async {
        while !states(&parts).contains("Missing(\"does not answer since 20") {
            tokio::task::yield_now().await;
        }
        look_tx.send(parts.look_at_blocking(&shop.inbox())).unwrap();
    };
    let (look, ()) = tokio::join!(
        root.wait_for_look(look_rx, Duration::ZERO, &parts.board),
        answering
    );
    assert!(root.watcher.is_none());
    root.check(look.unwrap(), &parts);
    assert!(root.watcher.is_some() && states(&parts).contains("Watched"));
    assert_eq!(parts.sink.sweeps.take().len(), 1, "what came meanwhile");
}

/// The whole inbox was polled from then on, "Not a directory".
#[test]
fn a_folder_that_is_a_file_by_now_is_nothing_to_watch() {
    let shop = Shop::new();
    let within = shop.file("4711", b"a file").join("sub");
    let error = within.read_dir().unwrap_err();
    assert!(is_of_nothing(&notify::Error::io(error)));
}

/// Each inbox asks for its own: where one does not answer, a sweep of all of them would wait for it.
#[test]
fn an_inbox_is_held_against_the_store_at_intervals() {
    let shop = Shop::new();
    let (mut root, parts) = watched(&shop);
    check(&mut root, &parts);
    assert!(parts.sink.sweeps.take().is_empty());
    root.next_sweep = Instant::now();
    check(&mut root, &parts);
    assert_eq!(parts.sink.sweeps.take(), [shop.inbox()].into());
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
            Meaning::Touched,
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
