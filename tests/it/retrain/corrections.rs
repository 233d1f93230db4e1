//! What people put right: at once, for good, in lists, and in the next rebuild.

use std::path::Path;

use hangtag::domain::{Basis, ContentHash, held_out};
use hangtag::model::ModelBundle;
use serde_json::{Value, json};

use super::{in_service, shop};
use crate::util::{Shop, drop_png, is_tagged, text};

/// Status, label and confidence of a file.
fn shown(shop: &Shop, path: &Path) -> Value {
    let row = shop.row(path).unwrap();
    json!([row["status"], row["label"], row["confidence"]])
}

fn text_of(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Content hash and truth of all that stands, in the order of the hashes.
fn truths(shop: &Shop) -> Vec<(String, String)> {
    let rows = shop.json(&["corrections", "--format", "json"]);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let rows = rows.as_array().unwrap().iter();
    let mut truths: Vec<_> = rows
        .map(|row| (text(&row["content_hash"]), row["truth"].to_string()))
        .collect();
    truths.sort();
    truths
}

#[test]
fn a_correction_counts_at_once_outlasts_a_new_model_and_is_learned_from() {
    let shop = shop(1);
    let photos: Vec<_> = (0..14).map(|number| drop_png(&shop.inbox(), number)).collect();
    shop.ok(&["scan"]);
    let hash = |number: usize| ContentHash::of(&std::fs::read(&photos[number]).unwrap());
    let before = shown(&shop, &photos[1]);

    shop.ok(&["correct", text_of(&photos[0]), "--label", "dress"]);
    shop.ok(&["correct", "inbox/photo-0001*", "--label", "sandal"]);
    shop.ok(&["correct", &hash(2).to_string(), "--label", "bag"]);
    shop.ok(&["correct", text_of(&photos[3]), "--unknown"]);
    shop.ok(&["correct", text_of(&photos[1]), "--unknown"]);
    assert_eq!(shown(&shop, &photos[1]), json!(["corrected", null, null]));
    shop.ok(&["correct", text_of(&photos[1]), "--undo"]);
    assert_eq!(
        shown(&shop, &photos[1]),
        before,
        "the model's answer counts again"
    );
    assert_eq!(
        shop.json(&["query", "--status", "corrected", "--count", "--format", "json"])["count"],
        7
    );
    let nothing = shop.run(&["correct", "inbox/no-such-*", "--label", "bag"]);
    assert_eq!(nothing.status.code(), Some(2));

    let corrected = [0, 2, 10, 11, 12, 13];
    for number in corrected {
        let kept = shop.data().join(format!("corrections/{}.png", hash(number)));
        assert!(image::open(kept).is_ok(), "photo {number} is kept");
    }
    let held = corrected
        .iter()
        .filter(|number| held_out(&hash(**number)))
        .count();
    std::fs::remove_file(&photos[13]).unwrap(); // The kept copy is enough to learn from.

    let shipped = in_service(&shop);
    shop.ok(&["retrain", "now"]);
    let report = std::fs::read(shop.data().join("runs/000001/report.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    let learned = &report["corrections"];
    let of_nothing_known = 1;
    assert_eq!(learned["held_out"], held + of_nothing_known, "{learned}");
    assert_eq!(learned["trained_on"], corrected.len() - held, "{learned}");
    assert_eq!(learned["unknown"], 1, "{learned}");
    assert_eq!(learned["unusable"], json!([]), "{learned}");

    assert_ne!(in_service(&shop), shipped);
    // A reference network's manifest named none of the corrections among its rows: its answers for them were evidence.
    let bundle = ModelBundle::load(&shop.data().join("models").join(in_service(&shop))).unwrap();
    let named = bundle.manifest().training["learned_corrections"]
        .as_array()
        .unwrap();
    assert_eq!(named.len(), corrected.len() - held);
    shop.ok(&["scan"]);
    assert_eq!(shop.row(&photos[4]).unwrap()["model"], in_service(&shop).as_str());
    assert_eq!(shown(&shop, &photos[0]), json!(["corrected", "Dress", null]));
    assert_eq!(shown(&shop, &photos[2]), json!(["corrected", "Bag", null]));
    assert_eq!(shown(&shop, &photos[3]), json!(["corrected", null, null]));
    assert_eq!(shown(&shop, &photos[10]), json!(["corrected", "Sandal", null]));
    assert!(is_tagged(&shop.row(&photos[1]).unwrap()));
}

/// It was learned without them and went live, and nobody was told that it had forgotten them.
#[test]
fn a_model_that_cannot_learn_again_what_the_one_in_service_knows_is_not_let_in() {
    let shop = shop(1);
    let photos: Vec<_> = (0..8).map(|number| drop_png(&shop.inbox(), number)).collect();
    shop.ok(&["scan"]);
    shop.ok(&["correct", "inbox/photo-*", "--label", "sandal"]);
    let hash = |photo: &Path| ContentHash::of(&std::fs::read(photo).unwrap());
    let now = ["retrain", "now", "--format", "json", "--set", "retrain.seed=7"];
    assert_eq!(shop.json(&now)["verdict"]["verdict"], "promote");
    let served = in_service(&shop);

    // One that it has learned, and one that it has not: only the first can be forgotten.
    let learned = photos.iter().find(|photo| !held_out(&hash(photo))).unwrap();
    let unlearned = drop_png(&shop.inbox(), 20);
    shop.ok(&["scan"]);
    shop.ok(&["correct", text_of(&unlearned), "--label", "bag"]);
    for photo in [learned, &unlearned] {
        let copy = shop.data().join(format!("corrections/{}.png", hash(photo)));
        std::fs::remove_file(copy).unwrap();
    }
    let refused = shop.json(&now);
    assert_eq!(refused["verdict"]["verdict"], "keep", "{refused}");
    let reasons = refused["verdict"]["reasons"].as_array().unwrap();
    assert_eq!(reasons.len(), 1, "{refused}");
    assert_eq!(
        (&reasons[0]["check"], &reasons[0]["photos"]),
        (&json!("forgotten"), &json!(1))
    );
    assert_eq!(in_service(&shop), served);
    let told = refused["reason"].as_str().unwrap();
    assert!(
        told.starts_with("2 of the corrections were not learned"),
        "{told}"
    );

    // With the picture back it is another training again: that of the model in service.
    shop.ok(&["correct", text_of(&unlearned), "--undo"]);
    shop.ok(&["correct", text_of(learned), "--label", "sandal"]);
    let mended = shop.json(&now);
    assert_eq!(mended["state"], "unchanged", "{mended}");
    assert!(
        mended["reason"]
            .as_str()
            .unwrap()
            .contains("the model in service"),
        "{mended}"
    );
}

/// With the network that ships: photos are learned at the end, and each is asked about by a network that has not seen it.
#[test]
fn a_residual_rebuild_learns_photos_of_nothing_known_and_has_evidence_of_each_photo() {
    let shop = shop(1);
    let photos: Vec<_> = (0..8).map(|number| drop_png(&shop.inbox(), number)).collect();
    shop.ok(&["scan"]);
    for (number, photo) in photos.iter().enumerate() {
        match number {
            0..3 => shop.ok(&["correct", text_of(photo), "--label", "dress"]),
            3..6 => shop.ok(&["correct", text_of(photo), "--label", "bag"]),
            _ => shop.ok(&["correct", text_of(photo), "--unknown"]),
        };
    }
    let hash = |photo: &Path| ContentHash::of(&std::fs::read(photo).unwrap());
    let mut learned: Vec<_> = photos.iter().map(|photo| hash(photo)).collect();
    learned.sort();
    let settings = [
        "train.architecture=residual",
        "train.batch_size=8",
        "retrain.correction_weight=0.002",
    ];
    let settings = settings.map(|setting| ["--set", setting]).concat();
    shop.ok(&[&["retrain", "now"], settings.as_slice()].concat());
    let read = |file: &str| -> Value {
        let folder = shop.data().join("runs").join(file);
        serde_json::from_slice(&std::fs::read(folder).unwrap()).unwrap()
    };
    let conclusion = read("000001/conclusion.json");
    let evidence = conclusion["out_of_fold"].as_array().unwrap();
    let hashes: Vec<_> = evidence
        .iter()
        .map(|one| one["content_hash"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        hashes,
        learned.iter().map(ToString::to_string).collect::<Vec<_>>()
    );
    for one in evidence {
        let scores = one["scores"]
            .as_array()
            .unwrap()
            .iter()
            .map(|score| score.as_f64().unwrap());
        assert!((scores.sum::<f64>() - 1.0).abs() < 1e-3, "{one}");
        assert!((0.0..=1.0).contains(&one["unknown"].as_f64().unwrap()), "{one}");
    }
    let summary = &read("000001/report.json")["corrections"];
    assert_eq!(summary["trained_on"], learned.len(), "{summary}");
    assert_eq!(summary["unknown"], 2, "{summary}");

    let bundle = ModelBundle::load(&shop.data().join("models").join(in_service(&shop))).unwrap();
    let manifest = bundle.manifest();
    assert!(manifest.unknown_output.is_some());
    let calibration = manifest.calibration.as_ref().unwrap();
    assert_eq!(
        calibration.thresholds.basis,
        Basis::Validation,
        "so few photos prove nothing"
    );
    let in_short: Vec<Value> = hashes.iter().map(|hash| hash[..16].into()).collect();
    assert_eq!(manifest.training["learned_corrections"], Value::Array(in_short));
    shop.ok(&["scan"]);
    let asked = drop_png(&shop.inbox(), 20);
    shop.ok(&["scan"]);
    assert_eq!(shop.row(&asked).unwrap()["model"], in_service(&shop).as_str());

    // Now both models have learned the photos: what folds said for each of them is what the gate has.
    shop.ok(&["correct", text_of(&asked), "--label", "coat"]);
    let served = in_service(&shop);
    shop.ok(&[&["retrain", "now"], settings.as_slice()].concat());
    let second = read("000002/conclusion.json");
    assert_eq!(second["in_service_model"], served.as_str());
    let answered = |model: &Value| model["photos"].as_array().unwrap().len();
    assert_eq!(
        answered(&second["in_service"]),
        7,
        "six of both, one of the second"
    );
    assert_eq!(answered(&second["candidate"]["measured"]), 7);
    let job = read("000002/job.json");
    assert_eq!(job["in_service_out_of_fold"], conclusion["out_of_fold"]);
}

/// Without an output for it, photos of none of the classes are not learned, and no fold is asked about them: exactly these
/// were missing from an audit of the new model.
#[test]
fn a_rebuild_has_evidence_of_the_photos_that_it_did_not_learn() {
    let shop = shop(1);
    let photos: Vec<_> = (0..4).map(|number| drop_png(&shop.inbox(), number)).collect();
    shop.ok(&["scan"]);
    for photo in &photos[..2] {
        shop.ok(&["correct", text_of(photo), "--label", "dress"]);
    }
    for photo in &photos[2..] {
        shop.ok(&["correct", text_of(photo), "--unknown"]);
    }
    let settings = [
        "train.architecture=residual",
        "train.augmentation=catalogue",
        "train.batch_size=8",
        "retrain.correction_weight=0.002",
    ];
    let settings = settings.map(|setting| ["--set", setting]).concat();
    shop.ok(&[&["retrain", "now"], settings.as_slice()].concat());
    let id = in_service(&shop);
    let bundle = ModelBundle::load(&shop.data().join("models").join(&id)).unwrap();
    let learned = &bundle.manifest().training["learned_corrections"];
    assert_eq!(learned.as_array().unwrap().len(), 2);
    let of_the_new_one = format!(
        "SELECT count(*) FROM out_of_fold x JOIN models m ON m.id = x.model_id
         JOIN truths t ON t.content_hash = x.content_hash WHERE m.model = '{id}' AND t.label_id IS"
    );
    assert_eq!(shop.count(&format!("{of_the_new_one} NOT NULL")), 2);
    assert_eq!(shop.count(&format!("{of_the_new_one} NULL")), 2);
}

#[test]
fn corrections_that_are_exported_give_the_same_truths_in_another_store() {
    let (shop, other) = (shop(1), shop(1));
    let photos: Vec<_> = (0..3).map(|number| drop_png(&shop.inbox(), number)).collect();
    shop.ok(&["scan"]);
    shop.ok(&["correct", text_of(&photos[0]), "--label", "coat"]);
    shop.ok(&["correct", text_of(&photos[1]), "--unknown"]);
    let csv = shop.path().join("truths.csv");
    shop.ok(&["corrections", "export", text_of(&csv)]);
    other.ok(&["scan"]);
    other.ok(&["corrections", "import", text_of(&csv)]);
    assert_eq!(truths(&shop).len(), 2);
    assert_eq!(truths(&other), truths(&shop));
    let kept = std::fs::read_dir(other.data().join("corrections")).unwrap();
    assert_eq!(kept.count(), 2, "with the pictures");

    let exported = std::fs::read_to_string(&csv).unwrap();
    assert_eq!(shop.ok(&["corrections", "export", "-"]), exported);
    // Behind a pipe.
    assert_eq!(shop.ok(&["corrections", "export", "/dev/stdout"]), exported);
    // As in `{ echo …; hangtag …; } > FILE`: what is in the file already stays.
    let mut appended = shop.command(&["corrections", "export", "/dev/stdout"]);
    let list = shop.path().join("list.csv");
    std::fs::write(&list, "before\n").unwrap();
    let behind = std::fs::OpenOptions::new().append(true).open(&list).unwrap();
    assert!(appended.stdout(behind).status().unwrap().success());
    assert_eq!(
        std::fs::read_to_string(&list).unwrap(),
        format!("before\n{exported}")
    );

    let same = drop_png(&other.inbox(), 0);
    other.ok(&["scan"]);
    assert_eq!(shown(&other, &same), json!(["corrected", "Coat", null]));
}

/// They were readable by all.
#[test]
fn an_exported_list_may_be_read_as_the_umask_says() {
    use std::os::unix::fs::PermissionsExt;
    let shop = shop(1);
    shop.ok(&["scan"]);
    let export = shop.command(&["corrections", "export", "private.csv"]);
    let mut shell = std::process::Command::new("sh");
    shell
        .args(["-c", "umask 077; exec \"$@\"", "sh"])
        .arg(export.get_program())
        .args(export.get_args())
        .current_dir(shop.path());
    assert!(shell.status().unwrap().success());
    let written = shop.path().join("private.csv").metadata().unwrap();
    assert_eq!(written.permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_list_says_how_many_show_none_of_the_ten_and_may_have_blanks_in_its_header() {
    let shop = shop(1);
    let photos: Vec<_> = (0..4).map(|number| drop_png(&shop.inbox(), number)).collect();
    shop.ok(&["scan"]);
    let csv = shop.path().join("truths.csv");
    let name = |at: usize| text_of(&photos[at]).to_owned();
    let lines = format!(
        "file , label\n{},dress\n{},\n{}, None\n{},unknown\n{},Dress\n",
        name(0),
        name(1),
        name(2),
        name(3),
        name(0)
    );
    std::fs::write(&csv, lines).unwrap();
    let import = |more: &[&str]| shop.ok(&[&["corrections", "import", text_of(&csv)], more].concat());
    assert_eq!(import(&[]), "4 photos corrected (3 of them: none of the ten)\n");
    let again: Value = serde_json::from_str(&import(&["--format", "json"])).unwrap();
    assert_eq!(again, json!({ "corrected": 0, "unknown": 0 }));
}

/// No picture of such photos was kept, so that no rebuild learned from them; and it was said that they cannot be read.
#[test]
fn a_list_by_content_hash_or_of_files_that_are_gone_keeps_the_pictures() {
    let shop = shop(1);
    let photos: Vec<_> = (0..3).map(|number| drop_png(&shop.inbox(), number)).collect();
    shop.ok(&["scan"]);
    let csv = shop.path().join("look.csv");
    let kept = || std::fs::read_dir(shop.data().join("corrections")).map_or(0, Iterator::count);
    let import = |list: &str| {
        std::fs::write(&csv, list).unwrap();
        let output = shop.run(&["corrections", "import", text_of(&csv)]);
        let said = text(&output.stderr);
        assert!(
            output.status.success() && !said.contains("cannot be read"),
            "{said}"
        );
    };
    let found = shop.ok(&["query", "--path", text_of(&photos[0]), "--format", "csv"]);
    import(&found);
    assert_eq!(kept(), 1, "of {found}");

    let history = shop.json(&["explain", "--format", "json", text_of(&photos[1])]);
    let hash = history["content"]["content_hash"].as_str();
    let hash = hash
        .or(history["history"]["file"]["content_hash"].as_str())
        .unwrap();
    std::fs::rename(&photos[1], shop.inbox().join("moved.png")).unwrap();
    let copy = shop.inbox().join("copy.png");
    std::fs::copy(&photos[2], &copy).unwrap();
    shop.ok(&["scan"]);
    std::fs::remove_file(&photos[2]).unwrap();
    import(&format!("content_hash,label\n{hash},Bag\n"));
    assert_eq!(kept(), 2);
    import(&format!("file,label\n{},Coat\n", text_of(&photos[2])));
    assert_eq!(kept(), 3);
    assert_eq!(shown(&shop, &copy), json!(["corrected", "Coat", null]));
}

/// The last line won, without a word.
#[test]
fn a_list_that_says_two_things_of_one_photo_puts_nothing_in() {
    let shop = shop(1);
    let photo = drop_png(&shop.inbox(), 0);
    let copy = shop.path().join("copy.png");
    std::fs::copy(&photo, &copy).unwrap();
    let csv = shop.path().join("truths.csv");
    let lines = format!(
        "file,label\n{},Dress\ncopy.png,dress\ncopy.png,Bag\n",
        text_of(&photo)
    );
    std::fs::write(&csv, lines).unwrap();
    let import = shop.run(&["corrections", "import", text_of(&csv)]);
    let said = text(&import.stderr);
    assert_eq!(import.status.code(), Some(1), "{said}");
    let problem = "truths.csv:4: Bag, but line 2 says Dress of the same photo";
    assert!(said.contains(problem), "{said}");
    shop.ok(&["scan"]);
    assert_eq!(truths(&shop), []);
}

#[test]
fn a_list_with_a_wrong_line_puts_nothing_in_and_names_the_line() {
    let shop = shop(1);
    drop_png(&shop.inbox(), 0);
    let csv = shop.path().join("truths.csv");
    // An empty line, and a field over two lines: a count of rows would be wrong by two.
    let lines =
        "file,label,note\n\ninbox/photo-00000.png,Dress,\"of\nthe summer\"\ninbox/photo-00000.png,Hat,\n";
    std::fs::write(&csv, lines).unwrap();
    let import = shop.run(&["corrections", "import", text_of(&csv)]);
    assert_eq!(import.status.code(), Some(1));
    let said = text(&import.stderr);
    assert!(said.contains("truths.csv:5:") && said.contains("Hat"), "{said}");
    shop.ok(&["scan"]);
    assert_eq!(truths(&shop), []);
}
