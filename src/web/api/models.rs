//! `/api/v1/models` and `/api/v1/runs`.
//!
//! In: ids, decisions. Out: the registry, runs, requests. Never: a decision of its own.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Signed, SmallBody, in_one_line, read_json, signature};
use crate::domain::ModelId;
use crate::store::{Forced, RunId, Wish};
use crate::web::App;
use crate::web::failure::{Failure, InAddress, in_address};
use crate::web::filter::{Asked, Filter};
use crate::web::pages::models::compared;

/// A reason is kept with each change of the model in service; a longer one is refused.
pub const MAX_REASON_CHARS: usize = 200;
/// Runs that are listed unless more are asked for.
pub const LATEST_RUNS: u32 = 20;

/// `GET /api/v1/models`
pub async fn list(State(app): State<Arc<App>>) -> Result<Json<Value>, Failure> {
    let mut models = app.readers.ask(|reader| Ok(reader.models()?)).await?;
    models.reverse();
    Ok(Json(json!({ "models": models })))
}

/// `GET /api/v1/models/{model}`
pub async fn one(State(app): State<Arc<App>>, model: InAddress<String>) -> Result<Json<Value>, Failure> {
    let id = whole_id(&in_address(model)?)?;
    let asked = id.clone();
    let found = app.readers.ask(move |reader| Ok(reader.model(&asked)?)).await?;
    let found = found.ok_or_else(|| Failure::NotFound(format!("no model {id} is on record")))?;
    Ok(Json(json!(found)))
}

fn whole_id(text: &str) -> Result<ModelId, Failure> {
    match ModelId::from_sha256(text) {
        Ok(id) if text.len() == 16 => Ok(id),
        _ => Err(Failure::BadRequest(
            "a model goes by its id of 16 hexadecimal digits".into(),
        )),
    }
}

/// `GET /api/v1/models/diff`
pub async fn diff(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Result<Json<Value>, Failure> {
    let ((from, to), changes) = compared(&app, query.as_deref().unwrap_or_default()).await?;
    Ok(Json(json!({ "from": from, "to": to, "changes": changes })))
}

/// A person's decision; all of it may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct DecisionBody {
    reason: Option<String>,
    force: bool,
    /// Nothing is changed unless this model is in service.
    instead_of: Option<ModelId>,
    by: Option<String>,
}

impl DecisionBody {
    fn of(self, model: Option<ModelId>) -> Result<Wish, Failure> {
        Ok(Wish {
            model,
            forced: if self.force { Forced::Yes } else { Forced::No },
            reason: whole_reason(self.reason.as_deref().unwrap_or_default())?,
            instead_of: self.instead_of,
            by: signature(self.by.as_deref()),
        })
    }
}

/// A reason as it is kept: in one line, and whole. `None` where there is none.
fn whole_reason(given: &str) -> Result<Option<String>, Failure> {
    let reason = in_one_line(given);
    match reason.chars().count() {
        0 => Ok(None),
        1..=MAX_REASON_CHARS => Ok(Some(reason)),
        count => Err(Failure::BadRequest(format!(
            "the reason has {count} characters; at most {MAX_REASON_CHARS} are recorded, so nothing was changed"
        ))),
    }
}

/// `POST /api/v1/models/{model}/promote`
pub async fn promote(
    State(app): State<Arc<App>>,
    model: InAddress<String>,
    SmallBody(body): SmallBody,
) -> Result<Json<Value>, Failure> {
    let wish = read_json::<DecisionBody>(&body)?.of(Some(whole_id(&in_address(model)?)?))?;
    put_in_service(&app, wish).await
}

/// `POST /api/v1/models/rollback`
pub async fn roll_back(
    State(app): State<Arc<App>>,
    SmallBody(body): SmallBody,
) -> Result<Json<Value>, Failure> {
    let wish = read_json::<DecisionBody>(&body)?.of(None)?;
    put_in_service(&app, wish).await
}

async fn put_in_service(app: &App, wish: Wish) -> Result<Json<Value>, Failure> {
    let model = app.change(move |desk| desk.put_in_service_blocking(wish)).await?;
    Ok(Json(json!({ "in_service": model })))
}

/// `GET /api/v1/runs`
pub async fn runs(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Result<Json<Value>, Failure> {
    let asked = Asked::parse(query.as_deref().unwrap_or_default()).map_err(Failure::BadRequest)?;
    if asked.filter != Filter::default() || asked.cursor.is_some() {
        return Err(Failure::BadRequest(
            "runs are not filtered; only limit is taken".into(),
        ));
    }
    let limit = asked.limit.unwrap_or(LATEST_RUNS);
    let runs = app.readers.ask(move |reader| Ok(reader.runs(limit)?)).await?;
    Ok(Json(json!({ "runs": runs })))
}

/// `GET /api/v1/runs/{run}`
pub async fn run(State(app): State<Arc<App>>, run: InAddress<String>) -> Result<Json<Value>, Failure> {
    let id = in_address(run)?
        .parse()
        .map_err(|_| Failure::BadRequest("a run goes by its number".into()))?;
    let found = app.readers.ask(move |reader| Ok(reader.run(RunId(id))?)).await?;
    let found = found.ok_or_else(|| Failure::NotFound(format!("no run {id} is on record")))?;
    Ok(Json(json!(found)))
}

/// `POST /api/v1/runs`
pub async fn rebuild(
    State(app): State<Arc<App>>,
    SmallBody(body): SmallBody,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let Signed { by } = read_json(&body)?;
    let by = signature(by.as_deref());
    let request = app.change(move |desk| desk.ask_for_rebuild_blocking(&by)).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "request": request }))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The second half of what the dialog takes was dropped without a word, of an empty one "web" was recorded.
    #[test]
    fn a_reason_is_kept_whole_or_refused() {
        let longest = "ü".repeat(MAX_REASON_CHARS);
        for (given, kept) in [
            ("", None),
            (" \n", None),
            (" too\n dark ", Some("too dark")),
            (&longest, Some(&longest)),
        ] {
            assert_eq!(whole_reason(given).unwrap().as_deref(), kept, "{given:?}");
        }
        let refused = whole_reason(&format!("{longest}!")).unwrap_err();
        assert!(refused.to_string().contains("201 characters"), "{refused}");
    }
}
