//! Which model a command speaks of where none is named: the one that tags.
//!
//! In: the settings, the registry. Out: the model that `inference.model` pins, else the one in service. Never: the model in
//! service where another one is pinned: what was decided about it would change no photo.

use anyhow::{Context, anyhow, bail};

use crate::config::Config;
use crate::domain::ModelId;
use crate::model::ModelBundle;
use crate::store::Reader;

/// `None` where no model is in service yet. A pinned one that has never answered is an error: nothing is known of it.
pub fn model_that_tags(config: &Config, reader: &Reader) -> anyhow::Result<Option<ModelId>> {
    let Some(path) = &config.inference.model else {
        return Ok(reader.model_in_service_id()?);
    };
    let pinned = format!("inference.model = {:?}", path.display().to_string());
    let bundle = ModelBundle::load(path).with_context(|| format!("{pinned} cannot be read"))?;
    if reader.model(bundle.id())?.is_none() {
        bail!(
            "{pinned} is model {}, which is not on record yet: `hangtag run` or `hangtag scan` with that setting puts it there",
            bundle.id()
        );
    }
    Ok(Some(bundle.id().clone()))
}

/// The same where there must be one.
pub fn need_model_that_tags(config: &Config, reader: &Reader) -> anyhow::Result<ModelId> {
    model_that_tags(config, reader)?.ok_or_else(|| {
        anyhow!("no model is in service yet, so that nothing is tagged: `hangtag run` or `hangtag scan` puts one there")
    })
}
