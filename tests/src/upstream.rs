//! Schemas to hold messages against: our own always, UDMI's own where its data is at hand.
//!
//! UDMI's data is looked for in the folder that `UDMI_ROOT` names (a checkout of UDMI), else in
//! `../shared/udmi` beside the workspace. Tests that need it say so and pass when it is missing; their line
//! begins with [`LEFT_OUT`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::{env, fmt, fs};

use jsonschema::{Draft, Retrieve, Uri, Validator};
use serde_json::Value;
use udmi_proto::model::documents;

/// What a test prints in front of the reason why it leaves something out.
pub const LEFT_OUT: &str = "left out:";

/// The folders with UDMI's data.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Holds the schemas, `NAME.json`.
    pub schema: PathBuf,
    /// Holds a folder of examples for each schema.
    pub examples: PathBuf,
}

impl Upstream {
    /// Finds UDMI's data, or tells why there is none.
    ///
    /// # Errors
    ///
    /// A sentence for people.
    pub fn find() -> Result<Self, String> {
        let root = match env::var_os("UDMI_ROOT") {
            Some(root) => PathBuf::from(root),
            None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/udmi"),
        };
        let schema = root.join("schema");
        if !schema.join("state.json").is_file() {
            return Err(format!("no UDMI data in {} (set UDMI_ROOT to a checkout of UDMI)", root.display()));
        }
        let places = [root.join("tests/schemas"), root.join("examples")];
        match places.into_iter().find(|folder| folder.is_dir()) {
            Some(examples) => Ok(Self { schema, examples }),
            None => Err(format!("no UDMI examples in {}", root.display())),
        }
    }

    /// As [`Upstream::find`], but prints why there is no data.
    #[must_use]
    pub fn find_or_say(test: &str) -> Option<Self> {
        Self::find().inspect_err(|reason| eprintln!("{LEFT_OUT} {test}: {reason}")).ok()
    }

    /// Reads all schemas by name.
    ///
    /// # Errors
    ///
    /// A sentence for people, if a file cannot be read.
    pub fn schemas(&self) -> Result<BTreeMap<String, Value>, String> {
        let mut schemas = BTreeMap::new();
        for path in json_files(&self.schema)? {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            schemas.insert(name, read_json(&path)?);
        }
        Ok(schemas)
    }
}

/// Lists the JSON files of a folder, sorted.
///
/// # Errors
///
/// A sentence for people, if the folder cannot be read.
pub fn json_files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let failed = |error| format!("{}: {error}", folder.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Reads a JSON file, which may have `//` comments as UDMI's examples do.
///
/// # Errors
///
/// A sentence for people.
pub fn read_json(path: &Path) -> Result<Value, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_str(&without_comments(&text)).map_err(|error| format!("{}: {error}", path.display()))
}

/// Drops what follows `//` on each line, outside of quotes.
fn without_comments(text: &str) -> String {
    text.lines().map(|line| line.get(..comment_start(line)).unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

fn comment_start(line: &str) -> usize {
    let (mut quoted, mut escaped, mut slash) = (false, false, false);
    for (at, byte) in line.bytes().enumerate() {
        if byte == b'/' && slash && !quoted {
            return at - 1;
        }
        slash = byte == b'/';
        quoted ^= byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
    }
    line.len()
}

/// Whose schema found something wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whose {
    /// The schema made from our model.
    Ours,
    /// UDMI's own schema.
    Upstream,
}

/// Something a schema does not allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whose schema it is.
    pub whose: Whose,
    /// Where in the message, as a JSON pointer.
    pub at: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = match self.whose {
            Whose::Ours => "our schema",
            Whose::Upstream => "UDMI's schema",
        };
        write!(formatter, "{whose} at {}: {}", self.at, self.message)
    }
}

/// Holds a message against the document of that name, such as `state` or `events_pointset`: against our
/// schema, and against UDMI's where its data is at hand.
///
/// # Errors
///
/// All findings; also if there is no schema of that name.
pub fn validate(document: &str, json: &Value) -> Result<(), Vec<Finding>> {
    let mut findings = validate_with(Whose::Ours, document, json);
    static IS_THERE: OnceLock<bool> = OnceLock::new();
    if *IS_THERE.get_or_init(|| Upstream::find().is_ok()) {
        findings.extend(validate_with(Whose::Upstream, document, json));
    }
    if findings.is_empty() { Ok(()) } else { Err(findings) }
}

/// Holds a message against one schema of that name.
#[must_use]
pub fn validate_with(whose: Whose, document: &str, json: &Value) -> Vec<Finding> {
    let finding = |at, message| Finding { whose, at, message };
    match validator(whose, document) {
        Ok(validator) => validator
            .iter_errors(json)
            .map(|error| finding(error.instance_path().to_string(), error.to_string()))
            .collect(),
        Err(reason) => vec![finding(String::new(), reason)],
    }
}

/// Makes the validator of a document, or takes the one made before.
fn validator(whose: Whose, document: &str) -> Result<Arc<Validator>, String> {
    static MADE: Mutex<BTreeMap<(Whose, String), Arc<Validator>>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (whose, document.to_owned());
    if let Some(validator) = made.get(&key) {
        return Ok(Arc::clone(validator));
    }
    let shelf = shelf(whose).as_ref().map_err(Clone::clone)?;
    let schema = shelf.get(document).ok_or_else(|| format!("there is no schema {document}"))?;
    let validator = jsonschema::options()
        .with_draft(Draft::Draft7)
        .with_base_uri(format!("file:///{document}.json"))
        .with_retriever(Shelf(whose))
        .should_validate_formats(true)
        .build(schema)
        .map_err(|error| format!("schema {document}: {error}"))?;
    let validator = Arc::new(validator);
    made.insert(key, Arc::clone(&validator));
    Ok(validator)
}

/// All schemas of one kind, read once.
fn shelf(whose: Whose) -> &'static Result<BTreeMap<String, Value>, String> {
    static OURS: OnceLock<Result<BTreeMap<String, Value>, String>> = OnceLock::new();
    static UPSTREAM: OnceLock<Result<BTreeMap<String, Value>, String>> = OnceLock::new();
    match whose {
        Whose::Ours => OURS.get_or_init(ours),
        Whose::Upstream => UPSTREAM.get_or_init(|| Upstream::find()?.schemas()),
    }
}

fn ours() -> Result<BTreeMap<String, Value>, String> {
    let parse = |text: String| serde_json::from_str(&text).map_err(|error| error.to_string());
    documents::schemas().map(|(name, text)| Ok((name.to_owned(), parse(text)?))).collect()
}

/// Resolves references such as `file:entry.json` from the schemas at hand, never from the disk.
struct Shelf(Whose);

impl Retrieve for Shelf {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        let name = uri.path().as_str().rsplit('/').next().unwrap_or_default().trim_end_matches(".json");
        let schemas = shelf(self.0).as_ref().map_err(Clone::clone)?;
        schemas.get(name).cloned().ok_or_else(|| format!("no schema {name}").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_go_and_quoted_slashes_stay() {
        let text = "// one\n{ \"a\": \"b://c\\\" // d\" } // two";
        assert_eq!(without_comments(text), "\n{ \"a\": \"b://c\\\" // d\" } ");
    }

    #[test]
    fn a_stray_member_is_found() {
        let json =
            serde_json::json!({ "points": {}, "timestamp": "2026-03-01T10:00:00Z", "version": "1.5.7" });
        assert_eq!(validate("events_pointset", &json), Ok(()));
        let mut stray = json;
        stray["extra"] = 1.into();
        let findings = validate("events_pointset", &stray).unwrap_err();
        assert!(findings[0].to_string().contains("extra"), "{findings:?}");
        assert!(validate("no_such_document", &stray).is_err());
    }
}
