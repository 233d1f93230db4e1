//! `hangtag explain PATH`.
//!
//! In: a path or a content hash. Out: everything known about it, or why it has no tag; on request a picture of what
//! the model sees. Never: a write into the store; what is not on record is found out by looking at the file as the
//! pipeline would.

mod why;

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use serde::Serialize;

use super::labelled::read_photo;
use super::{Ended, Format, UsageError, output};
use crate::config::Config;
use crate::daemon::{self, StoreLock};
use crate::decode::decode;
use crate::domain::{ContentHash, Decision, InventoryPath, Truth};
use crate::durable;
use crate::preprocess::Preprocessor;
use crate::store::{ContentHistory, FileHistory, Reader, StoreError};
use crate::tagging::inbox::{Inboxes, Look, PassedOver};

mod font;
mod picture;

/// Everything known about a file, or why it has no tag.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hangtag explain inventory/4711.jpg
  hangtag explain --format json inventory/4711.jpg
  hangtag explain ~/odd.jpg --picture out.png   what the model sees of any photo, and its answer
  hangtag explain 5f2c…                         by content hash (64 digits)")]
pub struct ExplainArguments {
    /// The file, or its content hash
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Also draw the photo, what is cut out of it, what the model sees and its five likeliest labels
    #[arg(long, value_name = "OUT.png")]
    picture: Option<PathBuf>,
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// The answer.
#[derive(Debug, Serialize)]
struct Explanation {
    path: InventoryPath,
    /// One sentence.
    answer: String,
    /// What the store knows.
    history: Option<FileHistory>,
    /// What the store knows of a content that was asked for by its hash.
    content: Option<ContentHistory>,
    /// What a look at the file shows now.
    now: Vec<String>,
    /// Why each model's answer counts, or does not.
    decisions: Vec<Decision>,
    /// The picture that was drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    picture: Option<PathBuf>,
}

impl Explanation {
    fn content(&self) -> Option<&ContentHistory> {
        let of_file = self.history.as_ref().and_then(|history| history.content.as_ref());
        of_file.or(self.content.as_ref())
    }
}

/// Looks it up and prints it.
pub fn run(arguments: &ExplainArguments, config: &Config) -> anyhow::Result<Ended> {
    if let Some(picture) = &arguments.picture {
        check_picture_path(picture, &arguments.path, config)?;
    }
    let reader = match Reader::open(&config.store_path()) {
        Ok(reader) => Some(reader),
        Err(StoreError::Missing { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let hash = arguments
        .path
        .to_str()
        .and_then(|text| text.parse::<ContentHash>().ok());
    let explanation = match (hash, &reader) {
        (Some(hash), Some(reader)) if !arguments.path.exists() => by_hash(&hash, reader)?,
        _ => by_path(&arguments.path, reader.as_ref(), config)?,
    };
    let mut explanation = match &reader {
        Some(reader) => Explanation {
            decisions: match explanation.content() {
                Some(content) => reader.decisions_on(content)?,
                None => Vec::new(),
            },
            ..explanation
        },
        None => explanation,
    };
    if let Some(picture) = &arguments.picture {
        draw_picture_blocking(&arguments.path, picture, config)?;
        explanation.picture = Some(picture.clone());
    }
    match arguments.format {
        Format::Json => output::print_json(&explanation)?,
        Format::Text => output::print(&in_words(&explanation))?,
    }
    Ok(Ended::Well)
}

/// Refuses a path where the picture would do harm, or would not be taken for what it is.
fn check_picture_path(picture: &Path, photo: &Path, config: &Config) -> Result<(), UsageError> {
    let refused = |why: String| Err(UsageError(format!("--picture {}: {why}", picture.display())));
    if !picture
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("png"))
    {
        return refused("the picture is a PNG; let its name end in .png".into());
    }
    // Past links, which are followed when it is written.
    let place_of = |path: &Path| match durable::named_file(path) {
        Ok(Some(file)) => real_path(&file),
        _ => real_path(path),
    };
    let real = place_of(picture);
    if real == place_of(photo) {
        return refused("it would replace the photo that it explains".into());
    }
    let of_inbox = |inbox: &&PathBuf| real.starts_with(inbox.canonicalize().as_ref().unwrap_or(*inbox));
    match config.inboxes.iter().find(of_inbox) {
        Some(inbox) => refused(format!(
            "it would lie in the inbox {} and be tagged as a photo; name a place outside of it",
            inbox.display()
        )),
        None => Ok(()),
    }
}

/// Asks the model in service about a photo, whether or not it is on record, and draws what it saw.
fn draw_picture_blocking(path: &Path, picture: &Path, config: &Config) -> anyhow::Result<()> {
    let no_picture = || format!("no picture of what the model sees of {}", path.display());
    let photo = read_photo(path, config.limits.max_file_bytes)
        .map_err(|rejection| anyhow::anyhow!(rejection.detail))
        .and_then(|bytes| Ok(decode(&bytes, &daemon::decode_limits(config))?))
        .with_context(no_picture)?;
    // One photo: a GPU would not be warm before the CPU is done.
    let config = config.on_cpu();
    let bundle = daemon::bundle_in_service_blocking(&config)?;
    let runtime = daemon::load_runtime_blocking(&config.runtime, config.inference.device)?;
    let mut classifier = daemon::open_bundle_blocking(&config, &runtime, &bundle)?.into_one();
    let seen = Preprocessor::new().look(&photo);
    let Some(prediction) = classifier.classify(&[&seen.input])?.pop() else {
        bail!("the model gave no answer")
    };
    let png = picture::png_of(&photo, &seen, &prediction.scores).with_context(no_picture)?;
    Ok(durable::write_named_file(picture, &png)?)
}

fn by_hash(hash: &ContentHash, reader: &Reader) -> anyhow::Result<Explanation> {
    let content = reader.history_of_content(hash)?;
    let correction = content.as_ref().and_then(|content| content.correction.as_ref());
    let outcome = content.as_ref().and_then(|content| content.outcomes.last());
    let answer = match (correction, outcome) {
        (Some(correction), _) => format!("corrected to {} by {}", correction.truth, correction.by),
        (None, Some(outcome)) => match (outcome.label, outcome.confidence, outcome.reason) {
            (Some(label), Some(confidence), _) => why::tag(outcome.status, label, confidence),
            (_, _, Some(reason)) => format!("rejected: {reason}"),
            _ => "no outcome".to_owned(),
        },
        (None, None) => "no content with this hash has been seen".to_owned(),
    };
    let path = InventoryPath::from_stored(hash.to_string());
    Ok(Explanation {
        path,
        answer,
        history: None,
        content,
        now: Vec::new(),
        decisions: Vec::new(),
        picture: None,
    })
}

fn by_path(path: &Path, reader: Option<&Reader>, config: &Config) -> anyhow::Result<Explanation> {
    let real = real_path(path);
    let stored = InventoryPath::of(&real);
    let history = match reader {
        Some(reader) => reader.file_history(&stored)?,
        None => None,
    };
    let roots = config
        .inboxes
        .iter()
        .map(|inbox| inbox.canonicalize().unwrap_or_else(|_| inbox.clone()));
    let inboxes = Inboxes::of(config, roots.collect());
    let now = look_now(&real, &inboxes, config, history.as_ref());
    let answer = answer_of(history.as_ref(), &now, config)?;
    Ok(Explanation {
        path: stored,
        answer,
        history,
        content: None,
        now,
        decisions: Vec::new(),
        picture: None,
    })
}

/// As the pipeline writes it: the folder's real path and the name as it is.
pub(super) fn real_path(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match (
        absolute.parent().and_then(|folder| folder.canonicalize().ok()),
        absolute.file_name(),
    ) {
        (Some(folder), Some(name)) => folder.join(name),
        _ => absolute,
    }
}

fn answer_of(history: Option<&FileHistory>, now: &[String], config: &Config) -> anyhow::Result<String> {
    let Some(history) = history else {
        let why = now.last().cloned().unwrap_or_default();
        let running = match StoreLock::holder(&config.lock_path())? {
            Some(_) => "a daemon is running",
            None => "no daemon is running (start `hangtag run`, or tag it with `hangtag scan`)",
        };
        return Ok(format!("no tag, and nothing on record: {why}; {running}"));
    };
    let file = &history.file;
    let gone = if file.present {
        ""
    } else {
        "; the file is gone, its record stays"
    };
    if let Some(corrected_at) = file.corrected_at {
        return Ok(format!(
            "corrected to {} at {corrected_at}{gone}",
            Truth::from(file.label)
        ));
    }
    Ok(match (file.label, file.confidence, file.reason) {
        (Some(label), Some(confidence), _) => {
            format!("{}{gone}", why::tag(file.status, label, confidence))
        }
        (_, _, Some(reason)) => {
            format!(
                "no tag, rejected as {reason}: {}{gone}",
                file.detail.as_deref().unwrap_or_default()
            )
        }
        _ => format!("no tag{gone}"),
    })
}

/// What the pipeline would find now, in its order; the last line is what decides.
fn look_now(path: &Path, inboxes: &Inboxes, config: &Config, history: Option<&FileHistory>) -> Vec<String> {
    let mut lines = Vec::new();
    let is_inside = inboxes.root_of(path).is_some();
    match inboxes.passed_over(path) {
        // The scan of a path counts its names only from there on.
        Some(PassedOver::Name(_)) if !is_inside => {}
        Some(why) => return vec![why.to_string()],
        None => {}
    }
    if !is_inside {
        lines.push("it lies in no inbox, so it is tagged only by `hangtag scan PATH`".to_owned());
    }
    match inboxes.look_blocking(path) {
        Look::Missing => lines.push("there is no such file".to_owned()),
        Look::Folder => lines.push("it is a folder".to_owned()),
        Look::Refused(rejection, _) => lines.push(rejection.detail),
        Look::File(seen) if seen.stamp.size > config.limits.max_file_bytes => lines.push(format!(
            "it has {} bytes, more than limits.max_file_bytes = {}",
            seen.stamp.size, config.limits.max_file_bytes
        )),
        Look::File(seen) => {
            lines.push(format!(
                "a file of {} bytes, last changed {:.1} s ago",
                seen.stamp.size,
                seen.age.as_secs_f64()
            ));
            if seen.age < config.settle.quiet {
                lines.push("it may still be written (settle.quiet)".to_owned());
            }
            lines.push(content_now(path, config, history));
        }
    }
    lines
}

fn content_now(path: &Path, config: &Config, history: Option<&FileHistory>) -> String {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path)
        .and_then(|file| file.take(config.limits.max_file_bytes).read_to_end(&mut bytes));
    if let Err(error) = read {
        return format!("it cannot be read: {error}");
    }
    let hash = ContentHash::of(&bytes);
    if let Some(recorded) = history.and_then(|history| history.file.content_hash) {
        return if recorded == hash {
            "its content is the one on record".to_owned()
        } else {
            format!("its content has changed since (it is {hash} now); the next sweep tags it anew")
        };
    }
    let limits = daemon::decode_limits(config);
    match decode(&bytes, &limits) {
        Ok(image) => format!(
            "a {} of {}x{} pixels that can be tagged",
            image.format.name(),
            image.photo_size.0,
            image.photo_size.1
        ),
        Err(error) => format!("it cannot be tagged: {}", error),
    }
}

fn in_words(explanation: &Explanation) -> String {
    let mut lines = vec![
        output::shown(explanation.path.as_str()),
        format!("  {}", output::shown(&explanation.answer)),
    ];
    for line in &explanation.now {
        lines.push(format!("  now: {}", output::shown(line)));
    }
    if let Some(history) = &explanation.history {
        lines.push(format!("  answered at {}", history.file.tagged_at));
        if let Some(absent_at) = history.absent_at {
            lines.push(format!("  found to be gone at {absent_at}"));
        }
    }
    if let Some(content) = explanation.content() {
        content_in_words(content, &explanation.decisions, &mut lines);
    }
    if let Some(picture) = &explanation.picture {
        let picture = picture.display().to_string();
        lines.push(format!("  what the model sees: {}", output::shown(&picture)));
    }
    lines.join("\n") + "\n"
}

fn content_in_words(content: &ContentHistory, decisions: &[Decision], lines: &mut Vec<String>) {
    let size = content
        .width
        .zip(content.height)
        .map(|(width, height)| format!(", {width}x{height} pixels"));
    let format = content.format.as_deref().unwrap_or("unknown format");
    lines.push(format!("  content {}", content.content_hash));
    lines.push(format!(
        "    {format}{}, {} bytes, first seen {}",
        size.unwrap_or_default(),
        content.bytes,
        content.first_seen_at
    ));
    for path in &content.present_paths {
        lines.push(format!("    at {}", output::shown(path.as_str())));
    }
    for path in &content.absent_paths {
        lines.push(format!("    was at {}", output::shown(path.as_str())));
    }
    if let Some(correction) = &content.correction {
        lines.push(format!(
            "  corrected to {} by {} at {}",
            correction.truth,
            output::shown(&correction.by),
            correction.at
        ));
    }
    for outcome in &content.outcomes {
        let model = outcome
            .model
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        let device = outcome
            .device
            .map(|device| format!(" on {device}"))
            .unwrap_or_default();
        let preprocessing = outcome.preprocessing.0;
        lines.push(format!(
            "  by model {model}{device}, preprocessing {preprocessing}, {}",
            outcome.tagged_at
        ));
        let decided = decisions
            .iter()
            .filter(|decision| Some(&decision.model) == outcome.model.as_ref());
        lines.extend(decided.map(|decision| format!("    {decision}")));
        match &outcome.scores {
            Some(scores) => {
                let mut ranked: Vec<_> = crate::domain::Label::all().zip(scores.values()).collect();
                ranked.sort_by(|a, b| b.1.total_cmp(a.1));
                ranked
                    .iter()
                    .for_each(|(label, score)| lines.push(format!("    {label:<12} {score:.4}")));
            }
            None => {
                let reason = outcome
                    .reason
                    .map(|reason| reason.to_string())
                    .unwrap_or_default();
                lines.push(format!(
                    "    rejected as {reason}: {}",
                    outcome.detail.as_deref().unwrap_or_default()
                ));
            }
        }
    }
}
