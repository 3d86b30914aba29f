//! Judging values: timestamps, enums of a state, changes of a state.

use std::collections::BTreeMap;

use serde_json::Value;
use udmi_proto::model::common::Timestamp;

/// Beginnings of paths that may change in every sequence (§9.3).
const MAY_CHANGE: [&str; 4] = ["timestamp", "system.last_config", "system.status", "gateway.status"];
const MODES: [&str; 6] = ["initial", "active", "updating", "restart", "terminate", "shutdown"];
const SCAN_PHASES: [&str; 3] = ["stopped", "pending", "active"];
const VALUE_STATES: [&str; 6] = ["initializing", "applied", "updating", "overridden", "invalid", "failure"];

/// A timestamp in milliseconds.
pub(super) fn millis(text: &str) -> Option<i64> {
    Timestamp::from(text.to_owned()).millis().ok()
}

/// Why the tool's own mapping of a state would give up, if it would (§10.2).
pub(super) fn unreadable(state: &Value) -> Option<String> {
    let known = |value: &Value, names: &[&str]| match value {
        Value::Null => None,
        Value::String(text) if names.contains(&text.as_str()) => None,
        other => Some(format!("{other} is none of {}", names.join(", "))),
    };
    let mode = known(&state["system"]["operation"]["mode"], &MODES);
    let points = state.pointer("/pointset/points").and_then(Value::as_object);
    let states =
        points.into_iter().flatten().find_map(|(_, point)| known(&point["value_state"], &VALUE_STATES));
    let families = state.pointer("/discovery/families").and_then(Value::as_object);
    let phases = families.into_iter().flatten().find_map(|(_, family)| known(&family["phase"], &SCAN_PHASES));
    mode.or(states).or(phases)
}

/// Paths of a state that changed though they may not.
pub(super) fn unallowed_changes(before: &Value, after: &Value, may_change: &[String]) -> Vec<String> {
    let (before, after) = (leaves(before), leaves(after));
    let allowed = |path: &str| {
        MAY_CHANGE.iter().any(|start| path.starts_with(start))
            || may_change.iter().any(|start| path.starts_with(start))
    };
    let paths = before.keys().chain(after.keys().filter(|path| !before.contains_key(*path)));
    paths.filter(|path| before.get(*path) != after.get(*path) && !allowed(path)).cloned().collect()
}

fn leaves(value: &Value) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    let mut open = vec![(String::new(), value)];
    while let Some((path, value)) = open.pop() {
        match value.as_object() {
            Some(members) if !members.is_empty() => open.extend(members.iter().map(|(name, member)| {
                (if path.is_empty() { name.clone() } else { format!("{path}.{name}") }, member)
            })),
            Some(_) | None => drop(found.insert(path, value.clone())),
        }
    }
    found
}

/// Whether a text reads as a finite number to the tool: as Java reads a double.
pub(super) fn reads_as_number(text: &str) -> bool {
    let text = text.trim();
    let text = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_hexadecimal = unsigned.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("0x"))
        && unsigned.contains(['p', 'P']);
    is_hexadecimal || text.parse::<f64>().is_ok_and(f64::is_finite)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn texts_read_as_numbers_as_java_reads_them() {
        for text in ["1e3", "0x1p3", " 5 ", "5d", "7f", "-2.5"] {
            assert!(reads_as_number(text), "{text}");
        }
        for text in ["", "on", "NaN", "Infinity", "5 bar", "f"] {
            assert!(!reads_as_number(text), "{text}");
        }
    }

    #[test]
    fn only_what_is_on_the_list_may_change() {
        let before = json!({ "timestamp": "a", "system": { "serial_no": "1", "status": { "level": 500 } } });
        let after = json!({ "timestamp": "b", "system": { "serial_no": "2" } });
        assert_eq!(unallowed_changes(&before, &after, &[]), ["system.serial_no"]);
        assert!(unallowed_changes(&before, &after, &["system.".into()]).is_empty());
    }
}
