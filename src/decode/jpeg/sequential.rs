//! JPEG -> its Y channel, at its size or at a half, a quarter or an eighth of it.
//!
//! In: the bytes of a sequential JPEG whose components are coded together, Y first: nearly all that cameras and shops
//! write. Out: its pixels, as the library has them to the bit, or means of 2x2, 4x4 or 8x8 of them. Never: an error, a part
//! of a picture. What is unusual or seems broken is left to the library, which says what is wrong with it, or reads it.
//!
//! A photo of 12 million pixels becomes 28x28: to compute all of its pixels is most of the work, and nothing of it is
//! seen. The library gives pictures at their full size only; and of a thumbnail it takes most of the time for tables and for
//! colours that nobody looks at.

use std::ops::Range;
use std::rc::Rc;

use pulp::Arch;

use super::layout::{Layout, Segments};

mod huffman;
mod means;
mod pixels;
mod tables;

use huffman::{Bits, END, PADDING, Table};
use means::Means;
use pixels::Pixels;
use tables::Tables;

/// Pixels along an edge of a block.
const BLOCK: usize = 8;
/// A scan of so many bytes makes up for the time that it takes to join the symbols of its tables.
const LONG: usize = 32 << 10;

/// The order in which coefficients are stored: eight times the vertical frequency and the horizontal one (T.81, figure 5).
const ZIGZAG: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7,
    14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39,
    46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// At what part of its size a picture is read, along each edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    Whole,
    Half,
    Quarter,
    Eighth,
}

impl Scale {
    /// The one that leaves the longest edge at `below` pixels or more divided by two; the whole if it is shorter already.
    pub(super) fn to_below(below: u32, (width, height): (u32, u32)) -> Self {
        let longest = width.max(height);
        let reaches = |divisor: u32| longest / divisor >= below;
        match (reaches(1), reaches(2), reaches(4)) {
            (false, ..) => Scale::Whole,
            (_, false, _) => Scale::Half,
            (.., false) => Scale::Quarter,
            _ => Scale::Eighth,
        }
    }

    /// Width and height of the scaled picture. Means that would need what lies beyond the edge are left out, at least one
    /// kept: a file has pixels there, but not the photo's.
    pub(super) fn of(self, (width, height): (u32, u32)) -> (u32, u32) {
        let divisor = (BLOCK / self.side()) as u32;
        ((width / divisor).max(1), (height / divisor).max(1))
    }

    /// Grey values along an edge of a block.
    fn side(self) -> usize {
        match self {
            Scale::Whole => BLOCK,
            Scale::Half => 4,
            Scale::Quarter => 2,
            Scale::Eighth => 1,
        }
    }
}

/// Decodes the Y channel of a JPEG into `luma`, scaled; `None`, with anything in `luma`, where the library has to.
pub(super) fn decode(bytes: &[u8], layout: &Layout, scale: Scale, luma: &mut Vec<u8>) -> Option<()> {
    let scan = Scan::read(bytes, layout)?;
    // It is copied interval by interval, and the limits know of the picture's size alone.
    if scan.bytes.len() as u64 > layout.decode_bytes() {
        return None;
    }
    let (width, height) = scale.of((layout.width, layout.height));
    let (width, height) = (width as usize, height as usize);
    luma.clear();
    luma.resize(width * height, 0);
    let picture = Picture { luma, width, height };
    match scale {
        Scale::Whole => scan.decode(&Pixels::new(&scan.steps), picture),
        Scale::Half => scan.decode(&Means::<4>::new(&scan.steps), picture),
        Scale::Quarter => scan.decode(&Means::<2>::new(&scan.steps), picture),
        Scale::Eighth => scan.decode(&Means::<1>::new(&scan.steps), picture),
    }
}

/// How the coefficients of a block of 8x8 pixels become `SIDE` rows of `SIDE` grey values.
trait Transform<const SIDE: usize> {
    /// The coefficients that were read so far.
    type Block;

    /// With the first coefficient.
    fn begin(&self, first: i32) -> Self::Block;

    /// Adds the coefficient that is stored in place `index`, 1 to 63.
    fn add(&self, block: &mut Self::Block, index: usize, value: i32);

    /// The grey values, if only the first coefficient is not 0.
    fn even(&self, block: &Self::Block) -> [[u8; SIDE]; SIDE];

    /// The grey values.
    fn greys(&self, block: &Self::Block) -> [[u8; SIDE]; SIDE];
}

/// The picture that comes out.
struct Picture<'a> {
    luma: &'a mut [u8],
    width: usize,
    height: usize,
}

impl Picture<'_> {
    /// Puts a block's grey values in; what lies beyond the edges is left out.
    #[inline(always)]
    fn put<const SIDE: usize>(&mut self, (left, top): (usize, usize), greys: &[[u8; SIDE]; SIDE]) {
        let (columns, rows) = (self.width.saturating_sub(left), self.height.saturating_sub(top));
        let mut begin = top * self.width + left;
        if columns >= SIDE && rows >= SIDE {
            for row in greys {
                self.luma[begin..begin + SIDE].copy_from_slice(row);
                begin += self.width;
            }
            return;
        }
        let columns = columns.min(SIDE);
        if columns > 0 {
            for row in greys.iter().take(rows) {
                self.luma[begin..begin + columns].copy_from_slice(&row[..columns]);
                begin += self.width;
            }
        }
    }
}

/// A component in a scan: its blocks in a unit, and its tables.
struct Coded {
    across: usize,
    down: usize,
    dc: Rc<Table>,
    ac: Rc<Table>,
}

/// The only scan of a sequential JPEG.
struct Scan<'a> {
    /// What follows the scan's header.
    bytes: &'a [u8],
    /// Y, whose steps of quantisation stand beside.
    luma: Coded,
    steps: [u16; 64],
    /// Its colours, which are passed over.
    others: Vec<Coded>,
    /// Units in a row of them, and rows; in a unit are the blocks that belong together.
    units: (usize, usize),
    /// Units from one restart to the next; all of them where there is none.
    interval: usize,
}

impl<'a> Scan<'a> {
    /// Reads the segments before the scan.
    fn read(bytes: &'a [u8], layout: &Layout) -> Option<Self> {
        let components = &layout.components;
        if !layout.is_sequential {
            return None;
        }
        let mut tables = Tables::default();
        let (mut interval, mut has_frame) = (0, false);
        let mut segments = Segments::of(bytes);
        let scan = loop {
            match segments.next()? {
                (0xDB, payload) => tables.add_steps(payload)?,
                (0xC4, payload) => tables.add_codes(payload)?,
                (0xDD, payload) => interval = usize::from(u16::from_be_bytes(payload.try_into().ok()?)),
                (0xDA, payload) => break payload,
                (0xC0 | 0xC1, payload) if !has_frame && payload.len() == 6 + 3 * components.len() => {
                    has_frame = true;
                }
                // What programs note (APPn, COM).
                (0xE0..=0xEF | 0xFE, _) => {}
                _ => return None,
            }
        };
        let is_long = segments.rest().len() >= LONG;
        let (dc, ac) = (tables.dc(), tables.ac(is_long));
        let (&count, rest) = scan.split_first()?;
        let (selectors, spectrum) = rest.as_chunks::<2>();
        // All of them at once, with all coefficients and all of their bits.
        let ([selectors @ .., [0, 63]], [0]) = (selectors, spectrum) else {
            return None;
        };
        if selectors.len() != components.len() || selectors.len() != usize::from(count) {
            return None;
        }
        let mut coded = Vec::with_capacity(selectors.len());
        for (index, (&[name, codes], component)) in selectors.iter().zip(components).enumerate() {
            let is_another = components[..index].iter().all(|other| other.name != name);
            let has_steps = tables.steps.get(usize::from(component.steps))?.is_some();
            if name != component.name || !is_another || !has_steps {
                return None;
            }
            let (across, down) = match selectors.len() {
                // Alone, its blocks follow one another, whatever its sampling.
                1 => (1, 1),
                _ => component.sampling,
            };
            coded.push(Coded {
                across,
                down,
                dc: dc.get(usize::from(codes >> 4))?.clone()?,
                ac: ac.get(usize::from(codes & 15))?.clone()?,
            });
        }
        let steps = (*tables.steps.get(usize::from(components.first()?.steps))?)?;
        let mut coded = coded.into_iter();
        let luma = coded.next()?;
        let others: Vec<_> = coded.collect();
        let is_finest = others
            .iter()
            .all(|other| other.across <= luma.across && other.down <= luma.down);
        if !is_finest {
            return None;
        }
        let units = |pixels: u32, blocks: usize| (pixels as usize).div_ceil(BLOCK * blocks);
        let units = (units(layout.width, luma.across), units(layout.height, luma.down));
        Some(Self {
            bytes: segments.rest(),
            luma,
            steps,
            others,
            units,
            interval: if interval == 0 {
                units.0 * units.1
            } else {
                interval
            },
        })
    }

    /// Decodes interval after interval, up to the end marker.
    fn decode<const SIDE: usize>(
        &self,
        transform: &impl Transform<SIDE>,
        mut picture: Picture,
    ) -> Option<()> {
        let arch = Arch::new();
        let (mut rest, mut interval) = (self.bytes, Vec::new());
        let count = self.units.0 * self.units.1;
        let mut restarts = (0xD0..=0xD7).cycle();
        for begin in (0..count).step_by(self.interval) {
            let marker = take_interval(&mut rest, &mut interval)?;
            let end = count.min(begin + self.interval);
            // Compiled for each width of registers: most of a decoding is spent within.
            arch.dispatch(
                #[inline(always)]
                || self.decode_interval(&interval, begin..end, transform, &mut picture),
            )?;
            let expected = if end < count { restarts.next()? } else { 0xD9 };
            if marker != expected {
                return None;
            }
        }
        Some(())
    }

    #[inline(always)]
    fn decode_interval<const SIDE: usize>(
        &self,
        bytes: &[u8],
        units: Range<usize>,
        transform: &impl Transform<SIDE>,
        picture: &mut Picture,
    ) -> Option<()> {
        let mut bits = Bits::new(bytes)?;
        let (across, down) = (self.luma.across, self.luma.down);
        let mut level = 0i32;
        for unit in units {
            let (x, y) = (unit % self.units.0 * across, unit / self.units.0 * down);
            for block in 0..across * down {
                let (x, y) = (x + block % across, y + block / across);
                bits.refill();
                let (_, difference) = bits.symbol(&self.luma.dc)?;
                level = level.wrapping_add(difference);
                let greys = read_block(&mut bits, &self.luma.ac, level, transform)?;
                picture.put((x * SIDE, y * SIDE), &greys);
            }
            for other in &self.others {
                for _ in 0..other.across * other.down {
                    bits.refill();
                    bits.symbol(&other.dc)?;
                    bits.skip(&other.ac)?;
                }
            }
        }
        bits.are_spent().then_some(())
    }
}

/// The grey values of a block whose first coefficient is known.
#[inline(always)]
fn read_block<const SIDE: usize>(
    bits: &mut Bits,
    codes: &Table,
    first: i32,
    transform: &impl Transform<SIDE>,
) -> Option<[[u8; SIDE]; SIDE]> {
    let mut block = transform.begin(first);
    if SIDE == 1 {
        bits.skip(codes)?;
        return Some(transform.even(&block));
    }
    let mut index = 0;
    'block: loop {
        bits.refill();
        for _ in 0..2 {
            let (advance, value) = bits.symbol(codes)?;
            if advance == END {
                break 'block;
            }
            index += advance as usize;
            if index > 63 {
                return None;
            }
            transform.add(&mut block, index, value);
            if index == 63 {
                break 'block;
            }
        }
    }
    Some(match index {
        0 => transform.even(&block),
        _ => transform.greys(&block),
    })
}

/// Takes the bytes up to the next marker off `bytes` and leaves them, without what is stuffed and with [`PADDING`], in
/// `interval`; gives the marker.
fn take_interval(bytes: &mut &[u8], interval: &mut Vec<u8>) -> Option<u8> {
    interval.clear();
    loop {
        let at = memchr::memchr(0xFF, bytes)?;
        let &marker = bytes.get(at + 1)?;
        let (before, rest) = bytes.split_at(at);
        *bytes = &rest[2..];
        interval.extend_from_slice(before);
        if marker != 0 {
            interval.extend(PADDING);
            return Some(marker);
        }
        interval.push(0xFF);
    }
}

#[cfg(test)]
mod tests;
