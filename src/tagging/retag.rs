//! Lets the inventory follow a change of model: contents that show another model's answer -> the same line, behind
//! everything else.
//!
//! In: what the store holds against the model in service. Out: answers of it that are on record already brought back
//! without inference (through the [record](super::record), which owns the writer), then files to read, at the pace
//! of the settings and only while the line has nothing else to do. Never: progress of its own to be lost: what is
//! left is what the store says is left; and never a file that is not as the store knows it, which is the sweep's.

mod throttle;

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_channel::Sender;
use tokio::sync::{Notify, oneshot, watch};

use throttle::Throttle;

use super::inbox::{Inboxes, Look};
use super::line::Queues;
use super::record::{Recordable, TakeKnown};
use super::serving::{InService, Serving};
use super::settle::SettledFile;
use crate::domain::Confidence;
use crate::status::{Station, StatusBoard};
use crate::store::{PAUSE_FOR_OTHERS, Portion, Reader, RetagQuery, RetagRow, StoreError};

/// Contents asked for at once: a page of them is looked at in some milliseconds and soon forgotten.
const PAGE: u32 = 256;
/// Names of one content that are looked at, where the first is not as the store knows it.
const COPIES_TRIED: u32 = 8;
/// Contents that get back a known answer in one transaction: some ten milliseconds, for which other commits wait.
const TAKEN_AT_ONCE: u32 = 1_000;
/// Between two looks at a line that has something else to do.
const IDLE_LOOK: Duration = Duration::from_millis(2);
/// Stragglers come in twos and threes, just before or after a swap.
const STRAGGLER_PAUSE: Duration = Duration::from_millis(250);
/// Now and then it looks by itself, for what nobody announced: files that were away and are there again.
const LOOK_AGAIN: Duration = Duration::from_secs(600);
/// Between two attempts when the store cannot be read.
const AFTER_TROUBLE: Duration = Duration::from_secs(10);
/// The clock that tasks sleep by has no finer steps; shorter waits add up until one is reached.
const SHORTEST_SLEEP: Duration = Duration::from_millis(1);

/// Which contents are read again after a change of model; answers on record come back in any case.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RetagPolicy {
    /// All of them.
    All,
    /// Those of which the former answer is less sure than this.
    BelowConfidence(Confidence),
    /// None: a photo keeps its answer until it changes.
    None,
}

/// How the inventory follows.
#[derive(Debug, Clone, Copy)]
pub struct RetagSettings {
    /// Which contents.
    pub policy: RetagPolicy,
    /// At most so many files a second are read for it.
    pub images_per_second: NonZeroU32,
}

/// The station's ends.
pub struct RetagEnds {
    /// To the readers; the same queue that new drops take.
    pub settled_tx: Sender<SettledFile>,
    /// To the record.
    pub recordable_tx: Sender<Recordable>,
    /// Whether the line has something else to do.
    pub queues: Queues,
    /// Rung by the record when an outcome of a former model came late.
    pub stragglers: Arc<Notify>,
}

/// What the station works with.
pub struct Retagger {
    /// What is known.
    pub reader: Reader,
    /// Whom the inventory follows.
    pub in_service: InService,
    /// How.
    pub settings: RetagSettings,
    /// To look at a file before it is sent.
    pub inboxes: Arc<Inboxes>,
    /// Where files go.
    pub ends: RetagEnds,
    /// Where trouble is shown.
    pub board: StatusBoard,
    /// The station's own line.
    pub station: Station,
}

/// Runs until `stop`; it can be left at any point.
pub async fn retag(retagger: Retagger, mut stop: watch::Receiver<bool>) {
    let working = Working::begin(retagger);
    tokio::select! {
        biased;
        _ = stop.wait_for(|stopped| *stopped) => {}
        () = working.run() => {}
    }
}

/// What is read, in a thread that may block.
struct Ground {
    reader: Reader,
    inboxes: Arc<Inboxes>,
}

/// The station at work.
struct Working {
    /// Never contended: one page is fetched at a time.
    ground: Arc<Mutex<Ground>>,
    in_service: InService,
    policy: RetagPolicy,
    throttle: Throttle,
    ends: RetagEnds,
    board: StatusBoard,
    station: Station,
}

/// Why the inventory is looked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    /// There may be answers that do not count, and others on record that do.
    OtherAnswers,
    /// None: the writer is troubled only where answers are on record that do not show. A scan that began under a former
    /// model leaves such, and rings for nobody.
    None,
}

/// How a look through the inventory ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    /// Nothing is left that can be dealt with now.
    Whole,
    /// Another model came into service meanwhile.
    Overtaken,
    /// What takes the files has ended.
    LineEnded,
}

impl Working {
    fn begin(retagger: Retagger) -> Self {
        let Retagger {
            reader,
            in_service,
            settings,
            inboxes,
            ends,
            board,
            station,
        } = retagger;
        Self {
            ground: Arc::new(Mutex::new(Ground { reader, inboxes })),
            in_service,
            policy: settings.policy,
            throttle: Throttle::new(settings.images_per_second),
            ends,
            board,
            station,
        }
    }

    async fn run(mut self) {
        let mut news = News::OtherAnswers;
        loop {
            match self.pass(news).await {
                Ok(Pass::Whole) => {
                    self.board.solved("retag");
                    news = self.wait_for_news().await;
                }
                Ok(Pass::Overtaken) => news = News::OtherAnswers,
                // The line says why; the service is ending.
                Ok(Pass::LineEnded) => std::future::pending().await,
                Err(error) => {
                    tracing::error!("tagging anew: {error}");
                    self.board.problem("retag", error.to_string());
                    tokio::time::sleep(AFTER_TROUBLE).await;
                }
            }
        }
    }

    async fn wait_for_news(&mut self) -> News {
        tokio::select! {
            () = self.in_service.changed() => News::OtherAnswers,
            () = self.ends.stragglers.notified() => {
                tokio::time::sleep(STRAGGLER_PAUSE).await;
                News::OtherAnswers
            }
            () = tokio::time::sleep(LOOK_AGAIN) => News::None,
        }
    }

    /// Once through the inventory, for the model that serves now.
    async fn pass(&mut self, news: News) -> Result<Pass, StoreError> {
        let serving = self.in_service.now();
        let asked = Arc::clone(&serving);
        let progress = self.ask(move |ground| ground.reader.retag_progress(&asked.model));
        let left = progress.await?.left;
        if left == 0 {
            return Ok(Pass::Whole);
        }
        let asked = Arc::clone(&serving);
        let are_on_record = match news {
            News::OtherAnswers => true,
            News::None => {
                self.ask(move |ground| ground.reader.has_answers_to_bring_back(&asked.model))
                    .await?
            }
        };
        if are_on_record {
            let brought_back = self.bring_back(&serving).await;
            if brought_back != Pass::Whole {
                return Ok(brought_back);
            }
        }
        self.send_all(&serving).await
    }

    /// Lets all files show what this model said of them, where that is on record.
    async fn bring_back(&self, serving: &Serving) -> Pass {
        let (mut after, mut brought_back) = (Some(0), 0);
        while let Some(from) = after {
            let (walked_tx, walked_rx) = oneshot::channel();
            let recordable = Recordable::take_known(TakeKnown {
                model: serving.model.clone(),
                portion: Portion {
                    after: from,
                    limit: TAKEN_AT_ONCE,
                },
                walked_tx,
            });
            if self.ends.recordable_tx.send(recordable).await.is_err() {
                return Pass::LineEnded;
            }
            let Ok(walked) = walked_rx.await else {
                return Pass::LineEnded;
            };
            brought_back += walked.changed;
            after = walked.next;
            if self.is_overtaken(serving) {
                return Pass::Overtaken;
            }
            if after.is_some() {
                tokio::time::sleep(PAUSE_FOR_OTHERS).await;
            }
        }
        if brought_back > 0 {
            tracing::info!(
                "{brought_back} files show again what model {} said of them",
                serving.model
            );
            self.station.did_many(brought_back, || {
                format!("brought back {brought_back} answers of model {}", serving.model)
            });
        }
        Pass::Whole
    }

    /// Sends what has no answer of this model to be read, page by page.
    async fn send_all(&mut self, serving: &Arc<Serving>) -> Result<Pass, StoreError> {
        let below = match self.policy {
            RetagPolicy::None => return Ok(Pass::Whole),
            RetagPolicy::BelowConfidence(confidence) => Some(confidence),
            RetagPolicy::All => None,
        };
        let (mut after, mut sent) = (0, 0);
        loop {
            let asked = Arc::clone(serving);
            let page = self.ask(move |ground| ground.page(&asked, below, after));
            let page = page.await?;
            let Some(last) = page.last else { break };
            for file in page.files {
                self.wait_for_turn().await;
                if self.is_overtaken(serving) {
                    return Ok(Pass::Overtaken);
                }
                self.station.did(|| format!("sent {}", file.path.display()));
                if self.ends.settled_tx.send(file).await.is_err() {
                    return Ok(Pass::LineEnded);
                }
                sent += 1;
            }
            after = last;
        }
        if sent > 0 {
            tracing::info!(
                "{sent} files were sent to be tagged anew by model {}",
                serving.model
            );
        }
        Ok(Pass::Whole)
    }

    /// The pace of the settings, and then until new drops have left room.
    async fn wait_for_turn(&mut self) {
        let wait = self.throttle.reserve(Instant::now());
        if wait >= SHORTEST_SLEEP {
            tokio::time::sleep(wait).await;
        }
        while !self.ends.queues.are_nearly_empty() {
            tokio::time::sleep(IDLE_LOOK).await;
        }
    }

    fn is_overtaken(&self, serving: &Serving) -> bool {
        *self.in_service.now() != *serving
    }

    /// Asks the store in a thread that may block.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Ground) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let ground = Arc::clone(&self.ground);
        let asking = tokio::task::spawn_blocking(move || {
            question(&ground.lock().unwrap_or_else(PoisonError::into_inner))
        });
        match asking.await {
            Ok(answer) => answer,
            Err(ended) => match ended.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is shutting down.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

/// Files of the next contents.
struct Page {
    files: Vec<SettledFile>,
    /// Where the next page begins; `None` past the end.
    last: Option<i64>,
}

impl Ground {
    fn page(&self, serving: &Serving, below: Option<Confidence>, after: i64) -> Result<Page, StoreError> {
        let rows = self.reader.images_to_retag(&RetagQuery {
            model: &serving.model,
            below,
            after,
            limit: PAGE,
        })?;
        let mut files = Vec::with_capacity(rows.len());
        for row in &rows {
            files.extend(match self.as_known(row) {
                None => self.another_copy(row)?,
                found => found,
            });
        }
        Ok(Page {
            last: rows.last().map(|row| row.image_id),
            files,
        })
    }

    /// The content under another name, where the first is not as the store knows it.
    fn another_copy(&self, row: &RetagRow) -> Result<Option<SettledFile>, StoreError> {
        let copies = self.reader.copies_that_are_there(row, COPIES_TRIED)?;
        Ok(copies.iter().find_map(|copy| self.as_known(copy)))
    }

    /// The file, if it is as the store knows it. One that is not is new or gone, and found by the sweep.
    fn as_known(&self, row: &RetagRow) -> Option<SettledFile> {
        let path = row.path.to_path();
        match self.inboxes.look_blocking(&path) {
            Look::File(seen) if seen.stamp == row.stamp => Some(SettledFile {
                path,
                stamp: seen.stamp,
                // As if it had just come: what is truncated gets the whole wait once more.
                rested: Duration::ZERO,
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
