//! JSON files of a site model: reading them, and looking into them with errors that name file and place.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

/// The largest file of a site model that is read, in bytes.
pub const MAX_SITE_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// What is wrong in a site model, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteError {
    /// The file or folder at fault.
    pub file: PathBuf,
    /// The place in the JSON document as `/block/member`, empty for the file as a whole.
    pub path: String,
    /// What is wrong and what was expected.
    pub problem: String,
}

impl SiteError {
    pub(super) fn file(file: &Path, problem: impl Into<String>) -> Self {
        Self { file: file.to_owned(), path: String::new(), problem: problem.into() }
    }
}

impl fmt::Display for SiteError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: ", self.file.display())?;
        if !self.path.is_empty() {
            write!(formatter, "{}: ", self.path)?;
        }
        formatter.write_str(&self.problem)
    }
}

impl std::error::Error for SiteError {}

/// Reads a whole file of bounded size.
pub(super) fn read_bytes(path: &Path) -> Result<Vec<u8>, SiteError> {
    let fail = |error: std::io::Error| SiteError::file(path, format!("cannot be read: {error}"));
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(fail)?;
    file.take(MAX_SITE_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > MAX_SITE_FILE_BYTES {
        return Err(SiteError::file(path, format!("larger than {MAX_SITE_FILE_BYTES} bytes")));
    }
    Ok(bytes)
}

/// Reads a JSON object that may begin with lines of `//` comment.
pub(super) fn read_object(path: &Path) -> Result<Map<String, Value>, SiteError> {
    let bytes = read_bytes(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| SiteError::file(path, "not UTF-8; expected JSON"))?;
    let value = serde_json::from_str(&blank_comments(text))
        .map_err(|error| SiteError::file(path, format!("not JSON: {error}")))?;
    match value {
        Value::Object(object) => Ok(object),
        other => Err(SiteError::file(path, format!("expected an object, found {}", kind(&other)))),
    }
}

/// Empties leading comment lines, so that line numbers in errors stay right.
fn blank_comments(text: &str) -> String {
    let mut leading = true;
    let mut kept = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim_start();
        leading &= trimmed.is_empty() || trimmed.starts_with("//");
        kept.push_str(if leading { "\n" } else { line });
    }
    kept
}

/// A value in a document, which knows where it is.
#[derive(Clone)]
pub(super) struct Node<'a> {
    file: &'a Path,
    path: String,
    value: &'a Value,
}

impl<'a> Node<'a> {
    pub(super) fn root(file: &'a Path, value: &'a Value) -> Self {
        Self { file, path: String::new(), value }
    }

    pub(super) fn value(&self) -> &'a Value {
        self.value
    }

    /// The member `name`; an error if this is no object, `None` if the member is missing or null.
    pub(super) fn get(&self, name: &str) -> Result<Option<Self>, SiteError> {
        let member = self.object()?.get(name).filter(|value| !value.is_null());
        Ok(member.map(|value| self.child(name, value)))
    }

    /// The member at the end of `names`, `None` if it or one before it is missing.
    pub(super) fn find(&self, names: &[&str]) -> Result<Option<Self>, SiteError> {
        let mut found = self.clone();
        for name in names {
            let Some(next) = found.get(name)? else { return Ok(None) };
            found = next;
        }
        Ok(Some(found))
    }

    pub(super) fn string_at(&self, names: &[&str]) -> Result<Option<&'a str>, SiteError> {
        self.find(names)?.map(|node| node.string()).transpose()
    }

    pub(super) fn bool_at(&self, names: &[&str]) -> Result<Option<bool>, SiteError> {
        let Some(node) = self.find(names)? else { return Ok(None) };
        node.value.as_bool().map(Some).ok_or_else(|| node.expected("true or false"))
    }

    /// A whole number between `least` and `most`.
    pub(super) fn integer_at(&self, names: &[&str], least: i64, most: i64) -> Result<Option<i64>, SiteError> {
        let Some(node) = self.find(names)? else { return Ok(None) };
        let number = node.value.as_i64().filter(|number| (least..=most).contains(number));
        number.map(Some).ok_or_else(|| node.expected(&format!("a whole number from {least} to {most}")))
    }

    pub(super) fn string(&self) -> Result<&'a str, SiteError> {
        self.value.as_str().ok_or_else(|| self.expected("a string"))
    }

    pub(super) fn object(&self) -> Result<&'a Map<String, Value>, SiteError> {
        self.value.as_object().ok_or_else(|| self.expected("an object"))
    }

    /// The members of an object, in the order of their names.
    pub(super) fn members(&self) -> Result<Vec<(&'a str, Self)>, SiteError> {
        let members = self.object()?.iter();
        Ok(members.map(|(name, value)| (name.as_str(), self.child(name, value))).collect())
    }

    pub(super) fn items(&self) -> Result<Vec<Self>, SiteError> {
        let items = self.value.as_array().ok_or_else(|| self.expected("a list"))?;
        Ok(items.iter().enumerate().map(|(index, value)| self.child(&index.to_string(), value)).collect())
    }

    /// An error about this value.
    pub(super) fn expected(&self, what: &str) -> SiteError {
        let found = match self.value {
            Value::String(text) => format!("'{}'", text.escape_debug()),
            Value::Number(number) => number.to_string(),
            other => kind(other).to_owned(),
        };
        self.problem(format!("expected {what}, found {found}"))
    }

    /// An error at this place.
    pub(super) fn problem(&self, problem: impl Into<String>) -> SiteError {
        SiteError { file: self.file.to_owned(), path: self.path.clone(), problem: problem.into() }
    }

    /// An error that a member of this object is missing.
    pub(super) fn missing(&self, name: &str, what: &str) -> SiteError {
        let path = format!("{}/{name}", self.path);
        SiteError { file: self.file.to_owned(), path, problem: format!("missing; expected {what}") }
    }

    fn child(&self, name: &str, value: &'a Value) -> Self {
        Self { file: self.file, path: format!("{}/{name}", self.path), value }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(true) => "true",
        Value::Bool(false) => "false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn leading_comments_are_no_json_and_keep_line_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        std::fs::write(&path, "// one\n  // two\n\n{\"a\": \"http://x\"}\n").unwrap();
        assert_eq!(read_object(&path).unwrap()["a"], "http://x");
        std::fs::write(&path, "// one\n{\n \"a\" 1}\n").unwrap();
        let error = read_object(&path).unwrap_err();
        assert!(error.to_string().contains("line 3"), "{error}");
    }

    #[test]
    fn what_is_no_object_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        for (content, problem) in
            [(&b"[]"[..], "expected an object, found a list"), (b"", "not JSON"), (b"\xff", "not UTF-8")]
        {
            std::fs::write(&path, content).unwrap();
            let error = read_object(&path).unwrap_err();
            assert!(error.problem.starts_with(problem), "{error}");
            assert!(error.to_string().starts_with(path.to_str().unwrap()), "{error}");
        }
        assert!(read_object(folder.path()).unwrap_err().problem.starts_with("cannot be read"));
    }

    #[test]
    fn errors_name_file_place_expectation_and_finding() {
        let value = json!({"a": {"b": ["x", 7]}, "n": null});
        let root = Node::root(Path::new("f.json"), &value);
        let items = root.find(&["a", "b"]).unwrap().unwrap().items().unwrap();
        let error = items[1].string().unwrap_err();
        assert_eq!(error.to_string(), "f.json: /a/b/1: expected a string, found 7");
        let error = root.string_at(&["a"]).unwrap_err();
        assert_eq!(error.to_string(), "f.json: /a: expected a string, found an object");
        assert_eq!(root.string_at(&["n"]), Ok(None));
        assert!(root.integer_at(&["a", "b"], 0, 1).is_err());
    }
}
