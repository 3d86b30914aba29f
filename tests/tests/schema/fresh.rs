//! `schemas/` is what the model says.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use udmi_proto::model::documents;
use udmi_tests::upstream::json_files;

const COMMAND: &str = "run `cargo run -p udmi-proto --example schemas`";

#[test]
fn the_schema_files_are_fresh() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas");
    let mut expected = BTreeSet::new();
    for (name, text) in documents::schemas() {
        let path = folder.join(format!("{name}.json"));
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert!(found == text, "schemas/{name}.json is missing or stale: {COMMAND}");
        expected.insert(path);
    }
    let found: BTreeSet<_> = json_files(&folder).unwrap().into_iter().collect();
    let left_over: Vec<_> = found.difference(&expected).collect();
    assert!(left_over.is_empty(), "{left_over:?} belong to no document: {COMMAND}");
}
