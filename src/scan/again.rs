//! Rejected files count as new: `hangtag scan --retry-rejected`.
//!
//! In: the paths of a scan. Out: a store that does not know what was rejected there as it lies. Never: a record lost where the
//! scan ends before it comes to the file; a rejection forgotten that the scan will not meet.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::domain::InventoryPath;
use crate::store::{PAUSE_FOR_OTHERS, Reader, Store, StoreError};
use crate::tagging::inbox::{Inboxes, is_gone};

/// Rejections forgotten in one transaction: some ten milliseconds, for which other writers wait.
const FORGOTTEN_AT_ONCE: u32 = 256;

/// Forgets what files at or below `paths` were rejected as. A scan that ends early leaves some rejected, as they were, until
/// a sweep or another scan meets them.
pub(super) fn forget_rejections_blocking(
    (reader, store): (&Reader, &mut Store),
    inboxes: &Inboxes,
    paths: &[PathBuf],
    stop: &AtomicBool,
) -> Result<(), StoreError> {
    let is_met = |path: &Path| inboxes.passed_over(path).is_none() && !is_gone(path);
    let mut forgotten = 0;
    for folder in paths {
        let (folder, mut after) = (InventoryPath::of(folder), None);
        while !stop.load(Ordering::Relaxed) {
            let mut page = reader.rejected_files_under(&folder, after.as_ref(), FORGOTTEN_AT_ONCE)?;
            let Some(last) = page.last() else { break };
            after = Some(last.path.clone());
            page.retain(|file| is_met(&file.path.to_path()));
            forgotten += store.forget_rejections(&page)?;
            std::thread::sleep(PAUSE_FOR_OTHERS);
        }
    }
    tracing::info!("{forgotten} rejected files are read again");
    Ok(())
}
