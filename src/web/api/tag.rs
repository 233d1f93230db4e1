//! `/api/v1/tag`: an uploaded picture is answered, and forgotten.
//!
//! In: the bytes of a picture, no more than a file of an inbox may have. Out: its tags. Never: a row, or a file.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};

use crate::domain::Thresholds;
use crate::web::App;
use crate::web::ask::Answer;
use crate::web::failure::Failure;

/// `POST /api/v1/tag`
pub async fn tag(State(app): State<Arc<App>>, request: Request) -> Result<Json<Answer>, Failure> {
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
