//! What counts as ours, what lies at a path, and how an inbox itself lies there.

use globset::{Glob, GlobSetBuilder};

use super::*;
use crate::tagging::testing::Shop;

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
    let ignored = |path: &str| inboxes.passed_over(Path::new(path)).is_some();
    assert!(!ignored("/home/.hidden/inbox/a.jpg"));
    assert!(ignored("/home/.hidden/inbox/.git/a.jpg"));
    assert!(ignored("/home/.hidden/inbox/b/a.jpg.part"));
}

/// What was deleted on a NAS was tagged in its recycle bin, and the small pictures that it makes of each photo beside them.
#[test]
fn what_a_share_makes_of_its_own_is_passed_over() {
    let shop = Shop::new();
    let inboxes = Inboxes::of(&shop.config(), vec![shop.inbox()]);
    let is_passed_over = |folder: &str| {
        let path = shop.inbox().join(folder).join("4711.jpg");
        inboxes.passed_over(&path).is_some()
    };
    for folder in [
        "@eaDir",
        "@Recycle",
        "#recycle",
        "#snapshot",
        "$RECYCLE.BIN",
        "System Volume Information",
    ] {
        assert!(is_passed_over(folder), "{folder}");
    }
    assert!(!is_passed_over("#12"));
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
fn what_lies_behind_a_link_that_is_a_folder_of_the_inbox_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().canonicalize().unwrap();
    let (root, moved) = (base.join("inbox"), base.join("moved"));
    std::fs::create_dir_all(root.join("sub/deep")).unwrap();
    std::os::unix::fs::symlink("sub", root.join("link")).unwrap();
    let inboxes = inboxes(&root);
    let is_behind = |name: &str| inboxes.is_behind_link_blocking(&root.join(name));
    let are_told_apart = || {
        let behind = ["link/a.jpg", "link/deep/a.jpg"].map(is_behind);
        let others = ["a.jpg", "link", "sub/a.jpg", "sub/deep/a.jpg", "none/a.jpg"].map(is_behind);
        behind == [true; 2] && others == [false; 5]
    };
    assert!(are_told_apart());
    assert!(!inboxes.is_behind_link_blocking(&root));
    std::fs::rename(&root, &moved).unwrap();
    std::os::unix::fs::symlink(&moved, &root).unwrap();
    assert!(are_told_apart(), "an inbox that is a link now");
    assert!(!inboxes.is_behind_link_blocking(&root));
}

#[test]
fn an_empty_root_was_filled_if_something_was_seen_on_its_device() {
    let (disk, below) = (7, 8);
    assert!(was_filled(Some((disk, 1)), (disk, 1)), "emptied");
    assert!(was_filled(Some((disk, 1)), (disk, 2)), "moved away and made anew");
    assert!(!was_filled(Some((disk, 1)), (below, 1)), "unmounted");
    assert!(!was_filled(None, (disk, 1)), "nothing was seen yet");
}

/// A scan of an emptied folder of the inbox asked whether it is mounted.
#[test]
fn the_outermost_root_tells_whether_a_path_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let inbox = folder.path().canonicalize().unwrap();
    let today = inbox.join("today");
    std::fs::create_dir(&today).unwrap();
    let roots = Inboxes::new(vec![today.clone(), inbox.clone()], GlobSet::empty());
    assert_eq!(roots.root_of(&today), Some(&*today));
    assert_eq!(roots.outermost_root_of(&today), Some(&*inbox));
    assert!(!roots.is_away_blocking(&today.join("a.png")));
    let alone = Inboxes::new(vec![today.clone()], GlobSet::empty());
    assert!(alone.is_away_blocking(&today), "it may be a mount point");
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
