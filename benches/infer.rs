//! Images per second of the shipped model and of the reference network on the CPU, for several batch sizes and numbers of
//! threads, and how many times as much the shipped one costs.
//!
//! `cargo bench --bench infer` prints one line a setting: the best of several rounds, in which both take turns, since other
//! work on the machine only ever slows a round down. Needs ONNX Runtime and installs it on first need, as the program
//! does.

use std::time::{Duration, Instant};

use hangtag::model::{
    Classifier, InferenceOptions, ModelBundle, OnnxClassifier, Runtime, RuntimeSettings, bundle, runtime,
};
use hangtag::preprocess::{self, InputTensor};
use hangtag::training::export::{Tempering, to_onnx};
use hangtag::training::network::{Architecture, Network};

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
    let models = [ModelBundle::embedded(), reference()];
    println!(
        "{:>6} {:>8} {:>12} {:>12} {:>6}",
        "batch", "threads", "shipped/s", "reference/s", "cost"
    );
    for threads in [1, 2] {
        for batch in [1, 2, 4, 8] {
            let [shipped, reference] = images_per_second(&runtime, &models, batch, threads);
            let cost = reference / shipped;
            println!("{batch:>6} {threads:>8} {shipped:>12.0} {reference:>12.0} {cost:>6.2}");
        }
    }
}

/// The reference network, untrained: what its weights are makes no difference to its speed.
fn reference() -> ModelBundle {
    let network = Network::new(Architecture::REFERENCE, 1);
    let onnx = to_onnx(&network, Tempering::NONE, preprocess::VERSION);
    let mut manifest = ModelBundle::embedded().manifest().clone();
    manifest.model_sha256 = bundle::model_sha256(&onnx);
    manifest.unknown_output = None;
    ModelBundle::from_bytes(onnx, manifest).expect("the exported file is what its manifest says")
}

/// The best round of each model in one setting.
fn images_per_second(
    runtime: &Runtime,
    models: &[ModelBundle; 2],
    batch: usize,
    intra_op_threads: usize,
) -> [f64; 2] {
    let options = InferenceOptions {
        intra_op_threads,
        max_batch: batch,
        ..InferenceOptions::default()
    };
    let mut classifiers = models.each_ref().map(|model| {
        let (mut classifier, _) =
            OnnxClassifier::open(runtime, model, &options).expect("the model opens on the CPU");
        classifier.warm_up().expect("the model answers");
        classifier
    });
    let tensors: Vec<InputTensor> = (0..batch).map(tensor).collect();
    let inputs: Vec<&InputTensor> = tensors.iter().collect();
    let mut best = [0.0f64; 2];
    for _ in 0..ROUNDS {
        for (classifier, best) in classifiers.iter_mut().zip(&mut best) {
            let (start, mut images) = (Instant::now(), 0);
            while start.elapsed() < ROUND {
                images += classifier.classify(&inputs).expect("the model answers").len();
            }
            *best = best.max(images as f64 / start.elapsed().as_secs_f64());
        }
    }
    best
}

/// A picture made of a formula; each `seed` gives another one.
fn tensor(seed: usize) -> InputTensor {
    preprocess::from_idx(&std::array::from_fn(|index| (index * (seed + 3) % 251) as u8))
}
