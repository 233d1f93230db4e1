//! What changes something: corrections, the model in service, a rebuild, another attempt.
//!
//! In: a person's decision, checked against how things stand now. Out: rows in the store, which the daemon obeys as if a
//! command had written them. Never: a model put in service that does not open and answer, a decision made by looking at a
//! page that was overtaken, or two changes at once: one thread makes them all, and waits for no disk but the store's.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use super::Hands;
use super::failure::Failure;
use super::gallery::{Gallery, KeepingPlace};
use crate::config::Config;
use crate::domain::{ContentHash, DecodedImage, ModelId, Truth};
use crate::model::ModelBundle;
use crate::store::{ContentHistory, Forgotten, NewCorrection, Reader, Refusal, Store, StoreError, Wish};

/// Who signs a change of which nobody said who made it.
pub const ANONYMOUS: &str = "web";

/// What the writing thread works with.
pub struct Desk {
    config: Arc<Config>,
    hands: Arc<Hands>,
    /// Opened by the first change; most days see none.
    store: Option<Store>,
    reader: Reader,
    /// Who keeps the pictures of corrected photos.
    gallery: Arc<Gallery>,
    /// Words since the start that no rebuild can learn from. Owner: this, and those who draw for it; others read it.
    unlearned: Arc<AtomicU64>,
}

/// What became of a person's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Corrected {
    /// The word that held before.
    pub before: Option<Truth>,
    /// Whether the photo is there for a rebuild to learn from, as far as is known; the word counts all the same.
    pub can_be_learned: bool,
}

impl Desk {
    /// Nothing is opened for writing yet.
    pub fn new(config: Arc<Config>, hands: Arc<Hands>, gallery: Arc<Gallery>) -> Result<Desk, StoreError> {
        Ok(Desk {
            reader: Reader::open(&config.store_path())?,
            gallery,
            unlearned: Arc::default(),
            store: None,
            config,
            hands,
        })
    }

    /// How many words since the start count, and no rebuild can learn from them.
    pub fn unlearned(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.unlearned)
    }

    fn store(&mut self) -> Result<&mut Store, Failure> {
        if self.store.is_none() {
            let durability = self.config.durability.into();
            self.store = Some(Store::open(&self.config.store_path(), durability)?);
        }
        let store = self.store.as_mut();
        store.ok_or_else(|| Failure::Internal("the store was opened a line ago; this is a bug".into()))
    }

    /// Puts down what a person says of a content that is on record; with `instead_of` only in place of that word. `Busy`,
    /// and nothing put down, where too many pictures wait to be kept for rebuilds.
    pub fn correct_blocking(
        &mut self,
        hash: ContentHash,
        truth: Truth,
        instead_of: Option<Truth>,
        by: String,
    ) -> Result<Corrected, Failure> {
        let place = match self.gallery.place(&self.known_content(&hash)?.present_files()) {
            // Said again in a moment it is learned, too; put down now it would count, and be lost to rebuilds.
            Err(Failure::Busy) => return Err(Failure::Busy),
            place => place,
        };
        let at = SystemTime::now().into();
        let word = NewCorrection { hash, truth, by, at };
        let before = self.store()?.correct_in_place_of(&word, instead_of)?;
        // Said again, it stands already.
        if instead_of.is_some() && before != instead_of && before != Some(truth) {
            return Err(said_otherwise(before));
        }
        let can_be_learned = place.is_ok() || (self.hands.is_picture_kept)(&hash);
        self.leave_picture(hash, place);
        Ok(Corrected {
            before,
            can_be_learned,
        })
    }

    /// Has the model's answer count again; whether a correction stood. With `instead_of` no other word is taken back.
    pub fn undo_blocking(
        &mut self,
        hash: ContentHash,
        instead_of: Option<Truth>,
        by: &str,
    ) -> Result<bool, Failure> {
        self.known_content(&hash)?;
        let at = SystemTime::now().into();
        let before = self.store()?.undo_correction(&hash, instead_of, (by, at))?;
        if instead_of.is_some() && before.is_some() && before != instead_of {
            return Err(said_otherwise(before));
        }
        Ok(before.is_some())
    }

    fn known_content(&self, hash: &ContentHash) -> Result<ContentHistory, Failure> {
        let content = self.reader.history_of_content(hash)?;
        content.ok_or_else(|| Failure::NotFound("no photo with that content is on record".into()))
    }

    /// Has the picture kept for rebuilds by those who draw: the photo may lie on a disk that does not answer. If the
    /// service ends before, the correction counts all the same; a rebuild names the photo among those that it could not
    /// use, and the same correction once more, though no news, has the picture kept.
    fn leave_picture(&self, hash: ContentHash, place: Result<KeepingPlace, Failure>) {
        let (hands, unlearned) = (Arc::clone(&self.hands), Arc::clone(&self.unlearned));
        // A picture that cannot be had costs a rebuild its lesson, not the correction; nor that where it was kept before.
        let tell_unless_kept = move |kept: Result<(), String>| {
            if let Err(error) = kept
                && !(hands.is_picture_kept)(&hash)
            {
                unlearned.fetch_add(1, Ordering::Relaxed);
                tracing::warn!("a corrected photo counts, but no rebuild can learn from it: {error}");
            }
        };
        let (hands, tell) = (Arc::clone(&self.hands), tell_unless_kept.clone());
        let keep = move |photo: Result<DecodedImage, String>| {
            tell(photo.and_then(|photo| (hands.keep_picture)(&hash, &photo)));
        };
        let left = place.and_then(|place| place.leave(hash, keep));
        tell_unless_kept(left.map_err(|failure| failure.to_string()));
    }

    /// Asks for a rebuild; the request's number.
    pub fn ask_for_rebuild_blocking(&mut self, by: &str) -> Result<i64, Failure> {
        self.refuse_pinned()?;
        Ok(self.store()?.ask_for_rebuild(SystemTime::now().into(), by)?)
    }

    /// Puts a model in service; which one.
    pub fn put_in_service_blocking(&mut self, wish: Wish) -> Result<ModelId, Failure> {
        self.refuse_pinned()?;
        if let Some(model) = &wish.model
            && self.reader.model(model)?.is_none()
        {
            return Err(Failure::NotFound(format!("no model {model} is on record")));
        }
        let shipped = ModelBundle::embedded();
        let change = wish.decided(&self.reader, shipped.id(), SystemTime::now().into())?;
        (self.hands.open_model)(&change.model).map_err(|why| {
            Failure::Conflict(format!("the model does not work, so nothing was changed: {why}"))
        })?;
        let hands = Arc::clone(&self.hands);
        let store = self.store()?;
        (hands.fit_on_audit)(store, &change.model)?;
        store.grant(&change)?;
        Ok(change.model)
    }

    /// Forgets that files were rejected, and asks for another look; how many are looked at.
    pub fn try_again_blocking(&mut self, files: &[i64]) -> Result<u64, Failure> {
        let hands = Arc::clone(&self.hands);
        // A copy of a file may have been named as well.
        let (mut paths, mut out_of_reach) = (BTreeSet::new(), None);
        for file in files {
            match self.store()?.forget_rejection(*file, &hands.is_watched)? {
                Forgotten::NotRejected => {}
                Forgotten::OutOfReach(path) => out_of_reach = Some(path),
                Forgotten::Again(again) => paths.extend(again),
            }
        }
        for path in &paths {
            (hands.look_again)(path);
        }
        match (paths.len() as u64, out_of_reach) {
            (0, Some(path)) => Err(Failure::Conflict(format!(
                "{} is gone or lies in no inbox, so that nothing would look at it again; `hangtag scan` with its path does",
                path.display()
            ))),
            (count, _) => Ok(count),
        }
    }

    fn refuse_pinned(&self) -> Result<(), Failure> {
        match &self.config.inference.model {
            Some(_) => Err(Failure::Conflict(
                "the settings name a model (inference.model), which is served whatever the registry says; unset it to change models here".into(),
            )),
            None => Ok(()),
        }
    }
}

fn said_otherwise(standing: Option<Truth>) -> Failure {
    Failure::Conflict(match standing {
        Some(word) => format!("somebody has said otherwise meanwhile, which holds: {word}"),
        None => "the word was taken back meanwhile, so the model's answer holds".into(),
    })
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Store(error) => error.into(),
            refusal => Failure::Conflict(refusal.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
