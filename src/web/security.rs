//! Who may ask, and from where.
//!
//! In: a request's method and headers, the settings. Out: let through, or why not; the headers that every answer bears.
//! Never: a request that changes something let through from a page of another site; a name for this machine believed that
//! somebody else's name server made up.
//!
//! On loopback whoever can connect may ask: that is every program of this machine, and every page that a browser of this
//! machine shows. So the `Host` must be loopback's own name (or one of the settings'), which stops DNS rebinding, and what
//! changes something must come from these pages themselves, which `Origin` and `Sec-Fetch-Site` tell. Beyond loopback a
//! token is demanded, by a cookie that the browser sends from these pages and to whoever follows a link to one, or by
//! programs in `Authorization`; the name is not looked at then, since no other name's pages have either. Probes tell
//! nothing that a name could give away.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};

use super::failure::{Failure, is_for_people, refused};
use super::pages::login;
use super::server;
use crate::config::WebConfig;
use crate::domain::hex;

/// A shorter token could be guessed.
const MIN_TOKEN_CHARS: usize = 16;
/// What of the token goes into the cookie's name: cookies know no ports, and another hangtag of the machine has its own.
const NAME_CONTEXT: &str = "hangtag 2026-11 name of a browser's cookie";
/// What of the token goes into the cookie: not the token itself, and nothing that leads back to it.
const SESSION_CONTEXT: &str = "hangtag 2026-11 session of a browser";
/// A browser is signed in for so long, in seconds: thirty days.
const SESSION_SECONDS: u32 = 30 * 24 * 3_600;

/// Everything that decides whether a request is let through.
#[derive(Debug)]
pub struct Guard {
    /// `web.hosts`: an `Origin` may bear these as well as the name in `Host`, which a proxy may have put another one for.
    hosts: Vec<String>,
    /// What a `Host` may be, without port; `None`: anything, since a token is demanded.
    names: Option<Vec<String>>,
    token: Option<Token>,
}

/// What people and programs sign in with.
#[derive(Debug)]
struct Token {
    token: blake3::Hash,
    cookie_name: String,
    session: blake3::Hash,
}

/// The token cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Not read.
    #[error("could not read the token {path} (web.token_file): {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Easily guessed.
    #[error(
        "the token in {path} (web.token_file) has fewer than {least} characters; `openssl rand -hex 24` makes one", least = MIN_TOKEN_CHARS
    )]
    Short {
        /// The file.
        path: PathBuf,
    },
}

impl Guard {
    /// Reads the token where there is one.
    pub fn open_blocking(config: &WebConfig) -> Result<Guard, TokenError> {
        let token = config
            .token_file
            .as_deref()
            .map(Token::read_blocking)
            .transpose()?;
        Ok(Guard::new(config.listen.ip(), &config.hosts, token))
    }

    fn new(ip: IpAddr, hosts: &[String], token: Option<Token>) -> Guard {
        let names = ip.is_loopback().then(|| {
            let mut names = hosts.to_vec();
            names.extend(["localhost", "127.0.0.1", "[::1]"].map(String::from));
            names.push(match ip {
                IpAddr::V4(ip) => ip.to_string(),
                IpAddr::V6(ip) => format!("[{ip}]"),
            });
            names
        });
        let hosts = hosts.to_vec();
        Guard { hosts, names, token }
    }

    /// Whether a token is demanded at all.
    pub fn demands_token(&self) -> bool {
        self.token.is_some()
    }

    /// Whether this is the token.
    pub fn is_token(&self, given: &str) -> bool {
        self.token
            .as_ref()
            .is_some_and(|token| token.token == blake3::hash(given.trim().as_bytes()))
    }

    /// The cookie of a browser that has signed in by a request with these headers; `HttpOnly`. Other sites' pages send it with
    /// nothing but a link that is followed, which changes nothing: a link to a filter is there to be shared. Where a proxy
    /// before this has TLS, it is never sent without.
    pub fn cookie(&self, headers: &HeaderMap) -> Option<String> {
        let Token {
            cookie_name, session, ..
        } = self.token.as_ref()?;
        let session = hex(session.as_bytes());
        let has_tls = text(headers, &header::ORIGIN).is_some_and(|origin| origin.starts_with("https://"));
        let secure = if has_tls { "; Secure" } else { "" };
        Some(format!(
            "{cookie_name}={session}; Path=/; HttpOnly; SameSite=Lax; Max-Age={SESSION_SECONDS}{secure}"
        ))
    }

    /// The decision, without regard to what is asked for, but for the few addresses that need no token.
    pub fn judge(&self, method: &Method, path: &str, headers: &HeaderMap) -> Result<(), Failure> {
        let is_probe = matches!(path, "/livez" | "/readyz");
        if !is_probe {
            self.check_host(headers)?;
        }
        if !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
            self.check_origin(headers)?;
        }
        let is_open = is_probe || path == "/login" || path.starts_with("/assets/");
        if is_open || self.is_signed_in(headers) {
            Ok(())
        } else {
            Err(Failure::Unauthorised)
        }
    }

    fn check_host(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let Some(names) = &self.names else { return Ok(()) };
        let host = text(headers, &header::HOST).map(without_port).unwrap_or_default();
        if names.iter().any(|known| known.eq_ignore_ascii_case(host)) {
            return Ok(());
        }
        Err(Failure::Forbidden(
            "these pages do not go by that name; open them by http://localhost, or name the host in web.hosts".into(),
        ))
    }

    /// What changes something must come from these pages, or from a program, which sends none of these headers.
    fn check_origin(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let refused = || {
            Failure::Forbidden(
                "this may only be asked by hangtag's own pages, or by a program; behind a proxy that passes another Host on, their name must stand in web.hosts".into(),
            )
        };
        let origin = text(headers, &header::ORIGIN);
        if headers.contains_key(header::ORIGIN) {
            let of_origin = origin
                .and_then(|origin| origin.split_once("://"))
                .map(|(_, host)| host);
            if !of_origin.is_some_and(|origin| self.is_own(origin, headers)) {
                return Err(refused());
            }
        }
        match text(headers, &FETCH_SITE) {
            // No browser that sends cookies for these pages leaves out both headers.
            None if origin.is_none() && headers.contains_key(header::COOKIE) => Err(refused()),
            None | Some("same-origin" | "none") => Ok(()),
            Some(_) => Err(refused()),
        }
    }

    /// Whether pages at this name and port are these: they have those of `Host`, or a name of the settings.
    fn is_own(&self, origin: &str, headers: &HeaderMap) -> bool {
        let host = text(headers, &header::HOST).unwrap_or_default();
        let name = without_port(origin);
        (!host.is_empty() && origin.eq_ignore_ascii_case(host))
            || self.hosts.iter().any(|known| known.eq_ignore_ascii_case(name))
    }

    /// Whether somebody has shown the token, where one is demanded.
    pub fn is_signed_in(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else { return true };
        let bearer = text(headers, &header::AUTHORIZATION).and_then(|value| {
            let (scheme, rest) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(rest)
        });
        if bearer.is_some_and(|given| self.is_token(given)) {
            return true;
        }
        let cookies = headers.get_all(header::COOKIE).iter();
        let mut cookies = cookies
            .filter_map(|value| value.to_str().ok())
            .flat_map(|all| all.split(';'));
        cookies.any(|cookie| {
            let session = cookie.trim().split_once('=');
            let session = session.filter(|(name, _)| *name == token.cookie_name);
            // The comparison of hashes takes the same time wherever they differ.
            session.and_then(|(_, value)| blake3::Hash::from_hex(value).ok()) == Some(token.session)
        })
    }
}

impl Token {
    fn read_blocking(path: &Path) -> Result<Token, TokenError> {
        let text = std::fs::read_to_string(path).map_err(|source| TokenError::Read {
            path: path.to_owned(),
            source,
        })?;
        Token::new(text.trim()).ok_or_else(|| TokenError::Short {
            path: path.to_owned(),
        })
    }

    fn new(text: &str) -> Option<Token> {
        let name = blake3::derive_key(NAME_CONTEXT, text.as_bytes());
        (text.chars().count() >= MIN_TOKEN_CHARS).then(|| Token {
            token: blake3::hash(text.as_bytes()),
            cookie_name: format!("hangtag-{}", hex(&name[..4])),
            session: blake3::Hash::from_bytes(blake3::derive_key(SESSION_CONTEXT, text.as_bytes())),
        })
    }
}

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// `localhost:8420` and `[::1]:8420` without their ports. Which port it is says nothing about who made up the name, and
/// may be another one behind a tunnel.
fn without_port(host: &str) -> &str {
    match host.rfind(':') {
        Some(at) if !host.ends_with(']') => &host[..at],
        _ => host,
    }
}

/// Nothing from elsewhere, nothing inline, no frames, no guessing of types, no address told to others.
const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
];

/// Judges each request.
pub async fn guard(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    match guard.judge(request.method(), path, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(Failure::Unauthorised) if is_for_people(path) && request.method() == Method::GET => {
            Redirect::to(&login::href(request.uri())).into_response()
        }
        Err(failure) => {
            let answer = refused(path, failure);
            server::read_away(request).await;
            answer
        }
    }
}

/// Gives each answer the headers that it must bear.
pub async fn dress(request: Request, next: Next) -> Response {
    let is_for_token = request.uri().path() == "/login";
    let mut response = next.run(request).await;
    let is_page = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Nothing is kept by browser or proxy unless its handler has said so, but pages: a browser keeps one as it stands for
    // whoever goes back to it, and asks anew for whoever follows a link. Not where a token is typed in.
    let kept = if is_page && !is_for_token {
        "private, no-cache"
    } else {
        "no-store"
    };
    let said = headers.entry(header::CACHE_CONTROL);
    said.or_insert(HeaderValue::from_static(kept));
    response
}

#[cfg(test)]
mod tests;
