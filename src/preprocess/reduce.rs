//! Large pictures -> smaller ones that still hold all that 28x28 can show.
//!
//! In: a grey picture. Out: the same, halved until its longest edge is short enough. Never: a picture of less than
//! half of what is asked for, if it was larger.

use multiversion::multiversion;

use crate::domain::DecodedImage;

/// A grey picture that is looked at, row by row from the top left; at least 1x1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grey<'a> {
    /// `width * height` values.
    pub luma: &'a [u8],
    pub width: u32,
    pub height: u32,
}

impl<'a> Grey<'a> {
    pub(super) fn of(image: &'a DecodedImage) -> Self {
        Self {
            luma: &image.luma,
            width: image.width,
            height: image.height,
        }
    }
}

/// Memory to work in; it grows to the largest picture's needs.
#[derive(Debug, Default)]
pub(super) struct Reducer {
    from: Vec<u8>,
    to: Vec<u8>,
}

impl Reducer {
    /// The picture itself, or a smaller one: halved until its longest edge is less than `below`.
    pub(super) fn reduce<'a>(&'a mut self, picture: Grey<'a>, below: u32) -> Grey<'a> {
        let (mut width, mut height) = (picture.width, picture.height);
        let mut is_reduced = false;
        while width.max(height) >= below {
            let from = if is_reduced { &self.from } else { picture.luma };
            halve(from, width as usize, &mut self.to);
            std::mem::swap(&mut self.from, &mut self.to);
            is_reduced = true;
            (width, height) = (width.div_ceil(2), height.div_ceil(2));
        }
        Grey {
            luma: if is_reduced { &self.from } else { picture.luma },
            width,
            height,
        }
    }
}

/// Means of 2x2 pixels, rounded; an odd last column or row stands for its missing neighbour, too.
fn halve(luma: &[u8], width: usize, halved: &mut Vec<u8>) {
    let half = width.div_ceil(2);
    halved.clear();
    halved.resize(half * (luma.len() / width).div_ceil(2), 0);
    for (rows, means) in luma.chunks(2 * width).zip(halved.chunks_exact_mut(half)) {
        let (upper, lower) = rows.split_at(width);
        let lower = if lower.is_empty() { upper } else { lower };
        means_of(upper, lower, means);
        if width % 2 == 1 {
            means[half - 1] = (u16::from(upper[width - 1]) + u16::from(lower[width - 1])).div_ceil(2) as u8;
        }
    }
}

/// Means of the pairs of pixels of two rows.
#[multiversion(targets("x86_64+avx2"))]
fn means_of(upper: &[u8], lower: &[u8], means: &mut [u8]) {
    let pairs = upper.as_chunks::<2>().0.iter().zip(lower.as_chunks::<2>().0);
    for (mean, (upper, lower)) in means.iter_mut().zip(pairs) {
        let sum = u16::from(upper[0]) + u16::from(upper[1]) + u16::from(lower[0]) + u16::from(lower[1]);
        *mean = ((sum + 2) / 4) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_four_become_their_rounded_mean() {
        let mut halved = Vec::new();
        halve(&[0, 1, 10, 20, 1, 0, 30, 40], 4, &mut halved);
        assert_eq!(halved, [1, 25]);
        halve(&[255, 255, 4, 255, 255, 6, 8, 10, 100], 3, &mut halved);
        assert_eq!(halved, [255, 5, 9, 100], "odd in both directions");
    }

    #[test]
    fn only_what_is_large_is_reduced_and_never_too_far() {
        let mut reducer = Reducer::default();
        for (width, height, expected) in [
            (1, 1, (1, 1)),
            (447, 20, (447, 20)),
            (448, 3, (224, 2)),
            (400, 533, (200, 267)),
            (1, 5000, (1, 313)),
            (901, 700, (226, 175)),
        ] {
            let luma = vec![77; (width * height) as usize];
            let luma = luma.as_slice();
            let reduced = reducer.reduce(Grey { luma, width, height }, 448);
            assert_eq!((reduced.width, reduced.height), expected);
            assert_eq!(reduced.luma, vec![77; (expected.0 * expected.1) as usize]);
        }
    }
}
