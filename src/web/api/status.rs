//! `/api/v1/status`: what `hangtag status --format json` says, fresh; `/api/v1/drift`: what `hangtag stats --drift` does.
//!
//! In: the status board, the daily sums. Out: the same answers. Never: more than that.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::web::App;
use crate::web::failure::Failure;

/// `GET /api/v1/status`
pub async fn status(State(app): State<Arc<App>>) -> Json<Value> {
    let mut report = json!(app.report());
    // The command, which reads what a daemon has written, cannot know without a look at its lock.
    report["running"] = true.into();
    Json(report)
}

/// `GET /api/v1/drift`
pub async fn drift(State(app): State<Arc<App>>) -> Result<Json<Value>, Failure> {
    let hands = Arc::clone(&app.hands);
    let drift = app.readers.ask(move |reader| Ok((hands.drift)(reader)?)).await?;
    Ok(Json(drift.answer))
}
