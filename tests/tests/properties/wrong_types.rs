//! Every member of a config that the schemas know, with a value of every type it must not have: each gives a
//! clear status, and the next good config is answered as if nothing had been.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use udmi_tests::upstream::read_json;
use udmi_tests::world::World;

use super::always::last_config;
use super::operations::setup;

/// Members nobody looks at, so that their type does not matter (§4.1, §11 items 20 and 53).
const IGNORED: [&str; 4] = ["version", "alarmset", "downgraded_from", "pointset.version"];
/// The most members a schema can lead to; far more than there are.
const MEMBERS: usize = 500;

/// A member: its path, and the types it may have.
type Member = (Vec<String>, BTreeSet<String>);

fn schema(reference: &str) -> Value {
    let (file, pointer) = reference.split_once('#').unwrap_or((reference, ""));
    let name = file.trim_start_matches("file:");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas");
    read_json(&folder.join(name)).unwrap().pointer(pointer).unwrap().clone()
}

fn members() -> Vec<Member> {
    let mut found = Vec::new();
    walk(&schema("file:config.json"), &[], &mut found);
    found
}

fn walk(node: &Value, path: &[String], found: &mut Vec<Member>) {
    let node = match node["$ref"].as_str() {
        Some(reference) => &schema(reference),
        None => node,
    };
    assert!(found.len() < MEMBERS, "the schemas go round in circles");
    if !path.is_empty() {
        found.push((path.to_vec(), types(node)));
    }
    let below = |name: &str| [path, &[name.to_owned()]].concat();
    for (name, member) in node["properties"].as_object().into_iter().flatten() {
        walk(member, &below(name), found);
    }
    for member in node["patternProperties"].as_object().into_iter().flatten().map(|(_, member)| member) {
        let name = match path.last().map(String::as_str) {
            Some("points") => "filter_alarm",
            Some("blobs") => "firmware",
            _ => "ipv4",
        };
        walk(member, &below(name), found);
    }
    if node["items"].is_object() {
        walk(&node["items"], &below("0"), found);
    }
}

/// Whether a path ends in a name of a map or a place of a list, which the schemas do not name.
fn is_entry(path: &[String]) -> bool {
    path.last().is_some_and(|name| ["filter_alarm", "firmware", "ipv4", "0"].contains(&name.as_str()))
}

fn types(node: &Value) -> BTreeSet<String> {
    let choices = node["oneOf"].as_array().into_iter().flatten();
    let named = choices.chain([node]).filter_map(|choice| choice["type"].as_str());
    let mut types: BTreeSet<String> = named.map(str::to_owned).collect();
    if types.is_empty() {
        types.insert("string".into()); // an enumeration of texts
    }
    types
}

/// The values a member of these types must not have.
fn wrong(types: &BTreeSet<String>) -> Vec<Value> {
    let has = |name: &str| types.contains(name);
    let mut values = Vec::new();
    let kinds = [
        (has("boolean"), json!(true)),
        (has("integer") || has("number"), json!(3)),
        (has("number"), json!(-1.5)),
        (has("string"), json!("text")),
        (has("array"), json!([])),
        (has("array"), json!([[1]])),
        (has("object"), json!({})),
        (has("object"), json!({ "a": { "b": [] } })),
    ];
    for (allowed, value) in kinds {
        if !allowed {
            values.push(value);
        }
    }
    values
}

/// The config with one value put where the path leads.
fn with_value(mut config: Value, path: &[String], value: &Value) -> Value {
    let mut place = &mut config;
    for name in path {
        if let Ok(at) = name.parse::<usize>() {
            *place = json!([null]);
            place = &mut place[at];
        } else {
            if !place.is_object() {
                *place = json!({});
            }
            place = &mut place[name.as_str()];
        }
    }
    *place = value.clone();
    config
}

/// Levels of the statuses of system, pointset and points.
fn statuses(state: &Value) -> Vec<(String, i64)> {
    let points = state.pointer("/pointset/points").and_then(Value::as_object).into_iter().flatten();
    let places = [state.pointer("/system"), state.get("pointset")].into_iter().flatten();
    let all = places.chain(points.filter(|(name, _)| *name != "stranger").map(|(_, point)| point));
    let level = |block: &Value| {
        let status = block.get("status")?;
        Some((status["category"].as_str()?.to_owned(), status["level"].as_i64()?))
    };
    all.filter_map(level).collect()
}

fn publish_and_look(world: &mut World, config: &Value) -> Value {
    world.publish_config(config);
    world.advance(4100);
    world.cloud.state().expect("there is a state").clone()
}

#[test]
fn every_member_of_every_wrong_type_gives_a_clear_status_and_leaves_no_trace() {
    let mut world = World::new(setup(1));
    world.advance(1000);
    let mut silent = Vec::new();
    let members = members();
    assert!(members.len() > 60, "{} members", members.len());
    for (path, types) in &members {
        for value in wrong(types) {
            let config = with_value(last_config().to_json(&world), path, &value);
            let state = publish_and_look(&mut world, &config);
            let is_clear = |(category, level): &(String, i64)| {
                *level >= 400
                    && (category == "system.config.parse" || category.starts_with("pointset.point."))
            };
            let is_ignored = IGNORED.iter().any(|ignored| path.join(".").starts_with(ignored));
            if !statuses(&state).iter().any(is_clear) && !is_ignored {
                silent.push(format!("{} = {value}", path.join(".")));
            }
            let good = last_config().to_json(&world);
            let state = publish_and_look(&mut world, &good);
            assert_eq!(state["system"]["last_config"], good["timestamp"], "after {path:?} = {value}");
            assert_eq!(statuses(&state), [], "after {path:?} = {value}");
        }
    }
    assert!(silent.is_empty(), "no status for:\n{}", silent.join("\n"));
}

#[test]
fn a_member_that_is_null_is_as_good_as_absent() {
    let mut world = World::new(setup(1));
    world.advance(1000);
    for (path, _) in members().into_iter().filter(|(path, _)| path[0] != "timestamp" && !is_entry(path)) {
        let config = with_value(last_config().to_json(&world), &path, &Value::Null);
        let state = publish_and_look(&mut world, &config);
        assert_eq!(state["system"]["last_config"], config["timestamp"], "{path:?} = null");
        let is_parse = |(category, _): &(String, i64)| category == "system.config.parse";
        assert!(!statuses(&state).iter().any(is_parse), "{path:?} = null: {:?}", statuses(&state));
    }
}
