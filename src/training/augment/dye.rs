//! What cloth is dyed with, woven into and printed on.
//!
//! In: a cut-out garment. Out: the same with other values, 0..=1. Never: another outline.

use super::cutout::Cutout;
use super::plane::whole;
use crate::domain::INPUT_SIDE;
use crate::training::network::random::Stream;

/// Cloth never is as black as its background.
const DARKEST: f32 = 0.03;

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

impl Dye {
    #[cfg(test)]
    pub(super) const COUNT: usize = 4;

    /// As often as shops have it.
    pub(super) fn any(draw: &mut Stream) -> Self {
        draw.choose(&[
            (0.35, Dye::AsIs),
            (0.25, Dye::Strong),
            (0.22, Dye::Middle),
            (0.18, Dye::Pale),
        ])
    }
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
    let is_new = dye != Dye::AsIs;
    let is_negative = is_new && draw.chance(0.25);
    let contrast = if is_negative { -contrast } else { contrast };
    let folds = Field::new(draw, if is_new { 0.14 } else { 0.06 });
    let sides = draw.between(-0.05, 0.2) * if is_new { 1.0 } else { 0.3 };
    let (half, middle) = (garment.frame.width() / 2.0, garment.frame.middle());
    let rims = garment.rim();
    change(garment, |x, y, value| {
        let aside = (x as f32 + 0.5 - middle) / half;
        let on_rim = (rims[y] >> x & 1) as i32 as f32;
        aim + (value - mean) * contrast
            + folds.at(x, y)
            + sides * aside * aside * aside * aside
            + rim * on_rim
    });
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
    /// Sleeves of another tone.
    Sleeves,
}

#[cfg(test)]
impl Pattern {
    pub(super) const COUNT: usize = 9;
}

/// Weaves or prints a pattern.
pub(super) fn print(garment: &mut Cutout, pattern: Pattern, draw: &mut Stream) {
    let depth = draw.sign() * draw.between(0.15, 0.6);
    match pattern {
        Pattern::Plain => {}
        Pattern::StripesAcross => {
            let stripes = Stripes::any((2.0, 7.0), draw);
            change(garment, |_, y, value| value + depth * stripes.at(y));
        }
        Pattern::StripesDown => {
            let stripes = Stripes::any((1.8, 5.0), draw);
            change(garment, |x, _, value| value + depth * stripes.at(x));
        }
        Pattern::Checks => {
            let stripes = Stripes::any((2.0, 4.5), draw);
            change(garment, |x, y, value| {
                value + 0.6 * depth * (stripes.at(x) + stripes.at(y))
            });
        }
        Pattern::Mottled => {
            let slow = Field::new(draw, depth.abs());
            let grains = Grains::any((-1.0, 1.0), draw);
            change(garment, |x, y, value| {
                value + 0.7 * depth * grains.at(x, y) + slow.at(x, y)
            });
        }
        Pattern::Badge => print_badge(garment, depth, draw),
        Pattern::Letters => print_letters(garment, depth, draw),
        Pattern::Panel => {
            let frame = garment.frame;
            let row = frame.top + (draw.between(0.15, 0.7) * frame.height()) as usize;
            let is_above = draw.chance(0.5);
            change(garment, |_, y, value| {
                if (y < row) == is_above {
                    value + depth
                } else {
                    value
                }
            });
        }
        Pattern::Sleeves => {
            let (middle, reach) = (
                garment.frame.middle(),
                draw.between(0.24, 0.32) * garment.frame.width(),
            );
            change(garment, |x, _, value| {
                let is_sleeve = (x as f32 + 0.5 - middle).abs() > reach;
                if is_sleeve { value + depth } else { value }
            });
        }
    }
}

fn print_badge(garment: &mut Cutout, depth: f32, draw: &mut Stream) {
    let frame = garment.frame;
    let x0 = frame.middle() + draw.between(-0.08, 0.08) * frame.width();
    let y0 = frame.top as f32 + draw.between(0.25, 0.5) * frame.height();
    let (rx, ry) = (
        draw.between(0.04, 0.2) * frame.width(),
        draw.between(0.04, 0.2) * frame.height(),
    );
    let grains = Grains::any((0.3, 1.0), draw);
    change(garment, |x, y, value| {
        let (dx, dy) = ((x as f32 + 0.5 - x0) / rx, (y as f32 + 0.5 - y0) / ry);
        if dx * dx + dy * dy < 1.0 {
            value + depth * grains.at(x, y)
        } else {
            value
        }
    });
}

fn print_letters(garment: &mut Cutout, depth: f32, draw: &mut Stream) {
    let frame = garment.frame;
    let (middle, half) = (frame.middle(), draw.between(0.1, 0.24) * frame.width());
    let first = frame.top + (draw.between(0.2, 0.45) * frame.height()) as usize;
    let end = first + 1 + draw.next_below(5) as usize;
    let grains = Grains::any((-0.3, 1.0), draw);
    change(garment, |x, y, value| {
        let is_in = (first..end).contains(&y) && (x as f32 + 0.5 - middle).abs() < half;
        // Letters are taller than they are wide: two rows share their strokes.
        let stroke = if grains.at(x, y / 2) > 0.0 { depth } else { 0.0 };
        if is_in { value + stroke } else { value }
    });
}

/// Gives every pixel of a garment the value that `to` makes of its place and value, within what cloth can have.
pub(super) fn change(garment: &mut Cutout, to: impl Fn(usize, usize, f32) -> f32) {
    for y in garment.frame.top..garment.frame.bottom {
        let mut row = garment.mask[y];
        while row != 0 {
            let x = row.trailing_zeros() as usize;
            row &= row - 1;
            let value = &mut garment.values[y * INPUT_SIDE + x];
            *value = to(x, y, *value).clamp(DARKEST, 1.0);
        }
    }
}

/// How much of each row (or column) is stripe.
struct Stripes([f32; INPUT_SIDE]);

impl Stripes {
    fn any((least, most): (f32, f32), draw: &mut Stream) -> Self {
        let period = draw.between(least, most);
        let (phase, share) = (draw.between(0.0, period), draw.between(0.3, 0.6));
        Self(std::array::from_fn(|place| {
            let turns = (place as f32 + phase) / period;
            let along = (turns - whole(turns)) * period;
            let end = (share * period - along + 0.5).clamp(0.0, 1.0);
            (along + 0.5).clamp(0.0, 1.0).min(end)
        }))
    }

    fn at(&self, place: usize) -> f32 {
        self.0[place]
    }
}

/// Numbers without order, by place.
struct Grains([f32; 64]);

impl Grains {
    fn any((low, high): (f32, f32), draw: &mut Stream) -> Self {
        Self(std::array::from_fn(|_| draw.between(low, high)))
    }

    fn at(&self, x: usize, y: usize) -> f32 {
        self.0[(x * 7 + y * 13 + x * y * 3) % 64]
    }
}

/// Slow changes over a picture: random at the corners of a grid, even between them.
struct Field([[f32; Field::KNOTS]; Field::KNOTS]);

impl Field {
    const KNOTS: usize = 6;

    fn new(draw: &mut Stream, depth: f32) -> Self {
        Self(std::array::from_fn(|_| {
            std::array::from_fn(|_| draw.between(-depth, depth))
        }))
    }

    fn at(&self, x: usize, y: usize) -> f32 {
        const STEP: f32 = (Field::KNOTS - 1) as f32 / INPUT_SIDE as f32;
        let (x, y) = ((x as f32 + 0.5) * STEP, (y as f32 + 0.5) * STEP);
        let (left, top) = (x as i32 as usize, y as i32 as usize);
        let (right, low) = (x - left as f32, y - top as f32);
        let between = |row: &[f32; Field::KNOTS]| row[left] + (row[left + 1] - row[left]) * right;
        let (upper, lower) = (between(&self.0[top]), between(&self.0[top + 1]));
        upper + (lower - upper) * low
    }
}
