//! The short questions that the pipeline asks for each file, and the connection that all readers share in kind.
//!
//! In: a path, a hash, a folder. Out: what is known of it, in microseconds. Never: writes.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Params, Row};

use super::change::FileSighting;
use super::conditions::end_of_prefix;
use super::error::StoreError;
use super::open::{self, PageAccess};
use super::rows;
use crate::domain::{ContentHash, FileStamp, InventoryPath, ModelId, RejectionReason, Status};

/// A read-only connection: any number of them, one a thread, while another process writes. Each question sees
/// the database as it was at one moment and holds nobody up.
#[derive(Debug)]
pub struct Reader {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
}

/// What the store knows of a path.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownFile {
    /// What the file looked like when it was read; `None` where not even that could be had.
    pub stamp: Option<FileStamp>,
    /// Whether it was there when it was last looked for.
    pub is_present: bool,
    /// What its answer counts for.
    pub status: Status,
    /// The content; `None` where it could not be read.
    pub hash: Option<ContentHash>,
    /// The model whose answer counts, or would if nobody had corrected it; `None` where the file could not be read.
    pub model: Option<ModelId>,
    /// Why there is no tag.
    pub reason: Option<RejectionReason>,
}

impl KnownFile {
    /// Whether this is what `model` would say again: its own answer, or a rejection that needed no content.
    pub fn is_answered_by(&self, model: &ModelId) -> bool {
        match (&self.model, self.reason) {
            (Some(answered), _) => answered == model,
            (None, reason) => !reason.is_some_and(RejectionReason::passes_unseen),
        }
    }
}

impl Reader {
    /// Opens an existing database for the pipeline's questions: little memory.
    pub fn open(path: &Path) -> Result<Reader, StoreError> {
        Self::open_with(path, PageAccess::Copied)
    }

    /// Opens an existing database; `PageAccess::Mapped` for commands that look at a million files and end.
    pub fn open_with(path: &Path, access: PageAccess) -> Result<Reader, StoreError> {
        Ok(Reader {
            connection: open::reader(path, access)?,
            path: path.to_owned(),
        })
    }

    /// What is known of a path; asked for every file of a sweep.
    pub fn known_file(&self, path: &InventoryPath) -> Result<Option<KnownFile>, StoreError> {
        self.row(
            "look up a file by its path",
            "SELECT f.size, f.mtime_ns, f.inode, f.is_present, f.certainty, i.content_hash, m.model, f.reason,
                 f.corrected_at_ms
             FROM files f LEFT JOIN images i ON i.id = f.image_id LEFT JOIN models m ON m.id = f.model_id
             WHERE f.path = ?1",
            [path.as_str()],
            |row| {
                Ok(KnownFile {
                    stamp: rows::stamp(row, 0)?,
                    is_present: row.get(3)?,
                    status: rows::status(rows::certainty(row, 4)?, row.get(8)?),
                    hash: rows::content_hash(row, 5)?,
                    model: rows::model(row, 6)?,
                    reason: rows::reason(row, 7)?,
                })
            },
        )
    }

    /// Whether a content has an outcome, tag or rejection, of this model; asked for every file that was read.
    pub fn is_answered(&self, hash: &ContentHash, model: &ModelId) -> Result<bool, StoreError> {
        let found = self.row(
            "look up a content by its hash",
            "SELECT EXISTS (SELECT 1 FROM images i JOIN outcomes o ON o.image_id = i.id JOIN models m ON m.id = o.model_id
                            WHERE i.content_hash = ?1 AND m.model = ?2)",
            rusqlite::params![hash.as_bytes().as_slice(), model.as_str()],
            |row| row.get(0),
        )?;
        Ok(found.unwrap_or(false))
    }

    /// Some of the places that a content may have left for another one, as its files were seen there: a few at which it is
    /// believed to be, then a few that are known to be gone, the latest first. A content may have any number of copies, and
    /// each is asked about.
    pub fn places_it_may_have_left(&self, hash: &ContentHash) -> Result<Vec<FileSighting>, StoreError> {
        const OPERATION: &str = "look up the files of a content";
        let content: Option<(i64, i64)> = self.row(
            OPERATION,
            "SELECT image_id, model_id FROM files INDEXED BY files_by_image
             WHERE image_id = (SELECT id FROM images WHERE content_hash = ?1) LIMIT 1",
            [hash.as_bytes().as_slice()],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let Some((image_id, model_id)) = content else {
            return Ok(Vec::new());
        };
        // All of them name one model: with it the index leads to those that are there, and to those that are gone.
        self.rows(
            OPERATION,
            "SELECT * FROM (SELECT path, size, mtime_ns, inode FROM files INDEXED BY files_by_image
                            WHERE image_id = ?1 AND model_id = ?2 AND is_present = 1 LIMIT 8)
             UNION ALL
             SELECT * FROM (SELECT path, size, mtime_ns, inode
                            FROM (SELECT path, size, mtime_ns, inode, absent_at_ms FROM files INDEXED BY files_by_image
                                  WHERE image_id = ?1 AND model_id = ?2 AND is_present = 0 LIMIT 64)
                            ORDER BY absent_at_ms DESC LIMIT 8)",
            [image_id, model_id],
            |row| {
                Ok(FileSighting {
                    path: InventoryPath::from_stored(row.get(0)?),
                    stamp: rows::present(rows::stamp(row, 1)?, 1, "the size of a file that was read")?,
                })
            },
        )
    }

    /// The next `limit` paths at or below `folder` at which the store believes a file to be, in path order, from the
    /// one past `after`: a sweep pages through them and looks whether they still are.
    pub fn present_files_under(
        &self,
        folder: &InventoryPath,
        after: Option<&InventoryPath>,
        limit: u32,
    ) -> Result<Vec<InventoryPath>, StoreError> {
        let prefix = format!("{}/", folder.as_str().trim_end_matches('/'));
        let end = end_of_prefix(&prefix);
        let start = after.map_or(prefix.as_str(), |after| after.as_str().max(&prefix));
        // The folder's own path comes first: it may be a file that was asked for alone.
        let own = if after.is_none() { folder.as_str() } else { "" };
        self.rows(
            "list the files below a folder",
            "SELECT path FROM files WHERE path = ?4 AND is_present = 1
             UNION ALL
             SELECT * FROM (SELECT path FROM files INDEXED BY files_by_path
                            WHERE path > ?1 AND path < ?2 AND is_present = 1 ORDER BY path LIMIT ?3)",
            rusqlite::params![start, end, limit, own],
            |row| Ok(InventoryPath::from_stored(row.get(0)?)),
        )
    }

    /// The one row of a question, or none.
    pub(super) fn row<T>(
        &self,
        operation: &'static str,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        let attempt = || {
            self.connection
                .prepare_cached(sql)?
                .query_row(params, read)
                .optional()
        };
        attempt().map_err(|source| StoreError::of(operation, &self.path, source))
    }

    /// All rows of a question.
    pub(super) fn rows<T>(
        &self,
        operation: &'static str,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let attempt = || {
            self.connection
                .prepare_cached(sql)?
                .query_map(params, read)?
                .collect::<rusqlite::Result<Vec<T>>>()
        };
        attempt().map_err(|source| StoreError::of(operation, &self.path, source))
    }

    /// Runs several questions on the database as it is at one moment; the outermost call's where they are nested.
    pub fn at_one_moment<T>(
        &self,
        operation: &'static str,
        work: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if !self.connection.is_autocommit() {
            return work();
        }
        let snapshot = self
            .connection
            .unchecked_transaction()
            .map_err(|source| StoreError::of(operation, &self.path, source))?;
        let result = work()?;
        snapshot
            .finish()
            .map_err(|source| StoreError::of(operation, &self.path, source))?;
        Ok(result)
    }
}
