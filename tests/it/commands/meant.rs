//! What paths, patterns, folders and ids mean, and what is read for it.

use std::path::Path;
use std::process::Command;

use hangtag::domain::ContentHash;

use super::tagged_shop;
use crate::util::{Shop, drop_png, png, text, wait_until};

/// The picture was looked for at the name that was typed alone, so that no rebuild learned it.
#[test]
fn a_photo_named_by_a_file_that_is_gone_is_learned_from_where_it_lies_now() {
    let shop = tagged_shop();
    std::fs::write(shop.inbox().join("copy.png"), png(3)).unwrap();
    shop.ok(&["scan"]);
    std::fs::remove_file(shop.inbox().join("photo-00003.png")).unwrap();
    shop.ok(&["scan"]);
    let output = shop.run(&["correct", "inbox/photo-0000[3]*", "--label", "bag"]);
    assert_eq!(text(&output.stdout), "1 photo corrected\n");
    assert_eq!(text(&output.stderr), "");
    let kept = format!("corrections/{}.png", ContentHash::of(&png(3)));
    assert!(shop.data().join(kept).is_file());
}

/// A text between the photos was listed as a corrected sandal, and as rejected no more.
#[test]
fn a_pattern_or_a_folder_means_nothing_that_was_rejected() {
    let shop = tagged_shop();
    let correct = |path: &str, what: &[&str]| {
        let output = shop.run(&[&["correct", path][..], what].concat());
        (text(&output.stdout), text(&output.stderr))
    };
    let rejected = || shop.ok(&["query", "--count", "--status", "rejected"]);
    for (path, label) in [("inbox/*", "sandal"), ("inbox", "bag")] {
        let (answer, told) = correct(path, &["--label", label]);
        assert_eq!(answer, "13 photos corrected\n");
        assert!(told.starts_with("1 rejected file was left out: "), "{told}");
        assert_eq!(rejected(), "1\n");
    }
    let (answer, told) = correct("inbox/note*", &["--label", "bag"]);
    assert!(
        answer.is_empty() && told.contains("fits inbox/note* on record was rejected"),
        "{told}"
    );
    let named = || correct("inbox/note.jpg", &["--unknown"]).0;
    assert_eq!(named(), "1 photo corrected\n");
    let undone = correct("inbox", &["--undo"]);
    assert_eq!(undone, ("14 photos undone\n".to_owned(), String::new()));
    std::fs::remove_file(shop.inbox().join("note.jpg")).unwrap();
    shop.ok(&["scan"]);
    assert_eq!(named(), "1 photo corrected\n");
}

/// A pipe held them for ever, and a film was taken into memory whole, and corrected.
#[test]
fn no_pipe_holds_a_command_and_no_film_is_read_to_its_end() {
    let shop = tagged_shop();
    let pipe = shop.inbox().join("photo-00003.png");
    std::fs::remove_file(&pipe).unwrap();
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let list = shop.path().join("truth.csv");
    std::fs::write(&list, "file,label\ninbox/photo-00003.png,bag\n").unwrap();
    let hash = ContentHash::of(&png(3)).to_string();
    for (command, told) in [
        (
            &["corrections", "import", "truth.csv"][..],
            "photo-00003.png: not a regular file",
        ),
        (
            &["models", "preview", "shipped"],
            "1 photos on record could not be read and are left out",
        ),
        (
            &["correct", &hash, "--label", "bag"],
            "1 photo cannot be read (any more)",
        ),
    ] {
        let mut begun = shop.spawn(shop.command(command));
        wait_until(&format!("{command:?} has ended"), || {
            begun.child.try_wait().unwrap().is_some()
        });
        assert!(shop.log().contains(told), "{command:?}: {}", shop.log());
    }

    let film = std::fs::File::create(shop.path().join("film.mp4")).unwrap();
    film.set_len(100_001).unwrap();
    let photo = "inbox/photo-00004.png";
    let limit = ["--set", "limits.max_file_bytes=100000"];
    let output = shop.run(&[&["correct", photo, "film.mp4", "--label", "bag"], &limit[..]].concat());
    let complaint = text(&output.stderr);
    let why = "film.mp4: 100001 bytes; at most 100000 are read (limits.max_file_bytes)";
    assert!(complaint.contains(why), "{complaint}");
    assert_eq!(output.status.code(), Some(1));
    let row = shop.row(&shop.path().join(photo)).unwrap();
    assert_ne!(row["status"], "corrected", "nothing was put in");
}

/// Of a folder, a photo that had been moved to another one was corrected there, too, and nothing said so.
#[test]
fn a_folder_means_what_lies_there_still_if_anything_does() {
    let shop = tagged_shop();
    let [summer, dresses] = ["summer", "dresses"].map(|name| shop.inbox().join(name));
    for folder in [&summer, &dresses] {
        std::fs::create_dir(folder).unwrap();
    }
    for number in [60, 61] {
        drop_png(&summer, number);
    }
    shop.ok(&["scan"]);
    let moved = dresses.join("dress.png");
    std::fs::copy(summer.join("photo-00060.png"), &moved).unwrap();
    shop.ok(&["scan"]);
    std::fs::remove_file(summer.join("photo-00060.png")).unwrap();
    shop.ok(&["scan"]);
    let status = || shop.row(&moved).unwrap()["status"].clone();
    for typed in ["inbox/summer", "inbox/summer/*"] {
        let output = shop.run(&["correct", typed, "--label", "sandal"]);
        let told = text(&output.stderr);
        assert!(
            told.starts_with("1 photo that is gone was left out: "),
            "{typed}: {told}"
        );
        assert_ne!(status(), "corrected", "{typed}");
    }
    shop.ok(&["correct", "inbox/summer/photo-00060.png", "--label", "dress"]);
    assert_eq!(status(), "corrected", "it was named by itself");
}

/// Its photos are on record still, but it was held for a file of that name.
#[test]
fn a_folder_that_is_gone_is_all_that_was_below_it() {
    let shop = tagged_shop();
    let old = shop.inbox().join("old");
    std::fs::create_dir(&old).unwrap();
    for number in [50, 51] {
        drop_png(&old, number);
    }
    shop.ok(&["scan"]);
    std::fs::remove_dir_all(&old).unwrap();
    shop.ok(&["scan"]);
    for typed in ["./inbox/old", "inbox/old", "inbox/old/", old.to_str().unwrap()] {
        let found = shop.ok(&["query", "--count", "--path", typed]);
        assert_eq!(found, "2\n", "{typed}");
    }
    // A file that is gone is that file.
    std::fs::remove_file(shop.inbox().join("photo-00003.png")).unwrap();
    shop.ok(&["scan"]);
    let found = shop.ok(&["query", "--count", "--path", "./inbox/photo-00003.png"]);
    assert_eq!(found, "1\n");
    let said = shop.ok(&["correct", "inbox/old", "--label", "bag"]);
    assert_eq!(said, "2 photos corrected\n");
}

/// `query` found what `correct` did not: links were followed only where the pattern stood behind the last slash.
#[test]
fn a_pattern_begins_in_the_folder_that_was_typed_past_its_links_and_with_its_brackets() {
    let shop = Shop::new();
    let away = |name: &str| shop.path().join(name);
    let photos = away("big [1]");
    std::fs::create_dir_all(photos.join("a-1")).unwrap();
    for number in [60, 61] {
        drop_png(&photos.join("a-1"), number);
    }
    std::os::unix::fs::symlink(&photos, away("lnk")).unwrap();
    shop.ok(&["scan", photos.to_str().unwrap()]);
    let correct = |folder: &Path, pattern: &str| {
        let mut command = shop.command(&["correct", pattern, "--label", "bag"]);
        let output = command.current_dir(folder).output().unwrap();
        assert_eq!(
            text(&output.stdout),
            "2 photos corrected\n",
            "{pattern}: {}",
            text(&output.stderr)
        );
        shop.ok(&["correct", "lnk", "--undo"]);
    };
    for pattern in ["lnk/a-*/*", "big [1]/a-?/*", "./lnk/*"] {
        correct(&shop.path(), pattern);
    }
    for pattern in ["a-*/*", "*"] {
        correct(&photos, pattern);
    }
}

/// "nothing on record", as long as the disk was away.
#[test]
fn a_photo_behind_a_link_to_a_disk_that_is_away_is_the_one_on_record() {
    let shop = Shop::new();
    let disk = shop.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    drop_png(&disk, 60);
    std::os::unix::fs::symlink("disk", shop.path().join("lnk")).unwrap();
    shop.ok(&["scan", "lnk"]);
    std::fs::rename(&disk, shop.path().join("aside")).unwrap();
    let photo = "lnk/photo-00060.png";
    for typed in [photo, "./lnk/*", "lnk/*.png", "lnk", "./lnk"] {
        let found = shop.ok(&["query", "--count", "--path", typed]);
        assert_eq!(found, "1\n", "{typed}");
    }
    let said = shop.ok(&["explain", photo]);
    assert!(!said.contains("nothing on record"), "{said}");
    let said = shop.ok(&["correct", photo, "--label", "bag"]);
    assert_eq!(said, "1 photo corrected\n");
}

/// `models show` took capitals, `query` found nothing by them; and nothing by an id of no model, without a word.
#[test]
fn a_model_is_found_by_capitals_and_a_wrong_one_is_told() {
    let shop = tagged_shop();
    let photo = shop.row(&shop.inbox().join("photo-00003.png")).unwrap();
    let model = photo["model"].as_str().unwrap().to_uppercase();
    for beginning in [&model[..], &model[..4]] {
        let found = shop.ok(&["query", "--count", "--status", "tagged", "--model", beginning]);
        assert_eq!(found, "13\n", "{beginning}");
    }
    let output = shop.run(&["query", "--model", "nosuch"]);
    assert_eq!(output.status.code(), Some(2));
    let complaint = text(&output.stderr);
    assert!(
        complaint.contains("no model's id begins with \"nosuch\""),
        "{complaint}"
    );
}
