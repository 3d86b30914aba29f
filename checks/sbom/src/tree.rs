//! The graph that cargo builds a package from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// A name and a version.
pub type Id = (String, String);

/// One package of a graph.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Package {
    /// The licence expression of its manifest, empty where it has none.
    pub licence: String,
    /// Whether it stands in this repository.
    pub is_ours: bool,
    /// What it depends on.
    pub dependencies: BTreeSet<Id>,
}

/// A package with all that it depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// Whose tree it is.
    pub root: Id,
    /// The root and what it depends on, directly or not.
    pub packages: BTreeMap<Id, Package>,
}

/// Asks cargo for a package's tree, of the host's platform and the package's default features.
///
/// `edges` is what `cargo tree --edges` takes.
///
/// # Errors
/// What cargo says, or a line that is none of a tree.
pub fn of(repository: &Path, package: &str, edges: &str) -> Result<Tree, String> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(repository).args(["tree", "--locked", "--prefix", "depth", "--format", "\t{p}\t{l}\t"]);
    let output = cargo.args(["--package", package, "--edges", edges]).output();
    let output = output.map_err(|error| format!("cargo cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    read(&String::from_utf8_lossy(&output.stdout))
}

/// Reads lines of depth, package and licence. Of a package that comes again the first place has what it depends on.
fn read(text: &str) -> Result<Tree, String> {
    let mut tree = Tree::default();
    let mut above: Vec<Id> = Vec::new();
    for line in text.lines() {
        let strange = || format!("cargo tree says {line:?}");
        // Titles of groups, as of what is needed for building.
        let Some((depth, rest)) = line.split_once('\t') else { continue };
        let depth: usize = depth.parse().map_err(|_| strange())?;
        let (shown, rest) = rest.split_once('\t').ok_or_else(strange)?;
        let licence = rest.split('\t').next().unwrap_or_default();
        let mut words = shown.split(' ');
        let (Some(name), Some(version)) = (words.next(), words.next()) else { return Err(strange()) };
        let version = version.strip_prefix('v').ok_or_else(strange)?;
        let id = (name.to_owned(), version.to_owned());

        if depth > above.len() {
            return Err(strange());
        }
        above.truncate(depth);
        match above.last() {
            Some(parent) => {
                tree.packages.entry(parent.clone()).or_default().dependencies.insert(id.clone());
            }
            None => tree.root = id.clone(),
        }
        let package = tree.packages.entry(id.clone()).or_default();
        package.licence = licence.replace('/', " OR ");
        package.is_ours = shown.contains("(/");
        above.push(id);
    }
    if tree.packages.is_empty() { Err("cargo tree says nothing".to_owned()) } else { Ok(tree) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> Id {
        (name.to_owned(), "1.0.0".to_owned())
    }

    #[test]
    fn a_package_that_comes_again_keeps_what_it_depends_on() {
        let tree = read(
            "0\tours v1.0.0 (/somewhere/ours)\tApache-2.0\t\n1\ta v1.0.0\tMIT/Apache-2.0\t\n\
             2\tb v1.0.0\tMIT\t\n[build-dependencies]\n1\tb v1.0.0\tMIT\t (*)\n1\ta v1.0.0\tMIT/Apache-2.0\t (*)\n",
        )
        .unwrap();
        assert_eq!(tree.root, id("ours"));
        assert!(tree.packages[&id("ours")].is_ours && !tree.packages[&id("a")].is_ours);
        assert_eq!(tree.packages[&id("ours")].dependencies, [id("a"), id("b")].into());
        assert_eq!(tree.packages[&id("a")].dependencies, [id("b")].into());
        assert_eq!(tree.packages[&id("a")].licence, "MIT OR Apache-2.0");
    }

    #[test]
    fn what_is_no_tree_is_refused() {
        for text in ["", "x\ta v1.0.0\tMIT\t", "0\ta\tMIT\t", "0\ta 1.0.0\tMIT\t", "1\ta v1.0.0\tMIT\t"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
