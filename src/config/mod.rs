//! Settings (as read) -> [`Config`] (as checked).
//!
//! In: a TOML file, the environment, the command line. Out: a [`Config`] whose every value makes sense, or every
//! problem at once. Never: a file or folder made; only the settings file is read.

pub mod cron;
mod layers;
pub mod settings;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use globset::{Glob, GlobSet, GlobSetBuilder};

pub use layers::{ENVIRONMENT_PREFIX, Origin, Problem, Sources};
pub use settings::{Durability, LogFormat, LogLevel, Settings, WatchMode};

use crate::domain::{DevicePolicy, RateSchedule};

/// Everything a person can set, checked; nothing downstream checks again.
#[derive(Debug, Clone)]
pub struct Config {
    /// Folders that are watched; at least one, absolute.
    pub inboxes: Vec<PathBuf>,
    /// Where hangtag keeps what it makes; absolute.
    pub data_dir: PathBuf,
    /// How the inboxes are watched.
    pub watch: WatchConfig,
    /// When a file counts as complete.
    pub settle: SettleConfig,
    /// What is too large.
    pub limits: LimitsConfig,
    /// Threads and batches.
    pub tagging: TaggingConfig,
    /// Model and device.
    pub inference: InferenceConfig,
    /// ONNX Runtime.
    pub runtime: RuntimeConfig,
    /// What a commit survives.
    pub durability: Durability,
    /// Where Fashion-MNIST lies.
    pub dataset: DatasetConfig,
    /// How a model is trained.
    pub train: TrainConfig,
    /// How long the end may take.
    pub shutdown_grace: Duration,
    /// What is logged.
    pub log: settings::Log,
    /// The settings this was made from, and where each that was set came from.
    pub layered: (Settings, BTreeMap<String, Origin>),
}

/// `[watch]`
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct WatchConfig {
    pub mode: WatchMode,
    pub poll_interval: Duration,
    pub sweep_interval: Duration,
    /// Matches names (not paths) that are never looked at.
    pub ignore: GlobSet,
}

/// `[settle]`
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub struct SettleConfig {
    pub quiet: Duration,
    pub quiet_unclosed: Duration,
    pub give_up: Duration,
}

/// `[limits]`
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub struct LimitsConfig {
    pub max_file_bytes: u64,
    pub max_pixels: u64,
    pub max_decode_bytes: u64,
}

/// `[tagging]`
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub struct TaggingConfig {
    pub decode_workers: usize,
    pub batch_max_images: usize,
    pub batch_max_wait: Duration,
}

/// `[inference]`
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct InferenceConfig {
    pub device: DevicePolicy,
    /// `None`: the model that ships.
    pub model: Option<PathBuf>,
    /// Never 0; how many a GPU gets is decided where the device is known.
    pub workers: usize,
    pub intra_op_threads: usize,
    pub cuda_device_id: u32,
}

/// `[runtime]`
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct RuntimeConfig {
    /// `None`: looked for.
    pub library: Option<PathBuf>,
    pub auto_install: bool,
}

/// `[dataset]`
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct DatasetConfig {
    /// `None`: hangtag's own, in the data folder.
    pub dir: Option<PathBuf>,
    pub mirrors: Vec<String>,
}

/// `[train]`
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct TrainConfig {
    pub epochs: u32,
    pub batch_size: usize,
    pub learning_rate: f32,
    pub schedule: RateSchedule,
    pub validation_share: f64,
    pub seed: u64,
    /// Never 0.
    pub threads: usize,
}

/// The settings cannot be used; holds every problem there is.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The settings file could not be read.
    #[error(
        "could not read the settings file {path}: {source}; check the path given with --config or HANGTAG_CONFIG"
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// One or several keys are wrong.
    #[error("{}", listed(.0))]
    Problems(Vec<Problem>),
}

fn listed(problems: &[Problem]) -> String {
    let count = match problems.len() {
        1 => "the settings have a mistake:".to_owned(),
        count => format!("the settings have {count} mistakes:"),
    };
    problems
        .iter()
        .fold(count, |text, problem| format!("{text}\n  {problem}"))
}

impl Config {
    /// Reads the file (if any), then the environment, then `flags` (`section.key`, value), and checks all of it.
    pub fn load(file: Option<&Path>, flags: Vec<(String, String)>) -> Result<Self, ConfigError> {
        let file = match file {
            None => None,
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
                    path: path.to_owned(),
                    source,
                })?;
                Some((path.to_owned(), text))
            }
        };
        Self::from_sources(&Sources {
            file,
            environment: environment(),
            flags,
        })
    }

    /// As [`load`](Self::load), from sources at hand.
    pub fn from_sources(sources: &Sources) -> Result<Self, ConfigError> {
        let layered = layers::read(sources).map_err(ConfigError::Problems)?;
        let mut check = Check {
            origins: &layered.origins,
            problems: Vec::new(),
        };
        let config = check.config(&layered.settings);
        let problems = check.problems;
        match config {
            Some(config) if problems.is_empty() => Ok(Self {
                layered: (layered.settings, layered.origins),
                ..config
            }),
            _ => Err(ConfigError::Problems(problems)),
        }
    }

    /// The store's file.
    pub fn store_path(&self) -> PathBuf {
        self.data_dir.join("hangtag.db")
    }

    /// Held by the one daemon that owns the data folder.
    pub fn lock_path(&self) -> PathBuf {
        self.data_dir.join("daemon.lock")
    }

    /// What the daemon last said of itself.
    pub fn status_path(&self) -> PathBuf {
        self.data_dir.join("status.json")
    }

    /// One folder a training run.
    pub fn runs_dir(&self) -> PathBuf {
        self.data_dir.join("runs")
    }

    /// Where the data set's files are, or are fetched to.
    pub fn dataset_dir(&self) -> PathBuf {
        self.dataset
            .dir
            .clone()
            .unwrap_or_else(|| self.data_dir.join("dataset"))
    }
}

/// The environment's variables that are text; `HANGTAG__…` is ASCII, so that no other can be meant.
fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Collects what makes no sense while building the checked form.
struct Check<'a> {
    origins: &'a BTreeMap<String, Origin>,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn config(&mut self, settings: &Settings) -> Option<Config> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let or_cores = |threads: u32| if threads == 0 { cores } else { threads as usize };
        self.ranges(settings);
        let ignore = self.ignore(&settings.watch.ignore);
        let inboxes = self.inboxes(settings);
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
                epochs: settings.train.epochs,
                batch_size: settings.train.batch_size as usize,
                learning_rate: settings.train.learning_rate as f32,
                schedule: settings.train.schedule,
                validation_share: settings.train.validation_share,
                seed: settings.train.seed,
                threads: or_cores(settings.train.threads),
            },
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
        self.number("inference.workers", u64::from(inference.workers), 0..=64);
        self.number(
            "inference.intra_op_threads",
            u64::from(inference.intra_op_threads),
            0..=1024,
        );
        self.number("train.epochs", u64::from(train.epochs), 1..=100_000);
        self.number("train.batch_size", u64::from(train.batch_size), 1..=4096);
        self.number("train.threads", u64::from(train.threads), 0..=1024);
        self.span("shutdown.grace", shutdown.grace, (Duration::ZERO, HOUR));
        if !(train.learning_rate > 0.0 && train.learning_rate <= 1.0) {
            self.problem(
                "train.learning_rate",
                train.learning_rate.to_string(),
                "must be above 0 and at most 1",
            );
        }
        if !(train.validation_share > 0.0 && train.validation_share <= 0.5) {
            self.problem(
                "train.validation_share",
                train.validation_share.to_string(),
                "must be above 0 and at most 0.5",
            );
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
            if data_dir.starts_with(inbox) {
                let message = format!(
                    "must not hold data_dir ({}), or hangtag would tag its own files",
                    data_dir.display()
                );
                self.problem("inbox", shown.clone(), &message);
            }
            if let Some(outer) = inboxes
                .iter()
                .enumerate()
                .find(|(i, o)| *i != index && inbox.starts_with(o))
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

    fn span(&mut self, key: &str, value: settings::Span, (least, most): (Duration, Duration)) {
        if value.0 < least || value.0 > most {
            self.problem(
                key,
                format!("{:?}", value.0),
                &format!("must be from {least:?} to {most:?}"),
            );
        }
    }

    fn number(&mut self, key: &str, value: u64, allowed: std::ops::RangeInclusive<u64>) {
        if !allowed.contains(&value) {
            let message = format!("must be from {} to {}", allowed.start(), allowed.end());
            self.problem(key, value.to_string(), &message);
        }
    }

    fn problem(&mut self, key: &str, value: String, message: &str) {
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
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// Lexically absolute: links are resolved where a folder is opened, since it need not exist yet.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path)
        .unwrap_or_else(|_| path.to_owned())
        .components()
        .collect()
}

fn unless_empty(path: &Path) -> Option<PathBuf> {
    (!path.as_os_str().is_empty()).then(|| absolute(path))
}

impl fmt::Display for Config {
    /// The settings that hold, as TOML, each key that was set with where.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (settings, origins) = &self.layered;
        let text = toml::to_string(settings).map_err(|_| fmt::Error)?;
        let mut section = String::new();
        for line in text.lines() {
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = format!("{name}.");
            }
            let key = line.split(" = ").next().unwrap_or_default();
            match origins.get(&format!("{section}{key}")) {
                Some(origin) => writeln!(f, "{line}  # {origin}")?,
                None => writeln!(f, "{line}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str) -> Result<Config, ConfigError> {
        Config::from_sources(&Sources {
            file: Some(("shop.toml".into(), text.to_owned())),
            ..Sources::default()
        })
    }

    #[test]
    fn impossible_values_are_all_named_with_their_lines() {
        let text = "inbox = ['/shop', '/shop/men']\n[tagging]\nbatch_max_images = 0\n[train]\nlearning_rate = 0.0\nvalidation_share = 0.9\n[watch]\nignore = ['[']\npoll_interval = '1ms'\n";
        let message = with(text).unwrap_err().to_string();
        for part in [
            "shop.toml:1: inbox = \"/shop/men\": lies in the inbox /shop",
            "shop.toml:3: tagging.batch_max_images = 0: must be from 1 to 1024",
            "shop.toml:5: train.learning_rate",
            "shop.toml:6: train.validation_share",
            "shop.toml:8: watch.ignore",
            "shop.toml:9: watch.poll_interval = 1ms: must be from 100ms",
        ] {
            assert!(message.contains(part), "{part} is missing in:\n{message}");
        }
    }

    #[test]
    fn the_data_folder_may_not_lie_in_an_inbox() {
        let message = with("inbox = '/shop'\ndata_dir = '/shop/.data'\n")
            .unwrap_err()
            .to_string();
        assert!(message.contains("tag its own files"), "{message}");
    }

    #[test]
    fn what_is_printed_can_be_read_again() {
        let config = with("[settle]\nquiet = '1500ms'\ngive_up = '2m'\n").unwrap();
        let printed = config.to_string();
        assert!(printed.contains("quiet = \"1500ms\"  # shop.toml:2"), "{printed}");
        assert_eq!(with(&printed).unwrap().layered.0, config.layered.0);
    }
}
