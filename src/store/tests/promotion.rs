//! Whether a person may put a model in service.

use super::*;
use serde_json::json;

fn wish(model: Option<ModelId>, forced: Forced) -> Wish {
    Wish {
        model,
        forced,
        reason: None,
        instead_of: None,
        by: "Ada".into(),
    }
}

/// A store in which the first model serves.
fn with_one_in_service() -> Fixture {
    let mut fixture = Fixture::new();
    put(&mut fixture, "a");
    fixture
}

fn put(fixture: &mut Fixture, digit: &str) {
    let change = ServiceChange {
        model: model(digit),
        at: at(10),
        by: Actor::Gate,
        reason: "it passed".into(),
        forced: Forced::No,
        verdict: None,
        instead_of: None,
    };
    assert!(fixture.store.put_in_service(&change).unwrap());
}

fn judge(fixture: &mut Fixture, digit: &str, verdict: &str) {
    let run = NewRun::by_command(at(1), json!({}));
    let run = fixture.store.start_run(&run).unwrap();
    let end = RunEnd {
        model: Some(model(digit)),
        verdict: Some(json!({ "verdict": verdict })),
        ..RunEnd::without_result(RunState::Finished, at(2), "")
    };
    fixture.store.finish_run(run, &end).unwrap();
}

#[test]
fn what_has_not_passed_must_be_forced() {
    let decided = |fixture: &Fixture, forced| {
        let change = wish(Some(model("b")), forced).decided(&fixture.reader(), &model("c"), at(20));
        change
            .map(|change| change.forced)
            .map_err(|refusal| refusal.to_string())
    };
    let mut fixture = with_one_in_service();
    let refusal = decided(&fixture, Forced::No).unwrap_err();
    assert!(refusal.contains("the gate has not judged it"), "{refusal}");
    judge(&mut fixture, "b", "keep");
    let why = "it is worse";
    assert!(fixture.store.reject_model(&model("b"), why, at(3)).unwrap());
    let refusal = decided(&fixture, Forced::No).unwrap_err();
    assert!(refusal.contains(why), "{refusal}");
    assert_eq!(decided(&fixture, Forced::Yes), Ok(Forced::Yes));
    judge(&mut fixture, "b", "promote");
    assert_eq!(decided(&fixture, Forced::No), Ok(Forced::No));
    assert_eq!(
        decided(&fixture, Forced::Yes),
        Ok(Forced::No),
        "the gate let it pass"
    );
}

#[test]
fn what_served_or_ships_needs_no_verdict_and_what_serves_needs_nothing() {
    let mut fixture = with_one_in_service();
    let reader = fixture.reader();
    let decided = |model, shipped: &str| {
        let change = wish(model, Forced::No).decided(&reader, &self::model(shipped), at(20));
        change.map(|change| (change.model, change.reason))
    };
    let refused = |refusal: Refusal| refusal.to_string();
    assert!(matches!(decided(None, "c"), Err(Refusal::NoFormer)));
    let shipped = decided(Some(model("c")), "c").map_err(refused);
    assert_eq!(shipped, Ok((model("c"), "promoted, by Ada".into())));
    put(&mut fixture, "b");
    let back = decided(None, "c").map_err(refused);
    assert_eq!(back, Ok((model("a"), "rolled back, by Ada".into())));
    let serving = decided(Some(model("b")), "c");
    assert!(matches!(serving, Err(Refusal::InService(in_service)) if in_service == model("b")));
}

/// A command took ONNX Runtime's time to load between its decision and its change, and overruled who decided meanwhile.
#[test]
fn who_decided_meanwhile_is_not_overruled() {
    let mut fixture = with_one_in_service();
    let seen = Wish {
        instead_of: Some(model("a")),
        ..wish(Some(model("c")), Forced::Yes)
    };
    fixture.store.register_model(&new_model("c")).unwrap();
    let decided = |wish: Wish, fixture: &Fixture| wish.decided(&fixture.reader(), &model("d"), at(20));
    let change = decided(wish(Some(model("c")), Forced::Yes), &fixture).unwrap();
    put(&mut fixture, "b");
    assert!(matches!(fixture.store.grant(&change), Err(Refusal::Overtaken)));
    assert_eq!(fixture.reader().model_in_service_id().unwrap(), Some(model("b")));
    assert!(matches!(decided(seen.clone(), &fixture), Err(Refusal::Overtaken)));
    put(&mut fixture, "a");
    let change = decided(seen, &fixture).unwrap();
    fixture.store.grant(&change).unwrap();
    assert_eq!(fixture.reader().model_in_service_id().unwrap(), Some(model("c")));
}
