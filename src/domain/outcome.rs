//! What becomes of a file.
//!
//! In: a cause. Out: a reason that can be stored and asked for. Never: an outcome without one.

use std::fmt;
use std::str::FromStr;

use super::{Certainty, ParseError};

/// Why a file has no tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RejectionReason {
    /// Nothing in it.
    Empty,
    /// The content is of no picture format that hangtag knows.
    NotAnImage,
    /// A known format in a variant that cannot be decoded.
    Unsupported,
    /// Ends too early, and stayed so.
    Truncated,
    /// Broken inside.
    Corrupt,
    /// More bytes than `limits.max_file_bytes`.
    TooManyBytes,
    /// More pixels than `limits.max_pixels`.
    TooManyPixels,
    /// Decoding would take more memory than `limits.max_decode_bytes`.
    TooMuchMemory,
    /// The operating system refused to read it.
    Unreadable,
    /// Gone before it could be read.
    Vanished,
    /// A folder, pipe, socket or device with the name of a photo.
    NotAFile,
    /// A symbolic link that leads out of the inbox.
    LinkOutsideInbox,
    /// Kept changing for longer than `settle.give_up`.
    NeverSettled,
}

impl RejectionReason {
    /// Every reason there is.
    pub const ALL: [RejectionReason; 13] = [
        RejectionReason::Empty,
        RejectionReason::NotAnImage,
        RejectionReason::Unsupported,
        RejectionReason::Truncated,
        RejectionReason::Corrupt,
        RejectionReason::TooManyBytes,
        RejectionReason::TooManyPixels,
        RejectionReason::TooMuchMemory,
        RejectionReason::Unreadable,
        RejectionReason::Vanished,
        RejectionReason::NotAFile,
        RejectionReason::LinkOutsideInbox,
        RejectionReason::NeverSettled,
    ];

    /// Whether what is behind it passes without a trace in the file's size or time: permissions are given, and a file that
    /// was given up on while it changed may have come to rest just then.
    pub fn passes_unseen(self) -> bool {
        matches!(self, RejectionReason::Unreadable | RejectionReason::NeverSettled)
    }

    /// The word in records: lower case with underscores; stable.
    pub fn code(self) -> &'static str {
        match self {
            RejectionReason::Empty => "empty",
            RejectionReason::NotAnImage => "not_an_image",
            RejectionReason::Unsupported => "unsupported",
            RejectionReason::Truncated => "truncated",
            RejectionReason::Corrupt => "corrupt",
            RejectionReason::TooManyBytes => "too_many_bytes",
            RejectionReason::TooManyPixels => "too_many_pixels",
            RejectionReason::TooMuchMemory => "too_much_memory",
            RejectionReason::Unreadable => "unreadable",
            RejectionReason::Vanished => "vanished",
            RejectionReason::NotAFile => "not_a_file",
            RejectionReason::LinkOutsideInbox => "link_outside_inbox",
            RejectionReason::NeverSettled => "never_settled",
        }
    }
}

impl fmt::Display for RejectionReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

/// Why one file was rejected, with the particulars.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The kind.
    pub reason: RejectionReason,
    /// What exactly, with the values: "60000x60000 pixels, at most 100000000 are allowed (limits.max_pixels)".
    pub detail: String,
}

/// Where a file stands, as `query --status` asks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// A model gave it a label that counts by itself.
    Accepted,
    /// A model gave it a label that somebody should look at.
    Review,
    /// A model takes it for none of the ten.
    Unknown,
    /// A person said what it is; no model changes that.
    Corrected,
    /// It has no label, and the reason is on record.
    Rejected,
}

impl Status {
    /// Every status there is.
    pub const ALL: [Status; 5] = [
        Status::Accepted,
        Status::Review,
        Status::Unknown,
        Status::Corrected,
        Status::Rejected,
    ];
    /// Those that a model's answer has.
    pub const TAGGED: [Status; 3] = [Status::Accepted, Status::Review, Status::Unknown];

    /// The word in records.
    pub fn name(self) -> &'static str {
        match self {
            Status::Accepted => "accepted",
            Status::Review => "review",
            Status::Unknown => "unknown",
            Status::Corrected => "corrected",
            Status::Rejected => "rejected",
        }
    }
}

impl From<Certainty> for Status {
    fn from(certainty: Certainty) -> Self {
        match certainty {
            Certainty::Accepted => Status::Accepted,
            Certainty::Review => Status::Review,
            Certainty::Unknown => Status::Unknown,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Status {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Status::ALL
            .into_iter()
            .find(|status| status.name() == text)
            .ok_or_else(|| {
                let names: Vec<_> = Status::ALL.iter().map(|status| status.name()).collect();
                ParseError::new(text, format!("a status ({})", names.join(", ")))
            })
    }
}
