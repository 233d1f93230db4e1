//! Where a picture that a command draws may lie.
//!
//! In: the path that was named for it, the settings. Out: leave, or why it is refused. Never: a photo replaced by what was
//! drawn; a drawing among the photos of an inbox; a file opened.

use std::path::{Path, PathBuf};

use super::UsageError;
use super::paths::real_path;
use crate::config::Config;
use crate::durable;

/// A picture that is to be drawn.
pub struct Drawn<'a> {
    /// The option that names it, for messages.
    pub option: &'static str,
    /// Where it shall lie.
    pub path: &'a Path,
    /// How the names of its kind end.
    pub ending: &'static str,
    /// The photo that it is drawn from.
    pub photo: Option<&'a Path>,
}

impl Drawn<'_> {
    /// Refuses a path where the picture would do harm, or would not be taken for what it is.
    pub fn check(&self, config: &Config) -> Result<(), UsageError> {
        let refused = |why: String| {
            let (option, path) = (self.option, self.path.display());
            Err(UsageError(format!("{option} {path}: {why}")))
        };
        let ends_well = |extension: &std::ffi::OsStr| extension.eq_ignore_ascii_case(self.ending);
        if !self.path.extension().is_some_and(ends_well) {
            let (kind, ending) = (self.ending.to_uppercase(), self.ending);
            return refused(format!(
                "the picture is of the kind {kind}; let its name end in .{ending}"
            ));
        }
        let real = place_of(self.path);
        if self.photo.is_some_and(|photo| real == place_of(photo)) {
            return refused("it would replace the photo that it explains".into());
        }
        let of_inbox = |inbox: &&PathBuf| real.starts_with(inbox.canonicalize().as_ref().unwrap_or(*inbox));
        match config.inboxes.iter().find(of_inbox) {
            Some(inbox) => refused(format!(
                "it would lie in the inbox {} and be taken for a photo; name a place outside of it",
                inbox.display()
            )),
            None => Ok(()),
        }
    }
}

/// Past links, which are followed when it is written.
fn place_of(path: &Path) -> PathBuf {
    match durable::named_file(path) {
        Ok(Some(file)) => real_path(&file),
        _ => real_path(path),
    }
}
