//! A device as a gateway, and behind one, with other devices beside it.

use std::fmt;

use serde_json::{Value, json};
use udmi_proto::{Endpoint, GatewaySettings, Map, ProxySettings, Settings, Source, Transport};

use super::{Model, addresses, identity, points, values};
use crate::world::{Fieldbus, Setup};

/// The place of a device (§8.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// It connects for itself.
    #[default]
    Direct,
    /// It connects for itself and for others.
    Gateway,
    /// A gateway acts for it.
    Proxied,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Direct => "direct",
            Self::Gateway => "a gateway",
            Self::Proxied => "proxied",
        })
    }
}

/// The id of the gateway.
pub const GATEWAY: &str = "GAT-123";
/// The ids of the devices beside the one in question that the gateway acts for.
pub const PROXIED: [&str; 3] = ["AHU-22", "SNS-4", "VAV-7"];
/// The id of a device that the gateway knows and may act for, but that its config does not name.
pub const STRANGER: &str = "VAV-8";

impl Model {
    /// The same device as a gateway.
    #[must_use]
    pub fn as_gateway(mut self) -> Self {
        self.metadata["gateway"] = json!({ "proxy_ids": PROXIED });
        self.others = neighbours();
        let options = self.settings.options.clone();
        let own = std::mem::replace(&mut self.settings, gateway(&self.others));
        self.settings.options = options;
        (self.settings.identity, self.settings.points) = (own.identity, own.points);
        (self.settings.families, self.settings.scans) = (own.families, own.scans);
        self.settings.features = own.features;
        (self.role, self.device_id) = (Role::Gateway, GATEWAY.to_owned());
        self
    }

    /// The same device behind a gateway. Its target is one of its addresses on a local network, or one that only the
    /// target tells of.
    #[must_use]
    pub fn as_proxied(mut self) -> Self {
        let known = |family: &&&str| self.settings.families.contains_key(**family);
        let target = match ["bacnet", "vendor"].iter().find(known) {
            Some(family) => json!({ "family": family, "addr": self.settings.families[*family] }),
            None => {
                self.settings.families.insert("vendor".to_owned(), "28179023".to_owned());
                self.metadata["localnet"]["families"]["vendor"]["addr"] = "28179023".into();
                json!({ "family": "vendor", "addr": "28179023" })
            }
        };
        self.metadata["gateway"] = json!({ "gateway_id": GATEWAY, "target": target });
        self.metadata.as_object_mut().map(|members| members.remove("discovery"));
        self.others = neighbours();
        let options = self.settings.options.clone();
        let own = std::mem::replace(&mut self.settings, gateway(&self.others));
        self.settings.options = options;
        let known = ProxySettings {
            identity: own.identity,
            points: own.points,
            families: own.families,
            features: own.features,
            ..ProxySettings::default()
        };
        if let Some(gateway) = &mut self.settings.gateway {
            gateway.proxies.insert(self.device_id.clone(), known);
        }
        let ids: Vec<_> = PROXIED.iter().copied().chain([self.device_id.as_str()]).collect();
        self.others.insert(GATEWAY.to_owned(), gateway_metadata(&ids));
        self.role = Role::Proxied;
        self
    }

    /// What the topics of a device of the same registry begin with.
    #[must_use]
    pub fn prefix_of(&self, id: &str) -> String {
        let registry = self.settings.topic_prefix.rsplit_once('/').map_or("", |(registry, _)| registry);
        format!("{registry}/{id}")
    }

    /// What the topics of the device begin with.
    #[must_use]
    pub fn prefix(&self) -> String {
        self.prefix_of(&self.device_id)
    }

    pub(super) fn fill_plant(&self, setup: &mut Setup) {
        let Some(gateway) = &self.settings.gateway else {
            setup.plant.values = values(&self.metadata);
            return;
        };
        setup.bound = gateway.proxies.keys().cloned().collect();
        let others = self.others.iter().map(|(id, metadata)| (id.as_str(), metadata));
        for (id, metadata) in others.chain([(self.device_id.as_str(), &self.metadata)]) {
            if id == GATEWAY {
                setup.plant.values = values(metadata);
            } else {
                let device = Fieldbus { values: values(metadata), ..Fieldbus::default() };
                setup.plant.proxied.insert(id.to_owned(), device);
            }
        }
    }
}

/// `config.gateway`, as a registrar makes it (§8.5).
pub(super) fn configured(metadata: &Value) -> Option<Value> {
    let gateway = metadata.get("gateway")?;
    let named = ["proxy_ids", "target"].into_iter().find_map(|name| Some((name, gateway.get(name)?)));
    Some(named.map_or_else(|| json!({}), |(name, member)| json!({ name: member })))
}

fn gateway(others: &Map<String, Value>) -> Settings {
    let endpoint = Endpoint { host: "broker".into(), port: 1883, transport: Transport::Tcp };
    let prefix = format!("/r/REG/d/{GATEWAY}");
    let mut settings = Settings::new(GATEWAY, endpoint, &prefix, &prefix);
    let proxies = others.iter().map(|(id, metadata)| (id.clone(), known(metadata)));
    settings.gateway = Some(GatewaySettings { proxies: proxies.collect(), ..GatewaySettings::default() });
    settings
}

/// What a gateway knows of a device with these metadata. A point with a reference is read from there.
fn known(metadata: &Value) -> ProxySettings {
    let mut points = points(metadata);
    for point in points.values_mut().filter(|point| point.reference.is_some()) {
        point.source = Source::Polled;
    }
    let (identity, families) = (identity(metadata), addresses(metadata));
    ProxySettings { identity, points, families, ..ProxySettings::default() }
}

fn gateway_metadata(ids: &[&str]) -> Value {
    json!({
        "timestamp": "2025-11-03T08:15:00Z", "version": "1.5.7",
        "system": { "serial_no": "123", "hardware": { "make": "Orchard", "model": "hub" } },
        "gateway": { "proxy_ids": ids }
    })
}

/// A device that is written to, one whose points are not in its config, one that is read from a bus, and one that the
/// config does not name.
fn neighbours() -> Map<String, Value> {
    let device = |family: &str, addr: &str, pointset: Value| {
        json!({
            "timestamp": "2025-11-03T08:15:00Z", "version": "1.5.7",
            "system": { "serial_no": addr, "hardware": { "make": "Orchard", "model": "leaf" } },
            "localnet": { "families": { family: { "addr": addr } } },
            "gateway": { "gateway_id": GATEWAY, "target": { "family": family, "addr": addr } },
            "pointset": pointset
        })
    };
    let written = json!({ "points": {
        "air_flow_setpoint": { "units": "Litres-per-second", "writable": true, "baseline_value": 40 },
        "air_flow": { "units": "Litres-per-second" }
    } });
    let excluded = json!({
        "exclude_points_from_config": true, "points": { "temperature": { "units": "Degrees-Celsius" } }
    });
    let read = json!({ "points": {
        "damper_position": { "units": "Percent", "ref": "AI/7" },
        "occupancy": { "units": "No-units", "ref": "BI/2" }
    } });
    [
        (PROXIED[0], device("vendor", "22", written)),
        (PROXIED[1], device("vendor", "4", excluded)),
        (PROXIED[2], device("bacnet", "7", read.clone())),
        (STRANGER, device("bacnet", "8", read)),
    ]
    .map(|(id, metadata)| (id.to_owned(), metadata))
    .into()
}
