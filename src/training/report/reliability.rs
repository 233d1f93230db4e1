//! Whether confidence means what it says: the reliability diagram, and what was made of it.
//!
//! In: bins of confidences, the model's calibration. Out: SVG text and a section of the page. Never: a bin filled in.

use std::error::Error;

use maud::{Markup, PreEscaped, html};
use plotters::prelude::*;

use super::charts::{FRAME, SIZE, VALIDATION};
use crate::domain::Label;
use crate::model::bundle::Calibration;
use crate::training::calibrate::ReliabilityBin;

const FONT_SIZE: u32 = 15;

/// The section; nothing where nothing was measured.
pub(super) fn section(
    bins: &[ReliabilityBin],
    calibration: Option<&Calibration>,
    error: Option<f64>,
) -> Markup {
    let Some(calibration) = calibration.filter(|_| !bins.is_empty()) else {
        return html! {};
    };
    let thresholds = &calibration.thresholds;
    html! {
        h2 { "Confidence" }
        p.faint {
            "Each bar: test pictures of like confidence; its height is the share of right answers. On the diagonal, "
            "confidence means what it says. Expected calibration error on the test set: " (super::page::percent(error))
            "; sums are divided by " (format!("{:.3}", calibration.temperature)) " (fitted on "
            (calibration.samples) " validation pictures)."
        }
        figure { (PreEscaped(diagram(bins))) }
        p {
            "Tags of " (thresholds.basis.promised_for()) " are accepted from these products of confidence and knownness on, so that "
            "at least " (super::page::percent(Some(thresholds.target_precision))) " of them are right"
            @if let Some(level) = thresholds.level { " (with a certainty of " (super::page::percent(Some(level))) ")" }
            "; fitted on " (thresholds.samples) " pictures (" (thresholds.basis) ")"
            @if let Some(caveat) = thresholds.basis.caveat() { ": " (caveat) }
            ". From an unknown score of " (format!("{:.2}", thresholds.unknown.get())) " on, a picture is none of the classes."
        }
        div.wide { table {
            thead { tr { th { "class" } th { "accepted from" } } }
            tbody { @for (label, least) in Label::all().zip(&thresholds.accept) { tr {
                th scope="row" { (label) }
                td { @match least {
                    Some(least) => { (format!("{:.3}", least.get())) },
                    None => { "never" },
                } }
            } } }
        } }
    }
}

/// The diagram as SVG.
fn diagram(bins: &[ReliabilityBin]) -> String {
    let mut svg = String::new();
    draw(bins, &mut svg).expect("drawing into memory does not fail; this is a bug");
    svg
}

fn draw(bins: &[ReliabilityBin], svg: &mut String) -> Result<(), Box<dyn Error>> {
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let mut chart = ChartBuilder::on(&area)
        .margin(10)
        .x_label_area_size(42)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..1.0, 0.0..1.0)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(FRAME.mix(0.5))
        .axis_style(FRAME)
        .label_style(("sans-serif", FONT_SIZE))
        .x_desc("confidence")
        .x_labels(6)
        .y_labels(6)
        .y_label_formatter(&|share| format!("{:.0} %", share * 100.0))
        .draw()?;
    let bars = bins.iter().filter_map(|bin| {
        let accuracy = bin.accuracy?;
        Some(Rectangle::new(
            [(bin.from, 0.0), (bin.to, accuracy)],
            VALIDATION.mix(0.6).filled(),
        ))
    });
    chart.draw_series(bars)?;
    chart.draw_series(LineSeries::new([(0.0, 0.0), (1.0, 1.0)], FRAME.stroke_width(2)))?;
    area.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::calibrate::reliability_bins;

    #[test]
    fn a_bar_stands_for_each_bin_that_holds_something() {
        let svg = diagram(&reliability_bins(
            &[0.05, 0.5, 0.95, 0.97],
            &[false, true, true, true],
        ));
        assert!(
            svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"),
            "{svg}"
        );
        assert_eq!(svg.matches("<rect").count(), 3, "{svg}");
        assert!(!svg.contains("NaN"), "{svg}");
    }
}
