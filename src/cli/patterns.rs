//! Patterns for files on record, as people type them.
//!
//! In: a file, a folder or a pattern. Out: the store's pattern for what is meant. Never: a file opened.

use std::path::Path;

use super::paths::{real_path, real_place};
use crate::domain::InventoryPath;
use crate::store::{FileQuery, Reader, StoreError};

/// What makes a pattern of a text.
const WILDCARDS: [char; 3] = ['*', '?', '['];

/// The store's pattern for what a person typed here: its folder by its real path where that is the only one it can
/// have on record, all below a folder, and a file alone that has just the name that looks like a pattern.
pub fn pattern_meant(typed: &str, reader: &Reader) -> Result<String, StoreError> {
    if let Some(folder) = real_folder(Path::new(typed)) {
        return Ok(all_below(&literal(&folder)));
    }
    if typed.contains(WILDCARDS) && Path::new(typed).symlink_metadata().is_ok() {
        return Ok(literal(InventoryPath::of(&real_path(Path::new(typed))).as_str()));
    }
    let pattern = pattern_from_here(typed).unwrap_or_else(|| typed.to_owned());
    let is_link = Path::new(typed).is_symlink();
    match typed.contains(WILDCARDS) || !(typed.contains('/') || is_link) {
        true => Ok(pattern),
        false => file_or_all_below(pattern, Path::new(typed), reader),
    }
}

/// The same where it can only be a path, or a pattern for whole ones.
pub fn pattern_of_path(path: &Path, reader: &Reader) -> Result<String, StoreError> {
    if let Some(folder) = real_folder(path) {
        return Ok(all_below(&literal(&folder)));
    }
    let is_pattern = |path: &Path| InventoryPath::of(path).as_str().contains(WILDCARDS);
    // The folder's real path, as the store has it; only what was typed as a pattern is one.
    let mut folders = path.ancestors().skip(1);
    let folder = folders.find(|folder| folder.is_dir() || !is_pattern(folder));
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
    let rest = folder
        .and_then(|folder| path.strip_prefix(folder).ok())
        .unwrap_or(path);
    let real = place_of(folder.unwrap_or(Path::new(".")));
    let pattern = format!("{}/{}", literal(&real), InventoryPath::of(rest));
    match is_pattern(path) {
        true => Ok(pattern),
        false => file_or_all_below(pattern, path, reader),
    }
}

/// What begins with the folder that it is meant in; `None` where that need not be the one from here.
fn pattern_from_here(typed: &str) -> Option<String> {
    let wildcard = typed.find(WILDCARDS).unwrap_or(typed.len());
    let slash = typed[..wildcard].rfind('/')?;
    let (folder, name) = (&typed[..slash], &typed[slash + 1..]);
    let is_of_here = ["./", "../"].iter().any(|here| typed.starts_with(here));
    let real = place_of(Path::new(if folder.is_empty() { "/" } else { folder }));
    // Held against the end, it fits there and elsewhere.
    let fits_by_its_end = !is_of_here && real.ends_with(&format!("/{folder}"));
    (!fits_by_its_end).then(|| format!("{}/{name}", literal(&real)))
}

/// A path at which no file is on record is that of a folder that is gone, or away behind a link: its files have kept their
/// tags.
fn file_or_all_below(path: String, typed: &Path, reader: &Reader) -> Result<String, StoreError> {
    let folder = match typed.is_symlink() {
        true => all_below(&literal(&place_of(typed))),
        false => all_below(&path),
    };
    let file = FileQuery {
        path_glob: Some(path.clone()),
        ..FileQuery::default()
    };
    Ok(match reader.count_files_matching(&file)? {
        0 => folder,
        _ => path,
    })
}

fn all_below(folder: &str) -> String {
    format!("{}/*", folder.trim_end_matches('/'))
}

/// The real path of a folder that is there, as the store writes it.
fn real_folder(folder: &Path) -> Option<String> {
    folder.is_dir().then(|| place_of(folder))
}

/// Where a folder really lies or lay, as the store writes it.
fn place_of(folder: &Path) -> String {
    let real = real_place(folder);
    InventoryPath::of(&real).as_str().trim_end_matches('/').to_owned()
}

/// A pattern that only this text fits.
fn literal(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '*' | '?' | '[' => pattern.extend(['[', character, ']']),
            other => pattern.push(other),
        }
    }
    pattern
}
