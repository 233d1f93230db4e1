//! The store as commands change it: `correct`, `review`, `thresholds`, `models`, `retrain`.
//!
//! In: the settings. Out: the store that is there, with a warning to root where it is somebody else's. Never: a store begun:
//! `run`, `scan` and `train` do that.

use std::os::unix::fs::MetadataExt;

use super::output;
use crate::config::Config;
use crate::store::{Store, StoreError};

/// Opens it for writing; one that is not there is an error.
pub fn open_to_change(config: &Config) -> Result<Store, StoreError> {
    let store = Store::open_existing(&config.store_path(), config.durability.into())?;
    if let Ok(folder) = config.data_dir.metadata()
        && is_of_somebody_else(rustix::process::geteuid().as_raw(), folder.uid())
    {
        output::note(&format!(
            "{folder} belongs to user {owner}: folders that root makes there are closed to the service; run this as \
             sudo -H -u '#{owner}' hangtag …",
            folder = config.data_dir.display(),
            owner = folder.uid(),
        ));
    }
    Ok(store)
}

/// Others than root are told by the system where they may not write.
fn is_of_somebody_else(user: u32, owner: u32) -> bool {
    user == 0 && owner != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_alone_is_warned_and_only_of_what_is_not_its_own() {
        assert!(is_of_somebody_else(0, 997));
        assert!(!is_of_somebody_else(0, 0));
        assert!(!is_of_somebody_else(997, 997));
        assert!(!is_of_somebody_else(1000, 997));
    }
}
