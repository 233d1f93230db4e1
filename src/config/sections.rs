//! The settings, checked: one type a section of the file.
//!
//! In: nothing; values are made by the [check](super::check) alone. Out: types that cannot be wrong. Never: a default;
//! those stand in [`settings`](super::settings). What each key means in full stands in `config/hangtag.toml`.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use globset::GlobSet;

use super::cron::CronSchedule;
use super::settings::{CatchUp, RetagPolicy, SeedPolicy, WatchMode};
use crate::domain::{ArchitectureName, Augmentation, Confidence, DevicePolicy, RateSchedule};

/// `[watch]`
#[derive(Debug, Clone)]
pub struct WatchConfig {
    /// Events, polling, or as the file system allows.
    pub mode: WatchMode,
    /// Between two looks where there are no events.
    pub poll_interval: Duration,
    /// Between two sweeps of everything.
    pub sweep_interval: Duration,
    /// Matches names (not paths) that are never looked at.
    pub ignore: GlobSet,
}

/// `[settle]`
#[derive(Debug, Clone, Copy)]
pub struct SettleConfig {
    /// How long a closed file must rest.
    pub quiet: Duration,
    /// How long any other file must rest.
    pub quiet_unclosed: Duration,
    /// When a truncated file counts as one for good.
    pub give_up: Duration,
}

/// `[limits]`
#[derive(Debug, Clone, Copy)]
pub struct LimitsConfig {
    /// Longer files are not read.
    pub max_file_bytes: u64,
    /// Larger pictures are not decoded.
    pub max_pixels: u64,
    /// Nor those that would take more memory.
    pub max_decode_bytes: u64,
}

/// `[tagging]`
#[derive(Debug, Clone, Copy)]
pub struct TaggingConfig {
    /// Threads that read and decode; never 0.
    pub decode_workers: usize,
    /// Images a batch at most; never 0.
    pub batch_max_images: usize,
    /// How long a batch waits for its second image.
    pub batch_max_wait: Duration,
    /// Accepted tags shall be right at least so often; 0.5..=0.999.
    pub target_precision: f64,
}

/// `[inference]`
#[derive(Debug, Clone)]
pub struct InferenceConfig {
    /// What is asked for.
    pub device: DevicePolicy,
    /// A bundle that is served whatever the registry says; `None`: the model in service.
    pub model: Option<PathBuf>,
    /// Never 0; how many a GPU gets is decided where the device is known.
    pub workers: usize,
    /// Threads within one inference; never 0.
    pub intra_op_threads: usize,
    /// Which GPU.
    pub cuda_device_id: u32,
}

/// `[runtime]`
#[derive(Debug, Clone)]
pub struct RuntimeConfig {
    /// `None`: looked for.
    pub library: Option<PathBuf>,
    /// Whether a missing library is fetched.
    pub auto_install: bool,
}

/// `[dataset]`
#[derive(Debug, Clone)]
pub struct DatasetConfig {
    /// `None`: hangtag's own, in the data folder.
    pub dir: Option<PathBuf>,
    /// Folders on servers, tried in turn.
    pub mirrors: Vec<String>,
}

/// `[train]`
#[derive(Debug, Clone)]
pub struct TrainConfig {
    /// Which network.
    pub architecture: ArchitectureName,
    /// What is done to training pictures; here and below, `None` leaves it to the architecture.
    pub augmentation: Option<Augmentation>,
    /// Passes over the training images; never 0.
    pub epochs: Option<u32>,
    /// Images a step; never 0.
    pub batch_size: Option<usize>,
    /// Greatest step size.
    pub learning_rate: Option<f32>,
    /// How it changes.
    pub schedule: Option<RateSchedule>,
    /// Share of the rows that only choose the epoch.
    pub validation_share: Option<f64>,
    /// Of everything random.
    pub seed: u64,
    /// Never 0.
    pub threads: usize,
}

/// `[retrain]`
#[derive(Debug, Clone)]
pub struct RetrainConfig {
    /// When a rebuild is due; `None`: only when a person asks.
    pub schedule: Option<CronSchedule>,
    /// What becomes of due times that passed while no daemon ran.
    pub catch_up: CatchUp,
    /// A run that takes longer is ended.
    pub max_duration: Duration,
    /// From one run's start to the next one's, at least.
    pub min_interval: Duration,
    /// Which seed a run gets.
    pub seed: SeedPolicy,
    /// Threads of a run; never 0.
    pub threads: usize,
    /// How far a run steps back behind other processes, 0..=19.
    pub nice: u32,
    /// Folders of so many ended runs are kept.
    pub keep_runs: usize,
    /// So many new corrections start a rebuild early; 0: they do not.
    pub after_corrections: u64,
    /// From so much drift on, a rebuild starts early; 0: it does not.
    pub on_drift: f64,
    /// Share of the pictures shown that are corrections, where corrections are learned: 0..=0.9.
    pub correction_weight: f64,
    /// Whether a run goes on from the model in service where it can.
    pub warm_start: bool,
}

/// `[gate]`
#[derive(Debug, Clone, Copy)]
pub struct GateConfig {
    /// Test accuracy below which no model goes live, 0..=1.
    pub min_accuracy: f64,
    /// By how much the error may be worse, with 95 % certainty; a share, not points.
    pub margin: f64,
    /// By how much a class's recall may be worse beyond what chance explains; a share.
    pub max_class_drop: f64,
    /// Times the multiply-adds and the file size of the model in service.
    pub max_cost: f64,
    /// From so many corrections on that both models have answered unseeing, they decide.
    pub min_photos: usize,
}

/// `[retag]`
#[derive(Debug, Clone, Copy)]
pub struct RetagConfig {
    /// What is tagged anew after a change of model.
    pub policy: RetagPolicy,
    /// Under the policy `below_confidence`: below which.
    pub below_confidence: Confidence,
    /// At most so many a second.
    pub images_per_second: NonZeroU32,
    /// Answers of so many models are kept.
    pub keep_models: usize,
}

/// `[web]`
#[derive(Debug, Clone)]
pub struct WebConfig {
    /// Where pages and API are served; beyond loopback only with a token.
    pub listen: SocketAddr,
    /// The file with the token; always there beyond loopback.
    pub token_file: Option<PathBuf>,
    /// Names, in lower case, by which browsers reach the pages: besides loopback's own, and besides what `Host` says.
    pub hosts: Vec<String>,
    /// What small copies of photos may take on the disk.
    pub thumbnail_bytes: u64,
    /// Who is told of new tags.
    pub webhook: Option<WebhookConfig>,
}

/// `web.webhook_url` and `web.webhook_secret_file`
#[derive(Debug, Clone)]
pub struct WebhookConfig {
    /// `http://…` or `https://…`
    pub url: String,
    /// The file with the key of the signature.
    pub secret_file: PathBuf,
}
