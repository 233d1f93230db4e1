//! Things that are none of the ten classes, as a shop's folder might hold them.
//!
//! In: chance and the wardrobe. Out: a painted scene. Never: a whole garment of one of the ten classes.

mod clothing;
mod nothing;
mod small;

use super::Wardrobe;
use super::canvas::{Canvas, MIDDLE, Shape};
use super::cutout::Cutout;
use super::dye::{self, Dye};
use super::plane::{Point, at};
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
        Thing::Watch => small::watch(canvas, draw),
        Thing::Sunglasses => small::sunglasses(canvas, draw),
        Thing::Bottle => small::bottles(canvas, draw),
        Thing::Sticks => small::sticks(canvas, draw),
        Thing::Belt => small::belt(canvas, draw),
        Thing::Wallet => small::wallet(canvas, draw),
        Thing::Jewellery => small::jewellery(canvas, draw),
        Thing::Sock => clothing::socks(canvas, draw),
        Thing::Shorts => clothing::shorts(canvas, wardrobe, draw),
        Thing::Skirt => clothing::skirt(canvas, wardrobe, draw),
        Thing::Cap => clothing::cap(canvas, draw),
        Thing::Tie => clothing::tie(canvas, draw),
        Thing::Scarf => clothing::scarf(canvas, draw),
        Thing::Person => clothing::person(canvas, draw),
        Thing::Texture => nothing::texture(canvas, draw),
        Thing::Blobs => nothing::blobs(canvas, draw),
        Thing::Letters => nothing::letters(canvas, draw),
        Thing::Mosaic => nothing::mosaic(canvas, wardrobe, draw),
        Thing::Piece => nothing::piece(canvas, wardrobe, draw),
    }
}

/// A tone anywhere from pale to strong, more often strong.
fn any_tone(draw: &mut Stream) -> f32 {
    draw.mixture(&[(0.6, (0.6, 1.0)), (0.4, (0.15, 0.6))])
}

const CENTRE: Point = at(MIDDLE, MIDDLE);

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

/// What lies behind the point.
fn fraction(value: f32) -> f32 {
    let rest = value - value as i32 as f32;
    if rest < 0.0 { rest + 1.0 } else { rest }
}

/// A dyed garment of a class from the wardrobe.
fn borrow(wardrobe: &Wardrobe, class: usize, draw: &mut Stream) -> Option<Cutout> {
    let mut garment = Cutout::solid(wardrobe.take(class, draw)?);
    dye::dye(&mut garment, Dye::any(draw), draw);
    Some(garment)
}
