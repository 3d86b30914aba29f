//! Layers of metadata laid over each other (§8.3).

use serde_json::{Map, Value};

/// Begins a key that applies only if a later layer has the key without the mark.
const CONDITIONAL: char = '?';

/// Lays `over` on `base`: objects merge member by member, anything else replaces. A member `?name` of `base`
/// is the base of `name` if `over` has `name`, and is dropped otherwise.
pub(super) fn overlay(base: Map<String, Value>, over: Map<String, Value>) -> Map<String, Value> {
    let mut merged = over;
    let (conditional, plain): (Vec<_>, Vec<_>) =
        base.into_iter().partition(|(name, _)| name.starts_with(CONDITIONAL));
    for (name, value) in plain {
        lay_under(&mut merged, name, value);
    }
    for (name, value) in conditional {
        let name = name.trim_start_matches(CONDITIONAL);
        if merged.contains_key(name) {
            lay_under(&mut merged, name.to_owned(), value);
        }
    }
    merged
}

/// Drops the conditional members that no layer has met.
pub(super) fn drop_conditional(object: &mut Map<String, Value>) {
    object.retain(|name, _| !name.starts_with(CONDITIONAL));
    for value in object.values_mut() {
        if let Value::Object(inner) = value {
            drop_conditional(inner);
        }
    }
}

fn lay_under(merged: &mut Map<String, Value>, name: String, value: Value) {
    match (merged.remove(&name), value) {
        (Some(Value::Object(over)), Value::Object(base)) => {
            merged.insert(name, Value::Object(overlay(base, over)));
        }
        (Some(over), _) => drop(merged.insert(name, over)),
        (None, value) => drop(merged.insert(name, value)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn assert_overlay(base: Value, over: Value, expected: &Value) {
        let (Value::Object(base), Value::Object(over)) = (base, over) else { panic!("objects") };
        let mut merged = overlay(base, over);
        drop_conditional(&mut merged);
        assert_eq!(&Value::Object(merged), expected);
    }

    #[test]
    fn objects_merge_and_other_values_replace() {
        assert_overlay(
            json!({"a": {"x": 1, "y": [1, 2]}, "b": {"x": 1}, "c": 1}),
            json!({"a": {"y": [3]}, "b": 2, "d": 4}),
            &json!({"a": {"x": 1, "y": [3]}, "b": 2, "c": 1, "d": 4}),
        );
    }

    #[test]
    fn a_conditional_key_applies_only_where_a_later_layer_has_the_block() {
        assert_overlay(
            json!({"?pointset": {"sample_rate_sec": 30}, "?gateway": {"x": 1}}),
            json!({"pointset": {"points": {}}}),
            &json!({"pointset": {"points": {}, "sample_rate_sec": 30}}),
        );
    }

    #[test]
    fn a_conditional_key_does_not_override() {
        assert_overlay(json!({"?a": {"x": 1}}), json!({"a": {"x": 2}}), &json!({"a": {"x": 2}}));
        assert_overlay(json!({"?a": {"x": 1}}), json!({"a": 3}), &json!({"a": 3}));
    }

    #[test]
    fn conditional_keys_work_inside_blocks() {
        let base = json!({"a": {"?b": {"x": 1}, "c": 1}});
        assert_overlay(base.clone(), json!({"a": {"b": {}}}), &json!({"a": {"b": {"x": 1}, "c": 1}}));
        assert_overlay(base, json!({}), &json!({"a": {"c": 1}}));
    }
}
