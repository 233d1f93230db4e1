//! Texts and their way back, and what is refused.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::*;

#[test]
fn labels_are_read_in_every_usual_spelling() {
    for (text, name) in [
        ("T-shirt/top", "T-shirt/top"),
        ("t-shirt", "T-shirt/top"),
        ("tshirt", "T-shirt/top"),
        ("TROUSER", "Trouser"),
        ("ankle-boot", "Ankle boot"),
        ("ankle boot", "Ankle boot"),
    ] {
        assert_eq!(text.parse::<Label>().unwrap().name(), name);
    }
    let error = "Hat".parse::<Label>().unwrap_err().to_string();
    assert!(
        error.contains("\"Hat\"") && error.contains("Ankle boot"),
        "{error}"
    );
}

#[test]
fn confidence_refuses_what_is_no_probability() {
    for bad in [-0.1, 1.1, f32::NAN, f32::INFINITY] {
        assert!(Confidence::new(bad).is_err(), "{bad}");
    }
    assert_eq!("0.5".parse::<Confidence>().unwrap().get(), 0.5);
}

#[test]
fn top_is_the_first_of_equals() {
    let mut values = [0.0; 10];
    values[3] = 0.5;
    values[7] = 0.5;
    let (label, confidence) = Scores::new(values).unwrap().top();
    assert_eq!((label.name(), confidence.get()), ("Dress", 0.5));
}

#[test]
fn every_path_has_its_own_text_and_the_way_back() {
    let names: [&[u8]; 5] = [
        b"/a/plain.jpg",
        b"/a/\xff.jpg",
        "/a/\u{FFFD}FF.jpg".as_bytes(),
        b"/a/q'\"\n.jpg",
        b"/\xe2\x82",
    ];
    let mut seen = std::collections::HashSet::new();
    for name in names {
        let path = Path::new(OsStr::from_bytes(name));
        let text = InventoryPath::of(path);
        assert_eq!(text.to_path(), path, "{text}");
        assert!(seen.insert(text));
    }
}

#[test]
fn timestamps_are_written_in_utc_with_milliseconds() {
    assert_eq!(
        Timestamp::from_millis(1_700_000_000_250).to_string(),
        "2023-11-14T22:13:20.250Z"
    );
}

#[test]
fn one_content_in_five_is_held_out_by_its_hash_alone() {
    let mut bytes = [0; 32];
    assert!(held_out(&ContentHash::from_bytes(bytes)));
    bytes[7] = 4;
    bytes[31] = 1; // Past the first eight: plays no part.
    assert!(!held_out(&ContentHash::from_bytes(bytes)));
    bytes[7] = 10;
    assert!(held_out(&ContentHash::from_bytes(bytes)));
    let held = (0..10_000u32).filter(|n| held_out(&ContentHash::of(&n.to_le_bytes())));
    assert!((1_900..2_100).contains(&held.count()));
}

#[test]
fn truths_are_labels_or_unknown() {
    let dress = Label::from_index(3).unwrap();
    assert_eq!("DRESS".parse::<Truth>().unwrap(), Truth::Label(dress));
    assert_eq!("Unknown".parse::<Truth>().unwrap(), Truth::Unknown);
    assert_eq!(Truth::from(Truth::Unknown.label()).to_string(), "unknown");
    assert!("hat".parse::<Truth>().is_err());
}

#[test]
fn hashes_survive_their_text() {
    let hash = ContentHash::of(b"photo");
    assert_eq!(hash.to_string().parse::<ContentHash>().unwrap(), hash);
    assert!("xyz".parse::<ContentHash>().is_err());
}

#[test]
fn timestamps_and_model_ids_survive_their_json() {
    let time = Timestamp::from_millis(1_700_000_000_250);
    let json = serde_json::to_string(&time).unwrap();
    assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), time);
    assert!(serde_json::from_str::<Timestamp>("\"soon\"").is_err());
    let model = ModelId::from_sha256(&"0a".repeat(32)).unwrap();
    let json = serde_json::to_string(&model).unwrap();
    assert_eq!(serde_json::from_str::<ModelId>(&json).unwrap(), model);
    assert!(serde_json::from_str::<Confidence>("1.5").is_err());
}
