//! The commands as a person types them: answers, formats, mistakes.

mod beside;
mod explain;
mod meant;
mod names;
mod runtime;

use crate::util::{Shop, drop_png, is_tagged, png, text};

fn tagged_shop() -> Shop {
    let shop = Shop::new();
    for number in 0..12 {
        drop_png(&shop.inbox(), number);
    }
    std::fs::write(shop.inbox().join("note.jpg"), "no picture").unwrap();
    std::fs::write(shop.inbox().join("with,comma \"quoted\".png"), png(99)).unwrap();
    shop.ok(&["scan"]);
    shop
}

#[test]
fn query_answers_in_json_csv_and_words() {
    let shop = tagged_shop();
    let rows = shop.rows();
    assert_eq!(rows.len(), 14);
    for key in [
        "path",
        "content_hash",
        "status",
        "label",
        "confidence",
        "model",
        "device",
        "tagged_at",
    ] {
        assert!(
            rows.iter()
                .filter(|row| is_tagged(row))
                .all(|row| !row[key].is_null()),
            "{key}"
        );
    }
    let count = |arguments: &[&str]| {
        shop.ok(&[&["query", "--count"], arguments].concat())
            .trim()
            .parse::<usize>()
            .unwrap()
    };
    assert_eq!(count(&[]), 14);
    assert_eq!(count(&["--status", "rejected"]), 1);
    assert_eq!(count(&["--status", "tagged"]), 13);
    assert_eq!(count(&["--path", "*.jpg"]), 1);
    assert_eq!(count(&["--path", "inbox/photo-*"]), 12);
    assert_eq!(count(&["--path", &format!("{}/*", shop.inbox().display())]), 14);
    assert_eq!(count(&["--since", "1h"]), 14);
    assert_eq!(count(&["--until", "1h"]), 0);
    let sure = |row: &&serde_json::Value| {
        row["confidence"]
            .as_f64()
            .is_some_and(|confidence| confidence >= 0.5)
    };
    assert_eq!(
        count(&["--min-confidence", "0.5"]),
        rows.iter().filter(sure).count()
    );
    let label = rows.iter().find_map(|row| row["label"].as_str()).unwrap();
    assert_eq!(
        count(&["--tag", label]),
        rows.iter().filter(|row| row["label"] == label).count()
    );

    let csv = shop.ok(&["query", "--format", "csv", "--sort", "path"]);
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let paths: Vec<String> = reader.records().map(|row| row.unwrap()[0].to_owned()).collect();
    assert_eq!(paths.len(), 14);
    assert!(
        paths
            .iter()
            .any(|path| path.ends_with("with,comma \"quoted\".png"))
    );
    assert!(paths.is_sorted());
    assert_eq!(
        shop.json(&["query", "--limit", "3", "--format", "json"])
            .as_array()
            .unwrap()
            .len(),
        3
    );
    assert!(shop.ok(&["query", "--limit", "2"]).starts_with("status"));
    let sorted = shop.json(&[
        "query",
        "--status",
        "tagged",
        "--sort",
        "confidence",
        "--format",
        "json",
    ]);
    let confidences: Vec<f64> = sorted
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["confidence"].as_f64().unwrap())
        .collect();
    assert!(confidences.is_sorted());
}

/// What `correct` and `explain` take for a path found nothing here.
#[test]
fn a_pattern_may_begin_at_the_current_folder_lead_over_a_link_or_be_a_folder() {
    let shop = tagged_shop();
    std::os::unix::fs::symlink("inbox", shop.path().join("photos")).unwrap();
    std::fs::create_dir_all(shop.inbox().join("a[1]/inbox")).unwrap();
    drop_png(&shop.inbox().join("a[1]/inbox"), 50);
    shop.ok(&["scan"]);
    let folder = shop.path();
    let folder = folder.to_str().unwrap();
    let behind_link = format!("{folder}/photos/photo-0000*");
    for (pattern, count) in [
        ("./inbox/*", 15),
        ("./inbox/photo-0000?.png", 10),
        ("./inbox/photo-00003.png", 1),
        ("photos/*", 15),
        ("photos/*/inbox/*", 1),
        (&behind_link, 10),
        ("inbox", 15),
        ("photos/", 15),
        (".", 15),
        (folder, 15),
        ("inbox/a[1]", 1),
        ("./inbox/../inbox/note.jpg", 1),
        ("../*", 15),
        // Held against the end.
        ("inbox/photo-*", 13),
        ("./inbox/photo-*", 12),
        ("note.jpg", 1),
        ("*.jpg", 1),
        ("./elsewhere/*", 0),
    ] {
        let found = shop.ok(&["query", "--count", "--path", pattern]);
        assert_eq!(found.trim(), count.to_string(), "{pattern}");
    }
}

/// It was taken for a pattern, which does not fit the name that it is.
#[test]
fn a_file_whose_name_looks_like_a_pattern_is_found_by_it() {
    let shop = tagged_shop();
    std::fs::write(shop.inbox().join("IMG (2)[1].png"), png(70)).unwrap();
    std::fs::write(shop.inbox().join("IMG (2)1.png"), png(71)).unwrap();
    shop.ok(&["scan"]);
    let named = shop.inbox().join("IMG (2)[1].png");
    for typed in [
        "inbox/IMG (2)[1].png",
        "./inbox/IMG (2)[1].png",
        named.to_str().unwrap(),
    ] {
        let found = shop.json(&["query", "--format", "json", "--path", typed]);
        assert_eq!(found.as_array().unwrap().len(), 1, "{typed}: {found}");
        assert_eq!(found[0]["path"], named.to_str().unwrap());
    }
}

/// What could not be made was told by the operating system's words alone.
#[test]
fn an_inbox_that_cannot_be_made_is_named() {
    let shop = Shop::new();
    std::fs::remove_dir(shop.inbox()).unwrap();
    std::os::unix::fs::symlink("/dev/null/x", shop.inbox()).unwrap();
    let output = shop.run(&["scan"]);
    let complaint = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        complaint.contains("could not make the inbox") && complaint.contains("inbox:"),
        "{complaint}"
    );
}

/// Files that have no confidence came before the least sure one.
#[test]
fn least_sure_first_begins_with_what_has_a_confidence() {
    let shop = tagged_shop();
    shop.ok(&["correct", "inbox/photo-00003.png", "--label", "bag"]);
    let sorted = |more: &[&str]| {
        let asked = ["query", "--sort", "confidence", "--format", "json"];
        let rows = shop.json(&[&asked[..], more].concat());
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| row["confidence"].as_f64().unwrap_or(f64::INFINITY))
            .collect::<Vec<_>>()
    };
    let all = sorted(&[]);
    assert!(all.is_sorted() && all.len() == 14, "{all:?}");
    assert_eq!(all.iter().filter(|sure| sure.is_infinite()).count(), 2);
    assert_eq!(sorted(&["--limit", "3"]), all[..3]);
    assert_eq!(sorted(&["--limit", "13"]), all[..13]);
    assert_eq!(sorted(&["--status", "rejected"]).len(), 1);
    assert_eq!(
        sorted(&["--status", "corrected", "--status", "accepted"]).last(),
        all.last()
    );
}

#[test]
fn what_is_gone_is_told_beside_the_rows_and_left_out_of_the_sums() {
    let shop = tagged_shop();
    let gone = |arguments: &[&str]| {
        let output = shop.run(&[&["query"], arguments].concat());
        assert!(output.status.success());
        text(&output.stderr).contains("1 of them is gone; --presence present leaves those out")
    };
    assert!(!gone(&[]) && !gone(&["--count"]));
    std::fs::remove_file(shop.inbox().join("photo-00003.png")).unwrap();
    shop.ok(&["scan"]);
    assert!(gone(&[]) && gone(&["--count"]) && gone(&["--count", "--path", "./inbox"]));
    for without in [
        ["--presence", "present"],
        ["--presence", "absent"],
        ["--status", "rejected"],
        ["--format", "json"],
    ] {
        assert!(
            !gone(&without) && !gone(&[&without[..], &["--count"]].concat()),
            "{without:?}"
        );
    }
    let said = shop.ok(&["stats"]);
    assert!(
        said.starts_with("13 files there: 12 tagged (")
            && said.contains("0 corrected, 1 rejected\n1 file gone, left out of the counts; "),
        "{said}"
    );
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_is_right() {
    let shop = tagged_shop();
    for (arguments, part) in [
        (vec!["query", "--tag", "hat"], "Ankle boot"),
        (vec!["query", "--min-confidence", "2"], "from 0 to 1"),
        (
            vec!["query", "--status", "done"],
            "accepted, review, unknown, corrected, rejected",
        ),
        (vec!["query", "--since", "whenever"], "2h"),
        (
            vec!["query", "--min-confidence", "0.9", "--max-confidence", "0.1"],
            "above",
        ),
        (
            vec!["config", "check", "--set", "train.epochs=many"],
            "train.epochs",
        ),
        (vec!["scan", "--set", "no.such=1"], "unknown key"),
        (
            vec!["run", "--config", "/no/such/file.toml"],
            "/no/such/file.toml",
        ),
    ] {
        let output = shop.run(&arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(
            text(&output.stderr).contains(part),
            "{arguments:?}: {}",
            text(&output.stderr)
        );
        assert!(output.stdout.is_empty(), "data alone goes to standard output");
    }
}

/// The complaint that could not be written was a panic, and the exit code its 101.
#[test]
fn the_exit_code_is_the_same_where_nobody_reads_the_complaint() {
    let shop = Shop::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = shop.command(&["query", "--min-confidence", "0.9", "--max-confidence", "0.1"]);
    assert_eq!(command.stderr(writer).status().unwrap().code(), Some(2));
}

#[test]
fn the_settings_can_be_checked_and_printed() {
    let shop = Shop::new();
    let file = shop.path().join("shop.toml");
    std::fs::write(&file, "[train]\nepochs = 7\n[settle]\nquiet = '1s'\n").unwrap();
    let file = file.to_str().unwrap();
    assert!(shop.ok(&["config", "check", "--config", file]).contains("fine"));
    let printed = shop.ok(&["config", "print", "--config", file]);
    assert!(
        printed.contains("epochs = 7  # ") && printed.contains("shop.toml:2"),
        "{printed}"
    );
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/config/hangtag.toml");
    assert!(
        shop.ok(&["config", "check", "--config", shipped])
            .contains("fine")
    );
    let output = shop
        .command(&["config", "check"])
        .env("HANGTAG__TRAIN__EPOCHS", "100001")
        .output()
        .unwrap();
    assert!(
        text(&output.stderr).contains("HANGTAG__TRAIN__EPOCHS"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn explain_tells_a_tag_or_why_there_is_none() {
    let shop = tagged_shop();
    let explain = |path: &str| shop.ok(&["explain", path]);
    let tagged = explain("inbox/photo-00003.png");
    // What the model that ships makes of a drawing is its own affair.
    let has_answer = ["tagged ", "looks like none of the ten"]
        .iter()
        .any(|answer| tagged.contains(answer));
    assert!(
        has_answer && tagged.contains("by model") && tagged.contains("content "),
        "{tagged}"
    );
    assert!(explain("inbox/note.jpg").contains("not_an_image"));
    assert!(explain("inbox/none.png").contains("there is no such file"));
    std::fs::write(shop.inbox().join("draft.png.part"), png(1)).unwrap();
    assert!(explain("inbox/draft.png.part").contains("watch.ignore"));
    std::fs::write(shop.path().join("elsewhere.png"), png(1)).unwrap();
    assert!(explain("elsewhere.png").contains("in no inbox"));
    drop_png(&shop.inbox(), 77);
    let fresh = explain("inbox/photo-00077.png");
    assert!(
        fresh.contains("nothing on record") && fresh.contains("no daemon is running"),
        "{fresh}"
    );
    std::fs::write(shop.inbox().join("photo-00003.png"), png(500)).unwrap();
    assert!(explain("inbox/photo-00003.png").contains("content has changed"));
    let json = shop.json(&["explain", "inbox/photo-00004.png", "--format", "json"]);
    let hash = json["history"]["file"]["content_hash"].as_str().unwrap();
    assert!(explain(hash).contains("photo-00004.png"));
}

#[test]
fn explain_draws_what_the_model_sees_of_any_photo() {
    let shop = tagged_shop();
    std::fs::write(shop.path().join("elsewhere.png"), png(1)).unwrap();
    let said = shop.ok(&["explain", "elsewhere.png", "--picture", "drawn/out.png"]);
    assert!(said.contains("what the model sees: drawn/out.png"), "{said}");
    let drawn = std::fs::read(shop.path().join("drawn/out.png")).unwrap();
    let drawn = image::load_from_memory(&drawn).unwrap();
    assert!(drawn.width() > 500 && drawn.height() > 256);
    let explained = shop.json(&[
        "explain",
        "inbox/photo-00003.png",
        "--picture",
        "out.png",
        "--format",
        "json",
    ]);
    assert_eq!(explained["picture"], "out.png");

    for (link, target) in [("link.png", "elsewhere.png"), ("into.png", "inbox/new.png")] {
        std::os::unix::fs::symlink(target, shop.path().join(link)).unwrap();
    }
    for (photo, picture, code, why) in [
        ("inbox/photo-00003.png", "out.jpg", 2, "let its name end in .png"),
        (
            "inbox/photo-00003.png",
            "inbox/out.png",
            2,
            "would lie in the inbox",
        ),
        ("elsewhere.png", "elsewhere.png", 2, "would replace the photo"),
        ("elsewhere.png", "link.png", 2, "would replace the photo"),
        ("elsewhere.png", "into.png", 2, "would lie in the inbox"),
        (
            "none.png",
            "out.png",
            1,
            "no picture of what the model sees of none.png",
        ),
        ("inbox/note.jpg", "out.png", 1, "is no picture format"),
    ] {
        let output = shop.run(&["explain", photo, "--picture", picture]);
        let complaint = text(&output.stderr);
        assert!(complaint.contains(why), "{complaint}");
        assert_eq!(output.status.code(), Some(code), "{complaint}");
    }
    assert!(!shop.inbox().join("out.png").exists());
    assert_eq!(std::fs::read(shop.path().join("elsewhere.png")).unwrap(), png(1));
}

/// The sheet took the place of a shop's photo, or was tagged as one.
#[test]
fn no_command_draws_over_a_photo() {
    let shop = tagged_shop();
    std::fs::write(shop.path().join("photos.csv"), "file,label\n").unwrap();
    let samples = ["dataset", "show", "--samples"];
    let plot = ["learn-curve", "--labels", "photos.csv", "--plot"];
    for (command, path, why) in [
        (&samples[..], "inbox/note.jpg", "let its name end in .png"),
        (&samples, "inbox/photo-00003.png", "would lie in the inbox"),
        (&samples, "inbox/new.png", "would lie in the inbox"),
        (&plot, "inbox/note.jpg", "let its name end in .svg"),
        (&plot, "inbox/new.svg", "would lie in the inbox"),
    ] {
        let output = shop.run(&[command, &[path]].concat());
        let complaint = text(&output.stderr);
        assert!(complaint.contains(why), "{path}: {complaint}");
        assert_eq!(output.status.code(), Some(2), "{path}: {complaint}");
    }
}

#[test]
fn stats_count_what_there_is() {
    let shop = tagged_shop();
    let stats = shop.json(&["stats", "--format", "json"]);
    assert_eq!(
        (stats["tagged"].as_u64(), stats["rejected"].as_u64()),
        (Some(13), Some(1))
    );
    assert_eq!(stats["by_reason"]["not_an_image"], 1);
    assert!(
        shop.ok(&["stats"]).contains("13 tagged (")
            && shop.ok(&["stats"]).contains("0 corrected, 1 rejected")
    );
}

#[test]
fn a_store_that_is_not_there_or_is_something_else_is_named() {
    let shop = Shop::new();
    let output = shop.run(&["query"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("hangtag.db") && text(&output.stderr).contains("hangtag run"));
    std::fs::create_dir(shop.data()).unwrap();
    std::fs::write(shop.store(), "this is a letter, and not a database at all").unwrap();
    let output = shop.run(&["scan"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("not a database"),
        "{}",
        text(&output.stderr)
    );
}

/// They made one where there was none, and reported success: what a person had said was looked for by nobody.
#[test]
fn commands_that_change_a_store_begin_none() {
    let shop = Shop::new();
    let photo = drop_png(&shop.inbox(), 1);
    let photo = photo.to_str().unwrap();
    let list = shop.path().join("truth.csv");
    std::fs::write(&list, format!("file,label\n{photo},dress\n")).unwrap();
    for arguments in [
        &["correct", photo, "--label", "dress"][..],
        &["corrections", "import", list.to_str().unwrap()],
        &["review", "--audit", "1"],
        &["thresholds", "set", "--unknown", "1"],
        &["models", "promote", "shipped"],
        &["models", "rollback"],
        &["retrain", "now"],
    ] {
        let output = shop.run(arguments);
        let complaint = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {complaint}");
        assert!(
            complaint.contains("no tag database at"),
            "{arguments:?}: {complaint}"
        );
        assert!(output.stdout.is_empty(), "{arguments:?}");
        assert!(!shop.data().exists(), "{arguments:?}");
    }
}

#[test]
fn a_backup_names_the_folders_that_belong_to_it() {
    let shop = tagged_shop();
    let backup = |name: &str| {
        let output = shop.run(&["backup", name]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stderr)
    };
    let said = backup("first.db");
    assert!(
        said.contains("data/models") && !said.contains("corrections"),
        "{said}"
    );
    shop.ok(&["correct", "inbox/photo-00003.png", "--label", "bag"]);
    let said = backup("second.db");
    assert!(
        said.contains("data/models, ") && said.contains("data/corrections"),
        "{said}"
    );
    // Put back as the documentation says, it serves as before.
    let other = Shop::new();
    std::fs::create_dir(other.data()).unwrap();
    std::fs::copy(shop.path().join("second.db"), other.store()).unwrap();
    std::fs::rename(shop.data().join("models"), other.data().join("models")).unwrap();
    drop_png(&other.inbox(), 3);
    other.ok(&["scan"]);
    let row = other.row(&other.inbox().join("photo-00003.png")).unwrap();
    assert_eq!(
        (&row["status"], &row["label"]),
        (&"corrected".into(), &"Bag".into())
    );
}

/// The unit named the data folder itself, so that commands beside the service looked elsewhere.
#[test]
fn the_service_and_the_commands_beside_it_have_the_same_settings() {
    let dist = concat!(env!("CARGO_MANIFEST_DIR"), "/dist");
    let unit = std::fs::read_to_string(format!("{dist}/hangtag.service")).unwrap();
    let start = "ExecStart=/usr/local/bin/hangtag --config /etc/hangtag.toml run";
    assert!(unit.lines().any(|line| line == start), "{unit}");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_hangtag"))
        .args(["config", "print", "--config", &format!("{dist}/hangtag.toml")])
        .output()
        .unwrap();
    let printed = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(printed.contains("data_dir = \"/var/lib/hangtag\""), "{printed}");
}

#[test]
fn the_runtime_says_what_it_is_and_refuses_a_cut_off_library() {
    let shop = Shop::new();
    let report = shop.json(&["runtime", "--format", "json"]);
    let library = report["path"].as_str().unwrap();
    assert!(report["providers"].to_string().contains("CPU"), "{report}");
    let bytes = std::fs::read(library).unwrap();
    let cut = shop.path().join("libonnxruntime.so");
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let output = shop
        .command(&["runtime"])
        .env("ORT_DYLIB_PATH", &cut)
        .output()
        .unwrap();
    assert_eq!(
        output.status.code(),
        Some(1),
        "an error, not a signal: {}",
        text(&output.stderr)
    );
    assert!(
        text(&output.stderr).contains("libonnxruntime.so"),
        "{}",
        text(&output.stderr)
    );
    let output = shop.run(&["runtime", "--set", "runtime.library=/no/such/library.so"]);
    assert!(
        text(&output.stderr).contains("/no/such/library.so"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn cuda_that_cannot_be_had_is_an_error_and_auto_says_why_it_fell_back() {
    let shop = Shop::new();
    if shop.json(&["runtime", "--format", "json"])["device"]["got"] == "cuda" {
        eprintln!("skipped: CUDA can be had here");
        return;
    }
    drop_png(&shop.inbox(), 1);
    let library = shop.json(&["runtime", "--format", "json"])["path"]
        .as_str()
        .unwrap()
        .to_owned();
    let cuda = shop
        .command(&["scan", "--set", "inference.device=cuda"])
        .env("ORT_DYLIB_PATH", library)
        .output()
        .unwrap();
    assert_eq!(cuda.status.code(), Some(1));
    assert!(text(&cuda.stderr).contains("CUDA"), "{}", text(&cuda.stderr));
    let auto = shop.run(&["scan", "--set", "inference.device=auto"]);
    assert!(auto.status.success());
    assert!(
        text(&auto.stderr).contains("CUDA"),
        "it says so: {}",
        text(&auto.stderr)
    );
    assert_eq!(shop.rows()[0]["device"], "cpu");
}

/// Those in front of the command held no more where one stood behind it: another data set, another store.
#[test]
fn settings_hold_on_both_sides_of_the_command() {
    let shop = Shop::new();
    let printed = shop.ok(&[
        "--set",
        "tagging.target_precision=0.9",
        "config",
        "print",
        "--set",
        "train.threads=1",
    ]);
    for held in ["target_precision = 0.9", "threads = 1"] {
        assert!(printed.contains(held), "{held}: {printed}");
    }
}

/// All of it was in memory, twice; whoever reads it must not see that it is not any more.
#[test]
fn an_answer_that_comes_row_by_row_is_that_of_the_whole() {
    use hangtag::store::{FileQuery, Reader, Sort};
    let shop = tagged_shop();
    let query = FileQuery {
        sort: Sort::Path,
        ..FileQuery::default()
    };
    let rows = Reader::open(&shop.store()).unwrap().files_matching(&query);
    let whole = serde_json::to_string_pretty(&rows.unwrap()).unwrap() + "\n";
    assert_eq!(shop.ok(&["query", "--format", "json", "--sort", "path"]), whole);
    let none = ["--path", "/nowhere/*"];
    assert_eq!(
        shop.ok(&[&["query", "--format", "json"], &none[..]].concat()),
        "[]\n"
    );
    let csv = shop.ok(&[&["query", "--format", "csv"], &none[..]].concat());
    assert_eq!(csv.lines().count(), 1, "{csv}");
    let mut full = shop.command(&["query", "--format", "csv"]);
    let full = full.stdout(std::fs::File::create("/dev/full").unwrap()).output();
    assert_eq!(full.unwrap().status.code(), Some(1));
}
