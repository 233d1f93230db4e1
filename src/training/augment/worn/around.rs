//! What is seen around a worn garment: second garments, legs, feet, collars, hoods.
//!
//! In: a garment that is put on, the wardrobe. Out: what lies above, below and in its openings. Never: the garment itself.

use super::{Worn, lower};
use crate::training::augment::canvas::{Canvas, Laying, SCENE, Shape};
use crate::training::augment::cutout::Cutout;
use crate::training::augment::dye::{self, Dye};
use crate::training::augment::person::{self, Arm, Head};
use crate::training::augment::plane::{Linear, at};
use crate::training::augment::{Wardrobe, kind};
use crate::training::network::random::Stream;

/// Trousers or a skirt, from the waist at this share of the garment's height on, cut off by the photo's lower edge.
pub(super) fn paint_bottom(
    canvas: &mut Canvas,
    wardrobe: &Wardrobe,
    worn: &Worn,
    waist: f32,
    draw: &mut Stream,
) {
    let (top, half) = (worn.top(), worn.half_torso());
    let from = top.y + waist * worn.height;
    let trousers = wardrobe.take(kind::TROUSER, draw);
    match trousers {
        Some(pixels) if draw.chance(0.88) => {
            let mut trousers = Cutout::solid(pixels);
            let dye = draw.choose(&[
                (0.6, Dye::Strong),
                (0.2, Dye::Middle),
                (0.1, Dye::Pale),
                (0.1, Dye::AsIs),
            ]);
            dye::dye(&mut trousers, dye, draw);
            let (left, right) = trousers.span_at(0.25);
            let across = 2.0 * half * draw.between(0.85, 1.1) / (right - left).max(4.0);
            let down = draw.between(1.25, 1.7) * worn.height / trousers.frame.height();
            let pivot = at((left + right) / 2.0, trousers.frame.top as f32);
            let map = Linear::new(at(across, down), 0.0, 0.0);
            canvas.lay(&trousers, &Laying::new(at(worn.hem().x, from), pivot, map));
        }
        _ => {
            let tone = draw.mixture(&[(0.6, (0.75, 1.0)), (0.25, (0.35, 0.75)), (0.15, (0.08, 0.35))]);
            let flare = half * draw.between(0.9, 1.3);
            let corners = [
                at(top.x - half * 0.95, from),
                at(top.x + half * 0.95, from),
                at(top.x + flare, SCENE + 4.0),
                at(top.x - flare, SCENE + 4.0),
            ];
            canvas.fill(Shape::Quad(corners), |_| tone);
        }
    }
}

/// Legs below a dress, with shoes where the photo reaches so far.
pub(super) fn paint_legs(canvas: &mut Canvas, worn: &Worn, shows_feet: bool, draw: &mut Stream) {
    let (hem, height) = (worn.hem(), worn.height);
    let (apart, thick) = (
        draw.between(0.045, 0.09) * height,
        draw.between(0.035, 0.055) * height,
    );
    let bare = (worn.person.skin * draw.between(0.9, 1.3)).min(1.0);
    let tone = if draw.chance(0.15) {
        draw.between(0.7, 1.0)
    } else {
        bare
    };
    let shoe = draw.between(0.3, 1.0);
    let end = if shows_feet { SCENE - 2.0 } else { SCENE + 6.0 };
    let step = draw.between(-0.05, 0.05) * height;
    for side in [-1.0, 1.0] {
        let foot = at(hem.x + side * apart * 0.8 + step, end);
        let leg = Shape::Limb {
            from: at(hem.x + side * apart, hem.y - 0.15 * height),
            to: foot,
            from_radius: thick,
            to_radius: thick * 0.7,
        };
        canvas.fill(leg, |_| tone);
        if shows_feet {
            let toe = Shape::Ellipse {
                centre: at(foot.x + side, end + 0.5),
                rx: 1.6,
                ry: 1.8,
            };
            canvas.fill(toe, |_| shoe);
        }
    }
}

/// Feet below trousers, one under each leg.
pub(super) fn paint_feet(canvas: &mut Canvas, worn: &Worn, room: f32, draw: &mut Stream) {
    let row = worn.garment.frame.bottom.saturating_sub(2);
    let Some((left, right)) = worn.garment.span(row) else {
        return;
    };
    let tone = draw.mixture(&[(0.6, (0.65, 1.0)), (0.4, (0.2, 0.65))]);
    for (column, side) in [(left as f32 + 2.0, -1.0), (right as f32 - 2.0, 1.0)] {
        let ankle = worn.laying.place_of(at(column, row as f32));
        let toe = at(
            ankle.x + side * draw.between(-1.0, 4.0),
            (ankle.y + room + 1.0).min(SCENE - 1.5),
        );
        let foot = Shape::Limb {
            from: ankle,
            to: toe,
            from_radius: draw.between(1.5, 2.2),
            to_radius: draw.between(1.4, 2.4),
        };
        canvas.fill(foot, |_| tone);
    }
}

/// The lower part of a top above trousers, with arms beside it.
pub(super) fn paint_torso(
    canvas: &mut Canvas,
    wardrobe: &Wardrobe,
    worn: &Worn,
    above: f32,
    draw: &mut Stream,
) {
    let waist = worn.top();
    let (left, right) = worn.garment.span_at(0.125);
    let half = ((right - left) / 2.0 * worn.laying.map.xx).max(4.0);
    let class = draw.choose(&[
        (0.4, kind::T_SHIRT),
        (0.25, kind::SHIRT),
        (0.2, kind::PULLOVER),
        (0.15, kind::COAT),
    ]);
    let hem = waist.y + draw.between(-1.0, 7.0);
    if draw.chance(0.75) {
        paint_arms_beside(canvas, worn, half, above, draw);
    }
    let Some(pixels) = wardrobe.take(class, draw) else {
        return;
    };
    let mut top = Cutout::solid(pixels);
    let (left, right) = top.parts().torso;
    top.keep_columns(left, right, 0);
    dye::dye(&mut top, Dye::any(draw), draw);
    let across = 2.0 * half * draw.between(0.98, 1.25) / top.frame.width();
    let map = Linear::new(at(across, across * draw.between(0.9, 1.4)), 0.0, 0.0);
    let pivot = at(top.frame.middle(), top.frame.bottom as f32);
    canvas.lay(&top, &Laying::new(at(waist.x, hem), pivot, map));
}

/// Arms that come into the photo from above and hang beside hips.
fn paint_arms_beside(canvas: &mut Canvas, worn: &Worn, half: f32, above: f32, draw: &mut Stream) {
    let (waist, skin) = (worn.top(), worn.person.skin);
    let thick = draw.between(1.8, 2.6);
    let sleeve = if draw.chance(0.3) {
        draw.between(0.1, 1.0)
    } else {
        skin
    };
    for side in [-1.0, 1.0] {
        let out = side * (half + thick * draw.between(0.6, 1.6));
        let arm = Arm {
            shoulder: at(waist.x + out, -6.0),
            elbow: at(waist.x + out * draw.between(1.0, 1.2), above * 0.5),
            hand: at(waist.x + out, waist.y + draw.between(1.0, 12.0)),
            thick,
            upper: skin,
            lower: sleeve,
            palm: Some(skin),
        };
        person::paint_arm(canvas, &arm, worn.person.shade);
    }
}

/// What is worn under an open coat.
pub(super) fn paint_opening(canvas: &mut Canvas, worn: &Worn, draw: &mut Stream) {
    let (top, hem, half) = (worn.top(), worn.hem(), worn.half_torso());
    let tone = draw.between(0.05, 1.0);
    let (above, below) = (half * draw.between(0.2, 0.45), half * draw.between(0.02, 0.45));
    let end = top.y + (hem.y - top.y) * draw.between(0.5, 0.97);
    let lean = half * draw.between(-0.1, 0.1);
    let begin = top.y + 0.03 * worn.height;
    let corners = [
        at(top.x - above, begin),
        at(top.x + above, begin),
        at(top.x + lean + below, end),
        at(top.x + lean - below, end),
    ];
    canvas.fill(Shape::Quad(corners), |_| tone);
    paint_neckline(canvas, worn, draw);
}

/// Skin in an open neck.
pub(super) fn paint_neckline(canvas: &mut Canvas, worn: &Worn, draw: &mut Stream) {
    let (top, height) = (worn.top(), worn.height);
    let half = draw.between(0.05, 0.1) * height;
    let deep = top.y + draw.between(0.08, 0.2) * height;
    let tone = worn.person.skin;
    let corners = [
        at(top.x - half, top.y),
        at(top.x + half, top.y),
        at(top.x + 0.3, deep),
        at(top.x - 0.3, deep),
    ];
    canvas.fill(Shape::Quad(corners), |_| tone);
}

/// The two wings of a collar.
pub(super) fn paint_collar(canvas: &mut Canvas, worn: &Worn, draw: &mut Stream) {
    let (top, height) = (worn.top(), worn.height);
    let tone = (worn.garment.mean() + draw.sign() * draw.between(0.08, 0.3)).clamp(0.05, 1.0);
    let (wide, deep) = (
        draw.between(0.08, 0.13) * height,
        draw.between(0.08, 0.16) * height,
    );
    for side in [-1.0, 1.0] {
        let wing = Shape::Limb {
            from: at(top.x + side * wide, top.y + 0.01 * height),
            to: at(top.x + side * 0.25 * wide, top.y + deep),
            from_radius: 0.03 * height,
            to_radius: 0.022 * height,
        };
        canvas.fill(wing, |_| tone);
    }
}

/// A hood around the head; the head is painted into it.
pub(super) fn paint_hood(canvas: &mut Canvas, head: &Head, tone: f32, draw: &mut Stream) {
    let wide = draw.between(0.42, 0.52) * head.height;
    let tone = (tone + draw.between(-0.1, 0.1)).clamp(0.05, 1.0);
    canvas.fill(
        Shape::Ellipse {
            centre: lower(head.chin, -0.45 * head.height),
            rx: wide,
            ry: 0.6 * head.height,
        },
        |_| tone,
    );
}
