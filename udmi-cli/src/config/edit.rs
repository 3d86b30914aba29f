//! Edits of a config: `path=value`, with dots between the members of the path.

use serde_json::{Map, Value};

/// Members on one path.
const DEPTH_MAX: usize = 32;

/// One edit of a document.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Edit {
    path: Vec<String>,
    /// None takes the member away.
    value: Option<Value>,
}

impl Edit {
    /// Reads `path=value`. The value is JSON, or else a text.
    pub(crate) fn set(text: &str) -> Result<Self, String> {
        let (path, value) = text.split_once('=').ok_or("expected PATH=VALUE")?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
        Ok(Self { path: path_of(path)?, value: Some(value) })
    }

    /// Reads the path of a member to be taken away.
    pub(crate) fn unset(text: &str) -> Result<Self, String> {
        Ok(Self { path: path_of(text)?, value: None })
    }

    /// Whether it concerns the top-level member of that name.
    pub(super) fn touches(&self, member: &str) -> bool {
        self.path.first().is_some_and(|first| first == member)
    }

    /// Carries the edit out.
    ///
    /// # Errors
    /// The path leads through a value that has no members.
    pub(super) fn apply(&self, document: &mut Map<String, Value>) -> Result<(), String> {
        let Some((last, branches)) = self.path.split_last() else { return Ok(()) };
        let mut at = document;
        for (depth, name) in branches.iter().enumerate() {
            if self.value.is_none() && !at.contains_key(name) {
                return Ok(()); // nothing to take away
            }
            let member = at.entry(name).or_insert_with(|| Value::Object(Map::new()));
            let way = || self.path.get(..=depth).unwrap_or_default().join(".");
            at = member.as_object_mut().ok_or_else(|| format!("{} is no object", way()))?;
        }
        match &self.value {
            Some(value) => drop(at.insert(last.clone(), value.clone())),
            None => drop(at.remove(last)),
        }
        Ok(())
    }
}

fn path_of(text: &str) -> Result<Vec<String>, String> {
    let path: Vec<String> = text.split('.').map(ToOwned::to_owned).collect();
    if path.iter().any(String::is_empty) {
        return Err(format!("expected a path such as system.metrics_rate_sec, found '{text}'"));
    }
    if path.len() > DEPTH_MAX {
        return Err(format!("a path has at most {DEPTH_MAX} members"));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn edited(mut document: Value, edits: &[Edit]) -> Value {
        let members = document.as_object_mut().unwrap();
        edits.iter().for_each(|edit| edit.apply(members).unwrap());
        document
    }

    #[test]
    fn values_are_json_or_else_text() {
        let edits = [
            Edit::set("pointset.points.sat.set_value=21.5").unwrap(),
            Edit::set("pointset.points.mode.set_value=auto").unwrap(),
            Edit::set("system.operation={\"mode\":\"active\"}").unwrap(),
            Edit::set("system.note=a=b").unwrap(),
        ];
        let wanted = json!({
            "pointset": { "points": { "sat": { "set_value": 21.5 }, "mode": { "set_value": "auto" } } },
            "system": { "operation": { "mode": "active" }, "note": "a=b" },
        });
        assert_eq!(edited(json!({}), &edits), wanted);
    }

    #[test]
    fn what_is_not_there_cannot_be_missed() {
        let unset = [Edit::unset("a.b").unwrap(), Edit::unset("x.y").unwrap()];
        assert_eq!(edited(json!({ "a": { "b": 1, "c": 2 } }), &unset), json!({ "a": { "c": 2 } }));
    }

    #[test]
    fn a_path_through_a_value_is_refused() {
        let mut document = json!({ "a": 1 });
        let edit = Edit::set("a.b.c=2").unwrap();
        assert_eq!(edit.apply(document.as_object_mut().unwrap()), Err("a is no object".to_owned()));
        assert!(Edit::set("a..b=1").is_err() && Edit::set("a").is_err() && Edit::unset("").is_err());
    }
}
