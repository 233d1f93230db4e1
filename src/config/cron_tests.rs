//! Due times of one zone that knows daylight saving and of one that does not.

use super::*;

fn at(text: &str) -> Timestamp {
    let moment: jiff::Timestamp = text.parse().unwrap();
    Timestamp::from_millis(moment.as_millisecond())
}

/// The due moments after `after`, as many as are expected, each as `MM-DD HH:MM` in UTC with its year before.
fn assert_due(expression: &str, timezone: &str, after: &str, expected: &[&str]) {
    let schedule = CronSchedule::parse(expression, timezone).unwrap();
    let mut last = at(after);
    for expected in expected {
        let due = schedule.next_after(last).unwrap();
        assert_eq!(due, at(expected), "{schedule} after {last} is {due}");
        last = due;
    }
}

#[test]
fn sunday_at_three_follows_the_local_clock() {
    // 2026-03-29 is both a Sunday and the day on which Berlin goes from 02:00 to 03:00.
    assert_due(
        "0 3 * * sun",
        "Europe/Berlin",
        "2026-03-20T00:00:00Z",
        &[
            "2026-03-22T02:00:00Z",
            "2026-03-29T01:00:00Z",
            "2026-04-05T01:00:00Z",
        ],
    );
    assert_due(
        "0 3 * * sun",
        "Europe/Berlin",
        "2026-10-20T00:00:00Z",
        &["2026-10-25T02:00:00Z", "2026-11-01T02:00:00Z"],
    );
}

#[test]
fn a_skipped_time_is_due_once_after_the_gap() {
    for expression in ["0 2 * * *", "30 2 * * *", "59 2 * * *"] {
        let schedule = CronSchedule::parse(expression, "Europe/Berlin").unwrap();
        let before = schedule.next_after(at("2026-03-27T23:00:00Z")).unwrap();
        assert!(before < at("2026-03-28T02:00:00Z"), "{before}");
        let gap = schedule.next_after(before).unwrap();
        assert_eq!(gap, at("2026-03-29T01:00:00Z"), "{expression}");
        let after = schedule.next_after(gap).unwrap();
        assert!(
            after > at("2026-03-29T23:00:00Z"),
            "{expression} again at {after}"
        );
    }
    // All times of the gap together are due once.
    assert_due(
        "*/20 2,3 * * *",
        "Europe/Berlin",
        "2026-03-29T00:59:00Z",
        &["2026-03-29T01:00:00Z", "2026-03-29T01:20:00Z"],
    );
}

#[test]
fn a_repeated_time_is_due_the_first_time_only() {
    // Berlin: 02:00 to 03:00 is from 00:00Z to 01:00Z and again from 01:00Z to 02:00Z.
    assert_due(
        "30 2 * * *",
        "Europe/Berlin",
        "2026-10-24T12:00:00Z",
        &["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"],
    );
    assert_due(
        "*/30 * * * *",
        "Europe/Berlin",
        "2026-10-25T00:10:00Z",
        &["2026-10-25T00:30:00Z", "2026-10-25T02:00:00Z"],
    );
    // Asked within the second round, on and between the repeated minutes.
    for after in [
        "2026-10-25T01:00:00Z",
        "2026-10-25T01:30:00Z",
        "2026-10-25T01:59:59.999Z",
    ] {
        assert_due("30 2 * * *", "Europe/Berlin", after, &["2026-10-26T01:30:00Z"]);
    }
}

#[test]
fn the_leap_day_comes_every_four_years() {
    assert_due(
        "0 2 29 2 *",
        "Europe/Berlin",
        "2026-11-23T00:00:00Z",
        &["2028-02-29T01:00:00Z", "2032-02-29T01:00:00Z"],
    );
    assert_due(
        "0 2 29 2 *",
        "UTC",
        "2096-03-01T00:00:00Z",
        &["2104-02-29T02:00:00Z"],
    );
}

#[test]
fn later_means_later_by_a_millisecond() {
    let schedule = CronSchedule::parse("0 3 * * *", "UTC").unwrap();
    let due = at("2026-11-23T03:00:00Z");
    assert_eq!(schedule.next_after(at("2026-11-23T02:59:59.999Z")), Some(due));
    assert_eq!(schedule.next_after(due), Some(at("2026-11-24T03:00:00Z")));
}

#[test]
fn either_day_counts_where_both_are_restricted() {
    assert_due(
        "0 0 1 * mon",
        "UTC",
        "2026-11-23T00:00:00Z",
        &["2026-11-30T00:00:00Z", "2026-12-01T00:00:00Z"],
    );
}

#[test]
fn a_moment_is_shown_as_the_zone_shows_it() {
    let schedule = CronSchedule::parse(" 0 3 * * sun ", "Europe/Berlin").unwrap();
    assert_eq!(
        schedule.local_time(at("2026-03-29T01:00:00Z")),
        "2026-03-29 03:00 CEST"
    );
    assert_eq!(schedule.to_string(), "0 3 * * sun (Europe/Berlin)");
}

#[test]
fn impossible_schedules_say_what_is_allowed() {
    for (expression, timezone, words) in [
        ("", "UTC", &["0 fields", "0 3 * * sun"][..]),
        ("0 3 * *", "UTC", &["4 fields", "five"]),
        ("0 0 3 * * sun", "UTC", &["6 fields"]),
        ("@daily", "UTC", &["1 fields"]),
        ("60 3 * * *", "UTC", &["minute", "\"60\"", "0 to 59"]),
        ("0 24 * * *", "UTC", &["hour", "\"24\"", "0 to 23"]),
        ("0 3 32 * *", "UTC", &["day of the month", "\"32\"", "1 to 31"]),
        ("0 3 * 13 *", "UTC", &["month", "\"13\"", "jan to dec"]),
        (
            "0 3 * * someday",
            "UTC",
            &["day of the week", "someday", "sun to sat"],
        ),
        ("0 3 30 2 *", "UTC", &["never"]),
        (
            "0 3 * * sun",
            "Europe/Atlantis",
            &["Europe/Atlantis", "IANA", "Europe/Berlin"],
        ),
        ("0 3 * * sun", "", &["IANA"]),
    ] {
        let message = CronSchedule::parse(expression, timezone).unwrap_err().to_string();
        for word in words {
            assert!(message.contains(word), "{word:?} is missing in: {message}");
        }
    }
}
