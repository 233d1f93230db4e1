//! The inboxes as a start finds them.
//!
//! In: the settings. Out: the inboxes by their real paths, made where they are absent. Never: two that are the same place; a
//! start that waits for one without a word.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::DaemonError;
use crate::config::Config;
use crate::tagging::inbox::Inboxes;
use crate::tagging::line::LineError;
use crate::tagging::notice::PATIENCE;

/// Makes the inboxes if they are absent; their real paths. One that was made, or is the bare mount point of a disk that is
/// not there yet, says nothing of the files that the store knows in it (see [`Inboxes::look_at_root_blocking`]).
///
/// Each is asked in a thread, which is left where nobody waits any more: a network file system may not answer.
pub(super) async fn open_inboxes(config: &Arc<Config>) -> Result<Inboxes, DaemonError> {
    let mut roots = Vec::new();
    for path in &config.inboxes {
        let asked = path.clone();
        let opening = in_a_thread(move || open_inbox_blocking(&asked));
        roots.push(or_say_that_it_is_waited_for(path, opening, PATIENCE).await?);
    }
    let config = Arc::clone(config);
    in_a_thread(move || distinct_blocking(&config, roots)).await
}

async fn in_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DaemonError> + Send + 'static,
) -> Result<T, DaemonError> {
    let worked = tokio::task::spawn_blocking(work).await;
    worked.map_err(|error| LineError::Panicked(error.to_string()))?
}

async fn or_say_that_it_is_waited_for<T>(
    inbox: &Path,
    opening: impl Future<Output = T>,
    patience: Duration,
) -> T {
    tokio::pin!(opening);
    match tokio::time::timeout(patience, &mut opening).await {
        Ok(opened) => opened,
        Err(_elapsed) => {
            let inbox = inbox.display();
            tracing::warn!(
                "inbox {inbox}: does not answer for {patience:?}; the start waits for it, and no photo is tagged meanwhile"
            );
            opening.await
        }
    }
}

fn open_inbox_blocking(path: &Path) -> Result<PathBuf, DaemonError> {
    let opened = std::fs::create_dir_all(path).and_then(|()| path.canonicalize());
    opened.map_err(|source| DaemonError::Inbox {
        path: path.to_owned(),
        source,
    })
}

/// The settings compared the paths as they are written; links may lead to one place by several.
fn distinct_blocking(config: &Config, roots: Vec<PathBuf>) -> Result<Inboxes, DaemonError> {
    let own = config
        .data_dir
        .canonicalize()
        .unwrap_or_else(|_| config.data_dir.clone());
    for (index, root) in roots.iter().enumerate() {
        let mut others = roots.iter().enumerate().filter(|(other, _)| *other != index);
        if let Some((_, outer)) = others.find(|(_, outer)| root.starts_with(outer)) {
            return Err(overlap(root, outer));
        }
        if own.starts_with(root) {
            return Err(overlap(&own, root));
        }
    }
    Ok(Inboxes::of(config, roots))
}

fn overlap(inner: &Path, outer: &Path) -> DaemonError {
    DaemonError::Overlap {
        inner: inner.to_owned(),
        outer: outer.to_owned(),
    }
}
