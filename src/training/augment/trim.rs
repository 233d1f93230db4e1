//! What tells one kind of top from another: plackets, zips, ribbed hems, quilting, pockets.
//!
//! In: a cut-out garment. Out: the same with lines on it. Never: another outline.

use super::cutout::Cutout;
use super::dye::change;
use super::kind;
use crate::training::network::random::Stream;

/// Lines on a top. Fashion-MNIST's pictures have them, but seldom so that they survive half the size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trim {
    None,
    /// From the collar to the hem: buttons of a shirt, a coat's zip.
    Placket,
    /// From the collar to the chest: a polo shirt, a pullover's short zip.
    HalfPlacket,
    /// Hem and cuffs of another tone.
    Ribbing,
    /// Lines across, as of padded jackets.
    Quilting,
    /// A square on one side of the chest, and a placket.
    Pocket,
}

impl Trim {
    #[cfg(test)]
    pub(super) const COUNT: usize = 6;

    /// As often as tops of the class have it.
    pub(super) fn any(class: usize, draw: &mut Stream) -> Self {
        use Trim::*;
        match class {
            kind::T_SHIRT => draw.choose(&[(0.72, None), (0.28, HalfPlacket)]),
            kind::SHIRT => draw.choose(&[(0.35, None), (0.5, Placket), (0.15, Pocket)]),
            kind::PULLOVER => draw.choose(&[(0.5, None), (0.36, Ribbing), (0.14, HalfPlacket)]),
            kind::COAT => draw.choose(&[(0.35, None), (0.42, Placket), (0.18, Quilting), (0.05, Ribbing)]),
            _ => None,
        }
    }
}

/// Sews it on.
pub(super) fn sew(garment: &mut Cutout, trim: Trim, draw: &mut Stream) {
    let depth = draw.sign() * draw.between(0.1, 0.4);
    let frame = garment.frame;
    match trim {
        Trim::None => {}
        Trim::Placket => sew_placket(garment, 1.0, depth, draw),
        Trim::HalfPlacket => sew_placket(garment, draw.between(0.2, 0.35), depth, draw),
        Trim::Ribbing => {
            let parts = garment.parts();
            let (hem, cuff) = (frame.bottom.saturating_sub(2), parts.cuff.saturating_sub(1));
            let (left, right) = parts.torso;
            change(garment, |x, y, value| {
                let is_torso = (left..right).contains(&x);
                let is_end = if is_torso { y >= hem } else { y >= cuff };
                if is_end { value + depth } else { value }
            });
        }
        Trim::Quilting => {
            let (every, first) = (2 + draw.next_below(4) as usize, draw.next_below(3) as usize);
            change(garment, |_, y, value| {
                if (y + first).is_multiple_of(every) {
                    value + 0.7 * depth
                } else {
                    value
                }
            });
        }
        Trim::Pocket => {
            sew_placket(garment, 1.0, 0.7 * depth, draw);
            let left = (frame.middle() + draw.between(0.1, 0.16) * frame.width()) as usize;
            let top = frame.top + (draw.between(0.25, 0.35) * frame.height()) as usize;
            let (columns, rows) = (left..left + 4, top..top + 4);
            change(garment, |x, y, value| {
                let is_in = columns.contains(&x) && rows.contains(&y);
                if is_in { value + 0.6 * depth } else { value }
            });
        }
    }
}

/// A line down the middle, as far as this share of the height; half of them with buttons.
fn sew_placket(garment: &mut Cutout, share: f32, depth: f32, draw: &mut Stream) {
    let frame = garment.frame;
    let column = (frame.middle() + draw.between(-1.0, 1.0)) as usize;
    let wide = 1 + draw.next_below(2) as usize;
    let end = frame.top + (share * frame.height()) as usize;
    let every = if draw.chance(0.5) { 3 } else { 1 };
    change(garment, |x, y, value| {
        let is_in = (column..column + wide).contains(&x) && y < end;
        let strength = if y.is_multiple_of(every) { 1.0 } else { 0.4 };
        if is_in { value + strength * depth } else { value }
    });
}
