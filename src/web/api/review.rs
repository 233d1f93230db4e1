//! `/api/v1/review`: what is most worth correcting.
//!
//! In: a place in the queue. Out: contents, least sure first. Never: one that a person has spoken about.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use serde_json::{Value, json};

use crate::domain::Status;
use crate::store::{FileRowWithId, Reader, StoreError};
use crate::web::App;
use crate::web::facets::{Facets, Patience};
use crate::web::failure::Failure;
use crate::web::filter::{Asked, Filter, Order};

/// Photos that are handed out at once: a minute's work.
const PAGE: u32 = 30;

/// What is in the queue: tags of a model that nobody has looked at, least sure first.
fn queue() -> Filter {
    Filter {
        statuses: vec![Status::Tagged],
        order: Order::LeastSure,
        ..Filter::default()
    }
}

/// `GET /api/v1/review`
pub async fn list(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Result<Json<Value>, Failure> {
    let asked = Asked::parse(query.as_deref().unwrap_or_default()).map_err(Failure::BadRequest)?;
    if asked.filter != Filter::default() {
        return Err(Failure::BadRequest(
            "the queue is not filtered; only cursor and limit are taken".into(),
        ));
    }
    let limit = Some(asked.limit.unwrap_or(PAGE));
    let page = app
        .readers
        .ask(move |reader| Ok(reader.page_of_files(&queue().to_file_query(limit), asked.cursor.as_ref())?));
    let page = page.await?;
    let next = page.next.map(|cursor| cursor.to_string());
    Ok(Json(
        json!({ "images": once_a_content(page.files), "next": next }),
    ))
}

/// A photo under several names is looked at once.
fn once_a_content(files: Vec<FileRowWithId>) -> Vec<FileRowWithId> {
    let mut seen = BTreeSet::new();
    let mut is_new = |row: &FileRowWithId| row.file.content_hash.is_some_and(|hash| seen.insert(hash));
    files.into_iter().filter(|row| is_new(row)).collect()
}

/// How many files are in the queue; `None` where counting would take long.
pub fn waiting_blocking(
    reader: &Reader,
    facets: &Facets,
    generation: u64,
) -> Result<Option<u64>, StoreError> {
    let counts = facets.counts_blocking(reader, &queue(), (generation, Patience::Page))?;
    Ok(counts.map(|counted| counted.counts.total))
}
