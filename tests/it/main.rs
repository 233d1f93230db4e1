//! One test crate over the real binary and the library; this file is its index.

mod util;

mod bad_input;
mod commands;
mod crash;
mod layers;
mod learn_curve;
mod lock;
mod retrain;
mod scan;
mod tagging;
mod training;
mod trust;
mod web;
