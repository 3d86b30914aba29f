//! Our schemas and UDMI's say the same, but for a short list of differences.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use udmi_proto::model::documents;
use udmi_tests::upstream::Upstream;

/// The differences we want: who makes the statement that the other does not, the statement, and why.
const DIFFERENCES: &[(Side, &str, &str)] = &[
    (Side::Ours, "events_discovery/family type \"string\"", FAMILY),
    (Side::Ours, "model_alarmset_alarm/tags/[] type \"string\"", TAGS),
    (Side::Ours, "model_pointset_point/tags/[] type \"string\"", TAGS),
    (Side::Ours, "model_system/tags/[] type \"string\"", TAGS),
    (Side::Upstream, "common type \"object\"", SHELF),
    (Side::Upstream, "common/#family exists", SHELF),
    (Side::Upstream, "common/#family type \"string\"", SHELF),
    (Side::Upstream, "common/family is #/definitions/family", SHELF),
];

const FAMILY: &str = "UDMI has but a hint for code generators that says String";
const TAGS: &str = "UDMI gives a pattern alone, which would let numbers pass";
const SHELF: &str = "only the choices of this document are referred to, by definition; it is never a message";

/// The documents of UDMI that the model leaves out, and why.
const NOT_MODELLED: &[(&[&str], &str)] = &[
    (&["events_alarmset", "events_alarmset_alarm"], "no device sends them: the envelope has no such folder"),
    (&["events", "properties"], "no message has this form"),
    (&["config_udmi", "events_udmi", "state_udmi", "query_cloud"], "spoken between the cloud and tools"),
    (&["access_iot", "configuration_pod", "configuration_pod_base", "configuration_pod_bridge"], BACKEND),
    (&["mosquitto_client_response", "monitoring", "monitoring_metric"], BACKEND),
    (&["configuration_pubber", "options_pubber"], "belong to UDMI's own reference device"),
    (
        &["events_validation", "events_validation_device", "state_validation", "state_validation_capability"],
        CHECKS,
    ),
    (&["state_validation_feature", "state_validation_schema", "state_validation_sequence"], CHECKS),
    (
        &["building_config_entity", "data_template", "equipment_translation"],
        "belong to the building ontology",
    ),
    (&["site_metadata", "site_externals_link", "dimension"], "describe a site, not a device"),
];

const BACKEND: &str = "belong to the cloud's own parts";
const CHECKS: &str = "written by tools that check devices";

/// Who makes a statement that the other does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Ours,
    Upstream,
}

/// Keywords that say nothing about what is allowed.
const REMARKS: &[&str] = &[
    "$schema",
    "$udmi_version",
    "$comment",
    "$section",
    "$presentation",
    "$defaultPresentation",
    "title",
    "description",
    "descritpion",
    "note",
    "existingJavaType",
    "javaType",
    "javaInterfaces",
    "examples",
];

#[test]
fn model_and_upstream_agree() {
    let Some(upstream) = Upstream::find_or_say("model_and_upstream_agree") else { return };
    let theirs = upstream.schemas().unwrap();
    let mut differences = BTreeSet::new();
    for (name, text) in documents::schemas() {
        let ours = statements(name, &serde_json::from_str(&text).unwrap());
        let theirs =
            statements(name, theirs.get(name).unwrap_or_else(|| panic!("UDMI has no schema {name}")));
        differences.extend(ours.difference(&theirs).map(|only| (Side::Ours, only.clone())));
        differences.extend(theirs.difference(&ours).map(|only| (Side::Upstream, only.clone())));
    }
    let listed: BTreeSet<_> = DIFFERENCES.iter().map(|(side, what, _)| (*side, (*what).to_owned())).collect();
    let unlisted: Vec<_> = differences.difference(&listed).collect();
    assert!(unlisted.is_empty(), "model and UDMI differ: {unlisted:#?}");
    let gone: Vec<_> = listed.difference(&differences).collect();
    assert!(gone.is_empty(), "these differences no longer exist: {gone:#?}");
}

#[test]
fn every_document_of_upstream_is_modelled_or_left_out_on_purpose() {
    let Some(upstream) = Upstream::find_or_say("every_document_of_upstream_is_modelled") else { return };
    let theirs: BTreeSet<_> = upstream.schemas().unwrap().into_keys().collect();
    let mut ours: BTreeSet<_> = documents::schemas().map(|(name, _)| name.to_owned()).collect();
    for name in NOT_MODELLED.iter().flat_map(|(names, _)| *names) {
        assert!(ours.insert((*name).to_owned()), "{name} is modelled, and listed as left out");
    }
    assert_eq!(ours, theirs);
}

/// Breaks a schema into plain statements, such as `entry/level minimum 100`.
fn statements(name: &str, schema: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    state(name, schema, &mut found);
    found
}

fn state(path: &str, schema: &Value, found: &mut BTreeSet<String>) {
    let Value::Object(keywords) = schema else {
        found.insert(format!("{path} is {schema}"));
        return;
    };
    // What stands beside a reference has no meaning in draft 7.
    if let Some(Value::String(target)) = keywords.get("$ref") {
        let target = target.trim_start_matches("file:").trim_end_matches('#');
        found.insert(format!("{path} is {target}"));
        return;
    }
    found.insert(format!("{path} exists"));
    let of_objects = ["properties", "patternProperties", "additionalProperties"];
    let of_texts = keywords.get("type").is_some_and(|kind| kind == "string");
    // An object is meant where only an object can be judged.
    if !keywords.contains_key("type") && of_objects.iter().any(|keyword| keywords.contains_key(*keyword)) {
        found.insert(format!("{path} type \"object\""));
    }
    for (keyword, value) in keywords {
        match keyword.as_str() {
            "properties" => members(path, "", value, found),
            "patternProperties" => members(path, "~", value, found),
            "definitions" => members(path, "#", value, found),
            "items" => state(&format!("{path}/[]"), value, found),
            "required" => {
                for name in value.as_array().into_iter().flatten() {
                    found.insert(format!("{path} requires {name}"));
                }
            }
            // A rule for objects, which upstream has put on a text.
            "additionalProperties" if of_texts => {}
            "additionalProperties" if value.is_object() => state(&format!("{path}/*"), value, found),
            "additionalProperties" if *value == Value::Bool(true) => {}
            "type"
            | "enum"
            | "pattern"
            | "format"
            | "minimum"
            | "maximum"
            | "multipleOf"
            | "maxLength"
            | "maxProperties"
            | "uniqueItems"
            | "default"
            | "oneOf"
            | "additionalProperties" => {
                found.insert(format!("{path} {keyword} {value}"));
            }
            remark if REMARKS.contains(&remark) => {}
            unknown => {
                found.insert(format!("{path} has the keyword {unknown}, which this test does not know"));
            }
        }
    }
}

fn members(path: &str, mark: &str, schemas: &Value, found: &mut BTreeSet<String>) {
    let schemas: BTreeMap<&String, &Value> = schemas.as_object().into_iter().flatten().collect();
    for (name, schema) in schemas {
        state(&format!("{path}/{mark}{name}"), schema, found);
    }
}
