//! Reads, hashes, decodes and preprocesses: settled file -> prepared image, or at once an answer for the record.
//!
//! In: [`SettledFile`]s. Out: [`PreparedImage`]s for the model; changes for what needs no model (known content,
//! rejections); files to look at again. Never: a second inference for content that the model has answered or is
//! answering, and never a file read that is larger than allowed or is no regular file.

mod moved;
mod read;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use async_channel::{Receiver, Sender};

use read::ReadOutcome;

use super::inbox::{Inboxes, Look};
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
    /// `true`: the content is the caller's to answer. `false`: somebody else's.
    pub(super) fn claim(&self, hash: ContentHash) -> bool {
        let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        match claims.entry(hash) {
            Entry::Occupied(_) => false,
            Entry::Vacant(free) => {
                free.insert(Vec::new());
                true
            }
        }
    }

    /// Lets `file` wait with who has the content; `false`: nobody has it any more.
    pub(super) fn park(&self, hash: &ContentHash, file: &SettledFile) -> bool {
        let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = claims.get_mut(hash);
        waiting.map(|waiting| waiting.push(file.clone())).is_some()
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

    /// One file's way.
    pub fn prepare_blocking(&self, file: &SettledFile, scratch: &mut Scratch) -> Result<Step, StoreError> {
        scratch.give_back_excess();
        Ok(match self.claim_blocking(file, scratch)? {
            Ok(claimed) => self.decode_blocking(file, claimed, scratch),
            Err(step) => step,
        })
    }

    /// Reads a file and claims its content; the step where there is nothing to decode. Straight-line, each exit an answer.
    fn claim_blocking(
        &self,
        file: &SettledFile,
        scratch: &mut Scratch,
    ) -> Result<Result<Claimed, Step>, StoreError> {
        let serving = self.in_service.now();
        let stamp = match self.read_blocking(file, &mut scratch.bytes) {
            ReadOutcome::Whole(stamp) => stamp,
            ReadOutcome::Changed => return Ok(Err(Step::Relook(Hint::Unclosed, vec![file.path.clone()]))),
            // A disk that was unmounted. Whoever looks next lets go of the file, unless the disk is back by then.
            ReadOutcome::Gone if self.inboxes.has_gone_with_its_inbox_blocking(&file.path) => {
                return Ok(Err(Step::Relook(Hint::Unclosed, vec![file.path.clone()])));
            }
            ReadOutcome::Gone => {
                return Ok(Err(Step::Record(Recordable::change(Change::vanished(
                    &file.path,
                )))));
            }
            ReadOutcome::Refused(rejection, stamp) => {
                let change = Change::unread(&file.path, stamp, rejection);
                return Ok(Err(Step::Record(Recordable::change(change))));
            }
        };
        let hash = ContentHash::of(&scratch.bytes);
        let sighting = FileSighting {
            path: InventoryPath::of(&file.path),
            stamp,
        };
        while !self.in_flight.claim(hash) {
            // What is on record is not waited for: whether the file has moved is found out here, not by who has the content.
            if let Some(change) = self.known_answer(&sighting, hash, &serving)? {
                return Ok(Err(Step::Record(Recordable::change(change))));
            }
            if self.in_flight.park(&hash, file) {
                return Ok(Err(Step::Parked));
            }
        }
        match self.known_answer(&sighting, hash, &serving) {
            Ok(None) => Ok(Ok(Claimed {
                sighting,
                hash,
                serving,
            })),
            Ok(Some(change)) => {
                let answered = Answered {
                    hash,
                    model: serving.model.clone(),
                };
                Ok(Err(Step::Record(Recordable::answer(change, answered))))
            }
            Err(error) => {
                self.in_flight.release(&hash);
                Err(error)
            }
        }
    }

    /// Decodes what was read.
    fn decode_blocking(&self, file: &SettledFile, claimed: Claimed, scratch: &mut Scratch) -> Step {
        let limits = DecodeLimits {
            max_pixels: self.limits.max_pixels,
            max_decode_bytes: self.limits.max_decode_bytes,
        };
        let decoded = decode_reusing(&scratch.bytes, &limits, std::mem::take(&mut scratch.luma));
        let Claimed {
            sighting,
            hash,
            serving,
        } = claimed;
        // A large photo takes a while, in which another reader may overtake this one with what has replaced it. What comes
        // after this look has to rest first, and by then this answer is on its way.
        if self.is_replaced_blocking(&file.path, sighting.stamp) {
            if let Ok(image) = decoded {
                scratch.luma = image.luma;
            }
            return self.relook(Hint::Unclosed, file, &hash);
        }
        match decoded {
            Ok(image) => {
                let input = scratch.preprocessor.prepare(&image);
                let content = facts_of(hash, scratch.bytes.len(), Some(&image));
                scratch.luma = image.luma;
                Step::Infer(Box::new(PreparedImage {
                    file: sighting,
                    content,
                    input,
                    preprocessing: serving.preprocessing,
                }))
            }
            Err(error) if error.is_truncated() && file.rested < self.settle.give_up => {
                self.relook(Hint::Truncated, file, &hash)
            }
            Err(error) => {
                let content = facts_of(hash, scratch.bytes.len(), None);
                Step::Record(rejected(sighting, content, error, &serving))
            }
        }
    }

    /// Whether something else lies there than what was read. A file that has gone keeps the answer of its content.
    fn is_replaced_blocking(&self, path: &Path, read: FileStamp) -> bool {
        match self.inboxes.look_blocking(path) {
            Look::File(seen) => seen.stamp != read,
            Look::Missing => false,
            Look::Folder | Look::Refused(..) => true,
        }
    }

    /// Ends the claim: the file waits again, and those that waited for its answer.
    fn relook(&self, hint: Hint, file: &SettledFile, hash: &ContentHash) -> Step {
        let waiting = self.in_flight.release(hash);
        let paths = waiting.into_iter().map(|file| file.path);
        Step::Relook(hint, paths.chain([file.path.clone()]).collect())
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
        let left = self.reader.places_it_may_have_left(&hash)?;
        Ok(Some(match self.moved_from(left, &file) {
            Some(from) => Change::Moved {
                from,
                to: file,
                hash,
                model,
            },
            None => Change::Known { file, hash, model },
        }))
    }
}

/// Content that was read and is this reader's to answer.
struct Claimed {
    sighting: FileSighting,
    hash: ContentHash,
    serving: Arc<Serving>,
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
