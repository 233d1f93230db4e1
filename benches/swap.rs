//! The longest gap between two answers while the model is swapped 50 times under a full load, on the CPU.
//!
//! `cargo bench --bench swap` prints the gaps without and with swaps. Every model that is swapped in is opened and
//! warmed up beside, as the service does it, so that the load of that is in the figures, too. Needs ONNX Runtime and
//! installs it on first need, as the program does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_channel::{Receiver, bounded};
use hangtag::domain::{ContentHash, FileStamp, InventoryPath};
use hangtag::model::{
    Classifier, InferenceOptions, ModelBundle, OnnxClassifier, Runtime, RuntimeSettings, runtime,
};
use hangtag::preprocess;
use hangtag::status::StatusBoard;
use hangtag::store::{ContentFacts, FileSighting};
use hangtag::tagging::batch::BatchLimits;
use hangtag::tagging::infer::{InferEnds, infer_blocking};
use hangtag::tagging::prepare::PreparedImage;
use hangtag::tagging::record::Recordable;
use hangtag::tagging::swap::Swapper;

const SWAPS: usize = 50;
/// Threads that answer, as on a machine of two cores or more.
const SEATS: usize = 2;
/// The defaults of `[tagging]`.
const LIMITS: BatchLimits = BatchLimits {
    max_images: 64,
    max_wait: Duration::from_millis(2),
};

fn main() {
    let runtime = runtime::ensure_blocking(&RuntimeSettings::default(), &mut |line| eprintln!("{line}"))
        .expect("the benchmark needs ONNX Runtime");
    let tokio = tokio::runtime::Runtime::new().expect("a runtime starts");
    tokio.block_on(async {
        let calm = run(&runtime, Load::Untouched).await;
        println!("without swaps: longest gap between two answers {calm}");
        let swapped = run(&runtime, Load::Swapped).await;
        println!("{SWAPS} swaps:      longest gap between two answers {swapped}");
    });
}

#[derive(Clone, Copy, PartialEq)]
enum Load {
    Untouched,
    Swapped,
}

/// What the answers looked like to who receives them.
struct Gaps {
    longest: Duration,
    answers: u64,
    over: Duration,
}

impl std::fmt::Display for Gaps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rate = self.answers as f64 / self.over.as_secs_f64();
        let longest_ms = self.longest.as_secs_f64() * 1e3;
        write!(
            f,
            "{longest_ms:.1} ms; {} answers, {rate:.0} a second",
            self.answers
        )
    }
}

async fn run(runtime: &Runtime, load: Load) -> Gaps {
    let (prepared_tx, prepared_rx) = bounded(2 * LIMITS.max_images);
    let (recordable_tx, recordable_rx) = bounded(64);
    let (mut swapper, seats) = Swapper::seat(copies(runtime));
    let ends = InferEnds {
        prepared_rx,
        recordable_tx,
        runtime: tokio::runtime::Handle::current(),
    };
    let station = StatusBoard::default().station("infer");
    let inferring: Vec<_> = seats
        .into_iter()
        .map(|seat| {
            let (ends, station) = (ends.clone(), station.clone());
            std::thread::spawn(move || infer_blocking(seat, LIMITS, &ends, &station))
        })
        .collect();
    drop(ends);
    let measuring = std::thread::spawn(move || gaps(&recordable_rx));
    let is_over = Arc::new(AtomicBool::new(false));
    let feeding = std::thread::spawn({
        let is_over = Arc::clone(&is_over);
        move || {
            for number in (0..).take_while(|_: &u64| !is_over.load(Ordering::Relaxed)) {
                prepared_tx
                    .send_blocking(image(number))
                    .expect("the models answer");
            }
        }
    });
    for _ in 0..SWAPS {
        let next = copies(runtime);
        match load {
            Load::Swapped => drop(swapper.swap(next).await.expect("the swap succeeds")),
            // Opened and freed all the same: that load is not the swap's.
            Load::Untouched => drop(next),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    is_over.store(true, Ordering::Relaxed);
    feeding.join().expect("the feeder ends");
    for thread in inferring {
        thread
            .join()
            .expect("the thread ends")
            .expect("the models answer");
    }
    measuring.join().expect("the measuring thread ends")
}

fn gaps(recordable_rx: &Receiver<Recordable>) -> Gaps {
    let (mut last, mut longest, mut answers) = (None::<Instant>, Duration::ZERO, 0);
    let start = Instant::now();
    while let Ok(recordable) = recordable_rx.recv_blocking() {
        let now = Instant::now();
        if let Some(last) = last.replace(now) {
            longest = longest.max(now - last);
        }
        answers += recordable.changes.len() as u64;
    }
    Gaps {
        longest,
        answers,
        over: start.elapsed(),
    }
}

fn copies(runtime: &Runtime) -> Vec<Box<dyn Classifier>> {
    let options = InferenceOptions {
        max_batch: LIMITS.max_images,
        ..InferenceOptions::default()
    };
    let open = |_| {
        let opened = OnnxClassifier::open(runtime, &ModelBundle::embedded(), &options);
        let (mut classifier, _) = opened.expect("the shipped model opens on the CPU");
        classifier.warm_up().expect("the shipped model answers");
        Box::new(classifier) as Box<dyn Classifier>
    };
    (0..SEATS).map(open).collect()
}

fn image(number: u64) -> PreparedImage {
    let pixels = std::array::from_fn(|index| (index as u64 * (number + 3) % 251) as u8);
    PreparedImage {
        file: FileSighting {
            path: InventoryPath::from_stored(format!("/in/{number}.jpg")),
            stamp: FileStamp {
                size: 1,
                mtime_ns: 1,
                inode: number,
            },
        },
        content: ContentFacts {
            hash: ContentHash::of(&number.to_le_bytes()),
            bytes: 1,
            format: None,
            size_px: None,
        },
        input: preprocess::from_idx(&pixels),
        preprocessing: preprocess::VERSION,
    }
}
