//! What each change does, and that doing it twice does no more.

use proptest::prelude::*;

use super::*;

#[test]
fn a_tag_comes_back_as_it_was_given() {
    let mut fixture = Fixture::new();
    let odd = Scores::new([
        0.1,
        1e-30,
        0.3333333,
        f32::MIN_POSITIVE,
        0.0,
        1.0,
        0.7,
        0.123_456_79,
        1e-7,
        0.5,
    ])
    .unwrap();
    let Change::Tagged {
        file,
        content,
        mut tag,
    } = tagged("a.jpg", "a", "a", 3)
    else {
        unreachable!()
    };
    tag.prediction = odd.into();
    tag.device = Device::Cuda;
    let applied = fixture.apply(Change::Tagged {
        file,
        content: content.clone(),
        tag,
    });
    assert_eq!(
        (applied.new_images, applied.new_outcomes, applied.unknown.len()),
        (1, 1, 0)
    );
    let row = fixture.file("a.jpg").unwrap();
    assert_eq!(row.scores, Some(odd));
    assert_eq!(row.label.unwrap().name(), "Sandal");
    assert_eq!(row.confidence.unwrap().get(), 1.0);
    assert_eq!(row.content_hash, Some(content.hash));
    assert_eq!(
        (row.status, row.device, row.model.unwrap()),
        (Status::Review, Some(Device::Cuda), model("a"))
    );
    assert_eq!(
        (row.bytes, row.width, row.height, row.format.as_deref()),
        (Some(9), Some(3), Some(4), Some("png"))
    );
    assert_eq!((row.present, row.tagged_at, row.reason), (true, at(1_000), None));
    let known = fixture.reader().known_file(&path("a.jpg")).unwrap().unwrap();
    assert_eq!(known.stamp, Some(sighting("a.jpg").stamp));
}

#[test]
fn json_of_a_row_names_its_labels() {
    let mut fixture = Fixture::new();
    fixture.apply(tagged("a.jpg", "a", "a", 9));
    fixture.apply(unread("b.jpg", RejectionReason::Unreadable));
    let json = serde_json::to_value(fixture.file("a.jpg").unwrap()).unwrap();
    assert_eq!(json["status"], "review");
    assert_eq!(json["scores"]["Ankle boot"].as_f64().unwrap() as f32, 0.9);
    assert_eq!(json["tagged_at"], "1970-01-01T00:00:01.000Z");
    let json = serde_json::to_value(fixture.file("b.jpg").unwrap()).unwrap();
    assert_eq!(
        (&json["reason"], &json["content_hash"]),
        (&"unreadable".into(), &serde_json::Value::Null)
    );
}

#[test]
fn each_change_twice_equals_once() {
    let changes = [
        tagged("new.jpg", "new", "a", 1),
        tagged("base.jpg", "other content", "a", 1),
        tagged("base.jpg", "base", "b", 2),
        rejected("new.jpg", "bad", "a"),
        unread("new.jpg", RejectionReason::Unreadable),
        unread("new.jpg", RejectionReason::Vanished),
        unread("base.jpg", RejectionReason::Vanished),
        known("copy.jpg", "base", "a"),
        known("copy.jpg", "never seen", "a"),
        moved("base.jpg", "moved.jpg", "base", "a"),
        moved("base.jpg", "twin.jpg", "base", "a"),
        moved("nowhere.jpg", "moved.jpg", "base", "a"),
        absent("base.jpg"),
        absent("nowhere.jpg"),
    ];
    for change in changes {
        let mut fixture = Fixture::new();
        fixture.apply(tagged("base.jpg", "base", "a", 1));
        fixture.apply(tagged("twin.jpg", "base", "a", 1));
        fixture.apply(change.clone());
        let once = fixture.dump();
        fixture.apply(change.clone());
        assert_eq!(once, fixture.dump(), "{change:?}");
        assert_eq!(fixture.findings(), Vec::<String>::new());
    }
}

#[test]
fn two_names_of_one_photo_are_one_content() {
    let mut fixture = Fixture::new();
    fixture.apply(tagged("a.jpg", "same", "a", 1));
    let applied = fixture.apply(known("b.jpg", "same", "a"));
    assert_eq!(
        applied,
        Applied {
            known_tagged: 1,
            ..Applied::default()
        }
    );
    let stats = fixture.reader().stats().unwrap();
    assert_eq!((stats.contents, stats.files_present), (1, 2));
    let (reader, hash) = (fixture.reader(), content("same").hash);
    assert_eq!(
        reader.places_it_may_have_left(&hash).unwrap(),
        [sighting("a.jpg"), sighting("b.jpg")]
    );
    assert!(reader.is_answered(&hash, &model("a")).unwrap());
    assert!(!reader.is_answered(&hash, &model("b")).unwrap());
    assert!(!reader.is_answered(&content("other").hash, &model("a")).unwrap());
}

/// Each copy rewrote the rows of all others under the write lock, and was preceded by a list of them.
#[test]
fn thousands_of_copies_cost_as_much_as_thousands_of_files() {
    const COPIES: usize = 2_000;
    let mut fixture = Fixture::new();
    fixture.apply(tagged("0.jpg", "same", "a", 1));
    let before = fixture.number("SELECT total_changes()");
    let copies: Vec<_> = (1..COPIES)
        .map(|number| known(&format!("{number}.jpg"), "same", "a"))
        .collect();
    fixture.store.apply(&copies).unwrap();
    let changed = fixture.number("SELECT total_changes()") - before;
    assert!(changed <= 2 * COPIES as i64, "{changed} rows");
    let gone: Vec<_> = (100..COPIES)
        .map(|number| Change::Absent {
            path: path(&format!("{number}.jpg")),
            at: at(number as i64),
        })
        .collect();
    fixture.store.apply(&gone).unwrap();
    fixture.apply(Change::Absent {
        path: path("7.jpg"),
        at: at(9_999),
    });
    let places = fixture
        .reader()
        .places_it_may_have_left(&content("same").hash)
        .unwrap();
    assert_eq!(places.len(), 16);
    let is_present = |place: &FileSighting| {
        let known = fixture.reader().known_file(&place.path).unwrap();
        known.unwrap().is_present
    };
    assert!(places[..8].iter().all(is_present));
    assert_eq!(places[8].path, path("7.jpg"), "the last that went");
    // Another model's answer is taken over by all of them.
    fixture.apply(tagged("0.jpg", "same", "b", 3));
    assert_eq!(
        fixture.number("SELECT count(*) FROM files WHERE label_id = 3"),
        COPIES as i64
    );
}

#[test]
fn the_first_outcome_of_a_content_and_model_stays() {
    let mut fixture = Fixture::new();
    fixture.apply(tagged("a.jpg", "same", "a", 1));
    let applied = fixture.apply(tagged("b.jpg", "same", "a", 7));
    assert_eq!((applied.new_images, applied.new_outcomes), (0, 0));
    assert_eq!(
        (label_of(&fixture, "a.jpg"), label_of(&fixture, "b.jpg")),
        (Some(1), Some(1))
    );
}

#[test]
fn an_outcome_of_a_new_model_moves_all_files_and_the_old_one_stays_as_history() {
    let mut fixture = Fixture::new();
    fixture.apply(tagged("a.jpg", "same", "a", 1));
    fixture.apply(known("b.jpg", "same", "a"));
    fixture.apply(absent("b.jpg"));
    fixture.apply(tagged("a.jpg", "same", "b", 7));
    assert_eq!(
        (label_of(&fixture, "a.jpg"), label_of(&fixture, "b.jpg")),
        (Some(7), Some(7))
    );
    assert!(
        !fixture.file("b.jpg").unwrap().present,
        "a new answer does not bring a file back"
    );
    let history = fixture
        .reader()
        .file_history(&path("a.jpg"))
        .unwrap()
        .unwrap()
        .content
        .unwrap();
    let labels: Vec<_> = history
        .outcomes
        .iter()
        .map(|outcome| outcome.label.unwrap().index())
        .collect();
    assert_eq!(labels, [1, 7]);
    assert_eq!(
        (history.present_paths, history.absent_paths),
        (vec![path("a.jpg")], vec![path("b.jpg")])
    );
    // Back to the first model: no inference, its outcome is still there.
    fixture.apply(known("a.jpg", "same", "a"));
    assert_eq!(
        (label_of(&fixture, "a.jpg"), label_of(&fixture, "b.jpg")),
        (Some(1), Some(1))
    );
}

#[test]
fn what_is_not_known_is_said_and_not_invented() {
    let mut fixture = Fixture::new();
    assert_eq!(fixture.apply(known("a.jpg", "a", "a")).unknown, [path("a.jpg")]);
    assert_eq!(
        fixture.apply(moved("a.jpg", "b.jpg", "a", "a")).unknown,
        [path("b.jpg")]
    );
    fixture.apply(tagged("a.jpg", "a", "a", 1));
    assert_eq!(fixture.apply(known("a.jpg", "a", "b")).unknown, [path("a.jpg")]);
    assert_eq!(fixture.reader().stats().unwrap().files_present, 1);
}

#[test]
fn other_content_at_a_path_replaces_its_answer() {
    let mut fixture = Fixture::new();
    fixture.apply(tagged("a.jpg", "first", "a", 1));
    fixture.apply(rejected("a.jpg", "second", "a"));
    let row = fixture.file("a.jpg").unwrap();
    assert_eq!(
        (row.status, row.reason, row.label),
        (Status::Rejected, Some(RejectionReason::Corrupt), None)
    );
    assert_eq!(row.content_hash, Some(content("second").hash));
    let first = fixture
        .reader()
        .history_of_content(&content("first").hash)
        .unwrap()
        .unwrap();
    assert_eq!((first.present_paths.len(), first.outcomes.len()), (0, 1));
}

/// Each sweep finds it once more: it stood on top of every list as the latest, and its first time was lost.
#[test]
fn a_file_that_stays_unreadable_keeps_the_time_when_that_was_found() {
    let mut fixture = Fixture::new();
    let found = |second: i64, detail: &str| {
        let mut change = unread("a.jpg", RejectionReason::Unreadable);
        if let Change::Unread {
            at: found_at,
            rejection,
            ..
        } = &mut change
        {
            *found_at = at(second * 1_000);
            rejection.detail = detail.into();
        }
        change
    };
    let time = |fixture: &Fixture| fixture.file("a.jpg").unwrap().tagged_at;
    fixture.apply(found(1, "permission denied"));
    fixture.apply(found(2, "permission denied"));
    assert_eq!(time(&fixture), at(1_000));
    fixture.apply(found(3, "input/output error"));
    assert_eq!(time(&fixture), at(3_000), "another trouble");
    fixture.apply(absent("a.jpg"));
    fixture.apply(found(5, "input/output error"));
    assert_eq!(time(&fixture), at(5_000), "it is there again");
    assert!(fixture.file("a.jpg").unwrap().present);
}

#[test]
fn an_unreadable_file_that_becomes_readable_is_tagged() {
    let mut fixture = Fixture::new();
    fixture.apply(unread("a.jpg", RejectionReason::Unreadable));
    let row = fixture.file("a.jpg").unwrap();
    assert_eq!(
        (row.content_hash, row.model, row.status, row.present),
        (None, None, Status::Rejected, true)
    );
    assert!(
        fixture
            .reader()
            .file_history(&path("a.jpg"))
            .unwrap()
            .unwrap()
            .content
            .is_none()
    );
    fixture.apply(tagged("a.jpg", "a", "a", 4));
    assert_eq!(label_of(&fixture, "a.jpg"), Some(4));
    assert_eq!(fixture.file("a.jpg").unwrap().detail, None);
}

/// Rejected as too large, then tagged under a higher limit, it had no size for ever.
#[test]
fn what_can_be_decoded_by_now_has_its_format_and_size() {
    let mut fixture = Fixture::new();
    let mut change = rejected("a.jpg", "a", "a");
    if let Change::Rejected { content, .. } = &mut change {
        (content.format, content.size_px) = (None, None);
    }
    fixture.apply(change);
    let format = |fixture: &Fixture| {
        let history = fixture.reader().history_of_content(&content("a").hash);
        let content = history.unwrap().unwrap();
        (content.format, content.width, content.height)
    };
    assert_eq!(format(&fixture), (None, None, None));
    fixture.apply(tagged("a.jpg", "a", "b", 3));
    assert_eq!(format(&fixture), (Some("png".into()), Some(3), Some(4)));
}

#[test]
fn a_vanished_file_is_absent_and_keeps_what_was_known() {
    let mut fixture = Fixture::new();
    fixture.apply(tagged("known.jpg", "a", "a", 4));
    fixture.apply(unread("known.jpg", RejectionReason::Vanished));
    fixture.apply(unread("new.jpg", RejectionReason::Vanished));
    let row = fixture.file("known.jpg").unwrap();
    assert_eq!((row.present, row.label.map(Label::index)), (false, Some(4)));
    let row = fixture.file("new.jpg").unwrap();
    assert_eq!(
        (row.present, row.reason),
        (false, Some(RejectionReason::Vanished))
    );
}

#[test]
fn a_removed_file_keeps_its_tags_and_the_time_it_was_first_missed() {
    let mut fixture = Fixture::new();
    fixture.apply(tagged("a.jpg", "a", "a", 4));
    fixture.apply(absent("a.jpg"));
    fixture.apply(Change::Absent {
        path: path("a.jpg"),
        at: at(9_999),
    });
    let history = fixture.reader().file_history(&path("a.jpg")).unwrap().unwrap();
    assert_eq!(
        (history.absent_at, history.file.present),
        (Some(at(4_000)), false)
    );
    assert_eq!(label_of(&fixture, "a.jpg"), Some(4));
    fixture.apply(known("a.jpg", "a", "a"));
    let history = fixture.reader().file_history(&path("a.jpg")).unwrap().unwrap();
    assert_eq!((history.absent_at, history.file.present), (None, true));
}

#[test]
fn present_files_are_paged_in_path_order() {
    let mut fixture = Fixture::new();
    for name in [
        "in/b.jpg",
        "in/a.jpg",
        "in/c/d.jpg",
        "in-other/x.jpg",
        "in/gone.jpg",
    ] {
        fixture.apply(tagged(name, name, "a", 1));
    }
    fixture.apply(absent("in/gone.jpg"));
    let reader = fixture.reader();
    let page = |after: Option<&InventoryPath>| -> Vec<String> {
        let page = reader.present_files_under(&path("in"), after, 2).unwrap();
        page.into_iter().map(|path| path.to_string()).collect()
    };
    assert_eq!(page(None), ["/shop/in/a.jpg", "/shop/in/b.jpg"]);
    assert_eq!(page(Some(&path("in/b.jpg"))), ["/shop/in/c/d.jpg"]);
    assert_eq!(page(Some(&path("in/c/d.jpg"))), Vec::<String>::new());
    let root = InventoryPath::from_stored("/".into());
    assert_eq!(reader.present_files_under(&root, None, 10).unwrap().len(), 4);
}

#[test]
fn half_a_record_is_impossible() {
    let mut fixture = Fixture::new();
    fixture.apply(tagged("a.jpg", "a", "a", 4));
    fixture.apply(rejected("b.jpg", "b", "a"));
    for sql in [
        "UPDATE files SET label_id = NULL",
        "UPDATE files SET reason = 'corrupt'",
        "UPDATE files SET confidence = 1.5 WHERE label_id = 4",
        "UPDATE files SET image_id = NULL WHERE label_id = 4",
        "UPDATE files SET image_id = 99, model_id = 1",
        "UPDATE files SET is_present = 0",
        "UPDATE files SET size = NULL",
        "UPDATE files SET corrected_at_ms = 1",
        "UPDATE files SET corrected_at_ms = 1, confidence = NULL WHERE label_id = 4",
        "UPDATE files SET certainty = NULL WHERE label_id = 4",
        "UPDATE files SET certainty = 1 WHERE reason IS NOT NULL",
        "UPDATE files SET certainty = 3 WHERE label_id = 4",
        "UPDATE outcomes SET certainty = NULL WHERE label_id = 4",
        "UPDATE outcomes SET unknown = 0.5 WHERE reason IS NOT NULL",
        "UPDATE outcomes SET unknown = 1.5 WHERE label_id = 4",
        "UPDATE outcomes SET scores = NULL",
        "UPDATE outcomes SET scores = '[1,2]' WHERE label_id = 4",
        "UPDATE outcomes SET device = 'tpu' WHERE label_id = 4",
        "UPDATE outcomes SET detail = NULL WHERE reason IS NOT NULL",
        "UPDATE images SET content_hash = x'00'",
        "DELETE FROM outcomes",
        "DELETE FROM images",
        "DELETE FROM models",
    ] {
        assert!(fixture.store.connection.execute(sql, []).is_err(), "{sql}");
    }
}

/// Any change over a few paths, contents and models.
pub(super) fn any_change() -> impl Strategy<Value = Change> {
    let name = || prop::sample::select(vec!["a.jpg", "b.jpg", "c/d.jpg"]);
    let text = || prop::sample::select(vec!["one", "two"]);
    let digit = || prop::sample::select(vec!["a", "b"]);
    prop_oneof![
        (name(), text(), digit(), 0..LABEL_COUNT).prop_map(|(n, t, d, label)| tagged(n, t, d, label)),
        (name(), text(), digit()).prop_map(|(n, t, d)| rejected(n, t, d)),
        name().prop_map(|n| unread(n, RejectionReason::Unreadable)),
        name().prop_map(|n| unread(n, RejectionReason::Vanished)),
        (name(), text(), digit()).prop_map(|(n, t, d)| known(n, t, d)),
        (name(), name(), text(), digit()).prop_map(|(from, to, t, d)| moved(from, to, t, d)),
        name().prop_map(absent),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever comes in whatever order: files of one content agree, the last change applied again changes
    /// nothing, one batch equals many, and nothing refers to what is not there.
    #[test]
    fn files_of_one_content_always_agree(changes in prop::collection::vec(any_change(), 1..20)) {
        let mut one_batch = Fixture::new();
        one_batch.store.apply(&changes).unwrap();
        let mut fixture = Fixture::new();
        for change in &changes {
            fixture.apply(change.clone());
        }
        let dump = fixture.dump();
        prop_assert_eq!(&dump, &one_batch.dump());
        fixture.apply(changes.last().unwrap().clone());
        prop_assert_eq!(dump, fixture.dump());
        let disagreeing: i64 = fixture.store.connection.query_row(
            "SELECT count(*) FROM (SELECT image_id FROM files WHERE image_id IS NOT NULL GROUP BY image_id
             HAVING count(DISTINCT model_id) > 1 OR count(DISTINCT coalesce(label_id, reason)) > 1)
             ", [], |row| row.get(0)).unwrap();
        prop_assert_eq!(disagreeing, 0);
        let unlike_its_outcome: i64 = fixture.store.connection.query_row(
            "SELECT count(*) FROM files f JOIN outcomes o USING (image_id, model_id)
             WHERE f.label_id IS NOT o.label_id OR f.confidence IS NOT o.confidence OR f.reason IS NOT o.reason
                OR f.detail IS NOT o.detail OR f.tagged_at_ms IS NOT o.tagged_at_ms OR f.certainty IS NOT o.certainty",
            [], |row| row.get(0)).unwrap();
        prop_assert_eq!(unlike_its_outcome, 0);
        prop_assert!(fixture.findings().is_empty());
    }
}
