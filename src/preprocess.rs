//! What a model sees: 28 x 28 grey values.
//!
//! In: values from 0 to 1, rows from the top. Out: an `InputTensor`. Never: I/O.

use crate::domain::{INPUT_LEN, PreprocessingVersion};

/// The version of the way from pixels to tensor.
pub const VERSION: PreprocessingVersion = PreprocessingVersion(1);

/// One picture as a model sees it: 28 rows of 28 values, 0 to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct InputTensor(pub Box<[f32; INPUT_LEN]>);

impl InputTensor {
    /// The 784 values, rows from the top.
    pub fn as_slice(&self) -> &[f32] {
        &self.0[..]
    }
}
