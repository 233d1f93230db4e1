//! The coefficients of a block of 8x8 pixels -> the means of its pixels, in squares of 2x2, 4x4 or 8x8.
//!
//! In: coefficients, one by one. Out: `SIDE` rows of `SIDE` grey values. Never: a pixel, of which there would be four times as
//! many or more.
//!
//! A mean of neighbours is a sum of cosines as a pixel is, and over a square of `8 / SIDE` pixels the frequencies fold:
//! `k` and `2 SIDE - k` have the same `SIDE` values, but for a factor, and `SIDE` itself has none at all. So each coefficient
//! is added to one of `SIDE * SIDE`, and the means are an inverse cosine transform of that size. They are exact: what
//! comes out is the mean of the pixels of ITU-T T.81, A.3.3, as they are before they are rounded and kept within 0 to 255.
//! Sums and products are rounded as IEEE 754 has it, in one order, so that every machine gives the same.

use super::{Transform, ZIGZAG};

/// cos(k pi / 16) for k = 0 to 8.
const COSINES: [f64; 9] = [
    1.0,
    0.980_785_280_403_230_4,
    0.923_879_532_511_286_7,
    0.831_469_612_302_545_2,
    0.707_106_781_186_547_5,
    0.555_570_233_019_602_2,
    0.382_683_432_365_089_8,
    0.195_090_322_016_128_28,
    0.0,
];

/// cos(k pi / 16) for every k.
const fn cosine(k: usize) -> f64 {
    match k % 32 {
        k @ 0..=8 => COSINES[k],
        k @ 9..=16 => -COSINES[16 - k],
        k @ 17..=24 => -COSINES[k - 16],
        k => COSINES[32 - k],
    }
}

/// What a frequency, 0 to 7, adds to one of the `side` means along an edge.
const fn weight(side: usize, frequency: usize, mean: usize) -> f64 {
    let pixels = 8 / side;
    let mut sum = 0.0;
    let mut pixel = mean * pixels;
    while pixel < (mean + 1) * pixels {
        sum += cosine((2 * pixel + 1) * frequency);
        pixel += 1;
    }
    let scale = if frequency == 0 { COSINES[4] / 2.0 } else { 0.5 };
    scale * sum / pixels as f64
}

/// Where each coefficient is added, in the order in which they are stored, and times what.
#[derive(Debug, Clone)]
pub(super) struct Means<const SIDE: usize> {
    /// `SIDE` times the vertical frequency and the horizontal one.
    to: [u8; 64],
    times: [f32; 64],
}

impl<const SIDE: usize> Means<SIDE> {
    /// With the steps of quantisation in the order in which coefficients are stored.
    pub(super) fn new(steps: &[u16; 64]) -> Self {
        let folded = |frequency: usize| {
            let to = frequency % (2 * SIDE);
            let to = to.min(2 * SIDE - to);
            match to == SIDE {
                true => (0, 0.0),
                false => (to, weight(SIDE, frequency, 0) / weight(SIDE, to, 0)),
            }
        };
        let mut means = Self {
            to: [0; 64],
            times: [0.0; 64],
        };
        for (index, (&place, &step)) in ZIGZAG.iter().zip(steps).enumerate() {
            let ((down, by_down), (across, by_across)) = (folded(place / 8), folded(place % 8));
            means.to[index] = (SIDE * down + across) as u8;
            means.times[index] = (by_down * by_across * f64::from(step)) as f32;
        }
        means
    }
}

impl<const SIDE: usize> Means<SIDE> {
    const WEIGHTS: [[f32; SIDE]; SIDE] = {
        let mut weights = [[0.0; SIDE]; SIDE];
        let mut frequency = 0;
        while frequency < SIDE {
            let mut mean = 0;
            while mean < SIDE {
                weights[frequency][mean] = weight(SIDE, frequency, mean) as f32;
                mean += 1;
            }
            frequency += 1;
        }
        weights
    };
}

impl<const SIDE: usize> Transform<SIDE> for Means<SIDE> {
    /// Folded.
    type Block = [[f32; SIDE]; SIDE];

    #[inline(always)]
    fn begin(&self, first: i32) -> Self::Block {
        let mut block = [[0.0; SIDE]; SIDE];
        block[0][0] = first as f32 * self.times[0];
        block
    }

    #[inline(always)]
    fn add(&self, block: &mut Self::Block, index: usize, value: i32) {
        // All the same without the masks, which spare the checks.
        let (index, side) = (index & 63, SIDE * SIDE - 1);
        block.as_flattened_mut()[usize::from(self.to[index]) & side] += value as f32 * self.times[index];
    }

    #[inline(always)]
    fn even(&self, block: &Self::Block) -> [[u8; SIDE]; SIDE] {
        let level = Self::WEIGHTS[0][0] * Self::WEIGHTS[0][0] * block[0][0];
        [[grey(level + 128.0); SIDE]; SIDE]
    }

    #[inline(always)]
    fn greys(&self, block: &Self::Block) -> [[u8; SIDE]; SIDE] {
        let mut down = [[0.0f32; SIDE]; SIDE];
        for (row, weights) in block.iter().zip(&Self::WEIGHTS) {
            for (sums, weight) in down.iter_mut().zip(weights) {
                for (sum, value) in sums.iter_mut().zip(row) {
                    *sum += weight * value;
                }
            }
        }
        let mut means = [[128.0f32; SIDE]; SIDE];
        for (frequency, weights) in Self::WEIGHTS.iter().enumerate() {
            for (means, sums) in means.iter_mut().zip(&down) {
                for (mean, weight) in means.iter_mut().zip(weights) {
                    *mean += weight * sums[frequency];
                }
            }
        }
        let mut greys = [[0; SIDE]; SIDE];
        for (grey_value, mean) in greys.as_flattened_mut().iter_mut().zip(means.as_flattened()) {
            *grey_value = grey(*mean);
        }
        greys
    }
}

/// The nearest grey value.
#[inline(always)]
fn grey(value: f32) -> u8 {
    // From 2^23 on there are no fractions: the sum is rounded, and its last byte is the grey value. Unlike a conversion,
    // that is an addition for a register full of values.
    (value.clamp(0.0, 255.0) + 8_388_608.0).to_bits() as u8
}
