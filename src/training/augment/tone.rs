//! Tones: what cloth is dyed with and printed on, and what a camera, a lamp and a JPEG do to a whole picture.
//!
//! In: a cut-out garment or a finished picture. Out: the same with other values, 0..=1. Never: another outline.

use super::Picture;
use super::cutout::Cutout;
use crate::domain::{INPUT_LEN, INPUT_SIDE};
use crate::training::network::random::Stream;

/// How far cloth is from its background: bright in a picture is dark before a white wall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dye {
    /// As it is in Fashion-MNIST.
    AsIs,
    /// Far from the background, as jeans and black jackets before white.
    Strong,
    /// Between.
    Middle,
    /// Close to the background, as a white shirt before white: little more than outline and folds.
    Pale,
}

/// Which dye, as often as shops have it.
pub(super) fn any_dye(draw: &mut Stream) -> Dye {
    draw.choose(&[
        (0.35, Dye::AsIs),
        (0.25, Dye::Strong),
        (0.22, Dye::Middle),
        (0.18, Dye::Pale),
    ])
}

/// Dyes a garment: mean and contrast of its values change, folds are shaded, its rim may stand out.
pub(super) fn dye(garment: &mut Cutout, dye: Dye, draw: &mut Stream) {
    let mean = garment.mean();
    let (aim, contrast, rim) = match dye {
        Dye::AsIs => (mean, draw.between(0.8, 1.2), 0.0),
        Dye::Strong => (draw.between(0.75, 1.0), draw.between(0.3, 1.1), 0.0),
        Dye::Middle => (
            draw.between(0.32, 0.75),
            draw.between(0.4, 1.2),
            draw.between(-0.1, 0.15),
        ),
        Dye::Pale => (
            draw.between(0.06, 0.32),
            draw.between(0.15, 0.8),
            draw.between(0.0, 0.3),
        ),
    };
    let contrast = if dye != Dye::AsIs && draw.chance(0.25) {
        -contrast
    } else {
        contrast
    };
    let folds = Field::new(draw, if dye == Dye::AsIs { 0.06 } else { 0.14 });
    let sides = draw.between(-0.05, 0.2) * if dye == Dye::AsIs { 0.3 } else { 1.0 };
    let half = (garment.frame.width() / 2.0).max(1.0);
    let middle = garment.frame.middle();
    let rims = garment.rim();
    for y in garment.frame.top..garment.frame.bottom {
        for x in garment.frame.left..garment.frame.right {
            if !garment.holds(x, y) {
                continue;
            }
            let aside = (x as f32 + 0.5 - middle) / half;
            let value = &mut garment.values[y * INPUT_SIDE + x];
            let on_rim = (rims[y] >> x & 1) as f32;
            let dyed = aim
                + (*value - mean) * contrast
                + folds.at(x, y)
                + sides * aside * aside * aside.abs()
                + rim * on_rim;
            *value = dyed.clamp(0.03, 1.0);
        }
    }
}

/// What is woven into or printed on cloth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pattern {
    Plain,
    StripesAcross,
    StripesDown,
    Checks,
    Mottled,
    /// A blob on the chest.
    Badge,
    /// Lines on the chest, as of text.
    Letters,
    /// Shoulders, or one half, of another tone.
    Panel,
}

/// Weaves or prints a pattern.
pub(super) fn print(garment: &mut Cutout, pattern: Pattern, draw: &mut Stream) {
    let depth = draw.sign() * draw.between(0.15, 0.6);
    let frame = garment.frame;
    let (middle, width, height) = (frame.middle(), frame.width(), frame.height());
    match pattern {
        Pattern::Plain => {}
        Pattern::StripesAcross => {
            let (period, phase) = (draw.between(2.0, 7.0), draw.between(0.0, 7.0));
            let share = draw.between(0.3, 0.6);
            recolour(garment, |_, y| depth * band(y, period, phase, share));
        }
        Pattern::StripesDown => {
            let (period, phase) = (draw.between(1.8, 5.0), draw.between(0.0, 5.0));
            let share = draw.between(0.25, 0.6);
            recolour(garment, |x, _| depth * band(x, period, phase, share));
        }
        Pattern::Checks => {
            let (period, phase) = (draw.between(2.0, 4.5), draw.between(0.0, 4.5));
            let share = draw.between(0.3, 0.6);
            recolour(garment, |x, y| {
                0.6 * depth * (band(x, period, phase, share) + band(y, period, phase, share))
            });
        }
        Pattern::Mottled => {
            let fine = Field::new(draw, depth.abs());
            let grains: [f32; 64] = std::array::from_fn(|_| draw.between(-1.0, 1.0));
            recolour(garment, |x, y| {
                let grain = (x as usize * 7 + y as usize * 13 + (x * y) as usize * 3) % grains.len();
                0.7 * depth * grains[grain] + fine.at(x as usize, y as usize)
            });
        }
        Pattern::Badge => {
            let (x0, y0) = (
                middle + draw.between(-0.08, 0.08) * width,
                frame.top as f32 + draw.between(0.25, 0.5) * height,
            );
            let (rx, ry) = (draw.between(0.04, 0.2) * width, draw.between(0.04, 0.2) * height);
            let grains: [f32; 64] = std::array::from_fn(|_| draw.between(0.3, 1.0));
            recolour(garment, |x, y| {
                let (dx, dy) = ((x - x0) / rx, (y - y0) / ry);
                let grain = grains[(x as usize * 5 + y as usize * 11) % grains.len()];
                if dx * dx + dy * dy < 1.0 {
                    depth * grain
                } else {
                    0.0
                }
            });
        }
        Pattern::Letters => {
            let (half, y0) = (
                draw.between(0.1, 0.24) * width,
                frame.top as f32 + draw.between(0.2, 0.45) * height,
            );
            let lines = draw.between(1.0, 6.0);
            let grains: [f32; 64] = std::array::from_fn(|_| if draw.chance(0.65) { 1.0 } else { 0.1 });
            recolour(garment, |x, y| {
                let inside = (x - middle).abs() < half && y >= y0 && y < y0 + lines;
                let grain = grains[(x as usize * 3 + (y as usize / 2) * 17) % grains.len()];
                if inside { depth * grain } else { 0.0 }
            });
        }
        Pattern::Panel => {
            let row = frame.top as f32 + draw.between(0.15, 0.7) * height;
            let sleeves_only = draw.chance(0.35);
            let above = draw.chance(0.5);
            let reach = draw.between(0.24, 0.32) * width;
            recolour(garment, |x, y| {
                let is_in = if sleeves_only {
                    (x - middle).abs() > reach
                } else {
                    (y < row) == above
                };
                if is_in { depth } else { 0.0 }
            });
        }
    }
}

/// 1 within the dark part of a stripe, 0 without, with soft ends.
fn band(place: f32, period: f32, phase: f32, share: f32) -> f32 {
    let turns = (place + phase) / period;
    let along = (turns - whole(turns)) * period;
    (along + 0.5)
        .clamp(0.0, 1.0)
        .min((share * period - along + 0.5).clamp(0.0, 1.0))
}

/// Rounded towards zero, without a call into the platform's library.
fn whole(value: f32) -> f32 {
    value as i32 as f32
}

/// Adds to the values of a garment, by place; what would leave 0..=1 goes the other way.
fn recolour(garment: &mut Cutout, add: impl Fn(f32, f32) -> f32) {
    for y in garment.frame.top..garment.frame.bottom {
        for x in garment.frame.left..garment.frame.right {
            if garment.holds(x, y) {
                let value = &mut garment.values[y * INPUT_SIDE + x];
                *value = (*value + add(x as f32 + 0.5, y as f32 + 0.5)).clamp(0.03, 1.0);
            }
        }
    }
}

/// Slow changes over a picture: random at the corners of a grid, even between them.
struct Field {
    grid: [[f32; Field::KNOTS]; Field::KNOTS],
}

impl Field {
    const KNOTS: usize = 6;

    fn new(draw: &mut Stream, depth: f32) -> Self {
        Self {
            grid: std::array::from_fn(|_| std::array::from_fn(|_| draw.between(-depth, depth))),
        }
    }

    fn at(&self, x: usize, y: usize) -> f32 {
        const STEP: f32 = (Field::KNOTS - 1) as f32 / INPUT_SIDE as f32;
        let (x, y) = ((x as f32 + 0.5) * STEP, (y as f32 + 0.5) * STEP);
        let (left, top) = (x as usize, y as usize);
        let (right, low) = (x - left as f32, y - top as f32);
        let between = |row: &[f32; Field::KNOTS]| row[left] + (row[left + 1] - row[left]) * right;
        let (upper, lower) = (between(&self.grid[top]), between(&self.grid[top + 1]));
        upper + (lower - upper) * low
    }
}

/// What a lamp, a camera and a JPEG do, and then what preprocessing does about it.
pub(super) fn develop(picture: &mut Picture, draw: &mut Stream) {
    if draw.chance(0.35) {
        light(picture, draw);
    }
    if draw.chance(0.5) {
        bend_tones(picture, draw);
    }
    match draw.choose(&[(0.4, 0), (0.4, 1), (0.2, 2)]) {
        0 => {}
        1 => soften(picture, draw.between(0.0, 0.22)),
        _ => soften(picture, -draw.between(0.0, 0.12)),
    }
    if draw.chance(0.15) {
        block(picture, draw);
    }
    stretch(picture);
    if draw.chance(0.45) {
        let depth = draw.between(0.005, 0.05);
        grain(picture, depth, draw);
    }
}

/// Slight changes of a photo that is prepared already.
pub(super) fn retouch(picture: &mut Picture, draw: &mut Stream) {
    if draw.chance(0.5) {
        bend_tones(picture, draw);
    }
    if draw.chance(0.3) {
        soften(picture, draw.between(-0.08, 0.15));
    }
    if draw.chance(0.4) {
        let depth = draw.between(0.005, 0.04);
        grain(picture, depth, draw);
    }
}

/// Light from one side.
fn light(picture: &mut Picture, draw: &mut Stream) {
    let (across, down) = (draw.between(-0.35, 0.35), draw.between(-0.35, 0.35));
    for (index, value) in picture.iter_mut().enumerate() {
        let x = (index % INPUT_SIDE) as f32 / INPUT_SIDE as f32 - 0.5;
        let y = (index / INPUT_SIDE) as f32 / INPUT_SIDE as f32 - 0.5;
        *value = (*value * (1.0 + across * x + down * y)).min(1.0);
    }
}

/// A gamma by arithmetic alone (Schlick's bias curve, 1994): 0 and 1 stay, what lies between moves up or down.
fn bend_tones(picture: &mut Picture, draw: &mut Stream) {
    let bias = draw.between(-0.45, 0.8);
    for value in picture {
        *value = *value * (1.0 + bias) / (1.0 + bias * *value);
    }
}

/// Blurs with the neighbours' `share` each, along and down; below 0 it sharpens.
pub(super) fn soften(picture: &mut Picture, share: f32) {
    let kept = 1.0 - 2.0 * share;
    for row in picture.chunks_exact_mut(INPUT_SIDE) {
        let mut before = row[0];
        for x in 0..INPUT_SIDE {
            let (value, next) = (row[x], row[(x + 1).min(INPUT_SIDE - 1)]);
            row[x] = kept * value + share * (before + next);
            before = value;
        }
    }
    let mut before = [0.0f32; INPUT_SIDE];
    before.copy_from_slice(&picture[..INPUT_SIDE]);
    for y in 0..INPUT_SIDE {
        let next = (y + 1).min(INPUT_SIDE - 1) * INPUT_SIDE;
        for x in 0..INPUT_SIDE {
            let value = picture[y * INPUT_SIDE + x];
            picture[y * INPUT_SIDE + x] =
                (kept * value + share * (before[x] + picture[next + x])).clamp(0.0, 1.0);
            before[x] = value;
        }
    }
}

/// Coarse steps of what is fine within blocks: a JPEG's 8x8 of 80 rows are 3x3 of 28.
fn block(picture: &mut Picture, draw: &mut Stream) {
    const BLOCK: usize = 3;
    let step = draw.between(0.05, 0.2);
    let mut top = 0;
    while top < INPUT_SIDE {
        let mut left = 0;
        while left < INPUT_SIDE {
            let rows = top..(top + BLOCK).min(INPUT_SIDE);
            let columns = left..(left + BLOCK).min(INPUT_SIDE);
            let places = || {
                rows.clone()
                    .flat_map(|y| columns.clone().map(move |x| y * INPUT_SIDE + x))
            };
            let mean = places().map(|place| picture[place]).sum::<f32>() / places().count() as f32;
            for place in places() {
                let steps = whole((picture[place] - mean) / step + 20.5) - 20.0;
                picture[place] = (mean + steps * step).clamp(0.0, 1.0);
            }
            left += BLOCK;
        }
        top += BLOCK;
    }
}

/// Up to the full range, at most fourfold, half a percent clipped: as preprocessing does it.
pub(super) fn stretch(picture: &mut Picture) {
    const LEVELS: usize = 64;
    const LOWEST_PEAK: f32 = 0.25;
    let mut counts = [0usize; LEVELS + 1];
    for &value in picture.iter() {
        counts[(value * LEVELS as f32) as i32 as usize] += 1;
    }
    let mut brighter = 0;
    let level = counts.iter().rposition(|count| {
        brighter += count;
        brighter > INPUT_LEN / 200
    });
    let peak = ((level.unwrap_or(0) as f32 + 0.5) / LEVELS as f32).clamp(LOWEST_PEAK, 1.0);
    let gain = 1.0 / peak;
    for value in picture {
        *value = (*value * gain).min(1.0);
    }
}

/// Noise of a camera; half as much where there is nothing.
pub(super) fn grain(picture: &mut Picture, depth: f32, draw: &mut Stream) {
    const TO_UNIT: f32 = 1.0 / 65_536.0;
    for pair in picture.chunks_exact_mut(2) {
        let number = draw.next_u64();
        for (index, value) in pair.iter_mut().enumerate() {
            let half = |shift: u32| ((number >> shift) & 0xFFFF) as f32 * TO_UNIT;
            let noise = (half(index as u32 * 32) + half(index as u32 * 32 + 16) - 1.0) * depth;
            let noise = if *value < 0.02 { 0.5 * noise } else { noise };
            *value = (*value + noise).clamp(0.0, 1.0);
        }
    }
}
