//! `hangtag status`.
//!
//! In: the daemon's lock and its last report. Out: that report, and exit code 0 (healthy), 1 (degraded), 2 (not
//! running) or 3 (it could not tell). Never: an old report taken for a running daemon; the lock alone says who runs.

use std::time::SystemTime;

use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};

use super::settings::SettingsArguments;
use super::{Ended, Format, output};
use crate::config::Config;
use crate::daemon::StoreLock;
use crate::domain::Timestamp;
use crate::status::REPORT_INTERVAL;

/// Is a daemon running, and is all well?
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hangtag status                                in words
  hangtag status --format json | jq .queues
  hangtag status > /dev/null || alert           exit codes: 0 healthy, 1 degraded, 2 not running,
                                                3 it could not tell (wrong settings, say)")]
pub struct StatusArguments {
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

const DEGRADED: u8 = 1;
const NOT_RUNNING: u8 = 2;

/// Neither "running" nor "not running" can be said; the cause says why.
#[derive(Debug, thiserror::Error)]
#[error("could not tell whether a daemon runs")]
pub struct CannotTell;

/// Prints what the daemon says of itself; every error is [`CannotTell`], for its exit code is no answer.
pub fn run(arguments: &StatusArguments, settings: &SettingsArguments) -> anyhow::Result<Ended> {
    let config = settings.load().context(CannotTell)?;
    super::start_log(&config);
    tell(arguments, &config).context(CannotTell)
}

fn tell(arguments: &StatusArguments, config: &Config) -> anyhow::Result<Ended> {
    let holder = StoreLock::holder(&config.lock_path())?;
    let Some(daemon) = holder.as_ref().filter(|holder| holder.is_daemon()) else {
        match arguments.format {
            Format::Json => output::print_json(&json!({ "running": false }))?,
            Format::Text => {
                let folder = config.data_dir.display();
                output::print(&match &holder {
                    Some(rebuild) => format!(
                        "not running: {rebuild} is at work in {folder}; start a daemon with `hangtag run` once it has ended\n"
                    ),
                    None => format!("not running: no daemon serves {folder}; start one with `hangtag run`\n"),
                })?;
            }
        }
        return Ok(Ended::With(NOT_RUNNING));
    };
    let mut report = read_report(config).unwrap_or_else(|why| {
        json!({ "healthy": false, "ready": false, "problems": [format!("{daemon} has said nothing yet: {why}")] })
    });
    report["running"] = true.into();
    if let Some(late) = late_by_seconds(&report) {
        report["healthy"] = false.into();
        let problem = format!("the last report is {late} s old: the daemon hangs or its disk is full");
        report["problems"]
            .as_array_mut()
            .map(|problems| problems.push(problem.into()))
            .unwrap_or_default();
    }
    match arguments.format {
        Format::Json => output::print_json(&report)?,
        Format::Text => output::print(&in_words(&report))?,
    }
    Ok(if report["healthy"] == true {
        Ended::Well
    } else {
        Ended::With(DEGRADED)
    })
}

fn read_report(config: &Config) -> Result<Value, String> {
    let path = config.status_path();
    let text = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_slice::<Value>(&text)
        .map_err(|error| error.to_string())
        .and_then(|report| report.is_object().then_some(report).ok_or("not a report".into()))
        .map_err(|error| format!("{}: {error}", path.display()))
}

fn late_by_seconds(report: &Value) -> Option<i64> {
    let written: jiff::Timestamp = report["written_at"].as_str()?.parse().ok()?;
    let now: Timestamp = SystemTime::now().into();
    let age_millis = now.as_millis() - written.as_millisecond();
    (age_millis > 3 * REPORT_INTERVAL.as_millis() as i64).then_some(age_millis / 1_000)
}

fn in_words(report: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), output::shown);
    let mut lines = vec![match (report["ready"] == true, report["healthy"] == true) {
        (_, false) => "degraded".to_owned(),
        (false, true) => "starting".to_owned(),
        (true, true) => "healthy".to_owned(),
    }];
    for problem in report["problems"].as_array().into_iter().flatten() {
        lines.push(format!("  problem: {}", text(problem)));
    }
    if report["pid"].is_number() {
        lines.push(format!(
            "hangtag {}, process {}, since {}",
            text(&report["version"]),
            report["pid"],
            text(&report["started_at"])
        ));
        let device = &report["device"];
        let why = device["why"]
            .as_str()
            .map(|why| format!(" ({why})"))
            .unwrap_or_default();
        lines.push(format!(
            "model {} on {}{why}",
            text(&report["model"]),
            text(&device["used"])
        ));
        lines.push(format!("ONNX Runtime {}", text(&report["onnxruntime"])));
        lines.push(format!("store {}", text(&report["store"])));
        if report["web"].is_string() {
            lines.push(format!("pages at {}", text(&report["web"])));
        }
    }
    for folder in report["folders"].as_array().into_iter().flatten() {
        let why = folder["why"]
            .as_str()
            .map(|why| format!(": {why}"))
            .unwrap_or_default();
        lines.push(format!(
            "inbox {} {}{why}",
            text(&folder["path"]),
            text(&folder["state"])
        ));
    }
    let stations = report["stations"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|station| {
            let cell = |key: &str| {
                if station[key].is_null() {
                    String::new()
                } else {
                    text(&station[key])
                }
            };
            vec![cell("name"), cell("done"), cell("last_at"), cell("last")]
        });
    let stations: Vec<_> = stations.collect();
    let queues = report["queues"].as_array().into_iter().flatten();
    let queues = queues.map(|queue| {
        format!(
            "{} {}/{}",
            text(&queue["name"]),
            queue["length"],
            queue["capacity"]
        )
    });
    let queues: Vec<_> = queues.collect();
    let mut words = lines.join("\n") + "\n";
    if !stations.is_empty() {
        words += &output::table(&["station", "done", "last at", "last"], &stations);
        words += &format!("queues: {}\n", queues.join(", "));
    }
    words
}
