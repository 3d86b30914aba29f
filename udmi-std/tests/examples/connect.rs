//! Connecting, in all the ways a device can prove itself.

use std::fs;
use std::net::{SocketAddr, TcpListener};

use device_broker::{Access, Users};
use serde_json::{Value, json};
use udmi_std::udmi_host::keys::PrivateKey;
use udmi_tests::live::certificates::Pki;
use udmi_tests::live::desk::Desk;
use udmi_tests::live::gate::Gate;
use udmi_tests::live::program::{Program, example};
use udmi_tests::live::shown::{DEVICE, REGISTRY, Shown, run, run_over_tls, sampling, text};
use udmi_tests::live::{door, tokens};
use udmi_tests::together;

together! {
    devices_connect:
    without_a_broker_the_reason_is_told_and_the_program_ends,
    what_is_no_broker_is_told,
    a_key_that_is_not_there_is_told,
    connect_anonymous_tells_of_connection_config_and_loss,
    first_sets_the_point_and_samples_both,
    connect_password_is_let_in_with_the_password_and_told_without,
    connect_token_shows_a_token_of_its_key_over_tls,
    connect_mtls_shows_the_certificate_it_is_given,
    connect_mtls_generated_makes_a_certificate_and_comes_in_once_it_is_registered,
    smallest_comes_in_over_tls_with_its_password_and_is_set,
}

/// Nobody listens there: the port was free a moment ago.
fn nowhere() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// All but those that wait for a person to register a key, that go on without a broker, and that want more than a broker.
fn without_a_broker_the_reason_is_told_and_the_program_ends() {
    let names = [
        "change_of_value",
        "connect_anonymous",
        "custom_block",
        "custom_event",
        "custom_store",
        "discovery",
        "dynamic_points",
        "first",
        "gateway",
        "lifecycle",
        "localnet",
        "logging",
        "metrics",
        "point_model",
        "poll",
        "poll_all",
        "redirect",
        "state_identity",
        "telemetry",
        "update",
        "update_bytes",
        "update_stream",
        "virtual_points",
        "writeback",
        "writeback_expiry",
        "writeback_points",
    ];
    let nowhere = nowhere();
    let programs = names.map(|name| {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("sensors")).unwrap();
        (run(name, folder.path(), nowhere, &[]).unwrap(), folder)
    });
    for (mut program, _folder) in programs {
        assert_eq!(program.end().code(), Some(1), "{:?}", program.said());
        let said = program.said().join("\n");
        assert!(said.contains("Error: no connection to the broker within 5s: "), "{said}");
        assert!(said.contains("refused") && !said.contains("panicked"), "{said}");
    }
}

fn what_is_no_broker_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::start(&example("poll"), folder.path(), &["http://broker"], &[]).unwrap();
    assert!(!program.end().success());
    assert!(program.said().join("\n").contains("Error: expected mqtt://"), "{:?}", program.said());
}

fn a_key_that_is_not_there_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::start(&example("connect_mtls"), folder.path(), &[], &[]).unwrap();
    assert!(!program.end().success());
    let said = program.said().join("\n");
    assert!(said.contains("Error: ") && said.contains("device.key: "), "{said}");
    assert!(said.contains("No such file") && !said.contains("KeyError"), "{said}");
}

fn connect_anonymous_tells_of_connection_config_and_loss() {
    let mut shown = Shown::start("connect_anonymous");
    let asked = shown.desk.ask(DEVICE, &json!({ "system": {} }));
    shown.program.line("connected");
    shown.program.line(&format!("config of {}", asked["system"]["last_config"].as_str().unwrap()));
    drop(shown.desk);
    shown.program.line("not connected: ");
}

fn first_sets_the_point_and_samples_both() {
    let mut shown = Shown::start("first");
    shown
        .desk
        .configure(DEVICE, &sampling(&json!({ "room_temperature": {}, "setpoint": { "set_value": 21 } })));
    shown.program.line("setpoint := 21");
    shown.value_state("setpoint", "applied");
    assert_eq!(shown.sample("setpoint"), 21);
    assert!(shown.sample("room_temperature").as_f64().unwrap() > 20.0);
}

fn connect_password_is_let_in_with_the_password_and_told_without() {
    let users = Users::default().with("ahu", "s3cret", Access::all()).with("cloud", "nimbus", Access::all());
    let mut desk = Desk::with(REGISTRY, users, Some(("cloud", "nimbus"))).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let start = |password| {
        let account = [("UDMI_USERNAME", "ahu"), ("UDMI_PASSWORD", password)];
        let address = desk.address().to_string();
        Program::start(&example("connect_password"), folder.path(), &[&address], &account).unwrap()
    };
    let (mut good, mut bad) = (start("s3cret"), start("guess"));
    good.line("connected as ahu");
    desk.ask(DEVICE, &json!({ "system": {} }));
    assert!(!bad.end().success());
    let said = bad.said().join("\n");
    assert!(said.contains("no connection to the broker") && !said.contains("guess"), "{said}");
}

fn smallest_comes_in_over_tls_with_its_password_and_is_set() {
    let users = Users::default().with("ahu", "s3cret", Access::all()).with("cloud", "nimbus", Access::all());
    let mut desk = Desk::with(REGISTRY, users, Some(("cloud", "nimbus"))).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let pki = Pki::new().without_clients();
    let ca = folder.path().join("ca.pem");
    fs::write(&ca, pki.authority()).unwrap();
    let start = |broker: SocketAddr, password| {
        let account = [("UDMI_USERNAME", "ahu"), ("UDMI_PASSWORD", password)];
        let arguments = [format!("mqtts://localhost:{}", broker.port()), text(&ca)];
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        Program::start(&example("smallest"), folder.path(), &arguments, &account).unwrap()
    };
    let broker = pki.terminate(desk.address()).unwrap();
    let mut program = start(broker, "s3cret");
    let set = json!({ "setpoint": { "set_value": 21 }, "uptime": {} });
    desk.configure(DEVICE, &sampling(&set));
    program.line("setpoint := 21");
    desk.state(DEVICE, |state| state["pointset"]["points"]["setpoint"]["value_state"] == "applied");
    let sampled = |event: &Value| event["points"]["uptime"].is_object();
    let event = desk.message(DEVICE, "events/pointset", sampled);
    assert_eq!(event["points"]["setpoint"]["present_value"], 21);
    drop(program);
    start(broker, "guess").line("not connected: ");
    let stranger = Pki::new().terminate(desk.address()).unwrap();
    assert!(start(stranger, "s3cret").line("not connected: ").contains("certificate"));
}

fn connect_token_shows_a_token_of_its_key_over_tls() {
    let (mut desk, folder) = (Desk::start(REGISTRY).unwrap(), tempfile::tempdir().unwrap());
    let pki = Pki::new().without_clients();
    let ca = folder.path().join("ca.pem");
    fs::write(&ca, pki.authority()).unwrap();
    let key = folder.path().join("out/keys/ec_private.pem");
    let door = door::keep(desk.address(), move |connect| {
        let key = PrivateKey::load(&key, None).unwrap().public_key().unwrap();
        connect.username.as_deref() == Some("unused")
            && connect.client_id.starts_with("projects/my-project/")
            && tokens::is_good(connect.password.as_deref().unwrap_or_default(), "my-project", &key)
    });
    let broker = pki.terminate(door.unwrap()).unwrap();
    let mut program =
        run_over_tls("connect_token", folder.path(), broker, &["my-project", &text(&ca)]).unwrap();
    program.line("register this key");
    program.line("connected");
    desk.publish("/devices/AHU-1/config", r#"{"timestamp":"2020-01-01T00:00:00Z","version":"1.5.7"}"#, true);
    desk.message_on("/devices/AHU-1/state", |state| state["system"]["last_config"] == "2020-01-01T00:00:00Z");
}

fn connect_mtls_shows_the_certificate_it_is_given() {
    let (mut desk, folder, pki) = (Desk::start(REGISTRY).unwrap(), tempfile::tempdir().unwrap(), Pki::new());
    let files = pki.write_device(folder.path()).unwrap().map(|file| text(&file));
    let files: Vec<_> = files.iter().map(String::as_str).collect();
    let broker = pki.terminate(desk.address()).unwrap();
    let mut program = run_over_tls("connect_mtls", folder.path(), broker, &files).unwrap();
    program.line("connected");
    desk.ask(DEVICE, &json!({ "system": {} }));
    let stranger = Pki::new().terminate(desk.address()).unwrap();
    let mut program = run_over_tls("connect_mtls", folder.path(), stranger, &files).unwrap();
    assert!(!program.end().success());
    assert!(program.said().join("\n").contains("certificate"), "{:?}", program.said());
}

fn connect_mtls_generated_makes_a_certificate_and_comes_in_once_it_is_registered() {
    let (mut desk, folder, pki) = (Desk::start(REGISTRY).unwrap(), tempfile::tempdir().unwrap(), Pki::new());
    let [ca, ..] = pki.write_device(folder.path()).unwrap().map(|file| text(&file));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut program = run_over_tls("connect_mtls_generated", folder.path(), address, &[&ca]).unwrap();
    program.line("register this certificate: out/keys/ec_private.crt");
    drop(listener.accept().unwrap()); // it has tried in vain
    let pki =
        pki.with_registered(&fs::read_to_string(folder.path().join("out/keys/ec_private.crt")).unwrap());
    let _gate = Gate::behind(listener, pki.terminate(desk.address()).unwrap()).unwrap();
    program.line("connected");
    desk.ask(DEVICE, &json!({ "system": {} }));
    // Another run has the same certificate.
    drop(program);
    let mut program = run_over_tls("connect_mtls_generated", folder.path(), address, &[&ca]).unwrap();
    program.line("connected");
    assert_eq!(program.said().len(), 1);
}
