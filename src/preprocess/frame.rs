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

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found inside of a picture of 64x48.
    fn inside_of(luma: impl Fn(u32, u32) -> u8) -> [u32; 4] {
        let (width, height) = (64, 48);
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let luma: Vec<u8> = pixels.map(|(x, y)| luma(x, y)).collect();
        let window = inside(Grey {
            luma: &luma,
            width,
            height,
        });
        [window.left, window.top, window.width, window.height]
    }

    #[test]
    fn frames_and_bars_go_and_garments_stay() {
        let whole = [0, 0, 64, 48];
        let garment = |x: u32, y: u32| (9..55).contains(&x) && (5..44).contains(&y);
        type Picture = fn(u32, u32) -> u8;
        let within: [(&str, Picture, [u32; 4]); 5] = [
            (
                "a frame",
                |x, y| {
                    if (3..60).contains(&x) && (2..45).contains(&y) {
                        90 + x as u8
                    } else {
                        255
                    }
                },
                [3, 2, 57, 43],
            ),
            (
                "a blurred frame",
                |x, y| match x.min(y).min(63 - x).min(47 - y) {
                    0..3 => 20,
                    3 => 24,
                    _ => 140 + (x % 9) as u8,
                },
                [4, 4, 56, 40],
            ),
            (
                "bars",
                |x, y| {
                    if (5..43).contains(&y) {
                        100 + (x * y % 60) as u8
                    } else {
                        0
                    }
                },
                [0, 5, 64, 38],
            ),
            (
                "too wide for a frame",
                |_, y| if (9..39).contains(&y) { 100 } else { 0 },
                whole,
            ),
            ("a frame around nothing else", |_, _| 200, whole),
        ];
        for (name, picture, expected) in within {
            assert_eq!(inside_of(picture), expected, "{name}");
        }
        assert_eq!(
            inside_of(|x, y| if garment(x, y) { 30 } else { 250 }),
            whole,
            "a garment with room beside it"
        );
        let sleeves = |x: u32, y: u32| (1..63).contains(&x) && (4..20).contains(&y);
        assert_eq!(
            inside_of(|x, y| if sleeves(x, y) { 30 } else { 250 }),
            whole,
            "sleeves from side to side"
        );
    }

    #[test]
    fn pictures_of_any_size_have_an_inside() {
        for (width, height) in [(1, 1), (1, 40), (40, 1), (2, 2), (8, 8), (9, 100)] {
            let luma = vec![7; (width * height) as usize];
            let picture = Grey {
                luma: &luma,
                width,
                height,
            };
            assert_eq!(inside(picture), Window::whole(picture), "{width}x{height}");
        }
    }
}
