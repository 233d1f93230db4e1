//! hangtag: photos in a folder become tags in SQLite, by a model that hangtag trains itself.
#![warn(missing_docs)]
pub mod domain;
