//! What the pages and pictures show.

use std::io::{Read, Write};

use serde_json::json;

use super::serving;
use crate::util::{Shop, drop_png, png, small_data_set, text, wait_until};

/// A style, a script, an icon and a page of a hundred photos: what a phone has to fetch.
const MAX_PAGE_BYTES: usize = 200_000;

fn shop_with(photos: u32) -> Shop {
    let shop = Shop::new();
    (0..photos).for_each(|number| drop(drop_png(&shop.inbox(), number)));
    std::fs::write(shop.inbox().join("note.jpg"), "no picture").unwrap();
    shop.ok(&["scan"]);
    shop
}

/// With more files of the kind than the status page lists, cards led to nothing, and neither why nor another attempt was
/// to be found.
#[test]
fn every_file_that_was_not_read_says_why_and_leads_to_another_attempt() {
    const FILES: i64 = 55;
    let shop = Shop::new();
    for number in 0..FILES {
        std::fs::write(
            shop.inbox().join(format!("large-{number}.jpg")),
            vec![b'x'; 21_000],
        )
        .unwrap();
    }
    let (daemon, pages) = serving(&shop, &["--set", "limits.max_file_bytes=20000"]);
    shop.wait_for_rows(FILES);
    let list = pages.get("/?status=rejected").text();
    let why = list.matches("<b>No tag: too many bytes</b>").count();
    assert_eq!(why as i64, FILES);
    let links = list.split(r#"<a href="/status?file="#).skip(1);
    let files: Vec<&str> = links.map(|link| link.split('#').next().unwrap()).collect();
    assert_eq!(files.len() as i64, FILES);
    for file in files {
        assert!(
            list.contains(&format!(r##"href="/status?file={file}#f{file}""##)),
            "{file}"
        );
        let page = pages.get(&format!("/status?file={file}")).text();
        let rows = page.split(r#"<tr id="f"#).skip(1);
        let rows: Vec<&str> = rows.map(|row| row.split('"').next().unwrap()).collect();
        assert_eq!(rows[0], file, "first of all");
        assert_eq!(rows.iter().filter(|row| **row == file).count(), 1, "once");
        assert!(page.contains(&format!(r#"data-retry="{file}""#)), "{file}");
    }
    for nothing in ["999", ""] {
        let page = pages.get(&format!("/status?file={nothing}"));
        assert_eq!(page.code, if nothing.is_empty() { 400 } else { 200 });
    }
    assert_eq!(daemon.end(), Some(0));
}

#[test]
fn every_page_is_whole_and_light() {
    let shop = shop_with(130);
    let (daemon, pages) = serving(&shop, &[]);
    let hash = shop
        .rows()
        .into_iter()
        .find(|row| row["label"].is_string())
        .unwrap()["content_hash"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut assets = 0;
    for name in ["style.css", "app.js", "icon.svg"] {
        let asset = pages.get(&format!("/assets/{name}"));
        assert_eq!(asset.code, 200);
        assert!(asset.header("cache-control").contains("immutable"));
        assets += asset.bytes.len();
    }
    for path in [
        "/",
        "/review",
        "/models",
        "/status",
        &format!("/photo/{hash}"),
        "/?status=rejected",
    ] {
        let page = pages.get(path);
        assert_eq!(page.code, 200, "{path}: {}", page.text());
        assert!(page.text().ends_with("</html>"), "{path}");
        let bytes = page.bytes.len() + assets;
        assert!(
            bytes < MAX_PAGE_BYTES,
            "{path} weighs {bytes} bytes with all it needs"
        );
    }
    assert_eq!(pages.get("/nowhere").code, 404);
    assert_eq!(pages.get(&format!("/photo/{}", "0".repeat(64))).code, 404);
    assert_eq!(pages.get("/?label=hat").code, 400);
    assert_eq!(daemon.end(), Some(0));
}

#[test]
fn the_list_goes_on_page_by_page_and_the_filter_counts() {
    let shop = shop_with(7);
    let (daemon, pages) = serving(&shop, &[]);
    for (sort, expected) in [
        ("newest", 8),
        ("oldest", 8),
        ("path", 8),
        ("least_sure", 7),
        ("surest", 7),
    ] {
        let (mut seen, mut cursor, mut turns) = (Vec::new(), String::new(), 0);
        loop {
            let page = pages
                .get(&format!("/api/v1/images?sort={sort}&limit=3&cursor={cursor}"))
                .json();
            seen.extend(
                page["images"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|row| row["path"].clone()),
            );
            turns += 1;
            match page["next"].as_str() {
                Some(next) => cursor = next.replace('/', "%2F"),
                None => break,
            }
        }
        let all = seen.len();
        seen.sort_by_key(ToString::to_string);
        seen.dedup();
        assert_eq!((all, seen.len(), turns), (expected, expected, 3), "{sort}");
    }
    for part in ["photo-0000", "PHOTO-0000", "Photo-0000"] {
        let counts = pages.get(&format!("/api/v1/counts?path={part}")).json();
        assert_eq!(counts["total"], 7, "{part}");
    }
    let counts = pages.get("/api/v1/counts?status=rejected").json();
    assert_eq!(counts["total"], 1);
    assert_eq!(counts["statuses"]["rejected"], 1);
    let tagged = ["accepted", "review", "unknown"].map(|status| counts["statuses"][status].as_u64().unwrap());
    assert_eq!(
        tagged.iter().sum::<u64>(),
        7,
        "the other statuses say what they would leave"
    );
    let listed: u64 = counts["labels"]
        .as_object()
        .unwrap()
        .values()
        .map(|n| n.as_u64().unwrap())
        .sum();
    assert_eq!(listed, 0, "no rejected file has a label");
    let page = pages.get("/?status=rejected").text();
    assert!(
        page.contains("note.jpg") && !page.contains("photo-00001"),
        "{page}"
    );
    assert_eq!(daemon.end(), Some(0));
}

#[test]
fn pictures_come_by_content_and_only_while_the_content_is_there() {
    let shop = shop_with(2);
    // Nobody notices what changes in the folder.
    let (daemon, pages) = serving(
        &shop,
        &["--set", "watch.mode=poll", "--set", "watch.poll_interval=1h"],
    );
    let row = shop.row(&shop.inbox().join("photo-00001.png")).unwrap();
    let hash = row["content_hash"].as_str().unwrap();
    let thumb = pages.get(&format!("/picture/{hash}/thumb"));
    assert_eq!((thumb.code, thumb.header("content-type")), (200, "image/jpeg"));
    assert!(thumb.header("cache-control").contains("immutable"));
    let decoded = image::load_from_memory(&thumb.bytes).unwrap();
    assert_eq!((decoded.width(), decoded.height()), (60, 80));
    let seen = image::load_from_memory(&pages.get(&format!("/picture/{hash}/seen")).bytes).unwrap();
    assert_eq!((seen.width(), seen.height()), (28, 28));

    std::fs::write(shop.inbox().join("photo-00001.png"), png(77)).unwrap();
    let large = pages.get(&format!("/picture/{hash}/large"));
    assert_eq!(large.code, 404, "other bytes have another hash");
    assert_eq!(
        pages.get(&format!("/picture/{hash}/thumb")).code,
        200,
        "what was drawn stays true"
    );
    for wrong in [
        format!("/picture/{hash}/huge"),
        format!("/picture/{}/thumb", "0".repeat(64)),
        "/picture/..%2F..%2Fetc%2Fpasswd/thumb".into(),
    ] {
        assert!([400, 404].contains(&pages.get(&wrong).code), "{wrong}");
    }
    assert_eq!(daemon.end(), Some(0));
}

/// A proxy that speaks HTTP/2 asks for all pictures of a page at the same time, and half of them stayed broken.
#[test]
fn all_pictures_of_a_page_may_be_asked_for_at_once() {
    // As a page has; some more, and the last ones would wait to be connected.
    let shop = shop_with(120);
    let (daemon, pages) = serving(&shop, &[]);
    let rows = shop.rows();
    // They have all been asked for when the first one is answered.
    daemon.signal("STOP");
    let hashes = rows.iter().filter(|row| row["label"].is_string());
    let asked = hashes.map(|row| {
        let mut stream = pages.connect();
        let hash = row["content_hash"].as_str().unwrap();
        write!(
            stream,
            "GET /picture/{hash}/thumb HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            pages.host()
        )
        .unwrap();
        stream
    });
    let asked: Vec<_> = asked.collect();
    daemon.signal("CONT");
    assert_eq!(asked.len(), 120);
    for mut stream in asked {
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", text(&answer));
    }
    assert_eq!(daemon.end(), Some(0));
}

/// Names are text from outside: whoever may drop a file may choose it.
#[test]
fn a_hostile_name_is_harmless() {
    let shop = Shop::new();
    let names = [
        "<img src=x onerror=alert(1)>.png",
        "\"><script>alert(1)<script>.png",
        "a'b&c\u{202e}.png",
    ];
    for (number, name) in names.iter().enumerate() {
        std::fs::write(shop.inbox().join(name.replace('/', "")), png(number as u32)).unwrap();
    }
    std::fs::write(shop.inbox().join("<b>bold.jpg"), "<script>alert(1)</script>").unwrap();
    shop.ok(&["scan"]);
    let (daemon, pages) = serving(&shop, &[]);
    let mut paths = vec!["/".to_owned(), "/status".to_owned(), "/?path=%3Cimg".to_owned()];
    for row in shop.rows() {
        if let Some(hash) = row["content_hash"].as_str() {
            paths.push(format!("/photo/{hash}"));
        }
    }
    assert_eq!(paths.len(), 7);
    for path in paths {
        let page = pages.get(&path).text();
        for part in [
            "<img src=x",
            "<script>alert",
            "<b>bold",
            "onerror=alert(1)>.png\"",
        ] {
            assert!(!page.contains(part), "{path} holds {part}");
        }
    }
    assert!(
        pages
            .get("/")
            .text()
            .contains("&lt;img src=x onerror=alert(1)&gt;.png")
    );
    assert_eq!(daemon.end(), Some(0));
}

/// Killed, it was "under way" until the service was started anew, and nobody could ask for a rebuild meanwhile.
#[test]
fn a_training_by_command_keeps_nobody_from_a_rebuild_and_is_closed_once_it_is_dead() {
    let shop = Shop::new();
    let data = shop.path().join("mnist");
    small_data_set(&data, (100, 50));
    shop.configure(&format!(
        "[dataset]\ndir = {data:?}\n[train]\narchitecture = \"reference\"\n"
    ));
    let (daemon, pages) = serving(&shop, &[]);
    let mut child = shop
        .command(&["train", "--epochs", "100000"])
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let checkpoint = shop.data().join("runs/000001/checkpoint");
    wait_until("an epoch is whole", || checkpoint.is_file());
    let page = pages.get("/models").text();
    assert!(!page.contains("is under way"), "{page}");
    assert!(
        page.contains(r#"<button class="primary" type="button" data-confirm="/api/v1/runs""#),
        "{page}"
    );

    child.kill().unwrap();
    child.wait().unwrap();
    let store = rusqlite::Connection::open(shop.store()).unwrap();
    store.busy_timeout(crate::util::PATIENCE).unwrap();
    let long_ago = "UPDATE runs SET started_at_ms = started_at_ms - 3600000";
    store.execute(long_ago, []).unwrap();
    wait_until("the run is closed", || {
        shop.count("SELECT count(*) FROM runs WHERE state = 'failed' AND reason LIKE '%was killed%'") == 1
    });
    assert_eq!(daemon.end(), Some(0));
}

#[test]
fn an_address_that_is_taken_stops_no_tagging() {
    let shop = Shop::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("web.listen={}", taken.local_addr().unwrap());
    let daemon = shop.daemon_with(&["--set", "web.enabled=true", "--set", &listen]);
    drop_png(&shop.inbox(), 1);
    shop.wait_for_rows(1);
    wait_until("the trouble is told", || {
        let problems = shop.run(&["status", "--format", "json"]);
        String::from_utf8_lossy(&problems.stdout).contains("web.listen")
    });
    drop(taken);
    let pages = super::pages_of(&shop);
    assert_eq!(pages.get("/livez").code, 200);
    assert_eq!(daemon.end(), Some(0));
}

#[test]
fn a_rejected_file_is_tried_again_when_asked() {
    let shop = Shop::new();
    drop_png(&shop.inbox(), 1);
    shop.ok(&["scan", "--set", "limits.max_pixels=100"]);
    let (daemon, pages) = serving(&shop, &[]);
    let rejected = pages.get("/api/v1/images?status=rejected").json();
    assert_eq!(rejected["images"][0]["reason"], "too_many_pixels");
    let page = pages.get("/status").text();
    assert!(
        page.contains("too many pixels") && page.contains("Try again"),
        "{page}"
    );
    let file = &rejected["images"][0]["id"];
    assert_eq!(
        pages.post("/api/v1/retries", &json!({ "files": [file] })).json()["count"],
        1
    );
    wait_until("the photo is tagged", || {
        pages
            .get("/api/v1/images?status=accepted&status=review&status=unknown")
            .json()["images"]
            .as_array()
            .unwrap()
            .len()
            == 1
    });
    let tagged = &pages.get("/api/v1/images").json()["images"][0]["id"];
    let refused = pages.post("/api/v1/retries", &json!({ "files": [tagged] }));
    assert_eq!(refused.json()["count"], 0, "a tag is not forgotten");
    assert_eq!(daemon.end(), Some(0));
}

/// Its card led to its photo, which had no other attempt, nor had the status page beyond the latest fifty.
#[test]
fn the_card_of_a_rejected_photo_leads_to_another_attempt_and_that_to_the_photo() {
    let shop = Shop::new();
    drop_png(&shop.inbox(), 1);
    shop.ok(&["scan", "--set", "limits.max_pixels=100"]);
    let (daemon, pages) = serving(&shop, &[]);
    let rejected = pages.get("/api/v1/images").json()["images"][0].clone();
    let attempt = format!("/status?file={}", rejected["id"]);
    assert!(pages.get("/").text().contains(&format!("href=\"{attempt}#f")));
    let photo = format!("/photo/{}", rejected["content_hash"].as_str().unwrap());
    assert!(pages.get(&attempt).text().contains(&format!("href=\"{photo}\"")));
    assert_eq!(pages.get(&photo).code, 200);
    assert_eq!(daemon.end(), Some(0));
}

/// It was forgotten, and nothing ever looked at it again.
#[test]
fn a_file_that_no_sweep_would_find_stays_on_record() {
    let shop = Shop::new();
    let elsewhere = shop.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::write(elsewhere.join("note.jpg"), "no picture").unwrap();
    shop.ok(&["scan", elsewhere.to_str().unwrap()]);
    let (daemon, pages) = serving(&shop, &[]);
    let rejected = || pages.get("/api/v1/images?status=rejected").json()["images"].clone();
    let before = rejected();
    let file = &before[0]["id"];
    let refused = pages.post("/api/v1/retries", &json!({ "files": [file] }));
    assert_eq!(refused.code, 409, "{}", refused.text());
    assert_eq!(refused.json()["error"]["code"], "conflict");
    assert!(refused.text().contains("note.jpg"), "{}", refused.text());
    assert_eq!(rejected(), before);
    let page = pages.get("/status").text();
    assert!(
        page.contains("note.jpg") && !page.contains("Try again"),
        "no button that does nothing: {page}"
    );
    assert_eq!(daemon.end(), Some(0));
}
