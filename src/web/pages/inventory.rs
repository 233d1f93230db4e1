//! `/`: all photos, filtered.
//!
//! In: a filter and a place in its list. Out: a page of small pictures, the filter as a form, counts beside it. Never: more
//! than one page of rows, or a walk over all of them.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Html;
use maud::{Markup, html};

use super::layout::{Section, page};
use super::parts::{file_name, grouped, percent};
use crate::domain::{Label, Status};
use crate::store::{FilePage, FileRowWithId};
use crate::web::App;
use crate::web::facets::{Counted, Patience};
use crate::web::failure::{Failure, PageFailure};
use crate::web::filter::{Asked, Filter, Order};
use crate::web::pictures::{Size, href};

/// Photos of one page: a few screens, some 60 kB.
const PAGE: u32 = 120;

/// `GET /`
pub async fn inventory(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Html<String>, PageFailure> {
    let asked = Asked::parse_list(query.as_deref().unwrap_or_default()).map_err(Failure::BadRequest)?;
    let (facets, generation) = (Arc::clone(&app.facets), app.events.generation());
    let document = app.readers.ask(move |reader| {
        let filter = &asked.filter;
        let limit = asked.limit.unwrap_or(PAGE);
        let files = reader.page_of_files(&filter.to_file_query(Some(limit)), asked.cursor.as_ref())?;
        let counts = facets.counts_blocking(reader, filter, (generation, Patience::Page))?;
        Ok(document(filter, limit, &files, counts.as_ref()))
    });
    Ok(document.await?)
}

fn document(filter: &Filter, limit: u32, files: &FilePage, counted: Option<&Counted>) -> Html<String> {
    let body = html! {
        div.split {
            details.filters #filters open {
                summary { "Filters" }
                (form(filter, counted))
            }
            section.results aria-label="Photos" {
                div.bar {
                    h1 { span #total data-count="total" { (counted.map_or(String::new(), |counted| grouped(counted.counts.total))) } " photos" }
                    (chips(filter))
                    button.quiet type="button" #help-open aria-haspopup="dialog" { "Keys" }
                }
                @if filter.omits_some() { (omitted(filter)) }
                @if files.files.is_empty() { (nothing(filter)) }
                ol.grid #grid data-limit=(limit) {
                    @for file in &files.files { (card(file)) }
                }
                @if let Some(next) = &files.next {
                    a.more #more rel="next" href=(next_href(filter, &next.to_string())) { "More" }
                }
            }
        }
        (help())
    };
    page("Inventory", Section::Inventory, &body)
}

fn next_href(filter: &Filter, cursor: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(filter.to_query());
    query.append_pair("cursor", cursor);
    format!("/?{}", query.finish())
}

fn nothing(filter: &Filter) -> Markup {
    html! {
        p.empty {
            @if filter.omits_some() {
                "No photo that matches has a confidence."
            } @else if filter.is_empty() {
                "No photo yet. Drop one into an inbox, and it appears here."
            } @else {
                "No photo matches. " a href="/" { "Show all" }
            }
        }
    }
}

/// The heading counts them as well.
fn omitted(filter: &Filter) -> Markup {
    let newest = Filter {
        order: Order::Newest,
        ..filter.clone()
    };
    html! {
        p.muted #omitted {
            "Corrected photos and files without a tag have no confidence, so this order leaves them out. "
            a href=(newest.to_href()) { "Newest first" } " lists them."
        }
    }
}

/// One photo; its number in the store tells it from others when the page is brought up to date.
fn card(row: &FileRowWithId) -> Markup {
    let file = &row.file;
    let name = file_name(file.path.as_str());
    let label = match (file.label, file.reason) {
        (Some(label), _) => label.name().to_owned(),
        (None, Some(reason)) => format!("No tag: {}", reason.code().replace('_', " ")),
        (None, None) => "None of these".to_owned(),
    };
    let title = match &file.detail {
        Some(detail) => format!("{}: {detail}", file.path),
        None => file.path.to_string(),
    };
    let inside = html! {
        @match &file.content_hash {
            Some(hash) if file.reason.is_none() => {
                img src=(href(hash, Size::Thumb)) alt="" loading="lazy" decoding="async" width="160" height="160";
            }
            _ => span.none aria-hidden="true" { "∅" },
        }
        span.line {
            b { (label) }
            @if let Some(confidence) = file.confidence { span.number { (percent(confidence)) } }
        }
        span.line.muted { span.name { (name) } }
        span class={ "mark s-" (file.status.name()) } { (file.status.name()) }
    };
    html! {
        li.card id={ "f" (row.id) } data-hash=[file.content_hash.map(|hash| hash.to_string())]
            data-at=(file.tagged_at.as_millis()) title=(title) {
            @match &file.content_hash {
                Some(hash) if file.reason.is_none() => a href={ "/photo/" (hash) } { (inside) },
                // What was not read has no page of its own, and another attempt at what has no tag stands there.
                _ => a href={ "/status?file=" (row.id) "#f" (row.id) } { (inside) },
            }
        }
    }
}

/// Since when, as the form offers it.
const SPANS: [(&str, &str); 5] = [
    ("", "at any time"),
    ("1h", "in the last hour"),
    ("24h", "in the last day"),
    ("7d", "in the last week"),
    ("30d", "in the last month"),
];

fn form(filter: &Filter, counted: Option<&Counted>) -> Markup {
    let since = filter.since.as_deref().unwrap_or_default();
    let counts = counted.map(|counted| &counted.counts);
    let shown = |count: Option<u64>| count.map(grouped).unwrap_or_default();
    html! {
        form #filter method="get" action="/" data-counted=(counted.is_some_and(|counted| counted.is_fresh)) {
            label.field {
                span { "Name or path" }
                input type="search" name="path" value=[filter.path.as_deref()] placeholder="summer, or summer/*.jpg" autocomplete="off" autocapitalize="none" autocorrect="off" spellcheck="false";
            }
            fieldset {
                legend { "Status" }
                @for (place, status) in Status::ALL.into_iter().enumerate() {
                    label.check {
                        input type="checkbox" name="status" value=(status.name()) checked[filter.statuses.contains(&status)];
                        span { (status.name()) }
                        span data-count={ "status:" (status.name()) } { (shown(counts.map(|counts| counts.by_status[place]))) }
                    }
                }
            }
            fieldset {
                legend { "Label" }
                @for label in Label::all() {
                    label.check {
                        input type="checkbox" name="label" value=(label.name()) checked[filter.labels.contains(&label)];
                        span { (label.name()) }
                        span data-count={ "label:" (label.name()) } { (shown(counts.map(|counts| counts.by_label[label.index()]))) }
                    }
                }
            }
            div.pair {
                (confidence("At least", "min_confidence", filter.min_confidence.map(|confidence| confidence.get())))
                (confidence("At most", "max_confidence", filter.max_confidence.map(|confidence| confidence.get())))
            }
            label.field {
                span { "Answered" }
                select name="since" {
                    @for (value, name) in SPANS {
                        option value=(value) selected[since == value] { (name) }
                    }
                    // One from the address stays until another is chosen.
                    @if SPANS.iter().all(|(value, _)| *value != since) { option value=(since) selected { "since " (since) } }
                }
            }
            label.field {
                span { "Order" }
                select name="sort" {
                    @for order in Order::ALL {
                        option value=(order.name()) selected[filter.order == order] { (order.in_words()) }
                    }
                }
            }
            label.check {
                input type="checkbox" name="absent" value="1" checked[filter.with_absent];
                span { "Also files that are gone" }
            }
            @if let Some(until) = &filter.until { input type="hidden" name="until" value=(until); }
            @if let Some(model) = &filter.model { input type="hidden" name="model" value=(model); }
            div.actions {
                button.primary type="submit" { "Apply" }
                a.quiet href="/" { "Reset" }
            }
        }
    }
}

fn confidence(title: &str, name: &str, value: Option<f32>) -> Markup {
    const STEPS: [&str; 8] = ["0.3", "0.5", "0.6", "0.7", "0.8", "0.9", "0.95", "0.99"];
    let value = value.map(|value| value.to_string()).unwrap_or_default();
    let is_known = value.is_empty() || STEPS.contains(&value.as_str());
    let steps = STEPS.into_iter().chain((!is_known).then_some(value.as_str()));
    html! {
        label.field {
            span { (title) }
            select name=(name) {
                option value="" { "any" }
                @for step in steps {
                    option value=(step) selected[step == value] {
                        (step.parse().map_or_else(|_| step.to_owned(), bound))
                    }
                }
            }
        }
    }
}

/// A bound as it was chosen: 0.9 lies a little below nine tenths as it is kept, and is 90 % all the same.
fn bound(share: f64) -> String {
    format!("{} %", (share * 10_000.0).round() / 100.0)
}

/// What restricts, each with a way to let it go.
fn chips(filter: &Filter) -> Markup {
    let without = |change: &dyn Fn(&mut Filter)| {
        let mut filter = filter.clone();
        change(&mut filter);
        filter.to_href()
    };
    let mut chips: Vec<(String, String)> = Vec::new();
    for label in &filter.labels {
        let href = without(&|filter| filter.labels.retain(|other| other != label));
        chips.push((label.name().into(), href));
    }
    for status in &filter.statuses {
        let href = without(&|filter| filter.statuses.retain(|other| other != status));
        chips.push((status.name().into(), href));
    }
    let texts = [
        (filter.path.clone(), without(&|filter| filter.path = None)),
        (
            filter.since.as_ref().map(|since| format!("since {since}")),
            without(&|filter| filter.since = None),
        ),
        (
            filter.until.as_ref().map(|until| format!("until {until}")),
            without(&|filter| filter.until = None),
        ),
        (
            filter.model.as_ref().map(|model| format!("model {model}")),
            without(&|filter| filter.model = None),
        ),
        (
            filter
                .min_confidence
                .map(|confidence| format!("≥ {}", bound(confidence.get().into()))),
            without(&|filter| filter.min_confidence = None),
        ),
        (
            filter
                .max_confidence
                .map(|confidence| format!("≤ {}", bound(confidence.get().into()))),
            without(&|filter| filter.max_confidence = None),
        ),
    ];
    chips.extend(texts.into_iter().filter_map(|(text, href)| Some((text?, href))));
    html! {
        div.chips #chips {
            @for (text, href) in chips {
                a.chip href=(href) aria-label={ "Remove the filter " (text) } { (text) " ×" }
            }
        }
    }
}

fn help() -> Markup {
    let keys = [
        ("← → ↑ ↓", "move among the photos"),
        ("Enter", "open the photo"),
        ("1 … 9, 0", "say what the chosen photo shows"),
        ("u", "it shows none of the ten"),
        ("z", "take the last correction back"),
        ("/", "look for a name"),
        ("g i, g r, g m, g s", "go to Inventory, Review, Models, Status"),
    ];
    html! {
        dialog #help aria-labelledby="help-title" {
            h2 #help-title { "Keys" }
            dl.keys {
                @for (key, what) in keys { dt { kbd { (key) } } dd { (what) } }
            }
            h3 { "Labels" }
            dl.keys {
                @for label in Label::all() { dt { kbd { (super::parts::key(label)) } } dd { (label.name()) } }
            }
            form method="dialog" { button.primary { "Close" } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form_of(query: &str) -> String {
        form(&Asked::parse(query).unwrap().filter, None).into_string()
    }

    /// The chip said 89 %.
    #[test]
    fn a_bound_reads_as_it_was_chosen() {
        let filter = Asked::parse("min_confidence=0.9&max_confidence=0.95")
            .unwrap()
            .filter;
        let chips = chips(&filter).into_string();
        assert!(
            chips.contains("≥ 90 % ×") && chips.contains("≤ 95 % ×"),
            "{chips}"
        );
        // A bound between two whole percents keeps its part.
        assert_eq!(bound(f64::from(0.995_f32)), "99.5 %");
    }

    /// Each figure was a live region of its own: who has pages read out heard all of them with each photo that came.
    #[test]
    fn figures_that_change_are_not_read_out() {
        let form = form_of("");
        assert_eq!(form.matches("data-count=").count(), 15);
        assert!(!form.contains("<output") && !form.contains("aria-live"), "{form}");
    }

    /// "1,234 photos", and below it "No photo matches".
    #[test]
    fn an_order_by_confidence_says_what_it_leaves_out() {
        let none = FilePage {
            files: Vec::new(),
            next: None,
        };
        for (query, omits) in [
            ("sort=least_sure", true),
            ("sort=surest&status=corrected&label=Bag", true),
            ("sort=surest&status=review&status=rejected", true),
            ("sort=least_sure&status=review&status=unknown", false),
            ("sort=surest&max_confidence=0.5", false),
            ("sort=oldest&status=corrected", false),
            ("", false),
        ] {
            let filter = Asked::parse(query).unwrap().filter;
            let Html(page) = document(&filter, PAGE, &none, None);
            assert_eq!(page.contains(r#"id="omitted""#), omits, "{query}");
            assert_eq!(page.contains("has a confidence."), omits, "{query}");
        }
        let filter = Asked::parse("sort=surest&status=corrected&label=Bag")
            .unwrap()
            .filter;
        let Html(page) = document(&filter, PAGE, &none, None);
        let listed = r#"<a href="/?label=Bag&amp;status=corrected">Newest first</a>"#;
        assert!(page.contains(listed), "{page}");
    }

    /// Whatever was changed in the form dropped them from the address.
    #[test]
    fn what_the_form_does_not_offer_stays() {
        let form = form_of("until=2026-11-23&model=381bd3a5&since=36h");
        for part in [
            r#"<input type="hidden" name="until" value="2026-11-23">"#,
            r#"<input type="hidden" name="model" value="381bd3a5">"#,
            r#"<option value="36h" selected>since 36h</option>"#,
        ] {
            assert!(form.contains(part), "{part} is missing in {form}");
        }
        assert!(
            !form.contains(r#"<option value="" selected>at any time"#),
            "{form}"
        );
        let offered = form_of("since=24h");
        assert!(
            offered.contains(r#"<option value="24h" selected>in the last day"#),
            "{offered}"
        );
        assert_eq!(offered.matches(r#"value="24h""#).count(), 1);
        assert!(!offered.contains(r#"type="hidden""#), "{offered}");
    }
}
