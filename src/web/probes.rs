//! Is it alive, and can it do its work?
//!
//! In: the status board, one question to the store. Out: a status code, and what is wrong. Never: a path or a name that
//! only those who may look should see: these two addresses need no token.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::App;
use crate::status::{FolderState, StatusReport};

/// For the store, which counts may keep busy for some seconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// `GET /livez`: it answers, so it lives.
pub async fn livez() -> &'static str {
    "ok\n"
}

#[derive(Debug, PartialEq, Serialize)]
struct Readiness {
    /// Photos that are dropped now will be tagged.
    ready: bool,
    /// They will, but something is wrong that a person should look at.
    degraded: bool,
    database: bool,
    model: String,
    /// Also those that are empty though files were there: a photo that comes is noticed at once.
    folders_watched: usize,
    folders_missing: usize,
    problems: usize,
}

/// `GET /readyz`: 200 where photos that are dropped now will be tagged, also where something is degraded; else 503.
pub async fn readyz(State(app): State<Arc<App>>) -> Response {
    let model = app.readers.ask(|reader| Ok(reader.model_in_service_id()?));
    let answered = tokio::time::timeout(PATIENCE, model).await;
    let readiness = judge(&app.report(), matches!(answered, Ok(Ok(_))));
    let code = if readiness.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (code, Json(readiness)).into_response()
}

fn judge(report: &StatusReport, database: bool) -> Readiness {
    let is_missing = |state: &FolderState| matches!(state, FolderState::Missing(_));
    let folders_missing = report
        .folders
        .iter()
        .filter(|folder| is_missing(&folder.state))
        .count();
    let folders_watched = report.folders.len() - folders_missing;
    Readiness {
        ready: report.ready && database && folders_watched > 0,
        degraded: !report.healthy || !database,
        database,
        model: report.identity.model.to_string(),
        folders_watched,
        folders_missing,
        problems: report.problems.len(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::domain::{Device, DevicePolicy, ModelId, Timestamp};
    use crate::status::{DeviceStatus, Identity, StatusBoard};

    #[test]
    fn ready_with_a_database_and_a_folder_and_degraded_with_a_problem() {
        let identity = Identity {
            version: "0",
            pid: 1,
            started_at: Timestamp::from_millis(0),
            model: ModelId::from_sha256(&"a".repeat(64)).unwrap(),
            device: DeviceStatus {
                asked: DevicePolicy::Cpu,
                used: Device::Cpu,
                why: None,
            },
            onnxruntime: "1".into(),
            store: "/s".into(),
        };
        let board = StatusBoard::default();
        let judged = |board: &StatusBoard, database| {
            let readiness = judge(&board.report(&identity, Vec::new()), database);
            (readiness.ready, readiness.degraded)
        };
        assert_eq!(judged(&board, true), (false, false), "nothing is watched yet");
        board.folder(Path::new("/a"), FolderState::Watched);
        board.ready();
        assert_eq!(judged(&board, true), (true, false));
        assert_eq!(judged(&board, false), (false, true));
        board.folder(Path::new("/b"), FolderState::Missing("gone".into()));
        assert_eq!(judged(&board, true), (true, true), "the other folder is watched");
        board.folder(Path::new("/a"), FolderState::Missing("gone".into()));
        assert_eq!(judged(&board, true), (false, true));
        // Emptied while no service ran: 503 until a photo came, which nobody may send to a service that is not ready.
        board.folder(Path::new("/a"), FolderState::Bare("is empty".into()));
        assert_eq!(judged(&board, true), (true, true), "photos that come are tagged");
    }
}
