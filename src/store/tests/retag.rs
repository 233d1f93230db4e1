//! What follows a change of model.

use super::*;

fn names(rows: &[RetagRow]) -> Vec<&str> {
    rows.iter()
        .map(|row| row.path.as_str().trim_start_matches("/shop/"))
        .collect()
}

fn to_retag(fixture: &Fixture, digit: &str, below: Option<f32>) -> Vec<RetagRow> {
    let model = model(digit);
    let query = RetagQuery {
        model: &model,
        below: below.map(|value| Confidence::new(value).unwrap()),
        after: 0,
        limit: 100,
    };
    fixture.reader().images_to_retag(&query).unwrap()
}

fn tagged_surely(name: &str, text: &str, digit: &str, confidence: f32) -> Change {
    let mut change = tagged(name, text, digit, 1);
    if let Change::Tagged { tag, .. } = &mut change {
        tag.prediction = scores(1, confidence).into();
    }
    change
}

fn take_all(fixture: &mut Fixture, digit: &str, limit: u32) -> (u64, u32) {
    let (mut changed, mut steps, mut after) = (0, 0, Some(0));
    while let Some(here) = after {
        let portion = Portion { after: here, limit };
        let walked = fixture.store.take_known_outcomes(&model(digit), portion).unwrap();
        changed += walked.changed;
        steps += 1;
        after = walked.next;
    }
    (changed, steps)
}

#[test]
fn contents_without_an_answer_of_the_new_model_are_found_once_each() {
    let mut fixture = Fixture::new();
    fixture.apply(tagged("one.jpg", "one", "a", 1));
    fixture.apply(known("one-again.jpg", "one", "a"));
    fixture.apply(rejected("two.jpg", "two", "a"));
    fixture.apply(tagged("gone.jpg", "gone", "a", 1));
    fixture.apply(absent("gone.jpg"));
    fixture.apply(unread("unread.jpg", RejectionReason::Unreadable));
    fixture.apply(tagged("done.jpg", "done", "b", 1));
    fixture.apply(tagged("corrected.jpg", "corrected", "a", 1));
    fixture
        .store
        .correct(&[correction("corrected", Some(3))])
        .unwrap();
    fixture.apply(tagged("on-record.jpg", "on record", "b", 1));
    fixture.apply(tagged("on-record.jpg", "on record", "a", 1));
    let found = to_retag(&fixture, "b", None);
    assert_eq!(names(&found), ["one.jpg", "two.jpg", "corrected.jpg"]);
    assert_eq!(
        (found[0].hash, found[0].stamp),
        (content("one").hash, sighting("one.jpg").stamp)
    );
    assert_eq!(to_retag(&fixture, "c", None), [], "no such model");
    let model = model("b");
    let page = RetagQuery {
        model: &model,
        below: None,
        after: found[0].image_id,
        limit: 1,
    };
    assert_eq!(
        names(&fixture.reader().images_to_retag(&page).unwrap()),
        ["two.jpg"]
    );
    let progress = fixture.reader().retag_progress(&model).unwrap();
    assert_eq!((progress.done, progress.left), (1, 5));
}

#[test]
fn only_unsure_answers_are_found_where_only_these_are_asked_for() {
    let mut fixture = Fixture::new();
    fixture.apply(tagged_surely("sure.jpg", "sure", "a", 0.9));
    fixture.apply(tagged_surely("unsure.jpg", "unsure", "a", 0.4));
    fixture.apply(tagged_surely("corrected.jpg", "corrected", "a", 0.3));
    fixture.store.correct(&[correction("corrected", None)]).unwrap();
    fixture.apply(rejected("broken.jpg", "broken", "a"));
    assert_eq!(
        names(&to_retag(&fixture, "b", Some(0.5))),
        ["unsure.jpg", "corrected.jpg"]
    );
    assert_eq!(to_retag(&fixture, "b", Some(0.0)), []);
}

#[test]
fn a_rollback_takes_what_is_on_record_in_bounded_steps() {
    let mut fixture = Fixture::new();
    for number in 0..7 {
        let (name, text) = (format!("{number}.jpg"), number.to_string());
        fixture.apply(tagged(&name, &text, "a", 1));
        fixture.apply(tagged(&name, &text, "b", 7));
    }
    fixture.apply(rejected("broken.jpg", "broken", "a"));
    fixture.apply(tagged("broken.jpg", "broken", "b", 7));
    fixture.apply(known("0-again.jpg", "0", "b"));
    fixture.apply(tagged("new.jpg", "new", "b", 7));
    fixture.store.correct(&[correction("1", Some(3))]).unwrap();
    let (changed, steps) = take_all(&mut fixture, "a", 3);
    assert_eq!(changed, 9, "eight contents, one under two names");
    assert_eq!(steps, 4, "nine contents showed another model's answer");
    let label = |name: &str| fixture.file(name).unwrap().label.map(Label::index);
    assert_eq!(
        (label("0.jpg"), label("0-again.jpg"), label("6.jpg")),
        (Some(1), Some(1), Some(1))
    );
    assert_eq!(
        (label("1.jpg"), label("new.jpg"), label("broken.jpg")),
        (Some(3), Some(7), None)
    );
    assert_eq!(
        fixture.file("1.jpg").unwrap().model,
        Some(model("a")),
        "underneath"
    );
    assert_eq!(names(&to_retag(&fixture, "a", None)), ["new.jpg"]);
    assert_eq!(take_all(&mut fixture, "a", 3), (0, 1), "done");
    assert_eq!(fixture.findings(), Vec::<String>::new());
    let portion = Portion { after: 0, limit: 3 };
    let error = fixture
        .store
        .take_known_outcomes(&model("c"), portion)
        .unwrap_err();
    assert!(matches!(error, StoreError::NoSuchModel { .. }), "{error:?}");
}

#[test]
fn thinning_keeps_what_files_show_and_what_is_asked_for() {
    let mut fixture = Fixture::new();
    fixture.store.register_model(&new_model("c")).unwrap();
    for digit in ["a", "b", "c"] {
        for text in ["one", "two", "three"] {
            fixture.apply(tagged(text, text, digit, 1));
        }
    }
    fixture.apply(known("two", "two", "a"));
    let mut deleted = 0;
    let mut after = Some(0);
    while let Some(here) = after {
        let portion = Portion {
            after: here,
            limit: 2,
        };
        let walked = fixture.store.thin_history(&[model("b")], portion).unwrap();
        deleted += walked.changed;
        after = walked.next;
    }
    assert_eq!(deleted, 3, "two of a, one of c");
    assert_eq!(fixture.number("SELECT count(*) FROM outcomes"), 6);
    assert_eq!(fixture.file("two").unwrap().model, Some(model("a")));
    assert_eq!(fixture.findings(), Vec::<String>::new());
    let portion = Portion { after: 0, limit: 9 };
    assert_eq!(
        fixture.store.thin_history(&[], portion).unwrap().changed,
        3,
        "nothing is asked for"
    );
    assert_eq!(fixture.number("SELECT count(*) FROM outcomes"), 3);
}

#[test]
fn two_models_are_compared_over_what_both_answered() {
    let mut fixture = Fixture::new();
    for (text, from, to) in [
        ("1", Some(1), Some(1)),
        ("2", Some(1), Some(2)),
        ("3", Some(1), Some(2)),
        ("4", None, Some(2)),
        // No photo for either.
        ("6", None, None),
    ] {
        for (digit, label) in [("a", from), ("b", to)] {
            fixture.apply(match label {
                Some(label) => tagged(text, text, digit, label),
                None => rejected(text, text, digit),
            });
        }
    }
    fixture.apply(tagged("5", "5", "a", 9));
    let changes = fixture.reader().tag_changes(&model("a"), &model("b")).unwrap();
    let mut pairs: Vec<_> = changes
        .iter()
        .map(|change| {
            (
                change.from.map(Label::index),
                change.to.map(Label::index),
                change.count,
            )
        })
        .collect();
    assert_eq!(pairs[0], (Some(1), Some(2), 2), "the most frequent first");
    pairs.sort();
    assert_eq!(
        pairs,
        [(None, Some(2), 1), (Some(1), Some(1), 1), (Some(1), Some(2), 2)]
    );
    assert_eq!(
        fixture.reader().tag_changes(&model("a"), &model("c")).unwrap(),
        []
    );
}
