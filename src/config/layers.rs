//! Where settings come from: defaults < file < environment < command line.
//!
//! In: a file's text, environment variables, `key=value` pairs. Out: [`Settings`], for every key that was set its
//! [`Origin`], and every mistake there is, each with its place. Never: a value that was quietly bent into
//! another type (each key is read alone, with its own type, before the layers are merged).

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use super::settings::Settings;

/// Prefix of the environment variables that set a key; `__` also stands between section and key.
pub const ENVIRONMENT_PREFIX: &str = "HANGTAG__";

/// What the layers are read from.
#[derive(Debug, Default)]
pub struct Sources {
    /// The file's name, for messages, and its text.
    pub file: Option<(PathBuf, String)>,
    /// Names and values of the environment variables; others than `HANGTAG__…` are passed over.
    pub environment: Vec<(String, String)>,
    /// Variables `HANGTAG__…` whose name or value is not UTF-8, as far as they can be shown; each is a mistake.
    pub garbled_environment: Vec<(String, String)>,
    /// `section.key` and value from the command line, later ones over earlier ones.
    pub flags: Vec<(String, String)>,
}

/// Where a value was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// In the file, at a line counted from 1.
    File(PathBuf, usize),
    /// In an environment variable.
    Environment(String),
    /// On the command line.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File(path, line) => write!(f, "{}:{line}", path.display()),
            Origin::Environment(name) => write!(f, "environment variable {name}"),
            Origin::Flag(key) => write!(f, "command line, {key}"),
        }
    }
}

/// One mistake in the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where the value was set; `None` when no layer set it.
    pub origin: Option<Origin>,
    /// `section.key`, empty when the file is no TOML at all.
    pub key: String,
    /// The value as written, empty when there is none.
    pub value: String,
    /// What is wrong and what is allowed.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.origin {
            write!(f, "{origin}: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}", self.key)?;
            if !self.value.is_empty() {
                write!(f, " = {}", self.value)?;
            }
            write!(f, ": ")?;
        }
        f.write_str(&self.message)
    }
}

/// Merged settings and where each key that was set came from.
#[derive(Debug)]
pub struct Layered {
    /// The merged settings; a key whose value does not fit has what an earlier layer says.
    pub settings: Settings,
    /// By `section.key`.
    pub origins: BTreeMap<String, Origin>,
    /// What does not fit, of every layer.
    pub problems: Vec<Problem>,
}

/// Reads all layers.
pub fn read(sources: &Sources) -> Layered {
    let mut layers = Layers::default();
    if let Some((path, text)) = &sources.file {
        layers.add_file(path, text);
    }
    for (name, value) in &sources.environment {
        if let Some(rest) = name.strip_prefix(ENVIRONMENT_PREFIX) {
            let key = rest.replace("__", ".").to_lowercase();
            layers.add_text(&key, value, Origin::Environment(name.clone()));
        } else if let Some(key) = meant_by(name) {
            let message = format!(
                "has no effect; write {ENVIRONMENT_PREFIX}{}",
                key.replace('.', "__").to_uppercase()
            );
            layers.problem(&key, value, message, Origin::Environment(name.clone()));
        }
    }
    for (name, shown) in &sources.garbled_environment {
        let message = "not UTF-8 text; write it so, or unset it".to_owned();
        layers.problem("", shown, message, Origin::Environment(name.clone()));
    }
    for (key, value) in &sources.flags {
        layers.add_text(key, value, Origin::Flag(key.clone()));
    }
    layers.merge()
}

#[derive(Default)]
struct Layers {
    /// Later ones win.
    values: Vec<(String, Value)>,
    origins: BTreeMap<String, Origin>,
    problems: Vec<Problem>,
}

impl Layers {
    fn add_file(&mut self, path: &std::path::Path, text: &str) {
        let at = |offset: usize| {
            let line = 1 + text.as_bytes()[..offset.min(text.len())]
                .iter()
                .filter(|&&byte| byte == b'\n')
                .count();
            Origin::File(path.to_owned(), line)
        };
        let (table, mistakes) = DeTable::parse_recoverable(text);
        if !mistakes.is_empty() {
            for mistake in mistakes {
                let origin = mistake.span().map(|span| at(span.start));
                let message = format!("this is not TOML: {}", mistake.message());
                self.problems.push(Problem {
                    origin,
                    key: String::new(),
                    value: String::new(),
                    message,
                });
            }
            return;
        }
        self.add_table("", table.get_ref(), text, &at);
    }

    fn add_table(&mut self, prefix: &str, table: &DeTable<'_>, text: &str, at: &dyn Fn(usize) -> Origin) {
        for (name, value) in table {
            let key = if prefix.is_empty() {
                name.get_ref().to_string()
            } else {
                format!("{prefix}.{}", name.get_ref())
            };
            let origin = at(name.span().start);
            match value.get_ref() {
                DeValue::Table(inner) if is_section(&key) => {
                    self.add_table(&key, inner, text, at);
                }
                _ => match owned(value) {
                    Ok(owned) => self.add(&key, owned, &text[value.span()], origin),
                    Err(message) => self.problem(&key, &text[value.span()], message, origin),
                },
            }
        }
    }

    /// A value that came as bare text: read as TOML if that fits the key, else as a string.
    fn add_text(&mut self, key: &str, text: &str, origin: Origin) {
        let literal = format!("value = {text}")
            .parse::<Table>()
            .ok()
            .and_then(|mut table| table.remove("value"));
        let candidates = literal.into_iter().chain([Value::String(text.to_owned())]);
        let mut first_error = None;
        for value in candidates {
            match check(key, value.clone()) {
                Ok(()) => return self.accept(key, value, &origin),
                Err(error) => first_error.get_or_insert(error),
            };
        }
        self.problem(key, text, first_error.unwrap_or_default(), origin);
    }

    fn add(&mut self, key: &str, value: Value, written: &str, origin: Origin) {
        match check(key, value.clone()) {
            Ok(()) => self.accept(key, value, &origin),
            Err(message) => self.problem(key, written, message, origin),
        }
    }

    /// A section given as one value (`watch={mode="poll"}`) sets each of its keys.
    fn accept(&mut self, key: &str, value: Value, origin: &Origin) {
        match value {
            Value::Table(inner) => {
                for (name, value) in inner {
                    self.accept(&format!("{key}.{name}"), value, origin);
                }
            }
            value => {
                self.values.push((key.to_owned(), value));
                self.origins.insert(key.to_owned(), origin.clone());
            }
        }
    }

    fn problem(&mut self, key: &str, written: &str, message: String, origin: Origin) {
        let value = written.lines().next().unwrap_or_default().to_owned();
        self.problems.push(Problem {
            origin: Some(origin),
            key: key.to_owned(),
            value,
            message,
        });
    }

    fn merge(mut self) -> Layered {
        let settings = self.merged().unwrap_or_else(|message| {
            self.problems.push(Problem {
                origin: None,
                key: String::new(),
                value: String::new(),
                message,
            });
            Settings::default()
        });
        Layered {
            settings,
            origins: self.origins,
            problems: self.problems,
        }
    }

    fn merged(&self) -> Result<Settings, String> {
        let mut builder = ::config::Config::builder();
        let defaults =
            toml::to_string(&Settings::default()).expect("the defaults are plain TOML; this is a bug");
        builder = builder.add_source(::config::File::from_str(&defaults, ::config::FileFormat::Toml));
        for (key, value) in &self.values {
            let layer = toml::to_string(&nested(key, value.clone())).map_err(|error| error.to_string())?;
            builder = builder.add_source(::config::File::from_str(&layer, ::config::FileFormat::Toml));
        }
        let settings = builder.build().and_then(::config::Config::try_deserialize);
        settings.map_err(|error| error.to_string())
    }
}

/// Whether `value` fits the key, read alone against the settings' own types.
fn check(key: &str, value: Value) -> Result<(), String> {
    Settings::deserialize(nested(key, value))
        .map(|_| ())
        .map_err(|error| {
            let message = error.message().to_owned();
            message.replace("unknown field", "unknown key")
        })
}

/// The key that a variable with one underscore in the place of two was meant for, before the section or after it, too;
/// others of the prefix are none of ours.
fn meant_by(name: &str) -> Option<String> {
    let rest = name.strip_prefix("HANGTAG_")?.to_lowercase();
    let after_section = rest
        .split_once('_')
        .map(|(section, key)| format!("{section}.{key}"));
    let mut readings = [Some(rest.replace("__", ".")), after_section]
        .into_iter()
        .flatten();
    readings.find(|key| is_key(key))
}

/// Whether there is such a key, a section being none, nor what would lie below a key.
fn is_key(key: &str) -> bool {
    let is_unknown = |message: String| message.contains("unknown key");
    let lies_in_section = key.rsplit_once('.').is_none_or(|(around, _)| is_section(around));
    lies_in_section && !is_section(key) && !check(key, Value::Boolean(false)).is_err_and(is_unknown)
}

fn is_section(key: &str) -> bool {
    check(key, Value::Table(Table::new())).is_ok()
}

/// `a.b` and a value as the table `[a] b = value`.
fn nested(key: &str, value: Value) -> Table {
    let (first, rest) = key
        .split_once('.')
        .map_or((key, None), |(first, rest)| (first, Some(rest)));
    let value = rest.map_or(value.clone(), |rest| Value::Table(nested(rest, value)));
    Table::from_iter([(first.to_owned(), value)])
}

fn owned(value: &Spanned<DeValue<'_>>) -> Result<Value, String> {
    Value::deserialize(toml::de::ValueDeserializer::from(value.clone()))
        .map_err(|error| error.message().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Sources {
        Sources {
            file: Some(("shop.toml".into(), text.to_owned())),
            ..Sources::default()
        }
    }

    fn problems(sources: &Sources) -> Vec<String> {
        let problems = read(sources).problems;
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_documented_file_equals_the_built_in_defaults() {
        let layered = read(&file(include_str!("../../config/hangtag.toml")));
        assert_eq!(layered.problems, []);
        assert_eq!(layered.settings, Settings::default());
        let documented: Table = include_str!("../../config/hangtag.toml").parse().unwrap();
        assert_eq!(
            documented,
            Table::try_from(Settings::default()).unwrap(),
            "every key stands in the file"
        );
    }

    #[test]
    fn every_mistake_is_named_with_its_line_at_once() {
        let found = problems(&file(
            "inbox = 5\ncolour = 'red'\n\n[settle]\nquiet = 300\nquite = '1s'\n[watch]\nmode = 'sometimes'\n[train]\nepochs = 1.7\n[sette]\na = 1\nb = 2\n[web]\nlisten = 'localhost:8420'\n",
        ));
        let expected = [
            ("shop.toml:1: inbox = 5:", "a path, or a list of paths"),
            ("shop.toml:2: colour = 'red':", "unknown key"),
            ("shop.toml:5: settle.quiet = 300:", "duration with its unit"),
            ("shop.toml:6: settle.quite = '1s':", "`quiet`"),
            (
                "shop.toml:8: watch.mode = 'sometimes':",
                "`auto`, `events`, `poll`",
            ),
            ("shop.toml:10: train.epochs = 1.7:", "u32"),
            ("shop.toml:11: sette", "unknown key"),
            (
                "shop.toml:15: web.listen = 'localhost:8420':",
                "an address and a port, such as",
            ),
        ];
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (start, part) in expected {
            assert!(
                found
                    .iter()
                    .any(|line| line.starts_with(start) && line.contains(part)),
                "{start} {part}: {found:#?}"
            );
        }
    }

    /// `HANGTAG_DATA_DIR=/x` was passed over without a word, and later `HANGTAG_INFERENCE_DEVICE=cuda`.
    #[test]
    fn a_variable_with_one_underscore_too_few_is_a_mistake() {
        let variables = [
            ("HANGTAG_DATA_DIR", "/x"),
            ("HANGTAG_INFERENCE__DEVICE", "cpu"),
            ("HANGTAG_INFERENCE_DEVICE", "cuda"),
            ("HANGTAG_LOG_LEVEL", "debug"),
            ("HANGTAG_CONFIG", "/etc/hangtag.toml"),
            ("HANGTAG_PORT_8420_TCP", "tcp://10.0.0.1:8420"),
            ("HANGTAG_WEB_SERVICE_HOST", "10.0.0.1"),
            ("HANGTAG_INFERENCE", "cuda"),
            // What lies below a key that is no section stopped every command.
            ("HANGTAG_INBOX_DIR", "/x"),
            ("HANGTAG_INBOX__DIR", "/x"),
            ("HANGTAG_DATA_DIR_OLD", "/x"),
            ("HANGTAG_WATCH_MODE_OLD", "poll"),
            ("HANGTAG__TRAIN__EPOCHS", "3"),
        ];
        let found = problems(&Sources {
            environment: variables
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            ..Sources::default()
        });
        let meant = [
            "write HANGTAG__DATA_DIR",
            "write HANGTAG__INFERENCE__DEVICE",
            "write HANGTAG__INFERENCE__DEVICE",
            "write HANGTAG__LOG__LEVEL",
        ];
        assert_eq!(found.len(), meant.len(), "{found:#?}");
        for (told, meant) in found.iter().zip(meant) {
            assert!(told.ends_with(meant), "{told}");
        }
    }

    #[test]
    fn text_that_is_no_toml_names_the_line() {
        let found = problems(&file("inbox = './a'\nwatch = [\n"));
        assert!(
            found.iter().all(|line| line.starts_with("shop.toml:")) && !found.is_empty(),
            "{found:?}"
        );
    }

    #[test]
    fn later_layers_win_and_keep_the_types_of_their_keys() {
        let mut sources = file("data_dir = 'a'\n[train]\nepochs = 3\nseed = 4\n");
        sources.environment = vec![
            ("HANGTAG__TRAIN__EPOCHS".into(), "7".into()),
            ("HANGTAG__DATA_DIR".into(), "007".into()),
            ("HANGTAG__WATCH__IGNORE".into(), "['*.bak']".into()),
            ("HANGTAG_LOG".into(), "not ours".into()),
        ];
        sources.flags = vec![
            ("train.epochs".into(), "9".into()),
            ("inbox".into(), "/shop".into()),
            ("watch".into(), "{mode = 'poll'}".into()),
        ];
        let layered = read(&sources);
        assert_eq!(layered.problems, []);
        assert_eq!(layered.settings.train.epochs, 9);
        assert_eq!(layered.settings.train.seed, 4);
        assert_eq!(layered.settings.data_dir, PathBuf::from("007"));
        assert_eq!(layered.settings.watch.ignore, ["*.bak"]);
        assert_eq!(layered.settings.inbox.paths(), [PathBuf::from("/shop")]);
        assert_eq!(layered.origins["train.seed"], Origin::File("shop.toml".into(), 4));
        assert_eq!(
            layered.origins["train.epochs"],
            Origin::Flag("train.epochs".into())
        );
        assert_eq!(layered.origins["watch.mode"], Origin::Flag("watch".into()));
    }

    #[test]
    fn a_wrong_environment_variable_is_named() {
        let sources = Sources {
            environment: vec![
                ("HANGTAG__TRAIN__EPOCHS".into(), "many".into()),
                ("HANGTAG__TRIAN__SEED".into(), "1".into()),
            ],
            ..Sources::default()
        };
        let found = problems(&sources);
        assert!(
            found[0].contains("HANGTAG__TRAIN__EPOCHS") && found[0].contains("many"),
            "{found:?}"
        );
        assert!(
            found[1].contains("HANGTAG__TRIAN__SEED") && found[1].contains("unknown key"),
            "{found:?}"
        );
    }
}
