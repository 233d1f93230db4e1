//! The pages in a real browser, where nothing answers for a while.

use serde_json::json;

use super::browser::Browser;
use super::mishaps::LISTENS;
use super::seen::drawn_shop;
use super::serving;
use crate::util::{Shop, drop_png};

/// In the browser: what is tried again later is tried again soon.
const HASTEN: &str = "const later = setTimeout;
     window.setTimeout = (act, ms) => later(act, Math.min(ms, 50));";
/// In the browser: nothing answers until `letGo()`.
const CUT_OFF: &str = "const send = fetch;
     window.fetch = () => Promise.reject(new TypeError('Failed to fetch'));
     window.letGo = () => (window.fetch = send);";
const IS_TOLD: &str = "return !document.querySelector('#silent').hidden";

/// The address said Dress, the list showed all photos, and stayed so once there were answers again.
#[test]
fn a_filter_that_could_not_be_had_comes_later() {
    let Some(browser) = Browser::open() else { return };
    let (shop, daemon, pages) = drawn_shop(3);
    std::fs::write(shop.inbox().join("note.jpg"), "no picture").unwrap();
    shop.wait_for_rows(4);
    browser.go(&pages.base);
    browser.wait_for("the page listens", LISTENS);
    browser.eval("stopListening()");
    browser.wait_for("nothing is asked", "return !freshening");
    browser.eval(HASTEN);
    browser.eval(CUT_OFF);
    browser.click("input[name=status][value=rejected]");
    browser.wait_for("it is told", IS_TOLD);
    let shown = "return [location.search, document.querySelectorAll('.card').length, document.querySelectorAll('#chips a').length]";
    assert_eq!(browser.eval(shown), json!(["?status=rejected", 4, 0]));
    browser.eval("letGo()");
    browser.wait_for(
        "it is told no more",
        "return document.querySelector('#silent').hidden",
    );
    assert_eq!(browser.eval(shown), json!(["?status=rejected", 1, 1]));
    assert_eq!(daemon.end(), Some(0));
}

/// An end of the list that stayed in sight was never asked for again.
#[test]
fn a_list_goes_on_after_a_page_that_could_not_be_had() {
    let Some(browser) = Browser::open() else { return };
    let shop = Shop::new();
    for number in 0..130 {
        drop_png(&shop.inbox(), number);
    }
    shop.ok(&["scan"]);
    let (daemon, pages) = serving(&shop, &[]);
    browser.go(&pages.base);
    browser.wait_for("the page listens", LISTENS);
    browser.eval(HASTEN);
    browser.eval(CUT_OFF);
    browser.wait_for(
        "it could not be had",
        "document.querySelector('#more').scrollIntoView();
         return document.querySelector('#toast').textContent === 'hangtag does not answer'",
    );
    assert_eq!(browser.count(".card"), 120);
    browser.eval("letGo()");
    browser.wait_for(
        "the list goes on",
        "return document.querySelectorAll('.card').length === 130 && !document.querySelector('#more')",
    );
    assert_eq!(daemon.end(), Some(0));
}

/// "healthy", for as long as TCP let it: nothing closed the connection of a machine without power.
#[test]
fn a_page_says_so_where_a_machine_falls_silent() {
    let Some(browser) = Browser::open() else { return };
    let shop = Shop::new();
    let (daemon, pages) = serving(&shop, &[]);
    for path in ["/", "/review", "/models", "/status"] {
        browser.go(&format!("{}{path}", pages.base));
        browser.wait_for("the page listens", LISTENS);
        browser.wait_for("nothing is asked", "return !freshening");
        browser.eval(HASTEN);
        browser.eval(
            "const within = AbortSignal.timeout.bind(AbortSignal);
             window.patience = (most) => (AbortSignal.timeout = (ms) => within(Math.min(ms, most)));
             patience(100);",
        );
        daemon.signal("STOP");
        browser.eval("freshenNow()");
        browser.wait_for(&format!("{path} says so"), IS_TOLD);
        daemon.signal("CONT");
        browser.eval("patience(60000)");
        browser.wait_for(
            &format!("{path} takes it back"),
            "return document.querySelector('#silent').hidden",
        );
    }
    assert_eq!(daemon.end(), Some(0));
}
