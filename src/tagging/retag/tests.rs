//! The inventory after a change of model, on a whole line with made-up models.

use super::*;
use crate::domain::InventoryPath;
use crate::tagging::line::{Haste, Line, LineInputs, LineParts, Tally};
use crate::tagging::record::OnTrouble;
use crate::tagging::swap::Swapper;
use crate::tagging::testing::{Fake, Shop, model, png, sighting, tagged};

const FILES: u8 = 20;
/// A test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A line in which model b answers, and the station beside it.
struct Following {
    shop: Shop,
    swapper: Swapper,
    inputs: LineInputs,
    tally: Arc<Tally>,
    stop_tx: watch::Sender<bool>,
    retagging: tokio::task::JoinHandle<()>,
}

impl Following {
    /// Model a has answered for all that is in the inbox.
    fn start(policy: RetagPolicy) -> Self {
        let shop = Shop::new();
        for shade in 0..FILES {
            let path = shop.file(&format!("{shade}.png"), &png(shade));
            shop.store().apply(&[tagged(&path, &png(shade), "a")]).unwrap();
        }
        let (line, retagger) = line_of(&shop, policy);
        let tally = Arc::clone(&line.tally);
        let (inputs, swapper, _) = line.into_parts();
        let (stop_tx, stop_rx) = watch::channel(false);
        Self {
            shop,
            swapper,
            inputs,
            tally,
            stop_tx,
            retagging: tokio::spawn(retag(retagger, stop_rx)),
        }
    }

    async fn wait_until_all_follow(&self, digit: &str) {
        self.wait_until(|shop| shop.reader().retag_progress(&model(digit)).unwrap().left == 0)
            .await;
    }

    async fn wait_until(&self, is_so: impl Fn(&Shop) -> bool) {
        let since = Instant::now();
        while !is_so(&self.shop) {
            assert!(since.elapsed() < PATIENCE);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn end(self) {
        self.stop_tx.send(true).unwrap();
        self.retagging.await.unwrap();
    }
}

/// A line in which model b answers, and what the station beside it works with.
fn line_of(shop: &Shop, policy: RetagPolicy) -> (Line, Retagger) {
    let (board, inboxes) = (StatusBoard::default(), Arc::new(shop.inboxes()));
    let parts = LineParts {
        classifiers: Fake::copies("b", 1, 1),
        store: shop.store(),
        inboxes: Arc::clone(&inboxes),
        on_trouble: OnTrouble::GiveUpAfter(PATIENCE),
        haste: Haste::EachPhoto,
        board: board.clone(),
    };
    let line = Line::start(&shop.config(), parts).unwrap();
    let retagger = Retagger {
        reader: shop.reader(),
        in_service: line.swapper.in_service(),
        settings: RetagSettings {
            policy,
            images_per_second: NonZeroU32::MAX,
        },
        inboxes,
        ends: RetagEnds {
            settled_tx: line.settled_tx.clone(),
            recordable_tx: line.recordable_tx.clone(),
            queues: line.queues.clone(),
            stragglers: Arc::clone(&line.stragglers),
        },
        station: board.station("retag"),
        board,
    };
    (line, retagger)
}

/// A scan that began under the former model put its answers back, and only a restart brought those of the next again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_a_scan_put_back_are_brought_back_without_news() {
    let shop = Shop::new();
    let path = shop.file("a.png", &png(1));
    for digit in ["a", "b", "a"] {
        shop.store().apply(&[tagged(&path, &png(1), digit)]).unwrap();
    }
    let shown = || {
        shop.reader()
            .known_file(&InventoryPath::of(&path))
            .unwrap()
            .unwrap()
            .model
    };
    assert_eq!(shown(), Some(model("a")));
    let (_line, retagger) = line_of(&shop, RetagPolicy::All);
    let mut working = Working::begin(retagger);
    assert_eq!(working.pass(News::None).await.unwrap(), Pass::Whole);
    assert_eq!(shown(), Some(model("b")));
    assert!(!shop.reader().has_answers_to_bring_back(&model("b")).unwrap());
}

/// The shop, looked at for a model that has not answered yet.
fn ground_of(shop: &Shop) -> (Ground, Serving) {
    let ground = Ground {
        reader: shop.reader(),
        inboxes: Arc::new(shop.inboxes()),
    };
    let serving = Serving {
        model: model("b"),
        preprocessing: crate::tagging::testing::VERSION,
    };
    (ground, serving)
}

/// One name of a photo was tried, and where it had changed or gone, the photo kept the former model's tag.
#[test]
fn a_photo_is_tagged_anew_by_whichever_name_is_as_it_was() {
    let shop = Shop::new();
    let (gone, changed) = (shop.inbox().join("1.png"), shop.file("2.png", b"photo"));
    let there = shop.file("3.png", b"photo");
    for path in [&gone, &changed, &there] {
        shop.store().apply(&[tagged(path, b"photo", "a")]).unwrap();
    }
    std::fs::write(&changed, b"longer").unwrap();
    let (ground, serving) = ground_of(&shop);
    let page = ground.page(&serving, None, 0).unwrap();
    let paths: Vec<_> = page.files.iter().map(|file| &file.path).collect();
    assert_eq!(paths, [&there]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_inventory_follows_a_change_and_a_rollback_reads_nothing() {
    let mut following = Following::start(RetagPolicy::All);
    following.wait_until_all_follow("b").await;
    following
        .wait_until(|_| following.tally.tagged() == u64::from(FILES))
        .await;

    following.swapper.swap(Fake::copies("a", 0, 1)).await.unwrap();
    following.wait_until_all_follow("a").await;
    let read = following.tally.through();
    assert_eq!(read, u64::from(FILES), "no file was read for the rollback");

    // What the former model said of a photo and was recorded only now is not left as it is.
    let late = following.shop.file("late.png", &png(200));
    let recordable = Recordable::change(tagged(&late, &png(200), "b"));
    following.inputs.recordable_tx.send(recordable).await.unwrap();
    let name = InventoryPath::of(&late);
    following
        .wait_until(|shop| {
            let known = shop.reader().known_file(&name).unwrap();
            known.is_some_and(|known| known.model == Some(model("a")))
        })
        .await;
    following.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_policy_only_answers_on_record_come_back() {
    let mut following = Following::start(RetagPolicy::None);
    let on_record = following.shop.inbox().join("0.png");
    let recordable = Recordable::change(tagged(&on_record, &png(0), "b"));
    following.inputs.recordable_tx.send(recordable).await.unwrap();
    // Brings back what a had said of it, and nothing is left.
    following
        .wait_until(|shop| {
            let known = shop.reader().known_file(&InventoryPath::of(&on_record)).unwrap();
            known.unwrap().model == Some(model("b"))
        })
        .await;
    following.swapper.swap(Fake::copies("a", 0, 1)).await.unwrap();
    following.wait_until_all_follow("a").await;
    assert_eq!(following.tally.through(), 1, "the one that came from here");
    following.end().await;
}

#[test]
fn a_file_that_is_not_as_it_was_is_left_to_the_sweep() {
    let shop = Shop::new();
    let (same, changed, gone) = (
        shop.file("1.png", b"1"),
        shop.file("2.png", b"2"),
        shop.inbox().join("3.png"),
    );
    for (path, bytes) in [(&same, b"1"), (&changed, b"2"), (&gone, b"3")] {
        shop.store().apply(&[tagged(path, bytes, "a")]).unwrap();
    }
    std::fs::write(&changed, b"longer").unwrap();
    let (ground, serving) = ground_of(&shop);
    let page = ground.page(&serving, None, 0).unwrap();
    let paths: Vec<_> = page.files.iter().map(|file| &file.path).collect();
    assert_eq!(paths, [&same]);
    assert_eq!(page.files[0].stamp, sighting(&same).stamp);
    let sure = ground.page(&serving, Some(Confidence::new(0.5).unwrap()), 0);
    assert_eq!(sure.unwrap().last, None, "all of them are surer");
    let next = ground.page(&serving, None, page.last.unwrap()).unwrap();
    assert_eq!(next.last, None, "the end");
}

#[test]
fn files_are_spread_over_time_and_what_was_not_used_is_not_saved_up() {
    let mut throttle = Throttle::new(NonZeroU32::new(10).unwrap());
    let (start, step) = (Instant::now(), Duration::from_millis(100));
    assert_eq!(throttle.reserve(start), Duration::ZERO);
    assert_eq!(throttle.reserve(start), step);
    assert_eq!(throttle.reserve(start + step), step);
    let later = start + 100 * step;
    assert_eq!(throttle.reserve(later), Duration::ZERO);
    assert_eq!(throttle.reserve(later), step);
}
