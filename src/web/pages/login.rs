//! `/login`: the token, for a browser.
//!
//! In: a token. Out: a cookie that only these pages send. Never: the token in an address, a cookie, or a log.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use maud::html;

use super::layout::{Section, page};
use crate::web::App;
use crate::web::api::SmallBody;
use crate::web::failure::{Failure, PageFailure};

/// A wrong token is answered late, so that trying many takes long.
const WRONG_PAUSE: Duration = Duration::from_millis(500);

/// `GET /login`
pub async fn form(State(app): State<Arc<App>>) -> Response {
    if !app.guard.demands_token() {
        return Redirect::to("/").into_response();
    }
    document(None).into_response()
}

/// `POST /login`
pub async fn sign_in(
    State(app): State<Arc<App>>,
    body: Result<SmallBody, Failure>,
) -> Result<Response, PageFailure> {
    let SmallBody(body) = body?;
    let mut fields = form_urlencoded::parse(&body);
    let token = fields.find(|(name, _)| name == "token").map(|(_, token)| token);
    let cookie = app
        .guard
        .cookie()
        .and_then(|cookie| HeaderValue::from_str(&cookie).ok());
    Ok(match (token, cookie) {
        (Some(token), Some(cookie)) if app.guard.is_token(&token) => {
            ([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response()
        }
        _ => {
            tokio::time::sleep(WRONG_PAUSE).await;
            (StatusCode::FORBIDDEN, document(Some("That is not the token."))).into_response()
        }
    })
}

fn document(trouble: Option<&str>) -> Html<String> {
    let body = html! {
        section.message {
            h1 { "Sign in" }
            form.sign-in method="post" action="/login" {
                label.field {
                    span { "Token" }
                    input type="password" name="token" required autofocus autocomplete="current-password";
                }
                @if let Some(trouble) = trouble { p.error role="alert" { (trouble) } }
                button.primary type="submit" { "Sign in" }
            }
            p.muted { "It stands in the file that web.token_file names." }
        }
    };
    page("Sign in", Section::Other, &body)
}
