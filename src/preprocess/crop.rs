//! Where the garment is: the smallest rectangle outside of which all is background.
//!
//! In: a picture and its background. Out: a rectangle within it, never empty. Never: changed pixels.

use super::background::{Background, TOLERANCE};
use crate::domain::DecodedImage;

/// A row or column belongs to the garment if more than one in this many of its pixels is no background, which
/// leaves out dust and the noise of compression.
const SPECK: usize = 64;

/// A rectangle of pixels, at least 1x1, within its picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Crop {
    pub left: u32,
    pub top: u32,
    pub width: u32,
    pub height: u32,
}

/// The garment's rectangle; the whole picture if it has no plain background or nothing before it.
///
/// `columns` is memory to work in.
pub(super) fn find_garment(image: &DecodedImage, background: &Background, columns: &mut Vec<u32>) -> Crop {
    let whole = Crop {
        left: 0,
        top: 0,
        width: image.width,
        height: image.height,
    };
    if !background.is_plain {
        return whole;
    }
    let width = image.width as usize;
    columns.clear();
    columns.resize(width, 0);
    let mut rows = Extent::default();
    for (y, row) in image.luma.chunks_exact(width).enumerate() {
        if count_foreground(row, background.level, columns) > width / SPECK {
            rows.include(y);
        }
    }
    let mut sides = Extent::default();
    for (x, &count) in columns.iter().enumerate() {
        if count as usize > image.height as usize / SPECK {
            sides.include(x);
        }
    }
    match (sides.range(), rows.range()) {
        (Some((left, width)), Some((top, height))) => Crop {
            left,
            top,
            width,
            height,
        },
        _ => whole,
    }
}

/// Counts the pixels of a row that are no background, for the row and for each column.
fn count_foreground(row: &[u8], level: u8, columns: &mut [u32]) -> usize {
    let mut count = 0;
    for (column, &luma) in columns.iter_mut().zip(row) {
        let is_foreground = u32::from(luma.abs_diff(level) > TOLERANCE);
        *column += is_foreground;
        count += is_foreground;
    }
    count as usize
}

/// From the first to the last index that was included.
#[derive(Default)]
struct Extent(Option<(usize, usize)>);

impl Extent {
    /// Indices come in rising order.
    fn include(&mut self, index: usize) {
        let first = self.0.map_or(index, |(first, _)| first);
        self.0 = Some((first, index));
    }

    /// Begin and length.
    fn range(&self) -> Option<(u32, u32)> {
        self.0
            .map(|(first, last)| (first as u32, (last - first + 1) as u32))
    }
}
