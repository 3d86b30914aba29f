//! Metadata of older versions, brought up to what is spoken today (§2.4).

use serde_json::{Map, Value};

/// The version written today.
pub(super) const CURRENT: &str = "1.5.7";

/// Rewrites what older versions wrote in another way; if anything changed, `version` becomes the current one
/// and `upgraded_from` the former.
///
/// # Errors
/// What is wrong with the version.
pub(super) fn upgrade(metadata: &mut Map<String, Value>) -> Result<(), String> {
    let version = match metadata.get("version") {
        None | Some(Value::Null) => "1".to_owned(),
        Some(Value::String(version)) => version.clone(),
        Some(Value::Number(version)) => version.to_string(),
        Some(_) => return Err("expected a version such as 1.5.7".to_owned()),
    };
    if !is_older(&version)? {
        return Ok(());
    }
    let changes = [
        move_root_tags(metadata),
        rename(object(metadata, &["cloud"]), "connection_type", "resource_type"),
        rename(object(metadata, &["localnet"]), "subsystem", "families"),
        upgrade_families(metadata),
        upgrade_target(metadata),
        upgrade_point_references(metadata),
    ];
    if changes.contains(&true) {
        metadata.insert("upgraded_from".to_owned(), Value::String(version));
        metadata.insert("version".to_owned(), Value::String(CURRENT.to_owned()));
    }
    Ok(())
}

/// Whether a version is before the current one: `1.5.2`, `1.3.14-85-g61f475b7`; `git…` is never.
fn is_older(version: &str) -> Result<bool, String> {
    if version.starts_with("git") {
        return Ok(false);
    }
    let fail = || format!("expected a version such as {CURRENT}, found '{}'", version.escape_debug());
    let parse = |text: &str| -> Option<[u32; 3]> {
        let mut parts = [0; 3];
        for (index, part) in text.split('.').enumerate() {
            *parts.get_mut(index)? = part.parse().ok()?;
        }
        Some(parts)
    };
    let numbers = version.split('-').next().and_then(parse).filter(|parts| parts[0] == 1).ok_or_else(fail)?;
    Ok(Some(numbers) < parse(CURRENT))
}

fn move_root_tags(metadata: &mut Map<String, Value>) -> bool {
    if !metadata.get("system").is_some_and(Value::is_object) {
        return false;
    }
    let Some(tags) = metadata.remove("tags") else { return false };
    if let Some(system) = object(metadata, &["system"]) {
        system.entry("tags").or_insert(tags);
    }
    true
}

fn upgrade_families(metadata: &mut Map<String, Value>) -> bool {
    let Some(families) = object(metadata, &["localnet", "families"]) else { return false };
    let mut changed = false;
    for (name, family) in families.iter_mut() {
        changed |= rename(family.as_object_mut(), "id", "addr");
        if name == "modbus" {
            changed |= number_to_unit(family.as_object_mut());
        }
    }
    changed
}

fn upgrade_target(metadata: &mut Map<String, Value>) -> bool {
    let target = object(metadata, &["gateway", "target"]);
    number_to_unit(target.filter(|target| target.get("family").and_then(Value::as_str) == Some("modbus")))
}

/// BACnet references `AV:1` become `AV/1`.
fn upgrade_point_references(metadata: &mut Map<String, Value>) -> bool {
    let Some(points) = object(metadata, &["pointset", "points"]) else { return false };
    let mut changed = false;
    for point in points.values_mut() {
        let Some(Value::String(reference)) = point.get_mut("ref") else { continue };
        let Some((kind, number)) = reference.split_once(':') else { continue };
        let is_kind = (2..=4).contains(&kind.len()) && kind.bytes().all(|byte| byte.is_ascii_uppercase());
        if is_kind && number.starts_with(|digit: char| digit.is_ascii_digit()) {
            *reference = format!("{kind}/{number}");
            changed = true;
        }
    }
    changed
}

/// An address that is only a number is a unit of the bus.
fn number_to_unit(family: Option<&mut Map<String, Value>>) -> bool {
    let is_number = |value: &Value| match value {
        Value::String(text) => !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()),
        other => other.is_u64(),
    };
    let Some(family) = family else { return false };
    if !family.get("addr").is_some_and(is_number) {
        return false;
    }
    let Some(address) = family.remove("addr") else { return false };
    let unit = address.as_str().map_or_else(|| address.to_string(), ToOwned::to_owned);
    family.entry("unitid").or_insert(Value::String(unit));
    true
}

fn rename(object: Option<&mut Map<String, Value>>, from: &str, to: &str) -> bool {
    let Some(object) = object else { return false };
    let Some(value) = object.remove(from) else { return false };
    object.entry(to).or_insert(value);
    true
}

fn object<'a>(root: &'a mut Map<String, Value>, names: &[&str]) -> Option<&'a mut Map<String, Value>> {
    names.iter().try_fold(root, |object, name| object.get_mut(*name)?.as_object_mut())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn upgraded(metadata: Value) -> Value {
        let Value::Object(mut metadata) = metadata else { panic!("an object") };
        upgrade(&mut metadata).unwrap();
        Value::Object(metadata)
    }

    #[test]
    fn old_members_become_new_ones() {
        let old = json!({
            "version": "1.5.0", "tags": ["a"], "system": {}, "cloud": {"connection_type": "DIRECT"},
            "localnet": {"subsystem": {"bacnet": {"id": "12"}, "modbus": {"addr": "2"}}},
            "gateway": {"target": {"family": "modbus", "addr": 7}},
            "pointset": {"points": {"t": {"ref": "AV:1#present_value"}, "u": {"ref": "http://x"}}},
        });
        let new = json!({
            "version": "1.5.7", "upgraded_from": "1.5.0", "system": {"tags": ["a"]},
            "cloud": {"resource_type": "DIRECT"},
            "localnet": {"families": {"bacnet": {"addr": "12"}, "modbus": {"unitid": "2"}}},
            "gateway": {"target": {"family": "modbus", "unitid": "7"}},
            "pointset": {"points": {"t": {"ref": "AV/1#present_value"}, "u": {"ref": "http://x"}}},
        });
        assert_eq!(upgraded(old), new);
    }

    #[test]
    fn what_needs_no_change_keeps_its_version() {
        for version in ["1.5.2", "1.5.7", "1.3.14-85-g61f475b7", "git-250ce5e"] {
            let metadata = json!({"version": version, "system": {}});
            assert_eq!(upgraded(metadata.clone()), metadata);
        }
        assert_eq!(upgraded(json!({"tags": [], "system": {}}))["upgraded_from"], "1");
    }

    #[test]
    fn a_malformed_version_is_refused() {
        for version in [json!("1.4."), json!("2.0.0"), json!("1.2.3.4"), json!(""), json!({}), json!("x")] {
            let Value::Object(mut metadata) = json!({"version": version}) else { panic!("an object") };
            assert!(upgrade(&mut metadata).is_err(), "{version}");
        }
    }
}
