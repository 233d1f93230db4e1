//! How sure a share is that was counted on few.
//!
//! In: how many of how many. Out: exact tail probabilities of the binomial distribution, and the exact bounds that
//! follow from them (C. Clopper and E. Pearson, Biometrika 26, 1934, pp. 404-413). Never: an approximation by the
//! normal distribution, which promises too much where errors are few.

/// Halvings of 0..=1: beyond what a double can tell apart.
const HALVINGS: usize = 60;

/// The probability of at most `hits` hits in `trials` independent trials, each with chance `chance` (0..=1).
///
/// Summed from the least likely end on, each term from the one before by its logarithm, so that nothing overflows; takes
/// time in proportion to `hits`.
pub fn at_most(hits: u64, trials: u64, chance: f64) -> f64 {
    if hits >= trials || chance <= 0.0 {
        return 1.0;
    }
    if chance >= 1.0 {
        return 0.0;
    }
    let trials = trials as f64;
    let odds = (chance / (1.0 - chance)).ln();
    let mut term = trials * (-chance).ln_1p();
    let mut sum = term.exp();
    for hit in 0..hits {
        let hit = hit as f64;
        term += ((trials - hit) / (hit + 1.0)).ln() + odds;
        sum += term.exp();
    }
    sum.min(1.0)
}

/// The greatest share of which one can be sure, at `level` (0..1, such as 0.9), that the true one is no less, after
/// `right` of `all` were right; one-sided, after Clopper and Pearson. 0 for none of none.
pub fn lower_bound(right: u64, all: u64, level: f64) -> f64 {
    let wrong = all.saturating_sub(right);
    let (mut sure, mut unsure) = (0.0, 1.0);
    if right == 0 {
        return 0.0;
    }
    for _ in 0..HALVINGS {
        let middle = 0.5 * (sure + unsure);
        if at_most(wrong, all, 1.0 - middle) <= 1.0 - level {
            sure = middle;
        } else {
            unsure = middle;
        }
    }
    sure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_are_those_of_the_tables() {
        for (hits, trials, chance, expected) in [
            (0, 10, 0.5, 1.0 / 1024.0),
            (2, 10, 0.5, 56.0 / 1024.0),
            (5, 10, 0.5, 638.0 / 1024.0),
            (1, 20, 0.05, 0.735_839_525),
            (0, 45, 0.05, 0.099_440_260),
            (10, 10, 0.3, 1.0),
            (3, 10, 0.0, 1.0),
            (3, 10, 1.0, 0.0),
        ] {
            let found = at_most(hits, trials, chance);
            assert!(
                (found - expected).abs() < 1e-8,
                "{hits} of {trials} at {chance}: {found}"
            );
        }
        // Where the first term alone is below the least double.
        let half = at_most(1_000_000, 2_000_000, 0.5);
        assert!((half - 0.5).abs() < 1e-3, "{half}");
    }

    #[test]
    fn bounds_are_those_that_clopper_and_pearson_give() {
        for (right, all, level, expected) in [
            // All right: (1 - level)^(1/all).
            (45, 45, 0.9, 0.1f64.powf(1.0 / 45.0)),
            (10, 10, 0.95, 0.05f64.powf(0.1)),
            // None right is no bound at all; of ten, one: 1 - 0.95^(1/10).
            (0, 10, 0.95, 0.0),
            (1, 10, 0.95, 1.0 - 0.95f64.powf(0.1)),
            (0, 0, 0.9, 0.0),
        ] {
            let found = lower_bound(right, all, level);
            assert!(
                (found - expected).abs() < 1e-9,
                "{right} of {all} at {level}: {found} for {expected}"
            );
        }
    }

    #[test]
    fn the_tail_at_the_bound_is_what_the_level_leaves() {
        for (right, all, level) in [(319, 330, 0.9), (95, 100, 0.95), (5_700, 6_000, 0.99)] {
            let bound = lower_bound(right, all, level);
            let tail = at_most(all - right, all, 1.0 - bound);
            assert!((tail - (1.0 - level)).abs() < 1e-9, "{bound}: {tail}");
            assert!(bound < right as f64 / all as f64);
        }
    }
}
