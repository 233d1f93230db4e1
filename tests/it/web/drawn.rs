//! Garments drawn here, so that the pages have something to show that belongs to nobody: polygons in plain colours.

use image::{Rgb, RgbImage};

type Shape = &'static [(f32, f32)];

const SIDE: u32 = 480;

const T_SHIRT: &[Shape] = &[&[
    (0.30, 0.15),
    (0.42, 0.12),
    (0.50, 0.18),
    (0.58, 0.12),
    (0.70, 0.15),
    (0.95, 0.35),
    (0.82, 0.47),
    (0.72, 0.38),
    (0.72, 0.90),
    (0.28, 0.90),
    (0.28, 0.38),
    (0.18, 0.47),
    (0.05, 0.35),
]];
const TROUSER: &[Shape] = &[&[
    (0.32, 0.06),
    (0.68, 0.06),
    (0.74, 0.95),
    (0.57, 0.95),
    (0.50, 0.36),
    (0.43, 0.95),
    (0.26, 0.95),
]];
const PULLOVER: &[Shape] = &[&[
    (0.32, 0.12),
    (0.42, 0.10),
    (0.50, 0.13),
    (0.58, 0.10),
    (0.68, 0.12),
    (0.86, 0.25),
    (0.95, 0.85),
    (0.82, 0.88),
    (0.74, 0.45),
    (0.74, 0.90),
    (0.26, 0.90),
    (0.26, 0.45),
    (0.18, 0.88),
    (0.05, 0.85),
    (0.14, 0.25),
]];
const DRESS: &[Shape] = &[&[
    (0.38, 0.05),
    (0.44, 0.05),
    (0.50, 0.16),
    (0.56, 0.05),
    (0.62, 0.05),
    (0.66, 0.25),
    (0.59, 0.42),
    (0.78, 0.96),
    (0.22, 0.96),
    (0.41, 0.42),
    (0.34, 0.25),
]];
const COAT: &[Shape] = &[
    &[
        (0.30, 0.08),
        (0.44, 0.06),
        (0.49, 0.20),
        (0.49, 0.96),
        (0.24, 0.96),
        (0.27, 0.40),
        (0.18, 0.80),
        (0.06, 0.77),
        (0.15, 0.20),
    ],
    &[
        (0.70, 0.08),
        (0.56, 0.06),
        (0.51, 0.20),
        (0.51, 0.96),
        (0.76, 0.96),
        (0.73, 0.40),
        (0.82, 0.80),
        (0.94, 0.77),
        (0.85, 0.20),
    ],
];
const SANDAL: &[Shape] = &[
    &[(0.04, 0.72), (0.96, 0.72), (0.96, 0.79), (0.04, 0.81)],
    &[(0.10, 0.72), (0.16, 0.40), (0.23, 0.40), (0.22, 0.72)],
    &[(0.55, 0.72), (0.66, 0.52), (0.74, 0.54), (0.70, 0.72)],
    &[(0.16, 0.42), (0.22, 0.36), (0.66, 0.55), (0.62, 0.61)],
];
const SHIRT: &[Shape] = &[&[
    (0.34, 0.12),
    (0.44, 0.08),
    (0.50, 0.22),
    (0.56, 0.08),
    (0.66, 0.12),
    (0.84, 0.24),
    (0.92, 0.80),
    (0.81, 0.83),
    (0.72, 0.46),
    (0.73, 0.94),
    (0.51, 0.91),
    (0.505, 0.30),
    (0.495, 0.30),
    (0.49, 0.91),
    (0.27, 0.94),
    (0.28, 0.46),
    (0.19, 0.83),
    (0.08, 0.80),
    (0.16, 0.24),
]];
const SNEAKER: &[Shape] = &[
    &[
        (0.05, 0.70),
        (0.06, 0.44),
        (0.20, 0.36),
        (0.36, 0.42),
        (0.52, 0.52),
        (0.78, 0.58),
        (0.95, 0.66),
        (0.96, 0.70),
    ],
    &[(0.04, 0.72), (0.97, 0.72), (0.96, 0.80), (0.06, 0.80)],
];
const BAG: &[Shape] = &[
    &[(0.15, 0.42), (0.85, 0.42), (0.92, 0.92), (0.08, 0.92)],
    &[
        (0.30, 0.42),
        (0.34, 0.16),
        (0.66, 0.16),
        (0.70, 0.42),
        (0.64, 0.42),
        (0.61, 0.22),
        (0.39, 0.22),
        (0.36, 0.42),
    ],
];
const BOOT: &[Shape] = &[
    &[
        (0.26, 0.12),
        (0.58, 0.12),
        (0.58, 0.50),
        (0.86, 0.62),
        (0.95, 0.76),
        (0.26, 0.78),
    ],
    &[
        (0.24, 0.80),
        (0.96, 0.78),
        (0.96, 0.85),
        (0.46, 0.85),
        (0.44, 0.90),
        (0.25, 0.90),
    ],
];

/// What a photo shows, and its name.
const GARMENTS: [(&str, &[Shape]); 10] = [
    ("t-shirt", T_SHIRT),
    ("trouser", TROUSER),
    ("pullover", PULLOVER),
    ("dress", DRESS),
    ("coat", COAT),
    ("sandal", SANDAL),
    ("shirt", SHIRT),
    ("sneaker", SNEAKER),
    ("bag", BAG),
    ("ankle-boot", BOOT),
];
const COLOURS: [[u8; 3]; 8] = [
    [38, 70, 83],
    [42, 157, 143],
    [196, 120, 60],
    [178, 58, 72],
    [94, 84, 142],
    [61, 64, 91],
    [129, 108, 91],
    [84, 110, 60],
];

/// A name and the bytes of a PNG; every number gives another picture, ten in a row one of each garment.
pub fn photo(number: usize) -> (String, Vec<u8>) {
    let (name, shapes) = GARMENTS[number % GARMENTS.len()];
    let colour = COLOURS[(number * 3 + number / 10) % COLOURS.len()];
    let mut picture = RgbImage::from_pixel(SIDE, SIDE, Rgb([250, 250, 248]));
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        let at = (x as f32 / SIDE as f32, y as f32 / SIDE as f32);
        if let Some(place) = shapes.iter().position(|shape| is_within(shape, at)) {
            // Later shapes of a garment are darker; a little light falls from the left.
            let light = 1.12 - 0.25 * at.0 - 0.3 * place as f32;
            *pixel = Rgb(colour.map(|part| (f32::from(part) * light).clamp(0.0, 255.0) as u8));
        }
    }
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    (format!("{name}-{number:03}.png"), bytes.into_inner())
}

/// Whether a ray to the right crosses the outline an odd number of times.
fn is_within(shape: Shape, (x, y): (f32, f32)) -> bool {
    let mut inside = false;
    let mut before = shape[shape.len() - 1];
    for &corner in shape {
        if (corner.1 > y) != (before.1 > y) {
            let crossing = corner.0 + (y - corner.1) / (before.1 - corner.1) * (before.0 - corner.0);
            inside ^= x < crossing;
        }
        before = corner;
    }
    inside
}
