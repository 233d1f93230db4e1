//! A report of a real, small training: what is in it, that nothing is fetched, and that it is read again.

use std::time::SystemTime;

use super::*;
use crate::domain::{INPUT_LEN, Scores};
use crate::training::corrections::Unusable;
use crate::training::dataset::{DataSet, Provenance};
use crate::training::evaluate::Judged;
use crate::training::gate::{Answer, Candidate, Cost, GateRules, Measured, WarmUp, judge};
use crate::training::lessons::Photos;
use crate::training::network::Architecture;
use crate::training::network::plain::Plain;
use crate::training::summary;
use crate::training::synthetic;
use crate::training::train::{Checkpointing, TrainingJob, train_blocking};

const SMALL: Architecture = Architecture::Plain(Plain {
    filters: [8, 16, 16],
    hidden: 16,
    block_dropout: 0.25,
    hidden_dropout: 0.3,
});

/// Of four epochs on made-up pictures, not long enough to be right about everything.
fn small_report() -> Report {
    let parameters = TrainParameters {
        epochs: 4,
        batch_size: 32,
        ..TrainParameters::default()
    };
    let data = DataSet {
        train: synthetic::images(300, 1),
        test: synthetic::images(200, 2),
        files: synthetic::files("a"),
    };
    trained_report(SMALL, parameters, data)
}

/// Trains, and tells of it.
fn trained_report(architecture: Architecture, parameters: TrainParameters, data: DataSet) -> Report {
    let DataSet {
        train: images,
        test,
        files: data,
    } = data;
    let started_at: Timestamp = SystemTime::now().into();
    let job = TrainingJob {
        architecture,
        parameters: &parameters,
        images: &images,
        photos: &Photos::default(),
        files: &data,
        checkpoint: Checkpointing::Off,
    };
    let trained = train_blocking(&job, &mut ()).unwrap();
    let best = trained.best.unwrap();
    let values: Vec<f32> = test
        .pixels
        .iter()
        .map(|&pixel| f32::from(pixel) / 255.0)
        .collect();
    let scores: Vec<Prediction> = best
        .network
        .probabilities(&values)
        .into_iter()
        .map(|(values, _)| Scores::new(values).unwrap().into())
        .collect();
    let judged = |scores: &[Prediction]| -> Vec<Judged> {
        let pairs = test.labels.iter().zip(scores);
        pairs
            .map(|(&truth, &prediction)| Judged {
                truth: Some(truth),
                prediction,
            })
            .collect()
    };
    Report {
        run: Some(12),
        trigger: Some(Trigger::Schedule),
        hangtag_version: env!("CARGO_PKG_VERSION").into(),
        started_at,
        ended_at: SystemTime::now().into(),
        peak_memory_bytes: peak_memory_bytes_blocking(),
        layers: summary::layers(&architecture),
        data,
        corrections: Some(MaterialSummary {
            trained_on: 80,
            repetitions: 3,
            share: 0.3,
            held_out: 20,
            unknown: 4,
            unusable: vec![Unusable {
                hash: "00".repeat(32),
                error: "could not read the corrected picture <gone>.png".into(),
            }],
        }),
        epochs: trained.history.iter().map(EpochFigures::from).collect(),
        chosen_epoch: best.epoch,
        model: ModelId::from_sha256(&"0123456789abcdef".repeat(4)).unwrap(),
        model_bytes: 970_123,
        evaluation: Evaluation::of(&judged(&scores)),
        reliability: Vec::new(),
        calibration: None,
        photos: Some(Evaluation::of(&judged(&scores[..20]))),
        samples: Samples::of(&test, &scores),
        verdict: Some(verdict(&test, &scores)),
        parameters,
    }
}

/// Against a model that is always right.
fn verdict(test: &Images, scores: &[Prediction]) -> Verdict {
    let cost = Cost {
        multiply_adds: 5_000_000,
        file_bytes: 970_123,
    };
    let measured = |given: &dyn Fn(usize) -> Label| Measured {
        test: test
            .labels
            .iter()
            .enumerate()
            .map(|(index, &truth)| Answer {
                truth,
                given: given(index),
            })
            .collect(),
        photos: Vec::new(),
        audited: Vec::new(),
        cost,
    };
    let candidate = Candidate {
        measured: measured(&|index| scores[index].scores.top().0),
        parity_difference: 3e-7,
        warm_up: WarmUp::Finite,
        forgotten: 0,
    };
    let in_service = measured(&|index| test.labels[index]);
    let rules = GateRules {
        min_accuracy: 0.88,
        margin: 0.005,
        max_class_drop: 0.03,
        max_parity_difference: 1e-4,
        max_cost: 2.0,
        min_photos: 100,
    };
    judge(&candidate, Some(&in_service), &rules).unwrap()
}

/// For the eye: `HANGTAG_SAMPLE_REPORT=FOLDER cargo test --lib page_to_look_at -- --ignored`.
#[test]
#[ignore = "writes a page to look at; needs Fashion-MNIST in ../shared and a folder in HANGTAG_SAMPLE_REPORT"]
fn a_page_to_look_at() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fashion-mnist");
    let data = DataSet::load_blocking(&shared, Provenance::Official).unwrap();
    let parameters = TrainParameters {
        epochs: 12,
        limit_images: Some(3_000),
        schedule: crate::domain::RateSchedule::Cosine,
        ..TrainParameters::default()
    };
    let folder = std::env::var_os("HANGTAG_SAMPLE_REPORT").unwrap();
    let report = trained_report(Architecture::REFERENCE, parameters, data);
    report.write_blocking(Path::new(&folder)).unwrap();
}

#[test]
fn a_training_is_told_in_one_page_that_fetches_and_runs_nothing() {
    let report = small_report();
    let folder = tempfile::tempdir().unwrap();
    report.write_blocking(folder.path()).unwrap();
    let html = std::fs::read_to_string(folder.path().join(HTML_FILE)).unwrap();
    for foreign in [
        "http://", "https://", "<script", "<link", "@import", "url(", "src=\"/", "<iframe",
    ] {
        // The namespace of SVG is a name, not an address that is fetched.
        let namespaces = html.matches("xmlns=\"http://www.w3.org/2000/svg\"").count();
        let found = html.matches(foreign).count() - if foreign == "http://" { namespaces } else { 0 };
        assert_eq!(found, 0, "{foreign}");
    }
    for part in [
        "<!DOCTYPE html>",
        "default-src 'none'",
        "Training run 12",
        "not promoted",
        "by the schedule",
        "Accuracy",
        "polyline",
        "Ankle boot",
        "data:image/png;base64,iVBOR",
        "convolution 3x3, 1 -&gt; 8, ReLU",
        &"a".repeat(64),
        "&lt;gone&gt;.png",
        "Corrected photos of the shop",
    ] {
        assert!(html.contains(part), "{part} is missing");
    }
    let samples = report.samples.right.len() + report.samples.wrong.len();
    assert_eq!(html.matches("<img").count(), samples);
}

#[test]
fn a_report_is_read_again_as_it_was_written() {
    let mut report = small_report();
    report.epochs[1].loss = EpochFigures::from(&EpochRecord {
        epoch: 2,
        seconds: 1.0,
        loss: f64::NAN,
        accuracy: 0.1,
        val_loss: f64::INFINITY,
        val_accuracy: 0.1,
    })
    .loss;
    assert_eq!(report.epochs[1].loss, None);
    let folder = tempfile::tempdir().unwrap();
    report.write_blocking(folder.path()).unwrap();
    // All figures as the page shows them: reading JSON may change a number's last bit.
    let again = Report::read_blocking(folder.path()).unwrap();
    assert_eq!(again.to_html(), report.to_html());
    assert_eq!(
        (&again.samples, again.started_at),
        (&report.samples, report.started_at)
    );
    // What the gate decides later is added to it.
    report.verdict = None;
    report.write_blocking(folder.path()).unwrap();
    let again = Report::read_blocking(folder.path()).unwrap();
    assert_eq!(again.verdict, None);
    assert!(!again.to_html().contains("<h2>Gate</h2>"));
}

#[test]
fn a_report_that_is_none_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = Report::read_blocking(folder.path()).unwrap_err().to_string();
    assert!(missing.contains(JSON_FILE), "{missing}");
    std::fs::write(folder.path().join(JSON_FILE), "{\"run\": 1}").unwrap();
    let broken = Report::read_blocking(folder.path()).unwrap_err().to_string();
    assert!(broken.contains(JSON_FILE) && broken.contains("line"), "{broken}");
}

#[test]
fn samples_are_some_right_ones_of_each_class_and_the_surest_mistakes() {
    let images = synthetic::images(100, 3);
    // Right but for the first thirty, which are taken for the next class with a confidence that falls.
    let scores: Vec<Prediction> = (0..100)
        .map(|index| {
            let class = if index < 30 { (index + 1) % 10 } else { index % 10 };
            let mut values = [0.0; 10];
            values[class] = if index < 30 {
                0.9 - index as f32 / 100.0
            } else {
                0.5
            };
            Scores::new(values).unwrap().into()
        })
        .collect();
    let samples = Samples::of(&images, &scores);
    let wrong: Vec<usize> = samples.wrong.iter().map(|sample| sample.index).collect();
    assert_eq!(wrong, (0..20).collect::<Vec<_>>());
    assert_eq!(samples.right.len(), 20);
    for (place, sample) in samples.right.iter().enumerate() {
        assert_eq!((sample.truth.index(), sample.answer), (place / 2, sample.truth));
    }
    let decoded = image::load_from_memory(&samples.wrong[0].png)
        .unwrap()
        .into_luma8();
    assert_eq!(decoded.as_raw().as_slice(), &images.pixels[..INPUT_LEN]);
}

#[test]
fn a_network_that_learned_nothing_can_be_told_too() {
    let mut report = small_report();
    report.epochs.truncate(1);
    report.samples = Samples::default();
    report.evaluation = Evaluation::of(&[]);
    report.photos = None;
    report.corrections = None;
    report.run = None;
    report.trigger = None;
    report.peak_memory_bytes = None;
    let html = report.to_html();
    assert!(html.contains("by a command") && !html.contains("NaN"), "{html}");
}
