//! The daemon on files that come in every way that files come.

use std::io::{BufRead, Write};
use std::os::unix::fs::DirBuilderExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::util::{Daemon, Shop, age, drop_png, is_tagged, permit, png, shared, wait_until};

#[test]
fn files_that_come_in_every_way_are_each_tagged_once() {
    let shop = Shop::new();
    let before = drop_png(&shop.inbox(), 0);
    let daemon = shop.daemon();
    let aside = shop.path().join("aside");
    std::fs::create_dir_all(aside.join("folder/deep")).unwrap();

    drop_png(&shop.inbox(), 1); // written in place
    std::fs::rename(drop_png(&aside, 2), shop.inbox().join("moved-in.png")).unwrap();
    std::fs::hard_link(drop_png(&aside, 3), shop.inbox().join("linked.png")).unwrap();
    (10..30).for_each(|number| drop(drop_png(&aside.join("folder/deep"), number)));
    std::fs::rename(aside.join("folder"), shop.inbox().join("folder")).unwrap(); // one event for twenty files
    let subfolder = shop.inbox().join("made/then/filled");
    std::fs::create_dir_all(&subfolder).unwrap();
    (40..60).for_each(|number| drop(drop_png(&subfolder, number)));
    let partial = shop.inbox().join("upload.png.part");
    std::fs::write(&partial, png(4)).unwrap();
    std::fs::rename(&partial, shop.inbox().join("upload.png")).unwrap();
    let twice = png(5);
    let twice_path = shop.inbox().join("closed-twice.png");
    std::fs::write(&twice_path, &twice[..twice.len() / 2]).unwrap();
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .open(&twice_path)
        .unwrap();
    file.write_all(&twice[twice.len() / 2..]).unwrap();
    drop(file);

    let expected = 1 + 3 + 20 + 20 + 2;
    shop.wait_for_rows(expected);
    assert!(shop.row(&before).is_some());
    assert_eq!(
        shop.count("SELECT count(*) FROM files WHERE label_id IS NOT NULL"),
        expected
    );
    assert_eq!(shop.count("SELECT count(*) FROM outcomes"), expected);
    assert_eq!(
        shop.json(&["query", "--count", "--format", "json"])["count"],
        expected
    );
    assert_eq!(daemon.end(), Some(0));
    assert_eq!(
        shop.count("SELECT count(*) FROM files"),
        expected,
        "nothing was added while ending"
    );
}

/// The first line that could not be logged was a panic, and the process stayed: nothing was tagged, SIGTERM not heard.
#[test]
fn a_log_that_nobody_reads_any_more_stops_nothing() {
    let shop = Shop::new();
    let mut command = shop.command(&["run"]);
    let (log, end) = std::io::pipe().unwrap();
    let mut log = std::io::BufReader::new(log);
    let daemon = Daemon {
        child: command.stdout(Stdio::null()).stderr(end).spawn().unwrap(),
    };
    drop(command);
    let mut line = String::new();
    while !line.contains("ready: ") {
        line.clear();
        assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended early");
    }
    drop(log);
    // Something to complain of.
    let (aside, state) = (shop.path().join("aside"), || shop.run(&["status"]).status.code());
    std::fs::rename(shop.inbox(), &aside).unwrap();
    wait_until("the missing inbox is noticed", || state() == Some(1));
    std::fs::rename(&aside, shop.inbox()).unwrap();
    drop_png(&shop.inbox(), 1);
    shop.wait_for_rows(1);
    assert!(shop.rows().iter().all(is_tagged));
    assert_eq!(daemon.end(), Some(0));
}

#[test]
fn a_file_written_slowly_is_tagged_whole() {
    let shop = Shop::new();
    let daemon = shop.daemon();
    let bytes = png(6);
    let path = shop.inbox().join("slow.png");
    // A writer of its own, with pauses longer than settle.quiet and closes in between: six parts over 3 seconds.
    let parts: Vec<_> = bytes
        .chunks(bytes.len().div_ceil(6))
        .map(<[u8]>::to_vec)
        .collect();
    let writing = std::thread::spawn({
        let path = path.clone();
        move || {
            for part in parts {
                let mut file = std::fs::OpenOptions::new()
                    .create(true)
                    .append(true)
                    .open(&path)
                    .unwrap();
                file.write_all(&part).unwrap();
                drop(file);
                std::thread::sleep(Duration::from_millis(500));
            }
        }
    });
    writing.join().unwrap();
    wait_until("the slow file is tagged", || {
        shop.row(&path).is_some_and(|row| is_tagged(&row))
    });
    assert_eq!(shop.row(&path).unwrap()["bytes"], bytes.len() as u64);
    assert_eq!(
        shop.count("SELECT count(*) FROM outcomes WHERE reason IS NOT NULL"),
        0,
        "no part of it was rejected"
    );
    assert_eq!(daemon.end(), Some(0));
}

#[test]
fn renames_removals_and_overwrites_are_followed() {
    let shop = Shop::new();
    let daemon = shop.daemon();
    let (old, removed, changed) = (
        drop_png(&shop.inbox(), 1),
        drop_png(&shop.inbox(), 2),
        drop_png(&shop.inbox(), 3),
    );
    let folder = shop.inbox().join("spring");
    std::fs::create_dir(&folder).unwrap();
    let within = drop_png(&folder, 4);
    shop.wait_for_rows(4);
    let tag = shop.row(&old).unwrap();
    let hash = shop.row(&changed).unwrap()["content_hash"].clone();

    let new = shop.inbox().join("renamed.png");
    std::fs::rename(&old, &new).unwrap();
    std::fs::remove_file(&removed).unwrap();
    std::fs::write(&changed, png(30)).unwrap();
    std::fs::rename(&folder, shop.inbox().join("summer")).unwrap();
    let moved = shop.inbox().join("summer").join(within.file_name().unwrap());
    wait_until("the rename is followed", || shop.row(&new).is_some());
    wait_until("the renamed folder is followed", || shop.row(&moved).is_some());
    wait_until("the removal is marked", || {
        shop.row(&removed).is_some_and(|row| row["present"] == false)
    });
    wait_until("the new content is tagged", || {
        shop.row(&changed).unwrap()["content_hash"] != hash
    });
    assert_eq!((shop.row(&old), shop.row(&within)), (None, None));
    assert_eq!(
        shop.row(&new).unwrap()["tagged_at"],
        tag["tagged_at"],
        "it was not inferred again"
    );
    assert!(
        is_tagged(&shop.row(&removed).unwrap()),
        "tags of removed files stay"
    );
    assert_eq!(shop.rows().len(), 4);
    assert_eq!(daemon.end(), Some(0));
}

/// A folder that was closed when it came was watched never, an inbox that was closed counted as healthy.
#[test]
fn what_is_closed_is_said_and_watched_once_it_is_open() {
    let shop = Shop::new();
    // What is not noticed by events is not found within the patience of a test.
    let seldom = [
        "run",
        "--set",
        "watch.poll_interval=1h",
        "--set",
        "watch.sweep_interval=1h",
    ];
    let daemon = shop.spawn(shop.command_of_nobody(&seldom));
    shop.wait_until_ready(&daemon);
    let says = |state: &str, what: &str| {
        let report = std::fs::read(shop.data().join("status.json")).unwrap_or_default();
        let report: serde_json::Value = serde_json::from_slice(&report).unwrap_or_default();
        let folder = &report["folders"][0];
        folder["state"] == state && folder["why"].as_str().unwrap_or_default().contains(what)
    };
    let late = shop.inbox().join("late");
    std::fs::DirBuilder::new().mode(0o000).create(&late).unwrap();
    wait_until("the closed folder is said", || says("polled", "late"));
    permit(&late, 0o755);
    wait_until("all is watched", || says("watched", ""));
    let photo = drop_png(&late, 1);
    wait_until("the photo is tagged", || {
        shop.row(&photo).is_some_and(|row| is_tagged(&row))
    });

    permit(&shop.inbox(), 0o000);
    wait_until("the closed inbox is said", || {
        says("missing", "the right to read it")
    });
    assert_eq!(shop.run(&["status"]).status.code(), Some(1));
    permit(&shop.inbox(), 0o755);
    wait_until("all is watched", || says("watched", ""));
    assert_eq!(daemon.end(), Some(0));
}

#[test]
fn polling_finds_what_events_would() {
    let shop = Shop::new();
    let daemon = shop.daemon_with(&["--set", "watch.mode=poll", "--set", "watch.poll_interval=100ms"]);
    let report = shop.json(&["status", "--format", "json"]);
    assert_eq!(report["folders"][0]["state"], "polled");
    for number in 0..10 {
        drop_png(&shop.inbox(), number);
    }
    shop.wait_for_rows(10);
    let removed = drop_png(&shop.inbox(), 3);
    std::fs::remove_file(&removed).unwrap();
    wait_until("the removal is marked", || {
        shop.row(&removed).is_some_and(|row| row["present"] == false)
    });
    assert_eq!(daemon.end(), Some(0));
}

#[test]
fn several_inboxes_are_watched() {
    let shop = Shop::new();
    let second = shop.path().join("second");
    let list = format!("inbox=[{:?}, {:?}]", shop.inbox(), second);
    let mut command = shop.command(&["config", "print", "--set", &list]);
    assert!(command.output().unwrap().status.success());
    // --inbox stands for one folder; the list comes from a file, which --inbox would override.
    let file = shop.path().join("shop.toml");
    std::fs::write(
        &file,
        format!(
            "inbox = [{:?}, {second:?}]\ndata_dir = {:?}\n",
            shop.inbox(),
            shop.data()
        ),
    )
    .unwrap();
    let mut daemon = Command::new(env!("CARGO_BIN_EXE_hangtag"));
    let daemon = daemon
        .args(["run", "--config"])
        .arg(&file)
        .stderr(std::process::Stdio::null());
    let daemon = crate::util::Daemon {
        child: daemon.spawn().unwrap(),
    };
    shop.wait_until_ready(&daemon);
    assert!(second.is_dir(), "an inbox that is absent is made");
    drop_png(&shop.inbox(), 1);
    drop_png(&second, 2);
    shop.wait_for_rows(2);
    assert_eq!(daemon.end(), Some(0));
}

#[test]
fn what_was_dropped_while_no_daemon_ran_is_found() {
    let shop = Shop::new();
    let daemon = shop.daemon();
    drop_png(&shop.inbox(), 1);
    shop.wait_for_rows(1);
    assert_eq!(daemon.end(), Some(0));
    let removed = shop.inbox().join("photo-00001.png");
    std::fs::remove_file(&removed).unwrap();
    age(&drop_png(&shop.inbox(), 2), Duration::from_secs(60));
    let daemon = shop.daemon();
    shop.wait_for_rows(2);
    wait_until("the removal is marked", || {
        shop.row(&removed).is_some_and(|row| row["present"] == false)
    });
    assert_eq!(daemon.end(), Some(0));
}

#[test]
fn real_photos_are_all_tagged_once() {
    let Some(photos) = shared("photos/shop") else {
        return;
    };
    let shop = Shop::new();
    let daemon = shop.daemon();
    let mut count = 0;
    for entry in std::fs::read_dir(&photos).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, shop.inbox().join(path.file_name().unwrap())).unwrap();
        count += 1;
    }
    shop.wait_for_rows(count);
    assert_eq!(
        shop.count("SELECT count(*) FROM files WHERE label_id IS NOT NULL"),
        count
    );
    assert_eq!(daemon.end(), Some(0));
}
