//! A small vocabulary: a shop with an inbox, commands on the real binary, a daemon, pictures that are drawn here.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

/// Long enough for a busy machine; a test that waits this long has failed.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// A temporary folder with an inbox and a data folder.
pub struct Shop {
    folder: tempfile::TempDir,
}

/// Whether a model's answer is what a row of `query` shows, whatever its thresholds make of it.
pub fn is_tagged(row: &Value) -> bool {
    ["accepted", "review", "unknown"].contains(&row["status"].as_str().unwrap_or_default())
}

impl Shop {
    pub fn new() -> Self {
        let shop = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        std::fs::create_dir(shop.inbox()).unwrap();
        shop
    }

    /// The folder around inbox and data, as a real path.
    pub fn path(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap()
    }

    pub fn inbox(&self) -> PathBuf {
        self.path().join("inbox")
    }

    pub fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    pub fn store(&self) -> PathBuf {
        self.data().join("hangtag.db")
    }

    /// Gives the shop a settings file, which every command then uses.
    pub fn configure(&self, settings: &str) {
        std::fs::write(self.settings_path(), settings).unwrap();
    }

    fn settings_path(&self) -> PathBuf {
        self.path().join("hangtag.toml")
    }

    /// The command with this shop's folders and its settings, if it has any; nothing of the surrounding environment's settings.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hangtag"));
        command
            .args(arguments)
            .arg("--inbox")
            .arg(self.inbox())
            .arg("--data-dir")
            .arg(self.data());
        if self.settings_path().is_file() {
            command.arg("--config").arg(self.settings_path());
        }
        command.current_dir(self.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("HANGTAG__")
                || name == "HANGTAG_CONFIG"
                || name == "RUST_LOG"
            {
                command.env_remove(name);
            }
        }
        // Many daemons at once cannot all have the port of the settings; those that serve pages say where.
        command.env("HANGTAG__WEB__ENABLED", "false");
        command
    }

    /// The command, run by somebody whom files and folders can be closed to. Root may look into everything: then it is run by
    /// another user, with a copy of ONNX Runtime that this one can read.
    pub fn command_of_nobody(&self, arguments: &[&str]) -> Command {
        let id = Command::new("id").arg("-u").output();
        if !id.is_ok_and(|id| text(&id.stdout).trim() == "0") {
            return self.command(arguments);
        }
        let [library, binary] = ["libonnxruntime.so", "hangtag"].map(|name| self.path().join(name));
        if !binary.exists() {
            let runtime = self.json(&["runtime", "--format", "json"]);
            std::fs::copy(runtime["path"].as_str().unwrap(), &library).unwrap();
            std::fs::copy(env!("CARGO_BIN_EXE_hangtag"), &binary).unwrap();
            std::fs::create_dir_all(self.data()).unwrap();
            for folder in [self.path(), self.inbox(), self.data()] {
                permit(&folder, 0o777);
            }
        }
        let usual = self.command(arguments);
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(binary)
            .args(usual.get_args())
            .envs(usual.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .env("ORT_DYLIB_PATH", library)
            .current_dir(self.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that must succeed; its standard output.
    pub fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Runs a command that must succeed and answer in JSON.
    pub fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.ok(arguments)).unwrap()
    }

    /// All rows of `query`.
    pub fn rows(&self) -> Vec<Value> {
        self.json(&["query", "--format", "json"])
            .as_array()
            .unwrap()
            .clone()
    }

    /// The row of one file.
    pub fn row(&self, path: &Path) -> Option<Value> {
        let wanted = path.display().to_string();
        self.rows().into_iter().find(|row| row["path"] == wanted.as_str())
    }

    /// The store, read by somebody else with plain SQL.
    pub fn sql(&self) -> rusqlite::Connection {
        rusqlite::Connection::open_with_flags(self.store(), rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)
            .unwrap()
    }

    /// One number from the store.
    pub fn count(&self, sql: &str) -> i64 {
        self.sql().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// Starts `run` and waits until it is ready.
    pub fn daemon(&self) -> Daemon {
        self.daemon_with(&[])
    }

    /// As [`daemon`](Self::daemon), with further arguments.
    pub fn daemon_with(&self, arguments: &[&str]) -> Daemon {
        let daemon = self.start(arguments);
        self.wait_until_ready(&daemon);
        daemon
    }

    /// Starts `run` without waiting.
    pub fn start(&self, arguments: &[&str]) -> Daemon {
        self.spawn(self.command(&[&["run"], arguments].concat()))
    }

    /// Starts a command that runs until it is ended.
    pub fn spawn(&self, mut command: Command) -> Daemon {
        let log = self.path().join("daemon.log");
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .unwrap();
        Daemon {
            child: command.stdout(Stdio::null()).stderr(log).spawn().unwrap(),
        }
    }

    pub fn wait_until_ready(&self, daemon: &Daemon) {
        let path = self.data().join("status.json");
        wait_until("the daemon is ready", || {
            let report: Option<Value> = std::fs::read(&path)
                .ok()
                .and_then(|text| serde_json::from_slice(&text).ok());
            report.is_some_and(|report| report["ready"] == true && report["pid"] == daemon.child.id())
        });
    }

    /// What the daemon has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path().join("daemon.log")).unwrap_or_default()
    }

    /// Waits until `count` files have an answer.
    pub fn wait_for_rows(&self, count: i64) {
        wait_until(&format!("{count} files have an answer"), || {
            self.store().is_file() && self.count("SELECT count(*) FROM files") >= count
        });
    }
}

/// A running `hangtag run`, killed when dropped.
pub struct Daemon {
    pub child: Child,
}

impl Daemon {
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.child.id().to_string())
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Ends it in the usual way; its exit code.
    pub fn end(mut self) -> Option<i32> {
        self.signal("TERM");
        self.child.wait().unwrap().code()
    }

    /// Ends it as a power failure of the process would.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Says who may do what with a file or a folder.
pub fn permit(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Asks again and again until it is so.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A garment-like shape on white as a PNG; every number gives another picture, also to who looks at it in small.
pub fn png(number: u32) -> Vec<u8> {
    let mut picture = image::GrayImage::from_pixel(60, 80, image::Luma([255]));
    for y in 10..70 {
        let half = 8 + (number % 7) + y / 8;
        for x in 30u32.saturating_sub(half)..(30 + half).min(60) {
            picture.put_pixel(x, y, image::Luma([(40 + (number * 37 + x * y) % 90) as u8]));
        }
    }
    for bit in 0..32 {
        let value = if number >> bit & 1 == 1 { 20 } else { 140 };
        let (left, top) = (15 + bit % 8 * 4, 12 + bit / 8 * 14);
        for place in 0..16 {
            picture.put_pixel(left + place % 4, top + place / 4, image::Luma([value]));
        }
    }
    let mut bytes = Vec::new();
    picture
        .write_to(&mut std::io::Cursor::new(&mut bytes), image::ImageFormat::Png)
        .unwrap();
    bytes
}

/// Writes the picture of a number into a folder.
pub fn drop_png(folder: &Path, number: u32) -> PathBuf {
    let path = folder.join(format!("photo-{number:05}.png"));
    std::fs::write(&path, png(number)).unwrap();
    path
}

/// The data set's four files: ten classes that can be told apart, each a bright bar in its own row, with noise.
pub fn small_data_set(folder: &Path, (train, test): (u32, u32)) {
    std::fs::create_dir_all(folder).unwrap();
    for (images, labels, count) in [
        ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", train),
        ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz", test),
    ] {
        let mut pixels = [0x803u32, count, 28, 28].map(u32::to_be_bytes).concat();
        let mut classes = [0x801u32, count].map(u32::to_be_bytes).concat();
        for number in 0..count {
            let class = number % 10;
            classes.push(class as u8);
            for place in 0..784u32 {
                let (row, column) = (place / 28, place % 28);
                let noise = (number.wrapping_mul(2_654_435_761).wrapping_add(place * 40_503) >> 9) % 60;
                let bar = row / 2 == class + 1 && (4..24).contains(&column);
                pixels.push((noise + if bar { 190 } else { 0 }) as u8);
            }
        }
        for (name, bytes) in [(images, pixels), (labels, classes)] {
            let mut file = GzEncoder::new(
                std::fs::File::create(folder.join(name)).unwrap(),
                Compression::fast(),
            );
            file.write_all(&bytes).unwrap();
            file.finish().unwrap();
        }
    }
}

/// Sets a file's time back, so that it counts as being at rest.
pub fn age(path: &Path, by: Duration) {
    let file = std::fs::File::open(path).unwrap();
    file.set_modified(std::time::SystemTime::now() - by).unwrap();
}

/// The folder with real data, where there is one; with `CI=true` its absence is a failure.
pub fn shared(name: &str) -> Option<PathBuf> {
    let base = std::env::var_os("HANGTAG_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    );
    let path = base.join(name);
    if path.exists() {
        return Some(path);
    }
    assert_ne!(
        std::env::var_os("CI").as_deref(),
        Some(OsStr::new("true")),
        "{} is not there",
        path.display()
    );
    eprintln!(
        "skipped: {} is not there (HANGTAG_SHARED names the folder)",
        path.display()
    );
    None
}
