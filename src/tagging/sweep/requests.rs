//! What is to be looked through, inbox by inbox.
//!
//! In: requests for a sweep, from anyone. Out: each inbox's own, to whoever sweeps it. Never: a request of one inbox that
//! waits for, or takes room from, those of another.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Folders asked for at once in an inbox; more become all of it.
const MAX_FOLDERS: usize = 64;

/// Requests for a sweep, from anyone.
#[derive(Debug, Clone)]
pub struct SweepRequests {
    inboxes: Arc<[Arc<InboxRequests>]>,
}

/// What is asked for of one inbox.
#[derive(Debug)]
pub struct InboxRequests {
    root: PathBuf,
    folders: Mutex<BTreeSet<PathBuf>>,
    /// To be asked for once more.
    later: Mutex<BTreeSet<PathBuf>>,
    /// Rung by every request.
    wake: Notify,
}

impl SweepRequests {
    /// None yet.
    pub fn new(roots: Vec<PathBuf>) -> Self {
        let none_of = |root| {
            Arc::new(InboxRequests {
                root,
                folders: Mutex::default(),
                later: Mutex::default(),
                wake: Notify::new(),
            })
        };
        Self {
            inboxes: roots.into_iter().map(none_of).collect(),
        }
    }

    /// Each inbox's own, in the order of the roots.
    pub fn inboxes(&self) -> &[Arc<InboxRequests>] {
        &self.inboxes
    }

    /// Whether a request for this path leads to a look at it.
    pub fn reach(&self, path: &Path) -> bool {
        self.of(path).is_some()
    }

    /// Asks for an inbox, for a folder of it, or for a file that may be gone. What lies in no inbox is not looked at.
    pub fn request(&self, path: &Path) {
        if let Some(inbox) = self.of(path) {
            inbox.request(path);
        }
    }

    /// Asks for a path now, and keeps it for [`take_later`](Self::take_later), because the sweep that comes now may come
    /// too early: a folder that has just come may not be watched yet, and what is made in it between that sweep and
    /// the watch would be seen by neither; a file that has just gone may have an answer on its way, which would say
    /// that it is there.
    pub fn request_now_and_later(&self, path: &Path) {
        if let Some(inbox) = self.of(path) {
            inbox.request(path);
            inbox.add_to(&mut locked(&inbox.later), path);
        }
    }

    /// What was kept of an inbox; to be asked for again by whoever makes sure that new folders of it are watched.
    pub fn take_later(&self, root: &Path) -> BTreeSet<PathBuf> {
        let inbox = self.of(root);
        inbox.map_or_else(BTreeSet::new, |inbox| std::mem::take(&mut *locked(&inbox.later)))
    }

    /// All that is asked for, perhaps nothing.
    #[cfg(test)]
    pub fn take(&self) -> BTreeSet<PathBuf> {
        let each = self.inboxes.iter();
        each.flat_map(|inbox| std::mem::take(&mut *locked(&inbox.folders)))
            .collect()
    }

    fn of(&self, path: &Path) -> Option<&InboxRequests> {
        let mut inboxes = self.inboxes.iter();
        inboxes
            .find(|inbox| path.starts_with(&inbox.root))
            .map(Arc::as_ref)
    }
}

impl InboxRequests {
    /// Waits for a request and takes it.
    pub async fn next(&self) -> PathBuf {
        loop {
            // The inbox itself, which takes longest, comes before what lies in it, and so is taken last.
            let last = locked(&self.folders).pop_last();
            match last {
                Some(folder) => return folder,
                None => self.wake.notified().await,
            }
        }
    }

    /// Takes a request that can be met beside those that are under way: none of these once more, and never the whole inbox,
    /// which may take as long as all photos take to be tagged.
    pub fn take_beside(&self, under_way: &[PathBuf]) -> Option<PathBuf> {
        let mut folders = locked(&self.folders);
        let is_beside = |asked: &&PathBuf| **asked != self.root && !under_way.contains(asked);
        let asked = folders.iter().rfind(is_beside)?.clone();
        folders.take(&asked)
    }

    /// A folder that is asked for already may be under way by the time that something comes in it: each counts by itself.
    fn request(&self, path: &Path) {
        self.add_to(&mut locked(&self.folders), path);
        self.wake.notify_one();
    }

    fn add_to(&self, asked: &mut BTreeSet<PathBuf>, path: &Path) {
        asked.insert(path.to_owned());
        // The inbox itself does not count.
        if asked.len() > MAX_FOLDERS + 1 {
            *asked = [self.root.clone()].into();
        }
    }
}

fn locked(paths: &Mutex<BTreeSet<PathBuf>>) -> MutexGuard<'_, BTreeSet<PathBuf>> {
    paths.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_or_went_is_asked_for_at_once_and_kept_for_later() {
        let requests = SweepRequests::new(vec!["/in".into()]);
        requests.request_now_and_later(Path::new("/in/new"));
        let new = BTreeSet::from([PathBuf::from("/in/new")]);
        assert_eq!(requests.take(), new);
        assert!(requests.take_later(Path::new("/elsewhere")).is_empty());
        assert_eq!(requests.take_later(Path::new("/in")), new);
        assert!(requests.take_later(Path::new("/in")).is_empty() && requests.take().is_empty());
    }

    /// More than 64 requests, be they of one inbox that did not answer, had all inboxes looked through.
    #[test]
    fn too_many_folders_of_an_inbox_become_all_of_that_one() {
        let requests = SweepRequests::new(vec!["/many".into(), "/few".into()]);
        for number in 0..=MAX_FOLDERS + 1 {
            requests.request_now_and_later(&Path::new("/many").join(number.to_string()));
        }
        requests.request(Path::new("/few/new"));
        assert_eq!(requests.take(), ["/many".into(), "/few/new".into()].into());
        assert_eq!(requests.take_later(Path::new("/many")), ["/many".into()].into());
    }

    /// It waited for all photos of the folder, as a part of what was asked for already.
    #[tokio::test]
    async fn a_folder_within_one_that_is_asked_for_again_while_it_is_under_way_is_asked_for_itself() {
        let requests = SweepRequests::new(vec!["/in".into()]);
        let inbox = &requests.inboxes()[0];
        requests.request(Path::new("/in"));
        requests.request(Path::new("/in/new"));
        let under_way = [inbox.next().await];
        assert_eq!(under_way, [PathBuf::from("/in/new")]);
        for path in ["/in/new", "/in/new/part"] {
            requests.request(Path::new(path));
        }
        assert_eq!(inbox.take_beside(&under_way), Some("/in/new/part".into()));
        assert_eq!(inbox.take_beside(&under_way), None);
        assert_eq!(requests.take(), ["/in".into(), "/in/new".into()].into());
    }
}
