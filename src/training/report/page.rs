//! The page itself.
//!
//! In: a report. Out: HTML that holds everything it shows. Never: an address outside of the page, a script, text that
//! is not escaped.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::charts::{Curves, Unit};
use super::reliability;
use super::{EpochFigures, Report, Sample, picture};
use crate::domain::{ArchitectureName, Label, Timestamp};
use crate::training::corrections::MaterialSummary;
use crate::training::evaluate::{Evaluation, short_name};
use crate::training::gate::Verdict;
use crate::training::schedule::Trigger;
use crate::training::summary::grouped;

/// What the browser may do with the page: show it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

pub(super) fn render(report: &Report) -> String {
    let title = match report.run {
        Some(run) => format!("Training run {run}"),
        None => "Training run".into(),
    };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { (title) " - hangtag" }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body {
                main {
                    (head(report, &title))
                    @if let Some(verdict) = &report.verdict { (gate(verdict)) }
                    (curves(report))
                    h2 { "Confusion" }
                    p.faint { "Rows: what the test pictures are. Columns: what they were taken for." }
                    (confusion(&report.evaluation))
                    h2 { "Classes" }
                    (classes(&report.evaluation))
                    (reliability::section(
                        &report.reliability,
                        report.calibration.as_ref(),
                        report.evaluation.expected_calibration_error,
                    ))
                    @if let Some(photos) = &report.photos { (shop(photos)) }
                    (samples("Surest mistakes", &report.samples.wrong))
                    (samples("Right answers", &report.samples.right))
                    h2 { "Network" }
                    (layers(report))
                    h2 { "Parameters" }
                    (parameters(report))
                    h2 { "Data" }
                    (data(report))
                }
            }
        }
    };
    page.into_string()
}

fn head(report: &Report, title: &str) -> Markup {
    let evaluation = &report.evaluation;
    let seconds = (report.ended_at.as_millis() - report.started_at.as_millis()) as f64 / 1000.0;
    html! {
        h1 {
            (title) " "
            @match &report.verdict {
                Some(verdict) if verdict.is_promote() => small.badge.good { "promoted" },
                Some(_) => small.badge.bad { "not promoted" },
                None => {}
            }
        }
        p.faint {
            "Started " (cause(report.trigger)) ", from " (moment(report.started_at)) " to " (moment(report.ended_at))
            " UTC, hangtag " (report.hangtag_version) ", model " code { (report.model) } "."
        }
        dl.figures {
            (figure("Test accuracy", &percent(evaluation.accuracy)))
            (figure("Test loss", &number(evaluation.loss)))
            (figure("Mean recall", &percent(evaluation.balanced_accuracy)))
            @if let Some(photos) = &report.photos { (figure("Corrected photos", &percent(photos.accuracy))) }
            (figure("Epoch exported", &format!("{} of {}", report.chosen_epoch, report.epochs.len())))
            (figure("Duration", &duration(seconds)))
            (figure("Peak memory", &report.peak_memory_bytes.map_or("-".into(), megabytes)))
            (figure("Model file", &megabytes(report.model_bytes)))
        }
    }
}

fn figure(name: &str, value: &str) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

fn gate(verdict: &Verdict) -> Markup {
    html! {
        h2 { "Gate" }
        p {
            @if verdict.is_promote() {
                "The model was found fit to serve: all of this speaks for it."
            } @else {
                "The model in service stays, for what is marked "
                span.bad { "✗" } "."
            }
        }
        ul.reasons {
            @for finding in verdict.findings() {
                li {
                    @if finding.speaks_for() { span.good { "✓" } } @else { span.bad { "✗" } }
                    span { (finding) }
                }
            }
        }
    }
}

fn curves(report: &Report) -> Markup {
    let points = |of: fn(&EpochFigures) -> Option<f64>| -> Vec<(u32, f64)> {
        let point = |epoch: &EpochFigures| Some((epoch.epoch, of(epoch)?));
        report.epochs.iter().filter_map(point).collect()
    };
    let chart = |unit, training: &[(u32, f64)], validation: &[(u32, f64)]| {
        let chosen_epoch = report.chosen_epoch;
        let curves = Curves {
            training,
            validation,
            chosen_epoch,
            unit,
        };
        PreEscaped(curves.to_svg())
    };
    let loss = chart(
        Unit::Nats,
        &points(|epoch| epoch.loss),
        &points(|epoch| epoch.val_loss),
    );
    let (training, validation) = (
        points(|epoch| Some(epoch.accuracy)),
        points(|epoch| Some(epoch.val_accuracy)),
    );
    let seen = match report.parameters.architecture {
        ArchitectureName::Reference => "with dropout",
        ArchitectureName::Residual => "pictures changed, easy ones left out",
    };
    html! {
        h2 { "Curves of this run" }
        p.key {
            span { i.training {} "training (as it was seen: " (seen) ")" }
            span { i.validation {} "validation" }
            span { i.chosen {} "exported" }
        }
        div.charts {
            figure.chart { figcaption { "Accuracy" } (chart(Unit::Share, &training, &validation)) }
            figure.chart { figcaption { "Loss (cross-entropy, nats)" } (loss) }
        }
        details {
            summary { "Every epoch in figures" }
            div.scroll { (epochs(&report.epochs)) }
        }
    }
}

fn epochs(epochs: &[EpochFigures]) -> Markup {
    html! {
        table.rows {
            thead { tr {
                th { "epoch" } th { "seconds" } th { "loss" } th { "accuracy" }
                th { "validation loss" } th { "validation accuracy" }
            } }
            tbody { @for epoch in epochs { tr {
                td { (epoch.epoch) }
                td { (format!("{:.1}", epoch.seconds)) }
                td { (number(epoch.loss)) }
                td { (percent(Some(epoch.accuracy))) }
                td { (number(epoch.val_loss)) }
                td { (percent(Some(epoch.val_accuracy))) }
            } } }
        }
    }
}

fn confusion(evaluation: &Evaluation) -> Markup {
    html! {
        div.scroll { table.heat {
            thead { tr {
                th { "is \\ taken for" }
                @for label in Label::all() { th scope="col" title=(label) { (short_name(label)) } }
            } }
            tbody { @for (label, counts) in Label::all().zip(&evaluation.confusion) {
                tr {
                    th scope="row" { (label) }
                    @for &count in counts { (heat(count, counts.iter().sum())) }
                }
            } }
        } }
    }
}

/// One count; the darker, the larger its share of the row, small ones lifted so that mistakes can be seen.
fn heat(count: u64, of: u64) -> Markup {
    if count == 0 {
        return html! { td.none { "·" } };
    }
    let share = (count as f64 / of as f64).powf(0.6);
    let style = format!("--share: {share:.3}");
    html! { td.strong[share > 0.55] style=(style) { (count) } }
}

fn classes(evaluation: &Evaluation) -> Markup {
    html! {
        div.scroll { table.rows {
            thead { tr {
                th { "class" } th { "pictures" } th { "precision" } th { "recall" } th { "F1" }
            } }
            tbody { @for row in &evaluation.per_class { tr {
                th scope="row" { (row.label) }
                td { (row.support) }
                td { (tenths(row.precision)) }
                td { (tenths(row.recall)) }
                td {
                    (tenths(row.f1))
                    span.bar { i style=(format!("--share: {:.3}", row.f1.unwrap_or(0.0))) {} }
                }
            } } }
        } }
    }
}

fn shop(photos: &Evaluation) -> Markup {
    html! {
        h2 { "Corrected photos of the shop" }
        p.faint { (photos.images) " photos, each answered by a network that was made without it." }
        (confusion(photos))
        (classes(photos))
    }
}

fn samples(title: &str, samples: &[Sample]) -> Markup {
    html! {
        @if !samples.is_empty() {
            h2 { (title) }
            div.samples { @for sample in samples {
                figure {
                    img src=(picture::to_data_uri(&sample.png)) width="28" height="28"
                        alt=(format!("Test picture {}: {}", sample.index, sample.truth));
                    figcaption {
                        @if sample.truth == sample.answer {
                            b.good { (sample.truth) }
                        } @else {
                            b.bad { (sample.answer) }
                            "is " (sample.truth) br;
                        }
                        (percent(Some(sample.confidence.get().into())))
                        " " small title="place in the test set" { "#" (sample.index) }
                    }
                }
            } }
        }
    }
}

fn layers(report: &Report) -> Markup {
    let shape = |output: &[usize]| {
        let sizes: Vec<String> = output.iter().map(ToString::to_string).collect();
        sizes.join(" × ")
    };
    let parameters = report.layers.iter().map(|row| row.parameters).sum();
    let multiply_adds = report.layers.iter().map(|row| row.multiply_adds).sum();
    html! {
        div.scroll { table.rows {
            thead { tr { th { "layer" } th { "output" } th { "parameters" } th { "multiply-adds" } } }
            tbody { @for row in &report.layers { tr {
                td { (row.layer) }
                td { (shape(&row.output)) }
                td { (grouped(row.parameters)) }
                td { (grouped(row.multiply_adds)) }
            } } }
            tfoot { tr { td { "total" } td {} td { (grouped(parameters)) } td { (grouped(multiply_adds)) } } }
        } }
    }
}

fn parameters(report: &Report) -> Markup {
    let parameters = &report.parameters;
    let rows: [(&str, String); 8] = [
        ("epochs", parameters.epochs.to_string()),
        ("batch size", parameters.batch_size.to_string()),
        ("learning rate", parameters.learning_rate.to_string()),
        ("schedule of the rate", parameters.schedule.to_string()),
        ("validation share", parameters.validation_share.to_string()),
        ("seed", parameters.seed.to_string()),
        (
            "training pictures used",
            parameters.limit_images.map_or("all".into(), grouped),
        ),
        (
            "threads",
            parameters
                .threads
                .map_or("one a core".into(), |threads| threads.to_string()),
        ),
    ];
    html! {
        div.scroll { table.rows.plain { tbody {
            @for (name, value) in rows { tr { th scope="row" { (name) } td { (value) } } }
        } } }
    }
}

fn data(report: &Report) -> Markup {
    html! {
        div.scroll { table.rows.plain {
            thead { tr { th { "file" } th { "SHA-256" } } }
            tbody { @for file in &report.data { tr {
                td { (file.name) @if !file.official { " (not the official file)" } }
                td { code { (file.sha256) } }
            } } }
        } }
        @if let Some(corrections) = &report.corrections { (material(corrections)) }
    }
}

fn material(corrections: &MaterialSummary) -> Markup {
    html! {
        p {
            "Corrections: " (corrections.trained_on) " trained on (each " (corrections.repetitions)
            " times, " (percent(Some(corrections.share))) " of all training pictures), "
            (corrections.held_out) " not; " (corrections.unknown) " of all show none of the classes."
        }
        @if !corrections.unusable.is_empty() {
            p.bad { "Left out because they could not be used:" }
            ul { @for unusable in &corrections.unusable { li { (unusable.error) } } }
        }
    }
}

fn cause(trigger: Option<Trigger>) -> &'static str {
    match trigger {
        None => "by a command",
        Some(Trigger::Schedule) => "by the schedule",
        Some(Trigger::CatchUp) => "to catch up on the schedule",
        Some(Trigger::Person) => "because a person asked for it",
        Some(Trigger::Corrections) => "because of new corrections",
        Some(Trigger::Drift) => "because the photos have changed",
    }
}

/// `2026-11-23 18:31:00`.
fn moment(at: Timestamp) -> String {
    let text = at.to_string().replace('T', " ");
    text.split('.').next().unwrap_or_default().to_owned()
}

pub(super) fn percent(share: Option<f64>) -> String {
    share.map_or("-".into(), |share| format!("{:.2} %", share * 100.0))
}

/// A percentage for a narrow column: of the thousand pictures of a class, one is a tenth.
fn tenths(share: Option<f64>) -> String {
    share.map_or("-".into(), |share| format!("{:.1} %", share * 100.0))
}

fn number(value: Option<f64>) -> String {
    value.map_or("-".into(), |value| format!("{value:.4}"))
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, _) => format!("{:.1} s", seconds.max(0.0)),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}
