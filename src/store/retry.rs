//! Another attempt at a file that was rejected.
//!
//! In: files' numbers. Out: a store that has never heard of them, so that the next sweep takes them as new. Never: a tag, a
//! correction, a file that is not rejected, or one that no sweep would find again forgotten.

use std::collections::HashSet;
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
    /// Forgets a rejection: the file, other names of its content, and what the models said of it. A name of the content
    /// that is gone, or that a sweep does not find (`is_swept`), stays on record as rejected, by its path alone; whoever
    /// meets it there later reads it.
    pub fn forget_rejection(
        &mut self,
        file_id: i64,
        is_swept: &dyn Fn(&Path) -> bool,
    ) -> Result<Forgotten, StoreError> {
        self.write("forget a rejection", |batch| {
            Ok(batch.forget_rejection(file_id, is_swept)?)
        })
    }

    /// Forgets these rejections as [`forget_rejection`](Self::forget_rejection) does, in one transaction; how many. A name of
    /// a content that is not among them stays on record, and may be forgotten by another call.
    pub fn forget_rejections(&mut self, files: &[RejectedFile]) -> Result<u64, StoreError> {
        let paths: HashSet<_> = files.iter().map(|file| file.path.to_path()).collect();
        self.write("forget rejections", |batch| {
            let mut forgotten = 0;
            for file in files {
                if let Forgotten::Again(again) =
                    batch.forget_rejection(file.id, &|path| paths.contains(path))?
                {
                    forgotten += again.len() as u64;
                }
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
            "SELECT id, path, is_present FROM files WHERE image_id = ?1 AND reason IS NOT NULL AND id <> ?2",
        )?;
        let others = others.query_map(rusqlite::params![image_id, file_id], |row| {
            let path = InventoryPath::from_stored(row.get(1)?).to_path();
            Ok((row.get::<_, i64>(0)?, path, row.get::<_, bool>(2)?))
        })?;
        let others = others.collect::<Result<Vec<_>, _>>()?;
        let (mut again, mut ids) = (vec![path], vec![file_id]);
        for (id, path, is_present) in others {
            if is_present && is_swept(&path) {
                again.push(path);
                ids.push(id);
            } else {
                // One that is there and known as it lies would count as answered for good.
                transaction.execute(
                    "UPDATE files SET image_id = NULL, model_id = NULL, size = iif(is_present, NULL, size),
                         mtime_ns = iif(is_present, NULL, mtime_ns), inode = iif(is_present, NULL, inode)
                     WHERE id = ?1",
                    [id],
                )?;
            }
        }
        for id in ids {
            transaction.execute("DELETE FROM files WHERE id = ?1", [id])?;
        }
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
