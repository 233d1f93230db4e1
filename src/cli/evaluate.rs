//! `hangtag evaluate`.
//!
//! In: a model, and Fashion-MNIST's test set, one picture of it, or photos with labels. Out: how good it is, always
//! through ONNX Runtime on the exported file. Never: a write into the store, or a look at a photo's name.

use std::fs::OpenOptions;
use std::io::{IsTerminal, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::dataset::load_or_fetch_blocking;
use super::{Ended, Format, UsageError, output};
use crate::config::Config;
use crate::daemon;
use crate::decode::decode;
use crate::domain::{INPUT_LEN, Label, Rejection, RejectionReason};
use crate::model::Classifier;
use crate::preprocess::{self, InputTensor, Preprocessor};
use crate::tagging::inbox::unreadable;
use crate::training::evaluate::{Evaluation, Judged, draw_as_text, draw_in_colour};
use crate::training::rebuild::evaluate_images;

/// Score a model on Fashion-MNIST's test set, or on labelled photos.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hangtag evaluate                              the model in service on the 10,000 test images
  hangtag evaluate --model ./my-model --format json
  hangtag evaluate --index 7                    predict one test image and show it
  hangtag evaluate --labels photos.csv          columns file,label; an empty label: none of the classes")]
pub struct EvaluateArguments {
    /// Folder of the model; without it, the one in service
    #[arg(long, value_name = "BUNDLE")]
    model: Option<PathBuf>,
    /// Predict this one test image (from 0) and show it
    #[arg(long, value_name = "N", conflicts_with = "labels")]
    index: Option<usize>,
    /// Score on photos: a CSV with the columns file (relative to the CSV) and label
    #[arg(long, value_name = "FILE.csv")]
    labels: Option<PathBuf>,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// The answer for photos: the figures, and what had none.
#[derive(Debug, Serialize)]
struct PhotoAnswer {
    model: String,
    #[serde(flatten)]
    evaluation: Evaluation,
    rejected: Vec<RejectedPhoto>,
}

/// A photo that the model could not be asked about.
#[derive(Debug, Serialize)]
struct RejectedPhoto {
    file: String,
    reason: String,
    detail: String,
}

/// One row of the CSV; other columns are passed over.
#[derive(Debug, serde::Deserialize)]
struct LabelledRow {
    file: PathBuf,
    label: String,
}

/// Evaluates and prints.
pub fn run(arguments: &EvaluateArguments, config: &Config) -> anyhow::Result<Ended> {
    let mut config = config.clone();
    config.inference.workers = 1;
    if let Some(model) = &arguments.model {
        config.inference.model = Some(std::path::absolute(model)?);
    }
    let bundle = daemon::bundle_in_service_blocking(&config)?;
    let runtime = daemon::load_runtime_blocking(&config.runtime, config.inference.device)?;
    let mut classifier = daemon::open_bundle_blocking(&config, &runtime, &bundle)?.into_one();
    match (&arguments.labels, arguments.index) {
        (Some(csv), _) => on_photos(csv, &config, classifier.as_mut(), arguments.format)?,
        (None, Some(index)) => on_one_image(index, &config, classifier.as_mut(), arguments.format)?,
        (None, None) => {
            let data = load_or_fetch_blocking(&config)?;
            let evaluation = evaluate_images(classifier.as_mut(), &data.test)?;
            match arguments.format {
                Format::Json => output::print_json(&PhotoAnswer {
                    model: classifier.id().to_string(),
                    evaluation,
                    rejected: Vec::new(),
                })?,
                Format::Text => output::print(&format!("model {}\n{evaluation}\n", classifier.id()))?,
            }
        }
    }
    Ok(Ended::Well)
}

fn on_one_image(
    index: usize,
    config: &Config,
    classifier: &mut dyn Classifier,
    format: Format,
) -> anyhow::Result<()> {
    let data = load_or_fetch_blocking(config)?;
    let (Some(pixels), Some(truth)) = (data.test.pixels_of(index), data.test.labels.get(index)) else {
        let message = format!(
            "--index {index}: the test images are numbered 0 to {}",
            data.test.len().saturating_sub(1)
        );
        return Err(UsageError(message).into());
    };
    let (pictures, _) = pixels.as_chunks::<INPUT_LEN>();
    let input = preprocess::from_idx(&pictures[0]);
    let Some(scores) = classifier.classify(&[&input])?.pop() else {
        bail!("the model gave no answer")
    };
    let (label, confidence) = scores.top();
    if format == Format::Json {
        let by_label = Label::all().map(|label| (label.name().to_owned(), scores.values()[label.index()]));
        let by_label: std::collections::BTreeMap<_, _> = by_label.collect();
        return output::print_json(&json!({
            "index": index, "truth": truth, "label": label, "confidence": confidence, "scores": by_label,
        }));
    }
    let draw = if std::io::stdout().is_terminal() {
        draw_in_colour
    } else {
        draw_as_text
    };
    let mut text = draw(input.values());
    text += &format!(
        "test image {index}: it is {truth}, predicted {label} with confidence {:.4}\n",
        confidence.get()
    );
    let mut ranked: Vec<_> = Label::all().zip(scores.values()).collect();
    ranked.sort_by(|a, b| b.1.total_cmp(a.1));
    ranked
        .iter()
        .for_each(|(label, score)| text += &format!("  {label:<12} {score:.4}\n"));
    output::print(&text)
}

fn on_photos(
    csv: &Path,
    config: &Config,
    classifier: &mut dyn Classifier,
    format: Format,
) -> anyhow::Result<()> {
    let labelled = read_labels(csv)?;
    let limits = daemon::decode_limits(config);
    let mut preprocessor = Preprocessor::new();
    let (mut judged, mut rejected) = (Vec::new(), Vec::new());
    // In chunks, so that any number of photos takes the memory of one chunk.
    for chunk in labelled.chunks(256) {
        let (mut inputs, mut truths): (Vec<InputTensor>, Vec<Option<Label>>) = Default::default();
        for (path, truth) in chunk {
            let image = read_photo(path, config.limits.max_file_bytes)
                .and_then(|bytes| decode(&bytes, &limits).map_err(Rejection::from));
            match image {
                Ok(image) => {
                    inputs.push(preprocessor.prepare(&image));
                    truths.push(*truth);
                }
                Err(rejection) => {
                    let (reason, detail) = (rejection.reason.to_string(), rejection.detail);
                    rejected.push(RejectedPhoto {
                        file: path.display().to_string(),
                        reason,
                        detail,
                    });
                }
            }
        }
        let scores = classifier.classify(&inputs.iter().collect::<Vec<_>>())?;
        judged.extend(
            truths
                .into_iter()
                .zip(scores)
                .map(|(truth, scores)| Judged { truth, scores }),
        );
    }
    let evaluation = Evaluation::of(&judged);
    match format {
        Format::Json => output::print_json(&PhotoAnswer {
            model: classifier.id().to_string(),
            evaluation,
            rejected,
        }),
        Format::Text => {
            let mut text = format!("model {}\n{evaluation}\n", classifier.id());
            for photo in &rejected {
                text += &format!(
                    "not scored: {}: {} ({})\n",
                    output::shown(&photo.file),
                    photo.reason,
                    photo.detail
                );
            }
            output::print(&text)
        }
    }
}

/// A photo's bytes; neither a pipe nor a file without end holds the command.
pub(super) fn read_photo(path: &Path, max_bytes: u64) -> Result<Vec<u8>, Rejection> {
    let refused = |reason, detail: String| Err(Rejection { reason, detail });
    let unreadable = |error: std::io::Error| unreadable(path, &error);
    // Non-blocking: the opening of a pipe would wait for a writer. It changes nothing for files.
    let flags = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = opened.map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return refused(RejectionReason::NotAFile, "not a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    file.take(max_bytes.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > max_bytes {
        let detail = format!(
            "{} bytes; at most {max_bytes} are read (limits.max_file_bytes)",
            metadata.len()
        );
        return refused(RejectionReason::TooManyBytes, detail);
    }
    Ok(bytes)
}

/// Paths and true labels; the line of a mistake is named.
fn read_labels(csv: &Path) -> anyhow::Result<Vec<(PathBuf, Option<Label>)>> {
    let folder = crate::durable::folder_of(csv);
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::Headers)
        .from_path(csv)
        .with_context(|| format!("could not read {}", csv.display()))?;
    let mut rows = Vec::new();
    for row in reader.deserialize::<LabelledRow>() {
        let row = row.with_context(|| format!("{}: the columns file and label are needed", csv.display()))?;
        let label = match row.label.trim() {
            "" => None,
            text => {
                let named = text.parse::<Label>();
                Some(named.with_context(|| format!("{}: {}", csv.display(), row.file.display()))?)
            }
        };
        rows.push((folder.join(row.file), label));
    }
    if rows.is_empty() {
        bail!("{}: there are no rows below the header file,label", csv.display());
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One missing photo ended the whole evaluation, and a pipe held it for ever.
    #[test]
    fn what_is_no_readable_file_is_refused_with_a_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("large.png"), b"12345").unwrap();
        let made = std::process::Command::new("mkfifo")
            .arg(path("pipe.png"))
            .status();
        assert!(made.unwrap().success());
        let reason = |name: &str| read_photo(&path(name), 4).unwrap_err().reason;
        assert_eq!(reason("large.png"), RejectionReason::TooManyBytes);
        assert_eq!(reason("pipe.png"), RejectionReason::NotAFile);
        assert_eq!(reason("none.png"), RejectionReason::Unreadable);
        assert_eq!(read_photo(&path("large.png"), 5).unwrap(), b"12345");
    }
}
