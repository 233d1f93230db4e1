//! What a file event says.
//!
//! In: the kind of an event. Out: what may have become of its path. Never: a look at the path.

use notify::event::{AccessKind, AccessMode, CreateKind, EventKind, ModifyKind, RemoveKind, RenameMode};

use crate::tagging::settle::Hint;

/// What may have become of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    Nothing,
    /// A folder came: its files have no events of their own.
    Folder,
    /// Owner, rights or times were changed.
    Touched,
    /// A file or folder left this name.
    Gone,
    Renamed,
    File(Hint),
}

/// What an event of this kind says of its path.
pub(super) fn meaning(kind: &EventKind) -> Meaning {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Meaning::File(Hint::Closed),
        EventKind::Access(_) => Meaning::Nothing,
        EventKind::Create(CreateKind::Folder) => Meaning::Folder,
        EventKind::Create(_) => Meaning::File(Hint::Unclosed),
        // A folder moved in has the same event as a file: the look at it tells.
        EventKind::Modify(ModifyKind::Name(RenameMode::To)) => Meaning::File(Hint::Closed),
        EventKind::Modify(ModifyKind::Name(RenameMode::From)) => Meaning::Gone,
        EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => Meaning::Renamed,
        EventKind::Modify(ModifyKind::Metadata(_)) => Meaning::Touched,
        EventKind::Modify(_) => Meaning::File(Hint::Unclosed),
        EventKind::Remove(RemoveKind::Folder | RemoveKind::File | RemoveKind::Any | RemoveKind::Other) => {
            Meaning::Gone
        }
        EventKind::Any | EventKind::Other => Meaning::File(Hint::Unclosed),
    }
}
