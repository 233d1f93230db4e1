//! One daemon a store, signals, and what `status` says of it.

use std::process::Stdio;

use crate::util::{Daemon, PATIENCE, Shop, drop_png, text, wait_until};

#[test]
fn a_second_daemon_says_who_holds_the_store() {
    let shop = Shop::new();
    let first = shop.daemon();
    let second = shop.run(&["run"]);
    assert_eq!(second.status.code(), Some(1));
    let message = text(&second.stderr);
    assert!(message.contains(&first.child.id().to_string()), "{message}");
    assert_eq!(first.end(), Some(0));
}

#[test]
fn status_tells_healthy_from_degraded_from_not_running() {
    let shop = Shop::new();
    let code = || shop.run(&["status"]).status.code();
    assert_eq!(code(), Some(2));
    assert_eq!(shop.run(&["status", "--format", "json"]).status.code(), Some(2));
    let unsure = shop.run(&["status", "--set", "no.such.key=1"]);
    assert_eq!(
        unsure.status.code(),
        Some(3),
        "wrong settings are not \"not running\""
    );
    assert!(text(&unsure.stderr).contains("no.such.key"));
    let daemon = shop.daemon();
    assert_eq!(code(), Some(0));
    let report = shop.json(&["status", "--format", "json"]);
    assert_eq!(report["running"], true);
    assert_eq!(report["device"]["used"], "cpu");
    assert!(report["stations"].as_array().unwrap().len() >= 5, "{report}");
    assert!(
        report["queues"]
            .as_array()
            .unwrap()
            .iter()
            .all(|queue| queue["capacity"].as_u64() > Some(0))
    );

    let aside = shop.path().join("aside");
    std::fs::rename(shop.inbox(), &aside).unwrap();
    wait_until("the missing inbox is degraded", || code() == Some(1));
    assert!(text(&shop.run(&["status"]).stdout).contains("inbox"));
    drop_png(&aside, 1);
    std::fs::rename(&aside, shop.inbox()).unwrap();
    wait_until("the returned inbox is watched", || code() == Some(0));
    shop.wait_for_rows(1);
    drop_png(&shop.inbox(), 2);
    shop.wait_for_rows(2);
    assert_eq!(daemon.end(), Some(0));
    assert_eq!(code(), Some(2));
}

/// Where a disk is not mounted its mount point lies, an empty folder: all photos of the disk were marked as gone. A process
/// that begins now cannot tell; one that saw the disk can, by its device, of which there is only one here.
#[test]
fn an_inbox_that_is_not_mounted_is_missed_and_its_files_are_not_gone() {
    let shop = Shop::new();
    let (inbox, disk) = (shop.inbox(), shop.path().join("disk"));
    let code = || shop.run(&["status"]).status.code();
    let gone = || shop.count("SELECT count(*) FROM files WHERE is_present = 0");
    (0..3).for_each(|number| drop(drop_png(&inbox, number)));
    shop.ok(&["scan"]);
    std::fs::rename(&inbox, &disk).unwrap();
    std::fs::create_dir(&inbox).unwrap();
    let scanned = text(&shop.run(&["scan"]).stderr);
    assert!(
        scanned.contains("is empty, though 3 files were there"),
        "{scanned}"
    );

    let daemon = shop.daemon();
    let status = shop.run(&["status"]);
    assert_eq!(status.status.code(), Some(1));
    assert!(text(&status.stdout).contains("is it mounted?"));
    assert_eq!(gone(), 0);

    std::fs::remove_dir(&inbox).unwrap();
    std::fs::rename(&disk, &inbox).unwrap();
    wait_until("the mounted inbox is watched", || code() == Some(0));
    drop_png(&inbox, 3);
    shop.wait_for_rows(4);
    assert_eq!(gone(), 0);
    assert_eq!(daemon.end(), Some(0));
}

/// The service went on, "healthy", in a file that no command looked into; what was tagged and corrected since was lost with it.
#[test]
fn a_service_ends_when_its_store_is_replaced() {
    let shop = Shop::new();
    let backup = shop.path().join("backup.db");
    let mut daemon = shop.daemon();
    shop.ok(&["backup", "backup.db"]);
    for ending in ["db", "db-wal", "db-shm"] {
        std::fs::remove_file(shop.store().with_extension(ending)).unwrap();
    }
    std::fs::rename(&backup, shop.store()).unwrap();
    let mut ended = None;
    wait_until("it ends", || {
        ended = daemon.child.try_wait().unwrap();
        ended.is_some()
    });
    assert_eq!(ended.and_then(|ended| ended.code()), Some(1));
    let log = shop.log();
    assert!(log.contains("was moved, removed or replaced"), "{log}");
    assert_eq!(shop.daemon().end(), Some(0), "on what lies there now");
}

/// It was emptied while no service ran, or rather, nobody can tell: anything that lies in it says so.
#[test]
fn files_that_are_missed_in_an_empty_inbox_are_gone_once_anything_lies_there() {
    let shop = Shop::new();
    let code = || shop.run(&["status"]).status.code();
    let photo = drop_png(&shop.inbox(), 1);
    shop.ok(&["scan"]);
    std::fs::remove_file(photo).unwrap();
    let daemon = shop.daemon();
    let status = shop.run(&["status", "--format", "json"]);
    assert_eq!(status.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(report["folders"][0]["state"], "bare");
    drop_png(&shop.inbox(), 2);
    wait_until("the other is gone", || {
        shop.count("SELECT count(*) FROM files WHERE is_present = 0") == 1
    });
    wait_until("all is well", || code() == Some(0));
    assert_eq!(daemon.end(), Some(0));
}

/// Each night the whole inbox is moved away: it counted as unmounted until the first photo of the next day.
#[test]
fn files_of_an_inbox_that_is_moved_away_and_made_anew_are_gone() {
    let shop = Shop::new();
    let daemon = shop.daemon();
    drop_png(&shop.inbox(), 1);
    shop.wait_for_rows(1);
    std::fs::rename(shop.inbox(), shop.path().join("archive")).unwrap();
    std::fs::create_dir(shop.inbox()).unwrap();
    wait_until("the moved photo is gone", || {
        shop.count("SELECT count(*) FROM files WHERE is_present = 0") == 1
    });
    wait_until("all is well", || shop.run(&["status"]).status.code() == Some(0));
    drop_png(&shop.inbox(), 2);
    shop.wait_for_rows(2);
    assert_eq!(daemon.end(), Some(0));
}

#[test]
fn an_inbox_that_is_made_anew_is_watched_again() {
    let shop = Shop::new();
    let daemon = shop.daemon();
    drop_png(&shop.inbox(), 1);
    shop.wait_for_rows(1);
    std::fs::remove_dir_all(shop.inbox()).unwrap();
    wait_until("the missing inbox is degraded", || {
        shop.run(&["status"]).status.code() == Some(1)
    });
    std::fs::create_dir(shop.inbox()).unwrap();
    drop_png(&shop.inbox(), 2);
    shop.wait_for_rows(2);
    wait_until("the first photo is marked as gone", || {
        shop.count("SELECT count(*) FROM files WHERE is_present = 0") == 1
    });
    assert_eq!(daemon.end(), Some(0));
}

#[test]
fn commands_write_while_the_daemon_runs() {
    let shop = Shop::new();
    let daemon = shop.daemon();
    let outside = shop.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    for number in 0..20 {
        drop_png(&shop.inbox(), number);
        drop_png(&outside, 100 + number);
    }
    let summary = shop.json(&["scan", outside.to_str().unwrap(), "--format", "json"]);
    assert_eq!(summary["tagged"], 20);
    shop.wait_for_rows(40);
    assert_eq!(daemon.end(), Some(0));
}

/// systemd starts what needs the tagger once it is ready (`Type=notify`), and need not guess when it ends.
#[test]
fn systemd_hears_when_the_daemon_is_ready_and_when_it_ends() {
    let shop = Shop::new();
    let path = shop.path().join("notify");
    let systemd = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    systemd.set_read_timeout(Some(PATIENCE)).unwrap();
    let heard = || {
        let mut bytes = [0; 256];
        let length = systemd.recv(&mut bytes).unwrap();
        text(&bytes[..length])
    };
    let mut command = shop.command(&["run"]);
    command.env("NOTIFY_SOCKET", &path);
    let log = std::fs::File::create(shop.path().join("daemon.log")).unwrap();
    let mut daemon = Daemon {
        child: command.stdout(Stdio::null()).stderr(log).spawn().unwrap(),
    };
    assert_eq!(heard().trim(), "READY=1", "{}", shop.log());
    assert!(
        shop.log().contains("watched"),
        "ready, but nothing is watched:\n{}",
        shop.log()
    );
    drop_png(&shop.inbox(), 1);
    shop.wait_for_rows(1);
    daemon.signal("TERM");
    assert_eq!(heard().trim(), "STOPPING=1", "{}", shop.log());
    assert_eq!(daemon.child.wait().unwrap().code(), Some(0));
}

/// A mistake in the settings ended with 1, as if something had failed.
#[test]
fn an_inbox_that_leads_over_a_link_to_the_data_folder_is_a_mistake_in_the_settings() {
    let shop = Shop::new();
    std::fs::remove_dir(shop.inbox()).unwrap();
    std::os::unix::fs::symlink(shop.path(), shop.path().join("inbox")).unwrap();
    let output = shop.run(&["run"]);
    let complaint = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{complaint}");
    assert!(complaint.contains("really lies in the inbox"), "{complaint}");
}
