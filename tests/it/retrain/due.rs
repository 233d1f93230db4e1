//! Due times that passed while no service ran.

use crate::util::wait_until;

/// A service that had never been up at a due time had nothing on record, and counted anew from every start: on a machine that
/// is off at three in the morning no rebuild was ever made.
#[test]
fn a_due_time_that_no_service_has_ever_been_up_for_is_made_up_for() {
    let shop = super::tagged_shop(1);
    // Due on leap days.
    let enabled = [
        "--set",
        "retrain.enabled=true",
        "--set",
        "retrain.schedule=0 3 29 2 *",
    ];
    let in_force = "SELECT count(*) FROM schedule_in_force";

    let daemon = shop.daemon_with(&enabled);
    wait_until("the schedule is on record", || shop.count(in_force) == 1);
    assert_eq!(daemon.end(), Some(0));
    assert_eq!(shop.count("SELECT count(*) FROM runs"), 0, "nothing was due yet");

    // Five years later.
    let older = "UPDATE schedule_in_force SET since_ms = since_ms - 1827 * 86400000";
    let store = rusqlite::Connection::open(shop.store()).unwrap();
    store.execute(older, []).unwrap();
    let daemon = shop.daemon_with(&enabled);
    wait_until("it is made up for", || {
        shop.count("SELECT count(*) FROM runs WHERE state = 'finished'") == 1
    });
    assert_eq!(super::word(&shop, "SELECT cause FROM runs"), "catch_up");
    assert_eq!(daemon.end(), Some(0));

    // What is off now was not in force until it is on again.
    let daemon = shop.daemon();
    wait_until("no schedule is on record", || shop.count(in_force) == 0);
    assert_eq!(daemon.end(), Some(0));
    let daemon = shop.daemon_with(&enabled);
    wait_until("it is on record anew", || shop.count(in_force) == 1);
    assert_eq!(daemon.end(), Some(0));
    let fresh = "SELECT count(*) FROM schedule_in_force WHERE since_ms > unixepoch('now', '-1 days') * 1000";
    assert_eq!(shop.count(fresh), 1);
}
