//! `/api/v1/status`: what `hangtag status --format json` says, fresh.
//!
//! In: the status board. Out: its report. Never: more than that.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use crate::status::StatusReport;
use crate::web::App;

/// `GET /api/v1/status`
pub async fn status(State(app): State<Arc<App>>) -> Json<StatusReport> {
    Json(app.report())
}
