//! The curve as SVG.
//!
//! In: the points. Out: SVG text that stands by itself: mean recall and accepted share over the photos a class. Never: a
//! file, a share that was not measured.

use std::error::Error;

use plotters::prelude::*;

use super::Point;

/// Mean recall.
const RECALL: RGBColor = RGBColor(0x1D, 0x4E, 0xD8);
/// Accepted share.
const ACCEPTED: RGBColor = RGBColor(0xB4, 0x53, 0x09);
/// Axes and grid.
const FRAME: RGBColor = RGBColor(0x9C, 0xA3, 0xAF);
const SIZE: (u32, u32) = (640, 400);
/// Pixels.
const FONT_SIZE: u32 = 15;
/// Length of a line in the legend, pixels.
const SAMPLE_LENGTH: i32 = 18;

/// One of the curves.
struct Series {
    name: &'static str,
    colour: RGBColor,
    value: fn(&Point) -> Option<f64>,
}

const SERIES: [Series; 2] = [
    Series {
        name: "mean recall",
        colour: RECALL,
        value: |point| point.mean_recall,
    },
    Series {
        name: "accepted share",
        colour: ACCEPTED,
        value: |point| point.accepted_share,
    },
];

/// The chart.
pub fn to_svg(points: &[Point]) -> String {
    let mut svg = String::new();
    draw(points, &mut svg).expect("drawing into memory does not fail; this is a bug");
    svg
}

fn draw(points: &[Point], svg: &mut String) -> Result<(), Box<dyn Error>> {
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let most = points
        .iter()
        .map(|point| point.per_class)
        .max()
        .unwrap_or_default();
    let mut chart = ChartBuilder::on(&area)
        .margin(12)
        .x_label_area_size(42)
        .y_label_area_size(56)
        // An axis has to have a length.
        .build_cartesian_2d(0.0..most.max(1) as f64, 0.0..1.0)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(FRAME.mix(0.5))
        .axis_style(FRAME)
        .label_style(("sans-serif", FONT_SIZE))
        .x_desc("corrected photos a class")
        .y_labels(11)
        // Between two photos there is nothing to be named.
        .x_label_formatter(&|photos| match photos.fract() {
            0.0 => format!("{photos:.0}"),
            _ => String::new(),
        })
        .y_label_formatter(&|share| format!("{:.0} %", share * 100.0))
        .draw()?;
    for Series { name, colour, value } in SERIES {
        let line: Vec<(f64, f64)> = points
            .iter()
            .filter_map(|point| Some((point.per_class as f64, value(point)?)))
            .collect();
        chart
            .draw_series(LineSeries::new(line.iter().copied(), colour.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + SAMPLE_LENGTH, y)], colour.stroke_width(2)));
        chart.draw_series(line.into_iter().map(|at| Circle::new(at, 4, colour.filled())))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE)
        .border_style(FRAME)
        .label_font(("sans-serif", FONT_SIZE))
        .draw()?;
    area.present()?;
    Ok(())
}
