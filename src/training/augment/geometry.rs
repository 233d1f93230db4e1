//! What is done to finished pictures of 28x28: flips, shifts, erasing.
//!
//! In: a picture. Out: the same, changed in place. Never: other tones.

use super::Picture;
use crate::domain::{INPUT_LEN, INPUT_SIDE};
use crate::training::network::random::Stream;

/// Left becomes right.
pub(super) fn flip(picture: &mut Picture) {
    for row in picture.chunks_exact_mut(INPUT_SIDE) {
        row.reverse();
    }
}

/// Moves the picture; what leaves it is lost, what comes in is black.
pub(super) fn shift(picture: &mut Picture, right: i32, down: i32) {
    let from = *picture;
    *picture = [0.0; INPUT_LEN];
    let side = INPUT_SIDE as i32;
    for y in 0.max(down)..side.min(side + down) {
        for x in 0.max(right)..side.min(side + right) {
            picture[(y * side + x) as usize] = from[((y - down) * side + x - right) as usize];
        }
    }
}

/// The largest part of a picture that is erased.
#[derive(Debug, Clone, Copy)]
pub(super) struct Erasing {
    pub smallest: f32,
    pub largest: f32,
}

/// Random erasing (Zhong et al. 2017): a rectangle of random size and aspect becomes noise.
pub(super) fn erase(picture: &mut Picture, erasing: Erasing, draw: &mut Stream) {
    let area = draw.between(erasing.smallest, erasing.largest) * INPUT_LEN as f32;
    let aspect = draw.between(0.3, 1.0);
    let (short, long) = ((area * aspect).sqrt(), (area / aspect).sqrt());
    let (width, height) = if draw.chance(0.5) {
        (short, long)
    } else {
        (long, short)
    };
    let edge = |length: f32| (length as usize).clamp(1, INPUT_SIDE);
    let (width, height) = (edge(width), edge(height));
    let left = draw.next_below((INPUT_SIDE - width + 1) as u32) as usize;
    let top = draw.next_below((INPUT_SIDE - height + 1) as u32) as usize;
    for y in top..top + height {
        for value in &mut picture[y * INPUT_SIDE + left..y * INPUT_SIDE + left + width] {
            *value = draw.next_unit();
        }
    }
}
