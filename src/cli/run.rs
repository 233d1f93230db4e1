//! `hangtag run`.
//!
//! In: the settings. Out: a service that ends on SIGTERM or SIGINT; a second signal ends it at once. Never: data
//! on standard output.

use std::sync::Arc;

use clap::Args;
use tokio::runtime::Runtime;

use super::Ended;
use super::signals::Signals;
use crate::config::Config;
use crate::daemon;

/// Watch the inbox and tag what lands in it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hangtag run                                   ./inventory is watched, ./hangtag-data holds the store
  hangtag run --config /etc/hangtag.toml
  hangtag run --inbox /srv/photos --set inference.device=cuda

SIGTERM or SIGINT: what is under way is finished (shutdown.grace); a second one ends at once.")]
pub struct RunArguments {}

/// Runs until a signal.
pub fn run(_arguments: &RunArguments, config: Config) -> anyhow::Result<Ended> {
    let runtime = LeftRuntime::with_workers(2)?;
    runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let (first_tx, first_rx) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            let name = signals.next().await;
            tracing::info!("{name}: finishing what is under way; once more ends at once");
            // The daemon may have ended by itself meanwhile.
            let _ = first_tx.send(());
            let name = signals.next().await;
            tracing::warn!("{name} again: ending at once");
            std::process::exit(130);
        });
        let shutdown = async {
            let _ = first_rx.await;
        };
        daemon::run(Arc::new(config), shutdown).await?;
        Ok(Ended::Well)
    })
}

/// A runtime whose threads nobody waits for, however the command ends, be it by a panic: a folder on a dead network, or
/// a station that waits for a word that nobody is left to give, may hold one of them for ever.
pub struct LeftRuntime(Option<Runtime>);

impl LeftRuntime {
    /// With so many threads for what does not block.
    pub fn with_workers(workers: usize) -> std::io::Result<Self> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        Ok(Self(Some(builder.worker_threads(workers).enable_all().build()?)))
    }

    /// Runs to the end of `command`, not of what it has started.
    pub fn block_on<T>(&self, command: impl Future<Output = T>) -> T {
        let runtime = self.0.as_ref();
        runtime
            .expect("the runtime is taken only by the drop; this is a bug")
            .block_on(command)
    }
}

impl Drop for LeftRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A panic waited for the thread that waits for the schedule: alive, deaf, and nothing was tagged.
    #[test]
    fn a_panic_does_not_wait_for_threads_that_never_end() {
        let (stay_tx, stay_rx) = std::sync::mpsc::channel::<()>();
        let panicking = std::thread::spawn(move || {
            let runtime = LeftRuntime::with_workers(1).unwrap();
            runtime.block_on(async {
                tokio::task::spawn_blocking(move || stay_rx.recv());
                panic!("as a station would");
            });
        });
        assert!(panicking.join().is_err(), "it ends, although the thread does not");
        drop(stay_tx);
    }
}
