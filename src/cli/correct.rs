//! `hangtag correct` and `hangtag corrections`: what people put right.
//!
//! In: photos by path, pattern or content hash, and what they show. Out: corrections in the store, which files show at
//! once, and a copy of each picture for later rebuilds. Never: anything put in of a list with a wrong line, or others kept
//! waiting until a long one is in.

mod meant;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context;
use clap::{ArgGroup, Args, Subcommand};
use serde_json::json;

use super::labelled::read_photo;
use super::paths::real_path;
use super::sheet::{NamedBy, Sheet, SheetRow};
use super::store::open_to_change;
use super::{Ended, Format, UsageError, output, person};
use crate::config::Config;
use crate::daemon;
use crate::decode::decode;
use crate::domain::{ContentHash, InventoryPath, RejectionReason, Truth};
use crate::store::{NewCorrection, PAUSE_FOR_OTHERS, Reader, Store, StoreError};
use crate::tagging::inbox::is_gone;
use crate::training::corrections::{copy_path, keep_blocking};
use meant::{Meant, OfRejected};

/// Say what photos really show.
#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("truth").required(true).args(["label", "unknown", "undo"])),
    after_help = "\
Examples:
  hangtag correct inventory/4711.jpg --label dress
  hangtag correct 'inventory/summer/*' --label sandal     a pattern, in quotes, for photos that are on record: those that
                                                          are there, if any is, and none that were rejected
  hangtag correct inventory/watch.jpg --unknown           it shows none of the ten
  hangtag correct inventory/4711.jpg --undo               the model's answer counts again
  hangtag correct 5f2c…  --label bag                      by content hash (64 digits)

A correction counts at once, for every file of that content, and no model changes it. It joins the next rebuild."
)]
pub struct CorrectArguments {
    /// Files, folders, patterns for files on record, or content hashes
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// What they show
    #[arg(long, value_name = "LABEL")]
    label: Option<crate::domain::Label>,
    /// They show none of the ten
    #[arg(long)]
    unknown: bool,
    /// Take the correction back
    #[arg(long)]
    undo: bool,
    /// How the answer is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Records or takes back.
pub fn correct(arguments: CorrectArguments, config: &Config) -> anyhow::Result<Ended> {
    let mut store = open_to_change(config)?;
    let reader = Reader::open(&config.store_path())?;
    let of_rejected = match arguments.undo {
        true => OfRejected::All,
        false => OfRejected::NamedAlone,
    };
    let meant = Meant::find(&arguments.paths, of_rejected, &reader, config)?;
    tell_left_out(&meant);
    let contents = meant.contents;
    let (count, what) = if arguments.undo {
        let (by, now) = (person(), SystemTime::now().into());
        let hashes: Vec<_> = contents.into_keys().collect();
        (
            in_portions(&hashes, |portion| store.undo_corrections(portion, &by, now))?,
            "undone",
        )
    } else {
        let truth = Truth::from(arguments.label);
        let truths = contents.into_iter().map(|(hash, files)| (hash, (truth, files)));
        (
            record(&mut store, truths.collect(), &reader, config)?,
            "corrected",
        )
    };
    match arguments.format {
        Format::Json => output::print_json(&json!({ what: count }))?,
        Format::Text => output::print(&format!("{count} {} {what}\n", photos(count)))?,
    }
    Ok(Ended::Well)
}

fn tell_left_out(meant: &Meant) {
    let Meant { rejected, gone, .. } = *meant;
    if rejected > 0 {
        let files_were = if rejected == 1 { "file was" } else { "files were" };
        output::note(&format!(
            "{rejected} rejected {files_were} left out: a pattern or a folder means photos; a file named by itself is corrected all the same"
        ));
    }
    if gone > 0 {
        let photos_were = if gone == 1 {
            "photo that is gone was"
        } else {
            "photos that are gone were"
        };
        output::note(&format!(
            "{gone} {photos_were} left out: a pattern or a folder means what lies there still, if anything does; a file named by itself is meant all the same"
        ));
    }
}

/// Contents that are written at once: a fraction of a second, for which others wait.
const WRITTEN_AT_ONCE: usize = 1_000;

/// Writes all in portions, between which others get their turn; how many changed. Each word alone is whole, and the same
/// command once more passes over what stands already.
fn in_portions<T>(all: &[T], mut write: impl FnMut(&[T]) -> Result<u64, StoreError>) -> anyhow::Result<u64> {
    let mut changed = 0;
    for (number, portion) in all.chunks(WRITTEN_AT_ONCE).enumerate() {
        if number > 0 {
            std::thread::sleep(PAUSE_FOR_OTHERS);
        }
        let written = write(portion);
        changed += match number * WRITTEN_AT_ONCE {
            0 => written?,
            done => written.with_context(|| {
                format!(
                    "{done} of {} photos are done, the same command once more goes on",
                    all.len()
                )
            })?,
        };
    }
    Ok(changed)
}

/// What stands, and lists of it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hangtag corrections                           those that stand
  hangtag corrections export truth.csv          columns file, content_hash, label (empty: none of the ten), by, at
  hangtag corrections export - | cut -d, -f3 | sort | uniq -c
  hangtag corrections import truth.csv          columns file (or path) or content_hash, and label (empty, none or
                                                unknown: none of the ten); `review --format csv` writes such a list")]
pub struct CorrectionsArguments {
    #[command(subcommand)]
    command: Option<CorrectionsCommand>,
    /// How the answer is printed
    #[arg(long, value_enum, default_value_t, global = true)]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum CorrectionsCommand {
    /// Those that stand (the default)
    #[command(after_help = "Example:\n  hangtag corrections list --format json    for programs")]
    List,
    /// Put in what a CSV file says
    #[command(after_help = "Example:\n  hangtag corrections import truth.csv")]
    Import {
        /// Columns file or path (relative to the CSV) or content_hash, and label; an empty one, none or unknown: none of the
        /// ten
        file: PathBuf,
    },
    /// Write those that stand into a CSV file
    #[command(after_help = "Example:\n  hangtag corrections export truth.csv")]
    Export {
        /// The file, which is replaced; - for standard output
        file: PathBuf,
    },
}

/// Lists, imports or exports.
pub fn corrections(arguments: CorrectionsArguments, config: &Config) -> anyhow::Result<Ended> {
    match arguments.command.unwrap_or(CorrectionsCommand::List) {
        CorrectionsCommand::List => list(config, arguments.format)?,
        CorrectionsCommand::Import { file } => {
            let Imported { corrected, unknown } = import(&file, config)?;
            match arguments.format {
                Format::Json => output::print_json(&json!({ "corrected": corrected, "unknown": unknown }))?,
                Format::Text => {
                    let of_none = match unknown {
                        0 => String::new(),
                        _ => format!(" ({unknown} of them: none of the ten)"),
                    };
                    let photos = photos(corrected);
                    output::print(&format!("{corrected} {photos} corrected{of_none}\n"))?;
                }
            }
        }
        CorrectionsCommand::Export { .. } if arguments.format == Format::Json => {
            let message =
                "an exported list is CSV; `hangtag corrections list --format json` prints the same as JSON";
            return Err(UsageError(message.into()).into());
        }
        CorrectionsCommand::Export { file } => export(&file, config)?,
    }
    Ok(Ended::Well)
}

fn list(config: &Config, format: Format) -> anyhow::Result<()> {
    let rows = Reader::open(&config.store_path())?.corrections()?;
    if let Format::Json = format {
        return output::print_json(&rows);
    }
    let cells = rows.iter().map(|row| {
        vec![
            row.truth.to_string(),
            row.at.to_string(),
            row.by.clone(),
            row.paths
                .first()
                .map_or_else(|| row.hash.to_string(), ToString::to_string),
        ]
    });
    output::print(&output::table(
        &["shows", "at", "by", "file"],
        &cells.collect::<Vec<_>>(),
    ))
}

fn export(file: &Path, config: &Config) -> anyhow::Result<()> {
    let rows = Reader::open(&config.store_path())?.corrections()?;
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["file", "content_hash", "label", "by", "at"])?;
    for row in &rows {
        writer.write_record([
            row.paths.first().map_or("", InventoryPath::as_str),
            &row.hash.to_string(),
            row.truth.label().map_or("", |label| label.name()),
            &row.by,
            &row.at.to_string(),
        ])?;
    }
    let csv = writer.into_inner()?;
    if file == Path::new("-") {
        return output::print(&String::from_utf8(csv)?);
    }
    crate::durable::write_named_file(file, &csv)?;
    let (count, file) = (rows.len(), file.display());
    output::note(&format!("{count} {} written to {file}", photos(count as u64)));
    Ok(())
}

/// How many contents have a truth that they did not have.
struct Imported {
    corrected: u64,
    /// Those of them that show none of the ten.
    unknown: u64,
}

fn import(file: &Path, config: &Config) -> anyhow::Result<Imported> {
    let sheet = Sheet::open(file, NamedBy::FileOrHash)?;
    // Wrong lines are told first, also where there is no store.
    let known = match Reader::open(&config.store_path()) {
        Ok(reader) => Some(reader),
        Err(StoreError::Missing { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let truths = read_list(&sheet, known.as_ref(), config)?;
    let mut store = open_to_change(config)?;
    let reader = Reader::open(&config.store_path())?;
    let unknown = count_new_unknowns(&truths, &reader)?;
    let corrected = record(&mut store, truths, &reader, config)?;
    Ok(Imported { corrected, unknown })
}

/// What the answer says apart: a sheet that is half filled in looks like this, too.
fn count_new_unknowns(truths: &Truths, reader: &Reader) -> Result<u64, StoreError> {
    let mut count = 0;
    for (hash, _) in truths.iter().filter(|(_, (truth, _))| *truth == Truth::Unknown) {
        let standing = reader.correction_of(hash)?;
        count += u64::from(standing.is_none_or(|standing| standing.truth != Truth::Unknown));
    }
    Ok(count)
}

/// What contents show, each with the files by which it was named.
type Truths = BTreeMap<ContentHash, (Truth, Vec<PathBuf>)>;

fn read_list(sheet: &Sheet, known: Option<&Reader>, config: &Config) -> anyhow::Result<Truths> {
    let mut truths = Truths::new();
    let mut first_said = BTreeMap::new();
    let mut problems = Vec::new();
    let rows = sheet.rows();
    if rows.is_empty() {
        output::note("there are no rows below the header of the list");
    }
    for (place, row) in rows {
        match row.and_then(|row| content_in(row, known, config)) {
            Ok((hash, truth, path)) => {
                let first = *first_said.entry(hash).or_insert(place);
                let (said, files) = truths.entry(hash).or_insert((truth, Vec::new()));
                if *said == truth {
                    files.extend(path);
                } else {
                    let line = sheet.line_of(first);
                    let problem = format!("{truth}, but line {line} says {said} of the same photo");
                    problems.push((place, problem));
                }
            }
            Err(problem) => problems.push((place, problem)),
        }
    }
    if !problems.is_empty() {
        let listed = sheet.listed(&problems);
        anyhow::bail!("nothing was put in, because of wrong lines:{listed}");
    }
    Ok(truths)
}

/// The content that a row is about, with the file that it names if that is there. Of a file that is gone, it is the one
/// on record.
fn content_in(
    row: SheetRow,
    known: Option<&Reader>,
    config: &Config,
) -> Result<(ContentHash, Truth, Option<PathBuf>), String> {
    let hash = match (row.content_hash, &row.file, known) {
        (Some(hash), _, _) => hash,
        (None, None, _) => return Err("neither file nor content_hash is given".into()),
        (None, Some(path), Some(known)) if is_gone(path) => {
            let stored = InventoryPath::of(&real_path(path));
            let file = known.known_file(&stored).map_err(|error| error.to_string())?;
            file.and_then(|file| file.hash)
                .ok_or_else(|| format!("{}: there is no such file, and none on record", path.display()))?
        }
        (None, Some(path), _) => content_at(path, config)?,
    };
    Ok((hash, row.truth, row.file.filter(|path| path.is_file())))
}

/// The content of the file at a path, or why that cannot be had.
fn content_at(path: &Path, config: &Config) -> Result<ContentHash, String> {
    match read_photo(path, config.limits.max_file_bytes) {
        Ok(bytes) => Ok(ContentHash::of(&bytes)),
        // It names the path already.
        Err(rejection) if rejection.reason == RejectionReason::Unreadable => Err(rejection.detail),
        Err(rejection) => Err(format!("{}: {}", path.display(), rejection.detail)),
    }
}

/// Where a content lies, as far as is known.
fn files_with(hash: &ContentHash, reader: &Reader) -> Result<Vec<PathBuf>, StoreError> {
    let content = reader.history_of_content(hash)?;
    Ok(content.map(|content| content.present_files()).unwrap_or_default())
}

/// Keeps the pictures, then records; a picture that cannot be had costs a rebuild its lesson, not the correction. A content
/// that was named by a file which is gone may lie elsewhere still.
fn record(store: &mut Store, truths: Truths, reader: &Reader, config: &Config) -> anyhow::Result<u64> {
    let mut without_picture = 0;
    for (hash, (_, named)) in &truths {
        let is_kept = keep_picture(named, hash, config)
            || keep_picture(&files_with(hash, reader)?, hash, config)
            || copy_path(&config.corrections_dir(), hash).is_file();
        without_picture += u64::from(!is_kept);
    }
    let (by, at) = (person(), SystemTime::now().into());
    let new: Vec<_> = truths
        .into_iter()
        .map(|(hash, (truth, _))| NewCorrection {
            hash,
            truth,
            by: by.clone(),
            at,
        })
        .collect();
    let count = in_portions(&new, |portion| store.correct(portion))?;
    if without_picture > 0 {
        output::note(&format!(
            "{without_picture} {} cannot be read (any more): the correction counts, but no rebuild can learn from it",
            photos(without_picture)
        ));
    }
    Ok(count)
}

/// Whether one of the files is still this picture, and a copy of it is kept.
fn keep_picture(files: &[PathBuf], hash: &ContentHash, config: &Config) -> bool {
    let limits = daemon::decode_limits(config);
    let keep = |file: &PathBuf| {
        let bytes = read_photo(file, config.limits.max_file_bytes)
            .ok()
            .filter(|bytes| ContentHash::of(bytes) == *hash)?;
        let image = decode(&bytes, &limits).ok()?;
        let kept = keep_blocking(&config.corrections_dir(), hash, &image);
        kept.map_err(|error| output::note(&error.to_string())).ok()
    };
    files.iter().find_map(keep).is_some()
}

fn photos(count: u64) -> &'static str {
    if count == 1 { "photo" } else { "photos" }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 200,000 photos of a pattern were one transaction, for which everybody else gave up waiting.
    #[test]
    fn a_long_list_is_written_in_portions_and_says_how_far_it_came() {
        let all: Vec<u32> = (0..2_500).collect();
        let mut portions = Vec::new();
        let changed = in_portions(&all, |portion| {
            portions.push(portion.len());
            Ok(portion.iter().filter(|number| *number % 2 == 0).count() as u64)
        });
        assert_eq!((changed.unwrap(), portions), (1_250, vec![1_000, 1_000, 500]));

        let full = |portion: &[u32]| match portion[0] {
            2_000 => Err(StoreError::DiskFull {
                operation: "record corrections",
                path: "/shop/hangtag.db".into(),
            }),
            _ => Ok(0),
        };
        let error = in_portions(&all, full).unwrap_err().to_string();
        assert!(error.starts_with("2000 of 2500 photos are done"), "{error}");
        let error = in_portions(&all[2_000..], full).unwrap_err().to_string();
        assert!(error.contains("a command has to be given again"), "{error}");
    }
}
