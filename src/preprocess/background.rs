//! The background of a picture, told from its border.
//!
//! In: a picture. Out: its grey value and whether there is a single one. Never: a look at the inside.

use super::reduce::Grey;

/// Grey values that still count as background: 5 % of 255, as in the making of Fashion-MNIST.
pub(super) const TOLERANCE: u8 = 13;
/// Share of the border that must look like background: below it there is none, but a room, a floor, a street.
/// Garments that reach over an edge leave more than this.
const PLAIN_SHARE_PERCENT: u64 = 40;

/// What surrounds the garment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Background {
    /// Its grey value.
    pub level: u8,
    /// Whether most of the border looks alike.
    pub is_plain: bool,
}

impl Background {
    /// From the outermost pixels of a picture.
    pub(super) fn of(picture: Grey) -> Self {
        let counts = border_histogram(picture);
        let level = commonest_level(&counts);
        let total: u64 = counts.iter().sum();
        let near = |value: usize| value.abs_diff(usize::from(level)) <= usize::from(TOLERANCE);
        let alike: u64 = counts
            .iter()
            .enumerate()
            .filter(|(value, _)| near(*value))
            .map(|(_, n)| n)
            .sum();
        Self {
            level,
            is_plain: alike * 100 >= total * PLAIN_SHARE_PERCENT,
        }
    }

    /// How far a grey value lies from the background, 0..=255, stretched so that the farthest possible is 255.
    ///
    /// Before a white background this is the negative, before a black one the picture itself.
    pub(super) fn distance(&self, luma: u8) -> u8 {
        let farthest = u32::from(self.level.max(255 - self.level));
        let distance = u32::from(luma.abs_diff(self.level));
        ((distance * 255 + farthest / 2) / farthest) as u8
    }
}

/// How often each grey value is there in the outermost rows and columns.
fn border_histogram(picture: Grey) -> [u64; 256] {
    let width = picture.width as usize;
    let mut counts = [0; 256];
    let rows = picture.luma.chunks_exact(width);
    let last = rows.len() - 1;
    for (index, row) in rows.enumerate() {
        if index == 0 || index == last {
            row.iter().for_each(|&value| counts[usize::from(value)] += 1);
        } else {
            counts[usize::from(row[0])] += 1;
            counts[usize::from(row[width - 1])] += 1;
        }
    }
    counts
}

/// The value around which most values lie, within half a tolerance; the brightest of equals.
fn commonest_level(counts: &[u64; 256]) -> u8 {
    let reach = usize::from(TOLERANCE) / 2;
    let mut best = (0, 0);
    for level in (0..256usize).filter(|&level| counts[level] > 0) {
        let window = level.saturating_sub(reach)..=(level + reach).min(255);
        // Weighed, so that the window is centred on what it holds.
        let held: u64 = window
            .map(|value| counts[value] * (reach + 1 - value.abs_diff(level)) as u64)
            .sum();
        if held >= best.0 {
            best = (held, level);
        }
    }
    best.1 as u8
}
