//! How many photos each label and status would leave: the figures beside the filters.
//!
//! In: a filter. Out: counts, from memory where nothing has changed since. Never: a page that waits for a walk over a
//! million rows: where counting takes long, the page comes without, and asks for them once it stands.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::filter::Filter;
use crate::store::{FacetCounts, Reader, StoreError};

/// Filters whose counts are kept: some people's last steps.
const KEPT: usize = 32;
/// A page waits for a count that took no longer than this the last time it was made.
const WORTH_WAITING: Duration = Duration::from_millis(15);
/// Counts that took long are not made anew for each new photo, but after so many times their own time.
const REST: u32 = 10;

/// Counts that were made. Owner: the reading threads, which share it.
#[derive(Debug, Default)]
pub struct Facets {
    kept: Mutex<VecDeque<Kept>>,
}

#[derive(Debug, Clone)]
struct Kept {
    query: String,
    counts: FacetCounts,
    generation: u64,
    made_at: Instant,
    took: Duration,
}

/// Counts, and whether they are those of now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// By label and status.
    pub counts: FacetCounts,
    /// `false`: something has changed since, and counting takes too long for who asked.
    pub is_fresh: bool,
}

/// How much a question may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Only what is at hand, or was quick the last time.
    Page,
    /// Whatever it takes.
    Whole,
}

impl Facets {
    /// The counts as of `generation`; under `Patience::Page` older ones, or none where they would take long.
    pub fn counts_blocking(
        &self,
        reader: &Reader,
        filter: &Filter,
        (generation, patience): (u64, Patience),
    ) -> Result<Option<Counted>, StoreError> {
        let query = Filter {
            order: super::filter::Order::default(),
            ..filter.clone()
        }
        .to_query();
        let kept = self.find(&query);
        if let Some(kept) = &kept {
            let is_rested = kept.made_at.elapsed() > kept.took * REST;
            if kept.generation == generation || !is_rested {
                return Ok(Some(Counted {
                    counts: kept.counts.clone(),
                    is_fresh: true,
                }));
            }
        }
        if patience == Patience::Page && !is_quick(reader, kept.as_ref())? {
            return Ok(kept.map(|kept| Counted {
                counts: kept.counts,
                is_fresh: false,
            }));
        }
        let since = Instant::now();
        let counts = reader.facet_counts(&filter.to_file_query(None))?;
        self.keep(Kept {
            query,
            counts: counts.clone(),
            generation,
            made_at: Instant::now(),
            took: since.elapsed(),
        });
        Ok(Some(Counted {
            counts,
            is_fresh: true,
        }))
    }

    fn find(&self, query: &str) -> Option<Kept> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|kept| kept.query == query).cloned()
    }

    fn keep(&self, new: Kept) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|old| old.query != new.query);
        kept.push_front(new);
        kept.truncate(KEPT);
    }
}

fn is_quick(reader: &Reader, kept: Option<&Kept>) -> Result<bool, StoreError> {
    /// Rows that are walked in about ten milliseconds.
    const FEW_FILES: u64 = 20_000;
    match kept {
        Some(kept) => Ok(kept.took <= WORTH_WAITING),
        None => Ok(reader.files_ever()? <= FEW_FILES),
    }
}
