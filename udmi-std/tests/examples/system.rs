//! The device as a whole: identity, metrics, life, logs, and what is the application's own.

use std::fs;

use serde_json::{Value, json};
use udmi_tests::live::shown::{DEVICE, Shown, sampling};
use udmi_tests::together;

together! {
    the_device_as_a_whole:
    state_identity_is_told_and_added_to,
    metrics_come_as_often_as_the_config_wants,
    lifecycle_restarts_if_it_is_not_busy_and_ends_by_command,
    logging_brings_records_into_the_system_log_by_their_level,
    custom_event_is_published_with_time_stamp_and_version,
    custom_block_is_configured_shown_and_commanded,
    bare_is_a_device_like_any_other,
}

fn mode(mode: &str) -> Value {
    json!({ "system": { "operation": { "mode": mode } } })
}

fn restart_count(state: &Value) -> i64 {
    state["system"]["operation"]["restart_count"].as_i64().unwrap()
}

fn state_identity_is_told_and_added_to() {
    let mut shown = Shown::start("state_identity");
    shown.desk.configure(DEVICE, &mode("active"));
    let state = shown.desk.state(DEVICE, |state| state["system"]["software"]["bus_driver"] == "2.1");
    let system = &state["system"];
    assert_eq!(system["serial_no"], "SN-998877-XY");
    assert_eq!(
        system["hardware"],
        json!({ "make": "Delta Controls", "model": "Red5 Controller", "rev": "C" })
    );
    assert!(system["software"]["firmware"].as_str().unwrap().starts_with('v'), "{system}");
}

fn metrics_come_as_often_as_the_config_wants() {
    let mut shown = Shown::start("metrics");
    shown.desk.configure(DEVICE, &json!({ "system": { "metrics_rate_sec": 1 } }));
    for _ in 0..2 {
        let event = shown.desk.message(DEVICE, "events/system", |event| event["metrics"].is_object());
        assert!(event["metrics"]["mem_total_mb"].as_f64().unwrap() > 0.0, "{event}");
    }
}

fn lifecycle_restarts_if_it_is_not_busy_and_ends_by_command() {
    let mut shown = Shown::start("lifecycle");
    let busy = shown.folder.path().join("busy");
    fs::write(&busy, "").unwrap();
    let first = shown.desk.ask(DEVICE, &mode("active"));
    shown.desk.configure(DEVICE, &mode("restart"));
    shown.desk.message(DEVICE, "events/system", |event| event.to_string().contains("busy, no Restart now"));
    fs::remove_file(busy).unwrap();
    shown.desk.ask(DEVICE, &mode("active"));
    shown.desk.configure(DEVICE, &mode("restart"));
    shown.desk.state(DEVICE, |state| state["system"]["operation"]["mode"] == "restart");
    shown.program.line("restarting");
    shown.program.line("run 2");
    let second = shown.desk.state(DEVICE, |state| state["system"]["operation"]["mode"] == "initial");
    assert_eq!(restart_count(&second), restart_count(&first) + 1);
    shown.desk.ask(DEVICE, &mode("active"));
    shown.desk.command(DEVICE, "shutdown", &json!({}));
    shown.desk.state(DEVICE, |state| state["system"]["operation"]["mode"] == "shutdown");
    assert!(shown.program.end().success(), "{:?}", shown.program.said());
}

fn logging_brings_records_into_the_system_log_by_their_level() {
    let mut shown = Shown::start("logging");
    // What was logged before is judged by the level of then.
    shown.desk.configure(DEVICE, &json!({ "system": { "min_loglevel": 100 } }));
    let mut wanted = vec![
        (200, "device.fan", "running for 0 minutes"),
        (200, "device.application", "all is well"),
        (300, "device.door", "opened"),
    ];
    while !wanted.is_empty() {
        let event = shown.desk.message(DEVICE, "events/system", |event| event["logentries"].is_array());
        wanted.retain(|(level, category, message)| {
            !event["logentries"].as_array().unwrap().iter().any(|entry| {
                entry["level"] == *level && entry["category"] == *category && entry["message"] == *message
            })
        });
    }
}

fn custom_event_is_published_with_time_stamp_and_version() {
    let mut shown = Shown::start("custom_event");
    shown.desk.configure(DEVICE, &mode("active"));
    let event = shown.desk.message(DEVICE, "events/heartbeat", |event| event["count"] == 1);
    assert!(event["timestamp"].is_string() && event["version"].is_string(), "{event}");
}

fn custom_block_is_configured_shown_and_commanded() {
    let mut shown = Shown::start("custom_block");
    let mut config = mode("active");
    config["elevator"] = json!({ "floors": 4 });
    shown.desk.configure(DEVICE, &config);
    shown.program.line("4 floors");
    shown.desk.state(DEVICE, |state| state["elevator"] == json!({ "floors": 4, "at": 0 }));
    shown.desk.command(DEVICE, "call", &json!({ "floor": 3 }));
    shown.program.line("called to 3");
    shown.desk.state(DEVICE, |state| state["elevator"]["at"] == 3);
    shown.desk.configure(DEVICE, &mode("active"));
    shown.desk.state(DEVICE, |state| state.get("elevator").is_none());
}

fn bare_is_a_device_like_any_other() {
    let mut shown = Shown::start("bare");
    shown.desk.configure(DEVICE, &sampling(&json!({ "uptime": {}, "setpoint": { "set_value": 20 } })));
    shown.value_state("setpoint", "applied");
    assert_eq!(shown.sample("setpoint"), 20);
    assert!(shown.sample("uptime").is_number());
}
