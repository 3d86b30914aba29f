//! `udmi demo`, `udmi init` and `udmi broker`, as a newcomer runs them.

mod bench;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use bench::{ndjson, run, stderr, stdout, udmi};
use serde_json::Value;

#[test]
fn the_demo_observes_every_step() {
    let output = udmi().args(["demo", "--json", "--seconds", "1"]).output().unwrap();
    let lines = ndjson(&output);
    let (summary, steps) = lines.split_last().unwrap();
    for step in steps {
        assert_eq!(step["observed"], true, "{step}");
    }
    assert_eq!(summary["observed"], summary["steps"], "{summary}");
    assert_eq!(steps.len() as u64, summary["steps"].as_u64().unwrap());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn a_demo_whose_device_dies_says_which_step_was_not_observed() {
    let mut demo = udmi().args(["demo", "--json", "--seconds", "1"]).spawn().unwrap();
    let mut steps = Vec::new();
    for line in BufReader::new(demo.stdout.take().unwrap()).lines() {
        let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
        if line["step"] == "Device" {
            let detail = line["detail"].as_str().unwrap();
            let process = detail.split_once("process ").unwrap().1.split_once(')').unwrap().0.to_owned();
            assert!(Command::new("kill").args(["-KILL", &process]).status().unwrap().success());
        }
        steps.push(line);
    }
    let summary = steps.pop().unwrap();
    let missing = steps.pop().unwrap();
    assert_eq!(missing["observed"], false, "{missing}");
    assert!(steps.iter().all(|step| step["observed"] == true));
    assert_eq!(summary["observed"].as_u64().unwrap(), steps.len() as u64);
    assert!(summary["untried"].as_array().unwrap().contains(&"Farewell".into()), "{summary}");
    assert_eq!(demo.wait().unwrap().code(), Some(1));
}

#[test]
fn a_demo_that_cannot_begin_says_why_in_one_line() {
    let output = udmi().arg("demo").env("TMPDIR", "/nonexistent").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).starts_with("error: no temporary folder"), "{}", stderr(&output));
    assert_eq!(stderr(&output).lines().count(), 1);
}

#[test]
fn the_site_of_init_satisfies_check() {
    let folder = tempfile::tempdir().unwrap();
    let site = folder.path().join("site");
    let site = site.to_str().unwrap();
    let output = run(&["init", site]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains(&format!("udmi device --site {site} --device AHU-1 --endpoint")));
    let output = run(&["check", site]);
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
}

#[test]
fn init_overwrites_nothing() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    let output = run(&["init", folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("not empty"), "{}", stderr(&output));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_broker_says_where_it_listens_and_ends_with_its_input() {
    let arguments = ["broker", "--port", "0", "--json", "--until-input-ends"];
    let mut broker = udmi().args(arguments).stdin(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(broker.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address: Value = serde_json::from_str(&line).unwrap();
    let address = address["listening"].as_str().unwrap().strip_prefix("mqtt://").unwrap().to_owned();
    std::net::TcpStream::connect(&address).unwrap();
    drop(broker.stdin.take());
    assert_eq!(broker.wait().unwrap().code(), Some(0));
}

#[test]
fn a_port_in_use_is_said_with_a_way_out() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = run(&["broker", "--port", &port]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("--port 0"), "{}", stderr(&output));
}
