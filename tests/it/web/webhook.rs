//! Somebody else is told of new tags, also after having been away.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

use super::PAGES;
use crate::util::{Shop, drop_png, wait_until};

struct Post {
    timestamp: String,
    signature: String,
    body: String,
}

/// Somebody who refuses until told otherwise, and keeps what came.
#[derive(Default)]
struct Receiver {
    takes: AtomicBool,
    refused: Mutex<Vec<Post>>,
    taken: Mutex<Vec<Post>>,
}

impl Receiver {
    /// Its address.
    fn listen(self: &Arc<Self>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let receiver = Arc::clone(self);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                receiver.answer(stream.unwrap());
            }
        });
        format!("http://{address}/news")
    }

    fn answer(&self, mut stream: TcpStream) {
        let post = read(&mut stream);
        let takes = self.takes.load(Ordering::SeqCst);
        let (kept, answer) = if takes {
            (&self.taken, "204 Thanks")
        } else {
            (&self.refused, "500 Not now")
        };
        kept.lock().unwrap().push(post);
        // Who asked may have been killed meanwhile.
        let _ = write!(
            stream,
            "HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
    }

    fn told(&self) -> Vec<String> {
        self.taken.lock().unwrap().iter().flat_map(Post::hashes).collect()
    }
}

fn read(stream: &mut TcpStream) -> Post {
    let mut reader = BufReader::new(stream);
    let (mut length, mut timestamp, mut signature) = (0, String::new(), String::new());
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(": ") {
            match name.to_lowercase().as_str() {
                "content-length" => length = value.parse().unwrap(),
                "x-hangtag-timestamp" => timestamp = value.to_owned(),
                "x-hangtag-signature" => signature = value.to_owned(),
                _ => {}
            }
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    Post {
        timestamp,
        signature,
        body: String::from_utf8(body).unwrap(),
    }
}

impl Post {
    fn is_signed_with(&self, key: &str) -> bool {
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
        mac.update(format!("{}.{}", self.timestamp, self.body).as_bytes());
        let digits: String = mac
            .finalize()
            .into_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        self.signature == format!("v1={digits}")
    }

    fn delivery(&self) -> i64 {
        let body: Value = serde_json::from_str(&self.body).unwrap();
        body["delivery"].as_i64().unwrap()
    }

    fn hashes(&self) -> Vec<String> {
        let body: Value = serde_json::from_str(&self.body).unwrap();
        let tags = body["tags"].as_array().unwrap();
        tags.iter()
            .map(|tag| tag["content_hash"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// The arguments by which new tags are told at an address, signed by a key.
fn telling(address: &str, key: &Path) -> Vec<String> {
    let settings = [
        format!("web.webhook_url={address}"),
        format!("web.webhook_secret_file={}", key.display()),
    ];
    settings
        .into_iter()
        .flat_map(|setting| ["--set".into(), setting])
        .collect()
}

#[test]
fn each_new_tag_is_told_once_it_can_be_told() {
    let shop = Shop::new();
    drop_png(&shop.inbox(), 0);
    shop.ok(&["scan"]);
    let receiver = Arc::<Receiver>::default();
    let address = receiver.listen();
    let key = shop.path().join("key");
    std::fs::write(&key, "sesame\n").unwrap();
    let settings = telling(&address, &key);
    let arguments: Vec<&str> = settings.iter().map(String::as_str).collect();
    let arguments = [&PAGES, arguments.as_slice()].concat();

    let daemon = shop.daemon_with(&arguments);
    drop_png(&shop.inbox(), 1);
    shop.wait_for_rows(2);
    wait_until("the trouble is told", || {
        shop.run(&["status"]).status.code() == Some(1)
    });
    let attempts = || receiver.refused.lock().unwrap().len();
    let before = attempts();
    (2..4).for_each(|number| drop(drop_png(&shop.inbox(), number)));
    shop.wait_for_rows(4);
    wait_until("it is tried again", || attempts() > before);
    let is_signed = |post: &Post| post.is_signed_with("sesame") && !post.is_signed_with("other");
    assert!(receiver.refused.lock().unwrap().iter().all(is_signed));
    // What waits survives the process.
    daemon.kill();
    receiver.takes.store(true, Ordering::SeqCst);
    let daemon = shop.daemon_with(&arguments);
    wait_until("all is told", || receiver.told().len() >= 3);
    let told = receiver.told();
    let wanted: BTreeSet<String> = (1..4)
        .map(|number| {
            shop.row(&shop.inbox().join(format!("photo-{number:05}.png")))
                .unwrap()
        })
        .map(|row| row["content_hash"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(told.len(), 3, "each once: {told:?}");
    assert_eq!(
        told.into_iter().collect::<BTreeSet<_>>(),
        wanted,
        "what was there before is no news"
    );
    // Who has taken a batch and could not say so knows it again.
    let mut batches = BTreeMap::new();
    for post in receiver
        .refused
        .lock()
        .unwrap()
        .iter()
        .chain(receiver.taken.lock().unwrap().iter())
    {
        let known = batches.entry(post.delivery()).or_insert_with(|| post.hashes());
        assert_eq!(*known, post.hashes(), "delivery {}", post.delivery());
    }
    assert_eq!(batches.len(), 2, "{batches:?}");
    wait_until("nothing waits", || {
        shop.count("SELECT count(*) FROM webhook_outbox") == 0
    });
    assert_eq!(daemon.end(), Some(0));
}

/// A typo in the key's name took pages and probes with it, until the next start.
#[test]
fn a_key_that_cannot_be_read_takes_no_page_away() {
    let shop = Shop::new();
    let receiver = Arc::<Receiver>::default();
    receiver.takes.store(true, Ordering::SeqCst);
    let key = shop.path().join("key");
    let settings = telling(&receiver.listen(), &key);
    let arguments: Vec<&str> = settings.iter().map(String::as_str).collect();
    let (daemon, pages) = super::serving(&shop, &arguments);
    for path in ["/", "/livez", "/metrics"] {
        assert_eq!(pages.get(path).code, 200, "{path}");
    }
    let problems = || pages.get("/api/v1/status").json()["problems"].to_string();
    wait_until("the trouble is told", || {
        problems().contains("webhook: ") && problems().contains("web.webhook_secret_file")
    });
    drop_png(&shop.inbox(), 1);
    shop.wait_for_rows(1);
    std::fs::write(&key, "sesame").unwrap();
    wait_until("what waited is told", || receiver.told().len() == 1);
    assert!(receiver.taken.lock().unwrap()[0].is_signed_with("sesame"));
    wait_until("the trouble is over", || problems() == "[]");
    assert_eq!(daemon.end(), Some(0));
}

/// Only attempts to tell made room, and without a key there are none.
#[test]
fn what_waits_for_the_key_is_bounded() {
    let shop = Shop::new();
    let key = format!("web.webhook_secret_file={}", shop.path().join("key").display());
    let settings = ["--set", "web.webhook_url=http://127.0.0.1:9", "--set", &key];
    let daemon = shop.daemon_with(&[&PAGES, settings.as_slice()].concat());
    drop_png(&shop.inbox(), 1);
    shop.wait_for_rows(1);
    // As if a million had come since.
    let store = rusqlite::Connection::open(shop.store()).unwrap();
    let since = "INSERT INTO webhook_outbox (id, image_id, model_id)
                 SELECT id + 1000000, image_id, model_id FROM webhook_outbox";
    assert_eq!(store.execute(since, []).unwrap(), 1);
    wait_until("the oldest has given way", || {
        shop.count("SELECT count(*) FROM webhook_outbox") == 1
    });
    assert!(shop.count("SELECT id FROM webhook_outbox") > 1_000_000);
    assert_eq!(daemon.end(), Some(0));
}

/// Where the store takes nothing, such as on a full disk, what had arrived was sent again twice a second.
#[test]
fn what_arrived_is_sent_once_though_the_store_takes_nothing() {
    let shop = Shop::new();
    let receiver = Arc::<Receiver>::default();
    receiver.takes.store(true, Ordering::SeqCst);
    let key = shop.path().join("key");
    std::fs::write(&key, "sesame").unwrap();
    let settings = telling(&receiver.listen(), &key);
    let arguments: Vec<&str> = settings.iter().map(String::as_str).collect();
    let daemon = shop.daemon_with(&[&PAGES, arguments.as_slice()].concat());
    let store = rusqlite::Connection::open(shop.store()).unwrap();
    store
        .execute_batch(
            "CREATE TRIGGER full BEFORE DELETE ON webhook_outbox
             BEGIN SELECT RAISE(ABORT, 'no room for deliveries'); END",
        )
        .unwrap();
    drop_png(&shop.inbox(), 1);
    shop.wait_for_rows(1);
    let tries = || shop.log().matches("no room for deliveries").count();
    wait_until("the record is tried again", || tries() >= 3);
    assert_eq!(receiver.told().len(), 1);
    store.execute_batch("DROP TRIGGER full").unwrap();
    wait_until("it is on record", || {
        shop.count("SELECT count(*) FROM webhook_outbox") == 0
    });
    assert_eq!(receiver.told().len(), 1);
    assert_eq!(daemon.end(), Some(0));
}

#[test]
fn nothing_is_collected_where_nobody_is_told() {
    let shop = Shop::new();
    drop_png(&shop.inbox(), 0);
    let (daemon, _pages) = super::serving(&shop, &[]);
    shop.wait_for_rows(1);
    assert_eq!(shop.count("SELECT count(*) FROM webhook_outbox"), 0);
    assert_eq!(daemon.end(), Some(0));
}
