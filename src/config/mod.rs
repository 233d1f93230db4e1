//! Settings (as read) -> [`Config`] (as checked).
//!
//! In: a TOML file, the environment, the command line. Out: a [`Config`] whose every value makes sense, or every
//! problem at once. Never: a file or folder made; only the settings file is read.

mod check;
mod check_web;
pub mod cron;
mod layers;
mod sections;
pub mod settings;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::{DeTable, DeValue};

use check::Check;
pub use layers::{ENVIRONMENT_PREFIX, Origin, Problem, Sources};
pub use sections::{
    DatasetConfig, GateConfig, InferenceConfig, LimitsConfig, RetagConfig, RetrainConfig, RuntimeConfig,
    SettleConfig, TaggingConfig, TrainConfig, WatchConfig, WebConfig, WebhookConfig,
};
pub use settings::{CatchUp, Durability, LogFormat, LogLevel, RetagPolicy, SeedPolicy, Settings, WatchMode};

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
    /// When the model is rebuilt, and how.
    pub retrain: RetrainConfig,
    /// What a rebuilt model must prove.
    pub gate: GateConfig,
    /// What is tagged anew by it.
    pub retag: RetagConfig,
    /// The pages and the API; `None` where they are not wanted.
    pub web: Option<WebConfig>,
    /// How long the end may take.
    pub shutdown_grace: Duration,
    /// What is logged.
    pub log: settings::Log,
    /// The settings this was made from, and where each that was set came from.
    pub layered: (Settings, BTreeMap<String, Origin>),
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

/// As they stand in the file, the other layers after it.
fn in_order(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by_key(|problem| match &problem.origin {
        Some(Origin::File(_, line)) => *line,
        _ => usize::MAX,
    });
    problems
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
        let (environment, garbled_environment) = environment(std::env::vars_os());
        Self::from_sources(&Sources {
            file,
            environment,
            garbled_environment,
            flags,
        })
    }

    /// As [`load`](Self::load), from sources at hand.
    pub fn from_sources(sources: &Sources) -> Result<Self, ConfigError> {
        let layered = layers::read(sources);
        let mut check = Check {
            origins: &layered.origins,
            problems: Vec::new(),
        };
        let config = check.config(&layered.settings);
        let mut problems = layered.problems;
        // A value that could not be read has been named already; what stands in its place says nothing.
        let named: Vec<_> = problems.iter().map(|problem| problem.key.clone()).collect();
        problems.extend(
            check
                .problems
                .into_iter()
                .filter(|problem| !named.contains(&problem.key)),
        );
        match config {
            Some(config) if problems.is_empty() => Ok(Self {
                layered: (layered.settings, layered.origins),
                ..config
            }),
            _ => Err(ConfigError::Problems(in_order(problems))),
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

    /// One folder a model, named by its id.
    pub fn models_dir(&self) -> PathBuf {
        self.data_dir.join("models")
    }

    /// Pictures of corrected photos, by content hash.
    pub fn corrections_dir(&self) -> PathBuf {
        self.data_dir.join("corrections")
    }

    /// Small copies of photos for the pages.
    pub fn thumbnails_dir(&self) -> PathBuf {
        self.data_dir.join("thumbnails")
    }

    /// One folder a training run.
    pub fn runs_dir(&self) -> PathBuf {
        self.data_dir.join("runs")
    }

    /// The same settings with one copy of the model on the CPU: for commands that measure.
    pub fn on_cpu(&self) -> Self {
        Self {
            inference: InferenceConfig {
                device: crate::domain::DevicePolicy::Cpu,
                workers: 1,
                ..self.inference.clone()
            },
            ..self.clone()
        }
    }

    /// Where the data set's files are, or are fetched to.
    pub fn dataset_dir(&self) -> PathBuf {
        self.dataset
            .dir
            .clone()
            .unwrap_or_else(|| self.data_dir.join("dataset"))
    }
}

/// The variables that are text, and those meant for hangtag that are not.
fn environment(variables: impl Iterator<Item = (OsString, OsString)>) -> (Variables, Variables) {
    let (mut text, mut garbled) = (Vec::new(), Vec::new());
    for (name, value) in variables {
        match (name.to_str(), value.to_str()) {
            (Some(name), Some(value)) => text.push((name.to_owned(), value.to_owned())),
            _ if name.as_encoded_bytes().starts_with(ENVIRONMENT_PREFIX.as_bytes()) => {
                garbled.push((
                    name.to_string_lossy().into_owned(),
                    value.to_string_lossy().into_owned(),
                ));
            }
            _ => {}
        }
    }
    (text, garbled)
}

/// Names and values.
type Variables = Vec<(String, String)>;

impl fmt::Display for Config {
    /// The settings that hold, as TOML, each key that was set with where.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (settings, origins) = &self.layered;
        let text = toml::to_string(settings).map_err(|_| fmt::Error)?;
        let table = DeTable::parse(&text).map_err(|_| fmt::Error)?;
        let mut ends = BTreeMap::new();
        for (name, value) in table.get_ref() {
            let name = name.get_ref();
            match value.get_ref() {
                DeValue::Table(section) => {
                    let keys = section.iter();
                    ends.extend(
                        keys.map(|(key, value)| (value.span().end, format!("{name}.{}", key.get_ref()))),
                    );
                }
                _ => {
                    ends.insert(value.span().end, name.to_string());
                }
            }
        }
        // Behind the value, which may have several lines.
        let mut written = 0;
        for (end, key) in ends {
            if let Some(origin) = origins.get(&key) {
                write!(f, "{}  # {origin}", &text[written..end])?;
                written = end;
            }
        }
        f.write_str(&text[written..])
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
        let text = "inbox = ['/shop', '/shop/men']\n[tagging]\nbatch_max_images = 0\n[train]\nlearning_rate = 2.0\nvalidation_share = 0.9\n[watch]\nignore = ['[']\npoll_interval = '1ms'\n";
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
    fn zero_leaves_a_number_of_the_training_to_the_architecture() {
        let share = |text: &str| with(text).unwrap().train.validation_share;
        assert_eq!(share("[train]\nvalidation_share = 0.0\n"), None);
        assert_eq!(share("[train]\nvalidation_share = 0.2\n"), Some(0.2));
        assert_eq!(share(""), None);
    }

    /// A folder of that name was made, and watched.
    #[test]
    fn a_home_that_no_shell_has_put_in_is_a_mistake() {
        let message = with("inbox = ['a', '~/photos']\ndata_dir = '~x'\n[dataset]\ndir = './~'\n")
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("shop.toml:1: inbox = \"~/photos\"")
                && message.contains("shop.toml:2: data_dir"),
            "{message}"
        );
        assert!(!message.contains("dataset"), "{message}");
    }

    #[test]
    fn a_mistake_in_one_section_hides_none_in_another() {
        let text = "[watch]\nignore = ['[']\n[retrain]\nschedule = 'soon'\n[gate]\nmargin = 2.0\nmin_photos = 9\n[retag]\nimages_per_second = 0\n";
        let message = with(text).unwrap_err().to_string();
        for part in [
            "shop.toml:2: watch.ignore",
            "shop.toml:4: retrain.schedule",
            "shop.toml:6: gate.margin",
            "shop.toml:7: gate.min_photos = 9: must be from 10",
            "shop.toml:9: retag.images_per_second = 0: must be from 1",
        ] {
            assert!(message.contains(part), "{part} is missing in:\n{message}");
        }
    }

    /// What makes no sense was told only once everything had the right type: two rounds for whoever mends a file.
    #[test]
    fn wrong_types_unknown_keys_and_impossible_values_are_told_together() {
        let text = "inbox = 5\n[retrain]\nschedule = 'soon'\ntimezone = 'Europe/Berln'\n[train]\nepochs = 100001\nepoch = 3\n[gate]\nmargin = 2.0\n[watch]\nmode = 'often'\n";
        let message = with(text).unwrap_err().to_string();
        let lines: Vec<_> = message.lines().map(str::trim).collect();
        let expected = [
            "the settings have 7 mistakes:",
            "shop.toml:1: inbox = 5: ",
            "shop.toml:3: retrain.schedule = \"soon\": ",
            "shop.toml:4: retrain.timezone = \"Europe/Berln\": ",
            "shop.toml:6: train.epochs = 100001: must be from 0",
            "shop.toml:7: train.epoch = 3: unknown key",
            "shop.toml:9: gate.margin = 2: must be from 0 to 1",
            "shop.toml:11: watch.mode = 'often': ",
        ];
        assert_eq!(lines.len(), expected.len(), "{message}");
        for (line, start) in lines.iter().zip(expected) {
            assert!(line.starts_with(start), "{start} is missing in:\n{message}");
        }
    }

    /// `config check` called them fine, and every training failed.
    #[test]
    fn pictures_that_the_architecture_cannot_learn_from_are_a_mistake() {
        let refused = with("[train]\narchitecture = 'reference'\naugmentation = 'photo'\n").unwrap_err();
        let told = "shop.toml:3: train.augmentation = \"photo\": it shows pictures of none of the classes";
        assert!(refused.to_string().contains(told), "{refused}");
        for fine in ["architecture = 'reference'", "augmentation = 'photo'"] {
            assert!(with(&format!("[train]\n{fine}\n")).is_ok(), "{fine}");
        }
    }

    #[test]
    fn the_data_folder_may_not_lie_in_an_inbox() {
        let message = with("inbox = '/shop'\ndata_dir = '/shop/.data'\n")
            .unwrap_err()
            .to_string();
        assert!(message.contains("tag its own files"), "{message}");
    }

    /// They were compared as they are written: a way around hid that one lies in the other, or made it seem so.
    #[test]
    fn a_way_around_hides_no_data_folder_in_an_inbox_and_makes_none_seem_so() {
        let hidden = with("inbox = '/home/../shop'\ndata_dir = '/shop/.data'\n").unwrap_err();
        assert!(hidden.to_string().contains("tag its own files"), "{hidden}");
        let twice = with("inbox = ['/shop/men', '/home/../shop']\n").unwrap_err();
        assert!(twice.to_string().contains("lies in the inbox"), "{twice}");
        let beside = with("inbox = '/shop'\ndata_dir = '/shop/../data'\n");
        assert!(beside.is_ok(), "{beside:?}");
    }

    /// Such a variable was passed over without a word.
    #[test]
    fn a_variable_that_is_not_utf_8_is_a_mistake() {
        use std::os::unix::ffi::OsStringExt;
        let variable = |name: &str| (OsString::from(name), OsString::from_vec(b"/shop/\xff".to_vec()));
        let (environment, garbled_environment) =
            environment([variable("HANGTAG__INBOX"), variable("OTHER")].into_iter());
        assert_eq!(environment, []);
        let error = Config::from_sources(&Sources {
            garbled_environment,
            ..Sources::default()
        });
        let message = error.unwrap_err().to_string();
        assert!(
            message.contains("HANGTAG__INBOX") && message.contains("not UTF-8"),
            "{message}"
        );
        assert!(!message.contains("OTHER"), "{message}");
    }

    #[test]
    fn what_is_printed_can_be_read_again() {
        let config = with("[settle]\nquiet = '1500ms'\ngive_up = '2m'\n").unwrap();
        let printed = config.to_string();
        assert!(printed.contains("quiet = \"1500ms\"  # shop.toml:2"), "{printed}");
        assert_eq!(with(&printed).unwrap().layered.0, config.layered.0);
    }

    /// The place stood within the path, so that another one was read.
    #[test]
    fn a_value_of_several_lines_is_printed_as_it_is() {
        let config = with("inbox = [\"/e\\nf\"]\n[watch]\nignore = ['*.a', \"b\\nc\"]\n").unwrap();
        let printed = config.to_string();
        assert_eq!(with(&printed).unwrap().layered.0, config.layered.0, "{printed}");
        for place in ["  # shop.toml:1\n", "  # shop.toml:3\n"] {
            assert!(printed.contains(place), "{printed}");
        }
    }

    /// Half a millisecond was printed, and written down for a run, as none.
    #[test]
    fn a_time_is_printed_as_it_holds_in_whatever_unit() {
        for (written, printed) in [
            ("500us", "500us"),
            ("1500us", "1500us"),
            ("1ms 1ns", "1000001ns"),
            ("0.5s", "500ms"),
            ("120s", "2m"),
            ("0s", "0ms"),
        ] {
            let config = with(&format!("[settle]\nquiet = '{written}'\n")).unwrap();
            let shown = config.to_string();
            assert!(
                shown.contains(&format!(" = \"{printed}\"  # ")),
                "{written}: {shown}"
            );
            assert_eq!(with(&shown).unwrap().layered.0, config.layered.0);
        }
    }

    /// They were called fine, and what was meant to be passed over was tagged.
    #[test]
    fn a_path_among_the_names_to_pass_over_is_a_mistake() {
        let message = with("[watch]\nignore = ['*.tmp', 'old/*', 'drafts/']\n").unwrap_err();
        let message = message.to_string();
        for part in [
            "shop.toml:2: watch.ignore = \"old/*\": ",
            "watch.ignore = \"drafts/\": ",
        ] {
            assert!(message.contains(part), "{part} is missing in:\n{message}");
        }
        assert!(!message.contains("*.tmp"), "{message}");
    }
}
