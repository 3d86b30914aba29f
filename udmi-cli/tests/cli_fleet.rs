//! `udmi fleet` against a broker, with the real binary.

mod bench;

use std::collections::BTreeSet;
use std::process::{Command, Output, Stdio};

use bench::place::{Place, Working};
use bench::{Bench, ndjson, stderr, udmi};
use device_broker::{Access, Users};
use serde_json::Value;

fn fleet(bench: &Bench, arguments: &[&str]) -> Command {
    let mut udmi = udmi();
    udmi.arg("fleet")
        .arg(bench.url())
        .args(["--registry", "REG", "--seed", "1", "--ramp", "2000"])
        .args(arguments);
    udmi
}

/// The summary of a fleet that was well.
fn summary(output: &Output) -> Value {
    assert!(output.status.success(), "{}{}", stderr(output), String::from_utf8_lossy(&output.stdout));
    let mut lines = ndjson(output);
    assert_eq!(lines.len(), 1);
    lines.remove(0)
}

#[test]
fn two_hundred_devices_are_connected_configured_acknowledged_and_leave_in_order() {
    let bench = Bench::start();
    let arguments = ["--count", "200", "--rate", "1", "--duration", "3", "--threads", "2", "--json"];
    let summary = summary(&fleet(&bench, &arguments).output().unwrap());
    for (name, expected) in [
        ("devices", 200),
        ("connected", 200),
        ("connected_at_last", 200),
        ("configured", 200),
        ("connections", 200),
        ("left_in_order", 200),
        ("disconnections", 0),
        ("configs_with_findings", 0),
        ("restarts", 0),
        ("faults", 0),
        ("fleet", 200),
        ("threads", 2),
    ] {
        assert_eq!(summary[name], expected, "{name}: {summary}");
    }
    let messages = &summary["messages"];
    assert!(messages["sent"].as_u64().unwrap() >= 200 * 4, "{summary}");
    assert_eq!(messages["acknowledged"], messages["sent"]);
    assert_eq!((&messages["unacknowledged"], &messages["lost"]), (&0.into(), &0.into()));
    let (steady, memory) = (&summary["steady"], &summary["memory"]);
    for number in [
        &steady["seconds"],
        &steady["cpu_percent"],
        &steady["cpu_seconds"],
        &steady["messages_per_second"],
        &steady["acknowledgement_ms"]["p50"],
        &steady["acknowledgement_ms"]["p99"],
        &summary["whole"]["acknowledgement_ms"]["max"],
        &summary["ramp"]["seconds"],
        &summary["ramp"]["connections_per_second"],
        &memory["bytes_per_device"],
        &memory["resident_bytes"],
    ] {
        assert!(number.as_f64().is_some_and(|number| number > 0.0), "{summary}");
    }
    assert_eq!((&summary["well"], &summary["shard"]), (&true.into(), &"0/1".into()));
}

/// Those who have connected since they were last asked for.
fn connected(bench: &Bench) -> BTreeSet<String> {
    bench.clients_connected().into_iter().filter(|client| client.starts_with("/r/REG/d/")).collect()
}

#[test]
fn the_shards_of_a_fleet_are_disjoint_and_complete() {
    let bench = Bench::start();
    let shard = |shard: &str, job: Option<&str>| {
        let mut command =
            fleet(&bench, &["--count", "31", "--ids", "LAB-{n}", "--shard", shard, "--duration", "0"]);
        command.envs(job.map(|index| ("JOB_COMPLETION_INDEX", index)));
        let output = command.arg("--json").output().unwrap();
        let devices = summary(&output)["devices"].as_u64().unwrap();
        let connected = connected(&bench);
        assert_eq!(connected.len() as u64, devices);
        connected
    };
    let parts = [shard("0/3", None), shard("auto/3", Some("1")), shard("2/3", None)];
    let all: BTreeSet<String> = parts.iter().flatten().cloned().collect();
    assert_eq!(all.len(), parts.iter().map(BTreeSet::len).sum::<usize>(), "no device is in two shards");
    assert_eq!(all, (1..=31).map(|number| format!("/r/REG/d/LAB-{number}")).collect());
}

#[test]
fn a_fleet_gets_over_lost_connections_storms_late_readings_and_bad_values() {
    let bench = Bench::start();
    let faults = "drop=12,storm=4,slow=0.1,bad=0.3";
    let arguments = ["--count", "20", "--rate", "1", "--duration", "5", "--grace", "30", "--faults", faults];
    let summary = summary(&fleet(&bench, &arguments).arg("--json").output().unwrap());
    assert!(summary["faults"].as_u64().unwrap() > 40, "{summary}");
    assert_eq!(summary["left_in_order"], 20);
    assert!(summary["disconnections"].as_u64().unwrap() >= 20, "{summary}");
    assert!(summary["connections"].as_u64() > summary["devices"].as_u64(), "{summary}");
}

#[test]
fn devices_whose_power_fails_start_again_and_remember() {
    let bench = Bench::start();
    let arguments = ["--count", "10", "--rate", "1", "--duration", "4", "--faults", "cut=2", "--json"];
    let summary = summary(&fleet(&bench, &arguments).output().unwrap());
    assert!(summary["restarts"].as_u64().unwrap() >= 5, "{summary}");
    assert_eq!(summary["left_in_order"], 10);
    let counts = std::iter::from_fn(|| Some(bench.any_message("state")));
    let mut counts = counts.filter_map(|state| state["system"]["operation"]["restart_count"].as_u64());
    assert!(counts.any(|count| count > 1), "a device knows that it was started before");
}

#[test]
fn a_fleet_that_is_told_to_stop_leaves_in_order() {
    let bench = Bench::start();
    let mut command = fleet(&bench, &["--count", "50", "--rate", "0", "--json"]);
    let working = Working::start(&mut command);
    for _ in 0..50 {
        bench.any_message("state");
    }
    working.signal("-TERM");
    let summary = summary(&working.output());
    assert_eq!(summary["left_in_order"], 50);
    assert_eq!(bench.clients_left_in_order(), 50);
}

#[test]
fn samples_faster_than_configs_can_ask_for_are_ordered() {
    let bench = Bench::start();
    let arguments = ["--count", "5", "--rate", "5", "--duration", "4", "--json"];
    let summary = summary(&fleet(&bench, &arguments).output().unwrap());
    let rate = summary["steady"]["messages_per_second"].as_f64().unwrap();
    assert!(rate > 15.0, "five devices with five samples a second: {rate}");
}

#[test]
fn the_twins_of_a_site_are_its_devices_with_those_behind_their_gateways() {
    let (bench, place) = (Bench::start(), Place::new());
    let site = place.site();
    let mut command =
        fleet(&bench, &["--devices-from", site.to_str().unwrap(), "--rate", "1", "--duration", "4"]);
    let working = Working::start(command.arg("--json"));
    let voltage = bench.message_where("EM-2", "events/pointset", |event| {
        event["points"]["voltage_sensor"]["present_value"].is_number()
    });
    let voltage = voltage["points"]["voltage_sensor"]["present_value"].as_f64().unwrap();
    assert!((225.0..=235.0).contains(&voltage), "{voltage}");
    let summary = summary(&working.output());
    assert_eq!((&summary["devices"], &summary["fleet"]), (&3.into(), &Value::Null));
}

#[test]
fn the_shards_of_a_site_are_disjoint_and_complete() {
    let (bench, place) = (Bench::start(), Place::new());
    let site = place.site();
    let shard = |shard: &str| {
        let arguments =
            ["--devices-from", site.to_str().unwrap(), "--shard", shard, "--duration", "0", "--json"];
        let devices = summary(&fleet(&bench, &arguments).output().unwrap())["devices"].as_u64().unwrap();
        let connected = connected(&bench);
        assert_eq!(connected.len() as u64, devices);
        connected
    };
    let all: Vec<String> = [shard("0/2"), shard("1/2")].into_iter().flatten().collect();
    let expected = ["AHU-1", "FCU-1", "GAT-1"].map(|id| format!("/r/REG/d/{id}"));
    assert_eq!(all.len(), 3, "no device is in two shards: {all:?}");
    assert_eq!(BTreeSet::from_iter(all), BTreeSet::from(expected));
}

#[test]
fn each_device_has_its_own_account_and_the_fleet_one_that_publishes_configs() {
    let account = |users: Users, name: &str| users.with(name, "s3cret", Access::all());
    let users = ["dev-1-SIM-1", "dev-2-SIM-2", "cloud"].into_iter().fold(Users::default(), account);
    let (bench, folder) = (Bench::with(users), tempfile::tempdir().unwrap());
    let file = folder.path().join("password");
    std::fs::write(&file, "s3cret\n").unwrap();
    let password = file.to_str().unwrap();
    let devices = ["--count", "2", "--username", "dev-{n}-{id}", "--password-file", password];
    let cloud = ["--rate", "0", "--cloud-username", "cloud", "--cloud-password-file", password];
    let arguments = [&devices[..], &cloud, &["--duration", "0", "--json"]].concat();
    assert_eq!(summary(&fleet(&bench, &arguments).output().unwrap())["configured"], 2);
}

#[test]
fn a_fleet_without_a_broker_is_not_well() {
    let bench = Bench::start();
    let url = bench.url();
    drop(bench);
    let mut command = udmi();
    command.args(["fleet", &url, "--count", "3", "--json", "--until-input-ends"]).stdin(Stdio::null());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_eq!(ndjson(&output)[0]["connected"], 0);
    let output = udmi().args(["fleet", &url, "--count", "3", "--rate", "1"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("cannot use the broker"), "{}", stderr(&output));
}

#[test]
fn what_does_not_go_together_is_refused() {
    for (arguments, reason) in [
        (&["mqtt://h"][..], "--count"),
        (&["--count", "3"], "ENDPOINT"),
        (&["mqtt://h", "--count", "3", "--ids", "SIM"], "{n}"),
        (&["mqtt://h", "--count", "3", "--shard", "3/3"], "I from 0 to N-1"),
        (&["mqtt://h", "--count", "3", "--faults", "fire=1"], "expected drop"),
        (&["mqtt://h", "--count", "3", "--rate", "50"], "samples a second"),
        (&["mqtt://h", "--count", "3", "--make-keys"], "site model"),
        (&["mqtt://h", "--count", "3", "--ca", "ca.crt"], "TLS only"),
    ] {
        let output = udmi().arg("fleet").args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(reason), "{arguments:?}: {}", stderr(&output));
    }
}
