//! What is let into service, what is not, and that a kill in between leaves one whole model there.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{
    assert_one_serves, assert_whole, in_service, pass_over, shop, signal, tagged_shop, training,
    wait_for_checkpoint, wait_until_runs_have_ended, word,
};
use crate::util::{Daemon, Shop, text, wait_until};

/// Every named place where a process may die between a verdict and its record.
const PLACES: [&str; 4] = [
    "publish.written",
    "publish.renamed",
    "register.candidate",
    "publish.registered",
];

#[test]
fn a_model_that_the_gate_refused_serves_only_by_force() {
    let shop = tagged_shop(1);
    let shipped = in_service(&shop);
    let answer = shop.json(&[
        "retrain",
        "now",
        "--format",
        "json",
        "--set",
        "gate.min_accuracy=1.0",
    ]);
    assert_eq!(answer["verdict"]["verdict"], "keep", "{answer}");
    assert_eq!(in_service(&shop), shipped);
    let refused = word(&shop, "SELECT model FROM runs");
    let why = word(&shop, "SELECT state_reason FROM models WHERE state = 'rejected'");
    assert!(why.contains("accuracy"), "{why}");
    let report = std::fs::read_to_string(shop.data().join("runs/000001/report.json")).unwrap();
    assert!(report.contains(r#""keep""#));
    assert!(Path::new(shop.ok(&["report"]).trim()).is_file());

    let promote = shop.run(&["models", "promote", &refused]);
    assert_eq!(promote.status.code(), Some(2));
    let said = text(&promote.stderr);
    assert!(said.contains("--force") && said.contains("accuracy"), "{said}");
    assert_eq!(in_service(&shop), shipped);

    // What a person has set outranks what the new model brings, which holds for the rest.
    shop.ok(&["thresholds", "set", "--label", "bag", "never", "--unknown", "0.7"]);
    let set = shop.json(&["thresholds", "--format", "json"]);
    let promoted = shop.ok(&["models", "promote", &refused[..8], "--force", "--reason", "a try"]);
    assert!(promoted.contains("keeps to the thresholds that"), "{promoted}");
    let kept = shop.json(&["thresholds", "--format", "json"]);
    assert_eq!(kept["model"], refused.as_str());
    assert_eq!(kept["by"], set["by"]);
    for key in ["unknown", "basis", "level"] {
        assert_eq!(kept["thresholds"][key], set["thresholds"][key], "{key}");
    }
    assert_eq!(kept["thresholds"]["chosen"]["labels"], json!(["Bag"]));
    assert_eq!(kept["thresholds"]["accept"][8], Value::Null);
    let manifest: Value = serde_json::from_str(&word(
        &shop,
        &format!("SELECT manifest FROM models WHERE model = '{refused}'"),
    ))
    .unwrap();
    let own = &manifest["calibration"]["thresholds"]["accept"];
    assert_eq!(kept["thresholds"]["accept"][0], own[0]);
    assert_one_serves(&shop);
    assert_eq!(in_service(&shop), refused);
    let how =
        "SELECT put_by || ' ' || forced || ' ' || json_extract(verdict, '$.verdict') FROM service_history
         WHERE until_ms IS NULL";
    assert_eq!(word(&shop, how), "person 1 keep");
    assert!(
        shop.ok(&["models", "show", &refused])
            .contains("against the gate")
    );
    shop.ok(&["scan"]);
    assert!(shop.rows().iter().all(|row| row["model"] == refused.as_str()));
}

/// A model that was made again and refused then was "rejected": the rollback found no other one, or an older one.
#[test]
fn a_model_that_has_served_can_be_gone_back_to_though_the_gate_refused_it_since() {
    let shop = shop(1);
    shop.ok(&["scan"]);
    let shipped = in_service(&shop);
    let now = ["retrain", "now", "--set", "retrain.seed=7"];
    shop.ok(&now);
    let served = in_service(&shop);
    shop.ok(&["models", "rollback"]);
    shop.ok(&[&now[..], &["--set", "gate.min_accuracy=1.0"]].concat());
    let again = "SELECT model || ' ' || json_extract(verdict, '$.verdict') FROM runs WHERE id = 2";
    assert_eq!(word(&shop, again), format!("{served} keep"));
    assert_eq!(in_service(&shop), shipped);
    shop.ok(&["models", "rollback"]);
    assert_eq!(in_service(&shop), served);
    shop.ok(&["models", "promote", &shipped]);
    shop.ok(&["models", "promote", &served]);
    assert_one_serves(&shop);
}

/// With a thousand due times passed over since, it "had not passed the gate".
#[test]
fn a_model_that_passed_the_gate_needs_no_force_however_long_ago_that_was() {
    let shop = shop(1);
    shop.ok(&["scan"]);
    shop.ok(&["retrain", "now"]);
    let passed = in_service(&shop);
    shop.ok(&["models", "rollback"]);
    let store = rusqlite::Connection::open(shop.store()).unwrap();
    let as_before = "UPDATE models SET state = 'candidate' WHERE model = ?1";
    store.execute(as_before, [&passed]).unwrap();
    pass_over(&shop, 1_000);
    shop.ok(&["models", "promote", &passed]);
    assert_eq!(in_service(&shop), passed);
}

/// The bundle went with the older of two runs that had made the same model, so that nobody could promote it any more.
#[test]
fn a_model_that_a_kept_run_made_again_is_not_pruned_with_the_old_run() {
    let shop = shop(1);
    let settings = ["gate.min_accuracy=1.0", "retrain.seed=7", "retrain.keep_runs=1"];
    let settings = settings.map(|setting| ["--set", setting]).concat();
    let daemon = shop.daemon_with(&settings);
    shop.ok(&["retrain", "now"]);
    wait_until_runs_have_ended(&shop);
    shop.ok(&["retrain", "now"]);
    wait_until_runs_have_ended(&shop);
    let old = shop.data().join("runs/000001");
    wait_until("the old run is pruned", || !old.exists());
    assert_eq!(daemon.end(), Some(0));
    assert_eq!(shop.count("SELECT count(DISTINCT model) FROM runs"), 1);
    shop.ok(&[
        "models",
        "promote",
        &word(&shop, "SELECT max(model) FROM runs"),
        "--force",
    ]);
    assert_one_serves(&shop);
}

/// Their folders piled up until a run went through, and for ever where due times were passed over by the thousand.
#[test]
fn runs_that_fail_are_pruned_too() {
    let shop = shop(1);
    shop.ok(&["scan"]);
    let data = shop.path().join("mnist");
    std::fs::remove_dir_all(&data).unwrap();
    std::fs::create_dir(&data).unwrap();
    for _ in 0..2 {
        let now = shop.run(&["retrain", "now", "--set", "retrain.keep_runs=1"]);
        assert_eq!(now.status.code(), Some(1));
        pass_over(&shop, 10_000);
    }
    let is_kept = [1, 10_002].map(|run| shop.data().join(format!("runs/{run:06}")).exists());
    assert_eq!(is_kept, [false, true]);
}

#[test]
fn old_runs_are_pruned_but_never_what_serves_or_served_last() {
    let shop = shop(1);
    shop.ok(&["scan"]);
    for _ in 0..4 {
        shop.ok(&["retrain", "now", "--set", "retrain.keep_runs=1"]);
    }
    let of_run = |run: u32| word(&shop, &format!("SELECT model FROM runs WHERE id = {run}"));
    assert_eq!(in_service(&shop), of_run(4));
    for run in 1..=4 {
        let folders = [
            shop.data().join(format!("runs/{run:06}")),
            shop.data().join("models").join(of_run(run)),
        ];
        for folder in folders {
            assert_eq!(folder.exists(), run > 1, "{}", folder.display());
        }
    }
    shop.ok(&["models", "rollback"]);
    assert_eq!(in_service(&shop), of_run(3));
    shop.ok(&["models", "promote", &of_run(2)]);
    assert_one_serves(&shop);
}

#[test]
fn a_rebuild_of_what_is_in_service_is_recorded_as_unchanged() {
    let shop = shop(1);
    shop.ok(&["scan"]);
    let now = ["retrain", "now", "--format", "json", "--set", "retrain.seed=7"];
    assert_eq!(shop.json(&now)["verdict"]["verdict"], "promote");
    assert_eq!(shop.json(&now)["state"], "unchanged");
    assert_eq!(
        word(&shop, "SELECT group_concat(state, ' ') FROM runs"),
        "finished unchanged"
    );
    assert_eq!(shop.count("SELECT count(DISTINCT fingerprint) FROM runs"), 1);
    assert_eq!(shop.count("SELECT count(*) FROM run_epochs"), 1);
}

#[test]
fn a_kill_anywhere_between_verdict_and_record_leaves_one_whole_model_in_service() {
    let trained = shop(1);
    trained.ok(&["scan"]);
    dies_at(trained.command(&["retrain", "now"]), PLACES[0]);
    assert_one_serves(&trained);
    for place in PLACES {
        let shop = shop(1);
        copy_folder(&trained.data(), &shop.data());
        dies_at(shop.command(&["run"]), place);
        assert_one_serves(&shop);
        assert_eq!(word(&shop, "SELECT state FROM runs"), "running", "{place}");

        let daemon = shop.daemon();
        wait_until_runs_have_ended(&shop);
        assert_eq!(daemon.end(), Some(0));
        let judged = "SELECT state || ' ' || json_extract(verdict, '$.verdict') FROM runs";
        assert_eq!(word(&shop, judged), "finished promote", "{place}");
        assert_one_serves(&shop);
        assert_eq!(
            in_service(&shop),
            word(&shop, "SELECT model FROM runs"),
            "{place}"
        );
        shop.ok(&["models", "show", &in_service(&shop)]);
        assert_eq!(
            shop.count("SELECT count(*) FROM service_history"),
            2,
            "{place}: put in service once"
        );
        let models = std::fs::read_dir(shop.data().join("models")).unwrap();
        assert_eq!(models.count(), 2, "{place}: no leftovers");
        assert_whole(&shop.sql());
    }
}

/// Which model the candidate of a run was compared with.
fn measured_against(shop: &Shop, run: u32) -> String {
    let path = shop.data().join(format!("runs/{run:06}/conclusion.json"));
    let conclusion: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    conclusion["in_service_model"].as_str().unwrap().to_owned()
}

#[test]
fn a_candidate_is_measured_against_the_model_that_serves_in_the_end() {
    let shop = shop(4);
    shop.ok(&["scan"]);
    let shipped = in_service(&shop);
    shop.ok(&["retrain", "now", "--set", "train.epochs=1"]);
    let first = in_service(&shop);
    let daemon = shop.daemon();
    shop.ok(&["retrain", "now"]);
    wait_for_checkpoint(&shop, 2);
    let trains = training(&shop).remove(0);
    signal(&trains, "STOP");
    shop.ok(&["models", "rollback"]);
    signal(&trains, "CONT");
    wait_until_runs_have_ended(&shop);
    assert_eq!(word(&shop, "SELECT state FROM runs WHERE id = 2"), "finished");
    assert_eq!(measured_against(&shop, 1), shipped);
    assert_eq!(measured_against(&shop, 2), shipped, "and no more against {first}");
    assert_eq!(daemon.end(), Some(0));

    // The same while the service is down: who takes the run up must not judge it by what was.
    let second = in_service(&shop);
    assert_ne!(second, shipped);
    dies_at(
        shop.command(&["retrain", "now", "--set", "train.epochs=1"]),
        "publish.written",
    );
    assert_eq!(measured_against(&shop, 3), second);
    shop.ok(&["models", "rollback"]);
    let daemon = shop.daemon();
    wait_until_runs_have_ended(&shop);
    assert_eq!(daemon.end(), Some(0));
    let why = word(&shop, "SELECT reason FROM runs WHERE id = 3 AND state = 'failed'");
    assert!(why.contains(&second) && why.contains("--resume"), "{why}");
    assert_eq!(in_service(&shop), shipped);
    shop.ok(&["retrain", "now", "--resume"]);
    assert_eq!(measured_against(&shop, 4), shipped);
    assert_eq!(
        in_service(&shop),
        word(&shop, "SELECT model FROM runs WHERE id = 4")
    );
}

/// It was judged, and then trained and judged once more from its checkpoint.
#[test]
fn a_run_that_was_through_as_the_service_was_killed_is_judged_and_not_gone_on_with() {
    let shop = shop(1);
    shop.ok(&["scan"]);
    dies_at(shop.command(&["retrain", "now"]), "publish.written");
    let resumed = shop.run(&["retrain", "now", "--resume"]);
    let complaint = text(&resumed.stderr);
    assert_eq!(resumed.status.code(), Some(2), "{complaint}");
    assert!(complaint.contains("no interrupted run"), "{complaint}");
    let judged = "SELECT group_concat(state || ' ' || json_extract(verdict, '$.verdict')) FROM runs";
    assert_eq!(word(&shop, judged), "finished promote");
    assert_eq!(in_service(&shop), word(&shop, "SELECT model FROM runs"));
}

#[test]
fn a_first_start_that_is_killed_while_it_publishes_is_made_up_for() {
    for place in &PLACES[..2] {
        let shop = shop(1);
        dies_at(shop.command(&["run"]), place);
        assert_eq!(
            shop.count("SELECT count(*) FROM models WHERE state = 'in_service'"),
            0
        );
        shop.ok(&["scan"]);
        assert_one_serves(&shop);
    }
}

fn dies_at(mut command: Command, place: &str) {
    command.env("HANGTAG_CRASH_AT", place).stdout(Stdio::null());
    let child = command.stderr(Stdio::null()).spawn().unwrap();
    // Ended even where the test fails.
    let mut process = Daemon { child };
    let mut ended = None;
    wait_until(&format!("it dies at {place}"), || {
        ended = process.child.try_wait().unwrap();
        ended.is_some()
    });
    let code = ended.and_then(|status| status.code());
    assert_eq!(code, None, "it dies at {place}, by a signal");
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}
