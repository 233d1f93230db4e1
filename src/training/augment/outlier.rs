//! Things that are none of the ten classes, as a shop's folder might hold them.
//!
//! In: chance and the wardrobe. Out: a painted scene. Never: a whole garment of one of the ten classes.

use super::canvas::{Canvas, Laying, Linear, MIDDLE, Point, Shape, at};
use super::cutout::Cutout;
use super::person::{self, Arm, Head, Person};
use super::{Wardrobe, kind, tone};
use crate::domain::{INPUT_SIDE, LABEL_COUNT};
use crate::training::network::random::Stream;

/// What is painted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Thing {
    Watch,
    Sunglasses,
    Bottle,
    Sticks,
    Belt,
    Wallet,
    Jewellery,
    Sock,
    Shorts,
    Skirt,
    Cap,
    Tie,
    Scarf,
    Person,
    Texture,
    Blobs,
    Letters,
    Mosaic,
    Piece,
}

impl Thing {
    /// All of them, with their shares.
    pub(super) const ALL: [(f32, Thing); 19] = [
        (0.12, Thing::Watch),
        (0.06, Thing::Sunglasses),
        (0.06, Thing::Bottle),
        (0.04, Thing::Sticks),
        (0.06, Thing::Belt),
        (0.06, Thing::Wallet),
        (0.06, Thing::Jewellery),
        (0.05, Thing::Sock),
        (0.07, Thing::Shorts),
        (0.04, Thing::Skirt),
        (0.03, Thing::Cap),
        (0.03, Thing::Tie),
        (0.03, Thing::Scarf),
        (0.05, Thing::Person),
        (0.05, Thing::Texture),
        (0.06, Thing::Blobs),
        (0.03, Thing::Letters),
        (0.06, Thing::Mosaic),
        (0.05, Thing::Piece),
    ];
}

/// Paints any thing.
pub(super) fn paint(canvas: &mut Canvas, wardrobe: &Wardrobe, draw: &mut Stream) {
    let thing = draw.choose(&Thing::ALL);
    paint_thing(canvas, wardrobe, thing, draw);
}

/// Paints this thing.
pub(super) fn paint_thing(canvas: &mut Canvas, wardrobe: &Wardrobe, thing: Thing, draw: &mut Stream) {
    match thing {
        Thing::Watch => paint_watch(canvas, draw),
        Thing::Sunglasses => paint_sunglasses(canvas, draw),
        Thing::Bottle => paint_bottles(canvas, draw),
        Thing::Sticks => paint_sticks(canvas, draw),
        Thing::Belt => paint_belt(canvas, draw),
        Thing::Wallet => paint_wallet(canvas, draw),
        Thing::Jewellery => paint_jewellery(canvas, draw),
        Thing::Sock => paint_socks(canvas, draw),
        Thing::Shorts => paint_shorts(canvas, wardrobe, draw),
        Thing::Skirt => paint_skirt(canvas, wardrobe, draw),
        Thing::Cap => paint_cap(canvas, draw),
        Thing::Tie => paint_tie(canvas, draw),
        Thing::Scarf => paint_scarf(canvas, draw),
        Thing::Person => paint_person(canvas, draw),
        Thing::Texture => paint_texture(canvas, draw),
        Thing::Blobs => paint_blobs(canvas, draw),
        Thing::Letters => paint_letters(canvas, draw),
        Thing::Mosaic => paint_mosaic(canvas, wardrobe, draw),
        Thing::Piece => paint_piece(canvas, wardrobe, draw),
    }
}

/// A tone anywhere from pale to strong, more often strong.
fn any_tone(draw: &mut Stream) -> f32 {
    draw.mixture(&[(0.6, (0.6, 1.0)), (0.4, (0.15, 0.6))])
}

/// What lies behind the point.
fn fraction(value: f32) -> f32 {
    let rest = value - value as i32 as f32;
    if rest < 0.0 { rest + 1.0 } else { rest }
}

fn rectangle(centre: Point, half_width: f32, half_height: f32) -> Shape {
    Shape::Quad([
        at(centre.x - half_width, centre.y - half_height),
        at(centre.x + half_width, centre.y - half_height),
        at(centre.x + half_width, centre.y + half_height),
        at(centre.x - half_width, centre.y + half_height),
    ])
}

fn disc(centre: Point, radius: f32) -> Shape {
    Shape::Ellipse {
        centre,
        rx: radius,
        ry: radius,
    }
}

const CENTRE: Point = at(MIDDLE, MIDDLE);

/// One or two: a strap with links, a case, a face with hands.
fn paint_watch(canvas: &mut Canvas, draw: &mut Stream) {
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

fn paint_sunglasses(canvas: &mut Canvas, draw: &mut Stream) {
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
fn paint_bottles(canvas: &mut Canvas, draw: &mut Stream) {
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
fn paint_sticks(canvas: &mut Canvas, draw: &mut Stream) {
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
fn paint_belt(canvas: &mut Canvas, draw: &mut Stream) {
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
fn paint_wallet(canvas: &mut Canvas, draw: &mut Stream) {
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
fn paint_jewellery(canvas: &mut Canvas, draw: &mut Stream) {
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

fn paint_socks(canvas: &mut Canvas, draw: &mut Stream) {
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

/// A wardrobe picture's rows, laid as wide as the sheet allows.
fn lay_rows(canvas: &mut Canvas, garment: &Cutout, rows: (f32, f32), aspect: f32, below: f32) {
    let width = garment.frame.width();
    let height = (rows.1 - rows.0) * aspect;
    let scale = (56.0 / width).min((56.0 - below) / height);
    let laying = Laying {
        place: at(MIDDLE, MIDDLE - below / 2.0),
        pivot: at(garment.frame.middle(), (rows.0 + rows.1) / 2.0),
        map: Linear::new(at(scale, scale * aspect), 0.0, 0.0),
        bend: 0.0,
        taper: 0.0,
        rows,
    };
    canvas.lay(garment, &laying);
}

/// A dyed garment of a class from the wardrobe.
fn borrow(wardrobe: &Wardrobe, class: usize, draw: &mut Stream) -> Option<Cutout> {
    let mut garment = Cutout::solid(wardrobe.take(class, draw)?);
    tone::dye(&mut garment, tone::any_dye(draw), draw);
    Some(garment)
}

/// The upper part of trousers, wide; sometimes on a body without a shirt, as underwear is shown.
fn paint_shorts(canvas: &mut Canvas, wardrobe: &Wardrobe, draw: &mut Stream) {
    let Some(garment) = borrow(wardrobe, kind::TROUSER, draw) else {
        return paint_wallet(canvas, draw);
    };
    let frame = garment.frame;
    let share = draw.between(0.18, 0.5);
    let rows = (frame.top as f32, frame.top as f32 + share * frame.height());
    if draw.chance(0.5) {
        let aspect = draw.between(0.6, 1.1) * (0.5 / share).min(1.5) * 0.7;
        return lay_rows(canvas, &garment, rows, aspect, 0.0);
    }
    let person = Person::any(draw);
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
    let laying = Laying {
        place: at(MIDDLE, waist),
        pivot: at(frame.middle(), frame.top as f32),
        map: Linear::new(at(across, across * draw.between(0.8, 1.3)), 0.0, 0.0),
        bend: 0.0,
        taper: 0.0,
        rows,
    };
    canvas.lay(&garment, &laying);
}

/// The lower part of a dress.
fn paint_skirt(canvas: &mut Canvas, wardrobe: &Wardrobe, draw: &mut Stream) {
    let Some(garment) = borrow(wardrobe, kind::DRESS, draw) else {
        return paint_wallet(canvas, draw);
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

fn paint_cap(canvas: &mut Canvas, draw: &mut Stream) {
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

fn paint_tie(canvas: &mut Canvas, draw: &mut Stream) {
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
fn paint_scarf(canvas: &mut Canvas, draw: &mut Stream) {
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
fn paint_person(canvas: &mut Canvas, draw: &mut Stream) {
    let person = Person::any(draw);
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

/// Cloth, wood, sky: no outline at all.
fn paint_texture(canvas: &mut Canvas, draw: &mut Stream) {
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

fn paint_blobs(canvas: &mut Canvas, draw: &mut Stream) {
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
fn paint_letters(canvas: &mut Canvas, draw: &mut Stream) {
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
fn paint_mosaic(canvas: &mut Canvas, wardrobe: &Wardrobe, draw: &mut Stream) {
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
        let laying = Laying {
            place: CENTRE,
            pivot: at(half as f32, half as f32),
            map: Linear::new(at(2.0, 2.0), 0.0, 0.0),
            bend: 0.0,
            taper: 0.0,
            rows,
        };
        canvas.lay(&garment, &laying);
    }
}

/// A small part of a garment, enlarged beyond recognition.
fn paint_piece(canvas: &mut Canvas, wardrobe: &Wardrobe, draw: &mut Stream) {
    let class = draw.next_below(LABEL_COUNT as u32) as usize;
    let Some(garment) = borrow(wardrobe, class, draw) else {
        return paint_wallet(canvas, draw);
    };
    let frame = garment.frame;
    let scale = draw.between(5.0, 8.0);
    let pivot = at(
        frame.left as f32 + draw.between(0.25, 0.75) * frame.width(),
        frame.top as f32 + draw.between(0.25, 0.75) * frame.height(),
    );
    let laying = Laying {
        place: CENTRE,
        pivot,
        map: Linear::new(at(scale, scale), 0.0, draw.between(-1.0, 1.0)),
        bend: 0.0,
        taper: 0.0,
        rows: (0.0, INPUT_SIDE as f32),
    };
    canvas.lay(&garment, &laying);
}
