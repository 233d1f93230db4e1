//! Journey 2: from a data set to a model that may serve.
//!
//! In: Fashion-MNIST, what people corrected, a schedule. Out: an exported model with its figures and its manifest (a
//! bundle), a report, and whether the bundle may go into service. Never: tagging, or a model put into service.

pub mod drift;
pub mod schedule;

pub mod dataset;
pub mod idx;

pub mod corrections;
pub mod sketch;

pub mod augment;
pub mod network;
pub mod summary;

pub mod checkpoint;
pub mod lessons;
pub mod parameters;
pub mod progress;
pub mod train;
pub mod tune;

pub mod export;

pub mod binomial;
pub mod calibrate;
pub mod evaluate;
pub mod samples;
pub mod thresholds;

pub mod looks;
pub mod review;

pub mod manifest;
pub mod newcomer;
pub mod rebuild;
pub mod scoring;

pub mod job;
pub mod out_of_fold;
pub mod perform;

pub mod learning_curve;

pub mod gate;
pub mod publish;

pub mod report;

#[cfg(test)]
mod synthetic;
