//! Copies of a store in use.

use super::*;

#[test]
fn a_backup_of_a_store_in_use_is_whole_and_of_one_moment() {
    let mut fixture = Fixture::new();
    fixture.apply(tagged("a.jpg", "a", "a", 1));
    let to = fixture.folder.path().join("backups").join("copy.db");
    // Held open: the copy sees what is committed, and does not wait.
    let transaction = fixture.store.connection.transaction().unwrap();
    transaction.execute("DELETE FROM files", []).unwrap();
    Reader::open(&database(fixture.folder.path()))
        .unwrap()
        .backup_blocking(&to)
        .unwrap();
    transaction.rollback().unwrap();
    fixture.apply(tagged("b.jpg", "b", "a", 1));
    let copy = Fixture {
        store: Store::open(&to, Durability::Full).unwrap(),
        folder: tempfile::tempdir().unwrap(),
    };
    assert_eq!(copy.findings(), Vec::<String>::new());
    assert_eq!(copy.number("SELECT count(*) FROM files"), 1);
    drop(copy);
    let left: Vec<_> = std::fs::read_dir(to.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(".aside-"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn a_backup_replaces_nothing_and_leaves_no_trace_when_it_fails() {
    let fixture = Fixture::new();
    let to = fixture.folder.path().join("precious");
    std::fs::write(&to, "precious").unwrap();
    let error = fixture.reader().backup_blocking(&to).unwrap_err();
    assert!(matches!(error, StoreError::BackupExists { .. }), "{error:?}");
    assert_eq!(std::fs::read_to_string(&to).unwrap(), "precious");
    let error = fixture
        .reader()
        .backup_blocking(&to.join("below a file"))
        .unwrap_err();
    assert!(matches!(error, StoreError::Backup { .. }), "{error:?}");
    assert!(error.to_string().contains("below a file"), "{error}");
    assert_eq!(std::fs::read_dir(fixture.folder.path()).unwrap().count(), 2);
}
