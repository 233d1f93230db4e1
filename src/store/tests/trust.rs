//! What is made of answers, and how it follows other thresholds; samples, daily sums.

use proptest::prelude::*;

use super::*;

fn statuses(fixture: &Fixture, names: &[&str]) -> Vec<Status> {
    names
        .iter()
        .map(|name| fixture.file(name).unwrap().status)
        .collect()
}

fn decide_all(fixture: &mut Fixture, contents: u32) -> u64 {
    let mut changed = 0;
    loop {
        let decided = fixture.store.decide_anew(contents).unwrap();
        changed += decided.changed;
        if decided.is_done {
            return changed;
        }
    }
}

#[test]
fn without_thresholds_everything_is_for_review() {
    let mut fixture = Fixture::new();
    fixture.apply(certain("a.jpg", "a", 3, 1.0, 0.0));
    assert_eq!(statuses(&fixture, &["a.jpg"]), [Status::Review]);
    assert_eq!(fixture.reader().thresholds_of(&model("a")).unwrap(), None);
}

#[test]
fn stored_answers_follow_new_thresholds_in_steps_and_without_a_model() {
    let names = ["sure.jpg", "unsure.jpg", "unlike.jpg", "corrected.jpg"];
    let mut fixture = Fixture::new();
    fixture.apply(certain("sure.jpg", "a", 3, 0.9, 0.0));
    fixture.apply(certain("unsure.jpg", "a", 3, 0.9, 0.4));
    fixture.apply(certain("unlike.jpg", "a", 3, 0.9, 0.5));
    fixture.apply(certain("corrected.jpg", "a", 3, 0.9, 0.0));
    fixture
        .store
        .correct(&[correction("corrected.jpg", Some(4))])
        .unwrap();
    let before = fixture.dump();
    // A model without thresholds calls nothing unknown only where it has no score for it.
    use Status::{Accepted, Corrected, Review, Unknown};
    assert_eq!(statuses(&fixture, &names), [Review, Review, Unknown, Corrected]);

    fixture.store.set_thresholds(&accepting_from("a", 0.8)).unwrap();
    assert_eq!(
        fixture.dump(),
        before,
        "nothing is decided within the word itself"
    );
    assert!(fixture.reader().has_undecided().unwrap());
    // One content a step: broken off after the first, it goes on where it was.
    let first = fixture.store.decide_anew(1).unwrap();
    assert_eq!((first.changed, first.is_done), (1, false));
    assert_eq!(statuses(&fixture, &names), [Accepted, Review, Unknown, Corrected]);
    assert_eq!(decide_all(&mut fixture, 1), 1, "the corrected one, underneath");
    assert_eq!(statuses(&fixture, &names), [Accepted, Review, Unknown, Corrected]);
    assert!(!fixture.reader().has_undecided().unwrap());
    assert!(
        fixture
            .reader()
            .thresholds_of(&model("a"))
            .unwrap()
            .unwrap()
            .is_applied
    );

    fixture
        .store
        .undo_corrections(&[content("corrected.jpg").hash], "anna", at(9_000))
        .unwrap();
    assert_eq!(statuses(&fixture, &["corrected.jpg"]), [Accepted]);
    // What comes now is decided at once.
    fixture.apply(certain("new.jpg", "a", 3, 0.8, 0.0));
    assert_eq!(statuses(&fixture, &["new.jpg"]), [Accepted]);
    assert_eq!(decide_all(&mut fixture, 100), 0);
    assert_eq!(fixture.findings(), Vec::<String>::new());
}

#[test]
fn a_word_that_comes_in_the_middle_of_a_walk_is_followed_from_the_start() {
    let mut fixture = Fixture::new();
    for name in ["a.jpg", "b.jpg", "c.jpg"] {
        fixture.apply(certain(name, "a", 3, 0.9, 0.0));
    }
    fixture.store.set_thresholds(&accepting_from("a", 0.8)).unwrap();
    fixture.store.decide_anew(2).unwrap();
    let stricter = NewThresholds {
        at: at(5_000),
        ..accepting_from("a", 0.95)
    };
    fixture.store.set_thresholds(&stricter).unwrap();
    assert_eq!(decide_all(&mut fixture, 1), 2);
    assert_eq!(
        statuses(&fixture, &["a.jpg", "b.jpg", "c.jpg"]),
        [Status::Review; 3]
    );
    let history = fixture.reader().threshold_history(&model("a"), 9).unwrap();
    let times: Vec<_> = history.iter().map(|row| (row.since, row.until)).collect();
    assert_eq!(times, [(at(5_000), None), (at(4_000), Some(at(5_000)))]);
    assert_eq!(history[0].by, "anna");
}

#[test]
fn a_model_brings_the_thresholds_of_its_manifest_once() {
    let mut fixture = Fixture::new();
    let with_manifest = |digit: &str, thresholds: serde_json::Value| {
        let mut model = new_model(digit);
        model.manifest = serde_json::json!({ "calibration": { "thresholds": thresholds } });
        model
    };
    let with_thresholds = |digit: &str, trust: f32| {
        let thresholds = accepting_from(digit, trust).thresholds;
        with_manifest(digit, serde_json::to_value(thresholds).unwrap())
    };
    fixture.store.register_model(&with_thresholds("c", 0.7)).unwrap();
    fixture.store.register_model(&with_thresholds("c", 0.2)).unwrap();
    let holding = fixture.reader().thresholds_of(&model("c")).unwrap().unwrap();
    assert_eq!(holding.by, "manifest");
    assert_eq!(holding.thresholds.accept[0].map(Confidence::get), Some(0.7));
    fixture.apply(certain("a.jpg", "c", 3, 0.75, 0.0));
    assert_eq!(statuses(&fixture, &["a.jpg"]), [Status::Accepted]);

    // One that is on record without any gets them, and its answers follow.
    fixture.apply(certain("b.jpg", "a", 3, 0.75, 0.0));
    fixture.store.register_model(&with_thresholds("a", 0.7)).unwrap();
    assert_eq!(decide_all(&mut fixture, 10), 1);
    assert_eq!(statuses(&fixture, &["b.jpg"]), [Status::Accepted]);
    // What this hangtag cannot read is as good as nothing.
    let odd = with_manifest("d", serde_json::json!({ "accept": "all" }));
    fixture.store.register_model(&odd).unwrap();
    assert_eq!(fixture.reader().thresholds_of(&model("d")).unwrap(), None);
    assert!(matches!(
        fixture.store.set_thresholds(&accepting_from("e", 0.5)),
        Err(StoreError::NoSuchModel { .. })
    ));
}

#[test]
fn a_rollback_brings_back_what_was_made_of_the_former_answers() {
    let mut fixture = Fixture::new();
    fixture.store.set_thresholds(&accepting_from("a", 0.8)).unwrap();
    fixture.apply(certain("a.jpg", "a", 3, 0.9, 0.0));
    fixture.apply(certain("a.jpg", "b", 4, 0.9, 0.0));
    assert_eq!(statuses(&fixture, &["a.jpg"]), [Status::Review]);
    let portion = Portion { after: 0, limit: 9 };
    fixture.store.take_known_outcomes(&model("a"), portion).unwrap();
    assert_eq!(statuses(&fixture, &["a.jpg"]), [Status::Accepted]);
}

/// The numbers that hold for a model, and who set them.
fn held(fixture: &Fixture, digit: &str) -> Option<(f32, String)> {
    let row = fixture.reader().thresholds_of(&model(digit)).unwrap()?;
    Some((row.thresholds.accept[0]?.get(), row.by))
}

fn serve(fixture: &mut Fixture, digit: &str, ms: i64) {
    let change = ServiceChange {
        model: model(digit),
        at: at(ms),
        by: Actor::Gate,
        reason: "a test".into(),
        forced: Forced::No,
        verdict: None,
        instead_of: None,
    };
    assert!(fixture.store.put_in_service(&change).unwrap());
}

/// Fitted for a model before it serves.
fn fitted(digit: &str, trust: f32) -> NewThresholds {
    let mut new = accepting_from(digit, trust);
    new.thresholds.basis = Basis::Audit;
    new.by = BY_REBUILD.into();
    new
}

/// A rebuild discarded what a person had set: the new model brought the thresholds of its manifest.
#[test]
fn what_a_person_set_holds_for_the_next_model_too_and_a_rollback_brings_its_own_back() {
    let mut fixture = Fixture::new();
    serve(&mut fixture, "a", 10);
    fixture.store.set_thresholds(&fitted("a", 0.6)).unwrap();
    serve(&mut fixture, "b", 20);
    assert_eq!(
        held(&fixture, "b"),
        None,
        "what was fitted is about one model alone"
    );
    fixture.store.set_thresholds(&accepting_from("b", 0.8)).unwrap();
    fixture.store.register_model(&new_model("c")).unwrap();
    fixture.store.set_thresholds(&fitted("c", 0.7)).unwrap();
    // Its older answers follow.
    fixture.apply(certain("a.jpg", "c", 3, 0.75, 0.0));
    assert_eq!(statuses(&fixture, &["a.jpg"]), [Status::Accepted]);
    serve(&mut fixture, "c", 6_000);
    assert_eq!(held(&fixture, "c"), Some((0.8, "anna".to_owned())));
    let holding = fixture.reader().thresholds_of(&model("c")).unwrap().unwrap();
    assert_eq!((holding.thresholds.basis, holding.since), (Basis::Set, at(6_000)));
    assert_eq!(decide_all(&mut fixture, 9), 1);
    assert_eq!(statuses(&fixture, &["a.jpg"]), [Status::Review]);

    serve(&mut fixture, "a", 7_000);
    assert_eq!(held(&fixture, "a"), Some((0.6, BY_REBUILD.to_owned())));
    // A person's later word about a model that has not served yet is about that one.
    serve(&mut fixture, "c", 8_000);
    fixture.store.register_model(&new_model("d")).unwrap();
    let word = NewThresholds {
        at: at(8_500),
        by: "bert".into(),
        ..accepting_from("d", 0.5)
    };
    fixture.store.set_thresholds(&word).unwrap();
    serve(&mut fixture, "d", 9_000);
    assert_eq!(held(&fixture, "d"), Some((0.5, "bert".to_owned())));
}

/// A choice for one class: what was fitted for the others passed for a person's word, and held for every later model.
#[test]
fn what_a_person_chose_for_one_class_is_all_that_is_carried_over() {
    let mut fixture = Fixture::new();
    let choice = |digit: &str, trust: f32, ms: i64| {
        let mut new = accepting_from(digit, 0.6);
        new.thresholds.accept[8] = Confidence::new(trust).ok();
        new.thresholds.chosen = Some(Chosen {
            labels: Label::from_index(8).into_iter().collect(),
            unknown: false,
            carried_since: None,
        });
        new.at = at(ms);
        new
    };
    let accepts = |fixture: &Fixture, digit: &str| {
        let row = fixture.reader().thresholds_of(&model(digit)).unwrap().unwrap();
        let accept = [0, 8].map(|label| row.thresholds.accept[label].map(Confidence::get));
        (accept, row.thresholds.basis, row.is_a_persons())
    };
    serve(&mut fixture, "a", 10);
    fixture.store.set_thresholds(&choice("a", 0.9, 4_000)).unwrap();
    fixture.store.set_thresholds(&fitted("b", 0.7)).unwrap();
    serve(&mut fixture, "b", 5_000);
    let carried = ([Some(0.7), Some(0.9)], Basis::Set, false);
    assert_eq!(accepts(&fixture, "b"), carried, "no word about this model");
    // From there on to the next, over its own, and not over what was said of that one since the choice.
    fixture.store.register_model(&new_model("c")).unwrap();
    fixture.store.set_thresholds(&fitted("c", 0.5)).unwrap();
    fixture.store.register_model(&new_model("d")).unwrap();
    fixture.store.set_thresholds(&choice("d", 0.2, 4_500)).unwrap();
    serve(&mut fixture, "c", 6_000);
    assert_eq!(accepts(&fixture, "c").0, [Some(0.5), Some(0.9)]);
    serve(&mut fixture, "d", 6_500);
    assert_eq!(accepts(&fixture, "d"), ([Some(0.6), Some(0.2)], Basis::Set, true));

    // Another choice about the first model, and once more the second: the copy passed for a word of its own.
    serve(&mut fixture, "a", 7_000);
    assert_eq!(
        accepts(&fixture, "a").0,
        [Some(0.6), Some(0.9)],
        "its own came back"
    );
    fixture.store.set_thresholds(&choice("a", 0.3, 7_500)).unwrap();
    serve(&mut fixture, "b", 8_000);
    assert_eq!(
        accepts(&fixture, "b"),
        ([Some(0.7), Some(0.3)], Basis::Set, false)
    );
    // The same choice again is no news.
    let rows = |fixture: &Fixture| fixture.reader().threshold_history(&model("b"), 9).unwrap().len();
    let before = rows(&fixture);
    serve(&mut fixture, "a", 8_500);
    serve(&mut fixture, "b", 9_000);
    assert_eq!(rows(&fixture), before);
}

#[test]
fn daily_sums_count_each_answer_once_and_follow_the_thresholds() {
    let mut fixture = Fixture::new();
    let day = 86_400_000;
    let on = |name: &str, days: i64, label: usize| {
        let mut change = certain(name, "a", label, 0.9, 0.0);
        if let Change::Tagged { tag, .. } = &mut change {
            tag.tagged_at = at(days * day + 5);
        }
        change
    };
    for (name, days, label) in [("a.jpg", 10, 3), ("b.jpg", 10, 3), ("c.jpg", 11, 8)] {
        fixture.apply(on(name, days, label));
        fixture.apply(on(name, days, label));
    }
    let tally = |fixture: &Fixture, from: i64, until: i64| {
        let reader = fixture.reader();
        reader
            .daily_tally(&model("a"), at(from * day), at(until * day))
            .unwrap()
    };
    let first = tally(&fixture, 10, 11);
    assert_eq!((first.by_label[3], first.review, first.accepted), (2, 2, 0));
    assert!((first.mean_confidence().unwrap() - 0.9).abs() < 1e-6);
    fixture.store.set_thresholds(&accepting_from("a", 0.8)).unwrap();
    decide_all(&mut fixture, 2);
    let both = tally(&fixture, 0, 99);
    assert_eq!((both.contents(), both.review, both.accepted), (3, 0, 3));
    assert_eq!(tally(&fixture, 11, 12).by_label[8], 1);
    assert_eq!(tally(&fixture, 12, 99).contents(), 0);
    let first = |digit| fixture.reader().first_answered(&model(digit)).unwrap();
    assert_eq!((first("a"), first("b")), (Some(at(10 * day)), None));
    assert_eq!(
        fixture
            .reader()
            .daily_tally(&model("b"), at(0), at(99 * day))
            .unwrap(),
        DailyTally::default()
    );
    assert_eq!(
        fixture.number(
            "SELECT count(*) FROM daily WHERE status = 'accepted' AND day IN ('1970-01-11', '1970-01-12')"
        ),
        2
    );
}

#[test]
fn corrections_agree_where_the_model_had_said_the_same() {
    let mut fixture = Fixture::new();
    fixture.apply(certain("same.jpg", "a", 3, 0.9, 0.0));
    fixture.apply(certain("other.jpg", "a", 3, 0.9, 0.0));
    fixture.apply(certain("none.jpg", "a", 3, 0.9, 0.9));
    fixture.apply(rejected("bad.jpg", "bad.jpg", "a"));
    let truths = [
        correction("same.jpg", Some(3)),
        correction("other.jpg", Some(4)),
        correction("none.jpg", None),
        correction("bad.jpg", Some(3)),
        correction("never seen", Some(3)),
    ];
    fixture.store.correct(&truths).unwrap();
    let agreement = |until| fixture.reader().agreement(&model("a"), at(0), at(until)).unwrap();
    let found = agreement(9_000);
    assert_eq!((found.corrections, found.agreeing), (3, 2));
    assert_eq!(agreement(5_000).corrections, 0, "they were given at 5,000");
}

#[test]
fn samples_have_what_the_model_said_and_what_its_folds_did() {
    let mut fixture = Fixture::new();
    fixture.apply(certain("a.jpg", "a", 3, 0.9, 0.25));
    fixture.apply(certain("a.jpg", "b", 4, 0.6, 0.0));
    fixture
        .store
        .correct(&[correction("a.jpg", Some(3)), correction("unseen", None)])
        .unwrap();
    let fold = |confidence| OutOfFold {
        hash: content("a.jpg").hash,
        prediction: Prediction {
            scores: scores(3, confidence),
            unknown: Confidence::new(0.5).ok(),
        },
    };
    fixture
        .store
        .store_out_of_fold(&model("a"), &[fold(0.1)])
        .unwrap();
    fixture
        .store
        .store_out_of_fold(&model("a"), &[fold(0.7)])
        .unwrap();
    let samples = fixture.reader().samples(&model("a")).unwrap();
    assert_eq!(samples.len(), 2);
    let recorded = samples[0].recorded.unwrap();
    assert_eq!(
        (recorded.scores, recorded.unknown.map(Confidence::get)),
        (scores(3, 0.9), Some(0.25))
    );
    assert_eq!(samples[0].out_of_fold, Some(fold(0.7).prediction));
    assert_eq!(
        (samples[1].recorded, samples[1].out_of_fold, samples[1].truth),
        (None, None, Truth::Unknown)
    );
    let of_b = fixture.reader().samples(&model("b")).unwrap();
    assert_eq!(of_b[0].recorded.unwrap().scores, scores(4, 0.6));
    assert_eq!(of_b[0].out_of_fold, None);
    assert!(
        fixture
            .store
            .store_out_of_fold(&model("e"), &[fold(0.7)])
            .is_err()
    );
}

#[test]
fn candidates_for_a_look_are_bounded_and_of_every_label() {
    let mut fixture = Fixture::new();
    fixture.store.set_thresholds(&accepting_from("a", 0.95)).unwrap();
    let mut changes: Vec<Change> = (0..300)
        .map(|number| {
            certain(
                &format!("{number}.jpg"),
                "a",
                3,
                0.5 + number as f32 / 1_000.0,
                0.0,
            )
        })
        .collect();
    changes.push(certain("rare.jpg", "a", 8, 0.65, 0.0));
    changes.push(certain("unlike.jpg", "a", 1, 0.9, 0.8));
    changes.push(certain("sure.jpg", "a", 1, 0.99, 0.0));
    changes.push(certain("gone.jpg", "a", 1, 0.5, 0.0));
    changes.push(absent("gone.jpg"));
    changes.push(known("twin.jpg", "rare.jpg", "a"));
    fixture.store.apply(&changes).unwrap();
    let found = fixture.reader().review_candidates().unwrap();
    // A hundred from either end of the first label, and two others, once each.
    assert_eq!(found.len(), 202);
    let of = |hash| {
        found
            .iter()
            .filter(|one| one.hash == hash)
            .map(|one| one.certainty)
            .collect::<Vec<_>>()
    };
    assert_eq!(of(content("rare.jpg").hash), [Certainty::Review]);
    assert_eq!(of(content("unlike.jpg").hash), [Certainty::Unknown]);
    assert_eq!(of(content("sure.jpg").hash), []);
    assert_eq!(of(content("gone.jpg").hash), []);
    assert_eq!(of(content("150.jpg").hash), [], "in the middle");
}

/// "8 waiting" were four photos, each under two names.
#[test]
fn what_waits_for_review_is_counted_by_content_and_no_further_than_it_matters() {
    let mut fixture = Fixture::new();
    fixture.store.set_thresholds(&accepting_from("a", 0.95)).unwrap();
    let changes = [
        certain("one.jpg", "a", 3, 0.5, 0.0),
        known("one-again.jpg", "one.jpg", "a"),
        certain("two.jpg", "a", 3, 0.6, 0.0),
        certain("unlike.jpg", "a", 1, 0.9, 0.8),
        certain("sure.jpg", "a", 1, 0.99, 0.0),
        certain("gone.jpg", "a", 1, 0.5, 0.0),
        absent("gone.jpg"),
    ];
    fixture.store.apply(&changes).unwrap();
    for (most, counted) in [(10, Some(3)), (4, Some(3)), (3, None)] {
        assert_eq!(
            fixture.reader().contents_for_review(most).unwrap(),
            counted,
            "{most}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever comes and whatever was decided before: once all is decided anew, it is as if these thresholds had held
    /// from the beginning, and the daily sums are those of the outcomes.
    #[test]
    fn deciding_anew_equals_having_decided_so_at_once(
        changes in prop::collection::vec(
            (0..6usize, prop::sample::select(vec!["a", "b"]), 0..3usize, 5..=10u8, 0..=10u8),
            1..20,
        ),
        (before, after) in (0..=10u8, 0..=10u8),
        step in 1..5u32,
    ) {
        let changes: Vec<Change> = changes
            .into_iter()
            .map(|(name, digit, label, confidence, unknown)| {
                certain(&format!("{name}.jpg"), digit, label, f32::from(confidence) / 10.0, f32::from(unknown) / 10.0)
            })
            .collect();
        let from = |digit, tenths: u8| accepting_from(digit, f32::from(tenths) / 10.0);
        let mut later = Fixture::new();
        later.store.set_thresholds(&from("a", before)).unwrap();
        later.store.apply(&changes).unwrap();
        later.store.set_thresholds(&from("a", after)).unwrap();
        decide_all(&mut later, step);
        let mut at_once = Fixture::new();
        at_once.store.set_thresholds(&from("a", after)).unwrap();
        at_once.store.apply(&changes).unwrap();
        let without_sums = |fixture: &Fixture| {
            let dump = fixture.dump();
            let sums = fixture.number("SELECT count(*) FROM daily_tags") as usize;
            dump[..dump.len() - sums].to_vec()
        };
        prop_assert_eq!(without_sums(&later), without_sums(&at_once));
        prop_assert_eq!(later.number(
            "SELECT count(*) FROM (SELECT model_id, label_id, certainty, sum(contents) AS n FROM daily_tags
                                   WHERE contents <> 0 GROUP BY 1, 2, 3
                                   EXCEPT SELECT model_id, label_id, certainty, count(*) FROM outcomes
                                   GROUP BY 1, 2, 3)"), 0);
        prop_assert!(later.findings().is_empty());
    }
}
