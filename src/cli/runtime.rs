//! `hangtag runtime [install]`.
//!
//! In: the settings. Out: which ONNX Runtime is used, on which device and why; or the pinned one in hangtag's cache.
//! Never: a library loaded that was not checked.

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Ended, Format, output};
use crate::config::Config;
use crate::daemon::{bundle_in_service_blocking, load_runtime_blocking, runtime_settings};
use crate::domain::DevicePolicy;
use crate::model::runtime::{self, RuntimeReport};
use crate::model::{Flavour, InferenceOptions, OnnxClassifier};

/// ONNX Runtime: which one is used, and install it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hangtag runtime                               version, path, providers, device in use and why
  hangtag runtime install                       the pinned one for the CPU into hangtag's cache
  hangtag runtime install --cuda                the one for CUDA 13 (256 MB)")]
pub struct RuntimeArguments {
    #[command(subcommand)]
    action: Option<Action>,
    /// How it is printed
    #[arg(long, value_enum, default_value_t, global = true)]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Put the pinned version into hangtag's cache
    #[command(after_help = "Example:\n  hangtag runtime install --cuda    the one for CUDA 13 (256 MB)")]
    Install {
        /// The build for CUDA instead of the one for the CPU
        #[arg(long)]
        cuda: bool,
    },
}

/// Installs or reports.
pub fn run(arguments: &RuntimeArguments, config: &Config) -> anyhow::Result<Ended> {
    let device = config.inference.device;
    if let Some(Action::Install { cuda }) = arguments.action {
        let flavour = if cuda { Flavour::Cuda } else { Flavour::Cpu };
        let settings = runtime_settings(&config.runtime, device);
        let path = runtime::install_blocking(&settings, flavour, &mut |line| tracing::info!("{line}"))?;
        match arguments.format {
            Format::Json => output::print_json(&json!({ "path": path }))?,
            Format::Text => output::print(&format!("ONNX Runtime is at {}\n", path.display()))?,
        }
        return Ok(Ended::Well);
    }
    let runtime = load_runtime_blocking(&config.runtime, device)?;
    let bundle = bundle_in_service_blocking(config)?;
    let options = InferenceOptions {
        device,
        cuda_device_id: config.inference.cuda_device_id,
        ..Default::default()
    };
    // What cannot be had is the answer here, not a failure of the question.
    let opened = OnnxClassifier::open(&runtime, &bundle, &options);
    let report = runtime.report(opened.as_ref().ok().map(|(_, device)| device));
    match arguments.format {
        Format::Json => output::print_json(&report)?,
        Format::Text => output::print(&in_words(&report, device))?,
    }
    opened?;
    Ok(Ended::Well)
}

fn in_words(report: &RuntimeReport, asked: DevicePolicy) -> String {
    let mut lines = vec![
        format!(
            "ONNX Runtime {}",
            report.version.as_deref().unwrap_or("of unknown version")
        ),
        format!(
            "  {} (from {})",
            report.path.display(),
            report.found_in.describe()
        ),
        format!("  providers: {}", report.providers.join(", ")),
    ];
    match &report.device {
        Some(device) => {
            let why = device
                .why
                .as_deref()
                .map(|why| format!(" because {why}"))
                .unwrap_or_default();
            let asked = format!("{asked:?}").to_lowercase();
            lines.push(format!("  device: asked for {asked}, used {}{why}", device.got));
        }
        None => lines.push("  device: none could be opened".to_owned()),
    }
    for library in &report.cuda_libraries {
        let place = library
            .path
            .as_ref()
            .map_or("missing".to_owned(), |path| path.display().to_string());
        lines.push(format!("  {}: {place}", library.name));
    }
    lines.extend(
        report
            .cuda_advice
            .iter()
            .map(|advice| format!("  for CUDA: {advice}")),
    );
    lines.join("\n") + "\n"
}
