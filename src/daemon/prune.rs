//! What rebuilds leave is not kept for ever.
//!
//! In: the store, the settings. Out: old runs' folders, models and answers removed. Never: the model in service or the
//! last two that were, a run that is under way, an answer that a file shows.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::config::Config;
use crate::domain::ModelId;
use crate::store::{PAUSE_FOR_OTHERS, Portion, Reader, RunRow, RunState, Store, StoreError};
use crate::training::job::RunFolder;

/// Models whose bundles are never removed: the one in service and the last two that were.
const PROTECTED_MODELS: usize = 3;
/// Contents thinned in one transaction: some ten milliseconds, for which the tags' writer waits.
const THINNED_AT_ONCE: u32 = 1_000;

/// Removes what is old; what cannot be removed stays for the next time and is said.
pub(super) fn prune_blocking(config: &Config, (reader, store): (&Reader, &mut Store), stop: &AtomicBool) {
    let pruned = prune_folders(config, reader).and_then(|()| thin_history(config, (reader, store), stop));
    if let Err(error) = pruned {
        tracing::warn!("not all of what old rebuilds left was removed: {error}");
    }
}

/// Folders of more than `retrain.keep_runs` runs, and the bundles that came of them.
fn prune_folders(config: &Config, reader: &Reader) -> Result<(), StoreError> {
    let needed = last_served(PROTECTED_MODELS, reader)?;
    // Others have no folder.
    let runs = reader.trained_runs(10_000)?;
    let (kept, old) = runs.split_at(config.retrain.keep_runs.min(runs.len()));
    // The same seed and data give the same model again: a run that is kept may have made it, too.
    let made_again = |model: &ModelId| kept.iter().any(|run| run.model.as_ref() == Some(model));
    let is_needed = |run: &&RunRow| run.model.as_ref().is_some_and(|model| needed.contains(model));
    for run in old
        .iter()
        .filter(|run| run.state != RunState::Running && !is_needed(run))
    {
        remove_folder(RunFolder::of(&config.runs_dir(), run.id.0).path());
        if let Some(model) = run.model.as_ref().filter(|model| !made_again(model)) {
            remove_folder(&config.models_dir().join(model.as_str()));
        }
    }
    Ok(())
}

/// Answers of models other than the last `retag.keep_models` that served.
fn thin_history(
    config: &Config,
    (reader, store): (&Reader, &mut Store),
    stop: &AtomicBool,
) -> Result<(), StoreError> {
    let kept = last_served(config.retag.keep_models, reader)?;
    let mut after = Some(0);
    while let Some(from) = after
        && !stop.load(Ordering::Relaxed)
    {
        let portion = Portion {
            after: from,
            limit: THINNED_AT_ONCE,
        };
        after = store.thin_history(&kept, portion)?.next;
        std::thread::sleep(PAUSE_FOR_OTHERS);
    }
    Ok(())
}

/// The latest models that served, the one in service first, each once.
fn last_served(count: usize, reader: &Reader) -> Result<Vec<ModelId>, StoreError> {
    let mut models = Vec::new();
    // Rollbacks go to and fro: far more changes than models.
    for served in reader.service_history(10_000)? {
        if models.len() < count && !models.contains(&served.model) {
            models.push(served.model);
        }
    }
    Ok(models)
}

fn remove_folder(path: &Path) {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!("could not remove {}: {error}", path.display());
        }
        _ => {}
    }
}
