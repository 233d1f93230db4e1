//! `hangtag thresholds`.
//!
//! In: what to show, fit or set. Out: from where on tags are accepted, and what that promises; photos on record follow at
//! once, without inference. Never: a promise that the samples do not bear.

use std::time::SystemTime;

use anyhow::bail;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::serving::need_model_that_tags;
use super::store::open_to_change;
use super::{Ended, Format, UsageError, output, person};
use crate::config::Config;
use crate::domain::{Basis, Chosen, Confidence, InventoryPath, Label, ModelId, Thresholds, Timestamp};
use crate::store::{AuditProgress, NewThresholds, PAUSE_FOR_OTHERS, Reader, ThresholdsRow};
use crate::training::binomial::lower_bound;
use crate::training::samples::{Pictures, Samples, worth_drawing};
use crate::training::thresholds::{FitOptions, LEVEL, Sample, fit, least_samples};

/// Contents decided anew in one transaction: tens of milliseconds, so that a daemon's own writes hardly wait.
const DECIDED_AT_ONCE: u32 = 1_000;

/// From where on tags are accepted.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hangtag thresholds                            those of the model that tags, and what they promise
  hangtag review --audit 220                    draw photos at random, correct or confirm them, then:
  hangtag thresholds fit                        fit them on what people have said
  hangtag thresholds fit --dry-run --target 0.9
  hangtag thresholds set --label dress 0.8 --label bag never
  hangtag thresholds set --unknown 0.6
  hangtag thresholds set --target 0.9           fit them for another precision

Photos that are on record follow at once; the model is not asked again. What is promised and how: docs/trust.md.")]
pub struct ThresholdsArguments {
    #[command(subcommand)]
    command: Option<ThresholdsCommand>,
    /// How the answer is printed
    #[arg(long, value_enum, default_value_t, global = true)]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum ThresholdsCommand {
    /// Those that hold (the default)
    #[command(after_help = "Example:\n  hangtag thresholds show --format json    for programs")]
    Show,
    /// Fit them on audited photos, or on corrections as long as few are audited
    #[command(after_help = "Example:\n  hangtag thresholds fit --dry-run --target 0.9")]
    Fit(FitArguments),
    /// Set them by hand
    #[command(after_help = "Example:\n  hangtag thresholds set --label dress 0.8 --label bag never")]
    Set(SetArguments),
}

#[derive(Debug, Args)]
struct FitArguments {
    /// Accepted tags shall be right at least so often; without it, tagging.target_precision
    #[arg(long, value_name = "SHARE", value_parser = share)]
    target: Option<f64>,
    /// With this certainty; without it, 0.9 by an audit, 0.5 by corrections
    #[arg(long, value_name = "SHARE", value_parser = share)]
    level: Option<f64>,
    /// Only say what would come of it
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(true).args(["label", "unknown", "target"])))]
struct SetArguments {
    /// Accept tags of a label from this trust on, 0 to 1, or never; may be repeated
    #[arg(long, num_args = 2, value_names = ["LABEL", "TRUST"])]
    label: Vec<String>,
    /// From this score on, a photo shows none of the classes, 0 to 1
    #[arg(long, value_name = "SCORE")]
    unknown: Option<Confidence>,
    /// Fit them so that accepted tags are right at least so often
    #[arg(long, value_name = "SHARE", value_parser = share, conflicts_with_all = ["label", "unknown"])]
    target: Option<f64>,
}

/// Shows, fits or sets.
pub fn run(arguments: ThresholdsArguments, config: &Config) -> anyhow::Result<Ended> {
    let shown = match arguments.command.unwrap_or(ThresholdsCommand::Show) {
        ThresholdsCommand::Show => Shown::now(config)?,
        ThresholdsCommand::Fit(fit) => fitted(&fit, config)?,
        ThresholdsCommand::Set(SetArguments {
            target: Some(target), ..
        }) => {
            let fit = FitArguments {
                target: Some(target),
                level: None,
                dry_run: false,
            };
            fitted(&fit, config)?
        }
        ThresholdsCommand::Set(set) => set_by_hand(&set, config)?,
    };
    match arguments.format {
        Format::Json => output::print_json(&shown)?,
        Format::Text => output::print(&shown.in_words())?,
    }
    Ok(Ended::Well)
}

/// The answer.
#[derive(Debug, Serialize)]
struct Shown {
    model: ModelId,
    /// Who set them, and when; `None` where nobody did, or not yet.
    by: Option<String>,
    since: Option<Timestamp>,
    thresholds: Thresholds,
    /// What a person should know about them.
    caveat: Option<&'static str>,
    /// With the stated certainty, accepted pictures like the samples (of corrections: those of the classes) are right at
    /// least so often.
    precision_bound: Option<f64>,
    /// Photos drawn at random, of how many somebody has said what they show, and how many of these count: those before the
    /// first that nobody has looked at, in the order of their draw.
    drawn: u64,
    looked_at: u64,
    audited: u64,
    /// That first one.
    next_to_audit: Option<InventoryPath>,
    /// How many of those that were looked at cannot count any more: a photo before them was passed over, and is gone.
    left_behind: u64,
    /// Contents of which something else is made now; `None` where nothing was changed.
    decided_anew: Option<u64>,
}

impl Shown {
    fn now(config: &Config) -> anyhow::Result<Shown> {
        let reader = Reader::open(&config.store_path())?;
        let model = need_model_that_tags(config, &reader)?;
        let holding = reader.thresholds_of(&model)?;
        let (by, since) = holding.as_ref().map(|row| (row.by.clone(), row.since)).unzip();
        let thresholds = holding.map_or_else(
            || Thresholds::uncertified(config.tagging.target_precision),
            |ThresholdsRow { thresholds, .. }| thresholds,
        );
        Ok(Shown::of(model, thresholds, reader.audit_progress()?).by(by, since))
    }

    fn of(model: ModelId, thresholds: Thresholds, progress: AuditProgress) -> Shown {
        let bound = |level| lower_bound(thresholds.accepted_right, thresholds.accepted, level);
        Shown {
            model,
            by: None,
            since: None,
            caveat: thresholds.basis.caveat(),
            precision_bound: thresholds.level.filter(|_| thresholds.accepted > 0).map(bound),
            drawn: progress.drawn,
            looked_at: progress.looked_at,
            audited: progress.audited.len() as u64,
            left_behind: progress.left_behind,
            next_to_audit: progress.open.into_iter().next(),
            decided_anew: None,
            thresholds,
        }
    }

    fn by(self, by: Option<String>, since: Option<Timestamp>) -> Shown {
        Shown { by, since, ..self }
    }

    fn in_words(&self) -> String {
        let thresholds = &self.thresholds;
        let mut words = format!("model {}\n", self.model);
        words += &match (thresholds.basis, &self.by, self.since) {
            (Basis::None, _, _) => "thresholds: none\n".to_owned(),
            (basis, Some(by), Some(since)) => {
                format!("thresholds from {basis}, by {} at {since}\n", output::shown(by))
            }
            (basis, _, _) => format!("thresholds from {basis}, not set\n"),
        };
        if let Some(caveat) = self.caveat {
            words += &format!("  {caveat}\n");
        }
        words += &self.promise_in_words();
        if self.drawn > 0 {
            words += &self.audits_in_words();
        }
        if let Some(changed) = self.decided_anew {
            words += &format!("{changed} photos on record have another status now\n");
        }
        if let Some(since) = thresholds.chosen.as_ref().and_then(|chosen| chosen.carried_since) {
            words += &format!("  what is set by hand was set for a former model, at {since}\n");
        }
        let is_chosen = |label| {
            let chosen = thresholds.chosen.as_ref();
            chosen.is_some_and(|chosen| chosen.labels.contains(&label))
        };
        let rows: Vec<_> = Label::all()
            .map(|label| {
                let from = thresholds.accept_from(label);
                let by = match (is_chosen(label), thresholds.own.contains(&label)) {
                    (true, _) => "hand",
                    (false, true) => "own samples",
                    (false, false) => "",
                };
                vec![
                    label.to_string(),
                    from.map_or_else(|| "never".to_owned(), |from| format!("{:.2}", from.get())),
                    by.to_owned(),
                ]
            })
            .collect();
        words += &format!(
            "\n{}\nunknown from a score of {:.2}\n",
            output::table(&["label", "accepted from", "by"], &rows),
            thresholds.unknown.get()
        );
        words
    }

    fn audits_in_words(&self) -> String {
        let mut words = format!(
            "audits: {} photos drawn, {} looked at, {} of these count\n",
            self.drawn, self.looked_at, self.audited
        );
        let early = self.looked_at - self.audited - self.left_behind;
        if let Some(next) = &self.next_to_audit
            && early > 0
        {
            words += &format!(
                "  {early} were looked at before their turn and count once it comes; next is {} (`hangtag review --open` lists them in order)\n",
                output::shown(next.as_str())
            );
        }
        if self.left_behind > 0 {
            words += &format!(
                "  {} do not count: photos whose turn came first were passed over, and are gone; draw anew, by another seed\n",
                self.left_behind
            );
        }
        words
    }

    fn promise_in_words(&self) -> String {
        let Thresholds {
            target_precision,
            samples,
            unknown_samples,
            accepted,
            accepted_right,
            accepted_unknown,
            ..
        } = self.thresholds;
        let Some(level) = self.thresholds.level else {
            return String::new();
        };
        let percent = |share: f64| format!("{:.1} %", share * 100.0);
        let basis = self.thresholds.basis;
        let mut words = format!(
            "  accepted tags of {} are right at least {} of the time, with {} certainty\n",
            basis.promised_for(),
            percent(target_precision),
            percent(level),
        );
        words += &format!(
            "  {samples} samples, {unknown_samples} of them of no class; {accepted} are accepted, {accepted_right} of these right"
        );
        words += &match self.precision_bound {
            Some(bound) => format!(" (at least {} with that certainty)\n", percent(bound)),
            None => "; no threshold is proved by them, so nothing is accepted\n".to_owned(),
        };
        if let (false, true, Some(count)) = (basis.counts_unknown(), unknown_samples > 0, accepted_unknown) {
            words += &format!("  besides, {count} of the {unknown_samples} of no class are accepted\n");
        }
        words
    }
}

fn fitted(arguments: &FitArguments, config: &Config) -> anyhow::Result<Shown> {
    let reader = Reader::open(&config.store_path())?;
    let model = need_model_that_tags(config, &reader)?;
    let manifest = reader.model(&model)?.map(|row| row.manifest);
    let rows = reader.samples(&model)?;
    let manifest = manifest.unwrap_or_default();
    let pictures = Pictures::of_blocking(&config.corrections_dir(), &rows, &manifest);
    let samples = Samples::of(&rows, &manifest, &pictures);
    if samples.unasked > 0 {
        output::note(&format!(
            "{} audited photos do not count, since model {model} was not asked about them: while the inventory \
             follows it, those that do came first; fit again once it has (`hangtag stats`)",
            samples.unasked
        ));
    }
    let target = arguments.target.unwrap_or(config.tagging.target_precision);
    let (basis, judged) = samples.best(target);
    let usual = FitOptions::of(basis);
    let options = FitOptions {
        level: arguments.level.unwrap_or(usual.level),
        ..usual
    };
    let counts = |sample: &&Sample| basis.counts(sample.truth);
    let (counting, least) = (
        judged.iter().filter(counts).count(),
        least_samples(target, options.level.max(LEVEL)),
    );
    if (counting as u64) < least {
        bail!(
            "{counting} photos of known truth can judge model {model}, and {least} are the least that could prove {:.1} % \
             ({} more are left out: it was trained on them, has not been asked, or they are a picture that counts already; {} corrections to none of the classes prove nothing about these); \
             `hangtag review --audit {}` draws photos to look at",
            target * 100.0,
            samples.left_out,
            judged.len() - counting,
            worth_drawing(target)
        );
    }
    let thresholds = fit(&judged, target, options);
    if arguments.dry_run {
        return Ok(Shown::of(model, thresholds, reader.audit_progress()?));
    }
    hold(model, thresholds, config)
}

fn set_by_hand(arguments: &SetArguments, config: &Config) -> anyhow::Result<Shown> {
    let reader = Reader::open(&config.store_path())?;
    let model = need_model_that_tags(config, &reader)?;
    let before = reader.thresholds_of(&model)?.map(|row| row.thresholds);
    let before = before.unwrap_or_else(|| Thresholds::uncertified(config.tagging.target_precision));
    let mut set = Thresholds {
        basis: Basis::Set,
        unknown: arguments.unknown.unwrap_or(before.unknown),
        ..before.clone()
    };
    let mut labels = Vec::new();
    for pair in arguments.label.chunks_exact(2) {
        let usage = |error: crate::domain::ParseError| {
            UsageError(format!("--label {} {}: {error}", pair[0], pair[1]))
        };
        let label: Label = pair[0].parse().map_err(usage)?;
        set.accept[label.index()] = match pair[1].as_str() {
            "never" => None,
            from => Some(from.parse::<Confidence>().map_err(usage)?),
        };
        labels.push(label);
    }
    set.chosen = Some(Chosen {
        labels,
        unknown: arguments.unknown.is_some(),
        carried_since: None,
    });
    hold(model, before.overlaid(&set), config)
}

/// Lets them hold, and all photos follow.
fn hold(model: ModelId, thresholds: Thresholds, config: &Config) -> anyhow::Result<Shown> {
    let mut store = open_to_change(config)?;
    store.set_thresholds(&NewThresholds {
        model,
        thresholds,
        by: person(),
        at: SystemTime::now().into(),
    })?;
    let mut changed = 0;
    loop {
        let decided = store.decide_anew(DECIDED_AT_ONCE)?;
        changed += decided.changed;
        if decided.is_done {
            break;
        }
        std::thread::sleep(PAUSE_FOR_OTHERS);
    }
    Ok(Shown {
        decided_anew: Some(changed),
        ..Shown::now(config)?
    })
}

fn share(text: &str) -> Result<f64, String> {
    let value = text.parse().ok().filter(|value| (0.5..=0.999).contains(value));
    value.ok_or_else(|| "write a share from 0.5 to 0.999".to_owned())
}
