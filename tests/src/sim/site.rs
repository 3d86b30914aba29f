//! The places where operations happen: a device, and a gateway with the devices behind it.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use udmi_proto::{Credentials, GatewaySettings, ProxySettings, Secret, Settings, Source as PointSource};

use crate::data_url;
use crate::model::Model;
use crate::world::{Fieldbus, Registry, Setup, Source, World, merge};

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

/// The registries a device may be ordered to: its own, another one, and one that the broker does not know.
pub const REGISTRIES: [&str; 3] = ["/r/REG/d/AHU-1", "/r/ALT/d/AHU-1", "/r/BOGUS_REGISTRY/d/AHU-1"];
/// The device's password in those it has an account of.
const PASSWORD: &str = "c0ffee42";
/// Where modules are downloaded from, each under its number.
pub(super) const MODULES_URL: &str = "http://updates/module/";
/// How many there are; one of them is none.
const MODULES: u8 = 4;

/// A world around a device whose points come from every kind of source.
#[must_use]
pub fn device(seed: u64) -> Setup {
    let mut model = Model::air_handler();
    for (point, source) in
        [("supply_temperature", PointSource::Polled), ("filter_pressure", PointSource::Computed)]
    {
        if let Some(point) = model.settings.points.get_mut(point) {
            point.source = source;
        }
    }
    model.settings.options.metrics_hook = true;
    model.settings.options.command_hook = true;
    Setup { seed, restart_ms: Some(1500), ..model.setup() }
}

/// The device may be ordered to other registries.
pub(super) fn with_registries(mut setup: Setup) -> Setup {
    let registry = |prefix: &&str| Registry {
        prefix: (*prefix).into(),
        password: (*prefix != REGISTRIES[2]).then(|| PASSWORD.to_owned()),
    };
    setup.registries = REGISTRIES.iter().map(registry).collect();
    let password = Secret::new(PASSWORD.to_owned());
    setup.settings.credentials = Some(Credentials { username: REGISTRIES[0].into(), password });
    setup
}

/// What can be downloaded.
pub(super) fn furnish(world: &mut World) {
    for number in 0..MODULES {
        let source = Source { piece: 16, pace_ms: 20, ..Source::new(module(number)) };
        world.staging.sources.insert(format!("{MODULES_URL}{number}"), source);
    }
}

/// The content of a module.
pub(super) fn module(number: u8) -> Vec<u8> {
    match number {
        0 => b"no module".to_vec(),
        _ => format!(r#"{{"version":"v{number}","ballast":"{}"}}"#, "0123456789".repeat(8)).into_bytes(),
    }
}

/// The cloud publishes a config to the device wherever it may be.
pub(super) fn configure(world: &mut World, config: &Value) {
    for registry in world.registries() {
        world.turned_to(&registry, |world| world.publish_config(config));
    }
}

/// The cloud orders the device to a registry (§5.3).
pub(super) fn redirect(world: &mut World, to: usize) {
    let registries = world.registries();
    let Some(to) = registries.get(to).filter(|_| registries.len() > 1) else { return };
    let endpoint = world.endpoint();
    let document = json!({
        "protocol": "mqtt", "hostname": endpoint.host, "port": endpoint.port, "transport": "tcp", "client_id": to,
        "auth_provider": { "basic": { "username": to, "password": PASSWORD } }
    });
    let document = document.to_string();
    let order = json!({
        "phase": "final", "url": data_url::encode(document.as_bytes()), "generation": world.timestamp(),
        "sha256": data_url::sha256(document.as_bytes())
    });
    let mut config = world.cloud.config.clone();
    let stamp = json!({ "timestamp": world.timestamp(), "version": "1.5.7" });
    merge(&mut config, &stamp);
    merge(&mut config, &json!({ "blobset": { "blobs": { "_iot_endpoint_config": order } } }));
    configure(world, &config);
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
    for (point, source) in
        [("supply_temperature", PointSource::Polled), ("filter_pressure", PointSource::Computed)]
    {
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
