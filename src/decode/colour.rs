//! Bytes of a file -> small picture in its colours, upright, for people to look at.
//!
//! In: the bytes, limits, a longest edge. Out: a picture that fits. Never: what a model sees (that is grey, see
//! [`decode`](super::decode)), and nothing beyond the limits.

use std::panic::{AssertUnwindSafe, catch_unwind};

use image::metadata::Orientation;
use image::{DynamicImage, RgbImage, imageops};

use super::{DecodeError, DecodeLimits, format, jpeg, other};
use crate::domain::ImageFormat;

/// Decodes a whole file, the first frame where it has several, turns it as its EXIF or TIFF orientation asks, and makes
/// it so small that neither edge is longer than `max_edge`; a picture that fits already stays as it is.
///
/// Transparency is laid over white, as for the model. The limits are checked from the header, as for the model.
pub fn decode_colour(bytes: &[u8], limits: &DecodeLimits, max_edge: u32) -> Result<RgbImage, DecodeError> {
    let format = format::sniff(bytes)?;
    // As in `decode_reusing`: a panic of a decoder is that file's fault alone, and what it touched is lost.
    let decoded = catch_unwind(AssertUnwindSafe(|| {
        let (image, orientation) = match format {
            ImageFormat::Jpeg => jpeg::decode_colour(bytes, limits)?,
            _ => {
                let (image, orientation) = other::decode_colour(bytes, format, limits)?;
                (over_white(image), orientation)
            }
        };
        Ok(turned(fitted(image, max_edge.max(1)), orientation))
    }));
    decoded.unwrap_or_else(|_| {
        Err(DecodeError::Corrupt {
            format,
            what: "the decoder gave up in the middle".into(),
        })
    })
}

/// Smaller first, so that turning costs little.
fn fitted(image: RgbImage, max_edge: u32) -> RgbImage {
    let (width, height) = image.dimensions();
    let longest = width.max(height);
    if longest <= max_edge {
        return image;
    }
    let scaled = |edge: u32| (u64::from(edge) * u64::from(max_edge) / u64::from(longest)).max(1) as u32;
    imageops::thumbnail(&image, scaled(width), scaled(height))
}

fn turned(image: RgbImage, orientation: Orientation) -> RgbImage {
    if orientation == Orientation::NoTransforms {
        return image;
    }
    let mut image = DynamicImage::ImageRgb8(image);
    image.apply_orientation(orientation);
    image.into_rgb8()
}

fn over_white(image: DynamicImage) -> RgbImage {
    if !image.color().has_alpha() {
        return image.into_rgb8();
    }
    let image = image.into_rgba8();
    RgbImage::from_fn(image.width(), image.height(), |x, y| {
        let [r, g, b, alpha] = image.get_pixel(x, y).0.map(u32::from);
        let over = |part: u32| ((part * alpha + 255 * (255 - alpha) + 127) / 255) as u8;
        image::Rgb([over(r), over(g), over(b)])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: DecodeLimits = DecodeLimits {
        max_pixels: 1 << 20,
        max_decode_bytes: 16 << 20,
    };

    fn encoded(image: &DynamicImage, format: image::ImageFormat) -> Vec<u8> {
        let mut bytes = std::io::Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn colours_survive_and_edges_fit() {
        let red = DynamicImage::ImageRgb8(RgbImage::from_pixel(400, 200, image::Rgb([200, 30, 30])));
        for format in [image::ImageFormat::Jpeg, image::ImageFormat::Png] {
            let small = decode_colour(&encoded(&red, format), &LIMITS, 100).unwrap();
            assert_eq!(small.dimensions(), (100, 50));
            let [r, g, _] = small.get_pixel(50, 25).0;
            assert!(r.abs_diff(200) < 6 && g.abs_diff(30) < 6, "{format:?}: {r} {g}");
        }
        let small = decode_colour(&encoded(&red, image::ImageFormat::Png), &LIMITS, 1_000).unwrap();
        assert_eq!(small.dimensions(), (400, 200), "never made larger");
    }

    #[test]
    fn transparency_lies_over_white() {
        let clear = DynamicImage::ImageRgba8(image::RgbaImage::new(8, 8));
        let small = decode_colour(&encoded(&clear, image::ImageFormat::Png), &LIMITS, 8).unwrap();
        assert_eq!(small.get_pixel(4, 4).0, [255; 3]);
    }

    #[test]
    fn limits_hold_before_anything_is_decoded() {
        let large = DynamicImage::ImageRgb8(RgbImage::new(2_000, 1_000));
        for format in [image::ImageFormat::Jpeg, image::ImageFormat::Png] {
            let refused = decode_colour(&encoded(&large, format), &LIMITS, 100);
            assert!(
                matches!(refused, Err(DecodeError::TooManyPixels { .. })),
                "{refused:?}"
            );
        }
        assert!(decode_colour(b"<svg>", &LIMITS, 100).is_err());
    }
}
