//! The first convolution, which sees one channel: its own loops, since nine values are too few for a matrix product.
//!
//! In: bordered grey images; weights by patch. Out: sums as `conv::forward` leaves them. Never: gradients (those of
//! `conv` serve any number of channels).

use multiversion::multiversion;

use super::conv::ConvShape;

/// Output channels done at once: their nine weights each, and the sums of two positions, fit the registers.
const GROUP: usize = 8;

/// Sums of one image; `input` is bordered, `by_patch` holds the weights as `[9][output channel]`.
pub fn forward(shape: ConvShape, input: &[f32], by_patch: &[f32], sums: &mut [f32]) {
    assert_eq!(
        shape.inputs, 1,
        "the first convolution sees one channel: this is a bug"
    );
    if shape.outputs.is_multiple_of(GROUP) {
        forward_vectorised(shape, input, by_patch, sums);
    } else {
        forward_pieces::<1>(shape, input, by_patch, sums);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn forward_vectorised(shape: ConvShape, input: &[f32], by_patch: &[f32], sums: &mut [f32]) {
    forward_pieces::<GROUP>(shape, input, by_patch, sums);
}

#[inline(always)]
fn forward_pieces<const PIECE: usize>(shape: ConvShape, input: &[f32], by_patch: &[f32], sums: &mut [f32]) {
    let (padded, used, outputs) = (shape.padded_side(), shape.used_side(), shape.outputs);
    for first in (0..outputs).step_by(PIECE) {
        let mut weights = [[0.0; PIECE]; 9];
        for (tap, weights) in weights.iter_mut().enumerate() {
            weights.copy_from_slice(&by_patch[tap * outputs + first..][..PIECE]);
        }
        for row in 0..used {
            let above = &input[row * padded..][..padded];
            let level = &input[(row + 1) * padded..][..padded];
            let below = &input[(row + 2) * padded..][..padded];
            let out = &mut sums[row * used * outputs..][..used * outputs];
            for column in 0..used {
                let window = [
                    above[column],
                    above[column + 1],
                    above[column + 2],
                    level[column],
                    level[column + 1],
                    level[column + 2],
                    below[column],
                    below[column + 1],
                    below[column + 2],
                ];
                let mut sum = [0.0; PIECE];
                for tap in 0..9 {
                    for lane in 0..PIECE {
                        sum[lane] += window[tap] * weights[tap][lane];
                    }
                }
                out[column * outputs + first..][..PIECE].copy_from_slice(&sum);
            }
        }
    }
}
