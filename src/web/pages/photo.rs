//! `/photo/{hash}`: one photo, and everything that is known of it.
//!
//! In: a content hash. Out: the picture, what the model saw and said, who said what, where it lies. Never: a guess: what is
//! not on record is left out, and what a disk that does not answer would have to say is not waited for.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Html;
use maud::{Markup, html};

use super::bars::bars;
use super::layout::{Section, page};
use super::parts::{bytes, correction_buttons, file_name, grouped, model, moment, percent, status};
use crate::domain::{
    Confidence, ContentHash, Decision, FileStamp, InventoryPath, Label, ModelId, Status, Truth,
};
use crate::store::{ContentHistory, FileHistory, OutcomeRow};
use crate::web::App;
use crate::web::failure::{Failure, InAddress, PageFailure, in_address};
use crate::web::pictures::{Size, href};

/// `GET /photo/{hash}`
pub async fn photo(
    State(app): State<Arc<App>>,
    hash: InAddress<String>,
) -> Result<Html<String>, PageFailure> {
    let hash: ContentHash = in_address(hash)?.parse().map_err(Failure::from)?;
    let known = app.readers.ask(move |reader| {
        let content = reader.history_of_content(&hash)?;
        let content =
            content.ok_or_else(|| Failure::NotFound("no photo with that content is on record".into()))?;
        // Where it lies, or lay, tells what counts now.
        let path = content.present_paths.first().or(content.absent_paths.first());
        let file = path.map(|path| reader.file_history(path)).transpose()?.flatten();
        let mut stamps = HashMap::new();
        for path in &content.present_paths {
            let stamp = reader.known_file(path)?.and_then(|known| known.stamp);
            stamps.insert(path.to_path(), stamp);
        }
        let known = Known {
            decisions: reader.decisions_on(&content)?,
            content,
            file,
            present: Vec::new(),
        };
        Ok((known, stamps))
    });
    let (mut known, stamps) = known.await?;
    let paths: Vec<_> = known
        .content
        .present_paths
        .iter()
        .map(InventoryPath::to_path)
        .collect();
    let looked = app.lookout.look(&paths, move |path| {
        let stamp = stamps.get(path).copied().flatten();
        stamp.map_or("", |stamp| since_then_blocking(path, stamp))
    });
    let present = looked.await.into_iter();
    known.present = present
        .map(|now| now.unwrap_or("not known, its disk does not answer"))
        .collect();
    let serving = app.identity.borrow().model.clone();
    Ok(document(&known, &serving))
}

/// What the page is made of.
struct Known {
    /// Why each tag counts, or does not.
    decisions: Vec<Decision>,
    content: ContentHistory,
    file: Option<FileHistory>,
    /// What became of each of its files since it was read.
    present: Vec<&'static str>,
}

/// What has become of a file since it was read, from its outside alone.
fn since_then_blocking(path: &Path, stamp: FileStamp) -> &'static str {
    match std::fs::metadata(path) {
        Ok(meta) if meta.len() == stamp.size && mtime_ns(&meta) == stamp.mtime_ns => "as it was read",
        Ok(_) => "changed since; the next look at the folder takes it up",
        Err(_) => "not to be found; the next look at the folder takes it up",
    }
}

fn mtime_ns(meta: &std::fs::Metadata) -> i64 {
    use std::os::unix::fs::MetadataExt;
    meta.mtime()
        .saturating_mul(1_000_000_000)
        .saturating_add(meta.mtime_nsec())
}

fn document(known: &Known, serving: &ModelId) -> Html<String> {
    let (content, file) = (&known.content, known.file.as_ref());
    let path = content.present_paths.first().or(content.absent_paths.first());
    let name = path.map_or("A photo", |path| file_name(path.as_str()));
    let counted = file.and_then(|file| file.file.model.as_ref());
    let outcome = content
        .outcomes
        .iter()
        .find(|outcome| outcome.model.as_ref() == counted);
    let outcome = outcome.or(content.outcomes.last());
    let label = file.and_then(|file| file.file.label);
    let answered = file.filter(|file| file.file.reason.is_none());
    let shown = answered.map(|file| Truth::from(file.file.label));
    let body = html! {
        article.photo #photo data-hash=(content.content_hash) {
            figure.picture {
                @if outcome.is_some_and(|outcome| outcome.reason.is_some()) && content.width.is_none() {
                    p.none { "No picture can be shown" }
                } @else {
                    img src=(href(&content.content_hash, Size::Large)) alt=(name) width=[content.width] height=[content.height];
                }
            }
            div.answer {
                h1 { (name) }
                (verdict(content, file))
                section aria-labelledby="correct-title" {
                    h2 #correct-title { "What does it show?" }
                    div.buttons #correct { (correction_buttons(shown)) }
                    @if let Some(correction) = &content.correction {
                        p { button type="button" data-undo=(correction.truth) { kbd { "z" } span { "Take the correction back" } } }
                    }
                }
                @if let Some(outcome) = outcome {
                    (said(outcome, label, content, serving))
                    @let of = |decision: &&Decision| Some(&decision.model) == outcome.model.as_ref();
                    @if let Some(decision) = known.decisions.iter().find(of) { (decided(decision)) }
                }
            }
            (facts(known))
        }
    };
    page(name, Section::Inventory, &body)
}

/// What counts now.
fn verdict(content: &ContentHistory, file: Option<&FileHistory>) -> Markup {
    let Some(history) = file else {
        return html! { p.verdict { "No file holds it (any more)." } };
    };
    let row = &history.file;
    html! {
        p.verdict data-at=(row.tagged_at.as_millis()) {
            b { (row.label.map_or(if row.reason.is_some() { "No tag" } else { "None of these" }, Label::name)) }
            @if let Some(confidence) = row.confidence { " " span.number { (percent(confidence)) } }
            " " (status(row.status))
        }
        @if let Some(correction) = &content.correction {
            p.muted { "Corrected by " (correction.by) ", " (moment(correction.at)) }
        }
        @if let (Some(reason), Some(detail)) = (row.reason, &row.detail) {
            p.error { (reason.code()) ": " (detail) }
        }
        @if let Some(absent_at) = history.absent_at {
            p.muted { "The file has been gone since " (moment(absent_at)) }
        }
    }
}

/// What the model saw and said.
fn said(outcome: &OutcomeRow, label: Option<Label>, content: &ContentHistory, serving: &ModelId) -> Markup {
    html! {
        section aria-labelledby="said-title" {
            h2 #said-title { "What the model said" }
            @if let Some(scores) = &outcome.scores {
                div.said {
                    figure.seen {
                        img src=(href(&content.content_hash, Size::Seen)) alt="The 28 by 28 pixels that the model saw" width="112" height="112";
                        figcaption.muted { "what it saw" }
                    }
                    (bars(scores, label))
                }
            }
            @if let Some(said_by) = &outcome.model {
                p.muted {
                    "Model " (model(said_by))
                    @if said_by == serving { ", which is in service" } @else { ", which is not in service any more" }
                    @if let Some(device) = outcome.device { ", on " (device) }
                    ", preprocessing " (outcome.preprocessing.0) ", " (moment(outcome.tagged_at))
                }
            }
        }
    }
}

/// What the thresholds in force make of it.
fn decided(decision: &Decision) -> Markup {
    let number = |confidence: Option<Confidence>| confidence.map(|value| format!("{:.4}", value.get()));
    html! {
        section aria-labelledby="decided-title" {
            h2 #decided-title { "Why it counts, or does not" }
            p #decided { (decision) }
            dl {
                dt { "Trust" } dd { (format!("{:.4}", decision.trust)) }
                dt { "Accepted from" } dd { (number(decision.accepted_from).unwrap_or_else(|| "never".into())) span.muted { " for " (decision.label) } }
                dt { "None of the classes" }
                dd { (number(decision.unknown).unwrap_or_else(|| "not estimated".into())) span.muted { ", unknown from " (format!("{:.2}", decision.unknown_from.get())) } }
                dt { "Thresholds from" } dd { (decision.basis) @if let Some(caveat) = decision.caveat { span.muted { " – " (caveat) } } }
            }
        }
    }
}

fn facts(known: &Known) -> Markup {
    let (content, file) = (&known.content, known.file.as_ref());
    html! {
        section.facts aria-labelledby="facts-title" {
            h2 #facts-title { "On record" }
            dl {
                dt { "Content" } dd.mono { (content.content_hash) }
                dt { "Picture" }
                dd {
                    (content.format.as_deref().unwrap_or("unknown format"))
                    @if let (Some(width), Some(height)) = (content.width, content.height) { ", " (width) " × " (height) " pixels" }
                    ", " (bytes(content.bytes))
                }
                dt { "First seen" } dd { (moment(content.first_seen_at)) }
                @if let Some(file) = file { dt { "Answered" } dd { (moment(file.file.tagged_at)) } }
                @for (path, now) in content.present_paths.iter().zip(&known.present) {
                    dt { "At" } dd { span.path { (path) } " " span.muted { (now) } }
                }
                @for path in &content.absent_paths { dt { "Was at" } dd.path { (path) } }
            }
            h2 { "History" }
            div.scroll tabindex="0" role="region" aria-label="Table of the history" {
                table {
                    thead { tr { th scope="col" { "Model" } th scope="col" { "Said" } th scope="col" { "Status" } th.number scope="col" { "Confidence" } th scope="col" { "When" } } }
                    tbody {
                        @for outcome in &content.outcomes {
                            tr {
                                td { @if let Some(said_by) = &outcome.model { (model(said_by)) } }
                                td {
                                    @match (outcome.label, outcome.reason) {
                                        (Some(label), _) => (label.name()),
                                        (None, Some(reason)) => span title=[outcome.detail.as_deref()] { "no tag: " (reason.code()) },
                                        (None, None) => "",
                                    }
                                }
                                td { (status(outcome.status)) }
                                td.number { @if let Some(confidence) = outcome.confidence { (percent(confidence)) } }
                                td { (moment(outcome.tagged_at)) }
                            }
                        }
                        @if let Some(correction) = &content.correction {
                            tr {
                                td { (correction.by) }
                                td { (correction.truth) }
                                td { (status(Status::Corrected)) }
                                td.number {}
                                td { (moment(correction.at)) }
                            }
                        }
                    }
                }
            }
            @if content.present_paths.len() > 1 {
                p.muted { (grouped(content.present_paths.len() as u64)) " files hold this photo; a correction counts for all of them." }
            }
        }
    }
}
