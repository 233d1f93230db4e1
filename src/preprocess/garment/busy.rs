//! A garment before a floor, a bed, a room: all that looks like the middle of the photo rather than like its border.
//!
//! In: a grey picture and the surface that explains most of its border. Out: the finder's mask and the rectangle around
//! it, or nothing. Never: a rectangle with a rim of mere floor.

use super::{Finder, Window};
use crate::preprocess::reduce::Grey;
use crate::preprocess::surface::{Surface, TOLERANCE};

/// From this likelihood on a pixel is in the mask, and from that on it is reason enough for one; of 255.
const LIKELY: u8 = 110;
const VERY_LIKELY: u8 = 140;
/// A pixel is the garment's and not a paler or darker patch of the backdrop if it differs from that by more than this
/// part of what the mask's clearest quarter does.
const CLEAR_PART: u8 = 3;
/// A row or column is more than rim if more than one in so many of its pixels are the garment's.
const RIM_PART: u32 = 16;

impl Finder {
    /// All that looks like the middle.
    pub(super) fn before_busy(&mut self, picture: Grey, surface: &Surface) -> Option<Window> {
        let likely = self.likelihood.of(picture);
        self.classes.clear();
        let classes = likely
            .iter()
            .map(|&likely| u8::from(likely > LIKELY) + u8::from(likely > VERY_LIKELY));
        self.classes.extend(classes);
        self.regions.find(&self.classes, picture.width as usize);
        let window = self.keep(picture)?;
        surface.greys(
            picture.width as usize,
            picture.height as usize,
            &mut self.backdrop,
        );
        Some(self.without_pale_rim(picture, window))
    }

    /// The rectangle without the rows and columns along its edges in which hardly anything of the mask differs from the
    /// backdrop as garments do: a lighter patch of floor lies in the middle, too.
    fn without_pale_rim<'a>(&'a self, picture: Grey<'a>, window: Window) -> Window {
        let line = |values: &'a [u8], y: u32| {
            let begin = (y * picture.width + window.left) as usize;
            &values[begin..begin + window.width as usize]
        };
        let mut distances = Vec::with_capacity((window.width * window.height) as usize);
        for y in window.top..window.top + window.height {
            let pixels = line(picture.luma, y).iter().zip(line(&self.backdrop, y));
            let pixels = pixels.zip(line(&self.mask, y));
            // Nothing outside of the mask, which is 0 or 255.
            distances.extend(pixels.map(|((luma, backdrop), mask)| luma.abs_diff(*backdrop) & mask));
        }
        let clear = upper_quarter(&distances);
        let least = TOLERANCE.max(clear / CLEAR_PART);
        let mut across = vec![0u32; window.width as usize];
        let mut down = Vec::with_capacity(window.height as usize);
        for row in distances.chunks_exact(across.len()) {
            let mut garment = 0;
            for (across, &distance) in across.iter_mut().zip(row) {
                let is_garment = u32::from(distance > least);
                *across += is_garment;
                garment += is_garment;
            }
            down.push(garment);
        }
        let (left, wide) = without_rim(&across, window.height / RIM_PART);
        let (top, high) = without_rim(&down, window.width / RIM_PART);
        Window {
            left: window.left + left,
            top: window.top + top,
            width: wide,
            height: high,
        }
    }
}

/// Begin and length of what is left without the counts at both ends that are not above `least`; all if none is.
fn without_rim(counts: &[u32], least: u32) -> (u32, u32) {
    let first = counts.iter().position(|&count| count > least);
    let last = counts.iter().rposition(|&count| count > least);
    match (first, last) {
        (Some(first), Some(last)) => (first as u32, (last - first + 1) as u32),
        _ => (0, counts.len() as u32),
    }
}

/// The value that a quarter of those above 0 reach; 0 of none.
fn upper_quarter(values: &[u8]) -> u8 {
    let mut counts = [0u32; 256];
    for &value in values {
        counts[usize::from(value)] += 1;
    }
    counts[0] = 0;
    let quarter = counts.iter().sum::<u32>() / 4;
    let mut above = 0;
    let reached = counts.iter().rposition(|&count| {
        above += count;
        above > quarter
    });
    reached.unwrap_or(0) as u8
}
