//! SIGTERM and SIGINT, as the commands hear them.
//!
//! In: the two signals. Out: a future, a flag, or the end of the process. Never: a signal unheard once a command listens.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// How a process ends that a signal ended; 128 + SIGINT, as shells have it.
const INTERRUPTED_CODE: i32 = 130;

/// SIGTERM and SIGINT.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on the two signals no longer end the process by themselves.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// The name of the next one.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// The first signal ends training after the batch in hand, a second one at once.
pub fn listen_for_signals(stop: Arc<AtomicBool>) -> anyhow::Result<()> {
    in_a_thread(async move |mut signals| {
        let name = signals.next().await;
        tracing::info!("{name}: ending after this batch; once more ends at once");
        stop.store(true, Ordering::Relaxed);
        signals.next().await;
    })
}

/// The first signal ends the process: for commands that write nothing, of which nothing is to be finished.
pub fn end_at_a_signal() -> anyhow::Result<()> {
    end_at_a_signal_after(|| ())
}

/// The same once `clear` is over: for commands that would leave something half done behind.
pub fn end_at_a_signal_after(clear: impl FnOnce() + Send + 'static) -> anyhow::Result<()> {
    in_a_thread(async move |mut signals| {
        signals.next().await;
        clear();
    })
}

/// Ends the process once `heard` is over.
fn in_a_thread(heard: impl AsyncFnOnce(Signals) + Send + 'static) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let signals = {
        let _entered = runtime.enter();
        Signals::listen()?
    };
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            runtime.block_on(heard(signals));
            std::process::exit(INTERRUPTED_CODE);
        })?;
    Ok(())
}
