//! The coefficients of a block of 8x8 pixels -> its pixels.
//!
//! In: coefficients, one by one. Out: eight rows of eight grey values. Never: a value that the library would not give.
//!
//! The inverse cosine transform in eleven multiplications of Loeffler, Ligtenberg and Moschytz (1989), first along columns,
//! then along rows, in whole numbers of which 4096 stand for 1. Where it rounds and how its constants were cut off is as in
//! zune-jpeg, so that it makes no difference who reads a picture.

use super::{BLOCK, Transform, ZIGZAG};

/// Steps of quantisation, and where each coefficient belongs.
#[derive(Debug, Clone)]
pub(super) struct Pixels {
    /// Eight times the vertical frequency and the horizontal one, in the order in which coefficients are stored.
    to: [u8; 64],
    steps: [i32; 64],
}

impl Pixels {
    /// With the steps of quantisation in the order in which coefficients are stored.
    pub(super) fn new(steps: &[u16; 64]) -> Self {
        Self {
            to: ZIGZAG.map(|place| place as u8),
            steps: steps.map(i32::from),
        }
    }
}

/// A row, or a column, of each of eight columns or rows.
type Lines = [[i32; BLOCK]; BLOCK];

/// Digits behind the point of a constant, in bits.
const FRACTION: u32 = 12;
/// Digits that columns keep for the rows.
const KEPT: u32 = 2;
/// What eight times the mean of a block has behind the point after both passes.
const LAST: u32 = FRACTION + KEPT + 3;

impl Transform<BLOCK> for Pixels {
    /// By vertical, then by horizontal frequency.
    type Block = Lines;

    #[inline(always)]
    fn begin(&self, first: i32) -> Lines {
        let mut block = [[0; BLOCK]; BLOCK];
        block[0][0] = first.wrapping_mul(self.steps[0]);
        block
    }

    #[inline(always)]
    fn add(&self, block: &mut Lines, index: usize, value: i32) {
        // All the same without the masks, which spare the checks.
        let index = index & 63;
        block.as_flattened_mut()[usize::from(self.to[index]) & 63] = value.wrapping_mul(self.steps[index]);
    }

    #[inline(always)]
    fn even(&self, block: &Lines) -> [[u8; BLOCK]; BLOCK] {
        let mean = (block[0][0].wrapping_add(4) >> 3).wrapping_add(128);
        [[mean.clamp(0, 255) as u8; BLOCK]; BLOCK]
    }

    #[inline(always)]
    fn greys(&self, block: &Lines) -> [[u8; BLOCK]; BLOCK] {
        const HALF: i32 = 1 << (FRACTION - KEPT - 1);
        let columns = inverse(block, HALF).map(|line| line.map(|value| value >> (FRACTION - KEPT)));
        // The middle of the grey values, a half, and what zune-jpeg adds besides, a 256th.
        const MIDDLE: i32 = (128 << LAST) + (1 << (LAST - 1)) + (1 << (LAST - 8));
        let rows = inverse(&turned(&columns), MIDDLE);
        turned(&rows.map(|line| line.map(|value| value >> LAST)))
            .map(|row| row.map(|value| value.clamp(0, 255) as u8))
    }
}

/// Rows for columns.
#[inline(always)]
fn turned(lines: &Lines) -> Lines {
    std::array::from_fn(|i| std::array::from_fn(|j| lines[j][i]))
}

/// The transform from frequencies to places, of eight lines side by side, in 4096ths; `offset` is added to each.
///
/// Numbers that no picture has wrap around, here as in the library.
#[inline(always)]
fn inverse(frequencies: &Lines, offset: i32) -> Lines {
    let mut places = [[0i32; BLOCK]; BLOCK];
    for lane in 0..BLOCK {
        let f: [i32; BLOCK] = std::array::from_fn(|frequency| frequencies[frequency][lane]);
        // The even frequencies.
        let turn = times(f[2].wrapping_add(f[6]), 2_217);
        let (low, high) = (
            turn.wrapping_add(times(f[2], 3_135)),
            turn.wrapping_add(times(f[6], -7_567)),
        );
        let (sum, difference) = (
            (f[0].wrapping_add(f[4]) << FRACTION).wrapping_add(offset),
            (f[0].wrapping_sub(f[4]) << FRACTION).wrapping_add(offset),
        );
        let even = [
            sum.wrapping_add(low),
            difference.wrapping_add(high),
            difference.wrapping_sub(high),
            sum.wrapping_sub(low),
        ];
        // The odd ones.
        let all = times(
            f[1].wrapping_add(f[3]).wrapping_add(f[5]).wrapping_add(f[7]),
            4_816,
        );
        let outer = all.wrapping_add(times(f[1].wrapping_add(f[7]), -3_685));
        let inner = all.wrapping_add(times(f[3].wrapping_add(f[5]), -10_497));
        let (first, second) = (
            times(f[3].wrapping_add(f[7]), -8_034),
            times(f[1].wrapping_add(f[5]), -1_597),
        );
        let odd = [
            times(f[1], 6_149).wrapping_add(outer).wrapping_add(second),
            times(f[3], 12_586).wrapping_add(inner).wrapping_add(first),
            times(f[5], 8_410).wrapping_add(inner).wrapping_add(second),
            times(f[7], 1_223).wrapping_add(outer).wrapping_add(first),
        ];
        for place in 0..BLOCK / 2 {
            places[place][lane] = even[place].wrapping_add(odd[place]);
            places[BLOCK - 1 - place][lane] = even[place].wrapping_sub(odd[place]);
        }
    }
    places
}

#[inline(always)]
fn times(value: i32, constant: i32) -> i32 {
    value.wrapping_mul(constant)
}
