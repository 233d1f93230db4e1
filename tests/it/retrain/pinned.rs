//! What a service puts in order while the settings name the model that it serves.

use crate::util::{Shop, drop_png, wait_until};

/// No station did it: the schedule of before counted as in force for all those months, trainings that were killed ran on, and
/// photos did not follow thresholds.
#[test]
fn what_was_left_is_put_in_order_beside_a_pinned_model() {
    let shop = Shop::new();
    (0..3).for_each(|number| drop(drop_png(&shop.inbox(), number)));
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/models/fashion-mnist-residual");
    shop.configure(&format!("[inference]\nmodel = {shipped:?}\n"));
    shop.ok(&["scan"]);
    let labels = hangtag::domain::Label::NAMES;
    let accept = labels.iter().flat_map(|label| ["--label", label, "0"]);
    let accept: Vec<_> = accept.chain(["--unknown", "1"]).collect();
    shop.ok(&[&["thresholds", "set"], accept.as_slice()].concat());
    // As if the command had been cut off, and the service killed while it trained.
    rusqlite::Connection::open(shop.store())
        .unwrap()
        .execute_batch(
            "UPDATE outcomes SET certainty = 1;
             UPDATE files SET certainty = 1;
             UPDATE thresholds SET decided_up_to = 0 WHERE replaced_at_ms IS NULL;
             INSERT INTO schedule_in_force VALUES (1, '0 3 * * *', 'UTC', 1);
             INSERT INTO runs (state, cause, started_at_ms, parameters)
                 VALUES ('running', 'command', 1, 'null'), ('running', 'schedule', 1, 'null');",
        )
        .unwrap();
    let daemon = shop.daemon();
    wait_until("no schedule is in force", || {
        shop.count("SELECT count(*) FROM schedule_in_force") == 0
    });
    wait_until("nothing runs that nobody carries out", || {
        shop.count("SELECT count(*) FROM runs WHERE state = 'running'") == 0
    });
    wait_until("photos follow the thresholds", || {
        shop.count("SELECT count(*) FROM latest_tags WHERE status = 'accepted'") == 3
    });
    assert_eq!(
        shop.count("SELECT count(*) FROM models WHERE state = 'in_service'"),
        0
    );
    assert_eq!(daemon.end(), Some(0));
}
