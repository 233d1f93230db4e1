//! `/api/v1/review`: what is most worth correcting.
//!
//! In: for how many photos there is time. Out: contents, the most useful first, each with its reason. Never: one that a
//! person has spoken about, or that is accepted; a place in the queue: each correction changes what is most useful next.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use serde::Serialize;
use serde_json::{Value, json};

use crate::domain::{Confidence, ContentHash, InventoryPath, Label, Status};
use crate::store::ReviewCandidate;
use crate::web::App;
use crate::web::failure::Failure;
use crate::web::filter::{Asked, Filter};

/// Photos that are handed out at once, unless more are asked for: a minute's work.
pub const PAGE: u32 = 30;
/// Files in the queue that are counted, each by a look at its row: some ten milliseconds.
pub const MOST_COUNTED: u32 = 10_000;

/// A photo in the queue.
#[derive(Debug, Serialize)]
struct Waiting {
    path: InventoryPath,
    content_hash: ContentHash,
    status: &'static str,
    /// The likeliest, also of one that counts as none of the ten.
    label: Label,
    confidence: Confidence,
    unknown: Option<Confidence>,
    /// Why it is worth a look.
    why: String,
}

impl Waiting {
    fn of((photo, why): (ReviewCandidate, String)) -> Waiting {
        let top = photo.prediction.top();
        Waiting {
            path: photo.path,
            content_hash: photo.hash,
            status: Status::from(photo.certainty).name(),
            label: top.label,
            confidence: top.confidence,
            unknown: top.unknown,
            why,
        }
    }
}

/// `GET /api/v1/review`
pub async fn list(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Result<Json<Value>, Failure> {
    let asked = Asked::parse(query.as_deref().unwrap_or_default()).map_err(Failure::BadRequest)?;
    if asked.filter != Filter::default() || asked.cursor.is_some() {
        return Err(Failure::BadRequest(
            "the queue is not filtered; only limit is taken".into(),
        ));
    }
    let limit = asked.limit.unwrap_or(PAGE) as usize;
    let (hands, model) = (Arc::clone(&app.hands), app.identity.borrow().model.clone());
    let found = app.readers.ask(move |reader| {
        let chosen = (hands.worth_a_look)(reader, &model, limit)?;
        Ok((chosen, reader.contents_for_review(MOST_COUNTED)?))
    });
    let (chosen, waiting) = found.await?;
    let images: Vec<Waiting> = chosen.into_iter().map(Waiting::of).collect();
    Ok(Json(json!({ "images": images, "waiting": waiting })))
}
