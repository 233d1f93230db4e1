//! Another attempt at a file that was rejected.
//!
//! In: a file's number. Out: a store that has never heard of it, so that the next sweep takes it as new. Never: a tag, a
//! correction, a file that is not rejected, or one that no sweep would find again forgotten.

use std::path::{Path, PathBuf};

use rusqlite::OptionalExtension;

use super::error::StoreError;
use super::write::Store;
use crate::domain::InventoryPath;

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

impl Store {
    /// Forgets a rejection: the file, other names of its content, and what the models said of it. A name of the content
    /// that is gone, or that a sweep does not find (`is_swept`), stays on record as rejected, by its path alone.
    pub fn forget_rejection(
        &mut self,
        file_id: i64,
        is_swept: &dyn Fn(&Path) -> bool,
    ) -> Result<Forgotten, StoreError> {
        self.write("forget a rejection", |batch| {
            let transaction = &batch.transaction;
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
                    transaction.execute(
                        "UPDATE files SET image_id = NULL, model_id = NULL WHERE id = ?1",
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
        })
    }
}
