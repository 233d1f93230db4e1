//! What a lamp, a camera and a JPEG do to a whole picture.
//!
//! In: a picture. Out: the same with other values, 0..=1. Never: another outline.

use super::Picture;
use super::plane::whole;
use crate::domain::{INPUT_LEN, INPUT_SIDE};
use crate::training::network::random::Stream;

/// What a lamp, a camera and a JPEG do, and then what preprocessing does about it.
pub(super) fn develop(picture: &mut Picture, draw: &mut Stream) {
    if draw.chance(0.35) {
        light(picture, draw);
    }
    if draw.chance(0.5) {
        bend_tones(picture, draw);
    }
    let softness = draw.mixture(&[(0.35, (0.0, 0.02)), (0.3, (0.02, 0.18)), (0.35, (-0.12, 0.0))]);
    soften(picture, softness);
    if draw.chance(0.15) {
        block(picture, draw);
    }
    stretch(picture);
    if draw.chance(0.45) {
        let depth = draw.between(0.005, 0.05);
        grain(picture, depth, draw);
    }
}

/// Slight changes of a photo that is prepared already.
pub(super) fn retouch(picture: &mut Picture, draw: &mut Stream) {
    if draw.chance(0.5) {
        bend_tones(picture, draw);
    }
    if draw.chance(0.3) {
        soften(picture, draw.between(-0.08, 0.15));
    }
    if draw.chance(0.4) {
        let depth = draw.between(0.005, 0.04);
        grain(picture, depth, draw);
    }
}

/// Light from one side.
fn light(picture: &mut Picture, draw: &mut Stream) {
    let (across, down) = (draw.between(-0.35, 0.35), draw.between(-0.35, 0.35));
    for (index, value) in picture.iter_mut().enumerate() {
        let x = (index % INPUT_SIDE) as f32 / INPUT_SIDE as f32 - 0.5;
        let y = (index / INPUT_SIDE) as f32 / INPUT_SIDE as f32 - 0.5;
        *value = (*value * (1.0 + across * x + down * y)).min(1.0);
    }
}

/// A gamma by arithmetic alone (Schlick's bias curve, 1994): 0 and 1 stay, what lies between moves up or down.
fn bend_tones(picture: &mut Picture, draw: &mut Stream) {
    let bias = draw.between(-0.45, 0.8);
    for value in picture {
        *value = *value * (1.0 + bias) / (1.0 + bias * *value);
    }
}

/// Blurs with the neighbours' `share` each, along and down; below 0 it sharpens.
pub(super) fn soften(picture: &mut Picture, share: f32) {
    let kept = 1.0 - 2.0 * share;
    for row in picture.chunks_exact_mut(INPUT_SIDE) {
        let mut before = row[0];
        for x in 0..INPUT_SIDE {
            let (value, next) = (row[x], row[(x + 1).min(INPUT_SIDE - 1)]);
            row[x] = kept * value + share * (before + next);
            before = value;
        }
    }
    let mut before = [0.0f32; INPUT_SIDE];
    before.copy_from_slice(&picture[..INPUT_SIDE]);
    for y in 0..INPUT_SIDE {
        let next = (y + 1).min(INPUT_SIDE - 1) * INPUT_SIDE;
        for x in 0..INPUT_SIDE {
            let value = picture[y * INPUT_SIDE + x];
            picture[y * INPUT_SIDE + x] =
                (kept * value + share * (before[x] + picture[next + x])).clamp(0.0, 1.0);
            before[x] = value;
        }
    }
}

/// Coarse steps of what is fine within blocks: a JPEG's 8x8 of 80 rows are 3x3 of 28.
fn block(picture: &mut Picture, draw: &mut Stream) {
    const BLOCK: usize = 3;
    let step = draw.between(0.05, 0.2);
    let mut top = 0;
    while top < INPUT_SIDE {
        let mut left = 0;
        while left < INPUT_SIDE {
            let rows = top..(top + BLOCK).min(INPUT_SIDE);
            let columns = left..(left + BLOCK).min(INPUT_SIDE);
            let places = || {
                rows.clone()
                    .flat_map(|y| columns.clone().map(move |x| y * INPUT_SIDE + x))
            };
            let mean = places().map(|place| picture[place]).sum::<f32>() / places().count() as f32;
            for place in places() {
                let steps = whole((picture[place] - mean) / step + 20.5) - 20.0;
                picture[place] = (mean + steps * step).clamp(0.0, 1.0);
            }
            left += BLOCK;
        }
        top += BLOCK;
    }
}

/// Up to the full range, at most fourfold, half a percent clipped: as preprocessing does it.
pub(super) fn stretch(picture: &mut Picture) {
    const LEVELS: usize = 64;
    const LOWEST_PEAK: f32 = 0.25;
    let mut counts = [0usize; LEVELS + 1];
    for &value in picture.iter() {
        counts[(value * LEVELS as f32) as i32 as usize] += 1;
    }
    let mut brighter = 0;
    let level = counts.iter().rposition(|count| {
        brighter += count;
        brighter > INPUT_LEN / 200
    });
    let peak = ((level.unwrap_or(0) as f32 + 0.5) / LEVELS as f32).clamp(LOWEST_PEAK, 1.0);
    let gain = 1.0 / peak;
    for value in picture {
        *value = (*value * gain).min(1.0);
    }
}

/// Noise of a camera; half as much where there is nothing.
pub(super) fn grain(picture: &mut Picture, depth: f32, draw: &mut Stream) {
    const TO_UNIT: f32 = 1.0 / 65_536.0;
    for pair in picture.chunks_exact_mut(2) {
        let number = draw.next_u64();
        for (index, value) in pair.iter_mut().enumerate() {
            let half = |shift: u32| ((number >> shift) & 0xFFFF) as f32 * TO_UNIT;
            let noise = (half(index as u32 * 32) + half(index as u32 * 32 + 16) - 1.0) * depth;
            let noise = if *value < 0.02 { 0.5 * noise } else { noise };
            *value = (*value + noise).clamp(0.0, 1.0);
        }
    }
}
