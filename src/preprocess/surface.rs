//! The background of a picture: a smooth surface through its border.
//!
//! In: a grey picture. Out: the surface, how rough the border is around it, and how much of the border it explains.
//! Never: a look at the inside.
//!
//! Light falls off over a backdrop, so that its grey is seldom one value. A plane follows a lamp at one side, squares
//! follow a vignette. What of the border is no background (a leg that leaves the picture, a table's edge) must not
//! bend it: the fit begins at the commonest grey, or at the middle greys of the four sides, and is repeated on those
//! values that lie close to it, closer each time (least squares, trimmed).

use super::garment::Window;
use super::reduce::Grey;

/// Grey values that still count as background: 5 % of 255, as in the making of Fashion-MNIST.
pub(super) const TOLERANCE: u8 = 13;
/// Most places at the border that are looked at: more would cost time and not move a fit of five numbers.
const MOST_SAMPLES: usize = 112;
/// How far from the surface a value may lie to take part in the next fit.
const REACHES: [f32; 5] = [48.0, 32.0, 24.0, 18.0, TOLERANCE as f32];
/// Least share of the border that a plain background explains: garments may reach over edges.
pub(super) const PLAIN_SHARE: f32 = 0.33;
/// Share of the border that one grey must explain for there to be no need of a fit.
const LEVEL_SHARE: f32 = 0.9;
/// Half of a border that is rougher than this around one grey may be a part of a slope; smoother, it is paper, and the
/// other half no background.
const PAPER_ROUGHNESS: f32 = 1.0;
/// Share of the border by which a surface of more numbers must explain more to be believed.
const WORTH_MORE: f32 = 0.08;

/// Terms of a surface: 1, u, v, u², v².
const TERMS: usize = 5;

/// What surrounds the garment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Surface {
    /// Weights of 1, u, v, u², v²; u and v run from -1 to 1 over the picture.
    terms: [f32; TERMS],
    /// Median distance of the explained border from the surface, in grey values.
    pub roughness: f32,
    /// Share of the border within [`TOLERANCE`] of the surface, 0..=1.
    pub share: f32,
}

/// A place at the border and its grey value.
#[derive(Debug, Clone, Copy)]
struct Sample {
    u: f32,
    v: f32,
    luma: f32,
}

impl Surface {
    /// From the outermost pixels of a picture.
    pub(super) fn of(picture: Grey) -> Self {
        let samples = border(picture);
        let level = Self::level(&samples);
        let is_paper = level.share >= 0.5 && level.roughness < PAPER_ROUGHNESS;
        if level.share >= LEVEL_SHARE || is_paper {
            return level;
        }
        let mut best = level;
        for start in [level, level.with_sides(&samples)] {
            for (terms, more) in [(3, WORTH_MORE), (TERMS, WORTH_MORE)] {
                let fitted = start.fitted(&samples, terms).judged(&samples);
                if fitted.share >= best.share + more {
                    best = fitted;
                }
            }
        }
        best
    }

    /// The surface's grey at a place, u and v from -1 to 1.
    pub(super) fn at(&self, u: f32, v: f32) -> f32 {
        let [one, by_u, by_v, by_u2, by_v2] = self.terms;
        (one + u * (by_u + u * by_u2) + v * (by_v + v * by_v2)).clamp(0.0, 255.0)
    }

    /// The same surface, which belongs to a part of the picture, over the whole of it.
    pub(super) fn over_whole(mut self, picture: Grey, part: Window) -> Self {
        let stretched = |begin: u32, length: u32, whole: u32| {
            let (begin, length, whole) = (begin as f32, length as f32, whole as f32);
            (whole / length, (whole - 2.0 * begin) / length - 1.0)
        };
        let (a, b) = stretched(part.left, part.width, picture.width);
        let (c, d) = stretched(part.top, part.height, picture.height);
        let [one, by_u, by_v, by_u2, by_v2] = self.terms;
        self.terms = [
            one + b * (by_u + b * by_u2) + d * (by_v + d * by_v2),
            a * (by_u + 2.0 * b * by_u2),
            c * (by_v + 2.0 * d * by_v2),
            a * a * by_u2,
            c * c * by_v2,
        ];
        self
    }

    /// The surface's greys over a picture, row by row.
    pub(super) fn greys(&self, width: usize, height: usize, greys: &mut Vec<u8>) {
        let [one, by_u, by_v, by_u2, by_v2] = self.terms;
        greys.clear();
        if [by_u, by_v, by_u2, by_v2] == [0.0; 4] {
            greys.resize(width * height, (one + 0.5) as u8);
            return;
        }
        // In 65536ths, so that a pixel costs an addition.
        let fixed = |grey: f32| (grey * 65_536.0) as i32;
        let part = |at: usize, length: usize, by: f32, by2: f32| {
            let place = (2 * at + 1) as f32 / length as f32 - 1.0;
            fixed(place * (by + place * by2))
        };
        let columns: Vec<i32> = (0..width).map(|x| part(x, width, by_u, by_u2)).collect();
        for y in 0..height {
            let row = fixed(one + 0.5) + part(y, height, by_v, by_v2);
            greys.extend(
                columns
                    .iter()
                    .map(|column| ((row + column) >> 16).clamp(0, 255) as u8),
            );
        }
    }

    /// One grey: that around which most values lie, within half a tolerance; the brightest of equals.
    fn level(samples: &[Sample]) -> Self {
        let mut counts = [0u32; 256];
        for sample in samples {
            counts[sample.luma as usize] += 1;
        }
        let reach = usize::from(TOLERANCE) / 2;
        let mut best = (0, 0);
        for level in (0..256usize).filter(|&level| counts[level] > 0) {
            let window = level.saturating_sub(reach)..=(level + reach).min(255);
            // Weighed, so that the window is centred on what it holds.
            let held = window
                .map(|value| counts[value] * (reach + 1 - value.abs_diff(level)) as u32)
                .sum();
            if held >= best.0 {
                best = (held, level);
            }
        }
        Self {
            terms: [best.1 as f32, 0.0, 0.0, 0.0, 0.0],
            roughness: 0.0,
            share: 0.0,
        }
        .judged(samples)
    }

    /// The plane through the middle greys of the four sides.
    fn with_sides(mut self, samples: &[Sample]) -> Self {
        let middle = |on_side: &dyn Fn(&Sample) -> bool| {
            let mut values: Vec<f32> = samples.iter().filter(|s| on_side(s)).map(|s| s.luma).collect();
            median(&mut values)
        };
        let edge = 0.97;
        let (left, right) = (middle(&|s| s.u < -edge), middle(&|s| s.u > edge));
        let (top, bottom) = (middle(&|s| s.v < -edge), middle(&|s| s.v > edge));
        self.terms = [
            (left + right + top + bottom) / 4.0,
            (right - left) / 2.0,
            (bottom - top) / 2.0,
            0.0,
            0.0,
        ];
        self
    }

    /// Least squares over what lies close, closer each time.
    fn fitted(mut self, samples: &[Sample], terms: usize) -> Self {
        for reach in REACHES {
            let mut sums = [[0.0f64; TERMS + 1]; TERMS];
            for sample in samples.iter().filter(|s| self.distance(s) <= reach) {
                let (u, v) = (f64::from(sample.u), f64::from(sample.v));
                let row = [1.0, u, v, u * u, v * v];
                // All of them, wanted or not: a fixed number is worth registers.
                let columns = [1.0, u, v, u * u, v * v, f64::from(sample.luma)];
                for (sums, by) in sums.iter_mut().zip(row) {
                    for (sum, column) in sums.iter_mut().zip(columns) {
                        *sum += by * column;
                    }
                }
            }
            let Some(solved) = solve(sums, terms) else {
                return self;
            };
            self.terms = solved;
        }
        self
    }

    fn distance(&self, sample: &Sample) -> f32 {
        (sample.luma - self.at(sample.u, sample.v)).abs()
    }

    fn judged(mut self, samples: &[Sample]) -> Self {
        // Counted in tenths of grey values.
        const MOST: usize = 10 * TOLERANCE as usize;
        let mut counts = [0u32; MOST + 1];
        for sample in samples {
            let tenths = (10.0 * self.distance(sample)) as usize;
            if tenths <= MOST {
                counts[tenths] += 1;
            }
        }
        let near = counts.iter().sum::<u32>();
        self.share = near as f32 / samples.len() as f32;
        let mut below = 0;
        let middle = counts.iter().position(|&count| {
            below += count;
            2 * below >= near
        });
        self.roughness = middle.unwrap_or(0) as f32 / 10.0;
        self
    }
}

/// The value in the middle; 0 of none.
fn median(values: &mut [f32]) -> f32 {
    if values.is_empty() {
        return 0.0;
    }
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f32::total_cmp).1
}

/// Places along the four sides, evenly.
fn border(picture: Grey) -> Vec<Sample> {
    let (width, height) = (picture.width as usize, picture.height as usize);
    let step = (2 * (width + height)).div_ceil(MOST_SAMPLES);
    let mut samples = Vec::with_capacity(MOST_SAMPLES + 8);
    let mut take = |x: usize, y: usize| {
        samples.push(Sample {
            u: (2 * x + 1) as f32 / width as f32 - 1.0,
            v: (2 * y + 1) as f32 / height as f32 - 1.0,
            luma: f32::from(picture.luma[y * width + x]),
        });
    };
    for x in (0..width).step_by(step) {
        take(x, 0);
        take(x, height - 1);
    }
    for y in (0..height).step_by(step) {
        take(0, y);
        take(width - 1, y);
    }
    samples
}

/// Solves the first `terms` equations by elimination with pivots; `None` where they do not determine the surface.
fn solve(mut sums: [[f64; TERMS + 1]; TERMS], terms: usize) -> Option<[f32; TERMS]> {
    for column in 0..terms {
        let pivot =
            (column..terms).max_by(|&a, &b| sums[a][column].abs().total_cmp(&sums[b][column].abs()))?;
        if sums[pivot][column].abs() < 1e-6 {
            return None;
        }
        sums.swap(column, pivot);
        let pivot_row = sums[column];
        for (index, row) in sums.iter_mut().enumerate().take(terms) {
            if index != column {
                let factor = row[column] / pivot_row[column];
                for (value, pivot) in row.iter_mut().zip(&pivot_row) {
                    *value -= factor * pivot;
                }
            }
        }
    }
    let mut solved = [0.0; TERMS];
    for (index, value) in solved.iter_mut().enumerate().take(terms) {
        *value = (sums[index][TERMS] / sums[index][index]) as f32;
    }
    Some(solved)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The surface of a picture of 60x80.
    fn surface_of(luma: impl Fn(f32, f32) -> f32) -> Surface {
        let (width, height) = (60, 80);
        let place = |at: u32, length: u32| (2 * at + 1) as f32 / length as f32 - 1.0;
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (place(x, width), place(y, height))));
        let luma: Vec<u8> = pixels.map(|(u, v)| luma(u, v) as u8).collect();
        Surface::of(Grey {
            luma: &luma,
            width,
            height,
        })
    }

    #[test]
    fn slopes_and_vignettes_are_followed_past_what_leaves_the_picture() {
        let is_leg = |u: f32, v: f32| u.abs() < 0.5 && v > 0.0;
        type Backdrop = fn(f32, f32) -> f32;
        let backdrops: [(&str, Backdrop); 4] = [
            ("even", |_, _| 240.0),
            ("a lamp at the left", |u, _| 180.0 - 40.0 * u),
            ("a lamp above and at the right", |u, v| {
                150.0 + 30.0 * u - 50.0 * v
            }),
            ("a vignette", |u, v| 220.0 - 45.0 * (u * u + v * v)),
        ];
        for (name, backdrop) in backdrops {
            let surface = surface_of(|u, v| if is_leg(u, v) { 40.0 } else { backdrop(u, v) });
            assert!((0.8..1.0).contains(&surface.share), "{name}: {surface:?}");
            for (u, v) in [(0.0, 0.0), (-0.9, 0.4), (0.6, -0.7)] {
                let error = (surface.at(u, v) - backdrop(u, v)).abs();
                assert!(error < 3.0, "{name}: {error} at {u}, {v}");
            }
        }
    }

    #[test]
    fn a_part_of_a_surface_goes_on_over_the_whole() {
        let luma = [0; 4800];
        let whole = Grey {
            luma: &luma,
            width: 60,
            height: 80,
        };
        let part = Window {
            left: 6,
            top: 4,
            width: 50,
            height: 70,
        };
        let inner = surface_of(|u, v| 180.0 - 20.0 * u + 10.0 * v - 25.0 * (u * u + v * v));
        let outer = inner.over_whole(whole, part);
        for (x, y) in [(6.0, 4.0), (30.0, 40.0), (56.0, 74.0)] {
            let inside = inner.at((x - 6.0) / 25.0 - 1.0, (y - 4.0) / 35.0 - 1.0);
            let over_all = outer.at(x / 30.0 - 1.0, y / 40.0 - 1.0);
            assert!(
                (inside - over_all).abs() < 0.1,
                "{inside} and {over_all} at {x}, {y}"
            );
        }
    }
}
