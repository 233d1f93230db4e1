//! `hangtag explain PATH`.
//!
//! In: a path or a content hash. Out: everything known about it, or why it has no tag; on request a picture of what
//! the model sees. Never: a write into the store; what is not on record is found out by looking at the file as the
//! pipeline would.

mod font;
mod now;
mod picture;
mod why;
mod words;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use serde::Serialize;

use super::drawn::Drawn;
use super::labelled::read_photo;
use super::paths::{path_meant, real_path};
use super::{Ended, Format, output};
use crate::config::Config;
use crate::daemon::{self, StoreLock};
use crate::decode::decode;
use crate::domain::{ContentHash, Decision, InventoryPath, Truth};
use crate::durable;
use crate::preprocess::Preprocessor;
use crate::store::{ContentHistory, CorrectionRow, FileHistory, FileRow, Reader, StoreError};
use crate::tagging::inbox::Inboxes;
use now::{Now, look_blocking};
use words::in_words;

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
    /// What the store knows of a content that was asked for by its hash, or lies at a path of which it knows nothing.
    content: Option<ContentHistory>,
    /// What a person said of the content, whether or not the store has seen it.
    correction: Option<CorrectionRow>,
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
    let reader = match Reader::open(&config.store_path()) {
        Ok(reader) => Some(reader),
        Err(StoreError::Missing { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let path = path_meant(&arguments.path);
    let hash = path.to_str().and_then(|text| text.parse::<ContentHash>().ok());
    let hash = hash.filter(|_| !path.exists());
    let mut explanation = match (hash, &reader) {
        (Some(hash), Some(reader)) => by_hash(&hash, reader)?,
        _ => by_path(&path, reader.as_ref(), config)?,
    };
    if let (Some(reader), Some(content)) = (&reader, explanation.content()) {
        explanation.decisions = reader.decisions_on(content)?;
    }
    if let Some(picture) = &arguments.picture {
        let photo = match hash {
            Some(hash) => file_with_blocking(&hash, explanation.content(), config)?,
            None => path,
        };
        let drawn = Drawn {
            option: "--picture",
            path: picture,
            ending: "png",
            photo: Some(&photo),
        };
        drawn.check(config)?;
        draw_picture_blocking(&photo, picture, config)?;
        explanation.picture = Some(picture.clone());
    }
    match arguments.format {
        Format::Json => output::print_json(&explanation)?,
        Format::Text => output::print(&in_words(&explanation))?,
    }
    Ok(Ended::Well)
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

/// A file that holds this content still.
fn file_with_blocking(
    hash: &ContentHash,
    content: Option<&ContentHistory>,
    config: &Config,
) -> anyhow::Result<PathBuf> {
    let paths = content.iter().flat_map(|content| &content.present_paths);
    let holds_it = |path: &PathBuf| {
        let bytes = read_photo(path, config.limits.max_file_bytes);
        bytes.is_ok_and(|bytes| ContentHash::of(&bytes) == *hash)
    };
    let found = paths.map(InventoryPath::to_path).find(holds_it);
    found.with_context(|| {
        format!("no picture of what the model sees of {hash}: no file with this content is there")
    })
}

/// What the store knows of a content, whatever its files are called.
#[derive(Debug, Default)]
struct Known {
    content: Option<ContentHistory>,
    /// There may be one of a content that no model was asked about.
    correction: Option<CorrectionRow>,
}

impl Known {
    fn of(hash: &ContentHash, reader: &Reader) -> Result<Self, StoreError> {
        let content = reader.history_of_content(hash)?;
        let correction = match &content {
            Some(content) => content.correction.clone(),
            None => reader.correction_of(hash)?,
        };
        Ok(Self { content, correction })
    }

    /// `None` where nothing is known.
    fn answer(&self) -> Option<String> {
        let outcome = self.content.as_ref().and_then(|content| content.outcomes.last());
        match (&self.correction, outcome) {
            (Some(correction), _) => Some(format!("corrected to {} by {}", correction.truth, correction.by)),
            (None, Some(outcome)) => Some(match (outcome.label, outcome.confidence, outcome.reason) {
                (Some(label), Some(confidence), _) => why::tag(outcome.status, label, confidence),
                (_, _, Some(reason)) => format!("rejected: {reason}"),
                _ => "no outcome".to_owned(),
            }),
            (None, None) => None,
        }
    }
}

fn by_hash(hash: &ContentHash, reader: &Reader) -> anyhow::Result<Explanation> {
    let known = Known::of(hash, reader)?;
    let answer = known.answer();
    Ok(Explanation {
        path: InventoryPath::from_stored(hash.to_string()),
        answer: answer.unwrap_or_else(|| "no content with this hash has been seen".to_owned()),
        history: None,
        content: known.content,
        correction: known.correction,
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
    let recorded = history.as_ref().and_then(|history| history.file.content_hash);
    let now = look_blocking(&real, &inboxes, config, recorded);
    let (answer, known) = match (&history, reader, now.content) {
        (Some(history), reader, content) => {
            let correction = match (&history.content, reader, content) {
                (Some(content), _, _) => content.correction.clone(),
                (None, Some(reader), Some(hash)) => reader.correction_of(&hash)?,
                (None, _, _) => None,
            };
            let known = Known {
                content: None,
                correction,
            };
            (answer_of(&history.file), known)
        }
        (None, Some(reader), Some(hash)) => {
            let known = Known::of(&hash, reader)?;
            let answer = match known.answer() {
                Some(answer) => format!("nothing on record of this path, but of its content: {answer}"),
                None => nothing_on_record(&now, config)?,
            };
            (answer, known)
        }
        (None, _, _) => (nothing_on_record(&now, config)?, Known::default()),
    };
    Ok(Explanation {
        path: stored,
        answer,
        history,
        content: known.content,
        correction: known.correction,
        now: now.lines,
        decisions: Vec::new(),
        picture: None,
    })
}

fn nothing_on_record(now: &Now, config: &Config) -> anyhow::Result<String> {
    let why = now.lines.last().cloned().unwrap_or_default();
    let running = match StoreLock::has_daemon(&config.lock_path())? {
        true => "a daemon is running",
        false => "no daemon is running (start `hangtag run`, or tag it with `hangtag scan`)",
    };
    Ok(format!("no tag, and nothing on record: {why}; {running}"))
}

fn answer_of(file: &FileRow) -> String {
    let gone = if file.present {
        ""
    } else {
        "; the file is gone, its record stays"
    };
    if let Some(corrected_at) = file.corrected_at {
        return format!("corrected to {} at {corrected_at}{gone}", Truth::from(file.label));
    }
    match (file.label, file.confidence, file.reason) {
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
    }
}
