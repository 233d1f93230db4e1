//! hangtag: photos in a folder become tags in SQLite, by a model that hangtag trains itself.
#![warn(missing_docs)]
pub mod config;
pub mod domain;
pub mod durable;
pub mod fetch;

pub mod decode;
pub mod model;
pub mod preprocess;
pub mod store;
pub mod training;
