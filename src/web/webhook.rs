//! Tells somebody else of new tags: one signed POST a batch.
//!
//! In: tags that wait in the store's outbox. Out: a POST, and on record whether it arrived. Never: a tag forgotten because
//! the other side was away, or the key: it is tried again, later and later, also after a restart; and never a redirect
//! followed.
//!
//! The body is JSON: `delivery` (a number that grows; the same one again is the same batch) and `tags`. `X-Hangtag-Timestamp`
//! says when it was sent, in seconds since 1970, and `X-Hangtag-Signature` is `v1=` and the HMAC-SHA256 of timestamp, a dot
//! and the body, in hexadecimal digits, by the key of `web.webhook_secret_file`.

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::sync::watch;

use super::WebError;
use super::again::until_it_works_blocking;
use super::pool::step_back;
use crate::config::{Config, WebhookConfig};
use crate::domain::{Timestamp, hex};
use crate::status::{Station, StatusBoard};
use crate::store::{Reader, Store, StoreError};

/// Tags of one POST: some 100 kB.
const BATCH: u32 = 200;
/// Between two looks at the outbox: batches fill a little, and news is still news.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// For one POST, from connecting to the end of the answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// Between two attempts at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// Between two attempts at the store at most: a full disk has room again before long.
const LONGEST_STORE_PAUSE: Duration = Duration::from_secs(60);

/// The key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Not read.
    #[error("could not read the webhook's key {path} (web.webhook_secret_file): {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Nothing in it.
    #[error("the webhook's key {path} (web.webhook_secret_file) is empty")]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// Collects for the target of the settings, or for none; starts the thread that tells it, once there is a key.
pub fn start(
    config: &Config,
    target: Option<&WebhookConfig>,
    board: &StatusBoard,
    stop: watch::Receiver<bool>,
) -> Result<(), WebError> {
    let Some(target) = target else {
        return Ok(stop_collecting_blocking(config)?);
    };
    let mut store = Store::open(&config.store_path(), config.durability.into())?;
    store.collect_news_for(Some(&target.url))?;
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .build()
        .into();
    let reader = Reader::open(&config.store_path())?;
    let (target, board) = (target.clone(), board.clone());
    let station = board.station("webhook");
    std::thread::Builder::new()
        .name("web-hook".into())
        .spawn(move || {
            step_back(5);
            let trouble = |reason: &str| {
                tracing::error!("webhook: {reason}; tried again");
                board.problem("webhook", format!("{reason}; tried again, nothing is forgotten"));
            };
            let attempt = || {
                // Tags come meanwhile, for as long as it takes.
                make_room_blocking(&mut store);
                read_key_blocking(&target)
            };
            let key = until_it_works_blocking(&stop, attempt, trouble);
            let Some(key) = key else { return };
            board.solved("webhook");
            let teller = Teller {
                store,
                reader,
                url: target.url,
                key,
                agent,
                board,
                station,
                told: None,
            };
            teller.run_blocking(&stop);
        })?;
    Ok(())
}

/// Nobody is to be told any more: what waits is forgotten, and nothing is added to it.
pub fn stop_collecting_blocking(config: &Config) -> Result<(), StoreError> {
    if Reader::open(&config.store_path())?.outbox()?.is_none() {
        return Ok(());
    }
    Store::open(&config.store_path(), config.durability.into())?.collect_news_for(None)
}

fn read_key_blocking(target: &WebhookConfig) -> Result<Vec<u8>, KeyError> {
    let path = || target.secret_file.clone();
    let text = std::fs::read_to_string(&target.secret_file)
        .map_err(|source| KeyError::Read { path: path(), source })?;
    match text.trim() {
        "" => Err(KeyError::Empty { path: path() }),
        key => Ok(key.as_bytes().to_vec()),
    }
}

/// Has the oldest of too many tags give way; at each attempt, whatever becomes of it, so that they stay bounded.
fn make_room_blocking(store: &mut Store) {
    match store.give_up_old_news() {
        Ok(0) => {}
        Ok(given_up) => tracing::error!("webhook: {given_up} tags were given up, since too many wait"),
        Err(error) => tracing::error!("webhook: {error}"),
    }
}

struct Teller {
    store: Store,
    reader: Reader,
    url: String,
    key: Vec<u8>,
    agent: ureq::Agent,
    board: StatusBoard,
    station: Station,
    /// What arrived and is not on record yet: it is not sent again while the store takes nothing.
    told: Option<Told>,
}

#[derive(Debug, Clone, Copy)]
struct Told {
    delivery: i64,
    tags: u64,
}

impl Teller {
    fn run_blocking(mut self, stop: &watch::Receiver<bool>) {
        let mut store_failures = 0;
        while !*stop.borrow() {
            let turn = self.turn_blocking();
            store_failures = if turn.is_ok() { 0 } else { store_failures + 1 };
            let pause = match turn {
                // More may wait.
                Ok(true) => continue,
                Ok(false) => LOOK_INTERVAL,
                Err(error) => {
                    let pause = pause_after(store_failures - 1).min(LONGEST_STORE_PAUSE);
                    tracing::error!("webhook: {error}; tried again in {pause:?}");
                    pause
                }
            };
            let since = Instant::now();
            while since.elapsed() < pause && !*stop.borrow() {
                std::thread::sleep(LOOK_INTERVAL);
            }
        }
    }

    /// One attempt, where one is due; `true` where something arrived.
    fn turn_blocking(&mut self) -> Result<bool, StoreError> {
        if self.told.is_some() {
            return self.record_told_blocking();
        }
        let now: Timestamp = SystemTime::now().into();
        let Some(outbox) = self
            .reader
            .outbox()?
            .filter(|outbox| is_due(outbox.next_attempt, now))
        else {
            return Ok(false);
        };
        let Some(news) = self.reader.next_news(BATCH)? else {
            return Ok(false);
        };
        let sent = match news.tags.is_empty() {
            true => Ok(()),
            false => {
                // Before it is sent: the process may end before it hears the answer.
                self.store.news_attempted(news.delivery)?;
                make_room_blocking(&mut self.store);
                self.post_blocking(&serde_json::json!(news).to_string())
            }
        };
        match sent {
            Ok(()) => {
                self.told = Some(Told {
                    delivery: news.delivery,
                    tags: news.tags.len() as u64,
                });
                self.record_told_blocking()
            }
            Err(error) => {
                let pause = pause_after(outbox.failures);
                let next = Timestamp::from_millis(now.as_millis() + pause.as_millis() as i64);
                self.store.news_failed(&error, next)?;
                tracing::warn!("webhook: {error}; tried again in {pause:?}");
                self.board
                    .problem("webhook", format!("{error}; tried again, nothing is forgotten"));
                Ok(false)
            }
        }
    }

    /// Puts on record what arrived; `true` where there was something.
    fn record_told_blocking(&mut self) -> Result<bool, StoreError> {
        let Some(Told { delivery, tags }) = self.told else {
            return Ok(false);
        };
        self.store.news_arrived(delivery)?;
        self.told = None;
        self.board.solved("webhook");
        self.station.did_many(tags, || format!("told of {tags} tags"));
        Ok(true)
    }

    fn post_blocking(&self, body: &str) -> Result<(), String> {
        let seconds = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let answer = self
            .agent
            .post(&self.url)
            .header("content-type", "application/json")
            .header("x-hangtag-timestamp", seconds.to_string())
            .header("x-hangtag-signature", signature(&self.key, seconds, body))
            .send(body);
        match answer {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(format!("the receiver answered {}", answer.status())),
            Err(error) => Err(format!("the receiver cannot be reached: {error}")),
        }
    }
}

/// `v1=` and 64 digits.
fn signature(key: &[u8], seconds: u64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length; this is a bug");
    mac.update(format!("{seconds}.{body}").as_bytes());
    format!("v1={}", hex(&mac.finalize().into_bytes()))
}

/// A moment that is farther away than any pause was reckoned by a clock that was ahead.
fn is_due(next_attempt: Timestamp, now: Timestamp) -> bool {
    next_attempt <= now || next_attempt.as_millis() - now.as_millis() > LONGEST_PAUSE.as_millis() as i64
}

/// One second, then twice as long each time.
fn pause_after(failures: u32) -> Duration {
    Duration::from_secs(1 << failures.min(16)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_ten_minutes() {
        let seconds: Vec<_> = [0, 1, 2, 5, 9, 10, 40]
            .map(|failures| pause_after(failures).as_secs())
            .into();
        assert_eq!(seconds, [1, 2, 4, 32, 512, 600, 600]);
    }

    /// A clock that was ahead held everything back until it was reached.
    #[test]
    fn no_attempt_waits_longer_than_the_longest_pause() {
        let due = |seconds: i64| is_due(Timestamp::from_millis(1_000 * seconds), Timestamp::from_millis(0));
        assert_eq!(
            [-5, 0, 1, 600, 601, 90_000].map(due),
            [true, true, false, false, true, true]
        );
    }

    /// RFC 4231's second case is the HMAC itself; here it is held against a value that Python's hmac module gave.
    #[test]
    fn the_signature_is_what_others_compute() {
        assert_eq!(
            signature(b"key", 1_700_000_000, "{}"),
            "v1=9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae"
        );
    }
}
