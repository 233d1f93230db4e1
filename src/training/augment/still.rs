//! Garments by themselves: laid flat, standing, hanging.
//!
//! In: a dyed garment. Out: a painted scene with it alone, tilted and seen as a shop's camera sees it. Never: a person.

use super::canvas::{Canvas, Laying, MIDDLE, SCENE, Shape};
use super::cutout::{Cutout, Sleeve};
use super::plane::{Linear, Point, at};
use crate::training::network::random::Stream;

/// A top, dress or pair of trousers without a person.
pub(super) fn paint_flat(canvas: &mut Canvas, garment: &Cutout, draw: &mut Stream) {
    let scale = 56.0 / garment.frame.height().max(garment.frame.width());
    let map = Linear::new(
        at(scale * draw.between(0.82, 1.12), scale),
        draw.between(-0.1, 0.1),
        draw.between(-0.05, 0.05),
    );
    let laying = Laying {
        bend: draw.between(-1.0, 1.0),
        ..in_the_middle(garment, map)
    };
    canvas.lay(garment, &laying);
}

/// A top without a person: long sleeves often lie spread, as Fashion-MNIST never has them.
pub(super) fn paint_flat_top(canvas: &mut Canvas, garment: &mut Cutout, draw: &mut Stream) {
    let parts = garment.parts();
    if parts.sleeve != Sleeve::Long || draw.chance(0.5) {
        return paint_flat(canvas, garment, draw);
    }
    let tone = garment.take_sleeves_off(parts);
    let frame = garment.frame;
    let height = draw.between(40.0, 54.0);
    let (half, across) = (
        frame.width() / 2.0,
        height / frame.height() * draw.between(0.9, 1.15),
    );
    let map = Linear::new(
        at(across, height / frame.height()),
        draw.between(-0.04, 0.04),
        draw.between(-0.03, 0.03),
    );
    let laying = in_the_middle(garment, map);
    let thick = draw.between(0.09, 0.12) * height;
    let (spread, down) = (draw.between(0.12, 0.45) * height, draw.between(0.7, 0.95));
    for side in [-1.0, 1.0] {
        let shoulder = laying.place_of(at(
            frame.middle() + side * (half - 1.0),
            frame.top as f32 + 0.14 * frame.height(),
        ));
        let sleeve = Shape::Limb {
            from: shoulder,
            to: at(shoulder.x + side * spread, MIDDLE + (down - 0.5) * height),
            from_radius: thick,
            to_radius: thick * 0.75,
        };
        let shade = draw.between(-0.12, 0.12);
        canvas.fill(sleeve, |p| {
            let aside = (p.x - shoulder.x) * side / (spread + thick);
            (tone + shade * aside).clamp(0.03, 1.0)
        });
    }
    canvas.lay(garment, &laying);
}

/// A shoe with its toe to the left, as Fashion-MNIST has them: seen from the side or from above its toe.
///
/// A sandal seen from above shows the sole's inside, which Fashion-MNIST never does: `has_insole` lets it be painted.
pub(super) fn paint_shoe(canvas: &mut Canvas, garment: &Cutout, has_insole: bool, draw: &mut Stream) {
    let (half_turn, tall) = if draw.chance(0.75) {
        // Toe down: against the clock where it points to the left.
        (-draw.between(0.02, 0.2), draw.between(1.0, 1.8))
    } else {
        (draw.between(-0.06, 0.06), draw.between(0.85, 1.2))
    };
    let frame = garment.frame;
    let tall = tall.min(1.15 * frame.width() / frame.height()).max(0.8);
    let scale = 54.0 / frame.width().max(frame.height() * tall);
    let map = Linear::new(at(scale, scale * tall), draw.between(-0.2, 0.2), half_turn);
    let laying = Laying {
        taper: draw.between(-0.5, 0.5),
        ..in_the_middle(garment, map)
    };
    if draw.chance(0.12) {
        paint_shadow(canvas, draw);
    }
    if has_insole && draw.chance(0.45) {
        paint_insole(canvas, garment, &laying, draw);
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
    let map = Linear::new(
        at(scale, scale * tall),
        draw.between(-0.1, 0.1),
        draw.between(-0.06, 0.06),
    );
    let laying = Laying {
        place: at(MIDDLE, MIDDLE + drop),
        taper: draw.between(-0.3, 0.3),
        ..in_the_middle(garment, map)
    };
    if handle > 0.0 {
        let tone = draw.between(0.3, 1.0);
        let ring = Shape::Ring {
            centre: at(MIDDLE, MIDDLE + drop - height * scale / 2.0 + 2.0),
            rx: draw.between(0.16, 0.42) * width * scale,
            ry: handle * width * scale,
            width: draw.between(1.2, 3.5),
        };
        canvas.fill(ring, |_| tone);
    }
    canvas.lay(garment, &laying);
}

/// With the garment's middle in the scene's.
fn in_the_middle(garment: &Cutout, map: Linear) -> Laying {
    let frame = garment.frame;
    let pivot = at(frame.middle(), (frame.top + frame.bottom) as f32 / 2.0);
    Laying::new(at(MIDDLE, MIDDLE), pivot, map)
}

/// The inside of a sole, lying under the straps from the heel to the toe.
fn paint_insole(canvas: &mut Canvas, garment: &Cutout, laying: &Laying, draw: &mut Stream) {
    let frame = garment.frame;
    let place = |across: f32, down: f32| {
        laying.place_of(at(
            frame.left as f32 + across * frame.width(),
            frame.top as f32 + down * frame.height(),
        ))
    };
    let (tone, edge) = (draw.between(0.15, 0.95), draw.between(0.2, 1.0));
    let thick = draw.between(4.0, 8.0);
    let toe = place(0.14, draw.between(0.78, 0.92));
    let heel = place(0.9, draw.between(0.45, 0.9));
    let sole = |margin: f32, down: f32| Shape::Limb {
        from: at(toe.x, toe.y + down),
        to: at(heel.x, heel.y + down),
        from_radius: thick + margin,
        to_radius: 0.8 * thick + margin,
    };
    canvas.fill(sole(0.8, 2.0), |_| edge);
    canvas.fill(sole(0.0, 0.0), |_| tone);
    if draw.chance(0.5) {
        paint_thong(canvas, (toe, heel), thick, draw);
    }
}

/// Two straps that meet between the toes.
fn paint_thong(canvas: &mut Canvas, (toe, heel): (Point, Point), thick: f32, draw: &mut Stream) {
    let tone = draw.between(0.1, 1.0);
    let along = |share: f32, aside: f32| {
        at(
            toe.x + share * (heel.x - toe.x),
            toe.y + share * (heel.y - toe.y) + aside,
        )
    };
    let (knot, reach) = (along(0.25, -1.0), draw.between(0.45, 0.7));
    for way in [-1.0, 1.0] {
        let strap = Shape::Limb {
            from: knot,
            to: along(reach, way * thick),
            from_radius: draw.between(0.8, 1.8),
            to_radius: draw.between(1.0, 2.8),
        };
        canvas.fill(strap, |_| tone);
    }
}

fn paint_shadow(canvas: &mut Canvas, draw: &mut Stream) {
    let (depth, rx, ry) = (
        draw.between(0.06, 0.25),
        draw.between(14.0, 28.0),
        draw.between(2.0, 7.0),
    );
    let centre = at(MIDDLE + draw.between(-6.0, 6.0), SCENE * draw.between(0.6, 0.8));
    canvas.fill(Shape::Ellipse { centre, rx, ry }, |p| {
        let (x, y) = ((p.x - centre.x) / rx, (p.y - centre.y) / ry);
        depth * (1.0 - (x * x + y * y).min(1.0))
    });
}
