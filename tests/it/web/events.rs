//! What is new is told, and what machines watch is there.

use std::io::{BufRead, BufReader, Write};

use super::serving;
use crate::util::{Shop, drop_png};

#[test]
fn a_new_photo_is_told_to_who_listens() {
    let shop = Shop::new();
    let (daemon, pages) = serving(&shop, &[]);
    let mut stream = pages.connect();
    write!(stream, "GET /events HTTP/1.1\r\nHost: {}\r\n\r\n", pages.host()).unwrap();
    let mut lines = BufReader::new(stream).lines();
    let mut next_generation = || -> u64 {
        let data = lines.find_map(|line| line.unwrap().strip_prefix("data: ").map(str::to_owned));
        data.unwrap().parse().unwrap()
    };
    let before = next_generation();
    drop_png(&shop.inbox(), 1);
    assert!(next_generation() > before);
    assert_eq!(shop.count("SELECT count(*) FROM files"), 1);
    assert_eq!(daemon.end(), Some(0), "an open page does not hold up the end");
}

#[test]
fn probes_and_metrics_tell_how_it_is() {
    let shop = Shop::new();
    (0..3).for_each(|number| drop(drop_png(&shop.inbox(), number)));
    let (daemon, pages) = serving(&shop, &[]);
    shop.wait_for_rows(3);
    std::fs::write(shop.inbox().join("note.jpg"), "no picture").unwrap();
    shop.wait_for_rows(4);
    assert_eq!(pages.get("/livez").text(), "ok\n");
    let ready = pages.get("/readyz");
    assert_eq!(ready.code, 200);
    let readiness = ready.json();
    assert_eq!(readiness["ready"], true);
    assert_eq!(readiness["degraded"], false);
    assert_eq!(readiness["folders_watched"], 1);
    let metrics = pages.get("/metrics");
    assert!(
        metrics
            .header("content-type")
            .starts_with("text/plain; version=0.0.4")
    );
    let text = metrics.text();
    for line in [
        "hangtag_files{status=\"corrected\"} 0",
        "hangtag_files{status=\"rejected\"} 1",
        "hangtag_rejected_files{reason=\"not_an_image\"} 1",
        "hangtag_stage_seconds_count{stage=\"decode\"}",
        "hangtag_stage_seconds_bucket{stage=\"infer\",le=\"+Inf\"}",
        "hangtag_stage_seconds_count{stage=\"commit\"}",
        "hangtag_stage_seconds_count{stage=\"settle\"}",
        "hangtag_queue_length{queue=\"settled\"} 0",
        "hangtag_ready 1",
        "device=\"cpu\"",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
    let tagged = ["accepted", "review", "unknown"].map(|status| {
        let name = format!("hangtag_files{{status=\"{status}\"}} ");
        let count = text.lines().find_map(|line| line.strip_prefix(&name));
        count.unwrap().parse::<u64>().unwrap()
    });
    assert_eq!(tagged.iter().sum::<u64>(), 3, "{text}");
    assert_well_formed(&text);
    std::fs::remove_dir_all(shop.inbox()).unwrap();
    crate::util::wait_until("the missing folder is told", || pages.get("/readyz").code == 503);
    assert_eq!(daemon.end(), Some(0));
}

/// Each sample belongs to the family before it, each family is declared once.
fn assert_well_formed(text: &str) {
    let mut families = std::collections::BTreeSet::new();
    let mut family = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(["gauge", "counter", "histogram"].contains(&kind), "{line}");
            assert!(families.insert(name.to_owned()), "{name} twice");
            family = name.to_owned();
        } else if !line.starts_with('#') {
            assert!(line.starts_with(&family), "{line} stands below {family}");
            let value = line.rsplit(' ').next().unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
    }
    assert!(families.len() > 10);
}
