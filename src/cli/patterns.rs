//! Patterns for files on record, as people type them.
//!
//! In: a file, a folder or a pattern. Out: the store's pattern for what is meant. Never: a file opened.

use std::path::Path;

use super::paths::real_path;
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
    match typed.contains(WILDCARDS) || !typed.contains('/') {
        true => Ok(pattern),
        false => file_or_all_below(pattern, reader),
    }
}

/// The same where it can only be a path, or a pattern for whole ones.
pub fn pattern_of_path(path: &Path, reader: &Reader) -> Result<String, StoreError> {
    if let Some(folder) = real_folder(path) {
        return Ok(all_below(&literal(&folder)));
    }
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let text = |path: &Path| InventoryPath::of(path).to_string();
    // The folder's real path, as the store has it; only what was typed as a pattern is one.
    let pattern = match (absolute.parent().and_then(real_folder), absolute.file_name()) {
        (Some(folder), Some(name)) => format!("{}/{}", literal(&folder), text(Path::new(name))),
        _ => text(&absolute),
    };
    match text(path).contains(WILDCARDS) {
        true => Ok(pattern),
        false => file_or_all_below(pattern, reader),
    }
}

/// What begins with the folder that it is meant in; `None` where that need not be the one from here.
fn pattern_from_here(typed: &str) -> Option<String> {
    let wildcard = typed.find(WILDCARDS).unwrap_or(typed.len());
    let slash = typed[..wildcard].rfind('/')?;
    let (folder, name) = (&typed[..slash], &typed[slash + 1..]);
    let is_of_here = ["./", "../"].iter().any(|here| typed.starts_with(here));
    match real_folder(Path::new(if folder.is_empty() { "/" } else { folder })) {
        // Held against the end, it fits there and elsewhere.
        Some(real) if !is_of_here && real.ends_with(&format!("/{folder}")) => None,
        Some(real) => Some(format!("{}/{name}", literal(&real))),
        None if is_of_here => {
            let gone = std::path::absolute(folder).ok()?;
            Some(format!("{}/{name}", literal(InventoryPath::of(&gone).as_str())))
        }
        None => None,
    }
}

/// A path at which no file is on record is that of a folder that is gone: its files have kept their tags.
fn file_or_all_below(path: String, reader: &Reader) -> Result<String, StoreError> {
    let folder = all_below(&path);
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
    let real = folder.canonicalize().ok().filter(|real| real.is_dir())?;
    Some(InventoryPath::of(&real).as_str().trim_end_matches('/').to_owned())
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
