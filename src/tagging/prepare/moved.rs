//! Whether a file has left its former path for another one.
//!
//! In: the places at which a content is on record, and the one at which it was read. Out: which row goes on there. Never: a
//! copy, a link or a file of an inbox that is away taken for one that has moved.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::Preparer;
use crate::domain::InventoryPath;
use crate::store::FileSighting;
use crate::tagging::inbox::{is_empty, is_gone};

impl Preparer {
    /// The one of these places that the file has left for `here`, if it has left one. The file itself comes before other copies
    /// of its content, and one of its name before others: when a folder is renamed in which a photo lies twice, each of the two
    /// has its own row, also where both are read at once.
    pub(super) fn moved_from(
        &self,
        mut left: Vec<FileSighting>,
        here: &FileSighting,
    ) -> Option<InventoryPath> {
        let here_path = here.path.to_path();
        left.sort_by_cached_key(|former| {
            let has_its_name = former.path.to_path().file_name() == here_path.file_name();
            (former.stamp != here.stamp, !has_its_name)
        });
        let mut others = left.into_iter().filter(|former| former.path != here.path);
        others
            .find(|former| self.has_moved_away(former, here))
            .map(|former| former.path)
    }

    /// Whether the file is gone from its `former` place: it is the very file that lies `here`, or it is gone from a folder that
    /// is still there, as all files of an inbox that was unmounted are gone, and none of them has moved. Or whether its former
    /// name leads `here` by a link, left in the place of a folder that was moved: the store has files by their folder's real
    /// path alone. Or because only the case of letters was changed, on a share that does not tell it.
    fn has_moved_away(&self, former: &FileSighting, here: &FileSighting) -> bool {
        let (path, here_path) = (former.path.to_path(), here.path.to_path());
        if !is_gone(&path) {
            return is_other_name_of(&path, &here_path)
                || is_other_spelling_of(&path, &here_path, Path::symlink_metadata);
        }
        // No copy has size, time and inode of another file.
        if former.stamp == here.stamp {
            return true;
        }
        match self.inboxes.root_of(&path) {
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
