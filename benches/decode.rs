//! How fast photos become grey pictures: `cargo bench --bench decode`.
//!
//! In: photos of `shared/photos`, where that is at hand. Out: time a photo, for small and for larger ones.

use std::hint::black_box;
use std::path::PathBuf;

use criterion::{Criterion, criterion_group, criterion_main};
use hangtag::decode::{DecodeLimits, decode_reusing};

fn bench(criterion: &mut Criterion) {
    let limits = DecodeLimits {
        max_pixels: 100_000_000,
        max_decode_bytes: 1 << 30,
    };
    for folder in ["shop", "home"] {
        let photos = photos(folder);
        if photos.is_empty() {
            println!("no photos in shared/photos/{folder}: skipped");
            continue;
        }
        let mut next = photos.iter().cycle();
        let mut buffer = Vec::new();
        criterion.bench_function(&format!("decode {folder}"), |bencher| {
            bencher.iter(|| {
                let bytes = next.next().expect("a cycle never ends; this is a bug");
                let image = decode_reusing(bytes, &limits, std::mem::take(&mut buffer));
                buffer = black_box(image).map(|image| image.luma).unwrap_or_default();
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
