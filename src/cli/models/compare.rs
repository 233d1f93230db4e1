//! `hangtag models diff` and `hangtag models preview`: what two models make of the same photos.
//!
//! In: two models; what both said, or photos to ask the second about. Out: how many photos get which label of each. Never:
//! a tag or the registry changed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::bail;
use indicatif::ProgressBar;
use serde::Serialize;
use serde_json::json;

use super::{bundle_of, find};
use crate::cli::labelled::read_photo;
use crate::cli::serving::need_model_that_tags;
use crate::cli::signals::end_at_a_signal;
use crate::cli::{Format, UsageError, output};
use crate::config::Config;
use crate::daemon;
use crate::decode::{DecodeLimits, decode};
use crate::domain::{DevicePolicy, Label, ModelId, Status};
use crate::model::Classifier;
use crate::preprocess::{InputTensor, Preprocessor};
use crate::store::{FileQuery, PageAccess, Presence, Reader, StoreError};

/// How many photos changed from which label to which, by what both models said.
pub fn diff((before, after): (&str, &str), config: &Config, format: Format) -> anyhow::Result<()> {
    let reader = Reader::open(&config.store_path())?;
    let (before, after) = (find(before, &reader)?.model, find(after, &reader)?.model);
    let changes = reader.tag_changes(&before, &after)?;
    let changes = changes
        .into_iter()
        .map(|change| ((change.from, change.to), change.count))
        .collect();
    print_changes(
        &Changes {
            before: before.clone(),
            after: after.clone(),
            changes,
        },
        |total, same| {
            format!("{total} photos were asked of both {before} and {after}; {same} kept their label")
        },
        format,
    )
}

/// How many photos two models give which labels.
struct Changes {
    before: ModelId,
    after: ModelId,
    /// `None`: rejected.
    changes: BTreeMap<(Option<Label>, Option<Label>), u64>,
}

#[derive(Serialize)]
struct ChangeLine {
    from: Option<Label>,
    to: Option<Label>,
    photos: u64,
}

/// `summed` says in a line how many photos there are and how many of them do not change.
fn print_changes(
    changes: &Changes,
    summed: impl FnOnce(u64, u64) -> String,
    format: Format,
) -> anyhow::Result<()> {
    let same: u64 = changes
        .changes
        .iter()
        .filter(|((from, to), _)| from == to)
        .map(|(_, n)| n)
        .sum();
    let total: u64 = changes.changes.values().sum();
    let mut lines: Vec<ChangeLine> = changes
        .changes
        .iter()
        .filter(|((from, to), _)| from != to)
        .map(|(&(from, to), &photos)| ChangeLine { from, to, photos })
        .collect();
    lines.sort_by_key(|line| std::cmp::Reverse(line.photos));
    let (before, after) = (&changes.before, &changes.after);
    if let Format::Json = format {
        return output::print_json(&json!({
            "before": before, "after": after, "photos": total, "unchanged": same, "changes": lines,
        }));
    }
    let name = |label: Option<Label>| label.map_or("(rejected)".to_owned(), |label| label.to_string());
    let cells: Vec<_> = lines
        .iter()
        .map(|line| vec![line.photos.to_string(), name(line.from), name(line.to)])
        .collect();
    let mut text = summed(total, same) + "\n";
    if !cells.is_empty() {
        text += &output::table(&["photos", "from", "to"], &cells);
    }
    output::print(&text)
}

/// The same for a model that has not answered yet: it is asked now, about the photos that are there and show a model's tag,
/// also of one that served before: they follow the one that tags only by and by.
pub fn preview(model: &str, limit: Option<u32>, config: &Config, format: Format) -> anyhow::Result<()> {
    end_at_a_signal()?;
    let reader = Reader::open_with(&config.store_path(), PageAccess::Mapped)?;
    let bundle = bundle_of(model, config)?;
    let before = need_model_that_tags(config, &reader)?;
    let runtime = daemon::load_runtime_blocking(&config.runtime, DevicePolicy::Cpu)?;
    let mut classifier = daemon::open_bundle_blocking(&config.on_cpu(), &runtime, &bundle)?.into_one();
    let query = FileQuery {
        presence: Presence::Present,
        statuses: Status::TAGGED.to_vec(),
        ..FileQuery::default()
    };
    let mut photos = Vec::new();
    reader.visit_files_matching(&query, |file| {
        photos.push((file.path.to_path(), file.label));
        Ok::<_, StoreError>(())
    })?;
    if photos.is_empty() {
        let message = "no photo that is there shows a model's tag, so there is nothing to compare with; `hangtag scan` tags what lies in the inbox";
        return Err(UsageError(message.into()).into());
    }
    let photos = match limit {
        Some(limit) => evenly_spread(&photos, limit as usize),
        None => photos,
    };
    let bar = ProgressBar::new(photos.len() as u64);
    output::keep_below(&bar);
    let mut changes = BTreeMap::new();
    let mut asking = Asking::new(config);
    for some in photos.chunks(64) {
        for (from, to) in asking.answers(some, classifier.as_mut())? {
            *changes.entry((from, to)).or_default() += 1;
        }
        bar.inc(some.len() as u64);
    }
    bar.finish_and_clear();
    let asked: u64 = changes.values().sum();
    if asked == 0 {
        bail!(
            "none of the {} photos on record could be read, so there is nothing to compare",
            photos.len()
        );
    }
    let unread = photos.len() as u64 - asked;
    if unread > 0 {
        output::note(&format!(
            "{unread} photos on record could not be read and are left out"
        ));
    }
    let after = bundle.id().clone();
    print_changes(
        &Changes {
            before: before.clone(),
            after: after.clone(),
            changes,
        },
        |total, same| {
            format!(
                "{total} photos were asked of {after}; {same} would keep the label that they show, {before} being the model that tags"
            )
        },
        format,
    )
}

/// So many of them, or all if there are fewer, from all parts.
fn evenly_spread<T: Clone>(all: &[T], count: usize) -> Vec<T> {
    let count = count.min(all.len());
    let places = (0..count).map(|number| number * all.len() / count);
    places.map(|place| all[place].clone()).collect()
}

/// Reads photos and asks a model about them, without a store.
struct Asking {
    max_file_bytes: u64,
    limits: DecodeLimits,
    preprocessor: Preprocessor,
}

impl Asking {
    fn new(config: &Config) -> Self {
        Self {
            max_file_bytes: config.limits.max_file_bytes,
            limits: daemon::decode_limits(config),
            preprocessor: Preprocessor::new(),
        }
    }

    /// Old and new label of each photo that can be read still; others play no part.
    fn answers(
        &mut self,
        photos: &[(PathBuf, Option<Label>)],
        classifier: &mut dyn Classifier,
    ) -> anyhow::Result<Vec<(Option<Label>, Option<Label>)>> {
        let (mut inputs, mut before): (Vec<InputTensor>, Vec<_>) = (Vec::new(), Vec::new());
        for (path, label) in photos {
            let image = read_photo(path, self.max_file_bytes)
                .ok()
                .and_then(|bytes| decode(&bytes, &self.limits).ok());
            if let Some(image) = image {
                inputs.push(self.preprocessor.prepare(&image));
                before.push(*label);
            }
        }
        let answers = classifier.classify(&inputs.iter().collect::<Vec<_>>())?;
        let after = answers.iter().map(|answer| Some(answer.scores.top().0));
        Ok(before.into_iter().zip(after).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `--limit 500` asked about 308 of 615 photos.
    #[test]
    fn as_many_are_asked_as_were_wanted_and_from_all_parts() {
        let all: Vec<usize> = (0..615).collect();
        for (wanted, got) in [(1, 1), (2, 2), (500, 500), (614, 614), (615, 615), (2_000, 615)] {
            let spread = evenly_spread(&all, wanted);
            assert_eq!(spread.len(), got, "{wanted}");
            let gaps = spread.windows(2).map(|pair| pair[1] - pair[0]);
            assert!(
                gaps.into_iter().all(|gap| gap.abs_diff(615 / got) <= 1),
                "{wanted}"
            );
        }
        assert!(evenly_spread::<usize>(&[], 5).is_empty());
    }
}
