//! An explanation for people.
//!
//! In: what was found out. Out: lines of text. Never: a control character of a name obeyed.

use super::Explanation;
use crate::cli::output;
use crate::domain::{Decision, Label};
use crate::store::ContentHistory;

/// Everything, from the answer down to each model's scores.
pub fn in_words(explanation: &Explanation) -> String {
    let mut lines = vec![
        output::shown(explanation.path.as_str()),
        format!("  {}", output::shown(&explanation.answer)),
    ];
    for line in &explanation.now {
        lines.push(format!("  now: {}", output::shown(line)));
    }
    if let Some(history) = &explanation.history {
        lines.push(format!("  answered at {}", history.file.tagged_at));
        if let Some(absent_at) = history.absent_at {
            lines.push(format!("  found to be gone at {absent_at}"));
        }
    }
    if let Some(content) = explanation.content() {
        content_in_words(content, &mut lines);
    }
    if let Some(correction) = &explanation.correction {
        lines.push(format!(
            "  corrected to {} by {} at {}",
            correction.truth,
            output::shown(&correction.by),
            correction.at
        ));
    }
    if let Some(content) = explanation.content() {
        outcomes_in_words(content, &explanation.decisions, &mut lines);
    }
    if let Some(picture) = &explanation.picture {
        let picture = picture.display().to_string();
        lines.push(format!("  what the model sees: {}", output::shown(&picture)));
    }
    lines.join("\n") + "\n"
}

fn content_in_words(content: &ContentHistory, lines: &mut Vec<String>) {
    let size = content
        .width
        .zip(content.height)
        .map(|(width, height)| format!(", {width}x{height} pixels"));
    let format = content.format.as_deref().unwrap_or("unknown format");
    lines.push(format!("  content {}", content.content_hash));
    lines.push(format!(
        "    {format}{}, {} bytes, first seen {}",
        size.unwrap_or_default(),
        content.bytes,
        content.first_seen_at
    ));
    for path in &content.present_paths {
        lines.push(format!("    at {}", output::shown(path.as_str())));
    }
    for path in &content.absent_paths {
        lines.push(format!("    was at {}", output::shown(path.as_str())));
    }
}

fn outcomes_in_words(content: &ContentHistory, decisions: &[Decision], lines: &mut Vec<String>) {
    for outcome in &content.outcomes {
        let model = outcome
            .model
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        let device = outcome
            .device
            .map(|device| format!(" on {device}"))
            .unwrap_or_default();
        let preprocessing = outcome.preprocessing.0;
        lines.push(format!(
            "  by model {model}{device}, preprocessing {preprocessing}, {}",
            outcome.tagged_at
        ));
        let decided = decisions
            .iter()
            .filter(|decision| Some(&decision.model) == outcome.model.as_ref());
        lines.extend(decided.map(|decision| format!("    {decision}")));
        match &outcome.scores {
            Some(scores) => {
                let mut ranked: Vec<_> = Label::all().zip(scores.values()).collect();
                ranked.sort_by(|a, b| b.1.total_cmp(a.1));
                ranked
                    .iter()
                    .for_each(|(label, score)| lines.push(format!("    {label:<12} {score:.4}")));
            }
            None => {
                let reason = outcome
                    .reason
                    .map(|reason| reason.to_string())
                    .unwrap_or_default();
                lines.push(format!(
                    "    rejected as {reason}: {}",
                    outcome.detail.as_deref().unwrap_or_default()
                ));
            }
        }
    }
}
