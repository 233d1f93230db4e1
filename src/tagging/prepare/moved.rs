//! Whether a file has left its former path for another one.
//!
//! In: the path at which a content is on record, and the one at which it was read. Out: whether the row goes on there. Never: a
//! copy, a link or a file of an inbox that is away taken for one that has moved.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::Preparer;
use crate::tagging::inbox::{is_empty, is_gone};

impl Preparer {
    /// Whether the file that was at `path` is gone from a folder that is still there: all files of an inbox that was
    /// unmounted are gone, and none of them has moved. Or whether its former name leads `here` by a link, left in the place
    /// of a folder that was moved: the store has files by their folder's real path alone. Or because only the case of letters
    /// was changed, on a share that does not tell it.
    pub(super) fn has_moved_away(&self, path: &Path, here: &Path) -> bool {
        if !is_gone(path) {
            return is_other_name_of(path, here) || is_other_spelling_of(path, here, Path::symlink_metadata);
        }
        match self.inboxes.root_of(path) {
            Some(root) => !self.inboxes.is_away_blocking(root),
            // Of a folder that is no inbox nothing is remembered, and an empty one may be a bare mount point.
            None => path
                .parent()
                .is_some_and(|folder| is_empty(folder).is_ok_and(|is_empty| !is_empty)),
        }
    }
}

/// Whether a file's name leads to the file at `here` because its folder is reached by a link; a link to the file itself is
/// a file of its own.
fn is_other_name_of(path: &Path, here: &Path) -> bool {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return false;
    };
    folder.canonicalize().is_ok_and(|real| real.join(name) == here)
}

/// Whether both are one name to the file system (`look`), which finds a name also where the case of its letters is another:
/// the file that lies there has one link.
pub(super) fn is_other_spelling_of(
    path: &Path,
    here: &Path,
    look: impl Fn(&Path) -> io::Result<Metadata>,
) -> bool {
    let in_lower_case = |path: &Path| path.to_string_lossy().to_lowercase();
    in_lower_case(path) == in_lower_case(here)
        && match (look(path), look(here)) {
            (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()) && one.nlink() == 1,
            _ => false,
        }
}
