//! Small things: watches, glasses, bottles, belts, wallets, jewellery.
//!
//! In: chance. Out: a painted scene. Never: a garment.

use super::{CENTRE, any_tone, disc, fraction, rectangle};
use crate::training::augment::canvas::{Canvas, MIDDLE, Shape};
use crate::training::augment::plane::at;
use crate::training::network::random::Stream;

/// One or two: a strap with links, a case, a face with hands.
pub(super) fn watch(canvas: &mut Canvas, draw: &mut Stream) {
    let count = draw.choose(&[(0.8, 1), (0.2, 2)]);
    for number in 0..count {
        let x = MIDDLE + (number as f32 - (count - 1) as f32 / 2.0) * 30.0;
        let case = draw.between(9.0, 17.0) / if count == 2 { 1.3 } else { 1.0 };
        let (strap, links) = (any_tone(draw), draw.between(0.0, 0.5));
        let (half, narrow) = (case * draw.between(0.45, 0.85), case * draw.between(0.35, 0.75));
        let length = draw.between(22.0, 34.0);
        let period = draw.between(2.5, 6.0);
        for way in [-1.0, 1.0] {
            let far = MIDDLE + way * length;
            let corners = [
                at(x - half, MIDDLE),
                at(x + half, MIDDLE),
                at(x + narrow, far),
                at(x - narrow, far),
            ];
            let corners = if way < 0.0 {
                [corners[3], corners[2], corners[1], corners[0]]
            } else {
                corners
            };
            canvas.fill(Shape::Quad(corners), |p| {
                let turns = p.y / period;
                let is_gap = fraction(turns) < 0.3;
                (strap - f32::from(u8::from(is_gap)) * links).clamp(0.05, 1.0)
            });
        }
        let centre = at(x, MIDDLE);
        let (metal, face) = (any_tone(draw), draw.between(0.03, 1.0));
        let inner = case * draw.between(0.65, 0.85);
        if draw.chance(0.8) {
            canvas.fill(disc(centre, case), |_| metal);
            canvas.fill(disc(centre, inner), |_| face);
        } else {
            canvas.fill(rectangle(centre, case * 0.8, case), |_| metal);
            canvas.fill(rectangle(centre, inner * 0.75, inner), |_| face);
        }
        let ink = if face > 0.5 { face - 0.45 } else { face + 0.45 };
        for _ in 0..draw.next_below(4) + 1 {
            let to = at(
                x + draw.between(-0.6, 0.6) * inner,
                MIDDLE + draw.between(-0.7, 0.7) * inner,
            );
            canvas.fill(
                Shape::Limb {
                    from: centre,
                    to,
                    from_radius: 0.9,
                    to_radius: 0.6,
                },
                |_| ink,
            );
        }
    }
}

pub(super) fn sunglasses(canvas: &mut Canvas, draw: &mut Stream) {
    let (rx, ry) = (draw.between(9.0, 13.0), draw.between(6.0, 11.0));
    let (apart, slope) = (rx * draw.between(1.1, 1.4), draw.between(-0.6, 0.6));
    let (glass, frame) = (any_tone(draw), any_tone(draw));
    let temple = draw.between(-14.0, 14.0);
    for side in [-1.0, 1.0] {
        let centre = at(MIDDLE + side * apart, MIDDLE + side * slope * 8.0);
        canvas.fill(Shape::Ellipse { centre, rx, ry }, |p| {
            (glass - 0.02 * (p.y - centre.y)).clamp(0.05, 1.0)
        });
        canvas.fill(
            Shape::Ring {
                centre,
                rx,
                ry,
                width: draw.between(1.0, 2.5),
            },
            |_| frame,
        );
        if draw.chance(0.6) {
            let to = at(centre.x + temple + side * 6.0, centre.y - draw.between(4.0, 20.0));
            canvas.fill(
                Shape::Limb {
                    from: at(centre.x + side * rx * 0.9, centre.y - ry * 0.4),
                    to,
                    from_radius: 1.2,
                    to_radius: 1.0,
                },
                |_| frame,
            );
        }
    }
    let bridge = Shape::Limb {
        from: at(MIDDLE - apart + rx * 0.8, MIDDLE - slope * 8.0 - 2.0),
        to: at(MIDDLE + apart - rx * 0.8, MIDDLE + slope * 8.0 - 2.0),
        from_radius: 1.2,
        to_radius: 1.2,
    };
    canvas.fill(bridge, |_| frame);
}

/// Bottles, tubes, boxes: a body with a label, a neck, a cap.
pub(super) fn bottles(canvas: &mut Canvas, draw: &mut Stream) {
    let count = draw.choose(&[(0.6, 1), (0.3, 2), (0.1, 3)]);
    for number in 0..count {
        let x = MIDDLE + (number as f32 - (count - 1) as f32 / 2.0) * 20.0;
        let (half, height) = (
            draw.between(5.0, if count == 1 { 20.0 } else { 8.5 }),
            draw.between(12.0, 28.0),
        );
        let (body, label, cap) = (any_tone(draw), draw.between(0.05, 1.0), any_tone(draw));
        let centre = at(x, MIDDLE + draw.between(-2.0, 6.0));
        let bright = draw.between(-0.3, 0.3);
        canvas.fill(rectangle(centre, half, height), |p| {
            (body + bright * (p.x - x) / half).clamp(0.05, 1.0)
        });
        if draw.chance(0.7) {
            let at_label = at(x, centre.y + draw.between(-0.3, 0.3) * height);
            canvas.fill(
                rectangle(
                    at_label,
                    half * draw.between(0.5, 1.0),
                    height * draw.between(0.15, 0.5),
                ),
                |_| label,
            );
        }
        if draw.chance(0.75) {
            let thin = half * draw.between(0.3, 0.95);
            let tall = draw.between(2.0, 8.0);
            canvas.fill(rectangle(at(x, centre.y - height - tall), thin, tall), |_| cap);
        }
    }
}

/// Lipsticks, pencils, brushes.
pub(super) fn sticks(canvas: &mut Canvas, draw: &mut Stream) {
    for _ in 0..draw.next_below(3) + 1 {
        let x = MIDDLE + draw.between(-16.0, 16.0);
        let (thick, lean) = (draw.between(1.2, 4.0), draw.between(-8.0, 8.0));
        let (low, high) = (draw.between(36.0, 62.0), draw.between(2.0, 26.0));
        let (tone, tip) = (any_tone(draw), any_tone(draw));
        let turn = draw.between(high, low);
        canvas.fill(
            Shape::Limb {
                from: at(x, low),
                to: at(x + lean, high),
                from_radius: thick,
                to_radius: thick * draw.between(0.4, 1.0),
            },
            |p| if p.y < turn { tip } else { tone },
        );
    }
}

/// A belt rolled to a ring, or stretched, with its buckle.
pub(super) fn belt(canvas: &mut Canvas, draw: &mut Stream) {
    let (tone, buckle) = (any_tone(draw), draw.between(0.05, 1.0));
    let place = if draw.chance(0.7) {
        let (rx, ry) = (draw.between(22.0, 30.0), draw.between(6.0, 16.0));
        let width = draw.between(3.0, 7.0);
        let inner = draw.between(-0.3, 0.1);
        canvas.fill(
            Shape::Ring {
                centre: CENTRE,
                rx,
                ry,
                width,
            },
            |p| (tone + if p.y < MIDDLE { inner } else { 0.0 }).clamp(0.05, 1.0),
        );
        at(MIDDLE + draw.between(-8.0, 8.0), MIDDLE + ry - width * 0.5)
    } else {
        let half = draw.between(1.5, 4.5);
        canvas.fill(rectangle(CENTRE, 30.0, half), |_| tone);
        at(MIDDLE + draw.sign() * 26.0, MIDDLE)
    };
    let (wide, tall) = (draw.between(3.0, 7.0), draw.between(3.0, 6.0));
    canvas.fill(rectangle(place, wide, tall), |_| buckle);
    if draw.chance(0.6) {
        canvas.fill(rectangle(place, wide * 0.55, tall * 0.5), |_| tone);
    }
}

/// A wallet, open or closed, with a seam and perhaps a clasp.
pub(super) fn wallet(canvas: &mut Canvas, draw: &mut Stream) {
    let (half, height) = (draw.between(16.0, 29.0), draw.between(12.0, 27.0));
    let (tone, seam) = (any_tone(draw), draw.between(-0.35, 0.2));
    let light = draw.between(-0.15, 0.15);
    canvas.fill(rectangle(CENTRE, half, height), |p| {
        let edge = (half - (p.x - MIDDLE).abs()).min(height - (p.y - MIDDLE).abs());
        let stitched = f32::from(u8::from((1.5..3.0).contains(&edge)));
        (tone + stitched * seam + light * (p.x - MIDDLE) / half).clamp(0.05, 1.0)
    });
    if draw.chance(0.4) {
        let x = MIDDLE + draw.between(-0.5, 0.5) * half;
        canvas.fill(rectangle(at(x, MIDDLE), 0.7, height), |_| {
            (tone + seam).clamp(0.05, 1.0)
        });
    }
    if draw.chance(0.4) {
        let clasp = draw.between(0.05, 1.0);
        let place = at(
            MIDDLE + draw.between(-0.8, 0.8) * half,
            MIDDLE + draw.between(-0.8, 0.8) * height,
        );
        canvas.fill(
            rectangle(place, draw.between(1.5, 8.0), draw.between(1.0, 4.0)),
            |_| clasp,
        );
    }
}

/// Rings, drops, chains.
pub(super) fn jewellery(canvas: &mut Canvas, draw: &mut Stream) {
    let tone = any_tone(draw);
    if draw.chance(0.35) {
        // A chain: beads along an arc that hangs.
        let (half, deep) = (draw.between(10.0, 26.0), draw.between(10.0, 44.0));
        for bead in 0..17 {
            let along = bead as f32 / 8.0 - 1.0;
            let place = at(MIDDLE + along * half, 8.0 + deep * (1.0 - along * along));
            canvas.fill(disc(place, draw.between(0.8, 2.2)), |_| tone);
        }
        canvas.fill(disc(at(MIDDLE, 10.0 + deep), draw.between(1.0, 6.0)), |_| tone);
        return;
    }
    let count = draw.choose(&[(0.4, 1), (0.6, 2)]);
    for number in 0..count {
        let x = MIDDLE + (number as f32 - (count - 1) as f32 / 2.0) * draw.between(22.0, 30.0);
        let radius = draw.between(6.0, if count == 1 { 24.0 } else { 10.0 });
        let centre = at(x, MIDDLE + draw.between(-4.0, 4.0));
        if draw.chance(0.6) {
            canvas.fill(
                Shape::Ring {
                    centre,
                    rx: radius,
                    ry: radius * draw.between(0.6, 1.2),
                    width: draw.between(1.2, 5.0),
                },
                |_| tone,
            );
        } else {
            canvas.fill(
                Shape::Ellipse {
                    centre,
                    rx: radius * 0.6,
                    ry: radius,
                },
                |_| tone,
            );
        }
        if draw.chance(0.6) {
            let stone = draw.between(0.05, 1.0);
            canvas.fill(disc(at(x, centre.y - radius), draw.between(1.5, 5.0)), |_| stone);
        }
    }
}
