//! Probabilities as bars.
//!
//! In: ten of them. Out: a table that is also a picture. Never: style attributes, which the pages' policy forbids.

use maud::{Markup, html};

use super::parts::percent;
use crate::domain::{Confidence, Label, Scores};

/// Likeliest first.
pub fn bars(scores: &Scores, shown: Option<Label>) -> Markup {
    let mut ranked: Vec<_> = Label::all().zip(scores.values().iter().copied()).collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    html! {
        table.bars {
            caption.hidden { "Probability of each label" }
            tbody {
                @for (label, share) in ranked {
                    tr class=[(shown == Some(label)).then_some("on")] {
                        th scope="row" { (label.name()) }
                        td {
                            svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true" {
                                rect.track width="100" height="6" rx="1" {}
                                rect.bar width=(format!("{:.1}", share * 100.0)) height="6" rx="1" {}
                            }
                        }
                        td.number { @if let Ok(share) = Confidence::new(share) { (percent(share)) } }
                    }
                }
            }
        }
    }
}
