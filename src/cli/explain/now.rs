//! A file as the pipeline would find it now.
//!
//! In: a path, the inboxes, what is on record of it. Out: what is found, in its order and in sentences. Never: a write.

use std::path::Path;
use std::time::Duration;

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
            // The clock of a camera or of another machine.
            let is_ahead = seen.age.is_zero();
            let changed = match is_ahead {
                true => "last changed at a time that lies ahead".to_owned(),
                false => format!("last changed {:.1} s ago", seen.age.as_secs_f64()),
            };
            now.lines
                .push(format!("a file of {} bytes, {changed}", seen.stamp.size));
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
            if !is_ahead && seen.age < config.settle.quiet {
                now.lines
                    .push("it may still be written (settle.quiet)".to_owned());
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
            now.lines.push(photo_in_words(&bytes, seen.age, config));
        }
    }
    now
}

fn photo_in_words(bytes: &[u8], age: Duration, config: &Config) -> String {
    match decode(bytes, &daemon::decode_limits(config)) {
        Ok(image) => format!(
            "a {} of {}x{} pixels that can be tagged",
            image.format.name(),
            image.photo_size.0,
            image.photo_size.1
        ),
        Err(error) if error.is_truncated() && age < config.settle.give_up => {
            format!("it may still be written (settle.give_up): it {error}")
        }
        Err(error) => format!("it cannot be tagged: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::tagging::testing::{Shop, png};

    /// What a look at the file shows that was last changed at that time.
    fn look_at(shop: &Shop, path: &Path, changed: SystemTime, recorded: Option<ContentHash>) -> Vec<String> {
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.set_modified(changed).unwrap();
        let mut config = shop.config();
        config.settle.quiet = Duration::from_secs(3_600);
        config.settle.give_up = Duration::from_secs(7_200);
        look_blocking(path, &shop.inboxes(), &config, recorded).lines
    }

    /// An upload that paused was said to be a broken photo.
    #[test]
    fn a_photo_that_ends_too_early_may_still_be_written() {
        let (shop, now) = (Shop::new(), SystemTime::now());
        let path = shop.file("a.png", &png(7)[..50]);
        let last = |changed| look_at(&shop, &path, changed, None).pop().unwrap();
        let paused = last(now - Duration::from_secs(5_400));
        assert!(
            paused.starts_with("it may still be written (settle.give_up): it ends too early"),
            "{paused}"
        );
        let given_up = last(now - Duration::from_secs(10_800));
        assert!(
            given_up.starts_with("it cannot be tagged: ends too early"),
            "{given_up}"
        );
    }

    /// Of a photo with the time of a camera that was ahead it was said for years that it may still be written.
    #[test]
    fn what_is_on_record_or_has_a_time_that_lies_ahead_is_not_still_written() {
        let (shop, now) = (Shop::new(), SystemTime::now());
        let path = shop.file("a.png", &png(7));
        let (fresh, ahead) = (now - Duration::from_secs(60), now + Duration::from_secs(86_400));
        let is_said = |changed, recorded| {
            let lines = look_at(&shop, &path, changed, recorded);
            lines.iter().any(|line| line.contains("may still be written"))
        };
        assert!(is_said(fresh, None));
        assert!(!is_said(fresh, Some(ContentHash::of(&png(7)))));
        assert!(!is_said(ahead, None));
        let said = look_at(&shop, &path, ahead, None);
        assert!(
            said[0].ends_with("last changed at a time that lies ahead"),
            "{said:?}"
        );
    }
}
