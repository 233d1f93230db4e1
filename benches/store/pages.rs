//! The pages over the store that was just filled: the real binary serves them, and they are asked by HTTP.
//!
//! In: the data folder. Out: a table of milliseconds and bytes. Never: a figure of a page that is not whole.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How often each page is asked; the first time counts, too.
const ROUNDS: usize = 9;

/// Kills the daemon whatever happens.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Serves the store in `data` and asks for what people ask for.
pub fn measure(data: &Path) {
    let inbox = tempfile::tempdir().expect("a temporary folder");
    let _daemon = Daemon(start(data, inbox.path()));
    let base = wait_for_pages(data);
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(60)))
        .build()
        .into();
    println!(
        "\npages over HTTP                                                bytes     first   best  median  worst (ms)"
    );
    let cursor = {
        let page = text(&agent, &format!("{base}/api/v1/images?limit=1000&sort=oldest"));
        let page: serde_json::Value = serde_json::from_str(&page).expect("JSON");
        page["next"].as_str().expect("a next page").to_owned()
    };
    for (name, path) in [
        ("first page", "/".to_owned()),
        ("filter: one label", "/?label=Dress".into()),
        (
            "filter: two labels, newest of a week",
            "/?label=Dress&label=Coat&since=2000d".into(),
        ),
        ("filter: a status", "/?status=rejected".into()),
        ("filter: a label, unsure", "/?label=Bag&max_confidence=0.5".into()),
        ("filter: least sure first", "/?sort=least_sure".into()),
        ("filter: a folder", "/?path=%2Fshop%2Fseason-3%2F*".into()),
        ("filter: a word in the path", "/?path=delivery-0123".into()),
        ("a later page", format!("/?sort=oldest&cursor={cursor}")),
        ("review", "/review".into()),
        ("review's queue", "/api/v1/review".into()),
        ("counts, whole (behind the page)", "/api/v1/counts".into()),
        (
            "counts of a folder (behind the page)",
            "/api/v1/counts?path=%2Fshop%2Fseason-3%2F*".into(),
        ),
        ("models", "/models".into()),
        ("status", "/status".into()),
        ("metrics", "/metrics".into()),
    ] {
        let mut bytes = 0;
        let mut times: Vec<f64> = (0..ROUNDS)
            .map(|_| {
                let since = Instant::now();
                bytes = text(&agent, &format!("{base}{path}")).len();
                since.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        let first = times[0];
        times.sort_by(f64::total_cmp);
        let (best, median, worst) = (times[0], times[ROUNDS / 2], times[ROUNDS - 1]);
        println!("{name:58} {bytes:9} {first:9.1} {best:6.1} {median:7.1} {worst:6.1}");
    }
}

fn text(agent: &ureq::Agent, address: &str) -> String {
    let mut response = agent.get(address).call().expect("an answer");
    response.body_mut().read_to_string().expect("a whole answer")
}

fn start(data: &Path, inbox: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hangtag"));
    command
        .arg("run")
        .arg("--inbox")
        .arg(inbox)
        .arg("--data-dir")
        .arg(data);
    for setting in ["web.listen=127.0.0.1:0", "retag.policy=none", "log.level=warn"] {
        command.args(["--set", setting]);
    }
    command.stdout(Stdio::null()).spawn().expect("the daemon starts")
}

fn wait_for_pages(data: &Path) -> String {
    let since = Instant::now();
    loop {
        let report = std::fs::read(data.join("status.json")).unwrap_or_default();
        let report: serde_json::Value = serde_json::from_slice(&report).unwrap_or_default();
        if let Some(base) = report["web"].as_str() {
            return base.to_owned();
        }
        assert!(
            since.elapsed() < Duration::from_secs(60),
            "the daemon serves no pages"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}
