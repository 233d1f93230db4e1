//! Who is let through, header by header.

use std::net::Ipv4Addr;

use super::*;

const TOKEN: &str = "a token of enough characters";

fn on_loopback() -> Guard {
    Guard::new(Ipv4Addr::LOCALHOST.into(), &["tags.example".into()], None)
}

fn with_token() -> Guard {
    Guard::new(
        Ipv4Addr::UNSPECIFIED.into(),
        &["tags.example".into()],
        Token::new(TOKEN),
    )
}

fn judged(guard: &Guard, method: &Method, path: &str, headers: &[(&str, &str)]) -> &'static str {
    let headers = headers
        .iter()
        .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
        .collect();
    match guard.judge(method, path, &headers) {
        Ok(()) => "ok",
        Err(failure) => failure.code(),
    }
}

#[test]
fn only_known_names_are_answered_on_loopback() {
    for (host, expected) in [
        ("localhost:8420", "ok"),
        ("LOCALHOST", "ok"),
        ("127.0.0.1:9999", "ok"),
        ("[::1]:8420", "ok"),
        ("[::1]", "ok"),
        ("tags.example", "ok"),
        ("tags.example:443", "ok"),
        ("evil.example:8420", "forbidden"),
        ("localhost.evil.example", "forbidden"),
        ("192.168.1.5:8420", "forbidden"),
        ("", "forbidden"),
    ] {
        let got = judged(&on_loopback(), &Method::GET, "/", &[("host", host)]);
        assert_eq!(got, expected, "{host}");
    }
    assert_eq!(
        judged(&on_loopback(), &Method::GET, "/", &[]),
        "forbidden",
        "no name at all"
    );
}

#[test]
fn probes_are_answered_by_any_name_and_so_is_who_has_the_token() {
    for path in ["/livez", "/readyz"] {
        for guard in [on_loopback(), with_token()] {
            let got = judged(&guard, &Method::GET, path, &[("host", "10.0.0.7:8420")]);
            assert_eq!(got, "ok", "{path}");
        }
    }
    let bearer = format!("Bearer {TOKEN}");
    for host in ["tags.example", "192.168.1.5:8420", "whatever.example"] {
        let headers = [("host", host), ("authorization", bearer.as_str())];
        assert_eq!(
            judged(&with_token(), &Method::GET, "/", &headers),
            "ok",
            "web.hosts adds names, it takes none away: {host}"
        );
    }
}

/// nginx passes on the name in its `proxy_pass` unless it is told otherwise: every change was refused.
#[test]
fn a_proxy_may_put_another_name_into_host() {
    let host = ("host", "127.0.0.1:8420");
    for (headers, expected) in [
        (vec![host, ("origin", "https://tags.example")], "ok"),
        (vec![host, ("origin", "https://TAGS.example:8443")], "ok"),
        (
            vec![
                host,
                ("origin", "https://tags.example"),
                ("sec-fetch-site", "cross-site"),
            ],
            "forbidden",
        ),
        (
            vec![
                host,
                ("origin", "https://tags.example"),
                ("sec-fetch-site", "same-site"),
            ],
            "forbidden",
        ),
        (vec![host, ("origin", "https://tags.example.evil")], "forbidden"),
        (vec![host, ("origin", "https://localhost")], "forbidden"),
    ] {
        for guard in [on_loopback(), with_token()] {
            let got = judged(&guard, &Method::POST, "/login", &headers);
            assert_eq!(got, expected, "{headers:?}");
        }
    }
}

#[test]
fn what_changes_something_must_come_from_these_pages_or_a_program() {
    let host = ("host", "localhost:8420");
    for (headers, expected) in [
        (vec![host], "ok"),
        (vec![host, ("origin", "http://localhost:8420")], "ok"),
        (
            vec![
                host,
                ("origin", "http://localhost:8420"),
                ("sec-fetch-site", "same-origin"),
            ],
            "ok",
        ),
        (vec![host, ("origin", "http://localhost:9999")], "forbidden"),
        (vec![host, ("origin", "https://evil.example")], "forbidden"),
        (vec![host, ("origin", "null")], "forbidden"),
        (vec![host, ("origin", "")], "forbidden"),
        (vec![host, ("sec-fetch-site", "cross-site")], "forbidden"),
        (vec![host, ("sec-fetch-site", "same-site")], "forbidden"),
        (vec![host, ("cookie", "a=b")], "forbidden"),
    ] {
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
            let got = judged(&on_loopback(), &method, "/api/v1/runs", &headers);
            assert_eq!(got, expected, "{method} {headers:?}");
        }
        let got = judged(&on_loopback(), &Method::GET, "/", &headers);
        assert_eq!(got, "ok", "a GET changes nothing: {headers:?}");
    }
}

#[test]
fn beyond_loopback_a_token_is_demanded() {
    let guard = with_token();
    let cookie = guard.cookie(&HeaderMap::new()).unwrap();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
        "{cookie}"
    );
    let session = cookie.split(';').next().unwrap();
    let other = Guard::new(
        Ipv4Addr::UNSPECIFIED.into(),
        &[],
        Token::new("another token of many characters"),
    );
    let others = other.cookie(&HeaderMap::new()).unwrap();
    let bearer = format!("Bearer {TOKEN}");
    for (path, headers, expected) in [
        ("/", vec![], "unauthorised"),
        ("/metrics", vec![], "unauthorised"),
        ("/picture/x/thumb", vec![], "unauthorised"),
        ("/livez", vec![], "ok"),
        ("/readyz", vec![], "ok"),
        ("/login", vec![], "ok"),
        ("/assets/style.css", vec![], "ok"),
        ("/", vec![("authorization", bearer.as_str())], "ok"),
        ("/", vec![("authorization", "Bearer wrong")], "unauthorised"),
        ("/", vec![("authorization", TOKEN)], "unauthorised"),
        ("/", vec![("cookie", session)], "ok"),
        ("/", vec![("cookie", "x=y; "), ("cookie", session)], "ok"),
        (
            "/",
            vec![("cookie", others.split(';').next().unwrap())],
            "unauthorised",
        ),
        ("/", vec![("cookie", "hangtag=")], "unauthorised"),
    ] {
        assert_eq!(
            judged(&guard, &Method::GET, path, &headers),
            expected,
            "{path} {headers:?}"
        );
    }
    assert!(Token::new("short").is_none());
    assert!(!session.contains(TOKEN));
}

/// Whoever led a browser to the same name without TLS could read the session on the way.
#[test]
fn who_has_signed_in_by_tls_shows_it_by_tls_alone() {
    for (origin, is_secure) in [
        (Some("https://tags.example"), true),
        (Some("http://tags.example:8420"), false),
        (None, false),
    ] {
        let origin = origin.map(|origin| (header::ORIGIN, HeaderValue::from_static(origin)));
        let cookie = with_token().cookie(&origin.into_iter().collect()).unwrap();
        assert_eq!(cookie.contains("; Secure"), is_secure, "{cookie}");
    }
}

/// Cookies know no ports: whoever signed in at one of two shops on a machine was signed out at the other.
#[test]
fn a_browser_is_signed_in_at_two_shops_of_a_machine() {
    let shops = [TOKEN, "another token of many characters"];
    let shops = shops.map(|token| Guard::new(Ipv4Addr::LOCALHOST.into(), &[], Token::new(token)));
    // As a browser keeps them: one by each name.
    let mut kept = std::collections::BTreeMap::new();
    for shop in &shops {
        let cookie = shop.cookie(&HeaderMap::new()).unwrap();
        let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
        kept.insert(name.to_owned(), value.to_owned());
    }
    let sent: Vec<_> = kept
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let headers = [("host", "localhost"), ("cookie", &sent.join("; "))];
    for shop in &shops {
        assert_eq!(judged(shop, &Method::GET, "/", &headers), "ok");
    }
}
