//! 2x2 max-pooling (stride 2), then bias and ReLU.
//!
//! In: a convolution's sums of one image. Out: the block's output, and which position won each pool. Never: dropout
//! (see `random::drop_out`), gradients (the winners are read by `conv::list_active`).
//!
//! The bias is the same for all four positions of a pool and ReLU never turns an order round, so that both may come
//! after the maximum and cost a quarter.

use multiversion::multiversion;

/// Where an image's pooled output goes.
#[derive(Debug)]
pub struct PooledTarget<'a> {
    /// Output from its first value on.
    pub values: &'a mut [f32],
    /// Distance between two rows of it.
    pub row_stride: usize,
    /// Which of the four positions was the maximum (the first of equals): 0, 1 above, 2, 3 below;
    /// `[row][column][channel]`.
    pub winners: &'a mut [u8],
}

/// Pools the sums `[2*side][2*side][channel]` of one image to `side` x `side`; there are as many channels as biases.
pub fn forward(side: usize, sums: &[f32], biases: &[f32], target: PooledTarget) {
    match biases.len() {
        32 => forward_vectorised::<32>(side, sums, biases, target),
        64 => forward_vectorised::<64>(side, sums, biases, target),
        128 => forward_vectorised::<128>(side, sums, biases, target),
        _ => forward_of_any(side, sums, biases, target),
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn forward_vectorised<const CHANNELS: usize>(
    side: usize,
    sums: &[f32],
    biases: &[f32],
    target: PooledTarget,
) {
    pool(side, sums, &biases[..CHANNELS], target);
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn forward_of_any(side: usize, sums: &[f32], biases: &[f32], target: PooledTarget) {
    pool(side, sums, biases, target);
}

#[inline(always)]
fn pool(side: usize, sums: &[f32], biases: &[f32], target: PooledTarget) {
    let channels = biases.len();
    let row_len = 2 * side * channels;
    for row in 0..side {
        let (upper, lower) = sums[2 * row * row_len..][..2 * row_len].split_at(row_len);
        for column in 0..side {
            let (a, b) = upper[2 * column * channels..][..2 * channels].split_at(channels);
            let (c, d) = lower[2 * column * channels..][..2 * channels].split_at(channels);
            let values = &mut target.values[row * target.row_stride + column * channels..][..channels];
            let winners = &mut target.winners[(row * side + column) * channels..][..channels];
            for channel in 0..channels {
                let (mut best, mut winner) = (a[channel], 0u32);
                (best, winner) = if b[channel] > best {
                    (b[channel], 1)
                } else {
                    (best, winner)
                };
                (best, winner) = if c[channel] > best {
                    (c[channel], 2)
                } else {
                    (best, winner)
                };
                (best, winner) = if d[channel] > best {
                    (d[channel], 3)
                } else {
                    (best, winner)
                };
                let sum = best + biases[channel];
                values[channel] = if sum > 0.0 { sum } else { 0.0 };
                winners[channel] = winner as u8;
            }
        }
    }
}
