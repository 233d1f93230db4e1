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
use crate::store::{
    Actor, ContentHistory, Forced, Forgotten, ModelRow, ModelState, NewCorrection, Reader, ServiceChange,
    Store, StoreError,
};

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

/// A person's decision which model shall serve.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// Which one; `None`: the one that served before.
    pub model: Option<ModelId>,
    /// Also one that the gate has not let pass.
    pub forced: Forced,
    /// Why, in words.
    pub reason: Option<String>,
    /// Which model was in service when the person decided.
    pub instead_of: Option<ModelId>,
    /// Who.
    pub by: String,
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

    /// Puts down what a person says of a content that is on record. `Busy`, and nothing put down, where too many pictures
    /// wait to be kept for rebuilds.
    pub fn correct_blocking(
        &mut self,
        hash: ContentHash,
        truth: Truth,
        by: String,
    ) -> Result<Corrected, Failure> {
        let place = match self.gallery.place(&self.known_content(&hash)?.present_files()) {
            // Said again in a moment it is learned, too; put down now it would count, and be lost to rebuilds.
            Err(Failure::Busy) => return Err(Failure::Busy),
            place => place,
        };
        let at = SystemTime::now().into();
        let word = NewCorrection { hash, truth, by, at };
        let before = self.store()?.correct_in_place_of(&word)?;
        let can_be_learned = place.is_ok() || (self.hands.is_picture_kept)(&hash);
        self.leave_picture(hash, place);
        Ok(Corrected {
            before,
            can_be_learned,
        })
    }

    /// Has the model's answer count again; whether a correction stood.
    pub fn undo_blocking(&mut self, hash: ContentHash, by: &str) -> Result<bool, Failure> {
        self.known_content(&hash)?;
        let at = SystemTime::now().into();
        Ok(self.store()?.undo_corrections(&[hash], by, at)? > 0)
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
    pub fn put_in_service_blocking(&mut self, decision: Decision) -> Result<ModelId, Failure> {
        self.refuse_pinned()?;
        let in_service = self.reader.model_in_service_id()?;
        if decision.instead_of.is_some() && decision.instead_of != in_service {
            return Err(overtaken());
        }
        let model = match &decision.model {
            Some(model) => model.clone(),
            None => self.reader.former_model()?.ok_or_else(|| {
                Failure::Conflict("no other model has served before, so there is none to go back to".into())
            })?,
        };
        let row = self.reader.model(&model)?;
        let row = row.ok_or_else(|| Failure::NotFound(format!("no model {model} is on record")))?;
        if row.state == ModelState::InService {
            return Err(Failure::Conflict(format!("{model} is in service already")));
        }
        let verdict = self.verdict_on(&model)?;
        let forced = judge(&row, verdict.as_ref(), decision.forced)?;
        (self.hands.open_model)(&model).map_err(|why| {
            Failure::Conflict(format!("the model does not work, so nothing was changed: {why}"))
        })?;
        let why = decision.reason.unwrap_or_else(|| match decision.model {
            Some(_) => "promoted".into(),
            None => "rolled back".into(),
        });
        let change = ServiceChange {
            model: model.clone(),
            at: SystemTime::now().into(),
            by: Actor::Person,
            reason: format!("{why}, by {}", decision.by),
            forced,
            verdict: decision.model.and(verdict),
            instead_of: in_service,
        };
        let hands = Arc::clone(&self.hands);
        let store = self.store()?;
        (hands.fit_on_audit)(store, &model)?;
        match store.put_in_service(&change)? {
            true => Ok(model),
            false => Err(overtaken()),
        }
    }

    /// What the gate said of a model, if one of the latest runs made it.
    fn verdict_on(&self, model: &ModelId) -> Result<Option<serde_json::Value>, Failure> {
        let run = self.reader.run_that_made(model)?;
        Ok(run.and_then(|run| run.verdict))
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

fn overtaken() -> Failure {
    Failure::Conflict("another model went into service meanwhile; look again, and decide again".into())
}

/// Whether a person may put a model in service, and whether that is against the gate.
fn judge(row: &ModelRow, verdict: Option<&serde_json::Value>, forced: Forced) -> Result<Forced, Failure> {
    let has_served = row.state == ModelState::Retired;
    let has_passed = verdict.is_some_and(|verdict| verdict["verdict"] == "promote");
    let is_shipped = row.model == *ModelBundle::embedded().id();
    match (has_served || has_passed || is_shipped, forced) {
        (true, _) => Ok(Forced::No),
        (false, Forced::Yes) => Ok(Forced::Yes),
        (false, Forced::No) => {
            let why = row
                .state_reason
                .as_deref()
                .unwrap_or("the gate has not judged it");
            Err(Failure::Conflict(format!(
                "{} has not passed the gate: {why}; it can be forced, which is recorded",
                row.model
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use serde_json::json;

    use super::super::DriftShown;
    use super::super::pictures::Size;
    use super::super::shelf::Shelf;
    use super::*;
    use crate::config::Sources;
    use crate::domain::{
        FileStamp, InventoryPath, Label, PreprocessingVersion, Rejection, RejectionReason, Thresholds,
        Timestamp,
    };
    use crate::store::{Change, ContentFacts, FileSighting, NewModel, NewThresholds, RejectionRecord};
    use crate::tagging::testing::Fake;

    fn handless() -> Hands {
        Hands {
            queues: Box::new(Vec::new),
            look_again: Box::new(|_| {}),
            is_watched: Box::new(|_| true),
            open_model: Box::new(|_| Err("not here".into())),
            fit_on_audit: Box::new(|_, _| Ok(())),
            keep_picture: Box::new(|_, _| Ok(())),
            is_picture_kept: Box::new(|_| false),
            worth_a_look: Box::new(|_, _, _| Ok(Vec::new())),
            findings: Box::new(|_| Vec::new()),
            drift: Box::new(|_| {
                Ok(DriftShown {
                    answer: json!(null),
                    reading: None,
                    conclusion: String::new(),
                    table: None,
                })
            }),
        }
    }

    /// A photo at `path` that is on record; a store needs no tag for a correction.
    fn on_record(store: &mut Store, hash: ContentHash, path: &std::path::Path) {
        let model = NewModel::new(
            &"a".repeat(64),
            PreprocessingVersion(1),
            Timestamp::from_millis(0),
        )
        .unwrap();
        store.register_model(&model).unwrap();
        let change = Change::Rejected {
            file: FileSighting {
                path: InventoryPath::from_stored(path.display().to_string()),
                stamp: FileStamp {
                    size: 9,
                    mtime_ns: 5,
                    inode: 7,
                },
            },
            content: ContentFacts {
                hash,
                bytes: 9,
                format: None,
                size_px: None,
            },
            rejection: RejectionRecord {
                rejection: Rejection {
                    reason: RejectionReason::Corrupt,
                    detail: "broken".into(),
                },
                model: model.id().clone(),
                preprocessing: PreprocessingVersion(1),
                at: Timestamp::from_millis(1),
            },
        };
        store.apply(&[change]).unwrap();
    }

    /// The settings of a shop, and its store.
    fn shop(folder: &std::path::Path) -> (Arc<Config>, Store) {
        let (inbox, data) = (folder.join("inbox"), folder.join("data"));
        let settings = format!("inbox = {inbox:?}\ndata_dir = {data:?}");
        let config = Config::from_sources(&Sources {
            file: Some(("shop.toml".into(), settings)),
            ..Sources::default()
        });
        let config = config.unwrap();
        let store = Store::open(&config.store_path(), config.durability.into()).unwrap();
        (Arc::new(config), store)
    }

    fn gallery(config: &Config) -> Arc<Gallery> {
        let shelf = Shelf::new(config.thumbnails_dir(), 1);
        Arc::new(Gallery::start(config, &config.inboxes, shelf).unwrap())
    }

    /// The photo was read before the correction was written, by the one thread that writes: a dead disk held up all.
    #[test]
    fn a_correction_waits_for_no_photo() {
        let folder = tempfile::tempdir().unwrap();
        let (config, mut store) = shop(folder.path());
        let hash = ContentHash::of(b"a photo");
        on_record(&mut store, hash, &folder.path().join("inbox/a.jpg"));
        let gallery = gallery(&config);
        let (_answers_tx, answers_rx) = mpsc::channel();
        gallery.let_hang(0, answers_rx);
        let mut desk = Desk::new(config, Arc::new(handless()), gallery).unwrap();
        let first = Truth::from(Label::all().next());
        for (truth, before) in [(first, None), (first, Some(first)), (Truth::Unknown, Some(first))] {
            let replaced = desk.correct_blocking(hash, truth, "Ada".into());
            assert_eq!(replaced.unwrap().before, before);
        }
    }

    /// Of 480 words within a second, 199 counted and were lost to rebuilds, with a line in the log each.
    #[tokio::test]
    async fn a_word_whose_picture_finds_no_place_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let (config, mut store) = shop(folder.path());
        let (hash, paths) = (ContentHash::of(b"a photo"), [folder.path().join("inbox/a.jpg")]);
        on_record(&mut store, hash, &paths[0]);
        let gallery = gallery(&config);
        let reader = Reader::open(&config.store_path()).unwrap();
        let mut desk = Desk::new(config, Arc::new(handless()), Arc::clone(&gallery)).unwrap();
        let word = |label: usize| Truth::from(Label::all().nth(label));
        let mut say = |label| desk.correct_blocking(hash, word(label), "Ada".into());
        let standing = || reader.page_of_corrections(None, 9).unwrap().corrections.len();

        let all_places = || std::iter::from_fn(|| gallery.place(&paths).ok()).collect::<Vec<_>>();
        let taken = all_places();
        assert!(matches!(say(1), Err(Failure::Busy)));
        assert_eq!(standing(), 0);
        drop(taken);
        say(1).unwrap();
        assert_eq!(standing(), 1);

        // What waits for a dead disk holds up nobody.
        let (_answers_tx, answers_rx) = mpsc::channel();
        gallery.let_hang(0, answers_rx);
        while !matches!(
            gallery.picture(hash, Size::Thumb, &paths).await,
            Err(Failure::TimedOut)
        ) {}
        let _taken = all_places();
        let counted = Corrected {
            before: Some(word(1)),
            can_be_learned: false,
        };
        assert_eq!(say(2).unwrap(), counted);
    }

    /// That a rebuild would learn from a photo that was gone was told nobody but the log.
    #[test]
    fn it_is_told_where_no_rebuild_can_learn_from_a_word() {
        let folder = tempfile::tempdir().unwrap();
        let (config, mut store) = shop(folder.path());
        let (here, gone) = (ContentHash::of(b"here"), ContentHash::of(b"gone"));
        on_record(&mut store, here, &folder.path().join("inbox/here.jpg"));
        on_record(&mut store, gone, &folder.path().join("inbox/file.jpg"));
        // Another content in its place: no file holds that one any more.
        on_record(
            &mut store,
            ContentHash::of(b"other"),
            &folder.path().join("inbox/file.jpg"),
        );
        let gallery = gallery(&config);
        for (hash, was_kept, expected) in [(here, false, true), (gone, false, false), (gone, true, true)] {
            let hands = Hands {
                is_picture_kept: Box::new(move |_| was_kept),
                ..handless()
            };
            let mut desk = Desk::new(Arc::clone(&config), Arc::new(hands), Arc::clone(&gallery)).unwrap();
            let corrected = desk.correct_blocking(hash, Truth::Unknown, "Ada".into());
            assert_eq!(
                corrected.unwrap().can_be_learned,
                expected,
                "{hash}, kept before: {was_kept}"
            );
            if hash == gone {
                let unlearned = desk.unlearned().load(Ordering::Relaxed);
                assert_eq!(unlearned, u64::from(!was_kept), "kept before: {was_kept}");
            }
        }
        // It is found only when it is read that this is no picture any more.
        let mut desk = Desk::new(config, Arc::new(handless()), gallery).unwrap();
        desk.correct_blocking(here, Truth::Unknown, "Ada".into()).unwrap();
        let since = std::time::Instant::now();
        while desk.unlearned().load(Ordering::Relaxed) == 0 {
            assert!(since.elapsed().as_secs() < 60, "it is not counted");
            std::thread::yield_now();
        }
    }

    /// An audit held for a model that was promoted by command, and not for one that was promoted by the page.
    #[test]
    fn what_is_fitted_on_an_audit_holds_from_the_first_moment_in_service_on() {
        let folder = tempfile::tempdir().unwrap();
        let (config, mut store) = shop(folder.path());
        let at = Timestamp::from_millis(1);
        let new = NewModel::new(&"b".repeat(64), PreprocessingVersion(1), at).unwrap();
        store.register_model(&new).unwrap();
        let gallery = gallery(&config);
        let hands = Hands {
            open_model: Box::new(|_| Ok(Box::new(Fake::new("b", 0)))),
            fit_on_audit: Box::new(move |store, model| {
                store.set_thresholds(&NewThresholds {
                    model: model.clone(),
                    thresholds: Thresholds::unfounded(),
                    by: "a fit".into(),
                    at,
                })
            }),
            ..handless()
        };
        let reader = Reader::open(&config.store_path()).unwrap();
        let mut desk = Desk::new(config, Arc::new(hands), gallery).unwrap();
        let decision = Decision {
            model: Some(new.id().clone()),
            forced: Forced::Yes,
            reason: None,
            instead_of: None,
            by: "Ada".into(),
        };
        desk.put_in_service_blocking(decision).unwrap();
        assert_eq!(reader.model_in_service_id().unwrap().as_ref(), Some(new.id()));
        let holding = reader.thresholds_of(new.id()).unwrap().unwrap();
        assert_eq!(holding.by, "a fit");
    }

    #[test]
    fn what_has_not_passed_must_be_forced() {
        let now = Timestamp::from_millis(0);
        let row = |state| ModelRow {
            model: ModelId::from_sha256(&"a".repeat(64)).unwrap(),
            sha256: "a".repeat(64),
            preprocessing: PreprocessingVersion(1),
            labels: json!([]),
            manifest: json!({}),
            registered_at: now,
            state,
            state_reason: Some("it is worse".into()),
            state_since: now,
        };
        let (promote, keep) = (json!({ "verdict": "promote" }), json!({ "verdict": "keep" }));
        for (state, verdict, forced, expected) in [
            (ModelState::Retired, None, Forced::No, Some(Forced::No)),
            (ModelState::Rejected, Some(&keep), Forced::No, None),
            (ModelState::Rejected, Some(&keep), Forced::Yes, Some(Forced::Yes)),
            (
                ModelState::Rejected,
                Some(&promote),
                Forced::Yes,
                Some(Forced::No),
            ),
            (ModelState::Candidate, None, Forced::No, None),
        ] {
            let got = judge(&row(state), verdict, forced).ok();
            assert_eq!(got, expected, "{state} {verdict:?} {forced:?}");
        }
    }
}
