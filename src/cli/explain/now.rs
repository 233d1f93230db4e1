//! A file as the pipeline would find it now.
//!
//! In: a path, the inboxes, what is on record of it. Out: what is found, in its order and in sentences. Never: a write.

use std::path::Path;

use crate::cli::labelled::read_photo;
use crate::config::Config;
use crate::daemon;
use crate::decode::decode;
use crate::domain::ContentHash;
use crate::tagging::inbox::{Inboxes, Look, PassedOver};

/// What a look at a file shows.
#[derive(Debug, Default)]
pub struct Now {
    /// In sentences; the last one is what decides.
    pub lines: Vec<String>,
    /// What it holds, where it could be read.
    pub content: Option<ContentHash>,
}

/// Looks at a file of which this content is on record.
pub fn look_blocking(path: &Path, inboxes: &Inboxes, config: &Config, recorded: Option<ContentHash>) -> Now {
    let mut now = Now::default();
    let is_inside = inboxes.root_of(path).is_some();
    match inboxes.passed_over(path) {
        // The scan of a path counts its names only from there on.
        Some(PassedOver::Name(_)) if !is_inside => {}
        Some(why) => {
            now.lines.push(why.to_string());
            return now;
        }
        None => {}
    }
    if !is_inside {
        now.lines
            .push("it lies in no inbox, so it is tagged only by `hangtag scan PATH`".to_owned());
    }
    match inboxes.look_blocking(path) {
        Look::Missing => now.lines.push("there is no such file".to_owned()),
        Look::Folder => now.lines.push("it is a folder".to_owned()),
        Look::Refused(rejection, _) => now.lines.push(rejection.detail),
        Look::File(seen) if seen.stamp.size > config.limits.max_file_bytes => now.lines.push(format!(
            "it has {} bytes, more than limits.max_file_bytes = {}",
            seen.stamp.size, config.limits.max_file_bytes
        )),
        Look::File(seen) => {
            now.lines.push(format!(
                "a file of {} bytes, last changed {:.1} s ago",
                seen.stamp.size,
                seen.age.as_secs_f64()
            ));
            if seen.age < config.settle.quiet {
                now.lines
                    .push("it may still be written (settle.quiet)".to_owned());
            }
            let bytes = match read_photo(path, config.limits.max_file_bytes) {
                Ok(bytes) => bytes,
                Err(rejection) => {
                    now.lines.push(rejection.detail);
                    return now;
                }
            };
            let hash = ContentHash::of(&bytes);
            now.content = Some(hash);
            if recorded == Some(hash) {
                now.lines.push("its content is the one on record".to_owned());
                return now;
            }
            if recorded.is_some() {
                let follows = match is_inside {
                    true => "the next sweep tags it anew",
                    false => "`hangtag scan PATH` reads it anew",
                };
                now.lines.push(format!(
                    "its content has changed since (it is {hash} now); {follows}"
                ));
            }
            now.lines.push(photo_in_words(&bytes, config));
        }
    }
    now
}

fn photo_in_words(bytes: &[u8], config: &Config) -> String {
    match decode(bytes, &daemon::decode_limits(config)) {
        Ok(image) => format!(
            "a {} of {}x{} pixels that can be tagged",
            image.format.name(),
            image.photo_size.0,
            image.photo_size.1
        ),
        Err(error) => format!("it cannot be tagged: {error}"),
    }
}
