//! The examples, as processes of their own, against brokers that are there; what counts is what the cloud sees.

use std::fs;

use device_broker::{Access, Users};
use serde_json::{Value, json};
use udmi_tests::data_url::sha256;
use udmi_tests::live::certificates::Pki;
use udmi_tests::live::desk::Desk;
use udmi_tests::live::program::{Program, example};
use udmi_tests::live::shown::{DEVICE, REGISTRY, Shown, run_over_tls, sampling, status, text};
use udmi_tests::live::web::Web;
use udmi_tests::together;

together! {
    the_examples_for_smol:
    connect_tells_of_connection_config_and_loss_over_tls,
    connect_shows_its_password,
    telemetry_publishes_what_is_told_as_often_as_the_config_wants,
    poll_asks_all_sensors_at_the_same_time_and_tells_of_the_silent_one,
    writeback_goes_by_the_bus_and_shows_that_it_takes_time,
    update_writes_a_large_blob_to_its_place,
    gateway_acts_for_its_meters,
    many_devices_are_each_their_own_on_one_thread,
}

fn connect_tells_of_connection_config_and_loss_over_tls() {
    let (mut desk, folder) = (Desk::start(REGISTRY).unwrap(), tempfile::tempdir().unwrap());
    let pki = Pki::new().without_clients();
    let ca = folder.path().join("ca.pem");
    fs::write(&ca, pki.authority()).unwrap();
    let broker = pki.terminate(desk.address()).unwrap();
    let mut program = run_over_tls("smol_connect", folder.path(), broker, &[&text(&ca)]).unwrap();
    program.line("connected");
    let asked = desk.ask(DEVICE, &json!({ "system": {} }));
    program.line(&format!("config of {}", asked["system"]["last_config"].as_str().unwrap()));
    let mut distrustful = run_over_tls("smol_connect", folder.path(), broker, &[]).unwrap();
    let why = distrustful.line("not connected: ");
    assert!(why.contains("certificate"), "{why}");
    drop(desk);
    program.line("not connected: ");
}

fn connect_shows_its_password() {
    let users = Users::default().with("ahu", "s3cret", Access::all()).with("cloud", "nimbus", Access::all());
    let mut desk = Desk::with(REGISTRY, users, Some(("cloud", "nimbus"))).unwrap();
    let (folder, address) = (tempfile::tempdir().unwrap(), desk.address().to_string());
    let account = [("UDMI_USERNAME", "ahu"), ("UDMI_PASSWORD", "s3cret")];
    let mut program = Program::start(&example("smol_connect"), folder.path(), &[&address], &account).unwrap();
    program.line("connected");
    desk.ask(DEVICE, &json!({ "system": {} }));
}

fn telemetry_publishes_what_is_told_as_often_as_the_config_wants() {
    Shown::start("smol_telemetry").tells_load_and_uptime();
}

fn poll_asks_all_sensors_at_the_same_time_and_tells_of_the_silent_one() {
    let mut shown = Shown::start("smol_poll");
    let mut config = sampling(&json!({ "supply": {}, "return": {}, "outside": {} }));
    config["pointset"]["sample_rate_sec"] = 6.into(); // a busy machine may take longer than the limits say
    shown.desk.configure(DEVICE, &config);
    shown.program.line(" answers");
    let asked = shown.program.said().iter().filter(|line| line.contains(" is asked")).count();
    assert_eq!(asked, 3, "{:?}", shown.program.said());
    let state = shown.desk.state(DEVICE, |state| status(state, "outside")["level"] == 500);
    assert!(status(&state, "outside")["message"].to_string().contains("does not answer"), "{state}");
    assert_eq!(status(&state, "supply"), &Value::Null);
    let complete = |event: &Value| event["points"]["supply"]["present_value"] == 45.5;
    let event = shown.desk.message(DEVICE, "events/pointset", complete);
    assert_eq!(event["points"]["return"]["present_value"], 36.0, "{event}");
}

fn writeback_goes_by_the_bus_and_shows_that_it_takes_time() {
    let mut shown = Shown::start("smol_writeback");
    let setting = |value: i64| sampling(&json!({ "damper": { "set_value": value } }));
    shown.desk.configure(DEVICE, &setting(40));
    shown.value_state("damper", "updating");
    shown.program.line("damper := 40");
    shown.value_state("damper", "applied");
    assert_eq!(shown.sample("damper"), 40);
    shown.desk.configure(DEVICE, &setting(400));
    let point = shown.value_state("damper", "invalid");
    assert!(point["status"]["message"].to_string().contains("0 to 100 percent"), "{point}");
}

fn update_writes_a_large_blob_to_its_place() {
    let mut shown = Shown::start("smol_update");
    let content: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
    let web = Web::start().unwrap();
    let blob = json!({
        "phase": "final", "url": web.serve("/firmware.bin", &content), "sha256": sha256(&content),
        "generation": "2020-01-01T01:00:00Z",
    });
    shown.desk.configure(DEVICE, &json!({ "blobset": { "blobs": { "firmware": blob } } }));
    shown.program.line(&format!("written: 3000000 bytes, {}", sha256(&content)));
    let state = shown.desk.state(DEVICE, |state| state["blobset"]["blobs"]["firmware"]["phase"] == "final");
    assert_eq!(state["blobset"]["blobs"]["firmware"]["status"], Value::Null, "{state}");
    assert_eq!(shown.program.end().code(), Some(192));
    assert!(fs::read(shown.folder.path().join("out/spare")).unwrap() == content);
}

fn gateway_acts_for_its_meters() {
    Shown::start("smol_gateway").acts_for_its_meters();
}

fn many_devices_are_each_their_own_on_one_thread() {
    let mut shown = Shown::start_in(tempfile::tempdir().unwrap(), "smol_many", &["100"]);
    shown.program.line("100 devices are connected");
    for (device, number) in [("AHU-7", 7), ("AHU-93", 93)] {
        shown.desk.configure(device, &sampling(&json!({ "number": {} })));
        shown
            .desk
            .message(device, "events/pointset", |event| event["points"]["number"]["present_value"] == number);
    }
    shown.program.type_line("stop").unwrap();
    shown.desk.state("AHU-7", |state| state["system"]["operation"]["mode"] == "shutdown");
    shown.program.line("all have said farewell");
    assert!(shown.program.end().success());
}
