//! Files, as records have them.
//!
//! In: paths and what the operating system says of them. Out: text that leads back to the path. Never: a file that is opened.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// A file's absolute path as the store and every answer write it: always text, always the way back.
///
/// Bytes that are not UTF-8, and the bytes of U+FFFD itself, are written as U+FFFD and two hexadecimal
/// digits, so that two names never share a text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct InventoryPath(String);

impl InventoryPath {
    /// The text of an absolute path.
    pub fn of(path: &Path) -> Self {
        Self(path_text::from_path(path))
    }

    /// From the text that the store kept.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path in the file system.
    pub fn to_path(&self) -> PathBuf {
        path_text::to_path(&self.0)
    }
}

impl fmt::Display for InventoryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

mod path_text {
    use std::ffi::OsString;
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    use std::path::{Path, PathBuf};

    const MARK: char = '\u{FFFD}';

    pub fn from_path(path: &Path) -> String {
        let bytes = path.as_os_str().as_bytes();
        let mut text = String::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    MARK => "\u{FFFD}".bytes().for_each(|byte| push_escaped(&mut text, byte)),
                    _ => text.push(character),
                }
            }
            chunk
                .invalid()
                .iter()
                .for_each(|&byte| push_escaped(&mut text, byte));
        }
        text
    }

    pub fn to_path(text: &str) -> PathBuf {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(MARK) {
            bytes.extend_from_slice(&rest.as_bytes()[..at]);
            let after = &rest[at + MARK.len_utf8()..];
            match after
                .get(..2)
                .and_then(|digits| u8::from_str_radix(digits, 16).ok())
            {
                Some(byte) => {
                    bytes.push(byte);
                    rest = &after[2..];
                }
                None => {
                    bytes.extend_from_slice("\u{FFFD}".as_bytes());
                    rest = after;
                }
            }
        }
        bytes.extend_from_slice(rest.as_bytes());
        PathBuf::from(OsString::from_vec(bytes))
    }

    fn push_escaped(text: &mut String, byte: u8) {
        text.push(MARK);
        text.push_str(&format!("{byte:02X}"));
    }
}

/// What a file looked like from outside; two equal stamps mean the bytes were not touched in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStamp {
    /// Length in bytes.
    pub size: u64,
    /// Last modification, nanoseconds since 1970-01-01 UTC.
    pub mtime_ns: i64,
    /// The file's number in its file system; changes when a file is replaced by a rename.
    pub inode: u64,
}
