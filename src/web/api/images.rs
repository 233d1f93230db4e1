//! `/api/v1/images`, counts, corrections, another attempt.
//!
//! In: filters, hashes, what a person says. Out: rows. Never: a decision of its own.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{SmallBody, read_json, signature};
use crate::domain::{ContentHash, Label, Status, Truth};
use crate::store::Cursor;
use crate::web::App;
use crate::web::act::Corrected;
use crate::web::facets::{Counted, Patience};
use crate::web::failure::{Failure, InAddress, in_address};
use crate::web::filter::{Asked, Filter};

/// `GET /api/v1/images`
pub async fn list(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Result<Json<Value>, Failure> {
    let asked = Asked::parse_list(query.as_deref().unwrap_or_default()).map_err(Failure::BadRequest)?;
    let page = app.readers.ask(move |reader| {
        Ok(reader.page_of_files(&asked.filter.to_file_query(asked.limit), asked.cursor.as_ref())?)
    });
    let page = page.await?;
    let next = page.next.map(|cursor| cursor.to_string());
    Ok(Json(json!({ "images": page.files, "next": next })))
}

/// `GET /api/v1/counts`
pub async fn counts(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Result<Json<Value>, Failure> {
    let asked = Asked::parse(query.as_deref().unwrap_or_default()).map_err(Failure::BadRequest)?;
    let (facets, generation) = (Arc::clone(&app.facets), app.events.generation());
    let counted = app.readers.ask(move |reader| {
        Ok(facets.counts_blocking(reader, &asked.filter, (generation, Patience::Whole))?)
    });
    let counted = counted
        .await?
        .ok_or_else(|| Failure::Internal("nothing was counted".into()))?;
    Ok(Json(counts_json(&counted)))
}

fn counts_json(Counted { counts, is_fresh }: &Counted) -> Value {
    let labels: serde_json::Map<String, Value> = Label::all()
        .map(|label| (label.name().to_owned(), counts.by_label[label.index()].into()))
        .collect();
    let statuses: serde_json::Map<String, Value> = Status::ALL
        .iter()
        .zip(counts.by_status)
        .map(|(status, count)| (status.name().to_owned(), count.into()))
        .collect();
    json!({ "total": counts.total, "labels": labels, "statuses": statuses, "current": is_fresh })
}

async fn content(app: &App, hash: InAddress<String>) -> Result<crate::store::ContentHistory, Failure> {
    let hash: ContentHash = in_address(hash)?.parse()?;
    let found = app
        .readers
        .ask(move |reader| Ok(reader.history_of_content(&hash)?))
        .await?;
    found.ok_or_else(|| Failure::NotFound("no photo with that content is on record".into()))
}

/// `GET /api/v1/images/{hash}`
pub async fn one(State(app): State<Arc<App>>, hash: InAddress<String>) -> Result<Json<Value>, Failure> {
    Ok(Json(json!(content(&app, hash).await?)))
}

/// `GET /api/v1/images/{hash}/tags`
pub async fn tags(State(app): State<Arc<App>>, hash: InAddress<String>) -> Result<Json<Value>, Failure> {
    Ok(Json(json!({ "tags": content(&app, hash).await?.outcomes })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewCorrection {
    label: Shown,
    /// Nothing is changed unless this word stands.
    instead_of: Option<Shown>,
    by: Option<String>,
}

/// A label by name, or `unknown`.
#[derive(Debug)]
struct Shown(Truth);

impl<'de> Deserialize<'de> for Shown {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Shown).map_err(serde::de::Error::custom)
    }
}

/// `PUT /api/v1/images/{hash}/correction`
pub async fn correct(
    State(app): State<Arc<App>>,
    hash: InAddress<String>,
    SmallBody(body): SmallBody,
) -> Result<Json<Value>, Failure> {
    let hash: ContentHash = in_address(hash)?.parse()?;
    let NewCorrection {
        label,
        instead_of,
        by,
    } = read_json(&body)?;
    let (by, instead_of) = (signature(by.as_deref()), instead_of.map(|word| word.0));
    let Corrected {
        before,
        can_be_learned,
    } = app
        .change(move |desk| desk.correct_blocking(hash, label.0, instead_of, by))
        .await?;
    let changed = before != Some(label.0);
    Ok(Json(
        json!({ "changed": changed, "before": before, "can_be_learned": can_be_learned }),
    ))
}

/// `DELETE /api/v1/images/{hash}/correction`
pub async fn undo(
    State(app): State<Arc<App>>,
    hash: InAddress<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Failure> {
    let hash: ContentHash = in_address(hash)?.parse()?;
    let instead_of = instead_of(query.as_deref().unwrap_or_default())?;
    let changed = app.change(move |desk| desk.undo_blocking(hash, instead_of, &signature(None)));
    Ok(Json(json!({ "changed": changed.await? })))
}

/// The word that is to be taken back, where the address names one.
fn instead_of(query: &str) -> Result<Option<Truth>, Failure> {
    let mut word = None;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if name != "instead_of" {
            return Err(Failure::BadRequest(format!(
                "{name:?} is not a parameter here; there is instead_of"
            )));
        }
        word = Some(value.parse()?);
    }
    Ok(word)
}

/// `GET /api/v1/corrections`
pub async fn corrections(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Failure> {
    const PAGE: u32 = 100;
    let asked = Asked::parse(query.as_deref().unwrap_or_default()).map_err(Failure::BadRequest)?;
    if asked.filter != Filter::default() {
        return Err(Failure::BadRequest(
            "corrections are not filtered; only cursor and limit are taken".into(),
        ));
    }
    let is_of_others = |cursor: &Cursor| !cursor.is_of_corrections();
    if asked.cursor.as_ref().is_some_and(is_of_others) {
        return Err(Failure::BadRequest(
            "cursor: it comes from another list than that of the corrections".into(),
        ));
    }
    let limit = asked.limit.unwrap_or(PAGE);
    let page = app
        .readers
        .ask(move |reader| Ok(reader.page_of_corrections(asked.cursor.as_ref(), limit)?))
        .await?;
    let next = page.next.map(|cursor| cursor.to_string());
    Ok(Json(json!({ "corrections": page.corrections, "next": next })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Retry {
    files: Vec<i64>,
}

/// Files that one request may name.
const MAX_RETRIES: usize = 1_000;

/// `POST /api/v1/retries`
pub async fn try_again(
    State(app): State<Arc<App>>,
    SmallBody(body): SmallBody,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let Retry { files } = read_json(&body)?;
    if files.len() > MAX_RETRIES {
        return Err(Failure::BadRequest(format!(
            "at most {MAX_RETRIES} files at once"
        )));
    }
    let count = app.change(move |desk| desk.try_again_blocking(&files)).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "count": count }))))
}
