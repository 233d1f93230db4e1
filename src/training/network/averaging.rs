//! The running average of a network's weights (Polyak and Juditsky 1992, exponential).
//!
//! In: a network after each step. Out: a network that the noise of the single steps has left, usually a little better
//! at a constant learning rate. Never: a change to the network that is trained.

use rayon::prelude::*;

use super::Network;

/// Follows a network's weights, slowly.
#[derive(Debug, Clone, PartialEq)]
pub struct Average {
    network: Network,
    keep: f32,
}

impl Average {
    /// Begins where `network` is; `keep` (0..1) is the share of the average that a step leaves.
    pub fn new(network: &Network, keep: f32) -> Self {
        Self {
            network: network.clone(),
            keep,
        }
    }

    /// The average.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Takes in the network after step number `step`, from 0. Early steps leave less, so that the first weights, which
    /// mean nothing, are soon forgotten.
    pub fn follow(&mut self, network: &Network, step: u64) {
        /// Numbers that one thread does at a time: some microseconds of work.
        const PART: usize = 1 << 15;
        let keep = self.keep.min((step as f32 + 1.0) / (step as f32 + 10.0));
        self.network
            .parameters_mut()
            .par_chunks_mut(PART)
            .zip(network.parameters().par_chunks(PART))
            .for_each(|(average, now)| {
                for (average, now) in average.iter_mut().zip(now) {
                    *average += (now - *average) * (1.0 - keep);
                }
            });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::network::Architecture;

    #[test]
    fn it_comes_to_rest_where_the_network_rests() {
        let network = Network::new(Architecture::REFERENCE, 1);
        let mut average = Average::new(&Network::new(Architecture::REFERENCE, 2), 0.9);
        average.follow(&network, 0);
        let far = distance(average.network(), &network);
        (1..300).for_each(|step| average.follow(&network, step));
        let near = distance(average.network(), &network);
        assert!(far > 1e-3 && near < 1e-6, "{far} {near}");
    }

    fn distance(a: &Network, b: &Network) -> f32 {
        let pairs = a.parameters().iter().zip(b.parameters());
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }
}
