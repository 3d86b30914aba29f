//! The places where operations happen: a device, and a gateway with the devices behind it.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use udmi_proto::{GatewaySettings, ProxySettings, Settings, Source};

use crate::model::Model;
use crate::world::{Fieldbus, Setup, World, merge};

/// The points of the device, and one it does not know.
pub const POINTS: [&str; 5] =
    ["duct_pressure_setpoint", "filter_alarm", "filter_pressure", "supply_temperature", "stranger"];

/// Four devices the gateway knows, one that it hears of from its config alone, and one that the broker does not let
/// it act for.
pub const IDS: [&str; 6] = ["AHU-22", "AHU-23", "VAV-7", "VAV-8", "NEW-1", "ODD-1"];
/// How many of them the gateway knows at the start.
pub const KNOWN: usize = 4;
/// How many of them the broker lets it act for.
pub const BOUND: usize = 5;

/// A world around a device whose points come from every kind of source.
#[must_use]
pub fn device(seed: u64) -> Setup {
    let mut model = Model::air_handler();
    for (point, source) in [("supply_temperature", Source::Polled), ("filter_pressure", Source::Computed)] {
        if let Some(point) = model.settings.points.get_mut(point) {
            point.source = source;
        }
    }
    model.settings.options.metrics_hook = true;
    model.settings.options.command_hook = true;
    Setup { seed, restart_ms: Some(1500), ..model.setup() }
}

/// A world around a gateway whose known devices have points of every kind of source.
#[must_use]
pub fn gateway(seed: u64) -> Setup {
    let mut settings = Model::air_handler().settings;
    let prefix = "/r/REG/d/GAT-1";
    (settings.device_id, settings.client_id) = ("GAT-1".into(), prefix.into());
    settings.topic_prefix = prefix.into();
    (settings.points, settings.options.command_hook) = (Default::default(), true);
    let proxies = IDS[..KNOWN].iter().map(|id| ((*id).to_owned(), known(id)));
    settings.gateway = Some(GatewaySettings { proxies: proxies.collect(), ..GatewaySettings::default() });
    let mut setup = Setup { seed, restart_ms: Some(1500), ..Setup::new(settings) };
    setup.bound = IDS[..BOUND].iter().map(|id| (*id).to_owned()).collect();
    let values = Model::air_handler().setup().plant.values;
    for id in &IDS[..KNOWN] {
        let device = Fieldbus { values: values.clone(), ..Fieldbus::default() };
        setup.plant.proxied.insert((*id).to_owned(), device);
    }
    setup
}

/// What the application knows of a device behind the gateway.
pub(super) fn known(id: &str) -> ProxySettings {
    let Settings { mut identity, mut points, families, .. } = Model::air_handler().settings;
    identity.serial_no = id.to_owned();
    for (point, source) in [("supply_temperature", Source::Polled), ("filter_pressure", Source::Computed)] {
        if let Some(point) = points.get_mut(point) {
            point.source = source;
        }
    }
    ProxySettings { identity, points, families, ..ProxySettings::default() }
}

/// The cloud tells the gateway for whom to act.
pub fn act_for(world: &mut World, ids: &[usize]) {
    let ids: Vec<_> = ids.iter().filter_map(|id| IDS.get(*id)).collect();
    let system = json!({ "min_loglevel": 200, "metrics_rate_sec": 0, "operation": {} });
    let mut config = json!({ "system": system, "gateway": { "proxy_ids": ids } });
    merge(&mut config, &json!({ "timestamp": world.timestamp(), "version": "1.5.7" }));
    world.publish_config(&config);
}

/// For whom the gateway is to act by its last good config.
#[must_use]
pub fn wanted(world: &World) -> BTreeSet<String> {
    let ids = world.cloud.config.pointer("/gateway/proxy_ids").and_then(Value::as_array);
    ids.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
