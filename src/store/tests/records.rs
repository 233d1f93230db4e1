//! Models, training runs, figures, and the views for plain SQL.

use super::*;
use serde_json::json;

#[test]
fn models_are_registered_once() {
    let mut fixture = Fixture::new();
    let mut again = new_model("a");
    again.manifest = json!({"changed": true});
    fixture.store.register_model(&again).unwrap();
    let models = fixture.reader().models().unwrap();
    let ids: Vec<_> = models.iter().map(|row| row.model.as_str()).collect();
    assert_eq!(ids, ["aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb"]);
    assert_eq!(
        (&models[0].manifest, &models[0].labels[9]),
        (&json!({}), &json!("Ankle boot"))
    );
    assert!(NewModel::new("abc", PreprocessingVersion(1), at(0)).is_err());
}

#[test]
fn a_run_is_on_record_from_start_to_end() {
    let mut fixture = Fixture::new();
    let run = fixture
        .store
        .start_run(&NewRun::by_command(at(1), json!({"epochs": 2})))
        .unwrap();
    let epoch = |epoch, loss| EpochRow {
        epoch,
        seconds: 8.0,
        loss,
        accuracy: 0.9,
        val_loss: 0.4,
        val_accuracy: 0.89,
    };
    fixture.store.add_epoch(run, &epoch(1, 0.5)).unwrap();
    fixture.store.add_epoch(run, &epoch(2, 0.7)).unwrap();
    fixture.store.add_epoch(run, &epoch(2, 0.3)).unwrap();
    let end = RunEnd {
        ended_at: at(9),
        state: RunState::Finished,
        figures: Some(json!({"test_accuracy": 0.93})),
        reason: None,
        bundle: Some("/runs/1/bundle".into()),
        model: None,
        verdict: None,
    };
    fixture.store.finish_run(run, &end).unwrap();
    assert!(matches!(
        fixture.store.finish_run(run, &end).unwrap_err(),
        StoreError::NoSuchRun { .. }
    ));
    assert!(fixture.store.add_epoch(run, &epoch(3, 0.1)).is_err());
    let runs = fixture.reader().runs(10).unwrap();
    assert_eq!(runs.len(), 1);
    assert_eq!(
        (runs[0].state, runs[0].ended_at, runs[0].bundle.as_deref()),
        (RunState::Finished, Some(at(9)), Some("/runs/1/bundle"))
    );
    assert_eq!(runs[0].epochs, [epoch(1, 0.5), epoch(2, 0.3)]);
    assert_eq!(runs[0].parameters["epochs"], 2);
}

#[test]
fn a_diverged_epoch_can_be_recorded() {
    let mut fixture = Fixture::new();
    let run = fixture
        .store
        .start_run(&NewRun::by_command(at(1), json!({})))
        .unwrap();
    let epoch = EpochRow {
        epoch: 1,
        seconds: 8.0,
        loss: f64::NAN,
        accuracy: 0.1,
        val_loss: f64::NAN,
        val_accuracy: 0.1,
    };
    fixture.store.add_epoch(run, &epoch).unwrap();
    assert!(fixture.reader().runs(1).unwrap()[0].epochs[0].loss.is_nan());
}

#[test]
fn figures_count_what_is_there() {
    let mut fixture = Fixture::new();
    fixture.apply(tagged("a.jpg", "a", "a", 3));
    fixture.apply(tagged("b.jpg", "b", "b", 3));
    fixture.apply(tagged("gone.jpg", "gone", "a", 3));
    fixture.apply(absent("gone.jpg"));
    fixture.apply(rejected("c.jpg", "c", "a"));
    fixture.apply(unread("d.jpg", RejectionReason::Unreadable));
    let stats = fixture.reader().stats().unwrap();
    assert_eq!(
        (stats.contents, stats.files_present, stats.files_absent),
        (4, 4, 1)
    );
    assert_eq!((stats.tagged, stats.rejected), (2, 2));
    assert_eq!(stats.by_label[3].files, 2);
    assert!((stats.by_label[3].mean_confidence.unwrap() - 0.9).abs() < 1e-6);
    assert_eq!(stats.by_label[0].mean_confidence, None);
    assert_eq!(
        stats.by_reason.into_iter().collect::<Vec<_>>(),
        [("corrupt".into(), 1), ("unreadable".into(), 1)]
    );
    assert_eq!(
        stats.by_model.iter().map(|model| model.files).collect::<Vec<_>>(),
        [2, 1]
    );
    assert_eq!(stats.last_tagged_at, Some(at(3_000)));
    let empty = Fixture::new().reader().stats().unwrap();
    assert_eq!((empty.files_present, empty.last_tagged_at), (0, None));
}

/// Columns and texts of the views are a promise to people with plain SQL.
#[test]
fn views_read_as_documented() {
    let mut fixture = Fixture::new();
    fixture.apply(tagged("a.jpg", "a", "a", 9));
    fixture.apply(known("b.jpg", "a", "a"));
    fixture.apply(tagged("a.jpg", "a", "b", 8));
    fixture.apply(absent("b.jpg"));
    fixture.apply(unread("d.jpg", RejectionReason::Unreadable));
    let rows = |sql: &str| -> Vec<Vec<String>> {
        let mut statement = fixture.store.connection.prepare(sql).unwrap();
        let columns = statement.column_count();
        let read = |row: &rusqlite::Row<'_>| {
            (0..columns)
                .map(|column| {
                    Ok(match row.get_ref(column)? {
                        rusqlite::types::ValueRef::Null => "NULL".into(),
                        rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                        rusqlite::types::ValueRef::Real(number) => format!("{number:.3}"),
                        rusqlite::types::ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
                        rusqlite::types::ValueRef::Blob(_) => "a blob".into(),
                    })
                })
                .collect()
        };
        statement
            .query_map([], read)
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap()
    };
    let hash = content("a").hash.to_string();
    assert_eq!(
        rows(
            "SELECT content_hash, paths, label, confidence, json_extract(scores, '$[9]'), model, device,
                  preprocessing, tagged_at, tagged_at_ms FROM tags ORDER BY model LIMIT 1"
        ),
        [[
            hash.as_str(),
            r#"["/shop/a.jpg","/shop/b.jpg"]"#,
            "Ankle boot",
            "0.900",
            "0.900",
            "aaaaaaaaaaaaaaaa",
            "cpu",
            "1",
            "1970-01-01T00:00:01.000Z",
            "1000"
        ]]
    );
    assert_eq!(
        rows(
            "SELECT path, present, content_hash, label, confidence, model, device, preprocessing, tagged_at,
                  tagged_at_ms, bytes, width, height, format, status FROM latest_tags WHERE path LIKE '%b.jpg'"
        ),
        [[
            "/shop/b.jpg",
            "0",
            hash.as_str(),
            "Bag",
            "0.900",
            "bbbbbbbbbbbbbbbb",
            "cpu",
            "1",
            "1970-01-01T00:00:01.000Z",
            "1000",
            "9",
            "3",
            "4",
            "png",
            "review"
        ]]
    );
    assert_eq!(
        rows("SELECT * FROM rejected"),
        [[
            "/shop/d.jpg",
            "1",
            "NULL",
            "unreadable",
            "permission denied",
            "NULL",
            "1970-01-01T00:00:03.000Z",
            "3000",
            "NULL"
        ]]
    );
    assert_eq!(rows("SELECT count(*) FROM tags")[0], ["2"]);
}

#[test]
fn views_show_corrections_and_service_as_documented() {
    let mut fixture = Fixture::new();
    fixture.apply(tagged("a.jpg", "a", "a", 9));
    fixture.apply(rejected("b.jpg", "b", "a"));
    fixture
        .store
        .correct(&[correction("a", Some(3)), correction("b", None)])
        .unwrap();
    let later = NewCorrection {
        at: at(6_000),
        ..correction("b", Some(1))
    };
    fixture.store.correct(&[later]).unwrap();
    let change = ServiceChange {
        model: model("a"),
        at: at(1_000),
        by: Actor::Start,
        reason: "the first one".into(),
        forced: Forced::No,
        verdict: None,
        instead_of: None,
    };
    fixture.store.put_in_service(&change).unwrap();
    let hash = content("b").hash.to_string();
    let words = |sql: &str| -> Vec<String> {
        let mut statement = fixture.store.connection.prepare(sql).unwrap();
        let lines = statement.query_map([], |row| row.get(0)).unwrap();
        lines.collect::<Result<_, _>>().unwrap()
    };
    assert_eq!(
        words("SELECT concat_ws(' ', path, label, coalesce(confidence, '-'), status, tagged_at_ms) FROM latest_tags
               ORDER BY path"),
        ["/shop/a.jpg Dress - corrected 5000", "/shop/b.jpg Trouser - corrected 6000"]
    );
    assert_eq!(words("SELECT path FROM rejected"), Vec::<String>::new());
    assert_eq!(
        words(&format!(
            "SELECT concat_ws(' ', paths, coalesce(label, '-'), corrected_by, corrected_at, coalesce(undone_at, '-'))
             FROM corrections WHERE content_hash = '{hash}' ORDER BY corrected_at_ms"
        )),
        [
            r#"["/shop/b.jpg"] - anna 1970-01-01T00:00:05.000Z 1970-01-01T00:00:06.000Z"#,
            r#"["/shop/b.jpg"] Trouser anna 1970-01-01T00:00:06.000Z -"#
        ]
    );
    assert_eq!(
        words(
            "SELECT concat_ws(' ', model, since, coalesce(until, '-'), put_by, forced, reason) FROM service"
        ),
        ["aaaaaaaaaaaaaaaa 1970-01-01T00:00:01.000Z - start 0 the first one"]
    );
}
