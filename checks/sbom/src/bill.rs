//! A tree as a CycloneDX document.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::tree::{Id, Package, Tree};

/// The version of the specification that the document follows.
pub const SPECIFICATION: &str = "1.5";

/// What the root of a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A program.
    Application,
    /// A library.
    Library,
}

/// Where the parts of a document come from.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// What is in the program.
    pub linked: &'a Tree,
    /// What is in the program or runs while it is built.
    pub built: &'a Tree,
    /// The hashes of the packages' archives.
    pub checksums: &'a BTreeMap<Id, String>,
    /// The version of the compiler, whose standard library is in the program too.
    pub compiler: &'a str,
}

/// Makes the document: equal sources give equal documents, so it has neither a date nor a number of its own.
///
/// What is in the program has the scope `required`; what only runs while it is built, procedural macros and what
/// build scripts need, has `excluded`. Packages of a registry have the hash of their archive; those of the workspace
/// have none, and no package URL either, since they are published nowhere.
#[must_use]
pub fn document(kind: Kind, name: &str, sources: &Sources<'_>) -> Value {
    let root = &sources.linked.root;
    let mut packages = sources.built.packages.clone();
    for (id, package) in &sources.linked.packages {
        packages.entry(id.clone()).or_insert_with(|| package.clone());
    }
    let mut top = component(root, &packages[root], sources);
    top["name"] = name.into();
    top["type"] = if kind == Kind::Application { "application" } else { "library" }.into();
    top.as_object_mut().expect("a component is an object").remove("scope");

    let others = packages.iter().filter(|(id, _)| *id != root);
    let mut components: Vec<Value> = others.map(|(id, package)| component(id, package, sources)).collect();
    components.push(standard_library(sources.compiler));
    let mut graph: Vec<Value> = packages
        .iter()
        .map(|(id, package)| {
            let mut on: Vec<String> = package.dependencies.iter().map(reference).collect();
            if id == root {
                on.push(STANDARD_LIBRARY.to_owned());
            }
            json!({ "ref": reference(id), "dependsOn": on })
        })
        .collect();
    graph.push(json!({ "ref": STANDARD_LIBRARY, "dependsOn": [] }));
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": SPECIFICATION,
        "version": 1,
        "metadata": { "component": top },
        "components": components,
        "dependencies": graph,
    })
}

const STANDARD_LIBRARY: &str = "rust-std";

/// Every document has it; a library that is built without it, `no_std`, needs its part `alloc`.
fn standard_library(compiler: &str) -> Value {
    json!({
        "type": "library",
        "bom-ref": STANDARD_LIBRARY,
        "name": "rust-std",
        "version": compiler,
        "description": "the standard library of the compiler",
        "scope": "required",
        "licenses": [{ "expression": "MIT OR Apache-2.0" }],
    })
}

fn component((name, version): &Id, package: &Package, sources: &Sources<'_>) -> Value {
    let id = (name.clone(), version.clone());
    let is_linked = sources.linked.packages.contains_key(&id);
    let mut component = json!({
        "type": "library",
        "bom-ref": reference(&id),
        "name": name,
        "version": version,
        "scope": if is_linked { "required" } else { "excluded" },
    });
    if !package.licence.is_empty() {
        component["licenses"] = json!([{ "expression": package.licence }]);
    }
    if !package.is_ours {
        component["purl"] = format!("pkg:cargo/{name}@{}", version.replace('+', "%2B")).into();
    }
    if let Some(checksum) = sources.checksums.get(&id) {
        component["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
    }
    component
}

fn reference((name, version): &Id) -> String {
    format!("{name}@{version}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{lock, repository, tree};

    fn document_of(package: &str) -> Value {
        let repository = repository();
        let lock = std::fs::read_to_string(repository.join("Cargo.lock")).unwrap();
        let linked = tree::of(&repository, package, "normal,no-proc-macro").unwrap();
        let built = tree::of(&repository, package, "normal,build").unwrap();
        let sources =
            Sources { linked: &linked, built: &built, checksums: &lock::checksums(&lock), compiler: "1.0.0" };
        document(Kind::Application, "udmi", &sources)
    }

    fn find<'a>(document: &'a Value, name: &str) -> &'a Value {
        let mut components = document["components"].as_array().unwrap().iter();
        components.find(|component| component["name"] == name).unwrap_or_else(|| panic!("no {name}"))
    }

    #[test]
    fn the_command_is_described_whole() {
        let document = document_of("udmi-cli");
        assert_eq!(document["metadata"]["component"]["name"], "udmi");
        assert_eq!(find(&document, "rustls")["scope"], "required");
        assert_eq!(find(&document, "serde_derive")["scope"], "excluded");
        let ring = find(&document, "ring");
        assert_eq!(ring["purl"], format!("pkg:cargo/ring@{}", ring["version"].as_str().unwrap()));
        let ours = find(&document, "udmi-host");
        assert!(ours["purl"].is_null() && ours["hashes"].is_null());

        let refs: std::collections::BTreeSet<&str> = document["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["ref"].as_str().unwrap())
            .collect();
        let components = document["components"].as_array().unwrap();
        assert_eq!(refs.len(), components.len() + 1, "each component stands once");
        for one in components {
            let reference = one["bom-ref"].as_str().unwrap();
            assert!(refs.contains(reference), "{reference}");
            assert!(one["licenses"].is_array(), "{reference} has no licence");
            let is_foreign = one["purl"].is_string();
            assert_eq!(one["hashes"].is_array(), is_foreign, "{reference}");
        }
        for one in document["dependencies"].as_array().unwrap() {
            for on in one["dependsOn"].as_array().unwrap() {
                assert!(refs.contains(on.as_str().unwrap()), "{on}");
            }
        }
    }

    #[test]
    fn equal_sources_give_equal_documents() {
        assert_eq!(document_of("device-link"), document_of("device-link"));
    }
}
