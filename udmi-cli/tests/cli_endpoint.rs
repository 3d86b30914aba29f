//! `udmi endpoint` between two brokers.

mod bench;

use std::path::Path;
use std::process::Output;

use bench::place::{Place, Running, Working};
use bench::{Bench, Speaker, config, ndjson, run, stderr, stdout, write};
use serde_json::{Value, json};
use udmi_tests::live::certificates::Pki;

const BLOB: &str = "_iot_endpoint_config";

/// The next config that has an order.
fn ordered(bench: &Bench, registry: &str) -> Value {
    loop {
        let config = bench.message_in(registry, "config");
        if config["blobset"]["blobs"][BLOB].is_object() {
            return config;
        }
    }
}

/// A state that answers a config.
fn state(config: &Value, blob: &Value) -> Value {
    let mut state = json!({ "system": { "last_config": config["timestamp"] } });
    if !blob.is_null() {
        state["blobset"] = json!({ "blobs": { BLOB: blob } });
    }
    state
}

fn phase(config: &Value, phase: &str, status: Value) -> Value {
    let generation = &config["blobset"]["blobs"][BLOB]["generation"];
    let mut blob = json!({ "phase": phase, "generation": generation });
    if !status.is_null() {
        blob["status"] = status;
    }
    state(config, &blob)
}

#[test]
fn a_device_is_followed_from_one_broker_to_the_other() {
    let (one, other) = (Bench::start(), Bench::start());
    one.configure(&config());
    let to = other.url();
    let mirrored = ["--device", "AHU-1", "--to", &to, "--to-registry", "ALT", "--mirror", "--json"];
    let command = Working::start(&mut one.udmi("endpoint", &mirrored));
    let order = ordered(&one, "REG");
    assert_eq!(order["pointset"], config()["pointset"], "the rest of the config stays");
    let blob = &order["blobset"]["blobs"][BLOB];
    assert_eq!(blob["phase"], "final");
    assert!(blob["url"].as_str().unwrap().starts_with("data:application/json;base64,"), "{blob}");
    Speaker::new(&one).say("REG", "state", &phase(&order, "apply", Value::Null));
    let mirrored = ordered(&other, "ALT");
    assert_eq!(mirrored["blobset"], order["blobset"]);
    Speaker::new(&other).say("ALT", "state", &phase(&mirrored, "final", Value::Null));
    let output = command.output();
    assert!(output.status.success(), "{}", stderr(&output));
    let lines = ndjson(&output);
    assert_eq!(lines[0]["endpoint"]["client_id"], "/r/ALT/d/AHU-1");
    let said = |wanted: &str| lines.iter().find(|line| line["phase"] == wanted).unwrap()["at"].clone();
    assert_eq!((said("apply"), said("final")), (json!("first"), json!("other")));
    assert_eq!(lines.last().unwrap()["final"], BLOB);
}

/// A device with a config in force.
fn at_work(bench: &Bench, place: &Place) -> Running {
    at_work_at(bench, place, &bench.url(), &[])
}

fn at_work_at(bench: &Bench, place: &Place, url: &str, arguments: &[&str]) -> Running {
    let mut config = config();
    config["system"]["operation"] = json!({ "mode": "active" });
    bench.configure(&config);
    let device = place.device_at(url, arguments);
    bench.message("state");
    device
}

/// A broker behind TLS with an authority of its own, which wants the certificate of a device's key.
struct Secured {
    bench: Bench,
    pki: Pki,
    url: String,
}

impl Secured {
    fn start(place: &Place) -> Self {
        let certificate = std::fs::read_to_string(place.keys().join("ec_private.crt")).unwrap();
        let (bench, pki) = (Bench::start(), Pki::new().with_registered(&certificate));
        let address = pki.terminate(bench.address()).unwrap();
        let url = format!("mqtts://localhost:{}", address.port());
        Self { bench, pki, url }
    }
}

/// A site whose device has keys.
fn with_keys() -> Place {
    let place = Place::new();
    let site = place.site();
    let output = run(&[
        "keys",
        "generate",
        "-q",
        "--site",
        site.to_str().unwrap(),
        "--device",
        "AHU-1",
        "--kind",
        "ec",
    ]);
    assert!(output.status.success(), "{}", stderr(&output));
    place
}

/// Orders the device to `to`, with its own keys to follow it and these authorities.
fn ordered_to(from: &str, to: &Secured, place: &Place, authorities: &Path) -> Output {
    let mut command = bench::udmi();
    command.args(["endpoint", "--endpoint", from, "--registry", "REG", "--device", "AHU-1", "--json"]);
    command.args(["--to", &to.url, "--to-registry", "ALT", "--mirror"]).arg("--ca").arg(authorities);
    command.arg("--cert").arg(place.keys().join("ec_private.crt"));
    command.arg("--key").arg(place.keys().join("ec_private.pem")).output().unwrap()
}

#[test]
fn a_device_moves_from_a_plain_broker_to_one_behind_tls() {
    let (one, place) = (Bench::start(), with_keys());
    let other = Secured::start(&place);
    let authority = place.site().join("reflector/ca.crt");
    std::fs::create_dir(authority.parent().unwrap()).unwrap();
    std::fs::write(&authority, other.pki.authority()).unwrap();
    let _device = at_work(&one, &place);
    let output = ordered_to(&one.url(), &other, &place, &authority);
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    assert_eq!(other.bench.message_in("ALT", "state")["blobset"]["blobs"][BLOB]["phase"], "final");
}

#[test]
fn a_device_moves_between_brokers_of_two_authorities_and_stays_there_over_a_restart() {
    let place = with_keys();
    let (one, other) = (Secured::start(&place), Secured::start(&place));
    let authorities = place.folder().join("both.pem");
    std::fs::write(&authorities, [one.pki.authority(), other.pki.authority()].concat()).unwrap();
    let arguments = ["--auth", "mtls", "--ca", authorities.to_str().unwrap()];
    let mut device = at_work_at(&one.bench, &place, &one.url, &arguments);
    let output = ordered_to(&one.url, &other, &place, &authorities);
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    device.end_input();
    assert_eq!(device.exit_code(), Some(0));
    let _device = place.device_at(&one.url, &arguments);
    while other.bench.message_in("ALT", "state")["system"]["operation"]["restart_count"] != 2 {}
}

#[test]
fn a_device_does_not_move_to_a_broker_whose_authority_it_does_not_trust() {
    let place = with_keys();
    let (one, other) = (Secured::start(&place), Secured::start(&place));
    let (its_own, both) = (place.folder().join("one.pem"), place.folder().join("both.pem"));
    std::fs::write(&its_own, one.pki.authority()).unwrap();
    std::fs::write(&both, [one.pki.authority(), other.pki.authority()].concat()).unwrap();
    let arguments = ["--auth", "mtls", "--ca", its_own.to_str().unwrap()];
    let _device = at_work_at(&one.bench, &place, &one.url, &arguments);
    let output = ordered_to(&one.url, &other, &place, &both);
    assert_eq!(output.status.code(), Some(1), "{}{}", stdout(&output), stderr(&output));
    let status = ndjson(&output).pop().unwrap()["status"].clone();
    assert_eq!(status["category"], "blobset.blob.apply");
    assert!(status["message"].as_str().unwrap().contains("issuer"), "{status}");
}

#[test]
fn a_device_moves_to_another_broker_stays_there_over_a_restart_and_comes_home() {
    let (one, other, place) = (Bench::start(), Bench::start(), Place::new());
    let mut device = at_work(&one, &place);
    let there = ["--device", "AHU-1", "--to", &other.url(), "--to-registry", "ALT", "--mirror", "--json"];
    let output = one.udmi("endpoint", &there).output().unwrap();
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    let lines = ndjson(&output);
    let said = |wanted: &str| lines.iter().find(|line| line["phase"] == wanted).unwrap()["at"].clone();
    assert_eq!((said("apply"), said("final")), (json!("first"), json!("other")));
    device.end_input();
    assert_eq!(device.exit_code(), Some(0));

    let _device = place.device(&one, &[]);
    while other.message_in("ALT", "state")["system"]["operation"]["restart_count"] != 2 {}
    let home = ["--to", &one.url(), "--to-registry", "REG", "--mirror"];
    let mut command = bench::udmi();
    command.args(["endpoint", "--endpoint", &other.url(), "--registry", "ALT", "--device", "AHU-1"]);
    let output = command.args(home).output().unwrap();
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    assert!(stdout(&output).ends_with("below /r/REG/d\n"), "{}", stdout(&output));
}

#[test]
fn a_device_that_cannot_move_stays_and_says_why() {
    let (bench, place) = (Bench::start(), Place::new());
    let _device = at_work(&bench, &place);
    let order = ["--device", "AHU-1", "--to", "mqtt://127.0.0.1:1", "--json"];
    let output = bench.udmi("endpoint", &order).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}{}", stdout(&output), stderr(&output));
    let status = ndjson(&output).pop().unwrap()["status"].clone();
    assert_eq!((&status["level"], &status["category"]), (&json!(500), &json!("blobset.blob.apply")));
    let output = bench.udmi("endpoint", &["--device", "AHU-1", "--clear"]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn the_reason_of_a_failure_is_told() {
    let bench = Bench::start();
    bench.configure(&config());
    let order = ["--device", "AHU-1", "--to", "mqtt://127.0.0.1:1"];
    let command = Working::start(&mut bench.udmi("endpoint", &order));
    let order = ordered(&bench, "REG");
    let mut device = Speaker::new(&bench);
    device.say("REG", "state", &phase(&order, "apply", Value::Null));
    let status = json!({ "level": 500, "category": "blobset.blob.apply", "message": "connection refused" });
    device.say("REG", "state", &phase(&order, "final", status));
    let output = command.output();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stdout(&output).contains("the redirect failed: 500 blobset.blob.apply connection refused"));
    assert!(stderr(&output).contains("mqtt://127.0.0.1:1 is not heard"), "{}", stderr(&output));
}

#[test]
fn without_a_mirrored_order_an_answer_at_the_other_broker_will_do() {
    let bench = Bench::start();
    bench.configure(&config());
    let to = bench.url();
    let order = ["--device", "AHU-1", "--to", &to, "--to-registry", "ALT"];
    let command = Working::start(&mut bench.udmi("endpoint", &order));
    let order = ordered(&bench, "REG");
    let mut device = Speaker::new(&bench);
    device.say("REG", "state", &phase(&order, "apply", Value::Null));
    device.say("ALT", "state", &state(&config(), &Value::Null));
    let output = command.output();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).ends_with("below /r/ALT/d\n"), "{}", stdout(&output));
    assert!(stderr(&output).contains("--mirror"), "{}", stderr(&output));
}

#[test]
fn an_order_is_published_with_its_secrets_and_shown_without() {
    let bench = Bench::start();
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    std::fs::write(&password, "hunter2\n").unwrap();
    let credentials = ["--to-username", "me", "--to-password-file", password.to_str().unwrap()];
    let order = ["--device", "AHU-1", "--to", "mqtts://h", "--generation", "2026-03-01T10:00:00Z"];
    let arguments = [&order[..], &credentials, &["--no-wait"]].concat();
    let output = bench.udmi("endpoint", &arguments).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(!stdout(&output).contains("hunter2") && stdout(&output).contains("***"), "{}", stdout(&output));
    let config = ordered(&bench, "REG");
    assert_eq!(config["blobset"]["blobs"][BLOB]["generation"], "2026-03-01T10:00:00Z");
}

#[test]
fn an_order_is_taken_away() {
    let bench = Bench::start();
    let device = bench.device().start().unwrap();
    let mut before = config();
    before["blobset"] = json!({ "blobs": { BLOB: { "phase": "apply" } } });
    bench.configure(&before);
    let output = bench.udmi("endpoint", &["--device", "AHU-1", "--clear"]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stdout(&output), "_iot_endpoint_config is cleared\n");
    bench.message("config");
    let config = bench.message("config");
    assert!(config.get("blobset").is_none() && config["pointset"].is_object(), "{config}");
    device.stop();
}

#[test]
fn silence_ends_the_wait() {
    let bench = Bench::start();
    let order = ["--device", "AHU-1", "--to", &bench.url(), "--timeout", "1"];
    let output = bench.udmi("endpoint", &order).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("no answer of the device in 1 s"), "{}", stderr(&output));
}

#[test]
fn what_cannot_be_meant_is_refused_before_anything_is_published() {
    let bench = Bench::start();
    let folder = tempfile::tempdir().unwrap();
    let list = write(folder.path(), "list.json", &json!([]));
    let refused = [
        vec!["--device", "AHU-1"],
        vec!["--device", "AHU-1", "--to", "nowhere"],
        vec!["--device", "AHU-1", "--file", &list],
        vec!["--device", "AHU-1", "--clear", "--to", "mqtt://h"],
        vec!["--device", "AHU-1", "--to", "mqtt://h", "--generation", "now"],
        vec!["--device", "AHU-1", "--to", "mqtt://h", "--to-username", "me"],
    ];
    for arguments in refused {
        let output = bench.udmi("endpoint", &arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
    }
    let output = run(&["endpoint", "--endpoint", &bench.url(), "--device", "AHU-1", "--clear"]);
    assert!(stderr(&output).contains("--registry"), "{}", stderr(&output));
}
