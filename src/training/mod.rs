//! (to come)

pub mod evaluate;
