//! Site models for tests: the metadata of a device, and the settings that follow from it.

mod behind;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use udmi_proto::model::common::Stage;
use udmi_proto::model::discovery::DiscoveryRef;
use udmi_proto::{Endpoint, Found, Identity, Map, PointModel, Settings, Transport, ValueKind};

use crate::conformance::Subject;
use crate::data_url;
use crate::world::{Neighbour, Setup};

pub use behind::{GATEWAY, PROXIED, Role, STRANGER};

/// A device of a site model.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Its metadata, as in a site model.
    pub metadata: Value,
    /// The settings of what connects: the device, or the gateway that acts for it.
    pub settings: Settings,
    /// The metadata of the other devices of the site, by id, for scans to find.
    pub site: Value,
    /// The family that the sequences of scans look at (§9.1).
    pub facet: String,
    /// Its place.
    pub role: Role,
    /// Its name in the registry.
    pub device_id: String,
    /// The metadata of the other devices of its gateway, and of the gateway if that is another, by id.
    pub others: Map<String, Value>,
}

impl Model {
    /// An air handler with the facts the conformance suite's targets rest on (§4.7): a writable setpoint of
    /// baseline 98, an alarm that cannot be written, a sensor of baseline 10 with a tolerance of 2. It scans two
    /// families and is not alone in either.
    #[must_use]
    pub fn air_handler() -> Self {
        Self { site: neighbours(), ..Self::of(air_handler()) }
    }

    /// The device that some metadata describe, alone in its site.
    #[must_use]
    pub fn of(metadata: Value) -> Self {
        let endpoint = Endpoint { host: "broker".into(), port: 1883, transport: Transport::Tcp };
        let mut settings = Settings::new("AHU-1", endpoint, "/r/REG/d/AHU-1", "/r/REG/d/AHU-1");
        (settings.identity, settings.points) = (identity(&metadata), points(&metadata));
        settings.families = addresses(&metadata);
        let texts = |pointer: &str| members(&metadata, pointer);
        let targets = texts("/testing/blob_update_targets");
        let blobs: BTreeSet<_> =
            targets.filter_map(|(_, target)| Some(target["blob_name"].as_str()?.to_owned())).collect();
        settings.options.blobs = blobs.into_iter().collect();
        settings.options.suppress_state = metadata.pointer("/testing/nostate") == Some(&Value::Bool(true));
        settings.features = features(&metadata);
        settings.scans = texts("/discovery/families").map(|(family, _)| family.clone()).collect();
        // The primary facet, where there is one (§9.1).
        let first = settings.scans.iter().find(|family| *family == "vendor").or(settings.scans.first());
        let facet = first.map_or_else(|| "vendor".to_owned(), Clone::clone);
        let device_id = settings.device_id.clone();
        let (role, others) = (Role::Direct, Map::new());
        Self { metadata, settings, site: json!({}), facet, role, device_id, others }
    }

    /// The same device when it sends no state (§7.7).
    #[must_use]
    pub fn without_state(mut self) -> Self {
        self.metadata["testing"]["nostate"] = true.into();
        self.settings.options.suppress_state = true;
        self
    }

    /// A world around the device, whose plant knows a value for each point.
    #[must_use]
    pub fn setup(&self) -> Setup {
        let mut setup = Setup::new(self.settings.clone());
        self.fill_plant(&mut setup);
        setup.plant.around =
            self.settings.scans.iter().map(|family| (family.clone(), self.around(family))).collect();
        setup
    }

    /// All devices of the site that have an address in a family, this one too.
    pub fn in_family(&self, family: &str) -> impl Iterator<Item = (&Value, &Value)> {
        let others = self.site.as_object().into_iter().flatten().map(|(_, metadata)| metadata);
        let pointer = format!("/localnet/families/{family}");
        others
            .chain([&self.metadata])
            .filter_map(move |metadata| Some((metadata, metadata.pointer(&pointer)?)))
            .filter(|(_, place)| place["addr"].is_string())
    }

    /// What a scan of a family finds: a device every 700 ms.
    fn around(&self, family: &str) -> Vec<Neighbour> {
        let found = |(number, (metadata, place)): (usize, (&Value, &Value))| Neighbour {
            after_ms: 700 * (number as u64 + 1),
            found: Found {
                address: place["addr"].as_str().unwrap_or_default().to_owned(),
                network: place["network"].as_str().map(str::to_owned),
                references: references(metadata),
                ..Found::default()
            },
        };
        self.in_family(family).enumerate().map(found).collect()
    }

    /// The device as the conformance suite's tester knows it.
    #[must_use]
    pub fn subject(&self) -> Subject {
        let neighbours = self.others.iter();
        let neighbours = neighbours.map(|(id, metadata)| (self.prefix_of(id), Self::config_of(metadata)));
        let others = self.site.as_object().into_iter().flatten().map(|(_, metadata)| metadata);
        let alternate = (self.role != Role::Proxied).then(|| format!("/r/ALT/d/{}", self.device_id));
        Subject {
            id: self.device_id.clone(),
            prefix: self.prefix(),
            alternate,
            role: self.role,
            metadata: self.metadata.clone(),
            config: self.config(),
            sends_state: !self.settings.options.suppress_state,
            neighbours: neighbours.collect(),
            site: others.chain([&self.metadata]).cloned().collect(),
            families: self.settings.scans.to_vec(),
            facet: self.facet.clone(),
        }
    }

    /// The config that a registrar makes from the metadata (§8.5).
    #[must_use]
    pub fn config(&self) -> Value {
        Self::config_of(&self.metadata)
    }

    /// The config that a registrar makes from some metadata.
    #[must_use]
    pub fn config_of(metadata: &Value) -> Value {
        let mut config = json!({
            "timestamp": metadata["timestamp"],
            "version": "1.5.7",
            "system": { "min_loglevel": 300, "metrics_rate_sec": 10, "operation": {} }
        });
        let named = |pointer, keep: fn(&Value) -> Value| -> Value {
            members(metadata, pointer).map(|(name, member)| (name.clone(), keep(member))).collect()
        };
        if metadata.get("localnet").is_some() {
            config["localnet"]["families"] = named("/localnet/families", |_| json!({}));
        }
        if metadata.get("discovery").is_some() {
            config["discovery"]["families"] = named("/discovery/families", Value::clone);
        }
        if let Some(gateway) = behind::configured(metadata) {
            config["gateway"] = gateway;
        }
        if let Some(pointset) = metadata.get("pointset") {
            config["pointset"] = json!({});
            if pointset["exclude_points_from_config"] != true {
                config["pointset"]["points"] = named("/pointset/points", configured);
            }
            for rate in ["sample_rate_sec", "sample_limit_sec"] {
                if let Some(seconds) = pointset.get(rate) {
                    config["pointset"][rate] = seconds.clone();
                }
            }
        }
        config
    }
}

fn air_handler() -> Value {
    json!({
        "timestamp": "2025-11-03T08:15:00Z",
        "version": "1.5.7",
        "system": {
            "serial_no": "31415926",
            "hardware": { "make": "Orchard", "model": "breeze" },
            "software": { "firmware": "v7", "bus_driver": "2.1" }
        },
        "localnet": { "families": {
            "ether": { "addr": "02:00:5e:10:00:01" },
            "ipv4": { "addr": "192.0.2.17" },
            "ipv6": { "addr": "2001:db8::17" },
            "vendor": { "addr": "4711", "network": "east" }
        } },
        "features": {
            "pointset": { "stage": "stable" }, "system.mode": { "stage": "beta" }, "discovery.scan": { "stage": "preview" },
            "enumeration": {}, "gateway": { "stage": "disabled" }
        },
        "discovery": { "families": { "bacnet": {}, "vendor": {} } },
        "pointset": { "points": {
            "duct_pressure_setpoint": { "units": "Pascals", "writable": true, "baseline_value": 98 },
            "filter_alarm": { "units": "No-units", "ref": "BV/3" },
            "filter_pressure": {
                "units": "Pascals", "ref": "AV/5", "baseline_value": 10, "baseline_tolerance": 2
            },
            "supply_temperature": { "units": "Degrees-Celsius", "ref": "AI/1" }
        } },
        "testing": {
            "targets": {
                "applied": { "target_point": "duct_pressure_setpoint", "target_value": 60 },
                "failure": { "target_point": "filter_alarm", "target_value": false },
                "invalid": { "target_point": "filter_pressure", "target_value": 15 },
                "tweaked_ref": { "target_point": "supply_temperature" }
            },
            "blob_update_targets": blob_targets()
        }
    })
}

/// The other devices of the air handler's site, none of which has all of families, networks and points.
fn neighbours() -> Value {
    let points = |references: &[&str]| {
        let point = |(number, reference)| {
            (format!("point_{number}"), json!({ "ref": reference, "units": "Percent" }))
        };
        let points: serde_json::Map<_, _> = references.iter().enumerate().map(point).collect();
        json!({ "points": points })
    };
    json!({
        "AHU-22": {
            "localnet": { "families": {
                "bacnet": { "addr": "101", "network": "7" }, "vendor": { "addr": "28179023", "network": "east" }
            } },
            "pointset": points(&["AV/12#present_value", "BV/3"])
        },
        "VAV-3": {
            "localnet": { "families": {
                "bacnet": { "addr": "102", "network": "7" }, "vendor": { "addr": "0x41", "network": "west" }
            } }
        },
        "SNS-4": {
            "localnet": { "families": {
                "bacnet": { "addr": "103", "network": "8" }, "vendor": { "addr": "12" }, "ipv4": { "addr": "192.0.2.4" }
            } },
            "pointset": points(&["AI/1"])
        },
        "FCU-9": {
            "localnet": { "families": { "bacnet": { "addr": "104" } } },
            "pointset": { "points": { "fan_speed": {} } }
        },
        "LGT-1": { "localnet": { "families": { "ether": { "addr": "02:00:5e:10:00:77" } } } }
    })
}

/// The blobs of the suite's update sequences (§5.5), for the module `system`.
fn blob_targets() -> Value {
    let target = |content: &str| {
        let (url, sha256) = (data_url::encode(content.as_bytes()), data_url::sha256(content.as_bytes()));
        json!({ "blob_name": "system", "url": url, "sha256": sha256 })
    };
    let module = r#"{"version":"v2"}"#;
    let mut targets = json!({
        "success": target(module),
        "fail_hash": target(module),
        "fail_fetch": target(module),
        "fail_parse": target("no module at all"),
        "fail_incompatible": target(r#"{"version":"v2","trigger":"incompatible"}"#),
        "fail_oversize": target(module)
    });
    targets["success"]["version"] = "v2".into();
    targets["fail_hash"]["sha256"] = "0".repeat(64).into();
    targets["fail_fetch"]["url"] = "http://localhost:1/bogus".into();
    targets["fail_oversize"]["url"] = "http://localhost:1/mock_oversize".into();
    targets
}

/// What a device offers to who scans it: the points that have a reference.
fn references(metadata: &Value) -> Map<String, DiscoveryRef> {
    let reference = |(name, point): (&String, &Value)| {
        let content = DiscoveryRef {
            point: Some(name.clone()),
            units: point["units"].as_str().map(str::to_owned),
            ..DiscoveryRef::default()
        };
        Some((point["ref"].as_str()?.to_owned(), content))
    };
    members(metadata, "/pointset/points").filter_map(reference).collect()
}

/// The members of the object a JSON pointer leads to.
fn members<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = (&'a String, &'a Value)> + use<'a> {
    value.pointer(pointer).and_then(Value::as_object).into_iter().flatten()
}

fn configured(point: &Value) -> Value {
    let mut config = json!({});
    for name in ["ref", "units"] {
        if let Some(text) = point.get(name) {
            config[name] = text.clone();
        }
    }
    if point["writable"] == true
        && let Some(baseline) = point.get("baseline_value")
    {
        config["set_value"] = baseline.clone();
    }
    config
}

/// The points of some metadata.
fn points(metadata: &Value) -> Map<String, PointModel> {
    members(metadata, "/pointset/points").map(|(name, point)| (name.clone(), point_of(point))).collect()
}

/// The addresses of some metadata, by family.
fn addresses(metadata: &Value) -> Map<String, String> {
    let addresses = members(metadata, "/localnet/families");
    addresses
        .filter_map(|(family, address)| Some((family.clone(), address["addr"].as_str()?.to_owned())))
        .collect()
}

/// What the points of some metadata show.
fn values(metadata: &Value) -> Map<String, udmi_proto::Value> {
    members(metadata, "/pointset/points").map(|(name, point)| (name.clone(), value_of(point))).collect()
}

/// The features of some metadata, with their stages.
fn features(metadata: &Value) -> Map<String, Stage> {
    let features = members(metadata, "/features");
    features
        .map(|(name, feature)| {
            let stage = feature["stage"].as_str().map_or(Stage::Stable, Stage::from_text);
            (name.clone(), stage)
        })
        .collect()
}

fn identity(metadata: &Value) -> Identity {
    let text =
        |pointer: &str| metadata.pointer(pointer).and_then(Value::as_str).unwrap_or("unknown").to_owned();
    let software = members(metadata, "/system/software")
        .filter_map(|(module, version)| Some((module.clone(), version.as_str()?.to_owned())));
    Identity {
        make: text("/system/hardware/make"),
        model: text("/system/hardware/model"),
        serial_no: text("/system/serial_no"),
        software: software.collect::<Map<_, _>>(),
        ..Identity::default()
    }
}

fn point_of(point: &Value) -> PointModel {
    let kind = match &point["baseline_value"] {
        Value::Number(baseline) => {
            let baseline = baseline.as_f64().unwrap_or_default();
            let tolerance = point["baseline_tolerance"].as_f64().unwrap_or(baseline);
            let (minimum, maximum) = (Some(baseline - tolerance), Some(baseline + tolerance));
            Some(ValueKind::Number { minimum, maximum })
        }
        Value::String(_) => Some(ValueKind::Text),
        Value::Bool(_) => Some(ValueKind::Boolean),
        _ if point["units"] == "No-units" => Some(ValueKind::Boolean),
        _ => None,
    };
    PointModel {
        units: point["units"].as_str().map(str::to_owned),
        reference: point["ref"].as_str().map(str::to_owned),
        writable: point["writable"] == true,
        kind,
        ..PointModel::default()
    }
}

fn value_of(point: &Value) -> udmi_proto::Value {
    match &point["baseline_value"] {
        Value::Null if point["units"] == "No-units" => udmi_proto::Value::Boolean(true),
        Value::Null => udmi_proto::Value::Number(21.5),
        baseline => serde_json::from_value(baseline.clone()).unwrap_or(udmi_proto::Value::Integer(1)),
    }
}
