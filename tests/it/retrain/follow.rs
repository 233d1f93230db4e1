//! What follows a change of the registry: a model that cannot serve, and an inventory that is killed on its way.

use hangtag::domain::ModelId;
use hangtag::store::{Actor, Durability, Forced, ServiceChange, Store};

use super::{assert_one_serves, assert_whole, in_service, shop, tagged_shop, wait_until_all_show, word};
use crate::util::{Shop, drop_png, text, wait_until};

/// Cuts a published model in half.
fn damage(shop: &Shop, model: &str) {
    let onnx = shop.data().join("models").join(model).join("model.onnx");
    let bytes = std::fs::read(&onnx).unwrap();
    std::fs::write(&onnx, &bytes[..bytes.len() / 2]).unwrap();
}

/// What a gate or a person does whose bundle is damaged right afterwards.
fn put_in_service(shop: &Shop, model: &str) {
    let mut store = Store::open(&shop.store(), Durability::Full).unwrap();
    let change = ServiceChange {
        model: ModelId::from_sha256(model).unwrap(),
        at: std::time::SystemTime::now().into(),
        by: Actor::Person,
        reason: "a test".into(),
        forced: Forced::No,
        verdict: None,
        instead_of: None,
    };
    store.put_in_service(&change).unwrap();
}

#[test]
fn a_model_that_is_damaged_does_not_serve_and_the_former_one_does() {
    let shop = tagged_shop(1);
    let shipped = in_service(&shop);
    shop.ok(&["retrain", "now"]);
    let rebuilt = in_service(&shop);
    damage(&shop, &rebuilt);
    let start = shop.run(&["run"]);
    assert_eq!(start.status.code(), Some(1));
    let said = text(&start.stderr);
    assert!(
        said.contains(&rebuilt) && said.contains("models rollback"),
        "{said}"
    );
    shop.ok(&["models", "rollback"]);
    assert_eq!(in_service(&shop), shipped);

    let daemon = shop.daemon();
    let promote = shop.run(&["models", "promote", &rebuilt]);
    assert_eq!(promote.status.code(), Some(1));
    assert_eq!(in_service(&shop), shipped, "nothing was changed");
    put_in_service(&shop, &rebuilt);
    wait_until("the daemon has refused it", || {
        shop.count("SELECT count(*) FROM models WHERE state = 'rejected'") == 1
    });
    assert_one_serves(&shop);
    assert_eq!(in_service(&shop), shipped);
    let photo = drop_png(&shop.inbox(), 100);
    wait_until("a new photo is tagged", || shop.row(&photo).is_some());
    wait_until_all_show(&shop, &shipped);
    assert_eq!(daemon.end(), Some(0));
    let why = word(&shop, "SELECT state_reason FROM models WHERE state = 'rejected'");
    assert!(why.contains("model.onnx"), "{why}");
}

#[test]
fn an_inventory_that_is_killed_while_it_is_tagged_anew_goes_on_after_the_restart() {
    const PHOTOS: i64 = 20;
    let shop = shop(1);
    (0..PHOTOS as u32).for_each(|number| drop(drop_png(&shop.inbox(), number)));
    shop.ok(&["scan"]);
    shop.ok(&["retrain", "now"]);
    let rebuilt = in_service(&shop);
    let shown = format!(
        "SELECT count(*) FROM files f JOIN models m ON m.id = f.model_id WHERE m.model = '{rebuilt}'"
    );
    let daemon = shop.daemon_with(&["--set", "retag.images_per_second=2"]);
    wait_until("the first photos are tagged anew", || shop.count(&shown) > 0);
    daemon.kill();
    let done = shop.count(&shown);
    assert!((1..PHOTOS).contains(&done), "{done} of {PHOTOS}");

    let daemon = shop.daemon();
    wait_until_all_show(&shop, &rebuilt);
    assert_eq!(daemon.end(), Some(0));
    assert_eq!(shop.count("SELECT count(*) FROM files"), PHOTOS);
    assert_eq!(
        shop.count("SELECT count(*) FROM outcomes"),
        2 * PHOTOS,
        "the former answers stay"
    );
    assert_whole(&shop.sql());
}
