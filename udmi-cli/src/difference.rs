//! What differs between two JSON documents, leaf by leaf.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Map, Value};

/// One leaf that differs. A status is a leaf as a whole.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    /// Where, as `pointset.points.sat`.
    pub(crate) path: String,
    /// What was there.
    pub(crate) before: Option<Value>,
    /// What is there now.
    pub(crate) after: Option<Value>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.before, &self.after) {
            (None, Some(after)) => write!(f, "+ {} = {}", self.path, Brief(after)),
            (Some(before), None) => write!(f, "- {} (was {})", self.path, Brief(before)),
            (Some(before), Some(after)) => {
                write!(f, "~ {}: {} -> {}", self.path, Brief(before), Brief(after))
            }
            (None, None) => f.write_str(&self.path),
        }
    }
}

/// The leaves that differ, in the order of their paths.
pub(crate) fn changes(before: &Value, after: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    compare("", Some(before), Some(after), &mut found);
    found
}

fn compare(path: &str, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Change>) {
    if before == after {
        return;
    }
    members(path, before, after, found);
    let (before, after) = (leaf(before, after), leaf(after, before));
    if before.is_some() || after.is_some() {
        found.push(Change { path: path.to_owned(), before, after });
    }
}

/// The side, if it is a leaf; an empty object beside a branch is told by the members of that.
fn leaf(side: Option<&Value>, other: Option<&Value>) -> Option<Value> {
    let empty = |side: &Value| side.as_object().is_some_and(Map::is_empty);
    side.filter(|side| !is_branch(side)).filter(|side| !empty(side) || !other.is_some_and(is_branch)).cloned()
}

/// Compares what is in branches; leaves have nothing in them.
fn members(path: &str, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Change>) {
    let [before, after] = [before, after].map(|side| side.filter(|side| is_branch(side)));
    let names = [before, after].into_iter().flatten().filter_map(Value::as_object).flat_map(Map::keys);
    for name in names.collect::<BTreeSet<_>>() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let [before, after] = [before, after].map(|side| side.and_then(|side| side.get(name)));
        compare(&path, before, after, found);
    }
}

/// Whether a value is looked into; a status, and what is empty, is not.
fn is_branch(value: &Value) -> bool {
    value.as_object().is_some_and(|object| !object.is_empty()) && as_entry(value).is_none()
}

/// Level, category and message of a status or log entry.
pub(crate) fn as_entry(value: &Value) -> Option<(u64, &str, &str)> {
    let level = value.get("level")?.as_u64()?;
    Some((level, value.get("category")?.as_str()?, value.get("message")?.as_str()?))
}

/// A value in one line: entries by level, category and message, everything else as JSON, cut where it is long.
pub(crate) struct Brief<'a>(pub(crate) &'a Value);

/// What a value is cut to, in characters.
const SHOWN: usize = 200;

impl fmt::Display for Brief<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match as_entry(self.0) {
            Some((level, category, message)) => write!(f, "{level} {} {}", Plain(category), Plain(message)),
            None => {
                let text = self.0.to_string();
                match text.char_indices().nth(SHOWN) {
                    Some((end, _)) => write!(f, "{}…", Plain(text.get(..end).unwrap_or_default())),
                    None => Plain(&text).fmt(f),
                }
            }
        }
    }
}

/// Text of a peer for a terminal: without control characters.
pub(crate) struct Plain<'a>(pub(crate) &'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in self.0.split_inclusive(char::is_control) {
            let mut characters = part.chars();
            match characters.next_back().filter(|last| last.is_control()) {
                Some(last) => write!(f, "{}{}", characters.as_str(), last.escape_default())?,
                None => f.write_str(part)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(before: &Value, after: &Value) -> Vec<String> {
        changes(before, after).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn only_leaves_that_differ_are_told() {
        let before = json!({ "a": { "same": 1, "gone": 2, "other": 3 }, "b": {} });
        let after = json!({ "a": { "same": 1, "new": [1, 2], "other": "x" }, "b": {} });
        let wanted = ["- a.gone (was 2)", "+ a.new = [1,2]", "~ a.other: 3 -> \"x\""];
        assert_eq!(told(&before, &after), wanted);
    }

    #[test]
    fn a_status_is_told_as_a_whole() {
        let status = json!({ "level": 500, "category": "pointset.point.failure", "message": "no\nway",
            "timestamp": "2026-03-01T10:00:00Z" });
        let after = json!({ "points": { "sat": { "status": status } } });
        assert_eq!(told(&json!({}), &after), ["+ points.sat.status = 500 pointset.point.failure no\\nway"]);
    }

    #[test]
    fn a_branch_that_becomes_a_leaf_loses_its_leaves() {
        let told = told(&json!({ "a": { "b": 1 } }), &json!({ "a": 2 }));
        assert_eq!(told, ["- a.b (was 1)", "+ a = 2"]);
    }
}
