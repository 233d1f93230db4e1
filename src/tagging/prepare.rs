//! Reads, hashes, decodes and preprocesses: settled file -> prepared image, or at once an answer for the record.
//!
//! In: [`SettledFile`]s. Out: [`PreparedImage`]s for the model; changes for what needs no model (known content,
//! rejections); files to look at again. Never: a second inference for content that the model has answered or is
//! answering, and never a file read that is larger than allowed or is no regular file.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use async_channel::{Receiver, Sender};

use super::inbox::{Inboxes, Look, is_gone, stamp_of, unreadable};
use super::record::{Answered, Recordable};
use super::serving::{InService, Serving};
use super::settle::{Hint, NoticedFile, SettledFile};
use crate::config::{LimitsConfig, SettleConfig};
use crate::decode::{DecodeError, DecodeLimits, DecodedImage, decode_reusing};
use crate::domain::{
    ContentHash, FileStamp, InventoryPath, PreprocessingVersion, Rejection, RejectionReason, Timestamp,
};
use crate::preprocess::{InputTensor, Preprocessor};
use crate::status::Station;
use crate::store::{Change, ContentFacts, FileSighting, Reader, RejectionRecord, StoreError};

/// A picture that the model can be asked about.
#[derive(Debug)]
pub struct PreparedImage {
    /// Where it was read.
    pub file: FileSighting,
    /// What it is.
    pub content: ContentFacts,
    /// What the model sees.
    pub input: InputTensor,
    /// How that was made; only a model that was trained on the like may answer.
    pub preprocessing: PreprocessingVersion,
}

/// Content that is between reading and record, so that a second name of it waits instead of being inferred again.
///
/// Owner: every reader claims, the record releases after its commit; a reader that claims after that finds the
/// content in the store.
#[derive(Debug, Default)]
pub struct InFlight {
    claims: Mutex<HashMap<ContentHash, Vec<SettledFile>>>,
}

impl InFlight {
    /// `true`: the content is the caller's to answer. `false`: somebody else's, and `file` waits with it.
    pub(super) fn claim(&self, hash: ContentHash, file: &SettledFile) -> bool {
        let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        match claims.get_mut(&hash) {
            Some(waiting) => {
                waiting.push(file.clone());
                false
            }
            None => {
                claims.insert(hash, Vec::new());
                true
            }
        }
    }

    /// Ends a claim; the files that waited for it come out.
    pub fn release(&self, hash: &ContentHash) -> Vec<SettledFile> {
        let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        claims.remove(hash).unwrap_or_default()
    }
}

/// Memory that one reader uses for file after file.
#[derive(Default)]
pub struct Scratch {
    bytes: Vec<u8>,
    luma: Vec<u8>,
    preprocessor: Preprocessor,
}

/// Scratch that grew beyond this many bytes for one huge photo is given back before the next.
const SCRATCH_KEPT_BYTES: usize = 8 << 20;

impl Scratch {
    fn give_back_excess(&mut self) {
        for buffer in [&mut self.bytes, &mut self.luma] {
            if buffer.capacity() > SCRATCH_KEPT_BYTES {
                *buffer = Vec::new();
            }
        }
    }
}

/// What one reader needs; each has its own reader of the store.
pub struct Preparer {
    /// To ask whether content is known.
    pub reader: Reader,
    /// The model that will answer, unless another one is swapped in on the way.
    pub in_service: InService,
    /// What is ours.
    pub inboxes: Arc<Inboxes>,
    /// What is too large.
    pub limits: LimitsConfig,
    /// When truncated is final.
    pub settle: SettleConfig,
    /// What others are answering.
    pub in_flight: Arc<InFlight>,
}

/// A reader's ends.
#[derive(Clone)]
pub struct PrepareEnds {
    /// Files to read; the reader ends when this closes.
    pub settled_rx: Receiver<SettledFile>,
    /// To the batch.
    pub prepared_tx: Sender<PreparedImage>,
    /// To the record.
    pub recordable_tx: Sender<Recordable>,
    /// To be looked at again.
    pub relook_tx: Sender<NoticedFile>,
}

/// Where a file goes from here.
#[derive(Debug)]
pub enum Step {
    /// To the model.
    Infer(Box<PreparedImage>),
    /// To the record.
    Record(Recordable),
    /// Back to wait: with the files that waited for it.
    Relook(Hint, Vec<PathBuf>),
    /// The same content is being answered; this file waits for that.
    Parked,
}

impl Preparer {
    /// Runs until the files end; a failing store ends it early, which the caller reports.
    pub fn run_blocking(self, ends: &PrepareEnds, station: &Station) -> Result<(), StoreError> {
        let mut scratch = Scratch::default();
        while let Ok(file) = ends.settled_rx.recv_blocking() {
            station.did(|| format!("read {}", file.path.display()));
            let since = Instant::now();
            let step = self.prepare_blocking(&file, &mut scratch)?;
            station.took(since.elapsed());
            let sent = match step {
                Step::Infer(image) => ends.prepared_tx.send_blocking(*image).is_ok(),
                Step::Record(recordable) => ends.recordable_tx.send_blocking(recordable).is_ok(),
                Step::Relook(hint, paths) => {
                    // No receiver: the service is ending, and its next start finds the files again.
                    paths.into_iter().for_each(|path| {
                        let _ = ends.relook_tx.send_blocking(NoticedFile { path, hint });
                    });
                    true
                }
                Step::Parked => true,
            };
            if !sent {
                break; // What stands behind has failed and says so; the sweep finds this file again.
            }
        }
        Ok(())
    }

    /// One file's way; straight-line, each exit an answer.
    pub fn prepare_blocking(&self, file: &SettledFile, scratch: &mut Scratch) -> Result<Step, StoreError> {
        scratch.give_back_excess();
        let serving = self.in_service.now();
        let stamp = match self.read_blocking(file, &mut scratch.bytes) {
            ReadOutcome::Whole(stamp) => stamp,
            ReadOutcome::Changed => return Ok(Step::Relook(Hint::Unclosed, vec![file.path.clone()])),
            ReadOutcome::Gone => return Ok(Step::Record(Recordable::change(Change::vanished(&file.path)))),
            ReadOutcome::Refused(rejection, stamp) => {
                return Ok(Step::Record(Recordable::change(Change::unread(
                    &file.path, stamp, rejection,
                ))));
            }
        };
        let hash = ContentHash::of(&scratch.bytes);
        if !self.in_flight.claim(hash, file) {
            return Ok(Step::Parked);
        }
        let sighting = FileSighting {
            path: InventoryPath::of(&file.path),
            stamp,
        };
        match self.known_answer(&sighting, hash, &serving) {
            Ok(None) => {}
            Ok(Some(change)) => {
                let answered = Answered {
                    hash,
                    model: serving.model.clone(),
                };
                return Ok(Step::Record(Recordable::answer(change, answered)));
            }
            Err(error) => {
                self.in_flight.release(&hash);
                return Err(error);
            }
        }
        let limits = DecodeLimits {
            max_pixels: self.limits.max_pixels,
            max_decode_bytes: self.limits.max_decode_bytes,
        };
        match decode_reusing(&scratch.bytes, &limits, std::mem::take(&mut scratch.luma)) {
            Ok(image) => {
                let input = scratch.preprocessor.prepare(&image);
                let content = facts_of(hash, scratch.bytes.len(), Some(&image));
                scratch.luma = image.luma;
                Ok(Step::Infer(Box::new(PreparedImage {
                    file: sighting,
                    content,
                    input,
                    preprocessing: serving.preprocessing,
                })))
            }
            Err(error) if error.is_truncated() && file.rested < self.settle.give_up => {
                let waiting = self.in_flight.release(&hash);
                let paths = waiting
                    .into_iter()
                    .map(|file| file.path)
                    .chain([file.path.clone()])
                    .collect();
                Ok(Step::Relook(Hint::Truncated, paths))
            }
            Err(error) => {
                let content = facts_of(hash, scratch.bytes.len(), None);
                Ok(Step::Record(rejected(sighting, content, error, &serving)))
            }
        }
    }

    /// The answer that is on record for the content, for a file that came or that has moved; `None` where the model has to
    /// be asked.
    fn known_answer(
        &self,
        file: &FileSighting,
        hash: ContentHash,
        serving: &Serving,
    ) -> Result<Option<Change>, StoreError> {
        if !self.reader.is_answered(&hash, &serving.model)? {
            return Ok(None);
        }
        let (file, model) = (file.clone(), serving.model.clone());
        let mut left = self.reader.paths_it_may_have_left(&hash)?.into_iter();
        let from = left.find(|path| *path != file.path && self.has_moved_away(&path.to_path()));
        Ok(Some(match from {
            Some(from) => Change::Moved {
                from,
                to: file,
                hash,
                model,
            },
            None => Change::Known { file, hash, model },
        }))
    }

    /// Whether the file that was at `path` is gone from a folder that is still there: all files of an inbox that was
    /// unmounted are gone, and none of them has moved.
    fn has_moved_away(&self, path: &Path) -> bool {
        is_gone(path)
            && match self.inboxes.root_of(path) {
                Some(root) => !self.inboxes.is_away_blocking(root),
                None => path.parent().is_some_and(Path::is_dir),
            }
    }

    /// Reads a whole file that has not changed since it was found at rest, and does not change meanwhile.
    fn read_blocking(&self, file: &SettledFile, buffer: &mut Vec<u8>) -> ReadOutcome {
        let path = file.path.as_path();
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
            Err(error) if error.kind() == io::ErrorKind::NotFound => ReadOutcome::Gone,
            Err(error) => ReadOutcome::Refused(unreadable(path, &error), Some(before)),
        }
    }
}

enum ReadOutcome {
    Whole(FileStamp),
    Changed,
    Gone,
    Refused(Rejection, Option<FileStamp>),
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
    buffer.clear();
    // One byte more than expected, so that growth is seen without reading all of it.
    Read::by_ref(&mut file)
        .take(expected.size + 1)
        .read_to_end(buffer)?;
    Ok(buffer.len() as u64 == expected.size && unchanged(&file, expected)?)
}

fn unchanged(file: &File, expected: FileStamp) -> io::Result<bool> {
    Ok(stamp_of(&file.metadata()?) == expected)
}

fn rejected(file: FileSighting, content: ContentFacts, error: DecodeError, serving: &Serving) -> Recordable {
    let answered = Answered {
        hash: content.hash,
        model: serving.model.clone(),
    };
    let rejection = RejectionRecord {
        rejection: error.into(),
        model: serving.model.clone(),
        preprocessing: serving.preprocessing,
        at: SystemTime::now().into(),
    };
    Recordable::answer(
        Change::Rejected {
            file,
            content,
            rejection,
        },
        answered,
    )
}

fn facts_of(hash: ContentHash, bytes: usize, image: Option<&DecodedImage>) -> ContentFacts {
    ContentFacts {
        hash,
        bytes: bytes as u64,
        format: image.map(|image| image.format),
        size_px: image.map(|image| image.photo_size),
    }
}

impl Change {
    /// A path at which nothing lies any more.
    pub fn vanished(path: &Path) -> Self {
        let detail = "gone before it could be read".to_owned();
        Self::unread(
            path,
            None,
            Rejection {
                reason: RejectionReason::Vanished,
                detail,
            },
        )
    }

    /// A path whose content could not be had.
    pub fn unread(path: &Path, stamp: Option<FileStamp>, rejection: Rejection) -> Self {
        let at: Timestamp = SystemTime::now().into();
        Change::Unread {
            path: InventoryPath::of(path),
            stamp,
            rejection,
            at,
        }
    }
}

#[cfg(test)]
mod tests;
