//! What is worn and is none of the ten classes: socks, shorts, skirts, caps, ties, scarves, a person without a garment.
//!
//! In: chance and the wardrobe, from which shorts and skirts are cut. Out: a painted scene. Never: a whole garment.

use super::{any_tone, borrow, fraction, rectangle, small};
use crate::training::augment::canvas::{Canvas, Laying, MIDDLE, Shape};
use crate::training::augment::cutout::Cutout;
use crate::training::augment::person::{self, Arm, Head, Person};
use crate::training::augment::plane::{Linear, Point, at};
use crate::training::augment::{Wardrobe, kind};
use crate::training::network::random::Stream;

pub(super) fn socks(canvas: &mut Canvas, draw: &mut Stream) {
    let count = draw.choose(&[(0.35, 1), (0.5, 2), (0.15, 3)]);
    let (tone, cuff, period) = (any_tone(draw), any_tone(draw), draw.between(3.0, 9.0));
    let stripes = if draw.chance(0.4) {
        draw.between(-0.5, 0.5)
    } else {
        0.0
    };
    for number in 0..count {
        let x = MIDDLE - 8.0 + (number as f32 - (count - 1) as f32 / 2.0) * 15.0;
        let (thick, top) = (draw.between(5.0, 7.5), draw.between(6.0, 26.0));
        let heel = at(x, 46.0);
        let ink = |p: Point| {
            let turns = p.y / period;
            let stripe = f32::from(u8::from(fraction(turns) < 0.5)) * stripes;
            if p.y < top + 4.0 {
                cuff
            } else {
                (tone + stripe).clamp(0.05, 1.0)
            }
        };
        let leg = Shape::Limb {
            from: at(x + draw.between(-3.0, 3.0), top),
            to: heel,
            from_radius: thick,
            to_radius: thick,
        };
        canvas.fill(leg, ink);
        let foot = Shape::Limb {
            from: heel,
            to: at(x + draw.between(10.0, 20.0), 52.0),
            from_radius: thick,
            to_radius: thick * 0.8,
        };
        canvas.fill(foot, ink);
    }
}

/// The upper part of trousers, wide; sometimes on a body without a shirt, as underwear is shown.
pub(super) fn shorts(canvas: &mut Canvas, wardrobe: &Wardrobe, draw: &mut Stream) {
    let Some(garment) = borrow(wardrobe, kind::TROUSER, draw) else {
        return small::wallet(canvas, draw);
    };
    let frame = garment.frame;
    let share = draw.between(0.18, 0.5);
    let rows = (frame.top as f32, frame.top as f32 + share * frame.height());
    if draw.chance(0.5) {
        let aspect = draw.between(0.6, 1.1) * (0.5 / share).min(1.5) * 0.7;
        return lay_rows(canvas, &garment, rows, aspect, 0.0);
    }
    let person = Person::any(0.5, draw);
    let (half, waist) = (draw.between(8.0, 12.0), draw.between(8.0, 34.0));
    let skin = person.skin;
    let body = [
        at(MIDDLE - half * 1.15, -4.0),
        at(MIDDLE + half * 1.15, -4.0),
        at(MIDDLE + half, waist + 6.0),
        at(MIDDLE - half, waist + 6.0),
    ];
    if draw.chance(0.8) {
        let torso = if draw.chance(0.5) {
            skin
        } else {
            draw.between(0.1, 1.0)
        };
        canvas.fill(Shape::Quad(body), |_| torso);
    }
    for side in [-1.0, 1.0] {
        let leg = Shape::Limb {
            from: at(MIDDLE + side * half * 0.5, waist + 6.0),
            to: at(MIDDLE + side * half * draw.between(0.4, 0.8), 68.0),
            from_radius: half * 0.5,
            to_radius: half * 0.3,
        };
        canvas.fill(leg, |_| skin);
        let arm = Arm {
            shoulder: at(MIDDLE + side * half * 1.3, -6.0),
            elbow: at(MIDDLE + side * half * 1.4, waist * 0.5),
            hand: at(MIDDLE + side * half * 1.3, waist + 8.0),
            thick: 2.4,
            upper: skin,
            lower: skin,
            palm: Some(skin),
        };
        person::paint_arm(canvas, &arm, person.shade);
    }
    let across = 2.1 * half / frame.width();
    let map = Linear::new(at(across, across * draw.between(0.8, 1.3)), 0.0, 0.0);
    let pivot = at(frame.middle(), frame.top as f32);
    let laying = Laying {
        rows,
        ..Laying::new(at(MIDDLE, waist), pivot, map)
    };
    canvas.lay(&garment, &laying);
}

/// The lower part of a dress.
pub(super) fn skirt(canvas: &mut Canvas, wardrobe: &Wardrobe, draw: &mut Stream) {
    let Some(garment) = borrow(wardrobe, kind::DRESS, draw) else {
        return small::wallet(canvas, draw);
    };
    let frame = garment.frame;
    let from = frame.top as f32 + draw.between(0.5, 0.65) * frame.height();
    let below = if draw.chance(0.4) {
        draw.between(8.0, 24.0)
    } else {
        0.0
    };
    if below > 0.0 {
        let skin = draw.between(0.25, 0.7);
        for side in [-1.0, 1.0] {
            let x = MIDDLE + side * draw.between(3.0, 6.0);
            canvas.fill(
                Shape::Limb {
                    from: at(x, MIDDLE),
                    to: at(x, 62.0),
                    from_radius: 2.8,
                    to_radius: 1.8,
                },
                |_| skin,
            );
        }
    }
    lay_rows(
        canvas,
        &garment,
        (from, frame.bottom as f32),
        draw.between(0.6, 1.6),
        below,
    );
}

pub(super) fn cap(canvas: &mut Canvas, draw: &mut Stream) {
    let (tone, brim) = (any_tone(draw), any_tone(draw));
    let (rx, ry) = (draw.between(15.0, 20.0), draw.between(12.0, 20.0));
    let crown = at(MIDDLE - 4.0, MIDDLE + 4.0);
    let light = draw.between(-0.02, 0.02);
    canvas.fill(
        Shape::Ellipse {
            centre: crown,
            rx,
            ry,
        },
        |p| (tone + light * (p.x - crown.x)).clamp(0.05, 1.0),
    );
    let flat = Shape::Ellipse {
        centre: at(
            MIDDLE + draw.between(0.0, 16.0),
            crown.y + ry * draw.between(0.3, 0.8),
        ),
        rx: draw.between(14.0, 22.0),
        ry: draw.between(3.0, 9.0),
    };
    canvas.fill(flat, |_| brim);
}

pub(super) fn tie(canvas: &mut Canvas, draw: &mut Stream) {
    let (tone, period) = (any_tone(draw), draw.between(3.0, 9.0));
    let stripes = draw.between(-0.4, 0.4);
    let (narrow, wide, end) = (
        draw.between(1.5, 3.5),
        draw.between(4.0, 9.0),
        draw.between(48.0, 60.0),
    );
    let ink = |p: Point| {
        let turns = (p.x + p.y) / period;
        let stripe = f32::from(u8::from(fraction(turns) < 0.4)) * stripes;
        (tone + stripe).clamp(0.05, 1.0)
    };
    let corners = [
        at(MIDDLE - narrow, 8.0),
        at(MIDDLE + narrow, 8.0),
        at(MIDDLE + wide, end - 6.0),
        at(MIDDLE - wide, end - 6.0),
    ];
    canvas.fill(Shape::Quad(corners), ink);
    let tip = [
        at(MIDDLE - wide, end - 6.5),
        at(MIDDLE + wide, end - 6.5),
        at(MIDDLE + 0.5, end),
        at(MIDDLE - 0.5, end),
    ];
    canvas.fill(Shape::Quad(tip), ink);
    let knot = rectangle(at(MIDDLE, 6.0), narrow * 1.6, 3.5);
    canvas.fill(knot, ink);
}

/// A loop with two ends, or a folded cloth.
pub(super) fn scarf(canvas: &mut Canvas, draw: &mut Stream) {
    let (tone, period, depth) = (any_tone(draw), draw.between(2.0, 7.0), draw.between(-0.4, 0.4));
    let ink = |p: Point| {
        let turns = (p.x - p.y) / period;
        let fold = f32::from(u8::from(fraction(turns) < 0.5)) * depth;
        (tone + fold).clamp(0.05, 1.0)
    };
    let thick = draw.between(4.0, 9.0);
    canvas.fill(
        Shape::Ring {
            centre: at(MIDDLE, 20.0),
            rx: draw.between(11.0, 18.0),
            ry: draw.between(12.0, 17.0),
            width: thick,
        },
        ink,
    );
    for side in [-1.0, 1.0] {
        let end = Shape::Limb {
            from: at(MIDDLE - side * 3.0, 32.0),
            to: at(MIDDLE + side * draw.between(3.0, 16.0), draw.between(46.0, 58.0)),
            from_radius: thick * 0.6,
            to_radius: thick * 0.7,
        };
        canvas.fill(end, ink);
    }
}

/// A head, or a bare body.
pub(super) fn person(canvas: &mut Canvas, draw: &mut Stream) {
    let person = Person::any(0.5, draw);
    let height = draw.between(14.0, 50.0);
    let head = Head {
        chin: at(MIDDLE, 2.0 + height),
        height,
        tilt: draw.between(-0.2, 0.2),
    };
    person::paint_back_hair(canvas, &person, &head, draw);
    person::paint_neck(canvas, &person, &head, at(MIDDLE, 8.0 + height * 1.1));
    let half = height * draw.between(0.7, 0.95);
    let body = [
        at(MIDDLE - half, height * 1.25 + 2.0),
        at(MIDDLE + half, height * 1.25 + 2.0),
        at(MIDDLE + half * 0.7, 70.0),
        at(MIDDLE - half * 0.7, 70.0),
    ];
    let skin = person.skin;
    canvas.fill(Shape::Quad(body), |_| skin);
    person::paint_head(canvas, &person, &head, draw);
}

/// A wardrobe picture's rows, laid as wide as the sheet allows.
fn lay_rows(canvas: &mut Canvas, garment: &Cutout, rows: (f32, f32), aspect: f32, below: f32) {
    let width = garment.frame.width();
    let height = (rows.1 - rows.0) * aspect;
    let scale = (56.0 / width).min((56.0 - below) / height);
    let place = at(MIDDLE, MIDDLE - below / 2.0);
    let pivot = at(garment.frame.middle(), (rows.0 + rows.1) / 2.0);
    let map = Linear::new(at(scale, scale * aspect), 0.0, 0.0);
    let laying = Laying {
        rows,
        ..Laying::new(place, pivot, map)
    };
    canvas.lay(garment, &laying);
}
