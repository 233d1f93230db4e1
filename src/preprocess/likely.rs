//! How likely each pixel is the garment's, where the background is not plain.
//!
//! In: a grey picture. Out: a likelihood for each pixel, smoothed. Never: a claim about what garments look like.
//!
//! Photos are taken of what is in their middle. So the looks (grey value and roughness of the surroundings) that are
//! common in the middle and rare along the border are the garment's. What the first round finds is where the second
//! one learns the looks from, instead of from middle and border (the idea of GrabCut, with histograms and no colour).

use multiversion::multiversion;

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
        self.raw.resize(picture.luma.len(), 0);
        let below = picture.luma.chunks_exact(width).skip(1);
        let last = picture.luma.chunks_exact(width).rev().take(1);
        let rows = picture.luma.chunks_exact(width).zip(below.chain(last));
        for (steps, (row, below)) in self.raw.chunks_exact_mut(width).zip(rows) {
            step_sizes(row, below, steps);
        }
        self.blur.apply(&self.raw, width, ROUGH_RADIUS, &mut self.smooth);
        self.looks.clear();
        self.looks.resize(picture.luma.len(), 0);
        looks(picture.luma, &self.smooth, &mut self.looks);
    }

    fn middle_and_border(&self, columns: &[f32], rows: &[f32]) -> Counts {
        let mut counts = [[0; LOOKS]; 2];
        for (looks, &v) in self.looks.chunks_exact(columns.len()).zip(rows) {
            // Columns run from one edge to the other: what holds for places near an edge, or near the middle, holds for a
            // stretch of them.
            let stretch = |is_outside: &dyn Fn(f32) -> bool| {
                let (left, right) = columns.split_at(columns.len() / 2);
                let begin = left.partition_point(|&u| is_outside(u));
                let end = left.len() + right.partition_point(|&u| !is_outside(u));
                begin..end
            };
            let inner = stretch(&|u| u.abs().max(v.abs()) > BORDER);
            let middle = stretch(&|u| u * u + v * v >= MIDDLE_SQUARED);
            count(&mut counts[0], &looks[..inner.start]);
            count(&mut counts[0], &looks[inner.end..]);
            count(&mut counts[1], &looks[middle]);
        }
        counts
    }

    fn garment_and_rest(&self) -> Counts {
        // Neighbours look alike: in turn, so that a count does not wait for the one before.
        let mut counts = [[[0u32; LOOKS]; 2]; 2];
        let (looks, last) = self.looks.as_chunks::<2>();
        let (likely, last_likely) = self.smooth.as_chunks::<2>();
        for (looks, likely) in looks.iter().zip(likely) {
            for ((counts, &look), &likely) in counts.iter_mut().zip(looks).zip(likely) {
                counts[usize::from(likely >= EVEN)][usize::from(look)] += 1;
            }
        }
        let [mut counts, others] = counts;
        for (&look, &likely) in last.iter().zip(last_likely) {
            counts[usize::from(likely >= EVEN)][usize::from(look)] += 1;
        }
        for (count, other) in counts.as_flattened_mut().iter_mut().zip(others.as_flattened()) {
            *count += other;
        }
        counts
    }

    /// From looks and places to likelihoods, by Bayes' rule.
    fn judge(&mut self, counts: &Counts, columns: &[f32], rows: &[f32]) {
        let table = likelihoods(&counts.each_ref().map(shares));
        let zone = |place: &f32| ((place * place * ZONES as f32) as usize).min(ZONES - 1) * LOOKS;
        let across: Vec<u16> = columns.iter().map(|u| zone(u) as u16).collect();
        let lines = self.raw.chunks_exact_mut(columns.len());
        for ((line, looks), v) in lines.zip(self.looks.chunks_exact(columns.len())).zip(rows) {
            let down = zone(v) as u16;
            for ((likely, &look), &across) in line.iter_mut().zip(looks).zip(&across) {
                *likely = table[usize::from(down.max(across)) + usize::from(look)];
            }
        }
    }
}

/// The likelihood of each look in each zone, from its shares around the garment and on it.
#[multiversion(targets("x86_64+avx2"))]
fn likelihoods(shares: &[[f32; LOOKS]; 2]) -> [u8; ZONES * LOOKS] {
    let mut table = [0; ZONES * LOOKS];
    for (zone, table) in table.as_chunks_mut::<LOOKS>().0.iter_mut().enumerate() {
        let prior = MIDDLE + (CORNER - MIDDLE) * (zone as f32 + 0.5) / ZONES as f32;
        for ((likely, around), on_it) in table.iter_mut().zip(&shares[0]).zip(&shares[1]) {
            let (for_it, against) = (on_it * prior, around * (1.0 - prior));
            *likely = (for_it / (for_it + against) * 255.0) as i32 as u8;
        }
    }
    table
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

fn count(counts: &mut [u32; LOOKS], looks: &[u8]) {
    for &look in looks {
        counts[usize::from(look)] += 1;
    }
}

/// How far each pixel is from its neighbours to the right and below; in the last column from the one below alone.
#[multiversion(targets("x86_64+avx2"))]
fn step_sizes(row: &[u8], below: &[u8], steps: &mut [u8]) {
    let across = row.iter().zip(&row[1..]);
    for ((step, (here, right)), below) in steps.iter_mut().zip(across).zip(below) {
        *step = here.abs_diff(*right).saturating_add(here.abs_diff(*below));
    }
    if let [.., last] = steps {
        let at = row.len() - 1;
        *last = row[at].abs_diff(below[at]);
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn looks(luma: &[u8], roughness: &[u8], looks: &mut [u8]) {
    for ((look, luma), &rough) in looks.iter_mut().zip(luma).zip(roughness) {
        let step: u8 = ROUGH_FROM.iter().map(|&from| u8::from(rough >= from)).sum();
        *look = step * GREYS as u8 + luma / (256 / GREYS) as u8;
    }
}

/// Means over squares.
#[derive(Debug, Default)]
struct Blur {
    columns: Vec<u16>,
    padded: Vec<u16>,
    sums: Vec<u16>,
}

impl Blur {
    /// Means over the squares of `2 * radius + 1` pixels, at most 15, around each; the edge goes on beyond itself.
    fn apply(&mut self, values: &[u8], width: usize, radius: usize, blurred: &mut Vec<u8>) {
        blurred.clear();
        blurred.resize(values.len(), 0);
        self.columns.clear();
        self.columns.resize(width, 0);
        self.padded.clear();
        self.padded.resize(width + 2 * radius, 0);
        self.sums.clear();
        self.sums.resize(width, 0);
        blur(self, values, radius, blurred);
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn blur(memory: &mut Blur, values: &[u8], radius: usize, blurred: &mut [u8]) {
    let Blur {
        columns,
        padded,
        sums,
    } = memory;
    let width = columns.len();
    let rows = values.len() / width;
    let row = |y: usize| &values[y.min(rows - 1) * width..][..width];
    let side = 2 * radius + 1;
    // At most 255 * 2^24 and a little less than 2^24 with the largest sum there is.
    let inverse = (1 << 24) / (side * side) as u32 + 1;
    for y in 0..side {
        for (sum, &value) in columns.iter_mut().zip(row(y.saturating_sub(radius))) {
            *sum += u16::from(value);
        }
    }
    for (y, blurred) in blurred.chunks_exact_mut(width).enumerate() {
        // The first and the last column are repeated beyond the edges.
        padded[..radius].fill(columns[0]);
        padded[radius..radius + width].copy_from_slice(columns);
        padded[radius + width..].fill(columns[width - 1]);
        sums.copy_from_slice(&padded[..width]);
        for shift in 1..side {
            for (sum, &value) in sums.iter_mut().zip(&padded[shift..]) {
                *sum += value;
            }
        }
        for (mean, &sum) in blurred.iter_mut().zip(&*sums) {
            *mean = ((u32::from(sum) * inverse) >> 24) as u8;
        }
        let (new, old) = (row(y + radius + 1), row(y.saturating_sub(radius)));
        for ((sum, &new), &old) in columns.iter_mut().zip(new).zip(old) {
            *sum = *sum + u16::from(new) - u16::from(old);
        }
    }
}
