//! `hangtag learn-curve`.
//!
//! In: a shop's labelled photos, and how many of each class are to be taken as corrections. Out: for each size, what a
//! rebuild with them is worth on the photos that it has not seen; perhaps a picture of it. Never: a write into the store
//! or the models folder, a look at a photo's name, a model put into service.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{anyhow, bail};
use clap::Args;

use super::dataset::load_or_fetch_blocking;
use super::drawn::Drawn;
use super::labelled::{LabelledPhoto, prepare_blocking, read_labels};
use super::signals::listen_for_signals;
use super::train::opener;
use super::{Ended, Format, INTERRUPTED, UsageError, output};
use crate::config::Config;
use crate::daemon;
use crate::domain::{DevicePolicy, Thresholds};
use crate::durable;
use crate::model::ModelBundle;
use crate::training::dataset::DataSet;
use crate::training::learning_curve::{Answers, Collection, Counts, Point, Portion, Queues, Size, to_svg};
use crate::training::lessons::Photos;
use crate::training::network::Network;
use crate::training::parameters::TrainParameters;
use crate::training::perform::base_of;
use crate::training::rebuild::{OpenBundle, Outcome, Rebuild, Shop, rebuild_blocking};
use crate::training::scoring::score_photos;
use crate::training::train::{Checkpointing, Flow, Observer, Progress};

/// What corrections buy: rebuilds with more and more of a shop's labelled photos, scored on the others.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hangtag learn-curve --labels photos.csv                    0, 5, 10, 20 and 40 corrections of each class
  hangtag learn-curve --labels photos.csv --per-class 0,20 --unknown 100 --plot curve.svg
  hangtag learn-curve --labels photos.csv --seed 2 --format json

Each size goes on from the model in service (or the one that ships), learns the photos taken, as a rebuild does, and is scored on all
others. Seed and contents decide which are taken. Nothing is put into service.")]
pub struct LearnCurveArguments {
    /// A CSV with the columns file or path (relative to the CSV) and label (empty, none or unknown: none of the classes)
    #[arg(long, value_name = "FILE.csv")]
    labels: PathBuf,
    /// Photos of each class to take as corrections, one size after the other
    #[arg(
        long,
        value_name = "N,N,…",
        value_delimiter = ',',
        default_value = "0,5,10,20,40"
    )]
    per_class: Vec<usize>,
    /// Photos of none of the classes to take besides; without it, five for each photo of a class, at most a third of
    /// those there are
    #[arg(long, value_name = "N")]
    unknown: Option<usize>,
    /// Seed of the choice and of the training; without it, train.seed
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Draw mean recall and accepted share over the number of photos
    #[arg(long, value_name = "OUT.svg")]
    plot: Option<PathBuf>,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Measures every size and prints the curve; a signal ends it with the sizes that are done.
pub fn run(arguments: &LearnCurveArguments, config: &Config) -> anyhow::Result<Ended> {
    if let Some(path) = &arguments.plot {
        let drawn = Drawn {
            option: "--plot",
            path,
            ending: "svg",
            photo: None,
        };
        drawn.check(config)?;
    }
    let parameters = TrainParameters {
        seed: arguments.seed.unwrap_or(config.train.seed),
        ..TrainParameters::from(&config.train)
    };
    check_learning(config, &parameters)?;
    let collection = collect_blocking(&arguments.labels, config)?;
    let portions = portions(arguments, &collection, parameters.seed)?;
    let data = load_or_fetch_blocking(config)?;
    let (bundle, network) = base_blocking(config, &parameters, &data)?;
    let runtime = daemon::load_runtime_blocking(&config.runtime, DevicePolicy::Cpu)?;
    let on_cpu = config.on_cpu();
    let stop = Arc::new(AtomicBool::new(false));
    listen_for_signals(Arc::clone(&stop))?;
    let experiment = Experiment {
        base: (&bundle, &network),
        parameters: &parameters,
        collection: &collection,
        data: &data,
        config,
        open: &opener(&on_cpu, &runtime),
        stop: &stop,
    };
    let points = experiment.points_blocking(&portions)?;
    let is_whole = points.len() == portions.len();
    match arguments.format {
        Format::Json => output::print_json(&points)?,
        Format::Text => output::print(&in_words(&points, &bundle, parameters.seed))?,
    }
    match &arguments.plot {
        Some(path) if is_whole => durable::write_named_file(path, to_svg(&points).as_bytes())?,
        _ => {}
    }
    Ok(if is_whole { Ended::Well } else { INTERRUPTED })
}

/// Whether a rebuild by these settings learns corrections on top of what a network knows.
fn check_learning(config: &Config, parameters: &TrainParameters) -> anyhow::Result<()> {
    if !parameters.knows_unknown() {
        let message = format!(
            "train.architecture = {} with train.augmentation = {}: only a residual network trained on photo pictures learns corrections on top of what it knows; leave both settings out",
            parameters.architecture, parameters.augmentation
        );
        return Err(UsageError(message).into());
    }
    if config.retrain.correction_weight == 0.0 {
        let message = "retrain.correction_weight = 0: a rebuild learns no correction; 0.3 is usual";
        return Err(UsageError(message.into()).into());
    }
    Ok(())
}

/// What every size goes on from, as a quick rebuild does: the model in service, or the one that ships where that one has
/// learned corrections, is no residual network of the sizes that are trained here, or was trained on other data.
fn base_blocking(
    config: &Config,
    parameters: &TrainParameters,
    data: &DataSet,
) -> anyhow::Result<(ModelBundle, Network)> {
    let in_service = daemon::bundle_in_service_blocking(config)?;
    base_of(&in_service, parameters, &data.files).map_err(|why| {
        anyhow!(
            "{why}; train one (`hangtag train --out ./my-model`) and name it: --set inference.model=./my-model"
        )
    })
}

/// The photos of the list, each content once; what is left out is said.
fn collect_blocking(csv: &Path, config: &Config) -> anyhow::Result<Collection> {
    let (photos, rejected) = prepare_blocking(&read_labels(csv)?, config);
    if photos.is_empty()
        && let Some(first) = rejected.first()
    {
        bail!(
            "{}: none of its {} photos can be used, so that nothing can be learned; the first: {first}",
            csv.display(),
            rejected.len()
        );
    }
    for photo in &rejected {
        output::note(&format!("left out: {photo}"));
    }
    let contents: Vec<_> = photos
        .iter()
        .map(|photo| (photo.hash, photo.truth, &photo.input, photo.sketch))
        .collect();
    let collection = Collection::of(&contents).map_err(|contradiction| {
        let said = contradiction.rows.map(|row| {
            let LabelledPhoto { path, truth, .. } = &photos[row];
            format!("{} as {truth}", output::shown(&path.display().to_string()))
        });
        anyhow!(
            "{}: the same photo stands there with two labels: {}; put one of them right",
            csv.display(),
            said.join(", ")
        )
    })?;
    let more = photos.len() - collection.hashes.len();
    if more > 0 {
        output::note(&format!(
            "{more} rows hold a photo that another row holds, too; each photo counts once"
        ));
    }
    Ok(collection)
}

/// What each size takes, the smallest first; all of them are looked at before hours go into the first.
fn portions(
    arguments: &LearnCurveArguments,
    collection: &Collection,
    seed: u64,
) -> anyhow::Result<Vec<Portion>> {
    let queues = Queues::of(&collection.hashes, &collection.photos.truths, seed);
    let mut sizes = arguments.per_class.clone();
    sizes.sort_unstable();
    sizes.dedup();
    let portion = |per_class| {
        let unknown = arguments.unknown;
        let taken = queues.take(Size { per_class, unknown });
        taken.map_err(|error| UsageError(format!("{}: {error}", arguments.labels.display())).into())
    };
    // The largest first: what it lacks is the whole answer.
    let mut portions = sizes
        .into_iter()
        .rev()
        .map(portion)
        .collect::<anyhow::Result<Vec<_>>>()?;
    portions.reverse();
    Ok(portions)
}

/// What is the same for every size.
struct Experiment<'a> {
    base: (&'a ModelBundle, &'a Network),
    parameters: &'a TrainParameters,
    collection: &'a Collection,
    data: &'a DataSet,
    config: &'a Config,
    open: OpenBundle<'a>,
    stop: &'a AtomicBool,
}

impl Experiment<'_> {
    /// Every size, a line of progress each; fewer if a signal came.
    fn points_blocking(&self, portions: &[Portion]) -> anyhow::Result<Vec<Point>> {
        let mut points = Vec::with_capacity(portions.len());
        for portion in portions {
            let Some(point) = self.point_blocking(portion)? else {
                let (done, all) = (points.len(), portions.len());
                output::note(&format!("stopped; {done} of {all} sizes are done"));
                break;
            };
            tracing::info!("{}", in_one_line(&point));
            points.push(point);
        }
        Ok(points)
    }

    /// One size; `None` if a signal came.
    fn point_blocking(&self, portion: &Portion) -> anyhow::Result<Option<Point>> {
        let begun = Instant::now();
        let rebuilt;
        let bundle = if portion.per_class == 0 {
            self.base.0
        } else {
            tracing::info!(
                "{} photos a class: learning {}",
                portion.per_class,
                portion.learned.len()
            );
            match self.rebuild_blocking(portion)? {
                Some(bundle) => rebuilt = bundle,
                None => return Ok(None),
            }
            &rebuilt
        };
        let unseen = self.collection.photos.pick(&portion.unseen);
        let mut classifier = (self.open)(bundle).map_err(anyhow::Error::from_boxed)?;
        let predictions = score_photos(classifier.as_mut(), &unseen)?;
        let calibration = bundle.manifest().calibration.clone();
        let answers = Answers {
            model: bundle.id(),
            predictions: &predictions,
            thresholds: &calibration.map_or_else(Thresholds::unfounded, |known| known.thresholds),
            seconds: begun.elapsed().as_secs_f64(),
        };
        Ok(Some(Point::of(portion, &self.collection.photos.truths, &answers)))
    }

    /// As the service rebuilds from the model in service; `None` if a signal came.
    fn rebuild_blocking(&self, portion: &Portion) -> anyhow::Result<Option<ModelBundle>> {
        let Collection { photos, hashes } = self.collection;
        let learned: Vec<_> = portion.learned.iter().map(|&number| hashes[number]).collect();
        let rebuild = Rebuild {
            data: self.data,
            parameters: self.parameters,
            checkpoint: Checkpointing::Off,
            start: Some(self.base.1),
            shop: Shop {
                photos: &photos.pick(&portion.learned),
                hashes: &learned,
                photo_share: self.config.retrain.correction_weight,
                held_out: &Photos::default(),
                target_precision: self.config.tagging.target_precision,
            },
            fingerprint: None,
        };
        match rebuild_blocking(&rebuild, &mut Hearing(self.stop), self.open)? {
            Outcome::Rebuilt(rebuilt) => Ok(Some(rebuilt.bundle)),
            Outcome::Stopped(_) => Ok(None),
        }
    }
}

/// Hears signals.
struct Hearing<'a>(&'a AtomicBool);

impl Observer for Hearing<'_> {
    fn progress(&mut self, _progress: &Progress) -> Flow {
        match self.0.load(Ordering::Relaxed) {
            true => Flow::Stop,
            false => Flow::Continue,
        }
    }
}

fn in_one_line(point: &Point) -> String {
    format!(
        "{} photos a class: mean recall {}, {} accepted, of which {} right; {:.0} s",
        point.per_class,
        percent(point.mean_recall),
        percent(point.accepted_share),
        percent(point.accepted_precision),
        point.seconds
    )
}

fn in_words(points: &[Point], base: &ModelBundle, seed: u64) -> String {
    let head = [
        "per class",
        "learned",
        "unseen",
        "mean recall",
        "accuracy",
        "AUROC",
        "thresholds from",
        "accepted",
        "right of these",
        "right of all",
        "seconds",
    ];
    let rows: Vec<Vec<String>> = points.iter().map(row).collect();
    format!(
        "from model {}, seed {seed}; photos of the classes + of none of them\n\n{}\n\
         AUROC: photos of the classes against others. accepted: of the unseen photos of the classes.\n\
         right of these: of their accepted tags. right of all: of all accepted tags; one of a photo of none of the\n\
         classes is wrong. 0.0 % accepted: too few photos, or too often wrong, to prove that tags are right as often\n\
         as tagging.target_precision asks.\n",
        base.id(),
        output::table(&head, &rows)
    )
}

fn row(point: &Point) -> Vec<String> {
    let area = point.known_unknown_auroc;
    vec![
        point.per_class.to_string(),
        counted(point.learned),
        counted(point.unseen),
        percent(point.mean_recall),
        percent(point.accuracy),
        area.map_or("-".into(), |area| format!("{area:.3}")),
        point.thresholds_basis.to_string(),
        percent(point.accepted_share),
        percent(point.accepted_precision_known),
        percent(point.accepted_precision),
        format!("{:.0}", point.seconds),
    ]
}

fn counted(Counts { of_classes, unknown }: Counts) -> String {
    format!("{of_classes} + {unknown}")
}

fn percent(share: Option<f64>) -> String {
    share.map_or("-".into(), |share| format!("{:.1} %", share * 100.0))
}
