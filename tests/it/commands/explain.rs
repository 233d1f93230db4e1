//! `hangtag explain` of what is on record under another name, or by a person's word alone.

use hangtag::domain::ContentHash;

use super::tagged_shop;
use crate::util::{png, text};

/// "no tag, and nothing on record", of a photo that was tagged, corrected, and copied elsewhere.
#[test]
fn a_content_is_known_whatever_its_file_is_called() {
    let shop = tagged_shop();
    let explain = |path: &str| {
        let explained = shop.json(&["explain", path, "--format", "json"]);
        let said = shop.ok(&["explain", path]);
        let answer = explained["answer"].as_str().unwrap();
        assert!(said.contains(answer), "{said}");
        (explained.clone(), said)
    };
    for copy in ["copy.png", "inbox/copy.png"] {
        std::fs::write(shop.path().join(copy), png(4)).unwrap();
        let (explained, said) = explain(copy);
        assert!(
            said.contains("nothing on record of this path, but of its content: "),
            "{said}"
        );
        assert!(explained["history"].is_null(), "{explained}");
        assert_eq!(explained["content"]["outcomes"].as_array().unwrap().len(), 1);
        assert_eq!(explained["decisions"].as_array().unwrap().len(), 1);
        assert!(said.contains("inbox/photo-00004.png"), "{said}");
    }
    shop.ok(&["correct", "inbox/photo-00004.png", "--label", "bag"]);
    let (explained, said) = explain("copy.png");
    assert!(said.contains("of its content: corrected to Bag by "), "{said}");
    assert_eq!(explained["correction"]["truth"], "Bag", "{explained}");

    // A photo that no model was asked about.
    std::fs::write(shop.path().join("new.png"), png(900)).unwrap();
    shop.ok(&["correct", "new.png", "--label", "sandal"]);
    let hash = ContentHash::of(&png(900)).to_string();
    for asked in ["new.png", &hash] {
        let (explained, said) = explain(asked);
        assert!(said.contains("corrected to Sandal by "), "{said}");
        assert!(explained["content"].is_null(), "{explained}");
        assert_eq!(explained["correction"]["truth"], "Sandal", "{explained}");
    }
    shop.ok(&["correct", &hash, "--undo"]);
    assert!(explain(&hash).1.contains("no content with this hash"));
    assert!(explain("new.png").1.contains("nothing on record: "));
}

/// The hash was read as the name of a photo, which is not there.
#[test]
fn a_content_that_is_named_by_its_hash_is_drawn_from_a_file_that_holds_it() {
    let shop = tagged_shop();
    std::fs::write(shop.inbox().join("another.png"), png(4)).unwrap();
    shop.ok(&["scan"]);
    let hash = ContentHash::of(&png(4)).to_string();
    let draw = |picture: &str| shop.run(&["explain", &hash, "--picture", picture]);
    // The first of its files is another photo by now.
    std::fs::write(shop.inbox().join("another.png"), png(5)).unwrap();
    let drawn = draw("out.png");
    assert!(drawn.status.success(), "{}", text(&drawn.stderr));
    assert!(shop.path().join("out.png").is_file());
    std::os::unix::fs::symlink("inbox/photo-00004.png", shop.path().join("link.png")).unwrap();
    let refused = draw("link.png");
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("would replace the photo"));
    std::fs::remove_file(shop.inbox().join("photo-00004.png")).unwrap();
    let missed = draw("none.png");
    assert_eq!(missed.status.code(), Some(1));
    assert!(text(&missed.stderr).contains("no file with this content is there"));
}

/// "the next sweep tags it anew", of a photo that lies where no sweep comes.
#[test]
fn what_follows_a_change_depends_on_where_the_photo_lies() {
    let shop = tagged_shop();
    let outside = shop.path().join("outside.png");
    std::fs::write(&outside, png(20)).unwrap();
    shop.ok(&["scan", "outside.png"]);
    std::fs::write(&outside, png(21)).unwrap();
    std::fs::write(shop.inbox().join("photo-00003.png"), "no picture any more").unwrap();
    for (path, follows, decoded) in [
        (
            "outside.png",
            "; `hangtag scan PATH` reads it anew",
            "a png of 60x80 pixels that can be tagged",
        ),
        (
            "inbox/photo-00003.png",
            "; the next sweep tags it anew",
            "it cannot be tagged: ",
        ),
    ] {
        let said = shop.ok(&["explain", path]);
        assert!(said.contains(follows) && said.contains(decoded), "{said}");
    }
}
