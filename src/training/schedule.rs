//! Is a rebuild due?
//!
//! In: the time, the rules, what is on record. Out: a [`Decision`]: run, skip or wait. Never: a clock, the store, a
//! sleep. Who asks does so only while nothing runs, writes down what was decided, and asks again.
//!
//! A due time is dealt with once it is on record, as run or as skipped; only later ones count from then on, and none from
//! before the schedule was in force. That makes the decision the same whether the daemon was up, asleep or down, and a clock
//! that is set back repeats nothing.

use std::num::NonZeroU64;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::CatchUp;
use crate::config::cron::CronSchedule;
use crate::domain::Timestamp;

/// Cron's grain. A run starts a moment after it is due, and must not be held to have come too early for that.
const GRAIN: Duration = Duration::from_secs(60);
/// After a run that corrections started and that failed; cron's grain is taken off it. It doubles with every further one …
const SHORTEST_RETRY: Duration = Duration::from_secs(120);
/// … up to this.
const LONGEST_RETRY: Duration = Duration::from_secs(24 * 3600);
/// A run that drift starts keeps so far from the last one and from the next that is due: two runs would learn the same.
const DRIFT_KEEPS_OFF: Duration = Duration::from_secs(24 * 3600);
/// So far a clock may be set back, and no due time comes twice.
const LONGEST_STEP_BACK: Duration = Duration::from_secs(32 * 24 * 3600);

/// What a person has set.
#[derive(Debug, Clone)]
pub struct ScheduleRules {
    /// When runs are due by the calendar; `None` where none shall be.
    pub schedule: Option<CronSchedule>,
    /// What becomes of due times while the daemon was down.
    pub catch_up: CatchUp,
    /// Least time from the start of a run to the next that no person asked for.
    pub min_interval: Duration,
    /// So many new corrections start a run early; `None`: never.
    pub after_corrections: Option<NonZeroU64>,
}

/// What is on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScheduleRecord {
    /// When the daemon came up.
    pub up_since: Timestamp,
    /// Since when a daemon has gone by this very schedule, across its restarts: no earlier due time counts.
    pub in_force_since: Timestamp,
    /// The newest due time that is dealt with, as run or as skipped, of those that are [credible](latest_credible_due). A run
    /// that the service's end interrupted has not dealt with its due time; a second one has.
    pub last_due: Option<Timestamp>,
    /// When the newest rebuild started, whatever became of it and whoever asked for it; a training by hand is none.
    pub last_start: Option<Timestamp>,
    /// Whether that one was stopped, as the service's end does.
    pub was_stopped: bool,
    /// When a person asked for a run that was not made yet.
    pub requested_at: Option<Timestamp>,
    /// Corrections that no rebuild has taken into account yet.
    pub new_corrections: u64,
    /// Runs that corrections started and of which nothing came since a rebuild last went through.
    pub failures: u32,
    /// Whether the photos have changed enough since the model went into service, and no run was started for that of late.
    pub has_drifted: bool,
}

/// Why a run is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// It is due by the calendar.
    Schedule,
    /// It was due while the daemon was down.
    CatchUp,
    /// A person asked for it.
    Person,
    /// Enough new corrections came in.
    Corrections,
    /// The photos have changed.
    Drift,
}

/// Why a due time is passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum SkipReason {
    /// `catch_up` is `skip`.
    #[error("hangtag was not running then, or ended before the run did, and retrain.catch_up is \"skip\"")]
    DaemonWasDown,
    /// Less than `min_interval` since the last run started.
    #[error(
        "the last run started {since_last_seconds} s before, less than retrain.min_interval ({min_interval_seconds} s)"
    )]
    TooSoon {
        /// From the start of the last run to now.
        since_last_seconds: u64,
        /// What it should be at least.
        min_interval_seconds: u64,
    },
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Nothing before `next`; `None`: nothing until a person or corrections say otherwise.
    Wait {
        /// When to ask again at the latest.
        next: Option<Timestamp>,
    },
    /// Start a run, and put `due_at` on record with it if the trigger is `Schedule` or `CatchUp`.
    Run {
        /// Why.
        trigger: Trigger,
        /// The due time; for `Person` when it was asked for, for `Corrections` and `Drift` now.
        due_at: Timestamp,
    },
    /// Put `due_at` on record as skipped, and ask again.
    Skip {
        /// The newest due time; older ones that are not on record go with it.
        due_at: Timestamp,
        /// Why.
        reason: SkipReason,
    },
}

/// The latest due time on record that counts: a later one was written under a wrong clock, and would silence the schedule
/// until then.
pub fn latest_credible_due(now: Timestamp) -> Timestamp {
    after(now, LONGEST_STEP_BACK)
}

/// Decides; asked only while no run is under way.
pub fn decide(now: Timestamp, rules: &ScheduleRules, record: &ScheduleRecord) -> Decision {
    if let Some(due_at) = record.requested_at {
        return Decision::Run {
            trigger: Trigger::Person,
            due_at,
        };
    }
    let dealt_with = dealt_with_until(now, record);
    let schedule = rules.schedule.as_ref();
    if let Some(due_at) = schedule.and_then(|schedule| newest_due(schedule, dealt_with, now)) {
        return decide_due((due_at, now), rules, record);
    }
    let next_due = schedule.and_then(|schedule| schedule.next_after(dealt_with.max(now)));
    let enough = rules
        .after_corrections
        .is_some_and(|enough| record.new_corrections >= enough.get());
    let is_due_anyway = next_due.is_some_and(|due| due < after(now, DRIFT_KEEPS_OFF));
    let early = match (enough, record.has_drifted && !is_due_anyway) {
        (true, _) => Some(Trigger::Corrections),
        (false, true) => Some(Trigger::Drift),
        (false, false) => None,
    };
    let Some(trigger) = early else {
        return Decision::Wait { next: next_due };
    };
    let interval = match trigger {
        Trigger::Corrections => interval_after_failures(rules, record.failures),
        _ => rules.min_interval.max(DRIFT_KEEPS_OFF),
    };
    match too_soon(now, interval, record) {
        None => Decision::Run { trigger, due_at: now },
        Some(TooSoon { until, .. }) => Decision::Wait {
            next: Some(next_due.map_or(until, |due| due.min(until))),
        },
    }
}

fn decide_due(
    (due_at, now): (Timestamp, Timestamp),
    rules: &ScheduleRules,
    record: &ScheduleRecord,
) -> Decision {
    // A daemon that came up in the future did so under a clock that was ahead, and is up.
    let was_down = due_at < record.up_since && record.up_since <= now;
    let skip = |reason| Decision::Skip { due_at, reason };
    match (
        was_down,
        rules.catch_up,
        too_soon(now, rules.min_interval, record),
    ) {
        (true, CatchUp::Skip, _) => skip(SkipReason::DaemonWasDown),
        // Nothing has come of the last one, so that this one waits for its turn. It does wait: it may be the run that brings
        // the service down.
        (_, _, Some(TooSoon { until, .. })) if record.was_stopped => Decision::Wait { next: Some(until) },
        (_, _, Some(TooSoon { since_last, .. })) => skip(SkipReason::TooSoon {
            since_last_seconds: since_last.as_secs(),
            min_interval_seconds: rules.min_interval.as_secs(),
        }),
        (was_down, _, None) => Decision::Run {
            trigger: if was_down {
                Trigger::CatchUp
            } else {
                Trigger::Schedule
            },
            due_at,
        },
    }
}

/// Due times up to this one are dealt with, or never counted.
fn dealt_with_until(now: Timestamp, record: &ScheduleRecord) -> Timestamp {
    // A clock set back since then must not silence it until then.
    let in_force_since = record.in_force_since.min(now);
    record
        .last_due
        .map_or(in_force_since, |last_due| last_due.max(in_force_since))
}

/// Why nothing but a person may start a run now.
struct TooSoon {
    /// From the start of the last run to now.
    since_last: Duration,
    /// From then on it may.
    until: Timestamp,
}

/// Whether less than `interval` has passed since the last run started.
fn too_soon(now: Timestamp, interval: Duration, record: &ScheduleRecord) -> Option<TooSoon> {
    let last_start = record.last_start?;
    // A run that started in the future tells of a clock that was set back, and nothing about the time that passed.
    let since_last = u64::try_from(now.as_millis() - last_start.as_millis()).ok()?;
    let since_last = Duration::from_millis(since_last);
    let interval = interval.saturating_sub(GRAIN);
    (since_last < interval).then(|| TooSoon {
        since_last,
        until: after(last_start, interval),
    })
}

/// Least time from the start of a run to the next that corrections start. What failed may fail again, for hours each time.
fn interval_after_failures(rules: &ScheduleRules, failures: u32) -> Duration {
    let Some(doublings) = failures.checked_sub(1) else {
        return rules.min_interval;
    };
    let first = rules.min_interval.max(SHORTEST_RETRY);
    let doubled = first.saturating_mul(2_u32.saturating_pow(doublings));
    doubled.min(LONGEST_RETRY.max(rules.min_interval))
}

/// The newest due time later than `since` and no later than `now`.
///
/// Looks back by spans that double, so that a daemon that was down for a year does not step through all of it.
fn newest_due(schedule: &CronSchedule, since: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let no_later = |due: &Timestamp| *due <= now;
    let mut span_millis = 3_600_000_i64;
    loop {
        let from = Timestamp::from_millis(now.as_millis().saturating_sub(span_millis)).max(since);
        if let Some(first) = schedule.next_after(from).filter(no_later) {
            let later = |due: &Timestamp| schedule.next_after(*due).filter(no_later);
            return std::iter::successors(Some(first), later).last();
        }
        if from <= since {
            return None;
        }
        span_millis = span_millis.saturating_mul(2);
    }
}

fn after(moment: Timestamp, span: Duration) -> Timestamp {
    let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(moment.as_millis().saturating_add(millis))
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
