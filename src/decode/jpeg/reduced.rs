//! JPEG -> its Y channel at a half, a quarter or an eighth of its size.
//!
//! In: the bytes of a sequential JPEG whose components are coded together, Y first: nearly all that cameras and shops
//! write. Out: means of 2x2, 4x4 or 8x8 pixels. Never: an error, a part of a picture. What is unusual or seems broken is left
//! to the library, which says what is wrong with it, or reads it.
//!
//! A photo of 12 million pixels becomes 28x28: to compute all of its pixels is most of the work, and nothing of it is
//! seen. The library gives pictures at their full size only.

use std::ops::Range;
use std::rc::Rc;

use pulp::Arch;

use super::layout::{Layout, Segments};

mod huffman;
mod means;

use huffman::{Bits, Class, END, PADDING, Table};
use means::{Block, Fold};

/// Pixels along an edge of a block.
const BLOCK: usize = 8;

/// By how much a picture can be reduced, along each edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reduction {
    Half,
    Quarter,
    Eighth,
}

impl Reduction {
    /// The one that leaves the longest edge at `below` pixels or more divided by two; `None` if it is shorter already.
    pub(super) fn to_below(below: u32, (width, height): (u32, u32)) -> Option<Self> {
        let longest = width.max(height);
        let reaches = |divisor: u32| longest / divisor >= below;
        match (reaches(1), reaches(2), reaches(4)) {
            (false, ..) => None,
            (_, false, _) => Some(Reduction::Half),
            (.., false) => Some(Reduction::Quarter),
            _ => Some(Reduction::Eighth),
        }
    }

    /// Width and height of the reduced picture. Means that would need what lies beyond the edge are left out, at least one
    /// kept: a file has pixels there, but not the photo's.
    pub(super) fn of(self, (width, height): (u32, u32)) -> (u32, u32) {
        let divisor = (BLOCK / self.side()) as u32;
        ((width / divisor).max(1), (height / divisor).max(1))
    }

    /// Means along an edge of a block.
    fn side(self) -> usize {
        match self {
            Reduction::Half => 4,
            Reduction::Quarter => 2,
            Reduction::Eighth => 1,
        }
    }
}

/// Decodes the Y channel of a JPEG into `luma`, reduced; `None`, with anything in `luma`, where the library has to.
pub(super) fn decode(bytes: &[u8], layout: &Layout, reduction: Reduction, luma: &mut Vec<u8>) -> Option<()> {
    let scan = Scan::read(bytes, layout)?;
    // It is copied interval by interval, and the limits know of the picture's size alone.
    if scan.bytes.len() as u64 > layout.decode_bytes() {
        return None;
    }
    let (width, height) = reduction.of((layout.width, layout.height));
    let (width, height) = (width as usize, height as usize);
    luma.clear();
    luma.resize(width * height, 0);
    let picture = Picture { luma, width, height };
    match reduction {
        Reduction::Half => scan.decode::<4>(picture),
        Reduction::Quarter => scan.decode::<2>(picture),
        Reduction::Eighth => scan.decode::<1>(picture),
    }
}

/// The picture that comes out.
struct Picture<'a> {
    luma: &'a mut [u8],
    width: usize,
    height: usize,
}

impl Picture<'_> {
    /// Puts a block's means in; what lies beyond the edges is left out.
    #[inline(always)]
    fn put<const SIDE: usize>(&mut self, (left, top): (usize, usize), means: &[[u8; SIDE]; SIDE]) {
        let (columns, rows) = (self.width.saturating_sub(left), self.height.saturating_sub(top));
        let mut begin = top * self.width + left;
        if columns >= SIDE && rows >= SIDE {
            for row in means {
                self.luma[begin..begin + SIDE].copy_from_slice(row);
                begin += self.width;
            }
            return;
        }
        let columns = columns.min(SIDE);
        if columns > 0 {
            for row in means.iter().take(rows) {
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
        let (dc, ac) = (tables.made(Class::Dc), tables.made(Class::Ac));
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
    fn decode<const SIDE: usize>(&self, mut picture: Picture) -> Option<()> {
        let fold = Fold::<SIDE>::new(&self.steps);
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
                || self.decode_interval(&interval, begin..end, &fold, &mut picture),
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
        fold: &Fold<SIDE>,
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
                let means = read_block(&mut bits, &self.luma.ac, level, fold)?;
                picture.put((x * SIDE, y * SIDE), &means);
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

/// The means of a block whose first coefficient is known.
#[inline(always)]
fn read_block<const SIDE: usize>(
    bits: &mut Bits,
    codes: &Table,
    first: i32,
    fold: &Fold<SIDE>,
) -> Option<[[u8; SIDE]; SIDE]> {
    let mut block = Block::new(first, fold);
    if SIDE == 1 {
        bits.skip(codes)?;
        return Some(block.even());
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
            block.add(index, value, fold);
            if index == 63 {
                break 'block;
            }
        }
    }
    Some(if index == 0 { block.even() } else { block.means() })
}

/// Takes the bytes up to the next marker off `bytes` and leaves them, without what is stuffed and with [`PADDING`], in
/// `interval`; gives the marker.
fn take_interval(bytes: &mut &[u8], interval: &mut Vec<u8>) -> Option<u8> {
    interval.clear();
    loop {
        let at = bytes.iter().position(|&byte| byte == 0xFF)?;
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

/// The tables of a JPEG, four of a kind at most.
#[derive(Default)]
struct Tables<'a> {
    steps: [Option<[u16; 64]>; 4],
    dc: [Option<Codes<'a>>; 4],
    ac: [Option<Codes<'a>>; 4],
}

/// How many codes there are of each length, and their symbols; a table is made of them only if the scan may want it, for a
/// file can hold any number.
type Codes<'a> = (&'a [u8; 16], &'a [u8]);

impl<'a> Tables<'a> {
    /// The tables of codes; none in the place of one that cannot be.
    fn made(&self, class: Class) -> [Option<Rc<Table>>; 4] {
        let codes = match class {
            Class::Dc => &self.dc,
            Class::Ac => &self.ac,
        };
        codes.map(|codes| codes.and_then(|(counts, symbols)| Table::new(class, counts, symbols).map(Rc::new)))
    }

    /// From a segment that defines quantisation (DQT; T.81, B.2.4.1).
    fn add_steps(&mut self, mut payload: &[u8]) -> Option<()> {
        while let Some((&head, rest)) = payload.split_first() {
            let (steps, rest) = match head >> 4 {
                0 => {
                    let (steps, rest) = rest.split_first_chunk::<64>()?;
                    (steps.map(u16::from), rest)
                }
                1 => {
                    let (steps, rest) = rest.split_first_chunk::<128>()?;
                    let steps = steps.as_chunks::<2>().0;
                    (
                        std::array::from_fn(|index| u16::from_be_bytes(steps[index])),
                        rest,
                    )
                }
                _ => return None,
            };
            *self.steps.get_mut(usize::from(head & 15))? = Some(steps);
            payload = rest;
        }
        Some(())
    }

    /// From a segment that defines codes (DHT; T.81, B.2.4.2).
    fn add_codes(&mut self, mut payload: &'a [u8]) -> Option<()> {
        while let Some((&head, rest)) = payload.split_first() {
            let (counts, rest) = rest.split_first_chunk::<16>()?;
            let count = counts.iter().map(|&count| usize::from(count)).sum();
            let (symbols, rest) = rest.split_at_checked(count)?;
            let codes = match head >> 4 {
                0 => &mut self.dc,
                1 => &mut self.ac,
                _ => return None,
            };
            *codes.get_mut(usize::from(head & 15))? = Some((counts, symbols));
            payload = rest;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests;
