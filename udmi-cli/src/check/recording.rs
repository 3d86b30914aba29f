//! What `udmi watch --json` has written: one message a line.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::kind::Kind;
use super::schema::Schemas;
use super::{Finding, Report};
use crate::cloud;

/// A line, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Line {
    kind: cloud::Kind,
    folder: Option<String>,
    /// None if it was no JSON.
    message: Option<Value>,
    /// What it was instead.
    text: Option<String>,
}

/// Checks all messages; a report for each kind, with the lines of the findings.
pub(super) fn check(path: &Path, text: &str, schemas: &mut Schemas) -> impl Iterator<Item = Report> + use<> {
    let mut reports: BTreeMap<&'static str, Report> = BTreeMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let (kind, findings) = match judge(path, line, schemas) {
            Ok((kind, findings)) => (Some(kind), findings),
            Err(problem) => (None, vec![whole(path, problem)]),
        };
        let name = kind.map_or("", |kind| kind.document);
        let empty = || Report { file: path.to_owned(), kind, findings: Vec::new(), remark: None };
        let findings = findings.into_iter().map(|finding| Finding { line: Some(number), ..finding });
        reports.entry(name).or_insert_with(empty).findings.extend(findings);
    }
    reports.into_values()
}

fn judge(path: &Path, line: &str, schemas: &mut Schemas) -> Result<(Kind, Vec<Finding>), String> {
    let line: Line = serde_json::from_str(line)
        .map_err(|error| format!("expected a line of `udmi watch --json`: {error}"))?;
    let name = match (line.kind, line.folder) {
        (cloud::Kind::State, _) => "state".to_owned(),
        (cloud::Kind::Config, _) => "config".to_owned(),
        (cloud::Kind::Events, Some(folder)) => format!("events_{folder}"),
        (cloud::Kind::Events, None) => return Err("an event on a topic without folder".to_owned()),
    };
    let kind = Kind::in_recording(&name).ok_or_else(|| format!("there is no document {name}"))?;
    let findings = match (line.message, line.text.as_deref()) {
        (Some(message), _) => schemas.findings(kind.document, path, &message),
        // A config may be empty, which is to have none (§2.6).
        (None, Some("")) if line.kind == cloud::Kind::Config => Vec::new(),
        (None, _) => vec![whole(path, "the message is not JSON".to_owned())],
    };
    Ok((kind, findings))
}

fn whole(path: &Path, problem: String) -> Finding {
    Finding { file: path.to_owned(), line: None, column: None, path: String::new(), problem }
}
