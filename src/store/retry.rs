//! Another attempt at a file that was rejected.
//!
//! In: a file's number. Out: a store that has never heard of it, so that the next sweep takes it as new. Never: a tag, a
//! correction, or a file that is not rejected forgotten.

use std::path::PathBuf;

use rusqlite::OptionalExtension;

use super::error::StoreError;
use super::write::Store;
use crate::domain::InventoryPath;

impl Store {
    /// Forgets a rejection: the file, all names of its content, and what the models said of it. `None`, and nothing is
    /// changed, where the file is not on record as rejected. Returns where it lies.
    pub fn forget_rejection(&mut self, file_id: i64) -> Result<Option<PathBuf>, StoreError> {
        self.write("forget a rejection", |batch| {
            let transaction = &batch.transaction;
            let found: Option<(String, Option<i64>)> = transaction
                .query_row(
                    "SELECT path, image_id FROM files WHERE id = ?1 AND reason IS NOT NULL",
                    [file_id],
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )
                .optional()?;
            let Some((path, image_id)) = found else {
                return Ok(None);
            };
            transaction.execute(
                "DELETE FROM files WHERE id = ?1 OR (image_id = ?2 AND reason IS NOT NULL)",
                rusqlite::params![file_id, image_id],
            )?;
            // What other models said in the form of a tag stays; a file of the same content may show it.
            transaction.execute(
                "DELETE FROM outcomes WHERE image_id = ?1 AND reason IS NOT NULL
                   AND NOT EXISTS (SELECT 1 FROM files WHERE files.image_id = outcomes.image_id
                                   AND files.model_id = outcomes.model_id)",
                [image_id],
            )?;
            Ok(Some(InventoryPath::from_stored(path).to_path()))
        })
    }
}
