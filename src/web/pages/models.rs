//! `/models`: which model serves, which served, and what can be done about it.
//!
//! In: the registry, runs, the schedule. Out: a page whose buttons say what they will do before they do it. Never: a choice
//! made here.

use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::{RawQuery, State};
use axum::response::Html;
use maud::{Markup, html};

use super::layout::{Section, page};
use super::parts::{accuracy, counted, grouped, moment};
use super::runs::{Run, run_details};
use crate::config::{Config, RetagConfig, RetagPolicy};
use crate::domain::{ModelId, Timestamp};
use crate::store::{
    LabelChange, ModelRow, ModelState, Reader, RebuildRequest, RetagProgress, RunState, RunTrigger,
    ServiceRow,
};
use crate::web::App;
use crate::web::api::models::MAX_REASON_CHARS;
use crate::web::failure::{Failure, PageFailure};

/// Runs that are shown.
const RUNS: u32 = 20;
/// Times in service that are shown.
const SERVED: u32 = 10;

/// What the page is made of.
struct Registry {
    models: Vec<ModelRow>,
    served: Vec<ServiceRow>,
    former: Option<ModelId>,
    progress: Option<RetagProgress>,
    request: Option<RebuildRequest>,
    runs: Vec<Run>,
}

impl Registry {
    fn read_blocking(reader: &Reader, config: &Config) -> Result<Registry, Failure> {
        let in_service = reader.model_in_service_id()?;
        Ok(Registry {
            models: reader.models()?,
            served: reader.service_history(SERVED)?,
            former: reader.former_model()?,
            // What the settings name serves in its place.
            progress: in_service
                .filter(|_| config.inference.model.is_none())
                .map(|model| reader.retag_progress(&model))
                .transpose()?,
            request: reader.open_rebuild_request()?,
            runs: reader
                .runs(RUNS)?
                .into_iter()
                .map(|row| Run::read_blocking(row, config))
                .collect(),
        })
    }

    fn in_service(&self) -> Option<&ModelRow> {
        self.models.iter().find(|row| row.state == ModelState::InService)
    }
}

/// `GET /models`
pub async fn models(State(app): State<Arc<App>>) -> Result<Html<String>, PageFailure> {
    let config = Arc::clone(&app.config);
    let registry = app
        .readers
        .ask(move |reader| Registry::read_blocking(reader, &config))
        .await?;
    Ok(document(&app, &registry))
}

fn document(app: &App, registry: &Registry) -> Html<String> {
    let is_pinned = app.config.inference.model.is_some();
    let body = html! {
        div.stack #fresh {
            div.bar { h1 { "Models" } }
            @if let Some(path) = &app.config.inference.model {
                p.notice { "The settings name a model (inference.model = " code { (path.display()) } "): it is served whatever stands here." }
            }
            (serving(registry, &app.config.retag, is_pinned))
            (rebuild(app, registry, is_pinned))
            section aria-labelledby="runs-title" {
                h2 #runs-title { "Runs" }
                @if registry.runs.is_empty() { p.muted { "None yet." } }
                @for (place, run) in registry.runs.iter().enumerate() { (run_details(run, place == 0, &app.hands)) }
            }
            (all_models(registry, &app.config.retag, is_pinned))
            (history(registry))
        }
        (confirmation())
    };
    page("Models", Section::Models, &body)
}

fn test_accuracy(row: &ModelRow) -> String {
    row.manifest["figures"]["test_accuracy"]
        .as_f64()
        .map(accuracy)
        .unwrap_or_default()
}

/// What becomes of photos that have no answer of the model in service on record.
fn fate_of_others(retag: &RetagConfig) -> String {
    match retag.policy {
        RetagPolicy::All => "are asked anew".into(),
        RetagPolicy::BelowConfidence => format!(
            "are asked anew where their answer is less sure than {}, and else keep it until they change (retag.policy)",
            retag.below_confidence.get()
        ),
        RetagPolicy::None => "keep their answers until they change (retag.policy)".into(),
    }
}

fn serving(registry: &Registry, retag: &RetagConfig, is_pinned: bool) -> Markup {
    let Some(row) = registry.in_service() else {
        return html! { p.notice { "No model is in service yet." } };
    };
    let since = registry.served.first();
    html! {
        section.card-wide aria-labelledby="serving-title" {
            h2 #serving-title { "In service" }
            p.verdict { b.mono { (row.model) } " " span.number { (test_accuracy(row)) } " " span.muted { "on the test set" } }
            @if let Some(since) = since {
                p.muted { "Since " (moment(since.since)) ", put there by " (since.by) @if since.forced { ", against the gate" } ": " (since.reason) }
            }
            @if let Some(RetagProgress { done, left }) = registry.progress {
                @if left > 0 {
                    p {
                        // Only of what all of them will show is there a way to its end.
                        @if retag.policy == RetagPolicy::All {
                            progress max=(done + left) value=(done) aria-label="Photos that show its answer" {}
                            " "
                        }
                        (grouped(done)) " of " (counted(done + left, "photo")) " show its answer; the others " (fate_of_others(retag))
                    }
                } @else {
                    p.muted { "All " (counted(done, "photo")) " show its answer." }
                }
            }
            @if let Some(former) = &registry.former {
                p.actions {
                    button type="button" disabled[is_pinned] data-confirm="/api/v1/models/rollback"
                        data-instead=(row.model)
                        data-title={ "Roll back to " (&former.as_str()[..8]) "?" }
                        data-consequence={ "Model " (former) " takes the place of " (row.model) ". The tags that it gave come back without asking it again; photos that it has never seen " (fate_of_others(retag)) ". Corrections stay as they are. You can go forward again by promoting " (row.model) "." } {
                        "Roll back to " (&former.as_str()[..8])
                    }
                    a.quiet href={ "/models/diff?from=" (former) "&to=" (row.model) } { "What it changed" }
                }
            }
        }
    }
}

fn rebuild(app: &App, registry: &Registry, is_pinned: bool) -> Markup {
    let now: Timestamp = SystemTime::now().into();
    let next = app.config.retrain.schedule.as_ref();
    let next = next.and_then(|schedule| {
        schedule
            .next_after(now)
            .map(|next| (next, schedule.local_time(next)))
    });
    // A training by command is no rebuild, and keeps none from beginning.
    let is_under_way =
        |run: &&Run| run.row.state == RunState::Running && run.row.trigger != RunTrigger::Command;
    let running = registry.runs.iter().find(is_under_way);
    html! {
        section.card-wide aria-labelledby="rebuild-title" {
            h2 #rebuild-title { "Rebuild" }
            @match (&next, &app.config.retrain.schedule) {
                (Some((next, local)), _) => p { "Next by schedule: " b { (local) } " (" (moment(*next)) ")" },
                (None, Some(_)) => p.muted { "The schedule names no further time." },
                (None, None) => p.muted { "No rebuild is scheduled (retrain.enabled = false)." },
            }
            @if let Some(request) = &registry.request {
                p.notice { "Asked for by " (request.by) ", " (moment(request.asked_at)) "; it begins in a moment." }
            } @else if let Some(run) = running {
                p.notice { "Run " (run.row.id.0) " is under way." }
            }
            p.actions {
                button.primary type="button" disabled[is_pinned || registry.request.is_some() || running.is_some()]
                    data-confirm="/api/v1/runs"
                    data-title="Rebuild the model now?"
                    data-consequence={ "A new model is trained beside the service, from Fashion-MNIST and all corrections, on as many threads as retrain.threads says. It goes into service by itself only if the gate finds it no worse than the one in service; then all photos " (fate_of_others(&app.config.retag)) "." } {
                    "Rebuild now"
                }
            }
        }
    }
}

fn all_models(registry: &Registry, retag: &RetagConfig, is_pinned: bool) -> Markup {
    let in_service = registry.in_service().map(|row| row.model.to_string());
    html! {
        section aria-labelledby="all-title" {
            h2 #all-title { "All models" }
            div.scroll tabindex="0" role="region" aria-label="Table of all models" {
                table {
                    thead { tr {
                        th scope="col" { "Model" } th scope="col" { "State" } th.number scope="col" { "Test accuracy" }
                        th scope="col" { "Since" } th scope="col" { "Why" } th scope="col" { span.hidden { "Actions" } }
                    } }
                    tbody {
                        @for row in registry.models.iter().rev() {
                            tr id={ "m-" (row.model) } {
                                th.mono scope="row" { (row.model) }
                                td { span class={ "chip m-" (row.state) } { (row.state.name().replace('_', " ")) } }
                                td.number { (test_accuracy(row)) }
                                td { (moment(row.state_since)) }
                                td.why { (row.state_reason.as_deref().unwrap_or_default()) }
                                td { @if row.state != ModelState::InService { (promote(row, in_service.as_deref(), retag, is_pinned)) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn promote(row: &ModelRow, in_service: Option<&str>, retag: &RetagConfig, is_pinned: bool) -> Markup {
    let is_against_gate = matches!(row.state, ModelState::Rejected | ModelState::Candidate);
    let warning = if is_against_gate {
        "The gate has not let it pass; that you force it is recorded. "
    } else {
        ""
    };
    html! {
        button.small type="button" disabled[is_pinned] data-confirm={ "/api/v1/models/" (row.model) "/promote" }
            data-instead=[in_service] data-force=[is_against_gate.then_some("true")]
            data-title={ "Promote " (&row.model.as_str()[..8]) "?" }
            data-consequence={ (warning) "Model " (row.model) " takes the place of the one in service as soon as it has answered once. The inventory follows: answers of it that are on record come back at once, all other photos " (fate_of_others(retag)) ". Corrections stay as they are." } {
            "Promote"
        }
    }
}

fn history(registry: &Registry) -> Markup {
    html! {
        section aria-labelledby="served-title" {
            h2 #served-title { "What served when" }
            div.scroll tabindex="0" role="region" aria-label="Table of what served" {
                table {
                    thead { tr { th scope="col" { "From" } th scope="col" { "Until" } th scope="col" { "Model" } th scope="col" { "By" } th scope="col" { "Why" } } }
                    tbody {
                        @for served in &registry.served {
                            tr {
                                td { (moment(served.since)) }
                                td { @match served.until { Some(until) => (moment(until)), None => "now" } }
                                td.mono { (served.model) }
                                td { (served.by) @if served.forced { " (forced)" } }
                                td.why { (served.reason) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The question before anything is changed; the script fills it in.
fn confirmation() -> Markup {
    html! {
        dialog #confirm aria-labelledby="confirm-title" aria-describedby="confirm-consequence" {
            form method="dialog" {
                h2 #confirm-title {}
                p #confirm-consequence {}
                label.field #confirm-why { span { "Why (recorded)" } input type="text" name="reason" maxlength=(MAX_REASON_CHARS) autocomplete="off"; }
                p.error #confirm-error role="alert" {}
                div.actions {
                    // Enter in the field submits: it does what the dialog asks about.
                    button.primary type="submit" #confirm-yes { "Do it" }
                    button type="button" #confirm-no { "Cancel" }
                }
            }
        }
    }
}

/// `GET /models/diff?from=…&to=…`
pub async fn diff(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Html<String>, PageFailure> {
    let ((from, to), changes) = compared(&app, query.as_deref().unwrap_or_default()).await?;
    Ok(diff_document((&from, &to), &changes))
}

/// The models that an address names as `from` and `to`, and how the answers of both differ.
pub async fn compared(app: &App, query: &str) -> Result<((ModelId, ModelId), Vec<LabelChange>), Failure> {
    let models = two_models(query)?;
    let compare = app.readers.ask(move |reader| {
        let (from, to) = &models;
        for model in [from, to] {
            if reader.model(model)?.is_none() {
                return Err(Failure::NotFound(format!("no model {model} is on record")));
            }
        }
        let changes = reader.tag_changes(from, to)?;
        Ok((models, changes))
    });
    compare.await
}

/// By their whole ids.
fn two_models(query: &str) -> Result<(ModelId, ModelId), Failure> {
    let find = |wanted: &str| {
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        let found = pairs
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.into_owned());
        let found = found
            .ok_or_else(|| Failure::BadRequest(format!("{wanted} must name a model by its 16 digits")))?;
        Ok::<_, Failure>(ModelId::from_sha256(&found)?)
    };
    Ok((find("from")?, find("to")?))
}

fn diff_document((from, to): (&ModelId, &ModelId), changes: &[LabelChange]) -> Html<String> {
    let total: u64 = changes.iter().map(|change| change.count).sum();
    let same: u64 = changes
        .iter()
        .filter(|change| change.from == change.to)
        .map(|change| change.count)
        .sum();
    let name = |label: Option<crate::domain::Label>| label.map_or("(no tag)", crate::domain::Label::name);
    let body = html! {
        div.stack {
            h1 { "What changed" }
            p { "From " span.mono { (from) } " to " span.mono { (to) } ": " (counted(total, "photo")) " were asked of both, " (grouped(same)) " kept their label." }
            @if total > same {
                table {
                    thead { tr { th.number scope="col" { "Photos" } th scope="col" { "From" } th scope="col" { "To" } } }
                    tbody {
                        @for change in changes.iter().filter(|change| change.from != change.to) {
                            tr { td.number { (grouped(change.count)) } td { (name(change.from)) } td { (name(change.to)) } }
                        }
                    }
                }
            }
            p { a href="/models" { "Back to the models" } }
        }
    };
    page("What changed", Section::Models, &body)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::Sources;
    use crate::domain::PreprocessingVersion;
    use crate::store::{Actor, Forced, NewModel, ServiceChange, Store};

    /// A store with a model in service, and settings with these lines besides.
    fn shop(folder: &std::path::Path, lines: &str) -> (Config, Reader) {
        let (inbox, data) = (folder.join("inbox"), folder.join("data"));
        let settings = format!("inbox = {inbox:?}\ndata_dir = {data:?}\n{lines}");
        let config = Config::from_sources(&Sources {
            file: Some(("shop.toml".into(), settings)),
            ..Sources::default()
        });
        let config = config.unwrap();
        let mut store = Store::open(&config.store_path(), config.durability.into()).unwrap();
        let at = Timestamp::from_millis(1);
        let model = NewModel::new(&"a".repeat(64), PreprocessingVersion(1), at).unwrap();
        store.register_model(&model).unwrap();
        let change = ServiceChange {
            model: model.id().clone(),
            at,
            by: Actor::Person,
            reason: "a test".into(),
            forced: Forced::No,
            verdict: Some(json!(null)),
            instead_of: None,
        };
        store.put_in_service(&change).unwrap();
        let reader = Reader::open(&config.store_path()).unwrap();
        (config, reader)
    }

    /// Of photos that no policy asks for it was said for ever that they follow, beside a bar that stood still, and before a
    /// promotion that they are asked anew.
    #[test]
    fn what_becomes_of_the_other_photos_is_said_by_policy() {
        for (policy, words, has_bar) in [
            ("all", "are asked anew", true),
            ("below_confidence", "less sure than 0.6", false),
            ("none", "keep their answers until they change", false),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let lines = format!("[retag]\npolicy = \"{policy}\"\nbelow_confidence = 0.6");
            let (config, reader) = shop(folder.path(), &lines);
            let mut registry = Registry::read_blocking(&reader, &config).unwrap();
            registry.progress = Some(RetagProgress { done: 0, left: 111 });
            registry.former = Some(ModelId::from_sha256(&"b".repeat(64)).unwrap());
            let row = &registry.models[0];
            let page = serving(&registry, &config.retag, false).into_string();
            assert_eq!(page.contains("<progress"), has_bar, "{policy}: {page}");
            assert_eq!(page.matches(words).count(), 2, "progress and rollback: {page}");
            let question = promote(row, None, &config.retag, false).into_string();
            assert!(question.contains(words), "{policy}: {question}");
        }
    }

    /// Of a model that does not serve it was said how many photos follow it.
    #[test]
    fn nothing_follows_a_model_that_the_settings_have_put_aside() {
        for (lines, is_followed) in [("", true), ("[inference]\nmodel = \"/srv/model\"", false)] {
            let folder = tempfile::tempdir().unwrap();
            let (config, reader) = shop(folder.path(), lines);
            let registry = Registry::read_blocking(&reader, &config).unwrap();
            assert_eq!(registry.progress.is_some(), is_followed, "{lines}");
        }
    }
}
