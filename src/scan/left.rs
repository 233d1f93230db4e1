//! Names that were given by hand and lead to nothing any more, or elsewhere: an inbox was moved.
//!
//! In: the paths of a scan. Out: a store in which the files that it believed to be there are gone. Never: a file marked that
//! is there by this name's real path; one in an inbox of the settings that is itself not there.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use super::real_path;
use crate::daemon::DaemonError;
use crate::domain::InventoryPath;
use crate::store::{Change, PAUSE_FOR_OTHERS, Reader, Store, StoreError};
use crate::tagging::inbox::{Inboxes, is_gone};

/// Files marked in one transaction: some ten milliseconds, for which other writers wait.
const MARKED_AT_ONCE: u32 = 256;

/// The names, below which the store believes files to be, that the paths had before what lay there was moved. Where
/// nothing lies at a path, and nothing is known of it either, that is an error.
pub(super) fn left_names(
    paths: &[PathBuf],
    reader: &Reader,
    inboxes: &Inboxes,
) -> Result<Vec<PathBuf>, DaemonError> {
    let mut left = Vec::new();
    for path in paths {
        let (real, before) = (real_path(path), left.len());
        for name in names_of(path)
            .into_iter()
            .filter(|name| real.as_ref().ok() != Some(name))
        {
            // An inbox that is away says nothing of its files, whoever asks, and be it by a folder around it.
            let concerns = |root: &&PathBuf| name.starts_with(root) || root.starts_with(&name);
            let mut concerned = inboxes.roots().iter().filter(concerns);
            let is_away = concerned.any(|root| inboxes.is_away_blocking(root));
            let files = reader.present_files_under(&InventoryPath::of(&name), None, 1)?;
            if !is_away && !files.is_empty() {
                left.push(name);
            }
        }
        if let Err(source) = real
            && left.len() == before
        {
            let path = path.clone();
            return Err(DaemonError::ScanPath { path, source });
        }
    }
    Ok(left)
}

/// The path as it was typed, and with the links above it followed as far as they lead.
pub(super) fn names_of(path: &Path) -> Vec<PathBuf> {
    let Ok(typed) = std::path::absolute(path) else {
        return Vec::new();
    };
    let follow = |above: &Path| Some(above.canonicalize().ok()?.join(typed.strip_prefix(above).ok()?));
    let followed = typed.ancestors().skip(1).find_map(follow);
    let followed = followed.filter(|followed| *followed != typed);
    followed.into_iter().chain([typed]).collect()
}

/// Marks the files below these names. Ended early, it leaves files that the same command finds again.
pub(super) fn mark_left_blocking(
    (reader, store): (&Reader, &mut Store),
    names: &[PathBuf],
    stop: &AtomicBool,
) -> Result<(), StoreError> {
    for name in names {
        let (folder, mut after, mut marked) = (InventoryPath::of(name), None, 0);
        while !stop.load(Ordering::Relaxed) {
            let page = reader.present_files_under(&folder, after.as_ref(), MARKED_AT_ONCE)?;
            let Some(last) = page.last() else { break };
            after = Some(last.clone());
            let at = SystemTime::now().into();
            let gone = page.into_iter().filter(|path| is_left(&path.to_path()));
            let changes: Vec<_> = gone.map(|path| Change::Absent { path, at }).collect();
            marked += changes.len();
            store.apply(&changes)?;
            std::thread::sleep(PAUSE_FOR_OTHERS);
        }
        if marked > 0 {
            tracing::info!("{marked} files that were at {} are gone", name.display());
        }
    }
    Ok(())
}

/// Whether nothing lies there, or something that is met by another name: that of its folder's real path.
fn is_left(file: &Path) -> bool {
    let folder = crate::durable::folder_of(file);
    is_gone(file) || folder.canonicalize().is_ok_and(|real| real != folder)
}
