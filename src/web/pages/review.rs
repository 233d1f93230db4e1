//! `/review`: what is most worth correcting, one photo at a time.
//!
//! In: how long the queue is. Out: a page that the script fills from `/api/v1/review`, photo by photo, the next ones loaded
//! ahead. Never: the queue's order decided here.

use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::State;
use axum::response::Html;
use maud::html;

use super::layout::{Section, page};
use super::parts::{correction_buttons, grouped};
use crate::domain::Timestamp;
use crate::web::App;
use crate::web::api::review::MOST_COUNTED;
use crate::web::failure::PageFailure;

/// `GET /review`
pub async fn review(State(app): State<Arc<App>>) -> Result<Html<String>, PageFailure> {
    let waiting = app
        .readers
        .ask(|reader| Ok(reader.contents_for_review(MOST_COUNTED)?))
        .await?;
    // What is corrected from now on may be among the photos that the script has asked for by then.
    let now = Timestamp::from(SystemTime::now());
    let body = html! {
        article.review #review data-waiting=[waiting] data-at=(now) {
            header.bar {
                h1 { "Review" }
                p.muted {
                    span #review-done { "0" } " done · "
                    span #review-left { (waiting.map_or("many".to_owned(), grouped)) } " waiting"
                }
                progress #review-progress max="1" value="0" aria-label="Progress of this sitting" hidden[waiting.is_none()] {}
            }
            figure.picture { img #review-picture alt="" hidden; p.none #review-empty hidden { "Nothing is left to review." } }
            div.answer {
                p.verdict #review-verdict aria-live="polite" {}
                p.muted #review-why {}
                p.muted.path #review-name {}
                div.buttons #correct { (correction_buttons(None)) }
                div.buttons.small {
                    button type="button" data-act="accept" { kbd { "Enter" } span { "It is right" } }
                    button type="button" data-act="skip" { kbd { "s" } span { "Skip" } }
                    button type="button" data-act="undo" { kbd { "z" } span { "Undo" } }
                }
                p.muted { "What teaches most comes first. One key a photo; the next one is loaded already." }
            }
            noscript { p.error { "Reviewing needs the page's script. " a href="/?status=review&status=unknown&sort=least_sure" { "The same photos as a list" } } }
        }
    };
    Ok(page("Review", Section::Review, &body))
}
