//! The frame around every page.
//!
//! In: a title, a body. Out: the whole document. Never: a page without a way to the others.

use axum::response::Html;
use maud::{DOCTYPE, Markup, html};

use crate::web::assets;

/// The pages that the head of each leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// All photos.
    Inventory,
    /// What to correct first.
    Review,
    /// Which model serves.
    Models,
    /// How it is.
    Status,
    /// None of them.
    Other,
}

const SECTIONS: [(Section, &str, &str); 4] = [
    (Section::Inventory, "/", "Inventory"),
    (Section::Review, "/review", "Review"),
    (Section::Models, "/models", "Models"),
    (Section::Status, "/status", "Status"),
];

/// The document.
pub fn page(title: &str, section: Section, body: &Markup) -> Html<String> {
    let name = SECTIONS.iter().find(|(known, ..)| *known == section);
    let name = name.map_or("other", |(_, _, name)| name).to_lowercase();
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · hangtag" }
                link rel="icon" type="image/svg+xml" href=(assets::href("icon.svg"));
                link rel="stylesheet" href=(assets::href("style.css"));
                script src=(assets::href("app.js")) defer {}
            }
            body data-page=(name) {
                a.skip href="#main" { "Skip to content" }
                header.top {
                    a.brand href="/" {
                        img src=(assets::href("icon.svg")) alt="" width="22" height="22";
                        span { "hangtag" }
                    }
                    nav aria-label="Pages" {
                        @for (known, href, name) in SECTIONS {
                            a href=(href) aria-current=[(known == section).then_some("page")] { (name) }
                        }
                    }
                    span.live #live role="status" title="Whether this page hears what is new" { span.hidden #live-text {} }
                }
                main #main tabindex="-1" {
                    p.notice.old #silent hidden {}
                    p.notice.old #signed-out hidden { "You are signed out; what stands here is older. " a href="/login" { "Sign in again" } }
                    (body)
                }
                div.toast #toast role="status" aria-live="polite" {}
            }
        }
    };
    Html(document.into_string())
}

/// A page that says what went wrong.
pub fn failure(code: u16, message: &str) -> Html<String> {
    let title = match code {
        404 => "Not found",
        503 => "Busy",
        400..500 => "That does not work",
        _ => "Something went wrong",
    };
    let body = html! {
        section.message {
            h1 { (title) }
            p { (message) }
            p { a href="/" { "To the inventory" } }
        }
    };
    page(title, Section::Other, &body)
}
