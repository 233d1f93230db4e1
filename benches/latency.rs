//! From a photo's close to its committed row, photos dropped one at a time into the inbox of a running daemon.
//!
//! `cargo bench --bench latency` drops drawn PNGs of 400x533, `cargo bench --bench latency -- FOLDER` the JPEGs of a
//! folder, each made a new content by a comment. Out: median, 99th percentile and longest, in milliseconds, and photos a
//! second where many are dropped at once; the same beside clients that ask for pages without a pause; where
//! `HANGTAG__DATASET__DIR` names the data set, the former beside a rebuild. `settle.quiet` (300 ms) is in
//! the figures. Needs ONNX Runtime and installs it on first need, as the program does.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};

const DROPS: usize = 200;
/// Dropped at once.
const HEAP: usize = 1_000;
/// Who asks for pages without a pause: as many as people would be at once.
const CLIENTS: usize = 8;
/// What they ask for in turn: nothing here comes from memory.
const ASKED: [&str; 5] = [
    "/",
    "/?label=Bag",
    "/api/v1/images?sort=path",
    "/api/v1/counts",
    "/status",
];
/// How often the store is asked.
const LOOK_INTERVAL: Duration = Duration::from_micros(500);
/// A row that has not come by then never comes.
const PATIENCE: Duration = Duration::from_secs(30);

fn main() {
    // cargo itself passes --bench.
    let given = std::env::args_os().skip(1).find(|argument| argument != "--bench");
    let photos = Photos::of(given.map(PathBuf::from).as_deref());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let shop = Shop::open(folder.path());
    println!("{:<28} {:>8} {:>8} {:>8}", "", "median", "p99", "longest");
    shop.drop_and_wait(&photos, 0..3); // The first pages of the store, and of the model.
    report("one photo at a time", shop.drop_and_wait(&photos, 3..DROPS));
    let first = 2 * DROPS;
    let (waits_ms, answers) = shop.beside_clients(|| shop.drop_and_wait(&photos, first..first + DROPS));
    report("beside clients of the pages", waits_ms);
    println!("({answers} pages were served meanwhile)");
    let first = 3 * DROPS;
    let alone = shop.drop_at_once(&photos, first..first + HEAP);
    println!("{HEAP} photos at once: {alone:.0} a second");
    let first = first + HEAP;
    let (beside, answers) = shop.beside_clients(|| shop.drop_at_once(&photos, first..first + HEAP));
    println!("beside clients of the pages: {beside:.0} a second ({answers} pages were served meanwhile)");
    if std::env::var_os("HANGTAG__DATASET__DIR").is_some() {
        let asked = shop.hangtag(&["retrain", "now"]).status();
        assert!(asked.is_ok_and(|status| status.success()), "the rebuild begins");
        report("beside a rebuild", shop.drop_and_wait(&photos, DROPS..2 * DROPS));
        let running = "SELECT count(*) FROM runs WHERE state = 'running'";
        let count: i64 = shop
            .store()
            .query_row(running, [], |row| row.get(0))
            .expect("the store answers");
        println!(
            "(the rebuild {})",
            if count == 1 {
                "went on all the while"
            } else {
                "ended too early: the figure is too good"
            }
        );
    }
}

fn report(what: &str, mut waits_ms: Vec<f64>) {
    waits_ms.sort_by(f64::total_cmp);
    let at = |share: f64| waits_ms[((waits_ms.len() - 1) as f64 * share).round() as usize];
    println!("{what:<28} {:>8.1} {:>8.1} {:>8.1}", at(0.5), at(0.99), at(1.0));
}

/// What is dropped.
enum Photos {
    /// JPEGs as they were found.
    Found(Vec<Vec<u8>>),
    Drawn,
}

impl Photos {
    fn of(folder: Option<&Path>) -> Self {
        let Some(folder) = folder else { return Self::Drawn };
        let entries = std::fs::read_dir(folder).expect("the folder can be read");
        let files = entries.map(|entry| std::fs::read(entry.expect("an entry").path()).unwrap_or_default());
        let jpegs: Vec<_> = files.filter(|bytes| bytes.starts_with(b"\xFF\xD8")).collect();
        assert!(!jpegs.is_empty(), "there are JPEGs in {}", folder.display());
        Self::Found(jpegs)
    }

    /// Another content for every number.
    fn photo(&self, number: usize) -> (String, Vec<u8>) {
        match self {
            Self::Found(jpegs) => {
                let jpeg = &jpegs[number % jpegs.len()];
                let comment = [&b"\xFF\xFE\0\x0A"[..], &(number as u64).to_be_bytes()].concat();
                (
                    format!("{number}.jpg"),
                    [&jpeg[..2], &comment, &jpeg[2..]].concat(),
                )
            }
            Self::Drawn => {
                let picture = image::GrayImage::from_fn(400, 533, |x, y| {
                    let is_garment = (100..300).contains(&x) && (60..480).contains(&y);
                    image::Luma([if is_garment {
                        ((x * y + number as u32) % 90) as u8
                    } else {
                        255
                    }])
                });
                let mut bytes = std::io::Cursor::new(Vec::new());
                picture
                    .write_to(&mut bytes, image::ImageFormat::Png)
                    .expect("a PNG is written");
                (format!("{number}.png"), bytes.into_inner())
            }
        }
    }
}

/// A daemon on an inbox of its own; ended when dropped.
struct Shop {
    folder: PathBuf,
    daemon: Child,
}

impl Shop {
    fn open(folder: &Path) -> Self {
        let folder = folder.canonicalize().expect("the folder is there");
        let mut command = Self::command(&folder, &["run"]);
        let mut daemon = command.stderr(Stdio::piped()).spawn().expect("hangtag starts");
        let mut log = BufReader::new(daemon.stderr.take().expect("it is piped")).lines();
        assert!(
            log.any(|line| line.is_ok_and(|line| line.contains("ready"))),
            "hangtag is ready"
        );
        // Read on, or the daemon would block on a full pipe.
        std::thread::spawn(move || log.for_each(drop));
        Self { folder, daemon }
    }

    fn command(folder: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hangtag"));
        command
            .args(arguments)
            .current_dir(folder)
            .stdout(Stdio::null())
            .env("HANGTAG__INFERENCE__DEVICE", "cpu")
            .env("HANGTAG__WEB__LISTEN", "127.0.0.1:0");
        command
    }

    fn hangtag(&self, arguments: &[&str]) -> Command {
        Self::command(&self.folder, arguments)
    }

    fn store(&self) -> Connection {
        let path = self.folder.join("hangtag-data/hangtag.db");
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("the store opens")
    }

    /// From the close of each photo to its row, in milliseconds.
    fn drop_and_wait(&self, photos: &Photos, numbers: std::ops::Range<usize>) -> Vec<f64> {
        let store = self.store();
        let mut row = store
            .prepare("SELECT 1 FROM files WHERE path = ?1")
            .expect("a statement");
        let mut wait = |number| {
            let (name, bytes) = photos.photo(number);
            let path = self.folder.join("inventory").join(name);
            let mut file = std::fs::File::create(&path).expect("the photo is made");
            file.write_all(&bytes).expect("the photo is written");
            drop(file);
            let closed = Instant::now();
            while !row.exists([path.to_str()]).expect("the store answers") {
                assert!(closed.elapsed() < PATIENCE, "{} has no answer", path.display());
                std::thread::sleep(LOOK_INTERVAL);
            }
            closed.elapsed().as_secs_f64() * 1e3
        };
        numbers.map(&mut wait).collect()
    }

    /// Photos a second, from the first one written to the last row.
    fn drop_at_once(&self, photos: &Photos, numbers: std::ops::Range<usize>) -> f64 {
        let made: Vec<_> = numbers.map(|number| photos.photo(number)).collect();
        let store = self.store();
        let count = || -> i64 {
            let found = store.query_row("SELECT count(*) FROM files", [], |row| row.get(0));
            found.expect("the store answers")
        };
        let wanted = count() + made.len() as i64;
        let begun = Instant::now();
        for (name, bytes) in &made {
            std::fs::write(self.folder.join("inventory").join(name), bytes).expect("the photo is written");
        }
        while count() < wanted {
            assert!(
                begun.elapsed() < 4 * PATIENCE,
                "{} of {wanted} have an answer",
                count()
            );
            std::thread::sleep(10 * LOOK_INTERVAL);
        }
        made.len() as f64 / begun.elapsed().as_secs_f64()
    }

    /// Does something while clients ask for pages without a pause; what came of it, and how many pages were answered.
    fn beside_clients<R>(&self, work: impl FnOnce() -> R) -> (R, usize) {
        let report = std::fs::read(self.folder.join("hangtag-data/status.json")).expect("there is a status");
        let report: serde_json::Value = serde_json::from_slice(&report).expect("it is JSON");
        let base = report["web"].as_str().expect("pages are served").to_owned();
        let (is_over, answers) = (AtomicBool::new(false), AtomicUsize::new(0));
        let ask = || {
            // Real ones work on machines of their own.
            #[cfg(target_os = "linux")]
            let _ = rustix::process::nice(10);
            let agent = ureq::Agent::new_with_defaults();
            let addresses = ASKED.map(|path| format!("{base}{path}"));
            for address in addresses.iter().cycle() {
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
                let whole = agent
                    .get(address)
                    .call()
                    .map(|mut page| page.body_mut().read_to_vec());
                answers.fetch_add(usize::from(matches!(whole, Ok(Ok(_)))), Ordering::Relaxed);
            }
        };
        let done = std::thread::scope(|scope| {
            (0..CLIENTS).for_each(|_| drop(scope.spawn(ask)));
            // Set whatever happens, or the scope would wait for ever.
            let _over = OnDrop(|| is_over.store(true, Ordering::Relaxed));
            work()
        });
        (done, answers.into_inner())
    }
}

struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        // Nothing of it is needed any more.
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}
