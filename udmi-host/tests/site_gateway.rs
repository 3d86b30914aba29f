//! The devices behind a gateway, as site models tell of them: UDMI's published ones, and a small one of our own.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use udmi_host::site::{DeviceClass, SiteModel, settings};
use udmi_proto::model::common::Stage;

#[test]
fn a_published_gateway_knows_the_devices_that_name_it() {
    let Some(site) = published("a_published_gateway_knows_the_devices_that_name_it") else { return };
    let gateway = site.device("GAT-123").unwrap();
    let behind = site.behind(&gateway, |_| ()).unwrap();
    assert_eq!(behind.warnings, []);
    let proxies = behind.settings.proxies;
    assert_eq!(proxies.keys().collect::<Vec<_>>(), ["AHU-22", "SNS-4", "SNS-8"]);
    let unit = &proxies["AHU-22"];
    assert_eq!(unit.families["bacnet"], "582312");
    let reference = unit.points["filter_alarm_pressure_status"].reference.as_deref();
    assert_eq!(reference, Some("BV/11#present_value"));
    // Its address stands in the target alone, and counts as none of the device's local networks.
    assert!(proxies["SNS-4"].families.is_empty());
    assert_eq!(proxies["SNS-4"].points.len(), 5);
}

#[test]
fn a_published_gateway_that_lists_others_devices_is_warned_about() {
    let Some(site) = published("a_published_gateway_that_lists_others_devices_is_warned_about") else {
        return;
    };
    let mut shown = Vec::new();
    let gateway = site.device("GAT-72").unwrap();
    let behind = site.behind(&gateway, |device| shown.push(device.id.clone())).unwrap();
    assert_eq!(shown, ["AHU-1", "SNS-4"]);
    let told: Vec<_> = behind.warnings.iter().map(|warning| warning.problem.as_str()).collect();
    assert_eq!(
        told,
        [
            "GAT-72 lists the device, whose gateway_id is none",
            "GAT-72 lists the device, whose gateway_id is GAT-123"
        ]
    );
}

#[test]
fn a_published_site_is_found_as_its_addresses_say() {
    let Some(site) = published("a_published_site_is_found_as_its_addresses_say") else { return };
    let found: Vec<_> = site.found("bacnet", true).unwrap().collect();
    let addresses: Vec<_> = found.iter().map(|found| found.address.as_str()).collect();
    assert!(addresses.contains(&"582312"), "{addresses:?}");
    let unit = found.iter().find(|found| found.address == "582312").unwrap();
    let references: Vec<_> = unit.references.keys().collect();
    assert_eq!(references, ["AV12.present_value", "BV/11#present_value"]);
    // The gateway has an address in this family, and finds itself.
    let vendors: Vec<_> = site.found("vendor", false).unwrap().collect();
    assert!(vendors.iter().any(|found| found.address == "20231"));
    assert!(vendors.iter().all(|found| found.references.is_empty()));
    assert_eq!(site.found("modbus", true).unwrap().count(), 0);
}

#[test]
fn what_a_gateway_knows_is_what_it_lists_and_what_names_it() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "cloud_iot_config.json", &json!({ "registry_id": "ZZ-REG" }));
    device(
        folder.path(),
        "GAT-1",
        json!({
            "cloud": { "auth_type": "ES256" },
            "gateway": { "proxy_ids": ["EM-1", "EM-9"] },
            "features": { "pointset": {}, "discovery.scan": { "stage": "preview" } },
        }),
    );
    let proxied = |network: &str| {
        json!({
            "gateway": { "gateway_id": "GAT-1", "target": { "family": "bacnet" } },
            "localnet": { "families": { "bacnet": { "addr": "7", "network": network } } },
            "pointset": { "points": { "power": { "ref": "AV/1", "units": "watts", "type": "number" } } },
            "features": { "pointset": { "stage": "beta" } },
        })
    };
    device(folder.path(), "EM-1", proxied("1"));
    device(folder.path(), "EM-2", proxied("2"));
    device(folder.path(), "EM-3", json!({ "gateway": { "gateway_id": "GAT-2" } }));
    let site = SiteModel::open(folder.path()).unwrap();
    let gateway = site.device("GAT-1").unwrap();
    assert_eq!(gateway.class, DeviceClass::Gateway);
    let own = settings(&gateway, &site.local_connection(&gateway, None, "localhost", 1883));
    assert_eq!(own.features["discovery.scan"], Stage::Preview);
    assert_eq!(own.features["pointset"], Stage::Stable);
    let behind = site.behind(&gateway, |_| ()).unwrap();
    // EM-9 is listed and not there.
    assert_eq!(behind.warnings.len(), 1);
    assert!(behind.warnings[0].file.ends_with("devices/EM-9/metadata.json"));
    let settings = behind.settings;
    assert_eq!(settings.proxies.keys().collect::<Vec<_>>(), ["EM-1", "EM-2"]);
    assert_eq!(settings.proxies["EM-1"].features["pointset"], Stage::Beta);
    let found: Vec<_> = site.found("bacnet", true).unwrap().collect();
    assert_eq!(found.len(), 2);
    assert_eq!(found[1].network.as_deref(), Some("2"));
    assert_eq!(found[1].references["AV/1"].point.as_deref(), Some("power"));
}

fn write(folder: &Path, name: &str, content: &Value) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content.to_string()).unwrap();
}

/// Writes metadata with what every metadata must have.
fn device(folder: &Path, id: &str, mut metadata: Value) {
    metadata["timestamp"] = "2020-05-01T13:39:07Z".into();
    metadata["version"] = "1.5.7".into();
    metadata["system"] = json!({});
    write(folder, &format!("devices/{id}/metadata.json"), &metadata);
}

/// UDMI's published site model `basic`, from the folder `UDMI_ROOT` or beside the project.
fn published(test: &str) -> Option<SiteModel> {
    let root = std::env::var_os("UDMI_ROOT")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/udmi"), PathBuf::from);
    let site = root.join("sites/basic");
    if !site.is_dir() {
        println!("left out: {test}, because there is no published site model at {}", site.display());
        return None;
    }
    Some(SiteModel::open(&site).unwrap())
}
