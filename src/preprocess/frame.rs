//! Frames around a photo: a white rim, the black bars of another format, a scanner's edge.
//!
//! In: a grey picture. Out: the rectangle within its frame, the whole picture where there is none. Never: more than
//! an eighth of the picture cut off at a side.
//!
//! A side has a frame if its outermost lines are all of one grey and the next line is of another one from end to end.
//! A garment before a plain background is no frame's inside: its background goes on beside it.

use super::garment::Window;
use super::reduce::Grey;

/// Part of the picture's width or height that a frame may take at a side, as a divisor.
const DEEPEST: usize = 8;
/// Largest difference within a frame's line, and least from the frame to what it holds.
const ALIKE: u8 = 8;
/// Lines over which a frame's edge may be blurred.
const BLURRED: usize = 2;

/// What the frame holds.
pub(super) fn inside(picture: Grey) -> Window {
    let (width, height) = (picture.width as usize, picture.height as usize);
    let at = |x: usize, y: usize| picture.luma[y * width + x];
    let top = depth(height, width, |line, along| at(along, line));
    let bottom = depth(height, width, |line, along| at(along, height - 1 - line));
    let left = depth(width, height, |line, along| at(line, along));
    let right = depth(width, height, |line, along| at(width - 1 - line, along));
    Window {
        left: left as u32,
        top: top as u32,
        width: (width - left - right) as u32,
        height: (height - top - bottom) as u32,
    }
}

/// How many of `lines` lines, counted from a side, are its frame; `at` gives the grey of a line's pixel.
fn depth(lines: usize, length: usize, at: impl Fn(usize, usize) -> u8) -> usize {
    let level = at(0, length / 2);
    let near = |line: usize| {
        (0..length)
            .filter(|&along| at(line, along).abs_diff(level) <= ALIKE)
            .count()
    };
    let most = lines / DEEPEST;
    let is_frame = |line: usize| near(line) == length;
    let Some(first) = (0..=most).find(|&line| !is_frame(line)) else {
        return 0;
    };
    if first == 0 {
        return 0;
    }
    // From end to end, but for what happens to have the frame's grey.
    let is_other = |line: usize| near(line) * 8 <= length;
    (first..=(first + BLURRED).min(lines - 1))
        .find(|&line| is_other(line))
        .unwrap_or(0)
}
