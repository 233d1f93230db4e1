//! Which photos are one picture, whatever files it was saved in.
//!
//! In: photos as they were decoded. Out: a sketch of each, and which of them show one picture. Never: a look at the cut-out that
//! a network sees. Where a photo is saved at another quality or size, its garment is found a pixel further to the left, and
//! its cut-out may differ more than that of another photo.
//!
//! A network that has learned a picture knows it by heart in any file, and so no other file of it may judge that network. The
//! bounds lie between what was measured of 940 photos of a shop (60x80) and of homes (400x533): saved at qualities down to 25,
//! as WebP, GIF or PNG, from 0.7 times to three times as large or as thumbnails, no value differed by more than 9; at half the size
//! (30x40 of the shop's) by no more than 15; and all by no more than 2.8 in the mean. Of two different photos, the nearest
//! differed by 19 in some value, but for one pair that is one photo.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use crate::domain::DecodedImage;

/// Side of a sketch, in values.
const SIDE: usize = 16;
/// Values of a sketch.
const VALUES: usize = SIDE * SIDE;
/// No value of one picture differs by more than this between two files of it, of 255.
const MOST_APART: u8 = 16;
/// Nor do all of them by more than this in the mean.
const MEAN_APART: u32 = 3;

/// A whole photo, shrunk to 16x16 grey values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sketch([u8; VALUES]);

impl Sketch {
    /// Of a photo, or of the copy of it that is kept.
    pub fn of(image: &DecodedImage) -> Self {
        let source = TypedImageRef::<U8>::from_buffer(image.width, image.height, &image.luma)
            .expect("a decoded image has width times height values; this is a bug");
        let mut small = TypedImage::<U8>::new(SIDE as u32, SIDE as u32);
        // A triangle looks a little beyond each value's part of the photo: what was shrunk before differs less.
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        Resizer::new()
            .resize_typed(&source, &mut small, &options)
            .expect("both pictures are grey and not empty; this is a bug");
        let mut values = [0; VALUES];
        for (value, pixel) in values.iter_mut().zip(small.pixels()) {
            *value = pixel.0;
        }
        Self(values)
    }

    fn sum(&self) -> u32 {
        self.0.iter().map(|&value| u32::from(value)).sum()
    }

    fn is_of_the_same(&self, other: &Self) -> bool {
        // Row by row: most others are told by the first ones.
        let rows = self
            .0
            .as_chunks::<SIDE>()
            .0
            .iter()
            .zip(other.0.as_chunks::<SIDE>().0);
        let mut apart = 0;
        for (row, other) in rows {
            let differences = || row.iter().zip(other).map(|(one, other)| one.abs_diff(*other));
            if differences().fold(0, u8::max) > MOST_APART {
                return false;
            }
            apart += differences().map(u32::from).sum::<u32>();
        }
        apart <= MEAN_APART * VALUES as u32
    }
}

/// For each photo, the place of its picture among the different ones, in the order in which they first come. What is one picture
/// with a third photo is one.
///
/// Sums differ by no more than values do, so that only photos of much the same brightness are held against each other: 10,920 sketches
/// of 840 photos take a fifth of a second.
pub fn places(sketches: &[Sketch]) -> Vec<usize> {
    let mut by_sum: Vec<(u32, usize)> = sketches.iter().map(Sketch::sum).zip(0..).collect();
    by_sum.sort_unstable();
    let mut earlier: Vec<usize> = (0..sketches.len()).collect();
    for (place, &(sum, number)) in by_sum.iter().enumerate() {
        let near = by_sum[place + 1..].iter();
        for &(_, other) in near.take_while(|(other, _)| other - sum <= MEAN_APART * VALUES as u32) {
            if sketches[number].is_of_the_same(&sketches[other]) {
                let (one, other) = (first(&mut earlier, number), first(&mut earlier, other));
                earlier[one.max(other)] = one.min(other);
            }
        }
    }
    let (mut places, mut different) = (vec![0; sketches.len()], 0);
    for number in 0..sketches.len() {
        let first = first(&mut earlier, number);
        places[number] = if first == number { different } else { places[first] };
        different += usize::from(first == number);
    }
    places
}

/// The first photo of this one's picture, as far as that is known; `earlier` names for each one of its picture that is no later.
fn first(earlier: &mut [usize], mut number: usize) -> usize {
    while earlier[number] != number {
        earlier[number] = earlier[earlier[number]];
        number = earlier[number];
    }
    number
}

#[cfg(test)]
impl Sketch {
    /// Of pictures that are different for different numbers.
    pub fn numbered(number: usize) -> Self {
        Self(std::array::from_fn(|place| {
            let is_lit = place < usize::BITS as usize && number >> place & 1 == 1;
            if is_lit { 255 } else { 0 }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ImageFormat;

    fn image(width: u32, height: u32, grey: impl Fn(f32, f32) -> f32) -> DecodedImage {
        let places = (0..width * height).map(|at| (at % width, at / width));
        let luma = places.map(|(x, y)| {
            let (x, y) = (x as f32 + 0.5, y as f32 + 0.5);
            grey(x / width as f32, y / height as f32) as u8
        });
        DecodedImage {
            luma: luma.collect(),
            width,
            height,
            format: ImageFormat::Jpeg,
            photo_size: (width, height),
        }
    }

    /// A striped garment on white, with soft edges; `seed` tells apart where it ends and how it is striped.
    fn garment(seed: u32) -> impl Fn(f32, f32) -> f32 {
        let (half, stripes) = (0.2 + 0.05 * (seed % 4) as f32, 20.0 + 15.0 * (seed / 4) as f32);
        move |x: f32, y: f32| {
            let within = |from_middle: f32, half: f32| ((half - from_middle.abs()) / 0.04).clamp(0.0, 1.0);
            let inside = within(x - 0.5, half) * within(y - 0.5, 0.4);
            let stripe = 90.0 + 60.0 * (stripes * y).sin();
            inside * stripe + (1.0 - inside) * 250.0
        }
    }

    /// A photo saved again was another picture, since the cut-out that a network sees of it is not the same to the byte.
    #[test]
    fn a_photo_at_another_size_or_quality_is_the_same_picture_and_another_photo_is_not() {
        let mut sketches = Vec::new();
        for seed in 0..8 {
            let noise = |x: f32, y: f32| 6.0 * (900.0 * x).sin() * (700.0 * y).sin();
            let photo = garment(seed);
            for (width, height) in [(120, 160), (60, 80), (240, 320), (90, 121), (447, 596)] {
                sketches.push(Sketch::of(&image(width, height, &photo)));
            }
            sketches.push(Sketch::of(&image(120, 160, |x, y| {
                (photo(x, y) + noise(x, y)).clamp(0.0, 255.0)
            })));
        }
        let expected: Vec<usize> = (0..8).flat_map(|seed| [seed; 6]).collect();
        assert_eq!(places(&sketches), expected);
    }

    #[test]
    fn places_are_in_the_order_of_first_ones_and_likes_of_likes_are_one() {
        let flat = |grey: u8| Sketch([grey; VALUES]);
        // The last is like the second and the fourth, which are not like each other.
        let sketches = [flat(200), flat(100), flat(7), flat(105), flat(200), flat(102)];
        assert_eq!(places(&sketches), [0, 1, 2, 1, 0, 1]);
        assert_eq!(places(&sketches[..4]), [0, 1, 2, 3]);
        assert_eq!(places(&[]), [] as [usize; 0]);

        let mut spot = flat(200);
        spot.0[77] -= MOST_APART;
        assert_eq!(places(&[flat(200), spot]), [0, 0]);
        spot.0[77] -= 1;
        assert_eq!(places(&[flat(200), spot]), [0, 1], "one value tells them apart");
    }
}
