//! Training pictures as a shop would have photographed them.
//!
//! In: pictures of Fashion-MNIST, or corrected photos, and a stream of chance. Out: what the network shall see in training.
//! Never: a validation or test picture, a file, another result on another machine: only arithmetic that every
//! platform rounds alike (no sines, powers or logarithms).
//!
//! [`catalogue`] stays close to the data set, [`photo`] goes far from it, [`outlier()`] shows what is none of the classes. How
//! many pictures of a batch get which is the training loop's choice.

mod canvas;
mod cloth;
mod cutout;
mod dye;
mod geometry;
mod outlier;
mod person;
mod plane;
mod still;
mod tone;
mod trim;
mod wardrobe;
mod worn;

use crate::domain::{INPUT_LEN, Label};
use crate::training::network::random::Stream;
use canvas::{Canvas, SCENE};
use cutout::Cutout;
use dye::{Dye, Pattern};
use geometry::Erasing;
use plane::{Linear, at};
use trim::Trim;
pub use wardrobe::Wardrobe;

/// One picture as the network shall see it in training: 28x28 values 0..=1, bright garment on black.
pub type Picture = [f32; INPUT_LEN];

/// Numbers of the classes that are treated in their own ways.
mod kind {
    pub(super) const T_SHIRT: usize = 0;
    pub(super) const TROUSER: usize = 1;
    pub(super) const PULLOVER: usize = 2;
    pub(super) const DRESS: usize = 3;
    pub(super) const COAT: usize = 4;
    pub(super) const SANDAL: usize = 5;
    pub(super) const SHIRT: usize = 6;
    pub(super) const SNEAKER: usize = 7;
    pub(super) const BAG: usize = 8;
    pub(super) const ANKLE_BOOT: usize = 9;
}

/// Flips, few shifts of one pixel, random erasing (Zhong et al. 2017): for what aims at the test set. Few shifts, because the
/// data set's pictures are centred and each epoch is one of few; few erasings, because in some fifty epochs such a network is
/// still short of learning what it sees (docs/training.md).
pub fn catalogue(pixels: &[u8; INPUT_LEN], draw: &mut Stream, out: &mut Picture) {
    *out = values(pixels);
    if draw.chance(0.5) {
        geometry::flip(out);
    }
    if draw.chance(0.4) {
        let way = |draw: &mut Stream| draw.next_below(3) as i32 - 1;
        let (right, down) = (way(draw), way(draw));
        geometry::shift(out, right, down);
    }
    if draw.chance(0.2) {
        let erasing = Erasing {
            smallest: 0.02,
            largest: 0.25,
        };
        geometry::erase(out, erasing, draw);
    }
}

/// A picture of the data set as a shop would have photographed the garment: often worn, tilted, in any tone.
pub fn photo(
    wardrobe: &Wardrobe,
    pixels: &[u8; INPUT_LEN],
    label: Label,
    draw: &mut Stream,
    out: &mut Picture,
) {
    let class = label.index();
    let mut garment = match class {
        kind::SANDAL | kind::BAG => Cutout::lace(pixels),
        _ => Cutout::solid(pixels),
    };
    dye::dye(&mut garment, Dye::any(draw), draw);
    dye::print(&mut garment, pattern(class, draw), draw);
    trim::sew(&mut garment, Trim::any(class, draw), draw);
    let mut canvas = Canvas::new(pose(class, draw));
    match class {
        kind::SANDAL | kind::SNEAKER | kind::ANKLE_BOOT => {
            still::paint_shoe(&mut canvas, &garment, class == kind::SANDAL, draw);
        }
        kind::BAG => still::paint_bag(&mut canvas, &garment, draw),
        kind::TROUSER if draw.chance(0.7) => worn::paint_trousers(&mut canvas, wardrobe, &garment, draw),
        kind::DRESS if draw.chance(0.65) => worn::paint_dress(&mut canvas, &garment, draw),
        kind::TROUSER | kind::DRESS => still::paint_flat(&mut canvas, &garment, draw),
        _ if draw.chance(0.75) => {
            worn::paint_top(&mut canvas, wardrobe, (&mut garment, class), draw);
        }
        _ => still::paint_flat_top(&mut canvas, &mut garment, draw),
    }
    if draw.chance(0.04) {
        leave_background(&mut canvas, draw);
    }
    canvas.fit(out);
    let is_shoe = matches!(class, kind::SANDAL | kind::SNEAKER | kind::ANKLE_BOOT);
    // Shops show shoes with the toe to the right, Fashion-MNIST to the left.
    if draw.chance(if is_shoe { 0.65 } else { 0.5 }) {
        geometry::flip(out);
    }
    tone::develop(out, draw);
    if draw.chance(0.15) {
        let erasing = Erasing {
            smallest: 0.02,
            largest: 0.12,
        };
        geometry::erase(out, erasing, draw);
    }
    if draw.chance(0.3) {
        let way = |draw: &mut Stream| draw.next_below(3) as i32 - 1;
        let (right, down) = (way(draw), way(draw));
        geometry::shift(out, right, down);
    }
}

/// A corrected photo, prepared for the network already: changed a little.
pub fn corrected(pixels: &[u8; INPUT_LEN], draw: &mut Stream, out: &mut Picture) {
    let zoom = at(draw.between(0.9, 1.08), draw.between(0.9, 1.08));
    let map = Linear::new(zoom, draw.between(-0.08, 0.08), draw.between(-0.05, 0.05));
    let aside = at(draw.between(-1.5, 1.5), draw.between(-1.5, 1.5));
    cloth::warp(pixels, map, aside, out);
    if draw.chance(0.5) {
        geometry::flip(out);
    }
    tone::retouch(out, draw);
    if draw.chance(0.25) {
        let erasing = Erasing {
            smallest: 0.02,
            largest: 0.1,
        };
        geometry::erase(out, erasing, draw);
    }
}

/// Something that is none of the ten classes.
pub fn outlier(wardrobe: &Wardrobe, draw: &mut Stream, out: &mut Picture) {
    let mut canvas = Canvas::new(Linear::new(
        at(draw.between(0.8, 1.1), draw.between(0.8, 1.1)),
        draw.between(-0.1, 0.1),
        draw.between(-0.1, 0.1),
    ));
    outlier::paint(&mut canvas, wardrobe, draw);
    canvas.fit(out);
    if draw.chance(0.5) {
        geometry::flip(out);
    }
    tone::develop(out, draw);
}

fn values(pixels: &[u8; INPUT_LEN]) -> Picture {
    pixels.map(|pixel| f32::from(pixel) * (1.0 / 255.0))
}

/// What is printed on garments of a class, or woven into them.
fn pattern(class: usize, draw: &mut Stream) -> Pattern {
    use Pattern::*;
    match class {
        kind::T_SHIRT => draw.choose(&[
            (0.45, Plain),
            (0.2, Badge),
            (0.15, Letters),
            (0.08, StripesAcross),
            (0.06, Panel),
            (0.05, Sleeves),
            (0.03, Mottled),
        ]),
        kind::PULLOVER => draw.choose(&[
            (0.5, Plain),
            (0.1, Badge),
            (0.08, Letters),
            (0.15, StripesAcross),
            (0.06, Panel),
            (0.06, Sleeves),
            (0.05, Mottled),
        ]),
        kind::SHIRT => draw.choose(&[(0.62, Plain), (0.2, Checks), (0.14, StripesDown), (0.04, Mottled)]),
        kind::DRESS => draw.choose(&[
            (0.5, Plain),
            (0.2, Mottled),
            (0.12, StripesAcross),
            (0.03, StripesDown),
            (0.15, Panel),
        ]),
        kind::COAT => draw.choose(&[
            (0.75, Plain),
            (0.07, Panel),
            (0.03, Sleeves),
            (0.07, Mottled),
            (0.05, Checks),
            (0.03, Badge),
        ]),
        kind::SNEAKER => draw.choose(&[(0.6, Plain), (0.15, Badge), (0.15, Panel), (0.1, Mottled)]),
        kind::BAG => draw.choose(&[
            (0.7, Plain),
            (0.1, Mottled),
            (0.07, Checks),
            (0.08, Panel),
            (0.05, Badge),
        ]),
        _ => Plain,
    }
}

/// How the whole scene is turned and leant.
fn pose(class: usize, draw: &mut Stream) -> Linear {
    let turn = if class == kind::BAG { 0.04 } else { 0.025 };
    Linear::new(
        at(draw.between(0.92, 1.05), 1.0),
        draw.between(-0.05, 0.05),
        draw.between(-turn, turn),
    )
}

/// A wall with a gradient that preprocessing could not tell from the garment.
fn leave_background(canvas: &mut Canvas, draw: &mut Stream) {
    let (depth, across, down) = (
        draw.between(0.06, 0.3),
        draw.between(-0.1, 0.1),
        draw.between(-0.1, 0.1),
    );
    let side = SCENE;
    let (left, right) = (draw.between(0.0, 12.0), side - draw.between(0.0, 12.0));
    canvas.change(|p, value| {
        if p.x < left || p.x > right {
            return value;
        }
        let wall = depth + across * (p.x / side - 0.5) + down * (p.y / side - 0.5);
        if value < 0.02 {
            wall.max(0.0)
        } else {
            value.max(0.5 * wall)
        }
    });
}

#[cfg(test)]
mod tests;
