//! What is new, told to whoever looks: server-sent events.
//!
//! In: the store, asked a few times a second whether anybody has committed. Out: a number that grows with each change, and
//! an event for each open page. Never: a question that costs more than microseconds, or a page that is told more often than
//! it can look.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use async_channel::bounded;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use tokio::sync::watch;

use super::App;
use super::failure::Failure;
use crate::store::Reader;

/// Between two looks whether anything was committed.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// Between two events to one page.
const EVENT_INTERVAL: Duration = Duration::from_millis(500);
/// A line now and then tells both sides that the other one is there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Pages that listen at once; more look by themselves.
const MAX_LISTENERS: usize = 64;

/// Tells changes.
pub struct Events {
    generation: Arc<watch::Sender<u64>>,
    listeners: Arc<AtomicUsize>,
    stop: OnceLock<watch::Receiver<bool>>,
}

impl Events {
    /// Starts the thread that looks; it ends when nobody can ask any more.
    pub fn start(reader: Reader) -> std::io::Result<Events> {
        let generation = Arc::new(watch::Sender::new(1));
        let told = Arc::downgrade(&generation);
        std::thread::Builder::new()
            .name("web-watch".into())
            .spawn(move || look_blocking(&reader, &told))?;
        Ok(Events {
            generation,
            listeners: Arc::default(),
            stop: OnceLock::new(),
        })
    }

    /// Open pages are let go when this says so, so that the service can end.
    pub fn end_with(&self, stop: watch::Receiver<bool>) {
        // Set once: there is one server.
        let _ = self.stop.set(stop);
    }

    /// Grows with each change.
    pub fn generation(&self) -> u64 {
        *self.generation.borrow()
    }

    /// Something was committed here: nobody has to look for that.
    pub fn tell(&self) {
        tell(&self.generation);
    }
}

fn tell(generation: &watch::Sender<u64>) {
    generation.send_modify(|generation| *generation += 1);
}

fn look_blocking(reader: &Reader, generation: &Weak<watch::Sender<u64>>) {
    let mut last = None;
    while let Some(generation) = generation.upgrade() {
        match reader.data_version() {
            Ok(version) if last != Some(version) => {
                if last.replace(version).is_some() {
                    tell(&generation);
                }
            }
            Ok(_) => {}
            Err(error) => tracing::debug!("web: {error}"),
        }
        std::thread::sleep(LOOK_INTERVAL);
    }
}

/// One page that listens.
struct Listener(Arc<AtomicUsize>);

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// `GET /events`: an event `change` whenever something was committed.
pub async fn events(State(app): State<Arc<App>>) -> Response {
    let listeners = Arc::clone(&app.events.listeners);
    if listeners.fetch_add(1, Ordering::Relaxed) >= MAX_LISTENERS {
        listeners.fetch_sub(1, Ordering::Relaxed);
        return Failure::Busy.into_response();
    }
    let listener = Listener(listeners);
    // One event waits at most: the next one says all that those between would have said.
    let (event_tx, event_rx) = bounded::<Result<Event, Infallible>>(1);
    let mut generation = app.events.generation.subscribe();
    let stop = app.events.stop.get().cloned();
    tokio::spawn(async move {
        let _listener = listener;
        let telling = async {
            loop {
                let now = *generation.borrow_and_update();
                let event = Event::default().event("change").data(now.to_string());
                if event_tx.send(Ok(event)).await.is_err() || generation.changed().await.is_err() {
                    return;
                }
                tokio::time::sleep(EVENT_INTERVAL).await;
            }
        };
        let closed = event_tx.closed();
        tokio::select! {
            () = telling => {}
            () = closed => {}
            () = stopped(stop) => {}
        }
    });
    Sse::new(event_rx)
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
        .into_response()
}

async fn stopped(stop: Option<watch::Receiver<bool>>) {
    match stop {
        Some(mut stop) => super::server::stopped(&mut stop).await,
        None => std::future::pending().await,
    }
}
