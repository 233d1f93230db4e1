//! Which model answers: what the registry in the store says.
//!
//! In: the settings, the store. Out: at the start the bundle that is to answer, on record as the one in service; while
//! the daemon runs, a swap whenever the registry names another one. Never: a model in service that did not load and
//! answer once: one that does not is refused on record, and the former one goes on serving.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

use super::open::{OpenedModel, OpeningError, load_runtime_blocking, open_bundle_blocking};
use crate::config::Config;
use crate::domain::{Device, DevicePolicy, ModelId};
use crate::model::{BundleError, ModelBundle};
use crate::status::{DeviceStatus, Identity, Station, StatusBoard};
use crate::store::{Actor, Forced, Reader, ServiceChange, Store, StoreError};
use crate::tagging::swap::{SwapError, Swapper};
use crate::training::publish::{PublishError, publish_blocking};

/// Why no model could be put in service.
#[derive(Debug, thiserror::Error)]
pub enum ServingError {
    /// The model of the settings, or the one that ships, does not open.
    #[error(transparent)]
    Opening(#[from] OpeningError),
    /// The model that the registry names does not open.
    #[error(
        "the model in service, {model}, cannot be used: {source}; `hangtag models rollback` brings the former one back, `hangtag models promote shipped` the one that ships"
    )]
    InService {
        /// Its id.
        model: String,
        /// What is wrong with it.
        source: Box<OpeningError>,
    },
    /// The registry cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The bundle cannot be kept for the next start.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// Whenever one was open, another one was to serve.
    #[error(
        "another model was put in service {ATTEMPTS} times while one was being opened; start again when no one promotes or rolls back models"
    )]
    Restless,
    /// A thread died.
    #[error("looking after the model in service failed: {0}; this is a bug, please report it")]
    Panicked(String),
}

/// Promotions and rollbacks come from people and the gate: two while one start opens a model is more than chance.
const ATTEMPTS: u32 = 3;

/// A bundle that is to answer, and why it is this one.
struct Choice {
    bundle: ModelBundle,
    /// In words, for the registry.
    reason: String,
    /// The model that the registry named then: the choice stands as long as it does.
    seen: Option<ModelId>,
}

/// `inference.model` where it is set, else the model in service, else the one that ships with this binary.
///
/// A model that is in service only because an older binary shipped with it gives way to that of the newer one: nobody
/// ever chose it. Without a store there is nothing in service yet.
fn choose_blocking(config: &Config, reader: Option<&Reader>) -> Result<Choice, ServingError> {
    if let Some(path) = &config.inference.model {
        let bundle = ModelBundle::load(path).map_err(OpeningError::from)?;
        let reason = format!("inference.model is {}", path.display());
        return Ok(Choice {
            bundle,
            reason,
            seen: None,
        });
    }
    let shipped = |seen| Choice {
        bundle: ModelBundle::embedded(),
        reason: format!("{SHIPS} {}", env!("CARGO_PKG_VERSION")),
        seen,
    };
    let Some(served) = reader
        .map_or(Ok(Vec::new()), |reader| reader.service_history(1))?
        .pop()
    else {
        return Ok(shipped(None));
    };
    let seen = served.until.is_none().then(|| served.model.clone());
    let is_shipped = served.by == Actor::Start && served.reason.starts_with(SHIPS);
    if is_shipped || served.model == *ModelBundle::embedded().id() {
        return Ok(shipped(seen));
    }
    let folder = config.models_dir().join(served.model.as_str());
    let bundle = ModelBundle::load(&folder).map_err(|error| ServingError::InService {
        model: served.model.to_string(),
        source: Box::new(error.into()),
    })?;
    Ok(Choice {
        bundle,
        reason: served.reason,
        seen,
    })
}

/// The bundle that would answer now; where there is no store yet, the one that ships (or that of the settings).
pub fn bundle_in_service_blocking(config: &Config) -> Result<ModelBundle, ServingError> {
    let reader = match Reader::open(&config.store_path()) {
        Ok(reader) => Some(reader),
        Err(StoreError::Missing { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    Ok(choose_blocking(config, reader.as_ref())?.bundle)
}

/// Who opens the model that is to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opener {
    /// The holder of the daemon's lock, who says what serves.
    Owner,
    /// A command that may run beside a daemon: it fills an empty registry and changes no other.
    Guest,
}

/// Opens the model that is to answer and puts it on record; as the one in service, unless the settings pin it: then
/// the registry stays as it is, and counts again once the setting is gone.
pub fn open_serving_blocking(
    config: &Config,
    store: &mut Store,
    opener: Opener,
) -> Result<OpenedModel, ServingError> {
    let runtime =
        load_runtime_blocking(&config.runtime, config.inference.device).map_err(OpeningError::from)?;
    let reader = Reader::open(&config.store_path())?;
    for _ in 0..ATTEMPTS {
        let choice = choose_blocking(config, Some(&reader))?;
        let opened = open_bundle_blocking(config, &runtime, &choice.bundle)?;
        store.register_model(&opened.entry)?;
        let is_pinned = config.inference.model.is_some();
        let is_settled = opener == Opener::Guest && reader.model_in_service_id()?.is_some();
        if is_pinned || is_settled {
            return Ok(opened);
        }
        publish_blocking(&config.models_dir(), &choice.bundle)?;
        if put_in_service_blocking(store, choice)? {
            return Ok(opened);
        }
        tracing::info!("another model was put in service while one was being opened; opening that one");
    }
    Err(ServingError::Restless)
}

/// `false`: somebody has put another model in service since the choice, which must not undo that.
fn put_in_service_blocking(store: &mut Store, choice: Choice) -> Result<bool, StoreError> {
    store.put_in_service(&ServiceChange {
        model: choice.bundle.id().clone(),
        at: SystemTime::now().into(),
        by: Actor::Start,
        reason: choice.reason,
        forced: Forced::No,
        verdict: None,
        instead_of: choice.seen,
    })
}

/// A published bundle by its id.
pub fn load_published_blocking(models: &Path, id: &str) -> Result<ModelBundle, BundleError> {
    ModelBundle::load(&models.join(id))
}

/// How often the registry is asked: microseconds, for a swap within a second of the decision.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// What the station works with.
pub(super) struct Server {
    pub config: Arc<Config>,
    /// Never contended: one look at a time.
    pub reader: Arc<Mutex<Reader>>,
    pub swapper: Swapper,
    /// What `hangtag status` says of the model.
    pub identity_tx: watch::Sender<Identity>,
    pub board: StatusBoard,
    pub station: Station,
}

/// Runs until `stop`.
pub(super) async fn serve(mut server: Server, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            _ = stop.wait_for(|stopped| *stopped) => return,
            () = tokio::time::sleep(LOOK_INTERVAL) => {}
        }
        // Not cut short by `stop`: a swap takes no longer than a batch.
        match server.follow_registry().await {
            Ok(()) => server.board.solved("serve"),
            Err(error) => {
                tracing::error!("{error}");
                server.board.problem("serve", error.to_string());
            }
        }
    }
}

impl Server {
    async fn follow_registry(&mut self) -> Result<(), ServingError> {
        let reader = Arc::clone(&self.reader);
        let wanted = in_thread(move || {
            let reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(reader.model_in_service_id()?)
        });
        let serving = self.swapper.in_service().now().model.clone();
        let Some(wanted) = wanted.await?.filter(|wanted| *wanted != serving) else {
            return Ok(());
        };
        let (mut config, model) = (Config::clone(&self.config), wanted.clone());
        let is_on_cpu = self.identity_tx.borrow().device.used == Device::Cpu;
        if is_on_cpu {
            // A GPU that has become free since is for the next start: there are seats for as many copies as a CPU has.
            config.inference.device = DevicePolicy::Cpu;
        }
        let opened = in_thread(move || Ok(open_published_blocking(&config, &model)?)).await;
        let refused = match opened {
            Ok(opened) => {
                let device = DeviceStatus::from(&opened.device);
                match self.swapper.swap(opened.classifiers).await {
                    Ok(_) => {
                        tracing::info!("model {wanted} serves in the place of {serving}");
                        self.station
                            .did(|| format!("{wanted} took the place of {serving}"));
                        self.identity_tx.send_modify(|identity| {
                            identity.model = wanted.clone();
                            if !is_on_cpu {
                                identity.device = device.clone();
                            }
                        });
                        return Ok(());
                    }
                    // Nothing is wrong with the model; the next start takes it up.
                    Err(SwapError::Ended(_)) => return Ok(()),
                    Err(error) => error.to_string(),
                }
            }
            Err(error) => error.to_string(),
        };
        tracing::error!("model {wanted} cannot serve, {serving} goes on: {refused}");
        self.station.did(|| format!("{wanted} was refused: {refused}"));
        let config = Arc::clone(&self.config);
        in_thread(move || Ok(keep_blocking(&config, &serving, (&wanted, &refused))?)).await
    }
}

fn open_published_blocking(config: &Config, model: &ModelId) -> Result<OpenedModel, OpeningError> {
    let runtime = load_runtime_blocking(&config.runtime, config.inference.device)?;
    let bundle = load_published_blocking(&config.models_dir(), model.as_str())?;
    open_bundle_blocking(config, &runtime, &bundle)
}

/// Puts the model that serves back on record, and why the other does not.
fn keep_blocking(
    config: &Config,
    serving: &ModelId,
    (refused, why): (&ModelId, &str),
) -> Result<(), StoreError> {
    let mut store = Store::open(&config.store_path(), config.durability.into())?;
    let at = SystemTime::now().into();
    store.put_in_service(&ServiceChange {
        model: serving.clone(),
        at,
        by: Actor::Start,
        reason: format!("{refused} was to take its place and could not: {why}"),
        forced: Forced::No,
        verdict: None,
        instead_of: Some(refused.clone()),
    })?;
    store.reject_model(refused, why, at)?;
    Ok(())
}

async fn in_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ServingError> + Send + 'static,
) -> Result<T, ServingError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(ServingError::Panicked(error.to_string())))
}

/// How the reason begins that a shipped model is in service for.
const SHIPS: &str = "ships with hangtag";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tagging::testing::{Shop, model};

    /// To open a model takes a while; a promotion made meanwhile was undone by the start that it came between.
    #[test]
    fn a_start_does_not_undo_a_promotion_that_came_between() {
        let shop = Shop::new();
        let (mut store, reader, config) = (shop.store(), shop.reader(), shop.config());
        let choose = || choose_blocking(&config, Some(&reader)).unwrap();
        let entry = super::super::open::entry_of(&choose().bundle).unwrap();
        store.register_model(&entry).unwrap();
        assert!(
            put_in_service_blocking(&mut store, choose()).unwrap(),
            "the first start"
        );

        let chosen = choose();
        let promotion = ServiceChange {
            model: model("a"),
            at: SystemTime::now().into(),
            by: Actor::Person,
            reason: "promoted".into(),
            forced: Forced::No,
            verdict: None,
            instead_of: None,
        };
        store.put_in_service(&promotion).unwrap();
        assert!(!put_in_service_blocking(&mut store, chosen).unwrap());
        assert_eq!(reader.model_in_service_id().unwrap(), Some(model("a")));
    }
}
