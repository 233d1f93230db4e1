//! Every filter and order against a naive one in memory.

use proptest::prelude::*;

use super::*;

/// Names that are hard on SQL, globs and terminals.
const NAMES: [&str; 12] = [
    "summer/dress.jpg",
    "summer/shoe.jpg",
    "summer2/dress.jpg",
    "winter/a/dress.jpg",
    "it's \"quoted\".jpg",
    "new\nline.jpg",
    "star*.jpg",
    "[brackets].jpg",
    "what?.jpg",
    "percent%_under.jpg",
    "\u{FFFD}FF.jpg",
    "Übergröße \u{10FFFF}.jpg",
];

const GLOBS: [&str; 16] = [
    "*",
    "/shop/*",
    "/shop/summer/*",
    "/shop/summer*",
    "dress.jpg",
    "summer/*.jpg",
    "*dress*",
    "/shop/star[*].jpg",
    "[[]brackets].jpg",
    "what[?].jpg",
    "?????.jpg",
    "/shop/*/dress.jpg",
    "/shop/it's \"quoted\".jpg",
    "*[^a-z].jpg",
    "/shop/\u{FFFD}*",
    "*\u{10FFFF}.jpg",
];

/// Parts of paths, and what is none.
const PARTS: [&str; 10] = [
    "Dress",
    "summer/",
    "%",
    "_",
    "\\",
    "TOY",
    "übergröße",
    "ÜBERGRÖ",
    "ü*",
    "'",
];

fn change_of(name: &'static str, label: Option<usize>, confidence: u8, ms: i64, digit: &str) -> Change {
    match label {
        Some(label) => {
            let mut change = tagged(name, name, digit, label);
            if let Change::Tagged { tag, .. } = &mut change {
                tag.prediction = scores(label, f32::from(confidence) / 10.0).into();
                // Every third one looks like none of the classes.
                tag.prediction.unknown = Confidence::new(if ms % 3 == 0 { 0.9 } else { 0.0 }).ok();
                tag.tagged_at = at(ms);
            }
            change
        }
        None => {
            let mut change = rejected(name, name, digit);
            if let Change::Rejected { rejection, .. } = &mut change {
                rejection.at = at(ms);
            }
            change
        }
    }
}

prop_compose! {
    fn any_file(name: &'static str)(
        label in prop::option::weighted(0.8, 0..3usize),
        confidence in 5..=10u8,
        ms in 0..6i64,
        digit in prop::sample::select(vec!["a", "b"]),
        is_gone in prop::bool::weighted(0.2),
        word in prop::option::weighted(0.3, (prop::option::weighted(0.8, 0..3usize), 0..6i64)),
    ) -> (Vec<Change>, Option<NewCorrection>) {
        let mut changes = vec![change_of(name, label, confidence, ms, digit)];
        if is_gone {
            changes.push(absent(name));
        }
        let word = word.map(|(label, ms)| NewCorrection { at: at(ms), ..correction(name, label) });
        (changes, word)
    }
}

fn any_shop() -> impl Strategy<Value = (Vec<Change>, Vec<NewCorrection>)> {
    let files: Vec<_> = NAMES
        .into_iter()
        .map(|name| prop::option::weighted(0.8, any_file(name)))
        .collect();
    files.prop_map(|files| {
        let (changes, words): (Vec<_>, Vec<_>) = files.into_iter().flatten().unzip();
        (
            changes.into_iter().flatten().collect(),
            words.into_iter().flatten().collect(),
        )
    })
}

fn any_query() -> impl Strategy<Value = FileQuery> {
    let confidence = || prop::option::weighted(0.3, (4..=11u8).prop_map(|n| f32::from(n.min(10)) / 10.0));
    let moment = || prop::option::weighted(0.3, 0..6i64);
    let sorts = vec![
        Sort::Natural,
        Sort::Path,
        Sort::Confidence,
        Sort::ConfidenceDescending,
        Sort::TaggedAt,
        Sort::TaggedAtDescending,
    ];
    let presences = vec![Presence::Any, Presence::Any, Presence::Present, Presence::Absent];
    (
        (
            prop::collection::vec((0..4usize).prop_map(|n| Label::from_index(n).unwrap()), 0..3),
            prop::collection::vec(prop::sample::select(Status::ALL.to_vec()), 0..5),
            confidence(),
            confidence(),
        ),
        (moment(), moment()),
        (
            prop::option::weighted(0.4, prop::sample::select(GLOBS.to_vec())),
            prop::option::weighted(0.2, prop::sample::select(PARTS.to_vec())),
            prop::option::weighted(
                0.3,
                prop::sample::select(vec!["a", "aaaaaaaaaaaaaaaa", "b", "ab", ""]),
            ),
            prop::sample::select(presences),
            prop::sample::select(sorts),
            prop::option::weighted(0.5, 0..5u32),
        ),
    )
        .prop_map(
            |((labels, statuses, min, max), (since, until), (glob, part, model, presence, sort, limit))| {
                FileQuery {
                    labels,
                    statuses,
                    min_confidence: min.map(|value| Confidence::new(value).unwrap()),
                    max_confidence: max.map(|value| Confidence::new(value).unwrap()),
                    since: since.map(at),
                    until: until.map(at),
                    path_glob: glob.map(String::from),
                    path_part: part.map(String::from),
                    model: model.map(String::from),
                    presence,
                    sort,
                    limit,
                }
            },
        )
}

/// Whether a part stands in a path; case matters only of letters of which the other one is more than a letter.
fn has_part(path: &str, part: &str) -> bool {
    let folded = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<String>();
    folded(path).contains(&folded(part))
}

#[test]
fn a_part_of_a_path_is_found_in_capitals_or_not_and_is_no_pattern() {
    let mut fixture = Fixture::new();
    for name in NAMES {
        fixture.apply(tagged(name, name, "a", 1));
    }
    for (part, expected) in [
        ("DRESS", 3),
        ("%", 1),
        ("t%_u", 1),
        ("t__u", 0),
        ("übergröße", 1),
        ("ÜBERGRÖ", 1),
        ("ü*", 0),
        ("Summer2", 1),
    ] {
        let query = FileQuery {
            path_part: Some(part.into()),
            ..FileQuery::default()
        };
        assert_eq!(
            fixture.reader().count_files_matching(&query).unwrap(),
            expected,
            "{part}"
        );
    }
}

/// The filter as the documentation of `FileQuery` words it.
fn matches(query: &FileQuery, file: &FileRow) -> bool {
    let model = file.model.as_ref().map_or("", |model| model.as_str());
    (query.labels.is_empty() || file.label.is_some_and(|label| query.labels.contains(&label)))
        && (query.statuses.is_empty() || query.statuses.contains(&file.status))
        && query
            .min_confidence
            .is_none_or(|least| file.confidence.is_some_and(|c| c >= least))
        && query
            .max_confidence
            .is_none_or(|most| file.confidence.is_some_and(|c| c <= most))
        && query.since.is_none_or(|since| file.tagged_at >= since)
        && query.until.is_none_or(|until| file.tagged_at < until)
        && query
            .model
            .as_ref()
            .is_none_or(|start| model.starts_with(start.as_str()))
        && query
            .path_glob
            .as_ref()
            .is_none_or(|glob| path_matches(glob, file.path.as_str()))
        && query
            .path_part
            .as_ref()
            .is_none_or(|part| has_part(file.path.as_str(), part))
        && match query.presence {
            Presence::Any => true,
            Presence::Present => file.present,
            Presence::Absent => !file.present,
        }
}

fn path_matches(pattern: &str, path: &str) -> bool {
    let whole = glob_matches(
        &pattern.chars().collect::<Vec<_>>(),
        &path.chars().collect::<Vec<_>>(),
    );
    let tails = path.match_indices('/').map(|(at, _)| &path[at + 1..]);
    let relative = !pattern.starts_with(['/', '*']);
    match relative {
        false => whole,
        true => {
            let pattern: Vec<char> = pattern.chars().collect();
            tails
                .map(|tail| tail.chars().collect::<Vec<_>>())
                .any(|tail| glob_matches(&pattern, &tail))
        }
    }
}

fn glob_matches(pattern: &[char], text: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['*', rest @ ..] => (0..=text.len()).any(|skipped| glob_matches(rest, &text[skipped..])),
        ['?', rest @ ..] => !text.is_empty() && glob_matches(rest, &text[1..]),
        ['[', set @ ..] => {
            let (negated, set) = match set {
                ['^', set @ ..] => (true, set),
                set => (false, set),
            };
            let end = 1 + set.iter().skip(1).position(|c| *c == ']').unwrap();
            let Some(first) = text.first() else { return false };
            let ranges = set[..end]
                .windows(3)
                .any(|w| w[1] == '-' && (w[0]..=w[2]).contains(first));
            let found = ranges || set[..end].contains(first);
            found != negated && glob_matches(&set[end + 1..], &text[1..])
        }
        [literal, rest @ ..] => text.first() == Some(literal) && glob_matches(rest, &text[1..]),
    }
}

/// What the order promises; equal neighbours may stand either way.
fn is_in_order(sort: Sort, files: &[FileRow]) -> bool {
    let sureness = |file: &FileRow| {
        // What has none comes last either way.
        let none = if sort == Sort::Confidence { 2.0 } else { -1.0 };
        file.confidence.map_or(none, Confidence::get)
    };
    files.windows(2).all(|pair| match sort {
        Sort::Path => pair[0].path < pair[1].path,
        Sort::Confidence => sureness(&pair[0]) <= sureness(&pair[1]),
        Sort::ConfidenceDescending => sureness(&pair[0]) >= sureness(&pair[1]),
        Sort::TaggedAt => pair[0].tagged_at <= pair[1].tagged_at,
        Sort::TaggedAtDescending => pair[0].tagged_at >= pair[1].tagged_at,
        Sort::Natural => unreachable!("resolved before"),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_filter_equals_a_naive_one(
        shop in any_shop(),
        queries in prop::collection::vec(any_query(), 20),
    ) {
        let mut fixture = Fixture::new();
        for digit in ["a", "b"] {
            fixture.store.set_thresholds(&accepting_from(digit, 0.8)).unwrap();
        }
        fixture.store.apply(&shop.0).unwrap();
        fixture.store.correct(&shop.1).unwrap();
        let reader = fixture.reader();
        let all = reader.files_matching(&FileQuery::default()).unwrap();
        for query in queries {
            let mut expected: Vec<_> = all.iter().filter(|file| matches(&query, file)).cloned().collect();
            prop_assert_eq!(reader.count_files_matching(&query).unwrap(), expected.len() as u64, "{:?}", query);
            let unlimited = FileQuery { limit: None, ..query.clone() };
            let mut found = reader.files_matching(&unlimited).unwrap();
            prop_assert!(is_in_order(query.natural_sort(), &found), "{:?}", query);
            let limited = reader.files_matching(&query).unwrap();
            let wanted = query.limit.map_or(found.len(), |limit| found.len().min(limit as usize));
            prop_assert_eq!(&limited, &found[..wanted], "{:?}", query);
            found.sort_by(|a, b| a.path.cmp(&b.path));
            expected.sort_by(|a, b| a.path.cmp(&b.path));
            prop_assert_eq!(found, expected, "{:?}", query);
        }
    }
}

#[test]
fn hostile_names_come_back_byte_for_byte() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let mut fixture = Fixture::new();
    let names: [&[u8]; 5] = [
        b"/shop/\xff\xfe.jpg",
        b"/shop/a\nb.jpg",
        b"/shop/'; DROP TABLE files; --",
        b"/shop/[*?].jpg",
        b"/shop/\"q\"",
    ];
    for name in names {
        let os_path = Path::new(OsStr::from_bytes(name));
        let stored = InventoryPath::of(os_path);
        let Change::Tagged {
            mut file,
            content,
            tag,
        } = tagged("x", "x", "a", 1)
        else {
            unreachable!()
        };
        file.path = stored.clone();
        fixture.apply(Change::Tagged { file, content, tag });
        let row = fixture.reader().file_history(&stored).unwrap().unwrap().file;
        assert_eq!(row.path.to_path(), os_path);
    }
    assert_eq!(
        fixture
            .reader()
            .count_files_matching(&FileQuery::default())
            .unwrap(),
        5
    );
}

/// The order that an index has is walked, not sorted: a limited list never looks at everything.
#[test]
fn lists_in_index_order_are_not_sorted() {
    let fixture = Fixture::new();
    for (clause, order) in [
        (
            "INDEXED BY files_by_time",
            "tagged_at_ms DESC, is_present DESC, id DESC",
        ),
        ("INDEXED BY files_by_time", "tagged_at_ms, is_present, id"),
        (
            "INDEXED BY files_by_confidence",
            "confidence, label_id, is_present, id",
        ),
        (
            "INDEXED BY files_by_confidence WHERE confidence <= 0.5",
            "confidence, label_id, is_present, id",
        ),
        (
            "INDEXED BY files_by_label WHERE label_id = 3",
            "tagged_at_ms DESC, is_present DESC, id DESC",
        ),
        (
            "INDEXED BY files_by_label WHERE label_id IS NULL",
            "tagged_at_ms DESC, is_present DESC, id DESC",
        ),
        (
            "INDEXED BY files_by_model WHERE model_id = 1",
            "tagged_at_ms DESC, is_present DESC, id DESC",
        ),
        (
            "INDEXED BY files_absent WHERE is_present = 0",
            "tagged_at_ms DESC, is_present DESC, id DESC",
        ),
        (
            "INDEXED BY files_rejected WHERE reason IS NOT NULL",
            "tagged_at_ms DESC, is_present DESC, id DESC",
        ),
        (
            "INDEXED BY files_rejected_by_path WHERE reason IS NOT NULL AND path >= '/a'",
            "path",
        ),
        (
            "INDEXED BY files_corrected WHERE corrected_at_ms IS NOT NULL",
            "tagged_at_ms, is_present, id",
        ),
        (
            "INDEXED BY files_by_path WHERE path >= '/a' AND path < '/b'",
            "path",
        ),
    ] {
        let sql = format!("EXPLAIN QUERY PLAN SELECT id FROM files {clause} ORDER BY {order} LIMIT 100");
        let mut statement = fixture.store.connection.prepare(&sql).unwrap();
        let lines: Vec<String> = statement
            .query_map([], |row| row.get(3))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        assert!(
            !lines.join("; ").contains("TEMP B-TREE"),
            "{clause} {order}: {lines:?}"
        );
    }
}

/// A walk from the newest photo on would look at the whole shop before it finds the oldest folder.
#[test]
fn a_list_does_not_look_at_everything_to_find_little() {
    use super::super::list::{ListQuestion, Way};
    use super::super::plan::Plan;
    let mut fixture = Fixture::new();
    let shop: Vec<_> = (0..20_000i64)
        .map(|number| {
            let folder = if number < 1_500 { "old" } else { "new" };
            let name = format!("{folder}/{number:05}.jpg");
            let mut change = tagged(&name, &name, "a", (number % 3) as usize);
            if let Change::Tagged { tag, .. } = &mut change {
                tag.tagged_at = at(number);
            }
            change
        })
        .collect();
    fixture.store.apply(&shop).unwrap();
    let reader = fixture.reader();
    let ways = |glob: &str, labels: Vec<Label>, sort: Sort| {
        let query = FileQuery {
            path_glob: Some(glob.into()),
            labels,
            sort,
            limit: Some(100),
            ..FileQuery::default()
        };
        let conditions = reader.conditions(&query).unwrap().unwrap();
        let question = ListQuestion {
            connection: &reader.connection,
            conditions: &conditions,
            sort,
            limit: query.limit,
        };
        let all = FileQuery {
            limit: None,
            ..query.clone()
        };
        let (few, all) = (
            reader.files_matching(&query).unwrap(),
            reader.files_matching(&all).unwrap(),
        );
        assert_eq!(few, all[..few.len()]);
        let most = FileQuery {
            limit: Some(u32::MAX),
            ..query.clone()
        };
        assert_eq!(reader.files_matching(&most).unwrap(), all);
        assert_eq!(few.len(), all.len().min(100));
        question.way().unwrap()
    };
    let newest = Sort::TaggedAtDescending;
    assert_eq!(ways("/shop/old/*", vec![], newest), Way::By(Plan::PathAndTime));
    assert_eq!(ways("*nothing*", vec![], newest), Way::By(Plan::PathAndTime));
    assert_eq!(
        ways("*nothing*", vec![], Sort::Confidence),
        Way::By(Plan::PathAndTime)
    );
    assert_eq!(ways("*/old/*", vec![], Sort::Path), Way::By(Plan::Path));
    assert!(matches!(ways("*7.jpg", vec![], newest), Way::Found(ids) if ids.len() == 100));
    let (trouser, pullover) = (Label::from_index(1).unwrap(), Label::from_index(2).unwrap());
    assert!(matches!(
        ways("/shop/new/*", vec![pullover], newest),
        Way::Found(_)
    ));
    assert_eq!(
        ways("/shop/old/*", vec![pullover], newest),
        Way::By(Plan::PathAndTime)
    );
    let parts = |statuses: &[Status], path_glob: Option<&str>, limit| {
        let query = FileQuery {
            labels: vec![trouser, pullover],
            statuses: statuses.to_vec(),
            path_glob: path_glob.map(String::from),
            sort: Sort::Confidence,
            ..FileQuery::default()
        };
        let question = ListQuestion {
            connection: &reader.connection,
            conditions: &reader.conditions(&query).unwrap().unwrap(),
            sort: query.sort,
            limit,
        };
        question.by_value().map(|parts| parts.len())
    };
    let two = [Status::Review, Status::Unknown];
    assert_eq!(
        parts(&two, None, Some(100)),
        Some(2),
        "an index has each of them in order"
    );
    assert_eq!(parts(&[Status::Review], None, Some(100)), None, "one walk does");
    assert_eq!(parts(&two, None, None), None, "all of them are sorted anyway");
    assert_eq!(parts(&two, None, Some(1_000)), None);
    assert_eq!(
        parts(&two, Some("*nothing*"), Some(100)),
        None,
        "one look at all paths"
    );
}

/// `query | head` went through a million files for the ten that somebody read.
#[test]
fn a_visit_ends_where_the_visitor_has_had_enough() {
    let mut fixture = Fixture::new();
    for name in ["1.jpg", "2.jpg", "3.jpg"] {
        fixture.apply(tagged(name, name, "a", 1));
    }
    let mut seen = 0;
    let visited = fixture
        .reader()
        .visit_files_matching(&FileQuery::default(), |file| {
            seen += 1;
            let enough = StoreError::Missing {
                path: file.path.to_path(),
            };
            if seen < 2 { Ok(()) } else { Err(enough) }
        });
    assert!(matches!(visited, Err(StoreError::Missing { .. })), "{visited:?}");
    assert_eq!(seen, 2);
}
