//! Opening, migrating, and what happens when something is in the way.

use super::*;
use rusqlite::Connection;

#[test]
fn opening_twice_is_harmless() {
    let mut fixture = Fixture::new();
    fixture.apply(tagged("a.jpg", "a", "a", 1));
    let before = fixture.dump();
    let again = Store::open(&fixture.path(), Durability::Full).unwrap();
    assert_eq!(before, fixture.dump());
    assert_eq!(
        super::super::backup::findings(&again.connection).unwrap(),
        Vec::<String>::new()
    );
}

#[test]
fn a_fresh_store_can_be_opened_by_many_at_once() {
    let folder = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        let opening: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| Store::open(&database(folder.path()), Durability::Normal).map(|_| ())))
            .collect();
        for thread in opening {
            thread.join().unwrap().unwrap();
        }
    });
}

/// Seen on a busy machine: of four that opened a fresh file at once, one was told "busy" without any waiting.
#[test]
fn a_file_that_is_being_made_by_another_is_waited_for() {
    use super::super::open::{IfAbsent, patient_writer};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hangtag.db");
    let manner = (Durability::Full, IfAbsent::Make);
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = patient_writer(&path, manner, &mut || false).unwrap_err();
    assert!(matches!(error, StoreError::Busy { .. }), "{error:?}");
    let mut waits = 0;
    let mut let_go = || {
        waits += 1;
        other.execute_batch("ROLLBACK").is_ok()
    };
    patient_writer(&path, manner, &mut let_go).unwrap();
    assert_eq!(waits, 1);
}

#[test]
fn a_full_disk_is_said_keeps_the_state_and_passes() {
    let mut fixture = Fixture::new();
    fixture.apply(tagged("a.jpg", "a", "a", 1));
    let before = fixture.dump();
    fixture.store.limit_growth(Some(2));
    let many: Vec<Change> = (0..500)
        .map(|n| tagged(&format!("{n}.jpg"), &n.to_string(), "a", 1))
        .collect();
    let error = fixture.store.apply(&many).unwrap_err();
    assert_eq!(error.severity(), Severity::Retry);
    let text = error.to_string();
    assert!(
        text.contains("disk is full") && text.contains("hangtag.db") && text.contains("make room"),
        "{text}"
    );
    // "hangtag repeats the write" was said of commands, which had ended.
    assert!(text.contains("a command has to be given again"), "{text}");
    assert_eq!(before, fixture.dump());
    assert!(fixture.store.apply(&many).is_err());
    fixture.store.limit_growth(None);
    assert_eq!(fixture.store.apply(&many).unwrap().new_images, 500);
    assert_eq!(fixture.findings(), Vec::<String>::new());
}

#[test]
fn what_is_no_database_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hangtag.db");
    let text = "this is a shopping list, and it is longer than a hundred bytes ".repeat(20);
    std::fs::write(&path, &text).unwrap();
    let error = Store::open(&path, Durability::Full).unwrap_err();
    assert!(matches!(error, StoreError::NotADatabase { .. }), "{error:?}");
    assert_eq!(error.severity(), Severity::Fatal);
    assert!(matches!(
        Reader::open(&path).unwrap_err(),
        StoreError::NotADatabase { .. }
    ));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn a_database_of_another_program_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hangtag.db");
    Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE songs (name TEXT)")
        .unwrap();
    let before = std::fs::read(&path).unwrap();
    let error = Store::open(&path, Durability::Full).unwrap_err();
    assert!(matches!(error, StoreError::Foreign { .. }), "{error:?}");
    assert_eq!(before, std::fs::read(&path).unwrap());
}

#[test]
fn a_newer_schema_is_refused() {
    let fixture = Fixture::new();
    fixture
        .store
        .connection
        .pragma_update(None, "user_version", 99)
        .unwrap();
    for error in [
        Store::open(&fixture.path(), Durability::Full).unwrap_err(),
        Reader::open(&fixture.path()).unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::Newer { found: 99, .. }), "{error:?}");
        assert!(error.to_string().contains("newer hangtag"), "{error}");
    }
}

#[test]
fn one_that_must_exist_is_not_made_and_is_opened_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = database(folder.path());
    let open = || Store::open_existing(&path, Durability::Full);
    let error = open().unwrap_err();
    assert!(matches!(error, StoreError::Missing { .. }), "{error:?}");
    assert!(!path.parent().unwrap().exists());
    drop(Store::open(&path, Durability::Full).unwrap());
    open().unwrap();
}

#[test]
fn a_reader_does_not_migrate_and_does_not_create() {
    let folder = tempfile::tempdir().unwrap();
    let path = database(folder.path());
    assert!(matches!(
        Reader::open(&path).unwrap_err(),
        StoreError::Missing { .. }
    ));
    assert!(!path.exists());
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, "").unwrap();
    assert!(matches!(
        Reader::open(&path).unwrap_err(),
        StoreError::Outdated { found: 0, .. }
    ));
}

#[test]
fn a_folder_that_cannot_be_is_said() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("data"), "a file where the folder should be").unwrap();
    let path = database(folder.path());
    // Nobody can tell whether it is there: nothing that starting a service would mend.
    for error in [
        Store::open(&path, Durability::Full).unwrap_err(),
        Store::open_existing(&path, Durability::Full).unwrap_err(),
        Reader::open(&path).unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::CannotOpen { .. }), "{error:?}");
        assert!(error.to_string().contains("data/hangtag.db"), "{error}");
    }
}

#[test]
fn a_reader_cannot_write() {
    let fixture = Fixture::new();
    let error = fixture
        .reader()
        .connection
        .execute("DELETE FROM models", [])
        .unwrap_err();
    assert_eq!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::ReadOnly));
}

#[test]
fn two_writers_take_turns() {
    const BATCHES: usize = 40;
    let fixture = Fixture::new();
    let database = fixture.path();
    std::thread::scope(|scope| {
        let writers: Vec<_> = ["left", "right"]
            .into_iter()
            .map(|name| {
                let database = &database;
                scope.spawn(move || {
                    let mut store = Store::open(database, Durability::Normal).unwrap();
                    for batch in 0..BATCHES {
                        // Reads before it writes: in a deferred transaction this fails at once.
                        let changes: Vec<_> = (0..8)
                            .flat_map(|n| {
                                let own = format!("{name}-{batch}-{n}");
                                [
                                    tagged(&own, &own, "a", 1),
                                    known(&format!("{own}-copy"), &own, "a"),
                                ]
                            })
                            .collect();
                        store.apply(&changes).unwrap();
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
    });
    let count = fixture
        .reader()
        .count_files_matching(&FileQuery::default())
        .unwrap();
    assert_eq!(count as usize, 2 * BATCHES * 16);
}

#[test]
fn a_batch_is_all_or_nothing() {
    let mut fixture = Fixture::new();
    let before = fixture.dump();
    let error = fixture
        .store
        .apply(&[tagged("a.jpg", "a", "a", 1), tagged("b.jpg", "b", "c", 1)])
        .unwrap_err();
    assert!(
        matches!(&error, StoreError::UnknownModel { model, .. } if model == "cccccccccccccccc"),
        "{error:?}"
    );
    assert_eq!(before, fixture.dump());
}

#[test]
fn a_reader_sees_only_what_is_committed_and_the_log_is_emptied() {
    let mut fixture = Fixture::new();
    let reader = fixture.reader();
    let transaction = fixture.store.connection.transaction().unwrap();
    transaction
        .execute(
            "INSERT INTO runs (state, cause, started_at_ms, parameters) VALUES ('running', 'command', 1, '{}')",
            [],
        )
        .unwrap();
    assert_eq!(reader.stats().unwrap().runs, 0);
    transaction.commit().unwrap();
    assert_eq!(reader.stats().unwrap().runs, 1);
    fixture.store.checkpoint().unwrap();
    let log = fixture.path().with_extension("db-wal");
    assert_eq!(std::fs::metadata(log).unwrap().len(), 0);
}

/// A long answer to somebody else held the writer up for as long as it waits for locks.
#[test]
fn no_checkpoint_waits_for_a_reader() {
    let mut fixture = Fixture::new();
    let reader = fixture.reader();
    let since = std::time::Instant::now();
    reader
        .at_one_moment("read for long", || {
            reader.models()?;
            fixture.apply(tagged("a.jpg", "a", "a", 1));
            fixture.store.checkpoint_beside_others()?;
            fixture.store.checkpoint()
        })
        .unwrap();
    assert!(since.elapsed() < BUSY_TIMEOUT);
}
