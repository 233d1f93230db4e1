//! Threads of the web's own, each with something of its own to work with: a connection that only reads, say.
//!
//! In: pieces of work. Out: their answers, or `Busy` at once where too many wait. Never: a thread of the tagging line,
//! tokio's pool, or an unbounded queue; a piece that panics costs nobody but who asked for it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use async_channel::{Sender, bounded};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::failure::Failure;

type Work<T> = Box<dyn FnOnce(&mut T) + Send>;

/// A piece of work in the queue.
struct Job<T> {
    work: Work<T>,
    held: OwnedSemaphorePermit,
}

/// Who asks; cheap to clone. The threads end when the last one is dropped.
pub struct Pool<T> {
    jobs_tx: Sender<Job<T>>,
    /// As many as fit into the queue.
    places: Arc<Semaphore>,
}

/// A place in the queue; free again where no work is left at it.
pub struct Place<T> {
    jobs_tx: Sender<Job<T>>,
    held: OwnedSemaphorePermit,
}

impl<T> Clone for Pool<T> {
    fn clone(&self) -> Self {
        Self {
            jobs_tx: self.jobs_tx.clone(),
            places: Arc::clone(&self.places),
        }
    }
}

/// How a pool is laid out.
#[derive(Debug, Clone, Copy)]
pub struct PoolShape {
    /// Name of its threads.
    pub name: &'static str,
    /// So many pieces of work may wait.
    pub waiting: usize,
    /// How far its threads step back behind those that tag, 0..=19.
    pub nice: i32,
}

impl<T: Send + 'static> Pool<T> {
    /// Starts one thread for each of `desks`.
    pub fn start(shape: PoolShape, desks: Vec<T>) -> std::io::Result<Self> {
        let (jobs_tx, jobs_rx) = bounded::<Job<T>>(shape.waiting);
        for mut desk in desks {
            let jobs_rx = jobs_rx.clone();
            std::thread::Builder::new()
                .name(shape.name.into())
                .spawn(move || {
                    step_back(shape.nice);
                    while let Ok(Job { work, held }) = jobs_rx.recv_blocking() {
                        drop(held);
                        work(&mut desk);
                    }
                })?;
        }
        let places = Arc::new(Semaphore::new(shape.waiting));
        Ok(Self { jobs_tx, places })
    }

    /// Has `work` done by one of the threads. Work that nobody waits for any more is not begun.
    pub async fn ask<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut T) -> Result<R, Failure> + Send + 'static,
    ) -> Result<R, Failure> {
        let (answer_tx, answer_rx) = oneshot::channel();
        let work: Work<T> = Box::new(move |desk| {
            if answer_tx.is_closed() {
                return;
            }
            // Unwind safety: a connection or a model is whole again after a panic between two calls; what was under way
            // is rolled back or lost with the answer.
            let answer = catch_unwind(AssertUnwindSafe(|| work(desk)));
            let answer = answer.unwrap_or_else(|_| Err(Failure::Internal("answering failed".into())));
            // Who asked may have gone.
            let _ = answer_tx.send(answer);
        });
        self.place()?.put(work)?;
        answer_rx.await.map_err(|_| ending())?
    }

    /// How many places are free.
    pub fn free_places(&self) -> usize {
        self.places.available_permits()
    }

    /// A place for work that is not known yet, or not yet sure; `Busy` where none is free.
    pub fn place(&self) -> Result<Place<T>, Failure> {
        let held = Arc::clone(&self.places).try_acquire_owned();
        Ok(Place {
            jobs_tx: self.jobs_tx.clone(),
            held: held.map_err(|_| Failure::Busy)?,
        })
    }
}

impl<T: 'static> Place<T> {
    /// Has `work` done by one of the threads, for nobody who waits.
    pub fn leave(self, work: impl FnOnce(&mut T) + Send + 'static) -> Result<(), Failure> {
        self.put(Box::new(move |desk| {
            // As above.
            if catch_unwind(AssertUnwindSafe(|| work(desk))).is_err() {
                tracing::error!("web: work that nobody waits for failed; this is a bug");
            }
        }))
    }

    fn put(self, work: Work<T>) -> Result<(), Failure> {
        let Place { jobs_tx, held } = self;
        // There is room: what lies in the queue holds a place, as this does.
        jobs_tx.try_send(Job { work, held }).map_err(|_| ending())
    }
}

fn ending() -> Failure {
    Failure::Internal("the service is ending".into())
}

/// On Linux a thread has its own niceness; elsewhere it is left, since it would be that of the whole process.
pub fn step_back(nice: i32) {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(nice) {
        tracing::debug!("web: a thread does not step back: {error}");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = nice;
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: PoolShape = PoolShape {
        name: "test",
        waiting: 1,
        nice: 0,
    };

    #[tokio::test]
    async fn work_has_the_threads_own_desk_and_a_panic_ends_nothing() {
        let shape = PoolShape { waiting: 3, ..SHAPE };
        let pool = Pool::start(shape, vec![1u32]).unwrap();
        let added = pool.ask(|desk| {
            *desk += 1;
            Ok(*desk)
        });
        assert_eq!(added.await.unwrap(), 2);
        let failed: Result<(), Failure> = pool.ask(|_| panic!("of the test")).await;
        assert!(matches!(failed, Err(Failure::Internal(_))));
        let left = pool
            .place()
            .and_then(|place| place.leave(|_| panic!("of the test")));
        left.unwrap();
        let left = pool.place().and_then(|place| place.leave(|desk| *desk += 1));
        left.unwrap();
        assert_eq!(pool.ask(|desk| Ok(*desk)).await.unwrap(), 3);
    }

    #[tokio::test]
    async fn too_much_work_is_refused_at_once() {
        let pool = Pool::start(SHAPE, vec![()]).unwrap();
        let (begun_tx, begun_rx) = oneshot::channel();
        let (go_on_tx, go_on_rx) = std::sync::mpsc::channel::<()>();
        let working = tokio::spawn({
            let pool = pool.clone();
            async move {
                pool.ask(move |()| {
                    begun_tx.send(()).unwrap();
                    go_on_rx.recv().unwrap();
                    Ok(())
                })
                .await
            }
        });
        begun_rx.await.unwrap();
        let mut waiting = Box::pin(pool.ask(|()| Ok(())));
        // Polled once, so that it stands in the queue.
        tokio::select! {
            biased;
            _ = &mut waiting => panic!("the thread is busy"),
            () = std::future::ready(()) => {}
        }
        assert!(matches!(pool.ask(|()| Ok(())).await, Err(Failure::Busy)));
        go_on_tx.send(()).unwrap();
        working.await.unwrap().unwrap();
        waiting.await.unwrap();
    }

    #[tokio::test]
    async fn a_place_is_kept_for_whoever_holds_it() {
        let pool = Pool::start(SHAPE, vec![0u32]).unwrap();
        let place = pool.place().unwrap();
        assert!(matches!(pool.ask(|_| Ok(())).await, Err(Failure::Busy)));
        drop(place);
        pool.ask(|_| Ok(())).await.unwrap();
        let place = pool.place().unwrap();
        let (done_tx, done_rx) = oneshot::channel();
        place.leave(|_| done_tx.send(()).unwrap()).unwrap();
        done_rx.await.unwrap();
    }
}
