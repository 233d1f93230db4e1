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
/// Where the curves' names stand, pixels.
const LEGEND_TOP: i32 = 10;

/// One of the curves.
struct Series {
    name: &'static str,
    /// Where its name begins, pixels.
    left: i32,
    colour: RGBColor,
    value: fn(&Point) -> Option<f64>,
}

const SERIES: [Series; 2] = [
    Series {
        name: "● mean recall",
        left: 68,
        colour: RECALL,
        value: |point| point.mean_recall,
    },
    Series {
        name: "● accepted share",
        left: 200,
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
        .margin_top(40)
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
    for Series {
        name,
        left,
        colour,
        value,
    } in &SERIES
    {
        let line: Vec<(f64, f64)> = points
            .iter()
            .filter_map(|point| Some((point.per_class as f64, value(point)?)))
            .collect();
        chart.draw_series(LineSeries::new(line.iter().copied(), colour.stroke_width(2)))?;
        chart.draw_series(line.into_iter().map(|at| Circle::new(at, 4, colour.filled())))?;
        // Above the chart, where no curve can be.
        let style = ("sans-serif", FONT_SIZE).into_font().color(colour);
        let name = Text::new(*name, (*left, LEGEND_TOP), style);
        area.draw(&name)?;
    }
    area.present()?;
    Ok(())
}
