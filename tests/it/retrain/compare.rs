//! Two models on one inventory: what a preview promises is what becomes of it, and nothing is touched before.

use super::{in_service, tagged_shop, word};
use crate::util::text;

#[test]
fn a_preview_touches_no_tag_and_says_what_the_diff_says_afterwards() {
    let shop = tagged_shop(1);
    let shipped = in_service(&shop);
    shop.ok(&[
        "retrain",
        "now",
        "--set",
        "gate.min_accuracy=1.0",
        "--set",
        "train.seed=2",
    ]);
    let other = word(&shop, "SELECT model FROM runs");
    let before = (shop.rows(), shop.count("SELECT count(*) FROM outcomes"));

    let preview = shop.json(&["models", "preview", &other, "--format", "json"]);
    assert_eq!((shop.rows(), shop.count("SELECT count(*) FROM outcomes")), before);
    assert_eq!(
        (&preview["before"], &preview["after"]),
        (&shipped.as_str().into(), &other.as_str().into())
    );
    let of_changes: u64 = preview["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| change["photos"].as_u64().unwrap())
        .sum();
    assert!(
        of_changes > 0,
        "a model of one epoch that agrees with the shipped one tests nothing: {preview}"
    );
    assert_eq!(
        preview["photos"].as_u64().unwrap(),
        preview["unchanged"].as_u64().unwrap() + of_changes
    );

    let promote = ["models", "promote", &other, "--force", "--format", "json"];
    let with_reason = [&promote[..], &["--reason", "two\nlines \u{1b}[31m"]].concat();
    assert_eq!(shop.json(&with_reason)["in_service"], other.as_str());
    for said in [shop.ok(&["models"]), shop.ok(&["models", "show", &other])] {
        assert!(said.contains("two\\nlines \\u{1b}[31m"), "{said}");
    }
    shop.ok(&["scan"]);
    let diff = shop.json(&["models", "diff", &shipped[..8], &other[..8], "--format", "json"]);
    assert_eq!(diff, preview);
    let said = shop.ok(&["models", "diff", &shipped, &other]);
    assert!(
        said.contains(&format!("{} photos were asked of both", diff["photos"])),
        "{said}"
    );

    // A program that asks for what is so already was answered in words.
    assert_eq!(shop.json(&promote)["in_service"], other.as_str());
}

/// "0 photos were asked of both …; 0 kept their label", as if the model changed nothing.
#[test]
fn a_preview_right_after_a_change_of_model_is_about_the_tags_that_photos_show() {
    let shop = tagged_shop(1);
    let shipped = in_service(&shop);
    let photos = shop.rows().len();
    shop.ok(&["retrain", "now", "--set", "gate.min_accuracy=1.0"]);
    let other = word(&shop, "SELECT model FROM runs");
    shop.ok(&["models", "promote", &other, "--force"]);
    let preview = shop.json(&["models", "preview", &shipped, "--format", "json"]);
    assert_eq!(preview["photos"], photos, "{preview}");
    assert_eq!(preview["photos"], preview["unchanged"], "its own tags, still");
    assert_eq!(preview["before"], other.as_str());
    let none = shop.run(&["models", "preview", &shipped, "--limit", "0"]);
    assert_eq!(none.status.code(), Some(2));
    std::fs::remove_dir_all(shop.inbox()).unwrap();
    let said = text(&shop.run(&["models", "preview", &shipped]).stderr);
    assert!(said.contains("nothing to compare"), "{said}");
}

/// "could not read the model file …/manifest.json" told nobody where it had gone.
#[test]
fn a_model_whose_bundle_was_pruned_says_so() {
    let shop = tagged_shop(1);
    shop.ok(&["retrain", "now", "--set", "gate.min_accuracy=1.0"]);
    let refused = word(&shop, "SELECT model FROM runs");
    std::fs::remove_dir_all(shop.data().join("models").join(&refused)).unwrap();
    for command in [
        &["models", "promote", &refused, "--force"][..],
        &["models", "preview", &refused],
    ] {
        let refused = shop.run(command);
        assert_eq!(refused.status.code(), Some(2), "{command:?}");
        let said = text(&refused.stderr);
        assert!(said.contains("retrain.keep_runs"), "{command:?}: {said}");
    }
    assert!(
        shop.ok(&["models", "show", &refused])
            .contains("not there any more")
    );
}
