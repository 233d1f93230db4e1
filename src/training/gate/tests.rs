//! The gate's cases. Bounds that have no closed form were found by a second way: the likeliest proportions by direct
//! search of the likelihood, the bound by bisection.

use super::*;
use crate::domain::LABEL_COUNT;

/// `images` answers of classes in turn, of which `lost` are wrong, the first ones of class `of` if given.
fn answers(images: usize, wrong: impl Fn(usize, Label) -> bool) -> Vec<Answer> {
    let labels: Vec<Label> = Label::all().collect();
    (0..images)
        .map(|index| {
            let truth = labels[index % LABEL_COUNT];
            let other = labels[(index + 1) % LABEL_COUNT];
            let given = if wrong(index, truth) { other } else { truth };
            Answer { truth, given }
        })
        .collect()
}

fn measured(test: Vec<Answer>) -> Measured {
    Measured {
        test,
        photos: Vec::new(),
        audited: Vec::new(),
        cost: Cost {
            multiply_adds: 5_000_000,
            file_bytes: 970_000,
        },
    }
}

fn candidate(measured: Measured) -> Candidate {
    Candidate {
        measured,
        parity_difference: 3e-7,
        warm_up: WarmUp::Finite,
        forgotten: 0,
    }
}

fn rules() -> GateRules {
    GateRules {
        min_accuracy: 0.9,
        margin: 0.005,
        max_class_drop: 0.03,
        max_parity_difference: 1e-4,
        max_cost: 2.0,
        min_photos: 100,
    }
}

/// Which checks speak against the candidate.
fn against(verdict: &Verdict) -> Vec<&'static str> {
    let Verdict::Keep { reasons, .. } = verdict else {
        return Vec::new();
    };
    reasons
        .iter()
        .map(|reason| match reason {
            Finding::WarmUp { .. } => "warm-up",
            Finding::Parity { .. } => "parity",
            Finding::Accuracy { .. } => "accuracy",
            Finding::FirstModel => "first",
            Finding::Forgotten { .. } => "forgotten",
            Finding::Cost { .. } => "cost",
            Finding::Errors { .. } => "errors",
            Finding::Classes { .. } => "classes",
        })
        .collect()
}

#[test]
fn bounds_without_disagreement_have_a_closed_form() {
    // Without a picture that one alone got wrong, the score test refuses delta when n delta / (1 - delta) > z^2.
    let z_squared = 1.644_853_626_951_472_2_f64.powi(2);
    for images in [1u64, 10, 100, 10_000] {
        let paired = PairedDifference::of(images, 0, 0).unwrap();
        let bound = z_squared / (images as f64 + z_squared);
        assert!(
            (paired.upper_bound - bound).abs() < 1e-9,
            "{images}: {}",
            paired.upper_bound
        );
        assert!(
            (paired.lower_bound + bound).abs() < 1e-9,
            "{images}: {}",
            paired.lower_bound
        );
    }
    assert_eq!(PairedDifference::of(0, 0, 0), None);
}

#[test]
fn bounds_agree_with_a_direct_search_of_the_likelihood() {
    for (images, new_wrong, old_wrong, lower, upper) in [
        (10_000, 200, 200, -0.003300, 0.003300),
        (10_000, 217, 183, 0.000111, 0.006709),
        (10_000, 230, 170, 0.002719, 0.009316),
        (100, 5, 20, -0.232141, -0.071856),
        (44, 0, 1, -0.095662, 0.036517),
        (44, 1, 0, -0.036517, 0.095662),
        (1000, 60, 20, 0.025774, 0.055243),
        (20, 3, 3, -0.213744, 0.213744),
        (10, 10, 0, 0.574116, 1.0),
    ] {
        let paired = PairedDifference::of(images, new_wrong, old_wrong).unwrap();
        assert!((paired.lower_bound - lower).abs() < 2e-6, "{paired:?}");
        assert!((paired.upper_bound - upper).abs() < 2e-6, "{paired:?}");
    }
}

#[test]
fn with_many_disagreements_the_bound_is_that_of_the_textbook() {
    // b = 215, c = 185, n = 10,000: 0.003 + 1.645 * sqrt(400 - 30^2 / 10^4) / 10^4 = 0.006289.
    let paired = PairedDifference::of(10_000, 215, 185).unwrap();
    assert!((paired.upper_bound - 0.006289).abs() < 5e-5, "{paired:?}");
    assert_eq!(paired.difference, 0.003);
}

#[test]
fn an_equal_model_is_promoted_and_every_check_is_on_record() {
    let wrong_tenth = |index: usize, _| index.is_multiple_of(13);
    let serving = measured(answers(10_000, wrong_tenth));
    let verdict = judge(&candidate(serving.clone()), Some(&serving), &rules()).unwrap();
    assert!(verdict.is_promote(), "{verdict}");
    let Verdict::Promote { reasons } = &verdict else {
        unreachable!("it is promoted");
    };
    assert_eq!(reasons.len(), 6, "{verdict}");
    let json = serde_json::to_value(&verdict).unwrap();
    assert_eq!(json["verdict"], "promote");
    assert_eq!(json["reasons"][4]["check"], "errors");
    assert_eq!(json["reasons"][4]["paired"]["only_candidate_wrong"], 0);
    assert_eq!(serde_json::from_value::<Verdict>(json).unwrap(), verdict);
}

#[test]
fn errors_are_judged_by_the_upper_bound() {
    // The model in service is wrong on 200 others in each case, so that the disagreements are new + 200.
    for (new_wrong, expected) in [
        (200, &[][..]),
        // 0.10 points more errors: at most 0.43 with 95 % confidence.
        (210, &[]),
        // 0.17 points: at most 0.50.
        (216, &[]),
        (218, &["errors"]),
        (260, &["errors"]),
    ] {
        let serving = measured(answers(10_000, |index, _| index >= 9_800));
        let rebuilt = measured(answers(10_000, |index, _| index < new_wrong));
        let verdict = judge(&candidate(rebuilt), Some(&serving), &rules()).unwrap();
        assert_eq!(against(&verdict), expected, "{new_wrong} against 200: {verdict}");
    }
}

#[test]
fn a_better_model_on_too_few_pictures_is_not_proved_to_be_no_worse() {
    let serving = measured(answers(100, |index, _| index == 50));
    let rebuilt = measured(answers(100, |_, _| false));
    let verdict = judge(&candidate(rebuilt), Some(&serving), &rules()).unwrap();
    assert_eq!(against(&verdict), ["errors"], "{verdict}");
    let text = verdict.to_string();
    assert!(
        text.contains("is not proved to be no worse") && text.contains("1 won"),
        "{text}"
    );
}

#[test]
fn the_margin_itself_is_not_enough_and_other_limits_are() {
    let equal = measured(answers(100, |_, _| false));
    let bound = PairedDifference::of(100, 0, 0).unwrap().upper_bound;
    let at_margin = GateRules {
        margin: bound,
        ..rules()
    };
    let verdict = judge(&candidate(equal.clone()), Some(&equal), &at_margin).unwrap();
    assert_eq!(against(&verdict), ["errors"]);
    let above = GateRules {
        margin: bound + 1e-9,
        ..rules()
    };
    assert!(
        judge(&candidate(equal.clone()), Some(&equal), &above)
            .unwrap()
            .is_promote()
    );

    // Exactly at the floor, the greatest parity difference and the greatest cost.
    let at_floor = Candidate {
        parity_difference: 1e-4,
        ..candidate(measured(answers(1_000, |index, _| index % 10 == index / 10 % 10)))
    };
    let mut half_the_cost = measured(at_floor.measured.test.clone());
    half_the_cost.cost = Cost {
        multiply_adds: 2_500_000,
        file_bytes: 485_000,
    };
    let verdict = judge(&at_floor, Some(&half_the_cost), &rules()).unwrap();
    assert!(verdict.is_promote(), "{verdict}");
    half_the_cost.cost.file_bytes -= 1;
    assert_eq!(
        against(&judge(&at_floor, Some(&half_the_cost), &rules()).unwrap()),
        ["cost"]
    );
}

#[test]
fn a_class_that_is_lost_is_named_and_chance_is_not() {
    let coat: Label = "Coat".parse().unwrap();
    // Of 1,000 coats, the model in service gets 20 wrong that the candidate gets right; elsewhere the candidate wins
    // as many as it loses here, so that only the class speaks against it.
    let in_service = |index: usize, truth: Label| match truth == coat {
        true => index >= 9_800,
        false => index < 200,
    };
    let serving = measured(answers(10_000, in_service));
    for (lost, expected) in [(60, &[][..]), (100, &["classes"])] {
        let rebuilt = |index: usize, truth: Label| truth == coat && index < lost * 10;
        let verdict = judge(
            &candidate(measured(answers(10_000, rebuilt))),
            Some(&serving),
            &rules(),
        )
        .unwrap();
        assert_eq!(against(&verdict), expected, "{lost} coats lost: {verdict}");
        let coats = verdict.findings().find_map(|finding| match finding {
            Finding::Classes { classes, .. } => classes.iter().find(|class| class.label == coat),
            _ => None,
        });
        let coats = coats.unwrap().paired;
        assert_eq!((coats.images, coats.only_candidate_wrong), (1_000, lost as u64));
        assert_eq!(coats.only_in_service_wrong, 20);
        if !expected.is_empty() {
            let text = verdict.to_string();
            assert!(
                text.contains("Coat by 8.00 points, at least 5.36 points"),
                "{text}"
            );
        }
    }
}

#[test]
fn enough_photos_decide_and_fashion_mnist_is_only_the_floor() {
    // Two points worse on Fashion-MNIST, far better on the shop's photos.
    let with_photos = |wrong_test: usize, photos: Vec<Answer>| Measured {
        photos,
        ..measured(answers(10_000, move |index, _| index < wrong_test))
    };
    for (photos, wrong_test, expected) in [
        (100, 800, &[][..]),
        (99, 800, &["errors"]),
        // Ten photos of a class would not show a loss, so that its test pictures do.
        (100, 1_101, &["accuracy", "classes"]),
    ] {
        let serving = with_photos(600, answers(photos, |index, _| index % 2 == 0));
        let rebuilt = with_photos(wrong_test, answers(photos, |index, _| index % 10 == 0));
        let verdict = judge(&candidate(rebuilt), Some(&serving), &rules()).unwrap();
        assert_eq!(against(&verdict), expected, "{photos} photos: {verdict}");
    }
    // And the other way round: better on Fashion-MNIST does not help what is worse in the shop.
    let serving = with_photos(800, answers(200, |index, _| index % 10 == 0));
    let rebuilt = with_photos(600, answers(200, |index, _| index % 2 == 0));
    let verdict = judge(&candidate(rebuilt), Some(&serving), &rules()).unwrap();
    assert_eq!(against(&verdict), ["errors", "classes"], "{verdict}");
    assert!(
        verdict
            .to_string()
            .contains("on 200 corrected photos of the shop"),
        "{verdict}"
    );
}

/// Of ten classes with twenty corrected photos each, one that loses four and wins none is no rarity: rebuilds that were
/// right twelve times more in a hundred were refused for it.
#[test]
fn one_unlucky_class_among_many_is_chance() {
    let coat: Label = "Coat".parse().unwrap();
    let with_photos = |is_wrong: &dyn Fn(usize, Label) -> bool| Measured {
        photos: answers(200, is_wrong),
        ..measured(answers(10_000, |_, _| false))
    };
    // Of what is no coat, 54 of 180 are wrong before, and none afterwards.
    let serving = with_photos(&|index, truth| truth != coat && index < 60);
    for (lost, expected) in [(4, &[][..]), (8, &["classes"])] {
        let rebuilt = with_photos(&|index, truth| truth == coat && index < 10 * lost);
        let verdict = judge(&candidate(rebuilt), Some(&serving), &rules()).unwrap();
        assert_eq!(against(&verdict), expected, "{lost} coats lost: {verdict}");
    }
}

/// A class that few corrections are of was not guarded by anything once corrections decided.
#[test]
fn a_class_of_few_photos_keeps_its_test_pictures() {
    let (coat, bag): (Label, Label) = ("Coat".parse().unwrap(), "Bag".parse().unwrap());
    let with_photos = |test: Vec<Answer>, coats: usize| {
        let mut photos = answers(800, |_, _| false);
        let mut seen = 0;
        photos.retain(|answer| {
            seen += usize::from(answer.truth == coat);
            answer.truth != bag && (answer.truth != coat || seen <= coats)
        });
        Measured {
            photos,
            ..measured(test)
        }
    };
    // Found by counting up: with fewer, the loss of two in five would be no more than chance among nine classes.
    let lost = |images: u64| {
        PairedDifference::among(9, images, images * 2 / 5, 0)
            .unwrap()
            .lower_bound
    };
    let least = (1..).find(|images| lost(*images) > 0.03).unwrap() as usize;
    assert_eq!(least, 20);
    for (coats, class, expected) in [
        (least, coat, &[][..]),
        (least - 1, coat, &["classes"]),
        (0, coat, &["classes"]),
        (least, bag, &["classes"]),
    ] {
        let serving = with_photos(answers(10_000, |_, _| false), coats);
        let rebuilt = with_photos(
            answers(10_000, |index, truth| truth == class && index < 1_000),
            coats,
        );
        let verdict = judge(&candidate(rebuilt), Some(&serving), &rules()).unwrap();
        assert_eq!(against(&verdict), expected, "{coats} coats: {verdict}");
    }
}

#[test]
fn enough_audited_photos_are_preferred_to_those_that_people_chose() {
    // Among the chosen ones the new model is far better, among those drawn at random worse.
    let with_audited = |audited: Vec<Answer>, chosen: Vec<Answer>| Measured {
        photos: [audited.clone(), chosen].concat(),
        audited,
        ..measured(answers(10_000, |_, _| false))
    };
    // Enough are as many as two models that answer alike need to pass.
    let passes = |images: &u64| PairedDifference::of(*images, 0, 0).unwrap().upper_bound < rules().margin;
    let enough = (1..).find(passes).unwrap() as usize;
    for (audited, expected) in [(enough - 1, &[][..]), (enough, &["errors"])] {
        let serving = with_audited(answers(audited, |_, _| false), answers(300, |_, _| true));
        let rebuilt = with_audited(
            answers(audited, |index, _| index % 25 == 0),
            answers(300, |_, _| false),
        );
        let verdict = judge(&candidate(rebuilt), Some(&serving), &rules()).unwrap();
        assert_eq!(against(&verdict), expected, "{audited} audited: {verdict}");
    }
}

#[test]
fn what_the_model_in_service_was_taught_is_not_forgotten() {
    let serving = measured(answers(10_000, |_, _| false));
    let forgetful = Candidate {
        forgotten: 3,
        ..candidate(serving.clone())
    };
    let verdict = judge(&forgetful, Some(&serving), &rules()).unwrap();
    assert_eq!(against(&verdict), ["forgotten"], "{verdict}");
    let text = verdict.to_string();
    assert!(
        text.contains("3 corrected photos that the model in service has learned cannot be read any more")
            && text.contains("hangtag correct"),
        "{text}"
    );
    let json = serde_json::to_value(&verdict).unwrap();
    assert_eq!(
        (&json["reasons"][0]["check"], &json["reasons"][0]["photos"]),
        (&"forgotten".into(), &3.into())
    );
    assert_eq!(serde_json::from_value::<Verdict>(json).unwrap(), verdict);
    // Alone, there is nothing to forget.
    assert!(judge(&forgetful, None, &rules()).unwrap().is_promote());
}

#[test]
fn findings_say_in_words_which_way_and_by_how_much() {
    for (new_wrong, old_wrong, words) in [
        (
            5,
            20,
            "15.00 points fewer errors (5 right answers lost, 20 won), with 95 % confidence at least 7.19 points fewer errors",
        ),
        (
            3,
            1,
            "2.00 points more errors (3 right answers lost, 1 won), with 95 % confidence at most",
        ),
    ] {
        let finding = Finding::Errors {
            on: HeldOut::Photos,
            paired: PairedDifference::of(100, new_wrong, old_wrong).unwrap(),
            margin: 0.005,
        };
        let text = finding.to_string();
        assert!(
            text.contains(words) && text.contains("less than 0.50 points"),
            "{text}"
        );
    }
}

#[test]
fn the_first_model_ever_is_judged_alone() {
    let first = candidate(measured(answers(1_000, |_, _| false)));
    let verdict = judge(&first, None, &rules()).unwrap();
    assert!(
        verdict.is_promote() && verdict.to_string().contains("no other model"),
        "{verdict}"
    );
    let weak = candidate(measured(answers(1_000, |index, _| index < 101)));
    let verdict = judge(&weak, None, &rules()).unwrap();
    assert_eq!(against(&verdict), ["accuracy"]);
    assert!(
        verdict
            .to_string()
            .contains("89.90 %, below the floor of 90.00 %"),
        "{verdict}"
    );
}

#[test]
fn all_reasons_that_apply_are_listed() {
    let serving = measured(answers(10_000, |_, _| false));
    let mut bad = measured(answers(10_000, |index, _| index % 5 == 0));
    bad.cost.multiply_adds = 10_000_001;
    let bad = Candidate {
        parity_difference: f64::NAN,
        ..candidate(bad)
    };
    let verdict = judge(&bad, Some(&serving), &rules()).unwrap();
    assert_eq!(
        against(&verdict),
        ["parity", "accuracy", "cost", "errors", "classes"]
    );
    assert_eq!(verdict.to_string().lines().count(), 6, "{verdict}");
    let json = serde_json::to_value(&verdict).unwrap();
    assert_eq!(serde_json::from_value::<Verdict>(json).unwrap(), verdict);
}

#[test]
fn what_does_not_warm_up_is_kept_out_without_further_figures() {
    for warm_up in [
        WarmUp::NotFinite,
        WarmUp::Failed {
            error: "bad node".into(),
        },
    ] {
        let silent = Candidate {
            warm_up,
            ..candidate(measured(Vec::new()))
        };
        let serving = measured(answers(100, |_, _| false));
        let verdict = judge(&silent, Some(&serving), &rules()).unwrap();
        assert_eq!(against(&verdict), ["warm-up"]);
    }
}

#[test]
fn other_pictures_and_no_pictures_are_errors_not_verdicts() {
    let ten = candidate(measured(answers(10, |_, _| false)));
    let eleven = measured(answers(11, |_, _| false));
    let error = judge(&ten, Some(&eleven), &rules()).unwrap_err();
    let on = HeldOut::Test;
    assert_eq!(
        error,
        GateError::NotPaired {
            on,
            candidate: 10,
            in_service: 11
        }
    );
    let mut other = measured(answers(10, |_, _| false));
    other.test.swap(0, 1);
    assert!(judge(&ten, Some(&other), &rules()).is_err());
    let nothing = candidate(measured(Vec::new()));
    assert_eq!(judge(&nothing, None, &rules()), Err(GateError::NoTestPictures));
}
