//! Every direct dependency of the repository has its reason in docs/dependencies.md, and nothing else has.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Where what is no crate stands.
const TOOLS: &str = "## Tools";

#[test]
fn every_direct_dependency_has_its_reason() {
    let repository = sbom::repository();
    let text = std::fs::read_to_string(repository.join("docs/dependencies.md")).unwrap();
    let (crates, tools) = text.split_once(TOOLS).expect("the document has a section for tools");
    assert!(!tools.contains("\n## "), "{TOOLS} is the last section");
    let told = told(crates);
    let mut used = BTreeMap::new();
    for manifest in manifests(&repository) {
        used.append(&mut direct(&manifest));
    }
    let missing: Vec<_> = used.iter().filter(|(name, _)| !told.contains(*name)).collect();
    assert!(missing.is_empty(), "without a line, with who depends on it: {missing:?}");
    let gone: Vec<_> = told.iter().filter(|name| !used.contains_key(*name)).collect();
    assert!(gone.is_empty(), "no direct dependency any more: {gone:?}");
}

/// The workspace's manifest and those that stand outside it.
fn manifests(repository: &Path) -> Vec<PathBuf> {
    let mut manifests = vec![repository.join("Cargo.toml"), repository.join("fuzz/guided/Cargo.toml")];
    for entry in std::fs::read_dir(repository.join("checks")).unwrap() {
        let manifest = entry.unwrap().path().join("Cargo.toml");
        if manifest.exists() {
            manifests.push(manifest);
        }
    }
    manifests
}

/// Names of the packages of others that a manifest's packages depend on, each with one that does.
fn direct(manifest: &Path) -> BTreeMap<String, String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"]).arg(manifest);
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut names = BTreeMap::new();
    for package in metadata["packages"].as_array().unwrap() {
        let who = package["name"].as_str().unwrap();
        let of_others =
            package["dependencies"].as_array().unwrap().iter().filter(|one| one["path"].is_null());
        for dependency in of_others {
            names.insert(dependency["name"].as_str().unwrap().to_owned(), who.to_owned());
        }
    }
    names
}

/// Names in the first column of the tables; `a (as b)` is the package `b`.
fn told(text: &str) -> BTreeSet<String> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
    let mut names = BTreeSet::new();
    for (cell, _) in rows.filter(|(cell, _)| *cell != "crate") {
        let mut depth = 0;
        let parts = cell.split(|character| {
            depth += i32::from(character == '(') - i32::from(character == ')');
            character == ',' && depth == 0
        });
        for part in parts {
            let alias = part.split_once("(as ").and_then(|(_, rest)| rest.split_once(')'));
            let name = alias.map_or(part, |(name, _)| name);
            names.insert(name.split_whitespace().next().unwrap_or_default().to_owned());
        }
    }
    names
}
