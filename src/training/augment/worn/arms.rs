//! What the arms of a person with a garment do.
//!
//! In: a garment that is put on. Out: two painted arms, with sleeves where the garment's own were taken away. Never: a
//! garment.

use super::Worn;
use crate::training::augment::canvas::Canvas;
use crate::training::augment::cutout::Sleeve;
use crate::training::augment::person::{self, Arm};
use crate::training::augment::plane::{Point, at};
use crate::training::network::random::Stream;

/// What a person does with the hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::training::augment) enum Hands {
    Hanging,
    OnHip,
    InPocket,
    Raised,
    Hidden,
}

impl Hands {
    #[cfg(test)]
    pub(in crate::training::augment) const COUNT: usize = 5;

    /// As shops have them: most hang.
    pub(in crate::training::augment) fn any(draw: &mut Stream) -> Self {
        draw.choose(&[
            (0.76, Hands::Hanging),
            (0.08, Hands::OnHip),
            (0.09, Hands::InPocket),
            (0.04, Hands::Raised),
            (0.03, Hands::Hidden),
        ])
    }
}

/// The two arms of a person.
pub(super) struct Arms {
    arms: [Option<Arm>; 2],
    /// Whether they are painted over the garment.
    are_before: bool,
}

impl Arms {
    /// `sleeve` is the tone of new sleeves, for a garment whose own were taken away.
    pub(super) fn any(worn: &Worn, sleeve: Option<f32>, draw: &mut Stream) -> Self {
        let thick = draw.between(0.05, 0.075) * worn.height;
        let look = Look {
            thick: thick * if sleeve.is_some() { 1.3 } else { 1.0 },
            skin: (worn.person.skin * draw.between(0.9, 1.3)).clamp(0.08, 1.0),
            sleeve,
        };
        let pose = Hands::any(draw);
        let arms = [-1.0, 1.0].map(|side| {
            // One hand in three hangs whatever the other does.
            let hands = if draw.chance(0.3) { Hands::Hanging } else { pose };
            arm(worn, side, hands, &look, draw)
        });
        Self {
            arms,
            are_before: sleeve.is_some() || draw.chance(0.15),
        }
    }

    /// Paints those that the garment may hide.
    pub(super) fn paint_behind(&self, canvas: &mut Canvas, worn: &Worn) {
        if !self.are_before {
            self.paint(canvas, worn);
        }
    }

    /// Paints those that nothing hides.
    pub(super) fn paint_before(&self, canvas: &mut Canvas, worn: &Worn) {
        if self.are_before {
            self.paint(canvas, worn);
        }
    }

    fn paint(&self, canvas: &mut Canvas, worn: &Worn) {
        for arm in self.arms.iter().flatten() {
            person::paint_arm(canvas, arm, worn.person.shade);
        }
    }
}

/// What both arms have in common.
struct Look {
    thick: f32,
    skin: f32,
    sleeve: Option<f32>,
}

/// One arm: from where the sleeve ends (or from the shoulder) to the hand.
fn arm(worn: &Worn, side: f32, hands: Hands, look: &Look, draw: &mut Stream) -> Option<Arm> {
    let Look { thick, skin, sleeve } = *look;
    let shoulder = begin_of_arm(worn, side, look)?;
    if worn.parts.sleeve == Sleeve::Long && sleeve.is_none() {
        // Sleeves of its own: only the hand is left to be seen.
        let hand = at(shoulder.x, shoulder.y + draw.between(0.03, 0.1) * worn.height);
        return (hands != Hands::Hidden).then_some(Arm {
            shoulder,
            elbow: shoulder,
            hand,
            thick: thick * 0.8,
            upper: skin,
            lower: skin,
            palm: Some(skin),
        });
    }
    let (elbow, hand) = elbow_and_hand(worn, side, hands, thick, draw)?;
    let are_rolled_up = draw.chance(0.12);
    Some(Arm {
        shoulder,
        elbow,
        hand,
        thick,
        upper: sleeve.unwrap_or(skin),
        lower: sleeve.filter(|_| !are_rolled_up).unwrap_or(skin),
        palm: (hands != Hands::InPocket).then_some(skin),
    })
}

/// The shoulder, or the end of the garment's own sleeve.
fn begin_of_arm(worn: &Worn, side: f32, look: &Look) -> Option<Point> {
    if look.sleeve.is_some() || worn.parts.sleeve == Sleeve::None {
        let (top, torso) = (worn.top(), worn.half_torso());
        let aside = (torso - 0.4 * look.thick).max(0.0);
        return Some(at(top.x + side * aside, top.y + 0.13 * worn.height));
    }
    let row = worn.parts.cuff;
    let (left, right) = worn.garment.span(row)?;
    let edge = if side < 0.0 { left } else { right };
    let cuff = worn.laying.place_of(at(edge as f32, row as f32));
    Some(at(cuff.x - side * look.thick, cuff.y))
}

/// `None` for an arm that is not to be seen.
fn elbow_and_hand(
    worn: &Worn,
    side: f32,
    hands: Hands,
    thick: f32,
    draw: &mut Stream,
) -> Option<(Point, Point)> {
    let (height, top, torso) = (worn.height, worn.top(), worn.half_torso());
    let out = torso + thick * draw.between(0.1, 1.0);
    // Places: to the side, and down from the garment's upper edge, in shares of its height.
    let place = |aside: f32, down: f32| at(top.x + side * aside, top.y + down * height);
    Some(match hands {
        Hands::Hidden => return None,
        Hands::Hanging => (
            place(out, draw.between(0.5, 0.6)),
            place(out * draw.between(0.9, 1.15), draw.between(0.88, 1.15)),
        ),
        Hands::OnHip => (
            place(torso + draw.between(0.15, 0.28) * height, draw.between(0.45, 0.6)),
            place(torso * draw.between(0.6, 1.0), draw.between(0.72, 0.9)),
        ),
        Hands::InPocket => (
            place(out * 1.15, draw.between(0.5, 0.62)),
            place(torso * draw.between(0.7, 1.0), 1.0),
        ),
        Hands::Raised => (
            place(torso + draw.between(0.1, 0.25) * height, draw.between(0.1, 0.4)),
            place(draw.between(0.1, 0.3) * height, -draw.between(0.1, 0.3)),
        ),
    })
}
