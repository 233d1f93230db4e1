//! What can go wrong with a request, and how it is said.
//!
//! In: errors of the store, of what came in, of a pool that is full. Out: a status code and one sentence, as JSON for
//! programs and as a page for people. Never: a path of the machine or a secret that was not asked for; the framework's own
//! words in plain text.

use axum::Json;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::pages::layout;
use crate::domain::{ParseError, Severity};
use crate::store::StoreError;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// What came in makes no sense.
    #[error("{0}")]
    BadRequest(String),
    /// Nobody has signed in.
    #[error("a token is needed; sign in, or send it as `Authorization: Bearer …`")]
    Unauthorised,
    /// It may not be done so.
    #[error("{0}")]
    Forbidden(String),
    /// There is nothing by that name.
    #[error("{0}")]
    NotFound(String),
    /// Not with this method.
    #[error("this address does not answer that method; the header Allow names those that it answers")]
    MethodNotAllowed,
    /// Things stand otherwise by now.
    #[error("{0}")]
    Conflict(String),
    /// Too many bytes came in.
    #[error("{0}")]
    TooLarge(String),
    /// It came in, and is no picture that can be used.
    #[error("{0}")]
    Unprocessable(String),
    /// Too much is under way; worth another attempt.
    #[error("too much is under way here; try again in a moment")]
    Busy,
    /// It took too long.
    #[error("it took too long; try again in a moment")]
    TimedOut,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something that must not happen.
    #[error("{0}; hangtag's log may say more")]
    Internal(String),
}

impl Failure {
    /// As HTTP tells it.
    pub fn status(&self) -> StatusCode {
        match self {
            Failure::BadRequest(_) => StatusCode::BAD_REQUEST,
            Failure::Unauthorised => StatusCode::UNAUTHORIZED,
            Failure::Forbidden(_) => StatusCode::FORBIDDEN,
            Failure::NotFound(_) => StatusCode::NOT_FOUND,
            Failure::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Failure::Conflict(_) => StatusCode::CONFLICT,
            Failure::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Failure::Unprocessable(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Failure::Busy | Failure::TimedOut => StatusCode::SERVICE_UNAVAILABLE,
            Failure::Store(error) if error.severity() == Severity::Retry => StatusCode::SERVICE_UNAVAILABLE,
            Failure::Store(_) | Failure::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// A word for programs; stable.
    pub fn code(&self) -> &'static str {
        match self {
            Failure::BadRequest(_) => "bad_request",
            Failure::Unauthorised => "unauthorised",
            Failure::Forbidden(_) => "forbidden",
            Failure::NotFound(_) => "not_found",
            Failure::MethodNotAllowed => "method_not_allowed",
            Failure::Conflict(_) => "conflict",
            Failure::TooLarge(_) => "too_large",
            Failure::Unprocessable(_) => "unprocessable",
            Failure::Busy => "busy",
            Failure::TimedOut => "timed_out",
            Failure::Store(_) => "store",
            Failure::Internal(_) => "internal",
        }
    }

    /// What is told to whoever asked. The pipeline repeats what did not fit on the disk; nobody repeats what a person said.
    fn message(&self) -> String {
        match self {
            Failure::Store(StoreError::DiskFull { .. }) => {
                "the disk that holds hangtag's data is full: nothing of this was recorded; make room there and try again".into()
            }
            other => other.to_string(),
        }
    }

    fn say(&self) {
        if self.status().is_server_error() && !matches!(self, Failure::Busy | Failure::TimedOut) {
            tracing::error!("web: {self}");
        }
    }

    fn dressed(&self, body: Response) -> Response {
        let mut response = (self.status(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status() == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if matches!(self, Failure::Unauthorised) {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<ParseError> for Failure {
    fn from(error: ParseError) -> Self {
        Failure::BadRequest(error.to_string())
    }
}

/// What varies in an address, as it is taken from it.
pub type InAddress<T> = Result<Path<T>, PathRejection>;

/// What varies in an address, or what is wrong with it: bytes that are not UTF-8, say.
pub fn in_address<T>(taken: InAddress<T>) -> Result<T, Failure> {
    match taken {
        Ok(Path(value)) => Ok(value),
        Err(rejection) => Err(Failure::BadRequest(rejection.body_text())),
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        self.say();
        let error = json!({ "error": { "code": self.code(), "message": self.message() } });
        self.dressed(Json(error).into_response())
    }
}

/// Whether people look at what this address answers, and not programs.
pub fn is_for_people(path: &str) -> bool {
    !path.starts_with("/api/") && path != "/metrics" && path != "/events"
}

/// Why a request was not let through to who would have answered it: as a page or as JSON, by its address.
pub fn refused(path: &str, failure: Failure) -> Response {
    match is_for_people(path) {
        true => PageFailure(failure).into_response(),
        false => failure.into_response(),
    }
}

/// A failure that a person looks at.
#[derive(Debug)]
pub struct PageFailure(pub Failure);

impl<F: Into<Failure>> From<F> for PageFailure {
    fn from(failure: F) -> Self {
        PageFailure(failure.into())
    }
}

impl IntoResponse for PageFailure {
    fn into_response(self) -> Response {
        self.0.say();
        let page = layout::failure(self.0.status().as_u16(), &self.0.message());
        self.0.dressed(page.into_response())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It was said that hangtag repeats the write, which it does of tags alone.
    #[test]
    fn a_full_disk_promises_nothing_to_whoever_asked() {
        let full = Failure::from(StoreError::DiskFull {
            operation: "record corrections",
            path: "/srv/hangtag/tags.db".into(),
        });
        assert!(full.message().contains("nothing of this was recorded"));
        assert!(!full.message().contains("repeats"));
    }
}
