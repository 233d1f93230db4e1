//! What commands say beside their answers: whatever is logged, and in plain words.

use hangtag::domain::{ContentHash, Timestamp, Truth};
use hangtag::store::{Durability, NewCorrection, Store};

use super::tagged_shop;
use crate::util::{Shop, text, wait_until};

/// `log.level = "warn"`, meant for the service, silenced what a backup needs besides; `log.format = "json"` made JSON of it.
#[test]
fn what_a_command_promises_to_say_does_not_depend_on_the_log() {
    let shop = tagged_shop();
    std::fs::remove_file(shop.inbox().join("photo-00003.png")).unwrap();
    shop.ok(&["scan"]);
    let empty = shop.path().join("empty.csv");
    std::fs::write(&empty, "file,label\n").unwrap();
    let empty = empty.to_str().unwrap();
    for (command, said) in [
        (
            &["backup", "first.db"][..],
            "the store was copied to first.db; a backup needs ",
        ),
        (&["query", "--count"], "1 of them is gone; "),
        (
            &["correct", "inbox/note.jpg", "--unknown"],
            "1 photo cannot be read (any more): the correction counts, but no rebuild can learn from it",
        ),
        (
            &["corrections", "export", "truth.csv"],
            "1 photo written to truth.csv",
        ),
        (&["corrections", "import", empty], "there are no rows below "),
        (&["review", "--audit", "3", "--seed", "7"], "audit 1: drawn from "),
    ] {
        let quiet = ["--set", "log.level=error", "--set", "log.format=json"];
        let output = shop.run(&[command, &quiet].concat());
        let lines = text(&output.stderr);
        assert!(output.status.success(), "{command:?}: {lines}");
        assert!(
            lines.starts_with(said) && lines.lines().count() == 1,
            "{command:?}: {lines}"
        );
    }
}

#[test]
fn an_answer_is_in_the_format_that_was_asked_for_or_refused() {
    let shop = tagged_shop();
    let refused = shop.run(&["corrections", "--format", "json", "export", "-"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(refused.stdout.is_empty() && text(&refused.stderr).contains("is CSV"));
    let report = shop.json(&["runtime", "--format", "json"]);
    // Elsewhere it would be fetched first.
    if report["found_in"] == "cache" {
        let installed = shop.json(&["runtime", "--format", "json", "install"]);
        assert!(installed["path"].is_string(), "{installed}");
    }
}

/// `HANGTAG_CONFIG=` ended every command with 2, which for `status` means "not running".
#[test]
fn an_empty_variable_names_no_settings_file() {
    let shop = tagged_shop();
    let with = |value: &str, arguments: &[&str]| {
        let mut command = shop.command(arguments);
        command.env("HANGTAG_CONFIG", value).output().unwrap()
    };
    let counted = with("", &["query", "--count"]);
    assert_eq!(text(&counted.stdout), "14\n", "{}", text(&counted.stderr));
    let status = with("", &["status"]);
    assert!(text(&status.stdout).starts_with("not running"));
    std::fs::write(shop.path().join("named.toml"), "[train]\nepochs = 7\n").unwrap();
    std::fs::write(shop.path().join("flag.toml"), "[train]\nepochs = 8\n").unwrap();
    let named = with("named.toml", &["config", "print"]);
    assert!(text(&named.stdout).contains("epochs = 7"));
    let flag = with("named.toml", &["config", "print", "--config", "flag.toml"]);
    assert!(text(&flag.stdout).contains("epochs = 8"));
    let missing = with("none.toml", &["status"]);
    assert_eq!(missing.status.code(), Some(3));
    assert!(text(&missing.stderr).contains("HANGTAG_CONFIG"));
    assert!(shop.ok(&["query", "--help"]).contains("HANGTAG_CONFIG"));
}

/// Each left a hidden copy of the whole store in the folder of backups, under another name each time.
#[test]
fn a_backup_that_a_signal_ends_leaves_nothing_behind() {
    let shop = Shop::new();
    // So large that the signal mostly comes before the end; what must hold is the same where it does not.
    let word = |number: u32| NewCorrection {
        hash: ContentHash::of(&number.to_le_bytes()),
        truth: Truth::Unknown,
        by: "Ada".repeat(100),
        at: Timestamp::from_millis(1),
    };
    let mut store = Store::open(&shop.store(), Durability::Normal).unwrap();
    store.correct(&(0..50_000).map(word).collect::<Vec<_>>()).unwrap();
    let names = || {
        let folder = shop.path().join("backups").read_dir();
        let entries = folder.into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name()).collect::<Vec<_>>()
    };
    let backup = shop.spawn(shop.command(&["backup", "backups/copy.db"]));
    wait_until("the copy is begun", || !names().is_empty());
    let code = backup.end();
    assert!(matches!(code, Some(0 | 130)), "{code:?}: {}", shop.log());
    assert!(names().iter().all(|name| name == "copy.db"), "{:?}", names());
}
