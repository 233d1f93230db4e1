//! How fast grey pictures become what a model sees: `cargo bench --bench preprocess`.
//!
//! In: photos of `shared/photos`, where that is at hand. Out: time a photo, for small and for larger ones.

use std::hint::black_box;
use std::path::PathBuf;

use criterion::{Criterion, criterion_group, criterion_main};
use hangtag::decode::{DecodeLimits, decode};
use hangtag::preprocess::Preprocessor;

fn bench(criterion: &mut Criterion) {
    let limits = DecodeLimits {
        max_pixels: 100_000_000,
        max_decode_bytes: 1 << 30,
    };
    for folder in ["shop", "home"] {
        let photos: Vec<_> = photos(folder)
            .iter()
            .filter_map(|bytes| decode(bytes, &limits).ok())
            .collect();
        if photos.is_empty() {
            println!("no photos in shared/photos/{folder}: skipped");
            continue;
        }
        let mut next = photos.iter().cycle();
        let mut preprocessor = Preprocessor::new();
        criterion.bench_function(&format!("preprocess {folder}"), |bencher| {
            bencher.iter(|| {
                let image = next.next().expect("a cycle never ends; this is a bug");
                black_box(preprocessor.prepare(image))
            })
        });
    }
}

fn photos(folder: &str) -> Vec<Vec<u8>> {
    let shared = std::env::var_os("HANGTAG_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")),
        PathBuf::from,
    );
    let entries = std::fs::read_dir(shared.join("photos").join(folder));
    entries
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| std::fs::read(entry.path()).ok())
        .collect()
}

criterion_group!(benches, bench);
criterion_main!(benches);
