//! Journey 2: from a data set to a model.
//!
//! In: Fashion-MNIST and what people corrected. Out: an ONNX file. Never: tagging.

pub mod checkpoint;
pub mod dataset;
pub mod export;
pub mod idx;
pub mod network;
pub mod parameters;
pub mod summary;
pub mod train;

#[cfg(test)]
mod synthetic;
