//! The rebuild as a service, over the real binary: due, trained, judged, swapped in, followed by the inventory, undone.

mod child;
mod compare;
mod corrections;
pub mod drift;
mod due;
mod follow;
mod gate;
mod pinned;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use hangtag::model::ModelBundle;
use rusqlite::Connection;
use serde_json::Value;

use crate::util::{Shop, drop_png, small_data_set, text, wait_until};

/// Photos of the inbox before anything else happens.
const PHOTOS: u32 = 6;

/// A shop whose rebuilds take a second or so an epoch at most, with a gate that lets every model pass.
fn shop(epochs: u32) -> Shop {
    let shop = Shop::new();
    let data = shop.path().join("mnist");
    small_data_set(&data, (100, 50));
    shop.configure(&format!(
        "[dataset]\ndir = {data:?}\n\
         [train]\narchitecture = \"reference\"\nepochs = {epochs}\n\
         [retrain]\nthreads = 1\nnice = 0\n\
         [gate]\nmin_accuracy = 0.0\nmargin = 0.99\nmax_class_drop = 0.99\n\
         [settle]\nquiet = \"20ms\"\nquiet_unclosed = \"50ms\"\n\
         [retag]\nimages_per_second = 1000\n"
    ));
    shop
}

/// A shop as [`shop`] makes it, with photos that the shipped model has tagged.
fn tagged_shop(epochs: u32) -> Shop {
    let shop = shop(epochs);
    (0..PHOTOS).for_each(|number| drop(drop_png(&shop.inbox(), number)));
    shop.ok(&["scan"]);
    shop
}

/// One text from the store, empty for NULL.
fn word(shop: &Shop, sql: &str) -> String {
    let word: Option<String> = shop.sql().query_row(sql, [], |row| row.get(0)).unwrap();
    word.unwrap_or_default()
}

fn in_service(shop: &Shop) -> String {
    word(shop, "SELECT model FROM models WHERE state = 'in_service'")
}

/// The registry names one model, its history agrees, and its bundle is whole.
fn assert_one_serves(shop: &Shop) {
    assert_eq!(
        shop.count("SELECT count(*) FROM models WHERE state = 'in_service'"),
        1
    );
    let id = in_service(shop);
    assert_eq!(word(shop, "SELECT model FROM service WHERE until IS NULL"), id);
    let bundle = ModelBundle::load(&shop.data().join("models").join(&id)).unwrap();
    assert_eq!(bundle.id().as_str(), id);
}

fn assert_whole(store: &Connection) {
    let found: String = store
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(found, "ok");
    let broken: i64 = store
        .query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(broken, 0);
}

/// As if so many due times had been passed over.
pub fn pass_over(shop: &Shop, due_times: u32) {
    let skipped =
        "WITH RECURSIVE due (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM due WHERE number < ?1)
         INSERT INTO runs (state, cause, started_at_ms, ended_at_ms, parameters)
         SELECT 'skipped', 'schedule', number, number, 'null' FROM due";
    let store = Connection::open(shop.store()).unwrap();
    store.execute(skipped, [due_times]).unwrap();
}

/// Waits until no run is under way any more.
fn wait_until_runs_have_ended(shop: &Shop) {
    wait_until("no run is left running", || {
        shop.count("SELECT count(*) FROM runs WHERE state = 'running'") == 0
    });
}

/// The processes that train for this shop.
fn training(shop: &Shop) -> Vec<String> {
    let runs = shop.data().join("runs");
    let runs = runs.to_str().unwrap();
    let is_training = |pid: &String| {
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).into_owned();
        command.contains("\0train\0--run\0") && command.contains(runs)
    };
    let entries = std::fs::read_dir("/proc").unwrap().map(Result::unwrap);
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        .filter(is_training)
        .collect()
}

fn wait_for_checkpoint(shop: &Shop, run: u32) {
    let checkpoint = shop.data().join(format!("runs/{run:06}/checkpoint"));
    wait_until("an epoch is whole", || checkpoint.is_file());
}

fn signal(pid: &str, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), pid]).status();
    assert!(sent.unwrap().success());
}

/// What the daemon says of itself after this call began.
fn fresh_report(shop: &Shop) -> Value {
    let now = jiff::Timestamp::now();
    let mut report = Value::Null;
    wait_until("the daemon has told how it stands", || {
        let text = std::fs::read(shop.data().join("status.json")).unwrap_or_default();
        report = serde_json::from_slice(&text).unwrap_or_default();
        let written = report["written_at"]
            .as_str()
            .and_then(|written| written.parse::<jiff::Timestamp>().ok());
        written.is_some_and(|written| written > now)
    });
    report
}

/// How many images a running daemon has asked a model about.
fn inferred(shop: &Shop) -> i64 {
    let report = fresh_report(shop);
    let stations = report["stations"].as_array().unwrap();
    let infer = stations.iter().filter(|station| station["name"] == "infer");
    infer.map(|station| station["done"].as_i64().unwrap()).sum()
}

/// What one model said of each file.
fn answers_of(shop: &Shop, model: &str) -> BTreeMap<String, (i64, f64)> {
    let sql = shop.sql();
    let mut statement = sql
        .prepare(
            "SELECT f.path, o.label_id, o.confidence FROM files f JOIN outcomes o ON o.image_id = f.image_id
             JOIN models m ON m.id = o.model_id WHERE m.model = ?1",
        )
        .unwrap();
    let rows = statement.query_map([model], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))));
    rows.unwrap().map(Result::unwrap).collect()
}

/// Waits until every file shows this model's answer.
fn wait_until_all_show(shop: &Shop, model: &str) {
    wait_until(&format!("all files show the answer of {model}"), || {
        shop.count(&format!(
            "SELECT count(*) FROM files f JOIN models m ON m.id = f.model_id WHERE m.model <> '{model}'"
        )) == 0
    });
}

/// Puts on record that the last due time which was dealt with lies three days back, when the daily schedule of these tests was
/// in force already.
fn be_down_for_three_days(shop: &Shop) {
    let store = Connection::open(shop.store()).unwrap();
    let was = "(unixepoch() - 3 * 86400) * 1000";
    store
        .execute_batch(&format!(
            "INSERT INTO runs (state, cause, due_at_ms, started_at_ms, ended_at_ms, parameters)
                 VALUES ('skipped', 'schedule', {was}, {was}, {was}, 'null');
             INSERT INTO schedule_in_force VALUES (1, '0 3 * * *', 'UTC', {was});"
        ))
        .unwrap();
}

#[test]
fn a_due_rebuild_goes_live_the_inventory_follows_and_a_rollback_brings_all_back() {
    let shop = tagged_shop(4);
    let shipped = in_service(&shop);
    let corrected = shop.inbox().join("photo-00000.png");
    let corrected = corrected.to_str().unwrap();
    shop.ok(&["correct", corrected, "--label", "dress"]);
    be_down_for_three_days(&shop);
    let daemon = shop.daemon_with(&[
        "--set",
        "retrain.enabled=true",
        "--set",
        "retrain.schedule=0 3 * * *",
    ]);

    // Drops go on all the while: as soon as one photo is tagged, the next one comes.
    let mut dropped = PHOTOS;
    let (mut epochs_while_running, mut has_run) = (0, false);
    wait_until("a rebuild is through", || {
        if shop.count("SELECT count(*) FROM files") == i64::from(dropped) {
            drop_png(&shop.inbox(), dropped);
            dropped += 1;
        }
        let running =
            "SELECT count(*) FROM run_epochs e JOIN runs r ON r.id = e.run_id WHERE state = 'running'";
        epochs_while_running = epochs_while_running.max(shop.count(running));
        has_run |= shop.count("SELECT count(*) FROM runs WHERE state = 'running'") == 1;
        has_run && shop.count("SELECT count(*) FROM runs WHERE state = 'running'") == 0
    });
    let run = |column: &str| {
        word(
            &shop,
            &format!("SELECT {column} FROM runs ORDER BY id DESC LIMIT 1"),
        )
    };
    assert_eq!(
        (run("state"), run("cause")),
        ("finished".into(), "catch_up".into())
    );
    assert!(run("verdict").contains(r#""verdict":"promote""#));
    assert!(epochs_while_running >= 1, "epochs appear while it trains");
    assert_eq!(shop.count("SELECT count(*) FROM run_epochs"), 4);
    let meanwhile =
        "SELECT count(*) FROM outcomes o JOIN runs r ON o.tagged_at_ms BETWEEN started_at_ms AND ended_at_ms
         WHERE r.state = 'finished'";
    assert!(shop.count(meanwhile) > 0, "tagging goes on while it trains");

    let rebuilt = in_service(&shop);
    assert_ne!(rebuilt, shipped);
    assert_eq!(run("model"), rebuilt);
    assert_one_serves(&shop);
    shop.wait_for_rows(i64::from(dropped));
    wait_until_all_show(&shop, &rebuilt);
    assert_eq!(fresh_report(&shop)["model"], rebuilt.as_str());
    assert_stays_corrected(&shop);
    let as_shipped = answers_of(&shop, &shipped);
    assert!(as_shipped.len() >= PHOTOS as usize, "history is kept");

    drop_png(&shop.inbox(), dropped); // Known to the rebuilt model alone.
    dropped += 1;
    shop.wait_for_rows(i64::from(dropped));
    wait_until_all_show(&shop, &rebuilt);
    let unknown_to_shipped = i64::from(dropped) - as_shipped.len() as i64;
    let before = inferred(&shop);
    shop.ok(&["models", "rollback", "--reason", "it was better"]);
    wait_until_all_show(&shop, &shipped);
    assert_eq!(
        inferred(&shop) - before,
        unknown_to_shipped,
        "what is on record comes back without inference"
    );
    assert_eq!(fresh_report(&shop)["model"], shipped.as_str());
    assert_stays_corrected(&shop);
    shop.ok(&["correct", corrected, "--undo"]);
    for (path, answer) in as_shipped {
        let row = shop.sql().query_row(
            "SELECT label_id, confidence FROM files WHERE path = ?1",
            [&path],
            |row| Ok((row.get(0)?, row.get(1)?)),
        );
        assert_eq!(row.unwrap(), answer, "{path}");
    }
    let last = drop_png(&shop.inbox(), dropped);
    dropped += 1;
    shop.wait_for_rows(i64::from(dropped));
    assert_eq!(shop.row(&last).unwrap()["model"], shipped.as_str());
    assert_one_serves(&shop);
    let put_by = "SELECT group_concat(put_by, ' ') FROM (SELECT put_by FROM service_history ORDER BY id)";
    assert_eq!(word(&shop, put_by), "start gate person");
    assert_eq!(daemon.end(), Some(0));
    assert_whole(&shop.sql());
    for sql in [
        "SELECT count(*) FROM files",
        "SELECT count(DISTINCT path) FROM files",
        "SELECT count(*) FROM images",
    ] {
        assert_eq!(shop.count(sql), i64::from(dropped), "{sql}");
    }
}

fn assert_stays_corrected(shop: &Shop) {
    let row = shop.row(&shop.inbox().join("photo-00000.png")).unwrap();
    assert_eq!(
        (&row["status"], &row["label"]),
        (&"corrected".into(), &"Dress".into())
    );
}

#[test]
fn the_next_due_time_is_told_in_local_time_and_in_utc() {
    let shop = shop(1);
    shop.ok(&["scan"]);
    let status = shop.json(&[
        "retrain",
        "--format",
        "json",
        "--set",
        "retrain.enabled=true",
        "--set",
        "retrain.timezone=Asia/Kolkata",
        "--set",
        "retrain.schedule=30 4 * * *",
    ]);
    let next = |key: &str| status["next"][key].as_str().unwrap().to_owned();
    assert!(next("utc").contains("T23:00:00"), "{status}");
    assert!(next("local").contains("04:30"), "{status}");
    assert_eq!(status["daemon_running"], false);
}

#[test]
fn two_new_corrections_start_a_rebuild() {
    let shop = tagged_shop(1);
    let daemon = shop.daemon_with(&["--set", "retrain.after_corrections=2"]);
    let correct = |number: u32| {
        let photo = shop.inbox().join(format!("photo-{number:05}.png"));
        shop.ok(&["correct", photo.to_str().unwrap(), "--label", "dress"]);
    };
    correct(0);
    let status = shop.ok(&["retrain", "--set", "retrain.after_corrections=2"]);
    assert!(status.contains("1 of the 2 new corrections"), "{status}");
    correct(1);
    wait_until("a rebuild has begun and ended", || {
        shop.count("SELECT count(*) FROM runs WHERE state <> 'running'") == 1
    });
    assert_eq!(
        word(&shop, "SELECT cause || ' ' || state FROM runs"),
        "corrections finished"
    );
    let too_early =
        "SELECT count(*) FROM runs WHERE started_at_ms < (SELECT max(corrected_at_ms) FROM truths)";
    assert_eq!(shop.count(too_early), 0, "one alone starts none");
    assert_eq!(daemon.end(), Some(0));
}

#[test]
fn a_backup_while_the_daemon_writes_is_whole() {
    let shop = shop(1);
    let daemon = shop.daemon();
    let inbox = shop.inbox();
    let dropping = std::thread::spawn(move || {
        for number in 0..150 {
            drop_png(&inbox, number);
        }
    });
    shop.wait_for_rows(10);
    let copy = shop.path().join("backup").join("copy.db");
    shop.ok(&["backup", copy.to_str().unwrap()]);
    let at_most = shop.count("SELECT count(*) FROM files");
    let opened = Connection::open(&copy).unwrap();
    assert_whole(&opened);
    let rows: i64 = opened
        .query_row("SELECT count(*) FROM files", [], |row| row.get(0))
        .unwrap();
    assert!((10..=at_most).contains(&rows), "{rows} of {at_most}");
    drop(opened);

    refuses_to_overwrite(&shop, &copy);
    dropping.join().unwrap();
    shop.wait_for_rows(150);
    assert_eq!(daemon.end(), Some(0));
}

fn refuses_to_overwrite(shop: &Shop, copy: &Path) {
    let before = std::fs::read(copy).unwrap();
    let again = shop.run(&["backup", copy.to_str().unwrap()]);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("copy.db"), "{}", text(&again.stderr));
    assert!(std::fs::read(copy).unwrap() == before, "it is left as it was");
}
