//! No thing at all: textures, shapes, letters, halves of two garments, a piece of one.
//!
//! In: chance and the wardrobe. Out: a painted scene. Never: a garment that could be told.

use super::{CENTRE, any_tone, borrow, rectangle, small};
use crate::domain::{INPUT_SIDE, LABEL_COUNT};
use crate::training::augment::Wardrobe;
use crate::training::augment::canvas::{Canvas, Laying, Shape};
use crate::training::augment::plane::{Linear, at};
use crate::training::network::random::Stream;

/// Cloth, wood, sky: no outline at all.
pub(super) fn texture(canvas: &mut Canvas, draw: &mut Stream) {
    let grains: [f32; 61] = std::array::from_fn(|_| draw.next_unit());
    let (coarse, depth) = (draw.between(1.0, 9.0), draw.between(0.2, 1.0));
    let (across, down) = (draw.between(0.3, 3.0), draw.between(0.3, 3.0));
    let base = draw.between(0.1, 0.8);
    canvas.change(|p, _| {
        let (x, y) = ((p.x * across / coarse) as usize, (p.y * down / coarse) as usize);
        let grain = grains[(x * 7 + y * 23 + x * y) % grains.len()];
        (base + depth * (grain - 0.5)).clamp(0.06, 1.0)
    });
}

pub(super) fn blobs(canvas: &mut Canvas, draw: &mut Stream) {
    for _ in 0..draw.next_below(7) + 2 {
        let tone = any_tone(draw);
        let centre = at(draw.between(6.0, 58.0), draw.between(6.0, 58.0));
        let shape = match draw.next_below(4) {
            0 => Shape::Ellipse {
                centre,
                rx: draw.between(2.0, 15.0),
                ry: draw.between(2.0, 15.0),
            },
            1 => rectangle(centre, draw.between(2.0, 13.0), draw.between(2.0, 13.0)),
            2 => Shape::Ring {
                centre,
                rx: draw.between(4.0, 14.0),
                ry: draw.between(4.0, 14.0),
                width: draw.between(1.5, 5.0),
            },
            _ => Shape::Limb {
                from: centre,
                to: at(draw.between(6.0, 58.0), draw.between(6.0, 58.0)),
                from_radius: draw.between(0.8, 5.0),
                to_radius: draw.between(0.8, 5.0),
            },
        };
        canvas.fill(shape, |_| tone);
    }
}

/// Strokes in rows, as of words on a card.
pub(super) fn letters(canvas: &mut Canvas, draw: &mut Stream) {
    let (rows, tone) = (draw.next_below(4) + 1, any_tone(draw));
    if draw.chance(0.5) {
        let card = draw.between(0.06, 0.5);
        canvas.fill(rectangle(CENTRE, 30.0, draw.between(12.0, 28.0)), |_| card);
    }
    let pitch = 52.0 / rows as f32;
    for row in 0..rows {
        let middle = 6.0 + (row as f32 + 0.5) * pitch;
        let mut x = draw.between(4.0, 12.0);
        while x < 58.0 {
            let half = 0.35 * pitch.min(20.0);
            let stroke = Shape::Limb {
                from: at(x, middle - half),
                to: at(x + draw.between(-2.0, 5.0), middle + half),
                from_radius: draw.between(0.6, 1.8),
                to_radius: draw.between(0.6, 1.8),
            };
            canvas.fill(stroke, |_| tone);
            x += draw.between(2.5, 8.0);
        }
    }
}

/// Two classes that cannot be worn as one another: the halves of two garments, the wrong way up or side by side.
pub(super) fn mosaic(canvas: &mut Canvas, wardrobe: &Wardrobe, draw: &mut Stream) {
    let classes = [draw.next_below(5), 5 + draw.next_below(5)].map(|class| class as usize);
    let garments = classes.map(|class| borrow(wardrobe, class, draw));
    let is_across = draw.chance(0.5);
    for (number, garment) in garments.into_iter().enumerate() {
        let Some(mut garment) = garment else { continue };
        let half = INPUT_SIDE / 2;
        let mut rows = (0.0, INPUT_SIDE as f32);
        let side = number * half;
        if is_across {
            rows = (side as f32, (side + half) as f32);
        } else {
            garment.keep_columns(side, side + half, 0);
        }
        let pivot = at(half as f32, half as f32);
        let laying = Laying {
            rows,
            ..Laying::new(CENTRE, pivot, Linear::new(at(2.0, 2.0), 0.0, 0.0))
        };
        canvas.lay(&garment, &laying);
    }
}

/// A small part of a garment, enlarged beyond recognition.
pub(super) fn piece(canvas: &mut Canvas, wardrobe: &Wardrobe, draw: &mut Stream) {
    let class = draw.next_below(LABEL_COUNT as u32) as usize;
    let Some(garment) = borrow(wardrobe, class, draw) else {
        return small::wallet(canvas, draw);
    };
    let frame = garment.frame;
    let scale = draw.between(5.0, 8.0);
    let pivot = at(
        frame.left as f32 + draw.between(0.25, 0.75) * frame.width(),
        frame.top as f32 + draw.between(0.25, 0.75) * frame.height(),
    );
    let map = Linear::new(at(scale, scale), 0.0, draw.between(-1.0, 1.0));
    canvas.lay(&garment, &Laying::new(CENTRE, pivot, map));
}
