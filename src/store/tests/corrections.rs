//! What a person said stands, whatever the pipeline brings.

use proptest::prelude::*;

use super::*;

fn row(fixture: &Fixture, name: &str) -> (Status, Option<usize>) {
    let file = fixture.file(name).unwrap();
    (file.status, file.label.map(Label::index))
}

#[test]
fn a_correction_shows_at_once_under_every_name_and_undo_brings_the_answer_back() {
    let mut fixture = Fixture::new();
    fixture.apply(tagged("a.jpg", "photo", "a", 1));
    fixture.apply(known("b.jpg", "photo", "a"));
    fixture.apply(rejected("c.jpg", "broken", "a"));
    let before = (
        fixture.file("a.jpg"),
        fixture.file("b.jpg"),
        fixture.file("c.jpg"),
    );
    let words = [correction("photo", Some(3)), correction("broken", None)];
    assert_eq!(fixture.store.correct(&words).unwrap(), 2);
    for name in ["a.jpg", "b.jpg"] {
        let file = fixture.file(name).unwrap();
        assert_eq!(row(&fixture, name), (Status::Corrected, Some(3)));
        assert_eq!(
            (file.confidence, file.reason, file.corrected_at),
            (None, None, Some(at(5_000)))
        );
        assert_eq!((file.tagged_at, file.model), (at(5_000), Some(model("a"))));
        assert_eq!(file.scores, Some(scores(1, 0.9)), "the answer underneath");
    }
    assert_eq!(row(&fixture, "c.jpg"), (Status::Corrected, None));
    assert_eq!(fixture.file("c.jpg").unwrap().reason, None);
    let json = serde_json::to_value(fixture.file("a.jpg").unwrap()).unwrap();
    assert_eq!(
        (&json["status"], &json["label"]),
        (&"corrected".into(), &"Dress".into())
    );

    let hashes = [
        content("photo").hash,
        content("broken").hash,
        content("never corrected").hash,
    ];
    assert_eq!(
        fixture.store.undo_corrections(&hashes, "ben", at(9_000)).unwrap(),
        2
    );
    assert_eq!(
        before,
        (
            fixture.file("a.jpg"),
            fixture.file("b.jpg"),
            fixture.file("c.jpg")
        )
    );
    assert_eq!(
        fixture.store.undo_corrections(&hashes, "ben", at(9_000)).unwrap(),
        0
    );
    assert_eq!(fixture.findings(), Vec::<String>::new());
}

#[test]
fn every_word_is_kept_and_the_last_one_stands() {
    let mut fixture = Fixture::new();
    fixture.apply(tagged("a.jpg", "photo", "a", 1));
    assert_eq!(fixture.store.correct(&[correction("photo", Some(3))]).unwrap(), 1);
    assert_eq!(
        fixture.store.correct(&[correction("photo", Some(3))]).unwrap(),
        0,
        "said before"
    );
    let other = NewCorrection {
        by: "ben".into(),
        at: at(6_000),
        ..correction("photo", None)
    };
    assert_eq!(fixture.store.correct(&[other]).unwrap(), 1);
    assert_eq!(row(&fixture, "a.jpg"), (Status::Corrected, None));
    fixture
        .store
        .undo_corrections(&[content("photo").hash], "eve", at(7_000))
        .unwrap();
    let words: Vec<(Option<i64>, String, String)> = fixture
        .store
        .connection
        .prepare("SELECT label_id, corrected_by, undone_by FROM truths ORDER BY id")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let text = |text: &str| text.to_owned();
    assert_eq!(
        words,
        [
            (Some(3), text("anna"), text("ben")),
            (None, text("ben"), text("eve"))
        ]
    );
}

/// Taking a word back left none, though one had held before.
#[test]
fn a_word_tells_which_one_it_replaces() {
    let mut fixture = Fixture::new();
    fixture.apply(tagged("a.jpg", "photo", "a", 1));
    let dress = correction("photo", Some(3));
    for (word, before) in [
        (&dress, None),
        (&dress, Some(dress.truth)),
        (&correction("photo", None), Some(dress.truth)),
        (&dress, Some(Truth::Unknown)),
    ] {
        let replaced = fixture.store.correct_in_place_of(word, None);
        assert_eq!(replaced.unwrap(), before);
    }
    assert_eq!(row(&fixture, "a.jpg"), (Status::Corrected, Some(3)));
    assert_eq!(fixture.findings(), Vec::<String>::new());
}

/// Whoever took their word back took that of somebody else who had spoken since.
#[test]
fn a_word_takes_the_place_of_the_one_that_was_meant_alone() {
    let mut fixture = Fixture::new();
    fixture.apply(tagged("a.jpg", "photo", "a", 1));
    let hash = content("photo").hash;
    let (dress, unknown) = (correction("photo", Some(3)), correction("photo", None));
    let (is_dress, is_unknown) = (Some(dress.truth), Some(unknown.truth));
    let store = &mut fixture.store;
    assert_eq!(store.correct_in_place_of(&dress, is_unknown).unwrap(), None);
    assert_eq!(store.correct_in_place_of(&dress, None).unwrap(), None);
    let withdrawn = ("ben", at(9_000));
    for (instead_of, standing) in [(is_unknown, is_dress), (is_dress, is_dress), (is_dress, None)] {
        assert_eq!(
            store.undo_correction(&hash, instead_of, withdrawn).unwrap(),
            standing
        );
    }
    store.correct_in_place_of(&dress, None).unwrap();
    for (instead_of, standing) in [
        (is_unknown, is_dress),
        (is_dress, is_dress),
        (is_dress, is_unknown),
    ] {
        assert_eq!(store.correct_in_place_of(&unknown, instead_of).unwrap(), standing);
    }
    assert_eq!(row(&fixture, "a.jpg"), (Status::Corrected, None));
    assert_eq!(fixture.findings(), Vec::<String>::new());
}

#[test]
fn a_content_that_is_corrected_before_it_is_seen_shows_it_when_it_comes() {
    let mut fixture = Fixture::new();
    fixture
        .store
        .correct(&[correction("photo", Some(3)), correction("broken", None)])
        .unwrap();
    let listed = fixture.reader().corrections().unwrap();
    assert_eq!((listed.len(), listed[0].paths.len()), (2, 0));
    let applied = fixture.apply(tagged("a.jpg", "photo", "a", 1));
    assert_eq!((applied.new_images, applied.new_outcomes), (1, 1));
    fixture.apply(rejected("b.jpg", "broken", "a"));
    assert_eq!(row(&fixture, "a.jpg"), (Status::Corrected, Some(3)));
    assert_eq!(row(&fixture, "b.jpg"), (Status::Corrected, None));
    let found = fixture
        .reader()
        .correction_of(&content("photo").hash)
        .unwrap()
        .unwrap();
    assert_eq!(found.paths, [path("a.jpg")]);
    assert_eq!(
        (found.truth.label().unwrap().index(), found.by.as_str(), found.at),
        (3, "anna", at(5_000))
    );
    assert_eq!(
        fixture.reader().correction_of(&content("other").hash).unwrap(),
        None
    );
}

#[test]
fn no_answer_of_a_model_overwrites_a_persons_word() {
    let mut fixture = Fixture::new();
    fixture.apply(tagged("a.jpg", "photo", "a", 1));
    fixture.store.correct(&[correction("photo", Some(3))]).unwrap();
    for change in [
        tagged("a.jpg", "photo", "b", 7),
        tagged("twin.jpg", "photo", "b", 7),
        known("copy.jpg", "photo", "a"),
        moved("copy.jpg", "moved.jpg", "photo", "b"),
        moved("nowhere.jpg", "new.jpg", "photo", "b"),
        absent("twin.jpg"),
    ] {
        fixture.apply(change.clone());
        let not_so = "SELECT count(*) FROM files WHERE corrected_at_ms IS NOT 5000 OR label_id IS NOT 3";
        assert_eq!(fixture.number(not_so), 0, "{change:?}");
    }
    // The answer underneath is the newest one.
    assert_eq!(fixture.file("a.jpg").unwrap().model, Some(model("b")));
    fixture
        .store
        .undo_corrections(&[content("photo").hash], "anna", at(9_000))
        .unwrap();
    assert_eq!(row(&fixture, "a.jpg"), (Status::Review, Some(7)));
    assert_eq!(row(&fixture, "twin.jpg"), (Status::Review, Some(7)));
    // Other bytes under a corrected name are another photo.
    fixture.store.correct(&[correction("photo", Some(3))]).unwrap();
    fixture.apply(tagged("a.jpg", "replaced", "b", 5));
    assert_eq!(row(&fixture, "a.jpg"), (Status::Review, Some(5)));
    fixture.apply(unread("twin.jpg", RejectionReason::Unreadable));
    assert_eq!(row(&fixture, "twin.jpg"), (Status::Rejected, None));
}

#[test]
fn a_sweep_knows_a_corrected_file_by_the_model_underneath() {
    let mut fixture = Fixture::new();
    fixture.apply(tagged("a.jpg", "photo", "a", 1));
    fixture.store.correct(&[correction("photo", None)]).unwrap();
    let known = fixture.reader().known_file(&path("a.jpg")).unwrap().unwrap();
    assert_eq!(known.status, Status::Corrected);
    assert!(known.is_answered_by(&model("a")) && !known.is_answered_by(&model("b")));
}

#[test]
fn corrections_are_listed_page_by_page() {
    let mut fixture = Fixture::new();
    let names = ["a", "b", "c", "d", "e"];
    let words: Vec<_> = names.iter().map(|name| correction(name, Some(1))).collect();
    fixture.store.correct(&words).unwrap();
    let reader = fixture.reader();
    let all = reader.corrections().unwrap();
    assert_eq!(all.len(), 5);
    for limit in [1, 2, 4, 5, 9] {
        let (mut seen, mut after): (Vec<_>, Option<Cursor>) = (Vec::new(), None);
        loop {
            let page = reader.page_of_corrections(after.as_ref(), limit).unwrap();
            assert!(page.corrections.len() <= limit as usize);
            seen.extend(page.corrections);
            match page.next {
                Some(next) => after = Some(next.to_string().parse().unwrap()),
                None => break,
            }
        }
        assert_eq!(seen, all, "pages of {limit}, all of one moment");
    }
    // A place in a list of files is none in this one.
    let of_files = "t.9999999999999.1.9999".parse().unwrap();
    let page = reader.page_of_corrections(Some(&of_files), 9).unwrap();
    assert_eq!(page.corrections, all);
}

#[test]
fn corrections_are_counted_and_listed_oldest_first() {
    let mut fixture = Fixture::new();
    fixture.apply(tagged("a.jpg", "a", "a", 1));
    fixture.apply(tagged("b.jpg", "b", "a", 1));
    fixture.apply(known("gone.jpg", "b", "a"));
    fixture.apply(absent("gone.jpg"));
    fixture.apply(rejected("c.jpg", "c", "a"));
    fixture.apply(tagged("d.jpg", "d", "a", 3));
    let late = NewCorrection {
        at: at(8_000),
        ..correction("a", None)
    };
    fixture
        .store
        .correct(&[late, correction("b", Some(3)), correction("c", Some(3))])
        .unwrap();
    let reader = fixture.reader();
    let listed: Vec<_> = reader
        .corrections()
        .unwrap()
        .into_iter()
        .map(|row| row.hash)
        .collect();
    assert_eq!(listed, ["b", "c", "a"].map(|text| content(text).hash));
    let stats = reader.stats().unwrap();
    assert_eq!(
        (
            stats.tagged,
            stats.corrected,
            stats.rejected,
            stats.files_present,
            stats.files_absent
        ),
        (1, 3, 0, 4, 1)
    );
    let dresses = stats.by_label[3];
    assert_eq!((dresses.files, dresses.corrected), (3, 2));
    assert!((dresses.mean_confidence.unwrap() - 0.9).abs() < 1e-6);
    let history = reader
        .file_history(&path("a.jpg"))
        .unwrap()
        .unwrap()
        .content
        .unwrap();
    assert_eq!(history.correction.unwrap().truth, Truth::Unknown);
    assert_eq!(history.outcomes[0].status, Status::Review);
}

/// What can happen to three files of two contents.
#[derive(Debug, Clone)]
enum Step {
    Change(Change),
    Correct(NewCorrection),
    Undo(&'static str),
    Rollback(&'static str),
}

fn any_step() -> impl Strategy<Value = Step> {
    let text = || prop::sample::select(vec!["one", "two"]);
    let digit = || prop::sample::select(vec!["a", "b"]);
    prop_oneof![
        4 => changes::any_change().prop_map(Step::Change),
        1 => (text(), prop::option::of(0..3usize)).prop_map(|(t, label)| Step::Correct(correction(t, label))),
        1 => text().prop_map(Step::Undo),
        1 => digit().prop_map(Step::Rollback),
    ]
}

fn take(fixture: &mut Fixture, step: &Step) {
    match step {
        Step::Change(change) => {
            fixture.apply(change.clone());
        }
        Step::Correct(word) => {
            fixture.store.correct(std::slice::from_ref(word)).unwrap();
        }
        Step::Undo(text) => {
            let hash = content(text).hash;
            fixture
                .store
                .undo_corrections(&[hash], "anna", at(9_000))
                .unwrap();
        }
        Step::Rollback(digit) => {
            let mut after = Some(0);
            while let Some(here) = after {
                let portion = Portion {
                    after: here,
                    limit: 1,
                };
                after = fixture
                    .store
                    .take_known_outcomes(&model(digit), portion)
                    .unwrap()
                    .next;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever happens in whatever order: a file of a corrected content shows the truth and any other its model's
    /// outcome, files of one content agree, and the last step taken again changes nothing.
    #[test]
    fn files_show_the_truth_or_their_outcome(steps in prop::collection::vec(any_step(), 1..25)) {
        let mut fixture = Fixture::new();
        for step in &steps {
            take(&mut fixture, step);
        }
        let unlike_the_truth = fixture.number(
            "SELECT count(*) FROM files f JOIN images i ON i.id = f.image_id
             LEFT JOIN truths t ON t.content_hash = i.content_hash AND t.undone_at_ms IS NULL
             WHERE f.corrected_at_ms IS NOT t.corrected_at_ms OR (t.id IS NOT NULL AND f.label_id IS NOT t.label_id)");
        prop_assert_eq!(unlike_the_truth, 0);
        let unlike_its_outcome = fixture.number(
            "SELECT count(*) FROM files f JOIN outcomes o USING (image_id, model_id)
             WHERE f.corrected_at_ms IS NULL AND (f.label_id IS NOT o.label_id OR f.confidence IS NOT o.confidence
                OR f.reason IS NOT o.reason OR f.detail IS NOT o.detail OR f.tagged_at_ms IS NOT o.tagged_at_ms)");
        prop_assert_eq!(unlike_its_outcome, 0);
        let disagreeing = fixture.number(
            "SELECT count(*) FROM (SELECT 1 FROM files WHERE image_id IS NOT NULL GROUP BY image_id
                                   HAVING count(DISTINCT model_id) > 1)");
        prop_assert_eq!(disagreeing, 0);
        let dump = fixture.dump();
        take(&mut fixture, steps.last().unwrap());
        prop_assert_eq!(dump, fixture.dump());
        prop_assert!(fixture.findings().is_empty());
    }
}
