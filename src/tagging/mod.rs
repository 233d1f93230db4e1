//! Journey 1: a photo is dropped -> noticed -> settled -> prepared -> batched -> inferred -> recorded.
//!
//! In: folders. Out: rows in the store. The stations stand in the order of the photo's way; [`mod@line`] joins them.
//! A change of model comes in from the side: [`swap`] puts it in the place of the one that answers, [`serving`] tells
//! the stations, [`retag`] lets the inventory follow. Never: training, pages, or a decision about which model serves.

pub mod inbox;
pub mod notice;
pub mod own_folder;
pub mod settle;
pub mod sweep;

pub mod prepare;

pub mod batch;
pub mod infer;
pub mod record;

pub mod retag;
pub mod serving;
pub mod swap;

pub mod line;

#[cfg(test)]
pub(crate) mod testing;
