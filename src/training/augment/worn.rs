//! Garments as worn: tops, dresses and trousers on a person, cropped as a shop crops them.
//!
//! In: a dyed garment, the wardrobe. Out: a painted scene in which the garment is in front of most else. Never: a
//! second garment that hides the first.

use super::canvas::{Canvas, Laying, Linear, MIDDLE, Point, SIDE, Shape, at};
use super::cutout::{Cutout, Parts, Sleeve};
use super::person::{self, Arm, Head, Person};
use super::tone::{self, Dye};
use super::{Wardrobe, kind};
use crate::domain::{INPUT_SIDE, Label};
use crate::training::network::random::Stream;

const SHEET: f32 = SIDE as f32;

/// A garment laid on the sheet, with the places of its parts there.
struct Worn<'a> {
    garment: &'a Cutout,
    parts: Parts,
    laying: Laying,
    /// Its height on the sheet.
    height: f32,
    person: Person,
}

impl Worn<'_> {
    /// Where a place of the garment's picture comes to lie.
    fn place(&self, x: f32, y: f32) -> Point {
        let Laying {
            place, pivot, map, ..
        } = self.laying;
        let moved = map.apply(at(x - pivot.x, y - pivot.y));
        at(place.x + moved.x, place.y + moved.y)
    }

    fn top(&self) -> Point {
        self.place(self.garment.frame.middle(), self.garment.frame.top as f32)
    }

    fn hem(&self) -> Point {
        self.place(self.garment.frame.middle(), self.garment.frame.bottom as f32)
    }

    /// Half of the torso's width on the sheet.
    fn half_torso(&self) -> f32 {
        let (left, right) = self.parts.torso;
        ((right - left) as f32 / 2.0 * self.laying.map.xx.abs()).min(0.4 * self.height)
    }

    fn arm_thickness(&self, draw: &mut Stream) -> f32 {
        draw.between(0.05, 0.075) * self.height
    }
}

/// How a person with a garment fills a photo, in shares of the garment's height.
struct Fill {
    /// Head from chin to crown.
    head: f32,
    /// Between chin and garment.
    neck: f32,
    /// Part of the head that the photo cuts off.
    cut: f32,
    /// Rows of the sheet below the hem.
    below: f32,
    /// Width to height, against Fashion-MNIST.
    narrow: f32,
}

/// A shirt, T-shirt, pullover or coat on a person.
pub(super) fn paint_top(
    canvas: &mut Canvas,
    wardrobe: &Wardrobe,
    garment: &mut Cutout,
    label: Label,
    draw: &mut Stream,
) {
    let parts = garment.parts();
    let narrow = match parts.sleeve {
        Sleeve::Long => draw.between(0.7, 0.98),
        Sleeve::Short => draw.between(0.8, 1.05),
        Sleeve::None => draw.between(0.85, 1.1),
    };
    let fill = Fill {
        head: draw.between(0.32, 0.44),
        neck: draw.between(-0.02, 0.07),
        cut: if draw.chance(0.1) {
            draw.between(0.2, 1.0)
        } else {
            0.0
        },
        below: draw.mixture(&[(0.85, (3.0, 15.0)), (0.15, (0.0, 3.0))]),
        narrow,
    };
    let has_new_sleeves = parts.sleeve == Sleeve::Long && draw.chance(0.55);
    let sleeve_tone = (garment.mean() + draw.between(-0.08, 0.15)).clamp(0.05, 1.0);
    if has_new_sleeves {
        let (left, right) = parts.torso;
        let shoulder = garment.frame.top + 2 + (garment.frame.bottom - garment.frame.top) / 7;
        garment.keep_columns(left, right, shoulder.min(INPUT_SIDE));
    }
    let (worn, head) = put_on(garment, parts, &fill, draw);
    let is_tucked_in = draw.chance(if label.index() == kind::SHIRT { 0.4 } else { 0.15 });
    let arms = Arms::any(&worn, has_new_sleeves.then_some(sleeve_tone), draw);

    person::paint_back_hair(canvas, &worn.person, &head, draw);
    person::paint_neck(canvas, &worn.person, &head, lower(worn.top(), 0.1 * worn.height));
    if !is_tucked_in {
        paint_bottom(canvas, wardrobe, &worn, draw.between(0.8, 0.95), draw);
    }
    if !arms.are_before {
        arms.paint(canvas, &worn);
    }
    canvas.lay(worn.garment, &worn.laying);
    if is_tucked_in {
        paint_bottom(canvas, wardrobe, &worn, draw.between(0.86, 0.97), draw);
    }
    if arms.are_before {
        arms.paint(canvas, &worn);
    }
    if label.index() == kind::COAT && draw.chance(0.35) {
        paint_opening(canvas, &worn, draw);
    } else if draw.chance(0.25) {
        paint_collar(canvas, &worn, draw);
    }
    let has_hood = matches!(label.index(), kind::PULLOVER | kind::COAT) && draw.chance(0.12);
    if has_hood {
        paint_hood(canvas, &head, worn.garment.mean(), draw);
    }
    person::paint_head(canvas, &worn.person, &head, draw);
}

/// A dress on a person.
pub(super) fn paint_dress(canvas: &mut Canvas, garment: &Cutout, draw: &mut Stream) {
    let parts = garment.parts();
    let whole = draw.chance(0.2);
    let fill = Fill {
        head: draw.between(0.22, 0.34),
        neck: draw.between(-0.02, 0.07),
        cut: if draw.chance(0.08) {
            draw.between(0.2, 1.0)
        } else {
            0.0
        },
        below: if whole {
            draw.between(12.0, 26.0)
        } else {
            draw.between(0.0, 11.0)
        },
        narrow: draw.between(0.8, 1.2),
    };
    let (worn, head) = put_on(garment, parts, &fill, draw);
    person::paint_back_hair(canvas, &worn.person, &head, draw);
    person::paint_neck(canvas, &worn.person, &head, lower(worn.top(), 0.12 * worn.height));
    paint_legs(canvas, &worn, whole, draw);
    let arms = Arms::any(&worn, None, draw);
    if !arms.are_before {
        arms.paint(canvas, &worn);
    }
    canvas.lay(worn.garment, &worn.laying);
    if arms.are_before {
        arms.paint(canvas, &worn);
    }
    if draw.chance(0.3) {
        paint_collar(canvas, &worn, draw);
    }
    person::paint_head(canvas, &worn.person, &head, draw);
}

/// Trousers on a person whose head the photo leaves out.
pub(super) fn paint_trousers(canvas: &mut Canvas, wardrobe: &Wardrobe, garment: &Cutout, draw: &mut Stream) {
    let above = draw.between(1.0, 13.0);
    let feet = draw.between(0.0, 5.0);
    let height = SHEET - above - feet;
    let scale = height / garment.frame.height();
    let person = Person::any(draw);
    let worn = Worn {
        garment,
        parts: garment.parts(),
        laying: Laying {
            place: at(MIDDLE + draw.between(-2.0, 2.0), above),
            pivot: at(garment.frame.middle(), garment.frame.top as f32),
            map: Linear::new(
                at(scale * draw.between(0.85, 1.3), scale),
                draw.between(-0.12, 0.12),
                0.0,
            ),
            bend: draw.between(-2.0, 2.0),
            taper: 0.0,
            rows: (0.0, INPUT_SIDE as f32),
        },
        height,
        person,
    };
    paint_feet(canvas, &worn, feet, draw);
    canvas.lay(garment, &worn.laying);
    paint_torso(canvas, wardrobe, &worn, above, draw);
}

/// Finds the garment's size on the sheet and the head's place.
fn put_on<'a>(garment: &'a Cutout, parts: Parts, fill: &Fill, draw: &mut Stream) -> (Worn<'a>, Head) {
    let height = (SHEET - fill.below) / (1.0 + fill.neck + fill.head * (1.0 - fill.cut));
    let scale = height / garment.frame.height();
    let across = (scale * fill.narrow).min(height * 1.0 / garment.frame.width());
    let top = SHEET - fill.below - height;
    let middle = MIDDLE + draw.between(-3.0, 3.0);
    let laying = Laying {
        place: at(middle, top),
        pivot: at(garment.frame.middle(), garment.frame.top as f32),
        map: Linear::new(
            at(across, scale),
            draw.between(-0.06, 0.06),
            draw.between(-0.02, 0.02),
        ),
        bend: draw.between(-1.0, 1.0),
        taper: 0.0,
        rows: (0.0, INPUT_SIDE as f32),
    };
    let head = Head {
        chin: at(
            middle + draw.between(-0.03, 0.03) * height,
            top - fill.neck * height,
        ),
        height: fill.head * height,
        tilt: draw.between(-0.15, 0.15),
    };
    let worn = Worn {
        garment,
        parts,
        laying,
        height,
        person: Person::any(draw),
    };
    (worn, head)
}

/// What the two arms of a person do.
struct Arms {
    arms: [Option<Arm>; 2],
    /// Whether they are painted over the garment.
    are_before: bool,
}

impl Arms {
    /// `sleeve` is the tone of new sleeves, for a garment whose own were taken away.
    fn any(worn: &Worn, sleeve: Option<f32>, draw: &mut Stream) -> Self {
        let thick = worn.arm_thickness(draw) * if sleeve.is_some() { 1.3 } else { 1.0 };
        let skin = (worn.person.skin * draw.between(0.9, 1.3)).clamp(0.08, 1.0);
        let arms = [-1.0f32, 1.0].map(|side| {
            let hands = draw.choose(&[
                (0.62, Hands::Hanging),
                (0.14, Hands::OnHip),
                (0.14, Hands::InPocket),
                (0.06, Hands::Raised),
                (0.04, Hands::Hidden),
            ]);
            arm(worn, side, hands, (thick, skin, sleeve), draw)
        });
        Self {
            arms,
            are_before: sleeve.is_some() || draw.chance(0.15),
        }
    }

    fn paint(&self, canvas: &mut Canvas, worn: &Worn) {
        for arm in self.arms.iter().flatten() {
            person::paint_arm(canvas, arm, worn.person.shade);
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hands {
    Hanging,
    OnHip,
    InPocket,
    Raised,
    Hidden,
}

/// One arm: from where the sleeve ends (or from the shoulder) to the hand.
fn arm(
    worn: &Worn,
    side: f32,
    hands: Hands,
    (thick, skin, sleeve): (f32, f32, Option<f32>),
    draw: &mut Stream,
) -> Option<Arm> {
    let (height, top, hem, torso) = (worn.height, worn.top(), worn.hem(), worn.half_torso());
    let shoulder = if sleeve.is_some() || worn.parts.sleeve == Sleeve::None {
        at(
            top.x + side * (torso - 0.4 * thick).max(0.0),
            top.y + 0.13 * height,
        )
    } else {
        let row = worn.parts.cuff;
        let (left, right) = worn.garment.span(row)?;
        let edge = if side < 0.0 { left } else { right };
        let cuff = worn.place(edge as f32, row as f32);
        at(cuff.x - side * thick, cuff.y)
    };
    if worn.parts.sleeve == Sleeve::Long && sleeve.is_none() && hands != Hands::Hidden {
        // Sleeves of its own: only the hand is left to be seen.
        let hand = at(shoulder.x, shoulder.y + draw.between(0.03, 0.1) * height);
        return Some(Arm {
            shoulder,
            elbow: shoulder,
            hand,
            thick: thick * 0.8,
            upper: skin,
            lower: skin,
            palm: Some(skin),
        });
    }
    let out = side * (torso + thick * draw.between(0.3, 1.2));
    let waist = top.y + height * draw.between(0.72, 0.9);
    let hips = hem.y.min(top.y + 0.75 * height);
    let (elbow, hand) = match hands {
        Hands::Hidden => return None,
        Hands::Hanging => (
            at(top.x + out, top.y + height * draw.between(0.5, 0.6)),
            at(
                top.x + out * draw.between(0.9, 1.15),
                top.y + height * draw.between(0.88, 1.15),
            ),
        ),
        Hands::OnHip => (
            at(
                top.x + side * (torso + draw.between(0.15, 0.28) * height),
                top.y + height * draw.between(0.45, 0.6),
            ),
            at(top.x + side * torso * draw.between(0.6, 1.0), waist),
        ),
        Hands::InPocket => (
            at(top.x + out * 1.15, top.y + height * draw.between(0.5, 0.62)),
            at(
                top.x + side * torso * draw.between(0.7, 1.0),
                hips + 0.25 * height,
            ),
        ),
        Hands::Raised => (
            at(
                top.x + side * (torso + draw.between(0.1, 0.25) * height),
                top.y + height * draw.between(0.1, 0.4),
            ),
            at(
                top.x + side * draw.between(0.1, 0.3) * height,
                top.y - draw.between(0.1, 0.3) * height,
            ),
        ),
    };
    let rolled = draw.chance(0.12);
    Some(Arm {
        shoulder,
        elbow,
        hand,
        thick,
        upper: sleeve.unwrap_or(skin),
        lower: sleeve.filter(|_| !rolled).unwrap_or(skin),
        palm: (hands != Hands::InPocket).then_some(skin),
    })
}

/// Trousers or a skirt, from the waist at this share of the garment's height on, cut off by the photo's lower edge.
fn paint_bottom(canvas: &mut Canvas, wardrobe: &Wardrobe, worn: &Worn, waist: f32, draw: &mut Stream) {
    let (top, half) = (worn.top(), worn.half_torso());
    let from = top.y + waist * worn.height;
    let trouser = wardrobe.take(kind::TROUSER, draw);
    let tone = draw.mixture(&[(0.6, (0.75, 1.0)), (0.25, (0.35, 0.75)), (0.15, (0.08, 0.35))]);
    match trouser {
        Some(pixels) if draw.chance(0.88) => {
            let mut trouser = Cutout::solid(pixels);
            let dye = draw.choose(&[
                (0.6, Dye::Strong),
                (0.2, Dye::Middle),
                (0.1, Dye::Pale),
                (0.1, Dye::AsIs),
            ]);
            tone::dye(&mut trouser, dye, draw);
            let hips = trouser.frame.top + (trouser.frame.bottom - trouser.frame.top) / 4;
            let (left, right) = trouser
                .span(hips)
                .unwrap_or((trouser.frame.left, trouser.frame.right));
            let width = ((right - left) as f32).max(4.0);
            let across = (2.0 * half * draw.between(0.85, 1.1)) / width;
            let down = draw.between(1.25, 1.7) * worn.height / trouser.frame.height();
            let laying = Laying {
                place: at(worn.hem().x, from),
                pivot: at((left + right) as f32 / 2.0, trouser.frame.top as f32),
                map: Linear::new(at(across, down), 0.0, 0.0),
                bend: 0.0,
                taper: 0.0,
                rows: (0.0, INPUT_SIDE as f32),
            };
            canvas.lay(&trouser, &laying);
        }
        _ => {
            let flare = half * draw.between(0.9, 1.3);
            let corners = [
                at(top.x - half * 0.95, from),
                at(top.x + half * 0.95, from),
                at(top.x + flare, SHEET + 4.0),
                at(top.x - flare, SHEET + 4.0),
            ];
            canvas.fill(Shape::Quad(corners), |_| tone);
        }
    }
}

/// Legs below a dress, with shoes where the photo reaches so far.
fn paint_legs(canvas: &mut Canvas, worn: &Worn, whole: bool, draw: &mut Stream) {
    let hem = worn.hem();
    let (apart, thick) = (
        draw.between(0.045, 0.09) * worn.height,
        draw.between(0.035, 0.055) * worn.height,
    );
    let tone = if draw.chance(0.15) {
        draw.between(0.7, 1.0)
    } else {
        (worn.person.skin * draw.between(0.9, 1.3)).min(1.0)
    };
    let shoe = draw.between(0.3, 1.0);
    let end = if whole { SHEET - 2.0 } else { SHEET + 6.0 };
    let step = draw.between(-0.05, 0.05) * worn.height;
    for side in [-1.0, 1.0] {
        let knee = at(hem.x + side * apart, hem.y - 0.15 * worn.height);
        let foot = at(hem.x + side * apart * 0.8 + step, end);
        let leg = Shape::Limb {
            from: knee,
            to: foot,
            from_radius: thick,
            to_radius: thick * 0.7,
        };
        canvas.fill(leg, |_| tone);
        if whole {
            let toe = at(foot.x + side * 1.0, end + 0.5);
            canvas.fill(
                Shape::Ellipse {
                    centre: toe,
                    rx: 1.6,
                    ry: 1.8,
                },
                |_| shoe,
            );
        }
    }
}

/// Feet below trousers, one under each leg.
fn paint_feet(canvas: &mut Canvas, worn: &Worn, room: f32, draw: &mut Stream) {
    let row = worn.garment.frame.bottom.saturating_sub(2);
    let Some((left, right)) = worn.garment.span(row) else {
        return;
    };
    let tone = draw.mixture(&[(0.6, (0.65, 1.0)), (0.4, (0.2, 0.65))]);
    for (column, side) in [(left as f32 + 2.0, -1.0), (right as f32 - 2.0, 1.0)] {
        let ankle = worn.place(column, row as f32);
        let toe = at(
            ankle.x + side * draw.between(-1.0, 4.0),
            (ankle.y + room + 1.0).min(SHEET - 1.5),
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
fn paint_torso(canvas: &mut Canvas, wardrobe: &Wardrobe, worn: &Worn, above: f32, draw: &mut Stream) {
    let waist = worn.top();
    let hips = worn.garment.frame.top + (worn.garment.frame.bottom - worn.garment.frame.top) / 8;
    let (left, right) = worn
        .garment
        .span(hips)
        .unwrap_or((worn.garment.frame.left, worn.garment.frame.right));
    let half = ((right - left) as f32 / 2.0 * worn.laying.map.xx).max(4.0);
    let label = draw.choose(&[
        (0.4, kind::T_SHIRT),
        (0.25, kind::SHIRT),
        (0.2, kind::PULLOVER),
        (0.15, kind::COAT),
    ]);
    let hem = waist.y + draw.between(-1.0, 7.0);
    let skin = worn.person.skin;
    let thick = draw.between(1.8, 2.6);
    if draw.chance(0.75) {
        for side in [-1.0, 1.0] {
            let out = side * (half + thick * draw.between(0.6, 1.6));
            let arm = Arm {
                shoulder: at(waist.x + out, -6.0),
                elbow: at(waist.x + out * draw.between(1.0, 1.2), above * 0.5),
                hand: at(waist.x + out, waist.y + draw.between(1.0, 12.0)),
                thick,
                upper: skin,
                lower: if draw.chance(0.3) {
                    draw.between(0.1, 1.0)
                } else {
                    skin
                },
                palm: Some(skin),
            };
            person::paint_arm(canvas, &arm, worn.person.shade);
        }
    }
    let Some(pixels) = wardrobe.take(label, draw) else {
        return;
    };
    let mut top = Cutout::solid(pixels);
    let parts = top.parts();
    top.keep_columns(parts.torso.0, parts.torso.1, 0);
    tone::dye(&mut top, tone::any_dye(draw), draw);
    let across = 2.0 * half * draw.between(0.98, 1.25) / top.frame.width();
    let laying = Laying {
        place: at(waist.x, hem),
        pivot: at(top.frame.middle(), top.frame.bottom as f32),
        map: Linear::new(at(across, across * draw.between(0.9, 1.4)), 0.0, 0.0),
        bend: 0.0,
        taper: 0.0,
        rows: (0.0, INPUT_SIDE as f32),
    };
    canvas.lay(&top, &laying);
}

/// What is worn under an open coat.
fn paint_opening(canvas: &mut Canvas, worn: &Worn, draw: &mut Stream) {
    let (top, hem, half) = (worn.top(), worn.hem(), worn.half_torso());
    let tone = draw.between(0.05, 1.0);
    let (upper, lower) = (half * draw.between(0.2, 0.45), half * draw.between(0.02, 0.45));
    let end = top.y + (hem.y - top.y) * draw.between(0.5, 0.97);
    let lean = half * draw.between(-0.1, 0.1);
    let corners = [
        at(top.x - upper, top.y + 0.03 * worn.height),
        at(top.x + upper, top.y + 0.03 * worn.height),
        at(top.x + lean + lower, end),
        at(top.x + lean - lower, end),
    ];
    canvas.fill(Shape::Quad(corners), |_| tone);
    paint_collar(canvas, worn, draw);
}

/// Skin in an open collar.
fn paint_collar(canvas: &mut Canvas, worn: &Worn, draw: &mut Stream) {
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

/// A hood around the head; the head is painted into it.
fn paint_hood(canvas: &mut Canvas, head: &Head, tone: f32, draw: &mut Stream) {
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

fn lower(p: Point, by: f32) -> Point {
    at(p.x, p.y + by)
}
