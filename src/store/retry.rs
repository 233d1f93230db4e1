//! Another attempt at a file that was rejected.
//!
//! In: files' numbers. Out: files that stay rejected by their path alone, so that whoever meets them next reads them. Never: a
//! tag or a correction forgotten, a file that is not rejected touched, or one of which nothing is on record meanwhile.

use std::path::{Path, PathBuf};

use rusqlite::OptionalExtension;

use super::conditions::end_of_prefix;
use super::error::StoreError;
use super::lookup::Reader;
use super::write::{Batch, Store};
use crate::domain::InventoryPath;

/// A file that was rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedFile {
    /// Its number.
    pub id: i64,
    /// Where it lies.
    pub path: InventoryPath,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Forgotten {
    /// The file is not on record as rejected; nothing was changed.
    NotRejected,
    /// No sweep would find this file again; nothing was changed.
    OutOfReach(PathBuf),
    /// These are to be looked at: the file, and others of its content.
    Again(Vec<PathBuf>),
}

impl Reader {
    /// The next `limit` rejected files at or below `folder` that are believed to be there, in path order, from the one past
    /// `after`.
    pub fn rejected_files_under(
        &self,
        folder: &InventoryPath,
        after: Option<&InventoryPath>,
        limit: u32,
    ) -> Result<Vec<RejectedFile>, StoreError> {
        let prefix = format!("{}/", folder.as_str().trim_end_matches('/'));
        let end = end_of_prefix(&prefix);
        let start = after.map_or(prefix.as_str(), |after| after.as_str().max(&prefix));
        // The folder's own path comes first: it may be a file that was asked for alone.
        let own = if after.is_none() { folder.as_str() } else { "" };
        self.rows(
            "list the rejected files below a folder",
            "SELECT id, path FROM files WHERE path = ?4 AND is_present = 1 AND reason IS NOT NULL
             UNION ALL
             SELECT * FROM (SELECT id, path FROM files INDEXED BY files_rejected_by_path
                            WHERE path > ?1 AND path < ?2 AND is_present = 1 AND reason IS NOT NULL
                            ORDER BY path LIMIT ?3)",
            rusqlite::params![start, end, limit, own],
            |row| {
                Ok(RejectedFile {
                    id: row.get(0)?,
                    path: InventoryPath::from_stored(row.get(1)?),
                })
            },
        )
    }
}

impl Store {
    /// Forgets what a rejected file was when it was read: its stamp and content, likewise of other names of the content, and
    /// what the models said of it. All of them stay on record as rejected until somebody reads them: nothing is lost where
    /// nobody comes to that. Of a file that is gone, or that a sweep does not find (`is_swept`), nothing is forgotten.
    pub fn forget_rejection(
        &mut self,
        file_id: i64,
        is_swept: &dyn Fn(&Path) -> bool,
    ) -> Result<Forgotten, StoreError> {
        self.write("forget a rejection", |batch| {
            Ok(batch.forget_rejection(file_id, is_swept)?)
        })
    }

    /// Forgets these rejections as [`forget_rejection`](Self::forget_rejection) does, in one transaction; of how many.
    pub fn forget_rejections(&mut self, files: &[RejectedFile]) -> Result<u64, StoreError> {
        self.write("forget rejections", |batch| {
            let mut forgotten = 0;
            for file in files {
                let outcome = batch.forget_rejection(file.id, &|_| true)?;
                forgotten += u64::from(matches!(outcome, Forgotten::Again(_)));
            }
            Ok(forgotten)
        })
    }
}

impl Batch<'_> {
    fn forget_rejection(
        &self,
        file_id: i64,
        is_swept: &dyn Fn(&Path) -> bool,
    ) -> rusqlite::Result<Forgotten> {
        let transaction = &self.transaction;
        let found: Option<(String, bool, Option<i64>)> = transaction
            .query_row(
                "SELECT path, is_present, image_id FROM files WHERE id = ?1 AND reason IS NOT NULL",
                [file_id],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .optional()?;
        let Some((path, is_present, image_id)) = found else {
            return Ok(Forgotten::NotRejected);
        };
        let path = InventoryPath::from_stored(path).to_path();
        if !is_present || !is_swept(&path) {
            return Ok(Forgotten::OutOfReach(path));
        }
        let mut others = transaction.prepare(
            "SELECT path FROM files WHERE image_id = ?1 AND reason IS NOT NULL AND id <> ?2 AND is_present = 1",
        )?;
        let others = others.query_map(rusqlite::params![image_id, file_id], |row| {
            Ok(InventoryPath::from_stored(row.get(0)?).to_path())
        })?;
        let mut again = vec![path];
        for other in others {
            again.extend(Some(other?).filter(|other| is_swept(other)));
        }
        // One that is there and known as it lies would count as answered for good.
        transaction.execute(
            "UPDATE files SET image_id = NULL, model_id = NULL, size = iif(is_present, NULL, size),
                 mtime_ns = iif(is_present, NULL, mtime_ns), inode = iif(is_present, NULL, inode)
             WHERE id = ?2 OR (image_id = ?1 AND reason IS NOT NULL)",
            rusqlite::params![image_id, file_id],
        )?;
        // What other models said in the form of a tag stays; a file of the same content may show it.
        transaction.execute(
            "DELETE FROM outcomes WHERE image_id = ?1 AND reason IS NOT NULL
               AND NOT EXISTS (SELECT 1 FROM files WHERE files.image_id = outcomes.image_id
                               AND files.model_id = outcomes.model_id)",
            [image_id],
        )?;
        Ok(Forgotten::Again(again))
    }
}
