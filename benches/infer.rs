//! Images per second of the shipped model on the CPU, for several batch sizes and numbers of threads.
//!
//! `cargo bench --bench infer` prints one line a setting: the best of several rounds, since other work on the machine
//! only ever slows a round down. Needs ONNX Runtime and installs it on first need, as the program does.

use std::time::{Duration, Instant};

use hangtag::model::{
    Classifier, InferenceOptions, ModelBundle, OnnxClassifier, Runtime, RuntimeSettings, runtime,
};
use hangtag::preprocess::{self, InputTensor};

/// Long enough that the clock's resolution and a single interruption do not matter.
const ROUND: Duration = Duration::from_millis(400);
const ROUNDS: usize = 5;

fn main() {
    let before = Instant::now();
    let runtime = runtime::ensure_blocking(&RuntimeSettings::default(), &mut |line| eprintln!("{line}"))
        .expect("the benchmark needs ONNX Runtime");
    println!(
        "ONNX Runtime {} found, checked and loaded in {:.0} ms",
        runtime.version().unwrap_or("of unknown version"),
        before.elapsed().as_secs_f64() * 1e3
    );
    println!("{:>6} {:>8} {:>12}", "batch", "threads", "images/s");
    for threads in [1, 2] {
        for batch in [1, 8, 64, 256] {
            let rate = images_per_second(&runtime, batch, threads);
            println!("{batch:>6} {threads:>8} {rate:>12.0}");
        }
    }
}

/// The best round of one setting.
fn images_per_second(runtime: &Runtime, batch: usize, intra_op_threads: usize) -> f64 {
    let options = InferenceOptions {
        intra_op_threads,
        max_batch: batch,
        ..InferenceOptions::default()
    };
    let (mut classifier, _) = OnnxClassifier::open(runtime, &ModelBundle::embedded(), &options)
        .expect("the shipped model opens on the CPU");
    let tensors: Vec<InputTensor> = (0..batch).map(tensor).collect();
    let inputs: Vec<&InputTensor> = tensors.iter().collect();
    classifier.warm_up().expect("the shipped model answers");
    (0..ROUNDS)
        .map(|_| {
            let (start, mut images) = (Instant::now(), 0);
            while start.elapsed() < ROUND {
                images += classifier
                    .classify(&inputs)
                    .expect("the shipped model answers")
                    .len();
            }
            images as f64 / start.elapsed().as_secs_f64()
        })
        .fold(0.0, f64::max)
}

/// A picture made of a formula; each `seed` gives another one.
fn tensor(seed: usize) -> InputTensor {
    preprocess::from_idx(&std::array::from_fn(|index| (index * (seed + 3) % 251) as u8))
}
