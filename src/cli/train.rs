//! `hangtag train`.
//!
//! In: the settings, the data set. Out: a bundle and what was measured on it; the run on record in the store.
//! Never: a model put into service (`hangtag models promote` does that).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::json;

use super::dataset::load_or_fetch_blocking;
use super::signals::listen_for_signals;
use super::{Ended, Format, INTERRUPTED, UsageError, output};
use crate::config::Config;
use crate::daemon;
use crate::domain::DevicePolicy;
use crate::model::{Classifier, ModelBundle, Runtime};
use crate::store::{EpochRow, NewRun, Reader, RunEnd, RunId, RunRow, RunState, RunTrigger, Store};
use crate::training::checkpoint::{self, CheckpointError, Identity};
use crate::training::dataset::DataSet;
use crate::training::evaluate::Evaluation;
use crate::training::job::{RunFolder, RunFolderError, RunLock};
use crate::training::parameters::LEAST_IMAGES;
use crate::training::perform::fingerprint;
use crate::training::rebuild::{Outcome, Rebuild, Rebuilt, Shop, rebuild_blocking};
use crate::training::summary;
use crate::training::train::{Checkpointing, EpochRecord, Flow, Observer, Progress, TrainParameters};

/// Train a model on Fashion-MNIST.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hangtag train                                 as the settings say; by default 52 epochs, some 11 minutes on two cores
  hangtag train --epochs 3 --out ./my-model     quick, into a folder of your own
  hangtag train --resume                        goes on where the last run was stopped
  hangtag train --summary                       the network's layers, no training

Then: hangtag models promote ./my-model --force")]
pub struct TrainArguments {
    /// Passes over the training images
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    epochs: Option<u32>,
    /// Seed; the same one gives the same bytes
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Where the bundle goes; without it, into the run's folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Use only the first N training images, at least 2
    #[arg(long, value_name = "N", value_parser = enough_images)]
    limit_images: Option<usize>,
    /// Go on with the last run that was stopped or failed, by the settings that it was begun with
    #[arg(long, conflicts_with = "limit_images")]
    resume: bool,
    /// Carry out the job in a run's folder: how the service trains in a process of its own
    #[arg(long, value_name = "FOLDER", hide = true)]
    run: Option<PathBuf>,
    /// Print the network's layers and end
    #[arg(long)]
    summary: bool,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// The answer of a finished training.
#[derive(Debug, Serialize)]
struct TrainAnswer<'a> {
    parameters: usize,
    epochs: &'a [EpochRecord],
    chosen_epoch: u32,
    test_accuracy: Option<f64>,
    test_loss: Option<f64>,
    model: String,
    bundle: &'a Path,
    run: i64,
    evaluation: &'a Evaluation,
}

/// Trains and prints what came of it.
pub fn run(arguments: &TrainArguments, config: &Config) -> anyhow::Result<Ended> {
    if arguments.summary {
        let rows = summary::layers(&TrainParameters::from(&config.train).network());
        match arguments.format {
            Format::Json => output::print_json(&rows)?,
            Format::Text => output::print(&summary::table(&rows))?,
        }
        return Ok(Ended::Well);
    }
    if let Some(folder) = &arguments.run {
        return super::train_run::run(folder, config);
    }
    let data = load_or_fetch_blocking(config)?;
    // Before hours of training, not after: without it nothing could be measured.
    let runtime = daemon::load_runtime_blocking(&config.runtime, DevicePolicy::Cpu)?;
    if let Some(out) = &arguments.out {
        try_to_write_in(out)?;
    }
    let on_cpu = config.on_cpu();
    let open = opener(&on_cpu, &runtime);
    let mut store = Store::open(&config.store_path(), config.durability.into())?;
    let started = begin((arguments, config), &data, &mut store)?;
    let checkpoint = started.folder.join("checkpoint");
    let checkpoint = if arguments.resume {
        Checkpointing::Resume(&checkpoint)
    } else {
        Checkpointing::Fresh(&checkpoint)
    };
    let fingerprint = fingerprint(&data.files, &started.parameters, (&[], 0.0, None));
    let rebuild = Rebuild {
        data: &data,
        parameters: &started.parameters,
        checkpoint,
        start: None,
        shop: Shop::none(config.tagging.target_precision),
        fingerprint: Some(&fingerprint),
    };
    let mut observer = Watching::new(&mut store, started.run, &data)?;
    let outcome = rebuild_blocking(&rebuild, &mut observer, &open);
    let stopped = observer.stop.load(Ordering::Relaxed);
    observer.bar.finish_and_clear();
    match outcome {
        Ok(Outcome::Rebuilt(rebuilt)) => {
            let folder = arguments
                .out
                .clone()
                .unwrap_or_else(|| started.folder.join("bundle"));
            let written = rebuilt.bundle.write(&folder).map_err(|error| {
                anyhow::anyhow!(
                    "{error}; what was trained is kept: `hangtag train --resume --out DIR` writes it elsewhere"
                )
            });
            finish(&mut store, started.run, &written, &rebuilt, &folder)?;
            written?;
            answer(arguments, &started, &rebuilt, &folder)?;
            Ok(Ended::Well)
        }
        Ok(Outcome::Stopped(history)) => {
            let reason = format!("stopped after {} whole epochs", history.len());
            end_run(&mut store, started.run, RunState::Stopped, reason.clone())?;
            match history.is_empty() {
                true => output::note(&reason),
                false => output::note(&format!("{reason}; `hangtag train --resume` goes on from there")),
            }
            Ok(INTERRUPTED)
        }
        Err(error) => {
            let state = if stopped {
                RunState::Stopped
            } else {
                RunState::Failed
            };
            end_run(&mut store, started.run, state, error.to_string())?;
            Err(error.into())
        }
    }
}

/// Opens exported bundles as the service would, on the CPU.
pub fn opener<'a>(
    on_cpu: &'a Config,
    runtime: &'a Runtime,
) -> impl Fn(&ModelBundle) -> Result<Box<dyn Classifier>, Box<dyn std::error::Error + Send + Sync>> + 'a {
    |bundle| Ok(daemon::open_bundle_blocking(on_cpu, runtime, bundle)?.into_one())
}

/// A folder that takes no file is found out before hours of training, too.
fn try_to_write_in(folder: &Path) -> Result<(), UsageError> {
    let trial = folder.join(".hangtag-trial");
    let tried = std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&trial, b""))
        .and_then(|()| std::fs::remove_file(&trial));
    tried.map_err(|error| {
        UsageError(format!(
            "--out {}: no bundle can be written there: {error}; name a folder that can be made and written",
            folder.display()
        ))
    })
}

fn enough_images(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(images) if images >= LEAST_IMAGES => Ok(images),
        Ok(_) => Err(format!(
            "at least {LEAST_IMAGES}: one is trained on, one validates"
        )),
        Err(_) => Err("write a whole number of images".into()),
    }
}

/// A run on record, with its folder.
struct Begun {
    run: RunId,
    folder: PathBuf,
    parameters: TrainParameters,
    /// Tells others that the run is alive.
    _lock: RunLock,
}

fn begin(
    (arguments, config): (&TrainArguments, &Config),
    data: &DataSet,
    store: &mut Store,
) -> anyhow::Result<Begun> {
    let mut parameters = TrainParameters {
        limit_images: arguments.limit_images,
        ..TrainParameters::from(&config.train)
    };
    parameters.epochs = arguments.epochs.unwrap_or(parameters.epochs);
    parameters.seed = arguments.seed.unwrap_or(parameters.seed);
    let mut checkpoint = None;
    daemon::close_dead_trainings_blocking(config, (&Reader::open(&config.store_path())?, store))?;
    if arguments.resume {
        let (old, path) = last_interrupted(config, |run| run.trigger == RunTrigger::Command)?;
        let run = old.id.0;
        let old: TrainParameters = serde_json::from_value(old.parameters)?;
        let differing = differing(&parameters, &old);
        if !differing.is_empty() {
            output::note(&format!(
                "run {run} was begun with {}, and is gone on with by these, not by what the settings are now",
                differing.join(", ")
            ));
        }
        parameters = TrainParameters {
            threads: parameters.threads,
            ..old
        };
        parameters.epochs = arguments.epochs.unwrap_or(parameters.epochs);
        parameters.seed = arguments.seed.unwrap_or(parameters.seed);
        checkpoint = Some(path);
    }
    // What cannot be begun leaves no run behind: the next `--resume` would take that one for what it is to go on with.
    parameters
        .check(data.train.len())
        .map_err(|error| UsageError(error.to_string()))?;
    if let Some(path) = &checkpoint {
        check_checkpoint_blocking(path, &parameters, data)?;
    }
    let started_at = SystemTime::now().into();
    let run = store.start_run(&NewRun::by_command(started_at, json!(parameters)))?;
    let folder = RunFolder::of(&config.runs_dir(), run.0);
    match lay_out(&folder, checkpoint.as_deref()) {
        Ok(lock) => Ok(Begun {
            run,
            folder: folder.path().to_owned(),
            parameters,
            _lock: lock,
        }),
        Err(error) => {
            end_run(store, run, RunState::Failed, error.to_string())?;
            Err(error.into())
        }
    }
}

/// What a run was begun with that is otherwise in the settings by now; but for what has an option of its own, which is held against it.
fn differing(settings: &TrainParameters, run: &TrainParameters) -> Vec<String> {
    let words = |parameters: &TrainParameters| {
        [
            ("architecture", parameters.architecture.to_string()),
            ("augmentation", parameters.augmentation.to_string()),
            ("batch_size", parameters.batch_size.to_string()),
            ("learning_rate", parameters.learning_rate.to_string()),
            ("schedule", parameters.schedule.to_string()),
            ("validation_share", parameters.validation_share.to_string()),
        ]
    };
    let pairs = words(settings).into_iter().zip(words(run));
    pairs
        .filter(|(now, then)| now != then)
        .map(|(_, (key, value))| format!("train.{key} = {value}"))
        .collect()
}

/// Seed and data may not change, and epochs only under a constant rate.
fn check_checkpoint_blocking(
    path: &Path,
    parameters: &TrainParameters,
    data: &DataSet,
) -> anyhow::Result<()> {
    let identity = Identity {
        architecture: parameters.network(),
        parameters,
        files: &data.files,
    };
    match checkpoint::read_blocking(path, &identity) {
        Ok(_) => Ok(()),
        Err(error @ CheckpointError::Other { .. }) => Err(UsageError(error.to_string()).into()),
        Err(error) => Err(error.into()),
    }
}

/// The run's folder, with the checkpoint it goes on from.
fn lay_out(folder: &RunFolder, checkpoint: Option<&Path>) -> Result<RunLock, RunFolderError> {
    folder.begin_blocking()?;
    let lock = folder.lock_blocking()?;
    if let Some(from) = checkpoint {
        folder.take_checkpoint_blocking(from)?;
    }
    Ok(lock)
}

/// The newest run that did not finish and left a checkpoint, and where that lies. One that is still under way stands in its way:
/// it may have gone on from that very checkpoint.
pub fn last_interrupted(
    config: &Config,
    is_of_kind: impl Fn(&RunRow) -> bool,
) -> anyhow::Result<(RunRow, PathBuf)> {
    let reader = Reader::open(&config.store_path())?;
    // More than anyone keeps unfinished.
    for run in reader.trained_runs(1_000)?.into_iter().filter(is_of_kind) {
        let folder = RunFolder::of(&config.runs_dir(), run.id.0);
        if run.state == RunState::Finished {
            break; // What was interrupted before a finished run has been overtaken by it.
        }
        if run.state == RunState::Running && folder.is_locked_blocking()? {
            let id = run.id.0;
            return Err(UsageError(format!(
                "run {id} is still under way; wait for it, or end it (Ctrl-C where it runs) and go on with it then"
            ))
            .into());
        }
        if folder.checkpoint_path().is_file() {
            return Ok((run, folder.checkpoint_path()));
        }
    }
    Err(UsageError(
        "there is no interrupted run with a checkpoint to resume; start anew without --resume".into(),
    )
    .into())
}

fn finish(
    store: &mut Store,
    run: RunId,
    written: &anyhow::Result<()>,
    rebuilt: &Rebuilt,
    folder: &Path,
) -> anyhow::Result<()> {
    let end = match written {
        Ok(()) => RunEnd {
            ended_at: SystemTime::now().into(),
            state: RunState::Finished,
            figures: Some(rebuilt.bundle.manifest().figures.clone()),
            reason: None,
            bundle: Some(std::path::absolute(folder)?),
            model: Some(rebuilt.bundle.id().clone()),
            verdict: None,
        },
        Err(error) => return end_run(store, run, RunState::Failed, error.to_string()),
    };
    Ok(store.finish_run(run, &end)?)
}

fn end_run(store: &mut Store, run: RunId, state: RunState, reason: String) -> anyhow::Result<()> {
    let end = RunEnd::without_result(state, SystemTime::now().into(), reason);
    Ok(store.finish_run(run, &end)?)
}

fn answer(arguments: &TrainArguments, begun: &Begun, rebuilt: &Rebuilt, folder: &Path) -> anyhow::Result<()> {
    match arguments.format {
        Format::Json => output::print_json(&TrainAnswer {
            parameters: begun.parameters.network().parameter_count(),
            epochs: &rebuilt.history,
            chosen_epoch: rebuilt.chosen_epoch,
            test_accuracy: rebuilt.evaluation.accuracy,
            test_loss: rebuilt.evaluation.loss,
            model: rebuilt.bundle.id().to_string(),
            bundle: folder,
            run: begun.run.0,
            evaluation: &rebuilt.evaluation,
        }),
        Format::Text => output::print(&format!(
            "{}\nmodel {} of epoch {} in {}\nto tag with it: hangtag models promote {} --force\n",
            rebuilt.evaluation,
            rebuilt.bundle.id(),
            rebuilt.chosen_epoch,
            folder.display(),
            folder.display(),
        )),
    }
}

/// Shows progress, writes each epoch into the store, hears signals.
struct Watching<'a> {
    store: &'a mut Store,
    run: RunId,
    bar: ProgressBar,
    stop: Arc<AtomicBool>,
    started: Instant,
    /// Epochs that were done in this process; the time left is reckoned from them.
    done_here: u32,
    epochs: u32,
}

impl<'a> Watching<'a> {
    fn new(store: &'a mut Store, run: RunId, data: &DataSet) -> anyhow::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let bar = ProgressBar::new(data.train.len() as u64);
        bar.set_style(ProgressStyle::with_template(
            "{msg} {wide_bar} {pos}/{len} {per_sec}",
        )?);
        output::keep_below(&bar);
        listen_for_signals(Arc::clone(&stop))?;
        Ok(Self {
            store,
            run,
            bar,
            stop,
            started: Instant::now(),
            done_here: 0,
            epochs: 0,
        })
    }

    fn put_on_record(&mut self, epoch: &EpochRecord) {
        let row = EpochRow {
            epoch: epoch.epoch,
            seconds: epoch.seconds,
            loss: epoch.loss,
            accuracy: epoch.accuracy,
            val_loss: epoch.val_loss,
            val_accuracy: epoch.val_accuracy,
        };
        // Training goes on without its record: the history is in the checkpoint and in the answer, too.
        if let Err(error) = self.store.add_epoch(self.run, &row) {
            tracing::warn!("{error}");
        }
    }

    fn flow(&self) -> Flow {
        if self.stop.load(Ordering::Relaxed) {
            Flow::Stop
        } else {
            Flow::Continue
        }
    }

    fn seconds_left(&self, epoch: u32) -> f64 {
        let per_epoch = self.started.elapsed().as_secs_f64() / f64::from(self.done_here.max(1));
        per_epoch * f64::from(self.epochs.saturating_sub(epoch))
    }
}

impl Observer for Watching<'_> {
    fn resumed(&mut self, history: &[EpochRecord]) {
        history.iter().for_each(|epoch| self.put_on_record(epoch));
    }

    fn progress(&mut self, progress: &Progress) -> Flow {
        self.epochs = progress.epochs;
        self.bar.set_length(progress.images_total as u64);
        self.bar.set_position(progress.images_done as u64);
        self.bar.set_message(format!(
            "epoch {}/{} loss {:.4}",
            progress.epoch, progress.epochs, progress.loss
        ));
        self.flow()
    }

    fn epoch_done(&mut self, record: &EpochRecord) -> Flow {
        self.done_here += 1;
        self.put_on_record(record);
        let (left, epochs) = (self.seconds_left(record.epoch), self.epochs);
        tracing::info!(
            "epoch {}/{epochs}: {:.1} s, loss {:.4}, accuracy {:.4}, validation loss {:.4}, accuracy {:.4}; {left:.0} s left",
            record.epoch,
            record.seconds,
            record.loss,
            record.accuracy,
            record.val_loss,
            record.val_accuracy,
        );
        self.flow()
    }
}
