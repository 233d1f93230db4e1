//! The API, held against the document that describes it.

use serde_json::{Value, json};

use super::{Pages, accept_nothing, serving};
use crate::util::{Shop, drop_png, png, small_data_set, wait_until};

fn tagged_shop() -> Shop {
    let shop = Shop::new();
    (0..5).for_each(|number| drop(drop_png(&shop.inbox(), number)));
    std::fs::write(shop.inbox().join("note.jpg"), "no picture").unwrap();
    shop.ok(&["scan"]);
    shop
}

fn hash_of(shop: &Shop, name: &str) -> String {
    shop.row(&shop.inbox().join(name)).unwrap()["content_hash"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn a_correction_counts_at_once_and_can_be_taken_back() {
    let shop = tagged_shop();
    let (daemon, pages) = serving(&shop, &[]);
    let hash = hash_of(&shop, "photo-00002.png");
    let address = format!("/api/v1/images/{hash}/correction");
    let before = pages.get(&format!("/api/v1/images/{hash}")).json();
    assert_eq!(before["correction"], Value::Null);

    for (word, answer) in [
        (
            json!({ "label": "dress", "by": "Ada" }),
            json!({ "changed": true, "before": null, "can_be_learned": true }),
        ),
        (
            json!({ "label": "Dress" }),
            json!({ "changed": false, "before": "Dress", "can_be_learned": true }),
        ),
    ] {
        assert_eq!(pages.put(&address, &word).json(), answer);
    }
    let row = shop.row(&shop.inbox().join("photo-00002.png")).unwrap();
    assert_eq!(
        (&row["status"], &row["label"]),
        (&json!("corrected"), &json!("Dress"))
    );
    let standing = pages.get("/api/v1/corrections").json();
    assert_eq!(standing["corrections"][0]["by"], "Ada");
    let kept = shop.data().join("corrections");
    let copies = || {
        let entries = walkdir::WalkDir::new(&kept).into_iter().flatten();
        entries.filter(|entry| entry.file_type().is_file()).count()
    };
    wait_until("a rebuild can learn from it", || copies() == 1);

    assert_eq!(
        pages.put(&address, &json!({ "label": "unknown" })).json(),
        json!({ "changed": true, "before": "Dress", "can_be_learned": true })
    );
    assert_eq!(
        shop.row(&shop.inbox().join("photo-00002.png")).unwrap()["label"],
        Value::Null
    );
    assert_eq!(pages.send("DELETE", &address, &[], &[]).json()["changed"], true);
    assert_eq!(pages.send("DELETE", &address, &[], &[]).json()["changed"], false);
    let row = shop.row(&shop.inbox().join("photo-00002.png")).unwrap();
    assert!(
        ["accepted", "review", "unknown"].contains(&row["status"].as_str().unwrap()),
        "{row}"
    );

    for (address, body, code) in [
        (address.clone(), json!({ "label": "hat" }), 400),
        (address.clone(), json!({}), 400),
        (address, json!({ "label": "bag", "colour": "red" }), 400),
        (
            format!("/api/v1/images/{}/correction", "0".repeat(64)),
            json!({ "label": "bag" }),
            404,
        ),
        (
            "/api/v1/images/xyz/correction".into(),
            json!({ "label": "bag" }),
            400,
        ),
    ] {
        let refused = pages.put(&address, &body);
        assert_eq!(refused.code, code, "{body}: {}", refused.text());
        assert!(!refused.json()["error"]["message"].as_str().unwrap().is_empty());
    }
    assert_eq!(daemon.end(), Some(0));
}

/// Whoever took their word back took that of somebody else who had spoken since.
#[test]
fn a_word_is_replaced_or_taken_back_only_if_it_is_the_one_that_is_meant() {
    let shop = tagged_shop();
    let (daemon, pages) = serving(&shop, &[]);
    let document = pages.get("/api/v1/openapi.json").json();
    let address = format!("/api/v1/images/{}/correction", hash_of(&shop, "photo-00002.png"));
    let put = |label: &str, instead_of: &str| {
        pages.put(&address, &json!({ "label": label, "instead_of": instead_of }))
    };
    let delete = |query: &str| pages.send("DELETE", &format!("{address}?{query}"), &[], &[]);
    let refused = |answer: &super::Answer, word: &str| {
        assert_eq!(answer.code, 409, "{}", answer.text());
        let failure = json!({ "$ref": "#/components/schemas/Failure" });
        check_schema(&document, &failure, &answer.json(), "Failure");
        assert!(answer.text().contains(word), "{}", answer.text());
    };
    refused(&put("dress", "bag"), "taken back");
    assert_eq!(delete("instead_of=bag").json()["changed"], false, "none stands");
    pages.put(&address, &json!({ "label": "coat" }));
    refused(&put("dress", "bag"), "which holds: Coat");
    refused(&delete("instead_of=bag"), "which holds: Coat");
    // Whoever did not hear the answer asks again.
    for changed in [true, false] {
        assert_eq!(put("unknown", "coat").json()["changed"], changed);
    }
    assert_eq!(delete("instead_of=unknown").json()["changed"], true);
    for query in ["instead_of=hat", "instead=coat"] {
        assert_eq!(delete(query).code, 400, "{query}");
    }
    assert_eq!(daemon.end(), Some(0));
}

/// The router's own answers were plain text.
#[test]
fn what_cannot_be_asked_is_refused_in_json() {
    let shop = Shop::new();
    let (daemon, pages) = serving(&shop, &[]);
    let document = pages.get("/api/v1/openapi.json").json();
    for (method, path, code, word) in [
        ("POST", "/api/v1/images", 405, "method_not_allowed"),
        ("DELETE", "/api/v1/runs", 405, "method_not_allowed"),
        ("GET", "/api/v1/tag", 405, "method_not_allowed"),
        ("GET", "/api/v1/nowhere", 404, "not_found"),
        ("GET", "/api/v1/images/%FF", 400, "bad_request"),
        ("GET", "/api/v1/images/%FF/tags", 400, "bad_request"),
        ("PUT", "/api/v1/images/%FF/correction", 400, "bad_request"),
        ("DELETE", "/api/v1/images/%FF/correction", 400, "bad_request"),
        ("GET", "/api/v1/models/%FF", 400, "bad_request"),
        ("POST", "/api/v1/models/%FF/promote", 400, "bad_request"),
        ("GET", "/api/v1/runs/%FF", 400, "bad_request"),
        ("GET", "/api/v1/runs?label=Bag", 400, "bad_request"),
        (
            "GET",
            "/api/v1/images?sort=path&cursor=t.1.1.1",
            400,
            "bad_request",
        ),
        ("GET", "/api/v1/corrections?cursor=t.1.1.1", 400, "bad_request"),
        (
            "GET",
            "/api/v1/models/diff?from=aaaaaaaaaaaaaaaa&to=bbbbbbbbbbbbbbbb",
            404,
            "not_found",
        ),
        ("GET", "/api/v1/counts?absent=true", 400, "bad_request"),
        ("GET", "/picture/%FF/thumb", 400, "bad_request"),
    ] {
        let refused = pages.send(method, path, &[], b"");
        assert_eq!(refused.code, code, "{method} {path}: {}", refused.text());
        let failure = json!({ "$ref": "#/components/schemas/Failure" });
        check_schema(&document, &failure, &refused.json(), path);
        assert_eq!(refused.json()["error"]["code"], word, "{method} {path}");
    }
    assert_eq!(
        pages.send("POST", "/api/v1/images", &[], b"").header("allow"),
        "GET,HEAD"
    );
    for (method, path, code) in [
        ("POST", "/status", 405),
        ("GET", "/photo/%FF", 400),
        ("GET", "/?sort=path&cursor=t.1.1.1", 400),
        (
            "GET",
            "/models/diff?from=aaaaaaaaaaaaaaaa&to=bbbbbbbbbbbbbbbb",
            404,
        ),
        ("GET", "/status?file=first", 400),
    ] {
        let page = pages.send(method, path, &[], b"");
        assert_eq!(
            (page.code, page.text().ends_with("</html>")),
            (code, true),
            "{path}"
        );
    }
    assert_eq!(daemon.end(), Some(0));
}

#[test]
fn an_uploaded_picture_is_answered_and_forgotten() {
    let shop = tagged_shop();
    let (daemon, pages) = serving(&shop, &[]);
    let row = shop.row(&shop.inbox().join("photo-00003.png")).unwrap();
    let answer = pages.send("POST", "/api/v1/tag", &[("content-type", "image/png")], &png(3));
    assert_eq!(answer.code, 200, "{}", answer.text());
    let answer = answer.json();
    for key in [
        "label",
        "confidence",
        "scores",
        "model",
        "content_hash",
        "preprocessing",
        "unknown",
    ] {
        assert_eq!(answer[key], row[key], "the same picture has the same {key}");
    }
    assert_eq!(
        answer["decision"]["decided"], row["status"],
        "and is decided alike"
    );
    let new = pages.send("POST", "/api/v1/tag", &[], &png(400)).json();
    assert!(new["label"].is_string());
    assert_eq!(shop.rows().len(), 6, "nothing was stored");
    let refused = pages.send("POST", "/api/v1/tag", &[], b"no picture");
    assert_eq!(
        (refused.code, &refused.json()["error"]["code"]),
        (422, &json!("unprocessable"))
    );
    assert_eq!(daemon.end(), Some(0));
}

#[test]
fn review_hands_out_what_is_most_worth_correcting_once_each() {
    let shop = tagged_shop();
    std::fs::write(shop.inbox().join("again.png"), png(1)).unwrap();
    shop.ok(&["scan"]);
    accept_nothing(&shop);
    let (daemon, pages) = serving(&shop, &[]);
    let queue = pages.get("/api/v1/review").json();
    let images = queue["images"].as_array().unwrap();
    assert_eq!(images.len(), 5, "one row a content");
    assert_eq!(queue["waiting"], 5, "and one count");
    assert!(pages.get("/review").text().contains(r#"data-waiting="5""#));
    let command = shop.json(&["review", "--format", "json"]);
    let hashes = |rows: &Value| -> Vec<Value> {
        let rows = rows.as_array().unwrap();
        rows.iter().map(|row| row["content_hash"].clone()).collect()
    };
    assert_eq!(hashes(&queue["images"]), hashes(&command), "the command's order");
    assert_eq!(images[0]["why"], command[0]["reason"]);
    let first = images[0]["content_hash"].as_str().unwrap();
    pages.put(
        &format!("/api/v1/images/{first}/correction"),
        &json!({ "label": "bag" }),
    );
    let after = pages.get("/api/v1/review?limit=2").json();
    assert_eq!(after["images"].as_array().unwrap().len(), 2);
    assert_eq!(after["waiting"], 4, "however few are asked for");
    assert_ne!(after["images"][0]["content_hash"], first);
    assert_eq!(pages.get("/api/v1/review?label=Bag").code, 400);
    assert_eq!(daemon.end(), Some(0));
}

/// The same answer as the command's, on the page and for programs, before it can be told and after.
#[test]
fn drift_is_told_as_the_command_tells_it() {
    let shop = tagged_shop();
    let (daemon, pages) = serving(&shop, &[]);
    let document = pages.get("/api/v1/openapi.json").json();
    let same_as_command = || {
        let answer = pages.get("/api/v1/drift").json();
        check(&document, "get", "/api/v1/drift", &answer);
        assert_eq!(answer, shop.json(&["stats", "--drift", "--format", "json"]));
        answer
    };
    assert_eq!(same_as_command()["reading"], Value::Null);
    assert!(pages.get("/status").text().contains("would overlap"));
    crate::retrain::drift::let_the_photos_change(&shop);
    assert_eq!(same_as_command()["reading"], "changed");
    let page = pages.get("/status").text();
    for part in [
        "much changed",
        "population stability index",
        "as the model said",
        "98.8 %",
    ] {
        assert!(page.contains(part), "{part} is missing in {page}");
    }
    assert_eq!(daemon.end(), Some(0));
}

/// A script that took the command's answer looked in vain for `running` in the API's.
#[test]
fn the_status_tells_what_the_command_tells() {
    let shop = Shop::new();
    let (daemon, pages) = serving(&shop, &[]);
    let names = |answer: &Value| -> Vec<String> { answer.as_object().unwrap().keys().cloned().collect() };
    let answer = pages.get("/api/v1/status").json();
    assert_eq!(answer["running"], true);
    assert_eq!(names(&answer), names(&shop.json(&["status", "--format", "json"])));
    assert_eq!(daemon.end(), Some(0));
}

/// For a moment after a word the counts were those of before, and said to be those of now.
#[test]
fn counts_know_what_was_said_a_moment_ago() {
    let shop = tagged_shop();
    let (daemon, pages) = serving(&shop, &[]);
    let corrected = || {
        let mut counts = Value::Null;
        wait_until("the counts are those of now", || {
            counts = pages.get("/api/v1/counts").json();
            counts["current"] == true
        });
        counts["statuses"]["corrected"].clone()
    };
    assert_eq!(corrected(), 0);
    for number in 0..5 {
        let hash = hash_of(&shop, &format!("photo-{number:05}.png"));
        let address = format!("/api/v1/images/{hash}/correction");
        pages.put(&address, &json!({ "label": "bag" }));
        assert_eq!(corrected(), number + 1);
    }
    assert_eq!(daemon.end(), Some(0));
}

/// Everything that can be asked with a GET is asked, and each answer is what the document says.
#[test]
fn answers_are_what_the_document_says() {
    let shop = tagged_shop();
    let data = shop.path().join("mnist");
    small_data_set(&data, (100, 50));
    shop.configure(&format!(
        "[dataset]\ndir = {data:?}\n[train]\nepochs = 1\n[retrain]\nthreads = 1\n[gate]\nmin_accuracy = 0.0\nmargin = 0.99\nmax_class_drop = 0.99\n"
    ));
    let (daemon, pages) = serving(&shop, &[]);
    let document = pages.get("/api/v1/openapi.json").json();
    let hash = hash_of(&shop, "photo-00001.png");
    let shipped = pages.get("/api/v1/models").json()["models"][0]["model"]
        .as_str()
        .unwrap()
        .to_owned();

    let asked = pages.post("/api/v1/runs", &json!({ "by": "Ada" }));
    assert_eq!(asked.code, 202);
    check(&document, "post", "/api/v1/runs", &asked.json());
    wait_until("the run has ended", || {
        pages.get("/api/v1/runs/1").json()["state"] == "finished"
    });
    let model = pages.get("/api/v1/runs/1").json()["model"]
        .as_str()
        .unwrap()
        .to_owned();
    wait_until("the new model serves", || {
        pages.get("/api/v1/status").json()["model"] == model.as_str()
    });
    let back = pages.post(
        "/api/v1/models/rollback",
        &json!({ "instead_of": model, "reason": "a test" }),
    );
    check(&document, "post", "/api/v1/models/rollback", &back.json());
    assert_eq!(back.json()["in_service"], shipped.as_str());
    let overtaken = pages.post("/api/v1/models/rollback", &json!({ "instead_of": model }));
    assert_eq!(
        overtaken.code, 409,
        "somebody decided by a page that was overtaken"
    );
    check_schema(
        &document,
        &json!({ "$ref": "#/components/schemas/Failure" }),
        &overtaken.json(),
        "Failure",
    );
    let again = pages.post(&format!("/api/v1/models/{model}/promote"), &json!({}));
    check(&document, "post", "/api/v1/models/{model}/promote", &again.json());
    let corrected = pages.put(
        &format!("/api/v1/images/{hash}/correction"),
        &json!({ "label": "bag" }),
    );
    check(
        &document,
        "put",
        "/api/v1/images/{hash}/correction",
        &corrected.json(),
    );

    let answered = pages.send("POST", "/api/v1/tag", &[], &png(3));
    check(&document, "post", "/api/v1/tag", &answered.json());

    let mut asked = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        if operations.get("get").is_none() {
            continue;
        }
        let address = path
            .replace("{hash}", &hash)
            .replace("{model}", &model)
            .replace("{run}", "1");
        let address = match path.as_str() {
            "/api/v1/models/diff" => format!("{address}?from={shipped}&to={model}"),
            _ => address,
        };
        let answer = pages.get(&address);
        assert_eq!(answer.code, 200, "{address}: {}", answer.text());
        check(&document, "get", path, &answer.json());
        asked += 1;
    }
    assert!(asked >= 11, "{asked}");
    assert_eq!(daemon.end(), Some(0));
}

fn check(document: &Value, method: &str, path: &str, answer: &Value) {
    let responses = document["paths"][path][method]["responses"].as_object().unwrap();
    let (_, good) = responses.iter().find(|(code, _)| code.starts_with('2')).unwrap();
    check_schema(
        document,
        &good["content"]["application/json"]["schema"],
        answer,
        path,
    );
}

/// What the document's schemas use of JSON Schema.
fn check_schema(document: &Value, schema: &Value, value: &Value, at: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        let found = document.pointer(reference.strip_prefix('#').unwrap()).unwrap();
        return check_schema(document, found, value, at);
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let fits = any.iter().any(|one| {
            let quiet = || check_schema(document, one, value, at);
            matches(document, one, value) && std::panic::catch_unwind(quiet).is_ok()
        });
        assert!(fits, "{at}: {value} fits none of {schema}");
        return;
    }
    assert!(
        matches(document, schema, value),
        "{at}: {value} is not of {schema}"
    );
    if let Some(words) = schema["enum"].as_array() {
        assert!(words.contains(value), "{at}: {value} is not one of {schema}");
    }
    if let (Some(pattern), Some(text)) = (schema["pattern"].as_str(), value.as_str()) {
        assert!(fits(pattern, text), "{at}: {text} does not fit {pattern}");
    }
    if let Some(fields) = value.as_object() {
        for name in schema["required"].as_array().into_iter().flatten() {
            assert!(
                fields.contains_key(name.as_str().unwrap()),
                "{at}: {name} is missing"
            );
        }
        for (name, field) in fields {
            let at = format!("{at}.{name}");
            match (&schema["properties"][name], &schema["additionalProperties"]) {
                (Value::Null, Value::Bool(false)) => panic!("{at} is not in the document"),
                (Value::Null, Value::Null) => {}
                (Value::Null, other) => check_schema(document, other, field, &at),
                (known, _) => check_schema(document, known, field, &at),
            }
        }
    }
    for (place, item) in value.as_array().into_iter().flatten().enumerate() {
        check_schema(document, &schema["items"], item, &format!("{at}[{place}]"));
    }
}

fn matches(document: &Value, schema: &Value, value: &Value) -> bool {
    if let Some(reference) = schema["$ref"].as_str() {
        return matches(
            document,
            document.pointer(reference.strip_prefix('#').unwrap()).unwrap(),
            value,
        );
    }
    let is = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        _ => false,
    };
    match &schema["type"] {
        Value::String(name) => is(name),
        Value::Array(names) => names.iter().any(|name| is(name.as_str().unwrap())),
        _ => true,
    }
}

/// The two kinds of pattern that the document has.
fn fits(pattern: &str, text: &str) -> bool {
    if let Some(rest) = pattern.strip_prefix("^[0-9a-f]{") {
        let length: usize = rest.trim_end_matches("}$").parse().unwrap();
        return text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    }
    text.len() == 24 && text.ends_with('Z') && text.parse::<hangtag::domain::Timestamp>().is_ok()
}

/// Nobody can ask for more at once than there is room for, and is told so.
#[test]
fn a_flood_of_questions_is_answered_or_told_to_come_back() {
    let shop = tagged_shop();
    let (daemon, pages) = serving(&shop, &[]);
    let ask = |pages: &Pages| -> Vec<u16> { (0..20).map(|_| pages.get("/api/v1/counts").code).collect() };
    let codes: Vec<u16> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..16).map(|_| scope.spawn(|| ask(&pages))).collect();
        asking
            .into_iter()
            .flat_map(|asking| asking.join().unwrap())
            .collect()
    });
    assert_eq!(codes.len(), 320);
    assert!(codes.iter().all(|code| [200, 503].contains(code)), "{codes:?}");
    assert!(codes.contains(&200));
    drop_png(&shop.inbox(), 50);
    shop.wait_for_rows(7);
    assert_eq!(daemon.end(), Some(0));
}
