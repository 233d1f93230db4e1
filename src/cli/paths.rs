//! Paths as people type them, or paste them from an answer.
//!
//! In: what stands on the command line or in a list. Out: the path that is meant, and how the store writes it. Never: a file
//! opened.

use std::io;
use std::path::{Path, PathBuf};

use crate::domain::InventoryPath;
use crate::durable;

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
    match (absolute.parent(), absolute.file_name()) {
        (Some(folder), Some(name)) => real_place(folder).join(name),
        _ => absolute,
    }
}

/// Where a folder really lies, past all links, or lay: the files of a disk that is away go by the place to which links lead
/// still.
pub fn real_place(folder: &Path) -> PathBuf {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    match absolute.canonicalize() {
        Ok(real) => real,
        // Links that lead in a circle are another error, so that this comes to an end.
        Err(error) if error.kind() == io::ErrorKind::NotFound => match absolute.read_link() {
            Ok(target) => real_place(&durable::folder_of(&absolute).join(target)),
            Err(_) => real_path(&absolute),
        },
        Err(_) => absolute,
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

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

    #[test]
    fn what_lies_behind_a_link_goes_by_its_real_path_also_where_that_is_away() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().canonicalize().unwrap();
        let at = |name: &str| real.join(name);
        std::fs::create_dir(at("there")).unwrap();
        for (link, target) in [
            ("link", "there"),
            ("away", "disk/shop"),
            ("there/on", "../away"),
            ("round", "about/x"),
            ("about", "round"),
        ] {
            symlink(target, at(link)).unwrap();
        }
        for (typed, meant) in [
            ("link/a.jpg", "there/a.jpg"),
            ("link/gone/a.jpg", "there/gone/a.jpg"),
            ("away/a.jpg", "disk/shop/a.jpg"),
            ("link/on/men/a.jpg", "disk/shop/men/a.jpg"),
            ("nothing/a.jpg", "nothing/a.jpg"),
            // The name itself is no folder on the way.
            ("away", "away"),
        ] {
            assert_eq!(real_path(&at(typed)), real.join(meant), "{typed}");
        }
        assert_eq!(real_path(&at("round/a.jpg")), at("round/a.jpg"));
    }
}
