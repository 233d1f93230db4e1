//! hangtag: photos in a folder become tags in SQLite, by a model that hangtag trains itself.
//!
//! Journey 1, tagging: a photo is dropped -> [noticed](tagging::notice) -> [settled](tagging::settle) ->
//! [prepared](tagging::prepare) ([decoded](decode), [preprocessed](preprocess)) -> [batched](tagging::batch) ->
//! [inferred](tagging::infer) (by a [model]) -> [recorded](tagging::record) (in the [store]) -> queried ([cli]).
//!
//! Journey 2, training: a person asks, or [it is due](training::schedule) -> [data set](training::dataset) and
//! [corrections](training::corrections) -> [train](training::train) -> [export](training::export) ->
//! [evaluate](training::evaluate), through ONNX Runtime as the service does -> [gate](training::gate) ->
//! [publish](training::publish) -> [swap](tagging::swap) -> the inventory is [tagged anew](tagging::retag).
//!
//! Beside both: [web] shows and asks, over the [store] and the [status].
//!
//! A module imports only from earlier layers; a test holds that:
//! (1) `domain`, `durable`; (2) `fetch`, `config`, `decode`, `preprocess`, `model`, `store`, `status` (of these only
//! `model` imports another: `preprocess`, `fetch`); (3) `tagging`, `training`, `web`; (4) `daemon`, `scan`, then `cli`.
#![warn(missing_docs)]

pub mod domain;
pub mod durable;

pub mod config;
pub mod decode;
pub mod fetch;
pub mod model;
pub mod preprocess;
pub mod status;
pub mod store;

pub mod tagging;
pub mod training;
pub mod web;

pub mod daemon;
pub mod scan;

pub mod cli;
