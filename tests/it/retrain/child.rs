//! The process that trains: what becomes of its run when it, or the daemon that started it, ends before its time.

use std::process::{Command, Stdio};

use rusqlite::Connection;

use super::{
    assert_one_serves, be_down_for_three_days, in_service, shop, signal, tagged_shop, training,
    wait_for_checkpoint, wait_until_runs_have_ended, word,
};
use crate::util::{Daemon, Shop, drop_png, text, wait_until};

/// So many that no run comes to its end.
const ENDLESS: u32 = 100_000;

fn end_of(shop: &Shop, run: u32) -> (String, String) {
    wait_until_runs_have_ended(shop);
    let column = |name: &str| word(shop, &format!("SELECT {name} FROM runs WHERE id = {run}"));
    (column("state"), column("reason"))
}

#[test]
fn a_run_that_is_killed_lacks_its_data_or_is_stopped_says_so_and_the_daemon_goes_on() {
    let shop = shop(ENDLESS);
    let daemon = shop.daemon();
    shop.ok(&["retrain", "now"]);
    wait_for_checkpoint(&shop, 1);
    let trains = training(&shop);
    assert_eq!(trains.len(), 1, "never two at once");
    signal(&trains[0], "KILL");
    let (state, why) = end_of(&shop, 1);
    assert_eq!(state, "failed");
    assert!(why.contains("signal: 9"), "{why}");
    // It was on record as stopped, as if the service had ended, and would have been begun again.
    shop.ok(&["retrain", "now"]);
    wait_for_checkpoint(&shop, 2);
    signal(&training(&shop)[0], "TERM");
    let (state, why) = end_of(&shop, 2);
    assert_eq!(state, "failed");
    assert!(why.contains("told to end while the service went on"), "{why}");

    let (data, aside) = (shop.path().join("mnist"), shop.path().join("aside"));
    std::fs::rename(&data, &aside).unwrap();
    std::fs::create_dir(&data).unwrap();
    shop.ok(&["retrain", "now"]);
    let (state, why) = end_of(&shop, 3);
    assert_eq!(state, "failed");
    assert!(why.contains("train-images-idx3-ubyte.gz"), "{why}");
    std::fs::remove_dir(&data).unwrap();
    std::fs::rename(&aside, &data).unwrap();

    drop_png(&shop.inbox(), 1);
    shop.wait_for_rows(1);
    wait_until("the daemon is well", || {
        shop.run(&["status"]).status.code() == Some(0)
    });
    shop.ok(&["retrain", "now"]);
    wait_for_checkpoint(&shop, 4);
    assert_eq!(daemon.end(), Some(0), "it ends within its grace");
    assert_eq!(training(&shop), [""; 0]);
    assert_eq!(end_of(&shop, 4).0, "stopped");
    assert_one_serves(&shop);
}

#[test]
fn a_daemon_that_is_killed_takes_its_training_with_it() {
    let shop = shop(ENDLESS);
    let daemon = shop.daemon();
    shop.ok(&["retrain", "now"]);
    wait_for_checkpoint(&shop, 1);
    daemon.kill();
    wait_until("the training has ended by itself", || training(&shop).is_empty());
    let daemon = shop.daemon();
    let (state, why) = end_of(&shop, 1);
    assert_eq!(state, "stopped");
    assert!(why.contains("--resume"), "{why}");
    assert_eq!(daemon.end(), Some(0));
    ends_though_nobody_waits_from_the_first_moment_on(&shop);
}

/// A daemon that is killed as its training begins: the training never was its child. It trained on for nobody.
fn ends_though_nobody_waits_from_the_first_moment_on(shop: &Shop) {
    let folder = shop.data().join("runs/000001");
    let conclusion = folder.join("conclusion.json");
    std::fs::remove_file(&conclusion).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_hangtag"))
        .args(["train", "--run"])
        .arg(&folder)
        .arg("--config")
        .arg(folder.join("settings.toml"))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut child = Daemon { child }; // Ended even where the test fails.
    wait_until("it has ended by itself", || {
        child.child.try_wait().unwrap().is_some()
    });
    let conclusion = std::fs::read_to_string(conclusion).unwrap();
    assert!(conclusion.contains(r#""stopped""#), "{conclusion}");
}

#[test]
fn what_a_run_left_that_cannot_be_read_fails_that_run_alone() {
    let shop = shop(1);
    shop.ok(&["scan"]);
    let run =
        "INSERT INTO runs (state, cause, started_at_ms, parameters) VALUES ('running', 'person', 1, 'null')";
    rusqlite::Connection::open(shop.store())
        .unwrap()
        .execute(run, [])
        .unwrap();
    let folder = shop.data().join("runs/000001");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("conclusion.json"), "{\"ended\": \"fin").unwrap();
    let daemon = shop.daemon();
    let (state, why) = end_of(&shop, 1);
    assert_eq!(state, "failed");
    assert!(why.contains("conclusion.json"), "{why}");
    shop.ok(&["retrain", "now"]);
    assert_eq!(end_of(&shop, 2).0, "finished");
    assert_eq!(daemon.end(), Some(0));
}

/// It counted as stopped, as if somebody had wanted that.
#[test]
fn a_run_that_cannot_write_its_progress_fails() {
    let shop = shop(ENDLESS);
    shop.ok(&["scan"]);
    let mut command = shop.command(&["retrain", "now"]);
    let child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut now = Daemon { child }; // Ended even where the test fails.
    wait_for_checkpoint(&shop, 1);
    // Tests may run as root, who may write anywhere that exists.
    let folder = shop.data().join("runs/000001");
    std::os::unix::fs::symlink("/no/such/folder/file", folder.join("nowhere")).unwrap();
    std::fs::rename(folder.join("nowhere"), folder.join("progress.jsonl")).unwrap();
    let mut ended = None;
    wait_until("it has ended", || {
        ended = now.child.try_wait().unwrap();
        ended.is_some()
    });
    assert_eq!(ended.and_then(|status| status.code()), Some(1));
    let (state, why) = end_of(&shop, 1);
    assert_eq!(state, "failed");
    assert!(why.contains("progress.jsonl"), "{why}");
}

/// After a store was restored, numbers are given out again: another run's checkpoint and progress were taken for its own.
#[test]
fn a_run_does_not_go_on_from_what_another_one_left_in_its_folder() {
    let shop = shop(1);
    shop.ok(&["scan"]);
    let folder = shop.data().join("runs/000001");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("checkpoint"), "of another run").unwrap();
    let epoch = r#"{"epoch":7,"seconds":1.0,"loss":1.0,"accuracy":0.5,"val_loss":1.0,"val_accuracy":0.5}"#;
    std::fs::write(folder.join("progress.jsonl"), format!("{epoch}\n")).unwrap();
    shop.ok(&["retrain", "now"]);
    assert_eq!(end_of(&shop, 1).0, "finished");
    assert_eq!(word(&shop, "SELECT group_concat(epoch) FROM run_epochs"), "1");
}

/// It counted as dealt with, so that the model was a week older than its owner thought.
#[test]
fn a_due_rebuild_that_the_services_end_interrupts_is_made_up_for() {
    let shop = shop(ENDLESS);
    shop.ok(&["scan"]);
    be_down_for_three_days(&shop);
    let settings = [
        "retrain.enabled=true",
        "retrain.schedule=0 3 * * *",
        "retrain.min_interval=0s",
    ];
    let settings = settings.map(|setting| ["--set", setting]).concat();
    let daemon = shop.daemon_with(&settings);
    wait_for_checkpoint(&shop, 2);
    assert_eq!(daemon.end(), Some(0));
    assert_eq!(end_of(&shop, 2).0, "stopped");
    let quick = [settings.as_slice(), &["--set", "train.epochs=1"]].concat();
    let daemon = shop.daemon_with(&quick);
    wait_until("it is made up for", || {
        shop.count("SELECT count(*) FROM runs WHERE state = 'finished' AND cause = 'catch_up'") == 1
    });
    assert_eq!(daemon.end(), Some(0));
    assert_eq!(
        shop.count("SELECT count(DISTINCT due_at_ms) FROM runs WHERE state IN ('stopped', 'finished')"),
        1
    );
}

/// What was asked for meanwhile was heard by nobody, until a daemon began it a week later; `status` called the rebuild a
/// daemon that is unwell.
#[test]
fn a_rebuild_without_a_daemon_passes_for_none() {
    let shop = tagged_shop(ENDLESS);
    let mut now = shop.spawn(shop.command(&["retrain", "now"]));
    wait_for_checkpoint(&shop, 1);
    let run = |arguments: &[&str]| {
        let output = shop.run(arguments);
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    };
    let holder = format!("`hangtag retrain now` with process id {}", now.child.id());
    for arguments in [&["retrain", "now"][..], &["retrain", "now", "--resume"], &["run"]] {
        let (code, said) = run(arguments);
        assert!(
            code == Some(1) && said.contains(&holder),
            "{arguments:?}: {code:?} {said}"
        );
    }
    assert_eq!(shop.count("SELECT count(*) FROM rebuild_requests"), 0);
    let (code, said) = run(&["status"]);
    assert!(
        code == Some(2) && said.contains("not running") && said.contains(&holder),
        "{code:?} {said}"
    );
    let new = drop_png(&shop.inbox(), 900);
    let (_, said) = run(&["explain", new.to_str().unwrap()]);
    assert!(said.contains("no daemon is running"), "{said}");
    now.signal("INT");
    assert_eq!(now.child.wait().unwrap().code(), Some(130));
}

#[test]
fn an_interrupted_run_is_resumed_without_a_daemon_and_has_all_epochs() {
    let shop = tagged_shop(24);
    let shipped = in_service(&shop);
    let mut command = shop.command(&["retrain", "now"]);
    let mut now = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for_checkpoint(&shop, 1);
    signal(&now.id().to_string(), "INT");
    assert_eq!(now.wait().unwrap().code(), Some(130));
    assert_eq!(end_of(&shop, 1).0, "stopped");
    assert_eq!(training(&shop), [""; 0]);
    let epochs = |run: u32| shop.count(&format!("SELECT count(*) FROM run_epochs WHERE run_id = {run}"));
    assert!(epochs(1) < 24);
    // As if the schedule had begun it.
    let store = Connection::open(shop.store()).unwrap();
    store.execute("UPDATE runs SET due_at_ms = 1000", []).unwrap();
    drop(store);

    let answer = shop.json(&["retrain", "now", "--resume", "--format", "json"]);
    assert_eq!(answer["state"], "finished", "{answer}");
    assert_eq!(epochs(2), 24);
    let told = std::fs::read_to_string(shop.data().join("runs/000002/progress.jsonl")).unwrap();
    assert_eq!(told.lines().count(), 24, "those before the interruption, too");
    assert_eq!(shop.count("SELECT due_at_ms FROM runs WHERE id = 2"), 1_000);
    assert_ne!(in_service(&shop), shipped);
    let seeds = "SELECT count(DISTINCT json_extract(parameters, '$.seed')) FROM runs";
    assert_eq!(shop.count(seeds), 1, "the same training");
}
