//! Choices that settings, records and code share.
//!
//! In: words. Out: one of a few values. Never: a choice made here.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ParseError;

/// How the learning rate changes from step to step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RateSchedule {
    /// Not at all.
    #[default]
    Constant,
    /// It falls to zero along half a cosine (Loshchilov and Hutter 2017, without restarts): large steps find the
    /// valley, small ones its floor.
    Cosine,
    /// It rises to its greatest in the first tenth of the steps and falls to zero from there, in straight lines (Smith and
    /// Topin 2018): for few epochs.
    OneCycle,
}

impl RateSchedule {
    /// The rate of a step, from 0, of so many in all.
    pub fn rate(self, first: f32, step: u64, steps: u64) -> f32 {
        match self {
            RateSchedule::Constant => first,
            RateSchedule::Cosine => {
                let done = step as f64 / steps as f64;
                (f64::from(first) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())) as f32
            }
            RateSchedule::OneCycle => {
                const RISE: f64 = 0.1;
                let done = (step as f64 + 0.5) / steps as f64;
                let share = if done < RISE {
                    done / RISE
                } else {
                    (1.0 - done) / (1.0 - RISE)
                };
                (f64::from(first) * share) as f32
            }
        }
    }
}

impl fmt::Display for RateSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RateSchedule::Constant => "constant",
            RateSchedule::Cosine => "cosine",
            RateSchedule::OneCycle => "onecycle",
        })
    }
}

/// Which network is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ArchitectureName {
    /// Three convolutions and two dense layers, 241,546 parameters.
    #[default]
    Reference,
    /// Residual blocks with batch normalisation.
    Residual,
}

impl ArchitectureName {
    /// Why the network cannot be trained on such pictures, if so.
    pub fn refusal_of(self, augmentation: Augmentation) -> Option<&'static str> {
        let is_refused = self == ArchitectureName::Reference && augmentation == Augmentation::Photo;
        is_refused.then_some(
            "it shows pictures of none of the classes, for which the reference network has no answer; choose another, \
             or train.architecture = residual",
        )
    }
}

impl fmt::Display for ArchitectureName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ArchitectureName::Reference => "reference",
            ArchitectureName::Residual => "residual",
        })
    }
}

/// What is done to training pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Augmentation {
    /// Nothing.
    #[default]
    None,
    /// Flips, shifts, erasing: for pictures like Fashion-MNIST's.
    Catalogue,
    /// A fifth of them as a shop would have photographed them, and pictures of none of the classes between them.
    Photo,
}

impl fmt::Display for Augmentation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Augmentation::None => "none",
            Augmentation::Catalogue => "catalogue",
            Augmentation::Photo => "photo",
        })
    }
}

/// Where inference was asked to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DevicePolicy {
    /// The CPU execution provider.
    Cpu,
    /// CUDA or an error.
    Cuda,
    /// CUDA where it can be had, else the CPU, which is said once.
    Auto,
}

/// Where inference really runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Device {
    /// The CPU execution provider.
    Cpu,
    /// The CUDA execution provider.
    Cuda,
}

impl Device {
    /// `cpu` or `cuda`, as it stands in records.
    pub fn name(self) -> &'static str {
        match self {
            Device::Cpu => "cpu",
            Device::Cuda => "cuda",
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Device {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text {
            "cpu" => Ok(Device::Cpu),
            "cuda" => Ok(Device::Cuda),
            _ => Err(ParseError::new(text, "a device (cpu, cuda)")),
        }
    }
}
