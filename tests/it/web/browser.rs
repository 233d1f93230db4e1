//! A headless Chromium, driven through chromedriver by the WebDriver protocol (W3C), which is JSON over HTTP.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::util::wait_until;

/// One browser with one window.
pub struct Browser {
    driver: Child,
    agent: ureq::Agent,
    session: String,
    _profile: tempfile::TempDir,
}

/// Keys as the protocol names them.
pub mod keys {
    pub const ENTER: &str = "\u{e007}";
    pub const RIGHT: &str = "\u{e014}";
    pub const TAB: &str = "\u{e004}";
}

impl Browser {
    /// `None`, said on standard error, where there is no Chromium or no chromedriver; with `CI=true` that is a failure.
    pub fn open() -> Option<Browser> {
        let (Some(driver), Some(chromium)) = (
            found(&["chromedriver"]),
            found(&["chromium", "chromium-browser", "google-chrome"]),
        ) else {
            let needs = "the browser tests need chromium and chromedriver on the path (Debian: chromium, chromium-driver)";
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{needs}");
            eprintln!("skipped: {needs}");
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        let log = profile.path().join("driver.log");
        let driver = Command::new(driver)
            .arg("--port=0")
            .stdout(std::fs::File::create(&log).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut port = String::new();
        wait_until("chromedriver listens", || {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            port = said
                .split("started successfully on port ")
                .nth(1)
                .unwrap_or_default()
                .into();
            port.contains('.')
        });
        let port = port.split('.').next().unwrap();
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(90)))
            .build()
            .into();
        let mut browser = Browser {
            driver,
            agent,
            session: format!("http://127.0.0.1:{port}/session"),
            _profile: profile,
        };
        let capabilities = browser.capabilities(&chromium);
        let session = browser.ask("", &capabilities);
        browser.session = format!("{}/{}", browser.session, session["sessionId"].as_str().unwrap());
        Some(browser)
    }

    fn capabilities(&self, chromium: &Path) -> Value {
        let profile = format!(
            "--user-data-dir={}",
            self._profile.path().join("profile").display()
        );
        json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {
                "binary": chromium,
                "args": [
                    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                    "--disable-background-networking", "--disable-component-update", "--disable-sync",
                    "--disable-dev-shm-usage", "--hide-scrollbars", "--window-size=1280,900", profile,
                ],
            },
        } } })
    }

    fn ask(&self, path: &str, body: &Value) -> Value {
        let response = self
            .agent
            .post(format!("{}{path}", self.session))
            .send(body.to_string());
        let text = response
            .unwrap()
            .body_mut()
            .with_config()
            .limit(64 << 20)
            .read_to_string()
            .unwrap();
        let answer: Value = serde_json::from_str(&text).unwrap();
        let value = answer["value"].clone();
        assert!(value["error"].is_null(), "{path} {body}: {value}");
        value
    }

    pub fn go(&self, address: &str) {
        self.ask("/url", &json!({ "url": address }));
    }

    /// Runs a script's body; what it returns.
    pub fn eval(&self, script: &str) -> Value {
        self.ask("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Runs a script's body that awaits; what it returns.
    pub fn eval_async(&self, script: &str) -> Value {
        let script = format!(
            "const done = arguments[0]; (async () => {{ {script} }})().then(done, (error) => done(String(error)));"
        );
        self.ask("/execute/async", &json!({ "script": script, "args": [] }))
    }

    pub fn text(&self, selector: &str) -> String {
        let script = format!("return document.querySelector({selector:?})?.textContent ?? ''");
        self.eval(&script).as_str().unwrap_or_default().trim().to_owned()
    }

    pub fn count(&self, selector: &str) -> u64 {
        self.eval(&format!("return document.querySelectorAll({selector:?}).length"))
            .as_u64()
            .unwrap()
    }

    pub fn wait_for(&self, what: &str, script: &str) {
        wait_until(what, || self.eval(script) == true);
    }

    /// Presses keys one after the other, as a person does.
    pub fn press(&self, keys: &[&str]) {
        let mut actions = Vec::new();
        for key in keys {
            actions.push(json!({ "type": "keyDown", "value": key }));
            actions.push(json!({ "type": "keyUp", "value": key }));
        }
        self.ask(
            "/actions",
            &json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": actions }] }),
        );
    }

    pub fn click(&self, selector: &str) {
        let found = self.ask("/element", &json!({ "using": "css selector", "value": selector }));
        let id = found
            .as_object()
            .unwrap()
            .values()
            .next()
            .unwrap()
            .as_str()
            .unwrap()
            .to_owned();
        self.ask(&format!("/element/{id}/click"), &json!({}));
    }

    /// A command of the DevTools protocol.
    pub fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.ask(
            "/goog/cdp/execute",
            &json!({ "cmd": command, "params": parameters }),
        )
    }

    pub fn resize(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500 });
        self.devtools("Emulation.setDeviceMetricsOverride", &size);
    }

    pub fn scheme(&self, scheme: &str) {
        let feature = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", &feature);
    }

    /// A picture of the window, for people to look at: kept where `HANGTAG_SCREENSHOTS` says, if it does.
    pub fn screenshot(&self, name: &str) {
        let Some(folder) = std::env::var_os("HANGTAG_SCREENSHOTS").map(PathBuf::from) else {
            return;
        };
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), self.picture()).unwrap();
    }

    /// A picture of the window, as a PNG.
    pub fn picture(&self) -> Vec<u8> {
        use base64::Engine;
        let png = self.devtools("Page.captureScreenshot", &json!({ "format": "png" }));
        base64::engine::general_purpose::STANDARD
            .decode(png["data"].as_str().unwrap())
            .unwrap()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser ends with its session.
        let _ = self.agent.delete(&self.session).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn found(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|candidate| candidate.is_file())
}
