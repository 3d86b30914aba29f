//! Site models: UDMI's published ones, and small ones of our own.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use udmi_host::site::{
    Credential, DeviceClass, Endpoint, GeneratedConfig, ProjectSpec, SiteError, SiteModel, TlsFiles,
    TokenAlgorithm,
};

#[test]
fn published_site_models_give_the_published_configs() {
    let Some(sites) = published_sites("published_site_models_give_the_published_configs") else { return };
    let mut compared = 0;
    for (site, id, expected) in expected_files(&sites, "generated_config.json") {
        let config = SiteModel::open(&site).unwrap().device(&id).unwrap().generated_config().unwrap();
        match config {
            GeneratedConfig::Document(config) => assert_same(&config, &read(&expected), &expected),
            GeneratedConfig::Static { content, .. } => {
                assert_eq!(text(&content).trim(), text(&fs::read(&expected).unwrap()).trim());
            }
        }
        compared += 1;
    }
    assert!(compared >= 8, "only {compared} compared");
}

#[test]
fn published_site_models_give_the_published_metadata() {
    let Some(sites) = published_sites("published_site_models_give_the_published_metadata") else { return };
    let mut compared = 0;
    for (site, id, expected) in expected_files(&sites, "metadata_norm.json") {
        let device = SiteModel::open(&site).unwrap().device(&id).unwrap();
        assert_same(&device.document, &read(&expected), &expected);
        compared += 1;
    }
    assert!(compared >= 10, "only {compared} compared");
}

#[test]
fn a_published_device_without_expected_config_is_refused_for_the_published_reason() {
    let name = "a_published_device_without_expected_config_is_refused_for_the_published_reason";
    let Some(sites) = published_sites(name) else { return };
    let error = |site: &str, id: &str| {
        SiteModel::open(&sites.join(site)).unwrap().device(id).unwrap().generated_config().unwrap_err()
    };
    let gateway = error("basic", "GAT-72");
    assert_eq!(gateway.path, "/discovery/families/bacnet/generation");
    assert!(gateway.problem.contains("scan_interval_sec"), "{gateway}");
    let unit = error("configs", "AHU-1");
    assert!(unit.file.ends_with("devices/AHU-1/config/non-existant.file"), "{unit}");
}

#[test]
fn published_examples_of_metadata_are_read_or_refused_as_expected() {
    let name = "published_examples_of_metadata_are_read_or_refused_as_expected";
    let Some(sites) = published_sites(name) else { return };
    let examples = sites.parent().unwrap().join("examples/metadata");
    for (file, version) in [
        ("bacmodel.json", Some("1.5.7")),
        ("direct.json", Some("1.5.0")),
        ("discovery_metadata.json", Some("1.5.7")),
        ("empty.json", None),
        ("example.json", Some("1.5.7")),
        ("upgrade_root_tags.json", Some("1.5.7")),
    ] {
        let site = Site::new(json!({}));
        let target = site.path("devices/AHU-1/metadata.json");
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(examples.join(file), target).unwrap();
        let device = site.open().device("AHU-1");
        let found = device.as_ref().ok().map(|device| device.metadata.version.as_str());
        assert_eq!(found, version, "{file}: {:?}", device.as_ref().err());
    }
}

#[test]
fn a_site_is_opened_by_folder_by_file_and_by_a_file_that_points_to_it() {
    let site = Site::new(json!({"site_name": "ZZ-TRI-FECTA", "device_id": "AHU-1", "serial_no": "7"}));
    site.device("AHU-1", json!({"cloud": {"auth_type": "RS256"}}));
    let elsewhere = Site::new(json!({"site_model": site.folder.path()}));
    for path in [site.path(""), site.path("cloud_iot_config.json"), elsewhere.path("cloud_iot_config.json")] {
        let model = SiteModel::open(&path).unwrap();
        assert_eq!(model.registry_id(), "ZZ-REG");
        assert_eq!(model.device_list().unwrap().ids, ["AHU-1"]);
    }
    let model = site.open();
    assert_eq!((model.site_name(), model.chosen_device()), (Some("ZZ-TRI-FECTA"), Some("AHU-1")));
    assert_eq!(model.device("AHU-1").unwrap().serial_no, "7");
}

#[test]
fn layers_merge_in_order_and_the_template_goes_before_the_defaults() {
    let site = Site::new(json!({}));
    site.write(
        "site_defaults.json",
        &json!({
            "system": {"description": "default", "zone": "default", "node_type": "default"},
            "?pointset": {"sample_rate_sec": 30},
        }),
    );
    site.write("templates/ahu.json", &json!({"system": {"zone": "template", "node_type": "template"}}));
    site.device("AHU-1", json!({"extend": "ahu", "system": {"node_type": "own"}}));
    let device = site.open().device("AHU-1").unwrap();
    let system =
        json!({"description": "default", "zone": "template", "node_type": "own", "min_loglevel": 300});
    assert_eq!(device.document["system"], system);
    assert_eq!(device.document.get("pointset"), None);
    assert_eq!(device.document.get("extend"), None);
    assert_eq!(device.metadata.system.zone.as_deref(), Some("template"));
}

#[test]
fn faults_are_told_with_file_place_and_expectation() {
    let site = Site::new(json!({}));
    let told = |id: &str, metadata: Value| {
        site.device(id, metadata);
        site.open().device(id).and_then(|device| device.generated_config()).unwrap_err()
    };
    for (metadata, path, problem) in [
        (json!({"extend": "../x"}), "/extend", "expected the name of a file in templates"),
        (json!({"extend": "none"}), "", "cannot be read"),
        (json!({"version": "1.4."}), "/version", "expected a version"),
        (
            json!({"system": {"min_loglevel": 1000}}),
            "/system/min_loglevel",
            "expected a whole number from 100 to 800",
        ),
        (json!({"system": {"serial_no": 7}}), "/system/serial_no", "expected a string, found 7"),
        (json!({"pointset": {"points": {"t": {"units": 7}}}}), "/pointset/points/t/units", "invalid type"),
        (
            json!({"cloud": {"config": {"static_file": "../x"}}}),
            "/cloud/config/static_file",
            "expected the name",
        ),
    ] {
        let error = told("AHU-1", metadata);
        assert_eq!(error.path, path, "{error}");
        assert!(error.problem.contains(problem), "{error}");
        assert!(error.to_string().contains(".json"), "{error}");
    }
    for id in ["../AHU-1", "AHU-0", "ahu-1", "AHU", "AHU-1/x", ""] {
        let error = site.open().device(id).unwrap_err();
        assert!(error.problem.contains("expected a device id"), "{error}");
    }
    assert!(site.open().device("AHU-2").unwrap_err().problem.contains("cannot be read"));
}

#[test]
fn a_missing_member_of_the_metadata_is_named() {
    let site = Site::new(json!({}));
    site.write("devices/AHU-1/metadata.json", &json!({"version": "1.5.7", "system": {}}));
    let error = site.open().device("AHU-1").unwrap_err();
    assert_eq!(error.path, "/timestamp");
    assert!(SiteModel::open(&site.path("none")).unwrap_err().problem.contains("cannot be read"));
    site.write("cloud_iot_config.json", &json!({}));
    assert_eq!(SiteModel::open(&site.path("")).unwrap_err().path, "/registry_id");
    site.write("cloud_iot_config.json", &json!({"registry_id": "A", "iot_provider": "post"}));
    let error = SiteModel::open(&site.path("")).unwrap_err();
    assert_eq!(error.path, "/iot_provider");
    assert!(error.problem.contains("found 'post'"), "{error}");
}

#[test]
fn entries_that_are_no_devices_are_refused_and_editors_leftovers_passed_over() {
    let site = Site::new(json!({}));
    for id in ["AHU-2", "AHU-1", "bacnet_1"] {
        site.device(id, json!({}));
    }
    for name in [".hidden", "AHU-3~", "README.md", "AHU-4"] {
        fs::write(site.path("devices").join(name), "").unwrap();
    }
    let list = site.open().device_list().unwrap();
    assert_eq!(list.ids, ["AHU-1", "AHU-2"]);
    let refused: Vec<_> = list.refused.iter().map(|error| error.file.file_name().unwrap()).collect();
    assert_eq!(refused, ["AHU-4", "bacnet_1"]);
}

#[test]
fn a_gateway_by_name_finds_its_devices_and_tells_of_unreadable_ones() {
    let site = Site::new(json!({}));
    site.device("GAT-1", json!({"cloud": {"resource_type": "GATEWAY", "auth_type": "ES256"}}));
    for id in ["SNS-2", "SNS-1"] {
        site.device(id, json!({"gateway": {"gateway_id": "GAT-1"}}));
    }
    site.device("SNS-3", json!({"gateway": {"gateway_id": "GAT-2"}}));
    fs::create_dir_all(site.path("devices/SNS-4")).unwrap();
    let gateway = site.open().device("GAT-1").unwrap();
    assert_eq!(
        (gateway.class, gateway.proxy_ids),
        (DeviceClass::Gateway, vec!["SNS-1".into(), "SNS-2".into()])
    );
    assert!(gateway.warnings[0].file.ends_with("SNS-4/metadata.json"), "{:?}", gateway.warnings);
    let sensor = site.open().device("SNS-1").unwrap();
    assert_eq!((sensor.class, sensor.gateway_id.as_deref()), (DeviceClass::Proxied, Some("GAT-1")));
}

#[test]
fn provider_mqtt_connects_with_name_password_and_certificate() {
    let site = Site::new(
        json!({"iot_provider": "mqtt", "project_id": "broker.example:1234", "registry_suffix": "x"}),
    );
    site.device("AHU-1", json!({"cloud": {"auth_type": "RS256"}}));
    site.key("AHU-1/rsa_private.pkcs8", "rsa_private.pkcs8");
    site.key("AHU-1/rsa_private.pem", "rsa_encrypted.pem");
    for name in ["devices/AHU-1/rsa_private.crt", "reflector/ca.crt"] {
        fs::create_dir_all(site.path(name).parent().unwrap()).unwrap();
        fs::write(site.path(name), "").unwrap();
    }
    let endpoint = site.endpoint("AHU-1", "--/space").unwrap();
    assert_eq!((endpoint.host.as_str(), endpoint.port), ("broker.example", 1234));
    for text in [&endpoint.client_id, &endpoint.username, &endpoint.topic_prefix] {
        assert_eq!(text, "/r/space~ZZ-REGx/d/AHU-1");
    }
    let Credential::Password(password) = &endpoint.credential else { panic!("{endpoint:?}") };
    assert_eq!(password.expose().len(), 8);
    let tls = endpoint.tls.unwrap();
    assert_eq!(tls.authority, Some(site.path("reflector/ca.crt")));
    let folder = site.path("devices/AHU-1");
    assert_eq!(tls.identity, Some((folder.join("rsa_private.crt"), folder.join("rsa_private.pem"))));
    assert!(cfg!(not(feature = "encrypted-keys")) || tls.settings().is_ok(), "the password opens the key");
}

#[test]
fn a_proxied_device_uses_the_connection_of_its_gateway() {
    let site = Site::new(json!({"iot_provider": "mqtt", "project_id": "localhost"}));
    site.device("GAT-1", json!({"cloud": {"auth_type": "ES256"}, "gateway": {"proxy_ids": ["SNS-1"]}}));
    site.device("SNS-1", json!({"gateway": {"gateway_id": "GAT-1"}}));
    site.key("GAT-1/ec_private.pem", "ec_sec1.pem");
    let gateway = site.endpoint("GAT-1", "--").unwrap();
    let sensor = site.endpoint("SNS-1", "--").unwrap();
    assert_eq!(sensor, Endpoint { topic_prefix: "/r/ZZ-REG/d/SNS-1".into(), ..gateway });
}

#[test]
fn other_providers_connect_with_a_token() {
    let endpoint = |execution: Value, project: &str| {
        let site = Site::new(execution);
        site.device("AHU-1", json!({"cloud": {"auth_type": "ES256"}}));
        site.key("AHU-1/ec2_private.pkcs8", "ec_private.pkcs8");
        let mut endpoint = site.endpoint("AHU-1", project).unwrap();
        let Credential::Token { audience, algorithm, key } = &mut endpoint.credential else { panic!() };
        assert_eq!((*algorithm, endpoint.username.as_str()), (TokenAlgorithm::Es256, "unused"));
        assert!(key.ends_with("ec2_private.pkcs8"));
        assert_eq!((endpoint.port, endpoint.topic_prefix.as_str()), (8883, "/devices/AHU-1"));
        assert_eq!(endpoint.tls, Some(TlsFiles::default()));
        (endpoint.host, endpoint.client_id, audience.clone())
    };
    let id = |project: &str, region: &str| {
        format!("projects/{project}/locations/{region}/registries/ZZ-REG/devices/AHU-1")
    };
    for (execution, project, host, client_id, audience) in [
        (json!({}), "//clearblade/prj", "us-central1-mqtt.clearblade.com", id("prj", "us-central1"), "prj"),
        (
            json!({"iot_provider": "clearblade", "project_id": "prj", "cloud_region": "europe-west1"}),
            "--",
            "europe-west1-mqtt.clearblade.com",
            id("prj", "europe-west1"),
            "prj",
        ),
        (json!({}), "//gbos/prj", "mqtt.bos.goog", id("prj", "us-central1"), "prj"),
        (json!({}), "//jwt/prj@mqtt.example.com", "mqtt.example.com", id("prj", "us-central1"), "prj"),
        (json!({"iot_provider": "implicit"}), "--", "localhost", id("localhost", "us-central1"), "localhost"),
        (json!({}), "prj", "mqtt.googleapis.com", id("prj", "us-central1"), "prj"),
    ] {
        let found = endpoint(execution, project);
        assert_eq!(found, (host.to_owned(), client_id, audience.to_owned()), "{project}");
    }
}

#[test]
fn a_given_endpoint_is_used_as_it_is() {
    let site = Site::new(json!({"device_endpoint": {
        "protocol": "mqtt", "transport": "tcp", "client_id": "ZZ-TRI-FECTA/AHU-1", "hostname": "127.0.0.1",
        "config_sync_sec": -1, "port": 1883, "topic_prefix": "/some/where/AHU-1", "noConfigAck": true,
        "auth_provider": {"basic": {"username": "scrumptus", "password": "aardvark"}},
    }}));
    site.device("AHU-1", json!({"cloud": {"auth_type": "ES256"}}));
    let endpoint = site.endpoint("AHU-1", "--").unwrap();
    let Credential::Password(password) = &endpoint.credential else { panic!("{endpoint:?}") };
    assert_eq!(password.expose(), "aardvark");
    assert!(!format!("{endpoint:?}").contains("aardvark"));
    assert_eq!((endpoint.host.as_str(), endpoint.port, endpoint.tls), ("127.0.0.1", 1883, None));
    assert_eq!(
        (endpoint.client_id.as_str(), endpoint.username.as_str()),
        ("ZZ-TRI-FECTA/AHU-1", "scrumptus")
    );
    assert_eq!(endpoint.topic_prefix, "/some/where/AHU-1");
    assert_eq!((endpoint.config_sync_sec, endpoint.no_config_ack), (-1, true));
}

#[test]
fn a_given_endpoint_with_faults_is_refused_with_their_place() {
    for (member, value, path) in [
        ("hostname", json!(null), "/device_endpoint/hostname"),
        ("protocol", json!("file"), "/device_endpoint/protocol"),
        ("transport", json!("quic"), "/device_endpoint/transport"),
        ("port", json!(70_000), "/device_endpoint/port"),
        ("topic_prefix", json!("/devices/#"), "/device_endpoint/topic_prefix"),
        ("cert_file", json!("a.crt"), "/device_endpoint/key_file"),
        (
            "auth_provider",
            json!({"basic": {"username": "x"}}),
            "/device_endpoint/auth_provider/basic/password",
        ),
        ("auth_provider", json!({"jwt": {}}), "/device_endpoint/auth_provider/jwt/audience"),
    ] {
        let mut endpoint = json!({
            "protocol": "mqtt", "hostname": "h", "client_id": "c",
            "auth_provider": {"basic": {"username": "u", "password": "p"}},
        });
        endpoint[member] = value;
        let site = Site::new(json!({"device_endpoint": endpoint}));
        site.device("AHU-1", json!({"cloud": {"auth_type": "ES256"}}));
        assert_eq!(site.endpoint("AHU-1", "--").unwrap_err().path, path);
    }
}

#[test]
fn what_an_endpoint_lacks_is_named() {
    let missing = |execution: Value, metadata: Value, project: &str| {
        let site = Site::new(execution);
        site.device("AHU-1", metadata);
        site.endpoint("AHU-1", project).unwrap_err()
    };
    let direct = || json!({"cloud": {"auth_type": "ES256"}});
    let error = missing(json!({"iot_provider": "mqtt"}), direct(), "--");
    assert_eq!(error.path, "/project_id");
    let error = missing(json!({}), direct(), "//mqtt/localhost");
    assert!(error.file.ends_with("devices/AHU-1") && error.problem.contains("ec_private.pkcs8"), "{error}");
    assert_eq!(missing(json!({}), direct(), "//jwt/prj").path, "/bridge_host");
    assert_eq!(missing(json!({}), direct(), "//pubsub/prj").path, "/iot_provider");
    assert_eq!(missing(json!({}), json!({}), "//mqtt/localhost").path, "/cloud/auth_type");
}

/// A small site model of one test.
struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    fn new(mut execution: Value) -> Self {
        let site = Self { folder: tempfile::tempdir().unwrap() };
        execution["registry_id"] = json!("ZZ-REG");
        site.write("cloud_iot_config.json", &execution);
        fs::create_dir(site.path("devices")).unwrap();
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: &Value) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("// made by a test\n{content}")).unwrap();
    }

    /// Writes metadata with what every metadata must have.
    fn device(&self, id: &str, mut metadata: Value) {
        let required = [
            ("timestamp", json!("2020-05-01T13:39:07Z")),
            ("version", json!("1.5.7")),
            ("system", json!({})),
        ];
        for (name, value) in required {
            if metadata.get(name).is_none() {
                metadata[name] = value;
            }
        }
        self.write(&format!("devices/{id}/metadata.json"), &metadata);
    }

    fn key(&self, name: &str, fixture: &str) {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/keys");
        fs::copy(fixtures.join(fixture), self.path("devices").join(name)).unwrap();
    }

    fn open(&self) -> SiteModel {
        SiteModel::open(self.folder.path()).unwrap()
    }

    fn endpoint(&self, id: &str, project: &str) -> Result<Endpoint, SiteError> {
        let model = self.open();
        model.endpoint(&model.device(id).unwrap(), &project.parse::<ProjectSpec>().unwrap())
    }
}

/// UDMI's published site models, from the folder `UDMI_ROOT` or beside the project.
fn published_sites(test: &str) -> Option<PathBuf> {
    let root = std::env::var_os("UDMI_ROOT")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/udmi"), PathBuf::from);
    let sites = root.join("sites");
    if !sites.is_dir() {
        println!("left out: {test}, because there are no published site models at {}", sites.display());
        return None;
    }
    Some(sites)
}

/// (site, device, file) for each `devices/*/expected/<name>`.
fn expected_files(sites: &Path, name: &str) -> Vec<(PathBuf, String, PathBuf)> {
    let mut found = Vec::new();
    for site in entries(sites) {
        for device in entries(&site.join("devices")) {
            let file = device.join("expected").join(name);
            let id = device.file_name().unwrap().to_string_lossy().into_owned();
            if file.exists() {
                found.push((site.clone(), id, file));
            }
        }
    }
    found
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).into_owned();
    serde_json::from_str::<Value>(&text).map_or(text, |value| value.to_string())
}

#[track_caller]
fn assert_same(found: &Value, expected: &Value, file: &Path) {
    assert_eq!(pretty(found), pretty(expected), "{}", file.display());
}

/// Sorted and indented, with `2` and `2.0` alike.
fn pretty(value: &Value) -> String {
    fn plain(value: &Value) -> Value {
        match value {
            Value::Number(number) => json!(number.as_f64()),
            Value::Array(items) => items.iter().map(plain).collect(),
            Value::Object(members) => {
                members.iter().map(|(name, value)| (name.clone(), plain(value))).collect()
            }
            other => other.clone(),
        }
    }
    serde_json::to_string_pretty(&plain(value)).unwrap()
}
