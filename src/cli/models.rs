//! `hangtag models`: which models there are, which one serves, and how to change that.
//!
//! In: an id (or its beginning), a bundle's folder, `shipped`. Out: the registry, or a change of it that a running
//! daemon obeys within a second. Never: a model put in service that does not load and answer; a tag changed here.

use std::path::Path;
use std::time::SystemTime;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::json;

use super::store::open_to_change;
use super::{Ended, Format, UsageError, output, person};
use crate::config::Config;
use crate::daemon::{self, StoreLock};
use crate::domain::{DevicePolicy, ModelId};
use crate::model::ModelBundle;
use crate::store::{Forced, ModelRow, Reader, Refusal, ServiceChange, Store, Wish};
use crate::training::newcomer::{Aim, fit_on_audit, thresholds_in_words};
use crate::training::publish::publish_blocking;

mod compare;

use compare::{diff, preview};

/// Which models there are, which one serves, and how to change that.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hangtag models                                all of them
  hangtag models show 381bd3a5                  one of them, by the beginning of its id
  hangtag models preview 5f2c                   what it would change, before it serves
  hangtag models promote 5f2c                   one that passed the gate, or served before
  hangtag models promote ./my-model --force     a bundle of your own
  hangtag models rollback                       the former one, with the tags it gave
  hangtag models diff 381bd3a5 5f2c             how many photos changed from which label to which")]
pub struct ModelsArguments {
    #[command(subcommand)]
    command: Option<ModelsCommand>,
    /// How the answer is printed
    #[arg(long, value_enum, default_value_t, global = true)]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum ModelsCommand {
    /// All models and where they stand (the default)
    #[command(after_help = "Example:\n  hangtag models list --format json    for programs")]
    List,
    /// Everything known about one
    #[command(after_help = "Example:\n  hangtag models show 381bd3a5    by the beginning of its id")]
    Show {
        /// Id, or its beginning
        model: String,
    },
    /// Put one in service
    #[command(after_help = "\
Examples:
  hangtag models promote 5f2c                   one that passed the gate, or served before
  hangtag models promote ./my-model --force --reason 'trained on our catalogue'")]
    Promote {
        /// Id or its beginning, a bundle's folder, or `shipped`
        model: String,
        /// Also one that the gate has not let pass; recorded as yours
        #[arg(long)]
        force: bool,
        /// Why; recorded
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Put the former one back in service, with the tags it gave
    #[command(after_help = "Example:\n  hangtag models rollback --reason 'coats come out as dresses'")]
    Rollback {
        /// Why; recorded
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// How many photos two models give which labels, from what both said
    #[command(after_help = "Example:\n  hangtag models diff 381bd3a5 5f2c    from the first to the second")]
    Diff {
        /// The one before
        before: String,
        /// The one after
        after: String,
    },
    /// What a model would change, asked anew for the photos that are there; no tag is touched
    #[command(after_help = "Example:\n  hangtag models preview 5f2c --limit 2000    a quick look")]
    Preview {
        /// Id or its beginning, a bundle's folder, or `shipped`
        model: String,
        /// Ask for so many photos only, evenly spread
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        limit: Option<u32>,
    },
}

/// Answers or changes.
pub fn run(arguments: ModelsArguments, config: &Config) -> anyhow::Result<Ended> {
    let format = arguments.format;
    match arguments.command.unwrap_or(ModelsCommand::List) {
        ModelsCommand::List => list(config, format)?,
        ModelsCommand::Show { model } => show(&model, config, format)?,
        ModelsCommand::Promote { model, force, reason } => {
            let forced = if force { Forced::Yes } else { Forced::No };
            promote(&model, (forced, reason), config, format)?;
        }
        ModelsCommand::Rollback { reason } => rollback(reason, config, format)?,
        ModelsCommand::Diff { before, after } => diff((&before, &after), config, format)?,
        ModelsCommand::Preview { model, limit } => preview(&model, limit, config, format)?,
    }
    Ok(Ended::Well)
}

fn list(config: &Config, format: Format) -> anyhow::Result<()> {
    let models = Reader::open(&config.store_path())?.models()?;
    if let Format::Json = format {
        return output::print_json(&models);
    }
    let cells = models.iter().rev().map(|row| {
        vec![
            row.model.to_string(),
            row.state.to_string(),
            percent(&row.manifest["figures"]["test_accuracy"]),
            row.state_since.to_string(),
            row.state_reason.clone().unwrap_or_default(),
        ]
    });
    output::print(&output::table(
        &["model", "state", "test accuracy", "since", "why"],
        &cells.collect::<Vec<_>>(),
    ))
}

fn show(model: &str, config: &Config, format: Format) -> anyhow::Result<()> {
    let reader = Reader::open(&config.store_path())?;
    let row = find(model, &reader)?;
    let history: Vec<_> = reader
        .service_history(1_000)?
        .into_iter()
        .filter(|served| served.model == row.model)
        .collect();
    let folder = config.models_dir().join(row.model.as_str());
    if let Format::Json = format {
        return output::print_json(
            &json!({ "model": row, "service": history, "bundle": folder.display().to_string() }),
        );
    }
    let manifest = &row.manifest;
    let mut text = format!(
        "{}\n  {} since {}{}\n  test accuracy {}, preprocessing {}, made by hangtag {}\n  {}\n  {}\n",
        row.model,
        row.state,
        row.state_since,
        row.state_reason
            .as_deref()
            .map(|why| format!(": {}", output::shown(why)))
            .unwrap_or_default(),
        percent(&manifest["figures"]["test_accuracy"]),
        row.preprocessing.0,
        manifest["hangtag_version"].as_str().unwrap_or("?"),
        output::shown(manifest["command"].as_str().unwrap_or_default()),
        if folder.exists() {
            folder.display().to_string()
        } else {
            "its bundle is not there any more (retrain.keep_runs)".to_owned()
        },
    );
    for served in history {
        let until = served.until.map_or("now".to_owned(), |until| until.to_string());
        let forced = if served.forced { ", against the gate" } else { "" };
        text += &format!(
            "  served from {} to {until}, put there by {}{forced}: {}\n",
            served.since,
            output::shown(&served.by.to_string()),
            output::shown(&served.reason)
        );
    }
    output::print(&text)
}

fn promote(
    model: &str,
    (forced, reason): (Forced, Option<String>),
    config: &Config,
    format: Format,
) -> anyhow::Result<()> {
    refuse_pinned(config)?;
    let bundle = bundle_of(model, config)?;
    let wish = Wish {
        model: Some(bundle.id().clone()),
        forced,
        reason,
        instead_of: None,
        by: person(),
    };
    put_in_service(wish, Some(bundle), config, format)
}

fn rollback(reason: Option<String>, config: &Config, format: Format) -> anyhow::Result<()> {
    refuse_pinned(config)?;
    let wish = Wish {
        model: None,
        forced: Forced::No,
        reason,
        instead_of: None,
        by: person(),
    };
    put_in_service(wish, None, config, format)
}

/// Grants what a person wants, with the bundle that they named; without one, with that of the model that is meant.
fn put_in_service(
    wish: Wish,
    named: Option<ModelBundle>,
    config: &Config,
    format: Format,
) -> anyhow::Result<()> {
    let mut store = open_to_change(config)?;
    let reader = Reader::open(&config.store_path())?;
    let shipped = ModelBundle::embedded();
    let change = match wish.decided(&reader, shipped.id(), SystemTime::now().into()) {
        Err(Refusal::InService(model)) => {
            return match format {
                Format::Json => say_in_service(&model, config, format),
                Format::Text => output::print(&format!("{model} is in service already\n")),
            };
        }
        decided => decided.map_err(as_usage)?,
    };
    let bundle = match named {
        Some(bundle) => bundle,
        None => bundle_of(change.model.as_str(), config)?,
    };
    carry_out(&change, &bundle, (&mut store, &reader), config)?;
    say_in_service(bundle.id(), config, format)
}

/// What a person may have to word differently.
fn as_usage(refusal: Refusal) -> anyhow::Error {
    match refusal {
        Refusal::Store(error) => error.into(),
        refusal @ Refusal::NotPassed { .. } => UsageError(format!("{refusal} (--force)")).into(),
        refusal => UsageError(refusal.to_string()).into(),
    }
}

/// Proves that the model answers, publishes it, and changes the registry.
fn carry_out(
    change: &ServiceChange,
    bundle: &ModelBundle,
    (store, reader): (&mut Store, &Reader),
    config: &Config,
) -> anyhow::Result<()> {
    let runtime = daemon::load_runtime_blocking(&config.runtime, DevicePolicy::Cpu)?;
    let opened = daemon::open_bundle_blocking(&config.on_cpu(), &runtime, bundle)
        .context("the model does not work, so nothing was changed")?;
    publish_blocking(&config.models_dir(), bundle)?;
    store.register_model(&opened.entry)?;
    let corrections_dir = config.corrections_dir();
    let aim = Aim {
        target_precision: config.tagging.target_precision,
        at: change.at,
        corrections_dir: &corrections_dir,
    };
    fit_on_audit((store, reader), bundle.id(), aim)?;
    Ok(store.grant(change)?)
}

fn say_in_service(model: &ModelId, config: &Config, format: Format) -> anyhow::Result<()> {
    let running = StoreLock::has_daemon(&config.lock_path())?;
    let thresholds = thresholds_in_words(&Reader::open(&config.store_path())?, model)?;
    let follows = if running {
        "the running daemon takes it over at once, and the inventory follows (retag.policy)"
    } else {
        "no daemon is running, the next `hangtag run` or `hangtag scan` takes it over"
    };
    match format {
        Format::Json => output::print_json(
            &json!({ "in_service": model, "daemon_running": running, "thresholds": thresholds }),
        ),
        Format::Text => output::print(&format!(
            "{model} is in service; {follows}\nit {}\n",
            output::shown(&thresholds)
        )),
    }
}

/// A bundle by what a person may call it.
fn bundle_of(model: &str, config: &Config) -> anyhow::Result<ModelBundle> {
    if model == "shipped" {
        return Ok(ModelBundle::embedded());
    }
    let path = Path::new(model);
    if path.is_dir() {
        return Ok(ModelBundle::load(path)?);
    }
    let reader = Reader::open(&config.store_path())?;
    let id = find(model, &reader)?.model;
    if id == *ModelBundle::embedded().id() {
        return Ok(ModelBundle::embedded());
    }
    if !config.models_dir().join(id.as_str()).exists() {
        return Err(UsageError(format!(
            "the bundle of {id} is not there any more: it went with the run that made it (retrain.keep_runs)"
        ))
        .into());
    }
    Ok(daemon::load_published_blocking(
        &config.models_dir(),
        id.as_str(),
    )?)
}

/// The one model whose id begins so.
fn find(beginning: &str, reader: &Reader) -> anyhow::Result<ModelRow> {
    let mut found: Vec<_> = reader
        .models()?
        .into_iter()
        .filter(|row| row.model.as_str().starts_with(&beginning.to_lowercase()))
        .collect();
    match (found.len(), beginning.is_empty()) {
        (1, false) => Ok(found.remove(0)),
        (0, _) => Err(UsageError(format!(
            "no model's id begins with {beginning:?}, and there is no folder of that name; `hangtag models` lists them"
        ))
        .into()),
        (count, _) => Err(UsageError(format!("the ids of {count} models begin with {beginning:?}; write more of it")).into()),
    }
}

pub fn refuse_pinned(config: &Config) -> anyhow::Result<()> {
    match &config.inference.model {
        Some(path) => Err(UsageError(format!(
            "inference.model = {:?} is served whatever the registry says; unset it to change models by command",
            path.display().to_string()
        ))
        .into()),
        None => Ok(()),
    }
}

fn percent(share: &serde_json::Value) -> String {
    share
        .as_f64()
        .map(|share| format!("{:.2} %", share * 100.0))
        .unwrap_or_default()
}
