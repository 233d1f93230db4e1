//! How many photos each label and status would leave: the figures beside the filters.
//!
//! In: a filter. Out: counts, from memory where nothing has changed since: no photo, nor, to the minute, what `24h` means. Never: a page that waits for a walk over a
//! million rows: where counting takes long, the page comes without, and asks for them once it stands.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::filter::{Filter, Window};
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
    window: Window,
    made_at: Instant,
    took: Duration,
}

/// Counts, and whether they are those of now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// By label and status.
    pub counts: FacetCounts,
    /// `false`: something has changed since, and counting takes too long for who asked, or so soon after the last time.
    pub is_fresh: bool,
}

/// How much a question may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Only what is at hand, or was quick the last time.
    Page,
    /// Whatever it takes, unless it has just been made.
    Whole,
}

impl Facets {
    /// The counts as of `generation`; older ones, which say so, where they were made a moment ago, and under
    /// `Patience::Page` also where they would take long, or none then.
    pub fn counts_blocking(
        &self,
        reader: &Reader,
        filter: &Filter,
        asked: (u64, Patience),
    ) -> Result<Option<Counted>, StoreError> {
        self.counts_at_blocking(reader, filter, asked, SystemTime::now())
    }

    fn counts_at_blocking(
        &self,
        reader: &Reader,
        filter: &Filter,
        (generation, patience): (u64, Patience),
        now: SystemTime,
    ) -> Result<Option<Counted>, StoreError> {
        let window = filter.window_to_the_minute(now);
        let query = Filter {
            order: super::filter::Order::default(),
            ..filter.clone()
        }
        .to_query();
        let kept = self.find(&query);
        if let Some(kept) = &kept {
            let is_rested = kept.made_at.elapsed() > kept.took * REST;
            let is_current = (kept.generation, kept.window) == (generation, window);
            if is_current || !is_rested {
                return Ok(Some(Counted {
                    counts: kept.counts.clone(),
                    is_fresh: is_current,
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
        let counts = reader.facet_counts(&filter.to_file_query_at(None, now))?;
        self.keep(Kept {
            query,
            counts: counts.clone(),
            generation,
            window,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{InventoryPath, Rejection, RejectionReason, Timestamp};
    use crate::store::{Change, Durability, Store};

    /// Older counts were handed out as those of now, and stayed on the page until something else changed.
    #[test]
    fn counts_that_rest_say_that_they_are_older() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hangtag.db");
        Store::open(&path, Durability::Normal).unwrap();
        let reader = Reader::open(&path).unwrap();
        let facets = Facets::default();
        let counted = |generation, patience| {
            let asked = (generation, patience);
            facets
                .counts_blocking(&reader, &Filter::default(), asked)
                .unwrap()
                .unwrap()
        };
        let first = counted(1, Patience::Whole);
        assert!(first.is_fresh);
        let took = Duration::from_secs(3_600);
        let kept = Kept {
            took,
            ..facets.find("").unwrap()
        };
        facets.keep(kept);
        for (generation, is_fresh) in [(1, true), (2, false)] {
            for patience in [Patience::Page, Patience::Whole] {
                assert_eq!(
                    counted(generation, patience),
                    Counted {
                        is_fresh,
                        ..first.clone()
                    }
                );
            }
        }
    }

    /// They stood still for as long as no other photo came.
    #[test]
    fn counts_of_a_span_before_now_go_on_while_nothing_is_committed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hangtag.db");
        let mut store = Store::open(&path, Durability::Normal).unwrap();
        let minute = |minutes: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(minutes * 60);
        let unread = Change::Unread {
            path: InventoryPath::from_stored("/shop/a.jpg".into()),
            stamp: None,
            rejection: Rejection {
                reason: RejectionReason::Unreadable,
                detail: "no".into(),
            },
            at: Timestamp::from(minute(100)),
        };
        store.apply(&[unread]).unwrap();
        let reader = Reader::open(&path).unwrap();
        let filter = Filter {
            since: Some("1h".into()),
            ..Filter::default()
        };
        let facets = Facets::default();
        let total = |minutes: u64| {
            let asked = (1, Patience::Whole);
            let counted = facets.counts_at_blocking(&reader, &filter, asked, minute(minutes));
            counted.unwrap().unwrap().counts.total
        };
        assert_eq!(total(159), 1);
        // Counts that were made this moment are not made anew yet.
        let since = Instant::now();
        while total(161) == 1 {
            assert!(
                since.elapsed() < Duration::from_secs(30),
                "the photo still counts"
            );
        }
    }
}
