//! Holds the folders against the store: the truth behind the events.
//!
//! In: requests to look through an inbox or a part of it. Out: files that the store does not know as they are,
//! to be settled or read; files that are gone, to the record. Never: a file's content, and never "gone" for all
//! files of an inbox that is itself not there (unmounted: then its folder is absent, or bare).

mod requests;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use walkdir::WalkDir;

pub use requests::{InboxRequests, SweepRequests};

use super::inbox::{Inboxes, Look, Seen, folder_named_like_a_photo, is_gone, says_gone};
use super::settle::{Hint, NoticedFile, SettledFile};
use crate::domain::{FileStamp, InventoryPath, ModelId, Rejection, RejectionReason};
use crate::store::{Change, KnownFile, Reader, StoreError};

/// Rows read at a time while looking for removed files: a short read holds no snapshot open.
const PAGE: u32 = 1_000;
/// Files counted in a bare inbox; more are "or more": it is asked once a second.
const MOST_COUNTED: u32 = 1_000;

/// What a sweep finds.
#[derive(Debug)]
pub enum Found {
    /// New or changed, and old enough to be read at once.
    AtRest(SettledFile),
    /// New or changed, and perhaps still being written.
    Restless(NoticedFile),
    /// Gone, or impossible to read.
    Change(Change),
    /// As the store knows it.
    Unchanged,
}

/// One look through the folders.
pub struct Sweep<'a> {
    /// What is ours.
    pub inboxes: &'a Inboxes,
    /// What is known.
    pub reader: &'a Reader,
    /// Whose outcomes count as known.
    pub counted: Counted<'a>,
    /// A file that is younger is looked at again before it is read.
    pub quiet: Duration,
    /// Ends the sweep early.
    pub stop: &'a AtomicBool,
}

/// Whose outcomes count as known; files that have none are found.
#[derive(Debug, Clone, Copy)]
pub enum Counted<'a> {
    /// Only this model's: a scan, after which all that it saw is tagged by the model in service.
    AnswersOf(&'a ModelId),
    /// Any model's: the service, where the inventory follows a change of model at its own pace.
    AnyAnswer,
    /// There are none: no file that is there is on record where it is looked, so that the store need not be asked for each.
    None,
}

impl Counted<'_> {
    fn holds(self, known: &KnownFile) -> bool {
        match (self, &known.model) {
            (Counted::AnyAnswer, Some(_)) => true,
            (Counted::AnyAnswer, None) => !known.reason.is_some_and(RejectionReason::passes_unseen),
            (Counted::AnswersOf(model), _) => known.is_answered_by(model),
            (Counted::None, _) => false,
        }
    }
}

/// How far a sweep came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swept {
    /// All of it.
    Whole,
    /// Until it was told to stop, or what takes its finds was gone.
    Stopped,
}

/// Whoever takes the finds wants no more.
#[derive(Debug)]
pub struct NoMore;

impl Sweep<'_> {
    /// Looks through `folder` (or at one file), then for files that were there and are gone.
    pub fn run_blocking(
        &self,
        folder: &Path,
        emit: &mut dyn FnMut(Found) -> Result<(), NoMore>,
    ) -> Result<Swept, StoreError> {
        if self.inboxes.is_away_blocking(folder) {
            return Ok(Swept::Whole);
        }
        Ok(match self.walk(folder, emit)? {
            Swept::Stopped => Swept::Stopped,
            Swept::Whole => self.look_for_removed(folder, emit)?,
        })
    }

    /// The files that are there.
    pub fn walk(
        &self,
        folder: &Path,
        emit: &mut dyn FnMut(Found) -> Result<(), NoMore>,
    ) -> Result<Swept, StoreError> {
        // A name that was a folder's when it was asked for may be a link out of the inbox by now, and so may one above it.
        if self.inboxes.is_behind_link_blocking(folder) {
            return Ok(Swept::Whole);
        }
        let is_inbox = self.inboxes.roots().iter().any(|root| root == folder);
        let entries = WalkDir::new(folder)
            .follow_links(false)
            .follow_root_links(is_inbox);
        let entries = entries.into_iter();
        let entries = entries
            .filter_entry(|entry| entry.depth() == 0 || self.inboxes.passed_over(entry.path()).is_none());
        for entry in entries {
            let path = match &entry {
                Ok(entry) => entry.path(),
                Err(error) => match error.path() {
                    Some(path) => path,
                    None => continue, // A link loop; links are not followed.
                },
            };
            let found = self.judge(path, entry.as_ref().err())?;
            if let Some(found) = found
                && (self.stop.load(Ordering::Relaxed) || emit(found).is_err())
            {
                return Ok(Swept::Stopped);
            }
        }
        Ok(Swept::Whole)
    }

    fn judge(&self, path: &Path, error: Option<&walkdir::Error>) -> Result<Option<Found>, StoreError> {
        if self.inboxes.passed_over(path).is_some() {
            return Ok(None); // The folder that was asked for is itself within one to be passed over.
        }
        if let Some(error) = error.and_then(walkdir::Error::io_error)
            && !says_gone(error)
        {
            return self
                .refused(path, super::inbox::unreadable(path, error), None)
                .map(Some);
        }
        match self.inboxes.look_blocking(path) {
            Look::File(seen) => self.file(path, seen).map(Some),
            Look::Folder => match folder_named_like_a_photo(path) {
                Some(rejection) => self.refused(path, rejection, None).map(Some),
                None => self.folder(path),
            },
            Look::Refused(rejection, stamp) => self.refused(path, rejection, stamp).map(Some),
            // Gone since the folder was listed: whether it was known is the second look's affair.
            Look::Missing => Ok(None),
        }
    }

    fn known(&self, path: &InventoryPath) -> Result<Option<KnownFile>, StoreError> {
        match self.counted {
            Counted::None => Ok(None),
            Counted::AnswersOf(_) | Counted::AnyAnswer => self.reader.known_file(path),
        }
    }

    fn file(&self, path: &Path, seen: Seen) -> Result<Found, StoreError> {
        if let Some(known) = self.known(&InventoryPath::of(path))?
            && known.is_present
            && known.stamp == Some(seen.stamp)
            && self.counted.holds(&known)
        {
            return Ok(Found::Unchanged);
        }
        Ok(if seen.age >= self.quiet {
            Found::AtRest(SettledFile {
                path: path.to_owned(),
                stamp: seen.stamp,
                rested: seen.age,
            })
        } else {
            Found::Restless(NoticedFile {
                path: path.to_owned(),
                hint: Hint::Found,
            })
        })
    }

    /// A folder is no find, but the end of what was known under its name: a file, or a folder that could not be read.
    fn folder(&self, path: &Path) -> Result<Option<Found>, StoreError> {
        let name = InventoryPath::of(path);
        let Some(known) = self.known(&name)?.filter(|known| known.is_present) else {
            return Ok(None);
        };
        let is_still_unreadable =
            known.reason == Some(RejectionReason::Unreadable) && std::fs::read_dir(path).is_err();
        Ok((!is_still_unreadable).then(|| Found::Change(absent(name))))
    }

    fn refused(
        &self,
        path: &Path,
        rejection: Rejection,
        stamp: Option<FileStamp>,
    ) -> Result<Found, StoreError> {
        let known = self.known(&InventoryPath::of(path))?;
        let same = known.is_some_and(|known| {
            known.is_present && known.stamp == stamp && known.reason == Some(rejection.reason)
        });
        Ok(if same {
            Found::Unchanged
        } else {
            Found::Change(Change::unread(path, stamp, rejection))
        })
    }

    /// The files that were there and are gone. Not while answers for them are on their way: one that is recorded later
    /// would bring its file back.
    pub fn look_for_removed(
        &self,
        folder: &Path,
        emit: &mut dyn FnMut(Found) -> Result<(), NoMore>,
    ) -> Result<Swept, StoreError> {
        let folder_path = InventoryPath::of(folder);
        let mut after: Option<InventoryPath> = None;
        loop {
            let page = self
                .reader
                .present_files_under(&folder_path, after.as_ref(), PAGE)?;
            let Some(last) = page.last().cloned() else {
                return Ok(Swept::Whole);
            };
            let mut missed = Vec::new();
            // Of the folder that was looked at last: most files have neighbours.
            let (mut parent, mut is_linked) = (PathBuf::new(), false);
            for path in page {
                if self.stop.load(Ordering::Relaxed) {
                    return Ok(Swept::Stopped);
                }
                let file = path.to_path();
                let folder = crate::durable::folder_of(&file);
                if folder != parent {
                    (parent, is_linked) = (folder.to_owned(), self.inboxes.is_behind_link_blocking(&file));
                }
                // Former versions tagged hangtag's own files, which are not met any more.
                let is_elsewhere = is_linked || self.inboxes.is_own(&file);
                if is_elsewhere || is_gone(&file) {
                    missed.push((path, is_elsewhere));
                }
            }
            // A whole page gone at once may be an inbox that was just unmounted.
            if !missed.is_empty() && self.inboxes.is_away_blocking(folder) {
                return Ok(Swept::Whole);
            }
            for (path, is_elsewhere) in missed {
                // Between two finds minutes may pass, in which a file is put back and answered.
                let is_still_missed = is_elsewhere || is_gone(&path.to_path());
                if is_still_missed && emit(Found::Change(absent(path))).is_err() {
                    return Ok(Swept::Stopped);
                }
            }
            after = Some(last);
        }
    }
}

/// What to say of a bare inbox, before what is to be done; `None` where the store knows of no file in it, so that nothing is
/// amiss.
pub fn missed_in_bare_inbox(root: &Path, reader: &Reader) -> Result<Option<String>, StoreError> {
    let known = reader.present_files_under(&InventoryPath::of(root), None, MOST_COUNTED)?;
    let files = match known.len() {
        0 => return Ok(None),
        1 => "a file was".to_owned(),
        count if count < MOST_COUNTED as usize => format!("{count} files were"),
        _ => format!("{MOST_COUNTED} files or more were"),
    };
    Ok(Some(format!("is empty, though {files} there: is it mounted?")))
}

fn absent(path: InventoryPath) -> Change {
    Change::Absent {
        path,
        at: SystemTime::now().into(),
    }
}

#[cfg(test)]
mod tests;
