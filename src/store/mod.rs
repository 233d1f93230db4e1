//! The tag database: the only folder that names rusqlite.
//!
//! In: `Change`s from the pipeline, questions from commands and pages. Out: rows, figures, histories.
//! Never: inference, files of the inventory, or a write outside `BEGIN IMMEDIATE`.
//!
//! - `write.rs`: `Store`, the one writer of a process; one transaction a batch of changes.
//! - `change.rs`: what it can be told.
//! - `models.rs`, `runs.rs`: the registry of models and the record of training runs.
//! - `query.rs` (what can be asked), `plan.rs` (which index answers), `rows.rs` (what is answered).
//! - `lookup.rs`: the short questions that the pipeline asks for each file.
//! - `history.rs`, `stats.rs`: all about one file; figures about all files.
//! - `open.rs`: connections, settings, migrations. `error.rs`: what can go wrong.
//!
//! `docs/database.md` describes tables, views, guarantees and speed.

mod change;
mod error;
mod history;
mod lookup;
mod models;
mod open;
mod plan;
mod query;
mod rows;
mod runs;
mod stats;
mod write;

pub use change::{Applied, Change, ContentFacts, FileSighting, RejectionRecord, TagRecord};
pub use error::StoreError;
pub use history::{ContentHistory, FileHistory, OutcomeRow};
pub use lookup::{KnownContent, KnownFile, Reader};
pub use models::{ModelRow, NewModel};
pub use open::{Durability, PageAccess};
pub use query::{FileQuery, Presence, Sort};
pub use rows::FileRow;
pub use runs::{EpochRow, NewRun, RunEnd, RunId, RunRow, RunState};
pub use stats::{LabelStats, ModelStats, Stats};
pub use write::Store;

#[cfg(test)]
mod tests;
