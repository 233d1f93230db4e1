//! What the tests of several modules share: the loaded runtime and made-up inputs.
//!
//! In: nothing. Out: ONNX Runtime, installed on first need as the program itself does it. Never: anything outside of
//! tests.

use std::sync::OnceLock;

use super::runtime::{Runtime, RuntimeSettings, ensure_blocking};
use crate::preprocess::{self, InputTensor};

/// ONNX Runtime for the CPU, found or installed into the cache of whoever runs the tests.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        ensure_blocking(&RuntimeSettings::default(), &mut |line| eprintln!("{line}"))
            .expect("tests need ONNX Runtime")
    })
}

/// A picture made of a formula; each `seed` gives another one.
pub(crate) fn tensor(seed: usize) -> InputTensor {
    let pixels = std::array::from_fn(|index| ((index * (seed + 3)) % 256) as u8);
    preprocess::from_idx(&pixels)
}
