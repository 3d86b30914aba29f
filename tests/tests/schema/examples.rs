//! UDMI's examples are accepted or refused as UDMI expects, and survive a trip through the model.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use udmi_proto::model::common::VERSION;
use udmi_proto::model::{
    config, discovery, documents, endpoint, envelope, events, execution, metadata, state,
};
use udmi_tests::upstream::{LEFT_OUT, Upstream, Whose, json_files, read_json, validate_with};

/// Folders of examples for documents that the model leaves out; `agreement.rs` says why.
const OUTSIDE: &[&str] = &["configuration_pubber", "events_alarmset", "events_validation", "site_metadata"];

/// An example and what UDMI expects of it.
struct Example {
    document: String,
    name: String,
    json: Value,
    valid: bool,
}

#[test]
fn examples_are_judged_as_upstream_expects() {
    let Some(examples) = examples("examples_are_judged_as_upstream_expects") else { return };
    for example in &examples {
        let Example { document, name, json, valid } = example;
        let ours = validate_with(Whose::Ours, document, json);
        let theirs = validate_with(Whose::Upstream, document, json);
        assert_eq!(ours.is_empty(), theirs.is_empty(), "{name}: {ours:?} against {theirs:?}");
        if is_old_form(example) {
            eprintln!("{LEFT_OUT} the expected outcome of {name}, which UDMI's tools rewrite first");
        } else {
            assert_eq!(ours.is_empty(), *valid, "{name}: {ours:?}");
        }
    }
}

#[test]
fn valid_examples_survive_a_trip_through_the_model() {
    let Some(examples) = examples("valid_examples_survive_a_trip_through_the_model") else { return };
    for example in examples.iter().filter(|example| example.valid) {
        let Example { document, name, json, .. } = example;
        let written = read_and_write(document, json).unwrap_or_else(|error| panic!("{name}: {error}"));
        if is_old_form(example) {
            continue;
        }
        let same = numbers_alike(written.clone()) == numbers_alike(json.clone());
        assert!(same, "{name}: the trip through the model has changed {json:#} to {written:#}");
        let findings = validate_with(Whose::Ours, document, &written);
        assert!(findings.is_empty(), "{name}: {findings:?}");
    }
}

/// Says whether UDMI's tools rewrite the example before they hold it against the schema: it is written in
/// an older version, expected to be valid, and yet refused by UDMI's schema as it stands.
fn is_old_form(example: &Example) -> bool {
    let old = example.json["version"] != VERSION;
    old && example.valid && !validate_with(Whose::Upstream, &example.document, &example.json).is_empty()
}

#[test]
fn every_folder_of_examples_has_a_document_or_is_left_out_on_purpose() {
    let Some(upstream) = Upstream::find_or_say("every_folder_of_examples_has_a_document") else { return };
    for document in folders(&upstream.examples) {
        if !upstream.schema.join(format!("{document}.json")).is_file() {
            eprintln!("{LEFT_OUT} the folder {document}, which has no schema of that name");
            continue;
        }
        let modelled = documents::find(&document).is_some();
        assert_ne!(modelled, OUTSIDE.contains(&&*document), "examples of {document}");
    }
}

fn examples(test: &str) -> Option<Vec<Example>> {
    let upstream = Upstream::find_or_say(test)?;
    let mut examples = Vec::new();
    for document in folders(&upstream.examples) {
        if documents::find(&document).is_none() {
            eprintln!("{LEFT_OUT} {test}: examples of {document}, which the model leaves out");
            continue;
        }
        for path in json_files(&upstream.examples.join(&document)).unwrap() {
            examples.extend(example(&document, &path));
        }
    }
    assert!(examples.len() > 50, "only {} examples found", examples.len());
    Some(examples)
}

/// Reads an example; one without an expected outcome is none.
fn example(document: &str, path: &Path) -> Option<Example> {
    let expected = fs::read_to_string(path.with_extension("out")).ok()?;
    let file = path.file_name()?.to_string_lossy();
    Some(Example {
        document: document.to_owned(),
        name: format!("{document}/{file}"),
        json: read_json(path).unwrap(),
        valid: expected.trim().is_empty(),
    })
}

fn folders(folder: &Path) -> Vec<String> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = paths.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

/// Reads JSON into the model's type for the document and writes it again.
fn read_and_write(document: &str, json: &Value) -> Result<Value, String> {
    match document {
        "config" => trip::<config::Config>(json),
        "config_pointset" => trip::<config::Pointset>(json),
        "configuration_endpoint" => trip::<endpoint::Endpoint>(json),
        "configuration_execution" => trip::<execution::Execution>(json),
        "envelope" => trip::<envelope::Envelope>(json),
        "events_discovery" => trip::<discovery::Discovery>(json),
        "events_pointset" => trip::<events::Pointset>(json),
        "events_system" => trip::<events::System>(json),
        "metadata" => trip::<metadata::Metadata>(json),
        "model_pointset" => trip::<metadata::Pointset>(json),
        "state" => trip::<state::State>(json),
        "state_pointset" => trip::<state::Pointset>(json),
        other => Err(format!("this test does not know the type for {other}")),
    }
}

fn trip<T: DeserializeOwned + Serialize>(json: &Value) -> Result<Value, String> {
    let text = json.to_string();
    let document: T = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    serde_json::to_value(document).map_err(|error| error.to_string())
}

/// Makes all numbers floating point, so that 2 and 2.0 are equal.
fn numbers_alike(json: Value) -> Value {
    match json {
        Value::Number(number) => number.as_f64().into(),
        Value::Array(items) => items.into_iter().map(numbers_alike).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(name, value)| (name, numbers_alike(value))).collect()
        }
        Value::Null | Value::Bool(_) | Value::String(_) => json,
    }
}
