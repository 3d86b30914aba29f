//! A gateway from a site model to BACnet devices and back, with nothing written for it but the family's name.

#[allow(dead_code)] // the tests of the family itself use all of it
#[path = "../../../udmi-host/tests/bacnet/fake.rs"]
mod fake;

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fake::{Fake, Reply};
use serde_json::{Value as Json, json};

use crate::adapter::udmi_host::family::bacnet::codec::primitive::{ObjectId, ObjectType, Primitive};
use crate::adapter::udmi_host::family::bacnet::codec::service::{WriteProperty, confirmed, content};
use crate::adapter::udmi_host::family::bacnet::{BacnetProvider, BacnetSettings};
use crate::adapter::udmi_host::site::{GeneratedConfig, SiteModel, settings};
use crate::adapter::udmi_proto::model::common::Timestamp;
use crate::adapter::{Begin as _, Builder, Device, Waiting as _};
use crate::common::{Broker, PATIENCE, timestamp};

#[test]
fn points_of_a_site_model_are_read_written_and_released() {
    let fake = Fake::start(582_312, |asked| match asked.service {
        confirmed::WRITE_PROPERTY => Reply::Done,
        _ => Reply::Apdus(vec![asked.answers(|property| match property.object.kind.0 {
            0 => Ok(content(&[Primitive::Real(21.3)])),
            _ => Ok(content(&[Primitive::Enumerated(0)])),
        })]),
    });
    let broker = Broker::start();
    let site = Site::new();
    let device = site.gateway(&broker, &[fake.address]).begin().unwrap();

    let event = broker.message_of("AHU-22", "events/pointset", has_points);
    assert_eq!(event["points"]["supply_temperature"]["present_value"], json!(21.3));
    assert_eq!(event["points"]["fan_enable"]["present_value"], json!(false));

    let mut config = site.config("AHU-22");
    config["pointset"]["points"]["fan_enable"]["set_value"] = true.into();
    broker.send_to("AHU-22", "config", &config);
    let applied = |state: &Json| state["pointset"]["points"]["fan_enable"]["value_state"] == "applied";
    broker.message_of("AHU-22", "state", applied);
    broker.send_to("AHU-22", "config", &site.config("AHU-22"));
    broker.message_of("AHU-22", "state", |state| !applied(state));

    let written = || {
        let asked = fake.asked().into_iter().filter(|asked| asked.service == confirmed::WRITE_PROPERTY);
        asked.map(|asked| {
            let write = WriteProperty::decode(&asked.content).unwrap();
            (write.property.object.to_string(), write.content.to_vec(), write.priority)
        })
    };
    let since = std::time::Instant::now();
    while written().count() < 2 {
        assert!(since.elapsed() < PATIENCE, "it is never released");
        std::thread::yield_now();
    }
    let object = || "BV/11".to_owned();
    assert_eq!(
        written().collect::<Vec<_>>(),
        [(object(), vec![0x91, 1], Some(16)), (object(), vec![0x00], Some(16))]
    );
    device.stop();
    device.ended(PATIENCE).unwrap();
}

#[test]
fn a_device_that_is_silent_is_told_and_hides_nothing_of_its_sibling() {
    let silent = Arc::new(AtomicBool::new(true));
    let is_silent = silent.clone();
    let sulking = Fake::start(582_313, move |asked| match is_silent.load(Ordering::SeqCst) {
        true => Reply::Nothing,
        false => Reply::Apdus(vec![asked.holds(&Primitive::Real(5.0))]),
    });
    let good = Fake::start(582_312, |asked| Reply::Apdus(vec![asked.holds(&Primitive::Real(21.3))]));
    let broker = Broker::start();
    let device = Site::new().gateway(&broker, &[good.address, sulking.address]).begin().unwrap();
    let category = |state: &Json| state["gateway"]["status"]["category"] == "gateway.proxy.connect";
    broker.message_of("AHU-23", "state", category);
    broker.message_of("AHU-22", "events/pointset", has_points);
    silent.store(false, Ordering::SeqCst);
    let event = broker.message_of("AHU-23", "events/pointset", has_points);
    assert_eq!(event["points"]["return_temperature"]["present_value"], json!(5.0));
    device.stop();
    device.ended(PATIENCE).unwrap();
}

#[test]
fn a_scan_tells_the_cloud_what_is_there() {
    let fake = Fake::start(582_312, |asked| {
        let list = Primitive::Object(ObjectId { kind: ObjectType(0), instance: 1 });
        Reply::Apdus(vec![asked.answers(|property| {
            Ok(content(&[match (property.property, property.index) {
                (76, Some(0)) => Primitive::Unsigned(1),
                (76, _) => list.clone(),
                (77, _) => Primitive::Text("Supply Temp".into()),
                (117, _) => Primitive::Enumerated(62),
                _ => Primitive::Real(21.3),
            }]))
        })])
    });
    let broker = Broker::start();
    let site = Site::new();
    let device = site.gateway(&broker, &[fake.address]).begin().unwrap();
    let mut config = site.config("GAT-1");
    // A scan of now is one of after the start of the process (§6.4).
    let soon = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(1);
    let generation = Timestamp::from_millis(i64::try_from(soon.as_millis()).unwrap());
    let family = json!({ "generation": generation, "scan_duration_sec": 3, "depth": "refs" });
    config["discovery"] = json!({ "families": { "bacnet": family } });
    broker.send_to("GAT-1", "config", &config);
    let found = broker.message_of("GAT-1", "events/discovery", |event| event["addr"] == "582312");
    assert_eq!(found["refs"]["AI/1"]["name"], "Supply Temp");
    assert_eq!(found["refs"]["AI/1"]["units"], "Degrees-Celsius");
    device.stop();
    device.ended(PATIENCE).unwrap();
}

fn has_points(event: &Json) -> bool {
    event["points"].as_object().is_some_and(|points| !points.is_empty())
}

/// The gateway GAT-1 with AHU-22 and AHU-23.
struct Site(tempfile::TempDir);

impl Site {
    fn new() -> Self {
        let site = Self(tempfile::tempdir().unwrap());
        let proxied = |family: Json, points: Json| {
            json!({
                "system": {},
                "gateway": { "gateway_id": "GAT-1", "target": { "family": "bacnet" } },
                "localnet": { "families": { "bacnet": family } },
                "pointset": { "sample_rate_sec": 1, "points": points },
            })
        };
        site.write("cloud_iot_config.json", &json!({ "registry_id": "REG", "site_name": "ZZ-TRI-FECTA" }));
        let gateway = json!({
            "system": {},
            "cloud": { "auth_type": "ES256", "resource_type": "GATEWAY" },
            "gateway": { "proxy_ids": ["AHU-22", "AHU-23"] },
        });
        site.write("devices/GAT-1/metadata.json", &gateway);
        let points = json!({
            "supply_temperature": { "ref": "AI/1", "units": "Degrees-Celsius" },
            "fan_enable": { "ref": "BV/11#present_value", "writable": true },
        });
        site.write("devices/AHU-22/metadata.json", &proxied(json!({ "addr": "582312" }), points));
        let points = json!({ "return_temperature": { "ref": "AI/2", "units": "Degrees-Celsius" } });
        site.write("devices/AHU-23/metadata.json", &proxied(json!({ "addr": "582313" }), points));
        site
    }

    fn write(&self, name: &str, content: &Json) {
        let mut content = content.clone();
        content["timestamp"] = timestamp(0).into();
        content["version"] = "1.5.7".into();
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content.to_string()).unwrap();
    }

    /// The config the registrar would make.
    fn config(&self, device: &str) -> Json {
        let device = SiteModel::open(self.0.path()).unwrap().device(device).unwrap();
        match device.generated_config().unwrap() {
            GeneratedConfig::Document(mut config) => {
                config["timestamp"] = timestamp(1).into();
                config
            }
            GeneratedConfig::Static { .. } => unreachable!("there are no such files"),
        }
    }

    /// The gateway, with the configs of all devices at the broker.
    fn gateway(&self, broker: &Broker, field: &[SocketAddrV4]) -> Builder {
        let site = SiteModel::open(self.0.path()).unwrap();
        let device = site.device("GAT-1").unwrap();
        let connection = site.local_connection(&device, None, "127.0.0.1", broker.address.port());
        let mut gateway = settings(&device, &connection);
        gateway.options.state_interval_ms = 1000;
        let behind = site.behind(&device, |_| ()).unwrap();
        assert_eq!(behind.warnings, []);
        gateway.gateway = Some(behind.settings);
        for device in ["GAT-1", "AHU-22", "AHU-23"] {
            broker.send_to(device, "config", &self.config(device));
        }
        let bacnet = BacnetSettings {
            bind: SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0),
            destinations: field.to_vec(),
            timeout: Duration::from_millis(300),
            ..BacnetSettings::default()
        };
        Device::builder(gateway).family(BacnetProvider::new(bacnet))
    }
}
