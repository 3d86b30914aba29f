//! The examples, as processes of their own, against brokers that are there; what counts is what the cloud sees.

mod blobs;
mod connect;
mod endpoint;
mod gateway;
mod points;
mod system;
mod writeback;

use std::fs;
use std::path::Path;

/// The page cannot leave an example out, and an example cannot leave out how it is run.
#[test]
fn the_page_has_all_examples_and_each_says_how_to_run_it() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = fs::read_to_string(project.join("docs/examples.md")).unwrap();
    for package in ["udmi-std", "udmi-smol"] {
        for file in fs::read_dir(project.join(package).join("examples")).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            assert!(page.contains(&format!("[`{name}`](../{package}/examples/{name}.rs)")), "{name}");
            let program = fs::read_to_string(&path).unwrap();
            assert!(program.contains(&format!("cargo run -p {package} --example {name} -- ")), "{name}");
        }
    }
    for link in page.split("](../").skip(1).filter_map(|rest| rest.split(')').next()) {
        assert!(project.join(link).exists(), "{link}");
    }
}
