//! A bundle that proved itself -> a folder that the service loads models from.
//!
//! In: a bundle. Out: `<models>/<id>/` with its two files, whole. Never: a folder under that name which is not whole:
//! written aside, synced, renamed, the parent synced; or a folder that is there already changed.

use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::durable;
use crate::model::{BundleError, ModelBundle};

/// A bundle that could not be published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// Its files could not be written or read back.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// Its folder could not be made or put in its place.
    #[error(
        "could not publish a model at {path}: {source}; there must be room, and hangtag must be allowed to write there"
    )]
    Place {
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// Where a model's bundle lies once it is published.
pub fn published_path(models: &Path, bundle: &ModelBundle) -> PathBuf {
    models.join(bundle.id().as_str())
}

/// Publishes a bundle under its id and reads it back; one that is there already, whole, is left as it is.
///
/// The id is the hash of the model's bytes, so that a folder of that name can only hold this model or a damaged one,
/// which is replaced.
pub fn publish_blocking(models: &Path, bundle: &ModelBundle) -> Result<PathBuf, PublishError> {
    let place = published_path(models, bundle);
    let fail = |source| PublishError::Place {
        path: place.clone(),
        source,
    };
    if place.exists() {
        if ModelBundle::load(&place).is_ok() {
            return Ok(place);
        }
        std::fs::remove_dir_all(&place).map_err(fail)?;
    }
    std::fs::create_dir_all(models).map_err(fail)?;
    let aside = tempfile::Builder::new()
        .prefix(ASIDE)
        .tempdir_in(models)
        .map_err(fail)?;
    bundle.write(aside.path())?;
    ModelBundle::load(aside.path())?;
    readable_by_all(aside.path()).map_err(fail)?;
    durable::crash_point("publish.written");
    put_in_place(aside, &place).map_err(fail)?;
    durable::crash_point("publish.renamed");
    durable::sync_folder(models).map_err(fail)?;
    Ok(place)
}

/// Renames a folder that holds a whole bundle; where another process was first with the same one, that is what lies there.
fn put_in_place(aside: TempDir, place: &Path) -> io::Result<()> {
    match std::fs::rename(aside.path(), place) {
        Ok(()) => {
            // It has another name now, so that nothing is left to be removed.
            let _ = aside.keep();
            Ok(())
        }
        Err(_) if ModelBundle::load(place).is_ok() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Removes what a process that was killed while publishing has left; only for the one that owns the folder.
pub fn clear_leftovers_blocking(models: &Path) {
    let entries = std::fs::read_dir(models).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(ASIDE.as_bytes())) {
        // What cannot be removed harms nobody: no model has such a name.
        let _ = std::fs::remove_dir_all(entry.path());
    }
}

const ASIDE: &str = ".aside-";

fn readable_by_all(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_bundle_is_whole_and_published_once() {
        let folder = tempfile::tempdir().unwrap();
        let models = folder.path().join("models");
        let bundle = ModelBundle::embedded();
        let place = publish_blocking(&models, &bundle).unwrap();
        assert_eq!(ModelBundle::load(&place).unwrap().id(), bundle.id());
        let written = std::fs::metadata(place.join("model.onnx"))
            .unwrap()
            .modified()
            .unwrap();
        publish_blocking(&models, &bundle).unwrap();
        let again = std::fs::metadata(place.join("model.onnx"))
            .unwrap()
            .modified()
            .unwrap();
        assert_eq!(again, written, "left as it was");
        assert_eq!(std::fs::read_dir(&models).unwrap().count(), 1);
    }

    /// Of two commands that began on a fresh data folder at once, one ended: it could not publish the model that ships.
    #[test]
    fn a_bundle_that_another_process_published_meanwhile_is_published() {
        let models = tempfile::tempdir().unwrap();
        let bundle = ModelBundle::embedded();
        let prepared = || {
            let aside = tempfile::tempdir_in(models.path()).unwrap();
            bundle.write(aside.path()).unwrap();
            aside
        };
        let place = published_path(models.path(), &bundle);
        let (first, second, third) = (prepared(), prepared(), prepared());
        put_in_place(first, &place).unwrap();
        put_in_place(second, &place).unwrap();
        std::fs::write(place.join("model.onnx"), b"cut off").unwrap();
        assert!(
            put_in_place(third, &place).is_err(),
            "what lies there is not whole"
        );
        assert_eq!(std::fs::read_dir(models.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_damaged_bundle_is_replaced_and_leftovers_are_cleared() {
        let folder = tempfile::tempdir().unwrap();
        let bundle = ModelBundle::embedded();
        let place = publish_blocking(folder.path(), &bundle).unwrap();
        std::fs::write(place.join("model.onnx"), b"cut off").unwrap();
        std::fs::create_dir(folder.path().join(".aside-x")).unwrap();
        clear_leftovers_blocking(folder.path());
        publish_blocking(folder.path(), &bundle).unwrap();
        assert_eq!(ModelBundle::load(&place).unwrap().id(), bundle.id());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
