//! The pages in a real browser: other keyboards, a tablet that is turned, somebody who goes by the focus.

use super::browser::Browser;
use super::mishaps::IS_SENT;
use super::seen::drawn_shop;
use super::serving;
use crate::util::{Shop, wait_until};

/// With caps lock, and without Shift on a French keyboard, the keys did nothing.
#[test]
fn keys_are_the_same_on_other_keyboards() {
    let Some(browser) = Browser::open() else { return };
    let (_shop, daemon, pages) = drawn_shop(2);
    let hash = pages.get("/api/v1/review").json()["images"][0]["content_hash"].clone();
    browser.go(&format!("{}/photo/{}", pages.base, hash.as_str().unwrap()));
    let shows = |word: &str| format!("return document.querySelector('.verdict b').textContent === {word:?}");
    for (key, code, shift, word) in [
        ("U", "KeyU", false, "None of these"),
        ("ç", "Digit9", false, "Bag"),
        ("4", "Digit4", true, "Dress"),
        ("/", "Digit7", true, "Dress"),
        ("Z", "KeyZ", false, "Bag"),
        ("6", "Numpad6", false, "Sandal"),
    ] {
        browser.eval(&format!(
            "document.body.dispatchEvent(new KeyboardEvent('keydown', {{ key: {key:?}, code: {code:?}, shiftKey: {shift}, bubbles: true }}))"
        ));
        browser.wait_for("it is sent", IS_SENT);
        browser.wait_for(&format!("{key} on {code}"), &shows(word));
        let pressed = browser.text("#correct [aria-pressed=true] span");
        assert_eq!(pressed, word, "the button is pressed");
    }
    assert_eq!(daemon.end(), Some(0));
}

/// The filters of a tablet that was turned were gone until the page was loaded anew.
#[test]
fn the_filters_are_there_where_a_page_becomes_wide() {
    let Some(browser) = Browser::open() else { return };
    let shop = Shop::new();
    let (daemon, pages) = serving(&shop, &[]);
    browser.resize(810, 1080);
    browser.go(&pages.base);
    let is_open = "return document.querySelector('#filters').open";
    assert_eq!(browser.eval(is_open), false);
    browser.resize(1080, 810);
    browser.wait_for("they are there", is_open);
    browser.resize(810, 1080);
    assert_eq!(browser.eval(is_open), true, "whoever fills them in goes on");
    assert_eq!(daemon.end(), Some(0));
}

/// Each epoch threw whoever stood at a run back to the beginning of the page.
#[test]
fn what_is_opened_by_its_summary_keeps_the_focus() {
    let Some(browser) = Browser::open() else { return };
    let shop = Shop::new();
    let (daemon, pages) = serving(&shop, &[]);
    browser.go(&format!("{}/models", pages.base));
    browser.eval(
        "const runs = (text) => {
             const part = document.createElement('div');
             for (const id of ['run-1', 'run-2']) {
                 const run = part.appendChild(document.createElement('details'));
                 run.id = id;
                 run.appendChild(document.createElement('summary')).textContent = text;
             }
             return part;
         };
         const part = document.querySelector('main').appendChild(runs('epoch 1'));
         part.querySelector('#run-2 summary').focus();
         refill(part, runs('epoch 2'));",
    );
    assert_eq!(browser.text("#run-2 :focus"), "epoch 2");
    assert_eq!(daemon.end(), Some(0));
}

/// It closed the one that stood there by then, as if that had been done.
#[test]
fn an_answer_that_comes_late_closes_no_other_question() {
    let Some(browser) = Browser::open() else { return };
    let (shop, daemon, pages) = drawn_shop(1);
    browser.go(&format!("{}/models", pages.base));
    browser.eval(
        "const send = fetch;
         const held = new Promise((resolve) => (window.letGo = resolve));
         window.fetch = async (path, options) => {
             if (options?.method === 'POST') await held;
             return send(path, options);
         };",
    );
    let ask = || browser.click("[data-confirm='/api/v1/runs']");
    ask();
    browser.click("#confirm-yes");
    browser.eval("document.querySelector('#confirm').close()");
    ask();
    browser.eval("letGo()");
    wait_until("it is asked for", || {
        shop.count("SELECT count(*) FROM rebuild_requests") == 1
    });
    browser.wait_for(
        "it is told",
        "return document.querySelector('#toast').textContent === 'Done'",
    );
    assert_eq!(browser.count("dialog[open]"), 1);
    let is_offered = "return !document.querySelector('#confirm-yes').disabled";
    assert_eq!(browser.eval(is_offered), true);
    assert_eq!(daemon.end(), Some(0));
}
