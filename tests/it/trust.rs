//! Three honest answers over the real binary: thresholds by hand and fitted, audits, what to look at, drift.

use std::path::PathBuf;

use serde_json::Value;

use crate::util::{Shop, drop_png, text};

/// A shop of so many photos, each of its own content.
fn shop(photos: u32) -> (Shop, Vec<PathBuf>) {
    let shop = Shop::new();
    let photos = (0..photos)
        .map(|number| drop_png(&shop.inbox(), number))
        .collect();
    shop.ok(&["scan"]);
    (shop, photos)
}

fn count(shop: &Shop, status: &str) -> u64 {
    let count = shop.ok(&["query", "--status", status, "--count"]);
    count.trim().parse().unwrap()
}

#[test]
fn thresholds_set_by_hand_hold_at_once_and_end_every_promise() {
    let (shop, photos) = shop(12);
    let all = photos.len() as u64;
    let labels = hangtag::domain::Label::NAMES;
    let mut set = vec!["thresholds", "set"];
    labels
        .iter()
        .for_each(|label| set.extend(["--label", label, "0"]));
    set.extend(["--unknown", "1"]);
    let said = shop.ok(&set);
    assert!(said.contains("set by hand: no statement"), "{said}");
    assert_eq!(count(&shop, "accepted"), all);

    let label = shop.row(&photos[0]).unwrap()["label"]
        .as_str()
        .unwrap()
        .to_owned();
    let of_label = shop
        .ok(&["query", "--tag", &label, "--count"])
        .trim()
        .parse::<u64>()
        .unwrap();
    let shown = shop.json(&[
        "thresholds",
        "set",
        "--label",
        &label,
        "never",
        "--format",
        "json",
    ]);
    assert_eq!(shown["decided_anew"], of_label);
    assert_eq!(
        (count(&shop, "review"), count(&shop, "accepted")),
        (of_label, all - of_label)
    );
    assert_eq!(count(&shop, "tagged"), all);
    let said = shop.ok(&["explain", photos[0].to_str().unwrap()]);
    assert!(said.contains(&format!("no tag of {label} is accepted")), "{said}");
    let stats = shop.json(&["stats", "--format", "json"]);
    assert_eq!(
        (stats["accepted"].as_u64(), stats["review"].as_u64()),
        (Some(all - of_label), Some(of_label))
    );

    // A person's word stands above all of it, and what comes later is decided by what holds.
    shop.ok(&["correct", photos[0].to_str().unwrap(), "--label", "bag"]);
    assert_eq!(shop.row(&photos[0]).unwrap()["status"], "corrected");
    let late = drop_png(&shop.inbox(), 500);
    shop.ok(&["scan"]);
    let row = shop.row(&late).unwrap();
    let expected = if row["label"] == label.as_str() {
        "review"
    } else {
        "accepted"
    };
    assert_eq!(row["status"], expected);
    for (wrong, part) in [
        (vec!["thresholds", "set", "--label", "hat", "0.5"], "Ankle boot"),
        (vec!["thresholds", "set", "--label", "bag", "2"], "from 0 to 1"),
        (vec!["thresholds", "set"], "--label"),
        (vec!["thresholds", "set", "--target", "1"], "0.999"),
    ] {
        let output = shop.run(&wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(
            text(&output.stderr).contains(part),
            "{wrong:?}: {}",
            text(&output.stderr)
        );
    }
}

#[test]
fn an_audit_that_confirms_the_model_gives_a_promise() {
    let (shop, _) = shop(60);
    let too_few = shop.run(&["thresholds", "fit"]);
    assert_eq!(too_few.status.code(), Some(1));
    assert!(
        text(&too_few.stderr).contains("review --audit"),
        "{}",
        text(&too_few.stderr)
    );

    let audit = || shop.json(&["review", "--audit", "50", "--seed", "7", "--format", "json"]);
    let drawn = audit();
    let drawn = drawn.as_array().unwrap();
    assert_eq!(drawn.len(), 50);
    assert_eq!(
        audit().as_array().unwrap(),
        drawn,
        "the same seed draws the same photos"
    );
    let line = |row: &Value| {
        format!(
            "{},{}",
            row["path"].as_str().unwrap(),
            row["label"].as_str().unwrap()
        )
    };
    let confirmed: Vec<_> = drawn.iter().map(line).collect();
    let see = |lines: &[String]| {
        let csv = shop.path().join("seen.csv");
        std::fs::write(&csv, format!("file,label\n{}\n", lines.join("\n"))).unwrap();
        shop.ok(&["corrections", "import", csv.to_str().unwrap()]);
    };
    // All but one in the middle: those behind it wait for it.
    see(&[&confirmed[..20], &confirmed[21..]].concat());
    let shown = shop.json(&["thresholds", "--format", "json"]);
    assert_eq!(
        (&shown["drawn"], &shown["looked_at"], &shown["audited"]),
        (&50.into(), &49.into(), &20.into())
    );
    assert_eq!(shown["next_to_audit"], drawn[20]["path"]);
    let said = shop.ok(&["thresholds"]);
    assert!(said.contains("29 were looked at before their turn"), "{said}");
    let open = shop.run(&["review", "--open", "--format", "json"]);
    assert!(text(&open.stderr).contains("29 photos"), "{}", text(&open.stderr));
    let open: Value = serde_json::from_slice(&open.stdout).unwrap();
    assert_eq!(
        (open.as_array().unwrap().len(), &open[0]["path"]),
        (1, &drawn[20]["path"])
    );

    let tried = shop.json(&["thresholds", "fit", "--dry-run", "--format", "json"]);
    assert_eq!(tried["since"], Value::Null);
    assert_ne!(
        shop.json(&["thresholds", "--format", "json"])["thresholds"]["basis"],
        "corrections"
    );
    let fitted = shop.json(&["thresholds", "fit", "--format", "json"]);
    let thresholds = &fitted["thresholds"];
    assert_eq!(
        (&thresholds["basis"], &thresholds["samples"]),
        (&"corrections".into(), &49.into())
    );
    assert_eq!(
        (&thresholds["level"], &thresholds["target_precision"]),
        (&0.5.into(), &0.95.into())
    );
    assert_eq!((&fitted["drawn"], &fitted["audited"]), (&50.into(), &20.into()));
    assert!(thresholds["accepted"].as_u64().unwrap() >= 45, "{thresholds}");
    assert!(fitted["precision_bound"].as_f64().unwrap() >= 0.95, "{fitted}");
    assert!(shop.ok(&["thresholds"]).contains("a biased sample"));
    // All that was confirmed is corrected; the rest follows the thresholds.
    assert_eq!(count(&shop, "corrected"), 49);
    assert_eq!(
        count(&shop, "accepted") + count(&shop, "review") + count(&shop, "unknown"),
        11
    );
    see(&confirmed[20..21]);
    let shown = shop.json(&["thresholds", "--format", "json"]);
    assert_eq!(
        (&shown["audited"], &shown["next_to_audit"]),
        (&50.into(), &Value::Null)
    );
}

/// They acted on the model in service, which is not the one that tags, or said that there was none.
#[test]
fn with_a_pinned_model_thresholds_and_review_are_about_that_one() {
    let shop = Shop::new();
    let photos: Vec<_> = (0..6).map(|number| drop_png(&shop.inbox(), number)).collect();
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/models/fashion-mnist-residual");
    let pin = format!("[inference]\nmodel = {shipped:?}\n");
    shop.configure(&pin);
    shop.ok(&["scan"]);
    assert_eq!(
        shop.count("SELECT count(*) FROM models WHERE state = 'in_service'"),
        0
    );
    let mut set = vec!["thresholds", "set", "--unknown", "1"];
    let labels = hangtag::domain::Label::NAMES;
    labels
        .iter()
        .for_each(|label| set.extend(["--label", label, "0"]));
    shop.ok(&set);
    assert_eq!(count(&shop, "accepted"), photos.len() as u64);
    let late = drop_png(&shop.inbox(), 500);
    shop.ok(&["scan"]);
    assert_eq!(shop.row(&late).unwrap()["status"], "accepted");
    let drawn = shop.json(&["review", "--audit", "3", "--seed", "1", "--format", "json"]);
    assert_eq!(drawn.as_array().unwrap().len(), 3);
    let model = shop.row(&late).unwrap()["model"].clone();
    assert_eq!(
        shop.json(&["stats", "--drift", "--format", "json"])["model"],
        model
    );
    assert_eq!(shop.json(&["thresholds", "--format", "json"])["model"], model);

    // Nothing is known of one that has never answered.
    let other = Shop::new();
    other.ok(&["scan"]);
    std::fs::create_dir(other.path().join("odd")).unwrap();
    other.configure("[inference]\nmodel = \"odd\"\n");
    let output = other.run(&["thresholds"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("inference.model"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn what_is_worth_a_look_is_listed_once_each_with_a_reason() {
    let (shop, photos) = shop(12);
    shop.ok(&["correct", photos[3].to_str().unwrap(), "--unknown"]);
    let lines = shop.json(&["review", "--limit", "5", "--format", "json"]);
    let lines = lines.as_array().unwrap();
    assert_eq!(
        lines.len(),
        5.min(count(&shop, "review") as usize + count(&shop, "unknown") as usize)
    );
    let paths: std::collections::BTreeSet<_> =
        lines.iter().map(|line| line["path"].as_str().unwrap()).collect();
    assert_eq!(paths.len(), lines.len());
    assert!(
        !paths.contains(photos[3].to_str().unwrap()),
        "that one has been named"
    );
    assert!(
        lines
            .iter()
            .all(|line| !line["reason"].as_str().unwrap().is_empty())
    );
    let csv = shop.ok(&["review", "--format", "csv"]);
    assert!(
        csv.starts_with("path,content_hash,status,label,confidence,reason\n"),
        "{csv}"
    );
    assert!(shop.ok(&["review"]).starts_with("status"));
}

/// Twenty were listed, and nothing said of the others: who had worked them off believed to be through with the draw.
#[test]
fn a_draw_is_listed_to_its_end() {
    let (shop, _) = shop(24);
    let drawn = shop.json(&["review", "--audit", "24", "--format", "json"]);
    assert!(drawn.as_array().unwrap().len() > 20, "{drawn}");
    assert_eq!(shop.json(&["review", "--open", "--format", "json"]), drawn);
    let some = shop.json(&["review", "--open", "--limit", "3", "--format", "json"]);
    assert_eq!(some.as_array().unwrap()[..], drawn.as_array().unwrap()[..3]);
}

#[test]
fn drift_is_told_once_the_model_has_served_long_enough() {
    let (shop, _) = shop(3);
    assert!(shop.ok(&["stats", "--drift"]).contains("would overlap"));
    crate::retrain::drift::let_the_photos_change(&shop);
    let drift = shop.json(&["stats", "--drift", "--format", "json"]);
    assert_eq!(
        (&drift["reading"], &drift["reference"]["accepted"]),
        (&"changed".into(), &400.into())
    );
    assert!(drift["drift"]["labels"].as_f64().unwrap() > 1.0, "{drift}");
    assert_eq!(drift["reference"]["mean_confidence"], 0.9);
    let said = shop.ok(&["stats", "--drift"]);
    assert!(said.contains("much changed") && said.contains("Bag"), "{said}");
}
