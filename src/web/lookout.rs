//! Looks at the inboxes from the outside, for pages: how much room is there, is a file as it was read?
//!
//! In: a look. Out: what it saw, or nothing where that takes too long. Never: a thread that reads the store, or a page that
//! waits for a disk which does not answer: a network's may be gone and let everybody wait for good who touches it.

use std::time::Duration;

use super::pool::{Pool, PoolShape};

/// For one look: a disk that is there answers within milliseconds.
const PATIENCE: Duration = Duration::from_millis(300);
/// Looks that may wait. Behind one that hangs they fill up, and from then on it is known at once that nothing is known.
const WAITING: usize = 4;

/// Who is asked for a look. One thread: looks that hang take no more.
pub struct Lookout {
    pool: Pool<()>,
}

impl Lookout {
    /// Starts the thread.
    pub fn start() -> std::io::Result<Lookout> {
        let shape = PoolShape {
            name: "web-look",
            waiting: WAITING,
            nice: 5,
        };
        Ok(Lookout {
            pool: Pool::start(shape, vec![()])?,
        })
    }

    /// What `look_blocking` saw; `None`: it did not come to an end in time.
    pub async fn look<R: Send + 'static>(
        &self,
        look_blocking: impl FnOnce() -> R + Send + 'static,
    ) -> Option<R> {
        let looked = self.pool.ask(move |()| Ok(look_blocking()));
        tokio::time::timeout(PATIENCE, looked).await.ok()?.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Three pages that asked a dead disk for its room took all readers of the store with them.
    #[tokio::test]
    async fn a_disk_that_does_not_answer_holds_up_nobody() {
        let lookout = Lookout::start().unwrap();
        assert_eq!(lookout.look(|| 7).await, Some(7));
        let (answers_tx, answers_rx) = mpsc::channel::<()>();
        let dead = lookout.look(move || answers_rx.recv().is_ok());
        assert_eq!(dead.await, None);
        for _ in 0..=WAITING {
            assert_eq!(lookout.look(|| 7).await, None, "another one waits behind it");
        }
        let at_once = tokio::time::timeout(Duration::ZERO, lookout.look(|| 7));
        assert_eq!(at_once.await, Ok(None), "no page waits any more");
        answers_tx.send(()).unwrap();
        while lookout.look(|| 7).await.is_none() {}
    }
}
