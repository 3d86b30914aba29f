//! `udmi watch` against a broker and a device.

mod bench;

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command};

use device_broker::{Access, Users};

use bench::{Bench, config, ndjson, run, stderr, stdout};

#[test]
fn messages_are_told_as_one_json_object_a_line() {
    let bench = Bench::start();
    bench.configure(&config());
    let watch = bench.udmi("watch", &["--device", "AHU-1", "--count", "5", "--json"]).spawn().unwrap();
    let device = bench.device().start().unwrap();
    device.set_point("sat", 21.5).unwrap();
    let output = watch.wait_with_output().unwrap();
    device.stop();
    assert!(output.status.success(), "{}", stderr(&output));
    let messages = ndjson(&output);
    assert_eq!(messages.len(), 5);
    assert_eq!((&messages[0]["kind"], &messages[0]["message"]), (&"config".into(), &config()));
    assert_eq!(messages[0]["retained"], true);
    let kinds: Vec<_> = messages.iter().map(|message| message["kind"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"state") && kinds.contains(&"events"), "{kinds:?}");
    assert!(messages.iter().all(|message| message["device"] == "AHU-1" && message["time"].is_string()));
}

#[test]
fn people_see_differences_units_and_log_entries() {
    let bench = Bench::start();
    bench.configure(&config());
    let mut watch = listening(&bench);
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines().map(Result::unwrap);
    let device = bench.device().start().unwrap();
    device.set_point("sat", 21.5).unwrap();
    let mut wanted = vec![
        " AHU-1 config first seen (retained)",
        "    + system.last_config = \"2026-03-01T10:00:00Z\"",
        " AHU-1 pointset ",
        "sat=21.5°C",
        " AHU-1 system NOTICE system.",
    ];
    while !wanted.is_empty() {
        let line = lines.next().unwrap();
        wanted.retain(|wanted| !line.contains(wanted));
    }
    device.stop();
    interrupt(watch.id());
    assert!(watch.wait().unwrap().success());
}

#[test]
fn control_characters_of_a_peer_do_not_reach_the_terminal() {
    let bench = Bench::start();
    let device = bench.device().start().unwrap();
    let mut watch = listening(&bench);
    device.error("red \u{1b}[31m alert").unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines().map(Result::unwrap);
    let line = lines.find(|line| line.contains("alert")).unwrap();
    assert!(line.contains("ERROR") && line.contains("red \\u{1b}[31m alert"), "{line}");
    device.stop();
    interrupt(watch.id());
    assert!(watch.wait().unwrap().success());
}

#[test]
fn a_broker_that_is_not_there_is_one_line_and_a_hint() {
    let bench = Bench::start();
    let url = bench.url();
    drop(bench);
    let output = run(&["watch", "--endpoint", &url]);
    assert_eq!(output.status.code(), Some(1));
    let told = format!("error: cannot use the broker {url}: connection refused\n hint: ");
    assert!(stderr(&output).starts_with(&told), "{}", stderr(&output));
}

#[test]
fn who_may_not_connect_is_told_how_to() {
    let bench = Bench::with(Users::default().with("cloud", "s3cret", Access::all()));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    let file = file.to_str().unwrap();
    for (password, code) in [("wrong\n", 1), ("s3cret\n", 0)] {
        std::fs::write(file, password).unwrap();
        let arguments = ["--username", "cloud", "--password-file", file, "--timeout", "0"];
        let output = bench.udmi("watch", &arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        assert_eq!(stderr(&output).contains(" hint: --username and --password-file "), code == 1);
    }
}

#[test]
fn too_few_messages_in_the_time_given_fail() {
    let bench = Bench::start();
    let output = bench.udmi("watch", &["--count", "1", "--timeout", "0"]).output().unwrap();
    assert_eq!((output.status.code(), stdout(&output)), (Some(1), String::new()));
    let output = bench.udmi("watch", &["--timeout", "0"]).output().unwrap();
    assert!(output.status.success());
}

#[test]
fn a_reader_that_goes_away_ends_it_silently() {
    let bench = Bench::start();
    bench.configure(&config());
    let mut watch = bench.udmi("watch", &["--quiet"]).spawn().unwrap();
    drop(watch.stdout.take());
    let device = bench.device().start().unwrap();
    let mut told = String::new();
    watch.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    assert_eq!((watch.wait().unwrap().code(), told.as_str()), (Some(0), ""));
    device.stop();
}

/// A watch that misses nothing from now on.
fn listening(bench: &Bench) -> Child {
    let mut watch = bench.udmi("watch", &["--color", "never"]).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(watch.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("listening at mqtt://"), "{line}");
    watch
}

/// As Ctrl-C does.
fn interrupt(process: u32) {
    assert!(Command::new("kill").args(["-INT", &process.to_string()]).status().unwrap().success());
}
