//! `udmi device` proves itself, in each way, to brokers that look closely.

mod bench;

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};

use bench::place::Place;
use bench::{Bench, PATIENCE, run, stderr};
use device_broker::{Access, Users};
use serde_json::{Value, json};
use udmi_host::keys::{PrivateKey, PublicKey};
use udmi_tests::live::broker::{Broker, Kind, Plan};
use udmi_tests::live::certificates::Pki;
use udmi_tests::live::cloud::Cloud;
use udmi_tests::live::gate::Gate;
use udmi_tests::live::{CLOUD, CLOUD_PASSWORD, DEVICE, DEVICE_PASSWORD, door, tokens};

fn config() -> Value {
    json!({ "timestamp": "2026-03-01T10:00:00Z", "version": "1.5.7", "system": { "operation": {} } })
}

/// The kinds of broker that are there.
fn kinds(test: &str) -> impl Iterator<Item = Kind> {
    [Kind::Embedded, Kind::Mosquitto].into_iter().filter(move |kind| kind.is_there_or_say(test))
}

/// Keeps a config for the device, and waits for the state that answers it.
fn is_let_in(broker: &Broker, account: Option<(&str, &str)>) {
    let topic = format!("{DEVICE}/state");
    let mut cloud = Cloud::connect(broker.plain_address(), "cloud", account, &[&topic]).unwrap();
    cloud.publish(&format!("{DEVICE}/config"), config().to_string(), true).unwrap();
    let message = cloud.next(PATIENCE).expect("a state of the device");
    let state: Value = serde_json::from_slice(&message.payload).unwrap();
    assert_eq!(state["system"]["last_config"], config()["timestamp"], "{state}");
}

/// The broker's certificate is for `localhost`.
fn secure(address: SocketAddr) -> String {
    format!("mqtts://localhost:{}", address.port())
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_user_name_with_its_password_lets_a_device_in() {
    for kind in kinds("--auth basic") {
        let broker = Broker::start(kind, &Plan { accounts: true, ..Plan::default() }).unwrap();
        let place = Place::new();
        let password = place.folder().join("password");
        fs::write(&password, DEVICE_PASSWORD).unwrap();
        let account = ["--username", DEVICE, "--password-file", &text(&password)];
        let url = format!("mqtt://{}", broker.device_address());
        let _device = place.device_at(&url, &[&["--auth", "basic"], &account[..]].concat());
        is_let_in(&broker, Some((CLOUD, CLOUD_PASSWORD)));
    }
}

#[test]
fn the_password_of_the_key_lets_a_device_in() {
    let place = Place::new();
    let key = generate(&place, "ec");
    let users = Users::default().with(DEVICE, key.broker_password().expose(), Access::all());
    let bench = Bench::with(users.with_anonymous(Access::all()));
    bench.configure(&config());
    let _device = place.device(&bench, &["--auth", "basic"]);
    assert_eq!(bench.connected().as_deref(), Some(DEVICE));
    assert_eq!(bench.message("state")["system"]["last_config"], config()["timestamp"]);
}

#[test]
fn a_certificate_that_is_there_lets_a_device_in() {
    for kind in kinds("--auth mtls") {
        let (place, pki) = (Place::new(), Pki::new());
        let broker = Broker::start(kind, &Plan { pki: Some(pki.clone()), ..Plan::default() }).unwrap();
        let [ca, certificate, key] = pki.write_device(place.folder()).unwrap().map(|file| text(&file));
        let files = ["--ca", &ca, "--cert", &certificate, "--key", &key];
        let url = secure(broker.device_address());
        let _device = place.device_at(&url, &[&["--auth", "mtls"], &files[..]].concat());
        is_let_in(&broker, None);
    }
}

/// The device makes its certificate, and comes again until the broker knows it.
#[test]
fn a_certificate_of_its_own_making_lets_a_device_in_once_it_is_registered() {
    for kind in kinds("--auth mtls --make-keys") {
        let (place, pki) = (Place::new(), Pki::new());
        let [ca, ..] = pki.write_device(place.folder()).unwrap().map(|file| text(&file));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = secure(listener.local_addr().unwrap());
        let _device = place.device_at(&url, &["--auth", "mtls", "--make-keys", "--ca", &ca]);
        drop(listener.accept().unwrap());
        let pki = pki.with_registered(&fs::read_to_string(place.keys().join("ec_private.crt")).unwrap());
        let broker = Broker::start(kind, &Plan { pki: Some(pki), ..Plan::default() }).unwrap();
        let _gate = Gate::behind(listener, broker.device_address()).unwrap();
        is_let_in(&broker, None);
    }
}

/// Makes a key in the site, as its owner would.
fn generate(place: &Place, kind: &str) -> PrivateKey {
    let site = text(&place.site());
    let output = run(&["keys", "generate", "-q", "--site", &site, "--device", "AHU-1", "--kind", kind]);
    assert!(output.status.success(), "{}", stderr(&output));
    PrivateKey::load(&place.keys().join(format!("{kind}_private.pkcs8")), None).unwrap()
}

/// A doorkeeper who lets in who brings good tokens for `audience`, and tells what he thought of each.
fn wants_tokens(bench: &Bench, audience: &'static str, key: PublicKey) -> (SocketAddr, Receiver<bool>) {
    let (verdict, verdicts) = channel();
    let verdict = std::sync::Mutex::new(verdict);
    let address = door::keep(bench.address(), move |connect| {
        let token = connect.password.as_deref().unwrap_or_default();
        let good = connect.username.as_deref() == Some("unused") && tokens::is_good(token, audience, &key);
        let _ = verdict.lock().unwrap().send(good); // the test may be over
        good
    });
    (address.unwrap(), verdicts)
}

fn tokens_let_in(kind: &str) {
    let (bench, place) = (Bench::start(), Place::new());
    bench.configure(&config());
    let key = generate(&place, kind).public_key().unwrap();
    let (address, verdicts) = wants_tokens(&bench, "me", key);
    let url = format!("mqtt://{address}");
    let stranger = Place::new();
    generate(&stranger, "ec");
    let for_me = ["--auth", "jwt", "--audience", "me"];
    for (place, audience) in [(&stranger, "me"), (&place, "somebody else")] {
        let _device = place.device_at(&url, &["--auth", "jwt", "--audience", audience]);
        assert_eq!(verdicts.recv_timeout(PATIENCE), Ok(false), "{audience}");
    }
    let _device = place.device_at(&url, &for_me);
    while !verdicts.recv_timeout(PATIENCE).unwrap() {}
    assert_eq!(bench.message("state")["system"]["last_config"], config()["timestamp"]);
}

#[test]
fn tokens_of_an_rsa_key_let_a_device_in() {
    tokens_let_in("rsa");
}

#[test]
fn tokens_of_an_elliptic_key_let_a_device_in() {
    tokens_let_in("ec");
}

#[test]
fn at_a_plain_broker_a_device_shows_nothing_unless_it_is_told_to() {
    let (bench, place) = (Bench::start(), Place::new());
    generate(&place, "ec");
    bench.configure(&config());
    let device = place.device(&bench, &[]);
    assert_eq!(bench.connected(), None);
    drop(device);
    let _device = place.device(&bench, &["--username", "me", "--password", "s3cret"]);
    assert_eq!(bench.connected().as_deref(), Some("me"));
}

/// A site of this provider whose broker has its certificate from `pki`.
fn site_of(provider: &str, pki: &Pki) -> Place {
    let place = Place::new();
    let (file, reflector) = (place.site().join("cloud_iot_config.json"), place.site().join("reflector"));
    let mut document: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    document["iot_provider"] = provider.into();
    document["project_id"] = "project-7".into();
    fs::write(&file, document.to_string()).unwrap();
    fs::create_dir(&reflector).unwrap();
    fs::write(reflector.join("ca.crt"), pki.authority()).unwrap();
    place
}

/// §1.6, §1.7: certificate and password of the key, under the user name that is the client id.
#[test]
fn at_a_broker_of_provider_mqtt_a_device_shows_certificate_and_password() {
    let pki = Pki::new();
    let place = site_of("mqtt", &pki);
    let key = generate(&place, "ec");
    let pki = pki.with_registered(&fs::read_to_string(place.keys().join("ec_private.crt")).unwrap());
    let users = Users::default().with(DEVICE, key.broker_password().expose(), Access::all());
    let bench = Bench::with(users.with_anonymous(Access::all()));
    bench.configure(&config());
    let _device = place.device_at(&secure(pki.terminate(bench.address()).unwrap()), &[]);
    assert_eq!(bench.connected().as_deref(), Some(DEVICE));
    assert_eq!(bench.message("state")["system"]["last_config"], config()["timestamp"]);
}

/// §1.8.
#[test]
fn at_a_broker_of_tokens_a_device_shows_one_for_the_project() {
    let pki = Pki::new().without_clients();
    let place = site_of("dynamic", &pki);
    let key = generate(&place, "ec").public_key().unwrap();
    let bench = Bench::start();
    bench.configure(&config());
    let (door, verdicts) = wants_tokens(&bench, "project-7", key);
    let _device = place.device_at(&secure(pki.terminate(door).unwrap()), &[]);
    assert_eq!(verdicts.recv_timeout(PATIENCE), Ok(true));
    assert_eq!(bench.message("state")["system"]["last_config"], config()["timestamp"]);
}
