//! [`Settings`] as they were read -> [`Config`] as it can be used.
//!
//! In: settings of the right types. Out: checked values, or every value that makes no sense, with what is allowed.
//! Never: a file opened; folders are looked at where they are used, since they need not exist yet.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use globset::{Glob, GlobSet, GlobSetBuilder};

use super::cron::CronSchedule;
use super::layers::{Origin, Problem};
use super::settings::{self, Settings};
use super::{
    Config, DatasetConfig, GateConfig, InferenceConfig, LimitsConfig, RetagConfig, RetrainConfig,
    RuntimeConfig, SettleConfig, TaggingConfig, TrainConfig, WatchConfig,
};
use crate::domain::Confidence;

/// Collects what makes no sense while building the checked form.
pub(super) struct Check<'a> {
    pub origins: &'a BTreeMap<String, Origin>,
    pub problems: Vec<Problem>,
}

impl Check<'_> {
    /// `None` only together with problems. Straight-line: one section after the other.
    pub fn config(&mut self, settings: &Settings) -> Option<Config> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let or_cores = |threads: u32| if threads == 0 { cores } else { threads as usize };
        self.ranges(settings);
        self.pictures(&settings.train);
        self.homes(settings);
        let ignore = self.ignore(&settings.watch.ignore);
        let inboxes = self.inboxes(settings);
        // All of them before the first that cannot be ends it, so that every mistake is told at once.
        let retrain = self.retrain(settings, or_cores(settings.retrain.threads));
        let gate = self.gate(&settings.gate);
        let retag = self.retag(&settings.retag);
        let web = self.web(&settings.web);
        Some(Config {
            inboxes: inboxes?,
            data_dir: absolute(&settings.data_dir),
            watch: WatchConfig {
                mode: settings.watch.mode,
                poll_interval: settings.watch.poll_interval.0,
                sweep_interval: settings.watch.sweep_interval.0,
                ignore: ignore?,
            },
            settle: SettleConfig {
                quiet: settings.settle.quiet.0,
                quiet_unclosed: settings.settle.quiet_unclosed.0,
                give_up: settings.settle.give_up.0,
            },
            limits: LimitsConfig {
                max_file_bytes: settings.limits.max_file_bytes,
                max_pixels: settings.limits.max_pixels,
                max_decode_bytes: settings.limits.max_decode_bytes,
            },
            tagging: TaggingConfig {
                decode_workers: or_cores(settings.tagging.decode_workers),
                batch_max_images: settings.tagging.batch_max_images as usize,
                batch_max_wait: settings.tagging.batch_max_wait.0,
                target_precision: settings.tagging.target_precision,
            },
            inference: InferenceConfig {
                device: settings.inference.device,
                model: unless_empty(&settings.inference.model),
                workers: match settings.inference.workers {
                    0 => cores.min(MAX_DEFAULT_WORKERS),
                    workers => workers as usize,
                },
                intra_op_threads: settings.inference.intra_op_threads.max(1) as usize,
                cuda_device_id: settings.inference.cuda_device_id,
            },
            runtime: RuntimeConfig {
                library: unless_empty(&settings.runtime.library),
                auto_install: settings.runtime.auto_install,
            },
            durability: settings.store.durability,
            dataset: DatasetConfig {
                dir: unless_empty(&settings.dataset.dir),
                mirrors: settings.dataset.mirrors.clone(),
            },
            train: TrainConfig {
                architecture: settings.train.architecture,
                augmentation: settings.train.augmentation.chosen(),
                epochs: unless_zero(settings.train.epochs),
                batch_size: unless_zero(settings.train.batch_size).map(|size| size as usize),
                learning_rate: (settings.train.learning_rate > 0.0)
                    .then_some(settings.train.learning_rate as f32),
                schedule: settings.train.schedule.chosen(),
                validation_share: (settings.train.validation_share > 0.0)
                    .then_some(settings.train.validation_share),
                seed: settings.train.seed,
                threads: or_cores(settings.train.threads),
            },
            retrain: retrain?,
            gate,
            retag: retag?,
            web: web?,
            shutdown_grace: settings.shutdown.grace.0,
            log: settings.log.clone(),
            layered: (settings.clone(), BTreeMap::new()),
        })
    }

    fn ranges(&mut self, settings: &Settings) {
        let millis = Duration::from_millis;
        let Settings {
            watch,
            limits,
            tagging,
            train,
            inference,
            shutdown,
            settle,
            ..
        } = settings;
        self.span("watch.poll_interval", watch.poll_interval, (millis(100), DAY));
        self.span("watch.sweep_interval", watch.sweep_interval, (millis(1_000), DAY));
        self.span("settle.quiet", settle.quiet, (Duration::ZERO, HOUR));
        self.span(
            "settle.quiet_unclosed",
            settle.quiet_unclosed,
            (Duration::ZERO, HOUR),
        );
        self.span("settle.give_up", settle.give_up, (Duration::ZERO, DAY));
        self.number("limits.max_file_bytes", limits.max_file_bytes, 1..=1 << 32);
        self.number("limits.max_pixels", limits.max_pixels, 1..=1 << 32);
        self.number(
            "limits.max_decode_bytes",
            limits.max_decode_bytes,
            1 << 20..=1 << 36,
        );
        self.number(
            "tagging.decode_workers",
            u64::from(tagging.decode_workers),
            0..=1024,
        );
        self.number(
            "tagging.batch_max_images",
            u64::from(tagging.batch_max_images),
            1..=1024,
        );
        self.span(
            "tagging.batch_max_wait",
            tagging.batch_max_wait,
            (Duration::ZERO, millis(1_000)),
        );
        if !(tagging.target_precision >= 0.5 && tagging.target_precision <= 0.999) {
            self.problem(
                "tagging.target_precision",
                tagging.target_precision.to_string(),
                "must be from 0.5 to 0.999: no sample proves perfection",
            );
        }
        self.number("inference.workers", u64::from(inference.workers), 0..=64);
        self.number(
            "inference.intra_op_threads",
            u64::from(inference.intra_op_threads),
            0..=1024,
        );
        self.number("train.epochs", u64::from(train.epochs), 0..=100_000);
        self.number("train.batch_size", u64::from(train.batch_size), 0..=1024);
        self.number("train.threads", u64::from(train.threads), 0..=1024);
        self.span("shutdown.grace", shutdown.grace, (Duration::ZERO, HOUR));
        if !(0.0..=1.0).contains(&train.learning_rate) {
            self.problem(
                "train.learning_rate",
                train.learning_rate.to_string(),
                "must be from 0 (the architecture's own) to 1",
            );
        }
        if !(0.0..=0.5).contains(&train.validation_share) {
            self.problem(
                "train.validation_share",
                train.validation_share.to_string(),
                "must be from 0 (the architecture's own) to 0.5",
            );
        }
    }

    /// What an architecture cannot be trained on would be found out by every training.
    fn pictures(&mut self, train: &settings::Train) {
        if let Some(augmentation) = train.augmentation.chosen()
            && let Some(why) = train.architecture.refusal_of(augmentation)
        {
            self.problem("train.augmentation", format!("\"{augmentation}\""), why);
        }
    }

    /// A shell writes a home in the place of `~`, nobody else does: a folder of that name would be made.
    fn homes(&mut self, settings: &Settings) {
        let inboxes = settings.inbox.paths();
        let paths = inboxes.iter().map(|path| ("inbox", path.as_path()));
        let others = [
            ("data_dir", &settings.data_dir),
            ("inference.model", &settings.inference.model),
            ("runtime.library", &settings.runtime.library),
            ("dataset.dir", &settings.dataset.dir),
            ("web.token_file", &settings.web.token_file),
            ("web.webhook_secret_file", &settings.web.webhook_secret_file),
        ];
        for (key, path) in paths.chain(others.map(|(key, path)| (key, path.as_path()))) {
            if path.as_os_str().as_encoded_bytes().starts_with(b"~") {
                let shown = format!("{:?}", path.display().to_string());
                self.problem(
                    key,
                    shown,
                    "`~` stands for nothing here; write the whole path, or ./~ for a folder of that name",
                );
            }
        }
    }

    fn inboxes(&mut self, settings: &Settings) -> Option<Vec<PathBuf>> {
        let paths = settings.inbox.paths();
        if paths.is_empty() || paths.iter().any(|path| path.as_os_str().is_empty()) {
            self.problem(
                "inbox",
                String::new(),
                "must name at least one folder, and none may be empty",
            );
            return None;
        }
        let inboxes: Vec<_> = paths.iter().map(|path| absolute(path)).collect();
        let data_dir = absolute(&settings.data_dir);
        if settings.data_dir.as_os_str().is_empty() {
            self.problem("data_dir", "\"\"".into(), "must name a folder");
        }
        for (index, inbox) in inboxes.iter().enumerate() {
            let shown = format!("{:?}", inbox.display().to_string());
            if without_dots(&data_dir).starts_with(without_dots(inbox)) {
                let message = format!(
                    "must not hold data_dir ({}), or hangtag would tag its own files",
                    data_dir.display()
                );
                self.problem("inbox", shown.clone(), &message);
            }
            if let Some(outer) = inboxes
                .iter()
                .enumerate()
                .find(|(i, outer)| *i != index && without_dots(inbox).starts_with(without_dots(outer)))
            {
                let message = format!("lies in the inbox {}; name only the outer one", outer.1.display());
                self.problem("inbox", shown, &message);
            }
        }
        Some(inboxes)
    }

    fn ignore(&mut self, patterns: &[String]) -> Option<GlobSet> {
        let mut set = GlobSetBuilder::new();
        for pattern in patterns {
            match Glob::new(pattern) {
                // It would fit nothing, and what it means would be tagged.
                Ok(_) if pattern.contains('/') => self.problem(
                    "watch.ignore",
                    format!("{pattern:?}"),
                    "is held against names, of files and of folders on the way to them, and no name has a `/`; write a name alone, such as \"old\" for all that lies in folders called so",
                ),
                Ok(glob) => {
                    set.add(glob);
                }
                Err(error) => self.problem("watch.ignore", format!("{pattern:?}"), &error.kind().to_string()),
            }
        }
        match set.build() {
            Ok(set) => Some(set),
            Err(error) => {
                self.problem("watch.ignore", String::new(), &error.to_string());
                None
            }
        }
    }

    fn retrain(&mut self, settings: &Settings, threads: usize) -> Option<RetrainConfig> {
        let retrain = &settings.retrain;
        self.span("retrain.max_duration", retrain.max_duration, (MINUTE, 7 * DAY));
        self.span(
            "retrain.min_interval",
            retrain.min_interval,
            (Duration::ZERO, 366 * DAY),
        );
        self.number("retrain.threads", u64::from(retrain.threads), 0..=1024);
        self.number("retrain.nice", u64::from(retrain.nice), 0..=19);
        self.number("retrain.keep_runs", u64::from(retrain.keep_runs), 1..=100_000);
        self.share("retrain.correction_weight", retrain.correction_weight, 0.9);
        self.share("retrain.on_drift", retrain.on_drift, 10.0);
        let is_wanted = retrain.enabled || retrain.after_corrections > 0 || retrain.on_drift > 0.0;
        if is_wanted && !settings.inference.model.as_os_str().is_empty() {
            let (key, value) = match (retrain.enabled, retrain.after_corrections) {
                (true, _) => ("retrain.enabled", "true".to_owned()),
                (false, 0) => ("retrain.on_drift", retrain.on_drift.to_string()),
                (false, count) => ("retrain.after_corrections", count.to_string()),
            };
            self.problem(
                key,
                value,
                "needs inference.model = \"\": a model that is set there is served whatever is rebuilt (`hangtag models promote` puts a bundle of your own into service)",
            );
        }
        // Each by itself, since a mistake in one would hide one in the other.
        let expression = CronSchedule::parse(&retrain.schedule, "UTC").err();
        let zone = CronSchedule::parse("* * * * *", &retrain.timezone).err();
        for (key, value, mistake) in [
            ("retrain.schedule", &retrain.schedule, expression),
            ("retrain.timezone", &retrain.timezone, zone),
        ] {
            if let Some(mistake) = mistake {
                self.problem(key, format!("{value:?}"), &mistake.to_string());
            }
        }
        let schedule = CronSchedule::parse(&retrain.schedule, &retrain.timezone).ok()?;
        Some(RetrainConfig {
            schedule: retrain.enabled.then_some(schedule),
            catch_up: retrain.catch_up,
            max_duration: retrain.max_duration.0,
            min_interval: retrain.min_interval.0,
            seed: retrain.seed,
            threads,
            nice: retrain.nice,
            keep_runs: retrain.keep_runs as usize,
            after_corrections: u64::from(retrain.after_corrections),
            on_drift: retrain.on_drift,
            correction_weight: retrain.correction_weight,
            warm_start: retrain.warm_start,
        })
    }

    fn gate(&mut self, gate: &settings::Gate) -> GateConfig {
        self.share("gate.min_accuracy", gate.min_accuracy, 1.0);
        self.share("gate.margin", gate.margin, 1.0);
        self.share("gate.max_class_drop", gate.max_class_drop, 1.0);
        if !(gate.max_cost >= 0.1 && gate.max_cost <= 1_000.0) {
            self.problem(
                "gate.max_cost",
                gate.max_cost.to_string(),
                "must be from 0.1 to 1000",
            );
        }
        self.number("gate.min_photos", u64::from(gate.min_photos), 10..=1_000_000);
        GateConfig {
            min_accuracy: gate.min_accuracy,
            margin: gate.margin,
            max_class_drop: gate.max_class_drop,
            max_cost: gate.max_cost,
            min_photos: gate.min_photos as usize,
        }
    }

    fn retag(&mut self, retag: &settings::Retag) -> Option<RetagConfig> {
        self.share("retag.below_confidence", retag.below_confidence, 1.0);
        self.number(
            "retag.images_per_second",
            u64::from(retag.images_per_second),
            1..=1_000_000,
        );
        self.number("retag.keep_models", u64::from(retag.keep_models), 2..=1_000);
        Some(RetagConfig {
            policy: retag.policy,
            // What is out of range has been said above.
            below_confidence: Confidence::new(retag.below_confidence as f32).ok()?,
            images_per_second: NonZeroU32::new(retag.images_per_second)?,
            keep_models: retag.keep_models as usize,
        })
    }

    fn share(&mut self, key: &str, value: f64, most: f64) {
        if !(value >= 0.0 && value <= most) {
            self.problem(key, value.to_string(), &format!("must be from 0 to {most}"));
        }
    }

    fn span(&mut self, key: &str, value: settings::Span, (least, most): (Duration, Duration)) {
        if value.0 < least || value.0 > most {
            self.problem(
                key,
                format!("{:?}", value.0),
                &format!("must be from {least:?} to {most:?}"),
            );
        }
    }

    pub(super) fn number(&mut self, key: &str, value: u64, allowed: std::ops::RangeInclusive<u64>) {
        if !allowed.contains(&value) {
            let message = format!("must be from {} to {}", allowed.start(), allowed.end());
            self.problem(key, value.to_string(), &message);
        }
    }

    pub(super) fn problem(&mut self, key: &str, value: String, message: &str) {
        let origin = self.origins.get(key).cloned();
        self.problems.push(Problem {
            origin,
            key: key.to_owned(),
            value,
            message: message.to_owned(),
        });
    }
}

/// More copies of the model by default would cost memory (some 15 MB each) that few machines turn into speed.
const MAX_DEFAULT_WORKERS: usize = 4;
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// Lexically absolute: links are resolved where a folder is opened, since it need not exist yet.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path)
        .unwrap_or_else(|_| path.to_owned())
        .components()
        .collect()
}

/// For comparisons only: where a link is on the way, `..` leads elsewhere, which is found out where the folder is opened.
fn without_dots(path: &Path) -> PathBuf {
    let mut shorter = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(shorter.pop()),
            part => shorter.push(part),
        }
    }
    shorter
}

fn unless_zero(number: u32) -> Option<u32> {
    (number > 0).then_some(number)
}

pub(super) fn unless_empty(path: &Path) -> Option<PathBuf> {
    (!path.as_os_str().is_empty()).then(|| absolute(path))
}
