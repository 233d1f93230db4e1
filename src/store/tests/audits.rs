//! Random draws, and which of what was drawn counts as audited.

use super::*;

#[test]
fn a_draw_is_reproducible_and_gives_every_photo_its_chance() {
    let mut fixture = Fixture::new();
    let names: Vec<String> = (0..60).map(|number| format!("{number}.jpg")).collect();
    for name in &names {
        fixture.apply(certain(name, "a", 3, 0.9, 0.0));
    }
    // None of these can be drawn: no tag, gone. A second name of a content is no second chance.
    fixture.apply(rejected("bad.jpg", "bad.jpg", "a"));
    fixture.apply(certain("gone.jpg", "a", 3, 0.9, 0.0));
    fixture.apply(absent("gone.jpg"));
    fixture.apply(known("twin.jpg", "0.jpg", "a"));
    fixture.store.correct(&[correction("1.jpg", Some(1))]).unwrap();

    let draw = |seed, count| fixture.reader().draw_contents(seed, count).unwrap();
    assert_eq!(draw(1, 20), draw(1, 20));
    assert_ne!(draw(1, 20).contents, draw(2, 20).contents);
    assert_eq!(draw(1, 20).photos, 60);
    // However many are asked for: room for them all was made before one was drawn, and there was none.
    let all = draw(3, usize::MAX).contents;
    let distinct: std::collections::BTreeSet<_> = all.iter().collect();
    assert_eq!((all.len(), distinct.len()), (60, 60));
    assert_eq!(
        draw(3, 20).contents,
        all[..20],
        "the places do not depend on how many are drawn"
    );
    // Over many seeds each is drawn about as often as any other: 300 times a third.
    let mut times = std::collections::BTreeMap::new();
    for seed in 0..300 {
        draw(seed, 20)
            .contents
            .into_iter()
            .for_each(|hash| *times.entry(hash).or_insert(0) += 1);
    }
    assert_eq!(times.len(), 60);
    assert!(
        times.values().all(|times| (60..=140).contains(times)),
        "{:?}",
        times.values()
    );
}

/// Only photos with a tag of the model in service were drawn: while the inventory followed a new one, those that came first.
#[test]
fn a_draw_is_of_all_photos_while_the_inventory_follows_a_new_model() {
    let mut fixture = Fixture::new();
    for number in 0..30 {
        fixture.apply(certain(&format!("{number}.jpg"), "a", 3, 0.9, 0.0));
    }
    let before = fixture.reader().draw_contents(1, 10).unwrap();
    for number in 0..5 {
        fixture.apply(certain(&format!("{number}.jpg"), "b", 4, 0.9, 0.0));
    }
    assert_eq!(fixture.reader().draw_contents(1, 10).unwrap(), before);
    fixture.apply(rejected("29.jpg", "29.jpg", "b"));
    let without_tag = fixture.reader().draw_contents(1, 99).unwrap();
    assert_eq!((without_tag.photos, without_tag.contents.len()), (29, 29));
}

/// A fixture with a draw of six photos, and their names by their places in it.
fn drawn_fixture() -> (Fixture, Vec<String>) {
    drawn_at(4_000, |_, _| ())
}

/// The same, drawn at that moment, after something happened to those names.
fn drawn_at(ms: i64, happens: impl FnOnce(&mut Fixture, &[String])) -> (Fixture, Vec<String>) {
    let mut fixture = Fixture::new();
    let names = ["a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg", "f.jpg"];
    for name in names {
        fixture.apply(certain(name, "a", 3, 0.9, 0.0));
    }
    let drawn = fixture.reader().draw_contents(7, 9).unwrap();
    let in_order = drawn.contents.iter().map(|hash| {
        let name = names.iter().find(|name| content(name).hash == *hash);
        name.unwrap().to_string()
    });
    let in_order: Vec<_> = in_order.collect();
    happens(&mut fixture, &in_order);
    let audit = NewAudit {
        model: model("a"),
        seed: 7,
        drawn,
        by: "anna".into(),
        at: at(ms),
    };
    fixture.store.record_audit(&audit).unwrap();
    (fixture, in_order)
}

fn open(fixture: &Fixture) -> Vec<String> {
    let open = fixture.reader().audit_progress().unwrap().open;
    open.iter()
        .map(|path| path.to_string().replace("/shop/", ""))
        .collect()
}

/// Drawn, looked at, and of these those that count.
fn counts(fixture: &Fixture) -> (u64, u64, usize) {
    let progress = fixture.reader().audit_progress().unwrap();
    let samples = fixture.reader().samples(&model("a")).unwrap();
    let counted = samples.iter().filter(|sample| sample.is_audited).count();
    assert_eq!(counted, progress.audited.len());
    (progress.drawn, progress.looked_at, counted)
}

fn look(fixture: &mut Fixture, names: &[&String]) {
    // The model's own label, confirmed.
    let truths: Vec<_> = names.iter().map(|name| correction(name, Some(3))).collect();
    fixture.store.correct(&truths).unwrap();
}

/// Photos that somebody happened to have looked at counted as a random sample: hand-picked ones, or the first by name.
#[test]
fn of_a_draw_those_count_that_come_before_the_first_one_that_is_open() {
    let (mut fixture, names) = drawn_fixture();
    assert_ne!(names, ["a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg", "f.jpg"]);
    assert_eq!(
        open(&fixture),
        names,
        "in the order of the draw, not of the names"
    );
    assert_eq!(counts(&fixture), (6, 0, 0));
    // What was picked, and what was not drawn at all.
    look(
        &mut fixture,
        &[&names[1], &names[4], &"never drawn.jpg".to_owned()],
    );
    assert_eq!(counts(&fixture), (6, 2, 0));
    assert_eq!(fixture.reader().audit_progress().unwrap().out_of_order(), 2);
    look(&mut fixture, &[&names[0]]);
    assert_eq!(counts(&fixture), (6, 3, 2), "and the one behind it");
    assert_eq!(open(&fixture), [&names[2..4], &names[5..]].concat());
    look(&mut fixture, &[&names[2], &names[3], &names[5]]);
    assert_eq!((counts(&fixture), open(&fixture).len()), ((6, 6, 6), 0));
    let undone = content(&names[3]).hash;
    fixture
        .store
        .undo_corrections(&[undone], "anna", at(9_000))
        .unwrap();
    assert_eq!(counts(&fixture), (6, 5, 3));
}

fn gone(fixture: &mut Fixture, name: &str, ms: i64) {
    let path = path(name);
    fixture.apply(Change::Absent { path, at: at(ms) });
}

#[test]
fn a_drawn_photo_that_is_gone_or_rejected_holds_nobody_up_until_it_comes_back() {
    let (mut fixture, names) = drawn_fixture();
    gone(&mut fixture, &names[0], 4_500);
    fixture.apply(rejected(&names[2], &names[2], "b"));
    look(&mut fixture, &[&names[1], &names[3]]);
    assert_eq!(counts(&fixture), (6, 2, 2));
    assert_eq!(open(&fixture), names[4..]);
    // One that is gone and was looked at counts all the same; one that goes after all that were looked at was not passed over.
    gone(&mut fixture, &names[1], 6_000);
    gone(&mut fixture, &names[4], 6_000);
    assert_eq!(counts(&fixture), (6, 2, 2));
    assert_eq!(open(&fixture), names[5..]);
    // One that comes back is open again.
    fixture.apply(certain(&names[0], "a", 3, 0.9, 0.0));
    assert_eq!(counts(&fixture), (6, 2, 0));
    assert_eq!(open(&fixture)[0], names[0]);
}

/// Some were picked, the others left the inbox: all that were picked counted as drawn at random.
#[test]
fn photos_that_were_picked_are_no_sample_once_the_others_are_gone() {
    let (mut fixture, names) = drawn_fixture();
    look(&mut fixture, &[&names[0], &names[2], &names[5]]);
    for left in [1, 3, 4] {
        gone(&mut fixture, &names[left], 6_000);
    }
    assert_eq!(counts(&fixture), (6, 3, 1), "the first one came in its turn");
    let progress = fixture.reader().audit_progress().unwrap();
    assert_eq!((progress.left_behind, progress.out_of_order()), (2, 0));
}

/// A better picture that was saved in the place of the one that was passed over made a random sample of those that were picked.
#[test]
fn photos_that_were_picked_are_no_sample_once_another_picture_lies_in_the_place_of_one_before() {
    let (mut fixture, names) = drawn_fixture();
    fixture.apply(tagged(&names[1], "another photo", "a", 3));
    assert_eq!(open(&fixture).len(), 5, "it holds nobody up");
    look(&mut fixture, &[&names[0]]);
    assert_eq!(counts(&fixture), (6, 1, 1), "this one came in its turn");
    look(&mut fixture, &[&names[2], &names[3]]);
    assert_eq!(counts(&fixture), (6, 3, 1));
    let progress = fixture.reader().audit_progress().unwrap();
    assert_eq!((progress.left_behind, progress.out_of_order()), (2, 0));
}

/// One that had been corrected before it was drawn ended the draw for all behind it.
#[test]
fn who_looked_before_the_draw_picked_nothing_of_it() {
    let (mut fixture, names) = drawn_at(4_000, |fixture, names| look(fixture, &[&names[1]]));
    gone(&mut fixture, &names[0], 4_500);
    assert_eq!(counts(&fixture), (6, 1, 1));
    look(&mut fixture, &names[2..].iter().collect::<Vec<_>>());
    assert_eq!((counts(&fixture), open(&fixture).len()), ((6, 5, 5), 0));
}

/// The draw's moment was an hour ahead, so that nothing that was picked after it looked picked: 9 of 10 counted as drawn at random.
#[test]
fn photos_that_were_picked_after_a_draw_under_a_clock_ahead_are_no_sample() {
    const HOUR: i64 = 3_600_000;
    for is_of_an_older_hangtag in [false, true] {
        let now: Timestamp = std::time::SystemTime::now().into();
        let (mut fixture, names) = drawn_at(now.as_millis() + HOUR, |_, _| ());
        if is_of_an_older_hangtag {
            let forget = "UPDATE audits SET truths_before = NULL";
            fixture.store.connection.execute_batch(forget).unwrap();
        }
        look(&mut fixture, &names[1..].iter().collect::<Vec<_>>());
        gone(&mut fixture, &names[0], now.as_millis());
        assert_eq!(counts(&fixture), (6, 5, 0), "older: {is_of_an_older_hangtag}");
    }
}

/// Under a clock ahead, what left later than the next one was looked at seems to have left before.
#[test]
fn a_moment_that_is_yet_to_come_proves_no_turn() {
    const HOUR: i64 = 3_600_000;
    let now: Timestamp = std::time::SystemTime::now().into();
    let (mut fixture, names) = drawn_fixture();
    let ahead = |name: &String| NewCorrection {
        at: at(now.as_millis() + HOUR),
        ..correction(name, Some(3))
    };
    fixture.store.correct(&[ahead(&names[1])]).unwrap();
    gone(&mut fixture, &names[0], now.as_millis());
    assert_eq!(counts(&fixture), (6, 1, 0));
}

fn draw_again(fixture: &mut Fixture, (seed, count): (u32, usize), ms: i64) -> Vec<ContentHash> {
    let again = NewAudit {
        model: model("a"),
        seed,
        drawn: fixture.reader().draw_contents(seed, count).unwrap(),
        by: "bert".into(),
        at: at(ms),
    };
    fixture.store.record_audit(&again).unwrap();
    again.drawn.contents
}

/// The one that was passed over and left was missing from the second draw, and all that were picked before it counted.
#[test]
fn a_seed_that_is_drawn_by_once_more_makes_no_sample_of_photos_that_were_picked() {
    let (mut fixture, names) = drawn_fixture();
    look(&mut fixture, &names[1..].iter().collect::<Vec<_>>());
    gone(&mut fixture, &names[0], 6_000);
    draw_again(&mut fixture, (7, 9), 7_000);
    assert_eq!(counts(&fixture), (6, 5, 0));
    let progress = fixture.reader().audit_progress().unwrap();
    assert_eq!((progress.left_behind, progress.open.len()), (5, 0));
    draw_again(&mut fixture, (8, 9), 7_000);
    assert_eq!(counts(&fixture), (6, 5, 5), "another seed gives other places");
}

/// What an earlier draw counts must not wait for photos that came after it.
#[test]
fn a_later_draw_by_the_same_seed_takes_nothing_from_the_earlier_one() {
    let (mut fixture, names) = drawn_fixture();
    look(&mut fixture, &names.iter().collect::<Vec<_>>());
    for number in 0..30 {
        fixture.apply(certain(&format!("{number}.jpg"), "a", 3, 0.9, 0.0));
    }
    let drawn = draw_again(&mut fixture, (7, 36), 7_000);
    let before: Vec<_> = names.iter().map(|name| content(name).hash).collect();
    assert_ne!(drawn[..6], before, "new ones come between");
    assert_eq!(counts(&fixture), (36, 6, 6));
    assert_eq!(open(&fixture).len(), 30);
}

/// The time of the word that stands was taken for when somebody looked: after that, nothing had been passed over.
#[test]
fn a_word_that_is_changed_after_a_photo_has_gone_makes_no_sample_of_those_that_were_picked() {
    for undone_first in [false, true] {
        let (mut fixture, names) = drawn_fixture();
        look(&mut fixture, &names[1..].iter().collect::<Vec<_>>());
        gone(&mut fixture, &names[0], 6_000);
        if undone_first {
            let undone = content(&names[1]).hash;
            fixture
                .store
                .undo_corrections(&[undone], "anna", at(7_000))
                .unwrap();
        }
        for (label, ms) in [(4, 8_000), (3, 9_000)] {
            let changed = NewCorrection {
                at: at(ms),
                ..correction(&names[1], Some(label))
            };
            fixture.store.correct(&[changed]).unwrap();
        }
        assert_eq!(counts(&fixture), (6, 5, 0), "undone first: {undone_first}");
        assert_eq!(fixture.reader().audit_progress().unwrap().left_behind, 5);
    }
}

#[test]
fn a_photo_of_two_draws_is_listed_and_counted_once() {
    let (mut fixture, names) = drawn_fixture();
    let first = draw_again(&mut fixture, (8, 3), 4_500)[0];
    assert_eq!(open(&fixture), names, "the older draw first");
    let name = names.iter().find(|name| content(name).hash == first).unwrap();
    look(&mut fixture, &[name]);
    assert_eq!(counts(&fixture), (6, 1, 1), "the first of either draw counts");
}

/// Without it nobody could tell which photos of none of the classes a reference network passed over and which came later.
#[test]
fn samples_tell_which_truths_were_there_when_the_model_was_made() {
    let mut fixture = Fixture::new();
    for (name, ms) in [("a", 100), ("b", 300)] {
        let given = NewCorrection {
            at: at(ms),
            ..correction(name, None)
        };
        fixture.store.correct(&[given]).unwrap();
    }
    let were_there = |fixture: &Fixture| -> Vec<bool> {
        let samples = fixture.reader().samples(&model("a")).unwrap();
        samples.iter().map(|sample| sample.was_there).collect()
    };
    for (trigger, started, read_at, expected) in [
        (RunTrigger::Command, 400, None, [false, false]),
        (RunTrigger::Person, 200, None, [true, false]),
        (RunTrigger::Person, 400, Some(at(300)), [true, false]),
        (RunTrigger::Person, 400, None, [true, true]),
    ] {
        let run = NewRun {
            trigger,
            corrections_read_at: read_at,
            ..NewRun::by_command(at(started), serde_json::json!({}))
        };
        let end = RunEnd {
            model: Some(model("a")),
            reason: None,
            ..RunEnd::without_result(RunState::Finished, at(500), "")
        };
        fixture.store.record_run(&run, &end).unwrap();
        assert_eq!(
            were_there(&fixture),
            expected,
            "{trigger:?} {started} {read_at:?}"
        );
    }
}
