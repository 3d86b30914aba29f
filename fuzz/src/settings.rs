//! The devices that are fuzzed.

use udmi_proto::{
    Algorithm, Credentials, Endpoint, GatewaySettings, Limits, PointModel, ProxyMode, ProxySettings, Secret,
    Settings, Source, TokenSettings, Transport, ValueKind,
};

use crate::choices::Choices;

/// What the topics of the device begin with, until it is sent elsewhere.
pub const PREFIX: &str = "/r/REG/d/AHU-1";
/// The password of a device that has one. No trace may show it.
pub const PASSWORD: &str = "hunter2-hunter2";
/// Points of all kinds.
pub const POINTS: [&str; 4] = ["setpoint", "alarm", "polled", "computed"];
/// Devices a gateway knows.
pub const PROXIES: [&str; 2] = ["VAV-7", "VAV-8"];

/// A device with points of all kinds, which can be sent elsewhere, updated and asked to scan.
#[must_use]
pub fn device() -> Settings {
    let endpoint = Endpoint { host: "broker".into(), port: 1883, transport: Transport::Tcp };
    let mut settings = Settings::new("AHU-1", endpoint, PREFIX, PREFIX);
    settings.points = points();
    settings.families.insert("ipv4".into(), "192.0.2.17".into());
    settings.scans = vec!["vendor".into(), "bacnet".into()];
    settings.custom_blocks = vec!["custom".into()];
    settings.options.blobs = vec!["system".into()];
    settings
}

fn points() -> udmi_proto::Map<String, PointModel> {
    let range = ValueKind::Number { minimum: Some(0.0), maximum: Some(100.0) };
    let models = [
        PointModel { writable: true, kind: Some(range), ..PointModel::default() },
        PointModel {
            reference: Some("BV/3".into()),
            kind: Some(ValueKind::Boolean),
            ..PointModel::default()
        },
        PointModel { writable: true, source: Source::Polled, ..PointModel::default() },
        PointModel { source: Source::Computed, ..PointModel::default() },
    ];
    POINTS.iter().map(|name| (*name).to_owned()).zip(models).collect()
}

/// A device or a gateway, with options and proofs of identity as they are chosen.
pub fn chosen(choices: &mut Choices<'_>) -> Settings {
    let (kind, switches) = (choices.octet(), choices.octet());
    let is = |bit: u8| switches >> bit & 1 == 1;
    let mut settings = device();
    match kind & 3 {
        0 => {}
        1 => {
            let password = Secret::new(PASSWORD.into());
            settings.credentials = Some(Credentials { username: "me".into(), password });
        }
        2 => {
            settings.token = Some(TokenSettings {
                algorithm: if is(0) { Algorithm::Es256 } else { Algorithm::Rs256 },
                audience: "project".into(),
                username: "unused".into(),
                lifetime_seconds: 600,
            });
        }
        _ => {
            let proxy = || ProxySettings { points: points(), ..ProxySettings::default() };
            settings.gateway = Some(GatewaySettings {
                proxies: PROXIES.iter().map(|id| ((*id).to_owned(), proxy())).collect(),
                mode: if is(0) { ProxyMode::Implicit } else { ProxyMode::Explicit },
                maximum: 3,
            });
        }
    }
    let options = &mut settings.options;
    (options.lifecycle_hook, options.metrics_hook, options.command_hook) = (is(1), is(2), is(3));
    (options.echo_etag, options.redirects) = (is(4), !is(5));
    options.config_sync_seconds = if is(6) { -1 } else { 0 };
    options.blob_limit = if is(7) { 100 } else { 4096 };
    settings
}

/// Bounds that are reached.
#[must_use]
pub fn narrow() -> Limits {
    Limits {
        packet_bytes: 16 << 10,
        outbox_messages: 12,
        outbox_bytes: 8 << 10,
        outbox_kept_bytes: 4 << 10,
        inflight: 3,
        pending_hooks: 4,
        pending_stores: 4,
        fetches: 2,
        ..Limits::default()
    }
}
