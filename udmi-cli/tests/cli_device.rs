//! `udmi device` against a broker, with the real binary.

mod bench;

use std::fs;

use bench::place::Place;
use bench::{Bench, Speaker, run, stderr, udmi};
use serde_json::{Value, json};
use udmi_tests::live::gate::Gate;

fn config(mode: &str) -> Value {
    json!({
        "timestamp": "2026-03-01T10:00:00Z",
        "version": "1.5.7",
        "system": { "operation": { "mode": mode } },
        "pointset": { "sample_rate_sec": 1, "points": {
            "supply_air_temperature_setpoint": {},
            "supply_air_temperature_sensor": {},
        } },
    })
}

/// Waits for a state that is as wanted.
fn state(bench: &Bench, wanted: impl Fn(&Value) -> bool) -> Value {
    loop {
        let state = bench.message("state");
        if wanted(&state) {
            return state;
        }
    }
}

fn mode(state: &Value) -> &str {
    state["system"]["operation"]["mode"].as_str().unwrap()
}

fn comes_and_goes(runtime: &str, signal: &str) {
    let (bench, place) = (Bench::start(), Place::new());
    bench.configure(&config("active"));
    let mut device = place.device(&bench, &["--runtime", runtime, "--serial", "S-7"]);
    let first = bench.message("state");
    assert_eq!(first["system"]["last_config"], "2026-03-01T10:00:00Z");
    assert_eq!(first["system"]["hardware"]["model"], "Breeze 400");
    assert_eq!(first["system"]["serial_no"], "S-7");
    let event = bench.message("events/pointset");
    assert!(event["points"]["supply_air_temperature_sensor"]["present_value"].is_number(), "{event}");
    device.signal(signal);
    state(&bench, |state| mode(state) == "shutdown");
    assert_eq!(device.exit_code(), Some(0));
}

#[test]
fn a_device_on_threads_answers_and_leaves_in_order() {
    comes_and_goes("std", "-TERM");
}

#[test]
fn a_device_on_a_bare_socket_answers_and_leaves_in_order() {
    comes_and_goes("bare", "-INT");
}

#[test]
fn a_device_as_a_future_answers_and_leaves_in_order() {
    comes_and_goes("smol", "-TERM");
}

fn write_is_followed(runtime: &str) {
    let (bench, place) = (Bench::start(), Place::new());
    let mut config = config("active");
    config["pointset"]["points"]["supply_air_temperature_setpoint"]["set_value"] = json!(21);
    bench.configure(&config);
    let _device = place.device(&bench, &["--runtime", runtime, "--write-seconds", "2"]);
    let value_state =
        |state: &Value| state["pointset"]["points"]["supply_air_temperature_setpoint"]["value_state"].clone();
    assert_eq!(value_state(&bench.message("state")), "updating");
    state(&bench, |state| value_state(state) == "applied");
    let event = bench.message("events/pointset");
    assert_eq!(event["points"]["supply_air_temperature_setpoint"]["present_value"], 21);
}

#[test]
fn a_write_is_seen_updating_and_then_applied() {
    write_is_followed("std");
}

#[test]
fn a_write_on_a_bare_socket_is_seen_updating_and_then_applied() {
    write_is_followed("bare");
}

#[test]
fn a_write_as_a_future_is_seen_updating_and_then_applied() {
    write_is_followed("smol");
}

#[test]
fn the_cloud_restarts_it_and_it_remembers() {
    let (bench, place) = (Bench::start(), Place::new());
    bench.configure(&config("active"));
    let mut device = place.device(&bench, &[]);
    state(&bench, |state| mode(state) == "active");
    bench.configure(&config("restart"));
    state(&bench, |state| mode(state) == "restart");
    assert_eq!(device.exit_code(), Some(192));
    let _again = place.device(&bench, &[]);
    let first = state(&bench, |state| mode(state) == "initial");
    assert_eq!(first["system"]["operation"]["restart_count"], 2);
}

#[test]
fn a_restart_in_place_goes_on_with_the_next_count() {
    let (bench, place) = (Bench::start(), Place::new());
    bench.configure(&config("active"));
    let mut device = place.device(&bench, &["--restart", "exec"]);
    state(&bench, |state| mode(state) == "active");
    bench.configure(&config("restart"));
    state(&bench, |state| mode(state) == "restart");
    let first = state(&bench, |state| mode(state) == "initial");
    assert_eq!(first["system"]["operation"]["restart_count"], 2);
    device.signal("-TERM");
    assert_eq!(device.exit_code(), Some(0));
}

fn makes_and_rotates_its_key(runtime: &str) {
    let (bench, place) = (Bench::start(), Place::new());
    bench.configure(&config("active"));
    let arguments = ["--runtime", runtime, "--auth", "jwt", "--audience", "me", "--make-keys"];
    let _device = place.device(&bench, &arguments);
    assert_eq!(bench.connected().as_deref(), Some("unused"));
    bench.message("state");
    let keys = place.site().join("devices/AHU-1");
    let public_key = || std::fs::read_to_string(keys.join("ec_public.pem")).unwrap();
    let first = public_key();
    Speaker::new(&bench).say("REG", "commands/rotate_key", &json!({}));
    assert_eq!(bench.connected().as_deref(), Some("unused"));
    assert_ne!(public_key(), first);
    assert_eq!(std::fs::read_dir(keys.join("key_backups")).unwrap().count(), 1);
}

#[test]
fn a_device_makes_its_key_signs_tokens_with_it_and_takes_another_on_command() {
    makes_and_rotates_its_key("std");
}

#[test]
fn a_device_as_a_future_makes_its_key_signs_tokens_with_it_and_takes_another_on_command() {
    makes_and_rotates_its_key("smol");
}

#[test]
fn a_state_folder_has_one_device_at_a_time() {
    let (bench, place) = (Bench::start(), Place::new());
    bench.configure(&config("active"));
    let mut device = place.device(&bench, &[]);
    bench.message("state");
    let mut second = udmi();
    second.arg("device").arg("--site").arg(place.site()).arg("--state-dir").arg(place.folder().join("state"));
    let output = second.args(["--device", "AHU-1", "--endpoint", &bench.url()]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("another device uses"), "{}", stderr(&output));
    device.signal("-TERM");
    assert_eq!(device.exit_code(), Some(0));
}

/// The last words of a run without a broker are the first of the next.
fn last_words_are_kept(runtime: &str) {
    let (bench, place) = (Bench::start(), Place::new());
    bench.configure(&config("active"));
    let gate = Gate::open_to(bench.address()).unwrap();
    let url = format!("mqtt://{}", gate.address());
    let arguments = ["--runtime", runtime, "--keep-outbox", "100000"];
    let mut device = place.device_at(&url, &arguments);
    state(&bench, |state| mode(state) == "active");
    gate.shut();
    device.end_input();
    assert_eq!(device.exit_code(), Some(0));
    gate.open();
    let _again = place.device_at(&url, &arguments);
    let said = |event: &Value, wanted: &str| {
        let entries = event["logentries"].as_array().into_iter().flatten();
        entries.filter_map(|entry| entry["message"].as_str()).any(|message| message.contains(wanted))
    };
    loop {
        let event = bench.message("events/system");
        assert!(
            !said(&event, "restart count 2"),
            "the new run is heard before the end of the old one: {event}"
        );
        if said(&event, "shutting down") {
            return;
        }
    }
}

#[test]
fn a_device_keeps_what_it_could_not_send_for_its_next_run() {
    last_words_are_kept("std");
}

#[test]
fn a_device_on_a_bare_socket_keeps_what_it_could_not_send_for_its_next_run() {
    last_words_are_kept("bare");
}

#[test]
fn a_device_as_a_future_keeps_what_it_could_not_send_for_its_next_run() {
    last_words_are_kept("smol");
}

#[test]
fn another_instance_ends_it_for_good() {
    let (bench, place) = (Bench::start(), Place::new());
    let mut config = config("active");
    config["system"]["operation"]["last_start"] = json!("2100-01-01T00:00:00Z");
    bench.configure(&config);
    let mut device = place.device(&bench, &[]);
    assert_eq!(device.exit_code(), Some(193));
}

#[test]
fn a_run_can_be_replayed_from_its_trace() {
    let (bench, place) = (Bench::start(), Place::new());
    bench.configure(&config("active"));
    let trace = place.folder().join("run.ndjson");
    let trace = trace.to_str().unwrap();
    let mut device = place.device(&bench, &["--trace", trace]);
    bench.message("events/pointset");
    device.end_input();
    assert_eq!(device.exit_code(), Some(0));
    let output = run(&["replay", trace]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

fn refused(place: &Place, device: &str) -> String {
    let output = udmi()
        .args(["device", "--endpoint", "mqtt://127.0.0.1:1", "--device", device, "--site"])
        .arg(place.site())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    stderr(&output)
}

#[test]
fn a_proxied_device_of_a_device_that_is_no_gateway_is_refused_with_the_reason() {
    let place = Place::new();
    let path = place.site().join("devices/EM-1/metadata.json");
    let metadata = fs::read_to_string(&path).unwrap();
    assert!(metadata.contains("GAT-1"), "{metadata}");
    fs::write(&path, metadata.replace("GAT-1", "AHU-1")).unwrap();
    let said = refused(&place, "EM-1");
    assert!(said.contains("AHU-1 is no gateway, but the one of EM-1"), "{said}");
}

#[test]
fn an_unknown_device_is_refused_with_those_there_are() {
    assert!(refused(&Place::new(), "AHU-9").contains("AHU-1, EM-1, EM-2, FCU-1, GAT-1"));
}

#[test]
fn a_missing_site_is_refused_with_the_way_to_one() {
    let output = run(&["device", "--site", "/nonexistent", "--device", "AHU-1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("udmi init site"), "{}", stderr(&output));
    assert_eq!(stderr(&output).lines().count(), 2);
}

#[test]
fn a_site_without_keys_leads_to_a_plain_broker() {
    let place = Place::new();
    let output = run(&["device", "--site", place.site().to_str().unwrap(), "--device", "AHU-1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--endpoint mqtt://"), "{}", stderr(&output));
}
