//! A network's numbers as predictions.
//!
//! In: what one run put out. Out: a prediction a picture, or what is wrong with it. Never: a value that is no
//! probability passed on; the library that ran it.

use super::classifier::ClassifyError;
use crate::domain::{Confidence, LABEL_COUNT, ModelId, ParseError, Prediction, Scores};

/// How far rounding may carry a probability out of 0..=1 before it counts as wrong.
const ROUNDING: f32 = 1e-5;

/// One output of one run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output<'a> {
    /// Its name in the graph.
    pub(super) name: &'a str,
    /// Row after row, one a picture.
    pub(super) values: &'a [f32],
}

/// What one run put out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outputs<'a> {
    /// Who answers.
    pub(super) model: &'a ModelId,
    /// How many pictures it was asked about.
    pub(super) pictures: usize,
    /// Ten values a picture.
    pub(super) probabilities: Output<'a>,
    /// One value a picture, where the network has this output.
    pub(super) unknown: Option<Output<'a>>,
}

impl Outputs<'_> {
    /// The predictions, in the pictures' order; what rounding carried past 0 or 1 is put back.
    pub(super) fn predictions(&self) -> Result<Vec<Prediction>, ClassifyError> {
        let scores = self.rows::<LABEL_COUNT>(self.probabilities)?;
        let unknown = self.unknown.map(|output| self.rows::<1>(output)).transpose()?;
        let prediction = |index: usize, row: &[f32; LABEL_COUNT]| -> Result<Prediction, ParseError> {
            Ok(Prediction {
                scores: Scores::new(row.map(rounded))?,
                unknown: unknown
                    .map(|rows| Confidence::new(rounded(rows[index][0])))
                    .transpose()?,
            })
        };
        let checked = scores.iter().enumerate().map(|(index, row)| {
            prediction(index, row).map_err(|source| ClassifyError::NotAProbability {
                model: self.model.clone(),
                position: index + 1,
                pictures: self.pictures,
                source,
            })
        });
        checked.collect()
    }

    fn rows<'a, const WIDTH: usize>(&self, output: Output<'a>) -> Result<&'a [[f32; WIDTH]], ClassifyError> {
        let (rows, rest) = output.values.as_chunks::<WIDTH>();
        if rows.len() == self.pictures && rest.is_empty() {
            return Ok(rows);
        }
        Err(ClassifyError::Shape {
            model: self.model.clone(),
            pictures: self.pictures,
            values: output.values.len(),
            output: output.name.to_owned(),
            expected: WIDTH,
        })
    }
}

fn rounded(value: f32) -> f32 {
    if (-ROUNDING..=1.0 + ROUNDING).contains(&value) {
        value.clamp(0.0, 1.0)
    } else {
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Severity;
    use crate::model::ModelBundle;

    fn predictions(
        probabilities: &[f32],
        unknown: Option<&[f32]>,
        pictures: usize,
    ) -> Result<Vec<Prediction>, ClassifyError> {
        let output = |name, values| Output { name, values };
        Outputs {
            model: ModelBundle::embedded().id(),
            pictures,
            probabilities: output("probabilities", probabilities),
            unknown: unknown.map(|values| output("unknown", values)),
        }
        .predictions()
    }

    #[test]
    fn answers_that_are_no_probabilities_name_the_model() {
        let model = ModelBundle::embedded().id().clone();
        for wrong in [f32::NAN, f32::INFINITY, 1.1, -0.1] {
            let mut values = [0.1; 20];
            values[13] = wrong;
            for found in [
                predictions(&values, None, 2),
                predictions(&[0.1; 20], Some(&[0.5, wrong]), 2),
            ] {
                let error = found.unwrap_err();
                assert_eq!(error.severity(), Severity::Fatal);
                let text = error.to_string();
                assert!(
                    text.contains(model.as_str()) && text.contains("picture 2 of 2"),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn another_number_of_values_is_refused_with_the_output_s_name() {
        for (values, unknown, pictures, output) in [
            (&[0.1; 19][..], None, 2, "probabilities"),
            (&[0.1; 20], None, 3, "probabilities"),
            (&[0.1; 10], None, 2, "probabilities"),
            (&[0.1; 20], Some(&[0.5][..]), 2, "unknown"),
            (&[0.1; 10], Some(&[0.5, 0.5]), 1, "unknown"),
        ] {
            let error = predictions(values, unknown, pictures).unwrap_err();
            assert!(matches!(error, ClassifyError::Shape { .. }), "{error}");
            assert!(error.to_string().contains(output), "{error}");
        }
    }

    #[test]
    fn rounding_past_the_ends_is_put_back() {
        let mut values = [0.0; 10];
        values[0] = 1.000_000_1;
        values[1] = -1e-7;
        let found = predictions(&values, Some(&[1.000_001]), 1).unwrap()[0];
        assert_eq!(found.scores.values()[..2], [1.0, 0.0]);
        assert_eq!(found.unknown.map(Confidence::get), Some(1.0));
    }

    #[test]
    fn each_picture_has_its_own_unknown_score_or_none() {
        let found = predictions(&[0.1; 20], Some(&[0.25, 0.75]), 2).unwrap();
        let unknown: Vec<_> = found.iter().map(|one| one.unknown.map(Confidence::get)).collect();
        assert_eq!(unknown, [Some(0.25), Some(0.75)]);
        assert_eq!(predictions(&[0.1; 10], None, 1).unwrap()[0].unknown, None);
    }
}
