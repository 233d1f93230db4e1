//! `/login`: the token, for a browser.
//!
//! In: a token, and the address that was asked for without it. Out: a cookie for these pages, and the way to that address.
//! Never: the token in an address, a cookie, or a log; a way to another site.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use maud::html;

use super::layout::{Section, page};
use crate::web::App;
use crate::web::api::SmallBody;
use crate::web::failure::{Failure, PageFailure};

/// A wrong token is answered late, so that trying many takes long.
const WRONG_PAUSE: Duration = Duration::from_millis(500);
/// Where those go who have asked for nothing else.
const HOME: &str = "/";

/// Where whoever asks for `address` without the token signs in, to be led on there.
pub fn href(address: &Uri) -> String {
    match address.path_and_query().map_or(HOME, |address| address.as_str()) {
        HOME => "/login".into(),
        address => {
            let mut query = form_urlencoded::Serializer::new(String::new());
            format!("/login?{}", query.append_pair("to", address).finish())
        }
    }
}

/// `GET /login`, also with `to`
pub async fn form(State(app): State<Arc<App>>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let to = way_on(query.unwrap_or_default().as_bytes());
    if app.guard.is_signed_in(&headers) {
        return Redirect::to(&to).into_response();
    }
    document(&to, None).into_response()
}

/// `POST /login`
pub async fn sign_in(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Result<SmallBody, Failure>,
) -> Result<Response, PageFailure> {
    let SmallBody(body) = body?;
    let (token, to) = (field(&body, "token"), way_on(&body));
    let cookie = app
        .guard
        .cookie(&headers)
        .and_then(|cookie| HeaderValue::from_str(&cookie).ok());
    Ok(match (token, cookie) {
        (Some(token), Some(cookie)) if app.guard.is_token(&token) => {
            ([(header::SET_COOKIE, cookie)], Redirect::to(&to)).into_response()
        }
        _ => {
            tokio::time::sleep(WRONG_PAUSE).await;
            let document = document(&to, Some("That is not the token."));
            (StatusCode::FORBIDDEN, document).into_response()
        }
    })
}

fn field(form: &[u8], wanted: &str) -> Option<String> {
    let mut fields = form_urlencoded::parse(form);
    let found = fields.find(|(name, _)| name == wanted);
    found.map(|(_, value)| value.into_owned())
}

/// The address that `to` names, if it is one of these pages: whoever sends a link to be signed in by must not say where
/// that ends.
fn way_on(form: &[u8]) -> String {
    let to = field(form, "to").filter(|to| is_own(to));
    to.unwrap_or_else(|| HOME.to_owned())
}

/// Whether an address leads to these pages. Browsers read two slashes as the name of another site, a backslash as a slash,
/// and leave out tabs and ends of lines wherever they stand.
fn is_own(address: &str) -> bool {
    let rest = address.strip_prefix('/');
    rest.is_some_and(|rest| {
        !rest.starts_with(['/', '\\']) && rest.bytes().all(|byte| byte.is_ascii_graphic())
    })
}

fn document(to: &str, trouble: Option<&str>) -> Html<String> {
    let body = html! {
        section.message {
            h1 { "Sign in" }
            form.sign-in method="post" action="/login" {
                @if to != HOME { input type="hidden" name="to" value=(to); }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever signed in landed on the first page, the filter or photo that they had asked for gone.
    #[test]
    fn what_was_asked_for_without_the_token_comes_after_it() {
        for (asked, login) in [
            ("/", "/login"),
            ("/status", "/login?to=%2Fstatus"),
            (
                "/?label=T-shirt%2Ftop&path=a%26to%3D",
                "/login?to=%2F%3Flabel%3DT-shirt%252Ftop%26path%3Da%2526to%253D",
            ),
        ] {
            let href = href(&asked.parse().unwrap());
            assert_eq!(href, login);
            let query = href.split_once('?').map_or("", |(_, query)| query);
            assert_eq!(way_on(query.as_bytes()), asked);
        }
    }

    #[test]
    fn no_other_site_is_led_to() {
        for to in [
            "",
            "status",
            "https://evil.example/",
            "//evil.example/",
            "/\\evil.example/",
            "\\\\evil.example/",
            "/\t/evil.example/",
            "/\n/evil.example/",
            " //evil.example/",
            "/\u{a0}/evil.example/",
            "/status\r\nset-cookie: a=b",
        ] {
            let mut form = form_urlencoded::Serializer::new(String::new());
            let form = form.append_pair("to", to).finish();
            assert_eq!(way_on(form.as_bytes()), HOME, "{to:?}");
        }
    }

    #[test]
    fn the_form_hands_the_address_on() {
        let Html(page) = document("/?label=\"Bag\"&sort=path", Some("That is not the token."));
        let hidden = r#"<input type="hidden" name="to" value="/?label=&quot;Bag&quot;&amp;sort=path">"#;
        assert!(page.contains(hidden), "{page}");
    }
}
