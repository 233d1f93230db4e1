//! Garments by themselves: laid flat, standing, hanging.
//!
//! In: a dyed garment. Out: a painted scene with it alone, tilted and seen as a shop's camera sees it. Never: a person.

use super::canvas::{Canvas, Laying, Linear, MIDDLE, Point, SIDE, Shape, at};
use super::cutout::Cutout;
use crate::domain::INPUT_SIDE;
use crate::training::network::random::Stream;

/// A top, dress or pair of trousers without a person.
pub(super) fn paint_flat(canvas: &mut Canvas, garment: &Cutout, draw: &mut Stream) {
    let scale = 56.0 / garment.frame.height().max(garment.frame.width());
    let laying = Laying {
        map: Linear::new(
            at(scale * draw.between(0.82, 1.12), scale),
            draw.between(-0.1, 0.1),
            draw.between(-0.05, 0.05),
        ),
        bend: draw.between(-1.0, 1.0),
        taper: 0.0,
        ..in_the_middle(garment)
    };
    canvas.lay(garment, &laying);
}

/// A shoe with its toe to the left, as Fashion-MNIST has them: seen from the side or from above its toe.
pub(super) fn paint_shoe(canvas: &mut Canvas, garment: &Cutout, draw: &mut Stream) {
    let is_tilted = draw.chance(0.75);
    let (half_turn, tall) = if is_tilted {
        // Toe down: against the clock where it points to the left.
        (-draw.between(0.02, 0.3), draw.between(1.0, 2.0))
    } else {
        (draw.between(-0.06, 0.06), draw.between(0.85, 1.2))
    };
    let frame = garment.frame;
    let tall = tall.min(1.15 * frame.width() / frame.height()).max(0.8);
    let scale = 54.0 / frame.width().max(frame.height() * tall);
    let laying = Laying {
        map: Linear::new(at(scale, scale * tall), draw.between(-0.2, 0.2), half_turn),
        bend: 0.0,
        taper: draw.between(-0.5, 0.5),
        ..in_the_middle(garment)
    };
    if draw.chance(0.12) {
        paint_shadow(canvas, draw);
    }
    canvas.lay(garment, &laying);
}

/// A bag, as it stands or lies, sometimes with a handle that its picture lacks.
pub(super) fn paint_bag(canvas: &mut Canvas, garment: &Cutout, draw: &mut Stream) {
    let frame = garment.frame;
    let tall = draw.between(0.8, 1.3);
    let is_flat = frame.height() < 0.85 * frame.width();
    let handle = if is_flat && draw.chance(0.4) {
        draw.between(0.2, 0.8)
    } else {
        0.0
    };
    let (width, height) = (frame.width(), frame.height() * tall);
    let scale = 56.0 / width.max(height + handle * width);
    let drop = handle * width * scale / 2.0;
    let laying = Laying {
        place: at(MIDDLE, MIDDLE + drop),
        map: Linear::new(
            at(scale, scale * tall),
            draw.between(-0.1, 0.1),
            draw.between(-0.06, 0.06),
        ),
        bend: 0.0,
        taper: draw.between(-0.3, 0.3),
        ..in_the_middle(garment)
    };
    if handle > 0.0 {
        let tone = draw.between(0.3, 1.0);
        let rx = draw.between(0.16, 0.42) * width * scale;
        let rest = MIDDLE + drop - height * scale / 2.0;
        canvas.fill(
            Shape::Ring {
                centre: at(MIDDLE, rest + 2.0),
                rx,
                ry: handle * width * scale,
                width: draw.between(1.2, 3.5),
            },
            |_| tone,
        );
    }
    canvas.lay(garment, &laying);
}

/// A whole photo, scaled, its middle moved from the sheet's by `aside`.
pub(super) fn paint_whole(canvas: &mut Canvas, photo: &Cutout, scale: Point, aside: Point) {
    let laying = Laying {
        place: at(MIDDLE + aside.x, MIDDLE + aside.y),
        map: Linear::new(scale, 0.0, 0.0),
        ..in_the_middle(photo)
    };
    canvas.lay(photo, &laying);
}

fn in_the_middle(garment: &Cutout) -> Laying {
    let frame = garment.frame;
    Laying {
        place: at(MIDDLE, MIDDLE),
        pivot: at(frame.middle(), (frame.top + frame.bottom) as f32 / 2.0),
        map: Linear::new(at(1.0, 1.0), 0.0, 0.0),
        bend: 0.0,
        taper: 0.0,
        rows: (0.0, INPUT_SIDE as f32),
    }
}

fn paint_shadow(canvas: &mut Canvas, draw: &mut Stream) {
    let (depth, rx) = (draw.between(0.06, 0.25), draw.between(14.0, 28.0));
    let centre = at(
        MIDDLE + draw.between(-6.0, 6.0),
        SIDE as f32 * draw.between(0.6, 0.8),
    );
    let ry = draw.between(2.0, 7.0);
    canvas.fill(Shape::Ellipse { centre, rx, ry }, |p| {
        let (x, y) = ((p.x - centre.x) / rx, (p.y - centre.y) / ry);
        depth * (1.0 - (x * x + y * y).min(1.0))
    });
}
