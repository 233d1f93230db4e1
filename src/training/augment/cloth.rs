//! Looking at a garment between its pixels.
//!
//! In: a cut-out garment, places in its picture. Out: how much of it is there, and its value. Never: a look beyond it.

use super::Picture;
use super::cutout::Cutout;
use super::plane::{Linear, Point, at};
use crate::domain::{INPUT_LEN, INPUT_SIDE};

/// A garment's values and mask with empty pixels around, so that no look between pixels leaves them.
pub(super) struct Cloth {
    covers: [f32; CLOTH_SIDE * CLOTH_SIDE],
    values: [f32; CLOTH_SIDE * CLOTH_SIDE],
}

impl Cloth {
    pub(super) fn new(garment: &Cutout) -> Self {
        let mut cloth = Self {
            covers: [0.0; CLOTH_SIDE * CLOTH_SIDE],
            values: [0.0; CLOTH_SIDE * CLOTH_SIDE],
        };
        for y in garment.frame.top..garment.frame.bottom {
            let begin = (y + CLOTH_BORDER) * CLOTH_SIDE + CLOTH_BORDER;
            let covers = &mut cloth.covers[begin..begin + INPUT_SIDE];
            let values = &mut cloth.values[begin..begin + INPUT_SIDE];
            let line = &garment.values[y * INPUT_SIDE..(y + 1) * INPUT_SIDE];
            for x in 0..INPUT_SIDE {
                let held = (garment.mask[y] >> x & 1) as i32 as f32;
                covers[x] = held;
                values[x] = held * line[x];
            }
        }
        cloth
    }

    /// Cover and value at a place of the garment's picture, between its pixels.
    #[inline]
    pub(super) fn look(&self, x: f32, y: f32) -> (f32, f32) {
        const SHIFT: f32 = CLOTH_BORDER as f32 - 0.5;
        const INNER: f32 = (CLOTH_SIDE - 2) as f32;
        const MASK: usize = CLOTH_SIDE * CLOTH_SIDE - 1;
        let (x, y) = (x + SHIFT, y + SHIFT);
        if !(x > 0.0 && x < INNER && y > 0.0 && y < INNER) {
            return (0.0, 0.0);
        }
        let (left, top) = (x as i32, y as i32);
        let (right, low) = (x - left as f32, y - top as f32);
        let here = top as usize * CLOTH_SIDE + left as usize;
        let places = [0, 1, CLOTH_SIDE, CLOTH_SIDE + 1].map(|step| (here + step) & MASK);
        let between = |of: &[f32; CLOTH_SIDE * CLOTH_SIDE]| {
            let upper = of[places[0]] + (of[places[1]] - of[places[0]]) * right;
            let lower = of[places[2]] + (of[places[3]] - of[places[2]]) * right;
            upper + (lower - upper) * low
        };
        let cover = between(&self.covers);
        if cover <= 0.0 {
            return (0.0, 0.0);
        }
        (cover, between(&self.values) / cover)
    }
}

const CLOTH_BORDER: usize = 2;

/// A power of two, so that an index is kept within by a mask.
const CLOTH_SIDE: usize = 32;

/// A picture of 28x28 moved about its middle by `map`, then by `aside`; black comes in.
pub(super) fn warp(pixels: &[u8; INPUT_LEN], map: Linear, aside: Point, out: &mut Picture) {
    const HALF: f32 = INPUT_SIDE as f32 / 2.0;
    let cloth = Cloth::new(&Cutout::whole(pixels));
    let back = map.inverse();
    for (y, row) in out.chunks_exact_mut(INPUT_SIDE).enumerate() {
        for (x, value) in row.iter_mut().enumerate() {
            let (across, down) = (x as f32 + 0.5 - HALF, y as f32 + 0.5 - HALF);
            let from = back.apply(at(across - aside.x, down - aside.y));
            let (cover, tone) = cloth.look(from.x + HALF, from.y + HALF);
            *value = cover * tone;
        }
    }
}
