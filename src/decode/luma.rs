//! Colours -> Rec.601 luma, and grey pictures turned upright.
//!
//! In: samples of 8, 16 bits or floating point. Out: one byte a pixel. Never: other weights than Rec.601's,
//! gamma, colour profiles.

use image::DynamicImage;
use image::metadata::Orientation;

/// Rec.601 weights in 1/65536, which they sum up to.
const WEIGHTS: [u32; 3] = [19_595, 38_470, 7_471];

/// Luma of 8-bit red, green and blue.
pub(super) fn of_rgb8(rgb: [u8; 3]) -> u8 {
    (weigh(rgb.map(u32::from)) >> 16) as u8
}

/// Luma of every pixel, transparency laid over white.
pub(super) fn of_image(image: DynamicImage) -> Vec<u8> {
    match image {
        DynamicImage::ImageLuma8(grey) => grey.into_raw(),
        DynamicImage::ImageLumaA8(p) => map::<2, _>(p.as_raw(), |[y, a]| over_white8(y, a)),
        DynamicImage::ImageRgb8(p) => map::<3, _>(p.as_raw(), of_rgb8),
        DynamicImage::ImageRgba8(p) => {
            map::<4, _>(p.as_raw(), |[r, g, b, a]| over_white8(of_rgb8([r, g, b]), a))
        }
        DynamicImage::ImageLuma16(p) => map::<1, _>(p.as_raw(), |[y]| to_8_bits(y)),
        DynamicImage::ImageLumaA16(p) => map::<2, _>(p.as_raw(), |[y, a]| over_white16(y, a)),
        DynamicImage::ImageRgb16(p) => map::<3, _>(p.as_raw(), |rgb| to_8_bits(of_rgb16(rgb))),
        DynamicImage::ImageRgba16(p) => {
            map::<4, _>(p.as_raw(), |[r, g, b, a]| over_white16(of_rgb16([r, g, b]), a))
        }
        // Floating point is rare enough for a copy; 16 bits hold all that 8 bits of luma need.
        float => of_image(DynamicImage::ImageRgba16(float.to_rgba16())),
    }
}

/// Width and height of a picture that is turned as the orientation asks.
pub(super) fn upright((width, height): (u32, u32), orientation: Orientation) -> (u32, u32) {
    match orientation {
        Orientation::Rotate90 | Orientation::Rotate270 => (height, width),
        Orientation::Rotate90FlipH | Orientation::Rotate270FlipH => (height, width),
        _ => (width, height),
    }
}

/// Turns a picture of `width` x `height` as the orientation asks; gives its new width and height.
pub(super) fn turn_upright(luma: &mut Vec<u8>, size: (u32, u32), orientation: Orientation) -> (u32, u32) {
    if orientation == Orientation::NoTransforms {
        return size;
    }
    let turned_size = upright(size, orientation);
    let (width, height) = (size.0 as usize, size.1 as usize);
    // Where the new picture's first pixel lies in the old one, and how far apart its neighbours to the right
    // and below are there.
    let (last_column, last_row) = (width - 1, (height - 1) * width);
    let (right, down) = (1, width as isize);
    let (origin, step_x, step_y) = match orientation {
        Orientation::NoTransforms => (0, right, down),
        Orientation::FlipHorizontal => (last_column, -right, down),
        Orientation::Rotate180 => (last_row + last_column, -right, -down),
        Orientation::FlipVertical => (last_row, right, -down),
        Orientation::Rotate90FlipH => (0, down, right),
        Orientation::Rotate90 => (last_row, -down, right),
        Orientation::Rotate270FlipH => (last_row + last_column, -down, -right),
        Orientation::Rotate270 => (last_column, down, -right),
    };
    let mut turned = vec![0; luma.len()];
    let new_width = turned_size.0 as usize;
    // In tiles, so that a column of the old picture is still in the cache when its neighbour is read.
    const TILE: usize = 64;
    for (tile_row, rows) in turned.chunks_mut(new_width * TILE).enumerate() {
        for left in (0..new_width).step_by(TILE) {
            for (row, line) in rows.chunks_exact_mut(new_width).enumerate() {
                let y = tile_row * TILE + row;
                let begin = origin as isize + y as isize * step_y + left as isize * step_x;
                let mut at = begin;
                for pixel in &mut line[left..(left + TILE).min(new_width)] {
                    *pixel = luma[at as usize];
                    at += step_x;
                }
            }
        }
    }
    *luma = turned;
    turned_size
}

/// 0..=255 times 0..=255, as a share of 255, rounded.
pub(super) fn scale8(a: u8, b: u8) -> u8 {
    ((u32::from(a) * u32::from(b) + 127) / 255) as u8
}

fn weigh(rgb: [u32; 3]) -> u32 {
    // At most 65535 * 65536 + 32768, which fits.
    rgb.iter()
        .zip(WEIGHTS)
        .map(|(&part, weight)| part * weight)
        .sum::<u32>()
        + 32_768
}

fn of_rgb16(rgb: [u16; 3]) -> u16 {
    (weigh(rgb.map(u32::from)) >> 16) as u16
}

fn to_8_bits(value: u16) -> u8 {
    ((u32::from(value) + 128) / 257) as u8
}

fn over_white8(luma: u8, alpha: u8) -> u8 {
    let (luma, alpha) = (u32::from(luma), u32::from(alpha));
    ((luma * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}

fn over_white16(luma: u16, alpha: u16) -> u8 {
    const FULL: u32 = u16::MAX as u32;
    let (luma, alpha) = (u32::from(luma), u32::from(alpha));
    to_8_bits(((luma * alpha + FULL * (FULL - alpha) + FULL / 2) / FULL) as u16)
}

fn map<const CHANNELS: usize, Sample: Copy>(
    samples: &[Sample],
    luma: impl Fn([Sample; CHANNELS]) -> u8,
) -> Vec<u8> {
    samples
        .as_chunks::<CHANNELS>()
        .0
        .iter()
        .map(|&pixel| luma(pixel))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grey_stays_what_it_is_in_every_depth() {
        for grey in 0..=255u8 {
            let wide = u16::from(grey) * 257;
            assert_eq!(of_rgb8([grey; 3]), grey);
            assert_eq!(to_8_bits(of_rgb16([wide; 3])), grey);
            assert_eq!(over_white8(grey, 255), grey);
            assert_eq!(over_white16(wide, u16::MAX), grey);
        }
    }

    #[test]
    fn transparent_is_white_and_half_is_between() {
        assert_eq!((over_white8(0, 0), over_white8(0, 128)), (255, 127));
        assert_eq!((over_white16(0, 0), over_white16(0, 32_896)), (255, 127));
    }

    #[test]
    fn colours_weigh_as_in_rec_601() {
        assert_eq!(of_rgb8([255, 0, 0]), 76);
        assert_eq!(of_rgb8([0, 255, 0]), 150);
        assert_eq!(of_rgb8([0, 0, 255]), 29);
    }

    #[test]
    fn all_eight_orientations_turn_as_the_image_crate_turns_them() {
        for (width, height) in [(3u32, 2u32), (1, 4), (4, 1), (1, 1), (130, 70), (2, 2)] {
            let pixels: Vec<u8> = (0..width * height).map(|i| (i % 251) as u8).collect();
            for exif in 1..=8 {
                let orientation = Orientation::from_exif(exif).unwrap();
                let mut expected = DynamicImage::ImageLuma8(
                    image::GrayImage::from_raw(width, height, pixels.clone()).unwrap(),
                );
                expected.apply_orientation(orientation);
                let mut luma = pixels.clone();
                let size = turn_upright(&mut luma, (width, height), orientation);
                assert_eq!(
                    size,
                    (expected.width(), expected.height()),
                    "{width}x{height} {orientation:?}"
                );
                assert_eq!(
                    luma,
                    expected.into_luma8().into_raw(),
                    "{width}x{height} {orientation:?}"
                );
            }
        }
    }
}
