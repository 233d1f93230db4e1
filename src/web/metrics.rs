//! Figures for Prometheus, in its text format (version 0.0.4).
//!
//! In: the status board, counts of the store. Out: lines of text. Never: a path, or a walk over all files for each scrape:
//! counts are those that the pages show.

use std::fmt::Write;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use super::App;
use super::facets::{Counted, Patience};
use super::failure::Failure;
use super::filter::Filter;
use crate::domain::{Label, Status};
use crate::status::{StatusReport, TIMING_BOUNDS};
use crate::store::RunRow;

/// What a station's times are called.
const STAGES: [(&str, &str); 4] = [
    ("settle", "settle"),
    ("prepare", "decode"),
    ("infer", "infer"),
    ("record", "commit"),
];

/// `GET /metrics`
pub async fn metrics(State(app): State<Arc<App>>) -> Result<impl IntoResponse, Failure> {
    let (facets, generation) = (Arc::clone(&app.facets), app.events.generation());
    let figures = app.readers.ask(move |reader| {
        Ok(Figures {
            counts: facets.counts_blocking(reader, &Filter::default(), (generation, Patience::Whole))?,
            rejected: reader.rejected_by_reason()?,
            last_run: reader.runs(1)?.pop(),
        })
    });
    let text = written(&app.report(), &figures.await?);
    Ok((
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        text,
    ))
}

struct Figures {
    counts: Option<Counted>,
    rejected: Vec<(String, u64)>,
    last_run: Option<RunRow>,
}

/// One family after the other, each with its help and type.
struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let labels: Vec<_> = labels
            .iter()
            .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
            .collect();
        let labels = if labels.is_empty() {
            String::new()
        } else {
            format!("{{{}}}", labels.join(","))
        };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl std::fmt::Display) {
        self.family(name, "gauge", help);
        self.sample(name, &[], value);
    }
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

/// Straight-line: one family after the other.
fn written(report: &StatusReport, figures: &Figures) -> String {
    let mut text = Text(String::new());
    let identity = &report.identity;
    text.family(
        "hangtag_info",
        "gauge",
        "What is running: version, model in service, device.",
    );
    let device = identity.device.used.name();
    text.sample(
        "hangtag_info",
        &[
            ("version", identity.version),
            ("model", identity.model.as_str()),
            ("device", device),
        ],
        1,
    );
    let started = identity.started_at.as_millis() as f64 / 1e3;
    text.gauge(
        "hangtag_start_time_seconds",
        "When the daemon started, since 1970.",
        started,
    );
    text.gauge(
        "hangtag_ready",
        "1 once photos that are dropped are tagged.",
        u8::from(report.ready),
    );
    text.gauge(
        "hangtag_problems",
        "What a person should look at; hangtag status names it.",
        report.problems.len(),
    );
    if let Some(Counted { counts, .. }) = &figures.counts {
        text.family("hangtag_files", "gauge", "Files in the inboxes, by status.");
        for (status, count) in Status::ALL.iter().zip(counts.by_status) {
            text.sample("hangtag_files", &[("status", status.name())], count);
        }
        text.family(
            "hangtag_labelled_files",
            "gauge",
            "Files in the inboxes with a label, by label.",
        );
        for (label, count) in Label::all().zip(counts.by_label) {
            text.sample("hangtag_labelled_files", &[("label", label.name())], count);
        }
    }
    text.family(
        "hangtag_rejected_files",
        "gauge",
        "Files in the inboxes without a tag, by reason.",
    );
    for (reason, count) in &figures.rejected {
        text.sample("hangtag_rejected_files", &[("reason", reason)], count);
    }
    text.family(
        "hangtag_done_total",
        "counter",
        "What each station has done since the start: files, batches or changes.",
    );
    for station in &report.stations {
        text.sample("hangtag_done_total", &[("station", station.name)], station.done);
    }
    text.family("hangtag_queue_length", "gauge", "Files that wait, by queue.");
    for queue in &report.queues {
        text.sample("hangtag_queue_length", &[("queue", queue.name)], queue.length);
    }
    text.family(
        "hangtag_queue_capacity",
        "gauge",
        "Files that may wait, by queue.",
    );
    for queue in &report.queues {
        text.sample("hangtag_queue_capacity", &[("queue", queue.name)], queue.capacity);
    }
    write_times(&mut text, report);
    if let Some(run) = &figures.last_run {
        write_run(&mut text, run);
    }
    text.0
}

fn write_times(text: &mut Text, report: &StatusReport) {
    const NAME: &str = "hangtag_stage_seconds";
    text.family(
        NAME,
        "histogram",
        "How long a file rests (settle), is read and decoded (decode), a batch is inferred (infer) and committed (commit).",
    );
    for (station, stage) in STAGES {
        let Some(station) = report.stations.iter().find(|found| found.name == station) else {
            continue;
        };
        let bounds = TIMING_BOUNDS
            .iter()
            .map(ToString::to_string)
            .chain(["+Inf".into()]);
        for (bound, count) in bounds.zip(station.timing.at_most) {
            text.sample(
                &format!("{NAME}_bucket"),
                &[("stage", stage), ("le", &bound)],
                count,
            );
        }
        let [.., all] = station.timing.at_most;
        text.sample(
            &format!("{NAME}_sum"),
            &[("stage", stage)],
            station.timing.sum_seconds,
        );
        text.sample(&format!("{NAME}_count"), &[("stage", stage)], all);
    }
}

fn write_run(text: &mut Text, run: &RunRow) {
    text.family(
        "hangtag_last_run_info",
        "gauge",
        "The latest training run, and where it stands.",
    );
    let id = run.id.0.to_string();
    text.sample(
        "hangtag_last_run_info",
        &[("run", &id), ("state", run.state.name())],
        1,
    );
    let started = run.started_at.as_millis() as f64 / 1e3;
    text.gauge(
        "hangtag_last_run_start_time_seconds",
        "When it began, since 1970.",
        started,
    );
    if let Some(ended) = run.ended_at {
        let ended = ended.as_millis() as f64 / 1e3;
        text.gauge(
            "hangtag_last_run_end_time_seconds",
            "When it ended, since 1970.",
            ended,
        );
    }
}
