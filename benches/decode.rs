//! How fast photos become grey pictures: `cargo bench --bench decode`.
//!
//! In: photos of `shared/photos`, where that is at hand, and one of 12 million pixels that is drawn here. Out: time a photo.

use std::hint::black_box;
use std::path::PathBuf;

use criterion::{Criterion, criterion_group, criterion_main};
use hangtag::decode::{DecodeLimits, decode_reusing};
use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage};

fn bench(criterion: &mut Criterion) {
    let limits = DecodeLimits {
        max_pixels: 100_000_000,
        max_decode_bytes: 1 << 30,
    };
    for folder in ["shop", "home", "drawn"] {
        let photos = match folder {
            "drawn" => vec![drawn()],
            _ => photos(folder),
        };
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

/// A JPEG of 4000x3000: a slope, with the grain that cameras leave.
fn drawn() -> Vec<u8> {
    let picture = RgbImage::from_fn(4000, 3000, |x, y| {
        let mixed = (x.wrapping_mul(0x9E37_79B1) ^ y.wrapping_mul(0x85EB_CA77)).wrapping_mul(0xC2B2_AE3D);
        let grain = (mixed >> 28) as u8;
        Rgb([
            40 + (x / 32) as u8 + grain,
            60 + (y / 32) as u8 + grain,
            90 + grain,
        ])
    });
    let mut bytes = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut bytes, 85);
    picture
        .write_with_encoder(encoder)
        .expect("a picture is encoded into memory; this is a bug");
    bytes
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
