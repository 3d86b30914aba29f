//! `udmi check` on documents and site models. UDMI's own data is looked for in the folder that `UDMI_ROOT` names,
//! else beside the workspace.

mod bench;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use bench::{Bench, config, ndjson, run, stderr, stdout, write};
use serde_json::{Value, json};
use udmi_proto::model::{common::VERSION, documents};

/// UDMI's data, or a word on what its absence leaves out.
fn upstream(what: &str, places: &[&str]) -> Option<PathBuf> {
    let root = match std::env::var_os("UDMI_ROOT") {
        Some(root) => PathBuf::from(root),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/udmi"),
    };
    let found = places.iter().map(|place| root.join(place)).find(|folder| folder.is_dir());
    if found.is_none() {
        eprintln!(
            "left out: {what}: no UDMI data in {} (set UDMI_ROOT to a checkout of UDMI)",
            root.display()
        );
    }
    found
}

fn json_files(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect()
}

#[test]
fn published_examples_are_judged_as_expected() {
    let places = ["tests/schemas", "examples"];
    let Some(examples) = upstream("published_examples_are_judged_as_expected", &places) else { return };
    let (mut judged, mut of_older_versions) = (0, 0);
    for folder in fs::read_dir(examples).unwrap().map(|entry| entry.unwrap().path()) {
        let kind = folder.file_name().unwrap().to_str().unwrap().to_owned();
        if documents::find(&kind).is_none() {
            eprintln!("left out: examples of {kind}, which the model leaves out");
            continue;
        }
        for file in json_files(&folder) {
            let Ok(expected) = fs::read_to_string(file.with_extension("out")) else { continue };
            let output = run(&["check", "--json", file.to_str().unwrap()]);
            let lines = ndjson(&output);
            assert_eq!(lines[0]["kind"].as_str(), Some(known_name(&file).unwrap_or(&kind)));
            assert_eq!(output.status.success(), lines.len() == 1, "{}", file.display());
            // UDMI's tools rewrite older documents before they judge them; the remark says that we do not.
            let is_older = lines[0].get("remark").is_some();
            of_older_versions += usize::from(is_older);
            if !is_older {
                assert_eq!(
                    expected.trim().is_empty(),
                    output.status.success(),
                    "{}: {lines:#?}",
                    file.display()
                );
                judged += 1;
            }
        }
    }
    assert!(judged > 40 && judged > of_older_versions, "{judged} judged, {of_older_versions} older");
}

/// What a name shows goes before what a folder shows.
fn known_name(file: &Path) -> Option<&'static str> {
    (file.file_stem().unwrap() == "cloud_iot_config").then_some("configuration_execution")
}

#[test]
fn a_published_site_has_the_published_faults() {
    let Some(site) =
        upstream("a_published_site_has_the_published_faults", &["sites/basic", "tests/sites/basic"])
    else {
        return;
    };
    let output = run(&["check", "--json", site.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let wanted = [
        ("AHU-1", "/system/location/site"),
        ("AHU-22", "/pointset/points/filter_differential_pressure_sensor/ref"),
        ("GAT-72", "/discovery/families/bacnet/generation"),
        ("GAT-72", "/gateway/proxy_ids/0"),
        ("GAT-72", "/gateway/proxy_ids/1"),
    ];
    assert_eq!(faults(&output), wanted.map(|(id, path)| (id.to_owned(), path.to_owned())).into());
}

/// Devices and places of the findings in a site model.
fn faults(output: &std::process::Output) -> BTreeSet<(String, String)> {
    let findings = ndjson(output).into_iter().filter(|line| line.get("problem").is_some());
    let device = |line: &Value| {
        let file = PathBuf::from(line["file"].as_str().unwrap());
        file.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned()
    };
    findings.map(|line| (device(&line), line["path"].as_str().unwrap().to_owned())).collect()
}

#[test]
fn what_files_of_a_site_say_of_each_other_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let site = folder.path();
    write(
        site,
        "cloud_iot_config.json",
        &json!({ "registry_id": "ZZ-TRI-FECTA", "site_name": "ZZ-TRI-FECTA" }),
    );
    let device = |id: &str, rest: Value| {
        let mut metadata = json!({ "timestamp": "2026-03-01T10:00:00Z", "version": VERSION, "system": {
            "location": { "site": "ZZ-TRI-FECTA" },
            "physical_tag": { "asset": { "guid": "drw://TBD", "site": "ZZ-TRI-FECTA", "name": id } } } });
        metadata.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        write(site, &format!("devices/{id}/metadata.json"), &metadata)
    };
    let bacnet = |addr: &str| json!({ "families": { "bacnet": { "addr": addr } } });
    let direct = json!({ "auth_type": "ES256" });
    device("AHU-1", json!({ "cloud": direct, "localnet": bacnet("12") }));
    device("AHU-2", json!({ "cloud": direct, "localnet": bacnet("12") }));
    device("AHU-3", json!({ "extend": "none_of_ours" }));
    device("AHU-4", json!({ "cloud": { "resource_type": "PROXIED" } }));
    device("AHU-5", json!({ "gateway": { "gateway_id": "GAT-9" } }));
    device("AHU-6", json!({ "gateway": { "gateway_id": "AHU-1" } }));
    let both = json!({ "gateway_id": "GAT-1", "target": { "family": "bacnet", "addr": "7" } });
    let twice = device("AHU-7", json!({ "gateway": both, "localnet": bacnet("7") }));
    device("AHU-8", json!({ "gateway": { "gateway_id": "GAT-1", "proxy_ids": ["AHU-1"] } }));
    device("GAT-1", json!({ "cloud": direct, "gateway": { "proxy_ids": ["AHU-7", "AHU-99", "AHU-1"] } }));
    let output = run(&["check", "--json", site.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let wanted = [
        ("AHU-2", "/localnet/families/bacnet/addr"),
        ("AHU-3", "/extend"),
        ("AHU-4", "/gateway/gateway_id"),
        ("AHU-5", "/gateway/gateway_id"),
        ("AHU-6", "/gateway/gateway_id"),
        ("AHU-7", "/gateway/target/addr"),
        ("AHU-8", "/gateway/proxy_ids"),
        ("GAT-1", "/gateway/proxy_ids/1"),
        ("GAT-1", "/gateway/proxy_ids/2"),
    ];
    let wanted = wanted.map(|(id, path)| (id.to_owned(), path.to_owned())).into();
    assert_eq!(faults(&output), wanted, "{}", stdout(&output));

    // One file of it is judged as a part of it.
    let output = run(&["check", &twice]);
    assert_eq!(output.status.code(), Some(1));
    let told = format!("{twice}: /gateway/target/addr: also defined by /localnet/families/bacnet/addr");
    assert!(stdout(&output).contains(&told), "{}", stdout(&output));
}

#[test]
fn the_sample_site_has_no_finding() {
    let folder = tempfile::tempdir().unwrap();
    let site = folder.path().join("site");
    assert!(run(&["init", site.to_str().unwrap()]).status.success());
    let output = run(&["check", site.to_str().unwrap()]);
    assert!(output.status.success(), "{}", stdout(&output));
}

#[test]
fn what_is_no_json_is_told_with_line_and_column() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.json");
    fs::write(&file, "// by hand\n{\n  \"system\": {},,\n}\n").unwrap();
    let output = run(&["check", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let told = format!("{}:3:16: not JSON: ", file.display());
    assert!(stdout(&output).contains(&told), "{}", stdout(&output));
    let lines = ndjson(&run(&["check", "--json", file.to_str().unwrap()]));
    assert_eq!((&lines[1]["line"], &lines[1]["column"]), (&3.into(), &16.into()));
}

#[test]
fn the_kind_is_found_and_said_or_taken_from_the_user() {
    let folder = tempfile::tempdir().unwrap();
    let event = json!({ "timestamp": "2026-03-01T10:00:00Z", "version": VERSION,
        "points": { "sat": { "present_value": 21.5 } } });
    let file = write(folder.path(), "sample.json", &event);
    let output = run(&["check", &file]);
    assert_eq!(stdout(&output), format!("{file}: events_pointset (by its content): no finding\n"));
    let output = run(&["check", "--kind", "state", &file]);
    assert!(stdout(&output).contains("state (by --kind): 2 findings\n"), "{}", stdout(&output));
    let strange = write(folder.path(), "strange.json", &json!({ "what": "ever" }));
    let output = run(&["check", "--quiet", folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let told = format!("{strange}: what document this is cannot be told; --kind says it\n");
    assert!(stdout(&output).ends_with(&told), "{}", stdout(&output));
}

#[test]
fn what_watch_has_written_is_checked_message_by_message() {
    let bench = Bench::start();
    bench.configure(&config());
    let watch = bench.udmi("watch", &["--json", "--count", "6"]).spawn().unwrap();
    let device = bench.device().start().unwrap();
    let output = watch.wait_with_output().unwrap();
    device.stop();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("messages.ndjson");
    let file = file.to_str().unwrap();
    fs::write(file, &output.stdout).unwrap();
    let checked = run(&["check", file]);
    assert!(checked.status.success(), "{}{}", stdout(&checked), stdout(&output));
    assert!(stdout(&checked).contains(&format!("{file}: state (by its topic): no finding\n")));

    let broken =
        "{\"kind\":\"state\",\"message\":{}}\n{\"kind\":\"events\",\"folder\":\"x\",\"message\":{}}\n{}\n";
    fs::write(file, broken).unwrap();
    let checked = run(&["check", file]);
    assert_eq!(checked.status.code(), Some(1));
    for wanted in [":1: expected the member", ":2: there is no document events_x", ":3: expected a line of"] {
        assert!(stdout(&checked).contains(&format!("{file}{wanted}")), "{}", stdout(&checked));
    }
}

#[test]
fn a_path_that_leads_nowhere_is_a_usage_error() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(run(&["check", "/nowhere/at/all"]).status.code(), Some(2));
    assert_eq!(run(&["check", folder.path().to_str().unwrap()]).status.code(), Some(2));
    assert_eq!(run(&["check"]).status.code(), Some(2));
}
