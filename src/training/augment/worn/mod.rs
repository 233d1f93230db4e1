//! Garments as worn: tops, dresses and trousers on a person, cropped as a shop crops them.
//!
//! In: a dyed garment, the wardrobe. Out: a painted scene in which the garment is in front of most else. Never: a
//! second garment that hides the first.

mod arms;
mod around;

use super::canvas::{Canvas, Laying, MIDDLE, SCENE};
use super::cutout::{Cutout, Parts, Sleeve};
use super::person::{self, Head, Person};
use super::plane::{Linear, Point, at};
use super::{Wardrobe, kind};
use crate::training::network::random::Stream;
use arms::Arms;
#[cfg(test)]
pub(super) use arms::Hands;

/// A garment laid on the sheet, with the places of its parts there.
struct Worn<'a> {
    garment: &'a Cutout,
    parts: Parts,
    laying: Laying,
    /// Its height in the scene.
    height: f32,
    person: Person,
}

impl Worn<'_> {
    /// The middle of its upper edge.
    fn top(&self) -> Point {
        let frame = self.garment.frame;
        self.laying.place_of(at(frame.middle(), frame.top as f32))
    }

    /// The middle of its lower edge.
    fn hem(&self) -> Point {
        let frame = self.garment.frame;
        self.laying.place_of(at(frame.middle(), frame.bottom as f32))
    }

    /// Half of the torso's width in the scene.
    fn half_torso(&self) -> f32 {
        let (left, right) = self.parts.torso;
        ((right - left) as f32 / 2.0 * self.laying.map.xx.abs()).min(0.4 * self.height)
    }
}

/// How a person with a garment fills a photo, in shares of the garment's height.
struct Fill {
    /// Head from chin to crown.
    head: f32,
    /// Between chin and garment; below 0 where the chin hides the collar.
    neck: f32,
    /// Part of the head that the photo cuts off.
    cut: f32,
    /// Rows of the scene below the hem.
    below: f32,
    /// Width to height, against Fashion-MNIST.
    narrow: f32,
    /// How many of those who wear it have long hair.
    long_haired: f32,
}

/// A shirt, T-shirt, pullover or coat on a person.
pub(super) fn paint_top(
    canvas: &mut Canvas,
    wardrobe: &Wardrobe,
    (garment, class): (&mut Cutout, usize),
    draw: &mut Stream,
) {
    let parts = garment.parts();
    let fill = fill_of_top(parts.sleeve, draw);
    let has_new_sleeves = parts.sleeve == Sleeve::Long && draw.chance(0.6);
    let sleeve = has_new_sleeves.then(|| {
        let tone = (garment.take_sleeves_off(parts) + draw.between(-0.05, 0.1)).clamp(0.05, 1.0);
        // A vest over something else.
        let is_vest = matches!(class, kind::PULLOVER | kind::COAT) && draw.chance(0.12);
        if is_vest { draw.between(0.1, 1.0) } else { tone }
    });
    let (worn, head) = put_on(garment, parts, &fill, draw);
    let is_tucked_in = draw.chance(if class == kind::SHIRT { 0.4 } else { 0.15 });
    let arms = Arms::any(&worn, sleeve, draw);

    person::paint_back_hair(canvas, &worn.person, &head, draw);
    person::paint_neck(canvas, &worn.person, &head, lower(worn.top(), 0.1 * worn.height));
    if !is_tucked_in {
        around::paint_bottom(canvas, wardrobe, &worn, draw.between(0.8, 0.95), draw);
    }
    arms.paint_behind(canvas, &worn);
    canvas.lay(worn.garment, &worn.laying);
    if is_tucked_in {
        around::paint_bottom(canvas, wardrobe, &worn, draw.between(0.86, 0.97), draw);
    }
    arms.paint_before(canvas, &worn);
    if class == kind::COAT && draw.chance(0.3) {
        around::paint_opening(canvas, &worn, draw);
    } else if draw.chance(0.3) {
        around::paint_neckline(canvas, &worn, draw);
    }
    if draw.chance(if class == kind::SHIRT { 0.6 } else { 0.2 }) {
        around::paint_collar(canvas, &worn, draw);
    }
    if matches!(class, kind::PULLOVER | kind::COAT) && draw.chance(0.12) {
        around::paint_hood(canvas, &head, worn.garment.mean(), draw);
    }
    person::paint_head(canvas, &worn.person, &head, draw);
}

/// A dress on a person.
pub(super) fn paint_dress(canvas: &mut Canvas, garment: &Cutout, draw: &mut Stream) {
    let shows_feet = draw.chance(0.2);
    let fill = Fill {
        head: draw.between(0.22, 0.34),
        neck: draw.between(-0.02, 0.07),
        cut: draw.mixture(&[(0.92, (0.0, 0.0)), (0.08, (0.2, 1.0))]),
        below: if shows_feet {
            draw.between(12.0, 26.0)
        } else {
            draw.between(0.0, 11.0)
        },
        narrow: draw.between(0.8, 1.2),
        long_haired: 0.8,
    };
    let (worn, head) = put_on(garment, garment.parts(), &fill, draw);
    let arms = Arms::any(&worn, None, draw);

    person::paint_back_hair(canvas, &worn.person, &head, draw);
    person::paint_neck(canvas, &worn.person, &head, lower(worn.top(), 0.12 * worn.height));
    around::paint_legs(canvas, &worn, shows_feet, draw);
    arms.paint_behind(canvas, &worn);
    canvas.lay(worn.garment, &worn.laying);
    arms.paint_before(canvas, &worn);
    if draw.chance(0.3) {
        around::paint_neckline(canvas, &worn, draw);
    }
    person::paint_head(canvas, &worn.person, &head, draw);
}

/// Trousers on a person whose head the photo leaves out.
pub(super) fn paint_trousers(canvas: &mut Canvas, wardrobe: &Wardrobe, garment: &Cutout, draw: &mut Stream) {
    let (above, feet) = (draw.between(1.0, 13.0), draw.between(0.0, 5.0));
    let height = SCENE - above - feet;
    let scale = height / garment.frame.height();
    let map = Linear::new(
        at(scale * draw.between(0.85, 1.3), scale),
        draw.between(-0.12, 0.12),
        0.0,
    );
    let place = at(MIDDLE + draw.between(-2.0, 2.0), above);
    let pivot = at(garment.frame.middle(), garment.frame.top as f32);
    let worn = Worn {
        garment,
        parts: garment.parts(),
        laying: Laying {
            bend: draw.between(-2.0, 2.0),
            ..Laying::new(place, pivot, map)
        },
        height,
        person: Person::any(0.0, draw),
    };
    around::paint_feet(canvas, &worn, feet, draw);
    canvas.lay(garment, &worn.laying);
    around::paint_torso(canvas, wardrobe, &worn, above, draw);
}

fn fill_of_top(sleeve: Sleeve, draw: &mut Stream) -> Fill {
    Fill {
        head: draw.between(0.32, 0.44),
        neck: draw.between(-0.02, 0.07),
        cut: draw.mixture(&[(0.9, (0.0, 0.0)), (0.1, (0.2, 1.0))]),
        below: draw.mixture(&[(0.85, (3.0, 15.0)), (0.15, (0.0, 3.0))]),
        narrow: match sleeve {
            Sleeve::Long => draw.between(0.7, 0.98),
            Sleeve::Short => draw.between(0.8, 1.05),
            Sleeve::None => draw.between(0.85, 1.1),
        },
        long_haired: 0.25,
    }
}

/// Finds the garment's size in the scene and the head's place.
fn put_on<'a>(garment: &'a Cutout, parts: Parts, fill: &Fill, draw: &mut Stream) -> (Worn<'a>, Head) {
    let height = (SCENE - fill.below) / (1.0 + fill.neck + fill.head * (1.0 - fill.cut));
    let scale = height / garment.frame.height();
    // Wide ones (a cape, a cropped top) are no wider than they are tall.
    let across = (scale * fill.narrow).min(height / garment.frame.width());
    let top = SCENE - fill.below - height;
    let middle = MIDDLE + draw.between(-3.0, 3.0);
    let map = Linear::new(
        at(across, scale),
        draw.between(-0.06, 0.06),
        draw.between(-0.02, 0.02),
    );
    let pivot = at(garment.frame.middle(), garment.frame.top as f32);
    let laying = Laying {
        bend: draw.between(-1.0, 1.0),
        ..Laying::new(at(middle, top), pivot, map)
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
        person: Person::any(fill.long_haired, draw),
    };
    (worn, head)
}

fn lower(p: Point, by: f32) -> Point {
    at(p.x, p.y + by)
}
