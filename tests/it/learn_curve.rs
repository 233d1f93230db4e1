//! What corrections buy, over the real binary: few drawn photos, and a small base that is trained here.

use std::path::Path;

use serde_json::{Value, json};

use crate::util::{Shop, small_data_set, text, wait_until};

const CLASSES: [&str; 3] = ["Trouser", "Bag", "Sneaker"];
const OF_CLASS: usize = 8;
const UNKNOWN: usize = 9;

/// A shop with a residual network of one epoch as its model: it knows nothing of photos.
fn shop() -> Shop {
    let shop = Shop::new();
    let data = shop.path().join("mnist");
    small_data_set(&data, (400, 50));
    shop.configure(&format!(
        "[dataset]\ndir = {:?}\n[train]\narchitecture = \"residual\"\nbatch_size = 32\n",
        data.display().to_string()
    ));
    let base = shop.path().join("base");
    shop.ok(&["train", "--epochs", "1", "--out", base.to_str().unwrap()]);
    std::fs::remove_dir_all(shop.data()).unwrap(); // The record of that training.
    shop
}

/// A photo of a class, or of none (a ring); every number gives another one, also to who looks at it in small.
fn photo(class: usize, number: usize) -> image::GrayImage {
    let (wide, tone) = (number as i32 % 4, 30 + (number * 57 % 100) as u8);
    image::GrayImage::from_fn(60, 80, |x, y| {
        let (x, y) = (x as i32 - 30, y as i32 - 40);
        let is_garment = match class {
            0 => y.abs() < 32 && (4..11 + wide).contains(&x.abs()),
            1 => (-6..22 + wide).contains(&y) && x.abs() < 24 + wide || y.abs() < 16 && x.abs() == 8,
            2 => (2..14 + wide).contains(&y) && x.abs() < 26 && y > 8 - (x + 26) / 6,
            _ => ((20 + wide).pow(2)..28 * 28).contains(&(x * x + y * y)),
        };
        image::Luma([if is_garment { tone } else { 255 }])
    })
}

/// Writes all photos, those of none last, and the list of them; names and order are `naming`'s.
fn write_photos(folder: &Path, naming: impl Fn(usize) -> String, is_reversed: bool) -> String {
    std::fs::create_dir(folder).unwrap();
    let all = (0..CLASSES.len() * OF_CLASS + UNKNOWN).map(|place| {
        let class = (place / OF_CLASS).min(CLASSES.len());
        let name = naming(place);
        photo(class, place).save(folder.join(&name)).unwrap();
        format!("{name},{}\n", CLASSES.get(class).unwrap_or(&""))
    });
    let mut rows: Vec<String> = all.collect();
    if is_reversed {
        rows.reverse();
    }
    let csv = folder.join("labels.csv");
    std::fs::write(&csv, format!("file,label\n{}", rows.concat())).unwrap();
    csv.to_str().unwrap().to_owned()
}

const BASE: [&str; 2] = ["--set", "inference.model=base"];

fn curve(shop: &Shop, csv: &str, more: &[&str]) -> Value {
    let command = ["learn-curve", "--labels", csv, "--format", "json"];
    shop.json(&[&command[..], &BASE, more].concat())
}

#[test]
fn more_corrections_are_learned_and_the_other_photos_judge() {
    let shop = shop();
    let csv = write_photos(&shop.path().join("photos"), |place| format!("{place}.png"), false);
    let points = curve(&shop, &csv, &["--per-class", "4,0", "--plot", "curve.svg"]);
    assert_eq!(points.as_array().unwrap().len(), 2, "{points}");
    let (none, some) = (&points[0], &points[1]);
    let nothing = json!({"of_classes": 0, "unknown": 0});
    assert_eq!((&none["per_class"], &some["per_class"]), (&json!(0), &json!(4)));
    assert_eq!(none["learned"], nothing);
    assert_eq!(none["unseen"], json!({"of_classes": 24, "unknown": 9}));
    for (kind, taken) in [("of_classes", 12), ("unknown", 3)] {
        let count = |what: &str| some[what][kind].as_u64().unwrap();
        assert_eq!(count("learned"), taken, "{some}");
        assert_eq!(
            none["unseen"][kind].as_u64().unwrap() - count("unseen"),
            taken,
            "{some}"
        );
    }
    for figure in ["mean_recall", "accuracy", "known_unknown_auroc", "accepted_share"] {
        assert!(
            (0.0..=1.0).contains(&some[figure].as_f64().unwrap()),
            "{figure}: {some}"
        );
    }
    let recall = |point: &Value| point["mean_recall"].as_f64().unwrap();
    assert!(recall(some) > recall(none), "nothing was learned: {points}");
    let plot = std::fs::read_to_string(shop.path().join("curve.svg")).unwrap();
    assert!(plot.starts_with("<svg") && plot.contains("mean recall"), "{plot}");
    assert!(!shop.data().exists(), "neither store nor models are touched");

    // Other names, another order, and one photo twice: the same photos are taken, and the same networks come of them.
    let naming = |place: usize| format!("{:03}.png", place * 577 % 1000);
    let again = write_photos(&shop.path().join("again"), naming, true);
    let first = shop.path().join("again").join(naming(0));
    std::fs::copy(&first, first.with_file_name("copy.png")).unwrap();
    let list = std::fs::read_to_string(&again).unwrap() + "copy.png,trouser\n";
    std::fs::write(&again, list).unwrap();
    let timeless = |mut points: Value| {
        let rows = points.as_array_mut().unwrap();
        rows.iter_mut().for_each(|point| point["seconds"] = Value::Null);
        points
    };
    let repeated = curve(&shop, &again, &["--per-class", "0,4", "--set", "train.threads=1"]);
    assert_eq!(timeless(repeated), timeless(points));
}

#[test]
fn a_signal_ends_it_with_the_sizes_that_are_done() {
    let shop = shop();
    let csv = write_photos(&shop.path().join("photos"), |place| format!("{place}.png"), false);
    let arguments = [
        "learn-curve",
        "--labels",
        &csv,
        "--per-class",
        "0,4",
        "--plot",
        "curve.svg",
    ];
    let log = shop.path().join("log");
    let child = shop
        .command(&[&arguments[..], &BASE, &["--format", "json"]].concat())
        .stdout(std::process::Stdio::piped())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    wait_until("the second size has begun", || {
        std::fs::read_to_string(&log)
            .unwrap()
            .contains("4 photos a class: learning")
    });
    let sent = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(130),
        "{}",
        std::fs::read_to_string(&log).unwrap()
    );
    let points: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(points.as_array().unwrap().len(), 1, "{points}");
    assert!(
        !shop.path().join("curve.svg").exists(),
        "half a curve is not drawn"
    );
}

#[test]
fn what_cannot_be_measured_is_said_before_anything_is_trained() {
    let shop = shop();
    let csv = write_photos(&shop.path().join("photos"), |place| format!("{place}.png"), false);
    let refused = |more: &[&str]| {
        let output = shop.run(&[&["learn-curve", "--labels", &csv], &BASE[..], more].concat());
        (output.status.code(), text(&output.stderr))
    };
    for (arguments, code, words) in [
        (
            &["--per-class", "0,8"][..],
            2,
            "of Trouser only 8, of Sneaker only 8, of Bag only 8",
        ),
        (&["--per-class", "2", "--unknown", "10"], 2, "there are 9"),
        (
            &["--set", "train.architecture=reference"],
            2,
            "only a residual network",
        ),
        (
            &["--set", "retrain.correction_weight=0"],
            2,
            "retrain.correction_weight = 0",
        ),
    ] {
        let (found, message) = refused(arguments);
        assert_eq!(found, Some(code), "{message}");
        assert!(message.contains(words), "{message}");
    }
    let gone = shop.path().join("gone.csv");
    std::fs::write(&gone, "file,label\nnone.png,Dress\n").unwrap();
    let output = shop.run(&["learn-curve", "--labels", gone.to_str().unwrap()]);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(
        message.contains("none of its 1 photos can be used") && message.contains("none.png: unreadable"),
        "{message}"
    );
    let rows = std::fs::read_to_string(&csv).unwrap() + "0.png,Dress\n";
    std::fs::write(&csv, rows).unwrap();
    let (found, message) = refused(&[]);
    assert_eq!(found, Some(1), "{message}");
    assert!(
        message.contains("0.png as Trouser") && message.contains("0.png as Dress"),
        "{message}"
    );
}
