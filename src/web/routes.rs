//! Which address is what, and what each request goes through.
//!
//! In: what handlers share. Out: the router. Never: a GET that changes something.

use std::sync::Arc;

use axum::Router;
use axum::http::Uri;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::failure::{Failure, PageFailure};
use super::server::Permits;
use super::{App, api, assets, events, metrics, pages, pictures, probes, security, server};

/// From the outside in: headers and judgement, then limits, then who answers. Pictures have limits of their own, so that
/// none of them costs a page; probes have none, so that they answer when nothing else does.
pub fn router(app: Arc<App>) -> Router {
    let guard = Arc::clone(&app.guard);
    let probes = Router::new()
        .route("/livez", get(probes::livez))
        .route("/readyz", get(probes::readyz));
    let pictures = Router::new()
        .route("/picture/{hash}/{size}", get(pictures::picture))
        .layer(from_fn_with_state(Permits::of_pictures(), server::take_turns));
    let mut others = Router::new()
        .route("/", get(pages::inventory::inventory))
        .route("/photo/{hash}", get(pages::photo::photo))
        .route("/review", get(pages::review::review))
        .route("/models", get(pages::models::models))
        .route("/models/diff", get(pages::models::diff))
        .route("/status", get(pages::status::status))
        .route("/login", get(pages::login::form).post(pages::login::sign_in))
        .route("/assets/{name}", get(assets::asset))
        .route("/events", get(events::events))
        .route("/metrics", get(metrics::metrics))
        .route("/api/v1/openapi.json", get(api::openapi::openapi));
    for operation in api::OPERATIONS {
        others = others.route(operation.path, (operation.route)());
    }
    others
        .layer(from_fn_with_state(Permits::of_requests(), server::limit))
        .merge(pictures)
        .merge(probes)
        .fallback(nowhere)
        .method_not_allowed_fallback(not_so)
        .layer(from_fn_with_state(guard, security::guard))
        .layer(from_fn(security::dress))
        .with_state(app)
}

async fn nowhere(address: Uri) -> Response {
    refused(
        &address,
        Failure::NotFound("there is nothing at this address".into()),
    )
}

/// The router adds which methods are allowed.
async fn not_so(address: Uri) -> Response {
    refused(&address, Failure::MethodNotAllowed)
}

fn refused(address: &Uri, failure: Failure) -> Response {
    if address.path().starts_with("/api/") {
        failure.into_response()
    } else {
        PageFailure(failure).into_response()
    }
}
