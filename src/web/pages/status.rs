//! `/status`: how it is, and what is wrong.
//!
//! In: the status board, the store, which file somebody has come for. Out: stations, queues, folders, disk, rejected files
//! and another attempt at them, and whether the photos have changed. Never: a secret of the settings.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::{RawQuery, State};
use axum::response::Html;
use maud::{Markup, html};

use super::layout::{Section, page};
use super::parts::{bytes, counted, grouped, moment};
use crate::domain::Status;
use crate::status::{FolderState, StatusReport};
use crate::store::{FileQuery, FileRowWithId, Presence, Reader, Sort};
use crate::web::failure::{Failure, PageFailure};
use crate::web::{App, DriftShown};

/// Rejected files that are listed, beside the one that somebody has come for; the inventory lists all of them.
const REJECTED: u32 = 50;

/// Room on a disk.
struct Disk {
    /// Which device; the id of `statvfs` is zero on NFS, whichever the server.
    device: u64,
    /// A folder on it.
    path: String,
    /// Bytes that can still be written.
    free_bytes: u64,
    /// Bytes in all.
    total_bytes: u64,
}

impl Disk {
    /// The disk of a folder; one that is not there has none.
    fn read_blocking(folder: &Path) -> Option<Disk> {
        let room = rustix::fs::statvfs(folder).ok()?;
        Some(Disk {
            device: folder.metadata().ok()?.dev(),
            path: folder.display().to_string(),
            free_bytes: room.f_bavail.saturating_mul(room.f_frsize),
            total_bytes: room.f_blocks.saturating_mul(room.f_frsize),
        })
    }
}

/// What is known of the disks.
struct Disks {
    /// Those that have answered, each once.
    known: Vec<Disk>,
    /// Inboxes that have not.
    silent: Vec<String>,
}

impl Disks {
    /// `looked`: what was seen of each of the inboxes, `None` where it does not answer.
    fn of(data: Option<Disk>, inboxes: &[PathBuf], looked: Vec<Option<Option<Disk>>>) -> Disks {
        let mut disks = Disks {
            known: data.into_iter().collect(),
            silent: Vec::new(),
        };
        for (inbox, looked) in inboxes.iter().zip(looked) {
            match looked {
                None => disks.silent.push(inbox.display().to_string()),
                Some(Some(disk)) if disks.known.iter().all(|other| other.device != disk.device) => {
                    disks.known.push(disk);
                }
                Some(_) => {}
            }
        }
        disks
    }
}

/// Files without a tag.
struct Rejected {
    /// The one that somebody has come for, if it is one, and the latest ones.
    files: Vec<FileRowWithId>,
    /// Whether there are others.
    has_more: bool,
    /// How many there are, by reason.
    reasons: Vec<(String, u64)>,
}

impl Rejected {
    fn read_blocking(reader: &Reader, come_for: Option<i64>) -> Result<Rejected, Failure> {
        let latest = reader.page_of_files(
            &FileQuery {
                statuses: vec![Status::Rejected],
                presence: Presence::Present,
                sort: Sort::TaggedAtDescending,
                limit: Some(REJECTED),
                ..FileQuery::default()
            },
            None,
        )?;
        let come_for = come_for.map(|id| reader.file_by_id(id)).transpose()?.flatten();
        let come_for = come_for.filter(|row| row.file.present && row.file.status == Status::Rejected);
        let id = come_for.as_ref().map(|row| row.id);
        let others = latest.files.into_iter().filter(|row| Some(row.id) != id);
        Ok(Rejected {
            files: come_for.into_iter().chain(others).collect(),
            has_more: latest.next.is_some(),
            reasons: reader.rejected_by_reason()?,
        })
    }
}

/// The file that an address names, which is listed first.
fn come_for(query: &str) -> Result<Option<i64>, Failure> {
    let mut fields = form_urlencoded::parse(query.as_bytes());
    let file = fields.find(|(name, _)| name == "file");
    let number = file.map(|(_, number)| number.parse());
    number
        .transpose()
        .map_err(|_| Failure::BadRequest("a file goes by its number".into()))
}

/// `GET /status`, also with `file`
pub async fn status(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Html<String>, PageFailure> {
    let come_for = come_for(query.as_deref().unwrap_or_default())?;
    let (config, hands) = (Arc::clone(&app.config), Arc::clone(&app.hands));
    let read = app.readers.ask(move |reader| {
        Ok((
            Rejected::read_blocking(reader, come_for)?,
            // The store lies on it: it answers, or nothing does.
            Disk::read_blocking(&config.data_dir),
            (hands.drift)(reader)?,
        ))
    });
    let (rejected, data, drift) = read.await?;
    let looked = app.lookout.look(&app.inboxes, Disk::read_blocking).await;
    let disks = Disks::of(data, &app.inboxes, looked);
    let is_watched = |path: &Path| (app.hands.is_watched)(path);
    let report = app.report();
    let body = html! {
        div.stack #fresh data-every="2000" {
            div.bar {
                h1 { "Status" }
                span class={ "chip " (if report.healthy { "good" } else { "bad" }) } { (if report.healthy { "healthy" } else { "degraded" }) }
            }
            // A region of its own, there when it is empty, too: it is read out when it changes, and only then.
            div.notices role="alert" { @for problem in &report.problems { p.notice.bad { (problem) } } }
            (running(&report, app.unlearned.load(Ordering::Relaxed)))
            (stations(&report))
            (folders(&report, &disks))
            (without_tag(&rejected, &is_watched))
            (drifted(&drift))
        }
    };
    Ok(page("Status", Section::Status, &body))
}

fn running(report: &StatusReport, unlearned: u64) -> Markup {
    let identity = &report.identity;
    html! {
        section.card-wide aria-labelledby="running-title" {
            h2 #running-title { "Running" }
            dl {
                dt { "Device" }
                dd { (identity.device.used) @if let Some(why) = &identity.device.why { span.muted { " – " (why) } } }
                dt { "Model" } dd { (super::parts::model(&identity.model)) }
                dt { "Since" } dd { (moment(identity.started_at)) span.muted { " (process " (identity.pid) ")" } }
                dt { "hangtag" } dd { (identity.version) span.muted { ", ONNX Runtime " (identity.onnxruntime) } }
                dt { "Store" } dd.path { (identity.store) }
                @if unlearned > 0 {
                    dt { "Corrections" }
                    dd #unlearned { "no rebuild can learn from " (counted(unlearned, "word")) " said since the start: the photo was gone or could not be read; hangtag's log says why" }
                }
            }
        }
    }
}

fn stations(report: &StatusReport) -> Markup {
    html! {
        section aria-labelledby="stations-title" {
            h2 #stations-title { "Stations" }
            div.scroll tabindex="0" role="region" aria-label="Table of stations" {
                table {
                    thead { tr { th scope="col" { "Station" } th.number scope="col" { "Done" } th scope="col" { "Last" } th scope="col" { "When" } } }
                    tbody {
                        @for station in &report.stations {
                            tr {
                                th scope="row" { (station.name) }
                                td.number { (grouped(station.done)) }
                                td.why { (station.last.as_deref().unwrap_or("nothing yet")) }
                                td { @if let Some(at) = station.last_at { (moment(at)) } }
                            }
                        }
                    }
                }
            }
            h2 { "Queues" }
            dl.queues {
                @for queue in &report.queues {
                    dt { (queue.name) }
                    dd {
                        meter min="0" max=(queue.capacity) value=(queue.length) aria-label={ "Queue " (queue.name) } {}
                        " " (grouped(queue.length as u64)) " of " (grouped(queue.capacity as u64))
                    }
                }
            }
        }
    }
}

fn folders(report: &StatusReport, disks: &Disks) -> Markup {
    html! {
        section aria-labelledby="folders-title" {
            h2 #folders-title { "Folders" }
            dl {
                @for folder in &report.folders {
                    dt {
                        @match &folder.state {
                            FolderState::Watched => span.chip.good { "watched" },
                            FolderState::Polled(_) => span.chip { "polled" },
                            FolderState::Bare(_) => span.chip.bad { "bare" },
                            FolderState::Missing(_) => span.chip.bad { "missing" },
                        }
                    }
                    dd.path {
                        (folder.path)
                        @if let FolderState::Polled(why) | FolderState::Bare(why) | FolderState::Missing(why) = &folder.state {
                            span.muted { " – " (why) }
                        }
                    }
                }
                @for disk in &disks.known {
                    dt { "Disk" }
                    dd { (bytes(disk.free_bytes)) " of " (bytes(disk.total_bytes)) " free " span.muted { "at " (disk.path) } }
                }
                @for inbox in &disks.silent { dt { "Disk" } dd.muted { "at " (inbox) ": not known, it does not answer" } }
            }
        }
    }
}

fn without_tag(rejected: &Rejected, is_watched: &dyn Fn(&Path) -> bool) -> Markup {
    let total: u64 = rejected.reasons.iter().map(|(_, count)| count).sum();
    html! {
        section aria-labelledby="rejected-title" {
            h2 #rejected-title { "Without a tag" }
            @if total == 0 { p.muted { "No file was rejected." } }
            @if total > 0 {
                p {
                    a href="/?status=rejected" { (counted(total, "file")) } ": "
                    @for (place, (reason, count)) in rejected.reasons.iter().enumerate() {
                        @if place > 0 { ", " }
                        (reason.replace('_', " ")) " " (grouped(*count))
                    }
                }
                div.scroll tabindex="0" role="region" aria-label="Table of files without a tag" {
                    table {
                        thead { tr { th scope="col" { "File" } th scope="col" { "Why" } th scope="col" { "When" } th scope="col" { span.hidden { "Actions" } } } }
                        tbody {
                            @for row in &rejected.files {
                                tr id={ "f" (row.id) } {
                                    td.path {
                                        @match &row.file.content_hash {
                                            Some(hash) => a href={ "/photo/" (hash) } { (row.file.path) },
                                            None => (row.file.path),
                                        }
                                    }
                                    td.why { b { (row.file.reason.map_or("", |reason| reason.code()).replace('_', " ")) } " " span.muted { (row.file.detail.as_deref().unwrap_or_default()) } }
                                    td { (moment(row.file.tagged_at)) }
                                    td {
                                        // Elsewhere nothing would look at it again.
                                        @if is_watched(&row.file.path.to_path()) {
                                            button.small type="button" data-retry=(row.id) aria-label={ "Try again: " (super::parts::file_name(row.file.path.as_str())) } { "Try again" }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
                @if rejected.has_more { p.muted { "The latest " (REJECTED) " are listed; " a href="/?status=rejected" { "all of them" } } }
            }
        }
    }
}

fn drifted(drift: &DriftShown) -> Markup {
    html! {
        section aria-labelledby="drift-title" {
            h2 #drift-title { "Have the photos changed?" }
            @if let Some(reading) = &drift.reading { p { span.chip { (reading) } } }
            @for line in drift.conclusion.lines() { p.muted.sentence { (line) } }
            @if let Some(([reference, recent], rows)) = &drift.table {
                div.scroll tabindex="0" role="region" aria-label="Table of both windows" {
                    table {
                        thead { tr { th scope="col" { "Days of UTC" } th.number scope="col" { (reference) } th.number scope="col" { (recent) } } }
                        tbody {
                            @for [name, before, now] in rows {
                                tr { th scope="row" { (name) } td.number { (before) } td.number { (now) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of two inboxes on two servers the second one's room was not shown: NFS gives no id of its own; then none's where one
    /// did not answer.
    #[test]
    fn each_device_is_a_disk_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let device = folder.path().metadata().unwrap().dev();
        let read = Disk::read_blocking(folder.path());
        assert_eq!(read.map(|disk| disk.device), Some(device));
        assert!(Disk::read_blocking(Path::new("/nowhere")).is_none());
        let disk = |device| {
            Some(Disk {
                device,
                path: String::new(),
                free_bytes: 1,
                total_bytes: 2,
            })
        };
        let inboxes = ["a", "dead", "gone", "b", "c"].map(PathBuf::from);
        let looked = vec![Some(disk(1)), None, Some(None), Some(disk(2)), Some(disk(2))];
        let disks = Disks::of(disk(1), &inboxes, looked);
        assert_eq!(disks.silent, ["dead"]);
        let known: Vec<_> = disks.known.iter().map(|disk| disk.device).collect();
        assert_eq!(known, [1, 2]);
    }
}
