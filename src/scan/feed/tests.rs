//! How a scan feeds a line, which most often is the test itself.

use async_channel::{Receiver, bounded};

use super::*;
use crate::domain::{Device, PreprocessingVersion};
use crate::model::{Classifier, ClassifyError};
use crate::preprocess::InputTensor;
use crate::status::StatusBoard;
use crate::store::Applied;
use crate::tagging::line::{Haste, LineParts};
use crate::tagging::record::OnTrouble;
use crate::tagging::testing::{Fake, SETTLE, Shop, model, png, tagged};

/// A feeder whose line is this test.
struct Fed {
    feeder: Feeder,
    settled_rx: Receiver<SettledFile>,
    recordable_rx: Receiver<Recordable>,
    tally: Arc<Tally>,
}

impl Fed {
    fn new() -> Self {
        let (settled_tx, settled_rx) = bounded(1);
        let (recordable_tx, recordable_rx) = bounded(16);
        let (_, relook_rx) = bounded(1);
        let inputs = LineInputs {
            settled_tx,
            recordable_tx,
            relook_rx,
            expected: Arc::default(),
        };
        let tally = Arc::new(Tally::default());
        let feeder = Feeder {
            settle: SETTLE,
            settler: Settler::new(SETTLE),
            inputs,
            tally: Arc::clone(&tally),
            progress: Arc::default(),
            has_failed: Arc::default(),
            sent: 0,
            patience_ends: None,
        };
        Self {
            feeder,
            settled_rx,
            recordable_rx,
            tally,
        }
    }

    /// As the record does for a file that came to its end.
    fn answered(tally: &Tally, file: &SettledFile) {
        tally.recorded(&[tagged(&file.path, b"", "a")], &Applied::default());
    }
}

fn ground(shop: &Shop, quiet: Duration) -> Ground {
    Ground {
        reader: shop.reader(),
        inboxes: Arc::new(shop.inboxes()),
        model: model("a"),
        quiet,
        progress: Arc::default(),
    }
}

/// A folder with more young files than the waiting room holds lost all that came after.
#[test]
fn more_restless_files_than_there_is_room_for_are_all_read() {
    let shop = Shop::new();
    for number in 0..5 {
        shop.file(&format!("{number}.png"), b"young");
    }
    let mut fed = Fed::new();
    fed.feeder.settler = Settler::with_room_for(1, SETTLE);
    // All of them are young.
    let ground = ground(&shop, Duration::from_secs(3_600));
    let (feeder, paths) = (fed.feeder, vec![shop.inbox()]);
    let feeding = std::thread::spawn(move || feeder.run_blocking(&ground, &paths));
    let mut read = 0;
    while let Ok(file) = fed.settled_rx.recv_blocking() {
        read += 1;
        Fed::answered(&fed.tally, &file);
    }
    feeding.join().unwrap().unwrap();
    assert_eq!(read, 5);
}

/// An answer that is recorded after its file was found to be gone brings the file back, and no sweep follows a scan.
#[test]
fn removed_files_are_looked_for_when_all_answers_are_recorded() {
    let shop = Shop::new();
    let (first, second) = (shop.inbox().join("1"), shop.inbox().join("2"));
    std::fs::create_dir(&first).unwrap();
    std::fs::create_dir(&second).unwrap();
    shop.store()
        .apply(&[tagged(&first.join("gone.png"), b"gone", "a")])
        .unwrap();
    std::fs::write(second.join("new.png"), b"new").unwrap();
    let fed = Fed::new();
    let ground = ground(&shop, Duration::ZERO);
    let (feeder, paths) = (fed.feeder, vec![first, second]);
    let feeding = std::thread::spawn(move || feeder.run_blocking(&ground, &paths));
    let file = fed.settled_rx.recv_blocking().unwrap();
    assert!(fed.recordable_rx.is_empty(), "one answer is still on its way");
    Fed::answered(&fed.tally, &file);
    feeding.join().unwrap().unwrap();
    let recorded = fed.recordable_rx.try_recv().unwrap();
    assert!(
        matches!(&recorded.changes[..], [Change::Absent { path, .. }] if path.as_str().ends_with("gone.png"))
    );
}

/// Counted from the start of the scan, the patience with files that still change was over before the walk was.
#[test]
fn a_long_walk_does_not_use_up_the_patience() {
    let shop = Shop::new();
    let young = shop.file("young.png", b"young");
    let mut fed = Fed::new();
    let ground = ground(&shop, Duration::from_secs(3_600));
    let noticed = NoticedFile {
        path: young,
        hint: Hint::Found,
    };
    let taken = fed.feeder.take_blocking(Found::Restless(noticed), &ground);
    assert!(taken.is_ok());
    assert_eq!(fed.feeder.patience_ends, None, "while it walks");
    assert_eq!(fed.feeder.settler.len(), 1);
}

/// The disk was unmounted during the scan; a file that is named alone is no inbox, and has its answer.
#[test]
fn what_goes_with_its_whole_inbox_during_a_scan_is_not_said_to_be_gone() {
    let shop = Shop::new();
    let path = shop.inbox().join("missing.png");
    for (root, answers) in [(shop.inbox(), 0), (path.clone(), 1)] {
        let mut fed = Fed::new();
        let mut ground = ground(&shop, Duration::ZERO);
        ground.inboxes = Arc::new(Inboxes::new(vec![root], globset::GlobSet::empty()));
        let noticed = NoticedFile {
            path: path.clone(),
            hint: Hint::Closed,
        };
        fed.feeder.settler.notice(Instant::now() - SETTLE.quiet, noticed);
        assert!(fed.feeder.look_at_due_blocking(&ground).is_ok());
        assert!(fed.feeder.settler.is_empty());
        assert_eq!(fed.recordable_rx.len(), answers);
    }
}

/// A model that gives no answer.
struct Mute(Fake);

impl Classifier for Mute {
    fn id(&self) -> &ModelId {
        self.0.id()
    }

    fn device(&self) -> Device {
        self.0.device()
    }

    fn preprocessing(&self) -> PreprocessingVersion {
        self.0.preprocessing()
    }

    fn warm_up(&mut self) -> Result<(), ClassifyError> {
        self.0.warm_up()
    }

    fn classify(&mut self, inputs: &[&InputTensor]) -> Result<Vec<crate::domain::Prediction>, ClassifyError> {
        Err(ClassifyError::Shape {
            model: self.id().clone(),
            pictures: inputs.len(),
            values: 0,
            output: "scores".into(),
            expected: crate::domain::LABEL_COUNT,
        })
    }
}

/// The stations beside the one that failed (a record that had waited for a full disk, say) had nothing to do and noticed
/// nothing, and the scan waited for ever.
#[tokio::test]
async fn a_scan_ends_when_a_station_of_its_line_has_failed() {
    let shop = Shop::new();
    shop.file("a.png", &png(1));
    let mute = || Box::new(Mute(Fake::new("a", 0))) as Box<dyn Classifier>;
    let parts = LineParts {
        // One of them fails with the photo, the other one sees none.
        classifiers: vec![mute(), mute()],
        store: shop.store(),
        inboxes: Arc::new(shop.inboxes()),
        on_trouble: OnTrouble::GiveUpAfter(Duration::ZERO),
        haste: Haste::LastPhoto,
        board: StatusBoard::default(),
    };
    let line = Line::start(&shop.config(), parts).unwrap();
    let ground = ground(&shop, Duration::ZERO);
    let progress = Arc::clone(&ground.progress);
    let scanning = feed(line, ground, SETTLE, vec![shop.inbox()]);
    let ended = tokio::time::timeout(Duration::from_secs(60), scanning).await;
    // Without it a feeder that waits for ever would not let the test end.
    progress.stop.store(true, Ordering::Relaxed);
    assert!(
        matches!(ended, Ok(Err(DaemonError::Line(LineError::Infer(_))))),
        "{ended:?}"
    );
}
