//! What programs see: `/api/v1/…`, JSON in and out.
//!
//! In: parameters, small JSON bodies, a picture. Out: rows of the store as `hangtag query --format json` writes them. Never:
//! an address that the document does not describe: [`OPERATIONS`] is the one list from which both router and document come.

pub mod images;
pub mod models;
pub mod openapi;
pub mod review;
pub mod status;
pub mod tag;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::routing::{MethodRouter, delete, get, post, put};
use serde::Deserialize;

use super::App;
use super::act::ANONYMOUS;
use super::failure::Failure;

/// One thing that can be asked.
pub struct Operation {
    /// `get`, `put`, `post` or `delete`.
    pub method: &'static str,
    /// With `{…}` for what varies.
    pub path: &'static str,
    /// Unique; for those who generate code.
    pub id: &'static str,
    /// In a sentence.
    pub summary: &'static str,
    /// Names among `PARAMETERS` of the document.
    pub parameters: &'static [&'static str],
    /// What comes in.
    pub body: Body,
    /// Code and schema of a good answer.
    pub answer: (u16, &'static str),
    /// Who answers.
    pub route: fn() -> MethodRouter<Arc<App>>,
}

/// What comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// Nothing.
    None,
    /// JSON by this schema.
    Json(&'static str),
    /// The bytes of a picture.
    Picture,
}

const FILTER: &[&str] = &super::filter::PARAMETERS;
/// Without order, place and length of the list.
const CONDITIONS: &[&str] = FILTER.split_at(FILTER.len() - 3).0;

/// Everything.
pub const OPERATIONS: &[Operation] = &[
    Operation {
        method: "get",
        path: "/api/v1/images",
        id: "listImages",
        summary: "Photos that match, page by page: one row a file, with its current answer.",
        parameters: FILTER,
        body: Body::None,
        answer: (200, "ImagePage"),
        route: || get(images::list),
    },
    Operation {
        method: "get",
        path: "/api/v1/counts",
        id: "countImages",
        summary: "How many photos match, and how many would with one more label or status.",
        parameters: CONDITIONS,
        body: Body::None,
        answer: (200, "Counts"),
        route: || get(images::counts),
    },
    Operation {
        method: "get",
        path: "/api/v1/images/{hash}",
        id: "getImage",
        summary: "Everything about a content: its files, what each model said, what a person said.",
        parameters: &["hash"],
        body: Body::None,
        answer: (200, "Image"),
        route: || get(images::one),
    },
    Operation {
        method: "get",
        path: "/api/v1/images/{hash}/tags",
        id: "listTags",
        summary: "What each model said of a content, oldest first.",
        parameters: &["hash"],
        body: Body::None,
        answer: (200, "Tags"),
        route: || get(images::tags),
    },
    Operation {
        method: "put",
        path: "/api/v1/images/{hash}/correction",
        id: "correctImage",
        summary: "Says what a content shows: a label, or \"unknown\" for none of the ten. It counts at once, for every file that holds it; 409 where the word that it is to replace does not stand.",
        parameters: &["hash"],
        body: Body::Json("NewCorrection"),
        answer: (200, "Corrected"),
        route: || put(images::correct),
    },
    Operation {
        method: "delete",
        path: "/api/v1/images/{hash}/correction",
        id: "undoCorrection",
        summary: "Takes a correction back: the model's answer counts again; 409 where another word stands than the one that is meant.",
        parameters: &["hash", "instead_of"],
        body: Body::None,
        answer: (200, "Changed"),
        route: || delete(images::undo),
    },
    Operation {
        method: "get",
        path: "/api/v1/corrections",
        id: "listCorrections",
        summary: "The corrections that stand, oldest first, page by page.",
        parameters: &["cursor", "limit"],
        body: Body::None,
        answer: (200, "Corrections"),
        route: || get(images::corrections),
    },
    Operation {
        method: "get",
        path: "/api/v1/review",
        id: "listReview",
        summary: "What is most worth correcting now, with the reason, one row a content.",
        parameters: &["review_limit"],
        body: Body::None,
        answer: (200, "ReviewPage"),
        route: || get(review::list),
    },
    Operation {
        method: "post",
        path: "/api/v1/retries",
        id: "tryAgain",
        summary: "Forgets that files were rejected and looks at them again.",
        parameters: &[],
        body: Body::Json("Retry"),
        answer: (202, "Count"),
        route: || post(images::try_again),
    },
    Operation {
        method: "post",
        path: "/api/v1/tag",
        id: "tagPicture",
        summary: "What the model in service says of an uploaded picture; nothing is stored.",
        parameters: &[],
        body: Body::Picture,
        answer: (200, "Answer"),
        route: || post(tag::tag),
    },
    Operation {
        method: "get",
        path: "/api/v1/models",
        id: "listModels",
        summary: "All models on record, newest first.",
        parameters: &[],
        body: Body::None,
        answer: (200, "Models"),
        route: || get(models::list),
    },
    Operation {
        method: "get",
        path: "/api/v1/models/diff",
        id: "diffModels",
        summary: "How many photos two models give which labels, from what both said.",
        parameters: &["from", "to"],
        body: Body::None,
        answer: (200, "Diff"),
        route: || get(models::diff),
    },
    Operation {
        method: "get",
        path: "/api/v1/models/{model}",
        id: "getModel",
        summary: "One model, by its id of 16 digits.",
        parameters: &["model_id"],
        body: Body::None,
        answer: (200, "Model"),
        route: || get(models::one),
    },
    Operation {
        method: "post",
        path: "/api/v1/models/{model}/promote",
        id: "promoteModel",
        summary: "Puts a model in service, once it has answered; the daemon swaps within a second.",
        parameters: &["model_id"],
        body: Body::Json("NewDecision"),
        answer: (200, "InService"),
        route: || post(models::promote),
    },
    Operation {
        method: "post",
        path: "/api/v1/models/rollback",
        id: "rollBack",
        summary: "Puts the former model back in service, with the tags it gave.",
        parameters: &[],
        body: Body::Json("NewDecision"),
        answer: (200, "InService"),
        route: || post(models::roll_back),
    },
    Operation {
        method: "get",
        path: "/api/v1/runs",
        id: "listRuns",
        summary: "The latest training runs with their epochs, newest first.",
        parameters: &["runs_limit"],
        body: Body::None,
        answer: (200, "Runs"),
        route: || get(models::runs),
    },
    Operation {
        method: "post",
        path: "/api/v1/runs",
        id: "rebuild",
        summary: "Asks for a rebuild now.",
        parameters: &[],
        body: Body::Json("Signed"),
        answer: (202, "Request"),
        route: || post(models::rebuild),
    },
    Operation {
        method: "get",
        path: "/api/v1/runs/{run}",
        id: "getRun",
        summary: "One training run with its epochs.",
        parameters: &["run"],
        body: Body::None,
        answer: (200, "Run"),
        route: || get(models::run),
    },
    Operation {
        method: "get",
        path: "/api/v1/status",
        id: "getStatus",
        summary: "How the service is: stations, queues, folders, device, problems.",
        parameters: &[],
        body: Body::None,
        answer: (200, "Status"),
        route: || get(status::status),
    },
    Operation {
        method: "get",
        path: "/api/v1/drift",
        id: "getDrift",
        summary: "Whether the photos have changed since the model went into service: its first seven days beside the last seven.",
        parameters: &[],
        body: Body::None,
        answer: (200, "Drift"),
        route: || get(status::drift),
    },
];

/// A name is kept with each change; a long one is cut.
const MAX_NAME_CHARS: usize = 100;

/// Who says so, where somebody does.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Signed {
    /// A person's name.
    pub by: Option<String>,
}

/// A name as it is kept: in one line, not too long.
pub fn signature(by: Option<&str>) -> String {
    let name: String = in_one_line(by.unwrap_or_default())
        .chars()
        .take(MAX_NAME_CHARS)
        .collect();
    match name.trim_end() {
        "" => ANONYMOUS.to_owned(),
        name => name.to_owned(),
    }
}

/// Text without what would break its line, and without blanks around it.
fn in_one_line(text: &str) -> String {
    let line: String = text.chars().filter(|c| !c.is_control()).collect();
    line.trim().to_owned()
}

/// A body of at most this many bytes is read: JSON that comes in is small.
const MAX_BODY_BYTES: usize = 64 << 10;

/// A small body, whole.
pub struct SmallBody(pub Bytes);

impl<S: Sync> FromRequest<S> for SmallBody {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        let bytes = axum::body::to_bytes(request.into_body(), MAX_BODY_BYTES).await;
        bytes.map(SmallBody).map_err(|_| {
            Failure::TooLarge(format!(
                "the body did not come in whole; at most {MAX_BODY_BYTES} bytes are taken"
            ))
        })
    }
}

/// Reads a body of JSON; none at all counts as an empty object.
pub fn read_json<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, Failure> {
    let body = if body.is_empty() { b"{}".as_slice() } else { body };
    serde_json::from_slice(body)
        .map_err(|error| Failure::BadRequest(format!("the body is not what it should be: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_in_one_short_line() {
        assert_eq!(signature(None), "web");
        assert_eq!(signature(Some("  ")), "web");
        assert_eq!(signature(Some(" An\nna ")), "Anna");
        assert_eq!(signature(Some(&"x".repeat(500))).len(), MAX_NAME_CHARS);
    }
}
