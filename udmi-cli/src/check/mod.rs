//! `udmi check`: messages, documents and whole site models against what UDMI wants of them.

mod address;
mod kind;
mod recording;
mod schema;
mod site;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use serde_json::{Value, json};
use udmi_proto::model::common::VERSION;
use udmi_proto::model::documents;

use crate::difference::Plain;
use crate::output::{FINDING, Failure, Output, Role};
use crate::text;
use kind::Kind;
use schema::Schemas;

/// Folders in folders that are looked into.
const DEPTH_MAX: usize = 16;
/// Files of one folder that are checked.
const FILES_MAX: usize = 100_000;

const AFTER_HELP: &str = "\
Examples:
  udmi check state.json
  udmi check messages/                          all .json files in a folder and the folders in it
  udmi check site/                              a site model: each file, and what the files say of each other
  udmi check --kind events_pointset sample.json
  udmi check messages.ndjson                    what `udmi watch --json` has written

What a document is shows in its name (metadata.json), its folder (state/example.json) or its content, and is
said. Lines of // comment are passed over.

Exit codes: 0 no finding, 1 findings, 2 a path cannot be read.";

/// Check messages, documents and site models
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// Files, folders or site models
    #[arg(required = true, value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
    /// What all the documents are, such as state, config or events_pointset
    #[arg(long, value_name = "DOCUMENT", value_parser = kinds(), hide_possible_values = true)]
    kind: Option<String>,
}

fn kinds() -> PossibleValuesParser {
    let mut names: Vec<_> = documents::DOCUMENTS.iter().filter_map(|document| document.name).collect();
    names.sort_unstable();
    PossibleValuesParser::new(names)
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    file: PathBuf,
    /// The line, for what is no JSON, or one of many documents.
    line: Option<usize>,
    /// The column, for what is no JSON.
    column: Option<usize>,
    /// The place in the document as a JSON pointer; empty for all of it.
    path: String,
    problem: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        for place in self.line.iter().chain(&self.column) {
            write!(f, "{place}:")?;
        }
        if !self.path.is_empty() {
            write!(f, " {}:", Plain(&self.path))?;
        }
        write!(f, " {}", Plain(&self.problem))
    }
}

/// What was found in one file or site model.
#[derive(Debug)]
struct Report {
    file: PathBuf,
    /// What it is, and where that shows; none if that cannot be told.
    kind: Option<Kind>,
    findings: Vec<Finding>,
    /// Something worth knowing that is no fault.
    remark: Option<String>,
}

/// Checks all that is named.
pub(crate) fn run(arguments: Arguments, output: &Output) -> Result<ExitCode, Failure> {
    let mut check = Check { schemas: Schemas::new(), given: arguments.kind, found: 0, checked: 0, output };
    for path in &arguments.paths {
        if path.is_dir() {
            check.folder(path, DEPTH_MAX)?;
        } else {
            check.file(path)?;
        }
    }
    let Check { found, checked, .. } = check;
    if checked == 0 {
        return Err(Failure::usage("there is no .json file in what was named"));
    }
    if !output.json {
        let role = if found == 0 { Role::Good } else { Role::Bad };
        let text = format!("{} in {}", counted(found, "finding"), counted(checked, "document"));
        output.remark(output.paint_error(role, text));
    }
    Ok(if found == 0 { ExitCode::SUCCESS } else { ExitCode::from(FINDING) })
}

struct Check<'a> {
    schemas: Schemas,
    given: Option<String>,
    found: usize,
    checked: usize,
    output: &'a Output,
}

impl Check<'_> {
    fn folder(&mut self, folder: &Path, depth: usize) -> Result<(), Failure> {
        if self.given.is_none() && site::is_site(folder) {
            return site::check(folder, &mut self.schemas)
                .into_iter()
                .try_for_each(|report| self.tell(report));
        }
        let failed = |error: std::io::Error| Failure::usage(format!("{}: {error}", folder.display()));
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(failed)?.take(FILES_MAX) {
            paths.push(entry.map_err(failed)?.path());
        }
        paths.sort();
        for path in paths {
            let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            if path.is_dir() && !hidden && depth > 0 {
                self.folder(&path, depth - 1)?;
            } else if path.extension().is_some_and(|extension| extension == "json") && !hidden {
                self.file(&path)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path) -> Result<(), Failure> {
        if self.given.is_none()
            && let Some(report) = site::check_metadata(path, &mut self.schemas)
        {
            return self.tell(report);
        }
        let text = text::read(path, text::FILE_BYTES_MAX).map_err(Failure::usage)?;
        if path.extension().is_some_and(|extension| extension == "ndjson") {
            return recording::check(path, &text, &mut self.schemas).try_for_each(|report| self.tell(report));
        }
        let report = match text::parse(&text) {
            Ok(document) => self.document(path, &document),
            Err(error) => Report {
                file: path.to_owned(),
                kind: None,
                findings: vec![Finding {
                    file: path.to_owned(),
                    line: Some(error.line),
                    column: Some(error.column),
                    path: String::new(),
                    problem: error.problem,
                }],
                remark: None,
            },
        };
        self.tell(report)
    }

    fn document(&mut self, path: &Path, document: &Value) -> Report {
        let kind = match &self.given {
            Some(name) => Kind::given(name),
            None => Kind::of(path, document, &mut self.schemas),
        };
        let findings = match kind {
            Some(kind) => self.schemas.findings(kind.document, path, document),
            None => vec![Finding {
                file: path.to_owned(),
                line: None,
                column: None,
                path: String::new(),
                problem: "what document this is cannot be told; --kind says it".to_owned(),
            }],
        };
        let remark = older(document).filter(|_| !findings.is_empty());
        Report { file: path.to_owned(), kind, findings, remark }
    }

    fn tell(&mut self, report: Report) -> Result<(), Failure> {
        let Report { file, kind, mut findings, remark } = report;
        findings.sort();
        findings.dedup();
        self.checked += 1;
        self.found += findings.len();
        if self.output.json {
            return self.tell_json(&file, kind, &findings, remark);
        }
        if !self.output.quiet || !findings.is_empty() {
            let what = kind.map_or_else(|| "unknown".to_owned(), |kind| kind.to_string());
            let verdict = match findings.len() {
                0 => self.output.paint(Role::Good, "no finding"),
                count => self.output.paint(Role::Bad, counted(count, "finding")),
            };
            let remark = remark.map(|remark| format!(" ({remark})")).unwrap_or_default();
            self.output.line(format!("{}: {what}: {verdict}{remark}", file.display()))?;
        }
        findings.iter().try_for_each(|finding| self.output.line(finding))
    }

    fn tell_json(
        &self,
        file: &Path,
        kind: Option<Kind>,
        findings: &[Finding],
        remark: Option<String>,
    ) -> Result<(), Failure> {
        let mut summary = json!({ "file": file, "findings": findings.len() });
        if let Some(kind) = kind {
            summary["kind"] = kind.document.into();
            summary["kind_shown_by"] = kind.shown_by.to_string().into();
        }
        if let Some(remark) = remark {
            summary["remark"] = remark.into();
        }
        self.output.line(summary)?;
        findings.iter().try_for_each(|Finding { file, line, column, path, problem }| {
            let mut told = json!({ "file": file, "path": path, "problem": problem });
            for (name, place) in [("line", line), ("column", column)] {
                if let Some(place) = place {
                    told[name] = (*place).into();
                }
            }
            self.output.line(told)
        })
    }
}

/// Says so if a document is written in another version than the schemas are.
fn older(document: &Value) -> Option<String> {
    let version = document.get("version")?;
    let text = version.as_str().map_or_else(|| version.to_string(), ToOwned::to_owned);
    (text != VERSION).then(|| format!("version {}, held against {VERSION}", Plain(&text)))
}

fn counted(count: usize, what: &str) -> String {
    match count {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}
