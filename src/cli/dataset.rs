//! `hangtag dataset fetch|show`, and the data set for the other commands.
//!
//! In: the settings. Out: the four files in their folder, figures about them, a picture of samples. Never: files
//! in a folder that the operator named (`dataset.dir`) changed.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::drawn::Drawn;
use super::{Ended, Format, UsageError, output};
use crate::config::Config;
use crate::domain::{INPUT_LEN, Label};
use crate::durable;
use crate::training::augment::{self, Wardrobe};
use crate::training::dataset::{
    DataSet, DatasetError, Images, OFFICIAL_FILES, Provenance, draw_samples, fetch_blocking,
};
use crate::training::network::random::{Purpose, Stream};
use crate::training::train::TrainParameters;

/// Fashion-MNIST: fetch it, look at it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hangtag dataset fetch                         31 MB into <data_dir>/dataset
  hangtag dataset show --samples samples.png
  hangtag dataset show --samples photos.png --augmented photo
  hangtag dataset show --set dataset.dir=/data/fashion-mnist")]
pub struct DatasetArguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Get the four official files, those that are not there already
    #[command(after_help = "Example:\n  hangtag dataset fetch    31 MB into <data_dir>/dataset")]
    Fetch,
    /// Counts, mean and deviation; samples of each class as a PNG
    #[command(after_help = "Example:\n  hangtag dataset show --samples photos.png --augmented photo")]
    Show {
        /// Draw ten samples of each class into this file
        #[arg(long, value_name = "FILE.png")]
        samples: Option<PathBuf>,
        /// Draw what training makes of them
        #[arg(long, value_enum, value_name = "KIND", requires = "samples")]
        augmented: Option<Augmented>,
        /// Which samples
        #[arg(long, value_name = "S", default_value_t = 1)]
        seed: u64,
        /// How it is printed
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

/// What training does to a picture before the network sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Augmented {
    /// Flipped, shifted, a part erased
    Catalogue,
    /// As a shop would have photographed it: worn, tilted, in other tones
    Photo,
    /// Things of no class, whatever the row
    Outlier,
}

/// Fetches or shows.
pub fn run(arguments: &DatasetArguments, config: &Config) -> anyhow::Result<Ended> {
    match &arguments.action {
        Action::Fetch => {
            if let Some(folder) = &config.dataset.dir {
                let message = format!(
                    "dataset.dir is set to {}, which hangtag does not write to; put the files there by hand, or unset it",
                    folder.display()
                );
                return Err(UsageError(message).into());
            }
            fetch_with_bar_blocking(config)?;
            output::print(&format!(
                "the four files are in {}\n",
                config.dataset_dir().display()
            ))?;
        }
        Action::Show {
            samples,
            augmented,
            seed,
            format,
        } => {
            if let Some(path) = samples {
                let drawn = Drawn {
                    option: "--samples",
                    path,
                    ending: "png",
                    photo: None,
                };
                drawn.check(config)?;
            }
            let data = load_blocking(config)?;
            if let Some(path) = samples {
                durable::write_named_file(path, &draw(&data.train, *augmented, *seed, config)?)?;
            }
            show(&data, *format)?;
        }
    }
    Ok(Ended::Well)
}

/// The sheet of samples: as they are, or as training would show them in its first epoch.
fn draw(
    images: &Images,
    augmented: Option<Augmented>,
    seed: u64,
    config: &Config,
) -> anyhow::Result<Vec<u8>> {
    let pixels = |index: usize| images.pixels.as_chunks::<INPUT_LEN>().0[index];
    let Some(augmented) = augmented else {
        return Ok(draw_samples(images, seed, pixels)?);
    };
    let split = TrainParameters::from(&config.train).check(images.len())?;
    let wardrobe = Wardrobe::new(images, split.train);
    Ok(draw_samples(images, seed, |index| {
        let purpose = Purpose::Augment {
            epoch: 1,
            image: index as u32,
        };
        let (mut stream, mut shown) = (Stream::new(seed, purpose), [0.0; INPUT_LEN]);
        let (pixels, label) = (pixels(index), images.labels[index]);
        match augmented {
            Augmented::Catalogue => augment::catalogue(&pixels, &mut stream, &mut shown),
            Augmented::Photo => augment::photo(&wardrobe, &pixels, label, &mut stream, &mut shown),
            Augmented::Outlier => augment::outlier(&wardrobe, &mut stream, &mut shown),
        }
        shown.map(|value| (value * 255.0 + 0.5) as u8)
    })?)
}

/// The data set; fetched first where hangtag keeps it itself and it is not there.
pub fn load_or_fetch_blocking(config: &Config) -> anyhow::Result<DataSet> {
    let missing = OFFICIAL_FILES
        .iter()
        .any(|file| !config.dataset_dir().join(file.name).is_file());
    if config.dataset.dir.is_none() && missing {
        tracing::info!("fetching Fashion-MNIST into {}", config.dataset_dir().display());
        fetch_with_bar_blocking(config)?;
    }
    Ok(load_blocking(config)?)
}

fn load_blocking(config: &Config) -> Result<DataSet, DatasetError> {
    let provenance = if config.dataset.dir.is_some() {
        Provenance::Any
    } else {
        Provenance::Official
    };
    let data = DataSet::load_blocking(&config.dataset_dir(), provenance)?;
    if !data.is_official() {
        tracing::warn!(
            "the files in {} are not the official Fashion-MNIST",
            config.dataset_dir().display()
        );
    }
    Ok(data)
}

fn fetch_with_bar_blocking(config: &Config) -> anyhow::Result<()> {
    let bar = ProgressBar::new(0);
    output::keep_below(&bar);
    bar.set_style(ProgressStyle::with_template(
        "{msg} {wide_bar} {binary_bytes}/{binary_total_bytes}",
    )?);
    let mirrors: Vec<String> = config
        .dataset
        .mirrors
        .iter()
        .map(|mirror| format!("{}/", mirror.trim_end_matches('/')))
        .collect();
    let fetched = fetch_blocking(&config.dataset_dir(), &mirrors, &mut |file, have, of| {
        bar.set_message(file.to_owned());
        bar.set_length(of);
        bar.set_position(have);
    });
    bar.finish_and_clear();
    Ok(fetched?)
}

fn show(data: &DataSet, format: Format) -> anyhow::Result<()> {
    let (train, test) = (data.train.statistics(), data.test.statistics());
    if format == Format::Json {
        return output::print_json(&json!({ "train": train, "test": test, "files": data.files }));
    }
    let mut rows: Vec<Vec<String>> = Label::all()
        .map(|label| {
            let count = |counts: &[usize]| counts[label.index()].to_string();
            vec![label.to_string(), count(&train.per_class), count(&test.per_class)]
        })
        .collect();
    rows.push(vec![
        "all".into(),
        train.images.to_string(),
        test.images.to_string(),
    ]);
    rows.push(vec![
        "mean pixel".into(),
        format!("{:.4}", train.mean),
        format!("{:.4}", test.mean),
    ]);
    rows.push(vec![
        "deviation".into(),
        format!("{:.4}", train.deviation),
        format!("{:.4}", test.deviation),
    ]);
    let mut text = output::table(&["", "train", "test"], &rows);
    for file in &data.files {
        let official = if file.official {
            "official"
        } else {
            "not the official file"
        };
        text += &format!("{}  {}  {official}\n", file.sha256, file.name);
    }
    output::print(&text)
}
