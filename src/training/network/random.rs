//! Randomness that can be named: every draw is a function of the seed and of what it is for.
//!
//! In: a seed, a purpose and the place of the draw (epoch, batch, image). Out: numbers that are the same on every
//! platform, with every number of threads and in every later version. Never: hidden state, clocks, other generators.
//!
//! Two published mixers are used: SplitMix64 (Steele, Lea and Flood 2014) for keys, shuffles and initial weights, and a
//! 32-bit multiply-xorshift hash of a counter ("lowbias32" constants, C. Wellons 2018) for dropout, which vectorises.

use multiversion::multiversion;

/// What a stream of numbers is for; streams of different purposes never share their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Initial weights of the layer with this number.
    Initial {
        /// Number of the layer among those that have weights, from 0.
        layer: u32,
    },
    /// Order of the training images in an epoch.
    Shuffle {
        /// Epoch, from 1.
        epoch: u32,
    },
    /// Which values of one image are dropped behind one layer.
    Dropout {
        /// Epoch, from 1.
        epoch: u32,
        /// Place of the image in the epoch's order, from 0.
        image: u32,
        /// Number of the layer among those with dropout, from 0.
        layer: u32,
    },
    /// Which pictures of a class are shown as samples.
    Sample {
        /// Number of the class, from 0.
        class: u32,
    },
    /// Which corrections are seen once more than others in an epoch.
    Corrections,
    /// What is done to one training picture.
    Augment {
        /// Epoch, from 1.
        epoch: u32,
        /// Place of the picture in the epoch's order, from 0.
        image: u32,
    },
}

/// A stream of 64-bit numbers (SplitMix64).
#[derive(Debug, Clone)]
pub struct Stream {
    state: u64,
}

impl Stream {
    /// The stream for this purpose under this seed.
    pub fn new(seed: u64, purpose: Purpose) -> Self {
        Self {
            state: key(seed, purpose),
        }
    }

    /// The next number, all 64 bits of it.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        mix(self.state)
    }

    /// Even in 0..1, 24 bits fine.
    pub fn next_unit(&mut self) -> f32 {
        (self.next_u64() >> 40) as f32 * (1.0 / (1u32 << 24) as f32)
    }

    /// Even in `0..bound`; the bias of the multiply-shift way is below 2^-32 for any bound that fits a data set.
    pub fn next_below(&mut self, bound: u32) -> u32 {
        let high = self.next_u64() >> 32;
        ((high * u64::from(bound)) >> 32) as u32
    }

    /// Even in `low..high`.
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.next_unit()
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f32) -> bool {
        self.next_unit() < probability
    }

    /// -1 or 1.
    pub fn sign(&mut self) -> f32 {
        if self.chance(0.5) { -1.0 } else { 1.0 }
    }

    /// One of `items`, which is not empty, each as likely as its weight.
    pub fn choose<T: Copy>(&mut self, items: &[(f32, T)]) -> T {
        let total: f32 = items.iter().map(|(weight, _)| weight).sum();
        let mut left = total * self.next_unit();
        for &(weight, item) in items {
            left -= weight;
            if left < 0.0 {
                return item;
            }
        }
        items[items.len() - 1].1
    }

    /// Even in one of several ranges, each as likely as its weight.
    pub fn mixture(&mut self, ranges: &[(f32, (f32, f32))]) -> f32 {
        let (low, high) = self.choose(ranges);
        self.between(low, high)
    }

    /// Puts `items` into a random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.next_below(last as u32 + 1) as usize;
            items.swap(last, other);
        }
    }
}

/// Drops values of one image behind one layer: each with probability `rate`, the others grow by 1/(1-rate).
///
/// `first` is the number of `values[0]` within the layer, so that a layer may be done in pieces.
pub fn drop_out(values: &mut [f32], first: usize, key: DropoutKey, rate: f32) {
    if rate > 0.0 {
        drop_out_vectorised(values, first as u32, key, rate);
    }
}

/// Names the dropout of one image behind one layer.
#[derive(Debug, Clone, Copy)]
pub struct DropoutKey(u64);

impl DropoutKey {
    /// The key for this purpose under this seed.
    pub fn new(seed: u64, purpose: Purpose) -> Self {
        Self(key(seed, purpose))
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn drop_out_vectorised(values: &mut [f32], first: u32, key: DropoutKey, rate: f32) {
    // 24 bits, so that the comparison is of small signed numbers, which every instruction set has.
    let threshold = (rate * (1u32 << 24) as f32) as i32;
    let scale = 1.0 / (1.0 - rate);
    let (low, high) = (key.0 as u32, (key.0 >> 32) as u32);
    for (index, value) in values.iter_mut().enumerate() {
        let mut hash = (first.wrapping_add(index as u32))
            .wrapping_mul(0x9E37_79B9)
            .wrapping_add(low);
        hash = (hash ^ (hash >> 16)).wrapping_mul(0x7FEB_352D);
        hash ^= high;
        hash = (hash ^ (hash >> 15)).wrapping_mul(0x846C_A68B);
        let draw = (hash >> 8) as i32;
        *value *= if draw >= threshold { scale } else { 0.0 };
    }
}

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn key(seed: u64, purpose: Purpose) -> u64 {
    let words = match purpose {
        Purpose::Initial { layer } => [1, layer, 0, 0],
        Purpose::Shuffle { epoch } => [2, epoch, 0, 0],
        Purpose::Dropout { epoch, image, layer } => [3, epoch, image, layer],
        Purpose::Sample { class } => [4, class, 0, 0],
        Purpose::Corrections => [5, 0, 0, 0],
        Purpose::Augment { epoch, image } => [6, epoch, image, 0],
    };
    words.iter().fold(mix(seed ^ GOLDEN), |state, &word| {
        mix(state.wrapping_add(GOLDEN) ^ u64::from(word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Weights of a seed must stay what they are in later versions: these numbers may never change.
    #[test]
    fn streams_are_stable() {
        let mut stream = Stream::new(7, Purpose::Shuffle { epoch: 1 });
        let mut order: Vec<u32> = (0..10).collect();
        stream.shuffle(&mut order);
        let mut sorted = order.clone();
        sorted.sort();
        assert_eq!(sorted, (0..10).collect::<Vec<_>>());
        assert_eq!(STABLE_ORDER, order.as_slice());
    }

    const STABLE_ORDER: &[u32] = &[8, 7, 2, 4, 9, 5, 0, 3, 1, 6];

    #[test]
    fn purposes_do_not_share_numbers() {
        let purposes = [
            Purpose::Initial { layer: 1 },
            Purpose::Shuffle { epoch: 1 },
            Purpose::Dropout {
                epoch: 1,
                image: 0,
                layer: 0,
            },
            Purpose::Dropout {
                epoch: 1,
                image: 1,
                layer: 0,
            },
            Purpose::Dropout {
                epoch: 1,
                image: 0,
                layer: 1,
            },
            Purpose::Augment { epoch: 1, image: 0 },
            Purpose::Augment { epoch: 2, image: 0 },
            Purpose::Augment { epoch: 1, image: 1 },
        ];
        let firsts: std::collections::HashSet<u64> = purposes
            .iter()
            .map(|&purpose| Stream::new(1, purpose).next_u64())
            .collect();
        assert_eq!(firsts.len(), purposes.len());
    }

    #[test]
    fn a_choice_follows_its_weights_and_a_range_its_ends() {
        let mut stream = Stream::new(1, Purpose::Corrections);
        let mut counts = [0; 3];
        for _ in 0..10_000 {
            counts[stream.choose(&[(1.0, 0usize), (0.0, 1), (3.0, 2)])] += 1;
            let value = stream.between(-2.0, 3.0);
            assert!((-2.0..3.0).contains(&value), "{value}");
        }
        assert_eq!(counts[1], 0);
        assert!((2_300..2_700).contains(&counts[0]), "{counts:?}");
    }

    #[test]
    fn dropout_keeps_the_mean_and_does_not_depend_on_pieces() {
        let key = DropoutKey::new(
            3,
            Purpose::Dropout {
                epoch: 2,
                image: 5,
                layer: 1,
            },
        );
        let mut whole = vec![1.0f32; 100_000];
        drop_out(&mut whole, 0, key, 0.3);
        let dropped = whole.iter().filter(|&&value| value == 0.0).count() as f32 / whole.len() as f32;
        assert!((dropped - 0.3).abs() < 0.006, "{dropped}");
        let mean = whole.iter().sum::<f32>() / whole.len() as f32;
        assert!((mean - 1.0).abs() < 0.01, "{mean}");
        let mut pieces = vec![1.0f32; 100_000];
        let (left, right) = pieces.split_at_mut(77);
        drop_out(left, 0, key, 0.3);
        drop_out(right, 77, key, 0.3);
        assert_eq!(whole, pieces);
    }
}
