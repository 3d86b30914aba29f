//! A dialect's own values in a transcript, whatever they are.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use serde::Serialize;
use serde_json::Value;

use super::packet::shorten;

/// A value on one line: an enum as its name and then its fields, a field as `name=value`.
pub(super) fn render<T: Serialize>(value: &T, width: usize) -> String {
    let text = match serde_json::to_value(value) {
        Ok(value) => outer(&value),
        Err(error) => error.to_string(),
    };
    shorten(&text, width)
}

fn outer(value: &Value) -> String {
    let Value::Object(fields) = value else { return inner(value) };
    match fields.iter().next() {
        Some((name, content)) if fields.len() == 1 && starts_upper(name) => {
            alloc::format!("{name} {}", outer(content)).trim_end().into()
        }
        Some(_) | None => named(fields),
    }
}

fn starts_upper(name: &str) -> bool {
    name.chars().next().is_some_and(char::is_uppercase)
}

/// Fields in the order of their names, since the order of a JSON map depends on how it was built.
fn named(fields: &serde_json::Map<String, Value>) -> String {
    let mut fields: Vec<_> = fields.iter().collect();
    fields.sort_by_key(|(name, _)| *name);
    let fields: Vec<_> =
        fields.into_iter().map(|(name, value)| alloc::format!("{name}={}", inner(value))).collect();
    fields.join(" ")
}

fn inner(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) if is_word(text) => text.clone(),
        Value::String(text) => alloc::format!("{text:?}"),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(inner).collect();
            alloc::format!("[{}]", items.join(" "))
        }
        Value::Object(fields) => alloc::format!("{{{}}}", named(fields)),
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control() || "\"={}[]".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_enum_is_its_name_and_its_fields() {
        let value = serde_json::json!({ "WritePoint": { "value": 21.5, "point": "sat", "note": "a b" } });
        assert_eq!(render(&value, 100), "WritePoint note=\"a b\" point=sat value=21.5");
        assert_eq!(render(&serde_json::json!({ "Own": { "Scan": 3 } }), 100), "Own Scan 3");
        assert_eq!(render(&serde_json::json!("State"), 100), "State");
        assert_eq!(render(&serde_json::json!({ "a": [1, null], "B": {} }), 100), "B={} a=[1 -]");
    }
}
