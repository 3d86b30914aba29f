//! `udmi blob` against a broker and devices.

mod bench;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Output;
use std::thread;

use bench::place::{Place, Running, Working};
use bench::{Bench, Speaker, config, ndjson, stderr, stdout};
use serde_json::{Value, json};

fn ordered(bench: &Bench, name: &str) -> Value {
    loop {
        let config = bench.message("config");
        if config["blobset"]["blobs"][name].is_object() {
            return config;
        }
    }
}

fn answer(config: &Value, phase: &str, status: Value) -> Value {
    let generation = &config["blobset"]["blobs"]["system"]["generation"];
    let mut blob = json!({ "phase": phase, "generation": generation });
    if !status.is_null() {
        blob["status"] = status;
    }
    json!({
        "system": { "last_config": config["timestamp"], "software": { "system": "v2" } },
        "blobset": { "blobs": { "system": blob } },
    })
}

fn logged(category: &str) -> Value {
    json!({ "logentries": [
        { "level": 200, "category": "system.config.apply", "message": "of no interest here" },
        { "level": 300, "category": category, "message": "applying" },
    ] })
}

#[test]
fn a_small_file_goes_within_the_config_and_is_followed_with_its_logs() {
    let bench = Bench::start();
    bench.configure(&config());
    let folder = tempfile::tempdir().unwrap();
    let file = bench::write(folder.path(), "update.json", &json!({ "version": "v2" }));
    let order = ["--device", "AHU-1", "--data", &file];
    let command = Working::start(&mut bench.udmi("blob", &order));
    let order = ordered(&bench, "system");
    let blob = &order["blobset"]["blobs"]["system"];
    assert_eq!(blob["url"], "data:application/json;base64,eyJ2ZXJzaW9uIjoidjIifQ==");
    assert_eq!(blob["sha256"].as_str().unwrap().len(), 64);
    let mut device = Speaker::new(&bench);
    device.say("REG", "state", &answer(&order, "apply", Value::Null));
    device.say("REG", "events/system", &logged("blobset.blob.apply"));
    device.say("REG", "state", &answer(&order, "final", Value::Null));
    let output = command.output();
    assert!(output.status.success(), "{}", stderr(&output));
    let told = stdout(&output);
    assert!(told.contains("log 300 blobset.blob.apply applying\n"), "{told}");
    assert!(!told.contains("of no interest"), "{told}");
    assert!(told.ends_with("system v2 is in force\n"), "{told}");
}

#[test]
fn a_served_file_can_be_fetched_until_the_end_and_a_failure_is_told() {
    let bench = Bench::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("firmware.bin");
    std::fs::write(&file, vec![7; 300_000]).unwrap();
    let order = ["--device", "AHU-1", "--serve", file.to_str().unwrap(), "--json"];
    let command = Working::start(&mut bench.udmi("blob", &order));
    let order = ordered(&bench, "system");
    let url = order["blobset"]["blobs"]["system"]["url"].as_str().unwrap().to_owned();
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut connection = TcpStream::connect(host).unwrap();
    write!(connection, "GET /{path} HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
    let mut fetched = Vec::new();
    connection.read_to_end(&mut fetched).unwrap();
    assert!(fetched.ends_with(&[7; 300_000]));
    let mut device = Speaker::new(&bench);
    let status = json!({ "level": 500, "category": "blobset.blob.parse", "message": "wrong hash" });
    device.say("REG", "events/system", &logged("blobset.blob.parse"));
    device.say("REG", "state", &answer(&order, "final", status.clone()));
    let output = command.output();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("300000 bytes were fetched"), "{}", stderr(&output));
    let last = ndjson(&output).pop().unwrap();
    assert_eq!(last, json!({ "failed": "system", "status": status }));
}

/// A device with a config in force.
fn at_work(bench: &Bench, place: &Place, arguments: &[&str]) -> Running {
    let mut config = config();
    config["system"] = json!({ "min_loglevel": 100, "operation": { "mode": "active" } });
    bench.configure(&config);
    let device = place.device(bench, arguments);
    bench.message("state");
    device
}

fn ordering(bench: &Bench, arguments: &[&str]) -> Output {
    bench.udmi("blob", &[&["--device", "AHU-1", "--json"], arguments].concat()).output().unwrap()
}

#[test]
fn new_software_is_installed_and_outlives_the_restart() {
    let (bench, place) = (Bench::start(), Place::new());
    let _device = at_work(&bench, &place, &["--restart", "exec"]);
    let file = bench::write(place.folder(), "update.json", &json!({ "version": "v2" }));
    let output = ordering(&bench, &["--serve", &file]);
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    let lines = ndjson(&output);
    assert_eq!(lines.last().unwrap(), &json!({ "final": "system", "version": "v2" }));
    let categories: Vec<_> = lines.iter().filter_map(|line| line["log"]["category"].as_str()).collect();
    let wanted = ["receive", "fetch", "parse", "apply"].map(|step| format!("blobset.blob.{step}"));
    assert_eq!(categories, wanted);
    let again = loop {
        let state = bench.message("state");
        if state["system"]["operation"]["restart_count"] == 2 {
            break state;
        }
    };
    assert_eq!(again["system"]["software"]["system"], "v2");
    assert_eq!(again["blobset"]["blobs"]["system"]["phase"], "final");
    assert!(place.folder().join("state/software/system.installed").exists());
}

fn fails(payload: &str, arguments: &[&str], category: &str) {
    let (bench, place) = (Bench::start(), Place::new());
    let mut device = at_work(&bench, &place, &[]);
    let file = place.folder().join("update");
    std::fs::write(&file, payload).unwrap();
    let output = ordering(&bench, &[&["--data", file.to_str().unwrap()], arguments].concat());
    assert_eq!(output.status.code(), Some(1), "{}{}", stdout(&output), stderr(&output));
    let status = ndjson(&output).pop().unwrap()["status"].clone();
    assert_eq!((&status["level"], &status["category"]), (&json!(500), &json!(category)), "{status}");
    device.end_input();
    assert_eq!(device.exit_code(), Some(0), "a failure restarts nothing");
}

#[test]
fn wrong_content_is_refused() {
    fails("no JSON", &[], "blobset.blob.parse");
    fails(r#"{ "version": "v2" }"#, &["--sha256", &"0".repeat(64)], "blobset.blob.parse");
}

#[test]
fn faults_of_installing_are_told_by_their_kind() {
    fails(r#"{ "version": "v2", "simulate": "apply_failure" }"#, &[], "blobset.blob.apply");
    fails(r#"{ "version": "v2", "simulate": "abort" }"#, &[], "blobset.blob.abort");
    fails(r#"{ "version": "v2", "simulate": "rollback" }"#, &[], "blobset.blob.rollback");
}

#[test]
fn what_cannot_be_fetched_is_told() {
    let (bench, place) = (Bench::start(), Place::new());
    let _device = at_work(&bench, &place, &[]);
    let bogus = ["--url", "ftp://127.0.0.1/bogus", "--sha256", &"0".repeat(64)];
    let output = ordering(&bench, &bogus);
    assert_eq!(output.status.code(), Some(1), "{}{}", stdout(&output), stderr(&output));
    assert_eq!(ndjson(&output).pop().unwrap()["status"]["category"], "blobset.blob.fetch");
}

/// Serves one content under one path by HTTP, and nothing else; ends with the process.
fn serve(path: &'static str, content: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            let (mut request, mut buffer) = (String::new(), [0; 1024]);
            while !request.contains("\r\n\r\n") {
                match socket.read(&mut buffer) {
                    Ok(count) if count > 0 => request.push_str(&String::from_utf8_lossy(&buffer[..count])),
                    Ok(_) | Err(_) => break,
                }
            }
            let found = request.starts_with(&format!("GET {path} "));
            let (code, body) = if found { ("200 OK", content) } else { ("404 Not Found", "") };
            let length = body.len();
            let head = format!("HTTP/1.1 {code}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            let _ = socket.write_all((head + body).as_bytes()); // whoever is gone has what it wanted
        }
    });
    url
}

#[test]
fn software_comes_from_a_server_of_files_if_it_is_there_and_as_it_was_ordered() {
    const UPDATE: &str = r#"{ "version": "v3" }"#;
    let (bench, place, server) = (Bench::start(), Place::new(), serve("/update.json", UPDATE));
    let _device = at_work(&bench, &place, &["--restart", "exec"]);
    let order =
        |path: &str, hash: &str| ordering(&bench, &["--url", &format!("{server}{path}"), "--sha256", hash]);
    let hash = udmi_tests::data_url::sha256(UPDATE.as_bytes());
    for (path, hash, category) in [
        ("/update.json", "0".repeat(64), "blobset.blob.parse"),
        ("/elsewhere.json", hash.clone(), "blobset.blob.fetch"),
    ] {
        let output = order(path, &hash);
        assert_eq!(output.status.code(), Some(1), "{}{}", stdout(&output), stderr(&output));
        let status = ndjson(&output).pop().unwrap()["status"].clone();
        assert_eq!((&status["level"], &status["category"]), (&json!(500), &json!(category)), "{status}");
    }
    let output = order("/update.json", &hash);
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    assert_eq!(ndjson(&output).pop().unwrap(), json!({ "final": "system", "version": "v3" }));
    while bench.message("state")["system"]["operation"]["restart_count"] != 2 {}
}

#[test]
fn an_order_of_a_url_is_published_and_taken_away_again() {
    let bench = Bench::start();
    bench.configure(&config());
    bench.message("config");
    let hash = "AB".repeat(32);
    let order =
        ["--device", "AHU-1", "--name", "extra", "--url", "https://h/x", "--sha256", &hash, "--no-wait"];
    assert!(bench.udmi("blob", &order).output().unwrap().status.success());
    let ordered = ordered(&bench, "extra");
    assert_eq!(ordered["blobset"]["blobs"]["extra"]["sha256"], "ab".repeat(32));
    let output =
        bench.udmi("blob", &["--device", "AHU-1", "--clear", "extra", "--no-wait"]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let cleared = bench.message("config");
    assert_eq!(cleared["pointset"], config()["pointset"]);
    assert!(cleared.get("blobset").is_none(), "{cleared}");
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let bench = Bench::start();
    let folder = tempfile::tempdir().unwrap();
    let large = folder.path().join("large");
    std::fs::write(&large, vec![0; 200_000]).unwrap();
    let large = large.to_str().unwrap();
    let refused = [
        vec!["--device", "AHU-1"],
        vec!["--device", "AHU-1", "--url", "https://h/x"],
        vec!["--device", "AHU-1", "--url", "https://h/x", "--sha256", "abc"],
        vec!["--device", "AHU-1", "--data", "/nowhere/update.json"],
        vec!["--device", "AHU-1", "--data", large],
        vec!["--device", "AHU-1", "--data", large, "--name", "_iot_endpoint_config"],
        vec!["--device", "AHU-1", "--serve", large, "--no-wait"],
    ];
    for arguments in refused {
        let output = bench.udmi("blob", &arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
    }
}
