//! Journey 2: from a data set to a model.
//!
//! In: Fashion-MNIST. Out: an exported model, its figures and its manifest: a bundle. Never: tagging, or a model put
//! into service.

pub mod dataset;
pub mod idx;

pub mod network;
pub mod summary;

pub mod checkpoint;
pub mod parameters;
pub mod train;

pub mod export;

pub mod evaluate;

pub mod rebuild;

pub mod gate;
pub mod job;
pub mod publish;
pub mod schedule;

#[cfg(test)]
mod synthetic;
