//! How likely each pixel is the garment's, where the background is not plain.
//!
//! In: a grey picture. Out: a likelihood for each pixel, smoothed. Never: a claim about what garments look like.
//!
//! Photos are taken of what is in their middle. So the looks (grey value and roughness of the surroundings) that are
//! common in the middle and rare along the border are the garment's. What the first round finds is where the second
//! one learns the looks from, instead of from middle and border (the idea of GrabCut, with histograms and no colour).

use super::reduce::Grey;

/// Steps of grey that are told apart.
const GREYS: usize = 32;
/// Steps of roughness that are told apart, and from which mean difference of neighbours on.
const ROUGH_FROM: [u8; 3] = [6, 14, 30];
/// Looks.
const LOOKS: usize = GREYS * (ROUGH_FROM.len() + 1);
/// Pixels around one that say how rough it is there.
const ROUGH_RADIUS: usize = 2;
/// Zones from the middle to the border.
const ZONES: usize = 16;
/// How likely a pixel in the middle and one in a corner is the garment's, before any look.
const MIDDLE: f32 = 0.6;
const CORNER: f32 = 0.3;
/// Where the border begins, and where the middle ends (squared), on the way from the centre (0) to the edge (1).
const BORDER: f32 = 0.86;
const MIDDLE_SQUARED: f32 = 0.36;
/// Share that every look has at least: a look that was never seen proves nothing.
const LEAST_SHARE: f32 = 0.002;
/// How often the looks are learned.
const ROUNDS: usize = 2;
/// Likelihoods are smoothed over squares of this part of the picture's longer edge, to each side.
const SMOOTH: usize = 40;
/// From this likelihood on a pixel helps to learn the garment's looks.
const EVEN: u8 = 128;

/// How often each look is there: around the garment, and on it.
type Counts = [[u32; LOOKS]; 2];

/// Memory to work in.
#[derive(Debug, Default)]
pub(super) struct Likelihood {
    looks: Vec<u8>,
    raw: Vec<u8>,
    smooth: Vec<u8>,
    blur: Blur,
}

impl Likelihood {
    /// One value a pixel, 0 (background) to 255 (garment).
    pub(super) fn of(&mut self, picture: Grey) -> &[u8] {
        let (width, height) = (picture.width as usize, picture.height as usize);
        let (columns, rows) = (centred(width), centred(height));
        self.see(picture);
        let mut counts = self.middle_and_border(&columns, &rows);
        let radius = (width.max(height) / SMOOTH).max(1);
        for round in 0..ROUNDS {
            if round > 0 {
                counts = self.garment_and_rest();
            }
            self.judge(&counts, &columns, &rows);
            // Twice over squares is nearly a bell.
            self.blur.apply(&self.raw, width, radius, &mut self.smooth);
            self.blur.apply(&self.smooth, width, radius, &mut self.raw);
            std::mem::swap(&mut self.raw, &mut self.smooth);
        }
        &self.smooth
    }

    /// Every pixel's look.
    fn see(&mut self, picture: Grey) {
        let width = picture.width as usize;
        self.raw.clear();
        let mut rows = picture.luma.chunks_exact(width).peekable();
        while let Some(row) = rows.next() {
            let below = rows.peek().copied().unwrap_or(row);
            let right = row[1..].iter().chain(&row[width - 1..]);
            let here = row.iter().zip(right).zip(below);
            self.raw.extend(
                here.map(|((&here, &right), &below)| {
                    here.abs_diff(right).saturating_add(here.abs_diff(below))
                }),
            );
        }
        self.blur.apply(&self.raw, width, ROUGH_RADIUS, &mut self.smooth);
        self.looks.clear();
        self.looks
            .extend(picture.luma.iter().zip(&self.smooth).map(|(&luma, &rough)| {
                let step: u8 = ROUGH_FROM.iter().map(|&from| u8::from(rough >= from)).sum();
                step * GREYS as u8 + luma / (256 / GREYS) as u8
            }));
    }

    fn middle_and_border(&self, columns: &[f32], rows: &[f32]) -> Counts {
        let mut counts = [[0; LOOKS]; 2];
        for (looks, &v) in self.looks.chunks_exact(columns.len()).zip(rows) {
            for (&look, &u) in looks.iter().zip(columns) {
                if u.abs().max(v.abs()) > BORDER {
                    counts[0][usize::from(look)] += 1;
                } else if u * u + v * v < MIDDLE_SQUARED {
                    counts[1][usize::from(look)] += 1;
                }
            }
        }
        counts
    }

    fn garment_and_rest(&self) -> Counts {
        let mut counts = [[0; LOOKS]; 2];
        for (&look, &likely) in self.looks.iter().zip(&self.smooth) {
            counts[usize::from(likely >= EVEN)][usize::from(look)] += 1;
        }
        counts
    }

    /// From looks and places to likelihoods, by Bayes' rule.
    fn judge(&mut self, counts: &Counts, columns: &[f32], rows: &[f32]) {
        let shares = counts.each_ref().map(shares);
        let mut table = [[0u8; LOOKS]; ZONES];
        for (zone, table) in table.iter_mut().enumerate() {
            let prior = MIDDLE + (CORNER - MIDDLE) * (zone as f32 + 0.5) / ZONES as f32;
            for (look, likely) in table.iter_mut().enumerate() {
                let (for_it, against) = (shares[1][look] * prior, shares[0][look] * (1.0 - prior));
                *likely = (for_it / (for_it + against) * 255.0) as u8;
            }
        }
        let zone = |place: &f32| ((place * place * ZONES as f32) as usize).min(ZONES - 1);
        let across: Vec<usize> = columns.iter().map(zone).collect();
        self.raw.clear();
        for (looks, v) in self.looks.chunks_exact(columns.len()).zip(rows) {
            let down = zone(v);
            let line = looks.iter().zip(&across);
            self.raw
                .extend(line.map(|(&look, &across)| table[down.max(across)][usize::from(look)]));
        }
    }
}

/// Places of pixels along an edge, -1 to 1.
fn centred(length: usize) -> Vec<f32> {
    (0..length)
        .map(|at| (2 * at + 1) as f32 / length as f32 - 1.0)
        .collect()
}

/// The share of each look, with its neighbours in grey counted half.
fn shares(counts: &[u32; LOOKS]) -> [f32; LOOKS] {
    let total = (4 * counts.iter().sum::<u32>()).max(1) as f32;
    std::array::from_fn(|look| {
        let grey = look % GREYS;
        let darker = look - usize::from(grey > 0);
        let brighter = look + usize::from(grey + 1 < GREYS);
        (2 * counts[look] + counts[darker] + counts[brighter]) as f32 / total + LEAST_SHARE
    })
}

/// Means over squares.
#[derive(Debug, Default)]
struct Blur {
    columns: Vec<u16>,
    padded: Vec<u16>,
}

impl Blur {
    /// Means over the squares of `2 * radius + 1` pixels, at most 15, around each; the edge goes on beyond itself.
    fn apply(&mut self, values: &[u8], width: usize, radius: usize, blurred: &mut Vec<u8>) {
        let rows = values.len() / width;
        let row = |y: usize| &values[y.min(rows - 1) * width..][..width];
        let side = 2 * radius + 1;
        let inverse = (1 << 24) / (side * side) as u32 + 1;
        self.columns.clear();
        self.columns.resize(width, 0);
        for y in 0..side {
            add(&mut self.columns, row(y.saturating_sub(radius)));
        }
        blurred.clear();
        for y in 0..rows {
            self.pad(radius);
            let begin = blurred.len();
            blurred.resize(begin + width, 0);
            let mut sums = self.padded[..width].to_vec();
            for shift in 1..side {
                for (sum, &value) in sums.iter_mut().zip(&self.padded[shift..]) {
                    *sum += value;
                }
            }
            for (mean, &sum) in blurred[begin..].iter_mut().zip(&sums) {
                *mean = ((u64::from(sum) * u64::from(inverse)) >> 24) as u8;
            }
            add(&mut self.columns, row(y + radius + 1));
            for (sum, &value) in self.columns.iter_mut().zip(row(y.saturating_sub(radius))) {
                *sum -= u16::from(value);
            }
        }
    }

    /// The columns' sums, with the first and the last one repeated beyond the edges.
    fn pad(&mut self, radius: usize) {
        self.padded.clear();
        let (first, last) = (self.columns[0], self.columns[self.columns.len() - 1]);
        self.padded.extend(std::iter::repeat_n(first, radius));
        self.padded.extend_from_slice(&self.columns);
        self.padded.extend(std::iter::repeat_n(last, radius));
    }
}

fn add(sums: &mut [u16], row: &[u8]) {
    for (sum, &value) in sums.iter_mut().zip(row) {
        *sum += u16::from(value);
    }
}
