//! The tag database: the only folder that names rusqlite.
//!
//! In: `Change`s from the pipeline, questions from commands and pages. Out: rows, figures, histories.
//! Never: inference, files of the inventory, or a write outside `BEGIN IMMEDIATE`.
//!
//! - `write.rs`: `Store`, a connection that writes, and its transactions.
//! - `change.rs` (what the pipeline can tell it), `apply.rs` (what each change does), `answer.rs` (the rows of a
//!   content's answer).
//! - `models.rs`, `service.rs`: the models on record, and which one serves. `promotion.rs`: whether a person may change that.
//! - `runs.rs`, `requests.rs`, `schedule.rs`: the record of training runs, who asked for one, and by which schedule they are due.
//! - `corrections.rs`: what people put right. `retag.rs`: what follows a change of model.
//! - `thresholds.rs`: when a model's tags count by themselves. `audits.rs`, `samples.rs`, `review.rs`: photos for people
//!   to look at, and what is learned from those they did. `daily.rs`: what was said on each day.
//! - `query.rs` (what can be asked), `plan.rs` and `list.rs` (which index answers), `rows.rs` (what is answered).
//! - `page.rs`: lists page by page, and how many files each label and status would leave; `retry.rs`: another attempt.
//! - `outbox.rs`: new tags that somebody else is to be told of.
//! - `lookup.rs`: the short questions that the pipeline asks for each file.
//! - `history.rs`, `stats.rs`: all about one file; figures about all files.
//! - `open.rs`: connections, settings, migrations. `backup.rs`: a copy while in use. `error.rs`: what can go wrong.
//!
//! `docs/database.md` describes tables, views, guarantees and speed.

mod answer;
mod apply;
mod audits;
mod backup;
mod change;
mod conditions;
mod corrections;
mod daily;
mod error;
mod history;
mod list;
mod lookup;
mod models;
mod open;
mod outbox;
mod page;
mod plan;
mod promotion;
mod query;
mod requests;
mod retag;
mod retry;
mod review;
mod rows;
mod runs;
mod samples;
mod schedule;
mod service;
mod stats;
mod thresholds;
mod write;

pub use audits::{AuditId, AuditProgress, Drawn, NewAudit};
pub use change::{Applied, Change, ContentFacts, FileSighting, RejectionRecord, TagRecord};
pub use corrections::{CorrectionPage, CorrectionRow, NewCorrection};
pub use daily::{Agreement, DailyTally};
pub use error::StoreError;
pub use history::{ContentHistory, FileHistory, OutcomeRow};
pub use lookup::{KnownFile, Reader};
pub use models::{ModelRow, NewModel};
pub use open::{BUSY_TIMEOUT, Durability, PageAccess};
pub use outbox::{NewTag, Outbox, TagNews};
pub use page::{Cursor, FacetCounts, FilePage, FileRowWithId};
pub use promotion::{Refusal, Wish};
pub use query::{FileQuery, Presence, Sort};
pub use requests::RebuildRequest;
pub use retag::{LabelChange, Portion, RetagProgress, RetagQuery, RetagRow, Walked};
pub use retry::{Forgotten, RejectedFile};
pub use review::ReviewCandidate;
pub use rows::FileRow;
pub use runs::{EpochRow, NewRun, RunEnd, RunId, RunRow, RunState, RunTrigger};
pub use samples::{OutOfFold, SampleRow};
pub use schedule::ScheduleInForce;
pub use service::{Actor, Forced, ModelState, ServiceChange, ServiceRow};
pub use stats::{LabelStats, ModelStats, Stats};
pub use thresholds::{BY_REBUILD, Decided, NewThresholds, ThresholdsRow};
pub use write::{PAUSE_FOR_OTHERS, Store};

#[cfg(test)]
mod tests;
