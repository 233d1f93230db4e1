//! What belongs to the inboxes, and what lies at a path.
//!
//! In: the watched folders and the names to pass over. Out: whether a path is ours, and a [`Look`] at it.
//! Never: a byte of a file's content; a link followed out of the inboxes.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use globset::GlobSet;

use crate::domain::{FileStamp, Rejection, RejectionReason};

/// The watched folders, as real paths, and the names that are never looked at.
#[derive(Debug, Clone)]
pub struct Inboxes {
    roots: Vec<PathBuf>,
    ignore: GlobSet,
}

/// What lies at a path right now.
#[derive(Debug)]
pub enum Look {
    /// A regular file, or a link to one within the inboxes.
    File(Seen),
    /// A folder.
    Folder,
    /// Nothing.
    Missing,
    /// Something that can never be read as a photo, or not now; with the stamp of what lies there.
    Refused(Rejection, Option<FileStamp>),
}

/// A regular file as it looked from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Size, time and inode.
    pub stamp: FileStamp,
    /// How long ago it was last modified; zero when that lies in the future (another machine's clock).
    pub age: Duration,
}

impl Inboxes {
    /// `roots` must be real paths: events name real paths, and a second spelling would count a file twice.
    pub fn new(roots: Vec<PathBuf>, ignore: GlobSet) -> Self {
        Self { roots, ignore }
    }

    /// The watched folders.
    pub fn roots(&self) -> &[PathBuf] {
        &self.roots
    }

    /// The inbox a path lies in.
    pub fn root_of(&self, path: &Path) -> Option<&Path> {
        self.roots
            .iter()
            .find(|root| path.starts_with(root))
            .map(PathBuf::as_path)
    }

    /// The first name between the inbox and the path (both excluded and included) that is to be passed over.
    pub fn ignored_name<'a>(&self, path: &'a Path) -> Option<&'a Path> {
        let within = self
            .root_of(path)
            .and_then(|root| path.strip_prefix(root).ok())
            .unwrap_or(path);
        within
            .components()
            .map(|part| Path::new(part.as_os_str()))
            .find(|name| self.ignore.is_match(name))
    }

    /// Looks at a path without opening it.
    pub fn look_blocking(&self, path: &Path) -> Look {
        match std::fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_symlink() => self.look_through_link(path, &metadata),
            Ok(metadata) => look_at(&metadata),
            Err(error) => not_there(path, &error),
        }
    }

    fn look_through_link(&self, path: &Path, link: &Metadata) -> Look {
        let refuse =
            |reason, detail: String| Look::Refused(Rejection { reason, detail }, Some(stamp_of(link)));
        match path.canonicalize() {
            Ok(target) if self.root_of(&target).is_none() => refuse(
                RejectionReason::LinkOutsideInbox,
                format!("a symbolic link to {}, which lies in no inbox", target.display()),
            ),
            Ok(target) => match std::fs::metadata(&target) {
                // A link to a folder would show the folder's photos a second time.
                Ok(metadata) if metadata.is_dir() => refuse(
                    RejectionReason::NotAFile,
                    format!("a symbolic link to the folder {}", target.display()),
                ),
                Ok(metadata) => look_at(&metadata),
                Err(error) => not_there(path, &error),
            },
            Err(error) => refuse(
                RejectionReason::Unreadable,
                format!("a symbolic link that leads nowhere: {error}"),
            ),
        }
    }
}

fn look_at(metadata: &Metadata) -> Look {
    let kind = metadata.file_type();
    let what = if kind.is_file() {
        let stamp = stamp_of(metadata);
        let age = metadata
            .modified()
            .ok()
            .and_then(|time| SystemTime::now().duration_since(time).ok());
        return Look::File(Seen {
            stamp,
            age: age.unwrap_or_default(),
        });
    } else if kind.is_dir() {
        return Look::Folder;
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    let detail = format!("{what}, not a file");
    Look::Refused(
        Rejection {
            reason: RejectionReason::NotAFile,
            detail,
        },
        Some(stamp_of(metadata)),
    )
}

fn not_there(path: &Path, error: &io::Error) -> Look {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Look::Missing,
        _ => Look::Refused(unreadable(path, error), None),
    }
}

/// Whether nothing lies at `path`; a path that cannot be looked at is not gone.
pub fn is_gone(path: &Path) -> bool {
    let look = std::fs::symlink_metadata(path);
    matches!(look, Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory))
}

/// The rejection of a file that the operating system will not let us read.
pub fn unreadable(path: &Path, error: &io::Error) -> Rejection {
    let detail = format!("could not read {}: {error}", path.display());
    Rejection {
        reason: RejectionReason::Unreadable,
        detail,
    }
}

/// The rejection of a folder whose name says that it is a photo.
pub fn folder_named_like_a_photo(path: &Path) -> Option<Rejection> {
    const EXTENSIONS: [&str; 9] = ["jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "jfif"];
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    EXTENSIONS.contains(&extension.as_str()).then(|| Rejection {
        reason: RejectionReason::NotAFile,
        detail: "a folder with the name of a photo; what lies in it is tagged on its own".into(),
    })
}

/// The stamp of what `metadata` describes.
pub fn stamp_of(metadata: &Metadata) -> FileStamp {
    FileStamp {
        size: metadata.len(),
        mtime_ns: metadata
            .mtime()
            .saturating_mul(1_000_000_000)
            .saturating_add(metadata.mtime_nsec()),
        inode: metadata.ino(),
    }
}

#[cfg(test)]
mod tests {
    use globset::{Glob, GlobSetBuilder};

    use super::*;

    fn inboxes(root: &Path) -> Inboxes {
        let ignore = GlobSetBuilder::new()
            .add(Glob::new(".*").unwrap())
            .add(Glob::new("*.part").unwrap())
            .build()
            .unwrap();
        Inboxes::new(vec![root.to_owned()], ignore)
    }

    #[test]
    fn names_are_passed_over_only_below_the_inbox() {
        let inboxes = inboxes(Path::new("/home/.hidden/inbox"));
        let ignored = |path: &str| inboxes.ignored_name(Path::new(path)).is_some();
        assert!(!ignored("/home/.hidden/inbox/a.jpg"));
        assert!(ignored("/home/.hidden/inbox/.git/a.jpg"));
        assert!(ignored("/home/.hidden/inbox/b/a.jpg.part"));
    }

    #[test]
    fn links_are_followed_only_within_the_inbox() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        let root = base.join("inbox");
        std::fs::create_dir_all(root.join("sub")).unwrap();
        std::fs::write(root.join("a.jpg"), b"a").unwrap();
        std::fs::write(base.join("outside.jpg"), b"o").unwrap();
        let link = |name: &str, target: &Path| {
            std::os::unix::fs::symlink(target, root.join(name)).unwrap();
            inboxes(&root).look_blocking(&root.join(name))
        };
        assert!(matches!(link("in.jpg", &root.join("a.jpg")), Look::File(_)));
        let reason = |look| match look {
            Look::Refused(rejection, Some(_)) => rejection.reason,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            reason(link("out.jpg", &base.join("outside.jpg"))),
            RejectionReason::LinkOutsideInbox
        );
        assert_eq!(
            reason(link("folder.jpg", &root.join("sub"))),
            RejectionReason::NotAFile
        );
        assert_eq!(
            reason(link("nowhere.jpg", &root.join("none"))),
            RejectionReason::Unreadable
        );
        assert_eq!(
            reason(link("circle.jpg", &root.join("circle.jpg"))),
            RejectionReason::Unreadable
        );
    }

    #[test]
    fn what_is_no_file_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(root.join("s.jpg")).unwrap();
        assert!(matches!(
            inboxes(&root).look_blocking(&root.join("s.jpg")),
            Look::Refused(..)
        ));
        assert!(matches!(
            inboxes(&root).look_blocking(&root.join("none")),
            Look::Missing
        ));
        assert!(matches!(inboxes(&root).look_blocking(&root), Look::Folder));
        assert!(folder_named_like_a_photo(Path::new("/a/x.JPG")).is_some());
        assert!(folder_named_like_a_photo(Path::new("/a/x.d")).is_none());
    }
}
