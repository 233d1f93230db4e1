//! Activations as planes, and their pooling.
//!
//! In: planes. Out: planes, half as wide. Never: allocation, threads.
//!
//! A tensor is `[channel][place]`: a channel's images lie behind one another, row after row, with one zero column behind
//! each row and one zero row between images. So each of the nine taps of a 3x3 window is the same plane, shifted, and a
//! convolution (see `convolver`) reads it in place. What it leaves on the zeros between rows means nothing and is cleared
//! by the mask when the next layer is written.

use multiversion::multiversion;

/// Where the pixels of some images lie in a plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Rows and columns of an image.
    pub side: usize,
    /// How many images there are.
    pub images: usize,
}

/// Values that loops take at a time; planes are a multiple of it long.
pub const LANES: usize = 16;

impl Grid {
    /// From one row to the next.
    pub fn row_stride(self) -> usize {
        self.side + 1
    }

    /// From one image to the next.
    pub fn image_stride(self) -> usize {
        (self.side + 1) * self.row_stride()
    }

    /// Place of the first pixel: a zero row and a zero column stand before it.
    pub fn first(self) -> usize {
        self.row_stride() + 1
    }

    /// Place of the first pixel of a row.
    pub fn row(self, image: usize, row: usize) -> usize {
        self.first() + image * self.image_stride() + row * self.row_stride()
    }

    /// Values of one plane.
    pub fn plane_len(self) -> usize {
        (2 * self.first() + self.images * self.image_stride()).next_multiple_of(LANES)
    }

    /// How many of them are pixels.
    pub fn pixels(self) -> usize {
        self.images * self.side * self.side
    }

    /// 1 where a pixel is, 0 elsewhere.
    pub fn mask(self) -> Vec<f32> {
        let mut mask = vec![0.0; self.plane_len()];
        for image in 0..self.images {
            for row in 0..self.side {
                mask[self.row(image, row)..][..self.side].fill(1.0);
            }
        }
        mask
    }
}

/// Pools 2x2, channel by channel; `winners` are 0..4, `[channel][image][row][column]`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
pub fn pool(from: Grid, to: Grid, values: &[f32], pooled: &mut [f32], winners: &mut [u8]) {
    let side = to.side;
    for ((values, pooled), winners) in values
        .chunks_exact(from.plane_len())
        .zip(pooled.chunks_exact_mut(to.plane_len()))
        .zip(winners.chunks_exact_mut(to.pixels()))
    {
        for (index, winners) in winners.chunks_exact_mut(side).enumerate() {
            let (image, row) = (index / side, index % side);
            let upper = &values[from.row(image, 2 * row)..][..2 * side];
            let lower = &values[from.row(image, 2 * row + 1)..][..2 * side];
            let pooled = &mut pooled[to.row(image, row)..][..side];
            for column in 0..side {
                let four = [
                    upper[2 * column],
                    upper[2 * column + 1],
                    lower[2 * column],
                    lower[2 * column + 1],
                ];
                let (mut greatest, mut winner) = (four[0], 0u8);
                for (number, &value) in four.iter().enumerate().skip(1) {
                    if value > greatest {
                        (greatest, winner) = (value, number as u8);
                    }
                }
                pooled[column] = greatest;
                winners[column] = winner;
            }
        }
    }
}

/// The gradient of what was pooled: all zero but at the winners.
pub fn unpool(from: Grid, to: Grid, pooled: &[f32], winners: &[u8], gradient: &mut [f32]) {
    let side = to.side;
    gradient.fill(0.0);
    for ((gradient, pooled), winners) in gradient
        .chunks_exact_mut(from.plane_len())
        .zip(pooled.chunks_exact(to.plane_len()))
        .zip(winners.chunks_exact(to.pixels()))
    {
        for (index, winners) in winners.chunks_exact(side).enumerate() {
            let (image, row) = (index / side, index % side);
            let pooled = &pooled[to.row(image, row)..][..side];
            let first = from.row(image, 2 * row);
            for (column, (&winner, &value)) in winners.iter().zip(pooled).enumerate() {
                let winner = usize::from(winner);
                gradient[first + (winner / 2) * from.row_stride() + 2 * column + winner % 2] = value;
            }
        }
    }
}
