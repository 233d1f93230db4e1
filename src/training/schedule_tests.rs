//! The cases of the schedule: a table of single decisions, and a fake clock under which a daemon comes and goes.

use super::*;
use crate::store::{Durability, NewRun, Reader, RunEnd, RunState, RunTrigger, Store};

fn at(text: &str) -> Timestamp {
    let moment: jiff::Timestamp = text.parse().unwrap();
    Timestamp::from_millis(moment.as_millisecond())
}

fn rules(expression: &str) -> ScheduleRules {
    ScheduleRules {
        schedule: Some(CronSchedule::parse(expression, "Europe/Berlin").unwrap()),
        catch_up: CatchUp::Once,
        min_interval: Duration::from_secs(3600),
        after_corrections: None,
    }
}

fn fresh(up_since: &str) -> ScheduleRecord {
    ScheduleRecord {
        up_since: at(up_since),
        in_force_since: at(up_since),
        last_due: None,
        last_start: None,
        was_stopped: false,
        requested_at: None,
        new_corrections: 0,
        failures: 0,
        has_drifted: false,
    }
}

/// Goes to each moment in turn and does there what is decided until it is to wait; gives what was done and when.
fn live(rules: &ScheduleRules, record: &mut ScheduleRecord, moments: &[&str]) -> Vec<String> {
    let mut done = Vec::new();
    for moment in moments {
        let now = at(moment);
        for _ in 0..5 {
            match decide(now, rules, record) {
                Decision::Wait { next } => {
                    assert!(next.is_none_or(|next| next > now), "{next:?} is not after {now}");
                    break;
                }
                Decision::Run { trigger, due_at } => {
                    done.push(format!("{moment} {trigger:?} {due_at}"));
                    if matches!(trigger, Trigger::Schedule | Trigger::CatchUp) {
                        record.last_due = Some(due_at);
                    }
                    record.last_start = Some(now);
                    record.requested_at = None;
                    record.new_corrections = 0;
                }
                Decision::Skip { due_at, reason } => {
                    done.push(format!("{moment} skip {due_at}: {reason}"));
                    record.last_due = Some(due_at);
                }
            }
        }
    }
    done
}

#[test]
fn a_due_time_runs_once_and_the_next_one_is_announced() {
    let (rules, mut record) = (rules("0 3 * * sun"), fresh("2026-11-20T00:00:00Z"));
    let sunday = at("2026-11-22T02:00:00Z");
    let wait = decide(at("2026-11-21T00:00:00Z"), &rules, &record);
    assert_eq!(wait, Decision::Wait { next: Some(sunday) });
    let done = live(
        &rules,
        &mut record,
        &[
            "2026-11-22T01:59:59.999Z",
            "2026-11-22T02:00:00Z",
            "2026-11-22T02:00:01Z",
            "2026-11-22T09:00:00Z",
        ],
    );
    assert_eq!(done, ["2026-11-22T02:00:00Z Schedule 2026-11-22T02:00:00.000Z"]);
    let next = Some(at("2026-11-29T02:00:00Z"));
    assert_eq!(
        decide(at("2026-11-22T09:00:00Z"), &rules, &record),
        Decision::Wait { next }
    );
}

/// A service that was never up when something was due had nothing on record, and began to count anew with every start.
#[test]
fn a_daemon_that_was_never_up_at_a_due_time_catches_up_all_the_same() {
    let mut record = ScheduleRecord {
        in_force_since: at("2026-11-20T09:00:00Z"),
        ..fresh("2026-11-24T09:00:00Z")
    };
    let moments = ["2026-11-24T09:00:00Z", "2026-11-24T17:00:00Z"];
    let done = live(&rules("0 3 * * sun"), &mut record, &moments);
    assert_eq!(done, ["2026-11-24T09:00:00Z CatchUp 2026-11-22T02:00:00.000Z"]);
}

/// It was made up for, although there was no schedule then, or another one.
#[test]
fn due_times_from_before_the_schedule_was_in_force_do_not_count() {
    let mut record = ScheduleRecord {
        last_due: Some(at("2026-10-04T02:00:00Z")),
        in_force_since: at("2026-11-24T12:00:00Z"),
        ..fresh("2026-11-24T12:00:00Z")
    };
    let moments = ["2026-11-24T12:00:00Z", "2026-11-29T02:00:00Z"];
    let done = live(&rules("0 3 * * sun"), &mut record, &moments);
    assert_eq!(done, ["2026-11-29T02:00:00Z Schedule 2026-11-29T02:00:00.000Z"]);
}

#[test]
fn a_daemon_down_over_three_due_times_catches_up_once_or_not() {
    let moments = [
        "2026-11-24T12:00:00Z",
        "2026-11-24T13:00:00Z",
        "2026-11-25T02:00:00Z",
    ];
    let mut down = ScheduleRecord {
        last_due: Some(at("2026-11-21T02:00:00Z")),
        in_force_since: at("2026-11-01T00:00:00Z"),
        ..fresh("2026-11-24T12:00:00Z")
    };
    assert_eq!(
        live(&rules("0 3 * * *"), &mut down.clone(), &moments),
        [
            "2026-11-24T12:00:00Z CatchUp 2026-11-24T02:00:00.000Z",
            "2026-11-25T02:00:00Z Schedule 2026-11-25T02:00:00.000Z",
        ]
    );
    let skip = ScheduleRules {
        catch_up: CatchUp::Skip,
        ..rules("0 3 * * *")
    };
    let done = live(&skip, &mut down, &moments);
    assert_eq!(done.len(), 2, "{done:?}");
    assert!(
        done[0].starts_with("2026-11-24T12:00:00Z skip 2026-11-24T02:00:00.000Z: hangtag was not running"),
        "{done:?}"
    );
    assert!(done[1].contains("Schedule 2026-11-25T02:00"), "{done:?}");
}

#[test]
fn due_times_before_the_first_start_ever_do_not_count() {
    let mut record = fresh("2026-11-24T12:00:00Z");
    let done = live(&rules("0 3 * * *"), &mut record, &["2026-11-24T12:00:00Z"]);
    assert_eq!(done, Vec::<String>::new());
}

#[test]
fn a_machine_that_slept_over_due_times_runs_once_when_it_wakes() {
    let mut record = fresh("2026-11-20T00:00:00Z");
    let done = live(
        &rules("0 3 * * *"),
        &mut record,
        &["2026-11-23T10:00:00Z", "2026-11-23T11:00:00Z"],
    );
    assert_eq!(done, ["2026-11-23T10:00:00Z Schedule 2026-11-23T02:00:00.000Z"]);
}

#[test]
fn a_clock_set_back_does_not_run_a_due_time_twice() {
    let mut record = fresh("2026-11-20T00:00:00Z");
    let done = live(
        &rules("0 3 * * *"),
        &mut record,
        &[
            "2026-11-21T02:00:00Z",
            // An hour back, past the due time once more, two days back, past it again, and on to the next one.
            "2026-11-21T01:10:00Z",
            "2026-11-21T02:10:00Z",
            "2026-11-19T03:00:00Z",
            "2026-11-20T02:00:00Z",
            "2026-11-21T02:00:00Z",
            "2026-11-22T02:00:00Z",
        ],
    );
    assert_eq!(
        done,
        [
            "2026-11-21T02:00:00Z Schedule 2026-11-21T02:00:00.000Z",
            "2026-11-22T02:00:00Z Schedule 2026-11-22T02:00:00.000Z",
        ]
    );
}

/// It stayed the newest on record for good, and the schedule was silent until then.
#[test]
fn a_due_time_written_under_a_clock_decades_ahead_silences_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hangtag.db");
    let mut store = Store::open(&path, Durability::Normal).unwrap();
    let reader = Reader::open(&path).unwrap();
    let mut put = |due_at| {
        let run = NewRun {
            trigger: RunTrigger::Schedule,
            due_at: Some(due_at),
            ..NewRun::by_command(due_at, serde_json::json!({}))
        };
        let end = RunEnd::without_result(RunState::Failed, due_at, "a test");
        store.record_run(&run, &end).unwrap();
    };
    put(at("2026-11-22T02:00:00Z"));
    put(at("2099-01-01T02:00:00Z"));
    for due in [
        "2026-11-23T02:00:00Z",
        "2026-11-24T02:00:00Z",
        "2026-11-25T02:00:00Z",
    ] {
        let now = at(due);
        let record = ScheduleRecord {
            last_due: reader.last_due(latest_credible_due(now)).unwrap(),
            ..fresh("2026-11-01T00:00:00Z")
        };
        let run = Decision::Run {
            trigger: Trigger::Schedule,
            due_at: now,
        };
        assert_eq!(decide(now, &rules("0 3 * * *"), &record), run);
        put(now);
    }
}

/// With `catch_up = "skip"` every due time was passed over until then.
#[test]
fn a_daemon_that_came_up_under_a_clock_ahead_is_up() {
    let skip = ScheduleRules {
        catch_up: CatchUp::Skip,
        ..rules("0 3 * * *")
    };
    let mut record = ScheduleRecord {
        in_force_since: at("2026-11-01T00:00:00Z"),
        last_due: Some(at("2026-11-22T02:00:00Z")),
        ..fresh("2099-01-01T00:00:00Z")
    };
    let done = live(&skip, &mut record, &["2026-11-23T02:00:00Z"]);
    assert_eq!(done, ["2026-11-23T02:00:00Z Schedule 2026-11-23T02:00:00.000Z"]);
}

#[test]
fn daylight_saving_neither_loses_nor_doubles_a_run() {
    for (up_since, moments, expected) in [
        (
            "2026-03-28T12:00:00Z",
            [
                "2026-03-29T00:59:59Z",
                "2026-03-29T01:00:00Z",
                "2026-03-29T02:30:00Z",
            ],
            "2026-03-29T01:00:00Z Schedule 2026-03-29T01:00:00.000Z",
        ),
        (
            "2026-10-24T12:00:00Z",
            [
                "2026-10-25T00:30:00Z",
                "2026-10-25T01:30:00Z",
                "2026-10-25T02:30:00Z",
            ],
            "2026-10-25T00:30:00Z Schedule 2026-10-25T00:30:00.000Z",
        ),
    ] {
        let done = live(&rules("30 2 * * *"), &mut fresh(up_since), &moments);
        assert_eq!(done, [expected]);
    }
}

#[test]
fn a_leap_day_that_was_missed_is_caught_up_years_later() {
    let mut record = ScheduleRecord {
        last_due: Some(at("2024-02-29T01:00:00Z")),
        in_force_since: at("2020-01-01T00:00:00Z"),
        ..fresh("2030-06-01T00:00:00Z")
    };
    let done = live(
        &rules("0 2 29 2 *"),
        &mut record,
        &["2030-06-01T00:00:00Z", "2030-07-01T00:00:00Z"],
    );
    assert_eq!(done, ["2030-06-01T00:00:00Z CatchUp 2028-02-29T01:00:00.000Z"]);
}

#[test]
fn a_run_too_soon_after_another_is_skipped_on_record_and_a_grain_is_forgiven() {
    let hourly = rules("0 * * * *");
    // Started a second after it was due: the next one is due 3,599 s later, and runs.
    let mut record = fresh("2026-11-23T00:30:00Z");
    let done = live(
        &hourly,
        &mut record,
        &["2026-11-23T01:00:01Z", "2026-11-23T02:00:00Z"],
    );
    assert_eq!(done.len(), 2, "{done:?}");
    assert!(done.iter().all(|line| line.contains("Schedule")), "{done:?}");
    // A person's run at 02:20 makes the one of 03:00 too soon.
    record.requested_at = Some(at("2026-11-23T02:19:00Z"));
    let done = live(
        &hourly,
        &mut record,
        &[
            "2026-11-23T02:20:00Z",
            "2026-11-23T03:00:00Z",
            "2026-11-23T04:00:00Z",
        ],
    );
    assert_eq!(done[0], "2026-11-23T02:20:00Z Person 2026-11-23T02:19:00.000Z");
    assert!(
        done[1].contains("skip 2026-11-23T03:00") && done[1].contains("2400 s"),
        "{done:?}"
    );
    assert!(done[2].contains("Schedule 2026-11-23T04:00"), "{done:?}");
}

#[test]
fn a_person_is_heard_at_once_with_and_without_a_schedule() {
    for schedule in [None, rules("0 3 * * *").schedule] {
        let rules = ScheduleRules {
            schedule,
            ..rules("0 3 * * *")
        };
        let record = ScheduleRecord {
            requested_at: Some(at("2026-11-23T10:00:00Z")),
            last_start: Some(at("2026-11-23T09:59:00Z")),
            ..fresh("2026-11-23T00:00:00Z")
        };
        let due_at = at("2026-11-23T10:00:00Z");
        let run = decide(at("2026-11-23T10:00:05Z"), &rules, &record);
        assert_eq!(
            run,
            Decision::Run {
                trigger: Trigger::Person,
                due_at
            }
        );
    }
    let unscheduled = ScheduleRules {
        schedule: None,
        ..rules("0 3 * * *")
    };
    let record = fresh("2026-11-23T00:00:00Z");
    assert_eq!(
        decide(at("2026-11-23T10:00:05Z"), &unscheduled, &record),
        Decision::Wait { next: None }
    );
}

#[test]
fn enough_corrections_start_a_run_early_but_not_too_soon() {
    let rules = ScheduleRules {
        after_corrections: NonZeroU64::new(20),
        ..rules("0 3 * * *")
    };
    let now = at("2026-11-23T10:00:00Z");
    let next_due = at("2026-11-24T02:00:00Z");
    let run = Decision::Run {
        trigger: Trigger::Corrections,
        due_at: now,
    };
    for (new_corrections, last_start, expected) in [
        (19, None, Decision::Wait { next: Some(next_due) }),
        (20, None, run),
        (20, Some("2026-11-23T09:01:00Z"), run),
        (
            20,
            Some("2026-11-23T09:30:00Z"),
            Decision::Wait {
                next: Some(at("2026-11-23T10:29:00Z")),
            },
        ),
        // A start in the future tells nothing about the time that passed.
        (20, Some("2026-11-23T10:30:00Z"), run),
    ] {
        let record = ScheduleRecord {
            last_due: Some(at("2026-11-23T02:00:00Z")),
            last_start: last_start.map(at),
            new_corrections,
            ..fresh("2026-11-20T00:00:00Z")
        };
        assert_eq!(
            decide(now, &rules, &record),
            expected,
            "{new_corrections} since {last_start:?}"
        );
    }
}

/// Skipped as too soon, it would not be made up for; begun at once, a run that brings the service down would do so for ever.
#[test]
fn what_the_services_end_interrupted_is_made_up_for_in_its_turn() {
    let rules = rules("0 3 * * *");
    let due_at = at("2026-11-23T02:00:00Z");
    let interrupted = ScheduleRecord {
        last_due: Some(at("2026-11-22T02:00:00Z")),
        in_force_since: at("2026-11-01T00:00:00Z"),
        last_start: Some(due_at),
        was_stopped: true,
        ..fresh("2026-11-23T02:30:00Z")
    };
    let next = Some(at("2026-11-23T02:59:00Z"));
    let soon = decide(at("2026-11-23T02:31:00Z"), &rules, &interrupted);
    assert_eq!(soon, Decision::Wait { next });
    let trigger = Trigger::CatchUp;
    let later = decide(at("2026-11-23T02:59:00Z"), &rules, &interrupted);
    assert_eq!(later, Decision::Run { trigger, due_at });
    let passes_over = ScheduleRules {
        catch_up: CatchUp::Skip,
        ..rules
    };
    let reason = SkipReason::DaemonWasDown;
    let passed = decide(at("2026-11-23T02:31:00Z"), &passes_over, &interrupted);
    assert_eq!(passed, Decision::Skip { due_at, reason });
}

#[test]
fn after_failures_corrections_start_runs_at_ever_longer_intervals() {
    let rules = |min_interval| ScheduleRules {
        schedule: None,
        after_corrections: NonZeroU64::new(20),
        min_interval: Duration::from_secs(min_interval),
        ..rules("0 3 * * *")
    };
    let start = at("2026-11-23T10:00:00Z");
    for (min_interval, failures, minutes) in [
        (0, 0, 0),
        (0, 1, 1),
        (0, 2, 3),
        (0, 3, 7),
        (0, 40, 24 * 60 - 1),
        (3600, 1, 59),
        (3600, 2, 119),
        (3600, 9, 24 * 60 - 1),
        // Who asks for longer gets longer.
        (48 * 3600, 5, 48 * 60 - 1),
    ] {
        let record = ScheduleRecord {
            last_start: Some(start),
            new_corrections: 20,
            failures,
            ..fresh("2026-11-23T00:00:00Z")
        };
        let next = after(start, Duration::from_secs(minutes * 60));
        let decided = |now| decide(now, &rules(min_interval), &record);
        let case = format!("{failures} failures at {min_interval} s");
        assert!(matches!(decided(next), Decision::Run { .. }), "{case}");
        let before = Timestamp::from_millis(next.as_millis() - 1);
        if minutes > 0 {
            assert_eq!(decided(before), Decision::Wait { next: Some(next) }, "{case}");
        }
    }
}

#[test]
fn photos_that_have_changed_start_a_run_early_but_not_too_soon() {
    let rules = ScheduleRules {
        after_corrections: NonZeroU64::new(20),
        ..rules("0 3 * * sun")
    };
    let now = at("2026-11-23T10:00:00Z");
    let run = |trigger| Decision::Run { trigger, due_at: now };
    let wait = |next| Decision::Wait { next: Some(at(next)) };
    for (has_drifted, new_corrections, last_start, expected) in [
        (false, 0, None, wait("2026-11-29T02:00:00Z")),
        (true, 0, None, run(Trigger::Drift)),
        (true, 20, None, run(Trigger::Corrections)),
        (true, 0, Some("2026-11-22T10:00:30Z"), run(Trigger::Drift)),
        (
            true,
            0,
            Some("2026-11-23T09:30:00Z"),
            wait("2026-11-24T09:29:00Z"),
        ),
    ] {
        let record = ScheduleRecord {
            last_due: Some(at("2026-11-23T02:00:00Z")),
            last_start: last_start.map(at),
            new_corrections,
            has_drifted,
            ..fresh("2026-11-20T00:00:00Z")
        };
        assert_eq!(
            decide(now, &rules, &record),
            expected,
            "{has_drifted} since {last_start:?}"
        );
    }
}

/// Beside a weekly schedule it fired just before the run that was due.
#[test]
fn photos_that_have_changed_wait_for_a_run_that_is_due_within_a_day() {
    let mut record = ScheduleRecord {
        last_due: Some(at("2026-11-22T02:00:00Z")),
        has_drifted: true,
        ..fresh("2026-11-20T00:00:00Z")
    };
    let weekly = rules("0 3 * * sun");
    let next = at("2026-11-29T02:00:00Z");
    let early = at("2026-11-28T02:00:00Z");
    let trigger = Trigger::Drift;
    let run = Decision::Run {
        trigger,
        due_at: early,
    };
    assert_eq!(decide(early, &weekly, &record), run);
    let soon = Timestamp::from_millis(early.as_millis() + 1);
    assert_eq!(
        decide(soon, &weekly, &record),
        Decision::Wait { next: Some(next) }
    );
    let done = live(
        &weekly,
        &mut record,
        &["2026-11-28T12:00:00Z", "2026-11-29T02:00:00Z"],
    );
    assert_eq!(done[0], "2026-11-29T02:00:00Z Schedule 2026-11-29T02:00:00.000Z");
}

#[test]
fn a_year_of_due_minutes_is_not_stepped_through() {
    let every_minute = rules("* * * * *");
    let schedule = every_minute.schedule.as_ref().unwrap();
    let newest = newest_due(schedule, at("2025-11-23T00:00:00Z"), at("2026-11-23T10:00:30Z"));
    assert_eq!(newest, Some(at("2026-11-23T10:00:00Z")));
}
