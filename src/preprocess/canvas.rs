//! The garment, cut out -> the 28 rows of 28 grey values that a model sees.
//!
//! In: a picture, where the garment is, its mask and the background's surface. Out: the garment bright on black, its
//! longest edge 28 pixels, centred. Never: a look outside of the mask.
//!
//! A pixel's value is how far it is darker than the background (brighter, if most of the garment is), so that before
//! white it is the negative, as in Fashion-MNIST, and before black the picture itself. Where a garment is partly
//! darker and partly brighter than what is around it, the distance alone would fold its pattern over: values then
//! count from the garment's own other end. The range is stretched to the full one, at most fourfold.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use super::garment::{Found, Window};
use super::reduce::Grey;
use crate::domain::{INPUT_LEN, INPUT_SIDE};

/// Coverage from which a pixel counts as the garment's, of 255.
const INSIDE: u8 = 150;
/// Lowest range of grey that is stretched to the full one: noise must not become a pattern.
const LOWEST_PEAK: i32 = 64;

/// Draws what the model sees.
pub(super) fn draw(resizer: &mut Resizer, picture: Grey, mask: Grey, found: &Found) -> [u8; INPUT_LEN] {
    let window = found.window;
    let (width, height) = fitted(window);
    let values = shrink(resizer, picture, window.scaled(mask, picture), (width, height));
    let cover = coverage(mask, window, (width, height));
    let differences = difference(&values, (width, height), mask, found);
    let small = tone(&differences, &cover);
    let mut canvas = [0; INPUT_LEN];
    let (left, top) = ((INPUT_SIDE - width) / 2, (INPUT_SIDE - height) / 2);
    for (row, line) in small.chunks_exact(width).enumerate() {
        let begin = (top + row) * INPUT_SIDE + left;
        canvas[begin..begin + width].copy_from_slice(line);
    }
    canvas
}

/// Width and height in the model's pixels: the longest edge fills the side.
fn fitted(window: Window) -> (usize, usize) {
    let longest = window.width.max(window.height);
    let side = INPUT_SIDE as u64;
    let edge =
        |edge: u32| ((2 * u64::from(edge) * side + u64::from(longest)) / (2 * u64::from(longest))).max(1);
    (edge(window.width) as usize, edge(window.height) as usize)
}

/// A rectangle of a picture, left, top, width and height in its pixels, at `size`.
fn shrink(resizer: &mut Resizer, picture: Grey, rectangle: [f64; 4], size: (usize, usize)) -> Vec<u8> {
    // Typed, so that the resizer is compiled for grey alone and not for every kind of pixel there is.
    let source = TypedImageRef::<U8>::from_buffer(picture.width, picture.height, picture.luma)
        .expect("a picture has width times height values; this is a bug");
    let mut small = TypedImage::<U8>::new(size.0 as u32, size.1 as u32);
    let [left, top, width, height] = rectangle;
    // A triangle shrinks without aliasing, and its weights cost a fraction of those of filters with sines.
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
        .crop(left, top, width, height);
    resizer
        .resize_typed(&source, &mut small, &options)
        .expect("a window lies within its picture and both are grey; this is a bug");
    small.pixels().iter().map(|pixel| pixel.0).collect()
}

/// How much of each pixel of the model's the mask covers, 0..=255, to whole pixels of the mask.
fn coverage(mask: Grey, window: Window, (width, height): (usize, usize)) -> Vec<u8> {
    let part = |from: u32, length: u32, index: usize, count: usize| {
        let begin = index * length as usize / count;
        let end = ((index + 1) * length as usize / count).max(begin + 1);
        (from as usize + begin, end - begin)
    };
    let columns: Vec<_> = (0..width)
        .map(|x| part(window.left, window.width, x, width))
        .collect();
    let mut covered = Vec::with_capacity(width * height);
    let mut sums = vec![0u32; mask.width as usize];
    for y in 0..height {
        let (top, rows) = part(window.top, window.height, y, height);
        sums.fill(0);
        for row in mask.luma.chunks_exact(sums.len()).skip(top).take(rows) {
            for (sum, &value) in sums.iter_mut().zip(row) {
                *sum += u32::from(value);
            }
        }
        covered.extend(columns.iter().map(|&(left, columns)| {
            let sum: u32 = sums[left..left + columns].iter().sum();
            (sum / (rows * columns) as u32) as u8
        }));
    }
    covered
}

/// How much darker than the background each pixel is, -255..=255.
fn difference(values: &[u8], (width, height): (usize, usize), mask: Grey, found: &Found) -> Vec<i16> {
    let Found { window, surface, .. } = found;
    let place = |from: u32, length: u32, index: usize, count: usize, whole: u32| {
        let at = from as f32 + length as f32 * (index as f32 + 0.5) / count as f32;
        2.0 * at / whole as f32 - 1.0
    };
    let columns: Vec<f32> = (0..width)
        .map(|x| place(window.left, window.width, x, width, mask.width))
        .collect();
    let mut differences = Vec::with_capacity(values.len());
    for (y, line) in values.chunks_exact(width).enumerate() {
        let v = place(window.top, window.height, y, height, mask.height);
        differences.extend(
            line.iter()
                .zip(&columns)
                .map(|(&value, &u)| (surface.at(u, v) + 0.5) as i16 - i16::from(value)),
        );
    }
    differences
}

/// Differences -> values of the model's range, nothing outside of the mask.
fn tone(differences: &[i16], cover: &[u8]) -> Vec<u8> {
    let sum: i64 = differences
        .iter()
        .zip(cover)
        .map(|(&difference, &cover)| i64::from(difference) * i64::from(cover))
        .sum();
    let sign = if sum < 0 { -1 } else { 1 };
    let mut counts = [0u32; 511];
    for (&difference, _) in differences
        .iter()
        .zip(cover)
        .filter(|(_, cover)| **cover >= INSIDE)
    {
        counts[(sign * difference + 255) as usize] += 1;
    }
    let inside = counts.iter().sum::<u32>();
    // A twentieth at the far end and a two hundredth at the near one may be clipped.
    let floor = (-quantile(&counts, inside / 20)).max(0);
    let peak = (quantile(&counts, inside - inside.div_ceil(200).min(inside)) + floor).max(LOWEST_PEAK);
    let stretch = Stretch::to_full(peak);
    let pixels = differences.iter().zip(cover);
    pixels
        .map(|(&difference, &cover)| {
            let value = stretch.of((i32::from(sign * difference) + floor).clamp(0, peak));
            ((value * i32::from(cover) + 127) / 255) as u8
        })
        .collect()
}

/// What stretches a range from 0 on, up to 510 wide, to 0..=255, rounded. A product with the width's inverse in the place of a
/// quotient: for each of a picture's pixels one, and several at once.
struct Stretch {
    half: i32,
    inverse: u64,
}

impl Stretch {
    fn to_full(width: i32) -> Self {
        Self {
            half: width / 2,
            // Rounded up: exact as long as numerator times width is below 2^32.
            inverse: (1 << 32) / width as u64 + 1,
        }
    }

    #[inline(always)]
    fn of(&self, value: i32) -> i32 {
        (((value * 255 + self.half) as u64 * self.inverse) >> 32) as i32
    }
}

/// The difference below which `rank` of the counted ones lie; 0 of none.
fn quantile(counts: &[u32; 511], rank: u32) -> i32 {
    let mut seen = 0;
    for (index, &count) in counts.iter().enumerate() {
        seen += count;
        if seen > rank {
            return index as i32 - 255;
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_stretched_as_by_a_quotient() {
        for width in 1..=510 {
            let stretch = Stretch::to_full(width);
            for value in 0..=width {
                assert_eq!(
                    stretch.of(value),
                    (value * 255 + width / 2) / width,
                    "{value} of {width}"
                );
            }
        }
    }
}
