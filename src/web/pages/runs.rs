//! One training run, on the page of models.
//!
//! In: its row in the store, the report that it left in its folder. Out: curves, the gate's verdict and reasons, the
//! confusion matrix. Never: a judgement of its own; the words of the verdict are those of the gate.

use maud::{Markup, html};

use super::charts::curves;
use super::parts::{accuracy, moment};
use crate::config::Config;
use crate::domain::{LABEL_COUNT, Label};
use crate::store::{RunRow, RunState};
use crate::web::Hands;

/// A report is some hundred kilobytes, samples included.
const MAX_REPORT_BYTES: u64 = 8 << 20;

/// A row: what pictures of one label were taken for.
pub type Confusion = [[u64; LABEL_COUNT]; LABEL_COUNT];

/// A run, and what it left.
pub struct Run {
    /// On record.
    pub row: RunRow,
    /// On the test set; rows are truths.
    pub confusion: Option<Confusion>,
}

impl Run {
    /// The confusion matrix is taken from the report, while that is kept.
    pub fn read_blocking(row: RunRow, config: &Config) -> Run {
        let path = config
            .runs_dir()
            .join(format!("{:06}", row.id.0))
            .join("report.json");
        let is_small = std::fs::metadata(&path).is_ok_and(|meta| meta.len() <= MAX_REPORT_BYTES);
        let report = is_small
            .then(|| std::fs::read(&path).ok())
            .flatten()
            .and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok());
        let confusion =
            report.and_then(|report| serde_json::from_value(report["evaluation"]["confusion"].clone()).ok());
        Run { row, confusion }
    }
}

/// Folded up, but for the latest.
pub fn run_details(run: &Run, is_open: bool, hands: &Hands) -> Markup {
    let row = &run.row;
    let measured = row
        .figures
        .as_ref()
        .and_then(|figures| figures["test_accuracy"].as_f64());
    html! {
        details.run id={ "run-" (row.id.0) } open[is_open] {
            summary {
                b { "Run " (row.id.0) } " "
                span class={ "chip r-" (row.state.name()) } { (row.state.name()) } " "
                span.muted { (moment(row.started_at)) ", by " (row.trigger.name().replace('_', " ")) }
                @if let Some(measured) = measured { " " span.number { (accuracy(measured)) } }
            }
            div.run-body {
                @if row.state == RunState::Running { (progress(row)) }
                @if let Some(reason) = &row.reason { p { (reason) } }
                @if !row.epochs.is_empty() || row.state == RunState::Running { (curves(&row.epochs)) }
                @if let Some(verdict) = &row.verdict { (gate(verdict, hands)) }
                @if let Some(confusion) = &run.confusion { (matrix(confusion)) }
            }
        }
    }
}

fn progress(row: &RunRow) -> Markup {
    let wanted = row.parameters["epochs"].as_u64().unwrap_or(0);
    let done = row.epochs.len() as u64;
    html! {
        p {
            @if wanted > 0 { progress max=(wanted) value=(done) aria-label="Epochs" {} " " }
            "epoch " (done) " of " (wanted)
            @if let Some(last) = row.epochs.last() { span.muted { ", " (format!("{:.1} s", last.seconds)) " each" } }
        }
    }
}

fn gate(verdict: &serde_json::Value, hands: &Hands) -> Markup {
    let findings = (hands.findings)(verdict);
    let passed = verdict["verdict"] == "promote";
    html! {
        h3 { "The gate: " (if passed { "let it pass" } else { "kept the model in service" }) }
        ul.findings {
            @for finding in findings {
                li class=(if finding.speaks_for { "for" } else { "against" }) {
                    span.hidden { (if finding.speaks_for { "For it: " } else { "Against it: " }) }
                    (finding.words)
                }
            }
        }
    }
}

/// Darker is more; the figures are there, too.
fn matrix(confusion: &Confusion) -> Markup {
    let shade = |row: &[u64; LABEL_COUNT], count: u64| {
        let total: u64 = row.iter().sum();
        // Ten steps by the square root, so that rare mistakes can be seen.
        if total == 0 || count == 0 {
            0
        } else {
            ((count as f64 / total as f64).sqrt() * 9.0).ceil() as u8
        }
    };
    html! {
        h3 { "Confusion on the test set" }
        div.scroll tabindex="0" role="region" aria-label="Confusion matrix" {
            table.confusion {
                caption.hidden { "Rows: what pictures show. Columns: what they were taken for." }
                thead { tr { td {} @for label in Label::all() { th scope="col" title=(label.name()) { span { (label.name()) } } } } }
                tbody {
                    @for (label, row) in Label::all().zip(confusion) {
                        tr {
                            th scope="row" { (label.name()) }
                            @for (place, count) in row.iter().enumerate() {
                                td class={ "h" (shade(row, *count)) @if place == label.index() { " right" } } {
                                    @if *count > 0 { (count) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
