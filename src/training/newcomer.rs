//! The thresholds of a model that is about to serve for the first time.
//!
//! In: a registered model, the photos that people audited, what it said of them unseeing. Out: thresholds that hold for it,
//! fitted on the audit, where that suffices; else those of its manifest stay. Never: a word of a person replaced, or what
//! holds for a model that has served: a rollback brings that back.

use std::path::Path;

use crate::domain::{Basis, ModelId, Timestamp};
use crate::store::{BY_REBUILD, ModelState, NewThresholds, Reader, Store, StoreError, ThresholdsRow};

use super::samples::{Pictures, Samples, enough_audited};
use super::thresholds::{FitOptions, fit};

/// What a fit aims at, and with what.
#[derive(Debug, Clone, Copy)]
pub struct Aim<'a> {
    /// Accepted tags shall be right at least so often, 0..=1.
    pub target_precision: f64,
    /// Now.
    pub at: Timestamp,
    /// Where the copies of corrected photos are kept.
    pub corrections_dir: &'a Path,
}

/// Lets an audit go on holding for a model that comes after the one it was made of: its thresholds are fitted on the
/// audited photos. Doing it twice changes nothing more.
pub fn fit_on_audit(
    (store, reader): (&mut Store, &Reader),
    model: &ModelId,
    aim: Aim<'_>,
) -> Result<(), StoreError> {
    let Some(row) = reader.model(model)? else {
        return Ok(());
    };
    let holding = reader.thresholds_of(model)?;
    let has_served = matches!(row.state, ModelState::InService | ModelState::Retired);
    if has_served || holding.as_ref().is_some_and(ThresholdsRow::is_a_persons) {
        return Ok(());
    }
    let rows = reader.samples(model)?;
    // Before all the copies are read.
    let audited = rows.iter().filter(|row| row.is_audited).count() as u64;
    if audited < enough_audited(aim.target_precision) {
        return Ok(());
    }
    let pictures = Pictures::of_blocking(aim.corrections_dir, &rows, &row.manifest);
    let (basis, judged) = Samples::of(&rows, &row.manifest, &pictures).best(aim.target_precision);
    if basis != Basis::Audit {
        return Ok(());
    }
    let thresholds = fit(&judged, aim.target_precision, FitOptions::of(basis));
    if holding.is_some_and(|holding| holding.thresholds == thresholds) {
        return Ok(());
    }
    if thresholds.accepted == 0 {
        tracing::warn!(
            "no tag of model {model} will be accepted: it is not right in {:.1} % of any large part of the {} audited photos that \
             can judge it; more corrections, or a lower tagging.target_precision, let it accept some",
            aim.target_precision * 100.0,
            judged.len()
        );
    }
    store.set_thresholds(&NewThresholds {
        model: model.clone(),
        thresholds,
        by: BY_REBUILD.to_owned(),
        at: aim.at,
    })
}

/// Where the thresholds that hold for a model come from, to follow its name.
pub fn thresholds_in_words(reader: &Reader, model: &ModelId) -> Result<String, StoreError> {
    Ok(match reader.thresholds_of(model)? {
        None => "has no thresholds: nothing is accepted".to_owned(),
        Some(row) if row.is_carried() => {
            format!("keeps to the thresholds that {} set for a former model", row.by)
        }
        Some(row) if row.thresholds.basis == Basis::Set => {
            format!("keeps to the thresholds that {} set", row.by)
        }
        Some(row) => format!("has thresholds from {}, by {}", row.thresholds.basis, row.by),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::{
        Chosen, ContentHash, LABEL_COUNT, Label, Prediction, PreprocessingVersion, Scores, Thresholds, Truth,
    };
    use crate::store::{
        Actor, Drawn, Durability, Forced, NewAudit, NewCorrection, NewModel, OutOfFold, ServiceChange,
    };

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    /// Of audited photos, for the target here.
    const ENOUGH: usize = 200;

    /// A store with an audit of so many photos, each looked at, and what a fold of model b said of each.
    struct Shop {
        folder: tempfile::TempDir,
        store: Store,
    }

    impl Shop {
        fn audited(photos: usize) -> Shop {
            let folder = tempfile::tempdir().unwrap();
            let store = Store::open(&folder.path().join("hangtag.db"), Durability::Normal).unwrap();
            let mut shop = Shop { folder, store };
            for digit in ["a", "b"] {
                let mut new = NewModel::new(&digit.repeat(64), PreprocessingVersion(1), at(0)).unwrap();
                new.manifest = json!({ "calibration": { "thresholds": Thresholds::unfounded() } });
                shop.store.register_model(&new).unwrap();
            }
            assert!(shop.serve("a"));
            let contents: Vec<_> = (0..photos)
                .map(|photo| ContentHash::of(&photo.to_le_bytes()))
                .collect();
            let mut scores = [0.0; LABEL_COUNT];
            scores[3] = 1.0;
            let prediction = Prediction::from(Scores::new(scores).unwrap());
            let answers: Vec<_> = contents
                .iter()
                .map(|hash| OutOfFold {
                    hash: *hash,
                    prediction,
                })
                .collect();
            let truths: Vec<_> = contents
                .iter()
                .map(|hash| NewCorrection {
                    hash: *hash,
                    truth: Truth::from(Label::from_index(3)),
                    by: "anna".into(),
                    at: at(10),
                })
                .collect();
            shop.store.correct(&truths).unwrap();
            let audit = NewAudit {
                model: model("a"),
                seed: 1,
                drawn: Drawn {
                    photos: photos as u64,
                    contents,
                },
                by: "anna".into(),
                at: at(9),
            };
            shop.store.record_audit(&audit).unwrap();
            shop.store.store_out_of_fold(&model("b"), &answers).unwrap();
            shop
        }

        fn reader(&self) -> Reader {
            Reader::open(&self.folder.path().join("hangtag.db")).unwrap()
        }

        fn serve(&mut self, digit: &str) -> bool {
            let change = ServiceChange {
                model: model(digit),
                at: at(20),
                by: Actor::Gate,
                reason: "a test".into(),
                forced: Forced::No,
                verdict: None,
                instead_of: None,
            };
            self.store.put_in_service(&change).unwrap()
        }

        fn fit(&mut self, digit: &str) -> ThresholdsRow {
            self.fit_for(digit, 0.95)
        }

        fn fit_for(&mut self, digit: &str, target_precision: f64) -> ThresholdsRow {
            let reader = self.reader();
            let aim = Aim {
                target_precision,
                at: at(15),
                corrections_dir: self.folder.path(),
            };
            fit_on_audit((&mut self.store, &reader), &model(digit), aim).unwrap();
            reader.thresholds_of(&model(digit)).unwrap().unwrap()
        }
    }

    fn model(digit: &str) -> ModelId {
        ModelId::from_sha256(&digit.repeat(64)).unwrap()
    }

    /// Two hundred audited photos, each tagged right, put thresholds in force by which nothing at all could be accepted.
    #[test]
    fn an_audit_that_could_never_prove_the_target_takes_no_threshold_away() {
        let mut shop = Shop::audited(ENOUGH);
        assert_eq!(shop.fit_for("b", 0.99).by, "manifest");
        let held = Shop::audited(230).fit_for("b", 0.99);
        assert_eq!((held.by.as_str(), held.thresholds.accepted), (BY_REBUILD, 230));
    }

    /// A rebuilt model came with the thresholds of its manifest, and the audit counted for nothing any more.
    #[test]
    fn an_audit_goes_on_holding_for_a_rebuilt_model() {
        let mut shop = Shop::audited(ENOUGH);
        let held = shop.fit("b");
        assert_eq!(
            (held.by.as_str(), held.thresholds.basis),
            (BY_REBUILD, Basis::Audit)
        );
        assert_eq!(held.thresholds.samples, ENOUGH as u64);
        assert!(
            held.thresholds
                .accept_from(Label::from_index(3).unwrap())
                .is_some()
        );
        shop.fit("b");
        let history = shop.reader().threshold_history(&model("b"), 9).unwrap();
        assert_eq!(history.len(), 2, "the manifest's, and once those of the audit");
        assert!(shop.serve("b"));
        let said = thresholds_in_words(&shop.reader(), &model("b")).unwrap();
        assert_eq!(said, "has thresholds from audit, by rebuild");
    }

    #[test]
    fn what_an_audit_does_not_suffice_for_or_a_person_has_said_stays() {
        let mut few = Shop::audited(ENOUGH - 1);
        assert_eq!(few.fit("b").by, "manifest");
        let mut shop = Shop::audited(ENOUGH);
        assert_eq!(shop.fit("a").by, "manifest", "it serves, and gave no answers");
        let word = NewThresholds {
            model: model("b"),
            thresholds: Thresholds::uncertified(0.9),
            by: "anna".into(),
            at: at(12),
        };
        shop.store.set_thresholds(&word).unwrap();
        assert_eq!(shop.fit("b").by, "anna");
    }

    /// The copy passed for a person's word about the model to which it had been carried over, and kept every fit away.
    #[test]
    fn what_was_carried_over_does_not_keep_a_fit_away() {
        let mut shop = Shop::audited(ENOUGH);
        let bag = Label::from_index(8).unwrap();
        let set = Thresholds {
            basis: Basis::Set,
            chosen: Some(Chosen {
                labels: vec![bag],
                unknown: false,
                carried_since: None,
            }),
            ..Thresholds::unfounded()
        };
        let word = NewThresholds {
            model: model("a"),
            thresholds: set,
            by: "anna".into(),
            at: at(12),
        };
        shop.store.set_thresholds(&word).unwrap();
        assert!(shop.serve("b"));
        let said = thresholds_in_words(&shop.reader(), &model("b")).unwrap();
        assert_eq!(said, "keeps to the thresholds that anna set for a former model");
        // It was rolled back and refused, and is to serve once more.
        assert!(shop.serve("a"));
        shop.store.reject_model(&model("b"), "a test", at(25)).unwrap();
        assert_eq!(shop.fit("b").thresholds.basis, Basis::Audit);
    }
}
