//! Paths as people type them, or paste them from an answer.
//!
//! In: what stands on the command line or in a list. Out: the path that is meant, and how the store writes it. Never: a file
//! opened.

use std::path::{Path, PathBuf};

use crate::domain::InventoryPath;

/// The path that was typed; where nothing lies there, the one whose text it is: answers show a name that is not UTF-8 with
/// its bytes in digits.
pub fn path_meant(typed: &Path) -> PathBuf {
    match typed.to_str() {
        Some(text) if typed.symlink_metadata().is_err() => {
            InventoryPath::from_stored(text.to_owned()).to_path()
        }
        _ => typed.to_owned(),
    }
}

/// As the pipeline writes it: the folder's real path and the name as it is.
pub fn real_path(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match (
        absolute.parent().and_then(|folder| folder.canonicalize().ok()),
        absolute.file_name(),
    ) {
        (Some(folder), Some(name)) => folder.join(name),
        _ => absolute,
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    /// `query` showed a name that no other command took.
    #[test]
    fn a_name_that_is_no_text_goes_by_the_text_that_answers_show() {
        let folder = tempfile::tempdir().unwrap();
        let bad = folder.path().join(OsStr::from_bytes(b"bad\xff\xfe[1].jpg"));
        let shown = InventoryPath::of(&bad).to_string();
        assert_eq!(path_meant(Path::new(&shown)), bad);
        assert_eq!(path_meant(&bad), bad);
        // A file of that very name comes first.
        std::fs::write(&shown, b"").unwrap();
        assert_eq!(path_meant(Path::new(&shown)), Path::new(&shown));
    }
}
