//! Frames around a photo: a white rim, the black bars of another format, a scanner's edge.
//!
//! In: a grey picture. Out: the rectangle within its frame, the whole picture where there is none. Never: more than
//! an eighth of the picture cut off at a side.
//!
//! A side may have a frame if its outermost lines are all of one grey. It has one if, where that ends, all sides that
//! may have one show the edge of something else from end to end. A garment before a plain background is no frame's
//! inside: at one side at least it leaves the background room, or lies deeper than frames are wide.

use super::garment::Window;
use super::reduce::Grey;

/// Part of the picture's width or height that a frame may take at a side, as a divisor.
const DEEPEST: usize = 8;
/// Largest difference within a frame, and least from the frame to what it holds.
const ALIKE: u8 = 8;
/// Lines over which a frame's edge may be blurred.
const BLURRED: usize = 2;

/// What the frame holds.
pub(super) fn inside(picture: Grey) -> Window {
    let (width, height) = (picture.width as usize, picture.height as usize);
    let rows = |y: usize, from: usize, to: usize| picture.luma[y * width + from..y * width + to].iter();
    let columns = |x: usize, from: usize, to: usize| {
        picture.luma[from * width + x..(to - 1) * width + x + 1]
            .iter()
            .step_by(width)
    };
    let whole = Window::whole(picture);
    let (Some(top), Some(bottom), Some(left), Some(right)) = (
        alike(height, |line| rows(line, 0, width)),
        alike(height, |line| rows(height - 1 - line, 0, width)),
        alike(width, |line| columns(line, 0, height)),
        alike(width, |line| columns(width - 1 - line, 0, height)),
    ) else {
        return whole;
    };
    let (across, down) = ((left, width - right), (top, height - bottom));
    let level = picture.luma[0];
    let (Some(top), Some(bottom), Some(left), Some(right)) = (
        edge(top, level, |line| rows(line, across.0, across.1)),
        edge(bottom, level, |line| rows(height - 1 - line, across.0, across.1)),
        edge(left, level, |line| columns(line, down.0, down.1)),
        edge(right, level, |line| columns(width - 1 - line, down.0, down.1)),
    ) else {
        return whole;
    };
    Window {
        left: left as u32,
        top: top as u32,
        width: (width - left - right) as u32,
        height: (height - top - bottom) as u32,
    }
}

/// How many lines from a side are all of its first pixel's grey; `None` if they are too many for a frame.
fn alike<'a, Line: Iterator<Item = &'a u8>>(lines: usize, line: impl Fn(usize) -> Line) -> Option<usize> {
    let level = *line(0).next()?;
    (0..=lines / DEEPEST).find(|&index| line(index).any(|grey| grey.abs_diff(level) > ALIKE))
}

/// The line, behind so many of the frame, from which on there is no frame; `None` if there is no edge at all.
fn edge<'a, Line: Iterator<Item = &'a u8>>(
    frame: usize,
    level: u8,
    line: impl Fn(usize) -> Line,
) -> Option<usize> {
    let is_edge = |&index: &usize| {
        let (mut others, mut all) = (0, 0);
        line(index).for_each(|grey| {
            others += usize::from(grey.abs_diff(level) > ALIKE);
            all += 1;
        });
        8 * others >= 7 * all
    };
    match frame {
        0 => Some(0),
        _ => (frame..=frame + BLURRED).find(is_edge),
    }
}
