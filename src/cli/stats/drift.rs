//! `hangtag stats --drift`.
//!
//! In: the store. Out: the answer of `training/drift`, printed. Never: a write.

use std::time::SystemTime;

use super::super::serving::model_that_tags;
use super::super::{Ended, Format, output};
use crate::config::Config;
use crate::store::Reader;
use crate::training::drift::answer::DriftAnswer;

/// Compares and prints.
pub fn run(reader: &Reader, config: &Config, format: Format) -> anyhow::Result<Ended> {
    let model = model_that_tags(config, reader)?;
    let answer = DriftAnswer::of(reader, model, config.retrain.on_drift, SystemTime::now().into())?;
    match format {
        Format::Json => output::print_json(&answer)?,
        Format::Text => output::print(&in_words(&answer))?,
    }
    Ok(Ended::Well)
}

fn in_words(answer: &DriftAnswer) -> String {
    let conclusion = answer.conclusion() + "\n";
    let (Some(model), Some(table)) = (answer.model(), answer.table()) else {
        return conclusion;
    };
    let [reference, recent] = &table.spans;
    let rows: Vec<Vec<String>> = table.rows.into_iter().map(Vec::from).collect();
    format!(
        "model {model}, days of UTC, by when it answered\n\n{}\n{conclusion}",
        output::table(&["", reference, recent], &rows)
    )
}
