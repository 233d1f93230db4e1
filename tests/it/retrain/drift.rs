//! A rebuild that starts because the photos have changed.

use crate::util::{Shop, text, wait_until};

/// Lets the model in service have served for forty days, with 400 dresses at first and 400 bags by now.
pub fn let_the_photos_change(shop: &Shop) {
    let connection = rusqlite::Connection::open(shop.store()).unwrap();
    connection
        .execute_batch(
            "UPDATE service_history SET since_ms = since_ms - 40 * 86400000;
             INSERT INTO daily_tags SELECT max(day) - 40, model_id, 3, 0, 400, 360.0 FROM daily_tags GROUP BY model_id;
             INSERT INTO daily_tags SELECT max(day) - 1, model_id, 8, 1, 400, 200.0 FROM daily_tags GROUP BY model_id;",
        )
        .unwrap();
}

#[test]
fn photos_that_have_changed_start_a_rebuild_if_that_is_wanted() {
    let shop = super::tagged_shop(1);
    let_the_photos_change(&shop);
    let daemon = shop.daemon_with(&["--set", "retrain.on_drift=0.25"]);
    wait_until("a rebuild has gone through", || {
        shop.count("SELECT count(*) FROM runs WHERE state = 'finished'") == 1
    });
    assert_eq!(super::word(&shop, "SELECT cause FROM runs"), "drift");
    assert_eq!(daemon.end(), Some(0));
    let refused = shop.run(&["config", "check", "--set", "retrain.on_drift=11"]);
    assert!(
        text(&refused.stderr).contains("retrain.on_drift"),
        "{}",
        text(&refused.stderr)
    );
}
