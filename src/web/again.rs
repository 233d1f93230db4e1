//! Tries again until it works, or the service ends.
//!
//! In: an attempt at something outside, such as a file that the settings name. Out: what came of the one that worked. Never:
//! a failure that ends more than the one who waits.

use std::fmt::Display;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::server::stopped;

/// Between two attempts at what the settings name: an address that is taken, a file on a disk that is mounted late.
const PAUSE: Duration = Duration::from_secs(5);
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

/// Likewise, where no thread may be held up.
pub async fn until_it_works<T, E: Display>(
    stop: &mut watch::Receiver<bool>,
    attempt: impl AsyncFnMut() -> Result<T, E>,
    told: impl FnMut(&str),
) -> Option<T> {
    try_each(PAUSE, stop, attempt, told).await
}

async fn try_each<T, E: Display>(
    pause: Duration,
    stop: &mut watch::Receiver<bool>,
    mut attempt: impl AsyncFnMut() -> Result<T, E>,
    told: impl FnMut(&str),
) -> Option<T> {
    let mut tell = each_once(told);
    loop {
        match attempt().await {
            Ok(worked) => return Some(worked),
            Err(error) => tell(error.to_string()),
        }
        tokio::select! {
            () = stopped(stop) => return None,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

fn try_blocking<T, E: Display>(
    pause: Duration,
    stop: &watch::Receiver<bool>,
    mut attempt: impl FnMut() -> Result<T, E>,
    told: impl FnMut(&str),
) -> Option<T> {
    let mut tell = each_once(told);
    while !*stop.borrow() {
        match attempt() {
            Ok(worked) => return Some(worked),
            Err(error) => tell(error.to_string()),
        }
        let since = Instant::now();
        while since.elapsed() < pause && !*stop.borrow() {
            std::thread::sleep(LOOK_INTERVAL.min(pause));
        }
    }
    None
}

/// Passes a reason on unless it is the one before.
fn each_once(mut told: impl FnMut(&str)) -> impl FnMut(String) {
    let mut last = String::new();
    move |reason| {
        if reason != last {
            told(&reason);
            last = reason;
        }
    }
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

    /// That the address of the pages was taken was told, and logged, at each attempt: 17,000 times a day.
    #[tokio::test]
    async fn each_reason_is_told_once_where_no_thread_waits() {
        let (stop_tx, mut stop) = watch::channel(false);
        let mut outcomes = [Err("taken"), Err("taken"), Err("away"), Err("taken"), Ok(7)].into_iter();
        let mut told = Vec::new();
        let attempt = async || outcomes.next().unwrap();
        let hear = |reason: &str| told.push(reason.to_owned());
        let worked = try_each(Duration::ZERO, &mut stop, attempt, hear).await;
        assert_eq!(worked, Some(7));
        assert_eq!(told, ["taken", "away", "taken"]);
        let attempt = async || Err::<(), _>("away");
        let ended = try_each(PAUSE, &mut stop, attempt, |_| stop_tx.send(true).unwrap()).await;
        assert_eq!(ended, None);
    }
}
