//! How good the answers are: accuracy, loss, per-class figures, confusion, and whether the confidence knows.
//!
//! In: for each picture its true label, if it has one, and the model's answer. Out: an [`Evaluation`], as text or
//! JSON. Never: I/O, a model, a threshold of its own.
//!
//! Divisions by zero follow one rule: a figure whose denominator is zero does not exist (`None`, JSON `null`,
//! `-` in tables) and takes no part in means.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::calibrate::expected_calibration_error;
use crate::domain::{INPUT_LEN, INPUT_SIDE, LABEL_COUNT, Label, Prediction, Scores, Thresholds};

mod decisions;

pub use decisions::Decisions;

/// Probabilities are kept this far from 0 and 1 in the loss, as Keras keeps them.
const LOSS_CLIP: f64 = 1e-7;

/// One picture's truth and the model's answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    /// The true label; `None` means 'none of the classes'.
    pub truth: Option<Label>,
    /// The model's answer.
    pub prediction: Prediction,
}

impl Judged {
    /// Whether the likeliest label is the true one.
    pub fn is_right(&self) -> bool {
        self.truth == Some(self.prediction.scores.top().0)
    }
}

/// Figures over a set of pictures; those of one class or of correctness count labelled pictures alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Pictures that belong to a class.
    pub images: u64,
    /// Pictures that belong to none of the classes.
    pub unlabelled: u64,
    /// Share of labelled pictures whose likeliest label is the true one.
    pub accuracy: Option<f64>,
    /// Mean cross-entropy in nats: -ln of the true label's probability, clipped to 1e-7..=1-1e-7.
    pub loss: Option<f64>,
    /// Mean recall over the classes that are present.
    pub balanced_accuracy: Option<f64>,
    /// One row a class, in label order.
    pub per_class: Vec<ClassRow>,
    /// How many pictures of each true class (row) were taken for each class (column), in label order.
    pub confusion: [[u64; LABEL_COUNT]; LABEL_COUNT],
    /// How well labelled pictures are told from unlabelled ones, by [`Prediction::knownness`]: the area under the ROC
    /// curve, which is the chance that a labelled picture has the higher value, ties counting half. `None` without
    /// pictures of both kinds.
    pub known_unknown_auroc: Option<f64>,
    /// Mean difference between confidence and share of right answers over the labelled pictures, 0..=1; see
    /// [`expected_calibration_error`].
    #[serde(default)]
    pub expected_calibration_error: Option<f64>,
    /// What the model's thresholds make of the pictures; `None` where it was not asked.
    #[serde(flatten)]
    pub decisions: Option<Decisions>,
}

/// Figures of one class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassRow {
    /// The class.
    pub label: Label,
    /// Pictures that are of this class.
    pub support: u64,
    /// Share of the pictures taken for this class that are; `None` if none was.
    pub precision: Option<f64>,
    /// Share of the pictures of this class that were taken for it; `None` if there is none.
    pub recall: Option<f64>,
    /// 2 * hits / (support + predicted); `None` if the class neither occurs nor was predicted.
    pub f1: Option<f64>,
}

impl Evaluation {
    /// Judges a set of answers and what thresholds make of them.
    pub fn with_thresholds(judged: &[Judged], thresholds: &Thresholds) -> Self {
        Self {
            decisions: Some(Decisions::of(judged, thresholds)),
            ..Self::of(judged)
        }
    }

    /// Judges a set of answers; the order of the pictures does not matter but for rounding in the loss.
    pub fn of(judged: &[Judged]) -> Self {
        let mut confusion = [[0u64; LABEL_COUNT]; LABEL_COUNT];
        let (mut loss_sum, mut known, mut unknown) = (0.0, Vec::new(), Vec::new());
        for Judged { truth, prediction } in judged {
            let (top, _) = prediction.scores.top();
            match truth {
                Some(truth) => {
                    confusion[truth.index()][top.index()] += 1;
                    loss_sum += cross_entropy(&prediction.scores, *truth);
                    known.push(prediction.knownness());
                }
                None => unknown.push(prediction.knownness()),
            }
        }
        let (confidences, correct): (Vec<f32>, Vec<bool>) = judged
            .iter()
            .filter(|one| one.truth.is_some())
            .map(|one| (one.prediction.top().confidence.get(), one.is_right()))
            .unzip();
        let images = known.len() as u64;
        let hits: u64 = (0..LABEL_COUNT).map(|class| confusion[class][class]).sum();
        let per_class: Vec<_> = Label::all()
            .map(|label| ClassRow::of(label, &confusion))
            .collect();
        Self {
            images,
            unlabelled: unknown.len() as u64,
            accuracy: share(hits, images),
            loss: (images > 0).then(|| loss_sum / images as f64),
            balanced_accuracy: mean(per_class.iter().filter_map(|row| row.recall)),
            per_class,
            confusion,
            known_unknown_auroc: auroc(&known, &unknown),
            expected_calibration_error: expected_calibration_error(&confidences, &correct),
            decisions: None,
        }
    }

    /// Precision, recall and F1 of each class, aligned, a line each.
    pub fn per_class_table(&self) -> String {
        let mut rows = vec![["class", "support", "precision", "recall", "F1"].map(String::from)];
        rows.extend(self.per_class.iter().map(|row| {
            [
                row.label.to_string(),
                row.support.to_string(),
                percent(row.precision),
                percent(row.recall),
                percent(row.f1),
            ]
        }));
        aligned(&rows)
    }

    /// Counts with a row for each true class and a column for each predicted one, aligned, a line each.
    pub fn confusion_table(&self) -> String {
        let mut header = vec!["true \\ taken for".to_owned()];
        header.extend(Label::all().map(|label| short_name(label).to_owned()));
        let mut rows = vec![header];
        for (label, counts) in Label::all().zip(&self.confusion) {
            let mut row = vec![label.to_string()];
            row.extend(counts.iter().map(|&count| {
                if count == 0 {
                    "·".into()
                } else {
                    count.to_string()
                }
            }));
            rows.push(row);
        }
        aligned(&rows)
    }
}

impl ClassRow {
    fn of(label: Label, confusion: &[[u64; LABEL_COUNT]; LABEL_COUNT]) -> Self {
        let class = label.index();
        let hits = confusion[class][class];
        let support: u64 = confusion[class].iter().sum();
        let predicted: u64 = confusion.iter().map(|row| row[class]).sum();
        Self {
            label,
            support,
            precision: share(hits, predicted),
            recall: share(hits, support),
            f1: share(2 * hits, support + predicted),
        }
    }
}

impl fmt::Display for Evaluation {
    /// The summary and both tables, for a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.4}"));
        writeln!(f, "images             {}", self.images)?;
        if self.unlabelled > 0 {
            writeln!(f, "of no class        {}", self.unlabelled)?;
        }
        writeln!(f, "accuracy           {}", percent(self.accuracy))?;
        writeln!(f, "balanced accuracy  {}", percent(self.balanced_accuracy))?;
        writeln!(f, "loss               {}", number(self.loss))?;
        let error = percent(self.expected_calibration_error);
        writeln!(f, "calibration error  {error} (expected)")?;
        if self.unlabelled > 0 {
            let auroc = number(self.known_unknown_auroc);
            writeln!(f, "known / unknown    {auroc} (area under the ROC curve)")?;
        }
        if let Some(decisions) = &self.decisions {
            write!(f, "{}", decisions.in_words())?;
        }
        writeln!(f, "\n{}", self.per_class_table())?;
        write!(f, "{}", self.confusion_table())
    }
}

/// The area under the ROC curve of a value that should be higher for `positives` than for `negatives`; ties
/// count half. `None` if either is empty. By ranks (Mann and Whitney), O(n log n).
///
/// The values must not be NaN; those that are count as equal to all.
pub fn auroc(positives: &[f32], negatives: &[f32]) -> Option<f64> {
    let pairs = positives.len() as f64 * negatives.len() as f64;
    if pairs == 0.0 {
        return None;
    }
    let mut values: Vec<(f32, bool)> = positives
        .iter()
        .map(|&value| (value, true))
        .chain(negatives.iter().map(|&value| (value, false)))
        .collect();
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    // Counted in halves, so that the sum is exact.
    let (mut half_wins, mut negatives_below) = (0u64, 0u64);
    for ties in values.chunk_by(|a, b| a.0 == b.0) {
        let positive = ties.iter().filter(|(_, is_positive)| *is_positive).count() as u64;
        let negative = ties.len() as u64 - positive;
        half_wins += positive * (2 * negatives_below + negative);
        negatives_below += negative;
    }
    Some(half_wins as f64 / 2.0 / pairs)
}

/// One 28x28 input as 14 lines of 28 characters for a terminal, two rows a line as half blocks in 24-bit grey.
pub fn draw_in_colour(values: &[f32; INPUT_LEN]) -> String {
    let grey = |index: usize| (values[index].clamp(0.0, 1.0) * 255.0).round() as u8;
    let mut text = String::new();
    for row in (0..INPUT_SIDE).step_by(2) {
        for column in 0..INPUT_SIDE {
            let (upper, lower) = (
                grey(row * INPUT_SIDE + column),
                grey((row + 1) * INPUT_SIDE + column),
            );
            text.push_str(&format!(
                "\x1b[38;2;{upper};{upper};{upper}m\x1b[48;2;{lower};{lower};{lower}m▀"
            ));
        }
        text.push_str("\x1b[0m\n");
    }
    text
}

/// One 28x28 input as 28 lines of 56 characters for what shows no colour, two characters a pixel.
pub fn draw_as_text(values: &[f32; INPUT_LEN]) -> String {
    const SHADES: [char; 5] = [' ', '░', '▒', '▓', '█'];
    let mut text = String::new();
    for row in values.chunks_exact(INPUT_SIDE) {
        for value in row {
            let shade = (value.clamp(0.0, 1.0) * (SHADES.len() - 1) as f32).round() as usize;
            text.extend([SHADES[shade]; 2]);
        }
        text.push('\n');
    }
    text
}

fn cross_entropy(scores: &Scores, truth: Label) -> f64 {
    let probability = f64::from(scores.values()[truth.index()]);
    -probability.clamp(LOSS_CLIP, 1.0 - LOSS_CLIP).ln()
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0u64), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / count as f64)
}

fn percent(share: Option<f64>) -> String {
    share.map_or("-".into(), |share| format!("{:.2} %", share * 100.0))
}

/// A name that is narrow enough for a column.
pub(super) fn short_name(label: Label) -> &'static str {
    const SHORT: [&str; LABEL_COUNT] = [
        "T-shirt", "Trouser", "Pullov.", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Boot",
    ];
    SHORT[label.index()]
}

/// Columns as wide as their widest cell, the first to the left, the others to the right, two spaces between.
fn aligned<Row: AsRef<[String]>>(rows: &[Row]) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        let cells = row.as_ref();
        widths.resize(widths.len().max(cells.len()), 0);
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in rows {
        for (column, (cell, &width)) in row.as_ref().iter().zip(&widths).enumerate() {
            match column {
                0 => text.push_str(&format!("{cell:<width$}")),
                _ => text.push_str(&format!("  {cell:>width$}")),
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests;
