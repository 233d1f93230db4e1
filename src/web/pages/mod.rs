//! What people see: one file a page, and what they share.
//!
//! In: rows of the store, the status report. Out: HTML that is whole without a script. Never: text from outside that is not
//! escaped (maud escapes all of it), inline style or script, anything from another host.

pub mod bars;
pub mod charts;
pub mod inventory;
pub mod layout;
pub mod login;
pub mod models;
pub mod parts;
pub mod photo;
pub mod review;
pub mod runs;
pub mod status;
