//! Seconds for one epoch of 54,000 pictures of the reference network, pictures per second, and peak memory.
//!
//! In: Fashion-MNIST in `fashion-mnist` under HANGTAG_SHARED, or under `../shared`. Out: a line a run. Never: a verdict.
//!
//! `cargo bench --bench train -- [EPOCHS] [THREADS]`: one epoch on all cores unless told otherwise.

use std::path::{Path, PathBuf};

use hangtag::training::dataset::{DataSet, Provenance};
use hangtag::training::lessons::Photos;
use hangtag::training::network::Architecture;
use hangtag::training::train::{
    Checkpointing, EpochRecord, Flow, Observer, Progress, TrainParameters, TrainingJob, train_blocking,
};

/// Keeps the time at which an epoch's last training picture was done: `EpochRecord` counts validation in.
#[derive(Default)]
struct Clock {
    seconds: f64,
    images: usize,
}

impl Observer for Clock {
    fn progress(&mut self, progress: &Progress) -> Flow {
        (self.seconds, self.images) = (progress.seconds, progress.images_done);
        Flow::Continue
    }

    fn epoch_done(&mut self, record: &EpochRecord) -> Flow {
        println!(
            "epoch {}: {:.2} s for {} images, {:.0} images/s, {:.2} s with validation, loss {:.4}, \
             validation accuracy {:.4}, peak memory {}",
            record.epoch,
            self.seconds,
            self.images,
            self.images as f64 / self.seconds,
            record.seconds,
            record.loss,
            record.val_accuracy,
            peak_memory(),
        );
        Flow::Continue
    }
}

fn main() {
    // Cargo adds a `--bench` of its own.
    let numbers: Vec<usize> = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .collect();
    let shared = std::env::var_os("HANGTAG_SHARED").map(PathBuf::from);
    let shared = shared.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"));
    let folder = shared.join("fashion-mnist");
    let mut data = match DataSet::load_blocking(&folder, Provenance::Any) {
        Ok(data) => data,
        Err(error) => {
            eprintln!("{error}\nHANGTAG_SHARED names the folder that holds fashion-mnist/");
            std::process::exit(1);
        }
    };
    // The test pictures play no part in training.
    data.test = Default::default();
    let parameters = TrainParameters {
        epochs: numbers.first().map_or(1, |&epochs| epochs as u32),
        threads: numbers.get(1).copied(),
        ..TrainParameters::default()
    };
    let job = TrainingJob {
        architecture: Architecture::REFERENCE,
        parameters: &parameters,
        images: &data.train,
        photos: &Photos::default(),
        files: &data.files,
        checkpoint: Checkpointing::Off,
    };
    if let Err(error) = train_blocking(&job, &mut Clock::default()) {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

/// Greatest resident memory of this process, as Linux counts it.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or("unknown".into(), |kilobytes| kilobytes.trim().to_owned())
}
