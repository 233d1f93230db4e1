//! A consistent copy of a database in use.
//!
//! In: a path where nothing is yet. Out: a database that was opened and checked, or an error and no trace (what was killed
//! at it leaves a hidden folder, which a later backup to that folder removes). Never: a half-written or unchecked copy under that
//! name, or a file that was there replaced.

use std::path::Path;
use std::time::{Duration, SystemTime};

use rusqlite::{Connection, OpenFlags};
use tempfile::{NamedTempFile, TempDir};

use super::error::StoreError;
use super::lookup::Reader;
use crate::durable;

/// How the name of the folder begins in which a copy is made whole, beside the place where it is to be.
const ASIDE: &str = ".hangtag-backup-";
/// Nobody is at work on a copy any more that was begun so long ago.
const LEFT_BEHIND_AFTER: Duration = Duration::from_secs(24 * 3600);

impl Reader {
    /// Copies the database as it is at one moment, while others go on writing: written aside, synced, checked, then
    /// renamed, and the folder synced. The folder is made if absent; a file that exists is refused. `begun` is told which
    /// folder is to be removed by whoever ends the process meanwhile.
    pub fn backup_blocking(&self, to: &Path, begun: impl FnOnce(&Path)) -> Result<(), StoreError> {
        let failed = |detail: String| StoreError::Backup {
            path: self.path.clone(),
            to: to.to_owned(),
            detail,
        };
        let exists = || StoreError::BackupExists {
            path: self.path.clone(),
            to: to.to_owned(),
        };
        if to.symlink_metadata().is_ok() {
            return Err(exists());
        }
        let folder = durable::folder_of(to);
        let in_folder = || -> std::io::Result<TempDir> {
            std::fs::create_dir_all(folder)?;
            remove_left_behind(folder, SystemTime::now());
            tempfile::Builder::new().prefix(ASIDE).tempdir_in(folder)
        };
        // SQLite has a journal beside the copy as long as it writes.
        let in_folder = in_folder().map_err(|error| failed(error.to_string()))?;
        begun(in_folder.path());
        // Private, as the copy stays: it is somebody's inventory, and who shall read it is theirs to say.
        let aside = NamedTempFile::new_in(in_folder.path()).map_err(|error| failed(error.to_string()))?;
        self.copy_into(aside.path())
            .map_err(|error| failed(error.to_string()))?;
        let synced = aside.as_file().sync_all();
        synced.map_err(|error| failed(error.to_string()))?;
        let findings = check(aside.path()).map_err(|error| failed(error.to_string()))?;
        if let Some(first) = findings.first() {
            return Err(failed(format!("the copy is damaged: {first}")));
        }
        aside
            .persist_noclobber(to)
            .map_err(|error| match error.error.kind() {
                std::io::ErrorKind::AlreadyExists => exists(),
                _ => failed(error.error.to_string()),
            })?;
        durable::sync_folder(folder).map_err(|error| failed(error.to_string()))
    }

    /// SQLite writes into the empty file, from one snapshot.
    fn copy_into(&self, aside: &Path) -> rusqlite::Result<()> {
        use std::os::unix::ffi::OsStrExt;
        let name = aside.as_os_str().as_bytes();
        // Bound as text, whose bytes SQLite passes on as they are.
        let name = rusqlite::types::ToSqlOutput::Borrowed(rusqlite::types::ValueRef::Text(name));
        self.connection.execute("VACUUM INTO ?1", [name]).map(|_| ())
    }
}

/// Removes what backups to that folder left there that were killed: each takes the room of a whole store. A folder that may
/// not be listed is no reason to have no backup.
fn remove_left_behind(folder: &Path, now: SystemTime) {
    for entry in folder.read_dir().into_iter().flatten().flatten() {
        if !entry.file_name().as_encoded_bytes().starts_with(ASIDE.as_bytes()) {
            continue;
        }
        let written = entry.metadata().and_then(|metadata| metadata.modified());
        let age = written.ok().and_then(|written| now.duration_since(written).ok());
        if age.is_some_and(|age| age > LEFT_BEHIND_AFTER)
            && let Err(error) = std::fs::remove_dir_all(entry.path())
        {
            let left = entry.path();
            tracing::warn!(
                "could not remove {}, left by a backup that was killed: {error}",
                left.display()
            );
        }
    }
}

/// Opens a copy that nobody else knows of and looks through all of it.
fn check(copy: &Path) -> rusqlite::Result<Vec<String>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(copy, flags)?;
    findings(&connection)
}

/// What SQLite's `integrity_check` and `foreign_key_check` find: nothing, when all is well.
pub(super) fn findings(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut lines: Vec<String> = connection
        .prepare("PRAGMA integrity_check")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    lines.retain(|line| line != "ok");
    let mut statement = connection.prepare("PRAGMA foreign_key_check")?;
    let broken = statement.query_map([], |row| {
        Ok(format!(
            "row {:?} of {} refers to a missing row of {}",
            row.get::<_, Option<i64>>(1)?,
            row.get::<_, String>(0)?,
            row.get::<_, String>(2)?
        ))
    })?;
    for line in broken {
        lines.push(line?);
    }
    Ok(lines)
}
