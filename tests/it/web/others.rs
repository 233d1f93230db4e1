//! The pages in a real browser, where somebody else speaks about the same photos meanwhile.

use serde_json::{Value, json};

use super::browser::{Browser, keys};
use super::mishaps::{IS_SENT, LISTENS, say, standing};
use super::seen::{PHOTO_IS_THERE, drawn_shop};
use super::{accept_nothing, serving};
use crate::util::{Shop, drop_png};

/// In the browser: the one word that was sent meets another one that stands.
const IS_OVERTAKEN: &str = "return words.failures === 1 && !words.underWay
     && document.querySelector('#toast').textContent === 'somebody has said otherwise meanwhile, which holds: Coat'";

/// Both words were gone then, one's own and the colleague's, which even stood on the page.
#[test]
fn whoever_takes_a_word_back_takes_nobody_elses() {
    let Some(browser) = Browser::open() else { return };
    let (_shop, daemon, pages) = drawn_shop(6);
    let queue = pages.get("/api/v1/review").json();
    let [of_page, of_list] = [0, 1].map(|place| queue["images"][place]["content_hash"].clone());
    let shown = "document.querySelector('.verdict b').textContent";

    browser.go(&format!("{}/photo/{}", pages.base, of_page.as_str().unwrap()));
    browser.press(&["9"]);
    browser.wait_for("it is said", IS_SENT);
    say(&pages, &of_page, "coat");
    browser.press(&["z"]);
    browser.wait_for("it is told", IS_OVERTAKEN);
    browser.wait_for(
        "the page shows what stands",
        &format!("return {shown} === 'Coat'"),
    );
    // Whoever sees it can take it back, too.
    browser.press(&["z"]);
    browser.wait_for("it is taken back", IS_SENT);
    assert!(standing(&pages).is_empty());
    say(&pages, &of_page, "dress");

    browser.go(&pages.base);
    let card = format!("document.querySelector('.card[data-hash={of_list}]')");
    browser.eval(&format!("{card}.querySelector('a').focus()"));
    browser.press(&["9"]);
    browser.wait_for("it is said", IS_SENT);
    say(&pages, &of_list, "coat");
    browser.press(&["z"]);
    browser.wait_for("it is told", IS_OVERTAKEN);
    browser.wait_for(
        "the card shows what stands",
        &format!("return {card}.querySelector('b').textContent === 'Coat'"),
    );

    browser.go(&format!("{}/review", pages.base));
    browser.wait_for("the first photo is there", PHOTO_IS_THERE);
    let of_review = browser.eval("return review.current.content_hash");
    let name = browser.text("#review-name");
    browser.press(&["9"]);
    browser.wait_for("it is said", IS_SENT);
    say(&pages, &of_review, "coat");
    browser.press(&["z"]);
    browser.wait_for("it is told", IS_OVERTAKEN);
    browser.wait_for("the next photo is there", PHOTO_IS_THERE);
    assert_ne!(browser.text("#review-name"), name, "nobody has to look again");
    let expected = [(of_page, "Dress"), (of_list, "Coat"), (of_review, "Coat")];
    assert_eq!(
        standing(&pages),
        expected.map(|(hash, word)| (hash, Value::from(word)))
    );
    assert_eq!(daemon.end(), Some(0));
}

/// In the browser: whether somebody looks at the page.
fn look(browser: &Browser, is_looked_at: bool) {
    browser.eval(&format!(
        "Object.defineProperty(document, 'hidden', {{ value: {}, configurable: true }});
         document.dispatchEvent(new Event('visibilitychange'));",
        !is_looked_at
    ));
}

/// Each key put another word in place of a colleague's: of what she had said, no more than the newest was looked at.
#[test]
fn whoever_comes_back_to_review_finds_what_others_have_left() {
    let Some(browser) = Browser::open() else { return };
    const PHOTOS: u32 = 240;
    let shop = Shop::new();
    for number in 0..PHOTOS {
        drop_png(&shop.inbox(), number);
    }
    shop.ok(&["scan"]);
    accept_nothing(&shop);
    let (daemon, pages) = serving(&shop, &[]);
    browser.go(&format!("{}/review", pages.base));
    browser.wait_for("the first photo is there", PHOTO_IS_THERE);
    browser.wait_for("the page listens", LISTENS);
    look(&browser, false);
    // Those that wait here first, so that they are beyond what one answer holds of the newest corrections.
    let hashes_of = |address: &str| -> Vec<Value> {
        let images = pages.get(&format!("{address}?limit={PHOTOS}")).json();
        let images = images["images"].as_array().unwrap().iter();
        images.map(|image| image["content_hash"].clone()).collect()
    };
    let mut hashes = hashes_of("/api/v1/review");
    let left = hashes.split_off(hashes.len() - 5);
    for hash in hashes_of("/api/v1/images") {
        if !hashes.contains(&hash) && !left.contains(&hash) {
            hashes.push(hash);
        }
    }
    let said_by_others = hashes.len();
    assert_eq!(said_by_others, PHOTOS as usize - 5);
    for hash in &hashes {
        say(&pages, hash, "coat");
    }
    look(&browser, true);
    browser.press(&["9"]);
    browser.wait_for(
        "a photo that is left is there",
        &format!("return {}.includes(review.current?.content_hash)", json!(left)),
    );
    browser.wait_for("it is seen", PHOTO_IS_THERE);
    browser.press(&["9"]);
    browser.wait_for("it is said", IS_SENT);
    let said = standing(&pages);
    assert_eq!(
        &said[..said_by_others],
        hashes
            .iter()
            .map(|hash| (hash.clone(), Value::from("Coat")))
            .collect::<Vec<_>>()
    );
    assert!(
        said[said_by_others..]
            .iter()
            .all(|(hash, word)| left.contains(hash) && word == "Bag")
    );
    assert!(said.len() > said_by_others);
    assert_eq!(daemon.end(), Some(0));
}

/// Beyond the first page they showed what had stood when they came.
#[test]
fn cards_far_down_the_list_show_what_others_have_said() {
    let Some(browser) = Browser::open() else { return };
    let shop = Shop::new();
    for number in 0..140 {
        drop_png(&shop.inbox(), number);
    }
    shop.ok(&["scan"]);
    accept_nothing(&shop);
    let (daemon, pages) = serving(&shop, &[]);
    // All but those that somebody has spoken about.
    let filter = "?status=accepted&status=review&status=unknown";
    browser.go(&format!("{}/{filter}", pages.base));
    browser.wait_for(
        "all are shown",
        "document.querySelector('#more')?.scrollIntoView();
         return document.querySelectorAll('.card').length === 140 && !document.querySelector('#more')",
    );
    let list = pages.get("/api/v1/images?limit=140").json();
    let [focused, other, gone] = [130, 132, 134].map(|place| list["images"][place].clone());
    browser.eval(&format!(
        "document.querySelector('#f{} a').focus()",
        focused["id"]
    ));
    say(&pages, &other["content_hash"], "coat");
    browser.wait_for(
        "one that matches no more has gone",
        &format!("return !document.querySelector('#f{}')", other["id"]),
    );
    std::fs::remove_file(gone["path"].as_str().unwrap()).unwrap();
    browser.wait_for(
        "and so has one whose file is gone",
        &format!("return !document.querySelector('#f{}')", gone["id"]),
    );
    browser.wait_for(
        "the heading counts those that are shown",
        "return document.querySelector('#total').textContent === '138' && document.querySelectorAll('.card').length === 138",
    );
    browser.press(&[keys::RIGHT]);
    assert_ne!(
        browser.eval("return document.activeElement.closest('.card').id"),
        format!("f{}", focused["id"]),
        "whoever works at a card finds the next one"
    );
    assert_eq!(daemon.end(), Some(0));
}
