//! `udmi config` against a broker and a device.

mod bench;

use std::sync::mpsc::channel;

use bench::{Bench, PATIENCE, config, ndjson, run, stderr, stdout, write};
use serde_json::json;

#[test]
fn a_config_from_a_file_is_taken_and_the_latency_told() {
    let bench = Bench::start();
    let device = bench.device().start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "config.json", &config());
    let output = bench.udmi("config", &["--device", "AHU-1", "--file", &file, "--json"]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let [published, answered] = ndjson(&output).try_into().unwrap();
    assert_eq!(published["published"]["pointset"], config()["pointset"]);
    assert_ne!(published["published"]["timestamp"], config()["timestamp"]);
    assert_eq!(answered["acknowledged"], published["published"]["timestamp"]);
    assert!(answered["latency_ms"].is_u64() && answered["statuses"] == json!([]), "{answered}");
    device.stop();
}

#[test]
fn an_edit_changes_the_kept_config_and_reaches_the_device() {
    let bench = Bench::start();
    bench.configure(&config());
    let (written, writes) = channel();
    let device = bench.device().on_writeback(move |point, value| {
        written.send((point.to_owned(), value.as_number())).map_err(|_| "nobody listens".into())
    });
    let device = device.start().unwrap();
    let edit = ["--device", "AHU-1", "--set", "pointset.points.sat.set_value=21.5"];
    let output = bench.udmi("config", &edit).output().unwrap();
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    assert!(stdout(&output).contains("  + pointset.points.sat.set_value = 21.5\n"), "{}", stdout(&output));
    assert!(stdout(&output).contains("\ntaken in "), "{}", stdout(&output));
    assert_eq!(writes.recv_timeout(PATIENCE).unwrap(), ("sat".to_owned(), Some(21.5)));

    let unset = ["--device", "AHU-1", "--unset", "pointset.points.sat.set_value", "--no-wait", "--json"];
    let [published] = ndjson(&bench.udmi("config", &unset).output().unwrap()).try_into().unwrap();
    assert_eq!(published["published"]["pointset"], config()["pointset"]);
    device.stop();
}

#[test]
fn a_status_that_calls_for_attention_is_told_and_fails() {
    let bench = Bench::start();
    bench.configure(&config());
    let device = bench.device().start().unwrap();
    let edit = ["--device", "AHU-1", "--set", "pointset.points.rat.set_value=20"];
    let output = bench.udmi("config", &edit).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}{}", stdout(&output), stderr(&output));
    assert!(stdout(&output).contains("  pointset.points.rat.status: 500 "), "{}", stdout(&output));
    device.stop();
}

#[test]
fn without_a_device_the_wait_ends() {
    let bench = Bench::start();
    let edit = ["--device", "AHU-1", "--set", "system.min_loglevel=200", "--timeout", "1"];
    let output = bench.udmi("config", &edit).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).starts_with("error: no state with the config's timestamp"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn what_cannot_be_meant_is_refused_before_anything_is_published() {
    let bench = Bench::start();
    bench.configure(&config());
    let refused = [
        vec!["--device", "AHU-1"],
        vec!["--device", "AHU-1", "--set", "no value"],
        vec!["--device", "AHU-1", "--set", "timestamp.of.what=1"],
        vec!["--device", "AHU-1", "--file", "/nowhere/config.json"],
        vec!["--device", "AHU/1", "--set", "a=1"],
    ];
    for arguments in refused {
        let output = bench.udmi("config", &arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
    }
    let output = run(&["config", "--endpoint", &bench.url(), "--device", "AHU-1", "--set", "a=1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--registry"), "{}", stderr(&output));
}
