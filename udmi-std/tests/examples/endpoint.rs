//! Where the device is, who it is there, and what it remembers.

use std::fs;
use std::net::TcpListener;

use serde_json::{Value, json};
use udmi_std::udmi_host::keys::PrivateKey;
use udmi_tests::data_url::{encode, sha256};
use udmi_tests::live::desk::Desk;
use udmi_tests::live::program::{Program, example};
use udmi_tests::live::shown::{DEVICE, REGISTRY, Shown, run, sampling};
use udmi_tests::live::{door, tokens};
use udmi_tests::together;

together! {
    endpoints_keys_and_memory:
    redirect_follows_to_a_broker_with_work_and_stays_there_after_a_restart,
    redirect_comes_back_from_where_nobody_is_and_tells_why,
    rotate_makes_a_key_that_the_broker_has_to_take,
    public_key_shows_the_same_key_each_time,
    custom_store_keeps_what_the_next_run_reads,
    resume_tells_what_an_earlier_run_could_not,
}

const ORDER: &str = "_iot_endpoint_config";

/// A config that sends the device to that port.
fn sending_to(port: u16, generation: u32) -> Value {
    let name = format!("/r/{REGISTRY}/d/{DEVICE}");
    let document = json!({
        "protocol": "mqtt", "hostname": "127.0.0.1", "port": port, "transport": "tcp", "client_id": name, "topic_prefix": name,
    });
    let document = document.to_string();
    let blob = json!({
        "phase": "final", "url": encode(document.as_bytes()), "sha256": sha256(document.as_bytes()),
        "generation": format!("2020-01-01T01:00:0{generation}Z"),
    });
    json!({ "blobset": { "blobs": { ORDER: blob } } })
}

fn redirect_follows_to_a_broker_with_work_and_stays_there_after_a_restart() {
    let (mut shown, mut away) = (Shown::start("redirect"), Desk::start(REGISTRY).unwrap());
    let ordered = sending_to(away.address().port(), 1);
    away.configure(DEVICE, &ordered);
    shown.desk.configure(DEVICE, &ordered);
    shown.desk.state(DEVICE, |state| state["blobset"]["blobs"][ORDER]["phase"] == "apply");
    shown.program.line(&format!("leaving for mqtt://{}", away.address()));
    shown.program.line(&format!("at work at mqtt://{}", away.address()));
    away.state(DEVICE, |state| state["blobset"]["blobs"][ORDER]["phase"] == "final");
    let _again = run("redirect", shown.folder.path(), shown.desk.address(), &[]).unwrap();
    drop(shown.program);
    away.state(DEVICE, |state| state["system"]["operation"]["restart_count"] == 2);
}

fn redirect_comes_back_from_where_nobody_is_and_tells_why() {
    let mut shown = Shown::start("redirect");
    shown.desk.ask(DEVICE, &json!({ "system": {} }));
    let nowhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    shown.desk.configure(DEVICE, &sending_to(nowhere.port(), 1));
    shown.program.line(&format!("leaving for mqtt://{nowhere}"));
    shown.program.line(&format!("back at mqtt://{}: ", shown.desk.address()));
    let state = shown.desk.state(DEVICE, |state| state["blobset"]["blobs"][ORDER]["phase"] == "final");
    let status = &state["blobset"]["blobs"][ORDER]["status"];
    assert_eq!(
        (&status["category"], &status["level"]),
        (&json!("blobset.blob.apply"), &json!(500)),
        "{status}"
    );
}

fn rotate_makes_a_key_that_the_broker_has_to_take() {
    let (mut desk, folder) = (Desk::start(REGISTRY).unwrap(), tempfile::tempdir().unwrap());
    let file = folder.path().join("out/keys/ec_private.pem");
    let public_key = move || PrivateKey::load(&file, None).unwrap().public_key().unwrap();
    let registered = public_key.clone();
    let door = door::keep(desk.address(), move |connect| {
        tokens::is_good(connect.password.as_deref().unwrap_or_default(), REGISTRY, &registered())
    });
    let mut program = run("rotate", folder.path(), door.unwrap(), &[]).unwrap();
    program.line("register this key:");
    desk.ask(DEVICE, &json!({ "system": {} }));
    let first = public_key().fingerprint();
    desk.command(DEVICE, "rotate_key", &json!({}));
    program.line("register this key; the old one is kept as ");
    program.line("-----END PUBLIC KEY-----");
    let second = public_key().fingerprint();
    assert_ne!(first, second);
    desk.ask(DEVICE, &json!({ "system": {} })); // over the connection of the new key, or the next one
    assert_eq!(fs::read_dir(folder.path().join("out/keys/key_backups")).unwrap().count(), 1);
}

fn public_key_shows_the_same_key_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let show = || {
        let mut program = Program::start(&example("public_key"), folder.path(), &["keys"], &[]).unwrap();
        assert!(program.end().success());
        let mut said = program.said().to_vec();
        said.sort(); // it speaks on both outputs
        said
    };
    let first = show();
    let pem = fs::read_to_string(folder.path().join("keys/ec_public.pem")).unwrap();
    assert!(pem.lines().all(|line| first.iter().any(|said| said == line)), "{first:?}");
    assert_eq!(show(), first);
}

fn custom_store_keeps_what_the_next_run_reads() {
    let mut shown = Shown::start("custom_store");
    let restarts = |state: &Value| state["system"]["operation"]["restart_count"].as_i64().unwrap();
    let first = restarts(&shown.desk.ask(DEVICE, &json!({ "system": {} })));
    shown.program.line("saved ");
    let memory = fs::read(shown.folder.path().join("out/memory.json")).unwrap();
    assert!(serde_json::from_slice::<Value>(&memory).unwrap().is_object());
    shown.program = run("custom_store", shown.folder.path(), shown.desk.address(), &[]).unwrap();
    shown.desk.state(DEVICE, |state| restarts(state) == first + 1);
}

fn resume_tells_what_an_earlier_run_could_not() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut program = run("resume", folder.path(), nowhere, &[]).unwrap();
    program.line("what is told waits");
    program.type_line("the filter was changed").unwrap();
    program.type_line("stop").unwrap();
    assert!(program.end().success(), "{:?}", program.said());
    let mut shown = Shown::start_in(folder, "resume", &[]);
    shown.desk.configure(DEVICE, &sampling(&json!({ "setpoint": { "set_value": 19 } })));
    for what in ["started", "the filter was changed", "started"] {
        shown.desk.message(DEVICE, "events/journal", |event| event["what"] == what);
    }
    shown.program.line("setpoint := 19");
    shown.program.type_line("stop").unwrap();
    shown.desk.state(DEVICE, |state| state["system"]["operation"]["restart_count"] == 2);
    shown.desk.state(DEVICE, |state| state["system"]["operation"]["mode"] == "shutdown");
    assert!(shown.program.end().success());
}
