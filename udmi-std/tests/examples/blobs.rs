//! What the cloud has installed.

use std::fs;

use serde_json::{Value, json};
use udmi_tests::data_url::{encode, sha256};
use udmi_tests::live::shown::{DEVICE, Shown, run};
use udmi_tests::live::web::Web;
use udmi_tests::together;

together! {
    what_the_cloud_has_installed:
    update_installs_tells_activates_and_ends_for_a_new_run,
    update_bytes_replaces_the_table_only_by_a_good_one,
    update_stream_writes_a_large_blob_to_its_place,
}

fn order(name: &str, generation: u32, url: &str, content: &[u8]) -> Value {
    let blob = json!({
        "phase": "final", "url": url, "sha256": sha256(content), "generation": format!("2020-01-01T01:00:0{generation}Z"),
    });
    json!({ "blobset": { "blobs": { name: blob } } })
}

fn inline(name: &str, generation: u32, content: &str) -> Value {
    order(name, generation, &encode(content.as_bytes()), content.as_bytes())
}

/// The next state that shows the outcome of that generation.
fn outcome(shown: &mut Shown, name: &str, generation: u32) -> Value {
    shown.desk.state(DEVICE, |state| {
        let blob = &state["blobset"]["blobs"][name];
        let wanted = format!("2020-01-01T01:00:0{generation}Z");
        blob["phase"] == "final" && blob["generation"] == wanted
    })
}

fn update_installs_tells_activates_and_ends_for_a_new_run() {
    let mut shown = Shown::start("update");
    shown.desk.ask(DEVICE, &json!({ "system": {} }));
    shown.desk.configure(DEVICE, &inline("system", 1, "no version"));
    let state = outcome(&mut shown, "system", 1);
    let status = &state["blobset"]["blobs"]["system"]["status"];
    assert!(status["message"].to_string().contains("expected a version"), "{status}");
    shown.desk.configure(DEVICE, &inline("system", 2, "v2\n"));
    let state = outcome(&mut shown, "system", 2);
    assert_eq!(state["blobset"]["blobs"]["system"]["status"], Value::Null, "{state}");
    shown.program.line("system is v2 from now on");
    assert_eq!(shown.program.end().code(), Some(192));
    assert_eq!(fs::read_to_string(shown.folder.path().join("out/active")).unwrap(), "v2\n");
    // The next run has the new version, and does not install it again.
    shown.program = run("update", shown.folder.path(), shown.desk.address(), &[]).unwrap();
    shown.desk.state(DEVICE, |state| {
        let blob = &state["blobset"]["blobs"]["system"];
        let second = state["system"]["operation"]["restart_count"] == 2;
        second && state["system"]["software"]["system"] == "v2" && blob["phase"] == "final"
    });
    assert!(shown.program.said().is_empty());
}

fn update_bytes_replaces_the_table_only_by_a_good_one() {
    let mut shown = Shown::start("update_bytes");
    let table = shown.folder.path().join("out/time_table.json");
    let good = r#"{"version":"v2","occupied":"07:00"}"#;
    shown.desk.configure(DEVICE, &inline("time_table", 1, good));
    let state = outcome(&mut shown, "time_table", 1);
    assert_eq!(state["system"]["software"]["time_table"], "v2", "{state}");
    shown.program.line("occupied from 07:00");
    // The device is back after its restart.
    shown.desk.state(DEVICE, |state| state["system"]["operation"]["restart_count"] == 2);
    shown.desk.configure(DEVICE, &inline("time_table", 2, "{}"));
    let state = outcome(&mut shown, "time_table", 2);
    let status = &state["blobset"]["blobs"]["time_table"]["status"];
    assert!(status["message"].to_string().contains("from when on"), "{status}");
    let mut forged = inline("time_table", 3, good);
    forged["blobset"]["blobs"]["time_table"]["sha256"] = sha256(b"other").into();
    shown.desk.configure(DEVICE, &forged);
    let state = outcome(&mut shown, "time_table", 3);
    assert_eq!(state["blobset"]["blobs"]["time_table"]["status"]["level"], 500, "{state}");
    assert_eq!(fs::read_to_string(table).unwrap(), good);
}

fn update_stream_writes_a_large_blob_to_its_place() {
    let mut shown = Shown::start("update_stream");
    let content: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
    let web = Web::start().unwrap();
    let url = web.serve("/firmware.bin", &content);
    shown.desk.configure(DEVICE, &order("firmware", 1, &url, &content));
    shown.program.line(&format!("written: 3000000 bytes, {}", sha256(&content)));
    let state = outcome(&mut shown, "firmware", 1);
    assert_eq!(state["blobset"]["blobs"]["firmware"]["status"], Value::Null, "{state}");
    assert_eq!(shown.program.end().code(), Some(192));
    assert!(fs::read(shown.folder.path().join("out/spare")).unwrap() == content);
    assert_eq!(web.requests("/firmware.bin"), 1);
}
