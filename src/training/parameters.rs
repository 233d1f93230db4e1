//! How a training is to be done, and whether that can be.
//!
//! In: numbers from configuration and command line. Out: the same, checked, and how the pictures are split. Never: the
//! pictures themselves.

use serde::{Deserialize, Serialize};

use super::network::Architecture;
use crate::config::TrainConfig;
use crate::domain::{ArchitectureName, Augmentation, RateSchedule};

/// How to train. The same parameters on the same pictures give the same weights, bit by bit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainParameters {
    /// Which network.
    pub architecture: ArchitectureName,
    /// What is done to the pictures.
    pub augmentation: Augmentation,
    /// How often all training pictures are seen, at least 1.
    pub epochs: u32,
    /// Pictures a step, at least 1.
    pub batch_size: usize,
    /// Greatest rate, above 0.
    pub learning_rate: f32,
    /// How the rate changes.
    pub schedule: RateSchedule,
    /// Share of the training pictures, taken from their end, that are kept for validation; between 0 and 1.
    pub validation_share: f64,
    /// Decides initial weights, order and dropout.
    pub seed: u64,
    /// Use only so many of the training pictures, from the first on, at least 2; all if absent.
    pub limit_images: Option<usize>,
    /// Threads to train on, at least 1; as many as there are cores if absent. Has no influence on the weights.
    pub threads: Option<usize>,
}

impl Default for TrainParameters {
    /// The reference network's.
    fn default() -> Self {
        Self::recipe(ArchitectureName::Reference)
    }
}

impl TrainParameters {
    /// What suits a network on all of Fashion-MNIST.
    pub fn recipe(architecture: ArchitectureName) -> Self {
        let common = Self {
            architecture,
            augmentation: Augmentation::None,
            epochs: epochs(architecture, Augmentation::None),
            batch_size: 64,
            learning_rate: 1e-3,
            schedule: RateSchedule::Cosine,
            validation_share: 0.1,
            seed: 1,
            limit_images: None,
            threads: None,
        };
        match architecture {
            ArchitectureName::Reference => common,
            ArchitectureName::Residual => Self {
                augmentation: Augmentation::Photo,
                epochs: epochs(architecture, Augmentation::Photo),
                batch_size: 256,
                learning_rate: 0.02,
                schedule: RateSchedule::OneCycle,
                validation_share: validation_share(architecture, Augmentation::Photo),
                ..common
            },
        }
    }

    /// Whether the network learns to tell pictures of none of the classes.
    pub fn knows_unknown(&self) -> bool {
        self.architecture == ArchitectureName::Residual && self.augmentation == Augmentation::Photo
    }

    /// The network's kind and sizes.
    pub fn network(&self) -> Architecture {
        match (self.architecture, self.augmentation) {
            (ArchitectureName::Reference, _) => Architecture::REFERENCE,
            (ArchitectureName::Residual, Augmentation::Catalogue) => Architecture::CATALOGUE,
            (ArchitectureName::Residual, _) => Architecture::RESIDUAL,
        }
    }
}

/// What suits each; of a residual network, what two cores do within some fifteen minutes.
fn epochs(architecture: ArchitectureName, augmentation: Augmentation) -> u32 {
    match (architecture, augmentation) {
        (ArchitectureName::Reference, _) => 50,
        // A larger network.
        (ArchitectureName::Residual, Augmentation::Catalogue) => 46,
        (ArchitectureName::Residual, _) => 80,
    }
}

/// A tenth, as Keras takes them: confidences are fitted on them, too. Of `catalogue` less, since all that counts there is how
/// often it is right, and more to learn from is worth more to that.
fn validation_share(architecture: ArchitectureName, augmentation: Augmentation) -> f64 {
    match (architecture, augmentation) {
        (ArchitectureName::Residual, Augmentation::Catalogue) => 0.05,
        _ => 0.1,
    }
}

impl From<&TrainConfig> for TrainParameters {
    fn from(config: &TrainConfig) -> Self {
        let recipe = Self::recipe(config.architecture);
        let augmentation = config.augmentation.unwrap_or(recipe.augmentation);
        Self {
            augmentation,
            epochs: config
                .epochs
                .unwrap_or_else(|| epochs(config.architecture, augmentation)),
            batch_size: config.batch_size.unwrap_or(recipe.batch_size),
            learning_rate: config.learning_rate.unwrap_or(recipe.learning_rate),
            schedule: config.schedule.unwrap_or(recipe.schedule),
            validation_share: config
                .validation_share
                .unwrap_or_else(|| validation_share(config.architecture, augmentation)),
            seed: config.seed,
            threads: Some(config.threads),
            ..recipe
        }
    }
}

/// A parameter that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot train with {key} = {value}: {expected}")]
pub struct ParameterError {
    /// Which one.
    pub key: &'static str,
    /// Its value.
    pub value: String,
    /// What would do.
    pub expected: String,
}

/// How many pictures are trained on, and how many stand behind them for validation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Split {
    /// Trained on: the first.
    pub train: usize,
    /// For validation: those behind.
    pub validation: usize,
}

/// Fewest pictures: one is trained on, one validates.
pub const LEAST_IMAGES: usize = 2;
/// Greatest batch: its buffers take about 0.6 MB an image, 0.8 MB in the larger network of `catalogue`.
const MAX_BATCH: usize = 1024;

impl TrainParameters {
    /// Refuses what cannot be, and splits `available` pictures as Keras's `validation_split` does.
    pub fn check(&self, available: usize) -> Result<Split, ParameterError> {
        self.check_numbers()?;
        let images = self.limit_images.unwrap_or(usize::MAX).min(available);
        if images < LEAST_IMAGES {
            let expected =
                format!("at least {LEAST_IMAGES} pictures are needed, and the data set has {available}");
            return refuse("--limit-images", images, expected);
        }
        let share = images as f64 * (1.0 - self.validation_share);
        let train = (share.floor() as usize).clamp(1, images - 1);
        Ok(Split {
            train,
            validation: images - train,
        })
    }

    fn check_numbers(&self) -> Result<(), ParameterError> {
        for (key, value) in [
            ("train.epochs", self.epochs as usize),
            ("train.batch_size", self.batch_size),
            ("train.threads", self.threads.unwrap_or(1)),
        ] {
            if value == 0 {
                return refuse(key, value, "it must be at least 1");
            }
        }
        if self.batch_size > MAX_BATCH {
            let expected = format!("it must be at most {MAX_BATCH}, or the buffers outgrow the memory");
            return refuse("train.batch_size", self.batch_size, expected);
        }
        if !(self.learning_rate > 0.0 && self.learning_rate.is_finite()) {
            let expected = "it must be above 0 (0.001 is usual)";
            return refuse("train.learning_rate", self.learning_rate, expected);
        }
        if let Some(expected) = self.architecture.refusal_of(self.augmentation) {
            return refuse("train.augmentation", self.augmentation, expected);
        }
        if !(self.validation_share > 0.0 && self.validation_share < 1.0) {
            let expected = "it must lie between 0 and 1 (0.05 or 0.1 is usual)";
            return refuse("train.validation_share", self.validation_share, expected);
        }
        Ok(())
    }
}

fn refuse<T>(
    key: &'static str,
    value: impl ToString,
    expected: impl Into<String>,
) -> Result<T, ParameterError> {
    Err(ParameterError {
        key,
        value: value.to_string(),
        expected: expected.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_rows_are_kept_for_validation() {
        for (available, limit_images, expected) in [
            (60_000, None, (54_000, 6_000)),
            (60_000, Some(10), (9, 1)),
            (60_000, Some(2), (1, 1)),
            (3, None, (2, 1)),
        ] {
            let parameters = TrainParameters {
                limit_images,
                ..TrainParameters::default()
            };
            let split = parameters.check(available).unwrap();
            assert_eq!((split.train, split.validation), expected);
        }
    }

    #[test]
    fn an_architectures_own_recipe_fills_what_is_left_open() {
        let open = TrainConfig {
            architecture: ArchitectureName::Residual,
            augmentation: None,
            epochs: None,
            batch_size: None,
            learning_rate: None,
            schedule: None,
            validation_share: None,
            seed: 9,
            threads: 3,
        };
        let recipe = |architecture| TrainParameters {
            seed: 9,
            threads: Some(3),
            ..TrainParameters::recipe(architecture)
        };
        for architecture in [ArchitectureName::Residual, ArchitectureName::Reference] {
            let config = TrainConfig {
                architecture,
                ..open.clone()
            };
            assert_eq!(TrainParameters::from(&config), recipe(architecture));
            assert!(TrainParameters::from(&config).check(60_000).is_ok());
        }
        let catalogue = TrainConfig {
            augmentation: Some(Augmentation::Catalogue),
            ..open.clone()
        };
        let [catalogue, photo] = [&catalogue, &open].map(TrainParameters::from);
        assert!(
            catalogue.epochs < photo.epochs,
            "each of them takes longer, in the larger network"
        );
        let shares = [&catalogue, &photo].map(|parameters| parameters.check(60_000).unwrap().validation);
        assert_eq!(shares, [3_000, 6_000], "each has its own share");
        let chosen = TrainConfig {
            augmentation: Some(Augmentation::Catalogue),
            epochs: Some(3),
            batch_size: Some(32),
            learning_rate: Some(0.5),
            schedule: Some(RateSchedule::Constant),
            validation_share: Some(0.2),
            ..open
        };
        let expected = TrainParameters {
            augmentation: Augmentation::Catalogue,
            epochs: 3,
            batch_size: 32,
            learning_rate: 0.5,
            schedule: RateSchedule::Constant,
            validation_share: 0.2,
            ..recipe(ArchitectureName::Residual)
        };
        assert_eq!(TrainParameters::from(&chosen), expected);
        assert_eq!(
            TrainParameters::default(),
            TrainParameters::recipe(ArchitectureName::Reference)
        );
    }

    #[test]
    fn only_a_residual_network_that_sees_photos_knows_of_none_of_the_classes() {
        for (architecture, augmentation, knows) in [
            (ArchitectureName::Residual, Augmentation::Photo, true),
            (ArchitectureName::Residual, Augmentation::Catalogue, false),
            (ArchitectureName::Residual, Augmentation::None, false),
            (ArchitectureName::Reference, Augmentation::None, false),
        ] {
            let parameters = TrainParameters {
                augmentation,
                ..TrainParameters::recipe(architecture)
            };
            assert_eq!(parameters.knows_unknown(), knows, "{architecture} {augmentation}");
            let is_plain = parameters.network() == Architecture::REFERENCE;
            assert_eq!(is_plain, architecture == ArchitectureName::Reference);
        }
    }

    #[test]
    fn one_cycle_rises_for_a_tenth_and_falls_to_next_to_nothing() {
        let rate = |step| RateSchedule::OneCycle.rate(0.02, step, 1000);
        assert!(rate(0) > 0.0 && rate(0) < 2e-4);
        assert!((rate(50) - 0.0101).abs() < 1e-4);
        assert!((rate(100) - 0.02).abs() < 1e-4);
        assert!((rate(550) - 0.01).abs() < 1e-4);
        assert!(rate(999) > 0.0 && rate(999) < 2e-5);
        assert!((1..1000).all(|step| (rate(step) > rate(step - 1)) == (step <= 100)));
    }

    #[test]
    fn a_cosine_begins_at_the_first_rate_and_ends_next_to_zero() {
        let rate = |step| RateSchedule::Cosine.rate(1e-3, step, 1000);
        assert_eq!(rate(0), 1e-3);
        assert!((rate(500) - 5e-4).abs() < 1e-9);
        assert!(rate(999) > 0.0 && rate(999) < 1e-8);
        assert_eq!(RateSchedule::Constant.rate(1e-3, 999, 1000), 1e-3);
    }

    #[test]
    fn impossible_parameters_are_named() {
        let change = |change: fn(&mut TrainParameters)| {
            let mut parameters = TrainParameters::default();
            change(&mut parameters);
            parameters
        };
        for (bad, words) in [
            (change(|p| p.epochs = 0), "train.epochs = 0"),
            (change(|p| p.batch_size = 0), "train.batch_size = 0"),
            (change(|p| p.batch_size = 5000), "train.batch_size = 5000"),
            (change(|p| p.threads = Some(0)), "train.threads = 0"),
            (
                change(|p| p.learning_rate = f32::NAN),
                "train.learning_rate = NaN",
            ),
            (change(|p| p.validation_share = 1.0), "train.validation_share = 1"),
            (
                change(|p| p.augmentation = Augmentation::Photo),
                "train.augmentation = photo",
            ),
            (change(|p| p.limit_images = Some(1)), "--limit-images = 1"),
        ] {
            let message = bad.check(60_000).unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
        }
    }
}
