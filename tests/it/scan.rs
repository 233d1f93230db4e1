//! `hangtag scan`: everything once, with a summary.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};

use crate::util::{Shop, age, drop_png, is_tagged, png, shared, text};

#[test]
fn a_scan_tags_all_and_a_second_one_nothing() {
    let shop = Shop::new();
    std::fs::create_dir(shop.inbox().join("sub")).unwrap();
    for number in 0..30 {
        drop_png(&shop.inbox(), number);
        drop_png(&shop.inbox().join("sub"), 100 + number);
    }
    std::fs::write(shop.inbox().join("note.jpg"), "no picture").unwrap();
    std::fs::write(shop.inbox().join(".hidden.png"), png(1)).unwrap();
    let output = shop.ok(&["scan", "--format", "json"]);
    let summary: serde_json::Value = serde_json::from_str(output.lines().last().unwrap()).unwrap();
    let counts = |summary: &serde_json::Value| {
        ["seen", "tagged", "rejected", "unchanged"].map(|key| summary[key].as_u64().unwrap())
    };
    assert_eq!(counts(&summary), [61, 60, 1, 0]);
    assert!(
        summary["seconds"].as_f64().unwrap() > 0.0 && summary["images_per_second"].as_f64().unwrap() > 0.0
    );
    assert_eq!(counts(&shop.json(&["scan", "--format", "json"])), [61, 0, 0, 61]);
    assert!(
        shop.ok(&["scan"])
            .contains("61 files seen: 0 tagged, 0 rejected, 61 unchanged")
    );
}

#[test]
fn the_same_content_is_inferred_once_and_each_name_has_its_row() {
    let shop = Shop::new();
    for name in ["a.png", "b.png", "c.png"] {
        std::fs::write(shop.inbox().join(name), png(7)).unwrap();
    }
    let summary = shop.json(&["scan", "--format", "json"]);
    assert_eq!(
        (summary["seen"].as_u64(), summary["tagged"].as_u64()),
        (Some(3), Some(3))
    );
    assert_eq!(shop.rows().len(), 3);
    assert_eq!(shop.count("SELECT count(*) FROM outcomes"), 1);
    std::fs::write(shop.inbox().join("d.png"), png(7)).unwrap();
    assert_eq!(shop.json(&["scan", "--format", "json"])["tagged"], 1);
    assert_eq!(shop.count("SELECT count(*) FROM outcomes"), 1);
}

#[test]
fn a_scan_follows_renames_changes_and_removals() {
    let shop = Shop::new();
    let (old, new) = (drop_png(&shop.inbox(), 1), shop.inbox().join("renamed.png"));
    let (changed, removed) = (drop_png(&shop.inbox(), 2), drop_png(&shop.inbox(), 3));
    shop.ok(&["scan"]);
    let before = shop.row(&changed).unwrap();
    let tag = shop.row(&old).unwrap();
    std::fs::rename(&old, &new).unwrap();
    std::fs::write(&changed, png(20)).unwrap();
    std::fs::remove_file(&removed).unwrap();
    shop.ok(&["scan"]);
    assert_eq!(shop.row(&old), None, "a rename is an update");
    let renamed = shop.row(&new).unwrap();
    assert_eq!(
        (&renamed["label"], &renamed["tagged_at"]),
        (&tag["label"], &tag["tagged_at"])
    );
    assert_ne!(
        shop.row(&changed).unwrap()["content_hash"],
        before["content_hash"]
    );
    let gone = shop.row(&removed).unwrap();
    assert_eq!((gone["present"].as_bool(), is_tagged(&gone)), (Some(false), true));
}

#[test]
fn single_files_and_folders_outside_the_inbox_can_be_scanned() {
    let shop = Shop::new();
    let outside = shop.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    let one = drop_png(&outside, 1);
    drop_png(&outside, 2);
    assert_eq!(
        shop.json(&["scan", one.to_str().unwrap(), "--format", "json"])["seen"],
        1
    );
    assert_eq!(
        shop.json(&["scan", "outside", "outside", "--format", "json"])["seen"],
        2
    );
    let missing = shop.run(&["scan", "nowhere"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(text(&missing.stderr).contains("nowhere"));
}

/// The service follows such a link; a scan of a part of the inbox called it one that leads out.
#[test]
fn a_link_within_the_inbox_is_followed_when_only_a_part_is_scanned() {
    let shop = Shop::new();
    for folder in ["spring", "summer"] {
        std::fs::create_dir(shop.inbox().join(folder)).unwrap();
    }
    drop_png(&shop.inbox().join("spring"), 1);
    let link = shop.inbox().join("summer/link.png");
    std::os::unix::fs::symlink("../spring/photo-00001.png", &link).unwrap();
    shop.ok(&["scan", "inbox/summer"]);
    assert!(is_tagged(&shop.row(&link).unwrap()));
}

#[test]
fn results_do_not_depend_on_batches_and_workers() {
    let shop = Shop::new();
    for number in 0..50 {
        drop_png(&shop.inbox(), number);
    }
    shop.ok(&["scan"]);
    let scores = |shop: &Shop| shop.json(&["query", "--sort", "path", "--format", "json"]);
    let first = scores(&shop);
    std::fs::remove_dir_all(shop.data()).unwrap();
    shop.ok(&[
        "scan",
        "--set",
        "tagging.batch_max_images=3",
        "--set",
        "tagging.decode_workers=5",
        "--set",
        "inference.intra_op_threads=2",
    ]);
    for (one, other) in first
        .as_array()
        .unwrap()
        .iter()
        .zip(scores(&shop).as_array().unwrap())
    {
        assert_eq!(one["path"], other["path"]);
        for (label, score) in one["scores"].as_object().unwrap() {
            let difference = score.as_f64().unwrap() - other["scores"][label].as_f64().unwrap();
            assert!(difference.abs() < 1e-4, "{label} differs by {difference}");
        }
    }
}

#[test]
fn a_truncated_file_is_rejected_once_it_has_rested() {
    let shop = Shop::new();
    let whole = png(4);
    let path = shop.inbox().join("cut.png");
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    age(&path, Duration::from_secs(3600));
    assert_eq!(shop.json(&["scan", "--format", "json"])["rejected"], 1);
    assert_eq!(shop.row(&path).unwrap()["reason"], "truncated");
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(shop.json(&["scan", "--format", "json"])["tagged"], 1);
}

/// The answer and the warnings stood behind the line that shows how far the scan is.
#[test]
fn on_a_terminal_each_line_stands_by_itself() {
    let shop = Shop::new();
    for number in 0..3 {
        drop_png(&shop.inbox(), number);
    }
    shop.ok(&["scan"]);
    let archive = shop.path().join("archive");
    std::fs::rename(shop.inbox(), &archive).unwrap();
    std::fs::create_dir(shop.inbox()).unwrap();
    for number in 3..300 {
        drop_png(&archive, number);
    }
    // Without a warning of a device that cannot be had.
    let scan = ["scan", "inbox", "archive", "--set", "inference.device=cpu"];
    let lines = lines_on_a_terminal(shop.command(&scan));
    let [warning, answer, rest] = &lines[..] else {
        panic!("{lines:?}")
    };
    assert!(
        warning.contains(" WARN ")
            && warning
                .contains("is it mounted? If it was emptied, put anything into it and scan it once more"),
        "{lines:?}"
    );
    assert!(
        warning.starts_with("20") && answer.starts_with("300 files seen: ") && rest.is_empty(),
        "{lines:?}"
    );
}

/// What stands on a terminal, line by line, once a command has ended.
fn lines_on_a_terminal(mut command: std::process::Command) -> Vec<String> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
    let terminal = openpt(flags).unwrap();
    unlockpt(&terminal).unwrap();
    let inner = ioctl_tiocgptpeer(&terminal, flags).unwrap();
    command
        .env("TERM", "xterm")
        .stdout(inner.try_clone().unwrap())
        .stderr(inner);
    let mut child = command.spawn().unwrap();
    drop(command); // Holds the terminal open.
    let mut written = Vec::new();
    // Ends with an error once nobody has the other side any more.
    let _ = std::fs::File::from(terminal).read_to_end(&mut written);
    assert!(child.wait().unwrap().success());
    let mut lines = vec![Vec::new()];
    let (mut column, written) = (0, text(&written));
    let mut characters = written.chars();
    while let Some(character) = characters.next() {
        let line = lines.last_mut().unwrap();
        match character {
            '\n' => lines.push(Vec::new()),
            '\r' => column = 0,
            '\u{1b}' => {
                let ended = characters.find(char::is_ascii_alphabetic);
                if ended == Some('K') {
                    line.clear();
                }
            }
            shown => {
                line.resize(line.len().max(column + 1), ' ');
                line[column] = shown;
                column += 1;
            }
        }
    }
    lines.iter().map(|line| line.iter().collect()).collect()
}

/// A raised limit changed nothing for what had been rejected by the former one.
#[test]
fn what_was_rejected_is_read_again_when_that_is_asked_for() {
    let shop = Shop::new();
    let (large, note) = (drop_png(&shop.inbox(), 1), shop.inbox().join("note.jpg"));
    std::fs::write(&note, "no picture").unwrap();
    let strict = ["scan", "--format", "json", "--set", "limits.max_pixels=1000"];
    assert_eq!(shop.json(&strict)["rejected"], 2);
    assert_eq!(shop.row(&large).unwrap()["reason"], "too_many_pixels");
    assert_eq!(shop.json(&["scan", "--format", "json"])["unchanged"], 2);
    let again = shop.json(&["scan", "--retry-rejected", "--format", "json"]);
    assert_eq!([&again["tagged"], &again["rejected"]], [1, 1]);
    assert!(is_tagged(&shop.row(&large).unwrap()));

    std::fs::write(&large, png(2)).unwrap();
    assert_eq!(shop.json(&strict)["rejected"], 1);
    let daemon = shop.daemon();
    shop.ok(&["scan", "--retry-rejected"]);
    assert!(is_tagged(&shop.row(&large).unwrap()), "beside a daemon");
    assert_eq!(daemon.end(), Some(0));
}

/// A copy outside of the path counted as answered for good, by nobody.
#[test]
fn copies_elsewhere_of_what_is_read_again_are_read_by_the_next_scan() {
    let shop = Shop::new();
    let [retried, elsewhere] = ["a", "b"].map(|folder| {
        let folder = shop.inbox().join(folder);
        std::fs::create_dir(&folder).unwrap();
        drop_png(&folder, 1)
    });
    let strict = ["scan", "--format", "json", "--set", "limits.max_pixels=1000"];
    assert_eq!(shop.json(&strict)["rejected"], 2);
    shop.ok(&["scan", "--retry-rejected", "inbox/a"]);
    assert!(is_tagged(&shop.row(&retried).unwrap()));
    assert_eq!(
        shop.row(&elsewhere).unwrap()["status"],
        "rejected",
        "not asked for"
    );
    assert_eq!(shop.json(&["scan", "--format", "json"])["tagged"], 1);
    assert!(is_tagged(&shop.row(&elsewhere).unwrap()));
}

/// It was taken for a disk that is not mounted.
#[test]
fn files_of_an_emptied_folder_of_the_inbox_are_gone_when_it_is_scanned() {
    let shop = Shop::new();
    let today = shop.inbox().join("today");
    std::fs::create_dir(&today).unwrap();
    let photo = drop_png(&today, 1);
    shop.ok(&["scan"]);
    std::fs::remove_file(&photo).unwrap();
    let scanned = shop.run(&["scan", "inbox/today"]);
    let said = text(&scanned.stderr);
    assert!(scanned.status.success() && !said.contains("mounted"), "{said}");
    assert_eq!(shop.row(&photo).unwrap()["present"], false);
}

/// After `mv` to another disk every photo counted twice, and a scan of the former place failed.
#[test]
fn a_scan_of_a_place_that_was_left_marks_its_files_as_gone() {
    let shop = Shop::new();
    let (old, new) = (shop.path().join("old"), shop.path().join("new"));
    let fill = |folder: &Path| {
        std::fs::create_dir_all(folder.join("sub")).unwrap();
        (0..3).for_each(|number| drop(drop_png(&folder.join("sub"), number)));
    };
    fill(&old);
    shop.ok(&["scan", "old"]);
    fill(&new);
    std::fs::remove_dir_all(&old).unwrap();
    shop.ok(&["scan", "new"]);
    let present = || shop.count("SELECT count(*) FROM files WHERE is_present = 1");
    assert_eq!(present(), 6);
    assert_eq!(shop.json(&["scan", "old", "--format", "json"])["seen"], 0);
    assert_eq!(present(), 3);
    let again = shop.run(&["scan", "old"]);
    assert_eq!(again.status.code(), Some(1), "nothing is known to be there");
    assert!(text(&again.stderr).contains("name a file or a folder that is there"));

    // A link is left in the place, and a photo changed on the way.
    let larger = shop.path().join("larger");
    std::fs::rename(&new, &larger).unwrap();
    std::os::unix::fs::symlink(&larger, &new).unwrap();
    std::fs::write(larger.join("sub/photo-00001.png"), png(9)).unwrap();
    shop.ok(&["scan", "new"]);
    assert_eq!(present(), 3);
    assert!(shop.row(&larger.join("sub/photo-00001.png")).is_some());
}

/// An inbox of the settings that is not there may be on a disk that is not mounted.
#[test]
fn a_scan_of_an_inbox_that_is_not_there_marks_nothing() {
    let shop = Shop::new();
    let photo = drop_png(&shop.inbox(), 1);
    shop.ok(&["scan"]);
    std::fs::rename(shop.inbox(), shop.path().join("aside")).unwrap();
    for named in [shop.inbox(), photo.clone()] {
        let scanned = shop.run(&["scan", named.to_str().unwrap()]);
        assert_eq!(scanned.status.code(), Some(1), "{}", named.display());
        assert_eq!(shop.row(&photo).unwrap()["present"], true);
    }
}

#[test]
fn every_real_photo_gets_a_tag() {
    let Some(photos) = shared("photos/shop") else {
        return;
    };
    let shop = Shop::new();
    let files = std::fs::read_dir(&photos).unwrap().count() as u64;
    let summary = shop.json(&["scan", photos.to_str().unwrap(), "--format", "json"]);
    assert_eq!(summary["tagged"].as_u64(), Some(files));
}

/// `hangtag scan .` tagged the store, the models and the pictures of corrections as photos of the shop's.
#[test]
fn a_scan_of_the_folder_around_passes_over_hangtags_own_files() {
    let shop = Shop::new();
    let photo = drop_png(&shop.inbox(), 1);
    shop.ok(&["scan"]);
    shop.ok(&["correct", photo.to_str().unwrap(), "--label", "bag"]);
    let kept = std::fs::read_dir(shop.data().join("corrections")).unwrap();
    let kept = kept.last().unwrap().unwrap().path();
    let aside = drop_png(&shop.path(), 2);
    std::os::unix::fs::symlink(&kept, shop.path().join("link.png")).unwrap();
    let around = shop.path();
    let summary = shop.json(&["scan", "--format", "json", around.to_str().unwrap()]);
    assert_eq!(summary["seen"], 3, "{summary}");
    assert_eq!(shop.row(&around.join("link.png")).unwrap()["status"], "rejected");
    assert!(shop.row(&photo).is_some() && shop.row(&aside).is_some());
    assert_eq!(shop.rows().len(), 3, "{:#?}", shop.rows());

    let within = shop.ok(&["explain", kept.to_str().unwrap()]);
    assert!(within.contains("lies within hangtag's data folder"), "{within}");
    for arguments in [
        &["scan", shop.data().to_str().unwrap()][..],
        &["scan", kept.to_str().unwrap()],
        &["correct", kept.to_str().unwrap(), "--unknown"],
    ] {
        let output = shop.run(arguments);
        let complaint = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {complaint}");
        assert!(complaint.contains("hangtag's data folder"), "{complaint}");
    }
}
