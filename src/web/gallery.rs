//! Who draws pictures of photos: threads of each inbox's own.
//!
//! In: a content hash, and where its files lie. Out: a picture, which the shelf keeps. Never: more than a moment's wait for
//! a disk that is slow or does not answer, or a picture of another inbox that waits with it; a picture asked for in vain,
//! which the next attempt would ask for as if it were the first; more than two photos decoded at once.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, oneshot};

use super::failure::Failure;
use super::pictures::{Size, draw, read_blocking};
use super::pool::{Place, Pool, PoolShape};
use super::shelf::Shelf;
use crate::config::Config;
use crate::decode::{DecodeLimits, decode};
use crate::domain::{ContentHash, DecodedImage};

/// Threads of an inbox, and photos that are decoded at once, whosoever they are, so that memory stays bounded.
const DRAWERS: usize = 2;
/// Pictures of an inbox that may wait to be drawn, or to be kept for a rebuild: some minutes of one who corrects.
const WAITING: usize = 256;
/// Of these so many may wait to be drawn: all of a page's. Pages ask again and again for those of a disk that does not
/// answer, and a person's words are not to find all places taken by them.
const WAITING_TO_BE_DRAWN: usize = 128;
/// Pictures of an inbox that are waited for at once. More wait for their turn, before they take a place: a page asks for a
/// hundred and more, which a proxy may pass on all at the same time.
const TURNS: usize = 8;
/// For one file to be read: a disk that is near is done with it within milliseconds. What is read for longer, or waits
/// behind it, is drawn all the same, and comes from the shelf when it is asked for again.
const PATIENCE: Duration = Duration::from_secs(1);

/// All who draw.
pub struct Gallery {
    shelf: Arc<Shelf>,
    /// The last one is the root, for files in no inbox, such as those that a command was told to tag.
    inboxes: Vec<Inbox>,
}

struct Inbox {
    folder: PathBuf,
    turns: Semaphore,
    easels: Pool<Easel>,
    readings: Vec<Arc<Reading>>,
}

/// A place among the pictures of an inbox that wait.
pub struct KeepingPlace {
    place: Place<Easel>,
    paths: Vec<PathBuf>,
}

/// What one thread works with.
struct Easel {
    reading: Arc<Reading>,
    /// Held while a photo is decoded; each thread of an inbox shares another one with those of the other inboxes.
    place: Arc<Mutex<()>>,
    shelf: Arc<Shelf>,
    limits: DecodeLimits,
    max_file_bytes: u64,
}

/// Since when a file is being read, if one is. Owner: the thread that reads; those who wait for it look at it.
#[derive(Default)]
struct Reading(Mutex<Option<Instant>>);

impl Gallery {
    /// Starts the threads. `inboxes` are their real paths, as the store's are: the settings may name them by links.
    pub fn start(config: &Config, inboxes: &[PathBuf], shelf: Shelf) -> io::Result<Gallery> {
        let shelf = Arc::new(shelf);
        let places: [Arc<Mutex<()>>; DRAWERS] = std::array::from_fn(|_| Arc::default());
        let folders = inboxes.iter().map(PathBuf::as_path).chain([Path::new("/")]);
        let inboxes = folders.map(|folder| {
            let readings: Vec<Arc<Reading>> = places.iter().map(|_| Arc::default()).collect();
            let easels = places.iter().zip(&readings).map(|(place, reading)| Easel {
                reading: Arc::clone(reading),
                place: Arc::clone(place),
                shelf: Arc::clone(&shelf),
                limits: super::decode_limits(config),
                max_file_bytes: config.limits.max_file_bytes,
            });
            let shape = PoolShape {
                name: "web-draw",
                waiting: WAITING,
                nice: 10,
            };
            Ok(Inbox {
                folder: folder.to_owned(),
                turns: Semaphore::new(TURNS),
                easels: Pool::start(shape, easels.collect())?,
                readings,
            })
        });
        Ok(Gallery {
            inboxes: inboxes.collect::<io::Result<_>>()?,
            shelf,
        })
    }

    /// A picture that was drawn before.
    pub fn kept_blocking(&self, hash: &ContentHash, size: Size) -> Option<Vec<u8>> {
        self.shelf.get_blocking(&size.file_name(hash))
    }

    /// A picture, drawn from the first of these files that still holds the content; `TimedOut` where a disk would have to be
    /// waited for, which draws it for whoever asks again.
    pub async fn picture(
        &self,
        hash: ContentHash,
        size: Size,
        paths: &[PathBuf],
    ) -> Result<Vec<u8>, Failure> {
        let mut failure = gone();
        for (inbox, paths) in self.holders(paths) {
            let drawn = inbox.draw(move |easel| easel.picture_blocking(&hash, size, &paths));
            match drawn.await {
                Ok(picture) => return Ok(picture),
                // What cannot be had now may be had later, whatever the other inboxes say.
                Err(_) if matches!(failure, Failure::TimedOut) => {}
                Err(other) => failure = other,
            }
        }
        Err(failure)
    }

    /// A place for a photo that is to be kept. One that lies in several inboxes has it at one that answers; `Busy` where
    /// too many wait there, `TimedOut` where they wait for a disk that does not answer.
    pub fn place(&self, paths: &[PathBuf]) -> Result<KeepingPlace, Failure> {
        let mut holders: Vec<_> = self.holders(paths).collect();
        holders.sort_by_key(|(inbox, _)| inbox.hangs());
        let (inbox, paths) = holders.into_iter().next().ok_or_else(gone)?;
        let place = inbox.easels.place().map_err(|failure| match inbox.hangs() {
            true => Failure::TimedOut,
            false => failure,
        })?;
        Ok(KeepingPlace { place, paths })
    }

    /// The inboxes that hold some of the files, each with those.
    fn holders(&self, paths: &[PathBuf]) -> impl Iterator<Item = (&Inbox, Vec<PathBuf>)> {
        let holder = |path: &PathBuf| {
            let mut inboxes = self.inboxes.iter();
            inboxes.position(|inbox| path.starts_with(&inbox.folder))
        };
        self.inboxes.iter().enumerate().filter_map(move |(place, inbox)| {
            let own = paths.iter().filter(|path| holder(path) == Some(place));
            let own: Vec<PathBuf> = own.cloned().collect();
            (!own.is_empty()).then_some((inbox, own))
        })
    }
}

impl KeepingPlace {
    /// Has the photo decoded and handed on, for nobody who waits.
    pub fn leave(
        self,
        hash: ContentHash,
        hand_on: impl FnOnce(Result<DecodedImage, String>) + Send + 'static,
    ) -> Result<(), Failure> {
        let KeepingPlace { place, paths } = self;
        place.leave(move |easel| hand_on(easel.decoded_blocking(&hash, &paths)))
    }
}

impl Inbox {
    /// Has a picture drawn, and waits for it unless its disk keeps others waiting. It is drawn though nobody waits for it
    /// any more: else a disk that needs a second for each photo would have drawn next to none of a page's.
    async fn draw(
        &self,
        draw: impl FnOnce(&mut Easel) -> Result<Vec<u8>, Failure> + Send + 'static,
    ) -> Result<Vec<u8>, Failure> {
        // Nobody closes them.
        let _turn = self.turns.acquire().await;
        let (drawn_tx, mut drawn_rx) = oneshot::channel();
        let left = self.place_to_be_drawn().and_then(|place| {
            // Who asked may have gone.
            place.leave(move |easel| _ = drawn_tx.send(draw(easel)))
        });
        if self.hangs() {
            return Err(Failure::TimedOut);
        }
        left?;
        loop {
            match tokio::time::timeout(PATIENCE, &mut drawn_rx).await {
                Ok(drawn) => {
                    return drawn.unwrap_or_else(|_| Err(Failure::Internal("drawing failed".into())));
                }
                Err(_) if self.hangs() => return Err(Failure::TimedOut),
                Err(_) => {}
            }
        }
    }

    fn place_to_be_drawn(&self) -> Result<Place<Easel>, Failure> {
        match self.easels.free_places() > WAITING - WAITING_TO_BE_DRAWN {
            true => self.easels.place(),
            false => Err(Failure::Busy),
        }
    }

    fn hangs(&self) -> bool {
        self.readings.iter().any(|reading| reading.hangs())
    }
}

impl Easel {
    fn picture_blocking(
        &self,
        hash: &ContentHash,
        size: Size,
        paths: &[PathBuf],
    ) -> Result<Vec<u8>, Failure> {
        let name = size.file_name(hash);
        // Drawn since for somebody else, or for one who did not wait for it.
        if let Some(kept) = self.shelf.get_blocking(&name) {
            return Ok(kept);
        }
        let photo = self.photo_blocking(hash, paths)?;
        let picture = self.at_a_place_blocking(|| draw(&photo, size, &self.limits))?;
        self.shelf.put_blocking(&name, &picture);
        Ok(picture)
    }

    fn decoded_blocking(&self, hash: &ContentHash, paths: &[PathBuf]) -> Result<DecodedImage, String> {
        let photo = self.photo_blocking(hash, paths);
        let photo = photo.map_err(|failure| failure.to_string())?;
        self.at_a_place_blocking(|| decode(&photo, &self.limits))
            .map_err(|error| error.to_string())
    }

    /// The bytes of a content, from the first of the files that still holds it.
    fn photo_blocking(&self, hash: &ContentHash, paths: &[PathBuf]) -> Result<Vec<u8>, Failure> {
        let mut found = paths.iter().filter_map(|path| {
            let read = || read_blocking(path, self.max_file_bytes);
            let bytes = self.reading.during(read)?;
            (ContentHash::of(&bytes) == *hash).then_some(bytes)
        });
        found.next().ok_or_else(gone)
    }

    fn at_a_place_blocking<R>(&self, draw: impl FnOnce() -> R) -> R {
        let _place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        draw()
    }
}

impl Reading {
    fn during<R>(&self, read_blocking: impl FnOnce() -> R) -> R {
        self.set(Some(Instant::now()));
        let read = read_blocking();
        self.set(None);
        read
    }

    fn set(&self, since: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    fn hangs(&self) -> bool {
        let since = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        since.is_some_and(|since| since.elapsed() >= PATIENCE)
    }
}

fn gone() -> Failure {
    Failure::NotFound("no file with that content is there (any more)".into())
}

#[cfg(test)]
pub mod testing {
    use std::sync::mpsc::Receiver;

    use super::*;

    impl Gallery {
        /// Lets an inbox's disk answer no more until the other end of `answers_rx` is gone.
        pub fn let_hang(&self, inbox: usize, answers_rx: Receiver<()>) {
            let answers_rx = Arc::new(Mutex::new(answers_rx));
            for _ in 0..DRAWERS {
                let answers_rx = Arc::clone(&answers_rx);
                let hang = move |easel: &mut Easel| {
                    let until = || _ = answers_rx.lock().unwrap().recv();
                    easel.reading.during(until);
                };
                let left = self.inboxes[inbox].easels.place();
                left.and_then(|place| place.leave(hang))
                    .expect("nothing else waits");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::config::Sources;

    /// Two inboxes, each with a photo of its own, and both with one more; the settings name them by links.
    fn gallery(folder: &Path) -> (Gallery, [PathBuf; 2], [ContentHash; 3]) {
        let inboxes = ["dead", "well"].map(|name| folder.join(name));
        let photos = [40, 120, 200].map(|grey| {
            let mut png = io::Cursor::new(Vec::new());
            let photo = image::GrayImage::from_pixel(30, 30, image::Luma([grey]));
            photo.write_to(&mut png, image::ImageFormat::Png).unwrap();
            png.into_inner()
        });
        for (inbox, photo) in inboxes.iter().zip(&photos) {
            std::fs::create_dir(inbox).unwrap();
            std::fs::write(inbox.join("own.png"), photo).unwrap();
            std::fs::write(inbox.join("both.png"), &photos[2]).unwrap();
        }
        let links = ["link-to-dead", "link-to-well"].map(|name| folder.join(name));
        for (inbox, link) in inboxes.iter().zip(&links) {
            std::os::unix::fs::symlink(inbox, link).unwrap();
        }
        let settings = format!("inbox = {links:?}\ndata_dir = {:?}", folder.join("data"));
        let config = Config::from_sources(&Sources {
            file: Some(("shop.toml".into(), settings)),
            ..Sources::default()
        });
        let shelf = Shelf::new(folder.join("shelf"), 1 << 20);
        let gallery = Gallery::start(&config.unwrap(), &inboxes, shelf).unwrap();
        (gallery, inboxes, photos.map(|photo| ContentHash::of(&photo)))
    }

    /// Two hanging pictures took the pictures of all inboxes, and those that waited behind them every page and the probes;
    /// those of all inboxes again where the settings named these by links.
    #[tokio::test]
    async fn an_inbox_that_does_not_answer_costs_pictures_of_it_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (gallery, [dead, well], [of_dead, of_well, of_both]) = gallery(folder.path());
        let own = |inbox: &Path| [inbox.join("own.png")];
        let (answers_tx, answers_rx) = mpsc::channel();
        gallery.let_hang(0, answers_rx);
        let (of_dead_at, of_well_at) = (own(&dead), own(&well));
        let waited = gallery.picture(of_dead, Size::Thumb, &of_dead_at);
        assert!(matches!(waited.await, Err(Failure::TimedOut)));
        let again = gallery.picture(of_dead, Size::Thumb, &of_dead_at);
        let at_once = tokio::time::timeout(Duration::ZERO, again).await;
        assert!(
            matches!(at_once, Ok(Err(Failure::TimedOut))),
            "nobody waits any more"
        );
        gallery
            .picture(of_well, Size::Thumb, &of_well_at)
            .await
            .expect("the other inbox answers");
        let in_both = [&dead, &well].map(|inbox| inbox.join("both.png"));
        gallery
            .picture(of_both, Size::Thumb, &in_both)
            .await
            .expect("the other inbox has it, too");
        let (kept_tx, kept_rx) = mpsc::channel();
        let keep = move |photo: Result<DecodedImage, String>| kept_tx.send(photo.is_ok()).unwrap();
        gallery.place(&in_both).unwrap().leave(of_both, keep).unwrap();
        assert!(kept_rx.recv().unwrap(), "for a rebuild as well");

        drop(answers_tx);
        wait_until_kept(&gallery, &of_dead);
    }

    /// Until a picture lies on the shelf, though nobody asks for it any more.
    fn wait_until_kept(gallery: &Gallery, hash: &ContentHash) {
        let since = Instant::now();
        while gallery.kept_blocking(hash, Size::Thumb).is_none() {
            assert!(since.elapsed() < Duration::from_secs(60), "it is not drawn");
            std::thread::yield_now();
        }
    }

    /// Of a page's pictures of a disk that needed a second for each, half were never shown: what waited was refused and
    /// forgotten each time, however often the page asked.
    #[tokio::test]
    async fn what_a_slow_disk_is_asked_for_is_drawn_though_nobody_waits() {
        let folder = tempfile::tempdir().unwrap();
        let (gallery, [slow, _], [of_slow, _, of_both]) = gallery(folder.path());
        let (answers_tx, answers_rx) = mpsc::channel();
        gallery.let_hang(0, answers_rx);
        let pictures =
            [(of_slow, "own.png"), (of_both, "both.png")].map(|(hash, name)| (hash, slow.join(name)));
        for (hash, path) in &pictures {
            let waited = gallery.picture(*hash, Size::Thumb, std::slice::from_ref(path));
            assert!(matches!(waited.await, Err(Failure::TimedOut)));
        }
        let [_, (_, of_both_at)] = &pictures;
        for _ in 0..WAITING {
            let again = gallery.picture(of_both, Size::Thumb, std::slice::from_ref(of_both_at));
            assert!(matches!(again.await, Err(Failure::TimedOut)));
        }
        let (kept_tx, kept_rx) = mpsc::channel();
        let keep = move |photo: Result<DecodedImage, String>| kept_tx.send(photo.is_ok()).unwrap();
        let place = gallery.place(&[slow.join("own.png")]);
        let place = place.expect("pictures leave room for those that a rebuild learns from");
        place.leave(of_slow, keep).unwrap();
        drop(answers_tx);
        for (hash, _) in &pictures {
            wait_until_kept(&gallery, hash);
        }
        assert!(kept_rx.recv().unwrap());
    }

    /// Those of a disk that needed 0.8 seconds for each held up all others for twelve, and those that had been drawn, too.
    #[tokio::test]
    async fn pictures_of_an_inbox_wait_for_no_others_but_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let (gallery, [slow, well], [of_slow, of_well, _]) = gallery(folder.path());
        let (of_slow_at, of_well_at) = ([slow.join("own.png")], [well.join("own.png")]);
        let turns = gallery.inboxes[0].turns.acquire_many(TURNS as u32);
        let turns = turns.await.unwrap();
        let waited = gallery.picture(of_slow, Size::Thumb, &of_slow_at);
        let mut waited = std::pin::pin!(waited);
        let at_once = tokio::time::timeout(Duration::ZERO, &mut waited);
        assert!(at_once.await.is_err(), "more wait for their turn");
        let drawn = gallery.picture(of_well, Size::Thumb, &of_well_at);
        let drawn = tokio::time::timeout(Duration::from_secs(60), drawn).await;
        drawn.expect("the other inbox has turns of its own").unwrap();
        drop(turns);
        waited.await.unwrap();
    }

    #[tokio::test]
    async fn what_is_in_no_inbox_is_drawn_and_what_is_nowhere_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (gallery, [dead, _], [of_dead, ..]) = gallery(folder.path());
        let elsewhere = folder.path().join("elsewhere.png");
        std::fs::copy(dead.join("own.png"), &elsewhere).unwrap();
        gallery.picture(of_dead, Size::Seen, &[elsewhere]).await.unwrap();
        for paths in [vec![], vec![dead.join("both.png")]] {
            let refused = gallery.picture(of_dead, Size::Thumb, &paths).await;
            assert!(matches!(refused, Err(Failure::NotFound(_))), "{refused:?}");
        }
    }
}
