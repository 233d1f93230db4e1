//! Databases of older versions, brought up to date with all that is in them.

use super::*;
use rusqlite::Connection;

/// A released migration is never edited: stores out there have run it. A change goes into a new one.
#[test]
fn released_migrations_keep_their_text() {
    const RELEASED: [(&str, &str); 11] = [
        (
            "0001-store",
            "6640bc8db75641fccda5dfb8e29d373a5726b253666fbc1b319c56388c6294df",
        ),
        (
            "0002-rebuild",
            "dfdc18aa01c86bf6fced3600efe3893b21e877126fa7ca6616f2dc67bb555f6c",
        ),
        (
            "0003-trust",
            "166935e8b0d44a001cba8cc275f36f5bc4ecd5e8850d99635f1618a370f63cda",
        ),
        (
            "0004-older-sqlite",
            "2aa7d4921fa7ae10a62c06bedbd863dddc57b329d69c4e95e927f6160a63353f",
        ),
        (
            "0005-web",
            "6db0ef3c4929d2f3bb842f10441378219b16f0cbfb6145478180bcba95a45df6",
        ),
        (
            "0006-delivery",
            "7091e981185804bdec197ade54c3ffbbc575b1954d19c692e235cf5758f50ed8",
        ),
        (
            "0007-schedule",
            "ed45bd6cc10f4483752bdb9737b62f89c1f52bb3badbb802647ee19820b6ceb8",
        ),
        (
            "0008-corrections-read",
            "139358694ee8ebde5b81a8419666e813f80fcd04b9687303359f2d8c4cd2e88b",
        ),
        (
            "0009-due-times",
            "329a4b87f4e8345ea263641c15f11edab330762bef124e3727b226d5636d2746",
        ),
        (
            "0010-audit-order",
            "10a606e76b5a1a96c11f0a70a81b348050ed14bb7bb98f6a4040bfaaedc0f1c9",
        ),
        (
            "0011-cheaper-check",
            "462ae92f39c49158ecb31ddb78830804c91c1fb2ba3763a5bd26a87c614ab082",
        ),
    ];
    let texts = super::super::open::migration_texts();
    assert_eq!(texts.len(), RELEASED.len(), "a new migration gets its line here");
    for ((name, text), (released_name, released_hash)) in texts.iter().zip(RELEASED) {
        assert_eq!(name, released_name);
        assert_eq!(
            ContentHash::of(text.as_bytes()).to_string(),
            released_hash,
            "{name} was edited"
        );
        assert!(
            text.starts_with("-- ") && text.lines().next().unwrap().ends_with('?'),
            "{name}: first line"
        );
    }
}

/// A database as the first version left it: a tagged and a rejected content, one of them under two names, a file
/// that could not be read, and two runs.
fn database_of_schema_1(folder: &Path) -> PathBuf {
    let path = database(folder);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let connection = Connection::open(&path).unwrap();
    let (name, first) = &super::super::open::migration_texts()[0];
    assert_eq!(name, "0001-store");
    connection.execute_batch(first).unwrap();
    let (model, sha256) = ("a".repeat(16), "a".repeat(64));
    connection
        .execute_batch(&format!(
            "INSERT INTO models VALUES (1, '{model}', '{sha256}', 1, '[]', '{{}}', 7);
             INSERT INTO images VALUES (1, x'{hash}', 9, 'png', 3, 4, 10), (2, x'{other}', 9, NULL, NULL, NULL, 11);
             INSERT INTO outcomes VALUES
                 (1, 1, 3, 0.5, '[0,0,0,0.5,0,0,0,0,0,0]', 'cpu', NULL, NULL, 1, 100),
                 (2, 1, NULL, NULL, NULL, NULL, 'corrupt', 'broken', 1, 200);
             INSERT INTO files VALUES
                 (1, '/shop/a.jpg', 9, 5, -1, 1, NULL, 1, 1, 3, 0.5, NULL, NULL, 100),
                 (2, '/shop/b.jpg', 9, 5, -1, 0, 400, 1, 1, 3, 0.5, NULL, NULL, 100),
                 (4, '/shop/c.jpg', 9, 5, -1, 1, NULL, 2, 1, NULL, NULL, 'corrupt', 'broken', 200),
                 (9, '/shop/d.jpg', NULL, NULL, NULL, 1, NULL, NULL, NULL, NULL, NULL, 'unreadable', 'no', 300);
             INSERT INTO runs VALUES (1, 'finished', 1, 2, '{{\"seed\":1}}', '{{}}', NULL, '/runs/1/bundle'),
                 (2, 'running', 3, NULL, '{{}}', NULL, NULL, NULL);
             INSERT INTO run_epochs VALUES (1, 1, 8.0, 0.5, 0.9, NULL, 0.89), (2, 1, 8.0, 0.5, 0.9, 0.4, 0.89);
             PRAGMA user_version = 1;",
            hash = content("a").hash,
            other = content("c").hash,
        ))
        .unwrap();
    path
}

/// The same, brought up to an older version by the migrations of its time.
fn database_of_schema(version: usize, folder: &Path) -> (PathBuf, Connection) {
    let path = database_of_schema_1(folder);
    let connection = Connection::open(&path).unwrap();
    for (_, text) in &super::super::open::migration_texts()[1..version] {
        connection.execute_batch(text).unwrap();
    }
    connection
        .pragma_update(None, "user_version", version as i64)
        .unwrap();
    (path, connection)
}

#[test]
fn a_database_of_the_first_version_keeps_all_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let path = database_of_schema_1(folder.path());
    assert!(matches!(
        Reader::open(&path).unwrap_err(),
        StoreError::Outdated {
            found: 1,
            known: 11,
            ..
        }
    ));
    let fixture = Fixture {
        store: Store::open(&path, Durability::Full).unwrap(),
        folder,
    };
    let once = fixture.dump();
    drop(Store::open(&path, Durability::Full).unwrap());
    assert_eq!(once, fixture.dump(), "opening again changes nothing");
    assert_eq!(fixture.findings(), Vec::<String>::new());

    let row = fixture.file("a.jpg").unwrap();
    assert_eq!(
        (row.label.map(Label::index), row.status),
        (Some(3), Status::Review)
    );
    assert_eq!((row.tagged_at, row.scores.unwrap().top().1.get()), (at(100), 0.5));
    assert!(!fixture.file("b.jpg").unwrap().present);
    assert_eq!(fixture.file("c.jpg").unwrap().detail.as_deref(), Some("broken"));
    assert_eq!(
        fixture.file("d.jpg").unwrap().reason,
        Some(RejectionReason::Unreadable)
    );
    assert_eq!(
        fixture.number("SELECT max(id) FROM files"),
        9,
        "rows keep their numbers"
    );

    let models = fixture.reader().models().unwrap();
    assert_eq!(
        (models[0].state, models[0].state_since),
        (ModelState::Retired, at(7))
    );
    assert_eq!(fixture.reader().model_in_service().unwrap(), None);
    let runs = fixture.reader().runs(9).unwrap();
    assert_eq!(
        (runs[1].state, runs[1].trigger),
        (RunState::Finished, RunTrigger::Command)
    );
    assert_eq!(
        (runs[1].epochs.len(), runs[0].epochs.len()),
        (1, 1),
        "no epoch was lost with its table"
    );
    assert_eq!(runs[1].bundle.as_deref(), Some("/runs/1/bundle"));
}

#[test]
fn a_migrated_database_works_like_a_fresh_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = database_of_schema_1(folder.path());
    let schema = |connection: &Connection| -> Vec<String> {
        let mut statement = connection
            .prepare("SELECT type || ' ' || name || ': ' || coalesce(sql, '') FROM sqlite_schema ORDER BY 1")
            .unwrap();
        let lines = statement.query_map([], |row| row.get(0)).unwrap();
        lines.collect::<Result<_, _>>().unwrap()
    };
    let mut migrated = Fixture {
        store: Store::open(&path, Durability::Normal).unwrap(),
        folder,
    };
    assert_eq!(
        schema(&migrated.store.connection),
        schema(&Fixture::new().store.connection)
    );
    migrated.store.register_model(&new_model("b")).unwrap();
    migrated.apply(tagged("a.jpg", "a", "b", 7));
    migrated.store.correct(&[correction("c", Some(2))]).unwrap();
    assert_eq!(migrated.file("b.jpg").unwrap().label.map(Label::index), Some(7));
    assert_eq!(migrated.file("c.jpg").unwrap().status, Status::Corrected);
    migrated
        .store
        .connection
        .execute("DELETE FROM runs WHERE id = 1", [])
        .unwrap();
    assert_eq!(
        migrated.number("SELECT count(*) FROM run_epochs"),
        1,
        "epochs go with their run"
    );
}

/// A database as the second version left it: runs of every cause, a request that one of them took, a correction.
#[test]
fn a_database_of_the_second_version_keeps_all_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let (path, connection) = database_of_schema(2, folder.path());
    connection
        .execute_batch(&format!(
            "INSERT INTO runs (id, state, cause, started_at_ms, ended_at_ms, parameters, verdict)
                 VALUES (3, 'finished', 'person', 5, 6, '{{}}', '{{}}');
             INSERT INTO rebuild_requests VALUES (1, 4, 'anna', 5, 3), (2, 9, 'anna', NULL, NULL);
             INSERT INTO truths (content_hash, label_id, corrected_by, corrected_at_ms) VALUES (x'{hash}', 7, 'anna', 300);
             UPDATE files SET label_id = 7, confidence = NULL, tagged_at_ms = 300, corrected_at_ms = 300
                 WHERE image_id = 1;",
            hash = content("a").hash,
        ))
        .unwrap();
    drop(connection);
    let mut fixture = Fixture {
        store: Store::open(&path, Durability::Full).unwrap(),
        folder,
    };
    assert_eq!(fixture.findings(), Vec::<String>::new());
    let runs = fixture.reader().runs(9).unwrap();
    assert_eq!(
        (runs.len(), runs[0].trigger, runs[0].verdict.clone()),
        (3, RunTrigger::Person, Some(serde_json::json!({})))
    );
    let request = fixture.reader().open_rebuild_request().unwrap().unwrap();
    assert_eq!(request.asked_at, at(9));
    assert_eq!(
        fixture.number("SELECT run_id FROM rebuild_requests WHERE id = 1"),
        3
    );
    let corrected = fixture.file("a.jpg").unwrap();
    assert_eq!(
        (corrected.status, corrected.label.map(Label::index)),
        (Status::Corrected, Some(7))
    );
    assert_eq!(fixture.number("SELECT contents FROM daily_tags"), 1);
    fixture
        .store
        .undo_corrections(&[content("a").hash], "anna", at(900))
        .unwrap();
    let row = fixture.file("a.jpg").unwrap();
    assert_eq!(
        (row.status, row.label.map(Label::index), row.unknown),
        (Status::Review, Some(3), None)
    );
}

/// A database as the third version left it: times in service with a verdict and without, runs with figures and without,
/// a request that one of them took.
#[test]
fn a_database_of_the_third_version_keeps_all_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let (path, connection) = database_of_schema(3, folder.path());
    connection
        .execute_batch(
            "UPDATE models SET state = 'in_service';
             INSERT INTO service_history VALUES
                 (2, 1, 5, 6, 'start', 0, 'shipped', NULL), (5, 1, 7, NULL, 'gate', 1, 'better', '{\"a\":1}');
             INSERT INTO runs VALUES
                 (3, 'failed', 'drift', 4, 'f', 5, 6, '{\"seed\":3}', NULL, 'no disk', NULL, NULL, NULL),
                 (7, 'finished', 'person', NULL, 'g', 8, 9, '{}', '{}', NULL, '/b', 'bbbbbbbbbbbbbbbb', '{}');
             INSERT INTO run_epochs VALUES (7, 1, 8.0, NULL, 0.9, NULL, 0.89);
             INSERT INTO rebuild_requests VALUES (1, 4, 'anna', 5, 7), (2, 9, 'anna', NULL, NULL);",
        )
        .unwrap();
    let before = rows_that_are_copied(&connection);
    drop(connection);
    let fixture = Fixture {
        store: Store::open(&path, Durability::Full).unwrap(),
        folder,
    };
    let after = rows_that_are_copied(&fixture.store.connection);
    assert_eq!(after.len(), before.len());
    for (after, before) in after.iter().zip(&before) {
        // Columns may have come at the end.
        assert!(after.starts_with(before), "{after}, and before: {before}");
    }
    assert_eq!(fixture.findings(), Vec::<String>::new());
    let connection = &fixture.store.connection;
    let second_open = "INSERT INTO service_history VALUES (9, 1, 8, NULL, 'gate', 0, 'also', NULL)";
    assert!(
        connection.execute(second_open, []).is_err(),
        "one serves at a time"
    );
    let no_run = "UPDATE rebuild_requests SET run_id = 99 WHERE id = 1";
    assert!(connection.execute(no_run, []).is_err(), "requests name runs");
    let no_json = "UPDATE runs SET verdict = 'yes' WHERE id = 3";
    assert!(connection.execute(no_json, []).is_err(), "a verdict is JSON");
}

/// All that hangs on runs and times in service, as text.
fn rows_that_are_copied(connection: &Connection) -> Vec<String> {
    let tables = [
        "runs",
        "run_epochs",
        "rebuild_requests",
        "service_history",
        "service",
    ];
    let mut lines = Vec::new();
    for table in tables {
        let mut statement = connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| {
            let values = (0..columns).map(|column| row.get_ref(column).map(|value| format!("{value:?}")));
            values.collect::<Result<Vec<_>, _>>()
        });
        lines.extend(
            rows.unwrap()
                .map(|row| format!("{table}: {}", row.unwrap().join(" | "))),
        );
    }
    assert_eq!(lines.len(), 4 + 3 + 2 + 2 + 2);
    lines
}

/// Debian 12's sqlite3 (3.40), for which json_valid(NULL) is 0, found fault with healthy stores.
#[test]
fn constraints_mean_the_same_to_an_older_sqlite() {
    let fixture = Fixture::new();
    let connection = &fixture.store.connection;
    let mut statement = connection
        .prepare("SELECT sql FROM sqlite_schema WHERE type = 'table'")
        .unwrap();
    let tables = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let tables: Vec<_> = tables.map(Result::unwrap).collect();
    let constraints = tables.iter().flat_map(|sql| sql.lines());
    let constraints: Vec<_> = constraints.filter(|line| line.contains("json_valid")).collect();
    assert_eq!(constraints.len(), 7, "{constraints:#?}");
    for constraint in constraints {
        let says_of_null = ["NOT NULL", "IS NULL OR json_valid"].map(|words| constraint.contains(words));
        assert!(says_of_null.contains(&true), "{constraint}");
    }
}

/// A list in a constraint was made a table of, for each row that was written.
#[test]
fn to_check_a_row_makes_no_table() {
    let folder = tempfile::tempdir().unwrap();
    let path = database_of_schema_1(folder.path());
    drop(Store::open(&path, Durability::Normal).unwrap());
    let connection = Connection::open(&path).unwrap();
    for table in ["files", "outcomes"] {
        let mut statement = connection
            .prepare(&format!("EXPLAIN INSERT INTO {table} (certainty) VALUES (?1)"))
            .unwrap();
        let steps = statement.query_map([1], |row| row.get::<_, String>(1)).unwrap();
        let steps: Vec<_> = steps.map(Result::unwrap).collect();
        assert!(steps.contains(&"Halt".into()), "{table} has constraints");
        assert!(!steps.contains(&"OpenEphemeral".into()), "{table}: {steps:?}");
        let refused = |certainty: i64| {
            let text = format!("UPDATE {table} SET certainty = {certainty} WHERE certainty IS NOT NULL");
            connection.execute(&text, []).is_err()
        };
        assert_eq!([-1, 0, 1, 2, 3].map(refused), [true, false, false, false, true]);
    }
}

#[test]
fn two_that_migrate_at_once_do_not_get_in_each_others_way() {
    let folder = tempfile::tempdir().unwrap();
    let path = database_of_schema_1(folder.path());
    std::thread::scope(|scope| {
        let opening: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| Store::open(&path, Durability::Normal).map(|_| ())))
            .collect();
        for thread in opening {
            thread.join().unwrap().unwrap();
        }
    });
    assert_eq!(Reader::open(&path).unwrap().runs(9).unwrap().len(), 2);
}
