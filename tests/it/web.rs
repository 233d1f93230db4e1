//! Pages and API over the real binary.

mod api;
mod browser;
mod drawn;
mod events;
mod everybody;
mod look;
mod mishaps;
mod offline;
mod others;
mod safety;
mod seen;
mod webhook;

use hangtag::domain::Label;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use crate::util::{Daemon, Shop, wait_until};

/// Arguments that serve pages on a port of the system's choice.
pub const PAGES: [&str; 4] = ["--set", "web.enabled=true", "--set", "web.listen=127.0.0.1:0"];

/// Where a daemon serves its pages.
pub struct Pages {
    /// `http://127.0.0.1:34567`
    pub base: String,
    agent: ureq::Agent,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub code: u16,
    pub headers: Vec<(String, String)>,
    pub bytes: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }
}

/// Starts a daemon with pages, and waits until they are served.
pub fn serving(shop: &Shop, arguments: &[&str]) -> (Daemon, Pages) {
    let daemon = shop.daemon_with(&[&PAGES, arguments].concat());
    let pages = pages_of(shop);
    (daemon, pages)
}

/// Lets the model in service accept nothing, so that every photo it tagged is in the review queue.
pub fn accept_nothing(shop: &Shop) {
    let mut arguments = vec!["thresholds", "set"];
    for label in Label::NAMES {
        arguments.extend(["--label", label, "never"]);
    }
    shop.ok(&arguments);
}

/// Waits until the status names an address.
pub fn pages_of(shop: &Shop) -> Pages {
    let path = shop.data().join("status.json");
    let mut base = String::new();
    wait_until("the pages are served", || {
        let report: Option<Value> = std::fs::read(&path)
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok());
        base = report
            .and_then(|report| report["web"].as_str().map(str::to_owned))
            .unwrap_or_default();
        !base.is_empty()
    });
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_global(Some(Duration::from_secs(60)))
        .build()
        .into();
    Pages { base, agent }
}

impl Pages {
    pub fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[])
    }

    pub fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = self.agent.get(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(request.call().unwrap())
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let address = format!("{}{path}", self.base);
        let mut request = ureq::http::Request::builder().method(method).uri(address);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(self.agent.run(request.body(body).unwrap()).unwrap())
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        let json = [("content-type", "application/json")];
        self.send("POST", path, &json, body.to_string().as_bytes())
    }

    pub fn put(&self, path: &str, body: &Value) -> Answer {
        let json = [("content-type", "application/json")];
        self.send("PUT", path, &json, body.to_string().as_bytes())
    }

    /// `127.0.0.1:34567`
    pub fn host(&self) -> &str {
        self.base.strip_prefix("http://").unwrap()
    }

    /// Bytes as they are, for what no well-behaved client sends; the whole answer.
    pub fn raw(&self, request: &str) -> String {
        let mut stream = self.connect();
        let mut answer = Vec::new();
        // A connection that is closed in the middle has said what it had to say.
        let _ = stream.write_all(request.as_bytes());
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.host()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }
}

fn answer(mut response: ureq::http::Response<ureq::Body>) -> Answer {
    let headers = response.headers().iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), value)
    });
    let headers = headers.collect();
    let code = response.status().as_u16();
    let bytes = response
        .body_mut()
        .with_config()
        .limit(64 << 20)
        .read_to_vec()
        .unwrap();
    Answer { code, headers, bytes }
}
