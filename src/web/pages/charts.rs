//! Curves of a training run, as SVG.
//!
//! In: figures an epoch. Out: two small charts, loss and accuracy. Never: style attributes; colours come from the sheet.

use std::fmt::Write;

use maud::{Markup, html};

use crate::store::EpochRow;

const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 130.0;
const LEFT: f64 = 40.0;
const BOTTOM: f64 = 18.0;
const TOP: f64 = 8.0;

/// Loss and accuracy side by side; nothing where there is no epoch yet.
pub fn curves(epochs: &[EpochRow]) -> Markup {
    if epochs.is_empty() {
        return html! { p.muted { "No epoch has ended yet." } };
    }
    let series = |figure: fn(&EpochRow) -> f64| -> Vec<(f64, f64)> {
        let points = epochs.iter().map(|row| (f64::from(row.epoch), figure(row)));
        points.filter(|(_, value)| value.is_finite()).collect()
    };
    html! {
        div.charts {
            (chart("Loss", &series(|row| row.loss), &series(|row| row.val_loss), |value| format!("{value:.2}")))
            (chart("Accuracy", &series(|row| row.accuracy), &series(|row| row.val_accuracy), |value| {
                format!("{:.0} %", value * 100.0)
            }))
        }
        p.legend {
            span.key-train { "training" } " " span.key-val { "validation" }
        }
    }
}

fn chart(name: &str, train: &[(f64, f64)], val: &[(f64, f64)], shown: fn(f64) -> String) -> Markup {
    let Some(frame) = Frame::around(train.iter().chain(val)) else {
        return html! { p.muted { (name) ": not a number" } };
    };
    let last = |series: &[(f64, f64)]| series.last().map(|(_, value)| shown(*value)).unwrap_or_default();
    html! {
        figure {
            figcaption { (name) " " span.muted { (last(val)) } }
            svg.chart viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img"
                aria-label={ (name) ": training " (last(train)) ", validation " (last(val)) } {
                @for value in [frame.low, (frame.low + frame.high) / 2.0, frame.high] {
                    line.rule x1=(LEFT) x2=(WIDTH) y1=(frame.y(value)) y2=(frame.y(value)) {}
                    text x=(LEFT - 6.0) y=(frame.y(value) + 4.0) text-anchor="end" { (shown(value)) }
                }
                text x=(LEFT) y=(HEIGHT - 3.0) { "1" }
                text x=(WIDTH) y=(HEIGHT - 3.0) text-anchor="end" { (frame.last) }
                polyline.train points=(frame.points(train)) {}
                polyline.val points=(frame.points(val)) {}
                @for (series, class) in [(train, "train"), (val, "val")] {
                    @if let Some((x, y)) = series.last() {
                        circle class=(class) cx=(frame.x(*x)) cy=(frame.y(*y)) r="2.5" {}
                    }
                }
            }
        }
    }
}

/// What the axes span.
struct Frame {
    low: f64,
    high: f64,
    last: f64,
}

impl Frame {
    fn around<'p>(points: impl Iterator<Item = &'p (f64, f64)>) -> Option<Frame> {
        let mut frame: Option<Frame> = None;
        for (epoch, value) in points {
            let frame = frame.get_or_insert(Frame {
                low: *value,
                high: *value,
                last: *epoch,
            });
            frame.low = frame.low.min(*value);
            frame.high = frame.high.max(*value);
            frame.last = frame.last.max(*epoch);
        }
        // A flat line lies in the middle of something.
        frame.map(|frame| match frame.high - frame.low {
            span if span < 1e-9 => Frame {
                low: frame.low - 0.01,
                high: frame.high + 0.01,
                ..frame
            },
            _ => frame,
        })
    }

    fn x(&self, epoch: f64) -> f64 {
        let span = (self.last - 1.0).max(1.0);
        round(LEFT + (epoch - 1.0) / span * (WIDTH - LEFT - 4.0))
    }

    fn y(&self, value: f64) -> f64 {
        let share = (value - self.low) / (self.high - self.low);
        round(TOP + (1.0 - share) * (HEIGHT - TOP - BOTTOM))
    }

    fn points(&self, series: &[(f64, f64)]) -> String {
        let mut text = String::new();
        for (epoch, value) in series {
            let _ = write!(text, "{},{} ", self.x(*epoch), self.y(*value));
        }
        text
    }
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(epoch: u32, loss: f64) -> EpochRow {
        EpochRow {
            epoch,
            seconds: 1.0,
            loss,
            accuracy: 0.9,
            val_loss: loss,
            val_accuracy: 0.9,
        }
    }

    #[test]
    fn one_epoch_and_no_number_draw_something() {
        assert!(curves(&[]).into_string().contains("No epoch"));
        assert!(curves(&[epoch(1, 0.5)]).into_string().contains("polyline"));
        let diverged = curves(&[epoch(1, f64::NAN)]).into_string();
        assert!(
            diverged.contains("not a number") && !diverged.contains("NaN"),
            "{diverged}"
        );
    }

    #[test]
    fn lower_is_lower_down() {
        let frame = Frame::around([(1.0, 0.0), (5.0, 1.0)].iter()).unwrap();
        assert!(frame.y(0.0) > frame.y(1.0) && frame.x(1.0) < frame.x(5.0));
    }
}
