//! Opens the database: the one read-write connection of a process, or one of many that only read.
//!
//! In: the database's path and how much a power failure may take. Out: a connection at the schema this program
//! knows. Never: a changed file where the file is of another program or of a newer hangtag.

use std::path::Path;
use std::time::{Duration, Instant};

use include_dir::{Dir, include_dir};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use rusqlite_migration::Migrations;

use super::error::StoreError;
use crate::durable;

/// How long a write waits for another process's write: a command's write takes milliseconds, a daemon's batch
/// tens of them; whoever holds the lock for longer is stuck.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two attempts to open where SQLite does not wait by itself.
const REOPEN_PAUSE: Duration = Duration::from_millis(5);
/// 'hang' in the file's header, so that `file` and hangtag itself can tell whose database it is.
pub(super) const APPLICATION_ID: i64 = 0x6861_6e67;
/// Pages of 4 KiB in the write-ahead log before a commit copies them into the database: 64 MiB. The default of
/// 1,000 would copy after every second batch of 256; a longer log meets the same index pages again and again and
/// copies each once.
const CHECKPOINT_PAGES: i64 = 16_384;
/// The log is cut to this size once it is copied, so that one burst does not hold the disk for good.
const MAX_IDLE_LOG_BYTES: i64 = 64 << 20;
/// Page cache of the writer: the content-hash and confidence indexes are hit at random.
const WRITER_CACHE_KIB: i64 = 16 << 10;
/// Page cache of a reader: pages mostly come from the mapped file.
const READER_CACHE_KIB: i64 = 2 << 10;
/// Prepared statements that are kept; the store knows about fifty.
const STATEMENTS_KEPT: usize = 64;

static MIGRATION_FOLDER: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/migrations");

/// What a power failure may take. The database is whole in either case, and a killed process loses nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Nothing that was committed: each commit waits for the disk.
    #[default]
    Full,
    /// The last commits; the sweep finds their files again.
    Normal,
}

/// What becomes of a writer whose database is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IfAbsent {
    /// It is made, and its folder: for whoever begins a store.
    Make,
    /// Nothing is made: what is written to a store that nobody looks into would be lost.
    Refuse,
}

/// How a reader gets at pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PageAccess {
    /// Copied page by page: little memory, for the readers of a daemon.
    #[default]
    Copied,
    /// The file is mapped: whole-table questions are faster, and the pages count as the process's own.
    Mapped,
}

/// The newest schema that this program knows.
pub(super) fn newest_schema() -> i64 {
    MIGRATION_FOLDER.dirs().count() as i64
}

/// Opens for writing; brings an older schema up to date.
pub(super) fn writer(
    path: &Path,
    durability: Durability,
    if_absent: IfAbsent,
) -> Result<Connection, StoreError> {
    let since = Instant::now();
    let mut go_on = || {
        std::thread::sleep(REOPEN_PAUSE);
        since.elapsed() < BUSY_TIMEOUT
    };
    patient_writer(path, (durability, if_absent), &mut go_on)
}

/// SQLite waits for other processes by itself, except where it might wait for ever: two that both turn a fresh file
/// to write-ahead logging, or one that opens while the last other one closes. Then `go_on` waits, or gives up.
pub(super) fn patient_writer(
    path: &Path,
    manner: (Durability, IfAbsent),
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Connection, StoreError> {
    loop {
        match one_attempt(path, manner) {
            Err(StoreError::Busy { .. }) if go_on() => {}
            opened => return opened,
        }
    }
}

fn one_attempt(
    path: &Path,
    (durability, if_absent): (Durability, IfAbsent),
) -> Result<Connection, StoreError> {
    const OPERATION: &str = "open the tag database";
    let of = |source| StoreError::of(OPERATION, path, source);
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    match if_absent {
        IfAbsent::Make => {
            let made = std::fs::create_dir_all(durable::folder_of(path));
            made.map_err(|error| cannot_open(OPERATION, path, &error))?;
            flags |= OpenFlags::SQLITE_OPEN_CREATE;
        }
        IfAbsent::Refuse => must_exist(OPERATION, path)?,
    }
    let mut connection = Connection::open_with_flags(path, flags).map_err(of)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(of)?;
    check_owner(&connection, path)?;
    let synchronous = match durability {
        Durability::Full => "FULL",
        Durability::Normal => "NORMAL",
    };
    set_up_writer(&mut connection, synchronous).map_err(of)?;
    migrate(&mut connection, path)?;
    Ok(connection)
}

/// Opens for reading; several can read while one writes, and none of them holds the writer up.
pub(super) fn reader(path: &Path, access: PageAccess) -> Result<Connection, StoreError> {
    const OPERATION: &str = "open the tag database for reading";
    let of = |source| StoreError::of(OPERATION, path, source);
    must_exist(OPERATION, path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(of)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(of)?;
    let found = check_owner(&connection, path)?;
    if found < newest_schema() {
        return Err(StoreError::Outdated {
            path: path.to_owned(),
            found,
            known: newest_schema(),
        });
    }
    set_up_reader(&connection, access).map_err(of)?;
    Ok(connection)
}

/// A database that is not there is another thing than one that this user may not see.
fn must_exist(operation: &'static str, path: &Path) -> Result<(), StoreError> {
    match path.try_exists() {
        Ok(true) => Ok(()),
        Ok(false) => Err(StoreError::Missing {
            path: path.to_owned(),
        }),
        Err(error) => Err(cannot_open(operation, path, &error)),
    }
}

fn cannot_open(operation: &'static str, path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::CannotOpen {
        operation,
        path: path.to_owned(),
        detail: error.to_string(),
    }
}

/// Refuses files of other programs and of newer versions; returns the schema version, 0 for a fresh file.
fn check_owner(connection: &Connection, path: &Path) -> Result<i64, StoreError> {
    let of = |source| StoreError::of("read the header of the tag database", path, source);
    let number = |pragma: &str| {
        connection
            .pragma_query_value(None, pragma, |row| row.get::<_, i64>(0))
            .map_err(of)
    };
    // One snapshot for all three: another process may be making the tables right now.
    let snapshot = connection.unchecked_transaction().map_err(of)?;
    let application_id = number("application_id")?;
    let found = number("user_version")?;
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(of)?;
    snapshot.finish().map_err(of)?;
    let is_fresh = application_id == 0 && tables == 0;
    if application_id != APPLICATION_ID && !is_fresh {
        return Err(StoreError::Foreign {
            path: path.to_owned(),
            application_id,
        });
    }
    if found > newest_schema() {
        return Err(StoreError::Newer {
            path: path.to_owned(),
            found,
            known: newest_schema(),
        });
    }
    Ok(found)
}

fn set_up_writer(connection: &mut Connection, synchronous: &str) -> rusqlite::Result<()> {
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", CHECKPOINT_PAGES, |_| Ok(()))?;
    connection.pragma_update_and_check(None, "journal_size_limit", MAX_IDLE_LOG_BYTES, |_| Ok(()))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    connection.set_transaction_behavior(TransactionBehavior::Immediate);
    Ok(())
}

fn set_up_reader(connection: &Connection, access: PageAccess) -> rusqlite::Result<()> {
    connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    if access == PageAccess::Mapped {
        connection.pragma_update_and_check(None, "mmap_size", i64::from(i32::MAX), |_| Ok(()))?;
    }
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    Ok(())
}

/// Brings the schema up to date; harmless where it is already.
fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let of = |source| StoreError::Migration {
        path: path.to_owned(),
        source,
    };
    let migrations = Migrations::from_directory(&MIGRATION_FOLDER).map_err(of)?;
    match migrations.to_latest(connection) {
        Ok(()) => Ok(()),
        // Two processes that open a fresh store at once both see the old version; the second then finds the
        // tables made. What counts is that the schema is there.
        Err(_) if check_owner(connection, path)? == newest_schema() => Ok(()),
        Err(rusqlite_migration::Error::RusqliteError { err, .. }) if err.sqlite_error_code().is_some() => {
            Err(StoreError::of("bring the tag database up to date", path, err))
        }
        Err(source) => Err(of(source)),
    }
}

#[cfg(test)]
pub(super) fn migration_texts() -> Vec<(String, String)> {
    let mut texts: Vec<_> = MIGRATION_FOLDER
        .dirs()
        .map(|folder| {
            let name = folder.path().display().to_string();
            let up = folder.get_file(folder.path().join("up.sql")).unwrap();
            (name, up.contents_utf8().unwrap().to_owned())
        })
        .collect();
    texts.sort();
    texts
}
