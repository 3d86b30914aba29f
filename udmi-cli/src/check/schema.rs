//! Documents held against the schemas made from the model, with findings in plain words.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{Draft, Retrieve, Uri, ValidationError, Validator};
use serde_json::Value;
use udmi_proto::model::documents;

use super::Finding;
use crate::difference::Brief;

/// What is said of a member that no schema knows.
pub(super) const UNEXPECTED: &str = "no such member is expected here";

/// The schemas, each made ready when it is first needed.
#[derive(Debug)]
pub(super) struct Schemas {
    shelf: Arc<BTreeMap<&'static str, Value>>,
    ready: BTreeMap<&'static str, Result<Validator, String>>,
}

impl Schemas {
    pub(super) fn new() -> Self {
        let parsed =
            documents::schemas().filter_map(|(name, text)| Some((name, serde_json::from_str(&text).ok()?)));
        Self { shelf: Arc::new(parsed.collect()), ready: BTreeMap::new() }
    }

    /// What is wrong with a document of that kind.
    pub(super) fn findings(&mut self, name: &'static str, file: &Path, document: &Value) -> Vec<Finding> {
        let shelf = &self.shelf;
        let finding =
            |path, problem| Finding { file: file.to_owned(), line: None, column: None, path, problem };
        match self.ready.entry(name).or_insert_with(|| validator(name, shelf)) {
            Ok(validator) => {
                let told = validator.iter_errors(document).flat_map(|error| tell(&error));
                told.map(|(path, problem)| finding(path, problem)).collect()
            }
            Err(reason) => vec![finding(String::new(), reason.clone())],
        }
    }
}

fn validator(name: &str, shelf: &Arc<BTreeMap<&'static str, Value>>) -> Result<Validator, String> {
    let schema = shelf.get(name).ok_or_else(|| format!("there is no schema {name}"))?;
    jsonschema::options()
        .with_draft(Draft::Draft7)
        .with_base_uri(format!("file:///{name}.json"))
        .with_retriever(Shelf(shelf.clone()))
        .should_validate_formats(true)
        .build(schema)
        .map_err(|error| format!("schema {name}: {error}"))
}

/// Resolves references such as `file:entry.json` from the schemas at hand, never from the disk.
struct Shelf(Arc<BTreeMap<&'static str, Value>>);

impl Retrieve for Shelf {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        let name = uri.path().as_str().rsplit('/').next().unwrap_or_default().trim_end_matches(".json");
        self.0.get(name).cloned().ok_or_else(|| format!("no schema {name}").into())
    }
}

/// Where something is wrong, and what was expected there.
fn tell(error: &ValidationError<'_>) -> Vec<(String, String)> {
    let at = error.instance_path().to_string();
    let found = Brief(error.instance());
    let problem = match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let member = |name: &String| (format!("{at}/{}", escaped(name)), UNEXPECTED.to_owned());
            return unexpected.iter().map(member).collect();
        }
        ValidationErrorKind::Required { property } => {
            format!("expected the member {property}, which is missing")
        }
        ValidationErrorKind::Type { kind } => format!("expected {}, found {found}", types(kind)),
        ValidationErrorKind::Enum { options } => format!("expected one of {}, found {found}", list(options)),
        ValidationErrorKind::Pattern { pattern } => {
            format!("expected a text that matches {pattern}, found {found}")
        }
        ValidationErrorKind::Format { format } => format!("expected a {format}, found {found}"),
        ValidationErrorKind::Minimum { limit } => format!("expected at least {limit}, found {found}"),
        ValidationErrorKind::Maximum { limit } => format!("expected at most {limit}, found {found}"),
        ValidationErrorKind::MaxLength { limit } => {
            format!("expected at most {limit} characters, found {found}")
        }
        ValidationErrorKind::PropertyNames { error } => {
            format!("a member's name: {}", error.masked_with("the name"))
        }
        // The library's words for the rare rest, without the value, which may be long.
        _ => format!("{}, found {found}", error.masked()),
    };
    vec![(at, problem)]
}

fn types(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(name) => name.to_string(),
        TypeKind::Multiple(names) => {
            names.iter().map(|name| name.to_string()).collect::<Vec<_>>().join(" or ")
        }
    }
}

/// How many choices a finding names.
const CHOICES_SHOWN: usize = 12;

fn list(options: &Value) -> String {
    let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
    let shown: Vec<_> = options.iter().take(CHOICES_SHOWN).map(ToString::to_string).collect();
    let more = options.len().saturating_sub(CHOICES_SHOWN);
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}

/// A member's name in a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn findings_name_the_place_and_what_was_expected() {
        let event = json!({ "timestamp": "yesterday", "version": "1.5.7", "extra": 1,
            "points": { "sat": {}, "Bad Name": { "present_value": 1 } }, "partial_update": "yes" });
        let found = Schemas::new().findings("events_pointset", Path::new("x.json"), &event);
        let told: Vec<_> = found.iter().map(ToString::to_string).collect();
        for wanted in [
            "x.json: /extra: no such member is expected here",
            "x.json: /timestamp: expected a date-time, found \"yesterday\"",
            "x.json: /partial_update: expected boolean, found \"yes\"",
            "x.json: /points/Bad Name: no such member is expected here",
        ] {
            assert!(told.iter().any(|line| line == wanted), "{wanted} is not in {told:#?}");
        }
    }

    #[test]
    fn every_schema_can_be_used() {
        let mut schemas = Schemas::new();
        for document in documents::DOCUMENTS.iter().filter_map(|document| document.name) {
            schemas.findings(document, Path::new(""), &json!({}));
            assert!(matches!(schemas.ready.get(document), Some(Ok(_))), "{document}");
        }
    }
}
