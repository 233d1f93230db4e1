//! `hangtag evaluate`.
//!
//! In: a model, and Fashion-MNIST's test set, one picture of it, or photos with labels. Out: how good it is, always
//! through ONNX Runtime on the exported file. Never: a write into the store, or a look at a photo's name.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::dataset::load_or_fetch_blocking;
use super::labelled::{LabelledPhoto, RejectedPhoto, prepare_blocking, read_labels};
use super::signals::end_at_a_signal;
use super::{Ended, Format, UsageError, output};
use crate::config::Config;
use crate::daemon;
use crate::domain::{INPUT_LEN, Label, Thresholds, Truth};
use crate::model::{Classifier, ModelBundle};
use crate::preprocess::{self, InputTensor};
use crate::store::Reader;
use crate::training::corrections::{
    Correction, Material, kept_blocking, prepare_blocking as prepare_kept_blocking,
};
use crate::training::evaluate::{Evaluation, Judged, draw_as_text, draw_in_colour};
use crate::training::manifest::{in_short, learned_by};
use crate::training::scoring::evaluate_images;

/// Score a model on Fashion-MNIST's test set, or on labelled photos.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hangtag evaluate                              the model in service on the 10,000 test images
  hangtag evaluate --model ./my-model --format json
  hangtag evaluate --index 7                    predict one test image and show it
  hangtag evaluate --labels photos.csv          columns file,label; empty, none or unknown: none of the classes

Photos that the model has learned as corrections are left out of the figures: it knows them by heart.")]
pub struct EvaluateArguments {
    /// Folder of the model; without it, the one in service
    #[arg(long, value_name = "BUNDLE")]
    model: Option<PathBuf>,
    /// Predict this one test image (from 0) and show it
    #[arg(long, value_name = "N", conflicts_with = "labels")]
    index: Option<usize>,
    /// Score on photos: a CSV with the columns file or path (relative to the CSV) and label
    #[arg(long, value_name = "FILE.csv")]
    labels: Option<PathBuf>,
    /// Score also photos that the model has learned; the figures say nothing about other photos then
    #[arg(long, requires = "labels")]
    with_learned: bool,
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
    /// Photos that play no part in the figures, because the model has learned them.
    learned_left_out: u64,
}

/// Evaluates and prints.
pub fn run(arguments: &EvaluateArguments, config: &Config) -> anyhow::Result<Ended> {
    end_at_a_signal()?;
    let mut config = config.clone();
    config.inference.workers = 1;
    if let Some(model) = &arguments.model {
        config.inference.model = Some(std::path::absolute(model)?);
    }
    let bundle = daemon::bundle_in_service_blocking(&config)?;
    let runtime = daemon::load_runtime_blocking(&config.runtime, config.inference.device)?;
    let mut classifier = daemon::open_bundle_blocking(&config, &runtime, &bundle)?.into_one();
    match (&arguments.labels, arguments.index) {
        (Some(csv), _) => {
            let thresholds = thresholds_of(&bundle, arguments, &config)?;
            let learned = match arguments.with_learned {
                true => Learned::default(),
                false => Learned::of_blocking(&bundle, &config.corrections_dir())?,
            };
            let judges = Judges { csv, learned };
            on_photos(
                &judges,
                &config,
                (classifier.as_mut(), &thresholds),
                arguments.format,
            )?;
        }
        (None, Some(index)) => on_one_image(index, &config, classifier.as_mut(), arguments.format)?,
        (None, None) => {
            let data = load_or_fetch_blocking(&config)?;
            let evaluation = evaluate_images(classifier.as_mut(), &data.test)?;
            match arguments.format {
                Format::Json => output::print_json(&PhotoAnswer {
                    model: classifier.id().to_string(),
                    evaluation,
                    rejected: Vec::new(),
                    learned_left_out: 0,
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
    let Some(prediction) = classifier.classify(&[&input])?.pop() else {
        bail!("the model gave no answer")
    };
    let scores = prediction.scores;
    let (label, confidence) = scores.top();
    if format == Format::Json {
        let by_label = Label::all().map(|label| (label.name().to_owned(), scores.values()[label.index()]));
        let by_label: std::collections::BTreeMap<_, _> = by_label.collect();
        return output::print_json(&json!({
            "index": index, "truth": truth, "label": label, "confidence": confidence, "scores": by_label,
        }));
    }
    let draw = if output::wants_colour(&std::io::stdout()) {
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

/// Those that hold for the model in service; for a bundle, those that it came with.
fn thresholds_of(
    bundle: &ModelBundle,
    arguments: &EvaluateArguments,
    config: &Config,
) -> anyhow::Result<Thresholds> {
    if arguments.model.is_none() && config.store_path().exists() {
        let holding = Reader::open(&config.store_path())?.thresholds_of(bundle.id())?;
        if let Some(holding) = holding {
            return Ok(holding.thresholds);
        }
    }
    let calibration = bundle.manifest().calibration.as_ref();
    Ok(calibration.map_or_else(Thresholds::unfounded, |calibration| {
        calibration.thresholds.clone()
    }))
}

/// The photos that a model is to be judged by.
struct Judges<'a> {
    /// The list of them.
    csv: &'a Path,
    /// Those that are not.
    learned: Learned<'a>,
}

/// The photos that a model knows by heart.
#[derive(Default)]
struct Learned<'a> {
    /// Their hashes, [`in_short`].
    hashes: HashSet<&'a str>,
    /// Their pictures, as far as copies of them are kept here: one picture may be listed under another hash.
    /// Without a copy that is seen only among rows that are looked at together.
    pictures: Material,
}

impl<'a> Learned<'a> {
    fn of_blocking(bundle: &'a ModelBundle, corrections_dir: &Path) -> anyhow::Result<Self> {
        let hashes = learned_by(bundle);
        let kept = kept_blocking(corrections_dir)
            .with_context(|| format!("could not list the copies in {}", corrections_dir.display()))?;
        let kept = kept
            .into_iter()
            .filter(|hash| hashes.contains(in_short(hash).as_str()));
        // What they show plays no part.
        let truth = Truth::Unknown;
        let kept: Vec<_> = kept.map(|hash| Correction { hash, truth }).collect();
        let pictures = prepare_kept_blocking(corrections_dir, &kept);
        if let Some(first) = pictures.unusable.first() {
            output::note(&format!(
                "{} of the photos that the model has learned are known by their hashes alone; the first: {}",
                pictures.unusable.len(),
                first.error
            ));
        }
        Ok(Self { hashes, pictures })
    }

    /// For each of some photos, whether the model has learned it.
    fn known(&self, photos: &[LabelledPhoto]) -> Vec<bool> {
        if self.hashes.is_empty() {
            return vec![false; photos.len()];
        }
        let mut all = self.pictures.clone();
        for photo in photos {
            let (hash, truth) = (photo.hash, photo.truth);
            all.push(Correction { hash, truth }, &photo.input, photo.sketch);
        }
        let known = all.known(|hash| self.hashes.contains(in_short(hash).as_str()));
        known[self.pictures.hashes.len()..].to_vec()
    }
}

fn on_photos(
    judges: &Judges<'_>,
    config: &Config,
    (classifier, thresholds): (&mut dyn Classifier, &Thresholds),
    format: Format,
) -> anyhow::Result<()> {
    let rows = read_labels(judges.csv)?;
    let (mut judged, mut rejected, mut learned_left_out) = (Vec::new(), Vec::new(), 0);
    // In chunks, so that any number of photos takes the memory of one chunk.
    for chunk in rows.chunks(256) {
        let (mut photos, refused) = prepare_blocking(chunk, config);
        rejected.extend(refused);
        let all = photos.len();
        let mut known = judges.learned.known(&photos).into_iter();
        photos.retain(|_| !known.next().unwrap_or(false));
        learned_left_out += (all - photos.len()) as u64;
        let inputs: Vec<&InputTensor> = photos.iter().map(|photo| &photo.input).collect();
        let answers = classifier.classify(&inputs)?;
        judged.extend(photos.iter().zip(answers).map(|(photo, prediction)| Judged {
            truth: photo.truth.label(),
            prediction,
        }));
    }
    let model = classifier.id();
    if judged.is_empty() && learned_left_out > 0 {
        bail!(
            "{}: model {model} has learned all {learned_left_out} photos, and would be judged by what it knows by heart; name others, or --with-learned",
            judges.csv.display()
        );
    }
    if judged.is_empty()
        && let Some(first) = rejected.first()
    {
        bail!(
            "{}: none of its {} photos can be used, so that nothing was scored; the first: {first}",
            judges.csv.display(),
            rejected.len()
        );
    }
    if learned_left_out > 0 {
        output::note(&format!(
            "{learned_left_out} photos are left out: model {model} has learned them (--with-learned scores them, too)"
        ));
    }
    let evaluation = Evaluation::with_thresholds(&judged, thresholds);
    match format {
        Format::Json => output::print_json(&PhotoAnswer {
            model: model.to_string(),
            evaluation,
            rejected,
            learned_left_out,
        }),
        Format::Text => {
            let mut text = format!("model {model}\n{evaluation}\n");
            for photo in &rejected {
                text += &format!("not scored: {photo}\n");
            }
            output::print(&text)
        }
    }
}
