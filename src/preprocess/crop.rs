//! Where the garment is: the smallest rectangle outside of which all is background.
//!
//! In: a picture and its background. Out: a rectangle within it, never empty. Never: changed pixels.

use super::background::{Background, TOLERANCE};
use super::reduce::Grey;

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
pub(super) fn find_garment(picture: Grey, background: &Background, columns: &mut Vec<u32>) -> Crop {
    let whole = Crop {
        left: 0,
        top: 0,
        width: picture.width,
        height: picture.height,
    };
    if !background.is_plain {
        return whole;
    }
    let width = picture.width as usize;
    columns.clear();
    columns.resize(width, 0);
    let mut counts = ColumnCounts {
        totals: columns,
        recent: vec![0; width],
        recent_rows: 0,
    };
    let mut rows = Extent::default();
    for (y, row) in picture.luma.chunks_exact(width).enumerate() {
        if counts.add_row(row, background.level) > width / SPECK {
            rows.include(y);
        }
    }
    counts.flush();
    let mut sides = Extent::default();
    for (x, &count) in columns.iter().enumerate() {
        if count as usize > picture.height as usize / SPECK {
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

/// Foreground pixels of each column, counted in bytes first, which the compiler turns into wide instructions.
struct ColumnCounts<'a> {
    totals: &'a mut [u32],
    recent: Vec<u8>,
    recent_rows: u8,
}

impl ColumnCounts<'_> {
    /// Counts a row's pixels that are no background, for the row and for each column.
    fn add_row(&mut self, row: &[u8], level: u8) -> usize {
        // No more pixels at a time than a byte can count.
        const RUN: usize = 128;
        let mut count = 0;
        for (columns, pixels) in self.recent.chunks_mut(RUN).zip(row.chunks(RUN)) {
            let mut in_run = 0u8;
            for (column, &luma) in columns.iter_mut().zip(pixels) {
                let is_foreground = u8::from(luma.abs_diff(level) > TOLERANCE);
                *column += is_foreground;
                in_run += is_foreground;
            }
            count += usize::from(in_run);
        }
        self.recent_rows += 1;
        if self.recent_rows == u8::MAX {
            self.flush();
        }
        count
    }

    fn flush(&mut self) {
        for (total, recent) in self.totals.iter_mut().zip(&mut self.recent) {
            *total += u32::from(std::mem::take(recent));
        }
        self.recent_rows = 0;
    }
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
