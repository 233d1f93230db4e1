//! What the rebuild goes by, over a store on the disk: under a clock that was ahead, and after corrections have changed.

use serde_json::json;

use super::*;
use crate::config::CatchUp;
use crate::config::cron::CronSchedule;
use crate::domain::{ContentHash, Truth};
use crate::store::{NewCorrection, ScheduleInForce};
use crate::tagging::testing::Shop;

fn at(text: &str) -> Timestamp {
    let moment: jiff::Timestamp = text.parse().unwrap();
    Timestamp::from_millis(moment.as_millisecond())
}

/// One who goes by a daily schedule, and has since the beginning of the month.
fn retrainer(shop: &Shop) -> Retrainer {
    let mut config = shop.config();
    config.retrain.schedule = Some(CronSchedule::parse("0 3 * * *", "UTC").unwrap());
    config.retrain.catch_up = CatchUp::Skip;
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
