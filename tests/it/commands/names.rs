//! Names that are no text, as answers show them and as people paste them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::tagged_shop;
use crate::util::{png, text};

/// `query` showed it and found it; `explain`, `correct`, `scan` and lists did not know it.
#[test]
fn a_name_that_is_no_text_is_known_to_every_command_as_query_shows_it() {
    let shop = tagged_shop();
    let bad = shop.inbox().join(OsStr::from_bytes(b"bad\xff\xfename.png"));
    std::fs::write(&bad, png(30)).unwrap();
    shop.ok(&["scan"]);
    let rows = shop.rows();
    let shown = rows.iter().filter_map(|row| row["path"].as_str());
    let shown: Vec<_> = shown.filter(|path| path.contains("bad")).collect();
    let [shown] = shown[..] else { panic!("{rows:?}") };
    assert!(shown.ends_with("bad\u{fffd}FF\u{fffd}FEname.png"), "{shown}");
    let explained = shop.json(&["explain", shown, "--format", "json"]);
    assert_eq!(explained["path"], shown);
    assert!(explained["history"].is_object(), "{explained}");
    assert_eq!(
        shop.ok(&["correct", shown, "--label", "bag"]),
        "1 photo corrected\n"
    );
    assert!(shop.ok(&["scan", shown]).starts_with("1 files seen"));
    let list = shop.path().join("truth.csv");
    let import = || {
        std::fs::write(&list, format!("path,label\n{shown},dress\n")).unwrap();
        shop.run(&["corrections", "import", list.to_str().unwrap()])
    };
    assert_eq!(text(&import().stdout), "1 photo corrected\n");
    // Also of one that is gone.
    std::fs::remove_file(&bad).unwrap();
    shop.ok(&["correct", shown, "--undo"]);
    assert_eq!(text(&import().stdout), "1 photo corrected\n");
}
