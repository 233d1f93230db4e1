//! What the model sees of a photo, as a picture for people.
//!
//! In: a grey photo, what preprocessing found in it, and the model's answer. Out: one PNG: the photo with the rectangle
//! that was cut out, the 28x28 values enlarged, and the five likeliest labels with bars. Never: I/O, fonts of the system.

use image::{ExtendedColorType, ImageEncoder, ImageError, codecs::png::PngEncoder};

use super::font;
use crate::domain::{DecodedImage, INPUT_SIDE, Label, Scores};
use crate::preprocess::{Backdrop, Seen};

/// Longest edge at which the photo is shown.
const PHOTO_SIDE: usize = 256;
/// Pixels that one value of the model's input takes.
const ZOOM: usize = 9;
/// Empty pixels around everything.
const GAP: usize = 16;
/// How many labels are shown.
const LABELS: usize = 5;
/// Letters are drawn this many times as large as they are defined.
const LETTER: usize = 2;
/// From one line of text to the next.
const LINE: usize = font::HEIGHT * LETTER + 8;
/// Where the bars begin: behind the longest label.
const BARS: usize = GAP + 12 * font::ADVANCE * LETTER;
/// Room for a percentage behind the longest bar.
const PERCENTAGE: usize = 7 * font::ADVANCE * LETTER;
/// Size of the whole picture.
const WIDTH: usize = 3 * GAP + PHOTO_SIDE + ZOOM * INPUT_SIDE;
const HEIGHT: usize = 3 * GAP + PHOTO_SIDE + LINE + LABELS * LINE;

/// Red, green, blue.
type Colour = [u8; 3];
const PAPER: Colour = [250, 250, 248];
const INK: Colour = [30, 30, 34];
const CUT: Colour = [230, 60, 20];
const BAR: Colour = [60, 120, 190];
const TRACK: Colour = [226, 228, 232];

/// Draws it and encodes it as PNG.
///
/// # Errors
/// Only those of the encoder.
pub(super) fn png_of(photo: &DecodedImage, seen: &Seen, scores: &Scores) -> Result<Vec<u8>, ImageError> {
    let sheet = draw(photo, seen, scores);
    let mut bytes = Vec::new();
    let (width, height) = (WIDTH as u32, HEIGHT as u32);
    PngEncoder::new(&mut bytes).write_image(&sheet.pixels, width, height, ExtendedColorType::Rgb8)?;
    Ok(bytes)
}

fn draw(photo: &DecodedImage, seen: &Seen, scores: &Scores) -> Sheet {
    let mut sheet = Sheet {
        pixels: PAPER.repeat(WIDTH * HEIGHT),
    };
    let shown = sheet.photo(photo);
    sheet.cut(&seen.cut, shown);
    sheet.input(seen.input.values());
    let below = GAP + PHOTO_SIDE + GAP / 2;
    let backdrop = match seen.backdrop {
        Backdrop::Plain => "plain background",
        Backdrop::Busy => "busy background",
        Backdrop::Nothing => "nothing stands out",
    };
    sheet.text(GAP, below, backdrop);
    sheet.text(2 * GAP + PHOTO_SIDE, below, "seen by the model");
    let mut ranked: Vec<_> = Label::all().zip(*scores.values()).collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    for (line, (label, score)) in ranked.into_iter().take(LABELS).enumerate() {
        sheet.bar(below + LINE + GAP / 2 + line * LINE, label.name(), score);
    }
    sheet
}

/// A picture that is drawn on, row by row, three bytes a pixel.
struct Sheet {
    pixels: Vec<u8>,
}

impl Sheet {
    /// The photo in its field; gives the width and height at which it is shown.
    fn photo(&mut self, photo: &DecodedImage) -> (usize, usize) {
        let (width, height) = (photo.width as usize, photo.height as usize);
        let longest = width.max(height);
        let fitted = |edge: usize| (edge * PHOTO_SIDE).div_ceil(longest).clamp(1, PHOTO_SIDE);
        let shown = (fitted(width), fitted(height));
        for y in 0..shown.1 {
            for x in 0..shown.0 {
                let grey = mean(photo, span(x, shown.0, width), span(y, shown.1, height));
                self.set(GAP + x, GAP + y, [grey; 3]);
            }
        }
        shown
    }

    /// The rectangle that was cut out, two pixels wide.
    fn cut(&mut self, &[left, top, right, bottom]: &[f64; 4], shown: (usize, usize)) {
        let place = |share: f64, edge: usize| GAP + (share * edge as f64) as usize;
        let (left, right) = (place(left, shown.0), place(right, shown.0));
        let (top, bottom) = (place(top, shown.1), place(bottom, shown.1));
        self.fill((left - 2, top - 2), (right + 2, top), CUT);
        self.fill((left - 2, bottom), (right + 2, bottom + 2), CUT);
        self.fill((left - 2, top), (left, bottom), CUT);
        self.fill((right, top), (right + 2, bottom), CUT);
    }

    /// The model's input, each value a square.
    fn input(&mut self, values: &[f32]) {
        for (row, line) in values.chunks_exact(INPUT_SIDE).enumerate() {
            for (column, value) in line.iter().enumerate() {
                let grey = (value * 255.0 + 0.5) as u8;
                let (left, top) = (2 * GAP + PHOTO_SIDE + column * ZOOM, GAP + row * ZOOM);
                self.fill((left, top), (left + ZOOM, top + ZOOM), [grey; 3]);
            }
        }
    }

    /// A label, its bar and its percentage.
    fn bar(&mut self, top: usize, label: &str, score: f32) {
        self.text(GAP, top, label);
        let longest = WIDTH - GAP - PERCENTAGE - BARS;
        let length = (score * longest as f32 + 0.5) as usize;
        let bottom = top + font::HEIGHT * LETTER - LETTER;
        self.fill((BARS, top), (BARS + longest, bottom), TRACK);
        self.fill((BARS, top), (BARS + length, bottom), BAR);
        let percentage = format!("{:5.1} %", score * 100.0);
        self.text(WIDTH - GAP - PERCENTAGE, top, &percentage);
    }

    fn text(&mut self, left: usize, top: usize, text: &str) {
        for (place, letter) in text.chars().enumerate() {
            for (column, row) in (0..font::HEIGHT).flat_map(|row| (0..font::ADVANCE).map(move |c| (c, row))) {
                if font::covers(letter, column, row) {
                    let (x, y) = (
                        left + (place * font::ADVANCE + column) * LETTER,
                        top + row * LETTER,
                    );
                    self.fill((x, y), (x + LETTER, y + LETTER), INK);
                }
            }
        }
    }

    /// A rectangle: its first pixel, and the first one beyond it to the right and below.
    fn fill(&mut self, (left, top): (usize, usize), (right, bottom): (usize, usize), colour: Colour) {
        for y in top..bottom.min(HEIGHT) {
            for x in left..right.min(WIDTH) {
                self.set(x, y, colour);
            }
        }
    }

    fn set(&mut self, x: usize, y: usize, colour: Colour) {
        let begin = 3 * (y * WIDTH + x);
        self.pixels[begin..begin + 3].copy_from_slice(&colour);
    }
}

/// Which of `from` pixels the pixel `at` of `to` stands for, at least one.
fn span(at: usize, to: usize, from: usize) -> std::ops::Range<usize> {
    let begin = at * from / to;
    begin..((at + 1) * from / to).max(begin + 1)
}

fn mean(photo: &DecodedImage, columns: std::ops::Range<usize>, rows: std::ops::Range<usize>) -> u8 {
    let count = (columns.len() * rows.len()) as u64;
    let width = photo.width as usize;
    let sum: u64 = rows
        .flat_map(|y| &photo.luma[y * width + columns.start..y * width + columns.end])
        .map(|&grey| u64::from(grey))
        .sum();
    ((sum + count / 2) / count) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ImageFormat, LABEL_COUNT};
    use crate::preprocess::Preprocessor;

    fn photo(width: u32, height: u32) -> DecodedImage {
        let inside = |x: u32, y: u32| {
            (width / 4..width * 3 / 4).contains(&x) && (height / 2..height * 7 / 8).contains(&y)
        };
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        DecodedImage {
            luma: pixels.map(|(x, y)| if inside(x, y) { 20 } else { 240 }).collect(),
            width,
            height,
            format: ImageFormat::Png,
            photo_size: (width, height),
        }
    }

    fn scores() -> Scores {
        let mut values = [0.0; LABEL_COUNT];
        (values[3], values[8], values[0]) = (0.75, 0.2, 0.05);
        Scores::new(values).unwrap()
    }

    fn at(sheet: &Sheet, x: usize, y: usize) -> Colour {
        let begin = 3 * (y * WIDTH + x);
        sheet.pixels[begin..begin + 3].try_into().unwrap()
    }

    #[test]
    fn photo_cut_input_and_bars_are_where_they_belong() {
        let photo = photo(128, 128);
        let sheet = draw(&photo, &Preprocessor::new().look(&photo), &scores());
        assert_eq!(at(&sheet, GAP + 10, GAP + 10), [240; 3], "the photo's background");
        assert_eq!(at(&sheet, GAP + 128, GAP + 180), [20; 3], "the garment");
        for (x, y) in [(63, 180), (192, 180), (128, 127), (128, 224)] {
            assert_eq!(at(&sheet, GAP + x, GAP + y), CUT, "the cut at {x}, {y}");
        }
        let input = 2 * GAP + PHOTO_SIDE;
        assert_eq!(
            at(&sheet, input + 126, GAP + 126),
            [255; 3],
            "the garment as seen"
        );
        assert_eq!(at(&sheet, input + 3, GAP + 3), [0; 3], "what is around it");
        let first_bar = GAP + PHOTO_SIDE + GAP / 2 + LINE + GAP / 2 + 5;
        assert_eq!(at(&sheet, BARS + 100, first_bar), BAR);
        assert_eq!(at(&sheet, BARS + 100, first_bar + 2 * LINE), TRACK);
    }

    #[test]
    fn pictures_of_every_shape_fit() {
        for (width, height) in [(1, 1), (1, 3000), (3000, 1), (60, 80), (700, 300)] {
            let photo = photo(width, height);
            let bytes = png_of(&photo, &Preprocessor::new().look(&photo), &scores()).unwrap();
            let read = image::load_from_memory(&bytes).unwrap();
            assert_eq!((read.width() as usize, read.height() as usize), (WIDTH, HEIGHT));
        }
    }
}
