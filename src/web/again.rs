//! Tries again until it works, or the service ends.
//!
//! In: an attempt at something outside, such as a file that the settings name. Out: what came of the one that worked. Never:
//! a failure that ends more than the one who waits.

use std::fmt::Display;
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// Between two attempts at what the settings name: an address that is taken, a file on a disk that is mounted late.
pub const PAUSE: Duration = Duration::from_secs(5);
/// Between two looks whether the service is to end meanwhile.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// What the first attempt that works gives; `None`: the service ends. `told` hears each reason once, until another one
/// takes its place.
pub fn until_it_works_blocking<T, E: Display>(
    stop: &watch::Receiver<bool>,
    attempt: impl FnMut() -> Result<T, E>,
    told: impl FnMut(&str),
) -> Option<T> {
    try_blocking(PAUSE, stop, attempt, told)
}

fn try_blocking<T, E: Display>(
    pause: Duration,
    stop: &watch::Receiver<bool>,
    mut attempt: impl FnMut() -> Result<T, E>,
    mut told: impl FnMut(&str),
) -> Option<T> {
    let mut reason = String::new();
    while !*stop.borrow() {
        match attempt() {
            Ok(worked) => return Some(worked),
            Err(error) if error.to_string() == reason => {}
            Err(error) => {
                reason = error.to_string();
                told(&reason);
            }
        }
        let since = Instant::now();
        while since.elapsed() < pause && !*stop.borrow() {
            std::thread::sleep(LOOK_INTERVAL.min(pause));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_told_once_and_the_end_is_the_end() {
        let (stop_tx, stop) = watch::channel(false);
        let mut outcomes = [Err("away"), Err("away"), Err("empty"), Ok(7), Err("never asked")].into_iter();
        let mut told = Vec::new();
        let worked = try_blocking(
            Duration::ZERO,
            &stop,
            || outcomes.next().unwrap(),
            |reason| told.push(reason.to_owned()),
        );
        assert_eq!((worked, told), (Some(7), vec!["away".into(), "empty".into()]));
        let ended: Option<()> = try_blocking(PAUSE, &stop, || Err("away"), |_| stop_tx.send(true).unwrap());
        assert_eq!(ended, None);
    }
}
