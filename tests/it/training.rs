//! Journey 2 over the real binary, on a small data set that is made here.

use std::path::PathBuf;

use hangtag::training::job::RunFolder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};

use crate::retrain::pass_over;
use crate::util::{Shop, drop_png, shared, small_data_set, text, wait_until};

/// A shop that trains the reference network, which is quick, on a data set of so many pictures for training and test.
fn shop(pictures: (u32, u32)) -> Shop {
    let shop = Shop::new();
    let data = shop.path().join("mnist");
    small_data_set(&data, pictures);
    shop.configure(&format!(
        "[dataset]\ndir = {data:?}\n[train]\narchitecture = \"reference\"\n"
    ));
    shop
}

#[test]
fn a_model_is_trained_evaluated_and_tags() {
    let shop = shop((600, 100));
    let answer = shop.json(&[
        "train", "--epochs", "3", "--seed", "5", "--out", "model", "--format", "json",
    ]);
    assert_eq!(answer["parameters"], 241_546);
    let epochs = answer["epochs"].as_array().unwrap();
    assert_eq!(epochs.len(), 3);
    for key in ["epoch", "seconds", "loss", "accuracy", "val_loss", "val_accuracy"] {
        assert!(epochs.iter().all(|epoch| epoch[key].is_number()), "{key}");
    }
    assert!(
        answer["test_accuracy"].as_f64().unwrap() > 0.5,
        "{}",
        answer["test_accuracy"]
    );

    let evaluation = shop.json(&["evaluate", "--model", "model", "--format", "json"]);
    assert_eq!(
        evaluation["accuracy"], answer["test_accuracy"],
        "the exported file is what was measured"
    );
    assert_eq!(evaluation["confusion"].as_array().unwrap().len(), 10);
    let one = shop.ok(&["evaluate", "--model", "model", "--index", "7"]);
    assert!(one.contains("test image 7"), "{one}");
    assert_eq!(
        shop.run(&["evaluate", "--model", "model", "--index", "100"])
            .status
            .code(),
        Some(2)
    );

    drop_png(&shop.inbox(), 1);
    shop.ok(&["scan"]);
    let shipped = shop.rows()[0]["model"].clone();
    shop.ok(&["scan", "--set", "inference.model=model"]);
    assert_eq!(
        shop.rows()[0]["model"],
        answer["model"],
        "another model answers anew"
    );
    assert_ne!(shop.rows()[0]["model"], shipped);
    assert_eq!(
        shop.count("SELECT count(*) FROM outcomes"),
        2,
        "and the history stays"
    );
    assert_eq!(
        shop.count("SELECT count(*) FROM runs WHERE state = 'finished'"),
        1
    );
    assert_eq!(shop.count("SELECT count(*) FROM run_epochs"), 3);

    let again = shop.json(&[
        "train",
        "--epochs",
        "3",
        "--seed",
        "5",
        "--set",
        "train.threads=1",
        "--out",
        "again",
        "--format",
        "json",
    ]);
    assert_eq!(
        again["model"], answer["model"],
        "the same seed gives the same bytes on any number of threads"
    );
}

#[test]
fn a_bundle_that_was_tampered_with_is_refused() {
    let shop = shop((100, 50));
    shop.ok(&["train", "--epochs", "1", "--out", "model", "--format", "json"]);
    let onnx = shop.path().join("model").join("model.onnx");
    let mut bytes = std::fs::read(&onnx).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&onnx, bytes).unwrap();
    let output = shop.run(&["scan", "--set", "inference.model=model"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("model.onnx") || text(&output.stderr).contains("sha256"),
        "{}",
        text(&output.stderr)
    );
}

/// Ends a training of 40 epochs, the run of this number, after its first one or so.
fn interrupt_a_training(shop: &Shop, run: i64) {
    let mut child = shop
        .command(&["train", "--epochs", "40"])
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let checkpoint = shop.data().join(format!("runs/{run:06}/checkpoint"));
    wait_until("a checkpoint is there", || checkpoint.is_file());
    std::process::Command::new("kill")
        .arg("-INT")
        .arg(child.id().to_string())
        .status()
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(shop.count("SELECT count(*) FROM runs WHERE state = 'stopped'"), 1);
}

/// One that was refused left a run with a copy of the checkpoint and the parameters that do not fit it, which every later
/// `--resume` went on with, in vain.
#[test]
fn a_resume_that_does_not_fit_is_refused_and_stands_in_nobodys_way() {
    let shop = shop((100, 50));
    interrupt_a_training(&shop, 1);
    for (other, key) in [
        (["--epochs", "30"], "train.epochs"),
        (["--seed", "9"], "train.seed"),
    ] {
        let refused = shop.run(&[&["train", "--resume"], &other[..]].concat());
        let complaint = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{complaint}");
        assert!(complaint.contains(key), "{complaint}");
    }
    let checkpoint = shop.data().join("runs/000001/checkpoint");
    let whole = std::fs::read(&checkpoint).unwrap();
    std::fs::write(&checkpoint, &whole[..whole.len() / 2]).unwrap();
    let refused = shop.run(&["train", "--resume"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("no usable checkpoint"));
    std::fs::write(&checkpoint, whole).unwrap();
    assert_eq!(shop.count("SELECT count(*) FROM runs"), 1);
    let resumed = shop.json(&["train", "--resume", "--format", "json"]);
    assert_eq!(resumed["epochs"].as_array().unwrap().len(), 40);
}

#[test]
fn a_training_that_was_interrupted_is_resumed_to_the_same_bytes() {
    let shop = shop((100, 50));
    let whole = shop.json(&["train", "--epochs", "40", "--format", "json"]);
    interrupt_a_training(&shop, 2);
    // These crowded it out.
    pass_over(&shop, 1_000);
    let resumed = shop.json(&["train", "--resume", "--format", "json"]);
    assert_eq!(resumed["model"], whole["model"]);
    assert_eq!(resumed["epochs"].as_array().unwrap().len(), 40);
    // Those before the interruption were on record with the former run alone.
    let epochs = format!(
        "SELECT count(*) FROM run_epochs WHERE run_id = {}",
        resumed["run"]
    );
    assert_eq!(shop.count(&epochs), 40);
}

/// It went on by the old ones without a word.
#[test]
fn a_resumed_training_says_which_settings_are_not_those_that_it_was_begun_with() {
    let shop = shop((100, 50));
    interrupt_a_training(&shop, 1);
    let other = ["--set", "train.batch_size=16", "--set", "train.learning_rate=0.5"];
    let resumed = shop.run(&[&["train", "--resume"], &other[..]].concat());
    let said = text(&resumed.stderr);
    assert_eq!(resumed.status.code(), Some(0), "{said}");
    let of_the_run = "begun with train.batch_size = 64, train.learning_rate = 0.001, and";
    assert!(said.contains(of_the_run), "{said}");
    let used = "SELECT count(DISTINCT parameters) FROM runs";
    assert_eq!(shop.count(used), 1);
}

/// Another process took its checkpoint, and both trained the same, each at half the pace.
#[test]
fn a_training_that_is_alive_is_not_gone_on_with() {
    let shop = shop((100, 50));
    interrupt_a_training(&shop, 1);
    let alive = RunFolder::of(&shop.data().join("runs"), 1)
        .lock_blocking()
        .unwrap();
    let store = rusqlite::Connection::open(shop.store()).unwrap();
    let running = "UPDATE runs SET state = 'running', ended_at_ms = NULL";
    store.execute(running, []).unwrap();
    let refused = shop.run(&["train", "--resume"]);
    let complaint = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{complaint}");
    assert!(complaint.contains("run 1 is still under way"), "{complaint}");
    assert_eq!(shop.count("SELECT count(*) FROM runs"), 1);
    // Killed just now, and not closed on record yet.
    drop(alive);
    shop.ok(&["train", "--resume"]);
}

/// It named a setting that does not exist, and left a failed run on record.
#[test]
fn a_training_on_too_few_images_is_refused_and_leaves_no_run() {
    let shop = shop((20, 10));
    let output = shop.run(&["train", "--limit-images", "1"]);
    let complaint = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{complaint}");
    assert!(
        complaint.contains("--limit-images") && complaint.contains("at least 2"),
        "{complaint}"
    );
    assert!(!shop.store().exists());
}

/// The shell saw 143, which is documented nowhere.
#[test]
fn an_evaluation_that_a_signal_ends_ends_with_130() {
    let shop = Shop::new();
    let csv = shop.path().join("labels.csv");
    let made = std::process::Command::new("mkfifo").arg(&csv).status();
    assert!(made.unwrap().success());
    let mut command = shop.command(&["evaluate", "--labels", csv.to_str().unwrap()]);
    let mut evaluation = crate::util::Daemon {
        child: command.spawn().unwrap(),
    };
    // It is opened when the list is to be read, which then never comes.
    let list = std::fs::OpenOptions::new().write(true).open(&csv).unwrap();
    evaluation.signal("TERM");
    assert_eq!(evaluation.child.wait().unwrap().code(), Some(130));
    drop(list);
}

/// It was found out after the training, which was lost with it for all that one was told.
#[test]
fn a_bundle_that_cannot_be_written_is_refused_before_the_training() {
    let shop = shop((20, 10));
    std::fs::write(shop.path().join("afile"), "no folder").unwrap();
    for out in ["afile", "/dev/null/x"] {
        let output = shop.run(&["train", "--epochs", "1", "--out", out]);
        let complaint = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{complaint}");
        assert!(complaint.contains(&format!("--out {out}")), "{complaint}");
        assert!(!shop.store().exists(), "no run is on record");
    }
    // What only the writing itself finds out loses nothing.
    std::fs::create_dir_all(shop.path().join("taken/model.onnx")).unwrap();
    let output = shop.run(&["train", "--epochs", "1", "--out", "taken"]);
    let complaint = text(&output.stderr);
    assert!(
        complaint.contains("hangtag train --resume --out DIR"),
        "{complaint}"
    );
    shop.ok(&["train", "--resume", "--out", "elsewhere"]);
    assert!(shop.path().join("elsewhere/model.onnx").is_file());
}

/// Its run stayed "running" for ever.
#[test]
fn a_training_that_was_killed_is_not_on_record_as_running_for_ever() {
    let shop = shop((100, 50));
    let mut child = shop
        .command(&["train", "--epochs", "100000"])
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let checkpoint = shop.data().join("runs").join("000001").join("checkpoint");
    crate::util::wait_until("a checkpoint is there", || checkpoint.is_file());
    let long_ago = "UPDATE runs SET started_at_ms = started_at_ms - 3600000";
    let store = rusqlite::Connection::open(shop.store()).unwrap();
    store.busy_timeout(crate::util::PATIENCE).unwrap();
    store.execute(long_ago, []).unwrap();
    let running = "SELECT count(*) FROM runs WHERE state = 'running'";
    shop.ok(&["train", "--epochs", "1"]);
    assert_eq!(shop.count(running), 1, "it is alive");
    child.kill().unwrap();
    child.wait().unwrap();
    shop.ok(&["train", "--epochs", "1"]);
    assert_eq!(shop.count(running), 0);
    let why =
        shop.count("SELECT count(*) FROM runs WHERE state = 'failed' AND reason LIKE '%train --resume%'");
    assert_eq!(why, 1);
}

#[test]
fn the_layer_table_adds_up() {
    let shop = Shop::new();
    let table = shop.ok(&["train", "--summary", "--set", "train.architecture=reference"]);
    assert!(table.contains("241,546") && table.contains("147,584"), "{table}");
    let residual = shop.ok(&["train", "--summary"]);
    assert!(
        residual.contains("convolution 3x3, 1 -> ") && residual.contains("103,483"),
        "{residual}"
    );
    let catalogue = shop.ok(&["train", "--summary", "--set", "train.augmentation=catalogue"]);
    assert!(catalogue.contains("182,139"), "{catalogue}");
}

#[test]
fn a_data_set_that_is_broken_or_missing_is_named() {
    let shop = Shop::new();
    let data = shop.path().join("mnist");
    let dataset = format!("dataset.dir={}", data.display());
    let output = shop.run(&["train", "--set", &dataset]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("train-images-idx3-ubyte.gz"),
        "{}",
        text(&output.stderr)
    );
    small_data_set(&data, (600, 100));
    let labels = data.join("train-labels-idx1-ubyte.gz");
    std::fs::copy(data.join("train-images-idx3-ubyte.gz"), &labels).unwrap();
    let output = shop.run(&["dataset", "show", "--set", &dataset]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("train-labels-idx1-ubyte.gz")
            && text(&output.stderr).contains("expected")
    );
}

#[test]
fn photos_with_labels_are_scored() {
    let shop = Shop::new();
    for number in 0..4 {
        drop_png(&shop.inbox(), number);
    }
    let csv = shop.path().join("labels.csv");
    std::fs::write(&csv, "file,label,note\ninbox/photo-00000.png,Dress,x\ninbox/photo-00001.png,Shirt,\ninbox/photo-00002.png,,\ninbox/photo-00003.png,,\n").unwrap();
    let answer = shop.json(&["evaluate", "--labels", csv.to_str().unwrap(), "--format", "json"]);
    for key in [
        "accuracy",
        "balanced_accuracy",
        "per_class",
        "confusion",
        "known_unknown_auroc",
    ] {
        assert!(!answer[key].is_null(), "{key}: {answer}");
    }
    std::fs::write(
        &csv,
        "file,label\ninbox/photo-00000.png,Dress\ninbox/none.png,Shirt\n",
    )
    .unwrap();
    let answer = shop.json(&["evaluate", "--labels", csv.to_str().unwrap(), "--format", "json"]);
    assert_eq!(
        answer["rejected"][0]["reason"], "unreadable",
        "a missing photo does not end it: {answer}"
    );
    std::fs::write(&csv, "file,label\ninbox/photo-00000.png,Hat\n").unwrap();
    let output = shop.run(&["evaluate", "--labels", csv.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("Hat"), "{}", text(&output.stderr));
}

/// Such a list ended well, and what `corrections import` takes for none of the classes was refused.
#[test]
fn a_list_of_which_nothing_can_be_scored_is_an_error_and_none_is_a_label() {
    let shop = Shop::new();
    drop_png(&shop.inbox(), 0);
    drop_png(&shop.inbox(), 1);
    let csv = shop.path().join("labels.csv");
    let evaluate = |list: &str| {
        std::fs::write(&csv, list).unwrap();
        shop.run(&["evaluate", "--labels", csv.to_str().unwrap(), "--format", "json"])
    };
    let scored = evaluate("path,label\ninbox/photo-00000.png,none\ninbox/photo-00001.png,Unknown\n");
    assert!(scored.status.success(), "{}", text(&scored.stderr));
    for (list, words) in [
        ("file,label\ninbox/gone.png,Dress\n", "nothing was scored"),
        (
            "file;label\ninbox/photo-00000.png;Dress\n",
            "needed are file (or path) and label",
        ),
        ("file,label\n", "no rows"),
        (
            "file,label\ninbox/photo-00000.png,Dress\n\ninbox/photo-00001.png,Hat\n",
            "labels.csv:4:",
        ),
    ] {
        let refused = evaluate(list);
        let said = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{list}: {said}");
        assert!(said.contains(words), "{list}: {said}");
        assert!(refused.stdout.is_empty());
    }
}

/// Writes the model that ships into the shop's folder `learned`, as one that has learned these photos.
fn write_bundle_that_has_learned(shop: &Shop, photos: &[PathBuf]) {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/models/fashion-mnist-residual");
    let bundle = shop.path().join("learned");
    std::fs::create_dir_all(&bundle).unwrap();
    std::fs::copy(format!("{shipped}/model.onnx"), bundle.join("model.onnx")).unwrap();
    let manifest = std::fs::read(format!("{shipped}/manifest.json")).unwrap();
    let mut manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let hashes = photos.iter().map(|photo| {
        let hash = hangtag::domain::ContentHash::of(&std::fs::read(photo).unwrap());
        hash.to_string()[..16].to_owned()
    });
    manifest["training"]["learned_corrections"] = hashes.collect();
    std::fs::write(bundle.join("manifest.json"), manifest.to_string()).unwrap();
}

/// Exported once more, a learned photo judged the model by what it knew by heart.
#[test]
fn a_picture_that_the_model_has_learned_does_not_judge_it_under_another_hash() {
    let shop = Shop::new();
    // Larger than the copy that is kept of it.
    let photo = image::GrayImage::from_fn(400, 533, |x, y| {
        let is_garment = (100..300).contains(&x) && (60..470).contains(&y);
        image::Luma([if is_garment { 40 + (x * y % 97) as u8 } else { 255 }])
    });
    let write = |name: &str, compression| {
        let path = shop.inbox().join(name);
        let file = std::fs::File::create(&path).unwrap();
        let encoder = PngEncoder::new_with_quality(file, compression, FilterType::Sub);
        photo.write_with_encoder(encoder).unwrap();
        path
    };
    let learned = write("learned.png", CompressionType::Fast);
    let again = write("again.png", CompressionType::Best);
    assert_ne!(std::fs::read(&learned).unwrap(), std::fs::read(again).unwrap());
    drop_png(&shop.inbox(), 0);
    shop.ok(&["scan"]);
    let corrected = learned.to_str().unwrap();
    shop.ok(&["correct", corrected, "--label", "dress"]);
    write_bundle_that_has_learned(&shop, std::slice::from_ref(&learned));
    let csv = shop.path().join("labels.csv");
    let rows = "file,label\ninbox/again.png,Dress\ninbox/photo-00000.png,Dress\n";
    std::fs::write(&csv, rows).unwrap();
    let csv = csv.to_str().unwrap();
    let evaluate = [
        "evaluate", "--model", "learned", "--labels", csv, "--format", "json",
    ];
    let left_out_and_scored = || {
        let answer = shop.json(&evaluate);
        [&answer["learned_left_out"], &answer["images"]].map(|count| count.as_u64().unwrap())
    };
    assert_eq!(left_out_and_scored(), [1, 1]);
    // What was learned stays learned.
    shop.ok(&["correct", corrected, "--undo"]);
    assert_eq!(left_out_and_scored(), [1, 1]);
}

/// Figures were near perfect after `corrections import` and a rebuild, without a word.
#[test]
fn photos_that_the_model_has_learned_do_not_judge_it() {
    let shop = Shop::new();
    let photos: Vec<_> = (0..3).map(|number| drop_png(&shop.inbox(), number)).collect();
    let csv = shop.path().join("labels.csv");
    let rows = (0..3).map(|number| format!("inbox/photo-{number:05}.png,Dress\n"));
    std::fs::write(&csv, format!("file,label\n{}", rows.collect::<String>())).unwrap();
    let csv = csv.to_str().unwrap();
    let evaluate = [
        "evaluate", "--model", "learned", "--labels", csv, "--format", "json",
    ];

    write_bundle_that_has_learned(&shop, &photos[..2]);
    let output = shop.run(&evaluate);
    let said = text(&output.stderr);
    assert!(said.contains("2 photos are left out"), "{said}");
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&answer["learned_left_out"], &answer["images"]),
        (&2.into(), &1.into())
    );
    let with = shop.json(&[&evaluate[..], &["--with-learned"]].concat());
    assert_eq!(
        (&with["learned_left_out"], &with["images"]),
        (&0.into(), &3.into())
    );
    write_bundle_that_has_learned(&shop, &photos);
    let output = shop.run(&evaluate);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("--with-learned"), "{said}");
}

#[test]
fn the_shipped_model_scores_what_its_manifest_says() {
    let Some(data) = shared("fashion-mnist") else {
        return;
    };
    let shop = Shop::new();
    let dataset = format!("dataset.dir={}", data.display());
    let show = shop.json(&[
        "dataset",
        "show",
        "--set",
        &dataset,
        "--samples",
        "samples.png",
        "--format",
        "json",
    ]);
    assert_eq!(
        (show["train"]["images"].as_u64(), show["test"]["images"].as_u64()),
        (Some(60_000), Some(10_000))
    );
    assert!(image::open(shop.path().join("samples.png")).is_ok());
    let evaluation = shop.json(&["evaluate", "--set", &dataset, "--format", "json"]);
    let manifest = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/models/fashion-mnist-residual/manifest.json"
    ));
    let manifest: serde_json::Value = serde_json::from_str(&manifest.unwrap()).unwrap();
    let (measured, stated) = (&evaluation["accuracy"], &manifest["figures"]["test_accuracy"]);
    let difference = measured.as_f64().unwrap() - stated.as_f64().unwrap();
    assert!(difference.abs() < 0.0005, "measured {measured}, stated {stated}");
}
