//! `/api/v1/tag`: an uploaded picture is answered, and forgotten.
//!
//! In: the bytes of a picture, no more than a file of an inbox may have. Out: its tags. Never: more than two uploads in
//! memory at once.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use tokio::sync::Semaphore;

use crate::domain::Thresholds;
use crate::web::App;
use crate::web::ask::Answer;
use crate::web::failure::Failure;

/// Each may be as large as `limits.max_file_bytes`.
static UPLOADS: Semaphore = Semaphore::const_new(2);

/// `POST /api/v1/tag`
pub async fn tag(State(app): State<Arc<App>>, request: Request) -> Result<Json<Answer>, Failure> {
    let _permit = UPLOADS.try_acquire().map_err(|_| Failure::Busy)?;
    let most = app.config.limits.max_file_bytes;
    let bytes = axum::body::to_bytes(request.into_body(), usize::try_from(most).unwrap_or(usize::MAX)).await;
    let bytes = bytes.map_err(|error| {
        Failure::TooLarge(format!("the picture did not come in whole: {error}; at most {most} bytes are taken (limits.max_file_bytes)"))
    })?;
    let model = app.identity.borrow().model.clone();
    let asked = model.clone();
    let thresholds = app.readers.ask(move |reader| Ok(reader.thresholds_of(&asked)?));
    let thresholds = thresholds.await?.map(|row| row.thresholds);
    let thresholds = thresholds.unwrap_or_else(Thresholds::unfounded);
    let answer = app
        .asker
        .ask(move |asker| asker.ask_blocking(&bytes, &model, &thresholds));
    Ok(Json(answer.await?))
}
