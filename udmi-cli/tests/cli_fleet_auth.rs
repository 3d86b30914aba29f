//! The devices of `udmi fleet` prove themselves, each as itself, to brokers that look closely.

mod bench;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bench::{ndjson, run, stderr, udmi};
use serde_json::Value;
use udmi_host::keys::PrivateKey;
use udmi_tests::live::broker::{Broker, Kind, Plan};
use udmi_tests::live::certificates::Pki;
use udmi_tests::live::{CLOUD, CLOUD_PASSWORD, DEVICE_PASSWORD, door, tokens};

/// Devices that have keys.
const IDS: [&str; 2] = ["SIM-1", "SIM-2"];

/// The kinds of broker that are there.
fn kinds(test: &str) -> impl Iterator<Item = Kind> {
    [Kind::Embedded, Kind::Mosquitto].into_iter().filter(move |kind| kind.is_there_or_say(test))
}

/// A fleet comes in, is well and leaves in order; tells its summary.
fn is_well(endpoints: &[String], arguments: &[&str]) -> Value {
    let mut fleet = udmi();
    fleet.arg("fleet").args(endpoints).args(["--registry", "REG", "--duration", "0", "--json"]);
    let output = fleet.args(arguments).output().unwrap();
    assert!(output.status.success(), "{}{}", stderr(&output), String::from_utf8_lossy(&output.stdout));
    let summary: Value = ndjson(&output).remove(0);
    assert_eq!(summary["connected"], summary["devices"], "{summary}");
    assert_eq!(summary["left_in_order"], summary["devices"], "{summary}");
    summary
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// Makes a key and a certificate for each, in a folder of its name.
fn make_keys(folder: &Path) -> [PathBuf; 2] {
    IDS.map(|id| {
        let own = folder.join(id);
        fs::create_dir(&own).unwrap();
        let output = run(&["keys", "generate", "-q", "--kind", "ec", "--dir", &text(&own), "--name", id]);
        assert!(output.status.success(), "{}", stderr(&output));
        own
    })
}

#[test]
fn passwords_let_a_fleet_in_and_the_clouds_lets_it_publish_configs() {
    for kind in kinds("a fleet with passwords") {
        let folder = tempfile::tempdir().unwrap();
        let broker = Broker::start(kind, &Plan { accounts: true, ..Plan::default() }).unwrap();
        let file = |name: &str, password: &str| {
            fs::write(folder.path().join(name), password).unwrap();
            text(&folder.path().join(name))
        };
        let password = [file("AHU-1", DEVICE_PASSWORD), file("cloud", CLOUD_PASSWORD)];
        let template = text(&folder.path().join("{id}"));
        let device = ["--count", "1", "--ids", "AHU-{n}", "--password-file", &template];
        let names = ["--username", "/r/{registry}/d/{id}", "--cloud-username", CLOUD];
        let cloud = ["--cloud-password-file", &password[1]];
        let endpoint = format!("mqtt://{}", broker.device_address());
        let summary = is_well(&[endpoint], &[&device[..], &names[..], &cloud[..], &["--rate", "1"]].concat());
        assert_eq!(summary["configured"], 1, "{summary}");
    }
}

#[test]
fn each_device_of_a_fleet_brings_a_token_of_its_own_key() {
    for kind in kinds("a fleet with tokens") {
        let folder = tempfile::tempdir().unwrap();
        let keys = make_keys(folder.path()).map(|own| {
            let key = PrivateKey::load(&own.join("ec_private.pkcs8"), None).unwrap();
            key.public_key().unwrap()
        });
        let broker = Broker::start(kind, &Plan::default()).unwrap();
        let keys = Arc::new(keys);
        let address = door::keep(broker.device_address(), move |connect| {
            let token = connect.password.as_deref().unwrap_or_default();
            let own = IDS.iter().position(|id| connect.client_id == format!("/r/REG/d/{id}"));
            // Whoever publishes the configs is no device, and shows nothing.
            own.is_none_or(|own| tokens::is_good(token, IDS[own], &keys[own]))
        });
        let key = text(&folder.path().join("{id}/ec_private.pkcs8"));
        let arguments = ["--count", "2", "--auth", "jwt", "--audience", "{id}", "--key", &key];
        is_well(&[format!("mqtt://{}", address.unwrap())], &arguments);
    }
}

/// Devices take turns at two brokers, each of which believes one certificate alone.
#[test]
fn each_device_of_a_fleet_shows_a_certificate_of_its_own() {
    for kind in kinds("a fleet with certificates") {
        let (folder, pki) = (tempfile::tempdir().unwrap(), Pki::new());
        let [ca, ..] = pki.write_device(folder.path()).unwrap();
        let brokers = make_keys(folder.path()).map(|own| {
            let certificate = fs::read_to_string(own.join("ec_private.crt")).unwrap();
            let plan = Plan { pki: Some(pki.clone().with_registered(&certificate)), ..Plan::default() };
            Broker::start(kind, &plan).unwrap()
        });
        let endpoints =
            brokers.each_ref().map(|broker| format!("mqtts://localhost:{}", broker.device_address().port()));
        let file = |name: &str| text(&folder.path().join("{id}").join(name));
        let (certificate, key) = (file("ec_private.crt"), file("ec_private.pkcs8"));
        let files = ["--ca", &text(&ca), "--cert", &certificate, "--key", &key];
        is_well(&endpoints, &[&["--count", "2", "--auth", "mtls"], &files[..]].concat());
    }
}
