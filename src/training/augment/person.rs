//! Parts of a person: head, hair, arms, legs, as they come out in 28 rows.
//!
//! In: places in the scene. Out: painted skin and hair. Never: garments.

use super::canvas::{Canvas, Shape};
use super::plane::{Point, at};
use crate::training::network::random::Stream;

/// Tones of a person, as distances from the background.
#[derive(Debug, Clone, Copy)]
pub(super) struct Person {
    pub skin: f32,
    pub hair: f32,
    pub is_long_haired: bool,
    /// How much darker or brighter the sides of limbs and faces are.
    pub shade: f32,
}

impl Person {
    /// `long_haired` of them have long hair.
    pub(super) fn any(long_haired: f32, draw: &mut Stream) -> Self {
        Self {
            skin: draw.mixture(&[(0.75, (0.28, 0.58)), (0.17, (0.5, 0.85)), (0.08, (0.12, 0.3))]),
            hair: draw.mixture(&[(0.8, (0.78, 1.0)), (0.2, (0.35, 0.8))]),
            is_long_haired: draw.chance(long_haired),
            shade: draw.between(0.0, 0.3),
        }
    }
}

/// Where a head is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    /// Middle of the chin.
    pub chin: Point,
    /// From the chin to the crown, hair included.
    pub height: f32,
    /// How far the crown leans to the right, as a share of the height.
    pub tilt: f32,
}

impl Head {
    fn up(&self, share: f32) -> Point {
        at(
            self.chin.x + self.tilt * self.height * share,
            self.chin.y - self.height * share,
        )
    }
}

/// Hair that falls behind shoulders and garment; painted before them.
pub(super) fn paint_back_hair(canvas: &mut Canvas, person: &Person, head: &Head, draw: &mut Stream) {
    if !person.is_long_haired {
        return;
    }
    let hair = person.hair;
    let down = draw.between(-0.05, 0.45) * head.height;
    let wide = draw.between(0.3, 0.42) * head.height;
    canvas.fill(
        Shape::Limb {
            from: head.up(0.58),
            to: at(head.chin.x, head.chin.y + down),
            from_radius: wide,
            to_radius: wide * draw.between(0.7, 1.05),
        },
        |_| hair,
    );
}

/// Neck, from the chin into the garment.
pub(super) fn paint_neck(canvas: &mut Canvas, person: &Person, head: &Head, to: Point) {
    let thick = 0.17 * head.height;
    let tone = (person.skin * 1.15).min(1.0);
    canvas.fill(
        Shape::Limb {
            from: head.up(0.2),
            to,
            from_radius: thick,
            to_radius: thick * 1.15,
        },
        |_| tone,
    );
}

/// Face and hair; painted last, as nothing is before it.
pub(super) fn paint_head(canvas: &mut Canvas, person: &Person, head: &Head, draw: &mut Stream) {
    let Person {
        skin, hair, shade, ..
    } = *person;
    let height = head.height;
    let face = head.up(0.42);
    let (rx, ry) = (draw.between(0.29, 0.36) * height, 0.44 * height);
    let (eyes, eye_line) = (draw.between(0.0, 0.35), face.y - 0.05 * height);
    let beard = if draw.chance(0.25) {
        draw.between(0.0, 0.3)
    } else {
        0.0
    };
    let side = draw.between(-0.8, 0.8);
    // The cap of hair first, the face over it, then what falls into the forehead.
    let crown = head.up(0.62);
    let full = draw.between(0.36, 0.44) * height;
    canvas.fill(
        Shape::Ellipse {
            centre: crown,
            rx: full,
            ry: 0.38 * height,
        },
        |_| hair,
    );
    canvas.fill(Shape::Ellipse { centre: face, rx, ry }, |p| {
        let aside = (p.x - face.x) / rx;
        let is_eye = (p.y - eye_line).abs() < 0.06 * height;
        let is_beard = p.y > face.y + 0.2 * height;
        let features = f32::from(u8::from(is_eye)) * eyes + f32::from(u8::from(is_beard)) * beard;
        (skin * (0.85 + shade * (aside * aside + side * aside)) + features).clamp(0.05, 1.0)
    });
    if draw.chance(0.92) {
        let fringe = draw.between(0.72, 0.86);
        let centre = head.up(fringe + 0.12);
        canvas.fill(
            Shape::Ellipse {
                centre,
                rx: full * 0.95,
                ry: 0.16 * height,
            },
            |_| hair,
        );
    }
    if person.is_long_haired {
        paint_strands(canvas, person, head, rx, draw);
    }
}

fn paint_strands(canvas: &mut Canvas, person: &Person, head: &Head, rx: f32, draw: &mut Stream) {
    let hair = person.hair;
    for side in [-1.0, 1.0] {
        if draw.chance(0.2) {
            continue;
        }
        let thick = draw.between(0.07, 0.16) * head.height;
        let (from, down) = (head.up(0.7), draw.between(-0.15, 0.6) * head.height);
        canvas.fill(
            Shape::Limb {
                from: at(from.x + side * rx * 0.8, from.y),
                to: at(head.chin.x + side * (rx + 0.5 * thick), head.chin.y + down),
                from_radius: thick * 0.8,
                to_radius: thick,
            },
            |_| hair,
        );
    }
}

/// A limb of two parts, with what ends it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arm {
    pub shoulder: Point,
    pub elbow: Point,
    pub hand: Point,
    pub thick: f32,
    /// Tone of the part above the elbow.
    pub upper: f32,
    /// Tone of the part below it.
    pub lower: f32,
    /// Tone of the hand; none is painted where it is in a pocket.
    pub palm: Option<f32>,
}

/// Paints an arm (or a leg).
pub(super) fn paint_arm(canvas: &mut Canvas, arm: &Arm, shade: f32) {
    let Arm {
        shoulder,
        elbow,
        hand,
        thick,
        ..
    } = *arm;
    let shaded = move |tone: f32, middle: f32| {
        move |p: Point| {
            let aside = ((p.x - middle) / thick).clamp(-1.0, 1.0);
            (tone * (1.0 + shade * (aside * aside - 0.4))).clamp(0.03, 1.0)
        }
    };
    if let Some(palm) = arm.palm {
        canvas.fill(
            Shape::Ellipse {
                centre: hand,
                rx: thick * 0.9,
                ry: thick * 1.15,
            },
            |_| palm,
        );
    }
    let upper = Shape::Limb {
        from: shoulder,
        to: elbow,
        from_radius: thick * 1.1,
        to_radius: thick,
    };
    canvas.fill(upper, shaded(arm.upper, (shoulder.x + elbow.x) / 2.0));
    let lower = Shape::Limb {
        from: elbow,
        to: hand,
        from_radius: thick,
        to_radius: thick * 0.78,
    };
    canvas.fill(lower, shaded(arm.lower, (elbow.x + hand.x) / 2.0));
}
