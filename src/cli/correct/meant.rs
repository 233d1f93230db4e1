//! Which contents a person means.
//!
//! In: files, folders, patterns for files on record, content hashes. Out: the contents, each with files that hold it.
//! Never: what was rejected as no photo, or is gone from where others are, unless it is named by itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::bail;

use super::content_at;
use crate::cli::UsageError;
use crate::cli::paths::{path_meant, real_path};
use crate::cli::patterns::pattern_of_path;
use crate::config::Config;
use crate::domain::{ContentHash, InventoryPath, Status};
use crate::store::{FileQuery, Reader, StoreError};
use crate::tagging::own_folder::OwnFolder;

/// The contents that are meant.
#[derive(Debug, Default)]
pub struct Meant {
    /// Each with files that hold it, or did.
    pub contents: Contents,
    /// Rejected files that a pattern or a folder fits, and that are left out.
    pub rejected: u64,
    /// Photos that are gone from where a pattern or a folder fits others, and that are left out.
    pub gone: u64,
}

/// Contents, each with files.
type Contents = BTreeMap<ContentHash, Vec<PathBuf>>;

/// Which of the rejected files are meant by a pattern or a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfRejected {
    /// None; a file that is named by itself is no pattern.
    NamedAlone,
    /// All of them.
    All,
}

impl Meant {
    /// Finds them by what was typed.
    pub fn find(
        typed: &[PathBuf],
        of_rejected: OfRejected,
        reader: &Reader,
        config: &Config,
    ) -> anyhow::Result<Self> {
        let mut meant = Self::default();
        let own = OwnFolder::of(config);
        for path in typed {
            let path = &*path_meant(path);
            let hash = path.to_str().and_then(|text| text.parse::<ContentHash>().ok());
            if let Some(hash) = hash.filter(|_| !path.exists()) {
                meant.contents.entry(hash).or_default();
                continue;
            }
            if path.canonicalize().is_ok_and(|real| own.holds(&real)) {
                return Err(UsageError(format!(
                    "{} lies within hangtag's data folder {}, where no photo of yours is; name files outside of it",
                    path.display(),
                    own.data_dir().display()
                ))
                .into());
            }
            if !path.is_file() {
                meant.add_on_record(path, of_rejected, reader)?;
                continue;
            }
            match content_at(path, config) {
                Ok(hash) => meant.contents.entry(hash).or_default().push(path.to_owned()),
                Err(why) => bail!(why),
            }
        }
        Ok(meant)
    }

    /// By a pattern, a folder, or a file that is gone. What is gone from there may lie elsewhere by now, and is not what a
    /// person sees there; where nothing is left, the inbox may have moved.
    fn add_on_record(&mut self, path: &Path, of_rejected: OfRejected, reader: &Reader) -> anyhow::Result<()> {
        let query = FileQuery {
            path_glob: Some(pattern_of_path(path, reader)?),
            ..FileQuery::default()
        };
        let named = InventoryPath::of(&real_path(path));
        let (mut there, mut gone, mut rejected) = (Contents::new(), Contents::new(), 0);
        reader.visit_files_matching(&query, |file| {
            let is_meant =
                file.status != Status::Rejected || file.path == named || of_rejected == OfRejected::All;
            match file.content_hash {
                _ if !is_meant => rejected += 1,
                Some(hash) => {
                    let found = if file.present { &mut there } else { &mut gone };
                    found.entry(hash).or_default().push(file.path.to_path());
                }
                None => {}
            }
            Ok::<_, StoreError>(())
        })?;
        self.rejected += rejected;
        if there.is_empty() {
            there = gone;
        } else {
            self.gone += gone.keys().filter(|hash| !there.contains_key(hash)).count() as u64;
        }
        let (is_found, shown) = (!there.is_empty(), path.display());
        for (hash, files) in there {
            self.contents.entry(hash).or_default().extend(files);
        }
        match (is_found, rejected) {
            (true, _) => Ok(()),
            (false, 0) => Err(UsageError(format!(
                "{shown} is no file, no content hash, and no pattern that fits a photo on record"
            ))
            .into()),
            (false, _) => Err(UsageError(format!(
                "all that fits {shown} on record was rejected; a file that is named by itself is corrected all the same"
            ))
            .into()),
        }
    }
}
