//! `udmi device` as a gateway, and `udmi scan`, with the real binary.

mod bench;
#[allow(dead_code)] // the tests of the family itself use all of it
#[path = "../../udmi-host/tests/bacnet/python.rs"]
mod python;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use bench::place::Place;
use bench::{Bench, ndjson, run, stderr, stdout};
use serde_json::{Value, json};

fn gateway_config(second: u32) -> Value {
    json!({
        "timestamp": format!("2026-03-01T10:00:{second:02}Z"),
        "version": "1.5.7",
        "system": { "operation": {} },
        "gateway": { "proxy_ids": ["EM-1", "EM-2"] },
    })
}

fn meter_config(unit: &str) -> Value {
    let reference = |address: u32| json!({ "ref": format!("3/{address}/2?type=FLOAT32") });
    json!({
        "timestamp": "2026-03-01T10:00:00Z",
        "version": "1.5.7",
        "system": { "operation": {} },
        "gateway": { "target": { "family": "modbus", "addr": "line_1", "unitid": unit } },
        "pointset": { "sample_rate_sec": 1, "points": {
            "power_sensor": reference(100), "voltage_sensor": reference(102), "energy_accumulator": reference(104),
        } },
    })
}

fn serves_its_meters(runtime: &str) {
    let (bench, place) = (Bench::start(), Place::new());
    bench.configure_device("GAT-1", &gateway_config(0));
    bench.configure_device("EM-1", &meter_config("1"));
    bench.configure_device("EM-2", &meter_config("2"));
    // Asked for a proxied device, its gateway runs.
    let mut device = place.device_of(&bench, "EM-1", &["--runtime", runtime]);
    for meter in ["EM-1", "EM-2"] {
        let voltage = bench.message_where(meter, "events/pointset", |event| {
            event["points"]["voltage_sensor"]["present_value"].is_number()
        });
        let voltage = &voltage["points"]["voltage_sensor"]["present_value"];
        assert!((225.0..=235.0).contains(&voltage.as_f64().unwrap()), "{voltage}");
    }
    let mut scanning = gateway_config(1);
    scanning["discovery"] = json!({ "families": { "modbus": {
        "generation": "2026-03-01T10:00:00Z", "scan_interval_sec": 5, "scan_duration_sec": 2, "depth": "details" } } });
    bench.configure_device("GAT-1", &scanning);
    let mut found = Vec::new();
    while found.len() < 2 {
        let event = bench.message_where("GAT-1", "events/discovery", |event| event["addr"].is_string());
        assert!(
            event["refs"].as_object().is_some_and(|refs| refs.contains_key("3/102/2?type=FLOAT32")),
            "{event}"
        );
        found.push(event["addr"].clone());
    }
    device.signal("-TERM");
    assert_eq!(device.exit_code(), Some(0));
}

#[test]
fn a_gateway_on_threads_serves_the_devices_behind_it_and_finds_them() {
    serves_its_meters("std");
}

#[test]
fn a_gateway_on_a_bare_socket_serves_the_devices_behind_it_and_finds_them() {
    serves_its_meters("bare");
}

#[test]
fn a_gateway_as_a_future_serves_the_devices_behind_it_and_finds_them() {
    serves_its_meters("smol");
}

/// Answers each reading of two input registers of unit 1 with a number, and everything else with an exception.
fn meter_on_modbus(value: f32) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            thread::spawn(move || {
                let mut request = [0; 12];
                while socket.read_exact(&mut request).is_ok() {
                    let (unit, function) = (request[6], request[7]);
                    let mut answer = request[..4].to_vec();
                    if unit == 1 && (3..=4).contains(&function) && request[11] == 2 {
                        answer.extend([0, 7, unit, function, 4]);
                        answer.extend(value.to_be_bytes());
                    } else {
                        answer.extend([0, 3, unit, function | 0x80, if unit == 1 { 2 } else { 11 }]);
                    }
                    if socket.write_all(&answer).is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}

#[test]
fn points_of_a_proxied_device_are_read_by_modbus() {
    let (bench, place) = (Bench::start(), Place::new());
    bench.configure_device("GAT-1", &gateway_config(0));
    bench.configure_device("EM-1", &meter_config("1"));
    bench.configure_device("EM-2", &meter_config("2"));
    let line = format!("line_1={}", meter_on_modbus(236.5));
    let _device = place.device_of(&bench, "GAT-1", &["--plant", "modbus", "--modbus-line", &line]);
    bench.message_where("EM-1", "events/pointset", |event| {
        event["points"]["voltage_sensor"]["present_value"] == json!(236.5)
    });
    // Nobody answers as unit 2.
    let state = bench.message_where("EM-2", "state", |state| state["gateway"]["status"]["level"] == 500);
    assert_eq!(state["gateway"]["status"]["category"], "gateway.proxy.connect");
}

/// Device 1001 of the simulated ones stands behind the gateway as EM-1.
#[test]
fn points_of_a_proxied_device_are_read_written_and_found_by_bacnet() {
    let test = "points_of_a_proxied_device_are_read_written_and_found_by_bacnet";
    let Some(mut devices) = python::Devices::start(test) else { return };
    let (bench, place) = (Bench::start(), Place::new());
    let file = place.site().join("devices/EM-1/metadata.json");
    let mut metadata: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    metadata["gateway"]["target"] = json!({ "family": "bacnet" });
    metadata["localnet"]["families"] = json!({ "bacnet": { "addr": "1001" } });
    metadata["pointset"]["points"] = json!({
        "temperature": { "ref": "AI/1", "units": "Degrees-Celsius" },
        "setpoint": { "ref": "AV/12", "units": "Degrees-Celsius", "writable": true },
    });
    fs::write(&file, metadata.to_string()).unwrap();
    let mut gateway = gateway_config(0);
    gateway["gateway"]["proxy_ids"] = json!(["EM-1"]);
    bench.configure_device("GAT-1", &gateway);
    let mut config = meter_config("1");
    config["gateway"]["target"] = json!({ "family": "bacnet", "addr": "1001" });
    config["pointset"]["points"] =
        json!({ "temperature": { "ref": "AI/1" }, "setpoint": { "ref": "AV/12", "set_value": 23.25 } });
    bench.configure_device("EM-1", &config);
    let address = devices.addresses()[0].to_string();
    let plant = ["--plant", "bacnet", "--bacnet-bind", "127.0.0.1:0", "--bacnet-to", &address];
    let _device = place.device_of(&bench, "GAT-1", &plant);
    bench.message_where("EM-1", "events/pointset", |event| {
        let value = |point: &str| event["points"][point]["present_value"].clone();
        value("temperature") == 21.3 && value("setpoint") == 23.25
    });
    assert_eq!(devices.show(1001, "analog-value,12")["priorities"], json!({ "16": 23.25 }));
    gateway["timestamp"] = "2026-03-01T10:00:01Z".into();
    gateway["discovery"] = json!({ "families": { "bacnet": {
        "generation": "2026-03-01T10:00:00Z", "scan_interval_sec": 5, "scan_duration_sec": 2, "depth": "refs" } } });
    bench.configure_device("GAT-1", &gateway);
    let found = bench.message_where("GAT-1", "events/discovery", |event| event["addr"] == "1001");
    assert_eq!(found["refs"]["AI/1"]["name"], "Supply Air Temp", "{found}");
}

#[test]
fn a_scan_tells_what_it_finds_to_people_and_to_programs() {
    let place = Place::new();
    let site = place.site();
    let simulated = ["scan", "--family", "modbus", "--site", site.to_str().unwrap(), "--simulated"];
    let output = run(&[&simulated[..], &["--depth", "details"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let told = stdout(&output);
    assert!(told.starts_with("ADDRESS"), "{told}");
    assert!(
        told.contains("line_1") && told.contains("EM-2") && told.contains("3/102/2?type=FLOAT32"),
        "{told}"
    );
    let output = run(&[&simulated[..], &["--json"]].concat());
    let found = ndjson(&output);
    assert_eq!(found.len(), 2);
    assert_eq!((&found[0]["address"], &found[0]["references"]), (&json!("line_1"), &json!({})));
}

#[test]
fn a_scan_looks_at_modbus_hosts() {
    let host = meter_on_modbus(1.0);
    let output = run(&["scan", "--family", "modbus", "--modbus-host", &host, "--duration", "3", "--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(ndjson(&output)[0]["address"], json!(host));
}

#[test]
fn a_scan_that_cannot_be_made_says_why() {
    let output = run(&["scan", "--family", "bacnet", "--address", "addr-1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("expected a number from 1 to 4194303"), "{}", stderr(&output));
    let output = run(&["scan", "--family", "vendor"]);
    assert_eq!(output.status.code(), Some(2));
    let output = run(&["scan", "--family", "modbus"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("no hosts to look at"), "{}", stderr(&output));
}
