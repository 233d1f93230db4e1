//! Which model serves, training runs, requests.

use super::super::runs::LAST_DUE;
use super::*;
use serde_json::json;

fn serve(digit: &str, ms: i64, by: Actor) -> ServiceChange {
    ServiceChange {
        model: model(digit),
        at: at(ms),
        by,
        reason: format!("because of {digit}"),
        forced: Forced::No,
        verdict: None,
        instead_of: None,
    }
}

fn states(fixture: &Fixture) -> Vec<ModelState> {
    let models = fixture.reader().models().unwrap();
    models.into_iter().map(|model| model.state).collect()
}

#[test]
fn one_model_serves_and_the_history_says_why() {
    let mut fixture = Fixture::new();
    assert_eq!(states(&fixture), [ModelState::Candidate; 2]);
    assert_eq!(fixture.reader().model_in_service_id().unwrap(), None);
    assert_eq!(fixture.reader().former_model().unwrap(), None);

    fixture
        .store
        .put_in_service(&serve("a", 10, Actor::Start))
        .unwrap();
    assert_eq!(fixture.reader().former_model().unwrap(), None);
    let forced = ServiceChange {
        forced: Forced::Yes,
        verdict: Some(json!({"keep": ["worse"]})),
        instead_of: None,
        ..serve("b", 20, Actor::Person)
    };
    fixture.store.put_in_service(&forced).unwrap();
    let before = fixture.dump();
    fixture
        .store
        .put_in_service(&serve("b", 30, Actor::Gate))
        .unwrap();
    assert_eq!(before, fixture.dump(), "it is in service already");

    assert_eq!(states(&fixture), [ModelState::Retired, ModelState::InService]);
    let reader = fixture.reader();
    assert_eq!(reader.model_in_service_id().unwrap(), Some(model("b")));
    assert_eq!(reader.model_in_service().unwrap().unwrap().state_since, at(20));
    assert_eq!(reader.former_model().unwrap(), Some(model("a")));
    let history = reader.service_history(9).unwrap();
    let times: Vec<_> = history
        .iter()
        .map(|row| (row.model.clone(), row.since, row.until, row.by, row.forced))
        .collect();
    assert_eq!(
        times,
        [
            (model("b"), at(20), None, Actor::Person, true),
            (model("a"), at(10), Some(at(20)), Actor::Start, false),
        ]
    );
    assert_eq!(
        (history[0].verdict.as_ref(), history[0].reason.as_str()),
        (forced.verdict.as_ref(), "because of b")
    );

    // Rolled back: the former one is now the other.
    fixture
        .store
        .put_in_service(&serve("a", 40, Actor::Person))
        .unwrap();
    assert_eq!(states(&fixture), [ModelState::InService, ModelState::Retired]);
    assert_eq!(fixture.reader().former_model().unwrap(), Some(model("b")));
    assert_eq!(fixture.reader().service_history(1).unwrap().len(), 1);
}

#[test]
fn two_models_in_service_are_impossible() {
    let mut fixture = Fixture::new();
    fixture
        .store
        .put_in_service(&serve("a", 10, Actor::Start))
        .unwrap();
    for sql in [
        "UPDATE models SET state = 'in_service'",
        "UPDATE models SET state = 'nonsense'",
        "INSERT INTO service_history (model_id, since_ms, put_by, forced, reason) VALUES (2, 1, 'gate', 0, '')",
        "UPDATE service_history SET put_by = 'nobody'",
    ] {
        assert!(fixture.store.connection.execute(sql, []).is_err(), "{sql}");
    }
}

#[test]
fn a_refused_model_says_why_and_the_one_in_service_stays() {
    let mut fixture = Fixture::new();
    fixture
        .store
        .put_in_service(&serve("a", 10, Actor::Start))
        .unwrap();
    assert!(
        fixture
            .store
            .reject_model(&model("b"), "2 points worse", at(20))
            .unwrap()
    );
    assert!(
        !fixture
            .store
            .reject_model(&model("a"), "made again", at(30))
            .unwrap()
    );
    let row = fixture.reader().model(&model("b")).unwrap().unwrap();
    assert_eq!(
        (row.state, row.state_reason.as_deref(), row.state_since),
        (ModelState::Rejected, Some("2 points worse"), at(20))
    );
    assert_eq!(fixture.reader().model_in_service_id().unwrap(), Some(model("a")));
    // Registered again, it stays what it is; a person may still promote it.
    fixture.store.register_model(&new_model("b")).unwrap();
    assert_eq!(states(&fixture), [ModelState::InService, ModelState::Rejected]);
    fixture
        .store
        .put_in_service(&serve("b", 40, Actor::Person))
        .unwrap();
    assert_eq!(states(&fixture), [ModelState::Retired, ModelState::InService]);
    assert_eq!(fixture.reader().model(&model("c")).unwrap(), None);
    for error in [
        fixture
            .store
            .put_in_service(&serve("c", 50, Actor::Person))
            .unwrap_err(),
        fixture.store.reject_model(&model("c"), "", at(50)).unwrap_err(),
    ] {
        assert!(
            matches!(&error, StoreError::NoSuchModel { model, .. } if model == "cccccccccccccccc"),
            "{error:?}"
        );
    }
}

#[test]
fn runs_say_why_they_began_and_what_came_of_them() {
    let mut fixture = Fixture::new();
    let run = NewRun {
        trigger: RunTrigger::Schedule,
        due_at: Some(at(100)),
        fingerprint: Some("f00d".into()),
        ..NewRun::by_command(at(101), json!({"seed": 1}))
    };
    let first = fixture.store.start_run(&run).unwrap();
    assert_eq!(fixture.reader().running_runs().unwrap()[0].id, first);
    let end = RunEnd {
        state: RunState::Finished,
        reason: None,
        model: Some(model("c")),
        verdict: Some(json!("promote")),
        ..RunEnd::without_result(RunState::Finished, at(200), "")
    };
    fixture.store.finish_run(first, &end).unwrap();
    let again = NewRun {
        trigger: RunTrigger::CatchUp,
        due_at: Some(at(300)),
        ..run.clone()
    };
    let end = RunEnd::without_result(RunState::Unchanged, at(301), "nothing has changed since run 1");
    let second = fixture.store.record_run(&again, &end).unwrap();
    let passed_over = NewRun {
        due_at: Some(at(250)),
        ..again
    };
    let end = RunEnd::without_result(RunState::Skipped, at(302), "the daemon was not running");
    fixture.store.record_run(&passed_over, &end).unwrap();

    let reader = fixture.reader();
    assert_eq!(reader.running_runs().unwrap(), []);
    assert_eq!(
        reader.last_due(at(300)).unwrap(),
        Some(at(300)),
        "the greatest, not the latest recorded"
    );
    let row = reader.run(first).unwrap().unwrap();
    assert_eq!(
        (row.trigger, row.due_at, row.fingerprint.as_deref()),
        (RunTrigger::Schedule, Some(at(100)), Some("f00d"))
    );
    assert_eq!(
        (row.model, row.verdict),
        (Some(model("c")), Some(json!("promote")))
    );
    assert_eq!(reader.run(second).unwrap().unwrap().state, RunState::Unchanged);
    assert_eq!(reader.run(RunId(99)).unwrap(), None);
    assert_eq!(reader.run_that_made(&model("c")).unwrap().unwrap().id, first);
    assert_eq!(reader.run_that_made(&model("a")).unwrap(), None);
    let words: Vec<_> = reader
        .runs(9)
        .unwrap()
        .iter()
        .map(|run| run.state.name())
        .collect();
    assert_eq!(words, ["skipped", "unchanged", "finished"]);
    assert_eq!(reader.trained_runs(1).unwrap()[0].id, first);
    assert_eq!(
        reader.last_due(at(299)).unwrap(),
        Some(at(250)),
        "of those that count"
    );
    assert_eq!(Fixture::new().reader().last_due(at(300)).unwrap(), None);
}

#[test]
fn the_schedule_in_force_is_one_or_none() {
    let mut fixture = Fixture::new();
    assert_eq!(fixture.reader().schedule_in_force().unwrap(), None);
    let weekly = ScheduleInForce {
        expression: "0 3 * * sun".into(),
        timezone: "Europe/Berlin".into(),
        since: at(7),
    };
    let elsewhere = ScheduleInForce {
        timezone: "UTC".into(),
        since: at(8),
        ..weekly.clone()
    };
    assert!(!weekly.is_of(&elsewhere));
    for schedule in [Some(&weekly), Some(&elsewhere), None] {
        fixture.store.put_schedule_in_force(schedule).unwrap();
        assert_eq!(fixture.reader().schedule_in_force().unwrap().as_ref(), schedule);
    }
}

/// A run that the service's end interrupts is due again, the first of all, too; but once.
#[test]
fn a_moment_is_dealt_with_unless_its_only_run_was_stopped() {
    let mut fixture = Fixture::new();
    let mut ended = |due: i64, state| {
        let run = NewRun {
            trigger: RunTrigger::Schedule,
            due_at: Some(at(due)),
            ..NewRun::by_command(at(due + 1), json!({}))
        };
        let end = RunEnd::without_result(state, at(due + 2), "a test");
        fixture.store.record_run(&run, &end).unwrap();
        let reader = fixture.reader();
        assert_eq!(reader.last_rebuild_start().unwrap(), Some((at(due + 1), state)));
        reader.last_due(at(1_000)).unwrap()
    };
    assert_eq!(ended(100, RunState::Stopped), Some(at(99)));
    assert_eq!(ended(200, RunState::Failed), Some(at(200)));
    assert_eq!(ended(300, RunState::Stopped), Some(at(200)));
    assert_eq!(ended(300, RunState::Finished), Some(at(300)));
    // A run that brings the service down was begun again at every start.
    assert_eq!(ended(400, RunState::Stopped), Some(at(300)));
    assert_eq!(ended(400, RunState::Stopped), Some(at(400)));
}

/// All due times that had ever been passed over were looked at, twice a second.
#[test]
fn the_latest_moment_is_found_among_any_number_that_were_passed_over() {
    let fixture = Fixture::new();
    let passed_over =
        "WITH RECURSIVE due (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM due WHERE number < 10000)
         INSERT INTO runs (state, cause, due_at_ms, started_at_ms, ended_at_ms, parameters)
         SELECT 'skipped', 'schedule', number, number, number, 'null' FROM due";
    fixture.store.connection.execute(passed_over, []).unwrap();
    let mut statement = fixture.store.connection.prepare(LAST_DUE).unwrap();
    let last: i64 = statement.query_row([9_000], |row| row.get(0)).unwrap();
    assert_eq!(last, 9_000);
    let steps = statement.get_status(rusqlite::StatementStatus::VmStep);
    assert!(steps < 1_000, "{steps} steps for ten thousand rows");
}

/// A `hangtag train` made the next rebuild "too soon", or was taken for one that the service's end had interrupted.
#[test]
fn a_training_by_hand_is_no_rebuild() {
    let mut fixture = Fixture::new();
    for (number, (trigger, state, expected)) in [
        (RunTrigger::Command, RunState::Stopped, None),
        (
            RunTrigger::Person,
            RunState::Failed,
            Some((at(1), RunState::Failed)),
        ),
        (
            RunTrigger::Command,
            RunState::Finished,
            Some((at(1), RunState::Failed)),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let run = NewRun {
            trigger,
            ..NewRun::by_command(at(number as i64), json!({}))
        };
        let end = RunEnd::without_result(state, at(9), "a test");
        fixture.store.record_run(&run, &end).unwrap();
        assert_eq!(fixture.reader().last_rebuild_start().unwrap(), expected);
    }
}

#[test]
fn failures_for_corrections_count_from_the_last_rebuild_that_went_through() {
    let mut fixture = Fixture::new();
    for (trigger, state, expected) in [
        (RunTrigger::Corrections, RunState::Failed, 1),
        (RunTrigger::Schedule, RunState::Failed, 1),
        (RunTrigger::Corrections, RunState::Failed, 2),
        (RunTrigger::Command, RunState::Finished, 2),
        (RunTrigger::Corrections, RunState::Stopped, 3),
        (RunTrigger::Person, RunState::Finished, 0),
        (RunTrigger::Corrections, RunState::Failed, 1),
    ] {
        let run = NewRun {
            trigger,
            ..NewRun::by_command(at(1), json!({}))
        };
        let end = RunEnd::without_result(state, at(2), "a test");
        fixture.store.record_run(&run, &end).unwrap();
        assert_eq!(fixture.reader().failures_for_corrections().unwrap(), expected);
    }
}

/// A run by the schedule, or a training by command, answered for a drift that it had not been started for.
#[test]
fn only_a_run_that_drift_started_counts_for_drift() {
    let mut fixture = Fixture::new();
    for (number, (trigger, expected)) in [
        (RunTrigger::Schedule, None),
        (RunTrigger::Command, None),
        (RunTrigger::Drift, Some(at(2))),
        (RunTrigger::Person, Some(at(2))),
        (RunTrigger::Drift, Some(at(4))),
    ]
    .into_iter()
    .enumerate()
    {
        let run = NewRun {
            trigger,
            ..NewRun::by_command(at(number as i64), json!({}))
        };
        let end = RunEnd::without_result(RunState::Failed, at(9), "a test");
        fixture.store.record_run(&run, &end).unwrap();
        assert_eq!(fixture.reader().last_start_for_drift(at(9)).unwrap(), expected);
    }
    assert_eq!(
        fixture.reader().last_start_for_drift(at(3)).unwrap(),
        Some(at(2)),
        "the later one began under a clock that was ahead"
    );
}

/// `hangtag retrain` and the service counted each by itself: after a clock was set back, one of them 0.
#[test]
fn corrections_are_new_that_came_since_a_rebuild_that_had_them_began() {
    let mut fixture = Fixture::new();
    for (name, ms) in [("a", 100), ("b", 200), ("c", 300)] {
        let given = NewCorrection {
            at: at(ms),
            ..correction(name, Some(3))
        };
        fixture.store.correct(&[given]).unwrap();
    }
    let new = |fixture: &Fixture| fixture.reader().count_new_corrections(at(400)).unwrap();
    assert_eq!(new(&fixture), 3);
    for (started, trigger, state, expected) in [
        (200, RunTrigger::Schedule, RunState::Finished, 2),
        (250, RunTrigger::Schedule, RunState::Failed, 2),
        (250, RunTrigger::Command, RunState::Finished, 2),
        (201, RunTrigger::Person, RunState::Unchanged, 1),
        // Under a clock that was ahead.
        (9_000, RunTrigger::Schedule, RunState::Finished, 1),
    ] {
        let run = NewRun {
            trigger,
            ..NewRun::by_command(at(started), json!({}))
        };
        let end = RunEnd::without_result(state, at(started), "a test");
        fixture.store.record_run(&run, &end).unwrap();
        assert_eq!(new(&fixture), expected, "{trigger:?} {state:?}");
    }
    // It went on with a run that had been interrupted, and could learn what that one had read alone.
    let resumed = NewRun {
        trigger: RunTrigger::Person,
        corrections_read_at: Some(at(150)),
        ..NewRun::by_command(at(350), json!({}))
    };
    let end = RunEnd::without_result(RunState::Finished, at(360), "a test");
    fixture.store.record_run(&resumed, &end).unwrap();
    assert_eq!(new(&fixture), 2);
}

/// Every rebuild had learned them, and they started the next one, until the clock had come to them.
#[test]
fn corrections_that_were_given_under_a_clock_ahead_are_new_when_their_time_comes_and_once() {
    let mut fixture = Fixture::new();
    fixture.store.correct(&[correction("a", Some(3))]).unwrap();
    for (now, expected) in [(4_999, 0), (5_000, 1)] {
        let new = || fixture.reader().count_new_corrections(at(now)).unwrap();
        assert_eq!(new(), expected);
    }
    let rebuild = NewRun {
        trigger: RunTrigger::Corrections,
        ..NewRun::by_command(at(5_001), json!({}))
    };
    let end = RunEnd::without_result(RunState::Finished, at(5_002), "a test");
    fixture.store.record_run(&rebuild, &end).unwrap();
    assert_eq!(fixture.reader().count_new_corrections(at(6_000)).unwrap(), 0);
}

#[test]
fn a_request_stays_open_until_a_run_takes_it() {
    let mut fixture = Fixture::new();
    assert_eq!(fixture.reader().open_rebuild_request().unwrap(), None);
    assert_eq!(fixture.reader().latest_rebuild_request().unwrap(), 0);
    let asked = fixture.store.ask_for_rebuild(at(1), "anna").unwrap();
    let later = fixture.store.ask_for_rebuild(at(2), "ben").unwrap();
    assert_eq!(fixture.reader().latest_rebuild_request().unwrap(), later);
    let open = fixture.reader().open_rebuild_request().unwrap().unwrap();
    assert_eq!((open.id, open.by.as_str(), open.asked_at), (asked, "anna", at(1)));
    assert_eq!(fixture.reader().run_of_request(asked).unwrap(), None);
    let run = fixture
        .store
        .start_run(&NewRun::by_command(at(3), json!({})))
        .unwrap();
    for (up_to, taken) in [(asked, 1), (later, 1), (later, 0)] {
        let found = fixture.store.take_rebuild_requests(run, up_to, at(3));
        assert_eq!(found.unwrap(), taken, "up to {up_to}");
    }
    assert_eq!(fixture.reader().open_rebuild_request().unwrap(), None);
    assert_eq!(fixture.reader().run_of_request(asked).unwrap(), Some(run));
}

#[test]
fn who_compared_with_a_model_does_not_overrule_who_put_another_in_its_place() {
    let mut fixture = Fixture::new();
    let mut put = |digit: &str, ms, instead_of: Option<&str>| {
        let change = ServiceChange {
            instead_of: instead_of.map(model),
            ..serve(digit, ms, Actor::Gate)
        };
        fixture.store.put_in_service(&change).unwrap()
    };
    assert!(put("a", 10, None));
    assert!(put("b", 20, Some("a")));
    assert!(!put("a", 30, Some("a")), "b took its place meanwhile");
    let reader = fixture.reader();
    assert_eq!(reader.model_in_service_id().unwrap(), Some(model("b")));
    assert_eq!(reader.former_model().unwrap(), Some(model("a")));
    fixture
        .store
        .reject_model(&model("a"), "it did not load", at(40))
        .unwrap();
    assert_eq!(
        reader.former_model().unwrap(),
        None,
        "what was refused since is nothing to go back to"
    );
}
