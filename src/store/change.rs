//! What the pipeline tells the store: one value a file that was dealt with.
//!
//! In: files, contents and outcomes as the pipeline found them. Out: `Change` values for `Store::apply`.
//! Never: a change that does harm when it is applied twice in a row, or that undoes what a person said.

use crate::domain::{
    ContentHash, Device, FileStamp, ImageFormat, InventoryPath, ModelId, Prediction, PreprocessingVersion,
    Rejection, Timestamp,
};

/// One thing that became known about one file. Each is idempotent: applied twice equals applied once.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The content was tagged. The first outcome of a (content, model) stays; all files of the content follow it.
    Tagged {
        /// The file as it was read.
        file: FileSighting,
        /// What is in it.
        content: ContentFacts,
        /// What the model said.
        tag: TagRecord,
    },
    /// The content was read but cannot be tagged; all files of the content follow.
    Rejected {
        /// The file as it was read.
        file: FileSighting,
        /// What is in it, as far as known.
        content: ContentFacts,
        /// Why it has no tag.
        rejection: RejectionRecord,
    },
    /// The file could not be read, so there is no content to speak of. A vanished file that is known already keeps
    /// what is known of it and is marked absent.
    Unread {
        /// Where it is, or was.
        path: InventoryPath,
        /// What it looked like from outside, where that much could be had.
        stamp: Option<FileStamp>,
        /// Why it was not read.
        rejection: Rejection,
        /// When that was found.
        at: Timestamp,
    },
    /// The content already has its outcome of this model: the path takes it over, and all files of the content
    /// follow. Where there is no such outcome, `Applied::unknown` names the path.
    Known {
        /// The file as it was read.
        file: FileSighting,
        /// Its content.
        hash: ContentHash,
        /// The model whose outcome counts.
        model: ModelId,
    },
    /// The file was renamed: the same row gets the new path, and a row that was there is replaced. Where `from` is
    /// not known (any more) but the content is, the new path is recorded as one of its files; where neither is,
    /// `Applied::unknown` names the new path. All files of the content take the answer of `model`; where it has none,
    /// they keep the one they have.
    Moved {
        /// The old path.
        from: InventoryPath,
        /// The new one.
        to: FileSighting,
        /// The content, which did not change.
        hash: ContentHash,
        /// The model whose outcome counts.
        model: ModelId,
    },
    /// The file is gone: marked, its tags stay.
    Absent {
        /// Where it was.
        path: InventoryPath,
        /// When that was noticed.
        at: Timestamp,
    },
}

/// A file as it was when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSighting {
    /// Where.
    pub path: InventoryPath,
    /// What it looked like from outside.
    pub stamp: FileStamp,
}

/// What is known of a content without a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentFacts {
    /// Identity.
    pub hash: ContentHash,
    /// Length in bytes.
    pub bytes: u64,
    /// Format, where one was recognised.
    pub format: Option<ImageFormat>,
    /// Width and height in pixels after orientation, where they are known.
    pub size_px: Option<(u32, u32)>,
}

/// What a model said about a content; label and confidence are the scores' top.
#[derive(Debug, Clone, PartialEq)]
pub struct TagRecord {
    /// All ten probabilities, and its estimate for `unknown`.
    pub prediction: Prediction,
    /// Who says so; registered before.
    pub model: ModelId,
    /// Where inference really ran.
    pub device: Device,
    /// How the pixels were prepared.
    pub preprocessing: PreprocessingVersion,
    /// When.
    pub tagged_at: Timestamp,
}

/// Why a content has no tag under a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectionRecord {
    /// The reason and its particulars.
    pub rejection: Rejection,
    /// The model that was in service; a later one with other preprocessing may look again.
    pub model: ModelId,
    /// The preprocessing in service.
    pub preprocessing: PreprocessingVersion,
    /// When.
    pub at: Timestamp,
}

/// What one `Store::apply` did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// Contents seen for the first time.
    pub new_images: u64,
    /// Outcomes that were not there before.
    pub new_outcomes: u64,
    /// `Known` and `Moved` changes whose file took over a model's tag, corrected or not.
    pub known_tagged: u64,
    /// `Known` and `Moved` changes whose file took over a model's rejection, corrected or not.
    pub known_rejected: u64,
    /// Paths of `Known` and `Moved` changes whose content the store does not know: nothing was written for them,
    /// they have to be tagged.
    pub unknown: Vec<InventoryPath>,
}
