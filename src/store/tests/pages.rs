//! Pages, counts, another attempt, and news for somebody else.

use super::*;

/// Twelve files with ties in time and confidence, two of them rejected, one corrected, one gone.
fn fixture() -> Fixture {
    let mut fixture = Fixture::new();
    for number in 0..12 {
        let name = format!("{:02}.jpg", (number * 7) % 12);
        let mut change = tagged(&name, &name, "a", number % 3);
        if let Change::Tagged { tag, .. } = &mut change {
            tag.prediction = scores(number % 3, [0.4, 0.4, 0.7, 0.9][number % 4]).into();
            tag.tagged_at = at([100, 100, 200][number % 3]);
        }
        fixture.apply(change);
    }
    fixture.apply(rejected("bad.jpg", "bad", "a"));
    fixture.apply(rejected("worse.jpg", "worse", "a"));
    fixture.store.correct(&[correction("07.jpg", Some(5))]).unwrap();
    fixture.apply(absent("05.jpg"));
    fixture
}

fn query(sort: Sort, limit: u32) -> FileQuery {
    FileQuery {
        presence: Presence::Present,
        sort,
        limit: Some(limit),
        ..FileQuery::default()
    }
}

#[test]
fn pages_join_to_the_whole_list_in_every_order() {
    let fixture = fixture();
    let reader = fixture.reader();
    for sort in [
        Sort::TaggedAt,
        Sort::TaggedAtDescending,
        Sort::Confidence,
        Sort::ConfidenceDescending,
        Sort::Path,
        Sort::Natural,
    ] {
        let is_by_confidence = matches!(sort, Sort::Confidence | Sort::ConfidenceDescending);
        let mut whole = reader.files_matching(&query(sort, 100)).unwrap();
        whole.retain(|file| !is_by_confidence || file.confidence.is_some());
        for limit in [1, 2, 5, 13, 14, 50] {
            let (mut joined, mut after, mut pages) = (Vec::new(), None, 0);
            loop {
                let page = reader.page_of_files(&query(sort, limit), after.as_ref()).unwrap();
                assert!(page.files.len() <= limit as usize);
                joined.extend(page.files.into_iter().map(|row| row.file));
                pages += 1;
                // As text and back, as programs hand it on.
                after = page.next.map(|next| next.to_string().parse::<Cursor>().unwrap());
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(joined, whole, "{sort:?} by {limit}");
            assert_eq!(pages, whole.len().div_ceil(limit as usize), "{sort:?} by {limit}");
        }
    }
}

#[test]
fn what_comes_meanwhile_shifts_nothing() {
    let mut fixture = fixture();
    let asked = query(Sort::TaggedAtDescending, 4);
    let first = fixture.reader().page_of_files(&asked, None).unwrap();
    let before = fixture
        .reader()
        .page_of_files(&asked, first.next.as_ref())
        .unwrap();
    for number in 0..9 {
        let name = format!("new-{number}.jpg");
        let mut change = tagged(&name, &name, "a", 1);
        if let Change::Tagged { tag, .. } = &mut change {
            tag.tagged_at = at(9_000);
        }
        fixture.apply(change);
    }
    let after = fixture
        .reader()
        .page_of_files(&asked, first.next.as_ref())
        .unwrap();
    assert_eq!(after, before);
}

#[test]
fn a_cursor_is_its_text_or_refused() {
    for text in [
        "t.100.1.7",
        "c.4599075939470750515.3.1.9",
        "p./shop/a.b c.jpg",
        "p./shop/\u{FFFD}FF.jpg",
        "r.100.7",
    ] {
        assert_eq!(text.parse::<Cursor>().unwrap().to_string(), text);
    }
    for text in ["", "t", "t.1.2", "t.x.1.2", "x.1.2.3", "c.-1.2.3.4", "r.1"] {
        assert!(text.parse::<Cursor>().is_err(), "{text}");
    }
}

/// Each figure against the number of files that the filter with it would leave.
#[test]
fn counts_are_what_the_filters_would_leave() {
    let fixture = fixture();
    let reader = fixture.reader();
    let filters = [
        FileQuery::default(),
        FileQuery {
            presence: Presence::Present,
            ..FileQuery::default()
        },
        FileQuery {
            labels: vec![Label::from_index(1).unwrap(), Label::from_index(5).unwrap()],
            ..query(Sort::Natural, 3)
        },
        FileQuery {
            statuses: vec![Status::Rejected],
            path_glob: Some("*bad*".into()),
            ..FileQuery::default()
        },
        FileQuery {
            max_confidence: Some(Confidence::new(0.5).unwrap()),
            statuses: vec![Status::Accepted, Status::Review],
            ..FileQuery::default()
        },
        FileQuery {
            model: Some("none begins so".into()),
            ..FileQuery::default()
        },
    ];
    for filter in filters {
        let counts = reader.facet_counts(&filter).unwrap();
        let count = |change: &dyn Fn(&mut FileQuery)| {
            let mut asked = filter.clone();
            change(&mut asked);
            reader.count_files_matching(&asked).unwrap()
        };
        assert_eq!(counts.total, count(&|_| {}), "{filter:?}");
        for label in Label::all() {
            let expected = count(&|asked| asked.labels = vec![label]);
            assert_eq!(counts.by_label[label.index()], expected, "{label} of {filter:?}");
        }
        for (status, found) in Status::ALL.into_iter().zip(counts.by_status) {
            let expected = count(&|asked| asked.statuses = vec![status]);
            assert_eq!(found, expected, "{status} of {filter:?}");
        }
    }
}

#[test]
fn a_rejection_can_be_forgotten_and_nothing_else() {
    let mut fixture = fixture();
    fixture.apply(known("copy of bad.jpg", "bad", "a"));
    fixture.apply(unread("locked.jpg", RejectionReason::Unreadable));
    let id = |fixture: &Fixture, name: &str| {
        let sql = format!("SELECT id FROM files WHERE path = '/shop/{name}'");
        fixture.number(&sql)
    };
    let (bad, locked, good) = (
        id(&fixture, "bad.jpg"),
        id(&fixture, "locked.jpg"),
        id(&fixture, "01.jpg"),
    );
    fixture.apply(known("elsewhere.jpg", "bad", "a"));
    fixture.apply(known("gone.jpg", "bad", "a"));
    fixture.apply(absent("gone.jpg"));
    let is_swept = |path: &Path| !path.ends_with("elsewhere.jpg");
    let (elsewhere, gone) = (id(&fixture, "elsewhere.jpg"), id(&fixture, "gone.jpg"));
    let before = fixture.dump();
    let forget = |fixture: &mut Fixture, id| fixture.store.forget_rejection(id, &is_swept).unwrap();
    assert_eq!(forget(&mut fixture, good), Forgotten::NotRejected);
    assert_eq!(forget(&mut fixture, 99_999), Forgotten::NotRejected);
    assert_eq!(
        forget(&mut fixture, elsewhere),
        Forgotten::OutOfReach("/shop/elsewhere.jpg".into())
    );
    assert_eq!(
        forget(&mut fixture, gone),
        Forgotten::OutOfReach("/shop/gone.jpg".into())
    );
    assert_eq!(
        fixture.dump(),
        before,
        "neither a tag nor what nobody would find again is forgotten"
    );
    assert_eq!(
        forget(&mut fixture, bad),
        Forgotten::Again(vec!["/shop/bad.jpg".into(), "/shop/copy of bad.jpg".into()])
    );
    for name in ["bad.jpg", "copy of bad.jpg", "elsewhere.jpg", "gone.jpg"] {
        let left = fixture.file(name).unwrap();
        assert_eq!(
            (left.status, left.content_hash),
            (Status::Rejected, None),
            "{name}"
        );
    }
    let stamp = |name| fixture.reader().known_file(&path(name)).unwrap().unwrap().stamp;
    for name in ["bad.jpg", "copy of bad.jpg", "elsewhere.jpg"] {
        assert_eq!(stamp(name), None, "whoever meets {name} reads it");
    }
    assert!(stamp("gone.jpg").is_some());
    assert_eq!(
        forget(&mut fixture, locked),
        Forgotten::Again(vec!["/shop/locked.jpg".into()])
    );
    assert_eq!(
        fixture.number("SELECT count(*) FROM outcomes WHERE reason IS NOT NULL"),
        1
    );
    assert_eq!(fixture.findings(), Vec::<String>::new());
    fixture.apply(tagged("bad.jpg", "bad", "a", 4));
    assert_eq!(fixture.file("bad.jpg").unwrap().status, Status::Review);
}

#[test]
fn news_is_collected_while_somebody_wants_it() {
    let mut fixture = Fixture::new();
    fixture.apply(tagged("before.jpg", "before", "a", 1));
    assert_eq!(fixture.reader().next_news(10).unwrap(), None);
    fixture.store.collect_news_for(Some("http://x")).unwrap();
    for number in 0..5 {
        let name = format!("{number}.jpg");
        fixture.apply(tagged(&name, &name, "a", number));
        fixture.apply(tagged(&name, &name, "a", number)); // the same again is no news
    }
    fixture.apply(rejected("bad.jpg", "bad", "a"));
    fixture.apply(tagged("0.jpg", "0.jpg", "b", 7));
    let labels = |news: &Option<TagNews>| -> Vec<usize> {
        news.iter()
            .flat_map(|news| &news.tags)
            .map(|tag| tag.label.index())
            .collect()
    };
    let first = fixture.reader().next_news(4).unwrap();
    assert_eq!(labels(&first), [0, 1, 2, 3]);
    assert_eq!(first.as_ref().unwrap().tags[0].paths, [path("0.jpg")]);
    fixture.store.news_failed("away", at(9_000)).unwrap();
    fixture.store.news_failed("away", at(9_500)).unwrap();
    let outbox = fixture.reader().outbox().unwrap().unwrap();
    assert_eq!((outbox.failures, outbox.next_attempt), (2, at(9_500)));
    assert_eq!(
        fixture.reader().next_news(4).unwrap(),
        first,
        "nothing is forgotten"
    );
    fixture.store.news_arrived(first.unwrap().delivery).unwrap();
    assert_eq!(fixture.reader().outbox().unwrap().unwrap().failures, 0);
    let second = fixture.reader().next_news(4).unwrap();
    assert_eq!(labels(&second), [4, 7]);
    fixture.store.collect_news_for(None).unwrap();
    assert_eq!(
        (
            fixture.reader().outbox().unwrap(),
            fixture.reader().next_news(4).unwrap()
        ),
        (None, None)
    );
}

/// More tags came while an answer was missing, and the batch came again with them and another number.
#[test]
fn a_batch_whose_answer_is_missing_comes_again_as_it_was() {
    let mut fixture = Fixture::new();
    fixture.store.collect_news_for(Some("http://x")).unwrap();
    let come = |fixture: &mut Fixture, numbers: std::ops::Range<usize>| {
        for number in numbers {
            let name = format!("{number}.jpg");
            fixture.apply(tagged(&name, &name, "a", number));
        }
    };
    come(&mut fixture, 0..2);
    let first = fixture.reader().next_news(4).unwrap().unwrap();
    fixture.store.news_attempted(first.delivery).unwrap();
    come(&mut fixture, 2..8);
    assert_eq!(fixture.reader().next_news(4).unwrap().as_ref(), Some(&first));
    // The oldest behind it give way, it does not.
    assert_eq!(fixture.store.give_up_news_beyond(3).unwrap(), 3);
    assert_eq!(fixture.store.give_up_news_beyond(3).unwrap(), 0);
    assert_eq!(fixture.reader().next_news(4).unwrap().as_ref(), Some(&first));
    fixture.store.news_arrived(first.delivery).unwrap();
    let second = fixture.reader().next_news(4).unwrap().unwrap();
    assert!(second.delivery > first.delivery);
    assert_eq!(second.tags.len(), 3);
    // One of which nothing is left holds up nobody.
    fixture.store.news_attempted(second.delivery).unwrap();
    fixture
        .store
        .connection
        .execute("DELETE FROM webhook_outbox", [])
        .unwrap();
    let empty = fixture.reader().next_news(4).unwrap().unwrap();
    assert_eq!((empty.delivery, empty.tags), (second.delivery, Vec::new()));
    fixture.store.news_arrived(empty.delivery).unwrap();
    assert_eq!(fixture.reader().next_news(4).unwrap(), None);
}

#[test]
fn another_connections_commit_is_noticed() {
    let mut fixture = Fixture::new();
    let reader = fixture.reader();
    let before = reader.data_version().unwrap();
    assert_eq!(reader.data_version().unwrap(), before);
    fixture.apply(tagged("a.jpg", "a", "a", 1));
    assert_ne!(reader.data_version().unwrap(), before);
}
