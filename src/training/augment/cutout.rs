//! One garment, cut out of its picture: values, what is garment and what is not, and where its parts are.
//!
//! In: a picture of Fashion-MNIST. Out: the garment with its outline, ready to be toned and painted. Never: chance.

use crate::domain::{INPUT_LEN, INPUT_SIDE};

/// From this value on a pixel is garment for sure; below it, it is background where the outside reaches it.
const FAINT: u8 = 12;
const ALL: u32 = (1 << INPUT_SIDE) - 1;

/// Where the garment lies in its picture, in pixels; right and bottom are the first without garment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    pub left: usize,
    pub top: usize,
    pub right: usize,
    pub bottom: usize,
}

impl Frame {
    pub(super) fn width(&self) -> f32 {
        (self.right - self.left) as f32
    }

    pub(super) fn height(&self) -> f32 {
        (self.bottom - self.top) as f32
    }

    pub(super) fn middle(&self) -> f32 {
        (self.left + self.right) as f32 / 2.0
    }
}

/// Values 0..=1 of a garment and its mask, a bit a pixel, bit 0 the leftmost.
#[derive(Debug, Clone)]
pub(super) struct Cutout {
    pub values: [f32; INPUT_LEN],
    pub mask: [u32; INPUT_SIDE],
    pub frame: Frame,
}

impl Cutout {
    /// With holes that the outside does not reach counted as garment: they are its white parts.
    pub(super) fn solid(pixels: &[u8; INPUT_LEN]) -> Self {
        let open = bits(pixels, |value| value < FAINT);
        Self::new(pixels, outside(&open).map(|row| !row & ALL))
    }

    /// With every dark pixel counted as background: for straps and handles.
    pub(super) fn lace(pixels: &[u8; INPUT_LEN]) -> Self {
        Self::new(pixels, bits(pixels, |value| value >= FAINT))
    }

    /// With its background: for a photo that is moved as a whole.
    pub(super) fn whole(pixels: &[u8; INPUT_LEN]) -> Self {
        Self::new(pixels, [ALL; INPUT_SIDE])
    }

    fn new(pixels: &[u8; INPUT_LEN], mask: [u32; INPUT_SIDE]) -> Self {
        let mut values = [0.0; INPUT_LEN];
        for (value, &pixel) in values.iter_mut().zip(pixels) {
            *value = f32::from(pixel) * (1.0 / 255.0);
        }
        Self {
            values,
            mask,
            frame: frame(&mask),
        }
    }

    pub(super) fn holds(&self, x: usize, y: usize) -> bool {
        self.mask[y] >> x & 1 == 1
    }

    /// Mean value of the garment, 0 for none.
    pub(super) fn mean(&self) -> f32 {
        self.mean_of(ALL)
    }

    /// Mean value of what lies beside these columns, of the whole garment if nothing does.
    fn mean_beside(&self, (left, right): (usize, usize)) -> f32 {
        let mean = self.mean_of(!((1u32 << right) - (1u32 << left)));
        if mean > 0.0 { mean } else { self.mean() }
    }

    /// Mean over the garment's pixels in these columns.
    fn mean_of(&self, columns: u32) -> f32 {
        let (mut sum, mut count) = (0.0, 0u32);
        for y in self.frame.top..self.frame.bottom {
            let mut row = self.mask[y] & columns;
            count += row.count_ones();
            while row != 0 {
                sum += self.values[y * INPUT_SIDE + row.trailing_zeros() as usize];
                row &= row - 1;
            }
        }
        sum / count.max(1) as f32
    }

    /// Leftmost garment pixel of a row and the first behind its last; `None` for an empty row.
    pub(super) fn span(&self, y: usize) -> Option<(usize, usize)> {
        let row = self.mask[y];
        (row != 0).then(|| (row.trailing_zeros() as usize, 32 - row.leading_zeros() as usize))
    }

    /// As [`Self::span`], of the row at this share of the garment's height; its whole width for an empty row.
    pub(super) fn span_at(&self, share: f32) -> (f32, f32) {
        let row = self.frame.top + (share * self.frame.height()) as usize;
        let span = self.span(row.min(INPUT_SIDE - 1));
        let (left, right) = span.unwrap_or((self.frame.left, self.frame.right));
        (left as f32, right as f32)
    }

    /// The run of garment around a column, as [`Self::span`].
    pub(super) fn run(&self, y: usize, column: usize) -> Option<(usize, usize)> {
        if !self.holds(column, y) {
            return None;
        }
        let row = self.mask[y];
        let right = column + (!(row >> column)).trailing_zeros() as usize;
        let gaps = !row & ((1 << column) - 1);
        Some((32 - gaps.leading_zeros() as usize, right))
    }

    /// Pixels of the mask that touch the outside.
    pub(super) fn rim(&self) -> [u32; INPUT_SIDE] {
        let row = |y: usize| self.mask.get(y).copied().unwrap_or(0);
        std::array::from_fn(|y| {
            let inner = self.mask[y] & self.mask[y] << 1 & self.mask[y] >> 1;
            self.mask[y] & !(inner & row(y.wrapping_sub(1)) & row(y + 1))
        })
    }

    /// Takes everything outside of these columns away, from row `top` on.
    pub(super) fn keep_columns(&mut self, left: usize, right: usize, top: usize) {
        let kept = (1u32 << right) - (1u32 << left);
        for row in &mut self.mask[top..] {
            *row &= kept;
        }
        self.frame = frame(&self.mask);
    }

    /// Leaves the torso and the shoulders, so that arms can be painted anew; gives the sleeves' mean value.
    pub(super) fn take_sleeves_off(&mut self, parts: Parts) -> f32 {
        let (left, right) = parts.torso;
        let tone = self.mean_beside(parts.torso);
        let shoulder = self.frame.top + 2 + (self.frame.bottom - self.frame.top) / 7;
        self.keep_columns(left, right, shoulder.min(INPUT_SIDE));
        tone
    }

    /// Where the parts of a top are.
    pub(super) fn parts(&self) -> Parts {
        let Frame { top, bottom, .. } = self.frame;
        let middle = (self.frame.middle() as usize).min(INPUT_SIDE - 1);
        let height = bottom - top;
        let hem = bottom.saturating_sub(1 + height / 8).max(top);
        let torso = self
            .run(hem, middle)
            .or(self.span(hem))
            .unwrap_or((self.frame.left, self.frame.right));
        let width_of = |y: usize| self.span(y).map_or(0, |(left, right)| right - left);
        let widest = (top..bottom).map(width_of).max().unwrap_or(0);
        let cuff = (top..bottom)
            .rev()
            .find(|&y| width_of(y) * 10 >= widest * 9)
            .unwrap_or(top);
        let sleeve = if widest * 100 < height * 66 || widest * 10 < (torso.1 - torso.0) * 12 {
            Sleeve::None
        } else if (cuff - top) * 100 < height * 55 {
            Sleeve::Short
        } else {
            Sleeve::Long
        };
        Parts { torso, cuff, sleeve }
    }
}

/// How far the sleeves of a top reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sleeve {
    /// None that stand out from the torso.
    None,
    /// To the elbows at most.
    Short,
    /// To the hands.
    Long,
}

/// Where the parts of a top are, guessed from its outline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parts {
    /// Columns of the torso just above the hem.
    pub torso: (usize, usize),
    /// Row in which the sleeves end.
    pub cuff: usize,
    pub sleeve: Sleeve,
}

fn bits(pixels: &[u8; INPUT_LEN], is_set: impl Fn(u8) -> bool) -> [u32; INPUT_SIDE] {
    std::array::from_fn(|y| {
        let row = &pixels[y * INPUT_SIDE..(y + 1) * INPUT_SIDE];
        row.iter()
            .enumerate()
            .fold(0, |bits, (x, &value)| bits | u32::from(is_set(value)) << x)
    })
}

/// What can be reached from beyond the edges through `open` pixels, up, down and sideways.
fn outside(open: &[u32; INPUT_SIDE]) -> [u32; INPUT_SIDE] {
    const EDGES: u32 = 1 | 1 << (INPUT_SIDE - 1);
    let mut reached: [u32; INPUT_SIDE] =
        std::array::from_fn(|y| open[y] & if y == 0 || y == INPUT_SIDE - 1 { ALL } else { EDGES });
    loop {
        let before = reached;
        for y in (1..INPUT_SIDE).chain((0..INPUT_SIDE - 1).rev()) {
            let above = if y > 0 { reached[y - 1] } else { 0 };
            let below = if y + 1 < INPUT_SIDE { reached[y + 1] } else { 0 };
            let mut row = (reached[y] | above | below) & open[y];
            // Sideways, twice as far with each step.
            for _ in 0..3 {
                row |= (row << 1 | row >> 1) & open[y];
            }
            reached[y] = row;
        }
        if reached == before {
            return reached;
        }
    }
}

/// The smallest frame around a mask; one pixel in the middle if there is nothing.
fn frame(mask: &[u32; INPUT_SIDE]) -> Frame {
    let columns = mask.iter().fold(0, |columns, row| columns | row);
    let middle = INPUT_SIDE / 2;
    if columns == 0 {
        return Frame {
            left: middle,
            top: middle,
            right: middle + 1,
            bottom: middle + 1,
        };
    }
    let first = |row: &u32| *row != 0;
    Frame {
        left: columns.trailing_zeros() as usize,
        right: 32 - columns.leading_zeros() as usize,
        top: mask.iter().position(first).unwrap_or(middle),
        bottom: mask.iter().rposition(first).map_or(middle + 1, |last| last + 1),
    }
}
