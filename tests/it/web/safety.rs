//! Who may ask, and how much.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;

use super::serving;
use crate::util::{Shop, drop_png, png, text, wait_until};

#[test]
fn other_sites_and_other_names_are_refused() {
    let shop = Shop::new();
    let (daemon, pages) = serving(&shop, &[]);
    let host = pages.host().to_owned();
    let status = |request: &str| pages.raw(request).lines().next().unwrap_or_default().to_owned();
    let get = |host: &str| {
        status(&format!(
            "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        ))
    };
    assert!(get(&host).contains("200"));
    assert!(get("evil.example").contains("403"), "DNS rebinding");
    assert!(status("GET / HTTP/1.0\r\n\r\n").contains("403"), "no name at all");
    let post = |headers: &str| {
        status(&format!(
            "POST /api/v1/runs HTTP/1.1\r\nHost: {host}\r\n{headers}Content-Length: 2\r\nConnection: close\r\n\r\n{{}}"
        ))
    };
    assert!(post("Origin: https://evil.example\r\n").contains("403"));
    assert!(post("Origin: null\r\n").contains("403"));
    assert!(post("Sec-Fetch-Site: cross-site\r\n").contains("403"));
    assert_eq!(
        shop.count("SELECT count(*) FROM rebuild_requests"),
        0,
        "nothing was asked for"
    );
    assert!(post(&format!("Origin: http://{host}\r\n")).contains("202"));
    assert_eq!(shop.count("SELECT count(*) FROM rebuild_requests"), 1);
    // No GET changes anything: those addresses do not answer one.
    for path in ["/api/v1/retries", "/api/v1/models/rollback", "/api/v1/tag"] {
        assert!([400, 404, 405].contains(&pages.get(path).code), "{path}");
    }
    assert_eq!(daemon.end(), Some(0));
}

#[test]
fn every_answer_bears_the_headers() {
    let shop = Shop::new();
    let (daemon, pages) = serving(&shop, &[]);
    for path in [
        "/",
        "/nowhere",
        "/api/v1/status",
        "/api/v1/nowhere",
        "/assets/app.js",
        "/metrics",
        "/livez",
    ] {
        let answer = pages.get(path);
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        assert!(!answer.header("cache-control").is_empty(), "{path}");
    }
    let page = pages.get("/").text();
    for part in [
        " style=",
        " onclick",
        "<script>",
        "javascript:",
        "http://",
        "https://",
    ] {
        assert!(!page.contains(part), "the page holds {part}");
    }
    assert_eq!(daemon.end(), Some(0));
}

/// Whoever went back from a photo lost the place in the list: no browser keeps a page that may not be stored.
#[test]
fn pages_may_be_gone_back_to_and_answers_for_programs_are_not_kept() {
    let shop = Shop::new();
    drop_png(&shop.inbox(), 1);
    shop.ok(&["scan"]);
    let file = shop.path().join("token");
    std::fs::write(&file, "a token of enough characters\n").unwrap();
    let token = format!("web.token_file={}", file.display());
    let (daemon, pages) = serving(&shop, &["--set", &token]);
    let hash = shop.rows()[0]["content_hash"].as_str().unwrap().to_owned();
    let photo = format!("/photo/{hash}");
    let bearer = [("authorization", "Bearer a token of enough characters")];
    for (path, kept) in [
        ("/", "private, no-cache"),
        (photo.as_str(), "private, no-cache"),
        ("/review", "private, no-cache"),
        ("/models", "private, no-cache"),
        ("/status", "private, no-cache"),
        ("/login", "no-store"),
        ("/nowhere", "no-store"),
        ("/api/v1/images", "no-store"),
        ("/metrics", "no-store"),
    ] {
        let answer = pages.get_with(path, &bearer);
        assert_eq!(answer.header("cache-control"), kept, "{path}");
    }
    assert_eq!(
        pages.get("/").header("cache-control"),
        "no-store",
        "not signed in"
    );
    assert_eq!(daemon.end(), Some(0));
}

#[test]
fn beyond_loopback_a_token_is_demanded() {
    let shop = Shop::new();
    let refused = shop.run(&[
        "run",
        "--set",
        "web.enabled=true",
        "--set",
        "web.listen=0.0.0.0:0",
    ]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        text(&refused.stderr).contains("web.token_file"),
        "{}",
        text(&refused.stderr)
    );

    let file = shop.path().join("token");
    std::fs::write(&file, "a token of enough characters\n").unwrap();
    let arguments = [
        "--set".to_owned(),
        "web.listen=0.0.0.0:0".to_owned(),
        "--set".to_owned(),
        format!("web.token_file={}", file.display()),
    ];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (daemon, mut pages) = serving(&shop, &arguments);
    pages.base = pages.base.replace("0.0.0.0", "127.0.0.1");
    assert_eq!(pages.get("/api/v1/status").code, 401);
    assert_eq!(pages.get("/metrics").code, 401);
    assert_eq!(pages.get("/livez").code, 200);
    let page = pages.get("/");
    assert_eq!((page.code, page.header("location")), (303, "/login"));
    let page = pages.get("/?label=Dress");
    let login = "/login?to=%2F%3Flabel%3DDress";
    assert_eq!((page.code, page.header("location")), (303, login));
    assert!(
        pages
            .get(login)
            .text()
            .contains(r#"name="to" value="/?label=Dress""#)
    );
    let bearer = [("authorization", "Bearer a token of enough characters")];
    assert_eq!(pages.get_with("/api/v1/status", &bearer).code, 200);

    let form = [("content-type", "application/x-www-form-urlencoded")];
    let wrong = pages.send("POST", "/login", &form, b"token=guessed+and+guessed+again");
    assert_eq!((wrong.code, wrong.header("set-cookie")), (403, ""));
    let right = pages.send("POST", "/login", &form, b"token=a+token+of+enough+characters");
    assert_eq!(right.code, 303);
    let cookie = right.header("set-cookie");
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && !cookie.contains("Secure"),
        "{cookie}"
    );
    let by_tls = [
        form[0],
        ("host", "tags.example"),
        ("origin", "https://tags.example"),
    ];
    let by_tls = pages.send("POST", "/login", &by_tls, b"token=a+token+of+enough+characters");
    assert!(by_tls.header("set-cookie").ends_with("; Secure"), "{by_tls:?}");
    let cookie = cookie.split(';').next().unwrap();
    assert_eq!(pages.get_with("/", &[("cookie", cookie)]).code, 200);
    let body = b"token=a+token+of+enough+characters&to=%2F%3Flabel%3DDress";
    let led_on = pages.send("POST", "/login", &form, body);
    assert_eq!((led_on.code, led_on.header("location")), (303, "/?label=Dress"));
    let led_on = pages.get_with(login, &[("cookie", cookie)]);
    assert_eq!(
        (led_on.code, led_on.header("location")),
        (303, "/?label=Dress"),
        "nothing is asked of whoever is signed in"
    );
    // The cookie alone changes nothing: that takes a request from these pages.
    let signed_in = |headers: &[(&str, &str)]| pages.send("POST", "/api/v1/runs", headers, b"{}").code;
    assert_eq!(signed_in(&[("cookie", cookie)]), 403);
    assert_eq!(
        signed_in(&[("cookie", cookie), ("origin", "https://evil.example")]),
        403
    );
    let own = pages.base.clone();
    assert_eq!(signed_in(&[("cookie", cookie), ("origin", &own)]), 202);
    assert_eq!(daemon.end(), Some(0));
}

#[test]
fn sizes_are_limited() {
    let shop = Shop::new();
    drop_png(&shop.inbox(), 1);
    shop.ok(&["scan"]);
    let (daemon, pages) = serving(&shop, &["--set", "limits.max_file_bytes=20000"]);
    let hash = shop.rows()[0]["content_hash"].as_str().unwrap().to_owned();
    let large = json!({ "label": "x".repeat(65 << 10) });
    assert_eq!(
        pages
            .put(&format!("/api/v1/images/{hash}/correction"), &large)
            .code,
        413
    );
    assert_eq!(pages.send("POST", "/api/v1/tag", &[], &[0; 21_000]).code, 413);
    let refused = pages.send("POST", "/login", &[], &[b'x'; 65 << 10]);
    assert_eq!(refused.code, 413);
    assert!(
        refused.header("content-type").starts_with("text/html"),
        "what people see is a page: {}",
        refused.text()
    );
    let long = format!(
        "GET /?path={} HTTP/1.1\r\nHost: {}\r\n\r\n",
        "x".repeat(100_000),
        pages.host()
    );
    let answer = pages.raw(&long);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    assert_eq!(daemon.end(), Some(0));
}

/// Whoever holds connections open holds up neither others nor the tagging.
#[test]
fn idle_connections_hold_up_nobody() {
    let shop = Shop::new();
    let (daemon, pages) = serving(&shop, &[]);
    let mut idle: Vec<_> = (0..200).map(|_| pages.connect()).collect();
    for stream in &mut idle {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: ").unwrap();
    }
    drop_png(&shop.inbox(), 1);
    shop.wait_for_rows(1);
    assert_eq!(pages.get("/livez").code, 200);
    // More than fit are closed at once, the last ones first of all …
    let more: Vec<_> = (0..100).map(|_| pages.connect()).collect();
    for mut stream in more.into_iter().rev().take(20) {
        assert_eq!(stream.read(&mut [0; 8]).unwrap_or(0), 0);
    }
    // … and who does not get to the end of a request is let go.
    let mut slowest = idle.pop().unwrap();
    let mut rest = Vec::new();
    let _ = slowest.read_to_end(&mut rest);
    let rest = text(&rest);
    assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 408"), "{rest}");
    wait_until("there is room again", || pages_answer(&pages));
    assert_eq!(daemon.end(), Some(0));
}

/// Requests that hung took the probes with them, so that a service that tagged was taken for dead.
#[test]
fn however_much_is_under_way_probes_and_pictures_are_answered() {
    let shop = Shop::new();
    drop_png(&shop.inbox(), 1);
    shop.ok(&["scan"]);
    let (daemon, pages) = serving(&shop, &[]);
    let hash = shop.rows()[0]["content_hash"].as_str().unwrap().to_owned();
    // Each waits for the rest of its word.
    let request = format!(
        "PUT /api/v1/images/{hash}/correction HTTP/1.1\r\nHost: {}\r\nContent-Length: 20\r\n\r\n{{",
        pages.host()
    );
    let mut under_way: Vec<_> = (0..64).map(|_| pages.connect()).collect();
    for stream in &mut under_way {
        stream.write_all(request.as_bytes()).unwrap();
    }
    wait_until("nothing more is taken", || pages.get("/").code == 503);
    for (path, kind) in [
        ("/", "text/html"),
        ("/status", "text/html"),
        ("/api/v1/status", "application/json"),
    ] {
        let refused = pages.get(path);
        assert_eq!(refused.code, 503, "{path}");
        let said = refused.header("content-type");
        assert!(
            said.starts_with(kind),
            "{path}: people saw JSON, and programs must: {said}"
        );
    }
    let picture = format!("/picture/{hash}/thumb");
    for path in ["/livez", "/readyz", &picture] {
        let answer = pages.get(path);
        assert_eq!(answer.code, 200, "{path}: {}", answer.text());
    }
    drop(under_way);
    wait_until("there is room again", || pages.get("/").code == 200);
    assert_eq!(daemon.end(), Some(0));
}

/// Of 120 small photos by eight clients 110 were refused; with large ones the connections broke.
#[test]
fn an_upload_waits_for_its_turn_and_costs_no_page() {
    let shop = Shop::new();
    let (daemon, pages) = serving(&shop, &[]);
    let photo = png(3);
    let request = format!(
        "POST /api/v1/tag HTTP/1.1\r\nHost: {}\r\nExpect: 100-continue\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        pages.host(),
        photo.len()
    );
    let begin = || {
        let mut stream = pages.connect();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    };
    let go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    let has_its_turn = |stream: &mut TcpStream| {
        let mut said = vec![0; go_on.len()];
        stream.read_exact(&mut said).unwrap();
        assert_eq!(text(&said), go_on, "its body is waited for");
    };
    let is_answered = |mut stream: TcpStream| {
        stream.write_all(&photo).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    };
    let mut under_way = [begin(), begin()];
    under_way.iter_mut().for_each(has_its_turn);
    let mut waiting: Vec<_> = (0..70).map(|_| begin()).collect();
    assert_eq!(pages.get("/").code, 200, "they take no place of pages");
    waiting.truncate(4);
    under_way.into_iter().for_each(is_answered);
    std::thread::scope(|scope| {
        for mut stream in waiting {
            scope.spawn(move || {
                has_its_turn(&mut stream);
                is_answered(stream);
            });
        }
    });
    assert_eq!(daemon.end(), Some(0));
}

/// A program that sent a photo without the token saw a broken connection, and no reason.
#[test]
fn who_is_refused_in_the_middle_of_a_photo_hears_why() {
    let shop = Shop::new();
    let file = shop.path().join("token");
    std::fs::write(&file, "a token of enough characters").unwrap();
    let (daemon, pages) = serving(&shop, &["--set", &format!("web.token_file={}", file.display())]);
    const PHOTO: usize = 8 << 20;
    for (header, code) in [("", "401"), ("Origin: https://evil.example\r\n", "403")] {
        let mut stream = pages.connect();
        let request = format!(
            "POST /api/v1/tag HTTP/1.1\r\nHost: {}\r\n{header}Content-Length: {PHOTO}\r\nConnection: close\r\n\r\n",
            pages.host()
        );
        stream.write_all(request.as_bytes()).unwrap();
        stream.write_all(&vec![0; PHOTO]).expect("all of it is taken");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {code}")), "{answer}");
    }
    assert_eq!(daemon.end(), Some(0));
}

/// 64 connections that began to sign in and did not go on took all pages from those who were signed in.
#[test]
fn who_has_no_token_takes_nothing_from_those_who_have_one() {
    let shop = Shop::new();
    let file = shop.path().join("token");
    std::fs::write(&file, "a token of enough characters").unwrap();
    let (daemon, pages) = serving(&shop, &["--set", &format!("web.token_file={}", file.display())]);
    let request = format!(
        "POST /login HTTP/1.1\r\nHost: {}\r\nExpect: 100-continue\r\nContent-Length: 20\r\n\r\n",
        pages.host()
    );
    let mut under_way: Vec<_> = (0..100).map(|_| pages.connect()).collect();
    for stream in &mut under_way {
        stream.write_all(request.as_bytes()).unwrap();
    }
    let go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    for stream in &mut under_way {
        let mut said = vec![0; go_on.len()];
        stream.read_exact(&mut said).unwrap();
        assert_eq!(text(&said), go_on, "its body is waited for");
    }
    let bearer = [("authorization", "Bearer a token of enough characters")];
    for path in ["/", "/api/v1/status", "/events", "/login", "/assets/app.js"] {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\n{}: {}\r\nConnection: close\r\n\r\n",
            pages.host(),
            bearer[0].0,
            bearer[0].1
        );
        let mut stream = pages.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut said = [0; 12];
        stream.read_exact(&mut said).unwrap();
        let said = text(&said);
        assert!(said == "HTTP/1.1 200" || said == "HTTP/1.1 303", "{path}: {said}");
    }
    let mut let_go = String::new();
    under_way[0].read_to_string(&mut let_go).unwrap();
    assert!(
        let_go.starts_with("HTTP/1.1 503") && let_go.contains("text/html"),
        "{let_go}"
    );
    drop(under_way);
    assert_eq!(daemon.end(), Some(0));
}

fn pages_answer(pages: &super::Pages) -> bool {
    pages
        .raw(&format!(
            "GET /livez HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            pages.host()
        ))
        .contains("200 OK")
}

/// Pages that were to have a token came back only with the next start, however soon its file was there.
#[test]
fn without_its_token_nothing_is_served_and_with_it_all() {
    let shop = Shop::new();
    let file = shop.path().join("token");
    let token_file = format!("web.token_file={}", file.display());
    let daemon = shop.daemon_with(&[&super::PAGES, ["--set", token_file.as_str()].as_slice()].concat());
    drop_png(&shop.inbox(), 1);
    shop.wait_for_rows(1);
    let report = || text(&shop.run(&["status", "--format", "json"]).stdout);
    wait_until("the trouble is told", || report().contains("web.token_file"));
    std::fs::write(&file, "a token of enough characters").unwrap();
    let pages = super::pages_of(&shop);
    assert_eq!(pages.get("/api/v1/status").code, 401);
    wait_until("the trouble is over", || !report().contains("web.token_file"));
    assert_eq!(daemon.end(), Some(0));
}

/// As nginx does it with `proxy_pass http://127.0.0.1:8420` alone.
#[test]
fn a_proxy_that_rewrites_the_host_needs_its_name_in_the_settings() {
    let shop = Shop::new();
    for (settings, code) in [
        (vec![], 403),
        (vec!["--set", "web.hosts=[\"tags.example\"]"], 202),
    ] {
        let (daemon, pages) = serving(&shop, &settings);
        let headers = [
            ("origin", "https://tags.example"),
            ("sec-fetch-site", "same-origin"),
        ];
        let asked = pages.send("POST", "/api/v1/runs", &headers, b"{}");
        assert_eq!(asked.code, code, "{}", asked.text());
        let probe = "GET /readyz HTTP/1.1\r\nHost: 10.0.0.7:8420\r\nConnection: close\r\n\r\n";
        assert!(pages.raw(probe).contains("200 OK"), "probes go by address");
        assert_eq!(daemon.end(), Some(0));
    }
}
