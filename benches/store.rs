//! The store at the size of a large shop: writes one million files, then asks every question that
//! `docs/database.md` lists.
//!
//! In: nothing (`HANGTAG_BENCH_FILES` changes the number of files). Out: a table of rows per second and milliseconds.
//! Never: a wall-clock figure that a warm SQLite cache made; each question is asked through a fresh connection.

#[path = "store/pages.rs"]
mod pages;

use std::path::Path;
use std::time::Instant;

use hangtag::domain::*;
use hangtag::store::*;

/// How often each question is asked.
const ROUNDS: usize = 7;
/// 2026-01-01, the time of the first answer.
const START_MS: i64 = 1_767_225_600_000;
const FOLDERS: usize = 400;

fn main() {
    let files = std::env::var("HANGTAG_BENCH_FILES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1_000_000);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("hangtag.db");
    for batch in [64, 256] {
        let aside = folder.path().join(format!("batch-{batch}.db"));
        let rate = write(&aside, batch, files.min(100_000));
        println!(
            "write, batches of {batch:3}, synchronous FULL, first {} files: {rate:8.0} rows/s",
            files.min(100_000)
        );
    }
    let rate = write(&path, 256, files);
    println!("write, batches of 256, synchronous FULL, all {files} files: {rate:8.0} rows/s");
    let mut store = Store::open(&path, Durability::Full).expect("the store opens");
    store.checkpoint().expect("the store checkpoints");
    let bytes = std::fs::metadata(&path).map(|meta| meta.len()).unwrap_or(0);
    println!("size: {:.0} bytes a file", bytes as f64 / files as f64);
    drop(store);
    pages::measure(folder.path());
    if std::env::var_os("HANGTAG_BENCH_WEB_ONLY").is_some() {
        return;
    }
    let mut store = Store::open(&path, Durability::Full).expect("the store opens");
    ask_everything(&path, files);
    retag(&mut store, &path, files);
    decide_anew(&mut store);
    correct(&mut store, files);
    back_up(&path);
}

/// Writes `files` made-up files in batches; returns rows per second.
fn write(path: &Path, batch: usize, files: usize) -> f64 {
    let mut store = Store::open(path, Durability::Full).expect("the store opens");
    store
        .register_model(&model("0"))
        .expect("the model is registered");
    store
        .set_thresholds(&accepting_from(0.8))
        .expect("the thresholds are set");
    let mut seconds = 0.0;
    let mut next = 0;
    while next < files {
        let end = (next + batch).min(files);
        let changes: Vec<Change> = (next..end).map(|number| change(number, "0")).collect();
        let start = Instant::now();
        store.apply(&changes).expect("the batch is written");
        seconds += start.elapsed().as_secs_f64();
        next = end;
    }
    let absent: Vec<Change> = (0..files)
        .step_by(200)
        .map(|number| Change::Absent {
            path: file_path(number),
            at: Timestamp::from_millis(START_MS),
        })
        .collect();
    store.apply(&absent).expect("the removals are written");
    files as f64 / seconds
}

/// Tags the first files anew under a second model, and rolls back.
fn retag(store: &mut Store, path: &Path, files: usize) {
    let (old, new) = (model("0"), model("1"));
    store.register_model(&new).expect("the model is registered");
    let anew = files.min(100_000);
    let mut seconds = 0.0;
    for first in (0..anew).step_by(256) {
        let changes: Vec<Change> = (first..(first + 256).min(anew))
            .map(|number| change(number, "1"))
            .collect();
        let start = Instant::now();
        store.apply(&changes).expect("the batch is written");
        seconds += start.elapsed().as_secs_f64();
    }
    println!(
        "tag anew, batches of 256, first {anew} files: {:8.0} rows/s",
        anew as f64 / seconds
    );
    measure("retag progress", path, |reader| {
        reader.retag_progress(new.id()).expect("an answer").left
    });
    let page = |model, limit| RetagQuery {
        model,
        below: None,
        after: 0,
        limit,
    };
    measure("the first 1,000 photos to tag anew", path, |reader| {
        let rows = reader.images_to_retag(&page(new.id(), 1_000));
        rows.expect("an answer").len() as u64
    });
    measure("photos to tag anew, where there are none", path, |reader| {
        let rows = reader.images_to_retag(&page(old.id(), 1_000));
        rows.expect("an answer").len() as u64
    });
    measure("labels of two models compared", path, |reader| {
        let changes = reader.tag_changes(old.id(), new.id()).expect("an answer");
        changes.iter().map(|change| change.count).sum()
    });
    let (start, mut changed, mut longest_ms, mut after) = (Instant::now(), 0, 0.0f64, Some(0));
    while let Some(here) = after {
        let step = Instant::now();
        let portion = Portion {
            after: here,
            limit: 1_000,
        };
        let walked = store
            .take_known_outcomes(old.id(), portion)
            .expect("the step is taken");
        longest_ms = longest_ms.max(step.elapsed().as_secs_f64() * 1e3);
        changed += walked.changed;
        after = walked.next;
    }
    println!(
        "rolled back in steps of 1,000: {:8.0} rows/s, longest step {longest_ms:.0} ms",
        changed as f64 / start.elapsed().as_secs_f64()
    );
}

/// Lets all stored answers follow stricter thresholds.
fn decide_anew(store: &mut Store) {
    store
        .set_thresholds(&accepting_from(0.9))
        .expect("the thresholds are set");
    let (start, mut changed, mut steps, mut longest_ms) = (Instant::now(), 0, 0, 0.0f64);
    loop {
        let step = Instant::now();
        let decided = store.decide_anew(1_000).expect("the step is taken");
        longest_ms = longest_ms.max(step.elapsed().as_secs_f64() * 1e3);
        changed += decided.changed;
        steps += 1;
        if decided.is_done {
            break;
        }
    }
    println!(
        "decided anew in steps of 1,000: {steps} steps, {changed} answers changed, {:.1} s, longest step {longest_ms:.0} ms",
        start.elapsed().as_secs_f64()
    );
}

/// Thresholds of the first model; what looks like none of the classes is one in fifty.
fn accepting_from(trust: f32) -> NewThresholds {
    let threshold = Confidence::new(trust).expect("a confidence");
    NewThresholds {
        model: model("0").id().clone(),
        thresholds: Thresholds {
            accept: [Some(threshold); LABEL_COUNT],
            basis: Basis::Set,
            ..Thresholds::unfounded()
        },
        by: "bench".into(),
        at: Timestamp::from_millis(START_MS),
    }
}

/// Corrects photos all over the inventory, each a change of its own content.
fn correct(store: &mut Store, files: usize) {
    let corrections: Vec<NewCorrection> = (0..files.min(10_000))
        .map(|number| NewCorrection {
            hash: content_hash(number * 7919 % files),
            truth: Label::from_index(number % 10).into(),
            by: "bench".into(),
            at: Timestamp::from_millis(START_MS),
        })
        .collect();
    let start = Instant::now();
    let changed = store.correct(&corrections).expect("the corrections are written");
    println!(
        "correct, one transaction: {:8.0} contents/s",
        changed as f64 / start.elapsed().as_secs_f64()
    );
}

fn back_up(path: &Path) {
    let reader = Reader::open(path).expect("the store opens");
    let start = Instant::now();
    reader
        .backup_blocking(&path.with_extension("copy"), |_| ())
        .expect("the copy is made");
    println!("backup, checked: {:.1} s", start.elapsed().as_secs_f64());
}

fn ask_everything(path: &Path, files: usize) {
    println!(
        "{:58} {:>9} {:>9} {:>9}",
        "question", "answers", "best ms", "median"
    );
    let dress = "dress".parse::<Label>().expect("a label");
    let confidence = |value| Some(Confidence::new(value).expect("a confidence"));
    let ms = |share: f64| Some(Timestamp::from_millis(START_MS + (files as f64 * share) as i64));
    let rejected = vec![Status::Rejected];
    let any = FileQuery::default;
    let questions: Vec<(&str, FileQuery)> = vec![
        ("everything", any()),
        (
            "--tag dress",
            FileQuery {
                labels: vec![dress],
                ..any()
            },
        ),
        (
            "--tag dress --sort confidence",
            FileQuery {
                labels: vec![dress],
                sort: Sort::Confidence,
                ..any()
            },
        ),
        (
            "--tag dress --sort path",
            FileQuery {
                labels: vec![dress],
                sort: Sort::Path,
                ..any()
            },
        ),
        (
            "--max-confidence 0.5",
            FileQuery {
                max_confidence: confidence(0.5),
                ..any()
            },
        ),
        (
            "--min-confidence 0.999",
            FileQuery {
                min_confidence: confidence(0.999),
                ..any()
            },
        ),
        (
            "--max-confidence 0.5 --sort time-desc",
            FileQuery {
                max_confidence: confidence(0.5),
                sort: Sort::TaggedAtDescending,
                ..any()
            },
        ),
        (
            "--tag dress --max-confidence 0.6",
            FileQuery {
                labels: vec![dress],
                max_confidence: confidence(0.6),
                ..any()
            },
        ),
        (
            "--status rejected",
            FileQuery {
                statuses: rejected.clone(),
                ..any()
            },
        ),
        (
            "--status rejected --sort path",
            FileQuery {
                statuses: rejected,
                sort: Sort::Path,
                ..any()
            },
        ),
        (
            "--status tagged",
            FileQuery {
                statuses: Status::TAGGED.to_vec(),
                ..any()
            },
        ),
        (
            "--status accepted",
            FileQuery {
                statuses: vec![Status::Accepted],
                ..any()
            },
        ),
        (
            "--status accepted --sort confidence",
            FileQuery {
                statuses: vec![Status::Accepted],
                sort: Sort::Confidence,
                ..any()
            },
        ),
        (
            "--status review",
            FileQuery {
                statuses: vec![Status::Review],
                ..any()
            },
        ),
        (
            "--status review --status unknown --sort confidence",
            FileQuery {
                statuses: vec![Status::Review, Status::Unknown],
                sort: Sort::Confidence,
                ..any()
            },
        ),
        (
            "--status unknown --sort confidence",
            FileQuery {
                statuses: vec![Status::Unknown],
                sort: Sort::Confidence,
                ..any()
            },
        ),
        (
            "--status review --tag dress",
            FileQuery {
                statuses: vec![Status::Review],
                labels: vec![dress],
                ..any()
            },
        ),
        (
            "--status unknown --tag dress",
            FileQuery {
                statuses: vec![Status::Unknown],
                labels: vec![dress],
                ..any()
            },
        ),
        (
            "--status unknown --path '/shop/season-3/*'",
            FileQuery {
                statuses: vec![Status::Unknown],
                path_glob: Some("/shop/season-3/*".into()),
                ..any()
            },
        ),
        (
            "--since (last tenth)",
            FileQuery {
                since: ms(0.9),
                ..any()
            },
        ),
        (
            "--since (last tenth) --sort time",
            FileQuery {
                since: ms(0.9),
                sort: Sort::TaggedAt,
                ..any()
            },
        ),
        (
            "--since (last tenth) --tag dress",
            FileQuery {
                since: ms(0.9),
                labels: vec![dress],
                ..any()
            },
        ),
        (
            "--path '/shop/season-3/*'",
            FileQuery {
                path_glob: Some("/shop/season-3/*".into()),
                ..any()
            },
        ),
        (
            "--path '/shop/season-3/*' --sort time-desc",
            FileQuery {
                path_glob: Some("/shop/season-3/*".into()),
                sort: Sort::TaggedAtDescending,
                ..any()
            },
        ),
        (
            "--path '/shop/season-3/*' --tag dress",
            FileQuery {
                path_glob: Some("/shop/season-3/*".into()),
                labels: vec![dress],
                ..any()
            },
        ),
        (
            "--path '*77.jpg' (any glob)",
            FileQuery {
                path_glob: Some("*77.jpg".into()),
                ..any()
            },
        ),
        (
            "--path 'photo-9999999.jpg' (finds nothing)",
            FileQuery {
                path_glob: Some("photo-9999999.jpg".into()),
                ..any()
            },
        ),
        (
            "--path '*77.jpg' --tag dress",
            FileQuery {
                path_glob: Some("*77.jpg".into()),
                labels: vec![dress],
                ..any()
            },
        ),
        (
            "--presence present",
            FileQuery {
                presence: Presence::Present,
                ..any()
            },
        ),
        (
            "--presence absent",
            FileQuery {
                presence: Presence::Absent,
                ..any()
            },
        ),
        (
            "--model 00",
            FileQuery {
                model: Some("00".into()),
                ..any()
            },
        ),
        (
            "--tag dress --max-confidence 0.6 --path '*7.jpg' --presence present",
            FileQuery {
                labels: vec![dress],
                max_confidence: confidence(0.6),
                path_glob: Some("*7.jpg".into()),
                presence: Presence::Present,
                ..any()
            },
        ),
    ];
    for (name, query) in &questions {
        let limited = FileQuery {
            limit: Some(100),
            ..query.clone()
        };
        measure(&format!("{name} --limit 100"), path, |reader| {
            reader.files_matching(&limited).expect("an answer").len() as u64
        });
    }
    for (name, query) in &questions {
        measure(&format!("{name} --count"), path, |reader| {
            reader.count_files_matching(query).expect("an answer")
        });
    }
    measure("stats", path, |reader| {
        reader.stats().expect("an answer").files_present
    });
    measure("candidates for a look", path, |reader| {
        reader.review_candidates().expect("an answer").len() as u64
    });
    measure("draw 200 photos at random", path, |reader| {
        let drawn = reader.draw_contents(1, 200);
        drawn.expect("an answer").contents.len() as u64
    });
    measure("explain one file", path, |reader| {
        u64::from(
            reader
                .file_history(&file_path(files / 2))
                .expect("an answer")
                .is_some(),
        )
    });
    pipeline_questions(path, files);
}

/// The questions that are asked for every file, over a connection that stays open.
fn pipeline_questions(path: &Path, files: usize) {
    let reader = Reader::open(path).expect("the store opens");
    let model = model("0");
    let asked = files.min(100_000);
    let start = Instant::now();
    let known = (0..asked).filter(|number| {
        reader
            .known_file(&file_path(number * 7919 % files))
            .expect("an answer")
            .is_some()
    });
    let known = known.count();
    println!(
        "known_file: {:.1} us each ({known} known)",
        start.elapsed().as_secs_f64() * 1e6 / asked as f64
    );
    let start = Instant::now();
    let known = (0..asked).filter(|number| {
        reader
            .is_answered(&content_hash(number * 7919 % files), model.id())
            .expect("an answer")
    });
    let known = known.count();
    println!(
        "is_answered: {:.1} us each ({known} known)",
        start.elapsed().as_secs_f64() * 1e6 / asked as f64
    );
    let start = Instant::now();
    let folder = InventoryPath::from_stored("/shop".into());
    let (mut after, mut seen) = (None, 0);
    loop {
        let page = reader
            .present_files_under(&folder, after.as_ref(), 1_000)
            .expect("an answer");
        seen += page.len();
        match page.into_iter().last() {
            Some(last) => after = Some(last),
            None => break,
        }
    }
    println!(
        "present_files_under: {seen} files in {:.0} ms",
        start.elapsed().as_secs_f64() * 1e3
    );
}

/// Best and median of several askings, opening the database included.
fn measure(name: &str, path: &Path, ask: impl Fn(&Reader) -> u64) {
    let mut answers = 0;
    let mut times_ms: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            let reader = Reader::open_with(path, access()).expect("the store opens");
            answers = ask(&reader);
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times_ms.sort_by(f64::total_cmp);
    println!(
        "{name:58} {answers:9} {:9.2} {:9.2}",
        times_ms[0],
        times_ms[ROUNDS / 2]
    );
}

fn access() -> PageAccess {
    match std::env::var("HANGTAG_BENCH_PAGES").as_deref() {
        Ok("copied") => PageAccess::Copied,
        _ => PageAccess::Mapped,
    }
}

fn model(digit: &str) -> NewModel {
    NewModel::new(
        &digit.repeat(64),
        PreprocessingVersion(1),
        Timestamp::from_millis(START_MS),
    )
    .expect("a model")
}

fn file_path(number: usize) -> InventoryPath {
    // Folders fill up one after the other, as a shop's do.
    let folder = number / 2_500 % FOLDERS;
    InventoryPath::from_stored(format!(
        "/shop/season-{}/delivery-{folder:04}/photo-{number:07}.jpg",
        folder / 40
    ))
}

fn content_hash(number: usize) -> ContentHash {
    ContentHash::of(&number.to_le_bytes())
}

/// One made-up file: one in a hundred is rejected, confidences crowd near 1, labels come in folders.
fn change(number: usize, model_digit: &str) -> Change {
    let bits = mixed(number as u64);
    let file = FileSighting {
        path: file_path(number),
        stamp: FileStamp {
            size: 20_000 + bits % 100_000,
            mtime_ns: bits.cast_signed(),
            inode: number as u64,
        },
    };
    let content = ContentFacts {
        hash: content_hash(number),
        bytes: file.stamp.size,
        format: Some(ImageFormat::Jpeg),
        size_px: Some((400, 533)),
    };
    let at = Timestamp::from_millis(START_MS + number as i64);
    let model = model(model_digit).id().clone();
    let preprocessing = PreprocessingVersion(1);
    if bits.is_multiple_of(100) {
        let rejection = Rejection {
            reason: RejectionReason::Corrupt,
            detail: "bad huffman code".into(),
        };
        let rejection = RejectionRecord {
            rejection,
            model,
            preprocessing,
            at,
        };
        return Change::Rejected {
            file,
            content,
            rejection,
        };
    }
    let unit = |shift: u32| ((bits >> shift) & 0xffff) as f32 / 65_536.0;
    let top = 1.0 - 0.75 * unit(8) * unit(24) * unit(24);
    let mut scores = [(1.0 - top) / 9.0; LABEL_COUNT];
    let of_folder = number / 2_500 % LABEL_COUNT;
    let label = if unit(40) < 0.7 {
        of_folder
    } else {
        (bits >> 50) as usize % LABEL_COUNT
    };
    scores[label] = top;
    let scores = Scores::new(scores).expect("probabilities");
    Change::Tagged {
        file,
        content,
        tag: TagRecord {
            prediction: Prediction {
                scores,
                unknown: Confidence::new(if unit(12) < 0.02 { 0.9 } else { 0.1 * unit(12) }).ok(),
            },
            model,
            device: Device::Cpu,
            preprocessing,
            tagged_at: at,
        },
    }
}

/// SplitMix64: a number that looks random, the same one every time.
fn mixed(number: u64) -> u64 {
    let mut bits = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}
