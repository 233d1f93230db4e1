//! What becomes of the row of a file that is found under another name.

use super::*;

#[test]
fn a_rename_keeps_the_row() {
    let mut fixture = Fixture::new();
    fixture.apply(tagged("old.jpg", "photo", "a", 1));
    fixture.apply(tagged("taken.jpg", "other", "a", 2));
    fixture.apply(moved("old.jpg", "taken.jpg", "photo", "a"));
    assert_eq!(fixture.file("old.jpg"), None);
    assert_eq!(label_of(&fixture, "taken.jpg"), Some(1));
    assert_eq!(
        fixture
            .reader()
            .count_files_matching(&FileQuery::default())
            .unwrap(),
        1
    );
    assert!(
        fixture
            .reader()
            .history_of_content(&content("other").hash)
            .unwrap()
            .is_some(),
        "its history stays"
    );
}

/// Found on review: the moved file kept the answer of the model that served before, and its twins did too.
#[test]
fn a_rename_takes_the_answer_of_the_model_that_serves() {
    let mut fixture = Fixture::new();
    fixture.apply(tagged("old.jpg", "photo", "a", 1));
    fixture.apply(tagged("twin.jpg", "photo", "b", 7));
    fixture.apply(moved("old.jpg", "new.jpg", "photo", "a"));
    assert_eq!(
        (label_of(&fixture, "new.jpg"), label_of(&fixture, "twin.jpg")),
        (Some(1), Some(1))
    );
    assert_eq!(fixture.file("new.jpg").unwrap().model, Some(model("a")));
    // Where that model has no answer, the tag that there is goes along.
    fixture.apply(tagged("other.jpg", "another photo", "b", 4));
    let applied = fixture.apply(moved("other.jpg", "renamed.jpg", "another photo", "a"));
    assert_eq!((applied.known_tagged, applied.unknown.len()), (1, 0));
    assert_eq!(label_of(&fixture, "renamed.jpg"), Some(4));
}

#[test]
fn a_rename_of_an_absent_file_brings_it_back() {
    let mut fixture = Fixture::new();
    fixture.apply(tagged("old.jpg", "photo", "a", 1));
    fixture.apply(absent("old.jpg"));
    fixture.apply(moved("old.jpg", "new.jpg", "photo", "a"));
    assert!(fixture.file("new.jpg").unwrap().present);
}

#[test]
fn a_rename_leaves_a_new_file_at_the_old_path_alone() {
    let mut fixture = Fixture::new();
    fixture.apply(tagged("old.jpg", "photo", "a", 1));
    fixture.apply(tagged("old.jpg", "another photo", "a", 2));
    fixture.apply(moved("old.jpg", "new.jpg", "photo", "a"));
    assert_eq!(
        (label_of(&fixture, "old.jpg"), label_of(&fixture, "new.jpg")),
        (Some(2), Some(1))
    );
}
