//! Waits: which hint begins which, what ends them, and a room that is full.

use std::sync::Arc;

use super::*;
use crate::tagging::inbox::Inboxes;
use crate::tagging::testing::Shop;

const QUIET: Duration = Duration::from_millis(300);
const UNCLOSED: Duration = Duration::from_millis(1_500);
const GIVE_UP: Duration = Duration::from_secs(10);

fn settler() -> Settler {
    Settler::new(SettleConfig {
        quiet: QUIET,
        quiet_unclosed: UNCLOSED,
        give_up: GIVE_UP,
    })
}

fn noticed(hint: Hint) -> NoticedFile {
    NoticedFile {
        path: "/in/a.jpg".into(),
        hint,
    }
}

fn seen(size: u64, age: Duration) -> Seen {
    Seen {
        stamp: FileStamp {
            size,
            mtime_ns: size as i64,
            inode: 1,
        },
        age,
    }
}

fn settled(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Settled(_))
}

#[test]
fn each_hint_has_its_wait_and_the_latest_counts() {
    let start = Instant::now();
    for (hints, wait) in [
        (vec![Hint::Closed], Some(QUIET)),
        (vec![Hint::Unclosed], Some(UNCLOSED)),
        (vec![Hint::Unclosed, Hint::Closed], Some(QUIET)),
        (vec![Hint::Closed, Hint::Unclosed], Some(UNCLOSED)),
        (vec![Hint::Truncated], Some(GIVE_UP)),
        (vec![Hint::Truncated, Hint::Closed], Some(QUIET)),
        (vec![Hint::Closed, Hint::MovedAway], None),
        (vec![Hint::Found], Some(UNCLOSED)),
        (vec![Hint::Closed, Hint::Truncated], Some(QUIET)),
    ] {
        let mut settler = settler();
        for hint in &hints {
            settler.notice(start, noticed(*hint));
        }
        assert_eq!(settler.next_due(), wait.map(|wait| start + wait), "{hints:?}");
    }
}

#[test]
fn an_old_enough_file_is_settled_at_the_first_look() {
    let (mut settler, start) = (settler(), Instant::now());
    settler.notice(start, noticed(Hint::Closed));
    assert!(settler.take_due(start, 10).is_empty());
    let now = start + QUIET;
    assert_eq!(settler.take_due(now, 10).len(), 1);
    assert!(settled(&settler.judge(
        now,
        Path::new("/in/a.jpg"),
        seen(5, QUIET)
    )));
    assert!(settler.is_empty());
}

#[test]
fn a_file_that_grows_waits_until_it_rests() {
    let (mut settler, start) = (settler(), Instant::now());
    let path = Path::new("/in/a.jpg");
    settler.notice(start, noticed(Hint::Unclosed));
    let mut now = start;
    for size in 1..6 {
        now = settler.next_due().unwrap();
        assert!(
            !settled(&settler.judge(now, path, seen(size, Duration::from_millis(100)))),
            "{size}"
        );
        assert!(settler.next_due().unwrap() > now);
    }
    assert!(settled(&settler.judge(now + UNCLOSED, path, seen(5, UNCLOSED))));
}

#[test]
fn a_clock_that_lags_is_answered_by_two_equal_looks() {
    let (mut settler, start) = (settler(), Instant::now());
    let path = Path::new("/in/a.jpg");
    settler.notice(start, noticed(Hint::Closed));
    let first = settler.next_due().unwrap();
    assert!(!settled(&settler.judge(first, path, seen(5, Duration::ZERO))));
    let second = settler.next_due().unwrap();
    assert_eq!(second, first + QUIET);
    assert!(settled(&settler.judge(second, path, seen(5, Duration::ZERO))));
}

/// A file whose time lies in the future is found restless by every sweep, as is every file of an inbox that is
/// polled faster than files rest; each find began the wait anew.
#[test]
fn sweeps_do_not_keep_a_waiting_file_from_being_read() {
    for (first, wait) in [(Hint::Unclosed, UNCLOSED), (Hint::Truncated, GIVE_UP)] {
        let (mut settler, start) = (settler(), Instant::now());
        let path = Path::new("/in/a.jpg");
        settler.notice(start, noticed(first));
        let mut now = start;
        let settled_at = loop {
            now += Duration::from_millis(100);
            settler.notice(now, noticed(Hint::Found));
            if !settler.take_due(now, 1).is_empty()
                && settled(&settler.judge(now, path, seen(5, Duration::ZERO)))
            {
                break now;
            }
            assert!(now < start + 3 * wait, "{first:?} is starved");
        };
        assert_eq!(settled_at, start + 2 * wait, "two equal looks a full wait apart");
    }
}

/// While a file is handed on, others come back; those for which there was no room were forgotten.
#[tokio::test]
async fn what_comes_back_to_a_full_room_is_left_to_a_sweep() {
    let (_noticed_tx, noticed_rx) = async_channel::bounded(1);
    let (relook_tx, relook_rx) = async_channel::bounded(2);
    let (settled_tx, settled_rx) = async_channel::bounded(1);
    let (recordable_tx, _recordable_rx) = async_channel::bounded(1);
    let ends = SettleEnds {
        noticed_rx,
        relook_rx,
        settled_tx,
        recordable_tx,
    };
    let sweeps = SweepRequests::new(vec!["/in".into()]);
    let inboxes = Inboxes::new(vec!["/in".into()], globset::GlobSet::empty());
    let mut room_for_none = Rooms::with_room_for(0, settler().config, Arc::new(inboxes));
    let file = |name: &str| SettledFile {
        path: name.into(),
        stamp: seen(5, QUIET).stamp,
        rested: QUIET,
    };
    ends.settled_tx.send(file("/in/in-the-queue.jpg")).await.unwrap();
    relook_tx.send(noticed(Hint::Truncated)).await.unwrap();
    let sending = send_settled(&mut room_for_none, &ends, &sweeps, file("/in/next.jpg"));
    let reading = async {
        let folder = sweeps.inboxes()[0].next().await;
        settled_rx.recv().await.unwrap();
        folder
    };
    let (sent, folder) = tokio::join!(sending, reading);
    assert!(sent.is_ok());
    assert_eq!(folder, Path::new("/in"));
}

/// Photos that waited when their disk was unmounted were marked as gone, or rejected as vanished.
#[tokio::test]
async fn files_that_are_missing_with_their_whole_inbox_are_let_go() {
    let shop = Shop::new();
    for is_mounted in [false, true] {
        if is_mounted {
            shop.file("other.png", b"another");
        }
        let (_noticed_tx, noticed_rx) = async_channel::bounded(1);
        let (_relook_tx, relook_rx) = async_channel::bounded(1);
        let (settled_tx, _settled_rx) = async_channel::bounded(1);
        let (recordable_tx, recordable_rx) = async_channel::bounded(1);
        let ends = SettleEnds {
            noticed_rx,
            relook_rx,
            settled_tx,
            recordable_tx,
        };
        let sweeps = SweepRequests::new(vec![shop.inbox()]);
        let mut rooms = Rooms::new(settler().config, Arc::new(shop.inboxes()));
        let missing = NoticedFile {
            path: shop.inbox().join("missing.png"),
            hint: Hint::Closed,
        };
        let now = Instant::now();
        rooms.notice(now, missing, &sweeps);
        rooms.begin_looks(now + QUIET);
        let looked = rooms.next_look().await.unwrap().unwrap();
        let station = crate::status::StatusBoard::default().station("settle");
        let acted = act_on(looked, &mut rooms, &ends, &sweeps, &station).await;
        assert!(acted.is_ok() && rooms.settler(0).is_empty());
        let recorded = recordable_rx.try_recv().map(|recordable| recordable.changes);
        assert_eq!(recorded.is_ok(), is_mounted, "{recorded:?}");
    }
}

/// Looks that take long are overtaken by events: a file that came after one was taken for missing.
#[test]
fn a_look_counts_only_if_nothing_was_heard_of_the_file_since_it_began() {
    let path = Path::new("/in/a.jpg");
    for (heard, still_counts) in [
        (None, true),
        (Some(Hint::Closed), false),
        (Some(Hint::Unclosed), false),
        (Some(Hint::MovedAway), false),
        (Some(Hint::Found), true),
        (Some(Hint::Truncated), true),
    ] {
        let (mut settler, start) = (settler(), Instant::now());
        settler.notice(start, noticed(Hint::Closed));
        assert!(!settler.waits_for_look(path));
        assert_eq!(settler.take_due(start + QUIET, 10), [path]);
        assert!(settler.take_due(start + QUIET, 10).is_empty(), "taken once");
        if let Some(hint) = heard {
            settler.notice(start + QUIET, noticed(hint));
        }
        assert_eq!(settler.waits_for_look(path), still_counts, "{heard:?}");
        settler.drop_file(path);
        assert!(settler.is_empty() && settler.next_due().is_none());
    }
}

#[test]
fn the_room_has_an_end_and_says_so() {
    let (mut settler, start) = (settler(), Instant::now());
    for number in 0..MAX_PENDING {
        assert!(settler.notice(
            start,
            NoticedFile {
                path: format!("/in/{number}").into(),
                hint: Hint::Closed
            }
        ));
    }
    assert!(!settler.notice(
        start,
        NoticedFile {
            path: "/in/more".into(),
            hint: Hint::Closed
        }
    ));
    assert!(
        settler.notice(
            start,
            NoticedFile {
                path: "/in/7".into(),
                hint: Hint::Closed
            }
        ),
        "a known file stays"
    );
}
