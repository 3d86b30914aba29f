//! A gateway with its devices attached, for what one config of one of them costs and what each weighs.

use bytes::{Bytes, BytesMut};
use device_link::wire::{self, PacketId, Qos};
use udmi_proto::{Command, Event, GatewayLoad, GatewaySettings, Instant, Limits, ProxySettings, Settings};

use crate::rig::Rig;
use crate::{name, settings, value};

const MINUTE_S: i64 = 60;

/// A gateway core whose devices are attached, configured and idle.
pub struct Attached(Rig);

impl std::fmt::Debug for Attached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attached").field("load", &self.load()).finish_non_exhaustive()
    }
}

impl Attached {
    /// Attaches so many devices of so many points, gives each a config and each point a value.
    ///
    /// # Panics
    /// If the core does not do what it has to.
    #[must_use]
    pub fn new(devices: usize, points: usize) -> Self {
        Self::with_rate(devices, points, -1)
    }

    /// As [`Attached::new`], but all devices are sampled once a minute.
    ///
    /// # Panics
    /// If the core does not do what it has to.
    #[must_use]
    pub fn sampling(devices: usize, points: usize) -> Self {
        Self::with_rate(devices, points, MINUTE_S)
    }

    fn with_rate(devices: usize, points: usize, rate: i64) -> Self {
        let limits = Limits {
            pending_hooks: 4 * devices.max(64),
            outbox_messages: 4 * devices.max(256),
            ..Limits::default()
        };
        let mut attached = Self(Rig::connected(limits, gateway_settings(devices, points)));
        attached.deliver(own_config(devices));
        for device in 0..devices {
            attached.config(&proxy_config_with(device, points, 0, rate));
            let values = (0..points).map(|point| (name(point), value(point))).collect();
            let command = Box::new(Command::SetPoints { values });
            attached.0.handle(Event::Command(Command::Proxied { device: id(device), command }));
            attached.0.settle();
        }
        attached.0.pass(10_000);
        assert_eq!(attached.load().attached, devices, "all are attached");
        attached
    }

    /// What the gateway has to do with its devices.
    #[must_use]
    pub fn load(&self) -> GatewayLoad {
        self.0.device.dialect().gateway_load().unwrap_or_default()
    }

    /// Delivers one config and returns how many bytes the gateway sent.
    pub fn config(&mut self, packet: &Bytes) -> usize {
        self.0.advance(2_500);
        self.deliver(packet.clone())
    }

    /// Lets a minute pass and returns how many bytes the gateway sent.
    pub fn minute(&mut self) -> usize {
        self.0.pass(MINUTE_S.unsigned_abs() * 1000)
    }

    /// Lets time pass in which nothing is due, and returns how many bytes the gateway sent.
    pub fn tick(&mut self) -> usize {
        self.0.advance(1);
        self.0.handle(Event::Tick);
        self.0.settle()
    }

    /// When the gateway wants to be called next.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.0.device.deadline()
    }

    fn deliver(&mut self, bytes: Bytes) -> usize {
        self.0.handle(Event::Received { conn: self.0.conn, bytes });
        self.0.settle()
    }
}

fn id(device: usize) -> String {
    format!("VAV-{:04}", device + 1)
}

fn gateway_settings(devices: usize, points: usize) -> Settings {
    let known = settings(points);
    let proxy = ProxySettings {
        identity: known.identity.clone(),
        points: known.points,
        families: [("vendor".to_owned(), "7".to_owned())].into(),
        ..ProxySettings::default()
    };
    let proxies = (0..devices).map(|device| (id(device), proxy.clone())).collect();
    let gateway = GatewaySettings { proxies, maximum: devices.max(1), ..GatewaySettings::default() };
    Settings { gateway: Some(gateway), ..settings(0) }
}

/// The config of a gateway of so many devices.
#[must_use]
pub fn own_config(devices: usize) -> Bytes {
    let ids: Vec<_> = (0..devices).map(|device| format!("{:?}", id(device))).collect();
    let gateway = format!(r#""gateway":{{"proxy_ids":[{}]}}"#, ids.join(","));
    packet("AHU-1", &format!(r#"{},{gateway}}}"#, head(0)))
}

/// A config of one of the devices; `second` makes its timestamp.
#[must_use]
pub fn proxy_config(device: usize, points: usize, second: u32) -> Bytes {
    proxy_config_with(device, points, second, -1)
}

fn proxy_config_with(device: usize, points: usize, second: u32, rate: i64) -> Bytes {
    let points: Vec<_> = (0..points)
        .map(|point| format!(r#""{}":{{"ref":"AV/{point:04}","units":"Degrees-Celsius"}}"#, name(point)))
        .collect();
    let pointset = format!(r#""pointset":{{"sample_rate_sec":{rate},"points":{{{}}}}}"#, points.join(","));
    let gateway = r#""gateway":{"target":{"addr":"7"}}"#;
    packet(&id(device), &format!("{},{pointset},{gateway}}}", head(second)))
}

fn head(second: u32) -> String {
    format!(
        r#"{{"timestamp":"2026-03-01T10:{:02}:{:02}Z","version":"1.5.7","system":{{"min_loglevel":400,"metrics_rate_sec":0}}"#,
        second / 60 % 60,
        second % 60,
    )
}

fn packet(device: &str, config: &str) -> Bytes {
    let mut packet = BytesMut::new();
    let topic = format!("/r/REG/d/{device}/config");
    let id = PacketId::new(7);
    wire::encode_publish(&topic, config.as_bytes(), Qos::AtLeastOnce, false, false, id, &mut packet)
        .expect("the packet is valid");
    packet.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_config_of_a_device_is_answered_by_its_state_however_many_there_are() {
        let sent = |devices| {
            let mut gateway = Attached::new(devices, 10);
            let sent = gateway.config(&proxy_config(3, 10, 7));
            assert_eq!(gateway.load().receipts, 0);
            sent
        };
        assert!(sent(10) > 500);
        assert_eq!(sent(10), sent(200));
    }
}
