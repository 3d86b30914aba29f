//! What the Modbus provider is told.

use std::time::Duration;

use udmi_proto::family::modbus::Reference;
use udmi_proto::model::discovery::DiscoveryRef;
use udmi_proto::{Map, ProxySettings};

/// How Modbus devices are reached and looked for. The defaults serve without configuration, but for scans, which
/// need hosts to look at.
#[derive(Clone, Debug, PartialEq)]
pub struct ModbusSettings {
    /// What answers for the lines that addresses name: `modbus_rtu_1` → `10.0.0.7:502`. A name that is not here is
    /// looked up as a host.
    pub lines: Map<String, String>,
    /// Addresses that a scan looks at when it is asked for none, beside those of `known`.
    pub hosts: Vec<String>,
    /// The references that are known of addresses: what a scan can tell of a host, beside which units answer.
    pub known: Map<String, Map<String, DiscoveryRef>>,
    /// Units that a scan asks, in this order, after those that `known` names.
    pub units: Vec<u8>,
    /// How long a name may be looked up and a connection made.
    pub connect_timeout: Duration,
    /// How long an answer may take.
    pub answer_timeout: Duration,
    /// How long an answer to the question of a scan may take.
    pub probe_timeout: Duration,
    /// How long a host that could not be reached is not tried again. So that a dead gateway costs the time-out of a
    /// connection now and then, and not for each of its units.
    pub pause: Duration,
    /// Bounds.
    pub limits: ModbusLimits,
}

impl Default for ModbusSettings {
    fn default() -> Self {
        Self {
            lines: Map::new(),
            hosts: Vec::new(),
            known: Map::new(),
            units: (1..=247).collect(),
            connect_timeout: Duration::from_secs(3),
            answer_timeout: Duration::from_secs(2),
            probe_timeout: Duration::from_millis(250),
            pause: Duration::from_secs(5),
            limits: ModbusLimits::default(),
        }
    }
}

impl ModbusSettings {
    /// Learns what is known of a proxied device: its address is looked at by scans, and what of its points' references
    /// names its unit is told of the address. The unit of others is in the device's config, which scans do not see.
    pub fn know(&mut self, proxy: &ProxySettings) {
        let Some(address) = proxy.families.get("modbus") else { return };
        let references = self.known.entry(address.clone()).or_default();
        for (name, model) in &proxy.points {
            let Some(reference) = &model.reference else { continue };
            let Ok(parsed) = Reference::parse(reference, None) else { continue };
            let told = DiscoveryRef {
                point: Some(name.clone()),
                units: model.units.clone(),
                kind: parsed.parameters.data_type.map(|data_type| data_type.as_str().to_owned()),
                writable: Some(model.writable),
                ..DiscoveryRef::default()
            };
            references.insert(reference.clone(), told);
        }
    }
}

/// Bounds of the Modbus provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModbusLimits {
    /// Hosts that a connection is kept to.
    pub hosts: usize,
    /// Hosts that one scan looks at; further ones are left out.
    pub scanned_hosts: usize,
    /// Hosts that are looked at at the same time.
    pub scanned_at_once: usize,
}

impl Default for ModbusLimits {
    fn default() -> Self {
        Self { hosts: 256, scanned_hosts: 1024, scanned_at_once: 8 }
    }
}

#[cfg(test)]
mod tests {
    use udmi_proto::PointModel;

    use super::*;

    #[test]
    fn what_is_known_of_proxied_devices_is_known_of_their_hosts() {
        let proxy = |address: &str, reference: &str| {
            let mut proxy = ProxySettings::default();
            proxy.families.insert("modbus".into(), address.into());
            let reference = Some(reference.into());
            proxy.points.insert("power".into(), PointModel { reference, ..PointModel::default() });
            proxy.points.insert("without".into(), PointModel::default());
            proxy
        };
        let mut settings = ModbusSettings::default();
        settings.know(&proxy("plc", "1/3/0?type=INT16"));
        settings.know(&proxy("plc", "2/3/0"));
        settings.know(&proxy("other", "3/0"));
        settings.know(&ProxySettings::default());
        let references: Vec<_> = settings.known["plc"].keys().collect();
        assert_eq!(references, ["1/3/0?type=INT16", "2/3/0"]);
        let told = &settings.known["plc"]["1/3/0?type=INT16"];
        assert_eq!((told.point.as_deref(), told.kind.as_deref()), (Some("power"), Some("INT16")));
        assert!(settings.known["other"].is_empty() && settings.known.len() == 2);
    }
}
