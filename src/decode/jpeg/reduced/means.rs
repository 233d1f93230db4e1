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

/// Order in which coefficients are stored: eight times the vertical frequency and the horizontal one (T.81, figure 5).
const ZIGZAG: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7,
    14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39,
    46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// Where each coefficient is added, in the order in which they are stored, and times what.
#[derive(Debug, Clone)]
pub(super) struct Fold<const SIDE: usize> {
    /// `SIDE` times the vertical frequency and the horizontal one.
    to: [u8; 64],
    times: [f32; 64],
}

impl<const SIDE: usize> Fold<SIDE> {
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
        let mut fold = Self {
            to: [0; 64],
            times: [0.0; 64],
        };
        for (index, (&place, &step)) in ZIGZAG.iter().zip(steps).enumerate() {
            let ((down, by_down), (across, by_across)) = (folded(place / 8), folded(place % 8));
            fold.to[index] = (SIDE * down + across) as u8;
            fold.times[index] = (by_down * by_across * f64::from(step)) as f32;
        }
        fold
    }
}

/// A block's coefficients, folded.
#[derive(Debug)]
pub(super) struct Block<const SIDE: usize>([[f32; SIDE]; SIDE]);

impl<const SIDE: usize> Block<SIDE> {
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

    /// With its first coefficient.
    #[inline(always)]
    pub(super) fn new(first: i32, fold: &Fold<SIDE>) -> Self {
        let mut block = Self([[0.0; SIDE]; SIDE]);
        block.0[0][0] = first as f32 * fold.times[0];
        block
    }

    /// Adds the coefficient that is stored in place `index`, 1 to 63.
    #[inline(always)]
    pub(super) fn add(&mut self, index: usize, value: i32, fold: &Fold<SIDE>) {
        // All the same without the masks, which spare the checks.
        let (index, side) = (index & 63, SIDE * SIDE - 1);
        self.0.as_flattened_mut()[usize::from(fold.to[index]) & side] += value as f32 * fold.times[index];
    }

    /// The means, if only the first coefficient is not 0.
    #[inline(always)]
    pub(super) fn even(&self) -> [[u8; SIDE]; SIDE] {
        let level = Self::WEIGHTS[0][0] * Self::WEIGHTS[0][0] * self.0[0][0];
        [[grey(level + 128.0); SIDE]; SIDE]
    }

    /// The means, 0 to 255.
    #[inline(always)]
    pub(super) fn means(&self) -> [[u8; SIDE]; SIDE] {
        let mut down = [[0.0f32; SIDE]; SIDE];
        for (row, weights) in self.0.iter().zip(&Self::WEIGHTS) {
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
