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
        .backup_blocking(&to, |aside| assert!(aside.is_dir()))
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
        .filter(|name| name.starts_with('.'))
        .collect();
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn a_backup_replaces_nothing_and_leaves_no_trace_when_it_fails() {
    let fixture = Fixture::new();
    let to = fixture.folder.path().join("precious");
    std::fs::write(&to, "precious").unwrap();
    let error = fixture.reader().backup_blocking(&to, |_| ()).unwrap_err();
    assert!(matches!(error, StoreError::BackupExists { .. }), "{error:?}");
    assert_eq!(std::fs::read_to_string(&to).unwrap(), "precious");
    let error = fixture
        .reader()
        .backup_blocking(&to.join("below a file"), |_| ())
        .unwrap_err();
    assert!(matches!(error, StoreError::Backup { .. }), "{error:?}");
    assert!(error.to_string().contains("below a file"), "{error}");
    assert_eq!(std::fs::read_dir(fixture.folder.path()).unwrap().count(), 2);
}

/// Each that was killed left a whole copy beside the backups, under another name each time, until their disk was full.
#[test]
fn what_killed_backups_left_is_removed_by_a_later_one() {
    let fixture = Fixture::new();
    let backups = tempfile::tempdir().unwrap();
    let left = |name: &str, hours: u64| {
        let folder = backups.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("copy"), "half").unwrap();
        let written = std::time::SystemTime::now() - std::time::Duration::from_secs(hours * 3600);
        std::fs::File::open(&folder)
            .unwrap()
            .set_modified(written)
            .unwrap();
    };
    for (name, hours) in [
        (".hangtag-backup-a", 25),
        (".hangtag-backup-b", 1),
        (".other", 25),
    ] {
        left(name, hours);
    }
    fixture
        .reader()
        .backup_blocking(&backups.path().join("copy.db"), |_| ())
        .unwrap();
    let entries = std::fs::read_dir(backups.path()).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, [".hangtag-backup-b", ".other", "copy.db"]);
}
