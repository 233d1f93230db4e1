//! The settings as a person writes them: every section, key and default.
//!
//! In: TOML. Out: [`Settings`], of the right types and nothing more. Never: a judgement whether a value makes
//! sense; that is [`Config`](super::Config)'s.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::domain::{ArchitectureName, Augmentation, DEFAULT_TARGET_PRECISION, DevicePolicy, RateSchedule};

macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($(#[$reading:meta])* $key:ident: $type:ty = $default:expr,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        #[allow(missing_docs)]
        pub struct $name { $($(#[$reading])* pub $key: $type,)* }

        impl Default for $name {
            fn default() -> Self {
                Self { $($key: $default,)* }
            }
        }
    };
}

section! {
    /// The whole file; what each key means stands in `config/hangtag.toml`, which a test holds equal to this.
    Settings {
        inbox: Inboxes = Inboxes::One("./inventory".into()),
        data_dir: PathBuf = "./hangtag-data".into(),
        watch: Watch = Watch::default(),
        settle: Settle = Settle::default(),
        limits: Limits = Limits::default(),
        tagging: Tagging = Tagging::default(),
        inference: Inference = Inference::default(),
        runtime: Runtime = Runtime::default(),
        store: Store = Store::default(),
        dataset: Dataset = Dataset::default(),
        train: Train = Train::default(),
        retrain: Retrain = Retrain::default(),
        gate: Gate = Gate::default(),
        retag: Retag = Retag::default(),
        web: Web = Web::default(),
        shutdown: Shutdown = Shutdown::default(),
        log: Log = Log::default(),
    }
}

section! {
    /// `[watch]`
    Watch {
        mode: WatchMode = WatchMode::Auto,
        poll_interval: Span = Span::from_millis(5_000),
        sweep_interval: Span = Span::from_millis(300_000),
        ignore: Vec<String> = [
            ".*", "*~", "~$*", "*.tmp", "*.temp", "*.part", "*.partial", "*.filepart", "*.crdownload", "*.download",
            "*.swp", "Thumbs.db", "desktop.ini", "lost+found", "@eaDir", "@Recycle", "#recycle", "#snapshot",
            "$RECYCLE.BIN", "System Volume Information",
        ].map(String::from).to_vec(),
    }
}

section! {
    /// `[settle]`
    Settle {
        quiet: Span = Span::from_millis(300),
        quiet_unclosed: Span = Span::from_millis(1_500),
        give_up: Span = Span::from_millis(10_000),
    }
}

section! {
    /// `[limits]`
    Limits {
        max_file_bytes: u64 = 64 << 20,
        max_pixels: u64 = 100_000_000,
        max_decode_bytes: u64 = 384 << 20,
    }
}

section! {
    /// `[tagging]`
    Tagging {
        decode_workers: u32 = 0,
        batch_max_images: u32 = 64,
        batch_max_wait: Span = Span::from_millis(2),
        target_precision: f64 = DEFAULT_TARGET_PRECISION,
    }
}

section! {
    /// `[inference]`
    Inference {
        device: DevicePolicy = DevicePolicy::Auto,
        model: PathBuf = PathBuf::new(),
        workers: u32 = 0,
        intra_op_threads: u32 = 0,
        cuda_device_id: u32 = 0,
    }
}

section! {
    /// `[runtime]`
    Runtime {
        library: PathBuf = PathBuf::new(),
        auto_install: bool = true,
    }
}

section! {
    /// `[store]`
    Store {
        durability: Durability = Durability::Full,
    }
}

section! {
    /// `[dataset]`
    Dataset {
        dir: PathBuf = PathBuf::new(),
        mirrors: Vec<String> = [
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
        ].map(String::from).to_vec(),
    }
}

section! {
    /// `[train]`
    Train {
        architecture: ArchitectureName = ArchitectureName::Residual,
        augmentation: AugmentationChoice = AugmentationChoice::Auto,
        epochs: u32 = 0,
        batch_size: u32 = 0,
        learning_rate: f64 = 0.0,
        schedule: ScheduleChoice = ScheduleChoice::Auto,
        validation_share: f64 = 0.0,
        seed: u64 = 1,
        threads: u32 = 0,
    }
}

section! {
    /// `[retrain]`
    Retrain {
        enabled: bool = false,
        schedule: String = "0 3 * * sun".into(),
        timezone: String = "UTC".into(),
        catch_up: CatchUp = CatchUp::Once,
        max_duration: Span = Span::from_millis(6 * 3_600_000),
        min_interval: Span = Span::from_millis(3_600_000),
        seed: SeedPolicy = SeedPolicy::PerRun,
        threads: u32 = 0,
        nice: u32 = 10,
        keep_runs: u32 = 20,
        after_corrections: u32 = 0,
        on_drift: f64 = 0.0,
        correction_weight: f64 = 0.3,
        warm_start: bool = false,
    }
}

section! {
    /// `[gate]`
    Gate {
        min_accuracy: f64 = 0.9,
        margin: f64 = 0.005,
        max_class_drop: f64 = 0.02,
        max_cost: f64 = 3.0,
        min_photos: u32 = 100,
    }
}

section! {
    /// `[retag]`
    Retag {
        policy: RetagPolicy = RetagPolicy::All,
        below_confidence: f64 = 0.9,
        images_per_second: u32 = 50,
        keep_models: u32 = 3,
    }
}

section! {
    /// `[web]`
    Web {
        enabled: bool = true,
        #[serde(deserialize_with = "address_and_port")]
        listen: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 8420)),
        token_file: PathBuf = PathBuf::new(),
        hosts: Vec<String> = Vec::new(),
        thumbnail_bytes: u64 = 512 << 20,
        webhook_url: String = String::new(),
        webhook_secret_file: PathBuf = PathBuf::new(),
    }
}

section! {
    /// `[shutdown]`
    Shutdown {
        grace: Span = Span::from_millis(20_000),
    }
}

section! {
    /// `[log]`
    Log {
        level: LogLevel = LogLevel::Info,
        format: LogFormat = LogFormat::Text,
    }
}

/// One folder or several.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Inboxes {
    /// `inbox = "./inventory"`
    One(PathBuf),
    /// `inbox = ["./men", "./women"]`
    Many(Vec<PathBuf>),
}

impl Inboxes {
    /// The folders, in the order they were written.
    pub fn paths(&self) -> &[PathBuf] {
        match self {
            Inboxes::One(path) => std::slice::from_ref(path),
            Inboxes::Many(paths) => paths,
        }
    }
}

impl<'de> Deserialize<'de> for Inboxes {
    /// By hand, because an untagged enum's error would not say what is allowed.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Inboxes;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a path, or a list of paths")
            }

            fn visit_str<E>(self, path: &str) -> Result<Inboxes, E> {
                Ok(Inboxes::One(path.into()))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Inboxes, A::Error> {
                let mut paths = Vec::new();
                while let Some(path) = seq.next_element()? {
                    paths.push(path);
                }
                Ok(Inboxes::Many(paths))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// `watch.mode`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum WatchMode {
    Auto,
    Events,
    Poll,
}

/// `store.durability`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Durability {
    Full,
    Normal,
}

/// `train.augmentation`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum AugmentationChoice {
    /// What suits the architecture.
    Auto,
    None,
    Catalogue,
    Photo,
}

impl AugmentationChoice {
    /// What was chosen, `None` where it is left to the architecture.
    pub fn chosen(self) -> Option<Augmentation> {
        match self {
            AugmentationChoice::Auto => None,
            AugmentationChoice::None => Some(Augmentation::None),
            AugmentationChoice::Catalogue => Some(Augmentation::Catalogue),
            AugmentationChoice::Photo => Some(Augmentation::Photo),
        }
    }
}

/// `train.schedule`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum ScheduleChoice {
    /// What suits the architecture.
    Auto,
    Constant,
    Cosine,
    OneCycle,
}

impl ScheduleChoice {
    /// What was chosen, `None` where it is left to the architecture.
    pub fn chosen(self) -> Option<RateSchedule> {
        match self {
            ScheduleChoice::Auto => None,
            ScheduleChoice::Constant => Some(RateSchedule::Constant),
            ScheduleChoice::Cosine => Some(RateSchedule::Cosine),
            ScheduleChoice::OneCycle => Some(RateSchedule::OneCycle),
        }
    }
}

/// `retrain.catch_up`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CatchUp {
    /// However many due times were missed, one run makes up for them.
    Once,
    /// They are passed over.
    Skip,
}

/// `retag.policy`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetagPolicy {
    /// Every photo that is there.
    All,
    /// Those of which the old model was not so sure.
    BelowConfidence,
    /// None; new photos alone are asked of the new model.
    None,
}

/// `retrain.seed`: the word, or a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeedPolicy {
    /// Another one each time; on record.
    PerRun,
    /// Always this one.
    Fixed(u64),
}

impl Serialize for SeedPolicy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            SeedPolicy::PerRun => serializer.serialize_str(PER_RUN),
            SeedPolicy::Fixed(seed) => serializer.serialize_u64(*seed),
        }
    }
}

impl<'de> Deserialize<'de> for SeedPolicy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = SeedPolicy;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{PER_RUN:?} or a whole number from 0")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<SeedPolicy, E> {
                match text {
                    PER_RUN => Ok(SeedPolicy::PerRun),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_u64<E>(self, seed: u64) -> Result<SeedPolicy, E> {
                Ok(SeedPolicy::Fixed(seed))
            }

            fn visit_i64<E: serde::de::Error>(self, seed: i64) -> Result<SeedPolicy, E> {
                u64::try_from(seed)
                    .map(SeedPolicy::Fixed)
                    .map_err(|_| E::invalid_value(serde::de::Unexpected::Signed(seed), &self))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

const PER_RUN: &str = "per_run";

/// `log.level`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// `log.format`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum LogFormat {
    Text,
    Json,
}

/// Says what is allowed, which the address itself does not.
fn address_and_port<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    struct Visitor;
    impl serde::de::Visitor<'_> for Visitor {
        type Value = SocketAddr;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an address and a port, such as \"127.0.0.1:8420\" or \"[::1]:8420\"")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<SocketAddr, E> {
            let unexpected = serde::de::Unexpected::Str(text);
            text.parse().map_err(|_| E::invalid_value(unexpected, &self))
        }
    }
    deserializer.deserialize_str(Visitor)
}

/// A length of time, written with its unit; never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl Span {
    const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }
}

/// Units of time in nanoseconds, and how they are written; the greatest first.
const UNITS: [(u128, &str); 6] = [
    (3_600_000_000_000, "h"),
    (60_000_000_000, "m"),
    (1_000_000_000, "s"),
    (1_000_000, "ms"),
    (1_000, "us"),
    (1, "ns"),
];

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let nanos = self.0.as_nanos();
        let whole = |&&(length, _): &&(u128, &str)| nanos >= length && nanos.is_multiple_of(length);
        let text = match UNITS.iter().find(whole) {
            Some((length, unit)) => format!("{}{unit}", nanos / length),
            None => "0ms".to_owned(),
        };
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Span;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a duration with its unit, such as \"300ms\", \"5s\", \"10m\" or \"1h\"")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Span, E> {
                text.parse::<jiff::SignedDuration>()
                    .ok()
                    .and_then(|span| Duration::try_from(span).ok())
                    .map(Span)
                    .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}
