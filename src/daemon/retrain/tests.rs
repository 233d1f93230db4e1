//! What the rebuild goes by, over a store on the disk: under a clock that was ahead, after corrections have changed, while a run is
//! under way, and where the disk is full.

use serde_json::json;

use super::*;
use crate::config::CatchUp;
use crate::config::cron::CronSchedule;
use crate::daemon::rebuild_run::tests::write_program;
use crate::domain::{ContentHash, Thresholds, Truth};
use crate::store::{Actor, Forced, NewCorrection, NewThresholds, ScheduleInForce, ServiceChange};
use crate::tagging::testing::{Shop, model, tagged};
use crate::training::perform::wants_base;

fn at(text: &str) -> Timestamp {
    let moment: jiff::Timestamp = text.parse().unwrap();
    Timestamp::from_millis(moment.as_millisecond())
}

/// One who goes by a daily schedule, and has since the beginning of the month.
fn retrainer(shop: &Shop) -> Retrainer {
    let mut config = shop.config();
    config.retrain.schedule = Some(CronSchedule::parse("0 3 * * *", "UTC").unwrap());
    config.retrain.catch_up = CatchUp::Skip;
    config.retrain.warm_start = true;
    let in_force = ScheduleInForce {
        expression: "0 3 * * *".into(),
        timezone: "UTC".into(),
        since: at("2026-11-01T00:00:00Z"),
    };
    shop.store().put_schedule_in_force(Some(&in_force)).unwrap();
    Retrainer::open(Arc::new(config), "hangtag".into(), Arc::default()).unwrap()
}

fn correct(shop: &Shop, photo: &str, at: Timestamp) -> ContentHash {
    let correction = NewCorrection {
        hash: ContentHash::of(photo.as_bytes()),
        truth: Truth::Unknown,
        by: "anna".into(),
        at,
    };
    let hash = correction.hash;
    shop.store().correct(&[correction]).unwrap();
    hash
}

/// The schedule was silent until then, corrections were too few until then, and nothing was up before.
#[test]
fn what_was_written_under_a_clock_decades_ahead_holds_nothing_back() {
    let shop = Shop::new();
    let mut retrainer = retrainer(&shop);
    retrainer.up_since = at("2099-01-01T00:00:00Z");
    let ahead = at("2099-01-01T03:00:00Z");
    for trigger in [RunTrigger::Drift, RunTrigger::Schedule] {
        let end = RunEnd::without_result(RunState::Unchanged, ahead, "a test");
        let run = NewRun {
            due_at: Some(ahead),
            ..NewRun::by_command(ahead, json!({}))
        };
        shop.store().record_run(&NewRun { trigger, ..run }, &end).unwrap();
    }
    let now = at("2026-11-23T03:00:00Z");
    correct(&shop, "photo", now);
    let record = retrainer.record(now).unwrap();
    assert_eq!(record.new_corrections, 1);
    let due = Decision::Run {
        trigger: Trigger::Schedule,
        due_at: now,
    };
    assert_eq!(decide(now, &rules(&retrainer.config), &record), due);
}

/// It was as young as on its first day until then.
#[test]
fn a_training_that_began_under_a_clock_ahead_and_was_killed_is_closed() {
    let shop = Shop::new();
    let ahead = at("2099-01-01T03:00:00Z");
    let run = shop
        .store()
        .start_run(&NewRun::by_command(ahead, json!({})))
        .unwrap();
    close_dead_trainings_blocking(&shop.config(), (&shop.reader(), &mut shop.store())).unwrap();
    let closed = shop.reader().run(run).unwrap().unwrap();
    assert_eq!(closed.state, RunState::Failed);
}

/// It taught what had been withdrawn since, judged by it, and what had come since was neither learned nor counted any more.
#[test]
fn a_resumed_run_learns_the_corrections_that_stand_where_its_checkpoint_fits_any() {
    let shop = Shop::new();
    let retrainer = retrainer(&shop);
    let began = at("2026-11-20T10:00:00Z");
    let withdrawn = correct(&shop, "withdrawn", began);
    let folder = RunFolder::of(&retrainer.config.runs_dir(), 1);
    folder.begin_blocking().unwrap();
    let left = retrainer.job(&Beginning::Fresh, began).unwrap();
    folder.write_job_blocking(&left, "").unwrap();
    let now = at("2026-11-23T10:00:00Z");
    shop.store().undo_corrections(&[withdrawn], "anna", now).unwrap();
    let given = correct(&shop, "given", at("2026-11-21T10:00:00Z"));
    for (architecture, learned, read_at) in [
        (ArchitectureName::Residual, given, now),
        (ArchitectureName::Reference, withdrawn, began),
    ] {
        let parameters = TrainParameters::recipe(architecture);
        let resumed = Beginning::Resumed {
            checkpoint: folder.checkpoint_path(),
            parameters: parameters.clone(),
        };
        let job = retrainer.job(&resumed, now).unwrap();
        let hashes: Vec<_> = job.corrections.iter().map(|note| &note.content_hash).collect();
        assert_eq!(hashes, [&learned.to_string()], "{architecture}");
        assert_eq!(job.corrections_read_at, Some(read_at), "{architecture}");
        assert_eq!(job.parameters.seed, parameters.seed, "{architecture}");
        assert!(!wants_base(&job), "{architecture}");
    }
}

/// Corrections that were withdrawn stayed in the model: what would come without them had served before, and was not made again.
#[test]
fn a_known_outcome_holds_until_the_gate_lets_another_model_in() {
    let shop = Shop::new();
    let retrainer = retrainer(&shop);
    let now = at("2026-11-23T03:00:00Z");
    let judged = |print: &str, verdict: &str| {
        let run = NewRun {
            trigger: RunTrigger::Schedule,
            fingerprint: Some(print.into()),
            ..NewRun::by_command(now, json!({}))
        };
        let end = RunEnd {
            verdict: Some(json!({ "verdict": verdict })),
            ..RunEnd::without_result(RunState::Finished, now, "a test")
        };
        shop.store().record_run(&run, &end).unwrap();
    };
    let is_known = |print| {
        let outcome = retrainer.known_outcome(print, RunTrigger::Schedule).unwrap();
        outcome.is_some()
    };
    assert!(!is_known("before"));
    for (print, verdict, known) in [
        ("before", "promote", ["before"].as_slice()),
        ("with a correction", "keep", &["before", "with a correction"]),
        ("with another", "promote", &["with another"]),
        ("before", "keep", &["before", "with another"]),
    ] {
        judged(print, verdict);
        for one in ["before", "with a correction", "with another"] {
            assert_eq!(
                is_known(one),
                known.contains(&one),
                "{one} after {print}: {verdict}"
            );
        }
    }
    // Passed over so often, they crowded it out.
    let skipped = RunEnd::without_result(RunState::Skipped, now, "a test");
    let due = passed_over(now, RunTrigger::Schedule, Some(now));
    for _ in 0..1_000 {
        shop.store().record_run(&due, &skipped).unwrap();
    }
    assert!(is_known("before"));
}

/// A rollback in the midst of a run: for hours, what a person had set showed as holding, and no answer followed it.
#[test]
fn answers_follow_thresholds_while_a_run_is_under_way() {
    let (shop, now) = (Shop::new(), at("2026-11-23T03:00:00Z"));
    let mut retrainer = retrainer(&shop);
    retrainer.program = shop.path().join("program");
    write_program(
        &retrainer.program,
        "while [ ! -e \"$3/go\" ]; do sleep 0.05; done\nexit 1\n",
    );
    let change = ServiceChange {
        model: model("a"),
        at: now,
        by: Actor::Person,
        reason: "a test".into(),
        forced: Forced::No,
        verdict: None,
        instead_of: None,
    };
    shop.store().put_in_service(&change).unwrap();
    let photo = tagged(&shop.inbox().join("a.png"), b"photo", "a");
    shop.store().apply(&[photo]).unwrap();
    let set = NewThresholds {
        model: model("a"),
        thresholds: Thresholds::uncertified(0.9),
        by: "anna".into(),
        at: now,
    };
    shop.store().set_thresholds(&set).unwrap();
    let (reader, run_folder) = (shop.reader(), RunFolder::of(&retrainer.config.runs_dir(), 1));
    assert!(reader.has_undecided().unwrap());
    std::thread::scope(|scope| {
        let run = scope.spawn(|| retrainer.rebuild_blocking(RunTrigger::Person, None, Beginning::Fresh));
        let until = Instant::now() + Duration::from_secs(60);
        while reader.has_undecided().unwrap() && !run.is_finished() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
        let (follow, is_under_way) = (!reader.has_undecided().unwrap(), !run.is_finished());
        std::fs::write(run_folder.path().join("go"), "").unwrap();
        assert!(follow && is_under_way);
        assert_eq!(run.join().unwrap().unwrap().state, RunState::Failed);
    });
}

/// Who corrected a photo and asked while a run was being prepared was told that this run answers; it had read the photo's former
/// label, and no other one was made.
#[test]
fn a_request_that_comes_after_corrections_were_read_is_left_to_a_run_that_knows_them() {
    let (shop, now) = (Shop::new(), at("2026-11-23T03:00:00Z"));
    let mut retrainer = retrainer(&shop);
    let asked = shop.store().ask_for_rebuild(now, "anna").unwrap();
    let before = retrainer.reader.latest_rebuild_request().unwrap();
    let later = shop.store().ask_for_rebuild(now, "ben").unwrap();
    let answered = (RunTrigger::Person, None, now);
    let run = retrainer
        .unchanged(answered, before, "print", "a test")
        .unwrap()
        .run;
    assert_eq!(shop.reader().run_of_request(asked).unwrap(), Some(run));
    let open = shop.reader().open_rebuild_request().unwrap();
    assert_eq!(open.map(|request| request.id), Some(later));
}

/// Its end could not be written; with room again it stood as ended with the service, which had never ended, and was made up for.
#[test]
fn a_run_whose_end_could_not_be_written_goes_on_record_with_its_own_reason() {
    let shop = Shop::new();
    let mut retrainer = retrainer(&shop);
    let begin = || {
        let new = NewRun {
            trigger: RunTrigger::Person,
            ..NewRun::by_command(at("2026-11-23T03:00:00Z"), json!({}))
        };
        shop.store().start_run(&new).unwrap()
    };
    let reason = "the disk was full".repeat(5_000);
    let run = begin();
    retrainer.store.limit_growth(Some(0));
    let error = retrainer.end(run, RunState::Failed, &reason).unwrap_err();
    retrainer.end_later(run, &error);
    retrainer.take_up_blocking().unwrap_err();
    retrainer.store.limit_growth(None);
    retrainer.take_up_blocking().unwrap();
    let of = |run| shop.reader().run(run).unwrap().unwrap();
    assert_eq!((of(run).state, of(run).reason), (RunState::Failed, Some(reason)));
    // One that the store was in the way of from the first step on.
    let run = begin();
    retrainer.end_later(run, &error);
    retrainer.take_up_blocking().unwrap();
    assert_eq!(
        (of(run).state, of(run).reason),
        (RunState::Failed, Some(error.to_string()))
    );
}
