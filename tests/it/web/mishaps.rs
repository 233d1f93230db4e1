//! The pages in a real browser, where answers fail or come late, others are at work, and somebody goes back.

use serde_json::{Value, json};

use super::Pages;
use super::browser::{Browser, keys};
use super::drawn::photo;
use super::seen::{PHOTO_IS_THERE, drawn_shop};
use super::serving;
use crate::util::Shop;

/// In the browser: whether the page hears of what is new.
pub const LISTENS: &str = "return document.querySelector('#live').classList.contains('on')";
/// In the browser: whether all that was said has arrived.
pub const IS_SENT: &str = "return !words.underWay";

/// In the browser: the next word is not taken.
const REFUSE_THE_NEXT: &str = "const send = fetch;
     window.fetch = (path, options) => {
         if (!['PUT', 'DELETE'].includes(options?.method)) return send(path, options);
         window.fetch = send;
         const error = { code: 'busy', message: 'too much is under way here' };
         return Promise.resolve(new Response(JSON.stringify({ error }), { status: 503 }));
     };";

/// In the browser: words wait until `letGo()`.
const HOLD: &str = "const send = fetch;
     const held = new Promise((resolve) => (window.letGo = resolve));
     window.fetch = async (path, options) => {
         if (['PUT', 'DELETE'].includes(options?.method)) await held;
         return send(path, options);
     };";

/// The words that stand, by content.
pub fn standing(pages: &Pages) -> Vec<(Value, Value)> {
    let answer = pages.get("/api/v1/corrections?limit=1000").json();
    let words = answer["corrections"].as_array().unwrap().iter();
    words
        .map(|word| (word["content_hash"].clone(), word["truth"].clone()))
        .collect()
}

/// What a colleague says of a photo meanwhile.
pub fn say(pages: &Pages, hash: &Value, label: &str) {
    let address = format!("/api/v1/images/{}/correction", hash.as_str().unwrap());
    let answer = pages.put(&address, &json!({ "label": label, "by": "Ada" }));
    assert_eq!(answer.code, 200);
}

/// After an answer that failed or was slow, `z` took back the word before, of another photo.
#[test]
fn what_is_taken_back_in_the_list_is_the_last_word() {
    let Some(browser) = Browser::open() else { return };
    let (_shop, daemon, pages) = drawn_shop(6);
    let focused = "return document.activeElement.closest('.card').dataset.hash";
    browser.go(&pages.base);
    browser.press(&[keys::RIGHT, "1"]);
    browser.wait_for("it is said", IS_SENT);
    let first = browser.eval(focused);
    browser.press(&[keys::RIGHT]);
    let second = browser.eval(focused);
    assert_ne!(first, second);
    let first_alone = vec![(first, Value::from("T-shirt/top"))];

    browser.eval(HOLD);
    browser.press(&["2", "z"]);
    browser.eval("letGo()");
    browser.wait_for("both are sent", "return words.sent === 3 && !words.underWay");
    assert_eq!(standing(&pages), first_alone, "taken back before it had arrived");

    browser.press(&["2"]);
    browser.wait_for("it is said", IS_SENT);
    browser.eval(REFUSE_THE_NEXT);
    browser.press(&["z"]);
    browser.wait_for("it is refused", "return words.failures === 1 && !words.underWay");
    assert_eq!(standing(&pages).len(), 2);
    browser.press(&["z"]);
    browser.wait_for("it is taken back", IS_SENT);
    assert_eq!(
        standing(&pages),
        first_alone,
        "the same word is meant the next time"
    );

    browser.eval(REFUSE_THE_NEXT);
    browser.press(&["3"]);
    browser.wait_for("it is refused", "return words.failures === 2 && !words.underWay");
    browser.press(&["z"]);
    browser.wait_for("it is taken back", "return words.sent === 8 && !words.underWay");
    assert_eq!(
        standing(&pages),
        first_alone,
        "what was not recorded is not taken back"
    );
    browser.press(&["z"]);
    browser.wait_for("it is taken back", IS_SENT);
    assert!(standing(&pages).is_empty());
    assert_eq!(daemon.end(), Some(0));
}

/// A colleague's word was gone after two attempts to take one's own back.
#[test]
fn what_is_taken_back_of_a_photo_is_ones_own_word() {
    let Some(browser) = Browser::open() else { return };
    let (_shop, daemon, pages) = drawn_shop(6);
    let hash = &pages.get("/api/v1/review").json()["images"][0]["content_hash"];
    say(&pages, hash, "coat");
    browser.go(&format!("{}/photo/{}", pages.base, hash.as_str().unwrap()));
    browser.eval(REFUSE_THE_NEXT);
    browser.press(&["8"]);
    browser.wait_for("it is refused", "return words.failures === 1 && !words.underWay");
    browser.press(&["z", "9"]);
    browser.wait_for("it is said", "return words.sent === 3 && !words.underWay");
    browser.eval(REFUSE_THE_NEXT);
    browser.press(&["z"]);
    browser.wait_for("it is refused", "return words.failures === 2 && !words.underWay");
    assert_eq!(standing(&pages), [(hash.clone(), Value::from("Bag"))]);
    browser.press(&["z"]);
    browser.wait_for("it is taken back", IS_SENT);
    assert_eq!(standing(&pages), [(hash.clone(), Value::from("Coat"))]);
    assert_eq!(daemon.end(), Some(0));
}

/// What could not be taken back stood on record, and was counted and shown as if it did not.
#[test]
fn a_word_that_could_not_be_taken_back_counts_in_review() {
    let Some(browser) = Browser::open() else { return };
    let (_shop, daemon, pages) = drawn_shop(6);
    browser.go(&format!("{}/review", pages.base));
    browser.wait_for("the first photo is there", PHOTO_IS_THERE);
    let first = browser.text("#review-name");
    browser.press(&["1"]);
    browser.wait_for("it is said", IS_SENT);
    browser.eval(REFUSE_THE_NEXT);
    browser.press(&["z"]);
    browser.wait_for("it is refused", "return words.failures === 1 && !words.underWay");
    assert_eq!(browser.text("#review-done"), "1");
    browser.wait_for("the next photo is there", PHOTO_IS_THERE);
    assert_ne!(browser.text("#review-name"), first);
    browser.press(&["z"]);
    browser.wait_for("it is taken back", IS_SENT);
    assert_eq!(browser.text("#review-done"), "0");
    assert_eq!(browser.text("#review-name"), first);
    assert!(standing(&pages).is_empty());
    assert_eq!(daemon.end(), Some(0));
}

/// "Nothing is left to review", for as long as the page was open, whatever came.
#[test]
fn review_goes_on_when_photos_come() {
    let Some(browser) = Browser::open() else { return };
    let (shop, daemon, pages) = drawn_shop(2);
    browser.go(&format!("{}/review", pages.base));
    for left in ["2", "1"] {
        browser.wait_for("the photo is there", PHOTO_IS_THERE);
        assert_eq!(browser.text("#review-left"), left);
        browser.press(&["1"]);
        browser.wait_for("it is said", IS_SENT);
    }
    let nothing_is_left = "return !document.querySelector('#review-empty').hidden";
    browser.wait_for("nothing is left", nothing_is_left);
    assert_eq!(browser.text("#review-left"), "0");
    browser.wait_for("the page listens", LISTENS);
    let (name, bytes) = photo(7);
    std::fs::write(shop.inbox().join(&name), bytes).unwrap();
    browser.wait_for("a photo comes", PHOTO_IS_THERE);
    assert!(browser.text("#review-name").ends_with(&name));
    assert_eq!(browser.eval(nothing_is_left), false);
    assert_eq!(browser.text("#review-done"), "2");
    assert_eq!(browser.text("#review-left"), "1");
    assert_eq!(daemon.end(), Some(0));
}

/// In every order but one new photos were counted and not shown.
#[test]
fn what_is_new_comes_into_a_list_in_any_order() {
    let Some(browser) = Browser::open() else { return };
    let (shop, daemon, pages) = drawn_shop(6);
    let new = shop.inbox().join("autumn").join("between.png");
    for sort in ["newest", "oldest", "path", "least_sure", "surest"] {
        browser.go(&format!("{}/?sort={sort}", pages.base));
        browser.wait_for("the page listens", LISTENS);
        std::fs::write(&new, photo(8).1).unwrap();
        let is_there = "return [...document.querySelectorAll('.card')].some((card) => card.title.endsWith('between.png'))";
        browser.wait_for(&format!("it is there: {sort}"), is_there);
        let shown =
            browser.eval("return [...document.querySelectorAll('.card')].map((card) => card.id.slice(1))");
        let listed = pages.get(&format!("/api/v1/images?sort={sort}")).json();
        let listed: Vec<_> = listed["images"].as_array().unwrap().iter().collect();
        let listed: Vec<_> = listed.iter().map(|row| row["id"].to_string()).collect();
        assert_eq!(shown, json!(listed), "where it belongs: {sort}");
        std::fs::remove_file(&new).unwrap();
        browser.wait_for(
            &format!("it goes: {sort}"),
            "return document.querySelectorAll('.card').length === 6",
        );
    }
    assert_eq!(daemon.end(), Some(0));
}

/// Open pages said that nothing answered, and a filter failed with "200 OK"; nothing led to signing in.
#[test]
fn whoever_is_signed_out_is_told_so_and_led_to_sign_in() {
    let Some(browser) = Browser::open() else { return };
    let shop = Shop::new();
    let file = shop.path().join("token");
    std::fs::write(&file, "a token of enough characters").unwrap();
    let (daemon, pages) = serving(&shop, &["--set", &format!("web.token_file={}", file.display())]);
    let sign_in = "return fetch('/login', { method: 'POST', body: new URLSearchParams({ token: 'a token of enough characters' }) })
        .then(({ redirected }) => redirected)";
    let is_told =
        "return !document.querySelector('#signed-out').hidden && document.querySelector('#silent').hidden";
    browser.go(&pages.base);
    assert_eq!(browser.eval_async(sign_in), true);
    for path in ["/", "/review", "/models", "/status"] {
        browser.go(&format!("{}{path}", pages.base));
        browser.wait_for("the page listens", LISTENS);
        browser.devtools("Network.clearBrowserCookies", &json!({}));
        browser.eval("freshenNow()");
        browser.wait_for(&format!("{path} says so"), is_told);
        // In another window, say.
        assert_eq!(browser.eval_async(sign_in), true);
        browser.eval("freshenNow()");
        let is_over = "return document.querySelector('#signed-out').hidden";
        browser.wait_for(&format!("{path} takes it back"), is_over);
    }
    browser.go(&pages.base);
    browser.devtools("Network.clearBrowserCookies", &json!({}));
    browser.click("input[name=status][value=rejected]");
    browser.wait_for("it is told where the filter fails", is_told);
    assert_eq!(browser.text("#toast"), "You are signed out; sign in again");
    browser.click("#signed-out a");
    browser.wait_for("the link leads there", "return location.pathname === '/login'");
    assert_eq!(daemon.end(), Some(0));
}

/// Whoever followed a link of another site was asked for the token although the browser was signed in, and then led to the
/// first page.
#[test]
fn a_link_from_elsewhere_leads_to_what_it_names() {
    let Some(browser) = Browser::open() else { return };
    let shop = Shop::new();
    let file = shop.path().join("token");
    std::fs::write(&file, "a token of enough characters").unwrap();
    let (daemon, pages) = serving(&shop, &["--set", &format!("web.token_file={}", file.display())]);
    let filtered = format!("{}/?label=Dress", pages.base);
    let is_there = "return page === 'inventory' && location.search === '?label=Dress'";
    browser.go(&filtered);
    browser.wait_for("the token is asked for", "return location.pathname === '/login'");
    browser.eval("document.querySelector('[name=token]').value = 'a token of enough characters'");
    browser.click(".sign-in button");
    browser.wait_for("what was asked for is there", is_there);
    // Another site, by its name.
    browser.go(&format!("{}/login", pages.base.replace("127.0.0.1", "localhost")));
    browser.eval(&format!("location.assign({})", Value::from(filtered)));
    browser.wait_for("no token is asked for again", is_there);
    assert_eq!(daemon.end(), Some(0));
}

/// What came while a dialog was open did not appear until something else came.
#[test]
fn what_comes_while_a_dialog_is_open_appears_when_it_is_closed() {
    let Some(browser) = Browser::open() else { return };
    let (shop, daemon, pages) = drawn_shop(2);
    browser.go(&pages.base);
    browser.wait_for("the page listens", LISTENS);
    browser.wait_for("it is up to date", "return !freshening");
    browser.click("#help-open");
    // What it would hear is told here, when it is there for certain.
    browser.eval("stopListening()");
    let (name, bytes) = photo(7);
    std::fs::write(shop.inbox().join(&name), bytes).unwrap();
    shop.wait_for_rows(3);
    browser.eval("freshenNow()");
    let cards = "return document.querySelectorAll('.card').length";
    assert_eq!(browser.eval(cards), 2, "nothing moves behind a dialog");
    browser.eval("document.querySelector('#help').close()");
    browser.wait_for("it appears", &format!("{cards} === 3"));
    assert_eq!(daemon.end(), Some(0));
}

/// It loaded the page anew, and the focus was back at the top.
#[test]
fn a_link_into_the_page_leads_there() {
    let Some(browser) = Browser::open() else { return };
    let (_shop, daemon, pages) = drawn_shop(2);
    browser.go(&pages.base);
    browser.eval("window.isSame = true");
    browser.press(&[keys::TAB]);
    assert_eq!(browser.text(":focus"), "Skip to content");
    browser.press(&[keys::ENTER]);
    browser.wait_for(
        "the content has the focus",
        "return document.activeElement.id === 'main'",
    );
    browser.eval_async("await fetch('/livez')");
    assert_eq!(browser.eval("return window.isSame ?? false"), true);
    browser.click("input[name=status][value=rejected]");
    browser.wait_for(
        "the list is filtered",
        "return document.querySelectorAll('.card').length === 0",
    );
    browser.eval("history.back()");
    browser.wait_for(
        "back is back",
        "return document.querySelectorAll('.card').length === 2",
    );
    assert_eq!(daemon.end(), Some(0));
}

/// The place in a list of many pages was lost, and the focus with it.
#[test]
fn whoever_goes_back_finds_the_list_as_it_was() {
    let Some(browser) = Browser::open() else { return };
    let (_shop, daemon, pages) = drawn_shop(6);
    browser.go(&pages.base);
    browser.eval("window.isSame = true");
    browser.press(&[keys::RIGHT, keys::RIGHT]);
    let hash = browser.eval("return document.activeElement.closest('.card').dataset.hash");
    browser.press(&[keys::ENTER]);
    browser.wait_for("the photo is there", "return Boolean(photoHash())");
    browser.press(&["1"]);
    browser.wait_for("it is said", IS_SENT);
    browser.eval("history.back()");
    browser.wait_for("back is back", "return page === 'inventory'");
    assert_eq!(browser.eval("return window.isSame ?? false"), true);
    assert_eq!(
        browser.eval("return document.activeElement.closest('.card')?.dataset.hash"),
        hash
    );
    browser.wait_for(
        "what was said meanwhile is shown",
        "return document.querySelectorAll('.mark.s-corrected').length === 1",
    );
    assert_eq!(daemon.end(), Some(0));
}

/// It stayed broken until the page was loaded anew.
#[test]
fn a_picture_that_could_not_be_had_is_asked_for_again() {
    let Some(browser) = Browser::open() else { return };
    let (_shop, daemon, pages) = drawn_shop(1);
    let block = |urls: Value| browser.devtools("Network.setBlockedURLs", &json!({ "urls": urls }));
    browser.devtools("Network.enable", &json!({}));
    block(json!(["*/picture/*"]));
    browser.go(&pages.base);
    let picture = "const picture = document.querySelector('.card img');";
    browser.wait_for(
        "there is no picture",
        &format!("{picture} return picture.complete && picture.naturalWidth === 0"),
    );
    // However often it could not be had; the last pause is a minute, which nobody waits for here.
    browser.eval("PICTURE_AGAIN_MS.fill(1)");
    browser.wait_for(
        "it is asked for again and again",
        &format!("{picture} return failedPictures.get(picture)?.count > 5"),
    );
    block(json!([]));
    browser.wait_for(
        "it comes by itself",
        &format!("{picture} return picture.naturalWidth > 0"),
    );
    assert_eq!(daemon.end(), Some(0));
}

/// They stayed as they were until something else changed.
#[test]
fn counts_that_are_older_are_asked_for_again() {
    let Some(browser) = Browser::open() else { return };
    let (_shop, daemon, pages) = drawn_shop(2);
    browser.go(&pages.base);
    browser.wait_for("the page listens", LISTENS);
    browser.eval("stopListening()");
    browser.wait_for("nothing else is asked", "return !freshening");
    browser.eval(
        "const send = fetch;
         let asked = 0;
         window.fetch = (path, options) => {
             if (!path.startsWith('/api/v1/counts')) return send(path, options);
             asked += 1;
             return Promise.resolve(Response.json({ total: 700 + asked, labels: {}, statuses: {}, current: asked === 2 }));
         };
         document.querySelector('#filter').dataset.counted = 'false';
         completeCounts();",
    );
    browser.wait_for(
        "they are those of now",
        "return document.querySelector('#total').textContent === '702'",
    );
    assert_eq!(
        browser.eval("return document.querySelector('#filter').dataset.counted"),
        "true"
    );
    assert_eq!(daemon.end(), Some(0));
}
