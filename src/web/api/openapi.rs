//! The document that describes the API (OpenAPI 3.1).
//!
//! In: [`OPERATIONS`], the schemas beside this file. Out: one JSON document. Never: a description of its own: what is not in
//! the list is not served, and a test holds answers against the schemas.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};

use super::{Body, OPERATIONS, Operation, models, review};
use crate::domain::{Label, Status};
use crate::store::RunTrigger;
use crate::web::App;
use crate::web::filter::{MAX_LIMIT, Order};

/// Written by hand; words and limits of the program are filled in below.
const SCHEMAS: &str = include_str!("schemas.json");

/// `GET /api/v1/openapi.json`
pub async fn openapi(State(app): State<Arc<App>>) -> Json<Value> {
    Json(document(app.guard.demands_token()))
}

/// The whole document.
pub fn document(demands_token: bool) -> Value {
    let mut schemas: Value =
        serde_json::from_str(SCHEMAS).expect("the schemas are JSON, a test reads them; this is a bug");
    schemas["Label"]["enum"] = json!(Label::NAMES);
    schemas["StatusWord"]["enum"] = json!(Status::ALL.map(Status::name));
    schemas["Run"]["properties"]["trigger"]["enum"] = json!(RunTrigger::ALL.map(RunTrigger::name));
    schemas["NewDecision"]["properties"]["reason"]["maxLength"] = json!(models::MAX_REASON_CHARS);
    let mut paths: Map<String, Value> = Map::new();
    for operation in OPERATIONS {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method] = described(operation, &schemas);
    }
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "hangtag",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Photos of an inventory, their tags, corrections, models and runs. Requests that change something and come from a browser must come from hangtag's own pages.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": { "schemas": schemas, "parameters": parameters() },
    });
    if demands_token {
        document["components"]["securitySchemes"] =
            json!({ "token": { "type": "http", "scheme": "bearer" } });
        document["security"] = json!([{ "token": [] }]);
    }
    document
}

fn schema(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn described(operation: &Operation, schemas: &Value) -> Value {
    let (code, answer) = operation.answer;
    let parameters: Vec<_> = operation
        .parameters
        .iter()
        .map(|name| json!({ "$ref": format!("#/components/parameters/{name}") }))
        .collect();
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "parameters": parameters,
        "responses": {
            code.to_string(): { "description": "done", "content": { "application/json": { "schema": schema(answer) } } },
            "default": { "description": "why not", "content": { "application/json": { "schema": schema("Failure") } } },
        },
    });
    match operation.body {
        Body::None => {}
        Body::Json(name) => {
            // None at all is an empty object, which will do where nothing must stand in it.
            let required = schemas[name]["required"].is_array();
            described["requestBody"] = json!({ "required": required, "content": { "application/json": { "schema": schema(name) } } });
        }
        Body::Picture => {
            described["requestBody"] = json!({ "required": true, "content": { "image/*": {} } });
        }
    }
    described
}

fn parameters() -> Value {
    let query = |name: &str, about: &str, schema: Value| json!({ "name": name, "in": "query", "description": about, "schema": schema });
    let path = |name: &str, about: &str, schema: Value| json!({ "name": name, "in": "path", "required": true, "description": about, "schema": schema });
    let text = || json!({ "type": "string" });
    let limit = |default: u32| {
        query(
            "limit",
            "At most so many.",
            json!({ "type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": default }),
        )
    };
    let share = || json!({ "type": "number", "minimum": 0, "maximum": 1 });
    let several =
        |name: &str| json!({ "type": "array", "items": { "$ref": format!("#/components/schemas/{name}") } });
    json!({
        "label": query("label", "Any of these; may be given several times.", several("Label")),
        "status": query("status", "Any of these; may be given several times.", several("StatusWord")),
        "path": query("path", "Part of the path, in capitals or not; with * ? [a-z], a pattern as `hangtag query --path` takes it.", text()),
        "min_confidence": query("min_confidence", "At least this sure.", share()),
        "max_confidence": query("max_confidence", "At most this sure.", share()),
        "since": query("since", "Answered since: how long ago (90m, 24h, 7d), a date or a moment in ISO 8601, in UTC unless a zone is written.", text()),
        "until": query("until", "Answered before, likewise.", text()),
        "model": query("model", "The model's id begins so.", text()),
        "absent": query("absent", "1: also files that are gone.", json!({ "type": "string", "enum": ["0", "1"], "default": "0" })),
        "sort": query("sort", "In which order; those by confidence leave out photos that have none.", json!({ "type": "string", "enum": Order::ALL.map(Order::name), "default": "newest" })),
        "cursor": query("cursor", "`next` of the page before, of the same list in the same order.", text()),
        "limit": limit(100),
        "review_limit": limit(review::PAGE),
        "runs_limit": limit(models::LATEST_RUNS),
        "from": query("from", "The model before, by its id.", text()),
        "to": query("to", "The model after, by its id.", text()),
        "instead_of": query("instead_of", "Nothing is taken back but this word: a label, or \"unknown\".", text()),
        "hash": path("hash", "Content hash: BLAKE3 of the bytes, 64 hexadecimal digits.", json!({ "type": "string", "pattern": "^[0-9a-f]{64}$" })),
        "model_id": path("model", "A model's id, 16 hexadecimal digits.", json!({ "type": "string", "pattern": "^[0-9a-f]{16}$" })),
        "run": path("run", "A run's number.", json!({ "type": "integer" })),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

    use super::*;
    use crate::status::FolderState;

    /// JSON in which no object has a key twice.
    struct Unambiguous;

    impl<'de> Deserialize<'de> for Unambiguous {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_any(Unambiguous)
        }
    }

    impl<'de> Visitor<'de> for Unambiguous {
        type Value = Unambiguous;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("JSON")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self, A::Error> {
            let mut names = BTreeSet::new();
            while let Some((name, _)) = fields.next_entry::<String, Unambiguous>()? {
                if let Some(twice) = names.replace(name) {
                    return Err(A::Error::custom(format!("{twice} stands there twice")));
                }
            }
            Ok(self)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
            while items.next_element::<Unambiguous>()?.is_some() {}
            Ok(self)
        }

        fn visit_str<E>(self, _: &str) -> Result<Self, E> {
            Ok(self)
        }

        fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
            Ok(self)
        }

        fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
            Ok(self)
        }

        fn visit_unit<E>(self) -> Result<Self, E> {
            Ok(self)
        }
    }

    /// Of two schemas by one name the later one was served, and the other one's answers contradicted it.
    #[test]
    fn no_schema_takes_the_place_of_another() {
        let read = |text| serde_json::from_str::<Unambiguous>(text).map(|_| ());
        read(SCHEMAS).unwrap();
        let refused = read(r#"{ "a": [{ "b": 1, "b": null }] }"#).unwrap_err();
        assert!(
            refused.to_string().starts_with("b stands there twice"),
            "{refused}"
        );
    }

    #[test]
    fn each_state_of_a_folder_is_described() {
        let document = document(false);
        let states = "/components/schemas/Status/properties/folders/items/properties/state/enum";
        let described = document.pointer(states).unwrap().as_array().unwrap();
        let why = String::new;
        for state in [
            FolderState::Watched,
            FolderState::Polled(why()),
            FolderState::Bare(why()),
            FolderState::Missing(why()),
        ] {
            let served = json!(state)["state"].clone();
            assert!(described.contains(&served), "{served}");
        }
    }

    #[test]
    fn ids_are_unique_and_every_reference_leads_somewhere() {
        let document = document(true);
        let ids: BTreeSet<_> = OPERATIONS.iter().map(|operation| operation.id).collect();
        assert_eq!(ids.len(), OPERATIONS.len());
        let mut checked = 0;
        let mut open = vec![&document];
        while let Some(value) = open.pop() {
            match value {
                Value::Object(fields) => {
                    if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
                        let pointer = reference.strip_prefix('#').unwrap();
                        assert!(document.pointer(pointer).is_some(), "{reference}");
                        checked += 1;
                    }
                    open.extend(fields.values());
                }
                Value::Array(items) => open.extend(items),
                _ => {}
            }
        }
        assert!(checked > 60, "{checked}");
    }

    /// All of them were said to be a hundred; a run that drift had begun was in no description.
    #[test]
    fn limits_and_words_are_those_that_are_served() {
        let document = document(false);
        for (path, default) in [
            ("/api/v1/images", 100),
            ("/api/v1/corrections", 100),
            ("/api/v1/review", 30),
            ("/api/v1/runs", 20),
        ] {
            let parameters = document["paths"][path]["get"]["parameters"].as_array().unwrap();
            let limit = parameters.iter().find_map(|parameter| {
                let pointer = parameter["$ref"].as_str().unwrap().strip_prefix('#').unwrap();
                document.pointer(pointer).filter(|found| found["name"] == "limit")
            });
            assert_eq!(limit.unwrap()["schema"]["default"], default, "{path}");
        }
        let counted = document["paths"]["/api/v1/counts"]["get"]["parameters"].as_array();
        let names = counted.unwrap().iter().map(|name| name["$ref"].as_str().unwrap());
        let is_of_lists = |name: &&str| ["sort", "cursor", "limit"].iter().any(|end| name.ends_with(end));
        assert_eq!(
            names.filter(is_of_lists).count(),
            0,
            "counts have no order and no pages"
        );
        let triggers = &document["components"]["schemas"]["Run"]["properties"]["trigger"]["enum"];
        assert!(
            triggers.as_array().unwrap().contains(&json!("drift")),
            "{triggers}"
        );
        let reason = &document["components"]["schemas"]["NewDecision"]["properties"]["reason"];
        assert_eq!(reason["maxLength"], models::MAX_REASON_CHARS);
    }

    /// Generated clients left the label out.
    #[test]
    fn a_body_that_must_be_there_is_said_to_be_required() {
        let document = document(false);
        for (path, method, required) in [
            ("/api/v1/images/{hash}/correction", "put", true),
            ("/api/v1/retries", "post", true),
            ("/api/v1/tag", "post", true),
            ("/api/v1/runs", "post", false),
            ("/api/v1/models/rollback", "post", false),
        ] {
            let body = &document["paths"][path][method]["requestBody"];
            assert_eq!(body["required"], required, "{path}");
        }
    }

    #[test]
    fn what_varies_in_an_address_is_a_parameter() {
        let parameters = parameters();
        for operation in OPERATIONS {
            for part in operation.path.split('/').filter(|part| part.starts_with('{')) {
                let name = part.trim_matches(['{', '}']);
                let found = operation.parameters.iter().any(|parameter| {
                    parameters[*parameter]["name"] == name && parameters[*parameter]["in"] == "path"
                });
                assert!(found, "{} {name}", operation.path);
            }
        }
    }
}
