//! Curves over the epochs as SVG.
//!
//! In: a figure of each epoch for training and validation. Out: SVG text to be set into a page, in colours that the
//! page's style replaces for dark screens. Never: a raster picture, a font file.

use std::error::Error;
use std::ops::Range;

use plotters::prelude::*;

/// Training's colour; `style.css` names the same.
const TRAINING: RGBColor = RGBColor(0xB4, 0x53, 0x09);
/// Validation's colour; `style.css` names the same.
pub(super) const VALIDATION: RGBColor = RGBColor(0x1D, 0x4E, 0xD8);
/// The colour of axes, grid and marks; `style.css` names the same.
pub(super) const FRAME: RGBColor = RGBColor(0x9C, 0xA3, 0xAF);
/// Narrow enough for a telephone, where it is shown at about two thirds of this.
pub(super) const SIZE: (u32, u32) = (480, 300);
/// Pixels, before the page scales the chart.
const FONT_SIZE: u32 = 15;

/// One figure over the epochs.
pub(super) struct Curves<'a> {
    /// Of the training pictures: epoch and value.
    pub training: &'a [(u32, f64)],
    /// Of the validation pictures.
    pub validation: &'a [(u32, f64)],
    /// Marked.
    pub chosen_epoch: u32,
    /// How values are written at the axis.
    pub unit: Unit,
}

/// How values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// As they are.
    Nats,
    /// As percentages.
    Share,
}

impl Curves<'_> {
    /// The chart.
    pub fn to_svg(&self) -> String {
        let mut svg = String::new();
        self.draw(&mut svg)
            .expect("drawing into memory does not fail; this is a bug");
        svg
    }

    fn draw(&self, svg: &mut String) -> Result<(), Box<dyn Error>> {
        let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
        let (epochs, values) = (self.epochs(), self.values());
        let mut chart = ChartBuilder::on(&area)
            .margin(10)
            .x_label_area_size(42)
            .y_label_area_size(56)
            .build_cartesian_2d(epochs, values.clone())?;
        let unit = self.unit;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(FRAME.mix(0.5))
            .axis_style(FRAME)
            .label_style(("sans-serif", FONT_SIZE))
            .x_desc("epoch")
            .x_labels(8)
            .y_labels(6)
            // Between two epochs there is nothing to be named.
            .x_label_formatter(&|epoch| match epoch.fract() {
                0.0 => format!("{epoch:.0}"),
                _ => String::new(),
            })
            .y_label_formatter(&|value| unit.write(*value))
            .draw()?;
        let chosen = f64::from(self.chosen_epoch);
        let mark = [(chosen, values.start), (chosen, values.end)];
        chart.draw_series(DashedLineSeries::new(mark, 4, 4, FRAME.stroke_width(1)))?;
        for (points, colour) in [(self.training, TRAINING), (self.validation, VALIDATION)] {
            let points = points.iter().map(|&(epoch, value)| (f64::from(epoch), value));
            chart.draw_series(LineSeries::new(points.clone(), colour.stroke_width(2)))?;
            // A line needs two points; what stands alone, and the epoch that was chosen, gets a dot.
            let dotted = points
                .clone()
                .filter(|&(epoch, _)| epoch == chosen || self.training.len() < 2);
            chart.draw_series(dotted.map(|point| Circle::new(point, 4, colour.filled())))?;
        }
        area.present()?;
        Ok(())
    }

    fn epochs(&self) -> Range<f64> {
        let all = || {
            self.training
                .iter()
                .chain(self.validation)
                .map(|(epoch, _)| f64::from(*epoch))
        };
        let (first, last) = (all().fold(f64::MAX, f64::min), all().fold(0.0, f64::max));
        if first < last {
            first..last
        } else {
            0.0..last + 1.0
        }
    }

    /// All values, with a little room on both sides; shares never leave 0..=1, and a loss begins at 0.
    fn values(&self) -> Range<f64> {
        let all = || {
            self.training
                .iter()
                .chain(self.validation)
                .map(|(_, value)| *value)
        };
        let least = all().fold(f64::INFINITY, f64::min);
        let most = all().fold(f64::NEG_INFINITY, f64::max);
        if !(least.is_finite() && most.is_finite()) {
            return 0.0..1.0;
        }
        let room = ((most - least) * 0.05).max(0.001);
        match self.unit {
            Unit::Nats => 0.0..most + room,
            Unit::Share => (least - room).max(0.0)..(most + room).min(1.0),
        }
    }
}

impl Unit {
    fn write(self, value: f64) -> String {
        match self {
            Unit::Nats => format!("{value:.2}"),
            Unit::Share => format!("{:.1} %", value * 100.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn svg(training: &[(u32, f64)], unit: Unit) -> String {
        let curves = Curves {
            training,
            validation: training,
            chosen_epoch: 1,
            unit,
        };
        curves.to_svg()
    }

    #[test]
    fn every_history_can_be_drawn() {
        for history in [
            &[][..],
            &[(1, 0.5)],
            &[(1, 0.9), (2, 0.9)],
            &[(1, 0.0), (2, 1.0), (3, 0.5)],
        ] {
            for unit in [Unit::Nats, Unit::Share] {
                let svg = svg(history, unit);
                assert!(
                    svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"),
                    "{svg}"
                );
                assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            }
        }
        let curves = svg(&[(1, 0.9), (2, 0.4)], Unit::Share);
        assert!(curves.contains("polyline") && curves.contains("epoch") && curves.contains(" %"));
    }

    #[test]
    fn the_page_replaces_the_very_colours_that_are_drawn() {
        let style = include_str!("style.css");
        for RGBColor(red, green, blue) in [TRAINING, VALIDATION, FRAME] {
            let colour = format!("\"#{red:02X}{green:02X}{blue:02X}\"");
            assert!(style.contains(&colour), "style.css does not replace {colour}");
            assert!(
                svg(&[(1, 0.9), (2, 0.4)], Unit::Nats).contains(&colour),
                "{colour} is not drawn"
            );
        }
    }
}
