//! Activations as planes, and their pooling.
//!
//! In: planes. Out: planes, half as wide. Never: allocation, threads.
//!
//! A tensor is `[channel][row][column][image]`: the same pixel of all images lies together. So whatever is done to one image is
//! done to a register full of them, a convolution (see `convolver`) reads its input in place, and a tap that lies outside
//! the image is left out instead of multiplied by zero. Behind the last image there may be room that holds none; there
//! everything stays zero.

use multiversion::multiversion;

/// Where the pixels of some images lie in a plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Rows and columns of an image.
    pub side: usize,
    /// How many images there are.
    pub images: usize,
}

/// Images that loops take at a time: two of the widest registers.
pub const LANES: usize = 32;

impl Grid {
    /// Room for images: a multiple of `LANES`.
    pub fn slots(self) -> usize {
        self.images.next_multiple_of(LANES)
    }

    /// Place of a pixel of the first image; those of the others lie behind it.
    pub fn place(self, row: usize, column: usize) -> usize {
        (row * self.side + column) * self.slots()
    }

    /// Values of a row of all images.
    pub fn row_len(self) -> usize {
        self.side * self.slots()
    }

    /// Values of one plane.
    pub fn plane_len(self) -> usize {
        self.side * self.side * self.slots()
    }

    /// How many of them are pixels.
    pub fn pixels(self) -> usize {
        self.images * self.side * self.side
    }

    /// 1 where a slot holds an image, 0 elsewhere.
    pub fn mask(self) -> Vec<f32> {
        let mut mask = vec![0.0; self.slots()];
        mask[..self.images].fill(1.0);
        mask
    }
}

/// Pools 2x2, channel by channel; `winners` are 0..4, a plane's worth for each plane.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
pub fn pool(from: Grid, to: Grid, values: &[f32], pooled: &mut [f32], winners: &mut [u8]) {
    let slots = to.slots();
    for ((values, pooled), winners) in values
        .chunks_exact(from.plane_len())
        .zip(pooled.chunks_exact_mut(to.plane_len()))
        .zip(winners.chunks_exact_mut(to.plane_len()))
    {
        let pixels = pooled
            .chunks_exact_mut(slots)
            .zip(winners.chunks_exact_mut(slots));
        for (pixel, (pooled, winners)) in pixels.enumerate() {
            for (number, place) in four(from, to, pixel).into_iter().enumerate() {
                let values = &values[place..][..slots];
                if number == 0 {
                    pooled.copy_from_slice(values);
                    winners.fill(0);
                    continue;
                }
                for ((pooled, winner), &value) in pooled.iter_mut().zip(winners.iter_mut()).zip(values) {
                    let is_greater = value > *pooled;
                    *pooled = if is_greater { value } else { *pooled };
                    *winner = if is_greater { number as u8 } else { *winner };
                }
            }
        }
    }
}

/// The gradient of what ReLU saw, from that of what was pooled behind it: all zero but at the winners, and there, too, where
/// what was pooled is not above zero.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
pub fn unpool(
    from: Grid,
    to: Grid,
    pooled_gradient: &[f32],
    (pooled, winners): (&[f32], &[u8]),
    gradient: &mut [f32],
) {
    let slots = to.slots();
    if !from.side.is_multiple_of(2) {
        // The last row and column have not been pooled.
        gradient.fill(0.0);
    }
    for (((gradient, pooled_gradient), pooled), winners) in gradient
        .chunks_exact_mut(from.plane_len())
        .zip(pooled_gradient.chunks_exact(to.plane_len()))
        .zip(pooled.chunks_exact(to.plane_len()))
        .zip(winners.chunks_exact(to.plane_len()))
    {
        let pixels = pooled_gradient
            .chunks_exact(slots)
            .zip(pooled.chunks_exact(slots))
            .zip(winners.chunks_exact(slots));
        for (pixel, ((pooled_gradient, pooled), winners)) in pixels.enumerate() {
            for (number, place) in four(from, to, pixel).into_iter().enumerate() {
                let gradient = &mut gradient[place..][..slots];
                for (((gradient, &value), &pooled), &winner) in
                    gradient.iter_mut().zip(pooled_gradient).zip(pooled).zip(winners)
                {
                    let passes = winner == number as u8 && pooled > 0.0;
                    *gradient = if passes { value } else { 0.0 };
                }
            }
        }
    }
}

/// Places of the four pixels that are pooled into one.
fn four(from: Grid, to: Grid, pixel: usize) -> [usize; 4] {
    let (row, column) = (pixel / to.side, pixel % to.side);
    [0, 1, 2, 3].map(|number| from.place(2 * row + number / 2, 2 * column + number % 2))
}
