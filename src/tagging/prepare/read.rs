//! A settled file -> its bytes.
//!
//! In: a file and how it looked when it was found at rest. Out: a whole file, or why it was not read. Never: the bytes of a
//! file that changed meanwhile, or of one that is larger than allowed or no regular file.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::Preparer;
use crate::domain::{FileStamp, Rejection, RejectionReason};
use crate::tagging::inbox::{Look, says_gone, stamp_of, unreadable};
use crate::tagging::settle::SettledFile;

/// What came of reading.
pub(super) enum ReadOutcome {
    Whole(FileStamp),
    Changed,
    Gone,
    Refused(Rejection, Option<FileStamp>),
}

impl Preparer {
    /// Reads a whole file that has not changed since it was found at rest, and does not change meanwhile.
    pub(super) fn read_blocking(&self, file: &SettledFile, buffer: &mut Vec<u8>) -> ReadOutcome {
        let path = file.path.as_path();
        // Whoever found it may have come through the link that has just taken the place of its folder.
        if self.inboxes.is_behind_link_blocking(path) {
            return ReadOutcome::Gone;
        }
        // Looked at once more: since it was found at rest, the name may have become a pipe or a link to elsewhere.
        let before = match self.inboxes.look_blocking(path) {
            Look::File(seen) => {
                self.inboxes.saw_something_at_blocking(path);
                seen.stamp
            }
            Look::Missing => return ReadOutcome::Gone,
            Look::Folder => return ReadOutcome::Changed,
            Look::Refused(rejection, stamp) => return ReadOutcome::Refused(rejection, stamp),
        };
        if before != file.stamp {
            return ReadOutcome::Changed; // It has to come to rest again.
        }
        if before.size > self.limits.max_file_bytes {
            let detail = format!(
                "{} bytes; at most {} are read (limits.max_file_bytes)",
                before.size, self.limits.max_file_bytes
            );
            let rejection = Rejection {
                reason: RejectionReason::TooManyBytes,
                detail,
            };
            return ReadOutcome::Refused(rejection, Some(before));
        }
        match read_file(path, before, buffer) {
            Ok(true) => ReadOutcome::Whole(before),
            Ok(false) => ReadOutcome::Changed,
            Err(error) if says_gone(&error) => ReadOutcome::Gone,
            Err(error) => ReadOutcome::Refused(unreadable(path, &error), Some(before)),
        }
    }
}

/// Fills `buffer` with the file; `false` when what was opened is not what was looked at, or changed while it was read.
fn read_file(path: &Path, expected: FileStamp, buffer: &mut Vec<u8>) -> io::Result<bool> {
    // Non-blocking, so that a pipe that has just taken the name cannot hold the reader; it changes nothing for files.
    let flags = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let mut file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let opened = file.metadata()?;
    if !opened.is_file() || stamp_of(&opened) != expected {
        return Ok(false);
    }
    buffer.resize(expected.size as usize, 0);
    match file.read_exact(buffer) {
        Ok(()) => unchanged(&file, expected), // What has grown meanwhile has another size.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn unchanged(file: &File, expected: FileStamp) -> io::Result<bool> {
    Ok(stamp_of(&file.metadata()?) == expected)
}
