//! `udmi trace` and `udmi replay` with runs of devices.

mod bench;

use std::fs;
use std::path::Path;

use bench::{Bench, PATIENCE, config, ndjson, run, stderr, stdout};

/// A device runs until it has answered its config, and leaves a trace.
fn recorded(folder: &Path) -> String {
    let bench = Bench::start();
    bench.configure(&config());
    let file = folder.join("run.ndjson");
    let device = bench.device().trace(&file).start().unwrap();
    while bench.message("state")["system"]["last_config"] != config()["timestamp"] {}
    device.stop();
    device.wait_for(PATIENCE).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn a_run_is_shown_as_a_transcript() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(&["trace", &recorded(folder.path())]);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    for wanted in
        ["> CONNECT id=/r/REG/d/AHU-1", "< CONNACK accepted", "< PUBLISH ", "> exit Shutdown", ". next at "]
    {
        assert!(text.contains(wanted), "{wanted} is not in\n{text}");
    }
}

#[test]
fn a_run_replays_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let file = recorded(folder.path());
    let output = run(&["replay", &file]);
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    assert!(stdout(&output).starts_with("nothing differs: "), "{}", stdout(&output));
    let [told] = ndjson(&run(&["replay", &file, "--json"])).try_into().unwrap();
    let lines = fs::read_to_string(&file).unwrap().lines().count();
    assert_eq!((&told["same"], &told["events"]), (&true.into(), &(lines - 2).into()));
}

#[test]
fn the_first_difference_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = recorded(folder.path());
    let trace = fs::read_to_string(&file).unwrap();
    let other = trace.replacen("\"Shutdown\"", "\"Terminate\"", 1);
    assert_ne!(trace, other);
    let line = 1 + trace.lines().zip(other.lines()).position(|(one, two)| one != two).unwrap();
    fs::write(&file, other).unwrap();
    let output = run(&["replay", &file]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let text = stdout(&output);
    // Asked to terminate instead, the device says so.
    for wanted in [" differs\n  expected …", "shutting down", "\n  seen     …", "terminating"] {
        assert!(text.contains(wanted), "{wanted} is not in\n{text}");
    }
    let [told] = ndjson(&run(&["replay", &file, "--json"])).try_into().unwrap();
    assert_eq!(told["same"], false);
    assert!(told["line"].as_u64().unwrap() >= line as u64, "{told}");
}

#[test]
fn a_broken_trace_is_refused_with_its_line_and_what_was_expected() {
    let folder = tempfile::tempdir().unwrap();
    let file = recorded(folder.path());
    let trace = fs::read_to_string(&file).unwrap();
    let header = trace.lines().next().unwrap();
    let broken = [
        (String::new(), 1),
        ("not a trace".to_owned(), 1),
        (header.replace("\"format\":1", "\"format\":99"), 1),
        (header.to_owned(), 2),
        (trace[..trace.len() - 20].to_owned(), trace.lines().count()),
    ];
    for (content, line) in broken {
        fs::write(&file, content).unwrap();
        let output = run(&["replay", &file]);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains(&format!("{file}:{line}: expected ")), "{}", stderr(&output));
    }
    fs::write(&file, format!("{header}\n{{}}\n")).unwrap();
    for command in ["trace", "replay"] {
        let output = run(&[command, &file]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(":2: expected now, event, actions"), "{}", stderr(&output));
    }
    assert_eq!(run(&["trace", "/nowhere/run.ndjson"]).status.code(), Some(2));
}

#[test]
fn the_device_command_leaves_a_trace_that_replays() {
    let bench = Bench::start();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (site, trace, state) = (path("site"), path("run.ndjson"), path("state"));
    let output = run(&["init", &site]);
    assert!(output.status.success(), "{}", stderr(&output));
    let mut device = bench.udmi("device", &["--site", &site, "--device", "AHU-1", "--trace", &trace]);
    device.args(["--state-dir", &state, "--until-input-ends"]).stdin(std::process::Stdio::piped());
    let mut device = device.spawn().unwrap();
    // Without a config it waits for one; the first event needs none.
    bench.message("events/system");
    drop(device.stdin.take());
    let output = device.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let output = run(&["replay", &trace]);
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    assert!(stdout(&run(&["trace", &trace])).contains("> CONNECT id=/r/REG/d/AHU-1"));
}
