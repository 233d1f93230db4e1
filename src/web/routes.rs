//! Which address is what, and what each request goes through.
//!
//! In: what handlers share. Out: the router. Never: a GET that changes something.

use std::sync::Arc;

use axum::Router;
use axum::http::Uri;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;

use super::failure::{Failure, refused};
use super::server::Permits;
use super::{App, api, assets, events, metrics, pages, pictures, probes, security, server};

/// From the outside in: headers and judgement, then limits, then who answers. Pictures have limits of their own, where they
/// are drawn, and so have uploads, so that none of them costs a page; probes have none, so that they answer when nothing
/// else does. What is answered without the token takes none of the permits, so that whoever has no token takes nothing from
/// those who have one.
pub fn router(app: Arc<App>) -> Router {
    let guard = Arc::clone(&app.guard);
    let probes = Router::new()
        .route("/livez", get(probes::livez))
        .route("/readyz", get(probes::readyz));
    let pictures = Router::new()
        .route("/picture/{hash}/{size}", get(pictures::picture))
        .layer(from_fn(server::wait));
    let tokenless = Router::new()
        .route("/login", get(pages::login::form).post(pages::login::sign_in))
        .route("/assets/{name}", get(assets::asset))
        .layer(from_fn(server::hurry));
    let mut others = Router::new()
        .route("/", get(pages::inventory::inventory))
        .route("/photo/{hash}", get(pages::photo::photo))
        .route("/review", get(pages::review::review))
        .route("/models", get(pages::models::models))
        .route("/models/diff", get(pages::models::diff))
        .route("/status", get(pages::status::status))
        .route("/events", get(events::events))
        .route("/metrics", get(metrics::metrics))
        .route("/api/v1/openapi.json", get(api::openapi::openapi));
    let mut uploads = Router::new();
    for operation in api::OPERATIONS {
        let (path, route) = (operation.path, (operation.route)());
        match operation.body {
            api::Body::Picture => uploads = uploads.route(path, route),
            api::Body::None | api::Body::Json(_) => others = others.route(path, route),
        }
    }
    others
        .layer(from_fn_with_state(Permits::of_requests(), server::limit))
        .merge(uploads.layer(from_fn_with_state(Permits::of_uploads(), server::take_turns)))
        .merge(pictures)
        .merge(tokenless)
        .merge(probes)
        .fallback(nowhere)
        .method_not_allowed_fallback(not_so)
        .layer(from_fn_with_state(guard, security::guard))
        .layer(from_fn(security::dress))
        .with_state(app)
}

async fn nowhere(address: Uri) -> Response {
    let failure = Failure::NotFound("there is nothing at this address".into());
    refused(address.path(), failure)
}

/// The router adds which methods are allowed.
async fn not_so(address: Uri) -> Response {
    refused(address.path(), Failure::MethodNotAllowed)
}
