//! `hangtag run`.
//!
//! In: the settings. Out: a service that ends on SIGTERM or SIGINT; a second signal ends it at once. Never: data
//! on standard output.

use std::sync::Arc;

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Ended;
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
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let ended = runtime.block_on(async {
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
        Ok::<_, anyhow::Error>(daemon::run(Arc::new(config), shutdown).await?)
    });
    // A folder on a dead network may hold a blocking thread; the process ends all the same.
    runtime.shutdown_background();
    ended.map(|()| Ended::Well)
}

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
