//! Pages and API over the store and the status: to look, ask and correct.
//!
//! In: requests by HTTP on the address of the settings, the store, the status board, and [`Hands`] for what lies beyond
//! this layer. Out: pages, JSON, pictures, events, metrics; corrections, requests for a rebuild, changes of the model in
//! service, as a command would make them. Never: a tag of its own, a photo changed, or a moment that the tagging line waits
//! for: one thread of its own serves, others read, draw and write, each behind a bounded queue, and all of them step back.
//!
//! - `server.rs` (connections and their limits), `security.rs` (who may ask), `routes.rs` (which address is what).
//! - `pool.rs`: the threads. `again.rs`: tries until it works. `failure.rs`: what can go wrong. `filter.rs`: which photos
//!   are wanted. `lookout.rs`: looks at disks that may not answer.
//! - `pages/`: what people see. `api/`: what programs see, and the document that describes it. `assets/`: style and script.
//! - `pictures.rs`, `gallery.rs`, `shelf.rs`: small copies of photos, who draws them, where they lie. `facets.rs`: counts
//!   beside the filters. `events.rs`: what is new.
//! - `act.rs`: what changes something. `ask.rs`: an uploaded picture. `probes.rs`, `metrics.rs`: for machines that watch.
//! - `webhook.rs`: tells somebody else of new tags.

mod act;
mod again;
mod api;
mod ask;
mod assets;
mod events;
mod facets;
mod failure;
mod filter;
mod gallery;
mod lookout;
mod metrics;
mod pages;
mod pictures;
mod pool;
mod probes;
mod routes;
mod security;
mod server;
mod shelf;
mod webhook;

pub use webhook::stop_collecting_blocking;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::{oneshot, watch};

use act::Desk;
use ask::Asker;
use events::Events;
use facets::Facets;
use failure::Failure;
use gallery::Gallery;
use lookout::Lookout;
use pool::{Pool, PoolShape};
use security::Guard;
use shelf::Shelf;

use crate::config::{Config, WebConfig};
use crate::decode::DecodeLimits;
use crate::domain::{ContentHash, DecodedImage, ModelId};
use crate::model::Classifier;
use crate::status::{Identity, QueueStatus, StatusBoard, StatusReport};
use crate::store::{PageAccess, Reader, ReviewCandidate, Store, StoreError};

/// Threads that read the store, each with a connection: a question takes milliseconds.
const READERS: usize = 3;

/// What the web has done by those who may: things that lie in later or neighbouring layers.
pub struct Hands {
    /// How full the queues are.
    pub queues: Box<dyn Fn() -> Vec<QueueStatus> + Send + Sync>,
    /// Asks for a look at a file or folder of an inbox.
    pub look_again: Box<dyn Fn(&Path) + Send + Sync>,
    /// Whether a path lies in an inbox.
    pub is_watched: Box<dyn Fn(&Path) -> bool + Send + Sync>,
    /// Opens a published model and lets it answer once; why not, in words.
    pub open_model: Box<OpenModel>,
    /// Lets an audit hold for a model that is about to serve for the first time.
    pub fit_on_audit: Box<FitOnAudit>,
    /// Keeps the picture of a corrected photo for rebuilds.
    pub keep_picture: Box<KeepPicture>,
    /// Whether that of a photo was kept before.
    pub is_picture_kept: Box<dyn Fn(&ContentHash) -> bool + Send + Sync>,
    /// The photos most worth a look by a model's answers, at most so many, the most useful first.
    pub worth_a_look: Box<WorthALook>,
    /// What a gate's verdict found.
    pub findings: Box<Findings>,
    /// Whether the photos have changed since the model went into service.
    pub drift: Box<ReadDrift>,
}

/// Opens a model; why not, in words.
pub type OpenModel = dyn Fn(&ModelId) -> Result<Box<dyn Classifier>, String> + Send + Sync;
/// Fits a registered model's thresholds on what people have audited, where that suffices.
pub type FitOnAudit = dyn Fn(&mut Store, &ModelId) -> Result<(), StoreError> + Send + Sync;
/// Keeps a picture; why not, in words.
pub type KeepPicture = dyn Fn(&ContentHash, &DecodedImage) -> Result<(), String> + Send + Sync;
/// Reads a verdict.
pub type Findings = dyn Fn(&serde_json::Value) -> Vec<FindingInWords> + Send + Sync;
/// Compares the model's first days in service with the last ones.
pub type ReadDrift = dyn Fn(&Reader) -> Result<DriftShown, StoreError> + Send + Sync;
/// Chooses photos, each with its reason in words.
pub type WorthALook =
    dyn Fn(&Reader, &ModelId, usize) -> Result<Vec<(ReviewCandidate, String)>, StoreError> + Send + Sync;

/// One thing that the gate looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingInWords {
    /// Whether it speaks for the model.
    pub speaks_for: bool,
    /// In a sentence.
    pub words: String,
}

/// Whether the photos have changed, for people and for programs.
#[derive(Debug, Clone, PartialEq)]
pub struct DriftShown {
    /// As `hangtag stats --drift --format json` prints it.
    pub answer: serde_json::Value,
    /// How it is read, in a word or two; `None` where it cannot be told yet.
    pub reading: Option<String>,
    /// In sentences, one a line.
    pub conclusion: String,
    /// Days of either window; what is counted, and its figure in either; `None` as long as they would overlap.
    pub table: Option<([String; 2], Vec<[String; 3]>)>,
}

/// What the web is built from.
pub struct WebParts {
    /// All settings.
    pub config: Arc<Config>,
    /// `[web]`
    pub web: WebConfig,
    /// The inboxes' real paths, below which the store knows their files.
    pub inboxes: Vec<PathBuf>,
    /// What the stations say.
    pub board: StatusBoard,
    /// Which model serves.
    pub identity: watch::Receiver<Identity>,
    /// For what lies elsewhere.
    pub hands: Hands,
}

/// Why there are no pages.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// A connection.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A thread.
    #[error("no thread could be started for the pages: {0}")]
    Thread(#[from] std::io::Error),
}

/// Everything that handlers share.
pub struct App {
    config: Arc<Config>,
    guard: Arc<Guard>,
    board: StatusBoard,
    identity: watch::Receiver<Identity>,
    hands: Arc<Hands>,
    readers: Pool<Reader>,
    gallery: Arc<Gallery>,
    /// One thread: changes are made one after the other.
    writer: Pool<Desk>,
    /// Of the desk's: words since the start that no rebuild can learn from.
    unlearned: Arc<AtomicU64>,
    asker: Pool<Asker>,
    /// Their real paths.
    inboxes: Vec<PathBuf>,
    lookout: Lookout,
    facets: Arc<Facets>,
    events: Events,
}

impl App {
    fn open_blocking(parts: WebParts, guard: Guard) -> Result<App, WebError> {
        let WebParts {
            config,
            web,
            inboxes,
            board,
            identity,
            hands,
        } = parts;
        let hands = Arc::new(hands);
        let store = config.store_path();
        let shelf = Shelf::new(config.thumbnails_dir(), web.thumbnail_bytes);
        let gallery = Arc::new(Gallery::start(&config, &inboxes, shelf)?);
        let shape = |name, waiting, nice| PoolShape { name, waiting, nice };
        let readers = (0..READERS).map(|_| Reader::open_with(&store, PageAccess::Copied));
        let desk = Desk::new(Arc::clone(&config), Arc::clone(&hands), Arc::clone(&gallery))?;
        let asker = Asker::new(Arc::clone(&hands), decode_limits(&config));
        Ok(App {
            guard: Arc::new(guard),
            board,
            identity,
            // As many as there are connections: each waits for one question.
            readers: Pool::start(
                shape("web-read", server::MAX_CONNECTIONS, 5),
                readers.collect::<Result<_, _>>()?,
            )?,
            gallery,
            unlearned: desk.unlearned(),
            writer: Pool::start(shape("web-write", 32, 5), vec![desk])?,
            asker: Pool::start(shape("web-ask", 4, 10), vec![asker])?,
            lookout: Lookout::start(&inboxes)?,
            inboxes,
            facets: Arc::default(),
            events: Events::start(Reader::open(&store)?)?,
            hands,
            config,
        })
    }

    /// Has a change made. Whoever asks from then on is answered by how things stand after it: nobody waits for the next look
    /// at the store, which tells of it once more.
    async fn change<R: Send + 'static>(
        &self,
        change_blocking: impl FnOnce(&mut Desk) -> Result<R, Failure> + Send + 'static,
    ) -> Result<R, Failure> {
        let changed = self.writer.ask(change_blocking).await;
        self.events.tell();
        changed
    }

    /// What holds right now.
    fn report(&self) -> StatusReport {
        self.board.report(&self.identity.borrow(), (self.hands.queues)())
    }
}

/// The pages, being served.
pub struct Web {
    ended: oneshot::Receiver<()>,
}

impl Web {
    /// Starts a thread that serves until `stop`. Trouble with the address or the token is shown on the board, and tried
    /// again: it is no reason not to tag. Trouble with the webhook is none of the pages'.
    pub fn start(parts: WebParts, stop: watch::Receiver<bool>) -> Result<Web, WebError> {
        let board = &parts.board;
        if let Err(error) = webhook::start(&parts.config, parts.web.webhook.as_ref(), board, stop.clone()) {
            tracing::error!("webhook: {error}");
            board.problem("webhook", format!("{error}; nobody is told of new tags"));
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (ended_tx, ended) = oneshot::channel();
        std::thread::Builder::new().name("web".into()).spawn(move || {
            // It makes the pages, too.
            pool::step_back(5);
            serve_blocking(parts, &runtime, stop);
            // Who waits may have lost patience.
            let _ = ended_tx.send(());
        })?;
        Ok(Web { ended })
    }

    /// Waits until everything under way has ended.
    pub async fn ended(self) {
        // The thread's end is the end, however it came about.
        let _ = self.ended.await;
    }
}

fn serve_blocking(parts: WebParts, runtime: &tokio::runtime::Runtime, stop: watch::Receiver<bool>) {
    let (address, board, web) = (parts.web.listen, parts.board.clone(), parts.web.clone());
    let trouble = |trouble: String| {
        tracing::error!("web: {trouble}");
        board.problem("web", trouble);
    };
    // Without the token nothing is served that it is to keep from others.
    let guard = again::until_it_works_blocking(
        &stop,
        || Guard::open_blocking(&web),
        |reason| trouble(format!("{reason}; tried again, photos are tagged meanwhile")),
    );
    let Some(guard) = guard else { return };
    match App::open_blocking(parts, guard) {
        Ok(app) => runtime.block_on(run(Arc::new(app), address, board, stop)),
        Err(error) => trouble(format!("{error}; photos are tagged without pages")),
    }
}

async fn run(
    app: Arc<App>,
    address: std::net::SocketAddr,
    board: StatusBoard,
    mut stop: watch::Receiver<bool>,
) {
    let told = |reason: &str| {
        let trouble = format!(
            "could not listen on {address} (web.listen): {reason}; tried again, photos are tagged meanwhile"
        );
        tracing::error!("web: {trouble}");
        board.problem("web", trouble);
    };
    if let Some((local, listener)) = server::listen(address, &mut stop, told).await {
        tracing::info!("pages at http://{local}");
        board.solved("web");
        board.serves_pages_at(format!("http://{local}"));
        let router = routes::router(Arc::clone(&app));
        app.events.end_with(stop.clone());
        server::serve(listener, router, stop).await;
    }
}

/// `[limits]` as the decoders take them.
fn decode_limits(config: &Config) -> DecodeLimits {
    DecodeLimits {
        max_pixels: config.limits.max_pixels,
        max_decode_bytes: config.limits.max_decode_bytes,
    }
}
