//! Starts the pages beside the stations, and lends them what lies beyond their layer.
//!
//! In: the settings, the board, the queues. Out: a running [`Web`], or none. Never: a reason to stop tagging: pages that
//! cannot be served are a problem on the board.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::watch;

use super::open::{load_runtime_blocking, open_bundle_blocking};
use super::serve::load_published_blocking;
use crate::config::Config;
use crate::domain::ModelId;
use crate::model::{BundleError, Classifier, ModelBundle};
use crate::status::{Identity, StatusBoard};
use crate::store::Reader;
use crate::tagging::inbox::Inboxes;
use crate::tagging::line::Queues;
use crate::tagging::sweep::SweepRequests;
use crate::training::corrections::{copy_path, keep_blocking};
use crate::training::drift::answer::DriftAnswer;
use crate::training::gate::Verdict;
use crate::training::looks::most_useful_looks;
use crate::training::newcomer::{Aim, fit_on_audit};
use crate::web::{DriftShown, FindingInWords, Hands, Web, WebParts, stop_collecting_blocking};

/// What the pages are told by the service.
pub(super) struct PagesParts {
    pub inboxes: Arc<Inboxes>,
    pub board: StatusBoard,
    pub identity: watch::Receiver<Identity>,
    pub queues: Queues,
    pub sweeps: SweepRequests,
}

/// `None` where the settings want none, or where there can be none; the board says which.
pub(super) fn start_pages(
    config: &Arc<Config>,
    parts: PagesParts,
    stop: watch::Receiver<bool>,
) -> Option<Web> {
    let board = parts.board.clone();
    let Some(web) = config.web.clone() else {
        if let Err(error) = stop_collecting_blocking(config) {
            tracing::error!("web: {error}");
            board.problem("web", error.to_string());
        }
        return None;
    };
    let parts = WebParts {
        config: Arc::clone(config),
        web,
        inboxes: parts.inboxes.roots().to_vec(),
        board: parts.board,
        hands: hands(config, &parts.identity, parts.queues, parts.sweeps),
        identity: parts.identity,
    };
    let started = Web::start(parts, stop);
    let trouble = |error: crate::web::WebError| {
        tracing::error!("web: {error}");
        board.problem("web", format!("{error}; photos are tagged without pages"));
    };
    started.map_err(trouble).ok()
}

fn hands(
    config: &Arc<Config>,
    identity: &watch::Receiver<Identity>,
    queues: Queues,
    sweeps: SweepRequests,
) -> Hands {
    let identity = identity.clone();
    let (opening, fitting) = (Arc::clone(config), Arc::clone(config));
    let (corrections, kept) = (config.corrections_dir(), config.corrections_dir());
    let on_drift = config.retrain.on_drift;
    Hands {
        queues: Box::new(move || queues.status()),
        is_watched: Box::new({
            let sweeps = sweeps.clone();
            move |path| sweeps.reach(path)
        }),
        look_again: Box::new(move |path| sweeps.request(path)),
        open_model: Box::new(move |model| open_model_blocking(&opening, model)),
        fit_on_audit: Box::new(move |store, model| {
            let reader = Reader::open(&fitting.store_path())?;
            let corrections_dir = fitting.corrections_dir();
            let aim = Aim {
                target_precision: fitting.tagging.target_precision,
                at: SystemTime::now().into(),
                corrections_dir: &corrections_dir,
            };
            fit_on_audit((store, &reader), model, aim)
        }),
        keep_picture: Box::new(move |hash, image| {
            keep_blocking(&corrections, hash, image).map_err(|error| error.to_string())
        }),
        is_picture_kept: Box::new(move |hash| copy_path(&kept, hash).is_file()),
        worth_a_look: Box::new(|reader, model, limit| {
            let looks = most_useful_looks(reader, model, limit)?;
            let in_words = looks
                .into_iter()
                .map(|(photo, reason)| (photo, reason.to_string()));
            Ok(in_words.collect())
        }),
        findings: Box::new(findings),
        drift: Box::new(move |reader| {
            let model = identity.borrow().model.clone();
            let answer = DriftAnswer::of(reader, Some(model), on_drift, SystemTime::now().into())?;
            Ok(shown(&answer))
        }),
    }
}

/// One copy, on the CPU: what serves photos is not disturbed.
fn open_model_blocking(config: &Config, model: &ModelId) -> Result<Box<dyn Classifier>, String> {
    let config = config.on_cpu();
    let bundle = bundle_of(&config, model).map_err(|error| error.to_string())?;
    let runtime =
        load_runtime_blocking(&config.runtime, config.inference.device).map_err(|error| error.to_string())?;
    let opened = open_bundle_blocking(&config, &runtime, &bundle).map_err(|error| error.to_string())?;
    Ok(opened.into_one())
}

/// The one that ships, the one that the settings name, or a published one.
fn bundle_of(config: &Config, model: &ModelId) -> Result<ModelBundle, BundleError> {
    let embedded = ModelBundle::embedded();
    if embedded.id() == model {
        return Ok(embedded);
    }
    if let Some(path) = &config.inference.model {
        let pinned = ModelBundle::load(path)?;
        if pinned.id() == model {
            return Ok(pinned);
        }
    }
    load_published_blocking(&config.models_dir(), model.as_str())
}

/// What the gate found, what decided first; nothing where the record is of another version.
fn findings(verdict: &serde_json::Value) -> Vec<FindingInWords> {
    let verdict: Option<Verdict> = serde_json::from_value(verdict.clone()).ok();
    let found = verdict.iter().flat_map(Verdict::findings);
    found
        .map(|finding| FindingInWords {
            speaks_for: finding.speaks_for(),
            words: finding.to_string(),
        })
        .collect()
}

fn shown(drift: &DriftAnswer) -> DriftShown {
    DriftShown {
        answer: serde_json::json!(drift),
        reading: drift.reading().map(|reading| reading.to_string()),
        conclusion: drift.conclusion(),
        table: drift.table().map(|table| (table.spans, table.rows)),
    }
}
